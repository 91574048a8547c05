// norm.c - RMS norm (arXiv:1910.07467) and layer norm (arXiv:1607.06450).
#include "kernel/twin/twin.h"

#include <math.h>

static void norm_vector(const struct smr_norm_push *p, const float *x, const float *weight,
                        const float *bias, float *y)
{
    double sum = 0, squares = 0;
    if (p->flags & SMR_NORM_LAYER)
        for (uint32_t i = 0; i < p->n_cols; i++)
            sum += x[i];
    const float mean = (float)(sum / p->n_cols);
    for (uint32_t i = 0; i < p->n_cols; i++)
        squares += ((double)x[i] - mean) * ((double)x[i] - mean);
    const float factor = (float)(1.0 / sqrt(squares / p->n_cols + p->eps));
    for (uint32_t i = 0; i < p->n_cols; i++) {
        float value = (x[i] - mean) * factor * weight[i];
        if (p->flags & SMR_NORM_BIAS)
            value += bias[i];
        y[i] = p->flags & SMR_NORM_ADD ? y[i] + value : value;
    }
}

void smr_twin_norm(const struct smr_twin_args *args)
{
    const struct smr_norm_push *p = args->push;
    const float *x = args->bindings[0], *weight = args->bindings[1], *bias = args->bindings[2];
    float *y = args->bindings[3];
    for (size_t row = 0; row < p->n_rows; row++)
        for (size_t head = 0; head < p->n_heads; head++)
            norm_vector(p, x + row * p->in_stride + head * p->n_cols, weight, bias,
                        y + row * p->out_stride + head * p->n_cols);
}
