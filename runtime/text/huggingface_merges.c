// huggingface_merges.c - byte-level BPE from vocab.json and merges.txt alone, as folders of GPT-2 and
// BART have them without a tokenizer.json.
#include "text/huggingface.h"

#include <stdio.h>
#include <string.h>

static size_t count_lines(const char *text, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < size; i++)
        n += text[i] == '\n';
    return n + 1;
}

// "left right" on each line, the first may tell a version.
static bool read_merges(struct smr_huggingface *hf, const char *text, size_t size)
{
    struct smr_vocab *vocab = hf->vocab;
    uint32_t rank = 0;
    if (!smr_bpe_reserve_merges(vocab, count_lines(text, size)))
        return false;
    while (size) {
        const char *end = memchr(text, '\n', size);
        size_t line = end ? (size_t)(end - text) : size, n = line;
        struct smr_merge_texts texts;
        n -= n && text[n - 1] == '\r';
        bool skip = !n || (n >= 8 && !memcmp(text, "#version", 8));
        if (!skip && !smr_bpe_parse_merge(text, n, &texts))
            return smr_huggingface_fail(hf, "merges.txt", "line %u is no pair of texts", rank + 1);
        if (!skip && !smr_bpe_add_merge(vocab, &texts, rank++))
            return false;
        text += line + !!end;
        size -= line + !!end;
    }
    smr_bpe_finish_merges(vocab);
    return true;
}

static bool read_vocab(struct smr_huggingface *hf, const struct smr_model *model)
{
    struct smr_entries entries = {.hf = hf};
    json_t *vocab = smr_huggingface_parse(hf, model, "tokenizer.huggingface.vocab");
    json_t *added = smr_entries_settings(hf, model);
    bool ok =
        vocab && added &&
        (json_is_object(vocab) || smr_huggingface_fail(hf, "vocab.json", "is no JSON object"));
    ok = ok &&
         smr_entries_allocate(&entries, smr_entries_last(vocab, added),
                              json_object_size(vocab) + json_array_size(added)) &&
         smr_entries_read(&entries, vocab) && smr_entries_add(&entries, added) &&
         smr_entries_keep(&entries);
    smr_free(hf->vocab->context, entries.data);
    json_decref(added);
    json_decref(vocab);
    return ok;
}

// The special tokens that the classes of transformers know by name, where no file lists them. A text
// of a vocabulary with RoBERTa's <s> and </s> stands between these.
static void set_special(struct smr_vocab *vocab)
{
    static const char *const names[] = {"<|endoftext|>", "<s>", "</s>", "<pad>", "<unk>", "<mask>"};
    int32_t tokens[SMR_COUNT(names)];
    for (size_t i = 0; i < SMR_COUNT(names); i++) {
        tokens[i] = smr_vocab_find(vocab, names[i], strlen(names[i]));
        if (tokens[i] >= 0 && vocab->types[tokens[i]] == SMR_TOKEN_NORMAL)
            vocab->types[tokens[i]] = SMR_TOKEN_CONTROL;
    }
    if (tokens[5] >= 0)
        vocab->cuts[tokens[5]] |= SMR_CUT_LSTRIP;
    if (tokens[1] < 0 || tokens[2] < 0) {
        vocab->bos = vocab->eos = tokens[0];
        return;
    }
    vocab->bos = vocab->before[vocab->n_before++] = tokens[1];
    vocab->eos = vocab->behind[vocab->n_behind++] = tokens[2];
}

bool smr_vocab_load_merges(struct smr_vocab *vocab, const struct smr_model *model)
{
    struct smr_huggingface hf = {.vocab = vocab};
    size_t size = 0;
    uint32_t flags = 0;
    const char *merges =
        smr_metadata_string_n(model->metadata, "tokenizer.huggingface.merges", &size);
    snprintf(hf.name, sizeof(hf.name), "%.200s: vocab.json and merges.txt", model->path);
    if (!merges)
        return smr_huggingface_fail(&hf, "merges.txt", "is no string");
    vocab->kind = SMR_VOCAB_BPE;
    vocab->byte_level = vocab->specials_by_text = true;
    vocab->decoder.steps[vocab->decoder.n_steps++].kind = SMR_DECODER_LETTERS;
    vocab->pretokenizer = smr_pretokenizer_named(vocab->context, "gpt-2", &flags);
    if (!vocab->pretokenizer || !read_vocab(&hf, model))
        return false;
    smr_vocab_index_bytes(vocab);
    set_special(vocab);
    return read_merges(&hf, merges, size) && smr_vocab_load_ids(vocab, model) &&
           smr_vocab_finish(vocab);
}
