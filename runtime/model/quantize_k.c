// quantize_k.c - blocks of 256 elements in groups with a scale each ("K-quants").
//
// A block's scales are found group by group in f32, then rounded to a few bits times one f16 for the
// block; last, the elements are rounded to levels of the scales as they were stored. A group whose
// stored scale is 0 keeps the q that the search found, though nothing reads it: so does ggml.
#include "model/quantize_impl.h"
#include "model/quantize_search.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 256 };

// The nearest whole number, halves to even, from `min` to `max`.
static inline int nearest_in(float value, int min, int max)
{
    const float shift = 0x1.8p23f;
    value = value > (float)min ? value : (float)min;
    value = value < (float)max ? value : (float)max;
    return (int)((value + shift) - shift);
}

static float largest_of(const float *values, int n)
{
    float largest = 0;
    for (int i = 0; i < n; i++)
        largest = values[i] > largest ? values[i] : largest;
    return largest;
}

// The value of the largest magnitude, the first of those.
static float largest_magnitude_of(const float *values, int n)
{
    float largest = 0;
    for (int i = 0; i < n; i++)
        largest = fabsf(values[i]) > fabsf(largest) ? values[i] : largest;
    return largest;
}

// q = (x + offset) / scale, to the nearest from 0 to max.
static void round_group(const float *x, int n, float scale, float offset, int max, uint8_t *q)
{
    if (scale == 0)
        return;
    for (int i = 0; i < n; i++)
        q[i] = (uint8_t)nearest_in((x[i] + offset) / scale, 0, max);
}

// q = x / scale + middle, from 0 to 2 middle - 1.
static void round_symmetric(const float *x, int n, float scale, int middle, uint8_t *q)
{
    if (scale == 0)
        return;
    for (int i = 0; i < n; i++)
        q[i] = (uint8_t)(nearest_in(x[i] / scale, -middle, middle - 1) + middle);
}

// Two bits of each element: (128 h + 32 g + l) in bits 2g of to[32 h + l].
static void pack_two_bits(const uint8_t *q, uint8_t *to)
{
    for (int h = 0; h < 2; h++, q += 128)
        for (int l = 0; l < 32; l++)
            to[32 * h + l] = (uint8_t)((q[l] & 3) | (q[32 + l] & 3) << 2 | (q[64 + l] & 3) << 4 |
                                       (q[96 + l] & 3) << 6);
}

// ---- Q2_K, Q3_K, Q6_K: 16 groups of 16 ----------------------------------------------------------

// { uint8 scales[16]; uint8 q[64]; f16 d, m; }
void smr_quantize_q2_k(const float *restrict x, uint8_t *restrict block)
{
    static const struct smr_affine_search search = {16, 3, -0.5f, 15, true};
    uint8_t q[BLOCK];
    float scales[16], offsets[16];
    for (int g = 0; g < 16; g += SMR_LANES)
        smr_search_affine(&search, x + 16 * g, scales + g, offsets + g, q + 16 * g);
    const float scale = largest_of(scales, 16), offset = largest_of(offsets, 16);
    const float d = smr_store_f16(block + 80, scale / 15),
                m = smr_store_f16(block + 82, offset / 15);
    const float per_scale = scale > 0 ? 15 / scale : 0, per_offset = offset > 0 ? 15 / offset : 0;
    for (int group = 0; group < 16; group++) {
        const int s = nearest_in(per_scale * scales[group], 0, 15);
        const int t = nearest_in(per_offset * offsets[group], 0, 15);
        block[group] = (uint8_t)(s | t << 4);
        round_group(x + 16 * group, 16, d * (float)s, m * (float)t, 3, q + 16 * group);
    }
    pack_two_bits(q, block + 16);
}

// { uint8 high[32]; uint8 q[64]; uint8 scales[12]; f16 d; }
void smr_quantize_q3_k(const float *restrict x, uint8_t *restrict block)
{
    uint8_t q[BLOCK], *high = block, *packed = block + 96;
    float scales[16];
    for (int g = 0; g < 16; g += SMR_LANES)
        smr_refine_symmetric(16, 4, x + 16 * g, scales + g, q + 16 * g);
    const float largest = largest_magnitude_of(scales, 16), per_scale = largest ? -32 / largest : 0;
    const float d = smr_store_f16(block + 108, largest ? 1 / per_scale : 0);
    memset(packed, 0, 12);
    for (int group = 0; group < 16; group++) {
        const int s = nearest_in(per_scale * scales[group], -32, 31);
        if (largest) {
            packed[group % 8] |= (uint8_t)(((s + 32) & 15) << group / 8 * 4);
            packed[8 + group % 4] |= (uint8_t)((s + 32) >> 4 << group / 4 * 2);
        }
        round_symmetric(x + 16 * group, 16, d * (float)s, 4, q + 16 * group);
    }
    memset(high, 0, 32);
    for (int i = 0; i < BLOCK; i++)
        high[i % 32] |= (uint8_t)(q[i] >> 2 << i / 32);
    pack_two_bits(q, block + 32);
}

