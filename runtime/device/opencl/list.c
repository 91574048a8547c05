// list.c - lists of prepared launches: every one has its own cl_kernel with its arguments set, so
// that a submission only enqueues. Dispatches of functions in a row are one launch: link.c.
#include <stdlib.h>
#include <string.h>

#include "device/opencl/cl.h"

enum kind { DISPATCH, CHAIN, COPY, TIMESTAMP };

struct command {
    enum kind kind;
    uint32_t index;   // of a timestamp
    cl_kernel kernel; // owned
    size_t run;       // of a chain
    size_t global[3], local[3];
    cl_mem from, to; // of a copy
    size_t from_offset, to_offset, size;
};

// A mapped buffer that is elsewhere: what the host must send before, or get after.
struct transfer {
    smr_buffer *buffer;
    bool read, written; // by the device
};

struct list {
    struct command *commands; // owned
    size_t n_commands, capacity;
    struct smr_cl_chain chain;
    struct smr_cl_run *runs; // owned; of the chain
    size_t n_runs, run_capacity;
    bool waits;                 // the next dispatch waits for all before it
    struct transfer *transfers; // owned
    size_t n_transfers, transfer_capacity;
    cl_event *times; // [SMR_MAX_TIMESTAMPS], of the last submission; NULL until one is recorded
    cl_event done;   // of the last submission
    void *recorded;  // all commands, kept by the driver; NULL: they are enqueued one by one
};

static struct list *impl_of(const smr_list *list)
{
    return list->impl;
}

// ---- create and destroy -----------------------------------------------------------------------

bool smr_cl_list_create(smr_list *list)
{
    list->impl = smr_alloc(list->device->context, 1, sizeof(struct list), "a command list");
    return list->impl;
}

static void release_events(smr_list *list)
{
    struct smr_cl_device *device = smr_cl_device(list->device);
    struct list *impl = impl_of(list);
    if (impl->done)
        device->cl.clReleaseEvent(impl->done);
    impl->done = NULL;
    for (size_t i = 0; impl->times && i < SMR_MAX_TIMESTAMPS; i++) {
        if (impl->times[i])
            device->cl.clReleaseEvent(impl->times[i]);
        impl->times[i] = NULL;
    }
}

void smr_cl_list_destroy(smr_list *list)
{
    struct smr_cl_device *device = smr_cl_device(list->device);
    struct list *impl = impl_of(list);
    release_events(list);
    if (impl->recorded)
        device->recorder.release(impl->recorded);
    for (size_t i = 0; i < impl->n_commands; i++)
        if (impl->commands[i].kernel)
            device->cl.clReleaseKernel(impl->commands[i].kernel);
    smr_cl_chain_finish(device, &impl->chain);
    smr_free(list->device->context, impl->runs);
    smr_free(list->device->context, impl->commands);
    smr_free(list->device->context, impl->transfers);
    smr_free(list->device->context, impl->times);
    smr_free(list->device->context, impl);
    list->impl = NULL;
}

// ---- recording --------------------------------------------------------------------------------

// A new command at the end; NULL when there is no memory, which fails the list.
static struct command *add_command(smr_list *list, enum kind kind)
{
    struct list *impl = impl_of(list);
    if (!smr_grow(list->device->context, &impl->commands, &impl->capacity, impl->n_commands + 1,
                  sizeof *impl->commands, "a command list")) {
        list->failed = true;
        return NULL;
    }
    struct command *command = &impl->commands[impl->n_commands++];
    *command = (struct command){.kind = kind};
    return command;
}

