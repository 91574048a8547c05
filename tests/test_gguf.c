// test_gguf.c - every way for a GGUF file to be wrong: each is an error that names file and field.
#include "support.h"

#include "base/base.h"
#include "gguf_builder.h"
#include "model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- wrong files ------------------------------------------------------------------------------

// Each writes a file that must be refused, after gguf_tiny_keys().
static void wrong_alignment(struct gguf_builder *builder)
{
    gguf_key_u32(builder, "general.alignment", 24);
}

static void wrong_alignment_huge(struct gguf_builder *builder)
{
    gguf_key_u32(builder, "general.alignment", 1u << 31);
}

static void wrong_alignment_type(struct gguf_builder *builder)
{
    gguf_key_string(builder, "general.alignment", "32");
}

static void wrong_key_twice(struct gguf_builder *builder)
{
    gguf_key_u32(builder, "llama.block_count", 2);
}

static void wrong_key_empty(struct gguf_builder *builder)
{
    gguf_key_u32(builder, "", 2);
}

static void wrong_key_zero(struct gguf_builder *builder)
{
    gguf_key_u32(builder, "test.a_b", 2);
    builder->data[builder->size - 10] = 0;
}

static void wrong_key_length(struct gguf_builder *builder)
{
    gguf_key_u32(builder, "test.key", 2);
    memset(builder->data + builder->size - 24, 0xff, 8);
}

static void wrong_string_length(struct gguf_builder *builder)
{
    gguf_key(builder, "test.key", GGUF_STRING);
    gguf_put_u64(builder, 1000);
    gguf_put(builder, "short", 5);
}

static void wrong_value_type(struct gguf_builder *builder)
{
    gguf_key(builder, "test.key", 13);
    gguf_put_u64(builder, 0);
}

static void wrong_bool(struct gguf_builder *builder)
{
    gguf_key(builder, "test.flag", GGUF_BOOL);
    gguf_put(builder, "\2", 1);
}

static void wrong_nested_array(struct gguf_builder *builder)
{
    gguf_key_array(builder, "test.nested", GGUF_ARRAY, 1);
    gguf_put_u32(builder, GGUF_U8);
    gguf_put_u64(builder, 0);
}

static void wrong_array_type(struct gguf_builder *builder)
{
    gguf_key_array(builder, "test.array", 99, 0);
}

static void wrong_array_count(struct gguf_builder *builder)
{
    gguf_key_array(builder, "test.array", GGUF_F64,
                   UINT64_MAX / 8 + 2); // overflows when multiplied
    gguf_put_u64(builder, 0);
}

static void wrong_array_string(struct gguf_builder *builder)
{
    gguf_key_array(builder, "test.array", GGUF_STRING, 2);
    gguf_put_string(builder, "good");
    gguf_put_u64(builder, UINT64_MAX);
}

static void put_tensor(struct gguf_builder *builder, uint64_t dim0, uint64_t dim1, uint32_t type,
                       uint64_t offset)
{
    gguf_tensor(builder, "output.weight", 2, (uint64_t[]){dim0, dim1}, type, offset);
    gguf_data(builder, 32, 640);
}

static void wrong_type(struct gguf_builder *builder)
{
    put_tensor(builder, 256, 1, 17, 0);
}

static void wrong_type_number(struct gguf_builder *builder)
{
    put_tensor(builder, 256, 1, 0x80000000, 0);
}

static void wrong_block(struct gguf_builder *builder)
{
    put_tensor(builder, 48, 2, 8, 0);
}

static void wrong_offset(struct gguf_builder *builder)
{
    put_tensor(builder, 32, 1, 0, 8);
}

static void wrong_end(struct gguf_builder *builder)
{
    put_tensor(builder, 32, 5, 0, 32);
}

static void wrong_offset_overflow(struct gguf_builder *builder)
{
    put_tensor(builder, 32, 1, 0, UINT64_MAX - 31);
}

static void wrong_zero_dimension(struct gguf_builder *builder)
{
    put_tensor(builder, 32, 0, 0, 0);
}

static void wrong_dimension_overflow(struct gguf_builder *builder)
{
    put_tensor(builder, (uint64_t)1 << 33, (uint64_t)1 << 33, 0, 0);
}

static void wrong_size_overflow(struct gguf_builder *builder)
{
    put_tensor(builder, (uint64_t)1 << 31, (uint64_t)1 << 31, 0, 0); // 2^64 bytes of F32
}

static void wrong_n_dims(struct gguf_builder *builder)
{
    gguf_tensor(builder, "output.weight", 5, (uint64_t[]){1, 1, 1, 1, 1}, 0, 0);
    gguf_data(builder, 32, 640);
}

static void wrong_no_dims(struct gguf_builder *builder)
{
    gguf_tensor(builder, "output.weight", 0, NULL, 0, 0);
    gguf_data(builder, 32, 640);
}

