// device_buffers.c - tests of buffers: reading and writing, sub-allocation, no memory left, import.
#include "device_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

// ---- buffers ----------------------------------------------------------------------------------

static void test_buffers(void **state)
{
    struct fixture *f = *state;
    static const struct {
        size_t size, offset, part;
    } cases[] = {{1, 0, 1}, {5, 3, 2}, {4099, 1, 4097}, {9000017, 4194301, 4200003}};
    for (int kind = SMR_MEMORY_DEVICE; kind <= SMR_MEMORY_READBACK; kind++)
        for (size_t i = 0; i < SMR_COUNT(cases); i++) {
            smr_buffer *tested = make_buffer(f, cases[i].size, (enum smr_memory)kind);
            assert_int_equal(smr_buffer_size(tested), cases[i].size);
            assert_true(kind == SMR_MEMORY_DEVICE || smr_buffer_data(tested));
            check_buffer(tested, cases[i].size, cases[i].offset, cases[i].part);
            smr_buffer_destroy(tested);
        }
}

// Where all memory is mapped, nothing is staged: hide the mapping.
static void test_staging(void **state)
{
    struct fixture *f = *state;
    const size_t size = 13000003; // three staging buffers and some
    smr_buffer *tested = make_buffer(f, size, SMR_MEMORY_DEVICE);
    void *mapped = tested->mapped;
    if (f->device->impl->takes_spirv) // the reference device itself copies by `mapped`
        tested->mapped = NULL;
    check_buffer(tested, size, 4194303, 8400001);
    tested->mapped = mapped;
    tested->slow_read = true;
    check_buffer(tested, size, 1, 4096);
    smr_buffer_destroy(tested);
}

static void test_buffer_errors(void **state)
{
    struct fixture *f = *state;
    uint64_t most = smr_device_limits(f->device)->max_buffer_size;
    struct smr_buffer_params params = {.size = 0, .name = "nothing"};
    assert_null(smr_buffer_create(f->device, &params));
    assert_error(f, SMR_ERROR, "nothing: 0 bytes");
    params = (struct smr_buffer_params){.size = most + 1, .name = "too much"};
    assert_null(smr_buffer_create(f->device, &params));
    assert_error(f, SMR_ERROR_MEMORY, "too much");
    params = (struct smr_buffer_params){.size = 16, .kind = (enum smr_memory)9, .name = "odd"};
    assert_null(smr_buffer_create(f->device, &params));
    assert_error(f, SMR_ERROR, "odd");

    smr_buffer *tested = make_buffer(f, 10, SMR_MEMORY_DEVICE);
    uint8_t data[16] = {0};
    assert_false(smr_buffer_write(tested, 8, data, 3));
    assert_error(f, SMR_ERROR, "write of 3 bytes at 8");
    assert_false(smr_buffer_read(tested, UINT64_MAX, data, 2));
    assert_error(f, SMR_ERROR, "read of 2 bytes");
    assert_true(smr_buffer_write(tested, 10, data, 0));
    smr_buffer_destroy(tested);
    smr_buffer_destroy(NULL);
}

// Many buffers in few blocks: none may touch another, and freed room is used again.
static void test_sub_allocation(void **state)
{
    struct fixture *f = *state;
    enum { N = 96 };
    smr_buffer *all[N] = {0};
    uint32_t *data[N] = {0};
    size_t n_words[N];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < N; i++) {
            if (all[i] && test_word((uint32_t)round, (size_t)i) % 2)
                continue;
            smr_buffer_destroy(all[i]);
            free(data[i]);
            n_words[i] = 1 + test_word(99 + (uint32_t)round, (size_t)i) % 20000;
            all[i] = make_buffer(f, n_words[i] * 4, (enum smr_memory)(i % 3));
            data[i] = test_words(n_words[i], (uint32_t)(i + N * round));
            assert_true(smr_buffer_write(all[i], 0, data[i], n_words[i] * 4));
        }
        for (int i = 0; i < N; i++) {
            uint32_t *back = malloc(n_words[i] * 4);
            assert_true(smr_buffer_read(all[i], 0, back, n_words[i] * 4));
            assert_memory_equal(back, data[i], n_words[i] * 4);
            free(back);
        }
    }
    for (int i = 0; i < N; i++) {
        smr_buffer_destroy(all[i]);
        free(data[i]);
    }
}

