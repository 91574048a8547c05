// twin.h - the kernels in plain C: the definition of what each computes, and what the reference
// device runs. One file per kernel; bindings and parameters are in kernel.h.
//
// A twin gets the whole dispatch, reads and writes only inside its bindings (asserted where a size
// is at hand), keeps f32 where the kernel stores f32, and takes sums in f32 or wider.
#pragma once

#include "kernel/kernel.h"

smr_twin_fn smr_twin_embed, smr_twin_quantize, smr_twin_norm, smr_twin_norm_add_norm,
    smr_twin_matvec, smr_twin_matmul, smr_twin_matmul_merge, smr_twin_rope_store,
    smr_twin_attention, smr_twin_attention_merge, smr_twin_activate, smr_twin_reduce,
    smr_twin_copy_pages, smr_twin_pick, smr_twin_penalise, smr_twin_sample, smr_twin_route,
    smr_twin_experts, smr_twin_combine, smr_twin_probe_read, smr_twin_probe_math;

// Number of the vector of a head in a slot (see "KV cache layout" of kernel.h).
size_t smr_cache_vector(size_t slot, size_t head, size_t n_kv_heads, size_t page_size);

// Write `n` values into a KV cache of `type` from element `first` on, and read them. For Q8_0 both
// are multiples of 32.
void smr_cache_write(enum smr_type type, void *cache, size_t first, const float *from, uint32_t n);
void smr_cache_read(enum smr_type type, const void *cache, size_t first, float *to, uint32_t n);

// act(x); `param` is that of SMR_ACT_SOFTCAP.
float smr_activate(enum smr_activation activation, float param, float x);
