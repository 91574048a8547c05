// context.h - what a context holds. For base/ itself and for the rooms that need a parameter of it
// (validation, shader_dir); everybody else treats a context as opaque.
#pragma once

#include "base/base.h"

#include <pthread.h>

struct smr_context {
    struct smr_context_params params; // strings are owned copies; log_level, validation as given

    pthread_mutex_t error_lock; // guards status and error
    enum smr_status status;
    char error[2048]; // stable between the first failure and the next clear

    pthread_mutex_t log_lock;    // log callbacks come one at a time
    pthread_mutex_t memory_lock; // so do reallocate callbacks

    char *absent_devices; // owned: the last text of smr_devices()
};

// The context's allocator, without recording an error: for work that may fail quietly, as the disk
// cache does. `size` 0 frees and returns NULL; new memory is not zeroed.
void *smr_context_reallocate(smr_context *context, void *pointer, size_t size);
