// device_impl.h - what a backend fills in. Only device.c and the backends include this.
//
// Arguments were checked by device.c; backends assert. Entries marked [optional] may be NULL and
// have one fallback, in device.c.
#pragma once

#include "device/device.h"

struct smr_device_impl {
    bool takes_spirv;

    void (*close)(smr_device *device); // nothing is pending; all that was made from it is gone

    bool (*buffer_create)(smr_buffer *buffer); // from the fields device.c has set
    bool (*buffer_import)(smr_buffer *buffer, const void *data); // [optional] copied by the caller
    void (*buffer_destroy)(smr_buffer *buffer);

    bool (*kernel_create)(smr_kernel *kernel, const struct smr_kernel_params *params);
    void (*kernel_destroy)(smr_kernel *kernel);

    bool (*list_create)(smr_list *list);
    void (*list_destroy)(smr_list *list);
    void (*list_dispatch)(smr_list *list, smr_kernel *kernel, const struct smr_args *args);
    void (*list_copy)(smr_list *list, const struct smr_binding *from,
                      const struct smr_binding *to);
    void (*list_barrier)(smr_list *list); // all before is done and visible to all after
    void (*list_timestamp)(smr_list *list, uint32_t index);                           // [optional]
    bool (*list_read_timestamps)(smr_list *list, uint32_t n, uint64_t *time_ns);      // [optional]
    bool (*list_end)(smr_list *list);

    bool (*submit)(smr_device *device, smr_list *list);
    bool (*wait)(smr_device *device);

    void (*memory_free)(smr_device *device, uint64_t *bytes); // [optional] info.memory_free stays
};

// A backend: how its devices are found and opened.
struct smr_backend_impl {
    const char *name; // "vulkan"
    enum smr_backend backend;
    // List devices, ids "NAME0", "NAME1"... When there are none, `absent` receives why (no newline).
    size_t (*list)(smr_context *context, struct smr_device_info *infos, size_t capacity,
                   struct smr_string *absent);
    // Open device `index` of list(): allocate a struct that begins with smr_device, fill in impl,
    // limits and fingerprint. device.c fills in context and info.
    smr_device *(*open)(smr_context *context, uint32_t index);
};
extern const struct smr_backend_impl smr_backend_vulkan, smr_backend_reference;

struct smr_device {
    smr_context *context;
    const struct smr_device_impl *impl;
    struct smr_device_info info;
    struct smr_limits limits;
    char fingerprint[512];
    bool lost; // set by the backend: every later call fails with the first reason
    struct smr_device_counters counters;
};

struct smr_buffer {
    smr_device *device;
    uint64_t size;
    enum smr_memory kind;
    bool imported;
    void *mapped;   // set by the backend where the host can reach the memory
    const char *name; // owned by device.c
    void *impl;     // the backend's own
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
    const char *name; // owned by device.c
    bool failed, ended;
    struct smr_list_stats stats;
    struct smr_hazards *hazards; // device.c: ranges read and written since the last barrier
    void *impl;
};
