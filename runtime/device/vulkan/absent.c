// absent.c - stands for the Vulkan backend in a build without it.
#include "device/device_impl.h"

static bool start(smr_context *context, void **state, struct smr_string *absent)
{
    smr_string_printf(absent,
                      "this build has no Vulkan (option -Dvulkan, headers of vulkan and volk)");
    return !absent->failed;
}

const struct smr_backend_impl smr_backend_vulkan = {
    .name = "vulkan",
    .backend = SMR_BACKEND_VULKAN,
    .start = start,
};
