// entries.c - the tokens of a file by their numbers, before they become a vocabulary.
#include "text/huggingface.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// Numbers may have gaps, but not many more than there are tokens.
enum { MAX_GAPS = 1 << 16 };

bool smr_entries_allocate(struct smr_entries *entries, json_int_t last, size_t n_tokens)
{
    if (last < 0 || last >= SMR_VOCAB_MAX_TOKENS || (size_t)last > n_tokens + MAX_GAPS)
        return smr_huggingface_fail(entries->hf, "model",
                                    "token number %lld in a vocabulary of %zu", (long long)last,
                                    n_tokens);
    entries->n = (size_t)last + 1;
    entries->data =
        smr_alloc(entries->hf->vocab->context, entries->n, sizeof(*entries->data), "tokens");
    return entries->data;
}

bool smr_entries_set(struct smr_entries *entries, json_int_t id, const char *text, size_t size,
                     double score)
{
    if (id < 0 || (size_t)id >= entries->n || entries->data[id].text)
        return smr_huggingface_fail(entries->hf, "model",
                                    "\"%.*s\" has the number %lld, which is not free",
                                    size < 64 ? (int)size : 64, text, (long long)id);
    entries->data[id] =
        (struct smr_entry){.text = text, .size = size, .score = score, .type = SMR_TOKEN_NORMAL};
    return true;
}

// The greatest number of a vocabulary and of the added tokens.
json_int_t smr_entries_last(const json_t *vocab, const json_t *added)
{
    json_int_t last = json_is_array(vocab) ? (json_int_t)json_array_size(vocab) - 1 : -1;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)vocab, key, value) last =
        json_integer_value(value) > last ? json_integer_value(value) : last;
    for (size_t i = 0; i < json_array_size(added); i++) {
        json_int_t id = json_integer_value(json_object_get(json_array_get(added, i), "id"));
        last = id > last ? id : last;
    }
    return last;
}

// BPE and WordPiece: {text: number}.
static bool read_object(struct smr_entries *entries, const json_t *vocab)
{
    const char *text;
    size_t size;
    json_t *number;
    json_object_keylen_foreach((json_t *)vocab, text, size, number)
    {
        if (!json_is_integer(number))
            return smr_huggingface_fail(entries->hf, "model", "the number of \"%.64s\" is none",
                                        text);
        if (!smr_entries_set(entries, json_integer_value(number), text, size, 0))
            return false;
    }
    return true;
}

// Unigram: [[text, score], ...].
static bool read_array(struct smr_entries *entries, const json_t *vocab)
{
    for (size_t i = 0; i < json_array_size(vocab); i++) {
        const json_t *pair = json_array_get(vocab, i);
        const json_t *text = json_array_get(pair, 0), *score = json_array_get(pair, 1);
        if (!json_is_string(text) || !json_is_number(score) || !isfinite(json_number_value(score)))
            return smr_huggingface_fail(entries->hf, "model",
                                        "entry %zu of vocab is no text with a score", i);
        if (!smr_entries_set(entries, (json_int_t)i, json_string_value(text),
                             json_string_length(text), json_number_value(score)))
            return false;
    }
    return true;
}

bool smr_entries_add(struct smr_entries *entries, const json_t *added)
{
    static const struct {
        const char *key;
        enum smr_cut_flags flag;
    } flags[] = {{"lstrip", SMR_CUT_LSTRIP},
                 {"rstrip", SMR_CUT_RSTRIP},
                 {"single_word", SMR_CUT_SINGLE_WORD},
                 {"normalized", SMR_CUT_NORMALIZED}};
    struct smr_huggingface *hf = entries->hf;
    for (size_t i = 0; i < json_array_size(added); i++) {
        const json_t *token = json_array_get(added, i), *id = json_object_get(token, "id");
        const char *text;
        size_t size;
        bool special, set;
        if (!smr_huggingface_string(hf, token, "content", &text, &size) ||
            !smr_huggingface_bool(hf, token, "special", false, &special))
            return false;
        if (!text || !json_is_integer(id) || json_integer_value(id) < 0)
            return smr_huggingface_fail(hf, "added_tokens", "entry %zu is no token", i);
        if (!size)
            continue;
        struct smr_entry *entry = &entries->data[json_integer_value(id)];
        if (entry->text && (entry->size != size || memcmp(entry->text, text, size) != 0))
            return smr_huggingface_fail(hf, "added_tokens",
                                        "\"%.64s\" has the number %lld of another token", text,
                                        (long long)json_integer_value(id));
        entry->text = text;
        entry->size = size;
        entry->type = special ? SMR_TOKEN_CONTROL : SMR_TOKEN_USER_DEFINED;
        for (size_t k = 0; k < SMR_COUNT(flags); k++) {
            if (!smr_huggingface_bool(hf, token, flags[k].key, false, &set))
                return false;
            entry->cuts |= set ? (uint8_t)flags[k].flag : 0;
        }
    }
    return true;
}

bool smr_entries_read(struct smr_entries *entries, const json_t *vocab)
{
    return json_is_array(vocab) ? read_array(entries, vocab) : read_object(entries, vocab);
}

// Into the vocabulary, in the order of the numbers.
bool smr_entries_keep(const struct smr_entries *entries)
{
    struct smr_vocab *vocab = entries->hf->vocab;
    if (!smr_vocab_reserve(vocab, entries->n))
        return false;
    vocab->scores = smr_alloc(vocab->context, entries->n, sizeof(*vocab->scores), "token scores");
    if (!vocab->scores)
        return false;
    for (size_t i = 0; i < entries->n; i++) {
        const struct smr_entry *entry = &entries->data[i];
        bool used = entry->text;
        vocab->scores[i] = entry->score;
        vocab->cuts[i] = entry->cuts;
        if (!smr_vocab_add(vocab, used ? entry->text : "", used ? entry->size : 0,
                           used ? (enum smr_token_type)entry->type : SMR_TOKEN_UNUSED))
            return false;
    }
    return smr_vocab_index(vocab);
}

// Settings that transformers keeps beside a tokenizer: {"added_tokens_decoder": {"NUMBER": token}}.
json_t *smr_entries_settings(struct smr_huggingface *hf, const struct smr_model *model)
{
    static const char key[] = "tokenizer.huggingface.config";
    json_t *list = json_array(), *settings = NULL, *value;
    const char *number;
    if (!list)
        smr_fail(model->context, SMR_ERROR_MEMORY, "%s: no memory", hf->name);
    if (!list || !smr_metadata_has(model->metadata, key))
        return list;
    settings = smr_huggingface_parse(hf, model, key);
    json_object_foreach(json_object_get(settings, "added_tokens_decoder"), number, value)
    {
        json_t *token = json_copy(value);
        json_object_set_new(token, "id", json_integer(strtol(number, NULL, 10)));
        json_array_append_new(list, token);
    }
    if (settings) {
        json_decref(settings);
        return list;
    }
    json_decref(list);
    return NULL;
}
