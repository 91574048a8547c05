#include "base/decode.h"
#include "kernel/twin/twin.h"

#include <assert.h>

void smr_twin_embed(const struct smr_twin_args *args)
{
    const struct smr_embed_push *p = args->push;
    const enum smr_type type = (enum smr_type)args->type;
    const uint8_t *table = args->bindings[0];
    const uint32_t *index = args->bindings[1];
    float *out = args->bindings[2];
    const size_t row_size = smr_type_size(type, p->n_cols);
    assert(args->sizes[0] >= p->row_count * row_size);

    for (uint32_t i = 0; i < p->n_rows; i++) {
        const uint32_t token = index[(size_t)i * p->index_stride];
        if (token < p->row_begin || token - p->row_begin >= p->row_count)
            continue;
        float *to = out + (size_t)i * p->n_cols;
        smr_decode_row(type, table + (token - p->row_begin) * row_size, p->n_cols, to);
        for (uint32_t c = 0; c < p->n_cols; c++)
            to[c] *= p->scale;
    }
}
