// cl.h - the OpenCL backend's own structures. Only files of this folder include it.
//
// platform.c  the loader, platforms, which devices they have
// extensions.c  what a driver has beyond OpenCL 1.2
// device.c    opening and closing, limits, submission and waiting
// buffer.c    buffers, their parts, imports
// signals.c   what drivers do to the process's signals, undone
// program.c   compiled programs, and where they are kept
// kernel.c    from SPIR-V to a program, by way of translate.h
// link.c      several kernels as functions of one program, on a processor
// chain.c     dispatches in a row as one launch of that
// list.c      prepared launches, replayed in order or kept by the driver
//
// OpenCL 1.2 is the baseline. "The specification" is "The OpenCL Specification", version 1.2,
// https://registry.khronos.org/OpenCL/.
//
// Memory. On a processor (CL_DEVICE_TYPE_CPU) buffers are host memory that stays mapped: there is
// nothing to copy. Elsewhere a mapped buffer has a copy in host memory: a list writes the copies of
// those it reads to the device before it runs, and reads back those it wrote.
#pragma once

#define CL_TARGET_OPENCL_VERSION 120
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include <CL/cl.h>
#include <CL/cl_icd.h>
// A pointer to an OpenCL function. The headers of 2022 name the types cl_api_NAME, those since 2023
// NAME_fn.
#if defined(__has_include)
#if __has_include(<CL/cl_function_types.h>)
#include <CL/cl_function_types.h>
#define SMR_CL_POINTER(name) name##_fn name
#endif
#endif
#ifndef SMR_CL_POINTER
#define SMR_CL_POINTER(name) cl_api_##name name
#endif

#include "base/file.h"
#include "device/device_impl.h"
#include "device/opencl/translate.h"

#define SMR_CL_FUNCTIONS(X)                                                                        \
    X(clGetPlatformIDs)                                                                            \
    X(clGetPlatformInfo)                                                                           \
    X(clGetDeviceIDs)                                                                              \
    X(clGetDeviceInfo)                                                                             \
    X(clCreateSubDevices)                                                                          \
    X(clReleaseDevice)                                                                             \
    X(clCreateContext)                                                                             \
    X(clReleaseContext)                                                                            \
    X(clCreateCommandQueue)                                                                        \
    X(clGetCommandQueueInfo)                                                                       \
    X(clReleaseCommandQueue)                                                                       \
    X(clCreateBuffer)                                                                              \
    X(clCreateSubBuffer)                                                                           \
    X(clReleaseMemObject)                                                                          \
    X(clCreateProgramWithSource)                                                                   \
    X(clCreateProgramWithBinary)                                                                   \
    X(clBuildProgram)                                                                              \
    X(clGetProgramInfo)                                                                            \
    X(clGetProgramBuildInfo)                                                                       \
    X(clRetainProgram)                                                                             \
    X(clReleaseProgram)                                                                            \
    X(clCreateKernel)                                                                              \
    X(clSetKernelArg)                                                                              \
    X(clGetKernelWorkGroupInfo)                                                                    \
    X(clReleaseKernel)                                                                             \
    X(clEnqueueNDRangeKernel)                                                                      \
    X(clEnqueueCopyBuffer)                                                                         \
    X(clEnqueueReadBuffer)                                                                         \
    X(clEnqueueWriteBuffer)                                                                        \
    X(clEnqueueMapBuffer)                                                                          \
    X(clEnqueueUnmapMemObject)                                                                     \
    X(clEnqueueMarkerWithWaitList)                                                                 \
    X(clGetEventProfilingInfo)                                                                     \
    X(clWaitForEvents)                                                                             \
    X(clReleaseEvent)                                                                              \
    X(clGetExtensionFunctionAddressForPlatform)                                                    \
    X(clFlush)                                                                                     \
    X(clFinish)

struct smr_cl_table {
#define X(name) SMR_CL_POINTER(name);
    SMR_CL_FUNCTIONS(X)
#undef X
};

const char *smr_cl_error_name(cl_int code);

// ---- platforms (platform.c) -------------------------------------------------------------------

struct smr_cl_found { // a device that was found
    cl_platform_id platform;
    cl_device_id id;
    struct smr_device_info info;
};

