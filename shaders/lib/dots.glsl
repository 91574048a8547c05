// dots.glsl - matvec where an invocation is a thread of a processor, and its compiler makes vectors of
// loops.
//
// A workgroup is one invocation. It takes a stretch of the columns of y: for one row of x one row of weights
// at a time (lib/dots_one.glsl), for several rows of x one or two, which are decoded once for all of them
// (lib/dots_rows.glsl). The innermost loops go over 16 lanes: neighbours in memory, and never unrolled
// here, which would hide them from the compiler. The sums of lanes stay in registers.
layout(local_size_x_id = 0, local_size_y = 1, local_size_z = 1) in;
layout(constant_id = 1) const uint N_ROWS = 1u;       // at least push.n_rows; of experts 1
layout(constant_id = 2) const uint MOST_GROUPS = 64u; // at least those of push.n_cols
layout(constant_id = 3) const uint OUT_ROWS = 1u;     // of weights at a time; of one row of x 1

const uint GROUP = SPAN / GROUPS;         // columns
const uint SPANS = SPAN == 32u ? 4u : 1u; // at a time

#ifdef FUSES
layout(constant_id = 6) const uint NORM_COLS = 1u; // = push.n_cols with NORM

float normed[N_ROWS * NORM_COLS]; // the rows of x, normed
#else
const uint NORM_COLS = 1u;
float normed[1];
#endif

// The first element of a row of x. Rows that are not there are read from the last one.
uint x_row(uint r)
{
#ifdef EXPERTS
    return X_ROW(r);
#else
    return X_ROW(min(r, push.n_rows - 1u));
#endif
}

// Where row r begins of what is multiplied, and its elements.
uint from_row(uint r)
{
    return NORMED ? r * NORM_COLS : x_row(r);
}

float value(uint at)
{
    return NORMED ? normed[at] : x[at];
}

#ifdef FUSES
// Fill in row r of `normed`. Every workgroup does for itself: that costs less than a dispatch.
void norm_row(uint r)
{
    uint whole = NORM_COLS & ~(DOT_LANES - 1u), row = x_row(r);
    float squares[DOT_LANES], sum = 0.0;
    LANE_LOOP for (uint l = 0u; l < DOT_LANES; l++)
        squares[l] = 0.0;
    for (uint c = 0u; c < whole; c += DOT_LANES) {
        uint at = lane_base(row + c);
        LANE_LOOP for (uint l = 0u; l < DOT_LANES; l++)
            squares[l] += x[at + l] * x[at + l];
    }
    LANE_LOOP for (uint l = 0u; l < DOT_LANES; l++)
        sum += squares[l];
    for (uint c = whole; c < NORM_COLS; c++)
        sum += x[row + c] * x[row + c];
    float factor = norm_factor(sum);
    for (uint c = 0u; c < whole; c += DOT_LANES) {
        uint at = lane_base(row + c), to = lane_base(r * NORM_COLS + c), column = lane_base(c);
        LANE_LOOP for (uint l = 0u; l < DOT_LANES; l++)
            normed[to + l] = x[at + l] * factor * norm[column + l];
    }
    for (uint c = whole; c < NORM_COLS; c++)
        normed[r * NORM_COLS + c] = x[row + c] * factor * norm[c];
}
#else
void norm_row(uint r) {}
#endif

// The first byte of span s. It is even, and the compiler gets to know.
uint span_base(uint row, uint s)
{
    return lane_base(row + SPAN_SIZE * s) & ~1u;
}

float products[OUT_ROWS][N_ROWS]; // of rows of weights and of x
#include "lib/dots_one.glsl"
#include "lib/dots_rows.glsl"

// The columns of a row of weights that are no whole span.
float multiply_rest(uint row, uint r)
{
    float sum = 0.0;
#ifdef PLAIN_FLOATS
    for (uint c = push.n_cols & ~(SPAN - 1u); c < push.n_cols; c++)
        sum += weight(row, c) * value(from_row(r) + c);
#endif
    return sum;
}

// Find the products of rows o to o + n of w.
void multiply(uint o, uint n)
{
    uint row[OUT_ROWS];
    [[unroll]] for (uint k = 0u; k < OUT_ROWS; k++)
        row[k] = row_of(o + min(k, n - 1u));
    if (N_ROWS == 1u)
        multiply_one(row[0]);
    else
        multiply_several(row);
    [[unroll]] for (uint i = 0u; i < OUT_ROWS * N_ROWS; i++)
        products[i / N_ROWS][i % N_ROWS] += multiply_rest(row[i / N_ROWS], i % N_ROWS);
}

#ifdef FUSES
// Rows o to o + n of w, at most two for each lane: gates and what they gate in turn. Activations are
// made a vector at a time; one by one they take longer than the dispatch that is saved.
void multiply_gated(uint o, uint n)
{
    const uint activation = FUSED >> 8;
    float gates[N_ROWS][DOT_LANES], ups[N_ROWS][DOT_LANES];
    [[unroll]] for (uint r = 0u; r < N_ROWS; r++) {
        [[dont_unroll]] for (uint l = 0u; l < DOT_LANES; l++)
            gates[r][l] = 0.0; // the last may be fewer
    }
    for (uint i = 0u; i < n; i += OUT_ROWS) {
        multiply(o + i, OUT_ROWS);
        [[unroll]] for (uint r = 0u; r < N_ROWS; r++) {
            if ((i & 1u) == 0u)
                gates[r][i / 2u] = products[0][r];
            if (OUT_ROWS == 2u || (i & 1u) == 1u)
                ups[r][i / 2u] = products[OUT_ROWS - 1u][r];
        }
    }
    for (uint r = 0u; r < min(N_ROWS, push.n_rows); r++) {
        if (activation == SILU || activation == GELU_TANH) {
            [[dont_unroll]] for (uint l = 0u; l < DOT_LANES; l++)
                gates[r][l] = sigmoid_activate(activation, gates[r][l]);
        } else {
            for (uint l = 0u; l < n / 2u; l++)
                gates[r][l] = activate(activation, 1.0, gates[r][l]);
        }
        for (uint l = 0u; l < n / 2u; l++)
            y[r * push.out_stride + o / 2u + l + push.parts[2]] = gates[r][l] * ups[r][l];
    }
}
#else
void multiply_gated(uint o, uint n) {}
#endif

// Columns first to first + n of y, of all rows; with GATED both are even.
void multiply_rows(uint first, uint n)
{
    for (uint r = 0u; r < N_ROWS; r++) {
        if (NORMED)
            norm_row(r);
    }
    sum_groups();
    if (GATED) {
        for (uint o = 0u; o < n; o += 2u * DOT_LANES)
            multiply_gated(first + o, min(n - o, 2u * DOT_LANES));
    } else {
        for (uint i = 0u; i < n; i += OUT_ROWS) {
            uint n_out = min(OUT_ROWS, n - i);
            multiply(first + i, n_out);
            [[unroll]] for (uint k = 0u; k < OUT_ROWS; k++) {
                [[unroll]] for (uint r = 0u; r < N_ROWS; r++) {
                    if (k < n_out)
                        store_sum(first + i + k, r, products[k][r]);
                }
            }
        }
    }
}
