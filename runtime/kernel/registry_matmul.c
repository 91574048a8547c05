// registry_matmul.c - the rows of the kernels that read weights: embed, matvec, matmul,
// experts.
#include "kernel/registry.h"
#include "kernel/twin/twin.h"

#include <string.h>

static const enum smr_type weight_types[] = {
    SMR_F32,  SMR_F16,  SMR_BF16, SMR_Q8_0, SMR_Q4_0, SMR_Q4_1, SMR_Q5_0,
    SMR_Q5_1, SMR_Q2_K, SMR_Q3_K, SMR_Q4_K, SMR_Q5_K, SMR_Q6_K, SMR_IQ4_NL,
};

// Columns that one invocation decodes at a time: UNIT in shaders/lib/.
static uint32_t unit_of(uint32_t type)
{
    switch (type) {
    case SMR_F32:
        return 4;
    case SMR_F16:
    case SMR_BF16:
        return 8;
    default:
        return 32;
    }
}

// Shaders address weights by 32-bit byte offsets.
static bool weights_fit(uint32_t type, uint32_t n_cols, uint64_t n_rows)
{
    const uint32_t block = smr_type_info((enum smr_type)type)->block_elements;
    return n_cols && n_cols % block == 0 &&
           n_rows <= UINT32_MAX / smr_type_size((enum smr_type)type, n_cols);
}

// And elements of the other bindings by 32-bit indexes.
static bool matmul_fits(uint32_t type, const struct smr_matmul_push *p)
{
    return weights_fit(type, p->n_cols, p->n_out) &&
           (uint64_t)p->n_rows * p->in_stride <= UINT32_MAX &&
           (uint64_t)p->n_rows * p->out_stride <= UINT32_MAX;
}

// The least power of two that is not below n.
static uint32_t power_of_two(uint32_t n)
{
    uint32_t power = 1;
    while (power < n)
        power *= 2;
    return power;
}

static uint64_t matvec_shape(const void *push, uint32_t shape[SMR_SHAPE_WORDS])
{
    const struct smr_matmul_push *p = push;
    shape[0] = p->n_cols;
    shape[1] = p->n_out;
    shape[2] = p->n_rows;
    shape[3] = p->flags;
    shape[4] = p->flags & SMR_MATVEC_GATED ? p->activation : 0;
    return (uint64_t)p->n_cols * p->n_out * p->n_rows;
}

// Of matmul numbers of rows that differ little are one; matvec is compiled for each.
enum { SHAPE_MOST_ROWS = 256 };

static uint32_t rows_bucket(uint32_t n_rows)
{
    return power_of_two(smr_min_u32(n_rows, SHAPE_MOST_ROWS));
}

static uint64_t matmul_shape(const void *push, uint32_t shape[SMR_SHAPE_WORDS])
{
    const uint64_t work = matvec_shape(push, shape);
    shape[2] = rows_bucket(shape[2]);
    return work;
}

// Where subgroups are as narrow as a processor's vectors, a processor runs them: there unrolled code
// takes seconds to compile and runs no faster.
static bool worth_unrolling(const struct smr_limits *limits)
{
    return limits->max_subgroup_size > 8;
}

// ---- embed --------------------------------------------------------------------------------------

static bool embed_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
                             const void *push)
{
    const struct smr_embed_push *p = push;
    if (!weights_fit(key->type, p->n_cols, p->row_count) ||
        (uint64_t)p->n_rows * p->n_cols > UINT32_MAX)
        return false;
    key->constants[0] = smr_workgroup_size(limits, 64);
    return true;
}

static void embed_groups(const struct smr_kernel_key *key, const void *push, uint32_t groups[3])
{
    const struct smr_embed_push *p = push;
    // The end of a row of floats that is no whole unit is taken by as many invocations as it has
    // elements.
    const uint32_t unit = unit_of(key->type);
    const uint32_t invocations = smr_max_u32(p->n_cols / unit, p->n_cols % unit);
    groups[0] = smr_max_u32(1, smr_div_up(invocations, key->constants[0]));
    groups[1] = smr_min_u32(smr_max_u32(1, p->n_rows), 65535);
    groups[2] = 1;
}

