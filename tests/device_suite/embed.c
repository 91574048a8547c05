// embed.c - cases of the embed kernel: every format, tables split by rows, both forms of index.
#include "weights.h"

static const struct {
    uint32_t n_cols; // whole blocks of every type
    uint32_t n_rows, index_stride, index_offset;
    uint32_t row_begin, row_count; // of a larger table, these rows are here
    uint32_t flags;
    float scale;
} cases[] = {
    {768, 3, 1, 0, 0, 50, 0, 1.0f},
    {256, 9, 4, 0, 10, 17, 0, 25.298221f},
    {512, 7, 4, 1, (uint32_t)-2, 22, SMR_EMBED_ADD, 1.0f}, // indexes begin at the third row
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
        .table_at = 32 * (uint32_t)i,
        .flags = cases[i].flags,
        .scale = cases[i].scale,
    };
    suite_run(s,
              suite_printf(s, "%u of %u columns, stride %u, rows %d to %u at %u, scale %g%s",
                           push.n_rows, push.n_cols, push.index_stride, (int)push.row_begin,
                           push.row_begin + push.row_count, push.table_at, (double)push.scale,
                           push.flags & SMR_EMBED_ADD ? ", added" : ""),
              &(struct smr_case_params){.id = SMR_KERNEL_EMBED, .type = type, .push = &push});
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
