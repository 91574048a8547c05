// base.h - what every room of the engine stands on: the context with its errors and memory, data
// types of tensors, half-precision conversion, time.
//
// Thread-safety: a context and everything made from it belong to one thread at a time, except where
// a function says otherwise.
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "samara.h" // the public types: struct smr_context_params, enum smr_status, enum smr_type

#if defined(__GNUC__)
#define SMR_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define SMR_PRINTF(text, first)
#endif

#define SMR_COUNT(array) (sizeof(array) / sizeof((array)[0]))

// ---- errors and log ---------------------------------------------------------------------------

// Record why something failed, once, where it is known: what, where, and what to do. The text ends
// without a newline or full stop. Keeps the first error until smr_context_clear_error(), because
// what follows the first failure is its consequence. Always returns false, so that a function can
// `return smr_fail(...)`. May be called from worker threads.
bool smr_fail(smr_context *context, enum smr_status status, const char *format, ...)
    SMR_PRINTF(3, 4);

// Hand a line to the log callback when `level` is wanted. No newline at the end of `format`.
void smr_log(smr_context *context, enum smr_log_level level, const char *format, ...)
    SMR_PRINTF(3, 4);

// ---- memory -----------------------------------------------------------------------------------

// Zeroed memory from the context's allocator; `what` names it in the error ("page table").
// Returns NULL after recording SMR_ERROR_MEMORY; for count * size == 0 a valid pointer.
void *smr_alloc(smr_context *context, size_t count, size_t size, const char *what);

// Grow or shrink; the new part is not zeroed. On failure the old block stays valid.
void *smr_realloc(smr_context *context, void *pointer, size_t count, size_t size, const char *what);

// Room for `count` elements of `size` bytes in an array that at least doubles when it grows. `array`
// is the address of the pointer to it, `capacity` how many it has room for; both are zero at first
// and then changed here only. The new part is not zeroed. On failure the array stays as it was.
bool smr_grow(smr_context *context, void *array, size_t *capacity, size_t count, size_t size,
              const char *what);

void smr_free(smr_context *context, void *pointer); // accepts NULL

char *smr_strdup(smr_context *context, const char *text);

// An arena: many small allocations with one lifetime, freed together. Zeroed memory, aligned to 16.
struct smr_arena_block;
struct smr_arena {
    smr_context *context;
    struct smr_arena_block *last;
    size_t used; // bytes taken from `last`
};
void smr_arena_init(struct smr_arena *arena, smr_context *context);
void *smr_arena_alloc(struct smr_arena *arena, size_t count, size_t size);
char *smr_arena_strndup(struct smr_arena *arena, const char *text, size_t length);
void smr_arena_finish(struct smr_arena *arena);

// A growing byte string, always zero-terminated once anything was added. The first failed
// allocation sticks: later calls do nothing, `failed` tells.
struct smr_string {
    smr_context *context;
    char *data;      // owned; NULL while empty
    size_t size;     // bytes, without the terminating zero
    size_t capacity; // bytes
    bool failed;
};
void smr_string_init(struct smr_string *string, smr_context *context);
void smr_string_add(struct smr_string *string, const void *data, size_t size);
void smr_string_printf(struct smr_string *string, const char *format, ...) SMR_PRINTF(2, 3);
void smr_string_finish(struct smr_string *string);

// ---- checked arithmetic, for sizes that come from files ----------------------------------------

static inline bool smr_mul_size(size_t a, size_t b, size_t *product)
{
    if (b && a > SIZE_MAX / b)
        return false;
    *product = a * b;
    return true;
}

static inline bool smr_add_size(size_t a, size_t b, size_t *sum)
{
    if (a > SIZE_MAX - b)
        return false;
    *sum = a + b;
    return true;
}

static inline size_t smr_align_up(size_t value, size_t alignment)
{
    return (value + alignment - 1) / alignment * alignment;
}

static inline uint32_t smr_div_up(uint32_t a, uint32_t b)
{
    return a / b + (a % b != 0);
}

static inline uint32_t smr_min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static inline uint32_t smr_max_u32(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

// ---- data types -------------------------------------------------------------------------------

// One row per enum smr_type. Quantised types come in blocks of `block_elements` consecutive
// elements of a row, stored in `block_size` bytes.
struct smr_type_info {
    const char *name; // as GGUF and llama.cpp print it: "Q4_K"
    uint32_t block_elements;
    uint32_t block_size; // bytes
    bool quantized;
};
const struct smr_type_info *smr_type_info(enum smr_type type); // NULL for an unknown number

// Bytes of `n_elements` elements, which must be a multiple of the block.
static inline size_t smr_type_size(enum smr_type type, size_t n_elements)
{
    const struct smr_type_info *info = smr_type_info(type);
    return n_elements / info->block_elements * info->block_size;
}

float smr_f16_to_f32(uint16_t half);  // IEEE 754 binary16, infinities and denormals included
uint16_t smr_f32_to_f16(float value); // round to nearest even

static inline float smr_bf16_to_f32(uint16_t value)
{
    union {
        uint32_t bits;
        float value;
    } u = {.bits = (uint32_t)value << 16};
    return u.value;
}

// ---- time -------------------------------------------------------------------------------------

uint64_t smr_time_ns(void);        // monotonic
uint64_t smr_thread_time_ns(void); // processor time of the calling thread