const struct smr_kernel_desc smr_desc_embed = {
    .name = "embed",
    .twin = smr_twin_embed,
    .n_bindings = 3,
    .push_size = sizeof(struct smr_embed_push),
    .n_constants = 1,
    // Rows of indexes that lie elsewhere stay as they were.
    .access = {SMR_READ, SMR_READ, SMR_READ_WRITE},
    .types = weight_types,
    .n_types = SMR_COUNT(weight_types),
    .variants = smr_variants_plain,
    .n_variants = SMR_COUNT(smr_variants_plain),
    .tolerance = 1e-11,
    .specialise = embed_specialise,
    .groups = embed_groups,
};

// ---- matvec and matmul for narrow subgroups (lib/lanes.glsl) --------------------------------------

#define LANES_DEFINES "#define USE_LANES 1\n"

// Constants: workgroup size, rows of x and rows of weights of an invocation, subgroup size, quads
// that an invocation does at a time.
static bool lanes_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
                             uint32_t n_rows)
{
    const uint32_t lanes = limits->subgroup_size;
    if (lanes < 4 || lanes > 8 || limits->min_subgroup_size != lanes ||
        limits->max_subgroup_size != lanes)
        return false;
    key->constants[0] = smr_workgroup_size(limits, lanes);
    key->constants[1] = n_rows;
    key->constants[2] = 2;
    key->constants[3] = lanes;
    // One load of the whole subgroup is `lanes` values of x: several rows' or several quads'.
    key->constants[4] = n_rows == 1 && lanes == 8 && key->type != SMR_F32 ? 2 : 1;
    return key->constants[0] == lanes;
}

static uint32_t lanes_groups(const struct smr_kernel_key *key, uint32_t n_out)
{
    return smr_div_up(n_out, key->constants[0] * key->constants[2]);
}

// ---- matvec and matmul inside one invocation (lib/runs.glsl) ---------------------------------------

#define RUNS_DEFINES      "#define USE_RUNS 1\n"
#define RUNS_CAPABILITIES (SMR_CAP_STORAGE_8 | SMR_CAP_STORAGE_16)

// Rows of x of a workgroup of matmul, rounded up to whole passes: decoded weights are used that often.
enum { RUNS_WORKGROUPS = 64, RUNS_LEAST_ROWS = 8, RUNS_TILE_ROWS = 64 };

// Columns that share a scale, at least; so many groups there is room for, and most columns.
enum { DOTS_GROUP = 16, DOTS_LEAST_GROUPS = 512, DOTS_MOST_COLS = 65536 };

// Bytes of weights: lane_base() of shaders/lib leaves out the last 256 of 4 GiB.
#define RUNS_MAX_SIZE (UINT32_MAX - 255)

// A workgroup is one invocation.
static bool runs_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
                            const struct smr_matmul_push *p)
{
    key->constants[0] = 1;
    return smr_limits_want_runs(limits) &&
           p->n_out * smr_type_size((enum smr_type)key->type, p->n_cols) <= RUNS_MAX_SIZE;
}

// The same for matvec: rows of x, of which some may not be there, and room for the groups of a row.
static bool dots_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
                            const struct smr_matmul_push *p)
{
    key->constants[1] = power_of_two(p->n_rows);
    key->constants[2] = power_of_two(smr_max_u32(p->n_cols / DOTS_GROUP, DOTS_LEAST_GROUPS));
    return p->n_cols <= DOTS_MOST_COLS && runs_specialise(key, limits, p);
}

// Enough workgroups for the processor's threads, each with enough to do.
static uint32_t runs_groups(uint32_t n_out)
{
    return smr_max_u32(1, smr_min_u32(RUNS_WORKGROUPS, n_out / RUNS_LEAST_ROWS));
}

// ---- matvec -------------------------------------------------------------------------------------

enum {
    MATVEC_PLAIN,
    MATVEC_SUBGROUP,
    MATVEC_UNROLLED,
    MATVEC_WIDE,
    MATVEC_DOT,
    MATVEC_LANES,
    MATVEC_RUNS,
};
// With a part of their own for lib/wide.glsl and lib/dot.glsl.
#define TEAM_TYPES (1u << SMR_Q4_0 | 1u << SMR_Q8_0 | 1u << SMR_Q4_K | 1u << SMR_Q6_K)

