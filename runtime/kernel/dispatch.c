// dispatch.c - recording a dispatch, with those of other kernels that it needs.
#include "kernel/dispatch.h"

#include <assert.h>
#include <string.h>

enum { MATMUL_X = 1, MATMUL_BIAS = 2, MATMUL_Y = 3, MATVEC_NORM = 4 }; // bindings

// The scratch buffer in *buffer, made when it is wanted for the first time. NULL with an error.
static smr_buffer *need_buffer(struct smr_kernel_set *set, smr_buffer **buffer, uint64_t size,
                               const char *name)
{
    const struct smr_buffer_params params = {.size = size, .name = name};
    if (!*buffer)
        *buffer = smr_buffer_create(smr_kernel_set_device(set), &params);
    return *buffer;
}

static bool request(struct smr_kernel_set *set, enum smr_kernel_id id, const void *push)
{
    struct smr_kernel_key key;
    return smr_kernel_choose(set, id, SMR_F32, push, &key) &&
           smr_kernel_set_request(set, &key, push);
}

static void dispatch(struct smr_kernel_set *set, smr_list *list, enum smr_kernel_id id,
                     const struct smr_binding *bindings, const void *push)
{
    struct smr_kernel_key key;
    if (smr_kernel_choose(set, id, SMR_F32, push, &key))
        smr_kernel_dispatch(set, list, &key, bindings, push);
    else
        smr_list_dispatch(list, NULL, &(struct smr_args){.push = push}); // the list fails
}

// ---- variants that want quantised input --------------------------------------------------------

static bool is_quantized(const struct smr_kernel_key *key)
{
    return smr_kernel_desc(key->id)->variants[key->variant].quantized;
}

// How the input of a matvec is quantised.
static struct smr_quantize_push quantize_push(const struct smr_matmul_push *p)
{
    return (struct smr_quantize_push){.n_cols = p->n_cols,
                                      .n_rows = p->n_rows,
                                      .in_stride = p->in_stride,
                                      .flags = p->flags & SMR_MATVEC_NORM ? SMR_QUANTIZE_NORM : 0,
                                      .eps = p->eps};
}

// Record the making of what a matvec reads in place of x, and bind that. False with an error.
static bool quantize(struct smr_kernel_set *set, smr_list *list, const void *push,
                     struct smr_binding bindings[SMR_MAX_BINDINGS])
{
    const struct smr_quantize_push p = quantize_push(push);
    smr_buffer *buffer = need_buffer(set, &smr_kernel_set_scratch(set)->quantized,
                                     SMR_QUANTIZED_SIZE, "quantised activations");
    if (!buffer)
        return false;
    const uint64_t size =
        (uint64_t)p.n_rows * p.n_cols / SMR_QUANTIZE_BLOCK * SMR_QUANTIZE_BLOCK_SIZE;
    const struct smr_binding out = {buffer, 0, size};
    dispatch(set, list, SMR_KERNEL_QUANTIZE,
             (struct smr_binding[]){bindings[MATMUL_X], bindings[MATVEC_NORM], out}, &p);
    bindings[MATMUL_X] = out;
    return true;
}

// ---- products that are split along the columns of w ---------------------------------------------

// Only shaders split: a twin does all of a dispatch. 0: it is whole.
static uint32_t count_splits(struct smr_kernel_set *set, const struct smr_kernel_key *key,
                             const void *push)
{
    const struct smr_kernel_desc *desc = smr_kernel_desc(key->id);
    const bool splits = desc->splits && smr_device_takes_spirv(smr_kernel_set_device(set));
    return splits ? desc->splits(key, push) : 0;
}

static struct smr_matmul_merge_push merge_push(const struct smr_matmul_push *p, uint32_t splits)
{
    return (struct smr_matmul_merge_push){.n_out = p->n_out,
                                          .n_rows = p->n_rows,
                                          .n_splits = splits,
                                          .out_stride = p->out_stride,
                                          .out_offset = p->out_offset,
                                          .flags = p->flags & (SMR_MATMUL_BIAS | SMR_MATMUL_ADD)};
}

// Bind room for partial sums in place of y. False with an error.
static bool bind_partial(struct smr_kernel_set *set, const struct smr_matmul_push *p,
                         uint32_t splits, struct smr_binding bindings[SMR_MAX_BINDINGS])
{
    smr_buffer *buffer =
        need_buffer(set, &smr_kernel_set_scratch(set)->partial, SMR_PARTIAL_SIZE, "partial sums");
    const uint64_t size = (uint64_t)splits * p->n_rows * p->n_out * sizeof(float);
    assert(size <= SMR_PARTIAL_SIZE);
    bindings[MATMUL_Y] = (struct smr_binding){buffer, 0, size};
    return buffer;
}

// ---- all ----------------------------------------------------------------------------------------

bool smr_kernel_request_others(struct smr_kernel_set *set, const struct smr_kernel_key *key,
                               const void *push)
{
    const uint32_t splits = count_splits(set, key, push);
    if (is_quantized(key)) {
        const struct smr_quantize_push p = quantize_push(push);
        if (!request(set, SMR_KERNEL_QUANTIZE, &p))
            return false;
    }
    if (splits) {
        const struct smr_matmul_merge_push p = merge_push(push, splits);
        return request(set, SMR_KERNEL_MATMUL_MERGE, &p);
    }
    return true;
}

void smr_kernel_dispatch(struct smr_kernel_set *set, smr_list *list,
                         const struct smr_kernel_key *key, const struct smr_binding *bindings,
                         const void *push)
{
    const struct smr_kernel_desc *desc = smr_kernel_desc(key->id);
    const uint32_t splits = count_splits(set, key, push);
    struct smr_args args = {.push = push};
    memcpy(args.bindings, bindings, desc->n_bindings * sizeof *bindings);
    desc->groups(key, push, args.groups);
    // Without a kernel the list fails, and the reason is the one recorded first.
    const bool ready = (!is_quantized(key) || quantize(set, list, push, args.bindings)) &&
                       (!splits || bind_partial(set, push, splits, args.bindings));
    smr_list_dispatch(list, ready ? smr_kernel_set_get(set, key) : NULL, &args);
    if (splits) {
        const struct smr_matmul_merge_push p = merge_push(push, splits);
        dispatch(set, list, SMR_KERNEL_MATMUL_MERGE,
                 (struct smr_binding[]){args.bindings[MATMUL_Y], bindings[MATMUL_BIAS],
                                        bindings[MATMUL_Y]},
                 &p);
    }
}
