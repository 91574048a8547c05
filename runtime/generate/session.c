// session.c - one text: its tokens, its pages of KV cache, and the steps that compute them.
#include "generate/generate.h"

#include <string.h>

smr_session *smr_session_create(smr_engine *engine)
{
    smr_context *context = engine->context;
    smr_session *session = smr_alloc(context, 1, sizeof(*session), "a session");
    if (!session)
        return NULL;
    session->engine = engine;
    session->tokens =
        smr_alloc(context, engine->n_context, sizeof(*session->tokens), "a session's tokens");
    session->pages = smr_alloc(context, smr_div_up(engine->n_context, SMR_PAGE_SIZE),
                               sizeof(*session->pages), "a session's page table");
    if (!session->tokens || !session->pages) {
        smr_session_destroy(session);
        return NULL;
    }
    return session;
}

void smr_session_destroy(smr_session *session)
{
    if (!session)
        return;
    smr_engine *engine = session->engine;
    for (uint32_t i = 0; session->pages && i < session->n_pages; i++)
        smr_page_release(&engine->pool, session->pages[i]);
    if (engine->page_table == session)
        engine->page_table = NULL;
    smr_free(engine->context, session->tokens);
    smr_free(engine->context, session->pages);
    smr_free(engine->context, session);
}

bool smr_session_append(smr_session *session, const int32_t *tokens, size_t n_tokens)
{
    const smr_engine *engine = session->engine;
    uint32_t n_vocab = engine->model->hparams.n_vocab;
    if (n_tokens > engine->n_context - session->n_tokens)
        return smr_fail(engine->context, SMR_ERROR_USAGE,
                        "the text has %zu tokens and the context holds %u: take a larger context "
                        "(-c %zu) or a shorter text",
                        session->n_tokens + n_tokens, engine->n_context,
                        session->n_tokens + n_tokens);
    for (size_t i = 0; i < n_tokens; i++)
        if (tokens[i] < 0 || (uint32_t)tokens[i] >= n_vocab)
            return smr_fail(engine->context, SMR_ERROR_USAGE,
                            "token %d: the model's tokens are 0 to %u", tokens[i], n_vocab - 1);
    memcpy(session->tokens + session->n_tokens, tokens, n_tokens * sizeof(*tokens));
    session->n_tokens += (uint32_t)n_tokens;
    return true;
}

size_t smr_session_length(const smr_session *session)
{
    return session->n_tokens;
}

// Have pages for the first n tokens, and the step buffer know them.
static bool ensure_pages(smr_session *session, uint32_t n)
{
    smr_engine *engine = session->engine;
    uint32_t before = session->n_pages;
    while (session->n_pages * SMR_PAGE_SIZE < n) {
        if (!smr_page_take(&engine->pool, &session->pages[session->n_pages]))
            return false;
        session->n_pages++;
    }
    if (engine->page_table != session || session->n_pages != before)
        memcpy(smr_schedule_pages(engine->schedule), session->pages,
               session->n_pages * sizeof(*session->pages));
    engine->page_table = session;
    return true;
}

// One submission: the next n_rows tokens, with the last one's logits if `last`.
static bool step(smr_session *session, uint32_t n_rows, bool last, bool read_logits)
{
    smr_engine *engine = session->engine;
    uint32_t begin = session->n_computed;
    if (!ensure_pages(session, begin + n_rows))
        return false;
    struct smr_row *rows = smr_schedule_rows(engine->schedule);
    for (uint32_t i = 0; i < n_rows; i++) {
        uint32_t position = begin + i;
        uint32_t page = session->pages[position / SMR_PAGE_SIZE];
        rows[i] = (struct smr_row){.token = (uint32_t)session->tokens[position],
                                   .position = position,
                                   .slot = page * SMR_PAGE_SIZE + position % SMR_PAGE_SIZE};
    }
    smr_schedule_outputs(engine->schedule)[0] = n_rows - 1;
    struct smr_shape shape = {.n_rows = n_rows,
                              .n_outputs = last ? 1 : 0,
                              .n_keys = begin + n_rows,
                              .read_logits = last && read_logits};
    if (!smr_schedule_run(engine->schedule, &shape))
        return false;
    session->n_computed += n_rows;
    return true;
}

// A GPU that draws a screen is reset by its driver when a submission takes seconds (two on Windows,
// more on Linux). Steps of a long prompt are therefore sized by the time of the last one.
static void adapt_chunk(smr_engine *engine, uint32_t n_rows, uint64_t time_ns)
{
    const uint64_t aim_ns = 400000000;
    if (smr_device_get_info(engine->device)->type > SMR_DEVICE_INTEGRATED || n_rows < engine->chunk)
        return;
    uint64_t rows = time_ns ? n_rows * aim_ns / time_ns : engine->n_batch;
    if (rows > n_rows * 4ull)
        rows = n_rows * 4ull;
    rows = rows < 16 ? 16 : rows / 16 * 16;
    engine->chunk = smr_min_u32((uint32_t)rows, engine->n_batch);
}

bool smr_session_compute(smr_session *session, bool read_logits,
                         bool (*progress)(void *user, size_t n_done, size_t n_total), void *user)
{
    smr_engine *engine = session->engine;
    if (!session->n_tokens)
        return smr_fail(engine->context, SMR_ERROR_USAGE,
                        "the text is empty: at least one token is needed");
    if (session->n_computed == session->n_tokens)
        session->n_computed--; // once more, for its logits
    uint32_t first = session->n_computed, total = session->n_tokens - first;
    while (session->n_computed < session->n_tokens) {
        uint32_t left = session->n_tokens - session->n_computed;
        uint32_t n_rows = smr_min_u32(left, engine->chunk);
        uint64_t start = smr_time_ns();
        if (!step(session, n_rows, n_rows == left, read_logits))
            return false;
        adapt_chunk(engine, n_rows, smr_time_ns() - start);
        if (progress && total > 1 && !progress(user, session->n_computed - first, total))
            return false;
    }
    return true;
}

const float *smr_session_logits(smr_session *session)
{
    if (!smr_session_compute(session, true, NULL, NULL))
        return NULL;
    return smr_schedule_logits(session->engine->schedule);
}
