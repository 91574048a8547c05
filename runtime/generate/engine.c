// engine.c - a model on a device.
#include "generate/generate.h"

#include <string.h>

enum {
    DEFAULT_CONTEXT = 4096,
    DEFAULT_BATCH = 512,
    SOFTWARE_BATCH = 128, // where steps are slow, so that progress is seen and Ctrl-C heard
    FIRST_CHUNK = 64,     // on a GPU, until the time of a step is known
    MAX_OUTPUTS = 8,
};

static bool is_gpu(const smr_engine *engine)
{
    return smr_device_get_info(engine->device)->type <= SMR_DEVICE_INTEGRATED;
}

static bool choose_context(smr_engine *engine, const struct smr_engine_params *params)
{
    uint32_t trained = engine->model->hparams.n_context;
    uint32_t usual = trained && trained < DEFAULT_CONTEXT ? trained : DEFAULT_CONTEXT;
    engine->n_context = params->n_context ? params->n_context : usual;
    if (engine->n_context > 1u << 24)
        return smr_fail(engine->context, SMR_ERROR_USAGE,
                        "a context of %u tokens: more than %u is not possible", engine->n_context,
                        1u << 24);
    if (trained && engine->n_context > trained)
        smr_log(engine->context, SMR_LOG_WARNING,
                "the context of %u tokens is longer than the %u the model was trained for",
                engine->n_context, trained);
    return true;
}

// Where each position has a row of a table there are no more than that.
static bool check_positions(const smr_engine *engine)
{
    uint32_t positions = engine->graph.n_positions;
    if (!positions || engine->n_context <= positions)
        return true;
    return smr_fail(engine->context, SMR_ERROR_USAGE,
                    "a context of %u tokens: the model has positions for %u", engine->n_context,
                    positions);
}

static void choose_batch(smr_engine *engine, const struct smr_engine_params *params)
{
    uint32_t batch = is_gpu(engine) ? DEFAULT_BATCH : SOFTWARE_BATCH;
    engine->n_batch = smr_min_u32(params->n_batch ? params->n_batch : batch, engine->n_context);
    engine->chunk = is_gpu(engine) ? smr_min_u32(FIRST_CHUNK, engine->n_batch) : engine->n_batch;
}

static bool choose_sequences(smr_engine *engine, const struct smr_engine_params *params)
{
    engine->n_sequences = params->n_sequences ? params->n_sequences : 1;
    if (engine->n_sequences > SMR_MAX_SEQUENCES)
        return smr_fail(engine->context, SMR_ERROR_USAGE,
                        "%u texts at once: more than %u are not possible", engine->n_sequences,
                        (unsigned)SMR_MAX_SEQUENCES);
    engine->page_lists = smr_alloc(engine->context, engine->n_sequences,
                                   sizeof(*engine->page_lists), "the page table");
    return engine->page_lists != NULL;
}

// Pages of the KV cache. Texts that share a beginning, or are short, need less than n_context each.
static uint32_t count_pages(const smr_engine *engine, uint64_t n_cache)
{
    uint64_t each = smr_div_up(engine->n_context, SMR_PAGE_SIZE);
    // One more for the beginning, whose last page is only half theirs. < 2^32: 64 * 2^24 / 64.
    uint64_t most = engine->n_sequences * each + (engine->n_sequences > 1);
    uint64_t wanted = n_cache / SMR_PAGE_SIZE + 1 + 2ull * engine->n_sequences;
    if (!n_cache || wanted > most)
        wanted = most;
    return (uint32_t)(wanted < each ? each : wanted);
}

static bool choose_source(smr_engine *engine, const struct smr_engine_params *params)
{
    uint32_t usual = smr_min_u32(engine->model->hparams.n_context, DEFAULT_CONTEXT);
    uint32_t positions = engine->graph.n_positions;
    if (!engine->model->hparams.n_encoder_layers)
        return true;
    engine->n_source = params->n_source ? params->n_source : usual;
    if (engine->n_source > 1u << 20 || (positions && engine->n_source > positions))
        return smr_fail(engine->context, SMR_ERROR_USAGE,
                        "a source of %u tokens: more than %u are not possible", engine->n_source,
                        positions ? positions : 1u << 20);
    engine->placed_sources = smr_alloc(engine->context, engine->n_sequences,
                                       sizeof(*engine->placed_sources), "the table of sources");
    // Two of them: the one that comes next is there before the last one goes.
    return engine->placed_sources &&
           smr_page_pool_init(&engine->source_pool, engine->context,
                              2 * smr_div_up(engine->n_source, SMR_PAGE_SIZE));
}