static void wrong_tensor_twice(struct gguf_builder *builder)
{
    gguf_tensor(builder, "output.weight", 1, (uint64_t[]){32}, 0, 0);
    put_tensor(builder, 32, 1, 0, 0);
}

static void wrong_tensor_name(struct gguf_builder *builder)
{
    char name[300];
    memset(name, 'n', sizeof name);
    name[299] = 0;
    gguf_tensor(builder, name, 1, (uint64_t[]){32}, 0, 0);
    gguf_data(builder, 32, 640);
}

static void wrong_tensor_count(struct gguf_builder *builder)
{
    put_tensor(builder, 32, 1, 0, 0);
    memset(builder->data + 8, 0xff, 8);
}

static void wrong_key_count(struct gguf_builder *builder)
{
    builder->data[16 + 2] = 1; // 65536 more
}

static void wrong_version_1(struct gguf_builder *builder)
{
    builder->data[4] = 1;
}

static void wrong_version_4(struct gguf_builder *builder)
{
    builder->data[4] = 4;
}

static void wrong_byte_order(struct gguf_builder *builder)
{
    memcpy(builder->data + 4, "\0\0\0\3", 4);
}

static void wrong_magic(struct gguf_builder *builder)
{
    memcpy(builder->data, "ggml", 4);
}

static void wrong_general_type(struct gguf_builder *builder)
{
    gguf_key_string(builder, "general.type", "adapter");
}

static void wrong_split(struct gguf_builder *builder)
{
    gguf_key_u32(builder, "split.count", 3);
}

static void wrong_split_limit(struct gguf_builder *builder)
{
    gguf_key_u32(builder, "split.count", 65535);
}

static void wrong_split_type(struct gguf_builder *builder)
{
    gguf_key_string(builder, "split.no", "0");
}

static void wrong_value_length(struct gguf_builder *builder)
{
    gguf_key_u32(builder, "llama.attention.value_length", 16);
}

static void wrong_rope_dim(struct gguf_builder *builder)
{
    gguf_key_u32(builder, "llama.rope.dimension_count", 10);
}

static void wrong_rope_scaling(struct gguf_builder *builder)
{
    gguf_key_string(builder, "llama.rope.scaling.type", "magic");
}

static void wrong_float(struct gguf_builder *builder)
{
    gguf_key(builder, "llama.rope.scaling.factor", GGUF_F32);
    gguf_put_u32(builder, 0x7fc00000);
}

static void wrong_float_type(struct gguf_builder *builder)
{
    gguf_key_string(builder, "llama.rope.scaling.factor", "4");
}

static void wrong_experts(struct gguf_builder *builder)
{
    gguf_key_u32(builder, "llama.expert_used_count", 8);
}

static const struct {
    void (*build)(struct gguf_builder *builder);
    const char *expected; // in the error, after the path
} wrong_files[] = {
    {wrong_alignment, "general.alignment: 24 is not a power of two"},
    {wrong_alignment_huge, "general.alignment: 2147483648 is not"},
    {wrong_alignment_type, "general.alignment: not a whole number"},
    {wrong_key_twice, "llama.block_count: is there twice"},
    {wrong_key_empty, "metadata key 15: is empty"},
    {wrong_key_zero, "metadata key 15: a zero byte"},
    {wrong_key_length, "metadata key 15: a string of 18446744073709551615 bytes"},
    {wrong_string_length, "test.key: a string of 1000 bytes goes beyond the file"},
    {wrong_value_type, "test.key: unknown value type 13"},
    {wrong_bool, "test.flag: a bool is 0 or 1, not 2"},
    {wrong_nested_array, "test.nested: arrays of arrays"},
    {wrong_array_type, "test.array: unknown value type 99"},
    {wrong_array_count, "test.array: 2305843009213693953 elements are more than"},
    {wrong_array_string, "test.array: string 1 of 2 has 18446744073709551615 bytes"},
    {wrong_type, "output.weight: type 17 (IQ2_XS) is not supported"},
    {wrong_type_number, "output.weight: type 2147483648 (unknown) is not supported"},
    {wrong_block, "output.weight: rows of 48 elements are no multiple of Q8_0's block of 32"},
    {wrong_offset, "output.weight: offset 8 is no multiple of the alignment 32"},
    {wrong_end, "output.weight: 640 bytes of data at offset 32 lie beyond"},
    {wrong_offset_overflow, "output.weight: 128 bytes of data at offset 18446744073709551584"},
    {wrong_zero_dimension, "output.weight: dimension 1 is 0"},
    {wrong_dimension_overflow, "output.weight: dimension 1 is 8589934592"},
    {wrong_size_overflow, "output.weight: 4611686018427387904 elements are too many"},
    {wrong_n_dims, "output.weight: 5 dimensions"},
    {wrong_no_dims, "output.weight: 0 dimensions"},
    {wrong_tensor_twice, "output.weight: a tensor that is there twice"},
    {wrong_tensor_name, "tensor 0: a string of 299 bytes, the limit is 255"},
    {wrong_tensor_count, "tensor count: 18446744073709551615 is more"},
    {wrong_key_count, "metadata count: 65551 is more"},
    {wrong_version_1, "version: 1 is not supported"},
    {wrong_version_4, "version: 4 is not supported"},
    {wrong_byte_order, "version: a big-endian file"},
    {wrong_magic, "magic: not a GGUF file"},
    {wrong_general_type, "general.type: \"adapter\" is not \"model\""},
    {wrong_split, "split.count: a part of a model, not in a file"},
    {wrong_split_limit, "split.count: 65535 parts, the limit is"},
    {wrong_split_type, "split.no: is no whole number"},
    {wrong_value_length, "llama.attention.value_length: 16 differs"},
    {wrong_rope_dim, "llama.rope.dimension_count: 10 is odd or above the head's 8"},
    {wrong_rope_scaling, "llama.rope.scaling.type: \"magic\" is not"},
    {wrong_float, "llama.rope.scaling.factor: nan is not within"},
    {wrong_float_type, "llama.rope.scaling.factor: is no number"},
    {wrong_experts, "llama.expert_used_count: 8 of 0 experts"},
};

