// emit.c - from steps to dispatches: which kernel, bound to what, with which parameters.
#include "schedule/schedule_impl.h"

#include <assert.h>
#include <string.h>

_Static_assert((int)SMR_OP_SILU == (int)SMR_ACT_SILU && (int)SMR_OP_RELU == (int)SMR_ACT_RELU &&
                   (int)SMR_OP_SOFTCAP == (int)SMR_ACT_SOFTCAP,
               "graph.h and kernel.h number the activations alike");

struct emitter {
    struct smr_schedule *schedule;
    struct smr_program *program;
    const struct smr_placement *placement;
    const struct smr_graph *graph;
    const struct smr_hparams *hparams;
    const struct smr_step *step;
    const struct smr_op *op; // the step's
    uint32_t step_index;
    bool failed;
};

static uint32_t rows_of(const struct emitter *e, smr_id id)
{
    return smr_shape_rows(&e->program->shape, e->graph->values[id].rows);
}

static uint32_t cols_of(const struct emitter *e, smr_id id)
{
    return e->graph->values[id].n_cols;
}

static struct smr_binding reduced_of(const struct emitter *e)
{
    const struct smr_schedule *schedule = e->schedule;
    uint64_t odd = schedule->reduced_odd;
    if (e->program->shape.chain == SMR_CHAIN_ODD)
        return (struct smr_binding){schedule->reduced, odd,
                                    smr_buffer_size(schedule->reduced) - odd};
    return (struct smr_binding){schedule->reduced, 0, odd};
}

static struct smr_binding step_rows_of(const struct emitter *e)
{
    bool odd = e->program->shape.chain == SMR_CHAIN_ODD;
    return odd ? e->schedule->rows_odd : e->schedule->rows;
}

// The memory behind a value that is not a weight.
static struct smr_binding binding_of(const struct emitter *e, smr_id id)
{
    const struct smr_schedule *schedule = e->schedule;
    const struct smr_value *value = &e->graph->values[id];
    switch (value->kind) {
    case SMR_VALUE_CONSTANT:
        return schedule->placed[id].parts[0].binding;
    case SMR_VALUE_ROWS:
        return step_rows_of(e);
    case SMR_VALUE_PAGES:
        return schedule->pages;
    case SMR_VALUE_OUTPUTS:
        return schedule->outputs;
    case SMR_VALUE_REDUCED:
        return reduced_of(e);
    default:
        return (struct smr_binding){schedule->arena, e->placement->offsets[id],
                                    rows_of(e, id) * (uint64_t)value->n_cols * 4};
    }
}

static struct smr_binding cache_of(const struct emitter *e, bool values)
{
    const struct smr_schedule *schedule = e->schedule;
    uint32_t layer = e->op->cache == SMR_CACHE_SOURCE ? e->hparams->n_layers : e->op->layer;
    smr_buffer **buffers =
        e->op->cache == SMR_CACHE_TEXT ? schedule->cache : schedule->source_cache;
    smr_buffer *buffer = buffers[2 * layer + values];
    return (struct smr_binding){buffer, 0, smr_buffer_size(buffer)};
}

static void emit(struct emitter *e, enum smr_kernel_id id, enum smr_type type,
                 const struct smr_binding *bindings, const void *push)
{
    struct smr_program *program = e->program;
    const struct smr_kernel_desc *desc = smr_kernel_desc(id);
    if (e->failed)
        return;
    if (!smr_grow(e->schedule->context, &program->dispatches, &program->capacity,
                  program->n_dispatches + 1, sizeof(*program->dispatches),
                  "the dispatches of a program")) {
        e->failed = true;
        return;
    }
    struct smr_dispatch *dispatch = &program->dispatches[program->n_dispatches++];
    *dispatch = (struct smr_dispatch){.key = {.id = id, .type = type}, .op = e->step->op_index};
    memcpy(dispatch->bindings, bindings, desc->n_bindings * sizeof(*bindings));
    memcpy(dispatch->push, push, desc->push_size);
}

