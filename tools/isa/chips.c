// chips.c - GPUs that Mesa's drivers compile for without having them.
//
// RADV makes any chip of a null device when RADV_FORCE_FAMILY names it. ANV has no such thing, so a
// library that is loaded before it answers for the kernel: drm_shim_i915.c.
#include "isa.h"
#include "terminal.h"

#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct chip chips[] = {
    {"vega10", "Radeon RX Vega 64, GCN 5", ISA_AMD}, {"navi21", "Radeon RX 6800, RDNA 2", ISA_AMD},
    {"navi31", "Radeon RX 7900, RDNA 3", ISA_AMD},   {"gfx1201", "Radeon RX 9070, RDNA 4", ISA_AMD},
    {"tgl", "Iris Xe, Tiger Lake", ISA_INTEL},       {"dg2", "Arc A770, Alchemist", ISA_INTEL},
    {"bmg", "Arc B580, Battlemage", ISA_INTEL},
};
_Static_assert(SMR_COUNT(chips) == N_CHIPS, "the table of chips");

const struct chip *chip_find(const char *name)
{
    for (size_t i = 0; i < N_CHIPS; i++)
        if (!strcmp(chips[i].name, name))
            return &chips[i];
    return NULL;
}

// The first file that matches DRIVERS/PATTERN.
static bool find_file(const char *drivers, const char *pattern, char path[PATH_MAX])
{
    char whole[PATH_MAX];
    glob_t found;
    bool done = false;
    snprintf(whole, sizeof whole, "%s/%s", drivers, pattern);
    if (!glob(whole, 0, NULL, &found) && found.gl_pathc)
        done = (size_t)snprintf(path, PATH_MAX, "%s", found.gl_pathv[0]) < PATH_MAX;
    globfree(&found);
    return done;
}

// A file beside this program.
static bool find_beside(const char *name, char path[PATH_MAX])
{
    ssize_t size = readlink("/proc/self/exe", path, PATH_MAX - 1);
    if (size <= 0)
        return false;
    path[size] = 0;
    char *slash = strrchr(path, '/');
    const size_t used = slash ? (size_t)(slash + 1 - path) : 0;
    return slash && (size_t)snprintf(path + used, PATH_MAX - used, "%s", name) < PATH_MAX - used &&
           !access(path, R_OK);
}

// Libraries that came with the driver go before the system's.
static void prefer_libraries(const char *drivers, const char *library)
{
    char path[PATH_MAX];
    if (!find_file(drivers, library, path))
        return;
    *strrchr(path, '/') = 0;
    if (strcmp(drivers, "/") != 0)
        setenv("LD_LIBRARY_PATH", path, 1);
}

bool chip_pretend(const struct chip *chip, const char *drivers)
{
    char path[PATH_MAX];
    const bool amd = chip->isa == ISA_AMD;
    if (!find_file(drivers,
                   amd ? "usr/share/vulkan/icd.d/radeon_icd*.json"
                       : "usr/share/vulkan/icd.d/intel_icd*.json",
                   path)) {
        complain("isa", "there are no Vulkan drivers of Mesa in %s: run tools/isa/get-drivers",
                 drivers);
        return false;
    }
    setenv("VK_ICD_FILENAMES", path, 1);
    setenv("MESA_SHADER_CACHE_DISABLE", "true", 1);
    setenv("MESA_VK_IGNORE_CONFORMANCE_WARNING", "true", 1);
    if (amd) {
        prefer_libraries(drivers, "usr/lib/*/libvulkan_radeon.so");
        setenv("RADV_FORCE_FAMILY", chip->name, 1);
        return true;
    }
    prefer_libraries(drivers, "usr/lib/*/libvulkan_intel.so");
    if (!find_beside("libdrm_shim_i915.so", path)) {
        complain("isa",
                 "libdrm_shim_i915.so is not beside this program: it is built on 64-bit Linux "
                 "with libdrm-dev");
        return false;
    }
    setenv("LD_PRELOAD", path, 1);
    setenv("SHIM_I915", chip->name, 1);
    return true;
}
