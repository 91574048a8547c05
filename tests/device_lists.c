// device_lists.c - tests of kernels and command lists: results, barriers, order, timestamps, errors.
#include "device_fixture.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

// ---- kernels and lists ------------------------------------------------------------------------

static void test_dispatch(void **state)
{
    struct fixture *f = *state;
    static const uint32_t sizes[] = {1, 2, 63, 64, 65, 1000, 100003};
    smr_kernel *made = make_kernel(f, 12345);
    assert_string_equal(smr_kernel_name(made), "scale");
    for (size_t i = 0; i < SMR_COUNT(sizes); i++) {
        uint32_t n = sizes[i], guard = 0xdeadbeef, *in = test_words(n, 1), *out = calloc(n + 1, 4);
        smr_buffer *from = make_buffer(f, (uint64_t)n * 4, SMR_MEMORY_DEVICE);
        smr_buffer *to = make_buffer(f, (uint64_t)n * 4 + 4, SMR_MEMORY_DEVICE);
        assert_true(smr_buffer_write(from, 0, in, (uint64_t)n * 4));
        assert_true(smr_buffer_write(to, (uint64_t)n * 4, &guard, 4));
        smr_list *list = make_list(f);
        record_scale(list, made, from, 0, to, 0, n, 77);
        run_list(f, list);
        assert_true(smr_buffer_read(to, 0, out, (uint64_t)n * 4 + 4));
        for (uint32_t j = 0; j < n; j++)
            assert_int_equal(out[j], in[j] * 77 + 12345);
        assert_int_equal(out[n], guard);
        smr_list_destroy(list);
        smr_buffer_destroy(from);
        smr_buffer_destroy(to);
        free(in);
        free(out);
    }
    smr_kernel_destroy(made);
}

static void check_kernel_error(struct fixture *f, struct smr_kernel_params params,
                               enum smr_status status, const char *part)
{
    assert_null(smr_kernel_create(f->device, &params));
    assert_error(f, status, part);
}

static void test_kernel_errors(void **state)
{
    struct fixture *f = *state;
    static const uint32_t nonsense[8] = {1, 2, 3};
    struct smr_kernel_params params = kernel_params(0);
    params.n_bindings = SMR_MAX_BINDINGS + 1;
    check_kernel_error(f, params, SMR_ERROR, "9 bindings");
    params = kernel_params(0);
    params.push_size = 6;
    check_kernel_error(f, params, SMR_ERROR, "push constants");
    params = kernel_params(0);
    params.access[1] = (enum smr_access)0;
    check_kernel_error(f, params, SMR_ERROR, "binding 1");
    params = kernel_params(0);
    params.subgroup_size = 24;
    check_kernel_error(f, params, SMR_ERROR_DEVICE, "subgroups of 24");
    params = kernel_params(0);
    params.spirv = nonsense;
    params.twin = NULL;
    check_kernel_error(f, params, SMR_ERROR,
                       smr_device_takes_spirv(f->device) ? "not SPIR-V" : "no plain C twin");
    smr_kernel_destroy(NULL);
}

// A required subgroup size, wherever it can be asked for.
static void test_subgroup_size(void **state)
{
    struct fixture *f = *state;
    const struct smr_limits *limits = smr_device_limits(f->device);
    if (!(limits->capabilities & SMR_CAP_SUBGROUP_SIZE)) {
        skip_test("the device does not let it be asked for");
        return;
    }
    for (uint32_t size = limits->min_subgroup_size; size <= limits->max_subgroup_size; size *= 2) {
        struct smr_kernel_params params = kernel_params(1);
        params.subgroup_size = size;
        smr_kernel *made = smr_kernel_create(f->device, &params);
        assert_non_null(made);
        smr_kernel_destroy(made);
    }
}

// What was recorded needs `n` barriers; the list is used up.
static void assert_barriers(struct fixture *f, smr_list *list, uint32_t n)
{
    struct smr_list_stats stats;
    run_list(f, list);
    smr_list_get_stats(list, &stats);
    assert_int_equal(stats.n_barriers, n);
    smr_list_destroy(list);
}

