// devices.c - samara devices: what this machine can compute on.
#include "terminal.h"
#include "tool.h"

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
    {.names = "-v --verbose",
     .help = "say more on standard error",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct settings, context.verbose)},
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
        "default, and what is missing for those that are absent.",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .examples = examples,
    .run = devices_run,
};

static const char *backend_name(enum smr_backend backend)
{
    switch (backend) {
    case SMR_BACKEND_VULKAN:
        return "vulkan";
    case SMR_BACKEND_OPENCL:
        return "opencl";
    case SMR_BACKEND_REFERENCE:
        return "reference";
    }
    return "unknown";
}

static const struct {
    enum smr_device_type type;
    const char *name;    // for programs
    const char *meaning; // for people
} types[] = {
    {SMR_DEVICE_DISCRETE, "discrete", "graphics card"},
    {SMR_DEVICE_INTEGRATED, "integrated", "GPU sharing the machine's memory"},
    {SMR_DEVICE_CPU, "cpu", "processor"},
    {SMR_DEVICE_SOFTWARE, "software", "software driver on the processor"},
    {SMR_DEVICE_REFERENCE, "reference", "plain C on the processor"},
};
enum { N_TYPES = sizeof types / sizeof types[0] };

static json_t *describe(const struct smr_device_info *info)
{
    const char *type = "unknown";
    for (size_t i = 0; i < N_TYPES; i++)
        if (types[i].type == info->type)
            type = types[i].name;
    return json_pack("{s:o, s:s, s:o, s:s, s:o, s:o, s:I, s:I, s:o, s:b, s:b, s:o}", "id",
                     json_text(info->id), "backend", backend_name(info->backend), "name",
                     json_text(info->name), "type", type, "vendor", json_text(info->vendor),
                     "driver", json_text(info->driver), "memory", (json_int_t)info->memory,
                     "memory_free", (json_int_t)info->memory_free, "threads",
                     info->n_threads ? json_integer(info->n_threads) : json_null(), "default",
                     info->is_default, "usable", info->usable, "reason", json_text(info->reason));
}

static int print_json(const char *command, const struct smr_device_info *infos, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, describe(&infos[i]));
    return json_print(command, list, JSON_INDENT(2));
}

static void print_field(const char *name, const char *text)
{
    printf("  %-9s", name);
    print_escaped(stdout, text, strlen(text), 0);
    putchar('\n');
}

static void print_device(const struct smr_device_info *info)
{
    char total[SIZE_TEXT], available[SIZE_TEXT];
    const char *meaning = "unknown";
    for (size_t i = 0; i < N_TYPES; i++)
        if (types[i].type == info->type)
            meaning = types[i].meaning;
    printf("%s%s%s  ", bold(stdout), info->id, plain(stdout));
    print_escaped(stdout, info->name, strlen(info->name), 0);
    printf("%s\n", info->is_default ? "  (default)" : info->usable ? "" : "  (not usable)");
    print_field("type", meaning);
    if (*info->vendor)
        print_field("vendor", info->vendor);
    if (*info->driver)
        print_field("driver", info->driver);
    if (info->memory_free && info->memory_free != info->memory)
        printf("  %-9s%s, %s free\n", "memory", size_text(info->memory, total),
               size_text(info->memory_free, available));
    else if (info->memory)
        printf("  %-9s%s\n", "memory", size_text(info->memory, total));
    if (info->reason)
        print_field("because", info->reason);
}

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
        code = print_json(tool->command, infos, n);
    } else {
        for (size_t i = 0; i < n; i++)
            print_device(&infos[i]);
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
