// report.c - compiles the kernels that were asked for and prints what became of them.
#include "report.h"

#include "base/parallel.h"
#include "terminal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

struct row {
    const struct shape *shape;
    struct smr_kernel_key key;
    bool chosen; // what the engine would take
    bool compiled;
    struct facts facts;
    char *text; // of the disassembly, where that is wanted
};

// What the summary is of.
static const enum smr_type summary_types[] = {SMR_Q4_0, SMR_Q8_0, SMR_Q4_K, SMR_Q6_K};
static const char summary_shape[] = "1 x 4096 x 4096";

// ---- what to compile ----------------------------------------------------------------------------

static const char *type_name(uint32_t type)
{
    return smr_type_info((enum smr_type)type)->name;
}

static bool add_row(struct report *report, const struct row *row)
{
    if (!smr_grow(smr_device_context(report->device), &report->rows, &report->capacity,
                  report->n_rows + 1, sizeof *report->rows, "a report"))
        return false;
    report->rows[report->n_rows++] = *row;
    return true;
}

static bool default_alone(const struct settings *settings)
{
    return settings->default_only || settings->check || settings->summary;
}

static bool wants_shape(const struct settings *settings, const struct shape *shape)
{
    if (settings->summary)
        return shape->id == SMR_KERNEL_MATVEC && !strcmp(shape->name, summary_shape);
    return (!settings->kernel || !strcmp(settings->kernel, smr_kernel_desc(shape->id)->name)) &&
           (!settings->shape || strstr(shape->name, settings->shape));
}

static bool wants_type(const struct settings *settings, enum smr_type type)
{
    bool summarized = false;
    for (size_t i = 0; i < SMR_COUNT(summary_types); i++)
        summarized = summarized || summary_types[i] == type;
    return settings->summary ? summarized
                             : !settings->type || !strcasecmp(settings->type, type_name(type));
}

// The variants of a kernel for one shape and type that are wanted and can run.
static bool add_variants(struct report *report, const struct shape *shape,
                         const struct smr_kernel_key *chosen)
{
    const struct settings *settings = report->settings;
    const struct smr_kernel_desc *desc = smr_kernel_desc(shape->id);
    struct row row = {.shape = shape};
    for (uint32_t v = 0; v < desc->n_variants; v++) {
        row.chosen = v == chosen->variant;
        if ((settings->variant && strcasecmp(settings->variant, desc->variants[v].name) != 0) ||
            (default_alone(settings) && !row.chosen) ||
            !smr_kernel_variant_key(report->device, shape->id, (enum smr_type)chosen->type, v,
                                    &shape->push, &row.key))
            continue;
        if (row.chosen)
            row.key = *chosen;
        if (!add_row(report, &row))
            return false;
    }
    return true;
}

// A shape in all types that are wanted.
static bool add_shape(struct report *report, struct smr_kernel_set *set, const struct shape *shape)
{
    const struct smr_kernel_desc *desc = smr_kernel_desc(shape->id);
    smr_context *context = smr_device_context(report->device);
    bool fits = false;
    for (uint32_t t = 0; t < desc->n_types; t++) {
        struct smr_kernel_key chosen;
        if (!smr_kernel_choose(set, shape->id, desc->types[t], &shape->push, &chosen)) {
            smr_context_clear_error(context); // a cache's type that heads of this size do not fit
            continue;
        }
        fits = true;
        if (wants_type(report->settings, desc->types[t]) && !add_variants(report, shape, &chosen))
            return false;
    }
    return fits ||
           smr_fail(context, SMR_ERROR, "no variant of %s takes the shape \"%s\" of shapes.c",
                    desc->name, shape->name);
}

static bool add_rows(struct report *report, struct smr_kernel_set *set)
{
    for (size_t i = 0; i < n_shapes; i++)
        if (wants_shape(report->settings, &shapes[i]) && !add_shape(report, set, &shapes[i]))
            return false;
    return report->n_rows || smr_fail(smr_device_context(report->device), SMR_ERROR_USAGE,
                                      "no kernel, variant, type and shape is of these names");
}

