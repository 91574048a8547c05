// bench_test.c - the tests: prompts and decoding, timed.
#include "bench.h"

#include <math.h>
#include <stdlib.h>

enum {
    FIRST_TOKENS = 8, // of a text whose first token is timed
    MOST_WARMING = 8, // runs that do not count because something was compiled
};

// ---- tokens -----------------------------------------------------------------------------------

// A text to decode after begins with one token at least; and decoding gives one token, the first,
// before its time counts.
uint32_t bench_n_context(const struct bench *bench)
{
    uint32_t n = FIRST_TOKENS + 2;
    for (size_t i = 0; i < bench->n_tests; i++)
        n = smr_max_u32(n, bench->tests[i].depth + bench->tests[i].n + 2);
    return n;
}

bool bench_make_tokens(struct bench *bench)
{
    const uint32_t n = bench_n_context(bench);
    bench->tokens = malloc(n * sizeof *bench->tokens);
    if (!bench->tokens) {
        complain(bench->tool.command, "out of memory");
        bench->code = EXIT_DEVICE;
        return false;
    }
    uint64_t state = 1;
    for (uint32_t i = 0; i < n; i++) { // Knuth's MMIX
        state = state * 6364136223846793005u + 1442695040888963407u;
        bench->tokens[i] = (int32_t)((state >> 33) % bench->info.n_vocab);
    }
    return true;
}

// ---- running ----------------------------------------------------------------------------------

// Have a text of n tokens, all computed. A model with an encoder has them as its source.
static bool begin(struct bench *bench, uint32_t n)
{
    if (bench->info.n_encoder_layers)
        return smr_session_encode(bench->session, bench->tokens, n ? n : FIRST_TOKENS) &&
               smr_session_compute(bench->session, false, NULL, NULL);
    smr_session_truncate(bench->session, 0);
    return !n || (smr_session_append(bench->session, bench->tokens, n) &&
                  smr_session_compute(bench->session, false, NULL, NULL));
}

// Cut the text to what begin() made of it.
static void cut(struct bench *bench, uint32_t n)
{
    smr_session_truncate(bench->session, bench->info.n_encoder_layers ? 0 : n);
}

// Time a prompt. The tokens before it stay from begin().
static bool run_prompt(struct bench *bench, const struct bench_test *test, double *seconds)
{
    smr_session *session = bench->session;
    const uint64_t start = smr_time_ns();
    if (bench->info.n_encoder_layers) { // a source takes the place of the one before
        if (!begin(bench, test->n))
            return false;
    } else {
        cut(bench, test->depth);
        if (!smr_session_append(session, bench->tokens + test->depth, test->n) ||
            !smr_session_compute(session, false, NULL, NULL))
            return false;
    }
    *seconds = (double)(smr_time_ns() - start) * 1e-9;
    return true;
}

// Always the most likely token, whatever it is. Each by a step of its own: texts of random weights
// repeat themselves, and to guess that would tell nothing about the device.
static struct smr_generate_params greedy(uint32_t n_predict)
{
    return (struct smr_generate_params){
        .n_predict = n_predict,
        .ignore_end = true,
        .sampling = {.top_p = 1, .repeat_penalty = 1},
        .speculation = {.when = SMR_SPECULATE_NEVER},
    };
}

// Time decoding.
static bool run_decode(struct bench *bench, const struct bench_test *test,
                       struct smr_generate_result *result)
{
    const struct smr_generate_params params = greedy(test->n + 1);
    cut(bench, test->depth);
    if (!test->depth && !bench->info.n_encoder_layers &&
        !smr_session_append(bench->session, bench->tokens, 1))
        return false;
    return smr_generate(bench->session, &params, result);
}

