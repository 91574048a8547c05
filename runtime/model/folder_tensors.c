// folder_tensors.c - safetensors files' tensors under GGUF's names, in GGUF's shapes and types.
#include "model/folder.h"
#include "model/tensor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct reader {
    struct smr_folder *folder;
    const char *path; // of the file whose tensors are read, for errors
    struct smr_names names;
    uint32_t capacity; // of tensors
    uint64_t budget;   // tensors of experts that may still be stacked
    uint32_t n_layers, n_heads, n_kv_heads, n_experts;
};

static bool fail(const struct reader *reader, const char *name, const char *format, ...)
    SMR_PRINTF(3, 4);

static bool fail(const struct reader *reader, const char *name, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    smr_model_fail(reader->folder->context, reader->path, name, format, arguments);
    va_end(arguments);
    return false;
}

// ---- names ------------------------------------------------------------------------------------

// What a name matched: a row of the tables and its numbers.
struct match {
    const struct smr_folder_name *row;
    uint32_t numbers[2], n_numbers; // layer, expert
    const char *ending;             // of a name with "@"
};

// Without what stands before the names of a model that is part of another.
static const char *strip(const char *name)
{
    static const char *const prefixes[] = {"model.", "transformer.", "language_model."};
    for (size_t i = 0; i < SMR_COUNT(prefixes);) {
        size_t length = strlen(prefixes[i]);
        bool found = !strncmp(name, prefixes[i], length);
        name += found ? length : 0;
        i = found ? 0 : i + 1;
    }
    return name;
}

// A number without needless zeros, of at most 6 digits. NULL when there is none.
static const char *read_digits(const char *at, uint32_t *number)
{
    size_t n = strspn(at, "0123456789");
    if (!n || n > 6 || (*at == '0' && n > 1))
        return NULL;
    *number = 0;
    for (size_t i = 0; i < n; i++)
        *number = *number * 10 + (uint32_t)(at[i] - '0');
    return at + n;
}

static bool match_row(const struct smr_folder_name *row, const char *name, struct match *match)
{
    *match = (struct match){.row = row, .ending = ""};
    for (const char *from = row->from; *from; from++) {
        if (*from == '@') {
            match->ending = name;
            return !strcmp(name, ".weight") || !strcmp(name, ".bias");
        }
        if (*from == '*') {
            name = read_digits(name, &match->numbers[match->n_numbers++]);
            if (!name)
                return false;
        } else if (*name++ != *from) {
            return false;
        }
    }
    return !*name;
}

static bool find_match(const struct smr_folder_family *family, const char *name,
                       struct match *match)
{
    name = strip(name);
    for (size_t i = 0; i < SMR_COUNT(family->names) && family->names[i]; i++)
        for (const struct smr_folder_name *row = family->names[i]; row->from; row++)
            if (match_row(row, name, match))
                return true;
    return false;
}

// GGUF's name in `to`.
enum { NAME_SIZE = 96 };
static void make_name(const struct match *match, char to[NAME_SIZE])
{
    size_t used = 0;
    for (const char *at = match->row->to; *at; at++) {
        size_t left = NAME_SIZE - used;
        int n = *at == '*'   ? snprintf(to + used, left, "%" PRIu32, match->numbers[0])
                : *at == '@' ? snprintf(to + used, left, "%s", match->ending)
                             : snprintf(to + used, left, "%c", *at);
        used += (size_t)n;
    }
}

// Of a model for images, say, around the text model.
static bool is_other_part(const char *name)
{
    static const char *const parts[] = {"vision_tower.", "vision_model.", "multi_modal_projector.",
                                        "mm_projector.", "visual."};
    name = !strncmp(name, "model.", 6) ? name + 6 : name;
    for (size_t i = 0; i < SMR_COUNT(parts); i++)
        if (!strncmp(name, parts[i], strlen(parts[i])))
            return true;
    return false;
}

// ---- shapes and types -------------------------------------------------------------------------

