// kernel.c - from SPIR-V to a program, translated, compiled or taken from the disk cache; or to a
// function, compiled later with others (link.c).
//
// A kernel's interface is fixed: n buffers, then the push constants as a struct by value. Constants
// are macros. Reordering of arithmetic is allowed (sums would not be vectorised otherwise), but not
// for shaders that have `precise` anywhere.
#include <stdio.h>
#include <string.h>

#include "device/opencl/cl.h"
#include "device/opencl/translate.h"

static const char *language(const struct smr_cl_device *device, const struct smr_cl_traits *traits)
{
    if (traits->subgroups)
        return device->subgroup_language;
    return traits->byte_dots && device->byte_dots ? "CL3.0" : "CL1.2";
}

void smr_cl_write_options(const struct smr_cl_device *device, const struct smr_cl_traits *traits,
                          struct smr_string *options)
{
    // -w, because PoCL would print on stderr how many warnings there were.
    smr_string_printf(options, "-w -cl-std=%s%s%s%s", language(device, traits),
                      traits->precise ? "" : " -cl-unsafe-math-optimizations",
                      device->cpu ? " -DSMR_CPU" : "", device->half_bits ? " -DSMR_HALF_BITS" : "");
    if (device->base.limits.vector_floats >= 4)
        smr_string_printf(options, " -DSMR_LANES=%u", device->base.limits.vector_floats);
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

// Whether the kernel is to be a function: link.c.
static bool can_be_function(const struct smr_cl_device *device,
                            const struct smr_kernel_params *params,
                            const struct smr_cl_traits *traits)
{
    uint32_t n = 1;
    for (int i = 0; i < 3; i++) {
        const uint32_t constant = traits->local_constant[i];
        n *= constant < params->n_constants ? params->constants[constant] : traits->local[i];
    }
    return n == 1 && device->functions && !traits->precise && !traits->subgroups &&
           !traits->byte_dots && !traits->shared_atomics;
}

// The kernel as a function, whose name says what it does: it is made of the text with another name
// in it. So a program that has a function of this name is as good as a new one.
static bool make_function(smr_kernel *kernel, const struct smr_spv *module,
                          const struct smr_kernel_params *params)
{
    struct smr_cl_kernel *impl = kernel->impl;
    static const char unnamed[] = "k0000000000000000";
    for (uint32_t i = 0; i < SMR_MAX_CONSTANTS; i++) {
        smr_string_printf(&impl->text, "#undef SPEC%u\n", i);
        if (i < params->n_constants)
            smr_string_printf(&impl->text, "#define SPEC%u 0x%xu\n", i, params->constants[i]);
    }
    if (!smr_cl_translate(kernel->device->context, module, unnamed, params->n_bindings,
                          params->push_size, &impl->text))
        return false;
    const struct smr_key key = smr_hash(impl->text.data, impl->text.size, (struct smr_key){0});
    snprintf(impl->function, sizeof impl->function, "k%016llx", (unsigned long long)key.low);
    for (char *at = impl->text.data; (at = strstr(at, unnamed)); at += sizeof unnamed - 1)
        memcpy(at, impl->function, sizeof unnamed - 1);
    return true;
}

// The kernel as a program.
static bool make_program(smr_kernel *kernel, const struct smr_spv *module,
                         const struct smr_kernel_params *params, const struct smr_cl_traits *traits)
{
    struct smr_cl_device *device = smr_cl_device(kernel->device);
    smr_context *context = kernel->device->context;
    struct smr_cl_kernel *impl = kernel->impl;
    char name[128];
    struct smr_string text, options;
    smr_string_init(&text, context);
    smr_string_init(&options, context);
    smr_cl_write_options(device, traits, &options);
    for (uint32_t i = 0; i < params->n_constants; i++)
        smr_string_printf(&options, " -DSPEC%u=0x%xu", i, params->constants[i]);
    snprintf(name, sizeof name, "kernel %s", kernel->name);
    if (smr_cl_translate(context, module, NULL, params->n_bindings, params->push_size, &text) &&
        !options.failed)
        impl->program = smr_cl_program_make(device, name, &text, options.data);
    smr_string_finish(&text);
    smr_string_finish(&options);
    return impl->program && query_size(kernel);
}

// Runs in several threads at once: OpenCL's objects are safe for that (specification, A.2).
bool smr_cl_kernel_create(smr_kernel *kernel, const struct smr_kernel_params *params)
{
    const struct smr_cl_device *device = smr_cl_device(kernel->device);
    smr_context *context = kernel->device->context;
    struct smr_cl_kernel *impl = smr_alloc(context, 1, sizeof *impl, "a kernel");
    if (!impl)
        return false;
    kernel->impl = impl;
    smr_string_init(&impl->text, context);
    struct smr_spv module;
    bool done = smr_spv_read(context, kernel->name, params->spirv, params->spirv_size / 4, &module);
    if (done) {
        struct smr_cl_traits traits;
        smr_cl_find_traits(&module, &traits);
        if (traits.subgroups && !device->subgroup_language)
            done = smr_fail(context, SMR_ERROR_DEVICE,
                            "kernel %s: needs subgroup operations, which device %s (%s) has not",
                            kernel->name, device->base.info.id, device->base.info.driver);
        else if (can_be_function(device, params, &traits))
            done = make_function(kernel, &module, params);
        else
            done = make_program(kernel, &module, params, &traits);
    }
    smr_spv_finish(&module);
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
    else if (*impl->function)
        smr_cl_unlink(device, kernel);
    smr_string_finish(&impl->text);
    smr_free(kernel->device->context, impl);
    kernel->impl = NULL;
}
