// sentencepiece.c - the vocabulary of a SentencePiece model, a message of Protocol Buffers:
// https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto. The file is
// hostile until checked.
//
// Marian's folders have a model for each language that only knows pieces; a vocab.json gives both
// languages' pieces their numbers.
#include "text/huggingface.h"
#include "text/protobuf.h"
#include "text/utf8.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

// Fields of the messages that are read.
enum { MODEL_PIECE = 1, MODEL_TRAINER = 2, MODEL_NORMALIZER = 3 };
enum { PIECE_TEXT = 1, PIECE_SCORE = 2, PIECE_TYPE = 3 };
enum {
    TRAINER_TYPE = 3,
    TRAINER_SPACE_BEHIND = 24, // treat_whitespace_as_suffix
    TRAINER_UNKNOWN = 40,
    TRAINER_BOS = 41,
    TRAINER_EOS = 42
};
enum {
    NORMALIZER_CHARSMAP = 2,
    NORMALIZER_PREFIX = 3,
    NORMALIZER_SQUEEZE = 4,
    NORMALIZER_ESCAPE = 5
};
enum { TYPE_UNIGRAM = 1, TYPE_BPE = 2 };

struct piece {
    const char *text;
    size_t size;
    float score;
    uint64_t type; // numbered as enum smr_token_type
};

struct sentencepiece {
    struct smr_huggingface hf; // for errors
    const struct smr_model *model;
    const uint8_t *data;
    size_t size, n_pieces;
    uint64_t type;
    int32_t unknown, bos, eos;
    bool prefix, squeeze, escape, space_behind;
    const uint8_t *charsmap;
    size_t charsmap_size;
};

static struct smr_protobuf message(const uint8_t *data, size_t size)
{
    return (struct smr_protobuf){.data = data, .size = size};
}

static bool damaged(const struct sentencepiece *sp, const char *part)
{
    return smr_huggingface_fail(&sp->hf, part, "damaged");
}

static bool read_trainer(struct sentencepiece *sp, struct smr_protobuf trainer)
{
    while (smr_protobuf_next(&trainer)) {
        if (trainer.type != SMR_PROTOBUF_VARINT)
            continue;
        switch (trainer.number) {
        case TRAINER_TYPE:
            sp->type = trainer.value;
            break;
        case TRAINER_SPACE_BEHIND:
            sp->space_behind = trainer.value;
            break;
        case TRAINER_UNKNOWN:
            sp->unknown = (int32_t)trainer.value;
            break;
        case TRAINER_BOS:
            sp->bos = (int32_t)trainer.value;
            break;
        case TRAINER_EOS:
            sp->eos = (int32_t)trainer.value;
            break;
        default:
            break;
        }
    }
    return !trainer.damaged || damaged(sp, "trainer_spec");
}

static bool read_normalizer(struct sentencepiece *sp, struct smr_protobuf normalizer)
{
    while (smr_protobuf_next(&normalizer)) {
        bool number = normalizer.type == SMR_PROTOBUF_VARINT;
        if (number && normalizer.number == NORMALIZER_PREFIX) {
            sp->prefix = normalizer.value;
        } else if (number && normalizer.number == NORMALIZER_SQUEEZE) {
            sp->squeeze = normalizer.value;
        } else if (number && normalizer.number == NORMALIZER_ESCAPE) {
            sp->escape = normalizer.value;
        } else if (normalizer.bytes && normalizer.number == NORMALIZER_CHARSMAP) {
            sp->charsmap = normalizer.bytes;
            sp->charsmap_size = normalizer.n_bytes;
        }
    }
    return !normalizer.damaged || damaged(sp, "normalizer_spec");
}

// All but the pieces, which are counted.
static bool read_specs(struct sentencepiece *sp)
{
    struct smr_protobuf model = message(sp->data, sp->size);
    while (smr_protobuf_next(&model)) {
        if (!model.bytes)
            continue;
        sp->n_pieces += model.number == MODEL_PIECE;
        if (model.number == MODEL_TRAINER && !read_trainer(sp, message(model.bytes, model.n_bytes)))
            return false;
        if (model.number == MODEL_NORMALIZER &&
            !read_normalizer(sp, message(model.bytes, model.n_bytes)))
            return false;
    }
    if (model.damaged)
        return damaged(sp, "the file");
    if (sp->type != TYPE_UNIGRAM && sp->type != TYPE_BPE)
        return smr_huggingface_fail(&sp->hf, "trainer_spec",
                                    "model_type %llu is neither UNIGRAM nor BPE",
                                    (unsigned long long)sp->type);
    if (sp->space_behind || !sp->escape)
        return smr_huggingface_fail(
            &sp->hf, sp->escape ? "trainer_spec" : "normalizer_spec", "%s can't be used",
            sp->escape ? "treat_whitespace_as_suffix" : "escape_whitespaces false");
    return true;
}

