// tile_load.glsl - bringing weights and x for a tile of y from memory to registers: what lib/tiles.glsl
// and lib/matrix_tiles.glsl share; and storing the tile.
//
// A workgroup makes TILE_O columns and TILE_R rows of y, and goes along the columns of w in steps of
// TILE_C, or of a PART_C for each of its parts. Each invocation brings part of a row of weights and part
// of a row of x. The order of columns inside a step is that of the quads of a unit (lib/weights.glsl).
// Rows are whole units.
//
// Where there are few tiles, each has several workgroups along z, one for each SPLIT of the columns
// of w, and what they make is put together by kernel matmul_merge.
layout(local_size_x_id = 0, local_size_y = 1, local_size_z = 1) in;
layout(constant_id = 1) const uint TILE_O = 64u; // powers of two, divisors of the workgroup's size
layout(constant_id = 2) const uint TILE_R = 64u;

layout(constant_id = 7) const uint SPLIT = 0u; // columns, a power of two of whole steps; 0: all

#define WORKGROUP_SIZE gl_WorkGroupSize.x

#ifdef USE_MATRICES
const uint PARTS = 1u;
#else
layout(constant_id = 5) const uint PARTS = 1u;
#endif
#if defined(HALF) || defined(USE_MATRICES)
const uint CHUNK = 16u; // columns of x that are brought together
#else
const uint CHUNK = 8u;
#endif
const uint PART_C = PARTS > 1u ? 16u : 32u, TILE_C = PART_C * PARTS; // whole units

// Steps of a row of weights, of which an invocation takes MY_STEPS of MY_UNITS units.
const uint ROW_STEPS = TILE_C / (4u * STEP_QUADS);
const uint W_INVOCATIONS = WORKGROUP_SIZE / TILE_O;
const uint W_SHARERS = W_INVOCATIONS < ROW_STEPS ? W_INVOCATIONS : ROW_STEPS;
const uint MY_STEPS = ROW_STEPS / W_SHARERS;
const uint MY_UNITS = (MY_STEPS + UNIT_STEPS - 1u) / UNIT_STEPS;

// Chunks of a row of x, of which an invocation takes MY_CHUNKS.
const uint ROW_CHUNKS = TILE_C / CHUNK;
const uint X_INVOCATIONS = WORKGROUP_SIZE / TILE_R;
const uint X_SHARERS = X_INVOCATIONS < ROW_CHUNKS ? X_INVOCATIONS : ROW_CHUNKS;
const uint MY_CHUNKS = ROW_CHUNKS / X_SHARERS;
const uint CHUNK_QUADS = CHUNK / 4u, MY_QUADS = MY_CHUNKS * CHUNK_QUADS;

// What an invocation brings of a step, before it is in shared memory.
struct Load {
    Scales scales[MY_UNITS];
    Bits bits[MY_STEPS];
    vec4 x[MY_QUADS];
};

// What this invocation is for. Row and step of weights, row and chunk of x that it brings.
struct Task {
    uint o, step, row, r, chunk, x_row;
};

Task find_task(uint first_o, uint first_r)
{
    uint self = gl_LocalInvocationID.x;
    Task t;
    t.o = self % TILE_O;
    t.step = min(self / TILE_O, W_SHARERS - 1u) * MY_STEPS;
    t.row = row_of(min(first_o + t.o, push.n_out - 1u));
    t.r = self % TILE_R;
    t.chunk = min(self / TILE_R, X_SHARERS - 1u) * MY_CHUNKS;
    t.x_row = X_ROW(min(first_r + t.r, push.n_rows - 1u));
    return t;
}

// The first unit of this workgroup's split.
uint first_of_split()
{
    return SPLIT == 0u ? 0u : gl_WorkGroupID.z * (SPLIT / UNIT);
}

// Whether a split ends before unit u. Known from u alone: what is kept in registers all along would
// be one too much for some of Intel's GPUs.
bool split_ends(uint u)
{
    return u >= push.n_cols / UNIT || SPLIT != 0u && u % (SPLIT / UNIT) == 0u;
}

// What the split that ended before unit u makes.
void store_result(uint u, uint o, uint r, float sum)
{
    if (SPLIT == 0u)
        store_sum(o, r, sum);
    else if (o < push.n_out && r < push.n_rows)
        y[((u - 1u) / (SPLIT / UNIT) * push.n_rows + r) * push.n_out + o] = sum;
}

// Units past the end are read as the last one, and x there as 0.
void fetch(Task t, uint first_unit, out Load load)
{
    uint last = push.n_cols / UNIT - 1u;
    [[unroll]] for (uint i = 0u; i < MY_UNITS; i++)
        load.scales[i] = load_scales(t.row, min(first_unit + t.step / UNIT_STEPS + i, last));
    [[unroll]] for (uint i = 0u; i < MY_STEPS; i++)
        load.bits[i] = load_bits(t.row, min(first_unit + (t.step + i) / UNIT_STEPS, last),
                                 (t.step + i) % UNIT_STEPS);
    [[unroll]] for (uint i = 0u; i < MY_QUADS; i++) {
        uint q = t.chunk * CHUNK_QUADS + i, u = first_unit + q / (UNIT / 4u);
        uint s = q / STEP_QUADS % UNIT_STEPS;
        vec4 x = load_x(t.x_row + unit_column(min(u, last)) + s * STEP_COLUMNS +
                        quad_column(q % STEP_QUADS));
        load.x[i] = u <= last ? x : vec4(0.0);
    }
}
