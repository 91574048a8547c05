// known.c - kernels that are not yet as they should be. A row goes when its kernel is mended.
#include "isa.h"

#include <string.h>

static const struct known {
    enum isa isa;
    enum smr_kernel_id id;
    const char *variant;
    const char *types; // "" is all
    const char *shape; // that the name begins with
    const char *reason;
} known[] = {
    {ISA_INTEL, SMR_KERNEL_MATVEC, "unrolled", "Q6_K", "8 x",
     "the sums of eight rows beside a block's scales are too many"},
};

const char *known_reason(const struct chip *chip, const struct smr_kernel_key *key,
                         const struct shape *shape)
{
    const char *variant = smr_kernel_desc(key->id)->variants[key->variant].name;
    const char *type = smr_type_info((enum smr_type)key->type)->name;
    for (size_t i = 0; i < SMR_COUNT(known); i++) {
        const struct known *row = &known[i];
        if (row->isa == chip->isa && row->id == key->id && !strcmp(row->variant, variant) &&
            (!row->types[0] || strstr(row->types, type)) &&
            !strncmp(shape->name, row->shape, strlen(row->shape)))
            return row->reason;
    }
    return NULL;
}
