// quantize.c - floats and blocks of 32 elements; K-quants are in quantize_k.c.
#include "model/quantize.h"

#include "model/quantize_impl.h"
#include "model/quantize_search.h"

#include <assert.h>
#include <math.h>
#include <string.h>

// What f16 holds, and with it the scales of blocks.
static const float largest_f16 = 65504;

// ---- blocks of 32 -------------------------------------------------------------------------------

// 1 / scale for rounding: 0 where there is no scale, or so small a one that it has no inverse.
static float inverse(float scale)
{
    const float result = 1 / scale;
    return scale != 0 && isfinite(result) ? result : 0;
}

// The element of the largest magnitude, the first of those.
static float find_largest(const float *x)
{
    float largest = 0;
    for (int i = 0; i < 32; i++)
        largest = fabsf(x[i]) > fabsf(largest) ? x[i] : largest;
    return largest;
}

static void find_range(const float *x, float *min, float *max)
{
    *min = *max = x[0];
    for (int i = 1; i < 32; i++) {
        *min = x[i] < *min ? x[i] : *min;
        *max = x[i] > *max ? x[i] : *max;
    }
}

// q = x factor + shift rounded down, which is to the nearest with the half that `shift` contains.
static inline uint8_t round_down(float x, float factor, float shift, int max)
{
    const int q = (int)(x * factor + shift);
    return (uint8_t)(q > max ? max : q);
}

// Elements 0 to 15 in the low halves of 16 bytes, 16 to 31 in the high ones.
static void pack_nibbles(const uint8_t *q, uint8_t *to)
{
    for (int i = 0; i < 16; i++)
        to[i] = (uint8_t)((q[i] & 15) | (q[16 + i] & 15) << 4);
}

// Bit 4 of element i in bit i of 32, and then the nibbles.
static void pack_five_bits(const uint8_t *q, uint8_t *to)
{
    memset(to, 0, 4);
    for (int i = 0; i < 32; i++)
        to[i / 8] |= (uint8_t)(q[i] >> 4 << i % 8);
    pack_nibbles(q, to + 4);
}

// { f16 d; int8 q[32]; }: the largest magnitude at 127
static void quantize_q8_0(const float *restrict x, uint8_t *restrict block)
{
    const float d = fabsf(find_largest(x)) / 127, factor = inverse(d);
    smr_store_f16(block, d);
    for (int i = 0; i < 32; i++) {
        const float scaled = x[i] * factor;
        // Halves away from 0, as roundf() has it. The sum with a half is exact where it matters.
        const int q = (int)(scaled + copysignf(0.49999997f, scaled));
        block[2 + i] = (uint8_t)(q & 0xff);
    }
}

// { f16 d; uint8 q[16]; }: the element of the largest magnitude at -8
static void quantize_q4_0(const float *restrict x, uint8_t *restrict block)
{
    uint8_t q[32];
    const float d = find_largest(x) / -8, factor = inverse(d);
    smr_store_f16(block, d);
    for (int i = 0; i < 32; i++)
        q[i] = round_down(x[i], factor, 8.5f, 15);
    pack_nibbles(q, block + 2);
}

// { f16 d, m; uint8 q[16]; }: the least element at 0, the greatest at 15
static void quantize_q4_1(const float *restrict x, uint8_t *restrict block)
{
    uint8_t q[32];
    float min, max;
    find_range(x, &min, &max);
    const float d = (max - min) / 15, factor = inverse(d);
    smr_store_f16(block, d);
    smr_store_f16(block + 2, min);
    for (int i = 0; i < 32; i++)
        q[i] = round_down(x[i] - min, factor, 0.5f, 15);
    pack_nibbles(q, block + 4);
}

// { f16 d; uint32 high; uint8 q[16]; }: the element of the largest magnitude at -16
static void quantize_q5_0(const float *restrict x, uint8_t *restrict block)
{
    uint8_t q[32];
    const float d = find_largest(x) / -16, factor = inverse(d);
    smr_store_f16(block, d);
    for (int i = 0; i < 32; i++)
        q[i] = round_down(x[i], factor, 16.5f, 31);
    pack_five_bits(q, block + 2);
}

// { f16 d, m; uint32 high; uint8 q[16]; }: the least element at 0, the greatest at 31
static void quantize_q5_1(const float *restrict x, uint8_t *restrict block)
{
    uint8_t q[32];
    float min, max;
    find_range(x, &min, &max);
    const float d = (max - min) / 31, factor = inverse(d);
    smr_store_f16(block, d);
    smr_store_f16(block + 2, min);
    for (int i = 0; i < 32; i++)
        q[i] = round_down(x[i] - min, factor, 0.5f, 31);
    pack_five_bits(q, block + 4);
}

