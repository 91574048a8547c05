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
// A workgroup is one invocation and takes COLUMNS columns of each of its rows, span by span.
const uint COLUMNS = 1024u; // EMBED_RUNS_COLS of registry_weights.c, a multiple of SPAN

float decoded[SPAN];
#include "lib/decode.glsl"

// The first n of them go to `at` and what follows.
void store(uint at, uint n)
{
    uint out_at = lane_base(at);
    if ((push.flags & ADD) != 0u) {
        for (uint l = 0u; l < n; l++)
            to[out_at + l] += push.scale * decoded[l];
    } else {
        for (uint l = 0u; l < n; l++)
            to[out_at + l] = push.scale * decoded[l];
    }
}

void embed_columns(uint row, uint out_row)
{
    uint begin = gl_WorkGroupID.x * COLUMNS, end = min(begin + COLUMNS, push.n_cols);
    uint c = begin;
    for (; c + SPAN <= end; c += SPAN) {
        decode_span(row, c / SPAN, 0u);
        store(out_row + c, SPAN);
    }
#ifdef PLAIN_FLOATS
    for (uint i = 0u; i < end - min(c, end); i++)
        decoded[i] = weight(row, c + i);
    store(out_row + c, end - min(c, end));
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
