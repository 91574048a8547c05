// decoder.c - decoder-only transformers. A family is a row of the table; the code below never asks
// for a family's name.
#include "graph/block.h"

#include <math.h>
#include <string.h>

// Flags of a row, and what a row without any is: block.h.
static const struct smr_family families[] = {
    // Llama (arXiv:2302.13971, arXiv:2407.21783), Mistral (arXiv:2310.06825), Seed-Coder, Seed-X,
    // Mixtral (arXiv:2401.04088), SmolLM2, TinyLlama, Yi and many others
    {.architecture = "llama"},
    // Qwen 2 and 2.5 (arXiv:2407.10671)
    {.architecture = "qwen2", .neox = true, .qkv_bias = true},
    // Qwen 3 (arXiv:2505.09388)
    {.architecture = "qwen3", .neox = true, .qk_norm = true},
    {.architecture = "qwen3moe", .neox = true, .qk_norm = true},
    // Seed-OSS (https://github.com/ByteDance-Seed/seed-oss)
    {.architecture = "seed_oss", .neox = true, .qkv_bias = true, .ffn_norm = "post_attention_norm"},
    // Phi-3 (arXiv:2404.14219)
    {.architecture = "phi3", .neox = true},
    // GPT-2 (Radford and others, Language Models are Unsupervised Multitask Learners)
    {.architecture = "gpt2",
     .layer_norm = true,
     .biases = true,
     .learned_positions = true,
     .ungated = true,
     .activation = SMR_OP_GELU_TANH},
    // Gemma 2 (arXiv:2408.00118); query_pre_attn_scalar of 27B, the one with 46 layers, is 144
    {.architecture = "gemma2",
     .neox = true,
     .post_norm = true,
     .embed_scale = true,
     .activation = SMR_OP_GELU_TANH,
     .global_period = 2,
     .embd_scale_layers = 46},
    // Gemma 3 (arXiv:2503.19786); query_pre_attn_scalar of 27B, the one with 62 layers, is 168
    {.architecture = "gemma3",
     .neox = true,
     .qk_norm = true,
     .post_norm = true,
     .embed_scale = true,
     .activation = SMR_OP_GELU_TANH,
     .global_period = 6,
     .local_theta = 10000,
     .embd_scale_layers = 62},
};

struct decoder {
    struct smr_block block;
    smr_id inv_freq, inv_freq_local; // 0: no rotation
    float magnitude, magnitude_local;
};

static bool is_local(const struct smr_block *b)
{
    uint32_t period = b->family->global_period;
    return b->hparams->sliding_window && (!period || (b->layer + 1) % period != 0);
}

static float attention_scale(const struct smr_block *b)
{
    const struct smr_hparams *hparams = b->hparams;
    if (hparams->attention_scale > 0)
        return hparams->attention_scale;
    if (hparams->n_layers == b->family->embd_scale_layers)
        return 1.0f / sqrtf((float)hparams->n_embd / (float)hparams->n_heads);
    return 1.0f / sqrtf((float)hparams->head_dim);
}

// One of queries, keys, values, [rows, n_heads * head_dim], with norm where the family has one.
static smr_id project(const struct smr_block *b, smr_id in, const char *name, const char *norm,
                      uint32_t n_heads)
{
    uint32_t n_out = n_heads * b->hparams->head_dim;
    smr_id out = smr_block_project(b, in, name, n_out, b->family->qkv_bias);
    return out && norm && b->family->qk_norm ? smr_block_norm(b, out, norm, n_heads) : out;
}

