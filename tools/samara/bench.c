// bench.c - samara bench: how fast a model is on a device, and what bounds it.
#include "bench.h"

#include "model/synthetic.h"

#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NUMBERS = 32 }; // of a list

const char *const bench_cache_types[] = {"f16", "f32", "q8_0", NULL};
static const enum smr_type cache_numbers[] = {SMR_F16, SMR_F32, SMR_Q8_0};
static const char *const output_choices[] = {"md", "json", "csv", NULL};

#define FIELD(name) .offset = offsetof(struct bench_settings, name)

static const struct option options[] = {
    {.help = "What is measured"},
    OPTION_ROW_MODEL(struct bench_settings),
    {"--synthetic", "NAME", NULL,
     "measure a model of this shape with random weights, which needs no file; list: show the shapes",
     OPTION_TEXT, FIELD(synthetic)},
    {"-p --n-prompt", "N[,N]...", "512", "tokens of a prompt; several: a test for each; 0: no test",
     OPTION_TEXT, FIELD(prompts)},
    {"-n --n-gen", "N[,N]...", "128", "tokens to decode; several: a test for each; 0: no test",
     OPTION_TEXT, FIELD(predicts)},
    {"-d --depth --n-depth", "N[,N]...", "0",
     "tokens that are in the KV cache before; several: all tests after each", OPTION_TEXT,
     FIELD(depths)},
    {"-r --repetitions", "N", "5", "how often each test is repeated, after one that does not count",
     OPTION_INTEGER, FIELD(repetitions), 1, 1000},
    {"--no-starts", NULL, NULL, "leave out the time to the first token, cold and warm", OPTION_FLAG,
     FIELD(no_starts)},
    {"--no-kernels", NULL, NULL,
     "leave out which kernels a step consists of, how long each takes, and what the device can do",
     OPTION_FLAG, FIELD(no_kernels)},
    {"--first-token", NULL, NULL,
     "compute one token, print its number and end: the process that bench starts to time that",
     OPTION_FLAG, FIELD(first_token)},

    {.help = "Device"},
    OPTION_ROW_DEVICE(struct bench_settings),
    OPTION_ROW_THREADS(struct bench_settings),
    {"--type", "TYPE", "file",
     "turn the weights into this type while they are loaded; of synthetic models the type to make "
     "them in, q4_0 when none is given",
     OPTION_CHOICE, FIELD(weight_type), .choices = weight_types},
    {"--cache-type", "TYPE", "f16", "type of the KV cache", OPTION_CHOICE, FIELD(cache_type),
     .choices = bench_cache_types},
    {"-b --batch-size", "N", "0",
     "prompt tokens that are computed at once; 0: 512, or 128 without a GPU", OPTION_INTEGER,
     FIELD(n_batch), 0, 1 << 20},
    {"--kernels", "KIND", "tuned", "which variants of the kernels", OPTION_CHOICE, FIELD(kernels),
     .choices = tool_kernel_choices},
    OPTION_ROWS_SHADERS(struct bench_settings),

    {.help = "Output"},
    {"-o --output", "FORMAT", "md",
     "a table for people (md, which is Markdown), one object with all figures (json), or a line for "
     "each test (csv)",
     OPTION_CHOICE, FIELD(output), .choices = output_choices},
    OPTION_ROW_VERBOSE(struct bench_settings),
    OPTION_ROW_QUIET(struct bench_settings),
};

static const struct example examples[] = {
    {"samara bench model.gguf", "A prompt of 512 tokens, and 128 decoded"},
    {"samara bench model.gguf -p 0 -n 64 -d 0,4096",
     "Decoding with and without a long text before"},
    {"samara bench --synthetic llama-7b --type q4_k_m", "A large model without a download"},
    {"samara bench --synthetic list", "The shapes there are"},
    {"samara bench model.gguf -o json | jq '.results[] | {test, tokens_per_s}'",
     "Results for programs"},
    {NULL, NULL},
};

static int bench_run(int argc, char **argv);

const struct command bench_command = {
    .name = "bench",
    .usage = "MODEL [OPTION]...",
    .summary = "measure how fast a model is on a device",
    .description =
        "Times prompts (pp512: tokens of a prompt per second) and decoding (tg128: tokens generated "
        "one after the other per second), each several times after one run that does not count. "
        "Beside them stand what the processor does for a token, memory (of the process also without the "
        "pages of shared libraries, most of which are a driver's compiler's and there once for all "
        "processes), and how long a new process "
        "takes to its first token after a prompt of eight: cold, when nothing was compiled before, and "
        "warm. Then the steps "
        "of the first test of each kind, kernel by kernel: the bytes that have to be moved and the "
        "operations that have to be done, how long that takes, and which share that is of what the "
        "device can do, measured by kernels that only read or only multiply.\n"
        "Names and meaning of tests are those of llama-bench.",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .examples = examples,
    .run = bench_run,
};

