// test_golden.c - the whole engine against Hugging Face transformers, on tiny random models.
//
//     test_golden [--device ID] [--kernels tuned|f32|plain] [--only NAME]... [--as gpu]
//
// Without --device, on every usable device. With --as the engine plans as for a GPU, and only the
// checks run in which that makes a difference. The expectations are golden/*.expect. Measured errors go
// to stderr, TAP to stdout.
//
// Kernels that compute in f32 throughout (f32, plain) must come within a limit of every logit. Those of
// "tuned" may round activations to 16 or 8 bits, which hits logits at random: then the squared error of
// all of them is limited, and the divergence of the probabilities. Those of a GPU round nearly all
// activations, and models of random weights make more of that than real ones (real_models.py).
#include "samara.h"

#include "as_gpu.h"
#include "golden/expect.h"

// cmocka.h wants these four before it
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Where kernels are compiled, for seconds, one of so many models has an engine for each cache type and
// each size of chunks. Plain C runs them with all.
enum { OWN_EVERY = 4 };

enum { MAX_EXPECTATIONS = 64, MAX_DEVICES = 16, MAX_ONLY = 16 };

struct options {
    const char *device, *only[MAX_ONLY]; // only: parts of names of expectations
    size_t n_only;
    enum smr_kernels kernels;
    bool as_gpu;
};

// What checks in a row of one model have in common. Kernels take longer to compile than to run.
struct opened {
    const struct expectation *expect;
    smr_model *model;
    smr_engine *engine; // with the usual parameters; NULL: not needed yet
};

// A check of one model on one device.
struct subject {
    const struct expectation *expect;
    char device[32];
    enum smr_kernels kernels;
    bool as_gpu;
    smr_context *context;
    smr_model *model;
    struct smr_model_info info;
    struct opened *opened;
    smr_engine *engine; // of the check that runs: the opened one, or its own
    smr_session *session;
};

static void log_line(void *user, enum smr_log_level level, const char *text)
{
    fprintf(stderr, "# log: %s\n", text);
}

#define require(subject, condition)                                                                \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail_msg("%s: %s", #condition, smr_context_error((subject)->context));                 \
    } while (0)

// ---- one check at a time ----------------------------------------------------------------------

// An encoder-decoder model's text begins with its source.
static void encode(struct subject *s)
{
    const struct expectation *e = s->expect;
    if (e->n_source)
        require(s, smr_session_encode(s->session, e->source, e->n_source));
}

static void start(struct subject *s, enum smr_type cache_type, uint32_t n_batch)
{
    struct smr_engine_params params = {
        .device = s->device,
        .kernels = s->kernels,
        .tuning = s->as_gpu ? SMR_TUNE_NEVER : SMR_TUNE_FIRST, // the defaults of a GPU
        .cache_type = cache_type,
        .cache_type_set = true,
        .n_batch = n_batch,
        .n_context = s->expect->n_context,
    };
    const bool usual = cache_type == SMR_F32 && !n_batch;
    s->engine = usual ? s->opened->engine : NULL;
    if (!s->engine) {
        s->engine = smr_engine_create(s->model, &params);
        require(s, s->engine);
        if (s->as_gpu)
            plan_as_gpu(s->engine);
        if (usual)
            s->opened->engine = s->engine;
    }
    s->session = smr_session_create(s->engine);
    require(s, s->session);
    encode(s);
}

static void append(struct subject *s, const int32_t *tokens, size_t n_tokens)
{
    require(s, smr_session_append(s->session, tokens, n_tokens));
}

static const float *logits(struct subject *s)
{
    const float *values = smr_session_logits(s->session);
    require(s, values);
    return values;
}

// Of logits that narrow kernels may have had a part in: sum of squared errors over squares, divergence
// in nats.
#define NARROW_ERROR      1e-3
#define NARROW_DIVERGENCE 1e-3
#define GPU_ERROR         4e-3
#define GPU_DIVERGENCE    1e-2
#define GPU_GAP           0.4f

struct difference {
    float largest; // relative_error()
    double squared, divergence;
    bool allowed; // with kernels in f32 `largest` is at most the limit
};

