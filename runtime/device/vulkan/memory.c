// memory.c - device memory: which type, in which block, at which offset.
//
// Drivers bound the number of allocations (maxMemoryAllocationCount, 4096 is common), so buffers
// take parts of larger blocks, first fit. A buffer that is large against a block has its own.
#include <string.h>

#include "base/context.h"
#include "device/host.h"
#include "device/vulkan/vk.h"

static const uint64_t block_size = (uint64_t)64 << 20;

// Step and argument buffers up to this size may lie in a small window of host-visible device memory.
static const uint64_t small_upload = (uint64_t)16 << 20;

struct smr_vk_block {
    struct smr_vk_block *next;
    VkDeviceMemory handle;
    uint32_t type, heap;
    uint64_t size;
    void *mapped; // as long as the block lives; NULL when not host-visible
    struct smr_vk_allocation *first;
};

VkDeviceMemory smr_vk_allocation_memory(const struct smr_vk_allocation *allocation)
{
    return allocation->block->handle;
}

// ---- sizes ------------------------------------------------------------------------------------

static void query_memory(struct smr_vk_instance *instance, VkPhysicalDevice physical,
                         bool has_budget, VkPhysicalDeviceMemoryProperties *properties,
                         VkPhysicalDeviceMemoryBudgetPropertiesEXT *budget)
{
    VkPhysicalDeviceMemoryProperties2 both = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2};
    uint64_t sum = 0;
    *budget = (VkPhysicalDeviceMemoryBudgetPropertiesEXT){
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT};
    instance->vk.vkGetPhysicalDeviceMemoryProperties2(physical, &both);
    *properties = both.memoryProperties;
    for (uint32_t i = 0; i < properties->memoryHeapCount; i++)
        sum += budget->heapBudget[i] = properties->memoryHeaps[i].size;
    // Mesa's drivers for hardware that is not there have no memory, and crash when asked for more.
    if (!has_budget || !sum)
        return;
    both.pNext = budget;
    instance->vk.vkGetPhysicalDeviceMemoryProperties2(physical, &both);
}

