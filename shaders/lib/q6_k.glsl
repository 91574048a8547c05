// q6_k.glsl - blocks of 256 in 210 bytes: { uint8 low[128]; uint8 high[64]; int8 scales[16]; f16 d; },
// 16 groups of 16, w = d s (q - 32). Element 128 h + 32 g + l has its low four bits in
// low[64 h + 32 (g % 2) + l], in the high half when g >= 2, and its high two in bits 2g of
// high[32 h + l].
//
// A unit is eight l of one h, for all four g; a step is four of the l. A block begins at an even
// byte, so a word of it is cut out of two.
#define ROW_SIZE(n_cols) ((n_cols) / 256u * 210u)

const uint UNIT = 32u, UNIT_STEPS = 2u, STEP_QUADS = 4u, STEP_COLUMNS = 4u;

struct Scales {
    vec4 groups; // scale for each g
};

struct Bits {
    uvec2 low; // for g of 0 and 2, of 1 and 3
    uint high;
};

uint unit_column(uint u)
{
    return (u >> 2) * 128u + (u & 3u) * 8u;
}

uint quad_column(uint q)
{
    return 32u * q;
}

Scales load_scales(uint row, uint u)
{
    uint block = row + 210u * (u >> 3), h = u >> 2 & 1u, shift = (u & 2u) * 4u;
    uint i = (block >> 2) + 48u + 2u * h;
    bool odd = (block & 2u) != 0u;
    uint w0 = weights[i], w1 = weights[i + 1u], w2 = weights[i + 2u];
    int s0 = int(join(w0, w1, odd) >> shift), s1 = int(join(w1, w2, odd) >> shift);
    return Scales(f16_to_f32(load_u16(block + 208u)) *
                  vec4(float(bitfieldExtract(s0, 0, 8)), float(bitfieldExtract(s0, 16, 8)),
                       float(bitfieldExtract(s1, 0, 8)), float(bitfieldExtract(s1, 16, 8))));
}

Bits load_bits(uint row, uint u, uint s)
{
    uint block = row + 210u * (u >> 3), i = (block >> 2) + 2u * (u & 3u) + s, h = u >> 2 & 1u;
    bool odd = (block & 2u) != 0u;
    uint low = i + 16u * h, high = i + 32u + 8u * h;
    return Bits(uvec2(join(weights[low], weights[low + 1u], odd),
                      join(weights[low + 8u], weights[low + 9u], odd)),
                join(weights[high], weights[high + 1u], odd));
}

vec4 quad(Scales t, Bits b, uint s, uint q)
{
    uint low = ((q & 1u) == 0u ? b.low.x : b.low.y) >> (q & 2u) * 2u & 0x0f0f0f0fu;
    uint high = (b.high >> 2u * q & 0x03030303u) << 4;
    return t.groups[q] * bytes(low | high) - 32.0 * t.groups[q];
}

#ifdef USE_RUNS
const uint SPAN = 256u, GROUPS = 16u, SPAN_SIZE = 210u;

Groups load_groups(uint at)
{
    Groups groups;
    float d = f16_to_f32(load_u16(at + 208u));
    [[dont_unroll]] for (uint g = 0u; g < GROUPS; g++) {
        groups.scale[g] = d * float(int(weight_bytes[at + 192u + g]) << 24 >> 24);
        groups.minimum[g] = 32.0 * groups.scale[g];
    }
    return groups;
}

float quant(uint at, uint c, uint l)
{
    uint h = c / 128u, g = c / 32u & 3u;
    int low = int(weight_bytes[at + 64u * h + 32u * (g & 1u) + c % 32u + l]) >> 2u * (g & 2u) & 15;
    int high = int(weight_bytes[at + 128u + 32u * h + c % 32u + l]) >> 2u * g & 3;
    return float(low | high << 4);
}
#endif

#if defined(USE_WIDE) || defined(USE_DOT)
// Two words from the middle of word i on, or from its begin.
uvec2 load_pair(uint i, bool odd)
{
    uint w0 = weights[i], w1 = weights[i + 1u], w2 = weights[i + 2u];
    return uvec2(join(w0, w1, odd), join(w1, w2, odd));
}

