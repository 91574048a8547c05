// weights.glsl - reading weights of any block format, chosen by TYPE_Q4_K and the like.
//
// A row of weights is cut into units: as many weights as one invocation decodes at a time, in quads
// of four consecutive columns. A unit is laid out so that each byte of a block is read once, hence
// the quads of a unit need not be neighbours. Each format's file says:
//
//   UNIT              weights of a unit
//   QUADS             UNIT / 4
//   ROW_SIZE(n_cols)  bytes of a row
//   struct Unit       what was read of a unit
//   Unit load_unit(uint row, uint u)    unit u of the row that begins at byte `row` of the binding
//   uint unit_column(uint u)            column of its first quad
//   uint quad_column(uint q)            column of quad q, counted from the first quad's
//   vec4 quad(Unit t, uint q)           the weights of quad q; q is a constant after unrolling
//
// Quantised rows are whole units. For F32, F16 and BF16, which define PLAIN_FLOATS, a row may end in
// part of a unit, and
//   float weight(uint row, uint c)      is the weight of column c
//
// Storage is 32 bits wide. Nothing is read but words that hold bytes of the unit asked for.
// Formats: ggml-common.h and ggml-quants.c of https://github.com/ggml-org/ggml.
#extension GL_EXT_control_flow_attributes : require

layout(std430, binding = 0) restrict readonly buffer Weights
{
    uint weights[];
};

// 16 bits at an even byte.
uint load_u16(uint at)
{
    return weights[at >> 2] >> ((at & 2u) << 3) & 0xffffu;
}

// The 32 bits that begin `odd` half-words into a pair of words.
uint join(uint low, uint high, bool odd)
{
    return odd ? low >> 16 | high << 16 : low;
}

// binary16 in the low 16 bits to f32. unpackHalf2x16() may flush denormals, and scales often are
// such.
float f16_to_f32(uint h)
{
    uint magnitude = h & 0x7fffu;
    float value = magnitude < 0x400u ? float(magnitude) * 5.9604644775390625e-8 // 2^-24
                                     : uintBitsToFloat((magnitude << 13) + 0x38000000u);
    return (h & 0x8000u) != 0u ? -value : value;
}

// Four unsigned bytes.
vec4 bytes(uint word)
{
    return vec4(float(word & 0xffu), float(word >> 8 & 0xffu), float(word >> 16 & 0xffu),
                float(word >> 24));
}

#if defined(TYPE_Q4_K) || defined(TYPE_Q5_K)
#include "lib/scales_k.glsl"
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