// { uint8 low[128]; uint8 high[64]; int8 scales[16]; f16 d; }
void smr_quantize_q6_k(const float *restrict x, uint8_t *restrict block)
{
    uint8_t all[BLOCK];
    float scales[16];
    for (int g = 0; g < 16; g += SMR_LANES)
        smr_search_symmetric(16, 32, x + 16 * g, scales + g, all + 16 * g);
    const float largest = largest_magnitude_of(scales, 16);
    memset(block, 0, 210);
    if (fabsf(largest) < 1e-15f)
        return;
    const float per_scale = -128 / largest, d = smr_store_f16(block + 208, 1 / per_scale);
    for (int group = 0; group < 16; group++) {
        const int s = nearest_in(per_scale * scales[group], -128, 127);
        block[192 + group] = (uint8_t)(s & 0xff);
        round_symmetric(x + 16 * group, 16, d * (float)s, 32, all + 16 * group);
    }
    for (int half = 0; half < 2; half++) {
        uint8_t *low = block + 64 * half, *high = block + 128 + 32 * half;
        const uint8_t *q = all + 128 * half;
        for (int l = 0; l < 64; l++)
            low[l] = (uint8_t)((q[l] & 15) | (q[64 + l] & 15) << 4);
        for (int l = 0; l < 32; l++)
            high[l] = (uint8_t)(q[l] >> 4 | q[32 + l] >> 4 << 2 | q[64 + l] >> 4 << 4 |
                                q[96 + l] >> 4 << 6);
    }
}

// ---- Q4_K, Q5_K: 8 groups of 32 with offsets ----------------------------------------------------

// Scales and offsets of 6 bits each in 12 bytes: see scale_and_min() in base/decode.c.
static void pack_six_bits(const int s[8], const int t[8], uint8_t *to)
{
    for (int i = 0; i < 4; i++) {
        to[i] = (uint8_t)(s[i] | s[i + 4] >> 4 << 6);
        to[i + 4] = (uint8_t)(t[i] | t[i + 4] >> 4 << 6);
        to[i + 8] = (uint8_t)((s[i + 4] & 15) | (t[i + 4] & 15) << 4);
    }
}

// What both share: { f16 d, m; uint8 scales[12]; }, and q.
static void quantize_affine(const struct smr_affine_search *search, const float *x, uint8_t *block,
                            uint8_t *q)
{
    float scales[8], offsets[8];
    int s[8], t[8];
    for (int g = 0; g < 8; g += SMR_LANES)
        smr_search_affine(search, x + 32 * g, scales + g, offsets + g, q + 32 * g);
    const float scale = largest_of(scales, 8), offset = largest_of(offsets, 8);
    const float d = smr_store_f16(block, scale / 63), m = smr_store_f16(block + 2, offset / 63);
    const float per_scale = scale > 0 ? 63 / scale : 0, per_offset = offset > 0 ? 63 / offset : 0;
    for (int group = 0; group < 8; group++) {
        s[group] = nearest_in(per_scale * scales[group], 0, 63);
        t[group] = nearest_in(per_offset * offsets[group], 0, 63);
        round_group(x + 32 * group, 32, d * (float)s[group], m * (float)t[group], search->max,
                    q + 32 * group);
    }
    pack_six_bits(s, t, block + 4);
}

// Groups 2c and 2c + 1 in the low and high halves of to[32 c] to to[32 c + 31].
static void pack_four_bits(const uint8_t *q, uint8_t *to)
{
    for (int c = 0; c < 4; c++)
        for (int l = 0; l < 32; l++)
            to[32 * c + l] = (uint8_t)((q[64 * c + l] & 15) | (q[64 * c + 32 + l] & 15) << 4);
}

// { f16 d, m; uint8 scales[12]; uint8 q[128]; }
void smr_quantize_q4_k(const float *restrict x, uint8_t *restrict block)
{
    static const struct smr_affine_search search = {32, 15, -1, 20, false};
    uint8_t q[BLOCK];
    quantize_affine(&search, x, block, q);
    pack_four_bits(q, block + 16);
}

// { f16 d, m; uint8 scales[12]; uint8 high[32]; uint8 q[128]; }
void smr_quantize_q5_k(const float *restrict x, uint8_t *restrict block)
{
    static const struct smr_affine_search search = {32, 31, -0.5f, 15, false};
    uint8_t q[BLOCK], *high = block + 16;
    quantize_affine(&search, x, block, q);
    pack_four_bits(q, block + 48);
    memset(high, 0, 32);
    for (int i = 0; i < BLOCK; i++)
        high[i % 32] |= (uint8_t)(q[i] >> 4 << i / 32);
}
