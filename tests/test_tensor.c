// test_tensor.c - metadata that is made, and tensors that a file has in another form than GGUF.
#include "support.h"

#include "model/metadata.h"
#include "model/quantize.h"
#include "model/tensor.h"

#include <string.h>

// ---- metadata ---------------------------------------------------------------------------------

static void check_made(const struct smr_metadata *metadata)
{
    struct smr_metadata_array array;
    const char *text;
    size_t size;
    uint32_t number = 0;
    int32_t integer = 0;
    float real = 0;
    bool flag = false;

    assert_true(smr_metadata_u32(metadata, "a", &number) && number == 7);
    assert_true(smr_metadata_f32(metadata, "b", &real) && real == 1.5f);
    assert_true(smr_metadata_bool(metadata, "c", &flag) && flag);
    assert_string_equal(smr_metadata_string_n(metadata, "d", &size), "x");
    assert_int_equal(size, 3);
    assert_true(smr_metadata_array(metadata, "strings", &array) && array.n == 2);
    assert_true(smr_metadata_next_string(&array, &text, &size));
    assert_int_equal(size, 0);
    assert_true(smr_metadata_next_string(&array, &text, &size));
    assert_memory_equal(text, "abc", 3);
    assert_int_equal(size, 3);
    assert_false(smr_metadata_next_string(&array, &text, &size));
    assert_int_equal(array.cursor.size, 8 + 8 + 3);
    assert_true(smr_metadata_array(metadata, "i32s", &array) && array.n == 1);
    assert_true(smr_metadata_next_i32(&array, &integer) && integer == -2);
    assert_true(smr_metadata_array(metadata, "f32s", &array) && array.n == 2);
    assert_true(smr_metadata_next_f32(&array, &real) && real == 0.25f);
    assert_true(smr_metadata_next_f32(&array, &real) && real == -3.0f);
    assert_true(smr_metadata_array(metadata, "u32s", &array) && array.n == 0);
}

static void make(struct smr_metadata *metadata)
{
    smr_metadata_set_u32(metadata, "a", 5);
    smr_metadata_set_f32(metadata, "b", 1.5f);
    smr_metadata_set_bool(metadata, "c", true);
    smr_metadata_set_string_n(metadata, "d", "x\0y", 3);
    smr_metadata_set_strings(metadata, "strings", (const char *[]){"", "abc"}, NULL, 2);
    smr_metadata_set_i32s(metadata, "i32s", (int32_t[]){-2}, 1);
    smr_metadata_set_f32s(metadata, "f32s", (float[]){0.25f, -3}, 2);
    smr_metadata_set_u32s(metadata, "u32s", NULL, 0);
    for (uint32_t i = 0; i < 100; i++)
        smr_metadata_set_u32(metadata, (char[]){'k', (char)('0' + i / 10), (char)('0' + i % 10), 0},
                             i);
    smr_metadata_set_u32(metadata, "a", 7);
}

static void test_metadata(void **state)
{
    smr_context *context = smr_context_create(NULL);
    struct smr_arena arena;
    struct smr_metadata metadata;
    uint32_t number;

    smr_arena_init(&arena, context);
    smr_metadata_init(&metadata, &arena);
    assert_false(smr_metadata_has(&metadata, "a"));
    make(&metadata);
    assert_false(metadata.failed);
    assert_int_equal(metadata.keys.n, 108);
    assert_string_equal(metadata.keys.names[0], "a");
    check_made(&metadata);
    assert_true(smr_metadata_u32(&metadata, "k42", &number) && number == 42);
    smr_arena_finish(&arena);
    smr_context_destroy(context);
}

static void test_metadata_without_memory(void **state)
{
    struct test_memory memory = {0};
    bool failed = true;
    for (size_t fail_at = 2; failed; fail_at++) { // the first call makes the context
        struct smr_arena arena;
        struct smr_metadata metadata;
        memory = (struct test_memory){.fail_at = fail_at};
        smr_context *context = test_context(&memory, NULL);
        assert_non_null(context);
        smr_arena_init(&arena, context);
        smr_metadata_init(&metadata, &arena);
        make(&metadata);
        failed = metadata.failed;
        assert_int_equal(smr_context_status(context), failed ? SMR_ERROR_MEMORY : SMR_OK);
        smr_arena_finish(&arena);
        smr_context_destroy(context);
        assert_int_equal(memory.n_live, 0);
    }
}

