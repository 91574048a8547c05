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

// Without splits all is plain. With them the maximum of an empty split, -3e38, would drown the
// rest.
static size_t decode(const struct suite_case *c, uint32_t binding, const void *data, float *values)
{
    const size_t n = c->operands[binding].size / sizeof *values;
    for (size_t i = 0; i < n; i++) {
        const float value = ((const float *)data)[i];
        values[i] = value < -1e38f ? -1.0f : value;
    }
    return n;
}

// Either a prompt (last_position 0), its rows shared out in runs among the sequences, or rows at
// random positions up to the last. Every sixth row of those is padding.
static struct suite_operand make_rows(struct suite *s, const struct attention_case *p)
{
    struct suite_operand operand = suite_bytes(s, p->n_rows * sizeof(struct smr_row));
    struct smr_row *rows = operand.data;
    const uint32_t run = smr_div_up(p->n_rows, p->n_sequences);
    for (uint32_t i = 0; rows && i < p->n_rows; i++) {
        const bool prompt = p->last_position == 0;
        rows[i].sequence = prompt ? i / run : i % p->n_sequences;
        rows[i].position = prompt               ? i % run
                           : i + 1 == p->n_rows ? p->last_position
                                                : suite_random(s, p->last_position + 1);
        rows[i].slot = !prompt && i % 6 == 5 ? SMR_NO_SLOT : 0;
    }
    if (rows && p->n_rows > 30)
        rows[p->n_rows - 1].slot = SMR_NO_SLOT; // a prompt that was padded
    return operand;
}

// Every sequence has pages of its own, in random order.
static struct suite_operand make_pages(struct suite *s, uint32_t n_pages)
{
    struct suite_operand operand = suite_bytes(s, n_pages * sizeof(uint32_t));
    uint32_t *pages = operand.data;
    for (uint32_t i = 0; pages && i < n_pages; i++) {
        const uint32_t other = suite_random(s, i + 1);
        pages[i] = pages[other];
        pages[other] = i;
    }
    return operand;
}

// Sequences of any length that the pages hold. One of several is empty.
static struct suite_operand make_lengths(struct suite *s, uint32_t n_sequences, uint32_t most)
{
    struct suite_operand operand = suite_bytes(s, n_sequences * sizeof(uint32_t));
    uint32_t *lengths = operand.data;
    for (uint32_t i = 0; lengths && i < n_sequences; i++)
        lengths[i] = i + 1 == n_sequences && i ? 0 : 1 + suite_random(s, most);
    return operand;
}

static void run(struct suite *s, const struct attention_case *p)
{
    const uint32_t last = p->last_position ? p->last_position : p->n_rows;
    const uint32_t max_pages = last / p->page_size + 1, n_pages = max_pages * p->n_sequences;
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
    struct suite_case c = {
        .id = SMR_KERNEL_ATTENTION,
        .type = p->type,
        .name =
            suite_printf(s, "%u rows of %u, %u/%u heads of %u, to %u, window %u, %u splits%s%s%s",
                         p->n_rows, p->n_sequences, p->n_heads, p->n_kv_heads, p->head_dim, last,
                         p->window, p->n_splits, p->softcap > 0 ? ", softcap" : "",
                         p->flags & FULL ? ", full" : "", p->flags & BIAS ? ", bias" : ""),
        .push = &push,
        .decode = decode,
    };
    const size_t n_cached = (size_t)n_pages * p->page_size * p->n_kv_heads * p->head_dim;
    c.operands[0] = make_rows(s, p);
    c.operands[1] = make_pages(s, n_pages);
    c.operands[2] = suite_floats(s, (size_t)p->n_rows * push.q_stride, 2.0f);
    c.operands[3] = suite_cache(s, p->type, n_cached);
    c.operands[4] = suite_cache(s, p->type, n_cached);
    const size_t n_out = p->n_splits == 1
                             ? (size_t)p->n_rows * push.out_stride
                             : (size_t)p->n_rows * p->n_heads * p->n_splits * (p->head_dim + 2);
    c.operands[5] = suite_floats(s, n_out, 1.0f);
    c.operands[6] = p->flags & FULL ? make_lengths(s, p->n_sequences, max_pages * p->page_size)
                                    : suite_anything(s);
    c.operands[7] = p->flags & BIAS
                        ? suite_floats(s, (size_t)p->n_heads * (2 * (size_t)p->reach + 1), 3.0f)
                        : suite_anything(s);
    suite_run(s, &c);
}

void suite_attention(struct suite *s)
{
    for (size_t i = 0; i < SMR_COUNT(cases); i++)
        run(s, &cases[i]);
}
