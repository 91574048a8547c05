// wordpiece.c - the WordPiece model of BERT: the longest token a word begins with, then the longest
// the rest goes on with; a word that can't be spelled so is unknown as a whole.
#include "text/utf8.h"
#include "text/vocab.h"

bool smr_wordpiece_load(struct smr_vocab *vocab)
{
    struct smr_trie_entry *entries =
        smr_alloc(vocab->context, vocab->n_tokens, sizeof(*entries), "the pieces");
    if (!entries)
        return false;
    size_t n = 0;
    for (uint32_t i = 0; i < vocab->n_tokens; i++) {
        struct smr_trie_entry entry = {.value = (int32_t)i};
        entry.text = smr_string_table_get(&vocab->texts, i, &entry.size);
        if (entry.size && smr_vocab_is_piece(vocab, (int32_t)i) &&
            smr_utf8_valid_prefix(entry.text, entry.size) == entry.size)
            entries[n++] = entry;
    }
    bool ok = smr_trie_build(&vocab->pieces, vocab->context, entries, n);
    smr_free(vocab->context, entries);
    return ok;
}

// The node that a text leads to; false when there is none.
static bool walk(const struct smr_trie *trie, const char *text, size_t size, uint32_t *node)
{
    *node = 0;
    for (size_t i = 0; i < size; i++) {
        *node = smr_trie_step(trie, *node, text[i]);
        if (!*node)
            return false;
    }
    return true;
}

// The longest piece behind `node`; its bytes of `text`, or 0.
static size_t longest(const struct smr_trie *trie, uint32_t node, const char *text, size_t size,
                      int32_t *token)
{
    size_t best = 0;
    for (size_t i = 0; i < size && (node = smr_trie_step(trie, node, text[i])); i++) {
        if (trie->values[node] >= 0) {
            *token = trie->values[node];
            best = i + 1;
        }
    }
    return best;
}

bool smr_wordpiece_encode(struct smr_encoder *encoder, const char *word, size_t size)
{
    const struct smr_vocab *vocab = encoder->vocab;
    size_t n_before = encoder->tokens->n, n_chars = 0, n = 0, at = 0;
    uint32_t first, next;
    int32_t token;
    for (size_t i = 0; i < size; i += n, n_chars++)
        smr_utf8_next(word + i, size - i, &n);
    bool begins = walk(&vocab->pieces, vocab->word_prefix, vocab->word_prefix_size, &first);
    bool goes_on = walk(&vocab->pieces, vocab->next_prefix, vocab->next_prefix_size, &next);
    bool known = n_chars <= vocab->max_word && begins;
    while (known && at < size) {
        n = at && !goes_on
                ? 0
                : longest(&vocab->pieces, at ? next : first, word + at, size - at, &token);
        known = n;
        at += n;
        if (known && !smr_token_list_add(encoder->tokens, token))
            return false;
    }
    if (known)
        return true;
    encoder->tokens->n = n_before;
    return vocab->unknown < 0 || smr_token_list_add(encoder->tokens, vocab->unknown);
}
