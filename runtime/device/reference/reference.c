// reference.c - the reference device: host memory, kernels' plain C twins, lists replayed on submit.
//
// It is complete, so the whole engine runs on it, and it defines what every other device must
// compute. Its limits are those of an ordinary GPU, so that what is planned for it would run there.
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "device/device_impl.h"
#include "device/host.h"

enum { BUFFER_ALIGNMENT = 64 }; // a cache line; more than any type of a twin wants

struct device {
    struct smr_device base;
    uint64_t used; // bytes of buffers; never more than the machine has
};

struct kernel {
    smr_twin_fn *twin;
    uint32_t type;
    uint32_t constants[SMR_MAX_CONSTANTS];
};

enum command_kind { DISPATCH, COPY, TIMESTAMP };

struct command {
    enum command_kind kind;
    uint32_t index;    // of a timestamp
    smr_twin_fn *twin; // of a dispatch
    struct smr_twin_args args;
    uint32_t push[SMR_MAX_PUSH_SIZE / 4];
    void *to; // of a copy
    const void *from;
    size_t size;
};

struct list {
    struct command *commands;
    size_t n_commands, capacity;
    uint64_t *times; // [SMR_MAX_TIMESTAMPS], nanoseconds; NULL until one is recorded
};

// ---- buffers ----------------------------------------------------------------------------------

static bool buffer_create(smr_buffer *buffer)
{
    smr_context *context = buffer->device->context;
    struct device *device = (struct device *)buffer->device;
    uint64_t memory, available;
    smr_host_memory(&memory, &available);
    if (available > memory - device->used)
        available = memory - device->used; // ours may not have been touched yet
    // Checked first: a system that overcommits would hand out the address space and kill us later.
    if (buffer->size > available)
        return smr_fail(context, SMR_ERROR_MEMORY,
                        "buffer %s: %.1f MiB wanted, %.1f of %.1f MiB are free on device reference",
                        buffer->name, (double)buffer->size / (1 << 20),
                        (double)available / (1 << 20), (double)memory / (1 << 20));
    // Rounded up to whole words, as on every device.
    size_t size = smr_align_up((size_t)buffer->size, 4);
    buffer->impl = smr_alloc(context, 1, size + BUFFER_ALIGNMENT, buffer->name);
    if (!buffer->impl)
        return false;
    device->used += buffer->size;
    uintptr_t address = (uintptr_t)buffer->impl;
    buffer->mapped = (char *)buffer->impl + (BUFFER_ALIGNMENT - address % BUFFER_ALIGNMENT);
    return true;
}

static bool buffer_import(smr_buffer *buffer, const void *data)
{
    buffer->mapped = (void *)data;
    return true;
}

static void buffer_destroy(smr_buffer *buffer)
{
    if (!buffer->imported)
        ((struct device *)buffer->device)->used -= buffer->size;
    smr_free(buffer->device->context, buffer->impl);
}

// ---- kernels ----------------------------------------------------------------------------------

static bool kernel_create(smr_kernel *kernel, const struct smr_kernel_params *params)
{
    struct kernel *impl = smr_alloc(kernel->device->context, 1, sizeof *impl, kernel->name);
    if (!impl)
        return false;
    impl->twin = params->twin;
    impl->type = params->type;
    memcpy(impl->constants, params->constants, sizeof impl->constants);
    kernel->impl = impl;
    return true;
}

static void kernel_destroy(smr_kernel *kernel)
{
    smr_free(kernel->device->context, kernel->impl);
}

// ---- lists ------------------------------------------------------------------------------------

static bool list_create(smr_list *list)
{
    list->impl = smr_alloc(list->device->context, 1, sizeof(struct list), "a command list");
    return list->impl;
}

static void list_destroy(smr_list *list)
{
    struct list *impl = list->impl;
    smr_free(list->device->context, impl->commands);
    smr_free(list->device->context, impl->times);
    smr_free(list->device->context, impl);
}

// A new command at the end of the list; NULL when there is no memory, which fails the list.
static struct command *add_command(smr_list *list, enum command_kind kind)
{
    struct list *impl = list->impl;
    if (!smr_grow(list->device->context, &impl->commands, &impl->capacity, impl->n_commands + 1,
                  sizeof *impl->commands, "a command list")) {
        list->failed = true;
        return NULL;
    }
    struct command *command = &impl->commands[impl->n_commands++];
    *command = (struct command){.kind = kind};
    return command;
}

static void list_dispatch(smr_list *list, smr_kernel *kernel, const struct smr_args *args)
{
    struct kernel *impl = kernel->impl;
    struct command *command = add_command(list, DISPATCH);
    if (!command)
        return;
    command->twin = impl->twin;
    command->args.type = impl->type;
    command->args.constants = impl->constants;
    memcpy(command->args.groups, args->groups, sizeof args->groups);
    for (uint32_t i = 0; i < kernel->n_bindings; i++) {
        const struct smr_binding *binding = &args->bindings[i];
        command->args.bindings[i] = (char *)binding->buffer->mapped + binding->offset;
        command->args.sizes[i] = binding->size;
    }
    if (kernel->push_size)
        memcpy(command->push, args->push, kernel->push_size);
}

