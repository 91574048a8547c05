// generate.h - what the files of this room share: engine, session, pages, sampler, stop strings.
// The functions of samara.h that belong to these objects are implemented here.
//
//     engine.c   a model on a device
//     pages.c    the pool of KV cache pages
//     session.c  one text: its tokens, prefill and decode steps
//     chain.c    steps that are submitted before the token between them is known
//     source.c   what an encoder-decoder model's texts are made from
//     generate.c the loop of one text or of several samples: step, sample, stop, stream
//     beam.c     the search for likely texts: beams, diverse beams
//     rules.c    what a text may not go on with
//     sampler.c  from logits to a token
//     stop.c     stop strings in a stream of text
//     ngrams.c   where the last tokens were there before, and what came then
//     drafter.c  guesses of another model
//     speculate.c whether to guess what comes next, and how far
#pragma once

#include "schedule/schedule.h"
#include "text/text.h"

// ---- pages --------------------------------------------------------------------------------------

// Pages of the KV cache, reference-counted so that texts can share a beginning.
enum { SMR_PAGE_SIZE = 64 }; // tokens

struct smr_page_pool {
    smr_context *context;
    uint32_t n_pages, n_free;
    uint32_t *free; // stack of free pages
    uint32_t *references;
};
bool smr_page_pool_init(struct smr_page_pool *pool, smr_context *context, uint32_t n_pages);
void smr_page_pool_finish(struct smr_page_pool *pool);
bool smr_page_take(struct smr_page_pool *pool, uint32_t *page); // fails when none is free
void smr_page_share(struct smr_page_pool *pool, uint32_t page);
void smr_page_release(struct smr_page_pool *pool, uint32_t page);

// ---- engine and session ---------------------------------------------------------------------------

struct smr_engine {
    smr_context *context;
    smr_model *model;
    smr_device *device;
    struct smr_kernel_set *kernels;
    struct smr_graph graph;
    struct smr_schedule *schedule;
    struct smr_page_pool pool, source_pool;
    uint32_t n_context, n_batch;
    uint32_t n_source;    // tokens a source can have; 0 without an encoder
    uint32_t n_sequences; // texts that one step can go on with
    uint32_t chunk;       // rows of the next prefill step, see session.c
    uint32_t n_copies;    // of pages, to be done before the next step
    // Which list of pages, and which source, each row of the device's tables holds; [n_sequences].
    uint64_t *page_lists, *placed_sources;
    uint64_t last_page_list, last_source;
    uint64_t load_ns;
};

struct smr_session {
    smr_engine *engine;
    struct smr_source *source; // a reference; NULL where there is none
    int32_t *tokens;           // [n_context]
    uint32_t n_tokens, n_computed;
    uint32_t n_start; // tokens that came with the source
    uint32_t *pages;  // [max_pages]
    uint32_t n_pages;
    uint64_t page_list; // another number whenever `pages` changes, unique in the engine
};

// Check that tokens are in the vocabulary; else an error that names one that is not.
bool smr_check_tokens(smr_context *context, const int32_t *tokens, size_t n, uint32_t n_vocab);

// Compute what was appended; afterwards the schedule holds the last token's results.
bool smr_session_compute(smr_session *session, bool read_logits,
                         bool (*progress)(void *user, size_t n_done, size_t n_total), void *user);

// Make `to` the same text as `from`, sharing its pages: what one of them computes later, the other
// does not see. Cannot fail.
void smr_session_fork(smr_session *to, const smr_session *from);
// Empty the text: give its pages and its source back.
void smr_session_clear(smr_session *session);

// Whether the engine can go on with n texts at once; else an error that names them by `what`.
bool smr_check_sequences(const smr_engine *engine, uint32_t n, const char *what);

// One step for up to n_sequences texts, each of which has one token that is not computed. The results
// of sessions[i] are those of row i. A row without a session (NULL) is left alone; the number of rows
// is part of the program's shape, so steps with some texts over keep it.
bool smr_sessions_step(smr_engine *engine, smr_session *const *sessions, uint32_t n_rows,
                       bool read_logits);

