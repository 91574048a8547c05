// features.c - what a Vulkan device can do.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/context.h"
#include "device/vulkan/vk.h"

// VK_KHR_cooperative_matrix, which headers before 1.3.255 do not have.
#define MATRIX_FEATURES   ((VkStructureType)1000506000)
#define MATRIX_PROPERTIES ((VkStructureType)1000506001)
enum { MATRIX_FLOAT16 = 0, MATRIX_FLOAT32 = 1, MATRIX_SUBGROUP = 3, MAX_MATRICES = 64 };

// VkCooperativeMatrixPropertiesKHR: a product of m x k and k x n added to m x n, by `scope` together.
struct matrix_properties {
    VkBaseOutStructure base;
    uint32_t m, n, k, type_a, type_b, type_c, type_result;
    VkBool32 saturating;
    uint32_t scope;
};
typedef VkResult(VKAPI_PTR *get_matrix_properties)(VkPhysicalDevice physical, uint32_t *n,
                                                   struct matrix_properties *properties);

// Extensions we use, and the version that took each in (0: none has). `offset` is that of its
// feature structure in struct smr_vk_features; 0: it has none, or we do not need it.
static const struct extension {
    const char *name;
    uint32_t core_version;
    VkStructureType type;
    size_t offset;
    size_t flag; // offset of a bool to set when the device has it; 0: none
} extensions[] = {
    {"VK_KHR_16bit_storage", VK_API_VERSION_1_1,
     VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES,
     offsetof(struct smr_vk_features, storage_16), 0},
    {"VK_KHR_8bit_storage", VK_API_VERSION_1_2,
     VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_8BIT_STORAGE_FEATURES,
     offsetof(struct smr_vk_features, storage_8), 0},
    {"VK_KHR_shader_float16_int8", VK_API_VERSION_1_2,
     VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES,
     offsetof(struct smr_vk_features, float_16_int_8), 0},
    {"VK_KHR_shader_subgroup_extended_types", VK_API_VERSION_1_2,
     VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_SUBGROUP_EXTENDED_TYPES_FEATURES,
     offsetof(struct smr_vk_features, subgroup_types), 0},
    {"VK_EXT_subgroup_size_control", VK_API_VERSION_1_3,
     VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES,
     offsetof(struct smr_vk_features, subgroup_size),
     offsetof(struct smr_vk_features, has_subgroup_size)},
    {"VK_KHR_shader_integer_dot_product", VK_API_VERSION_1_3,
     VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES,
     offsetof(struct smr_vk_features, int_dot), offsetof(struct smr_vk_features, has_int_dot)},
    {"VK_KHR_vulkan_memory_model", VK_API_VERSION_1_2,
     VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES,
     offsetof(struct smr_vk_features, memory_model), 0},
    {"VK_KHR_cooperative_matrix", 0, MATRIX_FEATURES, offsetof(struct smr_vk_features, matrices),
     0},
    {"VK_KHR_maintenance4", VK_API_VERSION_1_3, 0, 0,
     offsetof(struct smr_vk_features, has_maintenance_4)},
    {"VK_KHR_pipeline_executable_properties", 0,
     VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR,
     offsetof(struct smr_vk_features, executables), 0},
    {"VK_EXT_memory_budget", 0, 0, 0, offsetof(struct smr_vk_features, has_memory_budget)},
    {"VK_EXT_pci_bus_info", 0, 0, 0, offsetof(struct smr_vk_features, has_pci)},
    {"VK_EXT_external_memory_host", 0, 0, 0, offsetof(struct smr_vk_features, has_host_import)},
    // How many cores a GPU has. The second of AMD's wants the first.
    {"VK_NV_shader_sm_builtins", 0, 0, 0, offsetof(struct smr_vk_features, has_nv_cores)},
    {"VK_AMD_shader_core_properties", 0, 0, 0, 0},
    {"VK_AMD_shader_core_properties2", 0, 0, 0, offsetof(struct smr_vk_features, has_amd_cores)},
    {"VK_ARM_shader_core_builtins", 0, 0, 0, offsetof(struct smr_vk_features, has_arm_cores)},
};

const char *smr_vk_unusable(const VkPhysicalDeviceProperties *properties, bool has_queue)
{
    if (properties->apiVersion < VK_API_VERSION_1_1)
        return "its driver is of Vulkan 1.0, 1.1 is needed";
    if (!has_queue)
        return "it has no queue for compute";
    if (properties->limits.maxPerStageDescriptorStorageBuffers < SMR_MAX_BINDINGS)
        return "a kernel can bind fewer than 8 buffers";
    return NULL;
}

