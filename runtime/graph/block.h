// block.h - what layers of transformers are made of: norms, projections, feed-forwards, the output.
// Private to graph/.
//
// A file that builds graphs (decoder.c) moves a struct smr_block from layer to layer and calls these
// in the order of its models' layers. Tensors are named after the scope: within "blk.3.", "attn_q"
// is "blk.3.attn_q.weight" and, for the bias, "blk.3.attn_q.bias". Each function returns 0 or false,
// with the reason recorded, where a tensor is missing or of another shape.
#pragma once

#include "graph/graph.h"

// What a family of models does otherwise than Llama. A family is a row of such flags; where all are
// unset, a layer is stream += attention(norm(stream)), then stream += down(silu(gate) * up) of
// norm(stream), with RMS norms and without biases.
struct smr_family {
    const char *architecture;          // general.architecture
    bool neox;                         // rotation pairs are half a head apart; else neighbours
    bool qkv_bias;                     // biases on queries, keys and values must be there
    bool biases;                       // on all projections they must
    bool qk_norm;                      // norm of each query and key head before the rotation
    bool post_norm;                    // norms of the attention's and the feed-forward's result too
    bool embed_scale;                  // embeddings are multiplied with sqrt(n_embd)
    bool layer_norm;                   // layer norms with bias, not RMS norms
    bool learned_positions;            // a row of position_embd for each position, and no rotation
    bool ungated;                      // feed-forward: down(act(up))
    enum smr_op_activation activation; // default: SILU
    const char *ffn_norm;              // name of the norm before the feed-forward; default ffn_norm
    uint32_t global_period; // every n-th layer attends globally; 0: none, where there is a window
    float local_theta;      // of local layers, where the file does not say; 0: rope_theta
    // Models with this many layers scale attention by sqrt(n_embd / n_heads), not sqrt(head_dim):
    // files do not say which (decoder.c names them).
    uint32_t embd_scale_layers;
};

// What all layers share while the list is written.
struct smr_block {
    struct smr_graph *graph;
    const struct smr_hparams *hparams;
    const struct smr_family *family;
    char scope[32]; // what tensors' names begin with: "blk.3."; "" outside layers
    uint32_t layer;
    enum smr_rows rows; // of the activations that are made
    smr_id stream;      // the residual stream, [rows, n_embd]
};

// From here on tensors are those of a layer ("blk", 3), or of none where `prefix` is NULL.
void smr_block_enter(struct smr_block *block, const char *prefix, uint32_t layer);

smr_id smr_block_activation(const struct smr_block *block, uint32_t n_cols);

// [rows, n_embd] from the batch's tokens. `table` is [n_vocab, n_embd].
smr_id smr_block_embed(const struct smr_block *block, smr_id table, float scale);
// stream += row (position + first_row) of the n_rows of `name`.
bool smr_block_add_positions(const struct smr_block *block, const char *name, uint32_t n_rows,
                             uint32_t first_row);

// norm(in) over n_heads vectors in each row, with the weight (and bias, if layer norm) `name`.
smr_id smr_block_norm(const struct smr_block *block, smr_id in, const char *name, uint32_t n_heads);

// in times the matrix `name` [n_out, n_cols of in], plus its bias where the file has one.
smr_id smr_block_project(const struct smr_block *block, smr_id in, const char *name, uint32_t n_out,
                         bool need_bias);

// stream += project(in), or stream += norm(project(in)) by `post_norm` where the family has it.
bool smr_block_add_result(const struct smr_block *block, smr_id in, const char *name,
                          const char *post_norm);

// stream += the feed-forward of `in`: of the experts that a router chooses, in layers that have one.
bool smr_block_feed_forward(const struct smr_block *block, smr_id in);

// From here on only rows whose logits are wanted matter: go on with those of the stream, and of `in`,
// which are returned.
smr_id smr_block_keep_outputs(struct smr_block *block, smr_id in);

// Logits of `in` by output.weight, or by `embedding` where the file ties them, and their reduction:
// sets graph->logits and graph->reduced.
bool smr_block_output(const struct smr_block *block, smr_id in, smr_id embedding);
