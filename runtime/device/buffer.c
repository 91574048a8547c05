// buffer.c - buffers: arguments checked, and data moved between host and device.
#include "device/device_impl.h"

#include <string.h>

// Bytes of one staging buffer. Two of them take turns, so that the host fills one while the device
// empties the other.
static const uint64_t staging_size = (uint64_t)4 << 20;

// Reading this much of uncached memory costs more than a submission (about 50 microseconds).
static const uint64_t slow_read_size = 4096;

static smr_buffer *buffer_new(smr_device *device, uint64_t size, enum smr_memory kind,
                              const char *name)
{
    smr_buffer *buffer = smr_alloc(device->context, 1, sizeof *buffer, "a buffer");
    if (!buffer)
        return NULL;
    buffer->device = device;
    buffer->size = size;
    buffer->kind = kind;
    buffer->name = smr_strdup(device->context, name ? name : "unnamed");
    if (!buffer->name) {
        smr_free(device->context, buffer);
        return NULL;
    }
    return buffer;
}

static void buffer_delete(smr_buffer *buffer)
{
    smr_context *context = buffer->device->context;
    smr_free(context, (char *)buffer->name);
    smr_free(context, buffer);
}

static void count_buffer(smr_device *device)
{
    device->counters.n_buffers++;
    atomic_fetch_add(&device->n_objects, 1);
}

smr_buffer *smr_buffer_create(smr_device *device, const struct smr_buffer_params *params)
{
    const char *name = params->name ? params->name : "unnamed";
    if (!smr_device_alive(device))
        return NULL;
    if (!params->size || (unsigned)params->kind > SMR_MEMORY_READBACK) {
        smr_fail(device->context, SMR_ERROR, "buffer %s: %llu bytes of memory of kind %d", name,
                 (unsigned long long)params->size, (int)params->kind);
        return NULL;
    }
    if (params->size > device->limits.max_buffer_size) {
        smr_fail(device->context, SMR_ERROR_MEMORY,
                 "buffer %s: %llu bytes wanted, one buffer of device %s (%s) has at most %llu",
                 name, (unsigned long long)params->size, device->info.id, device->info.name,
                 (unsigned long long)device->limits.max_buffer_size);
        return NULL;
    }
    smr_buffer *buffer = buffer_new(device, params->size, params->kind, name);
    if (!buffer)
        return NULL;
    if (!device->impl->buffer_create(buffer)) {
        buffer_delete(buffer);
        return NULL;
    }
    count_buffer(device);
    return buffer;
}

smr_buffer *smr_buffer_import(smr_device *device, const void *data, uint64_t size, const char *name)
{
    uint32_t alignment = device->limits.import_alignment;
    if (!smr_device_alive(device) || !device->impl->buffer_import || !alignment)
        return NULL;
    if (!data || !size || (uintptr_t)data % alignment || size % alignment) {
        smr_fail(device->context, SMR_ERROR,
                 "buffer %s: import of %llu bytes at %p: both must be multiples of %u",
                 name ? name : "unnamed", (unsigned long long)size, data, alignment);
        return NULL;
    }
    if (size > device->limits.max_buffer_size)
        return NULL;
    smr_buffer *buffer = buffer_new(device, size, SMR_MEMORY_UPLOAD, name);
    if (!buffer)
        return NULL;
    buffer->imported = true;
    if (!device->impl->buffer_import(buffer, data)) {
        buffer_delete(buffer);
        return NULL;
    }
    count_buffer(device);
    return buffer;
}

void smr_buffer_destroy(smr_buffer *buffer)
{
    if (!buffer)
        return;
    smr_device *device = buffer->device;
    if (device->last)
        smr_device_wait(device);
    device->impl->buffer_destroy(buffer);
    atomic_fetch_sub(&device->n_objects, 1);
    buffer_delete(buffer);
}

uint64_t smr_buffer_size(const smr_buffer *buffer)
{
    return buffer->size;
}

void *smr_buffer_data(smr_buffer *buffer)
{
    return buffer->mapped;
}

// ---- staging ----------------------------------------------------------------------------------

static smr_buffer *staging_buffer(smr_device *device, smr_buffer **slot, enum smr_memory kind)
{
    struct smr_buffer_params params = {.size = staging_size, .kind = kind, .name = "staging"};
    if (!*slot)
        *slot = smr_buffer_create(device, &params);
    return *slot;
}

