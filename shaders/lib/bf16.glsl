// bf16.glsl - weights that are the upper halves of f32. Rows of odd length begin in the middle of a word.
#define PLAIN_FLOATS 1
#define ROW_SIZE(n_cols) ((n_cols) * 2u)

const uint UNIT = 8u, UNIT_STEPS = 1u, STEP_QUADS = 2u, STEP_COLUMNS = 8u;

#define Scales uint // none

struct Bits {
    uvec4 w;
};

float weight(uint row, uint c)
{
    return uintBitsToFloat(load_u16(row + 2u * c) << 16);
}

uint unit_column(uint u)
{
    return 8u * u;
}

uint quad_column(uint q)
{
    return 4u * q;
}

Scales load_scales(uint row, uint u)
{
    return 0u;
}

Bits load_bits(uint row, uint u, uint s)
{
    uint at = (row >> 2) + 4u * u;
    bool odd = (row & 2u) != 0u;
    uint w0 = weights[at], w1 = weights[at + 1u], w2 = weights[at + 2u], w3 = weights[at + 3u];
    uint w4 = weights[at + (odd ? 4u : 3u)];
    return Bits(uvec4(join(w0, w1, odd), join(w1, w2, odd), join(w2, w3, odd), join(w3, w4, odd)));
}

vec4 quad(Scales t, Bits b, uint s, uint q)
{
    uint low = q == 0u ? b.w.x : b.w.z, high = q == 0u ? b.w.y : b.w.w;
    return uintBitsToFloat(
        uvec4(low << 16, low & 0xffff0000u, high << 16, high & 0xffff0000u));
}

#ifdef USE_RUNS
const uint SPAN = 32u, GROUPS = 1u, SPAN_SIZE = 64u;
#define NO_MINIMUM 1

Groups load_groups(uint at)
{
    return one_group(1.0, 0.0);
}

float quant(uint at, uint c, uint l)
{
    return uintBitsToFloat(uint(weight_halves[(at >> 1) + c + l]) << 16);
}
#endif
