// test_trial.c - drivers that miscompile: every kernel is tried, verdicts are kept, and what fails is
// replaced.
//
//     test_trial [DEVICE [all]]     vulkan when none is named; skipped where there is none
//
// The bad driver is bad_driver.c's. With `all` it does wrong at every place that has such an instruction,
// and says where nothing was noticed.
#include "bad_driver.h"
#include "generate/generate.h"
#include "kernel/trial.h"
#include "model_push.h"
#include "support.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *device_name = "vulkan";
static bool all_places;

// ---- what is said -------------------------------------------------------------------------------

struct record {
    char warnings[8192];
    uint32_t n_warnings, n_tried;
};

static void take_log(void *user, enum smr_log_level level, const char *text)
{
    struct record *record = user;
    if (level == SMR_LOG_WARNING) {
        const size_t size = strlen(record->warnings);
        snprintf(record->warnings + size, sizeof record->warnings - size, "%s\n", text);
        record->n_warnings++;
    }
    record->n_tried += level == SMR_LOG_DEBUG && strstr(text, "tried in");
}

static smr_context *recording_context(struct record *record, const char *cache_dir)
{
    const struct smr_context_params params = {
        .log = take_log, .log_level = SMR_LOG_DEBUG, .cache_dir = cache_dir, .user = record};
    *record = (struct record){.n_warnings = 0};
    smr_context *context = smr_context_create(&params);
    assert_non_null(context);
    return context;
}

// False, saying so, where there is no such device.
static bool have_device(void)
{
    static int there = -1;
    if (there < 0) {
        smr_context *context = smr_context_create(NULL);
        smr_device *device = smr_device_open(context, device_name);
        there = device != NULL;
        smr_device_close(device);
        smr_context_destroy(context);
    }
    if (!there)
        print_message("# skipped: no device %s\n", device_name);
    return there;
}

// ---- cases ----------------------------------------------------------------------------------------

static const struct smr_limits devices[] = {
    // A graphics card, one with wide subgroups, an integrated GPU.
    {.max_invocations = 1024,
     .max_workgroup_size = {1024, 1024, 64},
     .max_shared_size = 49152,
     .subgroup_size = 32,
     .min_subgroup_size = 32,
     .max_subgroup_size = 32,
     .matrix_size = 16,
     .capabilities = ~0ull},
    {.max_invocations = 1024,
     .max_workgroup_size = {1024, 1024, 1024},
     .max_shared_size = 65536,
     .subgroup_size = 64,
     .min_subgroup_size = 32,
     .max_subgroup_size = 64,
     .matrix_size = 16,
     .capabilities = ~0ull},
    {.max_invocations = 128,
     .max_workgroup_size = {128, 128, 64},
     .max_shared_size = 16384,
     .subgroup_size = 16,
     .min_subgroup_size = 8,
     .max_subgroup_size = 32,
     .capabilities = SMR_CAP_SUBGROUP},
    // A software driver, and a processor.
    {.max_invocations = 1024,
     .max_workgroup_size = {1024, 1024, 1024},
     .max_shared_size = 32768,
     .subgroup_size = 8,
     .min_subgroup_size = 8,
     .max_subgroup_size = 8,
     .matrix_size = 8,
     .capabilities = ~0ull,
     .cpu = true},
    {.max_invocations = 4096,
     .max_workgroup_size = {4096, 4096, 4096},
     .max_shared_size = 1 << 20,
     .subgroup_size = 1,
     .min_subgroup_size = 1,
     .max_subgroup_size = 1,
     .capabilities = SMR_CAP_STORAGE_8 | SMR_CAP_STORAGE_16,
     .cpu = true},
};

// Every kernel that a model may choose has a case, which chooses the same and is small.
static void check_cases(smr_device *device, const struct smr_kernel_key *key,
                        const union smr_push *push)
{
    struct smr_trial_push memory;
    struct smr_case_params params;
    const struct smr_kernel_desc *desc = smr_kernel_desc(key->id);
    uint32_t number = 0;
    while (smr_trial_case(device, key, push, number, &memory, &params)) {
        struct smr_arena arena;
        struct smr_case c;
        uint64_t size = 0;
        assert_true(number++ < 16);
        if (key->type != desc->types[desc->n_types - 1])
            continue; // making all of them takes long
        smr_arena_init(&arena, smr_device_context(device));
        assert_true(smr_case_init(&c, &arena, &params));
        for (uint32_t i = 0; i < desc->n_bindings; i++)
            size += c.operands[i].size;
        assert_true(size < 20 << 20);
        smr_arena_finish(&arena);
    }
    if (!number)
        fail_msg("%s %s %s has no case %u", desc->name, desc->variants[key->variant].name,
                 smr_type_info((enum smr_type)key->type)->name, push->attention.n_rows);
}

