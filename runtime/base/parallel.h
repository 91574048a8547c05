// parallel.h - work that divides, on several threads of the processor.
#pragma once

#include "base/base.h"

// Does items `begin` to `end`. `thread` counts from 0 below n_threads: two calls at a time have not
// the same. False to stop.
typedef bool smr_parallel_fn(void *user, uint32_t thread, uint64_t begin, uint64_t end);

// Call `work` for all of n items, at most `grain` at a time, on up to `n_threads` threads, of which
// the caller is one; fewer when the system gives no more. Returns when no call is left running: false
// when one returned false, after which no more are begun.
bool smr_parallel(uint32_t n_threads, uint64_t n, uint64_t grain, smr_parallel_fn *work,
                  void *user);
