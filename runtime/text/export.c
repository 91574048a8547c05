// export.c - a vocabulary in GGUF's words: keys tokenizer.ggml.*
// (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md), as llama.cpp's vocabularies "gpt2",
// "llama" and "t5" have them.
//
// What GGUF can say is less than what tokenizer.json can. So the result is tried: a text must give
// the same tokens through it.
#include "model/metadata.h"
#include "text/vocab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// How a text gets its spaces before pieces are sought in it.
struct spaces {
    bool known; // these stages and no others
    bool prefix, squeeze;
    const struct smr_charsmap *charsmap;
};

static bool is_text(const char *text, size_t size, const char *wanted)
{
    return size == strlen(wanted) && !memcmp(text, wanted, size);
}

// Spaces at the ends go, or runs of them become one.
static bool squeezes(const struct smr_normalize_step *step)
{
    return step->kind == SMR_NORMALIZE_SQUEEZE || step->kind == SMR_NORMALIZE_STRIP ||
           (step->kind == SMR_NORMALIZE_REPLACE && is_text(step->text, step->text_size, " "));
}

// U+2581 for spaces.
static bool marks(const struct smr_normalize_step *step)
{
    return step->kind == SMR_NORMALIZE_REPLACE &&
           is_text(step->text, step->text_size, "\xe2\x96\x81");
}

// What the stages of SentencePiece's kinds amount to.
static struct spaces find_spaces(const struct smr_vocab *vocab)
{
    struct spaces spaces = {.known = true};
    size_t n;
    const struct smr_normalize_step *step = smr_normalizer_steps(vocab->normalizer, &n);
    for (size_t i = 0; i < n; i++, step++) {
        if (step->kind == SMR_NORMALIZE_CHARSMAP && !spaces.charsmap)
            spaces.charsmap = step->charsmap;
        else if (step->kind == SMR_NORMALIZE_PREPEND)
            spaces.prefix = true;
        else if (squeezes(step))
            spaces.squeeze = true;
        else if (!marks(step))
            spaces.known = false;
    }
    const struct smr_pretokenizer_stage *stage = smr_pretokenizer_stages(vocab->pretokenizer, &n);
    for (size_t i = 0; i < n; i++, stage++) {
        if (stage->kind == SMR_PRE_METASPACE)
            spaces.prefix = spaces.prefix || stage->prepend != SMR_PREPEND_NEVER;
        else if (stage->kind != SMR_PRE_SPLIT)
            spaces.known = false;
    }
    return spaces;
}

// ---- arrays -----------------------------------------------------------------------------------

// Texts and types of `n` tokens; numbers without a token get a name, as llama.cpp's files have.
static bool set_tokens(const struct smr_vocab *vocab, uint32_t n, struct smr_metadata *metadata)
{
    enum { NAME = 24 };
    smr_context *context = vocab->context;
    const char **texts = smr_alloc(context, n, sizeof(*texts), "token texts");
    size_t *sizes = smr_alloc(context, n, sizeof(*sizes), "token texts");
    int32_t *types = smr_alloc(context, n, sizeof(*types), "token types");
    char *names = smr_alloc(context, n, NAME, "token texts");
    bool ok = texts && sizes && types && names;
    for (uint32_t i = 0; ok && i < n; i++) {
        texts[i] = NULL;
        if (i < vocab->n_tokens)
            texts[i] = smr_string_table_get(&vocab->texts, i, &sizes[i]);
        types[i] = i < vocab->n_tokens ? vocab->types[i] : SMR_TOKEN_UNUSED;
        if (texts[i] && sizes[i])
            continue;
        texts[i] = names + (size_t)i * NAME;
        sizes[i] = (size_t)snprintf(names + (size_t)i * NAME, NAME, "[PAD%u]", i);
    }
    if (ok) {
        smr_metadata_set_strings(metadata, "tokenizer.ggml.tokens", texts, sizes, n);
        smr_metadata_set_i32s(metadata, "tokenizer.ggml.token_type", types, n);
    }
    smr_free(context, texts);
    smr_free(context, sizes);
    smr_free(context, types);
    smr_free(context, names);
    return ok;
}

static int by_rank(const void *a, const void *b)
{
    const struct smr_merge_slot *x = a, *y = b;
    return x->rank < y->rank ? -1 : x->rank > y->rank;
}

// The merges in the order of their ranks; `*n` of them. NULL: no memory.
static struct smr_merge_slot *sort_merges(const struct smr_vocab *vocab, size_t *n)
{
    struct smr_merge_slot *list =
        smr_alloc(vocab->context, (size_t)vocab->merge_mask + 1, sizeof(*list), "merges");
    *n = 0;
    for (size_t i = 0; list && i <= vocab->merge_mask; i++)
        if (vocab->merges[i].key != UINT64_MAX)
            list[(*n)++] = vocab->merges[i];
    if (list)
        qsort(list, *n, sizeof(*list), by_rank);
    return list;
}

