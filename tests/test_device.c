// test_device.c - devices: listing, selection, several at once; and the tests of device_*.c on every
// device that is here.
#include "device_fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- what a device says of itself -------------------------------------------------------------

static void test_limits(void **state)
{
    struct fixture *f = *state;
    const struct smr_limits *limits = smr_device_limits(f->device);
    const struct smr_device_info *info = smr_device_get_info(f->device);
    assert_string_equal(info->id, f->id);
    assert_true(info->usable && info->name[0] && info->driver[0]);
    assert_true(info->memory > 0 && info->memory_free <= info->memory);
    assert_true(strlen(smr_device_fingerprint(f->device)) > 8);
    assert_true(limits->max_buffer_size >= 1 << 27 && limits->max_binding_size >= 1 << 27);
    assert_true(limits->binding_alignment >= 16);
    assert_int_equal(limits->binding_alignment & (limits->binding_alignment - 1), 0);
    assert_true(limits->max_invocations >= 128 && limits->max_shared_size >= 16384);
    assert_true(limits->min_subgroup_size <= limits->subgroup_size);
    assert_true(limits->subgroup_size <= limits->max_subgroup_size);
    for (int i = 0; i < 3; i++)
        assert_true(limits->max_workgroups[i] >= 65535);
}

// ---- without a device of its own --------------------------------------------------------------

static void test_hazards(void **state)
{
    smr_context *context = smr_context_create(NULL);
    struct smr_hazards hazards = {0};
    int x, y;
    const struct smr_range read = {&x, 100, 200, false}, write = {&x, 300, 400, true};
    assert_false(smr_hazards_conflict(&hazards, &write));
    assert_true(smr_hazards_add(&hazards, context, &read));
    assert_true(smr_hazards_add(&hazards, context, &write));
    static const struct {
        uint64_t begin, end;
        bool written, conflict;
    } cases[] = {
        {0, 100, true, false},   {0, 101, true, true},     {199, 300, true, true},
        {200, 300, true, false}, {120, 130, false, false}, {0, 300, false, false},
        {0, 301, false, true},   {399, 500, false, true},  {400, 500, false, false},
        {300, 400, true, true},  {0, 1000, true, true},
    };
    for (size_t i = 0; i < SMR_COUNT(cases); i++) {
        struct smr_range range = {&x, cases[i].begin, cases[i].end, cases[i].written};
        assert_int_equal(smr_hazards_conflict(&hazards, &range), cases[i].conflict);
        range.buffer = &y;
        assert_false(smr_hazards_conflict(&hazards, &range));
    }
    for (uint64_t i = 0; i < 100; i++) // grows
        assert_true(
            smr_hazards_add(&hazards, context, &(struct smr_range){&y, 10 * i, 10 * i + 5, true}));
    assert_true(smr_hazards_conflict(&hazards, &(struct smr_range){&y, 994, 995, false}));
    assert_false(smr_hazards_conflict(&hazards, &(struct smr_range){&y, 995, 1000, true}));
    smr_hazards_clear(&hazards);
    assert_false(smr_hazards_conflict(&hazards, &write));
    smr_hazards_finish(&hazards, context);
    smr_context_destroy(context);
}

enum { MOST_DEVICES = 16 };

static void test_listing(void **state)
{
    smr_context *context = smr_context_create(NULL);
    struct smr_device_info infos[MOST_DEVICES], one;
    const char *absent = NULL;
    size_t n = smr_devices(context, infos, MOST_DEVICES, &absent);
    assert_in_range(n, 1, MOST_DEVICES);
    assert_non_null(absent);
    assert_int_equal(smr_devices(context, &one, 1, NULL), n);
    assert_string_equal(one.id, infos[0].id);
    assert_int_equal(smr_devices(context, NULL, 0, &absent), n);
    bool reference = false, vulkan = false;
    for (size_t i = 0; i < n; i++) {
        reference = reference || infos[i].backend == SMR_BACKEND_REFERENCE;
        vulkan = vulkan || infos[i].backend == SMR_BACKEND_VULKAN;
        assert_int_equal(infos[i].is_default, i == 0);
        assert_true(infos[i].usable || infos[i].reason);
        assert_true(i == 0 || !infos[i].usable || infos[i - 1].type <= infos[i].type);
    }
    assert_true(reference && infos[0].usable);
    assert_non_null(infos[0].reason);
    assert_int_equal(!vulkan, !!strstr(absent, "vulkan: "));
    assert_string_equal(smr_context_error(context), "");
    smr_context_destroy(context);
}

