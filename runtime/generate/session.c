// session.c - one text: its tokens, its pages of KV cache, and the steps that compute them.
#include "generate/generate.h"

#include <assert.h>
#include <string.h>

static void pages_changed(smr_session *session)
{
    session->page_list = ++session->engine->last_page_list;
}

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
    pages_changed(session);
    return session;
}

void smr_session_destroy(smr_session *session)
{
    if (!session)
        return;
    smr_engine *engine = session->engine;
    smr_session_clear(session);
    smr_free(engine->context, session->tokens);
    smr_free(engine->context, session->pages);
    smr_free(engine->context, session);
}

bool smr_check_tokens(smr_context *context, const int32_t *tokens, size_t n, uint32_t n_vocab)
{
    for (size_t i = 0; i < n; i++)
        if (tokens[i] < 0 || (uint32_t)tokens[i] >= n_vocab)
            return smr_fail(context, SMR_ERROR_USAGE, "token %d: the model's tokens are 0 to %u",
                            tokens[i], n_vocab - 1);
    return true;
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
    if (!smr_check_tokens(engine->context, tokens, n_tokens, n_vocab))
        return false;
    memcpy(session->tokens + session->n_tokens, tokens, n_tokens * sizeof(*tokens));
    session->n_tokens += (uint32_t)n_tokens;
    return true;
}

size_t smr_session_length(const smr_session *session)
{
    return session->n_tokens;
}

// ---- pages --------------------------------------------------------------------------------------

// Have page `i` for this text alone, from position `begin` on. What other texts see in a page must
// stay, so a shared one is exchanged for a new one; the slots before `begin` are copied there.
static bool own_page(smr_session *session, uint32_t i, uint32_t begin)
{
    smr_engine *engine = session->engine;
    uint32_t shared = session->pages[i], first = i * SMR_PAGE_SIZE;
    if (i < session->n_pages && engine->pool.references[shared] == 1)
        return true;
    if (!smr_page_take(&engine->pool, &session->pages[i]))
        return false;
    pages_changed(session);
    if (i == session->n_pages) {
        session->n_pages++;
        return true;
    }
    if (begin > first)
        smr_schedule_copies(engine->schedule)[engine->n_copies++] = (struct smr_page_copy){
            .from = shared, .to = session->pages[i], .n_slots = begin - first};
    smr_page_release(&engine->pool, shared);
    return true;
}

// Have pages that can be written for the tokens from `begin` to `end`, and row `row` of the device's
// page table know them.
static bool ensure_pages(smr_session *session, uint32_t row, uint32_t begin, uint32_t end)
{
    smr_engine *engine = session->engine;
    for (uint32_t i = begin / SMR_PAGE_SIZE; i * SMR_PAGE_SIZE < end; i++)
        if (!own_page(session, i, begin))
            return false;
    if (engine->page_lists[row] != session->page_list)
        memcpy(smr_schedule_pages(engine->schedule) +
                   (size_t)row * smr_div_up(engine->n_context, SMR_PAGE_SIZE),
               session->pages, session->n_pages * sizeof(*session->pages));
    engine->page_lists[row] = session->page_list;
    return true;
}

void smr_session_clear(smr_session *session)
{
    for (uint32_t i = 0; i < session->n_pages; i++)
        smr_page_release(&session->engine->pool, session->pages[i]);
    smr_source_release(session->source);
    session->source = NULL;
    session->n_pages = session->n_tokens = session->n_computed = 0;
    pages_changed(session);
}

void smr_session_trim(smr_session *session)
{
    const uint32_t n_pages = smr_div_up(session->n_computed, SMR_PAGE_SIZE);
    if (session->n_pages > n_pages)
        pages_changed(session);
    while (session->n_pages > n_pages)
        smr_page_release(&session->engine->pool, session->pages[--session->n_pages]);
}

void smr_session_truncate(smr_session *session, size_t n_tokens)
{
    const uint32_t n_start = session->source ? session->n_start : 0;
    if (n_tokens < n_start)
        n_tokens = n_start;
    if (n_tokens >= session->n_tokens)
        return;
    session->n_tokens = (uint32_t)n_tokens;
    session->n_computed = smr_min_u32(session->n_computed, session->n_tokens);
    smr_session_trim(session);
}

void smr_session_fork(smr_session *to, const smr_session *from)
{
    smr_session_clear(to);
    memcpy(to->tokens, from->tokens, from->n_tokens * sizeof(*to->tokens));
    memcpy(to->pages, from->pages, from->n_pages * sizeof(*to->pages));
    to->n_tokens = from->n_tokens;
    to->n_computed = from->n_computed;
    to->n_pages = from->n_pages;
    to->page_list = from->page_list;
    to->source = smr_source_share(from->source);
    to->n_start = from->n_start;
    for (uint32_t i = 0; i < to->n_pages; i++)
        smr_page_share(&to->engine->pool, to->pages[i]);
}

bool smr_check_sequences(const smr_engine *engine, uint32_t n, const char *what)
{
    if (n && n <= engine->n_sequences)
        return true;
    return smr_fail(engine->context, SMR_ERROR_USAGE,
                    "%u %s: this engine was made for 1 to %u texts at once", n, what,
                    engine->n_sequences);
}

