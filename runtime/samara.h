// samara.h - the public interface of samara, a portable engine for text generation on any GPU.
//
// The order of use:
//
//     smr_context  errors, log, memory, where compiled work is kept
//     smr_devices  what this machine can compute on
//     smr_model    a model file: hyperparameters, weights (mapped), tokenizer
//     smr_engine   a model on a device: weights uploaded, kernels compiled
//     smr_session  one text in the making: its tokens and their KV cache
//
// Errors: a function returns NULL or false, and smr_context_error() has the reason as one line of
// text for a person, with a status for a program.
// Ownership: every create or open has its destroy or close, which accepts NULL. Whatever was made
// from an object must be destroyed before it. Pointers handed out live as long as their object.
// Threads: a context and all that comes from it belong to one thread at a time. Contexts are
// independent of each other.
// Cost: opening a model maps it and reads its header; creating an engine reads the weights and
// compiles; the rest allocates only where it says so.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SMR_API __attribute__((visibility("default")))

typedef struct smr_context smr_context;
typedef struct smr_model smr_model;
typedef struct smr_engine smr_engine;
typedef struct smr_session smr_session;

// The version of the library, "0.1.0".
SMR_API const char *smr_version(void);

// ---- context ----------------------------------------------------------------------------------

// Why something failed. The numbers are the exit codes of the command line tool.
enum smr_status {
    SMR_OK = 0,
    SMR_ERROR = 1,        // anything else at run time
    SMR_ERROR_USAGE = 2,  // arguments that make no sense
    SMR_ERROR_MODEL = 3,  // a file that is missing, damaged or of a kind we do not know
    SMR_ERROR_DEVICE = 4, // no device, a driver's failure
    SMR_ERROR_MEMORY = 5, // not enough memory, on the host or the device (exit code 4)
};

enum smr_log_level { SMR_LOG_ERROR, SMR_LOG_WARNING, SMR_LOG_INFO, SMR_LOG_DEBUG };

struct smr_context_params {
    // Where lines of log go; NULL for nowhere. May be called from worker threads, one at a time.
    void (*log)(void *user, enum smr_log_level level, const char *text);
    enum smr_log_level log_level; // the least important level that is wanted
    const char *cache_dir;        // kept compiled work; NULL: nothing is kept. Made when missing
    const char *shader_dir;       // read GLSL from here, not from the library; optional
    bool validation;              // Vulkan validation layers, as log lines of level error
    // Threads of the processor: for devices that are made of it, and for compiling. 0: one for each
    // core that this process may use. A software Vulkan driver counts processors when it is used
    // first in a process, so that the first context's wish stays.
    uint32_t n_threads;
    // realloc() in the C sense, with size 0 to free; NULL for the C library's. May be called from
    // worker threads, one at a time.
    void *(*reallocate)(void *user, void *pointer, size_t size);
    void *user; // for the callbacks
};
// Returns NULL only when there is no memory.
SMR_API smr_context *smr_context_create(const struct smr_context_params *params);
SMR_API void smr_context_destroy(smr_context *context);

// The first error since the last clear: one line, empty when there is none.
SMR_API const char *smr_context_error(const smr_context *context);
SMR_API enum smr_status smr_context_status(const smr_context *context);
SMR_API void smr_context_clear_error(smr_context *context);

// ---- tensor types -----------------------------------------------------------------------------

// The numbers are those of GGUF files (ggml/include/ggml.h, enum ggml_type).
enum smr_type {
    SMR_F32 = 0,
    SMR_F16 = 1,
    SMR_Q4_0 = 2,
    SMR_Q4_1 = 3,
    SMR_Q5_0 = 6,
    SMR_Q5_1 = 7,
    SMR_Q8_0 = 8,
    SMR_Q2_K = 10,
    SMR_Q3_K = 11,
    SMR_Q4_K = 12,
    SMR_Q5_K = 13,
    SMR_Q6_K = 14,
    SMR_IQ4_NL = 20,
    SMR_I32 = 26,
    SMR_BF16 = 30,
};