static void check_open(smr_context *context, const char *selector, const char *id)
{
    smr_device *device = smr_device_open(context, selector);
    assert_non_null(device);
    assert_string_equal(smr_device_get_info(device)->id, id);
    smr_device_close(device);
}

static void test_selectors(void **state)
{
    smr_context *context = smr_context_create(NULL);
    struct smr_device_info infos[MOST_DEVICES];
    size_t n = smr_devices(context, infos, MOST_DEVICES, NULL);
    check_open(context, NULL, infos[0].id);
    check_open(context, "reference", "reference");
    for (size_t i = 0; i < n; i++)
        if (infos[i].usable)
            check_open(context, infos[i].id, infos[i].id);
    char part[16]; // of the default's name, in capitals
    snprintf(part, sizeof part, "%.8s", infos[0].name);
    for (char *c = part; *c; c++)
        *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
    check_open(context, part, infos[0].id);
    if (infos[0].backend == SMR_BACKEND_VULKAN)
        check_open(context, "vulkan", infos[0].id);

    static const char *const unknown[] = {"no such device", "", "vulkan99"};
    for (size_t i = 0; i < SMR_COUNT(unknown); i++) {
        assert_null(smr_device_open(context, unknown[i]));
        assert_int_equal(smr_context_status(context), SMR_ERROR_DEVICE);
        assert_non_null(strstr(smr_context_error(context), unknown[i]));
        assert_non_null(strstr(smr_context_error(context), "reference ("));
        smr_context_clear_error(context);
    }
    smr_context_destroy(context);
}

// A machine whose Vulkan has no driver.
static void test_no_driver(void **state)
{
    static const char *const names[] = {"VK_ICD_FILENAMES", "VK_DRIVER_FILES"};
    char *before[2] = {0};
    for (int i = 0; i < 2; i++) {
        const char *value = getenv(names[i]);
        before[i] = value ? strdup(value) : NULL;
        setenv(names[i], "/nonexistent/driver.json", 1);
    }
    smr_context *context = smr_context_create(NULL);
    struct smr_device_info infos[MOST_DEVICES];
    const char *absent;
    size_t n = smr_devices(context, infos, MOST_DEVICES, &absent);
    assert_true(n > 0 && n <= MOST_DEVICES);
    for (size_t i = 0; i < n; i++)
        assert_true(infos[i].backend != SMR_BACKEND_VULKAN);
    assert_string_equal(infos[n - 1].id, "reference");
    assert_true(infos[0].is_default);
    assert_non_null(strstr(absent, "vulkan: "));
    assert_null(smr_device_open(context, "vulkan"));
    assert_non_null(strstr(smr_context_error(context), "vulkan: ")); // why there is none
    smr_context_destroy(context);
    for (int i = 0; i < 2; i++) {
        if (before[i])
            setenv(names[i], before[i], 1);
        else
            unsetenv(names[i]);
        free(before[i]);
    }
}

// Devices of two contexts and of one, at work together.
static void test_two_devices(void **state)
{
    struct fixture f[3] = {{.id = NULL}, {.id = "reference"}, {.id = NULL}};
    f[0].context = make_context(&f[0].log, NULL);
    f[1].context = f[0].context;
    f[2].context = make_context(&f[2].log, NULL);
    smr_kernel *kernels[3];
    smr_buffer *from[3], *to[3];
    smr_list *lists[3];
    uint32_t in[64] = {0, 1, 2}, out[64];
    for (uint32_t i = 0; i < 3; i++) {
        f[i].device = smr_device_open(f[i].context, f[i].id);
        assert_non_null(f[i].device);
        kernels[i] = make_kernel(&f[i], i);
        from[i] = make_buffer(&f[i], 256, SMR_MEMORY_DEVICE);
        to[i] = make_buffer(&f[i], 256, SMR_MEMORY_DEVICE);
        assert_true(smr_buffer_write(from[i], 0, in, sizeof in));
        lists[i] = make_list(&f[i]);
        record_scale(lists[i], kernels[i], from[i], 0, to[i], 0, 64, 10);
        assert_true(smr_list_end(lists[i]));
    }
    assert_false(smr_device_submit(f[0].device, lists[1]));
    assert_error(&f[0], SMR_ERROR, "another device");
    smr_list *mixed = make_list(&f[0]);
    record_scale(mixed, kernels[0], from[1], 0, to[0], 0, 64, 10);
    assert_false(smr_list_end(mixed));
    assert_error(&f[0], SMR_ERROR, "no buffer of this device");
    smr_list_destroy(mixed);
    for (int i = 0; i < 3; i++)
        assert_true(smr_device_submit(f[i].device, lists[i]));
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(smr_buffer_read(to[i], 0, out, sizeof out));
        assert_int_equal(out[2], 20 + i);
        smr_list_destroy(lists[i]);
        smr_kernel_destroy(kernels[i]);
        smr_buffer_destroy(from[i]);
        smr_buffer_destroy(to[i]);
        smr_device_close(f[i].device);
        assert_int_equal(f[i].log.n_errors, 0);
    }
    smr_context_destroy(f[0].context);
    smr_context_destroy(f[2].context);
}