static struct difference difference(const struct subject *s, const float *actual,
                                    const float *expected, float limit)
{
    const size_t n = s->expect->n_vocab;
    struct difference d = {.largest = relative_error(actual, expected, n),
                           .squared = squared_error(actual, expected, n),
                           .divergence = divergence(actual, expected, n)};

    d.allowed = d.largest <= limit;
    const double error = s->as_gpu ? GPU_ERROR : NARROW_ERROR;
    const double away = s->as_gpu ? GPU_DIVERGENCE : NARROW_DIVERGENCE;
    if (s->kernels == SMR_KERNELS_TUNED && !d.allowed) // limit: of a cache that rounds as well
        d.allowed = d.squared <= error + (double)limit * limit &&
                    d.divergence <= away + (double)limit * limit;
    return d;
}

static void check(const struct subject *s, const char *what, const float *actual,
                  const float *expected, float limit)
{
    struct difference d = difference(s, actual, expected, limit);

    if (!d.allowed)
        fail_msg("%s on %s, %s: relative error %g, allowed %g; squared %g, divergence %g",
                 s->expect->name, s->device, what, (double)d.largest, (double)limit, d.squared,
                 d.divergence);
}

static void compare(struct subject *s, const char *what, const float *expected, float limit)
{
    const float *actual = logits(s);
    struct difference d = difference(s, actual, expected, limit);

    fprintf(stderr, "# %-18s %-10s %-24s relative error %.2e, squared %.2e, divergence %.2e\n",
            s->expect->name, s->device, what, (double)d.largest, d.squared, d.divergence);
    check(s, what, actual, expected, limit);
}

// Whether a token of the reference was so close to another that either may be chosen.
static bool close_call(const struct subject *s, size_t step)
{
    const float narrow = s->as_gpu ? GPU_GAP : NARROW_GAP;
    return s->expect->gap[step] <= (s->kernels == SMR_KERNELS_TUNED ? narrow : EXPECT_GAP);
}

// The prompt in one go.
static void test_prefill(void **state)
{
    struct subject *s = *state;

    start(s, SMR_F32, 0);
    append(s, s->expect->prompt, s->expect->n_prompt);
    assert_int_equal(smr_session_length(s->session),
                     s->expect->n_prompt + (s->expect->n_source > 0));
    compare(s, "prefill", s->expect->logits, 1e-4f);
    compare(s, "asked again", s->expect->logits, 1e-4f);
}

static void test_f16_cache(void **state)
{
    struct subject *s = *state;

    start(s, SMR_F16, 0);
    append(s, s->expect->prompt, s->expect->n_prompt);
    compare(s, "prefill, f16 cache", s->expect->logits, 3e-3f);
}

// Blocks of 32 values; other head sizes have to be refused with a reason.
static void test_q8_0_cache(void **state)
{
    struct subject *s = *state;
    struct smr_engine_params params = {
        .device = s->device,
        .kernels = s->kernels,
        .cache_type = SMR_Q8_0,
        .cache_type_set = true,
    };

    if (s->info.head_dim % 32 == 0) {
        start(s, SMR_Q8_0, 0);
        append(s, s->expect->prompt, s->expect->n_prompt);
        compare(s, "prefill, q8_0 cache", s->expect->logits, 5e-2f);
        return;
    }
    s->engine = smr_engine_create(s->model, &params);
    assert_null(s->engine);
    assert_string_not_equal(smr_context_error(s->context), "");
}

// The prompt in chunks: by the engine, and by the caller asking in between.
static void chunked(struct subject *s, uint32_t n_batch)
{
    char what[64];

    start(s, SMR_F32, n_batch);
    append(s, s->expect->prompt, s->expect->n_prompt);
    snprintf(what, sizeof what, "prefill in chunks of %u", n_batch);
    compare(s, what, s->expect->logits, 1e-4f);
}

static void test_chunks_of_7(void **state)
{
    chunked(*state, 7);
}

static void test_chunks_of_16(void **state)
{
    chunked(*state, 16);
}

static void test_uneven_appends(void **state)
{
    struct subject *s = *state;
    const struct expectation *e = s->expect;
    size_t length = 0;

    start(s, SMR_F32, 0);
    for (size_t step = 1; length < e->n_prompt; step++) {
        size_t n = step * 2 - 1 < e->n_prompt - length ? step * 2 - 1 : e->n_prompt - length;
        append(s, e->prompt + length, n);
        length += n;
        const float *values = logits(s);
        if (e->positions)
            check(s, "uneven appends", values, e->positions[length - 1], 1e-4f);
    }
    compare(s, "uneven appends", e->logits, 1e-4f);
}

