// trie.c - building a trie of a sorted list, and a step in it.
#include "text/trie.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
    const struct smr_trie_entry *x = a, *y = b;
    int order = memcmp(x->text, y->text, x->size < y->size ? x->size : y->size);
    if (order)
        return order;
    if (x->size != y->size)
        return x->size < y->size ? -1 : 1;
    return x->value < y->value ? -1 : x->value > y->value;
}

static size_t common_prefix(const struct smr_trie_entry *a, const struct smr_trie_entry *b)
{
    size_t n = 0;
    while (n < a->size && n < b->size && a->text[n] == b->text[n])
        n++;
    return n;
}

static bool allocate(struct smr_trie *trie, smr_context *context, size_t n_nodes)
{
    trie->first = smr_alloc(context, n_nodes + 1, sizeof(*trie->first), "a trie");
    trie->labels = smr_alloc(context, n_nodes, sizeof(*trie->labels), "a trie");
    trie->values = smr_alloc(context, n_nodes, sizeof(*trie->values), "a trie");
    return trie->first && trie->labels && trie->values;
}

// The entries that go through a node: they share its first `depth` bytes.
struct range {
    uint32_t low, high, depth;
};

// Give node `i` its value and number its children behind all nodes there are.
static void expand(struct smr_trie *trie, const struct smr_trie_entry *entries,
                   struct range *ranges, uint32_t i)
{
    uint32_t at = ranges[i].low, high = ranges[i].high, depth = ranges[i].depth;
    trie->first[i] = trie->n_nodes;
    trie->values[i] = at < high && entries[at].size == depth ? entries[at].value : -1;
    while (at < high && entries[at].size == depth)
        at++;
    while (at < high) {
        char label = entries[at].text[depth];
        uint32_t low = at;
        while (at < high && entries[at].text[depth] == label)
            at++;
        trie->labels[trie->n_nodes] = (uint8_t)label;
        ranges[trie->n_nodes++] = (struct range){low, at, depth + 1};
    }
}

bool smr_trie_build(struct smr_trie *trie, smr_context *context, struct smr_trie_entry *entries,
                    size_t n)
{
    size_t n_nodes = 1;
    qsort(entries, n, sizeof(*entries), compare);
    for (size_t i = 0; i < n; i++)
        n_nodes += entries[i].size - (i ? common_prefix(&entries[i - 1], &entries[i]) : 0);
    struct range *ranges = smr_alloc(context, n_nodes, sizeof(*ranges), "a trie");
    bool ok = ranges && allocate(trie, context, n_nodes);
    if (ok) {
        ranges[0] = (struct range){.high = (uint32_t)n};
        trie->n_nodes = 1;
        for (uint32_t i = 0; i < n_nodes; i++)
            expand(trie, entries, ranges, i);
        trie->first[n_nodes] = trie->n_nodes;
    }
    smr_free(context, ranges);
    return ok;
}

void smr_trie_finish(struct smr_trie *trie, smr_context *context)
{
    smr_free(context, trie->first);
    smr_free(context, trie->labels);
    smr_free(context, trie->values);
    *trie = (struct smr_trie){0};
}

uint32_t smr_trie_step(const struct smr_trie *trie, uint32_t node, char byte)
{
    if (!trie->n_nodes)
        return 0;
    uint32_t low = trie->first[node], high = trie->first[node + 1];
    uint8_t label = (uint8_t)byte;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (trie->labels[middle] == label)
            return middle;
        if (trie->labels[middle] < label)
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}