// d times the scales of the four g of span u: 16 l of one h.
vec4 span_scales(uint row, uint u)
{
    uint block = row + 210u * (u >> 2), h = u >> 1 & 1u, shift = (u & 1u) * 8u;
    bool odd = (block & 2u) != 0u;
    ivec2 s = ivec2(load_pair((block >> 2) + 48u + 2u * h, odd) >> shift);
    return f16_of(load_u16(block + 208u)) *
           vec4(float(bitfieldExtract(s.x, 0, 8)), float(bitfieldExtract(s.x, 16, 8)),
                float(bitfieldExtract(s.y, 0, 8)), float(bitfieldExtract(s.y, 16, 8)));
}
#endif

#ifdef USE_WIDE
const uint SPAN_BLOCKS = 1u, BLOCK_COLUMNS = 64u, BLOCK_STEPS = 2u, STEP_QUARTETS = 8u;
const uint GROUPS = 4u;

// Eight l of all four g.
struct Words {
    uvec2 low[2]; // for g of 0 and 2, of 1 and 3
    uvec2 high;
};

// A span is 16 l of one h.
Words load_words(uint row, uint u, uint b, uint s)
{
    uint block = row + 210u * (u >> 2), h = u >> 1 & 1u;
    uint i = (block >> 2) + 4u * (u & 1u) + 2u * s;
    bool odd = (block & 2u) != 0u;
    Words words;
    words.low[0] = load_pair(i + 16u * h, odd);
    words.low[1] = load_pair(i + 16u * h + 8u, odd);
    words.high = load_pair(i + 32u + 8u * h, odd);
    return words;
}

uint span_column(uint u)
{
    return (u >> 1) * 128u + (u & 1u) * 16u;
}

uint quartet_group(uint q)
{
    return q >> 1;
}

uint quartet_column(uint s, uint q)
{
    return 8u * s + 4u * (q & 1u) + 32u * (q >> 1);
}

vec4 quartet(Words words, uint b, uint s, uint q)
{
    uint g = q >> 1, i = q & 1u;
    uint low = words.low[g & 1u][i] >> 2u * (g & 2u) & 0x0f0f0f0fu;
    uint high = g < 2u ? words.high[i] << 4u - 2u * g : words.high[i] >> 2u * g - 4u;
    return bytes(low | high & 0x30303030u);
}

void load_terms(uint row, uint u, uint b, out vec2 terms[GROUPS])
{
    vec4 scales = span_scales(row, u);
    [[unroll]] for (uint g = 0u; g < 4u; g++)
        terms[g] = vec2(scales[g], -32.0 * scales[g]);
}
#endif

#ifdef USE_DOT
const uint GROUPS = 4u, GROUP_WORDS = 4u, HALVES = 1u;
const bool OFFSETS = true;

struct Words {
    uvec2 low[4]; // two of g of 0 and 2, two of 1 and 3
    uvec2 high[2];
};

// A span is 16 l of one h, for all four g.
Words load_words(uint row, uint u)
{
    uint block = row + 210u * (u >> 2), h = u >> 1 & 1u;
    uint i = (block >> 2) + 4u * (u & 1u);
    bool odd = (block & 2u) != 0u;
    Words words;
    [[unroll]] for (uint k = 0u; k < 2u; k++) {
        words.low[k] = load_pair(i + 16u * h + 2u * k, odd);
        words.low[2u + k] = load_pair(i + 16u * h + 8u + 2u * k, odd);
        words.high[k] = load_pair(i + 32u + 8u * h + 2u * k, odd);
    }
    return words;
}

uint packed_quants(Words words, uint g, uint k)
{
    uint low = words.low[2u * (g & 1u) + (k >> 1)][k & 1u] >> 2u * (g & 2u) & 0x0f0f0f0fu;
    uint word = words.high[k >> 1][k & 1u];
    uint high = g < 2u ? word << 4u - 2u * g : word >> 2u * g - 4u;
    return low | high & 0x30303030u;
}

uint group_column(uint u, uint g)
{
    return (u >> 1) * 128u + (u & 1u) * 16u + 32u * g;
}

void load_terms(uint row, uint u, out vec2 terms[GROUPS])
{
    vec4 scales = span_scales(row, u);
    [[unroll]] for (uint g = 0u; g < 4u; g++)
        terms[g] = vec2(scales[g], -32.0 * scales[g]);
}
#endif
