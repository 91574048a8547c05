// vocab_gguf.c - the vocabulary of a GGUF file: keys tokenizer.ggml.*, see
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. The file is hostile until checked.
#include "text/vocab.h"

#include <stdio.h>
#include <string.h>

static bool fail(const struct smr_model *model, const char *key, const char *reason)
{
    return smr_fail(model->context, SMR_ERROR_MODEL, "%s: tokenizer.ggml.%s %s", model->path, key,
                    reason);
}

// ---- arrays of the file -----------------------------------------------------------------------

static bool load_texts(struct smr_vocab *vocab, const struct smr_model *model)
{
    struct smr_metadata_array array;
    if (!smr_metadata_array(model->metadata, "tokenizer.ggml.tokens", &array))
        return fail(model, "tokens", "is missing or no array");
    if (!smr_vocab_reserve(vocab, array.n))
        return false;
    for (size_t i = 0; i < array.n; i++) {
        const char *text;
        size_t size;
        if (!smr_metadata_next_string(&array, &text, &size))
            return smr_fail(model->context, SMR_ERROR_MODEL,
                            "%s: tokenizer.ggml.tokens: entry %zu of %zu is no string", model->path,
                            i, array.n);
        if (!smr_vocab_add(vocab, text, size, SMR_TOKEN_NORMAL))
            return false;
    }
    return true;
}

// An array that has one number for each token. False with an error when it is there and is not so.
static bool find_numbers(const struct smr_vocab *vocab, const struct smr_model *model,
                         const char *key, struct smr_metadata_array *array, bool *found)
{
    char name[64];
    snprintf(name, sizeof(name), "tokenizer.ggml.%s", key);
    *found = smr_metadata_has(model->metadata, name);
    if (!*found)
        return true;
    if (!smr_metadata_array(model->metadata, name, array))
        return fail(model, key, "is no array");
    if (array->n != vocab->n_tokens)
        return smr_fail(model->context, SMR_ERROR_MODEL, "%s: %s has %zu entries for %u tokens",
                        model->path, name, array->n, vocab->n_tokens);
    return true;
}

static bool load_types(struct smr_vocab *vocab, const struct smr_model *model)
{
    struct smr_metadata_array array;
    bool found;
    if (!find_numbers(vocab, model, "token_type", &array, &found))
        return false;
    for (uint32_t i = 0; i < vocab->n_tokens; i++) {
        int32_t type = SMR_TOKEN_NORMAL;
        if (found && !smr_metadata_next_i32(&array, &type))
            return fail(model, "token_type", "holds something other than integers");
        if (type < 0 || type > SMR_TOKEN_BYTE)
            return smr_fail(model->context, SMR_ERROR_MODEL,
                            "%s: tokenizer.ggml.token_type: token %u has the unknown type %d",
                            model->path, i, (int)type);
        vocab->types[i] = (uint8_t)(type ? type : SMR_TOKEN_NORMAL);
    }
    return true;
}

static bool load_scores(struct smr_vocab *vocab, const struct smr_model *model)
{
    struct smr_metadata_array array;
    bool found;
    if (!find_numbers(vocab, model, "scores", &array, &found))
        return false;
    if (!found)
        return fail(model, "scores", "is missing, a llama or t5 vocabulary needs it");
    vocab->scores =
        smr_alloc(vocab->context, vocab->n_tokens, sizeof(*vocab->scores), "token scores");
    if (!vocab->scores)
        return false;
    for (uint32_t i = 0; i < vocab->n_tokens; i++) {
        float score;
        if (!smr_metadata_next_f32(&array, &score))
            return fail(model, "scores", "holds something other than numbers");
        vocab->scores[i] = (double)score;
    }
    return true;
}

// ---- special tokens ---------------------------------------------------------------------------

// Phi 3 was trained with tokens that swallow the white space behind them. GGUF files do not tell;
// llama.cpp goes by the model's name as well.
static bool is_phi3(const char *name)
{
    for (; *name; name++) {
        bool phi = (name[0] | 0x20) == 'p' && (name[1] | 0x20) == 'h' && (name[2] | 0x20) == 'i';
        if (phi && (name[3] == '3' || (name[3] == '-' && name[4] == '3')))
            return true;
    }
    return false;
}

static bool load_ids(struct smr_vocab *vocab, const struct smr_model *model)
{
    if (vocab->kind == SMR_VOCAB_SPM && vocab->n_tokens > 2) { // as SentencePiece numbers them
        vocab->unknown = vocab->types[0] == SMR_TOKEN_UNKNOWN ? 0 : -1;
        vocab->bos = vocab->types[1] == SMR_TOKEN_CONTROL ? 1 : -1;
        vocab->eos = vocab->types[2] == SMR_TOKEN_CONTROL ? 2 : -1;
    } else if (vocab->kind == SMR_VOCAB_UNIGRAM && vocab->n_tokens > 2) { // as T5 numbers them
        vocab->eos = vocab->types[1] == SMR_TOKEN_CONTROL ? 1 : -1;
        vocab->unknown = vocab->types[2] == SMR_TOKEN_UNKNOWN ? 2 : -1;
    }
    return smr_vocab_load_ids(vocab, model);
}

