// test_sample.c - sampling on a device: the kernels beside the host's sampler, with the numbers that they
// draw by, and texts that a device sampled beside those that the host did.
//
// test_sample [DEVICE]
#include "generate/generate.h"
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *device_id = "reference";

// ---- kernels beside the sampler ---------------------------------------------------------------------

enum { N_VOCAB = 2500, N_HISTORY = 100 }; // three chunks, the last one short

// One list, replayed with other data: penalise, reduce, sample.
struct bench {
    struct test_memory memory;
    smr_context *context;
    smr_device *device;
    struct smr_kernel_set *set;
    smr_buffer *logits, *step, *reduced, *drawn, *counts;
    uint64_t
        offsets[5]; // of `step`: draw, biases, history, last token, logits as the model made them
    smr_list *list;
};

static void *data_at(struct bench *b, uint32_t i)
{
    return (uint8_t *)smr_buffer_data(b->step) + b->offsets[i];
}

static smr_buffer *buffer(struct bench *b, uint64_t size, enum smr_memory kind)
{
    smr_buffer *made =
        smr_buffer_create(b->device, &(struct smr_buffer_params){size, kind, "test"});
    assert_non_null(made);
    return made;
}

static void dispatch(struct bench *b, enum smr_kernel_id id, const struct smr_binding *bindings,
                     const void *push)
{
    struct smr_kernel_key key;
    assert_true(smr_kernel_choose(b->set, id, SMR_F32, push, &key));
    assert_non_null(smr_kernel_set_get(b->set, &key));
    smr_kernel_dispatch(b->set, b->list, &key, bindings, push);
}

static void open_bench(struct bench *b)
{
    static const uint32_t zeros[N_VOCAB];
    const uint64_t sizes[5] = {sizeof(struct smr_draw),
                               SMR_MAX_DRAW_BIAS * sizeof(struct smr_draw_bias), 4 * N_HISTORY, 4,
                               4 * N_VOCAB};
    uint64_t end = 0;
    *b = (struct bench){.context = NULL};
    b->context = test_context(&b->memory, getenv("SMR_TEST_CACHE"));
    b->device = smr_device_open(b->context, device_id);
    assert_non_null(b->device);
    b->set = smr_kernel_set_create(b->device, SMR_KERNELS_TUNED);
    assert_non_null(b->set);
    const uint64_t alignment = smr_device_limits(b->device)->binding_alignment;
    const uint64_t second = smr_align_up(4, alignment);
    for (uint32_t i = 0; i < 5; i++) {
        b->offsets[i] = end;
        end = smr_align_up(end + sizes[i], alignment);
    }
    b->step = buffer(b, end, SMR_MEMORY_UPLOAD);
    b->logits = buffer(b, sizes[4], SMR_MEMORY_DEVICE);
    b->counts = buffer(b, sizes[4], SMR_MEMORY_DEVICE);
    b->drawn = buffer(b, second + 4, SMR_MEMORY_READBACK);
    b->reduced = buffer(b, 3 * sizeof(struct smr_reduced), SMR_MEMORY_READBACK);
    assert_true(smr_buffer_write(b->counts, 0, zeros, sizeof(zeros)));
    b->list = smr_list_create(b->device, "sample");
    assert_non_null(b->list);
    struct smr_binding logits = {b->logits, 0, sizes[4]}, parts[5];
    struct smr_binding chunks = {b->reduced, 0, 3 * sizeof(struct smr_reduced)};
    for (uint32_t i = 0; i < 5; i++)
        parts[i] = (struct smr_binding){b->step, b->offsets[i], sizes[i]};
    smr_list_copy(b->list, &parts[4], &logits);
    dispatch(b, SMR_KERNEL_PENALISE,
             (struct smr_binding[]){
                 logits, parts[0], parts[1], parts[2], parts[3], {b->counts, 0, sizes[4]}},
             &(struct smr_penalise_push){N_VOCAB});
    dispatch(b, SMR_KERNEL_REDUCE, (struct smr_binding[]){logits, chunks},
             &(struct smr_reduce_push){N_VOCAB, 1, N_VOCAB});
    dispatch(
        b, SMR_KERNEL_SAMPLE,
        (struct smr_binding[]){logits, chunks, parts[0], {b->drawn, 0, 4}, {b->drawn, second, 4}},
        &(struct smr_sample_push){N_VOCAB});
    assert_true(smr_list_end(b->list));
}

