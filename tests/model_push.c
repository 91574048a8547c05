// model_push.c - pushes as the plans of models have them.
#include "model_push.h"

#include "support.h"

const struct shape shapes[N_SHAPES] = {
    {576, 1536, 49152, 9, 3, 64, 1},        {576, 1536, 49152, 9, 3, 64, 37},
    {640, 2048, 262144, 4, 1, 256, 1},      {640, 2048, 262144, 4, 1, 256, 128},
    {896, 4864, 151936, 14, 2, 64, 5},      {4096, 14336, 128256, 32, 8, 128, 1},
    {4096, 14336, 128256, 32, 8, 128, 512}, {32, 64, 283, 4, 2, 8, 3},
    {8192, 28672, 128256, 64, 8, 128, 8},   {2048, 5632, 32000, 8, 8, 80, 16},
};

// Each of these fills in `push` for the kernels that it knows, and tells whether it did.

// What multiplies by weights, and what lies between that.
static bool push_matrices(enum smr_kernel_id id, const struct shape *m, union smr_push *push)
{
    switch (id) {
    case SMR_KERNEL_EMBED:
        push->embed = (struct smr_embed_push){.n_cols = m->n_embd,
                                              .n_rows = m->n_rows,
                                              .index_stride = 4,
                                              .row_count = smr_min_u32(m->n_vocab, 50000),
                                              .scale = 1};
        break;
    case SMR_KERNEL_NORM:
        push->norm =
            (struct smr_norm_push){m->n_embd, m->n_rows, 1, m->n_embd, m->n_embd, 0, 1e-5f};
        break;
    case SMR_KERNEL_NORM_ADD_NORM:
        push->norm_add_norm = (struct smr_norm_add_norm_push){m->n_embd, m->n_rows, 1e-5f};
        break;
    case SMR_KERNEL_QUANTIZE:
        push->quantize = (struct smr_quantize_push){.n_cols = m->n_embd,
                                                    .n_rows = smr_min_u32(m->n_rows, 8),
                                                    .in_stride = m->n_embd,
                                                    .flags = SMR_QUANTIZE_NORM,
                                                    .eps = 1e-5f};
        break;
    case SMR_KERNEL_MATVEC:
    case SMR_KERNEL_MATMUL:
        push->matmul = (struct smr_matmul_push){.n_cols = m->n_embd,
                                                .n_out = m->n_ff,
                                                .n_rows = m->n_rows,
                                                .in_stride = m->n_embd,
                                                .out_stride = m->n_ff};
        if (id == SMR_KERNEL_MATVEC) { // with all that it has code for
            push->matmul.flags = SMR_MATVEC_NORM | SMR_MATVEC_GATED;
            push->matmul.activation = SMR_ACT_GELU;
        }
        break;
    case SMR_KERNEL_MATMUL_MERGE:
        push->matmul_merge = (struct smr_matmul_merge_push){
            m->n_embd, smr_min_u32(m->n_rows, 64), 4, m->n_embd, 0, SMR_MATMUL_ADD};
        break;
    case SMR_KERNEL_ACTIVATE:
        push->activate =
            (struct smr_activate_push){m->n_ff, m->n_rows, m->n_ff, m->n_ff, m->n_ff, 0, 0, 0};
        break;
    default:
        return false;
    }
    return true;
}

static bool push_experts(enum smr_kernel_id id, const struct shape *m, union smr_push *push)
{
    switch (id) {
    case SMR_KERNEL_ROUTE:
        push->route = (struct smr_route_push){32, m->n_rows, 4, 32, 0};
        break;
    case SMR_KERNEL_EXPERTS:
        push->experts = (struct smr_experts_push){.n_cols = m->n_embd,
                                                  .n_out = m->n_ff,
                                                  .n_rows = m->n_rows,
                                                  .n_used = 4,
                                                  .in_stride = m->n_embd,
                                                  .out_stride = 4 * m->n_ff,
                                                  .expert_count = 32};
        break;
    case SMR_KERNEL_COMBINE:
        push->combine =
            (struct smr_combine_push){m->n_embd, m->n_rows, 4, 4 * m->n_embd, m->n_embd, 0};
        break;
    default:
        return false;
    }
    return true;
}

static bool push_attention(enum smr_kernel_id id, const struct shape *m, union smr_push *push)
{
    const uint32_t width = m->n_heads * m->head_dim, kv_width = m->n_kv_heads * m->head_dim;
    switch (id) {
    case SMR_KERNEL_ROPE_STORE:
        push->rope_store = (struct smr_rope_store_push){
            m->n_rows, m->n_heads, m->n_kv_heads, m->head_dim, m->head_dim / 4 * 2,
            width,     kv_width,   kv_width,      64,          0,
            1};
        break;
    case SMR_KERNEL_ATTENTION:
        push->attention = (struct smr_attention_push){.n_rows = m->n_rows,
                                                      .n_heads = m->n_heads,
                                                      .n_kv_heads = m->n_kv_heads,
                                                      .head_dim = m->head_dim,
                                                      .q_stride = width,
                                                      .out_stride = width,
                                                      .page_size = 64,
                                                      .max_pages = 64,
                                                      .n_splits = m->n_rows == 1 ? 4 : 1,
                                                      .scale = 1,
                                                      .softcap = 50,
                                                      .flags = m->n_rows == 37 ? 3 : 0};
        break;
    case SMR_KERNEL_ATTENTION_MERGE:
        push->attention_merge =
            (struct smr_attention_merge_push){m->n_rows, m->n_heads, m->head_dim, 4, width};
        break;
    case SMR_KERNEL_COPY_PAGES:
        push->copy_pages = (struct smr_copy_pages_push){8, 64, m->n_kv_heads, m->head_dim / 2};
        break;
    default:
        return false;
    }
    return true;
}

// What draws a token, and what measures a device.
static bool push_others(enum smr_kernel_id id, const struct shape *m, union smr_push *push)
{
    switch (id) {
    case SMR_KERNEL_REDUCE:
        push->reduce = (struct smr_reduce_push){m->n_vocab, 1, m->n_vocab};
        break;
    case SMR_KERNEL_PICK:
        push->pick = (struct smr_pick_push){smr_div_up(m->n_vocab, SMR_REDUCE_CHUNK), 1};
        break;
    case SMR_KERNEL_PENALISE:
        push->penalise = (struct smr_penalise_push){m->n_vocab};
        break;
    case SMR_KERNEL_SAMPLE:
        push->sample = (struct smr_sample_push){m->n_vocab};
        break;
    case SMR_KERNEL_PROBE_READ:
        push->probe_read = (struct smr_probe_read_push){1 << 20, 512};
        break;
    case SMR_KERNEL_PROBE_MATH:
        push->probe_math = (struct smr_probe_math_push){1 << 16, 512, 0.99f, 0.01f};
        break;
    default:
        return false;
    }
    return true;
}

void model_push(enum smr_kernel_id id, const struct shape *m, union smr_push *push)
{
    *push = (union smr_push){.embed = {0}};
    if (!push_matrices(id, m, push) && !push_experts(id, m, push) && !push_attention(id, m, push) &&
        !push_others(id, m, push))
        fail_msg("model_push() does not know %s", smr_kernel_desc(id)->name);
}
