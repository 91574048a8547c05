// test_safetensors.c - the rules of the format, each broken in turn.
// https://huggingface.co/docs/safetensors
#include "support.h"

#include "model/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fixture {
    smr_context *context;
    struct smr_arena arena;
    uint8_t *bytes; // a copy that ends where the file does, for AddressSanitizer
    struct smr_safetensors file;
};

static int setup(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){.context = smr_context_create(NULL)};
    smr_arena_init(&fixture.arena, fixture.context);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    free(fixture->bytes);
    smr_arena_finish(&fixture->arena);
    smr_context_destroy(fixture->context);
    return 0;
}

static bool parse_bytes(struct fixture *fixture, const void *bytes, size_t size)
{
    free(fixture->bytes);
    fixture->bytes = malloc(size ? size : 1);
    memcpy(fixture->bytes, bytes, size);
    smr_context_clear_error(fixture->context);
    fixture->file = (struct smr_safetensors){.context = fixture->context,
                                             .arena = &fixture->arena,
                                             .path = "x",
                                             .data = fixture->bytes,
                                             .size = size};
    return smr_safetensors_parse(&fixture->file);
}

// A header that says how long it is, and n_data bytes behind it.
static size_t build(uint8_t *bytes, const char *header, size_t n_data)
{
    size_t size = strlen(header);
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)((uint64_t)size >> 8 * i);
    memcpy(bytes + 8, header, size);
    for (size_t i = 0; i < n_data; i++)
        bytes[8 + size + i] = (uint8_t)(i + 1);
    return 8 + size + n_data;
}

static bool parse(struct fixture *fixture, const char *header, size_t n_data)
{
    uint8_t bytes[1024];
    assert_true(strlen(header) + n_data + 8 <= sizeof bytes);
    return parse_bytes(fixture, bytes, build(bytes, header, n_data));
}

static const char good[] = "{\"__metadata__\":{\"format\":\"pt\"},"
                           "\"b\":{\"dtype\":\"BF16\",\"shape\":[2,3],\"data_offsets\":[8,20]},"
                           "\"none\":{\"dtype\":\"I64\",\"shape\":[0],\"data_offsets\":[8,8]},"
                           "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
                           "\"one\":{\"dtype\":\"F16\",\"shape\":[],\"data_offsets\":[20,22]}}   ";

static void test_good(void **state)
{
    struct fixture *fixture = *state;
    assert_true(parse(fixture, good, 22));
    const struct smr_safetensors *file = &fixture->file;
    assert_int_equal(file->n_tensors, 4);
    assert_string_equal(file->tensors[0].name, "a");
    assert_string_equal(file->tensors[1].name, "none");
    assert_string_equal(file->tensors[2].name, "b");
    assert_string_equal(file->tensors[3].name, "one");
    assert_int_equal(file->tensors[2].n_dims, 2);
    assert_int_equal(file->tensors[2].dims[0], 2);
    assert_int_equal(file->tensors[2].dims[1], 3);
    assert_int_equal(file->tensors[2].type->type, SMR_BF16);
    assert_int_equal(file->tensors[2].data[0], 9);
    assert_int_equal(file->tensors[2].size, 12);
    assert_false(file->tensors[1].type->supported);
    assert_true(parse(fixture, "{}", 0));
    assert_int_equal(fixture->file.n_tensors, 0);
}

#define ONE(dtype, shape, offsets)                                                                 \
    "{\"a\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

