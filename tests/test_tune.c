// test_tune.c - choosing kernels by measuring: choices are candidates, are kept, and come back.
//
// On the first device that takes shaders; a processor's offer at least two variants of matvec to
// one that is asked for everything.
#include "device_fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "kernel/tune.h"

// A kernel set on a device, with its cache in `folder`.
struct subject {
    smr_context *context;
    smr_device *device;
    struct smr_kernel_set *set;
    struct smr_measure_inputs inputs;
};

static const struct smr_matmul_push push = {
    .n_cols = 256, .n_out = 96, .n_rows = 1, .in_stride = 256, .out_stride = 96};

static smr_device *open_any(smr_context *context)
{
    static const char *const ids[] = {"vulkan", "opencl"};
    for (size_t i = 0; i < SMR_COUNT(ids); i++) {
        smr_device *device = smr_device_open(context, ids[i]);
        if (device)
            return device;
        smr_context_clear_error(context);
    }
    return NULL;
}

static bool open_subject(struct subject *s, const struct test_folder *folder, enum smr_kernels mode)
{
    *s = (struct subject){.context = test_context(NULL, folder->path)};
    assert_non_null(s->context);
    s->device = open_any(s->context);
    if (!s->device)
        return false;
    s->set = smr_kernel_set_create(s->device, mode);
    assert_non_null(s->set);
    const struct smr_case_params params = {
        .id = SMR_KERNEL_MATVEC, .type = SMR_Q4_0, .push = &push};
    assert_true(smr_measure_inputs_init(&s->inputs, s->device, &params, 1 << 20));
    return true;
}

// A new folder and a subject that keeps its cache there; without a device the test is skipped.
static bool make_subject(struct subject *s, struct test_folder *folder, enum smr_kernels mode)
{
    test_folder_make(folder);
    if (open_subject(s, folder, mode))
        return true;
    skip_test("no device takes shaders");
    smr_context_destroy(s->context);
    test_folder_remove(folder);
    return false;
}

static void close_subject(struct subject *s)
{
    smr_measure_inputs_finish(&s->inputs);
    smr_kernel_set_destroy(s->set);
    smr_device_close(s->device);
    smr_context_destroy(s->context);
}

static void tune(struct subject *s)
{
    const struct smr_tune_params params = {
        .args = s->inputs.args, .n_args = s->inputs.n_args, .budget_ns = 200000, .all = true};
    assert_true(smr_kernel_tune(s->set, SMR_KERNEL_MATVEC, SMR_Q4_0, &params));
}

static bool is_candidate(struct subject *s, const struct smr_kernel_key *key)
{
    struct smr_kernel_key candidate;
    for (uint32_t i = 0; smr_kernel_candidate(s->set, key->id, SMR_Q4_0, &push, i, &candidate); i++)
        if (smr_kernel_keys_equal(key, &candidate))
            return true;
    return false;
}

static const struct smr_tuned *known(struct subject *s)
{
    return smr_kernel_tuned(s->set, SMR_KERNEL_MATVEC, SMR_Q4_0, &push);
}

// What smr_kernel_choose() gives.
static struct smr_kernel_key chosen(struct subject *s)
{
    struct smr_kernel_key key;
    assert_true(smr_kernel_choose(s->set, SMR_KERNEL_MATVEC, SMR_Q4_0, &push, &key));
    return key;
}

static void test_chosen_and_kept(void **state)
{
    (void)state;
    struct test_folder folder;
    struct subject s;
    if (!make_subject(&s, &folder, SMR_KERNELS_TUNED))
        return;
    const struct smr_kernel_key usual = chosen(&s);
    assert_false(known(&s)->known);
    tune(&s);
    const struct smr_tuned first = *known(&s);
    assert_true(first.known && first.n_candidates >= 2);
    assert_true(smr_kernel_keys_equal(&first.usual, &usual));
    assert_true(is_candidate(&s, &first.key));
    assert_true(first.seconds > 0 && first.seconds <= first.usual_seconds);
    const struct smr_kernel_key key = chosen(&s);
    assert_true(smr_kernel_keys_equal(&key, &first.key));
    close_subject(&s);

    // Another process finds it; another mode has choices of its own.
    assert_true(open_subject(&s, &folder, SMR_KERNELS_TUNED));
    const struct smr_tuned second = *known(&s);
    assert_true(second.known && !second.n_candidates);
    assert_true(smr_kernel_keys_equal(&second.key, &first.key));
    assert_true(second.seconds == first.seconds);
    close_subject(&s);
    assert_true(open_subject(&s, &folder, SMR_KERNELS_F32));
    assert_false(known(&s)->known);
    close_subject(&s);
    test_folder_remove(&folder);
}

// Write over a part of every kept choice.
static void damage(const struct test_folder *folder)
{
    DIR *dir = opendir(folder->path);
    uint32_t n = 0;
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        const char *suffix = strrchr(entry->d_name, '.');
        if (!suffix || strcmp(suffix, ".tuning") != 0)
            continue;
        FILE *file = fopen(test_path(folder, entry->d_name), "r+b");
        assert_non_null(file);
        assert_int_equal(fseek(file, -20, SEEK_END), 0);
        assert_int_equal(fwrite("damaged", 1, 7, file), 7);
        fclose(file);
        n++;
    }
    closedir(dir);
    assert_true(n > 0);
}