// Attention of the normed stream `in`: [rows, n_heads * head_dim]; 0 on failure.
static smr_id attend(const struct decoder *d, smr_id in)
{
    const struct smr_block *b = &d->block;
    const struct smr_hparams *hparams = b->hparams;
    smr_id q = project(b, in, "attn_q", "attn_q_norm", hparams->n_heads);
    smr_id k = q ? project(b, in, "attn_k", "attn_k_norm", hparams->n_kv_heads) : 0;
    smr_id v = k ? project(b, in, "attn_v", NULL, hparams->n_kv_heads) : 0;
    if (!v)
        return 0;
    bool local = is_local(b);
    smr_graph_op(b->graph, &(struct smr_op){.kind = SMR_OP_ROPE_STORE,
                                            .in = q,
                                            .in2 = k,
                                            .in3 = v,
                                            .weight = local ? d->inv_freq_local : d->inv_freq,
                                            .layer = b->layer,
                                            .n_heads = hparams->n_heads,
                                            .neox = b->family->neox,
                                            .scale = local ? d->magnitude_local : d->magnitude});
    smr_id out = smr_block_activation(b, hparams->n_heads * hparams->head_dim);
    smr_graph_op(b->graph, &(struct smr_op){.kind = SMR_OP_ATTENTION,
                                            .in = q,
                                            .out = out,
                                            .layer = b->layer,
                                            .n_heads = hparams->n_heads,
                                            .window = local ? hparams->sliding_window : 0,
                                            .scale = attention_scale(b),
                                            .softcap = hparams->attention_softcap});
    return out;
}

static bool layer(struct decoder *d)
{
    struct smr_block *b = &d->block;
    const char *ffn_norm = b->family->ffn_norm ? b->family->ffn_norm : "ffn_norm";
    smr_id in = smr_block_norm(b, b->stream, "attn_norm", 1);
    smr_id attended = in ? attend(d, in) : 0;
    if (!attended)
        return false;
    if (b->layer + 1 == b->hparams->n_layers)
        attended = smr_block_keep_outputs(b, attended);
    if (!smr_block_add_result(b, attended, "attn_output", "post_attention_norm"))
        return false;
    in = smr_block_norm(b, b->stream, ffn_norm, 1);
    return in && smr_block_feed_forward(b, in);
}

static bool rotations(struct decoder *d)
{
    const struct smr_hparams *hparams = d->block.hparams;
    const struct smr_family *family = d->block.family;
    d->magnitude = d->magnitude_local = 1;
    if (family->learned_positions)
        return true;
    d->inv_freq = smr_graph_rope(d->block.graph, hparams->rope_theta, true, &d->magnitude);
    d->inv_freq_local = d->inv_freq;
    d->magnitude_local = d->magnitude;
    float theta = hparams->rope_theta_local > 0 ? hparams->rope_theta_local : family->local_theta;
    if (d->inv_freq && hparams->sliding_window && theta > 0)
        d->inv_freq_local = smr_graph_rope(d->block.graph, theta, false, &d->magnitude_local);
    return d->inv_freq && d->inv_freq_local;
}

static const struct smr_family *find_family(const struct smr_model *model)
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
    struct decoder d = {.block = {.graph = graph, .hparams = hparams, .rows = SMR_ROWS_BATCH}};
    struct smr_block *b = &d.block;
    b->family = find_family(graph->model);
    if (!b->family)
        return false;
    graph->rows = smr_graph_value(graph, &(struct smr_value){.kind = SMR_VALUE_ROWS});
    graph->pages = smr_graph_value(graph, &(struct smr_value){.kind = SMR_VALUE_PAGES});
    graph->outputs = smr_graph_value(graph, &(struct smr_value){.kind = SMR_VALUE_OUTPUTS});
    smr_id embedding =
        smr_graph_matrix(graph, hparams->n_embd, hparams->n_vocab, "token_embd.weight");
    if (!embedding || !rotations(&d))
        return false;
    b->stream = smr_block_embed(b, embedding,
                                b->family->embed_scale ? sqrtf((float)hparams->n_embd) : 1.0f);
    if (b->family->learned_positions &&
        !smr_block_add_positions(b, "position_embd", hparams->n_context, 0))
        return false;
    for (uint32_t i = 0; i < hparams->n_layers && !graph->failed; i++) {
        smr_block_enter(b, "blk", i);
        if (!layer(&d))
            return false;
    }
    if (graph->failed)
        return false;
    smr_block_enter(b, NULL, hparams->n_layers);
    smr_id in = smr_block_norm(b, b->stream, "output_norm", 1);
    return in && smr_block_output(b, in, embedding);
}
