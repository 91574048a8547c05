// shaders.c - every variant of every kernel and type compiles, and spirv-val accepts what comes
// out. TAP on stdout.
//
//   shaders SPIRV_VAL [KEEP_DIR]    (keeps the SPIR-V there, as KERNEL_TYPE_VARIANT.spv)
#include "kernel/kernel.h"

#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static bool write_file(const char *path, const struct smr_blob *blob)
{
    FILE *file = fopen(path, "wb");
    if (!file)
        return false;
    bool done = fwrite(blob->data, 1, blob->size, file) == blob->size;
    return !fclose(file) && done;
}

static bool validate(const char *program, const char *path)
{
    char target[] = "--target-env", version[] = "vulkan1.1";
    char *const args[] = {(char *)(uintptr_t)program, target, version, (char *)(uintptr_t)path,
                          NULL};
    pid_t child;
    int status = 0;
    return !posix_spawnp(&child, program, NULL, NULL, args, environ) &&
           waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// Compile one variant and validate it.
static bool run(smr_context *context, const struct smr_kernel_key *key, const char *program,
                const char *dir)
{
    const struct smr_kernel_desc *desc = smr_kernel_desc(key->id);
    char path[1024];
    snprintf(path, sizeof path, "%s/%s_%s_%s.spv", dir, desc->name,
             smr_type_info((enum smr_type)key->type)->name, desc->variants[key->variant].name);
    struct smr_blob spirv;
    if (!smr_shader_compile(context, key, &spirv)) {
        printf("# %s\n", smr_context_error(context));
        smr_context_clear_error(context);
        return false;
    }
    bool done = write_file(path, &spirv) && validate(program, path);
    smr_blob_free(context, &spirv);
    return done;
}

int main(int argc, char **argv)
{
    char temporary[] = "/tmp/samara-shaders-XXXXXX";
    const char *dir = argc > 2 ? argv[2] : mkdtemp(temporary);
    struct smr_context_params params = {0};
    smr_context *context = smr_context_create(&params);
    if (argc < 2 || !dir || !context)
        return 2;

    uint32_t n = 0, n_failed = 0;
    for (uint32_t id = 0; id < SMR_N_KERNELS; id++) {
        const struct smr_kernel_desc *desc = smr_kernel_desc((enum smr_kernel_id)id);
        for (uint32_t i = 0; i < desc->n_types * desc->n_variants; i++) {
            struct smr_kernel_key key = {
                .id = (enum smr_kernel_id)id,
                .type = desc->types[i / desc->n_variants],
                .variant = i % desc->n_variants,
            };
            const bool matrix = desc->variants[key.variant].capabilities & SMR_CAP_MATRIX;
            if (!smr_variant_has_type(desc, key.variant, (enum smr_type)key.type) ||
                (matrix && !smr_shader_knows_matrices()))
                continue;
            bool passed = run(context, &key, argv[1], dir);
            n_failed += !passed;
            printf("%s %u - %s %s %s\n", passed ? "ok" : "not ok", ++n, desc->name,
                   smr_type_info((enum smr_type)key.type)->name, desc->variants[key.variant].name);
            if (argc <= 2) {
                char path[1024];
                snprintf(path, sizeof path, "%s/%s_%s_%s.spv", dir, desc->name,
                         smr_type_info((enum smr_type)key.type)->name,
                         desc->variants[key.variant].name);
                remove(path);
            }
        }
    }
    printf("1..%u\n", n);
    if (argc <= 2)
        rmdir(dir);
    smr_context_destroy(context);
    return n_failed != 0;
}
