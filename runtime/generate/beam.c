// beam.c - the search for likely texts: several go on side by side, and at each step the likeliest of
// all their continuations are kept.
//
// Plain search follows Hugging Face transformers 5 (generation/utils.py, _beam_search and what it
// calls). Groups follow its group beam search of transformers 4 (_group_beam_search, BeamSearchScorer
// and HammingDiversityLogitsProcessor), which is arXiv:1610.02424. Where the two differ, the field
// `grouped` decides: what an unfinished text can still reach is judged by the best of all candidates
// or of those that go on, and what goes on at the end counts as finished or not.
//
// Each text that goes on is a session of its own; they share pages of the KV cache, so a choice of
// continuations is an edit of page tables.
#include "generate/generate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct candidate {
    double sum;    // of log-probabilities, penalties of groups included
    uint32_t beam; // of its group
    int32_t token;
};

struct finished {
    double score;
    const int32_t *tokens; // [n_tokens]
    uint32_t n_tokens;
    enum smr_stop_reason reason;
};

struct group {
    smr_session **sessions; // [size]; the first n_running go on
    smr_session **next;     // [size]
    double *sums;           // [size]
    uint32_t n_running;
    struct finished *finished; // [size], best first
    uint32_t n_finished;
    bool done;
};

struct search {
    smr_engine *engine;
    const struct smr_beam_params *params;
    smr_session *prompt;
    struct smr_rules rules;
    struct smr_arena arena;     // of all that lives as long as the search
    struct smr_sampler sampler; // for smr_select_top()
    struct group *groups;       // [n_groups]
    uint32_t n_groups, size;    // size: beams of a group
    bool grouped;
    struct candidate *candidates; // [size * n_each]
    uint32_t n_candidates;
    uint32_t n_wanted;                 // candidates of a group that are looked at
    uint32_t n_each;                   // of one text that can be among them
    uint32_t n_counted;                // tokens that count as generated and came with the source
    int32_t chosen[SMR_MAX_SEQUENCES]; // by groups before, in this step
    uint32_t n_chosen;
    uint32_t n_generated, n_predict;
    enum smr_stop_reason stop; // of texts that are not at their end when the search is
};

// ---- candidates -------------------------------------------------------------------------------------

// Likelier first; of equal ones the earlier text's, then the lower token.
static int compare_candidates(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->sum != y->sum)
        return x->sum > y->sum ? -1 : 1;
    if (x->beam != y->beam)
        return x->beam < y->beam ? -1 : 1;
    return x->token < y->token ? -1 : x->token > y->token;
}

// What a group pays for a token that groups before it chose, as often as they did.
static double penalty(const struct search *s, int32_t token)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n_chosen; i++)
        n += s->chosen[i] == token;
    return (double)s->params->diversity_penalty * n;
}

static void add_candidate(struct search *s, uint32_t beam, int32_t token, double sum)
{
    s->candidates[s->n_candidates++] = (struct candidate){.sum = sum, .beam = beam, .token = token};
}

// The likeliest continuations of one text, from row `row` of the step.
static bool add_candidates(struct search *s, const struct group *group, uint32_t beam, uint32_t row)
{
    const smr_session *session = group->sessions[beam];
    struct smr_step_result step = smr_step_result(s->engine, row, true);
    double log_sum = smr_log_sum(&step, s->sampler.n_vocab);
    if (!isfinite(log_sum))
        return smr_fail(s->engine->context, SMR_ERROR,
                        "the model's logits are not finite: the weights are damaged, or the device "
                        "computes wrongly (try --device reference)");
    if (s->rules.forced_end >= 0 && s->n_generated + 1 == s->n_predict) { // it costs nothing
        add_candidate(s, beam, s->rules.forced_end, group->sums[beam]);
        return true;
    }
    if (!smr_rules_apply(&s->rules, session->tokens, session->n_tokens, s->n_generated))
        return false;
    uint64_t wanted = (uint64_t)s->n_each + s->rules.forbidden.n;
    uint32_t n_vocab = s->sampler.n_vocab, n_added = 0;
    uint32_t n = smr_select_top(&s->sampler, &step, wanted < n_vocab ? (uint32_t)wanted : n_vocab);
    for (uint32_t i = 0; i < n && n_added < s->n_each; i++) {
        const struct smr_candidate *top = &s->sampler.candidates[i];
        if (smr_rules_forbid(&s->rules, top->token))
            continue;
        double logprob = top->logit - log_sum - penalty(s, top->token);
        add_candidate(s, beam, top->token, group->sums[beam] + logprob);
        n_added++;
    }
    return true;
}