static void close_bench(struct bench *b)
{
    smr_buffer *const buffers[] = {b->logits, b->step, b->reduced, b->drawn, b->counts};
    smr_list_destroy(b->list);
    for (size_t i = 0; i < SMR_COUNT(buffers); i++)
        smr_buffer_destroy(buffers[i]);
    smr_kernel_set_destroy(b->set);
    smr_device_close(b->device);
    smr_context_destroy(b->context);
}

static void reduce_logits(const float *logits, struct smr_reduced *chunks)
{
    for (uint32_t c = 0; c * SMR_REDUCE_CHUNK < N_VOCAB; c++) {
        const uint32_t end = smr_min_u32((c + 1) * SMR_REDUCE_CHUNK, N_VOCAB);
        chunks[c] = (struct smr_reduced){.maximum = -INFINITY};
        for (uint32_t i = c * SMR_REDUCE_CHUNK; i < end; i++)
            chunks[c].maximum = fmaxf(chunks[c].maximum, logits[i]);
        for (uint32_t i = c * SMR_REDUCE_CHUNK; i < end; i++)
            chunks[c].sum += expf(logits[i] - chunks[c].maximum);
    }
}

static uint32_t draw_on_device(struct bench *b, const struct smr_draw *draw)
{
    *(struct smr_draw *)data_at(b, 0) = *draw;
    assert_true(smr_device_submit(b->device, b->list) && smr_device_wait(b->device));
    return *(const uint32_t *)smr_buffer_data(b->drawn);
}

// The same tokens, with the same random numbers, as the host's.
static void check_sampler(struct bench *b, struct smr_sampling params, float spread, uint32_t n)
{
    static float logits[N_VOCAB];
    int32_t history[N_HISTORY];
    struct smr_reduced chunks[3];
    struct smr_sampler sampler;
    srand((unsigned)params.seed);
    for (uint32_t i = 0; i < N_VOCAB; i++) // some of them the same
        logits[i] = roundf(spread * ((float)rand() / (float)RAND_MAX - 0.5f) * 256) / 256;
    for (uint32_t i = 0; i < N_HISTORY; i++)
        history[i] = rand() % (i % 3 ? N_VOCAB : 10);
    reduce_logits(logits, chunks);
    assert_true(smr_sampler_init(&sampler, b->context, &params, N_VOCAB, 0));
    memcpy(data_at(b, 1), sampler.bias, sampler.n_bias * sizeof(*sampler.bias));
    memcpy(data_at(b, 2), history, sizeof(history));
    memcpy(data_at(b, 3), &history[N_HISTORY - 1], 4);
    memcpy(data_at(b, 4), logits, sizeof(logits));
    const struct smr_step_result step = {.logits = logits, .chunks = chunks};
    for (uint64_t random = params.seed; n--;) {
        struct smr_draw draw;
        int32_t token;
        smr_sampler_draw(&sampler, N_HISTORY, &random, &draw);
        assert_true(smr_sampler_sample(&sampler, &step, history, N_HISTORY, &token));
        assert_int_equal(draw_on_device(b, &draw), token);
        assert_true(sampler.random == random);
    }
    smr_sampler_finish(&sampler);
}

static void draws_are_the_sampler_s(void **state)
{
    static const struct smr_logit_bias bias[] = {{7, 5}, {9, -INFINITY}, {7, 0.5f}, {2499, 6}};
    static const struct smr_sampling settings[] = {
        {.temperature = 0.8f, .top_k = 40, .top_p = 0.95f, .min_p = 0.05f},
        {.temperature = 1, .top_p = 1},
        {.temperature = 3, .top_k = 2, .top_p = 1},
        {.temperature = 1.5f, .top_k = 2000, .top_p = 0.9f},
        {.temperature = 2, .top_p = 0.3f},
        {.temperature = 5, .top_p = 1, .min_p = 0.02f},
        {.temperature = 0.3f, .top_p = 0.99f, .min_p = 0.001f},
        {.temperature = 0, .top_p = 1, .presence_penalty = 1, .repeat_last_n = 64},
        {.temperature = 1, .top_k = 1, .top_p = 1, .n_bias = 4},
        {.temperature = 1, .top_k = 50, .top_p = 1, .repeat_penalty = 1.3f, .repeat_last_n = 20},
        {.temperature = 2,
         .top_k = 90,
         .top_p = 0.9f,
         .min_p = 0.01f,
         .repeat_penalty = 0.8f,
         .frequency_penalty = 0.4f,
         .presence_penalty = -0.3f,
         .repeat_last_n = UINT32_MAX,
         .n_bias = 4},
    };
    struct bench b;
    open_bench(&b);
    for (size_t i = 0; i < SMR_COUNT(settings); i++)
        for (uint64_t seed = 1; seed <= 6; seed++) {
            struct smr_sampling params = settings[i];
            params.repeat_penalty = params.repeat_penalty > 0 ? params.repeat_penalty : 1;
            params.bias = bias;
            params.seed = seed;
            check_sampler(&b, params, seed % 2 ? 8 : 30, 6);
        }
    close_bench(&b);
}

