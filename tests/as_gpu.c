// as_gpu.c - a processor's device made to look like a GPU.
#include "as_gpu.h"

#include "device/device_impl.h"
#include "generate/generate.h"

void plan_as_gpu(smr_engine *engine)
{
    struct smr_limits *limits = &engine->device->limits;

    engine->device->info.type = SMR_DEVICE_INTEGRATED;
    limits->cpu = false;
    limits->min_subgroup_size = limits->max_subgroup_size = 32;
}
