// q5_1.glsl - blocks of 32 in 24 bytes: { f16 d, m; uint32 high; uint8 q[16]; }, w = d q + m, low
// four bits of elements 0 to 15 in the low halves of q, of 16 to 31 in the high ones; fifth bit of
// element i in bit i of `high`.
#define UNIT 32u
#define QUADS 8u
#define ROW_SIZE(n_cols) ((n_cols) / 32u * 24u)

struct Unit {
    float d, m;
    uint high;
    uint q[4];
};

Unit load_unit(uint row, uint u)
{
    uint at = (row >> 2) + 6u * u;
    Unit t;
    uint scales = weights[at];
    t.d = f16_to_f32(scales & 0xffffu);
    t.m = f16_to_f32(scales >> 16);
    t.high = weights[at + 1u];
    [[unroll]] for (uint i = 0u; i < 4u; i++)
        t.q[i] = weights[at + 2u + i];
    return t;
}

uint unit_column(uint u)
{
    return 32u * u;
}

uint quad_column(uint q)
{
    return 4u * q;
}

vec4 quad(Unit t, uint q)
{
    // The product moves bits 0 to 3 to bits 4, 12, 20, 28.
    uint high = (t.high >> 4u * q & 15u) * 0x02040810u & 0x10101010u;
    return t.d * bytes(t.q[q & 3u] >> (q & 4u) & 0x0f0f0f0fu | high) + t.m;
}
