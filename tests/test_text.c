// test_text.c - vocabularies, both kinds of BPE, special tokens, detokenising.
#include "support.h"
#include "text/text.h"
#include "text_builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A vocabulary in memory, opened.
struct fixture {
    struct gguf_builder builder;
    smr_context *context;
    smr_model *model;
    struct smr_vocab *vocab; // NULL when it was refused
};

static void begin(struct fixture *fixture)
{
    *fixture = (struct fixture){0};
    gguf_begin(&fixture->builder, 3);
    gguf_key_string(&fixture->builder, "general.architecture", "llama");
}

static void key_bool(struct gguf_builder *builder, const char *key, bool value)
{
    gguf_key(builder, key, GGUF_BOOL);
    gguf_put(builder, &value, 1);
}

static void open_fixture(struct fixture *fixture)
{
    fixture->context = test_context(NULL, NULL);
    fixture->model = smr_model_open_memory(fixture->context, "m.gguf", fixture->builder.data,
                                           fixture->builder.size);
    assert_non_null(fixture->model);
    fixture->vocab = smr_vocab_get(fixture->model);
}

static void finish(struct fixture *fixture)
{
    smr_model_close(fixture->model);
    smr_context_destroy(fixture->context);
    gguf_builder_finish(&fixture->builder);
}

static void open_spm(struct fixture *fixture)
{
    begin(fixture);
    text_spm(&fixture->builder);
    open_fixture(fixture);
    assert_non_null(fixture->vocab);
}

static void open_bpe(struct fixture *fixture, const char *pre)
{
    begin(fixture);
    text_bpe(&fixture->builder, pre);
    open_fixture(fixture);
    assert_non_null(fixture->vocab);
}

enum { END = -1000 };

// `expected` ends with END.
static void check_bytes(struct fixture *fixture, const char *text, size_t size, uint32_t flags,
                        const int32_t *expected)
{
    int32_t *tokens;
    size_t n, n_expected = 0;
    while (expected[n_expected] != END)
        n_expected++;
    assert_true(smr_tokenize(fixture->model, text, size, flags, &tokens, &n));
    bool same = n == n_expected;
    for (size_t i = 0; same && i < n; i++)
        same = tokens[i] == expected[i];
    if (!same) {
        printf("# \"%s\" gave", text);
        for (size_t i = 0; i < n; i++)
            printf(" %d", (int)tokens[i]);
        printf("\n");
    }
    assert_true(same);
    smr_tokens_free(fixture->model, tokens);
}

#define CHECK(fixture, text, flags, ...)                                                           \
    check_bytes(fixture, text, sizeof(text) - 1, flags, (const int32_t[]){__VA_ARGS__, END})

#define S(text) text_spm_id(text)
#define B(text) text_bpe_id(text)
#define SP      "\xe2\x96\x81"
#define G       "\xc4\xa0"
#define BYTE(b) (3 + (b))

// ---- SentencePiece-style ----------------------------------------------------------------------

static void test_spm_merges(void **state)
{
    struct fixture f;
    open_spm(&f);
    CHECK(&f, "hi", 0, 1, S(SP "hi"));
    CHECK(&f, "hi", SMR_TOKENIZE_NO_BOS, S(SP "hi"));
    CHECK(&f, "", 0, 1);
    CHECK(&f, "abc", 0, 1, S(SP), S("abc"));                    // best score first
    CHECK(&f, "aaaaa", 0, 1, S(SP "a"), S("aaaa"));             // of equals the leftmost
    CHECK(&f, "hi hi", 0, 1, S(SP "hi"), S(SP "hi"));           // a space belongs to what follows
    CHECK(&f, "\xc3\xa9", 0, 1, S(SP), S("\xc3\xa9"));          // é is a piece,
    CHECK(&f, "\xc3\xbc", 0, 1, S(SP), BYTE(0xc3), BYTE(0xbc)); // ü is spelled
    CHECK(&f, "hib", 0, 1, S(SP "hi"), S("b"));                 // control tokens are not spelled
    finish(&f);
}

