// weights.c - types of weights, and cases of matvec and matmul.
#include "weights.h"

const enum smr_type *suite_weight_types(size_t *n)
{
    const struct smr_kernel_desc *desc = smr_kernel_desc(SMR_KERNEL_MATVEC);
    *n = desc->n_types;
    return desc->types;
}

void suite_matmul_case(struct suite *s, enum smr_kernel_id id, enum smr_type type,
                       const struct matmul_case *c)
{
    const struct smr_matmul_part whole = {.weight = c->at};
    const struct smr_matmul_push push = {
        .n_cols = c->n_cols,
        .n_out = c->n_out,
        .n_rows = c->n_rows,
        .in_stride = c->n_cols + c->in_gap,
        .out_stride = c->out_offset + c->n_out + 3 + c->out_gap,
        .out_offset = c->out_offset,
        .flags = c->flags,
        .parts = {whole, whole, whole},
    };
    suite_run(s,
              suite_printf(s, "%u rows of %u to %u at %u, weights at %u, strides %u and %u%s%s",
                           c->n_rows, c->n_cols, c->n_out, c->out_offset, c->at, push.in_stride,
                           push.out_stride, c->flags & SMR_MATMUL_BIAS ? ", bias" : "",
                           c->flags & SMR_MATMUL_ADD ? ", add" : ""),
              &(struct smr_case_params){.id = id, .type = type, .push = &push});
}