// Contexts are independent, also while they load and unload the same drivers.
static void *use_in_thread(void *user)
{
    for (int i = 0; i < 3; i++) {
        smr_context *context = smr_context_create(NULL);
        bool ok = use_device(context, NULL);
        if (!ok)
            fprintf(stderr, "%s\n", smr_context_error(context));
        smr_context_destroy(context);
        if (!ok)
            return NULL;
    }
    return user;
}

static void test_threads(void **state)
{
    pthread_t threads[4];
    int token;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_in_thread, &token), 0);
    for (int i = 0; i < 4; i++) {
        void *done;
        pthread_join(threads[i], &done);
        assert_ptr_equal(done, &token);
    }
}

// That silence means something: a kernel with larger workgroups than any device takes.
static void test_validation_speaks(void **state)
{
    struct log log = {0};
    struct fixture f = {.context = make_context(&log, NULL)};
    f.device = smr_device_open(f.context, "vulkan");
    struct smr_device_counters counters = {0};
    if (f.device && log.validation) {
        struct smr_kernel_params params = kernel_params(0);
        params.constants[0] = 1 << 20;
        smr_kernel_destroy(smr_kernel_create(f.device, &params));
        smr_device_get_counters(f.device, &counters);
    }
    smr_device_close(f.device);
    smr_context_destroy(f.context);
    if (!log.validation) {
        skip_test("no Vulkan device, or no validation layer");
        return;
    }
    assert_true(counters.n_validation_messages > 0);
    assert_int_equal(counters.n_validation_messages, log.n_errors);
}

// ---- the tests --------------------------------------------------------------------------------

enum { MOST_TESTS = 512 };

static struct CMUnitTest tests[MOST_TESTS];
static size_t n_tests;

static void add_tests(struct fixture *fixture, const struct device_test *rows)
{
    static char names[MOST_TESTS][96];
    for (; rows->name; rows++, n_tests++) {
        assert_in_range(n_tests, 0, MOST_TESTS - 1);
        snprintf(names[n_tests], sizeof names[0], "%.31s %s", fixture->id, rows->name);
        tests[n_tests] = (struct CMUnitTest){.name = names[n_tests],
                                             .test_func = rows->function,
                                             .setup_func = device_setup,
                                             .teardown_func = device_teardown,
                                             .initial_state = fixture};
    }
}

// test_device [PATTERN]: only tests whose name matches, with * and ?.
int main(int argc, char **argv)
{
    static const struct CMUnitTest general[] = {
        cmocka_unit_test(test_hazards),           cmocka_unit_test(test_listing),
        cmocka_unit_test(test_selectors),         cmocka_unit_test(test_no_driver),
        cmocka_unit_test(test_two_devices),       cmocka_unit_test(test_threads),
        cmocka_unit_test(test_validation_speaks),
    };
    static const struct device_test own_tests[] = {{"limits", test_limits}, {NULL, NULL}};
    static struct smr_device_info infos[MOST_DEVICES];
    static struct fixture fixtures[MOST_DEVICES];
    memcpy(tests, general, sizeof general);
    n_tests = SMR_COUNT(general);

    // Started and never stopped: drivers stay loaded, so that a leak checker does not lose track of
    // what they hold.
    static void *vulkan;
    static struct log log;
    smr_context *context = make_context(&log, NULL);
    struct smr_string absent;
    smr_string_init(&absent, context);
    smr_backend_vulkan.start(context, &vulkan, &absent);
    smr_string_finish(&absent);

    size_t n_devices = smr_devices(context, infos, MOST_DEVICES, NULL);
    for (size_t i = 0; i < n_devices && i < MOST_DEVICES; i++) {
        fixtures[i].id = infos[i].id;
        if (!infos[i].usable)
            continue;
        add_tests(&fixtures[i], own_tests);
        add_tests(&fixtures[i], device_buffer_tests);
        add_tests(&fixtures[i], device_list_tests);
        add_tests(&fixtures[i], device_failure_tests);
    }
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return _cmocka_run_group_tests("device", tests, n_tests, NULL, NULL);
}