struct smr_cl_state {
    smr_context *context;
    struct smr_cl_table cl;
    struct smr_cl_found *found; // owned
    size_t n_found;
};

// A text, cut to fit; "" where the driver does not tell.
void smr_cl_device_text(const struct smr_cl_table *cl, cl_device_id id, cl_device_info what,
                        char *text, size_t size);
// A number of 1 to 8 bytes; 0 where the driver does not tell.
uint64_t smr_cl_device_number(const struct smr_cl_table *cl, cl_device_id id, cl_device_info what);

// ---- beyond OpenCL 1.2 (extensions.c) ----------------------------------------------------------

// cl_khr_command_buffer, for lists that the driver keeps: those functions that are the same in all of
// its provisional versions 0.9. Zero: the device has it not, or in another version.
struct smr_cl_recorder {
    void *(CL_API_CALL *create)(cl_uint n_queues, const cl_command_queue *queues,
                                const cl_ulong *properties, cl_int *code);
    cl_int(CL_API_CALL *dispatch)(void *buffer, cl_command_queue queue, const cl_ulong *properties,
                                  cl_kernel kernel, cl_uint n_dimensions, const size_t *offset,
                                  const size_t *global, const size_t *local, cl_uint n_points,
                                  const cl_uint *points, cl_uint *point, void **handle);
    cl_int(CL_API_CALL *finalize)(void *buffer);
    cl_int(CL_API_CALL *enqueue)(cl_uint n_queues, cl_command_queue *queues, void *buffer,
                                 cl_uint n_events, const cl_event *events, cl_event *event);
    cl_int(CL_API_CALL *release)(void *buffer);
};
bool smr_cl_find_recorder(const struct smr_cl_table *cl, cl_platform_id platform, cl_device_id id,
                          struct smr_cl_recorder *recorder);

bool smr_cl_has_extension(const struct smr_cl_table *cl, cl_device_id id, const char *name);

// Subgroups: the language their kernels are to be compiled as; NULL where there are none, or not all
// that translated kernels use. Sets the sizes in `limits`.
const char *smr_cl_find_subgroups(const struct smr_cl_table *cl, cl_device_id id,
                                  struct smr_limits *limits);

// Whether dot products of four bytes in a word are accelerated, and to be had in OpenCL C 3.0.
bool smr_cl_has_byte_dots(const struct smr_cl_table *cl, cl_device_id id);

// What tells the hardware apart, by whichever extension the driver has for it.
void smr_cl_identify(const struct smr_cl_table *cl, cl_device_id id, struct smr_identity *identity);

// ---- signals (signals.c) ------------------------------------------------------------------------

// Around calls that may load or run a compiler: handlers that it changed are put back when the last
// holder releases them. From any thread.
void smr_cl_hold_signals(void);
void smr_cl_release_signals(void);

// ---- the device (device.c) --------------------------------------------------------------------

struct smr_cl_device {
    struct smr_device base;
    struct smr_cl_table cl;
    cl_device_id whole; // that was found
    cl_device_id id;    // the same, or a part of it with fewer threads
    cl_context context;
    // In order both. Times are only taken on the second, because taking them costs.
    cl_command_queue queue, timed_queue;
    cl_command_queue busy; // the one that was submitted to last; NULL: none yet
    uint64_t used;         // bytes of buffers
    bool cpu;
    struct smr_cl_recorder recorder;
    bool records;                  // lists are kept by the driver, not replayed by us
    const char *subgroup_language; // of kernels with subgroup operations; NULL: there are none
    bool byte_dots;                // dot products of bytes are fast in OpenCL C 3.0
    bool half_bits;                // halves may be converted by shifts: translate.h
    bool functions;                // kernels may be functions; `checked`: addresses are the host's
    bool checked;
    struct smr_cl_linked *linked;             // programs of functions; owned
    _Atomic(struct smr_cl_unsaved *) unsaved; // programs that were compiled; owned
};

static inline struct smr_cl_device *smr_cl_device(smr_device *device)
{
    return (struct smr_cl_device *)device;
}

smr_device *smr_cl_open(void *state, uint32_t index);

// Record why `what` failed for `name`. Returns false.
bool smr_cl_fail(smr_device *device, cl_int code, const char *what, const char *name);

