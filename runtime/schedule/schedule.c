// schedule.c - what all steps share, and programs by shape: plan, record once, replay.
#include "schedule/schedule_impl.h"

// Keys are counted in buckets, so that a growing text does not ask for a new program at each token.
enum { MIN_KEYS = 256 };

static uint32_t keys_bucket(uint32_t n_keys)
{
    uint32_t bucket = MIN_KEYS;
    while (bucket < n_keys)
        bucket *= 2;
    return bucket;
}

// ---- programs -------------------------------------------------------------------------------------

static void program_finish(struct smr_schedule *schedule, struct smr_program *program)
{
    smr_list_destroy(program->list);
    smr_free(schedule->context, program->dispatches);
    *program = (struct smr_program){0};
}

static smr_buffer *create_buffer(struct smr_schedule *schedule, uint64_t size, enum smr_memory kind,
                                 const char *name)
{
    return smr_buffer_create(
        schedule->device,
        &(struct smr_buffer_params){.size = smr_align_up(size, 4), .kind = kind, .name = name});
}

// The arena is made for the widest step. Should another shape need more (places are found greedily),
// it is made anew, and with it all programs that were recorded on it.
static bool ensure_arena(struct smr_schedule *schedule, uint64_t size)
{
    if (schedule->arena && smr_buffer_size(schedule->arena) >= size)
        return true;
    if (schedule->arena && !smr_device_wait(schedule->device))
        return false;
    for (uint32_t i = 0; i < SMR_MAX_PROGRAMS; i++)
        program_finish(schedule, &schedule->programs[i]);
    smr_buffer_destroy(schedule->arena);
    schedule->arena = create_buffer(schedule, size, SMR_MEMORY_DEVICE, "activations");
    schedule->use.activations = schedule->arena ? size : 0;
    return schedule->arena != NULL;
}

static bool ensure_logits(struct smr_schedule *schedule)
{
    uint64_t n_vocab = schedule->graph->values[schedule->graph->logits].n_cols;
    if (!schedule->logits)
        schedule->logits = create_buffer(schedule, schedule->params.max_outputs * n_vocab * 4,
                                         SMR_MEMORY_READBACK, "logits");
    return schedule->logits != NULL;
}

static bool ensure_counts(struct smr_schedule *schedule)
{
    uint64_t n_vocab = schedule->graph->values[schedule->graph->logits].n_cols;
    if (schedule->counts)
        return true;
    uint32_t *zeros = smr_alloc(schedule->context, n_vocab, sizeof(*zeros), "counts of tokens");
    if (zeros)
        schedule->counts =
            create_buffer(schedule, n_vocab * 4, SMR_MEMORY_DEVICE, "counts of tokens");
    bool done = schedule->counts && smr_buffer_write(schedule->counts, 0, zeros, n_vocab * 4);
    smr_free(schedule->context, zeros);
    if (!done) {
        smr_buffer_destroy(schedule->counts);
        schedule->counts = NULL;
    }
    return done;
}

static bool record(struct smr_schedule *schedule, struct smr_program *program,
                   const struct smr_placement *placement)
{
    const struct smr_graph *graph = schedule->graph;
    program->list = smr_list_create(schedule->device, "step");
    if (!program->list)
        return false;
    for (uint32_t i = 0; i < program->n_dispatches; i++) {
        const struct smr_dispatch *dispatch = &program->dispatches[i];
        smr_kernel_dispatch(schedule->kernels, program->list, &dispatch->key, dispatch->bindings,
                            dispatch->push);
    }
    if (program->shape.read_logits && program->shape.n_outputs) {
        uint64_t size = program->shape.n_outputs * 4ull * graph->values[graph->logits].n_cols;
        struct smr_binding from = {schedule->arena, placement->offsets[graph->logits], size};
        struct smr_binding to = {schedule->logits, 0, size};
        smr_list_copy(program->list, &from, &to);
    }
    return smr_list_end(program->list);
}

// Choose each dispatch's kernel and compile it. Where one turns out not to compute rightly on this
// device, once more: another is chosen then.
bool smr_schedule_choose_kernels(struct smr_schedule *schedule, const struct smr_program *program)
{
    struct smr_kernel_set *kernels = schedule->kernels;
    uint32_t n_rejected;
    do {
        n_rejected = smr_kernel_set_n_rejected(kernels);
        for (uint32_t i = 0; i < program->n_dispatches; i++) {
            struct smr_dispatch *dispatch = &program->dispatches[i];
            if (!smr_kernel_choose(kernels, dispatch->key.id, (enum smr_type)dispatch->key.type,
                                   dispatch->push, &dispatch->key) ||
                !smr_kernel_set_request(kernels, &dispatch->key, dispatch->push))
                return false;
        }
        if (!smr_kernel_set_build(kernels, schedule->params.progress, schedule->params.user))
            return false;
    } while (smr_kernel_set_n_rejected(kernels) > n_rejected);
    return true;
}

