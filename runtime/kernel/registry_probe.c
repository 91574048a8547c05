// registry_probe.c - the rows of the kernels that measure a device: probe_read, probe_math.
#include "kernel/registry.h"
#include "kernel/twin/twin.h"

enum { PROBE_PLAIN, PROBE_RUNS };
static const struct smr_variant probe_variants[] = {
    [PROBE_PLAIN] = {"plain", "", 0},
    [PROBE_RUNS] = {"runs", "#define USE_RUNS 1\n", 0},
};

static bool probe_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
                             const void *push)
{
    key->constants[0] = key->variant == PROBE_RUNS ? 1 : smr_workgroup_size_for(limits, 256, 16);
    return key->variant != PROBE_RUNS || smr_limits_want_runs(limits);
}

static void read_groups(const struct smr_kernel_key *key, const void *push, uint32_t groups[3])
{
    const struct smr_probe_read_push *p = push;
    smr_spread_groups(p->n_slices, groups);
}

const struct smr_kernel_desc smr_desc_probe_read = {
    .name = "probe_read",
    .twin = smr_twin_probe_read,
    .n_bindings = 2,
    .push_size = sizeof(struct smr_probe_read_push),
    .n_constants = 1,
    .access = {SMR_READ, SMR_WRITE},
    .types = smr_types_f32,
    .n_types = SMR_COUNT(smr_types_f32),
    .variants = probe_variants,
    .n_variants = SMR_COUNT(probe_variants),
    .tolerance = 1e-12, // the same bits, in truth
    .specialise = probe_specialise,
    .groups = read_groups,
};

// Further constants: lanes of a vector.
static bool math_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
                            const void *push)
{
    key->constants[1] = limits->vector_floats >= 16 ? 16 : 8;
    return probe_specialise(key, limits, push);
}

static void math_groups(const struct smr_kernel_key *key, const void *push, uint32_t groups[3])
{
    const struct smr_probe_math_push *p = push;
    smr_spread_groups(smr_div_up(p->n_out, key->constants[0]), groups);
}

const struct smr_kernel_desc smr_desc_probe_math = {
    .name = "probe_math",
    .twin = smr_twin_probe_math,
    .n_bindings = 2,
    .push_size = sizeof(struct smr_probe_math_push),
    .n_constants = 2,
    .access = {SMR_READ, SMR_WRITE},
    .types = smr_types_f32,
    .n_types = SMR_COUNT(smr_types_f32),
    .variants = probe_variants,
    .n_variants = SMR_COUNT(probe_variants),
    .tolerance = 1e-11,
    .specialise = math_specialise,
    .groups = math_groups,
};
