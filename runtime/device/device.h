// device.h - the one interface between the engine and a GPU.
//
// Above this file the engine speaks of buffers, kernels and command lists. Below it vulkan/, opencl/
// and reference/ each fill in one `struct smr_device_impl` (device_impl.h). The wrappers in device.c
// check every argument once, for all backends alike, and derive barriers from what each dispatch
// reads and writes.
//
// Errors: functions that create return NULL, having recorded the reason on the context; recording
// cannot fail in place: the first error sticks to the list and smr_list_end() reports it. Loss of
// the device sticks to the device.
// Threads: smr_kernel_create() may be called from several threads at once, nothing else.
#pragma once

#include "base/base.h"

typedef struct smr_device smr_device; // an opened device
typedef struct smr_buffer smr_buffer; // device memory, sub-allocated by the backend
typedef struct smr_kernel smr_kernel; // one compiled variant of a kernel
typedef struct smr_list smr_list;     // a recorded command list; may be submitted often

enum { SMR_MAX_BINDINGS = 8, SMR_MAX_CONSTANTS = 8, SMR_MAX_PUSH_SIZE = 128 };

// ---- devices ----------------------------------------------------------------------------------

// What a device can do. Limits are numbers to stay within, capabilities are optional features;
// each has a plain fallback.
struct smr_limits {
    uint64_t max_buffer_size;   // bytes of one smr_buffer
    uint64_t max_binding_size;  // bytes of one binding's range
    uint64_t capabilities;      // bits of enum smr_capability
    uint32_t binding_alignment; // of a binding's offset, bytes
    uint32_t max_invocations;   // of one workgroup
    uint32_t max_workgroup_size[3];
    uint32_t max_workgroups[3];
    uint32_t max_shared_size; // bytes of shared memory of one workgroup
    uint32_t subgroup_size;   // the usual one
    uint32_t min_subgroup_size, max_subgroup_size;
    uint32_t import_alignment; // of imported host memory and its size, bytes; 0: no import
    uint32_t n_cores;          // of a GPU: what a workgroup runs on. 0: the driver does not tell
    uint32_t matrix_size;      // rows and columns with SMR_CAP_MATRIX: 16 or 8
    bool unified_memory;       // buffers of every kind are host-visible at no cost
    uint32_t vector_floats;    // f32 in a vector of an OpenCL processor; 0 or 1: of no interest
    uint32_t n_threads;        // that run an OpenCL processor's workgroups; 0: of no interest
    bool cpu; // invocations run on a processor, a subgroup of them in a thread: barriers are dear
};

enum smr_capability {
    SMR_CAP_STORAGE_16 = 1 << 0,    // 16-bit integers and floats in buffers
    SMR_CAP_STORAGE_8 = 1 << 1,     // 8-bit integers in buffers
    SMR_CAP_FLOAT_16 = 1 << 2,      // f16 arithmetic
    SMR_CAP_SUBGROUP = 1 << 3,      // subgroup arithmetic and shuffle in compute shaders
    SMR_CAP_SUBGROUP_SIZE = 1 << 4, // a required subgroup size can be asked for
    SMR_CAP_INT_DOT = 1 << 5,       // 4x8-bit integer dot product, fast if not on a processor
    SMR_CAP_INT_16 = 1 << 6,        // 16-bit integer arithmetic
    SMR_CAP_INT_8 = 1 << 7,         // 8-bit integer arithmetic
    SMR_CAP_TIMESTAMPS = 1 << 8,    // smr_list_timestamp() works
    // Subgroups multiply square matrices of f16 and add up in f32 (GL_KHR_cooperative_matrix).
    SMR_CAP_MATRIX = 1 << 9,
};

// List every backend's devices in order of preference, with one marked as the default. Returns how
// many there are. `absent` receives one line per backend without a device, in the context's memory.
size_t smr_device_list(smr_context *context, struct smr_device_info *infos, size_t capacity,
                       struct smr_string *absent);

// Open a device by id, backend name or part of its name (case-insensitive); NULL: the default. An
// error lists what there is. Loads the driver, and its compiled pipelines from the disk cache.
smr_device *smr_device_open(smr_context *context, const char *selector);
void smr_device_close(smr_device *device);

smr_context *smr_device_context(const smr_device *device);
const struct smr_device_info *smr_device_get_info(const smr_device *device);
const struct smr_limits *smr_device_limits(const smr_device *device);

// Identifies device, driver and driver version: the key of kept compiled work.
const char *smr_device_fingerprint(const smr_device *device);

// ---- buffers ----------------------------------------------------------------------------------

enum smr_memory {
    SMR_MEMORY_DEVICE,   // fastest for the device; host access by smr_buffer_write() and _read()
    SMR_MEMORY_UPLOAD,   // mapped; written by the host, read by the device
    SMR_MEMORY_READBACK, // mapped and cached; written by the device, read by the host
};

struct smr_buffer_params {
    uint64_t size; // bytes; 0 < size <= smr_limits.max_buffer_size
    enum smr_memory kind;
    const char *name; // shown in errors, logs and captures
};
// The contents are undefined. Not enough memory is SMR_ERROR_MEMORY, saying how much was wanted
// and how much there is.
smr_buffer *smr_buffer_create(smr_device *device, const struct smr_buffer_params *params);

// Let the device read host memory in place, aligned to smr_limits.import_alignment in address and
// size. Read-only for the device; the memory must outlive the buffer. Returns NULL without an
// error recorded where the driver refuses, the size is above max_buffer_size or there is no import:
// the caller then copies.
smr_buffer *smr_buffer_import(smr_device *device, const void *data, uint64_t size,
                              const char *name);
void smr_buffer_destroy(smr_buffer *buffer);

