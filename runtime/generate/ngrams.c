// ngrams.c - where the last tokens of a text were there before, and what came after them then.
//
// Prompt lookup (A. Saxena, "Prompt Lookup Decoding", 2023): summaries and edits repeat their prompt.
// Each place is linked to the one before it with the same last two tokens, so that looking back takes
// the same time however long the text is.
#include "generate/generate.h"

#include <assert.h>

enum {
    MAX_PLACES = 64,  // looked at for one guess
    LONG_ENOUGH = 32, // tokens in a row: no need to look for more
    MIN_HEADS = 1024, // a power of two, as all numbers of heads
    MAX_HEADS = 65536,
};

bool smr_ngrams_init(struct smr_ngrams *ngrams, smr_context *context, uint32_t capacity)
{
    uint32_t n_heads = MIN_HEADS;
    while (n_heads < capacity && n_heads < MAX_HEADS)
        n_heads *= 2;
    *ngrams = (struct smr_ngrams){.context = context, .capacity = capacity, .n_heads = n_heads};
    ngrams->tokens = smr_alloc(context, capacity, sizeof(*ngrams->tokens), "tokens to look up");
    ngrams->before = smr_alloc(context, capacity, sizeof(*ngrams->before), "places to look up");
    ngrams->heads = smr_alloc(context, n_heads, sizeof(*ngrams->heads), "places to look up");
    return ngrams->tokens && ngrams->before && ngrams->heads;
}

void smr_ngrams_finish(struct smr_ngrams *ngrams)
{
    if (!ngrams->context)
        return;
    smr_free(ngrams->context, ngrams->tokens);
    smr_free(ngrams->context, ngrams->before);
    smr_free(ngrams->context, ngrams->heads);
    *ngrams = (struct smr_ngrams){0};
}

// Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4) of two tokens.
static uint32_t *head_of(const struct smr_ngrams *ngrams, int32_t first, int32_t second)
{
    uint64_t pair = (uint64_t)(uint32_t)first << 32 | (uint32_t)second;
    return &ngrams->heads[(pair * 0x9e3779b97f4a7c15u >> 40) & (ngrams->n_heads - 1)];
}

void smr_ngrams_add(struct smr_ngrams *ngrams, const int32_t *tokens, uint32_t n)
{
    assert(n <= ngrams->capacity - ngrams->n);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = ngrams->n++;
        ngrams->tokens[at] = tokens[i];
        ngrams->before[at] = 0;
        if (!at)
            continue;
        uint32_t *head = head_of(ngrams, ngrams->tokens[at - 1], tokens[i]);
        ngrams->before[at] = *head;
        *head = at; // never 0: two tokens end at 1 or later
    }
}

// Tokens that are the same up to `at` and up to the end.
static uint32_t count_same(const struct smr_ngrams *ngrams, uint32_t at)
{
    uint32_t n = 0, last = ngrams->n - 1;
    while (n <= at && n < LONG_ENOUGH && ngrams->tokens[at - n] == ngrams->tokens[last - n] &&
           ngrams->tokens[last - n] >= 0)
        n++;
    return n;
}

uint32_t smr_ngrams_find(const struct smr_ngrams *ngrams, int32_t *draft, uint32_t max,
                         uint32_t *n_same)
{
    uint32_t best = 0, place = 0;
    uint32_t at = ngrams->n ? ngrams->before[ngrams->n - 1] : 0;
    for (uint32_t i = 0; i < MAX_PLACES && at && best < LONG_ENOUGH; i++, at = ngrams->before[at]) {
        uint32_t same = count_same(ngrams, at);
        if (same > best && same >= 2) { // two pairs may have one head
            best = same;
            place = at;
        }
    }
    *n_same = best;
    uint32_t n = 0;
    for (; best && n < max; n++) { // past the end, the draft goes on with itself: a repetition
        uint32_t from = place + 1 + n;
        draft[n] = from < ngrams->n ? ngrams->tokens[from] : draft[from - ngrams->n];
        if (draft[n] < 0)
            break;
    }
    return n;
}
