// q5_1.glsl - blocks of 32 in 24 bytes: { f16 d, m; uint32 high; uint8 q[16]; }, w = d q + m, low
// four bits of elements 0 to 15 in the low halves of q, of 16 to 31 in the high ones; fifth bit of
// element i in bit i of `high`. A step is a word of q.
#define ROW_SIZE(n_cols) ((n_cols) / 32u * 24u)

const uint UNIT = 32u, UNIT_STEPS = 4u, STEP_QUADS = 2u, STEP_COLUMNS = 4u;

struct Scales {
    float d, m;
    uint high;
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
    uint at = (row >> 2) + 6u * u, scales = weights[at];
    return Scales(f16_to_f32(scales & 0xffffu), f16_to_f32(scales >> 16), weights[at + 1u]);
}

Bits load_bits(uint row, uint u, uint s)
{
    return Bits(weights[(row >> 2) + 6u * u + 2u + s]);
}

vec4 quad(Scales t, Bits b, uint s, uint q)
{
    uint high = spread_bits(t.high >> 4u * s + 16u * q);
    return t.d * bytes(b.q >> 4u * q & 0x0f0f0f0fu | high) + t.m;
}

#ifdef USE_RUNS
const uint SPAN = 32u, GROUPS = 1u, SPAN_SIZE = 24u;

Groups load_groups(uint at)
{
    return one_group(f16_to_f32(load_u16(at)), -f16_to_f32(load_u16(at + 2u)));
}

float quant(uint at, uint c, uint l)
{
    uint high = load_u16(at + 4u) | load_u16(at + 6u) << 16;
    uint bit = (c == 0u ? high << 4 : high >> 12) >> l & 16u;
    return float(int(uint(weight_bytes[at + 8u + l]) >> c / 4u & 15u | bit));
}
#endif