static void emit_embed(struct emitter *e)
{
    const struct smr_placed *table = &e->schedule->placed[e->op->weight];
    const struct smr_value *value = &e->graph->values[e->op->weight];
    const uint32_t n_cols = cols_of(e, e->op->out);
    const bool made = value->kind == SMR_VALUE_CONSTANT; // one part of all rows
    const bool picked = e->program->shape.chain > SMR_CHAIN_FIRST && !e->op->position;
    struct smr_binding index = binding_of(e, e->op->in);
    if (picked)
        index = (struct smr_binding){e->schedule->picked, 0, 4};
    for (uint32_t i = 0; i < table->n_parts; i++) {
        const struct smr_part *part = &table->parts[i];
        struct smr_embed_push push = {
            .n_cols = n_cols,
            .n_rows = rows_of(e, e->op->out),
            .index_stride = picked ? 1 : sizeof(struct smr_row) / 4,
            .index_offset = (uint32_t)(e->op->position ? offsetof(struct smr_row, position) / 4
                                                       : offsetof(struct smr_row, token) / 4),
            .row_begin = part->row_begin - e->op->first_row,
            .row_count = made ? value->n_cols / n_cols : part->row_count,
            .table_at = part->at,
            .flags = e->op->add ? SMR_EMBED_ADD : 0,
            .scale = e->op->scale};
        emit(e, SMR_KERNEL_EMBED, made ? SMR_F32 : value->tensor->type,
             (struct smr_binding[]){part->binding, index, binding_of(e, e->op->out)}, &push);
    }
}

static void emit_gather(struct emitter *e)
{
    struct smr_embed_push push = {.n_cols = cols_of(e, e->op->out),
                                  .n_rows = rows_of(e, e->op->out),
                                  .index_stride = 1,
                                  .row_count = rows_of(e, e->op->in),
                                  .scale = 1};
    emit(e, SMR_KERNEL_EMBED, SMR_F32,
         (struct smr_binding[]){binding_of(e, e->op->in), e->schedule->outputs,
                                binding_of(e, e->op->out)},
         &push);
}

static void emit_norm_add_norm(struct emitter *e)
{
    const struct smr_norm_add_norm_push push = {.n_cols = cols_of(e, e->op->in),
                                                .n_rows = rows_of(e, e->op->in),
                                                .eps = e->hparams->norm_eps};
    emit(e, SMR_KERNEL_NORM_ADD_NORM, SMR_F32,
         (struct smr_binding[]){binding_of(e, e->op->in), binding_of(e, e->op->weight),
                                binding_of(e, e->op->out), binding_of(e, e->step->next_norm),
                                binding_of(e, e->step->next_out)},
         &push);
}

static void emit_norm(struct emitter *e)
{
    if (e->step->next_norm) {
        emit_norm_add_norm(e);
        return;
    }
    uint32_t n_cols = cols_of(e, e->op->in);
    struct smr_binding weight = binding_of(e, e->op->weight);
    struct smr_norm_push push = {.n_cols = n_cols / e->op->n_heads,
                                 .n_rows = rows_of(e, e->op->in),
                                 .n_heads = e->op->n_heads,
                                 .in_stride = cols_of(e, e->op->in),
                                 .out_stride = cols_of(e, e->op->out),
                                 .flags = (e->op->layer_norm ? SMR_NORM_LAYER : 0) |
                                          (e->op->bias ? SMR_NORM_BIAS : 0) |
                                          (e->op->add ? SMR_NORM_ADD : 0),
                                 .eps = e->hparams->norm_eps};
    emit(e, SMR_KERNEL_NORM, SMR_F32,
         (struct smr_binding[]){binding_of(e, e->op->in), weight,
                                e->op->bias ? binding_of(e, e->op->bias) : weight,
                                binding_of(e, e->op->out)},
         &push);
}

// ---- products -------------------------------------------------------------------------------------

enum { WEIGHTS, IN, BIAS, OUT, NORM, N_MATMUL_BINDINGS };

