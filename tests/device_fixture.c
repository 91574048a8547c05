// device_fixture.c - see device_fixture.h.
#include "device_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device_kernel.h"

// ---- a device under test ----------------------------------------------------------------------

static void on_log(void *user, enum smr_log_level level, const char *text)
{
    struct log *log = user;
    if (level == SMR_LOG_ERROR) {
        log->n_errors++;
        fprintf(stderr, "%s\n", text);
    }
    log->validation = log->validation || strstr(text, "Vulkan validation is on");
}

smr_context *make_context(struct log *log, const char *cache_dir)
{
    struct smr_context_params params = {.log = on_log,
                                        .log_level = SMR_LOG_INFO,
                                        .user = log,
                                        .cache_dir = cache_dir,
                                        .validation = TEST_VALIDATION};
    smr_context *context = smr_context_create(&params);
    assert_non_null(context);
    return context;
}

int device_setup(void **state)
{
    struct fixture *f = *state;
    f->log = (struct log){0};
    f->context = make_context(&f->log, NULL);
    f->device = smr_device_open(f->context, f->id);
    if (!f->device)
        fprintf(stderr, "%s\n", smr_context_error(f->context));
    return f->device ? 0 : -1;
}

int device_teardown(void **state)
{
    struct fixture *f = *state;
    struct smr_device_counters counters = {0};
    if (f->device)
        smr_device_get_counters(f->device, &counters);
    if (f->device)
        smr_staging_finish(f->device);
    if (f->device && atomic_load(&f->device->n_objects)) { // the test stopped half way
        fprintf(stderr, "%s\n", smr_context_error(f->context));
        return -1;
    }
    smr_device_close(f->device);
    smr_context_destroy(f->context);
    return counters.n_validation_messages || f->log.n_errors ? -1 : 0;
}

void skip_test(const char *reason)
{
    fprintf(stderr, "# skipped: %s\n", reason);
}

void assert_error(struct fixture *f, enum smr_status status, const char *part)
{
    if (!strstr(smr_context_error(f->context), part))
        fprintf(stderr, "error: %s\n", smr_context_error(f->context));
    assert_non_null(strstr(smr_context_error(f->context), part));
    assert_int_equal(smr_context_status(f->context), status);
    smr_context_clear_error(f->context);
}

smr_buffer *make_buffer(struct fixture *f, uint64_t size, enum smr_memory kind)
{
    smr_buffer *made = smr_buffer_create(
        f->device, &(struct smr_buffer_params){.size = size, .kind = kind, .name = "test"});
    assert_non_null(made);
    return made;
}

uint32_t test_word(uint32_t seed, size_t i) // any hash will do
{
    uint32_t x = (uint32_t)i * 2654435761u + seed;
    return (x ^ x >> 15) * 2246822519u;
}

uint32_t *test_words(size_t n, uint32_t seed)
{
    uint32_t *all = malloc(n * sizeof *all);
    assert_non_null(all);
    for (size_t i = 0; i < n; i++)
        all[i] = test_word(seed, i);
    return all;
}

void check_buffer(smr_buffer *tested, size_t size, size_t offset, size_t part)
{
    uint8_t *data = (uint8_t *)test_words(size / 4 + 1, 7),
            *more = (uint8_t *)test_words(part / 4 + 1, 9);
    uint8_t *back = malloc(size + 1);
    assert_non_null(back);
    assert_true(smr_buffer_write(tested, 0, data, size));
    assert_true(smr_buffer_write(tested, offset, more, part));
    memcpy(data + offset, more, part);
    assert_true(smr_buffer_read(tested, 0, back, size));
    assert_memory_equal(back, data, size);
    memset(back, 0, part);
    assert_true(smr_buffer_read(tested, offset, back, part));
    assert_memory_equal(back, more, part);
    free(data);
    free(more);
    free(back);
}

// ---- the kernel -------------------------------------------------------------------------------

static void twin(const struct smr_twin_args *args)
{
    const struct push *push = args->push;
    const uint32_t *in = args->bindings[0];
    uint32_t *out = args->bindings[1];
    for (uint32_t i = 0; i < push->n; i++)
        out[i] = in[i] * push->factor + args->constants[1];
}

struct smr_kernel_params kernel_params(uint32_t bias)
{
    return (struct smr_kernel_params){
        .name = "scale",
        .spirv = device_kernel_spirv,
        .spirv_size = sizeof device_kernel_spirv,
        .twin = twin,
        .n_bindings = 2,
        .access = {SMR_READ, SMR_WRITE},
        .push_size = sizeof(struct push),
        .n_constants = 2,
        .constants = {64, bias},
    };
}

smr_kernel *make_kernel(struct fixture *f, uint32_t bias)
{
    struct smr_kernel_params params = kernel_params(bias);
    smr_kernel *made = smr_kernel_create(f->device, &params);
    assert_non_null(made);
    return made;
}

void record_scale(smr_list *list, smr_kernel *made, smr_buffer *from, uint64_t from_at,
                  smr_buffer *to, uint64_t to_at, uint32_t n, uint32_t factor)
{
    struct push push = {n, factor};
    struct smr_args args = {
        .bindings = {{from, from_at * 4, (uint64_t)n * 4}, {to, to_at * 4, (uint64_t)n * 4}},
        .push = &push,
        .groups = {3, 1, 1},
    };
    smr_list_dispatch(list, made, &args);
}

smr_list *make_list(struct fixture *f)
{
    smr_list *list = smr_list_create(f->device, "test");
    assert_non_null(list);
    return list;
}

void run_list(struct fixture *f, smr_list *list)
{
    assert_true(smr_list_end(list));
    assert_true(smr_device_submit(f->device, list));
    assert_true(smr_device_wait(f->device));
}

bool use_device(smr_context *context, const char *id)
{
    bool ok = false;
    uint32_t in[16] = {1, 2, 3}, out[16] = {0};
    struct push push = {16, 2};
    struct smr_kernel_params params = kernel_params(4);
    struct smr_buffer_params size = {.size = 64, .kind = SMR_MEMORY_READBACK, .name = "small"};
    smr_buffer *a = NULL, *b = NULL;
    smr_kernel *made = NULL;
    smr_list *list = NULL;
    smr_device *device = smr_device_open(context, id);
    if (!device || !(a = smr_buffer_create(device, &size)) ||
        !(b = smr_buffer_create(device, &size)) || !(made = smr_kernel_create(device, &params)) ||
        !(list = smr_list_create(device, "all")) || !smr_buffer_write(a, 0, in, sizeof in))
        goto done;
    struct smr_args args = {
        .bindings = {{a, 0, 64}, {b, 0, 64}}, .push = &push, .groups = {1, 1, 1}};
    smr_list_dispatch(list, made, &args);
    if (smr_list_end(list) && smr_device_submit(device, list) &&
        smr_buffer_read(b, 0, out, sizeof out)) {
        assert_int_equal(out[2], 10);
        ok = true;
    }
done:
    smr_list_destroy(list);
    smr_kernel_destroy(made);
    smr_buffer_destroy(a);
    smr_buffer_destroy(b);
    smr_device_close(device);
    return ok;
}
