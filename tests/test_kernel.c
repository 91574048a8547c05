// test_kernel.c - the registry, shader sources and compilation, sets of kernels.
#include "support.h"

#include "kernel/kernel.h"
#include "kernel/measure.h"
#include "kernel/peak.h"
#include "kernel/registry.h"
#include "kernel/twin/twin.h"
#include "kernel/work.h"

#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

// ---- the registry -----------------------------------------------------------------------------

static void test_rows(void **state)
{
    for (uint32_t id = 0; id < SMR_N_KERNELS; id++) {
        const struct smr_kernel_desc *desc = smr_kernel_desc((enum smr_kernel_id)id);
        assert_non_null(desc);
        assert_non_null(desc->name);
        assert_non_null(desc->twin);
        assert_in_range(desc->n_bindings, 2, SMR_MAX_BINDINGS);
        assert_in_range(desc->n_constants, 1, SMR_MAX_CONSTANTS);
        assert_in_range(desc->push_size, 4, SMR_MAX_PUSH_SIZE);
        assert_int_equal(desc->push_size % 4, 0);
        assert_true(desc->tolerance > 0 && desc->tolerance < 1e-6);
        assert_true(desc->n_types > 0 && desc->n_variants > 0);
        assert_string_equal(desc->variants[0].name, "plain");
        assert_int_equal(desc->variants[0].capabilities, 0);
        assert_false(desc->variants[0].gpu);
        for (uint32_t i = 0; i < desc->n_variants;
             i++) { // rounding x to 8 bits costs less than 1e-3
            assert_true(desc->variants[i].tolerance < 1e-3);
            assert_true(desc->variants[i].narrow || desc->variants[i].tolerance <= 0);
        }
        assert_false(desc->variants[0].narrow);
        uint32_t n_written = 0;
        for (uint32_t i = 0; i < desc->n_bindings; i++) {
            assert_in_range(desc->access[i], SMR_READ, SMR_READ_WRITE);
            n_written += (desc->access[i] & SMR_WRITE) != 0;
        }
        assert_true(n_written > 0);
        for (uint32_t i = 0; i < desc->n_types; i++)
            assert_non_null(smr_type_info(desc->types[i]));
    }
    assert_null(smr_kernel_desc(SMR_N_KERNELS));
}

static void test_groups(void **state)
{
    static const uint64_t counts[] = {0, 1, 7, 65535, 65536, 1000000, UINT64_C(65535) * 65535};
    for (size_t i = 0; i < SMR_COUNT(counts); i++) {
        uint32_t groups[3];
        smr_spread_groups(counts[i], groups);
        for (int j = 0; j < 3; j++)
            assert_in_range(groups[j], 1, 65535);
        const uint64_t n = (uint64_t)groups[0] * groups[1] * groups[2];
        assert_true(n >= counts[i]);
        assert_true(n <= counts[i] + 65535);
    }
}

static void test_workgroup_size(void **state)
{
    struct smr_limits limits = {.max_invocations = 1024, .max_workgroup_size = {256, 1, 1}};
    assert_int_equal(smr_workgroup_size(&limits, 64), 64);
    assert_int_equal(smr_workgroup_size(&limits, 100), 64);
    assert_int_equal(smr_workgroup_size(&limits, 1), 1);
    assert_int_equal(smr_workgroup_size(&limits, 1024), 256);
    limits.max_invocations = 128;
    assert_int_equal(smr_workgroup_size(&limits, 1024), 128);
    limits.cpu = true;
    limits.subgroup_size = 8;
    assert_int_equal(smr_workgroup_size_for(&limits, 64, 1), 8);
    assert_int_equal(smr_workgroup_size_for(&limits, 64, 16), 16);
}