// What may follow a text: `n` tokens that lie behind its own, in session->tokens from n_tokens on, to
// be computed in a step of n_rows > n rows, of which those left over stay empty.
struct smr_draft {
    uint32_t n, n_rows;
};
// One step for a text of which one token is not computed, and for the draft after it. The results of
// that token are those of row 0, those of the draft follow. Counts the first row as computed: as a
// token of the draft turns out to be the text's, the caller counts it too.
bool smr_session_step_draft(smr_session *session, struct smr_draft draft, bool read_logits);
// Have a page for `position`, maybe one behind the text's tokens, and describe it as the row of a step.
bool smr_session_fill_row(smr_session *session, struct smr_row *row, uint32_t position);
// Give back the pages in which nothing of the text was computed.
void smr_session_trim(smr_session *session);

// What a step leaves for the host, of one row.
struct smr_step_result {
    const float *logits;              // [n_vocab], NULL when they were not read
    const struct smr_reduced *chunks; // [n_chunks]
    const uint32_t *drawn;            // the token that the device drew; NULL: it did not
};

struct smr_sampler;

// Steps of one text that are submitted, at most two: the later one goes on with the token that the
// device chose in the one before. Zeroed but for the first three it is empty.
struct smr_chain {
    smr_session *session; // its tokens are computed but for the last one
    const struct smr_sampler *sampler;
    uint64_t random; // state of the sampler after what was submitted
    uint32_t n;
    struct smr_shape shapes[2]; // oldest first
    uint32_t n_history;         // tokens of the text that penalties know of
    uint32_t drawn;             // of the step that was waited for
};
// Submit one more step; there is room for its token (smr_session_room()).
bool smr_chain_submit(struct smr_chain *chain);
// Wait for the oldest: its token counts as computed, and these are its results.
bool smr_chain_wait(struct smr_chain *chain, struct smr_step_result *result);
// Make the programs of chains now; `shape` has what they have in common.
bool smr_chain_prepare(smr_engine *engine, const struct smr_shape *shape);

// Tokens that can follow the last one: by the context, and by pages that are free.
uint32_t smr_session_room(const smr_session *session);

// ---- sources --------------------------------------------------------------------------------------

// The tokens that an encoder-decoder model's texts are made from. Shared by counting: a text that
// forks takes a reference of its own. Their keys and values, computed once, lie in pages of the
// engine's source_pool.
struct smr_source {
    smr_engine *engine;
    uint32_t references;
    int32_t *tokens; // [n_tokens]
    uint32_t n_tokens;
    uint32_t *pages; // [n_pages]
    uint32_t n_pages;
    uint64_t id; // unique in the engine
    bool encoded;
};
struct smr_source *smr_source_create(smr_engine *engine, const int32_t *tokens, size_t n_tokens);
struct smr_source *smr_source_share(struct smr_source *source); // NULL shares as NULL
void smr_source_release(struct smr_source *source);
// Compute keys and values for all of the decoder's layers, in one step, unless it was done before.
bool smr_source_encode(struct smr_source *source);
uint32_t smr_session_source_size(const smr_session *session); // tokens; 0 without one
// Whether what is generated next is the beginning of what a reader sees.
bool smr_session_at_start(const smr_session *session);
// Have row `sequence` of the device's table of sources know this one.
void smr_source_place(const struct smr_source *source, uint32_t sequence);

// ---- rules ----------------------------------------------------------------------------------------

struct smr_rule_params {
    const int32_t *ends; // tokens that end a text; without any, the model's
    size_t n_ends;
    bool ignore_end;          // no token ends a text
    uint32_t min_predict;     // tokens generated before one may end the text
    uint32_t no_repeat_ngram; // as many tokens in a row come once; 0: as the model's file has it
};

struct smr_rules {
    struct smr_rule_params params;
    const struct smr_vocab *vocab; // NULL for a model without a tokenizer
    // Of the model's file: tokens that never come, tokens a text has at least, those that came with
    // its source included, and what it ends with when it gets no further; or -1.
    struct smr_token_list suppressed;
    uint32_t min_length;
    int32_t forced_end;
    struct smr_token_list ends, forbidden;
};
bool smr_rules_init(struct smr_rules *rules, const smr_engine *engine,
                    const struct smr_rule_params *params);