// The next piece of the model.
static bool next_piece(const struct sentencepiece *sp, struct smr_protobuf *model,
                       struct piece *piece)
{
    do {
        if (!smr_protobuf_next(model))
            return false;
    } while (!model->bytes || model->number != MODEL_PIECE);
    *piece = (struct piece){.text = "", .type = SMR_TOKEN_NORMAL};
    struct smr_protobuf fields = message(model->bytes, model->n_bytes);
    while (smr_protobuf_next(&fields)) {
        if (fields.number == PIECE_TEXT && fields.bytes) {
            piece->text = (const char *)fields.bytes;
            piece->size = fields.n_bytes;
        } else if (fields.number == PIECE_SCORE && fields.type == SMR_PROTOBUF_32_BITS) {
            piece->score = smr_protobuf_f32(&fields);
        } else if (fields.number == PIECE_TYPE && fields.type == SMR_PROTOBUF_VARINT) {
            piece->type = fields.value;
        }
    }
    bool good = !fields.damaged && isfinite(piece->score) && piece->type >= SMR_TOKEN_NORMAL &&
                piece->type <= SMR_TOKEN_BYTE;
    return good || damaged(sp, "a piece");
}

// The pieces are the tokens; tokenizer_config.json may name more.
static bool read_tokens(struct sentencepiece *sp)
{
    struct smr_entries entries = {.hf = &sp->hf};
    struct smr_protobuf model = message(sp->data, sp->size);
    struct piece piece;
    json_t *added = smr_entries_settings(&sp->hf, sp->model);
    json_int_t last = smr_entries_last(NULL, added), n = (json_int_t)sp->n_pieces;
    bool ok = added && smr_entries_allocate(&entries, last >= n ? last : n - 1,
                                            sp->n_pieces + json_array_size(added));
    for (json_int_t i = 0; ok && i < n; i++) {
        ok = next_piece(sp, &model, &piece) &&
             smr_entries_set(&entries, i, piece.text, piece.size, (double)piece.score);
        if (ok)
            entries.data[i].type = (uint8_t)piece.type;
    }
    ok = ok && smr_entries_add(&entries, added) && smr_entries_keep(&entries);
    smr_free(sp->model->context, entries.data);
    json_decref(added);
    return ok;
}

// ---- Marian -----------------------------------------------------------------------------------

// Special by their texts, as nothing says it: the target's language, ">>fra<<", may be in any text.
static uint8_t marian_type(const char *text, size_t size)
{
    if (size == 5 && !memcmp(text, "<unk>", 5))
        return SMR_TOKEN_UNKNOWN;
    if ((size == 4 && !memcmp(text, "</s>", 4)) || (size == 5 && !memcmp(text, "<pad>", 5)))
        return SMR_TOKEN_CONTROL;
    bool language = size > 4 && !memcmp(text, ">>", 2) && !memcmp(text + size - 2, "<<", 2);
    return language ? SMR_TOKEN_USER_DEFINED : SMR_TOKEN_NORMAL;
}

