// test_folder.c - Hugging Face folders: what config.json becomes, which tensor is which, and errors.
// What transformers computes with whole folders is in golden/.
#include "support.h"

#include "model/metadata.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

// ---- writing ----------------------------------------------------------------------------------

struct fixture {
    smr_context *context;
    struct test_folder folder;
    struct smr_model *model;
};

static int setup(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){.context = smr_context_create(NULL)};
    test_folder_make(&fixture.folder);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    smr_model_close(fixture->model);
    test_folder_remove(&fixture->folder);
    smr_context_destroy(fixture->context);
    return 0;
}

static void write_text(struct fixture *fixture, const char *name, const char *text)
{
    test_write_file(test_path(&fixture->folder, name), text, strlen(text));
}

// Tensors as "NAME DTYPE [SHAPE] BYTES;" in one text; element i of the file's bytes is i.
static void write_tensors(struct fixture *fixture, const char *file, const char *tensors)
{
    static char bytes[1 << 16];
    size_t used = 8, offset = 0;
    bytes[used++] = '{';
    while (*tensors) {
        char name[128], dtype[16], shape[64];
        unsigned size;
        assert_int_equal(sscanf(tensors, "%127s %15s %63s %u", name, dtype, shape, &size), 4);
        used +=
            (size_t)snprintf(bytes + used, sizeof bytes - used,
                             "%s\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%zu,%zu]}",
                             used > 9 ? "," : "", name, dtype, shape, offset, offset + size);
        offset += size;
        tensors = strchr(tensors, ';') + 1;
    }
    bytes[used++] = '}';
    assert_true(used + offset <= sizeof bytes);
    for (int i = 0; i < 8; i++)
        bytes[i] = (char)((used - 8) >> 8 * i);
    for (size_t i = 0; i < offset; i++)
        bytes[used + i] = (char)i;
    test_write_file(test_path(&fixture->folder, file), bytes, used + offset);
}

static bool open_folder(struct fixture *fixture)
{
    smr_model_close(fixture->model);
    smr_context_clear_error(fixture->context);
    fixture->model = smr_model_open(fixture->context, fixture->folder.path);
    return fixture->model;
}

static bool open_config(struct fixture *fixture, const char *config)
{
    write_text(fixture, "config.json", config);
    return open_folder(fixture);
}

static void expect_error(struct fixture *fixture, const char *error)
{
    if (open_folder(fixture))
        fail_msg("opened, without the error \"%s\"", error);
    if (!strstr(smr_context_error(fixture->context), error))
        fail_msg("\"%s\" has no \"%s\"", smr_context_error(fixture->context), error);
    assert_int_equal(smr_context_status(fixture->context), SMR_ERROR_MODEL);
}

// ---- config.json ------------------------------------------------------------------------------

#define SIZES                                                                                      \
    "\"vocab_size\":9,\"hidden_size\":8,\"num_hidden_layers\":2,\"intermediate_size\":12,"         \
    "\"num_attention_heads\":2"

// Keys and values as "KEY=VALUE ", where "KEY=-" means that there is none.
static void expect_metadata(struct fixture *fixture, const char *expected)
{
    char key[128], value[128], found[128];
    int used;
    const struct smr_metadata *metadata = fixture->model->metadata;
    for (; sscanf(expected, " %127[^=]=%127s%n", key, value, &used) == 2; expected += used) {
        const struct smr_gguf_value *at = smr_metadata_find(metadata, key);
        snprintf(found, sizeof found, "-");
        if (at && at->type == SMR_GGUF_STRING)
            snprintf(found, sizeof found, "%s", at->text);
        else if (at && at->type == SMR_GGUF_F32)
            snprintf(found, sizeof found, "%.6g", at->real);
        else if (at && at->type == SMR_GGUF_ARRAY)
            snprintf(found, sizeof found, "[%zu]", at->array.n);
        else if (at)
            snprintf(found, sizeof found, "%" PRId64, at->integer);
        if (strcmp(found, value) != 0)
            fail_msg("%s is %s, not %s", key, found, value);
    }
}