static bool run_once(struct bench *bench, struct bench_test *test, double *seconds)
{
    struct smr_generate_result result;
    struct smr_device_counters before, after;
    const uint64_t cpu = smr_thread_time_ns();
    smr_device_get_counters(bench->engine->device, &before);
    if (!test->decode) {
        if (!run_prompt(bench, test, seconds))
            return false;
        smr_device_get_counters(bench->engine->device, &after);
        test->cpu_us = (double)(smr_thread_time_ns() - cpu) * 1e-3 / test->n;
        test->n_submissions = (double)(after.n_submissions - before.n_submissions) / test->n;
        return true;
    }
    if (!run_decode(bench, test, &result))
        return false;
    *seconds = (double)result.decode_ns * 1e-9;
    test->cpu_us = (double)result.cpu_ns * 1e-3 / test->n;
    test->n_submissions = (double)result.n_submissions / test->n;
    test->on_device = result.n_device > 0;
    return true;
}

// Run once more where a kernel was compiled on the way: steps of a prompt change their size as their
// time becomes known, and programs are made as texts grow.
static bool run_compiled(struct bench *bench, struct bench_test *test, double *seconds)
{
    struct smr_engine_times before, after;
    int n_more = MOST_WARMING;
    do {
        smr_engine_times(bench->engine, &before);
        if (!run_once(bench, test, seconds))
            return false;
        smr_engine_times(bench->engine, &after);
    } while (after.compile_ns != before.compile_ns && n_more-- > 0);
    return true;
}

static void add_up(struct bench_test *test)
{
    double sum = 0, squares = 0;
    for (uint32_t i = 0; i < test->n_samples; i++)
        sum += test->samples[i];
    test->mean = sum / test->n_samples;
    for (uint32_t i = 0; i < test->n_samples; i++)
        squares += (test->samples[i] - test->mean) * (test->samples[i] - test->mean);
    test->deviation = test->n_samples > 1 ? sqrt(squares / (test->n_samples - 1)) : 0;
}

// The step that the test ended with, for the first test of its kind. Of an encoder's model that is the
// decoder's either way.
static bool profile(struct bench *bench, const struct bench_test *test)
{
    const bool prompt = !test->decode;
    struct bench_table *table = prompt ? &bench->prompt : &bench->decode;
    if (bench->settings->no_kernels || bench->settings->output == BENCH_CSV || table->step ||
        (prompt && bench->info.n_encoder_layers))
        return true;
    return bench_profile(bench, table, prompt ? "prompt step" : "decode step");
}

static bool run_test(struct bench *bench, struct bench_test *test)
{
    const uint32_t n_runs = (uint32_t)bench->settings->repetitions;
    double seconds = 0, cpu_us = 0;
    test->samples = calloc(n_runs, sizeof *test->samples);
    if (!test->samples) {
        complain(bench->tool.command, "out of memory");
        bench->code = EXIT_DEVICE;
        return false;
    }
    bench_progress(bench, "%s, warming up", test->name);
    if (!begin(bench, test->depth) || !run_once(bench, test, &seconds))
        return bench_fail(bench);
    for (uint32_t i = 0; i < n_runs; i++) {
        bench_progress(bench, "%s, %u of %u", test->name, i + 1, n_runs);
        if (!run_compiled(bench, test, &seconds))
            return bench_fail(bench);
        test->samples[test->n_samples++] = test->n / seconds;
        cpu_us += test->cpu_us;
    }
    test->cpu_us = cpu_us / n_runs;
    add_up(test);
    return profile(bench, test);
}

bool bench_run_tests(struct bench *bench)
{
    for (size_t i = 0; i < bench->n_tests; i++)
        if (!run_test(bench, &bench->tests[i]))
            return false;
    return true;
}

bool bench_first_token(struct bench *bench)
{
    struct smr_generate_result result;
    const struct smr_generate_params params = greedy(1);
    smr_session *session = bench->session;
    const bool done = bench->info.n_encoder_layers
                          ? smr_session_encode(session, bench->tokens, FIRST_TOKENS)
                          : smr_session_append(session, bench->tokens, FIRST_TOKENS);
    return (done && smr_generate(session, &params, &result)) || bench_fail(bench);
}
