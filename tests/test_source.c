// test_source.c - what an engine promises of models with an encoder, beside their numbers (those are
// test_golden.c's): a source that is encoded once and shared, limits, clean failure, hostile files.
#include "generate/generate.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int32_t source[] = {5, 6, 7, 8, 9, 10, 11};

static const char *model_path(const char *name)
{
    static char path[512];
    snprintf(path, sizeof(path), "%s/golden/%s.gguf", getenv("SMR_TEST_DIR"), name);
    return path;
}

struct subject {
    struct test_memory memory;
    smr_context *context;
    smr_model *model;
    smr_engine *engine;
    smr_session *session;
};

static bool open_subject(struct subject *s, const char *name,
                         const struct smr_engine_params *params)
{
    struct smr_engine_params copy = params ? *params : (struct smr_engine_params){0};
    copy.device = "reference";
    return (s->context = test_context(&s->memory, NULL)) &&
           (s->model = smr_model_open(s->context, model_path(name))) &&
           (s->engine = smr_engine_create(s->model, &copy)) &&
           (s->session = smr_session_create(s->engine));
}

static void close_subject(struct subject *s)
{
    smr_session_destroy(s->session);
    smr_engine_destroy(s->engine);
    smr_model_close(s->model);
    smr_context_destroy(s->context);
    assert_int_equal(s->memory.n_live, 0);
}

// `done` must be false, for a reason that says `text`.
static void expect_error(struct subject *s, bool done, const char *text)
{
    assert_false(done);
    const char *error = smr_context_error(s->context);
    if (!strstr(error, text))
        fail_msg("\"%s\" does not say \"%s\"", error, text);
    smr_context_clear_error(s->context);
}

static uint64_t n_submissions(const struct subject *s)
{
    struct smr_device_counters counters;
    smr_device_get_counters(s->engine->device, &counters);
    return counters.n_submissions;
}

static void a_source_is_encoded_once(void **state)
{
    struct subject s = {0};
    const int32_t word = 3;
    assert_true(open_subject(&s, "t5-d10-relu", NULL));
    assert_true(smr_session_encode(s.session, source, SMR_COUNT(source)));
    assert_int_equal(smr_session_length(s.session), 1);
    assert_non_null(smr_session_logits(s.session));
    uint64_t before = n_submissions(&s);
    for (int i = 0; i < 3; i++) {
        assert_true(smr_session_append(s.session, &word, 1));
        assert_non_null(smr_session_logits(s.session));
    }
    assert_int_equal(n_submissions(&s), before + 3);
    // Another source begins another text.
    assert_true(smr_session_encode(s.session, source, 2));
    assert_int_equal(smr_session_length(s.session), 1);
    assert_int_equal(n_submissions(&s), before + 3);
    assert_non_null(smr_session_logits(s.session));
    assert_int_equal(n_submissions(&s), before + 5);
    close_subject(&s);
}

// Two texts of one source: what they cost of the pool, and what a step of both gives.
static void forks_share_the_source(void **state)
{
    struct subject s = {0};
    struct smr_engine_params params = {.n_sequences = 2};
    const int32_t words[] = {3, 4};
    float alone[2][64];
    assert_true(open_subject(&s, "t5-d10-relu", &params));
    uint32_t n_vocab = s.engine->model->hparams.n_vocab;
    assert_true(n_vocab <= 64);
    for (int i = 0; i < 2; i++) {
        assert_true(smr_session_encode(s.session, source, SMR_COUNT(source)));
        assert_true(smr_session_append(s.session, &words[i], 1));
        const float *logits = smr_session_logits(s.session);
        assert_non_null(logits);
        memcpy(alone[i], logits, n_vocab * sizeof(float));
    }
    assert_true(smr_session_encode(s.session, source, SMR_COUNT(source)));
    assert_non_null(smr_session_logits(s.session));
    uint32_t n_free = s.engine->source_pool.n_free;
    smr_session *sessions[2] = {s.session, smr_session_create(s.engine)};
    assert_non_null(sessions[1]);
    smr_session_fork(sessions[1], sessions[0]);
    for (int i = 0; i < 2; i++)
        assert_true(smr_session_append(sessions[i], &words[i], 1));
    assert_true(smr_sessions_step(s.engine, sessions, 2, true));
    for (uint32_t i = 0; i < 2; i++) {
        const float *logits = smr_schedule_logits(s.engine->schedule) + i * n_vocab;
        for (uint32_t token = 0; token < n_vocab; token++)
            assert_float_equal(logits[token], alone[i][token], 1e-4f);
    }
    assert_int_equal(s.engine->source_pool.n_free, n_free);
    smr_session_destroy(sessions[1]);
    assert_int_equal(s.engine->source_pool.n_free, n_free);
    smr_session_clear(s.session);
    assert_int_equal(s.engine->source_pool.n_free, s.engine->source_pool.n_pages);
    close_subject(&s);
}

