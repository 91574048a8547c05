// model.c - opening a model of one file or several, and finding things in it.
#include "model/hparams.h"
#include "model/model_file.h"
#include "model/synthetic.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

void smr_model_fail(smr_context *context, const char *path, const char *field, const char *format,
                    va_list arguments)
{
    char reason[512];
    vsnprintf(reason, sizeof reason, format, arguments);
    smr_fail(context, SMR_ERROR_MODEL, "%s: %.160s: %s", path, field, reason);
}

// ---- parts ------------------------------------------------------------------------------------

static bool open_part(struct smr_model *model, struct smr_gguf *part, const char *path)
{
    *part =
        (struct smr_gguf){.context = model->context, .arena = &model->file->arena, .path = path};
    struct smr_map *map = &model->file->maps[model->file->n_maps];
    if (!smr_map_open(model->context, path, map))
        return false;
    model->file->n_maps++;
    part->data = map->data;
    part->size = map->size;
    return smr_gguf_parse(part);
}

// A whole number that is 0 where the key is missing.
static bool read_split_key(const struct smr_gguf *part, const char *key, uint32_t *value)
{
    *value = 0;
    return !smr_metadata_has(&part->metadata, key) ||
           smr_metadata_u32(&part->metadata, key, value) ||
           smr_gguf_fail(part, key, "is no whole number");
}

// The end of the name of part `index`, as llama.cpp's gguf-split writes it.
static void make_suffix(char suffix[32], uint32_t index, uint32_t n_parts)
{
    snprintf(suffix, 32, "-%05" PRIu32 "-of-%05" PRIu32 ".gguf", index + 1, n_parts);
}

// How many parts there are, with `part` opened as the first.
static bool check_first_part(const struct smr_gguf *part, bool is_file, uint32_t *n_parts)
{
    uint32_t index, count;
    char suffix[32];
    if (!read_split_key(part, "split.no", &index) || !read_split_key(part, "split.count", &count))
        return false;
    *n_parts = count ? count : 1;
    if (count <= 1)
        return true;
    if (count > SMR_GGUF_MAX_PARTS)
        return smr_gguf_fail(part, "split.count", "%" PRIu32 " parts, the limit is %d", count,
                             SMR_GGUF_MAX_PARTS);
    if (index) {
        make_suffix(suffix, 0, count);
        return smr_gguf_fail(part, "split.no",
                             "this is part %" PRIu32 " of %" PRIu32 ": open the one named ...%s",
                             index + 1, count, suffix);
    }
    if (!is_file)
        return smr_gguf_fail(part, "split.count", "a part of a model, not in a file");
    make_suffix(suffix, 0, count);
    size_t length = strlen(part->path), end = strlen(suffix);
    if (length < end || strcmp(part->path + length - end, suffix) != 0)
        return smr_gguf_fail(part, "split.count",
                             "the first of %" PRIu32 " parts: its name must end in %s", count,
                             suffix);
    return true;
}

// The path of part `index`: the first one's with another suffix.
static char *make_part_path(struct smr_model *model, uint32_t index)
{
    struct smr_model_file *file = model->file;
    char suffix[32];
    make_suffix(suffix, index, file->n_parts);
    size_t length = strlen(model->path);
    char *path = smr_arena_strndup(&file->arena, model->path, length);
    if (path)
        memcpy(path + length - strlen(suffix), suffix, strlen(suffix));
    return path;
}

static bool open_other_parts(struct smr_model *model, uint32_t n_parts)
{
    struct smr_model_file *file = model->file;
    struct smr_gguf *parts = smr_arena_alloc(&file->arena, n_parts, sizeof *parts);
    if (!parts)
        return false;
    struct smr_map *maps = smr_arena_alloc(&file->arena, n_parts, sizeof *maps);
    if (!maps)
        return false;
    maps[0] = file->maps[0];
    file->maps = maps;
    parts[0] = file->parts[0];
    file->parts = parts;
    file->n_parts = n_parts;
    for (uint32_t i = 1; i < n_parts; i++) {
        uint32_t index, count;
        char *path = make_part_path(model, i);
        if (!path || !open_part(model, &parts[i], path) ||
            !read_split_key(&parts[i], "split.no", &index) ||
            !read_split_key(&parts[i], "split.count", &count))
            return false;
        if (index != i || count != n_parts)
            return smr_gguf_fail(&parts[i], "split.no",
                                 "says part %" PRIu32 " of %" PRIu32 ", should be %" PRIu32
                                 " of %" PRIu32,
                                 index + 1, count, i + 1, n_parts);
    }
    return true;
}