static void record_copy(smr_list *list, smr_buffer *from, uint64_t from_at, smr_buffer *to,
                        uint64_t to_at, uint64_t size)
{
    struct smr_binding a = {from, from_at, size}, b = {to, to_at, size};
    smr_list_copy(list, &a, &b);
}

static void test_barriers(void **state)
{
    struct fixture *f = *state;
    uint32_t zeros[1024] = {0};
    smr_buffer *a = make_buffer(f, 4096, SMR_MEMORY_DEVICE),
               *b = make_buffer(f, 4096, SMR_MEMORY_DEVICE);
    smr_kernel *made = make_kernel(f, 1);
    assert_true(smr_buffer_write(a, 0, zeros, sizeof zeros));
    assert_true(smr_buffer_write(b, 0, zeros, sizeof zeros));

    smr_list *list = make_list(f); // independent: two reads of one range, two parts of another
    record_scale(list, made, a, 0, b, 0, 256, 1);
    record_scale(list, made, a, 0, b, 256, 256, 1);
    record_copy(list, a, 8, b, 2051, 33);
    assert_barriers(f, list, 0);

    list = make_list(f); // read after write
    record_scale(list, made, a, 0, b, 0, 256, 1);
    record_scale(list, made, b, 0, a, 256, 256, 1);
    assert_barriers(f, list, 1);

    list = make_list(f); // write after read
    record_scale(list, made, a, 0, b, 0, 256, 1);
    record_scale(list, made, b, 512, a, 128, 256, 1);
    assert_barriers(f, list, 1);

    list = make_list(f); // write after write, overlapping in part
    record_scale(list, made, a, 0, b, 0, 256, 1);
    record_scale(list, made, a, 256, b, 128, 256, 1);
    assert_barriers(f, list, 1);

    list = make_list(f); // a barrier clears what was before it: the third waits for nothing new
    record_scale(list, made, a, 0, b, 0, 256, 1);
    record_scale(list, made, b, 0, a, 256, 256, 1);
    record_scale(list, made, b, 0, a, 512, 256, 1);
    record_scale(list, made, a, 512, b, 0, 256, 1);
    assert_barriers(f, list, 2);

    list = make_list(f); // copies are ordered like dispatches
    record_copy(list, a, 0, b, 0, 1000);
    record_copy(list, b, 999, a, 2000, 10);
    record_scale(list, made, a, 448, b, 512, 256, 1);
    assert_barriers(f, list, 2);

    smr_kernel_destroy(made);
    smr_buffer_destroy(a);
    smr_buffer_destroy(b);
}

// 400 dependent steps in one list, more than one descriptor pool holds.
static void test_long_list(void **state)
{
    struct fixture *f = *state;
    enum { N = 333, STEPS = 400 };
    uint32_t *data = test_words(N, 5), out[N];
    smr_buffer *a = make_buffer(f, N * 4, SMR_MEMORY_DEVICE),
               *b = make_buffer(f, N * 4, SMR_MEMORY_DEVICE);
    smr_kernel *add_1 = make_kernel(f, 1), *add_7 = make_kernel(f, 7);
    assert_true(smr_buffer_write(a, 0, data, N * 4));
    smr_list *list = make_list(f);
    for (uint32_t i = 0; i < STEPS; i++) {
        uint32_t factor = i % 5 + 1;
        record_scale(list, i % 3 ? add_1 : add_7, i % 2 ? b : a, 0, i % 2 ? a : b, 0, N, factor);
        for (uint32_t j = 0; j < N; j++)
            data[j] = data[j] * factor + (i % 3 ? 1 : 7);
    }
    run_list(f, list);
    struct smr_list_stats stats;
    smr_list_get_stats(list, &stats);
    assert_int_equal(stats.n_dispatches, STEPS);
    assert_int_equal(stats.n_barriers, STEPS - 1);
    assert_true(smr_buffer_read(a, 0, out, sizeof out));
    assert_memory_equal(out, data, sizeof out);
    smr_list_destroy(list);
    smr_kernel_destroy(add_1);
    smr_kernel_destroy(add_7);
    smr_buffer_destroy(a);
    smr_buffer_destroy(b);
    free(data);
}

