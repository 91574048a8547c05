// attention.comp - causal attention of one row and head over a part of its sequence's keys.
//
//   s_t = scale * dot(q, k_t), with softcap: softcap * tanh(s_t / softcap)
//   out = sum of exp(s_t - max) v_t / sum of exp(s_t - max)
//
// Bindings and parameters: struct smr_attention_push in kernel.h. One workgroup for a (row, head,
// split). It goes over its keys in tiles of TILE with online softmax (arXiv:1805.02867):
//   1. where the tile's keys lie, through the page table
//   2. dot products: LANES invocations for a key, each a part of it
//   3. an invocation for a key: its score; then the new maximum and the weights exp(s - max)
//   4. values: an invocation for UNITS pairs of elements; where there are more invocations than
//      pairs, KEY_GROUPS of them take every KEY_GROUPS-th key
#include "lib/reduce.glsl"
#include "lib/numerics.glsl"
#include "lib/cache.glsl"

layout(set = 0, binding = 0) readonly buffer Rows { uvec4 rows[]; }; // token, position, slot, sequence
layout(set = 0, binding = 1) readonly buffer Pages { uint pages[]; };
layout(set = 0, binding = 2) readonly buffer Queries { float q[]; };
layout(set = 0, binding = 3) readonly buffer KeyCache { uint key_cache[]; };
layout(set = 0, binding = 4) readonly buffer ValueCache { uint value_cache[]; };
layout(set = 0, binding = 5) writeonly buffer Out { float y[]; };

layout(push_constant) uniform Push {
    uint n_rows, n_heads, n_kv_heads, head_dim;
    uint q_stride, out_stride;
    uint page_size, max_pages;
    uint window, n_splits;
    float scale, softcap;
};
const uint NO_SLOT = 0xffffffffu;

layout(constant_id = 1) const uint HEAD_DIM = 64u;
layout(constant_id = 2) const uint TILE = 64u;
layout(constant_id = 3) const uint LANES = 8u;
const uint PAIRS = HEAD_DIM / 2u;
const uint KEY_GROUPS = PAIRS < WORKGROUP_SIZE ? WORKGROUP_SIZE / PAIRS : 1u;
const uint UNITS = (PAIRS + WORKGROUP_SIZE - 1u) / WORKGROUP_SIZE;

shared float query[HEAD_DIM];
shared uint place[TILE]; // of the key's and the value's vector in the cache, in words
shared float part[TILE * LANES];
shared float score[TILE];
shared float weight[TILE];
shared float sums[KEY_GROUPS * HEAD_DIM];

// Step 1. `n` keys from `first` on, of the sequence whose pages begin at `table`.
void find_keys(uint table, uint kv_head, uint first, uint n)
{
    for (uint t = gl_LocalInvocationID.x; t < n; t += WORKGROUP_SIZE) {
        uint key = first + t;
        uint slot = pages[table + key / page_size] * page_size + key % page_size;
        place[t] = (slot * n_kv_heads + kv_head) * CACHE_WORDS(HEAD_DIM);
    }
}

// Step 2.
void multiply_keys(uint n)
{
    uint lane = gl_LocalInvocationID.x % LANES;
    for (uint t = gl_LocalInvocationID.x / LANES; t < n; t += WORKGROUP_SIZE / LANES) {
        uint base = place[t];
        float sum = 0.0;
        [[dont_unroll]] for (uint u = lane; u < PAIRS; u += LANES) {
            vec2 key = CACHE_PAIR(key_cache, base, u);
            sum += key.x * query[2u * u] + key.y * query[2u * u + 1u];
        }
        part[t * LANES + lane] = sum;
    }
}

// Step 3, first half.
void finish_scores(uint n)
{
    for (uint t = gl_LocalInvocationID.x; t < n; t += WORKGROUP_SIZE) {
        float s = 0.0;
        for (uint i = 0u; i < LANES; i++)
            s += part[t * LANES + i];
        s *= scale;
        if (softcap != 0.0)
            s = softcap * safe_tanh(s / softcap);
        score[t] = s;
    }
}

