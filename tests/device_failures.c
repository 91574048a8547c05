// device_failures.c - tests of what goes wrong around a device: its loss, no host memory, a damaged cache.
#include "device_fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// ---- failures ---------------------------------------------------------------------------------

// No driver here can be lost on demand: say so in its place.
static void test_loss(void **state)
{
    struct fixture *f = *state;
    smr_buffer *a = make_buffer(f, 4096, SMR_MEMORY_UPLOAD),
               *b = make_buffer(f, 4096, SMR_MEMORY_UPLOAD);
    smr_kernel *made = make_kernel(f, 1);
    smr_list *list = make_list(f);
    record_scale(list, made, a, 0, b, 0, 1024, 1);
    assert_true(smr_list_end(list));
    assert_true(smr_device_wait(f->device));
    smr_device_lose(f->device, "the test pulled the %s", "plug");
    assert_error(f, SMR_ERROR_DEVICE, "the test pulled the plug");
    assert_false(smr_device_submit(f->device, list));
    assert_error(f, SMR_ERROR_DEVICE, "must be opened again");
    assert_false(smr_device_wait(f->device));
    assert_false(smr_buffer_write(a, 0, "x", 1));
    assert_null(smr_list_create(f->device, "late"));
    assert_null(smr_buffer_create(f->device, &(struct smr_buffer_params){.size = 4}));
    struct smr_kernel_params params = kernel_params(1);
    assert_null(smr_kernel_create(f->device, &params));
    smr_list_destroy(list);
    smr_kernel_destroy(made);
    smr_buffer_destroy(a);
    smr_buffer_destroy(b);
    smr_context_clear_error(f->context);
    smr_device_close(f->device);
    f->device = smr_device_open(f->context, f->id);
    assert_non_null(f->device);
    a = make_buffer(f, 4096, SMR_MEMORY_UPLOAD);
    check_buffer(a, 4096, 5, 9);
    smr_buffer_destroy(a);
}

static void test_no_memory(void **state)
{
    struct fixture *f = *state;
    size_t n_calls = 0;
    for (size_t fail_at = 0; fail_at <= n_calls; fail_at++) {
        struct test_memory memory = {.fail_at = fail_at};
        smr_context *context = test_context(&memory, NULL);
        if (!context) {
            assert_int_equal(memory.n_live, 0);
            continue;
        }
        bool ok = use_device(context, f->id);
        if (!fail_at) {
            assert_true(ok);
            n_calls = memory.n_calls;
        }
        // Either it failed and said so, or it made do with less and said nothing.
        if (ok)
            assert_string_equal(smr_context_error(context), "");
        else
            assert_int_equal(smr_context_status(context), SMR_ERROR_MEMORY);
        smr_context_destroy(context);
        assert_int_equal(memory.n_live, 0);
    }
    assert_true(n_calls > 5);
}

// ---- the pipeline cache -----------------------------------------------------------------------

// The size of the one file of compiled code (*.pipelines, *.clbin) in `folder`, with its name in
// `name`; 0 when there is none.
static long pipelines_size(const struct test_folder *folder, char name[300])
{
    DIR *dir = opendir(folder->path);
    struct dirent *entry;
    long size = 0;
    while (dir && (entry = readdir(dir))) {
        if (!strstr(entry->d_name, ".pipelines") && !strstr(entry->d_name, ".clbin"))
            continue;
        assert_int_equal(size, 0);
        snprintf(name, 300, "%s", entry->d_name);
        FILE *file = fopen(test_path(folder, name), "rb");
        assert_non_null(file);
        fseek(file, 0, SEEK_END);
        size = ftell(file);
        fclose(file);
    }
    if (dir)
        closedir(dir);
    return size;
}

static void test_pipeline_cache(void **state)
{
    struct fixture *f = *state;
    struct test_folder folder;
    char name[300];
    test_folder_make(&folder);
    // Written, read again, ignored when cut or when its header is that of another driver's.
    for (int round = 0; round < 4; round++) {
        smr_context *context = make_context(&f->log, folder.path);
        assert_true(use_device(context, f->id));
        assert_string_equal(smr_context_error(context), "");
        smr_context_destroy(context);
        long size = pipelines_size(&folder, name);
        assert_true(smr_device_takes_spirv(f->device) == (size > 0));
        if (size && round == 1)
            assert_int_equal(truncate(test_path(&folder, name), size - 1), 0);
        if (size && round == 2)
            test_write_file(test_path(&folder, name), "SMRC and nothing more of it", 27);
    }
    test_folder_remove(&folder);
}

// ---- the tests --------------------------------------------------------------------------------

const struct device_test device_failure_tests[] = {
    {"loss", test_loss},
    {"no_memory", test_no_memory},
    {"pipeline_cache", test_pipeline_cache},
    {NULL, NULL},
};
