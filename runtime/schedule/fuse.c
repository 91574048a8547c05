// fuse.c - which neighbours of the graph one dispatch does together.
//
// A dispatch costs some microseconds, and ends with a wait for its slowest part; what it computes for
// one row is often less. So, where nothing else reads what lies between, as the operands tell:
//
//     norm, product             the product norms its input itself
//     products of one input     one product, with the weights of all (queries, keys, values)
//     gate, up, activation      one product whose rows are made in pairs
//     norms of heads, rotation  the rotation norms the heads itself
//     norm that is added, norm  one norm, of which a row stays where it is
//     rows that are wanted      nothing, where that is the only row there is
//
// With SMR_KERNELS_PLAIN each operation is a dispatch of its own, which checks all of this.
#include "schedule/schedule_impl.h"

// Columns up to which a norm is folded into products. Each workgroup takes the whole sum: on a
// processor, where their number does not hide that, 576 columns cost as much as the dispatch and 640
// more (SmolLM2 and Gemma 3 on PoCL).
enum { MOST_NORM_COLS = 8192, MOST_NORM_COLS_CPU = 512 };

struct fuser {
    const struct smr_schedule *schedule;
    const struct smr_graph *graph;
    const struct smr_limits *limits;
    const struct smr_shape *shape;
    struct smr_step *steps;
    uint32_t n_steps;
};

// ---- who reads and writes what --------------------------------------------------------------------

static bool reads(const struct smr_step *step, smr_id id)
{
    const struct smr_op *op = &step->op;
    return op->in == id || op->in2 == id || op->in3 == id || (op->add && op->out == id);
}

static bool writes(const struct smr_step *step, smr_id id)
{
    if (step->op.kind == SMR_OP_ROPE_STORE && step->op.in == id)
        return true;
    for (uint32_t i = 1; i < step->n_parts; i++)
        if (step->parts[i].out == id && !step->gated)
            return true;
    return step->op.out == id || step->next_out == id;
}

static uint32_t count_readers(const struct fuser *f, smr_id id)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < f->n_steps; i++)
        n += reads(&f->steps[i], id);
    return n;
}

static void drop(struct fuser *f, uint32_t index)
{
    f->n_steps--;
    for (uint32_t i = index; i < f->n_steps; i++)
        f->steps[i] = f->steps[i + 1];
}

// Let all steps from `index` on take `to` for `from`.
static void rename_value(struct fuser *f, uint32_t index, smr_id from, smr_id to)
{
    for (uint32_t i = index; i < f->n_steps; i++) {
        struct smr_op *op = &f->steps[i].op;
        smr_id *const operands[] = {&op->in, &op->in2, &op->in3, &op->out,
                                    &f->steps[i].parts[0].out};
        for (size_t j = 0; j < SMR_COUNT(operands); j++)
            if (*operands[j] == from)
                *operands[j] = to;
    }
}

static uint32_t rows_of(const struct fuser *f, smr_id id)
{
    return smr_shape_rows(f->shape, f->graph->values[id].rows);
}

static uint32_t cols_of(const struct fuser *f, smr_id id)
{
    return f->graph->values[id].n_cols;
}

// ---- rows that are wanted -------------------------------------------------------------------------

// Of one row in a step the one that is wanted is that one.
static void drop_gathers(struct fuser *f)
{
    if (f->shape->n_rows != 1 || f->shape->n_outputs != 1)
        return;
    for (uint32_t i = 0; i < f->n_steps;) {
        const struct smr_op op = f->steps[i].op;
        if (op.kind != SMR_OP_GATHER) {
            i++;
            continue;
        }
        drop(f, i);
        rename_value(f, i, op.out, op.in);
    }
}

// ---- norms ----------------------------------------------------------------------------------------

static bool is_rms_norm(const struct smr_step *step)
{
    const struct smr_op *op = &step->op;
    return op->kind == SMR_OP_NORM && !op->layer_norm && !op->bias && !op->add;
}

static bool is_matvec(const struct fuser *f, const struct smr_step *step)
{
    return step->op.kind == SMR_OP_MATMUL &&
           smr_schedule_product(f->schedule, rows_of(f, step->op.in)) == SMR_KERNEL_MATVEC;
}

// Whether all that read the norm at `index` are products that can do it, and what it reads is still
// there when they are made.
static bool norm_folds(const struct fuser *f, uint32_t index)
{
    const struct smr_op *norm = &f->steps[index].op;
    bool changed = false;
    if (!is_rms_norm(&f->steps[index]) || norm->n_heads != 1 ||
        cols_of(f, norm->in) > (f->limits->cpu ? MOST_NORM_COLS_CPU : MOST_NORM_COLS))
        return false;
    for (uint32_t i = index + 1; i < f->n_steps; i++) {
        const struct smr_step *step = &f->steps[i];
        changed = changed || writes(step, norm->in);
        if (reads(step, norm->out) && (changed || !is_matvec(f, step)))
            return false;
    }
    return true;
}