// Note that the device reads or writes a buffer whose copy the host sees.
static bool add_transfer(smr_list *list, smr_buffer *buffer, bool read, bool written)
{
    struct list *impl = impl_of(list);
    if (!((struct smr_cl_buffer *)buffer->impl)->copy)
        return true;
    for (size_t i = 0; i < impl->n_transfers; i++) {
        struct transfer *transfer = &impl->transfers[i];
        if (transfer->buffer == buffer) {
            transfer->read = transfer->read || read;
            transfer->written = transfer->written || written;
            return true;
        }
    }
    if (!smr_grow(list->device->context, &impl->transfers, &impl->transfer_capacity,
                  impl->n_transfers + 1, sizeof *impl->transfers, "a command list"))
        return false;
    // What is written in part must keep the rest: it is sent too.
    impl->transfers[impl->n_transfers++] =
        (struct transfer){.buffer = buffer, .read = read || written, .written = written};
    return true;
}

static bool set_arguments(smr_list *list, smr_kernel *kernel, const struct smr_args *args,
                          cl_kernel instance)
{
    struct smr_cl_device *device = smr_cl_device(list->device);
    for (uint32_t i = 0; i < kernel->n_bindings; i++) {
        const struct smr_binding *binding = &args->bindings[i];
        cl_mem mem = smr_cl_buffer_part(binding->buffer, binding->offset, binding->size);
        if (!mem || !add_transfer(list, binding->buffer, kernel->access[i] & SMR_READ,
                                  kernel->access[i] & SMR_WRITE))
            return false;
        cl_int code = device->cl.clSetKernelArg(instance, i, sizeof(cl_mem), &mem);
        if (code != CL_SUCCESS)
            return smr_cl_fail(list->device, code, "clSetKernelArg", kernel->name);
    }
    if (!kernel->push_size)
        return true;
    cl_int code =
        device->cl.clSetKernelArg(instance, kernel->n_bindings, kernel->push_size, args->push);
    return code == CL_SUCCESS || smr_cl_fail(list->device, code, "clSetKernelArg", kernel->name);
}

// A run of dispatches of functions, which begins here.
static bool add_run(smr_list *list)
{
    struct list *impl = impl_of(list);
    if (!smr_grow(list->device->context, &impl->runs, &impl->run_capacity, impl->n_runs + 1,
                  sizeof *impl->runs, "a command list"))
        return false;
    struct command *command = add_command(list, CHAIN);
    if (!command)
        return false;
    command->run = impl->n_runs++;
    impl->runs[command->run] = (struct smr_cl_run){.steps = {(uint32_t)impl->chain.n_steps}};
    return true;
}

static void dispatch_function(smr_list *list, smr_kernel *kernel, const struct smr_args *args)
{
    struct list *impl = impl_of(list);
    const bool joins = impl->n_commands && impl->commands[impl->n_commands - 1].kind == CHAIN;
    if ((!joins && !add_run(list)) ||
        !smr_cl_chain_add(list->device->context, &impl->chain, kernel, args, impl->waits)) {
        list->failed = true;
        return;
    }
    impl->runs[impl->n_runs - 1].steps[1] = (uint32_t)impl->chain.n_steps;
    impl->waits = false;
}

void smr_cl_list_dispatch(smr_list *list, smr_kernel *kernel, const struct smr_args *args)
{
    if (smr_cl_is_function(kernel)) {
        dispatch_function(list, kernel, args);
        return;
    }
    const struct smr_cl_kernel *impl = kernel->impl;
    struct command *command = add_command(list, DISPATCH);
    if (!command)
        return;
    command->kernel = smr_cl_kernel_instance(kernel);
    if (!command->kernel || !set_arguments(list, kernel, args, command->kernel)) {
        list->failed = true;
        return;
    }
    for (int i = 0; i < 3; i++) {
        command->local[i] = impl->local[i];
        command->global[i] = impl->local[i] * args->groups[i];
    }
    list->device->counters.n_descriptor_updates++;
}

