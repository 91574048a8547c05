// as_gpu.h - have an engine on a software driver plan, and choose kernels, as it would on a GPU.
// Without it no test here would run what GPUs run: a machine without one has but processors.
#pragma once

#include "samara.h"

// To be called before the engine's first step, when nothing is planned yet. Subgroups stay as wide as
// the driver has them; only what is chosen by their width is that of a GPU whose are 32 wide.
void plan_as_gpu(smr_engine *engine);
