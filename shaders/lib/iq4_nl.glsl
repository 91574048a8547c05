// iq4_nl.glsl - blocks of 32 in 18 bytes: { f16 d; uint8 q[16]; }, w = d levels[q], elements 0 to 15
// in the low halves of the bytes, 16 to 31 in the high ones. The levels are spaced for values of a
// normal distribution.
//
// A block begins at an even byte, so its quants begin in the middle of a word or at one. A step is 8
// bytes.
#define ROW_SIZE(n_cols) ((n_cols) / 32u * 18u)

const uint UNIT = 32u, UNIT_STEPS = 2u, STEP_QUADS = 4u, STEP_COLUMNS = 8u;

struct Scales {
    float d;
};

struct Bits {
    uvec2 q;
};

uint unit_column(uint u)
{
    return 32u * u;
}

uint quad_column(uint q)
{
    return (q & 1u) * 4u + (q & 2u) * 8u;
}

Scales load_scales(uint row, uint u)
{
    return Scales(f16_to_f32(load_u16(row + 18u * u)));
}

Bits load_bits(uint row, uint u, uint s)
{
    uint at = row + 18u * u + 2u + 8u * s, i = at >> 2;
    bool odd = (at & 2u) != 0u;
    uint w0 = weights[i], w1 = weights[i + 1u], w2 = weights[i + (odd ? 2u : 1u)];
    return Bits(uvec2(join(w0, w1, odd), join(w1, w2, odd)));
}

// -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113, plus 128, in four words:
// an array indexed by a variable would go through memory on many devices.
float level(uint i)
{
    uint low = (i & 4u) == 0u ? 0x3f2d1801u : 0x766a5d4fu;
    uint high = (i & 4u) == 0u ? 0xa6998d81u : 0xf1d9c5b5u;
    uint word = (i & 8u) == 0u ? low : high;
    return float(word >> (i & 3u) * 8u & 0xffu) - 128.0;
}

vec4 quad(Scales t, Bits b, uint s, uint q)
{
    uint word = (q & 1u) == 0u ? b.q.x : b.q.y;
    word = word >> (q & 2u) * 2u & 0x0f0f0f0fu;
    return t.d * vec4(level(word & 15u), level(word >> 8 & 15u), level(word >> 16 & 15u),
                      level(word >> 24));
}

#ifdef USE_RUNS
const uint SPAN = 32u, GROUPS = 1u, SPAN_SIZE = 18u;
#define NO_MINIMUM 1

Groups load_groups(uint at)
{
    return one_group(f16_to_f32(load_u16(at)), 0.0);
}

float quant(uint at, uint c, uint l)
{
    return level(uint(weight_bytes[at + 2u + l]) >> c / 4u & 15u);
}
#endif

#ifdef USE_WIDE
// A load from here takes fewer instructions than working a level out, and is free of conflicts: each
// level has a bank of its own.
shared float levels[16];
#define PREPARE_WEIGHTS 1

void prepare_weights()
{
    for (uint i = gl_LocalInvocationIndex; i < 16u; i += gl_WorkGroupSize.x)
        levels[i] = level(i);
    barrier();
}

vec4 quartet(Words words, uint b, uint s, uint q)
{
    uint at = quartet_byte(b, q), shift = q < 4u ? 0u : 4u;
    vec4 w;
    [[unroll]] for (uint k = 0u; k < 4u; k++)
        w[k] = levels[words.w[at + k >> 2] >> (at + k & 3u) * 8u + shift & 15u];
    return w;
}

void load_terms(uint row, uint u, uint b, out vec2 terms[GROUPS])
{
    terms[0] = terms[1] = vec2(load_factor(row, u, b), 0.0);
}
#endif

#ifdef USE_DOT
const uint GROUPS = 2u, GROUP_WORDS = 8u, HALVES = 0u;
const bool OFFSETS = false;

// The levels of both halves of a byte, as its bytes 0 and 2: one load for two weights.
shared uint levels[256];
#define PREPARE_WEIGHTS 1

void prepare_weights()
{
    const uint words[4] = uint[4](0xbfad9881u, 0xf6eaddcfu, 0x26190d01u, 0x71594535u);
    for (uint i = gl_LocalInvocationIndex; i < 64u; i += gl_WorkGroupSize.x) {
        uint low = (uint(level(i & 15u) + 128.0) ^ 0x80u), shift = (i >> 4) * 8u;
        [[unroll]] for (uint k = 0u; k < 4u; k++)
            levels[64u * k + i] = low | (words[k] >> shift & 0xffu) << 16;
    }
    barrier();
}

struct Words {
    uint w[16]; // levels
};

Words load_words(uint row, uint u)
{
    uint i = (row >> 2) + 9u * u;
    Words words;
    [[unroll]] for (uint k = 0u; k < 8u; k++) {
        uint q = k < 4u ? weights[i + k] >> 16 | weights[i + k + 1u] << 16 : weights[i + k + 1u];
        uint a = levels[q & 0xffu] | levels[q >> 8 & 0xffu] << 8;
        uint b = levels[q >> 16 & 0xffu] | levels[q >> 24] << 8;
        words.w[8u * (k >> 2) + (k & 3u)] = a & 0xffffu | b << 16;
        words.w[8u * (k >> 2) + 4u + (k & 3u)] = a >> 16 | b & 0xffff0000u;
    }
    return words;
}

uint packed_quants(Words words, uint g, uint k)
{
    return words.w[8u * g + k];
}

uint group_column(uint u, uint g)
{
    return 64u * u + 32u * g;
}

void load_terms(uint row, uint u, out vec2 terms[GROUPS])
{
    uint i = (row >> 2) + 9u * u;
    terms[0] = vec2(f16_of(weights[i]), 0.0);
    terms[1] = vec2(f16_of(weights[i + 4u] >> 16), 0.0);
}
#endif
