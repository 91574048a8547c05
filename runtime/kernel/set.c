// set.c - the kernels of one device: choosing, compiling on many threads, trying each.
#include "kernel/dispatch.h"
#include "kernel/registry.h"
#include "kernel/trial.h"
#include "kernel/tune.h"

#include "device/threads.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { MAX_THREADS = 32 };

enum shader_state { SHADER_NEW, SHADER_BUSY, SHADER_DONE, SHADER_FAILED };

// SPIR-V of one (id, type, variant): kernels that differ in constants share it.
struct shader {
    enum smr_kernel_id id;
    uint32_t type, variant;
    enum shader_state state; // under the set's lock
    struct smr_blob spirv;
    // The device does not compute it rightly, as this entry showed: no more to be chosen.
    const struct entry *rejected;
};

struct entry {
    struct smr_kernel_key key;
    struct shader *shader; // NULL where the device takes none
    smr_kernel *kernel;    // NULL until built, and where a verdict says that it is not worth it
    bool on_trial;         // to be tried before it is used
    struct smr_trial_push push;
    struct smr_verdict verdict;
    bool lasting; // the verdict: it is on the disk, or as good as there
};

// Pointers, because threads hold entries and shaders while the lists grow.
struct smr_kernel_set {
    smr_context *context;
    smr_device *device;
    enum smr_kernels mode;
    struct entry **entries;
    struct shader **shaders;
    uint32_t n_entries, n_shaders;
    size_t entry_capacity, shader_capacity;
    uint32_t n_rejected; // shaders
    bool warned;         // that the device computes wrongly even what is plain
    struct smr_tuning tuning;
    struct smr_scratch scratch;

    pthread_mutex_t lock; // while building: guards states and the build's counters
    pthread_cond_t changed;
};

struct smr_kernel_set *smr_kernel_set_create(smr_device *device, enum smr_kernels mode)
{
    smr_context *context = smr_device_context(device);
    struct smr_kernel_set *set = smr_alloc(context, 1, sizeof *set, "a set of kernels");
    if (!set)
        return NULL;
    set->context = context;
    set->device = device;
    set->mode = mode;
    if (pthread_mutex_init(&set->lock, NULL)) {
        smr_free(context, set);
        smr_fail(context, SMR_ERROR, "no mutex for a set of kernels");
        return NULL;
    }
    if (pthread_cond_init(&set->changed, NULL)) {
        pthread_mutex_destroy(&set->lock);
        smr_free(context, set);
        smr_fail(context, SMR_ERROR, "no condition variable for a set of kernels");
        return NULL;
    }
    return set;
}

void smr_kernel_set_destroy(struct smr_kernel_set *set)
{
    if (!set)
        return;
    for (uint32_t i = 0; i < set->n_entries; i++) {
        smr_kernel_destroy(set->entries[i]->kernel);
        smr_free(set->context, set->entries[i]);
    }
    for (uint32_t i = 0; i < set->n_shaders; i++) {
        smr_blob_free(set->context, &set->shaders[i]->spirv);
        smr_free(set->context, set->shaders[i]);
    }
    smr_free(set->context, set->entries);
    smr_free(set->context, set->shaders);
    smr_free(set->context, set->tuning.list);
    smr_buffer_destroy(set->scratch.quantized);
    smr_buffer_destroy(set->scratch.partial);
    pthread_cond_destroy(&set->changed);
    pthread_mutex_destroy(&set->lock);
    smr_free(set->context, set);
}

smr_device *smr_kernel_set_device(const struct smr_kernel_set *set)
{
    return set->device;
}

enum smr_kernels smr_kernel_set_mode(const struct smr_kernel_set *set)
{
    return set->mode;
}

struct smr_tuning *smr_kernel_set_tuning(struct smr_kernel_set *set)
{
    return &set->tuning;
}

struct smr_scratch *smr_kernel_set_scratch(struct smr_kernel_set *set)
{
    return &set->scratch;
}

// ---- choosing ---------------------------------------------------------------------------------

