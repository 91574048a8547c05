// q8_0.glsl - blocks of 32 in 34 bytes: { f16 d; int8 q[32]; }, w = d q.
//
// A block begins at an even byte, so its quants begin in the middle of a word or at one. Signed
// bytes are read as unsigned ones less 128. A step is 8 bytes.
#define ROW_SIZE(n_cols) ((n_cols) / 32u * 34u)

const uint UNIT = 32u, UNIT_STEPS = 4u, STEP_QUADS = 2u, STEP_COLUMNS = 8u;

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
    return 4u * q;
}

Scales load_scales(uint row, uint u)
{
    return Scales(f16_to_f32(load_u16(row + 34u * u)));
}

Bits load_bits(uint row, uint u, uint s)
{
    uint at = row + 34u * u + 2u + 8u * s, i = at >> 2;
    bool odd = (at & 2u) != 0u;
    uint w0 = weights[i], w1 = weights[i + 1u], w2 = weights[i + (odd ? 2u : 1u)];
    return Bits(uvec2(join(w0, w1, odd), join(w1, w2, odd)) ^ 0x80808080u);
}

vec4 quad(Scales t, Bits b, uint s, uint q)
{
    return t.d * bytes(q == 0u ? b.q.x : b.q.y) - 128.0 * t.d;
}

#ifdef USE_RUNS
const uint SPAN = 32u, GROUPS = 1u, SPAN_SIZE = 34u;
#define NO_MINIMUM 1

Groups load_groups(uint at)
{
    return one_group(f16_to_f32(load_u16(at)), 0.0);
}

float quant(uint at, uint c, uint l)
{
    return float(int(weight_bytes[at + 2u + c + l]) << 24 >> 24);
}
#endif

#ifdef USE_WIDE
const uint SPAN_BLOCKS = 2u, BLOCK_COLUMNS = 32u, BLOCK_STEPS = 2u, STEP_QUARTETS = 4u;
const uint GROUPS = 1u;

struct Words {
    uint w[5];
};

// Two blocks are 17 words; the second one's quants begin with a word.
Words load_words(uint row, uint u, uint b, uint s)
{
    uint i = (row >> 2) + 17u * u + 9u * b + 4u * s;
    Words words;
    [[unroll]] for (uint k = 0u; k < 5u - b; k++)
        words.w[k] = weights[i + k] ^ 0x80808080u;
    return words;
}

uint span_column(uint u)
{
    return 64u * u;
}

uint quartet_group(uint q)
{
    return 0u;
}

uint quartet_column(uint s, uint q)
{
    return 16u * s + 4u * q;
}

vec4 quartet(Words words, uint b, uint s, uint q)
{
    uint at = 2u - 2u * b + 4u * q;
    uint low = words.w[at >> 2], high = words.w[at + 2u >> 2];
    return vec4(byte_at(low, at), byte_at(low, at + 1u), byte_at(high, at + 2u),
                byte_at(high, at + 3u));
}

void load_terms(uint row, uint u, uint b, out vec2 terms[GROUPS])
{
    uint word = weights[(row >> 2) + 17u * u + 8u * b];
    float d = f16_of(b == 0u ? word : word >> 16);
    terms[0] = vec2(d, -128.0 * d);
}
#endif

#ifdef USE_DOT
const uint GROUPS = 2u, GROUP_WORDS = 8u, HALVES = 0u;
const bool OFFSETS = false;

struct Words {
    uint w[16];
};

// Two blocks are 17 words; the first one's quants begin in the middle of a word.
Words load_words(uint row, uint u)
{
    uint i = (row >> 2) + 17u * u;
    Words words;
    [[unroll]] for (uint k = 0u; k < 8u; k++) {
        words.w[k] = weights[i + k] >> 16 | weights[i + k + 1u] << 16;
        words.w[8u + k] = weights[i + 9u + k];
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
    uint i = (row >> 2) + 17u * u;
    terms[0] = vec2(f16_of(weights[i]), 0.0);
    terms[1] = vec2(f16_of(weights[i + 8u] >> 16), 0.0);
}
#endif