static const struct {
    const char *config, *metadata;
} configs[] = {
    {"{\"model_type\":\"llama\"," SIZES "}",
     "general.architecture=llama llama.vocab_size=9 llama.context_length=2048 llama.block_count=2 "
     "llama.embedding_length=8 llama.feed_forward_length=12 llama.attention.head_count=2 "
     "llama.attention.head_count_kv=- llama.attention.key_length=- "
     "llama.attention.layer_norm_rms_epsilon=1e-06 llama.rope.freq_base=10000 "
     "llama.rope.dimension_count=4 llama.rope.scaling.type=- llama.attention.sliding_window=-"},
    {"{\"model_type\":\"llama\",\"head_dim\":6,\"num_key_value_heads\":1,\"rope_theta\":5e5,"
     "\"rope_scaling\":{\"type\":\"linear\",\"factor\":2.5},\"max_position_embeddings\":77," SIZES
     "}",
     "llama.attention.key_length=6 llama.attention.value_length=6 llama.rope.dimension_count=6 "
     "llama.attention.head_count_kv=1 llama.rope.freq_base=500000 llama.context_length=77 "
     "llama.rope.scaling.type=linear llama.rope.scaling.factor=2.5"},
    {"{\"model_type\":\"qwen2\",\"num_key_value_heads\":2,\"sliding_window\":16,"
     "\"use_sliding_window\":false,\"rope_scaling\":{\"type\":\"yarn\",\"factor\":4.0,"
     "\"original_max_position_embeddings\":64,\"beta_fast\":16,\"attention_factor\":1.0}," SIZES
     "}",
     "general.architecture=qwen2 qwen2.attention.sliding_window=- qwen2.rope.scaling.type=yarn "
     "qwen2.rope.scaling.factor=4 qwen2.rope.scaling.original_context_length=64 "
     "qwen2.rope.scaling.yarn_beta_fast=16 qwen2.rope.scaling.attn_factor=0.878249"},
    {"{\"model_type\":\"qwen2\",\"num_key_value_heads\":2,\"sliding_window\":16,"
     "\"use_sliding_window\":true,\"max_window_layers\":2," SIZES "}",
     "qwen2.attention.sliding_window=-"},
    {"{\"model_type\":\"qwen2\",\"num_key_value_heads\":2,\"sliding_window\":16,"
     "\"use_sliding_window\":true,\"max_window_layers\":0," SIZES "}",
     "qwen2.attention.sliding_window=16"},
    {"{\"model_type\":\"mistral\",\"num_key_value_heads\":2," SIZES "}",
     "general.architecture=llama llama.attention.sliding_window=4096"},
    {"{\"model_type\":\"mistral\",\"num_key_value_heads\":2,\"sliding_window\":null," SIZES "}",
     "llama.attention.sliding_window=-"},
    {"{\"model_type\":\"mixtral\",\"num_key_value_heads\":2," SIZES "}",
     "general.architecture=llama llama.expert_count=8 llama.expert_used_count=2 "
     "llama.rope.freq_base=1e+06"},
    {"{\"model_type\":\"qwen3_moe\",\"num_key_value_heads\":2,\"head_dim\":4,\"num_experts\":16,"
     "\"norm_topk_prob\":true,\"decoder_sparse_step\":1,\"mlp_only_layers\":[]," SIZES "}",
     "general.architecture=qwen3moe qwen3moe.expert_count=16 qwen3moe.expert_used_count=8 "
     "qwen3moe.expert_feed_forward_length=768 qwen3moe.expert_weights_norm=1"},
    // Gemma 3 with images, as it was first written.
    {"{\"model_type\":\"gemma3\",\"eos_token_id\":[1,106],\"text_config\":{\"model_type\":"
     "\"gemma3_text\",\"num_hidden_layers\":2,\"rope_scaling\":{\"rope_type\":\"linear\","
     "\"factor\":8.0},\"sliding_window\":1024,\"query_pre_attn_scalar\":168}}",
     "general.architecture=gemma3 gemma3.vocab_size=262208 gemma3.attention.head_count=8 "
     "gemma3.attention.head_count_kv=4 gemma3.attention.key_length=256 gemma3.block_count=2 "
     "gemma3.rope.freq_base=1e+06 gemma3.rope.freq_base_swa=10000 gemma3.rope.scaling.factor=8 "
     "gemma3.attention.sliding_window=1024 gemma3.attention.scale=0.0771517 "
     "tokenizer.ggml.eos_token_id=1 tokenizer.ggml.eos_token_ids=[2]"},
    {"{\"model_type\":\"gemma3_text\",\"num_hidden_layers\":1,\"rope_parameters\":{"
     "\"full_attention\":{\"rope_type\":\"default\",\"rope_theta\":3e6},\"sliding_attention\":{"
     "\"rope_type\":\"default\",\"rope_theta\":2e4}}}",
     "gemma3.rope.freq_base=3e+06 gemma3.rope.freq_base_swa=20000 gemma3.rope.scaling.type=-"},
    {"{\"model_type\":\"llama\",\"hidden_size\":8.0,\"huge\":1000000000000000019884624838656}",
     "llama.embedding_length=8"},
    {"{\"model_type\":\"gemma2\"}",
     "gemma2.attn_logit_softcapping=50 gemma2.final_logit_softcapping=30 "
     "gemma2.attention.scale=0.0625 gemma2.attention.sliding_window=4096"},
    {"{\"model_type\":\"phi3\",\"max_position_embeddings\":128,"
     "\"original_max_position_embeddings\":16,\"rope_scaling\":{\"type\":\"su\","
     "\"long_factor\":[1,2],\"short_factor\":[1,1]}," SIZES "}",
     "general.architecture=phi3 phi3.rope.scaling.type=- "
     "phi3.rope.scaling.original_context_length=16 phi3.rope.scaling.attn_factor=1.32288"},
    {"{\"model_type\":\"gpt2\",\"n_embd\":24,\"n_head\":3,\"n_layer\":2,\"n_inner\":null}",
     "general.architecture=gpt2 gpt2.embedding_length=24 gpt2.feed_forward_length=96 "
     "gpt2.attention.head_count=3 gpt2.context_length=1024 gpt2.attention.layer_norm_epsilon=1e-05 "
     "gpt2.rope.freq_base=-"},
    {"{\"model_type\":\"t5\",\"num_heads\":6,\"num_decoder_layers\":5,\"tie_word_embeddings\":false,"
     "\"feed_forward_proj\":\"gated-gelu\"}",
     "general.architecture=t5 t5.block_count=6 t5.decoder_block_count=5 t5.attention.key_length=64 "
     "t5.attention.relative_buckets_count=32 t5.attention.relative_max_distance=128 "
     "t5.hidden_activation=gelu_tanh t5.logit_scale=1 t5.decoder_start_token_id=0 "
     "t5.context_length=512"},
    {"{\"model_type\":\"t5\",\"d_model\":64}",
     "t5.hidden_activation=relu t5.logit_scale=0.125 t5.decoder_block_count=-"},
    {"{\"model_type\":\"bart\",\"vocab_size\":20,\"d_model\":64,\"scale_embedding\":true,"
     "\"decoder_layers\":3,\"forced_bos_token_id\":0,\"bad_words_ids\":[[3],[4,5]],"
     "\"suppress_tokens\":[7],\"min_length\":5,\"no_repeat_ngram_size\":0}",
     "bart.embedding_scale=8 bart.block_count=12 bart.decoder_block_count=3 "
     "bart.hidden_activation=gelu bart.attention.layer_norm_epsilon=1e-05 "
     "bart.decoder_start_token_id=2 bart.generation.forced_bos_token_id=0 "
     "bart.generation.suppress_tokens=[2] bart.generation.min_length=5 "
     "bart.generation.no_repeat_ngram_size=- bart.generation.max_length=-"},
    {"{\"model_type\":\"marian\",\"vocab_size\":20,\"activation_function\":\"swish\","
     "\"share_encoder_decoder_embeddings\":true}",
     "marian.hidden_activation=silu marian.embedding_scale=1 marian.decoder_start_token_id=58100"},
};

