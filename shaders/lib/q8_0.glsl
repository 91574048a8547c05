// q8_0.glsl - blocks of 32 in 34 bytes: { f16 d; int8 q[32]; }, w = d q.
//
// A block begins at an even byte: nine words hold it either way, and the quants begin at the second
// half of the first word or at the second word. Signed bytes are read as unsigned ones less 128.
#define UNIT 32u
#define QUADS 8u
#define ROW_SIZE(n_cols) ((n_cols) / 32u * 34u)

struct Unit {
    float d;
    uint q[8];
};

Unit load_unit(uint row, uint u)
{
    uint block = row + 34u * u, at = block >> 2;
    bool even = (block & 2u) == 0u; // the quants are in the middle of words
    Unit t;
    uint low = weights[at];
    t.d = f16_to_f32(even ? low & 0xffffu : low >> 16);
    [[unroll]] for (uint i = 0u; i < 8u; i++) {
        uint high = weights[at + 1u + i];
        t.q[i] = (even ? low >> 16 | high << 16 : high) ^ 0x80808080u;
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
    return t.d * bytes(t.q[q]) - 128.0 * t.d;
}
