// experts.c - cases of the kernels of mixtures of experts: route, experts, combine.
#include "weights.h"

// ---- route --------------------------------------------------------------------------------------

static const struct route_case {
    uint32_t n_experts, n_rows, n_used, gap, flags;
    uint32_t levels; // logits are so many different numbers; 0: all are different
} route_cases[] = {
    {1, 1, 1, 0, SMR_ROUTE_NORM, 0},
    {8, 1, 2, 0, SMR_ROUTE_NORM, 0},
    {128, 1, 8, 0, SMR_ROUTE_NORM, 0},
    {60, 5, 4, 3, 0, 0},
    {7, 3, 7, 0, 0, 0},
    {512, 2, 10, 1, SMR_ROUTE_NORM, 0},
    {100, 4, 9, 0, 0, 3},
    {9, 2, 5, 0, SMR_ROUTE_NORM, 1},
};

void suite_route(struct suite *s)
{
    for (size_t i = 0; i < SMR_COUNT(route_cases); i++) {
        const struct route_case *p = &route_cases[i];
        const struct smr_route_push push = {
            .n_experts = p->n_experts,
            .n_rows = p->n_rows,
            .n_used = p->n_used,
            .in_stride = p->n_experts + p->gap,
            .flags = p->flags,
        };
        struct smr_case c;
        smr_case_init(
            &c, &s->arena,
            &(struct smr_case_params){.id = SMR_KERNEL_ROUTE, .type = SMR_F32, .push = &push});
        float *logits = c.operands[0].data;
        for (size_t j = 0; p->levels && logits && j < c.operands[0].size / sizeof(float); j++)
            logits[j] = (float)smr_case_random(&c, p->levels);
        suite_run_case(s,
                       suite_printf(s, "%u rows, %u of %u experts%s%s", p->n_rows, p->n_used,
                                    p->n_experts, p->flags & SMR_ROUTE_NORM ? ", normed" : "",
                                    p->levels ? ", with ties" : ""),
                       &c);
    }
}

// ---- experts ------------------------------------------------------------------------------------

static const struct experts_case {
    uint32_t n_cols, n_out, n_rows, n_used;
    bool shared; // all experts of a row read the same
    uint32_t gap;
    uint32_t expert_begin, expert_count;
    uint32_t weight_at;
} cases[] = {
    {768, 67, 1, 2, true, 0, 0, 5},
    {256, 35, 3, 3, false, 5, 4, 6, 12}, // in the middle of a tensor that is split
};

// For types whose rows may have any length.
static const struct experts_case odd_cases[] = {
    {577, 9, 2, 2, false, 0, 0, 4},
    {3, 1, 1, 1, true, 0, 0, 1},
};

// For one type: more workgroups than one dimension has, many pairs.
static const struct experts_case more_cases[] = {
    {32, 131073, 1, 2, true, 0, 0, 3},
    {64, 33, 70, 8, true, 1, 0, 16},
    {1024, 1100, 1, 2, false, 0, 2, 3},
};

static void run(struct suite *s, enum smr_type type, const struct experts_case *table, size_t n)
{
    for (const struct experts_case *p = table; p < table + n; p++) {
        const struct smr_experts_push push = {
            .n_cols = p->n_cols,
            .n_out = p->n_out,
            .n_rows = p->n_rows,
            .n_used = p->n_used,
            .in_stride = (p->shared ? 1 : p->n_used) * p->n_cols + p->gap,
            .in_step = p->shared ? 0 : p->n_cols,
            .out_stride = p->n_used * p->n_out + p->gap,
            .expert_begin = p->expert_begin,
            .expert_count = p->expert_count,
            .weight_at = p->weight_at,
        };
        suite_run(s,
                  suite_printf(s, "%u rows of %u to %u, %u experts each, here %u to %u%s",
                               p->n_rows, p->n_cols, p->n_out, p->n_used, p->expert_begin,
                               p->expert_begin + p->expert_count, p->shared ? ", shared" : ""),
                  &(struct smr_case_params){.id = SMR_KERNEL_EXPERTS, .type = type, .push = &push});
    }
}

void suite_experts(struct suite *s)
{
    size_t n_types;
    const enum smr_type *types = suite_weight_types(&n_types);
    for (size_t i = 0; i < n_types; i++) {
        run(s, types[i], cases, SMR_COUNT(cases));
        if (smr_type_info(types[i])->block_elements == 1)
            run(s, types[i], odd_cases, SMR_COUNT(odd_cases));
    }
    run(s, SMR_Q8_0, more_cases, SMR_COUNT(more_cases));
}

// ---- combine ------------------------------------------------------------------------------------

static const struct combine_case {
    uint32_t n_cols, n_rows, n_used, gap, flags;
} combine_cases[] = {
    {1, 1, 1, 0, 0},
    {2048, 1, 8, 0, SMR_COMBINE_ADD},
    {577, 5, 2, 3, 0},
    {8, 70000, 1, 0, SMR_COMBINE_ADD}, // more rows than there are workgroups
};

void suite_combine(struct suite *s)
{
    for (size_t i = 0; i < SMR_COUNT(combine_cases); i++) {
        const struct combine_case *p = &combine_cases[i];
        const struct smr_combine_push push = {
            .n_cols = p->n_cols,
            .n_rows = p->n_rows,
            .n_used = p->n_used,
            .in_stride = p->n_used * p->n_cols + p->gap,
            .out_stride = p->n_cols + p->gap,
            .flags = p->flags,
        };
        suite_run(
            s,
            suite_printf(s, "%u rows of %u, %u experts%s", p->n_rows, p->n_cols, p->n_used,
                         p->flags & SMR_COMBINE_ADD ? ", add" : ""),
            &(struct smr_case_params){.id = SMR_KERNEL_COMBINE, .type = SMR_F32, .push = &push});
    }
}
