// registry_attention.c - the rows of attention, and of putting its parts together.
#include "kernel/registry.h"
#include "kernel/twin/twin.h"

// ---- attention --------------------------------------------------------------------------------

static const struct smr_variant attention_variants[] = {
    {.name = "plain", .defines = ""},
    // Reads each key once for several queries: those of the heads and rows that share it.
    {.name = "grouped", .defines = "#define GROUPED 1\n", .gpu = true},
    // For prompts: products of matrices by way of shared memory.
    {.name = "tiles", .defines = "#define USE_TILES 1\n", .gpu = true},
    {.name = "runs",
     .defines = "#define USE_RUNS 1\n",
     .capabilities = SMR_CAP_STORAGE_8 | SMR_CAP_STORAGE_16},
    // The same where there are enough queries to fill vectors with.
    {.name = "blocks",
     .defines = "#define USE_RUNS 1\n#define USE_BLOCKS 1\n",
     .capabilities = SMR_CAP_STORAGE_8 | SMR_CAP_STORAGE_16},
};
enum {
    ATTENTION_SINGLE,
    ATTENTION_GROUPED,
    ATTENTION_TILES,
    ATTENTION_RUNS,
    ATTENTION_BLOCKS,
};
enum { ATTENTION_SOFTCAP = 256 }; // in constant 6, beside flags
enum { GROUPED_SIZE = 128, GROUPED_TILE = 64, GROUPED_LANES = 4 };

// Heads of a workgroup of the grouped variant: a power of two, at most `most`, which is one.
static uint32_t grouped_heads(const struct smr_attention_push *p, uint32_t most)
{
    const uint32_t sharing = p->n_heads / p->n_kv_heads;
    uint32_t heads = 1;
    while (heads < sharing && heads < most)
        heads *= 2;
    return heads;
}

// Bytes of shared memory of lib/attention_grouped.glsl.
static uint32_t grouped_shared_size(const struct smr_attention_push *p, uint32_t queries,
                                    uint32_t keys)
{
    const uint32_t octets = (p->head_dim + 7) / 8;
    const uint32_t places = GROUPED_TILE + (keys - 1) * smr_max_u32(1, GROUPED_SIZE / octets);
    const uint32_t sums = smr_max_u32(GROUPED_SIZE, octets) * 8;
    return 4 * (queries * (octets * 8 + GROUPED_TILE * GROUPED_LANES + places + 8) + places + sums +
                2 * GROUPED_SIZE);
}

// Further constants: queries of a workgroup, heads of those, keys of an invocation at a time. Where
// subgroups may be narrow, as on Intel's GPUs, an invocation has registers for two queries and one key:
// with more the compiler falls back to half the lanes.
static bool grouped_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
                               const struct smr_attention_push *p)
{
    const bool wide = limits->min_subgroup_size > 16;
    const uint32_t most = limits->cpu ? 4 : wide ? 8 : 2; // a processor compiles 8 for seconds
    const uint32_t keys = limits->cpu || wide ? 2 : 1;
    const uint32_t heads = grouped_heads(p, most);
    // With less to share than the heads of a row there are more workgroups for the same work.
    const uint32_t queries = p->n_rows >= most / heads ? most : heads;
    if (queries == 1 || limits->max_shared_size < grouped_shared_size(p, queries, keys) ||
        smr_workgroup_size(limits, GROUPED_SIZE) != GROUPED_SIZE)
        return false;
    key->constants[0] = GROUPED_SIZE;
    key->constants[2] = GROUPED_TILE;
    key->constants[3] = GROUPED_LANES;
    key->constants[4] = queries;
    key->constants[5] = heads;
    key->constants[7] = keys;
    return true;
}

// Numbers of rows that differ little are one, so that what is measured for one is kept for all.
static uint32_t rows_bucket(uint32_t n_rows)
{
    enum { MOST_ROWS = 1024 };
    uint32_t rows = 1;
    while (rows < n_rows && rows < MOST_ROWS)
        rows *= 2;
    return rows;
}

