// devices.h - how samara devices shows what it found.
#pragma once

#include "tool.h"

// On stdout. A GPU that several drivers reach is shown once, with all of its ids.
void devices_print(const struct smr_device_info *infos, size_t n);

// A list of objects, one for each id; "same_hardware" has the other ids of the same GPU.
json_t *devices_json(const struct smr_device_info *infos, size_t n);
