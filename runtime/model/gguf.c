// gguf.c - header and tensor table of a GGUF file. Every number in it may be a lie.
#include "model/gguf.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

// ---- errors -----------------------------------------------------------------------------------

bool smr_gguf_fail(const struct smr_gguf *gguf, const char *field, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    smr_model_fail(gguf->context, gguf->path, field, format, arguments);
    va_end(arguments);
    return false;
}

bool smr_gguf_fail_cut(const struct smr_gguf *gguf, const char *field)
{
    return smr_gguf_fail(gguf, field, "the file ends here, after %zu bytes: it is cut or damaged",
                         gguf->size);
}

// ---- strings ----------------------------------------------------------------------------------

bool smr_gguf_read_string(struct smr_gguf *gguf, struct smr_cursor *cursor, const char *field,
                          size_t max_size, const char **text, size_t *size)
{
    uint64_t length = smr_cursor_u64(cursor);
    if (cursor->failed)
        return smr_gguf_fail_cut(gguf, field);
    if (length > max_size)
        return smr_gguf_fail(gguf, field, "a string of %" PRIu64 " bytes, the limit is %zu", length,
                             max_size);
    const uint8_t *bytes = smr_cursor_bytes(cursor, (size_t)length);
    if (!bytes)
        return smr_gguf_fail(gguf, field, "a string of %" PRIu64 " bytes goes beyond the file",
                             length);
    char *copy = smr_arena_strndup(gguf->arena, (const char *)bytes, (size_t)length);
    if (!copy)
        return false;
    if (size)
        *size = (size_t)length;
    else if (memchr(copy, 0, (size_t)length))
        return smr_gguf_fail(gguf, field, "a zero byte in a name");
    *text = copy;
    return true;
}

// ---- header -----------------------------------------------------------------------------------

static bool read_header(struct smr_gguf *gguf, struct smr_cursor *cursor, uint64_t *n_tensors,
                        uint64_t *n_keys)
{
    const uint8_t *magic = smr_cursor_bytes(cursor, 4);
    if (!magic || memcmp(magic, "GGUF", 4) != 0)
        return smr_gguf_fail(gguf, "magic", "not a GGUF file: it does not begin with \"GGUF\"");
    uint32_t version = gguf->version = smr_cursor_u32(cursor);
    if (cursor->failed)
        return smr_gguf_fail_cut(gguf, "version");
    if (version && !(version & 0xffffff))
        return smr_gguf_fail(gguf, "version", "a big-endian file: only little-endian is supported");
    if (version != 2 && version != 3)
        return smr_gguf_fail(gguf, "version", "%" PRIu32 " is not supported, only 2 and 3%s",
                             version, version == 1 ? ": convert the model again" : "");
    *n_tensors = smr_cursor_u64(cursor);
    *n_keys = smr_cursor_u64(cursor);
    return cursor->failed ? smr_gguf_fail_cut(gguf, "header") : true;
}

static bool read_alignment(struct smr_gguf *gguf)
{
    static const char key[] = "general.alignment";
    uint32_t alignment = 32;
    if (smr_metadata_has(&gguf->metadata, key) &&
        !smr_metadata_u32(&gguf->metadata, key, &alignment))
        return smr_gguf_fail(gguf, key, "not a whole number");
    if (alignment < 8 || alignment > SMR_GGUF_MAX_ALIGNMENT || (alignment & (alignment - 1)))
        return smr_gguf_fail(gguf, key, "%" PRIu32 " is not a power of two from 8 to %d", alignment,
                             SMR_GGUF_MAX_ALIGNMENT);
    gguf->alignment = alignment;
    return true;
}

// ---- tensors ----------------------------------------------------------------------------------

// Types of ggml that we cannot compute with, for the error's sake.
static const char *unsupported_type_name(uint32_t type)
{
    static const char *const names[] = {
        [4] = "Q4_2",    [5] = "Q4_3",     [9] = "Q8_1",   [15] = "Q8_K",  [16] = "IQ2_XXS",
        [17] = "IQ2_XS", [18] = "IQ3_XXS", [19] = "IQ1_S", [21] = "IQ3_S", [22] = "IQ2_S",
        [23] = "IQ4_XS", [24] = "I8",      [25] = "I16",   [27] = "I64",   [28] = "F64",
        [29] = "IQ1_M",  [34] = "TQ1_0",   [35] = "TQ2_0", [39] = "MXFP4", [40] = "NVFP4",
    };
    return type < SMR_COUNT(names) && names[type] ? names[type] : "unknown";
}

static bool read_dims(struct smr_gguf *gguf, struct smr_cursor *cursor, struct smr_tensor *tensor,
                      size_t *n_elements)
{
    tensor->n_dims = smr_cursor_u32(cursor);
    if (cursor->failed)
        return smr_gguf_fail_cut(gguf, tensor->name);
    if (tensor->n_dims < 1 || tensor->n_dims > SMR_MAX_DIMS)
        return smr_gguf_fail(gguf, tensor->name, "%" PRIu32 " dimensions, should be 1 to %d",
                             tensor->n_dims, SMR_MAX_DIMS);
    *n_elements = 1;
    for (uint32_t i = 0; i < SMR_MAX_DIMS; i++) {
        uint64_t dim = tensor->dims[i] = i < tensor->n_dims ? smr_cursor_u64(cursor) : 1;
        if (cursor->failed)
            return smr_gguf_fail_cut(gguf, tensor->name);
        if (!dim || dim > SIZE_MAX || !smr_mul_size(*n_elements, (size_t)dim, n_elements))
            return smr_gguf_fail(gguf, tensor->name,
                                 "dimension %" PRIu32 " is %" PRIu64 ": zero or too large", i, dim);
    }
    return true;
}

