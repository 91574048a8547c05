// penalise.c - bias and penalties (repetition: CTRL, arXiv:1909.05858).
#include "kernel/twin/twin.h"

void smr_twin_penalise(const struct smr_twin_args *args)
{
    const struct smr_penalise_push *p = args->push;
    float *logits = args->bindings[0];
    const struct smr_draw *draw = args->bindings[1];
    const struct smr_draw_bias *bias = args->bindings[2];
    const uint32_t *history = args->bindings[3], *last = args->bindings[4];
    uint32_t *counts = args->bindings[5];
    for (uint32_t i = 0; i < draw->n_bias; i++)
        if (bias[i].token < p->n_cols)
            logits[bias[i].token] += bias[i].bias;
    for (int apply = 0; apply < 2; apply++) // count, and then take out again
        for (uint32_t i = 0; i < draw->n_recent; i++) {
            uint32_t token = i + 1 == draw->n_recent ? *last : history[draw->first_recent + i];
            if (token >= p->n_cols)
                continue;
            if (apply && counts[token]) {
                float *logit = &logits[token];
                *logit = *logit > 0 ? *logit / draw->repeat_penalty : *logit * draw->repeat_penalty;
                *logit -= (float)counts[token] * draw->frequency_penalty + draw->presence_penalty;
            }
            counts[token] = apply ? 0 : counts[token] + 1;
        }
}
