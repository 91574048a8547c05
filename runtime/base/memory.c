// memory.c - all memory of the engine comes through here.
#include "base/context.h"

#include <stdlib.h>
#include <string.h>

void *smr_context_reallocate(smr_context *context, void *pointer, size_t size)
{
    if (context->params.reallocate) {
        pthread_mutex_lock(&context->memory_lock);
        pointer = context->params.reallocate(context->params.user, pointer, size);
        pthread_mutex_unlock(&context->memory_lock);
        return size ? pointer : NULL;
    }
    if (size)
        return realloc(pointer, size);
    free(pointer);
    return NULL;
}

static void fail_memory(smr_context *context, size_t count, size_t size, const char *what)
{
    smr_fail(context, SMR_ERROR_MEMORY, "no memory for %s: %zu x %zu bytes", what, count, size);
}

void *smr_alloc(smr_context *context, size_t count, size_t size, const char *what)
{
    size_t total;
    void *pointer = NULL;
    if (smr_mul_size(count, size, &total)) {
        total += !total;
        if (context->params.reallocate) {
            pointer = smr_context_reallocate(context, NULL, total);
            if (pointer)
                memset(pointer, 0, total);
        } else {
            pointer = calloc(1, total); // leaves fresh pages untouched
        }
    }
    if (!pointer)
        fail_memory(context, count, size, what);
    return pointer;
}

void *smr_realloc(smr_context *context, void *pointer, size_t count, size_t size, const char *what)
{
    size_t total;
    void *moved = NULL;
    if (smr_mul_size(count, size, &total))
        moved = smr_context_reallocate(context, pointer, total ? total : 1);
    if (!moved)
        fail_memory(context, count, size, what);
    return moved;
}

bool smr_grow(smr_context *context, void *array, size_t *capacity, size_t count, size_t size,
              const char *what)
{
    enum { LEAST = 16 };
    if (count <= *capacity)
        return true;
    size_t wanted = *capacity > SIZE_MAX / 2 ? count : 2 * *capacity;
    wanted = wanted < LEAST ? LEAST : wanted;
    wanted = wanted < count ? count : wanted;
    void *pointer; // `array` points to a pointer of another type, which may not be read as this one
    memcpy(&pointer, array, sizeof pointer);
    pointer = smr_realloc(context, pointer, wanted, size, what);
    if (!pointer)
        return false;
    memcpy(array, &pointer, sizeof pointer);
    *capacity = wanted;
    return true;
}

void smr_free(smr_context *context, void *pointer)
{
    if (pointer)
        smr_context_reallocate(context, pointer, 0);
}

char *smr_strdup(smr_context *context, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = smr_alloc(context, 1, size, "a string");
    if (copy)
        memcpy(copy, text, size);
    return copy;
}
