// trie.h - texts found from their beginning on, byte by byte: pieces, words, special tokens.
#pragma once

#include "base/base.h"

// Nodes are numbered level by level, so the children of node i are first[i] to first[i + 1]. They are
// sorted by their labels. Node 0 is the root.
struct smr_trie {
    uint32_t *first; // [n_nodes + 1]
    uint8_t *labels; // [n_nodes]: the byte that leads to a node
    int32_t *values; // [n_nodes]: what ends at a node, or -1
    uint32_t n_nodes;
};

struct smr_trie_entry {
    const char *text;
    size_t size; // bytes, more than 0
    int32_t value;
};

// Sorts `entries`. Of equal texts the smallest value counts. False when there is no memory. Texts
// have fewer than 2^31 bytes in all.
bool smr_trie_build(struct smr_trie *trie, smr_context *context, struct smr_trie_entry *entries,
                    size_t n);
void smr_trie_finish(struct smr_trie *trie, smr_context *context);

// The node behind `node` along `byte`; 0 when there is none.
uint32_t smr_trie_step(const struct smr_trie *trie, uint32_t node, char byte);
