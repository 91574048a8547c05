// drafter.c - guesses of another model, a smaller one with the same vocabulary.
//
// It draws as the text does, with the random numbers that the text will draw with, from probabilities
// of its own: where both models agree on them they mostly draw the same token. So a guess is one token
// that depends on nothing but the text and the seed, the text is the one that is made without guesses,
// and no rule is needed that accepts a guess by chance (arXiv:2211.17192 has one).
#include "generate/generate.h"

#include <string.h>

static bool check_vocabulary(const smr_session *text, const smr_session *draft)
{
    smr_context *context = text->engine->context;
    smr_model *model = text->engine->model, *other = draft->engine->model;
    bool has = smr_model_tokenizer(model), other_has = smr_model_tokenizer(other);
    if (!has && !other_has && model->hparams.n_vocab != other->hparams.n_vocab)
        return smr_fail(context, SMR_ERROR_USAGE,
                        "%s has %u tokens and %s has %u: a model that guesses needs the same "
                        "vocabulary",
                        other->path, other->hparams.n_vocab, model->path, model->hparams.n_vocab);
    if (has != other_has)
        return smr_fail(context, SMR_ERROR_USAGE,
                        "%s has no tokenizer: a model that guesses needs the same vocabulary",
                        has ? other->path : model->path);
    const struct smr_vocab *vocab = has ? smr_vocab_get(model) : NULL;
    const struct smr_vocab *other_vocab = vocab ? smr_vocab_get(other) : NULL;
    if (has && !other_vocab)
        return false;
    int32_t differs = has ? smr_vocab_compare(vocab, other_vocab) : -1;
    return differs < 0 ||
           smr_fail(context, SMR_ERROR_USAGE,
                    "token %d of %s is another one in %s: a model that guesses needs the same "
                    "vocabulary",
                    differs, model->path, other->path);
}

// The text's source, and the tokens that come with it, are the drafter's too.
static bool start_from_source(const smr_session *text, smr_session *draft)
{
    const struct smr_source *source = text->source;
    if (!source != !draft->engine->n_source)
        return smr_fail(text->engine->context, SMR_ERROR_USAGE,
                        "%s has an encoder and %s does not: a model that guesses needs the same",
                        source ? text->engine->model->path : draft->engine->model->path,
                        source ? draft->engine->model->path : text->engine->model->path);
    if (!source)
        return true;
    if (!smr_session_encode(draft, source->tokens, source->n_tokens))
        return false;
    return (draft->n_start <= text->n_tokens &&
            !memcmp(draft->tokens, text->tokens, draft->n_start * sizeof(*text->tokens))) ||
           smr_fail(text->engine->context, SMR_ERROR_USAGE,
                    "%s starts its texts with other tokens than %s", draft->engine->model->path,
                    text->engine->model->path);
}

bool smr_drafter_init(struct smr_drafter *drafter, const smr_session *text, smr_session *draft,
                      const struct smr_sampling *sampling)
{
    *drafter = (struct smr_drafter){0};
    if (!draft)
        return true;
    uint32_t n_vocab = draft->engine->model->hparams.n_vocab;
    if (draft->engine == text->engine || draft->engine->context != text->engine->context)
        return smr_fail(text->engine->context, SMR_ERROR_USAGE,
                        "the model that guesses needs an engine of its own, in the same context");
    if (!check_vocabulary(text, draft) || !start_from_source(text, draft))
        return false;
    struct smr_sampling same = *sampling;
    if (n_vocab != text->engine->model->hparams.n_vocab)
        same.n_bias = 0; // it may be about tokens that are not there; guesses can do without
    drafter->session = draft;
    drafter->n_vocab = text->engine->model->hparams.n_vocab;
    drafter->read_logits = smr_sampler_needs_logits(sampling, 0);
    return smr_sampler_init(&drafter->sampler, text->engine->context, &same, n_vocab, 0);
}

void smr_drafter_finish(struct smr_drafter *drafter)
{
    smr_sampler_finish(&drafter->sampler);
}

// Have the drafter's text be the text, keeping what was computed of a common beginning.
static bool follow(struct smr_drafter *drafter, const smr_session *text)
{
    smr_session *draft = drafter->session;
    uint32_t n = drafter->n_common;
    if (text->n_tokens > draft->engine->n_context)
        return false;
    while (n < draft->n_tokens && n < text->n_tokens && draft->tokens[n] == text->tokens[n])
        n++;
    smr_session_truncate(draft, n);
    memcpy(draft->tokens + n, text->tokens + n, (text->n_tokens - n) * sizeof(*text->tokens));
    draft->n_tokens = drafter->n_common = text->n_tokens;
    return true;
}

bool smr_drafter_prefill(struct smr_drafter *drafter, const smr_session *text,
                         bool (*progress)(void *user, size_t n_done, size_t n_total), void *user)
{
    if (!drafter->session || !follow(drafter, text))
        return true;
    return smr_session_compute(drafter->session, drafter->read_logits, progress, user);
}

bool smr_drafter_draft(struct smr_drafter *drafter, const smr_session *text, uint64_t random,
                       int32_t *tokens, uint32_t *n)
{
    smr_session *draft = drafter->session;
    uint32_t wanted = *n;
    *n = 0;
    drafter->sampler.random = random;
    if (!follow(drafter, text))
        return true; // its context is full
    while (*n < wanted) {
        if (!smr_session_compute(draft, drafter->read_logits, NULL, NULL))
            return false;
        struct smr_step_result step = smr_step_result(draft->engine, 0, drafter->read_logits);
        int32_t token;
        if (!smr_sampler_sample(&drafter->sampler, &step, draft->tokens, draft->n_tokens, &token))
            return false;
        if ((uint32_t)token >= drafter->n_vocab || draft->n_tokens == draft->engine->n_context)
            return true;
        tokens[(*n)++] = draft->tokens[draft->n_tokens++] = token;
    }
    return true;
}
