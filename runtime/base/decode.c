#include "base/decode.h"

#include <assert.h>
#include <string.h>

static uint16_t load_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static float load_f16(const uint8_t *p)
{
    return smr_f16_to_f32(load_u16(p));
}

// The same without a branch, for loops over many.
static float load_f16_inline(const uint8_t *p)
{
    const uint32_t half = load_u16(p), magnitude = half & 0x7fff;
    union {
        uint32_t bits;
        float value;
    } normal = {.bits = (magnitude << 13) + 0x38000000}, denormal;
    normal.bits += magnitude >= 0x7c00 ? 0x38000000 : 0; // infinity, NaN
    denormal.value = (float)(int32_t)magnitude * 0x1p-24f;
    const uint32_t bits = magnitude < 0x400 ? denormal.bits : normal.bits;
    normal.bits = bits | (half & 0x8000) << 16;
    return normal.value;
}

// ---- blocks of 32 -------------------------------------------------------------------------------

// { f16 d; int8 q[32]; }: w = d q
static void decode_q8_0(const uint8_t *restrict b, float *restrict out)
{
    const float d = load_f16(b);
    const int8_t *q = (const int8_t *)b + 2;
    for (int i = 0; i < 32; i++)
        out[i] = d * (float)q[i];
}

// Elements 0 to 15 in the low halves of 16 bytes, 16 to 31 in the high ones: w = d q + m
static void nibbles(const uint8_t *restrict q, float d, float m, float *restrict out)
{
    for (int i = 0; i < 16; i++)
        out[i] = d * (float)(q[i] & 15) + m;
    for (int i = 0; i < 16; i++)
        out[16 + i] = d * (float)(q[i] >> 4) + m;
}

// { f16 d; uint8 q[16]; }: w = d (q - 8)
static void decode_q4_0(const uint8_t *restrict b, float *restrict out)
{
    const float d = load_f16(b);
    nibbles(b + 2, d, -8 * d, out);
}

// { f16 d, m; uint8 q[16]; }: w = d q + m
static void decode_q4_1(const uint8_t *restrict b, float *restrict out)
{
    nibbles(b + 4, load_f16(b), load_f16(b + 2), out);
}

// As nibbles(), with a fifth bit for element i in bit i of the 32 bits before them.
static void five_bits(const uint8_t *restrict b, float d, float m, float *restrict out)
{
    const uint32_t high = load_u16(b) | (uint32_t)load_u16(b + 2) << 16;
    for (int i = 0; i < 16; i++)
        out[i] = d * (float)((b[4 + i] & 15) | (high >> i & 1) << 4) + m;
    for (int i = 0; i < 16; i++)
        out[16 + i] = d * (float)(b[4 + i] >> 4 | (high >> (16 + i) & 1) << 4) + m;
}

// { f16 d; uint32 high; uint8 q[16]; }: w = d (q - 16)
static void decode_q5_0(const uint8_t *restrict b, float *restrict out)
{
    const float d = load_f16(b);
    five_bits(b + 2, d, -16 * d, out);
}

// { f16 d, m; uint32 high; uint8 q[16]; }: w = d q + m
static void decode_q5_1(const uint8_t *restrict b, float *restrict out)
{
    five_bits(b + 4, load_f16(b), load_f16(b + 2), out);
}

// { f16 d; uint8 q[16]; }: w = d levels[q], levels spaced for values of a normal distribution
static void decode_iq4_nl(const uint8_t *restrict b, float *restrict out)
{
    static const int8_t levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                      1,    13,   25,  38,  53,  69,  89,  113};
    const float d = load_f16(b);
    for (int i = 0; i < 16; i++) {
        out[i] = d * levels[b[2 + i] & 15];
        out[16 + i] = d * levels[b[2 + i] >> 4];
    }
}

// ---- blocks of 256, made of groups with a scale each ----------------------------------------------

// { uint8 scales[16]; uint8 q[64]; f16 d, m; }: 16 groups of 16, w = d s q - m t, with s in the low
// and t in the high half of the group's byte. Element (128 h + 32 g + l) in bits 2g of q[32 h + l].
static void decode_q2_k(const uint8_t *restrict b, float *restrict out)
{
    const float d = load_f16(b + 80), m = load_f16(b + 82);
    for (int group = 0; group < 16; group++) {
        const uint8_t *q = b + 16 + group / 8 * 32 + group % 2 * 16;
        const int shift = group / 2 % 4 * 2;
        const float scale = d * (float)(b[group] & 15), offset = m * (float)(b[group] >> 4);
        for (int i = 0; i < 16; i++)
            out[group * 16 + i] = scale * (float)(q[i] >> shift & 3) - offset;
    }
}

// { uint8 high[32]; uint8 q[64]; uint8 scales[12]; f16 d; }: 16 groups of 16, w = d (s - 32) (q - 4),
// q of two bits as in Q2_K and a third in bit (4 h + g) of high[l]. Scales have 6 bits: the low four
// in halves of bytes 0 to 7 (groups 0 to 7 in the low halves), the high two in bytes 8 to 11.
static void decode_q3_k(const uint8_t *restrict b, float *restrict out)
{
    const float d = load_f16(b + 108);
    const uint8_t *scales = b + 96;
    for (int group = 0; group < 16; group++) {
        const uint8_t *q = b + 32 + group / 8 * 32 + group % 2 * 16, *high = b + group % 2 * 16;
        const int shift = group / 2 % 4 * 2, bit = group / 2;
        const int low_bits = scales[group % 8] >> group / 8 * 4 & 15;
        const int high_bits = scales[8 + group % 4] >> group / 4 * 2 & 3;
        const float scale = d * (float)((low_bits | high_bits << 4) - 32);
        for (int i = 0; i < 16; i++)
            out[group * 16 + i] =
                scale * (float)((q[i] >> shift & 3) + (high[i] >> bit & 1) * 4 - 4);
    }
}

