// safetensors.c - the header of a safetensors file, all of which may be a lie.
#include "model/safetensors.h"

#include "base/file.h"
#include "model/json.h"
#include "model/model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool fail(const struct smr_safetensors *file, const char *field, const char *format, ...)
    SMR_PRINTF(3, 4);

static bool fail(const struct smr_safetensors *file, const char *field, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    smr_model_fail(file->context, file->path, field, format, arguments);
    va_end(arguments);
    return false;
}

// ---- one tensor -------------------------------------------------------------------------------

static const struct smr_safetensors_type types[] = {
    {"F32", 4, true, SMR_F32}, {"F16", 2, true, SMR_F16}, {"BF16", 2, true, SMR_BF16},
    {"F64", 8, false, 0},      {"I64", 8, false, 0},      {"I32", 4, false, 0},
    {"I16", 2, false, 0},      {"I8", 1, false, 0},       {"U64", 8, false, 0},
    {"U32", 4, false, 0},      {"U16", 2, false, 0},      {"U8", 1, false, 0},
    {"BOOL", 1, false, 0},     {"F8_E4M3", 1, false, 0},  {"F8_E5M2", 1, false, 0},
    {"F8_E8M0", 1, false, 0},  {"C64", 8, false, 0},
};

static bool read_type(const struct smr_safetensors *file, struct smr_safetensor *tensor,
                      const json_t *value)
{
    const char *name = json_string_value(value);
    for (size_t i = 0; name && i < SMR_COUNT(types); i++) {
        if (!strcmp(name, types[i].name)) {
            tensor->type = &types[i];
            return true;
        }
    }
    return fail(file, tensor->name, "dtype \"%.32s\" is not known", name ? name : "(none)");
}

// A whole number that is not negative.
static bool read_number(const json_t *value, uint64_t *number)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *number = (uint64_t)json_integer_value(value);
    return true;
}

// The dimensions, and the bytes they make in `size`.
static bool read_shape(const struct smr_safetensors *file, struct smr_safetensor *tensor,
                       const json_t *shape, size_t *size)
{
    size_t n = json_array_size(shape);
    if (!json_is_array(shape) || n > SMR_SAFETENSORS_MAX_DIMS)
        return fail(file, tensor->name, "shape is no list of at most %d dimensions",
                    SMR_SAFETENSORS_MAX_DIMS);
    tensor->n_dims = (uint32_t)n;
    *size = tensor->type->size;
    for (size_t i = 0; i < n; i++) {
        uint64_t dim;
        if (!read_number(json_array_get(shape, i), &dim))
            return fail(file, tensor->name, "dimension %zu is no whole number", i);
        tensor->dims[i] = dim;
        if (dim > SIZE_MAX || !smr_mul_size(*size, (size_t)dim, size))
            return fail(file, tensor->name, "dimension %zu is %" PRIu64 ": too large", i, dim);
    }
    return true;
}

static bool read_tensor(const struct smr_safetensors *file, struct smr_safetensor *tensor,
                        const json_t *value)
{
    const json_t *offsets = json_object_get(value, "data_offsets");
    uint64_t begin, end;
    size_t size = 0;
    if (!json_is_object(value))
        return fail(file, tensor->name, "is no object of dtype, shape and data_offsets");
    if (!read_type(file, tensor, json_object_get(value, "dtype")) ||
        !read_shape(file, tensor, json_object_get(value, "shape"), &size))
        return false;
    if (json_array_size(offsets) != 2 || !read_number(json_array_get(offsets, 0), &begin) ||
        !read_number(json_array_get(offsets, 1), &end) || begin > end)
        return fail(file, tensor->name, "data_offsets are not the two ends of its bytes");
    if (end - begin != size)
        return fail(file, tensor->name,
                    "has %" PRIu64 " bytes of data, where its shape and dtype %s make %zu",
                    end - begin, tensor->type->name, size);
    tensor->offset = begin;
    tensor->size = size;
    return true;
}

// ---- the header -------------------------------------------------------------------------------

static int by_offset(const void *a, const void *b)
{
    const struct smr_safetensor *x = a, *y = b;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return x->size < y->size ? -1 : x->size > y->size; // empty ones first
}

// Sort the tensors by their data, which must fill the `size` bytes without holes or overlaps.
static bool place_tensors(struct smr_safetensors *file, const uint8_t *data, size_t size)
{
    uint64_t end = 0;
    if (file->n_tensors) // qsort() may not get the NULL of an empty list
        qsort(file->tensors, file->n_tensors, sizeof *file->tensors, by_offset);
    for (uint32_t i = 0; i < file->n_tensors; i++) {
        struct smr_safetensor *tensor = &file->tensors[i];
        if (tensor->offset > size || tensor->size > size - tensor->offset)
            return fail(file, tensor->name,
                        "%" PRIu64 " bytes of data at offset %" PRIu64
                        " lie beyond the file's end at %zu: it is cut or damaged",
                        tensor->size, tensor->offset, size);
        if (tensor->offset > end)
            return fail(file, tensor->name,
                        "begins at %" PRIu64 ", where the tensors before it end at %" PRIu64
                        ": the file has a hole",
                        tensor->offset, end);
        if (tensor->offset < end)
            return fail(file, tensor->name,
                        "begins at %" PRIu64 ", inside of another that ends at %" PRIu64,
                        tensor->offset, end);
        end = tensor->offset + tensor->size;
        tensor->data = data + tensor->offset;
    }
    return end == size ||
           fail(file, "data", "%" PRIu64 " bytes after the last tensor belong to none",
                (uint64_t)size - end);
}

static bool read_tensors(struct smr_safetensors *file, json_t *header)
{
    const char *name;
    json_t *value;
    file->tensors = smr_arena_alloc(file->arena, json_object_size(header), sizeof *file->tensors);
    if (!file->tensors)
        return false;
    json_object_foreach(header, name, value)
    {
        if (!strcmp(name, "__metadata__"))
            continue;
        struct smr_safetensor *tensor = &file->tensors[file->n_tensors++];
        tensor->name = smr_arena_strndup(file->arena, name, strlen(name));
        if (!tensor->name)
            return false;
        if (!*name)
            return fail(file, "header", "a tensor without a name");
        if (!read_tensor(file, tensor, value))
            return false;
    }
    return true;
}

bool smr_safetensors_parse(struct smr_safetensors *file)
{
    struct smr_cursor cursor = smr_cursor_make(file->data, file->size);
    uint64_t size = smr_cursor_u64(&cursor);
    if (cursor.failed)
        return fail(file, "header", "the file ends after %zu bytes: it is cut or damaged",
                    file->size);
    if (size > SMR_SAFETENSORS_MAX_HEADER)
        return fail(file, "header",
                    "%" PRIu64 " bytes, the limit is %d: damaged, or not a safetensors file", size,
                    SMR_SAFETENSORS_MAX_HEADER);
    const uint8_t *text = smr_cursor_bytes(&cursor, (size_t)size);
    if (!text)
        return fail(file, "header",
                    "%" PRIu64 " bytes go beyond the file's end at %zu: it is cut or damaged", size,
                    file->size);
    if (!size || text[0] != '{')
        return fail(file, "header", "does not begin with \"{\": not a safetensors file");
    json_t *header = smr_json_parse(file->context, file->path, text, (size_t)size);
    bool done = header && read_tensors(file, header) &&
                place_tensors(file, file->data + cursor.offset, file->size - cursor.offset);
    json_decref(header);
    return done;
}
