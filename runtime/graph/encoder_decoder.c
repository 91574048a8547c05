// encoder_decoder.c - transformers with an encoder and a decoder that attends to what it made of the
// source. A family is a row of the table; the code below never asks for a family's name.
//
// Tensors and keys have llama.cpp's names for T5. BART and Marian, for which it has none, follow the
// same scheme with biases beside the weights, all of which tests/golden/gguf_map.py writes down:
//
//     token_embd, output (absent where tied), output.bias [n_vocab]
//     enc.position_embd, enc.token_embd_norm, enc.output_norm; dec. likewise
//     enc.blk.N.  attn_norm, attn_q, attn_k, attn_v, attn_o, attn_rel_b [n_buckets, n_heads],
//                 ffn_norm, ffn_gate, ffn_up, ffn_down
//     dec.blk.N.  the same, and cross_attn_norm, cross_attn_q, cross_attn_k, cross_attn_v,
//                 cross_attn_o
//
// Beside hparams.c's keys: ARCH.hidden_activation (ours), "silu", "gelu" (by erf), "gelu_tanh" or
// "relu".
#include "graph/block.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct family {
    struct smr_family flags; // of block.h; `ungated` and `activation` where the file does not say
    bool norm_after;         // stream = norm(stream + result), not stream += result of norm(stream)
    bool output_norm;        // of the encoder and the decoder
    bool embed_norm;         // of the sum of embedding and position
    bool relative_bias;      // attention has biases by distance, and its scores no scale
    bool sinusoids;          // positions are sines and cosines
    uint32_t first_position; // row of position 0, with learned positions
};

static const struct family families[] = {
    // T5 and Flan-T5 (arXiv:1910.10683, arXiv:2210.11416)
    {.flags = {.architecture = "t5"}, .output_norm = true, .relative_bias = true},
    // BART (arXiv:1910.13461)
    {.flags = {.architecture = "bart",
               .layer_norm = true,
               .biases = true,
               .learned_positions = true,
               .activation = SMR_OP_GELU},
     .norm_after = true,
     .embed_norm = true,
     .first_position = 2},
    // Marian (arXiv:1804.00344)
    {.flags =
         {.architecture = "marian", .layer_norm = true, .biases = true, .activation = SMR_OP_GELU},
     .norm_after = true,
     .sinusoids = true},
};

// The encoder while it is written down, then the decoder.
struct side {
    struct smr_block block;
    struct smr_family flags; // those of the model's file
    const struct family *family;
    const char *name; // "enc" or "dec"
    bool is_encoder;
    smr_id bias; // of the attention, f32 [n_heads, 2 * reach + 1]; 0 without
};

// From here on tensors are those of the side as a whole: "enc.".
static void enter_side(struct side *side)
{
    snprintf(side->block.scope, sizeof(side->block.scope), "%s.", side->name);
}

// ---- positions ----------------------------------------------------------------------------------

// The bucket of a distance in tokens, key minus query (arXiv:1910.10683, section 2.1): half of the
// buckets are for one distance each, the others grow by a constant factor up to max_distance. With
// `both` ways half of all buckets are for keys that come later, else those count as distance 0. The
// arithmetic is f32 in the order of transformers (T5Attention._relative_position_bucket), since
// rounding decides where a bucket ends.
static uint32_t relative_bucket(int64_t distance, bool both, uint32_t n_buckets,
                                uint32_t max_distance)
{
    uint32_t first = 0;
    if (both) {
        n_buckets /= 2;
        first = distance > 0 ? n_buckets : 0;
        distance = distance < 0 ? -distance : distance;
    } else {
        distance = distance < 0 ? -distance : 0;
    }
    const uint32_t n_exact = n_buckets / 2;
    if (distance < n_exact)
        return first + (uint32_t)distance;
    const float part =
        logf((float)distance / (float)n_exact) / (float)log((double)max_distance / (double)n_exact);
    const uint32_t bucket = n_exact + (uint32_t)(part * (float)(n_buckets - n_exact));
    return first + smr_min_u32(bucket, n_buckets - 1);
}

