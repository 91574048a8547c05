// q4_k.glsl - blocks of 256 in 144 bytes: { f16 d, m; uint8 scales[12]; uint8 q[128]; }, 8 groups of
// 32, w = d s q - m t. Groups 2c and 2c + 1 are in the low and high halves of q[32 c] to
// q[32 c + 31].
//
// A unit is 16 bytes of q: half of each of two groups.
#define UNIT 32u
#define QUADS 8u
#define ROW_SIZE(n_cols) ((n_cols) / 256u * 144u)

struct Unit {
    vec4 scales; // scale and minimum of the low and of the high halves
    uint q[4];
};

Unit load_unit(uint row, uint u)
{
    uint at = (row >> 2) + 36u * (u >> 3), part = u & 7u;
    Unit t;
    uint d = weights[at];
    uvec3 s = uvec3(weights[at + 1u], weights[at + 2u], weights[at + 3u]);
    [[unroll]] for (uint i = 0u; i < 4u; i++)
        t.q[i] = weights[at + 4u + 4u * part + i];
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
    return scale.x * bytes(t.q[q & 3u] >> (q & 4u) & 0x0f0f0f0fu) - scale.y;
}
