// vocab.h - the inside of a vocabulary, shared by the files of this room only.
#pragma once

#include "text/decoder.h"
#include "text/normalize.h"
#include "text/pretokenizer.h"
#include "text/text.h"
#include "text/trie.h"

// The model of a tokenizer: how a word becomes tokens.
enum smr_vocab_kind {
    SMR_VOCAB_SPM,       // neighbours are merged, best score first; bytes as a fallback
    SMR_VOCAB_BPE,       // neighbours are merged by a list of merges with ranks
    SMR_VOCAB_UNIGRAM,   // the pieces with the best sum of scores
    SMR_VOCAB_WORDPIECE, // the longest piece first
};

enum {
    SMR_VOCAB_MAX_TOKENS = 1 << 24,
    SMR_VOCAB_MAX_ENDS = 32,
    SMR_VOCAB_MAX_ADDED = 8, // tokens before or behind a text
};

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

// How a token is cut out of a text: the words of Hugging Face's AddedToken.
enum smr_cut_flags {
    SMR_CUT_LSTRIP = 1,      // with the white space before it
    SMR_CUT_RSTRIP = 2,      // with the white space behind it
    SMR_CUT_SINGLE_WORD = 4, // not where a word goes on before or behind it
    SMR_CUT_NORMALIZED = 8,  // out of the normalised text
    SMR_CUT_NEVER = 16,      // not at all
};

// A vocabulary with the stages of its tokenizer. A text goes through them in this order: tokens are
// cut out of it (`specials`), what lies between is normalised, further tokens are cut out
// (`normalized_specials`), the rest is cut into words by the pre-tokenizer, and the model makes tokens
// of each word.
struct smr_vocab {
    smr_context *context;
    const char *path; // of the model, for errors
    enum smr_vocab_kind kind;
    uint32_t n_tokens;
    struct smr_string_table texts;      // as in the file, for look-up
    struct smr_string_table bytes;      // as they come out
    struct smr_string_table starts;     // as they come out at the beginning of a text; may be empty
    struct smr_string_table normalized; // texts that are cut out of the normalised text
    uint8_t *types;                     // [n_tokens], enum smr_token_type
    uint8_t *cuts;                      // [n_tokens], enum smr_cut_flags
    double *scores;                     // [n_tokens]; SPM and Unigram
    uint32_t max_text;                  // bytes of the longest text
    struct smr_text_slot *slots;
    uint32_t slot_mask;
    int32_t byte_tokens[256]; // the token that stands for one byte, or -1

    struct smr_trie specials, normalized_specials;
    bool specials_by_text; // special tokens are found by their texts, not by their bytes
    struct smr_normalizer *normalizer;     // or NULL
    struct smr_pretokenizer *pretokenizer; // NULL: a text is one word

    struct smr_merge_slot *merges; // BPE
    uint32_t merge_mask, n_merges, n_bad_merges;
    bool byte_level;        // BPE merges bytes, not characters
    bool ignore_merges;     // BPE: a word that is a token is that token, whatever the merges say
    bool byte_fallback;     // what is no token becomes tokens of bytes
    bool fuse_unknown;      // BPE of characters: a run of unknown ones is one token
    struct smr_trie pieces; // Unigram, WordPiece
    double unknown_score;   // Unigram: of a character that is no piece
    char word_prefix[8], next_prefix[32]; // WordPiece: what pieces begin with, first and further
    uint32_t word_prefix_size, next_prefix_size;
    uint32_t max_word; // WordPiece: characters of a word that is not unknown

    int32_t bos, eos, eot, eom, unknown; // or -1
    int32_t ends[SMR_VOCAB_MAX_ENDS];
    uint32_t n_ends;
    int32_t before[SMR_VOCAB_MAX_ADDED], behind[SMR_VOCAB_MAX_ADDED]; // a text
    uint32_t n_before, n_behind;
    struct smr_decoder decoder; // with no steps: GGUF's rules, by kind and type
    bool strip_start;           // of these: a text begins without the space in its first token
};

// String `i` of a table.
static inline const char *smr_string_table_get(const struct smr_string_table *table, uint32_t i,
                                               size_t *size)
{
    *size = table->at[i + 1] - table->at[i];
    return table->data.data ? table->data.data + table->at[i] : "";
}

// Pieces of text, not control, unknown and byte tokens: those no text may spell out.
static inline bool smr_vocab_is_piece(const struct smr_vocab *vocab, int32_t token)
{
    uint8_t type = vocab->types[token];
    return type == SMR_TOKEN_NORMAL || type == SMR_TOKEN_USER_DEFINED || type == SMR_TOKEN_UNUSED;
}

// Leaves no text: no token of the vocabulary, or a control token where `special` is not set.
bool smr_vocab_is_hidden(const struct smr_vocab *vocab, int32_t token, bool special);