static struct smr_matmul_push matmul_push(const struct emitter *e)
{
    return (struct smr_matmul_push){
        .n_cols = cols_of(e, e->op->in),
        .n_rows = rows_of(e, e->op->in),
        .in_stride = cols_of(e, e->op->in),
        .out_stride = cols_of(e, e->op->out),
        .flags = (e->op->bias ? SMR_MATMUL_BIAS : 0) | (e->op->add ? SMR_MATMUL_ADD : 0) |
                 (e->step->norm ? SMR_MATVEC_NORM : 0) | (e->step->gated ? SMR_MATVEC_GATED : 0),
        .activation = e->op->activation,
        .eps = e->hparams->norm_eps};
}

// A weight, which may be split by rows: a product for each part.
static void emit_product(struct emitter *e, enum smr_type type, struct smr_binding *bindings)
{
    const struct smr_placed *weight = &e->schedule->placed[e->op->weight];
    struct smr_matmul_push push = matmul_push(e);
    bindings[OUT] = binding_of(e, e->op->out);
    if (e->op->bias)
        bindings[BIAS] = binding_of(e, e->op->bias);
    for (uint32_t i = 0; i < weight->n_parts; i++) {
        const struct smr_part *part = &weight->parts[i];
        push.n_out = part->row_count;
        push.out_offset = part->row_begin;
        bindings[WEIGHTS] = part->binding;
        for (uint32_t j = 0; j < SMR_MATVEC_MAX_PARTS; j++)
            push.parts[j].weight = part->at;
        emit(e, smr_schedule_product(e->schedule, push.n_rows), type, bindings, &push);
    }
}

// Bindings that cover those of all parts, as fuse.c has seen to.
static void cover_parts(struct emitter *e, struct smr_binding *bindings)
{
    const struct smr_step *step = e->step;
    const struct smr_limits *limits = smr_device_limits(e->schedule->device);
    bindings[WEIGHTS] = e->schedule->placed[step->op.weight].parts[0].binding;
    bindings[OUT] = binding_of(e, step->op.out);
    if (step->op.bias)
        bindings[BIAS] = binding_of(e, step->op.bias);
    for (uint32_t i = 1; i < step->n_parts && !e->failed; i++) {
        const struct smr_step_part *part = &step->parts[i];
        struct smr_binding weight = e->schedule->placed[part->weight].parts[0].binding;
        e->failed = !smr_cover(limits, &bindings[WEIGHTS], &weight);
        if (!step->gated) {
            struct smr_binding out = binding_of(e, part->out);
            e->failed = e->failed || !smr_cover(limits, &bindings[OUT], &out);
        }
        if (part->bias) {
            struct smr_binding bias = binding_of(e, part->bias);
            e->failed = e->failed || !smr_cover(limits, &bindings[BIAS], &bias);
        }
    }
    assert(!e->failed);
}

// Several weights at once. The numbers of a part count on from `begin`, not from 0.
static void emit_products(struct emitter *e, enum smr_type type, struct smr_binding *bindings)
{
    const struct smr_step *step = e->step;
    struct smr_matmul_push push = matmul_push(e);
    const uint32_t row_size = (uint32_t)smr_type_size(type, push.n_cols);
    cover_parts(e, bindings);
    for (uint32_t i = 0; i < SMR_MATVEC_MAX_PARTS; i++) {
        if (i >= step->n_parts) {
            push.parts[i] = push.parts[i - 1];
            continue;
        }
        const struct smr_step_part *from = &step->parts[i];
        const struct smr_part *weight = &e->schedule->placed[from->weight].parts[0];
        struct smr_matmul_part *part = &push.parts[i];
        part->begin = push.n_out;
        part->weight = (uint32_t)(weight->binding.offset - bindings[WEIGHTS].offset) + weight->at -
                       part->begin * row_size;
        if (!step->gated)
            part->y = (uint32_t)(binding_of(e, from->out).offset - bindings[OUT].offset) / 4 -
                      part->begin;
        if (from->bias)
            part->bias = (uint32_t)(binding_of(e, from->bias).offset - bindings[BIAS].offset) / 4 -
                         part->begin;
        push.n_out += weight->row_count;
    }
    emit(e, SMR_KERNEL_MATVEC, type, bindings, &push);
}

