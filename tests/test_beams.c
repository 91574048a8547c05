// test_beams.c - several texts from one prompt: beam search against Hugging Face transformers
// (golden/beams, made by golden/make_beams.py), samples against single runs, and what they share.
//
//     test_beams [DEVICE]     the reference device when none is named
#include "generate/generate.h"
#include "support.h"

#include <assert.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TEXTS = 16, MAX_TOKENS = 1024 };

static const char *device = "reference";

static void golden_path(char path[1024], const char *folder, const char *name)
{
    snprintf(path, 1024, "%s/golden%s/%s", getenv("SMR_TEST_DIR"), folder, name);
}

// A model on a device with one session.
struct subject {
    struct test_memory memory;
    smr_context *context;
    smr_model *model;
    smr_engine *engine;
    smr_session *session;
};

static bool open_subject(struct subject *s, const char *model, const int32_t *prompt,
                         size_t n_prompt, const struct smr_engine_params *params)
{
    char path[1024];
    struct smr_engine_params copy = *params;
    copy.device = device;
    golden_path(path, "", model);
    return (s->context = test_context(&s->memory, getenv("SMR_TEST_CACHE"))) &&
           (s->model = smr_model_open(s->context, path)) &&
           (s->engine = smr_engine_create(s->model, &copy)) &&
           (s->session = smr_session_create(s->engine)) &&
           smr_session_append(s->session, prompt, n_prompt);
}

static void close_subject(struct subject *s)
{
    smr_session_destroy(s->session);
    if (s->engine)
        assert_int_equal(s->engine->pool.n_free, s->engine->pool.n_pages);
    smr_engine_destroy(s->engine);
    smr_model_close(s->model);
    smr_context_destroy(s->context);
    assert_int_equal(s->memory.n_live, 0);
}

// ---- against transformers -------------------------------------------------------------------------------

// One case of a file, read line by line.
struct golden {
    int32_t prompt[MAX_TOKENS];
    size_t n_prompt;
    int32_t ends[MAX_TEXTS];
    struct smr_beam_params params;
    float scores[MAX_TEXTS];
    int32_t tokens[MAX_TEXTS][MAX_TOKENS];
    size_t n_tokens[MAX_TEXTS], n_texts;
    char settings[256];
};

static size_t read_tokens(const char *text, int32_t *tokens, size_t capacity)
{
    size_t n = 0;
    char *end;
    for (long token = strtol(text, &end, 10); end != text; token = strtol(text, &end, 10)) {
        assert_true(n < capacity);
        tokens[n++] = (int32_t)token;
        text = end + (*end == ',');
    }
    return n;
}

static void read_case(struct golden *g, const char *text)
{
    char stopping[8], ends[64];
    struct smr_beam_params *p = &g->params;
    *p = (struct smr_beam_params){.ends = g->ends};
    snprintf(g->settings, sizeof g->settings, "%.250s", text);
    int n = sscanf(text,
                   "beams=%u groups=%u diversity=%f penalty=%f stopping=%7s return=%u predict=%u "
                   "min=%u ngram=%u ends=%63s",
                   &p->n_beams, &p->n_groups, &p->diversity_penalty, &p->length_penalty, stopping,
                   &p->n_return, &p->n_predict, &p->min_predict, &p->no_repeat_ngram, ends);
    assert_int_equal(n, 10);
    p->early_stopping = stopping[0] == 't'   ? SMR_EARLY_STOPPING_AT_ONCE
                        : stopping[0] == 'f' ? SMR_EARLY_STOPPING_HEURISTIC
                                             : SMR_EARLY_STOPPING_NEVER;
    p->ignore_end = ends[0] == '-';
    p->n_ends = p->ignore_end ? 0 : read_tokens(ends, g->ends, MAX_TEXTS);
    g->n_texts = 0;
}

static void fail_text(const struct golden *g, size_t i, const struct smr_beam *beam)
{
    fprintf(stderr, "# %s\n# text %zu: score %.7g, expected %.7g\n#", g->settings, i,
            (double)beam->score, (double)g->scores[i]);
    for (size_t k = 0; k < beam->n_tokens; k++)
        fprintf(stderr, " %d", beam->tokens[k]);
    fprintf(stderr, "\n# expected:");
    for (size_t k = 0; k < g->n_tokens[i]; k++)
        fprintf(stderr, " %d", g->tokens[i][k]);
    fprintf(stderr, "\n");
    fail();
}

