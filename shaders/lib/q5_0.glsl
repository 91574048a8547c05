// q5_0.glsl - blocks of 32 in 22 bytes: { f16 d; uint32 high; uint8 q[16]; }, w = d (q - 16), low
// four bits of elements 0 to 15 in the low halves of q, of 16 to 31 in the high ones; fifth bit of
// element i in bit i of `high`.
//
// A block begins at an even byte: six words hold it either way.
#define UNIT 32u
#define QUADS 8u
#define ROW_SIZE(n_cols) ((n_cols) / 32u * 22u)

struct Unit {
    float d;
    uint high;
    uint q[4];
};

Unit load_unit(uint row, uint u)
{
    uint block = row + 22u * u, at = block >> 2;
    bool even = (block & 2u) == 0u; // `high` and the quants are in the middle of words
    Unit t;
    uint first = weights[at], low = weights[at + 1u];
    t.d = f16_to_f32(even ? first & 0xffffu : first >> 16);
    t.high = even ? first >> 16 | low << 16 : low;
    [[unroll]] for (uint i = 0u; i < 4u; i++) {
        uint high = weights[at + 2u + i];
        t.q[i] = even ? low >> 16 | high << 16 : high;
        low = high;
    }
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
    return t.d * bytes(t.q[q & 3u] >> (q & 4u) & 0x0f0f0f0fu | high) - 16.0 * t.d;
}