// ---- tensors ----------------------------------------------------------------------------------

struct fixture {
    smr_context *context;
    struct smr_model model;
    struct smr_arena arena;
};

static int setup(void **state)
{
    static struct fixture fixture;
    fixture.context = smr_context_create(NULL);
    fixture.model = (struct smr_model){.context = fixture.context, .path = "x"};
    smr_arena_init(&fixture.arena, fixture.context);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    smr_arena_finish(&fixture->arena);
    smr_context_destroy(fixture->context);
    return 0;
}

static struct smr_tensor matrix(enum smr_type type, uint64_t n_cols, uint64_t n_rows)
{
    return (struct smr_tensor){.name = "m",
                               .type = type,
                               .n_dims = 2,
                               .dims = {n_cols, n_rows, 1, 1},
                               .size = smr_type_size(type, n_cols) * n_rows};
}

static void expect_rows(struct fixture *fixture, const struct smr_tensor *tensor, uint64_t begin,
                        uint64_t n, const float *expected)
{
    float values[64];
    assert_true(smr_tensor_read(&fixture->model, tensor, begin, n, values));
    for (uint64_t i = 0; i < n * tensor->dims[0]; i++)
        assert_true(values[i] == expected[i]);
}

// What lies in the file, and a slice of it.
static void test_as_it_is(void **state)
{
    static const float data[] = {0, 1, 2, 3, 4, 5, 6, 7};
    struct smr_tensor tensor = matrix(SMR_F32, 2, 4), slice;
    struct fixture *fixture = *state;
    tensor.data = (const uint8_t *)data;
    expect_rows(fixture, &tensor, 1, 2, data + 2);
    assert_true(smr_tensor_slice(&tensor, "s", 1, 2, &fixture->arena, &slice));
    assert_string_equal(slice.name, "s");
    assert_int_equal(slice.size, 16);
    assert_ptr_equal(slice.data, data + 2);
    expect_rows(fixture, &slice, 1, 1, data + 4);

    struct smr_tensor vector = {.name = "v",
                                .type = SMR_F32,
                                .n_dims = 1,
                                .dims = {8, 1, 1, 1},
                                .size = 32,
                                .data = (const uint8_t *)data};
    assert_true(smr_tensor_slice(&vector, "s", 3, 2, &fixture->arena, &slice));
    expect_rows(fixture, &slice, 0, 1, data + 3);
    assert_int_equal(slice.dims[0], 2);
}

// BF16 made F32 with 1 added, of odd addresses.
static void test_converted(void **state)
{
    static const uint8_t bytes[] = {0, 0x80, 0x3f, 0x00, 0xc0, 0x20, 0x41, 0x00, 0x00};
    const uint8_t *part = bytes + 1;
    struct smr_tensor_source source = {.type = SMR_BF16,
                                       .parts = &part,
                                       .n_parts = 1,
                                       .part_rows = 1,
                                       .row_stride = 8,
                                       .element_stride = 2,
                                       .add = 1};
    struct smr_tensor tensor = matrix(SMR_F32, 4, 1), slice;
    tensor.n_dims = 1;
    tensor.source = &source;
    expect_rows(*state, &tensor, 0, 1, (float[]){2, -1, 11, 1});
    assert_true(smr_tensor_slice(&tensor, "s", 1, 2, &((struct fixture *)*state)->arena, &slice));
    expect_rows(*state, &slice, 0, 1, (float[]){-1, 11});
}