// { f16 d; uint8 q[16]; }, SMR_LANES blocks at a time, the last ones filled up with zeros
static void quantize_iq4_nl(const float *x, uint64_t n_blocks, uint8_t *to)
{
    float padded[SMR_LANES * 32], scales[SMR_LANES];
    uint8_t q[SMR_LANES * 32];
    for (uint64_t begin = 0; begin < n_blocks; begin += SMR_LANES) {
        const uint64_t rest = n_blocks - begin;
        const int n = rest < SMR_LANES ? (int)rest : SMR_LANES;
        memset(padded, 0, sizeof padded);
        memcpy(padded, x + begin * 32, (size_t)n * 32 * sizeof *x);
        smr_search_levels(padded, scales, q);
        for (int i = 0; i < n; i++, to += 18) {
            smr_store_f16(to, scales[i]);
            pack_nibbles(q + 32 * i, to + 2);
        }
    }
}

// ---- floats -------------------------------------------------------------------------------------

// smr_f32_to_f16() without a branch, for loops over many values within f16's range.
static inline uint16_t to_f16(float value)
{
    union {
        float value;
        uint32_t bits;
    } u = {.value = value}, small;
    const uint32_t sign = u.bits & 0x80000000, magnitude = u.bits ^ sign;
    const uint32_t odd = magnitude >> 13 & 1;
    const uint32_t normal = (magnitude - 0x38000000 + 0xfff + odd) >> 13;
    small.value = fabsf(value) + 0.5f; // the last place of 0.5 is that of denormals, 2^-24
    const uint32_t denormal = small.bits - 0x3f000000;
    return (uint16_t)(sign >> 16 | (magnitude < 0x38800000 ? denormal : normal));
}

// Round to nearest even; a NaN stays one.
static uint16_t to_bf16(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static void quantize_floats(enum smr_type type, const float *x, uint64_t n, uint8_t *to)
{
    if (type == SMR_F32)
        memcpy(to, x, n * sizeof *x);
    else if (type == SMR_F16)
        for (uint64_t i = 0; i < n; i++)
            smr_store_u16(to + 2 * i, to_f16(x[i]));
    else
        for (uint64_t i = 0; i < n; i++)
            smr_store_u16(to + 2 * i, to_bf16(x[i]));
}

// ---- rows ---------------------------------------------------------------------------------------

// NULL for floats and IQ4_NL, and for what cannot be quantised to.
static smr_quantize_fn *block_quantizer(enum smr_type type)
{
    switch (type) {
    case SMR_Q4_0:
        return quantize_q4_0;
    case SMR_Q4_1:
        return quantize_q4_1;
    case SMR_Q5_0:
        return quantize_q5_0;
    case SMR_Q5_1:
        return quantize_q5_1;
    case SMR_Q8_0:
        return quantize_q8_0;
    case SMR_Q2_K:
        return smr_quantize_q2_k;
    case SMR_Q3_K:
        return smr_quantize_q3_k;
    case SMR_Q4_K:
        return smr_quantize_q4_k;
    case SMR_Q5_K:
        return smr_quantize_q5_k;
    case SMR_Q6_K:
        return smr_quantize_q6_k;
    default:
        return NULL;
    }
}

static bool is_float(enum smr_type type)
{
    return type == SMR_F32 || type == SMR_F16 || type == SMR_BF16;
}

bool smr_can_quantize(enum smr_type type)
{
    return is_float(type) || type == SMR_IQ4_NL || block_quantizer(type);
}

static bool fit_f16(const float *x, uint64_t n)
{
    bool fit = true;
    for (uint64_t i = 0; i < n; i++)
        fit &= fabsf(x[i]) <= largest_f16; // false for NaN
    return fit;
}

bool smr_quantize_rows(enum smr_type type, const float *src, uint64_t n_rows, uint64_t n_cols,
                       void *dst)
{
    const struct smr_type_info *info = smr_type_info(type);
    const uint64_t n = n_rows * n_cols;
    assert(smr_can_quantize(type) && n_cols % info->block_elements == 0);
    if (type != SMR_F32 && type != SMR_BF16 && !fit_f16(src, n))
        return false;
    if (is_float(type)) {
        quantize_floats(type, src, n, dst);
        return true;
    }
    if (type == SMR_IQ4_NL) {
        quantize_iq4_nl(src, n / 32, dst);
        return true;
    }
    smr_quantize_fn *quantize = block_quantizer(type);
    uint8_t *block = dst;
    for (uint64_t i = 0; i < n; i += info->block_elements, block += info->block_size)
        quantize(src + i, block);
    return true;
}

enum smr_type smr_fitting_type(enum smr_type type, uint64_t n_cols)
{
    static const struct {
        enum smr_type type, smaller_block;
    } rows[] = {
        {SMR_Q2_K, SMR_Q4_0}, {SMR_Q3_K, SMR_Q4_0}, {SMR_Q4_K, SMR_Q5_0},
        {SMR_Q5_K, SMR_Q5_1}, {SMR_Q6_K, SMR_Q8_0},
    };
    if (n_cols % smr_type_info(type)->block_elements == 0)
        return type;
    for (size_t i = 0; i < SMR_COUNT(rows); i++)
        if (rows[i].type == type && n_cols % 32 == 0)
            return rows[i].smaller_block;
    return SMR_F16;
}
