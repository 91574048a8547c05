// source.c - what an encoder-decoder model's texts are made from: its tokens, the pages that its keys
// and values lie in, and the step that computes them. Texts that fork share it.
#include "generate/generate.h"

#include <stdio.h>
#include <string.h>

static bool check_source(const smr_engine *engine, const int32_t *tokens, size_t n_tokens)
{
    uint32_t n_vocab = engine->model->hparams.n_vocab;
    if (!engine->n_source)
        return smr_fail(engine->context, SMR_ERROR_USAGE,
                        "%s has no encoder: its prompt is appended to the text",
                        engine->model->path);
    if (!n_tokens)
        return smr_fail(engine->context, SMR_ERROR_USAGE,
                        "the source is empty: at least one token is needed");
    if (n_tokens > engine->n_source)
        return smr_fail(engine->context, SMR_ERROR_USAGE,
                        "the source has %zu tokens and there is room for %u: take a larger one "
                        "(--source %zu) or a shorter source",
                        n_tokens, engine->n_source, n_tokens);
    return smr_check_tokens(engine->context, tokens, n_tokens, n_vocab);
}

struct smr_source *smr_source_create(smr_engine *engine, const int32_t *tokens, size_t n_tokens)
{
    if (!check_source(engine, tokens, n_tokens))
        return NULL;
    struct smr_source *source = smr_alloc(engine->context, 1, sizeof(*source), "a source");
    if (!source)
        return NULL;
    *source = (struct smr_source){.engine = engine, .references = 1, .id = ++engine->last_source};
    source->n_tokens = (uint32_t)n_tokens;
    source->tokens =
        smr_alloc(engine->context, n_tokens, sizeof(*source->tokens), "a source's tokens");
    source->pages = smr_alloc(engine->context, smr_div_up(source->n_tokens, SMR_PAGE_SIZE),
                              sizeof(*source->pages), "a source's page table");
    bool done = source->tokens && source->pages;
    while (done && source->n_pages * SMR_PAGE_SIZE < n_tokens) {
        done = smr_page_take(&engine->source_pool, &source->pages[source->n_pages]);
        source->n_pages += done;
    }
    if (!done) {
        smr_source_release(source);
        return NULL;
    }
    memcpy(source->tokens, tokens, n_tokens * sizeof(*tokens));
    return source;
}

struct smr_source *smr_source_share(struct smr_source *source)
{
    if (source)
        source->references++;
    return source;
}

void smr_source_release(struct smr_source *source)
{
    if (!source || --source->references)
        return;
    smr_engine *engine = source->engine;
    for (uint32_t i = 0; i < source->n_pages; i++)
        smr_page_release(&engine->source_pool, source->pages[i]);
    smr_free(engine->context, source->tokens);
    smr_free(engine->context, source->pages);
    smr_free(engine->context, source);
}

uint32_t smr_session_source_size(const smr_session *session)
{
    return session->source ? session->source->n_tokens : 0;
}

bool smr_session_at_start(const smr_session *session)
{
    return session->source && session->n_tokens == session->n_start;
}

void smr_source_place(const struct smr_source *source, uint32_t sequence)
{
    smr_engine *engine = source->engine;
    if (engine->placed_sources[sequence] == source->id)
        return;
    uint32_t max_pages = smr_div_up(engine->n_source, SMR_PAGE_SIZE);
    memcpy(smr_schedule_source_pages(engine->schedule) + (size_t)sequence * max_pages,
           source->pages, source->n_pages * sizeof(*source->pages));
    smr_schedule_source_lengths(engine->schedule)[sequence] = source->n_tokens;
    engine->placed_sources[sequence] = source->id;
}

bool smr_source_encode(struct smr_source *source)
{
    struct smr_schedule *schedule = source->engine->schedule;
    if (source->encoded)
        return true;
    smr_source_place(source, 0);
    struct smr_row *rows = smr_schedule_rows(schedule);
    for (uint32_t i = 0; i < source->n_tokens; i++) {
        uint32_t page = source->pages[i / SMR_PAGE_SIZE];
        rows[i] = (struct smr_row){.token = (uint32_t)source->tokens[i],
                                   .position = i,
                                   .slot = page * SMR_PAGE_SIZE + i % SMR_PAGE_SIZE};
    }
    struct smr_shape shape = {
        .n_rows = source->n_tokens, .n_keys = source->n_tokens, .encode = true};
    source->encoded = smr_schedule_run(schedule, &shape);
    return source->encoded;
}

bool smr_session_encode(smr_session *session, const int32_t *tokens, size_t n_tokens)
{
    const smr_engine *engine = session->engine;
    const smr_model *model = engine->model;
    int32_t start[2] = {(int32_t)model->hparams.decoder_start};
    char key[128];
    uint32_t first;
    size_t n_start = 1;
    snprintf(key, sizeof(key), "%s.generation.forced_bos_token_id", model->architecture);
    if (smr_metadata_u32(model->metadata, key, &first) && first < model->hparams.n_vocab)
        start[n_start++] = (int32_t)first;
    struct smr_source *source = smr_source_create(session->engine, tokens, n_tokens);
    if (!source)
        return false;
    smr_session_clear(session);
    session->source = source;
    session->n_start = (uint32_t)n_start;
    return smr_session_append(session, start, n_start);
}
