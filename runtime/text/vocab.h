// vocab.h - the inside of a vocabulary, shared by the files of this room only.
#pragma once

#include "text/pretokenizer.h"
#include "text/text.h"

// tokenizer.ggml.model
enum smr_vocab_kind {
    SMR_VOCAB_SPM, // "llama": pieces with scores, bytes as a fallback
    SMR_VOCAB_BPE, // "gpt2": byte-level letters, merges with ranks
};

enum { SMR_VOCAB_MAX_TOKENS = 1 << 24, SMR_VOCAB_MAX_ENDS = 32 };

// A list of strings in one block: string i is data[at[i]] to data[at[i + 1]].
struct smr_string_table {
    struct smr_string data;
    uint32_t *at; // [n_tokens + 1]
};

// Open addressing; `token` is -1 in an empty slot.
struct smr_text_slot {
    uint32_t hash;
    int32_t token;
};

// Merging `left` and `right` (one key) makes `token`. The key is UINT64_MAX in an empty slot.
struct smr_merge_slot {
    uint64_t key;
    uint32_t rank; // smaller merges first
    int32_t token;
};

struct smr_vocab {
    smr_context *context;
    enum smr_vocab_kind kind;
    uint32_t n_tokens;
    struct smr_string_table texts; // as in the file, for look-up
    struct smr_string_table bytes; // as they come out
    uint8_t *types;                // [n_tokens], enum smr_token_type
    float *scores;                 // [n_tokens]; SPM only
    uint32_t max_text;             // bytes of the longest text
    struct smr_text_slot *slots;
    uint32_t slot_mask;
    struct smr_merge_slot *merges; // BPE only
    uint32_t merge_mask;
    int32_t byte_tokens[256]; // the token that stands for one byte, or -1

    // Tokens that are cut out of the text before anything else, sorted by their bytes; `by_byte`
    // holds where those begin that start with a byte.
    int32_t *specials;
    uint32_t by_byte[257];

    int32_t bos, eos, eot, eom, unknown; // or -1
    int32_t ends[SMR_VOCAB_MAX_ENDS];
    uint32_t n_ends;
    bool add_bos, add_eos, add_space_prefix, remove_extra_whitespaces;
    bool strip_after_special; // white space behind a special token is not encoded
    bool ignore_merges;       // a word that is a token is that token, whatever the merges say
    struct smr_pretokenizer *pretokenizer; // BPE only
};

// String `i` of a table.
static inline const char *smr_string_table_get(const struct smr_string_table *table, uint32_t i,
                                               size_t *size)
{
    *size = table->at[i + 1] - table->at[i];
    return table->data.data ? table->data.data + table->at[i] : "";
}

struct smr_vocab *smr_vocab_load(struct smr_model *model);
void smr_vocab_destroy(struct smr_vocab *vocab); // accepts NULL

// ---- merging (merge.c) ------------------------------------------------------------------------

// A piece of the text that is being merged with its neighbours.
struct smr_symbol {
    int32_t previous, next; // or -1
    uint32_t offset, size;  // in the text; size 0: was merged into another
    int32_t token;          // or -1
};

struct smr_merge_candidate {
    uint64_t key;  // smallest first: priority, then place of the left symbol
    uint32_t size; // bytes of both symbols when this was noted
    int32_t token; // what they become
};

// Scratch memory of one encoding; zeroed is empty.
struct smr_merger {
    const struct smr_vocab *vocab;
    const char *text;
    // Whether two neighbours can become one token; the smallest priority is merged first.
    bool (*pair)(const struct smr_merger *merger, const struct smr_symbol *left,
                 const struct smr_symbol *right, uint32_t *priority, int32_t *token);
    struct smr_symbol *symbols;
    size_t n_symbols, symbol_capacity;
    struct smr_merge_candidate *heap;
    size_t n_heap, heap_capacity;
};
bool smr_merger_reserve(struct smr_merger *merger, size_t n_symbols);
// Add a symbol behind the last; there must be room.
void smr_merger_add(struct smr_merger *merger, uint32_t offset, uint32_t size, int32_t token);
// Merge until nothing merges: O(n log n).
bool smr_merger_run(struct smr_merger *merger);
void smr_merger_finish(struct smr_merger *merger);

// ---- the two kinds (spm.c, bpe.c) -------------------------------------------------------------

// Encode a text without special tokens in it; valid UTF-8.
bool smr_spm_encode(struct smr_merger *merger, const char *text, size_t size, bool space_prefix,
                    struct smr_token_list *tokens);
bool smr_bpe_encode(struct smr_merger *merger, const char *text, size_t size,
                    struct smr_token_list *tokens);

bool smr_bpe_load_merges(struct smr_vocab *vocab, const struct smr_model *model);
// The letter that stands for a byte in byte-level vocabularies: UTF-8, 1 or 2 bytes.
size_t smr_bpe_letter(uint8_t byte, char letter[2]);
// Bytes of a token's text; false when it is not made of such letters.
bool smr_bpe_decode(const char *text, size_t size, struct smr_string *bytes);

// ---- special tokens (special.c) ---------------------------------------------------------------

bool smr_special_load(struct smr_vocab *vocab);
// The first special token in the text; `size` and -1 when there is none. Of those that begin at
// one place the longest wins. Control tokens count only when `control`.
size_t smr_special_find(const struct smr_vocab *vocab, const char *text, size_t size, bool control,
                        int32_t *token, size_t *token_size);
