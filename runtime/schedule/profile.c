// profile.c - a step once more, each of its dispatches timed.
#include "schedule/schedule_impl.h"

#include <stdlib.h>
#include <string.h>

static const struct smr_program *last_program(const struct smr_schedule *schedule)
{
    const struct smr_program *last = NULL;
    for (uint32_t i = 0; i < SMR_MAX_PROGRAMS; i++) {
        const struct smr_program *program = &schedule->programs[i];
        if (program->list && program->last_use && (!last || program->last_use > last->last_use))
            last = program;
    }
    return last;
}

// The dispatches of a program, planned as when it was made.
static bool plan(struct smr_schedule *schedule, struct smr_program *program)
{
    struct smr_arena memory;
    struct smr_plan fused;
    struct smr_placement placement;
    smr_arena_init(&memory, schedule->context);
    const bool done = smr_schedule_fuse(schedule, &program->shape, &memory, &fused) &&
                      smr_schedule_place(schedule, &program->shape, &fused, &memory, &placement) &&
                      smr_schedule_emit(schedule, program, &fused, &placement) &&
                      smr_schedule_choose_kernels(schedule, program);
    smr_arena_finish(&memory);
    return done;
}

// Timestamp i comes after i dispatches.
static bool record(struct smr_schedule *schedule, struct smr_program *program)
{
    program->list = smr_list_create(schedule->device, "profile");
    if (!program->list)
        return false;
    smr_list_timestamp(program->list, 0);
    for (uint32_t i = 0; i < program->n_dispatches; i++) {
        const struct smr_dispatch *dispatch = &program->dispatches[i];
        smr_kernel_dispatch(schedule->kernels, program->list, &dispatch->key, dispatch->bindings,
                            dispatch->push);
        smr_list_timestamp(program->list, i + 1);
    }
    return smr_list_end(program->list);
}

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

// Run n_runs times; the time of a dispatch is the median of those.
static bool run(struct smr_schedule *schedule, const struct smr_program *program, uint32_t n_runs,
                struct smr_profile *profile)
{
    const uint32_t n = program->n_dispatches;
    uint64_t *stamps = smr_alloc(schedule->context, n + 1, sizeof *stamps, "a profile");
    uint64_t *times = smr_alloc(schedule->context, n, n_runs * sizeof *times, "a profile");
    bool done = stamps && times;
    for (uint32_t i = 0; done && i < n_runs; i++) {
        done = smr_device_submit(schedule->device, program->list) &&
               smr_device_wait(schedule->device) &&
               smr_list_read_timestamps(program->list, n + 1, stamps);
        for (uint32_t k = 0; done && k < n; k++) // clocks may wrap
            times[k * n_runs + i] = stamps[k + 1] > stamps[k] ? stamps[k + 1] - stamps[k] : 0;
    }
    for (uint32_t k = 0; done && k < n; k++) {
        uint64_t *runs = times + (size_t)k * n_runs, *middle = runs + n_runs / 2;
        qsort(runs, n_runs, sizeof *runs, compare);
        profile->dispatches[k].seconds = (double)*middle * 1e-9;
    }
    smr_free(schedule->context, stamps);
    smr_free(schedule->context, times);
    return done;
}

static bool fill(struct smr_schedule *schedule, const struct smr_program *program,
                 struct smr_profile *profile)
{
    const uint32_t n = program->n_dispatches;
    profile->dispatches = smr_alloc(schedule->context, n, sizeof *profile->dispatches, "a profile");
    profile->n = profile->dispatches ? n : 0;
    for (uint32_t i = 0; i < profile->n; i++) {
        struct smr_profiled *dispatch = &profile->dispatches[i];
        dispatch->key = program->dispatches[i].key;
        memcpy(dispatch->push, program->dispatches[i].push, sizeof dispatch->push);
    }
    return profile->dispatches;
}

bool smr_schedule_profile(struct smr_schedule *schedule, uint32_t n_runs,
                          struct smr_profile *profile)
{
    const struct smr_program *last = last_program(schedule);
    *profile = (struct smr_profile){0};
    if (!last)
        return smr_fail(schedule->context, SMR_ERROR_USAGE, "no step was run that could be timed");
    struct smr_program program = {.shape = last->shape};
    profile->n_rows = last->shape.n_rows;
    bool done = plan(schedule, &program) && fill(schedule, &program, profile);
    profile->timed = smr_device_limits(schedule->device)->capabilities & SMR_CAP_TIMESTAMPS &&
                     program.n_dispatches < SMR_MAX_TIMESTAMPS;
    if (done && profile->timed)
        done = record(schedule, &program) && run(schedule, &program, n_runs, profile);
    smr_list_destroy(program.list);
    smr_free(schedule->context, program.dispatches);
    if (!done)
        smr_profile_finish(schedule, profile);
    return done;
}

void smr_profile_finish(struct smr_schedule *schedule, struct smr_profile *profile)
{
    smr_free(schedule->context, profile->dispatches);
    *profile = (struct smr_profile){0};
}
