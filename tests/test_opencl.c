// test_opencl.c - what the OpenCL backend makes of drivers that are not here: a clGetDeviceInfo() that
// is made up; and which programs it keeps, of a driver that is.
#include "device_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/opencl/cl.h"
#include "kernel/kernel.h"

// ---- a driver that is made up -------------------------------------------------------------------

struct answer {
    cl_device_info what;
    size_t size;
    uint8_t bytes[32];
};

// A "device id" is a pointer to one of these.
struct driver {
    const char *extensions;
    struct answer answers[4];
};

static cl_int CL_API_CALL get_info(cl_device_id id, cl_device_info what, size_t size, void *value,
                                   size_t *needed)
{
    const struct driver *driver = (const struct driver *)id;
    const void *from = NULL;
    size_t length = 0;
    if (what == CL_DEVICE_EXTENSIONS) {
        from = driver->extensions;
        length = strlen(driver->extensions) + 1;
    }
    for (size_t i = 0; i < SMR_COUNT(driver->answers) && !from; i++)
        if (driver->answers[i].size && driver->answers[i].what == what) {
            from = driver->answers[i].bytes;
            length = driver->answers[i].size;
        }
    if (!from || (value && size < length))
        return CL_INVALID_VALUE;
    if (value)
        memcpy(value, from, length);
    if (needed)
        *needed = length;
    return CL_SUCCESS;
}

static const struct smr_cl_table table = {.clGetDeviceInfo = get_info};

// ---- tests --------------------------------------------------------------------------------------

static void test_extensions(void **state)
{
    struct driver driver = {.extensions = "cl_khr_fp64  cl_khr_subgroups_x cl_khr_subgroups "};
    cl_device_id id = (cl_device_id)&driver;
    assert_true(smr_cl_has_extension(&table, id, "cl_khr_fp64"));
    assert_true(smr_cl_has_extension(&table, id, "cl_khr_subgroups"));
    assert_false(smr_cl_has_extension(&table, id, "cl_khr_subgroup"));
    assert_false(smr_cl_has_extension(&table, id, "khr_fp64"));
    driver.extensions = "";
    assert_false(smr_cl_has_extension(&table, id, "cl_khr_fp64"));
}

static struct smr_identity identity_of(const struct driver *driver)
{
    struct smr_identity identity = {0};
    smr_cl_identify(&table, (cl_device_id)driver, &identity);
    return identity;
}

static void check_place(const struct driver *driver, const struct smr_pci_address *expected)
{
    struct smr_identity identity = identity_of(driver);
    assert_true(identity.has_pci && !identity.has_uuid);
    assert_memory_equal(&identity.pci, expected, sizeof *expected);
}

static void test_identity(void **state)
{
    const struct driver nothing = {"cl_khr_fp64", {{0x106A, 16, {1}}, {0x410F, 16, {1}}}};
    assert_false(identity_of(&nothing).has_uuid || identity_of(&nothing).has_pci);

    const struct driver uuid = {"cl_khr_device_uuid", {{0x106A, 16, {1, 2, [15] = 3}}}};
    const uint8_t expected[16] = {1, 2, [15] = 3};
    assert_true(identity_of(&uuid).has_uuid);
    assert_memory_equal(identity_of(&uuid).uuid, expected, sizeof expected);
    const struct driver zero = {"cl_khr_device_uuid", {{0x106A, 16, {0}}}};
    assert_false(identity_of(&zero).has_uuid);

    // Numbers as the drivers' own extensions write them.
    const struct driver khronos = {"cl_khr_pci_bus_info",
                                   {{0x410F, 16, {1, 0, 0, 0, 0x65, 0, 0, 0, 2, 0, 0, 0, 3}}}};
    check_place(&khronos, &(struct smr_pci_address){1, 0x65, 2, 3});
    const struct driver nvidia = {
        "cl_nv_device_attribute_query",
        {{0x4008, 4, {0x65}}, {0x4009, 4, {2 << 3 | 3}}, {0x400A, 4, {1}}}};
    check_place(&nvidia, &(struct smr_pci_address){1, 0x65, 2, 3});
    const struct driver amd = {"cl_amd_device_attribute_query",
                               {{0x4037, 24, {1, [21] = 0xc1, [22] = 2, [23] = 3}}}};
    check_place(&amd, &(struct smr_pci_address){UINT32_MAX, 0xc1, 2, 3});
}