static bool check_model(const smr_model *model)
{
    struct smr_model_info info;
    smr_model_info(model, &info);
    if (info.has_weights)
        return true;
    return smr_fail(model->context, SMR_ERROR_MODEL,
                    "%s: holds no weights, only a vocabulary: it can be used to tokenize",
                    model->path);
}

static struct smr_schedule *create_schedule(smr_engine *engine,
                                            const struct smr_engine_params *params)
{
    choose_batch(engine, params);
    struct smr_schedule_params schedule = {
        .tuning = params->tuning,
        .cache_type = params->cache_type_set ? params->cache_type : SMR_F16,
        .max_rows = smr_max_u32(engine->n_batch, engine->n_sequences),
        .max_outputs = smr_max_u32(MAX_OUTPUTS, engine->n_sequences),
        .max_sequences = engine->n_sequences,
        .max_pages = smr_div_up(engine->n_context, SMR_PAGE_SIZE),
        .n_pages = count_pages(engine, params->n_cache),
        .page_size = SMR_PAGE_SIZE,
        .max_source = engine->n_source,
        .max_source_pages = smr_div_up(engine->n_source, SMR_PAGE_SIZE),
        .n_source_pages = engine->source_pool.n_pages,
        .progress = params->progress,
        .user = params->user};
    if (!smr_page_pool_init(&engine->pool, engine->context, schedule.n_pages))
        return NULL;
    return smr_schedule_create(engine->device, engine->kernels, &engine->graph, &schedule);
}

smr_engine *smr_engine_create(smr_model *model, const struct smr_engine_params *params)
{
    static const struct smr_engine_params defaults = {0};
    smr_context *context = model->context;
    uint64_t start = smr_time_ns();
    if (!params)
        params = &defaults;
    if (!check_model(model))
        return NULL;
    smr_engine *engine = smr_alloc(context, 1, sizeof(*engine), "an engine");
    if (!engine)
        return NULL;
    engine->context = context;
    engine->model = model;
    if (!choose_context(engine, params) || !choose_sequences(engine, params) ||
        !smr_graph_build(&engine->graph, model, engine->n_context) || !check_positions(engine) ||
        !choose_source(engine, params) ||
        !(engine->device = smr_device_open(context, params->device)) ||
        !(engine->kernels = smr_kernel_set_create(engine->device, params->kernels)) ||
        !(engine->schedule = create_schedule(engine, params))) {
        smr_engine_destroy(engine);
        return NULL;
    }
    engine->load_ns = smr_time_ns() - start;
    return engine;
}

void smr_engine_destroy(smr_engine *engine)
{
    if (!engine)
        return;
    smr_schedule_destroy(engine->schedule);
    smr_kernel_set_destroy(engine->kernels);
    smr_device_close(engine->device);
    smr_graph_finish(&engine->graph);
    smr_page_pool_finish(&engine->pool);
    smr_free(engine->context, engine->page_lists);
    smr_page_pool_finish(&engine->source_pool);
    smr_free(engine->context, engine->placed_sources);
    smr_free(engine->context, engine);
}

const struct smr_device_info *smr_engine_device(const smr_engine *engine)
{
    return smr_device_get_info(engine->device);
}

uint32_t smr_engine_context_size(const smr_engine *engine)
{
    return engine->n_context;
}

uint32_t smr_engine_source_size(const smr_engine *engine)
{
    return engine->n_source;
}

void smr_engine_memory(const smr_engine *engine, struct smr_memory_use *use)
{
    smr_schedule_memory(engine->schedule, use);
}

void smr_engine_times(const smr_engine *engine, struct smr_engine_times *times)
{
    times->load_ns = engine->load_ns;
    times->compile_ns = smr_schedule_compile_ns(engine->schedule);
}
