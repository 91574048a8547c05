// program.c - compiled programs, and where they are kept on disk.
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/context.h"
#include "device/opencl/cl.h"

// Raise when what follows from the same text changes.
static const char cache_version[] = "1";

enum { MOST_LOG = 1200 };

struct smr_key smr_cl_program_key(const struct smr_cl_device *device, const char *options,
                                  const struct smr_string *text)
{
    struct smr_key key = smr_hash(cache_version, sizeof cache_version, (struct smr_key){0});
    key = smr_hash(device->base.fingerprint, strlen(device->base.fingerprint), key);
    key = smr_hash(options, strlen(options), key);
    return smr_hash(text->data, text->size, key);
}

// NULL, without an error, where there is none or the driver refuses it.
static cl_program load(struct smr_cl_device *device, struct smr_key key, const char *options)
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

// A program that was compiled, to be kept when the device is closed.
struct smr_cl_unsaved {
    cl_program program;
    struct smr_key key;
    struct smr_cl_unsaved *next;
};

// Nothing here and below is an error: the next start only takes longer.
static void save_later(struct smr_cl_device *device, struct smr_key key, cl_program program)
{
    smr_context *context = device->base.context;
    struct smr_cl_unsaved *new =
        context->params.cache_dir ? smr_context_reallocate(context, NULL, sizeof *new) : NULL;
    if (!new)
        return;
    device->cl.clRetainProgram(program);
    *new = (struct smr_cl_unsaved){program, key, atomic_load(&device->unsaved)};
    while (!atomic_compare_exchange_weak(&device->unsaved, &new->next, new))
        ;
}

static void save(struct smr_cl_device *device, struct smr_key key, cl_program program)
{
    smr_context *context = device->base.context;
    size_t size = 0;
    if (device->cl.clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof size, &size, NULL) !=
            CL_SUCCESS ||
        !size)
        return;
    unsigned char *data = smr_context_reallocate(context, NULL, size);
    if (data && device->cl.clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof data, &data,
                                            NULL) == CL_SUCCESS)
        smr_cache_put(context, "clbin", key, data, size);
    smr_free(context, data);
}

void smr_cl_programs_save(struct smr_cl_device *device)
{
    const uint64_t begin = smr_time_ns();
    size_t n = 0;
    smr_cl_hold_signals();
    for (struct smr_cl_unsaved *next, *at = atomic_exchange(&device->unsaved, NULL); at;
         at = next) {
        next = at->next;
        save(device, at->key, at->program);
        device->cl.clReleaseProgram(at->program);
        smr_free(device->base.context, at);
        n++;
    }
    smr_cl_release_signals();
    if (n)
        smr_log(device->base.context, SMR_LOG_DEBUG, "%zu programs kept on disk, in %.2f s", n,
                (double)(smr_time_ns() - begin) * 1e-9);
}

// The compiler's messages, several lines, as one line.
static void read_log(struct smr_cl_device *device, cl_program program, char *text, size_t capacity)
{
    char *log = NULL;
    size_t size = 0, length = 0;
    device->cl.clGetProgramBuildInfo(program, device->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &size);
    if (size)
        log = smr_context_reallocate(device->base.context, NULL, size);
    if (log)
        device->cl.clGetProgramBuildInfo(program, device->id, CL_PROGRAM_BUILD_LOG, size, log,
                                         NULL);
    for (size_t i = 0; log && i < size && log[i] && length + 3 < capacity; i++) {
        if (log[i] != '\n') {
            text[length++] = log[i];
        } else if (length && text[length - 1] != ' ') {
            text[length++] = ';';
            text[length++] = ' ';
        }
    }
    text[length] = 0;
    smr_free(device->base.context, log);
}

// NULL, with the reason in `why`.
static cl_program compile(struct smr_cl_device *device, const struct smr_string *text,
                          const char *options, char why[MOST_LOG])
{
    cl_int code = CL_SUCCESS;
    const char *source = text->data;
    cl_program program =
        device->cl.clCreateProgramWithSource(device->context, 1, &source, &text->size, &code);
    if (!program) {
        snprintf(why, MOST_LOG, "clCreateProgramWithSource: %s", smr_cl_error_name(code));
        return NULL;
    }
    code = device->cl.clBuildProgram(program, 1, &device->id, options, NULL, NULL);
    if (code == CL_SUCCESS)
        return program;
    int size = snprintf(why, MOST_LOG, "%s: ", smr_cl_error_name(code));
    read_log(device, program, why + size, MOST_LOG - (size_t)size);
    device->cl.clReleaseProgram(program);
    return NULL;
}

cl_program smr_cl_program_load(struct smr_cl_device *device, struct smr_key key,
                               const char *options)
{
    smr_cl_hold_signals();
    cl_program program = load(device, key, options);
    smr_cl_release_signals();
    return program;
}

cl_program smr_cl_program_make(struct smr_cl_device *device, const char *name,
                               const struct smr_string *text, const char *options)
{
    smr_context *context = device->base.context;
    char why[MOST_LOG];
    const struct smr_key key = smr_cl_program_key(device, options, text);
    const uint64_t begin = smr_time_ns();
    smr_cl_hold_signals();
    cl_program program = load(device, key, options);
    const bool kept = program;
    if (!kept)
        program = compile(device, text, options, why);
    if (program && !kept)
        save_later(device, key, program);
    smr_cl_release_signals();
    smr_log(context, SMR_LOG_DEBUG, "%s: %s, in %.2f s", name,
            kept      ? "kept"
            : program ? "compiled"
                      : "not compiled",
            (double)(smr_time_ns() - begin) * 1e-9);
    if (!program)
        smr_fail(context, SMR_ERROR_DEVICE, "%s: device %s (%s) does not compile this (%s)", name,
                 device->base.info.id, device->base.info.driver, why);
    return program;
}
