#version 450
// calls.comp - functions with inout and out parameters, variables of the module, constant arrays.
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const int offset = 3;
layout(constant_id = 2) const bool flag = false;
layout(constant_id = 3) const float factor = 1.5;
const int n_values = offset > 4 ? offset + 2 : 4;
layout(binding = 0) readonly buffer In { uint a[]; };
layout(binding = 1) buffer Out { uint b[]; };
layout(push_constant) uniform Push { uint n, extra; };

struct State {
    uint x;
    uvec2 pair;
    uint values[n_values];
};
uint counter = 5u;
const uint primes[6] = uint[6](2u, 3u, 5u, 7u, 11u, 13u);

void advance(inout State s, out uint taken, const uint by)
{
    s.x = s.x * 1664525u + 1013904223u;
    taken = s.x >> 24;
    s.pair += uvec2(taken, by);
    if (taken > 128u)
        return;
    s.values[taken % uint(n_values)]++;
    counter += taken;
}

uvec2 swap(inout uvec2 p)
{
    p = p.yx;
    return p + 1u;
}

uint total(State s)
{
    uint sum = 0u;
    for (int i = 0; i < n_values; i++)
        sum = sum * 7u + s.values[i];
    return sum;
}

void main()
{
    for (uint i = gl_GlobalInvocationID.x; i < n; i += gl_NumWorkGroups.x * gl_WorkGroupSize.x) {
        State s;
        s.x = a[i];
        s.pair = uvec2(1u, 2u);
        for (int k = 0; k < n_values; k++)
            s.values[k] = 0u;
        counter = 5u;
        uint taken = 0u, sum = 0u;
        for (uint k = 0u; k < 10u; k++) {
            advance(s, taken, primes[k % 6u]);
            sum += taken;
        }
        uvec2 q = swap(s.pair);
        uint r = sum + total(s) + counter * 3u + q.x + s.pair.y * 5u + uint(offset);
        b[i] = (flag ? r * 2u : r) + uint(factor * 4.0) + extra;
    }
}
