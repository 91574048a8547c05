// safetensors.h - one file of tensors as Hugging Face keeps them. Private to model/.
//
// Format: https://huggingface.co/docs/safetensors
//
//     u64 size of the header, little-endian
//     header: JSON {"NAME": {"dtype": "BF16", "shape": [4, 8], "data_offsets": [0, 64]}, ...},
//             with "__metadata__": {"key": "text", ...} beside them; spaces may follow
//     data: offsets count from here; every byte belongs to exactly one tensor
#pragma once

#include "base/base.h"

enum {
    SMR_SAFETENSORS_MAX_HEADER = 100000000, // bytes
    SMR_SAFETENSORS_MAX_DIMS = 8,
};

struct smr_safetensors_type {
    const char *name;
    uint32_t size;      // bytes of an element
    bool supported;     // `type` is of use
    enum smr_type type; // the same in GGUF's numbers
};

struct smr_safetensor {
    const char *name;
    const struct smr_safetensors_type *type;
    uint32_t n_dims;
    uint64_t dims[SMR_SAFETENSORS_MAX_DIMS]; // in the file's order: the slowest first
    uint64_t offset, size;                   // bytes
    const uint8_t *data;                     // of any alignment
};

struct smr_safetensors {
    smr_context *context;
    struct smr_arena *arena; // of names and the list
    const char *path;
    const uint8_t *data; // the file's bytes; not owned
    size_t size;
    struct smr_safetensor *tensors; // [n_tensors], in the order of their data
    uint32_t n_tensors;
};

// Parse `data`: the fields before `tensors` are the caller's. False with an error "PATH: NAME: reason".
bool smr_safetensors_parse(struct smr_safetensors *file);
