// decode.glsl - rows of weights as floats where an invocation is a thread of a processor, and its compiler
// makes vectors of loops. Who includes it has an array `decoded` for them.
const uint GROUP = SPAN / GROUPS; // columns

// The first byte of span s of a row. It is even, and the compiler gets to know.
uint span_base(uint row, uint s)
{
    return lane_base(row + SPAN_SIZE * s) & ~1u;
}

// Span s of the row at byte `row` into SPAN elements of `decoded` from `to` on.
void decode_span(uint row, uint s, uint to)
{
    uint at = span_base(row, s), first = lane_base(to);
    Groups groups = load_groups(at);
    [[unroll]] for (uint g = 0u; g < GROUPS; g++) {
        LANE_LOOP for (uint l = 0u; l < DOT_LANES; l++) {
            [[unroll]] for (uint c = GROUP * g; c < GROUP * (g + 1u); c += DOT_LANES)
                decoded[first + c + l] = groups.scale[g] * quant(at, c, l) - groups.minimum[g];
        }
    }
}
