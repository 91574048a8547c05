// generate.c - the loop of one generation: step, sample, stop, stream. Several samples of one prompt
// go through it side by side.
#include "generate/generate.h"

#include <math.h>
#include <string.h>

// One text in the making.
struct stream {
    smr_session *session;
    struct smr_generate_result *result;
    uint32_t sample;
    uint64_t random; // state of the sampler
    struct smr_detokenizer detokenizer;
    struct smr_stopper stopper;
};

struct generation {
    smr_engine *engine;
    const struct smr_generate_params *params;
    struct smr_rules rules;
    struct smr_sampler sampler;       // its scratch memory serves all streams
    struct smr_speculator speculator; // of a text by itself
    struct stream *streams;           // [n_streams]
    uint32_t n_streams;
    struct smr_generate_result total; // times and counts of all streams together
    bool read_logits;
    bool chain; // steps are submitted before the token between them is known
};

static uint32_t n_vocab(const struct generation *g)
{
    return g->engine->model->hparams.n_vocab;
}

struct smr_step_result smr_step_result(const smr_engine *engine, uint32_t row, bool read_logits)
{
    size_t vocab = engine->model->hparams.n_vocab;
    const float *logits = read_logits ? smr_schedule_logits(engine->schedule) : NULL;
    return (struct smr_step_result){
        .logits = logits ? logits + row * vocab : NULL,
        .chunks = smr_schedule_reduced(engine->schedule) +
                  row * (size_t)smr_div_up((uint32_t)vocab, SMR_REDUCE_CHUNK)};
}

// Hand text that is final to the callback, with the token it came with.
static bool show(const struct generation *g, struct stream *stream, struct smr_generated *generated,
                 size_t n_final)
{
    generated->sample = stream->sample;
    generated->text = stream->stopper.held.data ? stream->stopper.held.data : "";
    generated->text_size = n_final;
    bool go_on = !g->params->callback || g->params->callback(g->params->user, generated);
    smr_stopper_drop(&stream->stopper, n_final);
    return go_on;
}

