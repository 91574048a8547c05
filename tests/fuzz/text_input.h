// text_input.h - what fuzz targets of tokenizers share: an input that is a text and a file, and what must
// hold of the tokens of a text.
//
// The input is a head of bytes, of which the last two are the text's size, the text, and the file.
#pragma once

#include "text/text.h"

#include <stdlib.h>

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

static inline void check(bool condition)
{
    if (!condition)
        abort();
}

// Bytes of the text; SIZE_MAX where the input is too short for it.
size_t input_text_size(const uint8_t *data, size_t size, size_t head);
void input_set_text_size(uint8_t *data, size_t head, size_t n_text);

// Mutate the file or the text, each as a whole, so that the other stays what it was. Returns the size.
size_t input_mutate_file(uint8_t *data, size_t size, size_t max_size, size_t head);
size_t input_mutate_text(uint8_t *data, size_t size, size_t max_size, size_t head);

// Tokens are the vocabulary's own, and detokenise to UTF-8, at the start of a text and in it.
void check_tokens(smr_context *context, const struct smr_vocab *vocab, const int32_t *tokens,
                  size_t n);