static void test_spm_special(void **state)
{
    struct fixture f;
    open_spm(&f);
    // User-defined tokens always, the longest first; a word behind one begins anew.
    CHECK(&f, "hi\n\nhi", 0, 1, S(SP "hi"), S("\n\n"), S(SP "hi"));
    CHECK(&f, "a  b", 0, 1, S(SP "a"), S("  "), S(SP), S("b"));
    CHECK(&f, "<tag>x", 0, 1, S("<tag>"), S(SP), BYTE('x'));
    // Control tokens only where they are asked for.
    CHECK(&f, "<tag>x", SMR_TOKENIZE_SPECIAL, 1, S("<tag>x"));
    CHECK(&f, "<tag><tag>xa", SMR_TOKENIZE_SPECIAL, 1, S("<tag>"), S("<tag>x"), S(SP "a"));
    CHECK(&f, "</s>", 0, 1, S(SP), BYTE('<'), BYTE('/'), BYTE('s'), BYTE('>'));
    CHECK(&f, "</s>", SMR_TOKENIZE_SPECIAL, 1, 2);
    // A text that brings its own begin-of-text token gets no second one.
    CHECK(&f, "<s>hi", SMR_TOKENIZE_SPECIAL, 1, S(SP "hi"));
    CHECK(&f, "<s>hi", SMR_TOKENIZE_SPECIAL | SMR_TOKENIZE_NO_BOS, 1, S(SP "hi"));
    CHECK(&f, "a<s>", SMR_TOKENIZE_SPECIAL, 1, S(SP "a"), 1);
    finish(&f);
}

static void test_spm_options(void **state)
{
    struct fixture f;
    begin(&f);
    text_spm(&f.builder);
    key_bool(&f.builder, "tokenizer.ggml.add_space_prefix", false);
    key_bool(&f.builder, "tokenizer.ggml.add_bos_token", false);
    key_bool(&f.builder, "tokenizer.ggml.add_eos_token", true);
    key_bool(&f.builder, "tokenizer.ggml.remove_extra_whitespaces", true);
    open_fixture(&f);
    CHECK(&f, "hi", 0, S("hi"), 2);
    CHECK(&f, "  hi   a ", 0, S("hi"), S(SP "a"), 2);
    CHECK(&f, "  ", SMR_TOKENIZE_NO_BOS, END);
    finish(&f);
}

static void test_spm_without_bytes(void **state)
{
    static const struct text_token tokens[] = {
        {"<unk>", 0, SMR_TOKEN_UNKNOWN}, {"<s>", 0, SMR_TOKEN_CONTROL},
        {"</s>", 0, SMR_TOKEN_CONTROL},  {SP "a", -1, SMR_TOKEN_NORMAL},
        {"a", -2, SMR_TOKEN_NORMAL},     {SP, -3, SMR_TOKEN_NORMAL}};
    struct fixture f;
    begin(&f);
    gguf_key_string(&f.builder, "tokenizer.ggml.model", "llama");
    text_put_tokens(&f.builder, tokens, SMR_COUNT(tokens), SMR_COUNT(tokens));
    open_fixture(&f);
    CHECK(&f,
          "axyz\xc3\xbc"
          "az",
          0, 1, 3, 0, 4, 0); // one unknown token for a run
    finish(&f);
}

static void test_phi3_strips(void **state)
{
    struct fixture f;
    begin(&f);
    gguf_key_string(&f.builder, "general.name", "Phi 3 is Phi-3 Mini");
    text_spm(&f.builder);
    open_fixture(&f);
    CHECK(&f, "<|im_end|>\n hi<s>\n", SMR_TOKENIZE_SPECIAL, 1, S("<|im_end|>"), S(SP "hi"), 1,
          S(SP), BYTE('\n'));
    finish(&f);
}

