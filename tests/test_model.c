// test_model.c - opening models: what they say, split files, no memory, cost. Wrong files: test_gguf.c.
#include "support.h"

#include "base/base.h"
#include "gguf_builder.h"
#include "model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// ---- a right file -----------------------------------------------------------------------------

static void check_tiny(const struct smr_model *model)
{
    const struct smr_hparams *hparams = &model->hparams;
    assert_string_equal(model->name, "tiny");
    assert_string_equal(model->architecture, "llama");
    assert_int_equal(hparams->n_vocab, 5);
    assert_int_equal(hparams->n_context, 64);
    assert_int_equal(hparams->n_layers, 2);
    assert_int_equal(hparams->n_embd, 32);
    assert_int_equal(hparams->n_ff, 48);
    assert_int_equal(hparams->n_heads, 4);
    assert_int_equal(hparams->n_kv_heads, 2);
    assert_int_equal(hparams->head_dim, 8);
    assert_int_equal(hparams->value_dim, 8);
    assert_int_equal(hparams->rope_dim, 8);
    assert_true(hparams->rope_theta == 50000.0f);
    assert_true(hparams->norm_eps == 1e-5f);
    assert_true(hparams->rope_scaling_factor == 1.0f);
    assert_true(hparams->yarn_beta_fast == 32.0f);
    assert_int_equal(hparams->rope_scaling, SMR_ROPE_NONE);
    assert_int_equal(model->n_tensors, 3);

    const struct smr_tensor *tensor = smr_model_tensor_f(model, "blk.%d.attn_q.weight", 0);
    assert_non_null(tensor);
    assert_string_equal(tensor->name, "blk.0.attn_q.weight");
    assert_int_equal(tensor->type, SMR_Q8_0);
    assert_int_equal(tensor->n_dims, 2);
    assert_int_equal(tensor->dims[0], 32);
    assert_int_equal(tensor->dims[1], 10);
    assert_int_equal(tensor->dims[2] * tensor->dims[3], 1);
    assert_int_equal(tensor->size, 340);
    for (size_t i = 0; i < 340; i++)
        assert_int_equal(tensor->data[i], (uint8_t)((768 + i) * 31));
    assert_null(smr_model_tensor(model, "blk.1.attn_q.weight"));
}

static void test_tiny(void **state)
{
    struct gguf_builder builder;
    gguf_tiny(&builder);
    for (uint32_t version = 2; version <= 3; version++) {
        builder.data[4] = (uint8_t)version;
        smr_context *context = smr_context_create(NULL);
        smr_model *model = smr_model_open_memory(context, "a/b.gguf", builder.data, builder.size);
        assert_non_null(model);
        check_tiny(model);

        assert_null(smr_model_need(model, "blk.%d.ffn.weight", 1));
        assert_string_equal(smr_context_error(context),
                            "a/b.gguf: blk.1.ffn.weight: the tensor is missing");
        assert_int_equal(smr_context_status(context), SMR_ERROR_MODEL);
        smr_context_clear_error(context);
        assert_null(smr_model_tensor_f(model, "%1000d", 1));

        struct smr_model_info info;
        smr_model_describe(model, &info);
        assert_string_equal(info.name, "tiny");
        assert_string_equal(info.type, "Q8_0");
        assert_string_equal(info.tokenizer, "llama");
        assert_null(info.pre_tokenizer);
        assert_null(info.chat_template);
        assert_int_equal(info.n_params, 160 + 32 + 320);
        assert_int_equal(info.size, 640 + 128 + 340);
        assert_true(info.has_weights);
        smr_model_close(model);
        smr_context_destroy(context);
    }
    gguf_builder_finish(&builder);
}

