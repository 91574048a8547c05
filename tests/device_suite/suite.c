// suite.c - running cases: the twin on host memory, the kernel on the device, and comparing them.
#include "suite_impl.h"

#include "kernel/twin/twin.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { GUARD = 256 }; // bytes before and after each range on the device, at least

// ---- operands ---------------------------------------------------------------------------------

// xorshift64* (Vigna, arXiv:1402.6246)
static uint64_t next_random(struct suite *s)
{
    s->random ^= s->random >> 12;
    s->random ^= s->random << 25;
    s->random ^= s->random >> 27;
    return s->random * 0x2545f4914f6cdd1d;
}

uint32_t suite_random(struct suite *s, uint32_t n)
{
    return (uint32_t)((next_random(s) >> 32) * n >> 32);
}

float suite_random_float(struct suite *s)
{
    return (float)(next_random(s) >> 40) * (2.0f / 16777216.0f) - 1.0f;
}

struct suite_operand suite_floats(struct suite *s, size_t n, float scale)
{
    float *data = smr_arena_alloc(&s->arena, n, sizeof *data);
    for (size_t i = 0; data && i < n; i++)
        data[i] = scale * suite_random_float(s);
    return (struct suite_operand){data, n * sizeof *data};
}

struct suite_operand suite_bytes(struct suite *s, size_t size)
{
    size = smr_align_up(size, 4);
    uint8_t *data = smr_arena_alloc(&s->arena, size, 1);
    for (size_t i = 0; data && i < size; i++)
        data[i] = (uint8_t)(next_random(s) >> 56);
    return (struct suite_operand){data, size};
}

struct suite_operand suite_anything(struct suite *s)
{
    return suite_bytes(s, 16);
}

struct suite_operand suite_cache(struct suite *s, enum smr_type type, size_t n)
{
    struct suite_operand floats = suite_floats(s, n, 1.0f);
    struct suite_operand cache = suite_bytes(s, smr_cache_size(type, (uint32_t)n));
    if (floats.data && cache.data)
        smr_cache_write(type, cache.data, 0, floats.data, (uint32_t)n);
    return cache;
}

const char *suite_printf(struct suite *s, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const char *copy = smr_arena_strndup(&s->arena, text, strlen(text));
    return copy ? copy : "";
}

// ---- comparing --------------------------------------------------------------------------------

