// host.c - the processor's name and the memory, from Linux's /proc where there is one (proc(5)).
#include "device/host.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

// The value of a line "KEY<blanks>: VALUE" of /proc/cpuinfo. False when `line` is another one.
static bool field(const char *line, const char *key, char *value, size_t size)
{
    size_t length = strlen(key);
    if (strncmp(line, key, length) != 0)
        return false;
    const char *colon = line + length + strspn(line + length, " \t");
    if (*colon != ':')
        return false;
    const char *text = colon + 1 + strspn(colon + 1, " \t");
    snprintf(value, size, "%.*s", (int)strcspn(text, "\n"), text);
    return true;
}

void smr_host_cpu(char *name, size_t name_size, char *vendor, size_t vendor_size)
{
    char line[512];
    name[0] = vendor[0] = 0;
    FILE *file = fopen("/proc/cpuinfo", "r");
    // An empty line ends the first processor; the others repeat it.
    while (file && fgets(line, sizeof line, file) && line[0] != '\n') {
        field(line, "model name", name, name_size);
        field(line, "vendor_id", vendor, vendor_size);
    }
    if (file)
        fclose(file);

    if (!strcmp(vendor, "AuthenticAMD"))
        snprintf(vendor, vendor_size, "AMD");
    else if (!strcmp(vendor, "GenuineIntel"))
        snprintf(vendor, vendor_size, "Intel");
    struct utsname system;
    if (!name[0])
        snprintf(name, name_size, "%s processor", uname(&system) < 0 ? "a" : system.machine);
}

void smr_host_memory(uint64_t *total, uint64_t *available)
{
    char line[128];
    bool known = false;
    *total = 0;
    FILE *file = fopen("/proc/meminfo", "r");
    while (file && !known && fgets(line, sizeof line, file)) {
        sscanf(line, "MemTotal: %" SCNu64, total);
        known = sscanf(line, "MemAvailable: %" SCNu64, available) == 1;
    }
    if (file)
        fclose(file);
    *total *= 1024; // kB
    if (known)
        *available *= 1024;
#ifdef _SC_PHYS_PAGES
    if (!*total) {
        long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
        *total = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
    }
#endif
    if (!*total)
        *total = SIZE_MAX / 2;
    if (!known)
        *available = *total;
}
