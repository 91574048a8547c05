// features.c - what the shaders of this folder must compute, in plain C.
#include "features.h"

#include "base/base.h"

#include <math.h>
#include <string.h>

static size_t words(uint32_t n)
{
    return 4 * (size_t)n;
}

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

// ---- flow.comp --------------------------------------------------------------------------------

static uint32_t by_switch(uint32_t x)
{
    uint32_t r = 1;
    switch (x % 7) {
    case 0:
        return r + 110;
    case 1:
        return r + 100;
    case 4:
    case 5:
        return 5;
    case 3:
        return x & 8 ? r * 2 : r + 10000;
    default:
        r += 1000;
        return x & 8 ? r * 2 : r + 10000;
    }
}

static uint32_t collatz(uint32_t x)
{
    uint32_t steps = 0;
    for (; x > 1 && steps <= 50; steps++)
        x = x & 1 ? 3 * x + 1 : x / 2;
    return steps;
}

static uint32_t inner_loop(uint32_t x, uint32_t i, uint32_t sum)
{
    uint32_t j = 0;
    do {
        j++;
        if (j % 2 == 0)
            continue;
        if (j > 7)
            break;
        if (j == 3) {
            sum += 1;
            continue;
        }
        sum += j == 5 ? 2 : 0;
        sum += i * j;
    } while (j < x % 11 && sum < 1000);
    return sum;
}

static uint32_t loops(uint32_t x)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < 6; i++)
        if (i != x % 6)
            sum = inner_loop(x, i, sum);
    for (int k = 5; k >= 0; k--, sum += 3)
        while (sum % 2) {
            sum += 5;
            if (sum > 100000)
                return sum;
        }
    return sum;
}

static void expect_flow(const uint32_t *in, uint32_t *out, const uint32_t *push, uint32_t local)
{
    for (uint32_t i = 0; i < push[0]; i++) {
        uint32_t x = in[i];
        uint32_t r = (x & 1) && (x > 100 || x % 3 == 0) ? by_switch(x) : collatz(x % 1000);
        out[i] = r * 31 + loops(x) + push[1];
    }
}

// ---- layout.comp ------------------------------------------------------------------------------

static float number(const uint32_t *in, uint32_t n, uint32_t i)
{
    return (float)((int)(in[i % n] & 1023) - 512);
}

static void put3(uint32_t *to, const float *v)
{
    memcpy(to, v, 3 * sizeof *v);
}

static void expect_layout(const uint32_t *in, uint32_t *out, const uint32_t *push, uint32_t local)
{
    uint32_t n = push[0];
    for (uint32_t i = 0; i < n; i++) {
        uint32_t *part = out + 8 + 16 * i;
        float d[3] = {number(in, n, i), number(in, n, i + 1), number(in, n, i + 2)};
        float weight = d[0] + 2 * d[1] - d[2];
        float three[2][3] = {{d[2] * 2, d[1] * 2, d[0] * 2},
                             {d[1] * 2, d[2] - d[0] * 2, -d[1]}}; // the cross product with 1, 0, 2
        three[i & 1][i % 3] += weight;
        if (i == 0) {
            float lone[3] = {d[0] + 1, d[1] + 1, d[2] + 1};
            out[0] = push[1];
            put3(out + 4, lone);
        }
        d[(i + 1) % 3] = 7;
        put3(part, d);
        part[3] = bits_of(weight);
        part[4] = push[8 + (i & 1)]; // swapped
        part[5] = push[4 + (i & 3)];
        put3(part + 8, three[0]);
        put3(part + 12, three[1]);
    }
}

static size_t layout_size(uint32_t n)
{
    return 32 + 64 * (size_t)n;
}

// ---- calls.comp -------------------------------------------------------------------------------

enum { OFFSET = 5, N_VALUES = 7 };