static void fill_logprobs(struct generation *g, const struct smr_step_result *result,
                          struct smr_generated *generated)
{
    uint32_t n = g->params->n_logprobs;
    if (!n)
        return;
    double log_sum = smr_log_sum(result, n_vocab(g));
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

static void cancel(struct generation *g)
{
    for (uint32_t i = 0; i < g->n_streams; i++)
        if (!g->streams[i].result->stop_reason)
            g->streams[i].result->stop_reason = SMR_STOP_CANCEL;
}

// What was held back is final when nothing follows; after a stop string it is not part of the text.
static void show_rest(struct generation *g, struct stream *stream)
{
    enum smr_stop_reason reason = stream->result->stop_reason;
    if (reason == SMR_STOP_STRING || reason == SMR_STOP_CANCEL)
        return;
    if (g->rules.vocab)
        smr_detokenizer_end(&stream->detokenizer, &stream->stopper.held);
    if (stream->stopper.held.size &&
        !show(g, stream, &(struct smr_generated){.token = -1}, stream->stopper.held.size))
        cancel(g);
}

// Whether another token is wanted and has room after n_tokens; else the stop reason says why not.
static bool go_on(const struct generation *g, struct smr_generate_result *result, uint32_t n_tokens)
{
    if (!result->stop_reason && result->n_generated >= g->params->n_predict)
        result->stop_reason = SMR_STOP_LENGTH;
    if (!result->stop_reason && n_tokens >= g->engine->n_context)
        result->stop_reason = SMR_STOP_CONTEXT;
    return !result->stop_reason;
}

// Append a token and show its text. Sets the stop reason when the text is over.
static bool accept(struct generation *g, struct stream *stream, struct smr_generated *generated)
{
    struct smr_session *session = stream->session;
    struct smr_string *held = &stream->stopper.held;
    session->tokens[session->n_tokens++] = generated->token; // there is room: see go_on()
    stream->result->n_generated++;
    if (smr_rules_is_end(&g->rules, generated->token)) {
        stream->result->stop_reason = SMR_STOP_END;
        if (!g->params->special) { // the token is reported, its text is not
            if (!show(g, stream, generated, 0))
                cancel(g);
            return true;
        }
    }
    if (g->rules.vocab)
        smr_detokenizer_add(&stream->detokenizer, generated->token, held);
    size_t n_final = 0;
    bool stop = smr_stopper_check(&stream->stopper, &n_final);
    if (!show(g, stream, generated, n_final)) {
        stream->result->stop_reason = SMR_STOP_CANCEL;
        cancel(g);
    } else if (stop) {
        stream->result->stop_reason = SMR_STOP_STRING;
    }
    return !held->failed ||
           smr_fail(g->engine->context, SMR_ERROR_MEMORY, "no memory for the text");
}

// A token that the device drew, by the random number that is next.
static bool take_drawn(struct generation *g, struct stream *stream, uint32_t drawn, int32_t *token)
{
    if (drawn >= n_vocab(g))
        return smr_fail_no_token(&g->sampler);
    smr_sampler_skip(&g->sampler, &stream->random);
    *token = (int32_t)drawn;
    return true;
}

static bool sample(struct generation *g, struct stream *stream, const struct smr_step_result *step,
                   int32_t *token)
{
    const struct smr_session *session = stream->session;
    uint32_t n_generated = stream->result->n_generated;
    if (step->drawn)
        return take_drawn(g, stream, *step->drawn, token);
    if (g->rules.forced_end >= 0 && n_generated + 1 == g->params->n_predict) {
        *token = g->rules.forced_end;
        return true;
    }
    if (!smr_rules_apply(&g->rules, session->tokens, session->n_tokens, n_generated))
        return false;
    g->sampler.forbidden = g->rules.forbidden.data;
    g->sampler.n_forbidden = g->rules.forbidden.n;
    g->sampler.random = stream->random;
    bool done = smr_sampler_sample(&g->sampler, step, session->tokens, session->n_tokens, token);
    stream->random = g->sampler.random;
    return done;
}

// Sample from what a step left.
static bool take_token(struct generation *g, struct stream *stream,
                       const struct smr_step_result *step)
{
    const struct smr_session *session = stream->session;
    struct smr_generated generated = {0};
    if (!sample(g, stream, step, &generated.token))
        return false;
    fill_logprobs(g, step, &generated);
    if (!accept(g, stream, &generated))
        return false;
    if (!go_on(g, stream->result, session->n_tokens))
        show_rest(g, stream);
    return true;
}

// Sample from row `row` of the step that was just computed.
static bool next_token(struct generation *g, struct stream *stream, uint32_t row)
{
    struct smr_step_result step = smr_step_result(g->engine, row, g->read_logits);
    return take_token(g, stream, &step);
}

static bool prefill(struct generation *g, smr_session *session)
{
    uint64_t start = smr_time_ns();
    const struct smr_source *source = session->source;
    uint32_t before = session->n_computed;
    bool wanted = source && !source->encoded;
    bool done = smr_session_compute(session, g->read_logits, g->params->prefill, g->params->user);
    if (done &&
        !smr_drafter_prefill(&g->speculator.drafter, session, g->params->prefill, g->params->user))
        done = false;
    g->total.prompt_ns = smr_time_ns() - start;
    g->total.n_prompt = session->n_computed - before;
    if (wanted && source->encoded)
        g->total.n_prompt += source->n_tokens;
    if (!done && smr_context_status(g->engine->context) == SMR_OK)
        cancel(g);
    return done;
}

// Rows of the next step: as long as more than half of the texts go on, those that ended leave empty
// rows, because each number of rows is a program of its own.
static uint32_t count_rows(const struct generation *g, uint32_t n_rows, smr_session **sessions,
                           struct stream **streams)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->n_streams; i++)
        if (!g->streams[i].result->stop_reason) {
            streams[n] = &g->streams[i];
            sessions[n++] = g->streams[i].session;
        }
    for (uint32_t i = n; i < n_rows; i++)
        sessions[i] = NULL;
    while (n <= n_rows / 2 && n_rows > 1)
        n_rows /= 2;
    return n ? n_rows : 0;
}

// One step of a text by itself, with what may follow computed beside it. A token of the draft is right
// when it is what the text goes on with anyway, chosen from the results of the row before it: so the
// text is the one that steps without drafts make.
static bool step_draft(struct generation *g, struct stream *stream, struct smr_draft draft,
                       uint64_t start)
{
    smr_session *session = stream->session;
    uint32_t n_right = 0;
    if (!smr_session_step_draft(session, draft, g->read_logits))
        return false;
    uint64_t time_ns = smr_time_ns() - start;
    g->total.n_submissions++;
    for (bool right = true; right; n_right += right) {
        int32_t guess = n_right < draft.n ? session->tokens[session->n_tokens] : -1;
        if (!next_token(g, stream, n_right))
            return false;
        right = guess >= 0 && session->tokens[session->n_tokens - 1] == guess &&
                !stream->result->stop_reason;
        session->n_computed += right;
    }
    smr_speculator_learn(&g->speculator, draft, n_right, time_ns);
    return true;
}

