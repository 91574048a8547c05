// rope_store.comp - rotate queries in place; rotate keys into the KV cache, values beside them.
//
//   angle = position * inv_freq[i]
//   (a, b) -> magnitude * (a cos - b sin, a sin + b cos) for pair i of elements
//
// Bindings and parameters: struct smr_rope_store_push in kernel.h. Invocations are numbered through
// all rows; those of one row are first the pairs of its queries, then units of its keys, then of
// its values. A unit is what can be written to the cache without sharing a word: two elements, or a
// block of 32 for Q8_0.
#include "lib/reduce.glsl"
#include "lib/numerics.glsl"

// Rows: token, position, slot, sequence.
layout(set = 0, binding = 0) readonly buffer Rows { uvec4 rows[]; };
layout(set = 0, binding = 1) readonly buffer Frequencies { float inv_freq[]; };
layout(set = 0, binding = 2) buffer Queries { float q[]; };
layout(set = 0, binding = 3) readonly buffer Keys { float k[]; };
layout(set = 0, binding = 4) readonly buffer Values { float v[]; };
layout(set = 0, binding = 5) writeonly buffer KeyCache { uint key_cache[]; };
layout(set = 0, binding = 6) writeonly buffer ValueCache { uint value_cache[]; };

layout(push_constant) uniform Push {
    uint n_rows, n_heads, n_kv_heads, head_dim, rope_dim;
    uint q_stride, k_stride, v_stride;
    uint page_size, flags;
    float magnitude;
};
#include "lib/cache.glsl"

const uint NEOX = 1u, NO_STORE = 2u;
const uint NO_SLOT = 0xffffffffu;

#ifdef TYPE_Q8_0
const uint UNIT = 32u;
#else
const uint UNIT = 2u;
#endif

// cos and sin for pair i at `position`, times the magnitude.
vec2 rotation(uint position, uint i)
{
    return magnitude * cos_sin(float(position) * inv_freq[i]);
}

void rotate_query(uint at, uint position, uint i)
{
    uint first = at + ((flags & NEOX) != 0u ? i : 2u * i);
    uint second = (flags & NEOX) != 0u ? first + rope_dim / 2u : first + 1u;
    vec2 r = rotation(position, i);
    float a = q[first], b = q[second];
    q[first] = a * r.x - b * r.y;
    q[second] = a * r.y + b * r.x;
}

// Element `e` of the head of keys at `at`, rotated.
float rotated_key(uint at, uint position, uint e)
{
    float value = k[at + e];
    if (e < rope_dim) {
        bool second;
        uint i, other;
        if ((flags & NEOX) != 0u) {
            second = e >= rope_dim / 2u;
            i = second ? e - rope_dim / 2u : e;
            other = second ? i : e + rope_dim / 2u;
        } else {
            second = (e & 1u) != 0u;
            i = e / 2u;
            other = e ^ 1u;
        }
        vec2 r = rotation(position, i);
        value = value * r.x + (second ? k[at + other] : -k[at + other]) * r.y;
    }
    return value;
}

float element(bool is_key, uint at, uint position, uint e)
{
    float value;
    if (is_key)
        value = rotated_key(at, position, e);
    else
        value = v[at + e];
    return value;
}

void write_word(bool is_key, uint at, uint word)
{
    if (is_key)
        key_cache[at] = word;
    else
        value_cache[at] = word;
}

// Write unit `unit` of the head of keys or values at `at` to the cache's vector at `base`.
void store(bool is_key, uint at, uint position, uint base, uint unit)
{
    uint e = unit * UNIT;
#if defined(TYPE_F32)
    write_word(is_key, base + e, floatBitsToUint(element(is_key, at, position, e)));
    write_word(is_key, base + e + 1u, floatBitsToUint(element(is_key, at, position, e + 1u)));
#elif defined(TYPE_F16)
    uint low = f32_to_f16(element(is_key, at, position, e));
    uint high = f32_to_f16(element(is_key, at, position, e + 1u));
    write_word(is_key, base + unit, low | high << 16);
#else
    // Elements are made twice rather than kept: an array would be unrolled to enormous code.
    float most = 0.0;
    [[dont_unroll]] for (uint i = 0u; i < UNIT; i++)
        most = max(most, abs(element(is_key, at, position, e + i)));
    float inverse = most > 0.0 ? 127.0 / most : 0.0;
    uint word_at = base + unit * 9u;
    write_word(is_key, word_at, floatBitsToUint(most / 127.0));
    uint word = 0u;
    [[dont_unroll]] for (uint i = 0u; i < UNIT; i++) {
        int quant = int(floor(element(is_key, at, position, e + i) * inverse + 0.5));
        word = word >> 8u | uint(quant) << 24u;
        if (i % 4u == 3u)
            write_word(is_key, word_at + 1u + i / 4u, word);
    }
#endif
}

void main()
{
    uint n_pairs = n_heads * (rope_dim / 2u);
    uint n_units = (flags & NO_STORE) != 0u ? 0u : n_kv_heads * (head_dim / UNIT);
    uint n_items = n_pairs + 2u * n_units;
    uint item = group_index() * WORKGROUP_SIZE + gl_LocalInvocationID.x;
    uint row = item / n_items;
    if (row >= n_rows)
        return;
    item -= row * n_items;
    uint position = rows[row].y, slot = rows[row].z;

    if (item < n_pairs) {
        uint head = item / (rope_dim / 2u);
        rotate_query(row * q_stride + head * head_dim, position, item % (rope_dim / 2u));
        return;
    }
    if (slot == NO_SLOT)
        return;
    item -= n_pairs;
    bool is_key = item < n_units;
    item -= is_key ? 0u : n_units;
    uint head = item / (head_dim / UNIT);
    uint unit = item % (head_dim / UNIT);
    uint at = row * (is_key ? k_stride : v_stride) + head * head_dim;
    uint vector = cache_vector(slot / page_size, slot % page_size, head);
    store(is_key, at, position, vector * CACHE_WORDS(head_dim), unit);
}