void smr_rules_finish(struct smr_rules *rules);
bool smr_rules_is_end(const struct smr_rules *rules, int32_t token);
// Whether there can be a token that is forbidden: then logits are needed.
bool smr_rules_any(const struct smr_rules *rules);
// Fill in rules->forbidden for the next token of a text, some maybe twice. Time: O(n_tokens).
bool smr_rules_apply(struct smr_rules *rules, const int32_t *tokens, uint32_t n_tokens,
                     uint32_t n_generated);
bool smr_rules_forbid(const struct smr_rules *rules, int32_t token); // after smr_rules_apply()

// ---- sampler --------------------------------------------------------------------------------------

struct smr_candidate {
    int32_t token;
    float logit;
    float p;
};

struct smr_sampler {
    smr_context *context;
    struct smr_sampling params;
    uint32_t n_vocab;
    uint64_t random;                  // state; several texts set their own before each token
    struct smr_candidate *candidates; // [n_vocab]
    uint32_t n_candidates;
    uint32_t *chunk_order; // [n_chunks]
    float *delta;          // [n_vocab]; logit changes of penalties and bias, zero between calls
    uint32_t *counts;      // [n_vocab]; occurrences, zero between calls
    int32_t *touched;      // tokens with a change
    uint32_t n_touched;
    size_t touched_capacity;
    struct smr_logprob *top;    // [n_top]
    struct smr_draw_bias *bias; // [n_bias]; those of `params` for the device, no token twice
    uint32_t n_bias;
    const int32_t *forbidden; // [n_forbidden]; of the next token, the caller's
    size_t n_forbidden;
};

// Results of row `row` of the step that was computed last.
struct smr_step_result smr_step_result(const smr_engine *engine, uint32_t row, bool read_logits);

bool smr_sampler_init(struct smr_sampler *sampler, smr_context *context,
                      const struct smr_sampling *params, uint32_t n_vocab, uint32_t n_top);
void smr_sampler_finish(struct smr_sampler *sampler);

// Whether the parameters ask for logits, or the reduction is enough.
bool smr_sampler_needs_logits(const struct smr_sampling *params, uint32_t n_logprobs);

// Whether the host would put all tokens in order.
bool smr_sampler_sorts_all(const struct smr_sampling *params);
// How the device chooses (kernels pick, penalise, sample), and whether it can.
enum smr_choice smr_sampler_choice(const struct smr_sampling *params);
bool smr_sampler_suits_device(const struct smr_sampling *params, uint32_t n_vocab);
// Describe the draw of the token after n_tokens, taking a random number as the host would.
void smr_sampler_draw(const struct smr_sampler *sampler, uint32_t n_tokens, uint64_t *random,
                      struct smr_draw *draw);
// Take a random number, where the sampler does at each token.
void smr_sampler_skip(const struct smr_sampler *sampler, uint64_t *random);

// Choose a token. `history` are the tokens so far, oldest first, for the penalties. Fails when no
// logit is finite.
bool smr_sampler_sample(struct smr_sampler *sampler, const struct smr_step_result *result,
                        const int32_t *history, uint32_t n_history, int32_t *token);

// Record that there is no token to choose; false.
bool smr_fail_no_token(const struct smr_sampler *sampler);

// log of the sum of exp(logit): log-probability = logit - this. -infinity when nothing is finite.
double smr_log_sum(const struct smr_step_result *result, uint32_t n_vocab);

// The k most likely tokens, best first, equal ones by token. Returns how many.
uint32_t smr_select_top(struct smr_sampler *sampler, const struct smr_step_result *result,
                        uint32_t k);

// ---- stop strings -----------------------------------------------------------------------------------

// Text that may be the beginning of a stop string is held back until that is decided.
struct smr_stopper {
    const char *const *stop;
    size_t n_stop;
    struct smr_string held;
};
void smr_stopper_init(struct smr_stopper *stopper, smr_context *context, const char *const *stop,
                      size_t n_stop);
