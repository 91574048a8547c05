// list.c - recording command lists: arguments are checked, barriers derived.
#include "device/device_impl.h"

smr_list *smr_list_create(smr_device *device, const char *name)
{
    if (!smr_device_alive(device))
        return NULL;
    smr_list *list = smr_alloc(device->context, 1, sizeof *list, "a command list");
    if (!list)
        return NULL;
    list->device = device;
    list->name = smr_strdup(device->context, name ? name : "unnamed");
    if (!list->name || !device->impl->list_create(list)) {
        smr_free(device->context, (char *)list->name);
        smr_free(device->context, list);
        return NULL;
    }
    device->counters.n_lists++;
    atomic_fetch_add(&device->n_objects, 1);
    return list;
}

void smr_list_destroy(smr_list *list)
{
    if (!list)
        return;
    smr_device *device = list->device;
    if (smr_list_pending(list))
        smr_list_wait(list);
    device->impl->list_destroy(list);
    smr_hazards_finish(&list->hazards, device->context);
    atomic_fetch_sub(&device->n_objects, 1);
    smr_free(device->context, (char *)list->name);
    smr_free(device->context, list);
}

void smr_list_get_stats(const smr_list *list, struct smr_list_stats *stats)
{
    *stats = list->stats;
}

// Whether `list` may be recorded on; if not, the first reason is on the context.
static bool recording(smr_list *list)
{
    if (list->failed)
        return false;
    if (list->ended)
        list->failed = true;
    if (list->failed)
        return smr_fail(list->device->context, SMR_ERROR, "list %s: recorded on after its end",
                        list->name);
    if (!smr_device_alive(list->device))
        list->failed = true;
    return !list->failed;
}

// ---- checks -----------------------------------------------------------------------------------

// A range of a buffer of this device. `what` and `index` name it: "matvec", binding 2.
static bool check_range(const smr_list *list, const char *what, uint32_t index,
                        const struct smr_binding *binding, bool written)
{
    smr_context *context = list->device->context;
    const smr_buffer *buffer = binding->buffer;
    if (!buffer || buffer->device != list->device)
        return smr_fail(context, SMR_ERROR, "list %s: %s: binding %u has no buffer of this device",
                        list->name, what, index);
    if (!binding->size || binding->offset > buffer->size ||
        binding->size > buffer->size - binding->offset)
        return smr_fail(context, SMR_ERROR,
                        "list %s: %s: binding %u: %llu bytes at %llu of buffer %s, which has %llu",
                        list->name, what, index, (unsigned long long)binding->size,
                        (unsigned long long)binding->offset, buffer->name,
                        (unsigned long long)buffer->size);
    if (written && buffer->imported)
        return smr_fail(context, SMR_ERROR,
                        "list %s: %s: binding %u writes buffer %s, which is imported and read-only",
                        list->name, what, index, buffer->name);
    return true;
}

static bool check_binding(const smr_list *list, const smr_kernel *kernel,
                          const struct smr_args *args, uint32_t index)
{
    const struct smr_limits *limits = &list->device->limits;
    const struct smr_binding *binding = &args->bindings[index];
    if (!check_range(list, kernel->name, index, binding, kernel->access[index] & SMR_WRITE))
        return false;
    if (binding->offset % limits->binding_alignment || binding->size > limits->max_binding_size)
        return smr_fail(list->device->context, SMR_ERROR,
                        "list %s: %s: binding %u: %llu bytes at %llu; the device wants offsets "
                        "aligned to %u and at most %llu bytes",
                        list->name, kernel->name, index, (unsigned long long)binding->size,
                        (unsigned long long)binding->offset, limits->binding_alignment,
                        (unsigned long long)limits->max_binding_size);
    return true;
}

static struct smr_range range_of(const struct smr_binding *binding, bool written)
{
    return (struct smr_range){.buffer = binding->buffer,
                              .begin = binding->offset,
                              .end = binding->offset + binding->size,
                              .written = written};
}

// Fill in the ranges of a dispatch, and see that none overlaps one that is written.
static bool check_bindings(const smr_list *list, const smr_kernel *kernel,
                           const struct smr_args *args, struct smr_range *ranges)
{
    for (uint32_t i = 0; i < kernel->n_bindings; i++) {
        if (!check_binding(list, kernel, args, i))
            return false;
        ranges[i] = range_of(&args->bindings[i], kernel->access[i] & SMR_WRITE);
        for (uint32_t j = 0; j < i; j++)
            if ((ranges[i].written || ranges[j].written) &&
                smr_ranges_overlap(&ranges[i], &ranges[j]))
                return smr_fail(list->device->context, SMR_ERROR,
                                "list %s: %s: bindings %u and %u overlap in buffer %s, and one of "
                                "them is written",
                                list->name, kernel->name, j, i, args->bindings[i].buffer->name);
    }
    return true;
}

static bool check_groups(const smr_list *list, const smr_kernel *kernel,
                         const struct smr_args *args)
{
    const uint32_t *groups = args->groups, *most = list->device->limits.max_workgroups;
    for (int i = 0; i < 3; i++)
        if (!groups[i] || groups[i] > most[i])
            return smr_fail(list->device->context, SMR_ERROR,
                            "list %s: %s: %u x %u x %u workgroups; the device takes %u x %u x %u",
                            list->name, kernel->name, groups[0], groups[1], groups[2], most[0],
                            most[1], most[2]);
    return true;
}