// The prompt token by token, so by the programs that decode.
static void test_one_by_one(void **state)
{
    struct subject *s = *state;
    const struct expectation *e = s->expect;
    float worst = 0;

    start(s, SMR_F32, 0);
    for (size_t i = 0; i < e->n_prompt; i++) {
        append(s, &e->prompt[i], 1);
        const float *values = logits(s);
        if (!e->positions)
            continue;
        float error = relative_error(values, e->positions[i], e->n_vocab);
        worst = error > worst ? error : worst;
        check(s, "one of many", values, e->positions[i], 1e-4f);
    }
    compare(s, "one by one", e->logits, 1e-4f);
    if (e->positions)
        fprintf(stderr, "#   worst of %zu positions: %.2e\n", e->n_prompt, (double)worst);
}

// Each step is fed the reference's token, so that one close call does not spoil what follows.
static void test_greedy_steps(void **state)
{
    struct subject *s = *state;
    const struct expectation *e = s->expect;

    start(s, SMR_F32, 0);
    append(s, e->prompt, e->n_prompt);
    for (size_t i = 0; i < e->n_greedy; i++) {
        size_t best = largest(logits(s), e->n_vocab);
        if (!close_call(s, i) && best != (size_t)e->greedy[i])
            fail_msg("%s on %s, step %zu: token %zu, not %d (gap %.3f)", e->name, s->device, i,
                     best, e->greedy[i], (double)e->gap[i]);
        append(s, &e->greedy[i], 1);
        if (e->decoded && i + 1 == e->n_decoded)
            compare(s, "decoded", e->decoded, 1e-4f);
    }
}

struct collected {
    int32_t tokens[256];
    float logprobs[256];
    size_t n;
};

static bool collect(void *user, const struct smr_generated *generated)
{
    struct collected *collected = user;

    if (generated->token >= 0 && collected->n < 256) {
        collected->logprobs[collected->n] = generated->logprob;
        collected->tokens[collected->n++] = generated->token;
    }
    return true;
}

// Free running, up to the first close call.
static void test_generate(void **state)
{
    struct subject *s = *state;
    const struct expectation *e = s->expect;
    struct collected collected = {.n = 0};
    struct smr_generate_result result = {0};
    struct smr_generate_params params = {
        .n_predict = (uint32_t)e->n_greedy,
        .sampling = smr_sampling_default(),
        .ignore_end = true,
        .n_logprobs = 2,
        .callback = collect,
        .user = &collected,
    };

    params.sampling.temperature = 0;
    start(s, SMR_F16, 0);
    append(s, e->prompt, e->n_prompt);
    require(s, smr_generate(s->session, &params, &result));
    assert_int_equal(result.stop_reason, SMR_STOP_LENGTH);
    assert_int_equal(result.n_generated, e->n_greedy);
    assert_int_equal(collected.n, e->n_greedy);
    assert_int_equal(smr_session_length(s->session), (e->n_source > 0) + e->n_prompt + e->n_greedy);
    for (size_t i = 0; i < e->n_greedy && !close_call(s, i); i++)
        if (collected.tokens[i] != e->greedy[i])
            fail_msg("%s on %s, step %zu: token %d, not %d (gap %.3f)", e->name, s->device, i,
                     collected.tokens[i], e->greedy[i], (double)e->gap[i]);
    for (size_t i = 0; i < e->n_greedy; i++)
        assert_true(collected.logprobs[i] <= 1e-6f && collected.logprobs[i] > -20.0f);
}

// Two sessions of one engine, taking turns, do not disturb each other's cache.
static void test_two_sessions(void **state)
{
    struct subject *s = *state;
    const struct expectation *e = s->expect;
    size_t half = e->n_prompt / 2;

    start(s, SMR_F32, 0);
    smr_session *first = s->session;
    smr_session *other = smr_session_create(s->engine);
    require(s, other);
    append(s, e->prompt, half);
    logits(s);
    s->session = other;
    size_t rest = e->n_source - e->n_source / 2;
    if (e->n_source)
        require(s, smr_session_encode(other, e->source + e->n_source / 2, rest < 40 ? rest : 40));
    // Less than a page, so that the pool lasts, and in the middle of the first one's pages.
    for (size_t i = 0; i < 40 && i < e->n_prompt; i++)
        append(s, &e->prompt[e->n_prompt - 1 - i], 1);
    logits(s);
    s->session = first;
    append(s, e->prompt + half, e->n_prompt - half);
    smr_session_destroy(other);
    compare(s, "beside another session", e->logits, 1e-4f);
}

