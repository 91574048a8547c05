// bpe.c - BPE: words of bytes or characters, merged by rank (Sennrich et al., arXiv:1508.07909).
#include "text/letters.h"
#include "text/utf8.h"
#include "text/vocab.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

// ---- merges -----------------------------------------------------------------------------------

static uint64_t merge_key(int32_t left, int32_t right)
{
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

static struct smr_merge_slot *merge_slot(const struct smr_vocab *vocab, uint64_t key)
{
    uint32_t i = (uint32_t)XXH3_64bits(&key, sizeof(key)) & vocab->merge_mask;
    while (vocab->merges[i].key != UINT64_MAX && vocab->merges[i].key != key)
        i = (i + 1) & vocab->merge_mask;
    return &vocab->merges[i];
}

bool smr_bpe_reserve_merges(struct smr_vocab *vocab, size_t n)
{
    uint32_t capacity = 16;
    if (n > SMR_VOCAB_MAX_TOKENS)
        return smr_fail(vocab->context, SMR_ERROR_MODEL, "%s: %zu merges, more than %d",
                        vocab->path, n, (int)SMR_VOCAB_MAX_TOKENS);
    while (capacity < n + n / 2)
        capacity *= 2;
    vocab->merges = smr_alloc(vocab->context, capacity, sizeof(*vocab->merges), "merges");
    if (!vocab->merges)
        return false;
    memset(vocab->merges, 0xff, capacity * sizeof(*vocab->merges));
    vocab->merge_mask = capacity - 1;
    return true;
}

// The space is sought from the second byte on, as a text may begin with one.
bool smr_bpe_parse_merge(const char *line, size_t size, struct smr_merge_texts *texts)
{
    const char *space = size > 2 ? memchr(line + 1, ' ', size - 1) : NULL;
    if (!space)
        return false;
    texts->left = line;
    texts->left_size = (size_t)(space - line);
    texts->right = space + 1;
    texts->right_size = size - texts->left_size - 1;
    return true;
}

bool smr_bpe_add_merge(struct smr_vocab *vocab, const struct smr_merge_texts *texts, uint32_t rank)
{
    struct smr_string joined;
    int32_t left = smr_vocab_find(vocab, texts->left, texts->left_size);
    int32_t right = smr_vocab_find(vocab, texts->right, texts->right_size);
    smr_string_init(&joined, vocab->context);
    smr_string_add(&joined, texts->left, texts->left_size);
    smr_string_add(&joined, texts->right, texts->right_size);
    bool ok = !joined.failed;
    int32_t token = ok ? smr_vocab_find(vocab, joined.data, joined.size) : -1;
    smr_string_finish(&joined);
    vocab->n_merges++;
    if (left < 0 || right < 0 || token < 0) {
        vocab->n_bad_merges++;
        return ok;
    }
    struct smr_merge_slot *slot = merge_slot(vocab, merge_key(left, right));
    if (slot->key == UINT64_MAX) // the first of two equal ones counts
        *slot = (struct smr_merge_slot){merge_key(left, right), rank, token};
    return ok;
}

void smr_bpe_finish_merges(struct smr_vocab *vocab)
{
    if (vocab->n_bad_merges)
        smr_log(vocab->context, SMR_LOG_WARNING,
                "%s: %u of %u merges name texts that are no tokens and are left out", vocab->path,
                vocab->n_bad_merges, vocab->n_merges);
}

// ---- encoding ---------------------------------------------------------------------------------

static bool pair(const struct smr_merger *merger, const struct smr_symbol *left,
                 const struct smr_symbol *right, uint32_t *priority, int32_t *token)
{
    if (left->token < 0 || right->token < 0)
        return false;
    const struct smr_merge_slot *slot =
        merge_slot(merger->vocab, merge_key(left->token, right->token));
    *priority = slot->rank;
    *token = slot->token;
    return slot->key != UINT64_MAX;
}

// The token that is the whole word, or -1.
static int32_t whole_word(struct smr_encoder *encoder, const char *word, size_t size)
{
    const struct smr_vocab *vocab = encoder->vocab;
    if (size > vocab->max_text)
        return -1;
    if (vocab->byte_level) {
        encoder->letters.size = 0;
        smr_letters_add(word, size, &encoder->letters);
        if (encoder->letters.failed)
            return -1;
        word = encoder->letters.data;
        size = encoder->letters.size;
    }
    int32_t token = smr_vocab_find(vocab, word, size);
    return token >= 0 && vocab->types[token] == SMR_TOKEN_NORMAL ? token : -1;
}

static bool has_bytes(const struct smr_vocab *vocab, const char *text, size_t size)
{
    bool all = vocab->byte_fallback;
    for (size_t i = 0; all && i < size; i++)
        all = vocab->byte_tokens[(uint8_t)text[i]] >= 0;
    return all;
}

// Characters as the first symbols: tokens, or bytes, or unknown.
static void add_characters(struct smr_merger *merger, const char *word, size_t size)
{
    const struct smr_vocab *vocab = merger->vocab;
    bool unknown = false;
    for (size_t at = 0, n; at < size; at += n) {
        smr_utf8_next(word + at, size - at, &n);
        int32_t token = smr_vocab_find(vocab, word + at, n);
        if (token >= 0 && !smr_vocab_is_piece(vocab, token))
            token = -1;
        if (token < 0 && has_bytes(vocab, word + at, n)) {
            for (size_t i = at; i < at + n; i++)
                smr_merger_add(merger, (uint32_t)i, 1, vocab->byte_tokens[(uint8_t)word[i]]);
            unknown = false;
        } else if (token >= 0 || !unknown || !vocab->fuse_unknown) {
            unknown = token < 0;
            smr_merger_add(merger, (uint32_t)at, (uint32_t)n, unknown ? vocab->unknown : token);
        }
    }
}

bool smr_bpe_encode(struct smr_encoder *encoder, const char *word, size_t size)
{
    struct smr_merger *merger = &encoder->merger;
    const struct smr_vocab *vocab = encoder->vocab;
    if (vocab->ignore_merges) {
        int32_t token = whole_word(encoder, word, size);
        if (token >= 0)
            return smr_token_list_add(encoder->tokens, token);
        if (encoder->letters.failed)
            return false;
    }
    if (!smr_merger_reserve(merger, size))
        return false;
    merger->text = word;
    merger->pair = pair;
    if (vocab->byte_level)
        for (size_t i = 0; i < size; i++)
            smr_merger_add(merger, (uint32_t)i, 1, vocab->byte_tokens[(uint8_t)word[i]]);
    else
        add_characters(merger, word, size);
    if (!smr_merger_run(merger))
        return false;
    for (int32_t i = size ? 0 : -1; i >= 0; i = merger->symbols[i].next) {
        // What the vocabulary lacks leaves nothing, as in the tokenizers it comes from.
        int32_t token = merger->symbols[i].token;
        if (token >= 0 && !smr_token_list_add(encoder->tokens, token))
            return false;
    }
    return true;
}
