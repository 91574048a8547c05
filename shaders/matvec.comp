// matvec.comp - y[r, out_offset + o] = sum over c of w[o, c] x[r, c] (+ bias) (+ y before), for few
// rows r: the weights are decoded once and used for all of them.
//
// w: rows of blocks, see lib/weights.glsl. x, y: f32 with a stride between rows.
// A workgroup makes OUT_ROWS rows of y's columns, for all r. Its invocations walk along the columns
// of w, neighbours taking neighbouring units; then their partial sums are added up. For processors
// there are lib/lanes.glsl and lib/dots.glsl instead.
#include "lib/weights.glsl"
#ifndef EXPERTS
#define FUSES 1 // norms, gates, parts
#endif
#include "lib/matmul.glsl"

#ifdef USE_RUNS
#include "lib/dots.glsl"

void main()
{
#ifdef EXPERTS
    if (!find_expert())
        return;
#endif
    uint step = GATED ? 2u : 1u, n_steps = push.n_out / step;
    uint n = (n_steps + gl_NumWorkGroups.x - 1u) / gl_NumWorkGroups.x * step;
    uint first = min(gl_WorkGroupID.x * n, push.n_out);
    multiply_rows(first, min(n, push.n_out - first));
}
#elif defined(USE_LANES)
#include "lib/lanes.glsl"

void main()
{
#ifdef EXPERTS
    if (!find_expert())
        return;
#endif
    uint group = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
    multiply(group * gl_WorkGroupSize.x * OUT_ROWS, 0u);
}
#elif defined(USE_WIDE) || defined(USE_DOT)
#include "lib/teams.glsl"
#ifdef USE_WIDE
#include "lib/wide.glsl"
#else
#include "lib/dot.glsl"
#endif

void main()
{
#ifdef EXPERTS
    if (!find_expert())
        return;
#endif
    multiply_team();
}
#else

#ifdef USE_SUBGROUP
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#endif

layout(local_size_x_id = 0, local_size_y = 1, local_size_z = 1) in;
layout(constant_id = 1) const uint N_ROWS = 1u;   // = push.n_rows; of experts 1
layout(constant_id = 2) const uint OUT_ROWS = 4u;

#define WORKGROUP_SIZE gl_WorkGroupSize.x

const uint N_PRODUCTS = OUT_ROWS * N_ROWS; // product o * N_ROWS + r
// With NORM, sums of squares of the rows of x are taken along the way, and come after them.
const uint N_SUMS = N_PRODUCTS + (FUSED >> 2 & 1u) * N_ROWS;
const uint FIRST_SQUARES = N_SUMS - N_ROWS;

shared float parts[N_SUMS * WORKGROUP_SIZE]; // with subgroups, only one of each subgroup is used

#ifdef USE_SUBGROUP
void add_up(float sums[N_SUMS])
{
    [[unroll]] for (uint i = 0u; i < N_SUMS; i++) {
        float sum = subgroupAdd(sums[i]);
        if (subgroupElect())
            parts[i * WORKGROUP_SIZE + gl_SubgroupID] = sum;
    }
    barrier();
}

float total(uint i)
{
    float sum = 0.0;
    for (uint j = 0u; j < gl_NumSubgroups; j++)
        sum += parts[i * WORKGROUP_SIZE + j];
    return sum;
}
#else
void add_up(float sums[N_SUMS])
{
    uint me = gl_LocalInvocationID.x;
    [[dont_unroll]] for (uint i = 0u; i < N_SUMS; i++)
        parts[i * WORKGROUP_SIZE + me] = sums[i];
    barrier();
    for (uint step = WORKGROUP_SIZE / 2u; step > 0u; step /= 2u) {
        if (me < step) {
            [[dont_unroll]] for (uint i = 0u; i < N_SUMS; i++)
                parts[i * WORKGROUP_SIZE + me] += parts[i * WORKGROUP_SIZE + me + step];
        }
        barrier();
    }
}

float total(uint i)
{
    return parts[i * WORKGROUP_SIZE];
}
#endif

// Add up the invocations' sums and store what they make.
void finish(float sums[N_SUMS], uint first)
{
    add_up(sums);
    for (uint i = gl_LocalInvocationID.x; i < N_PRODUCTS; i += WORKGROUP_SIZE) {
        uint o = i / N_ROWS, r = i % N_ROWS;
        float factor = NORMED ? norm_factor(total(FIRST_SQUARES + r)) : 1.0;
        if (!GATED)
            store_sum(first + o, r, factor * total(i));
        else if ((o & 1u) == 0u)
            store_gated(first + o, r, factor * total(i), factor * total(i + N_ROWS));
    }
}

void main()
{
    uint first = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * OUT_ROWS;
    if (first >= push.n_out)
        return;
#ifdef EXPERTS
    if (!find_expert())
        return;
#endif

    uint row[OUT_ROWS]; // first byte; the last row stands in for those that are not there
    [[unroll]] for (uint o = 0u; o < OUT_ROWS; o++)
        row[o] = row_of(min(first + o, push.n_out - 1u));
    float sums[N_SUMS];
    [[unroll]] for (uint i = 0u; i < N_SUMS; i++)
        sums[i] = 0.0;

    uint n_units = push.n_cols / UNIT;
    for (uint u = gl_LocalInvocationID.x; u < n_units; u += WORKGROUP_SIZE) {
        Scales scales[OUT_ROWS];
        [[unroll]] for (uint o = 0u; o < OUT_ROWS; o++)
            scales[o] = load_scales(row[o], u);
        MAYBE_UNROLL for (uint s = 0u; s < UNIT_STEPS; s++) {
            Bits bits[OUT_ROWS];
            [[unroll]] for (uint o = 0u; o < OUT_ROWS; o++)
                bits[o] = load_bits(row[o], u, s);
            uint column = unit_column(u) + s * STEP_COLUMNS;
            MAYBE_UNROLL for (uint q = 0u; q < STEP_QUADS; q++) {
                uint c = column + quad_column(q);
                vec4 in_x[N_ROWS];
                [[unroll]] for (uint r = 0u; r < N_ROWS; r++) {
                    in_x[r] = load_x(X_ROW(r) + c);
                    if (NORMED) {
                        sums[FIRST_SQUARES + r] += dot(in_x[r], in_x[r]);
                        in_x[r] *= load_norm(c);
                    }
                }
                [[unroll]] for (uint o = 0u; o < OUT_ROWS; o++) {
                    vec4 w = quad(scales[o], bits[o], s, q);
                    [[unroll]] for (uint r = 0u; r < N_ROWS; r++)
                        sums[o * N_ROWS + r] += dot(w, in_x[r]);
                }
            }
        }
    }
#ifdef PLAIN_FLOATS
    uint c = n_units * UNIT + gl_LocalInvocationID.x;
    if (gl_LocalInvocationID.x < UNIT && c < push.n_cols) {
        [[unroll]] for (uint r = 0u; r < N_ROWS; r++) {
            float value = x[X_ROW(r) + c];
            if (NORMED) {
                sums[FIRST_SQUARES + r] += value * value;
                value *= norm_of(c);
            }
            [[unroll]] for (uint o = 0u; o < OUT_ROWS; o++)
                sums[o * N_ROWS + r] += weight(row[o], c) * value;
        }
    }
#endif
    float results[N_SUMS]; // a copy, so that indexing it leaves the sums in registers
    [[unroll]] for (uint i = 0u; i < N_SUMS; i++)
        results[i] = sums[i];
    finish(results, first);
}
#endif
