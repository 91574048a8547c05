// kernel.c - from SPIR-V to a compute pipeline.
//
// A kernel's interface is fixed: n storage buffers in set 0, bindings 0 to n - 1, push constants,
// and 32-bit specialisation constants with ids 0 to n - 1.
#include "device/vulkan/vk.h"

static VkResult create_layout(struct smr_kernel *kernel, VkPipelineLayout *layout)
{
    struct smr_vk_device *device = smr_vk_device(kernel->device);
    VkPushConstantRange push = {.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
                                .size = kernel->push_size};
    VkPipelineLayoutCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
        .setLayoutCount = 1,
        .pSetLayouts = &device->set_layouts[kernel->n_bindings],
        .pushConstantRangeCount = kernel->push_size > 0,
        .pPushConstantRanges = &push,
    };
    return device->vk.vkCreatePipelineLayout(device->handle, &info, NULL, layout);
}

static VkResult create_pipeline(struct smr_kernel *kernel, const struct smr_kernel_params *params,
                                VkShaderModule module)
{
    struct smr_vk_device *device = smr_vk_device(kernel->device);
    struct smr_vk_kernel *impl = kernel->impl;
    VkSpecializationMapEntry entries[SMR_MAX_CONSTANTS];
    for (uint32_t i = 0; i < params->n_constants; i++)
        entries[i] = (VkSpecializationMapEntry){
            .constantID = i, .offset = 4 * i, .size = sizeof params->constants[i]};
    VkSpecializationInfo specialization = {
        .mapEntryCount = params->n_constants,
        .pMapEntries = entries,
        .dataSize = params->n_constants * sizeof params->constants[0],
        .pData = params->constants,
    };
    VkPipelineShaderStageRequiredSubgroupSizeCreateInfo subgroup = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO,
        .requiredSubgroupSize = params->subgroup_size,
    };
    VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .flags = impl->captured ? VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR |
                                      VK_PIPELINE_CREATE_CAPTURE_INTERNAL_REPRESENTATIONS_BIT_KHR
                                : 0,
        .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                  .pNext = params->subgroup_size ? &subgroup : NULL,
                  .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                  .module = module,
                  .pName = "main",
                  .pSpecializationInfo = &specialization},
        .layout = impl->layout,
    };
    VkPipelineCache cache = impl->captured ? VK_NULL_HANDLE : device->pipeline_cache;
    return device->vk.vkCreateComputePipelines(device->handle, cache, 1, &info, NULL,
                                               &impl->pipeline);
}

// Runs in several threads at once: vkCreate* and the pipeline cache lock by themselves.
bool smr_vk_kernel_create(smr_kernel *kernel, const struct smr_kernel_params *params)
{
    struct smr_vk_device *device = smr_vk_device(kernel->device);
    struct smr_vk_kernel *impl = smr_alloc(kernel->device->context, 1, sizeof *impl, "a kernel");
    if (!impl)
        return false;
    kernel->impl = impl;
    impl->captured = params->inspect && device->has_executables;
    VkShaderModule module = VK_NULL_HANDLE;
    VkShaderModuleCreateInfo info = {.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
                                     .codeSize = params->spirv_size,
                                     .pCode = params->spirv};
    const char *what = "vkCreateShaderModule";
    VkResult result = device->vk.vkCreateShaderModule(device->handle, &info, NULL, &module);
    if (result == VK_SUCCESS) {
        what = "vkCreatePipelineLayout";
        result = create_layout(kernel, &impl->layout);
    }
    if (result == VK_SUCCESS) {
        what = "vkCreateComputePipelines";
        result = create_pipeline(kernel, params, module);
    }
    device->vk.vkDestroyShaderModule(device->handle, module, NULL);
    if (result == VK_SUCCESS) {
        smr_vk_name(kernel->device, VK_OBJECT_TYPE_PIPELINE, (uint64_t)impl->pipeline,
                    kernel->name);
        return true;
    }
    smr_vk_fail(kernel->device, result, what, kernel->name);
    smr_vk_kernel_destroy(kernel);
    return false;
}

void smr_vk_kernel_destroy(smr_kernel *kernel)
{
    struct smr_vk_device *device = smr_vk_device(kernel->device);
    struct smr_vk_kernel *impl = kernel->impl;
    device->vk.vkDestroyPipeline(device->handle, impl->pipeline, NULL);
    device->vk.vkDestroyPipelineLayout(device->handle, impl->layout, NULL);
    smr_free(kernel->device->context, impl);
    kernel->impl = NULL;
}
