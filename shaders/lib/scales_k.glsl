// scales_k.glsl - the scales of Q4_K and Q5_K: 8 groups of 32 with a scale and a minimum of 6 bits
// each, in 12 bytes. Groups 0 to 3 have theirs in the low bits of bytes 0 to 3 and 4 to 7; groups 4
// to 7 have four bits of each in bytes 8 to 11, and two in the top of bytes 0 to 3 and 4 to 7.

// Of groups 2c and 2c + 1: (scale, minimum, scale, minimum), times d and m. `s`: the 12 bytes.
vec4 group_scales(uvec3 s, uint c, float d, float m)
{
    uint shift = (c & 1u) * 16u;
    uvec3 part = s >> shift;
    uint scale = c < 2u ? part.x & 0x3f3fu : part.z & 0x0f0fu | part.x >> 2 & 0x3030u;
    uint minimum = c < 2u ? part.y & 0x3f3fu : part.z >> 4 & 0x0f0fu | part.y >> 2 & 0x3030u;
    return vec4(d * float(scale & 0xffu), m * float(minimum & 0xffu), d * float(scale >> 8),
                m * float(minimum >> 8));
}

#ifdef USE_RUNS
// Of all groups of the block at byte `at`, four at a time.
Groups groups_k(uint at)
{
    Groups groups;
    float d = f16_to_f32(load_u16(at)), m = f16_to_f32(load_u16(at + 2u));
    [[dont_unroll]] for (uint g = 0u; g < 4u; g++) {
        int a = int(weight_bytes[at + 4u + g]), b = int(weight_bytes[at + 8u + g]);
        int c = int(weight_bytes[at + 12u + g]);
        groups.scale[g] = d * float(a & 63);
        groups.minimum[g] = m * float(b & 63);
        groups.scale[4u + g] = d * float(c & 15 | a >> 2 & 48);
        groups.minimum[4u + g] = m * float(c >> 4 | b >> 2 & 48);
    }
    return groups;
}
#endif
