// chain.c - the table of a list's stages: cl.h says what it is for.
#include <assert.h>
#include <string.h>

#include "device/opencl/cl.h"

enum { TICKETS_PER_THREAD = 4 }; // of a stage: threads may be late by a fourth of their share

// A list that would have so many launches fewer is worth a program of its own: if one was kept, or else,
// because it takes about a second to compile, when the list has started that often. Not counted in
// time: numbers must not depend on how fast a compiler is.
enum { OWN_PROGRAM_STARTS = 8, OWN_PROGRAM_LAUNCHES = 32 };

// Words between counters, which lie in cache lines of their own; and those of a launch.
enum { COUNTER_STRIDE = 32, COUNTERS = 3 * COUNTER_STRIDE };

// As link.c's text has it.
struct smr_cl_stage {
    uint32_t function;
    uint32_t begin, end; // its tickets, counted from the first of its launch
    uint32_t after;      // tickets that must be done before
    uint32_t share;      // workgroups of a ticket
    uint32_t groups[3];
    uint64_t bindings[SMR_MAX_BINDINGS];
    uint32_t push[SMR_MAX_PUSH_SIZE / 4];
};

bool smr_cl_chain_add(smr_context *context, struct smr_cl_chain *chain, smr_kernel *kernel,
                      const struct smr_args *args, bool waits)
{
    if ((uint64_t)args->groups[0] * args->groups[1] > UINT32_MAX / args->groups[2])
        return smr_fail(context, SMR_ERROR, "kernel %s: %u x %u x %u workgroups are more than 2^32",
                        kernel->name, args->groups[0], args->groups[1], args->groups[2]);
    if (!smr_grow(context, &chain->steps, &chain->capacity, chain->n_steps + 1,
                  sizeof *chain->steps, "a list's stages"))
        return false;
    struct smr_cl_step *step = &chain->steps[chain->n_steps++];
    *step = (struct smr_cl_step){.kernel = kernel, .waits = waits};
    memcpy(step->groups, args->groups, sizeof step->groups);
    for (uint32_t i = 0; i < kernel->n_bindings; i++)
        step->bindings[i] = (char *)args->bindings[i].buffer->mapped + args->bindings[i].offset;
    if (kernel->push_size)
        memcpy(step->push, args->push, kernel->push_size);
    return true;
}

// The stages of a launch.
static void write_stages(const struct smr_cl_chain *chain, const struct smr_cl_launch *launch,
                         uint32_t n_threads)
{
    const uint32_t n_shares = TICKETS_PER_THREAD * smr_max_u32(1, n_threads);
    struct smr_cl_stage *stages = smr_buffer_data(chain->stages);
    uint32_t n_tickets = 0, after = 0;
    for (uint32_t i = launch->steps[0]; i < launch->steps[1]; i++) {
        const struct smr_cl_step *step = &chain->steps[i];
        const uint32_t n = step->groups[0] * step->groups[1] * step->groups[2];
        struct smr_cl_stage *stage = &stages[i];
        if (step->waits)
            after = n_tickets;
        *stage =
            (struct smr_cl_stage){.function = smr_cl_linked_index(launch->linked, step->kernel),
                                  .begin = n_tickets,
                                  .after = after,
                                  .share = smr_div_up(n, n_shares)};
        n_tickets += smr_div_up(n, stage->share);
        stage->end = n_tickets;
        memcpy(stage->groups, step->groups, sizeof stage->groups);
        for (uint32_t b = 0; b < step->kernel->n_bindings; b++)
            stage->bindings[b] = (uint64_t)(uintptr_t)step->bindings[b];
        memcpy(stage->push, step->push, sizeof stage->push);
    }
}

// The first of steps from `begin` on that `linked` has not.
static uint32_t reach(const struct smr_cl_chain *chain, const struct smr_cl_linked *linked,
                      uint32_t begin, uint32_t end)
{
    while (begin < end && smr_cl_linked_index(linked, chain->steps[begin].kernel) != UINT32_MAX)
        begin++;
    return begin;
}

// Divide steps from `begin` on into launches of one program each, of those that reach farthest.
static void divide(const struct smr_cl_device *device, struct smr_cl_chain *chain, uint32_t begin,
                   uint32_t end)
{
    while (begin < end) {
        struct smr_cl_launch *launch = &chain->launches[chain->n_launches++];
        const smr_kernel *kernel = chain->steps[begin].kernel;
        *launch = (struct smr_cl_launch){.steps = {begin, begin}};
        for (const struct smr_cl_linked *linked = smr_cl_linked_with(device, kernel, NULL); linked;
             linked = smr_cl_linked_with(device, kernel, linked)) {
            const uint32_t reached = reach(chain, linked, begin, end);
            if (reached > launch->steps[1]) {
                launch->steps[1] = reached;
                launch->linked = linked;
            }
        }
        assert(launch->linked);
        begin = launch->steps[1];
    }
}