static bool tune(struct smr_schedule *schedule, const struct smr_program *program)
{
    bool changed;
    return smr_schedule_tune(schedule, program, &changed) &&
           (!changed || smr_schedule_choose_kernels(schedule, program));
}

static bool make(struct smr_schedule *schedule, struct smr_program *program,
                 const struct smr_plan *plan, const struct smr_placement *placement)
{
    uint64_t start = smr_time_ns();
    bool done = smr_schedule_emit(schedule, program, plan, placement) &&
                smr_schedule_choose_kernels(schedule, program) && tune(schedule, program) &&
                record(schedule, program, placement);
    smr_free(schedule->context, program->dispatches);
    program->dispatches = NULL;
    schedule->compile_ns += smr_time_ns() - start;
    return done;
}

static bool same_shape(const struct smr_shape *a, const struct smr_shape *b)
{
    return a->n_rows == b->n_rows && a->n_outputs == b->n_outputs && a->n_keys == b->n_keys &&
           a->n_source == b->n_source && a->read_logits == b->read_logits && a->chain == b->chain &&
           a->choice == b->choice && a->encode == b->encode;
}

// The program of a shape; when it is not there, the one that was not used for longest makes room.
static struct smr_program *get(struct smr_schedule *schedule, const struct smr_shape *wanted)
{
    struct smr_shape shape = *wanted;
    struct smr_program *oldest = &schedule->programs[0];
    shape.n_keys = keys_bucket(shape.n_keys);
    shape.n_source = keys_bucket(shape.n_source);
    for (uint32_t i = 0; i < SMR_MAX_PROGRAMS; i++) {
        struct smr_program *program = &schedule->programs[i];
        if (program->list && same_shape(&program->shape, &shape))
            return program;
        if (program->last_use < oldest->last_use)
            oldest = program;
    }
    struct smr_arena memory;
    struct smr_plan plan;
    struct smr_placement placement;
    smr_arena_init(&memory, schedule->context);
    bool done = smr_schedule_fuse(schedule, &shape, &memory, &plan) &&
                smr_schedule_place(schedule, &shape, &plan, &memory, &placement) &&
                ensure_arena(schedule, placement.size) &&
                (!shape.read_logits || ensure_logits(schedule)) &&
                (shape.choice != SMR_CHOICE_PENALISED || ensure_counts(schedule));
    if (done) {
        program_finish(schedule, oldest);
        oldest->shape = shape;
        done = make(schedule, oldest, &plan, &placement);
        if (!done)
            program_finish(schedule, oldest);
    }
    smr_arena_finish(&memory);
    return done ? oldest : NULL;
}

bool smr_schedule_prepare(struct smr_schedule *schedule, const struct smr_shape *shape)
{
    return get(schedule, shape) != NULL;
}

bool smr_schedule_submit(struct smr_schedule *schedule, const struct smr_shape *shape)
{
    struct smr_program *program = get(schedule, shape);
    if (!program)
        return false;
    program->last_use = ++schedule->n_runs;
    return smr_device_submit(schedule->device, program->list);
}

bool smr_schedule_wait(struct smr_schedule *schedule, const struct smr_shape *shape)
{
    struct smr_program *program = get(schedule, shape);
    return program && smr_list_wait(program->list);
}

bool smr_schedule_run(struct smr_schedule *schedule, const struct smr_shape *shape)
{
    return smr_schedule_submit(schedule, shape) && smr_device_wait(schedule->device);
}

// ---- what all steps share ---------------------------------------------------------------------------

