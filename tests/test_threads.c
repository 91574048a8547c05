// test_threads.c - how many processors are ours, and that devices made of them keep to the number of
// threads that was asked for.
#include "device_fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/context.h"
#include "device/threads.h"

// ---- a machine that is made up -----------------------------------------------------------------

static void write_at(const struct test_folder *root, const char *path, const char *text)
{
    char name[512];
    snprintf(name, sizeof name, "%s%s", root->path, path);
    for (char *slash = strchr(name + strlen(root->path) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(name, 0700);
        *slash = '/';
    }
    test_write_file(name, text, strlen(text));
}

static void remove_path(const char *path)
{
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        char inner[1024];
        snprintf(inner, sizeof inner, "%.700s/%s", path, entry->d_name);
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            remove_path(inner);
    }
    if (folder)
        closedir(folder);
    assert_int_equal(remove(path), 0);
}

static void remove_root(const struct test_folder *root)
{
    remove_path(root->path);
}

static void write_allowed(const struct test_folder *root, const char *list)
{
    char text[128];
    snprintf(text, sizeof text, "Name:\tsamara\nCpus_allowed:\tff\nCpus_allowed_list:\t%s\n", list);
    write_at(root, "/proc/thread-self/status", text);
}

// Eight cores of two hardware threads each: 0 and 8, 1 and 9...
static void make_machine(struct test_folder *root)
{
    test_folder_make(root);
    for (int i = 0; i < 16; i++) {
        char path[128], siblings[32];
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list",
                 i);
        snprintf(siblings, sizeof siblings, "%d,%d\n", i % 8, i % 8 + 8);
        write_at(root, path, siblings);
    }
}

static void test_cores(void **state)
{
    static const struct {
        const char *allowed;
        uint32_t n;
    } cases[] = {
        {"0-15", 8},       {"0-7", 8},
        {"8-15", 8},       {"3", 1},
        {"11", 1},         {"0,8,9", 2},
        {"0-1,8-9,15", 3}, {"0-15,20-21", 10}, // 20: no file says
        {"7-8", 2},        {"0-9999", 8 + 4096 - 16},
    };
    struct test_folder root;
    make_machine(&root);
    for (size_t i = 0; i < SMR_COUNT(cases); i++) {
        write_allowed(&root, cases[i].allowed);
        assert_int_equal(smr_host_cores(root.path), cases[i].n);
    }
    write_at(&root, "/sys/devices/system/cpu/smt/active", "0\n"); // what is off has no siblings
    write_allowed(&root, "0-15");
    assert_int_equal(smr_host_cores(root.path), 16);
    remove_root(&root);
}

// Version 2 of control groups: the least of our group and those around it, rounded up.
static void test_quota(void **state)
{
    struct test_folder root;
    make_machine(&root);
    write_allowed(&root, "0-15");
    write_at(&root, "/sys/fs/cgroup/cgroup.controllers", "cpu memory\n");
    write_at(&root, "/proc/self/cgroup", "0::/box/inner\n");
    assert_int_equal(smr_host_cores(root.path), 8);
    write_at(&root, "/sys/fs/cgroup/box/inner/cpu.max", "max 100000\n");
    assert_int_equal(smr_host_cores(root.path), 8);
    write_at(&root, "/sys/fs/cgroup/box/inner/cpu.max", "450000 100000\n");
    assert_int_equal(smr_host_cores(root.path), 5);
    write_at(&root, "/sys/fs/cgroup/box/cpu.max", "150000 50000\n");
    assert_int_equal(smr_host_cores(root.path), 3);
    write_at(&root, "/sys/fs/cgroup/cpu.max", "1000 100000\n"); // in a container
    assert_int_equal(smr_host_cores(root.path), 1);
    write_at(&root, "/sys/fs/cgroup/cpu.max", "nonsense\n");
    assert_int_equal(smr_host_cores(root.path), 3);
    remove_root(&root);
}

