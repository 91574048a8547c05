// decode.h - the plain C decode of every block format: what the shaders' lib/*.glsl must agree with.
//
// The layouts are those of GGUF files (ggml-common.h, struct block_*). All are little-endian, the
// scales are f16.
#pragma once

#include "base/base.h"

// Decode `n` consecutive elements, which begin at a block and are whole blocks, to `out` [n]. Any
// `n` will do for F32, F16 and BF16. `blocks` needs no alignment. Thread-safe, allocates nothing.
void smr_decode_row(enum smr_type type, const void *blocks, uint64_t n, float *out);
