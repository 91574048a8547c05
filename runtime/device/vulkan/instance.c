// instance.c - the Vulkan loader, an instance, and the devices it has.
#define VOLK_IMPLEMENTATION
#include "device/vulkan/vk.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/context.h"
#include "device/threads.h"

static const char validation_layer[] = "VK_LAYER_KHRONOS_validation";

// Guards volk's process-wide function pointers, the only mutable state outside a context, and drivers
// while they come and go: the loader does not bear that in two threads at once, since
// vkGetDeviceProcAddr() walks its list of drivers without a lock.
static pthread_mutex_t driver_lock = PTHREAD_MUTEX_INITIALIZER;

void smr_vk_lock_drivers(void)
{
    pthread_mutex_lock(&driver_lock);
}

void smr_vk_unlock_drivers(void)
{
    pthread_mutex_unlock(&driver_lock);
}

const char *smr_vk_result_name(VkResult result)
{
    switch (result) {
#define X(name)                                                                                    \
    case name:                                                                                     \
        return #name;
        X(VK_SUCCESS)
        X(VK_NOT_READY)
        X(VK_TIMEOUT)
        X(VK_INCOMPLETE)
        X(VK_ERROR_OUT_OF_HOST_MEMORY)
        X(VK_ERROR_OUT_OF_DEVICE_MEMORY)
        X(VK_ERROR_INITIALIZATION_FAILED)
        X(VK_ERROR_DEVICE_LOST)
        X(VK_ERROR_MEMORY_MAP_FAILED)
        X(VK_ERROR_LAYER_NOT_PRESENT)
        X(VK_ERROR_EXTENSION_NOT_PRESENT)
        X(VK_ERROR_FEATURE_NOT_PRESENT)
        X(VK_ERROR_INCOMPATIBLE_DRIVER)
        X(VK_ERROR_TOO_MANY_OBJECTS)
        X(VK_ERROR_FRAGMENTED_POOL)
        X(VK_ERROR_UNKNOWN)
        X(VK_ERROR_OUT_OF_POOL_MEMORY)
        X(VK_ERROR_INVALID_EXTERNAL_HANDLE)
        X(VK_ERROR_INVALID_SHADER_NV)
#undef X
    default:
        return "an unknown VkResult";
    }
}

// ---- validation -------------------------------------------------------------------------------

static VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
                                                 VkDebugUtilsMessageTypeFlagsEXT type,
                                                 const VkDebugUtilsMessengerCallbackDataEXT *data,
                                                 void *user)
{
    struct smr_vk_instance *instance = user;
    atomic_fetch_add(&instance->n_validation_messages, 1);
    smr_log(instance->context, SMR_LOG_ERROR, "Vulkan validation: %s",
            data->pMessage ? data->pMessage : "a message without text");
    return VK_FALSE;
}

static VkDebugUtilsMessengerCreateInfoEXT messenger_info(struct smr_vk_instance *instance)
{
    return (VkDebugUtilsMessengerCreateInfoEXT){
        .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
        .messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT |
                           VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
        .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT,
        .pfnUserCallback = on_message,
        .pUserData = instance,
    };
}

// ---- creating the instance --------------------------------------------------------------------

static bool has_extension(smr_context *context, const char *layer, const char *name)
{
    uint32_t n = 0;
    if (vkEnumerateInstanceExtensionProperties(layer, &n, NULL) != VK_SUCCESS || !n)
        return false;
    // Quietly: without memory here, the instance only has fewer niceties.
    VkExtensionProperties *all = smr_context_reallocate(context, NULL, n * sizeof *all);
    bool found = false;
    if (all && vkEnumerateInstanceExtensionProperties(layer, &n, all) >= VK_SUCCESS)
        for (uint32_t i = 0; i < n && !found; i++)
            found = !strcmp(all[i].extensionName, name);
    smr_free(context, all);
    return found;
}

static bool has_layer(smr_context *context, const char *name)
{
    uint32_t n = 0;
    if (vkEnumerateInstanceLayerProperties(&n, NULL) != VK_SUCCESS || !n)
        return false;
    VkLayerProperties *all = smr_context_reallocate(context, NULL, n * sizeof *all);
    bool found = false;
    if (all && vkEnumerateInstanceLayerProperties(&n, all) >= VK_SUCCESS)
        for (uint32_t i = 0; i < n && !found; i++)
            found = !strcmp(all[i].layerName, name);
    smr_free(context, all);
    return found;
}

