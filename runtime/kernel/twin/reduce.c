// reduce.c - maximum, its lowest index, and sum of exponentials, for each chunk of logits.
#include "kernel/twin/twin.h"

#include <math.h>

// Infinities become finite, so that differences are; NaN counts as the lowest.
static float finite(float logit)
{
    const float most = 3.0e38f;
    if (isnan(logit) || logit < -most)
        return -most;
    return logit > most ? most : logit;
}

static struct smr_reduced reduce_chunk(const float *logits, uint32_t begin, uint32_t end)
{
    struct smr_reduced reduced = {.maximum = finite(logits[begin]), .index = begin};
    for (uint32_t i = begin + 1; i < end; i++) {
        if (finite(logits[i]) > reduced.maximum) {
            reduced.maximum = finite(logits[i]);
            reduced.index = i;
        }
    }
    double sum = 0;
    for (uint32_t i = begin; i < end; i++)
        sum += expf(finite(logits[i]) - reduced.maximum);
    reduced.sum = (float)sum;
    return reduced;
}

void smr_twin_reduce(const struct smr_twin_args *args)
{
    const struct smr_reduce_push *p = args->push;
    const float *logits = args->bindings[0];
    struct smr_reduced *out = args->bindings[1];
    for (size_t row = 0; row < p->n_rows; row++) {
        const float *in = logits + row * p->in_stride;
        for (uint32_t begin = 0; begin < p->n_cols; begin += SMR_REDUCE_CHUNK) {
            uint32_t left = p->n_cols - begin;
            uint32_t end = begin + (left < SMR_REDUCE_CHUNK ? left : SMR_REDUCE_CHUNK);
            *out++ = reduce_chunk(in, begin, end);
        }
    }
}
