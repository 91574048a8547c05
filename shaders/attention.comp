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
//   4. values: an invocation for UNITS octets of elements; where there are more invocations than
//      octets, KEY_GROUPS of them take every KEY_GROUPS-th key
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
const uint OCTETS = (HEAD_DIM + 7u) / 8u;
const uint KEY_GROUPS = OCTETS < WORKGROUP_SIZE ? WORKGROUP_SIZE / OCTETS : 1u;
const uint UNITS = (OCTETS + WORKGROUP_SIZE - 1u) / WORKGROUP_SIZE;

shared float query[OCTETS * 8u]; // zeros past head_dim
shared uint place[TILE]; // of the key's and the value's vector in the cache, in words
shared float part[TILE * LANES];
shared float score[TILE];
shared float weight[TILE];
shared float sums[KEY_GROUPS * OCTETS * 8u];

// Four elements of the query.
vec4 query_quad(uint i)
{
    return vec4(query[4u * i], query[4u * i + 1u], query[4u * i + 2u], query[4u * i + 3u]);
}

void keep(uint at, vec4 value)
{
    sums[at] = value.x;
    sums[at + 1u] = value.y;
    sums[at + 2u] = value.z;
    sums[at + 3u] = value.w;
}

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
        [[dont_unroll]] for (uint o = lane; o < OCTETS; o += LANES) {
            vec4 low, high;
            CACHE_LOAD(key_cache, base, o, HEAD_DIM, low, high)
            sum += dot(low, query_quad(2u * o)) + dot(high, query_quad(2u * o + 1u));
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
    for (uint i = self; i < OCTETS * 8u; i += WORKGROUP_SIZE)
        query[i] = i < HEAD_DIM ? q[row * q_stride + head * HEAD_DIM + i] : 0.0;

    uint octet = KEY_GROUPS > 1u ? self % OCTETS : self;
    uint key_group = KEY_GROUPS > 1u ? self / OCTETS : 0u;
    vec4 low[UNITS], high[UNITS]; // sums of the weighted values
    [[unroll]] for (uint i = 0u; i < UNITS; i++) {
        low[i] = vec4(0.0);
        high[i] = vec4(0.0);
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

        [[unroll]] for (uint i = 0u; i < UNITS; i++) {
            low[i] *= before;
            high[i] *= before;
        }
        if (key_group < KEY_GROUPS) {
            [[dont_unroll]] for (uint t = key_group; t < n; t += KEY_GROUPS) {
                uint base = place[t];
                float w = weight[t];
                [[unroll]] for (uint i = 0u; i < UNITS; i++) {
                    uint o = octet + i * WORKGROUP_SIZE;
                    if (o < OCTETS) {
                        vec4 a, b;
                        CACHE_LOAD(value_cache, base, o, HEAD_DIM, a, b)
                        low[i] += w * a;
                        high[i] += w * b;
                    }
                }
            }
        }
    }

    divisor = workgroup_sum(divisor);
    if (key_group < KEY_GROUPS) {
        [[unroll]] for (uint i = 0u; i < UNITS; i++) {
            uint o = octet + i * WORKGROUP_SIZE;
            if (o < OCTETS) {
                keep((key_group * OCTETS + o) * 8u, low[i]);
                keep((key_group * OCTETS + o) * 8u + 4u, high[i]);
            }
        }
    }
    barrier();
    bool whole = n_splits == 1u;
    uint at = whole ? row * out_stride + head * HEAD_DIM : group * (HEAD_DIM + 2u);
    float factor = whole ? (divisor > 0.0 ? 1.0 / divisor : 0.0) : 1.0;
    for (uint i = self; i < HEAD_DIM; i += WORKGROUP_SIZE) {
        float sum = 0.0;
        [[dont_unroll]] for (uint g = 0u; g < KEY_GROUPS; g++)
            sum += sums[g * OCTETS * 8u + i];
        y[at + i] = sum * factor;
    }
    if (!whole && self == 0u) {
        y[at + HEAD_DIM] = maximum;
        y[at + HEAD_DIM + 1u] = divisor;
    }
}
