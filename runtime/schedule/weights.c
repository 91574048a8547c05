// weights.c - weights on the device: in place where it can read the mapped file, else copied; split
// by rows where a tensor exceeds what one binding or one buffer may hold. Copies of neighbours of one
// type and width share a buffer, so that a dispatch can bind several of them at once (fuse.c).
#include "schedule/schedule_impl.h"

#include "base/parallel.h"
#include "device/threads.h"

#include <string.h>

// Rows of a part begin at multiples of this, so that their offsets keep any alignment.
enum { PART_ROWS = 256 };

// Bytes of rows that are made at a time, and elements that a thread makes of them; at least a row.
enum { PIECE_SIZE = 1 << 22, GRAIN_ELEMENTS = 1 << 16 };

static bool keep_buffer(struct smr_schedule *schedule, smr_buffer *buffer)
{
    if (!smr_grow(schedule->context, &schedule->weights, &schedule->weights_capacity,
                  schedule->n_weights + 1, sizeof(smr_buffer *), "the list of weight buffers"))
        return false;
    schedule->weights[schedule->n_weights++] = buffer;
    return true;
}

// A buffer of the schedule, to be filled.
static smr_buffer *make_buffer(struct smr_schedule *schedule, uint64_t size, const char *name)
{
    smr_buffer *buffer = smr_buffer_create(
        schedule->device, &(struct smr_buffer_params){.size = smr_align_up(size, 4),
                                                      .kind = SMR_MEMORY_DEVICE,
                                                      .name = name});
    if (!buffer)
        return NULL;
    if (!keep_buffer(schedule, buffer)) {
        smr_buffer_destroy(buffer);
        return NULL;
    }
    schedule->use.weights += size;
    return buffer;
}

static smr_buffer *upload(struct smr_schedule *schedule, const void *data, uint64_t size,
                          const char *name)
{
    smr_buffer *buffer = make_buffer(schedule, size, name);
    return buffer && smr_buffer_write(buffer, 0, data, size) ? buffer : NULL;
}

struct made {
    const struct smr_model *model;
    const struct smr_tensor *tensor;
    uint64_t row_begin, row_size;
    uint8_t *rows;
};

static bool make_rows(void *user, uint32_t thread, uint64_t begin, uint64_t end)
{
    const struct made *made = user;
    return smr_tensor_read(made->model, made->tensor, made->row_begin + begin, end - begin,
                           made->rows + begin * made->row_size);
}

// Rows that the file does not have as they are: made and uploaded piece by piece.
static bool upload_made(struct smr_schedule *schedule, const struct smr_tensor *tensor,
                        const struct smr_part *part, uint64_t row_size)
{
    uint32_t step = (uint32_t)(PIECE_SIZE / row_size);
    step = smr_max_u32(1, smr_min_u32(step, part->row_count));
    uint8_t *piece = smr_alloc(schedule->context, step, row_size, "a piece of the weights");
    uint64_t grain = GRAIN_ELEMENTS / tensor->dims[0];
    uint32_t n_threads = smr_host_threads(schedule->context);
    bool done = piece;
    for (uint32_t row = 0; done && row < part->row_count; row += step) {
        uint32_t n = smr_min_u32(step, part->row_count - row);
        struct made made = {schedule->graph->model, tensor, part->row_begin + row, row_size, piece};
        done = smr_parallel(n_threads, n, grain ? grain : 1, make_rows, &made) &&
               smr_buffer_write(part->binding.buffer, part->binding.offset + row * row_size, piece,
                                n * row_size);
    }
    smr_free(schedule->context, piece);
    return done;
}

static bool upload_part(struct smr_schedule *schedule, const struct smr_tensor *tensor,
                        const struct smr_part *part, uint64_t row_size)
{
    if (!tensor->data)
        return upload_made(schedule, tensor, part, row_size);
    return smr_buffer_write(part->binding.buffer, part->binding.offset,
                            tensor->data + part->row_begin * row_size, part->binding.size);
}

// ---- import -------------------------------------------------------------------------------------

// Host memory the device reads in place: whole mappings of the model's files.
struct imported {
    const uint8_t *data; // page-aligned
    uint64_t size;
    smr_buffer *buffer;
};

static uint32_t import_files(struct smr_schedule *schedule, struct imported *imported,
                             uint32_t capacity)
{
    const struct smr_limits *limits = smr_device_limits(schedule->device);
    uint32_t n = 0;
    const void *data;
    size_t size;
    if (!limits->import_alignment || !limits->unified_memory)
        return 0;
    for (uint32_t i = 0; n < capacity && smr_model_mapping(schedule->graph->model, i, &data, &size);
         i++) {
        uint64_t rounded = smr_align_up(size, limits->import_alignment);
        if ((uintptr_t)data % limits->import_alignment || rounded > limits->max_buffer_size)
            continue;
        smr_buffer *buffer = smr_buffer_import(schedule->device, data, rounded, "model file");
        if (!buffer)
            continue;
        if (!keep_buffer(schedule, buffer)) {
            smr_buffer_destroy(buffer);
            return n;
        }
        imported[n++] = (struct imported){data, size, buffer};
    }
    return n;
}