static void emit_matmul(struct emitter *e)
{
    enum smr_type type = e->graph->values[e->op->weight].tensor->type;
    struct smr_binding in = binding_of(e, e->op->in);
    struct smr_binding bindings[N_MATMUL_BINDINGS] = {
        [IN] = in, [BIAS] = in, [NORM] = e->step->norm ? binding_of(e, e->step->norm) : in};
    if (e->step->n_parts == 1)
        emit_product(e, type, bindings);
    else
        emit_products(e, type, bindings);
}

// ---- attention and others --------------------------------------------------------------------------

static void emit_rope_store(struct emitter *e)
{
    struct smr_rope_store_push push = {.n_rows = e->program->shape.n_rows,
                                       .n_heads = e->op->n_heads,
                                       .n_kv_heads = e->hparams->n_kv_heads,
                                       .head_dim = e->hparams->head_dim,
                                       .rope_dim = e->op->weight ? e->hparams->rope_dim : 0,
                                       .q_stride = cols_of(e, e->op->in),
                                       .k_stride = cols_of(e, e->op->in2),
                                       .v_stride = cols_of(e, e->op->in3),
                                       .page_size = e->schedule->params.page_size,
                                       .flags = e->op->neox ? SMR_ROPE_NEOX : 0,
                                       .magnitude = e->op->scale,
                                       .eps = e->hparams->norm_eps};
    // Without rotation nothing is read or written of these two, but operands must not overlap.
    struct smr_binding frequencies = step_rows_of(e), queries = reduced_of(e);
    if (e->op->weight)
        frequencies = binding_of(e, e->op->weight);
    if (e->op->in)
        queries = binding_of(e, e->op->in);
    struct smr_binding norms = frequencies;
    if (e->step->norm) {
        const struct smr_binding q = binding_of(e, e->step->norm),
                                 k = binding_of(e, e->step->key_norm);
        norms = q;
        e->failed = !smr_cover(smr_device_limits(e->schedule->device), &norms, &k);
        assert(!e->failed); // constants share a buffer
        push.flags |= SMR_ROPE_NORM;
        push.q_norm = (uint32_t)(q.offset - norms.offset) / 4;
        push.k_norm = (uint32_t)(k.offset - norms.offset) / 4;
    }
    emit(e, SMR_KERNEL_ROPE_STORE, e->schedule->params.cache_type,
         (struct smr_binding[]){step_rows_of(e), frequencies, queries, binding_of(e, e->op->in2),
                                binding_of(e, e->op->in3), cache_of(e, false), cache_of(e, true),
                                norms},
         &push);
}

static void emit_attention(struct emitter *e)
{
    const struct smr_schedule *schedule = e->schedule;
    bool full = e->op->cache != SMR_CACHE_TEXT;
    uint32_t n_rows = e->program->shape.n_rows;
    bool apart = n_rows > 1 && e->program->shape.n_outputs == n_rows; // no prompt
    uint32_t n_biases = e->op->bias ? cols_of(e, e->op->bias) / e->op->n_heads : 1;
    struct smr_binding in = binding_of(e, e->op->in), out = binding_of(e, e->op->out);
    struct smr_binding partial = out;
    struct smr_attention_push push = {
        .n_rows = n_rows,
        .n_heads = e->op->n_heads,
        .n_kv_heads = e->hparams->n_kv_heads,
        .head_dim = e->hparams->head_dim,
        .q_stride = cols_of(e, e->op->in),
        .out_stride = cols_of(e, e->op->out),
        .page_size = schedule->params.page_size,
        .max_pages = full ? schedule->params.max_source_pages : schedule->params.max_pages,
        .window = e->op->window,
        .n_splits = smr_shape_splits(schedule, &e->program->shape, e->op),
        .scale = e->op->scale,
        .softcap = e->op->softcap,
        .flags = (full ? SMR_ATTENTION_FULL : 0) | (e->op->bias ? SMR_ATTENTION_BIAS : 0) |
                 (apart ? SMR_ATTENTION_APART : 0),
        .reach = n_biases / 2};
    if (push.n_splits > 1)
        partial = (struct smr_binding){schedule->arena, e->placement->scratch[e->step_index],
                                       n_rows * (uint64_t)push.n_heads * push.n_splits *
                                           (push.head_dim + 2) * 4};
    emit(e, SMR_KERNEL_ATTENTION, schedule->params.cache_type,
         (struct smr_binding[]){step_rows_of(e), full ? schedule->source_pages : schedule->pages,
                                in, cache_of(e, false), cache_of(e, true), partial,
                                full ? schedule->source_lengths : step_rows_of(e),
                                e->op->bias ? binding_of(e, e->op->bias) : in},
         &push);
    if (push.n_splits == 1)
        return;
    struct smr_attention_merge_push merge = {.n_rows = n_rows,
                                             .n_heads = push.n_heads,
                                             .head_dim = push.head_dim,
                                             .n_splits = push.n_splits,
                                             .out_stride = push.out_stride};
    emit(e, SMR_KERNEL_ATTENTION_MERGE, SMR_F32, (struct smr_binding[]){partial, out}, &merge);
}

