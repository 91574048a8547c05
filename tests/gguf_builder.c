// gguf_builder.c - writes GGUF files byte by byte.
#include "gguf_builder.h"

#include <stdlib.h>
#include <string.h>

enum { N_TENSORS_AT = 8, N_KEYS_AT = 16 };

void gguf_put(struct gguf_builder *builder, const void *data, size_t size)
{
    if (builder->size + size > builder->capacity) {
        builder->capacity = (builder->size + size) * 2;
        builder->data = realloc(builder->data, builder->capacity);
        if (!builder->data)
            abort();
    }
    if (data)
        memcpy(builder->data + builder->size, data, size);
    else
        memset(builder->data + builder->size, 0, size);
    builder->size += size;
}

static void put_le(struct gguf_builder *builder, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = (uint8_t)(value >> 8 * i);
        gguf_put(builder, &byte, 1);
    }
}

void gguf_put_u32(struct gguf_builder *builder, uint32_t value)
{
    put_le(builder, value, 4);
}

void gguf_put_u64(struct gguf_builder *builder, uint64_t value)
{
    put_le(builder, value, 8);
}

void gguf_put_string(struct gguf_builder *builder, const char *text)
{
    gguf_put_u64(builder, strlen(text));
    gguf_put(builder, text, strlen(text));
}

void gguf_begin(struct gguf_builder *builder, uint32_t version)
{
    *builder = (struct gguf_builder){0};
    gguf_put(builder, "GGUF", 4);
    gguf_put_u32(builder, version);
    gguf_put_u64(builder, 0);
    gguf_put_u64(builder, 0);
}

void gguf_builder_finish(struct gguf_builder *builder)
{
    free(builder->data);
    *builder = (struct gguf_builder){0};
}

void gguf_key(struct gguf_builder *builder, const char *key, uint32_t type)
{
    for (size_t i = 0; i < 8 && !++builder->data[N_KEYS_AT + i]; i++)
        ;
    gguf_put_string(builder, key);
    gguf_put_u32(builder, type);
}

void gguf_key_u32(struct gguf_builder *builder, const char *key, uint32_t value)
{
    gguf_key(builder, key, GGUF_U32);
    gguf_put_u32(builder, value);
}

void gguf_key_f32(struct gguf_builder *builder, const char *key, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    gguf_key(builder, key, GGUF_F32);
    gguf_put_u32(builder, bits);
}

void gguf_key_string(struct gguf_builder *builder, const char *key, const char *value)
{
    gguf_key(builder, key, GGUF_STRING);
    gguf_put_string(builder, value);
}

void gguf_key_array(struct gguf_builder *builder, const char *key, uint32_t type, uint64_t n)
{
    gguf_key(builder, key, GGUF_ARRAY);
    gguf_put_u32(builder, type);
    gguf_put_u64(builder, n);
}

void gguf_tensor(struct gguf_builder *builder, const char *name, uint32_t n_dims,
                 const uint64_t *dims, uint32_t type, uint64_t offset)
{
    for (size_t i = 0; i < 8 && !++builder->data[N_TENSORS_AT + i]; i++)
        ;
    gguf_put_string(builder, name);
    gguf_put_u32(builder, n_dims);
    for (uint32_t i = 0; i < n_dims; i++)
        gguf_put_u64(builder, dims[i]);
    gguf_put_u32(builder, type);
    gguf_put_u64(builder, offset);
}

void gguf_data(struct gguf_builder *builder, size_t alignment, size_t size)
{
    gguf_put(builder, NULL, (alignment - builder->size % alignment) % alignment);
    builder->data_start = builder->size;
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = (uint8_t)(i * 31);
        gguf_put(builder, &byte, 1);
    }
}

void gguf_tiny_keys(struct gguf_builder *builder, uint32_t version)
{
    static const char *const tokens[] = {"<unk>", "<s>", "", "a", "\xc3\xa9"};
    gguf_begin(builder, version);
    gguf_key_string(builder, "general.architecture", "llama");
    gguf_key_string(builder, "general.name", "tiny");
    gguf_key_u32(builder, "llama.block_count", 2);
    gguf_key_u32(builder, "llama.context_length", 64);
    gguf_key_u32(builder, "llama.embedding_length", 32);
    gguf_key_array(builder, "llama.feed_forward_length", GGUF_I32, 2);
    gguf_put_u32(builder, 48);
    gguf_put_u32(builder, 48);
    gguf_key_u32(builder, "llama.attention.head_count", 4);
    gguf_key(builder, "llama.attention.head_count_kv", GGUF_U64);
    gguf_put_u64(builder, 2);
    gguf_key(builder, "llama.rope.freq_base", GGUF_F64);
    gguf_put_u64(builder, 0x40e86a0000000000); // 50000.0
    gguf_key_f32(builder, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
    gguf_key_string(builder, "tokenizer.ggml.model", "llama");
    gguf_key(builder, "tokenizer.ggml.add_bos_token", GGUF_BOOL);
    gguf_put(builder, "\1", 1);
    gguf_key_array(builder, "tokenizer.ggml.tokens", GGUF_STRING, 5);
    for (int i = 0; i < 5; i++)
        gguf_put_string(builder, tokens[i]);
    gguf_key_array(builder, "tokenizer.ggml.scores", GGUF_F32, 5);
    for (uint32_t i = 0; i < 5; i++)
        gguf_put_u32(builder, i ? 0xbf800000 : 0); // 0, then -1
    gguf_key_array(builder, "tokenizer.ggml.token_type", GGUF_I32, 5);
    for (uint32_t i = 0; i < 5; i++)
        gguf_put_u32(builder, i + 1);
}

void gguf_tiny(struct gguf_builder *builder)
{
    gguf_tiny_keys(builder, 3);
    gguf_tensor(builder, "token_embd.weight", 2, (uint64_t[]){32, 5}, 0, 0);      // F32, 640 bytes
    gguf_tensor(builder, "output_norm.weight", 1, (uint64_t[]){32}, 0, 640);      // F32, 128 bytes
    gguf_tensor(builder, "blk.0.attn_q.weight", 2, (uint64_t[]){32, 10}, 8, 768); // Q8_0, 340
    gguf_data(builder, 32, 768 + 340);
}
