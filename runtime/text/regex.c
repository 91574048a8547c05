// regex.c - running PCRE2.
//
// Its interpreter does it: its compiler to machine code would save a third of the time (30 ms per MB
// of words), and wants memory that is writable and executable and does not come from our allocator.
#include "text/regex.h"

#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

// What one match may cost. A pattern that fits the text visits each character a few times; the
// limits stop what does not, so that it fails and neither hangs nor fills the memory.
enum { MATCH_STEPS_PER_BYTE = 32, MATCH_STEPS = 1000000, MATCH_HEAP_KIB = 256 * 1024 };

struct smr_regex {
    smr_context *context;
    pcre2_general_context *memory;
    pcre2_code *code;
    char *literal; // instead of `code`
    size_t literal_size;
};

struct smr_regex_search {
    smr_context *context;
    pcre2_general_context *memory;
    pcre2_match_data *match;
    pcre2_match_context *limits;
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
    return smr_fail(context, SMR_ERROR_MODEL, "%s: PCRE2 error %d: %s", what, code,
                    (char *)message);
}

struct smr_regex *smr_regex_create(smr_context *context, const char *name, const char *pattern,
                                   size_t size)
{
    int code = PCRE2_ERROR_NOMEMORY;
    PCRE2_SIZE at;
    pcre2_compile_context *options = NULL;
    struct smr_regex *regex = smr_alloc(context, 1, sizeof(*regex), "regular expressions");
    if (!regex)
        return NULL;
    regex->context = context;
    regex->memory = pcre2_general_context_create(allocate, release, context);
    if (regex->memory)
        options = pcre2_compile_context_create(regex->memory);
    if (options) {
        pcre2_set_newline(options, PCRE2_NEWLINE_LF);
        // \C would cut a character in two.
        uint32_t flags = PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C;
        regex->code = pcre2_compile((PCRE2_SPTR)pattern, size, flags, &code, &at, options);
    }
    pcre2_compile_context_free(options);
    if (regex->code)
        return regex;
    fail_pcre(context, name, code);
    smr_regex_destroy(regex);
    return NULL;
}

struct smr_regex *smr_regex_create_literal(smr_context *context, const char *text, size_t size)
{
    struct smr_regex *regex = smr_alloc(context, 1, sizeof(*regex), "regular expressions");
    if (!regex)
        return NULL;
    regex->context = context;
    regex->literal_size = size;
    regex->literal = smr_alloc(context, size, 1, "regular expressions");
    if (!regex->literal) {
        smr_free(context, regex);
        return NULL;
    }
    memcpy(regex->literal, text, size);
    return regex;
}

void smr_regex_destroy(struct smr_regex *regex)
{
    if (!regex)
        return;
    smr_free(regex->context, regex->literal);
    pcre2_code_free(regex->code);
    pcre2_general_context_free(regex->memory);
    smr_free(regex->context, regex);
}

struct smr_regex_search *smr_regex_search_create(smr_context *context)
{
    struct smr_regex_search *search = smr_alloc(context, 1, sizeof(*search), "regular expressions");
    if (!search)
        return NULL;
    search->context = context;
    search->memory = pcre2_general_context_create(allocate, release, context);
    if (search->memory) {
        search->match = pcre2_match_data_create(1, search->memory);
        search->limits = pcre2_match_context_create(search->memory);
    }
    if (search->match && search->limits) {
        pcre2_set_heap_limit(search->limits, MATCH_HEAP_KIB);
        return search;
    }
    smr_regex_search_destroy(search);
    return NULL;
}

void smr_regex_search_destroy(struct smr_regex_search *search)
{
    if (!search)
        return;
    pcre2_match_data_free(search->match);
    pcre2_match_context_free(search->limits);
    pcre2_general_context_free(search->memory);
    smr_free(search->context, search);
}

static void find_literal(const struct smr_regex *regex, const char *text, size_t size, size_t from,
                         size_t *start, size_t *end)
{
    size_t n = regex->literal_size;
    while (size - from >= n) {
        const char *hit = memchr(text + from, regex->literal[0], size - from - n + 1);
        if (!hit)
            return;
        from = (size_t)(hit - text);
        if (!memcmp(hit, regex->literal, n)) {
            *start = from;
            *end = from + n;
            return;
        }
        from++;
    }
}

bool smr_regex_find(const struct smr_regex *regex, struct smr_regex_search *search,
                    const char *text, size_t size, size_t from, size_t last_end, size_t *start,
                    size_t *end)
{
    *start = *end = SIZE_MAX;
    if (regex->literal) {
        find_literal(regex, text, size, from, start, end);
        return true;
    }
    size_t steps = MATCH_STEPS + size * MATCH_STEPS_PER_BYTE;
    pcre2_set_match_limit(search->limits, steps < UINT32_MAX ? (uint32_t)steps : UINT32_MAX);
    uint32_t options = PCRE2_NO_UTF_CHECK | (from == last_end ? PCRE2_NOTEMPTY_ATSTART : 0);
    int n = pcre2_match(regex->code, (PCRE2_SPTR)text, size, from, options, search->match,
                        search->limits);
    if (n == PCRE2_ERROR_NOMATCH)
        return true;
    if (n < 0)
        return fail_pcre(regex->context, "searching a text", n);
    const PCRE2_SIZE *range = pcre2_get_ovector_pointer(search->match);
    *start = range[0];
    *end = range[1] > range[0] ? range[1] : range[0]; // \K in a lookahead can turn them around
    return true;
}

bool smr_regex_replace(const struct smr_regex *regex, struct smr_regex_search *search,
                       const char *text, size_t size, const char *with, size_t with_size,
                       struct smr_string *out)
{
    size_t from = 0, last_end = SIZE_MAX, start, end;
    for (;;) {
        if (!smr_regex_find(regex, search, text, size, from, last_end, &start, &end))
            return false;
        if (start == SIZE_MAX)
            break;
        smr_string_add(out, text + from, start - from);
        smr_string_add(out, with, with_size);
        from = last_end = end;
    }
    smr_string_add(out, text + from, size - from);
    return true;
}
