// normalize.c - the steps of a normalizer.
#include "text/normalize.h"
#include "text/letters.h"
#include "text/utf8.h"

#include <string.h>

struct smr_normalizer {
    smr_context *context;
    struct smr_normalize_step steps[SMR_NORMALIZE_MAX_STEPS];
    size_t n_steps;
};

struct smr_normalizer *smr_normalizer_create(smr_context *context)
{
    struct smr_normalizer *normalizer = smr_alloc(context, 1, sizeof(*normalizer), "a normalizer");
    if (normalizer)
        normalizer->context = context;
    return normalizer;
}

static void finish_step(smr_context *context, struct smr_normalize_step *step)
{
    smr_charsmap_destroy(step->charsmap);
    smr_regex_destroy(step->regex);
    smr_free(context, (char *)step->text);
}

void smr_normalizer_destroy(struct smr_normalizer *normalizer)
{
    if (!normalizer)
        return;
    for (size_t i = 0; i < normalizer->n_steps; i++)
        finish_step(normalizer->context, &normalizer->steps[i]);
    smr_free(normalizer->context, normalizer);
}

bool smr_normalizer_add(struct smr_normalizer *normalizer, const struct smr_normalize_step *step)
{
    smr_context *context = normalizer->context;
    struct smr_normalize_step copy = *step;
    char *text = smr_alloc(context, step->text_size + 1, 1, "a normalizer");
    if (text && step->text_size)
        memcpy(text, step->text, step->text_size);
    copy.text = text;
    bool full = normalizer->n_steps == SMR_NORMALIZE_MAX_STEPS;
    if (full)
        smr_fail(context, SMR_ERROR_MODEL, "a normalizer of more than %d steps",
                 SMR_NORMALIZE_MAX_STEPS);
    if (full || !copy.text) {
        finish_step(context, &copy);
        return false;
    }
    normalizer->steps[normalizer->n_steps++] = copy;
    return true;
}

const struct smr_normalize_step *smr_normalizer_steps(const struct smr_normalizer *normalizer,
                                                      size_t *n)
{
    *n = normalizer ? normalizer->n_steps : 0;
    return normalizer ? normalizer->steps : NULL;
}

// ---- steps ------------------------------------------------------------------------------------

static void squeeze(const char *text, size_t size, struct smr_string *out)
{
    bool gap = false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == ' ') {
            gap = true;
            continue;
        }
        if (gap && out->size)
            smr_string_add(out, " ", 1);
        smr_string_add(out, text + i, 1);
        gap = false;
    }
}

static void strip(const struct smr_normalize_step *step, const char *text, size_t size,
                  struct smr_string *out)
{
    size_t start = size, end = 0;
    for (size_t at = 0, n; at < size; at += n) {
        smr_utf8_next(text + at, size - at, &n);
        if (smr_is_white(smr_utf8_decode(text + at, n)))
            continue;
        start = at < start ? at : start;
        end = at + n;
    }
    start = step->left ? start : 0;
    end = step->right ? end : size;
    smr_string_add(out, text + start, end > start ? end - start : 0);
}

static bool is_han(uint32_t code)
{
    return (code >= 0x4e00 && code <= 0x9fff) || (code >= 0x3400 && code <= 0x4dbf) ||
           (code >= 0x20000 && code <= 0x2a6df) || (code >= 0x2a700 && code <= 0x2b81f) ||
           (code >= 0x2b920 && code <= 0x2ceaf) || (code >= 0xf900 && code <= 0xfaff) ||
           (code >= 0x2f800 && code <= 0x2fa1f);
}

// What SentencePiece's nmt rules drop, and what they take for a space.
static bool nmt_drops(uint32_t code)
{
    return (code >= 1 && code <= 8) || code == 0xb || (code >= 0xe && code <= 0x1f) ||
           code == 0x7f || code == 0x8f || code == 0x9f;
}

static bool nmt_spaces(uint32_t code)
{
    return code == '\t' || code == '\n' || code == '\f' || code == '\r' || code == 0x1680 ||
           (code >= 0x200b && code <= 0x200f) || code == 0x2028 || code == 0x2029 ||
           code == 0x2581 || code == 0xfeff || code == 0xfffd;
}