// A token's life: the host changes data, the same list runs again, nothing else is counted.
static void test_resubmission(void **state)
{
    struct fixture *f = *state;
    smr_buffer *step = make_buffer(f, 256, SMR_MEMORY_UPLOAD),
               *sum = make_buffer(f, 256, SMR_MEMORY_DEVICE),
               *result = make_buffer(f, 256, SMR_MEMORY_READBACK);
    smr_kernel *made = make_kernel(f, 1);
    smr_list *list = make_list(f);
    record_scale(list, made, step, 0, sum, 0, 64, 3);
    record_scale(list, made, sum, 0, result, 0, 64, 1);
    assert_true(smr_list_end(list));

    struct smr_device_counters before, after;
    smr_device_get_counters(f->device, &before);
    uint32_t *in = smr_buffer_data(step);
    const uint32_t *out = smr_buffer_data(result);
    for (uint32_t i = 0; i < 50; i++) {
        for (uint32_t j = 0; j < 64; j++)
            in[j] = i * 100 + j;
        assert_true(smr_device_submit(f->device, list));
        assert_true(smr_device_wait(f->device));
        for (uint32_t j = 0; j < 64; j++)
            assert_int_equal(out[j], (i * 100 + j) * 3 + 2);
    }
    for (int i = 0; i < 10; i++) // again before it was waited for
        assert_true(smr_device_submit(f->device, list));
    smr_device_get_counters(f->device, &after);
    before.n_submissions += 60;
    assert_memory_equal(&after, &before, sizeof after);
    smr_list_destroy(list); // at work still
    smr_kernel_destroy(made);
    smr_buffer_destroy(step);
    smr_buffer_destroy(sum);
    smr_buffer_destroy(result);
}

// Several lists at work at once, each after the last.
// Dispatches of many workgroups of one invocation, each after the last, of kernels that were compiled
// at different times, with one of wider workgroups and a copy between them. On processors they are
// stages of few launches, and fewer after a while.
static void test_stages(void **state)
{
    enum { N = 1000, N_STAGES = 60, N_SUBMISSIONS = 40 };
    struct fixture *f = *state;
    smr_kernel *kernels[3];
    smr_buffer *buffers[2];
    uint32_t *in = test_words(N, 3), out[N];
    for (uint32_t i = 0; i < 2; i++)
        buffers[i] = make_buffer(f, N * 4, SMR_MEMORY_DEVICE);
    for (uint32_t i = 0; i < 3; i++) {
        struct smr_kernel_params params = kernel_params(i);
        params.constants[0] = i == 2 ? 64 : 1;
        kernels[i] = smr_kernel_create(f->device, &params);
        assert_non_null(kernels[i]);
        assert_true(smr_kernels_compile(f->device, &kernels[i], 1));
    }
    smr_list *list = make_list(f);
    for (uint32_t i = 0; i < N_STAGES; i++) {
        const struct push push = {N, 3 + i};
        const struct smr_args args = {
            .bindings = {{buffers[i % 2], 0, N * 4}, {buffers[1 - i % 2], 0, N * 4}},
            .push = &push,
            .groups = {17, 1, 1}};
        smr_list_dispatch(list, kernels[i == 20 ? 2 : i % 2], &args);
        if (i == 10)
            record_copy(list, buffers[1], 0, buffers[0], 0, N * 4);
        if (i == 10)
            record_copy(list, buffers[0], 0, buffers[1], 0, N * 4);
    }
    assert_true(smr_list_end(list));
    for (uint32_t k = 0; k < N_SUBMISSIONS; k++) {
        assert_true(smr_buffer_write(buffers[0], 0, in, N * 4));
        assert_true(smr_device_submit(f->device, list) && smr_device_wait(f->device));
        assert_true(smr_buffer_read(buffers[0], 0, out, N * 4));
        for (uint32_t j = 0; j < N; j++) {
            uint32_t wanted = in[j];
            for (uint32_t i = 0; i < N_STAGES; i++)
                wanted = wanted * (3 + i) + (i == 20 ? 2 : i % 2);
            assert_int_equal(out[j], wanted);
        }
    }
    smr_list_destroy(list);
    for (uint32_t i = 0; i < 3; i++)
        smr_kernel_destroy(kernels[i]);
    for (uint32_t i = 0; i < 2; i++)
        smr_buffer_destroy(buffers[i]);
    free(in);
}

