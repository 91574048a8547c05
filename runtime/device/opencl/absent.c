// absent.c - stands for the OpenCL backend in a build without it.
#include "device/device_impl.h"

static bool start(smr_context *context, void **state, struct smr_string *absent)
{
    smr_string_printf(absent, "this build has no OpenCL (option -Dopencl, headers of opencl)");
    return !absent->failed;
}

const struct smr_backend_impl smr_backend_opencl = {
    .name = "opencl",
    .backend = SMR_BACKEND_OPENCL,
    .start = start,
};
