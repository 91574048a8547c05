// tensor.c - tensors' rows: copied where the file has them, else gathered and converted.
#include "model/tensor.h"

#include "base/decode.h"
#include "model/quantize.h"

#include <assert.h>
#include <string.h>

// Elements that are turned into another type at a time; at least a row.
enum { PIECE_ELEMENTS = 1 << 16 };

// The file's row that becomes row `row`.
static uint64_t source_row(const struct smr_tensor_source *source, uint64_t row)
{
    if (!source->n_heads)
        return row;
    uint64_t head_rows = source->part_rows / source->n_heads;
    uint64_t head = row / head_rows, i = row % head_rows;
    return head * head_rows + i / 2 + i % 2 * (head_rows / 2);
}

static float read_element(enum smr_type type, const uint8_t *at)
{
    uint16_t half;
    float value;
    if (type == SMR_F32) {
        memcpy(&value, at, 4);
        return value;
    }
    memcpy(&half, at, 2);
    return type == SMR_F16 ? smr_f16_to_f32(half) : smr_bf16_to_f32(half);
}

// Elements that stay as they are.
static void copy_row(const struct smr_tensor_source *source, const uint8_t *from, uint64_t n,
                     uint8_t *to)
{
    size_t size = smr_type_size(source->type, 1);
    if (source->element_stride == size) {
        memcpy(to, from, n * size);
        return;
    }
    for (uint64_t i = 0; i < n; i++)
        memcpy(to + i * size, from + i * source->element_stride, size);
}

static void convert_row(const struct smr_tensor_source *source, const uint8_t *from, uint64_t n,
                        uint8_t *to)
{
    for (uint64_t i = 0; i < n; i++) {
        float value = read_element(source->type, from + i * source->element_stride) + source->add;
        memcpy(to + i * 4, &value, 4);
    }
}

// Rows of another tensor in this one's type, a few at a time.
static bool read_retyped(const struct smr_model *model, const struct smr_tensor *tensor,
                         uint64_t row_begin, uint64_t n_rows, uint8_t *to)
{
    const struct smr_tensor *from = tensor->source->original;
    uint64_t n_cols = from->dims[0], from_size = from->size / smr_tensor_rows(from);
    uint64_t to_size = tensor->size / smr_tensor_rows(tensor);
    uint64_t step = PIECE_ELEMENTS / n_cols;
    step = step < 1 ? 1 : step > n_rows ? n_rows : step;
    uint8_t *rows = smr_alloc(model->context, step, from_size, "rows of weights");
    float *values = smr_alloc(model->context, step * n_cols, sizeof *values, "rows of weights");
    bool done = rows && values;
    for (uint64_t row = 0; done && row < n_rows; row += step) {
        uint64_t n = step < n_rows - row ? step : n_rows - row;
        done = smr_tensor_read(model, from, row_begin + row, n, rows);
        if (!done)
            break;
        smr_decode_row(from->type, rows, n * n_cols, values);
        done = smr_quantize_rows(tensor->type, values, n, n_cols, to + row * to_size);
        if (!done)
            smr_fail(
                model->context, SMR_ERROR_MODEL,
                "%s: %s: a value is not finite or beyond 65504, which %s can't hold: take bf16 "
                "or f32",
                model->path, from->name, smr_type_info(tensor->type)->name);
    }
    smr_free(model->context, values);
    smr_free(model->context, rows);
    return done;
}

// Bytes `at` and on of the pattern that is repeated.
static void repeat(const struct smr_tensor_source *source, uint64_t at, uint64_t size, uint8_t *to)
{
    for (uint64_t n; size; size -= n, at += n, to += n) {
        const uint64_t from = at % source->pattern_size;
        n = source->pattern_size - from < size ? source->pattern_size - from : size;
        memcpy(to, source->pattern + from, n);
    }
}

bool smr_tensor_read(const struct smr_model *model, const struct smr_tensor *tensor,
                     uint64_t row_begin, uint64_t n_rows, void *dst)
{
    const struct smr_tensor_source *source = tensor->source;
    uint64_t n_cols = tensor->dims[0], row_size = tensor->size / smr_tensor_rows(tensor);
    uint8_t *to = dst;
    assert(row_begin <= smr_tensor_rows(tensor) && n_rows <= smr_tensor_rows(tensor) - row_begin);
    if (tensor->data) {
        memcpy(dst, tensor->data + row_begin * row_size, n_rows * row_size);
        return true;
    }
    if (source->pattern) {
        repeat(source, row_begin * row_size, n_rows * row_size, to);
        return true;
    }
    if (source->original)
        return read_retyped(model, tensor, row_begin, n_rows, dst);
    if (tensor->n_dims == 1 && source->n_heads && n_rows) { // elements are what is reordered
        row_size /= n_cols;
        n_rows = n_cols;
        n_cols = 1;
    }
    bool same = source->type == tensor->type && source->add == 0;
    assert(same || tensor->type == SMR_F32);
    for (uint64_t row = row_begin; row < row_begin + n_rows; row++, to += row_size) {
        const uint8_t *from = source->parts[row / source->part_rows] +
                              source_row(source, row % source->part_rows) * source->row_stride;
        if (same)
            copy_row(source, from, n_cols, to);
        else
            convert_row(source, from, n_cols, to);
    }
    return true;
}

// A slice of what is made: of one part, in the file's order.
static bool slice_source(struct smr_tensor *slice, uint64_t offset, uint64_t n_rows,
                         struct smr_arena *arena)
{
    struct sliced {
        struct smr_tensor_source source;
        const uint8_t *part;
    } *sliced = smr_arena_alloc(arena, 1, sizeof *sliced);
    if (!sliced)
        return false;
    assert(!slice->source->original && slice->source->n_parts == 1 && !slice->source->n_heads);
    sliced->source = *slice->source;
    sliced->part = slice->source->parts[0] + offset;
    sliced->source.parts = &sliced->part;
    sliced->source.part_rows = n_rows;
    slice->source = &sliced->source;
    return true;
}

bool smr_tensor_slice(const struct smr_tensor *tensor, const char *name, uint64_t begin, uint64_t n,
                      struct smr_arena *arena, struct smr_tensor *slice)
{
    bool vector = tensor->n_dims == 1;
    uint32_t dim = vector ? 0 : 1;
    uint64_t step = tensor->size / tensor->dims[dim]; // vectors are not in blocks
    assert(tensor->n_dims <= 2 && begin <= tensor->dims[dim] && n <= tensor->dims[dim] - begin);
    *slice = *tensor;
    slice->name = smr_arena_strndup(arena, name, strlen(name));
    slice->dims[dim] = n;
    slice->size = n * step;
    if (!slice->name)
        return false;
    if (tensor->data) {
        slice->data = tensor->data + begin * step;
        return true;
    }
    const struct smr_tensor_source *source = tensor->source;
    return slice_source(slice, begin * (vector ? source->element_stride : source->row_stride),
                        vector ? 1 : n, arena);
}
