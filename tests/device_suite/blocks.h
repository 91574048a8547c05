// blocks.h - random weights of any type.
#pragma once

#include "base/base.h"

// Fill `out` with smr_type_size(type, n_elements) bytes: every bit of a block random, but for the
// f16 scales, which are finite, make weights of magnitude around one, and are denormal now and
// then. The same seed gives the same bytes.
void random_blocks(enum smr_type type, uint64_t n_elements, uint64_t seed, void *out);
