// types.c - the table of tensor types, and half precision.
//
// Block sizes: ggml/src/ggml-common.h of https://github.com/ggml-org/ggml, where each block is a
// packed struct of scales and quants.
#include "base/base.h"

#include <string.h>

static const struct smr_type_info infos[] = {
    [SMR_F32] = {"F32", 1, 4, false},
    [SMR_F16] = {"F16", 1, 2, false},
    [SMR_Q4_0] = {"Q4_0", 32, 2 + 16, true},
    [SMR_Q4_1] = {"Q4_1", 32, 2 + 2 + 16, true},
    [SMR_Q5_0] = {"Q5_0", 32, 2 + 4 + 16, true},
    [SMR_Q5_1] = {"Q5_1", 32, 2 + 2 + 4 + 16, true},
    [SMR_Q8_0] = {"Q8_0", 32, 2 + 32, true},
    [SMR_Q2_K] = {"Q2_K", 256, 16 + 64 + 2 + 2, true},
    [SMR_Q3_K] = {"Q3_K", 256, 32 + 64 + 12 + 2, true},
    [SMR_Q4_K] = {"Q4_K", 256, 2 + 2 + 12 + 128, true},
    [SMR_Q5_K] = {"Q5_K", 256, 2 + 2 + 12 + 32 + 128, true},
    [SMR_Q6_K] = {"Q6_K", 256, 128 + 64 + 16 + 2, true},
    [SMR_IQ4_NL] = {"IQ4_NL", 32, 2 + 16, true},
    [SMR_I32] = {"I32", 1, 4, false},
    [SMR_BF16] = {"BF16", 1, 2, false},
};

const struct smr_type_info *smr_type_info(enum smr_type type)
{
    if ((unsigned)type >= SMR_COUNT(infos) || !infos[type].name)
        return NULL;
    return &infos[type];
}

static uint32_t float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float bits_float(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// binary16: 1 sign, 5 exponent (bias 15), 10 fraction bits. binary32: 1, 8 (bias 127), 23.
float smr_f16_to_f32(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t exponent = half >> 10 & 0x1f;
    uint32_t fraction = half & 0x3ff;

    if (exponent == 0x1f)
        return bits_float(sign | 0x7f800000 | fraction << 13);
    if (exponent)
        return bits_float(sign | (exponent + 127 - 15) << 23 | fraction << 13);
    // Zero and denormals: fraction * 2^-24, which binary32 holds exactly.
    float magnitude = (float)fraction * (1.0f / 16777216.0f);
    return sign ? -magnitude : magnitude;
}

uint16_t smr_f32_to_f16(float value)
{
    uint32_t bits = float_bits(value);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    uint32_t magnitude = bits & 0x7fffffff;

    if (magnitude > 0x7f800000) { // NaN: keep what fits of the payload, and that it is one
        uint16_t payload = (uint16_t)(magnitude >> 13 & 0x3ff);
        return (uint16_t)(sign | 0x7c00 | (payload ? payload : 0x200));
    }
    if (magnitude >= 0x477ff000) // from 65520 on, halfway to the first value that does not fit
        return (uint16_t)(sign | 0x7c00);

    // Drop `shift` bits of a 24-bit significand, rounding to nearest even. A carry out of the
    // fraction moves into the exponent, as it should.
    uint32_t exponent = magnitude >> 23, result, shift;
    uint32_t significand = magnitude & 0x7fffff;
    if (exponent > 127 - 15) {
        result = (exponent - (127 - 15)) << 10 | significand >> 13;
        shift = 13;
    } else {
        shift = 13 + (127 - 14) - exponent;
        if (shift > 24) // below half of the smallest denormal
            return sign;
        significand |= 0x800000;
        result = significand >> shift;
    }
    uint32_t rest = significand & ((1u << shift) - 1), half = 1u << (shift - 1);
    result += rest > half || (rest == half && (result & 1));
    return (uint16_t)(sign | result);
}