// GGUF's dimensions: the other way round. BART's bias is [1, n_vocab].
static bool set_dims(const struct reader *reader, const struct smr_safetensor *from,
                     struct smr_tensor *tensor)
{
    bool row = from->n_dims == 2 && from->dims[0] == 1 && !strcmp(tensor->name, "output.bias");
    tensor->n_dims = row ? 1 : from->n_dims;
    if (tensor->n_dims < 1 || tensor->n_dims > 2)
        return fail(reader, from->name, "%" PRIu32 " dimensions, should be 1 or 2", from->n_dims);
    for (uint32_t i = 0; i < SMR_MAX_DIMS; i++) {
        tensor->dims[i] = i < tensor->n_dims ? from->dims[from->n_dims - 1 - i] : 1;
        if (!tensor->dims[i])
            return fail(reader, from->name, "has no elements");
    }
    return true;
}

// A source of one part that is `from` as it lies there.
static struct smr_tensor_source *make_source(const struct reader *reader,
                                             const struct smr_safetensor *from, uint64_t n_parts,
                                             const uint8_t ***parts)
{
    struct smr_arena *arena = &reader->folder->file->arena;
    struct smr_tensor_source *source = smr_arena_alloc(arena, 1, sizeof *source);
    *parts = smr_arena_alloc(arena, n_parts, sizeof **parts);
    if (!source || !*parts)
        return NULL;
    uint64_t n_cols = from->dims[from->n_dims - 1];
    *source = (struct smr_tensor_source){
        .type = from->type->type,
        .parts = *parts,
        .n_parts = n_parts,
        .part_rows = from->size / from->type->size / n_cols,
        .row_stride = n_cols * from->type->size,
        .element_stride = from->type->size,
    };
    (*parts)[0] = from->data;
    return source;
}

// Set how the rows are made, where they are not the file's.
static bool set_source(const struct reader *reader, const struct smr_safetensor *from,
                       uint32_t flags, struct smr_tensor *tensor)
{
    bool transposed = flags & SMR_FOLDER_TRANSPOSED && tensor->n_dims == 2;
    uint32_t n_heads = flags & SMR_FOLDER_QUERIES ? reader->n_heads
                       : flags & SMR_FOLDER_KEYS  ? reader->n_kv_heads
                                                  : 0;
    float add = flags & SMR_FOLDER_ADD_ONE ? 1 : 0;
    const uint8_t **parts;
    tensor->type = tensor->n_dims == 1 ? SMR_F32 : from->type->type; // vectors are small
    tensor->size = from->size / from->type->size * smr_type_size(tensor->type, 1);
    tensor->data = from->data;
    if (!transposed && !n_heads && add == 0 && tensor->type == from->type->type)
        return true;
    struct smr_tensor_source *source = make_source(reader, from, 1, &parts);
    if (!source)
        return false;
    tensor->data = NULL;
    tensor->source = source;
    source->add = add;
    source->n_heads = n_heads;
    if (n_heads && tensor->n_dims == 1) { // a bias, whose elements go where the matrix's rows go
        source->part_rows = tensor->dims[0];
        source->row_stride = source->element_stride;
    }
    if (n_heads && source->part_rows % (2 * (uint64_t)n_heads))
        return fail(reader, from->name, "%" PRIu64 " rows for %" PRIu32 " heads", source->part_rows,
                    n_heads);
    if (transposed) {
        source->part_rows = tensor->dims[1] = from->dims[1];
        tensor->dims[0] = from->dims[0];
        source->element_stride = source->row_stride;
        source->row_stride = from->type->size;
    }
    return true;
}

// ---- tensors ----------------------------------------------------------------------------------

static bool add(struct reader *reader, const struct smr_tensor *tensor)
{
    struct smr_gguf *part = reader->folder->part;
    if (!smr_names_add(&reader->names, tensor->name))
        return fail(reader, tensor->name, "is there twice");
    part->tensors[part->n_tensors++] = *tensor;
    return true;
}

