// case.c - running a case: the twin on host memory, the kernel on the device, and comparing them.
#include "kernel/case.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { GUARD = 256 }; // bytes before and after each operand on the device, at least

// ---- operands ---------------------------------------------------------------------------------

// xorshift64* (Vigna, arXiv:1402.6246)
static uint64_t next_random(struct smr_case *c)
{
    c->random ^= c->random >> 12;
    c->random ^= c->random << 25;
    c->random ^= c->random >> 27;
    return c->random * 0x2545f4914f6cdd1d;
}

uint32_t smr_case_random(struct smr_case *c, uint32_t n)
{
    return (uint32_t)((next_random(c) >> 32) * n >> 32);
}

float smr_case_random_float(struct smr_case *c)
{
    return (float)(next_random(c) >> 40) * (2.0f / 16777216.0f) - 1.0f;
}

struct smr_operand smr_case_floats(struct smr_case *c, size_t n, float scale)
{
    float *data = smr_arena_alloc(c->arena, n, sizeof *data);
    for (size_t i = 0; data && i < n; i++)
        data[i] = scale * smr_case_random_float(c);
    return (struct smr_operand){data, n * sizeof *data};
}

struct smr_operand smr_case_bytes(struct smr_case *c, size_t size)
{
    size = smr_align_up(size, 4);
    uint8_t *data = smr_arena_alloc(c->arena, size, 1);
    for (size_t i = 0; data && i < size; i++)
        data[i] = (uint8_t)(next_random(c) >> 56);
    return (struct smr_operand){data, size};
}

bool smr_case_init(struct smr_case *c, struct smr_arena *arena,
                   const struct smr_case_params *params)
{
    const struct smr_kernel_desc *desc = smr_kernel_desc(params->id);
    *c = (struct smr_case){
        .arena = arena,
        .random = 0x9e3779b97f4a7c15,
        .id = params->id,
        .type = params->type,
        .push = params->push,
        .tolerance = desc->tolerance,
    };
    smr_case_inputs[c->id].make(c, params);
    for (uint32_t i = 0; i < desc->n_bindings; i++)
        if (!c->operands[i].data)
            return false;
    return true;
}

// ---- comparing --------------------------------------------------------------------------------

static size_t decode(const struct smr_case *c, uint32_t binding, const void *data, float *values)
{
    if (smr_case_inputs[c->id].decode)
        return smr_case_inputs[c->id].decode(c, binding, data, values);
    memcpy(values, data, c->operands[binding].size);
    return c->operands[binding].size / sizeof *values;
}

// Normalised mean squared error over the elements that the twin changed; NAN when the device gave
// something that is not finite where the twin did.
static double difference(const float *before, const float *expected, const float *actual, size_t n)
{
    double squares = 0, all = 0;
    for (size_t i = 0; i < n; i++) {
        if (expected[i] == before[i])
            continue;
        if (!isfinite(actual[i]) && isfinite(expected[i]))
            return NAN;
        double d = (double)actual[i] - expected[i];
        squares += d * d;
        all += (double)expected[i] * expected[i];
    }
    return squares == 0 ? 0 : squares / fmax(all, 1e-30);
}

// How far rounding takes a value of an output, at most: the tolerance allows as much on average.
static double find_rounding(const float *before, const float *expected, size_t n, double tolerance)
{
    enum { WORST = 10 }; // of many, in averages
    double squares = 0;
    size_t n_changed = 0;
    for (size_t i = 0; i < n; i++)
        if (expected[i] != before[i] && isfinite(expected[i])) {
            squares += (double)expected[i] * expected[i];
            n_changed++;
        }
    return n_changed ? WORST * sqrt(tolerance * squares / (double)n_changed) : 0;
}

// Where an operand changed that the twin leaves alone; SIZE_MAX: nowhere. What the twin computes may
// by chance be what was there, to the bit: one in 10^7 is. The device's then differs by rounding.
static size_t changed_word(const struct smr_operand *operand, const void *expected,
                           const void *actual, double rounding)
{
    const uint32_t *before = operand->data, *twin = expected, *device = actual;
    const float *old_value = operand->data, *value = actual;
    for (size_t i = 0; i < operand->size / 4; i++)
        if (twin[i] == before[i] && device[i] != before[i] &&
            !(fabs((double)value[i] - old_value[i]) < rounding)) // NAN too
            return i;
    return SIZE_MAX;
}