// Scale and minimum of group `group` of 8, of 6 bits each, out of 12 bytes: groups 0 to 3 have
// theirs in the low bits of bytes 0 to 3 and 4 to 7; groups 4 to 7 have four bits of each in bytes 8
// to 11, and two in the top of bytes 0 to 3 and 4 to 7.
static void scale_and_min(const uint8_t *s, int group, float *scale, float *min)
{
    if (group < 4) {
        *scale = (float)(s[group] & 63);
        *min = (float)(s[group + 4] & 63);
    } else {
        *scale = (float)((s[group + 4] & 15) | s[group - 4] >> 6 << 4);
        *min = (float)(s[group + 4] >> 4 | s[group] >> 6 << 4);
    }
}

// { f16 d, m; uint8 scales[12]; uint8 q[128]; }: 8 groups of 32, w = d s q - m t. Groups 2c and
// 2c + 1 in the low and high halves of q[32 c] to q[32 c + 31].
static void decode_q4_k(const uint8_t *restrict b, float *restrict out)
{
    const float d = load_f16(b), m = load_f16(b + 2);
    for (int group = 0; group < 8; group++) {
        const uint8_t *q = b + 16 + group / 2 * 32;
        const int shift = group % 2 * 4;
        float scale, offset;
        scale_and_min(b + 4, group, &scale, &offset);
        scale *= d;
        offset *= m;
        for (int i = 0; i < 32; i++)
            out[group * 32 + i] = scale * (float)(q[i] >> shift & 15) - offset;
    }
}

// { f16 d, m; uint8 scales[12]; uint8 high[32]; uint8 q[128]; }: as Q4_K, with a fifth bit of
// element l of group g in bit g of high[l].
static void decode_q5_k(const uint8_t *restrict b, float *restrict out)
{
    const float d = load_f16(b), m = load_f16(b + 2);
    const uint8_t *high = b + 16;
    for (int group = 0; group < 8; group++) {
        const uint8_t *q = b + 48 + group / 2 * 32;
        const int shift = group % 2 * 4;
        float scale, offset;
        scale_and_min(b + 4, group, &scale, &offset);
        scale *= d;
        offset *= m;
        for (int i = 0; i < 32; i++) {
            const int value = (q[i] >> shift & 15) | (high[i] >> group & 1) << 4;
            out[group * 32 + i] = scale * (float)value - offset;
        }
    }
}

// { uint8 low[128]; uint8 high[64]; int8 scales[16]; f16 d; }: 16 groups of 16, w = d s (q - 32).
// Element (128 h + 32 g + l): low four bits in low[64 h + 32 (g % 2) + l], in its high half when
// g >= 2; high two in bits 2g of high[32 h + l].
static void decode_q6_k(const uint8_t *restrict b, float *restrict out)
{
    const float d = load_f16(b + 208);
    const int8_t *scales = (const int8_t *)b + 192;
    for (int group = 0; group < 16; group++) {
        const int half = group / 8, g = group / 2 % 4;
        const uint8_t *low = b + half * 64 + g % 2 * 32 + group % 2 * 16;
        const uint8_t *high = b + 128 + half * 32 + group % 2 * 16;
        const int low_shift = g / 2 * 4, high_shift = g * 2;
        const float scale = d * (float)scales[group];
        for (int i = 0; i < 16; i++) {
            const int value = (low[i] >> low_shift & 15) | (high[i] >> high_shift & 3) << 4;
            out[group * 16 + i] = scale * (float)(value - 32);
        }
    }
}

// ---- rows ---------------------------------------------------------------------------------------

static void decode_floats(enum smr_type type, const uint8_t *p, uint64_t n, float *out)
{
    if (type == SMR_F32)
        memcpy(out, p, n * sizeof(float));
    else if (type == SMR_F16)
        for (uint64_t i = 0; i < n; i++)
            out[i] = load_f16_inline(p + 2 * i);
    else
        for (uint64_t i = 0; i < n; i++)
            out[i] = smr_bf16_to_f32(load_u16(p + 2 * i));
}

typedef void decode_fn(const uint8_t *restrict block, float *restrict out);

static decode_fn *block_decoder(enum smr_type type)
{
    switch (type) {
    case SMR_Q4_0:
        return decode_q4_0;
    case SMR_Q4_1:
        return decode_q4_1;
    case SMR_Q5_0:
        return decode_q5_0;
    case SMR_Q5_1:
        return decode_q5_1;
    case SMR_Q8_0:
        return decode_q8_0;
    case SMR_Q2_K:
        return decode_q2_k;
    case SMR_Q3_K:
        return decode_q3_k;
    case SMR_Q4_K:
        return decode_q4_k;
    case SMR_Q5_K:
        return decode_q5_k;
    case SMR_Q6_K:
        return decode_q6_k;
    case SMR_IQ4_NL:
        return decode_iq4_nl;
    default:
        return NULL;
    }
}

void smr_decode_row(enum smr_type type, const void *blocks, uint64_t n, float *out)
{
    if (type == SMR_F32 || type == SMR_F16 || type == SMR_BF16) {
        decode_floats(type, blocks, n, out);
        return;
    }
    const struct smr_type_info *info = smr_type_info(type);
    decode_fn *decode = block_decoder(type);
    assert(info && decode && n % info->block_elements == 0);
    const uint8_t *block = blocks;
    for (uint64_t i = 0; i < n; i += info->block_elements) {
        decode(block, out + i);
        block += info->block_size;
    }
}
