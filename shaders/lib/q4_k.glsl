// q4_k.glsl - blocks of 256 in 144 bytes: { f16 d, m; uint8 scales[12]; uint8 q[128]; }, 8 groups of
// 32, w = d s q - m t. Groups 2c and 2c + 1 are in the low and high halves of q[32 c] to
// q[32 c + 31].
//
// A unit is 16 bytes of q: half of each of two groups. A step is a word of them.
#define ROW_SIZE(n_cols) ((n_cols) / 256u * 144u)

const uint UNIT = 32u, UNIT_STEPS = 4u, STEP_QUADS = 2u, STEP_COLUMNS = 4u;

struct Scales {
    vec4 groups; // scale and minimum of the low and of the high halves
};

struct Bits {
    uint q;
};

uint unit_column(uint u)
{
    return (u >> 1) * 64u + (u & 1u) * 16u;
}

uint quad_column(uint q)
{
    return 32u * q;
}

Scales load_scales(uint row, uint u)
{
    uint at = (row >> 2) + 36u * (u >> 3), d = weights[at];
    uvec3 s = uvec3(weights[at + 1u], weights[at + 2u], weights[at + 3u]);
    return Scales(
        group_scales(s, u >> 1 & 3u, f16_to_f32(d & 0xffffu), f16_to_f32(d >> 16)));
}

Bits load_bits(uint row, uint u, uint s)
{
    return Bits(weights[(row >> 2) + 36u * (u >> 3) + 4u + 4u * (u & 7u) + s]);
}

vec4 quad(Scales t, Bits b, uint s, uint q)
{
    vec2 group = q == 0u ? t.groups.xy : t.groups.zw;
    return group.x * bytes(b.q >> 4u * q & 0x0f0f0f0fu) - group.y;
}

#ifdef USE_RUNS
const uint RUN_UNITS = 2u, RUN_LANES = 32u, RUN_PARTS = 2u, PART_COLUMNS = 32u;
const uint BLOCK_RUNS = 4u;

float run_weight(Scales t, uint row, uint u, uint p, uint l)
{
    uint at = row + 144u * (u >> 2) + 16u + 32u * (u & 3u);
    int q = int(weight_bytes[lane_base(at) + l]) >> 4u * p & 15;
    vec2 group = p == 0u ? t.groups.xy : t.groups.zw;
    return group.x * float(q) - group.y;
}
#endif
