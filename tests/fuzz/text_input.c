// text_input.c - inputs of a text and a file, mutated apart; tokens that are looked at.
#include "text_input.h"

#include "text/utf8.h"

#include <string.h>

enum { MAX_TEXT = 0xffff };

size_t input_text_size(const uint8_t *data, size_t size, size_t head)
{
    const size_t n = size < head ? SIZE_MAX : (size_t)data[head - 2] | (size_t)data[head - 1] << 8;
    return size < head || n > size - head ? SIZE_MAX : n;
}

void input_set_text_size(uint8_t *data, size_t head, size_t n_text)
{
    data[head - 2] = (uint8_t)n_text;
    data[head - 1] = (uint8_t)(n_text >> 8);
}

size_t input_mutate_file(uint8_t *data, size_t size, size_t max_size, size_t head)
{
    const size_t before = head + input_text_size(data, size, head);
    return before + LLVMFuzzerMutate(data + before, size - before, max_size - before);
}

size_t input_mutate_text(uint8_t *data, size_t size, size_t max_size, size_t head)
{
    size_t n_text = input_text_size(data, size, head);
    const size_t n_file = size - head - n_text, room = max_size - head;
    if (n_file >= room)
        return size;
    const size_t limit = room - n_file < MAX_TEXT ? room - n_file : MAX_TEXT;
    uint8_t *file = malloc(n_file + 1);
    check(file);
    memcpy(file, data + head + n_text, n_file);
    if (n_text <= limit)
        n_text = LLVMFuzzerMutate(data + head, n_text, limit);
    input_set_text_size(data, head, n_text);
    memcpy(data + head + n_text, file, n_file);
    free(file);
    return head + n_text + n_file;
}

void check_tokens(smr_context *context, const struct smr_vocab *vocab, const int32_t *tokens,
                  size_t n)
{
    struct smr_detokenizer stream;
    struct smr_string text;
    smr_string_init(&text, context);
    smr_detokenizer_init(&stream, vocab, n % 2);
    stream.at_start = n % 3;
    for (size_t i = 0; i < n; i++) {
        check(tokens[i] >= 0 && (uint32_t)tokens[i] < smr_vocab_size(vocab));
        smr_detokenizer_add(&stream, tokens[i], &text);
    }
    smr_detokenizer_end(&stream, &text);
    for (size_t at = 0, length; at < text.size; at += length)
        check(smr_utf8_next(text.data + at, text.size - at, &length) == SMR_UTF8_VALID);
    smr_string_finish(&text);
}