static void test_configs(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < SMR_COUNT(configs); i++) {
        if (!open_config(fixture, configs[i].config))
            fail_msg("%s: %s", configs[i].config, smr_context_error(fixture->context));
        expect_metadata(fixture, configs[i].metadata);
        assert_int_equal(fixture->model->n_tensors, 0);
    }
}

static const struct {
    const char *config, *error;
} wrong_configs[] = {
    {"[]", "config.json: is no JSON object"},
    {"{\"a\":1,\"a\":2}", "duplicate"},
    {"{", "config.json: line 1, column 1"},
    {"{}", "config.json: model_type: is missing"},
    {"{\"model_type\":\"falcon\"}", "\"falcon\" is not a family this version runs (known: llama, "},
    {"{\"model_type\":\"llama\",\"hidden_size\":-1}", "hidden_size: is no whole number"},
    {"{\"model_type\":\"llama\",\"hidden_size\":4294967296}", "hidden_size: is no whole number"},
    {"{\"model_type\":\"llama\",\"hidden_size\":1e300}", "hidden_size: is no whole number"},
    {"{\"model_type\":\"llama\",\"hidden_size\":8.5}", "hidden_size: is no whole number"},
    {"{\"model_type\":\"llama\",\"hidden_size\":\"8\"}", "hidden_size: is no whole number"},
    {"{\"model_type\":\"llama\",\"rms_norm_eps\":\"8\"}", "rms_norm_eps: is no number"},
    {"{\"model_type\":\"llama\",\"rms_norm_eps\":2}", "layer_norm_rms_epsilon: 2 is not within"},
    {"{\"model_type\":\"llama\",\"num_attention_heads\":0}", "attention.head_count: 0 is not"},
    {"{\"model_type\":\"llama\",\"hidden_act\":\"relu\"}",
     "hidden_act: \"relu\" is not supported for llama, only silu|swish"},
    {"{\"model_type\":\"llama\",\"rope_scaling\":{\"type\":\"dynamic\",\"factor\":2}}",
     "rope_type: \"dynamic\" is not supported"},
    {"{\"model_type\":\"llama\",\"rope_scaling\":{\"type\":3}}", "\"(not a string)\""},
    {"{\"model_type\":\"llama\",\"rope_scaling\":{\"type\":\"linear\"}}", "factor: is missing"},
    {"{\"model_type\":\"llama\",\"rope_scaling\":{\"type\":\"yarn\",\"factor\":-1}}",
     "factor: is not above 0"},
    {"{\"model_type\":\"llama\"," SIZES ",\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8,"
     "\"low_freq_factor\":4,\"high_freq_factor\":1,\"original_max_position_embeddings\":8}}",
     "its factors do not make sense"},
    {"{\"model_type\":\"phi3\"," SIZES ",\"rope_scaling\":{\"type\":\"longrope\","
     "\"long_factor\":[1],\"short_factor\":[1,1]}}",
     "long_factor: has 1 numbers, should have 2"},
    {"{\"model_type\":\"phi3\"," SIZES ",\"rope_scaling\":{\"type\":\"longrope\","
     "\"long_factor\":[1,2],\"short_factor\":[1,\"\"]}}",
     "short_factor: element 1 is no number"},
    {"{\"model_type\":\"gemma3_text\",\"layer_types\":[\"full_attention\"]}",
     "layer_types: layer 0 is \"full_attention\": not supported"},
    {"{\"model_type\":\"gemma3_text\",\"sliding_window_pattern\":2}",
     "sliding_window_pattern: 2 is not supported, only 6"},
    {"{\"model_type\":\"qwen2\",\"sliding_window\":16,\"use_sliding_window\":true,"
     "\"max_window_layers\":1," SIZES "}",
     "windows from layer 1 on are not supported"},
    {"{\"model_type\":\"llama\",\"quantization_config\":{\"quant_method\":\"gptq\"}}",
     "weights quantized by gptq are not supported"},
    {"{\"model_type\":\"gpt2\",\"scale_attn_weights\":false}", "false is not supported"},
    {"{\"model_type\":\"bart\",\"decoder_ffn_dim\":8}", "8 is not the encoder's 4096"},
    {"{\"model_type\":\"bart\",\"activation_function\":8}", "activation_function: is no string"},
    {"{\"model_type\":\"bart\",\"normalize_before\":true}", "normalize_before: true is not"},
    {"{\"model_type\":\"marian\",\"share_encoder_decoder_embeddings\":false}", "is not supported"},
    {"{\"model_type\":\"llama\",\"eos_token_id\":\"x\"}", "eos_token_id: is no token"},
};

