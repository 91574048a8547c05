// graph.c - building blocks: values, operations, weights with their shapes checked.
#include "graph/graph.h"

#include <stdio.h>
#include <string.h>

static bool grow(struct smr_graph *graph, void **items, uint32_t n, uint32_t *capacity, size_t size)
{
    if (n < *capacity)
        return true;
    uint32_t wanted = *capacity ? *capacity * 2 : 256;
    void *grown = smr_arena_alloc(&graph->arena, wanted, size);
    if (!grown) {
        graph->failed = true;
        return false;
    }
    if (n)
        memcpy(grown, *items, (size_t)n * size);
    *items = grown;
    *capacity = wanted;
    return true;
}

smr_id smr_graph_value(struct smr_graph *graph, const struct smr_value *value)
{
    void *items = graph->values;
    if (!grow(graph, &items, graph->n_values, &graph->values_capacity, sizeof(*value)))
        return 0;
    graph->values = items;
    graph->values[graph->n_values] = *value;
    return graph->n_values++;
}

smr_id smr_graph_activation(struct smr_graph *graph, enum smr_rows rows, uint32_t n_cols)
{
    return smr_graph_value(
        graph, &(struct smr_value){.kind = SMR_VALUE_ACTIVATION, .rows = rows, .n_cols = n_cols});
}

void smr_graph_op(struct smr_graph *graph, const struct smr_op *op)
{
    void *items = graph->ops;
    if (!grow(graph, &items, graph->n_ops, &graph->ops_capacity, sizeof(*op)))
        return;
    graph->ops = items;
    graph->ops[graph->n_ops++] = *op;
}

static void shape_text(const struct smr_tensor *tensor, char *text, size_t size)
{
    size_t used = 0;
    for (uint32_t i = 0; i < tensor->n_dims && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%llu", i ? " x " : "",
                                 (unsigned long long)tensor->dims[i]);
}

static bool has_shape(const struct smr_graph *graph, const struct smr_tensor *tensor, uint32_t n_in,
                      uint32_t n_out, uint32_t n)
{
    if (tensor->dims[0] == n_in && tensor->dims[1] == n_out && tensor->dims[2] == n &&
        tensor->dims[3] == 1)
        return true;
    char shape[96], wanted[48] = "";
    shape_text(tensor, shape, sizeof(shape));
    if (n > 1)
        snprintf(wanted, sizeof(wanted), " x %u", n);
    return smr_fail(graph->model->context, SMR_ERROR_MODEL,
                    "%s: tensor %s: its shape is %s, but the model's hyperparameters ask for "
                    "%u x %u%s",
                    graph->model->path, tensor->name, shape, n_in, n_out, wanted);
}

static const struct smr_tensor *find(const struct smr_graph *graph, const char *format,
                                     va_list arguments, char *name, size_t size)
{
    int length = vsnprintf(name, size, format, arguments);
    return length > 0 && (size_t)length < size ? smr_model_tensor(graph->model, name) : NULL;
}

static bool missing(const struct smr_graph *graph, const char *name)
{
    return smr_fail(graph->model->context, SMR_ERROR_MODEL, "%s: tensor %s is missing",
                    graph->model->path, name);
}

// `n` matrices in one tensor: dims are n_in, n_out, n.
static smr_id matrices(struct smr_graph *graph, uint32_t n_in, uint32_t n_out, uint32_t n,
                       const char *format, va_list arguments)
{
    char name[128];
    const struct smr_tensor *tensor = find(graph, format, arguments, name, sizeof(name));
    if (!tensor) {
        missing(graph, name);
        return 0;
    }
    if (!has_shape(graph, tensor, n_in, n_out, n))
        return 0;
    if (tensor->type == SMR_I32) {
        smr_fail(graph->model->context, SMR_ERROR_MODEL, "%s: tensor %s: weights of type I32",
                 graph->model->path, name);
        return 0;
    }
    return smr_graph_value(
        graph, &(struct smr_value){.kind = SMR_VALUE_WEIGHT, .tensor = tensor, .n_cols = n_in});
}

smr_id smr_graph_matrix(struct smr_graph *graph, uint32_t n_in, uint32_t n_out, const char *format,
                        ...)
{
    va_list arguments;
    va_start(arguments, format);
    smr_id id = matrices(graph, n_in, n_out, 1, format, arguments);
    va_end(arguments);
    return id;
}

smr_id smr_graph_experts(struct smr_graph *graph, uint32_t n_in, uint32_t n_out, uint32_t n,
                         const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    smr_id id = matrices(graph, n_in, n_out, n, format, arguments);
    va_end(arguments);
    return id;
}

