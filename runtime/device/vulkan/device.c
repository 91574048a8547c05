// device.c - opening and closing a Vulkan device, its pipeline cache, submission and waiting.
#include <assert.h>
#include <string.h>

#include "base/context.h"
#include "base/file.h"
#include "device/threads.h"
#include "device/vulkan/vk.h"

bool smr_vk_fail(smr_device *device, VkResult result, const char *what, const char *name)
{
    if (result == VK_ERROR_DEVICE_LOST)
        return smr_device_lose(device, "%s, for %s", what, name);
    enum smr_status status =
        result == VK_ERROR_OUT_OF_HOST_MEMORY || result == VK_ERROR_OUT_OF_DEVICE_MEMORY
            ? SMR_ERROR_MEMORY
            : SMR_ERROR_DEVICE;
    return smr_fail(device->context, status, "%s: %s failed with %s on device %s (%s)", name, what,
                    smr_vk_result_name(result), device->info.id, device->info.name);
}

void smr_vk_name(smr_device *device, VkObjectType type, uint64_t handle, const char *name)
{
    struct smr_vk_device *vulkan = smr_vk_device(device);
    VkDebugUtilsObjectNameInfoEXT info = {
        .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_OBJECT_NAME_INFO_EXT,
        .objectType = type,
        .objectHandle = handle,
        .pObjectName = name,
    };
    if (!vulkan->instance->vk.vkSetDebugUtilsObjectNameEXT)
        return;
    smr_vk_lock_drivers(); // the loader looks the device up in its list
    vulkan->instance->vk.vkSetDebugUtilsObjectNameEXT(vulkan->handle, &info);
    smr_vk_unlock_drivers();
}

// ---- the pipeline cache -----------------------------------------------------------------------

static struct smr_key pipelines_key(const struct smr_vk_device *device)
{
    const char *text = device->base.fingerprint;
    return smr_hash(text, strlen(text), (struct smr_key){0});
}

static struct smr_key hash_data(const struct smr_blob *blob)
{
    return smr_hash(blob->data, blob->size, (struct smr_key){0});
}

// Whether kept data is for this device and driver (VkPipelineCacheHeaderVersionOne). Drivers check
// too, but not all of them well.
static bool fits(const struct smr_vk_device *device, const struct smr_blob *blob)
{
    VkPipelineCacheHeaderVersionOne header;
    VkPhysicalDeviceProperties properties;
    if (blob->size < sizeof header)
        return false;
    memcpy(&header, blob->data, sizeof header);
    device->instance->vk.vkGetPhysicalDeviceProperties(device->physical->handle, &properties);
    return header.headerSize == sizeof header &&
           header.headerVersion == VK_PIPELINE_CACHE_HEADER_VERSION_ONE &&
           header.vendorID == properties.vendorID && header.deviceID == properties.deviceID &&
           !memcmp(header.pipelineCacheUUID, properties.pipelineCacheUUID, VK_UUID_SIZE);
}

static VkResult create_pipeline_cache(struct smr_vk_device *device)
{
    smr_context *context = device->base.context;
    struct smr_blob blob;
    VkPipelineCacheCreateInfo info = {.sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO};
    if (smr_cache_get(context, "pipelines", pipelines_key(device), &blob) && fits(device, &blob)) {
        info.pInitialData = blob.data;
        info.initialDataSize = blob.size;
        device->saved_pipelines = hash_data(&blob);
    }
    VkResult result =
        device->vk.vkCreatePipelineCache(device->handle, &info, NULL, &device->pipeline_cache);
    if (result != VK_SUCCESS && info.initialDataSize) {
        info.initialDataSize = 0;
        result =
            device->vk.vkCreatePipelineCache(device->handle, &info, NULL, &device->pipeline_cache);
    }
    smr_blob_free(context, &blob);
    return result;
}