// ---- byte-level -------------------------------------------------------------------------------

static void test_bpe_merges(void **state)
{
    struct fixture f;
    open_bpe(&f, "gpt-2");
    CHECK(&f, "hello wor", 0, B("hello"), B(G "wor"));
    CHECK(&f, "aaaaa", 0, B("aaaa"), 'a' - '!' + 33);
    CHECK(&f, "h\xc3\xa9ll", 0, 'h', B("\xc3\x83\xc2\xa9"), B("ll"));
    CHECK(&f, "whole", 0, 'w', 'h', 'o', 'l', 'e');
    CHECK(&f, "\0\xc2\xad", 0, 0, 0xc2, 0xad); // the letters are numbered as the bytes here
    CHECK(&f, "", 0, END);
    finish(&f);
    open_bpe(&f, "llama-bpe"); // a whole word that is a token is that; a begin-of-text token
    CHECK(&f, "whole", 0, B("<|im_start|>"), B("whole"));
    finish(&f);
}

// The names are there and their expressions compile; what they cut is test_tokenizers' part.
static void test_bpe_words(void **state)
{
    static const char *const pres[] = {
        NULL,        "default",      "gpt-2",          "smollm",      "falcon",
        "llama-bpe", "qwen2",        "qwen35",         "tekken",      "gpt-4o",
        "kimi-k2",   "deepseek-llm", "deepseek-coder", "deepseek-v3", "youtu",
        "bloom",     "viking",       "chameleon",      "bailingmoe",  "seed-coder",
        "minicpm5",  "exaone-moe"};
    struct fixture f;
    for (size_t i = 0; i < SMR_COUNT(pres); i++) {
        open_bpe(&f, pres[i]);
        CHECK(&f, "hello,aa", SMR_TOKENIZE_NO_BOS, B("hello"), ',', B("aa"));
        finish(&f);
    }
    open_bpe(&f, "default"); // punctuation is cut off first
    CHECK(&f, "wor'or", 0, 'w', B("or"), '\'', B("or"));
    finish(&f);
}

static void test_bpe_special(void **state)
{
    struct fixture f;
    open_bpe(&f, "gpt-2");
    CHECK(&f, "<tool>hello", 0, B("<tool>"), B("hello"));
    CHECK(&f, "<tool>sx<tool", 0, B("<tool>s"), 'x', '<', 't', 'o', 'o', 'l');
    CHECK(&f, "<|im_end|>", SMR_TOKENIZE_SPECIAL, B("<|im_end|>"));
    CHECK(&f, "<|im", 0, '<', '|', 'i', 'm');
    finish(&f);
    begin(&f);
    text_bpe(&f.builder, "gpt-2");
    key_bool(&f.builder, "tokenizer.ggml.add_bos_token", true);
    open_fixture(&f);
    CHECK(&f, "<|im_start|>he", SMR_TOKENIZE_SPECIAL, B("<|im_start|>"), B("he"));
    CHECK(&f, "he", 0, B("<|im_start|>"), B("he"));
    finish(&f);
}

// Bad bytes are encoded as U+FFFD would be: one for each beginning of a character that is cut.
static void test_bad_bytes(void **state)
{
    struct fixture f;
    open_bpe(&f, "gpt-2");
    CHECK(&f, "h\xff", 0, 'h', 0xef, 0xbf, 0xbd);
    CHECK(&f, "\xe2\x82h", 0, 0xef, 0xbf, 0xbd, 'h');
    CHECK(&f, "\xed\xa0\x80", 0, 0xef, 0xbf, 0xbd, 0xef, 0xbf, 0xbd, 0xef, 0xbf, 0xbd);
    CHECK(&f, "\xf0\x9f\x98", 0, 0xef, 0xbf, 0xbd);
    finish(&f);
}

// ---- back to text -----------------------------------------------------------------------------

