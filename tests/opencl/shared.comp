#version 450
// shared.comp - shared memory sized by a specialisation constant, helpers that use it with
// barriers, barriers under uniform conditions, after an early return and in loops; atomics.
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint depth = 2u;
layout(binding = 0) readonly buffer In { uint a[]; };
layout(binding = 1) buffer Out { uint b[]; };
layout(push_constant) uniform Push { uint n, extra; };

const uint SIZE = gl_WorkGroupSize.x;
shared uint scratch[SIZE * depth];
shared uint most, least, ored, count;

uint sum_of(uint value)
{
    barrier();
    scratch[gl_LocalInvocationID.x] = value;
    barrier();
    for (uint step = SIZE / 2u; step > 0u; step /= 2u) {
        if (gl_LocalInvocationID.x < step)
            scratch[gl_LocalInvocationID.x] += scratch[gl_LocalInvocationID.x + step];
        barrier();
    }
    return scratch[0];
}

// Turns the values of the workgroup by one place, a few times.
uint turn(uint value, uint times)
{
    for (uint t = 0u; t < times; t++) {
        uint side = (t % depth) * SIZE;
        barrier();
        scratch[side + gl_LocalInvocationID.x] = value;
        barrier();
        value = scratch[side + (gl_LocalInvocationID.x + 1u) % SIZE];
    }
    return value;
}

void main()
{
    uint group = gl_WorkGroupID.x;
    uint me = gl_LocalInvocationID.x;
    if (group * SIZE >= n)
        return; // the whole workgroup
    uint i = group * SIZE + me;
    uint x = i < n ? a[i] % 1000u : 0u;
    if (me == 0u) {
        most = 0u;
        least = 0xffffffffu;
        ored = 0u;
        count = 0u;
    }
    barrier();
    if (i < n) {
        atomicMax(most, x);
        atomicMin(least, x);
        atomicOr(ored, 1u << x % 32u);
        atomicAdd(count, 1u);
    }
    uint all = sum_of(x);
    if ((all & 1u) != 0u) // the same for the workgroup
        all += sum_of(x * x);
    uint turned = turn(x, 3u + all % 3u);
    barrier();
    if (i < n)
        b[i] = turned + all * 3u + most * 5u + least * 7u + ored + count + extra;
    if (me < 3u) {
        for (uint k = me; k < 7u; k += SIZE)
            atomicAdd(b[n + k], x + k);
    }
    if (me == 0u) {
        uint before = atomicCompSwap(b[n + 8u], 0u, 77u);
        atomicExchange(b[n + 9u], 5u);
        atomicXor(b[n + 10u], before == 0u ? 1u : 0u);
    }
}
