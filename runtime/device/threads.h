// threads.h - how many processors there are for us, and how many of them a driver may take.
#pragma once

#include "base/base.h"

// How many threads do good: the cores that the calling thread may run on, within the processor time
// that its control group gets. Two hardware threads of a core count as one, because they share what
// the kernels wait for. `root` is put before the paths that are read, for tests; "" otherwise.
uint32_t smr_host_cores(const char *root);

// What the context's user wants, or as many as do good. At least 1.
uint32_t smr_host_threads(const smr_context *context);

// Which processors a thread may run on: a bit each, as sched_setaffinity(2) wants them.
enum { SMR_MOST_PROCESSORS = 4096 };
struct smr_affinity {
    unsigned long bits[SMR_MOST_PROCESSORS / 8 / sizeof(unsigned long)];
    bool narrowed;
};

// Keep the calling thread, and the threads that a driver makes meanwhile, to `n` of the processors it
// may run on; 0, or where there are no more, or where the system can't: do nothing. Drivers that run
// on the processor and have no way to be told count those. `before` receives what was.
void smr_affinity_narrow(struct smr_affinity *before, uint32_t n);
void smr_affinity_restore(const struct smr_affinity *before);
