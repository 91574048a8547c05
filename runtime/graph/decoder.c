// decoder.c - decoder-only transformers. A family is a row of the table; the code below never asks
// for a family's name.
#include "graph/graph.h"

#include <math.h>
#include <string.h>

enum {
    NEOX = 1,         // rotation pairs are half a head apart; else neighbours
    QKV_BIAS = 2,     // biases on queries, keys and values must be there
    QK_NORM = 4,      // RMS norm of each query and key head before the rotation
    POST_NORM = 8,    // norms of the attention's and the feed-forward's result too
    EMBED_SCALE = 16, // embeddings are multiplied with sqrt(n_embd)
};

struct family {
    const char *architecture; // general.architecture
    uint32_t flags;
    enum smr_op_activation activation;
    uint32_t global_period; // every n-th layer attends globally, the others within the window
    float local_theta;      // of local layers, where the file does not say; 0: rope_theta
    // Models with this many layers scale attention by sqrt(n_embd / n_heads), not sqrt(head_dim):
    // files do not say which, and Gemma 3 27B alone does so (its query_pre_attn_scalar is 168).
    uint32_t embd_scale_layers;
};

static const struct family families[] = {
    // Llama (arXiv:2302.13971, arXiv:2407.21783), Mistral, SmolLM2, TinyLlama, Yi and many others
    {"llama", 0, SMR_OP_SILU, 0, 0, 0},
    // Qwen 2 and 2.5 (arXiv:2407.10671)
    {"qwen2", NEOX | QKV_BIAS, SMR_OP_SILU, 0, 0, 0},
    // Gemma 3 (arXiv:2503.19786)
    {"gemma3", NEOX | QK_NORM | POST_NORM | EMBED_SCALE, SMR_OP_GELU_TANH, 6, 10000, 62},
};

// What all layers share while the list is written.
struct decoder {
    struct smr_graph *graph;
    const struct smr_hparams *hparams;
    const struct family *family;
    uint32_t layer;
    enum smr_rows rows; // of the layer's feed-forward: the last layer only does what is wanted
    smr_id stream;      // the residual stream, [rows, n_embd]
    smr_id inv_freq, inv_freq_local;
    float magnitude, magnitude_local;
};

static smr_id activation(const struct decoder *d, uint32_t n_cols)
{
    return smr_graph_activation(d->graph, d->rows, n_cols);
}

// out = norm(in) * weight, over `n_heads` vectors in each row.
static smr_id norm(const struct decoder *d, smr_id in, smr_id weight, uint32_t n_heads)
{
    smr_id out = activation(d, d->graph->values[in].n_cols);
    smr_graph_op(d->graph, &(struct smr_op){.kind = SMR_OP_NORM,
                                            .in = in,
                                            .weight = weight,
                                            .out = out,
                                            .layer = d->layer,
                                            .n_heads = n_heads});
    return out;
}

static bool is_local(const struct decoder *d)
{
    if (!d->hparams->sliding_window || !d->family->global_period)
        return false;
    return (d->layer + 1) % d->family->global_period != 0;
}

// One of queries, keys, values: [rows, n_out], with bias and norm where the model has them.
static smr_id project(const struct decoder *d, smr_id in, const char *which, uint32_t n_out)
{
    struct smr_graph *graph = d->graph;
    bool values = which[0] == 'v';
    smr_id weight = smr_graph_matrix(graph, d->hparams->n_embd, n_out, "blk.%u.attn_%s.weight",
                                     d->layer, which);
    bool need_bias = d->family->flags & QKV_BIAS;
    smr_id bias = smr_graph_vector(graph, n_out, need_bias, "blk.%u.attn_%s.bias", d->layer, which);
    if (!weight || (need_bias && !bias))
        return 0;
    smr_id out = activation(d, n_out);
    smr_graph_op(graph, &(struct smr_op){.kind = SMR_OP_MATMUL,
                                         .in = in,
                                         .weight = weight,
                                         .bias = bias,
                                         .out = out,
                                         .layer = d->layer});
    if (values || !(d->family->flags & QK_NORM))
        return out;
    uint32_t head_dim = d->hparams->head_dim;
    smr_id scale =
        smr_graph_vector(graph, head_dim, true, "blk.%u.attn_%s_norm.weight", d->layer, which);
    return scale ? norm(d, out, scale, n_out / head_dim) : 0;
}

static float attention_scale(const struct decoder *d)
{
    const struct smr_hparams *hparams = d->hparams;
    if (hparams->attention_scale > 0)
        return hparams->attention_scale;
    if (hparams->n_layers == d->family->embd_scale_layers)
        return 1.0f / sqrtf((float)hparams->n_embd / (float)hparams->n_heads);
    return 1.0f / sqrtf((float)hparams->head_dim);
}

