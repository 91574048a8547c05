// place.c - activations share one arena: two that are never alive together may lie on each other.
#include "schedule/schedule_impl.h"

// Decode attention is split along the keys, so that a long cache is read by more workgroups than
// there are heads. A split should have this many keys to be worth its merge.
enum { KEYS_PER_SPLIT = 256, MAX_SPLITS = 16 };

uint32_t smr_shape_rows(const struct smr_shape *shape, enum smr_rows rows)
{
    return rows == SMR_ROWS_BATCH ? shape->n_rows : shape->n_outputs;
}

struct smr_op_range smr_shape_ops(const struct smr_graph *graph, const struct smr_shape *shape)
{
    if (shape->encode)
        return (struct smr_op_range){0, graph->n_encode_ops};
    return (struct smr_op_range){graph->n_encode_ops, graph->n_ops};
}

uint32_t smr_shape_splits(const struct smr_schedule *schedule, const struct smr_shape *shape,
                          const struct smr_op *op)
{
    uint32_t n_keys = op->cache == SMR_CACHE_MEMORY ? shape->n_source : shape->n_keys;
    if (op->window)
        n_keys = smr_min_u32(n_keys, op->window);
    if (shape->n_rows > SMR_MATVEC_MAX_ROWS)
        return 1;
    return smr_max_u32(1, smr_min_u32(n_keys / KEYS_PER_SPLIT, MAX_SPLITS));
}

static uint64_t scratch_size(const struct smr_schedule *schedule, const struct smr_shape *shape,
                             const struct smr_op *op)
{
    if (op->kind != SMR_OP_ATTENTION)
        return 0;
    uint64_t n_splits = smr_shape_splits(schedule, shape, op);
    if (n_splits == 1)
        return 0;
    uint64_t head_dim = schedule->graph->model->hparams.head_dim;
    return shape->n_rows * (uint64_t)op->n_heads * n_splits * (head_dim + 2) * 4;
}

static uint64_t value_size(const struct smr_shape *shape, const struct smr_value *value)
{
    bool in_arena = value->kind == SMR_VALUE_ACTIVATION || value->kind == SMR_VALUE_LOGITS;
    return in_arena ? smr_shape_rows(shape, value->rows) * (uint64_t)value->n_cols * 4 : 0;
}

// ---- a list of taken ranges, sorted by offset -----------------------------------------------------

struct range {
    uint64_t offset, size;
    uint32_t last; // operation after which it is free
};
struct ranges {
    struct range *items;
    uint32_t n;
    uint64_t alignment, end; // end: the highest byte ever taken
};

static uint64_t take(struct ranges *ranges, uint64_t size, uint32_t last)
{
    uint64_t offset = 0;
    uint32_t i = 0;
    size = smr_align_up(size, ranges->alignment);
    for (; i < ranges->n && ranges->items[i].offset < offset + size; i++)
        offset = ranges->items[i].offset + ranges->items[i].size;
    for (uint32_t j = ranges->n++; j > i; j--)
        ranges->items[j] = ranges->items[j - 1];
    ranges->items[i] = (struct range){offset, size, last};
    if (offset + size > ranges->end)
        ranges->end = offset + size;
    return offset;
}

static void release(struct ranges *ranges, uint32_t op)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < ranges->n; i++)
        if (ranges->items[i].last > op)
            ranges->items[kept++] = ranges->items[i];
    ranges->n = kept;
}

// ---- lifetimes ------------------------------------------------------------------------------------

static void find_last_uses(const struct smr_graph *graph, uint32_t *last)
{
    for (uint32_t i = 0; i < graph->n_ops; i++) {
        const struct smr_op *op = &graph->ops[i];
        last[op->in] = last[op->in2] = last[op->in3] = last[op->out] = i;
    }
    last[graph->logits] = graph->n_ops; // copied to the host after the last operation
}

bool smr_schedule_place(const struct smr_schedule *schedule, const struct smr_shape *shape,
                        struct smr_arena *memory, struct smr_placement *placement)
{
    const struct smr_graph *graph = schedule->graph;
    uint32_t *last = smr_arena_alloc(memory, graph->n_values, sizeof(*last));
    struct ranges ranges = {
        .items = smr_arena_alloc(memory, graph->n_values + 1, sizeof(struct range)),
        .alignment = smr_max_u32(256, smr_device_limits(schedule->device)->binding_alignment)};
    placement->offsets = smr_arena_alloc(memory, graph->n_values, sizeof(uint64_t));
    placement->scratch = smr_arena_alloc(memory, graph->n_ops, sizeof(uint64_t));
    if (!last || !ranges.items || !placement->offsets || !placement->scratch)
        return false;
    find_last_uses(graph, last);
    for (uint32_t i = 0; i < graph->n_values; i++)
        placement->offsets[i] = UINT64_MAX;
    const struct smr_op_range ops = smr_shape_ops(graph, shape);
    for (uint32_t i = ops.begin; i < ops.end; i++) {
        smr_id out = graph->ops[i].out;
        uint64_t size = value_size(shape, &graph->values[out]);
        if (size && placement->offsets[out] == UINT64_MAX)
            placement->offsets[out] = take(&ranges, size, last[out]);
        uint64_t scratch = scratch_size(schedule, shape, &graph->ops[i]);
        if (scratch)
            placement->scratch[i] = take(&ranges, scratch, i);
        release(&ranges, i);
    }
    placement->size = ranges.end;
    return true;
}
