// list.c - command buffers with their descriptor sets, recorded once; submission and waiting.
#include <string.h>

#include "device/vulkan/vk.h"

struct list {
    VkCommandPool pool;
    VkCommandBuffer commands;
    VkFence fence; // of the last submission
    bool submitted;

    VkDescriptorPool *set_pools;       // owned
    uint32_t n_set_pools, n_sets_left; // left in the last pool
    VkQueryPool queries;               // made by the first timestamp
    VkPipeline bound;
};

enum {
    FIRST_SETS = 32,
    MOST_SETS = 1024
}; // of a descriptor pool; each has twice its predecessor's

static void fail(smr_list *list, VkResult result, const char *what)
{
    smr_vk_fail(list->device, result, what, list->name);
    list->failed = true;
}

// ---- create and destroy -----------------------------------------------------------------------

void smr_vk_list_destroy(smr_list *list)
{
    struct smr_vk_device *device = smr_vk_device(list->device);
    struct list *impl = list->impl;
    device->vk.vkDestroyCommandPool(device->handle, impl->pool, NULL);
    device->vk.vkDestroyFence(device->handle, impl->fence, NULL);
    device->vk.vkDestroyQueryPool(device->handle, impl->queries, NULL);
    for (uint32_t i = 0; i < impl->n_set_pools; i++)
        device->vk.vkDestroyDescriptorPool(device->handle, impl->set_pools[i], NULL);
    smr_free(list->device->context, impl->set_pools);
    smr_free(list->device->context, impl);
    list->impl = NULL;
}

static void barrier(smr_list *list, VkPipelineStageFlags to, VkAccessFlags to_access)
{
    struct smr_vk_device *device = smr_vk_device(list->device);
    const VkPipelineStageFlags from =
        VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
    VkMemoryBarrier memory = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
        .dstAccessMask = to_access,
    };
    device->vk.vkCmdPipelineBarrier(((struct list *)list->impl)->commands, from, to, 0, 1, &memory,
                                    0, NULL, 0, NULL);
}

void smr_vk_list_barrier(smr_list *list)
{
    barrier(list, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT,
            VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_READ_BIT |
                VK_ACCESS_TRANSFER_WRITE_BIT);
}

static VkResult create_objects(struct smr_vk_device *device, struct list *impl, const char **what)
{
    VkCommandPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                    .queueFamilyIndex = device->queue_family};
    *what = "vkCreateCommandPool";
    VkResult result = device->vk.vkCreateCommandPool(device->handle, &pool, NULL, &impl->pool);
    if (result != VK_SUCCESS)
        return result;
    VkCommandBufferAllocateInfo buffer = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = impl->pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    };
    *what = "vkAllocateCommandBuffers";
    result = device->vk.vkAllocateCommandBuffers(device->handle, &buffer, &impl->commands);
    if (result != VK_SUCCESS)
        return result;
    VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    *what = "vkCreateFence";
    result = device->vk.vkCreateFence(device->handle, &fence, NULL, &impl->fence);
    if (result != VK_SUCCESS)
        return result;
    VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    *what = "vkBeginCommandBuffer";
    return device->vk.vkBeginCommandBuffer(impl->commands, &begin);
}

bool smr_vk_list_create(smr_list *list)
{
    struct smr_vk_device *device = smr_vk_device(list->device);
    struct list *impl = smr_alloc(list->device->context, 1, sizeof *impl, "a command list");
    if (!impl)
        return false;
    list->impl = impl;
    const char *what = NULL;
    VkResult result = create_objects(device, impl, &what);
    if (result != VK_SUCCESS) {
        smr_vk_fail(list->device, result, what, list->name);
        smr_vk_list_destroy(list);
        return false;
    }
    smr_vk_name(list->device, VK_OBJECT_TYPE_COMMAND_BUFFER, (uint64_t)(uintptr_t)impl->commands,
                list->name);
    // Submissions follow each other: what those before this one did must be done and visible.
    smr_vk_list_barrier(list);
    return true;
}

// ---- descriptor sets --------------------------------------------------------------------------

