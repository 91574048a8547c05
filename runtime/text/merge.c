// merge.c - merging neighbours in the order of their priority, as both kinds of BPE do.
#include "text/vocab.h"

bool smr_merger_reserve(struct smr_merger *merger, size_t n_symbols)
{
    merger->n_symbols = 0;
    return smr_grow(merger->vocab->context, &merger->symbols, &merger->symbol_capacity, n_symbols,
                    sizeof(*merger->symbols), "the pieces of a text");
}

void smr_merger_add(struct smr_merger *merger, uint32_t offset, uint32_t size, int32_t token)
{
    int32_t i = (int32_t)merger->n_symbols++;
    if (i)
        merger->symbols[i - 1].next = i;
    merger->symbols[i] =
        (struct smr_symbol){.previous = i - 1, .next = -1, offset, size, .token = token};
}

static bool push(struct smr_merger *merger, struct smr_merge_candidate candidate)
{
    if (!smr_grow(merger->vocab->context, &merger->heap, &merger->heap_capacity, merger->n_heap + 1,
                  sizeof(*merger->heap), "the merges of a text"))
        return false;
    size_t i = merger->n_heap++;
    while (i && merger->heap[(i - 1) / 2].key > candidate.key) {
        merger->heap[i] = merger->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    merger->heap[i] = candidate;
    return true;
}

static struct smr_merge_candidate pop(struct smr_merger *merger)
{
    struct smr_merge_candidate *heap = merger->heap, top = heap[0];
    size_t n = --merger->n_heap, i = 0;
    struct smr_merge_candidate last = heap[n];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= n)
            break;
        if (child + 1 < n && heap[child + 1].key < heap[child].key)
            child++;
        if (heap[child].key >= last.key)
            break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = last;
    return top;
}

// Note the pair of `left` and its neighbour, when they can merge.
static bool note_pair(struct smr_merger *merger, int32_t left)
{
    if (left < 0 || merger->symbols[left].next < 0)
        return true;
    const struct smr_symbol *a = &merger->symbols[left], *b = &merger->symbols[a->next];
    uint32_t priority;
    int32_t token;
    if (!merger->pair(merger, a, b, &priority, &token))
        return true;
    return push(merger,
                (struct smr_merge_candidate){.key = (uint64_t)priority << 32 | (uint32_t)left,
                                             .size = a->size + b->size,
                                             .token = token});
}

bool smr_merger_run(struct smr_merger *merger)
{
    merger->n_heap = 0;
    for (size_t i = 0; i + 1 < merger->n_symbols; i++)
        if (!note_pair(merger, (int32_t)i))
            return false;
    while (merger->n_heap) {
        struct smr_merge_candidate best = pop(merger);
        int32_t i = (int32_t)(best.key & UINT32_MAX);
        struct smr_symbol *left = &merger->symbols[i];
        if (!left->size || left->next < 0)
            continue;
        // Symbols only grow: the sum is what it was only when both are what they were.
        struct smr_symbol *right = &merger->symbols[left->next];
        if (left->size + right->size != best.size)
            continue;
        left->size = best.size;
        left->token = best.token;
        left->next = right->next;
        right->size = 0;
        if (left->next >= 0)
            merger->symbols[left->next].previous = i;
        if (!note_pair(merger, left->previous) || !note_pair(merger, i))
            return false;
    }
    return true;
}

void smr_merger_finish(struct smr_merger *merger)
{
    smr_free(merger->vocab->context, merger->symbols);
    smr_free(merger->vocab->context, merger->heap);
}
