// block.c - the parts of layers, as operations. block.h says what each is.
#include "graph/block.h"

#include <stdio.h>

void smr_block_enter(struct smr_block *block, const char *prefix, uint32_t layer)
{
    block->layer = layer;
    if (prefix)
        snprintf(block->scope, sizeof(block->scope), "%s.%u.", prefix, layer);
    else
        block->scope[0] = 0;
}

smr_id smr_block_activation(const struct smr_block *block, uint32_t n_cols)
{
    return smr_graph_activation(block->graph, block->rows, n_cols);
}

static uint32_t cols_of(const struct smr_block *block, smr_id id)
{
    return block->graph->values[id].n_cols;
}

// ---- embeddings -------------------------------------------------------------------------------

smr_id smr_block_embed(const struct smr_block *block, smr_id table, float scale)
{
    smr_id out = smr_block_activation(block, cols_of(block, table));
    smr_graph_op(block->graph, &(struct smr_op){.kind = SMR_OP_EMBED,
                                                .in = block->graph->rows,
                                                .weight = table,
                                                .out = out,
                                                .scale = scale});
    return out;
}

bool smr_block_add_positions(const struct smr_block *block, const char *name, uint32_t n_rows,
                             uint32_t first_row)
{
    smr_id table = smr_graph_matrix(block->graph, block->hparams->n_embd, n_rows, "%s%s.weight",
                                    block->scope, name);
    if (!table)
        return false;
    block->graph->n_positions = n_rows - first_row;
    smr_graph_op(block->graph, &(struct smr_op){.kind = SMR_OP_EMBED,
                                                .in = block->graph->rows,
                                                .weight = table,
                                                .out = block->stream,
                                                .position = true,
                                                .first_row = first_row,
                                                .add = true,
                                                .scale = 1});
    return true;
}

// ---- norms and projections ----------------------------------------------------------------------

// `op` with the weight and bias of a norm put in; false when they are missing.
static bool find_norm(const struct smr_block *block, const char *name, uint32_t n,
                      struct smr_op *op)
{
    op->kind = SMR_OP_NORM;
    op->layer = block->layer;
    op->layer_norm = block->family->layer_norm;
    op->weight = smr_graph_vector(block->graph, n, true, "%s%s.weight", block->scope, name);
    if (!op->weight || !op->layer_norm)
        return op->weight != 0;
    op->bias = smr_graph_vector(block->graph, n, true, "%s%s.bias", block->scope, name);
    return op->bias != 0;
}

smr_id smr_block_norm(const struct smr_block *block, smr_id in, const char *name, uint32_t n_heads)
{
    uint32_t n_cols = cols_of(block, in);
    struct smr_op op = {.in = in, .n_heads = n_heads};
    if (!find_norm(block, name, n_cols / n_heads, &op))
        return 0;
    op.out = smr_block_activation(block, n_cols);
    smr_graph_op(block->graph, &op);
    return op.out;
}

static bool find_projection(const struct smr_block *block, const char *name, uint32_t n_out,
                            bool need_bias, struct smr_op *op)
{
    op->kind = SMR_OP_MATMUL;
    op->layer = block->layer;
    op->weight = smr_graph_matrix(block->graph, cols_of(block, op->in), n_out, "%s%s.weight",
                                  block->scope, name);
    if (!op->weight)
        return false;
    need_bias = need_bias || block->family->biases;
    op->bias = smr_graph_vector(block->graph, n_out, need_bias, "%s%s.bias", block->scope, name);
    return op->bias || !need_bias;
}

smr_id smr_block_project(const struct smr_block *block, smr_id in, const char *name, uint32_t n_out,
                         bool need_bias)
{
    struct smr_op op = {.in = in};
    if (!find_projection(block, name, n_out, need_bias, &op))
        return 0;
    op.out = smr_block_activation(block, n_out);
    smr_graph_op(block->graph, &op);
    return op.out;
}

bool smr_block_add_result(const struct smr_block *block, smr_id in, const char *name,
                          const char *post_norm)
{
    struct smr_op op = {.in = in};
    struct smr_op norm = {.out = block->stream, .n_heads = 1, .add = true};
    uint32_t n_embd = cols_of(block, block->stream);
    bool has_norm = block->family->post_norm;
    if (!find_projection(block, name, n_embd, false, &op) ||
        (has_norm && !find_norm(block, post_norm, n_embd, &norm)))
        return false;
    op.add = !has_norm;
    op.out = norm.in = has_norm ? smr_block_activation(block, n_embd) : block->stream;
    smr_graph_op(block->graph, &op);
    if (has_norm)
        smr_graph_op(block->graph, &norm);
    return true;
}

// ---- feed-forward -------------------------------------------------------------------------------

// act(gate) * up, or act(up) where there is no gate.
static smr_id activate(const struct smr_block *block, smr_id gate, smr_id up)
{
    smr_id out = smr_block_activation(block, cols_of(block, up));
    smr_graph_op(block->graph, &(struct smr_op){.kind = SMR_OP_ACTIVATE,
                                                .in = gate ? gate : up,
                                                .in2 = gate ? up : 0,
                                                .out = out,
                                                .layer = block->layer,
                                                .activation = block->family->activation});
    return out;
}

// in times the matrices `name` of the chosen experts: [rows, n_used, n_out]. `in` is [rows, n_in], or
// [rows, n_used, n_in].
static smr_id expert_project(const struct smr_block *block, smr_id in, smr_id choices,
                             const char *name, uint32_t n_in, uint32_t n_out)
{
    uint32_t n_used = block->hparams->n_experts_used;
    smr_id weight = smr_graph_experts(block->graph, n_in, n_out, block->hparams->n_experts,
                                      "%s%s.weight", block->scope, name);
    if (!weight)
        return 0;
    smr_id out = smr_block_activation(block, n_used * n_out);
    smr_graph_op(block->graph, &(struct smr_op){.kind = SMR_OP_EXPERTS,
                                                .in = in,
                                                .in2 = choices,
                                                .weight = weight,
                                                .out = out,
                                                .layer = block->layer,
                                                .n_used = n_used});
    return out;
}

