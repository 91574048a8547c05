// buffer.c - buffers, and imports of host memory.
#include "device/vulkan/vk.h"

struct buffer {
    VkBuffer handle;
    struct smr_vk_allocation allocation;
    VkDeviceMemory imported; // else the memory is of `allocation`
};

// Ranges in descriptors are whole words, so buffers are too.
static const uint64_t granularity = 16;

VkBuffer smr_vk_buffer_handle(const smr_buffer *buffer)
{
    return ((const struct buffer *)buffer->impl)->handle;
}

static VkResult create_handle(smr_buffer *buffer, const void *next, VkMemoryRequirements *wanted)
{
    struct smr_vk_device *device = smr_vk_device(buffer->device);
    struct buffer *impl = buffer->impl;
    VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .pNext = next,
        .size = (buffer->size + granularity - 1) / granularity * granularity,
        .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
                 VK_BUFFER_USAGE_TRANSFER_DST_BIT,
        .sharingMode = VK_SHARING_MODE_EXCLUSIVE,
    };
    VkResult result = device->vk.vkCreateBuffer(device->handle, &info, NULL, &impl->handle);
    if (result == VK_SUCCESS)
        device->vk.vkGetBufferMemoryRequirements(device->handle, impl->handle, wanted);
    return result;
}

bool smr_vk_buffer_create(smr_buffer *buffer)
{
    struct smr_vk_device *device = smr_vk_device(buffer->device);
    struct buffer *impl = smr_alloc(device->base.context, 1, sizeof *impl, "a buffer");
    if (!impl)
        return false;
    buffer->impl = impl;
    VkMemoryRequirements wanted;
    VkResult result = create_handle(buffer, NULL, &wanted);
    if (result != VK_SUCCESS) {
        smr_vk_fail(buffer->device, result, "vkCreateBuffer", buffer->name);
        goto failed;
    }
    if (!smr_vk_allocate(buffer, &wanted, &impl->allocation))
        goto failed;
    result = device->vk.vkBindBufferMemory(device->handle, impl->handle,
                                           smr_vk_allocation_memory(&impl->allocation),
                                           impl->allocation.offset);
    if (result != VK_SUCCESS) {
        smr_vk_fail(buffer->device, result, "vkBindBufferMemory", buffer->name);
        goto failed;
    }
    smr_vk_name(buffer->device, VK_OBJECT_TYPE_BUFFER, (uint64_t)impl->handle, buffer->name);
    return true;
failed:
    smr_vk_buffer_destroy(buffer);
    return false;
}

// A type that both the host memory and the buffer can have; -1: none.
static int import_type(const struct smr_vk_device *device, uint32_t allowed)
{
    for (uint32_t i = 0; i < device->memory.properties.memoryTypeCount; i++)
        if (allowed >> i & 1)
            return (int)i;
    return -1;
}

static VkResult import_memory(smr_buffer *buffer, const void *data, uint32_t buffer_types)
{
    struct smr_vk_device *device = smr_vk_device(buffer->device);
    struct buffer *impl = buffer->impl;
    const VkExternalMemoryHandleTypeFlagBits handle_type =
        VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT;
    VkMemoryHostPointerPropertiesEXT host = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_HOST_POINTER_PROPERTIES_EXT};
    VkResult result =
        device->vk.vkGetMemoryHostPointerPropertiesEXT(device->handle, handle_type, data, &host);
    if (result != VK_SUCCESS)
        return result;
    int type = import_type(device, buffer_types & host.memoryTypeBits);
    if (type < 0)
        return VK_ERROR_INVALID_EXTERNAL_HANDLE;
    VkImportMemoryHostPointerInfoEXT import = {
        .sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT,
        .handleType = handle_type,
        .pHostPointer = (void *)data,
    };
    VkMemoryAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                 .pNext = &import,
                                 .allocationSize = buffer->size,
                                 .memoryTypeIndex = (uint32_t)type};
    result = device->vk.vkAllocateMemory(device->handle, &info, NULL, &impl->imported);
    if (result != VK_SUCCESS)
        return result;
    return device->vk.vkBindBufferMemory(device->handle, impl->handle, impl->imported, 0);
}

bool smr_vk_buffer_import(smr_buffer *buffer, const void *data)
{
    struct smr_vk_device *device = smr_vk_device(buffer->device);
    struct buffer *impl = smr_alloc(device->base.context, 1, sizeof *impl, "a buffer");
    if (!impl)
        return false;
    buffer->impl = impl;
    VkExternalMemoryBufferCreateInfo external = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO,
        .handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT,
    };
    VkMemoryRequirements wanted = {0};
    VkResult result = create_handle(buffer, &external, &wanted);
    // Memory that is imported has the size it has: a driver that wants more cannot take it.
    if (result == VK_SUCCESS && wanted.size > buffer->size)
        result = VK_ERROR_INVALID_EXTERNAL_HANDLE;
    if (result == VK_SUCCESS)
        result = import_memory(buffer, data, wanted.memoryTypeBits);
    if (result == VK_SUCCESS) {
        buffer->mapped = (void *)data;
        smr_vk_name(buffer->device, VK_OBJECT_TYPE_BUFFER, (uint64_t)impl->handle, buffer->name);
        return true;
    }
    smr_log(device->base.context, SMR_LOG_DEBUG, "buffer %s: %.1f MiB not imported: %s",
            buffer->name, (double)buffer->size / (1 << 20), smr_vk_result_name(result));
    smr_vk_buffer_destroy(buffer);
    return false;
}

void smr_vk_buffer_destroy(smr_buffer *buffer)
{
    struct smr_vk_device *device = smr_vk_device(buffer->device);
    struct buffer *impl = buffer->impl;
    device->vk.vkDestroyBuffer(device->handle, impl->handle, NULL);
    device->vk.vkFreeMemory(device->handle, impl->imported, NULL);
    smr_vk_free(device, &impl->allocation);
    smr_free(device->base.context, impl);
    buffer->impl = NULL;
}
