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

// ---- files that GGUF has as strings -----------------------------------------------------------

// A string under a key, of any bytes.
void text_put_file(struct gguf_builder *builder, const char *key, const void *data, size_t size);

// Small tokenizer.json files: Unigram with a table of replacements, byte-level BPE, BPE with bytes for
// what is unknown, WordPiece, and one of rare components. Zero-terminated, valid until the next call.
enum { TEXT_N_JSON = 5 };
const char *text_json(unsigned index);

// A table of replacements that makes "A" an "a"; bytes.
enum { TEXT_CHARSMAP_SIZE = 4 + 66 * 4 + 2 };
void text_charsmap(uint8_t data[TEXT_CHARSMAP_SIZE]);

// A SentencePiece model: <unk>, <s>, </s>, pieces of "hello" and U+2581, with the charsmap. Returns its
// bytes, at most `capacity`. `type` is 1 for Unigram, 2 for BPE.
size_t text_sentencepiece(unsigned type, uint8_t *data, size_t capacity);

// T5's kind of GGUF vocabulary, with this charsmap.
void text_t5(struct gguf_builder *builder, const void *charsmap, size_t size);
