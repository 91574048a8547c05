// dots_one.glsl - one row of x times one row of weights (lib/dots.glsl):
//
//   sum over c of w[c] x[c] = sum over groups g of scale[g] (sum of quant[c] x[c]) - minimum[g] (sum of x[c])
#ifndef NO_MINIMUM
float x_sums[MOST_GROUPS]; // of the groups' elements of x

void sum_groups()
{
    for (uint g = 0u; N_ROWS == 1u && g < push.n_cols / GROUP; g++) {
        uint at = lane_base(from_row(0u) + GROUP * g);
        float lanes[DOT_LANES], sum = 0.0;
        LANE_LOOP for (uint l = 0u; l < DOT_LANES; l++) {
            lanes[l] = value(at + l);
            if (GROUP > DOT_LANES)
                lanes[l] += value(at + DOT_LANES + l);
        }
        LANE_LOOP for (uint l = 0u; l < DOT_LANES; l++)
            sum += lanes[l];
        x_sums[g] = sum;
    }
}
#else
void sum_groups() {}
#endif

// Each sum is added up in several chains, so that an addition need not wait for the one before.
const uint CHAINS = 4u;
float sums[CHAINS][DOT_LANES], rest[GROUPS];

// Add what span s makes, number i of those that are taken at a time. It begins at byte `at` of w and
// at element `from` of x.
void add_span(uint at, uint from, uint s, uint i)
{
    Groups groups = load_groups(at);
#ifndef NO_MINIMUM
    [[dont_unroll]] for (uint g = 0u; g < GROUPS; g++)
        rest[g] += groups.minimum[g] * x_sums[GROUPS * s + g];
#endif
    [[unroll]] for (uint g = 0u; g < GROUPS; g++) {
        uint chain = GROUPS * i + g & CHAINS - 1u;
        LANE_LOOP for (uint l = 0u; l < DOT_LANES; l++) {
            float dot = 0.0;
            [[unroll]] for (uint c = GROUP * g; c < GROUP * (g + 1u); c += DOT_LANES)
                dot += quant(at, c, l) * value(from + c + l);
            sums[chain][l] += groups.scale[g] * dot;
        }
    }
}

// The same for n spans, a constant, from s on.
void add_spans(uint row, uint s, uint n)
{
    uint at = span_base(row, s), from = lane_base(from_row(0u) + SPAN * s);
    [[unroll]] for (uint i = 0u; i < n; i++)
        add_span(at + SPAN_SIZE * i, from + SPAN * i, s + i, i);
}

// The product with the whole spans of the row of weights at byte `row`.
void multiply_one(uint row)
{
    [[unroll]] for (uint k = 0u; k < CHAINS; k++) {
        LANE_LOOP for (uint l = 0u; l < DOT_LANES; l++)
            sums[k][l] = 0.0;
    }
    [[dont_unroll]] for (uint g = 0u; g < GROUPS; g++)
        rest[g] = 0.0;
    uint n = push.n_cols / SPAN, n_whole = n & ~(SPANS - 1u);
    for (uint s = 0u; s < n_whole; s += SPANS)
        add_spans(row, s, SPANS);
    for (uint s = n_whole; s < n; s++)
        add_spans(row, s, 1u);
    float sum = 0.0;
    LANE_LOOP for (uint l = 0u; l < DOT_LANES; l++) {
        [[unroll]] for (uint k = 0u; k < CHAINS; k++)
            sum += sums[k][l];
    }
    [[dont_unroll]] for (uint g = 0u; g < GROUPS; g++)
        sum -= rest[g];
    products[0][0] = sum;
}
