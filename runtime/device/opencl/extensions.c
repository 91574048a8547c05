// extensions.c - what an OpenCL driver has beyond version 1.2. Numbers are written here because headers
// of that version do not have them; they are those of the OpenCL registry, https://github.com/
// KhronosGroup/OpenCL-Docs/blob/main/xml/cl.xml, and of the extensions' specifications.
#include <string.h>

#include "device/opencl/cl.h"

enum { MOST_NAMES = 16384 }; // bytes of all names

bool smr_cl_has_extension(const struct smr_cl_table *cl, cl_device_id id, const char *name)
{
    char names[MOST_NAMES];
    size_t size = 0, length = strlen(name);
    if (cl->clGetDeviceInfo(id, CL_DEVICE_EXTENSIONS, sizeof names - 1, names, &size) != CL_SUCCESS)
        return false;
    names[size < sizeof names ? size : sizeof names - 1] = 0;
    for (const char *at = names; *at; at += strspn(at, " ")) {
        size_t word = strcspn(at, " ");
        if (word == length && !memcmp(at, name, length))
            return true;
        at += word;
    }
    return false;
}

static bool get(const struct smr_cl_table *cl, cl_device_id id, cl_device_info what, void *value,
                size_t size)
{
    size_t got = 0;
    return cl->clGetDeviceInfo(id, what, size, value, &got) == CL_SUCCESS && got == size;
}

// ---- subgroups --------------------------------------------------------------------------------

enum {
    DEVICE_SUBGROUP_SIZES_INTEL = 0x4108, // cl_intel_required_subgroup_size: size_t each
    DEVICE_WARP_SIZE_NV = 0x4003,         // cl_nv_device_attribute_query: cl_uint
    DEVICE_WAVEFRONT_WIDTH_AMD = 0x4043,  // cl_amd_device_attribute_query: cl_uint
};

// The sizes a driver tells; without, any is possible.
static void find_subgroup_sizes(const struct smr_cl_table *cl, cl_device_id id,
                                struct smr_limits *limits)
{
    size_t sizes[16], size = 0;
    cl_uint width = 0;
    limits->min_subgroup_size = 1;
    limits->max_subgroup_size = limits->max_invocations;
    limits->subgroup_size = smr_min_u32(32, limits->max_invocations);
    if (smr_cl_has_extension(cl, id, "cl_intel_required_subgroup_size") &&
        cl->clGetDeviceInfo(id, DEVICE_SUBGROUP_SIZES_INTEL, sizeof sizes, sizes, &size) ==
            CL_SUCCESS &&
        size >= sizeof sizes[0]) {
        limits->min_subgroup_size = limits->max_subgroup_size = (uint32_t)sizes[0];
        for (size_t i = 1; i < size / sizeof sizes[0]; i++) {
            limits->min_subgroup_size = smr_min_u32(limits->min_subgroup_size, (uint32_t)sizes[i]);
            limits->max_subgroup_size = smr_max_u32(limits->max_subgroup_size, (uint32_t)sizes[i]);
        }
        limits->subgroup_size = limits->max_subgroup_size;
    } else if ((smr_cl_has_extension(cl, id, "cl_nv_device_attribute_query") &&
                get(cl, id, DEVICE_WARP_SIZE_NV, &width, sizeof width) && width) ||
               (smr_cl_has_extension(cl, id, "cl_amd_device_attribute_query") &&
                get(cl, id, DEVICE_WAVEFRONT_WIDTH_AMD, &width, sizeof width) && width)) {
        limits->min_subgroup_size = limits->max_subgroup_size = limits->subgroup_size = width;
    }
}

const char *smr_cl_find_subgroups(const struct smr_cl_table *cl, cl_device_id id,
                                  struct smr_limits *limits)
{
    char version[64];
    smr_cl_device_text(cl, id, CL_DEVICE_VERSION, version, sizeof version);
    bool shuffles = smr_cl_has_extension(cl, id, "cl_khr_subgroup_shuffle") ||
                    smr_cl_has_extension(cl, id, "cl_intel_subgroups");
    if (!smr_cl_has_extension(cl, id, "cl_khr_subgroups") || !shuffles ||
        strncmp(version, "OpenCL 1", 8) == 0)
        return NULL;
    find_subgroup_sizes(cl, id, limits);
    return strncmp(version, "OpenCL 2", 8) == 0 ? "CL2.0" : "CL3.0";
}

// ---- dot products of bytes ---------------------------------------------------------------------

enum { // cl_khr_integer_dot_product
    DEVICE_DOT_CAPABILITIES = 0x1073,
    DOT_INPUT_4X8_PACKED = 1,
    DEVICE_DOT_ACCELERATION_4X8_PACKED = 0x1075, // cl_bool: signed, unsigned, mixed, saturating...
    N_DOT_ACCELERATIONS = 6,
};

bool smr_cl_has_byte_dots(const struct smr_cl_table *cl, cl_device_id id)
{
    char version[64];
    cl_ulong capabilities = 0;
    cl_bool accelerated[N_DOT_ACCELERATIONS] = {0};
    smr_cl_device_text(cl, id, CL_DEVICE_VERSION, version, sizeof version);
    return strncmp(version, "OpenCL 3", 8) == 0 &&
           smr_cl_has_extension(cl, id, "cl_khr_integer_dot_product") &&
           get(cl, id, DEVICE_DOT_CAPABILITIES, &capabilities, sizeof capabilities) &&
           capabilities & DOT_INPUT_4X8_PACKED &&
           get(cl, id, DEVICE_DOT_ACCELERATION_4X8_PACKED, accelerated, sizeof accelerated) &&
           accelerated[0];
}