// ---- features ---------------------------------------------------------------------------------

static bool listed(const VkExtensionProperties *all, uint32_t n, const char *name)
{
    for (uint32_t i = 0; i < n; i++)
        if (!strcmp(all[i].extensionName, name))
            return true;
    return false;
}

// Chain the structures of what the device has, note the extensions to enable.
static void build_chain(struct smr_vk_features *features, uint32_t version,
                        const VkExtensionProperties *all, uint32_t n_all)
{
    VkBaseOutStructure *last = (VkBaseOutStructure *)&features->base;
    last->sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2;
    for (size_t i = 0; i < SMR_COUNT(extensions); i++) {
        const struct extension *extension = &extensions[i];
        bool core = extension->core_version && version >= extension->core_version;
        if (!core && !listed(all, n_all, extension->name))
            continue;
        if (!core)
            features->extensions[features->n_extensions++] = extension->name;
        if (extension->flag)
            *(bool *)((char *)features + extension->flag) = true;
        if (!extension->offset)
            continue;
        last->pNext = (VkBaseOutStructure *)((char *)features + extension->offset);
        last = last->pNext;
        last->sType = extension->type;
    }
}

// Leave only what we use enabled: others, bounds checks by the driver above all, cost speed.
static void drop_unused(struct smr_vk_features *features)
{
    VkPhysicalDeviceFeatures all = features->base.features;
    features->base.features =
        (VkPhysicalDeviceFeatures){.shaderInt16 = all.shaderInt16, .shaderInt64 = all.shaderInt64};
    features->storage_16.uniformAndStorageBuffer16BitAccess = VK_FALSE;
    features->storage_16.storagePushConstant16 = VK_FALSE;
    features->storage_16.storageInputOutput16 = VK_FALSE;
    features->storage_8.uniformAndStorageBuffer8BitAccess = VK_FALSE;
    features->storage_8.storagePushConstant8 = VK_FALSE;
    features->matrices.cooperativeMatrixRobustBufferAccess = VK_FALSE;
    features->memory_model.vulkanMemoryModel &= features->matrices.cooperativeMatrix;
    features->memory_model.vulkanMemoryModelDeviceScope = VK_FALSE;
    features->memory_model.vulkanMemoryModelAvailabilityVisibilityChains = VK_FALSE;
}

static uint32_t version_of(struct smr_vk_instance *instance, VkPhysicalDevice physical)
{
    VkPhysicalDeviceProperties properties;
    instance->vk.vkGetPhysicalDeviceProperties(physical, &properties);
    return smr_min_u32(properties.apiVersion, SMR_VK_NEWEST_VERSION);
}

bool smr_vk_query_features(struct smr_vk_instance *instance, VkPhysicalDevice physical,
                           struct smr_vk_features *features)
{
    smr_context *context = instance->context;
    memset(features, 0, sizeof *features);
    uint32_t n = 0;
    VkResult result = instance->vk.vkEnumerateDeviceExtensionProperties(physical, NULL, &n, NULL);
    VkExtensionProperties *all = smr_alloc(context, n, sizeof *all, "names of extensions");
    if (!all)
        return false;
    if (result == VK_SUCCESS)
        result = instance->vk.vkEnumerateDeviceExtensionProperties(physical, NULL, &n, all);
    if (result < VK_SUCCESS)
        n = 0; // go on with the baseline
    build_chain(features, version_of(instance, physical), all, n);
    smr_free(context, all);
    instance->vk.vkGetPhysicalDeviceFeatures2(physical, &features->base);
    drop_unused(features);
    return true;
}

// ---- limits -----------------------------------------------------------------------------------

// What vkGetPhysicalDeviceProperties2() says; structures that are not there stay zero.
struct properties {
    VkPhysicalDeviceProperties2 base;
    VkPhysicalDeviceIDProperties id;
    VkPhysicalDeviceSubgroupProperties subgroup;
    VkPhysicalDeviceMaintenance3Properties maintenance_3;
    VkPhysicalDeviceMaintenance4Properties maintenance_4;
    VkPhysicalDeviceSubgroupSizeControlProperties subgroup_size;
    VkPhysicalDeviceShaderIntegerDotProductProperties int_dot;
    VkPhysicalDeviceExternalMemoryHostPropertiesEXT host_import;
    VkPhysicalDeviceShaderSMBuiltinsPropertiesNV nv_cores;
    VkPhysicalDeviceShaderCoreProperties2AMD amd_cores;
    VkPhysicalDeviceShaderCoreBuiltinsPropertiesARM arm_cores;
};