// Which experts each row goes to, by the logits of `ffn_gate_inp`.
static smr_id route(const struct smr_block *block, smr_id in)
{
    const struct smr_hparams *hparams = block->hparams;
    smr_id logits = smr_block_project(block, in, "ffn_gate_inp", hparams->n_experts, false);
    if (!logits)
        return 0;
    smr_id out = smr_block_activation(block, 2 * hparams->n_experts_used);
    smr_graph_op(block->graph, &(struct smr_op){.kind = SMR_OP_ROUTE,
                                                .in = logits,
                                                .out = out,
                                                .layer = block->layer,
                                                .n_used = hparams->n_experts_used,
                                                .normed = hparams->expert_weights_norm});
    return out;
}

static bool mixture(const struct smr_block *block, smr_id in)
{
    uint32_t n_embd = cols_of(block, in), n_ff = block->hparams->n_ff_expert;
    uint64_t n_used = block->hparams->n_experts_used;
    if (n_used * smr_max_u32(n_embd, n_ff) > UINT32_MAX)
        return smr_fail(block->graph->model->context, SMR_ERROR_MODEL,
                        "%s: %llu experts of %u columns for each row: not possible",
                        block->graph->model->path, (unsigned long long)n_used, n_ff);
    smr_id choices = route(block, in), gate = 0, up = 0, down = 0;
    if (!choices || !(gate = expert_project(block, in, choices, "ffn_gate_exps", n_embd, n_ff)) ||
        !(up = expert_project(block, in, choices, "ffn_up_exps", n_embd, n_ff)) ||
        !(down = expert_project(block, activate(block, gate, up), choices, "ffn_down_exps", n_ff,
                                n_embd)))
        return false;
    smr_graph_op(block->graph, &(struct smr_op){.kind = SMR_OP_COMBINE,
                                                .in = down,
                                                .in2 = choices,
                                                .out = block->stream,
                                                .layer = block->layer,
                                                .n_used = block->hparams->n_experts_used,
                                                .add = true});
    return true;
}

bool smr_block_feed_forward(const struct smr_block *block, smr_id in)
{
    uint32_t n_ff = block->hparams->n_ff;
    bool gated = !block->family->ungated;
    // Some models have layers with experts and layers without.
    if (block->hparams->n_experts_used &&
        smr_model_tensor_f(block->graph->model, "%sffn_gate_inp.weight", block->scope))
        return mixture(block, in);
    smr_id gate = gated ? smr_block_project(block, in, "ffn_gate", n_ff, false) : 0;
    smr_id up = !gated || gate ? smr_block_project(block, in, "ffn_up", n_ff, false) : 0;
    return up &&
           smr_block_add_result(block, activate(block, gate, up), "ffn_down", "post_ffw_norm");
}

// ---- output -------------------------------------------------------------------------------------

static smr_id gather(const struct smr_block *block, smr_id in)
{
    smr_id out = smr_graph_activation(block->graph, SMR_ROWS_OUTPUTS, cols_of(block, in));
    smr_graph_op(
        block->graph,
        &(struct smr_op){.kind = SMR_OP_GATHER, .in = in, .out = out, .layer = block->layer});
    return out;
}

smr_id smr_block_keep_outputs(struct smr_block *block, smr_id in)
{
    smr_id kept = gather(block, in);
    block->stream = gather(block, block->stream);
    block->rows = SMR_ROWS_OUTPUTS;
    return kept;
}

bool smr_block_output(const struct smr_block *block, smr_id in, smr_id embedding)
{
    struct smr_graph *graph = block->graph;
    uint32_t n_vocab = block->hparams->n_vocab;
    float softcap = block->hparams->final_softcap;
    smr_id weight = embedding;
    if (smr_model_tensor(graph->model, "output.weight"))
        weight = smr_graph_matrix(graph, cols_of(block, in), n_vocab, "output.weight");
    if (!weight)
        return false;
    smr_id bias = smr_graph_vector(graph, n_vocab, false, "output.bias");
    graph->logits = smr_graph_value(
        graph,
        &(struct smr_value){.kind = SMR_VALUE_LOGITS, .rows = SMR_ROWS_OUTPUTS, .n_cols = n_vocab});
    smr_id raw = softcap > 0 ? smr_block_activation(block, n_vocab) : graph->logits;
    smr_graph_op(graph, &(struct smr_op){.kind = SMR_OP_MATMUL,
                                         .in = in,
                                         .weight = weight,
                                         .bias = bias,
                                         .out = raw,
                                         .layer = block->layer});
    if (raw != graph->logits)
        smr_graph_op(graph, &(struct smr_op){.kind = SMR_OP_ACTIVATE,
                                             .in = raw,
                                             .out = graph->logits,
                                             .layer = block->layer,
                                             .activation = SMR_OP_SOFTCAP,
                                             .softcap = softcap});
    graph->reduced = smr_graph_value(
        graph, &(struct smr_value){.kind = SMR_VALUE_REDUCED, .rows = SMR_ROWS_OUTPUTS});
    smr_graph_op(graph, &(struct smr_op){.kind = SMR_OP_REDUCE,
                                         .in = graph->logits,
                                         .out = graph->reduced,
                                         .layer = block->layer});
    return true;
}