struct collected {
    int32_t tokens[MAX_TOKENS];
    size_t n;
};

static bool collect_token(void *user, const struct smr_generated *generated)
{
    struct collected *collected = user;
    if (generated->token >= 0)
        collected->tokens[collected->n++] = generated->token;
    return true;
}

// One beam is what is generated without a draw, under the same rules.
static void run_greedy(struct subject *s, const struct golden *g)
{
    static struct collected collected;
    struct smr_generate_result result;
    struct smr_generate_params params = {.n_predict = g->params.n_predict,
                                         .sampling = smr_sampling_default(),
                                         .ignore_end = g->params.ignore_end,
                                         .min_predict = g->params.min_predict,
                                         .no_repeat_ngram = g->params.no_repeat_ngram,
                                         .callback = collect_token,
                                         .user = &collected};
    params.sampling.temperature = 0;
    collected.n = 0;
    assert_true(smr_generate_samples(s->session, &params, 1, &result));
    assert_int_equal(collected.n, g->n_tokens[0]);
    assert_memory_equal(collected.tokens, g->tokens[0], collected.n * sizeof(int32_t));
}

static void run_case(struct subject *s, const struct golden *g)
{
    struct smr_generate_result result;
    size_t before = smr_session_length(s->session);
    struct smr_beams *beams = smr_generate_beams(s->session, &g->params, &result);
    if (!beams)
        fail_msg("%s: %s", g->settings, smr_context_error(s->context));
    assert(beams && s->engine); // for the analyser
    assert_int_equal(beams->n, g->params.n_return);
    assert_int_equal(g->n_texts, beams->n);
    assert_int_equal(smr_session_length(s->session), before);
    for (size_t i = 0; i < beams->n; i++) {
        const struct smr_beam *beam = &beams->items[i];
        bool ended = !g->params.ignore_end && beam->n_tokens < g->params.n_predict;
        if (beam->n_tokens != g->n_tokens[i] ||
            memcmp(beam->tokens, g->tokens[i], g->n_tokens[i] * sizeof(int32_t)) != 0 ||
            !(fabsf(beam->score - g->scores[i]) <= 1e-4f * fmaxf(1, fabsf(g->scores[i]))))
            fail_text(g, i, beam);
        if (ended)
            assert_int_equal(beam->stop_reason, SMR_STOP_END);
    }
    smr_beams_free(beams);
    if (g->params.n_beams == 1)
        run_greedy(s, g);
    // The prompt's pages are all that is left.
    assert_int_equal(s->engine->pool.n_pages - s->engine->pool.n_free,
                     smr_div_up((uint32_t)before, SMR_PAGE_SIZE));
    assert_int_equal(s->engine->source_pool.n_pages - s->engine->source_pool.n_free,
                     smr_div_up(smr_session_source_size(s->session), SMR_PAGE_SIZE));
}

static uint32_t run_file(const char *name)
{
    static struct golden g;
    struct subject s = {0};
    char path[1024], model[64] = "";
    char line[8192];
    uint32_t n_cases = 0;
    golden_path(path, "/beams", name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    g = (struct golden){.n_prompt = 0};
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        if (!strncmp(line, "model: ", 7)) {
            snprintf(model, sizeof model, "%.60s", line + 7);
        } else if (!strncmp(line, "prompt: ", 8) || !strncmp(line, "source: ", 8)) {
            const struct smr_engine_params params = {
                .cache_type = SMR_F32, .cache_type_set = true, .n_sequences = MAX_TEXTS};
            bool source = line[0] == 's';
            g.n_prompt = read_tokens(line + 8, g.prompt, MAX_TOKENS);
            if (!open_subject(&s, model, g.prompt, source ? 0 : g.n_prompt, &params) ||
                (source && !smr_session_encode(s.session, g.prompt, g.n_prompt)))
                fail_msg("%s: %s", name, smr_context_error(s.context));
        } else if (!strncmp(line, "case: ", 6)) {
            if (n_cases++)
                run_case(&s, &g);
            read_case(&g, line + 6);
        } else if (!strncmp(line, "text: ", 6)) {
            char *end;
            g.scores[g.n_texts] = strtof(line + 6, &end);
            g.n_tokens[g.n_texts] = read_tokens(end, g.tokens[g.n_texts], MAX_TOKENS);
            g.n_texts++;
        }
    }
    run_case(&s, &g);
    fclose(file);
    close_subject(&s);
    return n_cases;
}

