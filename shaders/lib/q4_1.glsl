// q4_1.glsl - blocks of 32 in 20 bytes: { f16 d, m; uint8 q[16]; }, w = d q + m, elements 0 to 15 in
// the low halves of the bytes, 16 to 31 in the high ones. A step is a word.
#define ROW_SIZE(n_cols) ((n_cols) / 32u * 20u)

const uint UNIT = 32u, UNIT_STEPS = 4u, STEP_QUADS = 2u, STEP_COLUMNS = 4u;

struct Scales {
    float d, m;
};

struct Bits {
    uint q;
};

uint unit_column(uint u)
{
    return 32u * u;
}

uint quad_column(uint q)
{
    return 16u * q;
}

Scales load_scales(uint row, uint u)
{
    uint scales = weights[(row >> 2) + 5u * u];
    return Scales(f16_to_f32(scales & 0xffffu), f16_to_f32(scales >> 16));
}

Bits load_bits(uint row, uint u, uint s)
{
    return Bits(weights[(row >> 2) + 5u * u + 1u + s]);
}

vec4 quad(Scales t, Bits b, uint s, uint q)
{
    return t.d * bytes(b.q >> 4u * q & 0x0f0f0f0fu) + t.m;
}

#ifdef USE_RUNS
const uint SPAN = 32u, GROUPS = 1u, SPAN_SIZE = 20u;

Groups load_groups(uint at)
{
    return one_group(f16_to_f32(load_u16(at)), -f16_to_f32(load_u16(at + 2u)));
}

float quant(uint at, uint c, uint l)
{
    return float(int(weight_bytes[at + 4u + l]) >> c / 4u & 15);
}
#endif
