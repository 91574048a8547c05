// q5_0.glsl - blocks of 32 in 22 bytes: { f16 d; uint32 high; uint8 q[16]; }, w = d (q - 16), low
// four bits of elements 0 to 15 in the low halves of q, of 16 to 31 in the high ones; fifth bit of
// element i in bit i of `high`.
//
// A block begins at an even byte, so `high` and the quants begin in the middle of a word or at one.
// A step is 8 bytes of q.
#define ROW_SIZE(n_cols) ((n_cols) / 32u * 22u)

const uint UNIT = 32u, UNIT_STEPS = 2u, STEP_QUADS = 4u, STEP_COLUMNS = 8u;

struct Scales {
    float d;
    uint high;
};

struct Bits {
    uvec2 q;
};

uint unit_column(uint u)
{
    return 32u * u;
}

uint quad_column(uint q)
{
    return (q & 1u) * 4u + (q & 2u) * 8u;
}

Scales load_scales(uint row, uint u)
{
    uint at = row + 22u * u, i = at >> 2, w0 = weights[i], w1 = weights[i + 1u];
    bool odd = (at & 2u) != 0u;
    return Scales(f16_to_f32(odd ? w0 >> 16 : w0 & 0xffffu), odd ? w1 : w0 >> 16 | w1 << 16);
}

Bits load_bits(uint row, uint u, uint s)
{
    uint at = row + 22u * u + 6u + 8u * s, i = at >> 2;
    bool odd = (at & 2u) != 0u;
    uint w0 = weights[i], w1 = weights[i + 1u], w2 = weights[i + (odd ? 2u : 1u)];
    return Bits(uvec2(join(w0, w1, odd), join(w1, w2, odd)));
}

vec4 quad(Scales t, Bits b, uint s, uint q)
{
    uint word = (q & 1u) == 0u ? b.q.x : b.q.y;
    uint high = spread_bits(t.high >> 8u * s + (q & 1u) * 4u + (q & 2u) * 8u);
    return t.d * bytes(word >> (q & 2u) * 2u & 0x0f0f0f0fu | high) - 16.0 * t.d;
}

#ifdef USE_RUNS
const uint SPAN = 32u, GROUPS = 1u, SPAN_SIZE = 22u;

Groups load_groups(uint at)
{
    float d = f16_to_f32(load_u16(at));
    return one_group(d, 16.0 * d);
}

float quant(uint at, uint c, uint l)
{
    uint high = load_u16(at + 2u) | load_u16(at + 4u) << 16;
    uint bit = (c == 0u ? high << 4 : high >> 12) >> l & 16u;
    return float(int(uint(weight_bytes[at + 6u + l]) >> c / 4u & 15u | bit));
}
#endif
