// huggingface_stages.c - normalizers and pre-tokenizers of tokenizer.json.
#include "text/huggingface.h"
#include "text/pretokenizer_table.h"

#include <string.h>

struct smr_regex *smr_huggingface_pattern(const struct smr_huggingface *hf, const char *part,
                                          const json_t *pattern)
{
    const char *text;
    size_t size;
    smr_context *context = hf->vocab->context;
    if (!smr_huggingface_string(hf, pattern, "String", &text, &size))
        return NULL;
    if (text && size)
        return smr_regex_create_literal(context, text, size);
    if (!smr_huggingface_string(hf, pattern, "Regex", &text, &size))
        return NULL;
    if (!text) {
        smr_huggingface_fail(hf, part, "a pattern that is neither a String nor a Regex");
        return NULL;
    }
    struct smr_string translated;
    struct smr_regex *regex = NULL;
    smr_string_init(&translated, context);
    if (smr_regex_translate(hf->name, text, size, &translated))
        regex = smr_regex_create(context, hf->name, translated.data, translated.size);
    smr_string_finish(&translated);
    return regex;
}

// ---- normalizers ------------------------------------------------------------------------------

static bool add_step(struct smr_huggingface *hf, struct smr_normalize_step step)
{
    return smr_normalizer_add(hf->vocab->normalizer, &step);
}

static bool read_sequence(struct smr_huggingface *hf, const json_t *component, const char *part,
                          const char *key,
                          bool (*read)(struct smr_huggingface *hf, const json_t *component))
{
    const json_t *list = json_object_get(component, key);
    if (!json_is_array(list))
        return smr_huggingface_fail(hf, part, "a Sequence without %s", key);
    if (hf->depth >= SMR_HUGGINGFACE_MAX_DEPTH)
        return smr_huggingface_fail(hf, part, "Sequences in Sequences, deeper than %d",
                                    SMR_HUGGINGFACE_MAX_DEPTH);
    bool ok = true;
    hf->depth++;
    for (size_t i = 0; ok && i < json_array_size(list); i++)
        ok = read(hf, json_array_get(list, i));
    hf->depth--;
    return ok;
}

static bool read_bert(struct smr_huggingface *hf, const json_t *component)
{
    bool clean, han, lower, strip;
    if (!smr_huggingface_bool(hf, component, "clean_text", true, &clean) ||
        !smr_huggingface_bool(hf, component, "handle_chinese_chars", true, &han) ||
        !smr_huggingface_bool(hf, component, "lowercase", true, &lower) ||
        !smr_huggingface_bool(hf, component, "strip_accents", lower, &strip))
        return false;
    return (!clean || add_step(hf, (struct smr_normalize_step){.kind = SMR_NORMALIZE_CLEAN})) &&
           (!han || add_step(hf, (struct smr_normalize_step){.kind = SMR_NORMALIZE_SPACE_HAN})) &&
           (!strip || add_step(hf, (struct smr_normalize_step){.kind = SMR_NORMALIZE_FORM,
                                                               .form = SMR_NFD})) &&
           (!strip ||
            add_step(hf, (struct smr_normalize_step){.kind = SMR_NORMALIZE_DROP,
                                                     .categories = SMR_MARK_NONSPACING})) &&
           (!lower || add_step(hf, (struct smr_normalize_step){.kind = SMR_NORMALIZE_LOWERCASE}));
}

static bool read_strip(struct smr_huggingface *hf, const json_t *component)
{
    struct smr_normalize_step step = {.kind = SMR_NORMALIZE_STRIP};
    return smr_huggingface_bool(hf, component, "strip_left", true, &step.left) &&
           smr_huggingface_bool(hf, component, "strip_right", true, &step.right) &&
           add_step(hf, step);
}

static bool read_replace(struct smr_huggingface *hf, const json_t *component)
{
    struct smr_normalize_step step = {.kind = SMR_NORMALIZE_REPLACE};
    if (!smr_huggingface_string(hf, component, "content", &step.text, &step.text_size))
        return false;
    step.regex = smr_huggingface_pattern(hf, "normalizer", json_object_get(component, "pattern"));
    return step.regex && add_step(hf, step);
}

