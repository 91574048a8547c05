// rope_store.c - rotary position embedding (arXiv:2104.09864) and storing keys and values.
#include "kernel/twin/twin.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { MAX_HEAD_DIM = 1024 };

// cos and sin for one position, times the magnitude.
struct rotation {
    float cosine[MAX_HEAD_DIM / 2], sine[MAX_HEAD_DIM / 2]; // [rope_dim / 2]
};

static void make_rotation(const struct smr_rope_store_push *p, const float *inv_freq,
                          uint32_t position, struct rotation *r)
{
    for (uint32_t i = 0; i < p->rope_dim / 2; i++) {
        const float product = (float)position * inv_freq[i]; // f32, as models are trained
        const double angle = product;
        r->cosine[i] = p->magnitude * (float)cos(angle);
        r->sine[i] = p->magnitude * (float)sin(angle);
    }
}

static void rotate(const struct smr_rope_store_push *p, const struct rotation *r, float *head)
{
    const uint32_t half = p->rope_dim / 2;
    for (uint32_t i = 0; i < half; i++) {
        float *a = p->flags & SMR_ROPE_NEOX ? &head[i] : &head[2 * i];
        float *b = p->flags & SMR_ROPE_NEOX ? &head[i + half] : &head[2 * i + 1];
        const float x = *a, y = *b;
        *a = x * r->cosine[i] - y * r->sine[i];
        *b = x * r->sine[i] + y * r->cosine[i];
    }
}

// RMS norm of a head, where that is asked for.
static void norm(const struct smr_rope_store_push *p, const float *weight, float *head)
{
    double squares = 0;
    if (!(p->flags & SMR_ROPE_NORM))
        return;
    for (uint32_t i = 0; i < p->head_dim; i++)
        squares += (double)head[i] * (double)head[i];
    const float factor = (float)(1.0 / sqrt(squares / p->head_dim + (double)p->eps));
    for (uint32_t i = 0; i < p->head_dim; i++)
        head[i] = head[i] * factor * weight[i];
}

void smr_twin_rope_store(const struct smr_twin_args *args)
{
    const struct smr_rope_store_push *p = args->push;
    const struct smr_row *rows = args->bindings[0];
    const float *inv_freq = args->bindings[1], *k = args->bindings[3], *v = args->bindings[4];
    const float *norms = args->bindings[7];
    float *q = args->bindings[2];
    assert(p->rope_dim || !(p->flags & SMR_ROPE_NORM));
    assert(p->head_dim <= MAX_HEAD_DIM && p->rope_dim <= p->head_dim);

    for (size_t row = 0; row < p->n_rows; row++) {
        struct rotation rotation;
        make_rotation(p, inv_freq, rows[row].position, &rotation);
        for (size_t h = 0; h < p->n_heads; h++) {
            float *query = q + row * p->q_stride + h * p->head_dim;
            norm(p, norms + p->q_norm, query);
            rotate(p, &rotation, query);
        }
        if (p->flags & SMR_ROPE_NO_STORE || rows[row].slot == SMR_NO_SLOT)
            continue;
        for (size_t h = 0; h < p->n_kv_heads; h++) {
            const size_t first =
                smr_cache_vector(rows[row].slot, h, p->n_kv_heads, p->page_size) * p->head_dim;
            float key[MAX_HEAD_DIM];
            memcpy(key, k + row * p->k_stride + h * p->head_dim, p->head_dim * sizeof *key);
            norm(p, norms + p->k_norm, key);
            rotate(p, &rotation, key);
            smr_cache_write((enum smr_type)args->type, args->bindings[5], first, key, p->head_dim);
            smr_cache_write((enum smr_type)args->type, args->bindings[6], first,
                            v + row * p->v_stride + h * p->head_dim, p->head_dim);
        }
    }
}
