// test_quantize.c - the quantisers against ggml's own: golden/make_quants.py. Bit for bit.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/decode.h"
#include "base/file.h"
#include "model/quantize.h"

enum { N_LARGE = 1 << 18, MAX_TYPES = 32 };

static struct golden {
    uint8_t *file; // owned
    const float *values;
    uint32_t n;
    struct golden_type {
        enum smr_type type;
        const uint8_t *blocks;
        uint32_t size; // bytes
        uint32_t large_crc;
    } types[MAX_TYPES];
    size_t n_types;
} golden;

static int read_golden(void **state)
{
    char path[512];
    snprintf(path, sizeof path, "%s/golden/quants.bin", getenv("SMR_TEST_DIR"));
    FILE *file = fopen(path, "rb");
    if (!file)
        return -1;
    enum { ROOM = 1 << 16 };
    golden.file = malloc(ROOM);
    const size_t size = fread(golden.file, 1, ROOM, file);
    fclose(file);
    struct smr_cursor cursor = smr_cursor_make(golden.file, size);
    golden.n = smr_cursor_u32(&cursor);
    golden.values =
        (const float *)(const void *)smr_cursor_bytes(&cursor, golden.n * sizeof(float));
    while (cursor.offset < size && !cursor.failed && golden.n_types < MAX_TYPES) {
        struct golden_type *type = &golden.types[golden.n_types++];
        type->type = (enum smr_type)smr_cursor_u32(&cursor);
        type->size = smr_cursor_u32(&cursor);
        type->blocks = smr_cursor_bytes(&cursor, type->size);
        type->large_crc = smr_cursor_u32(&cursor);
    }
    return cursor.failed ? -1 : 0;
}

static int free_golden(void **state)
{
    free(golden.file);
    return 0;
}

// What golden/make_quants.py calls large_values().
static float *make_large(void)
{
    float *values = malloc(N_LARGE * sizeof *values), scale = 1;
    uint64_t state = 12345;
    assert_non_null(values);
#define DRAW() (uint32_t)((state = state * 6364136223846793005u + 1442695040888963407u) >> 40)
    for (int i = 0; i < N_LARGE; i++) {
        if (i % 32 == 0)
            scale = ldexpf(1, -(int)(DRAW() % 8));
        int32_t total = -(1 << 23);
        for (int k = 0; k < 4; k++)
            total += (int32_t)(DRAW() >> 2);
        values[i] = (float)total * 0x1p-23f * scale * (DRAW() % 64 ? 1 : 8);
    }
#undef DRAW
    return values;
}