static uint64_t difference(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

void smr_vk_memory_sizes(struct smr_vk_instance *instance, const struct smr_vk_physical *physical,
                         bool has_budget, uint64_t *total, uint64_t *available)
{
    VkPhysicalDeviceMemoryProperties properties;
    VkPhysicalDeviceMemoryBudgetPropertiesEXT budget;
    if (physical->info.type == SMR_DEVICE_SOFTWARE) {
        smr_host_memory(total, available);
        return;
    }
    query_memory(instance, physical->handle, has_budget, &properties, &budget);
    *total = *available = 0;
    for (uint32_t i = 0; i < properties.memoryHeapCount; i++) {
        if (!(properties.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT))
            continue;
        *total += properties.memoryHeaps[i].size;
        *available += difference(budget.heapBudget[i], budget.heapUsage[i]);
    }
}

// Bytes that heap `heap` can still give: by an estimate, which knows of other processes, or else by
// what we took ourselves.
static uint64_t heap_room(struct smr_vk_device *device, uint32_t heap, bool by_budget)
{
    const struct smr_vk_memory *memory = &device->memory;
    uint64_t size = memory->properties.memoryHeaps[heap].size, estimate = UINT64_MAX;
    if (memory->software) {
        smr_host_memory(&size, &estimate);
    } else if (by_budget && memory->has_budget) {
        VkPhysicalDeviceMemoryProperties properties;
        VkPhysicalDeviceMemoryBudgetPropertiesEXT budget;
        query_memory(device->instance, device->physical->handle, true, &properties, &budget);
        estimate = difference(budget.heapBudget[heap], budget.heapUsage[heap]);
    }
    uint64_t room = difference(size, memory->used[heap]);
    return estimate < room ? estimate : room;
}

// ---- types ------------------------------------------------------------------------------------

void smr_vk_memory_init(struct smr_vk_memory *memory,
                        const VkPhysicalDeviceMemoryProperties *properties)
{
    const VkMemoryPropertyFlags both = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT |
                                       VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                       VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    uint64_t largest = 0, visible = 0;
    memory->properties = *properties;
    for (uint32_t i = 0; i < properties->memoryTypeCount; i++) {
        const VkMemoryType *type = &properties->memoryTypes[i];
        uint64_t size = properties->memoryHeaps[type->heapIndex].size;
        if (type->propertyFlags & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT && size > largest)
            largest = size;
        if ((type->propertyFlags & both) == both && size > visible)
            visible = size;
    }
    memory->map_device = visible && visible >= largest / 10 * 9;
}

// How well a type with `flags` suits; 0: not at all.
static int rate_type(const struct smr_vk_memory *memory, VkMemoryPropertyFlags flags,
                     enum smr_memory kind, uint64_t size)
{
    const VkMemoryPropertyFlags known =
        VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
        VK_MEMORY_PROPERTY_HOST_COHERENT_BIT | VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
    bool local = flags & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
    bool cached = flags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
    bool visible =
        flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT && flags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    if (flags & ~known) // lazily allocated, protected, or a vendor's: not for us
        return 0;
    switch (kind) {
    case SMR_MEMORY_DEVICE:
        if (!local)
            return 2 + visible; // beside the device: slow, but it works
        if (visible && !memory->map_device)
            return 1; // a small window, which other uses need more
        return 8 + 4 * (visible == memory->map_device) + !cached;
    case SMR_MEMORY_UPLOAD:
        if (!visible)
            return 0;
        return 1 + 4 * (local == (memory->map_device || size <= small_upload)) + 2 * !cached;
    case SMR_MEMORY_READBACK:
        return visible ? 1 + 4 * cached + 2 * (!local || memory->map_device) : 0;
    }
    return 0;
}

uint32_t smr_vk_rank_types(const struct smr_vk_memory *memory, uint32_t allowed,
                           enum smr_memory kind, uint64_t size, uint32_t types[VK_MAX_MEMORY_TYPES])
{
    int ratings[VK_MAX_MEMORY_TYPES];
    uint32_t n = 0;
    for (uint32_t i = 0; i < memory->properties.memoryTypeCount; i++) {
        int rating = rate_type(memory, memory->properties.memoryTypes[i].propertyFlags, kind, size);
        if (!(allowed >> i & 1) || !rating)
            continue;
        uint32_t at = n++;
        for (; at && ratings[at - 1] < rating; at--) {
            ratings[at] = ratings[at - 1];
            types[at] = types[at - 1];
        }
        ratings[at] = rating;
        types[at] = i;
    }
    return n;
}

// ---- blocks -----------------------------------------------------------------------------------

static void block_destroy(struct smr_vk_device *device, struct smr_vk_block *block)
{
    struct smr_vk_block **link = &device->memory.blocks;
    while (*link != block)
        link = &(*link)->next;
    *link = block->next;
    device->memory.used[block->heap] -= block->size;
    device->memory.n_blocks--;
    device->vk.vkFreeMemory(device->handle, block->handle, NULL); // unmaps too
    smr_free(device->base.context, block);
}

// NULL when the driver refuses or there is no host memory; `result` says which error it was.
static struct smr_vk_block *block_create(struct smr_vk_device *device, uint32_t type, uint64_t size,
                                         VkResult *result)
{
    const VkMemoryType *info = &device->memory.properties.memoryTypes[type];
    // Quietly, because another type or size may be tried after this one.
    struct smr_vk_block *block = smr_context_reallocate(device->base.context, NULL, sizeof *block);
    *result = VK_ERROR_OUT_OF_HOST_MEMORY;
    if (!block)
        return NULL;
    *block = (struct smr_vk_block){
        .next = device->memory.blocks, .type = type, .heap = info->heapIndex, .size = size};
    VkMemoryAllocateInfo allocate = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                     .allocationSize = size,
                                     .memoryTypeIndex = type};
    *result = device->vk.vkAllocateMemory(device->handle, &allocate, NULL, &block->handle);
    if (*result != VK_SUCCESS) {
        smr_free(device->base.context, block);
        return NULL;
    }
    device->memory.blocks = block;
    device->memory.used[block->heap] += size;
    device->memory.n_blocks++;
    if (info->propertyFlags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT &&
        info->propertyFlags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT)
        *result = device->vk.vkMapMemory(device->handle, block->handle, 0, VK_WHOLE_SIZE, 0,
                                         &block->mapped);
    if (*result != VK_SUCCESS) {
        block_destroy(device, block);
        return NULL;
    }
    return block;
}

// Take the first gap of `block` that holds `size` aligned bytes.
static bool take(struct smr_vk_block *block, uint64_t size, uint64_t alignment,
                 struct smr_vk_allocation *allocation)
{
    struct smr_vk_allocation *previous = NULL, *next = block->first;
    uint64_t begin = 0;
    for (;; previous = next, next = next->next) {
        begin = previous ? previous->offset + previous->size : 0;
        begin = (begin + alignment - 1) / alignment * alignment;
        uint64_t end = next ? next->offset : block->size;
        if (begin <= end && size <= end - begin)
            break;
        if (!next)
            return false;
    }
    *allocation = (struct smr_vk_allocation){
        .block = block, .offset = begin, .size = size, .previous = previous, .next = next};
    if (previous)
        previous->next = allocation;
    else
        block->first = allocation;
    if (next)
        next->previous = allocation;
    return true;
}

void smr_vk_free(struct smr_vk_device *device, struct smr_vk_allocation *allocation)
{
    struct smr_vk_block *block = allocation->block;
    if (!block)
        return;
    if (allocation->previous)
        allocation->previous->next = allocation->next;
    else
        block->first = allocation->next;
    if (allocation->next)
        allocation->next->previous = allocation->previous;
    allocation->block = NULL;
    if (!block->first)
        block_destroy(device, block);
}

