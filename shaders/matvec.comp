// matvec.comp - y[r, out_offset + o] = sum over c of w[o, c] x[r, c] (+ bias) (+ y before), for few
// rows r: the weights are decoded once and used for all of them.
//
// w: rows of blocks, see lib/weights.glsl. x, y: f32 with a stride between rows.
// A workgroup makes OUT_ROWS rows of y's columns, for all r. Its invocations walk along the columns
// of w, neighbours taking neighbouring units; then their partial sums are added up.
#include "lib/weights.glsl"
#include "lib/matmul.glsl"

#ifdef USE_SUBGROUP
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#endif

layout(local_size_x_id = 0, local_size_y = 1, local_size_z = 1) in;
layout(constant_id = 1) const uint N_ROWS = 1u;   // = push.n_rows
layout(constant_id = 2) const uint OUT_ROWS = 4u;

#define WORKGROUP_SIZE gl_WorkGroupSize.x

const uint N_SUMS = OUT_ROWS * N_ROWS; // sum o * N_ROWS + r

#ifdef USE_SUBGROUP
const uint N_PARTS = WORKGROUP_SIZE; // at most: there are as many as subgroups
#else
const uint N_PARTS = WORKGROUP_SIZE;
#endif
shared float parts[N_SUMS * N_PARTS];

// Add up the invocations' sums and store them.
void finish(float sums[N_SUMS], uint first)
{
    uint me = gl_LocalInvocationID.x;
#ifdef USE_SUBGROUP
    [[unroll]] for (uint i = 0u; i < N_SUMS; i++) {
        float sum = subgroupAdd(sums[i]);
        if (subgroupElect())
            parts[i * N_PARTS + gl_SubgroupID] = sum;
    }
    barrier();
    for (uint i = me; i < N_SUMS; i += WORKGROUP_SIZE) {
        float sum = 0.0;
        for (uint j = 0u; j < gl_NumSubgroups; j++)
            sum += parts[i * N_PARTS + j];
        store_sum(first + i / N_ROWS, i % N_ROWS, sum);
    }
#else
    [[unroll]] for (uint i = 0u; i < N_SUMS; i++)
        parts[i * N_PARTS + me] = sums[i];
    barrier();
    for (uint step = WORKGROUP_SIZE / 2u; step > 0u; step /= 2u) {
        if (me < step) {
            for (uint i = 0u; i < N_SUMS; i++)
                parts[i * N_PARTS + me] += parts[i * N_PARTS + me + step];
        }
        barrier();
    }
    for (uint i = me; i < N_SUMS; i += WORKGROUP_SIZE)
        store_sum(first + i / N_ROWS, i % N_ROWS, parts[i * N_PARTS]);
#endif
}

void main()
{
    uint first = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * OUT_ROWS;
    if (first >= push.n_out)
        return;

    uint row[OUT_ROWS]; // first byte; the last row stands in for those that are not there
    [[unroll]] for (uint o = 0u; o < OUT_ROWS; o++)
        row[o] = min(first + o, push.n_out - 1u) * ROW_SIZE(push.n_cols);
    float sums[N_SUMS];
    [[unroll]] for (uint i = 0u; i < N_SUMS; i++)
        sums[i] = 0.0;

    uint n_units = push.n_cols / UNIT;
    for (uint u = gl_LocalInvocationID.x; u < n_units; u += WORKGROUP_SIZE) {
        Unit units[OUT_ROWS];
        [[unroll]] for (uint o = 0u; o < OUT_ROWS; o++)
            units[o] = load_unit(row[o], u);
        uint column = unit_column(u);
        [[unroll]] for (uint q = 0u; q < QUADS; q++) {
            vec4 in_x[N_ROWS];
            [[unroll]] for (uint r = 0u; r < N_ROWS; r++)
                in_x[r] = load_x(r * push.in_stride + column + quad_column(q));
            [[unroll]] for (uint o = 0u; o < OUT_ROWS; o++) {
                vec4 w = quad(units[o], q);
                [[unroll]] for (uint r = 0u; r < N_ROWS; r++)
                    sums[o * N_ROWS + r] += dot(w, in_x[r]);
            }
        }
    }
#ifdef PLAIN_FLOATS
    uint c = n_units * UNIT + gl_LocalInvocationID.x;
    if (gl_LocalInvocationID.x < UNIT && c < push.n_cols) {
        [[unroll]] for (uint i = 0u; i < N_SUMS; i++)
            sums[i] += weight(row[i / N_ROWS], c) * x[i % N_ROWS * push.in_stride + c];
    }
#endif
    finish(sums, first);
}