static void transformers_finds_the_same(void **state)
{
    char folder[1024];
    uint32_t n_files = 0;
    golden_path(folder, "/beams", "");
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        const char *dot = strrchr(entry->d_name, '.');
        if (!dot || strcmp(dot, ".beams") != 0)
            continue;
        assert_true(run_file(entry->d_name) > 2);
        n_files++;
    }
    closedir(dir);
    assert_true(n_files >= 15);
}

// ---- what texts share -------------------------------------------------------------------------------------

static const int32_t prompt[] = {1, 2, 3, 4, 5};

static bool open_small(struct subject *s, uint32_t n_context, uint32_t n_sequences)
{
    return open_subject(
        s, "llama-text-bpe.gguf", prompt, SMR_COUNT(prompt),
        &(struct smr_engine_params){.n_context = n_context, .n_sequences = n_sequences});
}

static struct smr_beam_params four_beams(uint32_t n_predict)
{
    return (struct smr_beam_params){.n_beams = 4,
                                    .n_return = 4,
                                    .length_penalty = 1,
                                    .n_predict = n_predict,
                                    .ignore_end = true};
}

struct watch {
    struct subject *subject;
    uint32_t most_pages, n_steps, stop_after;
    struct smr_device_counters counters;
    uint64_t most_submissions;
};

static bool watch_step(void *user, uint32_t n_generated)
{
    struct watch *watch = user;
    const struct smr_page_pool *pool = &watch->subject->engine->pool;
    struct smr_device_counters now;
    smr_device_get_counters(watch->subject->engine->device, &now);
    assert_int_equal(n_generated, ++watch->n_steps);
    watch->most_pages = smr_max_u32(watch->most_pages, pool->n_pages - pool->n_free);
    if (n_generated > 4) { // programs are made
        struct smr_device_counters expected = watch->counters;
        uint64_t n = now.n_submissions - expected.n_submissions;
        expected.n_submissions = now.n_submissions;
        assert_memory_equal(&now, &expected, sizeof(now));
        if (n > watch->most_submissions)
            watch->most_submissions = n;
    }
    watch->counters = now;
    return n_generated != watch->stop_after;
}

// 130 tokens of prompt are two pages and a bit. Four texts of 20 tokens add four pages.
static void beams_share_pages(void **state)
{
    struct subject s = {0};
    struct watch watch = {.subject = &s};
    struct smr_beam_params params = four_beams(20);
    struct smr_generate_result result;
    int32_t more[125];
    for (int i = 0; i < 125; i++)
        more[i] = i * 7 % 250;
    params.step = watch_step;
    params.user = &watch;
    assert_true(open_small(&s, 256, 4));
    assert_true(smr_session_append(s.session, more, 125));
    struct smr_beams *beams = smr_generate_beams(s.session, &params, &result);
    assert_non_null(beams);
    assert_int_equal(beams->n, 4);
    assert_int_equal(watch.n_steps, 19);
    assert_true(watch.most_pages <= 3 + 4);
    assert_true(watch.most_submissions >= 1 && watch.most_submissions <= 2);
    assert_int_equal(result.n_prompt, 130);
    smr_beams_free(beams);
    close_subject(&s);
}

static void beams_fill_the_context(void **state)
{
    struct subject s = {0};
    struct smr_beam_params params = four_beams(UINT32_MAX);
    struct smr_generate_result result;
    assert_true(open_small(&s, 69, 4));
    struct smr_beams *beams = smr_generate_beams(s.session, &params, &result);
    assert_non_null(beams);
    assert_int_equal(result.stop_reason, SMR_STOP_CONTEXT);
    assert_int_equal(result.n_generated, 64);
    for (size_t i = 0; i < beams->n; i++) {
        assert_int_equal(beams->items[i].n_tokens, 64);
        assert_int_equal(beams->items[i].stop_reason, SMR_STOP_CONTEXT);
        assert_true(i == 0 || beams->items[i].score <= beams->items[i - 1].score);
        assert_int_equal(beams->items[i].text_size, strlen(beams->items[i].text));
    }
    smr_beams_free(beams);
    int32_t rest[64] = {0};
    assert_true(smr_session_append(s.session, rest, 64));
    beams = smr_generate_beams(s.session, &params, &result); // no room at all
    assert_non_null(beams);
    assert_int_equal(beams->n, 0);
    assert_int_equal(result.stop_reason, SMR_STOP_CONTEXT);
    smr_beams_free(beams);
    close_subject(&s);
}

