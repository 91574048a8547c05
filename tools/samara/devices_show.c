// devices_show.c - see devices.h.
#include "devices.h"

#include "terminal.h"

#include <string.h>

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

// ---- JSON -------------------------------------------------------------------------------------

static json_t *describe(const struct smr_device_info *infos, size_t n, size_t index)
{
    const struct smr_device_info *info = &infos[index];
    const char *type = "unknown";
    for (size_t i = 0; i < N_TYPES; i++)
        if (types[i].type == info->type)
            type = types[i].name;
    json_t *same = json_array();
    for (size_t i = 0; i < n; i++)
        if (i != index && infos[i].hardware == info->hardware)
            json_array_append_new(same, json_text(infos[i].id));
    return json_pack(
        "{s:o, s:s, s:o, s:s, s:o, s:o, s:I, s:I, s:o, s:b, s:b, s:o, s:o}", "id",
        json_text(info->id), "backend", backend_name(info->backend), "name", json_text(info->name),
        "type", type, "vendor", json_text(info->vendor), "driver", json_text(info->driver),
        "memory", (json_int_t)info->memory, "memory_free", (json_int_t)info->memory_free, "threads",
        info->n_threads ? json_integer(info->n_threads) : json_null(), "default", info->is_default,
        "usable", info->usable, "reason", json_text(info->reason), "same_hardware", same);
}

json_t *devices_json(const struct smr_device_info *infos, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, describe(infos, n, i));
    return list;
}

// ---- text -------------------------------------------------------------------------------------

static void print_field(const char *name, const char *text)
{
    printf("  %-9s", name);
    print_escaped(stdout, text, strlen(text), 0);
    putchar('\n');
}

// The drivers of one piece of hardware, each with its id where there are several; and why some of
// them can't be used.
static void print_drivers(const struct smr_device_info *infos, size_t n, size_t index)
{
    const char *name = "driver";
    bool several = false;
    for (size_t i = index + 1; i < n; i++)
        several = several || infos[i].hardware == infos[index].hardware;
    for (size_t i = index; i < n; i++) {
        const struct smr_device_info *info = &infos[i];
        if (info->hardware != infos[index].hardware || (!several && !*info->driver))
            continue;
        printf("  %-9s", name);
        print_escaped(stdout, info->driver, strlen(info->driver), 0);
        if (several)
            printf(" (%s)", info->id);
        if (several && !info->usable && i != index) {
            printf(", not usable");
            if (info->reason) {
                printf(": ");
                print_escaped(stdout, info->reason, strlen(info->reason), 0);
            }
        }
        putchar('\n');
        name = "";
    }
}

static void print_memory(const struct smr_device_info *info)
{
    char total[SIZE_TEXT], available[SIZE_TEXT];
    if (info->memory_free && info->memory_free != info->memory)
        printf("  %-9s%s, %s free\n", "memory", size_text(info->memory, total),
               size_text(info->memory_free, available));
    else if (info->memory)
        printf("  %-9s%s\n", "memory", size_text(info->memory, total));
}

static void print_hardware(const struct smr_device_info *infos, size_t n, size_t index)
{
    const struct smr_device_info *info = &infos[index];
    const char *meaning = "unknown";
    for (size_t i = 0; i < N_TYPES; i++)
        if (types[i].type == info->type)
            meaning = types[i].meaning;
    printf("%s%s", bold(stdout), info->id);
    for (size_t i = index + 1; i < n; i++)
        if (infos[i].hardware == info->hardware)
            printf(", %s", infos[i].id);
    printf("%s  ", plain(stdout));
    print_escaped(stdout, info->name, strlen(info->name), 0);
    printf("%s\n", info->is_default ? "  (default)" : info->usable ? "" : "  (not usable)");
    print_field("type", meaning);
    if (*info->vendor)
        print_field("vendor", info->vendor);
    print_drivers(infos, n, index);
    print_memory(info);
    if (info->reason)
        print_field("because", info->reason);
}

void devices_print(const struct smr_device_info *infos, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool shown = false;
        for (size_t k = 0; k < i; k++)
            shown = shown || infos[k].hardware == infos[i].hardware;
        if (!shown)
            print_hardware(infos, n, i);
    }
}