// One expert's matrix: a part of the tensor of them all.
static bool add_expert(struct reader *reader, const struct smr_safetensor *from,
                       const struct match *match, struct smr_tensor *tensor)
{
    struct smr_gguf *part = reader->folder->part;
    uint32_t expert = match->numbers[1], index = smr_names_find(&reader->names, tensor->name);
    const uint8_t **parts;
    if (expert >= reader->n_experts)
        return fail(reader, from->name, "is of expert %" PRIu32 ", but there are %" PRIu32, expert,
                    reader->n_experts);
    if (tensor->n_dims != 2)
        return fail(reader, from->name, "is no matrix");
    if (index == SMR_NO_NAME) {
        if (reader->budget < reader->n_experts)
            return fail(reader, from->name,
                        "the files have too few tensors for %" PRIu32 " experts in each layer",
                        reader->n_experts);
        reader->budget -= reader->n_experts;
        tensor->source = make_source(reader, from, reader->n_experts, &parts);
        if (!tensor->source)
            return false;
        parts[0] = NULL;
        tensor->type = from->type->type;
        tensor->n_dims = 3;
        tensor->dims[2] = reader->n_experts;
        if (from->size > UINT64_MAX / reader->n_experts)
            return fail(reader, from->name, "its experts are too large");
        tensor->size = from->size * reader->n_experts;
        index = part->n_tensors;
        if (!add(reader, tensor))
            return false;
    }
    const struct smr_tensor *all = &part->tensors[index];
    parts = (const uint8_t **)all->source->parts; // made above, and ours to fill
    if (all->dims[0] != tensor->dims[0] || all->dims[1] != tensor->dims[1] ||
        all->source->type != from->type->type)
        return fail(reader, from->name, "differs from the other experts in shape or type");
    if (parts[expert])
        return fail(reader, from->name, "is there twice");
    parts[expert] = from->data;
    return true;
}

static bool check_layer(const struct reader *reader, const struct smr_safetensor *from,
                        const struct match *match)
{
    return !match->n_numbers || match->numbers[0] < reader->n_layers ||
           fail(reader, from->name, "is of layer %" PRIu32 ", but config.json says %" PRIu32,
                match->numbers[0], reader->n_layers);
}

// Add what `from` is in GGUF. Aliases come second, when all others are there.
static bool add_tensor(struct reader *reader, const struct smr_safetensor *from, bool aliases)
{
    struct smr_folder *folder = reader->folder;
    struct match match;
    char name[NAME_SIZE];
    if (!find_match(folder->family, from->name, &match))
        return (folder->has_other_parts && is_other_part(from->name)) ||
               fail(reader, from->name, "is no tensor of the family %s that this version knows",
                    folder->family->model_type);
    bool tied = json_is_true(json_object_get(folder->config, "tie_word_embeddings"));
    if (match.row->flags & SMR_FOLDER_IGNORED || (match.row->flags & SMR_FOLDER_OUTPUT && tied) ||
        !(match.row->flags & SMR_FOLDER_ALIAS) == aliases)
        return true;
    make_name(&match, name);
    if (aliases && smr_names_find(&reader->names, name) != SMR_NO_NAME)
        return true;
    if (!from->type->supported)
        return fail(reader, from->name, "dtype %s is not supported, only F32, F16 and BF16",
                    from->type->name);
    struct smr_tensor tensor = {.name =
                                    smr_arena_strndup(&folder->file->arena, name, strlen(name))};
    if (!tensor.name || !check_layer(reader, from, &match) || !set_dims(reader, from, &tensor))
        return false;
    if (match.n_numbers == 2)
        return add_expert(reader, from, &match, &tensor);
    return set_source(reader, from, match.row->flags, &tensor) && add(reader, &tensor);
}