// ---- steps --------------------------------------------------------------------------------------

static struct smr_row row_of(const smr_session *session, uint32_t sequence, uint32_t position)
{
    uint32_t page = session->pages[position / SMR_PAGE_SIZE];
    return (struct smr_row){.token = (uint32_t)session->tokens[position],
                            .position = position,
                            .slot = page * SMR_PAGE_SIZE + position % SMR_PAGE_SIZE,
                            .sequence = sequence};
}

// Rows of the step, from `row` on, for the session's next n tokens. A draft's are among them.
static bool fill_rows(smr_session *session, uint32_t sequence, uint32_t row, uint32_t n)
{
    uint32_t begin = session->n_computed;
    struct smr_row *rows = smr_schedule_rows(session->engine->schedule) + row;
    if (!ensure_pages(session, sequence, begin, begin + n))
        return false;
    if (session->source)
        smr_source_place(session->source, sequence);
    for (uint32_t i = 0; i < n; i++)
        rows[i] = row_of(session, sequence, begin + i);
    return true;
}

// Do the copies that own_page() asked for, also when the step is given up. Where they fail, what was
// computed of the last page counts as lost.
static bool copy_pages(smr_engine *engine, smr_session *const *sessions, uint32_t n)
{
    uint32_t n_copies = engine->n_copies;
    engine->n_copies = 0;
    if (!n_copies || smr_schedule_copy_pages(engine->schedule, n_copies))
        return true;
    for (uint32_t i = 0; i < n; i++)
        if (sessions[i])
            sessions[i]->n_computed -= sessions[i]->n_computed % SMR_PAGE_SIZE;
    return false;
}

bool smr_session_fill_row(smr_session *session, struct smr_row *row, uint32_t position)
{
    bool ready = ensure_pages(session, 0, position, position + 1);
    if (session->source)
        smr_source_place(session->source, 0);
    if (!copy_pages(session->engine, &session, 1) || !ready)
        return false;
    *row = row_of(session, 0, position);
    return true;
}

// One submission: the next n_rows tokens, with the last one's logits if `last`.
static bool step(smr_session *session, uint32_t n_rows, bool last, bool read_logits)
{
    smr_engine *engine = session->engine;
    struct smr_shape shape = {.n_rows = n_rows,
                              .n_outputs = last ? 1 : 0,
                              .n_keys = session->n_computed + n_rows,
                              .n_source = smr_session_source_size(session),
                              .read_logits = last && read_logits};
    bool ready = fill_rows(session, 0, 0, n_rows);
    smr_schedule_outputs(engine->schedule)[0] = n_rows - 1;
    if (!copy_pages(engine, &session, 1) || !ready || !smr_schedule_run(engine->schedule, &shape))
        return false;
    session->n_computed += n_rows;
    return true;
}

bool smr_sessions_step(smr_engine *engine, smr_session *const *sessions, uint32_t n_rows,
                       bool read_logits)
{
    struct smr_shape shape = {.n_rows = n_rows, .n_outputs = n_rows, .read_logits = read_logits};
    bool ready = true;
    for (uint32_t i = 0; i < n_rows && ready; i++) {
        smr_schedule_outputs(engine->schedule)[i] = i;
        if (!sessions[i]) {
            smr_schedule_rows(engine->schedule)[i] = (struct smr_row){.slot = SMR_NO_SLOT};
            continue;
        }
        assert(sessions[i]->n_computed + 1 == sessions[i]->n_tokens);
        shape.n_keys = smr_max_u32(shape.n_keys, sessions[i]->n_tokens);
        shape.n_source = smr_max_u32(shape.n_source, smr_session_source_size(sessions[i]));
        ready = fill_rows(sessions[i], i, i, 1);
    }
    if (!copy_pages(engine, sessions, n_rows) || !ready ||
        !smr_schedule_run(engine->schedule, &shape))
        return false;
    for (uint32_t i = 0; i < n_rows; i++)
        if (sessions[i])
            sessions[i]->n_computed++;
    return true;
}

bool smr_session_step_draft(smr_session *session, struct smr_draft draft, bool read_logits)
{
    smr_engine *engine = session->engine;
    struct smr_shape shape = {.n_rows = draft.n_rows,
                              .n_outputs = draft.n_rows,
                              .n_keys = session->n_tokens + draft.n,
                              .n_source = smr_session_source_size(session),
                              .read_logits = read_logits};
    assert(session->n_computed + 1 == session->n_tokens && draft.n < draft.n_rows);
    bool ready = fill_rows(session, 0, 0, 1 + draft.n);
    for (uint32_t i = 0; i < draft.n_rows; i++) {
        smr_schedule_outputs(engine->schedule)[i] = i;
        if (i > draft.n)
            smr_schedule_rows(engine->schedule)[i] = (struct smr_row){.slot = SMR_NO_SLOT};
    }
    if (!copy_pages(engine, &session, 1) || !ready || !smr_schedule_run(engine->schedule, &shape))
        return false;
    session->n_computed++;
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
    if (engine->n_source && !session->source)
        return smr_fail(engine->context, SMR_ERROR_USAGE,
                        "%s has an encoder, and the text no source (smr_session_encode())",
                        engine->model->path);
    if (session->source && !smr_source_encode(session->source))
        return false;
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
