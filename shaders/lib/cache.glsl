// cache.glsl - vectors of the KV cache as 32-bit words (the layouts are in kernel.h).
//
// A vector is the head_dim elements of one slot and head. Its elements are taken in pairs; the pair u
// of the vector at word `base` holds elements 2u and 2u + 1. Buffers cannot be passed to functions,
// hence macros.

#if defined(TYPE_F32)

#define CACHE_WORDS(n) (n)
#define CACHE_PAIR(words, base, u) \
    vec2(uintBitsToFloat(words[(base) + 2u * (u)]), uintBitsToFloat(words[(base) + 2u * (u) + 1u]))

#elif defined(TYPE_F16)

#define CACHE_WORDS(n) ((n) / 2u)
#define CACHE_PAIR(words, base, u) unpackHalf2x16(words[(base) + (u)])

#elif defined(TYPE_Q8_0)

// 9 words for 32 elements: the scale, then the quants.
#define CACHE_WORDS(n) ((n) / 32u * 9u)
#define CACHE_PAIR(words, base, u) \
    (uintBitsToFloat(words[(base) + (u) / 16u * 9u]) * \
     cache_bytes(words[(base) + (u) / 16u * 9u + 1u + (u) % 16u / 2u], (u) % 2u))

// The lower or upper two of four signed bytes.
vec2 cache_bytes(uint word, uint upper)
{
    int half_word = int(upper == 0u ? word << 16 : word);
    return vec2(float(half_word << 8 >> 24), float(half_word >> 24));
}

#endif
