// test_tokenizers.c - tiny vocabularies against what other tokenizers made of many lines
// (golden/make_tokenizers.py, which also says what the files look like).
#include "support.h"
#include "text/text.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// One file of expectations and its vocabulary.
struct golden {
    char name[64];
    smr_context *context;
    smr_model *model;
    FILE *file;
    size_t n_lines, n_wrong;
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
    assert_true(smr_tokenize(golden->model, text, size, flags | SMR_TOKENIZE_NO_BOS, &tokens, &n));
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
            check_line(golden, text, size, 0, line + 6);
        } else {
            assert_memory_equal(line, "special:", 8);
            check_line(golden, text, size, SMR_TOKENIZE_SPECIAL, line + 8);
        }
    }
}

static void test_golden(const char *folder, const char *name)
{
    struct golden golden = {0};
    char path[1024];
    snprintf(golden.name, sizeof(golden.name), "%s", name);
    snprintf(path, sizeof(path), "%s/%s.gguf", folder, name);
    golden.context = test_context(NULL, NULL);
    golden.model = smr_model_open(golden.context, path);
    if (!golden.model)
        fail_msg("%s", smr_context_error(golden.context));
    snprintf(path, sizeof(path), "%s/%s.expect", folder, name);
    golden.file = fopen(path, "rb");
    assert_non_null(golden.file);
    check_file(&golden);
    fclose(golden.file);
    printf("# %s: %zu lines, %zu wrong\n", name, golden.n_lines, golden.n_wrong);
    assert_true(golden.n_lines > 100);
    assert_int_equal(golden.n_wrong, 0);
    smr_model_close(golden.model);
    smr_context_destroy(golden.context);
}

static void test_all(void **state)
{
    const char *tests = getenv("SMR_TEST_DIR");
    char folder[900];
    size_t n = 0;
    snprintf(folder, sizeof(folder), "%s/golden/tokenizers", tests ? tests : ".");
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
    assert_true(n >= 13);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
