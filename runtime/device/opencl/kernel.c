// kernel.c - from SPIR-V to a program: translated, compiled or taken from the disk cache.
//
// A kernel's interface is fixed: n buffers, then the push constants as a struct by value. Constants
// are macros. Reordering of arithmetic is allowed (sums would not be vectorised otherwise), but not
// for shaders that have `precise` anywhere.
#include <stdio.h>
#include <string.h>

#include "base/context.h"
#include "device/opencl/cl.h"
#include "device/opencl/translate.h"

enum { MOST_OPTIONS = 512, MOST_LOG = 1200 };

// Raise when what follows from the same text changes.
static const char cache_version[] = "1";

static const char *language(const struct smr_cl_device *device, const struct smr_cl_traits *traits)
{
    if (traits->subgroups)
        return device->subgroup_language;
    return traits->byte_dots && device->byte_dots ? "CL3.0" : "CL1.2";
}

static void write_options(const struct smr_cl_device *device,
                          const struct smr_kernel_params *params,
                          const struct smr_cl_traits *traits, char options[MOST_OPTIONS])
{
    // -w, because PoCL would print on stderr how many warnings there were.
    int size =
        snprintf(options, MOST_OPTIONS, "-w -cl-std=%s%s%s%s", language(device, traits),
                 traits->precise ? "" : " -cl-unsafe-math-optimizations",
                 device->cpu ? " -DSMR_CPU" : "", device->half_bits ? " -DSMR_HALF_BITS" : "");
    if (device->base.limits.vector_floats >= 4 && size < MOST_OPTIONS)
        size += snprintf(options + size, MOST_OPTIONS - (size_t)size, " -DSMR_LANES=%u",
                         device->base.limits.vector_floats);
    for (uint32_t i = 0; i < params->n_constants && size < MOST_OPTIONS; i++)
        size += snprintf(options + size, MOST_OPTIONS - (size_t)size, " -DSPEC%u=0x%xu", i,
                         params->constants[i]);
}

// ---- the disk cache ---------------------------------------------------------------------------

static struct smr_key key_of(const struct smr_cl_device *device, const char *options,
                             const struct smr_string *text)
{
    struct smr_key key = smr_hash(cache_version, sizeof cache_version, (struct smr_key){0});
    key = smr_hash(device->base.fingerprint, strlen(device->base.fingerprint), key);
    key = smr_hash(options, strlen(options), key);
    return smr_hash(text->data, text->size, key);
}

// A program from kept code; NULL, without an error, where there is none or the driver refuses it.
static cl_program load_program(struct smr_cl_device *device, struct smr_key key,
                               const char *options)
{
    struct smr_blob blob;
    if (!smr_cache_get(device->base.context, "clbin", key, &blob))
        return NULL;
    cl_int code = CL_SUCCESS, status = CL_SUCCESS;
    const unsigned char *data = blob.data;
    cl_program program = device->cl.clCreateProgramWithBinary(device->context, 1, &device->id,
                                                              &blob.size, &data, &status, &code);
    smr_blob_free(device->base.context, &blob);
    if (program &&
        device->cl.clBuildProgram(program, 1, &device->id, options, NULL, NULL) != CL_SUCCESS) {
        device->cl.clReleaseProgram(program);
        program = NULL;
    }
    return program;
}

// Keep a program's code. Nothing here is an error: the next start only takes longer.
static void save_program(struct smr_cl_device *device, struct smr_key key, cl_program program)
{
    smr_context *context = device->base.context;
    size_t size = 0;
    if (!context->params.cache_dir ||
        device->cl.clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof size, &size, NULL) !=
            CL_SUCCESS ||
        !size)
        return;
    unsigned char *data = smr_context_reallocate(context, NULL, size);
    if (data && device->cl.clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof data, &data,
                                            NULL) == CL_SUCCESS)
        smr_cache_put(context, "clbin", key, data, size);
    smr_free(context, data);
}

// ---- compiling --------------------------------------------------------------------------------

// Record the compiler's messages, several lines, as one line.
static void fail_build(smr_kernel *kernel, cl_program program, cl_int code)
{
    struct smr_cl_device *device = smr_cl_device(kernel->device);
    char text[MOST_LOG], *log = NULL;
    size_t size = 0, length = 0;
    device->cl.clGetProgramBuildInfo(program, device->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &size);
    if (size)
        log = smr_context_reallocate(device->base.context, NULL, size);
    if (log)
        device->cl.clGetProgramBuildInfo(program, device->id, CL_PROGRAM_BUILD_LOG, size, log,
                                         NULL);
    for (size_t i = 0; log && i < size && log[i] && length + 3 < sizeof text; i++) {
        if (log[i] != '\n') {
            text[length++] = log[i];
        } else if (length && text[length - 1] != ' ') {
            text[length++] = ';';
            text[length++] = ' ';
        }
    }
    text[length] = 0;
    smr_free(device->base.context, log);
    smr_fail(device->base.context, SMR_ERROR_DEVICE,
             "kernel %s: device %s (%s) does not compile it (%s): %s", kernel->name,
             device->base.info.id, device->base.info.driver, smr_cl_error_name(code), text);
}

