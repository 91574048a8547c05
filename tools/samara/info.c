// info.c - samara info: what is in a model file.
#include "model/model.h"
#include "terminal.h"
#include "tool.h"

#include <inttypes.h>
#include <string.h>

struct settings {
    const char *model;
    bool json;
    bool tensors;
    struct context_settings context;
};

static const struct option options[] = {
    OPTION_ROW_MODEL(struct settings),
    {.names = "--tensors",
     .help = "list the weights too",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct settings, tensors)},
    {.names = "--json",
     .help = "print an object for programs",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct settings, json)},
    OPTION_ROW_VERBOSE(struct settings),
};

static const struct example examples[] = {
    {"samara info model.gguf", "Show the model's size, shape, tokenizer and chat format"},
    {"samara info model.gguf --json | jq .n_context", "The context it was trained for"},
    {NULL, NULL},
};

static int info_run(int argc, char **argv);

extern const struct command info_command;
const struct command info_command = {
    .name = "info",
    .usage = "MODEL [OPTION]...",
    .summary = "show what is in a model file",
    .description = "Reads the header of a GGUF file or a Hugging Face folder, checks it, and shows "
                   "what it describes. The weights are not read.",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .examples = examples,
    .run = info_run,
};

// The model's numbers, in the order they are shown.
static const struct {
    const char *key;
    const char *label;
    size_t offset; // of an uint32_t in struct smr_model_info
} shape_rows[] = {
    {"n_vocab", "vocabulary", offsetof(struct smr_model_info, n_vocab)},
    {"n_context", "context", offsetof(struct smr_model_info, n_context)},
    {"n_layers", "layers", offsetof(struct smr_model_info, n_layers)},
    {"n_encoder_layers", "  of encoder", offsetof(struct smr_model_info, n_encoder_layers)},
    {"n_embd", "embedding", offsetof(struct smr_model_info, n_embd)},
    {"n_ff", "feed-forward", offsetof(struct smr_model_info, n_ff)},
    {"n_heads", "heads", offsetof(struct smr_model_info, n_heads)},
    {"n_kv_heads", "KV heads", offsetof(struct smr_model_info, n_kv_heads)},
    {"head_dim", "head size", offsetof(struct smr_model_info, head_dim)},
};
enum { N_SHAPE_ROWS = sizeof shape_rows / sizeof shape_rows[0] };

static uint32_t shape_value(const struct smr_model_info *info, size_t row)
{
    return *(const uint32_t *)((const char *)info + shape_rows[row].offset);
}

static json_t *describe_tensors(const smr_model *model)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < model->n_tensors; i++) {
        const struct smr_tensor *tensor = &model->tensors[i];
        json_t *dims = json_array();
        for (uint32_t d = 0; d < tensor->n_dims; d++)
            json_array_append_new(dims, json_integer((json_int_t)tensor->dims[d]));
        json_t *row = json_pack("{s:o, s:s, s:o, s:I}", "name", json_text(tensor->name), "type",
                                smr_type_info(tensor->type)->name, "dims", dims, "size",
                                (json_int_t)tensor->size);
        json_array_append_new(list, row);
    }
    return list;
}

static int print_json(const char *command, const smr_model *model,
                      const struct smr_model_info *info, bool tensors)
{
    json_t *object =
        json_pack("{s:o, s:o, s:o, s:I, s:I}", "name", json_text(info->name), "architecture",
                  json_text(info->architecture), "type", json_text(info->type), "n_params",
                  (json_int_t)info->n_params, "size", (json_int_t)info->size);
    if (!object) {
        complain(command, "out of memory");
        return EXIT_DEVICE;
    }
    for (size_t i = 0; i < N_SHAPE_ROWS; i++)
        json_object_set_new(object, shape_rows[i].key,
                            json_integer((json_int_t)shape_value(info, i)));
    json_object_set_new(object, "tokenizer", json_text(info->tokenizer));
    json_object_set_new(object, "pre_tokenizer", json_text(info->pre_tokenizer));
    json_object_set_new(object, "chat_format", json_text(info->chat_format));
    json_object_set_new(object, "chat_template", json_text(info->chat_template));
    json_object_set_new(object, "has_weights", json_boolean(info->has_weights));
    if (tensors)
        json_object_set_new(object, "tensors", describe_tensors(model));
    return json_print(command, object, JSON_INDENT(2));
}

static void print_row(const char *label, const char *text)
{
    printf("%-14s", label);
    print_escaped(stdout, text, strlen(text), 0);
    putchar('\n');
}

static void print_count(uint64_t n)
{
    if (n >= 1000000000)
        printf("%-14s%.2f billion\n", "parameters", (double)n / 1e9);
    else if (n >= 1000000)
        printf("%-14s%.1f million\n", "parameters", (double)n / 1e6);
    else
        printf("%-14s%" PRIu64 "\n", "parameters", n);
}

static void print_tensors(const smr_model *model)
{
    putchar('\n');
    for (uint32_t i = 0; i < model->n_tensors; i++) {
        const struct smr_tensor *tensor = &model->tensors[i];
        char size[SIZE_TEXT];
        printf("%-6s%10s  ", smr_type_info(tensor->type)->name, size_text(tensor->size, size));
        print_escaped(stdout, tensor->name, strlen(tensor->name), 0);
        printf("  [");
        for (uint32_t d = 0; d < tensor->n_dims; d++)
            printf("%s%" PRIu64, d ? ", " : "", tensor->dims[d]);
        printf("]\n");
    }
}

static int print_table(const char *command, const smr_model *model,
                       const struct smr_model_info *info, bool tensors)
{
    char size[SIZE_TEXT];
    print_row("name", info->name);
    print_row("architecture", info->architecture);
    if (info->has_weights) {
        print_row("weights", info->type);
        print_count(info->n_params);
        print_row("size", size_text(info->size, size));
    } else {
        print_row("weights", "none: the file holds a vocabulary only");
    }
    for (size_t i = 0; i < N_SHAPE_ROWS; i++)
        if (shape_value(info, i))
            printf("%-14s%" PRIu32 "\n", shape_rows[i].label, shape_value(info, i));
    print_row("tokenizer", info->tokenizer ? info->tokenizer : "none");
    if (info->pre_tokenizer)
        print_row("pre-tokenizer", info->pre_tokenizer);
    print_row("chat format", info->chat_format     ? info->chat_format
                             : info->chat_template ? "a template of unknown format"
                                                   : "none");
    if (tensors)
        print_tensors(model);
    return tool_flush(command);
}

static int show(struct tool *tool, const struct settings *settings, const struct operands *operands)
{
    int code = EXIT_MODEL;
    smr_model *model = tool_open_model(tool, operands, settings->model, &code);
    if (!model)
        return code;
    struct smr_model_info info;
    smr_model_info(model, &info);
    code = settings->json ? print_json(tool->command, model, &info, settings->tensors)
                          : print_table(tool->command, model, &info, settings->tensors);
    smr_model_close(model);
    return code;
}

static int info_run(int argc, char **argv)
{
    struct settings settings = {.context.no_cache = true};
    struct operands operands;
    enum parse_result parsed = options_parse(&info_command, argc, argv, &settings, &operands);
    int code = EXIT_USAGE;
    if (parsed == PARSE_HELP) {
        code = tool_flush(argv[0]);
    } else if (parsed == PARSE_OK) {
        struct tool tool;
        code = EXIT_RUNTIME;
        if (tool_init(&tool, argv[0], &settings.context))
            code = show(&tool, &settings, &operands);
        tool_finish(&tool);
    }
    options_finish(&info_command, &settings);
    return code;
}
