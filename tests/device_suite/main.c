// main.c - the device suite as a test: TAP on stdout.
//
//   device_suite [--device ID] [--kernels tuned|f32|plain] [--kernel NAME] [--cache DIR] [--validation]
//                [--most-bytes N] [--time N]
//
// Without a device of that kind: everything skipped. Validation messages fail the test.
// --most-bytes leaves out cases with larger operands: for simulators. With --time each line shows
// milliseconds to make the kernel and to run it first, and microseconds for one of N runs.
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
    const char *device, *kernel, *cache, *n_timed, *most_bytes;
    enum smr_kernels kernels;
    bool validation;
};

static bool parse_kernels(const char *name, enum smr_kernels *kernels)
{
    static const char *const names[] = {
        [SMR_KERNELS_TUNED] = "tuned", [SMR_KERNELS_F32] = "f32", [SMR_KERNELS_PLAIN] = "plain"};
    for (size_t i = 0; i < SMR_COUNT(names); i++) {
        *kernels = (enum smr_kernels)i;
        if (!strcmp(name, names[i]))
            return true;
    }
    return false;
}

static bool parse(int argc, char **argv, struct options *options)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(argv[i], "--validation")) {
            options->validation = true;
            continue;
        }
        if (!strcmp(argv[i], "--device"))
            options->device = value;
        else if (!strcmp(argv[i], "--kernel"))
            options->kernel = value;
        else if (!strcmp(argv[i], "--cache"))
            options->cache = value;
        else if (!strcmp(argv[i], "--most-bytes"))
            options->most_bytes = value;
        else if (!strcmp(argv[i], "--time"))
            options->n_timed = value;
        else if (strcmp(argv[i], "--kernels") != 0 || !parse_kernels(value, &options->kernels))
            return false;
        i++;
    }
    return true;
}

static void print_log(void *user, enum smr_log_level level, const char *text)
{
    fprintf(stderr, "# %s\n", text);
}

static bool print_result(void *user, const struct smr_suite_result *result)
{
    uint32_t *n = user;
    if (result->skipped) // a variant that is not for this device is no test of it
        return true;
    printf("%s %u - %s %s %s: %s", result->problem ? "not ok" : "ok", ++*n, result->kernel,
           result->type, result->variant, result->name);
    printf(" (error %.2g)", result->error);
    if (result->time_ns > 0)
        printf(" %.1f + %.1f ms, %.1f us", result->create_ns * 1e-6, result->first_ns * 1e-6,
               result->time_ns * 1e-3);
    printf("\n");
    if (result->problem)
        printf("# %s\n", result->problem);
    fflush(stdout);
    return true;
}

int main(int argc, char **argv)
{
    struct options options = {0};
    if (!parse(argc, argv, &options)) {
        fprintf(stderr, "usage: device_suite [--device ID] [--kernels tuned|f32|plain] "
                        "[--kernel NAME] [--cache DIR] [--validation] [--time N]\n");
        return 2;
    }
    struct smr_context_params params = {
        .log = print_log,
        .log_level = SMR_LOG_WARNING,
        .cache_dir = options.cache,
        .validation = options.validation,
    };
    smr_context *context = smr_context_create(&params);
    if (!context)
        return 1;
    smr_device *device = smr_device_open(context, options.device);
    if (!device) {
        printf("1..0 # SKIP %s\n", smr_context_error(context));
        smr_context_destroy(context);
        return 0;
    }
    printf("# %s\n", smr_device_get_info(device)->name);

    uint32_t n = 0;
    struct smr_suite_params suite = {
        .kernels = options.kernels,
        .kernel = options.kernel,
        .most_bytes = options.most_bytes ? strtoull(options.most_bytes, NULL, 10) : 0,
        .n_timed = options.n_timed ? (uint32_t)strtoul(options.n_timed, NULL, 10) : 0,
        .report = print_result,
        .user = &n,
    };
    struct smr_suite_summary summary;
    bool done = smr_suite_run(device, &suite, &summary);
    if (!done)
        printf("Bail out! %s\n", smr_context_error(context));
    struct smr_device_counters counters;
    smr_device_get_counters(device, &counters);
    if (options.validation) {
        printf("%s %u - no validation messages\n", counters.n_validation_messages ? "not ok" : "ok",
               ++n);
        summary.n_failed += counters.n_validation_messages != 0;
    }
    printf("1..%u\n", n);
    smr_device_close(device);
    smr_context_destroy(context);
    return done && !summary.n_failed ? 0 : 1;
}
