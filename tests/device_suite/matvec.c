// matvec.c - cases of the matvec kernel: every format, 1 to 8 rows, parts of a split weight.
#include "weights.h"

// For every type. Columns are whole blocks of all of them; three blocks make rows that begin in the
// middle of a word where the block is no multiple of four bytes.
static const struct matmul_case cases[] = {
    {768, 2051, 1},
    {256, 1027, 3, 0, 0, 0, SMR_MATMUL_ADD},
    {256, 5, 3, 1, 2, 11, SMR_MATMUL_BIAS | SMR_MATMUL_ADD, 96},
};

// For types whose rows may have any length.
static const struct matmul_case odd_cases[] = {
    {1, 1, 1},
    {3, 9, 2, 1, 0, 0, SMR_MATMUL_ADD},
    {577, 10, 1, 0, 0, 1, SMR_MATMUL_BIAS},
    {1031, 3, 4},
};

// For one type of small blocks: workgroups of all sizes, all numbers of rows.
static const struct matmul_case more_cases[] = {
    {32, 1, 1},
    {96, 7, 2, 0, 0, 0, SMR_MATMUL_BIAS},
    {576, 100, 1, 0, 0, 0, SMR_MATMUL_ADD},
    {2048, 130, 1},
    {4864, 17, 1},
    {320, 2050, 2},
    {320, 33, 4, 3, 5, 7, SMR_MATMUL_ADD},
    {320, 1033, 5},
    {320, 33, 6, 0, 1, 0, SMR_MATMUL_BIAS | SMR_MATMUL_ADD},
    {320, 33, 7},
    {320, 1030, 8, 7, 0, 64},
    {32, 262144, 1}, // more workgroups than one dimension has
    {32, 262145, 2, 0, 0, 5, SMR_MATMUL_BIAS},
};

// For the types that have variants for GPUs: more and fewer rows of weights and lanes at a time, with a
// last workgroup that is not full.
static const enum smr_type gpu_types[] = {SMR_Q4_0, SMR_Q8_0, SMR_Q4_K, SMR_Q6_K};
static const struct matmul_case gpu_cases[] = {
    {2048, 2055, 1, 0, 0, 0, SMR_MATMUL_BIAS},
    {4352, 1029, 2, 1, 0, 3, SMR_MATMUL_ADD},
};

// Three matrices in one dispatch, or two where n[2] is 0: in memory from the last to the first, in y
// the second one first, and all with gaps.
static void run_parts(struct suite *s, enum smr_type type, uint32_t n_cols, const uint32_t n[3])
{
    const uint32_t row_size = (uint32_t)smr_type_size(type, n_cols);
    const uint32_t begin[3] = {0, n[0], n[0] + n[1]};
    const uint32_t y[3] = {n[1] + 3, 0, n[1] + n[0] + 6}, bias[3] = {1, n[0] + 2, n[0] + n[1] + 3};
    struct smr_matmul_push push = {.n_cols = n_cols,
                                   .n_out = n[0] + n[1] + n[2],
                                   .n_rows = 1,
                                   .in_stride = n_cols,
                                   .flags = SMR_MATMUL_BIAS};
    push.out_stride = push.n_out + 6;
    uint32_t at = 32;
    for (int i = n[2] ? 2 : 1; i >= 0; i--) {
        push.parts[i] = (struct smr_matmul_part){begin[i], at - begin[i] * row_size,
                                                 y[i] - begin[i], bias[i] - begin[i]};
        at += (uint32_t)smr_align_up(n[i] * row_size, 32) + 64;
    }
    if (!n[2])
        push.parts[2] = push.parts[1];
    suite_run(s, suite_printf(s, "%u to %u, %u and %u at once", n_cols, n[0], n[1], n[2]),
              &(struct smr_case_params){.id = SMR_KERNEL_MATVEC, .type = type, .push = &push});
}

// With what matvec does for its neighbours: the input normed, the two halves of the weights a gate and
// what it gates, which lie in memory the other way round.
static const struct fused_case {
    uint32_t n_cols, n_out, n_rows;
    uint32_t flags;
    enum smr_activation activation;
} fused_cases[] = {
    {768, 2051, 1, SMR_MATVEC_NORM | SMR_MATMUL_ADD, 0},
    {256, 46, 3, SMR_MATVEC_NORM | SMR_MATVEC_GATED, SMR_ACT_SILU},
    {256, 2054, 1, SMR_MATVEC_GATED, SMR_ACT_GELU_TANH},
};

