// registry_matmul.c - the row of matmul: products of many rows, bound by arithmetic.
#include "kernel/registry_weights.h"
#include "kernel/twin/twin.h"

#include <string.h>

enum { MATMUL_STEP = 32 }; // columns of w in shared memory, as in matmul.comp

enum { MATMUL_PLAIN, MATMUL_TILES, MATMUL_TILES_F16, MATMUL_MATRICES, MATMUL_LANES, MATMUL_RUNS };
static const struct smr_variant matmul_variants[] = {
    [MATMUL_PLAIN] = {"plain", "", 0},
    [MATMUL_TILES] = {.name = "tiles", .defines = "#define USE_TILES 1\n", .gpu = true},
    [MATMUL_TILES_F16] = {.name = "tiles_f16",
                          .defines = "#define USE_TILES 1\n#define HALF 1\n",
                          .capabilities = SMR_CAP_FLOAT_16,
                          .gpu = true,
                          .narrow = true,
                          .tolerance = 4e-6},
    [MATMUL_MATRICES] = {.name = "matrices",
                         .defines = "#define USE_TILES 1\n#define USE_MATRICES 1\n",
                         .capabilities = SMR_CAP_MATRIX | SMR_CAP_FLOAT_16,
                         .gpu = true,
                         .narrow = true,
                         .tolerance = 4e-6},
    [MATMUL_LANES] = {"lanes", SMR_LANES_DEFINES, SMR_CAP_SUBGROUP},
    [MATMUL_RUNS] = {"runs", SMR_RUNS_DEFINES, SMR_RUNS_CAPABILITIES},
};

static bool is_tiled(const struct smr_kernel_key *key)
{
    return key->variant >= MATMUL_TILES && key->variant <= MATMUL_MATRICES;
}

// What lib/tiles.glsl may be made for: the tile of a workgroup and that of an invocation, columns and
// rows of y; parts of the columns of w; whether to fetch ahead. For lib/matrix_tiles.glsl `sub` is what
// a subgroup makes, and the rest is 0.
struct tile {
    uint32_t o, r, sub_o, sub_r, parts, ahead;
};

// Small tiles read more for each sum, but there are more of them to fill the GPU with. Where
// subgroups may be narrow, as on Intel's GPUs, an invocation has too few registers for more than 4 x 4
// sums: with more the compiler falls back to half the lanes.
static const struct tile wide_tiles[] = {
    {128, 128, 8, 8, 1, 0}, {64, 64, 8, 4, 1, 1}, {64, 32, 8, 4, 2, 0},
    {32, 32, 4, 4, 4, 0},   {32, 16, 4, 4, 4, 0},
};
static const struct tile narrow_tiles[] = {
    {64, 64, 4, 4, 1, 0}, {32, 32, 4, 4, 4, 0}, {32, 16, 4, 4, 4, 0}};
// For subgroups of 64, of 32 and, on software drivers, of fewer: 256 invocations at most, and one
// for each row and column of the tile at least.
static const struct tile matrix_tiles[] = {
    {128, 128, 64, 64, 0, 0}, {64, 64, 32, 32, 0, 0}, {32, 32, 16, 16, 0, 0}};
static const struct tile matrix_tiles_32[] = {
    {128, 128, 64, 32, 0, 0}, {64, 64, 32, 32, 0, 0}, {32, 32, 16, 16, 0, 0}};
static const struct tile matrix_tiles_less[] = {
    {64, 64, 16, 16, 0, 0}, {64, 64, 16, 8, 0, 0}, {32, 32, 8, 8, 0, 0}};

// The tiles that a variant can be made for on a device.
static const struct tile *tiles_for(const struct smr_limits *limits, uint32_t variant, size_t *n)
{
    const bool wide = limits->min_subgroup_size > 16 || limits->cpu;
    if (variant == MATMUL_MATRICES) {
        *n = SMR_COUNT(matrix_tiles);
        return limits->subgroup_size == 64   ? matrix_tiles
               : limits->subgroup_size == 32 ? matrix_tiles_32
                                             : matrix_tiles_less;
    }
    *n = wide ? SMR_COUNT(wide_tiles) : SMR_COUNT(narrow_tiles);
    return wide ? wide_tiles : narrow_tiles;
}

static uint32_t tile_invocations(const struct tile *tile, const struct smr_limits *limits)
{
    const uint32_t n = tile->o / tile->sub_o * (tile->r / tile->sub_r);
    return n * (tile->parts ? tile->parts : limits->subgroup_size);
}