static void sources_are_checked(void **state)
{
    struct subject s = {0};
    const int32_t strange[] = {1, 61}, word = 1;
    int32_t many[9] = {0};
    struct smr_engine_params params = {.n_source = 8};
    assert_true(open_subject(&s, "t5-d10-relu", &params));
    assert_int_equal(smr_engine_source_size(s.engine), 8);
    expect_error(&s, smr_session_encode(s.session, many, 9), "9 tokens and there is room for 8");
    expect_error(&s, smr_session_encode(s.session, many, 0), "source is empty");
    expect_error(&s, smr_session_encode(s.session, strange, 2), "token 61");
    assert_true(smr_session_append(s.session, &word, 1));
    expect_error(&s, smr_session_logits(s.session) != NULL, "no source");
    assert_true(smr_session_encode(s.session, many, 8));
    assert_non_null(smr_session_logits(s.session));
    close_subject(&s);
    memset(&s, 0, sizeof(s));
    assert_true(open_subject(&s, "llama-text-bpe", NULL));
    assert_int_equal(smr_engine_source_size(s.engine), 0);
    expect_error(&s, smr_session_encode(s.session, many, 1), "has no encoder");
    close_subject(&s);
}

// BART has 100 positions, T5 has no limit.
static void positions_are_limits(void **state)
{
    struct smr_engine_params source_101 = {.n_source = 101}, context_101 = {.n_context = 101};
    struct subject s = {0};
    expect_error(&s, open_subject(&s, "bart-d8", &source_101), "101");
    close_subject(&s);
    memset(&s, 0, sizeof(s));
    expect_error(&s, open_subject(&s, "bart-d8", &context_101), "positions for 100");
    close_subject(&s);
    memset(&s, 0, sizeof(s));
    source_101.n_source = 1000;
    assert_true(open_subject(&s, "t5-d10-relu", &source_101));
    close_subject(&s);
}

static void every_failed_allocation_is_an_error(void **state)
{
    size_t fail_at = 1;
    for (bool done = false; !done; fail_at++) {
        struct subject s = {.memory = {.fail_at = fail_at}};
        done = open_subject(&s, "marian-d10", NULL) &&
               smr_session_encode(s.session, source, SMR_COUNT(source)) &&
               smr_session_logits(s.session);
        if (!done && s.context)
            assert_int_not_equal(smr_context_status(s.context), SMR_OK);
        done = done && s.memory.n_calls < fail_at;
        close_subject(&s);
    }
    assert_true(fail_at > 50);
}

// ---- files --------------------------------------------------------------------------------------

// The T5 file with other bytes after a key and the type of its value.
static void expect_refused(const char *key, const void *bytes, size_t size, const char *text)
{
    struct subject s = {0};
    FILE *file = fopen(model_path("t5-d10-relu"), "rb");
    assert_non_null(file);
    static _Alignas(16) uint8_t data[1 << 18];
    size_t n = fread(data, 1, sizeof(data), file), length = strlen(key), at = 0;
    fclose(file);
    while (at + length < n && memcmp(data + at, key, length) != 0)
        at++;
    assert_true(at + length + 4 + size < n);
    memcpy(data + at + length + 4, bytes, size);
    assert_non_null(s.context = test_context(&s.memory, NULL));
    s.model = smr_model_open_memory(s.context, "t5", data, n);
    if (s.model)
        s.engine = smr_engine_create(s.model, &(struct smr_engine_params){.device = "reference"});
    expect_error(&s, s.engine != NULL, text);
    close_subject(&s);
}

static void damaged_files_are_refused(void **state)
{
    const uint32_t none = 0, few = 4, many = 61, huge = UINT32_MAX;
    expect_refused("t5.decoder_start_token_id", &many, 4, "decoder_start_token_id");
    expect_refused("t5.decoder_start_token_id", &huge, 4, "decoder_start_token_id");
    expect_refused("t5.decoder_block_count", &few, 4, "dec.blk.3");
    expect_refused("t5.decoder_block_count", &huge, 4, "decoder_block_count");
    expect_refused("t5.attention.relative_buckets_count", &none, 4, "0 buckets");
    expect_refused("t5.attention.relative_buckets_count", &few, 4, "attn_rel_b");
    expect_refused("t5.attention.relative_max_distance", &few, 4, "distances up to 4");
    expect_refused("t5.attention.relative_max_distance", &huge, 4, "relative_max_distance");
    expect_refused("t5.hidden_activation", "\4\0\0\0\0\0\0\0rolu", 12, "\"rolu\" is not silu");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_source_is_encoded_once),
        cmocka_unit_test(forks_share_the_source),
        cmocka_unit_test(sources_are_checked),
        cmocka_unit_test(positions_are_limits),
        cmocka_unit_test(every_failed_allocation_is_an_error),
        cmocka_unit_test(damaged_files_are_refused),
    };
    return cmocka_run_group_tests_name("source", tests, NULL, NULL);
}