static uint32_t n_left(const struct generation *g, const struct stream *stream)
{
    return g->params->n_predict - stream->result->n_generated;
}

// Whether there will be a token to read of one more step than `n`, and a place for what it computes.
static bool can_submit(const struct generation *g, const struct stream *stream, uint32_t n)
{
    return n < n_left(g, stream) && (!n || smr_session_room(stream->session) >= n);
}

// Steps with two in flight, until the text ends or a guess is worth a step of its own.
static bool step_chain(struct generation *g, struct stream *stream, uint64_t start)
{
    struct smr_chain chain = {
        .session = stream->session, .sampler = &g->sampler, .random = stream->random};
    struct smr_draft draft = {.n = 0};
    bool done = true;
    do {
        struct smr_step_result result;
        while (done && !draft.n && !stream->result->stop_reason && chain.n < 2 &&
               can_submit(g, stream, chain.n)) {
            done = smr_chain_submit(&chain);
            g->total.n_submissions += done;
        }
        done = done && smr_chain_wait(&chain, &result) && take_token(g, stream, &result);
        g->total.n_device += done;
        uint64_t now = smr_time_ns();
        smr_speculator_learn(&g->speculator, (struct smr_draft){.n_rows = 1}, 0, now - start);
        start = now;
        if (done && !draft.n && !stream->result->stop_reason)
            done = smr_speculator_draft(&g->speculator, stream->session, stream->random,
                                        n_left(g, stream) - 1, &draft);
    } while (done && chain.n && !stream->result->stop_reason);
    return smr_device_wait(g->engine->device) && done; // for what was computed too much
}

static bool decode_one(struct generation *g)
{
    struct stream *stream = &g->streams[0];
    while (!stream->result->stop_reason) {
        struct smr_draft draft;
        uint64_t start = smr_time_ns();
        if (!smr_speculator_draft(&g->speculator, stream->session, stream->random,
                                  n_left(g, stream) - 1, &draft))
            return false;
        bool chain = g->chain && !draft.n;
        if (!(chain ? step_chain(g, stream, start) : step_draft(g, stream, draft, start)))
            return false;
    }
    smr_session_trim(stream->session);
    return true;
}

static bool decode(struct generation *g)
{
    smr_session *sessions[SMR_MAX_SEQUENCES];
    struct stream *streams[SMR_MAX_SEQUENCES];
    uint32_t n_rows = g->n_streams;
    while ((n_rows = count_rows(g, n_rows, sessions, streams))) {
        if (!smr_sessions_step(g->engine, sessions, n_rows, g->read_logits))
            return false;
        g->total.n_submissions++;
        for (uint32_t i = 0; i < n_rows && sessions[i]; i++)
            if (!streams[i]->result->stop_reason && !next_token(g, streams[i], i))
                return false;
    }
    return true;
}

// The decode program is made while the first token is read, and not counted as decoding.
static bool prepare_decode(struct generation *g)
{
    smr_session *sessions[SMR_MAX_SEQUENCES];
    struct stream *streams[SMR_MAX_SEQUENCES];
    uint32_t n_rows = count_rows(g, g->n_streams, sessions, streams);
    struct smr_shape shape = {.n_rows = n_rows,
                              .n_outputs = n_rows,
                              .n_keys = g->streams[0].session->n_tokens,
                              .n_source = smr_session_source_size(g->streams[0].session),
                              .read_logits = g->read_logits};
    if (g->chain) {
        shape.read_logits = false;
        shape.choice = smr_sampler_choice(&g->params->sampling);
        return smr_chain_prepare(g->engine, &shape);
    }
    return !n_rows || smr_schedule_prepare(g->engine->schedule, &shape);
}

static bool run(struct generation *g, smr_session *session)
{
    bool wanted = false;
    for (uint32_t i = 0; i < g->n_streams; i++)
        wanted = go_on(g, g->streams[i].result, session->n_tokens);
    if (!wanted)
        return true;
    if (!prefill(g, session))
        return g->streams[0].result->stop_reason == SMR_STOP_CANCEL;
    for (uint32_t i = 0; i < g->n_streams; i++)
        if (g->streams[i].session != session)
            smr_session_fork(g->streams[i].session, session);
    for (uint32_t i = 0; i < g->n_streams; i++)
        if (!g->streams[i].result->stop_reason && !next_token(g, &g->streams[i], 0))
            return false;
    if (!prepare_decode(g))
        return false;
    uint64_t start = smr_time_ns(), cpu_start = smr_thread_time_ns();
    bool done = g->n_streams == 1 ? decode_one(g) : decode(g);
    g->total.decode_ns = smr_time_ns() - start;
    g->total.cpu_ns = smr_thread_time_ns() - cpu_start;
    return done;
}

