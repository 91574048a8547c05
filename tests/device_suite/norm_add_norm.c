// norm_add_norm.c - cases of two norms at once: widths around the workgroup's.
#include "suite_impl.h"

static const struct {
    uint32_t n_rows, n_cols;
} cases[] = {{1, 1}, {3, 7}, {1, 640}, {2, 257}, {5, 1152}, {1, 8192}};

void suite_norm_add_norm(struct suite *s)
{
    for (size_t i = 0; i < SMR_COUNT(cases); i++) {
        struct smr_norm_add_norm_push push = {
            .n_cols = cases[i].n_cols,
            .n_rows = cases[i].n_rows,
            .eps = i % 2 ? 0.1f : 1e-5f, // that it shows
        };
        suite_run(s, suite_printf(s, "%u rows of %u", push.n_rows, push.n_cols),
                  &(struct smr_case_params){
                      .id = SMR_KERNEL_NORM_ADD_NORM, .type = SMR_F32, .push = &push});
    }
}