static const struct smr_variant matvec_variants[] = {
    [MATVEC_PLAIN] = {"plain", "", 0},
    [MATVEC_SUBGROUP] = {"subgroup", "#define USE_SUBGROUP 1\n", SMR_CAP_SUBGROUP},
    [MATVEC_UNROLLED] = {"unrolled", "#define USE_SUBGROUP 1\n#define LONG_CODE 1\n",
                         SMR_CAP_SUBGROUP},
    [MATVEC_WIDE] = {.name = "wide",
                     .defines = "#define USE_WIDE 1\n",
                     .capabilities = SMR_CAP_SUBGROUP,
                     .gpu = true,
                     .types = TEAM_TYPES},
    [MATVEC_DOT] = {.name = "dot",
                    .defines = "#define USE_DOT 1\n",
                    .capabilities = SMR_CAP_SUBGROUP | SMR_CAP_INT_DOT,
                    .gpu = true,
                    .narrow = true,
                    .tolerance = 1e-4, // of bytes' half steps: about 2e-5
                    .quantized = true,
                    .types = TEAM_TYPES},
    [MATVEC_LANES] = {"lanes", LANES_DEFINES, SMR_CAP_SUBGROUP},
    [MATVEC_RUNS] = {"runs", RUNS_DEFINES, RUNS_CAPABILITIES},
};

enum { MATVEC_WORKGROUPS = 512, MATVEC_MOST_OUT_ROWS = 8 };

// ---- matvec for GPUs (lib/teams.glsl) -------------------------------------------------------------

enum { TEAM_SPAN = 64 }; // columns of an invocation at a time: SPAN_COLUMNS

// Rows of weights that an invocation takes at once without running out of registers, for 1, 2, up to 4
// and up to 8 rows of x; 0: not even one. Registers hold the less, the narrower subgroups may be: as
// narrow as 8 and 16 they are on Intel's GPUs, older and newer ones.
static uint32_t team_out_rows(const struct smr_kernel_key *key, const struct smr_limits *limits,
                              uint32_t n_rows)
{
    static const uint8_t wide[3][4] = {{2, 2, 0, 0}, {4, 2, 2, 1}, {4, 4, 2, 1}};
    static const uint8_t wide_q6_k[3][4] = {{1, 1, 0, 0}, {2, 2, 1, 1}, {4, 2, 2, 1}};
    static const uint8_t dot[3][4] = {{2, 1, 1, 0}, {4, 2, 2, 2}, {4, 2, 2, 2}};
    const int width = limits->min_subgroup_size <= 8 ? 0 : limits->min_subgroup_size <= 16 ? 1 : 2;
    const int rows = n_rows == 1 ? 0 : n_rows == 2 ? 1 : n_rows <= 4 ? 2 : 3;
    if (key->variant == MATVEC_DOT)
        return dot[width][rows];
    return key->type == SMR_Q6_K ? wide_q6_k[width][rows] : wide[width][rows];
}

// The size of subgroups to ask for; 0: they have one size only.
static bool team_subgroup(const struct smr_limits *limits, uint32_t *size, uint32_t *required)
{
    *size = limits->min_subgroup_size <= 16 && limits->max_subgroup_size >= 16
                ? 16
                : limits->subgroup_size;
    *required = limits->min_subgroup_size == limits->max_subgroup_size ? 0 : *size;
    return *size && !(*size & (*size - 1)) &&
           (!*required || limits->capabilities & SMR_CAP_SUBGROUP_SIZE);
}

// Constants: workgroup size, rows of x, rows of weights of a team, invocations of a team, of a
// subgroup.
static bool team_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
                            const struct smr_matmul_push *p)
{
    const uint32_t n_spans = p->n_cols / TEAM_SPAN;
    uint32_t subgroup, lanes, size = smr_workgroup_size(limits, 64);
    if (p->n_cols % TEAM_SPAN != 0 || !team_subgroup(limits, &subgroup, &key->subgroup_size) ||
        size % subgroup != 0)
        return false;
    // As many lanes along the columns as leave few of them idle in the last round.
    for (lanes = size; lanes > 8 && 4 * n_spans < 3 * lanes * smr_div_up(n_spans, lanes);)
        lanes /= 2;
    const uint32_t least = p->flags & SMR_MATVEC_GATED ? 2 : 1;
    uint32_t out_rows = team_out_rows(key, limits, p->n_rows);
    while (out_rows > least && p->n_out / out_rows < MATVEC_WORKGROUPS * (size / lanes))
        out_rows /= 2;
    key->constants[0] = size;
    key->constants[1] = p->n_rows;
    key->constants[2] = out_rows;
    key->constants[3] = lanes;
    key->constants[4] = subgroup;
    return out_rows >= least;
}

