#version 450
// layout.comp - explicit layouts: vec3 beside scalars, arrays of vec3 and of structs, whole structs
// loaded and stored, push constants that are vectors and arrays, dynamic components.
layout(local_size_x_id = 0) in;
struct Part {
    vec3 direction; // 0
    float weight;   // 12
    uvec2 pair;     // 16
    vec3 three[2];  // 32, stride 16
};                  // 64
layout(std430, binding = 0) readonly buffer In { uint a[]; };
layout(std430, binding = 1) buffer Out {
    uint head;
    vec3 lone;   // 16
    Part parts[]; // 32
};
layout(push_constant) uniform Push { uint n, extra; uvec4 lanes; int table[2]; };

float number(uint i)
{
    return float(int(a[i % n] & 1023u) - 512);
}

void main()
{
    uint i = gl_GlobalInvocationID.x;
    if (i >= n)
        return;
    Part p;
    p.direction = vec3(number(i), number(i + 1u), number(i + 2u));
    p.weight = dot(p.direction, vec3(1.0, 2.0, -1.0));
    p.pair = uvec2(lanes[i & 3u], uint(table[i & 1u]));
    p.three[0] = p.direction.zyx * 2.0;
    p.three[1] = cross(p.direction, vec3(1.0, 0.0, 2.0));
    parts[i] = p;
    memoryBarrierBuffer();
    Part back = parts[i];
    back.three[i & 1u][i % 3u] += back.weight;
    back.pair.yx = back.pair;
    parts[i].pair = back.pair;
    parts[i].three = back.three;
    parts[i].direction[(i + 1u) % 3u] = 7.0;
    if (i == 0u) {
        head = extra;
        lone = back.direction + 1.0;
    }
}
