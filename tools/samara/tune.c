// tune.c - samara tune: measure all candidates for a model's kernels on a device, and keep the fastest.
#include "kernel/tune.h"
#include "generate/generate.h"
#include "terminal.h"
#include "tool.h"

#include <inttypes.h>
#include <string.h>

struct settings {
    const char *model, *device;
    int kernels;
    bool json;
    int64_t n_batch;
    struct context_settings context;
};

#define FIELD(name) .offset = offsetof(struct settings, name)

static const struct option options[] = {
    OPTION_ROW_MODEL(struct settings),
    OPTION_ROW_DEVICE(struct settings),
    OPTION_ROW_THREADS(struct settings),
    {"-b --batch-size", "N", "0",
     "prompt tokens that are computed at once; 0: 512, or 128 without a GPU", OPTION_INTEGER,
     FIELD(n_batch), 0, 1 << 20},
    {"--kernels", "KIND", "tuned",
     "which variants of the kernels; plain: there is nothing to choose", OPTION_CHOICE,
     FIELD(kernels), .choices = tool_kernel_choices},
    {"--json", NULL, NULL, "print one JSON object", OPTION_FLAG, FIELD(json)},
    OPTION_ROWS_SHADERS(struct settings),
    OPTION_ROW_VERBOSE(struct settings),
    OPTION_ROW_QUIET(struct settings),
};

static const struct example examples[] = {
    {"samara tune model.gguf", "Find what is fastest on the default device"},
    {"samara tune model.gguf --device vulkan1 --json", "The same, for programs"},
    {NULL, NULL},
};

static int tune_run(int argc, char **argv);

extern const struct command tune_command;
const struct command tune_command = {
    .name = "tune",
    .usage = "MODEL [OPTION]...",
    .summary = "measure what is fastest for a model on a device, and keep it",
    .description =
        "Kernels have several variants, and variants have constants: which are the fastest depends "
        "on the device, its driver and the shapes of the model. The first use of a model on a device "
        "tries what is likely, for a few seconds. This command tries everything, with the model's "
        "own weights, for decoding, for guessed tokens (2, 4 and 8 at once) and for prompts. Choices are "
        "kept beside the compiled shaders; the default stays where nothing is clearly faster. A new "
        "driver or another version of samara starts anew.",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .examples = examples,
    .run = tune_run,
};

// ---- measuring --------------------------------------------------------------------------------

// Programs of all steps that come often: what they dispatch is measured while they are made.
static bool make_programs(smr_engine *engine)
{
    const bool encodes = engine->model->hparams.n_encoder_layers;
    for (uint32_t n = 1; n <= SMR_MATVEC_MAX_ROWS && n <= engine->n_batch; n *= 2) {
        const struct smr_shape rows = {.n_rows = n, .n_outputs = n, .n_source = encodes};
        if (!smr_schedule_prepare(engine->schedule, &rows))
            return false;
    }
    for (uint32_t n = engine->n_batch; n > SMR_MATVEC_MAX_ROWS; n /= 2) {
        const struct smr_shape prompt = {.n_rows = n, .n_outputs = 1, .n_source = encodes};
        const struct smr_shape source = {
            .n_rows = smr_min_u32(n, engine->n_source), .n_source = 1, .encode = true};
        if (!smr_schedule_prepare(engine->schedule, &prompt) ||
            (encodes && !smr_schedule_prepare(engine->schedule, &source)))
            return false;
    }
    return true;
}

// ---- showing ----------------------------------------------------------------------------------

static void shape_text(const struct smr_tuned *tuned, char *text, size_t size)
{
    if (tuned->id == SMR_KERNEL_ATTENTION)
        snprintf(text, size, "%" PRIu32 " heads of %" PRIu32 ", %" PRIu32 " row%s", tuned->shape[1],
                 tuned->shape[0], tuned->shape[2], tuned->shape[2] == 1 ? "" : "s");
    else
        snprintf(text, size, "%" PRIu32 " x %" PRIu32 ", %" PRIu32 " row%s%s", tuned->shape[1],
                 tuned->shape[0], tuned->shape[2], tuned->shape[2] == 1 ? "" : "s",
                 tuned->shape[3] & SMR_MATMUL_ADD ? ", added" : "");
}

