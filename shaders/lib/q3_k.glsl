// q3_k.glsl - blocks of 256 in 110 bytes: { uint8 high[32]; uint8 q[64]; uint8 scales[12]; f16 d; },
// 16 groups of 16, w = d (s - 32) (q - 4). Element 128 h + 32 g + l has its low two bits in bits 2g
// of q[32 h + l] and its third in bit 4h + g of high[l]. Scales have 6 bits: the low four in halves
// of bytes 0 to 7 (groups 0 to 7 in the low halves), the high two in bytes 8 to 11.
//
// A unit is eight l of one h, for all four g; a step is four of the l. A block begins at an even
// byte, so a word of it is cut out of two.
#define ROW_SIZE(n_cols) ((n_cols) / 256u * 110u)

const uint UNIT = 32u, UNIT_STEPS = 2u, STEP_QUADS = 4u, STEP_COLUMNS = 4u;

struct Scales {
    vec4 groups; // scale for each g
};

struct Bits {
    uint q;
    uint high; // bit g of each byte
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
    // Group 8h + 2g + part / 2: byte 2g + part / 2 of the low bits, 2 (g % 2) + part / 2 of the high.
    uint block = row + 110u * (u >> 3), i = (block >> 2) + 24u;
    uint shift = (u & 2u) * 4u + (u & 4u);
    bool odd = (block & 2u) != 0u;
    uint w0 = weights[i], w1 = weights[i + 1u], w2 = weights[i + 2u], w3 = weights[i + 3u];
    uint s0 = join(w0, w1, odd) >> shift, s1 = join(w1, w2, odd) >> shift;
    uint s2 = join(w2, w3, odd) >> shift;
    uvec4 s = uvec4(s0, s0 >> 16, s1, s1 >> 16) & 15u;
    s |= (uvec4(s2, s2 >> 16, s2 >> 2, s2 >> 18) & 3u) << 4;
    return Scales(f16_to_f32(odd ? w3 >> 16 : w3 & 0xffffu) * (vec4(s) - 32.0));
}

Bits load_bits(uint row, uint u, uint s)
{
    uint block = row + 110u * (u >> 3), i = (block >> 2) + 2u * (u & 3u) + s, h = u >> 2 & 1u;
    bool odd = (block & 2u) != 0u;
    uint low = i + 8u + 8u * h;
    return Bits(join(weights[low], weights[low + 1u], odd),
                join(weights[i], weights[i + 1u], odd) >> 4u * h);
}

vec4 quad(Scales t, Bits b, uint s, uint q)
{
    uint high = (b.high >> q & 0x01010101u) << 2;
    return t.groups[q] * bytes(b.q >> 2u * q & 0x03030303u | high) - 4.0 * t.groups[q];
}

#ifdef USE_RUNS
const uint SPAN = 256u, GROUPS = 16u, SPAN_SIZE = 110u;

Groups load_groups(uint at)
{
    Groups groups;
    float d = f16_to_f32(load_u16(at + 108u));
    [[dont_unroll]] for (uint g = 0u; g < GROUPS; g++) {
        int low = int(weight_bytes[at + 96u + (g & 7u)]) >> (g >> 3 << 2) & 15;
        int high = int(weight_bytes[at + 104u + (g & 3u)]) >> (g >> 2 << 1) & 3;
        groups.scale[g] = d * float((low | high << 4) - 32);
        groups.minimum[g] = 4.0 * groups.scale[g];
    }
    return groups;
}

float quant(uint at, uint c, uint l)
{
    int q = int(weight_bytes[at + 32u + c / 128u * 32u + c % 32u + l]) >> (c / 32u & 3u) * 2u & 3;
    int high = int(weight_bytes[at + c % 32u + l]) >> c / 32u & 1;
    return float(q | high << 2);
}
#endif
