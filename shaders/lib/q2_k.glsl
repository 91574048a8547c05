// q2_k.glsl - blocks of 256 in 84 bytes: { uint8 scales[16]; uint8 q[64]; f16 d, m; }, 16 groups of
// 16, w = d s q - m t, s in the low and t in the high half of the group's byte. Element
// 128 h + 32 g + l is in bits 2g of q[32 h + l].
//
// A unit is eight l of one h, for all four g; a step is four of the l.
#define ROW_SIZE(n_cols) ((n_cols) / 256u * 84u)

const uint UNIT = 32u, UNIT_STEPS = 2u, STEP_QUADS = 4u, STEP_COLUMNS = 4u;

struct Scales {
    vec4 groups, minimums; // for each g
};

struct Bits {
    uint q;
};

uint unit_column(uint u)
{
    return (u >> 2) * 128u + (u & 3u) * 8u;
}

uint quad_column(uint q)
{
    return 32u * q;
}

Scales load_scales(uint row, uint u)
{
    uint at = (row >> 2) + 21u * (u >> 3), h = u >> 2 & 1u, shift = (u & 2u) * 4u;
    uint s0 = weights[at + 2u * h] >> shift, s1 = weights[at + 2u * h + 1u] >> shift;
    uvec4 s = uvec4(s0, s0 >> 16, s1, s1 >> 16);
    uint d = weights[at + 20u];
    return Scales(f16_to_f32(d & 0xffffu) * vec4(s & 15u), f16_to_f32(d >> 16) * vec4(s >> 4 & 15u));
}

Bits load_bits(uint row, uint u, uint s)
{
    return Bits(weights[(row >> 2) + 21u * (u >> 3) + 4u + 2u * (u & 7u) + s]);
}

vec4 quad(Scales t, Bits b, uint s, uint q)
{
    return t.groups[q] * bytes(b.q >> 2u * q & 0x03030303u) - t.minimums[q];
}

#ifdef USE_RUNS
const uint SPAN = 256u, GROUPS = 16u, SPAN_SIZE = 84u;

Groups load_groups(uint at)
{
    Groups groups;
    float d = f16_to_f32(load_u16(at + 80u)), m = f16_to_f32(load_u16(at + 82u));
    [[dont_unroll]] for (uint g = 0u; g < GROUPS; g++) {
        int s = int(weight_bytes[at + g]);
        groups.scale[g] = d * float(s & 15);
        groups.minimum[g] = m * float(s >> 4);
    }
    return groups;
}

float quant(uint at, uint c, uint l)
{
    return float(int(weight_bytes[at + 16u + c / 128u * 32u + c % 32u + l]) >> (c / 32u & 3u) * 2u & 3);
}
#endif
