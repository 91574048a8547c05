// matmul.glsl - what matvec, matmul and experts share: bindings 1 to 3, parameters, where rows are,
// how a result is stored.
layout(std430, binding = 1) restrict readonly buffer X
{
    float x[];
};
layout(std430, binding = 3) restrict buffer Y
{
    float y[];
};

vec4 load_x(uint at)
{
    return vec4(x[at], x[at + 1u], x[at + 2u], x[at + 3u]);
}

#ifdef FUSES
// Flags NORM and GATED, and from bit 8 on the activation: what is not asked for costs nothing.
layout(constant_id = 5) const uint FUSED = 0u;
#include "lib/activation.glsl"

layout(std430, binding = 4) restrict readonly buffer Norm
{
    float norm[];
};
#else
const uint FUSED = 0u;
#endif
const bool NORMED = (FUSED & 4u) != 0u, GATED = (FUSED & 8u) != 0u;

#ifdef EXPERTS
layout(std430, binding = 2) restrict readonly buffer Choices
{
    uint choices[]; // [n_rows, 2, n_used]
};

// struct smr_experts_push
layout(std430, push_constant) uniform Push
{
    uint n_cols, n_out, n_rows, n_used;
    uint in_stride, in_step;
    uint out_stride;
    uint expert_begin, expert_count;
    uint weight_at;
}
push;

// Of the workgroup's pair of row and choice: the first row of weights, the first elements of x and y.
uint first_weight_row, first_x, first_y;

#define X_ROW(r) first_x

// Set them; false where the expert is not here.
bool find_expert()
{
    uint pair = gl_WorkGroupID.z, r = pair / push.n_used, k = pair % push.n_used;
    if (r >= push.n_rows)
        return false;
    uint expert = choices[2u * r * push.n_used + k] - push.expert_begin;
    first_weight_row = expert * push.n_out;
    first_x = r * push.in_stride + k * push.in_step;
    first_y = r * push.out_stride + k * push.n_out;
    return expert < push.expert_count;
}

// The first byte of row o of w.
uint row_of(uint o)
{
    return (first_weight_row + o) * ROW_SIZE(push.n_cols) + push.weight_at;
}

void store_sum(uint o, uint r, float sum)
{
    if (o < push.n_out && r == 0u)
        y[first_y + o] = sum;
}
#else
layout(std430, binding = 2) restrict readonly buffer Bias
{
    float bias[];
};

// struct smr_matmul_push
layout(std430, push_constant) uniform Push
{
    uint n_cols, n_out, n_rows;
    uint in_stride, out_stride;
    uint out_offset;
    uint flags;
    uint parts[12]; // three times begin, weight, y, bias; matmul has one matrix
    uint activation;
    float eps;
}
push;

const uint BIAS = 1u, ADD = 2u;

// First element of a row of x.
#define X_ROW(r) ((r) * push.in_stride)

// The matrix that row o of w is of: what its weights, outputs and biases are shifted by.
uvec3 part_of(uint o)
{
    uvec3 part = uvec3(push.parts[1], 0u, 0u);
#ifdef FUSES
    if (o >= push.parts[8])
        part = uvec3(push.parts[9], push.parts[10], push.parts[11]);
    else if (o >= push.parts[4])
        part = uvec3(push.parts[5], push.parts[6], push.parts[7]);
    else
        part = uvec3(push.parts[1], push.parts[2], push.parts[3]);
#endif
    return part;
}

// The first byte of row o of w. With GATED rows of the gate and of what it gates count in turn, so that
// those that make one result are neighbours.
uint row_of(uint o)
{
    if (GATED)
        o = (o & 1u) * (push.n_out / 2u) + o / 2u;
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
#endif

#ifdef FUSES
// What rows o and o + 1 make, a gate and what it gates.
void store_gated(uint o, uint r, float gate, float up)
{
    if (o >= push.n_out || r >= push.n_rows)
        return;
    const uint activation = FUSED >> 8;
    y[r * push.out_stride + o / 2u + push.parts[2]] = activate(activation, 1.0, gate) * up;
}

float norm_of(uint c)
{
    return norm[c];
}

vec4 load_norm(uint c)
{
    return vec4(norm[c], norm[c + 1u], norm[c + 2u], norm[c + 3u]);
}

// What x of a row is multiplied with, besides the norm's weights, given its sum of squares.
float norm_factor(float squares)
{
    return 1.0 / sqrt(squares / float(push.n_cols) + push.eps);
}
#else
void store_gated(uint o, uint r, float gate, float up) {}
float norm_of(uint c) { return 1.0; }
vec4 load_norm(uint c) { return vec4(1.0); }
float norm_factor(float squares) { return 1.0; }
#endif
