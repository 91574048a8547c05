// synthetic.h - models of a published shape with random weights, for measuring without a download.
//
// A synthetic model has no tokenizer and no file: rows of its weights are made when they are read, by
// repeating a pattern, so that it needs hardly any host memory whatever its size. Weights are even,
// with the deviation that models are initialised with (0.02), norms are ones: logits stay finite.
// smr_model_set_type() gives them a type as it does those of a file; they are F32 before.
#pragma once

#include "model/model.h"

struct smr_synthetic_shape {
    const char *name; // "llama-7b"
    const char *architecture;
    uint32_t n_vocab, n_context, n_layers, n_embd, n_ff, n_heads, n_kv_heads, head_dim;
    float rope_theta, norm_eps;
    uint32_t sliding_window; // 0: none
    bool tied;               // the embedding is the output matrix, too
    bool qkv_bias;           // queries, keys and values have one
    bool qk_norm;            // so do heads of queries and keys
    bool post_norm;          // norms after attention and feed-forward
    const char *ffn_norm;    // NULL: "ffn_norm"
    const char *source;      // where the numbers are published
};

// The shapes by index; NULL past the last one.
const struct smr_synthetic_shape *smr_synthetic_shape(size_t index);

// NULL with an error: the name is not known, or there is no memory.
smr_model *smr_model_open_synthetic(smr_context *context, const char *name);
