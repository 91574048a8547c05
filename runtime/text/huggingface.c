// huggingface.c - the vocabulary of a tokenizer.json: tokens, model, added tokens, and the tokens that
// stand around a text. The file is hostile until checked.
#include "text/huggingface.h"
#include "text/letters.h"

#include <stdio.h>
#include <string.h>

// ---- JSON -------------------------------------------------------------------------------------

bool smr_huggingface_fail(const struct smr_huggingface *hf, const char *part, const char *format,
                          ...)
{
    char reason[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof(reason), format, arguments);
    va_end(arguments);
    return smr_fail(hf->vocab->context, SMR_ERROR_MODEL, "%s: %s: %s", hf->name, part, reason);
}

bool smr_huggingface_bool(const struct smr_huggingface *hf, const json_t *object, const char *key,
                          bool standard, bool *value)
{
    const json_t *member = json_object_get(object, key);
    *value = member && !json_is_null(member) ? json_is_true(member) : standard;
    return !member || json_is_null(member) || json_is_boolean(member) ||
           smr_huggingface_fail(hf, key, "is neither true nor false");
}

bool smr_huggingface_string(const struct smr_huggingface *hf, const json_t *object, const char *key,
                            const char **text, size_t *size)
{
    const json_t *member = json_object_get(object, key);
    *text = json_string_value(member);
    *size = json_string_length(member);
    return !member || json_is_null(member) || *text ||
           smr_huggingface_fail(hf, key, "is no string");
}

const char *smr_huggingface_type(const json_t *component)
{
    const char *type = json_string_value(json_object_get(component, "type"));
    return type ? type : "";
}

json_t *smr_huggingface_parse(struct smr_huggingface *hf, const struct smr_model *model,
                              const char *key)
{
    json_error_t error;
    size_t size = 0;
    const char *text = smr_metadata_string_n(model->metadata, key, &size);
    if (!text) {
        smr_huggingface_fail(hf, key, "is missing or no string");
        return NULL;
    }
    size_t flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL;
    json_t *root = json_loadb(text, size, flags, &error);
    if (!root && json_error_code(&error) == json_error_numeric_overflow) // 10^30 for "no limit"
        root = json_loadb(text, size, flags | JSON_DECODE_INT_AS_REAL, &error);
    if (!root && json_error_code(&error) == json_error_out_of_memory)
        smr_fail(model->context, SMR_ERROR_MEMORY, "%s: no memory", hf->name);
    else if (!root)
        smr_fail(model->context, SMR_ERROR_MODEL, "%s: line %d, column %d: %s", hf->name,
                 error.line, error.column, error.text);
    return root;
}

// ---- tokens -----------------------------------------------------------------------------------

static bool read_tokens(struct smr_huggingface *hf, const json_t *vocab, const json_t *added)
{
    struct smr_entries entries = {.hf = hf};
    bool array = hf->vocab->kind == SMR_VOCAB_UNIGRAM;
    if (array ? !json_is_array(vocab) : !json_is_object(vocab))
        return smr_huggingface_fail(hf, "model", "vocab is missing or of another kind");
    size_t n = array ? json_array_size(vocab) : json_object_size(vocab);
    json_int_t last = smr_entries_last(vocab, added);
    bool ok = smr_entries_allocate(&entries, last, n + json_array_size(added)) &&
              smr_entries_read(&entries, vocab) && smr_entries_add(&entries, added) &&
              smr_entries_keep(&entries);
    smr_free(hf->vocab->context, entries.data);
    return ok;
}

// ---- models -----------------------------------------------------------------------------------

// The token that stands for what is unknown; a control token becomes one of that type.
static void set_unknown(struct smr_vocab *vocab, int32_t token)
{
    vocab->unknown = token;
    if (token >= 0 && vocab->types[token] == SMR_TOKEN_CONTROL)
        vocab->types[token] = SMR_TOKEN_UNKNOWN;
}

static bool read_unknown(struct smr_huggingface *hf, const json_t *model)
{
    const char *text;
    size_t size;
    if (!smr_huggingface_string(hf, model, "unk_token", &text, &size))
        return false;
    set_unknown(hf->vocab, text ? smr_vocab_find(hf->vocab, text, size) : -1);
    return !text || !size || hf->vocab->unknown >= 0 ||
           smr_huggingface_fail(hf, "model", "the unk_token \"%.64s\" is no token", text);
}