// ---- tensors ----------------------------------------------------------------------------------

// One list of all parts' tensors, with names that are there once.
static bool collect_tensors(struct smr_model *model)
{
    struct smr_model_file *file = model->file;
    uint64_t n_tensors = 0;
    uint32_t expected;
    for (uint32_t i = 0; i < file->n_parts; i++)
        n_tensors += file->parts[i].n_tensors;
    if (!read_split_key(&file->parts[0], "split.tensors.count", &expected))
        return false;
    if (expected && file->n_parts > 1 && expected != n_tensors)
        return smr_gguf_fail(&file->parts[0], "split.tensors.count",
                             "%" PRIu32 ", but the parts have %" PRIu64, expected, n_tensors);
    if (n_tensors > SMR_GGUF_MAX_TENSORS)
        return smr_gguf_fail(&file->parts[0], "tensor count",
                             "%" PRIu64 " tensors, the limit is %d", n_tensors,
                             SMR_GGUF_MAX_TENSORS);

    struct smr_tensor *tensors = smr_arena_alloc(&file->arena, (size_t)n_tensors, sizeof *tensors);
    if (!tensors || !smr_names_init(&file->tensor_names, &file->arena, (uint32_t)n_tensors))
        return false;
    model->tensors = tensors;
    for (uint32_t i = 0; i < file->n_parts; i++) {
        const struct smr_gguf *part = &file->parts[i];
        for (uint32_t k = 0; k < part->n_tensors; k++) {
            if (!smr_names_add(&file->tensor_names, part->tensors[k].name))
                return smr_gguf_fail(part, part->tensors[k].name, "a tensor that is there twice");
            tensors[model->n_tensors++] = part->tensors[k];
        }
    }
    return true;
}

const struct smr_tensor *smr_model_tensor(const struct smr_model *model, const char *name)
{
    const struct smr_model_file *file = model->file;
    uint32_t index = smr_names_find(&file->view_names, name);
    if (index != SMR_NO_NAME)
        return &file->views[index];
    index = smr_names_find(&file->tensor_names, name);
    return index == SMR_NO_NAME ? NULL : &model->tensors[index];
}

// Room for any name a file can have; a longer one is cut and found nowhere.
enum { NAME_SIZE = SMR_GGUF_MAX_NAME_SIZE + 2 };

