// runs.glsl - matmul where an invocation is a thread of a processor, and its compiler makes
// vectors of loops.
//
// A workgroup is one invocation. It takes a stretch of the columns of y. The innermost loops go over
// lanes: of constant length, along memory, and never unrolled here, which would hide them from the
// compiler. An array of one sum for each lane stays in registers.
layout(local_size_x_id = 0, local_size_y = 1, local_size_z = 1) in;

// Lanes of a vector, and rows of x whose sums are made in one pass: with what they need, BLOCK_O x BLOCK_R
// vectors fill the processor's registers.
layout(constant_id = 2) const uint SUM_LANES = 8u;
layout(constant_id = 3) const uint BLOCK_R = 3u;
const uint BLOCK_O = 4u;
const uint CHUNK = 1024u; // columns of w that are decoded at a time

// No power of two: rows would lie in the same lines of the cache.
const uint CHUNK_STRIDE = CHUNK + 32u;
float decoded[BLOCK_O * CHUNK_STRIDE]; // [BLOCK_O][CHUNK_STRIDE]
#include "lib/decode.glsl"

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
        LANE_LOOP for (uint l = 0u; l < SUM_LANES; l++)
            sums[i * SUM_LANES + l] = 0.0;
    }
    [[dont_unroll]] for (uint c = 0u; c < end - begin; c += SUM_LANES) {
        uint column = min(c, CHUNK); // see lane_base()
        LANE_LOOP for (uint l = 0u; l < SUM_LANES; l++) {
            [[unroll]] for (uint o = 0u; o < BLOCK_O; o++) {
                [[unroll]] for (uint r = 0u; r < BLOCK_R; r++)
                    sums[(o * BLOCK_R + r) * SUM_LANES + l] +=
                        decoded[o * CHUNK_STRIDE + column + l] * x[from[r] + column + l];
            }
        }
    }
    [[unroll]] for (uint i = 0u; i < BLOCK_O * BLOCK_R; i++) {
        uint o = first_o + i / BLOCK_R, r = first_r + i % BLOCK_R;
        float sum = 0.0;
        LANE_LOOP for (uint l = 0u; l < SUM_LANES; l++)
            sum += sums[i * SUM_LANES + l];
        if (begin == 0u)
            store_sum(o, r, sum);
        else if (o < push.n_out && r < push.n_rows)
            y[r * push.out_stride + push.out_offset + o] += sum;
    }
}

#ifdef PLAIN_FLOATS
// The columns from `begin` on, which are no whole span.
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
    uint whole = push.n_cols / SPAN * SPAN, begin = 0u;
    do {
        uint end = min(begin + CHUNK, whole);
        for (uint i = 0u; i < BLOCK_O; i++) {
            uint row = row_of(min(first_o + i, push.n_out - 1u));
            for (uint s = begin / SPAN; s < end / SPAN; s++)
                decode_span(row, s, i * CHUNK_STRIDE + s * SPAN - begin);
        }
        for (uint r = 0u; r < n_r; r += BLOCK_R)
            multiply_chunk(first_o, first_r + r, begin, end);
        begin = end;
    } while (begin < whole);
#ifdef PLAIN_FLOATS
    if (whole < push.n_cols)
        multiply_rest(first_o, first_r, n_r, whole);
#endif
}
