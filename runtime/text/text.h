// text.h - from text to token ids and back.
//
// One vocabulary per model, made from the file's metadata on first use. The first of these keys that is
// there says how:
//
//     tokenizer.ggml.model             GGUF, https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
//     tokenizer.huggingface.json       a tokenizer.json
//     tokenizer.sentencepiece.model    a SentencePiece model; with tokenizer.marian.vocab, the
//                                      vocab.json that gives Marian's pieces their numbers
//     tokenizer.huggingface.vocab      a vocab.json; tokenizer.huggingface.merges is its merges.txt
#pragma once

#include "model/model.h"

// tokenizer.ggml.token_type
enum smr_token_type {
    SMR_TOKEN_NORMAL = 1,
    SMR_TOKEN_UNKNOWN = 2,
    SMR_TOKEN_CONTROL = 3,
    SMR_TOKEN_USER_DEFINED = 4, // found in any text, control tokens only where special is asked
    SMR_TOKEN_UNUSED = 5,
    SMR_TOKEN_BYTE = 6, // "<0x0A>"
};

struct smr_vocab; // a vocabulary with its tokenizer

// The model's vocabulary, loaded now if it was not. NULL with an error when the file has none or it
// is damaged or of a kind we do not know.
struct smr_vocab *smr_vocab_get(struct smr_model *model);

// Set the keys tokenizer.ggml.* of `metadata` to what says the same as a vocabulary that came from
// other files, with `n_vocab` tokens in all (0: as many as it has), as llama.cpp reads them.
// `*exported` is false, with a warning, when GGUF has no words for it: then only the keys it came
// from do, which samara reads from a GGUF file too. False with an error when there is no memory.
struct smr_metadata;
bool smr_vocab_export(const struct smr_vocab *vocab, uint32_t n_vocab,
                      struct smr_metadata *metadata, bool *exported);

uint32_t smr_vocab_size(const struct smr_vocab *vocab);
// The first token whose text is another one in `other`, of those that both have; -1 for none.
int32_t smr_vocab_compare(const struct smr_vocab *vocab, const struct smr_vocab *other);
enum smr_token_type smr_vocab_token_type(const struct smr_vocab *vocab, int32_t token);
int32_t smr_vocab_find(const struct smr_vocab *vocab, const char *text, size_t size); // or -1
int32_t smr_vocab_bos(const struct smr_vocab *vocab);                                 // or -1
// Ends the text: eos, eot, and what instruction models use for the end of a turn.
bool smr_vocab_is_end(const struct smr_vocab *vocab, int32_t token);

// The bytes of a token as they appear in text (SentencePiece's U+2581 becomes a space, byte-level
// letters become bytes). Control tokens are empty unless `special`.
const char *smr_vocab_bytes(const struct smr_vocab *vocab, int32_t token, bool special,
                            size_t *size);

// Tokens appended to a growing list.
struct smr_token_list {
    smr_context *context;
    int32_t *data; // owned; smr_free()
    size_t n, capacity;
};
bool smr_token_list_add(struct smr_token_list *list, int32_t token);

// `flags` are those of samara.h. Time: O(n log n) in the text's length.
bool smr_vocab_encode(const struct smr_vocab *vocab, const char *text, size_t size, uint32_t flags,
                      struct smr_token_list *tokens);

// A detokenising stream: tokens in, whole UTF-8 characters out.
struct smr_detokenizer {
    const struct smr_vocab *vocab;
    bool special;
    // Set this after smr_detokenizer_init() when the tokens are a text from its start on: the space
    // that SentencePiece puts before a text is then left out. What goes on after a prompt keeps it.
    bool at_start;
    char held[8]; // bytes of a character that is not complete
    uint32_t n_held;
};
void smr_detokenizer_init(struct smr_detokenizer *stream, const struct smr_vocab *vocab,
                          bool special);
// Append what is final now to `text`. Bytes that can never become a character come out as U+FFFD.
void smr_detokenizer_add(struct smr_detokenizer *stream, int32_t token, struct smr_string *text);
void smr_detokenizer_end(struct smr_detokenizer *stream, struct smr_string *text); // what is held

// ---- chat formats (chat.c) --------------------------------------------------------------------

// Which known format the model's template is: "chatml", "llama3", "gemma", "mistral", "zephyr", ...;
// NULL when unknown or when the model has no template.
const char *smr_chat_format(const struct smr_model *model);

// The messages of `params`, with the opening of the answer. False when the format is not known, and
// with an error when it cannot limit thinking as `params` ask for.
bool smr_chat_prompt_text(const struct smr_model *model, const struct smr_chat_params *params,
                          struct smr_string *text);
