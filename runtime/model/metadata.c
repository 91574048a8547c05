// metadata.c - the key-value part of a GGUF file: parsing, and reading with conversion.
#include "model/gguf.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    uint32_t size; // bytes; 0 where it varies
} value_types[] = {
    [SMR_GGUF_U8] = {"u8", 1},         [SMR_GGUF_I8] = {"i8", 1},
    [SMR_GGUF_U16] = {"u16", 2},       [SMR_GGUF_I16] = {"i16", 2},
    [SMR_GGUF_U32] = {"u32", 4},       [SMR_GGUF_I32] = {"i32", 4},
    [SMR_GGUF_F32] = {"f32", 4},       [SMR_GGUF_BOOL] = {"bool", 1},
    [SMR_GGUF_STRING] = {"string", 0}, [SMR_GGUF_ARRAY] = {"array", 0},
    [SMR_GGUF_U64] = {"u64", 8},       [SMR_GGUF_I64] = {"i64", 8},
    [SMR_GGUF_F64] = {"f64", 8},
};

// ---- parsing ----------------------------------------------------------------------------------

// Read one number or bool into `value`. False past the end.
static bool read_number(struct smr_cursor *cursor, uint32_t type, struct smr_gguf_value *value)
{
    value->type = type;
    switch ((enum smr_gguf_type)type) {
    case SMR_GGUF_U8:
    case SMR_GGUF_BOOL:
        value->integer = smr_cursor_u8(cursor);
        break;
    case SMR_GGUF_I8:
        value->integer = (int8_t)smr_cursor_u8(cursor);
        break;
    case SMR_GGUF_U16:
        value->integer = smr_cursor_u16(cursor);
        break;
    case SMR_GGUF_I16:
        value->integer = (int16_t)smr_cursor_u16(cursor);
        break;
    case SMR_GGUF_U32:
        value->integer = smr_cursor_u32(cursor);
        break;
    case SMR_GGUF_I32:
        value->integer = (int32_t)smr_cursor_u32(cursor);
        break;
    case SMR_GGUF_U64:
    case SMR_GGUF_I64:
        value->integer = (int64_t)smr_cursor_u64(cursor);
        break;
    case SMR_GGUF_F32:
        value->real = (double)smr_cursor_f32(cursor);
        break;
    case SMR_GGUF_F64:
        value->real = smr_cursor_f64(cursor);
        break;
    case SMR_GGUF_STRING:
    case SMR_GGUF_ARRAY:
        return false;
    }
    return !cursor->failed;
}

// Find where an array of strings ends, checking each length.
static bool skip_strings(struct smr_gguf *gguf, struct smr_cursor *cursor, const char *key,
                         uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        uint64_t size = smr_cursor_u64(cursor);
        if (cursor->failed)
            return smr_gguf_fail_cut(gguf, key);
        if (size > cursor->size - cursor->offset)
            return smr_gguf_fail(gguf, key,
                                 "string %ju of %ju has %ju bytes, more than the file has left",
                                 (uintmax_t)i, (uintmax_t)n, (uintmax_t)size);
        smr_cursor_bytes(cursor, (size_t)size);
    }
    return true;
}

static bool read_array(struct smr_gguf *gguf, struct smr_cursor *cursor, const char *key,
                       struct smr_metadata_array *array)
{
    uint32_t type = smr_cursor_u32(cursor);
    uint64_t n = smr_cursor_u64(cursor);
    if (cursor->failed)
        return smr_gguf_fail_cut(gguf, key);
    if (type == SMR_GGUF_ARRAY)
        return smr_gguf_fail(gguf, key, "arrays of arrays are not supported");
    if (type >= SMR_COUNT(value_types))
        return smr_gguf_fail(gguf, key, "unknown value type %u", type);

