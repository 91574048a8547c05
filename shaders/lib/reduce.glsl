// reduce.glsl - the workgroup: its size and number, and sums and maxima over its invocations.
//
// The workgroup is one-dimensional; its size is specialisation constant 0, a power of two. Without
// USE_SUBGROUP reductions go through shared memory alone; with it over subgroups first, of any
// size, which need not even be the same for all. With USE_RUNS a workgroup is one invocation.
#extension GL_EXT_control_flow_attributes : require
#ifdef USE_SUBGROUP
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#endif

layout(local_size_x_id = 0, local_size_y = 1, local_size_z = 1) in;

#define WORKGROUP_SIZE gl_WorkGroupSize.x

// Number of this workgroup, laid over x and y by smr_spread_groups(). The last may be past the end.
uint group_index()
{
    return gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
}

// The sum, or maximum, of `value` over the workgroup, for all invocations. All of them must call
// it.
#ifdef USE_RUNS

float workgroup_sum(float value)
{
    return value;
}

float workgroup_max(float value)
{
    return value;
}

#elif defined(USE_SUBGROUP)

shared float reduce_scratch[WORKGROUP_SIZE];

float workgroup_sum(float value)
{
    float part = subgroupAdd(value);
    barrier(); // the scratch of the call before has been read
    if (subgroupElect())
        reduce_scratch[gl_SubgroupID] = part;
    barrier();
    float sum = 0.0;
    for (uint i = 0; i < gl_NumSubgroups; i++)
        sum += reduce_scratch[i];
    return sum;
}

float workgroup_max(float value)
{
    float part = subgroupMax(value);
    barrier();
    if (subgroupElect())
        reduce_scratch[gl_SubgroupID] = part;
    barrier();
    float greatest = reduce_scratch[0];
    for (uint i = 1; i < gl_NumSubgroups; i++)
        greatest = max(greatest, reduce_scratch[i]);
    return greatest;
}

#else

shared float reduce_scratch[WORKGROUP_SIZE];

// Large workgroups reduce to a sixteenth first. Few barriers and small loops: on processors they
// cost more than the additions, to run and to compile.
#define REDUCE_STRIDE (WORKGROUP_SIZE / 16u)
#define REDUCED_SIZE  (WORKGROUP_SIZE > 32u ? REDUCE_STRIDE : WORKGROUP_SIZE)

float workgroup_sum(float value)
{
    uint self = gl_LocalInvocationID.x;
    barrier(); // the scratch of the call before has been read
    reduce_scratch[self] = value;
    barrier();
    if (WORKGROUP_SIZE > 32u) {
        if (self < REDUCE_STRIDE) {
            [[dont_unroll]] for (uint i = 1u; i < 16u; i++)
                value += reduce_scratch[self + i * REDUCE_STRIDE];
            reduce_scratch[self] = value;
        }
        barrier();
    }
    float sum = 0.0;
    [[dont_unroll]] for (uint i = 0u; i < REDUCED_SIZE; i++)
        sum += reduce_scratch[i];
    return sum;
}

float workgroup_max(float value)
{
    uint self = gl_LocalInvocationID.x;
    barrier();
    reduce_scratch[self] = value;
    barrier();
    if (WORKGROUP_SIZE > 32u) {
        if (self < REDUCE_STRIDE) {
            [[dont_unroll]] for (uint i = 1u; i < 16u; i++)
                value = max(value, reduce_scratch[self + i * REDUCE_STRIDE]);
            reduce_scratch[self] = value;
        }
        barrier();
    }
    float greatest = reduce_scratch[0];
    [[dont_unroll]] for (uint i = 1u; i < REDUCED_SIZE; i++)
        greatest = max(greatest, reduce_scratch[i]);
    return greatest;
}

#endif
