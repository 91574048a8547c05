// device.c - what all backends share of a device: its state, its kernels, submission and waiting.
#include "device/device_impl.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

// ---- what a device is -------------------------------------------------------------------------

smr_context *smr_device_context(const smr_device *device)
{
    return device->context;
}

const struct smr_device_info *smr_device_get_info(const smr_device *device)
{
    if (device->impl->update_memory)
        device->impl->update_memory((smr_device *)device);
    return &device->info;
}

const struct smr_limits *smr_device_limits(const smr_device *device)
{
    return &device->limits;
}

const char *smr_device_fingerprint(const smr_device *device)
{
    return device->fingerprint;
}

bool smr_device_takes_spirv(const smr_device *device)
{
    return device->impl->takes_spirv;
}

void smr_device_get_counters(const smr_device *device, struct smr_device_counters *counters)
{
    *counters = device->counters;
    if (device->impl->n_validation_messages)
        counters->n_validation_messages = device->impl->n_validation_messages(device);
    counters->n_kernels = atomic_load(&device->n_kernels);
}

void smr_device_close(smr_device *device)
{
    if (!device)
        return;
    if (!device->lost)
        smr_device_wait(device);
    smr_staging_finish(device);
    assert(atomic_load(&device->n_objects) == 0 && "something made from the device is still alive");
    device->impl->close(device);
}

// ---- loss -------------------------------------------------------------------------------------

bool smr_device_lose(smr_device *device, const char *format, ...)
{
    if (!device->lost) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(device->lost_reason, sizeof device->lost_reason, format, arguments);
        va_end(arguments);
        device->lost = true;
        // Nothing is at work any more, and nobody may wait for it.
        device->n_completed = device->n_submitted;
        device->last = NULL;
    }
    return smr_device_alive(device);
}

bool smr_device_alive(smr_device *device)
{
    if (!device->lost)
        return true;
    return smr_fail(device->context, SMR_ERROR_DEVICE,
                    "device %s (%s) was lost: %s; it must be opened again", device->info.id,
                    device->info.name, device->lost_reason);
}

// ---- submission -------------------------------------------------------------------------------

bool smr_list_wait(smr_list *list)
{
    smr_device *device = list->device;
    if (!smr_device_alive(device))
        return false;
    if (!smr_list_pending(list))
        return true;
    if (!device->impl->wait(device, list))
        return false;
    device->n_completed = list->submission; // those before it are done too
    if (device->last == list)
        device->last = NULL;
    return true;
}

bool smr_device_wait(smr_device *device)
{
    if (!smr_device_alive(device))
        return false;
    return !device->last || smr_list_wait(device->last);
}

bool smr_device_submit(smr_device *device, smr_list *list)
{
    if (!smr_device_alive(device))
        return false;
    if (list->device != device)
        return smr_fail(device->context, SMR_ERROR, "list %s belongs to another device",
                        list->name);
    if (!list->ended)
        return smr_fail(device->context, SMR_ERROR, "list %s: submitted before its end",
                        list->name);
    if (smr_list_pending(list) && !smr_list_wait(list))
        return false;
    if (!device->impl->submit(device, list))
        return false;
    list->submission = ++device->n_submitted;
    device->last = list;
    device->counters.n_submissions++;
    return true;
}

// ---- kernels ----------------------------------------------------------------------------------

static bool check_code(const smr_device *device, const struct smr_kernel_params *params)
{
    enum { SPIRV_MAGIC = 0x07230203, SPIRV_HEADER_SIZE = 20 };
    smr_context *context = device->context;
    if (!device->impl->takes_spirv)
        return params->twin ||
               smr_fail(context, SMR_ERROR, "kernel %s has no plain C twin", params->name);
    if (!params->spirv || params->spirv_size < SPIRV_HEADER_SIZE || params->spirv_size % 4 ||
        params->spirv[0] != SPIRV_MAGIC)
        return smr_fail(context, SMR_ERROR, "kernel %s: %zu bytes that are not SPIR-V",
                        params->name, params->spirv ? params->spirv_size : 0);
    return true;
}