// Queries, keys and values in one, and gate and up: found by the names of their parts.
static void test_fused(void **state)
{
    struct gguf_builder builder;
    gguf_tiny_keys(&builder, 3);
    gguf_tensor(&builder, "blk.0.attn_qkv.weight", 2, (uint64_t[]){32, 64}, SMR_Q8_0, 0);
    gguf_tensor(&builder, "blk.0.attn_qkv.bias", 1, (uint64_t[]){64}, SMR_F32, 2176);
    gguf_tensor(&builder, "blk.0.ffn_up.weight", 2, (uint64_t[]){32, 96}, SMR_F16, 2432);
    gguf_tensor(&builder, "blk.1.ffn_up.weight", 2, (uint64_t[]){32, 48}, SMR_F16, 8576);
    gguf_tensor(&builder, "blk.1.attn_qkv.weight", 2, (uint64_t[]){32, 65}, SMR_F16, 11648);
    gguf_data(&builder, 32, 11648 + 65 * 64);
    smr_context *context = smr_context_create(NULL);
    smr_model *model = smr_model_open_memory(context, "x", builder.data, builder.size);
    assert_non_null(model);
    assert_int_equal(model->n_tensors, 5);
    const struct smr_tensor *qkv = smr_model_tensor(model, "blk.0.attn_qkv.weight");
    const struct smr_tensor *k = smr_model_tensor(model, "blk.0.attn_k.weight");
    const struct smr_tensor *v = smr_model_tensor(model, "blk.0.attn_v.bias");
    const struct smr_tensor *up = smr_model_tensor(model, "blk.0.ffn_up.weight");
    const struct smr_tensor *gate = smr_model_tensor(model, "blk.0.ffn_gate.weight");
    assert_true(qkv && k && v && up && gate);
    assert_string_equal(k->name, "blk.0.attn_k.weight");
    assert_ptr_equal(k->data, qkv->data + 34 * 32);
    assert_int_equal(k->dims[1], 16);
    assert_int_equal(k->size, 34 * 16);
    assert_ptr_equal(v->data, smr_model_tensor(model, "blk.0.attn_qkv.bias")->data + 4 * 48);
    assert_int_equal(v->dims[0], 16);
    assert_int_equal(v->size, 64);
    assert_ptr_equal(gate->data, model->tensors[2].data);
    assert_ptr_equal(up->data, model->tensors[2].data + 48 * 64);
    assert_int_equal(up->dims[1], 48);
    assert_int_equal(model->tensors[2].dims[1], 96);
    assert_null(smr_model_tensor(model, "blk.1.ffn_gate.weight")); // up alone
    assert_null(smr_model_tensor(model, "blk.1.attn_q.weight"));   // other rows than the heads say
    smr_model_close(model);
    smr_context_destroy(context);
    gguf_builder_finish(&builder);
}

// The parts of a fused tensor are there already.
static void test_fused_and_alone(void **state)
{
    struct gguf_builder builder;
    gguf_tiny_keys(&builder, 3);
    gguf_tensor(&builder, "blk.0.ffn_up.weight", 2, (uint64_t[]){32, 96}, SMR_F16, 0);
    gguf_tensor(&builder, "blk.0.ffn_gate.weight", 2, (uint64_t[]){32, 48}, SMR_F16, 6144);
    gguf_data(&builder, 32, 6144 + 3072);
    smr_context *context = smr_context_create(NULL);
    assert_null(smr_model_open_memory(context, "x", builder.data, builder.size));
    assert_string_equal(
        smr_context_error(context),
        "x: blk.0.ffn_gate.weight: is there twice: alone, and in blk.0.ffn_up.weight");
    smr_context_destroy(context);
    gguf_builder_finish(&builder);
}

