// q4_0.glsl - blocks of 32 in 18 bytes: { f16 d; uint8 q[16]; }, w = d (q - 8), elements 0 to 15 in
// the low halves of the bytes, 16 to 31 in the high ones.
//
// A block begins at an even byte: five words hold it either way.
#define UNIT 32u
#define QUADS 8u
#define ROW_SIZE(n_cols) ((n_cols) / 32u * 18u)

struct Unit {
    float d;
    uint q[4];
};

Unit load_unit(uint row, uint u)
{
    uint block = row + 18u * u, at = block >> 2;
    bool even = (block & 2u) == 0u; // the quants are in the middle of words
    Unit t;
    uint low = weights[at];
    t.d = f16_to_f32(even ? low & 0xffffu : low >> 16);
    [[unroll]] for (uint i = 0u; i < 4u; i++) {
        uint high = weights[at + 1u + i];
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
    return t.d * bytes(t.q[q & 3u] >> (q & 4u) & 0x0f0f0f0fu) - 8.0 * t.d;
}
