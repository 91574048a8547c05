// iq4_nl.glsl - blocks of 32 in 18 bytes: { f16 d; uint8 q[16]; }, w = d levels[q], elements 0 to 15
// in the low halves of the bytes, 16 to 31 in the high ones. The levels are spaced for values of a
// normal distribution.
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

// A table of 16 bytes in four words, plus 128: an array indexed by a variable would go through
// memory on many devices.
float level(uint i)
{
    uint low = (i & 4u) == 0u ? 0x3f2d1801u : 0x766a5d4fu;
    uint high = (i & 4u) == 0u ? 0xa6998d81u : 0xf1d9c5b5u;
    uint word = (i & 8u) == 0u ? low : high;
    return float(word >> (i & 3u) * 8u & 0xffu) - 128.0;
}

vec4 quad(Unit t, uint q)
{
    uint word = t.q[q & 3u] >> (q & 4u);
    return t.d * vec4(level(word & 15u), level(word >> 8 & 15u), level(word >> 16 & 15u),
                      level(word >> 24 & 15u));
}
