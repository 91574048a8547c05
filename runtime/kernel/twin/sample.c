// sample.c - drawing a token. Without sorting: how much is kept of the tokens in order is found by
// bisecting the numbers that order floats.
#include "kernel/twin/twin.h"

#include <math.h>
#include <string.h>

enum stage { TOP_K, TOP_P, DRAW };

struct state {
    const float *logits; // [n]
    uint32_t n;
    const struct smr_draw *draw;
    float greatest;
    // What is left: tokens of a greater rank than `last`, and the first n_last of that rank.
    uint32_t last;
    double n_last;
};

// As in reduce.c.
static float finite(float logit)
{
    const float most = 3.0e38f;
    if (isnan(logit) || logit < -most)
        return -most;
    return logit > most ? most : logit;
}

// A number that grows with the logit.
static uint32_t rank_of(float logit)
{
    uint32_t bits;
    logit = finite(logit) + 0.0f; // one zero of two
    memcpy(&bits, &logit, sizeof bits);
    return bits >> 31 ? ~bits : bits | 0x80000000u;
}

static double weight_of(const struct state *s, enum stage stage, float logit)
{
    const float below = finite(logit) - s->greatest;
    if (stage == TOP_K)
        return 1;
    if (stage == TOP_P)
        return expf(below);
    return expf(below) < fminf(s->draw->min_p, 1) ? 0 : expf(below / s->draw->temperature);
}

// The sum over what is left of the tokens of at least that rank. *weight: of one of that rank itself.
static double sum_from(const struct state *s, enum stage stage, uint32_t rank, double *weight)
{
    double sum = 0, weight_of_last = 0;
    *weight = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        const uint32_t of = rank_of(s->logits[i]);
        if (of < rank || of < s->last)
            continue;
        const double w = weight_of(s, stage, s->logits[i]);
        if (of == s->last)
            weight_of_last = w;
        else
            sum += w;
        if (of == rank)
            *weight = w;
    }
    return sum + weight_of_last * s->n_last;
}

// Keep the fewest first ones whose sum exceeds `target`.
static void cut(struct state *s, enum stage stage, double target)
{
    double weight;
    uint32_t rank = 0;
    for (uint32_t bit = 1u << 31; bit; bit >>= 1)
        if (sum_from(s, stage, rank | bit, &weight) > target)
            rank |= bit;
    sum_from(s, stage, rank, &weight);
    double unused, before = sum_from(s, stage, rank + 1, &unused);
    s->n_last = weight > 0 ? floor((target - before) / weight) + 1 : 1;
    s->last = rank;
}

// The last one that is left.
static uint32_t last_token(const struct state *s)
{
    uint32_t token = SMR_NO_TOKEN;
    double n = 0;
    for (uint32_t i = 0; i < s->n && n < s->n_last; i++)
        if (rank_of(s->logits[i]) == s->last) {
            token = i;
            n++;
        }
    return token;
}

void smr_twin_sample(const struct smr_twin_args *args)
{
    const struct smr_sample_push *p = args->push;
    const struct smr_draw *draw = args->bindings[2];
    struct state s = {.logits = args->bindings[0], .n = p->n_cols, .draw = draw};
    uint32_t *next = args->bindings[3], *drawn = args->bindings[4];
    double unused;
    s.greatest = finite(s.logits[0]);
    for (uint32_t i = 1; i < s.n; i++)
        s.greatest = fmaxf(s.greatest, finite(s.logits[i]));
    if (s.greatest <= -3.0e38f) {
        *next = *drawn = SMR_NO_TOKEN;
        return;
    }
    if (draw->top_k && draw->top_k < s.n)
        cut(&s, TOP_K, draw->top_k - 1);
    if (draw->top_p != UINT32_MAX) // what equals the target is enough
        cut(&s, TOP_P, nextafter(draw->top_p * 0x1p-32 * sum_from(&s, TOP_P, 0, &unused), 0));
    cut(&s, DRAW, draw->point * 0x1p-32 * sum_from(&s, DRAW, 0, &unused));
    *next = *drawn = last_token(&s);
}
