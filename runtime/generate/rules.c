// rules.c - what a text may not go on with: the caller's wishes, and what the model's file asks for,
// which is generation_config.json of Hugging Face transformers (generation/logits_process.py).
#include "generate/generate.h"

#include <stdio.h>

static uint32_t asked(const struct smr_model *model, const char *name, uint32_t otherwise)
{
    char key[128];
    uint32_t value = otherwise;
    snprintf(key, sizeof(key), "%s.generation.%s", model->architecture, name);
    smr_metadata_u32(model->metadata, key, &value);
    return value;
}

bool smr_rules_is_end(const struct smr_rules *rules, int32_t token)
{
    if (rules->params.ignore_end)
        return false;
    for (size_t i = 0; i < rules->params.n_ends; i++)
        if (rules->params.ends[i] == token)
            return true;
    return !rules->params.n_ends && rules->vocab && smr_vocab_is_end(rules->vocab, token);
}

static bool find_ends(struct smr_rules *rules, uint32_t n_vocab)
{
    for (uint32_t token = 0; token < n_vocab; token++)
        if (smr_rules_is_end(rules, (int32_t)token) &&
            !smr_token_list_add(&rules->ends, (int32_t)token))
            return false;
    return true;
}

static bool read_suppressed(struct smr_rules *rules, const struct smr_model *model)
{
    struct smr_metadata_array array;
    char key[128];
    int32_t token;
    snprintf(key, sizeof(key), "%s.generation.suppress_tokens", model->architecture);
    if (!smr_metadata_array(model->metadata, key, &array))
        return true;
    while (smr_metadata_next_i32(&array, &token))
        if (token >= 0 && (uint32_t)token < model->hparams.n_vocab &&
            !smr_token_list_add(&rules->suppressed, token))
            return false;
    return true;
}

bool smr_rules_init(struct smr_rules *rules, const struct smr_engine *engine,
                    const struct smr_rule_params *params)
{
    smr_model *model = engine->model;
    uint32_t n_vocab = model->hparams.n_vocab;
    *rules = (struct smr_rules){.params = *params,
                                .suppressed = {.context = engine->context},
                                .ends = {.context = engine->context},
                                .forbidden = {.context = engine->context}};
    if (smr_model_tokenizer(model) && !(rules->vocab = smr_vocab_get(model)))
        return false;
    uint32_t forced = asked(model, "forced_eos_token_id", n_vocab);
    rules->forced_end = forced < n_vocab && !params->ignore_end ? (int32_t)forced : -1;
    rules->min_length = asked(model, "min_length", 0);
    if (!rules->params.no_repeat_ngram)
        rules->params.no_repeat_ngram = asked(model, "no_repeat_ngram_size", 0);
    return find_ends(rules, n_vocab) && read_suppressed(rules, model);
}

void smr_rules_finish(struct smr_rules *rules)
{
    if (!rules->ends.context)
        return;
    smr_free(rules->ends.context, rules->suppressed.data);
    smr_free(rules->ends.context, rules->ends.data);
    smr_free(rules->ends.context, rules->forbidden.data);
    *rules = (struct smr_rules){.forced_end = -1};
}

bool smr_rules_any(const struct smr_rules *rules)
{
    return rules->suppressed.n || rules->params.no_repeat_ngram || rules->params.min_predict ||
           rules->min_length;
}

static bool forbid_all(struct smr_rules *rules, const struct smr_token_list *tokens)
{
    for (size_t i = 0; i < tokens->n; i++)
        if (!smr_token_list_add(&rules->forbidden, tokens->data[i]))
            return false;
    return true;
}

// What followed earlier, where the last n - 1 tokens were there before.
static bool forbid_ngrams(struct smr_rules *rules, const int32_t *tokens, uint32_t n_tokens)
{
    uint32_t n = rules->params.no_repeat_ngram;
    for (uint32_t i = 0; n && n_tokens >= n && i <= n_tokens - n; i++) {
        const int32_t *last = tokens + n_tokens - (n - 1);
        uint32_t same = 0;
        while (same < n - 1 && tokens[i + same] == last[same])
            same++;
        if (same == n - 1 && !smr_token_list_add(&rules->forbidden, tokens[i + n - 1]))
            return false;
    }
    return true;
}

bool smr_rules_apply(struct smr_rules *rules, const int32_t *tokens, uint32_t n_tokens,
                     uint32_t n_generated)
{
    bool early = n_generated < rules->params.min_predict || n_tokens < rules->min_length;
    rules->forbidden.n = 0;
    return forbid_all(rules, &rules->suppressed) && (!early || forbid_all(rules, &rules->ends)) &&
           forbid_ngrams(rules, tokens, n_tokens);
}

bool smr_rules_forbid(const struct smr_rules *rules, int32_t token)
{
    for (size_t i = 0; i < rules->forbidden.n; i++)
        if (rules->forbidden.data[i] == token)
            return true;
    return false;
}