static void test_order_of_lists(void **state)
{
    struct fixture *f = *state;
    enum { LISTS = 12 };
    smr_list *lists[LISTS];
    smr_buffer *a = make_buffer(f, 65536, SMR_MEMORY_DEVICE),
               *b = make_buffer(f, 65536, SMR_MEMORY_DEVICE);
    smr_kernel *made = make_kernel(f, 1);
    uint32_t *data = test_words(16384, 4), *out = malloc(65536);
    assert_true(smr_buffer_write(a, 0, data, 65536));
    for (uint32_t i = 0; i < LISTS; i++) {
        lists[i] = make_list(f);
        record_scale(lists[i], made, i % 2 ? b : a, 0, i % 2 ? a : b, 0, 16384, i + 2);
        assert_true(smr_list_end(lists[i]));
        for (size_t j = 0; j < 16384; j++)
            data[j] = data[j] * (i + 2) + 1;
    }
    for (int i = 0; i < LISTS; i++)
        assert_true(smr_device_submit(f->device, lists[i]));
    assert_true(smr_buffer_read(a, 0, out, 65536)); // waits
    assert_memory_equal(out, data, 65536);
    for (int i = 0; i < LISTS; i++)
        smr_list_destroy(lists[i]);
    smr_kernel_destroy(made);
    smr_buffer_destroy(a);
    smr_buffer_destroy(b);
    free(data);
    free(out);
}

static void check_list_error(struct fixture *f, smr_list *list, const char *part)
{
    smr_device_submit(f->device, list); // not ended: an error, but the second
    assert_false(smr_list_end(list));
    assert_error(f, SMR_ERROR, part);
    assert_false(smr_device_submit(f->device, list));
    assert_error(f, SMR_ERROR, "before its end");
    smr_list_destroy(list);
}

static void test_list_errors(void **state)
{
    struct fixture *f = *state;
    uint32_t words_of_alignment = smr_device_limits(f->device)->binding_alignment / 4;
    smr_buffer *a = make_buffer(f, 4096, SMR_MEMORY_DEVICE),
               *b = make_buffer(f, 4096, SMR_MEMORY_DEVICE);
    smr_kernel *made = make_kernel(f, 1);
    struct push push = {1, 1};
    struct smr_args args = {.bindings = {{a, 0, 64}, {b, 0, 64}}, .groups = {1, 1, 1}};

    smr_list *list = make_list(f);
    record_scale(list, made, a, words_of_alignment / 2, b, 0, 16, 1);
    record_scale(list, made, a, 0, b, 2000, 16, 1); // the first error stays
    check_list_error(f, list, "aligned to");

    list = make_list(f);
    record_scale(list, made, a, 0, b, 960, 256, 1);
    check_list_error(f, list, "1024 bytes at 3840 of buffer test, which has 4096");

    list = make_list(f);
    record_scale(list, made, a, 0, a, words_of_alignment, 256, 1);
    check_list_error(f, list, "bindings 0 and 1 overlap");

    list = make_list(f);
    smr_list_dispatch(list, made, &args);
    check_list_error(f, list, "push constants");

    list = make_list(f);
    args.push = &push;
    args.groups[1] = 0;
    smr_list_dispatch(list, made, &args);
    check_list_error(f, list, "1 x 0 x 1 workgroups");

    list = make_list(f);
    args.groups[1] = 1;
    args.bindings[1].buffer = NULL;
    smr_list_dispatch(list, made, &args);
    check_list_error(f, list, "binding 1 has no buffer");

    list = make_list(f);
    record_copy(list, a, 0, a, 10, 11);
    check_list_error(f, list, "overlap");

    list = make_list(f);
    record_copy(list, a, 4000, b, 0, 97);
    check_list_error(f, list, "97 bytes at 4000");

    list = make_list(f);
    record_scale(list, made, a, 0, b, 0, 16, 1);
    run_list(f, list);
    record_scale(list, made, a, 0, b, 0, 16, 1);
    assert_error(f, SMR_ERROR, "after its end");
    smr_list_destroy(list);
    smr_list_destroy(NULL);

    smr_kernel_destroy(made);
    smr_buffer_destroy(a);
    smr_buffer_destroy(b);
}