// ---- finished texts ---------------------------------------------------------------------------------

// Keep a text among the best of its group: that of `session` with n_tokens generated, `last` behind
// them unless it is negative.
static bool finish(struct search *s, struct group *group, const smr_session *session, int32_t last,
                   double sum, enum smr_stop_reason reason)
{
    uint32_t n_before = session->n_tokens - s->prompt->n_tokens, n = n_before + (last >= 0);
    double score = sum / pow(n + s->n_counted, s->params->length_penalty);
    struct finished *all = group->finished;
    uint32_t at = group->n_finished;
    while (at && score > all[at - 1].score)
        at--;
    if (at == s->size)
        return true;
    int32_t *tokens = smr_arena_alloc(&s->arena, n, sizeof(*tokens));
    if (!tokens)
        return false;
    memcpy(tokens, session->tokens + s->prompt->n_tokens, n_before * sizeof(*tokens));
    if (last >= 0)
        tokens[n_before] = last;
    if (group->n_finished < s->size)
        group->n_finished++;
    memmove(all + at + 1, all + at, (group->n_finished - 1 - at) * sizeof(*all));
    all[at] = (struct finished){score, tokens, n, reason};
    return true;
}

// Whether a text that goes on after this step could still be better than the worst finished one.
// `sum` is the best there is.
static bool can_improve(const struct search *s, const struct group *group, double sum)
{
    const struct smr_beam_params *params = s->params;
    if (group->n_finished < s->size)
        return true;
    if (params->early_stopping == SMR_EARLY_STOPPING_AT_ONCE)
        return false;
    bool longest = params->early_stopping == SMR_EARLY_STOPPING_NEVER && params->length_penalty > 0;
    double length = longest ? s->n_predict : s->n_generated + 1.0;
    return sum / pow(length + s->n_counted, params->length_penalty) >
           group->finished[s->size - 1].score;
}

// ---- one step ---------------------------------------------------------------------------------------

// Candidate `c` goes on.
static void go_on(struct search *s, struct group *group, const struct candidate *c, double *sums)
{
    smr_session *session = group->next[group->n_running];
    smr_session_fork(session, group->sessions[c->beam]);
    session->tokens[session->n_tokens++] = c->token; // there is room: see count_tokens()
    sums[group->n_running++] = c->sum;
}

// The best candidates go on, or are finished. Those that end are finished when they are among the
// `size` best, and forgotten otherwise.
static bool choose(struct search *s, struct group *group)
{
    double sums[SMR_MAX_SEQUENCES];
    uint32_t n = smr_min_u32(s->n_candidates, s->n_wanted);
    bool last = s->n_generated + 1 == s->n_predict;
    group->n_running = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct candidate *c = &s->candidates[i];
        bool end = smr_rules_is_end(&s->rules, c->token);
        if (end || (last && !s->grouped)) {
            if (i < s->size && !finish(s, group, group->sessions[c->beam], c->token, c->sum,
                                       end ? SMR_STOP_END : s->stop))
                return false;
        } else if (group->n_running < s->size) {
            go_on(s, group, c, sums);
        }
    }
    memcpy(group->sums, sums, group->n_running * sizeof(*sums));
    for (uint32_t i = 0; i < s->size; i++) {
        smr_session *session = group->sessions[i];
        group->sessions[i] = group->next[i];
        group->next[i] = session;
        smr_session_clear(session);
    }
    return true;
}

// The row of the last step that has a text's logits; at first all texts are the prompt.
static uint32_t row_of(const struct search *s, uint32_t group, uint32_t beam)
{
    return s->n_generated ? group * s->size + beam : 0;
}

