// cache.glsl - vectors of the KV cache as 32-bit words (the layouts are in kernel.h).
//
// n_kv_heads and page_size are parameters of whoever includes this.
// A vector is the head_dim elements of one slot and head. It is read eight elements at a time:
//
//   CACHE_WORDS(n)   words of n elements
//   CACHE_LOAD(words, base, o, n, low, high)
//                    elements 8 o to 8 o + 7 of the vector of n elements at word `base` of the
//                    buffer `words`, into two vec4; zeros past the end
//
// Buffers cannot be passed to functions, hence macros. n is a constant.

// Number of the vector of a head in a slot: the vectors of a head are neighbours within a page.
uint cache_vector(uint page, uint slot_in_page, uint head)
{
    return (page * n_kv_heads + head) * page_size + slot_in_page;
}

#if defined(TYPE_F32)

#define CACHE_WORDS(n) (n)
#define CACHE_PAIR(words, base, u) \
    uintBitsToFloat(uvec2(words[(base) + 2u * (u)], words[(base) + 2u * (u) + 1u]))

#elif defined(TYPE_F16)

#define CACHE_WORDS(n) ((n) / 2u)
#define CACHE_PAIR(words, base, u) unpackHalf2x16(words[(base) + (u)])

#elif defined(TYPE_Q8_0)

// 9 words for 32 elements: the scale, then the quants. n is a multiple of 32.
#define CACHE_WORDS(n) ((n) / 32u * 9u)
#define CACHE_LOAD(words, base, o, n, low, high)           \
    {                                                      \
        uint block = (base) + (o) / 4u * 9u;               \
        uint at = block + 1u + (o) % 4u * 2u;              \
        float scale = uintBitsToFloat(words[block]);       \
        low = scale * cache_bytes(words[at]);              \
        high = scale * cache_bytes(words[at + 1u]);        \
    }

// Four signed bytes.
vec4 cache_bytes(uint word)
{
    int bits = int(word);
    return vec4(float(bits << 24 >> 24), float(bits << 16 >> 24), float(bits << 8 >> 24),
                float(bits >> 24));
}

#endif

#ifndef TYPE_Q8_0
#define CACHE_PAIR_IN(words, base, u, n) \
    ((n) % 8u == 0u || (u) < (n) / 2u ? CACHE_PAIR(words, base, u) : vec2(0.0))
#define CACHE_LOAD(words, base, o, n, low, high)                      \
    {                                                                 \
        low = vec4(CACHE_PAIR_IN(words, base, 4u * (o), n),           \
                   CACHE_PAIR_IN(words, base, 4u * (o) + 1u, n));     \
        high = vec4(CACHE_PAIR_IN(words, base, 4u * (o) + 2u, n),     \
                    CACHE_PAIR_IN(words, base, 4u * (o) + 3u, n));    \
    }
#endif

// With USE_RUNS (storage of 8 and 16 bits) also, for loops over the lanes of a vector, where
// `parts` is the buffer `words` as an array of CACHE_PART:
//
//   scale = CACHE_SCALE(words, base, o), scale * CACHE_FLOAT(parts[CACHE_LANES(base, o) + l])
//                    element 8 o + l of the vector at word `base`
#ifdef USE_RUNS
#include "lib/lane_base.glsl"
#extension GL_EXT_shader_8bit_storage : require
#extension GL_EXT_shader_16bit_storage : require

#if defined(TYPE_F32)
#define CACHE_PART uint
#define CACHE_LANES(base, o) ((base) + 8u * (o))
#define CACHE_FLOAT(part) uintBitsToFloat(part)
#elif defined(TYPE_F16)
#define CACHE_PART uint16_t
#define CACHE_LANES(base, o) (2u * (base) + 8u * (o))
// As f16_to_f32() of lib/weights.glsl does it there: infinity, which no key should hold, is 65536.
#define CACHE_FLOAT(part) uintBitsToFloat(uint(int(uint(part) << 16) >> 3) & 0x8fffe000u)
#else
#define CACHE_PART uint8_t
#define CACHE_LANES(base, o) (4u * (base) + (o) / 4u * 36u + 4u + (o) % 4u * 8u)
#define CACHE_FLOAT(part) float(int(uint(part) << 24) >> 24)
#endif
#if defined(TYPE_Q8_0)
#define CACHE_SCALE(words, base, o) uintBitsToFloat(words[(base) + (o) / 4u * 9u])
#elif defined(TYPE_F16)
#define CACHE_SCALE(words, base, o) 5.192296858534827628530496e33 // 2^112
#else
#define CACHE_SCALE(words, base, o) 1.0
#endif
#endif