// Record that commands failed, which loses the device. Returns false.
bool smr_cl_lose(smr_device *device, cl_int code, const char *what, const char *name);

bool smr_cl_wait(smr_device *device, smr_list *list);

// ---- buffers (buffer.c) -----------------------------------------------------------------------

struct smr_cl_part { // a sub-buffer
    cl_mem mem;
    uint64_t offset, size;
};

struct smr_cl_buffer {
    cl_mem mem;
    size_t size;               // bytes, whole words
    void *copy;                // in host memory, of a mapped buffer that is elsewhere; owned
    void *mapped;              // by clEnqueueMapBuffer, on a processor
    struct smr_cl_part *parts; // owned; made when first bound, kept
    size_t n_parts, capacity;
};

bool smr_cl_buffer_create(smr_buffer *buffer);
bool smr_cl_buffer_import(smr_buffer *buffer, const void *data);
void smr_cl_buffer_destroy(smr_buffer *buffer);

// The memory of a range, whose size is rounded up to whole words. NULL with an error.
cl_mem smr_cl_buffer_part(smr_buffer *buffer, uint64_t offset, uint64_t size);

// ---- programs (program.c) ---------------------------------------------------------------------
//
// From any thread.

// A program: what was kept of it on disk, else compiled. `name` is for the log, and for the error with
// which NULL comes.
cl_program smr_cl_program_make(struct smr_cl_device *device, const char *name,
                               const struct smr_string *text, const char *options);

// What a program is kept under.
struct smr_key smr_cl_program_key(const struct smr_cl_device *device, const char *options,
                                  const struct smr_string *text);
// A program that was kept. NULL, without an error, where there is none or the driver refuses it.
cl_program smr_cl_program_load(struct smr_cl_device *device, struct smr_key key,
                               const char *options);

// Keep on disk what was compiled, when nobody waits for it: PoCL compiles a kernel once more, for
// workgroups of any size, when it is asked for its binary.
void smr_cl_programs_save(struct smr_cl_device *device);

// ---- kernels (kernel.c) -----------------------------------------------------------------------

struct smr_cl_kernel {
    size_t local[3];        // invocations of a workgroup
    cl_program program;     // NULL: it is a function
    char function[20];      // its name, in programs that have it as a function
    struct smr_string text; // of the function
};

bool smr_cl_kernel_create(smr_kernel *kernel, const struct smr_kernel_params *params);
void smr_cl_kernel_destroy(smr_kernel *kernel);

static inline bool smr_cl_is_function(const smr_kernel *kernel)
{
    return !((const struct smr_cl_kernel *)kernel->impl)->program;
}

// A new cl_kernel, which has its own arguments, of what is no function. NULL with an error.
cl_kernel smr_cl_kernel_instance(smr_kernel *kernel);

// Options for the compiler, but for specialisation constants.
void smr_cl_write_options(const struct smr_cl_device *device, const struct smr_cl_traits *traits,
                          struct smr_string *options);

// ---- linked kernels (link.c) ------------------------------------------------------------------
//
// A driver on a processor wakes its threads for each launch and lets them sleep after it: 10 us and
// more, of the 20 that a small matrix takes. And it takes half a second to compile a program, however
// small. So where workgroups have one invocation, a kernel is no program but a function; those that a
// list needs are compiled as one program, and dispatches in a row are one launch of it: a kernel that
// every thread runs once, which goes through a table of stages, one for each dispatch.
//
// A stage is divided into tickets, a few workgroups each. A thread takes the next ticket, waits until
// those are done that its stage depends on, and does it. Tickets are taken in order, and wait for
// earlier ones only: who has the earliest that is not done waits for nobody. So a launch ends however
// many of its threads really run.
//
// The table holds addresses of the host's, which such a device has in common with it. Whether it does
// is checked, once. Where it does not, or where a function does not compile alone, the kernels that
// are made from then on are programs again.
//
// Which programs there are depends on what was asked for together, and that is not always the same: a
// second start knows at once what the first one had to measure. So it is kept, for each function,
// which program has it, and only those are compiled that none has.

struct smr_cl_function {
    char name[20]; // zeros behind it
};