static void test_timestamps(void **state)
{
    struct fixture *f = *state;
    if (!(smr_device_limits(f->device)->capabilities & SMR_CAP_TIMESTAMPS)) {
        skip_test("the device has none");
        return;
    }
    uint64_t times[3] = {0}, first[3] = {0};
    smr_buffer *a = make_buffer(f, 4 << 20, SMR_MEMORY_DEVICE), *b = make_buffer(f, 4 << 20, 0);
    smr_kernel *made = make_kernel(f, 1);
    smr_list *list = make_list(f);
    smr_list_timestamp(list, 0);
    record_scale(list, made, a, 0, b, 0, 1 << 20, 1);
    smr_list_timestamp(list, 1);
    record_scale(list, made, b, 0, a, 0, 1 << 20, 1);
    smr_list_timestamp(list, 2);
    assert_false(smr_list_read_timestamps(list, 4, times));
    assert_error(f, SMR_ERROR, "timestamp 3 of 4 was not recorded");
    assert_false(smr_list_read_timestamps(list, 3, times));
    assert_error(f, SMR_ERROR, "before it was submitted");
    run_list(f, list);
    assert_true(smr_list_read_timestamps(list, 3, first));
    assert_true(first[0] <= first[1] && first[1] <= first[2] && first[0] < first[2]);
    assert_true(smr_device_submit(f->device, list));
    assert_true(smr_list_read_timestamps(list, 3, times)); // waits
    assert_true(times[0] >= first[2] && times[0] < times[2]);
    smr_list_destroy(list);

    list = make_list(f);
    smr_list_timestamp(list, SMR_MAX_TIMESTAMPS);
    check_list_error(f, list, "too large an index");
    smr_kernel_destroy(made);
    smr_buffer_destroy(a);
    smr_buffer_destroy(b);
}

static void *create_kernels(void *user)
{
    struct fixture *f = user;
    for (uint32_t i = 0; i < 4; i++) {
        struct smr_kernel_params params = kernel_params(i);
        smr_kernel *made = smr_kernel_create(f->device, &params);
        if (!made)
            return NULL;
        smr_kernel_destroy(made);
    }
    return f;
}

static void test_kernels_from_threads(void **state)
{
    struct fixture *f = *state;
    struct smr_device_counters counters;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, create_kernels, f), 0);
    for (int i = 0; i < 4; i++) {
        void *done;
        pthread_join(threads[i], &done);
        assert_non_null(done);
    }
    smr_device_get_counters(f->device, &counters);
    assert_int_equal(counters.n_kernels, 16);
}

// ---- the tests --------------------------------------------------------------------------------

const struct device_test device_list_tests[] = {
    {"dispatch", test_dispatch},
    {"kernel_errors", test_kernel_errors},
    {"subgroup_size", test_subgroup_size},
    {"barriers", test_barriers},
    {"long_list", test_long_list},
    {"list_errors", test_list_errors},
    {"resubmission", test_resubmission},
    {"stages", test_stages},
    {"order_of_lists", test_order_of_lists},
    {"timestamps", test_timestamps},
    {"kernels_from_threads", test_kernels_from_threads},
    {NULL, NULL},
};