    // The least an element takes: a string has its length.
    uint32_t element_size = value_types[type].size ? value_types[type].size : 8;
    size_t start = cursor->offset;
    if (n > (cursor->size - start) / element_size)
        return smr_gguf_fail(gguf, key, "%ju elements are more than the file can hold",
                             (uintmax_t)n);
    if (type == SMR_GGUF_STRING) {
        if (!skip_strings(gguf, cursor, key, n))
            return false;
    } else {
        smr_cursor_bytes(cursor, (size_t)n * element_size);
    }
    *array = (struct smr_metadata_array){
        .type = type,
        .n = (size_t)n,
        .cursor = smr_cursor_make(cursor->data + start, cursor->offset - start),
    };
    return true;
}

static bool read_value(struct smr_gguf *gguf, struct smr_cursor *cursor, const char *key,
                       struct smr_gguf_value *value)
{
    uint32_t type = smr_cursor_u32(cursor);
    if (cursor->failed)
        return smr_gguf_fail_cut(gguf, key);
    if (type >= SMR_COUNT(value_types))
        return smr_gguf_fail(gguf, key, "unknown value type %u", type);
    value->type = type;
    if (type == SMR_GGUF_STRING)
        return smr_gguf_read_string(gguf, cursor, key, SMR_GGUF_MAX_STRING_SIZE, &value->text,
                                    &value->text_size);
    if (type == SMR_GGUF_ARRAY)
        return read_array(gguf, cursor, key, &value->array);
    if (!read_number(cursor, type, value))
        return smr_gguf_fail_cut(gguf, key);
    if (type == SMR_GGUF_BOOL && value->integer > 1)
        return smr_gguf_fail(gguf, key, "a bool is 0 or 1, not %d", (int)value->integer);
    return true;
}

bool smr_gguf_read_metadata(struct smr_gguf *gguf, struct smr_cursor *cursor, uint64_t n_keys)
{
    enum { LEAST_SIZE = 8 + 1 + 4 + 1 }; // a key of one letter and a u8
    struct smr_metadata *metadata = &gguf->metadata;

    if (n_keys > SMR_GGUF_MAX_KEYS || n_keys > (cursor->size - cursor->offset) / LEAST_SIZE)
        return smr_gguf_fail(gguf, "metadata count",
                             "%ju is more than the file can hold or than the limit of %d",
                             (uintmax_t)n_keys, SMR_GGUF_MAX_KEYS);
    metadata->arena = gguf->arena;
    metadata->values = smr_arena_alloc(gguf->arena, (size_t)n_keys, sizeof *metadata->values);
    if (!metadata->values || !smr_names_init(&metadata->keys, gguf->arena, (uint32_t)n_keys))
        return false;

    for (uint32_t i = 0; i < n_keys; i++) {
        char field[64];
        const char *key;
        snprintf(field, sizeof field, "metadata key %u", i);
        if (!smr_gguf_read_string(gguf, cursor, field, SMR_GGUF_MAX_KEY_SIZE, &key, NULL))
            return false;
        if (!*key)
            return smr_gguf_fail(gguf, field, "is empty");
        if (!smr_names_add(&metadata->keys, key))
            return smr_gguf_fail(gguf, key, "is there twice");
        if (!read_value(gguf, cursor, key, &metadata->values[i]))
            return false;
    }
    return true;
}

// ---- conversion -------------------------------------------------------------------------------

static bool is_integer(uint32_t type)
{
    return type <= SMR_GGUF_I32 || type == SMR_GGUF_BOOL || type == SMR_GGUF_U64 ||
           type == SMR_GGUF_I64;
}

static bool to_integer(const struct smr_gguf_value *value, int64_t min, int64_t max,
                       int64_t *integer)
{
    if (!is_integer(value->type) || value->integer < min || value->integer > max)
        return false; // a u64 above INT64_MAX looks negative, and no caller wants one
    if (value->type == SMR_GGUF_U64 && value->integer < 0)
        return false;
    *integer = value->integer;
    return true;
}

static bool to_u32(const struct smr_gguf_value *value, uint32_t *result)
{
    int64_t integer;
    if (!to_integer(value, 0, UINT32_MAX, &integer))
        return false;
    *result = (uint32_t)integer;
    return true;
}