static cl_program compile(smr_kernel *kernel, const struct smr_string *text, const char *options)
{
    struct smr_cl_device *device = smr_cl_device(kernel->device);
    cl_int code = CL_SUCCESS;
    const char *source = text->data;
    cl_program program =
        device->cl.clCreateProgramWithSource(device->context, 1, &source, &text->size, &code);
    if (!program) {
        smr_cl_fail(kernel->device, code, "clCreateProgramWithSource", kernel->name);
        return NULL;
    }
    code = device->cl.clBuildProgram(program, 1, &device->id, options, NULL, NULL);
    if (code == CL_SUCCESS)
        return program;
    fail_build(kernel, program, code);
    device->cl.clReleaseProgram(program);
    return NULL;
}

// ---- kernels ----------------------------------------------------------------------------------

cl_kernel smr_cl_kernel_instance(smr_kernel *kernel)
{
    struct smr_cl_device *device = smr_cl_device(kernel->device);
    struct smr_cl_kernel *impl = kernel->impl;
    cl_int code = CL_SUCCESS;
    cl_kernel instance = device->cl.clCreateKernel(impl->program, "samara", &code);
    if (!instance)
        smr_cl_fail(kernel->device, code, "clCreateKernel", kernel->name);
    return instance;
}

// The size of a workgroup, as the text requires it, within what this kernel can have.
static bool query_size(smr_kernel *kernel)
{
    struct smr_cl_device *device = smr_cl_device(kernel->device);
    struct smr_cl_kernel *impl = kernel->impl;
    cl_kernel instance = smr_cl_kernel_instance(kernel);
    if (!instance)
        return false;
    size_t most = 0;
    cl_int code =
        device->cl.clGetKernelWorkGroupInfo(instance, device->id, CL_KERNEL_COMPILE_WORK_GROUP_SIZE,
                                            sizeof impl->local, impl->local, NULL);
    if (code == CL_SUCCESS)
        code = device->cl.clGetKernelWorkGroupInfo(instance, device->id, CL_KERNEL_WORK_GROUP_SIZE,
                                                   sizeof most, &most, NULL);
    device->cl.clReleaseKernel(instance);
    if (code != CL_SUCCESS)
        return smr_cl_fail(kernel->device, code, "clGetKernelWorkGroupInfo", kernel->name);
    size_t n = impl->local[0] * impl->local[1] * impl->local[2];
    return (n && n <= most) ||
           smr_fail(kernel->device->context, SMR_ERROR_DEVICE,
                    "kernel %s: workgroups of %zu invocations, device %s (%s) runs it with at most "
                    "%zu",
                    kernel->name, n, device->base.info.id, device->base.info.name, most);
}

// Runs in several threads at once: OpenCL's objects are safe for that (specification, A.2).
bool smr_cl_kernel_create(smr_kernel *kernel, const struct smr_kernel_params *params)
{
    struct smr_cl_device *device = smr_cl_device(kernel->device);
    struct smr_cl_kernel *impl = smr_alloc(kernel->device->context, 1, sizeof *impl, "a kernel");
    if (!impl)
        return false;
    kernel->impl = impl;
    struct smr_string text;
    smr_string_init(&text, kernel->device->context);
    struct smr_cl_traits traits = {.precise = false};
    bool done = false;
    if (!smr_cl_translate(kernel->device->context, kernel->name, params->spirv, params->spirv_size,
                          params->n_bindings, params->push_size, &text, &traits))
        goto done;
    if (traits.subgroups && !device->subgroup_language) {
        smr_fail(kernel->device->context, SMR_ERROR_DEVICE,
                 "kernel %s: needs subgroup operations, which device %s (%s) has not", kernel->name,
                 device->base.info.id, device->base.info.driver);
        goto done;
    }
    char options[MOST_OPTIONS];
    write_options(device, params, &traits, options);
    struct smr_key key = key_of(device, options, &text);
    smr_cl_hold_signals();
    impl->program = load_program(device, key, options);
    bool kept = impl->program;
    if (!kept)
        impl->program = compile(kernel, &text, options);
    done = impl->program && query_size(kernel);
    if (done && !kept)
        save_program(device, key, impl->program);
    smr_cl_release_signals();
done:
    smr_string_finish(&text);
    if (!done)
        smr_cl_kernel_destroy(kernel);
    return done;
}

void smr_cl_kernel_destroy(smr_kernel *kernel)
{
    struct smr_cl_device *device = smr_cl_device(kernel->device);
    struct smr_cl_kernel *impl = kernel->impl;
    if (impl->program)
        device->cl.clReleaseProgram(impl->program);
    smr_free(kernel->device->context, impl);
    kernel->impl = NULL;
}
