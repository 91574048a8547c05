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
    uint64_t *scratch; // [n_ops], partial results of split attention
    uint64_t size;     // bytes of arena
};

struct smr_program {
    struct smr_shape shape; // n_keys rounded up to its bucket
    uint64_t last_use;
    smr_list *list;
    struct smr_dispatch *dispatches; // while it is made; NULL afterwards
    uint32_t n_dispatches, capacity;
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
    uint32_t n_weights, weights_capacity;
    smr_buffer **cache; // [2 * n_layers]: keys, values
    // The same for sources, [2 * (n_layers + 1)], the encoder's own last; NULL without an encoder.
    smr_buffer **source_cache;
    smr_buffer *step; // what the host fills in
    struct smr_binding rows, pages, outputs, copies, source_pages, source_lengths;
    smr_list *copy_list;          // made on first need
    smr_buffer *reduced, *logits; // READBACK; logits made on first need
    smr_buffer *arena;

    struct smr_program programs[SMR_MAX_PROGRAMS];
    uint64_t n_runs, compile_ns, tune_ns;
    struct smr_memory_use use;
};

// weights.c
bool smr_schedule_place_weights(struct smr_schedule *schedule);

// place.c. The operations of a shape's part of the graph; rows of a value; splits of an attention.
struct smr_op_range {
    uint32_t begin, end;
};
struct smr_op_range smr_shape_ops(const struct smr_graph *graph, const struct smr_shape *shape);
uint32_t smr_shape_rows(const struct smr_shape *shape, enum smr_rows rows);
uint32_t smr_shape_splits(const struct smr_schedule *schedule, const struct smr_shape *shape,
                          const struct smr_op *op);
bool smr_schedule_place(const struct smr_schedule *schedule, const struct smr_shape *shape,
                        struct smr_arena *memory, struct smr_placement *placement);

// emit.c: fills in program->dispatches.
bool smr_schedule_emit(struct smr_schedule *schedule, struct smr_program *program,
                       const struct smr_placement *placement);

// tune.c: measure what the program's dispatches could be done by, where that is asked for and not
// known. *changed: for some of them something else than the default is the best.
bool smr_schedule_tune(struct smr_schedule *schedule, const struct smr_program *program,
                       bool *changed);

// schedule.c: choose the kernels of program->dispatches and compile them.
bool smr_schedule_choose_kernels(struct smr_schedule *schedule, const struct smr_program *program);
