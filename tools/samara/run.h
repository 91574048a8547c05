// run.h - samara run: its settings, what a run leaves behind, and how that is shown.
#pragma once

#include "tool.h"

struct run_settings {
    const char *model, *prompt, *prompt_file, *tokens, *system;
    bool raw, no_bos, escape;

    int64_t n_predict, n_context, n_batch;
    struct option_list stop;
    bool ignore_end;

    double temperature, top_p, min_p, repeat_penalty, presence_penalty, frequency_penalty;
    int64_t top_k, repeat_last_n, seed;
    struct option_list logit_bias;

    const char *device;
    int kernels, cache_type; // indices of the two lists below
    bool json, special;
    int64_t n_logprobs;
    const char *logits;
    struct context_settings context;
};

extern const struct command run_command;
extern const enum smr_type run_cache_types[]; // of the choices of --cache-type
extern const enum smr_kernels run_kernels[];  // of the choices of --kernels
int run_run(int argc, char **argv);

// What is kept while a text is generated. Zero is empty; release with run_record_finish().
struct run_record {
    int32_t *tokens; // [n_tokens]
    size_t n_tokens, tokens_capacity;
    char *text; // kept only for JSON
    size_t text_size, text_capacity;
    json_t *logprobs; // a list; NULL unless wanted
    bool out_of_memory;
};
void run_record_finish(struct run_record *record);
// Add a token with its text. False, and `out_of_memory` set, when that fails.
bool run_record_add(struct run_record *record, const struct smr_generated *generated,
                    bool keep_text);

struct run_summary {
    const int32_t *prompt_tokens;
    size_t n_prompt_tokens;
    const struct smr_device_info *device;
    uint64_t seed;
    uint64_t prompt_ns;      // until the logits after the prompt were there
    uint64_t first_token_ns; // from the start of the program; 0: there is none
    struct smr_engine_times times;
    struct smr_memory_use memory;
    struct smr_generate_result result;
};
// The object of --json. Takes the record's list of log-probabilities.
json_t *run_json(const struct run_summary *summary, struct run_record *record);
// The line of timings on stderr.
void run_print_timings(const char *command, const struct run_summary *summary);

// Logits as a NumPy array of float32 (NEP 1, version 1.0 of the format).
bool run_write_npy(const char *command, const char *path, const float *values, size_t n);