// The tokens around a text; those that swallow the white space behind them.
static void load_options(struct smr_vocab *vocab, const struct smr_model *model, bool add_bos)
{
    bool add_eos = vocab->kind == SMR_VOCAB_UNIGRAM;
    smr_metadata_bool(model->metadata, "tokenizer.ggml.add_bos_token", &add_bos);
    smr_metadata_bool(model->metadata, "tokenizer.ggml.add_eos_token", &add_eos);
    if (add_bos && vocab->bos >= 0)
        vocab->before[vocab->n_before++] = vocab->bos;
    if (add_eos && vocab->eos >= 0)
        vocab->behind[vocab->n_behind++] = vocab->eos;
    const char *name = smr_metadata_string(model->metadata, "general.name");
    if (!name || !is_phi3(name))
        return;
    int32_t end = smr_vocab_find(vocab, "<|endoftext|>", 13);
    for (uint32_t i = 0; i < vocab->n_tokens; i++)
        if ((int32_t)i != vocab->bos && (int32_t)i != vocab->unknown && (int32_t)i != end)
            vocab->cuts[i] |= SMR_CUT_RSTRIP;
}

static const char space[] = "\xe2\x96\x81"; // U+2581 stands for a space in pieces

// ---- stages -----------------------------------------------------------------------------------

// No special token with a run of spaces in it is in a text whose runs become one.
static void hide_runs(struct smr_vocab *vocab)
{
    for (uint32_t i = 0; i < vocab->n_tokens; i++) {
        size_t size, n = 1;
        const char *text = smr_string_table_get(&vocab->texts, i, &size);
        bool run = false;
        for (size_t at = 0; at < size; at += n) {
            bool white = text[at] == ' ' || (size - at >= 3 && !memcmp(text + at, space, 3));
            n = white && text[at] != ' ' ? 3 : 1;
            if (white && run)
                vocab->cuts[i] |= SMR_CUT_NEVER;
            run = white;
        }
    }
}

bool smr_vocab_sentencepiece_stages(struct smr_vocab *vocab, struct smr_charsmap *charsmap,
                                    bool squeeze, bool space_prefix)
{
    const struct smr_normalize_step prefix = {
        .kind = SMR_NORMALIZE_PREPEND, .text = " ", .text_size = 1};
    struct smr_normalize_step steps[4], *step = steps;
    if (space_prefix && !squeeze) // also where the charsmap leaves nothing
        *step++ = prefix;
    if (charsmap)
        *step++ = (struct smr_normalize_step){.kind = SMR_NORMALIZE_CHARSMAP, .charsmap = charsmap};
    if (squeeze)
        *step++ = (struct smr_normalize_step){.kind = SMR_NORMALIZE_SQUEEZE};
    if (space_prefix && squeeze)
        *step++ = prefix;
    *step++ = (struct smr_normalize_step){.kind = SMR_NORMALIZE_REPLACE,
                                          .regex = smr_regex_create_literal(vocab->context, " ", 1),
                                          .text = space,
                                          .text_size = 3};
    if (squeeze)
        hide_runs(vocab);
    vocab->strip_start = space_prefix;
    vocab->normalizer = smr_normalizer_create(vocab->context);
    bool ok = vocab->normalizer && step[-1].regex;
    struct smr_normalize_step *at = steps;
    while (ok && at < step)
        ok = smr_normalizer_add(vocab->normalizer, at++);
    for (; at < step; at++) { // what the normalizer did not take
        smr_charsmap_destroy(at->charsmap);
        smr_regex_destroy(at->regex);
    }
    return ok;
}

// Normaliser's table of T5 files: an array of bytes, i8 or u8.
static bool load_charsmap(struct smr_vocab *vocab, const struct smr_model *model,
                          struct smr_charsmap **charsmap)
{
    static const char key[] = "tokenizer.ggml.precompiled_charsmap";
    struct smr_metadata_array array;
    if (!smr_metadata_has(model->metadata, key))
        return true;
    if (!smr_metadata_array(model->metadata, key, &array) ||
        array.cursor.size - array.cursor.offset < array.n)
        return fail(model, "precompiled_charsmap", "is no array of bytes");
    struct smr_string bytes;
    smr_string_init(&bytes, vocab->context);
    int32_t value;
    while (smr_metadata_next_i32(&array, &value))
        smr_string_add(&bytes, &(char){(char)value}, 1);
    bool ok = !bytes.failed;
    if (ok && array.n_read != array.n)
        ok = fail(model, "precompiled_charsmap", "is no array of bytes");
    if (ok && bytes.size)
        *charsmap = smr_charsmap_create(vocab->context, key, bytes.data, bytes.size);
    ok = ok && (!bytes.size || *charsmap);
    smr_string_finish(&bytes);
    return ok;
}