static bool advance_group(struct search *s, uint32_t index)
{
    struct group *group = &s->groups[index];
    s->n_candidates = 0;
    for (uint32_t i = 0; i < group->n_running; i++)
        if (!add_candidates(s, group, i, row_of(s, index, i)))
            return false;
    if (!s->n_candidates)
        return smr_fail(
            s->engine->context, SMR_ERROR_USAGE,
            "every token that could come next is forbidden, or ends the text too early");
    qsort(s->candidates, s->n_candidates, sizeof(*s->candidates), compare_candidates);
    if (!choose(s, group))
        return false;
    double best = s->grouped ? s->candidates[0].sum : group->sums[0];
    group->done = !group->n_running || !can_improve(s, group, best);
    for (uint32_t i = 0; i < group->n_running; i++) {
        const smr_session *session = group->sessions[i];
        s->chosen[s->n_chosen++] = session->tokens[session->n_tokens - 1];
    }
    return true;
}

// Go on in all groups with the logits of the last step.
static bool advance(struct search *s)
{
    s->n_chosen = 0;
    for (uint32_t i = 0; i < s->n_groups; i++)
        if (!s->groups[i].done && !advance_group(s, i))
            return false;
    s->n_generated++;
    return true;
}

// ---- the search -------------------------------------------------------------------------------------

// Whether there is another step; else all groups are done, or s->stop says why not.
static bool wants_step(struct search *s)
{
    bool open = false;
    for (uint32_t i = 0; i < s->n_groups; i++)
        open = open || !s->groups[i].done;
    if (!open || s->n_generated == s->n_predict)
        return false;
    if (!s->params->step || s->params->step(s->params->user, s->n_generated))
        return true;
    s->stop = SMR_STOP_CANCEL;
    return false;
}

static bool compute(struct search *s)
{
    smr_session *sessions[SMR_MAX_SEQUENCES];
    uint32_t n = 0;
    for (uint32_t g = 0; g < s->n_groups; g++)
        for (uint32_t i = 0; i < s->size; i++)
            sessions[n++] =
                !s->groups[g].done && i < s->groups[g].n_running ? s->groups[g].sessions[i] : NULL;
    return smr_sessions_step(s->engine, sessions, n, true);
}

// What still goes on when the search ends.
static bool finish_open(struct search *s)
{
    for (uint32_t g = 0; g < s->n_groups; g++) {
        struct group *group = &s->groups[g];
        for (uint32_t i = 0; !group->done && i < group->n_running; i++)
            if (!finish(s, group, group->sessions[i], -1, group->sums[i], s->stop))
                return false;
    }
    return true;
}

static bool search(struct search *s, struct smr_generate_result *result)
{
    uint64_t start = smr_time_ns();
    uint32_t before = s->prompt->n_computed;
    if (!smr_session_compute(s->prompt, true, s->params->prefill, s->params->user)) {
        result->stop_reason = SMR_STOP_CANCEL;
        return smr_context_status(s->engine->context) == SMR_OK;
    }
    result->prompt_ns = smr_time_ns() - start;
    result->n_prompt = s->prompt->n_computed - before;
    for (uint32_t i = 0; i < s->n_groups; i++) {
        smr_session_fork(s->groups[i].sessions[0], s->prompt);
        s->groups[i].n_running = 1;
    }
    start = smr_time_ns();
    uint64_t cpu_start = smr_thread_time_ns();
    bool done = advance(s);
    while (done && wants_step(s)) {
        done = compute(s) && advance(s);
        result->n_submissions++;
    }
    result->decode_ns = smr_time_ns() - start;
    result->cpu_ns = smr_thread_time_ns() - cpu_start;
    result->n_generated = s->n_generated;
    return done && finish_open(s);
}

// ---- results ----------------------------------------------------------------------------------------

// What smr_beams_free() finds behind the public part.
struct results {
    struct smr_beams beams; // first
    struct smr_arena arena;
};