// ---- devices ----------------------------------------------------------------------------------

enum smr_backend { SMR_BACKEND_VULKAN, SMR_BACKEND_OPENCL, SMR_BACKEND_REFERENCE };

// In the order of preference for the default.
enum smr_device_type {
    SMR_DEVICE_DISCRETE,   // a graphics card
    SMR_DEVICE_INTEGRATED, // a GPU that shares the machine's memory
    SMR_DEVICE_CPU,        // the processor, through a driver that is made for computing
    SMR_DEVICE_SOFTWARE,   // a Vulkan driver that runs on the processor
    SMR_DEVICE_REFERENCE,  // plain C
};

struct smr_device_info {
    char id[32]; // "vulkan0", "reference": for smr_engine_params.device
    char name[256];
    char vendor[64];
    char driver[256]; // name and version
    enum smr_backend backend;
    enum smr_device_type type;
    uint64_t memory;      // bytes the device can use; of the machine where it is shared
    uint64_t memory_free; // bytes, as far as the driver tells; else equal to memory
    uint32_t n_threads;   // of the processor, that run its kernels; 0: none, or not known
    uint32_t hardware;    // the same number: one GPU, reached through several drivers or APIs
    bool is_default;
    const char *reason; // why it is the default, or why it can't be used; NULL otherwise
    bool usable;
};

// List the devices of this machine into `infos` (room for `capacity`), preferred order first.
// Returns how many there are, which can be more than `capacity`. `absent`, when not NULL, receives
// a text of one line per backend that has no device, saying why; it lives until the next call.
SMR_API size_t smr_devices(smr_context *context, struct smr_device_info *infos, size_t capacity,
                           const char **absent);

// ---- models -----------------------------------------------------------------------------------

// Map a GGUF file (for a split model: its first part) or the safetensors files of a Hugging Face
// folder, and check all that describes them. Nothing is uploaded. A tokenizer without weights opens
// too.
SMR_API smr_model *smr_model_open(smr_context *context, const char *path);
SMR_API void smr_model_close(smr_model *model);

struct smr_model_info {
    const char *name;         // general.name, or the file's name
    const char *architecture; // "llama"
    const char *type;         // of most weights: "Q4_K"
    uint64_t n_params;
    uint64_t size; // bytes of weights
    uint32_t n_vocab, n_context, n_layers, n_embd, n_ff;
    uint32_t n_heads, n_kv_heads, head_dim;
    uint32_t n_encoder_layers; // 0: a decoder alone; else n_layers are those of the decoder
    const char *tokenizer;     // "llama", "gpt2", "tokenizer.json"; NULL without one
    const char *pre_tokenizer; // "llama-bpe"; NULL without one
    const char *chat_format;   // "chatml", "gemma", ...; NULL when none is known
    const char *chat_template; // Jinja text as in the file; NULL without one
    bool has_weights;
};
SMR_API void smr_model_info(const smr_model *model, struct smr_model_info *info);

// ---- conversion -------------------------------------------------------------------------------

// What happens to one tensor.
struct smr_convert_tensor {
    const char *name;
    enum smr_type from, to;
    enum smr_type wanted;        // differs from `to` where rows are no multiple of its block
    uint64_t from_size, to_size; // bytes
};

struct smr_convert_params {
    // What most weights become: "q8_0", "q4_k_m", a name that smr_convert_type() gives. Which
    // tensors get a better type under it is llama.cpp's choice (llama-quantize). NULL: "q8_0".
    const char *type;
    bool pure;    // all matrices become the type itself
    bool replace; // the file may exist
    // Called for each tensor before any is converted. Optional.
    void (*tensor)(void *user, const struct smr_convert_tensor *tensor);
    // Progress, in bytes of the source's weights. Return false to cancel. Optional.
    bool (*progress)(void *user, uint64_t n_done, uint64_t n_total);
    void *user;
};

