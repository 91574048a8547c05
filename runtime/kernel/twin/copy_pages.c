// copy_pages.c - copy the first slots of pages of a KV cache to other pages.
#include "kernel/twin/twin.h"

#include <string.h>

void smr_twin_copy_pages(const struct smr_twin_args *args)
{
    const struct smr_copy_pages_push *p = args->push;
    const struct smr_page_copy *copies = args->bindings[0];
    const size_t head_words = (size_t)p->page_size * p->vector_words; // of one head in a page
    for (int cache = 1; cache <= 2; cache++) {
        uint32_t *words = args->bindings[cache];
        for (uint32_t i = 0; i < p->n_copies; i++) {
            const size_t from = copies[i].from * (size_t)p->n_kv_heads;
            const size_t to = copies[i].to * (size_t)p->n_kv_heads;
            for (uint32_t h = 0; h < p->n_kv_heads; h++)
                memcpy(words + (to + h) * head_words, words + (from + h) * head_words,
                       (size_t)copies[i].n_slots * p->vector_words * sizeof(*words));
        }
    }
}
