// test_speculate.c - speculation: guesses are what was there before, change no text, cost next to
// nothing where they are wrong, and nothing is allocated for them at a token.
//
//     test_speculate [DEVICE]     the reference device when none is named
#include "generate/generate.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *device = "reference";

// ---- n-grams ------------------------------------------------------------------------------------------

// The definition, by looking at every place.
static uint32_t find_slowly(const int32_t *tokens, uint32_t n, int32_t *draft, uint32_t max,
                            uint32_t *n_same)
{
    uint32_t place = 0, n_draft = 0;
    *n_same = 1;
    for (uint32_t at = n - 1; at-- > 1;) {
        uint32_t same = 0;
        while (same <= at && same < 32 && tokens[at - same] == tokens[n - 1 - same] &&
               tokens[at - same] >= 0)
            same++;
        if (same > *n_same) {
            *n_same = same;
            place = at;
        }
    }
    if (!place) {
        *n_same = 0;
        return 0;
    }
    for (; n_draft < max; n_draft++) {
        uint32_t period = n - 1 - place; // what is past the end repeats
        draft[n_draft] = tokens[place + 1 + n_draft % period];
        if (draft[n_draft] < 0)
            break;
    }
    return n_draft;
}

static void ngrams_are_those_of_the_definition(void **state)
{
    enum { N = 60 }; // with so few, no more places than are looked at
    int32_t tokens[N], expected[7], draft[7];
    smr_context *context = smr_context_create(NULL);
    uint32_t n_found = 0, n_long = 0;
    srand(1);
    for (int32_t n_kinds = 2; n_kinds < 12; n_kinds++) {
        struct smr_ngrams ngrams;
        assert_true(smr_ngrams_init(&ngrams, context, N));
        for (uint32_t i = 0; i < N; i++) {
            tokens[i] = i % 20 == 19 ? -1 : rand() % n_kinds;
            if (i > 40 && i % 20 != 19)
                tokens[i] = tokens[i - 40];
        }
        for (uint32_t i = 0; i < N; i++) {
            uint32_t same_expected, same;
            smr_ngrams_add(&ngrams, &tokens[i], 1);
            uint32_t n = smr_ngrams_find(&ngrams, draft, 7, &same);
            assert_int_equal(n, find_slowly(tokens, i + 1, expected, 7, &same_expected));
            assert_int_equal(same, same_expected);
            assert_memory_equal(draft, expected, n * sizeof(*draft));
            n_found += n > 0;
            n_long += same > 10;
        }
        smr_ngrams_finish(&ngrams);
    }
    assert_true(n_found > 100 && n_long > 10);
    smr_context_destroy(context);
}

static void a_repetition_is_guessed_to_go_on(void **state)
{
    static const int32_t tokens[] = {9, 1, 2, 3, 1, 2, 3, 1, 2};
    static const int32_t expected[] = {3, 1, 2, 3, 1, 2, 3};
    int32_t draft[7];
    uint32_t same;
    struct smr_ngrams ngrams;
    smr_context *context = smr_context_create(NULL);
    assert_true(smr_ngrams_init(&ngrams, context, 16));
    assert_int_equal(smr_ngrams_find(&ngrams, draft, 7, &same), 0);
    smr_ngrams_add(&ngrams, tokens, SMR_COUNT(tokens));
    assert_int_equal(smr_ngrams_find(&ngrams, draft, 7, &same), 7);
    assert_int_equal(same, 5);
    assert_memory_equal(draft, expected, sizeof(expected));
    smr_ngrams_finish(&ngrams);
    smr_context_destroy(context);
}

// ---- what guesses cost, by a clock of our own ---------------------------------------------------------

// Generate n tokens, each step of r rows taking 1 + slope (r - 1), of which every `right`-th guess is
// right (0: none). The text is one token over and over, so that there is always a guess.
static double simulate(uint32_t n, double slope, uint32_t right, bool known)
{
    smr_context *context = smr_context_create(NULL);
    smr_engine engine = {.context = context, .n_context = 4 * n, .pool = {.n_free = 4 * n}};
    int32_t *tokens = calloc(4 * n, sizeof(*tokens));
    smr_session session = {.engine = &engine, .tokens = tokens, .n_tokens = 8};
    struct smr_generate_params params = {.n_predict = known ? n : UINT32_MAX};
    struct smr_speculator speculator;
    double time = 0;
    uint32_t n_guesses = 0;
    assert_true(smr_speculator_init(&speculator, &session, &params));
    while (session.n_tokens < 8 + n) {
        uint32_t left = 8 + n - session.n_tokens, n_right = 0;
        struct smr_draft draft;
        assert_true(smr_speculator_draft(&speculator, &session, 0, left - 1, &draft));
        double step = 1 + slope * (draft.n_rows - 1);
        time += step;
        while (n_right < draft.n && right && ++n_guesses % right == 0)
            n_right++;
        smr_speculator_learn(&speculator, draft, n_right, (uint64_t)(step * 1e7));
        session.n_tokens += 1 + n_right;
    }
    smr_speculator_finish(&speculator);
    free(tokens);
    smr_context_destroy(context);
    return time / n;
}

