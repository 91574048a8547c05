// schedule_impl.h - what the files of this room share.
#pragma once

#include "schedule/schedule.h"

// A weight on the device: the whole of it, or parts by rows where the device's limits ask for that.
struct smr_part {
    struct smr_binding binding;
    uint32_t at; // byte of the binding where the first row begins: devices bind at round offsets
    uint32_t row_begin, row_count;
};
struct smr_placed {
    struct smr_part *parts;
    uint32_t n_parts;
};

// An operation as it is dispatched: one of the graph, with those neighbours that are done along
// with it. Operands are those after fusing: what is not made any more is not there.
struct smr_step_part {
    smr_id weight, bias, out;
};
struct smr_step {
    struct smr_op op;
    uint32_t op_index; // of it in the graph
    // RMS norms that are folded in: MATMUL, of its input; ROPE_STORE, of the heads of queries and
    // keys.
    smr_id norm, key_norm;
    // NORM that is added to its result: the weights of the next norm, of that, and what this one
    // makes.
    smr_id next_norm, next_out;
    // MATMUL: products of the same input, of weights of one type; [0] is op's own. Where there are
    // several, what they make lies side by side, as the columns of one matrix.
    struct smr_step_part parts[SMR_MATVEC_MAX_PARTS];
    uint32_t n_parts; // 1 but for MATMUL
    bool gated;       // out = op.activation(parts[0]) * parts[1], which are made nowhere else
};
struct smr_plan {
    struct smr_step *steps;
    uint32_t n_steps;
};

// One dispatch of a program, before it is recorded.
struct smr_dispatch {
    struct smr_kernel_key key;
    struct smr_binding bindings[SMR_MAX_BINDINGS];
    uint8_t push[SMR_MAX_PUSH_SIZE];
    uint32_t op;
};

// Where activations lie for one shape.
struct smr_placement {
    uint64_t *offsets; // [n_values], in the arena; UINT64_MAX where there is none
    uint64_t *scratch; // [n_steps], partial results of split attention
    uint64_t size;     // bytes of arena
};

struct smr_program {
    struct smr_shape shape; // n_keys rounded up to its bucket
    uint64_t last_use;
    smr_list *list;
    struct smr_dispatch *dispatches; // while it is made; NULL afterwards
    uint32_t n_dispatches;
    size_t capacity;
};

enum { SMR_MAX_PROGRAMS = 24 };

struct smr_schedule {
    smr_context *context;
    smr_device *device;
    struct smr_kernel_set *kernels;
    const struct smr_graph *graph;
    struct smr_schedule_params params;

    struct smr_placed *placed; // [n_values]: weights and constants
    struct smr_arena memory;   // host memory of `placed`
    smr_buffer **weights;      // all buffers that hold weights and constants
    uint32_t n_weights;
    size_t weights_capacity;
    smr_buffer **cache; // [2 * n_layers]: keys, values
    // The same for sources, [2 * (n_layers + 1)], the encoder's own last; NULL without an encoder.
    smr_buffer **source_cache;
    smr_buffer *step; // what the host fills in
    struct smr_binding rows, rows_odd, pages, outputs, copies, source_pages, source_lengths;
    struct smr_binding draws[2], history, bias; // draws: of even steps and of odd ones
    smr_list *copy_list;                        // made on first need
    smr_buffer *reduced, *logits;               // READBACK; logits made on first need
    uint64_t reduced_odd; // byte of `reduced` where the results of odd steps begin
    smr_buffer *picked;   // the token of the next step of a chain
    smr_buffer *counts;   // of tokens, for penalties: zero; made on first need
    smr_buffer *drawn;    // READBACK; as `draws`
    struct smr_binding drawn_tokens[2];
    smr_buffer *arena;

    struct smr_program programs[SMR_MAX_PROGRAMS];
    uint64_t n_runs, compile_ns, tune_ns;
    struct smr_memory_use use;
};

// weights.c
bool smr_schedule_place_weights(struct smr_schedule *schedule);

// fuse.c: the steps of a shape. Without weights on the device yet, products stay alone.
bool smr_schedule_fuse(const struct smr_schedule *schedule, const struct smr_shape *shape,
                       struct smr_arena *memory, struct smr_plan *plan);
// The kernel that multiplies n_rows rows.
enum smr_kernel_id smr_schedule_product(const struct smr_schedule *schedule, uint32_t n_rows);
// Make one binding of two that lie in the same buffer. False when they do not, or are too far apart
// to be bound at once.
bool smr_cover(const struct smr_limits *limits, struct smr_binding *a, const struct smr_binding *b);

// place.c. Rows of a value; splits of an attention; where activations lie.
uint32_t smr_shape_rows(const struct smr_shape *shape, enum smr_rows rows);
uint32_t smr_shape_splits(const struct smr_schedule *schedule, const struct smr_shape *shape,
                          const struct smr_op *op);
bool smr_schedule_place(const struct smr_schedule *schedule, const struct smr_shape *shape,
                        const struct smr_plan *plan, struct smr_arena *memory,
                        struct smr_placement *placement);

// emit.c: fills in program->dispatches.
bool smr_schedule_emit(struct smr_schedule *schedule, struct smr_program *program,
                       const struct smr_plan *plan, const struct smr_placement *placement);

// tune.c: measure what the program's dispatches could be done by, where that is asked for and not
// known. *changed: for some of them something else than the default is the best.
bool smr_schedule_tune(struct smr_schedule *schedule, const struct smr_program *program,
                       bool *changed);

// schedule.c: choose the kernels of program->dispatches and compile them.
bool smr_schedule_choose_kernels(struct smr_schedule *schedule, const struct smr_program *program);
