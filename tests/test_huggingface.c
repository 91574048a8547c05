// test_huggingface.c - tokenizer.json, SentencePiece models and charsmaps: files that are wrong, texts
// that are long, memory that runs out. What right ones give is compared in test_tokenizers.c.
#include "support.h"
#include "text/text.h"
#include "text_builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char JSON_KEY[] = "tokenizer.huggingface.json";
static const char MODEL_KEY[] = "tokenizer.sentencepiece.model";

struct fixture {
    struct gguf_builder builder;
    smr_context *context;
    smr_model *model;
};

static void begin(struct fixture *f)
{
    *f = (struct fixture){0};
    gguf_begin(&f->builder, 3);
    gguf_key_string(&f->builder, "general.architecture", "llama");
}

static void open_fixture(struct fixture *f)
{
    f->context = test_context(NULL, NULL);
    f->model = smr_model_open_memory(f->context, "m.gguf", f->builder.data, f->builder.size);
    assert_non_null(f->model);
}

static void finish(struct fixture *f)
{
    smr_model_close(f->model);
    smr_context_destroy(f->context);
    gguf_builder_finish(&f->builder);
}

static void open_file(struct fixture *f, const char *key, const void *data, size_t size)
{
    begin(f);
    text_put_file(&f->builder, key, data, size);
    open_fixture(f);
}

enum { END = -1000 };

static void check(struct fixture *f, const char *text, const int32_t *expected)
{
    int32_t *tokens;
    size_t n, n_expected = 0;
    while (expected[n_expected] != END)
        n_expected++;
    if (!smr_tokenize(f->model, text, strlen(text), SMR_TOKENIZE_SPECIAL, &tokens, &n))
        fail_msg("%s", smr_context_error(f->context));
    bool same = n == n_expected && (!n || !memcmp(tokens, expected, n * sizeof(*tokens)));
    for (size_t i = 0; !same && i < n; i++)
        printf("%s%d", i ? " " : "# got ", (int)tokens[i]);
    assert_true(same);
    smr_tokens_free(f->model, tokens);
}

#define CHECK(f, text, ...) check(f, text, (const int32_t[]){__VA_ARGS__, END})

// ---- right ------------------------------------------------------------------------------------

static void test_json(void **state)
{
    struct fixture f;
    open_file(&f, JSON_KEY, text_json(0), strlen(text_json(0)));
    CHECK(&f, "aba", 2, 7, 0);          // the best sum
    CHECK(&f, "A  b", 6, 2, 4, 0);      // the table, then one space for two
    CHECK(&f, "zzb", 2, 1, 4, 0);       // a run of unknown characters is one token
    CHECK(&f, "b</s>b", 2, 4, 0, 4, 0); // the mark only at the first beginning
    finish(&f);
    open_file(&f, JSON_KEY, text_json(1), strlen(text_json(1)));
    CHECK(&f, "a", 0, 5, 0);
    CHECK(&f, "e\xcc\x81", 0, 2, 6, 7, 0); // composed
    CHECK(&f, "a  <mask>ba", 0, 5, 1, 2, 8, 0);
    CHECK(&f, "ab  ba aba", 0, 9, 2, 8, 2, 5, 8, 0);
    finish(&f);
    open_file(&f, JSON_KEY, text_json(2), strlen(text_json(2)));
    CHECK(&f, "a\xc3\xa9", 6, 1, 2);
    CHECK(&f, "zzzA", 3, 0, 7);
    finish(&f);
    open_file(&f, JSON_KEY, text_json(3), strlen(text_json(3)));
    CHECK(&f, "Abba! ab", 1, 5, 4, 6, 5, 1);
    CHECK(&f, "abababababab c", 1, 0, 0, 1); // too long, unknown
    finish(&f);
    open_file(&f, JSON_KEY, text_json(4), strlen(text_json(4)));
    CHECK(&f,
          " \xc3\x81"
          "bxab ",
          1, 2, 1, 2);
    finish(&f);
}

static void test_sentencepiece(void **state)
{
    uint8_t data[4096];
    struct fixture f;
    open_file(&f, MODEL_KEY, data, text_sentencepiece(1, data, sizeof(data)));
    CHECK(&f, "hello", 10, 11, 2);
    CHECK(&f, " Ah<x>", 3, 8, 4, 13, 2);
    finish(&f);
    open_file(&f, MODEL_KEY, data, text_sentencepiece(2, data, sizeof(data)));
    CHECK(&f, "hello", 1, 10, 11);
    finish(&f);
}