static bool add_set_pool(smr_list *list)
{
    struct smr_vk_device *device = smr_vk_device(list->device);
    struct list *impl = list->impl;
    uint32_t n = impl->n_set_pools < 5 ? FIRST_SETS << impl->n_set_pools : MOST_SETS;
    VkDescriptorPool *pools =
        smr_realloc(list->device->context, impl->set_pools, impl->n_set_pools + 1,
                    sizeof(VkDescriptorPool), "a list's descriptor pools");
    if (!pools) {
        list->failed = true;
        return false;
    }
    impl->set_pools = pools;
    VkDescriptorPoolSize size = {.type = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                 .descriptorCount = n * SMR_MAX_BINDINGS};
    VkDescriptorPoolCreateInfo info = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
                                       .maxSets = n,
                                       .poolSizeCount = 1,
                                       .pPoolSizes = &size};
    VkResult result = device->vk.vkCreateDescriptorPool(device->handle, &info, NULL,
                                                        &impl->set_pools[impl->n_set_pools]);
    if (result != VK_SUCCESS) {
        fail(list, result, "vkCreateDescriptorPool");
        return false;
    }
    impl->n_set_pools++;
    impl->n_sets_left = n;
    return true;
}

// A set that holds `bindings`; VK_NULL_HANDLE on failure.
static VkDescriptorSet create_set(smr_list *list, const struct smr_binding *bindings, uint32_t n)
{
    struct smr_vk_device *device = smr_vk_device(list->device);
    struct list *impl = list->impl;
    if (!impl->n_sets_left && !add_set_pool(list))
        return VK_NULL_HANDLE;
    VkDescriptorSetAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .descriptorPool = impl->set_pools[impl->n_set_pools - 1],
        .descriptorSetCount = 1,
        .pSetLayouts = &device->set_layouts[n],
    };
    VkDescriptorSet set = VK_NULL_HANDLE;
    VkResult result = device->vk.vkAllocateDescriptorSets(device->handle, &info, &set);
    if (result != VK_SUCCESS) {
        fail(list, result, "vkAllocateDescriptorSets");
        return VK_NULL_HANDLE;
    }
    impl->n_sets_left--;

    VkDescriptorBufferInfo buffers[SMR_MAX_BINDINGS];
    VkWriteDescriptorSet writes[SMR_MAX_BINDINGS];
    for (uint32_t i = 0; i < n; i++) {
        buffers[i] = (VkDescriptorBufferInfo){.buffer = smr_vk_buffer_handle(bindings[i].buffer),
                                              .offset = bindings[i].offset,
                                              .range = (bindings[i].size + 3) & ~UINT64_C(3)};
        writes[i] = (VkWriteDescriptorSet){.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                                           .dstSet = set,
                                           .dstBinding = i,
                                           .descriptorCount = 1,
                                           .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                           .pBufferInfo = &buffers[i]};
    }
    device->vk.vkUpdateDescriptorSets(device->handle, n, writes, 0, NULL);
    device->base.counters.n_descriptor_updates++;
    return set;
}

// ---- recording --------------------------------------------------------------------------------

void smr_vk_list_dispatch(smr_list *list, smr_kernel *kernel, const struct smr_args *args)
{
    struct smr_vk_device *device = smr_vk_device(list->device);
    struct smr_vk_kernel *vulkan = kernel->impl;
    struct list *impl = list->impl;
    VkDescriptorSet set = create_set(list, args->bindings, kernel->n_bindings);
    if (!set)
        return;
    if (impl->bound != vulkan->pipeline)
        device->vk.vkCmdBindPipeline(impl->commands, VK_PIPELINE_BIND_POINT_COMPUTE,
                                     vulkan->pipeline);
    impl->bound = vulkan->pipeline;
    device->vk.vkCmdBindDescriptorSets(impl->commands, VK_PIPELINE_BIND_POINT_COMPUTE,
                                       vulkan->layout, 0, 1, &set, 0, NULL);
    if (kernel->push_size)
        device->vk.vkCmdPushConstants(impl->commands, vulkan->layout, VK_SHADER_STAGE_COMPUTE_BIT,
                                      0, kernel->push_size, args->push);
    device->vk.vkCmdDispatch(impl->commands, args->groups[0], args->groups[1], args->groups[2]);
}