bool bench_fail(struct bench *bench)
{
    progress_clear(&bench->progress);
    bench->code = tool_fail(&bench->tool);
    return false;
}

static bool fail_with(struct bench *bench, int code)
{
    bench->code = code;
    return false;
}

void bench_progress(struct bench *bench, const char *format, ...)
{
    char text[64];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    progress_update(&bench->progress, text, -1);
}

// ---- tests ------------------------------------------------------------------------------------

// Numbers of "512,64". False after a complaint.
static bool parse_numbers(const struct bench *bench, const char *option, const char *text,
                          uint32_t numbers[MAX_NUMBERS], size_t *n)
{
    const char *from = text;
    char *end = NULL;
    *n = 0;
    do {
        const bool digit = *from >= '0' && *from <= '9';
        const unsigned long long value = digit ? strtoull(from, &end, 10) : ULLONG_MAX;
        if (value > 1 << 24 || (*end && *end != ',') || *n == MAX_NUMBERS) {
            complain(bench->tool.command,
                     "%s: '%s' is no list of at most %d whole numbers up to %d, as 512,1024",
                     option, text, MAX_NUMBERS, 1 << 24);
            return false;
        }
        numbers[(*n)++] = (uint32_t)value;
        from = end + 1;
    } while (*end);
    return true;
}

static void add_tests(struct bench *bench, bool decode, const uint32_t *numbers, size_t n,
                      uint32_t depth)
{
    for (size_t i = 0; i < n; i++) {
        struct bench_test *test = &bench->tests[bench->n_tests];
        if (!numbers[i])
            continue;
        *test = (struct bench_test){.decode = decode, .n = numbers[i], .depth = depth};
        snprintf(test->name, sizeof test->name, "%s%" PRIu32, decode ? "tg" : "pp", test->n);
        bench->n_tests++;
    }
}

static bool make_tests(struct bench *bench)
{
    const struct bench_settings *settings = bench->settings;
    uint32_t prompts[MAX_NUMBERS], predicts[MAX_NUMBERS], depths[MAX_NUMBERS];
    size_t n_prompts, n_predicts, n_depths;
    if (!parse_numbers(bench, "--n-prompt", settings->prompts, prompts, &n_prompts) ||
        !parse_numbers(bench, "--n-gen", settings->predicts, predicts, &n_predicts) ||
        !parse_numbers(bench, "--depth", settings->depths, depths, &n_depths))
        return fail_with(bench, EXIT_USAGE);
    bench->tests = calloc((n_prompts + n_predicts) * n_depths, sizeof *bench->tests);
    if (!bench->tests) {
        complain(bench->tool.command, "out of memory");
        return fail_with(bench, EXIT_DEVICE);
    }
    for (size_t i = 0; i < n_depths; i++) {
        add_tests(bench, false, prompts, n_prompts, depths[i]);
        add_tests(bench, true, predicts, n_predicts, depths[i]);
    }
    if (bench->n_tests)
        return true;
    complain(bench->tool.command, "there is nothing to measure: --n-prompt and --n-gen are 0");
    return fail_with(bench, EXIT_USAGE);
}

// ---- the model --------------------------------------------------------------------------------

static bool open_model(struct bench *bench, const struct operands *operands)
{
    const struct bench_settings *settings = bench->settings;
    const char *type = settings->weight_type ? weight_types[settings->weight_type] : NULL;
    if (settings->synthetic) {
        if (operands->n || settings->model) {
            complain(bench->tool.command, "a model and --synthetic: take one of them");
            return fail_with(bench, EXIT_USAGE);
        }
        bench->model = smr_model_open_synthetic(bench->tool.context, settings->synthetic);
        if (!bench->model)
            return bench_fail(bench);
        type = type ? type : "q4_0";
    } else {
        bench->model = tool_open_model(&bench->tool, operands, settings->model, &bench->code);
        if (!bench->model)
            return false;
    }
    if (type && !smr_model_set_type(bench->model, type))
        return bench_fail(bench);
    smr_model_info(bench->model, &bench->info);
    return true;
}

static bool open_engine(struct bench *bench)
{
    const struct bench_settings *settings = bench->settings;
    const uint32_t n_context = bench_n_context(bench);
    const struct smr_engine_params params = {
        .device = settings->device,
        .kernels = tool_kernels[settings->kernels],
        .cache_type = cache_numbers[settings->cache_type],
        .cache_type_set = true,
        .n_context = n_context,
        .n_source = bench->info.n_encoder_layers ? n_context : 0,
        .n_batch = (uint32_t)settings->n_batch,
        .progress = progress_update,
        .user = &bench->progress,
    };
    bench->engine = smr_engine_create(bench->model, &params);
    bench->session = bench->engine ? smr_session_create(bench->engine) : NULL;
    return bench->session || bench_fail(bench);
}