// Biases by distance in place of by bucket. Layers without a table share that of the first.
static bool set_relative_bias(struct side *side)
{
    const struct smr_hparams *hparams = side->block.hparams;
    struct smr_graph *graph = side->block.graph;
    const uint32_t n_buckets = hparams->n_relative_buckets, n_heads = hparams->n_heads;
    const uint32_t reach = hparams->relative_max_distance, n = 2 * reach + 1;
    if (n_buckets / 4 < 1 || reach <= n_buckets / 2)
        return smr_fail(
            graph->model->context, SMR_ERROR_MODEL,
            "%s: %s.attention.relative_buckets_count: %u buckets for distances up to %u",
            graph->model->path, graph->model->architecture, n_buckets, reach);
    const float *table = smr_graph_read(graph, n_heads, n_buckets, side->bias == 0,
                                        "%sattn_rel_b.weight", side->block.scope);
    if (!table)
        return side->bias != 0;
    float *data = smr_graph_numbers(graph, n_heads * n);
    for (uint32_t i = 0; data && i < n; i++) {
        const uint32_t bucket =
            relative_bucket((int64_t)i - reach, side->is_encoder, n_buckets, reach);
        for (uint32_t h = 0; h < n_heads; h++)
            data[(size_t)h * n + i] = table[(size_t)bucket * n_heads + h];
    }
    side->bias = data ? smr_graph_constant(graph, data, n_heads * n) : 0;
    return side->bias != 0;
}

// stream += sines of the position in the first half of a row, cosines in the second, of angles
// position / 10000^(2 i / n_embd) (arXiv:1706.03762, section 3.5).
static bool add_sinusoids(const struct side *side)
{
    const struct smr_block *b = &side->block;
    const uint32_t n_rows = b->hparams->n_context, n_cols = b->hparams->n_embd;
    const uint32_t n_sines = n_cols - n_cols / 2, most = (1u << 28) / n_cols;
    if (n_rows > most)
        return smr_fail(b->graph->model->context, SMR_ERROR_MODEL,
                        "%s: %s.context_length: %u positions, the limit is %u",
                        b->graph->model->path, b->graph->model->architecture, n_rows, most);
    float *data = smr_graph_numbers(b->graph, n_rows * n_cols);
    for (uint32_t row = 0; data && row < n_rows; row++) {
        for (uint32_t i = 0; i < n_sines; i++) {
            const double angle = row / pow(10000, 2.0 * i / n_cols);
            data[(size_t)row * n_cols + i] = (float)sin(angle);
            if (n_sines + i < n_cols)
                data[(size_t)row * n_cols + n_sines + i] = (float)cos(angle);
        }
    }
    smr_id table = data ? smr_graph_constant(b->graph, data, n_rows * n_cols) : 0;
    b->graph->n_positions = n_rows;
    smr_graph_op(b->graph, &(struct smr_op){.kind = SMR_OP_EMBED,
                                            .in = b->graph->rows,
                                            .weight = table,
                                            .out = b->stream,
                                            .position = true,
                                            .add = true,
                                            .scale = 1});
    return table != 0;
}

// Begin the stream with the rows' tokens and positions.
static bool embed(struct side *side, smr_id table)
{
    struct smr_block *b = &side->block;
    const struct smr_hparams *hparams = b->hparams;
    b->stream =
        smr_block_embed(b, table, hparams->embedding_scale > 0 ? hparams->embedding_scale : 1);
    enter_side(side);
    if (b->family->learned_positions &&
        !smr_block_add_positions(b, "position_embd",
                                 hparams->n_context + side->family->first_position,
                                 side->family->first_position))
        return false;
    if (side->family->sinusoids && !add_sinusoids(side))
        return false;
    if (side->family->embed_norm)
        b->stream = smr_block_norm(b, b->stream, "token_embd_norm", 1);
    return b->stream != 0;
}

// ---- layers -------------------------------------------------------------------------------------

// Keys and values of `in` by the matrices k and v, into a cache.
static bool store(const struct side *side, smr_id in, const char *k, const char *v,
                  enum smr_cache cache)
{
    const struct smr_block *b = &side->block;
    const uint32_t n_out = b->hparams->n_kv_heads * b->hparams->head_dim;
    smr_id keys = smr_block_project(b, in, k, n_out, false);
    smr_id values = keys ? smr_block_project(b, in, v, n_out, false) : 0;
    if (!values)
        return false;
    smr_graph_op(b->graph, &(struct smr_op){.kind = SMR_OP_ROPE_STORE,
                                            .in2 = keys,
                                            .in3 = values,
                                            .layer = b->layer,
                                            .n_heads = b->hparams->n_heads,
                                            .cache = cache,
                                            .scale = 1});
    return true;
}