const struct smr_tensor *smr_model_tensor_f(const struct smr_model *model, const char *format, ...)
{
    char name[NAME_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    return smr_model_tensor(model, name);
}

const struct smr_tensor *smr_model_need(const struct smr_model *model, const char *format, ...)
{
    char name[NAME_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    const struct smr_tensor *tensor = smr_model_tensor(model, name);
    if (!tensor)
        smr_gguf_fail(&model->file->parts[0], name, "the tensor is missing");
    return tensor;
}

// ---- open and close ---------------------------------------------------------------------------

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

// The architecture prefixes keys, so it must be a plain word.
static bool read_architecture(struct smr_model *model, const struct smr_gguf *part)
{
    static const char key[] = "general.architecture";
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    const char *text = model->architecture = smr_metadata_string(&part->metadata, key);
    if (!text)
        return smr_gguf_fail(part, key, "is missing");
    if (!*text || strlen(text) > 63 || text[strspn(text, letters)])
        return smr_gguf_fail(part, key, "\"%.64s\" is not the name of an architecture", text);
    const char *type = smr_metadata_string(&part->metadata, "general.type");
    if (type && *type && strcmp(type, "model") != 0)
        return smr_gguf_fail(part, "general.type", "\"%.40s\" is not \"model\"", type);
    return true;
}

// A model with its file, and nothing parsed yet.
static struct smr_model *create_model(smr_context *context, const char *path)
{
    struct opened {
        struct smr_model model;
        struct smr_model_file file;
    } *opened = smr_alloc(context, 1, sizeof *opened, "a model");
    if (!opened)
        return NULL;
    struct smr_model *model = &opened->model;
    struct smr_model_file *file = model->file = &opened->file;
    model->context = context;
    smr_arena_init(&file->arena, context);
    model->path = smr_arena_strndup(&file->arena, path, strlen(path));
    file->parts = smr_arena_alloc(&file->arena, 1, sizeof *file->parts);
    file->maps = smr_arena_alloc(&file->arena, 1, sizeof *file->maps);
    if (!model->path || !file->parts || !file->maps) {
        smr_model_close(model);
        return NULL;
    }
    file->n_parts = 1;
    return model;
}

// Everything after the first part was parsed.
static bool finish_open(struct smr_model *model)
{
    struct smr_model_file *file = model->file;
    uint32_t n_parts;
    if (!check_first_part(&file->parts[0], file->n_maps > 0, &n_parts))
        return false;
    if (n_parts > 1 && !open_other_parts(model, n_parts))
        return false;
    const struct smr_gguf *first = &file->parts[0];
    model->metadata = &file->parts[0].metadata;
    if (!read_architecture(model, first) || !collect_tensors(model) ||
        !smr_hparams_read(model, first) || !smr_model_add_views(model))
        return false;
    model->name = smr_metadata_string(model->metadata, "general.name");
    if (!model->name || !*model->name)
        model->name = base_name(model->path);
    model->chat_template = smr_metadata_string(model->metadata, "tokenizer.chat_template");
    return true;
}

static bool is_folder(const char *path)
{
    struct stat status;
    return !stat(path, &status) && S_ISDIR(status.st_mode);
}

// A file that is a part of what a folder has.
static bool is_of_folder(const char *path)
{
    static const char *const endings[] = {".safetensors", ".safetensors.index.json", "config.json"};
    size_t length = strlen(path);
    for (size_t i = 0; i < SMR_COUNT(endings); i++)
        if (length >= strlen(endings[i]) && !strcmp(path + length - strlen(endings[i]), endings[i]))
            return true;
    return false;
}

static bool open_file(struct smr_model *model)
{
    if (is_of_folder(model->path))
        return smr_fail(model->context, SMR_ERROR_MODEL,
                        "%s: is a part of a Hugging Face model: give the folder that it is in",
                        model->path);
    return open_part(model, &model->file->parts[0], model->path);
}

static bool open_folder(struct smr_model *model)
{
    struct smr_model_file *file = model->file;
    size_t length = strlen(model->path);
    while (length > 1 && model->path[length - 1] == '/') // for the sake of errors and the name
        length--;
    model->path = smr_arena_strndup(&file->arena, model->path, length);
    file->parts[0] =
        (struct smr_gguf){.context = model->context, .arena = &file->arena, .path = model->path};
    return model->path && smr_folder_open(file);
}

smr_model *smr_model_open(smr_context *context, const char *path)
{
    struct smr_model *model = create_model(context, path);
    if (!model)
        return NULL;
    bool opened = is_folder(path) ? open_folder(model) : open_file(model);
    if (!opened || !finish_open(model)) {
        smr_model_close(model);
        return NULL;
    }
    return model;
}

smr_model *smr_model_open_memory(smr_context *context, const char *name, const void *data,
                                 size_t size)
{
    struct smr_model *model = create_model(context, name);
    if (!model)
        return NULL;
    struct smr_gguf *part = &model->file->parts[0];
    *part = (struct smr_gguf){.context = context,
                              .arena = &model->file->arena,
                              .path = model->path,
                              .data = data,
                              .size = size};
    if (!smr_gguf_parse(part) || !finish_open(model)) {
        smr_model_close(model);
        return NULL;
    }
    return model;
}

smr_model *smr_model_open_synthetic(smr_context *context, const char *name)
{
    struct smr_model *model = create_model(context, name);
    if (!model)
        return NULL;
    struct smr_model_file *file = model->file;
    file->parts[0] =
        (struct smr_gguf){.context = context, .arena = &file->arena, .path = model->path};
    if (!smr_synthetic_make(file, name) || !finish_open(model)) {
        smr_model_close(model);
        return NULL;
    }
    return model;
}

void smr_model_close(smr_model *model)
{
    if (!model)
        return;
    struct smr_model_file *file = model->file;
    smr_model_set_vocab(model, NULL, NULL);
    for (uint32_t i = 0; i < file->n_maps; i++)
        smr_map_close(&file->maps[i]);
    smr_arena_finish(&file->arena);
    smr_free(model->context, model);
}

void smr_model_set_vocab(struct smr_model *model, struct smr_vocab *vocab,
                         smr_vocab_destroy_fn *destroy)
{
    if (model->vocab)
        model->file->destroy_vocab(model->vocab);
    model->vocab = vocab;
    model->file->destroy_vocab = destroy;
}

// ---- description ------------------------------------------------------------------------------

static uint64_t count_elements(const struct smr_tensor *tensor)
{
    uint64_t n = 1;
    for (uint32_t i = 0; i < tensor->n_dims; i++)
        n *= tensor->dims[i]; // was checked not to overflow
    return n;
}

// The type that most elements have.
static const char *describe_weights(const struct smr_model *model, struct smr_model_info *info)
{
    uint64_t best = 0;
    const char *type = NULL;
    for (uint32_t i = 0; i < model->n_tensors; i++) {
        info->n_params += count_elements(&model->tensors[i]);
        info->size += model->tensors[i].size;
    }
    for (uint32_t t = 0; t <= SMR_BF16; t++) {
        uint64_t n = 0;
        for (uint32_t i = 0; i < model->n_tensors; i++)
            if (model->tensors[i].type == (enum smr_type)t)
                n += count_elements(&model->tensors[i]);
        if (n > best) {
            best = n;
            type = smr_type_info((enum smr_type)t)->name;
        }
    }
    return type;
}

const char *smr_model_tokenizer(const struct smr_model *model)
{
    static const char *const files[][2] = {
        {"tokenizer.huggingface.json", "tokenizer.json"},
        {"tokenizer.sentencepiece.model", "sentencepiece"},
        {"tokenizer.huggingface.vocab", "vocab.json"},
    };
    const char *name = smr_metadata_string(model->metadata, "tokenizer.ggml.model");
    if (name &&
        (!strcmp(name, "none") || !strcmp(name, "no_vocab"))) // llama.cpp's for no tokenizer
        return NULL;
    for (size_t i = 0; !name && i < SMR_COUNT(files); i++)
        if (smr_metadata_has(model->metadata, files[i][0]))
            name = files[i][1];
    return name;
}

void smr_model_describe(const struct smr_model *model, struct smr_model_info *info)
{
    const struct smr_hparams *hparams = &model->hparams;
    *info = (struct smr_model_info){
        .name = model->name,
        .architecture = model->architecture,
        .n_vocab = hparams->n_vocab,
        .n_context = hparams->n_context,
        .n_layers = hparams->n_layers,
        .n_encoder_layers = hparams->n_encoder_layers,
        .n_embd = hparams->n_embd,
        .n_ff = hparams->n_ff,
        .n_heads = hparams->n_heads,
        .n_kv_heads = hparams->n_kv_heads,
        .head_dim = hparams->head_dim,
        .tokenizer = smr_model_tokenizer(model),
        .pre_tokenizer = smr_metadata_string(model->metadata, "tokenizer.ggml.pre"),
        .chat_template = model->chat_template,
        .has_weights = model->n_tensors > 0,
    };
    info->type = describe_weights(model, info);
}

bool smr_model_mapping(const struct smr_model *model, uint32_t index, const void **data,
                       size_t *size)
{
    const struct smr_model_file *file = model->file;
    if (index >= file->n_maps)
        return false;
    *data = file->maps[index].data;
    *size = file->maps[index].size;
    return true;
}

bool smr_model_reads(const struct smr_model *model, const char *path)
{
    struct stat info;
    if (stat(path, &info))
        return false;
    for (uint32_t i = 0; i < model->file->n_maps; i++) {
        const struct smr_map *map = &model->file->maps[i];
        if (map->device == info.st_dev && map->inode == info.st_ino)
            return true;
    }
    return false;
}
