// convert.c - samara convert: a model as a GGUF file of another type.
#include "base/base.h"
#include "terminal.h"
#include "tool.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct settings {
    int type; // index of weight_types + 1
    bool pure;
    bool force;
    bool json;
    struct context_settings context;
};

#define FIELD(name) offsetof(struct settings, name)

static const struct option options[] = {
    {.names = "--type",
     .argument = "TYPE",
     .value = "q8_0",
     .help = "what the weights become; see above",
     .kind = OPTION_CHOICE,
     .offset = FIELD(type),
     .choices = weight_types + 1},
    {.names = "--pure",
     .help = "give every matrix the type itself, none a better one",
     .kind = OPTION_FLAG,
     .offset = FIELD(pure)},
    {.names = "--force",
     .help = "replace OUT if it exists",
     .kind = OPTION_FLAG,
     .offset = FIELD(force)},
    {.names = "-t --threads",
     .argument = "N",
     .value = "0",
     .help = "threads of the processor; 0: one for each core that may be used",
     .kind = OPTION_INTEGER,
     .offset = FIELD(context.n_threads),
     .max = 4096},
    {.help = "Output"},
    {.names = "--json",
     .help = "print an object for programs",
     .kind = OPTION_FLAG,
     .offset = FIELD(json)},
    {.names = "-v --verbose",
     .help = "say for each tensor what it becomes",
     .kind = OPTION_FLAG,
     .offset = FIELD(context.verbose)},
    OPTION_ROW_QUIET(struct settings),
};

static const struct example examples[] = {
    {"samara convert model.gguf small.gguf --type q4_k_m", "Make a model smaller"},
    {"samara convert FOLDER model.gguf --type f16", "A Hugging Face folder as one file"},
    {"samara convert big-00001-of-00003.gguf big.gguf --type q8_0", "Join the parts of a model"},
    {NULL, NULL},
};

static int convert_run(int argc, char **argv);

extern const struct command convert_command;
const struct command convert_command = {
    .name = "convert",
    .usage = "SOURCE OUT.gguf [--type TYPE] [OPTION]...",
    .summary = "write a model in other types",
    .description =
        "Reads a GGUF file, the first part of a split one, or a Hugging Face folder, and writes one "
        "GGUF file that llama.cpp loads too. The file appears whole or not at all; Ctrl-C leaves "
        "nothing behind.\n"
        "f32, f16 and bf16 keep weights as they are, as far as the type reaches. q8_0 takes 8.5 bits "
        "for a weight, q6_k 6.6, q5_k_m 5.7, q4_k_m 4.8, q3_k_m 3.9, q2_k 3; the fewer, the faster "
        "and the worse. q5_k, q4_k and q3_k stand for q5_k_m, q4_k_m and q3_k_m. Names mean the same "
        "mixtures as in llama.cpp: vectors stay f32, the output matrix (or the embeddings it shares) "
        "gets q6_k at least (f16 with q8_0 in a model with an encoder, other than there), and in some "
        "layers values and ffn_down get more bits; --pure turns that off. Rows that are no multiple "
        "of 256 take a type in blocks of 32: q4_k becomes q5_0, q5_k q5_1, q6_k q8_0, q3_k and q2_k "
        "q4_0; what fits neither becomes f16.\n"
        "Converting what was quantised before loses twice: begin with f16 or bf16 where you can.",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .examples = examples,
    .run = convert_run,
};

// ---- signals ------------------------------------------------------------------------------------

// A signal handler reaches nothing but globals.
static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal)
{
    interrupted = 1;
}

static void catch_interrupts(void)
{
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
}

// ---- one conversion -----------------------------------------------------------------------------

enum { N_TYPES = 64 };

struct conversion {
    struct tool tool;
    const struct settings *settings;
    const char *out;
    struct progress progress;
    uint64_t start_ns;
    json_t *fallbacks; // [{name, wanted, type}]
    struct {
        uint32_t n_tensors;
        uint64_t size;                   // bytes
    } types[N_TYPES];                    // by enum smr_type
    uint32_t replaced[N_TYPES][N_TYPES]; // tensors that wanted one type and got another
};

static const char *type_name(enum smr_type type)
{
    return smr_type_info(type)->name;
}

static void take_tensor(void *user, const struct smr_convert_tensor *tensor)
{
    struct conversion *c = user;
    c->types[tensor->to].n_tensors++;
    c->types[tensor->to].size += tensor->to_size;
    if (c->settings->context.verbose)
        fprintf(stderr, "%s: %s to %s\n", tensor->name, type_name(tensor->from),
                type_name(tensor->to));
    if (tensor->to == tensor->wanted)
        return;
    c->replaced[tensor->wanted][tensor->to]++;
    json_array_append_new(c->fallbacks,
                          json_pack("{s:o, s:s, s:s}", "name", json_text(tensor->name), "wanted",
                                    type_name(tensor->wanted), "type", type_name(tensor->to)));
}