// ---- matvec, all variants -------------------------------------------------------------------------

// What a push asks for besides the product, as the shader's constant 5.
static uint32_t fused_flags(const struct smr_matmul_push *p)
{
    const bool gated = p->flags & SMR_MATVEC_GATED;
    return (p->flags & (SMR_MATVEC_NORM | SMR_MATVEC_GATED)) | (gated ? p->activation << 8 : 0);
}

static bool fused_fits(const struct smr_matmul_push *p)
{
    if (!(p->flags & SMR_MATVEC_GATED))
        return true;
    return p->n_out % 2 == 0 && !p->out_offset && p->activation < SMR_ACT_SOFTCAP &&
           !(p->flags & (SMR_MATMUL_BIAS | SMR_MATMUL_ADD));
}

enum { MATVEC_RUNS_MAX_NORM = 8192 }; // columns: an invocation keeps them all

// Constants: workgroup size, n_rows, rows of weights of a workgroup; two of lib/lanes.glsl; what is
// fused; columns that lib/runs.glsl norms.
static bool matvec_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
                              const void *push)
{
    const struct smr_matmul_push *p = push;
    const bool normed = p->flags & SMR_MATVEC_NORM, gated = p->flags & SMR_MATVEC_GATED;
    if (!p->n_rows || p->n_rows > SMR_MATVEC_MAX_ROWS || !matmul_fits(key->type, p) ||
        !fused_fits(p))
        return false;
    key->constants[5] = fused_flags(p);
    if (key->variant == MATVEC_LANES)
        return lanes_specialise(key, limits, p->n_rows);
    if (key->variant == MATVEC_RUNS) {
        key->constants[6] = normed ? p->n_cols : 1;
        return key->constants[6] <= MATVEC_RUNS_MAX_NORM && dots_specialise(key, limits, p);
    }
    if (key->variant == MATVEC_WIDE)
        return team_specialise(key, limits, p);
    if (key->variant == MATVEC_DOT) {
        key->constants[5] &= ~(uint32_t)SMR_MATVEC_NORM; // of quantize
        return (uint64_t)p->n_rows * p->n_cols / SMR_QUANTIZE_BLOCK * SMR_QUANTIZE_BLOCK_SIZE <=
                   SMR_QUANTIZED_SIZE &&
               team_specialise(key, limits, p);
    }
    if (key->variant == MATVEC_UNROLLED && !worth_unrolling(limits))
        return false;
    // No more invocations than there are units in a row, nor than two subgroups' worth.
    uint32_t size = smr_workgroup_size(limits, 64);
    while (size > 16 && size / 2 >= p->n_cols / unit_of(key->type))
        size /= 2;
    key->constants[0] = size;
    key->constants[1] = p->n_rows;
    // Several rows of weights share what is read of x, but leave enough workgroups to fill a GPU. With
    // more than two rows of x, four would spill on Intel's GPUs.
    uint32_t out_rows = p->n_rows <= 2 ? 4 : 2;
    while (out_rows > (gated ? 2 : 1) && p->n_out / out_rows < MATVEC_WORKGROUPS)
        out_rows /= 2;
    key->constants[2] = out_rows;
    return true;
}

// Fewer rows of weights: more workgroups, and fewer registers for each.
static bool team_vary(struct smr_kernel_key *key, uint32_t least_rows, uint32_t i)
{
    const uint32_t rows = i < 2 ? key->constants[2] >> (i + 1) : 0;
    if (rows < least_rows)
        return false;
    key->constants[2] = rows;
    return true;
}