// Bytes of shared memory, at most: of w and x, and the sums of one part where there are several, or a
// matrix for each subgroup.
static uint32_t tile_shared_size(const struct tile *tile)
{
    if (!tile->parts)
        return (tile->o + tile->r) * 80 + tile->o / tile->sub_o * (tile->r / tile->sub_r) * 1024;
    const uint32_t part_columns = tile->parts > 1 ? 16 : 32; // as in lib/tile_load.glsl
    const uint32_t loaded = part_columns * tile->parts * (tile->o + tile->r);
    return (loaded + (tile->parts > 1 ? tile->o * tile->r : 4)) * (uint32_t)sizeof(float);
}

enum { TILES_WORKGROUPS = 128 }; // enough to fill a GPU

// What is split writes and reads its sums once more, and is put together by a dispatch of its own.
// With more rows there are tiles enough; and tuning tells these numbers of rows apart.
enum { SPLIT_LEAST_COLS = 512, SPLIT_MOST_ROWS = 128, MOST_SPLITS = 8 };

static uint64_t count_tiles(const struct tile *tile, const struct smr_matmul_push *p)
{
    return (uint64_t)smr_div_up(p->n_out, tile->o) * smr_div_up(p->n_rows, tile->r);
}

// Whether half of the tile is before the last row, and there are enough of them.
static bool tile_suits(const struct tile *tile, const struct smr_matmul_push *p)
{
    return tile->r / 2 < p->n_rows && count_tiles(tile, p) >= TILES_WORKGROUPS;
}

// Columns of a split of half the size, at first of half of all. 0 where that were too little for
// each, too many, or there is no room for the sums of as many rows as the same may be chosen for.
static uint32_t halve_split(const struct smr_matmul_push *p, uint32_t split)
{
    const uint64_t rows = smr_rows_bucket(p->n_rows);
    const uint32_t half = (split ? split : smr_power_of_two(p->n_cols)) / 2;
    const uint32_t n = half < SPLIT_LEAST_COLS ? UINT32_MAX : smr_div_up(p->n_cols, half);
    return n <= MOST_SPLITS && rows <= SPLIT_MOST_ROWS &&
                   n * rows * p->n_out * sizeof(float) <= SMR_PARTIAL_SIZE
               ? half
               : 0;
}

// Workgroups that splits make up for: two for each core, within these bounds.
enum { SPLIT_LEAST_WORKGROUPS = 32, SPLIT_MOST_WORKGROUPS = 256 };

static uint32_t split_workgroups(const struct smr_limits *limits)
{
    if (!limits->n_cores)
        return TILES_WORKGROUPS;
    const uint32_t cores = smr_min_u32(limits->n_cores, SPLIT_MOST_WORKGROUPS / 2);
    return smr_max_u32(2 * cores, SPLIT_LEAST_WORKGROUPS);
}

// Columns of a split, so that there are enough workgroups, or as many as there may be; 0: all.
static uint32_t usual_split(const struct smr_limits *limits, const struct tile *tile,
                            const struct smr_matmul_push *p)
{
    const uint64_t n_tiles = count_tiles(tile, p), wanted = split_workgroups(limits);
    uint32_t split = 0;
    while ((split ? smr_div_up(p->n_cols, split) : 1) * n_tiles < wanted) {
        const uint32_t half = halve_split(p, split);
        if (!half)
            break;
        split = half;
    }
    return split;
}

// Constants: workgroup size, then the members of struct tile (without parts, the size of a matrix),
// columns of a split. False where the device cannot do it.
static bool use_tile(struct smr_kernel_key *key, const struct smr_limits *limits,
                     const struct tile *tile, uint32_t split)
{
    const uint32_t size = tile_invocations(tile, limits);
    if (smr_workgroup_size(limits, size) != size || size < smr_max_u32(tile->o, tile->r) ||
        limits->max_shared_size < tile_shared_size(tile))
        return false;
    if (!tile->parts && smr_min_u32(tile->sub_o, tile->sub_r) < limits->matrix_size)
        return false;
    const uint32_t parts = tile->parts ? tile->parts : limits->matrix_size;
    const uint32_t constants[] = {size,        tile->o, tile->r,     tile->sub_o,
                                  tile->sub_r, parts,   tile->ahead, split};
    memcpy(key->constants, constants, sizeof(constants));
    return true;
}