// The tokens are those of vocab.json; pieces of this model get scores, the others are never found.
static bool read_marian(struct sentencepiece *sp)
{
    struct smr_vocab *vocab = sp->hf.vocab;
    struct smr_entries entries = {.hf = &sp->hf};
    json_t *numbers = smr_huggingface_parse(&sp->hf, sp->model, "tokenizer.marian.vocab");
    bool ok = numbers &&
              smr_entries_allocate(&entries, smr_entries_last(numbers, NULL),
                                   json_object_size(numbers)) &&
              smr_entries_read(&entries, numbers);
    for (size_t i = 0; ok && i < entries.n; i++) {
        entries.data[i].score = -INFINITY;
        entries.data[i].type =
            marian_type(entries.data[i].text ? entries.data[i].text : "", entries.data[i].size);
    }
    ok = ok && smr_entries_keep(&entries);
    smr_free(vocab->context, entries.data);
    json_decref(numbers);
    if (!ok)
        return false;
    struct smr_protobuf model = message(sp->data, sp->size);
    struct piece piece;
    size_t n_missing = 0;
    for (size_t i = 0; i < sp->n_pieces; i++) {
        if (!next_piece(sp, &model, &piece))
            return false;
        int32_t token = smr_vocab_find(vocab, piece.text, piece.size);
        n_missing += token < 0;
        if (token >= 0)
            vocab->scores[token] = (double)piece.score;
    }
    if (n_missing)
        smr_log(vocab->context, SMR_LOG_WARNING, "%s: %zu of %zu pieces are not in vocab.json",
                sp->hf.name, n_missing, sp->n_pieces);
    sp->unknown = smr_vocab_find(vocab, "<unk>", 5);
    sp->eos = smr_vocab_find(vocab, "</s>", 4);
    sp->bos = -1;
    return true;
}

// ---- loading ----------------------------------------------------------------------------------

static int32_t token_or_none(const struct smr_vocab *vocab, int32_t token)
{
    return token >= 0 && (uint32_t)token < vocab->n_tokens ? token : -1;
}

// Unigram models end a text, the others begin it, unless the settings say something else.
static bool set_around(const struct sentencepiece *sp)
{
    struct smr_vocab *vocab = sp->hf.vocab;
    bool bos = vocab->kind == SMR_VOCAB_SPM, eos = !bos;
    vocab->unknown = token_or_none(vocab, sp->unknown);
    vocab->bos = token_or_none(vocab, sp->bos);
    vocab->eos = token_or_none(vocab, sp->eos);
    smr_metadata_bool(sp->model->metadata, "tokenizer.ggml.add_bos_token", &bos);
    smr_metadata_bool(sp->model->metadata, "tokenizer.ggml.add_eos_token", &eos);
    if (!smr_vocab_load_ids(vocab, sp->model))
        return false;
    if (bos && vocab->bos >= 0)
        vocab->before[vocab->n_before++] = vocab->bos;
    if (eos && vocab->eos >= 0)
        vocab->behind[vocab->n_behind++] = vocab->eos;
    return true;
}

static bool set_stages(const struct sentencepiece *sp)
{
    struct smr_vocab *vocab = sp->hf.vocab;
    struct smr_charsmap *charsmap = NULL;
    if (sp->charsmap_size) {
        charsmap =
            smr_charsmap_create(vocab->context, sp->hf.name, sp->charsmap, sp->charsmap_size);
        if (!charsmap)
            return false;
    }
    return smr_vocab_sentencepiece_stages(vocab, charsmap, sp->squeeze, sp->prefix) &&
           (vocab->kind == SMR_VOCAB_SPM || smr_unigram_load(vocab));
}

bool smr_vocab_load_sentencepiece(struct smr_vocab *vocab, const struct smr_model *model)
{
    struct sentencepiece sp = {.hf.vocab = vocab,
                               .model = model,
                               .type = TYPE_UNIGRAM,
                               .bos = 1,
                               .eos = 2,
                               .prefix = true,
                               .squeeze = true,
                               .escape = true};
    snprintf(sp.hf.name, sizeof(sp.hf.name), "%.200s: SentencePiece model", model->path);
    sp.data = (const uint8_t *)smr_metadata_string_n(model->metadata,
                                                     "tokenizer.sentencepiece.model", &sp.size);
    if (!sp.data)
        return smr_huggingface_fail(&sp.hf, "tokenizer.sentencepiece.model", "is no string");
    if (!read_specs(&sp))
        return false;
    vocab->kind = sp.type == TYPE_BPE ? SMR_VOCAB_SPM : SMR_VOCAB_UNIGRAM;
    vocab->byte_fallback = true;
    bool marian = smr_metadata_has(model->metadata, "tokenizer.marian.vocab");
    if (marian ? !read_marian(&sp) : !read_tokens(&sp))
        return false;
    smr_vocab_index_bytes(vocab);
    return set_around(&sp) && set_stages(&sp) && smr_vocab_finish(vocab);
}
