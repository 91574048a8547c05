// wide.glsl - matvec for GPUs: few instructions for each weight.
//
// Weights that share a scale are a group. What a group adds to a sum is scale * sum of q x + offset
// * sum of x, where q are the bits as they lie, taken for unsigned bytes: one conversion and one
// multiplication for each weight, while the sum of x is shared by OUT_ROWS rows of weights.
//
// A row is cut into spans that begin with a word. An invocation takes a span at a time, all of it
// unrolled: the formats' files say with USE_WIDE
//
//   SPAN_BLOCKS, BLOCK_COLUMNS     blocks of a span, here whatever has scales of its own
//   BLOCK_STEPS, STEP_QUARTETS     steps of a block, of which each reads some words at once, and
//                                  quartets of a step: the weights of four consecutive columns
//   span_column(u)                 the first column of span u
//   Words load_words(row, u, b, s) step s of block b of span u
//   vec4 quartet(words, b, s, q)   q of the formula above
//   quartet_group(q), quartet_column(s, q)     its group, and its first column in the block
//   load_terms(row, u, b, terms)   scale and offset of each group

// Four columns of row r of x, normed where that is asked for.
vec4 load_in(uint r, uint column, inout float sums[N_SUMS])
{
    vec4 in_x = load_x(X_ROW(r) + column);
    if (NORMED) {
        sums[FIRST_SQUARES + r] += dot(in_x, in_x);
        in_x *= load_norm(column);
    }
    return in_x;
}

// Add to the sums of all rows what block b of span u makes.
void add_block(uint row[OUT_ROWS], uint u, uint b, inout float sums[N_SUMS])
{
    float products[N_PRODUCTS * GROUPS], in_sums[N_ROWS * GROUPS];
    [[unroll]] for (uint i = 0u; i < N_PRODUCTS * GROUPS; i++)
        products[i] = 0.0;
    [[unroll]] for (uint i = 0u; i < N_ROWS * GROUPS; i++)
        in_sums[i] = 0.0;
    uint column = span_column(u) + b * BLOCK_COLUMNS;
    [[unroll]] for (uint s = 0u; s < BLOCK_STEPS; s++) {
        Words words[OUT_ROWS];
        [[unroll]] for (uint o = 0u; o < OUT_ROWS; o++)
            words[o] = load_words(row[o], u, b, s);
        [[unroll]] for (uint q = 0u; q < STEP_QUARTETS; q++) {
            uint group = quartet_group(q);
            vec4 in_x[N_ROWS];
            [[unroll]] for (uint r = 0u; r < N_ROWS; r++) {
                in_x[r] = load_in(r, column + quartet_column(s, q), sums);
                in_sums[group * N_ROWS + r] += in_x[r].x + in_x[r].y + in_x[r].z + in_x[r].w;
            }
            [[unroll]] for (uint o = 0u; o < OUT_ROWS; o++) {
                vec4 w = quartet(words[o], b, s, q);
                [[unroll]] for (uint r = 0u; r < N_ROWS; r++) {
                    [[unroll]] for (uint k = 0u; k < 4u; k++)
                        products[group * N_PRODUCTS + o * N_ROWS + r] += w[k] * in_x[r][k];
                }
            }
        }
    }
    [[unroll]] for (uint o = 0u; o < OUT_ROWS; o++) {
        vec2 terms[GROUPS];
        load_terms(row[o], u, b, terms);
        [[unroll]] for (uint i = 0u; i < N_ROWS * GROUPS; i++) {
            uint group = i / N_ROWS, at = o * N_ROWS + i % N_ROWS;
            sums[at] += terms[group].x * products[group * N_PRODUCTS + at];
            sums[at] += terms[group].y * in_sums[i];
        }
    }
}

void add_span(uint row[OUT_ROWS], uint u, inout float sums[N_SUMS])
{
    [[unroll]] for (uint b = 0u; b < SPAN_BLOCKS; b++)
        add_block(row, u, b, sums);
}