void main()
{
    uint self = gl_LocalInvocationID.x;
    uint group = group_index();
    if (group >= n_rows * n_heads * n_splits)
        return; // the whole workgroup
    uint split = group % n_splits;
    uint head = group / n_splits % n_heads;
    uint row = group / n_splits / n_heads;

    uint begin = 0u, end = 0u;
    if (rows[row].z != NO_SLOT) {
        uint hi = rows[row].y + 1u;
        uint lo = window != 0u && hi > window ? hi - window : 0u;
        uint chunk = (hi - lo + n_splits - 1u) / n_splits;
        begin = min(hi, lo + split * chunk);
        end = min(hi, begin + chunk);
    }
    uint table = rows[row].w * max_pages;
    uint kv_head = head / (n_heads / n_kv_heads);
    for (uint i = self; i < HEAD_DIM; i += WORKGROUP_SIZE)
        query[i] = q[row * q_stride + head * HEAD_DIM + i];

    uint unit = KEY_GROUPS > 1u ? self % PAIRS : self;
    uint key_group = KEY_GROUPS > 1u ? self / PAIRS : 0u;
    float even[UNITS], odd[UNITS]; // sums of the weighted values
    for (uint i = 0u; i < UNITS; i++) {
        even[i] = 0.0;
        odd[i] = 0.0;
    }
    float maximum = -3e38, divisor = 0.0; // of all keys so far; of those whose weight is made here

    for (uint first = begin; first < end; first += TILE) {
        uint n = min(TILE, end - first);
        barrier(); // the tile before is done with shared memory
        find_keys(table, kv_head, first, n);
        barrier();
        multiply_keys(n);
        barrier();
        finish_scores(n);
        barrier();

        float before = maximum;
        for (uint t = 0u; t < n; t++)
            maximum = max(maximum, score[t]);
        before = exp(before - maximum);
        divisor *= before;
        for (uint t = self; t < n; t += WORKGROUP_SIZE) {
            weight[t] = exp(score[t] - maximum);
            divisor += weight[t];
        }
        barrier();

        for (uint i = 0u; i < UNITS; i++) {
            even[i] *= before;
            odd[i] *= before;
        }
        if (key_group < KEY_GROUPS) {
            for (uint t = key_group; t < n; t += KEY_GROUPS) {
                uint base = place[t];
                float w = weight[t];
                for (uint i = 0u; i < UNITS; i++) {
                    uint u = unit + i * WORKGROUP_SIZE;
                    if (u < PAIRS) {
                        vec2 value = CACHE_PAIR(value_cache, base, u);
                        even[i] += w * value.x;
                        odd[i] += w * value.y;
                    }
                }
            }
        }
    }

    divisor = workgroup_sum(divisor);
    if (key_group < KEY_GROUPS) {
        for (uint i = 0u; i < UNITS; i++) {
            uint u = unit + i * WORKGROUP_SIZE;
            if (u < PAIRS) {
                sums[key_group * HEAD_DIM + 2u * u] = even[i];
                sums[key_group * HEAD_DIM + 2u * u + 1u] = odd[i];
            }
        }
    }
    barrier();
    for (uint i = self; i < HEAD_DIM; i += WORKGROUP_SIZE) {
        float sum = 0.0;
        for (uint g = 0u; g < KEY_GROUPS; g++)
            sum += sums[g * HEAD_DIM + i];
        if (n_splits == 1u)
            y[row * out_stride + head * HEAD_DIM + i] = divisor > 0.0 ? sum / divisor : 0.0;
        else
            y[group * (HEAD_DIM + 2u) + i] = sum;
    }
    if (n_splits != 1u && self == 0u) {
        y[group * (HEAD_DIM + 2u) + HEAD_DIM] = maximum;
        y[group * (HEAD_DIM + 2u) + HEAD_DIM + 1u] = divisor;
    }
}