static void test_wrong_configs(void **state)
{
    struct fixture *fixture = *state;
    expect_error(fixture, "has no config.json");
    for (size_t i = 0; i < SMR_COUNT(wrong_configs); i++) {
        write_text(fixture, "config.json", wrong_configs[i].config);
        expect_error(fixture, wrong_configs[i].error);
    }
}

// ---- tensors ----------------------------------------------------------------------------------

// A llama of one layer: 2 heads of 4, no tied matrices.
#define LLAMA                                                                                      \
    "{\"model_type\":\"llama\",\"vocab_size\":4,\"hidden_size\":2,\"num_hidden_layers\":1,"        \
    "\"intermediate_size\":2,\"num_attention_heads\":2,\"head_dim\":4,\"num_key_value_heads\":1"
#define OUTER                                                                                      \
    "model.embed_tokens.weight F16 [4,2] 16;model.norm.weight F16 [2] 4;"                          \
    "lm_head.weight F16 [4,2] 16;"

static void expect_bytes(struct fixture *fixture, const char *name, uint64_t row, uint64_t n_rows,
                         const uint8_t *expected, size_t size)
{
    uint8_t bytes[256];
    const struct smr_tensor *tensor = smr_model_tensor(fixture->model, name);
    assert_non_null(tensor);
    assert_int_equal(n_rows * tensor->size / smr_tensor_rows(tensor), size);
    assert_true(smr_tensor_read(fixture->model, tensor, row, n_rows, bytes));
    assert_memory_equal(bytes, expected, size);
}