// A matrix of 4 rows of 3 that the file has as 3 rows of 4, and two of its rows.
static void test_transposed(void **state)
{
    static const float data[] = {0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23};
    const uint8_t *part = (const uint8_t *)data;
    struct smr_tensor_source source = {.type = SMR_F32,
                                       .parts = &part,
                                       .n_parts = 1,
                                       .part_rows = 4,
                                       .row_stride = 4,
                                       .element_stride = 16};
    struct smr_tensor tensor = matrix(SMR_F32, 3, 4), slice;
    tensor.source = &source;
    expect_rows(*state, &tensor, 0, 4, (float[]){0, 10, 20, 1, 11, 21, 2, 12, 22, 3, 13, 23});
    assert_true(smr_tensor_slice(&tensor, "s", 2, 2, &((struct fixture *)*state)->arena, &slice));
    expect_rows(*state, &slice, 1, 1, (float[]){3, 13, 23});
}

// Two heads of 4 rows: halves interleaved, per head.
static void test_reordered(void **state)
{
    static const float data[] = {0, 1, 2, 3, 4, 5, 6, 7};
    const uint8_t *part = (const uint8_t *)data;
    struct smr_tensor_source source = {.type = SMR_F32,
                                       .parts = &part,
                                       .n_parts = 1,
                                       .part_rows = 8,
                                       .row_stride = 4,
                                       .element_stride = 4,
                                       .n_heads = 2};
    struct smr_tensor tensor = matrix(SMR_F32, 1, 8);
    tensor.source = &source;
    expect_rows(*state, &tensor, 0, 8, (float[]){0, 2, 1, 3, 4, 6, 5, 7});
    expect_rows(*state, &tensor, 5, 2, (float[]){6, 5});
}

// Matrices of experts, one after the other.
static void test_stacked(void **state)
{
    static const float a[] = {0, 1, 2, 3}, b[] = {4, 5, 6, 7};
    const uint8_t *parts[] = {(const uint8_t *)a, (const uint8_t *)b};
    struct smr_tensor_source source = {.type = SMR_F32,
                                       .parts = parts,
                                       .n_parts = 2,
                                       .part_rows = 2,
                                       .row_stride = 8,
                                       .element_stride = 4};
    struct smr_tensor tensor = matrix(SMR_F32, 2, 2);
    tensor.n_dims = 3;
    tensor.dims[2] = 2;
    tensor.size *= 2;
    tensor.source = &source;
    assert_int_equal(smr_tensor_rows(&tensor), 4);
    expect_rows(*state, &tensor, 1, 2, (float[]){2, 3, 4, 5});
}

// Rows in another type, more than are turned into it at a time.
static void test_retyped(void **state)
{
    enum { COLS = 32, ROWS = 5000 };
    static float data[COLS * ROWS];
    static uint8_t expected[34 * ROWS], found[34 * ROWS];
    struct smr_tensor original = matrix(SMR_F32, COLS, ROWS), tensor = matrix(SMR_Q8_0, COLS, ROWS);
    struct smr_tensor_source source = {.original = &original};
    const struct fixture *fixture = *state;
    for (size_t i = 0; i < SMR_COUNT(data); i++)
        data[i] = (float)(i * 7919 % 1000) / 500 - 1;
    original.data = (const uint8_t *)data;
    tensor.source = &source;
    assert_true(smr_quantize_rows(SMR_Q8_0, data, ROWS, COLS, expected));
    assert_true(smr_tensor_read(&fixture->model, &tensor, 0, ROWS, found));
    assert_memory_equal(found, expected, sizeof expected);
    assert_true(smr_tensor_read(&fixture->model, &tensor, 3, 2, found));
    assert_memory_equal(found, expected + (size_t)3 * 34, (size_t)2 * 34);
    data[77] = 1e30f;
    assert_false(smr_tensor_read(&fixture->model, &tensor, 0, 3, found));
    assert_non_null(strstr(smr_context_error(fixture->context), "x: m: a value is not finite"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_metadata_without_memory),
        cmocka_unit_test_setup_teardown(test_as_it_is, setup, teardown),
        cmocka_unit_test_setup_teardown(test_converted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_transposed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reordered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stacked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_retyped, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
