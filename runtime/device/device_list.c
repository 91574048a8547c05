// device_list.c - which devices there are, which one is the default, and opening one by name.
#include "base/context.h"
#include "device/device_impl.h"

#include <string.h>

static const struct smr_backend_impl *const backends[] = {&smr_backend_vulkan, &smr_backend_opencl,
                                                          &smr_backend_reference};
enum { N_BACKENDS = SMR_COUNT(backends) };

// One device that was found, and where.
struct entry {
    struct smr_device_info info;
    uint32_t backend; // index into backends[]
    uint32_t index;   // in the backend's own list
};

// All that was found. The backends stay started until finish().
struct listing {
    smr_context *context;
    void *states[N_BACKENDS];
    struct entry *entries; // owned, preferred first
    size_t n_entries;
};

static void finish(struct listing *listing)
{
    smr_free(listing->context, listing->entries);
    for (size_t i = 0; i < N_BACKENDS; i++)
        if (listing->states[i])
            backends[i]->stop(listing->states[i]);
}

// ---- order and default ------------------------------------------------------------------------

static bool is_gpu(enum smr_device_type type)
{
    return type == SMR_DEVICE_DISCRETE || type == SMR_DEVICE_INTEGRATED;
}

// Usable before unusable, then by type, then GPUs with more memory; else as the backends had them.
static bool comes_before(const struct smr_device_info *a, const struct smr_device_info *b)
{
    if (a->usable != b->usable)
        return a->usable;
    if (a->type != b->type)
        return a->type < b->type;
    return is_gpu(a->type) && a->memory > b->memory;
}

static void sort(struct entry *entries, size_t n) // stable; there are only a few
{
    for (size_t i = 1; i < n; i++) {
        struct entry entry = entries[i];
        size_t at = i;
        for (; at && comes_before(&entry.info, &entries[at - 1].info); at--)
            entries[at] = entries[at - 1];
        entries[at] = entry;
    }
}

static const char *default_reason(const struct listing *listing)
{
    size_t n_gpus = 0, n_same = 0;
    enum smr_device_type type = listing->entries[0].info.type;
    for (size_t i = 0; i < listing->n_entries && listing->entries[i].info.usable; i++) {
        n_gpus += is_gpu(listing->entries[i].info.type);
        n_same += listing->entries[i].info.type == type;
    }
    switch (type) {
    case SMR_DEVICE_DISCRETE:
        if (n_same > 1)
            return "the discrete GPU with the most memory";
        return n_gpus > 1 ? "a discrete GPU is preferred" : "the only GPU";
    case SMR_DEVICE_INTEGRATED:
        return n_gpus > 1 ? "the integrated GPU with the most memory" : "the only GPU";
    case SMR_DEVICE_CPU:
        return "no GPU: the processor through a driver made for computing";
    case SMR_DEVICE_SOFTWARE:
        return "no GPU: a software driver is better than plain C";
    case SMR_DEVICE_REFERENCE:
        break;
    }
    return "no GPU and no driver: plain C works everywhere";
}

// Number the hardware: GPUs that are one share a number.
static bool number_hardware(struct listing *listing)
{
    size_t n = listing->n_entries;
    struct smr_identity *identities =
        smr_alloc(listing->context, n, sizeof *identities, "the list of devices");
    uint32_t *groups = smr_alloc(listing->context, n, sizeof *groups, "the list of devices");
    bool ok = identities && groups;
    for (size_t i = 0; i < n && ok; i++) {
        const struct entry *entry = &listing->entries[i];
        const struct smr_backend_impl *backend = backends[entry->backend];
        if (is_gpu(entry->info.type) && backend->identify)
            backend->identify(listing->states[entry->backend], entry->index, &identities[i]);
        identities[i].backend = entry->backend;
    }
    if (ok)
        smr_identity_group(identities, n, groups);
    for (size_t i = 0; i < n && ok; i++)
        listing->entries[i].info.hardware = groups[i];
    smr_free(listing->context, identities);
    smr_free(listing->context, groups);
    return ok;
}

// ---- listing ----------------------------------------------------------------------------------

// Start backend `i` and append its devices.
static bool add_backend(struct listing *listing, uint32_t i, struct smr_string *absent)
{
    struct smr_string why;
    smr_string_init(&why, listing->context);
    bool ok = backends[i]->start(listing->context, &listing->states[i], &why) && !why.failed;
    if (ok && why.size && absent)
        smr_string_printf(absent, "%s%s: %s", absent->size ? "\n" : "", backends[i]->name,
                          why.data);
    smr_string_finish(&why);
    ok = ok && !(absent && absent->failed);
    if (!ok || !listing->states[i])
        return ok;

    size_t n = backends[i]->list(listing->states[i], NULL, 0);
    struct smr_device_info *infos =
        smr_alloc(listing->context, n, sizeof *infos, "the list of devices");
    struct entry *entries = smr_realloc(listing->context, listing->entries, listing->n_entries + n,
                                        sizeof *entries, "the list of devices");
    if (entries)
        listing->entries = entries;
    if (infos && entries) {
        backends[i]->list(listing->states[i], infos, n);
        for (uint32_t index = 0; index < n; index++)
            entries[listing->n_entries++] =
                (struct entry){.info = infos[index], .backend = i, .index = index};
    }
    smr_free(listing->context, infos);
    return infos && entries;
}

