// attention_merge.c - cases of the attention_merge kernel: with splits that are empty, and rows
// where all are.
#include "suite_impl.h"

static const struct merge_case {
    uint32_t n_rows, n_heads, head_dim, n_splits, gap;
} cases[] = {
    {1, 1, 2, 2, 0}, {1, 9, 64, 8, 0}, {3, 4, 256, 3, 0}, {5, 3, 10, 33, 7}, {2, 2, 512, 16, 512},
};

void suite_attention_merge(struct suite *s)
{
    for (size_t i = 0; i < SMR_COUNT(cases); i++) {
        const struct merge_case *p = &cases[i];
        const struct smr_attention_merge_push push = {
            .n_rows = p->n_rows,
            .n_heads = p->n_heads,
            .head_dim = p->head_dim,
            .n_splits = p->n_splits,
            .out_stride = p->n_heads * p->head_dim + p->gap,
        };
        suite_run(s,
                  suite_printf(s, "%u rows, %u heads of %u, %u splits", p->n_rows, p->n_heads,
                               p->head_dim, p->n_splits),
                  &(struct smr_case_params){
                      .id = SMR_KERNEL_ATTENTION_MERGE, .type = SMR_F32, .push = &push});
    }
}