static bool read_prepend(struct smr_huggingface *hf, const json_t *component)
{
    struct smr_normalize_step step = {.kind = SMR_NORMALIZE_PREPEND};
    return smr_huggingface_string(hf, component, "prepend", &step.text, &step.text_size) &&
           add_step(hf, step);
}

// RFC 4648. False when it is something else.
static bool decode_base64(const char *text, size_t size, struct smr_string *bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0, n_bits = 0;
    for (size_t i = 0; i < size && text[i] != '='; i++) {
        const char *digit = text[i] ? strchr(digits, text[i]) : NULL;
        if (!digit)
            return false;
        bits = bits << 6 | (uint32_t)(digit - digits);
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            smr_string_add(bytes, &(char){(char)(bits >> n_bits & 0xff)}, 1);
        }
    }
    return true;
}

static bool read_precompiled(struct smr_huggingface *hf, const json_t *component)
{
    struct smr_normalize_step step = {.kind = SMR_NORMALIZE_CHARSMAP,
                                      .match = SMR_CHARSMAP_GRAPHEME};
    const char *text;
    size_t size;
    struct smr_string bytes;
    if (!smr_huggingface_string(hf, component, "precompiled_charsmap", &text, &size))
        return false;
    if (!size)
        return true;
    smr_string_init(&bytes, hf->vocab->context);
    bool ok = decode_base64(text, size, &bytes) ||
              smr_huggingface_fail(hf, "normalizer", "precompiled_charsmap is no base64");
    if (ok && !bytes.failed)
        step.charsmap = smr_charsmap_create(hf->vocab->context, hf->name, bytes.data, bytes.size);
    smr_string_finish(&bytes);
    return step.charsmap && add_step(hf, step);
}

// Normalizers that have no settings.
static const struct {
    const char *type;
    struct smr_normalize_step step;
} NORMALIZERS[] = {
    {"NFC", {.kind = SMR_NORMALIZE_FORM, .form = SMR_NFC}},
    {"NFD", {.kind = SMR_NORMALIZE_FORM, .form = SMR_NFD}},
    {"NFKC", {.kind = SMR_NORMALIZE_FORM, .form = SMR_NFKC}},
    {"NFKD", {.kind = SMR_NORMALIZE_FORM, .form = SMR_NFKD}},
    {"Lowercase", {.kind = SMR_NORMALIZE_LOWERCASE}},
    {"StripAccents", {.kind = SMR_NORMALIZE_DROP, .categories = SMR_MARK}},
    {"Nmt", {.kind = SMR_NORMALIZE_NMT}},
    {"ByteLevel", {.kind = SMR_NORMALIZE_LETTERS}},
};

static bool read_normalizer(struct smr_huggingface *hf, const json_t *component)
{
    const char *type = smr_huggingface_type(component);
    for (size_t i = 0; i < SMR_COUNT(NORMALIZERS); i++)
        if (!strcmp(type, NORMALIZERS[i].type))
            return add_step(hf, NORMALIZERS[i].step);
    if (!strcmp(type, "Sequence"))
        return read_sequence(hf, component, "normalizer", "normalizers", read_normalizer);
    if (!strcmp(type, "BertNormalizer"))
        return read_bert(hf, component);
    if (!strcmp(type, "Strip"))
        return read_strip(hf, component);
    if (!strcmp(type, "Replace"))
        return read_replace(hf, component);
    if (!strcmp(type, "Prepend"))
        return read_prepend(hf, component);
    if (!strcmp(type, "Precompiled"))
        return read_precompiled(hf, component);
    return smr_huggingface_fail(hf, "normalizer", "the type \"%.64s\" is not known", type);
}

bool smr_huggingface_normalizer(struct smr_huggingface *hf, const json_t *component)
{
    if (!component || json_is_null(component))
        return true;
    hf->vocab->normalizer = smr_normalizer_create(hf->vocab->context);
    return hf->vocab->normalizer && read_normalizer(hf, component);
}