static void test_rules(void **state)
{
    static const struct {
        const char *header;
        size_t n_data;
        const char *error;
    } cases[] = {
        {"{\"a\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[0,2]},"
         "\"a\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[2,4]}}",
         4, "duplicate"},
        {"{\"a\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[0,2]},"
         "\"b\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[4,6]}}",
         6, "x: b: begins at 4, where the tensors before it end at 2: the file has a hole"},
        {"{\"a\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]},"
         "\"b\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[2,6]}}",
         6, "x: b: begins at 2, inside of another that ends at 4"},
        {"{\"a\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]},"
         "\"b\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]}}",
         4, "b: begins at 0, inside of another"},
        {ONE("F16", "[1]", "[2,4]"), 4, "begins at 2, where the tensors before it end at 0"},
        {ONE("F16", "[1]", "[0,2]"), 3, "x: data: 1 bytes after the last tensor belong to none"},
        {ONE("F16", "[1]", "[0,2]"), 1, "2 bytes of data at offset 0 lie beyond the file's end"},
        {ONE("F16", "[3]", "[0,4]"), 4,
         "x: a: has 4 bytes of data, where its shape and dtype F16 make 6"},
        {ONE("F32", "[1]", "[0,2]"), 2,
         "has 2 bytes of data, where its shape and dtype F32 make 4"},
        {ONE("F16", "[1]", "[2,0]"), 2, "data_offsets are not the two ends of its bytes"},
        {ONE("F16", "[1]", "[0]"), 2, "data_offsets are not"},
        {ONE("F16", "[1]", "[0,-2]"), 2, "data_offsets are not"},
        {ONE("F16", "[1]", "[0,2.0]"), 2, "data_offsets are not"},
        {ONE("F16", "[1]", "[0,2,4]"), 2, "data_offsets are not"},
        {ONE("F16", "[1]", "{}"), 2, "data_offsets are not"},
        {ONE("F16", "[-1]", "[0,2]"), 2, "dimension 0 is no whole number"},
        {ONE("F16", "[1.5]", "[0,2]"), 2, "dimension 0 is no whole number"},
        {ONE("F16", "[\"1\"]", "[0,2]"), 2, "dimension 0 is no whole number"},
        {ONE("F16", "1", "[0,2]"), 2, "shape is no list"},
        {ONE("F16", "[1,1,1,1,1,1,1,1,1]", "[0,2]"), 2, "shape is no list of at most 8"},
        {ONE("F16", "[4611686018427387904,4]", "[0,2]"), 2, "too large"},
        {ONE("F16", "[9223372036854775807,3]", "[0,2]"), 2, "too large"},
        {ONE("F16", "[9223372036854775808]", "[0,2]"), 2, "too big integer"},
        {ONE("Q4", "[1]", "[0,2]"), 2, "x: a: dtype \"Q4\" is not known"},
        {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,2]}}", 2, "dtype \"(none)\""},
        {"{\"a\":{\"dtype\":1,\"shape\":[1],\"data_offsets\":[0,2]}}", 2, "dtype \"(none)\""},
        {"{\"a\":{\"dtype\":\"F16\",\"data_offsets\":[0,2]}}", 2, "shape is no list"},
        {"{\"a\":{\"dtype\":\"F16\",\"shape\":[1]}}", 2, "data_offsets are not"},
        {"{\"a\":7}", 0, "x: a: is no object"},
        {"{\"\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[0,2]}}", 2, "without a name"},
        {"[]", 0, "does not begin with \"{\""},
        {"", 0, "does not begin with \"{\""},
        {" {}", 0, "does not begin with \"{\""},
        {"{\"a\"", 0, "x: line 1, column 4: "},
        {"{} x", 0, "x: line 1, column 4: "},
        {"{\"\\u0000\":1}", 0, "x: line 1"},
        {"{\"\xff\":1}", 0, "x: line 1"},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < SMR_COUNT(cases); i++) {
        assert_false(parse(fixture, cases[i].header, cases[i].n_data));
        if (!strstr(smr_context_error(fixture->context), cases[i].error))
            fail_msg("%s: \"%s\" has no \"%s\"", cases[i].header,
                     smr_context_error(fixture->context), cases[i].error);
        assert_int_equal(smr_context_status(fixture->context), SMR_ERROR_MODEL);
    }
}

// The header's size: more than the limit, more than the file.
static void test_header_size(void **state)
{
    struct fixture *fixture = *state;
    uint8_t bytes[64] = {0};
    size_t size = build(bytes, "{}", 0);
    bytes[0] = 3;
    assert_false(parse_bytes(fixture, bytes, size));
    assert_string_equal(smr_context_error(fixture->context),
                        "x: header: 3 bytes go beyond the file's end at 10: it is cut or damaged");
    memcpy(bytes, "\x00\xe1\xf5\x05\0\0\0", 8); // 100,000,000
    assert_false(parse_bytes(fixture, bytes, size));
    assert_non_null(strstr(smr_context_error(fixture->context), "beyond the file's end"));
    bytes[0] = 1;
    assert_false(parse_bytes(fixture, bytes, size));
    assert_string_equal(smr_context_error(fixture->context),
                        "x: header: 100000001 bytes, the limit is 100000000: damaged, or not a "
                        "safetensors file");
    memset(bytes, 0xff, 8);
    assert_false(parse_bytes(fixture, bytes, size));
    assert_non_null(strstr(smr_context_error(fixture->context), "the limit is"));
}

// Cut after each byte, and with each byte changed: an error, or a file whose tensors lie inside.
static void test_cut_and_damaged(void **state)
{
    struct fixture *fixture = *state;
    uint8_t bytes[1024];
    size_t size = build(bytes, good, 22);
    for (size_t cut = 0; cut < size; cut++) {
        assert_false(parse_bytes(fixture, bytes, cut));
        assert_int_equal(smr_context_status(fixture->context), SMR_ERROR_MODEL);
    }
    for (size_t at = 0; at < size - 22; at++) {
        static const uint8_t flips[] = {0x01, 0x02, 0x10, 0x80, 0xff};
        for (size_t k = 0; k < SMR_COUNT(flips); k++) {
            bytes[at] ^= flips[k];
            bool parsed = parse_bytes(fixture, bytes, size);
            bytes[at] ^= flips[k];
            const struct smr_safetensors *file = &fixture->file;
            for (uint32_t i = 0; parsed && i < file->n_tensors; i++)
                assert_true(file->tensors[i].data >= file->data &&
                            file->tensors[i].data + file->tensors[i].size <=
                                file->data + file->size);
        }
    }
}

static void test_without_memory(void **state)
{
    uint8_t bytes[1024];
    size_t size = build(bytes, good, 22);
    bool parsed = false;
    for (size_t fail_at = 2; !parsed; fail_at++) { // the first call makes the context
        struct test_memory memory = {.fail_at = fail_at};
        smr_context *context = test_context(&memory, NULL);
        struct smr_arena arena;
        smr_arena_init(&arena, context);
        struct smr_safetensors file = {
            .context = context, .arena = &arena, .path = "x", .data = bytes, .size = size};
        parsed = smr_safetensors_parse(&file);
        assert_int_equal(smr_context_status(context), parsed ? SMR_OK : SMR_ERROR_MEMORY);
        smr_arena_finish(&arena);
        smr_context_destroy(context);
        assert_int_equal(memory.n_live, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_good, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rules, setup, teardown),
        cmocka_unit_test_setup_teardown(test_header_size, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cut_and_damaged, setup, teardown),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
