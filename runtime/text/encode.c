// encode.c - a text to tokens: repair its bytes, cut out special tokens, encode what lies between.
#include "text/utf8.h"
#include "text/vocab.h"

#include <string.h>

bool smr_token_list_add(struct smr_token_list *list, int32_t token)
{
    if (list->n == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 256;
        int32_t *data = smr_realloc(list->context, list->data, capacity, sizeof(*data), "tokens");
        if (!data)
            return false;
        list->data = data;
        list->capacity = capacity;
    }
    list->data[list->n++] = token;
    return true;
}

// Bytes at the start that are valid UTF-8.
static size_t valid_prefix(const char *text, size_t size)
{
    size_t at = 0, n;
    while (at < size && smr_utf8_next(text + at, size - at, &n) == SMR_UTF8_VALID)
        at += n;
    return at;
}

// The text with U+FFFD for what is no UTF-8.
static void repair(const char *text, size_t size, struct smr_string *repaired)
{
    while (size) {
        size_t n = valid_prefix(text, size);
        smr_string_add(repaired, text, n);
        text += n;
        size -= n;
        if (size) {
            smr_utf8_next(text, size, &n);
            smr_string_add(repaired, "\xef\xbf\xbd", 3);
            text += n;
            size -= n;
        }
    }
}

// Runs of spaces become one, those at the ends go: SentencePiece's remove_extra_whitespaces.
static void squeeze(const char *text, size_t size, struct smr_string *squeezed)
{
    bool gap = false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == ' ') {
            gap = true;
            continue;
        }
        if (gap && squeezed->size)
            smr_string_add(squeezed, " ", 1);
        smr_string_add(squeezed, text + i, 1);
        gap = false;
    }
}

static size_t white_prefix(const char *text, size_t size)
{
    size_t n = 0;
    while (n < size && (text[n] == ' ' || (text[n] >= '\t' && text[n] <= '\r')))
        n++;
    return n;
}

static bool strips_after(const struct smr_vocab *vocab, int32_t token)
{
    return vocab->strip_after_special && token != vocab->bos && token != vocab->unknown &&
           token != smr_vocab_find(vocab, "<|endoftext|>", 13);
}

// A text between special tokens. Behind one it begins anew.
static bool encode_part(struct smr_merger *merger, const char *text, size_t size, bool begins,
                        struct smr_token_list *tokens)
{
    const struct smr_vocab *vocab = merger->vocab;
    if (vocab->kind == SMR_VOCAB_BPE)
        return smr_bpe_encode(merger, text, size, tokens);
    if (vocab->remove_extra_whitespaces) {
        for (; size && text[0] == ' '; size--)
            text++;
        while (size && text[size - 1] == ' ')
            size--;
        if (!size)
            return true;
    }
    return smr_spm_encode(merger, text, size, begins && vocab->add_space_prefix, tokens);
}

static bool encode_text(const struct smr_vocab *vocab, const char *text, size_t size, bool control,
                        struct smr_token_list *tokens)
{
    struct smr_merger merger = {.vocab = vocab};
    bool ok = true, after_special = true;
    while (ok && size) {
        int32_t token;
        size_t token_size = 0;
        size_t n = smr_special_find(vocab, text, size, control, &token, &token_size);
        if (n) {
            ok = encode_part(&merger, text, n, after_special, tokens);
            after_special = false;
        }
        if (ok && token >= 0) {
            ok = smr_token_list_add(tokens, token);
            after_special = true;
        }
        n += token_size;
        if (token >= 0 && strips_after(vocab, token))
            n += white_prefix(text + n, size - n);
        text += n;
        size -= n;
    }
    smr_merger_finish(&merger);
    return ok;
}

// Whether the text begins with the begin-of-text token spelled out.
static bool has_bos(const struct smr_vocab *vocab, const char *text, size_t size)
{
    size_t n;
    const char *bos = smr_string_table_get(&vocab->bytes, (uint32_t)vocab->bos, &n);
    return n && size >= n && !memcmp(text, bos, n);
}

bool smr_vocab_encode(const struct smr_vocab *vocab, const char *text, size_t size, uint32_t flags,
                      struct smr_token_list *tokens)
{
    struct smr_string repaired, squeezed;
    size_t n_before = tokens->n;
    bool ok = false, control = flags & SMR_TOKENIZE_SPECIAL;
    smr_string_init(&repaired, vocab->context);
    smr_string_init(&squeezed, vocab->context);
    if (size > INT32_MAX / 4) {
        smr_fail(vocab->context, SMR_ERROR_USAGE, "a text of %zu bytes; at most %d can be encoded",
                 size, INT32_MAX / 4);
        goto done;
    }
    if (valid_prefix(text, size) != size) {
        repair(text, size, &repaired);
        text = repaired.data;
        size = repaired.size;
    }
    if (vocab->kind == SMR_VOCAB_SPM && vocab->remove_extra_whitespaces) {
        squeeze(text, size, &squeezed);
        text = squeezed.data;
        size = squeezed.size;
    }
    if (repaired.failed || squeezed.failed)
        goto done;
    bool ends = !(flags & SMR_TOKENIZE_NO_BOS);
    ok = true;
    if (ends && vocab->add_bos && vocab->bos >= 0 && !(control && has_bos(vocab, text, size)))
        ok = smr_token_list_add(tokens, vocab->bos);
    ok = ok && encode_text(vocab, text, size, control, tokens);
    if (ok && ends && vocab->add_eos && vocab->eos >= 0)
        ok = smr_token_list_add(tokens, vocab->eos);
done:
    if (!ok)
        tokens->n = n_before;
    smr_string_finish(&squeezed);
    smr_string_finish(&repaired);
    return ok;
}