void smr_staging_finish(smr_device *device)
{
    for (int i = 0; i < 2; i++) {
        smr_list_destroy(device->staging.lists[i]);
        smr_buffer_destroy(device->staging.upload[i]);
        device->staging.lists[i] = NULL;
        device->staging.upload[i] = NULL;
    }
    smr_buffer_destroy(device->staging.readback);
    device->staging.readback = NULL;
}

// Submit one copy. Its list stays in `slot` until that is used again.
static bool submit_copy(smr_device *device, int slot, const struct smr_binding *from,
                        const struct smr_binding *to)
{
    smr_list_destroy(device->staging.lists[slot]); // waits for it
    smr_list *list = device->staging.lists[slot] = smr_list_create(device, "staging");
    if (!list)
        return false;
    smr_list_copy(list, from, to);
    return smr_list_end(list) && smr_device_submit(device, list);
}

static bool write_staged(smr_buffer *buffer, uint64_t offset, const uint8_t *data, uint64_t size)
{
    smr_device *device = buffer->device;
    for (int slot = 0; size; slot = !slot) {
        smr_buffer *staging =
            staging_buffer(device, &device->staging.upload[slot], SMR_MEMORY_UPLOAD);
        if (!staging)
            return false;
        if (device->staging.lists[slot] && !smr_list_wait(device->staging.lists[slot]))
            return false;
        uint64_t part = size < staging_size ? size : staging_size;
        memcpy(staging->mapped, data, (size_t)part);
        struct smr_binding from = {.buffer = staging, .size = part};
        struct smr_binding to = {.buffer = buffer, .offset = offset, .size = part};
        if (!submit_copy(device, slot, &from, &to))
            return false;
        offset += part;
        data += part;
        size -= part;
    }
    return smr_device_wait(device);
}

static bool read_staged(smr_buffer *buffer, uint64_t offset, uint8_t *data, uint64_t size)
{
    smr_device *device = buffer->device;
    smr_buffer *staging = staging_buffer(device, &device->staging.readback, SMR_MEMORY_READBACK);
    if (!staging)
        return false;
    while (size) {
        uint64_t part = size < staging_size ? size : staging_size;
        struct smr_binding from = {.buffer = buffer, .offset = offset, .size = part};
        struct smr_binding to = {.buffer = staging, .size = part};
        if (!submit_copy(device, 0, &from, &to) || !smr_device_wait(device))
            return false;
        memcpy(data, staging->mapped, (size_t)part);
        offset += part;
        data += part;
        size -= part;
    }
    return true;
}

// ---- write and read ---------------------------------------------------------------------------

static bool check_transfer(const smr_buffer *buffer, const char *what, uint64_t offset,
                           uint64_t size)
{
    if (offset > buffer->size || size > buffer->size - offset)
        return smr_fail(buffer->device->context, SMR_ERROR,
                        "buffer %s: %s of %llu bytes at %llu, it has %llu", buffer->name, what,
                        (unsigned long long)size, (unsigned long long)offset,
                        (unsigned long long)buffer->size);
    return true;
}

bool smr_buffer_write(smr_buffer *buffer, uint64_t offset, const void *data, uint64_t size)
{
    if (!check_transfer(buffer, "write", offset, size) || !smr_device_wait(buffer->device))
        return false;
    if (buffer->imported)
        return smr_fail(buffer->device->context, SMR_ERROR, "buffer %s is imported and read-only",
                        buffer->name);
    if (!buffer->mapped)
        return write_staged(buffer, offset, data, size);
    if (size)
        memcpy((uint8_t *)buffer->mapped + offset, data, (size_t)size);
    return true;
}

bool smr_buffer_read(smr_buffer *buffer, uint64_t offset, void *data, uint64_t size)
{
    if (!check_transfer(buffer, "read", offset, size) || !smr_device_wait(buffer->device))
        return false;
    if (!buffer->mapped || (buffer->slow_read && size >= slow_read_size))
        return read_staged(buffer, offset, data, size);
    if (size)
        memcpy(data, (const uint8_t *)buffer->mapped + offset, (size_t)size);
    return true;
}
