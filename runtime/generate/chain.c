// chain.c - steps that are submitted before the token between them is known: the device chooses it.
//
// Between a step's end and the next one's begin a device waits until the host has woken up, read
// the token and submitted. With two steps submitted it goes on meanwhile. Where a token then ends
// the text, the step after it was computed for nothing: its slots in the cache count as not
// computed.
#include "generate/generate.h"

#include <assert.h>
#include <string.h>

uint32_t smr_session_room(const smr_session *session)
{
    const smr_engine *engine = session->engine;
    uint64_t slots = (uint64_t)(session->n_pages + engine->pool.n_free) * SMR_PAGE_SIZE;
    uint32_t most = slots < engine->n_context ? (uint32_t)slots : engine->n_context;
    return most > session->n_tokens ? most - session->n_tokens : 0;
}

static enum smr_chain_step next_step(const struct smr_chain *chain)
{
    if (!chain->n)
        return SMR_CHAIN_FIRST;
    return chain->shapes[chain->n - 1].chain == SMR_CHAIN_ODD ? SMR_CHAIN_EVEN : SMR_CHAIN_ODD;
}

// Have the step's draw described, and the device know the tokens that penalties look back on: those
// up to `position`, whose own is in the step's row, or was drawn by the step before.
static void describe_draw(struct smr_chain *chain, uint32_t position, enum smr_chain_step step)
{
    struct smr_schedule *schedule = chain->session->engine->schedule;
    const struct smr_sampler *sampler = chain->sampler;
    struct smr_draw draw;
    smr_sampler_draw(sampler, position + 1, &chain->random, &draw);
    *smr_schedule_draw(schedule, step) = draw;
    if (!chain->n && sampler->n_bias)
        memcpy(smr_schedule_bias(schedule), sampler->bias,
               sampler->n_bias * sizeof(*sampler->bias));
    for (uint32_t i = smr_max_u32(chain->n_history, draw.first_recent); i < position; i++)
        smr_schedule_history(schedule)[i] = (uint32_t)chain->session->tokens[i];
    chain->n_history = position;
}

bool smr_chain_submit(struct smr_chain *chain)
{
    smr_session *session = chain->session;
    struct smr_schedule *schedule = session->engine->schedule;
    uint32_t position = session->n_computed + chain->n;
    struct smr_shape shape = {.n_rows = 1,
                              .n_outputs = 1,
                              .n_keys = position + 1,
                              .n_source = smr_session_source_size(session),
                              .chain = next_step(chain),
                              .choice = smr_sampler_choice(&chain->sampler->params)};
    assert(chain->n < SMR_COUNT(chain->shapes));
    smr_schedule_outputs(schedule)[0] = 0;
    struct smr_row *row = shape.chain == SMR_CHAIN_ODD ? smr_schedule_rows_odd(schedule)
                                                       : smr_schedule_rows(schedule);
    if (shape.choice != SMR_CHOICE_BEST)
        describe_draw(chain, position, shape.chain);
    if (!smr_session_fill_row(session, row, position) || !smr_schedule_submit(schedule, &shape))
        return false;
    chain->shapes[chain->n++] = shape;
    return true;
}

bool smr_chain_wait(struct smr_chain *chain, struct smr_step_result *result)
{
    struct smr_schedule *schedule = chain->session->engine->schedule;
    const struct smr_shape shape = chain->shapes[0];
    if (!smr_schedule_wait(schedule, &shape))
        return false;
    *result = (struct smr_step_result){.chunks = shape.chain == SMR_CHAIN_ODD
                                                     ? smr_schedule_reduced_odd(schedule)
                                                     : smr_schedule_reduced(schedule)};
    if (shape.choice != SMR_CHOICE_BEST) {
        chain->drawn = smr_schedule_drawn(schedule, shape.chain);
        result->drawn = &chain->drawn;
    }
    chain->shapes[0] = chain->shapes[1];
    chain->n--;
    chain->session->n_computed++;
    return true;
}

bool smr_chain_prepare(smr_engine *engine, const struct smr_shape *shape)
{
    struct smr_shape copy = *shape;
    for (copy.chain = SMR_CHAIN_FIRST; copy.chain <= SMR_CHAIN_EVEN; copy.chain++)
        if (!smr_schedule_prepare(engine->schedule, &copy))
            return false;
    return true;
}
