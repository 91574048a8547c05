// test_engine.c - what an engine promises beside its numbers (those are test_golden.c's): a steady
// decode step, clean failure when memory runs out, limits, stopping, repeatability.
//
//     test_engine [DEVICE]     the reference device when none is named
#include "device/device_impl.h"
#include "generate/generate.h"
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *device = "reference";

static const char *model_path(void)
{
    static char path[512];
    snprintf(path, sizeof(path), "%s/golden/llama-text-bpe.gguf", getenv("SMR_TEST_DIR"));
    return path;
}

// A model on a device with one session that holds a short prompt.
struct subject {
    struct test_memory memory;
    smr_context *context;
    smr_model *model;
    smr_engine *engine;
    smr_session *session;
};

static bool open_subject(struct subject *s, const struct smr_engine_params *params)
{
    static const int32_t prompt[] = {1, 2, 3, 4, 5};
    struct smr_engine_params copy = params ? *params : (struct smr_engine_params){0};
    copy.device = device;
    return (s->context = test_context(&s->memory, NULL)) &&
           (s->model = smr_model_open(s->context, model_path())) &&
           (s->engine = smr_engine_create(s->model, &copy)) &&
           (s->session = smr_session_create(s->engine)) &&
           smr_session_append(s->session, prompt, SMR_COUNT(prompt));
}

static void close_subject(struct subject *s)
{
    smr_session_destroy(s->session);
    smr_engine_destroy(s->engine);
    smr_model_close(s->model);
    smr_context_destroy(s->context);
    assert_int_equal(s->memory.n_live, 0);
}

static struct smr_generate_params greedy(uint32_t n_predict)
{
    return (struct smr_generate_params){
        .n_predict = n_predict,
        .ignore_end = true,
        .sampling = {.repeat_penalty = 1, .top_p = 1, .repeat_last_n = 64}};
}

// ---- several rows ---------------------------------------------------------------------------------------

// Steps of a few rows are planned otherwise on a GPU than on a processor: by matvec, with neighbours
// fused. What comes out is the same.
static void several_rows(void **state)
{
    (void)state;
    static float expected[1024];
    for (int gpu = 0; gpu < 2; gpu++) {
        struct subject s = {0};
        assert_true(open_subject(&s, NULL));
        if (gpu)
            s.engine->device->limits.cpu = false;
        const float *logits = smr_session_logits(s.session);
        assert_non_null(logits);
        assert_true(s.model->hparams.n_vocab <= SMR_COUNT(expected));
        for (uint32_t i = 0; i < s.model->hparams.n_vocab; i++)
            if (gpu)
                assert_float_equal(logits[i], expected[i], 1e-4);
            else
                expected[i] = logits[i];
        close_subject(&s);
    }
}

// ---- the decode step ----------------------------------------------------------------------------------

struct watch {
    struct subject *subject;
    uint32_t n_tokens;
    size_t n_calls; // of the allocator, at the last token
    struct smr_device_counters counters;
    uint32_t n_checked;
};

static bool watch_step(void *user, const struct smr_generated *generated)
{
    struct watch *watch = user;
    struct smr_device_counters now;
    smr_device_get_counters(watch->subject->engine->device, &now);
    size_t n_calls = watch->subject->memory.n_calls;
    if (watch->n_tokens++ > 4 && generated->token >= 0) { // programs are made, buffers have grown
        struct smr_device_counters expected = watch->counters;
        expected.n_submissions++;
        assert_memory_equal(&now, &expected, sizeof(now));
        assert_int_equal(n_calls, watch->n_calls);
        watch->n_checked++;
    }
    watch->counters = now;
    watch->n_calls = n_calls;
    return true;
}

static void decode_steps_only_submit(void **state)
{
    struct subject s = {0};
    struct watch watch = {.subject = &s};
    struct smr_generate_params params = greedy(40);
    struct smr_generate_result result;
    params.speculation.when = SMR_SPECULATE_NEVER; // test_speculate.c tells of steps with it
    params.callback = watch_step;
    params.user = &watch;
    assert_true(open_subject(&s, NULL));
    assert_true(smr_generate(s.session, &params, &result));
    assert_int_equal(result.n_generated, 40);
    assert_int_equal(result.n_submissions, 39);
    assert_int_equal(watch.n_checked, 35);
    // The same with logits read back, where the sampler works on them.
    watch = (struct watch){.subject = &s};
    params.sampling = smr_sampling_default();
    params.n_logprobs = 5;
    assert_true(smr_generate(s.session, &params, &result));
    assert_int_equal(watch.n_checked, 35);
    close_subject(&s);
}

// ---- failure ------------------------------------------------------------------------------------------