static bool write_text(const struct search *s, struct results *results, struct smr_beam *beam)
{
    struct smr_string text;
    struct smr_detokenizer detokenizer;
    size_t n = beam->n_tokens;
    smr_string_init(&text, s->engine->context);
    if (s->rules.vocab) {
        if (n && beam->stop_reason == SMR_STOP_END && !s->params->special)
            n--;
        smr_detokenizer_init(&detokenizer, s->rules.vocab, s->params->special);
        detokenizer.at_start = smr_session_at_start(s->prompt);
        for (size_t i = 0; i < n; i++)
            smr_detokenizer_add(&detokenizer, beam->tokens[i], &text);
        smr_detokenizer_end(&detokenizer, &text);
    }
    beam->text_size = text.size;
    beam->text = text.failed
                     ? NULL
                     : smr_arena_strndup(&results->arena, text.data ? text.data : "", text.size);
    smr_string_finish(&text);
    return beam->text || smr_fail(s->engine->context, SMR_ERROR_MEMORY, "no memory for the text");
}

// The best finished text of all groups that was not taken yet.
static const struct finished *take_best(struct search *s, uint32_t *n_taken)
{
    struct group *best = NULL;
    uint32_t at = 0;
    for (uint32_t g = 0; s->groups && g < s->n_groups; g++) {
        const struct group *group = &s->groups[g];
        if (n_taken[g] == group->n_finished)
            continue;
        if (!best || group->finished[n_taken[g]].score > best->finished[n_taken[at]].score) {
            best = &s->groups[g];
            at = g;
        }
    }
    return best ? &best->finished[n_taken[at]++] : NULL;
}

static bool fill_results(struct search *s, struct results *results)
{
    uint32_t n_taken[SMR_MAX_SEQUENCES] = {0};
    uint32_t n_wanted = smr_max_u32(1, s->params->n_return);
    struct smr_beam *items = smr_arena_alloc(&results->arena, n_wanted, sizeof(*items));
    results->beams.items = items;
    for (uint32_t i = 0; items && i < n_wanted; i++) {
        const struct finished *finished = take_best(s, n_taken);
        if (!finished)
            break;
        int32_t *tokens = smr_arena_alloc(&results->arena, finished->n_tokens, sizeof(*tokens));
        if (!tokens)
            return false;
        memcpy(tokens, finished->tokens, finished->n_tokens * sizeof(*tokens));
        items[i] = (struct smr_beam){.tokens = tokens,
                                     .n_tokens = finished->n_tokens,
                                     .score = (float)finished->score,
                                     .stop_reason = finished->reason};
        if (!write_text(s, results, &items[i]))
            return false;
        results->beams.n++;
    }
    return items != NULL;
}

void smr_beams_free(struct smr_beams *beams)
{
    struct results *results = (struct results *)beams;
    if (!beams)
        return;
    smr_context *context = results->arena.context;
    smr_arena_finish(&results->arena);
    smr_free(context, results);
}

// ---- begin and end ----------------------------------------------------------------------------------

static bool check(const smr_engine *engine, const struct smr_beam_params *params)
{
    uint32_t n_groups = smr_max_u32(1, params->n_groups);
    if (smr_context_status(engine->context) != SMR_OK)
        return false;
    if (!smr_check_sequences(engine, params->n_beams, "beams"))
        return false;
    if (params->n_beams % n_groups)
        return smr_fail(engine->context, SMR_ERROR_USAGE,
                        "%u beams cannot be shared out evenly among %u groups", params->n_beams,
                        n_groups);
    if (params->n_return > params->n_beams)
        return smr_fail(engine->context, SMR_ERROR_USAGE,
                        "%u texts are wanted of %u beams: there are at most as many as beams",
                        params->n_return, params->n_beams);
    if (!(params->diversity_penalty >= 0) || !isfinite(params->diversity_penalty) ||
        !isfinite(params->length_penalty))
        return smr_fail(
            engine->context, SMR_ERROR_USAGE,
            "a diversity penalty of %g and a length penalty of %g: both must be finite, "
            "and the first not negative",
            (double)params->diversity_penalty, (double)params->length_penalty);
    return true;
}

// Tokens a text can get, and what its end is called when it gets them.
static void count_tokens(struct search *s)
{
    uint32_t room = s->engine->n_context - s->prompt->n_tokens;
    bool full = s->params->n_predict > room;
    s->n_predict = full ? room : s->params->n_predict;
    s->stop = full ? SMR_STOP_CONTEXT : SMR_STOP_LENGTH;
}

