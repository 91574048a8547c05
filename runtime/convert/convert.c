// convert.c - a model as a GGUF file of other types.
//
// Tensors go through in batches of rows: all processors turn the rows of a batch into the new type
// while the batch before is being written.
#include "base/decode.h"
#include "base/parallel.h"
#include "convert/choose.h"
#include "device/threads.h"
#include "model/gguf_write.h"
#include "model/quantize.h"
#include "text/text.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

// Elements of a batch, and of what a thread takes of it at a time; at least a row.
static const uint64_t batch_elements = (uint64_t)1 << 23, piece_elements = (uint64_t)1 << 16;

// A batch on its way to the file.
struct write {
    struct smr_gguf_writer *writer;
    const void *data;
    uint64_t size; // bytes
    pthread_t thread;
    bool running, failed;
};

struct conversion {
    smr_context *context;
    smr_model *model;
    const struct smr_convert_params *params;
    struct smr_convert_result *result;
    const struct smr_recipe *recipe;
    struct smr_arena arena; // metadata, tensors
    struct smr_metadata metadata;
    struct smr_tensor *tensors; // [model->n_tensors] as they will be
    struct smr_gguf_writer writer;
    struct write write;
    uint8_t *batches[2]; // owned: one is filled while the other is written
    uint32_t n_batches;
    uint32_t n_threads;
    uint8_t *rows;                   // owned: for each thread, rows of the source
    float *values;                   // owned: for each thread, the same in f32
    uint64_t rows_room, values_room; // of a thread: bytes, elements
    uint64_t n_done;                 // bytes of the source's weights
};

static uint64_t rows_of(uint64_t n_elements, const struct smr_tensor *tensor)
{
    const uint64_t n = n_elements / tensor->dims[0];
    return n ? n : 1;
}

static uint64_t row_size(const struct smr_tensor *tensor)
{
    return tensor->size / smr_tensor_rows(tensor);
}

// ---- what the file will hold --------------------------------------------------------------------

// Keys about the file and not about the model.
static bool is_of_file(const char *key)
{
    return !strncmp(key, "split.", 6) || !strcmp(key, "general.alignment") ||
           !strcmp(key, "general.file_type") || !strcmp(key, "general.quantization_version");
}

// llama.cpp wants to be told that there is no tokenizer, and then how many tokens there are.
static void mark_no_tokenizer(struct conversion *c)
{
    char key[128];
    snprintf(key, sizeof key, "%s.vocab_size", c->model->architecture);
    smr_metadata_set_string(&c->metadata, "tokenizer.ggml.model", "none");
    smr_metadata_set_u32(&c->metadata, key, c->model->hparams.n_vocab);
}

// The files of a folder's tokenizer, which are superfluous where GGUF has words for what they say.
static bool is_tokenizer_file(const char *key)
{
    return !strncmp(key, "tokenizer.huggingface.", 22) ||
           !strncmp(key, "tokenizer.sentencepiece.", 24) || !strncmp(key, "tokenizer.marian.", 17);
}

// Set the keys of a tokenizer that did not come from GGUF, where there are words for it.
static bool export_tokenizer(struct conversion *c, bool *exported)
{
    *exported = false;
    if (smr_metadata_has(c->model->metadata, "tokenizer.ggml.model") ||
        !smr_model_tokenizer(c->model))
        return true;
    const struct smr_vocab *vocab = smr_vocab_get(c->model);
    return vocab && smr_vocab_export(vocab, c->model->hparams.n_vocab, &c->metadata, exported);
}

static bool make_metadata(struct conversion *c)
{
    enum { QUANTIZATION_VERSION = 2 }; // ggml.h, GGML_QNT_VERSION
    const struct smr_metadata *from = c->model->metadata;
    bool exported;
    smr_metadata_init(&c->metadata, &c->arena);
    smr_metadata_set_string(&c->metadata, "general.architecture", c->model->architecture);
    if (!export_tokenizer(c, &exported))
        return false;
    for (uint32_t i = 0; i < from->keys.n; i++) {
        const char *key = from->keys.names[i];
        bool done = exported && (is_tokenizer_file(key) || smr_metadata_find(&c->metadata, key));
        if (!is_of_file(key) && !done)
            smr_metadata_set(&c->metadata, key, &from->values[i]);
    }
    if (!smr_model_tokenizer(c->model))
        mark_no_tokenizer(c);
    // A folder's name is that of the model.
    if (!smr_metadata_has(from, "general.name") && !strstr(c->model->name, ".gguf"))
        smr_metadata_set_string(&c->metadata, "general.name", c->model->name);
    smr_metadata_set_u32(&c->metadata, "general.file_type", smr_recipe_file_type(c->recipe));
    smr_metadata_set_u32(&c->metadata, "general.quantization_version", QUANTIZATION_VERSION);
    return !c->metadata.failed;
}

