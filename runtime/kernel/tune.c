// tune.c - measuring candidates, and keeping what was chosen.
#include "kernel/tune.h"
#include "kernel/registry.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

// Raise when candidates or the way of measuring change so much that old choices are worth nothing.
static const char tune_version[] = "2";

enum { MOST_CANDIDATES = 64, FIRST_CANDIDATES = 6 }; // in all; at the first sight of a shape
static const double worth_it = 0.97; // of the default's time: less is taken for noise

void smr_kernel_key_text(const struct smr_kernel_key *key, char *text, size_t size)
{
    const struct smr_kernel_desc *desc = smr_kernel_desc(key->id);
    size_t used = (size_t)snprintf(text, size, "%s", desc->variants[key->variant].name);
    for (uint32_t i = 0; i < desc->n_constants && used < size; i++)
        used +=
            (size_t)snprintf(text + used, size - used, "%s%u", i ? "," : " ", key->constants[i]);
    if (key->subgroup_size && used < size)
        snprintf(text + used, size - used, " subgroups of %u", key->subgroup_size);
}

// ---- kept choices -----------------------------------------------------------------------------

struct kept {
    struct smr_kernel_key key, usual;
    double usual_seconds, seconds;
};

static struct smr_key kept_key(const struct smr_kernel_set *set, const struct smr_tuned *tuned)
{
    const char *const texts[] = {smr_version(), tune_version,
                                 smr_device_fingerprint(smr_kernel_set_device(set))};
    const uint32_t numbers[] = {(uint32_t)tuned->id, (uint32_t)tuned->type,
                                (uint32_t)smr_kernel_set_mode(set)};
    struct smr_key hash = smr_hash(tuned->shape, sizeof tuned->shape, (struct smr_key){0});
    for (size_t i = 0; i < SMR_COUNT(texts); i++)
        hash = smr_hash(texts[i], strlen(texts[i]), hash);
    return smr_hash(numbers, sizeof numbers, hash);
}

// Only what is a candidate still is taken from the disk.
static bool is_candidate(struct smr_kernel_set *set, const struct smr_tuned *tuned,
                         const void *push, const struct smr_kernel_key *key)
{
    struct smr_kernel_key candidate;
    for (uint32_t i = 0; i < MOST_CANDIDATES; i++) {
        if (!smr_kernel_candidate(set, tuned->id, tuned->type, push, i, &candidate))
            return false;
        if (smr_kernel_keys_equal(&candidate, key))
            return true;
    }
    return false;
}

static void recall(struct smr_kernel_set *set, struct smr_tuned *tuned, const void *push)
{
    smr_context *context = smr_device_context(smr_kernel_set_device(set));
    struct smr_blob blob;
    struct kept kept;
    if (!smr_cache_get(context, "tuning", kept_key(set, tuned), &blob))
        return;
    if (blob.size == sizeof kept) {
        memcpy(&kept, blob.data, sizeof kept);
        if (is_candidate(set, tuned, push, &kept.key) &&
            is_candidate(set, tuned, push, &kept.usual)) {
            tuned->known = true;
            tuned->key = kept.key;
            tuned->usual = kept.usual;
            tuned->seconds = kept.seconds;
            tuned->usual_seconds = kept.usual_seconds;
        }
    }
    smr_blob_free(context, &blob);
}

static void keep(struct smr_kernel_set *set, const struct smr_tuned *tuned)
{
    const struct kept kept = {.key = tuned->key,
                              .usual = tuned->usual,
                              .usual_seconds = tuned->usual_seconds,
                              .seconds = tuned->seconds};
    smr_cache_put(smr_device_context(smr_kernel_set_device(set)), "tuning", kept_key(set, tuned),
                  &kept, sizeof kept);
}

