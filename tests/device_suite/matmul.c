// matmul.c - cases of the matmul kernel: every format, sizes around those of its tiles.
#include "weights.h"

// For every type. Columns are whole blocks of all of them; five blocks make rows that begin in the
// middle of a word where the block is no multiple of four bytes, and are enough for GPUs to split.
static const struct matmul_case cases[] = {
    {1280, 67, 21, 1, 2, 3, SMR_MATMUL_BIAS | SMR_MATMUL_ADD, 32},
};

// For types whose rows may have any length.
static const struct matmul_case odd_cases[] = {
    {1, 1, 1},
    {31, 65, 9, 2, 0, 0, SMR_MATMUL_ADD},
    {577, 10, 33, 0, 0, 1, SMR_MATMUL_BIAS},
    {1501, 6, 7, 1, 0, 2, SMR_MATMUL_ADD},
};

// For one type of small blocks.
static const struct matmul_case more_cases[] = {
    {32, 1, 1},       {32, 64, 64},
    {96, 63, 65},     {96, 129, 31, 0, 0, 0, SMR_MATMUL_BIAS},
    {320, 64, 128},   {320, 200, 10, 0, 0, 9, SMR_MATMUL_ADD},
    {2048, 96, 17},   {576, 192, 77, 4, 8, 12, SMR_MATMUL_BIAS | SMR_MATMUL_ADD},
    {32, 70000, 9},   {32, 3, 3000, 5},
    {1024, 256, 256}, {64, 2040, 1000}, // large enough for each of the tiles of GPUs
    {96, 1020, 500},  {160, 1021, 250},
    {96, 1000, 127},  {2304, 10, 70, 3, 1, 5, SMR_MATMUL_BIAS | SMR_MATMUL_ADD},
    {4128, 33, 12},   {1056, 40, 9, 0, 0, 0, SMR_MATMUL_BIAS}, // splits of different lengths
};

static void run(struct suite *s, enum smr_type type, const struct matmul_case *table, size_t n)
{
    for (size_t i = 0; i < n; i++)
        suite_matmul_case(s, SMR_KERNEL_MATMUL, type, &table[i]);
}

void suite_matmul(struct suite *s)
{
    size_t n_types;
    const enum smr_type *types = suite_weight_types(&n_types);
    for (size_t i = 0; i < n_types; i++) {
        run(s, types[i], cases, SMR_COUNT(cases));
        if (smr_type_info(types[i])->block_elements == 1)
            run(s, types[i], odd_cases, SMR_COUNT(odd_cases));
    }
    run(s, SMR_Q4_0, more_cases, SMR_COUNT(more_cases));
}