// Whether validation was asked for and can be had.
static bool want_validation(smr_context *context)
{
    if (!context->params.validation)
        return false;
    bool found = has_layer(context, validation_layer);
    smr_log(context, found ? SMR_LOG_INFO : SMR_LOG_WARNING,
            found ? "Vulkan validation is on: %s"
                  : "no Vulkan validation: %s is not installed (package vulkan-validationlayers)",
            validation_layer);
    return found;
}

// vkCreateInstance, and the instance's functions. Under driver_lock.
static VkResult create_handle(struct smr_vk_instance *instance)
{
    smr_context *context = instance->context;
    bool validation = want_validation(context);
    const char *layers[] = {validation_layer};
    const char *extensions[2];
    uint32_t n_extensions = 0;
    bool debug_utils =
        has_extension(context, NULL, VK_EXT_DEBUG_UTILS_EXTENSION_NAME) ||
        (validation && has_extension(context, validation_layer, VK_EXT_DEBUG_UTILS_EXTENSION_NAME));
    bool features = validation && has_extension(context, validation_layer,
                                                VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME);
    if (debug_utils)
        extensions[n_extensions++] = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
    if (features)
        extensions[n_extensions++] = VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME;

    VkDebugUtilsMessengerCreateInfoEXT messenger = messenger_info(instance);
    VkValidationFeatureEnableEXT sync = VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT;
    VkValidationFeaturesEXT enable = {
        .sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT,
        .pNext = debug_utils ? &messenger : NULL, // for vkCreateInstance itself
        .enabledValidationFeatureCount = 1,
        .pEnabledValidationFeatures = &sync,
    };
    VkApplicationInfo application = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
        .pApplicationName = "samara",
        .pEngineName = "samara",
        .apiVersion = SMR_VK_NEWEST_VERSION,
    };
    VkInstanceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .pNext = features     ? &enable
                 : validation ? enable.pNext
                              : NULL,
        .pApplicationInfo = &application,
        .enabledLayerCount = validation,
        .ppEnabledLayerNames = layers,
        .enabledExtensionCount = n_extensions,
        .ppEnabledExtensionNames = extensions,
    };
    VkResult result = vkCreateInstance(&info, NULL, &instance->handle);
    if (result != VK_SUCCESS)
        return result;

    struct smr_vk_instance_table *vk = &instance->vk;
#define X(name) vk->name = (PFN_##name)vkGetInstanceProcAddr(instance->handle, #name);
    SMR_VK_INSTANCE_FUNCTIONS(X)
    if (debug_utils) {
        SMR_VK_DEBUG_FUNCTIONS(X)
    }
#undef X
    if (validation && vk->vkCreateDebugUtilsMessengerEXT)
        return vk->vkCreateDebugUtilsMessengerEXT(instance->handle, &messenger, NULL,
                                                  &instance->messenger);
    return VK_SUCCESS;
}

void smr_vk_load_device_table(struct smr_vk_instance *instance, VkDevice device,
                              struct VolkDeviceTable *table)
{
    smr_vk_lock_drivers();
    volkLoadInstanceOnly(instance->handle);
    volkLoadDeviceTable(table, device);
    smr_vk_unlock_drivers();
}

// Load the loader and make the instance; where that cannot be, say why in `absent`.
static bool create_instance(struct smr_vk_instance *instance, struct smr_string *absent)
{
    VkResult result = VK_ERROR_INITIALIZATION_FAILED;
    smr_vk_lock_drivers();
    if (!volkGetInstanceVersion())
        volkInitialize();
    uint32_t version = volkGetInstanceVersion();
    if (version >= VK_API_VERSION_1_1)
        result = create_handle(instance);
    smr_vk_unlock_drivers();

    if (!version)
        smr_string_printf(absent, "no Vulkan loader (libvulkan.so.1): install libvulkan1");
    else if (version < VK_API_VERSION_1_1)
        smr_string_printf(absent, "the Vulkan loader is of version 1.0, 1.1 is needed");
    else if (result == VK_ERROR_INCOMPATIBLE_DRIVER)
        smr_string_printf(absent, "no Vulkan driver: install the GPU vendor's, or "
                                  "mesa-vulkan-drivers");
    else if (result != VK_SUCCESS)
        smr_string_printf(absent, "vkCreateInstance failed with %s", smr_vk_result_name(result));
    return result == VK_SUCCESS;
}

// ---- devices ----------------------------------------------------------------------------------

