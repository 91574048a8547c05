#version 450
// dots.comp - dot products of four bytes in a word, which compilers did not know before 2025: the
// test makes them of what stands here in their place. int * int becomes OpSDot, uint * uint OpUDot,
// int / int OpSUDot, and bitfieldExtract(c, a, b) OpSDotAccSat of a, b and c.
layout(local_size_x_id = 0) in;
layout(binding = 0) readonly buffer In { uint a[]; };
layout(binding = 1) buffer Out { uint b[]; };
layout(push_constant) uniform Push { uint n, extra; };

void main()
{
    uint i = gl_GlobalInvocationID.x;
    if (i >= n)
        return;
    uint x = a[i], y = a[i + 1u];
    uint r = uint(int(x) * int(y)) ^ x * y << 3u;
    r ^= uint(int(x) / int(y)) << 7u;
    r ^= uint(bitfieldExtract(int(0x7fffff00u ^ x << 31u), int(x), int(y)));
    b[i] = r + extra;
}
