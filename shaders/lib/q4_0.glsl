// q4_0.glsl - blocks of 32 in 18 bytes: { f16 d; uint8 q[16]; }, w = d (q - 8), elements 0 to 15 in
// the low halves of the bytes, 16 to 31 in the high ones.
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

vec4 quad(Scales t, Bits b, uint s, uint q)
{
    uint word = (q & 1u) == 0u ? b.q.x : b.q.y;
    return t.d * bytes(word >> (q & 2u) * 2u & 0x0f0f0f0fu) - 8.0 * t.d;
}

#ifdef USE_RUNS
const uint SPAN = 32u, GROUPS = 1u, SPAN_SIZE = 18u;

Groups load_groups(uint at)
{
    float d = f16_to_f32(load_u16(at));
    return one_group(d, 8.0 * d);
}

float quant(uint at, uint c, uint l)
{
    return float(int(weight_bytes[at + 2u + l]) >> c / 4u & 15);
}
#endif

#ifdef USE_WIDE
// Of the high halves: 16 times q.
vec4 quartet(Words words, uint b, uint s, uint q)
{
    uint at = quartet_byte(b, q);
    uint mask = q < 4u ? 0x0f0f0f0fu : 0xf0f0f0f0u;
    return vec4(byte_at(words.w[at >> 2] & mask, at), byte_at(words.w[at >> 2] & mask, at + 1u),
                byte_at(words.w[at + 2u >> 2] & mask, at + 2u),
                byte_at(words.w[at + 2u >> 2] & mask, at + 3u));
}

void load_terms(uint row, uint u, uint b, out vec2 terms[GROUPS])
{
    float d = load_factor(row, u, b);
    terms[0] = vec2(d, -8.0 * d);
    terms[1] = vec2(0.0625 * d, -8.0 * d);
}
#endif

#ifdef USE_DOT
const uint GROUPS = 2u, GROUP_WORDS = 8u, HALVES = 0u;
const bool OFFSETS = true;

struct Words {
    uint w[8];
};

// Two blocks are nine words; the first one's quants begin in the middle of a word.
Words load_words(uint row, uint u)
{
    uint i = (row >> 2) + 9u * u;
    Words words;
    [[unroll]] for (uint k = 0u; k < 4u; k++) {
        words.w[k] = weights[i + k] >> 16 | weights[i + k + 1u] << 16;
        words.w[4u + k] = weights[i + 5u + k];
    }
    return words;
}

uint packed_quants(Words words, uint g, uint k)
{
    return words.w[4u * g + (k & 3u)] >> (k & 4u) & 0x0f0f0f0fu;
}

uint group_column(uint u, uint g)
{
    return 64u * u + 32u * g;
}

void load_terms(uint row, uint u, out vec2 terms[GROUPS])
{
    uint i = (row >> 2) + 9u * u;
    float d0 = f16_of(weights[i]), d1 = f16_of(weights[i + 4u] >> 16);
    terms[0] = vec2(d0, -8.0 * d0);
    terms[1] = vec2(d1, -8.0 * d1);
}
#endif
