// rope_store.comp - rotate queries in place; rotate keys into the KV cache, values beside them.
//
//   angle = position * inv_freq[i]
//   (a, b) -> magnitude * (a cos - b sin, a sin + b cos) for pair i of elements
//
// With NORM heads of queries and keys are first normed: y = x / sqrt(mean(x^2) + eps) * weight.
//
// Bindings and parameters: struct smr_rope_store_push in kernel.h. A workgroup takes a head of a
// row: first come those of queries, whose pairs its invocations share, then those of keys and of
// values, whose units they share. A unit is what can be written to the cache without sharing a
// word: two elements, or a block of 32 for Q8_0. For processors there is lib/rope_runs.glsl.
#extension GL_KHR_memory_scope_semantics : require
#include "lib/reduce.glsl"
#include "lib/numerics.glsl"

// Rows: token, position, slot, sequence.
layout(set = 0, binding = 0) readonly buffer Rows { uvec4 rows[]; };
layout(set = 0, binding = 1) readonly buffer Frequencies { float inv_freq[]; };
layout(set = 0, binding = 2) buffer Queries { float q[]; };
layout(set = 0, binding = 3) readonly buffer Keys { float k[]; };
layout(set = 0, binding = 4) readonly buffer Values { float v[]; };
layout(set = 0, binding = 7) readonly buffer Norms { float norms[]; };

layout(constant_id = 1) const uint NORM = 0u;

layout(push_constant) uniform Push {
    uint n_rows, n_heads, n_kv_heads, head_dim, rope_dim;
    uint q_stride, k_stride, v_stride;
    uint page_size, flags;
    float magnitude;
    float eps;
    uint q_norm, k_norm;
};
#include "lib/cache.glsl"

#ifdef USE_RUNS
layout(set = 0, binding = 5) writeonly buffer KeyCache { CACHE_PART key_parts[]; };
layout(set = 0, binding = 6) writeonly buffer ValueCache { CACHE_PART value_parts[]; };
#else
layout(set = 0, binding = 5) writeonly buffer KeyCache { uint key_cache[]; };
layout(set = 0, binding = 6) writeonly buffer ValueCache { uint value_cache[]; };
#endif

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

#ifdef USE_RUNS
#include "lib/rope_runs.glsl"
#else

void rotate_query(uint at, uint position, uint i, float factor)
{
    uint first = at + ((flags & NEOX) != 0u ? i : 2u * i);
    uint second = (flags & NEOX) != 0u ? first + rope_dim / 2u : first + 1u;
    vec2 r = rotation(position, i);
    float a = q[first], b = q[second];
    if (NORM != 0u) {
        a *= factor * norms[q_norm + first - at];
        b *= factor * norms[q_norm + second - at];
    }
    q[first] = a * r.x - b * r.y;
    q[second] = a * r.y + b * r.x;
}

// Elements of the row of heads, before they are stored. `factor` is that of a head of keys.
float key(uint at, uint e, float factor)
{
    float value = k[at + e];
    if (NORM != 0u)
        value *= factor * norms[k_norm + e];
    return value;
}

float rotated_key(uint at, uint position, uint e, float factor)
{
    float value = key(at, e, factor);
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
        float partner = key(at, other, factor);
        value = value * r.x + (second ? partner : -partner) * r.y;
    }
    return value;
}

float element(bool is_key, uint at, uint position, uint e, float factor)
{
    float value;
    if (is_key)
        value = rotated_key(at, position, e, factor);
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
void store(bool is_key, uint at, uint position, uint base, uint unit, float factor)
{
    uint e = unit * UNIT;
#if defined(TYPE_F32)
    write_word(is_key, base + e, floatBitsToUint(element(is_key, at, position, e, factor)));
    write_word(is_key, base + e + 1u, floatBitsToUint(element(is_key, at, position, e + 1u, factor)));
#elif defined(TYPE_F16)
    uint low = f32_to_f16(element(is_key, at, position, e, factor));
    uint high = f32_to_f16(element(is_key, at, position, e + 1u, factor));
    write_word(is_key, base + unit, low | high << 16);
#else
    // Elements are made twice rather than kept: an array would be unrolled to enormous code.
    float most = 0.0;
    [[dont_unroll]] for (uint i = 0u; i < UNIT; i++)
        most = max(most, abs(element(is_key, at, position, e + i, factor)));
    float inverse = most > 0.0 ? 127.0 / most : 0.0;
    uint word_at = base + unit * 9u;
    write_word(is_key, word_at, floatBitsToUint(most / 127.0));
    uint word = 0u;
    [[dont_unroll]] for (uint i = 0u; i < UNIT; i++) {
        int quant = int(floor(element(is_key, at, position, e + i, factor) * inverse + 0.5));
        word = word >> 8u | uint(quant) << 24u;
        if (i % 4u == 3u)
            write_word(is_key, word_at + 1u + i / 4u, word);
    }
#endif
}

// What all elements of the head at `at` are multiplied with, besides the weights. All invocations
// call it, before any of them writes; those of a head of values get nothing of use.
float head_factor(bool is_query, uint at)
{
    float squares = 0.0;
    if (NORM == 0u)
        return 1.0;
    for (uint e = gl_LocalInvocationID.x; e < head_dim; e += WORKGROUP_SIZE) {
        float value;
        if (is_query)
            value = q[at + e];
        else
            value = k[at + e];
        squares += value * value;
    }
    // What was read is about to be written by others.
    controlBarrier(gl_ScopeWorkgroup, gl_ScopeWorkgroup,
                   gl_StorageSemanticsBuffer | gl_StorageSemanticsShared, gl_SemanticsAcquireRelease);
    return 1.0 / sqrt(workgroup_sum(squares) / float(head_dim) + eps);
}

void rotate_queries(uint at, uint position, float factor)
{
    uint me = gl_LocalInvocationID.x;
    for (uint i = me; i < rope_dim / 2u; i += WORKGROUP_SIZE)
        rotate_query(at, position, i, factor);
    if (NORM != 0u) {
        for (uint e = rope_dim + me; e < head_dim; e += WORKGROUP_SIZE)
            q[at + e] *= factor * norms[q_norm + e];
    }
}

void main()
{
    uint n_queries = rope_dim == 0u ? 0u : n_heads;
    uint n_stored = (flags & NO_STORE) != 0u ? 0u : n_kv_heads;
    uint n_all = n_queries + 2u * n_stored;
    uint row = group_index() / n_all, head = group_index() % n_all;
    if (row >= n_rows)
        return; // the whole workgroup: barriers stay in uniform flow
    uint position = rows[row].y, slot = rows[row].z;
    bool is_query = head < n_queries, is_key = !is_query && head < n_queries + n_stored;
    if (!is_query)
        head -= is_key ? n_queries : n_queries + n_stored;
    uint stride = is_query ? q_stride : is_key ? k_stride : v_stride;
    uint at = row * stride + head * head_dim;
    float factor = head_factor(is_query, is_query || is_key ? at : 0u);

    if (is_query) {
        rotate_queries(at, position, factor);
    } else if (slot != NO_SLOT) {
        uint vector = cache_vector(slot / page_size, slot % page_size, head);
        for (uint i = gl_LocalInvocationID.x; i < head_dim / UNIT; i += WORKGROUP_SIZE)
            store(is_key, at, position, vector * CACHE_WORDS(head_dim), i, factor);
    }
}
#endif
