// q2_k.glsl - blocks of 256 in 84 bytes: { uint8 scales[16]; uint8 q[64]; f16 d, m; }, 16 groups of
// 16, w = d s q - m t, s in the low and t in the high half of the group's byte. Element
// 128 h + 32 g + l is in bits 2g of q[32 h + l].
//
// A unit is eight l of one h, for all four g.
#define UNIT 32u
#define QUADS 8u
#define ROW_SIZE(n_cols) ((n_cols) / 256u * 84u)

struct Unit {
    vec4 scales, minimums; // for each g
    uint q[2];
};

Unit load_unit(uint row, uint u)
{
    uint at = (row >> 2) + 21u * (u >> 3), h = u >> 2 & 1u, part = u & 3u;
    uint shift = (part & 2u) * 4u;
    uint s0 = weights[at + 2u * h] >> shift, s1 = weights[at + 2u * h + 1u] >> shift;
    uvec4 s = uvec4(s0, s0 >> 16, s1, s1 >> 16);
    uint d = weights[at + 20u];
    Unit t;
    t.q[0] = weights[at + 4u + 8u * h + 2u * part];
    t.q[1] = weights[at + 5u + 8u * h + 2u * part];
    t.scales = f16_to_f32(d & 0xffffu) * vec4(s & 15u);
    t.minimums = f16_to_f32(d >> 16) * vec4(s >> 4 & 15u);
    return t;
}

uint unit_column(uint u)
{
    return (u >> 2) * 128u + (u & 3u) * 8u;
}

uint quad_column(uint q)
{
    return (q >> 1) * 32u + (q & 1u) * 4u;
}

vec4 quad(Unit t, uint q)
{
    uint g = q >> 1;
    return t.scales[g] * bytes(t.q[q & 1u] >> 2u * g & 0x03030303u) - t.minimums[g];
}
