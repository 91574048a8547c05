// q5_k.glsl - blocks of 256 in 176 bytes: { f16 d, m; uint8 scales[12]; uint8 high[32];
// uint8 q[128]; }, as Q4_K, with a fifth bit of element l of group g in bit g of high[l].
//
// A unit is 16 bytes of q: half of each of two groups. A step is a word of them.
#define ROW_SIZE(n_cols) ((n_cols) / 256u * 176u)

const uint UNIT = 32u, UNIT_STEPS = 4u, STEP_QUADS = 2u, STEP_COLUMNS = 4u;

struct Scales {
    vec4 groups; // scale and minimum of the low and of the high halves
};

struct Bits {
    uint q;
    uint high; // of the low halves in bit 0 of each byte, of the high ones in bit 1
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
    uint at = (row >> 2) + 44u * (u >> 3), d = weights[at];
    uvec3 s = uvec3(weights[at + 1u], weights[at + 2u], weights[at + 3u]);
    return Scales(
        group_scales(s, u >> 1 & 3u, f16_to_f32(d & 0xffffu), f16_to_f32(d >> 16)));
}

Bits load_bits(uint row, uint u, uint s)
{
    uint at = (row >> 2) + 44u * (u >> 3) + s;
    return Bits(weights[at + 12u + 4u * (u & 7u)], weights[at + 4u + 4u * (u & 1u)] >> (u & 6u));
}

vec4 quad(Scales t, Bits b, uint s, uint q)
{
    vec2 group = q == 0u ? t.groups.xy : t.groups.zw;
    uint high = (b.high >> q & 0x01010101u) << 4;
    return group.x * bytes(b.q >> 4u * q & 0x0f0f0f0fu | high) - group.y;
}

#ifdef USE_RUNS
const uint SPAN = 256u, GROUPS = 8u, SPAN_SIZE = 176u;

Groups load_groups(uint at)
{
    return groups_k(at);
}

float quant(uint at, uint c, uint l)
{
    int q = int(weight_bytes[at + 48u + c / 64u * 32u + c % 32u + l]) >> (c / 32u & 1u) * 4u & 15;
    int high = int(weight_bytes[at + 16u + c % 32u + l]) >> c / 32u & 1;
    return float(q | high << 4);
}
#endif
