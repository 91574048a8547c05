// threads.c - processors, counted from Linux's /proc and /sys where there are those: proc(5),
// cgroups(7), and the kernel's Documentation/admin-guide/cputopology.rst and cgroup-v2.rst.
#if defined(__linux__)
#define _GNU_SOURCE // NOLINT(bugprone-reserved-identifier): for sched_setaffinity()
#endif
#include "device/threads.h"

#include "base/context.h"

#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_PATH = 1024, BITS = sizeof(unsigned long) * CHAR_BIT };

static bool has(const struct smr_affinity *set, uint32_t i)
{
    return set->bits[i / BITS] >> i % BITS & 1;
}

static void add(struct smr_affinity *set, uint32_t i)
{
    set->bits[i / BITS] |= 1ul << i % BITS;
}

static uint32_t count(const struct smr_affinity *set)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < SMR_MOST_PROCESSORS; i++)
        n += has(set, i);
    return n;
}

// ---- files ------------------------------------------------------------------------------------

// The first line of ROOT/PATH that begins with `key`, without it and without the newline.
static bool read_line(const char *root, const char *path, const char *key, char *line, size_t size)
{
    char name[MOST_PATH];
    if (snprintf(name, sizeof name, "%s%s", root, path) >= (int)sizeof name)
        return false;
    FILE *file = fopen(name, "r");
    bool found = false;
    size_t length = strlen(key);
    while (file && !found && fgets(line, (int)size, file))
        found = !strncmp(line, key, length);
    if (file)
        fclose(file);
    if (!found)
        return false;
    memmove(line, line + length, strlen(line + length) + 1);
    line[strcspn(line, "\n")] = 0;
    return true;
}

// "0-3,8": numbers and ranges.
static void parse_list(const char *text, struct smr_affinity *set)
{
    *set = (struct smr_affinity){.narrowed = false};
    text += strspn(text, " \t");
    while (*text >= '0' && *text <= '9') {
        char *end;
        unsigned long first = strtoul(text, &end, 10), last = first;
        if (*end == '-')
            last = strtoul(end + 1, &end, 10);
        for (unsigned long i = first; i <= last && i < SMR_MOST_PROCESSORS; i++)
            add(set, (uint32_t)i);
        text = end + (*end == ',');
    }
}

// ---- cores ------------------------------------------------------------------------------------

// Where the calling thread may run. False where the system does not tell.
static bool read_allowed(const char *root, struct smr_affinity *allowed)
{
    char line[MOST_PATH];
    if (!read_line(root, "/proc/thread-self/status", "Cpus_allowed_list:", line, sizeof line))
        return false;
    parse_list(line, allowed);
    return count(allowed);
}

// Of each core, the first processor that is allowed.
static void choose_cores(const char *root, const struct smr_affinity *allowed,
                         struct smr_affinity *cores)
{
    char line[MOST_PATH], path[MOST_PATH];
    *cores = *allowed;
    if (read_line(root, "/sys/devices/system/cpu/smt/active", "", line, sizeof line) &&
        !strcmp(line, "0"))
        return; // one processor each
    *cores = (struct smr_affinity){.narrowed = false};
    for (uint32_t i = 0; i < SMR_MOST_PROCESSORS; i++) {
        if (!has(allowed, i))
            continue;
        struct smr_affinity siblings;
        snprintf(path, sizeof path,
                 "/sys/devices/system/cpu/cpu%" PRIu32 "/topology/thread_siblings_list", i);
        bool first = true;
        if (read_line(root, path, "", line, sizeof line)) {
            parse_list(line, &siblings);
            for (uint32_t other = 0; other < i && first; other++)
                first = !has(&siblings, other) || !has(allowed, other);
        }
        if (first)
            add(cores, i);
    }
}

// ---- control groups ---------------------------------------------------------------------------

// Processors' worth of time that the group in `folder` gets, rounded up; UINT32_MAX: all.
static uint32_t group_quota(const char *root, const char *folder)
{
    char path[MOST_PATH], line[128];
    uint64_t quota = 0, period = 0;
    snprintf(path, sizeof path, "%.900s/cpu.max", folder); // version 2: "150000 100000", "max ..."
    if (read_line(root, path, "", line, sizeof line)) {
        if (sscanf(line, "%" SCNu64 " %" SCNu64, &quota, &period) != 2)
            return UINT32_MAX;
    } else {
        snprintf(path, sizeof path, "%.900s/cpu.cfs_quota_us", folder); // version 1: -1 for all
        if (!read_line(root, path, "", line, sizeof line) || line[0] == '-')
            return UINT32_MAX;
        quota = strtoull(line, NULL, 10);
        snprintf(path, sizeof path, "%.900s/cpu.cfs_period_us", folder);
        if (read_line(root, path, "", line, sizeof line))
            period = strtoull(line, NULL, 10);
    }
    if (!quota || !period)
        return UINT32_MAX;
    uint64_t n = quota / period + (quota % period != 0);
    return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

// The same, of our group and of those it is in. Inside a container the path may be the host's: then
// only the topmost folder, which is ours, is there.
static uint32_t read_quota(const char *root)
{
    char line[MOST_PATH], folder[MOST_PATH];
    const char *top = "/sys/fs/cgroup";
    const char *path = line;
    if (read_line(root, "/sys/fs/cgroup/cgroup.controllers", "", folder, sizeof folder)) {
        if (!read_line(root, "/proc/self/cgroup", "0::", line, sizeof line))
            line[0] = 0;
    } else {
        top = "/sys/fs/cgroup/cpu";
        line[0] = 0; // groups below are rare, and the line to look for has a number before it
    }
    snprintf(folder, sizeof folder, "%s%.900s", top, path);
    uint32_t n = UINT32_MAX;
    for (;;) {
        n = smr_min_u32(n, group_quota(root, folder));
        char *slash = strrchr(folder, '/');
        if (!slash || (size_t)(slash - folder) < strlen(top))
            return n;
        *slash = 0;
    }
}

uint32_t smr_host_cores(const char *root)
{
    struct smr_affinity allowed, cores;
    uint32_t n;
    if (read_allowed(root, &allowed)) {
        choose_cores(root, &allowed, &cores);
        n = count(&cores);
    } else {
        long online = sysconf(_SC_NPROCESSORS_ONLN);
        n = online < 1 ? 1 : (uint32_t)online;
    }
    return smr_max_u32(1, smr_min_u32(n, read_quota(root)));
}

uint32_t smr_host_threads(const smr_context *context)
{
    return context->params.n_threads ? context->params.n_threads : smr_host_cores("");
}

// ---- affinity ---------------------------------------------------------------------------------

#if defined(__linux__)
static bool set_affinity(const struct smr_affinity *set)
{
    return !sched_setaffinity(0, sizeof set->bits, (const cpu_set_t *)set->bits);
}
#else
static bool set_affinity(const struct smr_affinity *set)
{
    return false;
}
#endif

void smr_affinity_narrow(struct smr_affinity *before, uint32_t n)
{
    struct smr_affinity cores, narrow = {.narrowed = false};
    bool known = read_allowed("", before);
    before->narrowed = false;
    if (!n || !known || n >= count(before))
        return;
    choose_cores("", before, &cores);
    const struct smr_affinity *from = n <= count(&cores) ? &cores : before;
    for (uint32_t i = 0; i < SMR_MOST_PROCESSORS && n; i++)
        if (has(from, i)) {
            add(&narrow, i);
            n--;
        }
    before->narrowed = set_affinity(&narrow);
}

void smr_affinity_restore(const struct smr_affinity *before)
{
    if (before->narrowed)
        set_affinity(before);
}