static bool to_f32(const struct smr_gguf_value *value, float *result)
{
    int64_t integer;
    if (value->type == SMR_GGUF_F32 || value->type == SMR_GGUF_F64)
        *result = (float)value->real;
    else if (value->type != SMR_GGUF_BOOL && to_integer(value, INT64_MIN, INT64_MAX, &integer))
        *result = (float)integer;
    else
        return false;
    return true;
}

// ---- reading ----------------------------------------------------------------------------------

const struct smr_gguf_value *smr_metadata_find(const struct smr_metadata *metadata, const char *key)
{
    uint32_t index = smr_names_find(&metadata->keys, key);
    return index == SMR_NO_NAME ? NULL : &metadata->values[index];
}

bool smr_metadata_has(const struct smr_metadata *metadata, const char *key)
{
    return smr_metadata_find(metadata, key);
}

bool smr_metadata_u32(const struct smr_metadata *metadata, const char *key, uint32_t *value)
{
    const struct smr_gguf_value *found = smr_metadata_find(metadata, key);
    return found && to_u32(found, value);
}

bool smr_metadata_f32(const struct smr_metadata *metadata, const char *key, float *value)
{
    const struct smr_gguf_value *found = smr_metadata_find(metadata, key);
    return found && to_f32(found, value);
}

bool smr_metadata_bool(const struct smr_metadata *metadata, const char *key, bool *value)
{
    const struct smr_gguf_value *found = smr_metadata_find(metadata, key);
    int64_t integer;
    if (!found || !to_integer(found, 0, 1, &integer))
        return false;
    *value = integer;
    return true;
}

const char *smr_metadata_string(const struct smr_metadata *metadata, const char *key)
{
    size_t size;
    return smr_metadata_string_n(metadata, key, &size);
}

const char *smr_metadata_string_n(const struct smr_metadata *metadata, const char *key,
                                  size_t *size)
{
    const struct smr_gguf_value *found = smr_metadata_find(metadata, key);
    bool is_string = found && found->type == SMR_GGUF_STRING;
    *size = is_string ? found->text_size : 0;
    return is_string ? found->text : NULL;
}

bool smr_metadata_array(const struct smr_metadata *metadata, const char *key,
                        struct smr_metadata_array *array)
{
    const struct smr_gguf_value *found = smr_metadata_find(metadata, key);
    if (!found || found->type != SMR_GGUF_ARRAY)
        return false;
    *array = found->array;
    return true;
}

// The file was checked on opening, but a mapping shows what others write into the file since: the
// readers below check bounds again, and never give more than n elements.

static bool next_number(struct smr_metadata_array *array, struct smr_gguf_value *value)
{
    if (array->n_read >= array->n || !read_number(&array->cursor, array->type, value))
        return false;
    array->n_read++;
    return true;
}

bool smr_metadata_next_string(struct smr_metadata_array *array, const char **data, size_t *size)
{
    if (array->type != SMR_GGUF_STRING || array->n_read >= array->n)
        return false;
    uint64_t length = smr_cursor_u64(&array->cursor);
    if (length > SIZE_MAX)
        return false;
    *data = (const char *)smr_cursor_bytes(&array->cursor, (size_t)length);
    *size = *data ? (size_t)length : 0;
    array->n_read += *data != NULL;
    return *data;
}

bool smr_metadata_next_i32(struct smr_metadata_array *array, int32_t *value)
{
    struct smr_gguf_value number = {0};
    int64_t integer;
    if (!next_number(array, &number) || !to_integer(&number, INT32_MIN, INT32_MAX, &integer))
        return false;
    *value = (int32_t)integer;
    return true;
}

bool smr_metadata_next_u32(struct smr_metadata_array *array, uint32_t *value)
{
    struct smr_gguf_value number = {0};
    return next_number(array, &number) && to_u32(&number, value);
}

bool smr_metadata_next_f32(struct smr_metadata_array *array, float *value)
{
    struct smr_gguf_value number = {0};
    return next_number(array, &number) && to_f32(&number, value);
}
