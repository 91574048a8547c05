// matmul_merge.comp - put the sums of a split product together:
//
//   y[r, out_offset + o] = sum over splits s of partial[s, r, o] (+ bias) (+ y before)
//
// Bindings and parameters: struct smr_matmul_merge_push in kernel.h. An invocation makes one result;
// how many sums there are is a constant, so that all of them are loaded at once.
#include "lib/reduce.glsl"

layout(std430, binding = 0) restrict readonly buffer Partial
{
    float partial[]; // [SPLITS, n_rows, n_out]
};
layout(std430, binding = 1) restrict readonly buffer Bias
{
    float bias[];
};
layout(std430, binding = 2) restrict buffer Y
{
    float y[];
};

layout(std430, push_constant) uniform Push
{
    uint n_out, n_rows, n_splits;
    uint out_stride, out_offset;
    uint flags;
}
push;

layout(constant_id = 1) const uint SPLITS = 2u; // n_splits

const uint BIAS = 1u, ADD = 2u;

void main()
{
    uint n = push.n_rows * push.n_out, i = group_index() * WORKGROUP_SIZE + gl_LocalInvocationID.x;
    if (i >= n)
        return;
    uint r = i / push.n_out, o = i % push.n_out + push.out_offset;
    float sum = 0.0;
    [[unroll]] for (uint s = 0u; s < SPLITS; s++)
        sum += partial[s * n + i];
    if ((push.flags & BIAS) != 0u)
        sum += bias[o];
    if ((push.flags & ADD) != 0u)
        sum += y[r * push.out_stride + o];
    y[r * push.out_stride + o] = sum;
}
