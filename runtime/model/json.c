// json.c - JSON from memory and files.
#include "model/json.h"

#include "base/file.h"

json_t *smr_json_parse(smr_context *context, const char *path, const void *data, size_t size)
{
    json_error_t error;
    json_t *root = json_loadb(data, size, JSON_REJECT_DUPLICATES, &error);
    if (!root) {
        bool memory = json_error_code(&error) == json_error_out_of_memory;
        smr_fail(context, memory ? SMR_ERROR_MEMORY : SMR_ERROR_MODEL, "%s: line %d, column %d: %s",
                 path, error.line, error.column, error.text);
        return NULL;
    }
    if (json_is_object(root))
        return root;
    smr_fail(context, SMR_ERROR_MODEL, "%s: is no JSON object", path);
    json_decref(root);
    return NULL;
}

json_t *smr_json_read(smr_context *context, const char *path)
{
    struct smr_map map;
    if (!smr_map_open(context, path, &map))
        return NULL;
    json_t *root = smr_json_parse(context, path, map.data, map.size);
    smr_map_close(&map);
    return root;
}
