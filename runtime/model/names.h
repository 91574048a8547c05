// names.h - a hash table from names to the order in which they were added.
#pragma once

#include "base/base.h"
#include "base/file.h"

#define SMR_NO_NAME UINT32_MAX

struct smr_names {
    const char **names; // [n], not owned
    uint32_t *slots;    // [n_slots]: index + 1, 0 where free; n_slots is a power of two
    uint32_t n, capacity, n_slots;
    struct smr_key seed; // differs between runs: names of a hostile file cannot be made to collide
};
// Memory from `arena`. False with an error when there is none.
bool smr_names_init(struct smr_names *names, struct smr_arena *arena, uint32_t capacity);
// `name` gets the index n. False, without an error, when it is there already.
bool smr_names_add(struct smr_names *names, const char *name);
uint32_t smr_names_find(const struct smr_names *names, const char *name); // or SMR_NO_NAME
