// attention.comp - attention over a paged cache, for parts of sequences' keys.
//
//   s_t = scale * dot(q, k_t), with softcap: softcap * tanh(s_t / softcap); plus a bias by distance
//   out = sum of exp(s_t - max) v_t / sum of exp(s_t - max)
//
// Bindings and parameters: struct smr_attention_push in kernel.h. A workgroup takes a split of the
// keys of one query (lib/attention_single.glsl), or of several that share keys
// (lib/attention_grouped.glsl, lib/attention_tiles.glsl, lib/attention_runs.glsl,
// lib/attention_blocks.glsl). It goes over the keys in tiles of TILE with online softmax
// (arXiv:1805.02867):
//   1. where the tile's keys lie, through the page table
//   2. dot products: LANES invocations for a key, each a part of it
//   3. scores, the new maximum, and the weights exp(s - max)
//   4. values: an invocation for an octet of elements (eight); where there are more invocations
//      than octets, KEY_GROUPS of them take every KEY_GROUPS-th key
#include "lib/reduce.glsl"
#include "lib/numerics.glsl"

// Rows: token, position, slot, sequence.
layout(set = 0, binding = 0) readonly buffer Rows { uvec4 rows[]; };
layout(set = 0, binding = 1) readonly buffer Pages { uint pages[]; };
layout(set = 0, binding = 2) readonly buffer Queries { float q[]; };
layout(set = 0, binding = 3) readonly buffer KeyCache { uint key_cache[]; };
layout(set = 0, binding = 4) readonly buffer ValueCache { uint value_cache[]; };
layout(set = 0, binding = 5) writeonly buffer Out { float y[]; };
layout(set = 0, binding = 6) readonly buffer Lengths { uint lengths[]; };
layout(set = 0, binding = 7) readonly buffer Biases { float bias[]; };

layout(push_constant) uniform Push {
    uint n_rows, n_heads, n_kv_heads, head_dim;
    uint q_stride, out_stride;
    uint page_size, max_pages;
    uint window, n_splits;
    float scale, softcap;
    uint flags, reach;
};
#include "lib/cache.glsl"

const uint NO_SLOT = 0xffffffffu;

layout(constant_id = 1) const uint HEAD_DIM = 64u;
layout(constant_id = 2) const uint TILE = 64u;
layout(constant_id = 3) const uint LANES = 8u;
layout(constant_id = 6) const uint FLAGS = 0u; // as in the parameters; whether a softcap is
const uint FULL = 1u, BIAS = 2u, SOFTCAP = 256u;
const uint OCTETS = (HEAD_DIM + 7u) / 8u;
const uint KEY_GROUPS = OCTETS < WORKGROUP_SIZE ? WORKGROUP_SIZE / OCTETS : 1u;

#ifdef USE_RUNS
#include "lib/lane_exp.glsl"

layout(set = 0, binding = 3) readonly buffer KeyParts { CACHE_PART key_parts[]; };
layout(set = 0, binding = 4) readonly buffer ValueParts { CACHE_PART value_parts[]; };

uint place[TILE]; // as below
#elif !defined(GROUPED) && !defined(USE_TILES)
shared uint place[TILE]; // of the key's and the value's vector in the cache, in words
#endif

// Where the vector of a key is, in words, of the sequence whose pages begin at `table`.
uint place_of(uint table, uint kv_head, uint key)
{
    uint page = pages[table + key / page_size];
    return cache_vector(page, key % page_size, kv_head) * CACHE_WORDS(HEAD_DIM);
}

#ifdef USE_RUNS
// Step 1. `n` keys from `first` on, page by page.
void find_keys(uint table, uint kv_head, uint first, uint n)
{
    uint key = first, t = 0u;
    while (t < n) {
        uint vector = place_of(table, kv_head, key);
        uint end = min(n, t + (page_size - key % page_size));
        for (uint i = t; i < end; i++)
            place[i] = vector + (i - t) * CACHE_WORDS(HEAD_DIM);
        key += end - t;
        t = end;
    }
}
#elif !defined(GROUPED) && !defined(USE_TILES)
// Step 1. `n` keys from `first` on.
void find_keys(uint table, uint kv_head, uint first, uint n)
{
    for (uint t = gl_LocalInvocationID.x; t < n; t += WORKGROUP_SIZE)
        place[t] = place_of(table, kv_head, first + t);
}
#endif

// First key, and the one after the last, of a split of a row. Padding has none.
uvec2 key_range(uint row, uint split)
{
    uvec2 keys = uvec2(0u);
    if (rows[row].z != NO_SLOT) {
        uint hi = rows[row].y + 1u;
        if ((FLAGS & FULL) != 0u)
            hi = lengths[rows[row].w];
        uint lo = window != 0u && hi > window ? hi - window : 0u;
        uint chunk = (hi - lo + n_splits - 1u) / n_splits;
        keys.x = min(hi, lo + split * chunk);
        keys.y = min(hi, keys.x + chunk);
    }
    return keys;
}

// The score of a dot product of a query of `head` at `position` and key t of its sequence.
float score_of(float product, uint head, uint position, uint t)
{
    float s = product * scale;
    if ((FLAGS & SOFTCAP) != 0u)
        s = softcap * safe_tanh(s / softcap);
    if ((FLAGS & BIAS) != 0u) {
        int distance = clamp(int(t) - int(position), -int(reach), int(reach));
        s += bias[head * (2u * reach + 1u) + uint(distance + int(reach))];
    }
    return s;
}

// Where the head of a row goes in the output: the whole result, or that of a split.
uint output_at(uint row, uint head, uint split)
{
    if (n_splits == 1u)
        return row * out_stride + head * HEAD_DIM;
    return ((row * n_heads + head) * n_splits + split) * (HEAD_DIM + 2u);
}

// What the sums of weighted values are multiplied with.
float output_factor(float divisor)
{
    if (n_splits != 1u)
        return 1.0;
    return divisor > 0.0 ? 1.0 / divisor : 0.0;
}

#ifdef USE_BLOCKS
#include "lib/attention_blocks.glsl"
#elif defined(USE_RUNS)
#include "lib/attention_runs.glsl"
#elif defined(GROUPED) || defined(USE_TILES)
#include "lib/attention_queries.glsl"
#ifdef GROUPED
#include "lib/attention_grouped.glsl"
#else
#include "lib/attention_tiles.glsl"
#endif
#else
#include "lib/attention_single.glsl"
#endif