// Other workgroup sizes, and numbers of rows of weights of a workgroup: the nearest first.
static bool matvec_vary(struct smr_kernel_key *key, const struct smr_limits *limits,
                        const void *push, uint32_t i)
{
    static const struct {
        int size, rows; // powers of two to multiply with
    } steps[] = {{0, -1}, {0, 1}, {-1, 0}, {1, 0}, {1, 1},  {-1, -1}, {1, -1},
                 {-1, 1}, {2, 0}, {0, -2}, {2, 1}, {2, -1}, {1, -2},  {2, -2}};
    const struct smr_matmul_push *p = push;
    const uint32_t least_rows = p->flags & SMR_MATVEC_GATED ? 2 : 1, usual = key->constants[0],
                   usual_rows = key->constants[2];
    if (key->variant == MATVEC_WIDE || key->variant == MATVEC_DOT)
        return team_vary(key, least_rows, i);
    if (key->variant != MATVEC_SUBGROUP && key->variant != MATVEC_UNROLLED)
        return false;
    for (uint32_t n = 0; n < SMR_COUNT(steps); n++) {
        const uint32_t size = usual << (2 + steps[n].size) >> 2;
        const uint32_t rows = usual_rows << (2 + steps[n].rows) >> 2;
        const uint64_t shared = (uint64_t)size * rows * p->n_rows * sizeof(float);
        if (size < 16 || size != smr_workgroup_size(limits, size) || rows < least_rows ||
            rows > MATVEC_MOST_OUT_ROWS || shared > limits->max_shared_size || i--)
            continue;
        key->constants[0] = size;
        key->constants[2] = rows;
        return true;
    }
    return false;
}

static void matvec_groups(const struct smr_kernel_key *key, const void *push, uint32_t groups[3])
{
    const struct smr_matmul_push *p = push;
    if (key->variant == MATVEC_RUNS) {
        smr_spread_groups(runs_groups(p->n_out), groups);
        return;
    }
    uint32_t out_rows = key->constants[2]; // of a workgroup
    if (key->variant == MATVEC_LANES)
        out_rows *= key->constants[0];
    else if (key->variant == MATVEC_WIDE || key->variant == MATVEC_DOT)
        out_rows *= key->constants[0] / key->constants[3];
    smr_spread_groups(smr_div_up(p->n_out, out_rows), groups);
}

// A unit of each row of weights; where code is not unrolled, there are loops within units.
static uint32_t matvec_weights_per_round(const struct smr_kernel_key *key)
{
    switch (key->variant) {
    case MATVEC_UNROLLED:
        return unit_of(key->type) * key->constants[2];
    case MATVEC_WIDE:
    case MATVEC_DOT:
        return TEAM_SPAN * key->constants[2];
    default:
        return 0;
    }
}

const struct smr_kernel_desc smr_desc_matvec = {
    .name = "matvec",
    .twin = smr_twin_matvec,
    .n_bindings = 5,
    .push_size = sizeof(struct smr_matmul_push),
    .n_constants = 7,
    .access = {SMR_READ, SMR_READ, SMR_READ, SMR_READ_WRITE, SMR_READ},
    .types = weight_types,
    .n_types = SMR_COUNT(weight_types),
    .variants = matvec_variants,
    .n_variants = SMR_COUNT(matvec_variants),
    .tolerance = 1e-10,
    .specialise = matvec_specialise,
    .shape = matvec_shape,
    .vary = matvec_vary,
    .groups = matvec_groups,
    .weights_per_round = matvec_weights_per_round,
};

// ---- experts ------------------------------------------------------------------------------------

// The matvec of one row by one expert, by the same code: what differs is where they are found.
static struct smr_matmul_push expert_matvec(const struct smr_experts_push *p)
{
    return (struct smr_matmul_push){.n_cols = p->n_cols,
                                    .n_out = p->n_out,
                                    .n_rows = 1,
                                    .in_stride = p->in_stride,
                                    .out_stride = p->out_stride};
}

enum { EXPERTS_MAX_PAIRS = 65535 }; // of rows and experts: workgroups along z