// Matrices are made by whole subgroups of one size. Where those may be narrow, as on Intel's GPUs,
// matrices may be listed that the driver makes of ordinary instructions; they are not used.
static bool can_do_matrices(struct smr_kernel_key *key, const struct smr_limits *limits)
{
    const uint32_t size = limits->subgroup_size;
    if (limits->min_subgroup_size != limits->max_subgroup_size)
        key->subgroup_size = size;
    return (limits->cpu || ((size == 32 || size == 64) && limits->min_subgroup_size > 16)) &&
           (!key->subgroup_size || limits->capabilities & SMR_CAP_SUBGROUP_SIZE);
}

// The first of the tiles that the device can do and that suits, which is the largest; else the smallest.
static bool tiles_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
                             const struct smr_matmul_push *p)
{
    // Intel's GPUs, whose subgroups may be narrow, convert more than they save.
    if ((key->variant == MATMUL_TILES_F16 && limits->min_subgroup_size <= 16 && !limits->cpu) ||
        (key->variant == MATMUL_MATRICES && !can_do_matrices(key, limits)) ||
        p->n_cols % smr_weight_unit(key->type) != 0)
        return false;
    size_t n;
    const struct tile *tiles = tiles_for(limits, key->variant, &n);
    bool done = false;
    for (size_t i = 0; i < n; i++) {
        const bool fits = use_tile(key, limits, &tiles[i], usual_split(limits, &tiles[i], p));
        done = done || fits;
        if (fits && tile_suits(&tiles[i], p))
            break;
    }
    return done;
}

// Another setting with this tile: split as usual, not split, split once more. Counts `number` down.
static bool vary_split(struct smr_kernel_key *key, const struct smr_limits *limits,
                       const struct tile *tile, const struct smr_matmul_push *p, uint32_t *number)
{
    const struct smr_kernel_key before = *key;
    const uint32_t split = usual_split(limits, tile, p), half = split ? halve_split(p, split) : 0;
    const uint32_t splits[] = {split, 0, half};
    const uint32_t n = half ? 3 : split ? 2 : 1;
    for (uint32_t i = 0; i < n; i++) {
        if (use_tile(key, limits, tile, splits[i]) && !smr_kernel_keys_equal(key, &before) &&
            !(*number)--)
            return true;
        *key = before;
    }
    return false;
}

// The tiles that the device can do, for tuning: those nearest to the usual one first.
static bool matmul_vary(struct smr_kernel_key *key, const struct smr_limits *limits,
                        const void *push, uint32_t number)
{
    if (!is_tiled(key))
        return false;
    size_t n, usual = 0;
    const struct tile *tiles = tiles_for(limits, key->variant, &n);
    while (usual + 1 < n &&
           (tiles[usual].o != key->constants[1] || tiles[usual].r != key->constants[2]))
        usual++;
    for (size_t away = 0; away < n; away++)
        if ((usual + away < n && vary_split(key, limits, &tiles[usual + away], push, &number)) ||
            (away && away <= usual && vary_split(key, limits, &tiles[usual - away], push, &number)))
            return true;
    return false;
}

// Rows of x of a workgroup of `runs`, rounded up to whole passes: decoded weights are used that often.
enum { RUNS_TILE_ROWS = 64 };

// Constants: workgroup size, tile of output columns and rows, tile of one invocation.
static bool matmul_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
                              const void *push)
{
    const struct smr_matmul_push *p = push;
    if (!smr_matmul_fits(key->type, p) || p->flags & (SMR_MATVEC_NORM | SMR_MATVEC_GATED))
        return false;
    if (key->variant == MATMUL_LANES)
        return smr_lanes_specialise(key, limits, p->n_rows <= 32 ? 8 : 16);
    if (key->variant == MATMUL_RUNS) {
        // Lanes and rows of a pass: processors with vectors of 16 floats have 32 of them, others 16.
        const bool wide = limits->vector_floats >= 16;
        key->constants[2] = wide ? 16 : 8;
        key->constants[3] = wide ? 4 : 3;
        key->constants[1] = smr_div_up(RUNS_TILE_ROWS, key->constants[3]) * key->constants[3];
        return smr_runs_specialise(key, limits, p);
    }
    if (is_tiled(key))
        return tiles_specialise(key, limits, p);
    // More sums per invocation read less of shared memory for each; 8 by 8 would be too many for the
    // registers of Intel's GPUs.
    const uint32_t tile_o = 64, tile_r = p->n_rows <= 32 ? 32 : 64;
    const uint32_t sub_o = p->n_rows <= 32 ? 4 : 8, sub_r = 4;
    const uint32_t size = tile_o / sub_o * (tile_r / sub_r);
    if (smr_workgroup_size(limits, size) != size ||
        limits->max_shared_size < (tile_o + tile_r) * MATMUL_STEP * sizeof(float))
        return false;
    key->constants[0] = size;
    key->constants[1] = tile_o;
    key->constants[2] = tile_r;
    key->constants[3] = sub_o;
    key->constants[4] = sub_r;
    return true;
}