static void test_tensors(void **state)
{
    struct fixture *fixture = *state;
    write_text(fixture, "config.json", LLAMA "}");
    write_tensors(fixture, "model.safetensors",
                  OUTER "model.layers.0.self_attn.q_proj.weight F16 [8,1] 16;"
                        "model.layers.0.self_attn.q_proj.bias F32 [8] 32;"
                        "model.layers.0.self_attn.k_proj.weight BF16 [4,1] 8;"
                        "model.layers.0.self_attn.rotary_emb.inv_freq F32 [2] 8;");
    assert_true(open_folder(fixture));
    assert_int_equal(fixture->model->n_tensors, 6);
    const struct smr_tensor *embedding = smr_model_tensor(fixture->model, "token_embd.weight");
    assert_int_equal(embedding->type, SMR_F16);
    assert_int_equal(embedding->dims[0], 2);
    assert_int_equal(embedding->dims[1], 4);
    assert_non_null(embedding->data); // as it lies in the file
    const struct smr_tensor *norm = smr_model_tensor(fixture->model, "output_norm.weight");
    assert_int_equal(norm->type, SMR_F32);
    assert_int_equal(norm->size, 8);
    // Halves of each head interleaved; the file's matrix begins at byte 36.
    expect_bytes(fixture, "blk.0.attn_q.weight", 0, 8,
                 (uint8_t[]){36, 37, 40, 41, 38, 39, 42, 43, 44, 45, 48, 49, 46, 47, 50, 51}, 16);
    expect_bytes(fixture, "blk.0.attn_q.bias", 0, 1,
                 (uint8_t[]){52, 53, 54, 55, 60, 61, 62, 63, 56, 57, 58, 59, 64, 65, 66, 67,
                             68, 69, 70, 71, 76, 77, 78, 79, 72, 73, 74, 75, 80, 81, 82, 83},
                 32);
    expect_bytes(fixture, "blk.0.attn_k.weight", 1, 2, (uint8_t[]){88, 89, 86, 87}, 4);
}

static const struct {
    const char *tensors, *error;
} wrong_tensors[] = {
    {"model.embed_tokens.weight F16 [4,2] 16;",
     "lm_head.weight: is missing, and config.json does not set tie_word_embeddings"},
    {OUTER "model.layers.0.mlp.magic.weight F16 [1] 2;",
     "model.layers.0.mlp.magic.weight: is no tensor of the family llama that this version knows"},
    {OUTER "vision_tower.weight F16 [1] 2;", "is no tensor of the family llama"},
    {OUTER "model.layers.1.mlp.up_proj.weight F16 [2,2] 8;",
     "is of layer 1, but config.json says 1"},
    {OUTER "model.layers.00.mlp.up_proj.weight F16 [2,2] 8;", "is no tensor of the family"},
    {OUTER "model.layers.0000000000.mlp.up_proj.weight F16 [2,2] 8;", "is no tensor of the family"},
    {OUTER "model.layers.0.mlp.up_proj.weight I8 [2,2] 4;",
     "dtype I8 is not supported, only F32, F16 and BF16"},
    {OUTER "model.layers.0.mlp.up_proj.weight F64 [2,2] 32;", "dtype F64 is not supported"},
    {OUTER "model.layers.0.mlp.up_proj.weight F16 [2,2,1] 8;", "3 dimensions, should be 1 or 2"},
    {OUTER "model.layers.0.mlp.up_proj.weight F16 [] 2;", "0 dimensions, should be 1 or 2"},
    {OUTER "model.layers.0.mlp.up_proj.weight F16 [0,2] 0;", "has no elements"},
    {OUTER "model.layers.0.self_attn.q_proj.weight F16 [6,1] 12;", "6 rows for 2 heads"},
    {OUTER "embed_tokens.weight F16 [4,2] 16;", "token_embd.weight: is there twice"},
};

static void test_wrong_tensors(void **state)
{
    struct fixture *fixture = *state;
    write_text(fixture, "config.json", LLAMA "}");
    for (size_t i = 0; i < SMR_COUNT(wrong_tensors); i++) {
        write_tensors(fixture, "model.safetensors", wrong_tensors[i].tensors);
        expect_error(fixture, wrong_tensors[i].error);
    }
    assert_int_equal(remove(test_path(&fixture->folder, "model.safetensors")), 0);
    write_text(fixture, "pytorch_model.bin", "");
    expect_error(fixture, "the weights are pickled (pytorch_model.bin)");
}