static bool create_step(struct smr_schedule *schedule)
{
    const struct smr_schedule_params *params = &schedule->params;
    uint64_t alignment = smr_device_limits(schedule->device)->binding_alignment, end = 0;
    uint64_t n_rows = smr_max_u32(params->max_rows, params->max_source);
    uint64_t n_sequences = params->max_sequences;
    struct {
        struct smr_binding *binding;
        uint64_t size;
    } parts[] = {
        {&schedule->rows, n_rows * sizeof(struct smr_row)},
        {&schedule->rows_odd, sizeof(struct smr_row)},
        {&schedule->pages, n_sequences * params->max_pages * 4},
        {&schedule->outputs, params->max_outputs * 4ull},
        {&schedule->draws[0], sizeof(struct smr_draw)},
        {&schedule->draws[1], sizeof(struct smr_draw)},
        {&schedule->history, (uint64_t)params->max_pages * params->page_size * 4},
        {&schedule->bias, SMR_MAX_DRAW_BIAS * sizeof(struct smr_draw_bias)},
        {&schedule->copies, n_sequences * sizeof(struct smr_page_copy)},
        {&schedule->source_pages, n_sequences * params->max_source_pages * 4},
        {&schedule->source_lengths, params->max_source ? n_sequences * 4 : 0},
    };
    for (size_t i = 0; i < SMR_COUNT(parts); i++) {
        end = smr_align_up(end, alignment);
        *parts[i].binding = (struct smr_binding){NULL, end, parts[i].size};
        end += parts[i].size;
    }
    schedule->step = create_buffer(schedule, end, SMR_MEMORY_UPLOAD, "step");
    for (size_t i = 0; i < SMR_COUNT(parts); i++)
        parts[i].binding->buffer = schedule->step;
    return schedule->step != NULL;
}

static bool create_reduced(struct smr_schedule *schedule)
{
    uint32_t n_vocab = schedule->graph->values[schedule->graph->logits].n_cols;
    uint64_t row_size = smr_div_up(n_vocab, SMR_REDUCE_CHUNK) * sizeof(struct smr_reduced);
    uint64_t alignment = smr_device_limits(schedule->device)->binding_alignment;
    uint64_t token_size = smr_align_up(4, alignment);
    schedule->reduced_odd = smr_align_up(schedule->params.max_outputs * row_size, alignment);
    schedule->reduced = create_buffer(schedule, schedule->reduced_odd + row_size,
                                      SMR_MEMORY_READBACK, "reduced logits");
    schedule->picked = create_buffer(schedule, 4, SMR_MEMORY_DEVICE, "picked token");
    schedule->drawn = create_buffer(schedule, 2 * token_size, SMR_MEMORY_READBACK, "drawn tokens");
    for (uint32_t i = 0; i < 2; i++)
        schedule->drawn_tokens[i] = (struct smr_binding){schedule->drawn, i * token_size, 4};
    return schedule->reduced && schedule->picked && schedule->drawn;
}

// Bytes of the keys, or the values, of one layer.
static uint64_t cache_layer_size(const struct smr_schedule *schedule, uint32_t n_pages)
{
    const struct smr_hparams *hparams = &schedule->graph->model->hparams;
    uint64_t slots = (uint64_t)n_pages * schedule->params.page_size;
    return slots *
           smr_cache_size(schedule->params.cache_type, hparams->n_kv_heads * hparams->head_dim);
}

// Buffers of the memory of sources: none without an encoder, else for each of the decoder's layers
// and for the encoder's own.
static uint32_t n_source_buffers(const struct smr_schedule *schedule)
{
    return schedule->params.max_source ? 2 * (schedule->graph->model->hparams.n_layers + 1) : 0;
}

static uint64_t cache_size(const struct smr_schedule *schedule)
{
    const struct smr_schedule_params *params = &schedule->params;
    return 2ull * schedule->graph->model->hparams.n_layers *
               cache_layer_size(schedule, params->n_pages) +
           n_source_buffers(schedule) * cache_layer_size(schedule, params->n_source_pages);
}

// `n` buffers for that many pages, keys and values in turn. What was made is in the list.
static smr_buffer **create_cache_buffers(struct smr_schedule *schedule, uint32_t n,
                                         uint32_t n_pages, const char *what)
{
    uint64_t limit = smr_device_limits(schedule->device)->max_binding_size;
    uint64_t size = cache_layer_size(schedule, n_pages);
    if (size > limit) {
        uint64_t slots = (uint64_t)n_pages * schedule->params.page_size;
        smr_fail(schedule->context, SMR_ERROR_DEVICE,
                 "a %s of %llu tokens needs %llu MiB of KV cache per layer, and %s binds at most "
                 "%llu MiB: a %s of %llu tokens fits",
                 what, (unsigned long long)slots, (unsigned long long)(size >> 20),
                 smr_device_get_info(schedule->device)->name, (unsigned long long)(limit >> 20),
                 what, (unsigned long long)(limit / (size / slots)));
        return NULL;
    }
    return smr_alloc(schedule->context, n, sizeof(smr_buffer *), "the KV cache's buffers");
}

