// bpe.c - byte-level BPE: words of bytes, merged by rank (Sennrich et al., arXiv:1508.07909; the
// byte-level alphabet is that of GPT-2's encoder.py).
#include "text/letters.h"
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

// A line of the list: two texts and a space between. The space is sought from the second byte on,
// as a text may begin with one. False when it is none or names what is no token.
static bool parse_merge(const struct smr_vocab *vocab, const char *line, size_t size, uint64_t *key,
                        int32_t *token, struct smr_string *joined)
{
    const char *space = size > 2 ? memchr(line + 1, ' ', size - 1) : NULL;
    if (!space)
        return false;
    size_t n_left = (size_t)(space - line), n_right = size - n_left - 1;
    int32_t left = smr_vocab_find(vocab, line, n_left);
    int32_t right = smr_vocab_find(vocab, space + 1, n_right);
    joined->size = 0;
    smr_string_add(joined, line, n_left);
    smr_string_add(joined, space + 1, n_right);
    if (left < 0 || right < 0 || joined->failed)
        return false;
    *key = merge_key(left, right);
    *token = smr_vocab_find(vocab, joined->data, joined->size);
    return *token >= 0;
}

static bool make_merge_table(struct smr_vocab *vocab, size_t n)
{
    uint32_t capacity = 16;
    while (capacity < n + n / 2)
        capacity *= 2;
    vocab->merges = smr_alloc(vocab->context, capacity, sizeof(*vocab->merges), "merges");
    if (!vocab->merges)
        return false;
    memset(vocab->merges, 0xff, capacity * sizeof(*vocab->merges));
    vocab->merge_mask = capacity - 1;
    return true;
}

// Put the lines of the list into the table. `n_bad` counts those that are left out.
static bool read_merges(struct smr_vocab *vocab, const struct smr_model *model,
                        struct smr_metadata_array *array, size_t *n_bad)
{
    struct smr_string joined;
    bool ok = true;
    smr_string_init(&joined, vocab->context);
    for (size_t rank = 0; ok && rank < array->n; rank++) {
        const char *line;
        size_t size;
        uint64_t key;
        int32_t token;
        if (!smr_metadata_next_string(array, &line, &size)) {
            ok = smr_fail(vocab->context, SMR_ERROR_MODEL,
                          "%s: tokenizer.ggml.merges: entry %zu of %zu is no string", model->path,
                          rank, array->n);
        } else if (parse_merge(vocab, line, size, &key, &token, &joined)) {
            struct smr_merge_slot *slot = merge_slot(vocab, key);
            if (slot->key == UINT64_MAX) // the first of two equal ones counts
                *slot = (struct smr_merge_slot){.key = key, .rank = (uint32_t)rank, .token = token};
        } else {
            ok = !joined.failed;
            ++*n_bad;
        }
    }
    smr_string_finish(&joined);
    return ok;
}

bool smr_bpe_load_merges(struct smr_vocab *vocab, const struct smr_model *model)
{
    struct smr_metadata_array array;
    size_t n_bad = 0;
    if (!smr_metadata_array(model->metadata, "tokenizer.ggml.merges", &array))
        return smr_fail(vocab->context, SMR_ERROR_MODEL,
                        "%s: tokenizer.ggml.merges is missing or no array, a gpt2 vocabulary "
                        "needs it",
                        model->path);
    if (array.n > SMR_VOCAB_MAX_TOKENS)
        return smr_fail(vocab->context, SMR_ERROR_MODEL,
                        "%s: tokenizer.ggml.merges has %zu entries, more than %d", model->path,
                        array.n, (int)SMR_VOCAB_MAX_TOKENS);
    if (!make_merge_table(vocab, array.n) || !read_merges(vocab, model, &array, &n_bad))
        return false;
    if (n_bad)
        smr_log(vocab->context, SMR_LOG_WARNING,
                "%s: %zu of %zu merges name texts that are no tokens and are left out", model->path,
                n_bad, array.n);
    return true;
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
    encoder->letters.size = 0;
    smr_letters_add(word, size, &encoder->letters);
    if (encoder->letters.failed)
        return -1;
    int32_t token = smr_vocab_find(vocab, encoder->letters.data, encoder->letters.size);
    return token >= 0 && vocab->types[token] == SMR_TOKEN_NORMAL ? token : -1;
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
    for (size_t i = 0; i < size; i++)
        smr_merger_add(merger, (uint32_t)i, 1, vocab->byte_tokens[(uint8_t)word[i]]);
    if (!smr_merger_run(merger))
        return false;
    for (int32_t i = size ? 0 : -1; i >= 0; i = merger->symbols[i].next) {
        // A byte that the vocabulary lacks leaves nothing, as in the tokenizers it comes from.
        int32_t token = merger->symbols[i].token;
        if (token >= 0 && !smr_token_list_add(encoder->tokens, token))
            return false;
    }
    return true;
}