static void every_kernel_has_cases(void **state)
{
    smr_context *context = smr_context_create(NULL);
    smr_device *device = smr_device_open(context, "reference");
    uint32_t n_checked = 0;
    assert_non_null(device);
    for (size_t i = 0; i < SMR_COUNT(devices) * N_SHAPES * SMR_N_KERNELS; i++) {
        const enum smr_kernel_id id = (enum smr_kernel_id)(i % SMR_N_KERNELS);
        const struct smr_kernel_desc *desc = smr_kernel_desc(id);
        union smr_push push;
        device->limits = devices[i / SMR_N_KERNELS / N_SHAPES];
        model_push(id, &shapes[i / SMR_N_KERNELS % N_SHAPES], &push);
        for (uint32_t j = 0; j < desc->n_types * desc->n_variants; j++) {
            struct smr_kernel_key key;
            if (smr_kernel_variant_key(device, id, desc->types[j / desc->n_variants],
                                       j % desc->n_variants, &push, &key)) {
                check_cases(device, &key, &push);
                n_checked++;
            }
        }
    }
    assert_true(n_checked > 1000);
    smr_device_close(device);
    smr_context_destroy(context);
}

// What a kernel computes may by chance be what was there before. Here every second word is.
static void what_was_there_may_be_a_result(void **state)
{
    if (!have_device())
        return;
    smr_context *context = smr_context_create(NULL);
    smr_device *device = smr_device_open(context, device_name);
    struct smr_kernel_set *set = smr_kernel_set_create(device, SMR_KERNELS_PLAIN);
    union smr_push push;
    struct smr_kernel_key key;
    struct smr_arena arena;
    struct smr_case c;
    struct smr_case_result result;
    model_push(SMR_KERNEL_ACTIVATE, &shapes[1], &push);
    assert_true(smr_kernel_choose(set, SMR_KERNEL_ACTIVATE, SMR_F32, &push, &key));
    assert_true(smr_kernel_set_request(set, &key, NULL));
    assert_true(smr_kernel_set_build(set, NULL, NULL));
    smr_arena_init(&arena, context);
    const struct smr_case_params params = {.id = key.id, .type = SMR_F32, .push = &push};
    assert_true(smr_case_init(&c, &arena, &params));
    struct smr_twin_args args = {.push = &push, .type = key.type, .constants = key.constants};
    const size_t n = c.operands[2].size / sizeof(float);
    float *const out = c.operands[2].data, *twin = smr_arena_alloc(&arena, n, sizeof *twin);
    assert_non_null(twin);
    for (uint32_t i = 0; i < 3; i++) {
        args.bindings[i] = i < 2 ? c.operands[i].data : twin;
        args.sizes[i] = c.operands[i].size;
    }
    smr_kernel_desc(key.id)->groups(&key, &push, args.groups);
    smr_kernel_desc(key.id)->twin(&args);
    for (size_t i = 0; i < n; i += 2)
        out[i] = twin[i];
    assert_true(smr_case_run(set, &key, &c, 0, &result));
    assert_string_equal(result.problem, "");
    assert_true(result.error > 0); // the device rounds in another way: that is what is tested
    smr_arena_finish(&arena);
    smr_kernel_set_destroy(set);
    smr_device_close(device);
    smr_context_destroy(context);
}

// ---- bugs -----------------------------------------------------------------------------------------

struct tally {
    uint32_t n_bugs, n_noticed;
};