static bool check_dispatch(const smr_list *list, const smr_kernel *kernel,
                           const struct smr_args *args, struct smr_range *ranges)
{
    smr_context *context = list->device->context;
    if (!kernel || kernel->device != list->device)
        return smr_fail(context, SMR_ERROR, "list %s: no kernel of this device", list->name);
    if (kernel->push_size && !args->push)
        return smr_fail(context, SMR_ERROR,
                        "list %s: %s: its %u bytes of push constants are not "
                        "there",
                        list->name, kernel->name, kernel->push_size);
    return check_groups(list, kernel, args) && check_bindings(list, kernel, args, ranges);
}

// ---- recording --------------------------------------------------------------------------------

// Put a barrier before the next command where its ranges ask for one, and remember them.
static bool order(smr_list *list, const struct smr_range *ranges, uint32_t n_ranges)
{
    smr_device *device = list->device;
    for (uint32_t i = 0; i < n_ranges; i++) {
        if (!smr_hazards_conflict(&list->hazards, &ranges[i]))
            continue;
        device->impl->list_barrier(list);
        list->stats.n_barriers++;
        smr_hazards_clear(&list->hazards);
        break;
    }
    for (uint32_t i = 0; i < n_ranges; i++)
        if (!smr_hazards_add(&list->hazards, device->context, &ranges[i]))
            return false;
    return !list->failed;
}

void smr_list_dispatch(smr_list *list, smr_kernel *kernel, const struct smr_args *args)
{
    struct smr_range ranges[SMR_MAX_BINDINGS];
    if (!recording(list))
        return;
    if (!check_dispatch(list, kernel, args, ranges) || !order(list, ranges, kernel->n_bindings)) {
        list->failed = true;
        return;
    }
    list->device->impl->list_dispatch(list, kernel, args);
    list->device->counters.n_dispatches_recorded++;
    list->stats.n_dispatches++;
}

void smr_list_copy(smr_list *list, const struct smr_binding *from, const struct smr_binding *to)
{
    if (!recording(list))
        return;
    if (!check_range(list, "copy", 0, from, false) || !check_range(list, "copy", 1, to, true))
        goto failed;
    struct smr_range ranges[2] = {range_of(from, false), range_of(to, true)};
    if (from->size != to->size || smr_ranges_overlap(&ranges[0], &ranges[1])) {
        smr_fail(list->device->context, SMR_ERROR,
                 "list %s: copy of %llu bytes of buffer %s to %llu bytes of %s: sizes differ or "
                 "ranges overlap",
                 list->name, (unsigned long long)from->size, from->buffer->name,
                 (unsigned long long)to->size, to->buffer->name);
        goto failed;
    }
    if (!order(list, ranges, 2))
        goto failed;
    list->device->impl->list_copy(list, from, to);
    list->stats.n_copies++;
    return;
failed:
    list->failed = true;
}

bool smr_list_end(smr_list *list)
{
    if (list->ended)
        return smr_fail(list->device->context, SMR_ERROR, "list %s: ended twice", list->name);
    list->ended =
        !list->failed && smr_device_alive(list->device) && list->device->impl->list_end(list);
    if (list->ended)
        return true;
    list->failed = true;
    // Almost always this comes second and is not kept: only if the first error was cleared.
    return smr_fail(list->device->context, SMR_ERROR, "list %s could not be recorded", list->name);
}

// ---- timestamps -------------------------------------------------------------------------------

void smr_list_timestamp(smr_list *list, uint32_t index)
{
    smr_device *device = list->device;
    if (!recording(list))
        return;
    bool able = device->limits.capabilities & SMR_CAP_TIMESTAMPS;
    bool twice = index < SMR_MAX_TIMESTAMPS && list->timestamps[index / 64] >> index % 64 & 1;
    if (!able || twice || index >= SMR_MAX_TIMESTAMPS) {
        smr_fail(device->context, SMR_ERROR, "list %s: timestamp %u: %s", list->name, index,
                 !able   ? "the device has none"
                 : twice ? "recorded before"
                         : "too large an index");
        list->failed = true;
        return;
    }
    device->impl->list_timestamp(list, index);
    list->timestamps[index / 64] |= UINT64_C(1) << index % 64;
}

bool smr_list_read_timestamps(smr_list *list, uint32_t n, uint64_t *time_ns)
{
    smr_context *context = list->device->context;
    for (uint32_t i = 0; i < n; i++)
        if (i >= SMR_MAX_TIMESTAMPS || !(list->timestamps[i / 64] >> i % 64 & 1))
            return smr_fail(context, SMR_ERROR, "list %s: timestamp %u of %u was not recorded",
                            list->name, i, n);
    if (!list->submission)
        return smr_fail(context, SMR_ERROR, "list %s: timestamps read before it was submitted",
                        list->name);
    if (!n)
        return true;
    return smr_list_wait(list) && list->device->impl->list_read_timestamps(list, n, time_ns);
}