static void guesses_that_do_not_help_cost_little(void **state)
{
    for (int i = 0; i < 24; i++) {
        double slope = 0.05 * i;
        assert_true(simulate(128, slope, 0, false) < 1.03);
        assert_true(simulate(128, slope, 0, true) < 1.03);
        assert_true(simulate(40, slope, 0, true) < 1.05); // one try is a large part of so few
        assert_true(simulate(1000, slope, 3, false) < 1.03);
    }
}

static void guesses_that_help_are_made(void **state)
{
    assert_true(simulate(200, 0.05, 1, false) < 0.25);
    assert_true(simulate(200, 0.15, 1, false) < 0.4);
    assert_true(simulate(200, 0.5, 1, false) < 0.75); // 8 rows in the time of 4.5
    assert_true(simulate(200, 0.1, 2, false) < 0.95); // every other one
}

// ---- texts -----------------------------------------------------------------------------------------------

enum { MAX_TOKENS = 512 };

struct text {
    int32_t tokens[MAX_TOKENS];
    uint32_t n;
    char bytes[4096];
    size_t size;
};

static bool collect(void *user, const struct smr_generated *generated)
{
    struct text *text = user;
    assert_true(text->n < MAX_TOKENS && text->size + generated->text_size < sizeof(text->bytes));
    if (generated->token >= 0)
        text->tokens[text->n++] = generated->token;
    memcpy(text->bytes + text->size, generated->text, generated->text_size);
    text->size += generated->text_size;
    text->bytes[text->size] = 0;
    return true;
}

static bool collect_some(void *user, const struct smr_generated *generated)
{
    struct text *text = user;
    return collect(user, generated) && text->n % 7 != 3;
}

struct subject {
    struct test_memory memory;
    smr_context *context;
    smr_model *model;
    smr_engine *engine;
};

static void open_subject(struct subject *s, const char *name, uint32_t n_context)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/golden/%s.gguf", getenv("SMR_TEST_DIR"), name);
    struct smr_engine_params params = {.device = device,
                                       .n_context = n_context,
                                       .cache_type = SMR_F32,
                                       .cache_type_set = true,
                                       .kernels = SMR_KERNELS_PLAIN};
    *s = (struct subject){0};
    s->context = test_context(&s->memory, getenv("SMR_TEST_CACHE"));
    s->model = smr_model_open(s->context, path);
    s->engine = s->model ? smr_engine_create(s->model, &params) : NULL;
    if (!s->engine) {
        fail_msg("%s: %s", name, smr_context_error(s->context));
        exit(1); // for readers that do not know that the line above does not return
    }
}

static void close_subject(struct subject *s)
{
    smr_engine_destroy(s->engine);
    smr_model_close(s->model);
    smr_context_destroy(s->context);
    assert_int_equal(s->memory.n_live, 0);
}

// A prompt that repeats itself with changes, as prompts do that ask for an edit.
static smr_session *begin(struct subject *s)
{
    static const int32_t prompt[] = {1, 7, 3, 9, 4, 7, 3, 9, 5, 2, 7, 3, 9, 4, 7, 3};
    smr_session *session = smr_session_create(s->engine);
    bool source = smr_engine_source_size(s->engine) > 0;
    assert_non_null(session);
    if (source)
        assert_true(smr_session_encode(session, prompt, SMR_COUNT(prompt)));
    else
        assert_true(smr_session_append(session, prompt, SMR_COUNT(prompt)));
    return session;
}

