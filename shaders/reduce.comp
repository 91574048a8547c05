// reduce.comp - of each chunk of logits: the maximum, the lowest index that has it, and the sum of
// exp(logit - maximum).
//
// Bindings and parameters: struct smr_reduce_push in kernel.h; four words of output for a chunk.
// One workgroup for a chunk; an invocation takes every WORKGROUP_SIZE-th logit of it.
#include "lib/reduce.glsl"
#include "lib/numerics.glsl"

layout(set = 0, binding = 0) readonly buffer In { float logits[]; };
layout(set = 0, binding = 1) writeonly buffer Out { uint reduced[]; };

layout(push_constant) uniform Push {
    uint n_cols, n_rows, in_stride;
};
const uint CHUNK = 1024u;

#ifndef USE_RUNS
shared uint lowest; // index of the maximum
#endif

float logit(uint at)
{
    return finite(logits[at]);
}

#ifdef USE_RUNS
#include "lib/lane_base.glsl"
#include "lib/lane_exp.glsl"

const uint LANES = 8u;

// A workgroup is one invocation, and goes over its chunk a vector at a time; what is left of the
// row's last chunk follows one by one.
void main()
{
    uint n_chunks = (n_cols + CHUNK - 1u) / CHUNK;
    uint group = group_index();
    if (group >= n_rows * n_chunks)
        return;
    uint begin = group % n_chunks * CHUNK, end = min(begin + CHUNK, n_cols);
    uint at = group / n_chunks * in_stride;
    uint whole = begin + (end - begin) / LANES * LANES;

    float best[LANES], sums[LANES];
    [[dont_unroll]] for (uint l = 0u; l < LANES; l++) {
        best[l] = -3.0e38;
        sums[l] = 0.0;
    }
    for (uint i = begin; i < whole; i += LANES) {
        uint from = lane_base(at + i);
        [[dont_unroll]] for (uint l = 0u; l < LANES; l++)
            best[l] = max(best[l], logit(from + l));
    }
    float maximum = -3.0e38;
    [[dont_unroll]] for (uint l = 0u; l < LANES; l++)
        maximum = max(maximum, best[l]);
    for (uint i = whole; i < end; i++)
        maximum = max(maximum, logit(at + i));

    for (uint i = begin; i < whole; i += LANES) {
        uint from = lane_base(at + i);
        [[dont_unroll]] for (uint l = 0u; l < LANES; l++)
            sums[l] += lane_exp(logit(from + l) - maximum);
    }
    float sum = 0.0;
    [[dont_unroll]] for (uint l = 0u; l < LANES; l++)
        sum += sums[l];
    for (uint i = whole; i < end; i++)
        sum += lane_exp(logit(at + i) - maximum);

    uint lowest = begin;
    while (lowest + 1u < end && logit(at + lowest) != maximum)
        lowest++;
    reduced[group * 4u] = floatBitsToUint(maximum);
    reduced[group * 4u + 1u] = lowest;
    reduced[group * 4u + 2u] = floatBitsToUint(sum);
    reduced[group * 4u + 3u] = 0u;
}
#else

void main()
{
    uint n_chunks = (n_cols + CHUNK - 1u) / CHUNK;
    uint group = group_index();
    if (group >= n_rows * n_chunks)
        return; // the whole workgroup
    uint row = group / n_chunks;
    uint begin = group % n_chunks * CHUNK;
    uint end = min(begin + CHUNK, n_cols);
    uint at = row * in_stride;
    uint self = gl_LocalInvocationID.x;

    float best = -3.0e38;
    uint index = end;
    for (uint i = begin + self; i < end; i += WORKGROUP_SIZE) {
        float value = logit(at + i);
        if (value > best || index == end) {
            best = value;
            index = i;
        }
    }
    if (self == 0u)
        lowest = end;
    float maximum = workgroup_max(best); // has a barrier
    float sum = 0.0;
    for (uint i = begin + self; i < end; i += WORKGROUP_SIZE)
        sum += exp(logit(at + i) - maximum);
    sum = workgroup_sum(sum);

    if (best == maximum)
        atomicMin(lowest, index);
    barrier();
    if (self == 0u) {
        reduced[group * 4u] = floatBitsToUint(maximum);
        reduced[group * 4u + 1u] = lowest;
        reduced[group * 4u + 2u] = floatBitsToUint(sum);
        reduced[group * 4u + 3u] = 0u;
    }
}
#endif
