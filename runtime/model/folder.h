// folder.h - a Hugging Face folder, presented as if it were GGUF. Private to model/.
//
//     config.json              hyperparameters            -> GGUF's keys     folder_config.c
//     model*.safetensors       tensors, in one file or    -> GGUF's tensors  folder_tensors.c
//                              in shards with an index
//     tokenizer.json and such  the tokenizer's files, whole, as strings      folder_text.c
//
// Which key and which tensor is which is a table: folder_families.c.
//
// The files' texts become these keys, which text/ reads, as far as the files are there:
//
//     tokenizer.huggingface.json             tokenizer.json
//     tokenizer.huggingface.config           tokenizer_config.json
//     tokenizer.huggingface.added_tokens     added_tokens.json
//     tokenizer.huggingface.vocab            vocab.json
//     tokenizer.huggingface.merges           merges.txt
//     tokenizer.sentencepiece.model          tokenizer.model, spiece.model or source.spm
//     tokenizer.sentencepiece.target         target.spm
//     tokenizer.marian.vocab                 vocab.json, where there is a source.spm
//     tokenizer.chat_template                chat_template.jinja, or of tokenizer_config.json
//     tokenizer.ggml.{bos,eos,padding}_token_id  of generation_config.json or config.json
//     tokenizer.ggml.eos_token_ids           array of u32: all tokens that end a text, where
//                                            there are several
//     tokenizer.ggml.add_{bos,eos}_token     of tokenizer_config.json
#pragma once

#include "model/json.h"
#include "model/model_file.h"
#include "model/safetensors.h"

// ---- the tables -------------------------------------------------------------------------------

enum smr_folder_kind { SMR_FOLDER_U32, SMR_FOLDER_F32 };

struct smr_folder_key {
    const char *json; // of config.json
    const char *key;  // after "ARCH."
    enum smr_folder_kind kind;
};

enum {
    SMR_FOLDER_QUERIES = 1,    // rows of n_heads heads, to be reordered for GGUF's rotation
    SMR_FOLDER_KEYS = 2,       // the same of n_kv_heads
    SMR_FOLDER_ADD_ONE = 4,    // the file has weight - 1
    SMR_FOLDER_TRANSPOSED = 8, // the file has [n_in, n_out]
    SMR_FOLDER_IGNORED = 16,   // not a weight, or one that is not used
    SMR_FOLDER_ALIAS = 32,     // the same as another: used where that is not there
    SMR_FOLDER_OUTPUT = 64,    // ignored where tie_word_embeddings is set
};

// A tensor's name. "*" stands for a number, the layer's; a second one is the number of an expert,
// whose matrices GGUF has in one. "@" at the end stands for ".weight" and ".bias".
struct smr_folder_name {
    const char *from; // without what smr_folder_family.prefixes has
    const char *to;
    uint32_t flags;
};

struct smr_folder_family {
    const char *model_type;   // of config.json
    const char *architecture; // of GGUF
    const struct smr_folder_key *keys;
    const char *activations;                // hidden_act that is computed, "silu|swish"; NULL: any
    const char *defaults;                   // JSON: what config.json means where it is silent
    const struct smr_folder_name *names[5]; // lists that end with a row of NULL
    uint32_t window_period;                 // every n-th layer attends globally; 0: none does
    bool encoder_decoder;
};

// NULL with an error when there is none; the error lists those that are known.
const struct smr_folder_family *smr_folder_find_family(smr_context *context, const char *path,
                                                       const char *model_type);

// ---- reading ----------------------------------------------------------------------------------

struct smr_folder {
    smr_context *context;
    const char *path;        // of the folder, without a slash at the end
    const char *config_path; // of config.json, for errors
    struct smr_model_file *file;
    struct smr_gguf *part; // what is filled in: metadata and tensors
    json_t *config;        // of the text model
    const struct smr_folder_family *family;
    bool has_other_parts; // the files have tensors for images too
};

// The parts of smr_folder_open(), which model_file.h declares.
bool smr_folder_read_config(struct smr_folder *folder);
bool smr_folder_read_rope(struct smr_folder *folder);
bool smr_folder_read_tensors(struct smr_folder *folder);
bool smr_folder_read_text(struct smr_folder *folder);

// Record an error about a key of config.json. Returns false.
bool smr_folder_fail(const struct smr_folder *folder, const char *key, const char *format, ...)
    SMR_PRINTF(3, 4);

// PATH/NAME in the arena; NULL without memory.
const char *smr_folder_file(const struct smr_folder *folder, const char *name);
bool smr_folder_has(const struct smr_folder *folder, const char *name);

// A number of an object: false where the key is missing or null, or with an error when it is no
// number of that kind (then *failed is set).
bool smr_folder_u32(const struct smr_folder *folder, const json_t *object, const char *key,
                    uint32_t *value, bool *failed);
bool smr_folder_f32(const struct smr_folder *folder, const json_t *object, const char *key,
                    double *value, bool *failed);
// "ARCH.SUFFIX" in `key`.
enum { SMR_FOLDER_KEY_SIZE = 128 };
const char *smr_folder_key(const struct smr_folder *folder, const char *suffix,
                           char key[SMR_FOLDER_KEY_SIZE]);
void smr_folder_set_u32(struct smr_folder *folder, const char *suffix, uint32_t value);
void smr_folder_set_f32(struct smr_folder *folder, const char *suffix, double value);
// A tensor of numbers that the config gives: a vector of F32 that lies in the arena.
bool smr_folder_add_vector(struct smr_folder *folder, const char *name, const float *values,
                           uint32_t n);