// ---- pre-tokenizers ---------------------------------------------------------------------------

static bool add_split(struct smr_huggingface *hf, struct smr_regex *regex,
                      enum smr_split_behavior behavior, bool invert)
{
    struct smr_pretokenizer_stage stage = {
        .kind = SMR_PRE_SPLIT, .regex = regex, .behavior = behavior, .invert = invert};
    return regex && smr_pretokenizer_add(hf->vocab->pretokenizer, &stage);
}

// Split by an expression in PCRE2's syntax.
static bool add_expression(struct smr_huggingface *hf, const char *pattern,
                           enum smr_split_behavior behavior, bool invert)
{
    return add_split(hf, smr_regex_create(hf->vocab->context, hf->name, pattern, strlen(pattern)),
                     behavior, invert);
}

static bool read_behavior(const struct smr_huggingface *hf, const json_t *component,
                          enum smr_split_behavior *behavior)
{
    static const char *const names[] = {
        [SMR_SPLIT_ISOLATED] = "Isolated",
        [SMR_SPLIT_REMOVED] = "Removed",
        [SMR_SPLIT_MERGED_WITH_PREVIOUS] = "MergedWithPrevious",
        [SMR_SPLIT_MERGED_WITH_NEXT] = "MergedWithNext",
        [SMR_SPLIT_CONTIGUOUS] = "Contiguous",
    };
    const char *name;
    size_t size;
    *behavior = SMR_SPLIT_ISOLATED;
    if (!smr_huggingface_string(hf, component, "behavior", &name, &size))
        return false;
    for (size_t i = 0; name && i < SMR_COUNT(names); i++) {
        if (!strcmp(names[i], name)) {
            *behavior = (enum smr_split_behavior)i;
            return true;
        }
    }
    return !name ||
           smr_huggingface_fail(hf, "pre_tokenizer", "the behavior \"%.64s\" is not known", name);
}

static bool read_split(struct smr_huggingface *hf, const json_t *component)
{
    enum smr_split_behavior behavior;
    bool invert;
    return read_behavior(hf, component, &behavior) &&
           smr_huggingface_bool(hf, component, "invert", false, &invert) &&
           add_split(
               hf,
               smr_huggingface_pattern(hf, "pre_tokenizer", json_object_get(component, "pattern")),
               behavior, invert);
}

static bool read_byte_level(struct smr_huggingface *hf, const json_t *component)
{
    const struct smr_pretokenizer_stage space = {.kind = SMR_PRE_PREFIX_SPACE};
    const struct smr_pretokenizer_stage letters = {.kind = SMR_PRE_LETTERS};
    struct smr_pretokenizer *pre = hf->vocab->pretokenizer;
    const char *pattern = smr_pretokenizer_sets[SMR_PRE_GPT2].patterns[0];
    bool prefix, expression;
    return smr_huggingface_bool(hf, component, "add_prefix_space", true, &prefix) &&
           smr_huggingface_bool(hf, component, "use_regex", true, &expression) &&
           (!prefix || smr_pretokenizer_add(pre, &space)) &&
           (!expression || add_expression(hf, pattern, SMR_SPLIT_ISOLATED, false)) &&
           smr_pretokenizer_add(pre, &letters);
}

// The character that stands for a space.
static bool read_replacement(const struct smr_huggingface *hf, const json_t *component,
                             const char *key, const char *part, char text[4], uint32_t *size)
{
    const char *value;
    size_t n;
    if (!smr_huggingface_string(hf, component, key, &value, &n))
        return false;
    if (!n || n > 4)
        return smr_huggingface_fail(hf, part, "%s is no character", key);
    memcpy(text, value, n);
    *size = (uint32_t)n;
    return true;
}

