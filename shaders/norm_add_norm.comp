// norm_add_norm.comp - an RMS norm that is added to a residual stream, and the next one of that.
//
//   y += x / sqrt(mean(x^2) + eps) * weight
//   z = y / sqrt(mean(y^2) + eps) * next
//
// Bindings and parameters: struct smr_norm_add_norm_push in kernel.h. One workgroup for a row; an
// invocation takes every WORKGROUP_SIZE-th element.
#include "lib/reduce.glsl"

layout(set = 0, binding = 0) readonly buffer In { float x[]; };
layout(set = 0, binding = 1) readonly buffer Weight { float weight[]; };
layout(set = 0, binding = 2) buffer Stream { float y[]; };
layout(set = 0, binding = 3) readonly buffer Next { float next[]; };
layout(set = 0, binding = 4) writeonly buffer Out { float z[]; };

layout(push_constant) uniform Push {
    uint n_cols, n_rows;
    float eps;
};

void main()
{
    uint row = group_index();
    if (row >= n_rows)
        return; // the whole workgroup: barriers below stay in uniform flow
    uint from = row * n_cols, self = gl_LocalInvocationID.x;

    float squares = 0.0;
    for (uint i = self; i < n_cols; i += WORKGROUP_SIZE)
        squares += x[from + i] * x[from + i];
    float factor = 1.0 / sqrt(workgroup_sum(squares) / float(n_cols) + eps);

    squares = 0.0;
    for (uint i = self; i < n_cols; i += WORKGROUP_SIZE) {
        float sum = y[from + i] + x[from + i] * factor * weight[i];
        y[from + i] = sum;
        squares += sum * sum;
    }
    factor = 1.0 / sqrt(workgroup_sum(squares) / float(n_cols) + eps);
    for (uint i = self; i < n_cols; i += WORKGROUP_SIZE)
        z[from + i] = y[from + i] * factor * next[i];
}
