// random_blocks.c - random weights of any type, for cases.
#include "kernel/case.h"

#include <string.h>

// splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014)
static uint64_t next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

// In [-1, 1).
static float uniform(uint64_t *state)
{
    return (float)(int64_t)(next(state) >> 40) * (1.0f / 8388608.0f) - 1.0f;
}

// Where a block's f16 scales lie, in bytes, and how large the numbers are that they multiply.
struct scales {
    int16_t at[2]; // -1: none
    float largest[2];
};

static struct scales scales_of(enum smr_type type)
{
    switch (type) {
    case SMR_Q8_0:
        return (struct scales){{0, -1}, {127}};
    case SMR_Q4_0:
        return (struct scales){{0, -1}, {8}};
    case SMR_Q4_1:
        return (struct scales){{0, 2}, {15, 1}};
    case SMR_Q5_0:
        return (struct scales){{0, -1}, {16}};
    case SMR_Q5_1:
        return (struct scales){{0, 2}, {31, 1}};
    case SMR_IQ4_NL:
        return (struct scales){{0, -1}, {127}};
    case SMR_Q2_K:
        return (struct scales){{80, 82}, {15 * 3, 15}};
    case SMR_Q3_K:
        return (struct scales){{108, -1}, {32 * 4}};
    case SMR_Q4_K:
        return (struct scales){{0, 2}, {63 * 15, 63}};
    case SMR_Q5_K:
        return (struct scales){{0, 2}, {63 * 31, 63}};
    case SMR_Q6_K:
        return (struct scales){{208, -1}, {128 * 32}};
    default:
        return (struct scales){{-1, -1}, {0}};
    }
}

static void put_f16(uint8_t *to, float value)
{
    const uint16_t half = smr_f32_to_f16(value);
    to[0] = (uint8_t)half;
    to[1] = (uint8_t)(half >> 8);
}

static void random_floats(enum smr_type type, uint64_t n, uint64_t *state, uint8_t *to)
{
    for (uint64_t i = 0; i < n; i++) {
        const float value = uniform(state);
        if (type == SMR_F16) {
            put_f16(to + 2 * i, value);
            continue;
        }
        uint8_t bits[4];
        memcpy(bits, &value, sizeof bits);
        if (type == SMR_BF16)
            memcpy(to + 2 * i, bits + 2, 2);
        else
            memcpy(to + 4 * i, bits, 4);
    }
}

void smr_random_blocks(enum smr_type type, uint64_t n_elements, uint64_t seed, void *out)
{
    uint64_t state = seed;
    if (type == SMR_F32 || type == SMR_F16 || type == SMR_BF16) {
        random_floats(type, n_elements, &state, out);
        return;
    }
    const uint32_t block_size = smr_type_info(type)->block_size;
    const uint64_t size = smr_type_size(type, n_elements);
    uint8_t *to = out;
    for (uint64_t i = 0; i < size; i += 8) {
        const uint64_t bits = next(&state);
        memcpy(to + i, &bits, size - i < 8 ? size - i : 8);
    }
    const struct scales scales = scales_of(type);
    for (uint64_t i = 0; i < size; i += block_size) {
        for (int j = 0; j < 2; j++) {
            if (scales.at[j] == -1)
                continue;
            // 2e-5 is denormal in f16, as K-quants' scales of small weights are.
            const float scale = next(&state) % 8 == 0 ? 2e-5f : 1 / scales.largest[j];
            put_f16(to + i + scales.at[j], scale * uniform(&state));
        }
    }
}
