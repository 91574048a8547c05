// measure.h - how long a kernel takes on a device: for choosing among variants, and for showing.
//
// Times are the device's own where it has timestamps, else the host's from submission to the end of
// waiting, over so many dispatches that the submission counts for little. Dispatches run one after
// the other, as in a step. A weight that is read again and again comes from a cache, which a model's
// does not: give several dispatches, each with a matrix of its own.
#pragma once

#include "kernel/case.h"

// What a dispatch is given. All of a measurement share a key.
struct smr_dispatch_args {
    const struct smr_binding *bindings; // in the order of kernel.h
    const void *push;                   // the kernel's struct
};

struct smr_measure_params {
    const struct smr_dispatch_args *args; // [n_args], taken in turn
    uint32_t n_args;
    uint64_t budget_ns; // to be spent on the device, about; 0: 10 ms. One dispatch may take longer
};

// Seconds that one dispatch takes: of several runs the fastest, since others are disturbed. Compiles
// the kernel if it is not there. What the dispatches write is undefined afterwards. Returns false with
// an error when it cannot be compiled, recorded or run.
bool smr_kernel_measure(struct smr_kernel_set *set, const struct smr_kernel_key *key,
                        const struct smr_measure_params *params, double *seconds);

// ---- made-up inputs -----------------------------------------------------------------------------

// Inputs on the device that fit one push, for measuring any number of variants on the same. The
// largest operand that is only read is there several times, as long as all together are smaller than
// `spread` bytes.
struct smr_measure_inputs {
    smr_device *device;
    smr_buffer *buffer;
    struct smr_binding *bindings;   // [n_args][SMR_MAX_BINDINGS]
    struct smr_dispatch_args *args; // [n_args], with the push of `params`, which must stay
    uint32_t n_args;
};

enum { SMR_MEASURE_SPREAD = 128 << 20 }; // more than most devices' caches hold

// `params` as for a case (case.h). Host memory of the operands' size is needed while this runs. False
// with an error when there is not enough memory.
bool smr_measure_inputs_init(struct smr_measure_inputs *inputs, smr_device *device,
                             const struct smr_case_params *params, uint64_t spread);
void smr_measure_inputs_finish(struct smr_measure_inputs *inputs); // also of a zeroed one

// Time one key by inputs made for this call.
bool smr_kernel_measure_case(struct smr_kernel_set *set, const struct smr_kernel_key *key,
                             const struct smr_case_params *params, double *seconds);
