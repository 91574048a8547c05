// registry.h - what the registry's files share. Only runtime/kernel/ includes this.
//
// A kernel's row is a `const struct smr_kernel_desc smr_desc_NAME` in registry.c (or, for those
// that read weights, registry_weights.c, registry_matvec.c and registry_matmul.c, for attention
// registry_attention.c, for routing registry_route.c, for sampling registry_sample.c, and for measuring registry_probe.c), and
// registry.c lists them all. Its twin is declared in twin/twin.h.
#pragma once

#include "kernel/kernel.h"

extern const struct smr_kernel_desc smr_desc_embed, smr_desc_norm, smr_desc_matvec, smr_desc_matmul,
    smr_desc_rope_store, smr_desc_attention, smr_desc_attention_merge, smr_desc_activate,
    smr_desc_reduce, smr_desc_copy_pages, smr_desc_pick, smr_desc_penalise, smr_desc_sample,
    smr_desc_route, smr_desc_experts, smr_desc_combine, smr_desc_probe_read, smr_desc_probe_math,
    smr_desc_quantize, smr_desc_norm_add_norm, smr_desc_matmul_merge;

// The greatest power of two that is at most `wanted` and that the device takes as the size of a
// one-dimensional workgroup. Every device takes 128.
uint32_t smr_workgroup_size(const struct smr_limits *limits, uint32_t wanted);

// The same, with another wish for devices that are a processor, where it is at least a subgroup.
uint32_t smr_workgroup_size_for(const struct smr_limits *limits, uint32_t gpu, uint32_t cpu);

// Whether invocations are a processor's threads and not the lanes of its vectors, so that the
// compiler has to make those, out of loops: the variants named "runs" are for such devices.
bool smr_limits_want_runs(const struct smr_limits *limits);

// Whether a key is of the variant "runs".
bool smr_is_runs(const struct smr_kernel_key *key);

// What most kernels choose: one invocation for a workgroup of "runs", which other devices have no use
// for, and smr_workgroup_size_for() else.
bool smr_size_specialise(struct smr_kernel_key *key, const struct smr_limits *limits, uint32_t gpu,
                         uint32_t cpu);

// Spread `n` workgroups over x and y: Vulkan promises only 65535 along each. The shader finds its
// number by group_index() of lib/reduce.glsl and returns when that is not below n. Zero workgroups
// become one, which finds nothing to do.
void smr_spread_groups(uint64_t n, uint32_t groups[3]);

// Lists that many rows share: types { SMR_F32 }; variants { plain }, { plain, subgroup }, { plain, runs }
// and { plain, subgroup, runs }.
extern const enum smr_type smr_types_f32[1];
extern const enum smr_type smr_types_cache[3];
extern const struct smr_variant smr_variants_plain[1], smr_variants_subgroup[2],
    smr_variants_runs[2], smr_variants_reduce[3];

// Where the compiler (compile.c) finds sources that are built in: shaders/embed.py writes the
// table.
struct smr_shader_file {
    const char *name; // "norm.comp", "lib/reduce.glsl"
    const unsigned char *data;
    size_t size; // bytes
};
extern const struct smr_shader_file smr_shader_files[];
extern const size_t smr_n_shader_files;