static uint32_t crc32_of(const uint8_t *data, size_t size) // as zlib's
{
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

static void matches_ggml(void **state)
{
    for (size_t t = 0; t < golden.n_types; t++) {
        const struct golden_type *type = &golden.types[t];
        const struct smr_type_info *info = smr_type_info(type->type);
        assert_non_null(info);
        uint8_t *blocks = malloc(type->size);
        assert_int_equal(type->size, smr_type_size(type->type, golden.n));
        assert_true(smr_quantize_rows(type->type, golden.values, 1, golden.n, blocks));
        for (uint32_t i = 0; i < type->size; i++)
            if (blocks[i] != type->blocks[i])
                fail_msg("%s: byte %u of block %u is %u, not %u", info->name, i % info->block_size,
                         i / info->block_size, blocks[i], type->blocks[i]);
        free(blocks);
    }
}

static void matches_ggml_on_many(void **state)
{
    float *values = make_large();
    for (size_t t = 0; t < golden.n_types; t++) {
        const struct golden_type *type = &golden.types[t];
        const size_t size = smr_type_size(type->type, N_LARGE);
        uint8_t *blocks = malloc(size);
        assert_true(smr_quantize_rows(type->type, values, 64, N_LARGE / 64, blocks));
        if (crc32_of(blocks, size) != type->large_crc)
            fail_msg("%s: other blocks than ggml's", smr_type_info(type->type)->name);
        free(blocks);
    }
    free(values);
}

// A type that the engine reads and nobody checks would go unnoticed.
static void covers_every_type(void **state)
{
    for (uint32_t type = 0; type < 64; type++) {
        if (!smr_type_info((enum smr_type)type))
            continue;
        assert_int_equal(smr_can_quantize((enum smr_type)type), type != SMR_I32);
        bool found = type == SMR_F32 || type == SMR_I32;
        for (size_t t = 0; t < golden.n_types; t++)
            found |= golden.types[t].type == type;
        if (!found)
            fail_msg("no golden blocks of type %s", smr_type_info((enum smr_type)type)->name);
    }
}

static void keeps_f32(void **state)
{
    float copy[256];
    assert_true(smr_quantize_rows(SMR_F32, golden.values, 2, 128, copy));
    assert_memory_equal(copy, golden.values, sizeof copy);
}

// Every number that f16 has, what lies halfway to the next, and their neighbours in f32.
static void rounds_to_f16(void **state)
{
    for (uint32_t half = 0; half < 0x7bff; half++) {
        const float low = smr_f16_to_f32((uint16_t)half),
                    high = smr_f16_to_f32((uint16_t)(half + 1));
        const float middle = (low + high) / 2;
        const float values[] = {low,
                                -low,
                                middle,
                                -middle,
                                nextafterf(middle, 0),
                                nextafterf(middle, high),
                                nextafterf(-middle, 0),
                                high};
        uint16_t halves[SMR_COUNT(values)];
        assert_true(smr_quantize_rows(SMR_F16, values, 1, SMR_COUNT(values), halves));
        for (size_t i = 0; i < SMR_COUNT(values); i++)
            if (halves[i] != smr_f32_to_f16(values[i]))
                fail_msg("%.9g became %04x", (double)values[i], halves[i]);
    }
}

// Numbers at the edges of what floats can say: no undefined behaviour, and no block that decodes to
// what is not finite.
static void takes_extremes(void **state)
{
    static const float edges[] = {0,      -0.0f,    1e-45f,  -1e-45f, 1e-38f, 65504,
                                  -65504, 1e-15f,   -1e-15f, 1e-30f,  6e-8f,  -6e-8f,
                                  1,      0.99999f, 1e-20f,  -1};
    float values[512], decoded[512];
    uint8_t blocks[sizeof values];
    for (int group = 0; group < 16; group++) // one edge, all of one, and mixtures
        for (int i = 0; i < 32; i++)
            values[group * 32 + i] = group < 4    ? edges[(i * (group + 1)) % 16]
                                     : group < 8  ? edges[group * 2 - 6]
                                     : group < 12 ? (i == 5 ? edges[group + 1] : 0)
                                                  : edges[1 + i % (group - 10)];
    for (size_t t = 0; t < golden.n_types; t++) {
        const enum smr_type type = golden.types[t].type;
        assert_true(smr_quantize_rows(type, values, 1, 512, blocks));
        smr_decode_row(type, blocks, 512, decoded);
        for (int i = 0; i < 512; i++)
            if (!isfinite(decoded[i]) || fabsf(decoded[i]) > 2 * 65504)
                fail_msg("%s: %g became %g", smr_type_info(type)->name, (double)values[i],
                         (double)decoded[i]);
    }
}

static void refuses_what_does_not_fit(void **state)
{
    const float bad[] = {NAN, INFINITY, -INFINITY, 65600, -1e30f};
    float values[256] = {0};
    uint8_t blocks[sizeof values];
    for (size_t i = 0; i < SMR_COUNT(bad); i++) {
        values[100] = bad[i];
        for (size_t t = 0; t < golden.n_types; t++)
            assert_int_equal(smr_quantize_rows(golden.types[t].type, values, 1, 256, blocks),
                             golden.types[t].type == SMR_BF16);
        assert_true(smr_quantize_rows(SMR_F32, values, 1, 256, blocks));
    }
}

// llama.cpp's fallbacks (src/llama-quant.cpp, tensor_type_fallback()).
static void chooses_types_that_fit(void **state)
{
    assert_int_equal(smr_fitting_type(SMR_Q4_K, 512), SMR_Q4_K);
    assert_int_equal(smr_fitting_type(SMR_Q4_K, 576), SMR_Q5_0);
    assert_int_equal(smr_fitting_type(SMR_Q5_K, 96), SMR_Q5_1);
    assert_int_equal(smr_fitting_type(SMR_Q6_K, 32), SMR_Q8_0);
    assert_int_equal(smr_fitting_type(SMR_Q3_K, 32), SMR_Q4_0);
    assert_int_equal(smr_fitting_type(SMR_Q2_K, 48), SMR_F16);
    assert_int_equal(smr_fitting_type(SMR_Q8_0, 33), SMR_F16);
    assert_int_equal(smr_fitting_type(SMR_BF16, 33), SMR_BF16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_ggml),
        cmocka_unit_test(matches_ggml_on_many),
        cmocka_unit_test(covers_every_type),
        cmocka_unit_test(keeps_f32),
        cmocka_unit_test(rounds_to_f16),
        cmocka_unit_test(takes_extremes),
        cmocka_unit_test(refuses_what_does_not_fit),
        cmocka_unit_test(chooses_types_that_fit),
    };
    return cmocka_run_group_tests(tests, read_golden, free_golden);
}
