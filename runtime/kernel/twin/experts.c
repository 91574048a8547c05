// experts.c - matvec by the experts that a router chose.
#include "kernel/twin/twin.h"

#include <assert.h>

void smr_twin_experts(const struct smr_twin_args *args)
{
    const struct smr_experts_push *p = args->push;
    const uint32_t *choices = args->bindings[2];
    const size_t expert_size = p->n_out * smr_type_size((enum smr_type)args->type, p->n_cols);
    const struct smr_matmul_push one = {.n_cols = p->n_cols, .n_out = p->n_out, .n_rows = 1};
    assert(args->sizes[0] >= p->weight_at + p->expert_count * expert_size);

    for (size_t r = 0; r < p->n_rows; r++) {
        for (size_t k = 0; k < p->n_used; k++) {
            const uint32_t expert = choices[2 * r * p->n_used + k] - p->expert_begin;
            if (expert >= p->expert_count)
                continue;
            struct smr_twin_args matvec = *args;
            matvec.push = &one;
            matvec.sizes[0] = expert_size;
            matvec.bindings[0] = (uint8_t *)args->bindings[0] + p->weight_at + expert * expert_size;
            matvec.bindings[1] = (float *)args->bindings[1] + r * p->in_stride + k * p->in_step;
            matvec.bindings[3] = (float *)args->bindings[3] + r * p->out_stride + k * p->n_out;
            smr_twin_matvec(&matvec);
        }
    }
}
