// decoder.c - the steps of a decoder.
#include "text/decoder.h"
#include "text/letters.h"
#include "text/utf8.h"

#include <string.h>

void smr_decoder_finish(struct smr_decoder *decoder)
{
    for (uint32_t i = 0; i < decoder->n_steps; i++)
        smr_regex_destroy(decoder->steps[i].regex);
    decoder->n_steps = 0;
}

// Append `text` with each `from` replaced by `to`.
static void replace_text(const char *text, size_t size, const char *from, size_t from_size,
                         const char *to, struct smr_string *out)
{
    while (size) {
        bool hit = from_size && size >= from_size && !memcmp(text, from, from_size);
        size_t n = hit ? from_size : 1;
        smr_string_add(out, hit ? to : text, hit ? strlen(to) : 1);
        text += n;
        size -= n;
    }
}

static void strip(const struct smr_decoder_step *step, const char *text, size_t size,
                  struct smr_string *out)
{
    size_t n = step->text_size;
    for (uint32_t i = 0; i < step->start && size >= n && !memcmp(text, step->text, n); i++) {
        text += n;
        size -= n;
    }
    for (uint32_t i = 0; i < step->stop && size >= n && !memcmp(text + size - n, step->text, n);
         i++)
        size -= n;
    smr_string_add(out, text, size);
}

// As clean_up_tokenization does it: one replacement after the other.
static void clean_up(struct smr_string *text, struct smr_string *scratch)
{
    static const char *const pairs[][2] = {
        {" .", "."},   {" ?", "?"},     {" !", "!"},     {" ,", ","},
        {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},   {" do not", " don't"},
        {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
    };
    for (size_t i = 0; i < SMR_COUNT(pairs) && text->size; i++) {
        scratch->size = 0;
        replace_text(text->data, text->size, pairs[i][0], strlen(pairs[i][0]), pairs[i][1],
                     scratch);
        text->size = 0;
        smr_string_add(text, scratch->data, scratch->size);
    }
}

static void wordpiece(const struct smr_decoder_step *step, const char *text, size_t size,
                      bool first, struct smr_string *out)
{
    size_t n = step->text_size;
    bool goes_on = n && size >= n && !memcmp(text, step->text, n);
    if (!first && !goes_on)
        smr_string_add(out, " ", 1);
    n = !first && goes_on ? n : 0;
    smr_string_add(out, text + n, size - n);
}

// The value of "<0x0A>", or -1.
static int parse_byte(const char *text, size_t size)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    if (size != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>')
        return -1;
    int value = 0;
    for (int i = 3; i < 5; i++) {
        const char *digit = text[i] ? strchr(digits, text[i]) : NULL;
        if (!digit)
            return -1;
        value = value * 16 + (int)(digit - digits) % 16;
    }
    return value;
}

static bool run_step(const struct smr_decoder_step *step, struct smr_regex_search *search,
                     const char *text, size_t size, bool first, struct smr_string *out)
{
    int byte;
    switch (step->kind) {
    case SMR_DECODER_LETTERS:
        if (!smr_letters_decode(text, size, out))
            smr_string_add(out, text, size);
        return true;
    case SMR_DECODER_METASPACE:
        replace_text(text, size, step->text, step->text_size, first && step->first ? "" : " ", out);
        return true;
    case SMR_DECODER_BYTES:
        byte = parse_byte(text, size);
        smr_string_add(out, byte < 0 ? text : &(char){(char)byte}, byte < 0 ? size : 1);
        return true;
    case SMR_DECODER_STRIP:
        strip(step, text, size, out);
        return true;
    case SMR_DECODER_REPLACE:
        return smr_regex_replace(step->regex, search, text, size, step->text, step->text_size, out);
    case SMR_DECODER_WORDPIECE:
    case SMR_DECODER_SPACE:
        wordpiece(step, text, size, first, out);
        return true;
    case SMR_DECODER_FUSE:
        break;
    }
    smr_string_add(out, text, size);
    return true;
}

bool smr_decoder_run(const struct smr_decoder *decoder, struct smr_regex_search *search,
                     const char *text, size_t size, bool first, struct smr_string scratch[2],
                     struct smr_string *out)
{
    bool fused = false;
    for (uint32_t i = 0; i < decoder->n_steps; i++) {
        const struct smr_decoder_step *step = &decoder->steps[i];
        struct smr_string *to = &scratch[0];
        // What is no UTF-8 is a byte by itself, which expressions must not see.
        bool raw = step->regex && smr_utf8_valid_prefix(text, size) != size;
        fused = fused || step->kind == SMR_DECODER_FUSE;
        if (raw || (fused && !first)) // the beginning of a fused text is its first token's
            continue;
        to->size = 0;
        if (!run_step(step, search, text, size, first, to))
            return false;
        if (step->clean_up)
            clean_up(to, &scratch[1]);
        if (to->failed || scratch[1].failed)
            return false;
        // The result becomes the text: swap it into the second string.
        struct smr_string result = *to;
        scratch[0] = scratch[1];
        scratch[1] = result;
        text = result.data ? result.data : "";
        size = result.size;
    }
    smr_string_add(out, text, size);
    return !out->failed;
}