static struct smr_generate_result generate(struct subject *s, struct smr_generate_params params,
                                           enum smr_speculate when, struct text *text)
{
    struct smr_generate_result result;
    smr_session *session = begin(s);
    *text = (struct text){0};
    params.speculation.when = when;
    params.callback = collect;
    params.user = text;
    assert_true(smr_generate(session, &params, &result));
    // What was computed of wrong guesses is forgotten, in the cache too: the text goes on as any.
    assert_true(session->n_computed == session->n_tokens - 1);
    assert_true(session->n_pages == smr_div_up(session->n_computed, SMR_PAGE_SIZE));
    if (smr_session_length(session) < smr_engine_context_size(s->engine))
        assert_non_null(smr_session_logits(session));
    smr_session_destroy(session);
    assert_int_equal(s->engine->pool.n_free, s->engine->pool.n_pages);
    return result;
}

static void same_text(const struct text *a, const struct text *b)
{
    assert_int_equal(a->n, b->n);
    assert_memory_equal(a->tokens, b->tokens, a->n * sizeof(*a->tokens));
    assert_string_equal(a->bytes, b->bytes);
}

// With guesses and without, and with two steps in flight; returns how many guesses were right.
static uint64_t compare(struct subject *s, const struct smr_generate_params *params)
{
    static struct text plain, guessed, ahead;
    struct smr_generate_params in_flight = *params;
    in_flight.n_in_flight = 2;
    struct smr_generate_result without = generate(s, *params, SMR_SPECULATE_NEVER, &plain);
    struct smr_generate_result with = generate(s, *params, SMR_SPECULATE_ALWAYS, &guessed);
    same_text(&plain, &guessed);
    for (int when = SMR_SPECULATE_AUTO; when <= SMR_SPECULATE_NEVER; when++) {
        struct smr_generate_result result = generate(s, in_flight, when, &ahead);
        same_text(&plain, &ahead);
        assert_int_equal(result.stop_reason, without.stop_reason);
    }
    assert_int_equal(with.stop_reason, without.stop_reason);
    assert_int_equal(without.n_drafted, 0);
    assert_true(with.n_accepted <= with.n_drafted);
    // Each step brings one token and the guesses that were right; the last one may be cut short.
    assert_true(with.n_submissions + with.n_accepted <= with.n_generated);
    assert_true(with.n_submissions + with.n_accepted + 1 >= with.n_generated);
    return with.n_accepted;
}

static struct smr_generate_params greedy(uint32_t n_predict)
{
    return (struct smr_generate_params){
        .n_predict = n_predict,
        .ignore_end = true,
        .sampling = {.repeat_penalty = 1, .top_p = 1, .repeat_last_n = 64}};
}

static void guesses_change_no_text(void **state)
{
    static const char *const models[] = {
        "llama-text-bpe",    "gemma3-d8-window8", "mistral-d8-window8", "qwen3-d20", "gpt2-d12",
        "phi3-d24-window12", "mixtral-e5-q8_0",   "t5-d10-relu",        "bart-d8"};
    for (size_t m = 0; m < SMR_COUNT(models); m++) {
        struct subject s;
        uint64_t n_right = 0;
        open_subject(&s, models[m], 96);
        struct smr_generate_params params = greedy(70); // more than a page, with the prompt
        n_right += compare(&s, &params);
        params.sampling.frequency_penalty = 0.3f;
        params.sampling.repeat_penalty = 1.1f;
        compare(&s, &params);
        params.no_repeat_ngram = 5;
        compare(&s, &params);
        params = greedy(UINT32_MAX); // until the context is full
        params.n_logprobs = 3;
        n_right += compare(&s, &params);
        print_message("# %s: %u guesses right\n", models[m], (unsigned)n_right);
        close_subject(&s);
    }
}

static void guesses_change_no_draw(void **state)
{
    static const char *const models[] = {"llama-text-bpe", "gemma3-d8-window8"};
    uint64_t n_right = 0;
    for (size_t m = 0; m < SMR_COUNT(models); m++) {
        struct subject s;
        open_subject(&s, models[m], 128);
        struct smr_generate_params params = greedy(60);
        for (uint64_t seed = 0; seed < 4; seed++) {
            params.sampling = smr_sampling_default();
            params.sampling.seed = seed;
            params.sampling.temperature = seed & 1 ? 0.2f : 1;
            params.sampling.presence_penalty = seed & 2 ? 0.5f : 0;
            n_right += compare(&s, &params);
        }
        close_subject(&s);
    }
    assert_true(n_right > 0);
}

