// hparams.c - hyperparameters: which keys they have, their limits, and how they depend on each other.
//
// Keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, and gguf-py/gguf/constants.py of
// https://github.com/ggml-org/llama.cpp for those that came later.
#include "model/hparams.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

// One row per number that has a key of its own. `min` and `max` hold where the key is given.
struct u32_field {
    const char *key; // after "ARCH."
    size_t offset;   // in struct smr_hparams
    uint32_t min, max;
    bool required; // in a file that has weights
};
#define FIELD(name) offsetof(struct smr_hparams, name)

static const struct u32_field u32_fields[] = {
    {"block_count", FIELD(n_layers), 1, 4096, true}, // first: others count layers
    {"vocab_size", FIELD(n_vocab), 1, 1 << 24, false},
    {"context_length", FIELD(n_context), 1, INT32_MAX, true},
    {"embedding_length", FIELD(n_embd), 1, 1 << 20, true},
    {"feed_forward_length", FIELD(n_ff), 0, 1 << 24, false},
    {"attention.head_count", FIELD(n_heads), 1, 1 << 14, true},
    {"attention.head_count_kv", FIELD(n_kv_heads), 1, 1 << 14, false},
    {"attention.key_length", FIELD(head_dim), 1, 4096, false},
    {"attention.value_length", FIELD(value_dim), 1, 4096, false},
    {"attention.sliding_window", FIELD(sliding_window), 0, UINT32_MAX, false},
    {"rope.dimension_count", FIELD(rope_dim), 0, 4096, false},
    {"rope.scaling.original_context_length", FIELD(rope_original_context), 0, INT32_MAX, false},
    {"decoder_start_token_id", FIELD(decoder_start), 0, 1 << 24, false},
    {"attention.relative_buckets_count", FIELD(n_relative_buckets), 4, 1 << 12, false},
    {"attention.relative_max_distance", FIELD(relative_max_distance), 4, 1 << 12, false},
    {"expert_count", FIELD(n_experts), 2, 1 << 12, false},
    {"expert_used_count", FIELD(n_experts_used), 0, 1 << 12, false},
    {"expert_feed_forward_length", FIELD(n_ff_expert), 0, 1 << 24, false},
};

struct f32_field {
    const char *key;
    size_t offset;
    float value; // where the key is missing
    float min, max;
};

// Where a number has two keys, the one that counts more comes last.
static const struct f32_field f32_fields[] = {
    {"attention.layer_norm_epsilon", FIELD(norm_eps), 0, 0, 1},
    {"attention.layer_norm_rms_epsilon", FIELD(norm_eps), 0, 0, 1},
    {"rope.freq_base", FIELD(rope_theta), 10000, 1e-3f, 1e15f},
    {"rope.freq_base_swa", FIELD(rope_theta_local), 0, 1e-3f, 1e15f},
    {"rope.scale_linear", FIELD(rope_scaling_factor), 1, 1e-3f, 1e6f},
    {"rope.scaling.factor", FIELD(rope_scaling_factor), 1, 1e-3f, 1e6f},
    {"rope.scaling.attn_factor", FIELD(rope_attention_factor), 1, 1e-3f, 1e3f},
    {"rope.scaling.yarn_ext_factor", FIELD(yarn_ext_factor), 1, -1e3f, 1e3f},
    {"rope.scaling.yarn_beta_fast", FIELD(yarn_beta_fast), 32, 1e-3f, 1e6f},
    {"rope.scaling.yarn_beta_slow", FIELD(yarn_beta_slow), 1, 1e-3f, 1e6f},
    {"attn_logit_softcapping", FIELD(attention_softcap), 0, 0, 1e6f},
    {"final_logit_softcapping", FIELD(final_softcap), 0, 0, 1e6f},
    {"attention.scale", FIELD(attention_scale), 0, 0, 1e6f},
    {"logit_scale", FIELD(logit_scale), 0, 0, 1e6f},
    {"embedding_scale", FIELD(embedding_scale), 0, 0, 1e6f},
};

// What all functions here need.
struct reader {
    const struct smr_gguf *gguf;
    struct smr_hparams *hparams;
    const char *architecture;
    bool has_weights;
    char key[128]; // the last key made
};

static const char *make_key(struct reader *reader, const char *suffix)
{
    snprintf(reader->key, sizeof reader->key, "%s.%s", reader->architecture, suffix);
    return reader->key;
}

static bool fail_missing(struct reader *reader, const char *suffix)
{
    return smr_gguf_fail(reader->gguf, make_key(reader, suffix), "is missing");
}

// ---- one number -------------------------------------------------------------------------------

