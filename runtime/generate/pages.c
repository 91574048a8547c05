// pages.c - the pool of KV cache pages.
#include "generate/generate.h"

#include <assert.h>

bool smr_page_pool_init(struct smr_page_pool *pool, smr_context *context, uint32_t n_pages)
{
    *pool = (struct smr_page_pool){.context = context, .n_pages = n_pages, .n_free = n_pages};
    pool->free = smr_alloc(context, n_pages, sizeof(*pool->free), "the page pool");
    pool->references = smr_alloc(context, n_pages, sizeof(*pool->references), "the page pool");
    if (!pool->free || !pool->references)
        return false;
    for (uint32_t i = 0; i < n_pages; i++)
        pool->free[i] = n_pages - 1 - i; // page 0 is taken first
    return true;
}

void smr_page_pool_finish(struct smr_page_pool *pool)
{
    if (!pool->context)
        return;
    smr_free(pool->context, pool->free);
    smr_free(pool->context, pool->references);
    *pool = (struct smr_page_pool){0};
}

bool smr_page_take(struct smr_page_pool *pool, uint32_t *page)
{
    if (!pool->n_free)
        return smr_fail(pool->context, SMR_ERROR_MEMORY,
                        "all %u pages of %u tokens of the KV cache are in use by other sessions",
                        pool->n_pages, (unsigned)SMR_PAGE_SIZE);
    *page = pool->free[--pool->n_free];
    pool->references[*page] = 1;
    return true;
}

void smr_page_share(struct smr_page_pool *pool, uint32_t page)
{
    assert(pool->references[page] > 0);
    pool->references[page]++;
}

void smr_page_release(struct smr_page_pool *pool, uint32_t page)
{
    assert(pool->references[page] > 0);
    if (--pool->references[page] == 0)
        pool->free[pool->n_free++] = page;
}