// What lib/attention_tiles.glsl may be made for: the workgroup's size, and what an invocation has of
// queries, of keys and of quads of values.
struct attention_tile {
    uint32_t size, sub_q, sub_k, sub_v;
};

// Large tiles read less for each product, small ones are more workgroups. Where subgroups may be
// narrow, as on Intel's GPUs, an invocation has registers for few sums.
static const struct attention_tile wide_tiles[] = {
    {128, 8, 4, 2}, {256, 8, 2, 1}, {128, 4, 4, 2}, {128, 4, 2, 1}};
static const struct attention_tile narrow_tiles[] = {{256, 4, 2, 1}, {128, 4, 2, 1}};

enum { TILE_LEAST_LANES = 16, TILE_VALUES = 512 /* quads of values in shared memory at a time */ };

// Constants of a tile. False where the device cannot do it.
static bool use_attention_tile(struct smr_kernel_key *key, const struct smr_limits *limits,
                               const struct smr_attention_push *p,
                               const struct attention_tile *tile)
{
    enum { CHUNK_ROW = 9, QUAD = 16 }; // quads; bytes
    const uint32_t n_quads = (p->head_dim + 7) / 8 * 2;
    uint32_t lanes = TILE_LEAST_LANES, heads = 1;
    while (lanes < tile->size && lanes * tile->sub_v < n_quads)
        lanes *= 2;
    const uint32_t n_keys = lanes * tile->sub_k, queries = tile->size / lanes * tile->sub_q;
    while (heads < p->n_heads / p->n_kv_heads && rows_bucket(p->n_rows) * heads < queries)
        heads *= 2;
    const uint32_t row = smr_div_up(n_quads, lanes) * lanes;
    uint32_t value_keys = n_keys;
    while (value_keys > 1 && value_keys * row > TILE_VALUES)
        value_keys /= 2;
    const uint32_t chunks = (queries + n_keys) * CHUNK_ROW;
    const uint32_t values = n_keys * queries / 4 + value_keys * row;
    const uint32_t others = 4 * (n_keys + queries * (10 + lanes)) + 8;
    key->constants[0] = tile->size;
    key->constants[2] = n_keys;
    key->constants[3] = lanes;
    key->constants[4] = queries;
    key->constants[5] = heads;
    key->constants[7] = value_keys;
    return smr_workgroup_size(limits, tile->size) == tile->size &&
           smr_max_u32(chunks, values) * QUAD + others <= limits->max_shared_size;
}

static const struct attention_tile *attention_tiles(const struct smr_limits *limits, size_t *n)
{
    const bool wide = limits->min_subgroup_size > 16 || limits->cpu;
    *n = wide ? SMR_COUNT(wide_tiles) : SMR_COUNT(narrow_tiles);
    return wide ? wide_tiles : narrow_tiles;
}

static uint64_t attention_tile_groups(const struct smr_kernel_key *key,
                                      const struct smr_attention_push *p)
{
    const uint32_t heads = key->constants[5], rows = key->constants[4] / heads;
    return (uint64_t)smr_div_up(p->n_rows, rows) * p->n_kv_heads *
           smr_div_up(p->n_heads / p->n_kv_heads, heads) * p->n_splits;
}

enum { ATTENTION_WORKGROUPS = 128 }; // enough to fill a GPU

// The first of the tiles that the device can do of which there are enough, which is the largest; else
// the last one. For few rows, or those of many sequences, there are other variants.
static bool attention_tiles_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
                                       const struct smr_attention_push *p)
{
    enum { LEAST_ROWS = 9 };
    size_t n;
    const struct attention_tile *tiles = attention_tiles(limits, &n);
    bool done = false;
    for (size_t i = 0; i < n; i++) {
        struct smr_kernel_key wanted = *key;
        if (!use_attention_tile(&wanted, limits, p, &tiles[i]))
            continue;
        done = true;
        *key = wanted;
        if (attention_tile_groups(key, p) >= ATTENTION_WORKGROUPS)
            break;
    }
    return done && p->n_rows >= LEAST_ROWS && !(p->flags & SMR_ATTENTION_APART);
}

