// quantize_impl.h - the quantisers of quantize.h by block size. Private to model/.
//
// Each turns one block of elements into one block of its format, laid out as base/decode.c reads it.
#pragma once

#include "base/base.h"

typedef void smr_quantize_fn(const float *restrict x, uint8_t *restrict block);

// Blocks of 256 elements.
smr_quantize_fn smr_quantize_q2_k, smr_quantize_q3_k, smr_quantize_q4_k, smr_quantize_q5_k,
    smr_quantize_q6_k;

static inline void smr_store_u16(uint8_t *to, uint16_t value)
{
    to[0] = (uint8_t)value;
    to[1] = (uint8_t)(value >> 8);
}

// Store a scale and return it as it reads back.
static inline float smr_store_f16(uint8_t *to, float value)
{
    const uint16_t half = smr_f32_to_f16(value);
    smr_store_u16(to, half);
    return smr_f16_to_f32(half);
}
