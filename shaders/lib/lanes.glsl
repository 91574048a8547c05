// lanes.glsl - matvec and matmul where subgroups are narrow and a load costs about as much for each
// invocation on its own, as on drivers that run invocations in the lanes of a processor's vectors.
//
// An invocation makes OUT_ROWS columns of y for N_ROWS rows, and walks along the columns of w on
// its own. What a step needs of x is loaded once by the subgroup, a value by each invocation, and
// then handed round.
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require

layout(local_size_x_id = 0, local_size_y = 1, local_size_z = 1) in;
layout(constant_id = 1) const uint N_ROWS = 1u;
layout(constant_id = 2) const uint OUT_ROWS = 1u;
layout(constant_id = 3) const uint LANES = 8u; // the subgroup size, all of them in use
layout(constant_id = 4) const uint PART_QUADS = 1u;  // of a step, done at a time; a divisor

const uint PART_VALUES = PART_QUADS * 4u; // of one row of x
const uint N_LOADS = (N_ROWS * PART_VALUES + LANES - 1u) / LANES;

// Column k of y of this invocation, whose workgroup's begin at `first`. With GATED, OUT_ROWS is 2:
// a gate and what it gates.
uint my_column(uint first, uint k)
{
    uint me = gl_LocalInvocationID.x;
    return first + (GATED ? me * OUT_ROWS + k : k * gl_WorkGroupSize.x + me);
}

// Columns `first` to `first` + WORKGROUP_SIZE * OUT_ROWS of y, of rows first_r to first_r +
// N_ROWS. All invocations of the workgroup must call it, with the same arguments.
void multiply(uint first, uint first_r)
{
    uint lane = gl_SubgroupInvocationID;
    uint row[OUT_ROWS];
    [[unroll]] for (uint o = 0u; o < OUT_ROWS; o++) {
        row[o] = row_of(min(my_column(first, o), push.n_out - 1u));
    }
    float sums[OUT_ROWS * N_ROWS];
    [[unroll]] for (uint i = 0u; i < OUT_ROWS * N_ROWS; i++)
        sums[i] = 0.0;

    // Where this invocation loads x from. Value f of a part is its column f % PART_VALUES of row f
    // / PART_VALUES; rows that are not there are read from the last one.
    uint from[N_LOADS];
    float squares[N_LOADS]; // of all that it loads
    [[unroll]] for (uint i = 0u; i < N_LOADS; i++) {
        uint f = i * LANES + lane, r = min(first_r + f / PART_VALUES, push.n_rows - 1u);
        from[i] = X_ROW(r) + quad_column(f / 4u % PART_QUADS) + f % 4u;
        squares[i] = 0.0;
    }
    uint n_units = push.n_cols / UNIT;
    for (uint u = 0u; u < n_units; u++) {
        Scales scales[OUT_ROWS];
        [[unroll]] for (uint o = 0u; o < OUT_ROWS; o++)
            scales[o] = load_scales(row[o], u);
        [[dont_unroll]] for (uint s = 0u; s < UNIT_STEPS; s++) {
            Bits bits[OUT_ROWS];
            [[unroll]] for (uint o = 0u; o < OUT_ROWS; o++)
                bits[o] = load_bits(row[o], u, s);
            [[dont_unroll]] for (uint part = 0u; part < STEP_QUADS; part += PART_QUADS) {
                uint at = unit_column(u) + s * STEP_COLUMNS + quad_column(part);
                float values[N_LOADS];
                [[unroll]] for (uint i = 0u; i < N_LOADS; i++) {
                    values[i] = x[from[i] + at];
                    if (NORMED) {
                        uint f = i * LANES + lane;
                        squares[i] += values[i] * values[i];
                        values[i] *= norm_of(at + quad_column(f / 4u % PART_QUADS) + f % 4u);
                    }
                }
                [[unroll]] for (uint q = 0u; q < PART_QUADS; q++) {
                    [[unroll]] for (uint o = 0u; o < OUT_ROWS; o++) {
                        vec4 w = quad(scales[o], bits[o], s, part + q);
                        [[unroll]] for (uint e = 0u; e < 4u; e++) {
                            [[unroll]] for (uint r = 0u; r < N_ROWS; r++) {
                                uint f = r * PART_VALUES + q * 4u + e;
                                sums[o * N_ROWS + r] +=
                                    w[e] * subgroupShuffle(values[f / LANES], f % LANES);
                            }
                        }
                    }
                }
            }
        }
    }
    float factors[N_ROWS];
    [[unroll]] for (uint r = 0u; r < N_ROWS; r++) {
        factors[r] = 0.0;
        if (NORMED) {
            [[unroll]] for (uint f = r * PART_VALUES; f < (r + 1u) * PART_VALUES; f++)
                factors[r] += subgroupShuffle(squares[f / LANES], f % LANES);
        }
    }
#ifdef PLAIN_FLOATS
    for (uint c = n_units * UNIT; c < push.n_cols; c++) {
        float values[N_ROWS];
        [[unroll]] for (uint r = 0u; r < N_ROWS; r++) {
            values[r] = x[X_ROW(min(first_r + r, push.n_rows - 1u)) + c];
            if (NORMED) {
                factors[r] += values[r] * values[r];
                values[r] *= norm_of(c);
            }
        }
        [[unroll]] for (uint o = 0u; o < OUT_ROWS; o++) {
            float w = weight(row[o], c);
            [[unroll]] for (uint r = 0u; r < N_ROWS; r++)
                sums[o * N_ROWS + r] += w * values[r];
        }
    }
#endif
    // A copy, so that the loop's index leaves the sums in registers.
    float results[OUT_ROWS * N_ROWS];
    [[unroll]] for (uint i = 0u; i < OUT_ROWS * N_ROWS; i++)
        results[i] = NORMED ? sums[i] * norm_factor(factors[i % N_ROWS]) : sums[i];
    if (GATED) {
        [[dont_unroll]] for (uint r = 0u; r < N_ROWS; r++)
            store_gated(my_column(first, 0u), first_r + r, results[r], results[N_ROWS + r]);
        return;
    }
    [[dont_unroll]] for (uint i = 0u; i < OUT_ROWS * N_ROWS; i++)
        store_sum(my_column(first, i / N_ROWS), first_r + i % N_ROWS, results[i]);
}