static bool experts_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
                               const void *push)
{
    const struct smr_experts_push *p = push;
    const struct smr_matmul_push one = expert_matvec(p);
    if (matvec_variants[key->variant].quantized)
        return false; // experts read rows of x that lie anywhere
    const uint64_t n_rows = (uint64_t)p->n_out * p->expert_count;
    const uint64_t row_size = smr_type_size((enum smr_type)key->type, p->n_cols);
    if (!weights_fit(key->type, p->n_cols, n_rows) ||
        (uint64_t)p->n_rows * p->n_used > EXPERTS_MAX_PAIRS ||
        (uint64_t)p->n_rows * p->in_stride > UINT32_MAX ||
        (uint64_t)p->n_rows * p->out_stride > UINT32_MAX)
        return false;
    if (key->variant == MATVEC_RUNS && p->weight_at + n_rows * row_size > RUNS_MAX_SIZE)
        return false;
    return matvec_specialise(key, limits, &one);
}

static void experts_groups(const struct smr_kernel_key *key, const void *push, uint32_t groups[3])
{
    const struct smr_experts_push *p = push;
    const struct smr_matmul_push one = expert_matvec(p);
    matvec_groups(key, &one, groups);
    groups[2] = smr_max_u32(1, p->n_rows * p->n_used);
}

static uint64_t experts_shape(const void *push, uint32_t shape[SMR_SHAPE_WORDS])
{
    const struct smr_experts_push *p = push;
    shape[0] = p->n_cols;
    shape[1] = p->n_out;
    shape[2] = rows_bucket(p->n_rows);
    shape[3] = p->n_used;
    return (uint64_t)p->n_cols * p->n_out * p->n_rows * p->n_used;
}

const struct smr_kernel_desc smr_desc_experts = {
    .name = "experts",
    .twin = smr_twin_experts,
    .n_bindings = 4,
    .push_size = sizeof(struct smr_experts_push),
    .n_constants = 5,
    // Results of experts that lie elsewhere stay as they were.
    .access = {SMR_READ, SMR_READ, SMR_READ, SMR_READ_WRITE},
    .types = weight_types,
    .n_types = SMR_COUNT(weight_types),
    .variants = matvec_variants,
    .n_variants = SMR_COUNT(matvec_variants),
    .tolerance = 1e-10,
    .specialise = experts_specialise,
    .shape = experts_shape,
    .groups = experts_groups,
    .weights_per_round = matvec_weights_per_round,
};

// ---- matmul -------------------------------------------------------------------------------------

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
    [MATMUL_LANES] = {"lanes", LANES_DEFINES, SMR_CAP_SUBGROUP},
    [MATMUL_RUNS] = {"runs", RUNS_DEFINES, RUNS_CAPABILITIES},
};

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
// For subgroups of 64 and of 32: 256 invocations at most.
static const struct tile matrix_tiles[] = {
    {128, 128, 64, 64, 0, 0}, {64, 64, 32, 32, 0, 0}, {32, 32, 16, 16, 0, 0}};
static const struct tile matrix_tiles_32[] = {
    {128, 128, 64, 32, 0, 0}, {64, 64, 32, 32, 0, 0}, {32, 32, 16, 16, 0, 0}};

