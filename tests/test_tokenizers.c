// test_tokenizers.c - tiny vocabularies against what other tokenizers made of many lines
// (golden/make_tokenizers.py, which also says what the files look like).
#include "model/metadata.h"
#include "support.h"
#include "text/vocab.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// With an argument: the vocabularies of another folder, as make_tokenizers.py --real writes one.
static const char *other_folder;

// One file of expectations and its vocabulary.
struct golden {
    char name[64];
    smr_context *context;
    smr_model *model;
    FILE *file;
    size_t n_lines, n_wrong;
    int32_t tokens[1 << 15]; // of the last line with tokens around
    size_t n_tokens;
};

static int hex(char digit)
{
    const char *digits = "0123456789abcdef";
    const char *at = strchr(digits, digit);
    assert_non_null(at);
    return (int)(at - digits);
}

// Undo the escapes in place; returns the bytes.
static size_t unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from; from++) {
        if (*from != '\\') {
            *to++ = *from;
            continue;
        }
        from++;
        if (*from == 'x') {
            *to++ = (char)(hex(from[1]) * 16 + hex(from[2]));
            from += 2;
        } else {
            *to++ = *from == 'n' ? '\n' : *from == 'r' ? '\r' : *from;
        }
    }
    return (size_t)(to - text);
}

static void check_line(struct golden *golden, const char *text, size_t size, uint32_t flags,
                       const char *ids)
{
    int32_t *tokens;
    size_t n, i = 0;
    char *end;
    golden->n_lines++;
    assert_true(smr_tokenize(golden->model, text, size, flags, &tokens, &n));
    bool same = true;
    for (long id = strtol(ids, &end, 10); same && end != ids; id = strtol(ids, &end, 10)) {
        ids = end;
        same = i < n && tokens[i] == (int32_t)id;
        i += same;
    }
    same = same && i == n;
    if (!same && golden->n_wrong++ < 5)
        printf("# %s line %zu, flags %u: differs at token %zu of %zu\n", golden->name,
               golden->n_lines, (unsigned)flags, i, n);
    smr_tokens_free(golden->model, tokens);
}

// All that the tokens of the last "around:" line become is `text`.
static void check_decoded(struct golden *golden, const char *text, size_t size)
{
    struct smr_detokenizer stream;
    struct smr_string decoded;
    smr_string_init(&decoded, golden->context);
    smr_detokenizer_init(&stream, smr_vocab_get(golden->model), false);
    stream.at_start = true;
    for (size_t i = 0; i < golden->n_tokens; i++)
        smr_detokenizer_add(&stream, golden->tokens[i], &decoded);
    smr_detokenizer_end(&stream, &decoded);
    bool same = decoded.size == size && (!size || !memcmp(decoded.data, text, size));
    if (!same && golden->n_wrong++ < 5)
        printf("# %s line %zu: decoded is \"%s\"\n", golden->name, golden->n_lines,
               decoded.data ? decoded.data : "");
    smr_string_finish(&decoded);
}

// The expected tokens, to be decoded.
static void keep_tokens(struct golden *golden, const char *ids)
{
    char *end;
    golden->n_tokens = 0;
    for (long id = strtol(ids, &end, 10); end != ids; id = strtol(ids, &end, 10)) {
        assert_true(golden->n_tokens < SMR_COUNT(golden->tokens));
        golden->tokens[golden->n_tokens++] = (int32_t)id;
        ids = end;
    }
}

static void check_file(struct golden *golden)
{
    static char text[1 << 16], line[1 << 16];
    size_t size = 0;
    while (fgets(line, sizeof(line), golden->file)) {
        size_t length = strcspn(line, "\n");
        assert_true(line[length] == '\n');
        line[length] = 0;
        if (!strncmp(line, "text: ", 6)) {
            memcpy(text, line + 6, length - 5);
            size = unescape(text);
        } else if (!strncmp(line, "plain:", 6)) {
            check_line(golden, text, size, SMR_TOKENIZE_NO_BOS, line + 6);
        } else if (!strncmp(line, "around:", 7)) {
            check_line(golden, text, size, SMR_TOKENIZE_SPECIAL, line + 7);
            keep_tokens(golden, line + 7);
        } else if (!strncmp(line, "decoded: ", 9)) {
            check_decoded(golden, line + 9, unescape(line + 9));
        } else {
            assert_memory_equal(line, "special:", 8);
            check_line(golden, text, size, SMR_TOKENIZE_SPECIAL | SMR_TOKENIZE_NO_BOS, line + 8);
            keep_tokens(golden, line + 8);
        }
    }
}

// ---- in GGUF's words --------------------------------------------------------------------------

