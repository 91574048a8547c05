// devices.c - samara devices: what this machine can compute on.
#include "devices.h"
#include "terminal.h"

#include <stdlib.h>
#include <string.h>

struct settings {
    bool json;
    struct context_settings context;
};

static const struct option options[] = {
    {.names = "--json",
     .help = "print a list of objects for programs",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct settings, json)},
    OPTION_ROW_VERBOSE(struct settings),
};

static const struct example examples[] = {
    {"samara devices", "Show all devices, the preferred one first"},
    {"samara run model.gguf -p Hello --device vulkan0", "Compute on one of them"},
    {NULL, NULL},
};

static int devices_run(int argc, char **argv);

extern const struct command devices_command;
const struct command devices_command = {
    .name = "devices",
    .usage = "[OPTION]...",
    .summary = "list what this machine can compute on",
    .description =
        "Lists the devices that samara finds, in its order of preference: a graphics card, a GPU "
        "that shares the machine's memory, the processor, a software driver, and last the "
        "reference in plain C, which is always there and slow. Says why one of them is the "
        "default, and what is missing for those that are absent. A GPU that several drivers reach is "
        "shown once, with an id for each of them: they may compute at different speeds.",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .examples = examples,
    .run = devices_run,
};

static int list_devices(struct tool *tool, bool json)
{
    const char *absent = NULL;
    size_t capacity = 16, n;
    struct smr_device_info *infos = NULL;
    for (;;) {
        struct smr_device_info *grown = realloc(infos, capacity * sizeof *infos);
        if (!grown) {
            free(infos);
            complain(tool->command, "out of memory");
            return EXIT_DEVICE;
        }
        infos = grown;
        n = smr_devices(tool->context, infos, capacity, &absent);
        if (n <= capacity)
            break;
        capacity = n;
    }

    int code;
    if (!n && smr_context_status(tool->context) != SMR_OK) {
        code = tool_fail(tool);
    } else if (json) {
        code = json_print(tool->command, devices_json(infos, n), JSON_INDENT(2));
    } else {
        devices_print(infos, n);
        if (absent && *absent) {
            printf("%sAbsent%s\n", bold(stdout), plain(stdout));
            for (size_t size; *absent; absent += size + (absent[size] == '\n')) {
                size = strcspn(absent, "\n");
                printf("  ");
                print_escaped(stdout, absent, size, 0);
                putchar('\n');
            }
        }
        code = tool_flush(tool->command);
    }
    free(infos);
    return code;
}

static int devices_run(int argc, char **argv)
{
    struct settings settings = {.context.no_cache = true};
    struct operands operands;
    enum parse_result parsed = options_parse(&devices_command, argc, argv, &settings, &operands);
    int code = EXIT_USAGE;
    if (parsed == PARSE_HELP) {
        code = tool_flush(argv[0]);
    } else if (parsed == PARSE_OK && operands.n) {
        complain(argv[0], "'%s': takes no arguments", operands.items[0]);
    } else if (parsed == PARSE_OK) {
        struct tool tool;
        code = EXIT_RUNTIME;
        if (tool_init(&tool, argv[0], &settings.context))
            code = list_devices(&tool, settings.json);
        tool_finish(&tool);
    }
    options_finish(&devices_command, &settings);
    return code;
}
