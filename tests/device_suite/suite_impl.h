// suite_impl.h - what the files of cases use. Memory comes from the suite and lives until the case
// was run; functions that make operands return NULL when there is none, which suite_run() reports.
#pragma once

#include "suite.h"

struct suite {
    smr_context *context;
    smr_device *device;
    struct smr_kernel_set *set;
    const struct smr_suite_params *params;
    struct smr_suite_summary *summary;
    struct smr_arena arena; // of the case
    uint64_t random;        // state; set anew for each case
    bool stopped;
};

// What a binding holds before the dispatch, on the host.
struct suite_operand {
    void *data;
    size_t size; // bytes, a multiple of 4
};

struct suite_case {
    enum smr_kernel_id id;
    enum smr_type type;
    const char *name;
    const void *push; // the kernel's struct
    struct suite_operand operands[SMR_MAX_BINDINGS];
    double tolerance; // 0: the registry's

    // How floats are read from output `binding`, when it does not hold plain f32: fill in `values`
    // (room for as many as the operand has bytes) and return how many there are. Optional.
    size_t (*decode)(const struct suite_case *c, uint32_t binding, const void *data, float *values);
    // More to see to, given the output the twin made and that of the device. Returns what is wrong,
    // or NULL. Optional.
    const char *(*check)(const struct suite_case *c, uint32_t binding, const void *expected,
                         const void *actual);
};

// Run a case with every variant, and report. Frees the case's memory.
void suite_run(struct suite *s, const struct suite_case *c);

// One operand each. Values are even in [-1, 1), times `scale`.
struct suite_operand suite_floats(struct suite *s, size_t n, float scale);
struct suite_operand suite_bytes(struct suite *s, size_t size); // random; size is rounded up to 4
struct suite_operand suite_anything(struct suite *s);           // for a binding that is not used
struct suite_operand suite_cache(struct suite *s, enum smr_type type, size_t n); // n elements

uint32_t suite_random(struct suite *s, uint32_t n); // in [0, n)
float suite_random_float(struct suite *s);          // in [-1, 1)

// A text that lives as long as the case.
const char *suite_printf(struct suite *s, const char *format, ...) SMR_PRINTF(2, 3);

// The tables: suite_run() for each case of a kernel.
void suite_embed(struct suite *s);
void suite_norm(struct suite *s);
void suite_matvec(struct suite *s);
void suite_matmul(struct suite *s);
void suite_rope_store(struct suite *s);
void suite_attention(struct suite *s);
void suite_attention_merge(struct suite *s);
void suite_activate(struct suite *s);
void suite_reduce(struct suite *s);
