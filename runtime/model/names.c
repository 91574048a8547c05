// names.c - a hash table with open addressing, never more than half full.
#include "model/names.h"

#include <assert.h>
#include <string.h>

bool smr_names_init(struct smr_names *names, struct smr_arena *arena, uint32_t capacity)
{
    assert(capacity <= UINT32_MAX / 8);
    *names = (struct smr_names){.capacity = capacity, .n_slots = 4};
    while (names->n_slots < capacity * 2)
        names->n_slots *= 2;
    names->names = smr_arena_alloc(arena, capacity, sizeof *names->names);
    names->slots = smr_arena_alloc(arena, names->n_slots, sizeof *names->slots);
    names->seed = (struct smr_key){(uintptr_t)names->slots, smr_time_ns()};
    return names->names && names->slots;
}

// The slot that has `name`, or the free one where it would go.
static uint32_t *find_slot(const struct smr_names *names, const char *name)
{
    uint32_t mask = names->n_slots - 1;
    uint32_t at = (uint32_t)smr_hash(name, strlen(name), names->seed).low & mask;
    while (names->slots[at] && strcmp(names->names[names->slots[at] - 1], name) != 0)
        at = (at + 1) & mask;
    return &names->slots[at];
}

bool smr_names_add(struct smr_names *names, const char *name)
{
    assert(names->n < names->capacity);
    uint32_t *slot = find_slot(names, name);
    if (*slot)
        return false;
    names->names[names->n++] = name;
    *slot = names->n;
    return true;
}

uint32_t smr_names_find(const struct smr_names *names, const char *name)
{
    if (!names->n)
        return SMR_NO_NAME;
    uint32_t slot = *find_slot(names, name);
    return slot ? slot - 1 : SMR_NO_NAME;
}
