// test_decode.c - the plain C decode of every block format against values from an independent
// decoder (golden/make_blocks.py). Exact, but for the order in which a product is rounded.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/decode.h"

struct golden_blocks {
    enum smr_type type;
    uint32_t n_elements;
    const uint8_t *blocks;
    const uint32_t *values;
};
#include "golden/blocks.h"

static float value_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void check(const struct golden_blocks *golden, const uint8_t *blocks)
{
    float *out = malloc(golden->n_elements * sizeof *out);
    assert_non_null(out);
    smr_decode_row(golden->type, blocks, golden->n_elements, out);
    for (uint32_t i = 0; i < golden->n_elements; i++) {
        const float expected = value_of(golden->values[i]);
        if (!(fabsf(out[i] - expected) <= 1e-7f * fabsf(expected)))
            fail_msg("%s: element %u is %.9g, not %.9g", smr_type_info(golden->type)->name, i,
                     (double)out[i], (double)expected);
    }
    free(out);
}

static void decodes_golden_blocks(void **state)
{
    for (size_t i = 0; i < SMR_COUNT(golden_blocks); i++)
        check(&golden_blocks[i], golden_blocks[i].blocks);
}

// Blocks in a file begin anywhere.
static void decodes_unaligned_blocks(void **state)
{
    for (size_t i = 0; i < SMR_COUNT(golden_blocks); i++) {
        const struct golden_blocks *golden = &golden_blocks[i];
        const size_t size = smr_type_size(golden->type, golden->n_elements);
        uint8_t *copy = malloc(size + 1);
        assert_non_null(copy);
        memcpy(copy + 1, golden->blocks, size);
        check(golden, copy + 1);
        free(copy);
    }
}

// A format that is in the table of types but not here would decode to nothing.
static void covers_every_type(void **state)
{
    for (uint32_t type = 0; type < 64; type++) {
        if (!smr_type_info((enum smr_type)type) || type == SMR_I32)
            continue;
        bool found = false;
        for (size_t i = 0; i < SMR_COUNT(golden_blocks); i++)
            found |= golden_blocks[i].type == type;
        if (!found)
            fail_msg("no golden blocks of type %s", smr_type_info((enum smr_type)type)->name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_golden_blocks),
        cmocka_unit_test(decodes_unaligned_blocks),
        cmocka_unit_test(covers_every_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
