// combine.comp - y[r, c] (+)= sum over k of weight k of row r times x[r, k, c].
//
// Bindings and parameters: struct smr_combine_push in kernel.h. An invocation takes a column; rows
// along y, where a workgroup steps by the number of workgroups.
#extension GL_EXT_control_flow_attributes : require

layout(local_size_x_id = 0, local_size_y = 1, local_size_z = 1) in;

layout(set = 0, binding = 0) readonly buffer In { float x[]; };
layout(set = 0, binding = 1) readonly buffer Choices { uint choices[]; }; // [n_rows, 2, n_used]
layout(set = 0, binding = 2) buffer Out { float y[]; };

layout(push_constant) uniform Push {
    uint n_cols, n_rows, n_used;
    uint in_stride, out_stride;
    uint flags;
};
const uint ADD = 1u;

#ifdef USE_RUNS
#include "lib/lane_base.glsl"

// Of a workgroup, which is one invocation: COMBINE_RUNS_COLS of registry_route.c.
const uint COLUMNS = 256u;

float sums[COLUMNS];

// Columns first to first + n of a row.
void combine_columns(uint row, uint first, uint n)
{
    [[dont_unroll]] for (uint c = 0u; c < COLUMNS; c++)
        sums[c] = 0.0;
    for (uint k = 0u; k < n_used; k++) {
        float weight = uintBitsToFloat(choices[(2u * row + 1u) * n_used + k]);
        uint from = lane_base(row * in_stride + k * n_cols + first);
        for (uint c = 0u; c < n; c++)
            sums[c] += weight * x[from + c];
    }
    uint to = lane_base(row * out_stride + first);
    if ((flags & ADD) != 0u) {
        for (uint c = 0u; c < n; c++)
            y[to + c] += sums[c];
    } else {
        for (uint c = 0u; c < n; c++)
            y[to + c] = sums[c];
    }
}

void main()
{
    uint first = min(gl_WorkGroupID.x * COLUMNS, n_cols), n = min(n_cols - first, COLUMNS);
    for (uint row = gl_WorkGroupID.y; row < n_rows; row += gl_NumWorkGroups.y)
        combine_columns(row, first, n);
}
#else

void main()
{
    uint col = gl_GlobalInvocationID.x;
    if (col >= n_cols)
        return;
    for (uint row = gl_WorkGroupID.y; row < n_rows; row += gl_NumWorkGroups.y) {
        float sum = 0.0;
        for (uint k = 0u; k < n_used; k++)
            sum += uintBitsToFloat(choices[(2u * row + 1u) * n_used + k]) *
                   x[row * in_stride + k * n_cols + col];
        uint to = row * out_stride + col;
        y[to] = (flags & ADD) != 0u ? y[to] + sum : sum;
    }
}
#endif