// ---- compiling ----------------------------------------------------------------------------------

static bool wants_text(const struct settings *settings)
{
    return (settings->loop || settings->whole) && !settings->json;
}

// A copy of the disassembly, or of its main loop alone.
static char *keep_text(const struct report *report, const char *text, const struct loop *loop)
{
    size_t size = loop->size;
    const char *code = report->settings->whole ? disassembly_find(text, &size) : loop->text;
    char *copy = code ? malloc(size + 1) : NULL;
    if (copy) {
        memcpy(copy, code, size);
        copy[size] = 0;
    }
    return copy;
}

// Products with vectors do their work in one loop over blocks of weights; others have loops within
// the loop over tiles.
static bool has_innermost(enum smr_kernel_id id)
{
    return id == SMR_KERNEL_MATVEC || id == SMR_KERNEL_EXPERTS;
}

// One kernel. What does not compile is seen in the row; the error is for the log.
static void compile_row(const struct report *report, struct row *row)
{
    smr_context *context = smr_device_context(report->device);
    const struct smr_kernel_desc *desc = smr_kernel_desc(row->key.id);
    struct smr_blob spirv;
    if (!smr_shader_compile(context, &row->key, &spirv))
        return;
    struct smr_kernel_params params = {
        .name = desc->name,
        .spirv = (const uint32_t *)(const void *)spirv.data,
        .spirv_size = spirv.size,
        .type = row->key.type,
        .n_bindings = desc->n_bindings,
        .push_size = desc->push_size,
        .n_constants = desc->n_constants,
        .subgroup_size = row->key.subgroup_size,
        .inspect = true,
    };
    memcpy(params.access, desc->access, sizeof params.access);
    memcpy(params.constants, row->key.constants, sizeof params.constants);
    smr_kernel *kernel = smr_kernel_create(report->device, &params);
    struct smr_string text;
    smr_string_init(&text, context);
    if (kernel && smr_kernel_inspect(kernel, &text)) {
        const struct account account = {report->chip->isa, text.data, has_innermost(row->key.id)};
        row->compiled = facts_read(&account, &row->facts);
    }
    if (row->compiled && wants_text(report->settings))
        row->text = keep_text(report, text.data, &row->facts.loop);
    smr_string_finish(&text);
    smr_kernel_destroy(kernel);
    smr_blob_free(context, &spirv);
}

static bool compile_some(void *user, uint32_t thread, uint64_t begin, uint64_t end)
{
    struct report *report = user;
    for (uint64_t i = begin; i < end; i++)
        compile_row(report, &report->rows[i]);
    return true;
}

bool report_make(struct report *report, smr_device *device)
{
    report->device = device;
    const int64_t wanted = report->settings->context.n_threads;
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    struct smr_kernel_set *set = smr_kernel_set_create(device, SMR_KERNELS_TUNED);
    const bool done = set && add_rows(report, set) &&
                      smr_parallel(wanted           ? (uint32_t)wanted
                                   : processors > 0 ? (uint32_t)processors
                                                    : 1,
                                   report->n_rows, 1, compile_some, report);
    smr_kernel_set_destroy(set);
    return done;
}

// ---- printing -----------------------------------------------------------------------------------

// Per weight; 0 where that is not known.
static double per_weight(const struct row *row, uint32_t n)
{
    const struct smr_kernel_desc *desc = smr_kernel_desc(row->key.id);
    const uint32_t weights =
        desc->weights_per_round && row->compiled ? desc->weights_per_round(&row->key) : 0;
    return weights ? (double)n / weights : 0;
}

// What a test would complain of; NULL: nothing.
static const char *problem_of(const struct report *report, const struct row *row)
{
    const struct smr_kernel_desc *desc = smr_kernel_desc(row->key.id);
    if (!row->compiled)
        return "does not compile";
    if (row->facts.spills)
        return "spills registers";
    if (row->facts.scratch_size)
        return "needs scratch memory";
    const bool wide = row->key.id == SMR_KERNEL_MATMUL || row->key.id == SMR_KERNEL_ATTENTION;
    if (wide && report->chip->isa == ISA_INTEL && row->facts.subgroup_size < 16)
        return "is narrower than SIMD16";
    // Packed multiplications do two at a time, dot products of bytes four.
    const double multiplies = per_weight(row, row->facts.loop.n_multiplies);
    if (multiplies > 0 && multiplies < (desc->variants[row->key.variant].narrow ? 0.25 : 0.5))
        return "multiplies fewer weights in a round of its loop than the registry says";
    return NULL;
}

