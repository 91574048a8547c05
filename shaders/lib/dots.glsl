// dots.glsl - matvec where an invocation is a thread of a processor, and its compiler makes vectors of
// loops.
//
//   sum over c of w[c] x[c] = sum over groups g of scale[g] (sum of quant[c] x[c]) - minimum[g] (sum of x[c])
//
// A workgroup is one invocation. It takes a stretch of the columns of y, a row of weights after the
// other, whose quants are used for all rows of x. The innermost loops go over 16 lanes: neighbours in
// memory, and never unrolled here, which would hide them from the compiler. The sums of lanes stay in
// registers.
layout(local_size_x_id = 0, local_size_y = 1, local_size_z = 1) in;
layout(constant_id = 1) const uint N_ROWS = 1u;       // at least push.n_rows; of experts 1
layout(constant_id = 2) const uint MOST_GROUPS = 64u; // at least those of push.n_cols

const uint GROUP = SPAN / GROUPS;             // columns
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

#ifndef NO_MINIMUM
float x_sums[N_ROWS * MOST_GROUPS]; // of the groups' elements of x

void sum_groups(uint r)
{
    for (uint g = 0u; g < push.n_cols / GROUP; g++) {
        uint at = lane_base(from_row(r) + GROUP * g);
        float lanes[DOT_LANES], sum = 0.0;
        LANE_LOOP for (uint l = 0u; l < DOT_LANES; l++) {
            lanes[l] = value(at + l);
            if (GROUP > DOT_LANES)
                lanes[l] += value(at + DOT_LANES + l);
        }
        LANE_LOOP for (uint l = 0u; l < DOT_LANES; l++)
            sum += lanes[l];
        x_sums[r * MOST_GROUPS + g] = sum;
    }
}
#else
void sum_groups(uint r) {}
#endif

// Sums of the column of y that is worked on. Each is added up in several chains, so that an addition
// need not wait for the one before.
const uint CHAINS = N_ROWS == 1u ? 4u : N_ROWS == 2u ? 2u : 1u;
float sums[N_ROWS][CHAINS][DOT_LANES], rest[N_ROWS][GROUPS];

void clear_sums()
{
    [[unroll]] for (uint r = 0u; r < N_ROWS; r++) {
        [[unroll]] for (uint k = 0u; k < CHAINS; k++) {
            LANE_LOOP for (uint l = 0u; l < DOT_LANES; l++)
                sums[r][k][l] = 0.0;
        }
        [[dont_unroll]] for (uint g = 0u; g < GROUPS; g++)
            rest[r][g] = 0.0;
    }
}

// Add what span s makes, number i of those that are taken at a time. It begins at byte `at` of w and
// at element from[r] of x.
void add_span(uint at, uint from[N_ROWS], uint s, uint i)
{
    Groups groups = load_groups(at);
#ifndef NO_MINIMUM
    [[unroll]] for (uint r = 0u; r < N_ROWS; r++) {
        [[dont_unroll]] for (uint g = 0u; g < GROUPS; g++)
            rest[r][g] += groups.minimum[g] * x_sums[r * MOST_GROUPS + GROUPS * s + g];
    }
#endif
    [[unroll]] for (uint g = 0u; g < GROUPS; g++) {
        uint chain = GROUPS * i + g & CHAINS - 1u;
        LANE_LOOP for (uint l = 0u; l < DOT_LANES; l++) {
            [[unroll]] for (uint r = 0u; r < N_ROWS; r++) {
                float dot = 0.0;
                [[unroll]] for (uint c = GROUP * g; c < GROUP * (g + 1u); c += DOT_LANES)
                    dot += quant(at, c, l) * value(from[r] + c + l);
                sums[r][chain][l] += groups.scale[g] * dot;
            }
        }
    }
}

// The first byte of span s. It is even, and the compiler gets to know.
uint span_base(uint row, uint s)
{
    return lane_base(row + SPAN_SIZE * s) & ~1u;
}

// The same for SPANS of them, from s on, or for one.
void add_spans(uint row, uint s)
{
    uint at = span_base(row, s), from[N_ROWS];
    [[unroll]] for (uint i = 0u; i < SPANS; i++) {
        [[unroll]] for (uint r = 0u; r < N_ROWS; r++)
            from[r] = lane_base(from_row(r) + SPAN * s) + SPAN * i;
        add_span(at + SPAN_SIZE * i, from, s + i, i);
    }
}

void add_one(uint row, uint s)
{
    uint from[N_ROWS];
    [[unroll]] for (uint r = 0u; r < N_ROWS; r++)
        from[r] = lane_base(from_row(r) + SPAN * s);
    add_span(span_base(row, s), from, s, 0u);
}

float sum_of(uint r)
{
    float sum = 0.0;
    LANE_LOOP for (uint l = 0u; l < DOT_LANES; l++) {
        [[unroll]] for (uint k = 0u; k < CHAINS; k++)
            sum += sums[r][k][l];
    }
    [[dont_unroll]] for (uint g = 0u; g < GROUPS; g++)
        sum -= rest[r][g];
    return sum;
}

// Add up what the row of weights at byte `row` makes of all rows of x.
void multiply_row(uint row)
{
    uint n = push.n_cols / SPAN, n_whole = n & ~(SPANS - 1u);
    clear_sums();
    for (uint s = 0u; s < n_whole; s += SPANS)
        add_spans(row, s);
    for (uint s = n_whole; s < n; s++)
        add_one(row, s);
}

// Its columns that are no whole span.
float multiply_rest(uint row, uint r)
{
    float sum = 0.0;
#ifdef PLAIN_FLOATS
    for (uint c = push.n_cols & ~(SPAN - 1u); c < push.n_cols; c++)
        sum += weight(row, c) * value(from_row(r) + c);
#endif
    return sum;
}

float product(uint row, uint r)
{
    return sum_of(r) + multiply_rest(row, r);
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
    for (uint i = 0u; i < n; i++) {
        uint row = row_of(o + i);
        multiply_row(row);
        [[unroll]] for (uint r = 0u; r < N_ROWS; r++) {
            if ((i & 1u) == 0u)
                gates[r][i / 2u] = product(row, r);
            else
                ups[r][i / 2u] = product(row, r);
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
        sum_groups(r);
    }
    if (GATED) {
        for (uint o = 0u; o < n; o += 2u * DOT_LANES)
            multiply_gated(first + o, min(n - o, 2u * DOT_LANES));
    } else {
        for (uint o = first; o < first + n; o++) {
            uint row = row_of(o);
            multiply_row(row);
            [[unroll]] for (uint r = 0u; r < N_ROWS; r++)
                store_sum(o, r, product(row, r));
        }
    }
}
