// generate.c - the loop of one generation: step, sample, stop, stream.
#include "generate/generate.h"

#include <math.h>
#include <string.h>

struct generation {
    smr_session *session;
    smr_engine *engine;
    const struct smr_generate_params *params;
    struct smr_generate_result *result;
    const struct smr_vocab *vocab; // NULL for a model without a tokenizer
    struct smr_sampler sampler;
    struct smr_detokenizer detokenizer;
    struct smr_stopper stopper;
    bool read_logits;
};

static uint32_t n_vocab(const struct generation *g)
{
    return g->engine->model->hparams.n_vocab;
}

// Hand text that is final to the callback, with the token it came with.
static bool show(struct generation *g, struct smr_generated *generated, size_t n_final)
{
    generated->text = g->stopper.held.data ? g->stopper.held.data : "";
    generated->text_size = n_final;
    bool go_on = !g->params->callback || g->params->callback(g->params->user, generated);
    smr_stopper_drop(&g->stopper, n_final);
    return go_on;
}

static void fill_logprobs(struct generation *g, const struct smr_step_result *result,
                          struct smr_generated *generated)
{
    double log_sum = smr_log_sum(result, n_vocab(g));
    uint32_t n = g->params->n_logprobs;
    if (!n)
        return;
    if (!result->logits) { // greedy, and only the best was asked for
        double best = -INFINITY;
        for (uint32_t i = 0; i < smr_div_up(n_vocab(g), SMR_REDUCE_CHUNK); i++)
            best = fmax(best, (double)result->chunks[i].maximum);
        generated->logprob = (float)(best - log_sum);
        g->sampler.top[0] = (struct smr_logprob){generated->token, generated->logprob};
        generated->n_top = 1;
    } else {
        generated->logprob = (float)(result->logits[generated->token] - log_sum);
        generated->n_top = smr_select_top(&g->sampler, result, n);
        for (size_t i = 0; i < generated->n_top; i++)
            g->sampler.top[i] = (struct smr_logprob){
                g->sampler.candidates[i].token, (float)(g->sampler.candidates[i].logit - log_sum)};
    }
    generated->top = g->sampler.top;
}

static bool is_end(const struct generation *g, int32_t token)
{
    return g->vocab && !g->params->ignore_end && smr_vocab_is_end(g->vocab, token);
}

// Sample from the step that was just computed, append, show. Sets the stop reason when it is over.
static bool next_token(struct generation *g)
{
    struct smr_session *session = g->session;
    struct smr_step_result step = {
        .logits = g->read_logits ? smr_schedule_logits(g->engine->schedule) : NULL,
        .chunks = smr_schedule_reduced(g->engine->schedule)};
    struct smr_generated generated = {0};
    if (!smr_sampler_sample(&g->sampler, &step, session->tokens, session->n_tokens,
                            &generated.token))
        return false;
    fill_logprobs(g, &step, &generated);
    session->tokens[session->n_tokens++] = generated.token; // there is room: see go_on()
    g->result->n_generated++;
    if (is_end(g, generated.token)) {
        g->result->stop_reason = SMR_STOP_END;
        if (!g->params->special) { // the token is reported, its text is not
            show(g, &generated, 0);
            return true;
        }
    }
    if (g->vocab)
        smr_detokenizer_add(&g->detokenizer, generated.token, &g->stopper.held);
    size_t n_final = 0;
    bool stop = smr_stopper_check(&g->stopper, &n_final);
    if (!show(g, &generated, n_final))
        g->result->stop_reason = SMR_STOP_CANCEL;
    else if (stop)
        g->result->stop_reason = SMR_STOP_STRING;
    return !g->stopper.held.failed ||
           smr_fail(g->engine->context, SMR_ERROR_MEMORY, "no memory for the text");
}

// What was held back is final when nothing follows; after a stop string it is not part of the text.
static void show_rest(struct generation *g)
{
    if (g->result->stop_reason == SMR_STOP_STRING || g->result->stop_reason == SMR_STOP_CANCEL)
        return;
    if (g->vocab)
        smr_detokenizer_end(&g->detokenizer, &g->stopper.held);
    if (g->stopper.held.size)
        show(g, &(struct smr_generated){.token = -1}, g->stopper.held.size);
}

static bool prefill(struct generation *g)
{
    uint64_t start = smr_time_ns();
    uint32_t before = g->session->n_computed;
    bool done =
        smr_session_compute(g->session, g->read_logits, g->params->prefill, g->params->user);
    g->result->prompt_ns = smr_time_ns() - start;
    g->result->n_prompt = g->session->n_computed - before;
    if (!done && smr_context_status(g->engine->context) == SMR_OK)
        g->result->stop_reason = SMR_STOP_CANCEL;
    return done;
}

// The decode program is made while the first token is read, and not counted as decoding.
static bool prepare_decode(struct generation *g)
{
    struct smr_shape shape = {
        .n_rows = 1, .n_outputs = 1, .n_keys = g->session->n_tokens, .read_logits = g->read_logits};
    if (g->result->stop_reason || g->params->n_predict < 2)
        return true;
    return smr_schedule_prepare(g->engine->schedule, &shape);
}

// Whether another token is wanted and has room; else the stop reason says why not.
static bool go_on(struct generation *g)
{
    struct smr_generate_result *result = g->result;
    if (!result->stop_reason && result->n_generated >= g->params->n_predict)
        result->stop_reason = SMR_STOP_LENGTH;
    if (!result->stop_reason && g->session->n_tokens >= g->engine->n_context)
        result->stop_reason = SMR_STOP_CONTEXT;
    return !result->stop_reason;
}

static bool run(struct generation *g)
{
    struct smr_generate_result *result = g->result;
    if (!go_on(g))
        return true;
    if (!prefill(g))
        return result->stop_reason == SMR_STOP_CANCEL;
    if (!next_token(g) || !prepare_decode(g))
        return false;
    uint64_t start = smr_time_ns(), cpu_start = smr_thread_time_ns();
    while (go_on(g)) {
        if (!smr_session_compute(g->session, g->read_logits, NULL, NULL) || !next_token(g))
            return false;
        result->n_submissions++;
    }
    result->decode_ns = smr_time_ns() - start;
    result->cpu_ns = smr_thread_time_ns() - cpu_start;
    show_rest(g);
    return true;
}

bool smr_generate(smr_session *session, const struct smr_generate_params *params,
                  struct smr_generate_result *result)
{
    smr_engine *engine = session->engine;
    struct generation g = {.session = session,
                           .engine = engine,
                           .params = params,
                           .result = result,
                           .read_logits =
                               smr_sampler_needs_logits(&params->sampling, params->n_logprobs)};
    *result = (struct smr_generate_result){0};
    if (smr_context_status(engine->context) != SMR_OK)
        return false; // an error of before, not yet cleared, would look like one of ours
    if (smr_metadata_has(engine->model->metadata, "tokenizer.ggml.model") &&
        !(g.vocab = smr_vocab_get(engine->model)))
        return false;
    if (g.vocab)
        smr_detokenizer_init(&g.detokenizer, g.vocab, params->special);
    smr_stopper_init(&g.stopper, engine->context, params->stop, params->n_stop);
    bool done = smr_sampler_init(&g.sampler, engine->context, &params->sampling,
                                 engine->model->hparams.n_vocab, params->n_logprobs) &&
                run(&g);
    smr_sampler_finish(&g.sampler);
    smr_stopper_finish(&g.stopper);
    return done;
}