static void every_failed_allocation_is_an_error(void **state)
{
    size_t fail_at = 1;
    for (bool done = false; !done; fail_at++) {
        struct subject s = {.memory = {.fail_at = fail_at}};
        struct smr_generate_params params = greedy(3);
        struct smr_generate_result result;
        const char *stop[] = {"never in the text"};
        params.stop = stop;
        params.n_stop = 1;
        params.sampling.presence_penalty = 0.5f;
        done = open_subject(&s, NULL) && smr_generate(s.session, &params, &result);
        if (!done && s.context)
            assert_int_not_equal(smr_context_status(s.context), SMR_OK);
        done = done && s.memory.n_calls < fail_at;
        close_subject(&s);
    }
    print_message("# %zu allocations\n", fail_at);
    assert_true(fail_at > 50);
}

// A folder, whose weights become others while they are loaded.
static void every_failed_allocation_of_a_folder_is_an_error(void **state)
{
    char path[512];
    size_t fail_at = 1;
    snprintf(path, sizeof(path), "%s/golden/folders/llama", getenv("SMR_TEST_DIR"));
    for (bool done = false; !done; fail_at++) {
        struct subject s = {.memory = {.fail_at = fail_at}};
        done = (s.context = test_context(&s.memory, NULL)) &&
               (s.model = smr_model_open(s.context, path)) && smr_model_set_type(s.model, "q4_0") &&
               (s.engine = smr_engine_create(
                    s.model, &(struct smr_engine_params){.device = device, .n_context = 64}));
        if (!done && s.context)
            assert_int_equal(smr_context_status(s.context), SMR_ERROR_MEMORY);
        done = done && s.memory.n_calls < fail_at;
        close_subject(&s);
    }
    print_message("# %zu allocations\n", fail_at);
}

static void the_context_has_a_limit(void **state)
{
    struct subject s = {0};
    struct smr_generate_params params = greedy(UINT32_MAX);
    struct smr_generate_result result;
    int32_t tokens[64] = {0};
    assert_true(open_subject(&s, &(struct smr_engine_params){.n_context = 67}));
    assert_int_equal(smr_engine_context_size(s.engine), 67);
    assert_false(smr_session_append(s.session, tokens, 63));
    assert_non_null(strstr(smr_context_error(s.context), "68 tokens"));
    smr_context_clear_error(s.context);
    assert_true(smr_generate(s.session, &params, &result));
    assert_int_equal(result.stop_reason, SMR_STOP_CONTEXT);
    assert_int_equal(smr_session_length(s.session), 67);
    assert_int_equal(result.n_generated, 62);
    close_subject(&s);
}

// Where positions were learned there are no more of them: a longer context is no matter of taste.
static void learned_positions_limit_the_context(void **state)
{
    static const uint32_t n_positions = 96;
    struct test_memory memory = {0};
    char path[512];
    snprintf(path, sizeof(path), "%s/golden/gpt2-d12.gguf", getenv("SMR_TEST_DIR"));
    smr_context *context = test_context(&memory, NULL);
    smr_model *model = smr_model_open(context, path);
    assert_non_null(model);
    assert_null(smr_engine_create(
        model, &(struct smr_engine_params){.device = device, .n_context = n_positions + 1}));
    assert_int_equal(smr_context_status(context), SMR_ERROR_USAGE);
    assert_non_null(strstr(smr_context_error(context), "has positions for 96"));
    smr_engine *engine = smr_engine_create(model, &(struct smr_engine_params){.device = device});
    assert_non_null(engine);
    assert_int_equal(smr_engine_context_size(engine), n_positions);
    smr_engine_destroy(engine);
    smr_model_close(model);
    smr_context_destroy(context);
    assert_int_equal(memory.n_live, 0);
}

static void a_prompt_may_fill_the_context(void **state)
{
    struct subject s = {0};
    struct smr_generate_params params = greedy(10);
    struct smr_generate_result result;
    assert_true(open_subject(&s, &(struct smr_engine_params){.n_context = 5}));
    assert_true(smr_generate(s.session, &params, &result));
    assert_int_equal(result.stop_reason, SMR_STOP_CONTEXT);
    assert_int_equal(result.n_generated, 0);
    assert_non_null(smr_session_logits(s.session)); // what comes next can still be asked
    close_subject(&s);
}

static void tokens_are_checked(void **state)
{
    struct subject s = {0};
    struct smr_model_info info;
    assert_true(open_subject(&s, NULL));
    smr_model_info(s.model, &info);
    assert_false(smr_session_append(s.session, (int32_t[]){-1}, 1));
    smr_context_clear_error(s.context);
    assert_false(smr_session_append(s.session, (int32_t[]){(int32_t)info.n_vocab}, 1));
    assert_int_equal(smr_context_status(s.context), SMR_ERROR_USAGE);
    assert_int_equal(smr_session_length(s.session), 5);
    close_subject(&s);
}

