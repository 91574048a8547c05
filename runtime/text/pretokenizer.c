// pretokenizer.c - running the expressions of pretokenizer_table.c.
//
// PCRE2's interpreter does it: its compiler to machine code would save a third of the time (30 ms
// per MB), and wants memory that is writable and executable and does not come from our allocator.
#include "text/pretokenizer.h"
#include "text/pretokenizer_table.h"

#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

// What one match may cost. A pattern that fits the text visits each character a few times; the
// limits stop what does not, so that it fails and neither hangs nor fills the memory.
enum { MATCH_STEPS_PER_BYTE = 32, MATCH_STEPS = 1000000, MATCH_HEAP_KIB = 256 * 1024 };

struct smr_pretokenizer {
    smr_context *context;
    pcre2_general_context *memory;
    pcre2_code *codes[SMR_PRE_MAX_PATTERNS];
    size_t n_codes;
};

static void *allocate(size_t size, void *context)
{
    return smr_alloc(context, 1, size, "regular expressions");
}

static void release(void *pointer, void *context)
{
    smr_free(context, pointer);
}

static bool fail_pcre(smr_context *context, const char *what, int code)
{
    PCRE2_UCHAR message[128];
    if (code == PCRE2_ERROR_NOMEMORY)
        return smr_fail(context, SMR_ERROR_MEMORY, "no memory for regular expressions");
    if (pcre2_get_error_message(code, message, sizeof(message)) < 0)
        message[0] = 0;
    return smr_fail(context, SMR_ERROR, "%s: PCRE2 error %d: %s", what, code, (char *)message);
}

static bool compile(struct smr_pretokenizer *pre, const char *pattern)
{
    int code;
    PCRE2_SIZE at;
    pcre2_compile_context *options = pcre2_compile_context_create(pre->memory);
    if (!options)
        return fail_pcre(pre->context, "words", PCRE2_ERROR_NOMEMORY);
    pre->codes[pre->n_codes] = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                                             PCRE2_UTF | PCRE2_UCP, &code, &at, options);
    pcre2_compile_context_free(options);
    if (!pre->codes[pre->n_codes])
        return fail_pcre(pre->context, "an expression for words", code);
    pre->n_codes++;
    return true;
}

static const struct smr_pretokenizer_row *find_row(const char *name)
{
    for (size_t i = 0; i < smr_pretokenizer_n_rows; i++)
        if (!strcmp(smr_pretokenizer_rows[i].name, name))
            return &smr_pretokenizer_rows[i];
    return NULL;
}

struct smr_pretokenizer *smr_pretokenizer_create(smr_context *context, const char *name,
                                                 uint32_t *flags)
{
    const struct smr_pretokenizer_row *row = find_row(name ? name : "default");
    if (!row)
        return NULL;
    struct smr_pretokenizer *pre = smr_alloc(context, 1, sizeof(*pre), "a pre-tokenizer");
    if (!pre)
        return NULL;
    pre->context = context;
    pre->memory = pcre2_general_context_create(allocate, release, context);
    if (!pre->memory)
        goto failed;
    const struct smr_pretokenizer_set *set = &smr_pretokenizer_sets[row->id];
    for (size_t i = 0; i < SMR_PRE_MAX_PATTERNS && set->patterns[i]; i++)
        if (!compile(pre, set->patterns[i]))
            goto failed;
    *flags = row->flags;
    return pre;
failed:
    smr_pretokenizer_destroy(pre);
    return NULL;
}

void smr_pretokenizer_destroy(struct smr_pretokenizer *pre)
{
    if (!pre)
        return;
    for (size_t i = 0; i < pre->n_codes; i++)
        pcre2_code_free(pre->codes[i]);
    pcre2_general_context_free(pre->memory);
    smr_free(pre->context, pre);
}

struct splitting {
    const struct smr_pretokenizer *pre;
    pcre2_match_data *match;
    pcre2_match_context *limits;
    bool (*word)(void *user, const char *word, size_t size);
    void *user;
};

// Find the next match from `from` on. False on errors; no match is one of size 0 at the end.
static bool next_match(struct splitting *splitting, size_t level, const char *text, size_t size,
                       size_t from, size_t *start, size_t *end)
{
    const pcre2_code *code = splitting->pre->codes[level];
    uint32_t options = PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY;
    int n = pcre2_match(code, (PCRE2_SPTR)text, size, from, options, splitting->match,
                        splitting->limits);
    if (n < 0 && n != PCRE2_ERROR_NOMATCH)
        return fail_pcre(splitting->pre->context, "cutting a text into words", n);
    const PCRE2_SIZE *range = pcre2_get_ovector_pointer(splitting->match);
    *start = n < 0 ? size : range[0];
    *end = n < 0 ? size : range[1];
    return true;
}

// The matches of expression `level` and what lies between are cut by the next level.
static bool split(struct splitting *splitting, size_t level, const char *text, size_t size)
{
    if (!size)
        return true;
    if (level == splitting->pre->n_codes)
        return splitting->word(splitting->user, text, size);
    for (size_t at = 0, start = 0, end = 0; at < size; at = end) {
        if (!next_match(splitting, level, text, size, at, &start, &end))
            return false;
        if (!split(splitting, level + 1, text + at, start - at) ||
            !split(splitting, level + 1, text + start, end - start))
            return false;
    }
    return true;
}

bool smr_pretokenizer_split(const struct smr_pretokenizer *pre, const char *text, size_t size,
                            bool (*word)(void *user, const char *word, size_t size), void *user)
{
    struct splitting splitting = {
        .pre = pre,
        .match = pcre2_match_data_create(1, pre->memory),
        .limits = pcre2_match_context_create(pre->memory),
        .word = word,
        .user = user,
    };
    bool ok = false;
    if (splitting.match && splitting.limits) {
        size_t steps = MATCH_STEPS + size * MATCH_STEPS_PER_BYTE;
        pcre2_set_match_limit(splitting.limits, steps < UINT32_MAX ? (uint32_t)steps : UINT32_MAX);
        pcre2_set_heap_limit(splitting.limits, MATCH_HEAP_KIB);
        ok = split(&splitting, 0, text, size);
    }
    pcre2_match_data_free(splitting.match);
    pcre2_match_context_free(splitting.limits);
    return ok;
}