// A family for compute: one of its own before one shared with graphics, so that the desktop stays
// alive; one with timestamps before one without. False when there is none.
static bool choose_queue_family(struct smr_vk_instance *instance, struct smr_vk_physical *physical)
{
    VkQueueFamilyProperties families[64];
    uint32_t n = SMR_COUNT(families);
    instance->vk.vkGetPhysicalDeviceQueueFamilyProperties(physical->handle, &n, families);
    int best = -1;
    for (uint32_t i = 0; i < n; i++) {
        if (!(families[i].queueFlags & VK_QUEUE_COMPUTE_BIT) || !families[i].queueCount)
            continue;
        int score = 2 * (families[i].timestampValidBits > 0) +
                    !(families[i].queueFlags & VK_QUEUE_GRAPHICS_BIT);
        if (score <= best)
            continue;
        best = score;
        physical->queue_family = i;
        physical->timestamp_bits = families[i].timestampValidBits;
    }
    return best >= 0;
}

// PCI vendors, and the ones Khronos gave out (VkVendorId).
static const struct {
    uint32_t id;
    const char *name;
} vendors[] = {
    {0x1002, "AMD"},    {0x1010, "Imagination"},   {0x106b, "Apple"},    {0x10de, "NVIDIA"},
    {0x13b5, "Arm"},    {0x144d, "Samsung"},       {0x14e4, "Broadcom"}, {0x19e5, "Huawei"},
    {0x1ae0, "Google"}, {0x1ed5, "Moore Threads"}, {0x5143, "Qualcomm"}, {0x8086, "Intel"},
    {0x10005, "Mesa"},
};

static void name_vendor(uint32_t id, struct smr_device_info *info)
{
    for (size_t i = 0; i < SMR_COUNT(vendors); i++)
        if (vendors[i].id == id)
            snprintf(info->vendor, sizeof info->vendor, "%s", vendors[i].name);
    if (!info->vendor[0])
        snprintf(info->vendor, sizeof info->vendor, "vendor 0x%04x", id);
}

static enum smr_device_type type_of(const VkPhysicalDeviceProperties *properties)
{
    switch (properties->deviceType) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU: // a slice of a card in a server
        return SMR_DEVICE_DISCRETE;
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
        return SMR_DEVICE_SOFTWARE;
    default:
        return SMR_DEVICE_INTEGRATED;
    }
}

static void describe_driver(struct smr_vk_instance *instance, VkPhysicalDevice handle,
                            const VkPhysicalDeviceProperties *properties,
                            struct smr_device_info *info)
{
    // VK_KHR_driver_properties is in Vulkan 1.2, and in nearly every driver of 1.1: a driver that
    // does not know the structure leaves it empty.
    VkPhysicalDeviceDriverProperties driver = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES};
    VkPhysicalDeviceProperties2 both = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                        .pNext = &driver};
    if (properties->apiVersion >= VK_API_VERSION_1_2)
        instance->vk.vkGetPhysicalDeviceProperties2(handle, &both);
    uint32_t v = properties->driverVersion;
    if (driver.driverInfo[0])
        snprintf(info->driver, sizeof info->driver, "%.120s %.120s", driver.driverName,
                 driver.driverInfo);
    else
        snprintf(info->driver, sizeof info->driver, "%.120s%s%u.%u.%u", driver.driverName,
                 driver.driverName[0] ? " " : "version ", VK_API_VERSION_MAJOR(v),
                 VK_API_VERSION_MINOR(v), VK_API_VERSION_PATCH(v));
}

static void identify(struct smr_vk_instance *instance, VkPhysicalDevice handle, bool has_pci,
                     struct smr_identity *identity)
{
    VkPhysicalDevicePCIBusInfoPropertiesEXT pci = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PCI_BUS_INFO_PROPERTIES_EXT};
    VkPhysicalDeviceIDProperties id = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES,
                                       .pNext = has_pci ? &pci : NULL};
    VkPhysicalDeviceProperties2 all = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                       .pNext = &id};
    instance->vk.vkGetPhysicalDeviceProperties2(handle, &all);
    smr_identity_set_uuid(identity, id.deviceUUID);
    if (has_pci)
        smr_identity_set_pci(identity, &(struct smr_pci_address){pci.pciDomain, pci.pciBus,
                                                                 pci.pciDevice, pci.pciFunction});
}