void smr_cl_list_copy(smr_list *list, const struct smr_binding *from, const struct smr_binding *to)
{
    struct command *command = add_command(list, COPY);
    if (!command)
        return;
    command->from = ((struct smr_cl_buffer *)from->buffer->impl)->mem;
    command->to = ((struct smr_cl_buffer *)to->buffer->impl)->mem;
    command->from_offset = (size_t)from->offset;
    command->to_offset = (size_t)to->offset;
    command->size = (size_t)to->size;
    if (!add_transfer(list, from->buffer, true, false) ||
        !add_transfer(list, to->buffer, false, true))
        list->failed = true;
}

void smr_cl_list_barrier(smr_list *list)
{
    // The queue runs commands in order, each after the last; but stages of a chain overlap.
    impl_of(list)->waits = true;
}

// Give the whole list to the driver. A list with anything but dispatches stays ours, and so does one
// that the driver refuses.
static void record(smr_list *list)
{
    struct smr_cl_device *device = smr_cl_device(list->device);
    const struct smr_cl_recorder *recorder = &device->recorder;
    struct list *impl = impl_of(list);
    for (size_t i = 0; i < impl->n_commands; i++)
        if (impl->commands[i].kind != DISPATCH)
            return;
    cl_int code = CL_SUCCESS;
    void *recorded = recorder->create(1, &device->queue, NULL, &code);
    for (size_t i = 0; i < impl->n_commands && recorded && code == CL_SUCCESS; i++) {
        const struct command *command = &impl->commands[i];
        code = recorder->dispatch(recorded, NULL, NULL, command->kernel, 3, NULL, command->global,
                                  command->local, 0, NULL, NULL, NULL);
    }
    if (recorded && code == CL_SUCCESS)
        code = recorder->finalize(recorded);
    if (recorded && code != CL_SUCCESS) {
        recorder->release(recorded);
        recorded = NULL;
    }
    if (!recorded)
        smr_log(list->device->context, SMR_LOG_DEBUG, "list %s: not kept by the driver: %s",
                list->name, smr_cl_error_name(code));
    impl->recorded = recorded;
}

bool smr_cl_list_end(smr_list *list)
{
    struct list *impl = impl_of(list);
    if (!smr_cl_chain_end(smr_cl_device(list->device), &impl->chain, impl->runs, impl->n_runs))
        return false;
    if (smr_cl_device(list->device)->records && impl->n_commands)
        record(list);
    return true;
}

// ---- timestamps -------------------------------------------------------------------------------

void smr_cl_list_timestamp(smr_list *list, uint32_t index)
{
    struct list *impl = impl_of(list);
    if (!impl->times)
        impl->times =
            smr_alloc(list->device->context, SMR_MAX_TIMESTAMPS, sizeof(cl_event), "timestamps");
    struct command *command = impl->times ? add_command(list, TIMESTAMP) : NULL;
    if (command)
        command->index = index;
    else
        list->failed = true;
}

bool smr_cl_list_read_timestamps(smr_list *list, uint32_t n, uint64_t *time_ns)
{
    struct smr_cl_device *device = smr_cl_device(list->device);
    struct list *impl = impl_of(list);
    for (uint32_t i = 0; i < n; i++) {
        cl_ulong time = 0;
        cl_int code = device->cl.clGetEventProfilingInfo(impl->times[i], CL_PROFILING_COMMAND_END,
                                                         sizeof time, &time, NULL);
        if (code != CL_SUCCESS)
            return smr_cl_fail(list->device, code, "clGetEventProfilingInfo", list->name);
        time_ns[i] = time;
    }
    return true;
}

// ---- submission -------------------------------------------------------------------------------

static cl_int enqueue_run(struct smr_cl_device *device, cl_command_queue queue,
                          const struct list *impl, const struct smr_cl_run *run)
{
    cl_int code = CL_SUCCESS;
    for (uint32_t i = run->launches[0]; i < run->launches[1] && code == CL_SUCCESS; i++)
        code = smr_cl_linked_enqueue(device, queue, impl->chain.launches[i].kernel);
    return code;
}

