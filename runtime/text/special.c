// special.c - finding the tokens that are cut out of a text before it is encoded.
//
// The tokens are sorted by their bytes, so those that begin with the bytes seen so far are a range,
// and each further byte narrows it by binary search. A byte that begins none costs one look-up.
#include "text/vocab.h"

#include <stdlib.h>
#include <string.h>

static bool is_special(uint8_t type)
{
    return type == SMR_TOKEN_CONTROL || type == SMR_TOKEN_USER_DEFINED || type == SMR_TOKEN_UNKNOWN;
}

struct entry {
    const char *text;
    size_t size;
    int32_t token;
};

static int compare(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int order = memcmp(x->text, y->text, x->size < y->size ? x->size : y->size);
    if (order)
        return order;
    if (x->size != y->size)
        return x->size < y->size ? -1 : 1;
    return x->token < y->token ? -1 : 1;
}

// Spaces are written as spaces here, whichever way the file wrote them: `bytes`, not `texts`.
bool smr_special_load(struct smr_vocab *vocab)
{
    uint32_t n = 0, n_all = 0;
    for (uint32_t i = 0; i < vocab->n_tokens; i++)
        n_all += is_special(vocab->types[i]);
    struct entry *entries = smr_alloc(vocab->context, n_all, sizeof(*entries), "special tokens");
    vocab->specials = smr_alloc(vocab->context, n_all, sizeof(*vocab->specials), "special tokens");
    if (!entries || !vocab->specials) {
        smr_free(vocab->context, entries);
        return false;
    }
    for (uint32_t i = 0; i < vocab->n_tokens; i++) {
        struct entry entry = {.token = (int32_t)i};
        entry.text = smr_string_table_get(&vocab->bytes, i, &entry.size);
        if (is_special(vocab->types[i]) && entry.size)
            entries[n++] = entry;
    }
    qsort(entries, n, sizeof(*entries), compare);
    for (uint32_t i = 0; i < n; i++) {
        vocab->specials[i] = entries[i].token;
        vocab->by_byte[(uint8_t)entries[i].text[0] + 1] = i + 1;
    }
    for (uint32_t i = 1; i <= 256; i++)
        if (vocab->by_byte[i] < vocab->by_byte[i - 1])
            vocab->by_byte[i] = vocab->by_byte[i - 1];
    smr_free(vocab->context, entries);
    return true;
}

// The byte at `depth` of special `i`, -1 past its end.
static int byte_at(const struct smr_vocab *vocab, uint32_t i, size_t depth)
{
    size_t size;
    const char *text = smr_string_table_get(&vocab->bytes, (uint32_t)vocab->specials[i], &size);
    return depth < size ? (uint8_t)text[depth] : -1;
}

// The first in [low, high) whose byte at `depth` is not below `byte`.
static uint32_t lower_bound(const struct smr_vocab *vocab, uint32_t low, uint32_t high,
                            size_t depth, int byte)
{
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (byte_at(vocab, middle, depth) < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// The longest special token at the beginning of `text`, or -1.
static int32_t match(const struct smr_vocab *vocab, const char *text, size_t size, bool control,
                     size_t *token_size)
{
    uint32_t low = vocab->by_byte[(uint8_t)text[0]], high = vocab->by_byte[(uint8_t)text[0] + 1];
    int32_t best = -1;
    for (size_t depth = 1; low < high; depth++) {
        // Those that end here come first in the range.
        uint32_t longer = lower_bound(vocab, low, high, depth, 0);
        for (; low < longer; low++) {
            int32_t token = vocab->specials[low];
            if (control || vocab->types[token] == SMR_TOKEN_USER_DEFINED) {
                best = token;
                *token_size = depth;
                break;
            }
        }
        if (depth == size)
            break;
        int byte = (uint8_t)text[depth];
        low = lower_bound(vocab, longer, high, depth, byte);
        high = lower_bound(vocab, low, high, depth, byte + 1);
    }
    return best;
}

size_t smr_special_find(const struct smr_vocab *vocab, const char *text, size_t size, bool control,
                        int32_t *token, size_t *token_size)
{
    for (size_t at = 0; at < size; at++) {
        uint8_t byte = (uint8_t)text[at];
        if (vocab->by_byte[byte] == vocab->by_byte[byte + 1])
            continue;
        *token = match(vocab, text + at, size - at, control, token_size);
        if (*token >= 0)
            return at;
    }
    *token = -1;
    return size;
}