static size_t decode(const struct suite_case *c, uint32_t binding, const void *data, float *values)
{
    if (c->decode)
        return c->decode(c, binding, data, values);
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

// Compare one output. Returns what is wrong, or NULL.
static const char *compare(struct suite *s, const struct suite_case *c, uint32_t binding,
                           const void *expected, const void *actual,
                           struct smr_suite_result *result)
{
    const struct suite_operand *operand = &c->operands[binding];
    const uint32_t *before = operand->data, *twin = expected, *device = actual;
    assert(before && twin && device);
    for (size_t i = 0; i < operand->size / 4; i++)
        if (twin[i] == before[i] && device[i] != before[i])
            return suite_printf(s, "binding %u: word %zu was changed from %08x to %08x", binding, i,
                                before[i], device[i]);

    float *values = smr_arena_alloc(&s->arena, 3 * operand->size, sizeof *values);
    if (!values)
        return "out of memory";
    float *a = values, *b = a + operand->size, *d = b + operand->size;
    size_t n = decode(c, binding, before, a);
    decode(c, binding, expected, b);
    decode(c, binding, actual, d);
    const double error = difference(a, b, d, n);
    if (!(error <= result->error)) // NAN too
        result->error = error;
    if (!(error <= result->tolerance)) {
        size_t at = 0;
        while (at + 1 < n && fabsf(b[at] - d[at]) <= 1e-3f * (1 + fabsf(b[at])))
            at++;
        return suite_printf(s, "binding %u: error %.3g, tolerance %.3g; value %zu is %g, not %g",
                            binding, error, result->tolerance, at, d[at], b[at]);
    }
    return c->check ? c->check(c, binding, expected, actual) : NULL;
}

// ---- running ----------------------------------------------------------------------------------

// The twin's results: copies of the operands, changed.
static bool run_twin(struct suite *s, const struct suite_case *c, const struct smr_kernel_key *key,
                     void *results[])
{
    const struct smr_kernel_desc *desc = smr_kernel_desc(c->id);
    struct smr_twin_args args = {.push = c->push, .type = key->type, .constants = key->constants};
    for (uint32_t i = 0; i < desc->n_bindings; i++) {
        results[i] = smr_arena_alloc(&s->arena, c->operands[i].size, 1);
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

// The bytes around and in a range on the device.
struct image {
    uint8_t *data;
    size_t guard, size; // of the guard on either side; of everything
};

static bool make_image(struct suite *s, const struct suite_operand *operand, struct image *image)
{
    image->guard = smr_max_u32(GUARD, smr_device_limits(s->device)->binding_alignment);
    image->size = 2 * image->guard + operand->size;
    image->data = smr_arena_alloc(&s->arena, image->size, 1);
    if (!image->data)
        return false;
    for (size_t i = 0; i < image->size; i++)
        image->data[i] = (uint8_t)(0xa5 ^ i);
    memcpy(image->data + image->guard, operand->data, operand->size);
    return true;
}

// Record `n` dispatches, submit them and wait. `time_ns` receives how long that took.
static bool dispatch(struct suite *s, const struct suite_case *c, const struct smr_kernel_key *key,
                     const struct smr_binding *bindings, uint32_t n, double *time_ns)
{
    smr_list *list = smr_list_create(s->device, c->name);
    if (!list)
        return false;
    for (uint32_t i = 0; i < n; i++)
        smr_kernel_dispatch(s->set, list, key, bindings, c->push);
    bool done = smr_list_end(list);
    const uint64_t begin = smr_time_ns();
    done = done && smr_device_submit(s->device, list) && smr_device_wait(s->device);
    *time_ns = (double)(smr_time_ns() - begin);
    smr_list_destroy(list);
    return done;
}

// Dispatch on the device. Fills in an image after the dispatch for each binding.
static bool run_device(struct suite *s, const struct suite_case *c,
                       const struct smr_kernel_key *key, struct image images[],
                       struct smr_suite_result *result)
{
    const struct smr_kernel_desc *desc = smr_kernel_desc(c->id);
    struct smr_binding bindings[SMR_MAX_BINDINGS] = {{0}};
    bool done = false;
    for (uint32_t i = 0; i < desc->n_bindings; i++) {
        if (!make_image(s, &c->operands[i], &images[i]))
            goto done;
        struct smr_buffer_params params = {.size = images[i].size, .name = "operand"};
        bindings[i].buffer = smr_buffer_create(s->device, &params);
        bindings[i].offset = images[i].guard;
        bindings[i].size = c->operands[i].size;
        if (!bindings[i].buffer ||
            !smr_buffer_write(bindings[i].buffer, 0, images[i].data, images[i].size))
            goto done;
    }
    const uint64_t begin = smr_time_ns();
    if (!smr_kernel_set_get(s->set, key))
        goto done;
    result->create_ns = (double)(smr_time_ns() - begin);
    done = dispatch(s, c, key, bindings, 1, &result->first_ns);
    for (uint32_t i = 0; done && i < desc->n_bindings; i++)
        done = smr_buffer_read(bindings[i].buffer, 0, images[i].data, images[i].size);
    const uint32_t n = s->params->n_timed;
    if (done && n) {
        done = dispatch(s, c, key, bindings, n, &result->time_ns);
        result->time_ns /= n;
    }
done:
    for (uint32_t i = 0; i < desc->n_bindings; i++)
        smr_buffer_destroy(bindings[i].buffer);
    return done;
}

static bool guards_intact(const struct image *image)
{
    for (size_t i = 0; i < image->guard; i++) {
        size_t last = image->size - 1 - i;
        if (image->data[i] != (uint8_t)(0xa5 ^ i) || image->data[last] != (uint8_t)(0xa5 ^ last))
            return false;
    }
    return true;
}

// Returns what is wrong with a case on the device, or NULL.
static const char *run_variant(struct suite *s, const struct suite_case *c,
                               const struct smr_kernel_key *key, struct smr_suite_result *result)
{
    const struct smr_kernel_desc *desc = smr_kernel_desc(c->id);
    void *results[SMR_MAX_BINDINGS] = {0};
    struct image images[SMR_MAX_BINDINGS] = {{0}};
    if (!run_twin(s, c, key, results) || !run_device(s, c, key, images, result))
        return suite_printf(s, "%s", smr_context_error(s->context));
    for (uint32_t i = 0; i < desc->n_bindings; i++) {
        if (!guards_intact(&images[i]))
            return suite_printf(s, "binding %u: bytes outside its range were written", i);
        const uint8_t *data = images[i].data + images[i].guard;
        assert(images[i].data && c->operands[i].data);
        if (desc->access[i] & SMR_WRITE) {
            const char *problem = compare(s, c, i, results[i], data, result);
            if (problem)
                return problem;
        } else if (memcmp(data, c->operands[i].data, c->operands[i].size) != 0) {
            return suite_printf(s, "binding %u was written, and is only read by contract", i);
        }
    }
    return NULL;
}

static void report(struct suite *s, const struct smr_suite_result *result)
{
    if (result->skipped)
        s->summary->n_skipped++;
    else if (result->problem)
        s->summary->n_failed++;
    else
        s->summary->n_passed++;
    if (s->params->report && !s->params->report(s->params->user, result))
        s->stopped = true;
}

void suite_run(struct suite *s, const struct suite_case *c)
{
    const struct smr_kernel_desc *desc = smr_kernel_desc(c->id);
    const uint32_t n = s->params->kernels == SMR_KERNELS_PLAIN ? 1 : desc->n_variants;
    bool complete = true;
    for (uint32_t i = 0; i < desc->n_bindings; i++)
        complete = complete && c->operands[i].data;
    for (uint32_t variant = 0; variant < n && !s->stopped; variant++) {
        struct smr_suite_result result = {
            .kernel = desc->name,
            .type = smr_type_info(c->type)->name,
            .variant = desc->variants[variant].name,
            .name = c->name,
            .tolerance = c->tolerance > 0 ? c->tolerance : desc->tolerance,
        };
        struct smr_kernel_key key;
        smr_context_clear_error(s->context);
        if (!complete)
            result.problem = "out of memory";
        else if (smr_kernel_variant_key(s->device, c->id, c->type, variant, c->push, &key))
            result.problem = run_variant(s, c, &key, &result);
        else if (variant)
            result.skipped = "the device or the shape does not suit this variant";
        else
            result.problem = "the plain variant refuses this shape";
        report(s, &result);
    }
    smr_arena_finish(&s->arena);
    smr_arena_init(&s->arena, s->context);
    s->random = 0x9e3779b97f4a7c15;
}

// ---- all kernels ------------------------------------------------------------------------------

static const struct {
    enum smr_kernel_id id;
    void (*run)(struct suite *s);
} tables[] = {
    {SMR_KERNEL_EMBED, suite_embed},
    {SMR_KERNEL_MATVEC, suite_matvec},
    {SMR_KERNEL_MATMUL, suite_matmul},
    {SMR_KERNEL_NORM, suite_norm},
    {SMR_KERNEL_ROPE_STORE, suite_rope_store},
    {SMR_KERNEL_ATTENTION, suite_attention},
    {SMR_KERNEL_ATTENTION_MERGE, suite_attention_merge},
    {SMR_KERNEL_ACTIVATE, suite_activate},
    {SMR_KERNEL_REDUCE, suite_reduce},
};

bool smr_suite_run(smr_device *device, const struct smr_suite_params *params,
                   struct smr_suite_summary *summary)
{
    *summary = (struct smr_suite_summary){0};
    struct suite s = {
        .context = smr_device_context(device),
        .device = device,
        .params = params,
        .summary = summary,
        .random = 0x9e3779b97f4a7c15,
    };
    s.set = smr_kernel_set_create(device, params->kernels);
    if (!s.set)
        return false;
    smr_arena_init(&s.arena, s.context);
    for (size_t i = 0; i < SMR_COUNT(tables) && !s.stopped; i++)
        if (!params->kernel || !strcmp(params->kernel, smr_kernel_desc(tables[i].id)->name))
            tables[i].run(&s);
    smr_arena_finish(&s.arena);
    smr_kernel_set_destroy(s.set);
    return !s.stopped;
}
