// place.c - activations share one arena: two that are never alive together may lie on each other.
#include "schedule/schedule_impl.h"

// Decode attention is split along the keys, so that a long cache is read by more workgroups than
// there are heads. A split should have this many keys to be worth its merge.
enum { KEYS_PER_SPLIT = 256, MAX_SPLITS = 16 };

uint32_t smr_shape_rows(const struct smr_shape *shape, enum smr_rows rows)
{
    return rows == SMR_ROWS_BATCH ? shape->n_rows : shape->n_outputs;
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

static void find_last_uses(const struct smr_graph *graph, const struct smr_plan *plan,
                           uint32_t *last)
{
    for (uint32_t i = 0; i < plan->n_steps; i++) {
        const struct smr_step *step = &plan->steps[i];
        last[step->op.in] = last[step->op.in2] = last[step->op.in3] = last[step->op.out] = i;
        last[step->next_out] = i;
        for (uint32_t j = 0; j < step->n_parts; j++)
            last[step->parts[j].out] = i;
    }
    last[graph->logits] = plan->n_steps; // copied to the host after the last step
}

struct placer {
    const struct smr_schedule *schedule;
    const struct smr_shape *shape;
    struct smr_placement *placement;
    struct ranges ranges;
    uint32_t *last; // [n_values], step that uses it last
};

// What several products of a step make, of one row: side by side, each where a binding may begin.
static void place_parts(struct placer *p, const struct smr_step *step)
{
    const struct smr_value *values = p->schedule->graph->values;
    const uint32_t alignment = p->ranges.alignment;
    uint64_t width = 0; // bytes
    uint32_t last = 0;
    for (uint32_t i = 0; i < step->n_parts; i++) {
        width += smr_align_up(values[step->parts[i].out].n_cols * 4ull, alignment);
        last = smr_max_u32(last, p->last[step->parts[i].out]);
    }
    uint64_t offset = take(&p->ranges, width, last);
    for (uint32_t i = 0; i < step->n_parts; i++) {
        const smr_id out = step->parts[i].out;
        p->placement->offsets[out] = offset;
        offset += smr_align_up(values[out].n_cols * 4ull, alignment);
    }
}

static void place_step(struct placer *p, const struct smr_step *step, uint32_t index)
{
    const smr_id out = step->op.out;
    const uint64_t size = value_size(p->shape, &p->schedule->graph->values[out]);
    const uint64_t scratch = scratch_size(p->schedule, p->shape, &step->op);
    if (size && step->n_parts > 1 && !step->gated)
        place_parts(p, step);
    else if (size && p->placement->offsets[out] == UINT64_MAX)
        p->placement->offsets[out] = take(&p->ranges, size, p->last[out]);
    if (step->next_out)
        p->placement->offsets[step->next_out] =
            take(&p->ranges, value_size(p->shape, &p->schedule->graph->values[step->next_out]),
                 p->last[step->next_out]);
    if (scratch)
        p->placement->scratch[index] = take(&p->ranges, scratch, index);
}

bool smr_schedule_place(const struct smr_schedule *schedule, const struct smr_shape *shape,
                        const struct smr_plan *plan, struct smr_arena *memory,
                        struct smr_placement *placement)
{
    const struct smr_graph *graph = schedule->graph;
    const uint32_t alignment =
        smr_max_u32(256, smr_device_limits(schedule->device)->binding_alignment);
    struct placer p = {
        .schedule = schedule,
        .shape = shape,
        .placement = placement,
        .ranges = {.items = smr_arena_alloc(memory, graph->n_values + 1, sizeof(struct range)),
                   .alignment = alignment},
        .last = smr_arena_alloc(memory, graph->n_values, sizeof(*p.last))};
    placement->offsets = smr_arena_alloc(memory, graph->n_values, sizeof(uint64_t));
    placement->scratch = smr_arena_alloc(memory, plan->n_steps, sizeof(uint64_t));
    if (!p.last || !p.ranges.items || !placement->offsets || !placement->scratch)
        return false;
    find_last_uses(graph, plan, p.last);
    for (uint32_t i = 0; i < graph->n_values; i++)
        placement->offsets[i] = UINT64_MAX;
    for (uint32_t i = 0; i < plan->n_steps; i++) {
        place_step(&p, &plan->steps[i], i);
        release(&p.ranges, i);
    }
    placement->size = p.ranges.end;
    return true;
}
