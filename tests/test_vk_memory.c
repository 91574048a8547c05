// test_vk_memory.c - where buffers go on machines that are not here: tables of memory types as
// drivers list them.
#include "support.h"

#include "device/vulkan/vk.h"

enum {
    LOCAL = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT,
    VISIBLE = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
    CACHED = VK_MEMORY_PROPERTY_HOST_CACHED_BIT,
    AMD_COHERENT =
        VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD | VK_MEMORY_PROPERTY_DEVICE_UNCACHED_BIT_AMD,
    NONE = -1, // no such type
};
#define MIB ((uint64_t)1 << 20)

struct machine {
    const char *name;
    uint64_t heaps[3]; // MiB
    struct {
        uint32_t flags, heap;
    } types[10];
    uint32_t n_types;
    bool map_device;
    // Indexes into types[] in order of preference, for DEVICE; and the first for the others.
    int device[6], upload_small, upload_large, readback;
};

static const struct machine machines[] = {
    {
        .name = "a card with a window of 256 MiB",
        .heaps = {8192, 16000, 256},
        .types = {{0, 1}, {LOCAL, 0}, {VISIBLE, 1}, {VISIBLE | CACHED, 1}, {LOCAL | VISIBLE, 2}},
        .n_types = 5,
        .device = {1, 2, 3, 0, 4, NONE}, // the window last of all
        .upload_small = 4,
        .upload_large = 2,
        .readback = 3,
    },
    {
        .name = "a card with resizable BAR",
        .heaps = {8192, 16000},
        .types = {{LOCAL, 0}, {VISIBLE, 1}, {VISIBLE | CACHED, 1}, {LOCAL | VISIBLE, 0}},
        .n_types = 4,
        .map_device = true,
        .device = {3, 0, 1, 2, NONE},
        .upload_small = 3,
        .upload_large = 3,
        .readback = 2,
    },
    {
        .name = "a card with types of its vendor",
        .heaps = {16384, 16000, 256},
        .types = {{LOCAL, 0},
                  {LOCAL | AMD_COHERENT, 0},
                  {VISIBLE, 1},
                  {LOCAL | VISIBLE, 2},
                  {LOCAL | VISIBLE | AMD_COHERENT, 2},
                  {VISIBLE | CACHED, 1},
                  {VISIBLE | CACHED | AMD_COHERENT, 1},
                  {LOCAL | VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT, 0},
                  {LOCAL | VK_MEMORY_PROPERTY_PROTECTED_BIT, 0}},
        .n_types = 9,
        .device = {0, 2, 5, 3, NONE},
        .upload_small = 3,
        .upload_large = 2,
        .readback = 5,
    },
    {
        .name = "an integrated GPU",
        .heaps = {8192},
        .types = {{LOCAL | VISIBLE | CACHED, 0}, {LOCAL | VISIBLE, 0}},
        .n_types = 2,
        .map_device = true,
        .device = {1, 0, NONE},
        .upload_small = 1,
        .upload_large = 1,
        .readback = 0,
    },
    {
        .name = "memory that is visible and not coherent",
        .heaps = {4096},
        .types = {{LOCAL, 0},
                  {LOCAL | VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | CACHED, 0},
                  {LOCAL | VISIBLE, 0}},
        .n_types = 3,
        .map_device = true,
        .device = {2, 0, 1, NONE},
        .upload_small = 2,
        .upload_large = 2,
        .readback = 2,
    },
    {
        .name = "a software driver",
        .heaps = {2048},
        .types = {{LOCAL | VISIBLE | CACHED, 0}},
        .n_types = 1,
        .map_device = true,
        .device = {0, NONE},
    },
};

static int first(const struct smr_vk_memory *memory, enum smr_memory kind, uint64_t size)
{
    uint32_t types[VK_MAX_MEMORY_TYPES];
    return smr_vk_rank_types(memory, UINT32_MAX, kind, size, types) ? (int)types[0] : NONE;
}

static void check_machine(const struct machine *machine)
{
    VkPhysicalDeviceMemoryProperties properties = {.memoryTypeCount = machine->n_types};
    struct smr_vk_memory memory = {0};
    uint32_t types[VK_MAX_MEMORY_TYPES], n_device = 0;
    print_message("# %s\n", machine->name);
    for (uint32_t i = 0; i < 3; i++)
        properties.memoryHeaps[i].size = machine->heaps[i] * MIB;
    for (uint32_t i = 0; i < machine->n_types; i++)
        properties.memoryTypes[i] = (VkMemoryType){machine->types[i].flags, machine->types[i].heap};
    smr_vk_memory_init(&memory, &properties);
    assert_int_equal(memory.map_device, machine->map_device);

    uint32_t n = smr_vk_rank_types(&memory, UINT32_MAX, SMR_MEMORY_DEVICE, 500 * MIB, types);
    for (; machine->device[n_device] != NONE; n_device++)
        assert_int_equal(types[n_device], machine->device[n_device]);
    assert_int_equal(n, n_device);
    assert_int_equal(first(&memory, SMR_MEMORY_UPLOAD, MIB), machine->upload_small);
    assert_int_equal(first(&memory, SMR_MEMORY_UPLOAD, 64 * MIB), machine->upload_large);
    assert_int_equal(first(&memory, SMR_MEMORY_READBACK, MIB), machine->readback);

    // What a buffer is not allowed to lie in is not listed.
    uint32_t best = 1u << machine->device[0];
    assert_int_equal(smr_vk_rank_types(&memory, ~best, SMR_MEMORY_DEVICE, MIB, types), n - 1);
    assert_int_equal(smr_vk_rank_types(&memory, best, SMR_MEMORY_DEVICE, MIB, types), 1);
    assert_int_equal(types[0], machine->device[0]);
}

static void test_machines(void **state)
{
    for (size_t i = 0; i < SMR_COUNT(machines); i++)
        check_machine(&machines[i]);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(test_machines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