static void an_empty_session_is_an_error(void **state)
{
    struct subject s = {0};
    assert_true(open_subject(&s, NULL));
    smr_session *empty = smr_session_create(s.engine);
    assert_null(smr_session_logits(empty));
    assert_int_equal(smr_context_status(s.context), SMR_ERROR_USAGE);
    smr_session_destroy(empty);
    close_subject(&s);
}

// ---- stopping and repeating -----------------------------------------------------------------------------

struct text {
    char data[4096];
    size_t size;
    uint32_t n_tokens, cancel_after;
};

static bool collect(void *user, const struct smr_generated *generated)
{
    struct text *text = user;
    assert_true(text->size + generated->text_size < sizeof(text->data));
    memcpy(text->data + text->size, generated->text, generated->text_size);
    text->size += generated->text_size;
    text->data[text->size] = 0;
    text->n_tokens += generated->token >= 0;
    return !text->cancel_after || text->n_tokens < text->cancel_after;
}

static void generate_text(const struct smr_generate_params *params, struct text *text,
                          struct smr_generate_result *result)
{
    struct subject s = {0};
    struct smr_generate_params copy = *params;
    copy.callback = collect;
    copy.user = text;
    assert_true(open_subject(&s, NULL));
    assert_true(smr_generate(s.session, &copy, result));
    close_subject(&s);
}

static void a_seed_repeats_a_text(void **state)
{
    struct smr_generate_params params = greedy(30);
    struct smr_generate_result result;
    struct text texts[3] = {{.size = 0}};
    params.sampling = smr_sampling_default();
    params.sampling.temperature = 2;
    for (uint64_t i = 0; i < 3; i++) {
        params.sampling.seed = 7 + i / 2;
        generate_text(&params, &texts[i], &result);
        assert_int_equal(result.stop_reason, SMR_STOP_LENGTH);
    }
    assert_string_equal(texts[0].data, texts[1].data);
    assert_string_not_equal(texts[0].data, texts[2].data);
}

static void a_stop_string_ends_the_text(void **state)
{
    struct smr_generate_params params = greedy(40);
    struct smr_generate_result result;
    struct text whole = {.size = 0}, cut = {.size = 0};
    generate_text(&params, &whole, &result);
    assert_true(whole.size > 8);
    char stop[4] = {0}; // three bytes of what comes anyway, not inside a character
    size_t at = whole.size / 2;
    while (at &&
           ((unsigned char)whole.data[at] >= 0x80 || (unsigned char)whole.data[at + 1] >= 0x80 ||
            (unsigned char)whole.data[at + 2] >= 0x80))
        at--;
    memcpy(stop, whole.data + at, 3);
    params.stop = (const char *[]){stop};
    params.n_stop = 1;
    generate_text(&params, &cut, &result);
    assert_int_equal(result.stop_reason, SMR_STOP_STRING);
    assert_null(strstr(cut.data, stop));
    assert_memory_equal(cut.data, whole.data, cut.size);
    assert_int_equal(cut.size, strstr(whole.data, stop) - whole.data);
}

static void a_callback_can_cancel(void **state)
{
    struct smr_generate_params params = greedy(30);
    struct smr_generate_result result;
    struct text text = {.cancel_after = 4};
    generate_text(&params, &text, &result);
    assert_int_equal(result.stop_reason, SMR_STOP_CANCEL);
    assert_int_equal(result.n_generated, 4);
}

static bool cancel_prefill(void *user, size_t n_done, size_t n_total)
{
    *(size_t *)user = n_total;
    return n_done >= 4;
}

static void a_long_prompt_can_be_cancelled(void **state)
{
    struct subject s = {0};
    struct smr_generate_params params = greedy(3);
    struct smr_generate_result result;
    size_t n_total = 0;
    params.prefill = cancel_prefill;
    params.user = &n_total;
    assert_true(open_subject(&s, &(struct smr_engine_params){.n_batch = 2}));
    assert_true(smr_generate(s.session, &params, &result));
    assert_int_equal(result.stop_reason, SMR_STOP_CANCEL);
    assert_int_equal(result.n_generated, 0);
    assert_int_equal(n_total, 5);
    assert_int_equal(s.session->n_computed, 2);
    close_subject(&s);
}

static void two_sessions_take_turns(void **state)
{
    struct subject s = {0};
    struct smr_generate_params params = greedy(12);
    struct smr_generate_result result;
    assert_true(open_subject(&s, &(struct smr_engine_params){.n_context = 256}));
    smr_session *other = smr_session_create(s.engine);
    assert_true(smr_session_append(other, (int32_t[]){9, 8, 7}, 3));
    assert_true(smr_generate(s.session, &params, &result));
    int32_t alone[17];
    memcpy(alone, s.session->tokens, sizeof(alone));
    smr_session *again = smr_session_create(s.engine);
    assert_true(smr_session_append(again, alone, 5));
    params.n_predict = 1;
    for (int i = 0; i < 12; i++) {
        assert_true(smr_generate(again, &params, &result));
        assert_true(smr_generate(other, &params, &result));
    }
    assert_memory_equal(again->tokens, alone, sizeof(alone));
    smr_session_destroy(again);
    smr_session_destroy(other);
    assert_int_equal(s.engine->pool.n_free, s.engine->pool.n_pages - 1);
    close_subject(&s);
}