static bool describe(struct smr_vk_instance *instance, uint32_t index)
{
    struct smr_vk_physical *physical = &instance->physicals[index];
    struct smr_device_info *info = &physical->info;
    VkPhysicalDeviceProperties properties;
    instance->vk.vkGetPhysicalDeviceProperties(physical->handle, &properties);
    bool has_queue = choose_queue_family(instance, physical);

    snprintf(info->id, sizeof info->id, "vulkan%u", index);
    snprintf(info->name, sizeof info->name, "%s", properties.deviceName);
    info->backend = SMR_BACKEND_VULKAN;
    info->type = type_of(&properties);
    info->reason = smr_vk_unusable(&properties, has_queue);
    info->usable = !info->reason;
    name_vendor(properties.vendorID, info);
    if (properties.apiVersion < VK_API_VERSION_1_1)
        return true;
    struct smr_vk_features features;
    if (!smr_vk_query_features(instance, physical->handle, &features))
        return false;
    describe_driver(instance, physical->handle, &properties, info);
    identify(instance, physical->handle, features.has_pci, &physical->identity);
    smr_vk_memory_sizes(instance, physical, features.has_memory_budget, &info->memory,
                        &info->memory_free);
    return true;
}

// vkEnumeratePhysicalDevices, in which the loader unloads drivers that have none, and software
// drivers make their threads.
static VkResult enumerate(const struct smr_vk_instance *instance, uint32_t *n,
                          VkPhysicalDevice *handles)
{
    struct smr_affinity affinity;
    smr_vk_lock_drivers();
    smr_affinity_narrow(&affinity, instance->context->params.n_threads);
    VkResult result = instance->vk.vkEnumeratePhysicalDevices(instance->handle, n, handles);
    smr_affinity_restore(&affinity);
    smr_vk_unlock_drivers();
    return result;
}

static bool find_devices(struct smr_vk_instance *instance, struct smr_string *absent)
{
    uint32_t n = 0;
    VkResult result = enumerate(instance, &n, NULL);
    VkPhysicalDevice *handles =
        smr_alloc(instance->context, n, sizeof(VkPhysicalDevice), "the list of Vulkan devices");
    instance->physicals =
        smr_alloc(instance->context, n, sizeof *instance->physicals, "the list of Vulkan devices");
    bool ok = handles && instance->physicals;
    if (ok && n && result == VK_SUCCESS)
        result = enumerate(instance, &n, handles);
    if (ok && result >= VK_SUCCESS) { // VK_INCOMPLETE: one was plugged in meanwhile
        for (uint32_t i = 0; i < n && ok; i++) {
            instance->physicals[i].handle = handles[i];
            ok = describe(instance, i);
        }
        instance->n_physicals = n;
    }
    if (ok && !instance->n_physicals)
        smr_string_printf(absent, "the Vulkan drivers know no device here (%s)",
                          smr_vk_result_name(result));
    smr_free(instance->context, handles);
    return ok;
}

// ---- the backend ------------------------------------------------------------------------------

void smr_vk_instance_release(struct smr_vk_instance *instance)
{
    if (--instance->references)
        return;
    if (instance->messenger)
        instance->vk.vkDestroyDebugUtilsMessengerEXT(instance->handle, instance->messenger, NULL);
    if (instance->handle && instance->vk.vkDestroyInstance) {
        smr_vk_lock_drivers();
        instance->vk.vkDestroyInstance(instance->handle, NULL);
        smr_vk_unlock_drivers();
    }
    smr_free(instance->context, instance->physicals);
    smr_free(instance->context, instance);
}

static bool start(smr_context *context, void **state, struct smr_string *absent)
{
    struct smr_vk_instance *instance = smr_alloc(context, 1, sizeof *instance, "a Vulkan instance");
    if (!instance)
        return false;
    instance->context = context;
    instance->references = 1;
    bool ok = true;
    if (create_instance(instance, absent))
        ok = find_devices(instance, absent);
    if (ok && instance->n_physicals)
        *state = instance;
    else
        smr_vk_instance_release(instance);
    return ok;
}

static size_t list_devices(void *state, struct smr_device_info *infos, size_t capacity)
{
    struct smr_vk_instance *instance = state;
    for (uint32_t i = 0; i < instance->n_physicals && i < capacity; i++)
        infos[i] = instance->physicals[i].info;
    return instance->n_physicals;
}

static void get_identity(void *state, uint32_t index, struct smr_identity *identity)
{
    const struct smr_vk_instance *instance = state;
    *identity = instance->physicals[index].identity;
}

static void stop(void *state)
{
    smr_vk_instance_release(state);
}

const struct smr_backend_impl smr_backend_vulkan = {
    .name = "vulkan",
    .backend = SMR_BACKEND_VULKAN,
    .start = start,
    .list = list_devices,
    .identify = get_identity,
    .open = smr_vk_open,
    .stop = stop,
};