static void check_detokenized(const struct fixture *f, bool special, const int32_t *tokens,
                              const char *const *parts)
{
    struct smr_detokenizer stream;
    smr_detokenizer_init(&stream, f->vocab, special);
    stream.at_start = true;
    for (size_t i = 0;; i++) {
        struct smr_string text;
        smr_string_init(&text, f->context);
        if (tokens[i] == END)
            smr_detokenizer_end(&stream, &text);
        else
            smr_detokenizer_add(&stream, tokens[i], &text);
        assert_string_equal(text.data ? text.data : "", parts[i]);
        smr_string_finish(&text);
        if (tokens[i] == END)
            return;
    }
}

#define TOKENS(...) ((const int32_t[]){__VA_ARGS__, END})
#define PARTS(...)  ((const char *const[]){__VA_ARGS__})
#define BAD         "\xef\xbf\xbd"

static void test_stream(void **state)
{
    struct fixture f;
    open_spm(&f);
    // The space before the first word is not part of the text, those of later words are.
    check_detokenized(&f, false, TOKENS(1, S(SP "hi"), S(SP "hi"), S("  ")),
                      PARTS("", "hi", " hi", "  ", ""));
    struct smr_detokenizer further; // what goes on after something keeps it
    struct smr_string text;
    smr_string_init(&text, f.context);
    smr_detokenizer_init(&further, f.vocab, false);
    smr_detokenizer_add(&further, S(SP "hi"), &text);
    assert_string_equal(text.data, " hi");
    smr_string_finish(&text);
    // No half of a character.
    check_detokenized(&f, false, TOKENS(BYTE(0xf0), BYTE(0x9f), BYTE(0x98), BYTE(0x80), S("a")),
                      PARTS("", "", "", "\xf0\x9f\x98\x80", "a", ""));
    // What can become no character any more.
    check_detokenized(&f, false, TOKENS(BYTE(0xf0), BYTE(0x9f), S("a")),
                      PARTS("", "", BAD "a", ""));
    check_detokenized(&f, false, TOKENS(BYTE(0xff), BYTE(0x80)), PARTS(BAD, BAD, ""));
    check_detokenized(&f, false, TOKENS(BYTE(0xe2), BYTE(0xe2), BYTE(0x82), BYTE(0xac)),
                      PARTS("", BAD, "", "\xe2\x82\xac", ""));
    check_detokenized(&f, false, TOKENS(BYTE(0xe2), BYTE(0x82)), PARTS("", "", BAD));
    // Control tokens where they are asked for; numbers that are no tokens are nothing.
    check_detokenized(&f, false, TOKENS(S("<|im_end|>"), 99999, -5), PARTS("", "", "", ""));
    check_detokenized(&f, true, TOKENS(S("<|im_end|>")), PARTS("<|im_end|>", ""));
    finish(&f);
}

static void test_token_bytes(void **state)
{
    struct fixture f;
    size_t size;
    open_bpe(&f, "gpt-2");
    assert_memory_equal(smr_token_bytes(f.model, B(G "wor"), false, &size), " wor", 4);
    assert_int_equal(size, 4);
    assert_non_null(smr_token_bytes(f.model, B("<|im_end|>"), false, &size));
    assert_int_equal(size, 0);
    smr_token_bytes(f.model, B("<|im_end|>"), true, &size);
    assert_int_equal(size, 10);
    assert_null(smr_token_bytes(f.model, -1, true, &size));
    assert_null(smr_token_bytes(f.model, (int32_t)smr_vocab_size(f.vocab), true, &size));
    smr_token_bytes(f.model, 0, false, &size); // the byte zero
    assert_int_equal(size, 1);

    assert_true(smr_vocab_is_end(f.vocab, B("<|im_end|>")));
    assert_false(smr_vocab_is_end(f.vocab, B("<|im_start|>")));
    assert_int_equal(smr_vocab_bos(f.vocab), B("<|im_start|>"));
    assert_int_equal(smr_vocab_find(f.vocab, G "wor", 5), B(G "wor"));
    assert_int_equal(smr_vocab_find(f.vocab, "wor", 3), -1);
    assert_int_equal(smr_vocab_token_type(f.vocab, B("<tool>")), SMR_TOKEN_USER_DEFINED);
    finish(&f);
}