// ---- profile ------------------------------------------------------------------------------------

// A profile has the step's dispatches with their times, and changes nothing.
static void test_profile(void **state)
{
    struct subject s = {0};
    struct smr_profile profile;
    assert_true(open_subject(&s, &(struct smr_engine_params){.n_context = 256}));
    assert_false(smr_schedule_profile(s.engine->schedule, 3, &profile)); // no step yet
    smr_context_clear_error(s.context);
    const uint32_t n_vocab = s.model->hparams.n_vocab;
    const float *logits = smr_session_logits(s.session);
    float *first = malloc(n_vocab * sizeof *first);
    assert_true(logits && first);
    memcpy(first, logits, n_vocab * sizeof *first);
    assert_true(smr_schedule_profile(s.engine->schedule, 3, &profile));
    assert_int_equal(profile.n_rows, 5);
    assert_true(profile.n > 10 * s.model->hparams.n_layers);
    double seconds = 0;
    for (uint32_t i = 0; i < profile.n; i++) {
        assert_true(profile.dispatches[i].key.id < SMR_N_KERNELS);
        assert_true(profile.dispatches[i].seconds >= 0);
        seconds += profile.dispatches[i].seconds;
    }
    const bool timestamps = smr_device_limits(s.engine->device)->capabilities & SMR_CAP_TIMESTAMPS;
    assert_int_equal(profile.timed, timestamps);
    assert_true(timestamps ? seconds > 0 : seconds == 0);
    smr_profile_finish(s.engine->schedule, &profile);
    logits = smr_session_logits(s.session);
    assert_non_null(logits);
    for (uint32_t i = 0; i < n_vocab; i++)
        assert_true(fabsf(logits[i] - first[i]) < 1e-4f);
    free(first);
    close_subject(&s);
}

// ---- truncation ---------------------------------------------------------------------------------

// A text that was cut goes on as one that was never longer; pages are given back.
static void test_truncate(void **state)
{
    struct subject s = {0};
    struct smr_generate_result result;
    struct smr_generate_params params = greedy(100);
    assert_true(open_subject(&s, &(struct smr_engine_params){.n_context = 256}));
    const uint32_t n_vocab = s.model->hparams.n_vocab, n_free = s.engine->pool.n_free;
    const float *logits = smr_session_logits(s.session);
    float *first = malloc(n_vocab * sizeof *first);
    assert_true(logits && first);
    memcpy(first, logits, n_vocab * sizeof *first);
    assert_true(smr_generate(s.session, &params, &result));
    assert_int_equal(smr_session_length(s.session), 105);
    assert_int_equal(s.engine->pool.n_free, n_free - 2);

    smr_session_truncate(s.session, 1000); // no more than there are
    assert_int_equal(smr_session_length(s.session), 105);
    smr_session_truncate(s.session, 5);
    assert_int_equal(smr_session_length(s.session), 5);
    assert_int_equal(s.engine->pool.n_free, n_free - 1);
    logits = smr_session_logits(s.session);
    assert_non_null(logits);
    for (uint32_t i = 0; i < n_vocab; i++)
        assert_true(fabsf(logits[i] - first[i]) < 1e-4f);

    smr_session_truncate(s.session, 0);
    assert_int_equal(s.engine->pool.n_free, n_free);
    assert_null(smr_session_logits(s.session)); // it is empty
    smr_context_clear_error(s.context);
    free(first);
    close_subject(&s);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(several_rows),
        cmocka_unit_test(decode_steps_only_submit),
        cmocka_unit_test(every_failed_allocation_is_an_error),
        cmocka_unit_test(every_failed_allocation_of_a_folder_is_an_error),
        cmocka_unit_test(the_context_has_a_limit),
        cmocka_unit_test(learned_positions_limit_the_context),
        cmocka_unit_test(a_prompt_may_fill_the_context),
        cmocka_unit_test(tokens_are_checked),
        cmocka_unit_test(an_empty_session_is_an_error),
        cmocka_unit_test(a_seed_repeats_a_text),
        cmocka_unit_test(a_stop_string_ends_the_text),
        cmocka_unit_test(a_callback_can_cancel),
        cmocka_unit_test(a_long_prompt_can_be_cancelled),
        cmocka_unit_test(two_sessions_take_turns),
        cmocka_unit_test(test_truncate),
        cmocka_unit_test(test_profile),
    };
    if (argc > 1)
        device = argv[1];
    return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
