// device.c - opening a device: its limits, a context, queues; waiting.
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/context.h"
#include "device/host.h"
#include "device/opencl/cl.h"
#include "device/threads.h"

bool smr_cl_fail(smr_device *device, cl_int code, const char *what, const char *name)
{
    bool memory = code == CL_OUT_OF_HOST_MEMORY || code == CL_MEM_OBJECT_ALLOCATION_FAILURE ||
                  code == CL_OUT_OF_RESOURCES;
    return smr_fail(device->context, memory ? SMR_ERROR_MEMORY : SMR_ERROR_DEVICE,
                    "%s: %s failed with %s (%d) on device %s (%s)", name, what,
                    smr_cl_error_name(code), code, device->info.id, device->info.name);
}

bool smr_cl_lose(smr_device *device, cl_int code, const char *what, const char *name)
{
    return smr_device_lose(device, "%s failed with %s (%d), for %s", what, smr_cl_error_name(code),
                           code, name);
}

// ---- close ------------------------------------------------------------------------------------

// Let go of a queue when nobody else holds it. PoCL's threads hold it through events a little longer
// than clFinish() waits, and who lets go last takes the context and the compiler in it apart: that
// must not be a thread that runs while the process ends (PoCL 3.1 crashes then, once in many times).
static void release_queue(const struct smr_cl_table *cl, cl_command_queue queue)
{
    const uint64_t end = smr_time_ns() + 1000000000;
    cl_uint n_holders = 1;
    if (!queue)
        return;
    while (cl->clGetCommandQueueInfo(queue, CL_QUEUE_REFERENCE_COUNT, sizeof n_holders, &n_holders,
                                     NULL) == CL_SUCCESS &&
           n_holders > 1 && smr_time_ns() < end)
        sched_yield();
    cl->clReleaseCommandQueue(queue);
}

static void close_device(smr_device *base)
{
    struct smr_cl_device *device = smr_cl_device(base);
    smr_cl_programs_save(device);
    smr_cl_unlink(device, NULL);
    release_queue(&device->cl, device->queue);
    release_queue(&device->cl, device->timed_queue);
    if (device->context)
        device->cl.clReleaseContext(device->context);
    if (device->id != device->whole)
        device->cl.clReleaseDevice(device->id);
    smr_free(base->context, device);
}

static void update_memory(smr_device *base)
{
    struct smr_cl_device *device = smr_cl_device(base);
    uint64_t memory = base->info.memory;
    base->info.memory_free = device->used < memory ? memory - device->used : 0;
    if (device->cpu) {
        uint64_t available;
        smr_host_memory(&memory, &available);
        if (available < base->info.memory_free)
            base->info.memory_free = available;
    }
}

static const struct smr_device_impl impl = {
    .takes_spirv = true,
    .close = close_device,
    .buffer_create = smr_cl_buffer_create,
    .buffer_import = smr_cl_buffer_import,
    .buffer_destroy = smr_cl_buffer_destroy,
    .kernel_create = smr_cl_kernel_create,
    .kernel_destroy = smr_cl_kernel_destroy,
    .kernels_compile = smr_cl_kernels_compile,
    .list_create = smr_cl_list_create,
    .list_destroy = smr_cl_list_destroy,
    .list_dispatch = smr_cl_list_dispatch,
    .list_copy = smr_cl_list_copy,
    .list_barrier = smr_cl_list_barrier,
    .list_timestamp = smr_cl_list_timestamp,
    .list_read_timestamps = smr_cl_list_read_timestamps,
    .list_end = smr_cl_list_end,
    .submit = smr_cl_submit,
    .wait = smr_cl_wait,
    .update_memory = update_memory,
};

// ---- limits -----------------------------------------------------------------------------------

static uint32_t at_most(uint64_t value, uint32_t most)
{
    return value < most ? (uint32_t)value : most;
}

