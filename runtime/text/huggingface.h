// huggingface.h - reading tokenizer.json, the format of Hugging Face's tokenizers, in parts. Inside of
// this room only. There is no specification: tokenizers/src of
// https://github.com/huggingface/tokenizers is what the files mean.
//
// A component is an object with a "type"; null or absent is none. One that is not known is an error
// that names it.
#pragma once

#include "text/vocab.h"

#include <jansson.h>

// What is being read.
struct smr_huggingface {
    struct smr_vocab *vocab;
    char name[256]; // for errors: the model's path and which file
    int depth;      // of sequences in sequences
};

enum { SMR_HUGGINGFACE_MAX_DEPTH = 8 };

// Record an error about a part of the file. Returns false.
bool smr_huggingface_fail(const struct smr_huggingface *hf, const char *part, const char *format,
                          ...) SMR_PRINTF(3, 4);

// The metadata's string `key` as JSON; NULL with an error.
json_t *smr_huggingface_parse(struct smr_huggingface *hf, const struct smr_model *model,
                              const char *key);

// Members of an object. A missing one, or null, is the default; another kind is an error.
bool smr_huggingface_bool(const struct smr_huggingface *hf, const json_t *object, const char *key,
                          bool standard, bool *value);
bool smr_huggingface_string(const struct smr_huggingface *hf, const json_t *object, const char *key,
                            const char **text, size_t *size);
// The type of a component, "" for one without.
const char *smr_huggingface_type(const json_t *component);

// The stages of vocab, made of the components (huggingface_stages.c, huggingface_decoder.c).
bool smr_huggingface_normalizer(struct smr_huggingface *hf, const json_t *component);
bool smr_huggingface_pretokenizer(struct smr_huggingface *hf, const json_t *component);
bool smr_huggingface_decoder(struct smr_huggingface *hf, const json_t *component);
// A pattern: {"String": text} or {"Regex": expression}. NULL with an error.
struct smr_regex *smr_huggingface_pattern(const struct smr_huggingface *hf, const char *part,
                                          const json_t *pattern);

// ---- tokens by their numbers (entries.c) ------------------------------------------------------

// A token of the file; text NULL: the number is not used.
struct smr_entry {
    const char *text;
    size_t size;
    double score;
    uint8_t type, cuts;
};

struct smr_entries {
    struct smr_huggingface *hf;
    struct smr_entry *data; // [n]; owned by the caller: smr_free()
    size_t n;
};

// The greatest number of {text: number} or [[text, score], ...] and of added tokens; -1: none.
json_int_t smr_entries_last(const json_t *vocab, const json_t *added);
// For numbers up to `last`. False with an error when there would be many more than `n_tokens`.
bool smr_entries_allocate(struct smr_entries *entries, json_int_t last, size_t n_tokens);
bool smr_entries_set(struct smr_entries *entries, json_int_t id, const char *text, size_t size,
                     double score);
bool smr_entries_read(struct smr_entries *entries, const json_t *vocab);
// Added tokens as in tokenizer.json; they may be there already.
bool smr_entries_add(struct smr_entries *entries, const json_t *added);
// Into the vocabulary, indexed.
bool smr_entries_keep(const struct smr_entries *entries);
// The added tokens of a tokenizer_config.json, for smr_entries_add(); empty when there are none,
// NULL with an error.
json_t *smr_entries_settings(struct smr_huggingface *hf, const struct smr_model *model);
