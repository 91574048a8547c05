// case_sample.c - inputs of the kernels that make a token of logits.
#include "kernel/case.h"
#include "kernel/twin/twin.h"

#include <string.h>

static const struct smr_draw usual_draw = {.top_k = 40,
                                           .top_p = 0xf3333333, // 0.95
                                           .min_p = 0.05f,
                                           .temperature = 0.8f,
                                           .point = 0x9e3779b9,
                                           .n_bias = 5,
                                           .n_recent = 64,
                                           .first_recent = 30,
                                           .repeat_penalty = 1.1f,
                                           .presence_penalty = 0.2f,
                                           .frequency_penalty = 0.3f};

static struct smr_operand draw_of(struct smr_case *c, const struct smr_case_params *params)
{
    struct smr_operand operand = smr_case_floats(c, sizeof(struct smr_draw) / 4, 1);
    if (operand.data)
        *(struct smr_draw *)operand.data = params->draw ? *params->draw : usual_draw;
    return operand;
}

// Few maxima, so that some are equal.
void smr_case_make_pick(struct smr_case *c, const struct smr_case_params *params)
{
    const struct smr_pick_push *p = c->push;
    const size_t n = (size_t)p->n_rows * p->n_chunks;
    c->operands[0] = smr_case_floats(c, 4 * n, 1.0f);
    struct smr_reduced *chunks = c->operands[0].data;
    for (size_t i = 0; chunks && i < n; i++) {
        chunks[i].maximum = (float)smr_case_random(c, 100) - 200.0f;
        chunks[i].index =
            (uint32_t)(i % p->n_chunks) * SMR_REDUCE_CHUNK + smr_case_random(c, SMR_REDUCE_CHUNK);
    }
    c->operands[1] = smr_case_floats(c, p->n_rows, 1.0f);
}

// Some tokens come often, and some have a bias; a few are none of the model's.
void smr_case_make_penalise(struct smr_case *c, const struct smr_case_params *params)
{
    const struct smr_penalise_push *p = c->push;
    const struct smr_draw *draw = params->draw ? params->draw : &usual_draw;
    const uint32_t n_history = draw->first_recent + draw->n_recent + 1;
    c->operands[0] = smr_case_floats(c, p->n_cols, 10.0f);
    c->operands[1] = draw_of(c, params);
    c->operands[2] = smr_case_floats(c, 2 * (size_t)draw->n_bias + 2, 3.0f);
    c->operands[3] = smr_case_floats(c, n_history, 1.0f);
    c->operands[4] = smr_case_floats(c, 1, 1.0f);
    c->operands[5] = smr_case_floats(c, p->n_cols, 1.0f);
    struct smr_draw_bias *bias = c->operands[2].data;
    uint32_t *history = c->operands[3].data, *last = c->operands[4].data;
    if (!c->operands[0].data || !bias || !history || !last || !c->operands[5].data)
        return;
    memset(c->operands[5].data, 0, c->operands[5].size);
    for (uint32_t i = 0; i < draw->n_bias; i++)
        bias[i].token = i * 3;
    for (uint32_t i = 0; i < n_history; i++)
        history[i] = i % 7 ? smr_case_random(c, p->n_cols) : i % 5;
    history[n_history / 2] = p->n_cols;
    *last = 4 % p->n_cols;
}

void smr_case_reduce(struct smr_case *c)
{
    const struct smr_sample_push *p = c->push;
    const struct smr_reduce_push push = {p->n_cols, 1, p->n_cols};
    if (c->operands[0].data && c->operands[1].data)
        smr_twin_reduce(&(struct smr_twin_args){
            .bindings = {c->operands[0].data, c->operands[1].data}, .push = &push});
}

void smr_case_make_sample(struct smr_case *c, const struct smr_case_params *params)
{
    const struct smr_sample_push *p = c->push;
    c->operands[0] = smr_case_floats(c, p->n_cols, 10.0f);
    c->operands[1] = smr_case_floats(c, 4 * (size_t)smr_div_up(p->n_cols, SMR_REDUCE_CHUNK), 1.0f);
    c->operands[2] = draw_of(c, params);
    c->operands[3] = smr_case_floats(c, 1, 1.0f);
    c->operands[4] = smr_case_floats(c, 1, 1.0f);
    smr_case_reduce(c);
}

size_t smr_case_decode_tokens(const struct smr_case *c, uint32_t binding, const void *data,
                              float *values)
{
    const uint32_t *tokens = data;
    const size_t n = c->operands[binding].size / sizeof *tokens;
    for (size_t i = 0; i < n; i++)
        values[i] = (float)tokens[i];
    return n;
}
