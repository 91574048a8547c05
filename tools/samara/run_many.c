// run_many.c - samara run with several texts: samples, and the search with beams.
#include "run.h"

#include <stdlib.h>

// ---- what goes together -------------------------------------------------------------------------

uint32_t run_n_sequences(const struct run_settings *settings)
{
    return (uint32_t)(settings->n_beams ? settings->n_beams : settings->n_samples);
}

// What the texts can come to need beside the prompt that they share.
uint64_t run_n_cache(const struct run *run)
{
    const struct run_settings *settings = run->settings;
    uint64_t n = run_n_sequences(settings);
    return settings->n_predict < 0
               ? 0
               : run->summary.n_prompt_tokens + n * (uint64_t)settings->n_predict;
}

// An option of sampling that a search cannot follow, or NULL. The default temperature is one of those
// that nobody asked for.
static const char *sampling_option(const struct run_settings *settings)
{
    const struct smr_sampling usual = smr_sampling_default();
    float temperature = (float)settings->temperature;
    if (temperature > 0 && temperature != usual.temperature)
        return "--temp";
    if (settings->top_k != (int64_t)usual.top_k || (float)settings->top_p != usual.top_p ||
        (float)settings->min_p != usual.min_p)
        return "--top-k, --top-p or --min-p";
    if (settings->repeat_penalty != 1 || settings->presence_penalty != 0 ||
        settings->frequency_penalty != 0)
        return "a penalty of repetition";
    if (settings->logit_bias.n)
        return "--logit-bias";
    return settings->stop.n ? "--stop" : settings->n_logprobs ? "--logprobs" : NULL;
}

void run_follow_model(struct run *run)
{
    struct run_settings *settings = run->settings;
    struct smr_task task;
    bool told = settings->temperature >= 0 || settings->n_samples > 1 || settings->n_beams ||
                sampling_option(settings);
    if (settings->temperature < 0)
        settings->temperature = run->info.n_encoder_layers && settings->n_samples == 1
                                    ? 0
                                    : (double)smr_sampling_default().temperature;
    if (!run->info.n_encoder_layers)
        return;
    smr_model_task(run->model, SMR_TASK_GENERATE, &task);
    run->max_length = task.max_length;
    run->prefix = task.prefix;
    if (told || task.n_beams < 2)
        return;
    settings->n_beams = task.n_beams;
    settings->length_penalty = (double)task.length_penalty;
    for (int i = 0; i <= SMR_EARLY_STOPPING_NEVER; i++)
        if (run_early_stopping[i] == task.early_stopping)
            settings->early_stopping = i;
}

static bool check_beams(const struct run_settings *settings)
{
    const char *name = run_command.name, *option = sampling_option(settings);
    if (option)
        complain(name, "--beams looks for the likeliest text: %s has no place there", option);
    else if (settings->n_samples > settings->n_beams)
        complain(name, "--samples %d of --beams %d: there are at most as many texts as beams",
                 (int)settings->n_samples, (int)settings->n_beams);
    else if (settings->n_beams % settings->n_groups)
        complain(name, "--beams %d cannot be shared out evenly among --beam-groups %d",
                 (int)settings->n_beams, (int)settings->n_groups);
    else if (settings->n_groups > 1 && settings->diversity_penalty == 0)
        complain(name,
                 "--beam-groups needs --diversity-penalty: without it all groups find the same");
    else if (settings->n_groups == 1 && settings->diversity_penalty > 0)
        complain(name, "--diversity-penalty needs --beam-groups");
    else
        return true;
    return false;
}

bool run_check_many(const struct run_settings *settings)
{
    const char *name = run_command.name, *alone = NULL;
    if (settings->n_beams)
        return check_beams(settings);
    if (settings->n_groups > 1)
        alone = "--beam-groups";
    else if (settings->diversity_penalty > 0)
        alone = "--diversity-penalty";
    else if (settings->length_penalty != 1)
        alone = "--length-penalty";
    else if (run_early_stopping[settings->early_stopping] != SMR_EARLY_STOPPING_HEURISTIC)
        alone = "--early-stopping";
    if (alone)
        complain(name, "%s needs --beams", alone);
    else if (settings->n_samples > 1 && (settings->temperature == 0 || settings->top_k == 1))
        complain(name,
                 "--samples %d without a draw would be the same text each time: take --temp "
                 "above 0, or --beams",
                 (int)settings->n_samples);
    else
        return true;
    return false;
}