// The other tiles that the device can do; fewer queries to a workgroup of the grouped variant.
static bool attention_vary(struct smr_kernel_key *key, const struct smr_limits *limits,
                           const void *push, uint32_t number)
{
    const struct smr_kernel_key usual = *key;
    if (key->variant == ATTENTION_GROUPED) {
        key->constants[4] = number < 3 ? usual.constants[4] >> (number + 1) : 0;
        key->constants[5] = smr_min_u32(usual.constants[5], key->constants[4]);
        return key->constants[4] > 1;
    }
    if (key->variant != ATTENTION_TILES)
        return false;
    size_t n;
    const struct attention_tile *tiles = attention_tiles(limits, &n);
    for (size_t i = 0; i < n; i++) {
        *key = usual;
        if (use_attention_tile(key, limits, push, &tiles[i]) &&
            !smr_kernel_keys_equal(key, &usual) && !number--)
            return true;
    }
    return false;
}

// Further constants: lanes of a vector, heads of a workgroup, a divisor of those that share a KV head,
// and keys of a pass, whose sums are in as many registers for each head.
static bool attention_runs_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
                                      const struct smr_attention_push *p)
{
    const uint32_t sharing = p->n_heads / p->n_kv_heads;
    const bool wide = limits->vector_floats >= 16; // a processor with 32 registers, others have 16
    const uint32_t most_sums = wide ? 16 : 8;
    if (!smr_limits_want_runs(limits))
        return false;
    // Heads together read a key once, but the processor's threads want a few workgroups each.
    uint32_t heads = smr_min_u32(sharing, 8);
    while (heads > 1 &&
           (sharing % heads || (uint64_t)p->n_rows * p->n_heads / heads * p->n_splits < 2))
        heads--;
    key->constants[0] = 1;
    key->constants[2] = 64;
    key->constants[3] = wide && p->head_dim % 16 == 0 ? 16 : 8;
    key->constants[4] = heads;
    key->constants[5] = 8;
    while (key->constants[5] > 1 && key->constants[5] * heads > most_sums)
        key->constants[5] /= 2;
    return heads > 0;
}

// Further constants: lanes of a vector, queries of a workgroup, keys or elements of values of a pass.
static bool attention_blocks_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
                                        const struct smr_attention_push *p)
{
    const uint32_t sharing = p->n_heads / p->n_kv_heads;
    const bool wide = limits->vector_floats >= 16; // a processor with 32 registers, others have 16
    if (!smr_limits_want_runs(limits) || p->flags & SMR_ATTENTION_APART ||
        (uint64_t)p->n_rows * sharing < 16)
        return false;
    key->constants[0] = 1;
    key->constants[2] = 64;
    key->constants[3] = wide ? 16 : 8;
    key->constants[4] = 64;
    key->constants[5] = wide ? 8 : 4;
    return true;
}

// Constants: workgroup size, head_dim, keys of a tile, invocations that share the dot product of a
// key; two that variants have a use for; the flags, and that there is a softcap, so that what is not
// asked for costs nothing.
static bool attention_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
                                 const void *push)
{
    const struct smr_attention_push *p = push;
    if (p->head_dim < 2 || p->head_dim > 512 || p->head_dim % 2 ||
        !smr_cache_type_fits(key->type, p->head_dim) ||
        (p->window && p->flags & SMR_ATTENTION_FULL))
        return false;
    key->constants[1] = p->head_dim;
    key->constants[6] = (p->flags & (SMR_ATTENTION_FULL | SMR_ATTENTION_BIAS)) |
                        (p->softcap != 0 ? ATTENTION_SOFTCAP : 0);
    if (key->variant == ATTENTION_GROUPED)
        return grouped_specialise(key, limits, p);
    if (key->variant == ATTENTION_TILES)
        return attention_tiles_specialise(key, limits, p);
    if (key->variant == ATTENTION_RUNS)
        return attention_runs_specialise(key, limits, p);
    if (key->variant == ATTENTION_BLOCKS)
        return attention_blocks_specialise(key, limits, p);
    key->constants[0] = smr_workgroup_size_for(limits, 128, p->head_dim <= 128 ? 16 : 32);
    key->constants[2] = 64;
    key->constants[3] = limits->cpu ? 1 : 8;
    return true;
}

