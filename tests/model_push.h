// model_push.h - what models of several shapes ask of kernels.
#pragma once

#include "kernel/kernel.h"

union push {
    struct smr_embed_push embed;
    struct smr_norm_push norm;
    struct smr_norm_add_norm_push norm_add_norm;
    struct smr_quantize_push quantize;
    struct smr_matmul_push matmul;
    struct smr_rope_store_push rope_store;
    struct smr_attention_push attention;
    struct smr_attention_merge_push merge;
    struct smr_activate_push activate;
    struct smr_reduce_push reduce;
    struct smr_copy_pages_push copy_pages;
    struct smr_pick_push pick;
    struct smr_penalise_push penalise;
    struct smr_sample_push sample;
    struct smr_route_push route;
    struct smr_experts_push experts;
    struct smr_combine_push combine;
    struct smr_probe_read_push probe_read;
    struct smr_probe_math_push probe_math;
};

struct shape { // of a model, and of a step
    uint32_t n_embd, n_ff, n_vocab, n_heads, n_kv_heads, head_dim, n_rows;
};
enum { N_SHAPES = 10 };
extern const struct shape shapes[N_SHAPES];

// The push of kernel `id` in a step of a model of that shape.
void model_push(enum smr_kernel_id id, const struct shape *m, union push *push);
