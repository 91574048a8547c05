// copy_pages.c - cases of the copy_pages kernel: pages of any size, blocks of words that are not full,
// one copy and many.
#include "suite_impl.h"

static const struct smr_copy_pages_push cases[] = {
    {.n_copies = 1, .page_size = 64, .n_kv_heads = 3, .vector_words = 32},
    {.n_copies = 4, .page_size = 64, .n_kv_heads = 1, .vector_words = 1},
    {.n_copies = 3, .page_size = 64, .n_kv_heads = 2, .vector_words = 17},
    {.n_copies = 16, .page_size = 16, .n_kv_heads = 4, .vector_words = 16},
    {.n_copies = 2, .page_size = 1, .n_kv_heads = 2, .vector_words = 2048},
};

void suite_copy_pages(struct suite *s)
{
    for (size_t i = 0; i < SMR_COUNT(cases); i++)
        suite_run(s,
                  suite_printf(s, "%u pages of %u heads of %u slots of %u words", cases[i].n_copies,
                               cases[i].n_kv_heads, cases[i].page_size, cases[i].vector_words),
                  &(struct smr_case_params){
                      .id = SMR_KERNEL_COPY_PAGES, .type = SMR_F32, .push = &cases[i]});
}
