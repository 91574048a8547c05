// matmul.comp - y[r, out_offset + o] = sum over c of w[o, c] x[r, c] (+ bias) (+ y before).
//
// w: rows of blocks, see lib/weights.glsl. x, y: f32 with a stride between rows.
// A workgroup makes a tile of TILE_O columns and TILE_R rows of y. It goes along the columns of w in
// steps of TILE_C: weights (decoded, unit by unit) and x are brought to shared memory, where each
// invocation reads them for its own SUB_O x SUB_R sums. Both tiles are stored by column, four
// neighbours in a vec4. The order of columns inside a tile is that of the quads of a unit.
// For GPUs there are lib/tiles.glsl and lib/matrix_tiles.glsl instead, for processors lib/lanes.glsl and lib/runs.glsl.
#include "lib/weights.glsl"
#include "lib/matmul.glsl"

#ifdef USE_RUNS
#include "lib/runs.glsl"

layout(constant_id = 1) const uint TILE_R = 66u;

void main()
{
    uint n_blocks = (push.n_out + BLOCK_O - 1u) / BLOCK_O;
    uint n = (n_blocks + gl_NumWorkGroups.x - 1u) / gl_NumWorkGroups.x;
    uint first = min(gl_WorkGroupID.x * n, n_blocks);
    uint first_r = min(gl_WorkGroupID.y * TILE_R, push.n_rows);
    for (uint i = first; i < min(first + n, n_blocks); i++)
        multiply_block(i * BLOCK_O, first_r, min(TILE_R, push.n_rows - first_r));
}
#elif defined(USE_LANES)
#include "lib/lanes.glsl"

void main()
{
    multiply(gl_WorkGroupID.x * gl_WorkGroupSize.x * OUT_ROWS, gl_WorkGroupID.y * N_ROWS);
}
#elif defined(USE_TILES)
#include "lib/tile_load.glsl"
#ifdef USE_MATRICES
#include "lib/matrix_tiles.glsl"
#else
#include "lib/tiles.glsl"
#endif
#else

layout(local_size_x_id = 0, local_size_y = 1, local_size_z = 1) in;
layout(constant_id = 1) const uint TILE_O = 64u; // a multiple of SUB_O
layout(constant_id = 2) const uint TILE_R = 64u; // a multiple of SUB_R, a power of two from 32 on
layout(constant_id = 3) const uint SUB_O = 4u;   // multiples of 4
layout(constant_id = 4) const uint SUB_R = 4u;

#define WORKGROUP_SIZE gl_WorkGroupSize.x // (TILE_O / SUB_O) * (TILE_R / SUB_R)

const uint TILE_C = 32u;              // columns of w
const uint TILE_UNITS = TILE_C / UNIT; // of one row of weights
const uint TILE_QUADS = TILE_C / 4u;

shared vec4 tile_w[TILE_C * TILE_O / 4u]; // [TILE_C][TILE_O]
shared vec4 tile_x[TILE_C * TILE_R / 4u]; // [TILE_C][TILE_R]

// Column of quad `q` of the tile that begins at unit `first`.
uint tile_column(uint first, uint q)
{
    uint u = first + q / (UNIT / 4u), s = q / STEP_QUADS % UNIT_STEPS;
    return unit_column(u) + s * STEP_COLUMNS + quad_column(q % STEP_QUADS);
}

void load_weights(uint first_o, uint first_unit)
{
    uint n_units = push.n_cols / UNIT;
    for (uint i = gl_LocalInvocationID.x; i < TILE_O * TILE_UNITS; i += WORKGROUP_SIZE) {
        uint o = i % TILE_O, j = i / TILE_O, u = first_unit + j;
        uint row = row_of(min(first_o + o, push.n_out - 1u));
        if (u < n_units) {
            Scales scales = load_scales(row, u);
            MAYBE_UNROLL for (uint s = 0u; s < UNIT_STEPS; s++) {
                Bits bits = load_bits(row, u, s);
                MAYBE_UNROLL for (uint q = 0u; q < STEP_QUADS; q++) {
                    vec4 w = quad(scales, bits, s, q);
                    uint k = j * UNIT + 4u * (s * STEP_QUADS + q);
                    [[unroll]] for (uint e = 0u; e < 4u; e++)
                        tile_w[((k + e) * TILE_O + o) / 4u][o & 3u] = w[e];
                }
            }
        } else {
            [[dont_unroll]] for (uint k = 0u; k < UNIT; k++) {
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

// Where rows 4 i to 4 i + 3 of column k of x are. The places of a column are permuted, so that the
// quads of a row, which neighbours store at a time, fall into different banks of shared memory.
uint x_place(uint k, uint i)
{
    return k * (TILE_R / 4u) + (i ^ (k / 4u & 7u));
}

void load_inputs(uint first_r, uint first_unit)
{
    for (uint i = gl_LocalInvocationID.x; i < TILE_R * TILE_QUADS; i += WORKGROUP_SIZE) {
        uint q = i % TILE_QUADS, r = i / TILE_QUADS;
        uint row = min(first_r + r, push.n_rows - 1u) * push.in_stride;
        uint c = tile_column(first_unit, q);
        MAYBE_UNROLL for (uint e = 0u; e < 4u; e++) {
#ifdef PLAIN_FLOATS
            float v = c + e < push.n_cols ? x[row + c + e] : 0.0;
#else
            float v = x[row + c + e];
#endif
            tile_x[x_place(4u * q + e, r / 4u)][r & 3u] = v;
        }
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
    for (uint u = 0u; u < n_units; u += TILE_UNITS) {
        load_weights(first_o, u);
        load_inputs(first_r, u);
        barrier();
        [[dont_unroll]] for (uint k = 0u; k < TILE_C; k++) {
            vec4 w[SUB_O / 4u], v[SUB_R / 4u];
            [[unroll]] for (uint i = 0u; i < SUB_O / 4u; i++)
                w[i] = tile_w[k * (TILE_O / 4u) + me_o * (SUB_O / 4u) + i];
            [[unroll]] for (uint i = 0u; i < SUB_R / 4u; i++)
                v[i] = tile_x[x_place(k, me_r * (SUB_R / 4u) + i)];
            [[unroll]] for (uint r = 0u; r < SUB_R; r++) {
                [[unroll]] for (uint i = 0u; i < SUB_O / 4u; i++)
                    sums[r * (SUB_O / 4u) + i] += w[i] * v[r / 4u][r & 3u];
            }
        }
        barrier();
    }
    vec4 results[SUB_O / 4u * SUB_R]; // a copy, so that indexing it leaves the sums in registers
    [[unroll]] for (uint i = 0u; i < SUB_O / 4u * SUB_R; i++)
        results[i] = sums[i];
    MAYBE_UNROLL for (uint i = 0u; i < SUB_O / 4u * SUB_R; i++) {
        uint o = i % (SUB_O / 4u) * 4u, r = i / (SUB_O / 4u);
        MAYBE_UNROLL for (uint e = 0u; e < 4u; e++)
            store_sum(first_o + me_o * SUB_O + o + e, first_r + me_r * SUB_R + r, results[i][e]);
    }
}
#endif