// Random bytes come back as they went in, repaired.
static void test_round_trip(void **state)
{
    struct fixture f;
    uint32_t random = 1;
    open_bpe(&f, "llama-bpe");
    for (int round = 0; round < 2000; round++) {
        char text[64];
        struct smr_detokenizer stream, direct;
        struct smr_string got, expected;
        int32_t *tokens;
        size_t n, size = (size_t)round % sizeof(text);
        smr_string_init(&got, f.context);
        smr_string_init(&expected, f.context);
        smr_detokenizer_init(&stream, f.vocab, false);
        smr_detokenizer_init(&direct, f.vocab, false);
        for (size_t i = 0; i < size; i++) {
            random = random * 1664525 + 1013904223;
            text[i] = round % 2 ? (char)(random >> 24)
                                : "hello wor\n\xc3\xa9\xf0\x9f\x98\x80"[random >> 28];
            smr_detokenizer_add(&direct, (uint8_t)text[i], &expected); // tokens 0 to 255 are bytes
        }
        smr_detokenizer_end(&direct, &expected);
        assert_true(smr_tokenize(f.model, text, size, 0, &tokens, &n));
        for (size_t i = 0; i < n; i++)
            smr_detokenizer_add(&stream, tokens[i], &got);
        smr_detokenizer_end(&stream, &got);
        assert_int_equal(got.size, expected.size);
        if (got.size)
            assert_memory_equal(got.data, expected.data, got.size);
        smr_tokens_free(f.model, tokens);
        smr_string_finish(&got);
        smr_string_finish(&expected);
    }
    finish(&f);
}

// ---- limits -----------------------------------------------------------------------------------

// Encode `size` bytes of a repeated text; a minute of processor time is never linear.
static void check_long(struct fixture *f, const char *unit, size_t size)
{
    char *text = malloc(size);
    size_t n, n_unit = strlen(unit);
    int32_t *tokens;
    assert_non_null(text);
    for (size_t i = 0; i < size; i++)
        text[i] = unit[i % n_unit];
    uint64_t start = smr_thread_time_ns();
    assert_true(smr_tokenize(f->model, text, size, 0, &tokens, &n));
    assert_true(smr_thread_time_ns() - start < 60000000000);
    assert_true(n >= size / 64);
    smr_tokens_free(f->model, tokens);
    free(text);
}

static void test_long_texts(void **state)
{
    static const char *const units[] = {" ", "\n", "aA", "1", " \n", "<", "\xe4\xb8\xad", "\xff"};
    static const char *const pres[] = {"gpt-2",          "llama-bpe",   "qwen2",  "tekken",
                                       "deepseek-coder", "deepseek-v3", "gpt-4o", "kimi-k2"};
    struct fixture f;
    for (size_t p = 0; p <= SMR_COUNT(pres); p++) {
        if (p < SMR_COUNT(pres))
            open_bpe(&f, pres[p]);
        else
            open_spm(&f);
        check_long(&f, "a", 1 << 20);
        for (size_t u = 0; u < SMR_COUNT(units); u++)
            check_long(&f, units[u], 1 << 17);
        finish(&f);
    }
}

// What is wrong with a file, and what the error must say.
struct wrong {
    const char *says;
    void (*build)(struct gguf_builder *builder);
};