#define MOE "model.layers.0.block_sparse_moe.experts."

static void test_experts(void **state)
{
    static const struct {
        const char *tensors, *error;
    } wrong[] = {
        {OUTER MOE "0.w1.weight F16 [2,2] 8;" MOE "0.w2.weight F16 [2,2] 8;",
         "blk.0.ffn_gate_exps.weight: the matrix of expert 1 is missing"},
        {OUTER MOE "2.w1.weight F16 [2,2] 8;", "is of expert 2, but there are 2"},
        {OUTER MOE "0.w1.weight F16 [2,2] 8;" MOE "1.w1.weight F16 [1,4] 8;",
         "differs from the other experts"},
        {OUTER MOE "0.w1.weight F16 [2,2] 8;" MOE "1.w1.weight BF16 [2,2] 8;",
         "differs from the other experts"},
        {OUTER MOE "0.w1.weight F16 [4] 8;" MOE "1.w1.weight F16 [4] 8;", "is no matrix"},
        {"block_sparse_moe.x F16 [1] 2;", "is no tensor of the family mixtral"},
    };
    struct fixture *fixture = *state;
    static const char config[] = LLAMA "}";
    char mixtral[sizeof config + 64];
    snprintf(mixtral, sizeof mixtral, "{\"model_type\":\"mixtral\",\"num_local_experts\":2%s",
             strstr(config, ",\"vocab_size"));
    write_text(fixture, "config.json", mixtral);
    for (size_t i = 0; i < SMR_COUNT(wrong); i++) {
        write_tensors(fixture, "model.safetensors", wrong[i].tensors);
        expect_error(fixture, wrong[i].error);
    }
    write_tensors(fixture, "model.safetensors",
                  OUTER MOE "1.w1.weight F16 [3,1] 6;" MOE "0.w1.weight F16 [3,1] 6;");
    assert_true(open_folder(fixture));
    const struct smr_tensor *all = smr_model_tensor(fixture->model, "blk.0.ffn_gate_exps.weight");
    assert_int_equal(all->n_dims, 3);
    assert_int_equal(all->dims[1], 3);
    assert_int_equal(all->dims[2], 2);
    expect_bytes(fixture, "blk.0.ffn_gate_exps.weight", 2, 2, (uint8_t[]){46, 47, 36, 37}, 4);
}

// Experts that are not there must not cost memory.
static void test_too_many_experts(void **state)
{
    struct fixture *fixture = *state;
    write_text(fixture, "config.json",
               "{\"model_type\":\"mixtral\",\"num_local_experts\":4294967295," SIZES "}");
    write_tensors(fixture, "model.safetensors", OUTER MOE "0.w1.weight F16 [2,2] 8;");
    expect_error(fixture, "the files have too few tensors for 4294967295 experts");
}

// Matrices that are one of two names' for the same, and parts of a model for images.
static void test_aliases(void **state)
{
    struct fixture *fixture = *state;
    write_text(fixture, "config.json", "{\"model_type\":\"t5\",\"vocab_size\":4,\"d_model\":2}");
    write_tensors(fixture, "model.safetensors",
                  "decoder.embed_tokens.weight F16 [4,2] 16;shared.weight F16 [4,2] 16;");
    assert_true(open_folder(fixture));
    assert_int_equal(fixture->model->n_tensors, 1);
    expect_bytes(fixture, "token_embd.weight", 0, 1, (uint8_t[]){16, 17, 18, 19}, 4);
    write_tensors(
        fixture, "model.safetensors",
        "decoder.embed_tokens.weight F16 [4,2] 16;encoder.embed_tokens.weight F16 [4,2] 16;");
    assert_true(open_folder(fixture));
    assert_int_equal(fixture->model->n_tensors, 1);
    write_text(fixture, "config.json",
               "{\"model_type\":\"gemma3\",\"text_config\":{\"model_type\":\"gemma3_text\"}}");
    write_tensors(fixture, "model.safetensors",
                  "language_model.model.embed_tokens.weight BF16 [4,2] 16;"
                  "vision_tower.vision_model.embeddings.position_embedding.weight BF16 [1] 2;"
                  "multi_modal_projector.mm_soft_emb_norm.weight BF16 [1] 2;"
                  "language_model.model.norm.weight BF16 [2] 4;");
    assert_true(open_folder(fixture));
    assert_int_equal(fixture->model->n_tensors, 2);
    float values[2];
    assert_true(smr_tensor_read(
        fixture->model, smr_model_tensor(fixture->model, "output_norm.weight"), 0, 1, values));
    assert_true(values[0] == 1 + smr_bf16_to_f32(0x1514));
}

