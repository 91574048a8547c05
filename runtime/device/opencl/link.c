// link.c - programs that have several kernels as functions: cl.h says why.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/context.h"
#include "device/opencl/cl.h"

// ---- the text -----------------------------------------------------------------------------------

// What follows the functions. struct smr_cl_stage is the host's side of smr_stage. A thread that waits
// does so awake at first, for a stage takes microseconds; then it sleeps. For when others want the
// processor, it may be who it waits for that is kept from it for milliseconds: a system moves that
// thread to a processor that has nothing to do, not to one that waits awake or by yielding.
//
// Two things are functions that stay such. smr_futex(), because PoCL 4 to 6 abort on inline assembly
// in the kernel itself: WorkitemLoops.cc takes a call without a function's name for one of its own
// __pocl_local_mem_alloca(), where the program has none of those (mended in 7.0). And each kernel's
// share of a stage, because its compiler must see that no buffer is one of its own arrays: of a
// parameter it knows that, not of an address out of a table. LLVM 18 would keep sums in memory.
static const char text_stages[] =
    "typedef struct {\n"
    "    uint function, begin, end, after, share, groups[3];\n"
    "    ulong bindings[8];\n"
    "    uint push[32];\n"
    "} smr_stage;\n"
    "#define smr_call(name, ...) \\\n"
    "    for (uint g = first; g < last; g++) { \\\n"
    "        const uint row = g / stage->groups[0]; \\\n"
    "        const smr_place at = {{g % stage->groups[0], row % stage->groups[1], \\\n"
    "                               row / stage->groups[1]}, \\\n"
    "                              {stage->groups[0], stage->groups[1], stage->groups[2]}}; \\\n"
    "        name(&at, __VA_ARGS__); \\\n"
    "    }\n"
    "#define smr_buffer(i) (__global void *)stage->bindings[i]\n"
    "#define smr_share_parameters \\\n"
    "    __global const smr_stage *const stage, const uint first, const uint last\n"
    "#define smr_apart static __attribute__((noinline))\n"
    // futex(2), a call of Linux: wait while a word has a value, or wake as many as wait for it. OpenCL C
    // has no variables in registers of one's choice.
    "smr_apart void smr_futex(__global uint *word, long what, long value)\n"
    "{\n"
    "#if defined(__linux__) && defined(__x86_64__)\n"
    "#define SMR_FUTEX\n"
    "    long number = 202;\n"
    "    __asm__ volatile(\"xorl %%r10d, %%r10d; syscall\"\n" // no time limit
    "                     : \"+a\"(number) : \"D\"(word), \"S\"(what), \"d\"(value)\n"
    "                     : \"rcx\", \"r10\", \"r11\", \"memory\", \"cc\");\n"
    "#elif defined(__linux__) && defined(__aarch64__)\n"
    "#define SMR_FUTEX\n"
    "    __asm__ volatile(\"mov x0, %0; mov x1, %1; mov x2, %2; mov x3, #0; mov x8, #98; svc #0\"\n"
    "                     : : \"r\"(word), \"r\"(what), \"r\"(value)\n"
    "                     : \"x0\", \"x1\", \"x2\", \"x3\", \"x8\", \"memory\", \"cc\");\n"
    "#endif\n"
    "}\n"
    "smr_apart void smr_pause(void)\n"
    "{\n"
    "#if defined(__x86_64__)\n"
    "    __builtin_ia32_pause();\n"
    "#elif defined(__aarch64__)\n"
    "    __asm__ volatile(\"yield\");\n"
    "#endif\n"
    "}\n"
    // Who sleeps says so before `done` is looked at last; who changes `done` looks for them after it.
    "smr_static void smr_wait(__global uint *const done, __global uint *const asleep,\n"
    "                         const uint after)\n"
    "{\n"
    "    uint now;\n"
    "    for (uint i = 0; (now = __atomic_load_n(done, __ATOMIC_ACQUIRE)) < after; i++) {\n"
    "        smr_pause();\n"
    "#ifdef SMR_FUTEX\n"
    "        if (i < 512) continue;\n"
    "        __atomic_fetch_add(asleep, 1u, __ATOMIC_SEQ_CST);\n"
    "        smr_futex(done, 128, now);\n" // FUTEX_WAIT_PRIVATE
    "        __atomic_fetch_sub(asleep, 1u, __ATOMIC_SEQ_CST);\n"
    "#endif\n"
    "    }\n"
    "}\n"
    "smr_static void smr_done(__global uint *const done, __global uint *const asleep)\n"
    "{\n"
    "    __atomic_fetch_add(done, 1u, __ATOMIC_SEQ_CST);\n"
    "#ifdef SMR_FUTEX\n"
    "    if (__atomic_load_n(asleep, __ATOMIC_SEQ_CST))\n"
    "        smr_futex(done, 129, INT_MAX);\n" // FUTEX_WAKE_PRIVATE
    "#endif\n"
    "}\n";

