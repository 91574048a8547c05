// wide_halves.glsl - for lib/wide.glsl: what blocks of 32 in 18 bytes share, a factor as f16 and 16
// bytes with elements 0 to 15 in their low halves, 16 to 31 in the high ones.
const uint SPAN_BLOCKS = 2u, BLOCK_COLUMNS = 32u, BLOCK_STEPS = 1u, STEP_QUARTETS = 8u;
const uint GROUPS = 2u;

struct Words {
    uint w[5];
};

// Two blocks are nine words; the second one's quants begin with a word.
Words load_words(uint row, uint u, uint b, uint s)
{
    uint i = (row >> 2) + 9u * u + 4u * b;
    Words words;
    [[unroll]] for (uint k = 0u; k < 5u; k++)
        words.w[k] = weights[i + k];
    return words;
}

uint span_column(uint u)
{
    return 64u * u;
}

uint quartet_group(uint q)
{
    return q >> 2;
}

uint quartet_column(uint s, uint q)
{
    return 4u * q;
}

// The byte of `words` where the quartet begins.
uint quartet_byte(uint b, uint q)
{
    return 2u + 2u * b + 4u * (q & 3u);
}

float load_factor(uint row, uint u, uint b)
{
    uint word = weights[(row >> 2) + 9u * u + 4u * b];
    return f16_of(b == 0u ? word : word >> 16);
}
