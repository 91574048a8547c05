// vk.h - the Vulkan backend's own structures. Only files of this folder include it.
//
// instance.c  the loader, one instance, which devices it has
// features.c  what a device can do, as smr_limits and as the chain for vkCreateDevice
// device.c    opening and closing, the pipeline cache, submission and waiting
// memory.c    memory types, blocks, sub-allocation
// buffer.c    buffers and imports
// kernel.c    shader modules and pipelines
// inspect.c   what the driver's compiler made of them
// list.c      command buffers, descriptor sets, barriers, timestamps
//
// Vulkan 1.1 is the baseline; what a newer version or an extension adds is a capability.
// "The specification" is that of Vulkan 1.3, https://registry.khronos.org/vulkan/.
#pragma once

#include <volk.h>

#include "base/file.h"
#include "device/device_impl.h"

// The newest version whose structures we know.
#define SMR_VK_NEWEST_VERSION VK_API_VERSION_1_3

// ---- the instance (instance.c) ----------------------------------------------------------------

// Functions of the instance. volk keeps its own in process-wide variables, which another context
// on another thread may change; device functions come from a VolkDeviceTable.
#define SMR_VK_INSTANCE_FUNCTIONS(X)                                                               \
    X(vkDestroyInstance)                                                                           \
    X(vkEnumeratePhysicalDevices)                                                                  \
    X(vkGetPhysicalDeviceProperties)                                                               \
    X(vkGetPhysicalDeviceProperties2)                                                              \
    X(vkGetPhysicalDeviceFeatures2)                                                                \
    X(vkGetPhysicalDeviceMemoryProperties2)                                                        \
    X(vkGetPhysicalDeviceQueueFamilyProperties)                                                    \
    X(vkEnumerateDeviceExtensionProperties)                                                        \
    X(vkCreateDevice)
// Those of VK_EXT_debug_utils: NULL without it.
#define SMR_VK_DEBUG_FUNCTIONS(X)                                                                  \
    X(vkCreateDebugUtilsMessengerEXT)                                                              \
    X(vkDestroyDebugUtilsMessengerEXT)                                                             \
    X(vkSetDebugUtilsObjectNameEXT)

struct smr_vk_instance_table {
#define X(name) PFN_##name name;
    SMR_VK_INSTANCE_FUNCTIONS(X)
    SMR_VK_DEBUG_FUNCTIONS(X)
#undef X
};

struct smr_vk_physical {
    VkPhysicalDevice handle;
    uint32_t queue_family;
    uint32_t timestamp_bits; // valid ones in that family; 0: no timestamps
    struct smr_device_info info;
    struct smr_identity identity;
};

// Shared by a listing and the devices opened from it.
struct smr_vk_instance {
    smr_context *context;
    uint32_t references;
    VkInstance handle;
    struct smr_vk_instance_table vk;
    VkDebugUtilsMessengerEXT messenger;
    atomic_uint_least64_t n_validation_messages;
    struct smr_vk_physical *physicals;
    uint32_t n_physicals;
};

void smr_vk_instance_release(struct smr_vk_instance *instance);

// Held while a driver is loaded or unloaded, and a device made or destroyed.
void smr_vk_lock_drivers(void);
void smr_vk_unlock_drivers(void);

// volkLoadDeviceTable(), which goes through volk's process-wide variables, under their lock.
void smr_vk_load_device_table(struct smr_vk_instance *instance, VkDevice device,
                              struct VolkDeviceTable *table);

// "VK_ERROR_OUT_OF_DEVICE_MEMORY"
const char *smr_vk_result_name(VkResult result);

// ---- features (features.c) --------------------------------------------------------------------

enum { SMR_VK_MAX_EXTENSIONS = 24 };

// VkPhysicalDeviceCooperativeMatrixFeaturesKHR, which headers before 1.3.255 do not have.
struct smr_vk_matrix_features {
    VkStructureType sType;
    void *pNext;
    VkBool32 cooperativeMatrix, cooperativeMatrixRobustBufferAccess;
};

// What to enable, as vkGetPhysicalDeviceFeatures2() answered. The structures point at each other:
// not to be copied.
struct smr_vk_features {
    VkPhysicalDeviceFeatures2 base;
    VkPhysicalDevice16BitStorageFeatures storage_16;
    VkPhysicalDevice8BitStorageFeatures storage_8;
    VkPhysicalDeviceShaderFloat16Int8Features float_16_int_8;
    VkPhysicalDeviceSubgroupSizeControlFeatures subgroup_size;
    VkPhysicalDeviceShaderSubgroupExtendedTypesFeatures subgroup_types;
    VkPhysicalDeviceShaderIntegerDotProductFeatures int_dot;
    VkPhysicalDeviceVulkanMemoryModelFeatures memory_model; // matrices need it
    struct smr_vk_matrix_features matrices;
    VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR executables; // costs nothing unused
    const char *extensions[SMR_VK_MAX_EXTENSIONS];
    uint32_t n_extensions;
    bool has_memory_budget, has_host_import, has_maintenance_4, has_pci, has_subgroup_size,
        has_int_dot, has_nv_cores, has_amd_cores, has_arm_cores;
};

// False, with an error, when there is no memory or the driver fails.
bool smr_vk_query_features(struct smr_vk_instance *instance, VkPhysicalDevice physical,
                           struct smr_vk_features *features);

