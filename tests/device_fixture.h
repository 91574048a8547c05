// device_fixture.h - a device under test, and one kernel that does for all:
// out[i] = in[i] * factor + bias, with a plain C twin.
//
// Vulkan runs with its validation layer; device_teardown() fails when it said anything.
#pragma once

#include "support.h"

#include "device/device_impl.h"

struct log {
    unsigned n_errors;
    bool validation; // the layer is on
};

// What the tests of one device get: its id, and a device opened by device_setup().
struct fixture {
    const char *id;
    struct log log;
    smr_context *context;
    smr_device *device;
};
int device_setup(void **state);
int device_teardown(void **state);

// A test that runs on each device; arrays of them end with an empty one.
struct device_test {
    const char *name;
    CMUnitTestFunction function;
};
extern const struct device_test device_buffer_tests[], device_list_tests[], device_failure_tests[];

smr_context *make_context(struct log *log, const char *cache_dir);
smr_buffer *make_buffer(struct fixture *f, uint64_t size, enum smr_memory kind);
smr_kernel *make_kernel(struct fixture *f, uint32_t bias);
smr_list *make_list(struct fixture *f);

// The last call failed with `status` and a text that has `part`. Ready for the next.
void assert_error(struct fixture *f, enum smr_status status, const char *part);

// Say why a test has nothing to test here. (cmocka's skip() prints TAP that meson takes for failure.)
void skip_test(const char *reason);

// Write all of a buffer and `part` bytes at `offset` again, and read both back.
void check_buffer(smr_buffer *tested, size_t size, size_t offset, size_t part);

// Numbers that look random: one, and `n` of them, to be freed.
uint32_t test_word(uint32_t seed, size_t i);
uint32_t *test_words(size_t n, uint32_t seed);

struct push {
    uint32_t n, factor;
};
struct smr_kernel_params kernel_params(uint32_t bias);

// to[to_at ...] = from[from_at ...] * factor + bias; offsets and n in words.
void record_scale(smr_list *list, smr_kernel *made, smr_buffer *from, uint64_t from_at,
                  smr_buffer *to, uint64_t to_at, uint32_t n, uint32_t factor);

// End the list, submit it and wait.
void run_list(struct fixture *f, smr_list *list);

// Open device `id`, use everything once, close it. False when something failed.
bool use_device(smr_context *context, const char *id);
