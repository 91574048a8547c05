// weights.glsl - reading weights of any block format, chosen by TYPE_Q4_K and the like.
//
// A row of weights is cut into units: as many weights as share what is read of scales. A unit is
// read in steps of a word or two, and a step has quads: the weights of four consecutive columns.
// Units and steps are laid out so that each byte of a block is read once, hence the quads of a step
// need not be neighbours. Each format's file says:
//
//   UNIT          weights of a unit = UNIT_STEPS * STEP_QUADS * 4
//   ROW_SIZE(n)   bytes of a row of n columns
//   Scales load_scales(row, u)    what the weights of unit u share; the row begins at byte `row`
//   Bits load_bits(row, u, s)     step s of the unit
//   vec4 quad(scales, bits, s, q) the weights of quad q of that step
//   unit_column(u) + s * STEP_COLUMNS + quad_column(q)    the column of its first weight
//
// s and q may be variables, or constants after unrolling.
//
// Quantised rows are whole units. For F32, F16 and BF16, which define PLAIN_FLOATS, a row may end in
// part of a unit, and
//   float weight(row, c)          is the weight of column c
//
// With USE_RUNS also, for loops inside one invocation that a compiler can make vectors of: a span of SPAN
// columns in SPAN_SIZE bytes has GROUPS groups, each with a scale and a minimum;
//   Groups load_groups(at)        those of the span at byte `at`, which is even and from lane_base()
//   float quant(at, c, l)         so that the weight of its column c + l is scale * quant - minimum of
//                                 the group; c is a multiple of DOT_LANES and constant after unrolling, l
//                                 the lane of the loop
//   NO_MINIMUM                    is defined where all are 0
//
// Storage is 32 bits wide, and with USE_RUNS also 8 and 16. Nothing is read but words that hold bytes
// of the unit asked for.
// Formats: ggml-common.h and ggml-quants.c of https://github.com/ggml-org/ggml.
#extension GL_EXT_control_flow_attributes : require

layout(std430, binding = 0) restrict readonly buffer Weights
{
    uint weights[];
};

#ifdef USE_RUNS
#extension GL_EXT_shader_8bit_storage : require
#extension GL_EXT_shader_16bit_storage : require

layout(std430, binding = 0) readonly buffer WeightBytes
{
    uint8_t weight_bytes[];
};
layout(std430, binding = 0) readonly buffer WeightHalves
{
    uint16_t weight_halves[];
};

#include "lib/lane_base.glsl"

const uint DOT_LANES = 16u; // of a vector; loops over them go over neighbours in memory

struct Groups {
    float scale[16], minimum[16];
};

Groups one_group(float scale, float minimum)
{
    Groups groups;
    groups.scale[0] = scale;
    groups.minimum[0] = minimum;
    return groups;
}
#endif

// 16 bits at an even byte.
uint load_u16(uint at)
{
#ifdef USE_RUNS
    return uint(weight_halves[at >> 1]);
#else
    return weights[at >> 2] >> ((at & 2u) << 3) & 0xffffu;
#endif
}

// The 32 bits that begin at `low`, or in the middle of it.
uint join(uint low, uint high, bool odd)
{
    return odd ? low >> 16 | high << 16 : low;
}

// binary16 in the low 16 bits to f32. unpackHalf2x16() may flush denormals, and scales often are
// such.
float f16_to_f32(uint h)
{
#ifdef USE_RUNS
    // Processors have an instruction for it, and flush none. Where it was done by bits, multiplying
    // denormals took long: the scales of Q6_K nearly all are such, of Q4_K up to half.
    return unpackHalf2x16(h).x;
#else
    uint magnitude = h & 0x7fffu;
    float value = magnitude < 0x400u ? float(magnitude) * 5.9604644775390625e-8 // 2^-24
                                     : uintBitsToFloat((magnitude << 13) + 0x38000000u);
    return (h & 0x8000u) != 0u ? -value : value;
#endif
}

// Four unsigned bytes.
vec4 bytes(uint word)
{
    return vec4(float(word & 0xffu), float(word >> 8 & 0xffu), float(word >> 16 & 0xffu),
                float(word >> 24));
}

// The byte of `word` that lies at byte `at` of memory.
float byte_at(uint word, uint at)
{
    return float(word >> 8u * (at & 3u) & 0xffu);
}

// binary16 in the low 16 bits to f32, by the device. It may flush denormals, and scales often are such:
// for variants that are tried before they are used.
float f16_of(uint h)
{
    return unpackHalf2x16(h).x;
}

// Bits 0 to 3 moved to bits 4, 12, 20, 28: the fifth bits of four bytes. No two of the shifted copies
// that the product adds up meet in one bit.
uint spread_bits(uint bits)
{
    return (bits & 15u) * 0x02040810u & 0x10101010u;
}

// Whether to unroll the loops over the steps and quads of a unit: short code compiles faster (by
// seconds, on drivers that run on the processor), long code runs faster.
#ifdef LONG_CODE
#define MAYBE_UNROLL [[unroll]]
#else
#define MAYBE_UNROLL [[dont_unroll]]
#endif

#if defined(TYPE_Q4_K) || defined(TYPE_Q5_K)
#include "lib/scales_k.glsl"
#endif
#if defined(USE_WIDE) && (defined(TYPE_Q4_0) || defined(TYPE_IQ4_NL))
#include "lib/wide_halves.glsl"
#endif

#if defined(TYPE_F32)
#include "lib/f32.glsl"
#elif defined(TYPE_F16)
#include "lib/f16.glsl"
#elif defined(TYPE_BF16)
#include "lib/bf16.glsl"
#elif defined(TYPE_Q8_0)
#include "lib/q8_0.glsl"
#elif defined(TYPE_Q4_0)
#include "lib/q4_0.glsl"
#elif defined(TYPE_Q4_1)
#include "lib/q4_1.glsl"
#elif defined(TYPE_Q5_0)
#include "lib/q5_0.glsl"
#elif defined(TYPE_Q5_1)
#include "lib/q5_1.glsl"
#elif defined(TYPE_IQ4_NL)
#include "lib/iq4_nl.glsl"
#elif defined(TYPE_Q2_K)
#include "lib/q2_k.glsl"
#elif defined(TYPE_Q3_K)
#include "lib/q3_k.glsl"
#elif defined(TYPE_Q4_K)
#include "lib/q4_k.glsl"
#elif defined(TYPE_Q5_K)
#include "lib/q5_k.glsl"
#elif defined(TYPE_Q6_K)
#include "lib/q6_k.glsl"
#endif
