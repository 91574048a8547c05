// pick.c - cases of the pick kernel: few chunks and many, rows, ties (the inputs have some).
#include "suite_impl.h"

static const struct smr_pick_push cases[] = {
    {.n_chunks = 1, .n_rows = 1},   {.n_chunks = 2, .n_rows = 1},   {.n_chunks = 48, .n_rows = 1},
    {.n_chunks = 256, .n_rows = 3}, {.n_chunks = 300, .n_rows = 8}, {.n_chunks = 1000, .n_rows = 2},
};

void suite_pick(struct suite *s)
{
    for (size_t i = 0; i < SMR_COUNT(cases); i++)
        suite_run(
            s, suite_printf(s, "%u rows of %u chunks", cases[i].n_rows, cases[i].n_chunks),
            &(struct smr_case_params){.id = SMR_KERNEL_PICK, .type = SMR_F32, .push = &cases[i]});
}
