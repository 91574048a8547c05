// graph.h - the forward pass of a model, written down as a list of operations on named tensors.
//
// The list says what is computed, not how: no device, no batch size, no memory. schedule/ makes a
// program of it for a batch shape. An operation's operands are ids into the graph's tensors; rows
// of activations are rows of the batch, or only those whose logits are wanted.
//
// A family of models is a row of flags in decoder.c or encoder_decoder.c; the parts of layers are
// in block.c.
//
// The graph of an encoder-decoder model has two parts, each with programs of its own: the first
// n_encode_ops operations encode a source and leave its keys and values in the memory, one for each
// layer of the decoder; the others are the decoder's.
#pragma once

#include "model/model.h"

typedef uint32_t smr_id; // index into smr_graph.values; 0 is "none"

enum smr_value_kind {
    SMR_VALUE_NONE,
    SMR_VALUE_WEIGHT,   // of the model's file
    SMR_VALUE_CONSTANT, // f32 numbers made by the graph: rotation frequencies, converted vectors
    SMR_VALUE_ACTIVATION, // f32 [rows, n_cols], alive from the first operation to the last that uses it
    SMR_VALUE_ROWS,       // the batch: struct smr_row of kernel.h [n_rows]
    SMR_VALUE_PAGES,      // page table, u32 [n_sequences, max_pages]
    SMR_VALUE_OUTPUTS, // rows whose logits are wanted, u32 [n_outputs]
    SMR_VALUE_KEYS,    // KV cache of a layer, [n_pages, n_kv_heads, page_size, head_dim]
    SMR_VALUE_VALUES,
    SMR_VALUE_LOGITS,  // f32 [n_outputs, n_vocab]
    SMR_VALUE_REDUCED, // what the host reads: struct smr_reduced of kernel.h per row and chunk
};

enum smr_rows { SMR_ROWS_BATCH, SMR_ROWS_OUTPUTS };

struct smr_value {
    enum smr_value_kind kind;
    enum smr_rows rows;              // of activations, logits and reduced
    const struct smr_tensor *tensor; // WEIGHT
    const float *data;               // CONSTANT, n_cols numbers
    uint32_t n_cols;                 // elements of a row; of a CONSTANT in all
    uint32_t layer;                  // KEYS and VALUES
};

// Keys and values of earlier tokens, in pages. TEXT and MEMORY have some for each layer. SOURCE is
// for the encoder's layers, which come one after the other and share it. SOURCE and MEMORY have the
// same pages: those of the source, all of which is seen whatever the row's position.
enum smr_cache { SMR_CACHE_TEXT, SMR_CACHE_SOURCE, SMR_CACHE_MEMORY };

enum smr_op_kind {
    SMR_OP_EMBED,      // out (+)= scale * weight[token or position of the rows `in`]
    SMR_OP_NORM,       // out (+)= norm(in) * weight (+ bias), over n_heads vectors in each row
    SMR_OP_MATMUL,     // out (+)= in weight^T (+ bias)
    SMR_OP_ROPE_STORE, // rotate in (queries) and in2 (keys) by the frequencies `weight` (0: leave
                       // them as they are; no `in`), store in2 and in3 (values) in the cache
    SMR_OP_ATTENTION,  // out = attention of in over the layer's cache; bias: by distance, f32
                       // [n_heads, 2 * reach + 1]
    SMR_OP_ACTIVATE,   // out = act(in) * in2, or act(in) without in2
    SMR_OP_GATHER,     // out = the rows of in whose logits are wanted
    SMR_OP_ROUTE,      // out = choices of n_used experts by the logits in: kernel.h, route
    SMR_OP_EXPERTS,    // out = in times the chosen (in2) matrices of weight
    SMR_OP_COMBINE,    // out (+)= the sum of the choices' (in2) weights times in
    SMR_OP_REDUCE,     // out = maxima and sums of in, for sampling
};