static bool check_kernel(const smr_device *device, const struct smr_kernel_params *params)
{
    smr_context *context = device->context;
    const struct smr_limits *limits = &device->limits;
    uint32_t size = params->subgroup_size;
    if (params->n_bindings > SMR_MAX_BINDINGS || params->n_constants > SMR_MAX_CONSTANTS)
        return smr_fail(context, SMR_ERROR,
                        "kernel %s: %u bindings and %u constants, at most %d "
                        "and %d are possible",
                        params->name, params->n_bindings, params->n_constants, SMR_MAX_BINDINGS,
                        SMR_MAX_CONSTANTS);
    if (params->push_size > SMR_MAX_PUSH_SIZE || params->push_size % 4)
        return smr_fail(context, SMR_ERROR,
                        "kernel %s: %u bytes of push constants, not a multiple "
                        "of 4 up to %d",
                        params->name, params->push_size, SMR_MAX_PUSH_SIZE);
    for (uint32_t i = 0; i < params->n_bindings; i++)
        if (!(params->access[i] & SMR_READ_WRITE) || params->access[i] & ~SMR_READ_WRITE)
            return smr_fail(context, SMR_ERROR, "kernel %s: binding %u is neither read nor written",
                            params->name, i);
    if (size && (!(limits->capabilities & SMR_CAP_SUBGROUP_SIZE) || size & (size - 1) ||
                 size < limits->min_subgroup_size || size > limits->max_subgroup_size))
        return smr_fail(context, SMR_ERROR_DEVICE,
                        "kernel %s wants subgroups of %u, device %s has %u to %u%s", params->name,
                        size, device->info.id, limits->min_subgroup_size, limits->max_subgroup_size,
                        limits->capabilities & SMR_CAP_SUBGROUP_SIZE ? "" : ", by its own choice");
    return check_code(device, params);
}

smr_kernel *smr_kernel_create(smr_device *device, const struct smr_kernel_params *params)
{
    if (!smr_device_alive(device) || !check_kernel(device, params))
        return NULL;
    smr_kernel *kernel = smr_alloc(device->context, 1, sizeof *kernel, "a kernel");
    if (!kernel)
        return NULL;
    kernel->device = device;
    kernel->n_bindings = params->n_bindings;
    kernel->push_size = params->push_size;
    memcpy(kernel->access, params->access, sizeof kernel->access);
    kernel->name = smr_strdup(device->context, params->name);
    if (!kernel->name || !device->impl->kernel_create(kernel, params)) {
        smr_free(device->context, (char *)kernel->name);
        smr_free(device->context, kernel);
        return NULL;
    }
    atomic_fetch_add(&device->n_kernels, 1);
    atomic_fetch_add(&device->n_objects, 1);
    return kernel;
}

void smr_kernel_destroy(smr_kernel *kernel)
{
    if (!kernel)
        return;
    smr_device *device = kernel->device;
    if (device->last)
        smr_device_wait(device);
    device->impl->kernel_destroy(kernel);
    atomic_fetch_sub(&device->n_objects, 1);
    smr_free(device->context, (char *)kernel->name);
    smr_free(device->context, kernel);
}

bool smr_kernels_compile(smr_device *device, smr_kernel *const *kernels, size_t n)
{
    return smr_device_alive(device) &&
           (!device->impl->kernels_compile || device->impl->kernels_compile(device, kernels, n));
}

bool smr_kernel_inspect(smr_kernel *kernel, struct smr_string *text)
{
    const smr_device *device = kernel->device;
    if (!device->impl->kernel_inspect)
        return smr_fail(device->context, SMR_ERROR_DEVICE,
                        "kernel %s: device %s does not tell what it made of it", kernel->name,
                        device->info.id);
    return device->impl->kernel_inspect(kernel, text) && !text->failed;
}

const char *smr_kernel_name(const smr_kernel *kernel)
{
    return kernel->name;
}