static bool set_merges(const struct smr_vocab *vocab, struct smr_metadata *metadata)
{
    size_t n, size;
    struct smr_string lines;
    struct smr_merge_slot *merges = sort_merges(vocab, &n);
    const char **texts = smr_alloc(vocab->context, n, sizeof(*texts), "merges");
    size_t *sizes = smr_alloc(vocab->context, n, sizeof(*sizes), "merges");
    smr_string_init(&lines, vocab->context);
    bool ok = merges && texts && sizes;
    for (size_t i = 0; ok && i < n; i++) {
        size_t start = lines.size;
        const char *left =
            smr_string_table_get(&vocab->texts, (uint32_t)(merges[i].key >> 32), &size);
        smr_string_add(&lines, left, size);
        smr_string_add(&lines, " ", 1);
        const char *right = smr_string_table_get(&vocab->texts, (uint32_t)merges[i].key, &size);
        smr_string_add(&lines, right, size);
        sizes[i] = lines.size - start;
    }
    ok = ok && !lines.failed;
    for (size_t i = 0, at = 0; ok && i < n; at += sizes[i++])
        texts[i] = lines.data + at;
    if (ok)
        smr_metadata_set_strings(metadata, "tokenizer.ggml.merges", texts, sizes, n);
    smr_string_finish(&lines);
    smr_free(vocab->context, merges);
    smr_free(vocab->context, texts);
    smr_free(vocab->context, sizes);
    return ok;
}

// Scores, one for each token. Those that merge by ranks get scores that put the merges into the
// same order: the first rank that makes a token, from 0 down.
static bool set_scores(const struct smr_vocab *vocab, uint32_t n, struct smr_metadata *metadata)
{
    float *scores = smr_alloc(vocab->context, n, sizeof(*scores), "token scores");
    if (!scores)
        return false;
    for (uint32_t i = 0; vocab->kind != SMR_VOCAB_BPE && i < vocab->n_tokens; i++)
        scores[i] = (float)vocab->scores[i];
    for (size_t i = 0; vocab->kind == SMR_VOCAB_BPE && i <= vocab->merge_mask; i++) {
        const struct smr_merge_slot *slot = &vocab->merges[i];
        float score = -1 - (float)slot->rank;
        if (slot->key != UINT64_MAX && (!scores[slot->token] || score > scores[slot->token]))
            scores[slot->token] = score;
    }
    smr_metadata_set_f32s(metadata, "tokenizer.ggml.scores", scores, n);
    smr_free(vocab->context, scores);
    return true;
}

