// test_schedule.c - planning: activations never lie on each other while alive, weights that exceed a
// device's limits are split without a change in the results, programs are kept and replaced.
#include "device/device_impl.h" // to lower limits
#include "schedule/schedule_impl.h"
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct subject {
    smr_context *context;
    smr_model *model;
    struct smr_graph graph;
    smr_device *device;
    struct smr_kernel_set *kernels;
    struct smr_schedule *schedule;
    bool copy; // weights, though the device could read them in place
};

static void open_subject(struct subject *s, const char *name, uint64_t max_binding_size)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/golden/%s.gguf", getenv("SMR_TEST_DIR"), name);
    s->context = test_context(NULL, NULL);
    assert_non_null(s->model = smr_model_open(s->context, path));
    assert_true(smr_graph_build(&s->graph, s->model, 256));
    assert_non_null(s->device = smr_device_open(s->context, "reference"));
    if (max_binding_size)
        s->device->limits.max_binding_size = max_binding_size;
    s->device->limits.unified_memory = s->device->limits.unified_memory && !s->copy;
    assert_non_null(s->kernels = smr_kernel_set_create(s->device, SMR_KERNELS_TUNED));
    struct smr_schedule_params params = {.cache_type = SMR_F32,
                                         .max_rows = 64,
                                         .max_outputs = 4,
                                         .max_sequences = 1,
                                         .max_pages = 4,
                                         .n_pages = 4,
                                         .page_size = 32};
    s->schedule = smr_schedule_create(s->device, s->kernels, &s->graph, &params);
    if (!s->schedule)
        fail_msg("%s", smr_context_error(s->context));
}

static void close_subject(struct subject *s)
{
    smr_schedule_destroy(s->schedule);
    smr_kernel_set_destroy(s->kernels);
    smr_device_close(s->device);
    smr_graph_finish(&s->graph);
    smr_model_close(s->model);
    smr_context_destroy(s->context);
}

// ---- the arena ----------------------------------------------------------------------------------------

static uint64_t bytes_of(const struct subject *s, const struct smr_shape *shape, smr_id id)
{
    const struct smr_value *value = &s->graph.values[id];
    return smr_shape_rows(shape, value->rows) * (uint64_t)value->n_cols * 4;
}

static void mark(const struct subject *s, const struct smr_shape *shape,
                 const struct smr_placement *placement, uint32_t *arena, smr_id id)
{
    const struct smr_value *value = &s->graph.values[id];
    uint64_t offset = placement->offsets[id];
    if (offset == UINT64_MAX)
        return;
    assert_int_equal(offset % 256, 0);
    assert_true(offset + bytes_of(s, shape, id) <= placement->size);
    for (uint32_t r = 0; r < smr_shape_rows(shape, value->rows); r++)
        for (uint32_t c = 0; c < value->n_cols; c++)
            arena[offset / 4 + (uint64_t)r * value->n_cols + c] = id;
}

static void check_mark(const struct subject *s, const struct smr_shape *shape,
                       const struct smr_placement *placement, const uint32_t *arena, smr_id id)
{
    const struct smr_value *value = &s->graph.values[id];
    uint64_t offset = placement->offsets[id];
    for (uint32_t r = 0; offset != UINT64_MAX && r < smr_shape_rows(shape, value->rows); r++)
        for (uint32_t c = 0; c < value->n_cols; c++)
            assert_int_equal(arena[offset / 4 + (uint64_t)r * value->n_cols + c], id);
}

// Fill every activation with its own mark when it is written, and look at the marks when it is read,
// before anything is written and after: what a step writes must not lie on what it reads.
static void replay(const struct subject *s, const struct smr_shape *shape,
                   const struct smr_plan *plan, const struct smr_placement *placement)
{
    uint32_t *arena = calloc(placement->size / 4 + 1, 4);
    assert_non_null(arena);
    for (uint32_t i = 0; i < plan->n_steps; i++) {
        const struct smr_step *step = &plan->steps[i];
        const struct smr_op *op = &step->op;
        const smr_id in[] = {op->in, op->in2, op->in3, op->add ? op->out : 0};
        for (size_t j = 0; j < SMR_COUNT(in); j++)
            check_mark(s, shape, placement, arena, in[j]);
        if (placement->scratch[i])
            arena[placement->scratch[i] / 4] = UINT32_MAX;
        for (uint32_t j = 0; j < step->n_parts && !step->gated; j++)
            mark(s, shape, placement, arena, step->parts[j].out);
        mark(s, shape, placement, arena, op->out);
        mark(s, shape, placement, arena, step->next_out);
        for (size_t j = 0; j < SMR_COUNT(in); j++)
            check_mark(s, shape, placement, arena, in[j]);
    }
    free(arena);
}

