// q4_1.glsl - blocks of 32 in 20 bytes: { f16 d, m; uint8 q[16]; }, w = d q + m, elements 0 to 15 in
// the low halves of the bytes, 16 to 31 in the high ones.
#define UNIT 32u
#define QUADS 8u
#define ROW_SIZE(n_cols) ((n_cols) / 32u * 20u)

struct Unit {
    float d, m;
    uint q[4];
};

Unit load_unit(uint row, uint u)
{
    uint at = (row >> 2) + 5u * u;
    Unit t;
    uint scales = weights[at];
    t.d = f16_to_f32(scales & 0xffffu);
    t.m = f16_to_f32(scales >> 16);
    [[unroll]] for (uint i = 0u; i < 4u; i++)
        t.q[i] = weights[at + 1u + i];
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
    return t.d * bytes(t.q[q & 3u] >> (q & 4u) & 0x0f0f0f0fu) + t.m;
}