// Points that lie evenly hit each token as often as its probability says, to one hit.
static void draws_follow_the_distribution(void **state)
{
    enum { N_POINTS = 1000, N_LIKELY = 20 };
    struct bench b;
    double weights[N_LIKELY], all = 0;
    uint32_t hits[N_LIKELY] = {0};
    struct smr_draw draw = {
        .top_k = N_LIKELY, .top_p = UINT32_MAX, .temperature = 2, .repeat_penalty = 1};
    open_bench(&b);
    float *logits = data_at(&b, 4);
    for (uint32_t i = 0; i < N_VOCAB; i++)
        logits[i] = -1;
    for (uint32_t i = 0; i < N_LIKELY; i++) { // far from each other, and two the same
        logits[i * 120 + 50] = 0.25f * (float)(i / 2);
        all += weights[i] = exp(0.125 * (i / 2));
    }
    for (uint32_t i = 0; i < N_POINTS; i++) {
        draw.point = (uint32_t)((i + 0.5) * (0x1p32 / N_POINTS));
        const uint32_t token = draw_on_device(&b, &draw);
        assert_true(token % 120 == 50 && token / 120 < N_LIKELY);
        hits[token / 120]++;
    }
    for (uint32_t i = 0; i < N_LIKELY; i++)
        assert_true(fabs(hits[i] - weights[i] / all * N_POINTS) <= 1);
    close_bench(&b);
}

// ---- texts ------------------------------------------------------------------------------------------

enum { MAX_TOKENS = 128 };

struct subject {
    struct test_memory memory;
    smr_context *context;
    smr_model *model;
    smr_engine *engine;
};

struct text {
    struct subject *subject;
    int32_t tokens[MAX_TOKENS];
    uint32_t n;
    size_t n_calls; // of the allocator, at the last token
    struct smr_device_counters counters;
    uint32_t
        n_only_submitted; // tokens since the last of which there was one submission, and nothing else
};

static bool collect(void *user, const struct smr_generated *generated)
{
    struct text *text = user;
    struct smr_device_counters now, expected = text->counters;
    if (generated->token < 0)
        return true;
    smr_device_get_counters(text->subject->engine->device, &now);
    expected.n_submissions++;
    text->n_only_submitted +=
        text->n_calls == text->subject->memory.n_calls && !memcmp(&now, &expected, sizeof(now));
    text->counters = now;
    text->n_calls = text->subject->memory.n_calls;
    assert_true(text->n < MAX_TOKENS);
    text->tokens[text->n++] = generated->token;
    return true;
}

static void open_subject(struct subject *s, const char *name)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/golden/%s.gguf", getenv("SMR_TEST_DIR"), name);
    *s = (struct subject){.model = NULL};
    s->context = test_context(&s->memory, getenv("SMR_TEST_CACHE"));
    s->model = smr_model_open(s->context, path);
    assert_non_null(s->model);
    s->engine = smr_engine_create(
        s->model, &(struct smr_engine_params){
                      .device = device_id, .n_context = 128, .kernels = SMR_KERNELS_PLAIN});
    assert_non_null(s->engine);
}

static void close_subject(struct subject *s)
{
    smr_engine_destroy(s->engine);
    smr_model_close(s->model);
    smr_context_destroy(s->context);
    assert_int_equal(s->memory.n_live, 0);
}