static const struct peer_figure *peer_of(const struct report *report, const struct row *row)
{
    const struct smr_variant *variant = &smr_kernel_desc(row->key.id)->variants[row->key.variant];
    return peer_find(report->chip, (enum smr_type)row->key.type, variant->narrow);
}

// Of instructions per weight, ours to the peer's, for one row of activations; 0 where one of them
// is not known.
static double ratio_to_peer(const struct report *report, const struct row *row)
{
    if (row->key.id != SMR_KERNEL_MATVEC || row->shape->push.matmul.n_rows != 1)
        return 0;
    const struct peer_figure *peer = peer_of(report, row);
    return peer ? per_weight(row, row->facts.loop.n_instructions) / peer->instructions : 0;
}

static void print_head(const struct report *report)
{
    const bool amd = report->chip->isa == ISA_AMD;
    printf("%s%s%s: %s, %s\n", bold(stdout), report->chip->name, plain(stdout), report->chip->what,
           smr_device_get_info(report->device)->driver);
    printf("%-15s %-9s %-7s %-20s %5s %4s %5s %5s %6s %7s %5s %6s %6s %6s %6s %6s %6s %5s\n",
           "kernel", "variant", "type", "shape", "group", amd ? "wave" : "simd", "regs",
           amd ? "waves" : "", "spills", "scratch", "LDS", "instr", "loop", "muladd", "loads",
           "ins/w", "load/w", "peer");
}

static void print_ratio(double value, int width, int digits)
{
    if (value > 0)
        printf(" %*.*f", width, digits, value);
    else
        printf(" %*s", width, "-");
}

static void print_row(const struct report *report, const struct row *row)
{
    const struct smr_kernel_desc *desc = smr_kernel_desc(row->key.id);
    const struct facts *facts = &row->facts;
    char variant[32];
    snprintf(variant, sizeof variant, "%s%s", desc->variants[row->key.variant].name,
             row->chosen ? "*" : "");
    printf("%-15s %-9s %-7s %-20s %5u", desc->name, variant, type_name(row->key.type),
           row->shape->name, row->key.constants[0]);
    if (!row->compiled) {
        printf(" does not compile\n");
        return;
    }
    printf(" %4u %5u", facts->subgroup_size, facts->registers);
    if (report->chip->isa == ISA_AMD)
        printf(" %5u", facts->n_subgroups);
    else
        printf(" %5s", "");
    printf(" %6u %7u %5u %6u %6u %6u %6u", facts->spills, facts->scratch_size, facts->shared_size,
           facts->n_instructions, facts->loop.n_instructions, facts->loop.n_multiplies,
           facts->loop.n_loads);
    print_ratio(per_weight(row, facts->loop.n_instructions), 6, 2);
    print_ratio(per_weight(row, facts->loop.n_loads), 6, 3);
    print_ratio(ratio_to_peer(report, row), 5, 2);
    putchar('\n');
    if (row->text)
        printf("%s\n", row->text);
}

