// tensor.h - tensors that a file has in another form than GGUF. Private to model/.
#pragma once

#include "model/model.h"

// How the rows of a tensor are made. Element `e` of row `r` lies at
//
//     parts[r / part_rows] + (r % part_rows) * row_stride + e * element_stride
//
// with rows in another order first where `n_heads` is set, and `add` added to each element.
struct smr_tensor_source {
    const struct smr_tensor *original; // not NULL: its rows in another type, and the rest is unused
    // Not NULL: all rows together are these whole blocks again and again, and the rest is unused.
    const uint8_t *pattern;
    size_t pattern_size;         // bytes
    enum smr_type type;          // of the elements in the file: F32, F16 or BF16
    const uint8_t *const *parts; // [n_parts] matrices of equal shape that are stacked: experts
    uint64_t n_parts, part_rows;
    uint64_t row_stride, element_stride; // bytes
    // Rows of query and key projections for rotations of neighbours, as GGUF's llama has them:
    // within each of n_heads heads of d rows, row 2i is the file's i, 2i + 1 is i + d/2. 0: as is.
    // Of a bias, its elements are the rows.
    uint32_t n_heads;
    float add;
};

// Make `*slice` rows `begin` to `begin + n` of `tensor`, of elements where it is a vector. Memory
// for the name and what else is needed comes from `arena`; false when there is none.
bool smr_tensor_slice(const struct smr_tensor *tensor, const char *name, uint64_t begin, uint64_t n,
                      struct smr_arena *arena, struct smr_tensor *slice);
