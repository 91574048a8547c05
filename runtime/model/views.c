// views.c - tensors as others see them: parts of matrices that a file has as one, under names of their
// own, so that the graph has one form whether a file fuses queries, keys and values or gate and up;
// and tensors in other types than the file's.
#include "model/model_file.h"
#include "model/tensor.h"

#include <stdio.h>
#include <string.h>

// What `fused` is in GGUF, and the parts it has, in order.
static const struct fused {
    const char *fused; // after the layer's prefix, before ".weight" or ".bias"
    const char *parts[3];
    uint32_t n_parts;
} fusions[] = {
    {"attn_qkv", {"attn_q", "attn_k", "attn_v"}, 3},
    {"ffn_up", {"ffn_gate", "ffn_up"}, 2}, // Phi-3: of twice the rows
};
enum { FUSED_QKV, FUSED_GATE_UP };

// One fused tensor, and the name that its parts' names are made of.
struct fusion {
    const struct smr_tensor *tensor;
    const struct fused *kind;
    size_t prefix;      // letters of the name before kind->fused
    const char *ending; // ".weight" or ".bias"
    uint64_t rows[3];   // of each part; elements of a bias
};

// Whether `name` is that of a fused tensor; sets all but the rows.
static bool match_name(const struct smr_tensor *tensor, struct fusion *fusion)
{
    const char *ending = strrchr(tensor->name, '.');
    if (!ending || (strcmp(ending, ".weight") != 0 && strcmp(ending, ".bias") != 0))
        return false;
    for (size_t i = 0; i < SMR_COUNT(fusions); i++) {
        size_t length = strlen(fusions[i].fused), before = (size_t)(ending - tensor->name);
        if (before <= length || tensor->name[before - length - 1] != '.' ||
            memcmp(ending - length, fusions[i].fused, length) != 0)
            continue;
        *fusion = (struct fusion){tensor, &fusions[i], before - length, ending, {0}};
        return true;
    }
    return false;
}

// Whether a tensor is fused: by its name, and having the rows of all parts.
static bool match(const struct smr_model *model, const struct smr_tensor *tensor,
                  struct fusion *fusion)
{
    const struct smr_hparams *hparams = &model->hparams;
    if (tensor->n_dims > 2 || !match_name(tensor, fusion))
        return false;
    uint64_t *rows = fusion->rows;
    if (fusion->kind == &fusions[FUSED_QKV]) {
        rows[0] = (uint64_t)hparams->n_heads * hparams->head_dim;
        rows[1] = rows[2] = (uint64_t)hparams->n_kv_heads * hparams->head_dim;
    } else {
        rows[0] = rows[1] = hparams->n_ff;
    }
    if (tensor->n_dims == 1 && smr_type_info(tensor->type)->block_elements != 1)
        return false;
    return rows[0] && rows[0] + rows[1] + rows[2] == tensor->dims[tensor->n_dims - 1];
}

static bool add_parts(struct smr_model *model, const struct fusion *fusion)
{
    struct smr_model_file *file = model->file;
    uint64_t begin = 0;
    for (uint32_t i = 0; i < fusion->kind->n_parts; i++) {
        char name[SMR_GGUF_MAX_NAME_SIZE + 16];
        struct smr_tensor *view = &file->views[file->view_names.n];
        snprintf(name, sizeof name, "%.*s%s%s", (int)fusion->prefix, fusion->tensor->name,
                 fusion->kind->parts[i], fusion->ending);
        if (!smr_tensor_slice(fusion->tensor, name, begin, fusion->rows[i], &file->arena, view))
            return false;
        if (strcmp(name, fusion->tensor->name) != 0 && smr_model_tensor(model, name))
            return smr_gguf_fail(&file->parts[0], name, "is there twice: alone, and in %s",
                                 fusion->tensor->name);
        smr_names_add(&file->view_names, view->name);
        begin += fusion->rows[i];
    }
    return true;
}

bool smr_model_add_views(struct smr_model *model)
{
    struct smr_model_file *file = model->file;
    struct fusion fusion;
    uint32_t n_fused = 0;
    for (uint32_t i = 0; i < model->n_tensors; i++)
        n_fused += match(model, &model->tensors[i], &fusion);
    if (!n_fused)
        return true;
    file->views = smr_arena_alloc(&file->arena, n_fused, 3 * sizeof *file->views);
    if (!file->views || !smr_names_init(&file->view_names, &file->arena, n_fused * 3))
        return false;
    for (uint32_t i = 0; i < model->n_tensors; i++)
        if (match(model, &model->tensors[i], &fusion) && !add_parts(model, &fusion))
            return false;
    return true;
}

// ---- other types ------------------------------------------------------------------------------

static bool retype(struct smr_model *model, struct smr_tensor *tensor, enum smr_type type)
{
    if (tensor->source && tensor->source->pattern)
        return smr_synthetic_retype(model->file, tensor, type);
    struct retyped {
        struct smr_tensor original;
        struct smr_tensor_source source;
    } *retyped = smr_arena_alloc(&model->file->arena, 1, sizeof *retyped);
    if (!retyped)
        return false;
    retyped->original = *tensor;
    retyped->source.original = &retyped->original;
    tensor->type = type;
    tensor->size = smr_type_size(type, smr_tensor_rows(tensor) * tensor->dims[0]);
    tensor->data = NULL;
    tensor->source = &retyped->source;
    return true;
}

bool smr_model_retype(struct smr_model *model, smr_choose_type_fn *choose, void *user)
{
    struct smr_model_file *file = model->file;
    struct smr_tensor *tensors =
        smr_arena_alloc(&file->arena, model->n_tensors, sizeof *model->tensors);
    if (!tensors)
        return false;
    // A view is chosen for by its own name: parts of a tensor may differ, and the graph sees only them.
    for (uint32_t i = 0; i < file->view_names.n; i++) {
        enum smr_type type = choose(user, model, &file->views[i]);
        if (type != file->views[i].type && !retype(model, &file->views[i], type))
            return false;
    }
    for (uint32_t i = 0; i < model->n_tensors; i++) {
        tensors[i] = model->tensors[i];
        enum smr_type type = choose(user, model, &tensors[i]);
        if (type != tensors[i].type && !retype(model, &tensors[i], type))
            return false;
    }
    model->tensors = tensors;
    return true;
}
