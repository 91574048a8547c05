// work.c - bytes and operations of a dispatch, per kernel.
#include "kernel/work.h"

#include <math.h>

struct question {
    enum smr_type type;
    const void *push;
    const struct smr_work_rows *rows;
};

static double weight_bytes(enum smr_type type, double n_elements)
{
    const struct smr_type_info *info = smr_type_info(type);
    return n_elements / info->block_elements * info->block_size;
}

// Bytes of n f32 numbers.
static double floats(double n)
{
    return 4 * n;
}

static struct smr_work embed_work(const struct question *q)
{
    const struct smr_embed_push *p = q->push;
    const double n = (double)p->n_rows * p->n_cols;
    const double moved = p->flags & SMR_EMBED_ADD ? 2 : 1;
    return (struct smr_work){weight_bytes(q->type, n) + floats(moved * n), moved * n};
}

static struct smr_work norm_work(const struct question *q)
{
    const struct smr_norm_push *p = q->push;
    const double n = (double)p->n_rows * p->n_heads * p->n_cols;
    const double moved = p->flags & SMR_NORM_ADD ? 3 : 2;
    const double vectors = p->flags & SMR_NORM_BIAS ? 2 : 1;
    return (struct smr_work){floats(moved * n + vectors * p->n_cols), 4 * n};
}

static struct smr_work norm_add_norm_work(const struct question *q)
{
    const struct smr_norm_add_norm_push *p = q->push;
    const double n = (double)p->n_rows * p->n_cols;
    return (struct smr_work){floats(4 * n + 2 * p->n_cols), 9 * n};
}

static struct smr_work quantize_work(const struct question *q)
{
    const struct smr_quantize_push *p = q->push;
    const double n = (double)p->n_rows * p->n_cols;
    const bool normed = p->flags & SMR_QUANTIZE_NORM;
    return (struct smr_work){floats(n + (normed ? p->n_cols : 0)) +
                                 n / SMR_QUANTIZE_BLOCK * SMR_QUANTIZE_BLOCK_SIZE,
                             (normed ? 7 : 4) * n};
}

static struct smr_work matmul_work(const struct question *q)
{
    const struct smr_matmul_push *p = q->push;
    const double n_weights = (double)p->n_out * p->n_cols, n_in = (double)p->n_rows * p->n_cols;
    const double n_out = (double)p->n_rows * p->n_out * (p->flags & SMR_MATVEC_GATED ? 0.5 : 1);
    const double moved = p->flags & SMR_MATMUL_ADD ? 2 : 1;
    const double bias = p->flags & SMR_MATMUL_BIAS ? p->n_out : 0;
    const double norm = p->flags & SMR_MATVEC_NORM ? p->n_cols : 0;
    return (struct smr_work){weight_bytes(q->type, n_weights) +
                                 floats(n_in + norm + moved * n_out + bias),
                             2 * n_weights * p->n_rows};
}

static struct smr_work matmul_merge_work(const struct question *q)
{
    const struct smr_matmul_merge_push *p = q->push;
    const double n = (double)p->n_rows * p->n_out, bias = p->flags & SMR_MATMUL_BIAS ? p->n_out : 0;
    const double moved = p->flags & SMR_MATMUL_ADD ? 2 : 1;
    return (struct smr_work){floats((p->n_splits + moved) * n + bias), p->n_splits * n};
}

static struct smr_work rope_store_work(const struct question *q)
{
    const struct smr_rope_store_push *p = q->push;
    const double n_q = (double)p->n_rows * p->n_heads * p->head_dim;
    const double n_kv = p->flags & SMR_ROPE_NO_STORE ? 0 : p->n_kv_heads * p->head_dim;
    const double stored = p->n_rows * 2.0 * smr_cache_size(q->type, (uint32_t)n_kv);
    const double n_turned = n_q + p->n_rows * n_kv;
    const double norms = p->flags & SMR_ROPE_NORM ? 2 * p->head_dim : 0;
    return (struct smr_work){floats(2 * n_q + 2 * p->n_rows * n_kv + norms) + stored,
                             3 * n_turned * p->rope_dim / p->head_dim + (norms ? 4 : 0) * n_turned};
}

// Keys that all rows see together, each counted for each row; *n_read: keys that are read.
static double count_keys(const struct smr_attention_push *p, const struct smr_work_rows *rows,
                         double *n_read)
{
    const double first = rows->first_position, n_rows = p->n_rows;
    if (p->flags & SMR_ATTENTION_FULL) {
        *n_read = rows->n_source;
        return n_rows * rows->n_source;
    }
    double n_seen = 0;
    for (uint32_t i = 0; i < p->n_rows; i++)
        n_seen += p->window ? fmin(p->window, first + i + 1) : first + i + 1;
    *n_read = p->window ? fmin(p->window + n_rows - 1, first + n_rows) : first + n_rows;
    return n_seen;
}

static struct smr_work attention_work(const struct question *q)
{
    const struct smr_attention_push *p = q->push;
    double n_read, n_seen = count_keys(p, q->rows, &n_read);
    const double n_q = (double)p->n_rows * p->n_heads * p->head_dim;
    const double key_size = smr_cache_size(q->type, p->n_kv_heads * p->head_dim);
    const double splits = p->n_splits > 1 ? p->n_splits * (1 + 2.0 / p->head_dim) : 1;
    return (struct smr_work){2 * n_read * key_size + floats(n_q + splits * n_q),
                             4 * n_seen * p->n_heads * p->head_dim};
}