static void fold_norms(struct fuser *f)
{
    for (uint32_t i = 0; i < f->n_steps;) {
        if (!norm_folds(f, i)) {
            i++;
            continue;
        }
        const struct smr_op norm = f->steps[i].op;
        drop(f, i);
        for (uint32_t j = i; j < f->n_steps; j++) {
            if (f->steps[j].op.in != norm.out)
                continue;
            f->steps[j].op.in = norm.in;
            f->steps[j].norm = norm.weight;
        }
    }
}

// Norms that no product takes, where they come after one that is added to what they norm.
static void fold_next_norms(struct fuser *f)
{
    for (uint32_t i = 0; i + 1 < f->n_steps; i++) {
        struct smr_op added = f->steps[i].op;
        const struct smr_op next = f->steps[i + 1].op;
        const bool adds = added.kind == SMR_OP_NORM && added.add;
        added.add = false;
        const struct smr_step alone = {.op = added};
        if (!adds || !is_rms_norm(&alone) || added.n_heads != 1 || !is_rms_norm(&f->steps[i + 1]) ||
            next.n_heads != 1 || next.in != added.out)
            continue;
        f->steps[i].next_norm = next.weight;
        f->steps[i].next_out = next.out;
        drop(f, i + 1);
    }
}

// ---- norms of heads -------------------------------------------------------------------------------

// The norm of heads that made a value for the rotation at step `index`, where the rotation can do it
// and nothing but it and attention has a use for the result; UINT32_MAX: there is none.
static uint32_t head_norm(const struct fuser *f, uint32_t index, smr_id heads)
{
    const uint32_t head_dim = f->graph->model->hparams.head_dim;
    for (uint32_t i = index; i-- > 0 && heads;) {
        const struct smr_op *op = &f->steps[i].op;
        if (op->out == heads)
            return is_rms_norm(&f->steps[i]) && cols_of(f, op->in) / op->n_heads == head_dim &&
                           count_readers(f, op->in) == 1
                       ? i
                       : UINT32_MAX;
    }
    return UINT32_MAX;
}

static void fold_head_norms(struct fuser *f)
{
    for (uint32_t i = 0; i < f->n_steps; i++) {
        struct smr_step *step = &f->steps[i];
        if (step->op.kind != SMR_OP_ROPE_STORE || !step->op.weight)
            continue;
        uint32_t of_queries = head_norm(f, i, step->op.in), of_keys = head_norm(f, i, step->op.in2);
        if (of_queries == UINT32_MAX || of_keys == UINT32_MAX || of_queries >= of_keys)
            continue;
        const struct smr_op q = f->steps[of_queries].op, k = f->steps[of_keys].op;
        step->norm = q.weight;
        step->key_norm = k.weight;
        drop(f, of_keys);
        drop(f, of_queries);
        rename_value(f, of_queries, q.out, q.in);
        rename_value(f, of_queries, k.out, k.in);
        i -= 2;
    }
}

// ---- products of one input ------------------------------------------------------------------------

bool smr_cover(const struct smr_limits *limits, struct smr_binding *a, const struct smr_binding *b)
{
    const uint64_t far = 1u << 30; // kernels count bytes in 32 bits
    uint64_t begin = a->offset < b->offset ? a->offset : b->offset;
    uint64_t end = a->offset + a->size;
    if (end < b->offset + b->size)
        end = b->offset + b->size;
    if (a->buffer != b->buffer || end - begin > far || end - begin > limits->max_binding_size)
        return false;
    *a = (struct smr_binding){a->buffer, begin, end - begin};
    return true;
}

// Whether one binding covers the weights of all parts and of `part`.
static bool covers(const struct fuser *f, const struct smr_step *step,
                   const struct smr_step_part *part)
{
    const struct smr_placed *placed = f->schedule->placed;
    if (!placed || placed[part->weight].n_parts != 1 || placed[step->op.weight].n_parts != 1)
        return false;
    struct smr_binding all = placed[part->weight].parts[0].binding;
    for (uint32_t i = 0; i < step->n_parts; i++)
        if (!smr_cover(f->limits, &all, &placed[step->parts[i].weight].parts[0].binding))
            return false;
    return true;
}

// Whether step `other`, which comes next, goes up where `step` is its gate: they become one.
static bool is_pair(const struct fuser *f, const struct smr_step *step,
                    const struct smr_step *other)
{
    const struct smr_step *act = other + 1;
    return act < f->steps + f->n_steps && act->op.kind == SMR_OP_ACTIVATE &&
           act->op.in == step->op.out && act->op.in2 == other->op.out;
}