static void activations_keep_what_was_written(void **state)
{
    static const struct smr_shape shapes[] = {
        {1, 1, 256, 0}, {1, 0, 256, 0}, {3, 1, 4096, 0}, {8, 4, 65536, 0}, {64, 1, 256, 0},
    };
    struct subject s = {0};
    open_subject(&s, "gemma3-d8-window8", 0);
    for (size_t i = 0; i < SMR_COUNT(shapes); i++) {
        struct smr_arena memory;
        struct smr_plan plan;
        struct smr_placement placement;
        uint64_t sum = 0;
        smr_arena_init(&memory, s.context);
        assert_true(smr_schedule_fuse(s.schedule, &shapes[i], &memory, &plan));
        assert_true(smr_schedule_place(s.schedule, &shapes[i], &plan, &memory, &placement));
        replay(&s, &shapes[i], &plan, &placement);
        for (uint32_t id = 0; id < s.graph.n_values; id++)
            if (placement.offsets[id] != UINT64_MAX)
                sum += bytes_of(&s, &shapes[i], id);
        uint32_t n_twice = 0; // norms that make the next one, too
        for (uint32_t j = 0; j < plan.n_steps; j++)
            n_twice += plan.steps[j].next_norm != 0;
        if (shapes[i].n_rows == 64) {
            assert_true(placement.size < sum / 4); // memory is used again
            // No product takes them, but in the last layer that of the row that is wanted.
            assert_int_equal(n_twice, 2 * s.model->hparams.n_layers - 2);
        }
        smr_arena_finish(&memory);
    }
    close_subject(&s);
}

// ---- split weights --------------------------------------------------------------------------------------

static void prefill(struct subject *s, uint32_t n_rows, float *logits)
{
    struct smr_row *rows = smr_schedule_rows(s->schedule);
    for (uint32_t i = 0; i < n_rows; i++) // tokens all over the vocabulary
        rows[i] =
            (struct smr_row){.token = i * 41 % s->model->hparams.n_vocab, .position = i, .slot = i};
    for (uint32_t i = 0; i < 4; i++)
        smr_schedule_pages(s->schedule)[i] = i;
    smr_schedule_outputs(s->schedule)[0] = n_rows - 1;
    struct smr_shape shape = {n_rows, 1, n_rows, true};
    if (!smr_schedule_run(s->schedule, &shape))
        fail_msg("%s", smr_context_error(s->context));
    memcpy(logits, smr_schedule_logits(s->schedule), s->model->hparams.n_vocab * sizeof(float));
}

// The logits of a model whose weights are split into parts of a size are those of the whole.
static void compare_split(const char *name, uint64_t part_size)
{
    static const uint32_t n_rows[] = {1, 5, 30};
    struct subject whole = {0}, split = {0};
    static float a[4096], b[4096];
    open_subject(&whole, name, 0);
    uint64_t alignment = smr_device_limits(whole.device)->binding_alignment;
    open_subject(&split, name, part_size + 4 + alignment);
    uint32_t n_vocab = whole.model->hparams.n_vocab, n_split = 0;
    assert_true(n_vocab < SMR_COUNT(a));
    for (uint32_t i = 0; i < split.graph.n_values; i++)
        n_split += split.schedule->placed[i].n_parts > 1;
    assert_true(n_split > 0);
    for (size_t i = 0; i < SMR_COUNT(n_rows); i++) {
        prefill(&whole, n_rows[i], a);
        prefill(&split, n_rows[i], b);
        for (uint32_t token = 0; token < n_vocab; token++)
            assert_float_equal(a[token], b[token], 1e-5);
    }
    close_subject(&whole);
    close_subject(&split);
}

static uint32_t n_dispatches(const struct subject *s, uint32_t n_rows)
{
    for (uint32_t i = 0; i < SMR_MAX_PROGRAMS; i++)
        if (s->schedule->programs[i].list && s->schedule->programs[i].shape.n_rows == n_rows)
            return s->schedule->programs[i].n_dispatches;
    fail_msg("no program of %u rows", n_rows);
    return 0;
}

// Of one row a layer is queries, keys and values; rotation; attention; output; gate and up; down. Norms
// are done where their results are read, those of heads by the rotation. Gemma adds results to the
// stream after a norm: two more. Before the layers the embedding, then logits and their maxima.
static void neighbours_are_one_dispatch(void **state)
{
    static const struct {
        const char *model;
        uint32_t of_layer;
    } cases[] = {{"llama-text-bpe", 6}, {"qwen3-d20", 6}, {"gemma3-d8-window8", 8}};
    static float logits[4096];
    for (size_t i = 0; i < SMR_COUNT(cases); i++) {
        struct subject s = {0};
        open_subject(&s, cases[i].model, 0);
        prefill(&s, 1, logits);
        assert_int_equal(n_dispatches(&s, 1), cases[i].of_layer * s.model->hparams.n_layers + 3);
        close_subject(&s);
    }
}