// All numbers of a tensor as f32.
static bool read_numbers(const struct smr_graph *graph, const struct smr_tensor *tensor, uint64_t n,
                         float *to)
{
    const struct smr_model *model = graph->model;
    const uint64_t n_rows = smr_tensor_rows(tensor);
    if (tensor->type == SMR_F32)
        return smr_tensor_read(model, tensor, 0, n_rows, to);
    if (tensor->type != SMR_F16 && tensor->type != SMR_BF16)
        return smr_fail(model->context, SMR_ERROR_MODEL,
                        "%s: tensor %s: type %s, where F32, F16 or BF16 is expected", model->path,
                        tensor->name, smr_type_info(tensor->type)->name);
    // Halves go into the back half of the floats' room, from where they are spread to the front.
    const uint8_t *from = (const uint8_t *)to + n * 2;
    if (!smr_tensor_read(model, tensor, 0, n_rows, (uint8_t *)to + n * 2))
        return false;
    for (uint64_t i = 0; i < n; i++) {
        uint16_t bits;
        memcpy(&bits, from + i * 2, 2);
        to[i] = tensor->type == SMR_F16 ? smr_f16_to_f32(bits) : smr_bf16_to_f32(bits);
    }
    return true;
}

float *smr_graph_numbers(struct smr_graph *graph, uint32_t n)
{
    float *data = smr_arena_alloc(&graph->arena, n, sizeof(float));
    graph->failed = graph->failed || !data;
    return data;
}

smr_id smr_graph_constant(struct smr_graph *graph, const float *data, uint32_t n)
{
    return smr_graph_value(
        graph, &(struct smr_value){.kind = SMR_VALUE_CONSTANT, .data = data, .n_cols = n});
}

static const float *read_all(struct smr_graph *graph, uint32_t n_in, uint32_t n_out, bool required,
                             const char *format, va_list arguments)
{
    char name[128];
    const struct smr_tensor *tensor = find(graph, format, arguments, name, sizeof(name));
    if (!tensor) {
        if (required)
            missing(graph, name);
        return NULL;
    }
    if (!has_shape(graph, tensor, n_in, n_out, 1))
        return NULL;
    const uint64_t n = (uint64_t)n_in * n_out;
    float *data = n <= UINT32_MAX ? smr_graph_numbers(graph, (uint32_t)n) : NULL;
    return data && read_numbers(graph, tensor, n, data) ? data : NULL;
}

const float *smr_graph_read(struct smr_graph *graph, uint32_t n_in, uint32_t n_out, bool required,
                            const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const float *data = read_all(graph, n_in, n_out, required, format, arguments);
    va_end(arguments);
    return data;
}

smr_id smr_graph_vector(struct smr_graph *graph, uint32_t n, bool required, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const float *data = read_all(graph, n, 1, required, format, arguments);
    va_end(arguments);
    return data ? smr_graph_constant(graph, data, n) : 0;
}

bool smr_graph_build(struct smr_graph *graph, const struct smr_model *model, uint32_t n_context)
{
    *graph = (struct smr_graph){.model = model, .n_context = n_context};
    smr_arena_init(&graph->arena, model->context);
    smr_graph_value(graph, &(struct smr_value){.kind = SMR_VALUE_NONE});
    bool done = model->hparams.n_encoder_layers ? smr_graph_build_encoder_decoder(graph)
                                                : smr_graph_build_decoder(graph);
    if (!done || graph->failed) {
        if (graph->failed)
            smr_fail(model->context, SMR_ERROR_MEMORY, "no memory for the graph of %s",
                     model->path);
        smr_graph_finish(graph);
        return false;
    }
    return true;
}

void smr_graph_finish(struct smr_graph *graph)
{
    smr_arena_finish(&graph->arena);
    *graph = (struct smr_graph){0};
}

void smr_op_name(const struct smr_graph *graph, const struct smr_op *op, char *text, size_t size)
{
    static const char *const kinds[] = {
        [SMR_OP_EMBED] = "embed",         [SMR_OP_NORM] = "norm",
        [SMR_OP_MATMUL] = "matmul",       [SMR_OP_ROPE_STORE] = "rope_store",
        [SMR_OP_ATTENTION] = "attention", [SMR_OP_ACTIVATE] = "activate",
        [SMR_OP_GATHER] = "gather",       [SMR_OP_ROUTE] = "route",
        [SMR_OP_EXPERTS] = "experts",     [SMR_OP_COMBINE] = "combine",
        [SMR_OP_REDUCE] = "reduce",
    };
    const struct smr_tensor *tensor = graph->values[op->weight].tensor;
    if (tensor)
        snprintf(text, size, "%s %s", kinds[op->kind], tensor->name);
    else
        snprintf(text, size, "%s blk.%u", kinds[op->kind], op->layer);
}