// Attention of the normed stream `in`: [rows, n_heads * head_dim]; 0 on failure.
static smr_id attend(const struct decoder *d, smr_id in)
{
    const struct smr_hparams *hparams = d->hparams;
    struct smr_graph *graph = d->graph;
    smr_id q = project(d, in, "q", hparams->n_heads * hparams->head_dim);
    smr_id k = q ? project(d, in, "k", hparams->n_kv_heads * hparams->head_dim) : 0;
    smr_id v = k ? project(d, in, "v", hparams->n_kv_heads * hparams->head_dim) : 0;
    if (!v)
        return 0;
    bool local = is_local(d);
    smr_graph_op(graph, &(struct smr_op){.kind = SMR_OP_ROPE_STORE,
                                         .in = q,
                                         .in2 = k,
                                         .in3 = v,
                                         .weight = local ? d->inv_freq_local : d->inv_freq,
                                         .layer = d->layer,
                                         .n_heads = hparams->n_heads,
                                         .neox = d->family->flags & NEOX,
                                         .scale = local ? d->magnitude_local : d->magnitude});
    smr_id out = activation(d, hparams->n_heads * hparams->head_dim);
    smr_graph_op(graph, &(struct smr_op){.kind = SMR_OP_ATTENTION,
                                         .in = q,
                                         .out = out,
                                         .layer = d->layer,
                                         .n_heads = hparams->n_heads,
                                         .window = local ? hparams->sliding_window : 0,
                                         .scale = attention_scale(d),
                                         .softcap = hparams->attention_softcap});
    return out;
}

static smr_id gather(const struct decoder *d, smr_id in)
{
    smr_id out = smr_graph_activation(d->graph, SMR_ROWS_OUTPUTS, d->graph->values[in].n_cols);
    smr_graph_op(d->graph,
                 &(struct smr_op){.kind = SMR_OP_GATHER, .in = in, .out = out, .layer = d->layer});
    return out;
}

// stream += weight * in, or stream += norm(weight * in) where the family norms results.
static bool add_result(const struct decoder *d, smr_id in, smr_id weight, const char *post_norm)
{
    uint32_t n_embd = d->hparams->n_embd;
    struct smr_op matmul = {.kind = SMR_OP_MATMUL,
                            .in = in,
                            .weight = weight,
                            .out = d->stream,
                            .layer = d->layer,
                            .add = true};
    if (!(d->family->flags & POST_NORM)) {
        smr_graph_op(d->graph, &matmul);
        return true;
    }
    smr_id scale =
        smr_graph_vector(d->graph, n_embd, true, "blk.%u.%s.weight", d->layer, post_norm);
    if (!scale)
        return false;
    matmul.out = activation(d, n_embd);
    matmul.add = false;
    smr_graph_op(d->graph, &matmul);
    smr_graph_op(d->graph, &(struct smr_op){.kind = SMR_OP_NORM,
                                            .in = matmul.out,
                                            .weight = scale,
                                            .out = d->stream,
                                            .layer = d->layer,
                                            .n_heads = 1,
                                            .add = true});
    return true;
}

static bool feed_forward(const struct decoder *d)
{
    struct smr_graph *graph = d->graph;
    uint32_t n_embd = d->hparams->n_embd, n_ff = d->hparams->n_ff, layer = d->layer;
    smr_id scale = smr_graph_vector(graph, n_embd, true, "blk.%u.ffn_norm.weight", layer);
    smr_id weights[3] = {0};
    if (!scale ||
        !(weights[0] = smr_graph_matrix(graph, n_embd, n_ff, "blk.%u.ffn_gate.weight", layer)) ||
        !(weights[1] = smr_graph_matrix(graph, n_embd, n_ff, "blk.%u.ffn_up.weight", layer)) ||
        !(weights[2] = smr_graph_matrix(graph, n_ff, n_embd, "blk.%u.ffn_down.weight", layer)))
        return false;
    smr_id in = norm(d, d->stream, scale, 1);
    smr_id gate_up[2];
    for (int i = 0; i < 2; i++) {
        gate_up[i] = activation(d, n_ff);
        smr_graph_op(graph, &(struct smr_op){.kind = SMR_OP_MATMUL,
                                             .in = in,
                                             .weight = weights[i],
                                             .out = gate_up[i],
                                             .layer = layer});
    }
    smr_id hidden = activation(d, n_ff);
    smr_graph_op(graph, &(struct smr_op){.kind = SMR_OP_ACTIVATE,
                                         .in = gate_up[0],
                                         .in2 = gate_up[1],
                                         .out = hidden,
                                         .layer = layer,
                                         .activation = d->family->activation});
    return add_result(d, hidden, weights[2], "post_ffw_norm");
}

static bool layer(struct decoder *d)
{
    const struct smr_hparams *hparams = d->hparams;
    smr_id scale =
        smr_graph_vector(d->graph, hparams->n_embd, true, "blk.%u.attn_norm.weight", d->layer);
    smr_id weight = smr_graph_matrix(d->graph, hparams->n_heads * hparams->head_dim,
                                     hparams->n_embd, "blk.%u.attn_output.weight", d->layer);
    if (!scale || !weight)
        return false;
    smr_id attended = attend(d, norm(d, d->stream, scale, 1));
    if (!attended)
        return false;
    if (d->layer + 1 == hparams->n_layers) {
        // From here on only rows whose logits are wanted matter.
        attended = gather(d, attended);
        d->stream = gather(d, d->stream);
        d->rows = SMR_ROWS_OUTPUTS;
    }
    return add_result(d, attended, weight, "post_attention_norm") && feed_forward(d);
}