// Set type and size from the type's number and the dimensions.
static bool set_type(struct smr_gguf *gguf, struct smr_tensor *tensor, uint32_t type,
                     size_t n_elements)
{
    const struct smr_type_info *info = smr_type_info((enum smr_type)type);
    size_t size;
    if (!info)
        return smr_gguf_fail(gguf, tensor->name,
                             "type %" PRIu32 " (%s) is not supported: use another quantisation",
                             type, unsupported_type_name(type));
    if (tensor->dims[0] % info->block_elements)
        return smr_gguf_fail(gguf, tensor->name,
                             "rows of %" PRIu64
                             " elements are no multiple of %s's block of %" PRIu32,
                             tensor->dims[0], info->name, info->block_elements);
    if (!smr_mul_size(n_elements / info->block_elements, info->block_size, &size))
        return smr_gguf_fail(gguf, tensor->name, "%zu elements are too many", n_elements);
    tensor->type = (enum smr_type)type;
    tensor->size = size;
    return true;
}

// `data` is set to the offset in the data section until that is known: see place_tensors().
static bool read_tensor(struct smr_gguf *gguf, struct smr_cursor *cursor, uint32_t index,
                        struct smr_tensor *tensor, uint64_t *offset)
{
    char field[32];
    size_t n_elements = 0;
    snprintf(field, sizeof field, "tensor %" PRIu32, index);
    if (!smr_gguf_read_string(gguf, cursor, field, SMR_GGUF_MAX_NAME_SIZE, &tensor->name, NULL))
        return false;
    if (!*tensor->name)
        return smr_gguf_fail(gguf, field, "has no name");
    if (!read_dims(gguf, cursor, tensor, &n_elements))
        return false;
    uint32_t type = smr_cursor_u32(cursor);
    *offset = smr_cursor_u64(cursor);
    if (cursor->failed)
        return smr_gguf_fail_cut(gguf, tensor->name);
    return set_type(gguf, tensor, type, n_elements);
}

// Point tensors at their data, behind the padding after `end_of_table`.
static bool place_tensors(struct smr_gguf *gguf, size_t end_of_table, const uint64_t *offsets)
{
    size_t start = smr_align_up(end_of_table, gguf->alignment);
    for (uint32_t i = 0; i < gguf->n_tensors; i++) {
        struct smr_tensor *tensor = &gguf->tensors[i];
        uint64_t offset = offsets[i];
        if (offset % gguf->alignment)
            return smr_gguf_fail(gguf, tensor->name,
                                 "offset %" PRIu64 " is no multiple of the alignment %" PRIu32,
                                 offset, gguf->alignment);
        if (start > gguf->size || offset > gguf->size - start ||
            tensor->size > gguf->size - start - (size_t)offset)
            return smr_gguf_fail(gguf, tensor->name,
                                 "%" PRIu64 " bytes of data at offset %" PRIu64
                                 " lie beyond the file's end at %zu: it is cut or damaged",
                                 tensor->size, offset, gguf->size);
        tensor->data = gguf->data + start + (size_t)offset;
    }
    return true;
}

static bool read_tensors(struct smr_gguf *gguf, struct smr_cursor *cursor, uint64_t n_tensors)
{
    enum { LEAST_SIZE = 8 + 1 + 4 + 8 + 4 + 8 }; // a name of one letter, one dimension
    if (n_tensors > SMR_GGUF_MAX_TENSORS ||
        n_tensors > (cursor->size - cursor->offset) / LEAST_SIZE)
        return smr_gguf_fail(gguf, "tensor count",
                             "%" PRIu64 " is more than the file can hold or than the limit of %d",
                             n_tensors, SMR_GGUF_MAX_TENSORS);
    gguf->n_tensors = (uint32_t)n_tensors;
    gguf->tensors = smr_arena_alloc(gguf->arena, gguf->n_tensors, sizeof *gguf->tensors);
    uint64_t *offsets =
        smr_alloc(gguf->context, gguf->n_tensors, sizeof *offsets, "tensor offsets");
    bool done = gguf->tensors && offsets;
    for (uint32_t i = 0; done && i < gguf->n_tensors; i++)
        done = read_tensor(gguf, cursor, i, &gguf->tensors[i], &offsets[i]);
    done = done && place_tensors(gguf, cursor->offset, offsets);
    smr_free(gguf->context, offsets);
    return done;
}

bool smr_gguf_parse(struct smr_gguf *gguf)
{
    struct smr_cursor cursor = smr_cursor_make(gguf->data, gguf->size);
    uint64_t n_tensors = 0, n_keys = 0;
    return read_header(gguf, &cursor, &n_tensors, &n_keys) &&
           smr_gguf_read_metadata(gguf, &cursor, n_keys) && read_alignment(gguf) &&
           read_tensors(gguf, &cursor, n_tensors);
}
