// registry_sample.c - the rows of the kernels that make a token of logits.
#include "kernel/registry.h"
#include "kernel/twin/twin.h"

// ---- pick -------------------------------------------------------------------------------------

static bool pick_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
                            const void *push)
{
    return smr_size_specialise(key, limits, 128, 16);
}

static void pick_groups(const struct smr_kernel_key *key, const void *push, uint32_t groups[3])
{
    const struct smr_pick_push *p = push;
    smr_spread_groups(p->n_rows, groups);
}

const struct smr_kernel_desc smr_desc_pick = {
    .name = "pick",
    .twin = smr_twin_pick,
    .n_bindings = 2,
    .push_size = sizeof(struct smr_pick_push),
    .n_constants = 1,
    .access = {SMR_READ, SMR_WRITE},
    .types = smr_types_f32,
    .n_types = SMR_COUNT(smr_types_f32),
    .variants = smr_variants_runs,
    .n_variants = SMR_COUNT(smr_variants_runs),
    .tolerance = 1e-12, // the same numbers, in truth
    .specialise = pick_specialise,
    .groups = pick_groups,
};

// ---- penalise, sample ---------------------------------------------------------------------------

static void one_group(const struct smr_kernel_key *key, const void *push, uint32_t groups[3])
{
    groups[0] = groups[1] = groups[2] = 1;
}

const struct smr_kernel_desc smr_desc_penalise = {
    .name = "penalise",
    .twin = smr_twin_penalise,
    .n_bindings = 6,
    .push_size = sizeof(struct smr_penalise_push),
    .n_constants = 1,
    .access = {SMR_READ_WRITE, SMR_READ, SMR_READ, SMR_READ, SMR_READ, SMR_READ_WRITE},
    .types = smr_types_f32,
    .n_types = SMR_COUNT(smr_types_f32),
    .variants = smr_variants_plain,
    .n_variants = SMR_COUNT(smr_variants_plain),
    .tolerance = 1e-12,
    .specialise = pick_specialise,
    .groups = one_group,
};

// One workgroup reads all logits, so it is a wide one; on a processor too: lavapipe ends the loops of an
// invocation after 65535 rounds. For the few logits of a test a small one does.
static bool sample_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
                              const void *push)
{
    const struct smr_sample_push *p = push;
    key->constants[0] = smr_workgroup_size(limits, p->n_cols < SMR_REDUCE_CHUNK ? 64 : 512);
    return p->n_cols && p->n_cols <= SMR_SAMPLE_MAX_COLS;
}

const struct smr_kernel_desc smr_desc_sample = {
    .name = "sample",
    .twin = smr_twin_sample,
    .n_bindings = 5,
    .push_size = sizeof(struct smr_sample_push),
    .n_constants = 1,
    .access = {SMR_READ, SMR_READ, SMR_READ, SMR_WRITE, SMR_WRITE},
    .types = smr_types_f32,
    .n_types = SMR_COUNT(smr_types_f32),
    .variants = smr_variants_plain,
    .n_variants = SMR_COUNT(smr_variants_plain),
    .tolerance = 1e-12, // the same tokens, in truth
    .specialise = sample_specialise,
    .groups = one_group,
};
