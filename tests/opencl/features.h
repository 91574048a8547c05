// features.h - shaders that use what a translation can get wrong, with what they must compute.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct feature {
    const char *name;      // tests/opencl/NAME.comp
    uint32_t constants[4]; // from id 1 on; the workgroup's size is 0
    uint32_t n_constants;  // all
    uint32_t n_push;       // words; the first two are n and extra
    bool subgroups;        // only for devices that have them
    bool dots;             // as dots.comp says; for OpenCL
    // Bytes of the output for n inputs.
    size_t (*size)(uint32_t n);
    // From `in` (n + 2 words) to `out`, which has what the device's buffer has before. `local`: the
    // size of a workgroup, of which there are as many as cover n.
    void (*expect)(const uint32_t *in, uint32_t *out, const uint32_t *push, uint32_t local);
};
extern const struct feature features[];
extern const size_t n_features;