// The number that all elements of an array with one element for each layer are.
static bool read_layers(struct reader *reader, struct smr_metadata_array array, uint32_t *value)
{
    uint32_t next;
    if (!array.n || array.n != reader->hparams->n_layers)
        return smr_gguf_fail(reader->gguf, reader->key, "has %zu elements for %" PRIu32 " layers",
                             array.n, reader->hparams->n_layers);
    for (size_t i = 0; i < array.n; i++) {
        if (!smr_metadata_next_u32(&array, &next))
            return smr_gguf_fail(reader->gguf, reader->key, "element %zu is no whole number", i);
        if (i && next != *value)
            return smr_gguf_fail(reader->gguf, reader->key,
                                 "differs between layers (%" PRIu32 " and %" PRIu32
                                 "): not supported",
                                 *value, next);
        *value = next;
    }
    return true;
}

static bool read_u32(struct reader *reader, const struct u32_field *field)
{
    const struct smr_metadata *metadata = &reader->gguf->metadata;
    const char *key = make_key(reader, field->key);
    struct smr_metadata_array array;
    uint32_t value = 0;

    if (!smr_metadata_has(metadata, key))
        return !field->required || !reader->has_weights || fail_missing(reader, field->key);
    if (smr_metadata_array(metadata, key, &array)) {
        if (!read_layers(reader, array, &value))
            return false;
    } else if (!smr_metadata_u32(metadata, key, &value)) {
        return smr_gguf_fail(reader->gguf, key, "is no whole number");
    }
    // Optional numbers may be 0 for "none".
    if (value > field->max || (value < field->min && (value || field->required)))
        return smr_gguf_fail(reader->gguf, key,
                             "%" PRIu32 " is not within %" PRIu32 " and %" PRIu32, value,
                             field->min, field->max);
    memcpy((char *)reader->hparams + field->offset, &value, sizeof value);
    return true;
}

static bool read_f32(struct reader *reader, const struct f32_field *field)
{
    const struct smr_metadata *metadata = &reader->gguf->metadata;
    const char *key = make_key(reader, field->key);
    float value;

    if (!smr_metadata_has(metadata, key))
        return true;
    if (!smr_metadata_f32(metadata, key, &value))
        return smr_gguf_fail(reader->gguf, key, "is no number");
    if (!isfinite(value) || value > field->max || (value < field->min && value != 0))
        return smr_gguf_fail(reader->gguf, key, "%g is not within %g and %g", (double)value,
                             (double)field->min, (double)field->max);
    if (value == 0 && field->min > 0) // "none": some writers do not leave the key out
        value = field->value;
    memcpy((char *)reader->hparams + field->offset, &value, sizeof value);
    return true;
}

static bool read_fields(struct reader *reader)
{
    for (size_t i = 0; i < SMR_COUNT(f32_fields); i++) // first the defaults: two rows may share one
        memcpy((char *)reader->hparams + f32_fields[i].offset, &f32_fields[i].value, sizeof(float));
    for (size_t i = 0; i < SMR_COUNT(u32_fields); i++)
        if (!read_u32(reader, &u32_fields[i]))
            return false;
    for (size_t i = 0; i < SMR_COUNT(f32_fields); i++)
        if (!read_f32(reader, &f32_fields[i]))
            return false;
    return true;
}

// ---- what depends on others -------------------------------------------------------------------

static bool read_rope_scaling(struct reader *reader)
{
    static const struct {
        const char *name;
        enum smr_rope_scaling scaling;
    } names[] = {
        {"none", SMR_ROPE_NONE},
        {"linear", SMR_ROPE_LINEAR},
        {"yarn", SMR_ROPE_YARN},
        {"longrope", SMR_ROPE_LONGROPE},
    };
    struct smr_hparams *hparams = reader->hparams;
    const char *key = make_key(reader, "rope.scaling.type");

    if (!smr_metadata_has(&reader->gguf->metadata, key)) {
        hparams->rope_scaling = hparams->rope_scaling_factor != 1 ? SMR_ROPE_LINEAR : SMR_ROPE_NONE;
        return true;
    }
    const char *name = smr_metadata_string(&reader->gguf->metadata, key);
    for (size_t i = 0; name && i < SMR_COUNT(names); i++) {
        if (!strcmp(name, names[i].name)) {
            hparams->rope_scaling = names[i].scaling;
            return true;
        }
    }
    return smr_gguf_fail(reader->gguf, key, "\"%.40s\" is not none, linear, yarn or longrope",
                         name ? name : "(not a string)");
}

// Two stacks of layers where there is a token to start the decoder with.
static bool derive_layers(struct reader *reader)
{
    static const struct u32_field field = {"decoder_block_count", FIELD(n_layers), 1, 4096, false};
    struct smr_hparams *hparams = reader->hparams;
    const char *key = make_key(reader, "decoder_start_token_id");
    if (!smr_metadata_has(&reader->gguf->metadata, key))
        return true;
    hparams->n_encoder_layers = hparams->n_layers;
    if (!hparams->relative_max_distance)
        hparams->relative_max_distance = 128;
    return read_u32(reader, &field);
}