// ---- shards -----------------------------------------------------------------------------------

static void test_shards(void **state)
{
    static const struct {
        const char *index, *error;
    } wrong[] = {
        {"{\"weight_map\":[]}", "weight_map: is no object"},
        {"{}", "weight_map: is no object"},
        {"{\"weight_map\":{\"a\":1}}", "\"(not a string)\" is not the name of a file"},
        {"{\"weight_map\":{\"a\":\"../x.safetensors\"}}",
         "is not the name of a file in this folder"},
        {"{\"weight_map\":{\"a\":\"/etc/passwd\"}}", "is not the name of a file in this folder"},
        {"{\"weight_map\":{\"a\":\"..\"}}", "is not the name of a file in this folder"},
        {"{\"weight_map\":{\"a\":\"\"}}", "is not the name of a file in this folder"},
        {"{\"weight_map\":{\"a\":\"b\"}}", "/b: cannot be opened"},
        {"{\"weight_map\":{\"a\":\"1\",\"b\":\"2\",\"c\":\"3\"}}",
         "token_embd.weight: is there twice"},
    };
    struct fixture *fixture = *state;
    write_text(fixture, "config.json", LLAMA "}");
    write_tensors(fixture, "1", "model.embed_tokens.weight F16 [4,2] 16;");
    write_tensors(fixture, "2", "model.norm.weight F16 [2] 4;lm_head.weight F16 [4,2] 16;");
    write_tensors(fixture, "3", "model.embed_tokens.weight F16 [4,2] 16;");
    for (size_t i = 0; i < SMR_COUNT(wrong); i++) {
        write_text(fixture, "model.safetensors.index.json", wrong[i].index);
        expect_error(fixture, wrong[i].error);
    }
    write_text(fixture, "model.safetensors.index.json",
               "{\"weight_map\":{\"a\":\"1\",\"b\":\"2\",\"c\":\"1\"}}");
    assert_true(open_folder(fixture));
    assert_int_equal(fixture->model->n_tensors, 3);
    const void *data;
    size_t size;
    assert_true(smr_model_mapping(fixture->model, 1, &data, &size));
    assert_false(smr_model_mapping(fixture->model, 2, &data, &size));
}

// ---- texts ------------------------------------------------------------------------------------

static void test_texts(void **state)
{
    struct fixture *fixture = *state;
    write_text(fixture, "config.json",
               "{\"model_type\":\"llama\",\"eos_token_id\":5,\"bos_token_id\":6}");
    write_text(fixture, "tokenizer.json", "{\"model\":7}");
    write_text(fixture, "tokenizer_config.json",
               "{\"add_bos_token\":true,\"model_max_length\":1000000000000000019884624838656,"
               "\"chat_template\":[{\"name\":\"rag\",\"template\":\"x\"},"
               "{\"name\":\"default\",\"template\":\"{{y}}\"}]}");
    write_text(fixture, "generation_config.json", "{\"eos_token_id\":[8,9],\"bos_token_id\":null}");
    write_text(fixture, "spiece.model", "abc");
    assert_true(open_folder(fixture));
    expect_metadata(fixture, "tokenizer.huggingface.json={\"model\":7} "
                             "tokenizer.sentencepiece.model=abc tokenizer.ggml.add_bos_token=1 "
                             "tokenizer.ggml.add_eos_token=- tokenizer.chat_template={{y}} "
                             "tokenizer.ggml.eos_token_id=8 tokenizer.ggml.eos_token_ids=[2] "
                             "tokenizer.ggml.bos_token_id=6 tokenizer.ggml.padding_token_id=- "
                             "tokenizer.huggingface.vocab=- tokenizer.marian.vocab=-");
    assert_string_equal(fixture->model->chat_template, "{{y}}");
    write_text(fixture, "chat_template.jinja", "{{z}}");
    write_text(fixture, "vocab.json", "{}");
    assert_true(open_folder(fixture));
    expect_metadata(fixture, "tokenizer.chat_template={{z}} tokenizer.huggingface.vocab={}");
    write_text(fixture, "source.spm", "s");
    write_text(fixture, "target.spm", "t");
    assert_true(open_folder(fixture));
    expect_metadata(fixture, "tokenizer.marian.vocab={} tokenizer.huggingface.vocab=- "
                             "tokenizer.sentencepiece.target=t");
    write_text(fixture, "tokenizer_config.json", "{");
    expect_error(fixture, "tokenizer_config.json: line 1");
    write_text(fixture, "tokenizer_config.json", "{}");
    write_text(fixture, "generation_config.json", "x");
    expect_error(fixture, "generation_config.json: line 1");
}

