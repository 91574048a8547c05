// split.h - where to cut a long text.
#pragma once

#include <stddef.h>

// The best place to cut `text` at no later than `most` bytes: after a paragraph, else a sentence,
// else a line, else a word, else a character, as long as the piece stays above half of `most`. At
// least 1 when `size` is; `size` when all of it fits.
size_t split_at(const char *text, size_t size, size_t most);