static void check_subgroups(const struct driver *driver, const char *language, uint32_t least,
                            uint32_t most)
{
    struct smr_limits limits = {.max_invocations = 256};
    const char *found = smr_cl_find_subgroups(&table, (cl_device_id)driver, &limits);
    assert_int_equal(!found, !language);
    if (language)
        assert_string_equal(found, language);
    assert_int_equal(limits.min_subgroup_size, least);
    assert_int_equal(limits.max_subgroup_size, most);
    assert_true(limits.subgroup_size >= least && limits.subgroup_size <= most);
}

static void test_subgroups(void **state)
{
    const struct driver old = {"cl_khr_subgroups cl_khr_subgroup_shuffle",
                               {{CL_DEVICE_VERSION, 12, "OpenCL 1.2 "}}};
    check_subgroups(&old, NULL, 0, 0);
    const struct driver no_shuffle = {"cl_khr_subgroups", {{CL_DEVICE_VERSION, 12, "OpenCL 3.0 "}}};
    check_subgroups(&no_shuffle, NULL, 0, 0);
    const struct driver unknown = {"cl_khr_subgroup_shuffle cl_khr_subgroups",
                                   {{CL_DEVICE_VERSION, 12, "OpenCL 3.0 "}}};
    check_subgroups(&unknown, "CL3.0", 1, 256);
    const struct driver intel = {
        "cl_khr_subgroups cl_intel_subgroups cl_intel_required_subgroup_size",
        {{CL_DEVICE_VERSION, 12, "OpenCL 2.1 "}, {0x4108, 24, {16, [8] = 8, [16] = 32}}}};
    check_subgroups(&intel, "CL2.0", 8, 32);
    const struct driver amd = {
        "cl_khr_subgroups cl_khr_subgroup_shuffle cl_amd_device_attribute_query",
        {{CL_DEVICE_VERSION, 12, "OpenCL 2.0 "}, {0x4043, 4, {64}}}};
    check_subgroups(&amd, "CL2.0", 64, 64);
}

static void test_byte_dots(void **state)
{
    static const char has[] = "cl_khr_integer_dot_product";
    const struct driver fast = {
        has,
        {{CL_DEVICE_VERSION, 12, "OpenCL 3.0 "}, {0x1073, 8, {1}}, {0x1075, 24, {1, [4] = 1}}}};
    struct driver slow = fast, other = fast, old = fast, none = fast;
    slow.answers[2].bytes[0] = 0;
    other.answers[1].bytes[0] = 2;
    old.answers[0].bytes[7] = '2';
    none.extensions = "";
    assert_true(smr_cl_has_byte_dots(&table, (cl_device_id)&fast));
    assert_false(smr_cl_has_byte_dots(&table, (cl_device_id)&slow));
    assert_false(smr_cl_has_byte_dots(&table, (cl_device_id)&other));
    assert_false(smr_cl_has_byte_dots(&table, (cl_device_id)&old));
    assert_false(smr_cl_has_byte_dots(&table, (cl_device_id)&none));
}

// Lists that the driver keeps, where there is one that can: many launches each after the last, twice.
static void test_recording(void **state)
{
    enum { N = 1000, N_LAUNCHES = 41 };
    struct fixture f = {.context = smr_context_create(NULL)};
    f.device = smr_device_open(f.context, "opencl");
    if (!f.device || !smr_cl_device(f.device)->recorder.create) {
        skip_test("no OpenCL device with cl_khr_command_buffer 0.9");
        smr_device_close(f.device);
        smr_context_destroy(f.context);
        return;
    }
    smr_cl_device(f.device)->records = true;
    uint32_t *in = test_words(N, 3), out[N];
    smr_buffer *buffers[2] = {make_buffer(&f, N * 4, SMR_MEMORY_DEVICE),
                              make_buffer(&f, N * 4, SMR_MEMORY_DEVICE)};
    smr_kernel *kernel = make_kernel(&f, 7);
    smr_list *list = make_list(&f);
    assert_true(smr_buffer_write(buffers[0], 0, in, N * 4));
    for (uint32_t i = 0; i < N_LAUNCHES; i++)
        record_scale(list, kernel, buffers[i % 2], 0, buffers[(i + 1) % 2], 0, N, 3 + i);
    record_scale(list, kernel, buffers[1], 0, buffers[0], 0, N, 1);
    assert_true(smr_list_end(list));
    for (int i = 0; i < 2; i++)
        assert_true(smr_device_submit(f.device, list));
    assert_true(smr_buffer_read(buffers[0], 0, out, sizeof out));
    for (uint32_t i = 0; i < N; i++) {
        for (uint32_t k = 0; k < 2 * (N_LAUNCHES + 1); k++) {
            uint32_t at = k % (N_LAUNCHES + 1);
            in[i] = in[i] * (at < N_LAUNCHES ? 3 + at : 1) + 7;
        }
        assert_int_equal(out[i], in[i]);
    }
    smr_list_destroy(list);
    smr_kernel_destroy(kernel);
    smr_buffer_destroy(buffers[0]);
    smr_buffer_destroy(buffers[1]);
    smr_device_close(f.device);
    smr_context_destroy(f.context);
    free(in);
}

