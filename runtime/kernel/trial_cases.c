// trial_cases.c - the cases of a trial: the push that a kernel was chosen for, made small.
//
// A small push must still choose the same constants, or it would try another kernel. What the
// constants do not tell apart (flags, activations, windows, splits) is tried whatever the model
// needs of it, because verdicts are kept by key. Sizes end in the middle of whatever the variants
// do at a time.
#include "kernel/registry.h"
#include "kernel/trial.h"

#include <string.h>

// A push in the making.
struct small {
    smr_device *device;
    const struct smr_kernel_key *key;
    const void *push; // being changed
    uint32_t number;  // of the case
    struct smr_case_params *params;
};

static bool same_kernel(const struct small *s)
{
    struct smr_kernel_key key;
    const struct smr_kernel_desc *desc = smr_kernel_desc(s->key->id);
    return !(desc->splits && desc->splits(s->key, s->push) == 1) && // there were several
           smr_kernel_variant_key(s->device, s->key->id, (enum smr_type)s->key->type,
                                  s->key->variant, s->push, &key) &&
           // Constants of these two are right for all sizes, of heads that share a KV head as many.
           (s->key->id == SMR_KERNEL_MATMUL || s->key->id == SMR_KERNEL_ATTENTION ||
            smr_kernel_keys_equal(&key, s->key));
}

// Set a field of the push, unless another kernel would be chosen then.
static bool try_size(const struct small *s, uint32_t *field, uint32_t size)
{
    const uint32_t before = *field;
    *field = size;
    if (same_kernel(s))
        return true;
    *field = before;
    return false;
}

// Take the first of the sizes that is less and chooses the same kernel.
static void shrink(const struct small *s, uint32_t *field, const uint32_t *sizes, size_t n_sizes)
{
    for (size_t i = 0; i < n_sizes; i++)
        if (sizes[i] < *field && try_size(s, field, sizes[i]))
            return;
}

static void shrink_to(const struct small *s, uint32_t *field, uint32_t size)
{
    shrink(s, field, &size, 1);
}

// ---- per kernel: false when there is no case of this number -----------------------------------

static bool embed_case(const struct small *s, void *push)
{
    struct smr_embed_push *p = push;
    shrink_to(s, &p->n_cols, 2304);
    p->n_rows = 5;
    p->index_stride = 4;
    p->index_offset = 0;
    p->row_begin = 10;
    p->row_count = 17;
    p->table_at = 32;
    p->flags = s->number ? SMR_EMBED_ADD : 0;
    return s->number < 2;
}

static bool norm_case(const struct small *s, void *push)
{
    struct smr_norm_push *p = push;
    shrink_to(s, &p->n_cols, 2304);
    p->n_rows = p->n_heads = 2;
    p->in_stride = p->out_stride = 2 * p->n_cols;
    p->flags = s->number ? SMR_NORM_LAYER | SMR_NORM_BIAS : SMR_NORM_ADD;
    p->eps = 0.1f; // that it shows
    return s->number < 2;
}

static bool norm_add_norm_case(const struct small *s, void *push)
{
    struct smr_norm_add_norm_push *p = push;
    shrink_to(s, &p->n_cols, 2304);
    p->n_rows = 2;
    p->eps = 0.1f; // that it shows
    return s->number < 1;
}

static bool quantize_case(const struct small *s, void *push)
{
    struct smr_quantize_push *p = push;
    shrink_to(s, &p->n_cols, 2304);
    p->n_rows = 2;
    p->in_stride = p->n_cols + 3;
    p->flags = s->number ? SMR_QUANTIZE_NORM : 0;
    p->eps = 0.1f; // that it shows
    return s->number < 2;
}

// One matrix that does not begin with its binding; two, where one is a gate; three, where there is one
// row.
static void make_parts(struct smr_matmul_push *p)
{
    const bool gated = p->flags & SMR_MATVEC_GATED;
    const uint32_t n_parts = gated ? 2 : p->n_rows == 1 ? SMR_MATVEC_MAX_PARTS : 1;
    for (uint32_t i = 0; i < SMR_MATVEC_MAX_PARTS; i++) {
        const uint32_t part = smr_min_u32(i, n_parts - 1);
        p->parts[i] = (struct smr_matmul_part){.begin = p->n_out / n_parts * part,
                                               .weight = 32 + 64 * part,
                                               .y = 2 * part,
                                               .bias = part};
    }
}