static void test_metadata(void **state)
{
    struct gguf_builder builder;
    gguf_tiny_keys(&builder, 3);
    gguf_key(&builder, "test.i8", GGUF_I8);
    gguf_put(&builder, "\xfe", 1);
    gguf_key(&builder, "test.u64", GGUF_U64);
    gguf_put_u64(&builder, UINT64_MAX);
    gguf_key(&builder, "test.u16", GGUF_U16);
    gguf_put(&builder, "\1\xff", 2);
    gguf_key(&builder, "test.zero", GGUF_STRING);
    gguf_put_u64(&builder, 3);
    gguf_put(&builder, "a\0b", 3);
    smr_context *context = smr_context_create(NULL);
    smr_model *model = smr_model_open_memory(context, "x", builder.data, builder.size);
    assert_non_null(model);
    const struct smr_metadata *metadata = model->metadata;
    uint32_t number = 77;
    float real = 0;
    bool flag = false;
    size_t size;

    assert_true(smr_metadata_has(metadata, "test.i8"));
    assert_false(smr_metadata_u32(metadata, "test.i8", &number)); // negative
    assert_true(smr_metadata_f32(metadata, "test.i8", &real));
    assert_true(real == -2.0f);
    assert_false(smr_metadata_u32(metadata, "test.u64", &number)); // too large
    assert_false(smr_metadata_u32(metadata, "general.name", &number));
    assert_false(smr_metadata_u32(metadata, "absent", &number));
    assert_int_equal(number, 77);
    assert_true(smr_metadata_u32(metadata, "test.u16", &number));
    assert_int_equal(number, 0xff01);
    assert_true(smr_metadata_f32(metadata, "llama.rope.freq_base", &real));
    assert_true(real == 50000.0f);
    assert_true(smr_metadata_bool(metadata, "tokenizer.ggml.add_bos_token", &flag));
    assert_true(flag);
    assert_false(smr_metadata_bool(metadata, "test.u16", &flag));
    assert_string_equal(smr_metadata_string(metadata, "general.name"), "tiny");
    assert_null(smr_metadata_string(metadata, "llama.block_count"));
    assert_memory_equal(smr_metadata_string_n(metadata, "test.zero", &size), "a\0b", 4);
    assert_int_equal(size, 3);

    struct smr_metadata_array array;
    const char *text;
    assert_false(smr_metadata_array(metadata, "general.name", &array));
    assert_true(smr_metadata_array(metadata, "tokenizer.ggml.tokens", &array));
    assert_int_equal(array.n, 5);
    static const char *const tokens[] = {"<unk>", "<s>", "", "a", "\xc3\xa9"};
    for (int i = 0; i < 5; i++) {
        assert_true(smr_metadata_next_string(&array, &text, &size));
        assert_int_equal(size, strlen(tokens[i]));
        assert_memory_equal(text, tokens[i], size);
    }
    assert_false(smr_metadata_next_string(&array, &text, &size));
    assert_true(smr_metadata_array(metadata, "tokenizer.ggml.scores", &array));
    assert_false(smr_metadata_next_string(&array, &text, &size));
    assert_true(smr_metadata_next_f32(&array, &real) && real == 0.0f);
    assert_true(smr_metadata_next_f32(&array, &real) && real == -1.0f);
    assert_true(smr_metadata_array(metadata, "tokenizer.ggml.token_type", &array));
    int32_t type;
    for (int32_t i = 1; i <= 5; i++)
        assert_true(smr_metadata_next_i32(&array, &type) && type == i);
    assert_false(smr_metadata_next_u32(&array, &number));
    smr_model_close(model);
    smr_context_destroy(context);
    gguf_builder_finish(&builder);
}

// A file with a vocabulary and no weights needs no hyperparameters.
static void test_vocabulary_only(void **state)
{
    struct gguf_builder builder;
    gguf_begin(&builder, 3);
    gguf_key_string(&builder, "general.architecture", "llama");
    gguf_key_array(&builder, "tokenizer.ggml.tokens", GGUF_STRING, 3);
    for (int i = 0; i < 3; i++)
        gguf_put_string(&builder, "x");
    smr_context *context = smr_context_create(NULL);
    smr_model *model = smr_model_open_memory(context, "dir/v.gguf", builder.data, builder.size);
    assert_non_null(model);
    struct smr_model_info info;
    smr_model_describe(model, &info);
    assert_false(info.has_weights);
    assert_int_equal(info.n_vocab, 3);
    assert_int_equal(info.n_heads, 0);
    assert_null(info.type);
    assert_string_equal(info.name, "v.gguf");
    smr_model_close(model);
    smr_context_destroy(context);
    gguf_builder_finish(&builder);
}

static void *destroyed;

static void destroy_vocab(struct smr_vocab *vocab)
{
    destroyed = vocab;
}

