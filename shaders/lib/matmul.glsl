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
}
push;

const uint BIAS = 1u, ADD = 2u;

vec4 load_x(uint at)
{
    return vec4(x[at], x[at + 1u], x[at + 2u], x[at + 3u]);
}

void store_sum(uint o, uint r, float sum)
{
    if (o >= push.n_out || r >= push.n_rows)
        return;
    o += push.out_offset;
    uint at = r * push.out_stride + o;
    if ((push.flags & BIAS) != 0u)
        sum += bias[o];
    if ((push.flags & ADD) != 0u)
        sum += y[at];
    y[at] = sum;
}
