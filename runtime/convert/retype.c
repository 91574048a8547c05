// retype.c - a model's weights in another type while they are loaded.
#include "convert/choose.h"

static enum smr_type choose(void *user, const struct smr_model *model,
                            const struct smr_tensor *tensor)
{
    enum smr_type wanted;
    return smr_recipe_choose(user, false, model, tensor, &wanted);
}

bool smr_model_set_type(smr_model *model, const char *type)
{
    const struct smr_recipe *recipe = smr_recipe_find(type);
    if (!recipe)
        return smr_fail(model->context, SMR_ERROR_USAGE, "%s is not a type to convert to", type);
    return smr_model_retype(model, choose, (void *)recipe);
}