// A stop string inside of what was guessed ends the text there.
static void a_stop_string_ends_a_draft(void **state)
{
    struct subject s;
    static struct text whole;
    open_subject(&s, "llama-text-bpe", 128);
    struct smr_generate_params params = greedy(60);
    struct smr_generate_result result = generate(&s, params, SMR_SPECULATE_ALWAYS, &whole);
    assert_true(result.n_accepted > 0);
    for (size_t at = 8; at + 3 < whole.size; at += 11) {
        char stop[4] = {0};
        memcpy(stop, whole.bytes + at, 3);
        params.stop = (const char *[]){stop};
        params.n_stop = 1;
        compare(&s, &params);
    }
    close_subject(&s);
}

static void draft_max_is_a_limit(void **state)
{
    struct subject s;
    static struct text text, first;
    open_subject(&s, "llama-text-bpe", 128);
    struct smr_generate_params params = greedy(60);
    for (uint32_t max = 1; max <= 9; max++) {
        params.speculation.draft_max = max;
        struct smr_generate_result result = generate(&s, params, SMR_SPECULATE_ALWAYS, &text);
        assert_true(result.n_drafted > 0);
        assert_true(result.n_drafted <= result.n_submissions * smr_min_u32(max, 7));
        if (max == 1)
            first = text;
        assert_memory_equal(&text, &first, sizeof(text));
    }
    close_subject(&s);
}

// ---- guesses of another model ----------------------------------------------------------------------------

static void open_drafter(struct subject *s, const struct subject *text, const char *name,
                         uint32_t n_context)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/golden/%s.gguf", getenv("SMR_TEST_DIR"), name);
    struct smr_engine_params params = {.device = device,
                                       .n_context = n_context,
                                       .cache_type = SMR_F32,
                                       .cache_type_set = true,
                                       .kernels = SMR_KERNELS_PLAIN};
    *s = (struct subject){.context = text->context};
    s->model = smr_model_open(s->context, path);
    s->engine = s->model ? smr_engine_create(s->model, &params) : NULL;
    if (!s->engine) {
        fail_msg("%s: %s", name, smr_context_error(s->context));
        exit(1); // for readers that do not know that the line above does not return
    }
}

static void close_drafter(struct subject *s, smr_session *session)
{
    smr_session_destroy(session);
    assert_int_equal(s->engine->pool.n_free, s->engine->pool.n_pages);
    smr_engine_destroy(s->engine);
    smr_model_close(s->model);
}

static void another_model_changes_no_text(void **state)
{
    static const struct {
        const char *model, *other;
        uint32_t n_context; // of the other
        double right;       // share of its guesses, at least
    } pairs[] = {
        {"llama-text-bpe", "llama-text-bpe", 128, 0.95}, {"quant-f16", "quant-q8_0", 128, 0},
        {"llama-d8-gqa3", "phi3-d24-window12", 64, 0},   {"quant-f16", "quant-q4_0", 40, 0},
        {"t5-d10-relu", "t5-d10-relu", 128, 0.95},
    };
    for (size_t i = 0; i < SMR_COUNT(pairs); i++) {
        struct subject s, other;
        open_subject(&s, pairs[i].model, 128);
        open_drafter(&other, &s, pairs[i].other, pairs[i].n_context);
        struct smr_generate_params params = greedy(70);
        params.speculation.draft = smr_session_create(other.engine);
        uint64_t n_right = compare(&s, &params);
        for (uint64_t seed = 0; seed < 3; seed++) { // its session holds the last text
            params.sampling = smr_sampling_default();
            params.sampling.seed = seed;
            params.sampling.frequency_penalty = seed & 1 ? 0.4f : 0;
            static struct text text;
            struct smr_generate_result result = generate(&s, params, SMR_SPECULATE_ALWAYS, &text);
            print_message("# %s by %s: %u of %u\n", pairs[i].model, pairs[i].other,
                          (unsigned)result.n_accepted, (unsigned)result.n_drafted);
            assert_true((double)result.n_accepted >= pairs[i].right * (double)result.n_drafted);
            n_right += compare(&s, &params);
        }
        assert_true(n_right > 0 || pairs[i].right <= 0);
        close_drafter(&other, params.speculation.draft);
        close_subject(&s);
    }
}

static void another_vocabulary_is_an_error(void **state)
{
    static const char *const others[] = {"gemma3-text-spm", "llama-d8-gqa3", "t5-d10-relu"};
    for (size_t i = 0; i < SMR_COUNT(others); i++) {
        struct subject s, other;
        struct smr_generate_result result;
        open_subject(&s, "llama-text-bpe", 64);
        open_drafter(&other, &s, others[i], 64);
        struct smr_generate_params params = greedy(5);
        params.speculation.draft = smr_session_create(other.engine);
        smr_session *session = begin(&s);
        assert_false(smr_generate(session, &params, &result));
        assert_int_equal(smr_context_status(s.context), SMR_ERROR_USAGE);
        assert_non_null(strstr(smr_context_error(s.context), "same vocabulary"));
        smr_session_destroy(session);
        close_drafter(&other, params.speculation.draft);
        close_subject(&s);
    }
}