// Attention of queries of `in` by the matrix q over a cache: [rows, n_heads * head_dim].
static smr_id attend(const struct side *side, smr_id in, const char *q, enum smr_cache cache)
{
    const struct smr_block *b = &side->block;
    const struct smr_hparams *hparams = b->hparams;
    const uint32_t n_cols = hparams->n_heads * hparams->head_dim;
    smr_id queries = smr_block_project(b, in, q, n_cols, false);
    float scale = side->family->relative_bias ? 1.0f : 1.0f / sqrtf((float)hparams->head_dim);
    if (!queries)
        return 0;
    smr_id out = smr_block_activation(b, n_cols);
    smr_graph_op(
        b->graph,
        &(struct smr_op){.kind = SMR_OP_ATTENTION,
                         .in = queries,
                         .bias = cache == SMR_CACHE_MEMORY ? 0 : side->bias,
                         .out = out,
                         .layer = b->layer,
                         .n_heads = hparams->n_heads,
                         .cache = cache,
                         .scale = hparams->attention_scale > 0 ? hparams->attention_scale : scale});
    return out;
}

// What a part of a layer starts from, and what it does to the stream when its result is there.
static smr_id before(const struct side *side, const char *norm)
{
    const struct smr_block *b = &side->block;
    return side->family->norm_after ? b->stream : smr_block_norm(b, b->stream, norm, 1);
}

static bool after(struct side *side, const char *norm)
{
    struct smr_block *b = &side->block;
    if (side->family->norm_after)
        b->stream = smr_block_norm(b, b->stream, norm, 1);
    return b->stream != 0;
}

static bool self_attention(struct side *side)
{
    const struct smr_block *b = &side->block;
    enum smr_cache cache = side->is_encoder ? SMR_CACHE_SOURCE : SMR_CACHE_TEXT;
    smr_id in = before(side, "attn_norm");
    smr_id attended =
        in && store(side, in, "attn_k", "attn_v", cache) ? attend(side, in, "attn_q", cache) : 0;
    return attended && smr_block_add_result(b, attended, "attn_o", NULL) &&
           after(side, "attn_norm");
}

static bool cross_attention(struct side *side)
{
    struct smr_block *b = &side->block;
    smr_id in = before(side, "cross_attn_norm");
    smr_id attended = in ? attend(side, in, "cross_attn_q", SMR_CACHE_MEMORY) : 0;
    if (!attended)
        return false;
    if (b->layer + 1 == b->hparams->n_layers)
        attended = smr_block_keep_outputs(b, attended);
    return smr_block_add_result(b, attended, "cross_attn_o", NULL) &&
           after(side, "cross_attn_norm");
}

static bool feed_forward(struct side *side)
{
    smr_id in = before(side, "ffn_norm");
    return in && smr_block_feed_forward(&side->block, in) && after(side, "ffn_norm");
}

static bool layers(struct side *side)
{
    struct smr_block *b = &side->block;
    const uint32_t n = side->is_encoder ? b->hparams->n_encoder_layers : b->hparams->n_layers;
    for (uint32_t i = 0; i < n && !b->graph->failed; i++) {
        smr_block_enter(b, side->is_encoder ? "enc.blk" : "dec.blk", i);
        if ((side->family->relative_bias && !set_relative_bias(side)) || !self_attention(side) ||
            (!side->is_encoder && !cross_attention(side)) || !feed_forward(side))
            return false;
    }
    return !b->graph->failed;
}

// ---- the two sides ------------------------------------------------------------------------------

// What the file says of the feed-forward.
static bool read_flags(struct side *side)
{
    static const struct {
        const char *name;
        enum smr_op_activation activation;
    } names[] = {
        {"silu", SMR_OP_SILU},
        {"gelu", SMR_OP_GELU},
        {"gelu_tanh", SMR_OP_GELU_TANH},
        {"relu", SMR_OP_RELU},
    };
    const struct smr_model *model = side->block.graph->model;
    char key[128];
    side->flags = side->family->flags;
    side->flags.ungated = !smr_model_tensor(model, "enc.blk.0.ffn_gate.weight");
    if (side->family->relative_bias)
        side->flags.activation = side->flags.ungated ? SMR_OP_RELU : SMR_OP_GELU_TANH;
    snprintf(key, sizeof(key), "%s.hidden_activation", model->architecture);
    const char *name = smr_metadata_string(model->metadata, key);
    for (size_t i = 0; name && i < SMR_COUNT(names); i++) {
        if (!strcmp(name, names[i].name)) {
            side->flags.activation = names[i].activation;
            return true;
        }
    }
    return !name || smr_fail(model->context, SMR_ERROR_MODEL,
                             "%s: %s: \"%.40s\" is not silu, gelu, gelu_tanh or relu", model->path,
                             key, name);
}