// Keep what was compiled. Nothing here is an error: the next start only takes longer.
static void save_pipelines(struct smr_vk_device *device)
{
    smr_context *context = device->base.context;
    struct smr_blob blob = {0};
    if (!context->params.cache_dir || !atomic_load(&device->base.n_kernels) || device->base.lost)
        return;
    VkResult result =
        device->vk.vkGetPipelineCacheData(device->handle, device->pipeline_cache, &blob.size, NULL);
    if (result != VK_SUCCESS || !blob.size)
        return;
    blob.data = smr_context_reallocate(context, NULL, blob.size);
    if (!blob.data)
        return;
    result = device->vk.vkGetPipelineCacheData(device->handle, device->pipeline_cache, &blob.size,
                                               blob.data);
    struct smr_key hash = hash_data(&blob);
    if (result == VK_SUCCESS && memcmp(&hash, &device->saved_pipelines, sizeof hash) != 0)
        smr_cache_put(context, "pipelines", pipelines_key(device), blob.data, blob.size);
    smr_blob_free(context, &blob);
}

// ---- open and close ---------------------------------------------------------------------------

static void close_device(smr_device *base)
{
    struct smr_vk_device *device = smr_vk_device(base);
    if (device->pipeline_cache)
        save_pipelines(device);
    if (device->handle && device->vk.vkDestroyDevice) {
        device->vk.vkDestroyPipelineCache(device->handle, device->pipeline_cache, NULL);
        for (size_t i = 0; i < SMR_COUNT(device->set_layouts); i++)
            device->vk.vkDestroyDescriptorSetLayout(device->handle, device->set_layouts[i], NULL);
        assert(!device->memory.blocks);
        smr_vk_lock_drivers();
        device->vk.vkDestroyDevice(device->handle, NULL);
        smr_vk_unlock_drivers();
    }
    smr_vk_instance_release(device->instance);
    smr_free(base->context, device);
}

static uint64_t n_validation_messages(const smr_device *base)
{
    return atomic_load(&smr_vk_device(base)->instance->n_validation_messages);
}

static void update_memory(smr_device *base)
{
    struct smr_vk_device *device = smr_vk_device(base);
    if (device->memory.has_budget || device->memory.software)
        smr_vk_memory_sizes(device->instance, device->physical, true, &base->info.memory,
                            &base->info.memory_free);
}

static const struct smr_device_impl impl = {
    .takes_spirv = true,
    .close = close_device,
    .buffer_create = smr_vk_buffer_create,
    .buffer_import = smr_vk_buffer_import,
    .buffer_destroy = smr_vk_buffer_destroy,
    .kernel_create = smr_vk_kernel_create,
    .kernel_destroy = smr_vk_kernel_destroy,
    .kernel_inspect = smr_vk_kernel_inspect,
    .list_create = smr_vk_list_create,
    .list_destroy = smr_vk_list_destroy,
    .list_dispatch = smr_vk_list_dispatch,
    .list_copy = smr_vk_list_copy,
    .list_barrier = smr_vk_list_barrier,
    .list_timestamp = smr_vk_list_timestamp,
    .list_read_timestamps = smr_vk_list_read_timestamps,
    .list_end = smr_vk_list_end,
    .submit = smr_vk_submit,
    .wait = smr_vk_wait,
    .update_memory = update_memory,
    .n_validation_messages = n_validation_messages,
};

static VkResult create_handle(struct smr_vk_device *device, const struct smr_vk_features *features)
{
    float priority = 1.0f;
    VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueFamilyIndex = device->queue_family,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .pNext = &features->base,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queue,
        .enabledExtensionCount = features->n_extensions,
        .ppEnabledExtensionNames = features->extensions,
    };
    bool software = device->physical->info.type == SMR_DEVICE_SOFTWARE; // makes threads here too
    struct smr_affinity affinity;
    smr_vk_lock_drivers();
    smr_affinity_narrow(&affinity, software ? device->base.context->params.n_threads : 0);
    VkResult result =
        device->instance->vk.vkCreateDevice(device->physical->handle, &info, NULL, &device->handle);
    smr_affinity_restore(&affinity);
    smr_vk_unlock_drivers();
    if (result != VK_SUCCESS)
        return result;
    smr_vk_load_device_table(device->instance, device->handle, &device->vk);
    device->vk.vkGetDeviceQueue(device->handle, device->queue_family, 0, &device->queue);
    return VK_SUCCESS;
}