// Where a tensor lies in imported memory, at whatever offset; false when it must be copied.
static bool find_imported(const struct imported *imported, uint32_t n,
                          const struct smr_tensor *tensor, struct smr_binding *binding)
{
    for (uint32_t i = 0; tensor->data && i < n; i++) {
        if (tensor->data < imported[i].data ||
            tensor->data + tensor->size > imported[i].data + imported[i].size)
            continue;
        *binding = (struct smr_binding){.buffer = imported[i].buffer,
                                        .offset = (uint64_t)(tensor->data - imported[i].data),
                                        .size = tensor->size};
        return binding->offset % 4 == 0;
    }
    return false;
}

// Bytes of weights that a binding may have, at whatever offset they begin.
static uint64_t most_bound(const struct smr_limits *limits)
{
    uint64_t most = limits->max_binding_size < limits->max_buffer_size ? limits->max_binding_size
                                                                       : limits->max_buffer_size;
    if (most > UINT32_MAX) // kernels count bytes in 32 bits
        most = UINT32_MAX;
    return most - limits->binding_alignment - 4;
}

// ---- copies that share a buffer -------------------------------------------------------------------

// Bytes of a shared buffer, at most: few are not filled by a layer's gate and up.
enum { MOST_SHARED = 1 << 29 };

struct shared {
    smr_buffer *buffer;
    uint64_t end;    // of what is taken
    uint32_t n_left; // tensors to come
};

static bool shares(const struct smr_tensor *a, const struct smr_tensor *b)
{
    return a->type == b->type && a->dims[0] == b->dims[0] && a->dims[2] == 1 && b->dims[2] == 1;
}

// A buffer for the weight `first` and those after it that may be bound with it; none for one alone.
static bool share_buffer(struct smr_schedule *schedule, uint32_t first,
                         const struct imported *imported, uint32_t n_imported,
                         struct shared *shared)
{
    const struct smr_limits *limits = smr_device_limits(schedule->device);
    const struct smr_value *values = schedule->graph->values;
    uint64_t most = most_bound(limits), size = 0;
    struct smr_binding in_place;
    if (most > MOST_SHARED)
        most = MOST_SHARED;
    *shared = (struct shared){0};
    for (uint32_t i = first; i < schedule->graph->n_values; i++) {
        const struct smr_tensor *tensor = values[i].tensor;
        if (values[i].kind != SMR_VALUE_WEIGHT)
            continue;
        const uint64_t taken = smr_align_up(tensor->size, limits->binding_alignment);
        if (!shares(values[first].tensor, tensor) || taken > most - size ||
            find_imported(imported, n_imported, tensor, &in_place))
            break;
        size += taken;
        shared->n_left++;
    }
    if (shared->n_left < 2)
        shared->n_left = 0;
    else
        shared->buffer = make_buffer(schedule, size, values[first].tensor->name);
    return shared->buffer || !shared->n_left;
}

// ---- placing --------------------------------------------------------------------------------------

// Parts are multiples of `unit` rows.
static uint32_t rows_per_part(const struct smr_schedule *schedule, uint64_t row_size, uint64_t rows,
                              uint64_t unit)
{
    uint64_t fit = most_bound(smr_device_limits(schedule->device)) / row_size;
    if (rows <= fit)
        return (uint32_t)rows;
    return (uint32_t)(fit / unit * unit);
}

// What is not divided: experts are whole, and begin at words.
static uint64_t part_unit(const struct smr_tensor *tensor, uint64_t row_size)
{
    uint64_t n_out = tensor->dims[1], unit = n_out;
    if (tensor->dims[2] == 1)
        return PART_ROWS;
    while (unit * row_size % 4)
        unit += n_out;
    return unit;
}

