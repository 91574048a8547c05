// attention_merge.c - put the partial results of split attention together.
#include "kernel/twin/twin.h"

#include <math.h>

void smr_twin_attention_merge(const struct smr_twin_args *args)
{
    const struct smr_attention_merge_push *p = args->push;
    const float *partial = args->bindings[0]; // [n_rows, n_heads, n_splits, head_dim + 2]
    float *out = args->bindings[1];
    const size_t size = (size_t)p->head_dim + 2;
    for (size_t row = 0; row < p->n_rows; row++) {
        for (size_t h = 0; h < p->n_heads; h++, partial += p->n_splits * size) {
            float maximum = -3e38f, divisor = 0;
            for (uint32_t s = 0; s < p->n_splits; s++)
                maximum = fmaxf(maximum, partial[s * size + p->head_dim]);
            for (uint32_t s = 0; s < p->n_splits; s++)
                divisor += partial[s * size + p->head_dim + 1] *
                           expf(partial[s * size + p->head_dim] - maximum);
            float *to = out + row * p->out_stride + h * p->head_dim;
            for (uint32_t i = 0; i < p->head_dim; i++) {
                float sum = 0;
                for (uint32_t s = 0; s < p->n_splits; s++)
                    sum += partial[s * size + i] * expf(partial[s * size + p->head_dim] - maximum);
                to[i] = divisor > 0 ? sum / divisor : 0;
            }
        }
    }
}
