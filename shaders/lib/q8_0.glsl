// q8_0.glsl - blocks of 32 in 34 bytes: { f16 d; int8 q[32]; }, w = d q.
//
// A block begins at an even byte, so its quants begin in the middle of a word or at one. Signed
// bytes are read as unsigned ones less 128. A step is 8 bytes.
#define ROW_SIZE(n_cols) ((n_cols) / 32u * 34u)

const uint UNIT = 32u, UNIT_STEPS = 4u, STEP_QUADS = 2u, STEP_COLUMNS = 8u;

struct Scales {
    float d;
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
    return 4u * q;
}

Scales load_scales(uint row, uint u)
{
    return Scales(f16_to_f32(load_u16(row + 34u * u)));
}

Bits load_bits(uint row, uint u, uint s)
{
    uint at = row + 34u * u + 2u + 8u * s, i = at >> 2;
    bool odd = (at & 2u) != 0u;
    uint w0 = weights[i], w1 = weights[i + 1u], w2 = weights[i + (odd ? 2u : 1u)];
    return Bits(uvec2(join(w0, w1, odd), join(w1, w2, odd)) ^ 0x80808080u);
}

vec4 quad(Scales t, Bits b, uint s, uint q)
{
    return t.d * bytes(q == 0u ? b.q.x : b.q.y) - 128.0 * t.d;
}

#ifdef USE_RUNS
const uint RUN_UNITS = 1u, RUN_LANES = 32u, RUN_PARTS = 1u, PART_COLUMNS = 0u;
const uint BLOCK_RUNS = 1u;

float run_weight(Scales t, uint row, uint u, uint p, uint l)
{
    int q = int(weight_bytes[lane_base(row + 34u * u + 2u) + l]);
    return t.d * float(q << 24 >> 24);
}
#endif