struct smr_convert_result {
    uint64_t from_size, to_size; // bytes of weights
    uint64_t file_size;          // bytes
    uint32_t n_tensors;
    uint32_t n_requantized; // tensors that lost a second time: they were quantised before
    uint32_t n_fallbacks;   // tensors that could not have the type that was wanted for them
    bool cancelled;         // progress() returned false
    uint64_t time_ns;
};

// Write a model as one GGUF file of other types, which llama.cpp loads too. The file appears whole
// or not at all. `result` may be NULL. Returns false on errors, and when cancelled.
SMR_API bool smr_convert(smr_model *model, const char *path,
                         const struct smr_convert_params *params,
                         struct smr_convert_result *result);

// Have the weights turned into other types while an engine loads them, for a model that would be
// too big as it is: `type` as in smr_convert_params. Before the first engine, and once. The file
// stays.
SMR_API bool smr_model_set_type(smr_model *model, const char *type);

// The names of types to convert to, by index; NULL past the last one. `what`, when not NULL,
// receives a phrase about it.
SMR_API const char *smr_convert_type(size_t index, const char **what);

// When a search with n_beams finished texts stops: at once, or as long as a text that goes on could
// still become better than the worst of them, taking its score for that of its length so far
// (HEURISTIC), or of the greatest length there can be (NEVER; where the length penalty is
// positive).
enum smr_early_stopping {
    SMR_EARLY_STOPPING_HEURISTIC, // transformers' early_stopping=False
    SMR_EARLY_STOPPING_AT_ONCE,   // True
    SMR_EARLY_STOPPING_NEVER,     // "never"
};

// What a model's files ask for when it writes, for programs that were told nothing else: folders of
// encoder-decoder models have it (generation_config.json, task_specific_params of config.json).
enum smr_task_kind { SMR_TASK_GENERATE, SMR_TASK_SUMMARIZE };
struct smr_task {
    const char *prefix;   // what goes before the source: T5's "summarize: "; "" for nothing
    uint32_t n_beams;     // 0 or 1: no search
    uint32_t max_length;  // tokens of a text, those it starts with included; 0: not said
    float length_penalty; // 1 where nothing is said
    enum smr_early_stopping early_stopping;
};
SMR_API void smr_model_task(const smr_model *model, enum smr_task_kind kind, struct smr_task *task);

// ---- text -------------------------------------------------------------------------------------

enum smr_tokenize_flags {
    SMR_TOKENIZE_SPECIAL = 1, // special tokens in the text are what they say, not their letters
    SMR_TOKENIZE_NO_BOS = 2,  // leave out the begin-of-text token the model asks for
};
// Tokens of `size` bytes of UTF-8 (bad bytes are encoded as U+FFFD would be). `tokens` is
// allocated; free it with smr_tokens_free(). Loads the vocabulary on the first call.
SMR_API bool smr_tokenize(smr_model *model, const char *text, size_t size, uint32_t flags,
                          int32_t **tokens, size_t *n_tokens);
SMR_API void smr_tokens_free(smr_model *model, int32_t *tokens);

// The bytes of one token: not zero-terminated and possibly part of a character. NULL for a number
// outside the vocabulary; special tokens have size 0 unless `special`.
SMR_API const char *smr_token_bytes(smr_model *model, int32_t token, bool special, size_t *size);

struct smr_chat_params {
    const char *system; // what the model is told before; NULL for nothing
    const char *user;   // the message
    // How long a model that thinks before it answers may do so, where its chat format can say it.
    bool limit_thinking;
    uint32_t thinking_budget; // tokens, with limit_thinking; 0: it answers at once
};

// One message in the model's chat format, with the opening of the answer, as a text to tokenize
// with SMR_TOKENIZE_SPECIAL. Returns NULL when the format is not known, and with an error
// (SMR_ERROR_USAGE) where it has no such limit. Free with smr_text_free().
SMR_API char *smr_chat_prompt(smr_model *model, const struct smr_chat_params *params);
SMR_API void smr_text_free(smr_model *model, char *text);

// ---- engine -----------------------------------------------------------------------------------

enum { SMR_MAX_SEQUENCES = 64 };