static struct smr_work attention_merge_work(const struct question *q)
{
    const struct smr_attention_merge_push *p = q->push;
    const double n = (double)p->n_rows * p->n_heads;
    return (struct smr_work){floats(n * (p->n_splits * (p->head_dim + 2.0) + p->head_dim)),
                             2 * n * p->n_splits * p->head_dim};
}

static struct smr_work activate_work(const struct question *q)
{
    const struct smr_activate_push *p = q->push;
    const double n = (double)p->n_rows * p->n_cols;
    const double in = p->flags & SMR_ACTIVATE_NO_UP ? 1 : 2;
    return (struct smr_work){floats((in + 1) * n), (3 + in) * n};
}

static struct smr_work reduce_work(const struct question *q)
{
    const struct smr_reduce_push *p = q->push;
    const double n = (double)p->n_rows * p->n_cols;
    return (struct smr_work){floats(n + 4 * n / SMR_REDUCE_CHUNK), 4 * n};
}

static struct smr_work pick_work(const struct question *q)
{
    const struct smr_pick_push *p = q->push;
    return (struct smr_work){.bytes = floats((double)p->n_rows * (4 * p->n_chunks + 1.0))};
}

// A few tokens' logits.
static struct smr_work penalise_work(const struct question *q)
{
    return (struct smr_work){.bytes = floats(4 * 64)};
}

// The logits once; how much of them is read again depends on what they are.
static struct smr_work sample_work(const struct question *q)
{
    const struct smr_sample_push *p = q->push;
    return (struct smr_work){.bytes = floats(p->n_cols)};
}

// All slots of all copies, though fewer may be asked for.
static struct smr_work copy_pages_work(const struct question *q)
{
    const struct smr_copy_pages_push *p = q->push;
    return (struct smr_work){
        .bytes = 4 * floats((double)p->n_copies * p->page_size * p->n_kv_heads * p->vector_words)};
}

static struct smr_work route_work(const struct question *q)
{
    const struct smr_route_push *p = q->push;
    const double n = (double)p->n_rows * p->n_experts;
    return (struct smr_work){floats(n + 2.0 * p->n_rows * p->n_used), 3 * n};
}

// The fewest experts that rows can choose: the same for all.
static struct smr_work experts_work(const struct question *q)
{
    const struct smr_experts_push *p = q->push;
    const double n_weights = (double)p->n_out * p->n_cols, n_pairs = (double)p->n_rows * p->n_used;
    const double n_in = p->in_step ? n_pairs * p->n_cols : (double)p->n_rows * p->n_cols;
    const double n_read = fmin(n_pairs, fmin(p->n_used, p->expert_count));
    return (struct smr_work){weight_bytes(q->type, n_read * n_weights) +
                                 floats(n_in + n_pairs * p->n_out),
                             2 * n_pairs * n_weights};
}

static struct smr_work combine_work(const struct question *q)
{
    const struct smr_combine_push *p = q->push;
    const double n = (double)p->n_rows * p->n_cols;
    const double moved = p->flags & SMR_COMBINE_ADD ? 2 : 1;
    return (struct smr_work){floats((p->n_used + moved) * n), 2 * p->n_used * n};
}

static struct smr_work probe_read_work(const struct question *q)
{
    const struct smr_probe_read_push *p = q->push;
    return (struct smr_work){floats((double)p->n_words + p->n_slices), p->n_words};
}

static struct smr_work probe_math_work(const struct question *q)
{
    const struct smr_probe_math_push *p = q->push;
    return (struct smr_work){floats(2.0 * p->n_out),
                             2.0 * p->n_out * SMR_PROBE_CHAINS * p->n_rounds};
}

struct smr_work smr_kernel_work(const struct smr_kernel_key *key, const void *push,
                                const struct smr_work_rows *rows)
{
    static struct smr_work (*const works[SMR_N_KERNELS])(const struct question *q) = {
        [SMR_KERNEL_EMBED] = embed_work,
        [SMR_KERNEL_NORM] = norm_work,
        [SMR_KERNEL_NORM_ADD_NORM] = norm_add_norm_work,
        [SMR_KERNEL_QUANTIZE] = quantize_work,
        [SMR_KERNEL_MATVEC] = matmul_work,
        [SMR_KERNEL_MATMUL] = matmul_work,
        [SMR_KERNEL_MATMUL_MERGE] = matmul_merge_work,
        [SMR_KERNEL_ROPE_STORE] = rope_store_work,
        [SMR_KERNEL_ATTENTION] = attention_work,
        [SMR_KERNEL_ATTENTION_MERGE] = attention_merge_work,
        [SMR_KERNEL_ACTIVATE] = activate_work,
        [SMR_KERNEL_REDUCE] = reduce_work,
        [SMR_KERNEL_PICK] = pick_work,
        [SMR_KERNEL_PENALISE] = penalise_work,
        [SMR_KERNEL_SAMPLE] = sample_work,
        [SMR_KERNEL_COPY_PAGES] = copy_pages_work,
        [SMR_KERNEL_ROUTE] = route_work,
        [SMR_KERNEL_EXPERTS] = experts_work,
        [SMR_KERNEL_COMBINE] = combine_work,
        [SMR_KERNEL_PROBE_READ] = probe_read_work,
        [SMR_KERNEL_PROBE_MATH] = probe_math_work,
    };
    const struct question q = {(enum smr_type)key->type, push, rows};
    return works[key->id] ? works[key->id](&q) : (struct smr_work){0};
}