static void emit_activate(struct emitter *e)
{
    struct smr_binding in = binding_of(e, e->op->in);
    struct smr_activate_push push = {.n_cols = cols_of(e, e->op->in),
                                     .n_rows = rows_of(e, e->op->in),
                                     .gate_stride = cols_of(e, e->op->in),
                                     .up_stride = e->op->in2 ? cols_of(e, e->op->in2) : 0,
                                     .out_stride = cols_of(e, e->op->out),
                                     .activation = e->op->activation,
                                     .flags = e->op->in2 ? 0 : SMR_ACTIVATE_NO_UP,
                                     .param = e->op->softcap};
    emit(e, SMR_KERNEL_ACTIVATE, SMR_F32,
         (struct smr_binding[]){in, e->op->in2 ? binding_of(e, e->op->in2) : in,
                                binding_of(e, e->op->out)},
         &push);
}

static void emit_route(struct emitter *e)
{
    struct smr_route_push push = {.n_experts = cols_of(e, e->op->in),
                                  .n_rows = rows_of(e, e->op->in),
                                  .n_used = e->op->n_used,
                                  .in_stride = cols_of(e, e->op->in),
                                  .flags = e->op->normed ? SMR_ROUTE_NORM : 0};
    emit(e, SMR_KERNEL_ROUTE, SMR_F32,
         (struct smr_binding[]){binding_of(e, e->op->in), binding_of(e, e->op->out)}, &push);
}

// One row after the other and one expert after the other: what several rows chose is read for each.
static void emit_experts(struct emitter *e)
{
    const struct smr_placed *weight = &e->schedule->placed[e->op->weight];
    const struct smr_tensor *tensor = e->graph->values[e->op->weight].tensor;
    uint32_t n_cols = cols_of(e, e->op->weight), n_out = (uint32_t)tensor->dims[1];
    for (uint32_t i = 0; i < weight->n_parts; i++) {
        const struct smr_part *part = &weight->parts[i];
        struct smr_experts_push push = {.n_cols = n_cols,
                                        .n_out = n_out,
                                        .n_rows = rows_of(e, e->op->in),
                                        .n_used = e->op->n_used,
                                        .in_stride = cols_of(e, e->op->in),
                                        .in_step = cols_of(e, e->op->in) == n_cols ? 0 : n_cols,
                                        .out_stride = cols_of(e, e->op->out),
                                        .expert_begin = part->row_begin / n_out,
                                        .expert_count = part->row_count / n_out,
                                        .weight_at = part->at};
        emit(e, SMR_KERNEL_EXPERTS, tensor->type,
             (struct smr_binding[]){part->binding, binding_of(e, e->op->in),
                                    binding_of(e, e->op->in2), binding_of(e, e->op->out)},
             &push);
    }
}

static void emit_combine(struct emitter *e)
{
    struct smr_combine_push push = {.n_cols = cols_of(e, e->op->out),
                                    .n_rows = rows_of(e, e->op->in),
                                    .n_used = e->op->n_used,
                                    .in_stride = cols_of(e, e->op->in),
                                    .out_stride = cols_of(e, e->op->out),
                                    .flags = e->op->add ? SMR_COMBINE_ADD : 0};
    emit(e, SMR_KERNEL_COMBINE, SMR_F32,
         (struct smr_binding[]){binding_of(e, e->op->in), binding_of(e, e->op->in2),
                                binding_of(e, e->op->out)},
         &push);
}

