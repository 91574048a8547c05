// peak.h - what a device can do at most, measured by kernels that do nothing else.
#pragma once

#include "kernel/kernel.h"

struct smr_peaks {
    double bytes_per_s; // read from memory, of a buffer that is larger than caches
    double flops_per_s; // f32, multiplications and additions, a fused pair counting as two
};

// Takes about a quarter of a second, and memory on the device for a moment: a quarter of a GiB, or
// less where there is not as much.
bool smr_peaks_measure(struct smr_kernel_set *set, struct smr_peaks *peaks);