// Whether to have the device choose. A processor gains nothing: it computes as long as the host does,
// but for what takes the host as long as a step, which is to put a whole vocabulary in order.
static bool prefers_device(const struct generation *g)
{
    const smr_device *device = g->engine->device;
    if (g->params->n_in_flight)
        return g->params->n_in_flight > 1;
    return smr_device_get_info(device)->type <= SMR_DEVICE_INTEGRATED ||
           (smr_sampler_sorts_all(&g->params->sampling) && smr_device_takes_spirv(device));
}

// It can where it needs nothing for it that the host alone knows.
static bool wants_chain(const struct generation *g)
{
    const struct smr_generate_params *params = g->params;
    bool reduced = !smr_sampler_needs_logits(&params->sampling, params->n_logprobs);
    bool drawn = !params->n_logprobs && smr_sampler_suits_device(&params->sampling, n_vocab(g));
    return prefers_device(g) && g->n_streams == 1 && (reduced || drawn) &&
           !smr_rules_any(&g->rules) && g->rules.forced_end < 0 && !params->speculation.draft;
}

static bool start(struct generation *g, smr_session *session)
{
    const struct smr_generate_params *params = g->params;
    struct smr_rule_params rules = {.ignore_end = params->ignore_end,
                                    .min_predict = params->min_predict,
                                    .no_repeat_ngram = params->no_repeat_ngram};
    if (smr_context_status(g->engine->context) != SMR_OK)
        return false; // an error of before, not yet cleared, would look like one of ours
    if (!smr_rules_init(&g->rules, g->engine, &rules))
        return false;
    g->read_logits =
        smr_rules_any(&g->rules) || smr_sampler_needs_logits(&params->sampling, params->n_logprobs);
    g->chain = wants_chain(g);
    for (uint32_t i = 0; i < g->n_streams; i++) {
        struct stream *stream = &g->streams[i];
        stream->sample = i;
        stream->random = g->params->sampling.seed + i;
        if (g->rules.vocab)
            smr_detokenizer_init(&stream->detokenizer, g->rules.vocab, g->params->special);
        stream->detokenizer.at_start = smr_session_at_start(session);
        smr_stopper_init(&stream->stopper, g->engine->context, g->params->stop, g->params->n_stop);
    }
    if (g->n_streams == 1 && !smr_speculator_init(&g->speculator, session, params))
        return false;
    return smr_sampler_init(&g->sampler, g->engine->context, &g->params->sampling, n_vocab(g),
                            g->params->n_logprobs) &&
           run(g, session);
}

static bool generate(smr_session *session, const struct smr_generate_params *params,
                     struct stream *streams, uint32_t n_streams)
{
    struct generation g = {
        .engine = session->engine, .params = params, .streams = streams, .n_streams = n_streams};
    bool done = start(&g, session);
    smr_rules_finish(&g.rules);
    smr_sampler_finish(&g.sampler);
    smr_speculator_finish(&g.speculator);
    g.total.n_drafted = g.speculator.n_drafted;
    g.total.n_accepted = g.speculator.n_accepted;
    for (uint32_t i = 0; i < n_streams; i++) {
        g.total.n_generated = streams[i].result->n_generated;
        g.total.stop_reason = streams[i].result->stop_reason;
        *streams[i].result = g.total;
        smr_stopper_finish(&streams[i].stopper);
    }
    return done;
}

bool smr_generate(smr_session *session, const struct smr_generate_params *params,
                  struct smr_generate_result *result)
{
    struct stream stream = {.session = session, .result = result};
    *result = (struct smr_generate_result){0};
    return generate(session, params, &stream, 1);
}

bool smr_generate_samples(smr_session *session, const struct smr_generate_params *params,
                          uint32_t n_samples, struct smr_generate_result *results)
{
    smr_context *context = session->engine->context;
    bool done = smr_check_sequences(session->engine, n_samples, "samples");
    struct stream *streams =
        done ? smr_alloc(context, n_samples, sizeof(*streams), "samples") : NULL;
    for (uint32_t i = 0; streams && i < n_samples; i++) {
        results[i] = (struct smr_generate_result){0};
        streams[i].result = &results[i];
        streams[i].session = done ? smr_session_create(session->engine) : NULL;
        done = streams[i].session != NULL;
    }
    done = done && streams && generate(session, params, streams, n_samples);
    for (uint32_t i = 0; streams && i < n_samples; i++)
        smr_session_destroy(streams[i].session);
    smr_free(context, streams);
    return done;
}