// Take what was added to stopper->held into account. Returns true when a stop string is there:
// *n_final is then what comes before it; else *n_final bytes of `held` can be shown.
bool smr_stopper_check(const struct smr_stopper *stopper, size_t *n_final);
void smr_stopper_drop(struct smr_stopper *stopper, size_t n); // forget the first n bytes
void smr_stopper_finish(struct smr_stopper *stopper);

// ---- speculation ------------------------------------------------------------------------------------

// All tokens so far, and for each the place before it that ends with the same two.
struct smr_ngrams {
    smr_context *context;
    int32_t *tokens;  // [capacity]; a negative one is part of no n-gram
    uint32_t *before; // [capacity]; 0: there is none
    uint32_t *heads;  // [n_heads]; the last place of each, by a hash of the two
    uint32_t n, capacity, n_heads;
};
bool smr_ngrams_init(struct smr_ngrams *ngrams, smr_context *context, uint32_t capacity);
void smr_ngrams_finish(struct smr_ngrams *ngrams);
void smr_ngrams_add(struct smr_ngrams *ngrams, const int32_t *tokens, uint32_t n);
// Write what came after the place that has most tokens before it in common with the end, at least two
// and the latest such place; returns how many tokens, up to `max`. *n_same: in common; 0 without one.
uint32_t smr_ngrams_find(const struct smr_ngrams *ngrams, int32_t *draft, uint32_t max,
                         uint32_t *n_same);

// Another model that guesses, and its text, which is ours.
struct smr_drafter {
    smr_session *session; // the caller's; NULL: there is none
    struct smr_sampler sampler;
    uint32_t n_vocab;  // tokens that are some in the text
    uint32_t n_common; // the first tokens that are known to be the text's
    bool read_logits;
};
// Fails where the models do not have the same vocabulary. Without `draft` there is nothing to do.
bool smr_drafter_init(struct smr_drafter *drafter, const smr_session *text, smr_session *draft,
                      const struct smr_sampling *sampling);
void smr_drafter_finish(struct smr_drafter *drafter);
// Compute what the text has so far.
bool smr_drafter_prefill(struct smr_drafter *drafter, const smr_session *text,
                         bool (*progress)(void *user, size_t n_done, size_t n_total), void *user);
// Guess *n tokens after the text, drawing from `random` on as the text will; *n receives how many
// there are, fewer where its context is full.
bool smr_drafter_draft(struct smr_drafter *drafter, const smr_session *text, uint64_t random,
                       int32_t *tokens, uint32_t *n);

enum { SMR_MAX_DRAFT = 7, SMR_GUESS_KINDS = 6, SMR_GUESS_STEPS = 3 };

struct smr_guesses {
    float right, all;
};

struct smr_speculator {
    enum smr_speculate when;
    uint32_t max;               // tokens of a draft
    struct smr_drafter drafter; // where there is one...
    struct smr_ngrams ngrams;   // ...and else
    uint32_t n_known;           // tokens of the text that are in `ngrams`
    uint32_t n_same;            // of the last draft
    uint32_t step;              // that it chose
    struct smr_guesses guesses[SMR_GUESS_KINDS];
    // Time of a step of one row, and how many times that each wider step takes; 0: not known yet.
    double step_ns, costs[SMR_GUESS_STEPS];
    bool warm_single, warm[SMR_GUESS_STEPS]; // the programs ran before
    double budget;                           // in steps of one row: what guesses may cost
    uint64_t n_drafted, n_accepted;
};
bool smr_speculator_init(struct smr_speculator *speculator, const smr_session *session,
                         const struct smr_generate_params *params);
void smr_speculator_finish(struct smr_speculator *speculator);
// Guess what follows the text, at most `max` tokens, by random numbers from `random` on. No tokens
// where that would not pay.
bool smr_speculator_draft(struct smr_speculator *speculator, smr_session *session, uint64_t random,
                          uint32_t max, struct smr_draft *draft);
// Take note of the step with that draft, of which n_right tokens were right, and of its time with that
// of guessing.
void smr_speculator_learn(struct smr_speculator *speculator, struct smr_draft draft,
                          uint32_t n_right, uint64_t time_ns);
