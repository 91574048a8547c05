// suite.c - running the tables' cases with every variant, and reporting.
#include "suite_impl.h"

#include <stdio.h>
#include <string.h>

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

// ---- running ----------------------------------------------------------------------------------

// Returns what is wrong with a case on the device, or NULL.
static const char *run_variant(struct suite *s, const struct smr_case *c,
                               const struct smr_kernel_key *key, struct smr_suite_result *result)
{
    struct smr_case_result run = {0};
    const uint64_t begin = smr_time_ns();
    if (!smr_kernel_set_get(s->set, key))
        return suite_printf(s, "%s", smr_context_error(s->context));
    result->create_ns = (double)(smr_time_ns() - begin);
    const bool done = smr_case_run(s->set, key, c, s->params->n_timed, &run);
    result->error = run.error;
    result->tolerance = run.tolerance;
    result->first_ns = run.first_ns;
    result->time_ns = run.time_ns;
    if (!done)
        return suite_printf(s, "%s", smr_context_error(s->context));
    return *run.problem ? suite_printf(s, "%s", run.problem) : NULL;
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

void suite_run_case(struct suite *s, const char *name, const struct smr_case *c)
{
    const struct smr_kernel_desc *desc = smr_kernel_desc(c->id);
    const uint32_t n = s->params->kernels == SMR_KERNELS_PLAIN ? 1 : desc->n_variants;
    bool complete = true;
    uint64_t size = 0;
    for (uint32_t i = 0; i < desc->n_bindings; i++) {
        complete = complete && c->operands[i].data;
        size += c->operands[i].size;
    }
    bool wanted = !s->params->most_bytes || size <= s->params->most_bytes;
    for (uint32_t variant = 0; wanted && variant < n && !s->stopped; variant++) {
        if (s->params->kernels == SMR_KERNELS_F32 && desc->variants[variant].narrow)
            continue;
        struct smr_suite_result result = {
            .kernel = desc->name,
            .type = smr_type_info(c->type)->name,
            .variant = desc->variants[variant].name,
            .name = name,
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
}

void suite_run(struct suite *s, const char *name, const struct smr_case_params *params)
{
    struct smr_case c;
    smr_case_init(&c, &s->arena, params); // what has no memory has no data
    suite_run_case(s, name, &c);
}

// ---- all kernels ------------------------------------------------------------------------------

static const struct {
    enum smr_kernel_id id;
    void (*run)(struct suite *s);
} tables[] = {
    {SMR_KERNEL_EMBED, suite_embed},
    {SMR_KERNEL_MATVEC, suite_matvec},
    {SMR_KERNEL_MATMUL, suite_matmul},
    {SMR_KERNEL_MATMUL_MERGE, suite_matmul_merge},
    {SMR_KERNEL_NORM, suite_norm},
    {SMR_KERNEL_NORM_ADD_NORM, suite_norm_add_norm},
    {SMR_KERNEL_QUANTIZE, suite_quantize},
    {SMR_KERNEL_ROPE_STORE, suite_rope_store},
    {SMR_KERNEL_ATTENTION, suite_attention},
    {SMR_KERNEL_ATTENTION_MERGE, suite_attention_merge},
    {SMR_KERNEL_ACTIVATE, suite_activate},
    {SMR_KERNEL_REDUCE, suite_reduce},
    {SMR_KERNEL_COPY_PAGES, suite_copy_pages},
    {SMR_KERNEL_PICK, suite_pick},
    {SMR_KERNEL_PENALISE, suite_penalise},
    {SMR_KERNEL_SAMPLE, suite_sample},
    {SMR_KERNEL_ROUTE, suite_route},
    {SMR_KERNEL_EXPERTS, suite_experts},
    {SMR_KERNEL_COMBINE, suite_combine},
    {SMR_KERNEL_PROBE_READ, suite_probe_read},
    {SMR_KERNEL_PROBE_MATH, suite_probe_math},
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
