// choose.h - which type each tensor of a converted model gets. Private to convert/.
#pragma once

#include "model/model.h"

struct smr_recipe;

// The recipe of a name, in any case ("Q4_K_M"); NULL when there is none.
const struct smr_recipe *smr_recipe_find(const char *name);

// general.file_type (llama.h, enum llama_ftype).
uint32_t smr_recipe_file_type(const struct smr_recipe *recipe);

// The type of `tensor` of `model` under the recipe. `wanted` receives the type it would get if its
// rows had the right length. `pure`: the recipe's own type for every matrix.
enum smr_type smr_recipe_choose(const struct smr_recipe *recipe, bool pure,
                                const struct smr_model *model, const struct smr_tensor *tensor,
                                enum smr_type *wanted);
