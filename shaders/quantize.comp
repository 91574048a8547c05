// quantize.comp - rows of x as int8 with a scale for each block of 32, normed before where that is
// asked for.
//
//   d = max |x| / 127, q = floor(x / d + 1/2)
//
// Bindings and layout: struct smr_quantize_push in kernel.h. Workgroups along y are rows; an
// invocation makes one block. For the norm each workgroup adds up the squares of the whole row:
// reading it again costs less than another dispatch.
#include "lib/reduce.glsl"

layout(std430, binding = 0) restrict readonly buffer In { float x[]; };
layout(std430, binding = 1) restrict readonly buffer Norm { float norm[]; };
layout(std430, binding = 2) restrict buffer Out { uint words[]; };

layout(std430, push_constant) uniform Push {
    uint n_cols, n_rows, in_stride;
    uint flags;
    float eps;
};
const uint NORM = 1u, BLOCK = 32u, BLOCK_WORDS = 8u;

float norm_factor(uint from)
{
    float squares = 0.0;
    for (uint i = gl_LocalInvocationID.x; i < n_cols; i += WORKGROUP_SIZE)
        squares += x[from + i] * x[from + i];
    return 1.0 / sqrt(workgroup_sum(squares) / float(n_cols) + eps);
}

void main()
{
    uint row = gl_WorkGroupID.y, block = gl_GlobalInvocationID.x;
    if (row >= n_rows)
        return; // the whole workgroup
    uint from = row * in_stride, column = block * BLOCK;
    bool normed = (flags & NORM) != 0u;
    float factor = normed ? norm_factor(from) : 1.0;
    if (column >= n_cols)
        return;

    float values[BLOCK], greatest = 0.0;
    [[unroll]] for (uint i = 0u; i < BLOCK; i++) {
        values[i] = x[from + column + i];
        if (normed)
            values[i] *= factor * norm[column + i];
        greatest = max(greatest, abs(values[i]));
    }
    float steps = greatest > 0.0 ? 127.0 / greatest : 0.0;
    uint to = row * (n_cols / BLOCK * (BLOCK_WORDS + 2u));
    int sums[2];
    sums[0] = sums[1] = 0;
    [[unroll]] for (uint w = 0u; w < BLOCK_WORDS; w++) {
        uint word = 0u;
        [[unroll]] for (uint k = 0u; k < 4u; k++) {
            int q = int(floor(values[4u * w + k] * steps + 0.5));
            sums[w / 4u] += q;
            word |= uint(q & 0xff) << 8u * k;
        }
        words[to + column / 4u + w] = word;
    }
    uint at = to + n_cols / 4u + 2u * block;
    words[at] = floatBitsToUint(greatest / 127.0);
    words[at + 1u] = uint(sums[0] & 0xffff) | uint(sums[1]) << 16;
}
