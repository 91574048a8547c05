// attention.c - attention over a paged cache; the formulas are in kernel.h.
#include "kernel/twin/twin.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { MAX_HEAD_DIM = 1024 };

// What one (row, head, split) needs.
struct item {
    const struct smr_attention_push *push;
    const struct smr_twin_args *args;
    const uint32_t *pages; // of the row's sequence
    const float *q;        // [head_dim]
    const float *bias;     // of the head at distance 0; NULL without
    uint32_t kv_head, position;
    uint32_t begin, end; // keys
};

struct result {
    float sum[MAX_HEAD_DIM]; // of exp(s - maximum) * v
    float maximum, divisor;
};

// First element of key or value t's vector in the cache.
static size_t cache_first(const struct item *item, uint32_t t)
{
    const struct smr_attention_push *p = item->push;
    size_t slot = (size_t)item->pages[t / p->page_size] * p->page_size + t % p->page_size;
    return smr_cache_vector(slot, item->kv_head, p->n_kv_heads, p->page_size) * p->head_dim;
}

static float score(const struct item *item, const float *key, uint32_t t)
{
    const struct smr_attention_push *p = item->push;
    float dot = 0;
    for (uint32_t i = 0; i < p->head_dim; i++)
        dot += item->q[i] * key[i];
    float s = p->scale * dot;
    if (p->softcap != 0)
        s = p->softcap * tanhf(s / p->softcap);
    if (!item->bias)
        return s;
    const int64_t reach = p->reach, distance = (int64_t)t - item->position;
    return s + item->bias[distance < -reach ? -reach : distance > reach ? reach : distance];
}

static void attend(const struct item *item, struct result *result)
{
    const struct smr_attention_push *p = item->push;
    const enum smr_type type = (enum smr_type)item->args->type;
    *result = (struct result){.maximum = -3e38f};
    for (uint32_t t = item->begin; t < item->end; t++) {
        float vector[MAX_HEAD_DIM];
        const size_t first = cache_first(item, t);
        smr_cache_read(type, item->args->bindings[3], first, vector, p->head_dim);
        const float s = score(item, vector, t);
        float weight = 1;
        if (s > result->maximum) {
            const float before = expf(result->maximum - s);
            for (uint32_t i = 0; i < p->head_dim; i++)
                result->sum[i] *= before;
            result->divisor *= before;
            result->maximum = s;
        } else {
            weight = expf(s - result->maximum);
        }
        smr_cache_read(type, item->args->bindings[4], first, vector, p->head_dim);
        for (uint32_t i = 0; i < p->head_dim; i++)
            result->sum[i] += weight * vector[i];
        result->divisor += weight;
    }
}

// The keys of split `split` of a row.
static void set_keys(struct item *item, const struct smr_row *row, uint32_t split)
{
    const struct smr_attention_push *p = item->push;
    const uint32_t *lengths = item->args->bindings[6];
    const uint32_t hi = p->flags & SMR_ATTENTION_FULL ? lengths[row->sequence] : row->position + 1;
    const uint32_t lo = p->window && hi > p->window ? hi - p->window : 0;
    const uint32_t chunk = smr_div_up(hi - lo, p->n_splits);
    item->begin = smr_min_u32(hi, lo + split * chunk);
    item->end = smr_min_u32(hi, item->begin + chunk);
}

void smr_twin_attention(const struct smr_twin_args *args)
{
    const struct smr_attention_push *p = args->push;
    const struct smr_row *rows = args->bindings[0];
    const uint32_t *pages = args->bindings[1];
    const float *q = args->bindings[2], *bias = args->bindings[7];
    float *out = args->bindings[5];
    assert(p->head_dim <= MAX_HEAD_DIM);

    for (size_t row = 0; row < p->n_rows; row++) {
        for (uint32_t h = 0; h < p->n_heads; h++) {
            for (uint32_t split = 0; split < p->n_splits; split++) {
                struct item item = {
                    .push = p,
                    .args = args,
                    .q = q + row * p->q_stride + (size_t)h * p->head_dim,
                    .kv_head = h / (p->n_heads / p->n_kv_heads),
                    .position = rows[row].position,
                };
                if (p->flags & SMR_ATTENTION_BIAS)
                    item.bias = bias + (size_t)h * (2 * (size_t)p->reach + 1) + p->reach;
                if (rows[row].slot != SMR_NO_SLOT) {
                    item.pages = pages + (size_t)rows[row].sequence * p->max_pages;
                    set_keys(&item, &rows[row], split);
                }
                struct result result;
                attend(&item, &result);
                if (p->n_splits == 1) {
                    float *to = out + row * p->out_stride + (size_t)h * p->head_dim;
                    for (uint32_t i = 0; i < p->head_dim; i++)
                        to[i] = result.divisor > 0 ? result.sum[i] / result.divisor : 0;
                } else {
                    float *to =
                        out + ((row * p->n_heads + h) * p->n_splits + split) * (p->head_dim + 2);
                    memcpy(to, result.sum, p->head_dim * sizeof *to);
                    to[p->head_dim] = result.maximum;
                    to[p->head_dim + 1] = result.divisor;
                }
            }
        }
    }
}
