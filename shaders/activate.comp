// activate.comp - out = act(gate) * up, or act(gate) alone.
//
// Bindings and parameters: struct smr_activate_push in kernel.h. Workgroups along x take blocks of
// COLS * WORKGROUP_SIZE columns, neighbours of neighbouring invocations; those along y take rows.
#include "lib/reduce.glsl"
#include "lib/numerics.glsl"

layout(set = 0, binding = 0) readonly buffer Gate { float gate[]; };
layout(set = 0, binding = 1) readonly buffer Up { float up[]; };
layout(set = 0, binding = 2) writeonly buffer Out { float y[]; };

layout(push_constant) uniform Push {
    uint n_cols, n_rows;
    uint gate_stride, up_stride, out_stride;
    uint activation, flags;
    float param;
};
const uint SILU = 0u, GELU_TANH = 1u, GELU = 2u, RELU = 3u, SOFTCAP = 4u;
const uint NO_UP = 1u;
const uint COLS = 4u;

float activate(float x)
{
    if (activation == SILU)
        return x / (1.0 + exp(-max(x, -80.0))); // e^80 fits; below, the quotient is 0 anyway
    if (activation == GELU_TANH)
        return 0.5 * x * (1.0 + safe_tanh(0.7978845608 * (x + 0.044715 * x * x * x)));
    if (activation == GELU)
        return 0.5 * x * (1.0 + erf(x * 0.7071067812));
    if (activation == RELU)
        return max(x, 0.0);
    return param * safe_tanh(x / param);
}

void main()
{
    uint first = gl_WorkGroupID.x * WORKGROUP_SIZE * COLS + gl_LocalInvocationID.x;
    for (uint row = gl_WorkGroupID.y; row < n_rows; row += gl_NumWorkGroups.y) {
        for (uint i = 0u; i < COLS; i++) {
            uint col = first + i * WORKGROUP_SIZE;
            if (col < n_cols) {
                float value = activate(gate[row * gate_stride + col]);
                if ((flags & NO_UP) == 0u)
                    value *= up[row * up_stride + col];
                y[row * out_stride + col] = value;
            }
        }
    }
}