static const char text_run[] = "smr_static SMR_WIDE void smr_run(smr_share_parameters)\n"
                               "{\n"
                               "    switch (stage->function) {\n";

// Counters, each 32 words after the last: tickets taken; tickets done; threads that sleep. Without
// stages it tells where it finds the counters, which must be where the host has them: stages hold the
// host's addresses.
static const char text_kernel[] =
    "    }\n"
    "}\n"
    "__kernel SMR_WIDE __attribute__((reqd_work_group_size(1, 1, 1)))\n"
    "void samara(__global const smr_stage *const stages, uint s, const uint end,\n"
    "            __global uint *const all_counters, const uint counters_at)\n"
    "{\n"
    "    __global uint *const taken = all_counters + counters_at, *const done = taken + 32;\n"
    "    __global uint *const asleep = taken + 64;\n"
    "    if (s == end) *(__global ulong *)taken = (ulong)taken;\n"
    "    while (s < end) {\n"
    "        const uint ticket = __atomic_fetch_add(taken, 1u, __ATOMIC_RELAXED);\n"
    "        while (s < end && ticket >= stages[s].end) s++;\n"
    "        if (s == end) break;\n"
    "        __global const smr_stage *const stage = &stages[s];\n"
    "        const uint n = stage->groups[0] * stage->groups[1] * stage->groups[2];\n"
    "        const uint first = (ticket - stage->begin) * stage->share;\n"
    "        smr_wait(done, asleep, stage->after);\n"
    "        smr_run(stage, first, min(first + stage->share, n));\n"
    "        smr_done(done, asleep);\n"
    "    }\n"
    "}\n";

// "smr_apart SMR_WIDE void smr_share3(..., __global void *restrict b0) { smr_call(k12, b0) }"
static void add_share(struct smr_string *text, const smr_kernel *kernel, size_t index)
{
    const struct smr_cl_kernel *impl = kernel->impl;
    smr_string_printf(text, "smr_apart SMR_WIDE void smr_share%zu(smr_share_parameters", index);
    for (uint32_t i = 0; i < kernel->n_bindings; i++)
        smr_string_printf(text, ", __global void *restrict b%u", i);
    smr_string_printf(text, ")\n{\n    smr_call(%s", impl->function);
    for (uint32_t i = 0; i < kernel->n_bindings; i++)
        smr_string_printf(text, ", b%u", i);
    if (kernel->push_size)
        smr_string_printf(text, ", *(__global const %spush_constants *)stage->push",
                          impl->function);
    smr_string_printf(text, ")\n}\n");
}

// "case 3: smr_share3(stage, first, last, smr_buffer(0)); break;"
static void add_case(struct smr_string *text, const smr_kernel *kernel, size_t index)
{
    smr_string_printf(text, "    case %zu: smr_share%zu(stage, first, last", index, index);
    for (uint32_t i = 0; i < kernel->n_bindings; i++)
        smr_string_printf(text, ", smr_buffer(%u)", i);
    smr_string_printf(text, "); break;\n");
}

static bool write_text(struct smr_string *text, smr_kernel *const *kernels, size_t n)
{
    smr_cl_chain_prelude(text);
    for (size_t i = 0; i < n; i++) {
        const struct smr_cl_kernel *impl = kernels[i]->impl;
        smr_string_add(text, impl->text.data, impl->text.size);
    }
    smr_string_add(text, text_stages, sizeof text_stages - 1);
    for (size_t i = 0; i < n; i++)
        add_share(text, kernels[i], i);
    smr_string_add(text, text_run, sizeof text_run - 1);
    for (size_t i = 0; i < n; i++)
        add_case(text, kernels[i], i);
    smr_string_add(text, text_kernel, sizeof text_kernel - 1);
    return !text->failed;
}

// ---- compiling ----------------------------------------------------------------------------------