static bool is_quantized(enum smr_type type)
{
    return smr_type_info(type)->quantized;
}

static void plan_tensor(struct conversion *c, uint32_t i)
{
    struct smr_convert_result *result = c->result;
    const struct smr_tensor *from = &c->model->tensors[i];
    struct smr_tensor *to = &c->tensors[i];
    enum smr_type wanted;
    *to = *from;
    to->data = NULL;
    to->source = NULL;
    to->type = smr_recipe_choose(c->recipe, c->params->pure, c->model, from, &wanted);
    to->size = smr_type_size(to->type, smr_tensor_rows(to) * to->dims[0]);
    result->from_size += from->size;
    result->to_size += to->size;
    result->n_fallbacks += to->type != wanted;
    result->n_requantized +=
        to->type != from->type && is_quantized(from->type) && is_quantized(to->type);
    if (c->params->tensor)
        c->params->tensor(c->params->user, &(struct smr_convert_tensor){.name = to->name,
                                                                        .from = from->type,
                                                                        .to = to->type,
                                                                        .wanted = wanted,
                                                                        .from_size = from->size,
                                                                        .to_size = to->size});
}

static bool plan(struct conversion *c)
{
    c->tensors = smr_arena_alloc(&c->arena, c->model->n_tensors, sizeof *c->tensors);
    if (!c->tensors)
        return false;
    for (uint32_t i = 0; i < c->model->n_tensors; i++)
        plan_tensor(c, i);
    c->result->n_tensors = c->model->n_tensors;
    return true;
}

// ---- memory -------------------------------------------------------------------------------------

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

// Whether the file's bytes are written as they are.
static bool is_copied(const struct smr_tensor *from, const struct smr_tensor *to)
{
    return from->type == to->type && from->data;
}

// Room for the largest batch and the largest piece that will come.
static bool allocate(struct conversion *c)
{
    uint64_t batch_room = 0;
    for (uint32_t i = 0; i < c->model->n_tensors; i++) {
        const struct smr_tensor *from = &c->model->tensors[i], *to = &c->tensors[i];
        if (is_copied(from, to))
            continue;
        const uint64_t rows = smr_tensor_rows(to), n = rows_of(piece_elements, to);
        const uint64_t n_batch = rows_of(batch_elements, to);
        batch_room = larger(batch_room, (n_batch < rows ? n_batch : rows) * row_size(to));
        c->values_room = larger(c->values_room, (n < rows ? n : rows) * to->dims[0]);
        if (!from->data)
            c->rows_room = larger(c->rows_room, (n < rows ? n : rows) * row_size(from));
    }
    c->n_threads = smr_host_threads(c->context);
    c->rows = smr_alloc(c->context, c->n_threads, c->rows_room, "rows to convert");
    c->values = smr_alloc(c->context, c->n_threads, c->values_room * sizeof *c->values,
                          "weights to convert");
    for (int i = 0; i < 2; i++)
        c->batches[i] = smr_alloc(c->context, 1, batch_room, "converted weights");
    return c->rows && c->values && c->batches[0] && c->batches[1];
}

// ---- writing ------------------------------------------------------------------------------------

static void *run_write(void *user)
{
    struct write *write = user;
    write->failed = !smr_gguf_write_data(write->writer, write->data, write->size);
    return NULL;
}

// Wait until what was begun is written.
static bool end_write(struct write *write)
{
    if (write->running)
        pthread_join(write->thread, NULL);
    write->running = false;
    return !write->failed;
}

// Write while the caller goes on; `data` must stay until the next call.
static bool begin_write(struct write *write, const void *data, uint64_t size)
{
    if (!end_write(write))
        return false;
    write->data = data;
    write->size = size;
    write->running = !pthread_create(&write->thread, NULL, run_write, write);
    if (write->running)
        return true;
    run_write(write);
    return !write->failed;
}

// ---- converting ---------------------------------------------------------------------------------

struct batch {
    const struct conversion *conversion;
    const struct smr_tensor *from, *to;
    uint64_t begin; // the first of its rows
    uint8_t *out;
};

