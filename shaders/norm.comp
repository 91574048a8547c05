// norm.comp - RMS norm (arXiv:1910.07467) and layer norm (arXiv:1607.06450) of vectors.
//
//   RMS:   y = x / sqrt(mean(x^2) + eps) * weight
//   LAYER: y = (x - mean(x)) / sqrt(var(x) + eps) * weight + bias
//
// Bindings and parameters: struct smr_norm_push in kernel.h. One workgroup for a vector; an
// invocation takes every WORKGROUP_SIZE-th element, and reads them once for the statistics (twice
// for layer norm, whose variance is taken around the mean) and once for the result.
#include "lib/reduce.glsl"

layout(set = 0, binding = 0) readonly buffer In { float x[]; };
layout(set = 0, binding = 1) readonly buffer Weight { float weight[]; };
layout(set = 0, binding = 2) readonly buffer Bias { float bias[]; };
layout(set = 0, binding = 3) buffer Out { float y[]; };

layout(push_constant) uniform Push {
    uint n_cols, n_rows, n_heads;
    uint in_stride, out_stride;
    uint flags;
    float eps;
};
const uint LAYER = 1u, HAS_BIAS = 2u, ADD = 4u;

void main()
{
    uint vector = group_index();
    if (vector >= n_rows * n_heads)
        return; // the whole workgroup: barriers below stay in uniform flow
    uint row = vector / n_heads, head = vector % n_heads;
    uint from = row * in_stride + head * n_cols;
    uint to = row * out_stride + head * n_cols;

    float mean = 0.0;
    if ((flags & LAYER) != 0u) {
        float sum = 0.0;
        for (uint i = gl_LocalInvocationID.x; i < n_cols; i += WORKGROUP_SIZE)
            sum += x[from + i];
        mean = workgroup_sum(sum) / float(n_cols);
    }
    float squares = 0.0;
    for (uint i = gl_LocalInvocationID.x; i < n_cols; i += WORKGROUP_SIZE) {
        float d = x[from + i] - mean;
        squares += d * d;
    }
    float factor = 1.0 / sqrt(workgroup_sum(squares) / float(n_cols) + eps);

    for (uint i = gl_LocalInvocationID.x; i < n_cols; i += WORKGROUP_SIZE) {
        float value = (x[from + i] - mean) * factor * weight[i];
        if ((flags & HAS_BIAS) != 0u)
            value += bias[i];
        if ((flags & ADD) != 0u)
            value += y[to + i];
        y[to + i] = value;
    }
}
