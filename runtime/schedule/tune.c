// tune.c - measuring what a program's kernels could be, on the program's own dispatches: real weights,
// of all layers in turn, so that they come from memory as in a step. What they write is activations,
// which the next step writes anew. Attention, which depends on what the host has not yet filled in, is
// measured on a made-up text.
#include "kernel/tune.h"
#include "base/context.h"
#include "schedule/schedule_impl.h"

#include <string.h>

enum { MOST_ARGS = 64 };

// What the first use of a model may spend, and the least work in a step that is worth measuring:
// multiplications and additions of all dispatches of a shape.
static const uint64_t first_ns = 3000000000, least_work = 4000000;
static const uint64_t budget_first_ns = 5000000, budget_thorough_ns = 25000000; // of a candidate

// Dispatches of one kernel, type and shape.
struct group {
    uint32_t n_args;
    uint64_t work;
    struct smr_dispatch_args args[MOST_ARGS];
};

static const struct smr_kernel_desc *desc_of(const struct smr_dispatch *dispatch)
{
    return smr_kernel_desc(dispatch->key.id);
}

static bool same_group(const struct smr_dispatch *a, const struct smr_dispatch *b)
{
    uint32_t shape_a[SMR_SHAPE_WORDS] = {0}, shape_b[SMR_SHAPE_WORDS] = {0};
    if (a->key.id != b->key.id || a->key.type != b->key.type)
        return false;
    desc_of(a)->shape(a->push, shape_a);
    desc_of(b)->shape(b->push, shape_b);
    return !memcmp(shape_a, shape_b, sizeof shape_a);
}

// The group that dispatch `first` begins. False where it belongs to an earlier one.
static bool find_group(const struct smr_program *program, uint32_t first, struct group *group)
{
    const struct smr_dispatch *dispatches = program->dispatches;
    uint32_t shape[SMR_SHAPE_WORDS] = {0};
    for (uint32_t i = 0; i < first; i++)
        if (desc_of(&dispatches[i])->shape && same_group(&dispatches[i], &dispatches[first]))
            return false;
    *group = (struct group){.n_args = 0};
    for (uint32_t i = first; i < program->n_dispatches; i++) {
        if (!desc_of(&dispatches[i])->shape || !same_group(&dispatches[i], &dispatches[first]))
            continue;
        group->work += desc_of(&dispatches[i])->shape(dispatches[i].push, shape);
        if (group->n_args < MOST_ARGS)
            group->args[group->n_args++] =
                (struct smr_dispatch_args){dispatches[i].bindings, dispatches[i].push};
    }
    return true;
}

// Whether there is something to find out about a dispatch.
static bool wanted(struct smr_schedule *schedule, const struct smr_dispatch *dispatch)
{
    const struct smr_attention_push *attention = (const void *)dispatch->push;
    if (!desc_of(dispatch)->shape ||
        (dispatch->key.id == SMR_KERNEL_ATTENTION && attention->flags & SMR_ATTENTION_APART))
        return false;
    const struct smr_tuned *tuned = smr_kernel_tuned(
        schedule->kernels, dispatch->key.id, (enum smr_type)dispatch->key.type, dispatch->push);
    if (schedule->params.tuning == SMR_TUNE_THOROUGH)
        return !tuned || !tuned->n_candidates; // once
    return !(tuned && tuned->known) && schedule->tune_ns < first_ns;
}

// A prompt from its beginning; few rows at the end of a text as long as the program is for.
static bool tune_attention(struct smr_schedule *schedule, const struct smr_program *program,
                           const struct smr_dispatch *dispatch, struct smr_tune_params params)
{
    enum { MOST_KEYS = 4096 }; // to be made up
    struct smr_attention_push push;
    memcpy(&push, dispatch->push, sizeof push);
    const bool prompt = push.n_rows > SMR_MATVEC_MAX_ROWS;
    uint32_t n_keys = prompt ? push.n_rows : smr_min_u32(program->shape.n_keys, MOST_KEYS);
    push.max_pages = smr_div_up(n_keys, push.page_size);
    const enum smr_type type = (enum smr_type)dispatch->key.type;
    const struct smr_case_params made_up = {.id = SMR_KERNEL_ATTENTION,
                                            .type = type,
                                            .push = &push,
                                            .last_position = prompt ? 0 : n_keys - 1,
                                            .n_sequences = 1};
    struct smr_measure_inputs inputs = {0};
    bool done = smr_measure_inputs_init(&inputs, schedule->device, &made_up, 1);
    params.args = inputs.args;
    params.n_args = inputs.n_args;
    done = done && smr_kernel_tune(schedule->kernels, SMR_KERNEL_ATTENTION, type, &params);
    smr_measure_inputs_finish(&inputs);
    return done;
}

static bool tune_group(struct smr_schedule *schedule, const struct smr_program *program,
                       const struct smr_dispatch *dispatch, const struct group *group,
                       bool *changed)
{
    const bool thorough = schedule->params.tuning == SMR_TUNE_THOROUGH;
    const uint64_t begin = smr_time_ns();
    const struct smr_tune_params params = {
        .args = group->args,
        .n_args = group->n_args,
        .budget_ns = thorough ? budget_thorough_ns : budget_first_ns,
        .all = thorough,
    };
    const enum smr_type type = (enum smr_type)dispatch->key.type;
    const bool done = dispatch->key.id == SMR_KERNEL_ATTENTION
                          ? tune_attention(schedule, program, dispatch, params)
                          : smr_kernel_tune(schedule->kernels, dispatch->key.id, type, &params);
    schedule->tune_ns += smr_time_ns() - begin;
    const struct smr_tuned *tuned =
        smr_kernel_tuned(schedule->kernels, dispatch->key.id, type, dispatch->push);
    if (!done || !tuned)
        return done;
    char usual[80], key[80];
    smr_kernel_key_text(&tuned->usual, usual, sizeof usual);
    smr_kernel_key_text(&tuned->key, key, sizeof key);
    if (tuned->n_candidates > 1)
        smr_log(schedule->context, SMR_LOG_DEBUG,
                "tuned %s %s [%u, %u, %u]: of %u candidates %s takes %.1f us, %s %.1f us",
                desc_of(dispatch)->name, smr_type_info(type)->name, tuned->shape[0],
                tuned->shape[1], tuned->shape[2], tuned->n_candidates, key, tuned->seconds * 1e6,
                usual, tuned->usual_seconds * 1e6);
    *changed = *changed || !smr_kernel_keys_equal(&tuned->key, &dispatch->key);
    return true;
}

bool smr_schedule_tune(struct smr_schedule *schedule, const struct smr_program *program,
                       bool *changed)
{
    const enum smr_tuning_mode mode = schedule->params.tuning;
    *changed = false;
    if (mode == SMR_TUNE_NEVER || !smr_device_takes_spirv(schedule->device) ||
        smr_kernel_set_mode(schedule->kernels) == SMR_KERNELS_PLAIN ||
        (mode == SMR_TUNE_FIRST && !schedule->context->params.cache_dir))
        return true;
    struct group group;
    for (uint32_t i = 0; i < program->n_dispatches; i++) {
        if (!wanted(schedule, &program->dispatches[i]) || !find_group(program, i, &group) ||
            (mode == SMR_TUNE_FIRST && group.work < least_work))
            continue;
        if (schedule->params.progress)
            schedule->params.progress(schedule->params.user, "measuring kernels",
                                      (float)i / (float)program->n_dispatches);
        if (!tune_group(schedule, program, &program->dispatches[i], &group, changed))
            return false;
    }
    return true;
}
