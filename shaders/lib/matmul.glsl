// matmul.glsl - what matvec and matmul share: bindings 1 to 3, parameters, how a result is stored.
layout(std430, binding = 1) restrict readonly buffer X
{
    float x[];
};
layout(std430, binding = 2) restrict readonly buffer Bias
{
    float bias[];
};
layout(std430, binding = 3) restrict buffer Y
{
    float y[];
};

// struct smr_matmul_push
layout(std430, push_constant) uniform Push
{
    uint n_cols, n_out, n_rows;
    uint in_stride, out_stride;
    uint out_offset;
    uint flags;
    uint parts[12]; // three times begin, weight, y, bias; matmul has one matrix
}
push;

const uint BIAS = 1u, ADD = 2u;

vec4 load_x(uint at)
{
    return vec4(x[at], x[at + 1u], x[at + 2u], x[at + 3u]);
}

// The matrix that row o of w is of: what its weights, outputs and biases are shifted by.
uvec3 part_of(uint o)
{
    uvec3 part = uvec3(push.parts[1], 0u, 0u);
#ifdef HAS_PARTS
    if (o >= push.parts[8])
        part = uvec3(push.parts[9], push.parts[10], push.parts[11]);
    else if (o >= push.parts[4])
        part = uvec3(push.parts[5], push.parts[6], push.parts[7]);
    else
        part = uvec3(push.parts[1], push.parts[2], push.parts[3]);
#endif
    return part;
}

// The first byte of row o of w.
uint row_of(uint o)
{
    return o * ROW_SIZE(push.n_cols) + part_of(o).x;
}

void store_sum(uint o, uint r, float sum)
{
    if (o >= push.n_out || r >= push.n_rows)
        return;
    uvec3 part = part_of(o);
    o += push.out_offset;
    uint at = r * push.out_stride + o + part.y;
    if ((push.flags & BIAS) != 0u)
        sum += bias[o + part.z];
    if ((push.flags & ADD) != 0u)
        sum += y[at];
    y[at] = sum;
}
