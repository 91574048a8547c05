// cache.c - reading and writing KV caches of each type; the layouts are in kernel.h.
#include "kernel/twin/twin.h"

#include <assert.h>
#include <math.h>
#include <string.h>

// A block of 32: f32 scale, then 32 int8.
enum { BLOCK = 32, BLOCK_SIZE = 36 };

static void write_block(uint8_t *block, const float *from)
{
    float most = 0;
    for (int i = 0; i < BLOCK; i++)
        most = fmaxf(most, fabsf(from[i]));
    const float scale = most / 127, inverse = most > 0 ? 127 / most : 0;
    memcpy(block, &scale, sizeof scale);
    for (int i = 0; i < BLOCK; i++)
        ((int8_t *)block)[4 + i] = (int8_t)floorf(from[i] * inverse + 0.5f);
}

static void read_block(const uint8_t *block, float *to)
{
    float scale;
    memcpy(&scale, block, sizeof scale);
    for (int i = 0; i < BLOCK; i++)
        to[i] = scale * ((const int8_t *)block)[4 + i];
}

size_t smr_cache_vector(size_t slot, size_t head, size_t n_kv_heads, size_t page_size)
{
    return (slot / page_size * n_kv_heads + head) * page_size + slot % page_size;
}

void smr_cache_write(enum smr_type type, void *cache, size_t first, const float *from, uint32_t n)
{
    if (type == SMR_F32) {
        memcpy((float *)cache + first, from, n * sizeof *from);
    } else if (type == SMR_F16) {
        for (uint32_t i = 0; i < n; i++)
            ((uint16_t *)cache)[first + i] = smr_f32_to_f16(from[i]);
    } else {
        assert(type == SMR_Q8_0 && first % BLOCK == 0 && n % BLOCK == 0);
        for (uint32_t i = 0; i < n; i += BLOCK)
            write_block((uint8_t *)cache + (first + i) / BLOCK * BLOCK_SIZE, from + i);
    }
}

void smr_cache_read(enum smr_type type, const void *cache, size_t first, float *to, uint32_t n)
{
    if (type == SMR_F32) {
        memcpy(to, (const float *)cache + first, n * sizeof *to);
    } else if (type == SMR_F16) {
        for (uint32_t i = 0; i < n; i++)
            to[i] = smr_f16_to_f32(((const uint16_t *)cache)[first + i]);
    } else {
        assert(type == SMR_Q8_0 && first % BLOCK == 0 && n % BLOCK == 0);
        for (uint32_t i = 0; i < n; i += BLOCK)
            read_block((const uint8_t *)cache + (first + i) / BLOCK * BLOCK_SIZE, to + i);
    }
}
