// weights.h - what the cases of the kernels that read weights share.
#pragma once

#include "suite_impl.h"

// All types that weights may have, in the order of the registry.
const enum smr_type *suite_weight_types(size_t *n);

// One case of matvec or matmul.
struct matmul_case {
    uint32_t n_cols, n_out, n_rows;
    uint32_t in_gap, out_gap; // added to the strides
    uint32_t out_offset; // the outputs' rows have out_offset + n_out + 3 columns before the gap
    uint32_t flags;
    uint32_t at; // byte where the weights begin
};
void suite_matmul_case(struct suite *s, enum smr_kernel_id id, enum smr_type type,
                       const struct matmul_case *c);