static void test_vocab_is_destroyed(void **state)
{
    struct gguf_builder builder;
    int first, second;
    gguf_tiny(&builder);
    smr_context *context = smr_context_create(NULL);
    smr_model *model = smr_model_open_memory(context, "x", builder.data, builder.size);
    smr_model_set_vocab(model, (struct smr_vocab *)&first, destroy_vocab);
    assert_ptr_equal(model->vocab, &first);
    smr_model_set_vocab(model, (struct smr_vocab *)&second, destroy_vocab);
    assert_ptr_equal(destroyed, &first);
    smr_model_close(model);
    assert_ptr_equal(destroyed, &second);
    smr_model_close(NULL);
    smr_context_destroy(context);
    gguf_builder_finish(&builder);
}

// Where a key is missing others decide; 0 stands for "none" in optional ones.
static void test_hparams(void **state)
{
    struct gguf_builder builder;
    gguf_begin(&builder, 3);
    gguf_key_string(&builder, "general.architecture", "gemma3");
    gguf_key_u32(&builder, "gemma3.block_count", 1);
    gguf_key_u32(&builder, "gemma3.context_length", 64);
    gguf_key_u32(&builder, "gemma3.embedding_length", 30);
    gguf_key_u32(&builder, "gemma3.vocab_size", 9);
    gguf_key_u32(&builder, "gemma3.attention.head_count", 4);
    gguf_key_u32(&builder, "gemma3.attention.key_length", 24);
    gguf_key_u32(&builder, "gemma3.attention.sliding_window", 512);
    gguf_key(&builder, "gemma3.rope.dimension_count", GGUF_I16);
    gguf_put(&builder, "\10\0", 2);
    gguf_key_f32(&builder, "gemma3.attention.layer_norm_epsilon", 1e-6f);
    gguf_key_f32(&builder, "gemma3.rope.freq_base", 0);
    gguf_key_f32(&builder, "gemma3.rope.freq_base_swa", 20000);
    gguf_key_f32(&builder, "gemma3.rope.scale_linear", 8);
    gguf_key_f32(&builder, "gemma3.rope.scaling.yarn_ext_factor", 0);
    gguf_key_f32(&builder, "gemma3.final_logit_softcapping", 30);
    gguf_tensor(&builder, "token_embd.weight", 2, (uint64_t[]){32, 5}, 0, 0);
    for (int with_type = 0; with_type < 2; with_type++) {
        struct gguf_builder copy = {0};
        if (with_type) { // as a last key, before the only row of the tensor table
            static const char key[] = "gemma3.rope.scaling.type";
            size_t row = 8 + strlen("token_embd.weight") + 4 + 16 + 4 + 8;
            gguf_put(&copy, builder.data, builder.size - row);
            gguf_key_string(&copy, key, "yarn");
            gguf_put(&copy, builder.data + builder.size - row, row);
        } else {
            gguf_put(&copy, builder.data, builder.size);
        }
        gguf_data(&copy, 32, 640);
        smr_context *context = smr_context_create(NULL);
        smr_model *model = smr_model_open_memory(context, "x", copy.data, copy.size);
        assert_string_equal(smr_context_error(context), "");
        assert_non_null(model);
        const struct smr_hparams *hparams = &model->hparams;
        assert_int_equal(hparams->n_vocab, 5); // the embedding's rows count more than the key
        assert_int_equal(hparams->n_kv_heads, 4);
        assert_int_equal(hparams->head_dim, 24);
        assert_int_equal(hparams->value_dim, 24);
        assert_int_equal(hparams->rope_dim, 8);
        assert_int_equal(hparams->n_ff, 0);
        assert_int_equal(hparams->sliding_window, 512);
        assert_true(hparams->norm_eps == 1e-6f);
        assert_true(hparams->rope_theta == 10000.0f);
        assert_true(hparams->rope_theta_local == 20000.0f);
        assert_true(hparams->rope_scaling_factor == 8.0f);
        assert_true(hparams->yarn_ext_factor == 0.0f);
        assert_true(hparams->rope_attention_factor == 1.0f);
        assert_true(hparams->final_softcap == 30.0f);
        assert_int_equal(hparams->rope_scaling, with_type ? SMR_ROPE_YARN : SMR_ROPE_LINEAR);
        smr_model_close(model);
        smr_context_destroy(context);
        gguf_builder_finish(&copy);
    }
    gguf_builder_finish(&builder);
}