bool smr_folder_add_vector(struct smr_folder *folder, const char *name, const float *values,
                           uint32_t n)
{
    struct smr_gguf *part = folder->part;
    struct smr_arena *arena = &folder->file->arena;
    float *copy = smr_arena_alloc(arena, n, sizeof *copy);
    // The first tensors of a model: at most two, so each addition may take a new list.
    struct smr_tensor *tensors = smr_arena_alloc(arena, part->n_tensors + 1ul, sizeof *tensors);
    if (!copy || !tensors)
        return false;
    if (part->n_tensors)
        memcpy(tensors, part->tensors, part->n_tensors * sizeof *tensors);
    if (n)
        memcpy(copy, values, n * sizeof *copy);
    tensors[part->n_tensors++] = (struct smr_tensor){.name = name,
                                                     .type = SMR_F32,
                                                     .n_dims = 1,
                                                     .dims = {n, 1, 1, 1},
                                                     .size = n * sizeof *copy,
                                                     .data = (const uint8_t *)copy};
    part->tensors = tensors;
    return true;
}

// ---- files ------------------------------------------------------------------------------------

static bool open_shard(struct smr_folder *folder, const char *path, struct smr_safetensors *shard)
{
    struct smr_map *map = &folder->file->maps[folder->file->n_maps];
    *shard = (struct smr_safetensors){
        .context = folder->context, .arena = &folder->file->arena, .path = path};
    if (!path || !smr_map_open(folder->context, path, map))
        return false;
    folder->file->n_maps++;
    shard->data = map->data;
    shard->size = map->size;
    return smr_safetensors_parse(shard);
}

