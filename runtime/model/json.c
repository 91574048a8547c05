// json.c - JSON from memory and files.
#include "model/json.h"

#include "base/file.h"

#include <math.h>

static json_t *parse(smr_context *context, const char *path, const void *data, size_t size,
                     bool big_numbers)
{
    json_error_t error;
    json_t *root = json_loadb(data, size, JSON_REJECT_DUPLICATES, &error);
    if (!root && big_numbers && json_error_code(&error) == json_error_numeric_overflow)
        root = json_loadb(data, size, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &error);
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

json_t *smr_json_parse(smr_context *context, const char *path, const void *data, size_t size)
{
    return parse(context, path, data, size, false);
}

json_t *smr_json_read(smr_context *context, const char *path)
{
    struct smr_map map;
    if (!smr_map_open(context, path, &map))
        return NULL;
    json_t *root = parse(context, path, map.data, map.size, true);
    smr_map_close(&map);
    return root;
}

bool smr_json_u32(const json_t *value, uint32_t *number)
{
    double real = json_number_value(value); // exact in this range
    if (!json_is_number(value) || !(real >= 0 && real <= UINT32_MAX) || real != floor(real))
        return false;
    *number = (uint32_t)real;
    return true;
}
