// hazards.c - see hazards.h.
#include "device/hazards.h"

bool smr_hazards_conflict(const struct smr_hazards *hazards, const struct smr_range *range)
{
    for (size_t i = 0; i < hazards->n_ranges; i++) {
        const struct smr_range *before = &hazards->ranges[i];
        if ((before->written || range->written) && smr_ranges_overlap(before, range))
            return true;
    }
    return false;
}

bool smr_hazards_add(struct smr_hazards *hazards, smr_context *context,
                     const struct smr_range *range)
{
    if (!smr_grow(context, &hazards->ranges, &hazards->capacity, hazards->n_ranges + 1,
                  sizeof *hazards->ranges, "a list's hazards"))
        return false;
    hazards->ranges[hazards->n_ranges++] = *range;
    return true;
}

void smr_hazards_finish(struct smr_hazards *hazards, smr_context *context)
{
    smr_free(context, hazards->ranges);
    *hazards = (struct smr_hazards){0};
}