static void a_cancelled_search_has_results(void **state)
{
    struct subject s = {0};
    struct watch watch = {.subject = &s, .stop_after = 3};
    struct smr_beam_params params = four_beams(20);
    struct smr_generate_result result;
    params.step = watch_step;
    params.user = &watch;
    assert_true(open_small(&s, 256, 4));
    struct smr_beams *beams = smr_generate_beams(s.session, &params, &result);
    assert_non_null(beams);
    assert_int_equal(beams->n, 4);
    assert_int_equal(beams->items[0].n_tokens, 3);
    assert_int_equal(result.stop_reason, SMR_STOP_CANCEL);
    smr_beams_free(beams);
    close_subject(&s);
}

static void check_refused(struct subject *s, const struct smr_beam_params *params, const char *word)
{
    struct smr_generate_result result;
    assert_null(smr_generate_beams(s->session, params, &result));
    assert_int_equal(smr_context_status(s->context), SMR_ERROR_USAGE);
    assert_non_null(strstr(smr_context_error(s->context), word));
    smr_context_clear_error(s->context);
}

static void impossible_searches_are_refused(void **state)
{
    struct subject s = {0};
    struct smr_beam_params params = four_beams(4);
    struct smr_generate_result result;
    assert_true(open_small(&s, 256, 4));
    params.n_beams = 5;
    check_refused(&s, &params, "5 beams");
    params.n_beams = 0;
    check_refused(&s, &params, "0 beams");
    params = four_beams(4);
    params.n_return = 5;
    check_refused(&s, &params, "5 texts");
    params = four_beams(4);
    params.n_groups = 3;
    check_refused(&s, &params, "3 groups");
    params.n_groups = 2;
    params.diversity_penalty = -1;
    check_refused(&s, &params, "diversity");
    params = four_beams(4);
    params.length_penalty = NAN;
    check_refused(&s, &params, "length penalty");
    struct smr_generate_params samples = {.n_predict = 3, .sampling = smr_sampling_default()};
    struct smr_generate_result results[5];
    assert_false(smr_generate_samples(s.session, &samples, 5, results));
    assert_non_null(strstr(smr_context_error(s.context), "5 samples"));
    smr_context_clear_error(s.context);
    params = four_beams(4);
    struct smr_beams *beams = smr_generate_beams(s.session, &params, &result); // all is well again
    assert_non_null(beams);
    smr_beams_free(beams);
    close_subject(&s);
}

// A cache with room for fewer pages than the texts come to need.
static void a_small_cache_is_an_error(void **state)
{
    struct subject s = {0};
    struct smr_beam_params params = four_beams(200);
    struct smr_generate_result result;
    params.n_groups = 4;
    params.diversity_penalty = 5;
    assert_true(open_subject(
        &s, "llama-text-bpe.gguf", prompt, SMR_COUNT(prompt),
        &(struct smr_engine_params){.n_context = 256, .n_sequences = 4, .n_cache = 16}));
    assert_true(s.engine->pool.n_pages < 17);
    assert_null(smr_generate_beams(s.session, &params, &result));
    assert_int_equal(smr_context_status(s.context), SMR_ERROR_MEMORY);
    smr_context_clear_error(s.context);
    assert_non_null(smr_session_logits(s.session));
    close_subject(&s);
}

static void every_failed_allocation_is_an_error(void **state)
{
    size_t fail_at = 1;
    for (bool done = false; !done; fail_at++) {
        struct subject s = {.memory = {.fail_at = fail_at}};
        struct smr_beam_params params = four_beams(3);
        struct smr_generate_params samples = {.n_predict = 3, .sampling = smr_sampling_default()};
        struct smr_generate_result results[2];
        struct smr_beams *beams = NULL;
        params.ignore_end = false;
        done = open_small(&s, 256, 4) &&
               (beams = smr_generate_beams(s.session, &params, &results[0])) &&
               smr_generate_samples(s.session, &samples, 2, results);
        if (!done && s.context)
            assert_int_not_equal(smr_context_status(s.context), SMR_OK);
        done = done && s.memory.n_calls < fail_at;
        smr_beams_free(beams);
        close_subject(&s);
    }
    assert_true(fail_at > 80);
}

// ---- samples ------------------------------------------------------------------------------------------------