// The tiles that a variant can be made for on a device.
static const struct tile *tiles_for(const struct smr_limits *limits, uint32_t variant, size_t *n)
{
    const bool wide = limits->min_subgroup_size > 16 || limits->cpu;
    if (variant == MATMUL_MATRICES) {
        *n = SMR_COUNT(matrix_tiles);
        return limits->subgroup_size == 64 ? matrix_tiles : matrix_tiles_32;
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

// Whether half of the tile is before the last row, and there are enough of them.
static bool tile_suits(const struct tile *tile, const struct smr_matmul_push *p)
{
    const uint64_t n = (uint64_t)smr_div_up(p->n_out, tile->o) * smr_div_up(p->n_rows, tile->r);
    return tile->r / 2 < p->n_rows && n >= TILES_WORKGROUPS;
}

// Constants: workgroup size, then the members of struct tile. False where the device cannot do it.
static bool use_tile(struct smr_kernel_key *key, const struct smr_limits *limits,
                     const struct tile *tile)
{
    const uint32_t size = tile_invocations(tile, limits);
    if (smr_workgroup_size(limits, size) != size ||
        limits->max_shared_size < tile_shared_size(tile))
        return false;
    const uint32_t constants[] = {size,        tile->o,     tile->r,    tile->sub_o,
                                  tile->sub_r, tile->parts, tile->ahead};
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
    return (size == 32 || size == 64) && limits->min_subgroup_size > 16 &&
           (!key->subgroup_size || limits->capabilities & SMR_CAP_SUBGROUP_SIZE);
}

// The first of the tiles that the device can do and that suits, which is the largest; else the smallest.
static bool tiles_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
                             const struct smr_matmul_push *p)
{
    // Intel's GPUs, whose subgroups may be narrow, convert more than they save.
    if ((key->variant == MATMUL_TILES_F16 && limits->min_subgroup_size <= 16 && !limits->cpu) ||
        (key->variant == MATMUL_MATRICES && !can_do_matrices(key, limits)) ||
        p->n_cols % unit_of(key->type) != 0)
        return false;
    size_t n;
    const struct tile *tiles = tiles_for(limits, key->variant, &n);
    bool done = false;
    for (size_t i = 0; i < n; i++) {
        const bool fits = use_tile(key, limits, &tiles[i]);
        done = done || fits;
        if (fits && tile_suits(&tiles[i], p))
            break;
    }
    return done;
}

// The other tiles that the device can do, for tuning.
static bool matmul_vary(struct smr_kernel_key *key, const struct smr_limits *limits,
                        const void *push, uint32_t number)
{
    if (key->variant < MATMUL_TILES || key->variant > MATMUL_MATRICES)
        return false;
    const struct smr_kernel_key usual = *key;
    size_t n;
    const struct tile *tiles = tiles_for(limits, key->variant, &n);
    for (size_t i = 0; i < n; i++)
        if (use_tile(key, limits, &tiles[i]) && !smr_kernel_keys_equal(key, &usual) && !number--)
            return true;
    return false;
}

// Constants: workgroup size, tile of output columns and rows, tile of one invocation.
static bool matmul_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
                              const void *push)
{
    const struct smr_matmul_push *p = push;
    if (!matmul_fits(key->type, p) || fused_flags(p))
        return false;
    if (key->variant == MATMUL_LANES)
        return lanes_specialise(key, limits, p->n_rows <= 32 ? 8 : 16);
    if (key->variant == MATMUL_RUNS) {
        // Lanes and rows of a pass: processors with vectors of 16 floats have 32 of them, others 16.
        const bool wide = limits->vector_floats >= 16;
        key->constants[2] = wide ? 16 : 8;
        key->constants[3] = wide ? 4 : 3;
        key->constants[1] = smr_div_up(RUNS_TILE_ROWS, key->constants[3]) * key->constants[3];
        return runs_specialise(key, limits, p);
    }
    if (key->variant >= MATMUL_TILES && key->variant <= MATMUL_MATRICES)
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

static void matmul_groups(const struct smr_kernel_key *key, const void *push, uint32_t groups[3])
{
    const struct smr_matmul_push *p = push;
    if (key->variant == MATMUL_RUNS) {
        groups[0] = runs_groups(p->n_out);
        groups[1] = smr_max_u32(1, smr_div_up(p->n_rows, key->constants[1]));
    } else if (key->variant == MATMUL_LANES) {
        groups[0] = smr_max_u32(1, lanes_groups(key, p->n_out));
        groups[1] = smr_max_u32(1, smr_div_up(p->n_rows, key->constants[1]));
    } else {
        groups[0] = smr_max_u32(1, smr_div_up(p->n_out, key->constants[1]));
        groups[1] = smr_max_u32(1, smr_div_up(p->n_rows, key->constants[2]));
    }
    groups[2] = 1;
}

const struct smr_kernel_desc smr_desc_matmul = {
    .name = "matmul",
    .twin = smr_twin_matmul,
    .n_bindings = 4,
    .push_size = sizeof(struct smr_matmul_push),
    .n_constants = 7,
    .access = {SMR_READ, SMR_READ, SMR_READ, SMR_READ_WRITE},
    .types = weight_types,
    .n_types = SMR_COUNT(weight_types),
    .variants = matmul_variants,
    .n_variants = SMR_COUNT(matmul_variants),
    .tolerance = 1e-10,
    .specialise = matmul_specialise,
    .vary = matmul_vary,
    .shape = matmul_shape,
    .groups = matmul_groups,
};