static bool matmul_case(const struct small *s, void *push)
{
    static const uint32_t outs[] = {67, 515, 1027, 2051}, gated_outs[] = {70, 518, 1030, 2054};
    static const uint32_t cols[] = {1280, 2304, 4352, 8448};
    struct smr_matmul_push *p = push;
    const uint32_t fused = p->flags & (SMR_MATVEC_NORM | SMR_MATVEC_GATED);
    const bool gated = fused & SMR_MATVEC_GATED;
    if (s->key->id == SMR_KERNEL_MATVEC) {
        shrink(s, &p->n_out, gated ? gated_outs : outs, SMR_COUNT(outs));
        shrink_to(s, &p->n_cols, 4352);
    } else {
        shrink_to(s, &p->n_out, 195);
        shrink(s, &p->n_cols, cols, SMR_COUNT(cols));
        shrink_to(s, &p->n_rows, 133);
    }
    make_parts(p);
    p->out_offset = p->n_rows == 1 || gated ? 0 : 3;
    p->in_stride = p->n_cols;
    p->out_stride = p->n_out + 5;
    p->flags = fused | (gated ? 0 : SMR_MATMUL_BIAS | SMR_MATMUL_ADD);
    p->eps = 0.1f; // that it shows
    return s->number < 1;
}

static bool matmul_merge_case(const struct small *s, void *push)
{
    struct smr_matmul_merge_push *p = push;
    p->n_out = 195;
    p->n_rows = 3;
    p->out_offset = 3;
    p->out_stride = p->n_out + 5;
    p->flags = s->number ? SMR_MATMUL_BIAS | SMR_MATMUL_ADD : 0;
    return s->number < 2;
}

static bool rope_store_case(const struct small *s, void *push)
{
    struct smr_rope_store_push *p = push;
    p->n_rows = 6;
    p->n_heads = smr_min_u32(p->n_heads, 3);
    p->n_kv_heads = smr_min_u32(p->n_kv_heads, 2);
    p->q_stride = p->n_heads * p->head_dim;
    p->k_stride = p->v_stride = p->n_kv_heads * p->head_dim;
    p->page_size = 16;
    p->flags = (p->flags & SMR_ROPE_NORM) | (s->number ? 0 : SMR_ROPE_NEOX);
    p->magnitude = 1.25f;
    p->eps = 0.1f; // that it shows
    p->k_norm = p->head_dim + 1;
    s->params->last_position = 1000000;
    return s->number < 2;
}

// Rows with many keys; with fewer keys in splits and, if it may be, a window; and a prompt, where
// there is more than one row. Heads are the fewest that have all those that share a KV head.
static bool attention_case(const struct small *s, void *push)
{
    enum { MANY_KEYS, SPLITS, PROMPT };
    struct smr_attention_push *p = push;
    p->window = s->number == SPLITS && !(p->flags & SMR_ATTENTION_FULL) ? 110 : 0;
    p->softcap = p->softcap != 0 ? 20.0f : 0;
    p->scale = 0.3f;
    p->reach = 20;
    p->n_rows = p->n_rows == 1 ? 1 : s->number == PROMPT ? 70 : 19;
    p->n_splits = s->number == SPLITS ? 3 : 1;
    const uint32_t sharing = p->n_heads / p->n_kv_heads;
    p->n_kv_heads = smr_min_u32(p->n_kv_heads, 2);
    p->n_heads = sharing * p->n_kv_heads;
    p->q_stride = p->out_stride = p->n_heads * p->head_dim;
    s->params->last_position = s->number == PROMPT ? 0 : 150;
    s->params->n_sequences = s->number == PROMPT || p->n_rows == 1 ? 1 : 2;
    p->max_pages = (s->number == PROMPT ? p->n_rows : s->params->last_position) / p->page_size + 1;
    return s->number <= (p->n_rows == 1 ? SPLITS : PROMPT);
}

static bool attention_merge_case(const struct small *s, void *push)
{
    struct smr_attention_merge_push *p = push;
    p->n_rows = 3;
    p->n_heads = smr_min_u32(p->n_heads, 3);
    p->out_stride = p->n_heads * p->head_dim;
    return s->number < 1;
}

// Each function over all of its range, near zero, and where GELU is small and not yet nothing.
static bool activate_case(const struct small *s, void *push)
{
    static const float ranges[][2] = {{5, 0}, {0.3f, 0}, {1, -1.5f}};
    struct smr_activate_push *p = push;
    p->n_cols = p->gate_stride = p->up_stride = p->out_stride = 301;
    p->n_rows = 2;
    p->activation = s->number / SMR_COUNT(ranges);
    p->flags = p->activation == SMR_ACT_SOFTCAP ? SMR_ACTIVATE_NO_UP : 0;
    p->param = 3;
    s->params->range = ranges[s->number % SMR_COUNT(ranges)][0];
    s->params->middle = ranges[s->number % SMR_COUNT(ranges)][1];
    return p->activation <= SMR_ACT_SOFTCAP;
}

static bool reduce_case(const struct small *s, void *push)
{
    struct smr_reduce_push *p = push;
    p->n_cols = p->in_stride = 2100;
    p->n_rows = 2;
    return s->number < 1;
}

static bool pick_case(const struct small *s, void *push)
{
    struct smr_pick_push *p = push;
    p->n_chunks = 300;
    p->n_rows = 2;
    return s->number < 1;
}

static bool penalise_case(const struct small *s, void *push)
{
    struct smr_penalise_push *p = push;
    p->n_cols = 300;
    return s->number < 1;
}

