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

#ifdef USE_RUNS
#include "lib/lane_base.glsl"
#include "lib/lane_exp.glsl"

const uint LANES = 8u;

// SILU and GELU_TANH are x / (1 + exp(-x f(x))), because (1 + tanh(u)) / 2 = 1 / (1 + exp(-2 u)).
void activate_lanes(uint from, uint other, uint to)
{
    float f0 = activation == SILU ? 1.0 : 1.5957691216;
    float f2 = activation == SILU ? 0.0 : 1.5957691216 * 0.044715;
    from = lane_base(from);
    other = lane_base(other);
    to = lane_base(to);
    if ((flags & NO_UP) != 0u) {
        [[dont_unroll]] for (uint l = 0u; l < LANES; l++) {
            float x = gate[from + l];
            y[to + l] = x / (1.0 + lane_exp(-x * (f0 + f2 * x * x)));
        }
    } else {
        [[dont_unroll]] for (uint l = 0u; l < LANES; l++) {
            float x = gate[from + l];
            y[to + l] = x / (1.0 + lane_exp(-x * (f0 + f2 * x * x))) * up[other + l];
        }
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
            float value = activate(gate[row * gate_stride + col]);
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
                float value = activate(gate[row * gate_stride + col]);
                if ((flags & NO_UP) == 0u)
                    value *= up[row * up_stride + col];
                y[row * out_stride + col] = value;
            }
        }
    }
}
#endif