static bool clean_drops(uint32_t code)
{
    if (code == '\t' || code == '\n' || code == '\r')
        return false;
    return !code || code == 0xfffd || (smr_categories(code) & SMR_OTHER);
}

// Steps that look at one character at a time.
static void map_character(const struct smr_normalize_step *step, const char *text, size_t size,
                          struct smr_string *out)
{
    uint32_t code = smr_utf8_decode(text, size);
    bool drop = false, space = false;
    switch (step->kind) {
    case SMR_NORMALIZE_DROP:
        drop = smr_categories(code) & step->categories;
        break;
    case SMR_NORMALIZE_NMT:
        drop = nmt_drops(code);
        space = nmt_spaces(code);
        break;
    case SMR_NORMALIZE_CLEAN:
        drop = clean_drops(code);
        space = smr_is_white(code);
        break;
    default:
        break;
    }
    bool around = step->kind == SMR_NORMALIZE_SPACE_HAN && is_han(code);
    if (drop)
        return;
    if (around)
        smr_string_add(out, " ", 1);
    smr_string_add(out, space ? " " : text, space ? 1 : size);
    if (around)
        smr_string_add(out, " ", 1);
}

static bool run_step(const struct smr_normalize_step *step, struct smr_regex_search *search,
                     const char *text, size_t size, struct smr_string *out)
{
    switch (step->kind) {
    case SMR_NORMALIZE_CHARSMAP:
        smr_charsmap_run(step->charsmap, step->match, text, size, out);
        return true;
    case SMR_NORMALIZE_FORM:
        return smr_normal_form(step->form, text, size, out);
    case SMR_NORMALIZE_LOWERCASE:
        smr_lowercase(text, size, out);
        return true;
    case SMR_NORMALIZE_STRIP:
        strip(step, text, size, out);
        return true;
    case SMR_NORMALIZE_SQUEEZE:
        squeeze(text, size, out);
        return true;
    case SMR_NORMALIZE_PREPEND:
        if (size)
            smr_string_add(out, step->text, step->text_size);
        smr_string_add(out, text, size);
        return true;
    case SMR_NORMALIZE_REPLACE:
        return smr_regex_replace(step->regex, search, text, size, step->text, step->text_size, out);
    case SMR_NORMALIZE_LETTERS:
        smr_letters_add(text, size, out);
        return true;
    case SMR_NORMALIZE_DROP:
    case SMR_NORMALIZE_NMT:
    case SMR_NORMALIZE_CLEAN:
    case SMR_NORMALIZE_SPACE_HAN:
        for (size_t at = 0, n; at < size; at += n) {
            smr_utf8_next(text + at, size - at, &n);
            map_character(step, text + at, n, out);
        }
        return true;
    }
    return true;
}

// Whether the first character goes and nothing takes its place.
static bool drops_start(const struct smr_normalize_step *step, const char *text, size_t size)
{
    size_t n;
    if (!size)
        return false;
    smr_utf8_next(text, size, &n);
    uint32_t code = smr_utf8_decode(text, n);
    return (step->kind == SMR_NORMALIZE_STRIP && step->left && smr_is_white(code)) ||
           (step->kind == SMR_NORMALIZE_DROP && (smr_categories(code) & step->categories)) ||
           (step->kind == SMR_NORMALIZE_NMT && nmt_drops(code)) ||
           (step->kind == SMR_NORMALIZE_CLEAN && clean_drops(code));
}

bool smr_normalizer_run(const struct smr_normalizer *normalizer, struct smr_regex_search *search,
                        struct smr_string scratch[2], const char **text, size_t *size, bool *first)
{
    for (size_t i = 0; i < normalizer->n_steps; i++) {
        struct smr_string *out = &scratch[i % 2]; // the last step's result is the other one
        out->size = 0;
        *first = *first && !drops_start(&normalizer->steps[i], *text, *size);
        if (!run_step(&normalizer->steps[i], search, *text, *size, out) || out->failed)
            return false;
        *text = out->data ? out->data : "";
        *size = out->size;
        if (*size > INT32_MAX)
            return smr_fail(normalizer->context, SMR_ERROR_USAGE,
                            "a text grows to %zu bytes when it is normalised; at most %d can be "
                            "encoded",
                            *size, (int)INT32_MAX);
    }
    return true;
}