bool smr_kernel_variant_key(smr_device *device, enum smr_kernel_id id, enum smr_type type,
                            uint32_t variant, const void *push, struct smr_kernel_key *key)
{
    const struct smr_kernel_desc *desc = smr_kernel_desc(id);
    const struct smr_limits *limits = smr_device_limits(device);
    assert(variant < desc->n_variants);
    *key = (struct smr_kernel_key){.id = id, .type = type, .variant = variant};
    const uint64_t wanted = desc->variants[variant].capabilities;
    return smr_variant_has_type(desc, variant, type) && (limits->capabilities & wanted) == wanted &&
           (!(wanted & SMR_CAP_MATRIX) || smr_shader_knows_matrices()) &&
           desc->specialise(key, limits, push);
}

static struct shader *find_shader(const struct smr_kernel_set *set, enum smr_kernel_id id,
                                  uint32_t type, uint32_t variant)
{
    for (uint32_t i = 0; i < set->n_shaders; i++) {
        struct shader *shader = set->shaders[i];
        if (shader->id == id && shader->type == type && shader->variant == variant)
            return shader;
    }
    return NULL;
}

static bool suits(const struct smr_kernel_set *set, enum smr_kernel_id id, enum smr_type type,
                  uint32_t variant)
{
    const struct shader *shader = find_shader(set, id, type, variant);
    const struct smr_variant *v = &smr_kernel_desc(id)->variants[variant];
    return !(shader && shader->rejected) && !(smr_device_limits(set->device)->cpu && v->gpu) &&
           !(set->mode == SMR_KERNELS_F32 && v->narrow);
}

uint32_t smr_kernel_set_n_rejected(const struct smr_kernel_set *set)
{
    return set->n_rejected;
}

bool smr_kernel_candidate(struct smr_kernel_set *set, enum smr_kernel_id id, enum smr_type type,
                          const void *push, uint32_t number, struct smr_kernel_key *key)
{
    const struct smr_kernel_desc *desc = smr_kernel_desc(id);
    const struct smr_limits *limits = smr_device_limits(set->device);
    const uint32_t n = set->mode == SMR_KERNELS_PLAIN ? 1 : desc->n_variants;
    for (uint32_t variant = n; variant-- > 0;) {
        if (!suits(set, id, type, variant) ||
            !smr_kernel_variant_key(set->device, id, type, variant, push, key))
            continue;
        if (!number--)
            return true;
        const struct smr_kernel_key usual = *key;
        // A processor takes longer to compile them than it gains.
        for (uint32_t i = 0; desc->vary && !limits->cpu && desc->vary(key, limits, push, i); i++) {
            if (!number--)
                return true;
            *key = usual;
        }
    }
    return false;
}

bool smr_kernel_choose(struct smr_kernel_set *set, enum smr_kernel_id id, enum smr_type type,
                       const void *push, struct smr_kernel_key *key)
{
    const struct smr_kernel_desc *desc = smr_kernel_desc(id);
    const struct smr_type_info *info = smr_type_info(type);
    const bool tunable = desc->shape && set->mode != SMR_KERNELS_PLAIN;
    const struct smr_tuned *tuned = tunable ? smr_kernel_tuned(set, id, type, push) : NULL;
    if (tuned && tuned->known && suits(set, id, type, tuned->key.variant) &&
        smr_kernel_variant_key(set->device, id, type, tuned->key.variant, push, key)) {
        *key = tuned->key;
        return true;
    }
    if (smr_kernel_candidate(set, id, type, push, 0, key))
        return true;
    return smr_fail(set->context, SMR_ERROR_DEVICE,
                    "kernel %s: no variant for type %s and this shape on device %s", desc->name,
                    info ? info->name : "unknown", smr_device_get_info(set->device)->id);
}

// ---- entries ----------------------------------------------------------------------------------

bool smr_kernel_keys_equal(const struct smr_kernel_key *a, const struct smr_kernel_key *b)
{
    return a->id == b->id && a->type == b->type && a->variant == b->variant &&
           a->subgroup_size == b->subgroup_size &&
           !memcmp(a->constants, b->constants, sizeof a->constants);
}

static struct entry *find_entry(struct smr_kernel_set *set, const struct smr_kernel_key *key)
{
    for (uint32_t i = 0; i < set->n_entries; i++)
        if (smr_kernel_keys_equal(&set->entries[i]->key, key))
            return set->entries[i];
    return NULL;
}

