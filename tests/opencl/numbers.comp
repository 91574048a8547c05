#version 450
// numbers.comp - integers with and without sign, bits, packing, comparisons of vectors,
// conversions.
layout(local_size_x_id = 0) in;
layout(binding = 0) readonly buffer In { uint a[]; };
layout(binding = 1) buffer Out { uint b[]; };
layout(push_constant) uniform Push { uint n, extra; };

uint mixed; // a hash of all results

void put(uint x)
{
    mixed = (mixed ^ x) * 16777619u;
}

void put(int x)
{
    put(uint(x));
}

void put(float x)
{
    put(floatBitsToUint(x));
}

void integers(uint x, uint y)
{
    int s = int(x), t = int(y | 1u) >> 3;
    t = t == 0 || t == -1 ? 5 : t;
    put(s / t);
    put(s - t * (s / t));
    put(x / (y | 1u) + x % (y | 1u));
    put(s >> 5);
    put(x >> 5);
    put(s << 3);
    put(s * t + (s ^ t) - (~s & t));
    put(abs(s >> 1) + sign(t));
    put(min(s, t) + max(s, t) + clamp(s, -100, 100));
    put(min(x, y) - max(x, y));
    put(-s);
    ivec3 v = ivec3(s, t, s + t) * ivec3(2, -3, 5), w = v >> ivec3(1, 2, 3);
    put(v.x ^ v.y ^ v.z ^ w.x ^ w.y ^ w.z);
    put(uint(any(lessThan(v, w))) + 2u * uint(all(notEqual(v, w))));
}

void bits(uint x, uint y)
{
    put(bitCount(x) + findLSB(y) * 3 + findMSB(x) * 5 + findMSB(int(y)) * 7 + findLSB(0u));
    put(bitfieldReverse(x));
    put(bitfieldExtract(x, int(y % 20u), 9));
    put(bitfieldExtract(int(x), int(y % 20u), 9));
    put(bitfieldInsert(x, y, 5, 13));
    put(bitfieldExtract(uvec2(x, y), 3, 29).y);
    uint high, low, carry;
    umulExtended(x, y, high, low);
    put(high ^ low);
    int signed_high, signed_low;
    imulExtended(int(x), int(y), signed_high, signed_low);
    put(signed_high ^ signed_low);
    put(uaddCarry(x, y, carry) + carry * 3u);
    put(usubBorrow(x, y, carry) + carry * 5u);
}

void floats(uint x, uint y)
{
    float f = float(int(x) >> 12) / 16.0, g = float(y >> 20) + 0.5; // exact
    put(floor(f) + ceil(g) + trunc(f));
    put(fract(g) + sign(f) + abs(f));
    put(mod(f, 8.0));
    put(min(f, g) + clamp(f, -2.0, 3.0));
    put(mix(f, g, 0.5) + step(f, g));
    put(int(f) + int(uint(g)));
    vec4 v = vec4(f, g, -f, 1.0);
    bvec4 c = lessThan(v, v.yxwz);
    put(mix(v, v.wzyx, c).x);
    put(uint(c.x) + 2u * uint(c.y) + 4u * uint(any(c)) + 8u * uint(all(not(c))));
    v[x % 4u] = 9.0;
    put(v.x + v.y * 2.0 + v[y % 4u]);
    put(uint(isnan(f / 1.0)) + 2u * uint(isinf(f)) + uint(f == g) + uint(f != g));
    put(packHalf2x16(vec2(float(x & 1023u) / 64.0, -0.25)));
    vec2 h = unpackHalf2x16(x & 0x7bff7bffu);
    put(h.x);
    put(h.y);
    put(packUnorm4x8(vec4(0.0, 1.0, -2.0, 0.2)) ^ packSnorm2x16(vec2(-1.0, 0.25)));
    put(ldexp(g, int(x % 8u)));
    put(int(unpackUnorm4x8(y).y * 1000.0 + 0.5) + int(unpackSnorm4x8(y).w * 1000.0 + 1000.5));
}

void main()
{
    for (uint i = gl_GlobalInvocationID.x; i < n; i += gl_NumWorkGroups.x * gl_WorkGroupSize.x) {
        mixed = 2166136261u;
        uint x = a[i], y = a[(i + 1u) % n];
        integers(x, y);
        bits(x, y);
        floats(x, y);
        b[i] = mixed + extra;
    }
}