// Numbers of rows that differ little are one; matvec is compiled for each.
static uint64_t matmul_shape(const void *push, uint32_t shape[SMR_SHAPE_WORDS])
{
    const uint64_t work = smr_products_shape(push, shape);
    shape[2] = smr_rows_bucket(shape[2]);
    return work;
}

static uint32_t matmul_splits(const struct smr_kernel_key *key, const void *push)
{
    const struct smr_matmul_push *p = push;
    const uint32_t split = is_tiled(key) ? key->constants[7] : 0;
    return split ? smr_div_up(p->n_cols, split) : 0;
}

static void matmul_groups(const struct smr_kernel_key *key, const void *push, uint32_t groups[3])
{
    const struct smr_matmul_push *p = push;
    if (key->variant == MATMUL_RUNS) {
        groups[0] = smr_runs_groups(key, p->n_out);
        groups[1] = smr_max_u32(1, smr_div_up(p->n_rows, key->constants[1]));
    } else if (key->variant == MATMUL_LANES) {
        groups[0] = smr_max_u32(1, smr_lanes_groups(key, p->n_out));
        groups[1] = smr_max_u32(1, smr_div_up(p->n_rows, key->constants[1]));
    } else {
        groups[0] = smr_max_u32(1, smr_div_up(p->n_out, key->constants[1]));
        groups[1] = smr_max_u32(1, smr_div_up(p->n_rows, key->constants[2]));
    }
    groups[2] = smr_max_u32(1, matmul_splits(key, p));
}

const struct smr_kernel_desc smr_desc_matmul = {
    .name = "matmul",
    .twin = smr_twin_matmul,
    .n_bindings = 4,
    .push_size = sizeof(struct smr_matmul_push),
    .n_constants = 8,
    .access = {SMR_READ, SMR_READ, SMR_READ, SMR_READ_WRITE},
    .types = smr_types_weights,
    .n_types = SMR_COUNT(smr_types_weights),
    .variants = matmul_variants,
    .n_variants = SMR_COUNT(matmul_variants),
    .tolerance = 1e-10,
    .specialise = matmul_specialise,
    .vary = matmul_vary,
    .shape = matmul_shape,
    .splits = matmul_splits,
    .groups = matmul_groups,
};

// ---- matmul_merge -------------------------------------------------------------------------------

// Constants: workgroup size, sums of each result.
static bool matmul_merge_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
                                    const void *push)
{
    const struct smr_matmul_merge_push *p = push;
    key->constants[0] = smr_workgroup_size_for(limits, 128, 16);
    key->constants[1] = p->n_splits;
    return (uint64_t)p->n_splits * p->n_rows * p->n_out <= UINT32_MAX &&
           (uint64_t)p->n_rows * p->out_stride <= UINT32_MAX;
}

static void matmul_merge_groups(const struct smr_kernel_key *key, const void *push,
                                uint32_t groups[3])
{
    const struct smr_matmul_merge_push *p = push;
    smr_spread_groups(smr_div_up(p->n_rows * p->n_out, key->constants[0]), groups);
}

const struct smr_kernel_desc smr_desc_matmul_merge = {
    .name = "matmul_merge",
    .twin = smr_twin_matmul_merge,
    .n_bindings = 3,
    .push_size = sizeof(struct smr_matmul_merge_push),
    .n_constants = 2,
    .access = {SMR_READ, SMR_READ, SMR_READ_WRITE},
    .types = smr_types_f32,
    .n_types = SMR_COUNT(smr_types_f32),
    .variants = smr_variants_plain,
    .n_variants = SMR_COUNT(smr_variants_plain),
    .tolerance = 1e-12,
    .specialise = matmul_merge_specialise,
    .groups = matmul_merge_groups,
};