// ---- allocation -------------------------------------------------------------------------------

// A new block of `type` for at least `size` bytes: a large one to share, or else one just for this.
static struct smr_vk_block *add_block(struct smr_vk_device *device, uint32_t type, uint64_t size,
                                      bool by_budget, VkResult *result)
{
    struct smr_vk_memory *memory = &device->memory;
    uint32_t heap = memory->properties.memoryTypes[type].heapIndex;
    uint64_t room = heap_room(device, heap, by_budget);
    uint64_t shared = memory->properties.memoryHeaps[heap].size / 16;
    shared = shared < block_size ? shared : block_size;
    shared = shared < memory->max_allocation ? shared : memory->max_allocation;

    *result = VK_ERROR_OUT_OF_DEVICE_MEMORY;
    if (size > room || size > memory->properties.memoryHeaps[heap].size ||
        size > memory->max_allocation)
        return NULL;
    if (memory->n_blocks >= memory->max_blocks) {
        *result = VK_ERROR_TOO_MANY_OBJECTS;
        return NULL;
    }
    if (size <= shared / 2 && shared <= room) {
        struct smr_vk_block *block = block_create(device, type, shared, result);
        if (block || *result == VK_ERROR_DEVICE_LOST)
            return block;
    }
    return block_create(device, type, size, result);
}

static bool allocate_from(struct smr_vk_device *device, uint32_t type, bool by_budget,
                          const VkMemoryRequirements *requirements,
                          struct smr_vk_allocation *allocation, VkResult *result)
{
    struct smr_vk_block *block = device->memory.blocks;
    for (; block; block = block->next)
        if (block->type == type &&
            take(block, requirements->size, requirements->alignment, allocation))
            return true;
    block = add_block(device, type, requirements->size, by_budget, result);
    return block && take(block, requirements->size, requirements->alignment, allocation);
}

static bool fail_memory(smr_buffer *buffer, const VkMemoryRequirements *requirements,
                        VkResult result)
{
    struct smr_vk_device *device = smr_vk_device(buffer->device);
    uint64_t total, available;
    if (result == VK_ERROR_DEVICE_LOST)
        return smr_vk_fail(buffer->device, result, "vkAllocateMemory", buffer->name);
    smr_vk_memory_sizes(device->instance, device->physical, device->memory.has_budget, &total,
                        &available);
    uint64_t used = 0;
    for (uint32_t i = 0; i < device->memory.properties.memoryHeapCount; i++)
        used += device->memory.used[i];
    if (!device->memory.has_budget && available > difference(total, used))
        available = difference(total, used);
    return smr_fail(buffer->device->context, SMR_ERROR_MEMORY,
                    "buffer %s: %.1f MiB wanted, %.1f of %.1f MiB are free on device %s (%s), "
                    "%.1f MiB are in use by this program (%s)",
                    buffer->name, (double)requirements->size / (1 << 20),
                    (double)available / (1 << 20), (double)total / (1 << 20),
                    buffer->device->info.id, buffer->device->info.name, (double)used / (1 << 20),
                    smr_vk_result_name(result));
}

static void note_placement(smr_buffer *buffer, const struct smr_vk_allocation *allocation)
{
    struct smr_vk_device *device = smr_vk_device(buffer->device);
    const struct smr_vk_block *block = allocation->block;
    VkMemoryPropertyFlags flags = device->memory.properties.memoryTypes[block->type].propertyFlags;
    if (block->mapped)
        buffer->mapped = (char *)block->mapped + allocation->offset;
    buffer->slow_read = !(flags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT);
    if (buffer->kind == SMR_MEMORY_DEVICE && !(flags & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT))
        smr_log(buffer->device->context, SMR_LOG_WARNING,
                "buffer %s: %.1f MiB found no room in the memory of device %s and lie in the "
                "machine's, where the device reads them slowly",
                buffer->name, (double)allocation->size / (1 << 20), buffer->device->info.id);
}

bool smr_vk_allocate(smr_buffer *buffer, const VkMemoryRequirements *requirements,
                     struct smr_vk_allocation *allocation)
{
    struct smr_vk_device *device = smr_vk_device(buffer->device);
    uint32_t types[VK_MAX_MEMORY_TYPES];
    uint32_t n = smr_vk_rank_types(&device->memory, requirements->memoryTypeBits, buffer->kind,
                                   requirements->size, types);
    VkResult result = VK_ERROR_OUT_OF_DEVICE_MEMORY;
    // First within the driver's budgets, then as far as the heaps go: a budget is an estimate.
    for (int round = 0; round < 2; round++)
        for (uint32_t i = 0; i < n && result != VK_ERROR_DEVICE_LOST; i++)
            if (allocate_from(device, types[i], round == 0, requirements, allocation, &result)) {
                note_placement(buffer, allocation);
                return true;
            }
    return fail_memory(buffer, requirements, result);
}
