// matmul_merge.c - cases of the matmul_merge kernel.
#include "suite_impl.h"

static const struct merge_case {
    uint32_t n_rows, n_out, n_splits, out_offset, gap, flags;
} cases[] = {
    {1, 1, 2, 0, 0, 0},
    {9, 257, 4, 3, 5, SMR_MATMUL_BIAS | SMR_MATMUL_ADD},
    {64, 130, 8, 0, 1, SMR_MATMUL_ADD},
    {3, 70000, 3, 0, 0, SMR_MATMUL_BIAS},
};

void suite_matmul_merge(struct suite *s)
{
    for (size_t i = 0; i < SMR_COUNT(cases); i++) {
        const struct merge_case *c = &cases[i];
        const struct smr_matmul_merge_push push = {
            .n_out = c->n_out,
            .n_rows = c->n_rows,
            .n_splits = c->n_splits,
            .out_stride = c->out_offset + c->n_out + c->gap,
            .out_offset = c->out_offset,
            .flags = c->flags,
        };
        suite_run(s,
                  suite_printf(s, "%u rows of %u at %u, %u splits", c->n_rows, c->n_out,
                               c->out_offset, c->n_splits),
                  &(struct smr_case_params){
                      .id = SMR_KERNEL_MATMUL_MERGE, .type = SMR_F32, .push = &push});
    }
}