static void test_text(void **state)
{
    struct subject *s = *state;
    const struct expectation *e = s->expect;
    int32_t *tokens = NULL;
    size_t n_tokens = 0;

    require(s, smr_tokenize(s->model, e->text, strlen(e->text), 0, &tokens, &n_tokens));
    bool same = n_tokens == e->n_prompt;
    for (size_t i = 0; same && i < n_tokens; i++)
        same = tokens[i] == e->prompt[i];
    smr_tokens_free(s->model, tokens);
    assert_true(same);
}

// ---- running all of them ----------------------------------------------------------------------

static void close_opened(struct opened *opened)
{
    smr_engine_destroy(opened->engine);
    smr_model_close(opened->model);
    *opened = (struct opened){0};
}

static int open_model(void **state)
{
    struct subject *s = *state;

    smr_context_clear_error(s->context);
    if (s->opened->expect != s->expect) {
        close_opened(s->opened);
        s->opened->model = smr_model_open(s->context, s->expect->model);
        s->opened->expect = s->opened->model ? s->expect : NULL;
    }
    s->model = s->opened->model;
    if (!s->model) {
        print_error("%s: %s\n", s->expect->model, smr_context_error(s->context));
        return -1;
    }
    smr_model_info(s->model, &s->info);
    return s->info.n_vocab == s->expect->n_vocab ? 0 : -1;
}

static int end_check(void **state)
{
    struct subject *s = *state;

    smr_session_destroy(s->session);
    if (s->engine != s->opened->engine)
        smr_engine_destroy(s->engine);
    s->session = NULL;
    s->engine = NULL;
    return 0;
}

static const struct {
    const char *name;
    CMUnitTestFunction run;
    bool folders; // whether folders need it too, which differ from files only in being loaded
    bool gpu;     // whether steps of other numbers of rows are in it than in others
    bool own;     // whether it has an engine of its own, and so kernels that are compiled for it
} checks[] = {
    {"text", test_text, true, false, false},
    {"prefill", test_prefill, true, false, false},
    {"f16 cache", test_f16_cache, false, false, true},
    {"q8_0 cache", test_q8_0_cache, false, false, true},
    {"chunks of 7", test_chunks_of_7, false, true, true},
    {"chunks of 16", test_chunks_of_16, false, false, true},
    {"uneven appends", test_uneven_appends, false, false, false},
    {"one by one", test_one_by_one, false, false, false},
    {"greedy steps", test_greedy_steps, true, true, false},
    {"generate", test_generate, false, true, false},
    {"two sessions", test_two_sessions, false, false, false},
};
enum { N_CHECKS = sizeof checks / sizeof checks[0] };

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct expectation *)a)->name, ((const struct expectation *)b)->name);
}

static bool chosen(const struct options *options, const char *name)
{
    for (size_t i = 0; i < options->n_only; i++)
        if (strstr(name, options->only[i]))
            return true;
    return options->n_only == 0;
}

static size_t read_expectations(struct expectation *expects, const struct options *options)
{
    const char *root = getenv("SMR_TEST_DIR");
    char folder[1024], path[2048];
    size_t n = 0;

    snprintf(folder, sizeof folder, "%s/golden", root ? root : "tests");
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir)) && n < MAX_EXPECTATIONS;) {
        const char *dot = strrchr(entry->d_name, '.');
        if (!dot || strcmp(dot, ".expect") != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (!expectation_read(&expects[n], path) || !expects[n].logits) {
            expectation_finish(&expects[n]);
            fprintf(stderr, "%s: not usable\n", path);
            exit(1);
        }
        if (!chosen(options, expects[n].name))
            expectation_finish(&expects[n]);
        else
            n++;
    }
    if (dir)
        closedir(dir);
    qsort(expects, n, sizeof *expects, by_name);
    return n;
}

