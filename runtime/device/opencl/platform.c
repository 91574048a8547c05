// platform.c - the OpenCL loader, the platforms behind it, and their devices.
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "device/host.h"
#include "device/opencl/cl.h"

enum { MOST_PLATFORMS = 16, MOST_DEVICES = 64 }; // of a platform

const char *smr_cl_error_name(cl_int code)
{
    switch (code) {
#define X(name)                                                                                    \
    case name:                                                                                     \
        return #name;
        X(CL_SUCCESS)
        X(CL_DEVICE_NOT_FOUND)
        X(CL_DEVICE_NOT_AVAILABLE)
        X(CL_COMPILER_NOT_AVAILABLE)
        X(CL_MEM_OBJECT_ALLOCATION_FAILURE)
        X(CL_OUT_OF_RESOURCES)
        X(CL_OUT_OF_HOST_MEMORY)
        X(CL_MEM_COPY_OVERLAP)
        X(CL_BUILD_PROGRAM_FAILURE)
        X(CL_MAP_FAILURE)
        X(CL_MISALIGNED_SUB_BUFFER_OFFSET)
        X(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST)
        X(CL_INVALID_VALUE)
        X(CL_INVALID_DEVICE)
        X(CL_INVALID_CONTEXT)
        X(CL_INVALID_COMMAND_QUEUE)
        X(CL_INVALID_HOST_PTR)
        X(CL_INVALID_MEM_OBJECT)
        X(CL_INVALID_BINARY)
        X(CL_INVALID_BUILD_OPTIONS)
        X(CL_INVALID_PROGRAM_EXECUTABLE)
        X(CL_INVALID_KERNEL_NAME)
        X(CL_INVALID_KERNEL)
        X(CL_INVALID_ARG_INDEX)
        X(CL_INVALID_ARG_VALUE)
        X(CL_INVALID_ARG_SIZE)
        X(CL_INVALID_KERNEL_ARGS)
        X(CL_INVALID_WORK_GROUP_SIZE)
        X(CL_INVALID_WORK_ITEM_SIZE)
        X(CL_INVALID_OPERATION)
        X(CL_INVALID_BUFFER_SIZE)
        X(CL_INVALID_GLOBAL_WORK_SIZE)
#undef X
    case -1001:
        return "CL_PLATFORM_NOT_FOUND_KHR";
    default:
        return "an unknown OpenCL error";
    }
}

// ---- asking -----------------------------------------------------------------------------------

void smr_cl_device_text(const struct smr_cl_table *cl, cl_device_id id, cl_device_info what,
                        char *text, size_t size)
{
    char whole[1024] = "";
    size_t length = 0;
    if (cl->clGetDeviceInfo(id, what, sizeof whole, whole, &length) != CL_SUCCESS)
        whole[0] = 0;
    whole[sizeof whole - 1] = 0;
    const char *from = whole + strspn(whole, " "); // some names begin with blanks
    snprintf(text, size, "%s", from);
}

uint64_t smr_cl_device_number(const struct smr_cl_table *cl, cl_device_id id, cl_device_info what)
{
    union {
        uint8_t u8;
        cl_uint u32;
        cl_ulong u64;
    } value = {.u64 = 0};
    size_t size = 0;
    if (cl->clGetDeviceInfo(id, what, sizeof value, &value, &size) != CL_SUCCESS)
        return 0;
    return size == sizeof value.u64 ? value.u64 : size == sizeof value.u32 ? value.u32 : value.u8;
}

static void platform_text(const struct smr_cl_table *cl, cl_platform_id id, cl_platform_info what,
                          char *text, size_t size)
{
    text[0] = 0;
    cl->clGetPlatformInfo(id, what, size, text, NULL);
    text[size - 1] = 0;
}

// ---- devices ----------------------------------------------------------------------------------

static enum smr_device_type type_of(const struct smr_cl_table *cl, cl_device_id id)
{
    uint64_t type = smr_cl_device_number(cl, id, CL_DEVICE_TYPE);
    // A simulator may call itself both: then its memory is not taken to be the host's.
    if (type & CL_DEVICE_TYPE_CPU && !(type & CL_DEVICE_TYPE_GPU))
        return SMR_DEVICE_CPU;
    return smr_cl_device_number(cl, id, CL_DEVICE_HOST_UNIFIED_MEMORY) ? SMR_DEVICE_INTEGRATED
                                                                       : SMR_DEVICE_DISCRETE;
}

// Why a device can't be used; NULL: it can.
static const char *unusable(const struct smr_cl_table *cl, cl_device_id id)
{
    char version[64];
    int major = 0, minor = 0;
    smr_cl_device_text(cl, id, CL_DEVICE_VERSION, version, sizeof version);
    sscanf(version, "OpenCL %d.%d", &major, &minor);
    if (major < 1 || (major == 1 && minor < 2))
        return "its driver is older than OpenCL 1.2";
    if (!smr_cl_device_number(cl, id, CL_DEVICE_AVAILABLE))
        return "its driver says that it is not available";
    if (!smr_cl_device_number(cl, id, CL_DEVICE_COMPILER_AVAILABLE))
        return "its driver has no compiler";
    if (!smr_cl_device_number(cl, id, CL_DEVICE_ENDIAN_LITTLE))
        return "it is big-endian";
    return NULL;
}

