// encode.c - a text to tokens: repair its bytes, cut out special tokens, and lead what lies between
// through the normalizer and the pre-tokenizer to the model.
#include "text/utf8.h"
#include "text/vocab.h"

#include <string.h>

bool smr_token_list_add(struct smr_token_list *list, int32_t token)
{
    if (!smr_grow(list->context, &list->data, &list->capacity, list->n + 1, sizeof(*list->data),
                  "tokens"))
        return false;
    list->data[list->n++] = token;
    return true;
}

// The text with U+FFFD for what is no UTF-8.
static void repair(const char *text, size_t size, struct smr_string *repaired)
{
    while (size) {
        size_t n = smr_utf8_valid_prefix(text, size);
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

static bool encode_word(void *user, const char *word, size_t size)
{
    struct smr_encoder *encoder = user;
    switch (encoder->vocab->kind) {
    case SMR_VOCAB_SPM:
        return smr_spm_encode(encoder, word, size);
    case SMR_VOCAB_BPE:
        return smr_bpe_encode(encoder, word, size);
    case SMR_VOCAB_UNIGRAM:
        return smr_unigram_encode(encoder, word, size);
    case SMR_VOCAB_WORDPIECE:
        return smr_wordpiece_encode(encoder, word, size);
    }
    return true;
}

// Cut a part without special tokens into words.
static bool encode_words(struct smr_encoder *encoder, const char *text, size_t size, bool first)
{
    if (!encoder->vocab->pretokenizer)
        return encode_word(encoder, text, size);
    struct smr_splitting splitting = {encoder->vocab->pretokenizer, encoder->search,
                                      &encoder->words, encode_word, encoder};
    return smr_pretokenizer_split(&splitting, text, size, first);
}

static bool encode_normalized(struct smr_encoder *encoder, const char *text, size_t size,
                              bool first);

// Cut special tokens out and encode what lies between. `first`: at the beginning of the whole text.
static bool encode_text(struct smr_encoder *encoder, const struct smr_trie *specials,
                        const char *text, size_t size, bool first,
                        bool (*encode)(struct smr_encoder *encoder, const char *text, size_t size,
                                       bool first))
{
    struct smr_special_match match = {0};
    for (size_t at = 0; at < size; at = match.end) {
        smr_special_find(encoder->vocab, specials, encoder->control, text, size, at, &match);
        if (match.start > at && !encode(encoder, text + at, match.start - at, first && !at))
            return false;
        if (match.token >= 0 && !smr_token_list_add(encoder->tokens, match.token))
            return false;
    }
    return true;
}

static bool encode_normalized(struct smr_encoder *encoder, const char *text, size_t size,
                              bool first)
{
    const struct smr_vocab *vocab = encoder->vocab;
    if (vocab->normalizer && !smr_normalizer_run(vocab->normalizer, encoder->search,
                                                 encoder->normalized, &text, &size, &first))
        return false;
    return encode_text(encoder, &vocab->normalized_specials, text, size, first, encode_words);
}

static bool encoder_init(struct smr_encoder *encoder, const struct smr_vocab *vocab, uint32_t flags,
                         struct smr_token_list *tokens)
{
    *encoder = (struct smr_encoder){
        .vocab = vocab,
        .tokens = tokens,
        .control = flags & SMR_TOKENIZE_SPECIAL,
        .merger.vocab = vocab,
        .search = smr_regex_search_create(vocab->context),
    };
    smr_string_init(&encoder->normalized[0], vocab->context);
    smr_string_init(&encoder->normalized[1], vocab->context);
    smr_string_init(&encoder->letters, vocab->context);
    return encoder->search;
}

static void encoder_finish(struct smr_encoder *encoder)
{
    smr_string_finish(&encoder->normalized[0]);
    smr_string_finish(&encoder->normalized[1]);
    smr_string_finish(&encoder->letters);
    smr_regex_search_destroy(encoder->search);
    smr_pretokenizer_scratch_finish(&encoder->words);
    smr_merger_finish(&encoder->merger);
    smr_free(encoder->vocab->context, encoder->places);
}

// Whether the text begins with the first token before it spelled out.
static bool has_before(const struct smr_vocab *vocab, const char *text, size_t size)
{
    size_t n;
    const char *bos = smr_special_text(vocab, (uint32_t)vocab->before[0], &n);
    return n && size >= n && !memcmp(text, bos, n);
}

static bool add_tokens(struct smr_token_list *list, const int32_t *tokens, uint32_t n)
{
    bool ok = true;
    for (uint32_t i = 0; ok && i < n; i++)
        ok = smr_token_list_add(list, tokens[i]);
    return ok;
}

bool smr_vocab_encode(const struct smr_vocab *vocab, const char *text, size_t size, uint32_t flags,
                      struct smr_token_list *tokens)
{
    struct smr_string repaired;
    struct smr_encoder encoder;
    size_t n_before = tokens->n;
    bool ok = encoder_init(&encoder, vocab, flags, tokens);
    smr_string_init(&repaired, vocab->context);
    if (!ok)
        goto done;
    ok = false;
    if (size > INT32_MAX / 4) {
        smr_fail(vocab->context, SMR_ERROR_USAGE, "a text of %zu bytes; at most %d can be encoded",
                 size, INT32_MAX / 4);
        goto done;
    }
    if (smr_utf8_valid_prefix(text, size) != size) {
        repair(text, size, &repaired);
        text = repaired.data;
        size = repaired.size;
        if (repaired.failed)
            goto done;
    }
    bool around = !(flags & SMR_TOKENIZE_NO_BOS);
    ok = true;
    if (around && vocab->n_before && !(encoder.control && has_before(vocab, text, size)))
        ok = add_tokens(tokens, vocab->before, vocab->n_before);
    ok = ok && encode_text(&encoder, &vocab->specials, text, size, true, encode_normalized);
    if (ok && around)
        ok = add_tokens(tokens, vocab->behind, vocab->n_behind);
done:
    if (!ok)
        tokens->n = n_before;
    smr_string_finish(&repaired);
    encoder_finish(&encoder);
    return ok;
}
