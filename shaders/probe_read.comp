// probe_read.comp - read memory as fast as it gives: the sum of the words of each slice.
//
// Bindings and parameters: struct smr_probe_read_push in kernel.h; words are read four at a time. A
// workgroup takes a slice; its invocations read what lies side by side.
#include "lib/reduce.glsl"

layout(push_constant) uniform Push {
    uint n_words, n_slices;
};

#ifdef USE_RUNS
#include "lib/lane_base.glsl"

layout(set = 0, binding = 0) readonly buffer In { uint words[]; };
#else
layout(set = 0, binding = 0) readonly buffer In { uvec4 quads[]; };
#endif
layout(set = 0, binding = 1) writeonly buffer Out { uint sums[]; };

// Quads of a slice; the last slices may have fewer, or none.
uint slice_quads()
{
    return (n_words / 4u + n_slices - 1u) / n_slices;
}

#ifdef USE_RUNS

const uint LANES = 16u;

// A workgroup is one invocation.
void main()
{
    uint slice = group_index();
    if (slice >= n_slices)
        return;
    uint begin = min(slice * slice_quads() * 4u, n_words);
    uint end = min(begin + slice_quads() * 4u, n_words);
    uint whole = begin + (end - begin) / LANES * LANES;
    uint parts[LANES];
    [[dont_unroll]] for (uint l = 0u; l < LANES; l++)
        parts[l] = 0u;
    for (uint i = begin; i < whole; i += LANES) {
        uint from = lane_base(i);
        [[dont_unroll]] for (uint l = 0u; l < LANES; l++)
            parts[l] += words[from + l];
    }
    uint sum = 0u;
    for (uint i = whole; i < end; i++)
        sum += words[i];
    [[dont_unroll]] for (uint l = 0u; l < LANES; l++)
        sum += parts[l];
    sums[slice] = sum;
}

#else

shared uint parts[WORKGROUP_SIZE];

void main()
{
    uint slice = group_index(), self = gl_LocalInvocationID.x;
    if (slice >= n_slices)
        return; // the whole workgroup
    uint begin = min(slice * slice_quads(), n_words / 4u);
    uint end = min(begin + slice_quads(), n_words / 4u);
    uvec4 sum = uvec4(0u);
    uint i = begin + self;
    for (; i + 3u * WORKGROUP_SIZE < end; i += 4u * WORKGROUP_SIZE) // four loads in flight
        sum += quads[i] + quads[i + WORKGROUP_SIZE] + quads[i + 2u * WORKGROUP_SIZE] +
               quads[i + 3u * WORKGROUP_SIZE];
    for (; i < end; i += WORKGROUP_SIZE)
        sum += quads[i];
    parts[self] = sum.x + sum.y + sum.z + sum.w;
    barrier();
    if (self == 0u) {
        uint all = 0u;
        for (uint j = 0u; j < WORKGROUP_SIZE; j++)
            all += parts[j];
        sums[slice] = all;
    }
}

#endif
