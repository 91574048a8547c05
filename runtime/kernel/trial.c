// trial.c - trying a kernel, and keeping what came of it.
#include "kernel/trial.h"

#include <stdio.h>
#include <string.h>

// Raise when what is tried changes, so that kernels are tried anew.
static const char trial_version[] = "3";

// ---- kept verdicts ----------------------------------------------------------------------------

static struct smr_key verdict_key(smr_device *device, const struct smr_kernel_key *key,
                                  const struct smr_blob *spirv)
{
    const char *const texts[] = {smr_version(), trial_version, smr_device_fingerprint(device)};
    struct smr_key hash = smr_hash(spirv->data, spirv->size, (struct smr_key){0});
    for (size_t i = 0; i < SMR_COUNT(texts); i++)
        hash = smr_hash(texts[i], strlen(texts[i]), hash);
    return smr_hash(key, sizeof *key, hash);
}

void smr_verdict_recall(smr_device *device, const struct smr_kernel_key *key,
                        const struct smr_blob *spirv, struct smr_verdict *verdict)
{
    smr_context *context = smr_device_context(device);
    struct smr_blob blob;
    *verdict = (struct smr_verdict){0};
    if (!smr_cache_get(context, "verdict", verdict_key(device, key, spirv), &blob))
        return;
    struct smr_verdict kept;
    if (blob.size == sizeof kept) {
        memcpy(&kept, blob.data, sizeof kept);
        if (kept.known == 1 && kept.right <= 1 && memchr(kept.problem, 0, sizeof kept.problem))
            *verdict = kept;
    }
    smr_blob_free(context, &blob);
}

void smr_verdict_keep(smr_device *device, const struct smr_kernel_key *key,
                      const struct smr_blob *spirv, const struct smr_verdict *verdict)
{
    smr_cache_put(smr_device_context(device), "verdict", verdict_key(device, key, spirv), verdict,
                  sizeof *verdict);
}

// ---- trying -----------------------------------------------------------------------------------

bool smr_trial_run(struct smr_kernel_set *set, const struct smr_kernel_key *key, const void *push,
                   struct smr_verdict *verdict)
{
    smr_device *device = smr_kernel_set_device(set);
    struct smr_trial_push memory;
    struct smr_case_params params;
    *verdict = (struct smr_verdict){.known = 1, .right = 1};
    for (uint32_t i = 0; verdict->right && smr_trial_case(device, key, push, i, &memory, &params);
         i++) {
        struct smr_arena arena;
        struct smr_case c;
        struct smr_case_result result;
        smr_arena_init(&arena, smr_device_context(device));
        const bool done =
            smr_case_init(&c, &arena, &params) && smr_case_run(set, key, &c, 0, &result);
        smr_arena_finish(&arena);
        if (!done)
            return false;
        if (!(result.error <= verdict->error)) // NAN too
            verdict->error = result.error;
        verdict->right = !*result.problem;
        if (!verdict->right)
            snprintf(verdict->problem, sizeof verdict->problem, "it computes wrongly: %s",
                     result.problem);
    }
    return true;
}

// ---- saying so --------------------------------------------------------------------------------

void smr_trial_report(smr_device *device, const struct smr_kernel_key *key,
                      const struct smr_verdict *verdict, bool first)
{
    smr_context *context = smr_device_context(device);
    const struct smr_device_info *info = smr_device_get_info(device);
    const struct smr_kernel_desc *desc = smr_kernel_desc(key->id);
    const char *type = smr_type_info((enum smr_type)key->type)->name;
    const char *variant = desc->variants[key->variant].name;
    if (!key->variant)
        smr_log(
            context, SMR_LOG_WARNING,
            "%s (%s, driver %s) cannot be trusted. Kernel %s %s %s: %s. Take another --device, or "
            "another version of the driver; samara check --device %s shows more",
            info->id, info->name, info->driver, desc->name, type, variant, verdict->problem,
            info->id);
    else if (first)
        smr_log(
            context, SMR_LOG_WARNING,
            "kernel %s %s %s is not used on %s (%s, driver %s): %s. A plainer variant takes its "
            "place, which may be slower. Please report this, with what samara check --device %s "
            "prints",
            desc->name, type, variant, info->id, info->name, info->driver, verdict->problem,
            info->id);
    else
        smr_log(context, SMR_LOG_WARNING, "kernel %s %s %s is not used on %s either: %s",
                desc->name, type, variant, info->id, verdict->problem);
}
