// spm.c - SentencePiece's BPE, as the vocabularies of llama and gemma use it.
//
// Neighbours whose concatenation is a piece are merged, best score first, the leftmost of equals
// first (Kudo and Richardson, arXiv:1808.06226; bpe_model.cc of SentencePiece). What is no piece in
// the end is spelled in byte tokens.
#include "text/utf8.h"
#include "text/vocab.h"

#include <string.h>

static const char SPACE[] = "\xe2\x96\x81"; // U+2581 stands for a space in pieces

// Map a float to an integer so that larger floats give smaller integers.
static uint32_t descending(float value)
{
    union {
        float value;
        uint32_t bits;
    } u = {.value = value + 0.0f}; // no negative zero
    return u.bits & 0x80000000U ? u.bits : ~(u.bits | 0x80000000U);
}

// Control, unknown and byte tokens are not pieces: no text may spell them out.
static int32_t find_piece(const struct smr_vocab *vocab, const char *text, size_t size)
{
    int32_t token = smr_vocab_find(vocab, text, size);
    if (token < 0)
        return -1;
    uint8_t type = vocab->types[token];
    bool piece =
        type == SMR_TOKEN_NORMAL || type == SMR_TOKEN_USER_DEFINED || type == SMR_TOKEN_UNUSED;
    return piece ? token : -1;
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
    *priority = descending(merger->vocab->scores[*token]);
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

// Spaces become U+2581, with one more in front when asked.
static void escape(const char *text, size_t size, bool space_prefix, struct smr_string *escaped)
{
    if (space_prefix)
        smr_string_add(escaped, SPACE, 3);
    while (size) {
        const char *space = memchr(text, ' ', size);
        size_t n = space ? (size_t)(space - text) : size;
        smr_string_add(escaped, text, n);
        if (space)
            smr_string_add(escaped, SPACE, 3);
        text += n + !!space;
        size -= n + !!space;
    }
}

bool smr_spm_encode(struct smr_merger *merger, const char *text, size_t size, bool space_prefix,
                    struct smr_token_list *tokens)
{
    bool ok = false;
    struct smr_string escaped;
    smr_string_init(&escaped, merger->vocab->context);
    escape(text, size, space_prefix, &escaped);
    if (escaped.failed)
        goto done;
    if (escaped.size > INT32_MAX) {
        smr_fail(merger->vocab->context, SMR_ERROR_USAGE, "a text of %zu bytes is too long", size);
        goto done;
    }
    if (!smr_merger_reserve(merger, escaped.size))
        goto done;
    merger->text = escaped.data;
    merger->pair = pair;
    for (size_t at = 0, n; at < escaped.size; at += n) {
        smr_utf8_next(escaped.data + at, escaped.size - at, &n);
        smr_merger_add(merger, (uint32_t)at, (uint32_t)n, -1);
    }
    ok = smr_merger_run(merger) && add_symbols(merger, tokens);
done:
    smr_string_finish(&escaped);
    return ok;
}
