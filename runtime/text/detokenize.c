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
    const struct smr_vocab *vocab = stream->vocab;
    size_t size;
    if (smr_vocab_is_hidden(vocab, token, stream->special))
        return;
    const char *bytes =
        smr_string_table_get(stream->at_start && vocab->starts.at ? &vocab->starts : &vocab->bytes,
                             (uint32_t)token, &size);
    stream->at_start = false;
    for (size_t i = 0; i < size; i++)
        add_byte(stream, bytes[i], text);
}

void smr_detokenizer_end(struct smr_detokenizer *stream, struct smr_string *text)
{
    if (stream->n_held)
        add_replacement(text);
    stream->n_held = 0;
}
