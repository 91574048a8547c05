// f16.glsl - weights that are f16. Rows of odd length begin in the middle of a word.
#define PLAIN_FLOATS 1
#define UNIT 8u
#define QUADS 2u
#define ROW_SIZE(n_cols) ((n_cols) * 2u)

struct Unit {
    uint w[4];
};

float weight(uint row, uint c)
{
    return f16_to_f32(load_u16(row + 2u * c));
}

Unit load_unit(uint row, uint u)
{
    uint at = (row >> 2) + 4u * u;
    bool odd = (row & 2u) != 0u;
    uint w0 = weights[at], w1 = weights[at + 1u], w2 = weights[at + 2u], w3 = weights[at + 3u];
    uint w4 = weights[at + (odd ? 4u : 3u)];
    Unit t;
    t.w = uint[4](join(w0, w1, odd), join(w1, w2, odd), join(w2, w3, odd), join(w3, w4, odd));
    return t;
}

uint unit_column(uint u)
{
    return 8u * u;
}

uint quad_column(uint q)
{
    return 4u * q;
}

vec4 quad(Unit t, uint q)
{
    return vec4(unpackHalf2x16(t.w[2u * q]), unpackHalf2x16(t.w[2u * q + 1u]));
}