static void expect_calls(const uint32_t *in, uint32_t *out, const uint32_t *push, uint32_t local)
{
    static const uint32_t primes[6] = {2, 3, 5, 7, 11, 13};
    for (uint32_t i = 0; i < push[0]; i++) {
        uint32_t x = in[i], pair[2] = {1, 2}, values[N_VALUES] = {0}, counter = 5, sum = 0;
        for (uint32_t k = 0; k < 10; k++) {
            x = x * 1664525u + 1013904223u;
            uint32_t taken = x >> 24;
            pair[0] += taken;
            pair[1] += primes[k % 6];
            if (taken <= 128) {
                values[taken % N_VALUES]++;
                counter += taken;
            }
            sum += taken;
        }
        uint32_t total = 0;
        for (int k = 0; k < N_VALUES; k++)
            total = total * 7 + values[k];
        // After the swap q.x is pair[1] + 1, and pair.y is pair[0].
        uint32_t r = sum + total + counter * 3 + pair[1] + 1 + pair[0] * 5 + OFFSET;
        out[i] = r * 2 + 10 + push[1];
    }
}

// ---- shared.comp ------------------------------------------------------------------------------

static size_t shared_size(uint32_t n)
{
    return 4 * ((size_t)n + 11);
}

// One workgroup: x[] are the inputs of its invocations, 0 where there is none.
static void expect_group(const uint32_t *x, uint32_t n_here, uint32_t local, uint32_t extra,
                         uint32_t *out)
{
    uint32_t most = 0, least = UINT32_MAX, ored = 0, all = 0, squares = 0;
    for (uint32_t k = 0; k < n_here; k++) {
        most = smr_max_u32(most, x[k]);
        least = smr_min_u32(least, x[k]);
        ored |= 1u << x[k] % 32;
        all += x[k];
        squares += x[k] * x[k];
    }
    if (all & 1)
        all += squares;
    for (uint32_t k = 0; k < n_here; k++)
        out[k] =
            x[(k + 3 + all % 3) % local] + all * 3 + most * 5 + least * 7 + ored + n_here + extra;
}

static void expect_shared(const uint32_t *in, uint32_t *out, const uint32_t *push, uint32_t local)
{
    uint32_t n = push[0], x[256], *tail = out + n;
    for (uint32_t first = 0; first < n; first += local) {
        for (uint32_t k = 0; k < local; k++)
            x[k] = first + k < n ? in[first + k] % 1000 : 0;
        expect_group(x, smr_min_u32(local, n - first), local, push[1], out + first);
        for (uint32_t me = 0; me < 3 && me < local; me++)
            for (uint32_t k = me; k < 7; k += local)
                tail[k] += x[me] + k;
        if (!tail[8])
            tail[10] ^= 1;
        tail[8] = tail[8] ? tail[8] : 77;
        tail[9] = 5;
    }
}

// ---- numbers.comp -----------------------------------------------------------------------------

static void put(uint32_t *mixed, uint32_t x)
{
    *mixed = (*mixed ^ x) * 16777619u;
}

static int32_t shift_right(int32_t x, int by) // C leaves the sign to the implementation
{
    return x < 0 ? (int32_t) ~(~(uint32_t)x >> by) : x >> by;
}

static int32_t wrap(int64_t x)
{
    return (int32_t)(uint32_t)(uint64_t)x;
}

static int32_t sign(int32_t x)
{
    return (x > 0) - (x < 0);
}

static void integers(uint32_t *m, uint32_t x, uint32_t y)
{
    int32_t s = (int32_t)x, t = shift_right((int32_t)(y | 1), 3);
    t = t == 0 || t == -1 ? 5 : t;
    put(m, (uint32_t)(s / t));
    put(m, (uint32_t)(s % t));
    put(m, x / (y | 1) + x % (y | 1));
    put(m, (uint32_t)shift_right(s, 5));
    put(m, x >> 5);
    put(m, x << 3);
    put(m, (uint32_t)s * (uint32_t)t + (uint32_t)(s ^ t) - (uint32_t)(~s & t));
    int32_t half = shift_right(s, 1);
    put(m, (uint32_t)((half < 0 ? -half : half) + sign(t)));
    int32_t clamped = s < -100 ? -100 : s > 100 ? 100 : s;
    put(m, (uint32_t)s + (uint32_t)t + (uint32_t)clamped);
    put(m, smr_min_u32(x, y) - smr_max_u32(x, y));
    put(m, 0u - x);
    int32_t v[3] = {wrap((int64_t)s * 2), wrap((int64_t)t * -3),
                    wrap((int64_t)wrap((int64_t)s + t) * 5)};
    uint32_t all = 0, any_less = 0, all_differ = 1;
    for (int i = 0; i < 3; i++) {
        int32_t w = shift_right(v[i], i + 1);
        all ^= (uint32_t)v[i] ^ (uint32_t)w;
        any_less |= v[i] < w;
        all_differ &= v[i] != w;
    }
    put(m, all);
    put(m, any_less + 2 * all_differ);
}

