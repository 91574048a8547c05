// trial.h - a short trial of each kernel on a device: drivers miscompile, and a model that computes
// wrongly still writes text. Only runtime/kernel/ (and tests) include this.
//
// A kernel is tried once for each device and driver, on a few small cases that have the model's
// constants (case.h); what came of it is kept in the disk cache. set.c gives up a variant that does
// not pass and chooses the next.
#pragma once

#include "kernel/case.h"

struct smr_verdict {
    uint32_t known, right; // 0 or 1. Not known: not tried yet
    double error;          // of the worst output of all cases; see struct smr_case_result
    char problem[240];     // what is wrong; empty when it is right
};

// The verdict that was kept for this code, with this key's constants, on this device with this
// driver, by this version of the library. Without one it is left unknown. May be called from several
// threads.
void smr_verdict_recall(smr_device *device, const struct smr_kernel_key *key,
                        const struct smr_blob *spirv, struct smr_verdict *verdict);
void smr_verdict_keep(smr_device *device, const struct smr_kernel_key *key,
                      const struct smr_blob *spirv, const struct smr_verdict *verdict);

// Try `key`, which was chosen for `push`. False, with an error, when that could not be done: no
// memory, device lost.
bool smr_trial_run(struct smr_kernel_set *set, const struct smr_kernel_key *key, const void *push,
                   struct smr_verdict *verdict);

// Warn that a device does not pass; with what a user can do about it when `first`.
void smr_trial_report(smr_device *device, const struct smr_kernel_key *key,
                      const struct smr_verdict *verdict, bool first);

// The cases of a trial (trial_cases.c): fill in `params`, with a push that lives in `memory`. False
// when there is none of this number.
struct smr_trial_push {
    uint32_t words[SMR_MAX_PUSH_SIZE / 4];
};
bool smr_trial_case(smr_device *device, const struct smr_kernel_key *key, const void *push,
                    uint32_t number, struct smr_trial_push *memory, struct smr_case_params *params);
