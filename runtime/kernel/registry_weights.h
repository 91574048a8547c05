// registry_weights.h - what the rows of the kernels that read weights share: embed
// (registry_weights.c), matvec and experts (registry_matvec.c), matmul (registry_matmul.c).
#pragma once

#include "kernel/registry.h"

enum { SMR_N_WEIGHT_TYPES = 14 };
extern const enum smr_type smr_types_weights[SMR_N_WEIGHT_TYPES];

// Columns that one invocation decodes at a time: UNIT in shaders/lib/.
uint32_t smr_weight_unit(uint32_t type);

// Whether shaders can address weights by 32-bit byte offsets, and elements of the other bindings by
// 32-bit indexes.
bool smr_weights_fit(uint32_t type, uint32_t n_cols, uint64_t n_rows);
bool smr_matmul_fits(uint32_t type, const struct smr_matmul_push *push);

// The least power of two that is not below n. The same for numbers of rows that differ little, up to
// a number from which on all are alike.
uint32_t smr_power_of_two(uint32_t n);
uint32_t smr_rows_bucket(uint32_t n_rows);

// What tuning takes for the same shape (smr_kernel_desc.shape) of a smr_matmul_push.
uint64_t smr_products_shape(const void *push, uint32_t shape[SMR_SHAPE_WORDS]);

// ---- narrow subgroups (lib/lanes.glsl) ------------------------------------------------------------

#define SMR_LANES_DEFINES "#define USE_LANES 1\n"

// Constants: workgroup size, rows of x and rows of weights of an invocation, subgroup size, quads
// that an invocation does at a time.
bool smr_lanes_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
                          uint32_t n_rows);
uint32_t smr_lanes_groups(const struct smr_kernel_key *key, uint32_t n_out);

// ---- inside one invocation (lib/runs.glsl) --------------------------------------------------------

#define SMR_RUNS_DEFINES      "#define USE_RUNS 1\n"
#define SMR_RUNS_CAPABILITIES (SMR_CAP_STORAGE_8 | SMR_CAP_STORAGE_16)

// Bytes of weights: lane_base() of shaders/lib leaves out the last 256 of 4 GiB.
#define SMR_RUNS_MAX_SIZE (UINT32_MAX - 255)

// Constants: 0 the workgroup's size, which is one invocation; 4 how many of them at most, enough for the
// processor's threads: no shader has that one.
bool smr_runs_specialise(struct smr_kernel_key *key, const struct smr_limits *limits,
                         const struct smr_matmul_push *push);
uint32_t smr_runs_groups(const struct smr_kernel_key *key, uint32_t n_out);
