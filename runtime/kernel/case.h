// case.h - one dispatch of a kernel on made-up inputs, and what the device makes of them compared
// with what the kernel's twin does: for the trial of kernels on a device that was not seen before
// (trial.c), and for the device suite, which has many more cases (tests/device_suite).
//
// What the twin writes must be matched to the tolerance of the kernel's registry row, or to that of
// the variant where it has its own, as normalised mean squared error (sum of squared differences over
// sum of squares); what it leaves alone, and guard areas around every operand, must not change.
#pragma once

#include "kernel/kernel.h"

// What a binding holds before the dispatch, on the host.
struct smr_operand {
    void *data;
    size_t size; // bytes, a multiple of 4
};

struct smr_case {
    struct smr_arena *arena; // all memory of the case
    uint64_t random;         // state
    enum smr_kernel_id id;
    enum smr_type type;
    const void *push; // the kernel's struct
    struct smr_operand operands[SMR_MAX_BINDINGS];
    double tolerance;
};

struct smr_case_params {
    enum smr_kernel_id id;
    enum smr_type type;
    const void *push; // must live as long as the case
    // attention, rope_store: rows at random positions up to this one, where the last row is, some of
    // them padding; with 0 a prompt, one row after the other. attention: of so many sequences.
    uint32_t last_position;
    uint32_t n_sequences;
    const struct smr_draw *draw; // sample, penalise; NULL: the usual one
    float range, middle;         // activate: inputs are so far from the middle at most; range 0: 5
};

// Make inputs that fit the push. The same parameters give the same inputs. Memory comes from
// `arena`; false, with an error, when there is none.
bool smr_case_init(struct smr_case *c, struct smr_arena *arena,
                   const struct smr_case_params *params);

struct smr_case_result {
    double error;      // the worst output's; NAN where something is not finite and should be
    double tolerance;  // of the variant for this case
    char problem[200]; // what is wrong; empty where all is as the twin does it
    double first_ns;   // submitting and waiting, the first time
    double time_ns;    // with n_timed: of one of that many dispatches in a submission
};

// Dispatch the case once, then n_timed times to time it. False, with an error, when it could not be
// run; a wrong output is no error.
bool smr_case_run(struct smr_kernel_set *set, const struct smr_kernel_key *key,
                  const struct smr_case *c, uint32_t n_timed, struct smr_case_result *result);

// ---- making operands; without memory `data` is NULL ---------------------------------------------

// Values are even in [-1, 1), times `scale`.
struct smr_operand smr_case_floats(struct smr_case *c, size_t n, float scale);
struct smr_operand smr_case_bytes(struct smr_case *c, size_t size); // size is rounded up to 4
uint32_t smr_case_random(struct smr_case *c, uint32_t n);           // in [0, n)
float smr_case_random_float(struct smr_case *c);                    // in [-1, 1)

// Fill `out` with smr_type_size(type, n_elements) bytes of weights: every bit of a block random, but
// for the f16 scales, which are finite, make weights of magnitude around one, and are denormal now
// and then. The same seed gives the same bytes.
void smr_random_blocks(enum smr_type type, uint64_t n_elements, uint64_t seed, void *out);

// ---- per kernel (case_inputs.c) -----------------------------------------------------------------

struct smr_case_inputs {
    void (*make)(struct smr_case *c, const struct smr_case_params *params); // fill in the operands
    // How floats are read from output `binding` where it does not hold plain f32: fill in `values`
    // (room for as many as the operand has bytes) and return how many there are. Optional.
    size_t (*decode)(const struct smr_case *c, uint32_t binding, const void *data, float *values);
    // More to see to, given the output the twin made and that of the device. Returns what is wrong,
    // or NULL. Optional.
    const char *(*check)(const struct smr_case *c, uint32_t binding, const void *expected,
                         const void *actual);
    bool packed; // words of outputs are more than one value, or no f32
};
extern const struct smr_case_inputs smr_case_inputs[SMR_N_KERNELS];

// case_sample.c: of pick, penalise and sample. Their outputs are tokens, but for logits.
void smr_case_make_pick(struct smr_case *c, const struct smr_case_params *params);
void smr_case_make_penalise(struct smr_case *c, const struct smr_case_params *params);
void smr_case_make_sample(struct smr_case *c, const struct smr_case_params *params);
size_t smr_case_decode_tokens(const struct smr_case *c, uint32_t binding, const void *data,
                              float *values);
// Reduce the logits of a sample case again, after they were changed.
void smr_case_reduce(struct smr_case *c);