// Build `key` anew on trial. Whether something was said.
static bool complains(smr_device *device, struct record *record, const struct smr_kernel_key *key,
                      const union smr_push *push)
{
    static uint32_t n;
    // Another driver version each time, so that no verdict is kept, and SPIR-V is.
    snprintf(device->fingerprint, sizeof device->fingerprint, "bad driver %" PRIu32, n++);
    record->n_warnings = 0;
    record->warnings[0] = 0;
    struct smr_kernel_set *set = smr_kernel_set_create(device, SMR_KERNELS_TUNED);
    assert_non_null(set);
    assert_true(smr_kernel_set_request(set, key, push));
    if (!smr_kernel_set_build(set, NULL, NULL))
        fail_msg("%s: %s", driver.bug ? driver.bug->name : "no bug",
                 smr_context_error(smr_device_context(device)));
    const bool said = record->n_warnings;
    assert_int_equal(smr_kernel_set_n_rejected(set), said && key->variant);
    smr_kernel_set_destroy(set);
    return said;
}

static void try_bugs(smr_device *device, struct record *record, const struct smr_kernel_key *key,
                     const union smr_push *push, struct tally *tally)
{
    const struct smr_kernel_desc *desc = smr_kernel_desc(key->id);
    driver.victim = NULL;
    if (complains(device, record, key, push))
        fail_msg("a false alarm: %s", record->warnings);
    driver.victim = desc->name;
    for (size_t i = 0; i < N_BUGS; i++) {
        if (!all_places && (i + key->id + key->variant) % 3)
            continue; // a third of them, others for each variant
        driver.bug = &bugs[i];
        const uint32_t n = count_places(smr_device_context(device), key, &bugs[i]);
        for (uint32_t place = all_places ? 0 : n / 2; place < n; place++) {
            driver.place = place;
            driver.n_harmed = 0;
            const bool noticed = complains(device, record, key, push);
            if (!driver.n_harmed)
                continue; // there is but one workgroup
            tally->n_bugs++;
            tally->n_noticed += noticed;
            if (!noticed)
                print_message("# not noticed: %s %s, %s at %" PRIu32 " of %" PRIu32 "\n",
                              desc->name, desc->variants[key->variant].name, bugs[i].name, place,
                              n);
            if (!all_places)
                break;
        }
    }
}

// Long code is tried on a device that would not choose it.
static bool variant_key(smr_device *device, enum smr_kernel_id id, enum smr_type type,
                        uint32_t variant, const union smr_push *push, struct smr_kernel_key *key)
{
    if (smr_kernel_variant_key(device, id, type, variant, push, key))
        return true;
    device->limits.max_subgroup_size = 32;
    return smr_kernel_variant_key(device, id, type, variant, push, key);
}

static void most_bugs_are_noticed(void **state)
{
    if (!have_device())
        return;
    struct test_folder cache;
    struct record record;
    struct tally all = {0};
    test_folder_make(&cache);
    smr_context *context = recording_context(&record, cache.path);
    smr_device *device = smr_device_open(context, device_name);
    assert_non_null(device);
    corrupt(device);
    const struct smr_limits limits = device->limits;
    for (uint32_t i = 0; i < SMR_N_KERNELS; i++) {
        const enum smr_kernel_id id = (enum smr_kernel_id)i;
        const struct smr_kernel_desc *desc = smr_kernel_desc(id);
        const enum smr_type type = desc->n_types > 10  ? SMR_Q5_0
                                   : desc->n_types > 1 ? SMR_F16
                                                       : SMR_F32;
        for (uint32_t variant = 0; variant < desc->n_variants; variant++) {
            struct tally tally = {0};
            union smr_push push;
            struct smr_kernel_key key;
            device->limits = limits;
            model_push(id, &shapes[id == SMR_KERNEL_MATVEC ? 2 : 3], &push);
            if (!variant_key(device, id, type, variant, &push, &key))
                continue;
            try_bugs(device, &record, &key, &push, &tally);
            print_message("# %s %s: %" PRIu32 " of %" PRIu32 " bugs noticed\n", desc->name,
                          desc->variants[variant].name, tally.n_noticed, tally.n_bugs);
            // Some are in code for what this push does not ask for.
            assert_true(tally.n_bugs == 0 || tally.n_noticed);
            all.n_bugs += tally.n_bugs;
            all.n_noticed += tally.n_noticed;
        }
    }
    print_message("# %" PRIu32 " of %" PRIu32 " bugs noticed\n", all.n_noticed, all.n_bugs);
    assert_true(all.n_bugs > 30 && all.n_noticed * 10 >= all.n_bugs * 8);
    smr_device_close(device);
    smr_context_destroy(context);
    test_folder_remove(&cache);
}

