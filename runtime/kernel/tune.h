// tune.h - choosing among the candidates for a dispatch by how long each takes on the device.
//
// Candidates are variants of a kernel and, of a variant, other settings of its constants. What counts
// for speed is the shape of a dispatch: smr_kernel_desc.shape(). What was chosen for a shape is kept
// in the disk cache for the device, its driver and this version of the library; another candidate
// than the default one is taken only when it was faster twice.
#pragma once

#include "kernel/measure.h"

// What was chosen for dispatches of one kernel, type and shape.
struct smr_tuned {
    enum smr_kernel_id id;
    enum smr_type type;
    uint32_t shape[SMR_SHAPE_WORDS];
    bool known;                    // measured, now or by an earlier process
    uint32_t n_candidates;         // that were measured; of an earlier process 0
    struct smr_kernel_key usual;   // the default choice
    struct smr_kernel_key key;     // the choice
    double usual_seconds, seconds; // of a dispatch
};

struct smr_tune_params {
    const struct smr_dispatch_args *args; // dispatches of one shape, as for measuring
    uint32_t n_args;
    uint64_t budget_ns; // for measuring one candidate once; 0: 10 ms
    bool all;           // also plain variants where there are others
};

// Measure the candidates and keep the fastest as the choice for that shape: from now on
// smr_kernel_choose() gives it. Compiles and tries what is new. False with an error when something
// could not be measured.
bool smr_kernel_tune(struct smr_kernel_set *set, enum smr_kernel_id id, enum smr_type type,
                     const struct smr_tune_params *params);

// What is known about the shape of `push`, in memory or in the disk cache; NULL when there is no
// memory for it. Belongs to the set, until the next call.
const struct smr_tuned *smr_kernel_tuned(struct smr_kernel_set *set, enum smr_kernel_id id,
                                         enum smr_type type, const void *push);

// What this process has tuned or looked up, one after the other; NULL past the end.
const struct smr_tuned *smr_kernel_tuned_list(struct smr_kernel_set *set, uint32_t i);

// "unrolled 64,1,4": a variant and its constants.
void smr_kernel_key_text(const struct smr_kernel_key *key, char *text, size_t size);

// ---- for set.c ------------------------------------------------------------------------------------

// Number `number` of the candidates for a dispatch, the default one first. False when there are no
// more.
bool smr_kernel_candidate(struct smr_kernel_set *set, enum smr_kernel_id id, enum smr_type type,
                          const void *push, uint32_t number, struct smr_kernel_key *key);

struct smr_tuning {
    struct smr_tuned *list;
    uint32_t n;
    size_t capacity;
};
struct smr_tuning *smr_kernel_set_tuning(struct smr_kernel_set *set);
