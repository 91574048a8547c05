// synthetic.c - models without a file: shapes, and the metadata and tensors they come to.
#include "model/synthetic.h"

#include "model/model_file.h"
#include "model/quantize.h"
#include "model/tensor.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

// ---- shapes -----------------------------------------------------------------------------------

// `source` is the repository on https://huggingface.co whose config.json has the numbers.
static const struct smr_synthetic_shape shapes[] = {
    {"seed-oss-36b", "seed_oss", 155136, 524288, 64, 5120, 27648, 80, 8, 128, 1e7f, 1e-6f,
     .qkv_bias = true, .ffn_norm = "post_attention_norm",
     .source = "ByteDance-Seed/Seed-OSS-36B-Instruct"},
    {"seed-coder-8b", "llama", 155136, 32768, 32, 4096, 14336, 32, 8, 128, 5e5f, 1e-6f,
     .source = "ByteDance-Seed/Seed-Coder-8B-Base"},
    {"llama-8b", "llama", 128256, 131072, 32, 4096, 14336, 32, 8, 128, 5e5f, 1e-5f,
     .source = "meta-llama/Llama-3.1-8B"},
    {"llama-7b", "llama", 32000, 4096, 32, 4096, 11008, 32, 32, 128, 1e4f, 1e-5f,
     .source = "meta-llama/Llama-2-7b-hf"},
    {"llama-1b", "llama", 128256, 131072, 16, 2048, 8192, 32, 8, 64, 5e5f, 1e-5f, .tied = true,
     .source = "meta-llama/Llama-3.2-1B"},
    {"qwen3-0.6b", "qwen3", 151936, 40960, 28, 1024, 3072, 16, 8, 128, 1e6f, 1e-6f, .tied = true,
     .qk_norm = true, .source = "Qwen/Qwen3-0.6B"},
    {"qwen2.5-0.5b", "qwen2", 151936, 32768, 24, 896, 4864, 14, 2, 64, 1e6f, 1e-6f, .tied = true,
     .qkv_bias = true, .source = "Qwen/Qwen2.5-0.5B"},
    {"gemma3-270m", "gemma3", 262144, 32768, 18, 640, 2048, 4, 1, 256, 1e6f, 1e-6f,
     .sliding_window = 512, .tied = true, .qk_norm = true, .post_norm = true,
     .source = "google/gemma-3-270m"},
    {"smollm2-135m", "llama", 49152, 8192, 30, 576, 1536, 9, 3, 64, 1e5f, 1e-5f, .tied = true,
     .source = "HuggingFaceTB/SmolLM2-135M"},
    {"tiny", "llama", 1000, 2048, 2, 256, 512, 4, 2, 64, 1e4f, 1e-5f,
     .source = "nowhere: for trying bench itself"},
};

const struct smr_synthetic_shape *smr_synthetic_shape(size_t index)
{
    return index < SMR_COUNT(shapes) ? &shapes[index] : NULL;
}

static const struct smr_synthetic_shape *find_shape(smr_context *context, const char *name)
{
    char known[512] = "";
    for (size_t i = 0; i < SMR_COUNT(shapes); i++) {
        if (!strcmp(shapes[i].name, name))
            return &shapes[i];
        const size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", shapes[i].name);
    }
    smr_fail(context, SMR_ERROR_USAGE, "there is no shape '%s'; there are %s", name, known);
    return NULL;
}

// ---- metadata ---------------------------------------------------------------------------------

static void set_u32(struct smr_gguf *part, const struct smr_synthetic_shape *shape,
                    const char *suffix, uint32_t value)
{
    char key[128];
    snprintf(key, sizeof key, "%s.%s", shape->architecture, suffix);
    smr_metadata_set_u32(&part->metadata, key, value);
}

static void set_f32(struct smr_gguf *part, const struct smr_synthetic_shape *shape,
                    const char *suffix, float value)
{
    char key[128];
    snprintf(key, sizeof key, "%s.%s", shape->architecture, suffix);
    smr_metadata_set_f32(&part->metadata, key, value);
}

