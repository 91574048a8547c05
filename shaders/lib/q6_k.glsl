// q6_k.glsl - blocks of 256 in 210 bytes: { uint8 low[128]; uint8 high[64]; int8 scales[16]; f16 d; },
// 16 groups of 16, w = d s (q - 32). Element 128 h + 32 g + l has its low four bits in
// low[64 h + 32 (g % 2) + l], in the high half when g >= 2, and its high two in bits 2g of
// high[32 h + l].
//
// A unit is eight l of one h, for all four g. A block begins at an even byte, so eight bytes are
// read as three words.
#define UNIT 32u
#define QUADS 8u
#define ROW_SIZE(n_cols) ((n_cols) / 256u * 210u)

struct Unit {
    vec4 scales; // for each g
    uint low[4]; // eight bytes for g of 0 and 2, eight for g of 1 and 3
    uint high[2];
};

Unit load_unit(uint row, uint u)
{
    uint block = row + 210u * (u >> 3), at = block >> 2, h = u >> 2 & 1u, part = u & 3u;
    bool odd = (block & 2u) != 0u;
    Unit t;
    uint i = at + 16u * h + 2u * part;
    uint w0 = weights[i], w1 = weights[i + 1u], w2 = weights[i + 2u];
    t.low[0] = join(w0, w1, odd);
    t.low[1] = join(w1, w2, odd);
    w0 = weights[i + 8u], w1 = weights[i + 9u], w2 = weights[i + 10u];
    t.low[2] = join(w0, w1, odd);
    t.low[3] = join(w1, w2, odd);
    i = at + 32u + 8u * h + 2u * part;
    w0 = weights[i], w1 = weights[i + 1u], w2 = weights[i + 2u];
    t.high[0] = join(w0, w1, odd);
    t.high[1] = join(w1, w2, odd);
    i = at + 48u + 2u * h;
    w0 = weights[i], w1 = weights[i + 1u], w2 = weights[i + 2u];
    uint shift = (part & 2u) * 4u, d = weights[at + 52u];
    int s0 = int(join(w0, w1, odd) >> shift), s1 = int(join(w1, w2, odd) >> shift);
    t.scales = f16_to_f32(odd ? d >> 16 : d & 0xffffu) *
               vec4(float(bitfieldExtract(s0, 0, 8)), float(bitfieldExtract(s0, 16, 8)),
                    float(bitfieldExtract(s1, 0, 8)), float(bitfieldExtract(s1, 16, 8)));
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
    uint low = t.low[(g & 1u) * 2u + j] >> (g & 2u) * 2u & 0x0f0f0f0fu;
    uint high = t.high[j] >> 2u * g & 0x03030303u;
    return t.scales[g] * bytes(low | high << 4) - 32.0 * t.scales[g];
}
