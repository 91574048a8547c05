// buffer.c - buffers, the parts of them that kernels get, and imports of host memory.
#include "device/host.h"
#include "device/opencl/cl.h"

// Kernels read whole words, and vectors of four.
static const uint64_t granularity = 16;

// Refuse what is more than there is: drivers say yes to any size, and fail at the first use.
static bool check_space(smr_buffer *buffer)
{
    struct smr_cl_device *device = smr_cl_device(buffer->device);
    uint64_t memory = buffer->device->info.memory;
    uint64_t available = device->used < memory ? memory - device->used : 0;
    if (device->cpu) {
        uint64_t all, unused;
        smr_host_memory(&all, &unused);
        if (unused < available)
            available = unused;
    }
    if (buffer->size <= available)
        return true;
    return smr_fail(buffer->device->context, SMR_ERROR_MEMORY,
                    "buffer %s: %.1f MiB wanted, %.1f of %.1f MiB are free on device %s (%s)",
                    buffer->name, (double)buffer->size / (1 << 20), (double)available / (1 << 20),
                    (double)memory / (1 << 20), buffer->device->info.id, buffer->device->info.name);
}

static bool create_memory(smr_buffer *buffer, struct smr_cl_buffer *impl)
{
    struct smr_cl_device *device = smr_cl_device(buffer->device);
    cl_int code = CL_SUCCESS;
    cl_mem_flags flags = CL_MEM_READ_WRITE | (device->cpu ? CL_MEM_ALLOC_HOST_PTR : 0);
    impl->mem = device->cl.clCreateBuffer(device->context, flags, impl->size, NULL, &code);
    if (!impl->mem)
        return smr_cl_fail(buffer->device, code, "clCreateBuffer", buffer->name);
    if (!device->cpu)
        return true;
    impl->mapped =
        device->cl.clEnqueueMapBuffer(device->queue, impl->mem, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE,
                                      0, impl->size, 0, NULL, NULL, &code);
    buffer->mapped = impl->mapped;
    return impl->mapped || smr_cl_fail(buffer->device, code, "clEnqueueMapBuffer", buffer->name);
}

bool smr_cl_buffer_create(smr_buffer *buffer)
{
    struct smr_cl_device *device = smr_cl_device(buffer->device);
    if (!check_space(buffer))
        return false;
    struct smr_cl_buffer *impl = smr_alloc(buffer->device->context, 1, sizeof *impl, "a buffer");
    if (!impl)
        return false;
    buffer->impl = impl;
    impl->size = (size_t)((buffer->size + granularity - 1) / granularity * granularity);
    if (!create_memory(buffer, impl))
        goto failed;
    if (!device->cpu && buffer->kind != SMR_MEMORY_DEVICE) {
        impl->copy = smr_alloc(buffer->device->context, 1, impl->size, buffer->name);
        if (!impl->copy)
            goto failed;
        buffer->mapped = impl->copy;
    }
    device->used += buffer->size;
    return true;
failed:
    buffer->imported = true; // not counted yet
    smr_cl_buffer_destroy(buffer);
    return false;
}

bool smr_cl_buffer_import(smr_buffer *buffer, const void *data)
{
    struct smr_cl_device *device = smr_cl_device(buffer->device);
    struct smr_cl_buffer *impl = smr_alloc(buffer->device->context, 1, sizeof *impl, "a buffer");
    if (!impl)
        return false;
    cl_int code = CL_SUCCESS;
    impl->size = (size_t)buffer->size;
    impl->mem = device->cl.clCreateBuffer(device->context, CL_MEM_READ_ONLY | CL_MEM_USE_HOST_PTR,
                                          impl->size, (void *)(uintptr_t)data, &code);
    if (!impl->mem) {
        smr_free(buffer->device->context, impl);
        return false;
    }
    buffer->impl = impl;
    buffer->mapped = (void *)(uintptr_t)data;
    return true;
}

void smr_cl_buffer_destroy(smr_buffer *buffer)
{
    struct smr_cl_device *device = smr_cl_device(buffer->device);
    struct smr_cl_buffer *impl = buffer->impl;
    smr_context *context = buffer->device->context;
    for (size_t i = 0; i < impl->n_parts; i++)
        device->cl.clReleaseMemObject(impl->parts[i].mem);
    if (impl->mapped) {
        device->cl.clEnqueueUnmapMemObject(device->queue, impl->mem, impl->mapped, 0, NULL, NULL);
        device->cl.clFinish(device->queue);
    }
    if (impl->mem)
        device->cl.clReleaseMemObject(impl->mem);
    if (!buffer->imported)
        device->used -= buffer->size;
    smr_free(context, impl->parts);
    smr_free(context, impl->copy);
    smr_free(context, impl);
    buffer->impl = NULL;
}

// ---- parts ------------------------------------------------------------------------------------

cl_mem smr_cl_buffer_part(smr_buffer *buffer, uint64_t offset, uint64_t size)
{
    struct smr_cl_device *device = smr_cl_device(buffer->device);
    struct smr_cl_buffer *impl = buffer->impl;
    size = (size + 3) & ~UINT64_C(3);
    if (!offset)
        return impl->mem;
    for (size_t i = 0; i < impl->n_parts; i++)
        if (impl->parts[i].offset == offset && impl->parts[i].size == size)
            return impl->parts[i].mem;
    if (!smr_grow(buffer->device->context, &impl->parts, &impl->capacity, impl->n_parts + 1,
                  sizeof *impl->parts, "parts of a buffer"))
        return NULL;
    cl_int code = CL_SUCCESS;
    cl_buffer_region region = {.origin = (size_t)offset, .size = (size_t)size};
    cl_mem mem =
        device->cl.clCreateSubBuffer(impl->mem, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, &code);
    if (!mem) {
        smr_cl_fail(buffer->device, code, "clCreateSubBuffer", buffer->name);
        return NULL;
    }
    impl->parts[impl->n_parts++] = (struct smr_cl_part){.mem = mem, .offset = offset, .size = size};
    return mem;
}
