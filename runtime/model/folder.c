// folder.c - opening a Hugging Face folder.
#include "model/folder.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

const char *smr_folder_file(const struct smr_folder *folder, const char *name)
{
    size_t size = strlen(folder->path) + strlen(name) + 2;
    char *path = smr_arena_alloc(&folder->file->arena, size, 1);
    if (path)
        snprintf(path, size, "%s/%s", folder->path, name);
    return path;
}

bool smr_folder_has(const struct smr_folder *folder, const char *name)
{
    struct stat status;
    const char *path = smr_folder_file(folder, name);
    return path && !stat(path, &status);
}

bool smr_folder_open(struct smr_model_file *file)
{
    struct smr_gguf *part = &file->parts[0];
    struct smr_folder folder = {
        .context = part->context, .path = part->path, .file = file, .part = part};
    smr_metadata_init(&part->metadata, &file->arena);
    folder.config_path = smr_folder_file(&folder, "config.json");
    if (!folder.config_path)
        return false;
    if (!smr_folder_has(&folder, "config.json"))
        return smr_fail(folder.context, SMR_ERROR_MODEL,
                        "%s: has no config.json: a folder of a Hugging Face model has one, and a "
                        "GGUF file is named itself",
                        folder.path);
    bool done = smr_folder_read_config(&folder) && smr_folder_read_tensors(&folder) &&
                smr_folder_read_text(&folder) && !part->metadata.failed;
    json_decref(folder.config);
    return done;
}