cl_kernel smr_cl_linked_kernel(struct smr_cl_device *device, const struct smr_cl_linked *linked,
                               cl_mem stages, const uint32_t range[2], cl_mem counters,
                               uint32_t counters_at)
{
    cl_int code = CL_SUCCESS;
    const char *what = "clCreateKernel";
    cl_kernel kernel = device->cl.clCreateKernel(linked->program, "samara", &code);
    const struct {
        size_t size;
        const void *value;
    } args[] = {{sizeof(cl_mem), &stages},
                {sizeof range[0], &range[0]},
                {sizeof range[1], &range[1]},
                {sizeof(cl_mem), &counters},
                {sizeof counters_at, &counters_at}};
    for (cl_uint i = 0; i < SMR_COUNT(args) && code == CL_SUCCESS; i++) {
        what = "clSetKernelArg";
        code = device->cl.clSetKernelArg(kernel, i, args[i].size, args[i].value);
    }
    if (code == CL_SUCCESS)
        return kernel;
    smr_cl_fail(&device->base, code, what, "linked kernels");
    if (kernel)
        device->cl.clReleaseKernel(kernel);
    return NULL;
}

cl_int smr_cl_linked_enqueue(struct smr_cl_device *device, cl_command_queue queue, cl_kernel kernel)
{
    const size_t global[3] = {smr_max_u32(1, device->base.info.n_threads), 1, 1};
    const size_t local[3] = {1, 1, 1};
    return device->cl.clEnqueueNDRangeKernel(queue, kernel, 3, NULL, global, local, 0, NULL, NULL);
}

// See that kernels find buffers where the host does; if not, there are to be no functions any more.
static bool check_addresses(struct smr_cl_device *device, const struct smr_cl_linked *linked)
{
    static const uint32_t none[2] = {0, 0};
    const uint64_t *seen = NULL;
    smr_buffer *buffer =
        smr_buffer_create(&device->base, &(struct smr_buffer_params){4096, SMR_MEMORY_READBACK,
                                                                     "addresses of the device"});
    cl_mem mem = buffer ? ((struct smr_cl_buffer *)buffer->impl)->mem : NULL;
    cl_kernel kernel = mem ? smr_cl_linked_kernel(device, linked, mem, none, mem, 0) : NULL;
    if (kernel && smr_cl_linked_enqueue(device, device->queue, kernel) == CL_SUCCESS &&
        device->cl.clFinish(device->queue) == CL_SUCCESS)
        seen = smr_buffer_data(buffer);
    device->functions = seen && *seen == (uint64_t)(uintptr_t)seen;
    device->checked = device->functions;
    if (kernel)
        device->cl.clReleaseKernel(kernel);
    smr_buffer_destroy(buffer);
    return device->functions ||
           smr_fail(device->base.context, SMR_ERROR_DEVICE,
                    "device %s (%s) says that it shares memory with the host, and has other "
                    "addresses",
                    device->base.info.id, device->base.info.driver);
}

// ---- which functions a program has ----------------------------------------------------------------

uint32_t smr_cl_linked_index(const struct smr_cl_linked *linked, const smr_kernel *kernel)
{
    const char *name = ((const struct smr_cl_kernel *)kernel->impl)->function;
    for (uint32_t i = 0; i < linked->n_functions; i++)
        if (!strcmp(linked->functions[i].name, name))
            return i;
    return UINT32_MAX;
}

const struct smr_cl_linked *smr_cl_linked_with(const struct smr_cl_device *device,
                                               const smr_kernel *kernel,
                                               const struct smr_cl_linked *after)
{
    const struct smr_cl_linked *linked = after ? after->next : device->linked;
    while (linked && smr_cl_linked_index(linked, kernel) == UINT32_MAX)
        linked = linked->next;
    return linked;
}

static void destroy(struct smr_cl_device *device, struct smr_cl_linked *linked)
{
    if (linked->program)
        device->cl.clReleaseProgram(linked->program);
    smr_free(device->base.context, linked->functions);
    smr_free(device->base.context, linked);
}

// ---- programs that were kept ---------------------------------------------------------------------

// Where a function is, on disk: the key of a program, and the names of all its functions.
struct place {
    struct smr_key program;
    struct smr_cl_function functions[];
};

// The key of a function's place, but for its name. `options` receives those of all such programs.
static bool find_places(struct smr_cl_device *device, struct smr_string *options,
                        struct smr_key *key)
{
    struct smr_string text;
    smr_string_init(&text, device->base.context);
    smr_cl_write_options(device, &(struct smr_cl_traits){.precise = false}, options);
    const bool done = write_text(&text, NULL, 0) && !options->failed;
    if (done)
        *key = smr_cl_program_key(device, options->data, &text);
    smr_string_finish(&text);
    return done;
}