static int run_device(smr_context *context, const struct options *options, const char *device,
                      const struct expectation *expects, size_t n_expects)
{
    static struct subject subjects[MAX_EXPECTATIONS * N_CHECKS];
    static struct CMUnitTest tests[MAX_EXPECTATIONS * N_CHECKS];
    static char names[MAX_EXPECTATIONS * N_CHECKS][256];
    struct opened opened = {0};
    const bool compiles = strcmp(device, "reference") != 0;
    size_t n = 0;

    for (size_t i = 0; i < n_expects; i++) {
        for (size_t k = 0; k < N_CHECKS; k++) {
            bool is_file = strstr(expects[i].model, ".gguf");
            if ((checks[k].run == test_text && !expects[i].text) ||
                !(is_file || checks[k].folders) || (options->as_gpu && !checks[k].gpu) ||
                (checks[k].own && compiles && !options->n_only && i % OWN_EVERY))
                continue;
            subjects[n] = (struct subject){.expect = &expects[i],
                                           .kernels = options->kernels,
                                           .as_gpu = options->as_gpu,
                                           .context = context,
                                           .opened = &opened};
            snprintf(subjects[n].device, sizeof subjects[n].device, "%.31s", device);
            snprintf(names[n], sizeof names[n], "%.31s, %.120s, %.60s", device, expects[i].name,
                     checks[k].name);
            tests[n].name = names[n];
            tests[n].test_func = checks[k].run;
            tests[n].setup_func = open_model;
            tests[n].teardown_func = end_check;
            tests[n].initial_state = &subjects[n];
            n++;
        }
    }
    int failed = _cmocka_run_group_tests(device, tests, n, NULL, NULL);
    close_opened(&opened);
    return failed;
}

static bool parse(struct options *options, int argc, char **argv)
{
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc)
            return false;
        if (!strcmp(argv[i], "--device"))
            options->device = argv[i + 1];
        else if (!strcmp(argv[i], "--only") && options->n_only < MAX_ONLY)
            options->only[options->n_only++] = argv[i + 1];
        else if (!strcmp(argv[i], "--as")) {
            options->as_gpu = !strcmp(argv[i + 1], "gpu");
            if (!options->as_gpu)
                return false;
        } else if (strcmp(argv[i], "--kernels") || !kernels_parse(argv[i + 1], &options->kernels))
            return false;
    }
    return true;
}

// Which devices --device asks for: by id, or by the name of the backend.
static bool wanted(const struct smr_device_info *info, const char *device)
{
    static const char *const backends[] = {"vulkan", "opencl", "reference"};

    return info->usable &&
           (!device || !strcmp(info->id, device) || !strcmp(backends[info->backend], device));
}

int main(int argc, char **argv)
{
    static struct expectation expects[MAX_EXPECTATIONS];
    struct smr_device_info infos[MAX_DEVICES];
    struct options options = {0};
    int failed = 0, n_run = 0;

    if (!parse(&options, argc, argv)) {
        fprintf(stderr,
                "usage: test_golden [--device ID] [--kernels tuned|f32|plain] [--only NAME]...\n"
                "  [--as gpu]\n");
        return 2;
    }
    size_t n_expects = read_expectations(expects, &options);
    smr_context *context = smr_context_create(&(struct smr_context_params){
        .log = log_line, .log_level = SMR_LOG_WARNING, .cache_dir = getenv("SMR_TEST_CACHE")});
    if (!context || !n_expects) {
        fprintf(stderr, "no expectations found: set SMR_TEST_DIR to the tests folder\n");
        return 1;
    }
    size_t n_devices = smr_devices(context, infos, MAX_DEVICES, NULL);
    for (size_t i = 0; i < n_devices && i < MAX_DEVICES; i++) {
        if (!wanted(&infos[i], options.device))
            continue;
        fprintf(stderr, "# %s: %s, %s\n", infos[i].id, infos[i].name, infos[i].driver);
        failed += run_device(context, &options, infos[i].id, expects, n_expects);
        n_run++;
        if (options.device)
            break; // one TAP document per run
    }
    if (!n_run)
        printf("1..0 # SKIP no usable device \"%s\"\n", options.device ? options.device : "");
    smr_context_destroy(context);
    for (size_t i = 0; i < n_expects; i++)
        expectation_finish(&expects[i]);
    return failed != 0;
}
