// q5_k.glsl - blocks of 256 in 176 bytes: { f16 d, m; uint8 scales[12]; uint8 high[32];
// uint8 q[128]; }, as Q4_K, with a fifth bit of element l of group g in bit g of high[l].
//
// A unit is 16 bytes of q: half of each of two groups.
#define UNIT 32u
#define QUADS 8u
#define ROW_SIZE(n_cols) ((n_cols) / 256u * 176u)

struct Unit {
    vec4 scales;  // scale and minimum of the low and of the high halves
    uint q[4];
    uint high[4]; // fifth bits of the low halves in bit 0 of each byte, of the high ones in bit 1
};

Unit load_unit(uint row, uint u)
{
    uint at = (row >> 2) + 44u * (u >> 3), part = u & 7u;
    Unit t;
    uint d = weights[at];
    uvec3 s = uvec3(weights[at + 1u], weights[at + 2u], weights[at + 3u]);
    [[unroll]] for (uint i = 0u; i < 4u; i++) {
        t.q[i] = weights[at + 12u + 4u * part + i];
        t.high[i] = weights[at + 4u + 4u * (part & 1u) + i] >> (part & 6u);
    }
    t.scales = group_scales(s, part >> 1, f16_to_f32(d & 0xffffu), f16_to_f32(d >> 16));
    return t;
}

uint unit_column(uint u)
{
    return (u >> 1) * 64u + (u & 1u) * 16u;
}

uint quad_column(uint q)
{
    return (q & 3u) * 4u + (q & 4u) * 8u;
}

vec4 quad(Unit t, uint q)
{
    vec2 scale = q < 4u ? t.scales.xy : t.scales.zw;
    uint high = t.high[q & 3u] << (q < 4u ? 4u : 3u) & 0x10101010u;
    return scale.x * bytes(t.q[q & 3u] >> (q & 4u) & 0x0f0f0f0fu | high) - scale.y;
}
