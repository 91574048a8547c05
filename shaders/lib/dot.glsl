// dot.glsl - matvec for GPUs that multiply and add four pairs of bytes in one instruction:
// activations are int8, as the kernel quantize makes them, and normed there where that is asked
// for.
//
// What a group of weights that share a scale adds to a sum is d * (scale * sum of q v + offset *
// sum of v), where v are the activations' bytes and d is their scale; both sums of integers are
// exact. The formats' files say with USE_DOT
//
//   Words load_words(row, u)        the quants of span u
//   packed_quants(words, g, k)      four of group g as bytes, of word k of its GROUP_WORDS
//   group_column(u, g)              the group's first column
//   load_terms(row, u, terms)       scale and offset of each group; no offset unless OFFSETS
//   HALVES                          1: a group is half a block of activations
#extension GL_EXT_spirv_intrinsics : require

// DotProductInput4x8BitPacked, DotProduct; OpSDot of SPV_KHR_integer_dot_product, of two words of
// four bytes (packed vector format 0). glslang has no name for it before version 15.
spirv_instruction(extensions = ["SPV_KHR_integer_dot_product"], capabilities = [6018, 6019], id = 4450)
int packed_dot(uint a, uint b, spirv_literal int format);

layout(std430, binding = 1) restrict readonly buffer Quantized
{
    uint quantized[]; // [n_rows], see struct smr_quantize_push
};

// Of group g of row r of x: the scale, and the scale times the sum of the bytes.
vec2 load_x_terms(uint first, uint column)
{
    uint at = first + push.n_cols / 4u + column / 32u * 2u;
    float d = uintBitsToFloat(quantized[at]);
    if (!OFFSETS)
        return vec2(d, 0.0);
    int sums = int(quantized[at + 1u]);
    int low = bitfieldExtract(sums, 0, 16), high = sums >> 16;
    if (HALVES == 1u)
        return vec2(d, d * float((column & 16u) == 0u ? low : high));
    return vec2(d, d * float(low + high));
}

void add_span(uint row[OUT_ROWS], uint u, inout float sums[N_SUMS])
{
    Words words[OUT_ROWS];
    vec2 terms[OUT_ROWS * GROUPS];
    [[unroll]] for (uint o = 0u; o < OUT_ROWS; o++) {
        vec2 its_terms[GROUPS];
        words[o] = load_words(row[o], u);
        load_terms(row[o], u, its_terms);
        [[unroll]] for (uint g = 0u; g < GROUPS; g++)
            terms[o * GROUPS + g] = its_terms[g];
    }
    [[unroll]] for (uint g = 0u; g < GROUPS; g++) {
        uint column = group_column(u, g);
        [[unroll]] for (uint r = 0u; r < N_ROWS; r++) {
            uint first = r * (push.n_cols / 16u * 5u);
            uint bytes[GROUP_WORDS];
            [[unroll]] for (uint k = 0u; k < GROUP_WORDS; k++)
                bytes[k] = quantized[first + column / 4u + k];
            vec2 x_terms = load_x_terms(first, column);
            [[unroll]] for (uint o = 0u; o < OUT_ROWS; o++) {
                int product = 0;
                [[unroll]] for (uint k = 0u; k < GROUP_WORDS; k++)
                    product += packed_dot(packed_quants(words[o], g, k), bytes[k], 0);
                vec2 t = terms[o * GROUPS + g];
                sums[o * N_ROWS + r] += t.x * x_terms.x * float(product);
                if (OFFSETS)
                    sums[o * N_ROWS + r] += t.y * x_terms.y;
            }
        }
    }
}