// Weights that are copied to the device are bound together as those in the file are.
static void copied_weights_are_bound_together(void **state)
{
    struct subject s = {.copy = true}, in_place = {0};
    static float a[4096], b[4096];
    open_subject(&s, "llama-text-bpe", 0);
    open_subject(&in_place, "llama-text-bpe", 0);
    prefill(&s, 1, a);
    prefill(&in_place, 1, b);
    assert_int_equal(n_dispatches(&s, 1), n_dispatches(&in_place, 1));
    assert_memory_equal(a, b, s.model->hparams.n_vocab * sizeof(float));
    close_subject(&in_place);
    close_subject(&s);
}

static void split_weights_give_the_same_logits(void **state)
{
    const uint64_t row_size = 32 * sizeof(float); // of 283 tokens
    compare_split("llama-text-bpe", 256 * row_size);
}

static void split_experts_give_the_same_logits(void **state)
{
    const uint64_t expert_size = 17 * 28 * sizeof(float); // of seven
    compare_split("qwen3moe-e7", 6 * expert_size);
}

static void a_row_that_fits_nowhere_is_an_error(void **state)
{
    struct subject s = {0};
    open_subject(&s, "llama-text-bpe", 0);
    s.device->limits.max_binding_size = 64;
    struct smr_schedule_params params = s.schedule->params;
    assert_null(smr_schedule_create(s.device, s.kernels, &s.graph, &params));
    assert_int_equal(smr_context_status(s.context), SMR_ERROR_DEVICE);
    close_subject(&s);
}

static void a_model_that_does_not_fit_says_so(void **state)
{
    struct subject s = {0};
    open_subject(&s, "llama-text-bpe", 0);
    s.device->info.memory = s.device->info.memory_free = 1000;
    struct smr_schedule_params params = s.schedule->params;
    assert_null(smr_schedule_create(s.device, s.kernels, &s.graph, &params));
    assert_int_equal(smr_context_status(s.context), SMR_ERROR_MEMORY);
    assert_non_null(strstr(smr_context_error(s.context), "needs"));
    // What the machine has counts only as far as it is free.
    struct smr_memory_use use;
    smr_schedule_memory(s.schedule, &use);
    s.device->info.memory = UINT64_MAX;
    const uint64_t n_pages =
        smr_device_get_info(s.device)->memory_free / (use.cache / params.n_pages);
    assert_true(n_pages <= UINT32_MAX);
    params.n_pages = (uint32_t)n_pages;
    assert_null(smr_schedule_create(s.device, s.kernels, &s.graph, &params));
    assert_int_equal(smr_context_status(s.context), SMR_ERROR_MEMORY);
    assert_non_null(strstr(smr_context_error(s.context), "needs"));
    close_subject(&s);
}

// ---- programs -------------------------------------------------------------------------------------------

static void programs_are_kept_by_shape(void **state)
{
    struct subject s = {0};
    struct smr_device_counters before, after;
    float logits[4096];
    open_subject(&s, "llama-text-bpe", 0);
    prefill(&s, 7, logits);
    prefill(&s, 9, logits);
    smr_device_get_counters(s.device, &before);
    prefill(&s, 7, logits);
    prefill(&s, 9, logits);
    smr_device_get_counters(s.device, &after);
    assert_int_equal(after.n_dispatches_recorded, before.n_dispatches_recorded);
    assert_int_equal(after.n_submissions, before.n_submissions + 2);
    for (uint32_t i = 1; i <= SMR_MAX_PROGRAMS + 3; i++) // more than are kept
        prefill(&s, i, logits);
    smr_device_get_counters(s.device, &before);
    prefill(&s, SMR_MAX_PROGRAMS + 3, logits);
    smr_device_get_counters(s.device, &after);
    assert_int_equal(after.n_dispatches_recorded, before.n_dispatches_recorded);
    prefill(&s, 1, logits); // went long ago
    smr_device_get_counters(s.device, &after);
    assert_true(after.n_dispatches_recorded > before.n_dispatches_recorded);
    close_subject(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(activations_keep_what_was_written),
        cmocka_unit_test(split_weights_give_the_same_logits),
        cmocka_unit_test(neighbours_are_one_dispatch),
        cmocka_unit_test(copied_weights_are_bound_together),
        cmocka_unit_test(split_experts_give_the_same_logits),
        cmocka_unit_test(a_row_that_fits_nowhere_is_an_error),
        cmocka_unit_test(a_model_that_does_not_fit_says_so),
        cmocka_unit_test(programs_are_kept_by_shape),
    };
    return cmocka_run_group_tests_name("schedule", tests, NULL, NULL);
}
