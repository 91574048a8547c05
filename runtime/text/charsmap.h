// charsmap.h - SentencePiece's "precompiled charsmap": a table of texts and what stands for them.
//
// Format (normalizer.cc of SentencePiece): u32 size of the trie, the trie, then the replacements, each
// ending with a zero. The trie is a double array of u32 as darts-clone writes it
// (https://github.com/s-yata/darts-clone), its values are offsets among the replacements.
#pragma once

#include "base/base.h"

struct smr_charsmap;

// A copy of `data`, checked. NULL with an error that begins with `name`.
struct smr_charsmap *smr_charsmap_create(smr_context *context, const char *name, const void *data,
                                         size_t size);
void smr_charsmap_destroy(struct smr_charsmap *map); // accepts NULL

// As it was given to smr_charsmap_create(), but for the 4 bytes at the start, the size of the trie.
const void *smr_charsmap_data(const struct smr_charsmap *map, uint32_t *trie_size, size_t *size);

// Replacements for characters, in the two ways that are in use.
enum smr_charsmap_match {
    SMR_CHARSMAP_LONGEST,  // SentencePiece: the longest text at each place
    SMR_CHARSMAP_GRAPHEME, // Hugging Face: see smr_charsmap_run()
};

// Append `text`, which is valid UTF-8, to `out` with its replacements.
//
// Hugging Face's way (precompiled.rs of tokenizers) goes by grapheme clusters: one of fewer than 6
// bytes that *begins* with a text of the table becomes, as a whole, the replacement of the shortest
// such text; else its characters are looked up one by one.
void smr_charsmap_run(const struct smr_charsmap *map, enum smr_charsmap_match match,
                      const char *text, size_t size, struct smr_string *out);
