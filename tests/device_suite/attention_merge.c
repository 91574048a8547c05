// attention_merge.c - cases of the attention_merge kernel: with splits that are empty, and rows
// where all are.
#include "suite_impl.h"

static const struct merge_case {
    uint32_t n_rows, n_heads, head_dim, n_splits, gap;
} cases[] = {
    {1, 1, 2, 2, 0}, {1, 9, 64, 8, 0}, {3, 4, 256, 3, 0}, {5, 3, 10, 33, 7}, {2, 2, 512, 16, 512},
};

// Partial results as attention leaves them.
static struct suite_operand make_partial(struct suite *s, const struct merge_case *p)
{
    const size_t size = p->head_dim + 2, n = (size_t)p->n_rows * p->n_heads * p->n_splits;
    struct suite_operand operand = suite_floats(s, n * size, 5.0f);
    float *partial = operand.data;
    for (size_t i = 0; partial && i < n; i++, partial += size) {
        const bool row_empty = i / ((size_t)p->n_heads * p->n_splits) == 2;
        const bool empty = row_empty || suite_random(s, 4) == 0;
        partial[p->head_dim] = empty ? -3e38f : 20 * suite_random_float(s);
        partial[p->head_dim + 1] = empty ? 0 : 1 + 10 * (1 + suite_random_float(s));
        for (uint32_t j = 0; empty && j < p->head_dim; j++)
            partial[j] = 0;
    }
    return operand;
}

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
        struct suite_case c = {
            .id = SMR_KERNEL_ATTENTION_MERGE,
            .type = SMR_F32,
            .name = suite_printf(s, "%u rows, %u heads of %u, %u splits", p->n_rows, p->n_heads,
                                 p->head_dim, p->n_splits),
            .push = &push,
        };
        c.operands[0] = make_partial(s, p);
        c.operands[1] = suite_floats(s, (size_t)p->n_rows * push.out_stride, 1.0f);
        suite_run(s, &c);
    }
}