static void test_stream(void **state)
{
    static const struct {
        unsigned json;
        int32_t tokens[5];
        const char *parts[5];
    } rows[] = {
        {0, {6, 7, 2, 3, 0}, {"a", "aba", " ", "a", ""}},
        {2, {6, 1, 2, 6, 4}, {"a", "", "\xc3\xa9", " a", "a"}},
        {3, {1, 5, 4, 6, 2}, {"", "ab", "ba", "!", " a"}},
        {4, {1, 2, 1, 1, 0}, {"a", " ##b", " a", " a", " ?"}},
    };
    for (size_t i = 0; i < SMR_COUNT(rows); i++) {
        struct fixture f;
        struct smr_detokenizer stream;
        open_file(&f, JSON_KEY, text_json(rows[i].json), strlen(text_json(rows[i].json)));
        assert_non_null(smr_vocab_get(f.model));
        smr_detokenizer_init(&stream, smr_vocab_get(f.model), false);
        stream.at_start = true;
        for (size_t k = 0; k < 5; k++) {
            struct smr_string text;
            smr_string_init(&text, f.context);
            smr_detokenizer_add(&stream, rows[i].tokens[k], &text);
            assert_string_equal(text.data ? text.data : "", rows[i].parts[k]);
            smr_string_finish(&text);
        }
        finish(&f);
    }
}

// ---- wrong ------------------------------------------------------------------------------------

// text_json(index) with the first `from` replaced, and what the error says.
static const struct {
    unsigned index;
    const char *from, *to, *says;
} WRONG[] = {
    {0, "{", "", "line 1"},
    {0, "\"unk_id\":1", "\"unk_id\":1,\"unk_id\":1", "duplicate"},
    {0, "\"Unigram\"", "\"WordLevel\"", "\"WordLevel\" is not known"},
    {0, "\"Metaspace\"", "\"UnicodeScripts\"", "\"UnicodeScripts\" is not known"},
    {0, "\"Precompiled\"", "\"Magic\"", "normalizer: the type \"Magic\""},
    {0, "\"TemplateProcessing\"", "\"Other\"", "post_processor: the type \"Other\""},
    {0, "\"decoder\":{\"type\":\"Metaspace\"", "\"decoder\":{\"type\":\"CTC\"", "\"CTC\" is not"},
    {0, "\"first\"", "\"second\"", "prepend_scheme \"second\""},
    {0, "[\"ab\",-4]", "[\"ab\",\"x\"]", "entry 5 of vocab"},
    {0, "[\"ab\",-4]", "[\"ab\",1e999]", "line 1"},
    {0, "\"unk_id\":1", "\"unk_id\":8", "unk_id is 8"},
    {0, "\"ids\":[0]", "\"ids\":[8]", "token 8"},
    {0, "charsmap\":\"", "charsmap\":\"!", "no base64"},
    {0, "charsmap\":\"C", "charsmap\":\"D", "damaged"},
    {0, "{2,}", "{2,}(", "PCRE2 error"},
    {0, "\"id\":1", "\"id\":-1", "entry 1 is no token"},
    {0, "\"id\":1", "\"id\":2", "number 2 of another"},
    {0, "\"id\":1", "\"id\":16777216", "token number 16777216"},
    {0, "\"id\":1", "\"id\":9999999", "token number 9999999"},
    {1, "[b-d]", "[b&&d]", "intersection"},
    {1, "\\\\p{L}", "\\\\p{L", "does not end"},
    {1, "\\\\p{L}", "\\\\p{Klingon}", "PCRE2 error"},
    {1, "\"Isolated\"", "\"Odd\"", "behavior \"Odd\""},
    {1, "\"merges\":[", "\"merges\":[1,", "entry 0 of merges"},
    {1, "\"ba\":8", "\"ba\":4", "number 4, which is not free"},
    {1, "\"ba\":8", "\"ba\":\"x\"", "number of \"ba\" is none"},
    {1, "\"ignore_merges\":true", "\"ignore_merges\":1", "ignore_merges"},
    {1, "\"ignore_merges\":true", "\"end_of_word_suffix\":\"</w>\"", "end_of_word_suffix"},
    {2, "\"unk_token\":\"<unk>\"", "\"unk_token\":\"<none>\"", "<none>"},
    {2, "\"start\":1", "\"start\":2", "Strip"},
    {2, "\"Strip\"", "\"Metaspace\"", "can't be streamed"},
    {3, "\"vocab\":{", "\"vocab\":[{", "line 1"},
    {3, "\"prefix\":\"##\"", "\"prefix\":\"0123456789012345678901234567890123\"", "prefix"},
};

static void test_wrong_json(void **state)
{
    for (size_t i = 0; i < SMR_COUNT(WRONG); i++) {
        char text[1 << 13];
        struct fixture f;
        int32_t *tokens;
        size_t n;
        const char *json = text_json(WRONG[i].index), *at = strstr(json, WRONG[i].from);
        assert_non_null(at);
        snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - json), json, WRONG[i].to,
                 at + strlen(WRONG[i].from));
        open_file(&f, JSON_KEY, text, strlen(text));
        if (smr_tokenize(f.model, "a", 1, 0, &tokens, &n))
            fail_msg("row %zu is read", i);
        assert_int_equal(smr_context_status(f.context), SMR_ERROR_MODEL);
        if (!strstr(smr_context_error(f.context), WRONG[i].says))
            fail_msg("row %zu: \"%s\" does not say \"%s\"", i, smr_context_error(f.context),
                     WRONG[i].says);
        finish(&f);
    }
}

