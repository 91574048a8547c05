// quantize.h - from f32 to every type of tensor that the engine reads: the inverse of base/decode.h.
//
// Blocks are, bit for bit, those of ggml's reference quantiser without an importance matrix
// (ggml_quantize_chunk() of https://github.com/ggml-org/ggml), which llama-quantize uses.
#pragma once

#include "base/base.h"

// Whether there is a quantiser for the type: for all but I32.
bool smr_can_quantize(enum smr_type type);

// Quantise `n_rows` rows of `n_cols` elements, a multiple of the type's block, to `dst`. False, with
// nothing recorded, when a value has no place in the type: F16 and all with scales of f16 need finite
// values within 65504; F32 and BF16 take any. Thread-safe, allocates nothing.
bool smr_quantize_rows(enum smr_type type, const float *src, uint64_t n_rows, uint64_t n_cols,
                       void *dst);

// What a row of `n_cols` elements can have where its length is no multiple of the block of `type`:
// the next larger format in blocks of 32, else F16. llama.cpp's choice.
enum smr_type smr_fitting_type(enum smr_type type, uint64_t n_cols);