// ---- samples ------------------------------------------------------------------------------------

static void show_progress(struct run *run, uint64_t n_done, uint64_t n_texts)
{
    double all = (double)run_n_predict(run) * (double)n_texts;
    float fraction = run->settings->n_predict < 0 ? -1 : (float)((double)n_done / all);
    progress_update(&run->progress, "generating", fraction);
}

static bool on_sampled(void *user, const struct smr_generated *generated)
{
    struct run *run = user;
    if (generated->token >= 0) {
        if (!run->summary.first_token_ns)
            run->summary.first_token_ns = run_now_ns() - run->start_ns;
        show_progress(run, ++run->n_done, run->n_records);
    }
    return run_record_add(&run->records[generated->sample], generated, true) && !run_interrupted();
}

static bool begin_records(struct run *run, size_t n)
{
    run->records = calloc(n + 1, sizeof *run->records);
    run->n_records = run->records ? n : 0;
    bool done = run->records;
    for (size_t i = 0; i < run->n_records; i++) {
        run->records[i].seed = run->summary.seed + i;
        if (run->settings->n_logprobs)
            done = (run->records[i].logprobs = json_array()) && done;
    }
    if (done)
        return true;
    complain(run->tool.command, "out of memory");
    return run_fail_with(run, EXIT_DEVICE);
}

static bool sample(struct run *run)
{
    const struct run_settings *settings = run->settings;
    struct smr_generate_result results[SMR_MAX_SEQUENCES];
    struct smr_generate_params params = run_generate_params(run);
    params.callback = on_sampled;
    size_t n = (size_t)settings->n_samples;
    if (!begin_records(run, n))
        return false;
    if (!smr_generate_samples(run->session, &params, (uint32_t)n, results))
        return run_fail(run);
    run->summary.result = results[0];
    run->summary.result.n_generated = 0;
    for (size_t i = 0; i < n; i++) {
        run->records[i].stop_reason = results[i].stop_reason;
        run->summary.result.n_generated += results[i].n_generated;
    }
    run->summary.n_texts = n;
    return true;
}

// ---- beams --------------------------------------------------------------------------------------

static bool on_step(void *user, uint32_t n_generated)
{
    struct run *run = user;
    if (!run->summary.first_token_ns)
        run->summary.first_token_ns = run_now_ns() - run->start_ns;
    show_progress(run, n_generated, 1);
    return !run_interrupted();
}

static bool search(struct run *run)
{
    const struct run_settings *settings = run->settings;
    struct smr_beam_params params = {
        .n_beams = (uint32_t)settings->n_beams,
        .n_groups = (uint32_t)settings->n_groups,
        .diversity_penalty = (float)settings->diversity_penalty,
        .length_penalty = (float)settings->length_penalty,
        .early_stopping = run_early_stopping[settings->early_stopping],
        .n_return = (uint32_t)settings->n_samples,
        .n_predict = run_n_predict(run),
        .ignore_end = settings->ignore_end,
        .min_predict = (uint32_t)settings->min_tokens,
        .no_repeat_ngram = (uint32_t)settings->no_repeat_ngram,
        .special = settings->special,
        .step = on_step,
        .prefill = run_on_prefill,
        .user = run,
    };
    struct smr_beams *beams = smr_generate_beams(run->session, &params, &run->summary.result);
    if (!beams)
        return run_fail(run);
    bool done = begin_records(run, beams->n);
    for (size_t i = 0; done && i < beams->n; i++)
        done = run_record_set(&run->records[i], &beams->items[i]);
    smr_beams_free(beams);
    return done;
}

// ---- both ---------------------------------------------------------------------------------------

bool run_many(struct run *run)
{
    const struct run_settings *settings = run->settings;
    bool done = settings->n_beams ? search(run) : sample(run);
    progress_clear(&run->progress);
    run->summary.prompt_ns += run->summary.result.prompt_ns;
    for (size_t i = 0; i < run->n_records; i++) {
        if (!run->records[i].out_of_memory)
            continue;
        complain(run->tool.command, "out of memory");
        return run_fail_with(run, EXIT_DEVICE);
    }
    if (done && !settings->json)
        run->write_failed = !run_print_many(run->records, run->n_records, settings->n_beams > 0,
                                            !run->info.tokenizer);
    return done;
}