static void chain(struct properties *properties, void *structure, VkStructureType type)
{
    VkBaseOutStructure *link = structure;
    link->sType = type;
    link->pNext = properties->base.pNext;
    properties->base.pNext = link;
}

static void query_properties(struct smr_vk_instance *instance, VkPhysicalDevice physical,
                             const struct smr_vk_features *features, struct properties *p)
{
    memset(p, 0, sizeof *p);
    p->base.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2;
    chain(p, &p->id, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES);
    chain(p, &p->subgroup, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES);
    chain(p, &p->maintenance_3, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES);
    if (features->has_maintenance_4)
        chain(p, &p->maintenance_4, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_PROPERTIES);
    if (features->has_subgroup_size)
        chain(p, &p->subgroup_size,
              VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES);
    if (features->has_int_dot)
        chain(p, &p->int_dot,
              VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_PROPERTIES);
    if (features->has_host_import)
        chain(p, &p->host_import,
              VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_MEMORY_HOST_PROPERTIES_EXT);
    if (features->has_nv_cores)
        chain(p, &p->nv_cores, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_SM_BUILTINS_PROPERTIES_NV);
    if (features->has_amd_cores)
        chain(p, &p->amd_cores, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_CORE_PROPERTIES_2_AMD);
    if (features->has_arm_cores)
        chain(p, &p->arm_cores,
              VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_CORE_BUILTINS_PROPERTIES_ARM);
    instance->vk.vkGetPhysicalDeviceProperties2(physical, &p->base);
}

// Whether the device lists products of square matrices of f16 with sums in f32.
static bool lists_matrices(const struct matrix_properties *all, uint32_t n, uint32_t size)
{
    for (uint32_t i = 0; i < n; i++)
        if (all[i].m == size && all[i].n == size && all[i].k == size &&
            all[i].type_a == MATRIX_FLOAT16 && all[i].type_b == MATRIX_FLOAT16 &&
            all[i].type_c == MATRIX_FLOAT32 && all[i].type_result == MATRIX_FLOAT32 &&
            all[i].scope == MATRIX_SUBGROUP)
            return true;
    return false;
}

