// bench.h - samara bench: its settings, what it measures, and how that is shown.
#pragma once

#include "terminal.h"
#include "tool.h"

#include "generate/generate.h"
#include "kernel/peak.h"

struct bench_settings {
    const char *model, *synthetic, *device;
    const char *prompts, *predicts, *depths; // lists of numbers
    int64_t repetitions, n_batch;
    int weight_type; // index of weight_types
    int kernels, cache_type, output;
    bool no_starts, no_kernels, first_token;
    struct context_settings context;
};

enum bench_output { BENCH_MD, BENCH_JSON, BENCH_CSV };

// One row of results: a prompt of n tokens, or n tokens decoded, after `depth` tokens.
struct bench_test {
    bool decode;
    uint32_t n, depth;
    double *samples; // tokens per second, of each repetition
    uint32_t n_samples;
    double mean, deviation;       // of the samples; deviation 0 where there is one
    double cpu_us, n_submissions; // per token: processor time of the calling thread
    bool on_device;               // tokens were chosen there
    char name[16];                // "pp512"
};

// Dispatches of a step that are done by the same variant of a kernel.
struct bench_kernel {
    const char *kernel, *type, *variant;
    char shape[24]; // of the matrix, "4096x11008": rows, columns; "" where there is none
    uint32_t n_calls;
    double seconds, bytes, flops; // of all calls
};
struct bench_table {
    const char *step;             // "decode step"; NULL: not measured
    struct bench_kernel *kernels; // [n], those that take longest first
    size_t n;
    uint32_t n_dispatches, n_rows, first_position;
    bool timed; // false: the device has no timestamps
    double seconds, bytes, flops;
};

// From the start of a process to the first token, seconds; negative: not measured.
struct bench_starts {
    double cold, warm; // without and with the compiled work of a run before
};

struct bench {
    struct tool tool;
    struct bench_settings *settings;
    struct progress progress;
    smr_model *model;
    struct smr_model_info info;
    smr_engine *engine;
    smr_session *session;
    int32_t *tokens; // [n_context], random
    struct bench_test *tests;
    size_t n_tests;
    struct bench_starts starts;
    struct bench_table prompt, decode; // of the first tests of both kinds
    struct smr_peaks peaks;            // zero: not measured
    uint64_t peak_memory;              // of this process while the tests ran, bytes; 0: not known
    uint64_t library_memory;           // of it in pages of shared libraries
    int code;
};

extern const struct command bench_command;
extern const char *const bench_cache_types[]; // of the choices of --cache-type

bool bench_fail(struct bench *bench); // print the library's error; returns false
void bench_progress(struct bench *bench, const char *format, ...) TOOL_PRINTF(2, 3);

// bench_test.c: run the tests one after the other.
uint32_t bench_n_context(const struct bench *bench); // that the tests need
bool bench_make_tokens(struct bench *bench);
bool bench_run_tests(struct bench *bench);
// The first step of all: a prompt of eight tokens and the token after it.
bool bench_first_token(struct bench *bench);

// bench_start.c: start this program anew, with an empty folder for caches, and once more.
bool bench_measure_starts(struct bench *bench, int argc, char **argv);

// bench_kernels.c: the dispatches of the step that was run last.
bool bench_profile(struct bench *bench, struct bench_table *table, const char *step);
void bench_print_table(const struct bench *bench, const struct bench_table *table);
json_t *bench_table_json(const struct bench *bench, const struct bench_table *table);

// bench_output.c
int bench_show(const struct bench *bench);
