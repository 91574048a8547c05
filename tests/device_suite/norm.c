// norm.c - cases of the norm kernel: widths around the workgroup's, heads of wider rows, every
// flag.
#include "suite_impl.h"

static const struct {
    uint32_t n_rows, n_heads, n_cols;
    uint32_t in_gap, out_gap; // added to the strides
    uint32_t flags;
} cases[] = {
    {1, 1, 1, 0, 0, 0},
    {1, 1, 7, 0, 0, 0},
    {3, 1, 576, 0, 0, 0},
    {2, 1, 896, 5, 3, 0},
    {1, 1, 2049, 0, 0, 0},
    {1, 1, 8192, 0, 0, 0},
    {5, 3, 8, 2, 1, 0},
    {2, 9, 64, 64, 0, 0},
    {3, 4, 256, 0, 256, 0},
    {2, 1, 640, 0, 0, SMR_NORM_ADD},
    {4, 1, 333, 7, 9, SMR_NORM_ADD},
    {2, 1, 512, 0, 0, SMR_NORM_LAYER},
    {3, 1, 513, 1, 0, SMR_NORM_LAYER | SMR_NORM_BIAS},
    {3, 2, 129, 0, 3, SMR_NORM_LAYER | SMR_NORM_BIAS | SMR_NORM_ADD},
    {1000, 70, 4, 0, 0, 0}, // more workgroups than one dimension has
};

void suite_norm(struct suite *s)
{
    for (size_t i = 0; i < SMR_COUNT(cases); i++) {
        struct smr_norm_push push = {
            .n_cols = cases[i].n_cols,
            .n_rows = cases[i].n_rows,
            .n_heads = cases[i].n_heads,
            .in_stride = cases[i].n_heads * cases[i].n_cols + cases[i].in_gap,
            .out_stride = cases[i].n_heads * cases[i].n_cols + cases[i].out_gap,
            .flags = cases[i].flags,
            .eps = i % 2 ? 0.1f : 1e-5f, // that it shows
        };
        suite_run(s,
                  suite_printf(s, "%ux%u of %u, strides %u and %u%s%s%s", push.n_rows, push.n_heads,
                               push.n_cols, push.in_stride, push.out_stride,
                               push.flags & SMR_NORM_LAYER ? ", layer" : "",
                               push.flags & SMR_NORM_BIAS ? ", bias" : "",
                               push.flags & SMR_NORM_ADD ? ", add" : ""),
                  &(struct smr_case_params){.id = SMR_KERNEL_NORM, .type = SMR_F32, .push = &push});
    }
}