// The encoder, and for each layer of the decoder the keys and values of what it gave.
static bool encode(struct side *side, smr_id table)
{
    struct smr_block *b = &side->block;
    if (!embed(side, table) || !layers(side))
        return false;
    enter_side(side);
    smr_id out =
        side->family->output_norm ? smr_block_norm(b, b->stream, "output_norm", 1) : b->stream;
    if (!out)
        return false;
    for (uint32_t i = 0; i < b->hparams->n_layers; i++) {
        smr_block_enter(b, "dec.blk", i);
        if (!store(side, out, "cross_attn_k", "cross_attn_v", SMR_CACHE_MEMORY))
            return false;
    }
    return true;
}

// The last norm, an RMS norm. T5 with tied embeddings scales what comes out of it by 1 / sqrt(n_embd),
// which its weight can take.
static smr_id output_norm(const struct side *side)
{
    const struct smr_block *b = &side->block;
    const struct smr_hparams *hparams = b->hparams;
    bool tied = !smr_model_tensor(b->graph->model, "output.weight");
    float scale = hparams->logit_scale > 0 ? hparams->logit_scale
                  : tied                   ? 1.0f / sqrtf((float)hparams->n_embd)
                                           : 1.0f;
    const float *weight =
        smr_graph_read(b->graph, hparams->n_embd, 1, true, "%s.output_norm.weight", side->name);
    float *scaled = weight ? smr_graph_numbers(b->graph, hparams->n_embd) : NULL;
    if (!scaled)
        return 0;
    for (uint32_t i = 0; i < hparams->n_embd; i++)
        scaled[i] = scale * weight[i];
    smr_id out = smr_block_activation(b, hparams->n_embd);
    smr_graph_op(b->graph,
                 &(struct smr_op){.kind = SMR_OP_NORM,
                                  .in = b->stream,
                                  .weight = smr_graph_constant(b->graph, scaled, hparams->n_embd),
                                  .out = out,
                                  .layer = b->layer,
                                  .n_heads = 1});
    return out;
}

static bool decode(struct side *side, smr_id table)
{
    struct smr_block *b = &side->block;
    if (!embed(side, table) || !layers(side))
        return false;
    smr_block_enter(b, NULL, b->hparams->n_layers);
    smr_id out = side->family->output_norm ? output_norm(side) : b->stream;
    return out && smr_block_output(b, out, table);
}

static const struct family *find_family(const struct smr_model *model)
{
    for (size_t i = 0; i < SMR_COUNT(families); i++)
        if (!strcmp(families[i].flags.architecture, model->architecture))
            return &families[i];
    smr_fail(model->context, SMR_ERROR_MODEL,
             "%s: general.architecture: \"%s\" is not a family with an encoder that this version "
             "runs (known: t5, bart, marian)",
             model->path, model->architecture);
    return NULL;
}

bool smr_graph_build_encoder_decoder(struct smr_graph *graph)
{
    const struct smr_hparams *hparams = &graph->model->hparams;
    struct side shared = {.block = {.graph = graph, .hparams = hparams, .rows = SMR_ROWS_BATCH},
                          .family = find_family(graph->model)};
    if (!shared.family || !read_flags(&shared))
        return false;
    graph->rows = smr_graph_value(graph, &(struct smr_value){.kind = SMR_VALUE_ROWS});
    graph->pages = smr_graph_value(graph, &(struct smr_value){.kind = SMR_VALUE_PAGES});
    graph->outputs = smr_graph_value(graph, &(struct smr_value){.kind = SMR_VALUE_OUTPUTS});
    smr_id table = smr_graph_matrix(graph, hparams->n_embd, hparams->n_vocab, "token_embd.weight");
    shared.block.family = &shared.flags;
    struct side encoder = shared, decoder = shared;
    encoder.name = "enc";
    encoder.is_encoder = true;
    decoder.name = "dec";
    if (!table || !encode(&encoder, table))
        return false;
    graph->n_encode_ops = graph->n_ops;
    return decode(&decoder, table);
}
