// route.c - choosing experts, and adding up what they made (arXiv:1701.06538).
#include "kernel/twin/twin.h"

#include <math.h>
#include <string.h>

// As in reduce.c.
static float finite(float logit)
{
    const float most = 3.0e38f;
    if (isnan(logit) || logit < -most)
        return -most;
    return logit > most ? most : logit;
}

// The greatest of the logits that come after the one of `last`, in descending order and then by
// index; with `last` = n of all.
static uint32_t next(const float *logits, uint32_t n, uint32_t last)
{
    uint32_t best = n;
    for (uint32_t i = 0; i < n; i++) {
        const float value = finite(logits[i]), before = last < n ? finite(logits[last]) : 0;
        const bool after = last == n || value < before || (value == before && i > last);
        if (after && (best == n || value > finite(logits[best])))
            best = i;
    }
    return best;
}

static void route_row(const struct smr_route_push *p, const float *logits, uint32_t *choices)
{
    double all = 0, chosen = 0;
    uint32_t last = p->n_experts;
    for (uint32_t k = 0; k < p->n_used; k++)
        choices[k] = last = next(logits, p->n_experts, last);
    const float greatest = finite(logits[choices[0]]);
    for (uint32_t i = 0; i < p->n_experts; i++)
        all += expf(finite(logits[i]) - greatest);
    for (uint32_t k = 0; k < p->n_used; k++)
        chosen += expf(finite(logits[choices[k]]) - greatest);
    for (uint32_t k = 0; k < p->n_used; k++) {
        const double sum = p->flags & SMR_ROUTE_NORM ? chosen : all;
        const float weight = (float)(expf(finite(logits[choices[k]]) - greatest) / sum);
        memcpy(&choices[p->n_used + k], &weight, sizeof weight);
    }
}

void smr_twin_route(const struct smr_twin_args *args)
{
    const struct smr_route_push *p = args->push;
    const float *logits = args->bindings[0];
    uint32_t *choices = args->bindings[1];
    for (size_t row = 0; row < p->n_rows; row++)
        route_row(p, logits + row * p->in_stride, choices + row * 2 * p->n_used);
}

void smr_twin_combine(const struct smr_twin_args *args)
{
    const struct smr_combine_push *p = args->push;
    const float *x = args->bindings[0], *choices = args->bindings[1];
    float *y = args->bindings[2];
    for (size_t row = 0; row < p->n_rows; row++) {
        const float *weights = choices + (2 * row + 1) * p->n_used;
        for (size_t col = 0; col < p->n_cols; col++) {
            float sum = 0;
            for (size_t k = 0; k < p->n_used; k++)
                sum += weights[k] * x[row * p->in_stride + k * p->n_cols + col];
            float *to = &y[row * p->out_stride + col];
            *to = p->flags & SMR_COMBINE_ADD ? *to + sum : sum;
        }
    }
}