// ---- command buffers ---------------------------------------------------------------------------

enum {
    DEVICE_EXTENSIONS_WITH_VERSION = 0x1060,   // OpenCL 3.0: struct name_version each
    DEVICE_RECORDER_QUEUE_PROPERTIES = 0x12AA, // cl_khr_command_buffer: that a queue must have
    MOST_VERSIONS = 256,
};

struct name_version {
    cl_uint version; // major << 22 | minor << 12 | patch
    char name[64];
};

static bool version_of(const struct smr_cl_table *cl, cl_device_id id, const char *name,
                       cl_uint *version)
{
    struct name_version all[MOST_VERSIONS];
    size_t size = 0;
    if (cl->clGetDeviceInfo(id, DEVICE_EXTENSIONS_WITH_VERSION, sizeof all, all, &size) !=
        CL_SUCCESS)
        return false;
    for (size_t i = 0; i < size / sizeof all[0]; i++)
        if (!strncmp(all[i].name, name, sizeof all[i].name)) {
            *version = all[i].version;
            return true;
        }
    return false;
}

bool smr_cl_find_recorder(const struct smr_cl_table *cl, cl_platform_id platform, cl_device_id id,
                          struct smr_cl_recorder *recorder)
{
    cl_uint version;
    cl_command_queue_properties required = 1;
    *recorder = (struct smr_cl_recorder){.create = NULL};
    if (!version_of(cl, id, "cl_khr_command_buffer", &version) || version >> 12 != 9 || // 0.9

        !get(cl, id, DEVICE_RECORDER_QUEUE_PROPERTIES, &required, sizeof required) || required)
        return false;
    const struct {
        const char *name;
        void **function;
    } functions[] = {
        {"clCreateCommandBufferKHR", (void **)&recorder->create},
        {"clCommandNDRangeKernelKHR", (void **)&recorder->dispatch},
        {"clFinalizeCommandBufferKHR", (void **)&recorder->finalize},
        {"clEnqueueCommandBufferKHR", (void **)&recorder->enqueue},
        {"clReleaseCommandBufferKHR", (void **)&recorder->release},
    };
    bool found = true;
    for (size_t i = 0; i < SMR_COUNT(functions); i++) {
        *functions[i].function =
            cl->clGetExtensionFunctionAddressForPlatform(platform, functions[i].name);
        found = found && *functions[i].function;
    }
    return found;
}

// ---- identity ---------------------------------------------------------------------------------

enum {
    DEVICE_UUID = 0x106A,    // cl_khr_device_uuid: 16 bytes
    DEVICE_PCI_BUS = 0x410F, // cl_khr_pci_bus_info: domain, bus, device, function as cl_uint
    DEVICE_BUS_NV = 0x4008,  // cl_nv_device_attribute_query: cl_uint each
    DEVICE_SLOT_NV = 0x4009, // device << 3 | function
    DEVICE_DOMAIN_NV = 0x400A,
    DEVICE_TOPOLOGY_AMD = 0x4037, // cl_amd_device_attribute_query: struct topology_amd
    TOPOLOGY_PCIE_AMD = 1,
};

struct topology_amd {
    cl_uint type;
    uint8_t unused[17], bus, device, function;
};

static bool find_pci(const struct smr_cl_table *cl, cl_device_id id, struct smr_pci_address *pci)
{
    cl_uint bus[4];
    if (smr_cl_has_extension(cl, id, "cl_khr_pci_bus_info") &&
        get(cl, id, DEVICE_PCI_BUS, bus, sizeof bus)) {
        *pci = (struct smr_pci_address){bus[0], bus[1], bus[2], bus[3]};
        return true;
    }
    if (smr_cl_has_extension(cl, id, "cl_nv_device_attribute_query") &&
        get(cl, id, DEVICE_BUS_NV, &bus[0], sizeof bus[0]) &&
        get(cl, id, DEVICE_SLOT_NV, &bus[1], sizeof bus[1])) {
        if (!get(cl, id, DEVICE_DOMAIN_NV, &bus[2], sizeof bus[2]))
            bus[2] = UINT32_MAX;
        *pci = (struct smr_pci_address){bus[2], bus[0], bus[1] >> 3, bus[1] & 7};
        return true;
    }
    struct topology_amd topology = {.type = 0};
    if (smr_cl_has_extension(cl, id, "cl_amd_device_attribute_query") &&
        get(cl, id, DEVICE_TOPOLOGY_AMD, &topology, sizeof topology) &&
        topology.type == TOPOLOGY_PCIE_AMD) {
        *pci =
            (struct smr_pci_address){UINT32_MAX, topology.bus, topology.device, topology.function};
        return true;
    }
    return false;
}

void smr_cl_identify(const struct smr_cl_table *cl, cl_device_id id, struct smr_identity *identity)
{
    uint8_t uuid[16];
    struct smr_pci_address pci;
    if (smr_cl_has_extension(cl, id, "cl_khr_device_uuid") &&
        get(cl, id, DEVICE_UUID, uuid, sizeof uuid))
        smr_identity_set_uuid(identity, uuid);
    if (find_pci(cl, id, &pci))
        smr_identity_set_pci(identity, &pci);
}