static bool make_metadata(struct smr_gguf *part, const struct smr_synthetic_shape *shape)
{
    smr_metadata_init(&part->metadata, part->arena);
    smr_metadata_set_string(&part->metadata, "general.architecture", shape->architecture);
    smr_metadata_set_string(&part->metadata, "general.name", shape->name);
    set_u32(part, shape, "vocab_size", shape->n_vocab);
    set_u32(part, shape, "context_length", shape->n_context);
    set_u32(part, shape, "block_count", shape->n_layers);
    set_u32(part, shape, "embedding_length", shape->n_embd);
    set_u32(part, shape, "feed_forward_length", shape->n_ff);
    set_u32(part, shape, "attention.head_count", shape->n_heads);
    set_u32(part, shape, "attention.head_count_kv", shape->n_kv_heads);
    set_u32(part, shape, "attention.key_length", shape->head_dim);
    set_u32(part, shape, "attention.value_length", shape->head_dim);
    set_u32(part, shape, "rope.dimension_count", shape->head_dim);
    set_f32(part, shape, "rope.freq_base", shape->rope_theta);
    set_f32(part, shape, "attention.layer_norm_rms_epsilon", shape->norm_eps);
    if (shape->sliding_window)
        set_u32(part, shape, "attention.sliding_window", shape->sliding_window);
    return !part->metadata.failed;
}

// ---- tensors ----------------------------------------------------------------------------------

// What rows are made of: a number of elements that rows' lengths do not divide, so that few rows are
// alike, and a multiple of every block.
enum { PATTERN_ELEMENTS = 1021 * 256 };

// splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014)
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static float *make_pattern(struct smr_arena *arena, float middle, float deviation)
{
    float *pattern = smr_arena_alloc(arena, PATTERN_ELEMENTS, sizeof *pattern);
    uint64_t state = 1;
    const float range = deviation * 1.7320508f; // of a uniform distribution
    for (size_t i = 0; pattern && i < PATTERN_ELEMENTS; i++)
        pattern[i] =
            middle + range * ((float)(next_random(&state) >> 40) * (1.0f / 8388608.0f) - 1.0f);
    return pattern;
}

// Tensors in the making.
struct maker {
    struct smr_gguf *part;
    const struct smr_tensor_source *weights, *norms;
    uint32_t capacity;
    bool failed; // no memory
};

static const struct smr_tensor_source *make_source(struct smr_arena *arena, float middle,
                                                   float deviation)
{
    struct smr_tensor_source *source = smr_arena_alloc(arena, 1, sizeof *source);
    float *pattern = source ? make_pattern(arena, middle, deviation) : NULL;
    if (!pattern)
        return NULL;
    *source = (struct smr_tensor_source){.type = SMR_F32,
                                         .pattern = (const uint8_t *)pattern,
                                         .pattern_size = PATTERN_ELEMENTS * sizeof *pattern};
    return source;
}

// A matrix [n_out, n_in], or a vector where n_out is 0.
static void add(struct maker *m, const struct smr_tensor_source *source, uint32_t n_in,
                uint32_t n_out, const char *format, ...) SMR_PRINTF(5, 6);
static void add(struct maker *m, const struct smr_tensor_source *source, uint32_t n_in,
                uint32_t n_out, const char *format, ...)
{
    char name[64];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    const uint64_t n_rows = n_out ? n_out : 1;
    const char *copy = smr_arena_strndup(m->part->arena, name, strlen(name));
    m->failed = m->failed || !copy || m->part->n_tensors == m->capacity;
    if (m->failed)
        return;
    m->part->tensors[m->part->n_tensors++] =
        (struct smr_tensor){.name = copy,
                            .type = SMR_F32,
                            .n_dims = n_out ? 2 : 1,
                            .dims = {n_in, n_rows, 1, 1},
                            .size = n_rows * n_in * sizeof(float),
                            .source = source};
}