static bool find(smr_context *context, struct listing *listing, struct smr_string *absent)
{
    *listing = (struct listing){.context = context};
    for (uint32_t i = 0; i < N_BACKENDS; i++)
        if (!add_backend(listing, i, absent)) {
            finish(listing);
            return false;
        }
    sort(listing->entries, listing->n_entries);
    if (!number_hardware(listing)) {
        finish(listing);
        return false;
    }
    if (listing->n_entries && listing->entries[0].info.usable) {
        listing->entries[0].info.is_default = true;
        listing->entries[0].info.reason = default_reason(listing);
    }
    return true;
}

size_t smr_device_list(smr_context *context, struct smr_device_info *infos, size_t capacity,
                       struct smr_string *absent)
{
    struct listing listing;
    if (!find(context, &listing, absent))
        return 0;
    size_t n = listing.n_entries;
    for (size_t i = 0; i < n && i < capacity; i++)
        infos[i] = listing.entries[i].info;
    finish(&listing);
    return n;
}

size_t smr_devices(smr_context *context, struct smr_device_info *infos, size_t capacity,
                   const char **absent)
{
    struct smr_string text;
    smr_string_init(&text, context);
    size_t n = smr_device_list(context, infos, capacity, &text);
    smr_free(context, context->absent_devices);
    context->absent_devices = text.data; // now the context's
    if (absent)
        *absent = text.data ? text.data : "";
    return n;
}

// ---- selection --------------------------------------------------------------------------------

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool contains(const char *text, const char *part)
{
    for (; *text; text++) {
        size_t i = 0;
        while (part[i] && lower(text[i]) == lower(part[i]))
            i++;
        if (!part[i])
            return true;
    }
    return false;
}

static bool matches(const struct entry *entry, const char *selector, int round)
{
    switch (round) {
    case 0:
        return !strcmp(entry->info.id, selector);
    case 1:
        return !strcmp(backends[entry->backend]->name, selector);
    default:
        return selector[0] && contains(entry->info.name, selector);
    }
}

// An exact id before a backend's name before part of a device's name. The list has the preferred
// and usable ones first.
static const struct entry *select_entry(const struct listing *listing, const char *selector)
{
    if (!selector)
        return listing->n_entries ? &listing->entries[0] : NULL;
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < listing->n_entries; i++)
            if (matches(&listing->entries[i], selector, round))
                return &listing->entries[i];
    return NULL;
}

// "no device 'x': there are a (A), b (B)", with the backends that have none.
static void fail_selector(const struct listing *listing, const char *selector,
                          const struct smr_string *absent)
{
    struct smr_string known;
    smr_string_init(&known, listing->context);
    for (size_t i = 0; i < listing->n_entries; i++)
        smr_string_printf(&known, "%s%s (%s)", i ? ", " : "", listing->entries[i].info.id,
                          listing->entries[i].info.name);
    if (!known.failed)
        smr_fail(listing->context, SMR_ERROR_DEVICE, "no device '%s': there %s %s%s%s%s",
                 selector ? selector : "", listing->n_entries == 1 ? "is" : "are",
                 known.data ? known.data : "none", absent->size ? " (" : "",
                 absent->size ? absent->data : "", absent->size ? ")" : "");
    smr_string_finish(&known);
}

smr_device *smr_device_open(smr_context *context, const char *selector)
{
    struct listing listing;
    struct smr_string absent;
    smr_device *device = NULL;
    smr_string_init(&absent, context);
    if (!find(context, &listing, &absent))
        goto done;
    const struct entry *entry = select_entry(&listing, selector);
    if (!entry) {
        fail_selector(&listing, selector, &absent);
    } else if (!entry->info.usable) {
        smr_fail(context, SMR_ERROR_DEVICE, "device %s (%s) can't be used: %s", entry->info.id,
                 entry->info.name, entry->info.reason ? entry->info.reason : "unknown reason");
    } else {
        device = backends[entry->backend]->open(listing.states[entry->backend], entry->index);
        if (device) {
            device->info.is_default = entry->info.is_default;
            device->info.reason = entry->info.reason;
            device->info.hardware = entry->info.hardware;
        }
    }
    finish(&listing);
done:
    smr_string_finish(&absent);
    return device;
}