static int list_shapes(const char *command)
{
    const struct smr_synthetic_shape *shape;
    printf("%-14s %8s %7s %7s %8s %11s\n", "name", "layers", "n_embd", "n_ff", "n_vocab",
           "numbers of");
    for (size_t i = 0; (shape = smr_synthetic_shape(i)); i++)
        printf("%-14s %8" PRIu32 " %7" PRIu32 " %7" PRIu32 " %8" PRIu32 "  %s\n", shape->name,
               shape->n_layers, shape->n_embd, shape->n_ff, shape->n_vocab, shape->source);
    return tool_flush(command);
}

// The high-water mark of the resident set (proc(5)).
static uint64_t peak_memory(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    uint64_t kilobytes = 0;
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmHWM: %" SCNu64, &kilobytes) == 1)
            break;
    if (file)
        fclose(file);
    return kilobytes * 1024;
}

// Pages of shared libraries in it: of a driver's compiler above all, which are read once for all
// processes that use it.
static uint64_t library_memory(void)
{
    FILE *file = fopen("/proc/self/smaps", "r");
    char line[PATH_MAX + 128];
    uint64_t sum = 0, kilobytes, from, to;
    bool library = false;
    while (file && fgets(line, sizeof line, file)) {
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &from, &to) == 2)
            library = strstr(line, ".so\n") || strstr(line, ".so.");
        else if (library && sscanf(line, "Rss: %" SCNu64, &kilobytes) == 1)
            sum += kilobytes * 1024;
    }
    if (file)
        fclose(file);
    return sum;
}

// ---- all of it --------------------------------------------------------------------------------

static bool measure(struct bench *bench, const struct operands *operands, int argc, char **argv)
{
    const struct bench_settings *settings = bench->settings;
    if (!make_tests(bench) || !open_model(bench, operands))
        return false;
    // Before this process takes memory of the device.
    const bool starts = !settings->no_starts && !settings->first_token;
    if (starts && !bench_measure_starts(bench, argc, argv))
        return false;
    if (!bench_make_tokens(bench) || !open_engine(bench))
        return false;
    if (settings->first_token) {
        if (bench_first_token(bench))
            printf("%" PRId32 "\n", bench->session->tokens[bench->session->n_tokens - 1]);
        return false; // the code tells
    }
    if (!bench_run_tests(bench))
        return false;
    bench->peak_memory = peak_memory(); // before what only measuring needs
    bench->library_memory = library_memory();
    if (settings->no_kernels || settings->output == BENCH_CSV)
        return true;
    bench_progress(bench, "what the device can do");
    return smr_peaks_measure(bench->engine->kernels, &bench->peaks) || bench_fail(bench);
}

static void finish(struct bench *bench)
{
    progress_clear(&bench->progress);
    smr_session_destroy(bench->session);
    smr_engine_destroy(bench->engine);
    smr_model_close(bench->model);
    for (size_t i = 0; i < bench->n_tests; i++)
        free(bench->tests[i].samples);
    free(bench->tests);
    free(bench->decode.kernels);
    free(bench->prompt.kernels);
    free(bench->tokens);
}

static int bench_all(struct bench *bench, const struct operands *operands, int argc, char **argv)
{
    const bool quiet = bench->settings->context.quiet || bench->settings->first_token;
    progress_init(&bench->progress, !quiet);
    bench->starts = (struct bench_starts){-1, -1};
    if (measure(bench, operands, argc, argv)) {
        progress_clear(&bench->progress);
        bench->code = bench_show(bench);
    } else if (!bench->code) {
        bench->code = tool_flush(bench->tool.command);
    }
    finish(bench);
    const bool invalid = bench->settings->context.validate && bench->tool.validation_failed;
    return !bench->code && invalid ? EXIT_RUNTIME : bench->code;
}

static int bench_run(int argc, char **argv)
{
    struct bench_settings settings = {0};
    struct operands operands;
    enum parse_result parsed = options_parse(&bench_command, argc, argv, &settings, &operands);
    int code = EXIT_USAGE;
    if (parsed == PARSE_HELP) {
        code = tool_flush(argv[0]);
    } else if (parsed == PARSE_OK && settings.synthetic && !strcmp(settings.synthetic, "list")) {
        code = list_shapes(argv[0]);
    } else if (parsed == PARSE_OK) {
        struct bench bench = {.settings = &settings};
        code = EXIT_RUNTIME;
        if (tool_init(&bench.tool, argv[0], &settings.context))
            code = bench_all(&bench, &operands, argc, argv);
        tool_finish(&bench.tool);
    }
    options_finish(&bench_command, &settings);
    return code;
}
