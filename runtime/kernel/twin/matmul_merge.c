// matmul_merge.c - put together the partial sums of a product that is split along its columns.
#include "kernel/twin/twin.h"

#include <assert.h>

void smr_twin_matmul_merge(const struct smr_twin_args *args)
{
    const struct smr_matmul_merge_push *p = args->push;
    const size_t n = (size_t)p->n_rows * p->n_out;
    const float *partial = args->bindings[0]; // [n_splits, n_rows, n_out]
    const float *bias = args->bindings[1];
    assert(args->sizes[0] >= p->n_splits * n * sizeof(float));
    for (size_t r = 0; r < p->n_rows; r++) {
        float *y = (float *)args->bindings[2] + r * p->out_stride + p->out_offset;
        for (size_t o = 0; o < p->n_out; o++) {
            double sum = p->flags & SMR_MATMUL_BIAS ? bias[p->out_offset + o] : 0;
            for (size_t s = 0; s < p->n_splits; s++)
                sum += partial[s * n + r * p->n_out + o];
            y[o] = (float)(p->flags & SMR_MATMUL_ADD ? y[o] + sum : sum);
        }
    }
}