struct texts {
    char data[8][2048];
    size_t sizes[8];
    uint32_t n_tokens[8], cancel_after;
    struct watch watch;
};

static bool collect(void *user, const struct smr_generated *generated)
{
    struct texts *texts = user;
    uint32_t i = generated->sample;
    assert_true(i < 8 && texts->sizes[i] + generated->text_size < sizeof(texts->data[i]));
    memcpy(texts->data[i] + texts->sizes[i], generated->text, generated->text_size);
    texts->sizes[i] += generated->text_size;
    texts->n_tokens[i] += generated->token >= 0;
    return !texts->cancel_after || texts->n_tokens[i] < texts->cancel_after;
}

static struct smr_generate_params sampled(struct texts *texts)
{
    static const char *const stop[] = {"cat"};
    struct smr_generate_params params = {.n_predict = 40,
                                         .sampling = smr_sampling_default(),
                                         .stop = stop,
                                         .n_stop = 1,
                                         .callback = collect,
                                         .user = texts};
    params.sampling.temperature = 1.5f;
    params.sampling.seed = 11;
    return params;
}

static void a_sample_is_a_run_by_itself(void **state)
{
    static struct texts all, one;
    struct subject s = {0};
    struct smr_generate_params params = sampled(&all);
    struct smr_generate_result results[7], result;
    uint32_t n_stopped = 0;
    memset(&all, 0, sizeof all);
    assert_true(open_small(&s, 128, 7));
    assert_true(smr_generate_samples(s.session, &params, 7, results));
    assert_int_equal(smr_session_length(s.session), SMR_COUNT(prompt));
    assert_int_equal(s.engine->pool.n_pages - s.engine->pool.n_free, 1);
    close_subject(&s);
    params.user = &one;
    for (uint32_t i = 0; i < 7; i++) {
        memset(&one, 0, sizeof one);
        s = (struct subject){0};
        params.sampling.seed = 11 + i;
        assert_true(open_small(&s, 128, 1));
        assert_true(smr_generate(s.session, &params, &result));
        assert_string_equal(one.data[0], all.data[i]);
        assert_int_equal(result.n_generated, results[i].n_generated);
        assert_int_equal(result.stop_reason, results[i].stop_reason);
        assert_int_equal(results[i].n_prompt, SMR_COUNT(prompt));

        n_stopped += result.stop_reason == SMR_STOP_STRING;
        close_subject(&s);
    }
    assert_true(n_stopped > 0 && n_stopped < 7); // rows became empty while others went on
}

static void cancelling_ends_all_samples(void **state)
{
    static struct texts all;
    struct subject s = {0};
    struct smr_generate_params params = sampled(&all);
    struct smr_generate_result results[3];
    memset(&all, 0, sizeof all);
    all.cancel_after = 4;
    params.n_stop = 0;
    params.ignore_end = true;
    assert_true(open_small(&s, 128, 3));
    assert_true(smr_generate_samples(s.session, &params, 3, results));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(results[i].stop_reason, SMR_STOP_CANCEL);
        assert_int_equal(results[i].n_generated, i ? 3 : 4);
    }
    close_subject(&s);
}

static bool usable(const char *name)
{
    smr_context *context = smr_context_create(NULL);
    smr_device *opened = context ? smr_device_open(context, name) : NULL;
    smr_device_close(opened);
    smr_context_destroy(context);
    return opened != NULL;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transformers_finds_the_same),
        cmocka_unit_test(beams_share_pages),
        cmocka_unit_test(a_sample_is_a_run_by_itself),
        cmocka_unit_test(beams_fill_the_context),
        cmocka_unit_test(a_cancelled_search_has_results),
        cmocka_unit_test(impossible_searches_are_refused),
        cmocka_unit_test(a_small_cache_is_an_error),
        cmocka_unit_test(every_failed_allocation_is_an_error),
        cmocka_unit_test(cancelling_ends_all_samples),
    };
    enum { N_ON_DEVICES = 3 }; // what is left needs the reference alone, which compiles nothing
    if (argc > 1)
        device = argv[1];
    if (!usable(device)) {
        printf("1..0 # SKIP no usable device \"%s\"\n", device);
        return 0;
    }
    size_t n = strcmp(device, "reference") ? N_ON_DEVICES : SMR_COUNT(tests);
    return _cmocka_run_group_tests(device, tests, n, NULL, NULL);
}