static void describe(const struct smr_cl_table *cl, struct smr_cl_found *found, size_t index)
{
    struct smr_device_info *info = &found->info;
    char platform[128], version[64];
    platform_text(cl, found->platform, CL_PLATFORM_NAME, platform, sizeof platform);
    smr_cl_device_text(cl, found->id, CL_DRIVER_VERSION, version, sizeof version);
    snprintf(info->id, sizeof info->id, "opencl%zu", index);
    snprintf(info->driver, sizeof info->driver, "%s %s", platform, version);
    smr_cl_device_text(cl, found->id, CL_DEVICE_NAME, info->name, sizeof info->name);
    smr_cl_device_text(cl, found->id, CL_DEVICE_VENDOR, info->vendor, sizeof info->vendor);
    info->backend = SMR_BACKEND_OPENCL;
    info->type = type_of(cl, found->id);
    info->memory = smr_cl_device_number(cl, found->id, CL_DEVICE_GLOBAL_MEM_SIZE);
    info->memory_free = info->memory;
    if (info->type == SMR_DEVICE_CPU) { // drivers have odd names for it
        uint64_t memory, available;
        info->n_threads =
            (uint32_t)smr_cl_device_number(cl, found->id, CL_DEVICE_MAX_COMPUTE_UNITS);
        smr_host_cpu(info->name, sizeof info->name, info->vendor, sizeof info->vendor);
        smr_host_memory(&memory, &available);
        if (available < info->memory_free)
            info->memory_free = available;
    }
    info->reason = unusable(cl, found->id);
    info->usable = !info->reason;
}

// Append the devices of one platform.
static bool add_platform(struct smr_cl_state *state, cl_platform_id platform)
{
    cl_device_id ids[MOST_DEVICES];
    cl_uint n = 0;
    if (state->cl.clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, MOST_DEVICES, ids, &n) != CL_SUCCESS)
        return true; // it has none
    if (n > MOST_DEVICES)
        n = MOST_DEVICES;
    struct smr_cl_found *found = smr_realloc(state->context, state->found, state->n_found + n,
                                             sizeof *found, "the list of OpenCL devices");
    if (!found)
        return false;
    state->found = found;
    for (cl_uint i = 0; i < n; i++) {
        if (smr_cl_device_number(&state->cl, ids[i], CL_DEVICE_TYPE) & CL_DEVICE_TYPE_CUSTOM)
            continue; // runs no kernels of ours
        found[state->n_found] = (struct smr_cl_found){.platform = platform, .id = ids[i]};
        describe(&state->cl, &found[state->n_found], state->n_found);
        state->n_found++;
    }
    return true;
}

static bool find_devices(struct smr_cl_state *state, struct smr_string *absent)
{
    cl_platform_id platforms[MOST_PLATFORMS];
    cl_uint n = 0;
    cl_int code = state->cl.clGetPlatformIDs(MOST_PLATFORMS, platforms, &n);
    for (cl_uint i = 0; code == CL_SUCCESS && i < n && i < MOST_PLATFORMS; i++)
        if (!add_platform(state, platforms[i]))
            return false;
    if (!state->n_found && !n)
        smr_string_printf(absent, "no OpenCL driver: install the GPU vendor's, or pocl-opencl-icd");
    else if (!state->n_found)
        smr_string_printf(absent, "the OpenCL drivers know no device here");
    return !absent->failed;
}

// ---- the loader -------------------------------------------------------------------------------

// The library stays loaded: drivers have threads and handlers at exit, and may not go away.
static bool load(struct smr_cl_table *cl, struct smr_string *absent)
{
    void *library = dlopen("libOpenCL.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        smr_string_printf(absent, "no OpenCL loader (libOpenCL.so.1): install ocl-icd-libopencl1");
        return false;
    }
    const struct {
        const char *name;
        void **function;
    } functions[] = {
#define X(name) {#name, (void **)&cl->name},
        SMR_CL_FUNCTIONS(X)
#undef X
    };
    for (size_t i = 0; i < SMR_COUNT(functions); i++) {
        *functions[i].function = dlsym(library, functions[i].name);
        if (!*functions[i].function) {
            smr_string_printf(absent, "the OpenCL loader has no %s: 1.2 is needed",
                              functions[i].name);
            return false;
        }
    }
    return true;
}

// ---- the backend ------------------------------------------------------------------------------

static void stop(void *opaque)
{
    struct smr_cl_state *state = opaque;
    smr_free(state->context, state->found);
    smr_free(state->context, state);
}

static bool start(smr_context *context, void **opaque, struct smr_string *absent)
{
    struct smr_cl_state *state = smr_alloc(context, 1, sizeof *state, "the OpenCL backend");
    if (!state)
        return false;
    state->context = context;
    bool ok = true;
    smr_cl_hold_signals();
    if (load(&state->cl, absent))
        ok = find_devices(state, absent);
    smr_cl_release_signals();
    if (ok && state->n_found)
        *opaque = state;
    else
        stop(state);
    return ok && !absent->failed;
}

static size_t list_devices(void *opaque, struct smr_device_info *infos, size_t capacity)
{
    struct smr_cl_state *state = opaque;
    for (size_t i = 0; i < state->n_found && i < capacity; i++)
        infos[i] = state->found[i].info;
    return state->n_found;
}

static void identify(void *opaque, uint32_t index, struct smr_identity *identity)
{
    struct smr_cl_state *state = opaque;
    smr_cl_identify(&state->cl, state->found[index].id, identity);
}

const struct smr_backend_impl smr_backend_opencl = {
    .name = "opencl",
    .backend = SMR_BACKEND_OPENCL,
    .start = start,
    .list = list_devices,
    .identify = identify,
    .open = smr_cl_open,
    .stop = stop,
};