static bool convert_rows(void *user, uint32_t thread, uint64_t begin, uint64_t end)
{
    const struct batch *batch = user;
    const struct conversion *c = batch->conversion;
    const struct smr_tensor *from = batch->from, *to = batch->to;
    const uint64_t n_cols = from->dims[0], n = end - begin, row = batch->begin + begin;
    uint8_t *out = batch->out + begin * row_size(to), *rows = c->rows + thread * c->rows_room;
    float *values = c->values + thread * c->values_room;

    if (from->type == to->type)
        return smr_tensor_read(c->model, from, row, n, out);
    if (!from->data && !smr_tensor_read(c->model, from, row, n, rows))
        return false;
    smr_decode_row(from->type, from->data ? from->data + row * row_size(from) : rows, n * n_cols,
                   values);
    if (smr_quantize_rows(to->type, values, n, n_cols, out))
        return true;
    return smr_fail(c->context, SMR_ERROR_MODEL,
                    "%s: %s: a value in rows %" PRIu64 " to %" PRIu64
                    " is not finite or beyond 65504, which %s can't hold: convert to bf16 or f32",
                    c->model->path, from->name, row, row + n - 1, smr_type_info(to->type)->name);
}

// Count bytes of the source as done. False when the user has had enough.
static bool advance(struct conversion *c, uint64_t size)
{
    c->n_done += size;
    if (!c->params->progress ||
        c->params->progress(c->params->user, c->n_done, c->result->from_size))
        return true;
    c->result->cancelled = true;
    return smr_fail(c->context, SMR_ERROR, "%s: conversion was cancelled", c->model->path);
}

static bool convert_tensor(struct conversion *c, const struct smr_tensor *from,
                           const struct smr_tensor *to)
{
    const uint64_t n_rows = smr_tensor_rows(to), n_batch = rows_of(batch_elements, to);
    for (uint64_t begin = 0; begin < n_rows; begin += n_batch) {
        const uint64_t n = n_rows - begin < n_batch ? n_rows - begin : n_batch;
        const void *data;
        if (is_copied(from, to)) {
            data = from->data + begin * row_size(from);
        } else {
            struct batch batch = {c, from, to, begin, c->batches[c->n_batches++ % 2]};
            if (!smr_parallel(c->n_threads, n, rows_of(piece_elements, to), convert_rows, &batch))
                return false;
            data = batch.out;
        }
        if (!begin_write(&c->write, data, n * row_size(to)) || !advance(c, n * row_size(from)))
            return false;
    }
    return true;
}

static bool convert(struct conversion *c, const char *path)
{
    const uint32_t n = c->model->n_tensors;
    if (!plan(c) || !make_metadata(c) || !allocate(c) ||
        !smr_gguf_write_begin(&c->writer, c->context, path, c->params->replace, &c->metadata,
                              c->tensors, n))
        return false;
    c->write.writer = &c->writer;
    bool done = true;
    for (uint32_t i = 0; done && i < n; i++)
        done = convert_tensor(c, &c->model->tensors[i], &c->tensors[i]);
    done = end_write(&c->write) && done;
    c->result->file_size = c->writer.size;
    return done && smr_gguf_write_end(&c->writer);
}

bool smr_convert(smr_model *model, const char *path, const struct smr_convert_params *params,
                 struct smr_convert_result *result)
{
    smr_context *context = model->context;
    const char *type = params->type ? params->type : "q8_0";
    struct smr_convert_result unused;
    struct conversion c = {.context = context,
                           .model = model,
                           .params = params,
                           .result = result ? result : &unused,
                           .recipe = smr_recipe_find(type)};
    const uint64_t start = smr_time_ns();
    *c.result = (struct smr_convert_result){0};
    if (!c.recipe)
        return smr_fail(context, SMR_ERROR_USAGE, "%s is not a type to convert to", type);
    if (smr_model_reads(model, path))
        return smr_fail(context, SMR_ERROR_USAGE,
                        "%s is what would be converted: choose another name for the result", path);
    smr_arena_init(&c.arena, context);
    const bool done = convert(&c, path);
    smr_gguf_write_abort(&c.writer);
    for (int i = 0; i < 2; i++)
        smr_free(context, c.batches[i]);
    smr_free(context, c.values);
    smr_free(context, c.rows);
    smr_arena_finish(&c.arena);
    c.result->time_ns = smr_time_ns() - start;
    return done;
}
