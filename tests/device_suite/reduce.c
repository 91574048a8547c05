// reduce.c - cases of the reduce kernel: chunks that are not full, ties, infinities and NaN.
#include "suite_impl.h"

#include <math.h>

enum content { RANDOM, TIES, LOW, SPECIAL };

static const struct reduce_case {
    uint32_t n_rows, n_cols, gap;
    enum content content;
    const char *name;
} cases[] = {
    {1, 1, 0, RANDOM, "1 logit"},
    {1, 1024, 0, RANDOM, "1 chunk"},
    {1, 49152, 0, RANDOM, "48 chunks"},
    {3, 5003, 5, RANDOM, "3 rows of 5003"},
    {2, 2100, 0, TIES, "2 rows of 2100, with ties"},
    {2, 1500, 1, LOW, "2 rows of 1500, all very low"},
    {2, 3000, 0, SPECIAL, "2 rows of 3000, with infinities and NaN"},
};

static void fill(struct smr_case *c, enum content content, float *logits, size_t n)
{
    for (size_t i = 0; logits && i < n; i++) {
        if (content == TIES)
            logits[i] = (float)smr_case_random(c, 5);
        if (content == LOW)
            logits[i] = -1e30f;
        if (content == SPECIAL && i % 3 == 0)
            logits[i] = -INFINITY;
        if (content == SPECIAL && i % 1024 == 77)
            logits[i] = NAN;
        if (content == SPECIAL && i / 1000 == 1) // more than a chunk of nothing else
            logits[i] = i % 2 ? -INFINITY : NAN;
        if (content == SPECIAL && i == 2500)
            logits[i] = INFINITY;
    }
}

void suite_reduce(struct suite *s)
{
    for (size_t i = 0; i < SMR_COUNT(cases); i++) {
        const struct reduce_case *p = &cases[i];
        const struct smr_reduce_push push = {
            .n_cols = p->n_cols,
            .n_rows = p->n_rows,
            .in_stride = p->n_cols + p->gap,
        };
        struct smr_case c;
        smr_case_init(
            &c, &s->arena,
            &(struct smr_case_params){.id = SMR_KERNEL_REDUCE, .type = SMR_F32, .push = &push});
        fill(&c, p->content, c.operands[0].data, c.operands[0].size / sizeof(float));
        suite_run_case(s, p->name, &c);
    }
}