// The shader of `key`, new or shared.
static struct shader *shader_for(struct smr_kernel_set *set, const struct smr_kernel_key *key)
{
    struct shader *shader = find_shader(set, key->id, key->type, key->variant);
    if (shader)
        return shader;
    if (!smr_grow(set->context, &set->shaders, &set->shader_capacity, set->n_shaders + 1,
                  sizeof(struct shader *), "a list of shaders"))
        return NULL;
    shader = smr_alloc(set->context, 1, sizeof *shader, "a shader");
    if (!shader)
        return NULL;
    *shader = (struct shader){.id = key->id, .type = key->type, .variant = key->variant};
    set->shaders[set->n_shaders++] = shader;
    return shader;
}

static struct entry *add_entry(struct smr_kernel_set *set, const struct smr_kernel_key *key)
{
    struct shader *shader = NULL;
    if (smr_device_takes_spirv(set->device) && !(shader = shader_for(set, key)))
        return NULL;
    if (!smr_grow(set->context, &set->entries, &set->entry_capacity, set->n_entries + 1,
                  sizeof(struct entry *), "a list of kernels"))
        return NULL;
    struct entry *entry = smr_alloc(set->context, 1, sizeof *entry, "a kernel");
    if (!entry)
        return NULL;
    *entry = (struct entry){.key = *key, .shader = shader};
    set->entries[set->n_entries++] = entry;
    return entry;
}

bool smr_kernel_set_request(struct smr_kernel_set *set, const struct smr_kernel_key *key,
                            const void *push)
{
    const struct smr_kernel_desc *desc = smr_kernel_desc(key->id);
    assert(key->id < SMR_N_KERNELS && key->variant < desc->n_variants);
    if (find_entry(set, key))
        return true;
    struct entry *entry = add_entry(set, key);
    if (!entry)
        return false;
    if (push && entry->shader) {
        memcpy(entry->push.words, push, desc->push_size);
        entry->on_trial = true;
    }
    return !push || smr_kernel_request_others(set, key, push);
}

// ---- building ---------------------------------------------------------------------------------

// SPIR-V of an entry's shader: compiled by the first thread that wants it; others wait.
static bool need_shader(struct smr_kernel_set *set, const struct entry *entry)
{
    struct shader *shader = entry->shader;
    pthread_mutex_lock(&set->lock);
    while (shader->state == SHADER_BUSY)
        pthread_cond_wait(&set->changed, &set->lock);
    if (shader->state == SHADER_NEW || shader->state == SHADER_FAILED) {
        shader->state = SHADER_BUSY;
        pthread_mutex_unlock(&set->lock);
        bool done = smr_shader_compile(set->context, &entry->key, &shader->spirv);
        pthread_mutex_lock(&set->lock);
        shader->state = done ? SHADER_DONE : SHADER_FAILED;
        pthread_cond_broadcast(&set->changed);
    }
    bool done = shader->state == SHADER_DONE;
    pthread_mutex_unlock(&set->lock);
    return done;
}

static void entry_name(const struct entry *entry, char *name, size_t size)
{
    const struct smr_kernel_desc *desc = smr_kernel_desc(entry->key.id);
    snprintf(name, size, "%s %s %s", desc->name,
             smr_type_info((enum smr_type)entry->key.type)->name,
             desc->variants[entry->key.variant].name);
}

// Have the driver compile one entry.
static bool create_kernel(struct smr_kernel_set *set, struct entry *entry)
{
    const struct smr_kernel_desc *desc = smr_kernel_desc(entry->key.id);
    char name[96];
    entry_name(entry, name, sizeof name);
    struct smr_kernel_params params = {
        .name = name,
        .type = entry->key.type,
        .n_bindings = desc->n_bindings,
        .push_size = desc->push_size,
        .n_constants = desc->n_constants,
        .subgroup_size = entry->key.subgroup_size,
    };
    memcpy(params.access, desc->access, sizeof params.access);
    memcpy(params.constants, entry->key.constants, sizeof params.constants);
    if (entry->shader) {
        params.spirv = (const uint32_t *)(const void *)entry->shader->spirv.data;
        params.spirv_size = entry->shader->spirv.size;
    } else {
        params.twin = desc->twin;
    }
    entry->kernel = smr_kernel_create(set->device, &params);
    return entry->kernel != NULL;
}

// Compile one entry. Called from several threads at once, each with entries of its own. A variant on
// trial may be left without a kernel: try_entry() sees to it.
static bool build_entry(struct smr_kernel_set *set, struct entry *entry)
{
    if (entry->shader && !need_shader(set, entry))
        return false;
    if (entry->on_trial)
        smr_verdict_recall(set->device, &entry->key, &entry->shader->spirv, &entry->verdict);
    entry->lasting = entry->verdict.known;
    const bool spare = entry->on_trial && entry->key.variant; // there is another
    if (spare && entry->verdict.known && !entry->verdict.right)
        return true;
    return create_kernel(set, entry) || spare;
}