// ---- a model on a bad driver ----------------------------------------------------------------------

enum { N_PREDICT = 6 };

struct run {
    struct record record;
    float logits[512]; // after the prompt
    int32_t tokens[N_PREDICT];
    uint32_t n_tokens, n_vocab, n_rejected;
};

static bool take_token(void *user, const struct smr_generated *generated)
{
    struct run *run = user;
    if (generated->token >= 0)
        run->tokens[run->n_tokens++ % N_PREDICT] = generated->token;
    return true;
}

// Run a tiny model on the device, with a driver that does `bug` to the kernels named `victim`.
static void run_model(const char *device, const char *cache_dir, const char *victim,
                      const struct bug *bug, const char *fingerprint, struct run *run)
{
    static const int32_t prompt[] = {5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    char path[512];
    snprintf(path, sizeof path, "%s/golden/quant-q8_0.gguf", getenv("SMR_TEST_DIR"));
    smr_context *context = recording_context(&run->record, cache_dir);
    smr_model *model = smr_model_open(context, path);
    assert_non_null(model);
    smr_engine *engine =
        smr_engine_create(model, &(struct smr_engine_params){.device = device, .n_context = 64});
    if (!engine) {
        fail_msg("%s", smr_context_error(context));
        return; // never, which tools do not know
    }
    corrupt(engine->device);
    driver.victim = victim;
    driver.bug = bug;
    driver.place = 0;
    if (fingerprint)
        snprintf(engine->device->fingerprint, sizeof engine->device->fingerprint, "%s",
                 fingerprint);
    smr_session *session = smr_session_create(engine);
    assert_true(smr_session_append(session, prompt, SMR_COUNT(prompt)));
    const float *logits = smr_session_logits(session);
    if (!logits) {
        fail_msg("%s", smr_context_error(context));
        return;
    }
    run->n_vocab = model->hparams.n_vocab;
    assert_true(run->n_vocab <= SMR_COUNT(run->logits));
    memcpy(run->logits, logits, run->n_vocab * sizeof *logits);
    run->n_tokens = 0;
    struct smr_generate_result result;
    const struct smr_generate_params params = {
        .n_predict = N_PREDICT,
        .ignore_end = true,
        .sampling = {.repeat_penalty = 1, .top_p = 1},
        .callback = take_token,
        .user = run,
    };
    assert_true(smr_generate(session, &params, &result));
    assert_string_equal(smr_context_error(context), "");
    run->n_rejected = smr_kernel_set_n_rejected(engine->kernels);
    smr_session_destroy(session);
    smr_engine_destroy(engine);
    smr_model_close(model);
    smr_context_destroy(context);
}

static void assert_same_text(const struct run *a, const struct run *b)
{
    assert_int_equal(a->n_tokens, N_PREDICT);
    assert_memory_equal(a->tokens, b->tokens, sizeof a->tokens);
    for (uint32_t i = 0; i < a->n_vocab; i++)
        assert_float_equal(a->logits[i], b->logits[i], 1e-3);
}

// The variant of matmul that this device chooses.
static const char *tuned_variant(void)
{
    static char name[64];
    smr_context *context = smr_context_create(NULL);
    smr_device *device = smr_device_open(context, device_name);
    struct smr_kernel_set *set = smr_kernel_set_create(device, SMR_KERNELS_TUNED);
    struct smr_kernel_key key;
    union smr_push push;
    model_push(SMR_KERNEL_MATMUL, &shapes[3], &push);
    assert_true(smr_kernel_choose(set, SMR_KERNEL_MATMUL, SMR_Q8_0, &push, &key));
    snprintf(name, sizeof name, "%s", smr_kernel_desc(key.id)->variants[key.variant].name);
    smr_kernel_set_destroy(set);
    smr_device_close(device);
    smr_context_destroy(context);
    return name;
}

static void check_warning(const struct run *run, const char *variant)
{
    const char *lines = run->record.warnings;
    char name[64];
    snprintf(name, sizeof name, "kernel matmul Q8_0 %s is not used", variant);
    assert_non_null(strstr(lines, name));
    assert_non_null(strstr(lines, "samara check --device"));
    assert_null(strstr(strstr(lines, "Please report") + 1, "Please report")); // once is enough
    assert_int_equal(run->record.n_warnings, run->n_rejected);
    assert_true(run->n_rejected >= 2); // matmul and matvec
}

static void a_miscompiled_variant_is_replaced(void **state)
{
    if (!have_device())
        return;
    static struct run right, first, second;
    const char *variant = tuned_variant();
    if (!strcmp(variant, "plain")) {
        print_message("# skipped: no tuned variant of matmul on %s\n", device_name);
        return;
    }
    struct test_folder cache;
    test_folder_make(&cache);
    run_model("reference", NULL, NULL, NULL, NULL, &right);
    run_model(device_name, cache.path, variant, &bugs[0], "miscompiles", &first);
    assert_true(first.record.n_tried > 5);
    assert_non_null(strstr(first.record.warnings, "tolerance"));
    check_warning(&first, variant);
    assert_same_text(&first, &right);

    // From kept verdicts: nothing is tried, and nothing is compiled that is known to be wrong.
    run_model(device_name, cache.path, variant, &bugs[0], "miscompiles", &second);
    assert_int_equal(second.record.n_tried, 0);
    assert_int_equal(driver.n_harmed, 0);
    assert_string_equal(second.record.warnings, first.record.warnings);
    assert_same_text(&second, &first);

    // Another version of the driver is tried anew, and has mended it.
    run_model(device_name, cache.path, NULL, NULL, "mended", &second);
    assert_true(second.record.n_tried > 5);
    assert_int_equal(second.record.n_warnings, 0);
    assert_same_text(&second, &right);
    test_folder_remove(&cache);
}

static void a_variant_that_does_not_compile_is_replaced(void **state)
{
    if (!have_device() || !strcmp(tuned_variant(), "plain"))
        return;
    static struct run right, refused, again;
    const char *variant = tuned_variant();
    struct test_folder cache;
    test_folder_make(&cache);
    run_model("reference", NULL, NULL, NULL, NULL, &right);
    run_model(device_name, cache.path, variant, NULL, "refuses", &refused);
    assert_non_null(strstr(refused.record.warnings, "does not compile: kernel ma"));
    check_warning(&refused, variant);
    assert_same_text(&refused, &right);
    run_model(device_name, cache.path, variant, NULL, "refuses", &again);
    assert_int_equal(again.record.n_tried, 0);
    assert_string_equal(again.record.warnings, refused.record.warnings);
    test_folder_remove(&cache);
}

// It is said once, whatever the number of kernels, and the run goes on.
static void a_device_that_computes_wrongly_is_warned_of(void **state)
{
    if (!have_device())
        return;
    static struct run run;
    run_model(device_name, NULL, "plain", &bugs[0], NULL, &run);
    assert_non_null(strstr(run.record.warnings, "cannot be trusted. Kernel "));
    assert_non_null(strstr(run.record.warnings, "it computes wrongly: binding "));
    assert_non_null(strstr(run.record.warnings, "samara check --device"));
    assert_int_equal(run.record.n_warnings, 1);
    assert_int_equal(run.n_rejected, 0);
}

// ---- kept verdicts --------------------------------------------------------------------------------

// Overwrite each verdict in the folder. Returns how many there are.
static uint32_t replace_verdicts(const struct test_folder *cache, const void *data, size_t size,
                                 bool whole_file)
{
    uint32_t n = 0;
    smr_context *context = test_context(NULL, cache->path);
    DIR *dir = opendir(cache->path);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        struct smr_key key;
        if (!strstr(entry->d_name, ".verdict") ||
            sscanf(entry->d_name, "%16" SCNx64 "%16" SCNx64, &key.high, &key.low) != 2)
            continue;
        if (whole_file)
            test_write_file(test_path(cache, entry->d_name), data, size);
        else
            smr_cache_put(context, "verdict", key, data, size);
        n++;
    }
    closedir(dir);
    smr_context_destroy(context);
    return n;
}

