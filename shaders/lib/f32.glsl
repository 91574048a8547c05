// f32.glsl - weights that are f32.
#define PLAIN_FLOATS 1
#define UNIT 4u
#define QUADS 1u
#define ROW_SIZE(n_cols) ((n_cols) * 4u)

struct Unit {
    vec4 w;
};

float weight(uint row, uint c)
{
    return uintBitsToFloat(weights[(row >> 2) + c]);
}

Unit load_unit(uint row, uint u)
{
    uint at = (row >> 2) + 4u * u;
    Unit t;
    t.w = uintBitsToFloat(
        uvec4(weights[at], weights[at + 1u], weights[at + 2u], weights[at + 3u]));
    return t;
}

uint unit_column(uint u)
{
    return 4u * u;
}

uint quad_column(uint q)
{
    return 0u;
}

vec4 quad(Unit t, uint q)
{
    return t.w;
}
