// sample.c - cases of the kernels penalise and sample: each cut by itself and together, few tokens and
// many, ties, logits that are all the same, and those that are no numbers.
#include "suite_impl.h"

#include <math.h>

// ---- penalise -----------------------------------------------------------------------------------

static const struct {
    uint32_t n_cols;
    struct smr_draw draw;
} penalties[] = {
    {1, {.n_recent = 3, .repeat_penalty = 2}},
    {500, {.n_bias = 0, .n_recent = 0, .repeat_penalty = 2}},
    {500, {.n_bias = 100}},
    {500, {.n_recent = 1, .repeat_penalty = 1.3f}},
    {5003, {.n_recent = 64, .first_recent = 7, .repeat_penalty = 1.1f}},
    {49152,
     {.n_bias = 3,
      .n_recent = 3000,
      .repeat_penalty = 0.9f,
      .presence_penalty = 0.5f,
      .frequency_penalty = 0.25f}},
};

void suite_penalise(struct suite *s)
{
    for (size_t i = 0; i < SMR_COUNT(penalties); i++) {
        const struct smr_penalise_push push = {penalties[i].n_cols};
        suite_run(s,
                  suite_printf(s, "%u biases, %u tokens, in %u logits", penalties[i].draw.n_bias,
                               penalties[i].draw.n_recent, push.n_cols),
                  &(struct smr_case_params){.id = SMR_KERNEL_PENALISE,
                                            .type = SMR_F32,
                                            .push = &push,
                                            .draw = &penalties[i].draw});
    }
}

// ---- sample -------------------------------------------------------------------------------------

enum content { RANDOM, STEEP, TIES, EQUAL, SPECIAL, NONE };

static const struct {
    uint32_t n_cols;
    enum content content;
    const char *name;
    struct smr_draw draw; // of several points
} draws[] = {
    {1, RANDOM, "1 logit", {40, 0xf3333333, 0.05f, 0.8f}},
    {1, RANDOM, "1 logit, the best", {1, UINT32_MAX, 0, 1}},
    {2, RANDOM, "2 logits", {0, UINT32_MAX, 0, 9}},
    {283, RANDOM, "283 logits", {40, 0xf3333333, 0.05f, 0.8f}},
    {5003, RANDOM, "the best", {1, UINT32_MAX, 0, 1}},
    {5003, RANDOM, "all", {0, UINT32_MAX, 0, 1}},
    {5003, RANDOM, "all, hot", {0, UINT32_MAX, 0, 20}},
    {5003, RANDOM, "top 5, below the number of chunks", {5, UINT32_MAX, 0, 3}},
    {5003, RANDOM, "top 700", {700, UINT32_MAX, 0, 7}},
    {5003, RANDOM, "top 5002", {5002, UINT32_MAX, 0, 7}},
    {5003, RANDOM, "top-p 0.5", {0, 0x80000000, 0, 1}},
    {5003, RANDOM, "top-p 0", {0, 0, 0, 1}},
    {5003, RANDOM, "min-p 0.1, hot", {0, UINT32_MAX, 0.1f, 5}},
    {5003, RANDOM, "min-p 2", {0, UINT32_MAX, 2, 5}},
    {5003, STEEP, "one that is almost certain", {40, 0xf3333333, 0.05f, 0.8f}},
    {5003, STEEP, "one that is almost certain, all", {0, UINT32_MAX, 0, 4}},
    {5003, TIES, "ties", {40, 0xc0000000, 0.05f, 0.8f}},
    {5003, TIES, "ties, all", {0, UINT32_MAX, 0, 2}},
    {5003, EQUAL, "all the same", {0, UINT32_MAX, 0, 1}},
    {5003, EQUAL, "all the same, top 40", {40, 0x80000000, 0.05f, 0.8f}},
    {3000, SPECIAL, "infinities and NaN", {40, 0xf3333333, 0.05f, 0.8f}},
    {3000, SPECIAL, "infinities and NaN, all", {0, UINT32_MAX, 0, 1}},
    {3000, NONE, "no number", {40, 0xf3333333, 0.05f, 0.8f}},
    {49152, RANDOM, "the usual", {40, 0xf3333333, 0.05f, 0.8f}},
    {262144, RANDOM, "256 chunks, the usual", {40, 0xf3333333, 0.05f, 0.8f}},
    {262144, RANDOM, "256 chunks, top-p 0.9", {0, 0xe6666666, 0, 1}},
};

static void fill(struct smr_case *c, enum content content, float *logits, size_t n)
{
    for (size_t i = 0; logits && i < n; i++) {
        if (content == STEEP)
            logits[i] *= i == n / 2 ? 100 : 0.3f;
        if (content == TIES)
            logits[i] = (float)smr_case_random(c, 5) - 2 + (i % 2 ? 0.0f : -0.0f);
        if (content == EQUAL)
            logits[i] = -3;
        if (content == SPECIAL && i % 3 == 0)
            logits[i] = -INFINITY;
        if (content == SPECIAL && i / 1000 == 1)
            logits[i] = i % 2 ? -INFINITY : NAN;
        if (content == NONE)
            logits[i] = i % 2 ? -INFINITY : NAN;
    }
}

void suite_sample(struct suite *s)
{
    static const uint32_t points[] = {0, 0x40000001, 0xd1234567, UINT32_MAX};
    for (size_t i = 0; i < SMR_COUNT(draws); i++)
        for (size_t j = 0; j < SMR_COUNT(points); j++) {
            const struct smr_sample_push push = {draws[i].n_cols};
            struct smr_draw draw = draws[i].draw;
            struct smr_case c;
            // The twin takes its time with many, and oclgrind, which runs what is small, with any.
            if ((push.n_cols > 10000 || push.n_cols < 1000) && j != i % SMR_COUNT(points))
                continue;
            draw.point = points[j];
            smr_case_init(
                &c, &s->arena,
                &(struct smr_case_params){
                    .id = SMR_KERNEL_SAMPLE, .type = SMR_F32, .push = &push, .draw = &draw});
            fill(&c, draws[i].content, c.operands[0].data, c.operands[0].size / sizeof(float));
            smr_case_reduce(&c);
            suite_run_case(s, suite_printf(s, "%s, at %.2f", draws[i].name, points[j] * 0x1p-32),
                           &c);
        }
}