// False, with an error, where there is no memory for the key; all else is none: the next start only
// takes longer.
static bool keep_places(struct smr_cl_device *device, const struct smr_cl_linked *linked,
                        struct smr_key program)
{
    smr_context *context = device->base.context;
    const size_t names_size = linked->n_functions * sizeof *linked->functions;
    struct place *place = context->params.cache_dir
                              ? smr_context_reallocate(context, NULL, sizeof *place + names_size)
                              : NULL;
    struct smr_string options;
    struct smr_key key;
    smr_string_init(&options, context);
    const bool found = place && find_places(device, &options, &key);
    if (found) {
        place->program = program;
        memcpy(place->functions, linked->functions, names_size);
        for (size_t i = 0; i < linked->n_functions; i++)
            smr_cache_put(context, "clfun",
                          smr_hash(&linked->functions[i], sizeof linked->functions[i], key), place,
                          sizeof *place + names_size);
    }
    smr_string_finish(&options);
    smr_free(context, place);
    return found || !place;
}

static struct smr_cl_linked *load_linked(struct smr_cl_device *device, const struct smr_blob *blob,
                                         const char *options)
{
    smr_context *context = device->base.context;
    const struct place *place = (const void *)blob->data;
    const size_t names_size = blob->size - sizeof *place;
    struct smr_cl_linked *linked = smr_context_reallocate(context, NULL, sizeof *linked);
    if (!linked)
        return NULL;
    *linked = (struct smr_cl_linked){.n_functions = names_size / sizeof *linked->functions};
    linked->functions = smr_context_reallocate(context, NULL, names_size);
    linked->program =
        linked->functions ? smr_cl_program_load(device, place->program, options) : NULL;
    if (!linked->program) {
        destroy(device, linked);
        return NULL;
    }
    memcpy(linked->functions, place->functions, names_size);
    for (size_t i = 0; i < linked->n_functions; i++)
        linked->functions[i].name[sizeof linked->functions[i].name - 1] = 0;
    return linked;
}

// Load the program that has a kernel, where there is one. No error where there is none.
static void recall(struct smr_cl_device *device, const smr_kernel *kernel, struct smr_key key,
                   const char *options)
{
    const struct smr_cl_kernel *impl = kernel->impl;
    struct smr_cl_function function = {.name = ""};
    struct smr_blob blob;
    memcpy(function.name, impl->function, sizeof function.name);
    if (!smr_cache_get(device->base.context, "clfun", smr_hash(&function, sizeof function, key),
                       &blob))
        return;
    struct smr_cl_linked *linked =
        blob.size > sizeof(struct place) ? load_linked(device, &blob, options) : NULL;
    smr_blob_free(device->base.context, &blob);
    if (!linked)
        return;
    if (smr_cl_linked_index(linked, kernel) == UINT32_MAX) {
        destroy(device, linked);
        return;
    }
    smr_log(device->base.context, SMR_LOG_DEBUG, "kernel %s and %zu others: kept", kernel->name,
            linked->n_functions - 1);
    linked->next = device->linked;
    device->linked = linked;
}

// Load what was kept of `kernels`.
static bool recall_all(struct smr_cl_device *device, smr_kernel *const *kernels, size_t n)
{
    struct smr_string options;
    struct smr_key key;
    smr_string_init(&options, device->base.context);
    const bool done = find_places(device, &options, &key);
    for (size_t i = 0; done && i < n; i++)
        if (!smr_cl_linked_with(device, kernels[i], NULL))
            recall(device, kernels[i], key, options.data);
    smr_string_finish(&options);
    return done;
}

// ---- making one ----------------------------------------------------------------------------------

// Without `compile` only what was kept, and no error where that is nothing.
static bool make_program(struct smr_cl_device *device, struct smr_cl_linked *linked,
                         smr_kernel *const *kernels, bool compile)
{
    smr_context *context = device->base.context;
    char name[128];
    struct smr_string text, options;
    smr_string_init(&text, context);
    smr_string_init(&options, context);
    smr_cl_write_options(device, &(struct smr_cl_traits){.precise = false}, &options);
    if (linked->n_functions > 1)
        snprintf(name, sizeof name, "kernel %s and %zu others", kernels[0]->name,
                 linked->n_functions - 1);
    else
        snprintf(name, sizeof name, "kernel %s", kernels[0]->name);
    bool done = false;
    if (write_text(&text, kernels, linked->n_functions) && !options.failed) {
        const struct smr_key key = smr_cl_program_key(device, options.data, &text);
        linked->program = compile ? smr_cl_program_make(device, name, &text, options.data)
                                  : smr_cl_program_load(device, key, options.data);
        done = linked->program && (!compile || keep_places(device, linked, key));
        // Perhaps it is what is around the function that the driver does not know.
        if (!linked->program && compile && linked->n_functions == 1)
            device->functions = false;
    }
    smr_string_finish(&text);
    smr_string_finish(&options);
    return done && (device->checked || check_addresses(device, linked));
}

