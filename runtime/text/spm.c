// spm.c - SentencePiece's BPE, as the vocabularies of llama and gemma use it.
//
// Neighbours whose concatenation is a piece are merged, best score first, the leftmost of equals
// first (Kudo and Richardson, arXiv:1808.06226; bpe_model.cc of SentencePiece). What is no piece in
// the end is spelled in byte tokens.
#include "text/utf8.h"
#include "text/vocab.h"

// Map a float to an integer so that larger floats give smaller integers.
static uint32_t descending(float value)
{
    union {
        float value;
        uint32_t bits;
    } u = {.value = value + 0.0f}; // no negative zero
    return u.bits & 0x80000000U ? u.bits : ~(u.bits | 0x80000000U);
}

static int32_t find_piece(const struct smr_vocab *vocab, const char *text, size_t size)
{
    int32_t token = smr_vocab_find(vocab, text, size);
    return token >= 0 && smr_vocab_is_piece(vocab, token) ? token : -1;
}

static bool pair(const struct smr_merger *merger, const struct smr_symbol *left,
                 const struct smr_symbol *right, uint32_t *priority, int32_t *token)
{
    uint32_t size = left->size + right->size;
    if (size > merger->vocab->max_text)
        return false;
    *token = find_piece(merger->vocab, merger->text + left->offset, size);
    if (*token < 0)
        return false;
    *priority = descending((float)merger->vocab->scores[*token]);
    return true;
}

// A symbol that is no piece: byte tokens, or the unknown token, once for a run of symbols.
static bool add_bytes(const struct smr_vocab *vocab, const char *text, size_t size,
                      struct smr_token_list *tokens, bool *unknown)
{
    for (size_t i = 0; i < size; i++) {
        int32_t token = vocab->byte_tokens[(uint8_t)text[i]];
        bool again = *unknown;
        *unknown = token < 0;
        if (token < 0)
            token = again ? -1 : vocab->unknown;
        if (token >= 0 && !smr_token_list_add(tokens, token))
            return false;
    }
    return true;
}

static bool add_symbols(const struct smr_merger *merger, struct smr_token_list *tokens)
{
    bool unknown = false;
    for (int32_t i = merger->n_symbols ? 0 : -1; i >= 0; i = merger->symbols[i].next) {
        const struct smr_symbol *symbol = &merger->symbols[i];
        const char *text = merger->text + symbol->offset;
        int32_t token = symbol->token;
        if (token < 0)
            token = find_piece(merger->vocab, text, symbol->size);
        if (token >= 0) {
            unknown = false;
            if (!smr_token_list_add(tokens, token))
                return false;
        } else if (!add_bytes(merger->vocab, text, symbol->size, tokens, &unknown)) {
            return false;
        }
    }
    return true;
}

bool smr_spm_encode(struct smr_encoder *encoder, const char *word, size_t size)
{
    struct smr_merger *merger = &encoder->merger;
    if (!smr_merger_reserve(merger, size))
        return false;
    merger->text = word;
    merger->pair = pair;
    for (size_t at = 0, n; at < size; at += n) {
        smr_utf8_next(word + at, size - at, &n);
        smr_merger_add(merger, (uint32_t)at, (uint32_t)n, -1);
    }
    return smr_merger_run(merger) && add_symbols(merger, encoder->tokens);
}
