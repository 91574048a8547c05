// probe.c - cases of the kernels that measure a device: slices that are not full, or empty; elements
// that do not fill a workgroup.
#include "suite_impl.h"

static const struct smr_probe_read_push reads[] = {
    {.n_words = 4, .n_slices = 1},
    {.n_words = 1 << 16, .n_slices = 16},
    {.n_words = 40004, .n_slices = 7},
    {.n_words = 20, .n_slices = 9},
};

void suite_probe_read(struct suite *s)
{
    for (size_t i = 0; i < SMR_COUNT(reads); i++)
        suite_run(s, suite_printf(s, "%u words in %u slices", reads[i].n_words, reads[i].n_slices),
                  &(struct smr_case_params){
                      .id = SMR_KERNEL_PROBE_READ, .type = SMR_F32, .push = &reads[i]});
}

static const struct smr_probe_math_push maths[] = {
    {.n_out = 1, .n_rounds = 4, .factor = 3, .addend = -1},
    {.n_out = 1000, .n_rounds = 32, .factor = 0.9f, .addend = 0.2f},
    {.n_out = 7, .n_rounds = 0, .factor = 2, .addend = 2},
};

void suite_probe_math(struct suite *s)
{
    for (size_t i = 0; i < SMR_COUNT(maths); i++)
        suite_run(s, suite_printf(s, "%u elements, %u rounds", maths[i].n_out, maths[i].n_rounds),
                  &(struct smr_case_params){
                      .id = SMR_KERNEL_PROBE_MATH, .type = SMR_F32, .push = &maths[i]});
}