static bool fill_cache(struct smr_schedule *schedule, smr_buffer **buffers, uint32_t n,
                       uint32_t n_pages)
{
    uint64_t size = cache_layer_size(schedule, n_pages);
    for (uint32_t i = 0; i < n; i++) {
        buffers[i] =
            create_buffer(schedule, size, SMR_MEMORY_DEVICE, i & 1 ? "value cache" : "key cache");
        if (!buffers[i])
            return false;
        schedule->use.cache += size;
    }
    return true;
}

static bool create_cache(struct smr_schedule *schedule)
{
    const struct smr_hparams *hparams = &schedule->graph->model->hparams;
    const struct smr_schedule_params *params = &schedule->params;
    uint32_t n = 2 * hparams->n_layers, n_source = n_source_buffers(schedule);
    if (!smr_cache_type_fits(params->cache_type, hparams->head_dim))
        return smr_fail(schedule->context, SMR_ERROR_USAGE,
                        "a KV cache of type %s cannot hold heads of %u elements: take f16 or f32",
                        smr_type_info(params->cache_type)->name, hparams->head_dim);
    schedule->cache = create_cache_buffers(schedule, n, params->n_pages, "context");
    if (!schedule->cache || !fill_cache(schedule, schedule->cache, n, params->n_pages))
        return false;
    if (!n_source)
        return true;
    schedule->source_cache =
        create_cache_buffers(schedule, n_source, params->n_source_pages, "source");
    return schedule->source_cache &&
           fill_cache(schedule, schedule->source_cache, n_source, params->n_source_pages);
}

static void destroy_cache(struct smr_schedule *schedule)
{
    uint32_t n_layers = schedule->graph->model->hparams.n_layers;
    for (uint32_t i = 0; schedule->cache && i < 2 * n_layers; i++)
        smr_buffer_destroy(schedule->cache[i]);
    for (uint32_t i = 0; schedule->source_cache && i < n_source_buffers(schedule); i++)
        smr_buffer_destroy(schedule->source_cache[i]);
    smr_free(schedule->context, schedule->cache);
    smr_free(schedule->context, schedule->source_cache);
}

// Bytes of activations of the widest steps: of the decoder, and of the encoder.
static bool arena_size(const struct smr_schedule *schedule, uint64_t *size)
{
    const struct smr_schedule_params *params = &schedule->params;
    const struct smr_shape widest[] = {
        {.n_rows = params->max_rows, .n_outputs = params->max_outputs, .n_keys = MIN_KEYS},
        {.n_rows = params->max_source, .n_keys = MIN_KEYS, .encode = true},
    };
    *size = 0;
    for (size_t i = 0; i < SMR_COUNT(widest) && widest[i].n_rows; i++) {
        struct smr_plan plan;
        struct smr_placement placement;
        struct smr_arena memory;
        smr_arena_init(&memory, schedule->context);
        bool placed = smr_schedule_fuse(schedule, &widest[i], &memory, &plan) &&
                      smr_schedule_place(schedule, &widest[i], &plan, &memory, &placement);
        smr_arena_finish(&memory);
        if (!placed)
            return false;
        *size = placement.size > *size ? placement.size : *size;
    }
    return true;
}

// Bytes that a device has for a model. What an integrated GPU shares with the host, the host can free;
// how much of it, the driver does not tell. A processor's is what can be had without swapping, and of
// that the driver and its compiler need some.
static uint64_t memory_there(const struct smr_device_info *info)
{
    if (info->type == SMR_DEVICE_INTEGRATED)
        return info->memory;
    uint64_t there = info->memory_free;
    if (info->type != SMR_DEVICE_DISCRETE)
        there -= there / 32;
    return there < info->memory ? there : info->memory;
}

// Before anything is uploaded: what the model needs, and what there is. *arena receives the bytes of
// activations.
static bool check_memory(struct smr_schedule *schedule, uint64_t *arena)
{
    const struct smr_graph *graph = schedule->graph;
    const struct smr_device_info *info = smr_device_get_info(schedule->device);
    uint64_t weights = 0, cache = cache_size(schedule);
    if (!arena_size(schedule, arena))
        return false;
    for (uint32_t i = 0; i < graph->n_values; i++)
        if (graph->values[i].kind == SMR_VALUE_WEIGHT)
            weights += graph->values[i].tensor->size;
    uint64_t needed = weights + cache + *arena;
    uint64_t there = memory_there(info);
    if (!there || needed <= there)
        return true;
    return smr_fail(
        schedule->context, SMR_ERROR_MEMORY,
        "%s needs %llu MiB on the device (weights %llu, KV cache %llu, activations "
        "%llu) and %s has %llu MiB for it: try a smaller context (-c), --cache-type q8_0, a "
        "smaller quantisation or another --device",
        graph->model->path, (unsigned long long)(needed >> 20), (unsigned long long)(weights >> 20),
        (unsigned long long)(cache >> 20), (unsigned long long)(*arena >> 20), info->name,
        (unsigned long long)(there >> 20));
}

