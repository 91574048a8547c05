// registry_matvec.c - the rows of matvec and experts: products of few rows, bound by reading weights.
#include "kernel/registry_weights.h"
#include "kernel/twin/twin.h"

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
// With parts of their own for lib/dot.glsl and lib/wide.glsl.
#define TEAM_TYPES                                                                                 \
    (1u << SMR_Q4_0 | 1u << SMR_Q8_0 | 1u << SMR_Q4_K | 1u << SMR_Q6_K | 1u << SMR_IQ4_NL)

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
    [MATVEC_LANES] = {"lanes", SMR_LANES_DEFINES, SMR_CAP_SUBGROUP},
    [MATVEC_RUNS] = {"runs", SMR_RUNS_DEFINES, SMR_RUNS_CAPABILITIES},
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

// ---- matvec inside one invocation (lib/dots.glsl) --------------------------------------------------

// Columns that share a scale, at least; so many groups there is room for, and most columns.
enum { DOTS_GROUP = 16, DOTS_LEAST_GROUPS = 512, DOTS_MOST_COLS = 65536 };

// Constants: 1, rows of x, of which some may not be there, room for the groups of a row, and rows of
// weights at a time: with several rows of x two, where the registers hold their sums.
static bool dots_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
                            const struct smr_matmul_push *p)
{
    key->constants[1] = smr_power_of_two(p->n_rows);
    key->constants[2] = smr_power_of_two(smr_max_u32(p->n_cols / DOTS_GROUP, DOTS_LEAST_GROUPS));
    key->constants[3] = p->n_rows > 1 && limits->vector_floats >= 16 ? 2 : 1;
    return p->n_cols <= DOTS_MOST_COLS && smr_runs_specialise(key, limits, p);
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

// Where subgroups are as narrow as a processor's vectors, a processor runs them: there unrolled code
// takes seconds to compile and runs no faster.
static bool worth_unrolling(const struct smr_limits *limits)
{
    return limits->max_subgroup_size > 8;
}

enum { ROW_INVOCATIONS = 64, ROW_MOST_INVOCATIONS = 256 }; // of a workgroup: two subgroups' worth

// No more invocations than there are units in a row. Where few rows of weights, as those of a router,
// leave a GPU empty, more of them share the columns.
static uint32_t row_invocations(const struct smr_kernel_key *key, const struct smr_limits *limits,
                                const struct smr_matmul_push *p)
{
    const uint32_t n_units = p->n_cols / smr_weight_unit(key->type);
    const uint32_t most = limits->cpu || p->n_rows > 1 ? 0 : ROW_MOST_INVOCATIONS;
    uint32_t size = smr_workgroup_size(limits, ROW_INVOCATIONS);
    while (size > 16 && size / 2 >= n_units)
        size /= 2;
    while (2 * size <= smr_min_u32(smr_workgroup_size(limits, most), n_units) &&
           (uint64_t)p->n_out * size < MATVEC_WORKGROUPS * ROW_INVOCATIONS)
        size *= 2;
    return size;
}

enum { MATVEC_RUNS_MAX_NORM = 8192 }; // columns: an invocation keeps them all

// Constants: workgroup size, n_rows, rows of weights of a workgroup; two of lib/lanes.glsl; what is
// fused; columns that lib/dots.glsl norms.
static bool matvec_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
                              const void *push)
{
    const struct smr_matmul_push *p = push;
    const bool normed = p->flags & SMR_MATVEC_NORM, gated = p->flags & SMR_MATVEC_GATED;
    if (!p->n_rows || p->n_rows > SMR_MATVEC_MAX_ROWS || !smr_matmul_fits(key->type, p) ||
        !fused_fits(p))
        return false;
    key->constants[5] = fused_flags(p);
    if (key->variant == MATVEC_LANES)
        return smr_lanes_specialise(key, limits, p->n_rows);
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
    key->constants[0] = row_invocations(key, limits, p);
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
        smr_spread_groups(smr_runs_groups(key, p->n_out), groups);
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
        return smr_weight_unit(key->type) * key->constants[2];
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
    .types = smr_types_weights,
    .n_types = SMR_COUNT(smr_types_weights),
    .variants = matvec_variants,
    .n_variants = SMR_COUNT(matvec_variants),
    .tolerance = 1e-10,
    .specialise = matvec_specialise,
    .shape = smr_products_shape,
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
    if (!smr_weights_fit(key->type, p->n_cols, n_rows) ||
        (uint64_t)p->n_rows * p->n_used > EXPERTS_MAX_PAIRS ||
        (uint64_t)p->n_rows * p->in_stride > UINT32_MAX ||
        (uint64_t)p->n_rows * p->out_stride > UINT32_MAX)
        return false;
    if (key->variant == MATVEC_RUNS && p->weight_at + n_rows * row_size > SMR_RUNS_MAX_SIZE)
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
    shape[2] = smr_rows_bucket(p->n_rows);
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
    .types = smr_types_weights,
    .n_types = SMR_COUNT(smr_types_weights),
    .variants = matvec_variants,
    .n_variants = SMR_COUNT(matvec_variants),
    .tolerance = 1e-10,
    .specialise = experts_specialise,
    .shape = experts_shape,
    .groups = experts_groups,
    .weights_per_round = matvec_weights_per_round,
};
