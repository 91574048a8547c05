// unigram.c - the Unigram model (Kudo, arXiv:1804.10959): of all ways to spell a word in pieces the one
// with the best sum of scores, found by Viterbi's algorithm.
//
// As SentencePiece and Hugging Face's tokenizers do, a character that is no piece by itself may also
// be unknown, at a score 10 below the worst piece; a run of unknown characters is one unknown
// token, or is spelled in byte tokens. Of equal sums the one with the longest last piece wins.
#include "text/utf8.h"
#include "text/vocab.h"

#include <math.h>

static const double UNKNOWN_PENALTY = 10;

bool smr_unigram_load(struct smr_vocab *vocab)
{
    struct smr_trie_entry *entries =
        smr_alloc(vocab->context, vocab->n_tokens, sizeof(*entries), "the pieces");
    if (!entries)
        return false;
    size_t n = 0;
    double least = INFINITY;
    for (uint32_t i = 0; i < vocab->n_tokens; i++) {
        struct smr_trie_entry entry = {.value = (int32_t)i};
        entry.text = smr_string_table_get(&vocab->texts, i, &entry.size);
        if (!entry.size || !smr_vocab_is_piece(vocab, (int32_t)i) || !isfinite(vocab->scores[i]) ||
            smr_utf8_valid_prefix(entry.text, entry.size) != entry.size)
            continue;
        entries[n++] = entry;
        if (vocab->scores[i] < least)
            least = vocab->scores[i];
    }
    vocab->unknown_score = (n ? least : 0) - UNKNOWN_PENALTY;
    bool ok = smr_trie_build(&vocab->pieces, vocab->context, entries, n);
    smr_free(vocab->context, entries);
    return ok;
}

static bool reserve(struct smr_encoder *encoder, size_t n)
{
    return smr_grow(encoder->vocab->context, &encoder->places, &encoder->place_capacity, n,
                    sizeof(*encoder->places), "the places of a text");
}

static void offer(struct smr_unigram_place *place, double score, size_t start, int32_t token)
{
    if (place->token == -1 || score > place->score)
        *place = (struct smr_unigram_place){score, (uint32_t)start, token};
}

enum { UNKNOWN = -2 }; // in smr_unigram_place.token

// Find the best way to each place.
static void search(const struct smr_vocab *vocab, const char *word, size_t size,
                   struct smr_unigram_place *places)
{
    for (size_t i = 0; i <= size; i++)
        places[i] = (struct smr_unigram_place){.token = -1};
    for (size_t at = 0, n_char; at < size; at += n_char) {
        double score = places[at].score;
        bool known = false; // the character by itself is a piece
        uint32_t node = 0;
        smr_utf8_next(word + at, size - at, &n_char);
        for (size_t end = at; end < size; end++) {
            node = smr_trie_step(&vocab->pieces, node, word[end]);
            if (!node)
                break;
            int32_t token = vocab->pieces.values[node];
            if (token < 0)
                continue;
            known = known || end + 1 == at + n_char;
            offer(&places[end + 1], score + vocab->scores[token], at, token);
        }
        if (!known)
            offer(&places[at + n_char], score + vocab->unknown_score, at, UNKNOWN);
    }
}

// Turn the links around, so that place i tells which piece begins there and where it ends.
static void reverse(struct smr_unigram_place *places, size_t size)
{
    size_t end = size;
    struct smr_unigram_place place = places[size];
    while (end) {
        size_t start = place.start;
        struct smr_unigram_place before = places[start];
        places[start] = (struct smr_unigram_place){.start = (uint32_t)end, .token = place.token};
        end = start;
        place = before;
    }
}

// A run of unknown characters.
static bool add_unknown(struct smr_encoder *encoder, const char *text, size_t size)
{
    const struct smr_vocab *vocab = encoder->vocab;
    bool bytes = vocab->byte_fallback;
    for (size_t i = 0; bytes && i < size; i++)
        bytes = vocab->byte_tokens[(uint8_t)text[i]] >= 0;
    if (!bytes)
        return vocab->unknown < 0 || smr_token_list_add(encoder->tokens, vocab->unknown);
    for (size_t i = 0; i < size; i++)
        if (!smr_token_list_add(encoder->tokens, vocab->byte_tokens[(uint8_t)text[i]]))
            return false;
    return true;
}

bool smr_unigram_encode(struct smr_encoder *encoder, const char *word, size_t size)
{
    if (!reserve(encoder, size + 1))
        return false;
    struct smr_unigram_place *places = encoder->places;
    search(encoder->vocab, word, size, places);
    reverse(places, size);
    for (size_t at = 0, end; at < size; at = end) {
        end = places[at].start;
        if (places[at].token != UNKNOWN) {
            if (!smr_token_list_add(encoder->tokens, places[at].token))
                return false;
            continue;
        }
        while (end < size && places[end].token == UNKNOWN)
            end = places[end].start;
        if (!add_unknown(encoder, word + at, end - at))
            return false;
    }
    return true;
}
