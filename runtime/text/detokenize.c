// detokenize.c - tokens to text, whole characters at a time.
#include "text/utf8.h"
#include "text/vocab.h"

#include <string.h>

void smr_detokenizer_init(struct smr_detokenizer *stream, const struct smr_vocab *vocab,
                          bool special)
{
    *stream = (struct smr_detokenizer){.vocab = vocab, .special = special};
}

static void add_replacement(struct smr_string *text)
{
    smr_string_add(text, "\xef\xbf\xbd", 3);
}

// Take one byte. What is held is always the beginning of a character.
static void add_byte(struct smr_detokenizer *stream, char byte, struct smr_string *text)
{
    stream->held[stream->n_held++] = byte;
    size_t n;
    enum smr_utf8 state = smr_utf8_next(stream->held, stream->n_held, &n);
    if (state == SMR_UTF8_INCOMPLETE)
        return;
    if (state == SMR_UTF8_VALID)
        smr_string_add(text, stream->held, n);
    else
        add_replacement(text);
    bool again = n < stream->n_held; // the last byte did not belong to it
    stream->n_held = 0;
    if (again)
        add_byte(stream, byte, text);
}

void smr_detokenizer_add(struct smr_detokenizer *stream, int32_t token, struct smr_string *text)
{
    size_t size;
    const char *bytes = smr_vocab_bytes(stream->vocab, token, stream->special, &size);
    if (!size)
        return;
    uint8_t type = stream->vocab->types[token];
    bool word = type == SMR_TOKEN_NORMAL || type == SMR_TOKEN_USER_DEFINED;
    bool skip = stream->at_start && stream->vocab->strip_start && word && bytes[0] == ' ';
    stream->at_start = false;
    for (size_t i = skip; i < size; i++)
        add_byte(stream, bytes[i], text);
}

void smr_detokenizer_end(struct smr_detokenizer *stream, struct smr_string *text)
{
    if (stream->n_held)
        add_replacement(text);
    stream->n_held = 0;
}
