// bad_driver.c - puts bugs into SPIR-V on its way to the driver.
#include "bad_driver.h"

#include "support.h"

#include <stdlib.h>
#include <string.h>

enum {
    OP_CONSTANT = 43,
    OP_EXT_INST = 12,
    OP_TYPE_FLOAT = 22,
    OP_NOP = 1,
    OP_CONTROL_BARRIER = 224,
    OP_SELECT = 169
};

const struct bug bugs[N_BUGS] = {
    {"adds for multiplies", 133, 129, 0, 0},
    {"subtracts for adds", 129, 131, 0, 0},
    {"adds for subtracts", 131, 129, 0, 0},
    {"multiplies for divides", 136, 133, 0, 0},
    {"forgets a sign", 127, 83, 0, 0},
    {"a constant off by 1 %", OP_CONSTANT, 0, 0, 0},
    {"no barrier", OP_CONTROL_BARRIER, 0, 0, 0},
    {"less for greater", 186, 184, 0, 0},
    {"minimum for maximum", OP_EXT_INST, OP_EXT_INST, 40, 37},
    {"exp2 for exp", OP_EXT_INST, OP_EXT_INST, 27, 29},
    {"sin for cos", OP_EXT_INST, OP_EXT_INST, 14, 13},
    {"ceiling for floor", OP_EXT_INST, OP_EXT_INST, 8, 9},
    {"the other one selected", OP_SELECT, 0, 0, 0},
    {"the last workgroups dropped", 0, 0, 0, 0},
};

struct bad_driver driver;

static bool is_victim(const char *name)
{
    return driver.victim && strstr(name, driver.victim);
}

// The float type's id, 0 without one.
static uint32_t float_type(const uint32_t *code, size_t n)
{
    for (size_t i = 5; i < n && code[i] >> 16; i += code[i] >> 16)
        if ((code[i] & 0xffff) == OP_TYPE_FLOAT && code[i + 2] == 32)
            return code[i + 1];
    return 0;
}

static bool is_place(const struct bug *bug, const uint32_t *word, uint32_t type)
{
    if ((*word & 0xffff) != bug->op)
        return false;
    if (bug->op == OP_CONSTANT)
        return word[1] == type;
    return !bug->ext || word[4] == bug->ext;
}

static void apply(const struct bug *bug, uint32_t *word)
{
    const uint32_t n = *word >> 16;
    if (bug->op == OP_CONSTANT) {
        float value;
        memcpy(&value, &word[3], sizeof value);
        value = value == 0 ? 0.01f : value * 1.01f;
        memcpy(&word[3], &value, sizeof value);
    } else if (bug->op == OP_SELECT) {
        const uint32_t swap = word[4];
        word[4] = word[5];
        word[5] = swap;
    } else {
        *word = n << 16 | bug->other;
        if (bug->ext)
            word[4] = bug->other_ext;
    }
}

// Put the bug in at its place. Returns how many places there are.
static uint32_t harm(const struct bug *bug, uint32_t place, uint32_t *code, size_t *n)
{
    uint32_t n_places = 0;
    const uint32_t type = float_type(code, *n);
    for (size_t i = 5; i < *n && code[i] >> 16; i += code[i] >> 16) {
        if (!is_place(bug, &code[i], type) || n_places++ != place)
            continue;
        if (bug->op != OP_CONTROL_BARRIER) {
            apply(bug, &code[i]);
        } else { // leave it out
            const uint32_t size = code[i] >> 16;
            *n -= size;
            memmove(&code[i], &code[i + size], (*n - i) * sizeof *code);
        }
    }
    return n_places;
}

static bool bad_kernel_create(smr_kernel *kernel, const struct smr_kernel_params *params)
{
    if (!is_victim(params->name))
        return driver.honest->kernel_create(kernel, params);
    if (!driver.bug)
        return smr_fail(kernel->device->context, SMR_ERROR_DEVICE, "kernel %s: refused",
                        params->name);
    struct smr_kernel_params changed = *params;
    uint32_t *code = malloc(params->spirv_size);
    assert_non_null(code);
    memcpy(code, params->spirv, params->spirv_size);
    size_t n = params->spirv_size / 4;
    driver.n_harmed += harm(driver.bug, driver.place, code, &n) > 0;
    changed.spirv = code;
    changed.spirv_size = 4 * n;
    const bool done = driver.honest->kernel_create(kernel, &changed);
    free(code);
    return done;
}

static void bad_list_dispatch(smr_list *list, smr_kernel *kernel, const struct smr_args *args)
{
    struct smr_args changed = *args;
    if (is_victim(kernel->name) && driver.bug == &bugs[DROP_WORKGROUPS] && args->groups[0] > 1) {
        changed.groups[0]--;
        driver.n_harmed++;
    }
    driver.honest->list_dispatch(list, kernel, &changed);
}

void corrupt(smr_device *device)
{
    driver.honest = device->impl;
    driver.impl = *device->impl;
    driver.impl.kernel_create = bad_kernel_create;
    driver.impl.list_dispatch = bad_list_dispatch;
    device->impl = &driver.impl;
    driver.victim = NULL;
    driver.n_harmed = 0;
}

uint32_t count_places(smr_context *context, const struct smr_kernel_key *key, const struct bug *bug)
{
    struct smr_blob spirv;
    if (bug == &bugs[DROP_WORKGROUPS])
        return 1;
    assert_true(smr_shader_compile(context, key, &spirv));
    size_t n_words = spirv.size / 4;
    const uint32_t n = harm(bug, UINT32_MAX, (uint32_t *)(void *)spirv.data, &n_words);
    smr_blob_free(context, &spirv);
    return n;
}
