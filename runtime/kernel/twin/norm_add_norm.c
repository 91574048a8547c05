// norm_add_norm.c - an RMS norm that is added, and the next one of the sum.
#include "kernel/twin/twin.h"

#include <math.h>

static float factor_of(const struct smr_norm_add_norm_push *p, const float *x)
{
    double squares = 0;
    for (uint32_t i = 0; i < p->n_cols; i++)
        squares += (double)x[i] * x[i];
    return (float)(1.0 / sqrt(squares / p->n_cols + p->eps));
}

void smr_twin_norm_add_norm(const struct smr_twin_args *args)
{
    const struct smr_norm_add_norm_push *p = args->push;
    const float *weight = args->bindings[1], *next = args->bindings[3];
    for (size_t row = 0; row < p->n_rows; row++) {
        const float *x = (const float *)args->bindings[0] + row * p->n_cols;
        float *y = (float *)args->bindings[2] + row * p->n_cols;
        float *z = (float *)args->bindings[4] + row * p->n_cols;
        float factor = factor_of(p, x);
        for (uint32_t i = 0; i < p->n_cols; i++)
            y[i] += x[i] * factor * weight[i];
        factor = factor_of(p, y);
        for (uint32_t i = 0; i < p->n_cols; i++)
            z[i] = y[i] * factor * next[i];
    }
}
