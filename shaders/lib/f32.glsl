// f32.glsl - weights that are f32.
#define PLAIN_FLOATS 1
#define ROW_SIZE(n_cols) ((n_cols) * 4u)

const uint UNIT = 4u, UNIT_STEPS = 1u, STEP_QUADS = 1u, STEP_COLUMNS = 4u;

#define Scales uint // none

struct Bits {
    vec4 w;
};

float weight(uint row, uint c)
{
    return uintBitsToFloat(weights[(row >> 2) + c]);
}

uint unit_column(uint u)
{
    return 4u * u;
}

uint quad_column(uint q)
{
    return 0u;
}

Scales load_scales(uint row, uint u)
{
    return 0u;
}

Bits load_bits(uint row, uint u, uint s)
{
    uint at = (row >> 2) + 4u * u;
    return Bits(uintBitsToFloat(
        uvec4(weights[at], weights[at + 1u], weights[at + 2u], weights[at + 3u])));
}

vec4 quad(Scales t, Bits b, uint s, uint q)
{
    return b.w;
}

#ifdef USE_RUNS
const uint SPAN = 32u, GROUPS = 1u, SPAN_SIZE = 128u;
#define NO_MINIMUM 1

Groups load_groups(uint at)
{
    return one_group(1.0, 0.0);
}

float quant(uint at, uint c, uint l)
{
    return uintBitsToFloat(weights[(at >> 2) + c + l]);
}
#endif
