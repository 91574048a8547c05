// model_file.h - what a model owns, and how each kind of file fills it in. Private to model/.
#pragma once

#include "model/gguf.h"

struct smr_model_file {
    struct smr_arena arena; // everything that was parsed
    struct smr_gguf *parts; // [n_parts]; metadata comes from the first. Of a folder there is one
    uint32_t n_parts;
    struct smr_map *maps; // [n_maps], in an arena
    uint32_t n_maps;
    struct smr_names tensor_names; // an index in smr_model.tensors
    struct smr_tensor *views;      // parts of fused tensors
    struct smr_names view_names;   // an index in `views`; they count before tensor_names
    // Of a synthetic model: what its weights repeat, in each type that was asked for; else NULL.
    struct smr_tensor_source *patterns[SMR_BF16 + 1];
    smr_vocab_destroy_fn *destroy_vocab;
};

// folder.h: fill in a model's file from the folder that parts[0].path names.
bool smr_folder_open(struct smr_model_file *file);

// synthetic.c: fill in the file of a model that has none, of the shape of this name.
bool smr_synthetic_make(struct smr_model_file *file, const char *name);
// Give a tensor of such a model another type. False when there is no memory.
bool smr_synthetic_retype(struct smr_model_file *file, struct smr_tensor *tensor,
                          enum smr_type type);

// views.c: find fused tensors and give their parts names. The hyperparameters are known.
bool smr_model_add_views(struct smr_model *model);
