// activate.comp - out = act(gate) * up, or act(gate) alone.
//
// Bindings and parameters: struct smr_activate_push in kernel.h. Workgroups along x take blocks of
// COLS * WORKGROUP_SIZE columns, neighbours of neighbouring invocations; those along y take rows.
#include "lib/reduce.glsl"
#include "lib/activation.glsl"

layout(set = 0, binding = 0) readonly buffer Gate { float gate[]; };
layout(set = 0, binding = 1) readonly buffer Up { float up[]; };
layout(set = 0, binding = 2) writeonly buffer Out { float y[]; };

layout(push_constant) uniform Push {
    uint n_cols, n_rows;
    uint gate_stride, up_stride, out_stride;
    uint activation, flags;
    float param;
};
const uint NO_UP = 1u;
const uint COLS = 4u;

#ifdef USE_RUNS
#include "lib/lane_base.glsl"

const uint LANES = 8u;

void activate_lanes(uint from, uint other, uint to)
{
    from = lane_base(from);
    other = lane_base(other);
    to = lane_base(to);
    if ((flags & NO_UP) != 0u) {
        [[dont_unroll]] for (uint l = 0u; l < LANES; l++)
            y[to + l] = sigmoid_activate(activation, gate[from + l]);
    } else {
        [[dont_unroll]] for (uint l = 0u; l < LANES; l++)
            y[to + l] = sigmoid_activate(activation, gate[from + l]) * up[other + l];
    }
}

// A workgroup is one invocation and takes COLUMNS columns, a vector at a time.
void main()
{
    const uint COLUMNS = 256u;
    uint begin = gl_WorkGroupID.x * COLUMNS, end = min(begin + COLUMNS, n_cols);
    for (uint row = gl_WorkGroupID.y; row < n_rows; row += gl_NumWorkGroups.y) {
        uint col = begin;
        if (activation == SILU || activation == GELU_TANH) {
            for (; col + LANES <= end; col += LANES)
                activate_lanes(row * gate_stride + col, row * up_stride + col, row * out_stride + col);
        }
        for (; col < end; col++) {
            float value = activate(activation, param, gate[row * gate_stride + col]);
            if ((flags & NO_UP) == 0u)
                value *= up[row * up_stride + col];
            y[row * out_stride + col] = value;
        }
    }
}
#else

void main()
{
    uint first = gl_WorkGroupID.x * WORKGROUP_SIZE * COLS + gl_LocalInvocationID.x;
    for (uint row = gl_WorkGroupID.y; row < n_rows; row += gl_NumWorkGroups.y) {
        for (uint i = 0u; i < COLS; i++) {
            uint col = first + i * WORKGROUP_SIZE;
            if (col < n_cols) {
                float value = activate(activation, param, gate[row * gate_stride + col]);
                if ((flags & NO_UP) == 0u)
                    value *= up[row * up_stride + col];
                y[row * out_stride + col] = value;
            }
        }
    }
}
#endif
