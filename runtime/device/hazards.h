// hazards.h - which byte ranges a command list has read and written since its last barrier.
//
// Two commands must not overlap in time when one writes what the other reads or writes: read after
// write, write after read, write after write. Reads may share.
#pragma once

#include "base/base.h"

struct smr_range {
    const void *buffer;  // identity of the memory
    uint64_t begin, end; // bytes, half open
    bool written;
};

struct smr_hazards {
    struct smr_range *ranges; // owned
    size_t n_ranges, capacity;
};

// Whether a command that touches `range` must wait for one that was added before. Cost: linear in
// the ranges since the last clear, which are few, because a clear comes with every barrier.
bool smr_hazards_conflict(const struct smr_hazards *hazards, const struct smr_range *range);

// False, with an error on the context, when there is no memory.
bool smr_hazards_add(struct smr_hazards *hazards, smr_context *context,
                     const struct smr_range *range);

// A barrier was recorded: forget all, keep the memory.
static inline void smr_hazards_clear(struct smr_hazards *hazards)
{
    hazards->n_ranges = 0;
}

void smr_hazards_finish(struct smr_hazards *hazards, smr_context *context);

static inline bool smr_ranges_overlap(const struct smr_range *a, const struct smr_range *b)
{
    return a->buffer == b->buffer && a->begin < b->end && b->begin < a->end;
}
