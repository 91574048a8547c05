// text_builder.h - tiny vocabularies as GGUF files in memory, for tests and fuzzing.
#pragma once

#include "gguf_builder.h"

struct text_token {
    const char *text;
    float score;
    int32_t type; // enum smr_token_type
};

// tokens, scores and token_type; both arrays of numbers have n_numbers entries.
void text_put_tokens(struct gguf_builder *builder, const struct text_token *tokens, size_t n,
                     size_t n_numbers);

// SentencePiece-style: <unk> 0, <s> 1, </s> 2, <0x00> 3 to <0xFF> 258, then TEXT_SPM_PIECES.
enum { TEXT_SPM_FIRST = 259 };
extern const struct text_token TEXT_SPM_PIECES[];
extern const size_t TEXT_SPM_N_PIECES;
// Only the vocabulary's keys; the caller adds others.
void text_spm(struct gguf_builder *builder);

// Byte-level: the letters of 0x00 to 0xFF are 0 to 255, then TEXT_BPE_TOKENS, made by TEXT_BPE_MERGES.
enum { TEXT_BPE_FIRST = 256 };
extern const struct text_token TEXT_BPE_TOKENS[];
extern const size_t TEXT_BPE_N_TOKENS;
void text_bpe(struct gguf_builder *builder, const char *pre);

// The number of a piece or token.
int32_t text_spm_id(const char *text);
int32_t text_bpe_id(const char *text);
