// copy.c - pages of the KV cache to other pages, for texts that part ways.
#include "schedule/schedule_impl.h"

static bool record(struct smr_schedule *schedule)
{
    uint64_t start = smr_time_ns();
    const struct smr_schedule_params *params = &schedule->params;
    const struct smr_hparams *hparams = &schedule->graph->model->hparams;
    uint32_t vector_size = smr_cache_size(params->cache_type, hparams->head_dim);
    struct smr_copy_pages_push push = {.n_copies = params->max_sequences,
                                       .page_size = params->page_size,
                                       .n_kv_heads = hparams->n_kv_heads,
                                       .vector_words = vector_size / 4};
    struct smr_kernel_key key; // of the one variant there is: nothing to choose anew
    if (!smr_kernel_choose(schedule->kernels, SMR_KERNEL_COPY_PAGES, SMR_F32, &push, &key) ||
        !smr_kernel_set_request(schedule->kernels, &key, &push) ||
        !smr_kernel_set_build(schedule->kernels, NULL, NULL))
        return false;
    schedule->copy_list = smr_list_create(schedule->device, "copy pages");
    if (!schedule->copy_list)
        return false;
    for (uint32_t layer = 0; layer < hparams->n_layers; layer++) {
        smr_buffer *keys = schedule->cache[2 * layer], *values = schedule->cache[2 * layer + 1];
        smr_kernel_dispatch(schedule->kernels, schedule->copy_list, &key,
                            (struct smr_binding[]){schedule->copies,
                                                   {keys, 0, smr_buffer_size(keys)},
                                                   {values, 0, smr_buffer_size(values)}},
                            &push);
    }
    schedule->compile_ns += smr_time_ns() - start;
    if (smr_list_end(schedule->copy_list))
        return true;
    smr_list_destroy(schedule->copy_list);
    schedule->copy_list = NULL;
    return false;
}

struct smr_page_copy *smr_schedule_copies(struct smr_schedule *schedule)
{
    uint8_t *step = smr_buffer_data(schedule->step);
    return (struct smr_page_copy *)(step + schedule->copies.offset);
}

bool smr_schedule_copy_pages(struct smr_schedule *schedule, uint32_t n)
{
    struct smr_page_copy *copies = smr_schedule_copies(schedule);
    if (!schedule->copy_list && !record(schedule))
        return false;
    for (uint32_t i = n; i < schedule->params.max_sequences; i++)
        copies[i] = (struct smr_page_copy){0};
    return smr_device_submit(schedule->device, schedule->copy_list);
}