static cl_int enqueue(struct smr_cl_device *device, cl_command_queue queue, struct list *impl,
                      const struct command *command)
{
    switch (command->kind) {
    case DISPATCH:
        return device->cl.clEnqueueNDRangeKernel(queue, command->kernel, 3, NULL, command->global,
                                                 command->local, 0, NULL, NULL);
    case CHAIN:
        return enqueue_run(device, queue, impl, &impl->runs[command->run]);
    case COPY:
        return device->cl.clEnqueueCopyBuffer(queue, command->from, command->to,
                                              command->from_offset, command->to_offset,
                                              command->size, 0, NULL, NULL);
    case TIMESTAMP:
        return device->cl.clEnqueueMarkerWithWaitList(queue, 0, NULL, &impl->times[command->index]);
    }
    return CL_INVALID_VALUE;
}

// Send what the device reads; get what it wrote.
static cl_int enqueue_transfers(struct smr_cl_device *device, cl_command_queue queue,
                                const struct list *impl, bool before)
{
    for (size_t i = 0; i < impl->n_transfers; i++) {
        const struct transfer *transfer = &impl->transfers[i];
        const struct smr_cl_buffer *buffer = transfer->buffer->impl;
        cl_int code = CL_SUCCESS;
        if (before && transfer->read)
            code = device->cl.clEnqueueWriteBuffer(queue, buffer->mem, CL_FALSE, 0, buffer->size,
                                                   buffer->copy, 0, NULL, NULL);
        else if (!before && transfer->written)
            code = device->cl.clEnqueueReadBuffer(queue, buffer->mem, CL_FALSE, 0, buffer->size,
                                                  buffer->copy, 0, NULL, NULL);
        if (code != CL_SUCCESS)
            return code;
    }
    return CL_SUCCESS;
}

bool smr_cl_submit(smr_device *base, smr_list *list)
{
    struct smr_cl_device *device = smr_cl_device(base);
    struct list *impl = impl_of(list);
    cl_command_queue queue = impl->times ? device->timed_queue : device->queue;
    release_events(list);
    if (!smr_cl_chain_restart(device, &impl->chain, impl->runs, impl->n_runs))
        return false;
    cl_int code = CL_SUCCESS;
    const char *what = "clFinish";
    if (device->busy && device->busy != queue) // the queues know nothing of each other
        code = device->cl.clFinish(device->busy);
    device->busy = queue;
    if (code == CL_SUCCESS) {
        what = "clEnqueueWriteBuffer";
        code = enqueue_transfers(device, queue, impl, true);
    }
    if (impl->recorded && code == CL_SUCCESS) {
        what = "clEnqueueCommandBufferKHR";
        code = device->recorder.enqueue(0, NULL, impl->recorded, 0, NULL, NULL);
    }
    for (size_t i = 0; i < impl->n_commands && !impl->recorded && code == CL_SUCCESS; i++) {
        what = "clEnqueueNDRangeKernel";
        code = enqueue(device, queue, impl, &impl->commands[i]);
    }
    if (code == CL_SUCCESS) {
        what = "clEnqueueReadBuffer";
        code = enqueue_transfers(device, queue, impl, false);
    }
    if (code == CL_SUCCESS) {
        what = "clEnqueueMarkerWithWaitList";
        code = device->cl.clEnqueueMarkerWithWaitList(queue, 0, NULL, &impl->done);
    }
    if (code == CL_SUCCESS) {
        what = "clFlush";
        code = device->cl.clFlush(queue);
    }
    return code == CL_SUCCESS || smr_cl_lose(base, code, what, list->name);
}

bool smr_cl_wait(smr_device *base, smr_list *list)
{
    struct smr_cl_device *device = smr_cl_device(base);
    cl_int code = device->cl.clWaitForEvents(1, &impl_of(list)->done);
    return code == CL_SUCCESS || smr_cl_lose(base, code, "clWaitForEvents", list->name);
}
