// arena.c - many small allocations with one lifetime.
#include "base/base.h"

#include <string.h>

enum { ALIGNMENT = 16, BLOCK_SIZE = 64 * 1024 };

// A block is allocated with room for aligning its data by hand: a user's reallocate() may promise
// less than 16.
struct smr_arena_block {
    struct smr_arena_block *previous;
    size_t size; // bytes at `data`
    uint8_t *data;
};

void smr_arena_init(struct smr_arena *arena, smr_context *context)
{
    *arena = (struct smr_arena){.context = context};
}

static struct smr_arena_block *create_block(struct smr_arena *arena, size_t size)
{
    size_t total;
    if (!smr_add_size(size, sizeof(struct smr_arena_block) + ALIGNMENT, &total))
        total = SIZE_MAX; // smr_alloc() words the failure
    struct smr_arena_block *block = smr_alloc(arena->context, 1, total, "an arena's block");
    if (!block)
        return NULL;
    uint8_t *data = (uint8_t *)(block + 1);
    data += (ALIGNMENT - (uintptr_t)data % ALIGNMENT) % ALIGNMENT;
    *block = (struct smr_arena_block){.size = size, .data = data};
    return block;
}

void *smr_arena_alloc(struct smr_arena *arena, size_t count, size_t size)
{
    size_t total;
    if (!smr_mul_size(count, size, &total) || total > SIZE_MAX - ALIGNMENT) {
        smr_fail(arena->context, SMR_ERROR_MEMORY, "no memory for %zu x %zu bytes in an arena",
                 count, size);
        return NULL;
    }
    total = smr_align_up(total ? total : 1, ALIGNMENT);

    struct smr_arena_block *last = arena->last;
    if (last && total <= last->size - arena->used) {
        void *pointer = last->data + arena->used;
        arena->used += total;
        return pointer;
    }
    bool large = total > BLOCK_SIZE / 4;
    struct smr_arena_block *block = create_block(arena, large ? total : BLOCK_SIZE);
    if (!block)
        return NULL;
    if (large && last) { // goes behind the current block, which still has room
        block->previous = last->previous;
        last->previous = block;
        return block->data;
    }
    block->previous = last;
    arena->last = block;
    arena->used = total;
    return block->data;
}

char *smr_arena_strndup(struct smr_arena *arena, const char *text, size_t length)
{
    char *copy = length < SIZE_MAX ? smr_arena_alloc(arena, length + 1, 1) : NULL;
    if (copy && length)
        memcpy(copy, text, length);
    return copy;
}

void smr_arena_finish(struct smr_arena *arena)
{
    struct smr_arena_block *block = arena->last;
    while (block) {
        struct smr_arena_block *previous = block->previous;
        smr_free(arena->context, block);
        block = previous;
    }
    *arena = (struct smr_arena){.context = arena->context};
}