static void damaged_verdicts_are_ignored(void **state)
{
    if (!have_device())
        return;
    struct smr_verdict strange = {.known = 1, .right = 2};
    struct smr_verdict cut = {.known = 1, .problem = "it was cut"};
    struct smr_verdict endless = {.known = 1};
    struct smr_verdict unknown = {.right = 1};
    memset(endless.problem, 'x', sizeof endless.problem);
    const struct {
        const void *data;
        size_t size;
        bool whole_file;
    } damages[] = {
        {"garbage", 7, true},
        {"", 0, true},
        {&cut, sizeof cut - 8, false},
        {&strange, sizeof strange, false},
        {&endless, sizeof endless, false},
        {&unknown, sizeof unknown, false},
    };
    struct test_folder cache;
    struct record record;
    test_folder_make(&cache);
    smr_context *context = recording_context(&record, cache.path);
    smr_device *device = smr_device_open(context, device_name);
    for (size_t i = 0; i <= SMR_COUNT(damages); i++) {
        union smr_push push;
        struct smr_kernel_key key;
        struct smr_kernel_set *set = smr_kernel_set_create(device, SMR_KERNELS_PLAIN);
        model_push(SMR_KERNEL_ACTIVATE, &shapes[0], &push);
        assert_true(smr_kernel_choose(set, SMR_KERNEL_ACTIVATE, SMR_F32, &push, &key));
        assert_true(smr_kernel_set_request(set, &key, &push));
        assert_true(smr_kernel_set_build(set, NULL, NULL));
        assert_int_equal(record.n_tried, i + 1);
        assert_int_equal(record.n_warnings, 0);
        smr_kernel_set_destroy(set);
        if (i < SMR_COUNT(damages))
            assert_int_equal(
                replace_verdicts(&cache, damages[i].data, damages[i].size, damages[i].whole_file),
                1);
    }
    smr_device_close(device);
    smr_context_destroy(context);
    test_folder_remove(&cache);
}

