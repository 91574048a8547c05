// pick.c - the token of the greatest logit, from the maxima of chunks.
#include "kernel/twin/twin.h"

void smr_twin_pick(const struct smr_twin_args *args)
{
    const struct smr_pick_push *p = args->push;
    const struct smr_reduced *chunks = args->bindings[0];
    uint32_t *tokens = args->bindings[1];
    for (size_t row = 0; row < p->n_rows; row++, chunks += p->n_chunks) {
        const struct smr_reduced *best = chunks;
        for (size_t i = 1; i < p->n_chunks; i++)
            if (chunks[i].maximum > best->maximum)
                best = &chunks[i];
        tokens[row] = best->index;
    }
}
