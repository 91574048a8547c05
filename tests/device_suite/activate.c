// activate.c - cases of the activate kernel: every function, gating and alone, with inputs large
// enough to overflow a careless exponential.
#include "suite_impl.h"

static const struct activate_case {
    enum smr_activation activation;
    uint32_t n_rows, n_cols, gap, flags;
    float range, middle; // of the inputs
} cases[] = {
    {SMR_ACT_SILU, 1, 1, 0, 0, 5},
    {SMR_ACT_SILU, 1, 1536, 0, 0, 5},
    {SMR_ACT_SILU, 7, 257, 3, 0, 200},
    {SMR_ACT_SILU, 2, 100, 0, SMR_ACTIVATE_NO_UP, 5},
    {SMR_ACT_GELU_TANH, 3, 2048, 2048, 0, 5},
    {SMR_ACT_GELU_TANH, 5, 77, 0, 0, 1000},
    {SMR_ACT_GELU, 3, 513, 1, 0, 4},
    {SMR_ACT_GELU, 2, 65, 0, SMR_ACTIVATE_NO_UP, 1000},
    // Where a constant that was rounded shows: 0.0447 for 0.044715 of the cube.
    {SMR_ACT_GELU_TANH, 2, 999, 0, 0, 1, -1.5f},
    {SMR_ACT_GELU, 2, 999, 0, 0, 1, -1.5f},
    {SMR_ACT_GELU_TANH, 2, 100, 0, SMR_ACTIVATE_NO_UP, 0.3f},
    {SMR_ACT_GELU, 2, 100, 0, SMR_ACTIVATE_NO_UP, 0.3f},
    {SMR_ACT_RELU, 4, 130, 0, 0, 5},
    {SMR_ACT_SOFTCAP, 2, 1000, 0, SMR_ACTIVATE_NO_UP, 0.1f},
    {SMR_ACT_SOFTCAP, 2, 1000, 0, SMR_ACTIVATE_NO_UP, 100},
    {SMR_ACT_SOFTCAP, 1, 300, 0, SMR_ACTIVATE_NO_UP, 1e6f},
};

static const char *const names[] = {
    [SMR_ACT_SILU] = "silu", [SMR_ACT_GELU_TANH] = "gelu_tanh", [SMR_ACT_GELU] = "gelu",
    [SMR_ACT_RELU] = "relu", [SMR_ACT_SOFTCAP] = "softcap",
};

void suite_activate(struct suite *s)
{
    for (size_t i = 0; i < SMR_COUNT(cases); i++) {
        const struct activate_case *p = &cases[i];
        const struct smr_activate_push push = {
            .n_cols = p->n_cols,
            .n_rows = p->n_rows,
            .gate_stride = p->n_cols + p->gap,
            .up_stride = p->n_cols + 2 * p->gap,
            .out_stride = p->n_cols + 3 * p->gap,
            .activation = p->activation,
            .flags = p->flags,
            .param = 30,
        };
        const struct smr_case_params params = {.id = SMR_KERNEL_ACTIVATE,
                                               .type = SMR_F32,
                                               .push = &push,
                                               .range = p->range,
                                               .middle = p->middle};
        const char *gating = p->flags & SMR_ACTIVATE_NO_UP ? "" : " gating";
        suite_run(s,
                  suite_printf(s, "%s%s, %u rows of %u, %g around %g", names[p->activation], gating,
                               p->n_rows, p->n_cols, (double)p->range, (double)p->middle),
                  &params);
    }
}
