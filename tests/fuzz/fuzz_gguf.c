// fuzz_gguf.c - any bytes as a GGUF file: opening ends with a model, all of which can be read, or
// with an error that names the file.
#include "gguf_builder.h"
#include "model/model.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

static void check(bool condition)
{
    if (!condition)
        abort();
}

static uint64_t read_array(const struct smr_model *model, const char *key)
{
    struct smr_metadata_array array, again;
    const char *text;
    size_t size, n_strings = 0, n_numbers = 0;
    uint64_t sum = 0;
    float value;
    int32_t integer;

    if (!smr_metadata_array(model->metadata, key, &array))
        return 0;
    for (again = array; smr_metadata_next_string(&again, &text, &size); n_strings++)
        for (size_t i = 0; i < size; i++)
            sum += (uint8_t)text[i];
    for (again = array; smr_metadata_next_f32(&again, &value); n_numbers++)
        sum += value > 0;
    for (again = array; smr_metadata_next_i32(&again, &integer);)
        sum += (uint32_t)integer;
    check(n_strings <= array.n && n_numbers <= array.n);
    return sum;
}

static uint64_t read_everything(const struct smr_model *model)
{
    static const char *const arrays[] = {"tokenizer.ggml.tokens", "tokenizer.ggml.scores",
                                         "tokenizer.ggml.token_type", "tokenizer.ggml.merges",
                                         "llama.feed_forward_length"};
    const struct smr_hparams *hparams = &model->hparams;
    struct smr_model_info info;
    uint64_t sum = 0;

    for (size_t i = 0; i < SMR_COUNT(arrays); i++)
        sum += read_array(model, arrays[i]);
    for (uint32_t i = 0; i < model->n_tensors; i++) {
        const struct smr_tensor *tensor = &model->tensors[i];
        check(smr_model_tensor(model, tensor->name) == tensor);
        for (uint64_t k = 0; k < tensor->size; k++)
            sum += tensor->data[k];
    }
    if (model->n_tensors) {
        check(hparams->n_heads && hparams->n_kv_heads && hparams->n_layers && hparams->n_embd);
        check(hparams->n_heads % hparams->n_kv_heads == 0 &&
              hparams->rope_dim <= hparams->head_dim);
        check(hparams->norm_eps > 0 && hparams->rope_theta > 0 && hparams->rope_scaling_factor > 0);
    }
    smr_model_describe(model, &info);
    return sum + strlen(info.name) + info.n_params;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    volatile uint64_t sum; // the reads must happen
    smr_context *context = smr_context_create(NULL);
    smr_model *model = smr_model_open_memory(context, "m.gguf", data, size);
    if (model) {
        check(smr_context_status(context) == SMR_OK);
        sum = read_everything(model);
        (void)sum;
    } else {
        check(smr_context_status(context) == SMR_ERROR_MODEL);
        check(!strncmp(smr_context_error(context), "m.gguf: ", 8));
    }
    smr_model_close(model);
    smr_context_destroy(context);
    return 0;
}

// An empty corpus begins with a small model rather than with nothing.
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    if (size < 8) {
        struct gguf_builder builder;
        gguf_tiny(&builder);
        size = builder.size < max_size ? builder.size : max_size;
        memcpy(data, builder.data, size);
        gguf_builder_finish(&builder);
    }
    return LLVMFuzzerMutate(data, size, max_size);
}