static bool read_merges(struct smr_huggingface *hf, const json_t *merges)
{
    size_t n = json_array_size(merges);
    if (!json_is_array(merges))
        return smr_huggingface_fail(hf, "model", "merges is missing or no array");
    if (!smr_bpe_reserve_merges(hf->vocab, n))
        return false;
    for (size_t i = 0; i < n; i++) {
        const json_t *merge = json_array_get(merges, i);
        const json_t *left = json_array_get(merge, 0), *right = json_array_get(merge, 1);
        struct smr_merge_texts texts = {json_string_value(left), json_string_value(right),
                                        json_string_length(left), json_string_length(right)};
        bool line = json_is_string(merge) && smr_bpe_parse_merge(json_string_value(merge),
                                                                 json_string_length(merge), &texts);
        if (!line && (!texts.left || !texts.right))
            return smr_huggingface_fail(hf, "model", "entry %zu of merges is no pair of texts", i);
        if (!smr_bpe_add_merge(hf->vocab, &texts, (uint32_t)i))
            return false;
    }
    smr_bpe_finish_merges(hf->vocab);
    return true;
}

// Options of BPE that change what it gives and that no language model uses.
static bool refuse_options(const struct smr_huggingface *hf, const json_t *model)
{
    static const char *const keys[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    for (size_t i = 0; i < SMR_COUNT(keys); i++) {
        const char *text;
        size_t size;
        if (!smr_huggingface_string(hf, model, keys[i], &text, &size))
            return false;
        if (size)
            return smr_huggingface_fail(hf, "model", "the %s \"%.32s\" can't be used", keys[i],
                                        text);
    }
    return true;
}

static bool has_letters(const struct smr_vocab *vocab)
{
    bool all = true;
    for (unsigned byte = 0; all && byte < 256; byte++) {
        char letter[2];
        all = smr_vocab_find(vocab, letter, smr_letter((uint8_t)byte, letter)) >= 0;
    }
    return all;
}

static bool read_bpe(struct smr_huggingface *hf, const json_t *model)
{
    struct smr_vocab *vocab = hf->vocab;
    if (!refuse_options(hf, model) || !read_unknown(hf, model) ||
        !smr_huggingface_bool(hf, model, "byte_fallback", false, &vocab->byte_fallback) ||
        !smr_huggingface_bool(hf, model, "fuse_unk", false, &vocab->fuse_unknown) ||
        !smr_huggingface_bool(hf, model, "ignore_merges", false, &vocab->ignore_merges))
        return false;
    // Letters at the end are bytes for the model, unless some are unknown and shall be seen as such.
    bool all = vocab->unknown < 0 || has_letters(vocab);
    if (all && !vocab->byte_fallback && vocab->pretokenizer)
        vocab->byte_level = smr_pretokenizer_drop_letters(vocab->pretokenizer);
    smr_vocab_index_bytes(vocab);
    return read_merges(hf, json_object_get(model, "merges"));
}

static bool read_unigram(struct smr_huggingface *hf, const json_t *model)
{
    const json_t *unknown = json_object_get(model, "unk_id");
    json_int_t id = json_is_integer(unknown) ? json_integer_value(unknown) : -1;
    if (id >= (json_int_t)hf->vocab->n_tokens)
        return smr_huggingface_fail(hf, "model", "unk_id is %lld, but there are %u tokens",
                                    (long long)id, hf->vocab->n_tokens);
    set_unknown(hf->vocab, id < 0 ? -1 : (int32_t)id);
    if (!smr_huggingface_bool(hf, model, "byte_fallback", false, &hf->vocab->byte_fallback))
        return false;
    smr_vocab_index_bytes(hf->vocab);
    return smr_unigram_load(hf->vocab);
}

static bool read_wordpiece(struct smr_huggingface *hf, const json_t *model)
{
    struct smr_vocab *vocab = hf->vocab;
    const json_t *most = json_object_get(model, "max_input_chars_per_word");
    const char *prefix;
    size_t size;
    if (!read_unknown(hf, model) ||
        !smr_huggingface_string(hf, model, "continuing_subword_prefix", &prefix, &size))
        return false;
    if (!prefix) {
        prefix = "##";
        size = 2;
    }
    if (size > sizeof(vocab->next_prefix))
        return smr_huggingface_fail(hf, "model", "a continuing_subword_prefix of %zu bytes", size);
    memcpy(vocab->next_prefix, prefix, size);
    vocab->next_prefix_size = (uint32_t)size;
    vocab->max_word = 100;
    if (json_is_integer(most) && json_integer_value(most) >= 0 &&
        json_integer_value(most) < UINT32_MAX)
        vocab->max_word = (uint32_t)json_integer_value(most);
    return smr_wordpiece_load(vocab);
}

static bool read_model_type(struct smr_huggingface *hf, const json_t *model)
{
    const char *type = smr_huggingface_type(model);
    if (!strcmp(type, "Unigram"))
        hf->vocab->kind = SMR_VOCAB_UNIGRAM;
    else if (!strcmp(type, "WordPiece"))
        hf->vocab->kind = SMR_VOCAB_WORDPIECE;
    else if (!strcmp(type, "BPE") || (!*type && json_object_get(model, "merges")))
        hf->vocab->kind = SMR_VOCAB_BPE; // files of before 2020 do not say so
    else
        return smr_huggingface_fail(hf, "model", "the type \"%.64s\" is not known", type);
    return true;
}

// ---- tokens around a text ---------------------------------------------------------------------

static bool add_around(struct smr_huggingface *hf, int32_t *list, uint32_t *n, const json_t *id)
{
    json_int_t token = json_is_integer(id) ? json_integer_value(id) : -1;
    if (token < 0 || token >= (json_int_t)hf->vocab->n_tokens || *n == SMR_VOCAB_MAX_ADDED)
        return smr_huggingface_fail(hf, "post_processor",
                                    "token %lld is none, or one of more than %d", (long long)token,
                                    SMR_VOCAB_MAX_ADDED);
    list[(*n)++] = (int32_t)token;
    return true;
}

// The template for one text: special tokens and the text, "A".
static bool read_template(struct smr_huggingface *hf, const json_t *component)
{
    struct smr_vocab *vocab = hf->vocab;
    const json_t *pieces = json_object_get(component, "single");
    const json_t *tokens = json_object_get(component, "special_tokens");
    bool behind = false;
    if (!json_is_array(pieces))
        return smr_huggingface_fail(hf, "post_processor", "a template without single");
    for (size_t i = 0; i < json_array_size(pieces); i++) {
        const json_t *piece = json_array_get(pieces, i);
        const json_t *special = json_object_get(piece, "SpecialToken");
        const char *id = json_string_value(json_object_get(special, "id"));
        const json_t *ids = json_object_get(id ? json_object_get(tokens, id) : NULL, "ids");
        if (json_object_get(piece, "Sequence") && !behind) {
            behind = true;
            continue;
        }
        if (!json_is_array(ids))
            return smr_huggingface_fail(hf, "post_processor",
                                        "piece %zu of the template is no special token", i);
        for (size_t k = 0; k < json_array_size(ids); k++)
            if (!add_around(hf, behind ? vocab->behind : vocab->before,
                            behind ? &vocab->n_behind : &vocab->n_before, json_array_get(ids, k)))
                return false;
    }
    return true;
}

static bool read_processor(struct smr_huggingface *hf, const json_t *component)
{
    struct smr_vocab *vocab = hf->vocab;
    const char *type = smr_huggingface_type(component);
    const json_t *list = json_object_get(component, "processors");
    if (!strcmp(type, "ByteLevel"))
        return true; // about offsets only
    if (!strcmp(type, "TemplateProcessing"))
        return read_template(hf, component);
    if (!strcmp(type, "BertProcessing") || !strcmp(type, "RobertaProcessing"))
        return add_around(hf, vocab->before, &vocab->n_before,
                          json_array_get(json_object_get(component, "cls"), 1)) &&
               add_around(hf, vocab->behind, &vocab->n_behind,
                          json_array_get(json_object_get(component, "sep"), 1));
    if (strcmp(type, "Sequence") != 0 || !json_is_array(list))
        return smr_huggingface_fail(hf, "post_processor", "the type \"%.64s\" is not known", type);
    if (hf->depth >= SMR_HUGGINGFACE_MAX_DEPTH)
        return smr_huggingface_fail(hf, "post_processor", "Sequences in Sequences");
    bool ok = true;
    hf->depth++;
    for (size_t i = 0; ok && i < json_array_size(list); i++)
        ok = read_processor(hf, json_array_get(list, i));
    hf->depth--;
    return ok;
}

// ---- loading ----------------------------------------------------------------------------------

static bool read_json(struct smr_huggingface *hf, const json_t *root)
{
    struct smr_vocab *vocab = hf->vocab;
    const json_t *model = json_object_get(root, "model");
    const json_t *processor = json_object_get(root, "post_processor");
    vocab->specials_by_text = true;
    if (!read_model_type(hf, model) ||
        !read_tokens(hf, json_object_get(model, "vocab"), json_object_get(root, "added_tokens")) ||
        !smr_huggingface_normalizer(hf, json_object_get(root, "normalizer")) ||
        !smr_huggingface_pretokenizer(hf, json_object_get(root, "pre_tokenizer")) ||
        !smr_huggingface_decoder(hf, json_object_get(root, "decoder")))
        return false;
    bool ok = vocab->kind == SMR_VOCAB_BPE       ? read_bpe(hf, model)
              : vocab->kind == SMR_VOCAB_UNIGRAM ? read_unigram(hf, model)
                                                 : read_wordpiece(hf, model);
    return ok && (!processor || json_is_null(processor) || read_processor(hf, processor));
}

bool smr_vocab_load_huggingface(struct smr_vocab *vocab, const struct smr_model *model)
{
    struct smr_huggingface hf = {.vocab = vocab};
    snprintf(hf.name, sizeof(hf.name), "%.200s: tokenizer.json", model->path);
    json_t *root = smr_huggingface_parse(&hf, model, "tokenizer.huggingface.json");
    bool ok =
        root && read_json(&hf, root) && smr_vocab_load_ids(vocab, model) && smr_vocab_finish(vocab);
    json_decref(root);
    return ok;
}
