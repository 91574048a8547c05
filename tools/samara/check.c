// check.c - samara check: every kernel on a device against its twin in plain C.
#include "device/device.h"
#include "suite.h"
#include "terminal.h"
#include "tool.h"

#include <inttypes.h>
#include <string.h>

struct settings {
    const char *device, *kernel;
    int kernels;
    struct context_settings context;
};

#define FIELD(name) .offset = offsetof(struct settings, name)

static const struct option options[] = {
    OPTION_ROW_DEVICE(struct settings),
    OPTION_ROW_THREADS(struct settings),
    {"--kernel", "NAME", NULL, "check this kernel alone", OPTION_TEXT, FIELD(kernel)},
    {"--kernels", "KIND", "tuned",
     "check all variants, those that round activations to no fewer than 32 bits, or the simplest alone",
     OPTION_CHOICE, FIELD(kernels), .choices = tool_kernel_choices},
    OPTION_ROWS_SHADERS(struct settings),
    {"-v --verbose", NULL, NULL, "show every case, and say more on standard error", OPTION_FLAG,
     FIELD(context.verbose)},
};

static const struct example examples[] = {
    {"samara check", "Check the default device"},
    {"samara check --device vulkan0 --kernel matvec -v", "Look closely at one kernel"},
    {NULL, NULL},
};

static int check_run(int argc, char **argv);

extern const struct command check_command;
const struct command check_command = {
    .name = "check",
    .usage = "[OPTION]...",
    .summary = "check that a device and its driver compute correctly",
    .description =
        "Runs every kernel on a device, with every block format and at sizes that are no multiple "
        "of anything, and compares what it computes with the same kernel in plain C. A device "
        "that fails computes wrong text: please report it with the output of this command, and "
        "try --kernels plain.",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .examples = examples,
    .run = check_run,
};

struct check {
    struct progress progress;
    bool verbose;
    const char *kernel; // of the last case; the registry's text
    uint32_t n_cases;
};

static bool report(void *user, const struct smr_suite_result *result)
{
    struct check *check = user;
    check->n_cases++;
    check->kernel = result->kernel;
    if (!result->problem && !check->verbose) {
        char text[64];
        snprintf(text, sizeof text, "%s, %" PRIu32 " cases", result->kernel, check->n_cases);
        progress_update(&check->progress, text, -1);
        return true;
    }
    progress_clear(&check->progress);
    printf("%-8s%s %s %s: %s",
           result->problem   ? "FAILED"
           : result->skipped ? "skipped"
                             : "ok",
           result->kernel, result->type, result->variant, result->name);
    if (result->problem || result->skipped)
        printf(": %s\n", result->problem ? result->problem : result->skipped);
    else
        printf(" (error %.2g of %.2g)\n", result->error, result->tolerance);
    return !ferror(stdout);
}

static int check_device(struct tool *tool, const struct settings *settings)
{
    smr_device *device = smr_device_open(tool->context, settings->device);
    if (!device)
        return tool_fail(tool);
    const struct smr_device_info *info = smr_device_get_info(device);
    printf("%s: ", info->id);
    print_escaped(stdout, info->name, strlen(info->name), 0);
    printf(", ");
    print_escaped(stdout, info->driver, strlen(info->driver), 0);
    printf("\n");

    struct check check = {.verbose = settings->context.verbose};
    progress_init(&check.progress, true);
    struct smr_suite_params params = {
        .kernels = tool_kernels[settings->kernels],
        .kernel = settings->kernel,
        .report = report,
        .user = &check,
    };
    struct smr_suite_summary summary = {0};
    bool done = smr_suite_run(device, &params, &summary);
    progress_clear(&check.progress);
    int code = done && summary.n_failed ? EXIT_RUNTIME : EXIT_OK;
    if (!done) {
        code = tool_fail(tool);
    } else if (!check.n_cases) {
        complain(tool->command, "there is no kernel '%s'",
                 settings->kernel ? settings->kernel : "");
        code = EXIT_USAGE;
    } else {
        printf("%" PRIu32 " passed, %" PRIu32 " failed, %" PRIu32 " not for this device\n",
               summary.n_passed, summary.n_failed, summary.n_skipped);
        int flushed = tool_flush(tool->command);
        code = code ? code : flushed;
    }
    smr_device_close(device);
    return !code && settings->context.validate && tool->validation_failed ? EXIT_RUNTIME : code;
}

static int check_run(int argc, char **argv)
{
    struct settings settings = {0};
    struct operands operands;
    enum parse_result parsed = options_parse(&check_command, argc, argv, &settings, &operands);
    int code = EXIT_USAGE;
    if (parsed == PARSE_HELP) {
        code = tool_flush(argv[0]);
    } else if (parsed == PARSE_OK && operands.n) {
        complain(argv[0], "'%s': takes no arguments", operands.items[0]);
    } else if (parsed == PARSE_OK) {
        struct tool tool;
        code = EXIT_RUNTIME;
        if (tool_init(&tool, argv[0], &settings.context))
            code = check_device(&tool, &settings);
        tool_finish(&tool);
    }
    options_finish(&check_command, &settings);
    return code;
}