// Before the logits are reduced.
static void emit_penalties(struct emitter *e)
{
    const struct smr_schedule *schedule = e->schedule;
    const enum smr_chain_step step = e->program->shape.chain;
    struct smr_binding last = {schedule->picked, 0, 4};
    struct smr_penalise_push push = {.n_cols = cols_of(e, e->op->in)};
    if (step == SMR_CHAIN_FIRST) {
        last = schedule->rows;
        last.offset += offsetof(struct smr_row, token);
        last.size = 4;
    }
    emit(e, SMR_KERNEL_PENALISE, SMR_F32,
         (struct smr_binding[]){binding_of(e, e->op->in),
                                schedule->draws[step == SMR_CHAIN_ODD],
                                schedule->bias,
                                schedule->history,
                                last,
                                {schedule->counts, 0, 4ull * push.n_cols}},
         &push);
}

// The token for the next step of a chain.
static void emit_choice(struct emitter *e)
{
    const struct smr_schedule *schedule = e->schedule;
    const bool odd = e->program->shape.chain == SMR_CHAIN_ODD;
    struct smr_binding reduced = binding_of(e, e->op->out), picked = {schedule->picked, 0, 4};
    struct smr_sample_push sample = {.n_cols = cols_of(e, e->op->in)};
    struct smr_pick_push pick = {.n_chunks = smr_div_up(sample.n_cols, SMR_REDUCE_CHUNK),
                                 .n_rows = 1};
    if (e->program->shape.choice == SMR_CHOICE_BEST)
        emit(e, SMR_KERNEL_PICK, SMR_F32, (struct smr_binding[]){reduced, picked}, &pick);
    else
        emit(e, SMR_KERNEL_SAMPLE, SMR_F32,
             (struct smr_binding[]){binding_of(e, e->op->in), reduced, schedule->draws[odd], picked,
                                    schedule->drawn_tokens[odd]},
             &sample);
}

static void emit_reduce(struct emitter *e)
{
    if (e->program->shape.choice == SMR_CHOICE_PENALISED)
        emit_penalties(e);
    struct smr_reduce_push push = {.n_cols = cols_of(e, e->op->in),
                                   .n_rows = rows_of(e, e->op->in),
                                   .in_stride = cols_of(e, e->op->in)};
    emit(e, SMR_KERNEL_REDUCE, SMR_F32,
         (struct smr_binding[]){binding_of(e, e->op->in), binding_of(e, e->op->out)}, &push);
    if (e->program->shape.chain != SMR_CHAIN_NONE)
        emit_choice(e);
}

bool smr_schedule_emit(struct smr_schedule *schedule, struct smr_program *program,
                       const struct smr_plan *plan, const struct smr_placement *placement)
{
    static void (*const emitters[])(struct emitter *) = {
        [SMR_OP_EMBED] = emit_embed,         [SMR_OP_NORM] = emit_norm,
        [SMR_OP_MATMUL] = emit_matmul,       [SMR_OP_ROPE_STORE] = emit_rope_store,
        [SMR_OP_ATTENTION] = emit_attention, [SMR_OP_ACTIVATE] = emit_activate,
        [SMR_OP_GATHER] = emit_gather,       [SMR_OP_REDUCE] = emit_reduce,
        [SMR_OP_ROUTE] = emit_route,         [SMR_OP_EXPERTS] = emit_experts,
        [SMR_OP_COMBINE] = emit_combine,
    };
    struct emitter e = {.schedule = schedule,
                        .program = program,
                        .placement = placement,
                        .graph = schedule->graph,
                        .hparams = &schedule->graph->model->hparams};
    for (uint32_t i = 0; i < plan->n_steps && !e.failed; i++) {
        e.step = &plan->steps[i];
        e.step_index = i;
        e.op = &e.step->op;
        bool on_batch = e.op->kind == SMR_OP_ROPE_STORE;
        if (on_batch || rows_of(&e, e.op->out))
            emitters[e.op->kind](&e);
    }
    return !e.failed;
}
