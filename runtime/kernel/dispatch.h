// dispatch.h - dispatches of other kernels that some need before or after their own. Between set.c
// and dispatch.c.
#pragma once

#include "kernel/kernel.h"

// What such dispatches leave for each other. All of a set share it: a step's dispatches run one
// after the other, and barriers keep them apart.
struct smr_scratch {
    smr_buffer *quantized; // input of the dispatch before which it was made; NULL: not needed yet
    smr_buffer *partial;   // sums that the dispatch after it puts together; NULL: not needed yet
};
struct smr_scratch *smr_kernel_set_scratch(struct smr_kernel_set *set);

// Request the kernels that a dispatch of `key` needs besides itself. False with an error.
bool smr_kernel_request_others(struct smr_kernel_set *set, const struct smr_kernel_key *key,
                               const void *push);
