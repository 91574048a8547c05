// gguf.h - one GGUF file, parsed and checked. Private to model/.
//
// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little-endian:
//
//     "GGUF"  u32 version  u64 n_tensors  u64 n_keys
//     n_keys times:    string key  u32 type  value
//     n_tensors times: string name  u32 n_dims  u64 dims[n_dims]  u32 type  u64 offset
//     padding to general.alignment, then the tensors' data; offsets count from here
//
// A string is a u64 length and its bytes; an array is a u32 type, a u64 count and the elements.
#pragma once

#include "model/metadata.h"

// Limits on what a file may ask for. Real files stay far below.
enum {
    SMR_GGUF_MAX_KEYS = 1 << 16,
    SMR_GGUF_MAX_TENSORS = 1 << 20,
    SMR_GGUF_MAX_KEY_SIZE = 1 << 10,    // bytes
    SMR_GGUF_MAX_NAME_SIZE = 255,       // bytes of a tensor's name
    SMR_GGUF_MAX_STRING_SIZE = 1 << 26, // bytes of a string that is a value
    SMR_GGUF_MAX_ALIGNMENT = 1 << 20,
    SMR_GGUF_MAX_PARTS = 1 << 12, // files of a split model
};

struct smr_gguf {
    smr_context *context;
    struct smr_arena *arena; // of whatever is made from the file
    const char *path;
    const uint8_t *data; // the file's bytes; not owned
    size_t size;         // bytes
    uint32_t version;
    uint32_t alignment; // of tensor data, bytes
    struct smr_metadata metadata;
    struct smr_tensor *tensors; // [n_tensors]
    uint32_t n_tensors;
};

// Parse `data`. All fields from `metadata` on are filled in; those before it, `version` and
// `alignment` apart, are the caller's. False with an error "PATH: FIELD: reason".
bool smr_gguf_parse(struct smr_gguf *gguf);

// Record an error about a field of the file. Returns false.
bool smr_gguf_fail(const struct smr_gguf *gguf, const char *field, const char *format, ...)
    SMR_PRINTF(3, 4);
bool smr_gguf_fail_cut(const struct smr_gguf *gguf, const char *field);

// The parts of smr_gguf_parse(). A string is copied, zero-terminated; `size` is without the zero
// and may be NULL, which also refuses zero bytes inside.
bool smr_gguf_read_string(struct smr_gguf *gguf, struct smr_cursor *cursor, const char *field,
                          size_t max_size, const char **text, size_t *size);
bool smr_gguf_read_metadata(struct smr_gguf *gguf, struct smr_cursor *cursor, uint64_t n_keys);