struct smr_op {
    enum smr_op_kind kind;
    smr_id in, in2, in3, weight, bias, out; // `out` is also read where `add` is set
    uint32_t layer;                         // for names in logs and profiles
    uint32_t n_heads;     // NORM: vectors per row; ROPE_STORE, ATTENTION: query heads
    uint32_t n_used;      // ROUTE, EXPERTS, COMBINE: experts of a row
    uint32_t window;      // ATTENTION: sliding window, 0 for none
    uint32_t activation;  // ACTIVATE: enum smr_op_activation
    enum smr_cache cache; // ROPE_STORE, ATTENTION
    bool add;             // EMBED, NORM, MATMUL, COMBINE: add to what `out` holds
    bool layer_norm;      // NORM: layer norm, else RMS norm
    bool normed;          // ROUTE: the weights of a row add up to 1
    bool neox;            // ROPE_STORE: pairs are half a head apart
    bool position;        // EMBED: by position, not by token
    uint32_t first_row;   // EMBED: the row of the table that index 0 stands for
    float scale;          // EMBED, ATTENTION; ROPE_STORE: magnitude of the rotation
    float softcap;        // ATTENTION; ACTIVATE with SOFTCAP
};

// Same order as enum smr_activation in kernel.h; schedule/ checks that at compile time.
enum smr_op_activation {
    SMR_OP_SILU,
    SMR_OP_GELU_TANH,
    SMR_OP_GELU,
    SMR_OP_RELU,
    SMR_OP_SOFTCAP,
};

struct smr_graph {
    struct smr_arena arena;
    const struct smr_model *model;
    uint32_t n_context;       // tokens that a sequence may have: LongRoPE goes by it
    struct smr_value *values; // [0] is NONE
    uint32_t n_values, values_capacity;
    struct smr_op *ops;
    uint32_t n_ops, ops_capacity;
    uint32_t n_encode_ops;       // the first of them; 0 without an encoder
    uint32_t n_positions;        // that the model has a row for; 0: any number
    smr_id rows, pages, outputs; // what the host writes for each step
    smr_id logits, reduced;      // what it reads
    bool failed;                 // an allocation failed; smr_graph_build() reports it
};

// Write down the forward pass of `model` for sequences of up to n_context tokens. Fails with
// SMR_ERROR_MODEL when the family is not known, when a tensor is missing, or when one has another
// shape than the hyperparameters say.
bool smr_graph_build(struct smr_graph *graph, const struct smr_model *model, uint32_t n_context);
void smr_graph_finish(struct smr_graph *graph);

// For logs and profiles: "blk.3 matmul attn_q.weight".
void smr_op_name(const struct smr_graph *graph, const struct smr_op *op, char *text, size_t size);

// ---- for the files that build graphs ----------------------------------------------------------

smr_id smr_graph_value(struct smr_graph *graph, const struct smr_value *value);
smr_id smr_graph_activation(struct smr_graph *graph, enum smr_rows rows, uint32_t n_cols);
void smr_graph_op(struct smr_graph *graph, const struct smr_op *op);

// A weight matrix [n_out, n_in] by name; 0 with an error when it is missing or of another shape.
smr_id smr_graph_matrix(struct smr_graph *graph, uint32_t n_in, uint32_t n_out, const char *format,
                        ...) SMR_PRINTF(4, 5);
// The matrices of n experts in one tensor, [n, n_out, n_in].
smr_id smr_graph_experts(struct smr_graph *graph, uint32_t n_in, uint32_t n_out, uint32_t n,
                         const char *format, ...) SMR_PRINTF(5, 6);
// A vector of n numbers, converted to f32. 0 when it is missing, which is an error if `required`.
smr_id smr_graph_vector(struct smr_graph *graph, uint32_t n, bool required, const char *format, ...)
    SMR_PRINTF(4, 5);

// RoPE's inverse frequencies, f32 [rope_dim / 2], with the model's scaling applied (rope.c).
// `theta` is the base; without `scaled` the model's scaling is left out (Gemma's local layers).
// *magnitude receives what rotated vectors are multiplied with.
smr_id smr_graph_rope(struct smr_graph *graph, float theta, bool scaled, float *magnitude);

// The numbers of a matrix [n_out, n_in], converted to f32, in the graph's memory. NULL when it is
// missing, which is an error if `required`.
const float *smr_graph_read(struct smr_graph *graph, uint32_t n_in, uint32_t n_out, bool required,
                            const char *format, ...) SMR_PRINTF(5, 6);
// A constant of n numbers that the caller fills in, which stay in the graph's memory; NULL with an
// error when there is none.
float *smr_graph_numbers(struct smr_graph *graph, uint32_t n);
smr_id smr_graph_constant(struct smr_graph *graph, const float *data, uint32_t n);

bool smr_graph_build_decoder(struct smr_graph *graph);         // decoder.c
bool smr_graph_build_encoder_decoder(struct smr_graph *graph); // encoder_decoder.c