// ---- without memory ---------------------------------------------------------------------------

static void test_open_without_memory(void **state)
{
    struct gguf_builder builder;
    gguf_tiny(&builder);
    size_t n_failures = 0;
    for (bool opened = false; !opened; n_failures++) {
        struct test_memory memory = {0};
        smr_context *context = test_context(&memory, NULL);
        memory.fail_at = memory.n_calls + n_failures + 1;
        smr_model *model = smr_model_open_memory(context, "m.gguf", builder.data, builder.size);
        opened = model != NULL;
        if (opened)
            assert_true(memory.n_calls < memory.fail_at);
        else
            assert_int_equal(smr_context_status(context), SMR_ERROR_MEMORY);
        smr_model_close(model);
        smr_context_destroy(context);
        assert_int_equal(memory.n_live, 0);
        assert_true(n_failures < 1000);
    }
    assert_true(n_failures > 2);
    gguf_builder_finish(&builder);
}

// ---- files ------------------------------------------------------------------------------------

static void write_part(const struct test_folder *folder, const char *name, uint32_t index,
                       uint32_t count, const char *tensor)
{
    struct gguf_builder builder;
    if (index == 0)
        gguf_tiny_keys(&builder, 3);
    else
        gguf_begin(&builder, 3);
    gguf_key(&builder, "split.no", GGUF_U16);
    gguf_put(&builder, (uint8_t[]){(uint8_t)index, 0}, 2);
    gguf_key(&builder, "split.count", GGUF_U16);
    gguf_put(&builder, (uint8_t[]){(uint8_t)count, 0}, 2);
    gguf_key(&builder, "split.tensors.count", GGUF_I32);
    gguf_put_u32(&builder, 3);
    gguf_tensor(&builder, tensor, 1, (uint64_t[]){32}, 0, 0);
    gguf_data(&builder, 32, 128);
    builder.data[builder.data_start] = (uint8_t)index;
    test_write_file(test_path(folder, name), builder.data, builder.size);
    gguf_builder_finish(&builder);
}

static void expect_open_error(const struct test_folder *folder, const char *open, const char *named,
                              const char *expected)
{
    char text[600];
    smr_context *context = smr_context_create(NULL);
    assert_null(smr_model_open(context, test_path(folder, open)));
    assert_int_equal(smr_context_status(context), SMR_ERROR_MODEL);
    snprintf(text, sizeof text, "%s: %s", test_path(folder, named), expected);
    if (strncmp(smr_context_error(context), text, strlen(text)))
        fail_msg("the error is \"%s\", expected \"%s\"", smr_context_error(context), text);
    smr_context_destroy(context);
}