static void expect_error(const void *data, size_t size, const char *expected)
{
    char text[300];
    struct test_memory memory = {0};
    smr_context *context = test_context(&memory, NULL);
    assert_null(smr_model_open_memory(context, "dir/m.gguf", data, size));
    assert_int_equal(smr_context_status(context), SMR_ERROR_MODEL);
    snprintf(text, sizeof text, "dir/m.gguf: %s", expected);
    if (strncmp(smr_context_error(context), text, strlen(text)))
        fail_msg("the error is \"%s\", expected \"%s\"", smr_context_error(context), text);
    smr_context_destroy(context);
    assert_int_equal(memory.n_live, 0);
}

static void test_wrong_files(void **state)
{
    for (size_t i = 0; i < SMR_COUNT(wrong_files); i++) {
        struct gguf_builder builder;
        gguf_tiny_keys(&builder, 3);
        wrong_files[i].build(&builder);
        // A copy of the exact size, so that sanitizers see reads beyond it.
        uint8_t *copy = malloc(builder.size);
        memcpy(copy, builder.data, builder.size);
        expect_error(copy, builder.size, wrong_files[i].expected);
        free(copy);
        gguf_builder_finish(&builder);
    }
}

// A model where one hyperparameter is replaced or, with NULL for the value, left out.
static void test_wrong_hparams(void **state)
{
    static const struct {
        const char *key;
        int64_t value; // -1: left out
        const char *expected;
    } cases[] = {
        {"llama.block_count", -1, "llama.block_count: is missing"},
        {"llama.block_count", 0, "llama.block_count: 0 is not within"},
        {"llama.block_count", 1000000, "llama.block_count: 1000000 is not within"},
        {"llama.context_length", -1, "llama.context_length: is missing"},
        {"llama.embedding_length", -1, "llama.embedding_length: is missing"},
        {"llama.embedding_length", 30, "llama.attention.head_count: 4 heads in an embedding of 30"},
        {"llama.attention.head_count", -1, "llama.attention.head_count: is missing"},
        {"llama.attention.head_count", 0, "llama.attention.head_count: 0 is not within"},
        {"llama.attention.head_count_kv", 3, "llama.attention.head_count_kv: 3 does not divide"},
        {"llama.norm", -1, "llama.attention.layer_norm_rms_epsilon: is missing"},
        {NULL, 0, NULL},
    };
    static const struct {
        const char *key;
        uint32_t value;
    } right[] = {
        {"llama.block_count", 2},
        {"llama.context_length", 64},
        {"llama.embedding_length", 32},
        {"llama.attention.head_count", 4},
        {"llama.attention.head_count_kv", 2},
    };
    for (size_t i = 0; i < SMR_COUNT(cases); i++) {
        struct gguf_builder builder;
        gguf_begin(&builder, 3);
        gguf_key_string(&builder, "general.architecture", "llama");
        for (size_t k = 0; k < SMR_COUNT(right); k++) {
            bool replaced = cases[i].key && !strcmp(right[k].key, cases[i].key);
            if (!replaced)
                gguf_key_u32(&builder, right[k].key, right[k].value);
            else if (cases[i].value >= 0)
                gguf_key_u32(&builder, right[k].key, (uint32_t)cases[i].value);
        }
        if (!cases[i].key || strcmp(cases[i].key, "llama.norm"))
            gguf_key_f32(&builder, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
        put_tensor(&builder, 32, 5, 0, 0);
        if (cases[i].expected) {
            expect_error(builder.data, builder.size, cases[i].expected);
        } else { // nothing replaced: right
            smr_context *context = smr_context_create(NULL);
            smr_model *model = smr_model_open_memory(context, "x", builder.data, builder.size);
            assert_non_null(model);
            smr_model_close(model);
            smr_context_destroy(context);
        }
        gguf_builder_finish(&builder);
    }
}

static void test_per_layer_arrays(void **state)
{
    static const struct {
        uint32_t n, first, last;
        const char *expected;
    } cases[] = {
        {3, 48, 48, "llama.feed_forward_length: has 3 elements for 2 layers"},
        {0, 48, 48, "llama.feed_forward_length: has 0 elements"},
        {2, 48, 64, "llama.feed_forward_length: differs between layers (48 and 64)"},
    };
    for (size_t i = 0; i < SMR_COUNT(cases); i++) {
        struct gguf_builder builder;
        gguf_begin(&builder, 3);
        gguf_key_string(&builder, "general.architecture", "llama");
        gguf_key_u32(&builder, "llama.block_count", 2);
        gguf_key_array(&builder, "llama.feed_forward_length", GGUF_U32, cases[i].n);
        for (uint32_t k = 0; k < cases[i].n; k++)
            gguf_put_u32(&builder, k ? cases[i].last : cases[i].first);
        expect_error(builder.data, builder.size, cases[i].expected);
        gguf_builder_finish(&builder);
    }
}

// ---- damaged files ----------------------------------------------------------------------------

static void test_truncations(void **state)
{
    struct gguf_builder builder;
    gguf_tiny(&builder);
    for (size_t size = 0; size < builder.size; size++) {
        uint8_t *copy = malloc(size ? size : 1);
        memcpy(copy, builder.data, size);
        expect_error(copy, size, "");
        free(copy);
    }
    gguf_builder_finish(&builder);
}

// Read all that an opened model offers.
static uint64_t read_everything(const struct smr_model *model)
{
    static const char *const keys[] = {"tokenizer.ggml.tokens", "tokenizer.ggml.scores",
                                       "tokenizer.ggml.token_type", "llama.feed_forward_length"};
    uint64_t sum = strlen(model->name) + model->hparams.n_vocab;
    struct smr_metadata_array array;
    for (uint32_t i = 0; i < model->n_tensors; i++)
        for (uint64_t k = 0; k < model->tensors[i].size; k++)
            sum += model->tensors[i].data[k];
    for (size_t i = 0; i < SMR_COUNT(keys); i++) {
        const char *text;
        size_t size, n = 0;
        float value;
        if (!smr_metadata_array(model->metadata, keys[i], &array))
            continue;
        for (; smr_metadata_next_string(&array, &text, &size); n++)
            for (size_t k = 0; k < size; k++)
                sum += (uint8_t)text[k];
        for (; smr_metadata_next_f32(&array, &value); n++)
            sum += value > 0;
        assert_true(n <= array.n);
    }
    struct smr_model_info info;
    smr_model_describe(model, &info);
    return sum + info.n_params + info.size;
}

static void open_damaged(const uint8_t *data, size_t size, size_t *n_opened)
{
    smr_context *context = smr_context_create(NULL);
    smr_model *model = smr_model_open_memory(context, "m.gguf", data, size);
    if (model) {
        (*n_opened)++;
        assert_int_equal(smr_context_status(context), SMR_OK);
        assert_true(read_everything(model) > 0);
    } else {
        assert_int_equal(smr_context_status(context), SMR_ERROR_MODEL);
        assert_memory_equal(smr_context_error(context), "m.gguf: ", 8);
    }
    smr_model_close(model);
    smr_context_destroy(context);
}

static void test_byte_flips(void **state)
{
    static const uint8_t flips[] = {0x01, 0x02, 0x20, 0x80, 0xff};
    struct gguf_builder builder;
    size_t n_opened = 0, n = 0;
    gguf_tiny(&builder);
    uint8_t *copy = malloc(builder.size);
    memcpy(copy, builder.data, builder.size);
    for (size_t at = 0; at < builder.data_start; at++) { // weights may be anything
        for (size_t i = 0; i < SMR_COUNT(flips); i++, n++) {
            copy[at] ^= flips[i];
            open_damaged(copy, builder.size, &n_opened);
            copy[at] ^= flips[i];
        }
    }
    // Letters of names and values may change without anyone noticing; lengths and counts may not.
    assert_in_range(n_opened, n / 20, n - n / 20);
    free(copy);
    gguf_builder_finish(&builder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_files),      cmocka_unit_test(test_wrong_hparams),
        cmocka_unit_test(test_per_layer_arrays), cmocka_unit_test(test_truncations),
        cmocka_unit_test(test_byte_flips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