static bool read_scheme(const struct smr_huggingface *hf, const json_t *component,
                        enum smr_prepend_scheme *scheme)
{
    const char *name;
    size_t size;
    bool prefix;
    if (!smr_huggingface_string(hf, component, "prepend_scheme", &name, &size) ||
        !smr_huggingface_bool(hf, component, "add_prefix_space", true, &prefix))
        return false;
    *scheme = SMR_PREPEND_ALWAYS;
    if (!prefix || (name && !strcmp(name, "never")))
        *scheme = SMR_PREPEND_NEVER;
    else if (name && !strcmp(name, "first"))
        *scheme = SMR_PREPEND_FIRST;
    else if (name && strcmp(name, "always") != 0)
        return smr_huggingface_fail(hf, "pre_tokenizer",
                                    "the prepend_scheme \"%.64s\" is not known", name);
    return true;
}

static bool read_metaspace(struct smr_huggingface *hf, const json_t *component)
{
    struct smr_pretokenizer_stage stage = {.kind = SMR_PRE_METASPACE};
    bool split;
    return read_replacement(hf, component, "replacement", "pre_tokenizer", stage.text,
                            &stage.text_size) &&
           read_scheme(hf, component, &stage.prepend) &&
           smr_huggingface_bool(hf, component, "split", true, &split) &&
           smr_pretokenizer_add(hf->vocab->pretokenizer, &stage) &&
           (!split ||
            add_split(hf, smr_regex_create_literal(hf->vocab->context, stage.text, stage.text_size),
                      SMR_SPLIT_MERGED_WITH_NEXT, false));
}

static bool read_delimiter(struct smr_huggingface *hf, const json_t *component)
{
    char text[4] = {0};
    uint32_t size = 0;
    return read_replacement(hf, component, "delimiter", "pre_tokenizer", text, &size) &&
           add_split(hf, smr_regex_create_literal(hf->vocab->context, text, size),
                     SMR_SPLIT_REMOVED, false);
}

#define WORDS       "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{200c}\\x{200d}]+"
#define NO_WORDS    "[^\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{200c}\\x{200d}" SMR_WHITE_CLASS "]+"
#define PUNCTUATION "[\\p{P}!-/:-@\\[-`{-~]"

static bool read_pretokenizer(struct smr_huggingface *hf, const json_t *component)
{
    const char *type = smr_huggingface_type(component);
    enum smr_split_behavior behavior;
    bool each;
    if (!strcmp(type, "Sequence"))
        return read_sequence(hf, component, "pre_tokenizer", "pretokenizers", read_pretokenizer);
    if (!strcmp(type, "ByteLevel"))
        return read_byte_level(hf, component);
    if (!strcmp(type, "Split"))
        return read_split(hf, component);
    if (!strcmp(type, "Metaspace"))
        return read_metaspace(hf, component);
    if (!strcmp(type, "CharDelimiterSplit"))
        return read_delimiter(hf, component);
    if (!strcmp(type, "Whitespace"))
        return add_expression(hf, WORDS "|" NO_WORDS, SMR_SPLIT_REMOVED, true);
    if (!strcmp(type, "WhitespaceSplit"))
        return add_expression(hf, "[" SMR_WHITE_CLASS "]", SMR_SPLIT_REMOVED, false);
    if (!strcmp(type, "BertPreTokenizer"))
        return add_expression(hf, "[" SMR_WHITE_CLASS "]", SMR_SPLIT_REMOVED, false) &&
               add_expression(hf, PUNCTUATION, SMR_SPLIT_ISOLATED, false);
    if (!strcmp(type, "Punctuation"))
        return read_behavior(hf, component, &behavior) &&
               add_expression(hf, PUNCTUATION, behavior, false);
    if (!strcmp(type, "Digits"))
        return smr_huggingface_bool(hf, component, "individual_digits", false, &each) &&
               add_expression(hf, "\\p{N}", each ? SMR_SPLIT_ISOLATED : SMR_SPLIT_CONTIGUOUS,
                              false);
    return smr_huggingface_fail(hf, "pre_tokenizer", "the type \"%.64s\" is not known", type);
}

bool smr_huggingface_pretokenizer(struct smr_huggingface *hf, const json_t *component)
{
    if (!component || json_is_null(component))
        return true;
    hf->vocab->pretokenizer = smr_pretokenizer_create(hf->vocab->context);
    return hf->vocab->pretokenizer && read_pretokenizer(hf, component);
}