// ---- kept programs ------------------------------------------------------------------------------

struct programs {
    uint32_t n_compiled, n_kept, n_right;
};

static void count_programs(void *user, enum smr_log_level level, const char *text)
{
    struct programs *programs = user;
    programs->n_compiled += strstr(text, ": compiled, in") != NULL;
    programs->n_kept += strstr(text, ": kept") != NULL;
    programs->n_right += strstr(text, ", tried in") != NULL;
}

// Start anew, and build kernels, each on trial. False where kernels are no functions.
static bool build_functions(const char *cache, const enum smr_kernel_id *ids, size_t n,
                            struct programs *programs)
{
    const struct smr_context_params params = {
        .log = count_programs, .log_level = SMR_LOG_DEBUG, .cache_dir = cache, .user = programs};
    *programs = (struct programs){0};
    smr_context *context = smr_context_create(&params);
    smr_device *device = smr_device_open(context, "opencl");
    const bool functions = device && smr_cl_device(device)->functions;
    struct smr_kernel_set *set =
        functions ? smr_kernel_set_create(device, SMR_KERNELS_TUNED) : NULL;
    for (size_t i = 0; set && i < n; i++) {
        union smr_push push = {.reduce = {1000, 1, 1000}};
        struct smr_kernel_key key;
        if (ids[i] == SMR_KERNEL_ACTIVATE)
            push.activate = (struct smr_activate_push){100, 1, 100, 100, 100, 0, 0, 0};
        if (ids[i] == SMR_KERNEL_NORM)
            push.norm = (struct smr_norm_push){64, 1, 1, 64, 64, 0, 1e-5f};
        assert_true(smr_kernel_choose(set, ids[i], SMR_F32, &push, &key));
        assert_true(smr_kernel_set_request(set, &key, &push));
    }
    if (set) {
        assert_true(smr_kernel_set_build(set, NULL, NULL));
        assert_int_equal(smr_kernel_set_n_rejected(set), 0);
    }
    smr_kernel_set_destroy(set);
    smr_device_close(device);
    smr_context_destroy(context);
    return functions;
}

// A start that wants other kernels together than those before it compiles only what none had.
static void test_kept_programs(void **state)
{
    static const enum smr_kernel_id ids[] = {SMR_KERNEL_NORM, SMR_KERNEL_ACTIVATE,
                                             SMR_KERNEL_REDUCE};
    struct test_folder cache;
    struct programs programs;
    test_folder_make(&cache);
    if (!build_functions(cache.path, &ids[0], 1, &programs)) {
        print_message("# skipped: no OpenCL device whose kernels are functions\n");
        test_folder_remove(&cache);
        return;
    }
    assert_int_equal(programs.n_compiled, 1);
    assert_int_equal(programs.n_right, 1);
    build_functions(cache.path, &ids[1], 2, &programs);
    assert_int_equal(programs.n_compiled, 1);
    assert_int_equal(programs.n_right, 2);
    build_functions(cache.path, &ids[0], 2, &programs);
    assert_int_equal(programs.n_compiled, 0);
    assert_int_equal(programs.n_kept, 2);
    build_functions(cache.path, ids, 3, &programs);
    assert_int_equal(programs.n_compiled, 0);
    assert_int_equal(programs.n_kept, 2);
    test_folder_remove(&cache);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_extensions), cmocka_unit_test(test_identity),
        cmocka_unit_test(test_subgroups),  cmocka_unit_test(test_byte_dots),
        cmocka_unit_test(test_recording),  cmocka_unit_test(test_kept_programs),
    };
    return cmocka_run_group_tests_name("opencl", tests, NULL, NULL);
}
