// runs.glsl - matvec and matmul where an invocation is a thread of a processor, and its compiler makes
// vectors of loops.
//
// A workgroup is one invocation. It takes a stretch of the columns of y. The innermost loops go over
// the lanes of a run (lib/weights.glsl): of constant length, along memory, and never unrolled here,
// which would hide them from the compiler. An array of one sum for each lane stays in registers.
layout(local_size_x_id = 0, local_size_y = 1, local_size_z = 1) in;

const uint RUN_COLUMNS = RUN_UNITS * UNIT;
const uint LANES = 8u; // of a vector

// Columns first to first + n of y, of row r.
void multiply_row(uint first, uint n, uint r)
{
    uint n_runs = push.n_cols / RUN_COLUMNS;
    for (uint o = first; o < first + n; o++) {
        uint row = o * ROW_SIZE(push.n_cols);
        float sums[RUN_COLUMNS];
        [[unroll]] for (uint k = 0u; k < RUN_COLUMNS; k += LANES) {
            [[dont_unroll]] for (uint l = 0u; l < LANES; l++)
                sums[k + l] = 0.0;
        }
        for (uint u = 0u; u < n_runs; u++) {
            Scales scales = load_scales(row, RUN_UNITS * u);
            uint column = lane_base(r * push.in_stride + unit_column(RUN_UNITS * u));
            [[unroll]] for (uint k = 0u; k < RUN_LANES; k += LANES) {
                [[dont_unroll]] for (uint l = 0u; l < LANES; l++) {
                    [[unroll]] for (uint p = 0u; p < RUN_PARTS; p++)
                        sums[p * RUN_LANES + k + l] += run_weight(scales, row, u, p, k + l) *
                                                       x[column + p * PART_COLUMNS + k + l];
                }
            }
        }
        float sum = 0.0;
        [[unroll]] for (uint k = 0u; k < RUN_COLUMNS; k += LANES) {
            [[dont_unroll]] for (uint l = 0u; l < LANES; l++)
                sum += sums[k + l];
        }
#ifdef PLAIN_FLOATS
        for (uint c = n_runs * RUN_COLUMNS; c < push.n_cols; c++)
            sum += weight(row, c) * x[r * push.in_stride + c];
#endif
        store_sum(o, r, sum);
    }
}