// Of n_vocab * size continuations those are looked at that can matter: as many as go on, and one more
// for each token that could end a text. A group before can make a token less likely.
static void count_candidates(struct search *s)
{
    uint32_t n_vocab = s->engine->model->hparams.n_vocab;
    uint64_t wanted = (uint64_t)smr_max_u32(2, 1 + (uint32_t)s->rules.ends.n) * s->size;
    uint64_t each = wanted + s->params->n_beams;
    s->n_wanted = wanted < UINT32_MAX ? (uint32_t)wanted : UINT32_MAX;
    s->n_each = each < n_vocab ? (uint32_t)each : n_vocab;
}

static bool create_groups(struct search *s)
{
    s->groups = smr_arena_alloc(&s->arena, s->n_groups, sizeof(*s->groups));
    s->candidates = smr_arena_alloc(&s->arena, (size_t)s->size * s->n_each, sizeof(*s->candidates));
    for (uint32_t g = 0; s->groups && g < s->n_groups; g++) {
        struct group *group = &s->groups[g];
        group->sessions = smr_arena_alloc(&s->arena, s->size, sizeof(smr_session *));
        group->next = smr_arena_alloc(&s->arena, s->size, sizeof(smr_session *));
        group->sums = smr_arena_alloc(&s->arena, s->size, sizeof(*group->sums));
        group->finished = smr_arena_alloc(&s->arena, s->size, sizeof(*group->finished));
        if (!group->sessions || !group->next || !group->sums || !group->finished)
            return false;
        for (uint32_t i = 0; i < s->size; i++)
            if (!(group->sessions[i] = smr_session_create(s->engine)) ||
                !(group->next[i] = smr_session_create(s->engine)))
                return false;
    }
    return s->groups && s->candidates;
}

static void destroy_groups(struct search *s)
{
    for (uint32_t g = 0; s->groups && g < s->n_groups; g++) {
        const struct group *group = &s->groups[g];
        for (uint32_t i = 0; group->sessions && i < s->size; i++)
            smr_session_destroy(group->sessions[i]);
        for (uint32_t i = 0; group->next && i < s->size; i++)
            smr_session_destroy(group->next[i]);
    }
}

static bool run(struct search *s, struct smr_generate_result *result)
{
    const struct smr_beam_params *params = s->params;
    struct smr_rule_params rules = {.ends = params->ends,
                                    .n_ends = params->n_ends,
                                    .ignore_end = params->ignore_end,
                                    .min_predict = params->min_predict,
                                    .no_repeat_ngram = params->no_repeat_ngram};
    if (!smr_rules_init(&s->rules, s->engine, &rules))
        return false;
    s->n_counted = s->prompt->n_start ? s->prompt->n_start - 1 : 0;
    count_tokens(s);
    count_candidates(s);
    if (!s->n_predict)
        return true;
    return smr_sampler_init(&s->sampler, s->engine->context, &(struct smr_sampling){0},
                            s->engine->model->hparams.n_vocab, 0) &&
           create_groups(s) && search(s, result);
}

struct smr_beams *smr_generate_beams(smr_session *session, const struct smr_beam_params *params,
                                     struct smr_generate_result *result)
{
    smr_engine *engine = session->engine;
    struct search s = {.engine = engine, .params = params, .prompt = session};
    *result = (struct smr_generate_result){0};
    if (!check(engine, params))
        return NULL;
    struct results *results = smr_alloc(engine->context, 1, sizeof(*results), "beams");
    if (!results)
        return NULL;
    smr_arena_init(&results->arena, engine->context);
    smr_arena_init(&s.arena, engine->context);
    s.grouped = params->n_groups > 1;
    s.n_groups = smr_max_u32(1, params->n_groups);
    s.size = params->n_beams / s.n_groups;
    bool done = run(&s, result) && fill_results(&s, results);
    if (done && !result->stop_reason)
        result->stop_reason = results->beams.n ? results->beams.items[0].stop_reason : s.stop;
    destroy_groups(&s);
    smr_rules_finish(&s.rules);
    smr_sampler_finish(&s.sampler);
    smr_arena_finish(&s.arena);
    if (done)
        return &results->beams;
    smr_beams_free(&results->beams);
    return NULL;
}