static bool show_progress(void *user, uint64_t n_done, uint64_t n_total)
{
    struct conversion *c = user;
    const double fraction = n_total ? (double)n_done / (double)n_total : 1;
    const double seconds = (double)(smr_time_ns() - c->start_ns) / 1e9;
    char done[SIZE_TEXT], total[SIZE_TEXT], text[80];
    // Before a second has passed there is nothing to tell from.
    if (n_done == n_total)
        snprintf(text, sizeof text, "%s, waiting for the disk", size_text(n_total, total));
    else if (seconds < 1)
        snprintf(text, sizeof text, "%s of %s", size_text(n_done, done), size_text(n_total, total));
    else
        snprintf(text, sizeof text, "%s of %s, %.0f s left", size_text(n_done, done),
                 size_text(n_total, total), seconds / fraction - seconds);
    progress_update(&c->progress, text, (float)fraction);
    return !interrupted;
}

// ---- results ------------------------------------------------------------------------------------

static json_t *describe_types(const struct conversion *c)
{
    json_t *object = json_object();
    for (int t = 0; t < N_TYPES; t++)
        if (c->types[t].n_tensors)
            json_object_set_new(object, type_name((enum smr_type)t),
                                json_pack("{s:I, s:I}", "tensors",
                                          (json_int_t)c->types[t].n_tensors, "size",
                                          (json_int_t)c->types[t].size));
    return object;
}

static int print_json(struct conversion *c, const struct smr_convert_result *result)
{
    json_t *object =
        json_pack("{s:o, s:s, s:I, s:I, s:I, s:I, s:o, s:O, s:I, s:f}", "file", json_text(c->out),
                  "type", weight_types[c->settings->type + 1], "size",
                  (json_int_t)result->file_size, "weights_before", (json_int_t)result->from_size,
                  "weights", (json_int_t)result->to_size, "tensors", (json_int_t)result->n_tensors,
                  "types", describe_types(c), "fallbacks", c->fallbacks, "requantized",
                  (json_int_t)result->n_requantized, "seconds", (double)result->time_ns / 1e9);
    return json_print(c->tool.command, object, 0);
}

static const char *plural(uint32_t n)
{
    return n == 1 ? "" : "s";
}

static void print_notes(const struct conversion *c, const struct smr_convert_result *result)
{
    const char *name = c->tool.command;
    for (int wanted = 0; wanted < N_TYPES; wanted++)
        for (int to = 0; to < N_TYPES; to++) {
            const uint32_t n = c->replaced[wanted][to];
            if (n)
                note(name,
                     "%s instead of %s for %" PRIu32 " tensor%s: rows are no multiple of %" PRIu32,
                     type_name((enum smr_type)to), type_name((enum smr_type)wanted), n, plural(n),
                     smr_type_info((enum smr_type)wanted)->block_elements);
        }
    if (result->n_requantized)
        note(name, "%" PRIu32 " tensor%s had been quantised before: a second loss",
             result->n_requantized, plural(result->n_requantized));
}

static int print_summary(struct conversion *c, const struct smr_convert_result *result)
{
    char before[SIZE_TEXT], after[SIZE_TEXT], rate[SIZE_TEXT];
    const double seconds = (double)result->time_ns / 1e9;
    printf("%s: %s of weights, from %s in %.1f s (%s/s)\n", c->out,
           size_text(result->to_size, after), size_text(result->from_size, before), seconds,
           size_text((uint64_t)((double)result->from_size / (seconds > 0 ? seconds : 1)), rate));
    return tool_flush(c->tool.command);
}

static int convert(struct conversion *c, const struct operands *operands)
{
    const struct settings *settings = c->settings;
    const struct operands source = {.items = {operands->items[0]}, .n = 1};
    struct smr_convert_result result;
    int code = EXIT_MODEL;
    smr_model *model = tool_open_model(&c->tool, &source, NULL, &code);
    if (!model)
        return code;
    catch_interrupts();
    progress_init(&c->progress, !settings->context.quiet);
    c->start_ns = smr_time_ns();
    const struct smr_convert_params params = {.type = weight_types[settings->type + 1],
                                              .pure = settings->pure,
                                              .replace = settings->force,
                                              .tensor = take_tensor,
                                              .progress = show_progress,
                                              .user = c};
    const bool done = smr_convert(model, c->out, &params, &result);
    progress_clear(&c->progress);
    if (done) {
        if (!settings->context.quiet)
            print_notes(c, &result);
        code = settings->json ? print_json(c, &result) : print_summary(c, &result);
    } else {
        code = result.cancelled ? EXIT_INTERRUPTED : tool_fail(&c->tool);
    }
    smr_model_close(model);
    return code;
}

static int convert_run(int argc, char **argv)
{
    struct settings settings = {.context.no_cache = true};
    struct operands operands;
    struct conversion c = {.settings = &settings, .fallbacks = json_array()};
    enum parse_result parsed = options_parse(&convert_command, argc, argv, &settings, &operands);
    int code = EXIT_USAGE;
    if (parsed == PARSE_HELP) {
        code = tool_flush(argv[0]);
    } else if (parsed == PARSE_OK && operands.n != 2) {
        complain(argv[0], "%s: samara convert SOURCE OUT.gguf",
                 operands.n ? "where to? Give the name of the result" : "which model?");
    } else if (parsed == PARSE_OK) {
        c.out = operands.items[1];
        code = EXIT_RUNTIME;
        if (tool_init(&c.tool, argv[0], &settings.context))
            code = convert(&c, &operands);
        tool_finish(&c.tool);
    }
    json_decref(c.fallbacks);
    options_finish(&convert_command, &settings);
    return code;
}