uint64_t smr_buffer_size(const smr_buffer *buffer);

// The host's view of an UPLOAD or READBACK buffer; NULL for a DEVICE buffer that is not mapped.
void *smr_buffer_data(smr_buffer *buffer);

// Copy between host and buffer, through staging where the buffer is not mapped. Waits for the
// device. Slow: for loading and tests.
bool smr_buffer_write(smr_buffer *buffer, uint64_t offset, const void *data, uint64_t size);
bool smr_buffer_read(smr_buffer *buffer, uint64_t offset, void *data, uint64_t size);

// ---- kernels ----------------------------------------------------------------------------------

enum smr_access { SMR_READ = 1, SMR_WRITE = 2, SMR_READ_WRITE = 3 };

// What a kernel's plain C twin gets: the whole dispatch, not one workgroup.
struct smr_twin_args {
    void *bindings[SMR_MAX_BINDINGS];
    uint64_t sizes[SMR_MAX_BINDINGS]; // bytes
    const void *push;
    uint32_t type;             // enum smr_type, as in the kernel's key
    const uint32_t *constants; // [SMR_MAX_CONSTANTS], as in the kernel's key
    uint32_t groups[3];        // workgroups of the dispatch
};
typedef void smr_twin_fn(const struct smr_twin_args *args);

struct smr_kernel_params {
    const char *name;      // "matvec Q4_K subgroup": shown in errors and captures
    const uint32_t *spirv; // for devices that take SPIR-V; else NULL
    size_t spirv_size;     // bytes
    smr_twin_fn *twin;     // for the reference device; else NULL
    uint32_t type;         // for the twin
    uint32_t n_bindings;
    enum smr_access access[SMR_MAX_BINDINGS];
    uint32_t push_size;   // bytes, <= SMR_MAX_PUSH_SIZE, a multiple of 4
    uint32_t n_constants; // specialisation constants with ids 0 to n_constants - 1
    uint32_t constants[SMR_MAX_CONSTANTS];
    uint32_t subgroup_size; // required; 0: the driver's choice
    bool inspect;           // keep what smr_kernel_inspect() tells; compiles anew, and slower
};
bool smr_device_takes_spirv(const smr_device *device);
smr_kernel *smr_kernel_create(smr_device *device, const struct smr_kernel_params *params);
void smr_kernel_destroy(smr_kernel *kernel);

// Compile kernels that will be in the same lists, all together, where that is quicker than what
// smr_kernel_create() would do with each; elsewhere it has done all. Otherwise smr_list_end() compiles
// what is not. False, with an error, when one of them does not compile.
bool smr_kernels_compile(smr_device *device, smr_kernel *const *kernels, size_t n);
const char *smr_kernel_name(const smr_kernel *kernel);

// What the driver's compiler made of a kernel that was created with `inspect`, in the driver's own
// words: for each part "[name] description, subgroup size N", lines "statistic: value", and then its
// texts, disassembly among them, each after a line "---- name". False, with an error, when the
// device does not tell.
bool smr_kernel_inspect(smr_kernel *kernel, struct smr_string *text);

// ---- command lists ----------------------------------------------------------------------------

struct smr_binding {
    smr_buffer *buffer;
    uint64_t offset; // bytes, a multiple of smr_limits.binding_alignment
    uint64_t size;   // bytes, <= smr_limits.max_binding_size; rounded up to 4 by the backend
};
struct smr_args {
    struct smr_binding bindings[SMR_MAX_BINDINGS];
    const void *push; // push_size bytes, copied
    uint32_t groups[3];
};

// Kernels and buffers must outlive the lists that use them.
smr_list *smr_list_create(smr_device *device, const char *name);
void smr_list_destroy(smr_list *list);

// Record. A list is recorded once and may then be submitted any number of times. Ranges of one
// dispatch must not overlap where one of them is written. A dispatch that touches a range written
// before, or writes one read before, waits for it by a barrier; others may run side by side.
void smr_list_dispatch(smr_list *list, smr_kernel *kernel, const struct smr_args *args);

// Record a copy, under the same rule. Any offset; `from` and `to` have the same size.
void smr_list_copy(smr_list *list, const struct smr_binding *from, const struct smr_binding *to);
bool smr_list_end(smr_list *list);

struct smr_list_stats {
    uint32_t n_dispatches, n_barriers, n_copies;
};
void smr_list_get_stats(const smr_list *list, struct smr_list_stats *stats);

enum { SMR_MAX_TIMESTAMPS = 4096 }; // slots of a list

// Write the time at which all before is done into slot `index`. For benchmarks.
void smr_list_timestamp(smr_list *list, uint32_t index);
// Times of slots 0 to n - 1 in the last submission, on a clock of the device; waits for it.
bool smr_list_read_timestamps(smr_list *list, uint32_t n, uint64_t *time_ns);

// Submit, and wait asleep until the device has done everything submitted. What the device wrote to
// READBACK buffers is then visible to the host. Submissions run in order, each after the last. A
// list that is still at work is waited for before it is submitted again.
bool smr_device_submit(smr_device *device, smr_list *list);
bool smr_device_wait(smr_device *device);
// The same for what was submitted up to the last submission of `list`.
bool smr_list_wait(smr_list *list);

// What the host did for this device so far: a decode step must move only `n_submissions`. Buffers
// and lists that move data for smr_buffer_write() and _read() count too.
struct smr_device_counters {
    uint64_t n_buffers, n_kernels, n_lists, n_dispatches_recorded, n_descriptor_updates,
        n_submissions;
    uint64_t n_validation_messages; // with smr_context_params.validation; each was logged
};
void smr_device_get_counters(const smr_device *device, struct smr_device_counters *counters);
