// activate.c - activation functions (arXiv:1606.08415 for GELU), alone or gating
// (arXiv:2002.05202).
#include "kernel/twin/twin.h"

#include <assert.h>
#include <math.h>

float smr_activate(enum smr_activation activation, float param, float x)
{
    switch (activation) {
    case SMR_ACT_SILU:
        return x / (1.0f + expf(-x));
    case SMR_ACT_GELU_TANH:
        return 0.5f * x * (1.0f + tanhf(0.7978845608f * (x + 0.044715f * x * x * x)));
    case SMR_ACT_GELU:
        return 0.5f * x * (1.0f + erff(x * 0.7071067812f));
    case SMR_ACT_RELU:
        return x > 0 ? x : 0;
    case SMR_ACT_SOFTCAP:
        return param * tanhf(x / param);
    }
    assert(!"no such activation");
    return 0;
}

void smr_twin_activate(const struct smr_twin_args *args)
{
    const struct smr_activate_push *p = args->push;
    const enum smr_activation activation = (enum smr_activation)p->activation;
    const float *gate = args->bindings[0], *up = args->bindings[1];
    float *y = args->bindings[2];
    for (size_t row = 0; row < p->n_rows; row++) {
        for (size_t col = 0; col < p->n_cols; col++) {
            float value = smr_activate(activation, p->param, gate[row * p->gate_stride + col]);
            if (!(p->flags & SMR_ACTIVATE_NO_UP))
                value *= up[row * p->up_stride + col];
            y[row * p->out_stride + col] = value;
        }
    }
}
