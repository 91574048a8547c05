// support.h - what several tests need: memory that runs out on demand, folders that go away.
#pragma once

#include "samara.h"

// cmocka wants these first.
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

// Whether to ask for Vulkan validation: smr_context_params.validation. Not under AddressSanitizer,
// because the validation layer itself leaks and leaves no trace to tell its leaks from ours.
#if defined(__SANITIZE_ADDRESS__)
#define TEST_VALIDATION false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TEST_VALIDATION false
#endif
#endif
#ifndef TEST_VALIDATION
#define TEST_VALIDATION true
#endif

// An allocator that counts, and fails once at call number `fail_at` (from 1; 0: never). Give it to
// a context as `reallocate` = test_reallocate and `user` = the struct.
struct test_memory {
    size_t n_calls; // that asked for memory
    size_t fail_at;
    size_t n_live; // blocks that were not freed
};
void *test_reallocate(void *user, void *pointer, size_t size);

// A context over `memory` (NULL: the C library's) that keeps its cache in `cache_dir` (may be NULL).
smr_context *test_context(struct test_memory *memory, const char *cache_dir);

// A new folder in TMPDIR or /tmp. test_folder_remove() deletes it with the files in it, two levels
// deep.
struct test_folder {
    char path[256];
};
void test_folder_make(struct test_folder *folder);
void test_folder_remove(struct test_folder *folder);

// FOLDER/NAME in one of a few rotating static buffers.
const char *test_path(const struct test_folder *folder, const char *name);
void test_write_file(const char *path, const void *data, size_t size);
