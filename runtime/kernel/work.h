// work.h - what a dispatch has to move and to calculate, from its push: for comparing the time it
// takes with what the device could do. Only runtime/ and the tools for measuring include this.
#pragma once

#include "kernel/kernel.h"

// Every operand counts once, however often a kernel reads it, and weights only where they are needed:
// less cannot be moved. Additions and multiplications count one each, other functions one too.
struct smr_work {
    double bytes; // read and written
    double flops;
};

// What a push does not tell: rows are those of one text that begin at this position, and a source
// has so many tokens.
struct smr_work_rows {
    uint32_t first_position, n_source;
};

struct smr_work smr_kernel_work(const struct smr_kernel_key *key, const void *push,
                                const struct smr_work_rows *rows);