static bool sample_case(const struct small *s, void *push)
{
    // Of even distributions, where a small error makes it another token.
    static const struct smr_draw draws[] = {
        {.top_p = UINT32_MAX, .temperature = 20, .point = 0x40000000},
        {.top_k = 300, .top_p = 0xc0000000, .min_p = 0.01f, .temperature = 3, .point = 0xc0000000},
        {.top_p = 0xf0000000, .min_p = 0.2f, .temperature = 9, .point = 0x80000000},
    };
    struct smr_sample_push *p = push;
    if (s->number >= SMR_COUNT(draws))
        return false;
    shrink_to(s, &p->n_cols, 5003);
    s->params->draw = &draws[s->number];
    return true;
}

static bool copy_pages_case(const struct small *s, void *push)
{
    struct smr_copy_pages_push *p = push;
    p->n_copies = 4;
    p->page_size = smr_min_u32(p->page_size, 8);
    p->n_kv_heads = smr_min_u32(p->n_kv_heads, 2);
    p->vector_words = smr_min_u32(p->vector_words, 150);
    return s->number < 1;
}

static bool route_case(const struct small *s, void *push)
{
    struct smr_route_push *p = push;
    p->n_rows = 3;
    p->in_stride = p->n_experts;
    p->flags = s->number ? SMR_ROUTE_NORM : 0;
    return s->number < 2;
}

// Some of a few experts, of which one lies elsewhere; they read the same, or each its own.
static bool experts_case(const struct small *s, void *push)
{
    static const uint32_t outs[] = {67, 515, 1027, 2051, 4099}, cols[] = {1280, 4096};
    struct smr_experts_push *p = push;
    p->n_rows = 2;
    p->n_used = 3;
    p->expert_begin = 2;
    p->expert_count = 4;
    p->weight_at = 32;
    shrink(s, &p->n_out, outs, SMR_COUNT(outs));
    shrink(s, &p->n_cols, cols, SMR_COUNT(cols));
    p->in_step = s->number ? p->n_cols : 0;
    p->in_stride = s->number ? p->n_used * p->n_cols : p->n_cols;
    p->out_stride = p->n_used * p->n_out;
    return s->number < 2;
}

static bool combine_case(const struct small *s, void *push)
{
    struct smr_combine_push *p = push;
    p->n_cols = p->out_stride = 301;
    p->n_rows = 2;
    p->in_stride = p->n_used * p->n_cols;
    p->flags = s->number ? SMR_COMBINE_ADD : 0;
    return s->number < 2;
}

// Slices and workgroups that are not full.
static bool probe_read_case(const struct small *s, void *push)
{
    struct smr_probe_read_push *p = push;
    p->n_words = 40004;
    p->n_slices = 7;
    return s->number < 1;
}

static bool probe_math_case(const struct small *s, void *push)
{
    struct smr_probe_math_push *p = push;
    p->n_out = 301;
    p->n_rounds = 20;
    return s->number < 1;
}

// ---- all kernels ------------------------------------------------------------------------------

bool smr_trial_case(smr_device *device, const struct smr_kernel_key *key, const void *push,
                    uint32_t number, struct smr_trial_push *memory, struct smr_case_params *params)
{
    static bool (*const cases[SMR_N_KERNELS])(const struct small *s, void *push) = {
        [SMR_KERNEL_EMBED] = embed_case,
        [SMR_KERNEL_NORM] = norm_case,
        [SMR_KERNEL_NORM_ADD_NORM] = norm_add_norm_case,
        [SMR_KERNEL_QUANTIZE] = quantize_case,
        [SMR_KERNEL_MATVEC] = matmul_case,
        [SMR_KERNEL_MATMUL] = matmul_case,
        [SMR_KERNEL_MATMUL_MERGE] = matmul_merge_case,
        [SMR_KERNEL_ROPE_STORE] = rope_store_case,
        [SMR_KERNEL_ATTENTION] = attention_case,
        [SMR_KERNEL_ATTENTION_MERGE] = attention_merge_case,
        [SMR_KERNEL_ACTIVATE] = activate_case,
        [SMR_KERNEL_REDUCE] = reduce_case,
        [SMR_KERNEL_PICK] = pick_case,
        [SMR_KERNEL_PENALISE] = penalise_case,
        [SMR_KERNEL_SAMPLE] = sample_case,
        [SMR_KERNEL_COPY_PAGES] = copy_pages_case,
        [SMR_KERNEL_ROUTE] = route_case,
        [SMR_KERNEL_EXPERTS] = experts_case,
        [SMR_KERNEL_COMBINE] = combine_case,
        [SMR_KERNEL_PROBE_READ] = probe_read_case,
        [SMR_KERNEL_PROBE_MATH] = probe_math_case,
    };
    memcpy(memory->words, push, smr_kernel_desc(key->id)->push_size);
    *params = (struct smr_case_params){
        .id = key->id, .type = (enum smr_type)key->type, .push = memory->words};
    const struct small s = {device, key, memory->words, number, params};
    return cases[key->id] && cases[key->id](&s, memory->words) && same_kernel(&s);
}
