// json.h - reading JSON that may be damaged or hostile, over jansson. Private to model/.
//
// The value a function gives belongs to the root, which the caller releases with json_decref().
#pragma once

#include "base/base.h"

#include <jansson.h>

// All of `data` as one JSON object without a key that is there twice. NULL after an error
// "PATH: line N, column N: reason".
json_t *smr_json_parse(smr_context *context, const char *path, const void *data, size_t size);
// The same of a file that people write. Where a whole number in it is too big for 64 bits, all numbers
// become real: tokenizers' files have 10^30 for "no limit".
json_t *smr_json_read(smr_context *context, const char *path);

// A whole number from 0 to UINT32_MAX, written as 12 or 12.0.
bool smr_json_u32(const json_t *value, uint32_t *number);
