// device_impl.h - what a backend fills in. Only the files of this room include it.
//
// Arguments were checked by device.c, buffer.c and list.c; backends assert. Entries marked
// [optional] may be NULL and have one fallback there. An entry that returns false has recorded the
// reason on the context, except where it says otherwise.
#pragma once

#include <stdatomic.h>

#include "device/device.h"
#include "device/hazards.h"
#include "device/identity.h"

struct smr_device_impl {
    bool takes_spirv;

    void (*close)(smr_device *device); // nothing is pending; all that was made from it is gone

    bool (*buffer_create)(smr_buffer *buffer); // from the fields buffer.c has set
    // [optional] False without an error where the driver refuses: the caller copies.
    bool (*buffer_import)(smr_buffer *buffer, const void *data);
    void (*buffer_destroy)(smr_buffer *buffer);

    // May run in several threads at once.
    bool (*kernel_create)(smr_kernel *kernel, const struct smr_kernel_params *params);
    void (*kernel_destroy)(smr_kernel *kernel);
    // [optional] All is compiled by kernel_create(). One thread at a time.
    bool (*kernels_compile)(smr_device *device, smr_kernel *const *kernels, size_t n);
    bool (*kernel_inspect)(smr_kernel *kernel, struct smr_string *text); // [optional] an error

    // Recording sets list->failed, with the reason recorded, when it fails.
    bool (*list_create)(smr_list *list);
    void (*list_destroy)(smr_list *list); // not pending
    void (*list_dispatch)(smr_list *list, smr_kernel *kernel, const struct smr_args *args);
    void (*list_copy)(smr_list *list, const struct smr_binding *from, const struct smr_binding *to);
    void (*list_barrier)(smr_list *list); // all before is done and visible to all after
    void (*list_timestamp)(smr_list *list, uint32_t index); // [optional] with SMR_CAP_TIMESTAMPS
    bool (*list_read_timestamps)(smr_list *list, uint32_t n, uint64_t *time_ns); // [optional]
    bool (*list_end)(smr_list *list);

    bool (*submit)(smr_device *device, smr_list *list); // the list is ended and not pending
    // Sleep until the last submission of `list`, and all before it, is done.
    bool (*wait)(smr_device *device, smr_list *list);

    void (*update_memory)(smr_device *device); // [optional] info.memory_free stays as listed
    uint64_t (*n_validation_messages)(const smr_device *device); // [optional] 0
};

// A backend: how its devices are found and opened.
struct smr_backend_impl {
    const char *name; // "vulkan"
    enum smr_backend backend;
    // Get ready to list and to open. Where there is nothing to list, *state stays NULL and `absent`
    // receives why (no newline). False only for what stops everything: no host memory.
    bool (*start)(smr_context *context, void **state, struct smr_string *absent);
    // Devices with ids "NAME0", "NAME1"... Returns how many there are.
    size_t (*list)(void *state, struct smr_device_info *infos, size_t capacity);
    // [optional] Nothing is known. What tells the hardware of device `index` of list() apart.
    void (*identify)(void *state, uint32_t index, struct smr_identity *identity);
    // Open device `index` of list(): allocate a struct that begins with smr_device, fill in context,
    // impl, info, limits and fingerprint. device_list.c adds to info what it knows of the others.
    smr_device *(*open)(void *state, uint32_t index);
    void (*stop)(void *state); // open devices keep what they need of it
};
extern const struct smr_backend_impl smr_backend_vulkan, smr_backend_opencl, smr_backend_reference;

struct smr_device {
    smr_context *context;
    const struct smr_device_impl *impl;
    struct smr_device_info info;
    struct smr_limits limits;
    char fingerprint[1024];
    bool lost;             // set by smr_device_lose(): every later call fails
    char lost_reason[192]; // why
    struct smr_device_counters counters;
    atomic_uint_least64_t n_kernels; // kernels are created by several threads
    atomic_size_t n_objects;         // buffers, kernels and lists that are alive

    uint64_t n_submitted, n_completed; // submissions, numbered from 1
    smr_list *last;                    // submitted last; NULL when nothing is pending

    struct { // buffer.c: moves data where the host cannot reach the memory; made when needed
        smr_buffer *upload[2], *readback;
        smr_list *lists[2];
    } staging;
};

struct smr_buffer {
    smr_device *device;
    uint64_t size;
    enum smr_memory kind;
    bool imported;
    bool slow_read;   // set by the backend: `mapped` is not cached, large reads go through staging
    void *mapped;     // set by the backend where the host can reach the memory
    const char *name; // owned by buffer.c
    void *impl;       // the backend's own
};

struct smr_kernel {
    smr_device *device;
    const char *name; // owned by device.c
    uint32_t n_bindings, push_size;
    enum smr_access access[SMR_MAX_BINDINGS];
    void *impl;
};

struct smr_list {
    smr_device *device;
    const char *name; // owned by list.c
    bool failed, ended;
    uint64_t submission; // the last one of this list; 0: none yet
    struct smr_list_stats stats;
    struct smr_hazards hazards;                   // ranges read and written since the last barrier
    uint64_t timestamps[SMR_MAX_TIMESTAMPS / 64]; // bits: which slots were recorded
    void *impl;
};

// Whether the device may still be working on `list`.
static inline bool smr_list_pending(const smr_list *list)
{
    return list->submission > list->device->n_completed;
}

// Record the loss of the device, which sticks, with what the driver said. Returns false.
bool smr_device_lose(smr_device *device, const char *format, ...) SMR_PRINTF(2, 3);

// False, with an error, when the device was lost before.
bool smr_device_alive(smr_device *device);

// buffer.c: release what device->staging holds.
void smr_staging_finish(smr_device *device);