static void attention_groups(const struct smr_kernel_key *key, const void *push, uint32_t groups[3])
{
    const struct smr_attention_push *p = push;
    uint64_t n = (uint64_t)p->n_rows * p->n_heads;
    if (key->variant == ATTENTION_RUNS)
        n /= key->constants[4];
    if (key->variant == ATTENTION_BLOCKS)
        n = smr_div_up((uint32_t)(n / p->n_kv_heads), key->constants[4]) * (uint64_t)p->n_kv_heads;
    n *= p->n_splits;
    if (key->variant == ATTENTION_GROUPED || key->variant == ATTENTION_TILES)
        n = attention_tile_groups(key, p);
    smr_spread_groups(n, groups);
}

// The keys that a row sees are not known here: as many as are worth the splits, and the rows' own.
static uint64_t attention_shape(const void *push, uint32_t shape[SMR_SHAPE_WORDS])
{
    enum { SPLIT_KEYS = 256 };
    const struct smr_attention_push *p = push;
    shape[0] = p->head_dim;
    shape[1] = p->n_heads;
    shape[2] = rows_bucket(p->n_rows);
    shape[3] = p->n_kv_heads;
    shape[4] = p->window;
    shape[5] = p->n_splits | p->flags << 16 | (p->softcap != 0 ? 1u << 31 : 0);
    return 2ull * p->n_rows * p->n_heads * p->head_dim *
           (p->n_splits > 1 ? p->n_splits * SPLIT_KEYS : p->n_rows);
}

const struct smr_kernel_desc smr_desc_attention = {
    .name = "attention",
    .twin = smr_twin_attention,
    .n_bindings = 8,
    .push_size = sizeof(struct smr_attention_push),
    .n_constants = 8,
    .access = {SMR_READ, SMR_READ, SMR_READ, SMR_READ, SMR_READ, SMR_WRITE, SMR_READ, SMR_READ},
    .types = smr_types_cache,
    .n_types = SMR_COUNT(smr_types_cache),
    .variants = attention_variants,
    .n_variants = SMR_COUNT(attention_variants),
    .tolerance = 1e-10,
    .specialise = attention_specialise,
    .shape = attention_shape,
    .vary = attention_vary,
    .groups = attention_groups,
};

// ---- attention_merge --------------------------------------------------------------------------

static bool attention_merge_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
                                       const void *push)
{
    return smr_size_specialise(key, limits, 64, 16);
}

static void attention_merge_groups(const struct smr_kernel_key *key, const void *push,
                                   uint32_t groups[3])
{
    const struct smr_attention_merge_push *p = push;
    smr_spread_groups((uint64_t)p->n_rows * p->n_heads, groups);
}

const struct smr_kernel_desc smr_desc_attention_merge = {
    .name = "attention_merge",
    .twin = smr_twin_attention_merge,
    .n_bindings = 2,
    .push_size = sizeof(struct smr_attention_merge_push),
    .n_constants = 1,
    .access = {SMR_READ, SMR_WRITE},
    .types = smr_types_f32,
    .n_types = SMR_COUNT(smr_types_f32),
    .variants = smr_variants_runs,
    .n_variants = SMR_COUNT(smr_variants_runs),
    .tolerance = 1e-11,
    .specialise = attention_merge_specialise,
    .groups = attention_merge_groups,
};