static struct smr_generate_result generate(struct subject *s, struct smr_generate_params params,
                                           uint32_t n_in_flight, struct text *text)
{
    static const int32_t prompt[] = {1, 7, 3, 9, 4, 7, 3, 9, 5, 2, 7, 3, 9, 4, 7, 3};
    struct smr_generate_result result;
    smr_session *session = smr_session_create(s->engine);
    assert_non_null(session);
    assert_true(smr_session_append(session, prompt, SMR_COUNT(prompt)));
    *text = (struct text){.subject = s};
    params.n_in_flight = n_in_flight;
    params.callback = collect;
    params.user = text;
    assert_true(smr_generate(session, &params, &result));
    smr_session_destroy(session);
    return result;
}

static void texts_are_the_same(void **state)
{
    static const struct smr_logit_bias bias[] = {{7, 1}, {9, -1}};
    static const char *const models[] = {"llama-text-bpe", "gemma3-d8-window8"};
    static struct text host, device;
    for (size_t m = 0; m < SMR_COUNT(models); m++) {
        struct subject s;
        open_subject(&s, models[m]);
        for (uint64_t seed = 0; seed < 12; seed++) {
            struct smr_generate_params params = {.n_predict = 40,
                                                 .ignore_end = true,
                                                 .speculation.when = SMR_SPECULATE_NEVER,
                                                 .sampling = smr_sampling_default()};
            params.sampling.seed = seed;
            params.sampling.temperature = seed % 4 == 3 ? 0 : 1 + (float)(seed % 3);
            params.sampling.top_k = seed % 3 ? (uint32_t)seed * 7 : 0;
            params.sampling.frequency_penalty = seed % 2 ? 0.3f : 0;
            params.sampling.repeat_last_n = seed % 5 ? 9 : UINT32_MAX;
            params.sampling.bias = bias;
            params.sampling.n_bias = seed % 4 == 2 ? 2 : 0;
            struct smr_generate_result result = generate(&s, params, 1, &host);
            assert_int_equal(result.n_device, 0);
            result = generate(&s, params, 2, &device);
            assert_int_equal(result.n_device, 39); // the first one comes of the prompt's step
            assert_int_equal(result.n_submissions, 39);
            assert_memory_equal(host.tokens, device.tokens, sizeof(host.tokens));
            // While steps are made in turn, and programs are there.
            if (seed > 3)
                assert_true(device.n_only_submitted >= 36);
        }
        close_subject(&s);
    }
}

// What the host must see at each token takes its way.
static void some_settings_are_the_host_s(void **state)
{
    static struct text text;
    static struct smr_logit_bias bias[SMR_MAX_DRAW_BIAS + 1];
    struct subject s;
    open_subject(&s, "llama-text-bpe");
    const struct smr_generate_params usual = {.n_predict = 5,
                                              .ignore_end = true,
                                              .speculation.when = SMR_SPECULATE_NEVER,
                                              .sampling = smr_sampling_default()};
    struct smr_generate_params params = usual;
    assert_int_equal(generate(&s, params, 2, &text).n_device, 4);
    const bool gpu = smr_device_get_info(s.engine->device)->type <= SMR_DEVICE_INTEGRATED;
    assert_int_equal(generate(&s, params, 0, &text).n_device, gpu ? 4 : 0);
    params.sampling.top_k = 0; // which takes the host long
    assert_int_equal(generate(&s, params, 0, &text).n_device,
                     smr_device_takes_spirv(s.engine->device) ? 4 : 0);
    params = usual;
    params.n_logprobs = 1;
    assert_int_equal(generate(&s, params, 2, &text).n_device, 0);
    params = usual;
    params.no_repeat_ngram = 3;
    assert_int_equal(generate(&s, params, 2, &text).n_device, 0);
    params = usual;
    params.sampling.bias = bias;
    params.sampling.n_bias = SMR_COUNT(bias);
    assert_int_equal(generate(&s, params, 2, &text).n_device, 0);
    close_subject(&s);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_are_the_sampler_s),
        cmocka_unit_test(draws_follow_the_distribution),
        cmocka_unit_test(texts_are_the_same),
        cmocka_unit_test(some_settings_are_the_host_s),
    };
    if (argc > 1)
        device_id = argv[1];
    return cmocka_run_group_tests_name("sample", tests, NULL, NULL);
}