// Compare one output. False, with an error, when there is no memory.
static bool compare(const struct smr_case *c, uint32_t binding, const void *expected,
                    const void *actual, struct smr_case_result *result)
{
    const struct smr_operand *operand = &c->operands[binding];
    float *values = smr_arena_alloc(c->arena, 3 * operand->size, sizeof *values);
    if (!values)
        return false;
    float *a = values, *b = a + operand->size, *d = b + operand->size;
    const size_t n = decode(c, binding, operand->data, a);
    decode(c, binding, expected, b);
    decode(c, binding, actual, d);
    const double rounding =
        smr_case_inputs[c->id].packed ? 0 : find_rounding(a, b, n, result->tolerance);
    const size_t word = changed_word(operand, expected, actual, rounding);
    if (word != SIZE_MAX) {
        snprintf(result->problem, sizeof result->problem,
                 "binding %u: word %zu was changed from %08x to %08x", binding, word,
                 ((const uint32_t *)operand->data)[word], ((const uint32_t *)actual)[word]);
        return true;
    }
    const double error = difference(a, b, d, n);
    if (!(error <= result->error)) // NAN too
        result->error = error;
    if (!(error <= result->tolerance)) {
        size_t at = 0; // the worst
        for (size_t i = 0; i < n && !isnan(d[at]); i++)
            if (!(fabsf(b[i] - d[i]) <= fabsf(b[at] - d[at])))
                at = i;
        snprintf(result->problem, sizeof result->problem,
                 "binding %u: error %.3g, tolerance %.3g; value %zu is %.7g, not %.7g", binding,
                 error, result->tolerance, at, (double)d[at], (double)b[at]);
        return true;
    }
    const char *problem = smr_case_inputs[c->id].check
                              ? smr_case_inputs[c->id].check(c, binding, expected, actual)
                              : NULL;
    if (problem)
        snprintf(result->problem, sizeof result->problem, "binding %u: %s", binding, problem);
    return true;
}

// ---- the twin ---------------------------------------------------------------------------------

// The twin's results: copies of the operands, changed.
static bool run_twin(const struct smr_case *c, const struct smr_kernel_key *key, void *results[])
{
    const struct smr_kernel_desc *desc = smr_kernel_desc(c->id);
    struct smr_twin_args args = {.push = c->push, .type = key->type, .constants = key->constants};
    for (uint32_t i = 0; i < desc->n_bindings; i++) {
        results[i] = smr_arena_alloc(c->arena, c->operands[i].size, 1);
        if (!results[i])
            return false;
        memcpy(results[i], c->operands[i].data, c->operands[i].size);
        args.bindings[i] = results[i];
        args.sizes[i] = c->operands[i].size;
    }
    desc->groups(key, c->push, args.groups);
    desc->twin(&args);
    return true;
}

// ---- the device -------------------------------------------------------------------------------

// All operands in one buffer on the device, with guards around each, and its image on the host.
struct image {
    uint8_t *data;
    size_t size, guard;
    size_t offsets[SMR_MAX_BINDINGS]; // of the operands
};

static uint8_t guard_byte(size_t at)
{
    return (uint8_t)(0xa5 ^ at);
}

static bool make_image(const struct smr_case *c, const struct smr_limits *limits,
                       struct image *image)
{
    const struct smr_kernel_desc *desc = smr_kernel_desc(c->id);
    const uint32_t alignment = smr_max_u32(limits->binding_alignment, 4);
    image->guard = smr_align_up(GUARD, alignment);
    image->size = image->guard;
    for (uint32_t i = 0; i < desc->n_bindings; i++) {
        image->offsets[i] = image->size;
        image->size += smr_align_up(c->operands[i].size, alignment) + image->guard;
    }
    image->data = smr_arena_alloc(c->arena, image->size, 1);
    if (!image->data)
        return false;
    for (size_t i = 0; i < image->size; i++)
        image->data[i] = guard_byte(i);
    for (uint32_t i = 0; i < desc->n_bindings; i++)
        memcpy(image->data + image->offsets[i], c->operands[i].data, c->operands[i].size);
    return true;
}