static void test_damaged_choices(void **state)
{
    (void)state;
    struct test_folder folder;
    struct subject s;
    if (!make_subject(&s, &folder, SMR_KERNELS_TUNED))
        return;
    const struct smr_kernel_key usual = chosen(&s);
    tune(&s);
    close_subject(&s);
    damage(&folder);
    assert_true(open_subject(&s, &folder, SMR_KERNELS_TUNED));
    assert_false(known(&s)->known);
    const struct smr_kernel_key key = chosen(&s);
    assert_true(smr_kernel_keys_equal(&key, &usual));
    close_subject(&s);
    test_folder_remove(&folder);
}

// Every other setting of a kernel's constants computes the same. Returns how many there are.
static uint32_t check_varied(struct subject *s, enum smr_kernel_id id, enum smr_type type,
                             const void *p)
{
    const struct smr_kernel_desc *desc = smr_kernel_desc(id);
    const struct smr_case_params params = {.id = id, .type = type, .push = p, .n_sequences = 1};
    uint32_t n = 0;
    for (uint32_t variant = 1; variant < desc->n_variants; variant++) {
        struct smr_kernel_key usual, key;
        if (!smr_kernel_variant_key(s->device, id, type, variant, p, &usual))
            continue;
        const struct smr_limits *limits = smr_device_limits(s->device);
        for (uint32_t i = 0; key = usual, desc->vary(&key, limits, p, i); i++, n++) {
            struct smr_case_result result;
            struct smr_arena arena;
            struct smr_case c;
            assert_false(smr_kernel_keys_equal(&key, &usual));
            smr_arena_init(&arena, s->context);
            assert_true(smr_case_init(&c, &arena, &params));
            assert_true(smr_case_run(s->set, &key, &c, 0, &result));
            assert_string_equal(result.problem, "");
            smr_arena_finish(&arena);
        }
    }
    return n;
}

// A prompt of 70 tokens, with heads of head_dim elements.
static uint32_t check_varied_attention(struct subject *s, uint32_t head_dim, uint32_t n_heads)
{
    const struct smr_attention_push p = {.n_rows = 70,
                                         .n_heads = n_heads,
                                         .n_kv_heads = 1,
                                         .head_dim = head_dim,
                                         .q_stride = n_heads * head_dim,
                                         .out_stride = n_heads * head_dim,
                                         .page_size = 16,
                                         .max_pages = 5,
                                         .n_splits = 1,
                                         .scale = 0.3f};
    return check_varied(s, SMR_KERNEL_ATTENTION, SMR_F16, &p);
}

// A few rows of few results, which GPUs split along the columns.
static uint32_t check_split(struct subject *s)
{
    enum { TILES = 1 };
    const struct smr_matmul_part whole = {0};
    const struct smr_matmul_push p = {.n_cols = 2080,
                                      .n_out = 70,
                                      .n_rows = 10,
                                      .in_stride = 2080,
                                      .out_stride = 71,
                                      .flags = SMR_MATMUL_ADD,
                                      .parts = {whole, whole, whole}};
    struct smr_kernel_key key;
    assert_true(smr_kernel_variant_key(s->device, SMR_KERNEL_MATMUL, SMR_Q5_0, TILES, &p, &key));
    const struct smr_kernel_desc *desc = smr_kernel_desc(SMR_KERNEL_MATMUL);
    assert_true(desc->splits(&key, &p) > 1);
    const uint32_t tile_o = key.constants[1];
    assert_true(desc->vary(&key, smr_device_limits(s->device), &p, 0)); // first the same, whole
    assert_int_equal(desc->splits(&key, &p), 0);
    assert_int_equal(key.constants[1], tile_o);
    return check_varied(s, SMR_KERNEL_MATMUL, SMR_Q5_0, &p);
}

// Software devices are not offered other settings, because compiling takes long there, but here they
// stand in for GPUs.
static void test_varied_constants(void **state)
{
    (void)state;
    struct test_folder folder;
    struct subject s;
    if (!make_subject(&s, &folder, SMR_KERNELS_TUNED))
        return;
    const bool vulkan = !strcmp(smr_device_get_info(s.device)->id, "vulkan0");
    const uint32_t n = check_varied(&s, SMR_KERNEL_MATVEC, SMR_Q4_0, &push);
    assert_true(!vulkan || n >= 4);
    const uint32_t n_tiles = check_varied_attention(&s, 64, 3) + check_varied_attention(&s, 256, 1);
    assert_true(!vulkan || n_tiles >= 4);
    if (vulkan)
        assert_true(check_split(&s) >= 4);
    close_subject(&s);
    test_folder_remove(&folder);
}

// With plain kernels there is nothing to choose.
static void test_plain(void **state)
{
    (void)state;
    struct test_folder folder;
    struct subject s;
    struct smr_kernel_key key;
    if (!make_subject(&s, &folder, SMR_KERNELS_PLAIN))
        return;
    assert_int_equal(chosen(&s).variant, 0);
    assert_true(smr_kernel_candidate(s.set, SMR_KERNEL_MATVEC, SMR_Q4_0, &push, 0, &key));
    assert_int_equal(key.variant, 0);
    close_subject(&s);
    test_folder_remove(&folder);
}

static void test_text(void **state)
{
    (void)state;
    char text[32];
    smr_kernel_key_text(&(struct smr_kernel_key){.id = SMR_KERNEL_NORM, .constants = {64}}, text,
                        sizeof text);
    assert_string_equal(text, "plain 64");
    smr_kernel_key_text(&(struct smr_kernel_key){.id = SMR_KERNEL_NORM, .subgroup_size = 16}, text,
                        6); // no room: cut off
    assert_string_equal(text, "plain");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chosen_and_kept),
        cmocka_unit_test(test_damaged_choices),
        cmocka_unit_test(test_varied_constants),
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