static void test_tasks(void **state)
{
    struct fixture *fixture = *state;
    struct smr_task task;
    write_text(fixture, "config.json",
               "{\"model_type\":\"t5\",\"d_model\":64,\"num_beams\":2,\"max_length\":20,"
               "\"prefix\":null,\"task_specific_params\":{\"summarization\":{\"num_beams\":4,"
               "\"early_stopping\":true,\"length_penalty\":2.5,\"max_length\":200,"
               "\"prefix\":\"summarize: \"},\"translation\":{\"prefix\":\"translate: \"}}}");
    assert_true(open_folder(fixture));
    smr_model_task(fixture->model, SMR_TASK_GENERATE, &task);
    assert_string_equal(task.prefix, "");
    assert_int_equal(task.n_beams, 2);
    assert_int_equal(task.max_length, 20);
    assert_float_equal(task.length_penalty, 1, 0);
    assert_int_equal(task.early_stopping, SMR_EARLY_STOPPING_HEURISTIC);
    smr_model_task(fixture->model, SMR_TASK_SUMMARIZE, &task);
    assert_string_equal(task.prefix, "summarize: ");
    assert_int_equal(task.n_beams, 4);
    assert_int_equal(task.max_length, 200);
    assert_float_equal(task.length_penalty, 2.5, 0);
    assert_int_equal(task.early_stopping, SMR_EARLY_STOPPING_AT_ONCE);
    // generation_config.json comes first; what makes no sense is left out.
    write_text(fixture, "generation_config.json",
               "{\"num_beams\":1000,\"early_stopping\":\"never\",\"max_length\":-3,"
               "\"length_penalty\":\"x\",\"prefix\":7}");
    assert_true(open_folder(fixture));
    smr_model_task(fixture->model, SMR_TASK_GENERATE, &task);
    assert_string_equal(task.prefix, "");
    assert_int_equal(task.n_beams, SMR_MAX_SEQUENCES);
    assert_int_equal(task.max_length, 0);
    assert_float_equal(task.length_penalty, 1, 0);
    assert_int_equal(task.early_stopping, SMR_EARLY_STOPPING_NEVER);
}

static void test_name(void **state)
{
    struct fixture *fixture = *state;
    char path[600];
    write_text(fixture, "config.json", LLAMA "}");
    snprintf(path, sizeof path, "%s//", fixture->folder.path);
    fixture->model = smr_model_open(fixture->context, path);
    assert_non_null(fixture->model);
    assert_string_equal(fixture->model->path, fixture->folder.path);
    assert_string_equal(fixture->model->name, strrchr(fixture->folder.path, '/') + 1);
    struct smr_model_info info;
    smr_model_describe(fixture->model, &info);
    assert_false(info.has_weights);
}

// What is in the folder, and not the folder.
static void test_a_file_of_it(void **state)
{
    struct fixture *fixture = *state;
    write_text(fixture, "config.json", LLAMA "}");
    assert_null(smr_model_open(fixture->context, test_path(&fixture->folder, "config.json")));
    assert_non_null(strstr(smr_context_error(fixture->context), "give the folder that it is in"));
}

static void test_without_memory(void **state)
{
    struct fixture *fixture = *state;
    write_text(fixture, "config.json",
               LLAMA
               ",\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8,\"low_freq_factor\":1,"
               "\"high_freq_factor\":4,\"original_max_position_embeddings\":8}}");
    write_text(fixture, "tokenizer.json", "{}");
    write_tensors(fixture, "1", OUTER "model.layers.0.self_attn.q_proj.weight F16 [8,1] 16;");
    write_text(fixture, "model.safetensors.index.json", "{\"weight_map\":{\"a\":\"1\"}}");
    bool opened = false;
    for (size_t fail_at = 2; !opened; fail_at++) { // the first call makes the context
        struct test_memory memory = {.fail_at = fail_at};
        smr_context *context = test_context(&memory, NULL);
        smr_model *model = smr_model_open(context, fixture->folder.path);
        opened = model;
        assert_int_equal(smr_context_status(context), opened ? SMR_OK : SMR_ERROR_MEMORY);
        smr_model_close(model);
        smr_context_destroy(context);
        assert_int_equal(memory.n_live, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_configs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_configs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tensors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_tensors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_experts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_many_experts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_aliases, setup, teardown),
        cmocka_unit_test_setup_teardown(test_shards, setup, teardown),
        cmocka_unit_test_setup_teardown(test_texts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tasks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_name, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_file_of_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
