// q4_k.glsl - blocks of 256 in 144 bytes: { f16 d, m; uint8 scales[12]; uint8 q[128]; }, 8 groups of
// 32, w = d s q - m t. Groups 2c and 2c + 1 are in the low and high halves of q[32 c] to
// q[32 c + 31].
//
// A unit is 16 bytes of q: half of each of two groups. A step is a word of them.
#define ROW_SIZE(n_cols) ((n_cols) / 256u * 144u)

const uint UNIT = 32u, UNIT_STEPS = 4u, STEP_QUADS = 2u, STEP_COLUMNS = 4u;

struct Scales {
    vec4 groups; // scale and minimum of the low and of the high halves
};

struct Bits {
    uint q;
};

uint unit_column(uint u)
{
    return (u >> 1) * 64u + (u & 1u) * 16u;
}

uint quad_column(uint q)
{
    return 32u * q;
}

Scales load_scales(uint row, uint u)
{
    uint at = (row >> 2) + 36u * (u >> 3), d = weights[at];
    uvec3 s = uvec3(weights[at + 1u], weights[at + 2u], weights[at + 3u]);
    return Scales(
        group_scales(s, u >> 1 & 3u, f16_to_f32(d & 0xffffu), f16_to_f32(d >> 16)));
}

Bits load_bits(uint row, uint u, uint s)
{
    return Bits(weights[(row >> 2) + 36u * (u >> 3) + 4u + 4u * (u & 7u) + s]);
}

vec4 quad(Scales t, Bits b, uint s, uint q)
{
    vec2 group = q == 0u ? t.groups.xy : t.groups.zw;
    return group.x * bytes(b.q >> 4u * q & 0x0f0f0f0fu) - group.y;
}

#ifdef USE_RUNS
const uint SPAN = 256u, GROUPS = 8u, SPAN_SIZE = 144u;

Groups load_groups(uint at)
{
    return groups_k(at);
}

float quant(uint at, uint c, uint l)
{
    return float(int(weight_bytes[at + 16u + c / 64u * 32u + c % 32u + l]) >> (c / 32u & 1u) * 4u & 15);
}
#endif

#ifdef USE_WIDE
const uint SPAN_BLOCKS = 1u, BLOCK_COLUMNS = 64u, BLOCK_STEPS = 2u, STEP_QUARTETS = 8u;
const uint GROUPS = 2u;

struct Words {
    uint w[4];
};

// A span is two groups: the low and the high halves of 32 bytes.
Words load_words(uint row, uint u, uint b, uint s)
{
    uint i = (row >> 2) + 36u * (u >> 2) + 4u + 8u * (u & 3u) + 4u * s;
    Words words;
    [[unroll]] for (uint k = 0u; k < 4u; k++)
        words.w[k] = weights[i + k];
    return words;
}

uint span_column(uint u)
{
    return 64u * u;
}

uint quartet_group(uint q)
{
    return q >> 2;
}

uint quartet_column(uint s, uint q)
{
    return 16u * s + 4u * (q & 3u) + 32u * (q >> 2);
}

// Of the high halves: 16 times q.
vec4 quartet(Words words, uint b, uint s, uint q)
{
    return bytes(words.w[q & 3u] & (q < 4u ? 0x0f0f0f0fu : 0xf0f0f0f0u));
}

void load_terms(uint row, uint u, uint b, out vec2 terms[GROUPS])
{
    uint at = (row >> 2) + 36u * (u >> 2), d = weights[at];
    uvec3 s = uvec3(weights[at + 1u], weights[at + 2u], weights[at + 3u]);
    vec4 t = group_scales(s, u & 3u, f16_of(d), f16_of(d >> 16));
    terms[0] = vec2(t.x, -t.y);
    terms[1] = vec2(0.0625 * t.z, -t.w);
}
#endif

#ifdef USE_DOT
const uint GROUPS = 2u, GROUP_WORDS = 8u, HALVES = 0u;
const bool OFFSETS = true;

struct Words {
    uint w[8];
};

// A span is two groups: the low and the high halves of 32 bytes.
Words load_words(uint row, uint u)
{
    uint i = (row >> 2) + 36u * (u >> 2) + 4u + 8u * (u & 3u);
    Words words;
    [[unroll]] for (uint k = 0u; k < 8u; k++)
        words.w[k] = weights[i + k];
    return words;
}

uint packed_quants(Words words, uint g, uint k)
{
    return words.w[k] >> 4u * g & 0x0f0f0f0fu;
}

uint group_column(uint u, uint g)
{
    return 64u * u + 32u * g;
}

void load_terms(uint row, uint u, out vec2 terms[GROUPS])
{
    uint at = (row >> 2) + 36u * (u >> 2), d = weights[at];
    uvec3 s = uvec3(weights[at + 1u], weights[at + 2u], weights[at + 3u]);
    vec4 t = group_scales(s, u & 3u, f16_of(d), f16_of(d >> 16));
    terms[0] = vec2(t.x, -t.y);
    terms[1] = vec2(t.z, -t.w);
}
#endif