// What shares the columns of a row of weights on GPUs.
static void test_row_invocations(void **state)
{
    const struct smr_limits limits = {.max_invocations = 1024, .max_workgroup_size = {256, 1, 1}};
    struct smr_limits processor = limits;
    processor.cpu = true;
    const struct smr_kernel_desc *desc = smr_kernel_desc(SMR_KERNEL_MATVEC);
    struct smr_matmul_push push = {.n_cols = 2048, .n_out = 64, .n_rows = 1, .in_stride = 2048};
    struct smr_kernel_key key = {.id = SMR_KERNEL_MATVEC, .type = SMR_F32};
    assert_true(desc->specialise(&key, &limits, &push));
    assert_int_equal(key.constants[0], 256); // a router of 64 experts
    assert_true(desc->specialise(&key, &processor, &push));
    assert_int_equal(key.constants[0], 64);
    push.n_out = 300;
    assert_true(desc->specialise(&key, &limits, &push));
    assert_int_equal(key.constants[0], 128);
    push.n_out = 4096;
    assert_true(desc->specialise(&key, &limits, &push));
    assert_int_equal(key.constants[0], 64); // there are enough of them
    push.n_cols = push.in_stride = 128;
    assert_true(desc->specialise(&key, &limits, &push));
    assert_int_equal(key.constants[0], 32); // units of a row
}

// Workgroups along z of a product of GPUs, in tiles of 32 x 16.
static uint32_t count_splits(uint32_t n_cores, uint32_t n_rows, uint32_t n_cols, uint32_t n_out)
{
    enum { TILES = 1 };
    const struct smr_limits limits = {.max_invocations = 256,
                                      .max_workgroup_size = {256, 1, 1},
                                      .max_shared_size = 32768,
                                      .subgroup_size = 32,
                                      .min_subgroup_size = 32,
                                      .max_subgroup_size = 32,
                                      .n_cores = n_cores};
    const struct smr_matmul_push push = {.n_cols = n_cols,
                                         .n_out = n_out,
                                         .n_rows = n_rows,
                                         .in_stride = n_cols,
                                         .out_stride = n_out};
    const struct smr_kernel_desc *desc = smr_kernel_desc(SMR_KERNEL_MATMUL);
    struct smr_kernel_key key = {.id = SMR_KERNEL_MATMUL, .type = SMR_Q4_0, .variant = TILES};
    uint32_t groups[3];
    assert_string_equal(desc->variants[TILES].name, "tiles");
    assert_true(desc->specialise(&key, &limits, &push));
    assert_int_equal(key.constants[1], 32);
    assert_int_equal(key.constants[2], 16);
    desc->groups(&key, &push, groups);
    assert_int_equal(groups[2], smr_max_u32(1, desc->splits(&key, &push)));
    return groups[2];
}

static void test_splits(void **state)
{
    assert_int_equal(count_splits(0, 16, 4096, 1024), 4); // of 32 tiles: 128 workgroups
    assert_int_equal(count_splits(8, 16, 4096, 1024), 1); // 4 for each core
    assert_int_equal(count_splits(60, 16, 4096, 1024), 4);
    assert_int_equal(count_splits(132, 16, 4096, 1024), 8);
    assert_int_equal(count_splits(1000, 16, 16384, 1024), 8);
    assert_int_equal(count_splits(0, 16, 768, 32), 2);   // 512 columns and 256
    assert_int_equal(count_splits(0, 16, 512, 32), 1);   // too few columns
    assert_int_equal(count_splits(0, 200, 4096, 64), 1); // tuning does not tell 200 rows from 2000
}

// ---- the cache's types ------------------------------------------------------------------------

static void test_cache_types(void **state)
{
    assert_int_equal(smr_cache_size(SMR_F32, 64), 256);
    assert_int_equal(smr_cache_size(SMR_F16, 64), 128);
    assert_int_equal(smr_cache_size(SMR_Q8_0, 64), 72);
    assert_true(smr_cache_type_fits(SMR_F32, 7));
    assert_false(smr_cache_type_fits(SMR_F16, 7));
    assert_true(smr_cache_type_fits(SMR_Q8_0, 96));
    assert_false(smr_cache_type_fits(SMR_Q8_0, 80));
    assert_false(smr_cache_type_fits(SMR_Q4_K, 256));
}

