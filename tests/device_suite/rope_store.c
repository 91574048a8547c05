// rope_store.c - cases of the rope_store kernel: both layouts of pairs, partial rotation, positions
// up to a million, every type of cache, padding rows, scattered slots.
#include "suite_impl.h"

#include "kernel/twin/twin.h"

#include <math.h>

static const struct rope_case {
    enum smr_type type;
    uint32_t n_rows, n_heads, n_kv_heads, head_dim, rope_dim;
    uint32_t gap; // added to the strides
    uint32_t flags;
    uint32_t last_position;
    float magnitude;
} cases[] = {
    {SMR_F32, 1, 1, 1, 2, 2, 0, 0, 10, 1},
    {SMR_F32, 5, 3, 1, 8, 8, 1, SMR_ROPE_NEOX, 100, 1},
    {SMR_F32, 4, 9, 3, 64, 64, 0, 0, 4096, 1},
    {SMR_F32, 4, 4, 2, 80, 32, 5, SMR_ROPE_NEOX, 1000000, 1.25f},
    {SMR_F32, 3, 2, 2, 42, 20, 0, 0, 131072, 0.5f},
    {SMR_F16, 1, 9, 3, 64, 64, 0, 0, 2048, 1},
    {SMR_F16, 7, 14, 2, 64, 64, 64, SMR_ROPE_NEOX, 32768, 1},
    {SMR_F16, 3, 4, 1, 256, 256, 0, SMR_ROPE_NEOX, 1000000, 1},
    {SMR_F16, 2, 3, 3, 6, 4, 3, SMR_ROPE_NEOX, 77, 1},
    {SMR_F16, 33, 2, 1, 16, 16, 0, 0, 5000, 1},
    {SMR_Q8_0, 1, 9, 3, 64, 64, 0, 0, 2048, 1},
    {SMR_Q8_0, 5, 14, 2, 64, 64, 3, SMR_ROPE_NEOX, 32768, 1},
    {SMR_Q8_0, 4, 4, 1, 256, 128, 0, SMR_ROPE_NEOX, 1000000, 1},
    {SMR_Q8_0, 3, 2, 2, 32, 32, 0, 0, 9, 1},
    {SMR_F32, 3, 4, 2, 16, 0, 2, 0, 4096, 1}, // models that do not rotate
    {SMR_F16, 9, 4, 4, 24, 0, 0, SMR_ROPE_NEOX, 4096, 1},
    {SMR_F16, 4, 4, 2, 64, 64, 0, SMR_ROPE_NEOX | SMR_ROPE_NO_STORE, 4096, 1},
    {SMR_F32, 3, 4, 2, 32, 16, 0, SMR_ROPE_NO_STORE, 4096, 1},
};
enum { N_SLOTS = 97 };

// Queries are f32; caches hold their type.
static size_t decode(const struct suite_case *c, uint32_t binding, const void *data, float *values)
{
    const bool cache = binding >= 5;
    const struct smr_rope_store_push *push = c->push;
    if (cache && push->flags & SMR_ROPE_NO_STORE)
        return 0;
    const size_t n =
        cache ? (size_t)N_SLOTS * push->n_kv_heads * push->head_dim : c->operands[2].size / 4;
    smr_cache_read(cache ? c->type : SMR_F32, data, 0, values, (uint32_t)n);
    return n;
}

// Rows at random positions, the last at the last one; every fifth is padding.
static struct suite_operand make_rows(struct suite *s, const struct rope_case *p)
{
    struct suite_operand operand = suite_bytes(s, p->n_rows * sizeof(struct smr_row));
    struct smr_row *rows = operand.data;
    for (uint32_t i = 0; rows && i < p->n_rows; i++) {
        rows[i].position =
            i + 1 == p->n_rows ? p->last_position : suite_random(s, p->last_position + 1);
        rows[i].slot = i % 5 == 4 ? SMR_NO_SLOT : (i * 35 + 11) % N_SLOTS; // 35 and 97 are coprime
    }
    return operand;
}

static struct suite_operand make_frequencies(struct suite *s, uint32_t rope_dim)
{
    struct suite_operand operand = suite_floats(s, rope_dim ? rope_dim / 2 : 1, 1.0f);
    float *inv_freq = operand.data;
    for (uint32_t i = 0; inv_freq && i < rope_dim / 2; i++)
        inv_freq[i] = powf(10000.0f, -2.0f * (float)i / (float)rope_dim);
    return operand;
}

static void run(struct suite *s, const struct rope_case *p)
{
    const struct smr_rope_store_push push = {
        .n_rows = p->n_rows,
        .n_heads = p->n_heads,
        .n_kv_heads = p->n_kv_heads,
        .head_dim = p->head_dim,
        .rope_dim = p->rope_dim,
        .q_stride = p->n_heads * p->head_dim + p->gap,
        .k_stride = p->n_kv_heads * p->head_dim + p->gap,
        .v_stride = p->n_kv_heads * p->head_dim + 2 * p->gap,
        .flags = p->flags,
        .magnitude = p->magnitude,
    };
    struct suite_case c = {
        .id = SMR_KERNEL_ROPE_STORE,
        .type = p->type,
        .name = suite_printf(s, "%u rows, %u/%u heads of %u, %u rotated, to position %u%s%s",
                             p->n_rows, p->n_heads, p->n_kv_heads, p->head_dim, p->rope_dim,
                             p->last_position, p->flags & SMR_ROPE_NEOX ? ", neox" : "",
                             p->flags & SMR_ROPE_NO_STORE ? ", no store" : ""),
        .push = &push,
        .decode = decode,
        // A value that is rounded the other way costs a step of the type: seldom, but once.
        .tolerance = p->type == SMR_Q8_0  ? 1e-6
                     : p->type == SMR_F16 ? 1e-9
                                          : 0,
    };
    const size_t n_cached = (size_t)N_SLOTS * p->n_kv_heads * p->head_dim;
    const bool store = !(p->flags & SMR_ROPE_NO_STORE);
    c.operands[0] = make_rows(s, p);
    c.operands[1] = make_frequencies(s, p->rope_dim);
    c.operands[2] = suite_floats(s, (size_t)p->n_rows * push.q_stride, 1.0f);
    c.operands[3] =
        store ? suite_floats(s, (size_t)p->n_rows * push.k_stride, 2.0f) : suite_anything(s);
    c.operands[4] =
        store ? suite_floats(s, (size_t)p->n_rows * push.v_stride, 1.0f) : suite_anything(s);
    c.operands[5] = store ? suite_cache(s, p->type, n_cached) : suite_anything(s);
    c.operands[6] = store ? suite_cache(s, p->type, n_cached) : suite_anything(s);
    suite_run(s, &c);
}

void suite_rope_store(struct suite *s)
{
    for (size_t i = 0; i < SMR_COUNT(cases); i++)
        run(s, &cases[i]);
}
