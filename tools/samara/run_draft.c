// run_draft.c - samara run --draft: a smaller model that guesses what the text goes on with.
#include "run.h"

bool run_check_draft(const struct run_settings *settings)
{
    const char *name = run_command.name;
    if (!settings->draft)
        return true;
    if (settings->no_speculation || run_speculate[settings->speculate] == SMR_SPECULATE_NEVER)
        complain(name, "--draft guesses, which --speculation never forbids");
    else if (settings->n_samples > 1 || settings->n_beams)
        complain(name, "--draft guesses for one text: --samples and --beams have no place there");
    else
        return true;
    return false;
}

// Without memory for it the text is made all the same.
static bool go_without(struct run *run)
{
    smr_context *context = run->tool.context;
    if (smr_context_status(context) != SMR_ERROR_MEMORY)
        return run_fail(run);
    note(run->tool.command, "going on without --draft: %s", smr_context_error(context));
    smr_context_clear_error(context);
    return true;
}

bool run_open_draft(struct run *run)
{
    const struct run_settings *settings = run->settings;
    struct smr_model_info info;
    uint32_t n_context = smr_engine_context_size(run->engine);
    if (!settings->draft)
        return true;
    run->draft_model =
        tool_open_model(&run->tool, &(struct operands){.n = 0}, settings->draft, &run->code);
    if (!run->draft_model)
        return false;
    smr_model_info(run->draft_model, &info);
    struct smr_engine_params params = {
        .device = settings->device,
        .kernels = tool_kernels[settings->kernels],
        .cache_type = run_cache_types[settings->cache_type],
        .cache_type_set = true,
        .n_context = info.n_context && info.n_context < n_context ? info.n_context : n_context,
        .n_source = smr_engine_source_size(run->engine),
        .n_batch = (uint32_t)settings->n_batch,
        .progress = progress_update,
        .user = &run->progress,
    };
    run->draft_engine = smr_engine_create(run->draft_model, &params);
    progress_clear(&run->progress);
    if (!run->draft_engine)
        return go_without(run);
    run->draft = smr_session_create(run->draft_engine);
    return run->draft || go_without(run);
}

void run_close_draft(struct run *run)
{
    smr_session_destroy(run->draft);
    smr_engine_destroy(run->draft_engine);
    smr_model_close(run->draft_model);
}