// ---- linking ---------------------------------------------------------------------------------------

static bool has_all(const struct smr_cl_linked *linked, smr_kernel *const *kernels, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (smr_cl_linked_index(linked, kernels[i]) == UINT32_MAX)
            return false;
    return true;
}

static int compare_kernels(const void *a, const void *b)
{
    const struct smr_cl_kernel *x = (*(smr_kernel *const *)a)->impl;
    const struct smr_cl_kernel *y = (*(smr_kernel *const *)b)->impl;
    return strcmp(x->function, y->function);
}

// Sorted by name, each once: the same kernels make the same text. Returns how many there are.
static size_t sort(smr_kernel **kernels, size_t n)
{
    size_t n_kept = 0;
    qsort(kernels, n, sizeof(smr_kernel *), compare_kernels);
    for (size_t i = 0; i < n; i++)
        if (!n_kept || compare_kernels(&kernels[i], &kernels[n_kept - 1]))
            kernels[n_kept++] = kernels[i];
    return n_kept;
}

static bool create(struct smr_cl_device *device, smr_kernel *const *kernels, size_t n, bool compile)
{
    smr_context *context = device->base.context;
    struct smr_cl_linked *linked = smr_alloc(context, 1, sizeof *linked, "linked kernels");
    if (!linked)
        return false;
    linked->n_functions = n;
    linked->functions = smr_alloc(context, n, sizeof *linked->functions, "linked kernels");
    for (size_t i = 0; i < n && linked->functions; i++)
        memcpy(linked->functions[i].name, ((struct smr_cl_kernel *)kernels[i]->impl)->function,
               sizeof linked->functions[i].name);
    if (!linked->functions || !make_program(device, linked, kernels, compile)) {
        destroy(device, linked);
        return false;
    }
    linked->next = device->linked;
    device->linked = linked;
    return true;
}

bool smr_cl_link(struct smr_cl_device *device, smr_kernel **kernels, size_t n, bool compile)
{
    n = sort(kernels, n);
    for (struct smr_cl_linked *linked = device->linked; linked; linked = linked->next)
        if (has_all(linked, kernels, n))
            return true;
    return create(device, kernels, n, compile);
}

// Those of `kernels` that are in no program come first. Returns how many there are.
static size_t sort_out(struct smr_cl_device *device, smr_kernel **kernels, size_t n)
{
    size_t n_missing = 0;
    for (size_t i = 0; i < n; i++)
        if (!smr_cl_linked_with(device, kernels[i], NULL))
            kernels[n_missing++] = kernels[i];
    return n_missing;
}

bool smr_cl_link_missing(struct smr_cl_device *device, smr_kernel **kernels, size_t n)
{
    n = sort_out(device, kernels, n);
    if (n) {
        if (!recall_all(device, kernels, n) ||
            (device->linked && !device->checked && !check_addresses(device, device->linked)))
            return false;
        n = sort_out(device, kernels, n);
    }
    return !n || smr_cl_link(device, kernels, n, true);
}

void smr_cl_unlink(struct smr_cl_device *device, const smr_kernel *kernel)
{
    for (struct smr_cl_linked **at = &device->linked, *linked; (linked = *at);) {
        if (kernel && smr_cl_linked_index(linked, kernel) == UINT32_MAX) {
            at = &linked->next;
            continue;
        }
        *at = linked->next;
        destroy(device, linked);
    }
}

bool smr_cl_kernels_compile(smr_device *device, smr_kernel *const *kernels, size_t n)
{
    smr_kernel **functions =
        smr_alloc(device->context, n, sizeof(smr_kernel *), "kernels to be linked");
    size_t n_functions = 0;
    for (size_t i = 0; functions && i < n; i++)
        if (smr_cl_is_function(kernels[i]))
            functions[n_functions++] = kernels[i];
    bool done = functions && smr_cl_link_missing(smr_cl_device(device), functions, n_functions);
    smr_free(device->context, (void *)functions);
    return done;
}