static int msb(uint32_t x)
{
    int bit = -1;
    for (; x; x >>= 1)
        bit++;
    return bit;
}

static int lsb(uint32_t x)
{
    return x ? msb(x & (0u - x)) : -1;
}

static void bits(uint32_t *m, uint32_t x, uint32_t y)
{
    uint32_t count = 0, reversed = 0, at = y % 20;
    for (int i = 0; i < 32; i++) {
        count += x >> i & 1;
        reversed |= (x >> i & 1) << (31 - i);
    }
    put(m, count + (uint32_t)(lsb(y) * 3 + msb(x) * 5) +
               (uint32_t)(msb((int32_t)y < 0 ? ~y : y) * 7 - 1));
    put(m, reversed);
    uint32_t field = x >> at & 511;
    put(m, field);
    put(m, field & 256 ? field | ~511u : field);
    uint32_t mask = 0x1fffu << 5;
    put(m, (x & ~mask) | (y << 5 & mask));
    put(m, y >> 3);
    uint64_t product = (uint64_t)x * y;
    put(m, (uint32_t)(product >> 32) ^ (uint32_t)product);
    product = (uint64_t)((int64_t)(int32_t)x * (int32_t)y);
    put(m, (uint32_t)(product >> 32) ^ (uint32_t)product);
    put(m, x + y + (x + y < x ? 3 : 0));
    put(m, x - y + (x < y ? 5 : 0));
}

static void vectors(uint32_t *m, float f, float g, uint32_t x, uint32_t y)
{
    float v[4] = {f, g, -f, 1};
    bool c[4] = {f < g, g < f, -f < 1, 1 < -f};
    put(m, bits_of(c[0] ? v[3] : v[0]));
    put(m, c[0] + 2u * c[1] + 4u * (c[0] || c[1] || c[2] || c[3]) +
               8u * (!c[0] && !c[1] && !c[2] && !c[3]));
    v[x % 4] = 9;
    put(m, bits_of(v[0] + v[1] * 2 + v[y % 4]));
    put(m, 1);
}

static void floats(uint32_t *m, uint32_t x, uint32_t y)
{
    float f = (float)shift_right((int32_t)x, 12) / 16, g = (float)(y >> 20) + 0.5f;
    put(m, bits_of(floorf(f) + ceilf(g) + truncf(f)));
    put(m, bits_of(0.5f + (float)((f > 0) - (f < 0)) + fabsf(f)));
    put(m, bits_of(f - 8 * floorf(f / 8)));
    put(m, bits_of((f < g ? f : g) + (f < -2 ? -2 : f > 3 ? 3 : f)));
    put(m, bits_of((f + g) / 2 + (g < f ? 0.0f : 1.0f)));
    put(m, (uint32_t)((int)f + (int)g));
    vectors(m, f, g, x, y);
    put(m, smr_f32_to_f16((float)(x & 1023) / 64) | (uint32_t)smr_f32_to_f16(-0.25f) << 16);
    put(m, bits_of(smr_f16_to_f32((uint16_t)(x & 0x7bff))));
    put(m, bits_of(smr_f16_to_f32((uint16_t)(x >> 16 & 0x7bff))));
    put(m, (0x3300ff00u) ^ (0x20008001u));
    put(m, bits_of(ldexpf(g, (int)(x % 8))));
    int top = (int)(y >> 24) < 128 ? (int)(y >> 24) : (int)(y >> 24) - 256;
    float low = (float)(y >> 8 & 255) / 255, high = top < -127 ? -1 : (float)top / 127;
    put(m, (uint32_t)((int)(low * 1000 + 0.5f) + (int)(high * 1000 + 1000.5f)));
}

static void expect_numbers(const uint32_t *in, uint32_t *out, const uint32_t *push, uint32_t local)
{
    uint32_t n = push[0];
    for (uint32_t i = 0; i < n; i++) {
        uint32_t mixed = 2166136261u, x = in[i], y = in[(i + 1) % n];
        integers(&mixed, x, y);
        bits(&mixed, x, y);
        floats(&mixed, x, y);
        out[i] = mixed + push[1];
    }
}