// The entry for a shape; made, and looked for on the disk, the first time.
static struct smr_tuned *find(struct smr_kernel_set *set, enum smr_kernel_id id, enum smr_type type,
                              const void *push)
{
    struct smr_tuning *tuning = smr_kernel_set_tuning(set);
    struct smr_tuned wanted = {.id = id, .type = type};
    smr_kernel_desc(id)->shape(push, wanted.shape);
    for (uint32_t i = 0; i < tuning->n; i++) {
        struct smr_tuned *tuned = &tuning->list[i];
        if (tuned->id == id && tuned->type == type &&
            !memcmp(tuned->shape, wanted.shape, sizeof wanted.shape))
            return tuned;
    }
    if (!smr_grow(smr_device_context(smr_kernel_set_device(set)), &tuning->list, &tuning->capacity,
                  tuning->n + 1, sizeof *tuning->list, "a list of tuned kernels"))
        return NULL;
    recall(set, &wanted, push);
    tuning->list[tuning->n] = wanted;
    return &tuning->list[tuning->n++];
}

const struct smr_tuned *smr_kernel_tuned(struct smr_kernel_set *set, enum smr_kernel_id id,
                                         enum smr_type type, const void *push)
{
    return find(set, id, type, push);
}

const struct smr_tuned *smr_kernel_tuned_list(struct smr_kernel_set *set, uint32_t i)
{
    const struct smr_tuning *tuning = smr_kernel_set_tuning(set);
    return i < tuning->n ? &tuning->list[i] : NULL;
}

// ---- measuring --------------------------------------------------------------------------------

struct candidates {
    struct smr_kernel_key keys[MOST_CANDIDATES];
    double seconds[MOST_CANDIDATES];
    uint32_t n;
};

// What is likeliest comes first. A plain variant is for devices that have no other: it costs time to
// compile and does not win.
static void collect(struct smr_kernel_set *set, const struct smr_tuned *tuned, const void *push,
                    bool all, struct candidates *candidates)
{
    struct smr_kernel_key key;
    const uint32_t most = all ? MOST_CANDIDATES : FIRST_CANDIDATES;
    candidates->n = 0;
    for (uint32_t i = 0;
         candidates->n < most && smr_kernel_candidate(set, tuned->id, tuned->type, push, i, &key);
         i++)
        if (!i || all || key.variant)
            candidates->keys[candidates->n++] = key;
}

// Compile them and try them. Those that turn out to be wrong are no candidates afterwards.
static bool build(struct smr_kernel_set *set, const struct candidates *candidates, const void *push)
{
    for (uint32_t i = 0; i < candidates->n; i++)
        if (!smr_kernel_set_request(set, &candidates->keys[i], push))
            return false;
    return smr_kernel_set_build(set, NULL, NULL);
}

static bool measure(struct smr_kernel_set *set, const struct smr_tune_params *params,
                    const struct smr_kernel_key *key, double *seconds)
{
    const struct smr_measure_params p = {params->args, params->n_args, params->budget_ns};
    double now;
    if (!smr_kernel_measure(set, key, &p, &now))
        return false;
    *seconds = now < *seconds ? now : *seconds;
    return true;
}

bool smr_kernel_tune(struct smr_kernel_set *set, enum smr_kernel_id id, enum smr_type type,
                     const struct smr_tune_params *params)
{
    const void *push = params->args[0].push;
    struct smr_tuned *tuned = find(set, id, type, push);
    struct candidates c;
    if (!tuned)
        return false;
    tuned->known = false;
    collect(set, tuned, push, params->all, &c);
    if (c.n > 1) {
        if (!build(set, &c, push))
            return false;
        collect(set, tuned, push, params->all, &c);
    }
    assert(c.n);
    uint32_t best = 0;
    for (uint32_t i = 0; i < c.n; i++) {
        c.seconds[i] = c.n > 1 ? 1e30 : 0; // alone it need not be measured
        if (c.n > 1 && !measure(set, params, &c.keys[i], &c.seconds[i]))
            return false;
        best = c.seconds[i] < c.seconds[best] ? i : best;
    }
    // The first one was measured when the device was least awake: once more, both.
    if (best && (!measure(set, params, &c.keys[0], &c.seconds[0]) ||
                 !measure(set, params, &c.keys[best], &c.seconds[best])))
        return false;
    if (c.seconds[best] > worth_it * c.seconds[0])
        best = 0;
    tuned->known = true;
    tuned->n_candidates = c.n;
    tuned->usual = c.keys[0];
    tuned->key = c.keys[best];
    tuned->usual_seconds = c.seconds[0];
    tuned->seconds = c.seconds[best];
    keep(set, tuned);
    return true;
}
