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
    if (hazards->n_ranges == hazards->capacity) {
        size_t capacity = hazards->capacity ? hazards->capacity * 2 : 32;
        struct smr_range *ranges =
            smr_realloc(context, hazards->ranges, capacity, sizeof *ranges, "a list's hazards");
        if (!ranges)
            return false;
        hazards->ranges = ranges;
        hazards->capacity = capacity;
    }
    hazards->ranges[hazards->n_ranges++] = *range;
    return true;
}

void smr_hazards_finish(struct smr_hazards *hazards, smr_context *context)
{
    smr_free(context, hazards->ranges);
    *hazards = (struct smr_hazards){0};
}