static json_t *row_json(const struct report *report, const struct row *row)
{
    const struct smr_kernel_desc *desc = smr_kernel_desc(row->key.id);
    const struct facts *facts = &row->facts;
    const char *problem = problem_of(report, row);
    json_t *constants = json_array();
    for (uint32_t i = 0; i < desc->n_constants; i++)
        json_array_append_new(constants, json_integer(row->key.constants[i]));
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:o, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i,"
        " s:f, s:f, s:s?}",
        "chip", report->chip->name, "kernel", desc->name, "variant",
        desc->variants[row->key.variant].name, "type", type_name(row->key.type), "shape",
        row->shape->name, "default", row->chosen, "compiled", row->compiled, "constants", constants,
        "subgroup_size", (int)facts->subgroup_size, "registers", (int)facts->registers,
        "scalar_registers", (int)facts->scalar_registers, "subgroups", (int)facts->n_subgroups,
        "spills", (int)facts->spills, "scratch_size", (int)facts->scratch_size, "shared_size",
        (int)facts->shared_size, "instructions", (int)facts->n_instructions, "loop_instructions",
        (int)facts->loop.n_instructions, "loop_multiplies", (int)facts->loop.n_multiplies,
        "loop_loads", (int)facts->loop.n_loads, "instructions_per_weight",
        per_weight(row, facts->loop.n_instructions), "loads_per_weight",
        per_weight(row, facts->loop.n_loads), "problem", problem);
}

// Those alone that are not as they should be. Returns how many.
static size_t print_check(const struct report *report)
{
    size_t n_bad = 0;
    for (size_t i = 0; i < report->n_rows; i++) {
        const struct row *row = &report->rows[i];
        const struct smr_kernel_desc *desc = smr_kernel_desc(row->key.id);
        const char *problem = problem_of(report, row);
        if (!problem)
            continue;
        n_bad++;
        printf("%s: %s %s %s, %s: %s (%u spills, %u bytes of scratch, subgroups of %u)\n",
               report->chip->name, desc->name, desc->variants[row->key.variant].name,
               type_name(row->key.type), row->shape->name, problem, row->facts.spills,
               row->facts.scratch_size, row->facts.subgroup_size);
    }
    printf("%s: %zu kernels, %zu not as they should be\n", report->chip->name, report->n_rows,
           n_bad);
    return n_bad;
}

// ---- the summary --------------------------------------------------------------------------------

void report_summary_head(void)
{
    printf("|");
    for (size_t i = 0; i < SMR_COUNT(summary_types); i++)
        printf(" | %s", type_name(summary_types[i]));
    printf(" |\n|---");
    for (size_t i = 0; i < SMR_COUNT(summary_types); i++)
        printf("|---");
    printf("|\n");
}

static void summarize_row(const struct report *report, const struct row *row)
{
    const struct peer_figure *peer = peer_of(report, row);
    const double instructions = per_weight(row, row->facts.loop.n_instructions);
    const double loads = per_weight(row, row->facts.loop.n_loads);
    if (instructions > 0 && peer)
        printf(" %.1f of %.1f = %.2f; %.2f of %.2f |", instructions, peer->instructions,
               instructions / peer->instructions, loads, peer->loads);
    else
        printf(" |");
}

// A line of the table: instructions per weight, ours and the peer's; loads per weight likewise.
static void print_summary(const struct report *report)
{
    printf("| %s |", report->chip->name);
    for (size_t t = 0; t < SMR_COUNT(summary_types); t++)
        for (size_t i = 0; i < report->n_rows; i++)
            if (report->rows[i].key.type == (uint32_t)summary_types[t])
                summarize_row(report, &report->rows[i]);
    putchar('\n');
}

// ---- all of it ----------------------------------------------------------------------------------

// Returns how many did not compile.
static size_t print_all(const struct report *report)
{
    size_t n_bad = 0;
    if (report->settings->summary) {
        print_summary(report);
        return 0;
    }
    if (!report->settings->json)
        print_head(report);
    for (size_t i = 0; i < report->n_rows; i++) {
        if (report->settings->json)
            json_print("isa", row_json(report, &report->rows[i]), JSON_COMPACT);
        else
            print_row(report, &report->rows[i]);
        n_bad += !report->rows[i].compiled;
    }
    if (!report->settings->json)
        putchar('\n');
    return n_bad;
}

int report_print(const struct report *report)
{
    const size_t n_bad = report->settings->check ? print_check(report) : print_all(report);
    const int code = tool_flush("isa");
    return code == EXIT_OK && n_bad ? EXIT_RUNTIME : code;
}

void report_finish(struct report *report)
{
    for (size_t i = 0; i < report->n_rows; i++)
        free(report->rows[i].text);
    if (report->device)
        smr_free(smr_device_context(report->device), report->rows);
}
