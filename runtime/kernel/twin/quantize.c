// quantize.c - activations as int8 with a scale for each block.
#include "kernel/twin/twin.h"

#include <math.h>
#include <string.h>

enum { BLOCK = SMR_QUANTIZE_BLOCK };

// What x is multiplied with besides the norm's weights.
static float norm_factor(const struct smr_quantize_push *p, const float *x)
{
    double squares = 0;
    for (uint32_t c = 0; c < p->n_cols; c++)
        squares += (double)x[c] * x[c];
    return (float)(1.0 / sqrt(squares / p->n_cols + p->eps));
}

static void quantize_block(const float values[BLOCK], int8_t q[BLOCK], float *d, int16_t sums[2])
{
    float greatest = 0;
    for (int i = 0; i < BLOCK; i++)
        greatest = fmaxf(greatest, fabsf(values[i]));
    *d = greatest / 127;
    sums[0] = sums[1] = 0;
    for (int i = 0; i < BLOCK; i++) {
        const float steps = greatest > 0 ? values[i] * (127 / greatest) : 0;
        q[i] = (int8_t)floorf(steps + 0.5f);
        sums[i / (BLOCK / 2)] = (int16_t)(sums[i / (BLOCK / 2)] + q[i]);
    }
}

static void quantize_row(const struct smr_quantize_push *p, const float *x, const float *norm,
                         uint8_t *out)
{
    const float factor = norm ? norm_factor(p, x) : 1;
    uint8_t *terms = out + p->n_cols;
    for (uint32_t c = 0; c < p->n_cols; c += BLOCK, terms += 8) {
        float values[BLOCK], d;
        int8_t q[BLOCK];
        int16_t sums[2];
        for (uint32_t i = 0; i < BLOCK; i++)
            values[i] = norm ? x[c + i] * factor * norm[c + i] : x[c + i];
        quantize_block(values, q, &d, sums);
        memcpy(out + c, q, sizeof q);
        memcpy(terms, &d, sizeof d);
        memcpy(terms + sizeof d, sums, sizeof sums);
    }
}

void smr_twin_quantize(const struct smr_twin_args *args)
{
    const struct smr_quantize_push *p = args->push;
    const float *x = args->bindings[0];
    const float *norm = p->flags & SMR_QUANTIZE_NORM ? args->bindings[1] : NULL;
    uint8_t *out = args->bindings[2];
    const size_t row_size = (size_t)p->n_cols / BLOCK * SMR_QUANTIZE_BLOCK_SIZE;
    for (size_t r = 0; r < p->n_rows; r++)
        quantize_row(p, x + r * p->in_stride, norm, out + r * row_size);
}
