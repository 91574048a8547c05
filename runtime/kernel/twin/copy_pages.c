// copy_pages.c - copy the first slots of pages of a KV cache to other pages.
#include "kernel/twin/twin.h"

#include <string.h>

void smr_twin_copy_pages(const struct smr_twin_args *args)
{
    const struct smr_copy_pages_push *p = args->push;
    const struct smr_page_copy *copies = args->bindings[0];
    const size_t page_words = (size_t)p->page_size * p->slot_words;
    for (int cache = 1; cache <= 2; cache++) {
        uint32_t *words = args->bindings[cache];
        for (uint32_t i = 0; i < p->n_copies; i++)
            memcpy(words + copies[i].to * page_words, words + copies[i].from * page_words,
                   (size_t)copies[i].n_slots * p->slot_words * sizeof(*words));
    }
}