// ---- small.comp -------------------------------------------------------------------------------

static void expect_small(const uint32_t *in, uint32_t *out, const uint32_t *push, uint32_t local)
{
    const uint8_t *bytes = (const uint8_t *)in;
    for (uint32_t i = 0; i < push[0]; i++) {
        uint32_t r = bytes[i] * 3u;
        float h = smr_f16_to_f32((uint16_t)in[i]);
        r += isnan(h) || isinf(h) ? 11 : bits_of(h);
        const uint8_t *block = bytes + 8 * (i / 2);
        float scale = smr_f16_to_f32((uint16_t)in[i / 2 * 2]);
        r += isnan(scale) || isinf(scale) ? 7 : bits_of(scale * 2);
        for (int k = 0; k < 6; k++)
            r = r * 5 + (block[2 + k] < 128 ? block[2 + k] : block[2 + k] - 256u);
        uint64_t wide = (uint64_t)in[i] * 0x100000001b3u + push[1];
        uint64_t narrow = wide >> 63 ? ~(~wide >> 7) : wide >> 7;
        r += (uint32_t)(wide >> 32) ^ (uint32_t)narrow;
        out[i] = r + push[1];
    }
}

// ---- subgroups.comp ---------------------------------------------------------------------------

static void expect_subgroups(const uint32_t *in, uint32_t *out, const uint32_t *push,
                             uint32_t local)
{
    uint32_t n = push[0];
    for (uint32_t first = 0; first < n; first += local) {
        uint32_t sum = 0, most = 0;
        int32_t least = 500;
        for (uint32_t i = first; i < first + local; i++) {
            uint32_t x = i < n ? in[i] % 1000 : 0;
            sum += x;
            most = smr_max_u32(most, x);
            least = (int32_t)x - 500 < least ? (int32_t)x - 500 : least;
        }
        for (uint32_t i = first; i < first + local && i < n; i++)
            out[i] = in[i] % 1000 + sum * 3 + most * 5 + (uint32_t)least * 7 + sum * 11 + push[1];
    }
}

// ---- dots.comp --------------------------------------------------------------------------------

static int32_t byte_of(uint32_t word, int i, bool is_signed)
{
    int32_t byte = (int32_t)(word >> 8 * i & 255);
    return is_signed && byte > 127 ? byte - 256 : byte;
}

static int32_t dot(uint32_t x, uint32_t y, bool x_signed, bool y_signed)
{
    int32_t sum = 0;
    for (int i = 0; i < 4; i++)
        sum += byte_of(x, i, x_signed) * byte_of(y, i, y_signed);
    return sum;
}

static void expect_dots(const uint32_t *in, uint32_t *out, const uint32_t *push, uint32_t local)
{
    for (uint32_t i = 0; i < push[0]; i++) {
        uint32_t x = in[i], y = in[i + 1];
        int64_t total = dot(x, y, true, true);
        uint32_t r = (uint32_t)total ^ (uint32_t)dot(x, y, false, false) << 3;
        r ^= (uint32_t)dot(x, y, true, false) << 7;
        total += (int32_t)(0x7fffff00u ^ x << 31);
        total = total > INT32_MAX ? INT32_MAX : total < INT32_MIN ? INT32_MIN : total;
        out[i] = (r ^ (uint32_t)total) + push[1];
    }
}

const struct feature features[] = {
    {"flow", {0}, 1, 2, false, false, words, expect_flow},
    {"layout", {0}, 1, 10, false, false, layout_size, expect_layout},
    {"calls", {OFFSET, 1, 0x40200000 /* 2.5 */}, 4, 2, false, false, words, expect_calls},
    {"shared", {3}, 2, 2, false, false, shared_size, expect_shared},
    {"numbers", {0}, 1, 2, false, false, words, expect_numbers},
    {"subgroups", {0}, 1, 2, true, false, words, expect_subgroups},
    {"dots", {0}, 1, 2, false, true, words, expect_dots},
    {"small", {0}, 1, 2, false, false, words, expect_small},
};
const size_t n_features = SMR_COUNT(features);