struct smr_cl_linked { // a program of functions
    struct smr_cl_linked *next;
    struct smr_cl_function *functions; // owned
    size_t n_functions;
    cl_program program;
};

// Have one program with all of these kernels, which are functions, or programs for those that are in
// none. Both change the order of `kernels`. The device keeps a program until one of its kernels is
// destroyed. False with an error, but for a program that was not kept and is not to be compiled.
bool smr_cl_link(struct smr_cl_device *device, smr_kernel **kernels, size_t n, bool compile);
bool smr_cl_link_missing(struct smr_cl_device *device, smr_kernel **kernels, size_t n);
// A program with this kernel: the first, or the next after one. NULL: there is none.
const struct smr_cl_linked *smr_cl_linked_with(const struct smr_cl_device *device,
                                               const smr_kernel *kernel,
                                               const struct smr_cl_linked *after);
// Forget programs that have `kernel`; NULL: all.
void smr_cl_unlink(struct smr_cl_device *device, const smr_kernel *kernel);

// The number of the kernel's function; UINT32_MAX: it has it not.
uint32_t smr_cl_linked_index(const struct smr_cl_linked *linked, const smr_kernel *kernel);
// A launch of stages `range[0]` to `range[1]` - 1 of a table, whose counters begin at word
// `counters_at`. NULL with an error.
cl_kernel smr_cl_linked_kernel(struct smr_cl_device *device, const struct smr_cl_linked *linked,
                               cl_mem stages, const uint32_t range[2], cl_mem counters,
                               uint32_t counters_at);
cl_int smr_cl_linked_enqueue(struct smr_cl_device *device, cl_command_queue queue,
                             cl_kernel kernel);

bool smr_cl_kernels_compile(smr_device *device, smr_kernel *const *kernels, size_t n);

// ---- chains (chain.c) -------------------------------------------------------------------------

struct smr_cl_step { // a dispatch of a function
    smr_kernel *kernel;
    bool waits; // for all before it
    uint32_t groups[3];
    void *bindings[SMR_MAX_BINDINGS];
    uint32_t push[SMR_MAX_PUSH_SIZE / 4];
};

struct smr_cl_launch { // of steps in a row whose functions one program has
    uint32_t steps[2]; // first; end
    const struct smr_cl_linked *linked;
    cl_kernel kernel; // owned
};

struct smr_cl_run { // steps with nothing between them; the launches that they are divided into
    uint32_t steps[2], launches[2]; // first; end
};

struct smr_cl_chain {          // the steps of a list
    struct smr_cl_step *steps; // owned
    size_t n_steps, capacity;
    struct smr_cl_launch *launches; // owned
    size_t n_launches;
    smr_buffer *stages, *counters; // owned
    uint32_t n_starts;
};

bool smr_cl_chain_add(smr_context *context, struct smr_cl_chain *chain, smr_kernel *kernel,
                      const struct smr_args *args, bool waits);
// All is recorded: compile what is not, and make launches. False with an error.
bool smr_cl_chain_end(struct smr_cl_device *device, struct smr_cl_chain *chain,
                      struct smr_cl_run *runs, size_t n_runs);
// Before each submission; may change the launches. False with an error.
bool smr_cl_chain_restart(struct smr_cl_device *device, struct smr_cl_chain *chain,
                          struct smr_cl_run *runs, size_t n_runs);
void smr_cl_chain_finish(struct smr_cl_device *device, struct smr_cl_chain *chain);

// ---- lists (list.c) ---------------------------------------------------------------------------

bool smr_cl_list_create(smr_list *list);
void smr_cl_list_destroy(smr_list *list);
void smr_cl_list_dispatch(smr_list *list, smr_kernel *kernel, const struct smr_args *args);
void smr_cl_list_copy(smr_list *list, const struct smr_binding *from, const struct smr_binding *to);
void smr_cl_list_barrier(smr_list *list);
void smr_cl_list_timestamp(smr_list *list, uint32_t index);
bool smr_cl_list_read_timestamps(smr_list *list, uint32_t n, uint64_t *time_ns);
bool smr_cl_list_end(smr_list *list);
bool smr_cl_submit(smr_device *device, smr_list *list);