static void test_quota_of_version_1(void **state)
{
    struct test_folder root;
    make_machine(&root);
    write_allowed(&root, "0-15");
    write_at(&root, "/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    write_at(&root, "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    assert_int_equal(smr_host_cores(root.path), 8);
    write_at(&root, "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "250000\n");
    assert_int_equal(smr_host_cores(root.path), 3);
    remove_root(&root);
}

static void test_affinity(void **state)
{
    uint32_t all = smr_host_cores("");
    assert_in_range(all, 1, 1 << 16);
    struct smr_affinity before;
    smr_affinity_narrow(&before, 1);
    assert_int_equal(smr_host_cores(""), 1);
    smr_affinity_restore(&before);
    assert_int_equal(smr_host_cores(""), all);
    smr_affinity_narrow(&before, 0);
    assert_int_equal(smr_host_cores(""), all);
    smr_affinity_restore(&before);
}

// ---- the devices of this machine ----------------------------------------------------------------

enum { MOST_THREADS = 256, WORDS = 1 << 16 };

struct task {
    char id[32];
    unsigned long ticks; // of processor time
};

static size_t list_tasks(struct task tasks[MOST_THREADS])
{
    size_t n = 0;
    DIR *folder = opendir("/proc/self/task");
    for (struct dirent *entry; folder && (entry = readdir(folder)) && n < MOST_THREADS;) {
        char path[320], line[512] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/stat", entry->d_name);
        FILE *file = fopen(path, "r");
        if (entry->d_name[0] != '.' && file && fgets(line, sizeof line, file)) {
            unsigned long user = 0, system = 0; // fields 14 and 15, proc(5); the name ends with ')'
            const char *rest = strrchr(line, ')');
            if (rest && sscanf(rest, ") %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %lu %lu", &user,
                               &system) == 2) {
                snprintf(tasks[n].id, sizeof tasks[n].id, "%.31s", entry->d_name);
                tasks[n++].ticks = user + system;
            }
        }
        if (file)
            fclose(file);
    }
    if (folder)
        closedir(folder);
    return n;
}

// Threads that did a good part of what was done since `before`.
static int count_busy(const struct task *before, size_t n_before)
{
    struct task now[MOST_THREADS];
    size_t n = list_tasks(now);
    unsigned long total = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n_before; k++)
            if (!strcmp(before[k].id, now[i].id))
                now[i].ticks -= before[k].ticks;
        total += now[i].ticks;
    }
    int busy = 0;
    for (size_t i = 0; i < n; i++)
        busy += now[i].ticks * 6 > total;
    return total >= 10 ? busy : 0;
}

// In a process of its own, because some drivers count processors only once: how many threads
// compute for half a second on a device whose driver has that in its name. 0: there is none;
// negative: failed.
static int threads_used(const char *id, const char *driver, uint32_t n_threads)
{
    struct fixture f = {
        .context = smr_context_create(&(struct smr_context_params){.n_threads = n_threads})};
    if (!f.context)
        return -1;
    f.device = smr_device_open(f.context, id);
    if (!f.device || !strstr(smr_device_get_info(f.device)->driver, driver))
        return 0;
    smr_kernel *kernel = make_kernel(&f, 3);
    smr_buffer *from = make_buffer(&f, WORDS * 4, SMR_MEMORY_DEVICE);
    smr_buffer *to = make_buffer(&f, WORDS * 4, SMR_MEMORY_DEVICE);
    smr_list *list = make_list(&f);
    struct push push = {WORDS, 5};
    struct smr_args args = {.bindings = {{from, 0, WORDS * 4}, {to, 0, WORDS * 4}},
                            .push = &push,
                            .groups = {64, 1, 1}};
    for (int i = 0; i < 20; i++)
        smr_list_dispatch(list, kernel, &args);
    run_list(&f, list);
    struct task tasks[MOST_THREADS];
    size_t n_tasks = list_tasks(tasks);
    for (uint64_t start = smr_time_ns(); smr_time_ns() - start < 500000000;)
        if (!smr_device_submit(f.device, list) || !smr_device_wait(f.device))
            return -2;
    int busy = count_busy(tasks, n_tasks);
    uint32_t said = smr_device_get_info(f.device)->n_threads;
    fprintf(stderr, "# %s: %u threads wanted, says %u, %d used\n", id, n_threads, said, busy);
    return said && said < (uint32_t)busy ? -3 : busy;
}

static int in_child(const char *id, const char *driver, uint32_t n_threads)
{
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child)
        _exit(threads_used(id, driver, n_threads));
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return (int8_t)WEXITSTATUS(status);
}

static void check_device(const char *id, const char *driver)
{
    int one = in_child(id, driver, 1);
    if (!one) {
        skip_test("no such device");
        return;
    }
    assert_int_equal(one, 1);
    int two = smr_host_cores("") > 1 ? 0 : 2;
    for (int i = 0; i < 3 && two != 2; i++) // a busy machine may let one of them starve
        two = in_child(id, driver, 2);
    assert_int_equal(two, 2);
    assert_true(in_child(id, driver, 0) >= 1);
}

static void test_opencl(void **state)
{
    check_device("opencl", "Portable Computing Language");
}

static void test_vulkan(void **state)
{
    check_device("vulkan", "llvmpipe"); // SwiftShader pins its threads anew;
}

static void test_reference(void **state)
{
    assert_int_equal(in_child("reference", "samara", 2), 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cores),
        cmocka_unit_test(test_quota),
        cmocka_unit_test(test_quota_of_version_1),
        cmocka_unit_test(test_affinity),
        cmocka_unit_test(test_opencl),
        cmocka_unit_test(test_vulkan),
        cmocka_unit_test(test_reference),
    };
    return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
