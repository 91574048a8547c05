#version 450
// flow.comp - control flow: switch with fallthrough, continue and return in it, nested loops,
// do-while.
layout(local_size_x_id = 0) in;
layout(binding = 0) readonly buffer In { uint a[]; };
layout(binding = 1) buffer Out { uint b[]; };
layout(push_constant) uniform Push { uint n, extra; };

uint by_switch(uint x)
{
    uint r = 1u;
    switch (x % 7u) {
    case 0u:
        r += 10u; // falls through
    case 1u:
        r += 100u;
        break;
    default:
        r += 1000u; // falls through
    case 3u:
        if ((x & 8u) != 0u)
            return r * 2u;
        r += 10000u;
        break;
    case 4u:
    case 5u:
        r = 5u;
    }
    return r;
}

uint collatz(uint x)
{
    uint steps = 0u;
    while (x > 1u) {
        if (steps > 50u)
            break;
        steps++;
        if ((x & 1u) == 0u) {
            x /= 2u;
            continue;
        }
        x = 3u * x + 1u;
    }
    return steps;
}

uint loops(uint x)
{
    uint sum = 0u;
    for (uint i = 0u; i < 6u; i++) {
        if (i == x % 6u)
            continue;
        uint j = 0u;
        do {
            j++;
            if ((j & 1u) == 0u)
                continue;
            if (j > 7u)
                break;
            switch (j) {
            case 3u:
                sum += 1u;
                continue;
            case 5u:
                sum += 2u;
                break;
            }
            sum += i * j;
        } while (j < x % 11u && sum < 1000u);
    }
    for (int k = 5; k >= 0; --k, sum += 3u) {
        for (;;) {
            if (sum % 2u == 0u)
                break;
            sum += 5u;
            if (sum > 100000u)
                return sum;
        }
    }
    return sum;
}

void main()
{
    for (uint i = gl_GlobalInvocationID.x; i < n; i += gl_NumWorkGroups.x * gl_WorkGroupSize.x) {
        uint x = a[i];
        bool odd = (x & 1u) != 0u, big = x > 100u;
        uint r = odd && (big || x % 3u == 0u) ? by_switch(x) : collatz(x % 1000u);
        b[i] = r * 31u + loops(x) + extra;
    }
}