// Which implementations of the kernels are used.
enum smr_kernels {
    SMR_KERNELS_TUNED, // the fastest ones
    SMR_KERNELS_F32,   // the fastest ones that do not round activations to fewer than 32 bits
    SMR_KERNELS_PLAIN, // the simplest ones, for comparison and broken drivers
};

// Whether candidates for the kernels' work are measured on the device, where that was not done
// before for a model of this shape. What was found to be fastest is kept in the context's
// cache_dir.
enum smr_tuning_mode {
    SMR_TUNE_FIRST,    // a few seconds at most, the first time; not without a cache_dir
    SMR_TUNE_NEVER,    // take what is known
    SMR_TUNE_THOROUGH, // everything, and anew
};

struct smr_engine_params {
    const char *device; // an id, a backend's name, or part of a name; NULL for the default
    enum smr_kernels kernels;
    enum smr_tuning_mode tuning;
    enum smr_type cache_type; // of keys and values: SMR_F16, SMR_F32 or SMR_Q8_0
    uint32_t n_context;       // tokens of one session; 0 for the model's, at most 4096
    uint32_t n_source;        // tokens of a source, with an encoder; 0 for as the model was trained
    uint32_t n_batch;         // rows of a prefill step; 0 for 512, or 128 without a GPU
    bool cache_type_set;      // false: SMR_F16
    uint32_t n_sequences;     // texts one step goes on with: beams, samples; 0 for 1
    uint64_t n_cache;         // tokens the KV cache holds over all texts, where they share those of
                              // a beginning; 0 for n_sequences * n_context, which is always enough
    // Progress of loading and compiling, 0 to 1; optional.
    void (*progress)(void *user, const char *what, float fraction);
    void *user;
};
SMR_API smr_engine *smr_engine_create(smr_model *model, const struct smr_engine_params *params);
SMR_API void smr_engine_destroy(smr_engine *engine);
SMR_API const struct smr_device_info *smr_engine_device(const smr_engine *engine);

// Tokens a session can hold.
SMR_API uint32_t smr_engine_context_size(const smr_engine *engine);
// Tokens a source can have; 0 for a model without an encoder.
SMR_API uint32_t smr_engine_source_size(const smr_engine *engine);

struct smr_memory_use { // bytes on the device
    uint64_t weights, cache, activations, total;
};
SMR_API void smr_engine_memory(const smr_engine *engine, struct smr_memory_use *use);

struct smr_engine_times { // nanoseconds
    uint64_t load_ns;     // reading and uploading weights
    uint64_t compile_ns;  // GLSL, SPIR-V, pipelines, summed over what ran one after the other
};
SMR_API void smr_engine_times(const smr_engine *engine, struct smr_engine_times *times);

// ---- generation -------------------------------------------------------------------------------

struct smr_logit_bias {
    int32_t token;
    float bias;
};

// Where a field says so, zero means the default, which is llama.cpp's.
struct smr_sampling {
    float temperature;       // 0: the most likely token, always
    uint32_t top_k;          // 0: all
    float top_p;             // 1: all
    float min_p;             // 0: all
    float repeat_penalty;    // 1: none (CTRL, arXiv:1909.05858)
    float presence_penalty;  // 0: none
    float frequency_penalty; // 0: none
    uint32_t repeat_last_n;  // tokens the penalties look back on; 0: none; UINT32_MAX: all
    uint64_t seed;           // same seed, same text; the caller picks a random one
    const struct smr_logit_bias *bias;
    size_t n_bias;
};
// temperature 0.8, top_k 40, top_p 0.95, min_p 0.05, no penalties over 64 tokens, seed 0.
SMR_API struct smr_sampling smr_sampling_default(void);

enum smr_stop_reason {
    SMR_STOP_NONE,    // not stopped: the callback or an error ended it
    SMR_STOP_LENGTH,  // n_predict tokens were generated
    SMR_STOP_END,     // the model ended its text
    SMR_STOP_STRING,  // a stop string appeared
    SMR_STOP_CONTEXT, // the context is full
    SMR_STOP_CANCEL,  // the callback returned false
};