static bool load_sentencepiece(struct smr_vocab *vocab, const struct smr_model *model)
{
    bool unigram = vocab->kind == SMR_VOCAB_UNIGRAM, prefix = true, squeeze = unigram;
    struct smr_charsmap *charsmap = NULL;
    smr_metadata_bool(model->metadata, "tokenizer.ggml.add_space_prefix", &prefix);
    smr_metadata_bool(model->metadata, "tokenizer.ggml.remove_extra_whitespaces", &squeeze);
    return load_scores(vocab, model) && (!unigram || load_charsmap(vocab, model, &charsmap)) &&
           smr_vocab_sentencepiece_stages(vocab, charsmap, squeeze, prefix) &&
           (!unigram || smr_unigram_load(vocab));
}

static bool load_merges(struct smr_vocab *vocab, const struct smr_model *model)
{
    struct smr_metadata_array array;
    if (!smr_metadata_array(model->metadata, "tokenizer.ggml.merges", &array))
        return fail(model, "merges", "is missing or no array, a gpt2 vocabulary needs it");
    if (!smr_bpe_reserve_merges(vocab, array.n))
        return false;
    for (size_t rank = 0; rank < array.n; rank++) {
        struct smr_merge_texts texts;
        const char *line;
        size_t size;
        if (!smr_metadata_next_string(&array, &line, &size))
            return smr_fail(vocab->context, SMR_ERROR_MODEL,
                            "%s: tokenizer.ggml.merges: entry %zu of %zu is no string", model->path,
                            rank, array.n);
        if (!smr_bpe_parse_merge(line, size, &texts))
            vocab->n_bad_merges++;
        else if (!smr_bpe_add_merge(vocab, &texts, (uint32_t)rank))
            return false;
    }
    smr_bpe_finish_merges(vocab);
    return true;
}

static bool load_pretokenizer(struct smr_vocab *vocab, const struct smr_model *model, bool *add_bos)
{
    const char *pre = smr_metadata_string(model->metadata, "tokenizer.ggml.pre");
    uint32_t flags = 0;
    if (!pre)
        smr_log(model->context, SMR_LOG_WARNING,
                "%s: tokenizer.ggml.pre is missing, words are cut in the default way", model->path);
    vocab->pretokenizer = smr_pretokenizer_named(model->context, pre, &flags);
    if (!vocab->pretokenizer) // a lack of memory has been recorded already
        return smr_fail(model->context, SMR_ERROR_MODEL,
                        "%s: tokenizer.ggml.pre is \"%.64s\", which is not known", model->path,
                        pre ? pre : "");
    *add_bos = flags & SMR_PRE_ADD_BOS;
    vocab->ignore_merges = flags & SMR_PRE_IGNORE_MERGES;
    return true;
}

bool smr_vocab_load_gguf(struct smr_vocab *vocab, const struct smr_model *model)
{
    const char *kind = smr_metadata_string(model->metadata, "tokenizer.ggml.model");
    bool add_bos = false;
    if (!kind)
        return fail(model, "model", "is no string");
    if (!strcmp(kind, "llama")) {
        vocab->kind = SMR_VOCAB_SPM;
        add_bos = true;
    } else if (!strcmp(kind, "t5")) {
        vocab->kind = SMR_VOCAB_UNIGRAM;
    } else if (!strcmp(kind, "gpt2")) {
        vocab->kind = SMR_VOCAB_BPE;
        vocab->byte_level = true;
        if (!load_pretokenizer(vocab, model, &add_bos))
            return false;
    } else {
        return smr_fail(model->context, SMR_ERROR_MODEL,
                        "%s: tokenizer.ggml.model is \"%.64s\"; known are llama, gpt2 and t5",
                        model->path, kind);
    }
    if (!load_texts(vocab, model) || !load_types(vocab, model) || !smr_vocab_index(vocab) ||
        !load_ids(vocab, model))
        return false;
    vocab->byte_fallback = !vocab->byte_level;
    smr_vocab_index_bytes(vocab);
    load_options(vocab, model, add_bos);
    bool ok =
        vocab->kind == SMR_VOCAB_BPE ? load_merges(vocab, model) : load_sentencepiece(vocab, model);
    return ok && smr_vocab_finish(vocab);
}
