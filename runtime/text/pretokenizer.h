// pretokenizer.h - cutting a text into the words that a model encodes one by one.
//
// A chain of stages: the first cuts the text into pieces, the second cuts each of those pieces, and
// so on. GGUF names the chain by tokenizer.ggml.pre (pretokenizer_table.h), tokenizer.json spells
// it out.
#pragma once

#include "text/regex.h"

enum smr_pretokenizer_kind {
    SMR_PRE_SPLIT,        // at the matches of `regex`
    SMR_PRE_METASPACE,    // spaces become `text`, and it is put in front (`prepend`)
    SMR_PRE_PREFIX_SPACE, // a space in front, where there is none
    SMR_PRE_LETTERS,      // bytes become the letters of byte-level BPE
};

// What becomes of a match: the names of Hugging Face's tokenizers.
enum smr_split_behavior {
    SMR_SPLIT_ISOLATED, // a piece
    SMR_SPLIT_REMOVED,
    SMR_SPLIT_MERGED_WITH_PREVIOUS, // one piece with what lies before it, if that is no match
    SMR_SPLIT_MERGED_WITH_NEXT,
    SMR_SPLIT_CONTIGUOUS, // one piece with matches before it
};

enum smr_prepend_scheme {
    SMR_PREPEND_ALWAYS,
    SMR_PREPEND_NEVER,
    SMR_PREPEND_FIRST, // only at the beginning of the whole text
};

struct smr_pretokenizer_stage {
    enum smr_pretokenizer_kind kind;
    struct smr_regex *regex; // owned by the pre-tokenizer once it is added
    enum smr_split_behavior behavior;
    bool invert; // what lies between the matches counts as match
    enum smr_prepend_scheme prepend;
    char text[4]; // one character
    uint32_t text_size;
};

enum { SMR_PRETOKENIZER_MAX_STAGES = 16 };

struct smr_pretokenizer; // not changed by use

struct smr_pretokenizer *smr_pretokenizer_create(smr_context *context); // NULL: no memory
void smr_pretokenizer_destroy(struct smr_pretokenizer *pre);            // accepts NULL

// Add a stage behind the last. Takes `stage->regex`, on failure too. False with an error when there
// are too many.
bool smr_pretokenizer_add(struct smr_pretokenizer *pre, const struct smr_pretokenizer_stage *stage);

// The stages there are.
const struct smr_pretokenizer_stage *smr_pretokenizer_stages(const struct smr_pretokenizer *pre,
                                                             size_t *n);

// Take the last stage away if it makes letters of bytes; whether it was there.
bool smr_pretokenizer_drop_letters(struct smr_pretokenizer *pre);

enum smr_pretokenizer_flags {
    SMR_PRE_IGNORE_MERGES = 1, // a word that is a token is that token
    SMR_PRE_ADD_BOS = 2,       // unless the file says something else
};

// The chain that GGUF files call `name`; NULL means "default". NULL when it is not known (no error
// is recorded: the caller knows the file) or on a lack of memory.
struct smr_pretokenizer *smr_pretokenizer_named(smr_context *context, const char *name,
                                                uint32_t *flags);

// The name in GGUF files of a chain that cuts texts as `pre` does, told by what both make of a text
// that has something for each expression in it. `flags` are those it must have of IGNORE_MERGES.
// False with an error on a lack of memory; `*name` is NULL when there is none.
bool smr_pretokenizer_name(smr_context *context, const struct smr_pretokenizer *pre, uint32_t flags,
                           const char **name);

// Scratch of one encoding: each stage that changes its text has a place for the result. Zeroed is
// empty.
struct smr_pretokenizer_scratch {
    struct smr_string texts[SMR_PRETOKENIZER_MAX_STAGES];
};
void smr_pretokenizer_scratch_finish(struct smr_pretokenizer_scratch *scratch);

// What is cut, and what becomes of the words: `word` is called for each in order until it returns
// false.
struct smr_splitting {
    const struct smr_pretokenizer *pre;
    struct smr_regex_search *search;
    struct smr_pretokenizer_scratch *scratch;
    bool (*word)(void *user, const char *word, size_t size);
    void *user;
};
// `text` must be valid UTF-8; `first` says that it is the beginning of the whole text. False with
// an error when an expression needs more than its limits, or when `word` was false.
bool smr_pretokenizer_split(const struct smr_splitting *splitting, const char *text, size_t size,
                            bool first);
