// quantize.c - cases of the quantize kernel: one block and many, less and more than a workgroup's.
#include "suite_impl.h"

static const struct {
    uint32_t n_rows, n_cols, in_gap, flags;
} cases[] = {
    {1, 32, 0, 0},
    {3, 576, 5, 0},
    {1, 4096, 0, SMR_QUANTIZE_NORM},
    {8, 2080, 1, SMR_QUANTIZE_NORM},
    {2, 14336, 0, 0},
};

void suite_quantize(struct suite *s)
{
    for (size_t i = 0; i < SMR_COUNT(cases); i++) {
        struct smr_quantize_push push = {
            .n_cols = cases[i].n_cols,
            .n_rows = cases[i].n_rows,
            .in_stride = cases[i].n_cols + cases[i].in_gap,
            .flags = cases[i].flags,
            .eps = 0.1f, // that it shows
        };
        suite_run(
            s,
            suite_printf(s, "%u rows of %u, stride %u%s", push.n_rows, push.n_cols, push.in_stride,
                         push.flags & SMR_QUANTIZE_NORM ? ", norm" : ""),
            &(struct smr_case_params){.id = SMR_KERNEL_QUANTIZE, .type = SMR_F32, .push = &push});
    }
}
