// fuzz_folder.c - any text as config.json and any bytes as model.safetensors, with a zero byte between:
// opening the folder ends with a model, all of whose tensors can be read, or with an error.
#include "model/model.h"

#include <stdio.h>
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

// A folder of this process, made once.
static const char *folder(void)
{
    static char path[] = "/tmp/fuzz-folder-XXXXXX";
    static bool made;
    if (!made)
        check(mkdtemp(path));
    made = true;
    return path;
}

static void write_file(const char *name, const void *data, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "%s/%s", folder(), name);
    FILE *file = fopen(path, "wb");
    check(file && fwrite(data, 1, size, file) == size);
    fclose(file);
}

static void read_everything(const struct smr_model *model)
{
    for (uint32_t i = 0; i < model->n_tensors; i++) {
        const struct smr_tensor *tensor = &model->tensors[i];
        uint8_t *rows = malloc(tensor->size);
        check(smr_tensor_read(model, tensor, 0, smr_tensor_rows(tensor), rows));
        free(rows);
        const struct smr_tensor *found = smr_model_tensor(model, tensor->name);
        check(found);
        rows = malloc(found->size); // which may be a part of it
        check(smr_tensor_read(model, found, 0, smr_tensor_rows(found), rows));
        free(rows);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
    size_t config = zero ? (size_t)(zero - data) : size;
    write_file("config.json", data, config);
    write_file("model.safetensors", data + config + (zero != NULL), size - config - (zero != NULL));
    smr_context *context = smr_context_create(NULL);
    smr_model *model = smr_model_open(context, folder());
    check(smr_context_status(context) == (model ? SMR_OK : SMR_ERROR_MODEL));
    if (model)
        read_everything(model);
    smr_model_close(model);
    smr_context_destroy(context);
    return 0;
}

// An empty corpus begins with small models of two families rather than with nothing.
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    static const char llama[] =
        "{\"model_type\":\"llama\",\"vocab_size\":4,\"hidden_size\":2,\"num_hidden_layers\":1,"
        "\"intermediate_size\":2,\"num_attention_heads\":2,\"head_dim\":4,\"rope_scaling\":{"
        "\"type\":\"linear\",\"factor\":2},\"num_key_value_heads\":1,\"tie_word_embeddings\":true}\0"
        "\xd9\0\0\0\0\0\0\0"
        "{\"model.embed_tokens.weight\":{\"dtype\":\"F16\",\"shape\":[4,2],\"data_offsets\":[0,16]},"
        "\"model.layers.0.self_attn.q_proj.weight\":{\"dtype\":\"F16\",\"shape\":[8,2],"
        "\"data_offsets\":[16,48]}}                                          "
        "0123456789abcdef0123456789abcdef0123456789abcdef";
    static const char mixtral[] =
        "{\"model_type\":\"mixtral\",\"vocab_size\":4,\"hidden_size\":2,\"num_hidden_layers\":1,"
        "\"intermediate_size\":2,\"num_attention_heads\":1,\"num_local_experts\":1,"
        "\"num_experts_per_tok\":1,\"tie_word_embeddings\":true}\0"
        "\xdf\0\0\0\0\0\0\0"
        "{\"model.norm.weight\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[0,4]},"
        "\"model.layers.0.block_sparse_moe.experts.0.w1.weight\":{\"dtype\":\"F32\","
        "\"shape\":[2,2],\"data_offsets\":[4,20]}}                                              "
        "0123456789abcdef0123";
    if (size < 8) {
        const char *from = seed % 2 ? llama : mixtral;
        size = (seed % 2 ? sizeof llama : sizeof mixtral) - 1;
        size = size < max_size ? size : max_size;
        memcpy(data, from, size);
    }
    return LLVMFuzzerMutate(data, size, max_size);
}