// Which of the vocabularies that do not come from GGUF can be said in its words, and how many lines
// may give other tokens then: GGUF has no NFC, no added tokens that are normalised or single words,
// and SentencePiece's own rules for T5, which drop spaces at the end and keep clusters of marks.
static const struct {
    const char *name;
    size_t n_other;
} EXPORTED[] = {
    {"json-qwen", 30}, {"json-llama", 30},   {"json-gemma", 0},   {"json-t5", 100},
    {"model-bpe", 0},  {"model-unigram", 0}, {"files-merges", 0}, {"files-marian", 0},
};

static size_t count_other(const struct golden *golden, const struct smr_vocab *read)
{
    static char text[1 << 16], line[1 << 16];
    struct smr_vocab *vocab = smr_vocab_get(golden->model);
    size_t n_other = 0;
    rewind(golden->file);
    while (fgets(line, sizeof(line), golden->file)) {
        struct smr_token_list a = {.context = golden->context}, b = {.context = golden->context};
        line[strcspn(line, "\n")] = 0;
        if (strncmp(line, "text: ", 6) != 0)
            continue;
        memcpy(text, line + 6, strlen(line) - 5);
        size_t size = unescape(text);
        assert_true(smr_vocab_encode(vocab, text, size, SMR_TOKENIZE_SPECIAL, &a));
        assert_true(smr_vocab_encode(read, text, size, SMR_TOKENIZE_SPECIAL, &b));
        n_other += a.n != b.n || (a.n && memcmp(a.data, b.data, a.n * sizeof(*a.data)) != 0);
        smr_free(golden->context, a.data);
        smr_free(golden->context, b.data);
    }
    return n_other;
}

static void check_export(const struct golden *golden)
{
    struct smr_arena arena;
    struct smr_metadata metadata;
    bool exported;
    size_t row = 0;
    smr_arena_init(&arena, golden->context);
    smr_metadata_init(&metadata, &arena);
    while (row < SMR_COUNT(EXPORTED) && strcmp(EXPORTED[row].name, golden->name) != 0)
        row++;
    struct smr_vocab *vocab = smr_vocab_get(golden->model);
    uint32_t n = smr_vocab_size(vocab) + 3;
    assert_true(smr_vocab_export(vocab, n, &metadata, &exported));
    assert_true(other_folder || exported == (row < SMR_COUNT(EXPORTED)));
    if (exported) {
        struct smr_model model = {
            .context = golden->context, .path = golden->name, .metadata = &metadata};
        struct smr_vocab *read = smr_vocab_load(&model);
        assert_non_null(read);
        assert_int_equal(smr_vocab_size(read), n);
        size_t n_other = count_other(golden, read);
        printf("# %s: %zu lines are other tokens in GGUF\n", golden->name, n_other);
        assert_true(other_folder || n_other <= EXPORTED[row].n_other);
        smr_vocab_destroy(read);
    }
    smr_arena_finish(&arena);
}

static void test_golden(const char *folder, const char *name)
{
    static struct golden golden;
    golden = (struct golden){0};
    char path[1024];
    snprintf(golden.name, sizeof(golden.name), "%s", name);
    snprintf(path, sizeof(path), "%s/%s.gguf", folder, name);
    golden.context = test_context(NULL, NULL);
    golden.model = smr_model_open(golden.context, path);
    if (!golden.model)
        printf("# %s: %s\n", name, smr_context_error(golden.context));
    assert_non_null(golden.model);
    snprintf(path, sizeof(path), "%s/%s.expect", folder, name);
    golden.file = fopen(path, "rb");
    assert_non_null(golden.file);
    check_file(&golden);
    if (golden.model && !smr_metadata_has(golden.model->metadata, "tokenizer.ggml.model"))
        check_export(&golden);
    fclose(golden.file);
    printf("# %s: %zu lines, %zu wrong\n", name, golden.n_lines, golden.n_wrong);
    assert_true(golden.n_lines > 100);
    assert_int_equal(golden.n_wrong, 0);
    smr_model_close(golden.model);
    smr_context_destroy(golden.context);
}

// All vocabularies of a folder; returns how many.
static size_t test_folder(const char *folder)
{
    size_t n = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        char name[64];
        size_t length = strlen(entry->d_name);
        if (length < 8 || length > 60 || strcmp(entry->d_name + length - 7, ".expect") != 0)
            continue;
        snprintf(name, sizeof(name), "%.*s", (int)length - 7, entry->d_name);
        test_golden(folder, name);
        n++;
    }
    closedir(dir);
    return n;
}

static void test_all(void **state)
{
    const char *tests = getenv("SMR_TEST_DIR");
    char folder[900];
    snprintf(folder, sizeof(folder), "%s/golden/tokenizers", tests ? tests : ".");
    assert_true(test_folder(folder) >= 25);
}

static void test_other(void **state)
{
    assert_true(test_folder(other_folder) > 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest other[] = {cmocka_unit_test(test_other)};
    if (argc > 1) {
        other_folder = argv[1];
        return cmocka_run_group_tests(other, NULL, NULL);
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