// Record `n` dispatches, submit them and wait. `time_ns` receives how long that took.
static bool dispatch(struct smr_kernel_set *set, const struct smr_kernel_key *key,
                     const struct smr_case *c, const struct smr_binding *bindings, uint32_t n,
                     double *time_ns)
{
    smr_device *device = smr_kernel_set_device(set);
    smr_list *list = smr_list_create(device, "case");
    if (!list)
        return false;
    for (uint32_t i = 0; i < n; i++)
        smr_kernel_dispatch(set, list, key, bindings, c->push);
    bool done = smr_list_end(list);
    const uint64_t begin = smr_time_ns();
    done = done && smr_device_submit(device, list) && smr_device_wait(device);
    *time_ns = (double)(smr_time_ns() - begin);
    smr_list_destroy(list);
    return done;
}

// Dispatch on the device. Fills in the image after the first dispatch.
static bool run_device(struct smr_kernel_set *set, const struct smr_kernel_key *key,
                       const struct smr_case *c, uint32_t n_timed, struct image *image,
                       struct smr_case_result *result)
{
    const struct smr_kernel_desc *desc = smr_kernel_desc(c->id);
    smr_device *device = smr_kernel_set_device(set);
    struct smr_binding bindings[SMR_MAX_BINDINGS] = {{0}};
    if (!make_image(c, smr_device_limits(device), image))
        return false;
    const struct smr_buffer_params params = {.size = image->size, .name = "case"};
    smr_buffer *buffer = smr_buffer_create(device, &params);
    for (uint32_t i = 0; i < desc->n_bindings; i++)
        bindings[i] = (struct smr_binding){buffer, image->offsets[i], c->operands[i].size};
    bool done = buffer && smr_buffer_write(buffer, 0, image->data, image->size) &&
                dispatch(set, key, c, bindings, 1, &result->first_ns) &&
                smr_buffer_read(buffer, 0, image->data, image->size);
    if (done && n_timed) {
        done = dispatch(set, key, c, bindings, n_timed, &result->time_ns);
        result->time_ns /= n_timed;
    }
    smr_buffer_destroy(buffer);
    return done;
}

// The first operand beside which something was written; n_bindings: there is none.
static uint32_t damaged_guard(const struct smr_case *c, const struct image *image)
{
    const uint32_t n = smr_kernel_desc(c->id)->n_bindings;
    size_t at = 0;
    for (uint32_t i = 0; i < n; i++) {
        while (at < image->offsets[i] && image->data[at] == guard_byte(at))
            at++;
        if (at < image->offsets[i])
            return i;
        at += c->operands[i].size;
    }
    while (at < image->size && image->data[at] == guard_byte(at))
        at++;
    return at < image->size ? n - 1 : n;
}

// Compare what lies in the image. False, with an error, when there is no memory.
static bool check_image(const struct smr_case *c, void *const results[], const struct image *image,
                        struct smr_case_result *result)
{
    const struct smr_kernel_desc *desc = smr_kernel_desc(c->id);
    const uint32_t damaged = damaged_guard(c, image);
    if (damaged < desc->n_bindings)
        snprintf(result->problem, sizeof result->problem,
                 "bytes beside the range of binding %u were written", damaged);
    for (uint32_t i = 0; i < desc->n_bindings && !*result->problem; i++) {
        const uint8_t *actual = image->data + image->offsets[i];
        if (desc->access[i] & SMR_WRITE) {
            assert(results[i]); // run_twin() made it
            if (!compare(c, i, results[i], actual, result))
                return false;
        } else if (memcmp(actual, c->operands[i].data, c->operands[i].size) != 0) {
            snprintf(result->problem, sizeof result->problem,
                     "binding %u was written, and is only read by contract", i);
        }
    }
    return true;
}

bool smr_case_run(struct smr_kernel_set *set, const struct smr_kernel_key *key,
                  const struct smr_case *c, uint32_t n_timed, struct smr_case_result *result)
{
    void *results[SMR_MAX_BINDINGS] = {0};
    struct image image = {0};
    const struct smr_variant *variant = &smr_kernel_desc(c->id)->variants[key->variant];
    *result = (struct smr_case_result){.tolerance = fmax(c->tolerance, variant->tolerance)};
    return run_twin(c, key, results) && run_device(set, key, c, n_timed, &image, result) &&
           check_image(c, results, &image, result);
}