static void test_split(void **state)
{
    static const char *const names[] = {"m-00001-of-00003.gguf", "m-00002-of-00003.gguf",
                                        "m-00003-of-00003.gguf"};
    static const char *const tensors[] = {"a", "b", "c"};
    struct test_folder folder;
    test_folder_make(&folder);
    for (uint32_t i = 0; i < 3; i++)
        write_part(&folder, names[i], i, 3, tensors[i]);

    struct test_memory memory = {0};
    smr_context *context = test_context(&memory, NULL);
    smr_model *model = smr_model_open(context, test_path(&folder, names[0]));
    assert_string_equal(smr_context_error(context), "");
    assert_non_null(model);
    assert_int_equal(model->n_tensors, 3);
    assert_string_equal(model->name, "tiny");
    for (uint8_t i = 0; i < 3; i++) {
        assert_string_equal(model->tensors[i].name, tensors[i]);
        assert_int_equal(smr_model_need(model, "%s", tensors[i])->data[0], i);
    }
    smr_model_close(model);
    smr_context_destroy(context);
    assert_int_equal(memory.n_live, 0);

    bool opened = false;
    for (size_t fail_at = 1; !opened; fail_at++) {
        memory = (struct test_memory){0};
        context = test_context(&memory, NULL);
        memory.fail_at = memory.n_calls + fail_at;
        model = smr_model_open(context, test_path(&folder, names[0]));
        opened = model != NULL;
        assert_int_equal(smr_context_status(context), opened ? SMR_OK : SMR_ERROR_MEMORY);
        smr_model_close(model);
        smr_context_destroy(context);
        assert_int_equal(memory.n_live, 0);
        assert_true(fail_at < 100);
    }

    expect_open_error(&folder, names[1], names[1],
                      "split.no: this is part 2 of 3: open the one named ...-00001-of-00003.gguf");
    write_part(&folder, "first.gguf", 0, 3, "a");
    expect_open_error(&folder, "first.gguf", "first.gguf",
                      "split.count: the first of 3 parts: its name must end in "
                      "-00001-of-00003.gguf");
    write_part(&folder, names[2], 1, 3, "c");
    expect_open_error(&folder, names[0], names[2], "split.no: says part 2 of 3, should be 3 of 3");
    write_part(&folder, names[2], 2, 3, "a");
    expect_open_error(&folder, names[0], names[2], "a: a tensor that is there twice");
    unlink(test_path(&folder, names[2]));
    expect_open_error(&folder, names[0], names[2], "cannot be opened");
    write_part(&folder, "t-00001-of-00002.gguf", 0, 2, "a");
    write_part(&folder, "t-00002-of-00002.gguf", 1, 2, "b");
    expect_open_error(&folder, "t-00001-of-00002.gguf", "t-00001-of-00002.gguf",
                      "split.tensors.count: 3, but the parts have 2");
    expect_open_error(&folder, "absent.gguf", "absent.gguf", "cannot be opened");
    test_folder_remove(&folder);
}

// Opening looks at the header only: here the weights lie in pages that cannot be read.
static void test_weights_are_not_read(void **state)
{
    struct gguf_builder builder;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    gguf_tiny_keys(&builder, 3);
    gguf_key_u32(&builder, "general.alignment", (uint32_t)page);
    gguf_tensor(&builder, "token_embd.weight", 2, (uint64_t[]){32, page}, 0, 0);
    gguf_data(&builder, page, 0);
    size_t size = builder.size + page * 128;
    uint8_t *data = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | 0x20 /* MAP_ANONYMOUS */, -1, 0);
    assert_true(data != MAP_FAILED);
    assert_int_equal(mprotect(data, builder.size, PROT_READ | PROT_WRITE), 0);
    memcpy(data, builder.data, builder.size);

    smr_context *context = smr_context_create(NULL);
    smr_model *model = smr_model_open_memory(context, "x", data, size);
    assert_non_null(model);
    assert_int_equal(model->hparams.n_vocab, page);
    assert_ptr_equal(model->tensors[0].data, data + builder.size);
    smr_model_close(model);
    smr_context_destroy(context);
    munmap(data, size);
    gguf_builder_finish(&builder);
}

static void test_large_vocabulary(void **state)
{
    enum { N = 262144 };
    struct gguf_builder builder;
    gguf_begin(&builder, 3);
    gguf_key_string(&builder, "general.architecture", "llama");
    gguf_key_array(&builder, "tokenizer.ggml.tokens", GGUF_STRING, N);
    for (uint32_t i = 0; i < N; i++) {
        char token[16];
        snprintf(token, sizeof token, "token%u", i);
        gguf_put_string(&builder, token);
    }
    smr_context *context = smr_context_create(NULL);
    uint64_t start = smr_thread_time_ns();
    smr_model *model = smr_model_open_memory(context, "x", builder.data, builder.size);
    uint64_t time = smr_thread_time_ns() - start;
    assert_non_null(model);
    assert_int_equal(model->hparams.n_vocab, N);
    assert_in_range(time, 0, 50000000); // 3 ms is usual, 15 ms with sanitizers
    smr_model_close(model);
    smr_context_destroy(context);
    gguf_builder_finish(&builder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tiny),
        cmocka_unit_test(test_fused),
        cmocka_unit_test(test_fused_and_alone),
        cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_hparams),
        cmocka_unit_test(test_vocabulary_only),
        cmocka_unit_test(test_vocab_is_destroyed),
        cmocka_unit_test(test_open_without_memory),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_weights_are_not_read),
        cmocka_unit_test(test_large_vocabulary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
