// api.c - the part of samara.h that is about text.
#include "text/vocab.h"

void smr_model_info(const smr_model *model, struct smr_model_info *info)
{
    smr_model_describe(model, info);
    info->chat_format = smr_chat_format(model);
}

bool smr_tokenize(smr_model *model, const char *text, size_t size, uint32_t flags, int32_t **tokens,
                  size_t *n_tokens)
{
    struct smr_token_list list = {.context = model->context};
    *tokens = NULL;
    *n_tokens = 0;
    const struct smr_vocab *vocab = smr_vocab_get(model);
    if (!vocab)
        return false;
    if (!smr_vocab_encode(vocab, text, size, flags, &list)) {
        smr_free(model->context, list.data);
        return false;
    }
    *tokens = list.data;
    *n_tokens = list.n;
    return true;
}

void smr_tokens_free(smr_model *model, int32_t *tokens)
{
    smr_free(model->context, tokens);
}

const char *smr_token_bytes(smr_model *model, int32_t token, bool special, size_t *size)
{
    *size = 0;
    const struct smr_vocab *vocab = smr_vocab_get(model);
    return vocab ? smr_vocab_bytes(vocab, token, special, size) : NULL;
}

char *smr_chat_prompt(smr_model *model, const struct smr_chat_params *params)
{
    struct smr_string text;
    smr_string_init(&text, model->context);
    if (!smr_chat_prompt_text(model, params, &text)) {
        smr_string_finish(&text);
        return NULL;
    }
    return text.data; // the string's memory is the caller's now
}

void smr_text_free(smr_model *model, char *text)
{
    smr_free(model->context, text);
}