// Whether kernels of a processor can be functions of programs as link.c makes them: it takes pointers
// in buffers and atomics on what others see (OpenCL 2.0 and later; specification, 4.2).
static bool may_have_functions(const struct smr_cl_device *device)
{
    const cl_ulong shared = 1 << 1 | 1 << 3; // CL_DEVICE_SVM_FINE_GRAIN_BUFFER, _ATOMICS
    const cl_device_info svm_capabilities = 0x1053;
    return (smr_cl_device_number(&device->cl, device->id, svm_capabilities) & shared) == shared;
}

static void fill_limits(struct smr_cl_device *device, enum smr_device_type type)
{
    const struct smr_cl_table *cl = &device->cl;
    struct smr_limits *limits = &device->base.limits;
    uint64_t largest = smr_cl_device_number(cl, device->id, CL_DEVICE_MAX_MEM_ALLOC_SIZE);
    if (largest > SIZE_MAX / 2)
        largest = SIZE_MAX / 2;
    limits->max_buffer_size = largest & ~UINT64_C(15);
    // Kernels count bytes of a binding in 32 bits.
    limits->max_binding_size = at_most(largest, UINT32_MAX) & ~3u;
    uint64_t bits = smr_cl_device_number(cl, device->id, CL_DEVICE_MEM_BASE_ADDR_ALIGN);
    limits->binding_alignment = smr_max_u32(16, at_most(bits / 8, 1 << 16));
    limits->max_invocations =
        at_most(smr_cl_device_number(cl, device->id, CL_DEVICE_MAX_WORK_GROUP_SIZE), UINT32_MAX);
    size_t sizes[16] = {1, 1, 1}; // as many as the device has dimensions
    cl->clGetDeviceInfo(device->id, CL_DEVICE_MAX_WORK_ITEM_SIZES, sizeof sizes, sizes, NULL);
    for (int i = 0; i < 3; i++) {
        limits->max_workgroup_size[i] = at_most(sizes[i], UINT32_MAX);
        limits->max_workgroups[i] = 65535; // there is no limit but that of size_t
    }
    limits->max_shared_size =
        at_most(smr_cl_device_number(cl, device->id, CL_DEVICE_LOCAL_MEM_SIZE), UINT32_MAX);
    limits->subgroup_size = limits->min_subgroup_size = limits->max_subgroup_size = 1;
    limits->import_alignment = type == SMR_DEVICE_DISCRETE ? 0 : (uint32_t)sysconf(_SC_PAGESIZE);
    limits->capabilities = SMR_CAP_STORAGE_16 | SMR_CAP_STORAGE_8 | SMR_CAP_INT_16 | SMR_CAP_INT_8;
    struct smr_limits with_subgroups = *limits;
    device->subgroup_language = smr_cl_find_subgroups(cl, device->id, &with_subgroups);
    // A processor runs the invocations of a subgroup one after the other: nothing is gained there.
    if (device->subgroup_language && !device->cpu) {
        *limits = with_subgroups;
        limits->capabilities |= SMR_CAP_SUBGROUP;
    }
    device->byte_dots = smr_cl_has_byte_dots(cl, device->id);
    if (device->byte_dots)
        limits->capabilities |= SMR_CAP_INT_DOT;
    if (device->timed_queue)
        limits->capabilities |= SMR_CAP_TIMESTAMPS;
    device->functions = device->cpu && may_have_functions(device);
    limits->unified_memory = device->cpu;
    limits->cpu = device->cpu;
    uint64_t width = smr_cl_device_number(cl, device->id, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT);
    limits->vector_floats = device->cpu ? at_most(width, 16) : 1;
    limits->n_threads = device->cpu ? device->base.info.n_threads : 0;
}

static void fill_fingerprint(struct smr_cl_device *device, const struct smr_cl_found *found)
{
    char name[256], version[128];
    smr_cl_device_text(&device->cl, device->id, CL_DEVICE_NAME, name, sizeof name);
    smr_cl_device_text(&device->cl, device->id, CL_DEVICE_VERSION, version, sizeof version);
    snprintf(device->base.fingerprint, sizeof device->base.fingerprint,
             "opencl %s %04x:%s driver %s %s", name,
             (unsigned)smr_cl_device_number(&device->cl, device->id, CL_DEVICE_VENDOR_ID),
             found->info.vendor, found->info.driver, version);
}

