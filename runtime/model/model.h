// model.h - one description of a model, whatever file it came from: hyperparameters, tensors by
// name, tokenizer, chat template.
//
// A model is read-only after opening. Everything in it that came from the file was checked: sizes
// lie inside the mapping, counts are within limits, strings are zero-terminated copies.
#pragma once

#include "base/base.h"
#include "base/file.h"

enum { SMR_MAX_DIMS = 4 };

// A tensor as GGUF has it, whatever the file. dims[0] is the fastest-varying: GGUF's order, the
// reverse of PyTorch's. A weight matrix [n_out, n_in] in PyTorch's notation has dims =
// {n_in, n_out, 1, 1}. Elements are row-major blocks with no padding between rows.
struct smr_tensor_source;
struct smr_tensor {
    const char *name; // GGUF's name: "blk.0.attn_q.weight"
    enum smr_type type;
    uint32_t n_dims;
    uint64_t dims[SMR_MAX_DIMS]; // unused ones are 1
    uint64_t size;               // bytes
    // In the mapping; NULL where the file has the tensor otherwise: then smr_tensor_read() makes
    // it.
    const uint8_t *data;
    const struct smr_tensor_source *source; // for smr_tensor_read(); NULL where there is `data`
};

// Rows of dims[0] elements; all dimensions but the first count them.
static inline uint64_t smr_tensor_rows(const struct smr_tensor *tensor)
{
    return tensor->dims[1] * tensor->dims[2] * tensor->dims[3];
}

// Metadata, by GGUF's keys (metadata.h makes it and goes through it). Values that are numbers are
// read with the right width whatever their type in the file, since writers differ.
struct smr_metadata;
bool smr_metadata_has(const struct smr_metadata *metadata, const char *key);
bool smr_metadata_u32(const struct smr_metadata *metadata, const char *key, uint32_t *value);
bool smr_metadata_f32(const struct smr_metadata *metadata, const char *key, float *value);
bool smr_metadata_bool(const struct smr_metadata *metadata, const char *key, bool *value);
const char *smr_metadata_string(const struct smr_metadata *metadata, const char *key);
// A string with its length, since it may hold zero bytes.
const char *smr_metadata_string_n(const struct smr_metadata *metadata, const char *key,
                                  size_t *size);

// Arrays stay in the mapping and are read element by element.
struct smr_metadata_array {
    uint32_t type;            // GGUF value type of the elements
    size_t n;                 // elements in all
    size_t n_read;            // elements the readers below have given: never more than n
    struct smr_cursor cursor; // at the next element
};
bool smr_metadata_array(const struct smr_metadata *metadata, const char *key,
                        struct smr_metadata_array *array);
// Next element; false at the end, and when it is of another kind or does not fit. Strings point
// into the mapping and have no terminating zero.
bool smr_metadata_next_string(struct smr_metadata_array *array, const char **data, size_t *size);
bool smr_metadata_next_i32(struct smr_metadata_array *array, int32_t *value);
bool smr_metadata_next_u32(struct smr_metadata_array *array, uint32_t *value);
bool smr_metadata_next_f32(struct smr_metadata_array *array, float *value);

// How RoPE's frequencies are scaled.
enum smr_rope_scaling {
    SMR_ROPE_NONE,
    SMR_ROPE_LINEAR,
    SMR_ROPE_YARN,     // arXiv:2309.00071
    SMR_ROPE_LONGROPE, // arXiv:2402.13753; factors in tensors rope_factors_long/short
    // Llama 3's scaling comes as a tensor rope_freqs.weight and needs no mode of its own.
};

