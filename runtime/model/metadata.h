// metadata.h - a model's metadata as a table of keys and values, whatever file it came from: going
// through all of it, and making it for a model that is not GGUF. Reading by key is in model.h.
//
// Types and array encoding are GGUF's (gguf.h): what is made here reads, and is written to a file,
// like what was parsed.
#pragma once

#include "model/model.h"
#include "model/names.h"

// Types of values, with the numbers of the format.
enum smr_gguf_type {
    SMR_GGUF_U8 = 0,
    SMR_GGUF_I8 = 1,
    SMR_GGUF_U16 = 2,
    SMR_GGUF_I16 = 3,
    SMR_GGUF_U32 = 4,
    SMR_GGUF_I32 = 5,
    SMR_GGUF_F32 = 6,
    SMR_GGUF_BOOL = 7,
    SMR_GGUF_STRING = 8,
    SMR_GGUF_ARRAY = 9,
    SMR_GGUF_U64 = 10,
    SMR_GGUF_I64 = 11,
    SMR_GGUF_F64 = 12,
};

struct smr_gguf_value {
    uint32_t type;    // enum smr_gguf_type
    int64_t integer;  // integers and bool; a u64 above INT64_MAX is kept as its bits
    double real;      // f32 and f64
    const char *text; // strings: zero-terminated copy
    size_t text_size; // bytes
    // Arrays: `array.cursor` spans exactly the elements' bytes in GGUF's encoding.
    struct smr_metadata_array array;
};

struct smr_metadata {
    struct smr_names keys;         // names[i] is the key of values[i]
    struct smr_gguf_value *values; // [keys.n]
    struct smr_arena *arena;       // of keys and values; where smr_metadata_set_*() put theirs
    bool failed;                   // a smr_metadata_set_*() found no memory
};

// NULL when there is none.
const struct smr_gguf_value *smr_metadata_find(const struct smr_metadata *metadata,
                                               const char *key);

// ---- making -----------------------------------------------------------------------------------

// An empty table that takes its memory from `arena`.
void smr_metadata_init(struct smr_metadata *metadata, struct smr_arena *arena);

// Set `key` to a value; one that is there already is replaced. Keys, texts and elements are copied.
// The first failure for memory is recorded and sticks in `failed`; later calls do nothing.
void smr_metadata_set(struct smr_metadata *metadata, const char *key,
                      const struct smr_gguf_value *value); // text and elements are not copied
void smr_metadata_set_u32(struct smr_metadata *metadata, const char *key, uint32_t value);
void smr_metadata_set_f32(struct smr_metadata *metadata, const char *key, float value);
void smr_metadata_set_bool(struct smr_metadata *metadata, const char *key, bool value);
void smr_metadata_set_string(struct smr_metadata *metadata, const char *key, const char *text);
void smr_metadata_set_string_n(struct smr_metadata *metadata, const char *key, const char *text,
                               size_t size);
// Arrays of n elements.
void smr_metadata_set_u32s(struct smr_metadata *metadata, const char *key, const uint32_t *values,
                           size_t n);
void smr_metadata_set_i32s(struct smr_metadata *metadata, const char *key, const int32_t *values,
                           size_t n);
void smr_metadata_set_f32s(struct smr_metadata *metadata, const char *key, const float *values,
                           size_t n);
// `sizes` has each text's bytes; NULL where all end with a zero.
void smr_metadata_set_strings(struct smr_metadata *metadata, const char *key,
                              const char *const *texts, const size_t *sizes, size_t n);