static void release_launches(const struct smr_cl_device *device, struct smr_cl_chain *chain)
{
    for (size_t i = 0; i < chain->n_launches; i++)
        if (chain->launches[i].kernel)
            device->cl.clReleaseKernel(chain->launches[i].kernel);
    chain->n_launches = 0;
}

static bool make_launches(struct smr_cl_device *device, struct smr_cl_chain *chain,
                          struct smr_cl_run *runs, size_t n_runs)
{
    const cl_mem stages = ((struct smr_cl_buffer *)chain->stages->impl)->mem;
    const cl_mem counters = ((struct smr_cl_buffer *)chain->counters->impl)->mem;
    release_launches(device, chain);
    for (size_t i = 0; i < n_runs; i++) {
        runs[i].launches[0] = (uint32_t)chain->n_launches;
        divide(device, chain, runs[i].steps[0], runs[i].steps[1]);
        runs[i].launches[1] = (uint32_t)chain->n_launches;
    }
    for (size_t i = 0; i < chain->n_launches; i++) {
        struct smr_cl_launch *launch = &chain->launches[i];
        write_stages(chain, launch, device->base.info.n_threads);
        launch->kernel = smr_cl_linked_kernel(device, launch->linked, stages, launch->steps,
                                              counters, (uint32_t)i * COUNTERS);
        if (!launch->kernel)
            return false;
    }
    return true;
}

enum link { LINK_MISSING, LINK_KEPT, LINK_OWN };

// Have programs for all steps: those there are and what they lack; one for all together, if it was
// kept; or one in any case.
static bool link_steps(struct smr_cl_device *device, const struct smr_cl_chain *chain,
                       enum link how)
{
    smr_context *context = device->base.context;
    smr_kernel **kernels =
        smr_alloc(context, chain->n_steps, sizeof(smr_kernel *), "a list's kernels");
    for (size_t i = 0; i < chain->n_steps && kernels; i++)
        kernels[i] = chain->steps[i].kernel;
    bool done = kernels && (how == LINK_MISSING
                                ? smr_cl_link_missing(device, kernels, chain->n_steps)
                                : smr_cl_link(device, kernels, chain->n_steps, how == LINK_OWN));
    smr_free(context, (void *)kernels);
    return done;
}

static bool wants_own_program(const struct smr_cl_chain *chain, size_t n_runs)
{
    return chain->n_launches >= n_runs + OWN_PROGRAM_LAUNCHES;
}

bool smr_cl_chain_end(struct smr_cl_device *device, struct smr_cl_chain *chain,
                      struct smr_cl_run *runs, size_t n_runs)
{
    const size_t n = chain->n_steps;
    if (!n)
        return true;
    chain->launches = smr_alloc(device->base.context, n, sizeof *chain->launches, "launches");
    chain->stages = smr_buffer_create(
        &device->base, &(struct smr_buffer_params){n * sizeof(struct smr_cl_stage),
                                                   SMR_MEMORY_UPLOAD, "a list's stages"});
    chain->counters = smr_buffer_create(
        &device->base, &(struct smr_buffer_params){n * COUNTERS * sizeof(uint32_t),
                                                   SMR_MEMORY_UPLOAD, "a list's counters"});
    return chain->launches && chain->stages && chain->counters &&
           link_steps(device, chain, LINK_MISSING) && make_launches(device, chain, runs, n_runs) &&
           (!wants_own_program(chain, n_runs) || !link_steps(device, chain, LINK_KEPT) ||
            make_launches(device, chain, runs, n_runs));
}

bool smr_cl_chain_restart(struct smr_cl_device *device, struct smr_cl_chain *chain,
                          struct smr_cl_run *runs, size_t n_runs)
{
    if (!chain->n_steps)
        return true;
    if (++chain->n_starts == OWN_PROGRAM_STARTS && wants_own_program(chain, n_runs) &&
        (!link_steps(device, chain, LINK_OWN) || !make_launches(device, chain, runs, n_runs)))
        return false;
    memset(smr_buffer_data(chain->counters), 0, chain->n_launches * COUNTERS * sizeof(uint32_t));
    return true;
}

void smr_cl_chain_finish(struct smr_cl_device *device, struct smr_cl_chain *chain)
{
    release_launches(device, chain);
    smr_free(device->base.context, chain->launches);
    smr_free(device->base.context, chain->steps);
    smr_buffer_destroy(chain->stages);
    smr_buffer_destroy(chain->counters);
    *chain = (struct smr_cl_chain){0};
}