static void print_text(const smr_engine *engine)
{
    const struct smr_tuned *tuned;
    uint32_t n = 0, n_changed = 0;
    printf("%-8s %-6s %-24s %-22s %10s  %-22s %10s %6s\n", "kernel", "type", "weights", "default",
           "us", "chosen", "us", "gain");
    for (uint32_t i = 0; (tuned = smr_kernel_tuned_list(engine->kernels, i)); i++) {
        char usual[80], key[80], shape[64];
        const bool changed = !smr_kernel_keys_equal(&tuned->usual, &tuned->key);
        if (tuned->n_candidates < 2)
            continue;
        smr_kernel_key_text(&tuned->usual, usual, sizeof usual);
        smr_kernel_key_text(&tuned->key, key, sizeof key);
        shape_text(tuned, shape, sizeof shape);
        printf("%-8s %-6s %-24s %-22s %10.1f  %-22s %10.1f %5.0f%%\n",
               smr_kernel_desc(tuned->id)->name, smr_type_info(tuned->type)->name, shape, usual,
               tuned->usual_seconds * 1e6, changed ? key : "the default", tuned->seconds * 1e6,
               100 * (tuned->usual_seconds / tuned->seconds - 1));
        n++;
        n_changed += changed;
    }
    if (n)
        printf("%" PRIu32 " shapes measured, %" PRIu32 " of them faster by another choice\n", n,
               n_changed);
    else
        printf("There is nothing to choose from on this device.\n");
}

static json_t *tuned_json(const struct smr_tuned *tuned)
{
    char usual[80], key[80];
    smr_kernel_key_text(&tuned->usual, usual, sizeof usual);
    smr_kernel_key_text(&tuned->key, key, sizeof key);
    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:f, s:s, s:f}", "kernel",
                     smr_kernel_desc(tuned->id)->name, "type", smr_type_info(tuned->type)->name,
                     "n_cols", (json_int_t)tuned->shape[0], "n_out", (json_int_t)tuned->shape[1],
                     "n_rows", (json_int_t)tuned->shape[2], "candidates",
                     (json_int_t)tuned->n_candidates, "default", usual, "default_us",
                     tuned->usual_seconds * 1e6, "chosen", key, "chosen_us", tuned->seconds * 1e6);
}

static bool print_json(const smr_engine *engine)
{
    const struct smr_device_info *info = smr_engine_device(engine);
    const struct smr_tuned *tuned;
    json_t *results = json_array();
    for (uint32_t i = 0; (tuned = smr_kernel_tuned_list(engine->kernels, i)); i++)
        if (tuned->n_candidates > 1)
            json_array_append_new(results, tuned_json(tuned));
    json_t *root =
        json_pack("{s:s, s:o, s:o, s:o}", "device", info->id, "name", json_text(info->name),
                  "driver", json_text(info->driver), "results", results);
    const bool done = root && !json_dumpf(root, stdout, JSON_INDENT(2));
    json_decref(root);
    printf("\n");
    return done;
}

// ---- all of it --------------------------------------------------------------------------------

static int tune(struct tool *tool, const struct settings *settings, const struct operands *operands)
{
    struct progress progress;
    int code = EXIT_OK;
    smr_model *model = tool_open_model(tool, operands, settings->model, &code);
    if (!model)
        return code;
    progress_init(&progress, !settings->context.quiet);
    struct smr_model_info info;
    smr_model_info(model, &info);
    const struct smr_engine_params params = {
        .device = settings->device,
        .kernels = tool_kernels[settings->kernels],
        .tuning = SMR_TUNE_THOROUGH,
        .n_context = info.n_context && info.n_context < 512 ? info.n_context : 512,
        .n_batch = (uint32_t)settings->n_batch,
        .progress = progress_update,
        .user = &progress,
    };
    smr_engine *engine = smr_engine_create(model, &params);
    const bool done = engine && make_programs(engine);
    progress_clear(&progress);
    if (!done)
        code = tool_fail(tool);
    else if (!settings->json)
        print_text(engine);
    else if (!print_json(engine))
        code = EXIT_RUNTIME;
    const int flushed = tool_flush(tool->command);
    smr_engine_destroy(engine);
    smr_model_close(model);
    return code ? code : flushed;
}

static int tune_run(int argc, char **argv)
{
    struct settings settings = {0};
    struct operands operands;
    enum parse_result parsed = options_parse(&tune_command, argc, argv, &settings, &operands);
    int code = EXIT_USAGE;
    if (parsed == PARSE_HELP) {
        code = tool_flush(argv[0]);
    } else if (parsed == PARSE_OK) {
        struct tool tool;
        code = EXIT_RUNTIME;
        if (tool_init(&tool, argv[0], &settings.context))
            code = tune(&tool, &settings, &operands);
        if (!code && settings.context.validate && tool.validation_failed)
            code = EXIT_RUNTIME;
        tool_finish(&tool);
    }
    options_finish(&tune_command, &settings);
    return code;
}