// Not yet there, and not given up.
static bool to_build(const struct entry *entry)
{
    return !entry->kernel && !(entry->shader && entry->shader->rejected);
}

struct build {
    struct smr_kernel_set *set;
    uint32_t next;             // entry to look at
    uint32_t n_wanted, n_done; // entries
    bool failed;               // stop early
};

// Take entries that are not built until there are none. The lock is held outside build_entry().
static void *build_thread(void *user)
{
    struct build *build = user;
    struct smr_kernel_set *set = build->set;
    pthread_mutex_lock(&set->lock);
    while (build->next < set->n_entries && !build->failed) {
        struct entry *entry = set->entries[build->next++];
        if (!to_build(entry))
            continue;
        pthread_mutex_unlock(&set->lock);
        bool done = build_entry(set, entry);
        pthread_mutex_lock(&set->lock);
        build->n_done++;
        build->failed = build->failed || !done;
        pthread_cond_broadcast(&set->changed);
    }
    pthread_mutex_unlock(&set->lock);
    return NULL;
}

static uint32_t count_threads(const struct smr_kernel_set *set, uint32_t n_wanted)
{
    uint32_t n = smr_device_takes_spirv(set->device) ? smr_host_threads(set->context) : 1;
    return smr_min_u32(smr_min_u32(n, MAX_THREADS), n_wanted);
}

// ---- compiling together ------------------------------------------------------------------------

static bool compile_alone(struct smr_kernel_set *set, struct entry *entry)
{
    if (!entry->kernel && !create_kernel(set, entry))
        return false;
    if (smr_kernels_compile(set->device, &entry->kernel, 1))
        return true;
    smr_kernel_destroy(entry->kernel);
    entry->kernel = NULL;
    return false;
}

// Compile all that is not yet. Where that fails each goes alone; what is on trial may be left without
// a kernel.
static bool compile_together(struct smr_kernel_set *set)
{
    smr_kernel **kernels =
        smr_alloc(set->context, set->n_entries, sizeof(smr_kernel *), "a list of kernels");
    size_t n = 0;
    for (uint32_t i = 0; i < set->n_entries && kernels; i++)
        if (set->entries[i]->kernel)
            kernels[n++] = set->entries[i]->kernel;
    const bool together = kernels && smr_kernels_compile(set->device, kernels, n);
    smr_free(set->context, (void *)kernels);
    for (uint32_t i = 0; i < set->n_entries && !together; i++) {
        struct entry *entry = set->entries[i];
        smr_context_clear_error(set->context);
        if (entry->kernel && !compile_alone(set, entry) && !entry->on_trial)
            return false;
    }
    return true;
}

// ---- trials -----------------------------------------------------------------------------------

// The verdict on an entry that has been compiled, or was not. False, with an error, when it could not
// be tried.
static bool try_entry(struct smr_kernel_set *set, struct entry *entry)
{
    struct smr_verdict *verdict = &entry->verdict;
    if (verdict->known)
        return true;
    smr_context_clear_error(set->context); // of a thread that could not compile this or another one
    if (entry->kernel || compile_alone(set, entry)) {
        const uint64_t begin = smr_time_ns();
        if (!smr_trial_run(set, &entry->key, entry->push.words, verdict))
            return false;
        smr_log(set->context, SMR_LOG_DEBUG, "kernel %s: error %.2g, tried in %.1f ms",
                smr_kernel_name(entry->kernel), verdict->error,
                (double)(smr_time_ns() - begin) * 1e-6);
        entry->lasting = true;
        smr_verdict_keep(set->device, &entry->key, &entry->shader->spirv, verdict);
        return true;
    }
    *verdict = (struct smr_verdict){.known = 1};
    snprintf(verdict->problem, sizeof verdict->problem, "it does not compile: %s",
             smr_context_error(set->context));
    entry->lasting = smr_context_status(set->context) == SMR_ERROR_DEVICE; // no want of memory
    if (entry->lasting)
        smr_verdict_keep(set->device, &entry->key, &entry->shader->spirv, verdict);
    smr_context_clear_error(set->context);
    return true;
}