static void wrong_nothing(struct gguf_builder *builder)
{
    gguf_key_u32(builder, "other", 1);
}
static void wrong_model(struct gguf_builder *builder)
{
    gguf_key_string(builder, "tokenizer.ggml.model", "rwkv");
}
static void wrong_pre(struct gguf_builder *builder)
{
    text_bpe(builder, "no-such-family");
}
static void wrong_no_tokens(struct gguf_builder *builder)
{
    gguf_key_string(builder, "tokenizer.ggml.model", "llama");
}
static void wrong_no_entries(struct gguf_builder *builder)
{
    gguf_key_string(builder, "tokenizer.ggml.model", "llama");
    gguf_key_array(builder, "tokenizer.ggml.tokens", GGUF_STRING, 0);
}
static void wrong_tokens_are_numbers(struct gguf_builder *builder)
{
    gguf_key_string(builder, "tokenizer.ggml.model", "llama");
    gguf_key_array(builder, "tokenizer.ggml.tokens", GGUF_U32, 1);
    gguf_put_u32(builder, 7);
}
static void put_two(struct gguf_builder *builder, size_t n_numbers, int32_t type)
{
    const struct text_token tokens[] = {{"a", 0, type}, {"b", 0, type}};
    text_put_tokens(builder, tokens, 2, n_numbers);
}
static void wrong_counts(struct gguf_builder *builder)
{
    gguf_key_string(builder, "tokenizer.ggml.model", "llama");
    put_two(builder, 3, 1);
}
static void wrong_type(struct gguf_builder *builder)
{
    gguf_key_string(builder, "tokenizer.ggml.model", "llama");
    put_two(builder, 2, 7);
}
static void wrong_no_scores(struct gguf_builder *builder)
{
    gguf_key_string(builder, "tokenizer.ggml.model", "llama");
    gguf_key_array(builder, "tokenizer.ggml.tokens", GGUF_STRING, 1);
    gguf_put_string(builder, "a");
}
static void wrong_no_merges(struct gguf_builder *builder)
{
    gguf_key_string(builder, "tokenizer.ggml.model", "gpt2");
    gguf_key_string(builder, "tokenizer.ggml.pre", "gpt-2");
    put_two(builder, 2, 1);
}
static void wrong_merges(struct gguf_builder *builder)
{
    wrong_no_merges(builder);
    gguf_key_array(builder, "tokenizer.ggml.merges", GGUF_F32, 1);
    gguf_put_u32(builder, 0);
}
static void wrong_id(struct gguf_builder *builder)
{
    gguf_key_string(builder, "tokenizer.ggml.model", "llama");
    put_two(builder, 2, 1);
    gguf_key_u32(builder, "tokenizer.ggml.eos_token_id", 2);
}

static void test_wrong_files(void **state)
{
    static const struct wrong rows[] = {
        {"tokenizer.ggml.model", wrong_nothing},    {"\"rwkv\"", wrong_model},
        {"\"no-such-family\"", wrong_pre},          {"tokenizer.ggml.tokens", wrong_no_tokens},
        {"of 0 tokens", wrong_no_entries},          {"is no string", wrong_tokens_are_numbers},
        {"3 entries for 2 tokens", wrong_counts},   {"type 7", wrong_type},
        {"tokenizer.ggml.scores", wrong_no_scores}, {"tokenizer.ggml.merges", wrong_no_merges},
        {"tokenizer.ggml.merges", wrong_merges},    {"tokenizer.ggml.eos_token_id is 2", wrong_id},
    };
    for (size_t i = 0; i < SMR_COUNT(rows); i++) {
        struct fixture f;
        int32_t *tokens;
        size_t n;
        begin(&f);
        rows[i].build(&f.builder);
        open_fixture(&f);
        assert_null(f.vocab);
        assert_int_equal(smr_context_status(f.context), SMR_ERROR_MODEL);
        assert_non_null(strstr(smr_context_error(f.context), "m.gguf: "));
        if (!strstr(smr_context_error(f.context), rows[i].says))
            fail_msg("\"%s\" does not say %s", smr_context_error(f.context), rows[i].says);
        assert_false(smr_tokenize(f.model, "a", 1, 0, &tokens, &n));
        finish(&f);
    }
}