static const struct fused_case odd_fused_cases[] = {
    {1, 2, 1, SMR_MATVEC_NORM | SMR_MATVEC_GATED, SMR_ACT_RELU},
    {577, 10, 2, SMR_MATVEC_NORM, 0},
    {1031, 6, 5, SMR_MATVEC_NORM | SMR_MATVEC_GATED, SMR_ACT_GELU},
};

static const struct fused_case more_fused_cases[] = {
    {32, 2, 1, SMR_MATVEC_GATED, SMR_ACT_GELU},
    {320, 34, 8, SMR_MATVEC_NORM | SMR_MATVEC_GATED, SMR_ACT_GELU_TANH},
    {2048, 130, 1, SMR_MATVEC_NORM | SMR_MATVEC_GATED, SMR_ACT_SILU},
    {4864, 18, 1, SMR_MATVEC_NORM | SMR_MATMUL_BIAS, 0},
    {8192, 17, 4, SMR_MATVEC_NORM, 0},
    {576, 1030, 2, SMR_MATVEC_GATED, SMR_ACT_RELU},
    {32, 262148, 1, SMR_MATVEC_NORM | SMR_MATVEC_GATED, SMR_ACT_SILU},
};

static void run_fused(struct suite *s, enum smr_type type, const struct fused_case *table, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct fused_case *c = &table[i];
        const bool gated = c->flags & SMR_MATVEC_GATED;
        const uint32_t half = gated ? c->n_out / 2 : c->n_out;
        const uint32_t size = half * (uint32_t)smr_type_size(type, c->n_cols);
        const uint32_t step = (uint32_t)smr_align_up(size, 32) + 64;
        struct smr_matmul_push push = {.n_cols = c->n_cols,
                                       .n_out = c->n_out,
                                       .n_rows = c->n_rows,
                                       .in_stride = c->n_cols + 3,
                                       .out_stride = half + 2,
                                       .flags = c->flags,
                                       .activation = c->activation,
                                       .eps = 0.1f}; // that it shows
        for (int j = 0; j < SMR_MATVEC_MAX_PARTS; j++)
            push.parts[j] = (struct smr_matmul_part){.weight = gated ? step : 32, .y = gated};
        for (int j = 1; j < SMR_MATVEC_MAX_PARTS && gated; j++)
            push.parts[j] = (struct smr_matmul_part){.begin = half, .weight = 32 - size};
        suite_run(s,
                  suite_printf(s, "%u rows of %u to %u%s, activation %u%s%s%s", c->n_rows,
                               c->n_cols, c->n_out, gated ? " gated" : "", c->activation,
                               c->flags & SMR_MATVEC_NORM ? ", norm" : "",
                               c->flags & SMR_MATMUL_BIAS ? ", bias" : "",
                               c->flags & SMR_MATMUL_ADD ? ", add" : ""),
                  &(struct smr_case_params){.id = SMR_KERNEL_MATVEC, .type = type, .push = &push});
    }
}

static void run(struct suite *s, enum smr_type type, const struct matmul_case *table, size_t n)
{
    for (size_t i = 0; i < n; i++)
        suite_matmul_case(s, SMR_KERNEL_MATVEC, type, &table[i]);
}

void suite_matvec(struct suite *s)
{
    size_t n_types;
    const enum smr_type *types = suite_weight_types(&n_types);
    for (size_t i = 0; i < n_types; i++) {
        run(s, types[i], cases, SMR_COUNT(cases));
        run_parts(s, types[i], 256, (const uint32_t[]){37, 130, 4});
        run_parts(s, types[i], 768, (const uint32_t[]){70, 5, 0});
        run_fused(s, types[i], fused_cases, SMR_COUNT(fused_cases));
        if (smr_type_info(types[i])->block_elements == 1) {
            run(s, types[i], odd_cases, SMR_COUNT(odd_cases));
            run_fused(s, types[i], odd_fused_cases, SMR_COUNT(odd_fused_cases));
        }
    }
    for (size_t i = 0; i < SMR_COUNT(gpu_types); i++)
        run(s, gpu_types[i], gpu_cases, SMR_COUNT(gpu_cases));
    run(s, SMR_Q5_0, more_cases, SMR_COUNT(more_cases));
    run_fused(s, SMR_Q5_0, more_fused_cases, SMR_COUNT(more_fused_cases));
}
