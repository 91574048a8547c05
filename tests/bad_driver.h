// bad_driver.h - a driver that miscompiles: a good one whose table of functions was changed. It gets
// SPIR-V with an instruction exchanged for another, drops the last workgroups, or refuses to compile.
#pragma once

#include "device/device_impl.h"
#include "kernel/kernel.h"

#include <stdatomic.h>

// One instruction for another; where `ext` is not 0, among those of GLSL.std.450.
struct bug {
    const char *name;
    uint16_t op, other; // other 0: see apply()
    uint32_t ext, other_ext;
};
enum { N_BUGS = 14, DROP_WORKGROUPS = N_BUGS - 1 };
extern const struct bug bugs[N_BUGS];

extern struct bad_driver {
    struct smr_device_impl impl;          // ours
    const struct smr_device_impl *honest; // the driver's
    const char *victim;                   // part of the names of kernels that it harms; NULL: none
    const struct bug *bug;                // NULL: refuses to compile
    uint32_t place;                       // of the instruction, counted from 0
    atomic_uint n_harmed;                 // kernels or dispatches
} driver;

// Have `driver` take the place of the device's. There is one of it.
void corrupt(smr_device *device);

// Places in a kernel's code where the bug can be.
uint32_t count_places(smr_context *context, const struct smr_kernel_key *key,
                      const struct bug *bug);