// Give up a variant. The plain one is used all the same: there is no other.
static void reject(struct smr_kernel_set *set, const struct entry *entry)
{
    if (entry->key.variant) {
        smr_trial_report(set->device, &entry->key, &entry->verdict, set->n_rejected == 0);
        entry->shader->rejected = entry;
        set->n_rejected++;
    } else if (!set->warned) {
        smr_trial_report(set->device, &entry->key, &entry->verdict, true);
        set->warned = true;
    }
}

// What shares a shader that was rejected goes with it, now and the next time.
static void give_up(struct smr_kernel_set *set, struct entry *entry)
{
    smr_context_clear_error(set->context); // of a thread that could not compile it
    entry->on_trial = false;
    if (entry->verdict.known)
        return;
    entry->verdict = entry->shader->rejected->verdict;
    if (entry->shader->rejected->lasting)
        smr_verdict_keep(set->device, &entry->key, &entry->shader->spirv, &entry->verdict);
}

static uint32_t count_trials(const struct smr_kernel_set *set)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < set->n_entries; i++)
        n += set->entries[i]->on_trial && !set->entries[i]->verdict.known;
    return n;
}

// Try what is new, one after the other, and give up what does not pass.
static bool try_entries(struct smr_kernel_set *set,
                        void (*progress)(void *user, const char *what, float fraction), void *user)
{
    const uint64_t begin = smr_time_ns();
    const uint32_t n_trials = count_trials(set);
    uint32_t n_seen = 0, n_right = 0, n_tried = 0;
    for (uint32_t i = 0; i < set->n_entries; i++) {
        struct entry *entry = set->entries[i];
        const bool known = entry->verdict.known;
        if (entry->on_trial && entry->shader->rejected)
            give_up(set, entry);
        if (!entry->on_trial)
            continue;
        if (!try_entry(set, entry))
            return false;
        entry->on_trial = false;
        n_seen++;
        n_tried += !known;
        n_right += entry->verdict.right;
        if (!entry->verdict.right)
            reject(set, entry);
        if (progress && !known)
            progress(user, "checking kernels", (float)n_tried / (float)n_trials);
    }
    if (n_seen)
        smr_log(set->context, SMR_LOG_INFO,
                "kernels: %u of %u new ones compute as plain C does; %u tried now, in %.2f s",
                n_right, n_seen, n_tried, (double)(smr_time_ns() - begin) * 1e-9);
    return true;
}

// ---- all of it --------------------------------------------------------------------------------

bool smr_kernel_set_build(struct smr_kernel_set *set,
                          void (*progress)(void *user, const char *what, float fraction),
                          void *user)
{
    struct build build = {.set = set};
    for (uint32_t i = 0; i < set->n_entries; i++)
        build.n_wanted += to_build(set->entries[i]);
    if (!build.n_wanted)
        return true;

    pthread_t threads[MAX_THREADS];
    uint32_t n_threads = 0, wanted = count_threads(set, build.n_wanted);
    while (wanted > 1 && n_threads < wanted) {
        if (pthread_create(&threads[n_threads], NULL, build_thread, &build))
            break;
        n_threads++;
    }
    if (!n_threads) // one is enough, or no thread could be had
        build_thread(&build);

    pthread_mutex_lock(&set->lock);
    for (uint32_t shown = 0; n_threads && !build.failed && shown < build.n_wanted;) {
        while (build.n_done == shown && !build.failed)
            pthread_cond_wait(&set->changed, &set->lock);
        shown = build.n_done;
        pthread_mutex_unlock(&set->lock);
        if (progress)
            progress(user, "compiling", (float)shown / (float)build.n_wanted);
        pthread_mutex_lock(&set->lock);
    }
    pthread_mutex_unlock(&set->lock);
    for (uint32_t i = 0; i < n_threads; i++)
        pthread_join(threads[i], NULL);
    return !build.failed && compile_together(set) && try_entries(set, progress, user);
}

// ---- use --------------------------------------------------------------------------------------

smr_kernel *smr_kernel_set_get(struct smr_kernel_set *set, const struct smr_kernel_key *key)
{
    if (!smr_kernel_set_request(set, key, NULL))
        return NULL;
    struct entry *entry = find_entry(set, key);
    if (!entry->kernel && (!entry->shader || need_shader(set, entry)))
        create_kernel(set, entry);
    return entry->kernel;
}
