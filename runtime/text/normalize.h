// normalize.h - what is done to a text before it is cut into words: a chain of steps, each from one
// valid UTF-8 text to the next.
#pragma once

#include "text/charsmap.h"
#include "text/regex.h"
#include "text/unicode.h"

enum smr_normalize_kind {
    SMR_NORMALIZE_CHARSMAP,  // `charsmap`, in the way `match`
    SMR_NORMALIZE_FORM,      // `form`
    SMR_NORMALIZE_LOWERCASE, //
    SMR_NORMALIZE_DROP,      // characters of the general categories `categories`
    SMR_NORMALIZE_STRIP,     // white space at the `left` and `right` end
    SMR_NORMALIZE_SQUEEZE,   // SentencePiece's remove_extra_whitespaces: runs of spaces become
                             // one, those at the ends go
    SMR_NORMALIZE_PREPEND,   // `text`, where there is something to stand before
    SMR_NORMALIZE_REPLACE,   // each match of `regex` becomes `text`
    SMR_NORMALIZE_NMT,       // control characters go, odd spaces become spaces
    SMR_NORMALIZE_CLEAN,     // the same in BERT's way
    SMR_NORMALIZE_SPACE_HAN, // a space before and behind each Chinese character
    SMR_NORMALIZE_LETTERS,   // bytes become the letters of byte-level BPE
};

struct smr_normalize_step {
    enum smr_normalize_kind kind;
    enum smr_charsmap_match match;
    enum smr_normal_form form;
    uint32_t categories; // enum smr_category
    bool left, right;
    struct smr_charsmap *charsmap; // owned by the normalizer once it is added, as is `regex`
    struct smr_regex *regex;
    const char *text; // copied when added
    size_t text_size;
};

enum { SMR_NORMALIZE_MAX_STEPS = 32 };

struct smr_normalizer; // not changed by use

struct smr_normalizer *smr_normalizer_create(smr_context *context); // NULL: no memory
void smr_normalizer_destroy(struct smr_normalizer *normalizer);     // accepts NULL

// Add a step behind the last. Takes `step->charsmap` and `step->regex`, on failure too. False with
// an error when there are too many steps or no memory.
bool smr_normalizer_add(struct smr_normalizer *normalizer, const struct smr_normalize_step *step);

// The steps there are.
const struct smr_normalize_step *smr_normalizer_steps(const struct smr_normalizer *normalizer,
                                                      size_t *n);

// Normalise `text`. `*first` says that it is the beginning of the whole text, and becomes false
// when what it began with is dropped: tokenizers goes by places in the original. The result lies in
// `text` itself or in one of `scratch`, initialised strings.
bool smr_normalizer_run(const struct smr_normalizer *normalizer, struct smr_regex_search *search,
                        struct smr_string scratch[2], const char **text, size_t *size, bool *first);
