// model_push.h - what models of several shapes ask of kernels.
#pragma once

#include "kernel/kernel.h"

struct shape { // of a model, and of a step
    uint32_t n_embd, n_ff, n_vocab, n_heads, n_kv_heads, head_dim, n_rows;
};
enum { N_SHAPES = 10 };
extern const struct shape shapes[N_SHAPES];

// The push of kernel `id` in a step of a model of that shape.
void model_push(enum smr_kernel_id id, const struct shape *m, union smr_push *push);
