// suite_impl.h - what the files of cases use. Memory comes from the suite and lives until the case
// was run.
#pragma once

#include "kernel/case.h"
#include "suite.h"

struct suite {
    smr_context *context;
    smr_device *device;
    struct smr_kernel_set *set;
    const struct smr_suite_params *params;
    struct smr_suite_summary *summary;
    struct smr_arena arena; // of the case
    bool stopped;
};

// Make a case, run it with every variant, and report. Frees the suite's memory.
void suite_run(struct suite *s, const char *name, const struct smr_case_params *params);

// The same for a case that was made in s->arena and changed since; where a binding has no data it is
// reported that there is no memory.
void suite_run_case(struct suite *s, const char *name, const struct smr_case *c);

// A text that lives as long as the case.
const char *suite_printf(struct suite *s, const char *format, ...) SMR_PRINTF(2, 3);

// The tables: suite_run() for each case of a kernel.
void suite_embed(struct suite *s);
void suite_norm(struct suite *s);
void suite_norm_add_norm(struct suite *s);
void suite_quantize(struct suite *s);
void suite_matvec(struct suite *s);
void suite_matmul(struct suite *s);
void suite_matmul_merge(struct suite *s);
void suite_rope_store(struct suite *s);
void suite_attention(struct suite *s);
void suite_attention_merge(struct suite *s);
void suite_activate(struct suite *s);
void suite_reduce(struct suite *s);
void suite_copy_pages(struct suite *s);
void suite_pick(struct suite *s);
void suite_penalise(struct suite *s);
void suite_sample(struct suite *s);
void suite_route(struct suite *s);
void suite_experts(struct suite *s);
void suite_combine(struct suite *s);
void suite_probe_read(struct suite *s);
void suite_probe_math(struct suite *s);
