// measure.c - timing dispatches.
#include "kernel/measure.h"

#include <string.h>

enum {
    DEFAULT_BUDGET_NS = 10000000,
    MAX_DISPATCHES = 4096, // of one submission
    MAX_COPIES = 256,      // of an operand
    N_RUNS = 5,
};

// ---- timing -----------------------------------------------------------------------------------

// A submission of `n` dispatches.
struct run {
    smr_device *device;
    smr_list *list;
    uint32_t n;
    bool timestamps;
};

static bool run_init(struct run *run, struct smr_kernel_set *set, const struct smr_kernel_key *key,
                     const struct smr_measure_params *params, uint32_t n)
{
    smr_device *device = smr_kernel_set_device(set);
    const bool timestamps = smr_device_limits(device)->capabilities & SMR_CAP_TIMESTAMPS;
    *run = (struct run){device, smr_list_create(device, "measure"), n, timestamps};
    if (!run->list)
        return false;
    if (timestamps)
        smr_list_timestamp(run->list, 0);
    for (uint32_t i = 0; i < n; i++) {
        const struct smr_dispatch_args *args = &params->args[i % params->n_args];
        smr_kernel_dispatch(set, run->list, key, args->bindings, args->push);
    }
    if (timestamps)
        smr_list_timestamp(run->list, 1);
    return smr_list_end(run->list);
}

static void run_finish(struct run *run)
{
    smr_list_destroy(run->list);
    run->list = NULL;
}

// Submit, wait, and tell the time that all dispatches took.
static bool run_once(const struct run *run, uint64_t *time_ns)
{
    uint64_t times[2];
    const uint64_t begin = smr_time_ns();
    if (!smr_device_submit(run->device, run->list) || !smr_device_wait(run->device))
        return false;
    *time_ns = smr_time_ns() - begin;
    if (!run->timestamps)
        return true;
    if (!smr_list_read_timestamps(run->list, 2, times))
        return false;
    // Clocks of devices are coarse, and may wrap.
    *time_ns = times[1] > times[0] ? times[1] - times[0] : 1;
    return true;
}

// Record as many dispatches as take `aim_ns`, going there by ever longer runs: the time of one alone
// says little where the clock is coarse. *time_ns receives what the last run took.
static bool fit_run(struct run *run, struct smr_kernel_set *set, const struct smr_kernel_key *key,
                    const struct smr_measure_params *params, uint64_t aim_ns, uint64_t *time_ns)
{
    // The first time pays for what drivers put off.
    if (!run_init(run, set, key, params, 1) || !run_once(run, time_ns))
        return false;
    if (*time_ns < 10 * aim_ns && !run_once(run, time_ns))
        return false;
    while (*time_ns < aim_ns / 2 && run->n < MAX_DISPATCHES) {
        const double wanted = (double)aim_ns / (double)*time_ns * run->n;
        const uint32_t most = smr_min_u32(16 * run->n, MAX_DISPATCHES);
        run_finish(run);
        if (!run_init(run, set, key, params, wanted < most ? (uint32_t)wanted : most) ||
            !run_once(run, time_ns))
            return false;
    }
    return true;
}

bool smr_kernel_measure(struct smr_kernel_set *set, const struct smr_kernel_key *key,
                        const struct smr_measure_params *params, double *seconds)
{
    const uint64_t budget_ns = params->budget_ns ? params->budget_ns : DEFAULT_BUDGET_NS;
    struct run run;
    uint64_t time_ns = 0;
    bool done = fit_run(&run, set, key, params, budget_ns / N_RUNS, &time_ns);
    uint64_t best = time_ns, spent = time_ns;
    // At least twice more, should the first have been disturbed; but not where one takes very long.
    for (int i = 0; done && spent < (i < 2 ? 10 : 1) * budget_ns; i++) {
        done = run_once(&run, &time_ns);
        spent += time_ns;
        best = time_ns < best ? time_ns : best;
    }
    if (done)
        *seconds = (double)best * 1e-9 / run.n;
    run_finish(&run);
    return done;
}

// ---- made-up inputs -----------------------------------------------------------------------------

// The operand to be there several times: the largest that is only read.
static uint32_t weight_operand(const struct smr_case *c)
{
    const struct smr_kernel_desc *desc = smr_kernel_desc(c->id);
    uint32_t largest = desc->n_bindings;
    for (uint32_t i = 0; i < desc->n_bindings; i++)
        if (desc->access[i] == SMR_READ &&
            (largest == desc->n_bindings || c->operands[i].size > c->operands[largest].size))
            largest = i;
    return largest;
}

// Where operands lie: one after the other, copies of the weight last.
struct layout {
    uint64_t offsets[SMR_MAX_BINDINGS];
    uint64_t weight_step, size; // bytes from copy to copy, and of all
    uint32_t weight, n_copies;
};

