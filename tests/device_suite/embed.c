// embed.c - cases of the embed kernel: every format, tables split by rows, both forms of index.
#include "blocks.h"

static const struct {
    uint32_t n_cols; // whole blocks of every type
    uint32_t n_rows, index_stride, index_offset;
    uint32_t n_vocab, row_begin, row_count; // of a table of n_vocab rows, these are here
    uint32_t flags;
    float scale;
} cases[] = {
    {768, 3, 1, 0, 50, 0, 50, 0, 1.0f},
    {256, 9, 4, 0, 40, 10, 17, 0, 25.298221f},
    {512, 7, 4, 1, 20, (uint32_t)-2, 22, SMR_EMBED_ADD, 1.0f}, // indexes begin at the third row
};

static const uint32_t odd_cols[] = {1, 3, 5, 31, 577, 1031};

static void run(struct suite *s, enum smr_type type, size_t i, uint32_t n_cols)
{
    struct smr_embed_push push = {
        .n_cols = n_cols,
        .n_rows = cases[i].n_rows,
        .index_stride = cases[i].index_stride,
        .index_offset = cases[i].index_offset,
        .row_begin = cases[i].row_begin,
        .row_count = cases[i].row_count,
        .flags = cases[i].flags,
        .scale = cases[i].scale,
    };
    struct suite_case c = {
        .id = SMR_KERNEL_EMBED,
        .type = type,
        .name = suite_printf(s, "%u of %u columns, stride %u, rows %d to %u of %u, scale %g%s",
                             push.n_rows, push.n_cols, push.index_stride, (int)push.row_begin,
                             push.row_begin + push.row_count, cases[i].n_vocab, (double)push.scale,
                             push.flags & SMR_EMBED_ADD ? ", added" : ""),
        .push = &push,
    };
    c.operands[0] = suite_weights(s, type, (uint64_t)push.row_count * push.n_cols);
    c.operands[1] = suite_bytes(s, ((size_t)push.n_rows * push.index_stride) * sizeof(uint32_t));
    c.operands[2] = suite_floats(s, (size_t)push.n_rows * push.n_cols, 1.0f);
    uint32_t *index = c.operands[1].data;
    for (uint32_t r = 0; index && r < push.n_rows; r++)
        index[r * push.index_stride + push.index_offset] = suite_random(s, cases[i].n_vocab);
    if (index) { // the ends of what is here, and one that is not
        index += push.index_offset;
        index[0] = push.row_begin + push.row_count - 1;
        index[push.index_stride] = push.row_begin;
        index[2 * push.index_stride] = push.row_begin + push.row_count;
    }
    suite_run(s, &c);
}

void suite_embed(struct suite *s)
{
    size_t n_types;
    const enum smr_type *types = suite_weight_types(&n_types);
    for (size_t t = 0; t < n_types; t++) {
        for (size_t i = 0; i < SMR_COUNT(cases); i++)
            run(s, types[t], i, cases[i].n_cols);
        if (smr_type_info(types[t])->block_elements == 1)
            for (size_t i = 0; i < SMR_COUNT(odd_cols); i++)
                run(s, types[t], 1, odd_cols[i]);
    }
}
