// schedule.h - from a graph to recorded command lists on one device.
//
// A schedule holds what all steps of one model on one device share: uploaded weights, the KV cache,
// the buffers through which the host passes a step and reads its result, and one arena for
// activations. For each batch shape it plans, records once, and replays:
//
//     weights.c  weights on the device, split by rows where they exceed its limits
//     fuse.c     operations to steps: neighbours that one dispatch does
//     place.c    activations in the arena, by their lifetimes
//     emit.c     steps to dispatches: kernel, bindings, parameters
//     tune.c     measuring what a program's kernels could be
//     schedule.c programs by shape: build, record, submit, wait
//     profile.c  a step once more, each of its dispatches timed
//     copy.c     pages of the KV cache to other pages, for texts that part ways
//
// What changes between two steps of one shape is data in buffers, never the recording.
#pragma once

#include "graph/graph.h"
#include "kernel/kernel.h"

struct smr_schedule;

struct smr_schedule_params {
    enum smr_tuning_mode tuning;
    enum smr_type cache_type; // SMR_F16, SMR_F32 or SMR_Q8_0
    uint32_t max_rows;        // of one step
    uint32_t max_outputs;     // rows of one step whose logits are wanted
    uint32_t max_sequences;   // rows of the page table
    uint32_t max_pages;       // columns of the page table: pages of one sequence
    uint32_t n_pages;         // of the KV cache
    uint32_t page_size;       // slots (tokens) of a page
    // Of an encoder-decoder model: tokens of a source, which are the rows of its step, and the pages
    // that keys and values of sources lie in. Zero for others.
    uint32_t max_source, max_source_pages, n_source_pages;
    void (*progress)(void *user, const char *what, float fraction); // optional
    void *user;
};

// Uploads the weights. Fails with SMR_ERROR_MEMORY when the model does not fit, saying what it needs.
// `device`, `kernels` and `graph` must outlive the schedule.
struct smr_schedule *smr_schedule_create(smr_device *device, struct smr_kernel_set *kernels,
                                         const struct smr_graph *graph,
                                         const struct smr_schedule_params *params);
void smr_schedule_destroy(struct smr_schedule *schedule);

// Steps of one row can follow each other without the host knowing the tokens between them: each of a
// chain chooses the token for the next. Two of them have rows, draws and results of their own, so that
// one is computed while the other's result is read.
enum smr_chain_step {
    SMR_CHAIN_NONE,
    SMR_CHAIN_FIRST, // of the token in its row
    SMR_CHAIN_ODD,   // of the token that was picked before; rows and results: _odd()
    SMR_CHAIN_EVEN,
};

// How a step of a chain chooses.
enum smr_choice {
    SMR_CHOICE_BEST,      // the most likely token; the host finds it in what reduce made
    SMR_CHOICE_DRAWN,     // by kernel sample
    SMR_CHOICE_PENALISED, // the same after kernel penalise
};

// What makes two steps use the same program.
struct smr_shape {
    uint32_t n_rows;    // 1 to max_rows
    uint32_t n_outputs; // 0 to max_outputs
    uint32_t n_keys;    // the longest sequence in the step, this step included
    bool read_logits;   // copy logits to where the host can read them
    uint32_t n_source;  // the longest source that is attended to; 0 without an encoder
    enum smr_chain_step chain;
    enum smr_choice choice; // of a chain
    bool encode; // the encoder's part of the graph: n_rows is up to max_source, no outputs
};

// What the host fills in before a step...
struct smr_row *smr_schedule_rows(struct smr_schedule *schedule); // [max_rows], or max_source
uint32_t *smr_schedule_pages(struct smr_schedule *schedule);      // [max_sequences, max_pages]
uint32_t *smr_schedule_outputs(struct smr_schedule *schedule);    // [max_outputs]
// Of steps of a chain that draw: how. For penalties the text's tokens by position, but for the one
// that the step computes; n_bias of the biases.
struct smr_draw *smr_schedule_draw(struct smr_schedule *schedule, enum smr_chain_step step);
uint32_t *smr_schedule_history(struct smr_schedule *schedule); // [max_pages * page_size]
enum { SMR_MAX_DRAW_BIAS = 256 };
struct smr_draw_bias *smr_schedule_bias(struct smr_schedule *schedule); // [SMR_MAX_DRAW_BIAS]
// Of an encoder-decoder model, for the source of each sequence: its pages [max_sequences,
// max_source_pages] and its length [max_sequences]. Sequences may have the same source.
uint32_t *smr_schedule_source_pages(struct smr_schedule *schedule);
uint32_t *smr_schedule_source_lengths(struct smr_schedule *schedule);
// ...and reads after it. Logits only where the shape said so.
const struct smr_reduced *smr_schedule_reduced(
    struct smr_schedule *schedule);                                   // [n_outputs, chunks]
const float *smr_schedule_logits(struct smr_schedule *schedule);      // [n_outputs, n_vocab]
struct smr_row *smr_schedule_rows_odd(struct smr_schedule *schedule); // [1]
const struct smr_reduced *smr_schedule_reduced_odd(struct smr_schedule *schedule); // [1, chunks]
// The token that was drawn, or SMR_NO_TOKEN where no logit is a number.
uint32_t smr_schedule_drawn(struct smr_schedule *schedule, enum smr_chain_step step);

// Make the program of a shape now, compiling its kernels, so that the first step does not wait.
bool smr_schedule_prepare(struct smr_schedule *schedule, const struct smr_shape *shape);

// Submit a step and wait for it, asleep. Makes the program when it is not there yet.
bool smr_schedule_run(struct smr_schedule *schedule, const struct smr_shape *shape);
// The two halves of it. Until the wait, the step's rows stay as they are, and no other step of the
// same shape is submitted.
bool smr_schedule_submit(struct smr_schedule *schedule, const struct smr_shape *shape);
bool smr_schedule_wait(struct smr_schedule *schedule, const struct smr_shape *shape);

// Copy the beginnings of pages to other pages, in every layer, before the step that is run next: for
// pages that two texts share and one of them is about to write. Fill in n <= max_sequences entries
// and submit; the copies are done before what is submitted later. Records its list at the first call.
struct smr_page_copy *smr_schedule_copies(struct smr_schedule *schedule); // [max_sequences]
bool smr_schedule_copy_pages(struct smr_schedule *schedule, uint32_t n);

// One dispatch of a step, and how long it takes.
struct smr_profiled {
    struct smr_kernel_key key;
    uint8_t push[SMR_MAX_PUSH_SIZE];
    double seconds; // the median; with what a timestamp costs
};
struct smr_profile {
    struct smr_profiled *dispatches; // [n], in their order
    uint32_t n;
    uint32_t n_rows; // of the step
    bool timed;      // false: the device has no timestamps, and `seconds` are 0
};

// Run the step that was run last n_runs times more, on the same data, with a timestamp after each
// dispatch. Its results are left as they were. Dispatches that could run side by side seem longer than
// they are. `profile` is to be released with smr_profile_finish().
bool smr_schedule_profile(struct smr_schedule *schedule, uint32_t n_runs,
                          struct smr_profile *profile);
void smr_profile_finish(struct smr_schedule *schedule, struct smr_profile *profile);

void smr_schedule_memory(const struct smr_schedule *schedule, struct smr_memory_use *use);
uint64_t smr_schedule_compile_ns(const struct smr_schedule *schedule); // spent in making programs