static struct layout lay_out(const struct smr_case *c, const struct smr_limits *limits,
                             uint64_t spread)
{
    const struct smr_kernel_desc *desc = smr_kernel_desc(c->id);
    const uint64_t alignment = smr_max_u32(limits->binding_alignment, 4);
    struct layout layout = {.weight = weight_operand(c), .n_copies = 1};
    for (uint32_t i = 0; i < desc->n_bindings; i++) {
        if (i == layout.weight)
            continue;
        layout.offsets[i] = layout.size;
        layout.size = smr_align_up(layout.size + c->operands[i].size, alignment);
    }
    layout.offsets[layout.weight] = layout.size;
    layout.weight_step = smr_align_up(c->operands[layout.weight].size, alignment);
    const uint64_t left = limits->max_buffer_size - layout.size; // negative: the buffer is refused
    const uint64_t most = (spread < left ? spread : left) / layout.weight_step;
    layout.n_copies = most < 1 ? 1 : most > MAX_COPIES ? MAX_COPIES : (uint32_t)most;
    layout.size += layout.n_copies * layout.weight_step;
    return layout;
}

// Copy the weight to where its copies are, on the device, twice as much each time.
static bool copy_weights(struct smr_measure_inputs *inputs, const struct layout *layout)
{
    smr_list *list = smr_list_create(inputs->device, "measure: copies");
    if (!list)
        return false;
    const uint64_t begin = layout->offsets[layout->weight];
    for (uint32_t n = 1; n < layout->n_copies; n *= 2) {
        const uint64_t size = smr_min_u32(n, layout->n_copies - n) * layout->weight_step;
        const struct smr_binding from = {inputs->buffer, begin, size};
        const struct smr_binding to = {inputs->buffer, begin + n * layout->weight_step, size};
        smr_list_copy(list, &from, &to);
    }
    const bool done = smr_list_end(list) && smr_device_submit(inputs->device, list) &&
                      smr_device_wait(inputs->device);
    smr_list_destroy(list);
    return done;
}

static bool make_buffer(struct smr_measure_inputs *inputs, const struct smr_case *c,
                        const struct layout *layout)
{
    const struct smr_buffer_params params = {.size = layout->size, .name = "measure"};
    inputs->buffer = smr_buffer_create(inputs->device, &params);
    bool done = inputs->buffer;
    for (uint32_t i = 0; done && i < smr_kernel_desc(c->id)->n_bindings; i++)
        done = smr_buffer_write(inputs->buffer, layout->offsets[i], c->operands[i].data,
                                c->operands[i].size);
    return done && (layout->n_copies == 1 || copy_weights(inputs, layout));
}

static bool make_args(struct smr_measure_inputs *inputs, const struct smr_case *c,
                      const struct layout *layout)
{
    smr_context *context = smr_device_context(inputs->device);
    const uint32_t n_bindings = smr_kernel_desc(c->id)->n_bindings;
    inputs->n_args = layout->n_copies;
    inputs->args = smr_alloc(context, inputs->n_args, sizeof *inputs->args, "what to measure");
    inputs->bindings = smr_alloc(context, inputs->n_args,
                                 SMR_MAX_BINDINGS * sizeof(struct smr_binding), "what to measure");
    if (!inputs->args || !inputs->bindings)
        return false;
    for (uint32_t n = 0; n < inputs->n_args; n++) {
        struct smr_binding *bindings = inputs->bindings + (size_t)n * SMR_MAX_BINDINGS;
        for (uint32_t i = 0; i < n_bindings; i++)
            bindings[i] =
                (struct smr_binding){inputs->buffer, layout->offsets[i], c->operands[i].size};
        bindings[layout->weight].offset += n * layout->weight_step;
        inputs->args[n] = (struct smr_dispatch_args){bindings, c->push};
    }
    return true;
}

bool smr_measure_inputs_init(struct smr_measure_inputs *inputs, smr_device *device,
                             const struct smr_case_params *params, uint64_t spread)
{
    struct smr_arena arena;
    struct smr_case c;
    *inputs = (struct smr_measure_inputs){.device = device};
    smr_arena_init(&arena, smr_device_context(device));
    bool done = smr_case_init(&c, &arena, params);
    if (done) {
        const struct layout layout = lay_out(&c, smr_device_limits(device), spread);
        done = make_buffer(inputs, &c, &layout) && make_args(inputs, &c, &layout);
    }
    smr_arena_finish(&arena);
    if (!done)
        smr_measure_inputs_finish(inputs);
    return done;
}

void smr_measure_inputs_finish(struct smr_measure_inputs *inputs)
{
    if (!inputs->device)
        return;
    smr_context *context = smr_device_context(inputs->device);
    smr_buffer_destroy(inputs->buffer);
    smr_free(context, inputs->bindings);
    smr_free(context, inputs->args);
    *inputs = (struct smr_measure_inputs){0};
}

bool smr_kernel_measure_case(struct smr_kernel_set *set, const struct smr_kernel_key *key,
                             const struct smr_case_params *params, double *seconds)
{
    struct smr_measure_inputs inputs;
    if (!smr_measure_inputs_init(&inputs, smr_kernel_set_device(set), params, SMR_MEASURE_SPREAD))
        return false;
    const struct smr_measure_params measure = {.args = inputs.args, .n_args = inputs.n_args};
    const bool done = smr_kernel_measure(set, key, &measure, seconds);
    smr_measure_inputs_finish(&inputs);
    return done;
}
