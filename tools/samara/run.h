// run.h - samara run: its settings, what a run leaves behind, and how that is shown.
#pragma once

#include "terminal.h"
#include "tool.h"

struct run_settings {
    const char *model, *prompt, *prompt_file, *tokens, *system;
    int64_t thinking_budget; // -1: no limit
    bool raw, no_bos, escape;

    int64_t n_predict, n_context, n_source, n_batch;
    int64_t min_tokens, no_repeat_ngram;
    struct option_list stop;
    bool ignore_end;

    double temperature, top_p, min_p, repeat_penalty, presence_penalty, frequency_penalty;
    int64_t top_k, repeat_last_n, seed;
    struct option_list logit_bias;

    const char *draft;       // a model
    int sampling, speculate; // indices of the lists below
    bool no_speculation;
    int64_t draft_max;

    int64_t n_samples, n_beams, n_groups;
    double length_penalty, diversity_penalty;
    int early_stopping; // index of the list below

    const char *device;
    int weight_type;         // index of weight_types
    int kernels, cache_type; // indices of the two lists below
    bool json, special;
    int64_t n_logprobs;
    const char *logits;
    struct context_settings context;
};

extern const struct command run_command;
extern const enum smr_type run_cache_types[];              // of the choices of --cache-type
extern const enum smr_early_stopping run_early_stopping[]; // of the choices of --early-stopping
extern const enum smr_speculate run_speculate[];           // of the choices of --speculation
int run_run(int argc, char **argv);

// What is kept of a text that is generated. Zero is empty; release with run_record_finish().
struct run_record {
    int32_t *tokens; // [n_tokens]
    size_t n_tokens, tokens_capacity;
    char *text; // kept only for JSON
    size_t text_size, text_capacity;
    json_t *logprobs; // a list; NULL unless wanted
    uint64_t seed;    // with --samples
    double score;     // with --beams
    enum smr_stop_reason stop_reason;
    bool out_of_memory;
};
void run_record_finish(struct run_record *record);
// Add a token with its text. False, and `out_of_memory` set, when that fails.
bool run_record_add(struct run_record *record, const struct smr_generated *generated,
                    bool keep_text);
// Take over a text that was found by a search. False when there is no memory.
bool run_record_set(struct run_record *record, const struct smr_beam *beam);

struct run_summary {
    const int32_t *prompt_tokens;
    size_t n_prompt_tokens;
    const struct smr_device_info *device;
    uint64_t seed;
    uint64_t prompt_ns;      // until the logits after the prompt were there
    uint64_t first_token_ns; // from the start of the program; 0: there is none
    struct smr_engine_times times;
    struct smr_memory_use memory;
    struct smr_generate_result result; // n_generated: of all texts
    size_t n_texts;                    // that were generated side by side
};
// The object of --json. Takes the record's list of log-probabilities.
json_t *run_json(const struct run_summary *summary, struct run_record *record);
// The same with a list of n texts: "beams" if they were searched for, else "samples". The first one's
// tokens and text are those of the object, too.
json_t *run_json_many(const struct run_summary *summary, struct run_record *records, size_t n,
                      bool beams);
// The texts on stdout, or the tokens' numbers, with a line before each that tells which it is where
// there are several. Returns false when the reader is gone, or the disk is full.
bool run_print_many(const struct run_record *records, size_t n, bool beams, bool numbers);
// The line of timings on stderr.
void run_print_timings(const char *command, const struct run_summary *summary);

// Logits as a NumPy array of float32 (NEP 1, version 1.0 of the format).
bool run_write_npy(const char *command, const char *path, const float *values, size_t n);

// ---- one run, shared by run.c and run_many.c --------------------------------------------------------

struct run {
    struct tool tool;
    struct run_settings *settings;
    struct progress progress;
    uint64_t start_ns;
    smr_model *model;
    struct smr_model_info info;
    smr_engine *engine;
    smr_session *session;
    smr_model *draft_model; // of --draft, with its engine and session; NULL without
    smr_engine *draft_engine;
    smr_session *draft;
    const char *prefix;  // of the model's own, before a source; NULL without an encoder
    uint32_t max_length; // that the model's files name; 0: none
    char *prompt;        // owned
    size_t prompt_size;
    int32_t *tokens;             // [n_tokens], the prompt; owned by `parsed` or the library
    int32_t *parsed_tokens;      // owned, from --tokens
    int32_t *library_tokens;     // owned, from smr_tokenize()
    struct smr_logit_bias *bias; // owned
    struct run_record record;
    struct run_record *records; // [n_records], of several texts; owned
    size_t n_records;
    uint64_t n_done; // tokens of all samples
    struct run_summary summary;
    char last_byte; // of the text on stdout
    bool write_failed;
    int code;
};

bool run_fail(struct run *run);                // print the library's error; returns false
bool run_fail_with(struct run *run, int code); // what was printed already; returns false
bool run_interrupted(void);                    // Ctrl-C
uint64_t run_now_ns(void);
uint32_t run_n_predict(const struct run *run);                   // UINT32_MAX: no limit
struct smr_generate_params run_generate_params(struct run *run); // without its callback
bool run_on_prefill(void *run, size_t n_done, size_t n_total);

// run_many.c: --samples and --beams.
bool run_check_many(const struct run_settings *settings); // false after a complaint
uint32_t run_n_sequences(const struct run_settings *settings);
uint64_t run_n_cache(const struct run *run); // smr_engine_params.n_cache
// Fill in what the user left open as the model's files have it.
void run_follow_model(struct run *run);
bool run_many(struct run *run);

// run_draft.c: --draft.
bool run_check_draft(const struct run_settings *settings); // false after a complaint
bool run_open_draft(struct run *run);
void run_close_draft(struct run *run);