void smr_vk_list_copy(smr_list *list, const struct smr_binding *from, const struct smr_binding *to)
{
    struct smr_vk_device *device = smr_vk_device(list->device);
    VkBufferCopy region = {.srcOffset = from->offset, .dstOffset = to->offset, .size = from->size};
    device->vk.vkCmdCopyBuffer(((struct list *)list->impl)->commands,
                               smr_vk_buffer_handle(from->buffer), smr_vk_buffer_handle(to->buffer),
                               1, &region);
}

bool smr_vk_list_end(smr_list *list)
{
    struct smr_vk_device *device = smr_vk_device(list->device);
    barrier(list, VK_PIPELINE_STAGE_HOST_BIT, VK_ACCESS_HOST_READ_BIT);
    VkResult result = device->vk.vkEndCommandBuffer(((struct list *)list->impl)->commands);
    return result == VK_SUCCESS ||
           smr_vk_fail(list->device, result, "vkEndCommandBuffer", list->name);
}

// ---- timestamps -------------------------------------------------------------------------------

void smr_vk_list_timestamp(smr_list *list, uint32_t index)
{
    struct smr_vk_device *device = smr_vk_device(list->device);
    struct list *impl = list->impl;
    if (!impl->queries) {
        VkQueryPoolCreateInfo info = {.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
                                      .queryType = VK_QUERY_TYPE_TIMESTAMP,
                                      .queryCount = SMR_MAX_TIMESTAMPS};
        VkResult result = device->vk.vkCreateQueryPool(device->handle, &info, NULL, &impl->queries);
        if (result != VK_SUCCESS) {
            fail(list, result, "vkCreateQueryPool");
            return;
        }
        device->vk.vkCmdResetQueryPool(impl->commands, impl->queries, 0, SMR_MAX_TIMESTAMPS);
    }
    device->vk.vkCmdWriteTimestamp(impl->commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT,
                                   impl->queries, index);
}

bool smr_vk_list_read_timestamps(smr_list *list, uint32_t n, uint64_t *time_ns)
{
    struct smr_vk_device *device = smr_vk_device(list->device);
    VkResult result = device->vk.vkGetQueryPoolResults(
        device->handle, ((struct list *)list->impl)->queries, 0, n, n * sizeof *time_ns, time_ns,
        sizeof *time_ns, VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT);
    if (result != VK_SUCCESS)
        return smr_vk_fail(list->device, result, "vkGetQueryPoolResults", list->name);
    for (uint32_t i = 0; i < n; i++)
        time_ns[i] =
            (uint64_t)((double)(time_ns[i] & device->timestamp_mask) * device->timestamp_period);
    return true;
}

// ---- submission -------------------------------------------------------------------------------

bool smr_vk_submit(smr_device *base, smr_list *list)
{
    struct smr_vk_device *device = smr_vk_device(base);
    struct list *impl = list->impl;
    VkSubmitInfo info = {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                         .commandBufferCount = 1,
                         .pCommandBuffers = &impl->commands};
    VkResult result = VK_SUCCESS;
    if (impl->submitted)
        result = device->vk.vkResetFences(device->handle, 1, &impl->fence);
    if (result == VK_SUCCESS)
        result = device->vk.vkQueueSubmit(device->queue, 1, &info, impl->fence);
    if (result != VK_SUCCESS)
        return smr_vk_fail(base, result, "vkQueueSubmit", list->name);
    impl->submitted = true;
    return true;
}

bool smr_vk_wait(smr_device *base, smr_list *list)
{
    // A fence is signalled after all that was submitted before it, too (specification, "Fences").
    struct smr_vk_device *device = smr_vk_device(base);
    struct list *impl = list->impl;
    VkResult result =
        device->vk.vkWaitForFences(device->handle, 1, &impl->fence, VK_TRUE, UINT64_MAX);
    return result == VK_SUCCESS || smr_vk_fail(base, result, "vkWaitForFences", list->name);
}
