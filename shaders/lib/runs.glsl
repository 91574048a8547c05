// runs.glsl - matmul where an invocation is a thread of a processor, and its compiler makes
// vectors of loops.
//
// A workgroup is one invocation. It takes a stretch of the columns of y. The innermost loops go over
// the lanes of a run (lib/weights.glsl): of constant length, along memory, and never unrolled here,
// which would hide them from the compiler. An array of one sum for each lane stays in registers.
layout(local_size_x_id = 0, local_size_y = 1, local_size_z = 1) in;

const uint RUN_COLUMNS = RUN_UNITS * UNIT;
const uint LANES = 8u; // of a vector

#ifndef EXPERTS
// ---- many rows --------------------------------------------------------------------------------------

// Lanes of a vector, and rows of x whose sums are made in one pass: with what they need, BLOCK_O x BLOCK_R
// vectors fill the processor's registers.
layout(constant_id = 2) const uint SUM_LANES = 8u;
layout(constant_id = 3) const uint BLOCK_R = 3u;
const uint BLOCK_O = 4u;
const uint CHUNK = 1024u; // columns of w that are decoded at a time

// No power of two: rows would lie in the same lines of the cache.
const uint CHUNK_STRIDE = CHUNK + 32u;
float chunk[BLOCK_O * CHUNK_STRIDE]; // [BLOCK_O][CHUNK_STRIDE]

// Columns begin to end of row o of w into row i of `chunk`.
void decode(uint o, uint i, uint begin, uint end)
{
    uint row = row_of(o);
    for (uint first_u = begin / RUN_COLUMNS; first_u < end / RUN_COLUMNS; first_u += BLOCK_RUNS) {
        [[unroll]] for (uint j = 0u; j < BLOCK_RUNS; j++) {
            uint u = first_u + j;
            Scales scales = load_scales(row, RUN_UNITS * u);
            uint to = lane_base(i * CHUNK_STRIDE + unit_column(RUN_UNITS * u) - begin);
            [[unroll]] for (uint k = 0u; k < RUN_LANES; k += LANES) {
                [[dont_unroll]] for (uint l = 0u; l < LANES; l++) {
                    [[unroll]] for (uint p = 0u; p < RUN_PARTS; p++)
                        chunk[to + p * PART_COLUMNS + k + l] = run_weight(scales, row, u, p, k + l);
                }
            }
        }
    }
}

// As lane_base(), for what is within a chunk after it.
uint chunk_base(uint at)
{
    return min(at, 0xfffff000u - CHUNK);
}

// Add what columns begin to end make of columns first_o to first_o + BLOCK_O of y, for rows first_r to
// first_r + BLOCK_R. Rows that are not there are read from the last one.
void multiply_chunk(uint first_o, uint first_r, uint begin, uint end)
{
    uint from[BLOCK_R];
    [[unroll]] for (uint r = 0u; r < BLOCK_R; r++)
        from[r] = chunk_base(min(first_r + r, push.n_rows - 1u) * push.in_stride + begin);
    float sums[BLOCK_O * BLOCK_R * SUM_LANES];
    [[unroll]] for (uint i = 0u; i < BLOCK_O * BLOCK_R; i++) {
        [[dont_unroll, dependency_infinite]] for (uint l = 0u; l < SUM_LANES; l++)
            sums[i * SUM_LANES + l] = 0.0;
    }
    [[dont_unroll]] for (uint c = 0u; c < end - begin; c += SUM_LANES) {
        uint column = min(c, CHUNK); // see lane_base()
        [[dont_unroll, dependency_infinite]] for (uint l = 0u; l < SUM_LANES; l++) {
            [[unroll]] for (uint o = 0u; o < BLOCK_O; o++) {
                [[unroll]] for (uint r = 0u; r < BLOCK_R; r++)
                    sums[(o * BLOCK_R + r) * SUM_LANES + l] +=
                        chunk[o * CHUNK_STRIDE + column + l] * x[from[r] + column + l];
            }
        }
    }
    [[unroll]] for (uint i = 0u; i < BLOCK_O * BLOCK_R; i++) {
        uint o = first_o + i / BLOCK_R, r = first_r + i % BLOCK_R;
        float sum = 0.0;
        [[dont_unroll, dependency_infinite]] for (uint l = 0u; l < SUM_LANES; l++)
            sum += sums[i * SUM_LANES + l];
        if (begin == 0u)
            store_sum(o, r, sum);
        else if (o < push.n_out && r < push.n_rows)
            y[r * push.out_stride + push.out_offset + o] += sum;
    }
}

#ifdef PLAIN_FLOATS
// The columns from `begin` on, which are no whole run.
void multiply_rest(uint first_o, uint first_r, uint n_r, uint begin)
{
    for (uint o = first_o; o < min(first_o + BLOCK_O, push.n_out); o++) {
        for (uint r = first_r; r < first_r + n_r; r++) {
            float sum = 0.0;
            for (uint c = begin; c < push.n_cols; c++)
                sum += weight(row_of(o), c) * x[r * push.in_stride + c];
            y[r * push.out_stride + push.out_offset + o] += sum;
        }
    }
}
#endif

// Columns first_o to first_o + BLOCK_O of y, for n_r rows from first_r on.
void multiply_block(uint first_o, uint first_r, uint n_r)
{
    uint whole = push.n_cols / RUN_COLUMNS * RUN_COLUMNS, begin = 0u;
    do {
        uint end = min(begin + CHUNK, whole);
        for (uint i = 0u; i < BLOCK_O; i++)
            decode(min(first_o + i, push.n_out - 1u), i, begin, end);
        for (uint r = 0u; r < n_r; r += BLOCK_R)
            multiply_chunk(first_o, first_r + r, begin, end);
        begin = end;
    } while (begin < whole);
#ifdef PLAIN_FLOATS
    if (whole < push.n_cols)
        multiply_rest(first_o, first_r, n_r, whole);
#endif
}
#endif
