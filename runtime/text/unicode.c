// unicode.c - libutf8proc where it does what is needed: its own loops allocate by malloc() and sort
// combining marks in quadratic time.
#include "text/unicode.h"
#include "text/utf8.h"

#include <string.h>
#include <utf8proc.h>

size_t smr_grapheme_size(const char *text, size_t size)
{
    size_t at, n;
    utf8proc_int32_t state = 0;
    smr_utf8_next(text, size, &at);
    uint32_t code = smr_utf8_decode(text, at);
    while (at < size) {
        smr_utf8_next(text + at, size - at, &n);
        uint32_t next = smr_utf8_decode(text + at, n);
        if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)code, (utf8proc_int32_t)next,
                                             &state))
            break;
        code = next;
        at += n;
    }
    return at;
}

// ---- classes ----------------------------------------------------------------------------------

bool smr_is_white(uint32_t code)
{
    return code == ' ' || (code >= '\t' && code <= '\r') || code == 0x85 || code == 0xa0 ||
           code == 0x1680 || (code >= 0x2000 && code <= 0x200a) || code == 0x2028 ||
           code == 0x2029 || code == 0x202f || code == 0x205f || code == 0x3000;
}

bool smr_is_word(uint32_t code)
{
    switch (utf8proc_category((utf8proc_int32_t)code)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
        return true;
    default:
        return code == 0x200c || code == 0x200d; // Join_Control
    }
}

uint32_t smr_categories(uint32_t code)
{
    switch (utf8proc_category((utf8proc_int32_t)code)) {
    case UTF8PROC_CATEGORY_MN:
        return SMR_MARK_NONSPACING | SMR_MARK;
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
        return SMR_MARK;
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
        return SMR_OTHER;
    default:
        return 0;
    }
}

static void add_code(struct smr_string *out, int32_t code)
{
    char text[4];
    smr_string_add(out, text, smr_utf8_encode((uint32_t)code, text));
}

void smr_lowercase(const char *text, size_t size, struct smr_string *out)
{
    for (size_t at = 0, n; at < size; at += n) {
        smr_utf8_next(text + at, size - at, &n);
        uint32_t code = smr_utf8_decode(text + at, n);
        if (code == 0x130) // the only one that becomes two: SpecialCasing.txt
            smr_string_add(out, "i\xcc\x87", 3);
        else
            add_code(out, utf8proc_tolower((utf8proc_int32_t)code));
    }
}

// ---- normal forms -----------------------------------------------------------------------------

// Characters of a text with their combining classes, growing.
struct codes {
    smr_context *context;
    int32_t *data;
    size_t n, capacity;
};

enum { MAX_DECOMPOSITION = 32 }; // characters; the longest is of 18

static bool reserve(struct codes *codes)
{
    return smr_grow(codes->context, &codes->data, &codes->capacity, codes->n + MAX_DECOMPOSITION,
                    sizeof(*codes->data), "characters");
}

static bool decompose(const char *text, size_t size, bool compatible, struct codes *codes)
{
    utf8proc_option_t options = UTF8PROC_DECOMPOSE | (compatible ? UTF8PROC_COMPAT : 0);
    for (size_t at = 0, n; at < size; at += n) {
        if (!reserve(codes))
            return false;
        smr_utf8_next(text + at, size - at, &n);
        int32_t code = (int32_t)smr_utf8_decode(text + at, n);
        utf8proc_ssize_t added =
            utf8proc_decompose_char(code, codes->data + codes->n, MAX_DECOMPOSITION, options, NULL);
        if (added < 0 || added > MAX_DECOMPOSITION) { // not of this data; the character stays
            codes->data[codes->n] = code;
            added = 1;
        }
        codes->n += (size_t)added;
    }
    return true;
}

static uint32_t combining_class(int32_t code)
{
    return (uint32_t)utf8proc_get_property(code)->combining_class & 0xff;
}

// Sort a run of combining marks by class, stable: count them, then place them.
static void sort_marks(int32_t *marks, size_t n, int32_t *scratch)
{
    size_t at[257] = {0};
    for (size_t i = 0; i < n; i++)
        at[combining_class(marks[i]) + 1]++;
    for (size_t i = 1; i < 257; i++)
        at[i] += at[i - 1];
    for (size_t i = 0; i < n; i++)
        scratch[at[combining_class(marks[i])]++] = marks[i];
    memcpy(marks, scratch, n * sizeof(*marks));
}

static bool order_marks(struct codes *codes)
{
    int32_t *scratch = NULL;
    size_t capacity = 0;
    for (size_t i = 0, end; i < codes->n; i = end) {
        for (end = i; end < codes->n && combining_class(codes->data[end]); end++)
            ;
        if (!smr_grow(codes->context, &scratch, &capacity, end - i, sizeof(*scratch),
                      "characters")) {
            smr_free(codes->context, scratch);
            return false;
        }
        if (end - i > 1)
            sort_marks(codes->data + i, end - i, scratch);
        end += end == i;
    }
    smr_free(codes->context, scratch);
    return true;
}

bool smr_normal_form(enum smr_normal_form form, const char *text, size_t size,
                     struct smr_string *out)
{
    struct codes codes = {.context = out->context};
    bool ok =
        decompose(text, size, form == SMR_NFKD || form == SMR_NFKC, &codes) && order_marks(&codes);
    if (ok && codes.n && (form == SMR_NFC || form == SMR_NFKC)) {
        utf8proc_ssize_t n = utf8proc_normalize_utf32(codes.data, (utf8proc_ssize_t)codes.n,
                                                      UTF8PROC_COMPOSE | UTF8PROC_STABLE);
        codes.n = n < 0 ? codes.n : (size_t)n;
    }
    for (size_t i = 0; ok && i < codes.n; i++)
        add_code(out, codes.data[i]);
    smr_free(out->context, codes.data);
    return ok && !out->failed;
}