static bool build_on_trial(smr_device *device)
{
    union smr_push push;
    struct smr_kernel_key key;
    struct smr_kernel_set *set = smr_kernel_set_create(device, SMR_KERNELS_PLAIN);
    model_push(SMR_KERNEL_ACTIVATE, &shapes[0], &push);
    const bool done = set && smr_kernel_choose(set, SMR_KERNEL_ACTIVATE, SMR_F32, &push, &key) &&
                      smr_kernel_set_request(set, &key, &push) &&
                      smr_kernel_set_build(set, NULL, NULL);
    smr_kernel_set_destroy(set);
    return done;
}

static void a_trial_without_memory_is_an_error(void **state)
{
    if (!have_device())
        return;
    struct test_folder cache;
    struct test_memory memory = {0};
    test_folder_make(&cache);
    for (size_t fail_at = 1;; fail_at++) {
        memory = (struct test_memory){0};
        smr_context *context = test_context(&memory, cache.path);
        smr_device *device = smr_device_open(context, device_name);
        assert_non_null(device);
        snprintf(device->fingerprint, sizeof device->fingerprint, "memory %zu", fail_at);
        memory.n_calls = 0;
        memory.fail_at = fail_at;
        const bool done = build_on_trial(device), failed = memory.n_calls >= fail_at;
        if (!done)
            assert_int_equal(smr_context_status(context), SMR_ERROR_MEMORY);
        memory.fail_at = 0;
        smr_device_close(device);
        smr_context_destroy(context);
        assert_int_equal(memory.n_live, 0);
        if (!failed)
            break;
    }
    assert_true(memory.n_calls > 20);
    test_folder_remove(&cache);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        device_name = argv[1];
    all_places = argc > 2 && !strcmp(argv[2], "all");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kernel_has_cases),
        cmocka_unit_test(what_was_there_may_be_a_result),
        cmocka_unit_test(most_bugs_are_noticed),
        cmocka_unit_test(a_miscompiled_variant_is_replaced),
        cmocka_unit_test(a_variant_that_does_not_compile_is_replaced),
        cmocka_unit_test(a_device_that_computes_wrongly_is_warned_of),
        cmocka_unit_test(damaged_verdicts_are_ignored),
        cmocka_unit_test(a_trial_without_memory_is_an_error),
    };
    return cmocka_run_group_tests_name("trial", tests, NULL, NULL);
}
