// dots_rows.glsl - several rows of x times OUT_ROWS rows of weights (lib/dots.glsl):
//
//   sum over c of (scale[g] quant[c] - minimum[g]) x[r, c]
float row_sums[OUT_ROWS][N_ROWS][DOT_LANES];

// Add what n spans, a constant, from s on make.
void add_spans_of_rows(uint row[OUT_ROWS], uint s, uint n)
{
    uint at[OUT_ROWS], from[N_ROWS];
    [[unroll]] for (uint k = 0u; k < OUT_ROWS; k++)
        at[k] = span_base(row[k], s);
    // Each from the one before: computed alike, the compiler would keep them in a vector, and take them out
    // again for each load.
    from[0] = lane_base(from_row(0u) + SPAN * s);
    [[unroll]] for (uint r = 1u; r < N_ROWS; r++)
        from[r] = lane_base(from[r - 1u] + (NORMED ? NORM_COLS : r < push.n_rows ? push.in_stride : 0u));
    [[unroll]] for (uint i = 0u; i < n; i++) {
        Groups groups[OUT_ROWS];
        [[unroll]] for (uint k = 0u; k < OUT_ROWS; k++)
            groups[k] = load_groups(at[k] + SPAN_SIZE * i);
        [[unroll]] for (uint g = 0u; g < GROUPS; g++) {
            LANE_LOOP for (uint l = 0u; l < DOT_LANES; l++) {
                [[unroll]] for (uint c = GROUP * g; c < GROUP * (g + 1u); c += DOT_LANES) {
                    [[unroll]] for (uint k = 0u; k < OUT_ROWS; k++) {
                        float w = groups[k].scale[g] * quant(at[k] + SPAN_SIZE * i, c, l) -
                                  groups[k].minimum[g];
                        [[unroll]] for (uint r = 0u; r < N_ROWS; r++)
                            row_sums[k][r][l] += w * value(from[r] + SPAN * i + c + l);
                    }
                }
            }
        }
    }
}

// The products with the whole spans of the rows of weights at bytes `row`.
void multiply_several(uint row[OUT_ROWS])
{
    [[unroll]] for (uint i = 0u; i < OUT_ROWS * N_ROWS; i++) {
        LANE_LOOP for (uint l = 0u; l < DOT_LANES; l++)
            row_sums[i / N_ROWS][i % N_ROWS][l] = 0.0;
    }
    uint n = push.n_cols / SPAN, n_whole = n & ~(SPANS - 1u);
    for (uint s = 0u; s < n_whole; s += SPANS)
        add_spans_of_rows(row, s, SPANS);
    for (uint s = n_whole; s < n; s++)
        add_spans_of_rows(row, s, 1u);
    [[unroll]] for (uint i = 0u; i < OUT_ROWS * N_ROWS; i++) {
        float sum = 0.0;
        LANE_LOOP for (uint l = 0u; l < DOT_LANES; l++)
            sum += row_sums[i / N_ROWS][i % N_ROWS][l];
        products[i / N_ROWS][i % N_ROWS] = sum;
    }
}
