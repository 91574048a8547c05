#include "base/decode.h"
#include "kernel/twin/twin.h"

#include <assert.h>

enum { CHUNK = 1024 }; // columns decoded at a time; whole blocks of every type

void smr_twin_embed(const struct smr_twin_args *args)
{
    const struct smr_embed_push *p = args->push;
    const enum smr_type type = (enum smr_type)args->type;
    const uint8_t *table = (const uint8_t *)args->bindings[0] + p->table_at;
    const uint32_t *index = args->bindings[1];
    float *out = args->bindings[2];
    const size_t row_size = smr_type_size(type, p->n_cols);
    assert(args->sizes[0] >= p->table_at + p->row_count * row_size);

    for (uint32_t i = 0; i < p->n_rows; i++) {
        const uint32_t row = index[(size_t)i * p->index_stride + p->index_offset] - p->row_begin;
        if (row >= p->row_count)
            continue;
        float *to = out + (size_t)i * p->n_cols;
        for (uint32_t c = 0; c < p->n_cols; c += CHUNK) {
            const uint32_t n = smr_min_u32(CHUNK, p->n_cols - c);
            float values[CHUNK];
            smr_decode_row(type, table + row * row_size + smr_type_size(type, c), n, values);
            for (uint32_t j = 0; j < n; j++)
                to[c + j] = p->scale * values[j] + (p->flags & SMR_EMBED_ADD ? to[c + j] : 0);
        }
    }
}