static void list_copy(smr_list *list, const struct smr_binding *from, const struct smr_binding *to)
{
    struct command *command = add_command(list, COPY);
    if (!command)
        return;
    command->from = (const char *)from->buffer->mapped + from->offset;
    command->to = (char *)to->buffer->mapped + to->offset;
    command->size = (size_t)to->size;
}

static void list_barrier(smr_list *list)
{
    // Commands run one after the other.
}

static void list_timestamp(smr_list *list, uint32_t index)
{
    struct list *impl = list->impl;
    if (!impl->times)
        impl->times =
            smr_alloc(list->device->context, SMR_MAX_TIMESTAMPS, sizeof *impl->times, "timestamps");
    struct command *command = impl->times ? add_command(list, TIMESTAMP) : NULL;
    if (command)
        command->index = index;
    else
        list->failed = true;
}

static bool list_read_timestamps(smr_list *list, uint32_t n, uint64_t *time_ns)
{
    memcpy(time_ns, ((struct list *)list->impl)->times, n * sizeof *time_ns);
    return true;
}

static bool list_end(smr_list *list)
{
    // The array moves no more: arguments may point into it.
    struct list *impl = list->impl;
    for (size_t i = 0; i < impl->n_commands; i++)
        impl->commands[i].args.push = impl->commands[i].push;
    return true;
}

static bool submit(smr_device *device, smr_list *list)
{
    struct list *impl = list->impl;
    for (size_t i = 0; i < impl->n_commands; i++) {
        const struct command *command = &impl->commands[i];
        switch (command->kind) {
        case DISPATCH:
            command->twin(&command->args);
            break;
        case COPY:
            memcpy(command->to, command->from, command->size);
            break;
        case TIMESTAMP:
            impl->times[command->index] = smr_time_ns();
            break;
        }
    }
    return true;
}

static bool wait(smr_device *device, smr_list *list)
{
    return true; // submit() did it all
}

// ---- the device -------------------------------------------------------------------------------

static void update_memory(smr_device *device)
{
    uint64_t memory;
    smr_host_memory(&memory, &device->info.memory_free);
}

static void close_device(smr_device *device)
{
    smr_free(device->context, device);
}

static const struct smr_device_impl impl = {
    .close = close_device,
    .buffer_create = buffer_create,
    .buffer_import = buffer_import,
    .buffer_destroy = buffer_destroy,
    .kernel_create = kernel_create,
    .kernel_destroy = kernel_destroy,
    .list_create = list_create,
    .list_destroy = list_destroy,
    .list_dispatch = list_dispatch,
    .list_copy = list_copy,
    .list_barrier = list_barrier,
    .list_timestamp = list_timestamp,
    .list_read_timestamps = list_read_timestamps,
    .list_end = list_end,
    .submit = submit,
    .wait = wait,
    .update_memory = update_memory,
};

static void fill_limits(struct smr_limits *limits)
{
    uint64_t memory, available;
    smr_host_memory(&memory, &available);
    *limits = (struct smr_limits){
        .max_buffer_size = memory < SIZE_MAX / 2 ? memory : SIZE_MAX / 2,
        .max_binding_size = UINT32_MAX & ~3u,
        .binding_alignment = 16,
        .max_invocations = 1024,
        .max_workgroup_size = {1024, 1024, 64},
        .max_workgroups = {65535, 65535, 65535},
        .max_shared_size = 32768,
        .subgroup_size = 1,
        .min_subgroup_size = 1,
        .max_subgroup_size = 1,
        .import_alignment = (uint32_t)sysconf(_SC_PAGESIZE),
        .capabilities = SMR_CAP_STORAGE_16 | SMR_CAP_STORAGE_8 | SMR_CAP_TIMESTAMPS,
        .unified_memory = true,
        .cpu = true,
    };
}

static bool start(smr_context *context, void **state, struct smr_string *absent)
{
    *state = context; // all there is to know
    return true;
}

static size_t list_devices(void *state, struct smr_device_info *infos, size_t capacity)
{
    if (!capacity)
        return 1;
    struct smr_device_info *info = &infos[0];
    *info = (struct smr_device_info){
        .id = "reference",
        .driver = "samara " SMR_VERSION,
        .backend = SMR_BACKEND_REFERENCE,
        .type = SMR_DEVICE_REFERENCE,
        .n_threads = 1,
        .usable = true,
    };
    smr_host_cpu(info->name, sizeof info->name, info->vendor, sizeof info->vendor);
    smr_host_memory(&info->memory, &info->memory_free);
    return 1;
}

static smr_device *open_device(void *state, uint32_t index)
{
    smr_context *context = state;
    assert(index == 0);
    struct device *device = smr_alloc(context, 1, sizeof *device, "the reference device");
    if (!device)
        return NULL;
    device->base.context = context;
    device->base.impl = &impl;
    list_devices(state, &device->base.info, 1);
    fill_limits(&device->base.limits);
    snprintf(device->base.fingerprint, sizeof device->base.fingerprint, "reference " SMR_VERSION);
    return &device->base;
}

static void stop(void *state)
{
}

const struct smr_backend_impl smr_backend_reference = {
    .name = "reference",
    .backend = SMR_BACKEND_REFERENCE,
    .start = start,
    .list = list_devices,
    .open = open_device,
    .stop = stop,
};