// Every beginning of a model, and every byte changed, ends with a vocabulary or an error.
static void test_damaged_sentencepiece(void **state)
{
    uint8_t data[4096];
    size_t size = text_sentencepiece(1, data, sizeof(data)), n_read = 0;
    for (size_t i = 0; i < 2 * size; i++) {
        struct fixture f;
        int32_t *tokens;
        size_t n;
        if (i >= size)
            data[i - size] ^= 0x55;
        open_file(&f, MODEL_KEY, data, i < size ? i : size);
        bool ok = smr_tokenize(f.model, "hello A", 7, 0, &tokens, &n);
        assert_int_equal(smr_context_status(f.context), ok ? SMR_OK : SMR_ERROR_MODEL);
        n_read += ok;
        if (ok)
            smr_tokens_free(f.model, tokens);
        finish(&f);
        if (i >= size)
            data[i - size] ^= 0x55;
    }
    assert_in_range(n_read, 10, size);
}

static void test_damaged_charsmap(void **state)
{
    uint8_t map[TEXT_CHARSMAP_SIZE];
    text_charsmap(map);
    for (size_t i = 0; i < 2 * sizeof(map); i++) {
        struct fixture f;
        int32_t *tokens;
        size_t n;
        if (i >= sizeof(map))
            map[i - sizeof(map)] ^= 0xff;
        begin(&f);
        text_t5(&f.builder, map, i < sizeof(map) ? i : sizeof(map));
        open_fixture(&f);
        bool ok = smr_tokenize(f.model, "A\xc3\xa9 AbA", 8, 0, &tokens, &n);
        assert_int_equal(smr_context_status(f.context), ok ? SMR_OK : SMR_ERROR_MODEL);
        if (ok)
            smr_tokens_free(f.model, tokens);
        finish(&f);
        if (i >= sizeof(map))
            map[i - sizeof(map)] ^= 0xff;
    }
}

// ---- long -------------------------------------------------------------------------------------

// A megabyte of one thing takes no more than its share, in all kinds.
static void test_long_texts(void **state)
{
    static const char *const parts[] = {"a", "ab ", "z", "\xcc\x81\xcc\xa3", " ", "A", "\xc3\xa9!"};
    size_t size = 1 << 20;
    char *text = malloc(size + 8);
    assert_non_null(text);
    for (unsigned index = 0; index < TEXT_N_JSON; index++) {
        struct fixture f;
        open_file(&f, JSON_KEY, text_json(index), strlen(text_json(index)));
        for (size_t i = 0; i < SMR_COUNT(parts); i++) {
            int32_t *tokens;
            size_t n, n_part = strlen(parts[i]);
            for (size_t at = 0; at < size; at += n_part)
                memcpy(text + at, parts[i], n_part);
            if (!smr_tokenize(f.model, text, size / n_part * n_part, 0, &tokens, &n))
                fail_msg("%s", smr_context_error(f.context));
            smr_tokens_free(f.model, tokens);
        }
        finish(&f);
    }
    free(text);
}

// ---- memory -----------------------------------------------------------------------------------

static bool use_everything(struct test_memory *memory, const struct gguf_builder *builder)
{
    static const char text[] = "hello \xc3\xa9 A  <x>zz \xff<mask> ab [SEP]!";
    smr_context *context = test_context(memory, NULL);
    if (!context)
        return false;
    int32_t *tokens = NULL;
    size_t n = 0;
    smr_model *model = smr_model_open_memory(context, "m.gguf", builder->data, builder->size);
    bool ok =
        model && smr_tokenize(model, text, sizeof(text) - 1, SMR_TOKENIZE_SPECIAL, &tokens, &n);
    if (!ok)
        assert_int_equal(smr_context_status(context), SMR_ERROR_MEMORY);
    if (model)
        smr_tokens_free(model, tokens);
    smr_model_close(model);
    smr_context_destroy(context);
    return ok;
}

static void test_memory_runs_out(void **state)
{
    uint8_t data[4096], map[TEXT_CHARSMAP_SIZE];
    text_charsmap(map);
    for (unsigned kind = 0; kind < TEXT_N_JSON + 2; kind++) {
        struct fixture f;
        begin(&f);
        if (kind < TEXT_N_JSON)
            text_put_file(&f.builder, JSON_KEY, text_json(kind), strlen(text_json(kind)));
        else if (kind == TEXT_N_JSON)
            text_put_file(&f.builder, MODEL_KEY, data, text_sentencepiece(1, data, sizeof(data)));
        else
            text_t5(&f.builder, map, sizeof(map));
        bool ok = false;
        for (size_t fail_at = 1; !ok; fail_at++) {
            struct test_memory memory = {.fail_at = fail_at};
            ok = use_everything(&memory, &f.builder);
            assert_int_equal(memory.n_live, 0);
            assert_int_equal(ok, memory.n_calls < fail_at);
        }
        gguf_builder_finish(&f.builder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_sentencepiece),
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_wrong_json),
        cmocka_unit_test(test_damaged_sentencepiece),
        cmocka_unit_test(test_damaged_charsmap),
        cmocka_unit_test(test_long_texts),
        cmocka_unit_test(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
