// pretokenizer.h - cutting a text into the words that byte-level BPE merges within.
//
// GGUF names the way by tokenizer.ggml.pre. Each is a chain of regular expressions: the first cuts
// the text into its matches and what lies between them, the second cuts each of those pieces, and
// so on (behaviour "Isolated" of Hugging Face's tokenizers).
#pragma once

#include "base/base.h"

struct smr_pretokenizer; // compiled; not changed by use

enum smr_pretokenizer_flags {
    SMR_PRE_IGNORE_MERGES = 1, // a word that is a token is that token
    SMR_PRE_ADD_BOS = 2,       // unless the file says something else
};

// NULL when the name is not known (no error is recorded: the caller knows the file) or on a lack of
// memory. `name` NULL means "default".
struct smr_pretokenizer *smr_pretokenizer_create(smr_context *context, const char *name,
                                                 uint32_t *flags);
void smr_pretokenizer_destroy(struct smr_pretokenizer *pre); // accepts NULL

// Call `word` for each word in order until it returns false. `text` must be valid UTF-8. False with
// an error when an expression needs more than its limits, or when `word` was false.
bool smr_pretokenizer_split(const struct smr_pretokenizer *pre, const char *text, size_t size,
                            bool (*word)(void *user, const char *word, size_t size), void *user);
