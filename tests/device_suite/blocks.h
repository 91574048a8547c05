// blocks.h - random weights of any type, and what the cases of the kernels that read them share.
#pragma once

#include "suite_impl.h"

// Fill `out` with smr_type_size(type, n_elements) bytes: every bit of a block random, but for the
// f16 scales, which are finite, make weights of magnitude around one, and are denormal now and
// then. The same seed gives the same bytes.
void random_blocks(enum smr_type type, uint64_t n_elements, uint64_t seed, void *out);

// The same as an operand.
struct suite_operand suite_weights(struct suite *s, enum smr_type type, uint64_t n_elements);

// All types that weights may have, in the order of the registry.
const enum smr_type *suite_weight_types(size_t *n);

// One case of matvec or matmul.
struct matmul_case {
    uint32_t n_cols, n_out, n_rows;
    uint32_t in_gap, out_gap; // added to the strides
    uint32_t out_offset; // the outputs' rows have out_offset + n_out + 3 columns before the gap
    uint32_t flags;
};
void suite_matmul_case(struct suite *s, enum smr_kernel_id id, enum smr_type type,
                       const struct matmul_case *c);
