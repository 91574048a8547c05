// registry_attention.c - the rows of attention, and of putting its parts together.
#include "kernel/registry.h"
#include "kernel/twin/twin.h"

// ---- attention --------------------------------------------------------------------------------

static const struct smr_variant attention_variants[] = {
    {.name = "plain", .defines = ""},
    // Reads each key once for several queries: those of the heads and rows that share it.
    {.name = "grouped", .defines = "#define GROUPED 1\n", .gpu = true},
    {.name = "runs",
     .defines = "#define USE_RUNS 1\n",
     .capabilities = SMR_CAP_STORAGE_8 | SMR_CAP_STORAGE_16},
    // The same where there are enough queries to fill vectors with.
    {.name = "blocks",
     .defines = "#define USE_RUNS 1\n#define USE_BLOCKS 1\n",
     .capabilities = SMR_CAP_STORAGE_8 | SMR_CAP_STORAGE_16},
};
enum { ATTENTION_SINGLE, ATTENTION_GROUPED, ATTENTION_RUNS, ATTENTION_BLOCKS };
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

// Further constant: heads of a workgroup, a divisor of those that share a KV head.
static bool attention_runs_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
                                      const struct smr_attention_push *p)
{
    const uint32_t sharing = p->n_heads / p->n_kv_heads;
    if (!smr_limits_want_runs(limits))
        return false;
    // Heads together read a key once, but the processor's threads want a few workgroups each.
    uint32_t heads = smr_min_u32(sharing, 4);
    while (heads > 1 &&
           (sharing % heads || (uint64_t)p->n_rows * p->n_heads / heads * p->n_splits < 4))
        heads--;
    key->constants[0] = 1;
    key->constants[2] = 64;
    key->constants[4] = heads;
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
// key; two that variants have a use for; the flags, so that what is not asked for costs nothing.
static bool attention_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
                                 const void *push)
{
    const struct smr_attention_push *p = push;
    if (p->head_dim < 2 || p->head_dim > 512 || p->head_dim % 2 ||
        !smr_cache_type_fits(key->type, p->head_dim) ||
        (p->window && p->flags & SMR_ATTENTION_FULL))
        return false;
    key->constants[1] = p->head_dim;
    key->constants[6] = p->flags & (SMR_ATTENTION_FULL | SMR_ATTENTION_BIAS);
    if (key->variant == ATTENTION_GROUPED)
        return grouped_specialise(key, limits, p);
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
    if (key->variant == ATTENTION_GROUPED) {
        const uint32_t heads = key->constants[5], rows = key->constants[4] / heads;
        n = (uint64_t)smr_div_up(p->n_rows, rows) * p->n_kv_heads *
            smr_div_up(p->n_heads / p->n_kv_heads, heads);
    }
    smr_spread_groups(n * p->n_splits, groups);
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
    .groups = attention_groups,
};

// ---- attention_merge --------------------------------------------------------------------------

static bool attention_merge_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
                                       const void *push)
{
    key->constants[0] = smr_workgroup_size_for(limits, 64, 16);
    return true;
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
    .variants = smr_variants_plain,
    .n_variants = SMR_COUNT(smr_variants_plain),
    .tolerance = 1e-11,
    .specialise = attention_merge_specialise,
    .groups = attention_merge_groups,
};
