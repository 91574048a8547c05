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