// Bytes of address space that this process has in use.
static rlim_t address_space(void)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%llu", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

// Fill the device until it refuses: a clear error, and nothing is broken afterwards. What runs on the
// processor would take all of the machine's memory, so the process is given little.
static void test_out_of_memory(void **state)
{
    struct fixture *f = *state;
    enum { MOST = 4096 };
    struct rlimit limit, little;
    rlim_t used = address_space();
    // AddressSanitizer, which TEST_VALIDATION is false with, reserves more than any limit.
    if (smr_device_get_info(f->device)->type <= SMR_DEVICE_INTEGRATED || !used ||
        !TEST_VALIDATION) {
        skip_test("there is no bounding the memory that would be taken");
        return;
    }
    smr_buffer **all = calloc(MOST, sizeof(smr_buffer *));
    struct smr_buffer_params params = {.size = 64 << 20, .name = "huge"};
    assert_int_equal(getrlimit(RLIMIT_AS, &limit), 0);
    little = limit;
    little.rlim_cur = used + (1 << 30);
    assert_int_equal(setrlimit(RLIMIT_AS, &little), 0);
    size_t n = 0;
    while (n < MOST && (all[n] = smr_buffer_create(f->device, &params)))
        n++;
    assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
    assert_true(n < MOST);
    assert_int_equal(smr_context_status(f->context), SMR_ERROR_MEMORY);
    assert_non_null(strstr(smr_context_error(f->context), "huge"));
    smr_context_clear_error(f->context);
    for (size_t i = 0; i < n; i++)
        smr_buffer_destroy(all[i]);
    free(all);
    smr_buffer *tested = make_buffer(f, 5000, SMR_MEMORY_DEVICE);
    check_buffer(tested, 5000, 11, 77);
    smr_buffer_destroy(tested);
}

static void test_import(void **state)
{
    struct fixture *f = *state;
    uint32_t alignment = smr_device_limits(f->device)->import_alignment;
    if (!alignment) {
        skip_test("the device cannot import");
        return;
    }
    size_t size = 16 * (size_t)alignment;
    uint32_t *data = NULL;
    assert_int_equal(posix_memalign((void **)&data, alignment, size), 0);
    for (size_t i = 0; i < size / 4; i++)
        data[i] = test_word(3, i);
    smr_buffer *imported = smr_buffer_import(f->device, data, size, "imported");
    assert_string_equal(smr_context_error(f->context), "");
    if (!imported) {
        free(data);
        skip_test("the driver refused to import");
        return;
    }
    uint32_t n = (uint32_t)(size / 4), last = 0;
    smr_buffer *out = make_buffer(f, size, SMR_MEMORY_READBACK);
    smr_kernel *made = make_kernel(f, 5);
    smr_list *list = make_list(f);
    record_scale(list, made, imported, 0, out, 0, n, 3);
    run_list(f, list);
    assert_true(smr_buffer_read(out, size - 4, &last, 4));
    assert_int_equal(last, data[n - 1] * 3 + 5);
    smr_list_destroy(list);

    list = make_list(f);
    record_scale(list, made, out, 0, imported, 0, n, 3);
    assert_false(smr_list_end(list));
    assert_error(f, SMR_ERROR, "imported and read-only");
    smr_list_destroy(list);
    assert_false(smr_buffer_write(imported, 0, data, 4));
    assert_error(f, SMR_ERROR, "read-only");
    assert_null(smr_buffer_import(f->device, data + 1, size, "misaligned"));
    assert_error(f, SMR_ERROR, "multiples of");
    smr_kernel_destroy(made);
    smr_buffer_destroy(out);
    smr_buffer_destroy(imported);
    free(data);
}

// ---- the tests --------------------------------------------------------------------------------

const struct device_test device_buffer_tests[] = {
    {"buffers", test_buffers},
    {"staging", test_staging},
    {"buffer_errors", test_buffer_errors},
    {"sub_allocation", test_sub_allocation},
    {"out_of_memory", test_out_of_memory},
    {"import", test_import},
    {NULL, NULL},
};