// The output matrix, or the embedding where the file ties them.
static smr_id output_matrix(const struct decoder *d, smr_id embedding)
{
    if (!smr_model_tensor(d->graph->model, "output.weight"))
        return embedding;
    return smr_graph_matrix(d->graph, d->hparams->n_embd, d->hparams->n_vocab, "output.weight");
}

static bool output(struct decoder *d, smr_id embedding)
{
    struct smr_graph *graph = d->graph;
    uint32_t n_vocab = d->hparams->n_vocab;
    smr_id scale = smr_graph_vector(graph, d->hparams->n_embd, true, "output_norm.weight");
    smr_id weight = output_matrix(d, embedding);
    if (!scale || !weight)
        return false;
    graph->logits = smr_graph_value(
        graph,
        &(struct smr_value){.kind = SMR_VALUE_LOGITS, .rows = SMR_ROWS_OUTPUTS, .n_cols = n_vocab});
    smr_id raw = d->hparams->final_softcap > 0 ? activation(d, n_vocab) : graph->logits;
    smr_graph_op(graph, &(struct smr_op){.kind = SMR_OP_MATMUL,
                                         .in = norm(d, d->stream, scale, 1),
                                         .weight = weight,
                                         .out = raw,
                                         .layer = d->layer});
    if (raw != graph->logits)
        smr_graph_op(graph, &(struct smr_op){.kind = SMR_OP_ACTIVATE,
                                             .in = raw,
                                             .out = graph->logits,
                                             .layer = d->layer,
                                             .activation = SMR_OP_SOFTCAP,
                                             .softcap = d->hparams->final_softcap});
    graph->reduced = smr_graph_value(
        graph, &(struct smr_value){.kind = SMR_VALUE_REDUCED, .rows = SMR_ROWS_OUTPUTS});
    smr_graph_op(graph, &(struct smr_op){.kind = SMR_OP_REDUCE,
                                         .in = graph->logits,
                                         .out = graph->reduced,
                                         .layer = d->layer});
    return true;
}

static bool rotations(struct decoder *d)
{
    const struct smr_hparams *hparams = d->hparams;
    d->inv_freq = smr_graph_rope(d->graph, hparams->rope_theta, true, &d->magnitude);
    if (!d->inv_freq)
        return false;
    if (!d->family->global_period || !hparams->sliding_window)
        return true;
    float theta = hparams->rope_theta_local > 0 ? hparams->rope_theta_local
                  : d->family->local_theta > 0  ? d->family->local_theta
                                                : hparams->rope_theta;
    d->inv_freq_local = smr_graph_rope(d->graph, theta, false, &d->magnitude_local);
    return d->inv_freq_local != 0;
}

static const struct family *find_family(const struct smr_model *model)
{
    struct smr_string known;
    smr_string_init(&known, model->context);
    for (size_t i = 0; i < SMR_COUNT(families); i++) {
        if (!strcmp(families[i].architecture, model->architecture)) {
            smr_string_finish(&known);
            return &families[i];
        }
        smr_string_printf(&known, "%s%s", i ? ", " : "", families[i].architecture);
    }
    smr_fail(model->context, SMR_ERROR_MODEL,
             "%s: general.architecture: \"%s\" is not a family this version runs (known: %s)",
             model->path, model->architecture, known.data ? known.data : "");
    smr_string_finish(&known);
    return NULL;
}

bool smr_graph_build_decoder(struct smr_graph *graph)
{
    const struct smr_hparams *hparams = &graph->model->hparams;
    struct decoder d = {.graph = graph, .hparams = hparams, .rows = SMR_ROWS_BATCH};
    d.family = find_family(graph->model);
    if (!d.family)
        return false;
    graph->rows = smr_graph_value(graph, &(struct smr_value){.kind = SMR_VALUE_ROWS});
    graph->pages = smr_graph_value(graph, &(struct smr_value){.kind = SMR_VALUE_PAGES});
    graph->outputs = smr_graph_value(graph, &(struct smr_value){.kind = SMR_VALUE_OUTPUTS});
    smr_id embedding =
        smr_graph_matrix(graph, hparams->n_embd, hparams->n_vocab, "token_embd.weight");
    if (!embedding || !rotations(&d))
        return false;
    d.stream = activation(&d, hparams->n_embd);
    smr_graph_op(graph, &(struct smr_op){.kind = SMR_OP_EMBED,
                                         .weight = embedding,
                                         .out = d.stream,
                                         .scale = d.family->flags & EMBED_SCALE
                                                      ? sqrtf((float)hparams->n_embd)
                                                      : 1.0f});
    for (d.layer = 0; d.layer < hparams->n_layers && !graph->failed; d.layer++)
        if (!layer(&d))
            return false;
    return !graph->failed && output(&d, embedding);
}