struct smr_schedule *smr_schedule_create(smr_device *device, struct smr_kernel_set *kernels,
                                         const struct smr_graph *graph,
                                         const struct smr_schedule_params *params)
{
    smr_context *context = smr_device_context(device);
    struct smr_schedule *schedule = smr_alloc(context, 1, sizeof(*schedule), "a schedule");
    if (!schedule)
        return NULL;
    schedule->context = context;
    schedule->device = device;
    schedule->kernels = kernels;
    schedule->graph = graph;
    schedule->params = *params;
    smr_arena_init(&schedule->memory, context);
    uint64_t arena;
    if (!check_memory(schedule, &arena) || !create_cache(schedule) || !create_step(schedule) ||
        !create_reduced(schedule) || !ensure_arena(schedule, arena) ||
        !smr_schedule_place_weights(schedule)) {
        smr_schedule_destroy(schedule);
        return NULL;
    }
    return schedule;
}

void smr_schedule_destroy(struct smr_schedule *schedule)
{
    if (!schedule)
        return;
    for (uint32_t i = 0; i < SMR_MAX_PROGRAMS; i++)
        program_finish(schedule, &schedule->programs[i]);
    smr_list_destroy(schedule->copy_list);
    for (uint32_t i = 0; i < schedule->n_weights; i++)
        smr_buffer_destroy(schedule->weights[i]);
    destroy_cache(schedule);
    smr_buffer_destroy(schedule->step);
    smr_buffer_destroy(schedule->reduced);
    smr_buffer_destroy(schedule->picked);
    smr_buffer_destroy(schedule->counts);
    smr_buffer_destroy(schedule->drawn);
    smr_buffer_destroy(schedule->logits);
    smr_buffer_destroy(schedule->arena);
    smr_free(schedule->context, schedule->weights);
    smr_arena_finish(&schedule->memory);
    smr_free(schedule->context, schedule);
}

// What the host sees of a range.
static void *data_of(const struct smr_binding *binding)
{
    return (uint8_t *)smr_buffer_data(binding->buffer) + binding->offset;
}

struct smr_row *smr_schedule_rows(struct smr_schedule *schedule)
{
    return data_of(&schedule->rows);
}

struct smr_row *smr_schedule_rows_odd(struct smr_schedule *schedule)
{
    return data_of(&schedule->rows_odd);
}

const struct smr_reduced *smr_schedule_reduced_odd(struct smr_schedule *schedule)
{
    const uint8_t *reduced = smr_buffer_data(schedule->reduced);
    return (const struct smr_reduced *)(reduced + schedule->reduced_odd);
}

uint32_t *smr_schedule_pages(struct smr_schedule *schedule)
{
    return data_of(&schedule->pages);
}

uint32_t *smr_schedule_outputs(struct smr_schedule *schedule)
{
    return data_of(&schedule->outputs);
}

struct smr_draw *smr_schedule_draw(struct smr_schedule *schedule, enum smr_chain_step step)
{
    return data_of(&schedule->draws[step == SMR_CHAIN_ODD]);
}

uint32_t *smr_schedule_history(struct smr_schedule *schedule)
{
    return data_of(&schedule->history);
}

struct smr_draw_bias *smr_schedule_bias(struct smr_schedule *schedule)
{
    return data_of(&schedule->bias);
}

uint32_t smr_schedule_drawn(struct smr_schedule *schedule, enum smr_chain_step step)
{
    return *(const uint32_t *)data_of(&schedule->drawn_tokens[step == SMR_CHAIN_ODD]);
}

uint32_t *smr_schedule_source_pages(struct smr_schedule *schedule)
{
    return data_of(&schedule->source_pages);
}

uint32_t *smr_schedule_source_lengths(struct smr_schedule *schedule)
{
    return data_of(&schedule->source_lengths);
}

const struct smr_reduced *smr_schedule_reduced(struct smr_schedule *schedule)
{
    return smr_buffer_data(schedule->reduced);
}

const float *smr_schedule_logits(struct smr_schedule *schedule)
{
    return smr_buffer_data(schedule->logits);
}

void smr_schedule_memory(const struct smr_schedule *schedule, struct smr_memory_use *use)
{
    *use = schedule->use;
    use->total = use->weights + use->cache + use->activations;
}

uint64_t smr_schedule_compile_ns(const struct smr_schedule *schedule)
{
    return schedule->compile_ns;
}
