// embed.comp - out[i, :] (+)= scale * table[index[i * index_stride + index_offset] - row_begin, :]
//
// table: rows of blocks, see lib/weights.glsl; rows outside [0, row_count) are left alone. An invocation decodes a unit; units of a row
// along x, rows along y, where a workgroup steps by the number of workgroups.
#include "lib/weights.glsl"

layout(local_size_x_id = 0, local_size_y = 1, local_size_z = 1) in;

layout(std430, binding = 1) restrict readonly buffer Index
{
    uint index[];
};
layout(std430, binding = 2) restrict buffer Out
{
    float to[]; // [n_rows, n_cols]
};

// struct smr_embed_push
layout(std430, push_constant) uniform Push
{
    uint n_cols, n_rows;
    uint index_stride, index_offset;
    uint row_begin, row_count;
    uint table_at;
    uint flags;
    float scale;
}
push;
const uint ADD = 1u;

#ifdef USE_RUNS
// A workgroup is one invocation and takes COLUMNS columns of each of its rows, run by run (see
// lib/runs.glsl).
const uint COLUMNS = 1024u; // EMBED_RUNS_COLS of registry_weights.c, a multiple of RUN_COLUMNS
const uint RUN_COLUMNS = RUN_UNITS * UNIT, LANES = 8u;

float run[RUN_COLUMNS]; // [RUN_PARTS][RUN_LANES]

// Elements first to first + n of the run go to `at` and what follows.
void store(uint at, uint first, uint n)
{
    uint out_at = lane_base(at);
    if ((push.flags & ADD) != 0u) {
        for (uint l = 0u; l < n; l++)
            to[out_at + l] += push.scale * run[first + l];
    } else {
        for (uint l = 0u; l < n; l++)
            to[out_at + l] = push.scale * run[first + l];
    }
}

void decode(uint row, uint u)
{
    Scales scales = load_scales(row, RUN_UNITS * u);
    [[unroll]] for (uint k = 0u; k < RUN_LANES; k += LANES) {
        [[dont_unroll]] for (uint l = 0u; l < LANES; l++) {
            [[unroll]] for (uint p = 0u; p < RUN_PARTS; p++)
                run[p * RUN_LANES + k + l] = run_weight(scales, row, u, p, k + l);
        }
    }
}

void embed_columns(uint row, uint out_row)
{
    uint begin = gl_WorkGroupID.x * COLUMNS, end = min(begin + COLUMNS, push.n_cols);
    uint c = begin;
    for (; c + RUN_COLUMNS <= end; c += RUN_COLUMNS) {
        decode(row, c / RUN_COLUMNS);
        uint at = out_row + unit_column(c / UNIT);
        [[dont_unroll]] for (uint p = 0u; p < RUN_PARTS; p++)
            store(at + p * PART_COLUMNS, p * RUN_LANES, RUN_LANES);
    }
#ifdef PLAIN_FLOATS
    for (uint i = 0u; i < end - min(c, end); i++)
        run[i] = weight(row, c + i);
    store(out_row + c, 0u, end - min(c, end));
#endif
}

void main()
{
    for (uint i = gl_WorkGroupID.y; i < push.n_rows; i += gl_NumWorkGroups.y) {
        uint token = index[i * push.index_stride + push.index_offset] - push.row_begin;
        if (token < push.row_count)
            embed_columns(push.table_at + token * ROW_SIZE(push.n_cols), i * push.n_cols);
    }
}
#else

void main()
{
    uint u = gl_GlobalInvocationID.x, n_units = push.n_cols / UNIT;
    for (uint i = gl_WorkGroupID.y; i < push.n_rows; i += gl_NumWorkGroups.y) {
        uint token = index[i * push.index_stride + push.index_offset] - push.row_begin;
        uint row = push.table_at + token * ROW_SIZE(push.n_cols), out_row = i * push.n_cols;
        if (token < push.row_count && u < n_units) {
            Scales scales = load_scales(row, u);
            MAYBE_UNROLL for (uint s = 0u; s < UNIT_STEPS; s++) {
                Bits bits = load_bits(row, u, s);
                uint at = out_row + unit_column(u) + s * STEP_COLUMNS;
                MAYBE_UNROLL for (uint q = 0u; q < STEP_QUADS; q++) {
                    vec4 w = push.scale * quad(scales, bits, s, q);
                    uint first = at + quad_column(q);
                    if ((push.flags & ADD) != 0u)
                        w += vec4(to[first], to[first + 1u], to[first + 2u], to[first + 3u]);
                    [[unroll]] for (uint j = 0u; j < 4u; j++)
                        to[first + j] = w[j];
                }
            }
        }
#ifdef PLAIN_FLOATS
        uint c = n_units * UNIT + u;
        if (token < push.row_count && u < UNIT && c < push.n_cols) {
            float value = push.scale * weight(row, c);
            to[out_row + c] = (push.flags & ADD) != 0u ? to[out_row + c] + value : value;
        }
#endif
    }
}
#endif