// smr_limits.matrix_size; 0: none.
static uint32_t matrix_size(struct smr_vk_instance *instance, VkPhysicalDevice physical,
                            const struct smr_vk_features *features)
{
    if (!features->matrices.cooperativeMatrix || !features->memory_model.vulkanMemoryModel)
        return 0;
    get_matrix_properties get = (get_matrix_properties)vkGetInstanceProcAddr(
        instance->handle, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR");
    struct matrix_properties all[MAX_MATRICES];
    uint32_t n = MAX_MATRICES;
    for (uint32_t i = 0; i < n; i++)
        all[i] = (struct matrix_properties){.base = {.sType = MATRIX_PROPERTIES}};
    if (!get || get(physical, &n, all) < VK_SUCCESS)
        return 0;
    return lists_matrices(all, n, 16) ? 16 : lists_matrices(all, n, 8) ? 8 : 0;
}

static uint64_t find_capabilities(const struct smr_vk_features *features,
                                  const struct properties *p, bool timestamps)
{
    const VkSubgroupFeatureFlags operations = VK_SUBGROUP_FEATURE_BASIC_BIT |
                                              VK_SUBGROUP_FEATURE_ARITHMETIC_BIT |
                                              VK_SUBGROUP_FEATURE_SHUFFLE_BIT;
    bool subgroup = (p->subgroup.supportedOperations & operations) == operations &&
                    p->subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT;
    bool subgroup_size = features->subgroup_size.subgroupSizeControl &&
                         p->subgroup_size.requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT;
    const bool cpu = p->base.properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
    bool int_dot = features->int_dot.shaderIntegerDotProduct &&
                   (p->int_dot.integerDotProduct4x8BitPackedSignedAccelerated || cpu);
    const struct {
        bool has;
        enum smr_capability bit;
    } all[] = {
        {features->storage_16.storageBuffer16BitAccess, SMR_CAP_STORAGE_16},
        {features->storage_8.storageBuffer8BitAccess, SMR_CAP_STORAGE_8},
        {features->float_16_int_8.shaderFloat16, SMR_CAP_FLOAT_16},
        {features->float_16_int_8.shaderInt8, SMR_CAP_INT_8},
        {features->base.features.shaderInt16, SMR_CAP_INT_16},
        {subgroup, SMR_CAP_SUBGROUP},
        {subgroup_size, SMR_CAP_SUBGROUP_SIZE},
        {int_dot, SMR_CAP_INT_DOT},
        {timestamps, SMR_CAP_TIMESTAMPS},
    };
    uint64_t bits = 0;
    for (size_t i = 0; i < SMR_COUNT(all); i++)
        bits |= all[i].has ? (uint64_t)all[i].bit : 0;
    return bits;
}

static void fill_limits(const struct properties *p, struct smr_limits *limits)
{
    const VkPhysicalDeviceLimits *from = &p->base.properties.limits;
    limits->max_buffer_size = p->maintenance_3.maxMemoryAllocationSize;
    if (p->maintenance_4.maxBufferSize && p->maintenance_4.maxBufferSize < limits->max_buffer_size)
        limits->max_buffer_size = p->maintenance_4.maxBufferSize;
    // Ranges are rounded up to whole words: keep the limits at whole words too.
    limits->max_buffer_size &= ~UINT64_C(15);
    limits->max_binding_size = from->maxStorageBufferRange & ~3u;
    // At least 16: kernels may read vectors of four words.
    limits->binding_alignment = smr_max_u32(16, (uint32_t)from->minStorageBufferOffsetAlignment);
    limits->max_invocations = from->maxComputeWorkGroupInvocations;
    memcpy(limits->max_workgroup_size, from->maxComputeWorkGroupSize,
           sizeof limits->max_workgroup_size);
    memcpy(limits->max_workgroups, from->maxComputeWorkGroupCount, sizeof limits->max_workgroups);
    limits->max_shared_size = from->maxComputeSharedMemorySize;
    limits->cpu = p->base.properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
    limits->subgroup_size = p->subgroup.subgroupSize;
    limits->min_subgroup_size = limits->max_subgroup_size = p->subgroup.subgroupSize;
    if (p->subgroup_size.minSubgroupSize) {
        limits->min_subgroup_size = p->subgroup_size.minSubgroupSize;
        limits->max_subgroup_size = p->subgroup_size.maxSubgroupSize;
    }
    limits->n_cores =
        smr_max_u32(p->nv_cores.shaderSMCount,
                    smr_max_u32(p->amd_cores.activeComputeUnitCount, p->arm_cores.shaderCoreCount));
    uint64_t import = p->host_import.minImportedHostPointerAlignment;
    limits->import_alignment = import <= UINT32_MAX ? (uint32_t)import : 0;
}

// Print `uuid` in hexadecimal.
static void print_uuid(char text[2 * VK_UUID_SIZE + 1], const uint8_t uuid[VK_UUID_SIZE])
{
    for (size_t i = 0; i < VK_UUID_SIZE; i++)
        snprintf(text + 2 * i, 3, "%02x", uuid[i]);
}

void smr_vk_query_limits(struct smr_vk_instance *instance, const struct smr_vk_physical *physical,
                         const struct smr_vk_features *features, struct smr_limits *limits,
                         char *fingerprint, size_t fingerprint_size)
{
    struct properties p;
    query_properties(instance, physical->handle, features, &p);
    fill_limits(&p, limits);
    bool timestamps = physical->timestamp_bits && p.base.properties.limits.timestampPeriod > 0.0f;
    limits->capabilities = find_capabilities(features, &p, timestamps);
    limits->matrix_size = matrix_size(instance, physical->handle, features);
    if (limits->matrix_size)
        limits->capabilities |= SMR_CAP_MATRIX;

    const VkPhysicalDeviceProperties *base = &p.base.properties;
    char device[2 * VK_UUID_SIZE + 1], driver[2 * VK_UUID_SIZE + 1], cache[2 * VK_UUID_SIZE + 1];
    print_uuid(device, p.id.deviceUUID);
    print_uuid(driver, p.id.driverUUID);
    print_uuid(cache, base->pipelineCacheUUID);
    snprintf(fingerprint, fingerprint_size,
             "vulkan %s %04x:%04x device %s driver %s %s %08x api %08x cache %s subgroup %u",
             base->deviceName, base->vendorID, base->deviceID, device, driver,
             physical->info.driver, base->driverVersion, base->apiVersion, cache,
             limits->subgroup_size);
}