static bool place_tensor(struct smr_schedule *schedule, const struct smr_tensor *tensor,
                         const struct smr_binding *imported, struct shared *shared,
                         struct smr_placed *placed)
{
    uint64_t rows = smr_tensor_rows(tensor);
    uint64_t row_size = tensor->size / rows;
    uint64_t unit = part_unit(tensor, row_size);
    uint32_t step = rows_per_part(schedule, row_size, rows, unit);
    if (!step || rows > UINT32_MAX)
        return smr_fail(schedule->context, SMR_ERROR_DEVICE,
                        "tensor %s: %llu rows of %llu bytes do not fit into bindings of %s, and "
                        "its parts cannot be smaller than %llu rows",
                        tensor->name, (unsigned long long)rows, (unsigned long long)row_size,
                        smr_device_get_info(schedule->device)->name, (unsigned long long)unit);
    placed->n_parts = smr_div_up((uint32_t)rows, step);
    placed->parts = smr_arena_alloc(&schedule->memory, placed->n_parts, sizeof(*placed->parts));
    if (!placed->parts)
        return false;
    for (uint32_t i = 0; i < placed->n_parts; i++) {
        struct smr_part *part = &placed->parts[i];
        part->row_begin = i * step;
        part->row_count = smr_min_u32(step, (uint32_t)rows - part->row_begin);
        uint64_t offset = part->row_begin * row_size, size = part->row_count * row_size;
        if (imported) {
            uint64_t begin = imported->offset + offset;
            part->at = (uint32_t)(begin % smr_device_limits(schedule->device)->binding_alignment);
            part->binding =
                (struct smr_binding){imported->buffer, begin - part->at, size + part->at};
            schedule->use.weights += size;
            continue;
        }
        if (shared->n_left) { // all of the tensor fits
            part->binding = (struct smr_binding){shared->buffer, shared->end, size};
            shared->end +=
                smr_align_up(size, smr_device_limits(schedule->device)->binding_alignment);
            shared->n_left--;
        } else {
            part->binding =
                (struct smr_binding){make_buffer(schedule, size, tensor->name), 0, size};
        }
        if (!part->binding.buffer || !upload_part(schedule, tensor, part, row_size))
            return false;
    }
    return true;
}

// All constants share one buffer.
static bool place_constants(struct smr_schedule *schedule)
{
    const struct smr_graph *graph = schedule->graph;
    uint64_t alignment = smr_device_limits(schedule->device)->binding_alignment, size = 0;
    for (uint32_t i = 0; i < graph->n_values; i++)
        if (graph->values[i].kind == SMR_VALUE_CONSTANT)
            size = smr_align_up(size, alignment) + graph->values[i].n_cols * 4ull;
    if (!size)
        return true;
    uint8_t *all = smr_alloc(schedule->context, size, 1, "constants");
    if (!all)
        return false;
    uint64_t offset = 0;
    for (uint32_t i = 0; i < graph->n_values; i++) {
        const struct smr_value *value = &graph->values[i];
        if (value->kind != SMR_VALUE_CONSTANT)
            continue;
        offset = smr_align_up(offset, alignment);
        struct smr_part *part = smr_arena_alloc(&schedule->memory, 1, sizeof(*part));
        if (!part)
            break;
        memcpy(all + offset, value->data, value->n_cols * 4ull);
        part->binding = (struct smr_binding){NULL, offset, value->n_cols * 4ull};
        part->row_count = 1;
        schedule->placed[i] = (struct smr_placed){part, 1};
        offset += value->n_cols * 4ull;
    }
    smr_buffer *buffer =
        offset == size ? upload(schedule, all, size, "norms, biases, rotations") : NULL;
    smr_free(schedule->context, all);
    for (uint32_t i = 0; buffer && i < graph->n_values; i++)
        if (graph->values[i].kind == SMR_VALUE_CONSTANT)
            schedule->placed[i].parts->binding.buffer = buffer;
    return buffer != NULL;
}

bool smr_schedule_place_weights(struct smr_schedule *schedule)
{
    const struct smr_graph *graph = schedule->graph;
    struct imported imported[16];
    struct shared shared = {0};
    uint64_t done = 0, total = 1;
    schedule->placed =
        smr_arena_alloc(&schedule->memory, graph->n_values, sizeof(*schedule->placed));
    if (!schedule->placed || !place_constants(schedule))
        return false;
    uint32_t n_imported = import_files(schedule, imported, SMR_COUNT(imported));
    for (uint32_t i = 0; i < graph->n_values; i++)
        if (graph->values[i].kind == SMR_VALUE_WEIGHT)
            total += graph->values[i].tensor->size;
    for (uint32_t i = 0; i < graph->n_values; i++) {
        const struct smr_value *value = &graph->values[i];
        struct smr_binding binding;
        if (value->kind != SMR_VALUE_WEIGHT)
            continue;
        bool in_place = find_imported(imported, n_imported, value->tensor, &binding);
        if (!in_place && !shared.n_left &&
            !share_buffer(schedule, i, imported, n_imported, &shared))
            return false;
        if (!place_tensor(schedule, value->tensor, in_place ? &binding : NULL, &shared,
                          &schedule->placed[i]))
            return false;
        done += value->tensor->size;
        if (schedule->params.progress)
            schedule->params.progress(schedule->params.user, "loading weights",
                                      (float)((double)done / (double)total));
    }
    return true;
}
