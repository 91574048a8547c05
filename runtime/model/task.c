// task.c - what a model's files ask for when it writes: generation_config.json of Hugging Face
// transformers and task_specific_params of config.json, which folder_text.c made keys of.
#include "model/model.h"

#include <math.h>
#include <stdio.h>

static const char *key_of(const struct smr_model *model, enum smr_task_kind kind, const char *name,
                          char key[128])
{
    snprintf(key, 128, "%s.%s.%s", model->architecture,
             kind == SMR_TASK_SUMMARIZE ? "summarization" : "generation", name);
    return key;
}

static void read_task(const struct smr_model *model, enum smr_task_kind kind, struct smr_task *task)
{
    char key[128];
    uint32_t stopping;
    const char *prefix = smr_metadata_string(model->metadata, key_of(model, kind, "prefix", key));
    smr_metadata_u32(model->metadata, key_of(model, kind, "num_beams", key), &task->n_beams);
    smr_metadata_u32(model->metadata, key_of(model, kind, "max_length", key), &task->max_length);
    smr_metadata_f32(model->metadata, key_of(model, kind, "length_penalty", key),
                     &task->length_penalty);
    if (smr_metadata_u32(model->metadata, key_of(model, kind, "early_stopping", key), &stopping) &&
        stopping <= SMR_EARLY_STOPPING_NEVER)
        task->early_stopping = (enum smr_early_stopping)stopping;
    if (prefix)
        task->prefix = prefix;
}

void smr_model_task(const smr_model *model, enum smr_task_kind kind, struct smr_task *task)
{
    *task = (struct smr_task){.prefix = "", .length_penalty = 1};
    read_task(model, SMR_TASK_GENERATE, task);
    if (kind == SMR_TASK_SUMMARIZE)
        read_task(model, SMR_TASK_SUMMARIZE, task);
    if (task->n_beams > SMR_MAX_SEQUENCES)
        task->n_beams = SMR_MAX_SEQUENCES;
    if (!isfinite(task->length_penalty))
        task->length_penalty = 1;
}
