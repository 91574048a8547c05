// metadata_set.c - making metadata: a table that grows, with arrays encoded as GGUF encodes them.
#include "model/metadata.h"

#include <string.h>

void smr_metadata_init(struct smr_metadata *metadata, struct smr_arena *arena)
{
    *metadata = (struct smr_metadata){.arena = arena};
}

// A larger table with the same contents. The old one stays in the arena: doubling bounds the waste.
static bool grow(struct smr_metadata *metadata)
{
    struct smr_names keys;
    uint32_t n = metadata->keys.n, capacity = n ? n * 2 : 32;
    struct smr_gguf_value *values = smr_arena_alloc(metadata->arena, capacity, sizeof *values);
    if (!values || !smr_names_init(&keys, metadata->arena, capacity))
        return false;
    for (uint32_t i = 0; i < n; i++) {
        values[i] = metadata->values[i];
        smr_names_add(&keys, metadata->keys.names[i]);
    }
    metadata->keys = keys;
    metadata->values = values;
    return true;
}

void smr_metadata_set(struct smr_metadata *metadata, const char *key,
                      const struct smr_gguf_value *value)
{
    if (metadata->failed)
        return;
    uint32_t index = smr_names_find(&metadata->keys, key);
    if (index != SMR_NO_NAME) {
        metadata->values[index] = *value;
        return;
    }
    const char *copy = smr_arena_strndup(metadata->arena, key, strlen(key));
    if (!copy || (metadata->keys.n == metadata->keys.capacity && !grow(metadata))) {
        metadata->failed = true;
        return;
    }
    metadata->values[metadata->keys.n] = *value;
    smr_names_add(&metadata->keys, copy);
}

void smr_metadata_set_u32(struct smr_metadata *metadata, const char *key, uint32_t value)
{
    smr_metadata_set(metadata, key,
                     &(struct smr_gguf_value){.type = SMR_GGUF_U32, .integer = value});
}

void smr_metadata_set_f32(struct smr_metadata *metadata, const char *key, float value)
{
    smr_metadata_set(metadata, key,
                     &(struct smr_gguf_value){.type = SMR_GGUF_F32, .real = (double)value});
}

void smr_metadata_set_bool(struct smr_metadata *metadata, const char *key, bool value)
{
    smr_metadata_set(metadata, key,
                     &(struct smr_gguf_value){.type = SMR_GGUF_BOOL, .integer = value});
}

void smr_metadata_set_string_n(struct smr_metadata *metadata, const char *key, const char *text,
                               size_t size)
{
    const char *copy = metadata->failed ? NULL : smr_arena_strndup(metadata->arena, text, size);
    if (copy)
        smr_metadata_set(
            metadata, key,
            &(struct smr_gguf_value){.type = SMR_GGUF_STRING, .text = copy, .text_size = size});
    else
        metadata->failed = true;
}

void smr_metadata_set_string(struct smr_metadata *metadata, const char *key, const char *text)
{
    smr_metadata_set_string_n(metadata, key, text, strlen(text));
}

// ---- arrays -----------------------------------------------------------------------------------

static void put_u32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

static void put_u64(uint8_t *at, uint64_t value)
{
    put_u32(at, (uint32_t)value);
    put_u32(at + 4, (uint32_t)(value >> 32));
}

// Room for `size` bytes of elements; NULL when there is none.
static uint8_t *begin_array(struct smr_metadata *metadata, size_t n, size_t size)
{
    uint8_t *bytes = metadata->failed ? NULL : smr_arena_alloc(metadata->arena, n, size);
    metadata->failed |= !bytes;
    return bytes;
}

static void set_array(struct smr_metadata *metadata, const char *key, enum smr_gguf_type type,
                      size_t n, const uint8_t *bytes, size_t size)
{
    smr_metadata_set(metadata, key,
                     &(struct smr_gguf_value){
                         .type = SMR_GGUF_ARRAY,
                         .array = {.type = type, .n = n, .cursor = smr_cursor_make(bytes, size)}});
}

void smr_metadata_set_u32s(struct smr_metadata *metadata, const char *key, const uint32_t *values,
                           size_t n)
{
    uint8_t *bytes = begin_array(metadata, n, 4);
    if (!bytes)
        return;
    for (size_t i = 0; i < n; i++)
        put_u32(bytes + 4 * i, values[i]);
    set_array(metadata, key, SMR_GGUF_U32, n, bytes, 4 * n);
}

void smr_metadata_set_i32s(struct smr_metadata *metadata, const char *key, const int32_t *values,
                           size_t n)
{
    uint8_t *bytes = begin_array(metadata, n, 4);
    if (!bytes)
        return;
    for (size_t i = 0; i < n; i++)
        put_u32(bytes + 4 * i, (uint32_t)values[i]);
    set_array(metadata, key, SMR_GGUF_I32, n, bytes, 4 * n);
}

void smr_metadata_set_f32s(struct smr_metadata *metadata, const char *key, const float *values,
                           size_t n)
{
    uint8_t *bytes = begin_array(metadata, n, 4);
    if (!bytes)
        return;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], 4);
        put_u32(bytes + 4 * i, bits);
    }
    set_array(metadata, key, SMR_GGUF_F32, n, bytes, 4 * n);
}

void smr_metadata_set_strings(struct smr_metadata *metadata, const char *key,
                              const char *const *texts, const size_t *sizes, size_t n)
{
    size_t size = 0;
    for (size_t i = 0; i < n; i++)
        size += 8 + (sizes ? sizes[i] : strlen(texts[i]));
    uint8_t *bytes = begin_array(metadata, 1, size), *at = bytes;
    if (!bytes)
        return;
    for (size_t i = 0; i < n; i++) {
        size_t length = sizes ? sizes[i] : strlen(texts[i]);
        put_u64(at, length);
        if (length)
            memcpy(at + 8, texts[i], length);
        at += 8 + length;
    }
    set_array(metadata, key, SMR_GGUF_STRING, n, bytes, size);
}