struct smr_vocab *smr_vocab_load(struct smr_model *model);
void smr_vocab_destroy(struct smr_vocab *vocab); // accepts NULL

// ---- making one (vocab.c) ---------------------------------------------------------------------
//
// First the tokens, one by one in the order of their numbers; then smr_vocab_index(); then whatever
// looks tokens up; smr_vocab_finish() at last.

// Allocate for `n` tokens. False with an error when there are none or too many.
bool smr_vocab_reserve(struct smr_vocab *vocab, size_t n);
bool smr_vocab_add(struct smr_vocab *vocab, const char *text, size_t size,
                   enum smr_token_type type);
bool smr_vocab_index(struct smr_vocab *vocab);
// The numbers of special tokens that the metadata names, over those the vocabulary has itself.
bool smr_vocab_load_ids(struct smr_vocab *vocab, const struct smr_model *model);
// The tokens that stand for a byte, by `byte_level` or `byte_fallback`.
void smr_vocab_index_bytes(struct smr_vocab *vocab);
// The bytes of all tokens, special tokens, tokens that end a text.
bool smr_vocab_finish(struct smr_vocab *vocab);

// What SentencePiece does to a text before it finds pieces: `charsmap` (may be NULL; taken), runs of
// spaces to one where `squeeze`, a space in front, U+2581 for spaces (vocab_gguf.c).
bool smr_vocab_sentencepiece_stages(struct smr_vocab *vocab, struct smr_charsmap *charsmap,
                                    bool squeeze, bool space_prefix);

// tokenizer.huggingface.json (huggingface.c)
bool smr_vocab_load_huggingface(struct smr_vocab *vocab, const struct smr_model *model);
// tokenizer.huggingface.vocab and .merges (huggingface_merges.c)
bool smr_vocab_load_merges(struct smr_vocab *vocab, const struct smr_model *model);
// tokenizer.sentencepiece.model (sentencepiece.c)
bool smr_vocab_load_sentencepiece(struct smr_vocab *vocab, const struct smr_model *model);

// tokenizer.ggml.* (vocab_gguf.c)
bool smr_vocab_load_gguf(struct smr_vocab *vocab, const struct smr_model *model);

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

// Scratch memory of merging; zeroed is empty.
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

// ---- encoding (encode.c) ----------------------------------------------------------------------

// The best way to a place of the word: which piece ends there, and where it starts.
struct smr_unigram_place {
    double score;
    uint32_t start;
    int32_t token; // -1: no piece ends here
};

// One encoding: where the tokens go, and the scratch memory of all stages.
struct smr_encoder {
    const struct smr_vocab *vocab;
    struct smr_token_list *tokens;
    bool control; // control tokens in the text are what they say
    struct smr_string normalized[2];
    struct smr_regex_search *search;
    struct smr_pretokenizer_scratch words;
    struct smr_merger merger;
    struct smr_string letters; // of a word, for its look-up
    struct smr_unigram_place *places;
    size_t place_capacity;
};

// Encode one word: valid UTF-8, not empty.
bool smr_spm_encode(struct smr_encoder *encoder, const char *word, size_t size);
bool smr_bpe_encode(struct smr_encoder *encoder, const char *word, size_t size);
bool smr_unigram_encode(struct smr_encoder *encoder, const char *word, size_t size);
bool smr_wordpiece_encode(struct smr_encoder *encoder, const char *word, size_t size);

// The table of merges: allocate it for `n`, then add them in the order of their ranks.
bool smr_bpe_reserve_merges(struct smr_vocab *vocab, size_t n);
struct smr_merge_texts {
    const char *left, *right;
    size_t left_size, right_size;
};
// False when there is no memory. One that names what is no token is counted and left out.
bool smr_bpe_add_merge(struct smr_vocab *vocab, const struct smr_merge_texts *texts, uint32_t rank);
// Cut "left right" at its space. False when there is none.
bool smr_bpe_parse_merge(const char *line, size_t size, struct smr_merge_texts *texts);
// A warning when some were left out.
void smr_bpe_finish_merges(struct smr_vocab *vocab);
// Make `pieces` and `unknown_score` of the texts and scores.
bool smr_unigram_load(struct smr_vocab *vocab);
// Make `pieces` of the texts.
bool smr_wordpiece_load(struct smr_vocab *vocab);

// ---- special tokens (special.c) ---------------------------------------------------------------

bool smr_special_load(struct smr_vocab *vocab);
bool smr_special_normalize(struct smr_vocab *vocab);
const char *smr_special_text(const struct smr_vocab *vocab, uint32_t token, size_t *size);

struct smr_special_match {
    size_t start, end; // in the text, with the white space that goes with it
    int32_t token;     // or -1: none, both are the text's end
};
// The first special token from `from` on; of those that begin at one place the longest.
void smr_special_find(const struct smr_vocab *vocab, const struct smr_trie *specials, bool control,
                      const char *text, size_t size, size_t from, struct smr_special_match *match);
