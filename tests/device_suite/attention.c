// attention.c - cases of the attention kernel: head sizes 2 to 512, grouped queries, windows,
// soft-capping, splits (more than there are keys, too), scattered pages, several sequences, padding,
// keys to the end of a sequence, biases by distance.
#include "suite_impl.h"

enum { FULL = SMR_ATTENTION_FULL, BIAS = SMR_ATTENTION_BIAS };

static const struct attention_case {
    enum smr_type type;
    uint32_t n_rows, n_heads, n_kv_heads, head_dim;
    uint32_t page_size, window, n_splits;
    uint32_t last_position, n_sequences;
    uint32_t gap; // added to the strides
    float softcap;
    uint32_t flags, reach;
} cases[] = {
    {SMR_F32, 1, 1, 1, 2, 1, 0, 1, 0, 1, 0, 0},
    {SMR_F32, 1, 3, 1, 8, 16, 0, 1, 5, 1, 0, 0},
    {SMR_F32, 3, 9, 3, 64, 16, 0, 1, 200, 2, 3, 0},
    {SMR_F32, 2, 4, 2, 42, 7, 0, 1, 65, 1, 0, 0},
    {SMR_F32, 1, 2, 1, 256, 32, 0, 3, 130, 1, 0, 0},
    {SMR_F32, 1, 2, 2, 512, 64, 0, 1, 100, 1, 0, 0},
    {SMR_F32, 4, 4, 4, 80, 16, 20, 1, 63, 3, 0, 0},
    {SMR_F16, 1, 9, 3, 64, 16, 0, 1, 700, 1, 0, 0},
    {SMR_F16, 1, 14, 2, 64, 32, 0, 8, 1000, 1, 0, 0},
    {SMR_F16, 6, 4, 1, 256, 32, 0, 1, 300, 3, 256, 0},
    {SMR_F16, 2, 4, 1, 256, 32, 100, 4, 300, 1, 0, 0},
    {SMR_F16, 1, 8, 4, 128, 16, 0, 4, 2, 1, 0, 0}, // empty splits
    {SMR_F16, 2, 8, 4, 128, 16, 64, 2, 500, 2, 0, 30},
    {SMR_F16, 3, 6, 2, 10, 16, 0, 1, 40, 1, 1, 50},
    {SMR_F16, 40, 3, 1, 16, 16, 0, 1, 0, 1, 0, 0}, // a prompt: row i at position i
    {SMR_F16, 33, 14, 2, 64, 16, 0, 1, 0, 1, 0, 0},
    {SMR_F16, 50, 4, 2, 32, 16, 9, 1, 0, 2, 0, 0},
    {SMR_F32, 70, 8, 1, 96, 32, 0, 1, 0, 1, 0, 20},
    {SMR_F16, 9, 14, 2, 64, 16, 90, 3, 200, 1, 0, 0},
    {SMR_F16, 130, 4, 2, 10, 16, 0, 2, 0, 3, 1, 0},
    {SMR_F32, 18, 2, 1, 512, 16, 0, 1, 100, 2, 0, 0},
    {SMR_Q8_0, 1, 9, 3, 64, 16, 0, 1, 700, 1, 0, 0},
    {SMR_Q8_0, 3, 4, 1, 256, 32, 200, 3, 500, 2, 0, 0},
    {SMR_Q8_0, 2, 6, 6, 32, 16, 0, 1, 77, 2, 5, 15},
    {SMR_Q8_0, 21, 6, 2, 96, 16, 0, 1, 0, 1, 0, 0},
    // A source that sees itself; a text that sees a source; biases with a reach beyond the keys and
    // short of them.
    {SMR_F32, 3, 6, 6, 64, 16, 0, 1, 90, 1, 0, 0, FULL, 0},
    {SMR_F32, 1, 2, 1, 2, 1, 0, 1, 3, 1, 0, 0, FULL | BIAS, 1},
    {SMR_F32, 19, 6, 6, 64, 16, 0, 1, 0, 1, 0, 0, FULL | BIAS, 128},
    {SMR_F32, 37, 3, 3, 20, 16, 0, 1, 0, 3, 5, 0, FULL | BIAS, 7},
    {SMR_F16, 40, 8, 2, 64, 32, 0, 1, 0, 2, 0, 0, FULL | BIAS, 20},
    {SMR_F16, 1, 6, 6, 64, 64, 0, 3, 600, 1, 0, 0, FULL, 0},
    {SMR_F16, 5, 4, 4, 32, 16, 0, 2, 150, 3, 2, 0, FULL | BIAS, 31},
    {SMR_F16, 1, 6, 6, 64, 64, 0, 1, 300, 1, 0, 0, BIAS, 128},
    {SMR_F32, 23, 6, 6, 42, 16, 0, 1, 0, 2, 0, 0, BIAS, 9},
    {SMR_F16, 30, 4, 1, 64, 16, 11, 1, 0, 1, 0, 20, BIAS, 5},
    {SMR_F16, 2, 8, 2, 64, 16, 50, 4, 400, 2, 0, 0, BIAS, 40},
    {SMR_F32, 1, 2, 2, 256, 16, 0, 2, 70, 1, 0, 0, BIAS, 0},
    {SMR_Q8_0, 17, 4, 2, 64, 16, 0, 1, 0, 1, 0, 0, FULL | BIAS, 128},
    {SMR_Q8_0, 1, 4, 4, 32, 16, 0, 4, 500, 1, 0, 0, BIAS, 60},
    {SMR_Q8_0, 1, 8, 8, 96, 32, 0, 2, 260, 1, 0, 0, FULL, 0},
};

static void run(struct suite *s, const struct attention_case *p)
{
    const uint32_t last = p->last_position ? p->last_position : p->n_rows;
    const uint32_t max_pages = last / p->page_size + 1;
    const struct smr_attention_push push = {
        .n_rows = p->n_rows,
        .n_heads = p->n_heads,
        .n_kv_heads = p->n_kv_heads,
        .head_dim = p->head_dim,
        .q_stride = p->n_heads * p->head_dim + p->gap,
        .out_stride = p->n_heads * p->head_dim + 2 * p->gap,
        .page_size = p->page_size,
        .max_pages = max_pages,
        .window = p->window,
        .n_splits = p->n_splits,
        .scale = 0.3f,
        .softcap = p->softcap,
        .flags = p->flags,
        .reach = p->reach,
    };
    const struct smr_case_params params = {.id = SMR_KERNEL_ATTENTION,
                                           .type = p->type,
                                           .push = &push,
                                           .last_position = p->last_position,
                                           .n_sequences = p->n_sequences};
    suite_run(s,
              suite_printf(s, "%u rows of %u, %u/%u heads of %u, to %u, window %u, %u splits%s%s%s",
                           p->n_rows, p->n_sequences, p->n_heads, p->n_kv_heads, p->head_dim, last,
                           p->window, p->n_splits, p->softcap > 0 ? ", softcap" : "",
                           p->flags & FULL ? ", full" : "", p->flags & BIAS ? ", bias" : ""),
              &params);
}

void suite_attention(struct suite *s)
{
    for (size_t i = 0; i < SMR_COUNT(cases); i++)
        run(s, &cases[i]);
}
