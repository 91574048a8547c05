// registry_route.c - the rows of the kernels that choose experts and put their results together;
// experts itself, which reads weights, is in registry_matvec.c.
#include "kernel/registry.h"
#include "kernel/twin/twin.h"

// ---- route --------------------------------------------------------------------------------------

static bool route_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
                             const void *push)
{
    const struct smr_route_push *p = push;
    // The shader tells experts apart by numbers that are floats on their way.
    return p->n_used && p->n_used <= p->n_experts && p->n_experts <= 1u << 24 &&
           (uint64_t)p->n_rows * p->in_stride <= UINT32_MAX &&
           smr_size_specialise(key, limits, 64, 16);
}

// A workgroup for a row.
static void route_groups(const struct smr_kernel_key *key, const void *push, uint32_t groups[3])
{
    const struct smr_route_push *p = push;
    smr_spread_groups(p->n_rows, groups);
}

const struct smr_kernel_desc smr_desc_route = {
    .name = "route",
    .twin = smr_twin_route,
    .n_bindings = 2,
    .push_size = sizeof(struct smr_route_push),
    .n_constants = 1,
    .access = {SMR_READ, SMR_READ_WRITE},
    .types = smr_types_f32,
    .n_types = SMR_COUNT(smr_types_f32),
    .variants = smr_variants_reduce,
    .n_variants = SMR_COUNT(smr_variants_reduce),
    .tolerance = 1e-11,
    .specialise = route_specialise,
    .groups = route_groups,
};

// ---- combine ------------------------------------------------------------------------------------

enum { COMBINE_RUNS_COLS = 256 }; // of one invocation, as in combine.comp

static bool combine_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
                               const void *push)
{
    const struct smr_combine_push *p = push;
    return smr_size_specialise(key, limits, 64, 64) &&
           (uint64_t)p->n_rows * p->in_stride <= UINT32_MAX &&
           (uint64_t)p->n_rows * p->out_stride <= UINT32_MAX;
}

// Columns along x; rows along y, where the shader steps by the number of workgroups.
static void combine_groups(const struct smr_kernel_key *key, const void *push, uint32_t groups[3])
{
    const struct smr_combine_push *p = push;
    const uint32_t cols = smr_is_runs(key) ? COMBINE_RUNS_COLS : key->constants[0];
    groups[0] = smr_max_u32(1, smr_div_up(p->n_cols, cols));
    groups[1] = smr_min_u32(smr_max_u32(1, p->n_rows), 65535);
    groups[2] = 1;
}

const struct smr_kernel_desc smr_desc_combine = {
    .name = "combine",
    .twin = smr_twin_combine,
    .n_bindings = 3,
    .push_size = sizeof(struct smr_combine_push),
    .n_constants = 1,
    .access = {SMR_READ, SMR_READ, SMR_READ_WRITE},
    .types = smr_types_f32,
    .n_types = SMR_COUNT(smr_types_f32),
    .variants = smr_variants_runs,
    .n_variants = SMR_COUNT(smr_variants_runs),
    .tolerance = 1e-11,
    .specialise = combine_specialise,
    .groups = combine_groups,
};