static void test_cache_round_trip(void **state)
{
    static const struct {
        enum smr_type type;
        float step; // of the greatest value
    } cases[] = {{SMR_F32, 0}, {SMR_F16, 1.0f / 2048}, {SMR_Q8_0, 0.5f / 127}};
    float from[96], to[96];
    for (int i = 0; i < 96; i++)
        from[i] = sinf((float)i) * (i < 32 ? 1.0f : 100.0f);
    for (size_t i = 0; i < SMR_COUNT(cases); i++) {
        uint32_t cache[128] = {0};
        smr_cache_write(cases[i].type, cache, 32, from, 96);
        smr_cache_read(cases[i].type, cache, 32, to, 96);
        for (int j = 0; j < 96; j++) {
            const float most = j < 32 ? 1.0f : 100.0f;
            assert_true(fabsf(to[j] - from[j]) <= most * cases[i].step * 1.001f);
        }
        const uint32_t first = smr_cache_size(cases[i].type, 32) / 4;
        for (uint32_t j = 0; j < first; j++)
            assert_int_equal(cache[j], 0); // elements before
    }
    // A block of zeros, and the ends of the range.
    float block[32] = {0};
    uint32_t words[9];
    smr_cache_write(SMR_Q8_0, words, 0, block, 32);
    smr_cache_read(SMR_Q8_0, words, 0, to, 32);
    assert_memory_equal(to, block, sizeof block);
    block[0] = -2;
    block[31] = 2;
    smr_cache_write(SMR_Q8_0, words, 0, block, 32);
    assert_int_equal(((int8_t *)words)[4], -127);
    assert_int_equal(((int8_t *)words)[35], 127);
}

// ---- sources ----------------------------------------------------------------------------------

// A context that reads shaders from `folder`.
static smr_context *folder_context(const struct test_folder *folder, const char *cache_dir)
{
    const struct smr_context_params params = {.shader_dir = folder->path, .cache_dir = cache_dir};
    smr_context *context = smr_context_create(&params);
    assert_non_null(context);
    return context;
}

static void write_text(const struct test_folder *folder, const char *name, const char *text)
{
    test_write_file(test_path(folder, name), text, strlen(text));
}

// A folder with a `lib`.
static void make_shader_folder(struct test_folder *folder)
{
    test_folder_make(folder);
    assert_int_equal(mkdir(test_path(folder, "lib"), 0700), 0);
}

static void test_embedded_source(void **state)
{
    smr_context *context = smr_context_create(NULL);
    struct smr_string source;
    smr_string_init(&source, context);
    assert_true(smr_shader_source(context, "norm.comp", &source));
    assert_non_null(strstr(source.data, "#line 1 \"norm.comp\"\n"));
    assert_non_null(strstr(source.data, "#line 1 \"lib/reduce.glsl\"\n"));
    assert_null(strstr(source.data, "#include"));
    smr_string_finish(&source);
    smr_string_init(&source, context);
    assert_false(smr_shader_source(context, "nothing.comp", &source));
    assert_non_null(strstr(smr_context_error(context), "nothing.comp"));
    smr_string_finish(&source);
    smr_context_destroy(context);
}

static void test_includes(void **state)
{
    struct test_folder folder;
    make_shader_folder(&folder);
    write_text(&folder, "lib/a.glsl", "// a\n#include \"lib/b.glsl\"\n");
    write_text(&folder, "lib/b.glsl", "// b, without a newline");
    write_text(&folder, "x.comp",
               "first\n#include \"lib/a.glsl\"\nlast\n#include \"lib/b.glsl\"\n");
    smr_context *context = folder_context(&folder, NULL);
    struct smr_string source;
    smr_string_init(&source, context);
    assert_true(smr_shader_source(context, "x.comp", &source));
    assert_string_equal(source.data, "#line 1 \"x.comp\"\nfirst\n"
                                     "#line 1 \"lib/a.glsl\"\n// a\n"
                                     "#line 1 \"lib/b.glsl\"\n// b, without a newline\n"
                                     "#line 3 \"lib/a.glsl\"\n"
                                     "#line 3 \"x.comp\"\nlast\n"
                                     "#line 5 \"x.comp\"\n");
    smr_string_finish(&source);
    smr_context_destroy(context);
    test_folder_remove(&folder);
}