// Fill in limits and capabilities, but for unified_memory, and the fingerprint's text.
void smr_vk_query_limits(struct smr_vk_instance *instance, const struct smr_vk_physical *physical,
                         const struct smr_vk_features *features, struct smr_limits *limits,
                         char *fingerprint, size_t fingerprint_size);

// Why the device can't be used, a literal; NULL when it can.
const char *smr_vk_unusable(const VkPhysicalDeviceProperties *properties, bool has_queue);

// ---- the device (device.c) --------------------------------------------------------------------

struct smr_vk_block;

struct smr_vk_memory {
    VkPhysicalDeviceMemoryProperties properties;
    uint64_t max_allocation;            // bytes of one vkAllocateMemory
    uint64_t used[VK_MAX_MEMORY_HEAPS]; // bytes of our blocks
    struct smr_vk_block *blocks;        // linked
    uint32_t n_blocks, max_blocks;
    bool map_device; // device-local memory is host-visible too, all or nearly all of it
    bool has_budget; // VK_EXT_memory_budget
    bool software;   // the memory is the machine's, whatever the driver says of its heap
};

struct smr_vk_device {
    struct smr_device base;
    struct smr_vk_instance *instance;
    const struct smr_vk_physical *physical; // of the instance
    VkDevice handle;
    uint32_t queue_family;
    VkQueue queue;
    struct VolkDeviceTable vk;
    struct smr_vk_memory memory;
    VkDescriptorSetLayout set_layouts[SMR_MAX_BINDINGS + 1]; // by number of bindings
    VkPipelineCache pipeline_cache;
    struct smr_key saved_pipelines; // hash of the cache's data as it is on disk
    double timestamp_period;        // nanoseconds per tick
    uint64_t timestamp_mask;        // of valid bits
    bool has_executables;           // VK_KHR_pipeline_executable_properties
};

static inline struct smr_vk_device *smr_vk_device(const smr_device *device)
{
    return (struct smr_vk_device *)device;
}

// Record what a failed call means: loss of the device, no memory, anything else. `what` says who
// wanted what: "list decode: vkEndCommandBuffer". Returns false.
bool smr_vk_fail(smr_device *device, VkResult result, const char *what, const char *name);

// Show `name` in captures and validation messages.
void smr_vk_name(smr_device *device, VkObjectType type, uint64_t handle, const char *name);

// ---- memory (memory.c) ------------------------------------------------------------------------

// A part of a block. Embedded in its owner, so that freeing needs no memory.
struct smr_vk_allocation {
    struct smr_vk_block *block;
    uint64_t offset, size;
    struct smr_vk_allocation *previous, *next; // in the block, by offset
};

// Note `properties`, and whether device-local memory is mapped.
void smr_vk_memory_init(struct smr_vk_memory *memory,
                        const VkPhysicalDeviceMemoryProperties *properties);

// The types of `allowed` (bits) that suit a buffer, best first. Returns how many.
uint32_t smr_vk_rank_types(const struct smr_vk_memory *memory, uint32_t allowed,
                           enum smr_memory kind, uint64_t size,
                           uint32_t types[VK_MAX_MEMORY_TYPES]);

// Sums over device-local heaps: bytes there are, and bytes that are free as far as the driver tells.
// Of a software driver those of the machine: some state 2 GiB always, and give more.
void smr_vk_memory_sizes(struct smr_vk_instance *instance, const struct smr_vk_physical *physical,
                         bool has_budget, uint64_t *total, uint64_t *available);

// Memory for `buffer`, which has `requirements`. Sets buffer->mapped and slow_read. False, with
// SMR_ERROR_MEMORY, when no allowed heap has room.
bool smr_vk_allocate(smr_buffer *buffer, const VkMemoryRequirements *requirements,
                     struct smr_vk_allocation *allocation);
void smr_vk_free(struct smr_vk_device *device, struct smr_vk_allocation *allocation);
VkDeviceMemory smr_vk_allocation_memory(const struct smr_vk_allocation *allocation);

// ---- the table's entries ----------------------------------------------------------------------

bool smr_vk_buffer_create(smr_buffer *buffer);
bool smr_vk_buffer_import(smr_buffer *buffer, const void *data);
void smr_vk_buffer_destroy(smr_buffer *buffer);
VkBuffer smr_vk_buffer_handle(const smr_buffer *buffer);

struct smr_vk_kernel {
    VkPipelineLayout layout;
    VkPipeline pipeline;
    bool captured; // the driver kept what inspect.c reads
};
bool smr_vk_kernel_create(smr_kernel *kernel, const struct smr_kernel_params *params);
void smr_vk_kernel_destroy(smr_kernel *kernel);
bool smr_vk_kernel_inspect(smr_kernel *kernel, struct smr_string *text);

bool smr_vk_list_create(smr_list *list);
void smr_vk_list_destroy(smr_list *list);
void smr_vk_list_dispatch(smr_list *list, smr_kernel *kernel, const struct smr_args *args);
void smr_vk_list_copy(smr_list *list, const struct smr_binding *from, const struct smr_binding *to);
void smr_vk_list_barrier(smr_list *list);
void smr_vk_list_timestamp(smr_list *list, uint32_t index);
bool smr_vk_list_read_timestamps(smr_list *list, uint32_t n, uint64_t *time_ns);
bool smr_vk_list_end(smr_list *list);
bool smr_vk_submit(smr_device *device, smr_list *list);
bool smr_vk_wait(smr_device *device, smr_list *list);

smr_device *smr_vk_open(void *state, uint32_t index);