// A file's name that stays in the folder.
static bool is_plain_name(const char *name)
{
    return *name && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

enum { MAX_SHARDS = 1 << 14 };

// Names of the shards that the index lists, each once.
static bool list_shards(struct smr_folder *folder, const char *path, json_t *index,
                        struct smr_names *names)
{
    json_t *map = json_object_get(index, "weight_map");
    const char *tensor;
    json_t *value;
    if (!json_is_object(map))
        return smr_fail(folder->context, SMR_ERROR_MODEL, "%s: weight_map: is no object", path);
    if (!smr_names_init(names, &folder->file->arena, MAX_SHARDS))
        return false;
    json_object_foreach(map, tensor, value)
    {
        const char *name = json_string_value(value);
        if (!name || !is_plain_name(name))
            return smr_fail(folder->context, SMR_ERROR_MODEL,
                            "%s: %.160s: \"%.160s\" is not the name of a file in this folder", path,
                            tensor, name ? name : "(not a string)");
        if (smr_names_find(names, name) != SMR_NO_NAME)
            continue;
        if (names->n == MAX_SHARDS)
            return smr_fail(folder->context, SMR_ERROR_MODEL, "%s: more than %d files", path,
                            MAX_SHARDS);
        const char *copy = smr_arena_strndup(&folder->file->arena, name, strlen(name));
        if (!copy)
            return false;
        smr_names_add(names, copy);
    }
    return true;
}

static bool open_shards(struct smr_folder *folder, struct smr_safetensors **shards, uint32_t *n)
{
    static const char index_name[] = "model.safetensors.index.json";
    struct smr_arena *arena = &folder->file->arena;
    struct smr_names names = {0};
    bool single = smr_folder_has(folder, "model.safetensors");
    if (!single && smr_folder_has(folder, index_name)) {
        const char *path = smr_folder_file(folder, index_name);
        json_t *index = path ? smr_json_read(folder->context, path) : NULL;
        bool done = index && list_shards(folder, path, index, &names);
        json_decref(index);
        if (!done)
            return false;
    } else if (single) {
        if (!smr_names_init(&names, arena, 1))
            return false;
        smr_names_add(&names, "model.safetensors");
    } else if (smr_folder_has(folder, "pytorch_model.bin") ||
               smr_folder_has(folder, "pytorch_model.bin.index.json")) {
        return smr_fail(folder->context, SMR_ERROR_MODEL,
                        "%s: the weights are pickled (pytorch_model.bin), which can run code: save "
                        "them as safetensors (save_pretrained of transformers does)",
                        folder->path);
    }
    *shards = smr_arena_alloc(arena, names.n, sizeof **shards);
    folder->file->maps = smr_arena_alloc(arena, names.n, sizeof *folder->file->maps);
    if (!*shards || !folder->file->maps)
        return false;
    for (*n = 0; *n < names.n; ++*n)
        if (!open_shard(folder, smr_folder_file(folder, names.names[*n]), &(*shards)[*n]))
            return false;
    return true;
}

// ---- all of it --------------------------------------------------------------------------------

static void read_counts(struct reader *reader)
{
    struct smr_folder *folder = reader->folder;
    const struct smr_metadata *metadata = &folder->part->metadata;
    char key[SMR_FOLDER_KEY_SIZE];
    uint32_t n_decoder = 0;
    smr_metadata_u32(metadata, smr_folder_key(folder, "block_count", key), &reader->n_layers);
    smr_metadata_u32(metadata, smr_folder_key(folder, "decoder_block_count", key), &n_decoder);
    reader->n_layers = smr_max_u32(reader->n_layers, n_decoder);
    smr_metadata_u32(metadata, smr_folder_key(folder, "attention.head_count", key),
                     &reader->n_heads);
    reader->n_kv_heads = reader->n_heads;
    smr_metadata_u32(metadata, smr_folder_key(folder, "attention.head_count_kv", key),
                     &reader->n_kv_heads);
    smr_metadata_u32(metadata, smr_folder_key(folder, "expert_count", key), &reader->n_experts);
}

static bool check_complete(const struct reader *reader)
{
    const struct smr_folder *folder = reader->folder;
    for (uint32_t i = 0; i < folder->part->n_tensors; i++) {
        const struct smr_tensor *tensor = &folder->part->tensors[i];
        for (uint64_t k = 0; tensor->source && k < tensor->source->n_parts; k++)
            if (!tensor->source->parts[k])
                return fail(reader, tensor->name, "the matrix of expert %" PRIu64 " is missing", k);
    }
    bool tied = json_is_true(json_object_get(folder->config, "tie_word_embeddings"));
    return tied || folder->family->encoder_decoder ||
           smr_names_find(&reader->names, "output.weight") != SMR_NO_NAME ||
           fail(reader, "lm_head.weight",
                "is missing, and config.json does not set tie_word_embeddings");
}

bool smr_folder_read_tensors(struct smr_folder *folder)
{
    struct smr_gguf *part = folder->part;
    struct smr_safetensors *shards = NULL;
    uint32_t n_shards = 0, n_made = part->n_tensors;
    if (!open_shards(folder, &shards, &n_shards))
        return false;
    if (!n_shards) {
        part->n_tensors = 0; // what the configuration made is of no use alone
        return true;
    }
    struct reader reader = {.folder = folder, .path = folder->path};
    for (uint32_t i = 0; i < n_shards; i++)
        reader.budget += shards[i].n_tensors;
    if (reader.budget > SMR_GGUF_MAX_TENSORS)
        return fail(&reader, "tensors", "%" PRIu64 ", the limit is %d", reader.budget,
                    SMR_GGUF_MAX_TENSORS);
    reader.capacity = (uint32_t)reader.budget + n_made;
    struct smr_tensor *made = part->tensors;
    part->tensors = smr_arena_alloc(&folder->file->arena, reader.capacity, sizeof *part->tensors);
    part->n_tensors = 0;
    if (!part->tensors || !smr_names_init(&reader.names, &folder->file->arena, reader.capacity))
        return false;
    read_counts(&reader);
    for (uint32_t i = 0; i < n_made; i++)
        if (!add(&reader, &made[i]))
            return false;
    for (int aliases = 0; aliases < 2; aliases++)
        for (uint32_t i = 0; i < n_shards; i++) {
            reader.path = shards[i].path;
            for (uint32_t k = 0; k < shards[i].n_tensors; k++)
                if (!add_tensor(&reader, &shards[i].tensors[k], aliases))
                    return false;
        }
    reader.path = folder->path;
    return check_complete(&reader);
}