static void test_include_limits(void **state)
{
    struct test_folder folder;
    make_shader_folder(&folder);
    // Each includes the next: too deep. One that includes itself is put in once.
    for (int i = 0; i < 12; i++) {
        char name[32], text[64];
        snprintf(name, sizeof name, "lib/%d.glsl", i);
        snprintf(text, sizeof text, "#include \"lib/%d.glsl\"\n", i + 1);
        write_text(&folder, name, text);
    }
    write_text(&folder, "deep.comp", "#include \"lib/0.glsl\"\n");
    write_text(&folder, "missing.comp", "\n#include \"lib/none.glsl\"\n");
    write_text(&folder, "lib/self.glsl", "#include \"lib/self.glsl\"\nself\n");
    write_text(&folder, "self.comp", "#include \"lib/self.glsl\"\n");
    static const struct {
        const char *name, *problem;
    } cases[] = {{"deep.comp", "deeper"}, {"missing.comp", "lib/none.glsl"}, {"self.comp", NULL}};
    for (size_t i = 0; i < SMR_COUNT(cases); i++) {
        smr_context *context = folder_context(&folder, NULL);
        struct smr_string source;
        smr_string_init(&source, context);
        assert_int_equal(smr_shader_source(context, cases[i].name, &source), !cases[i].problem);
        if (cases[i].problem)
            assert_non_null(strstr(smr_context_error(context), cases[i].problem));
        smr_string_finish(&source);
        smr_context_destroy(context);
    }
    test_folder_remove(&folder);
}

// ---- compiling --------------------------------------------------------------------------------

static const struct smr_kernel_key norm_key = {.id = SMR_KERNEL_NORM, .constants = {64}};

static void test_compile_error(void **state)
{
    struct test_folder folder;
    make_shader_folder(&folder);
    write_text(&folder, "norm.comp", "// one\n#include \"lib/bad.glsl\"\nvoid main() {}\n");
    write_text(&folder, "lib/bad.glsl", "\n\nfloat f() { return undeclared_name; }\n");
    smr_context *context = folder_context(&folder, NULL);
    struct smr_blob spirv;
    assert_false(smr_shader_compile(context, &norm_key, &spirv));
    assert_null(spirv.data);
    const char *error = smr_context_error(context);
    assert_non_null(strstr(error, "norm F32 plain"));
    assert_non_null(strstr(error, "lib/bad.glsl:3"));
    assert_non_null(strstr(error, "undeclared_name"));
    assert_null(strchr(error, '\n'));
    smr_context_destroy(context);
    test_folder_remove(&folder);
}

// The key of the one entry in a cache.
static struct smr_key only_entry(const struct test_folder *cache)
{
    struct smr_key key = {0};
    uint32_t n = 0;
    DIR *dir = opendir(cache->path);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (sscanf(entry->d_name, "%16" SCNx64 "%16" SCNx64 ".spv", &key.high, &key.low) == 2)
            n++;
    }
    closedir(dir);
    assert_int_equal(n, 1);
    return key;
}

// Kept SPIR-V is used as it is, unless it is none; and another source has another entry.
static void test_kept_spirv(void **state)
{
    static const char first[] = "layout(local_size_x_id = 0) in;\n"
                                "layout(binding = 3) buffer Out { float y[]; };\n"
                                "void main() { y[0] = 1.0; }\n";
    static const char second[] = "layout(local_size_x_id = 0) in;\n"
                                 "layout(binding = 3) buffer Out { float y[]; };\n"
                                 "void main() { y[0] = 1.0; y[1] = 2.0; y[2] = 3.0; }\n";
    struct test_folder folder, cache;
    make_shader_folder(&folder);
    test_folder_make(&cache);
    write_text(&folder, "norm.comp", first);
    smr_context *context = folder_context(&folder, cache.path);
    struct smr_blob compiled, kept, changed;
    assert_true(smr_shader_compile(context, &norm_key, &compiled));
    const struct smr_key key = only_entry(&cache);

    const uint32_t planted[6] = {0x07230203, 1, 2, 3, 4, 5};
    smr_cache_put(context, "spv", key, planted, sizeof planted);
    assert_true(smr_shader_compile(context, &norm_key, &kept));
    assert_int_equal(kept.size, sizeof planted);
    assert_memory_equal(kept.data, planted, sizeof planted);
    smr_blob_free(context, &kept);

    smr_cache_put(context, "spv", key, "this is intact, but it is no SPIR-V", 36);
    assert_true(smr_shader_compile(context, &norm_key, &kept));
    assert_int_equal(kept.size, compiled.size);
    assert_memory_equal(kept.data, compiled.data, compiled.size);

    write_text(&folder, "norm.comp", second);
    assert_true(smr_shader_compile(context, &norm_key, &changed));
    assert_true(changed.size > compiled.size);
    smr_blob_free(context, &compiled);
    smr_blob_free(context, &kept);
    smr_blob_free(context, &changed);
    smr_context_destroy(context);
    test_folder_remove(&cache);
    test_folder_remove(&folder);
}

