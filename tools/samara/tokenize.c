// tokenize.c - samara tokenize: the tokens of a text.
#include "terminal.h"
#include "tool.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct settings {
    const char *model;
    const char *text;
    const char *file;
    bool json;
    bool special;
    bool no_bos;
    struct context_settings context;
};

static const struct option options[] = {
    {.help = "Input"},
    OPTION_ROW_MODEL(struct settings),
    {.names = "-p --prompt",
     .argument = "TEXT",
     .help = "the text; - for standard input",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct settings, text)},
    {.names = "-f --file",
     .argument = "FILE",
     .help = "read the text from a file; - for standard input",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct settings, file)},
    {.names = "--special",
     .help = "let special tokens in the text be what they say",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct settings, special)},
    {.names = "--no-bos",
     .help = "leave out the begin-of-text token that the model asks for",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct settings, no_bos)},
    {.help = "Output"},
    {.names = "--json",
     .help = "print {\"tokens\": [...]} for programs",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct settings, json)},
    OPTION_ROW_VERBOSE(struct settings),
};

static const struct example examples[] = {
    {"samara tokenize model.gguf -p 'Hello world'", "One token a line, with its text"},
    {"samara tokenize model.gguf --file book.txt --json", "The numbers alone"},
    {NULL, NULL},
};

static int tokenize_run(int argc, char **argv);

extern const struct command tokenize_command;
const struct command tokenize_command = {
    .name = "tokenize",
    .usage = "MODEL [-p TEXT | --file FILE] [OPTION]...",
    .summary = "show the tokens of a text",
    .description =
        "Splits a text into the tokens of a model, as it is, without a chat format. Reads "
        "standard input when no text is given. Files that hold only a vocabulary do too.",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .examples = examples,
    .run = tokenize_run,
};

static int print_tokens(struct tool *tool, smr_model *model, const int32_t *tokens, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t size = 0;
        const char *text = smr_token_bytes(model, tokens[i], true, &size);
        printf("%7d  \"", (int)tokens[i]);
        print_escaped(stdout, text ? text : "", text ? size : 0, '"');
        printf("\"\n");
    }
    return tool_flush(tool->command);
}

static int tokenize(struct tool *tool, const struct settings *settings,
                    const struct operands *operands)
{
    int32_t *tokens = NULL;
    char *read = NULL;
    size_t n = 0, size = 0;
    uint32_t flags = (settings->special ? SMR_TOKENIZE_SPECIAL : 0) |
                     (settings->no_bos ? SMR_TOKENIZE_NO_BOS : 0);

    int code = EXIT_MODEL;
    smr_model *model = tool_open_model(tool, operands, settings->model, &code);
    if (!model)
        return code;
    const char *text = settings->text;
    const char *path = settings->file ? settings->file : !text || !strcmp(text, "-") ? "-" : NULL;
    if (path) {
        text = read = tool_read(tool->command, path, &size);
    } else {
        size = strlen(text);
    }
    if (!text)
        code = EXIT_RUNTIME;
    else if (!smr_tokenize(model, text, size, flags, &tokens, &n))
        code = tool_fail(tool);
    else if (settings->json)
        code = json_print(tool->command, json_pack("{s:o}", "tokens", json_ids(tokens, n)), 0);
    else
        code = print_tokens(tool, model, tokens, n);
    smr_tokens_free(model, tokens);
    free(read);
    smr_model_close(model);
    return code;
}

static bool check(const struct settings *settings)
{
    const char *name = tokenize_command.name;
    if (settings->text && settings->file) {
        complain(name, "-p and --file exclude each other");
        return false;
    }
    if (!settings->text && !settings->file && isatty(STDIN_FILENO)) {
        complain(name, "which text? Give it with -p TEXT or --file FILE");
        return false;
    }
    return true;
}

static int tokenize_run(int argc, char **argv)
{
    struct settings settings = {.context.no_cache = true};
    struct operands operands;
    enum parse_result parsed = options_parse(&tokenize_command, argc, argv, &settings, &operands);
    int code = EXIT_USAGE;
    if (parsed == PARSE_HELP) {
        code = tool_flush(argv[0]);
    } else if (parsed == PARSE_OK && check(&settings)) {
        struct tool tool;
        code = EXIT_RUNTIME;
        if (tool_init(&tool, argv[0], &settings.context))
            code = tokenize(&tool, &settings, &operands);
        tool_finish(&tool);
    }
    options_finish(&tokenize_command, &settings);
    return code;
}