// ---- the step with guesses ------------------------------------------------------------------------------

struct watch {
    struct subject *subject;
    uint32_t n_tokens, n_checked;
    size_t n_calls;
};

static bool watch_step(void *user, const struct smr_generated *generated)
{
    struct watch *watch = user;
    if (watch->n_tokens++ > 30) { // each program was made
        assert_int_equal(watch->subject->memory.n_calls, watch->n_calls);
        watch->n_checked++;
    }
    watch->n_calls = watch->subject->memory.n_calls;
    return true;
}

static void nothing_is_allocated_at_a_token(void **state)
{
    for (uint32_t n_in_flight = 1; n_in_flight <= 2; n_in_flight++) {
        struct subject s;
        struct watch watch = {.subject = &s};
        struct smr_generate_params params = greedy(80);
        struct smr_generate_result result;
        open_subject(&s, "llama-text-bpe", 128);
        params.speculation.when = SMR_SPECULATE_ALWAYS;
        params.n_in_flight = n_in_flight;
        params.callback = watch_step;
        params.user = &watch;
        smr_session *session = begin(&s);
        assert_true(smr_generate(session, &params, &result));
        assert_true(watch.n_checked > 40 && result.n_drafted > 0);
        assert_true(result.n_submissions < 80);
        smr_session_destroy(session);
        close_subject(&s);
    }
}

// Each step but the last is submitted once, and a text that goes on after it is the same.
static void a_step_in_flight_may_be_for_nothing(void **state)
{
    struct subject s;
    static struct text whole, part;
    struct smr_generate_params params = greedy(40);
    params.n_in_flight = 2;
    open_subject(&s, "gemma3-d8-window8", 128);
    struct smr_generate_result result = generate(&s, params, SMR_SPECULATE_NEVER, &whole);
    assert_int_equal(result.n_submissions, 39);
    smr_session *session = begin(&s);
    params.speculation.when = SMR_SPECULATE_NEVER;
    params.callback = collect_some;
    params.user = &part;
    while (part.n < 40) { // cancelled again and again while a step is at work
        params.n_predict = 40 - part.n;
        assert_true(smr_generate(session, &params, &result));
        assert_true(session->n_computed == session->n_tokens - 1);
    }
    same_text(&whole, &part);
    smr_session_destroy(session);
    close_subject(&s);
}

static void every_failed_allocation_is_an_error(void **state)
{
    struct subject s;
    struct text text;
    struct smr_generate_params params = greedy(30);
    params.speculation.when = SMR_SPECULATE_ALWAYS;
    params.callback = collect;
    params.user = &text;
    bool done = false;
    open_subject(&s, "llama-text-bpe", 64);
    for (size_t n_more = 1; !done; n_more++) {
        struct smr_generate_result result;
        text = (struct text){0};
        smr_session *session = begin(&s);
        s.memory.fail_at = s.memory.n_calls + n_more;
        done = smr_generate(session, &params, &result);
        if (!done)
            assert_int_equal(smr_context_status(s.context), SMR_ERROR_MEMORY);
        smr_context_clear_error(s.context);
        done = done && s.memory.n_calls < s.memory.fail_at;
        smr_session_destroy(session);
    }
    close_subject(&s);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ngrams_are_those_of_the_definition),
        cmocka_unit_test(a_repetition_is_guessed_to_go_on),
        cmocka_unit_test(guesses_that_do_not_help_cost_little),
        cmocka_unit_test(guesses_that_help_are_made),
        cmocka_unit_test(guesses_change_no_text),
        cmocka_unit_test(guesses_change_no_draw),
        cmocka_unit_test(a_stop_string_ends_a_draft),
        cmocka_unit_test(draft_max_is_a_limit),
        cmocka_unit_test(another_model_changes_no_text),
        cmocka_unit_test(another_vocabulary_is_an_error),
        cmocka_unit_test(nothing_is_allocated_at_a_token),
        cmocka_unit_test(a_step_in_flight_may_be_for_nothing),
        cmocka_unit_test(every_failed_allocation_is_an_error),
    };
    if (argc > 1)
        device = argv[1];
    return cmocka_run_group_tests_name("speculate", tests, NULL, NULL);
}