struct smr_logprob {
    int32_t token;
    float logprob; // natural logarithm of the probability under the model, before sampling
};

struct smr_generated { // one generated token, handed to the callback
    uint32_t sample;   // of smr_generate_samples(): whose token it is
    int32_t token;
    float logprob;
    const char *text; // whole UTF-8 characters that are final now; may be empty
    size_t text_size;
    const struct smr_logprob *top; // the most likely n_logprobs tokens, best first
    size_t n_top;
};

// When to guess what comes next and to compute the guesses in the step that computes the next
// token. Where they are right, a step brings several tokens; a guess that is wrong is thrown away.
// Each token is chosen as without guesses, by the same random numbers, so the text is the same: but
// for the rounding of logits, where kernels for several rows add in another order.
enum smr_speculate {
    SMR_SPECULATE_AUTO, // where it pays, by what was measured; a budget bounds what is tried in vain
    SMR_SPECULATE_ALWAYS, // whenever there is a guess
    SMR_SPECULATE_NEVER,
};

// Guesses are what followed the last time that the text, or its source, had the same last tokens;
// or what another model goes on with, which draws by the same random numbers.
struct smr_speculation {
    enum smr_speculate when; // only for a text that is generated by itself
    uint32_t draft_max;      // tokens guessed at once, at most 7; 0 for 7
    // A session of the model that guesses, a smaller one with the same vocabulary (else it is an
    // error), on an engine of its own in the same context. It becomes the text that is generated,
    // whatever it held, and computes only what differs. NULL: none.
    smr_session *draft;
};

struct smr_generate_params {
    uint32_t n_predict; // UINT32_MAX: until the model ends its text or the context is full
    struct smr_sampling sampling;
    const char *const *stop; // strings that end the text, themselves left out
    size_t n_stop;
    bool ignore_end;          // go on after end-of-text tokens
    uint32_t min_predict;     // tokens before one may end the text
    uint32_t no_repeat_ngram; // so many tokens in a row come once; 0: as the model's file has it
    uint32_t n_logprobs;      // 0: no log-probabilities
    bool special;             // write special tokens out
    struct smr_speculation speculation;
    // Steps that are submitted before the token of the first is read, 1 or 2: with 2 the device
    // samples, and never waits for the host. 0: 2 on a GPU, and where top_k is 0, which takes the
    // host long (but not on the reference device). The text is the same, but for rounding. It is 1
    // where the host must see the logits or the text at each token: several samples, n_logprobs
    // (with anything but the most likely token, or above 1), min_predict, no_repeat_ngram, a draft
    // model, more than 256 biases.
    uint32_t n_in_flight;
    // Called for each token, and once more with token -1 when held-back text is left at the end.
    // Return false to stop. Optional.
    bool (*callback)(void *user, const struct smr_generated *generated);
    // Called while a long prompt is computed. Return false to stop. Optional.
    bool (*prefill)(void *user, size_t n_done, size_t n_total);
    void *user;
};

struct smr_generate_result {
    uint32_t n_generated;
    enum smr_stop_reason stop_reason;
    size_t n_prompt;                // tokens computed before the first one was generated
    uint64_t prompt_ns;             // that long it took, up to the first token's logits
    uint64_t decode_ns;             // all tokens after the first
    uint64_t cpu_ns;                // processor time of the calling thread while decoding
    uint64_t n_submissions;         // while decoding: of the n_generated - 1 tokens after the first
    uint64_t n_drafted, n_accepted; // tokens that were guessed, and how many of them rightly
    uint64_t n_device;              // tokens that the device chose, and not the host
};

// A session holds up to n_context tokens. Its pages of KV cache come from the engine's pool.
SMR_API smr_session *smr_session_create(smr_engine *engine);
SMR_API void smr_session_destroy(smr_session *session);