// Merges that name what is no token, and twice the same token, do no harm.
static void test_odd_files(void **state)
{
    static const char *const merges[] = {"a b", "", " ", "a", "a  b", "x a", "b b b", "b b"};
    static const struct text_token tokens[] = {{"a", 0, 1},   {"b", 0, 1}, {"ab", 0, 1},
                                               {"ab", 0, 1},  {"", 0, 3},  {"bb", 0, 1},
                                               {"\xff", 0, 1}};
    struct fixture f;
    begin(&f);
    gguf_key_string(&f.builder, "tokenizer.ggml.model", "gpt2");
    gguf_key_string(&f.builder, "tokenizer.ggml.pre", "gpt-2");
    text_put_tokens(&f.builder, tokens, SMR_COUNT(tokens), SMR_COUNT(tokens));
    gguf_key_array(&f.builder, "tokenizer.ggml.merges", GGUF_STRING, SMR_COUNT(merges));
    for (size_t i = 0; i < SMR_COUNT(merges); i++)
        gguf_put_string(&f.builder, merges[i]);
    open_fixture(&f);
    CHECK(&f, "abbbxab", SMR_TOKENIZE_SPECIAL, 2, 5, 2); // 'x' is not in this vocabulary
    finish(&f);
}

static bool use_everything(struct test_memory *memory, const struct gguf_builder *builder)
{
    static const char text[] = "hello  wor<tool> \xff<|im_end|> hi\n\nhi";
    smr_context *context = test_context(memory, NULL);
    if (!context)
        return false;
    int32_t *tokens = NULL;
    size_t n = 0;
    smr_model *model = smr_model_open_memory(context, "m.gguf", builder->data, builder->size);
    bool ok =
        model && smr_tokenize(model, text, sizeof(text) - 1, SMR_TOKENIZE_SPECIAL, &tokens, &n);
    char *prompt = ok ? smr_chat_prompt(model, &(struct smr_chat_params){.user = "hello"}) : NULL;
    ok = ok && prompt;
    if (!ok)
        assert_int_equal(smr_context_status(context), SMR_ERROR_MEMORY);
    if (model) {
        smr_text_free(model, prompt);
        smr_tokens_free(model, tokens);
    }
    smr_model_close(model);
    smr_context_destroy(context);
    return ok;
}

static void test_memory_runs_out(void **state)
{
    for (int kind = 0; kind < 2; kind++) {
        struct fixture f;
        begin(&f);
        if (kind)
            text_bpe(&f.builder, "deepseek-v3");
        else
            text_spm(&f.builder);
        gguf_key_string(&f.builder, "tokenizer.chat_template", "<|im_start|>");
        if (!kind)
            key_bool(&f.builder, "tokenizer.ggml.remove_extra_whitespaces", true);
        bool ok = false;
        size_t fail_at = 1;
        for (; !ok; fail_at++) {
            struct test_memory memory = {.fail_at = fail_at};
            ok = use_everything(&memory, &f.builder);
            assert_int_equal(memory.n_live, 0);
            assert_int_equal(ok, memory.n_calls < fail_at);
        }
        assert_true(fail_at > 20);
        gguf_builder_finish(&f.builder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spm_merges),  cmocka_unit_test(test_spm_special),
        cmocka_unit_test(test_spm_options), cmocka_unit_test(test_spm_without_bytes),
        cmocka_unit_test(test_phi3_strips), cmocka_unit_test(test_bpe_merges),
        cmocka_unit_test(test_bpe_words),   cmocka_unit_test(test_bpe_special),
        cmocka_unit_test(test_bad_bytes),   cmocka_unit_test(test_stream),
        cmocka_unit_test(test_token_bytes), cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_long_texts),  cmocka_unit_test(test_wrong_files),
        cmocka_unit_test(test_odd_files),   cmocka_unit_test(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
