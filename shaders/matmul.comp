// matmul.comp - y[r, out_offset + o] = sum over c of w[o, c] x[r, c] (+ bias) (+ y before).
//
// w: rows of blocks, see lib/weights.glsl. x, y: f32 with a stride between rows.
// A workgroup makes a tile of TILE_O columns and TILE_R rows of y. It goes along the columns of w in
// steps of STEP: weights (decoded, unit by unit) and x are brought to shared memory, where each
// invocation reads them for its own SUB_O x SUB_R sums. Both tiles are stored by column, four
// neighbours in a vec4. The order of columns inside a step is that of the quads of a unit.
#include "lib/weights.glsl"
#include "lib/matmul.glsl"

layout(local_size_x_id = 0, local_size_y = 1, local_size_z = 1) in;
layout(constant_id = 1) const uint TILE_O = 64u; // multiples of SUB_O and SUB_R
layout(constant_id = 2) const uint TILE_R = 64u;
layout(constant_id = 3) const uint SUB_O = 4u; // multiples of 4
layout(constant_id = 4) const uint SUB_R = 4u;

#define WORKGROUP_SIZE gl_WorkGroupSize.x // (TILE_O / SUB_O) * (TILE_R / SUB_R)

const uint STEP = 32u;               // columns
const uint STEP_UNITS = STEP / UNIT; // of one row of weights
const uint STEP_QUADS = STEP / 4u;

shared vec4 tile_w[STEP * TILE_O / 4u]; // [STEP][TILE_O]
shared vec4 tile_x[STEP * TILE_R / 4u]; // [STEP][TILE_R]

// Column of quad `q` of the step that begins at unit `first`.
uint step_column(uint first, uint q)
{
    return unit_column(first + q / QUADS) + quad_column(q % QUADS);
}

void load_weights(uint first_o, uint first_unit)
{
    uint n_units = push.n_cols / UNIT;
    for (uint i = gl_LocalInvocationID.x; i < TILE_O * STEP_UNITS; i += WORKGROUP_SIZE) {
        uint o = i % TILE_O, j = i / TILE_O, u = first_unit + j;
        uint row = min(first_o + o, push.n_out - 1u) * ROW_SIZE(push.n_cols);
        if (u < n_units) {
            Unit t = load_unit(row, u);
            [[unroll]] for (uint q = 0u; q < QUADS; q++) {
                vec4 w = quad(t, q);
                uint k = j * UNIT + 4u * q;
                [[unroll]] for (uint e = 0u; e < 4u; e++)
                    tile_w[((k + e) * TILE_O + o) / 4u][o & 3u] = w[e];
            }
        } else {
            [[unroll]] for (uint k = 0u; k < UNIT; k++) {
                float w = 0.0;
#ifdef PLAIN_FLOATS
                if (u * UNIT + k < push.n_cols)
                    w = weight(row, u * UNIT + k);
#endif
                tile_w[((j * UNIT + k) * TILE_O + o) / 4u][o & 3u] = w;
            }
        }
    }
}

void load_inputs(uint first_r, uint first_unit)
{
    for (uint i = gl_LocalInvocationID.x; i < TILE_R * STEP_QUADS; i += WORKGROUP_SIZE) {
        uint q = i % STEP_QUADS, r = i / STEP_QUADS;
        uint row = min(first_r + r, push.n_rows - 1u) * push.in_stride;
        uint c = step_column(first_unit, q);
        vec4 v = vec4(0.0);
        if (c + 4u <= push.n_cols) {
            v = load_x(row + c);
        } else {
            [[unroll]] for (uint e = 0u; e < 4u; e++) {
                if (c + e < push.n_cols)
                    v[e] = x[row + c + e];
            }
        }
        [[unroll]] for (uint e = 0u; e < 4u; e++)
            tile_x[((4u * q + e) * TILE_R + r) / 4u][r & 3u] = v[e];
    }
}

void main()
{
    uint first_o = gl_WorkGroupID.x * TILE_O, first_r = gl_WorkGroupID.y * TILE_R;
    uint me_o = gl_LocalInvocationID.x % (TILE_O / SUB_O);
    uint me_r = gl_LocalInvocationID.x / (TILE_O / SUB_O);

    vec4 sums[SUB_O / 4u * SUB_R]; // [SUB_R][SUB_O]
    [[unroll]] for (uint i = 0u; i < SUB_O / 4u * SUB_R; i++)
        sums[i] = vec4(0.0);

    uint n_units = (push.n_cols + UNIT - 1u) / UNIT;
    for (uint u = 0u; u < n_units; u += STEP_UNITS) {
        load_weights(first_o, u);
        load_inputs(first_r, u);
        barrier();
        [[dont_unroll]] for (uint k = 0u; k < STEP; k++) {
            vec4 w[SUB_O / 4u], v[SUB_R / 4u];
            [[unroll]] for (uint i = 0u; i < SUB_O / 4u; i++)
                w[i] = tile_w[(k * TILE_O + me_o * SUB_O) / 4u + i];
            [[unroll]] for (uint i = 0u; i < SUB_R / 4u; i++)
                v[i] = tile_x[(k * TILE_R + me_r * SUB_R) / 4u + i];
            [[unroll]] for (uint r = 0u; r < SUB_R; r++) {
                [[unroll]] for (uint i = 0u; i < SUB_O / 4u; i++)
                    sums[r * (SUB_O / 4u) + i] += w[i] * v[r / 4u][r & 3u];
            }
        }
        barrier();
    }
    [[unroll]] for (uint r = 0u; r < SUB_R; r++) {
        [[unroll]] for (uint o = 0u; o < SUB_O; o++)
            store_sum(first_o + me_o * SUB_O + o, first_r + me_r * SUB_R + r,
                      sums[r * (SUB_O / 4u) + o / 4u][o & 3u]);
    }
}
