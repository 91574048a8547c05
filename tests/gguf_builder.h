// gguf_builder.h - writes GGUF files byte by byte, right ones and wrong ones. Knows nothing of the
// engine's reader. Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include <stddef.h>
#include <stdint.h>

struct gguf_builder {
    uint8_t *data; // owned; gguf_builder_finish()
    size_t size, capacity;
    size_t data_start; // 0 while the tensor table is written
};

// Numbers of value types.
enum {
    GGUF_U8,
    GGUF_I8,
    GGUF_U16,
    GGUF_I16,
    GGUF_U32,
    GGUF_I32,
    GGUF_F32,
    GGUF_BOOL,
    GGUF_STRING,
    GGUF_ARRAY,
    GGUF_U64,
    GGUF_I64,
    GGUF_F64
};

void gguf_begin(struct gguf_builder *builder, uint32_t version); // counts are 0
void gguf_builder_finish(struct gguf_builder *builder);

void gguf_put(struct gguf_builder *builder, const void *data, size_t size);
void gguf_put_u32(struct gguf_builder *builder, uint32_t value);
void gguf_put_u64(struct gguf_builder *builder, uint64_t value);
void gguf_put_string(struct gguf_builder *builder, const char *text);

// A key and its type, counted in the header; the value is for the caller to put.
void gguf_key(struct gguf_builder *builder, const char *key, uint32_t type);
void gguf_key_u32(struct gguf_builder *builder, const char *key, uint32_t value);
void gguf_key_f32(struct gguf_builder *builder, const char *key, float value);
void gguf_key_string(struct gguf_builder *builder, const char *key, const char *value);
void gguf_key_array(struct gguf_builder *builder, const char *key, uint32_t type, uint64_t n);

// A row of the tensor table, counted in the header.
void gguf_tensor(struct gguf_builder *builder, const char *name, uint32_t n_dims,
                 const uint64_t *dims, uint32_t type, uint64_t offset);
// The end of the table: pad, then `size` bytes of tensor data.
void gguf_data(struct gguf_builder *builder, size_t alignment, size_t size);

// A whole model: architecture llama, 2 layers, 3 tensors, a vocabulary of 5; about 2 KB. It ends
// with the last byte of the last tensor. `gguf_tiny_keys` writes everything before the tensors.
void gguf_tiny_keys(struct gguf_builder *builder, uint32_t version);
void gguf_tiny(struct gguf_builder *builder);