// Hyperparameters in the field's words. GGUF key names are "ARCH." and what the comment says.
// Checked on opening: numbers are finite and within sane limits (hparams.c has them), n_kv_heads
// divides n_heads. In a file without weights those that are missing are 0. An array with one number
// for each layer is accepted where all are equal.
struct smr_hparams {
    uint32_t n_vocab;                   // rows of token_embd.weight, else size of the vocabulary
    uint32_t n_context;                 // context_length: what the model was trained for
    uint32_t n_layers;                  // block_count; see n_encoder_layers
    uint32_t n_embd;                    // embedding_length
    uint32_t n_ff;                      // feed_forward_length
    uint32_t n_heads;                   // attention.head_count
    uint32_t n_kv_heads;                // attention.head_count_kv, default n_heads
    uint32_t head_dim;                  // attention.key_length, default n_embd / n_heads
    uint32_t value_dim;                 // attention.value_length, default head_dim, and equal to it
    uint32_t rope_dim;                  // rope.dimension_count, default head_dim
    float norm_eps;                     // attention.layer_norm_rms_epsilon or layer_norm_epsilon
    float rope_theta;                   // rope.freq_base, default 10000
    float rope_theta_local;             // rope.freq_base_swa; 0 when absent
    enum smr_rope_scaling rope_scaling; // rope.scaling.type, default linear where a factor is given
    float rope_scaling_factor;          // rope.scaling.factor or rope.scale_linear; default 1
    uint32_t rope_original_context;     // rope.scaling.original_context_length
    float rope_attention_factor;        // rope.scaling.attn_factor, default 1
    float yarn_ext_factor;              // rope.scaling.yarn_ext_factor, default 1
    float yarn_beta_fast, yarn_beta_slow; // default 32 and 1
    uint32_t sliding_window;              // attention.sliding_window; 0 for none
    float attention_softcap;              // attn_logit_softcapping; 0 for none
    float final_softcap;                  // final_logit_softcapping; 0 for none
    float attention_scale;                // attention.scale; 0: 1 / sqrt(head_dim)
    float logit_scale;                    // logit_scale; 0 for none
    uint32_t n_experts, n_experts_used;   // expert_count, expert_used_count; 0 for none
    uint32_t n_ff_expert;                 // expert_feed_forward_length, default n_ff
    bool expert_weights_norm; // expert_weights_norm: those of a row add up to 1; default true
    // Encoder-decoder models are those with decoder_start_token_id. block_count is then the number
    // of the encoder's layers, and n_layers those of the decoder: decoder_block_count, default the
    // same.
    uint32_t n_encoder_layers;      // 0: there is no encoder
    uint32_t decoder_start;         // decoder_start_token_id: the token texts begin with
    uint32_t n_relative_buckets;    // attention.relative_buckets_count
    uint32_t relative_max_distance; // attention.relative_max_distance (ours), default 128
    float embedding_scale;          // embedding_scale; 0 for none
};

struct smr_model {
    smr_context *context;
    const char *path;
    const char *name;
    const char *architecture; // general.architecture
    struct smr_hparams hparams;
    struct smr_metadata *metadata;
    const struct smr_tensor *tensors; // as GGUF has them: what counts, and is written to a file
    uint32_t n_tensors;
    const char *chat_template;   // tokenizer.chat_template; NULL without one
    struct smr_vocab *vocab;     // text/: NULL until the first use
    struct smr_model_file *file; // what holds the mappings; owned
};

// As smr_model_open(), from memory, which must stay while the model is open and be aligned to 16
// bytes. `name` stands for the path in errors. A part of a split model is refused.
smr_model *smr_model_open_memory(smr_context *context, const char *name, const void *data,
                                 size_t size);

// Record an error about a field, a key or a tensor of a model's file: "PATH: FIELD: reason".
void smr_model_fail(smr_context *context, const char *path, const char *field, const char *format,
                    va_list arguments);

// All that smr_model_info() tells, but for `chat_format`, which text/ knows: NULL here.
void smr_model_describe(const struct smr_model *model, struct smr_model_info *info);

// What the tokenizer is called: tokenizer.ggml.model of a GGUF file; of a folder "tokenizer.json",
// "sentencepiece" or "vocab.json". NULL for a model without one.
const char *smr_model_tokenizer(const struct smr_model *model);

// The memory that holds part `index` of the model's file, for devices that read it in place. False
// past the last part, or when the model was opened from memory.
bool smr_model_mapping(const struct smr_model *model, uint32_t index, const void **data,
                       size_t *size);

// Whether `path` is a file that the model is read from, by this name or another.
bool smr_model_reads(const struct smr_model *model, const char *path);

// NULL when there is none. O(1): a hash table. Where `tensors` has queries, keys and values in one
// (attn_qkv), or gate and up (ffn_up of twice n_ff), their parts are found as attn_q, attn_k,
// attn_v, ffn_gate and ffn_up.
const struct smr_tensor *smr_model_tensor(const struct smr_model *model, const char *name);
// Name by printf, as "blk.%u.attn_q.weight".
const struct smr_tensor *smr_model_tensor_f(const struct smr_model *model, const char *format, ...)
    SMR_PRINTF(2, 3);
// As smr_model_tensor_f(), but a missing tensor is an error that names it.
const struct smr_tensor *smr_model_need(const struct smr_model *model, const char *format, ...)
    SMR_PRINTF(2, 3);

// Write rows of a tensor of `model` to `dst`, in the tensor's type: n_rows times
// size / smr_tensor_rows() bytes. False with an error when there is no memory. Thread-safe.
bool smr_tensor_read(const struct smr_model *model, const struct smr_tensor *tensor,
                     uint64_t row_begin, uint64_t n_rows, void *dst);

// Give each tensor the type that `choose` says; rows are turned into it when they are read. At most
// once, before a graph is built. False when there is no memory.
typedef enum smr_type smr_choose_type_fn(void *user, const struct smr_model *model,
                                         const struct smr_tensor *tensor);
bool smr_model_retype(struct smr_model *model, smr_choose_type_fn *choose, void *user);

// text/vocab.c provides this, model.c calls it on closing: rooms below do not include those above.
typedef void smr_vocab_destroy_fn(struct smr_vocab *vocab);
void smr_model_set_vocab(struct smr_model *model, struct smr_vocab *vocab,
                         smr_vocab_destroy_fn *destroy);