// Start a text anew from a source: what an encoder-decoder model translates, summarises or answers,
// with the tokens that smr_tokenize() puts around it. The text is then the token the model starts
// with (and the one it is made to go on with, where its file says so); what is appended or
// generated follows. The source is encoded once, by the next generate or logits call, and kept for
// as long as the text. Fails for a model without an encoder, and when the source is longer than the
// engine's.
SMR_API bool smr_session_encode(smr_session *session, const int32_t *tokens, size_t n_tokens);

// Append tokens; they are computed by the next generate or logits call. Fails when the context
// would overflow, saying by how much.
SMR_API bool smr_session_append(smr_session *session, const int32_t *tokens, size_t n_tokens);
SMR_API size_t smr_session_length(const smr_session *session); // tokens, computed or not

// Forget all tokens but the first n_tokens: what was computed of those stays. A text with a source
// keeps it, and at least the tokens that came with it. Nothing happens where there are no more.
SMR_API void smr_session_truncate(smr_session *session, size_t n_tokens);

// Logits for the token after the last one: n_vocab floats, valid until the next call.
SMR_API const float *smr_session_logits(smr_session *session);

// Generate, appending what is generated. The session must not be empty. Returns false on errors;
// `result` is filled as far as it went.
SMR_API bool smr_generate(smr_session *session, const struct smr_generate_params *params,
                          struct smr_generate_result *result);

// Generate n_samples texts side by side, 1 to the engine's n_sequences: sample i draws with seed
// sampling.seed + i, as a run by itself would. They share what the prompt computed and the device
// memory it takes. The callback gets the tokens of all samples, `sample` telling them apart; when
// it returns false all of them stop. The session keeps its prompt and nothing else. `results`
// [n_samples]: times are those of all samples together.
SMR_API bool smr_generate_samples(smr_session *session, const struct smr_generate_params *params,
                                  uint32_t n_samples, struct smr_generate_result *results);

// ---- beam search --------------------------------------------------------------------------------

// Search for the most likely text: n_beams texts go on side by side, at each step the likeliest of
// all their continuations. The definition is that of Hugging Face transformers 5
// (GenerationMixin._beam_search); with groups that of its group beam search (transformers 4),
// diverse beam search after arXiv:1610.02424: a group pays diversity_penalty for each time a group
// before it chose the same token in this step.
struct smr_beam_params {
    uint32_t n_beams;        // 1 to the engine's n_sequences
    uint32_t n_groups;       // divides n_beams; 0 for 1
    float diversity_penalty; // per choice of a group before, in log-probability
    float length_penalty;    // score: sum of log-probabilities / tokens ^ length_penalty
    enum smr_early_stopping early_stopping;
    uint32_t n_return;        // texts wanted, at most n_beams; 0 for 1
    uint32_t n_predict;       // tokens of a text; UINT32_MAX: until the context is full
    uint32_t min_predict;     // tokens of a text before it may end
    uint32_t no_repeat_ngram; // as in struct smr_generate_params
    const int32_t *ends;      // tokens that end a text; without any, the model's
    size_t n_ends;
    bool ignore_end; // no token ends a text
    bool special;    // write special tokens out
    // Called after each step; return false to stop, which makes what there is the result. Optional.
    bool (*step)(void *user, uint32_t n_generated);
    // As that of struct smr_generate_params.
    bool (*prefill)(void *user, size_t n_done, size_t n_total);
    void *user;
};

struct smr_beam {          // one text that was found
    const int32_t *tokens; // what was generated, with the token that ended it
    size_t n_tokens;
    const char *text; // UTF-8, zero-terminated; "" for a model without a tokenizer
    size_t text_size;
    float score;
    enum smr_stop_reason stop_reason;
};
struct smr_beams {
    const struct smr_beam *items; // best first
    size_t n; // n_return; less where the context was full or the search was stopped
};

// The session keeps its prompt and nothing else. `result` receives what the search did, n_generated
// being its steps. Returns NULL on errors; free with smr_beams_free() before the engine.
SMR_API struct smr_beams *smr_generate_beams(smr_session *session,
                                             const struct smr_beam_params *params,
                                             struct smr_generate_result *result);
SMR_API void smr_beams_free(struct smr_beams *beams);

#ifdef __cplusplus
}
#endif