// One layout for each number of bindings: all kernels with that many share it.
static VkResult create_set_layouts(struct smr_vk_device *device)
{
    VkDescriptorSetLayoutBinding bindings[SMR_MAX_BINDINGS];
    for (uint32_t i = 0; i < SMR_MAX_BINDINGS; i++)
        bindings[i] = (VkDescriptorSetLayoutBinding){
            .binding = i,
            .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
            .descriptorCount = 1,
            .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
        };
    VkResult result = VK_SUCCESS;
    for (uint32_t n = 0; n <= SMR_MAX_BINDINGS && result == VK_SUCCESS; n++) {
        VkDescriptorSetLayoutCreateInfo info = {
            .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
            .bindingCount = n,
            .pBindings = bindings,
        };
        result = device->vk.vkCreateDescriptorSetLayout(device->handle, &info, NULL,
                                                        &device->set_layouts[n]);
    }
    return result;
}

static void note_limits(struct smr_vk_device *device, const struct smr_vk_features *features)
{
    const struct smr_vk_physical *physical = device->physical;
    const struct smr_vk_instance_table *vk = &device->instance->vk;
    struct smr_limits *limits = &device->base.limits;
    struct smr_vk_memory *memory = &device->memory;
    VkPhysicalDeviceProperties properties;
    VkPhysicalDeviceMemoryProperties2 heaps = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2};
    smr_vk_query_limits(device->instance, physical, features, limits, device->base.fingerprint,
                        sizeof device->base.fingerprint);
    vk->vkGetPhysicalDeviceProperties(physical->handle, &properties);
    vk->vkGetPhysicalDeviceMemoryProperties2(physical->handle, &heaps);

    smr_vk_memory_init(memory, &heaps.memoryProperties);
    memory->max_allocation = limits->max_buffer_size;
    // A few allocations are left for the driver's own.
    memory->max_blocks = properties.limits.maxMemoryAllocationCount / 8 * 7;
    memory->has_budget = features->has_memory_budget;
    memory->software = physical->info.type == SMR_DEVICE_SOFTWARE;
    device->has_executables = features->executables.pipelineExecutableInfo;
    limits->unified_memory = memory->map_device && physical->info.type != SMR_DEVICE_DISCRETE;

    device->timestamp_period = (double)properties.limits.timestampPeriod;
    device->timestamp_mask =
        physical->timestamp_bits >= 64 ? UINT64_MAX : (UINT64_C(1) << physical->timestamp_bits) - 1;
}

smr_device *smr_vk_open(void *state, uint32_t index)
{
    struct smr_vk_instance *instance = state;
    const struct smr_vk_physical *physical = &instance->physicals[index];
    struct smr_vk_features features;
    const char *what = "vkCreateDevice";
    assert(index < instance->n_physicals && physical->info.usable);
    struct smr_vk_device *device =
        smr_alloc(instance->context, 1, sizeof *device, "a Vulkan device");
    if (!device)
        return NULL;
    device->base.context = instance->context;
    device->base.impl = &impl;
    device->base.info = physical->info;
    device->instance = instance;
    device->physical = physical;
    device->queue_family = physical->queue_family;
    instance->references++;
    if (!smr_vk_query_features(instance, physical->handle, &features))
        goto failed;
    note_limits(device, &features);
    VkResult result = create_handle(device, &features);
    if (result == VK_SUCCESS) {
        what = "vkCreateDescriptorSetLayout";
        result = create_set_layouts(device);
    }
    if (result == VK_SUCCESS) {
        what = "vkCreatePipelineCache";
        result = create_pipeline_cache(device);
    }
    if (result == VK_SUCCESS)
        return &device->base;
    smr_vk_fail(&device->base, result, what, "the device");
failed:
    close_device(&device->base);
    return NULL;
}
