#version 450
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_vote : require
#extension GL_KHR_shader_subgroup_ballot : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_shuffle : require
// subgroups.comp - operations of subgroups of any size. What each invocation gets is compared with
// what shared memory says; sums over the workgroup go out.
layout(local_size_x_id = 0) in;
layout(binding = 0) readonly buffer In { uint a[]; };
layout(binding = 1) buffer Out { uint b[]; };
layout(push_constant) uniform Push { uint n, extra; };

const uint SIZE = gl_WorkGroupSize.x;
shared uint values[SIZE], sums[SIZE], mosts[SIZE];
shared int leasts[SIZE];
shared float halves[SIZE];

uint wrong = 0u; // how many comparisons failed

void expect(bool right)
{
    wrong += right ? 0u : 1u;
}

void compare(uint x, uint base, uint count, uint lane)
{
    uint sum = 0u, before = 0u, most = 0u, odd = 0u;
    bool above = false, below = true;
    for (uint k = 0u; k < count; k++) {
        uint value = values[base + k];
        before = k == lane ? sum : before;
        sum += value;
        most = max(most, value);
        above = above || value > 990u;
        below = below && value < 990u;
    }
    expect(subgroupAdd(x) == sum);
    expect(subgroupMax(x) == most);
    expect(subgroupMax(float(x) + 0.5) == float(most) + 0.5);
    expect(subgroupExclusiveAdd(x) == before);
    expect(subgroupInclusiveAdd(int(x)) == int(before + x));
    expect(subgroupAny(x > 990u) == above);
    expect(subgroupAll(x < 990u) == below);
    uvec4 odds = subgroupBallot((x & 1u) != 0u);
    expect((odds[lane / 32u] >> lane % 32u & 1u) == (x & 1u));
    expect(subgroupBroadcast(x, 0u) == values[base]);
    expect(subgroupBroadcastFirst(float(x)) == float(values[base]));
    expect(subgroupShuffle(x, (lane + 1u) % count) == values[base + (lane + 1u) % count]);
    uint other = subgroupShuffleXor(x, 1u);
    expect((lane ^ 1u) >= count || other == values[base + (lane ^ 1u)]);
}

void main()
{
    uint i = gl_GlobalInvocationID.x;
    uint x = i < n ? a[i] % 1000u : 0u;
    uint lane = gl_SubgroupInvocationID, base = gl_SubgroupID * gl_SubgroupSize;
    uint count = subgroupAdd(1u);
    values[base + lane] = x;
    barrier();
    compare(x, base, count, lane);

    uint sum = subgroupAdd(x), most = subgroupMax(x);
    int least = subgroupMin(int(x) - 500);
    float part = subgroupAdd(float(x) * 0.5);
    if (subgroupElect()) {
        sums[gl_SubgroupID] = sum;
        mosts[gl_SubgroupID] = most;
        leasts[gl_SubgroupID] = least;
        halves[gl_SubgroupID] = part;
    }
    barrier();
    for (uint k = 1u; k < gl_NumSubgroups; k++) {
        sum = (k == 1u ? sums[0] : sum) + sums[k];
        most = max(most, mosts[k]);
        least = min(least, leasts[k]);
        part = (k == 1u ? halves[0] : part) + halves[k];
    }
    most = max(most, mosts[0]);
    least = min(least, leasts[0]);
    if (i < n)
        b[i] = x + sum * 3u + most * 5u + uint(least) * 7u + uint(part * 2.0) * 11u + extra +
               wrong * 1000003u;
}
