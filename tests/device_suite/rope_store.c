// rope_store.c - cases of the rope_store kernel: both layouts of pairs, partial rotation, positions
// up to a million, every type of cache, padding rows, scattered slots.
#include "suite_impl.h"

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
    {SMR_F32, 3, 4, 2, 42, 20, 1, SMR_ROPE_NORM, 4096, 1},
    {SMR_F16, 6, 4, 1, 256, 256, 0, SMR_ROPE_NEOX | SMR_ROPE_NORM, 32768, 1},
    {SMR_F16, 2, 16, 8, 128, 128, 3, SMR_ROPE_NEOX | SMR_ROPE_NORM, 4096, 1.25f},
    {SMR_Q8_0, 5, 3, 1, 64, 32, 0, SMR_ROPE_NEOX | SMR_ROPE_NORM, 32768, 1},
    {SMR_F16, 3, 2, 1, 8, 8, 0, SMR_ROPE_NORM | SMR_ROPE_NO_STORE, 100, 1},
};

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
        .page_size = p->n_rows == 5 ? 7 : 32,
        .flags = p->flags,
        .magnitude = p->magnitude,
        .eps = 0.1f, // that it shows
        .q_norm = p->gap,
        .k_norm = p->head_dim + p->gap,
    };
    const struct smr_case_params params = {.id = SMR_KERNEL_ROPE_STORE,
                                           .type = p->type,
                                           .push = &push,
                                           .last_position = p->last_position};
    suite_run(s,
              suite_printf(s, "%u rows, %u/%u heads of %u, %u rotated, to position %u%s%s%s",
                           p->n_rows, p->n_heads, p->n_kv_heads, p->head_dim, p->rope_dim,
                           p->last_position, p->flags & SMR_ROPE_NEOX ? ", neox" : "",
                           p->flags & SMR_ROPE_NO_STORE ? ", no store" : "",
                           p->flags & SMR_ROPE_NORM ? ", norm" : ""),
              &params);
}

void suite_rope_store(struct suite *s)
{
    for (size_t i = 0; i < SMR_COUNT(cases); i++)
        run(s, &cases[i]);
}
