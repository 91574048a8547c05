// registry_weights.c - what the rows of the kernels that read weights share, and embed.
#include "kernel/registry_weights.h"
#include "kernel/twin/twin.h"

const enum smr_type smr_types_weights[SMR_N_WEIGHT_TYPES] = {
    SMR_F32,  SMR_F16,  SMR_BF16, SMR_Q8_0, SMR_Q4_0, SMR_Q4_1, SMR_Q5_0,
    SMR_Q5_1, SMR_Q2_K, SMR_Q3_K, SMR_Q4_K, SMR_Q5_K, SMR_Q6_K, SMR_IQ4_NL,
};

uint32_t smr_weight_unit(uint32_t type)
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

bool smr_weights_fit(uint32_t type, uint32_t n_cols, uint64_t n_rows)
{
    const uint32_t block = smr_type_info((enum smr_type)type)->block_elements;
    return n_cols && n_cols % block == 0 &&
           n_rows <= UINT32_MAX / smr_type_size((enum smr_type)type, n_cols);
}

bool smr_matmul_fits(uint32_t type, const struct smr_matmul_push *p)
{
    return smr_weights_fit(type, p->n_cols, p->n_out) &&
           (uint64_t)p->n_rows * p->in_stride <= UINT32_MAX &&
           (uint64_t)p->n_rows * p->out_stride <= UINT32_MAX;
}

uint32_t smr_power_of_two(uint32_t n)
{
    uint32_t power = 1;
    while (power < n)
        power *= 2;
    return power;
}

uint64_t smr_products_shape(const void *push, uint32_t shape[SMR_SHAPE_WORDS])
{
    const struct smr_matmul_push *p = push;
    shape[0] = p->n_cols;
    shape[1] = p->n_out;
    shape[2] = p->n_rows;
    shape[3] = p->flags;
    shape[4] = p->flags & SMR_MATVEC_GATED ? p->activation : 0;
    return (uint64_t)p->n_cols * p->n_out * p->n_rows;
}

enum { SHAPE_MOST_ROWS = 256 };

uint32_t smr_rows_bucket(uint32_t n_rows)
{
    return smr_power_of_two(smr_min_u32(n_rows, SHAPE_MOST_ROWS));
}

// ---- embed --------------------------------------------------------------------------------------

static const struct smr_variant embed_variants[] = {
    {.name = "plain", .defines = ""},
    {"runs", SMR_RUNS_DEFINES, SMR_RUNS_CAPABILITIES},
};
enum { EMBED_RUNS_COLS = 1024 }; // of one invocation, as in embed.comp

static bool embed_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
                             const void *push)
{
    const struct smr_embed_push *p = push;
    if (!smr_weights_fit(key->type, p->n_cols, p->row_count) ||
        (uint64_t)p->n_rows * p->n_cols > UINT32_MAX)
        return false;
    return smr_size_specialise(key, limits, 64, 64);
}

static void embed_groups(const struct smr_kernel_key *key, const void *push, uint32_t groups[3])
{
    const struct smr_embed_push *p = push;
    groups[1] = smr_min_u32(smr_max_u32(1, p->n_rows), 65535);
    groups[2] = 1;
    if (smr_is_runs(key)) {
        groups[0] = smr_div_up(p->n_cols, EMBED_RUNS_COLS);
        return;
    }
    // The end of a row of floats that is no whole unit is taken by as many invocations as it has
    // elements.
    const uint32_t unit = smr_weight_unit(key->type);
    const uint32_t invocations = smr_max_u32(p->n_cols / unit, p->n_cols % unit);
    groups[0] = smr_max_u32(1, smr_div_up(invocations, key->constants[0]));
}

const struct smr_kernel_desc smr_desc_embed = {
    .name = "embed",
    .twin = smr_twin_embed,
    .n_bindings = 3,
    .push_size = sizeof(struct smr_embed_push),
    .n_constants = 1,
    // Rows of indexes that lie elsewhere stay as they were.
    .access = {SMR_READ, SMR_READ, SMR_READ_WRITE},
    .types = smr_types_weights,
    .n_types = SMR_COUNT(smr_types_weights),
    .variants = embed_variants,
    .n_variants = SMR_COUNT(embed_variants),
    .tolerance = 1e-11,
    .specialise = embed_specialise,
    .groups = embed_groups,
};

// ---- matvec and matmul for narrow subgroups (lib/lanes.glsl) --------------------------------------

bool smr_lanes_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
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

uint32_t smr_lanes_groups(const struct smr_kernel_key *key, uint32_t n_out)
{
    return smr_div_up(n_out, key->constants[0] * key->constants[2]);
}

// ---- matvec and matmul inside one invocation (lib/runs.glsl) ---------------------------------------

// Each workgroup loads or norms x for itself; several of a thread, so that one may be late.
enum { RUNS_WORKGROUPS_PER_THREAD = 8, RUNS_LEAST_ROWS = 8 };

bool smr_runs_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
                         const struct smr_matmul_push *p)
{
    key->constants[0] = 1;
    key->constants[4] = RUNS_WORKGROUPS_PER_THREAD * smr_max_u32(1, limits->n_threads);
    return smr_limits_want_runs(limits) &&
           p->n_out * smr_type_size((enum smr_type)key->type, p->n_cols) <= SMR_RUNS_MAX_SIZE;
}

uint32_t smr_runs_groups(const struct smr_kernel_key *key, uint32_t n_out)
{
    return smr_max_u32(1, smr_min_u32(key->constants[4], n_out / RUNS_LEAST_ROWS));
}