static bool derive_heads(struct reader *reader)
{
    struct smr_hparams *hparams = reader->hparams;
    if (!hparams->n_heads) // a vocabulary only
        return true;
    if (!hparams->n_kv_heads)
        hparams->n_kv_heads = hparams->n_heads;
    if (hparams->n_heads % hparams->n_kv_heads)
        return smr_gguf_fail(reader->gguf, make_key(reader, "attention.head_count_kv"),
                             "%" PRIu32 " does not divide the %" PRIu32 " heads",
                             hparams->n_kv_heads, hparams->n_heads);
    if (!hparams->head_dim) {
        if (hparams->n_embd % hparams->n_heads || hparams->n_embd / hparams->n_heads > 4096)
            return smr_gguf_fail(reader->gguf, make_key(reader, "attention.head_count"),
                                 "%" PRIu32 " heads in an embedding of %" PRIu32
                                 " and no attention.key_length",
                                 hparams->n_heads, hparams->n_embd);
        hparams->head_dim = hparams->n_embd / hparams->n_heads;
    }
    if (!hparams->value_dim)
        hparams->value_dim = hparams->head_dim;
    if (hparams->value_dim != hparams->head_dim)
        return smr_gguf_fail(reader->gguf, make_key(reader, "attention.value_length"),
                             "%" PRIu32 " differs from attention.key_length %" PRIu32
                             ": not supported",
                             hparams->value_dim, hparams->head_dim);
    if (!hparams->rope_dim)
        hparams->rope_dim = hparams->head_dim;
    if (hparams->rope_dim > hparams->head_dim || hparams->rope_dim % 2)
        return smr_gguf_fail(reader->gguf, make_key(reader, "rope.dimension_count"),
                             "%" PRIu32 " is odd or above the head's %" PRIu32, hparams->rope_dim,
                             hparams->head_dim);
    return true;
}

static bool derive_experts(struct reader *reader)
{
    struct smr_hparams *hparams = reader->hparams;
    const struct smr_metadata *metadata = &reader->gguf->metadata;
    const char *key = make_key(reader, "expert_gating_func");
    uint32_t gating = 0; // softmax, as is 1
    if (hparams->n_experts_used > hparams->n_experts)
        return smr_gguf_fail(reader->gguf, make_key(reader, "expert_used_count"),
                             "%" PRIu32 " of %" PRIu32 " experts", hparams->n_experts_used,
                             hparams->n_experts);
    if (hparams->n_experts && !hparams->n_experts_used && reader->has_weights)
        return fail_missing(reader, "expert_used_count");
    if (smr_metadata_u32(metadata, key, &gating) && gating > 1)
        return smr_gguf_fail(reader->gguf, key, "%" PRIu32 " is not 1, softmax: not supported",
                             gating);
    if (!hparams->n_ff_expert)
        hparams->n_ff_expert = hparams->n_ff;
    hparams->expert_weights_norm = true;
    smr_metadata_bool(metadata, make_key(reader, "expert_weights_norm"),
                      &hparams->expert_weights_norm);
    return true;
}

// The embedding's rows say how many tokens there are; else the key, else the vocabulary.
static bool derive_vocab(struct reader *reader, const struct smr_tensor *embedding)
{
    struct smr_hparams *hparams = reader->hparams;
    struct smr_metadata_array tokens;
    bool has_tokens = smr_metadata_array(&reader->gguf->metadata, "tokenizer.ggml.tokens", &tokens);
    uint64_t n_vocab = hparams->n_vocab;
    if (embedding)
        n_vocab = embedding->dims[1];
    else if (has_tokens)
        n_vocab = tokens.n;
    if (n_vocab > 1 << 24)
        return smr_gguf_fail(reader->gguf, embedding ? embedding->name : "tokenizer.ggml.tokens",
                             "%" PRIu64 " tokens, the limit is %d", n_vocab, 1 << 24);
    hparams->n_vocab = (uint32_t)n_vocab;
    return true;
}

bool smr_hparams_read(struct smr_model *model, const struct smr_gguf *gguf)
{
    struct smr_hparams *hparams = &model->hparams;
    struct reader reader = {
        .gguf = gguf,
        .hparams = hparams,
        .architecture = model->architecture,
        .has_weights = model->n_tensors > 0,
    };
    if (!read_fields(&reader) || !read_rope_scaling(&reader) || !derive_layers(&reader) ||
        !derive_heads(&reader) ||
        !derive_vocab(&reader, smr_model_tensor(model, "token_embd.weight")))
        return false;
    if (reader.has_weights && hparams->norm_eps == 0)
        return fail_missing(&reader, "attention.layer_norm_rms_epsilon");
    if (reader.has_weights && hparams->n_encoder_layers &&
        hparams->decoder_start >= hparams->n_vocab)
        return smr_gguf_fail(gguf, make_key(&reader, "decoder_start_token_id"),
                             "%" PRIu32 " of %" PRIu32 " tokens", hparams->decoder_start,
                             hparams->n_vocab);
    return derive_experts(&reader);
}