static bool joins(const struct fuser *f, const struct smr_step *step, const struct smr_step *other)
{
    const struct smr_value *values = f->graph->values;
    return other->op.kind == SMR_OP_MATMUL && step->n_parts < SMR_MATVEC_MAX_PARTS &&
           step->op.in == other->op.in && step->norm == other->norm && !other->op.add &&
           !step->op.bias == !other->op.bias &&
           values[step->op.weight].tensor->type == values[other->op.weight].tensor->type &&
           values[other->op.out].kind == SMR_VALUE_ACTIVATION &&
           // Several rows would lie side by side, and operands that do overlap.
           (rows_of(f, step->op.in) == 1 || is_pair(f, step, other)) &&
           covers(f, step, &other->parts[0]);
}

static void join_products(struct fuser *f)
{
    for (uint32_t i = 0; i < f->n_steps; i++) {
        struct smr_step *step = &f->steps[i];
        if (!is_matvec(f, step) || step->op.add ||
            f->graph->values[step->op.out].kind != SMR_VALUE_ACTIVATION)
            continue;
        // Others of the same input come next; one of another type may be among them.
        for (uint32_t j = i + 1; j < f->n_steps && f->steps[j].op.in == step->op.in &&
                                 f->steps[j].op.kind == SMR_OP_MATMUL;) {
            if (!joins(f, step, &f->steps[j])) {
                j++;
                continue;
            }
            step->parts[step->n_parts++] = f->steps[j].parts[0];
            drop(f, j);
        }
    }
}

// ---- gates ----------------------------------------------------------------------------------------

static bool is_gate(const struct fuser *f, const struct smr_step *step, const struct smr_step *act)
{
    return step->op.kind == SMR_OP_MATMUL && step->n_parts == 2 && !step->op.bias &&
           act->op.kind == SMR_OP_ACTIVATE && act->op.in == step->parts[0].out &&
           act->op.in2 == step->parts[1].out && act->op.activation != SMR_OP_SOFTCAP &&
           cols_of(f, act->op.in) == cols_of(f, act->op.in2) && count_readers(f, act->op.in) == 1 &&
           count_readers(f, act->op.in2) == 1;
}

static void fold_gates(struct fuser *f)
{
    for (uint32_t i = 0; i + 1 < f->n_steps; i++) {
        struct smr_step *step = &f->steps[i];
        const struct smr_op act = f->steps[i + 1].op;
        if (!is_gate(f, step, &f->steps[i + 1]))
            continue;
        step->gated = true;
        step->op.activation = act.activation;
        step->op.out = act.out;
        drop(f, i + 1);
    }
}

// ---- all of it ------------------------------------------------------------------------------------

enum smr_kernel_id smr_schedule_product(const struct smr_schedule *schedule, uint32_t n_rows)
{
    // matvec is compiled for each number of rows, or for some of them: worth it where compiling is
    // quick and a few rows come again and again, not by Vulkan drivers that are a processor. On others of
    // those the sums of more than four rows take registers that only the widest vectors have.
    const struct smr_limits *limits = smr_device_limits(schedule->device);
    const bool slow = limits->capabilities & SMR_CAP_SUBGROUP;
    const bool all = !limits->cpu || limits->vector_floats >= 16;
    const uint32_t most = all ? SMR_MATVEC_MAX_ROWS : slow ? 1 : 4;
    return n_rows <= most ? SMR_KERNEL_MATVEC : SMR_KERNEL_MATMUL;
}

bool smr_schedule_fuse(const struct smr_schedule *schedule, const struct smr_shape *shape,
                       struct smr_arena *memory, struct smr_plan *plan)
{
    const struct smr_graph *graph = schedule->graph;
    const uint32_t begin = shape->encode ? 0 : graph->n_encode_ops;
    const uint32_t end = shape->encode ? graph->n_encode_ops : graph->n_ops;
    struct fuser f = {.schedule = schedule,
                      .graph = graph,
                      .limits = smr_device_limits(schedule->device),
                      .shape = shape,
                      .n_steps = end - begin};
    f.steps = smr_arena_alloc(memory, f.n_steps, sizeof(*f.steps));
    if (!f.steps)
        return false;
    for (uint32_t i = 0; i < f.n_steps; i++) {
        const struct smr_op *op = &graph->ops[begin + i];
        f.steps[i] = (struct smr_step){.op = *op,
                                       .op_index = begin + i,
                                       .parts = {{op->weight, op->bias, op->out}},
                                       .n_parts = 1};
    }
    if (smr_kernel_set_mode(schedule->kernels) != SMR_KERNELS_PLAIN) {
        drop_gathers(&f);
        fold_head_norms(&f);
        fold_norms(&f);
        fold_next_norms(&f);
        join_products(&f);
        fold_gates(&f);
    }
    *plan = (struct smr_plan){f.steps, f.n_steps};
    return true;
}