static void add_layer(struct maker *m, const struct smr_synthetic_shape *shape, uint32_t i)
{
    const uint32_t n_q = shape->n_heads * shape->head_dim,
                   n_kv = shape->n_kv_heads * shape->head_dim;
    const char *const projections[] = {"q", "k", "v"};
    add(m, m->norms, shape->n_embd, 0, "blk.%" PRIu32 ".attn_norm.weight", i);
    for (int j = 0; j < 3; j++) {
        const uint32_t n_out = j ? n_kv : n_q;
        add(m, m->weights, shape->n_embd, n_out, "blk.%" PRIu32 ".attn_%s.weight", i,
            projections[j]);
        if (shape->qkv_bias)
            add(m, m->weights, n_out, 0, "blk.%" PRIu32 ".attn_%s.bias", i, projections[j]);
        if (shape->qk_norm && j < 2)
            add(m, m->norms, shape->head_dim, 0, "blk.%" PRIu32 ".attn_%s_norm.weight", i,
                projections[j]);
    }
    add(m, m->weights, n_q, shape->n_embd, "blk.%" PRIu32 ".attn_output.weight", i);
    if (shape->post_norm)
        add(m, m->norms, shape->n_embd, 0, "blk.%" PRIu32 ".post_attention_norm.weight", i);
    add(m, m->norms, shape->n_embd, 0, "blk.%" PRIu32 ".%s.weight", i,
        shape->ffn_norm ? shape->ffn_norm : "ffn_norm");
    add(m, m->weights, shape->n_embd, shape->n_ff, "blk.%" PRIu32 ".ffn_gate.weight", i);
    add(m, m->weights, shape->n_embd, shape->n_ff, "blk.%" PRIu32 ".ffn_up.weight", i);
    add(m, m->weights, shape->n_ff, shape->n_embd, "blk.%" PRIu32 ".ffn_down.weight", i);
    if (shape->post_norm)
        add(m, m->norms, shape->n_embd, 0, "blk.%" PRIu32 ".post_ffw_norm.weight", i);
}

// The pattern `from` in another type, made once.
static const struct smr_tensor_source *retyped_source(struct smr_model_file *file,
                                                      const struct smr_tensor_source *from,
                                                      enum smr_type type)
{
    struct smr_tensor_source **pattern = &file->patterns[type];
    if (*pattern)
        return *pattern;
    struct smr_tensor_source *source = smr_arena_alloc(&file->arena, 1, sizeof *source);
    const size_t size = smr_type_size(type, PATTERN_ELEMENTS);
    uint8_t *blocks = source ? smr_arena_alloc(&file->arena, size, 1) : NULL;
    if (!blocks)
        return NULL;
    *source = (struct smr_tensor_source){.pattern = blocks, .pattern_size = size, .type = type};
    const bool done = smr_quantize_rows(type, (const float *)(const void *)from->pattern, 1,
                                        PATTERN_ELEMENTS, blocks);
    assert(done); // the values are small
    (void)done;
    return *pattern = source;
}

bool smr_synthetic_retype(struct smr_model_file *file, struct smr_tensor *tensor,
                          enum smr_type type)
{
    assert(tensor->type == SMR_F32 && tensor->n_dims == 2 && type <= SMR_BF16);
    const struct smr_tensor_source *source = retyped_source(file, tensor->source, type);
    if (!source)
        return false;
    tensor->type = type;
    tensor->size = smr_type_size(type, smr_tensor_rows(tensor) * tensor->dims[0]);
    tensor->source = source;
    return true;
}

enum { MAX_LAYER_TENSORS = 16, OTHER_TENSORS = 3 };

static bool make_tensors(struct smr_gguf *part, const struct smr_synthetic_shape *shape)
{
    struct maker m = {.part = part,
                      .weights = make_source(part->arena, 0, 0.02f),
                      .norms = make_source(part->arena, 1, 0),
                      .capacity = MAX_LAYER_TENSORS * shape->n_layers + OTHER_TENSORS};
    part->tensors = smr_arena_alloc(part->arena, m.capacity, sizeof *part->tensors);
    if (!m.weights || !m.norms || !part->tensors)
        return false;
    add(&m, m.weights, shape->n_embd, shape->n_vocab, "token_embd.weight");
    for (uint32_t i = 0; i < shape->n_layers; i++)
        add_layer(&m, shape, i);
    add(&m, m.norms, shape->n_embd, 0, "output_norm.weight");
    if (!shape->tied)
        add(&m, m.weights, shape->n_embd, shape->n_vocab, "output.weight");
    return !m.failed;
}

bool smr_synthetic_make(struct smr_model_file *file, const char *name)
{
    struct smr_gguf *part = &file->parts[0];
    const struct smr_synthetic_shape *shape = find_shape(part->context, name);
    return shape && make_metadata(part, shape) && make_tensors(part, shape);
}
