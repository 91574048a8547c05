// test_translate.c - SPIR-V to OpenCL C: every variant of every kernel translates and compiles,
// damaged modules are refused or survived, and features.h's shaders compute the same on every
// device.
//
//   test_translate [CLANG]    (with it, the texts are also compiled by clang)
#include "support.h"

#include "device/opencl/cl.h"
#include "device/opencl/translate.h"
#include "kernel/kernel.h"
#include "opencl/features.h"

#include <glslang/Include/glslang_c_interface.h>
#include <glslang/Public/resource_limits_c.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

extern char **environ;

static const char *clang;  // path; NULL: none
static const char *folder; // tests/

// ---- compiling --------------------------------------------------------------------------------

// tests/opencl/NAME.comp as SPIR-V; free it.
static uint32_t *compile_shader(const char *name, size_t *size)
{
    char path[1024], text[1 << 14] = "";
    snprintf(path, sizeof path, "%s/opencl/%s.comp", folder, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    const int messages = GLSLANG_MSG_SPV_RULES_BIT | GLSLANG_MSG_VULKAN_RULES_BIT;
    glslang_input_t input = {
        .language = GLSLANG_SOURCE_GLSL,
        .stage = GLSLANG_STAGE_COMPUTE,
        .client = GLSLANG_CLIENT_VULKAN,
        .client_version = GLSLANG_TARGET_VULKAN_1_1,
        .target_language = GLSLANG_TARGET_SPV,
        .target_language_version = GLSLANG_TARGET_SPV_1_3,
        .code = text,
        .default_version = 450,
        .default_profile = GLSLANG_NO_PROFILE,
        .messages = messages,
        .resource = glslang_default_resource(),
    };
    glslang_initialize_process();
    glslang_shader_t *shader = glslang_shader_create(&input);
    if (!glslang_shader_preprocess(shader, &input) || !glslang_shader_parse(shader, &input))
        fprintf(stderr, "%s: %s\n", name, glslang_shader_get_info_log(shader));
    glslang_program_t *program = glslang_program_create();
    glslang_program_add_shader(program, shader);
    assert_true(glslang_program_link(program, messages));
    glslang_spv_options_t options = {.disable_optimizer = true};
    glslang_program_SPIRV_generate_with_options(program, GLSLANG_STAGE_COMPUTE, &options);
    *size = glslang_program_SPIRV_get_size(program) * sizeof(uint32_t);
    uint32_t *words = malloc(*size);
    assert_non_null(words);
    memcpy(words, glslang_program_SPIRV_get_ptr(program), *size);
    glslang_program_delete(program);
    glslang_shader_delete(shader);
    return words;
}

// The instructions of dots.comp as what they stand for. Frees `words`; returns new ones, of `*size`
// bytes.
static uint32_t *make_dots(uint32_t *words, size_t *size)
{
    enum { IMUL = 132, SDIV = 135, EXTRACT = 202, SDOT = 4450, UDOT, SUDOT, SDOT_SAT };
    enum { HEADER = 5, TYPE_INT = 21 };
    size_t n = *size / 4, made = HEADER;
    uint32_t *out = malloc(2 * *size), int_type = 0, n_dots = 0;
    assert_non_null(out);
    memcpy(out, words, HEADER * sizeof *words);
    for (size_t at = HEADER; at < n;) {
        const uint32_t *in = &words[at];
        uint32_t op = in[0] & 0xffff, length = in[0] >> 16;
        assert_true(length && length <= n - at);
        bool dot = op == IMUL || op == SDIV;
        if (op == TYPE_INT && in[2] == 32 && in[3])
            int_type = in[1];
        if (op == EXTRACT) {
            const uint32_t sum[] = {7u << 16 | SDOT_SAT, in[1], in[2], in[4], in[5], in[3], 0};
            memcpy(out + made, sum, sizeof sum);
            made += SMR_COUNT(sum);
        } else {
            memcpy(out + made, in, length * sizeof *in);
            made += length;
        }
        if (dot) { // one more word, the format
            out[made - length] = 6u << 16 | (op == SDIV ? SUDOT : in[1] == int_type ? SDOT : UDOT);
            out[made++] = 0;
        }
        n_dots += dot || op == EXTRACT;
        at += length;
    }
    assert_int_equal(n_dots, 4);
    free(words);
    *size = made * sizeof *out;
    return out;
}

static uint32_t *feature_words(const struct feature *feature, size_t *size)
{
    uint32_t *words = compile_shader(feature->name, size);
    return feature->dots ? make_dots(words, size) : words;
}

// `sizes`: of bindings, how many; of push constants, bytes.
static bool translate(smr_context *context, const char *name, const uint32_t *words, size_t size,
                      const uint32_t sizes[2], struct smr_string *text,
                      struct smr_cl_traits *traits)
{
    struct smr_spv module;
    bool done = smr_spv_read(context, name, words, size / 4, &module);
    if (done)
        smr_cl_find_traits(&module, traits);
    done = done && smr_cl_translate(context, &module, NULL, sizes[0], sizes[1], text);
    smr_spv_finish(&module);
    return done;
}

// Whether clang takes `text`; without clang, true.
static bool clang_accepts(const struct test_folder *temporary, const struct smr_string *text,
                          bool subgroups)
{
    if (!clang)
        return true;
    const char *path = test_path(temporary, "kernel.cl");
    test_write_file(path, text->data, text->size);
    const char *const args[] = {clang,
                                "-x",
                                "cl",
                                "-Xclang",
                                "-finclude-default-header",
                                "-target",
                                "spir64",
                                subgroups ? "-cl-std=CL2.0" : "-cl-std=CL1.2",
                                "-Wall",
                                "-Wno-unused",
                                "-DSPEC0=0x40u",
                                "-fsyntax-only",
                                path,
                                NULL};
    pid_t child;
    int status = 0;
    return !posix_spawnp(&child, clang, NULL, NULL, (char *const *)(uintptr_t)args, environ) &&
           waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// ---- the registry -----------------------------------------------------------------------------

// Translate one variant.
static bool check_variant(smr_context *context, const struct test_folder *temporary,
                          const struct smr_kernel_key *key)
{
    const struct smr_kernel_desc *desc = smr_kernel_desc(key->id);
    bool subgroups = desc->variants[key->variant].capabilities & SMR_CAP_SUBGROUP;
    struct smr_cl_traits traits;
    struct smr_blob spirv;
    struct smr_string text;
    smr_string_init(&text, context);
    assert_true(smr_shader_compile(context, key, &spirv));
    const uint32_t sizes[2] = {desc->n_bindings, desc->push_size};
    bool done = translate(context, desc->name, (const uint32_t *)(const void *)spirv.data,
                          spirv.size, sizes, &text, &traits);
    bool right =
        done && traits.subgroups == subgroups && clang_accepts(temporary, &text, traits.subgroups);
    if (!right)
        fprintf(stderr, "%s %s %s: %s\n", desc->name, smr_type_info(key->type)->name,
                desc->variants[key->variant].name, smr_context_error(context));
    smr_context_clear_error(context);
    smr_string_finish(&text);
    smr_blob_free(context, &spirv);
    return right;
}

// Capabilities that no device has through OpenCL: what needs them is not translated.
static bool is_for_opencl(const struct smr_variant *variant)
{
    return !(variant->capabilities & (SMR_CAP_FLOAT_16 | SMR_CAP_MATRIX));
}

static void test_registry(void **state)
{
    struct test_folder temporary;
    test_folder_make(&temporary);
    smr_context *context = smr_context_create(NULL);
    uint32_t n_wrong = 0;
    for (uint32_t id = 0; id < SMR_N_KERNELS; id++) {
        const struct smr_kernel_desc *desc = smr_kernel_desc((enum smr_kernel_id)id);
        for (uint32_t i = 0; i < desc->n_types * desc->n_variants; i++) {
            struct smr_kernel_key key = {.id = (enum smr_kernel_id)id,
                                         .type = desc->types[i / desc->n_variants],
                                         .variant = i % desc->n_variants};
            if (smr_variant_has_type(desc, key.variant, (enum smr_type)key.type) &&
                is_for_opencl(&desc->variants[key.variant]))
                n_wrong += !check_variant(context, &temporary, &key);
        }
    }
    assert_int_equal(n_wrong, 0);
    smr_context_destroy(context);
    test_folder_remove(&temporary);
}

// ---- damage -----------------------------------------------------------------------------------

// Translate damaged words: any text or an error will do.
static void try_words(smr_context *context, const uint32_t *words, size_t size)
{
    struct smr_string text;
    struct smr_cl_traits traits;
    smr_string_init(&text, context);
    if (!translate(context, "damaged", words, size, (const uint32_t[2]){2, 40}, &text, &traits))
        assert_true(smr_context_error(context)[0]);
    smr_context_clear_error(context);
    smr_string_finish(&text);
}

static void damage(smr_context *context, const uint32_t *words, size_t size)
{
    uint32_t *changed = malloc(size), state = 1;
    assert_non_null(changed);
    size_t n = size / 4;
    for (size_t i = 0; i < n; i++) {
        memcpy(changed, words, size);
        state = state * 1664525u + 1013904223u;
        const uint32_t values[] = {0,     words[i] + 1,    words[i] - 1, state >> 8 & 0xff,
                                   state, words[state % n]};
        for (size_t k = 0; k < SMR_COUNT(values); k++) {
            changed[i] = values[k];
            try_words(context, changed, size);
        }
        if (i % 16 == 0) { // cut, in a block of just that size
            uint32_t *cut = malloc(4 * i + 1);
            memcpy(cut, words, 4 * i);
            try_words(context, cut, 4 * i);
            free(cut);
        }
    }
    free(changed);
}

static void test_damage(void **state)
{
    smr_context *context = smr_context_create(NULL);
    for (size_t i = 0; i < n_features; i++) {
        size_t size;
        uint32_t *words = feature_words(&features[i], &size);
        damage(context, words, size);
        free(words);
    }
    smr_context_destroy(context);
}

// Every allocation may fail.
static void test_no_memory(void **state)
{
    size_t size, n_calls = 1;
    uint32_t *words = compile_shader("flow", &size);
    for (size_t fail_at = 0; fail_at <= n_calls; fail_at++) {
        struct test_memory memory = {.fail_at = fail_at};
        smr_context *context = test_context(&memory, NULL);
        if (!context)
            continue;
        struct smr_string text;
        struct smr_cl_traits traits;
        smr_string_init(&text, context);
        bool done =
            translate(context, "flow", words, size, (const uint32_t[2]){2, 8}, &text, &traits);
        assert_int_equal(done, fail_at == 0 || memory.n_calls < fail_at);
        if (!done)
            assert_int_equal(smr_context_status(context), SMR_ERROR_MEMORY);
        if (!fail_at)
            n_calls = memory.n_calls;
        smr_string_finish(&text);
        smr_context_destroy(context);
        assert_int_equal(memory.n_live, 0);
    }
    free(words);
}

// ---- features on devices ----------------------------------------------------------------------

enum { MOST_DEVICES = 16 };

struct run {
    smr_device *device;
    const struct feature *feature;
    const uint32_t *words;
    size_t size;
    uint32_t n, local;
};

static smr_buffer *buffer_with(smr_device *device, const void *data, size_t size)
{
    struct smr_buffer_params params = {.size = size, .name = "test"};
    smr_buffer *buffer = smr_buffer_create(device, &params);
    assert_non_null(buffer);
    assert_true(smr_buffer_write(buffer, 0, data, size));
    return buffer;
}

// out[] through the device.
static void compute(const struct run *run, const uint32_t *in, uint32_t *out, const uint32_t *push)
{
    const struct feature *feature = run->feature;
    struct smr_kernel_params params = {
        .name = feature->name,
        .spirv = run->words,
        .spirv_size = run->size,
        .n_bindings = 2,
        .access = {SMR_READ, SMR_READ_WRITE},
        .push_size = 4 * feature->n_push,
        .n_constants = feature->n_constants,
        .constants = {run->local},
    };
    memcpy(params.constants + 1, feature->constants, sizeof feature->constants);
    smr_kernel *kernel = smr_kernel_create(run->device, &params);
    if (!kernel)
        fprintf(stderr, "%s\n", smr_context_error(smr_device_context(run->device)));
    assert_non_null(kernel);
    size_t in_size = 4 * ((size_t)run->n + 2), out_size = feature->size(run->n);
    smr_buffer *from = buffer_with(run->device, in, in_size);
    smr_buffer *to = buffer_with(run->device, out, out_size);
    smr_list *list = smr_list_create(run->device, "test");
    struct smr_args args = {
        .bindings = {{from, 0, in_size}, {to, 0, out_size}},
        .push = push,
        .groups = {smr_div_up(run->n, run->local), 1, 1},
    };
    smr_list_dispatch(list, kernel, &args);
    if (!smr_list_end(list))
        fail_msg("%s", smr_context_error(smr_device_context(run->device)));
    assert_true(smr_device_submit(run->device, list) && smr_device_wait(run->device));
    assert_true(smr_buffer_read(to, 0, out, out_size));
    smr_list_destroy(list);
    smr_kernel_destroy(kernel);
    smr_buffer_destroy(from);
    smr_buffer_destroy(to);
}

static bool same(uint32_t a, uint32_t b)
{
    return a == b || !((a | b) & 0x7fffffff); // zeros of either sign
}

static bool run_feature(const struct run *run)
{
    size_t size = run->feature->size(run->n);
    uint32_t *in = malloc(4 * ((size_t)run->n + 2)), *out = malloc(size), *right = malloc(size);
    uint32_t push[10] = {run->n, 12345, 0, 0, 11, 22, 33, 44, 5, 6}, state = run->n,
             first = UINT32_MAX;
    for (uint32_t i = 0; i < run->n + 2; i++) {
        state = state * 1664525u + 1013904223u;
        in[i] = i < 24 ? i : state ^ state >> 13; // small ones too
    }
    memset(out, strcmp(run->feature->name, "shared") ? 0xab : 0, size);
    memcpy(right, out, size);
    run->feature->expect(in, right, push, run->local);
    compute(run, in, out, push);
    for (uint32_t i = 0; i < size / 4 && first == UINT32_MAX; i++)
        if (!same(out[i], right[i]))
            first = i;
    if (first != UINT32_MAX)
        fprintf(stderr, "%s on %s, n %u, workgroups of %u: word %u is %08x, not %08x\n",
                run->feature->name, smr_device_get_info(run->device)->id, run->n, run->local, first,
                out[first], right[first]);
    free(in);
    free(out);
    free(right);
    return first == UINT32_MAX;
}

// A processor may have subgroups though they are no gain there.
static bool has_subgroups(smr_device *device)
{
    if (smr_device_get_info(device)->backend == SMR_BACKEND_OPENCL)
        return smr_cl_device(device)->subgroup_language;
    return smr_device_limits(device)->capabilities & SMR_CAP_SUBGROUP;
}

static uint32_t check_device(smr_device *device)
{
    static const uint32_t sizes[][2] = {{1, 1}, {37, 1}, {100, 16}, {257, 64}, {1000, 128}};
    uint32_t n_wrong = 0;
    for (size_t i = 0; i < n_features; i++) {
        if (features[i].subgroups && !has_subgroups(device)) {
            fprintf(stderr, "# no subgroups on %s\n", smr_device_get_info(device)->id);
            continue;
        }
        if (features[i].dots && smr_device_get_info(device)->backend != SMR_BACKEND_OPENCL)
            continue;
        struct run run = {.device = device, .feature = &features[i]};
        uint32_t *words = feature_words(&features[i], &run.size);
        run.words = words;
        for (size_t k = 0; k < SMR_COUNT(sizes); k++) {
            run.n = sizes[k][0];
            run.local = sizes[k][1];
            // PoCL 6 links no code for subgroups in workgroups of one, and ends the process.
            if (features[i].subgroups && run.local == 1 &&
                smr_device_get_info(device)->backend == SMR_BACKEND_OPENCL)
                continue;
            n_wrong += !run_feature(&run);
        }
        free(words);
    }
    return n_wrong;
}

static void test_features(void **state)
{
    smr_context *context = smr_context_create(NULL);
    struct smr_device_info infos[MOST_DEVICES];
    size_t n = smr_devices(context, infos, MOST_DEVICES, NULL);
    uint32_t n_wrong = 0;
    for (size_t i = 0; i < n && i < MOST_DEVICES; i++) {
        smr_device *device = infos[i].usable ? smr_device_open(context, infos[i].id) : NULL;
        const uint64_t wanted = SMR_CAP_STORAGE_16 | SMR_CAP_STORAGE_8;
        if (device && smr_device_takes_spirv(device) &&
            (smr_device_limits(device)->capabilities & wanted) == wanted)
            n_wrong += check_device(device);
        smr_device_close(device);
    }
    assert_int_equal(n_wrong, 0);
    smr_context_destroy(context);
}

int main(int argc, char **argv)
{
    clang = argc > 1 ? argv[1] : NULL;
    folder = getenv("SMR_TEST_DIR");
    if (!folder)
        folder = ".";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registry),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_features),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