// ---- threads ----------------------------------------------------------------------------------

// A part of a processor that has `n` of its units, which are threads (specification, 4.3). NULL
// where the driver does not divide it so.
static cl_device_id part_of(const struct smr_cl_table *cl, cl_device_id whole, uint32_t n)
{
    cl_device_partition_property kinds[8] = {0};
    size_t size = 0;
    if (cl->clGetDeviceInfo(whole, CL_DEVICE_PARTITION_PROPERTIES, sizeof kinds, kinds, &size) !=
        CL_SUCCESS)
        return NULL;
    const cl_device_partition_property by_counts[] = {CL_DEVICE_PARTITION_BY_COUNTS, n,
                                                      CL_DEVICE_PARTITION_BY_COUNTS_LIST_END, 0};
    for (size_t i = 0; i < size / sizeof kinds[0]; i++) {
        cl_device_id part = NULL;
        if (kinds[i] == CL_DEVICE_PARTITION_BY_COUNTS &&
            cl->clCreateSubDevices(whole, by_counts, 1, &part, NULL) == CL_SUCCESS)
            return part;
    }
    return NULL;
}

// On a processor, use no more threads than are wanted.
static void limit_threads(struct smr_cl_device *device)
{
    smr_context *context = device->base.context;
    uint32_t n_units = device->base.info.n_threads, wanted = smr_host_threads(context);
    if (wanted >= n_units)
        return;
    cl_device_id part = part_of(&device->cl, device->whole, wanted);
    if (part) {
        device->id = part;
        device->base.info.n_threads = wanted;
    } else if (context->params.n_threads) {
        smr_log(context, SMR_LOG_WARNING,
                "device %s (%s) can't be limited to %u threads: it uses %u", device->base.info.id,
                device->base.info.driver, wanted, n_units);
    }
}

// ---- open -------------------------------------------------------------------------------------

smr_device *smr_cl_open(void *opaque, uint32_t index)
{
    struct smr_cl_state *state = opaque;
    const struct smr_cl_found *found = &state->found[index];
    struct smr_cl_device *device =
        smr_alloc(state->context, 1, sizeof *device, "the OpenCL device");
    if (!device)
        return NULL;
    device->base.context = state->context;
    device->base.impl = &impl;
    device->base.info = found->info;
    device->cl = state->cl;
    device->id = device->whole = found->id;
    device->cpu = found->info.type == SMR_DEVICE_CPU;
    if (device->cpu)
        limit_threads(device);
    device->half_bits =
        device->cpu &&
        smr_cl_device_number(&device->cl, device->id, CL_DEVICE_SINGLE_FP_CONFIG) & CL_FP_DENORM;

    const cl_context_properties properties[] = {CL_CONTEXT_PLATFORM,
                                                (cl_context_properties)found->platform, 0};
    cl_int code = CL_SUCCESS;
    const char *what = "clCreateContext";
    device->context = device->cl.clCreateContext(properties, 1, &device->id, NULL, NULL, &code);
    if (!device->context)
        goto failed;
    what = "clCreateCommandQueue";
    device->queue = device->cl.clCreateCommandQueue(device->context, device->id, 0, &code);
    if (!device->queue)
        goto failed;
    cl_int timed; // without it there are no timestamps
    device->timed_queue = device->cl.clCreateCommandQueue(device->context, device->id,
                                                          CL_QUEUE_PROFILING_ENABLE, &timed);
    // Not on processors: PoCL 3.1 and 6.0 take a kept list apart and enqueue each launch as we do. A
    // decode step then costs the caller 0.65 to 0.73 ms, not 0.55, and takes as long.
    device->records =
        smr_cl_find_recorder(&device->cl, found->platform, found->id, &device->recorder) &&
        !device->cpu;
    fill_limits(device, found->info.type);
    fill_fingerprint(device, found);
    return &device->base;
failed:
    smr_cl_fail(&device->base, code, what, "the device");
    close_device(&device->base);
    return NULL;
}
