// inspect.c - what the driver's compiler made of a kernel (VK_KHR_pipeline_executable_properties).
#include "device/vulkan/vk.h"

#include <inttypes.h>
#include <string.h>

// Names and counts are a driver's: more than these are left out.
enum { MAX_EXECUTABLES = 8, MAX_STATISTICS = 64, MAX_TEXTS = 16 };

static void add_statistic(const VkPipelineExecutableStatisticKHR *statistic,
                          struct smr_string *text)
{
    const VkPipelineExecutableStatisticValueKHR *value = &statistic->value;
    smr_string_printf(text, "%s: ", statistic->name);
    switch (statistic->format) {
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_BOOL32_KHR:
        smr_string_printf(text, "%d\n", value->b32 == VK_TRUE);
        break;
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_INT64_KHR:
        smr_string_printf(text, "%" PRId64 "\n", value->i64);
        break;
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_FLOAT64_KHR:
        smr_string_printf(text, "%g\n", value->f64);
        break;
    default:
        smr_string_printf(text, "%" PRIu64 "\n", value->u64);
    }
}

static VkResult add_statistics(struct smr_vk_device *device,
                               const VkPipelineExecutableInfoKHR *executable,
                               struct smr_string *text)
{
    VkPipelineExecutableStatisticKHR statistics[MAX_STATISTICS];
    uint32_t n = MAX_STATISTICS;
    for (uint32_t i = 0; i < MAX_STATISTICS; i++)
        statistics[i] = (VkPipelineExecutableStatisticKHR){
            .sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR};
    VkResult result =
        device->vk.vkGetPipelineExecutableStatisticsKHR(device->handle, executable, &n, statistics);
    for (uint32_t i = 0; result >= VK_SUCCESS && i < n; i++)
        add_statistic(&statistics[i], text);
    return result;
}

// Asked for twice: how long the texts are, then the texts.
static VkResult add_texts(struct smr_vk_device *device,
                          const VkPipelineExecutableInfoKHR *executable, struct smr_string *text)
{
    VkPipelineExecutableInternalRepresentationKHR parts[MAX_TEXTS];
    uint32_t n = MAX_TEXTS;
    for (uint32_t i = 0; i < MAX_TEXTS; i++)
        parts[i] = (VkPipelineExecutableInternalRepresentationKHR){
            .sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INTERNAL_REPRESENTATION_KHR};
    VkResult result = device->vk.vkGetPipelineExecutableInternalRepresentationsKHR(
        device->handle, executable, &n, parts);
    if (result < VK_SUCCESS)
        return result;
    smr_context *context = device->base.context;
    for (uint32_t i = 0; i < n; i++) {
        parts[i].pData = smr_alloc(context, parts[i].dataSize + 1, 1, "a driver's text");
        if (!parts[i].pData)
            result = VK_ERROR_OUT_OF_HOST_MEMORY;
    }
    if (result >= VK_SUCCESS)
        result = device->vk.vkGetPipelineExecutableInternalRepresentationsKHR(
            device->handle, executable, &n, parts);
    for (uint32_t i = 0; i < n; i++) {
        if (result >= VK_SUCCESS && parts[i].isText)
            smr_string_printf(text, "---- %s\n%s\n", parts[i].name, (const char *)parts[i].pData);
        smr_free(context, parts[i].pData);
    }
    return result;
}

bool smr_vk_kernel_inspect(smr_kernel *kernel, struct smr_string *text)
{
    struct smr_vk_device *device = smr_vk_device(kernel->device);
    struct smr_vk_kernel *impl = kernel->impl;
    if (!impl->captured)
        return smr_fail(device->base.context, SMR_ERROR_DEVICE, "kernel %s: %s", kernel->name,
                        device->has_executables ? "it was not created to be inspected"
                                                : "the driver does not tell what it made of it");
    VkPipelineExecutablePropertiesKHR executables[MAX_EXECUTABLES];
    uint32_t n = MAX_EXECUTABLES;
    for (uint32_t i = 0; i < MAX_EXECUTABLES; i++)
        executables[i] = (VkPipelineExecutablePropertiesKHR){
            .sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_PROPERTIES_KHR};
    VkPipelineInfoKHR pipeline = {.sType = VK_STRUCTURE_TYPE_PIPELINE_INFO_KHR,
                                  .pipeline = impl->pipeline};
    VkResult result =
        device->vk.vkGetPipelineExecutablePropertiesKHR(device->handle, &pipeline, &n, executables);
    for (uint32_t i = 0; result >= VK_SUCCESS && i < n; i++) {
        VkPipelineExecutableInfoKHR info = {.sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR,
                                            .pipeline = impl->pipeline,
                                            .executableIndex = i};
        smr_string_printf(text, "[%s] %s, subgroup size %" PRIu32 "\n", executables[i].name,
                          executables[i].description, executables[i].subgroupSize);
        result = add_statistics(device, &info, text);
        if (result >= VK_SUCCESS)
            result = add_texts(device, &info, text);
    }
    return result >= VK_SUCCESS ||
           smr_vk_fail(kernel->device, result, "reading what the driver made of it", kernel->name);
}
