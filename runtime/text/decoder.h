// decoder.h - what a token's text becomes in the text that it is part of: a chain of steps, as
// tokenizer.json has them. They run once for each token when a vocabulary is loaded.
#pragma once

#include "text/regex.h"

enum smr_decoder_kind {
    SMR_DECODER_LETTERS,   // letters of byte-level BPE become bytes
    SMR_DECODER_METASPACE, // `text` becomes a space, and goes from the first token where `first`
    SMR_DECODER_BYTES,     // "<0x0A>" becomes that byte
    SMR_DECODER_FUSE,      // what follows sees the whole text, not tokens
    SMR_DECODER_STRIP,     // `start` times `text` at the beginning, `stop` times at the end
    SMR_DECODER_REPLACE,   // each match of `regex` becomes `text`
    SMR_DECODER_WORDPIECE, // a space in front, or `text` goes from there; BERT's clean-up
    SMR_DECODER_SPACE,     // a space in front, but for the first token: where there is no decoder
};

struct smr_decoder_step {
    enum smr_decoder_kind kind;
    struct smr_regex *regex; // owned by the decoder once it is added
    char text[32];
    uint32_t text_size;
    uint32_t start, stop;
    bool first;    // the first token is another case
    bool clean_up; // no spaces before punctuation
};

enum { SMR_DECODER_MAX_STEPS = 16 };

struct smr_decoder {
    struct smr_decoder_step steps[SMR_DECODER_MAX_STEPS];
    uint32_t n_steps;
};
void smr_decoder_finish(struct smr_decoder *decoder);

// Append what `text` becomes to `out`; `first`: as the first token of a text. `scratch` are two
// initialised strings. False with an error.
bool smr_decoder_run(const struct smr_decoder *decoder, struct smr_regex_search *search,
                     const char *text, size_t size, bool first, struct smr_string scratch[2],
                     struct smr_string *out);
