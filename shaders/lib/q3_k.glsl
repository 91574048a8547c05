// q3_k.glsl - blocks of 256 in 110 bytes: { uint8 high[32]; uint8 q[64]; uint8 scales[12]; f16 d; },
// 16 groups of 16, w = d (s - 32) (q - 4). Element 128 h + 32 g + l has its low two bits in bits 2g
// of q[32 h + l] and its third in bit 4h + g of high[l]. Scales have 6 bits: the low four in halves
// of bytes 0 to 7 (groups 0 to 7 in the low halves), the high two in bytes 8 to 11.
//
// A unit is eight l of one h, for all four g. A block begins at an even byte, so eight bytes are
// read as three words.
#define UNIT 32u
#define QUADS 8u
#define ROW_SIZE(n_cols) ((n_cols) / 256u * 110u)

struct Unit {
    vec4 scales; // for each g
    uint q[2];
    uint high[2]; // bit g of each byte
};

Unit load_unit(uint row, uint u)
{
    uint block = row + 110u * (u >> 3), at = block >> 2, h = u >> 2 & 1u, part = u & 3u;
    bool odd = (block & 2u) != 0u;
    Unit t;
    uint i = at + 2u * part;
    uint w0 = weights[i], w1 = weights[i + 1u], w2 = weights[i + 2u];
    t.high[0] = join(w0, w1, odd) >> 4u * h;
    t.high[1] = join(w1, w2, odd) >> 4u * h;
    i = at + 8u + 8u * h + 2u * part;
    w0 = weights[i], w1 = weights[i + 1u], w2 = weights[i + 2u];
    t.q[0] = join(w0, w1, odd);
    t.q[1] = join(w1, w2, odd);

    // Group 8h + 2g + part / 2: bytes 2g + part / 2 of the low bits, 2 (g % 2) + part / 2 of the
    // high ones.
    w0 = weights[at + 24u], w1 = weights[at + 25u], w2 = weights[at + 26u];
    uint w3 = weights[at + 27u], shift = (part & 2u) * 4u;
    uint s0 = join(w0, w1, odd) >> shift + 4u * h, s1 = join(w1, w2, odd) >> shift + 4u * h;
    uint s2 = join(w2, w3, odd) >> shift + 4u * h;
    uvec4 s = uvec4(s0, s0 >> 16, s1, s1 >> 16) & 15u;
    s |= (uvec4(s2, s2 >> 16, s2 >> 2, s2 >> 18) & 3u) << 4;
    t.scales = f16_to_f32(odd ? w3 >> 16 : w3 & 0xffffu) * (vec4(s) - 32.0);
    return t;
}

uint unit_column(uint u)
{
    return (u >> 2) * 128u + (u & 3u) * 8u;
}

uint quad_column(uint q)
{
    return (q >> 1) * 32u + (q & 1u) * 4u;
}

vec4 quad(Unit t, uint q)
{
    uint g = q >> 1, j = q & 1u;
    uint low = t.q[j] >> 2u * g & 0x03030303u, high = t.high[j] >> g & 0x01010101u;
    return t.scales[g] * bytes(low | high << 2) - 4.0 * t.scales[g];
}