struct compile_thread {
    smr_context *context;
    bool done;
};

static void *compile_all(void *user)
{
    struct compile_thread *thread = user;
    thread->done = true;
    for (uint32_t id = 0; id < SMR_N_KERNELS; id++) {
        const struct smr_kernel_desc *desc = smr_kernel_desc((enum smr_kernel_id)id);
        const struct smr_kernel_key key = {.id = (enum smr_kernel_id)id, .type = desc->types[0]};
        struct smr_blob spirv;
        thread->done = thread->done && smr_shader_compile(thread->context, &key, &spirv);
        smr_blob_free(thread->context, &spirv);
    }
    return NULL;
}

static void test_compile_in_threads(void **state)
{
    smr_context *context = smr_context_create(NULL);
    pthread_t threads[4];
    struct compile_thread args[4];
    for (int i = 0; i < 4; i++) {
        args[i] = (struct compile_thread){.context = context};
        assert_int_equal(pthread_create(&threads[i], NULL, compile_all, &args[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_true(args[i].done);
    }
    smr_context_destroy(context);
}

static void test_compile_without_memory(void **state)
{
    struct test_memory memory = {0};
    for (size_t fail_at = 1;; fail_at++) {
        memory = (struct test_memory){0};
        smr_context *context = test_context(&memory, NULL);
        assert_non_null(context);
        memory.n_calls = 0;
        memory.fail_at = fail_at;
        struct smr_blob spirv;
        const bool done = smr_shader_compile(context, &norm_key, &spirv);
        if (!done)
            assert_int_equal(smr_context_status(context), SMR_ERROR_MEMORY);
        smr_blob_free(context, &spirv);
        smr_context_destroy(context);
        assert_int_equal(memory.n_live, 0);
        if (done)
            break;
    }
    assert_true(memory.n_calls > 3);
}

// ---- sets -------------------------------------------------------------------------------------

static const struct smr_norm_push norm_push = {
    .n_cols = 4, .n_rows = 1, .n_heads = 1, .in_stride = 4, .out_stride = 4};

static void test_choose(void **state)
{
    smr_context *context = smr_context_create(NULL);
    smr_device *device = smr_device_open(context, "reference");
    struct smr_kernel_set *set = smr_kernel_set_create(device, SMR_KERNELS_TUNED);
    struct smr_kernel_key key;
    assert_true(smr_kernel_choose(set, SMR_KERNEL_NORM, SMR_F32, &norm_push, &key));
    // Plain C counts as a processor without subgroups.
    assert_string_equal(smr_kernel_desc(key.id)->variants[key.variant].name, "runs");
    assert_int_equal(key.id, SMR_KERNEL_NORM);
    assert_true(key.constants[0] > 0);
    assert_false(smr_kernel_choose(set, SMR_KERNEL_NORM, SMR_Q4_K, &norm_push, &key));
    assert_non_null(strstr(smr_context_error(context), "norm"));
    assert_non_null(strstr(smr_context_error(context), "Q4_K"));
    smr_kernel_set_destroy(set);
    smr_device_close(device);
    smr_context_destroy(context);
}

static void count_progress(void *user, const char *what, float fraction)
{
    float *last = user;
    assert_true(fraction > *last && fraction <= 1.0f);
    *last = fraction;
}

// Request many, build, and see that getting makes nothing more.
static void test_build(void **state)
{
    static const char *const devices[] = {"reference", "vulkan"};
    for (size_t d = 0; d < SMR_COUNT(devices); d++) {
        smr_context *context = smr_context_create(NULL);
        smr_device *device = smr_device_open(context, devices[d]);
        if (!device) { // no such device on this machine
            smr_context_destroy(context);
            continue;
        }
        struct smr_kernel_set *set = smr_kernel_set_create(device, SMR_KERNELS_PLAIN);
        struct smr_kernel_key keys[6];
        for (uint32_t i = 0; i < SMR_COUNT(keys); i++) {
            keys[i] = norm_key;
            keys[i].constants[0] = 1u << i;
            assert_true(smr_kernel_set_request(set, &keys[i], NULL));
            assert_true(smr_kernel_set_request(set, &keys[i], NULL)); // again: no second one
        }
        float last = 0;
        assert_true(smr_kernel_set_build(set, count_progress, &last));
        struct smr_device_counters counters;
        smr_device_get_counters(device, &counters);
        assert_int_equal(counters.n_kernels, SMR_COUNT(keys));
        assert_true(smr_kernel_set_build(set, NULL, NULL));
        smr_kernel *kernels[SMR_COUNT(keys)];
        for (uint32_t i = 0; i < SMR_COUNT(keys); i++) {
            kernels[i] = smr_kernel_set_get(set, &keys[i]);
            assert_non_null(kernels[i]);
            assert_ptr_equal(kernels[i], smr_kernel_set_get(set, &keys[i]));
            for (uint32_t j = 0; j < i; j++)
                assert_ptr_not_equal(kernels[i], kernels[j]);
        }
        smr_device_get_counters(device, &counters);
        assert_int_equal(counters.n_kernels, SMR_COUNT(keys));
        smr_kernel_set_destroy(set);
        smr_device_close(device);
        smr_context_destroy(context);
    }
}

// A shader that does not compile fails the build and the list that wants it, with its message.
static void test_broken_shader(void **state)
{
    struct test_folder folder;
    make_shader_folder(&folder);
    write_text(&folder, "norm.comp", "void main() { broken; }\n");
    smr_context *context = folder_context(&folder, NULL);
    smr_device *device = smr_device_open(context, "vulkan");
    if (!device) {
        smr_context_destroy(context);
        test_folder_remove(&folder);
        print_message("# skipped: no Vulkan device\n");
        return;
    }
    struct smr_kernel_set *set = smr_kernel_set_create(device, SMR_KERNELS_PLAIN);
    struct smr_kernel_key keys[2] = {norm_key, norm_key};
    keys[1].constants[0] = 32;
    for (int i = 0; i < 2; i++)
        assert_true(smr_kernel_set_request(set, &keys[i], NULL));
    assert_false(smr_kernel_set_build(set, NULL, NULL));
    assert_non_null(strstr(smr_context_error(context), "norm.comp:1"));
    smr_context_clear_error(context);

    smr_list *list = smr_list_create(device, "broken");
    const struct smr_buffer_params params = {.size = 64, .name = "operand"};
    smr_buffer *buffer = smr_buffer_create(device, &params);
    struct smr_binding bindings[4];
    for (int i = 0; i < 4; i++)
        bindings[i] = (struct smr_binding){.buffer = buffer, .size = 16};
    smr_kernel_dispatch(set, list, &keys[0], bindings, &norm_push);
    assert_false(smr_list_end(list));
    assert_non_null(strstr(smr_context_error(context), "broken"));
    smr_list_destroy(list);
    smr_buffer_destroy(buffer);
    smr_kernel_set_destroy(set);
    smr_device_close(device);
    smr_context_destroy(context);
    test_folder_remove(&folder);
}

static bool build_set(smr_device *device)
{
    struct smr_kernel_set *set = smr_kernel_set_create(device, SMR_KERNELS_TUNED);
    bool done = set != NULL;
    for (uint32_t id = 0; done && id < SMR_N_KERNELS; id++) {
        const struct smr_kernel_key key = {.id = (enum smr_kernel_id)id, .constants = {1}};
        done = smr_kernel_set_request(set, &key, NULL);
    }
    done = done && smr_kernel_set_build(set, NULL, NULL);
    smr_kernel_set_destroy(set);
    return done;
}

static void test_set_without_memory(void **state)
{
    struct test_memory memory = {0};
    for (size_t fail_at = 1;; fail_at++) {
        memory = (struct test_memory){0};
        smr_context *context = test_context(&memory, NULL);
        smr_device *device = smr_device_open(context, "reference");
        assert_non_null(device);
        memory.n_calls = 0;
        memory.fail_at = fail_at;
        const bool done = build_set(device);
        if (!done)
            assert_int_equal(smr_context_status(context), SMR_ERROR_MEMORY);
        memory.fail_at = 0;
        smr_device_close(device);
        smr_context_destroy(context);
        assert_int_equal(memory.n_live, 0);
        if (done)
            break;
    }
    assert_true(memory.n_calls > 10);
}

// ---- measuring --------------------------------------------------------------------------------

// Sixteen times as many rows take longer.
static void test_measure(void **state)
{
    smr_context *context = smr_context_create(&(struct smr_context_params){0});
    smr_device *device = smr_device_open(context, "reference");
    struct smr_kernel_set *set = smr_kernel_set_create(device, SMR_KERNELS_TUNED);
    double seconds[2] = {0};
    for (uint32_t i = 0; i < 2; i++) {
        const struct smr_matmul_push push = {.n_cols = 256,
                                             .n_out = 64u << 4 * i,
                                             .n_rows = 1,
                                             .in_stride = 256,
                                             .out_stride = 1024};
        const struct smr_case_params params = {
            .id = SMR_KERNEL_MATVEC, .type = SMR_Q4_0, .push = &push};
        struct smr_kernel_key key;
        assert_true(smr_kernel_choose(set, params.id, params.type, &push, &key));
        assert_true(smr_kernel_measure_case(set, &key, &params, &seconds[i]));
    }
    assert_true(seconds[0] > 0);
    assert_true(seconds[1] > 2 * seconds[0]);
    smr_kernel_set_destroy(set);
    smr_device_close(device);
    smr_context_destroy(context);
}

// Copies hold what the first one does, and without a byte to spare there is one.
static void test_measure_inputs(void **state)
{
    smr_context *context = smr_context_create(&(struct smr_context_params){0});
    smr_device *device = smr_device_open(context, "reference");
    const struct smr_matmul_push push = {
        .n_cols = 96, .n_out = 7, .n_rows = 1, .in_stride = 96, .out_stride = 7};
    const struct smr_case_params params = {
        .id = SMR_KERNEL_MATVEC, .type = SMR_Q8_0, .push = &push};
    struct smr_measure_inputs inputs;
    assert_true(smr_measure_inputs_init(&inputs, device, &params, 5 * 1024));
    const uint64_t size = inputs.bindings[0].size;
    assert_true(inputs.n_args >= 5 && inputs.n_args * size <= 5 * 1024);
    uint8_t *first = malloc(size), *other = malloc(size);
    assert_true(first && other &&
                smr_buffer_read(inputs.buffer, inputs.args[0].bindings[0].offset, first, size));
    for (uint32_t i = 1; i < inputs.n_args; i++) {
        const struct smr_binding *binding = &inputs.args[i].bindings[0];
        assert_true(binding->offset >= inputs.args[i - 1].bindings[0].offset + size);
        assert_true(smr_buffer_read(inputs.buffer, binding->offset, other, size));
        assert_memory_equal(first, other, size);
    }
    smr_measure_inputs_finish(&inputs);
    assert_true(smr_measure_inputs_init(&inputs, device, &params, 0));
    assert_int_equal(inputs.n_args, 1);
    smr_measure_inputs_finish(&inputs);
    free(first);
    free(other);
    smr_device_close(device);
    smr_context_destroy(context);
}

// ---- work and peaks -----------------------------------------------------------------------------

static void test_work(void **state)
{
    const struct smr_work_rows rows = {.first_position = 100, .n_source = 9};
    for (uint32_t id = 0; id < SMR_N_KERNELS; id++) { // no kernel was forgotten
        const struct smr_kernel_key key = {.id = (enum smr_kernel_id)id, .type = SMR_F32};
        uint32_t push[SMR_MAX_PUSH_SIZE / 4];
        for (size_t i = 0; i < SMR_COUNT(push); i++)
            push[i] = 64;
        assert_true(smr_kernel_work(&key, push, &rows).bytes > 0);
    }
    const struct smr_matmul_push matmul = {.n_cols = 256, .n_out = 10, .n_rows = 3};
    struct smr_kernel_key key = {.id = SMR_KERNEL_MATMUL, .type = SMR_Q4_K};
    struct smr_work work = smr_kernel_work(&key, &matmul, &rows);
    assert_float_equal(work.bytes, 10 * 144 + 3 * 256 * 4 + 3 * 10 * 4, 1e-9);
    assert_float_equal(work.flops, 2 * 3 * 256 * 10, 1e-9);

    // Two rows at positions 100 and 101 see 101 and 102 keys, or 40 each through a window.
    struct smr_attention_push attention = {
        .n_rows = 2, .n_heads = 4, .n_kv_heads = 2, .head_dim = 8, .n_splits = 1};
    key = (struct smr_kernel_key){.id = SMR_KERNEL_ATTENTION, .type = SMR_F16};
    work = smr_kernel_work(&key, &attention, &rows);
    assert_float_equal(work.bytes, 2 * 102 * 2 * 8 * 2 + 2 * 2 * 4 * 8 * 4, 1e-9);
    assert_float_equal(work.flops, 4 * (101 + 102) * 4 * 8, 1e-9);
    attention.window = 40;
    work = smr_kernel_work(&key, &attention, &rows);
    assert_float_equal(work.bytes, 2 * 41 * 2 * 8 * 2 + 2 * 2 * 4 * 8 * 4, 1e-9);
    assert_float_equal(work.flops, 4 * 80 * 4 * 8, 1e-9);
    attention.flags = SMR_ATTENTION_FULL;
    work = smr_kernel_work(&key, &attention, &rows);
    assert_float_equal(work.flops, 4 * 2 * 9 * 4 * 8, 1e-9);
}

static void test_peaks(void **state)
{
    smr_context *context = smr_context_create(&(struct smr_context_params){0});
    smr_device *device = smr_device_open(context, "reference");
    struct smr_kernel_set *set = smr_kernel_set_create(device, SMR_KERNELS_TUNED);
    struct smr_peaks peaks;
    assert_true(smr_peaks_measure(set, &peaks));
    assert_true(peaks.bytes_per_s > 1e7 && peaks.bytes_per_s < 1e13);
    assert_true(peaks.flops_per_s > 1e6 && peaks.flops_per_s < 1e15);
    smr_kernel_set_destroy(set);
    smr_device_close(device);
    smr_context_destroy(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_workgroup_size),
        cmocka_unit_test(test_row_invocations),
        cmocka_unit_test(test_splits),
        cmocka_unit_test(test_cache_types),
        cmocka_unit_test(test_cache_round_trip),
        cmocka_unit_test(test_embedded_source),
        cmocka_unit_test(test_includes),
        cmocka_unit_test(test_include_limits),
        cmocka_unit_test(test_compile_error),
        cmocka_unit_test(test_kept_spirv),
        cmocka_unit_test(test_compile_in_threads),
        cmocka_unit_test(test_compile_without_memory),
        cmocka_unit_test(test_choose),
        cmocka_unit_test(test_build),
        cmocka_unit_test(test_broken_shader),
        cmocka_unit_test(test_set_without_memory),
        cmocka_unit_test(test_measure),
        cmocka_unit_test(test_measure_inputs),
        cmocka_unit_test(test_work),
        cmocka_unit_test(test_peaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