static void set_charsmap(const struct smr_charsmap *map, struct smr_metadata *metadata)
{
    uint32_t trie_size;
    size_t size;
    const void *data = smr_charsmap_data(map, &trie_size, &size);
    uint8_t *bytes = smr_arena_alloc(metadata->arena, size + 4, 1);
    metadata->failed = metadata->failed || !bytes;
    if (!bytes)
        return;
    for (size_t i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(trie_size >> 8 * i);
    memcpy(bytes + 4, data, size);
    const struct smr_gguf_value value = {
        .type = SMR_GGUF_ARRAY,
        .array = {.type = SMR_GGUF_U8, .n = size + 4, .cursor = {.data = bytes, .size = size + 4}},
    };
    smr_metadata_set(metadata, "tokenizer.ggml.precompiled_charsmap", &value);
}

// ---- the whole --------------------------------------------------------------------------------

static void set_id(struct smr_metadata *metadata, const char *key, int32_t token)
{
    if (token >= 0)
        smr_metadata_set_u32(metadata, key, (uint32_t)token);
}

// The tokens around a text: at most one at either end, which is then the one of that name.
static bool set_around(const struct smr_vocab *vocab, struct smr_metadata *metadata)
{
    int32_t bos = vocab->n_before ? vocab->before[0] : vocab->bos;
    int32_t eos = vocab->n_behind ? vocab->behind[0] : vocab->eos;
    if (vocab->n_before > 1 || vocab->n_behind > 1 || (vocab->eos >= 0 && eos != vocab->eos))
        return false;
    set_id(metadata, "tokenizer.ggml.bos_token_id", bos);
    set_id(metadata, "tokenizer.ggml.eos_token_id", eos);
    set_id(metadata, "tokenizer.ggml.unknown_token_id", vocab->unknown);
    smr_metadata_set_bool(metadata, "tokenizer.ggml.add_bos_token", vocab->n_before);
    smr_metadata_set_bool(metadata, "tokenizer.ggml.add_eos_token", vocab->n_behind);
    return true;
}

// llama.cpp drops NFC, as its own conversion does; other normalizers would be missed.
static bool only_composes(const struct smr_vocab *vocab)
{
    size_t n;
    const struct smr_normalize_step *steps = smr_normalizer_steps(vocab->normalizer, &n);
    return !n || (n == 1 && steps[0].kind == SMR_NORMALIZE_FORM && steps[0].form == SMR_NFC);
}

// Set the keys. `*why` says what GGUF has no words for; NULL: nothing.
static bool set_all(const struct smr_vocab *vocab, uint32_t n, struct smr_metadata *metadata,
                    const char **why)
{
    bool byte_level = vocab->kind == SMR_VOCAB_BPE && vocab->byte_level;
    struct spaces spaces = find_spaces(vocab);
    const char *pre = "default", *model = "llama";
    *why = NULL;
    if (byte_level) {
        uint32_t flags = vocab->ignore_merges ? SMR_PRE_IGNORE_MERGES : 0;
        model = "gpt2";
        if (!smr_pretokenizer_name(vocab->context, vocab->pretokenizer, flags, &pre))
            return false;
        *why = !pre                    ? "its pre-tokenizer is none of those that GGUF names"
               : !only_composes(vocab) ? "its normalizer"
                                       : NULL;
    } else if (vocab->kind == SMR_VOCAB_WORDPIECE) {
        *why = "WordPiece";
    } else if (!spaces.known || (vocab->kind != SMR_VOCAB_UNIGRAM && spaces.charsmap)) {
        *why = "its normalizer or pre-tokenizer";
    }
    if (!*why && !set_around(vocab, metadata))
        *why = "the tokens it puts around a text";
    if (*why)
        return true;
    if (vocab->kind == SMR_VOCAB_UNIGRAM)
        model = "t5";
    smr_metadata_set_string(metadata, "tokenizer.ggml.model", model);
    smr_metadata_set_string(metadata, "tokenizer.ggml.pre", pre);
    if (!set_tokens(vocab, n, metadata))
        return false;
    if (byte_level)
        return set_merges(vocab, metadata);
    smr_metadata_set_bool(metadata, "tokenizer.ggml.add_space_prefix", spaces.prefix);
    smr_metadata_set_bool(metadata, "tokenizer.ggml.remove_extra_whitespaces", spaces.squeeze);
    if (spaces.charsmap)
        set_charsmap(spaces.charsmap, metadata);
    return set_scores(vocab, n, metadata);
}

// Whether both make the same tokens of a text that has no odd spaces at its ends.
static bool compare(const struct smr_vocab *a, const struct smr_vocab *b, bool *same)
{
    static const char text[] =
        "It's a test of 1234 words, in Gr\xc3\xb6\xc3\x9f"
        "e and 中文字, with caf\xc3\xa9s "
        "\xe2\x80\x94 \xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82!\nThe internationalisation of "
        "unbelievable tokenizers (don't they?) \xf0\x9f\x98\x80 ends.";
    struct smr_token_list x = {.context = a->context}, y = {.context = a->context};
    bool ok = smr_vocab_encode(a, text, sizeof(text) - 1, 0, &x) &&
              smr_vocab_encode(b, text, sizeof(text) - 1, 0, &y);
    *same = ok && x.n == y.n && (!x.n || !memcmp(x.data, y.data, x.n * sizeof(*x.data)));
    smr_free(a->context, x.data);
    smr_free(a->context, y.data);
    return ok;
}

// Try what the keys say.
static bool check(const struct smr_vocab *vocab, struct smr_metadata *metadata, bool *same)
{
    struct smr_model model = {.context = vocab->context, .path = vocab->path, .metadata = metadata};
    struct smr_vocab *read = smr_vocab_load(&model);
    bool ok = read && compare(vocab, read, same);
    smr_vocab_destroy(read);
    return ok;
}

bool smr_vocab_export(const struct smr_vocab *vocab, uint32_t n_vocab,
                      struct smr_metadata *metadata, bool *exported)
{
    struct smr_arena arena;
    struct smr_metadata trial;
    uint32_t n = n_vocab > vocab->n_tokens ? n_vocab : vocab->n_tokens;
    const char *why = NULL;
    bool same = false;
    smr_arena_init(&arena, vocab->context);
    smr_metadata_init(&trial, &arena);
    bool ok = set_all(vocab, n, &trial, &why) && !trial.failed;
    if (ok && !why)
        ok = check(vocab, &trial, &same);
    smr_arena_finish(&arena);
    if (ok && !why && !same)
        why = "some texts would get other tokens";
    *exported = ok && !why;
    if (*exported)
        ok = set_all(vocab, n, metadata, &why) && !metadata->failed;
    else if (ok)
        smr_log(vocab->context, SMR_LOG_WARNING,
                "%s: GGUF has no words for this tokenizer (%s); samara reads the file with it, "
                "llama.cpp does not",
                vocab->path, why);
    return ok;
}
