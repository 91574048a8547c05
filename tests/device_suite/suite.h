// suite.h - every kernel on a device against its plain C twin: for tests, and for `samara check`.
//
// Each kernel has a file with its table of cases. A case is run with every variant that the device
// can run. What the twin writes must be matched to the tolerance of the kernel's registry row, or of
// the variant where it has its own, as normalised mean squared error (sum of squared differences over
// sum of squares); what it leaves alone, and guard areas around every output, must not change by a bit.
#pragma once

#include "kernel/kernel.h"

struct smr_suite_result {
    const char *kernel, *type, *variant, *name; // "matvec", "Q4_K", "plain", "3 rows of 257"
    const char *skipped;                        // why it was not run; NULL when it was
    const char *problem;                        // what is wrong; NULL when it passed
    double error, tolerance;    // normalised mean squared errors, the worst output's
    double create_ns, first_ns; // making the kernel, unless it was there; the first run
    double time_ns;             // with params.n_timed: of one of that many runs in a submission
};

struct smr_suite_params {
    enum smr_kernels kernels; // PLAIN: plain variants alone; F32: none that is narrow
    const char *kernel;       // only the kernel of this name; NULL: all
    uint64_t most_bytes;      // leave out cases with more bytes of operands; 0: run all
    uint32_t n_timed;         // time this many runs of each case too; 0: none
    // Called after each case and variant; the texts live until it returns. Return false to stop.
    bool (*report)(void *user, const struct smr_suite_result *result);
    void *user;
};

struct smr_suite_summary {
    uint32_t n_passed, n_failed, n_skipped;
};

// Run all. False when the suite itself could not go on (out of memory, device lost, stopped by the
// callback); failed cases are counted in `summary`.
bool smr_suite_run(smr_device *device, const struct smr_suite_params *params,
                   struct smr_suite_summary *summary);
