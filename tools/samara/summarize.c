// summarize.c - samara summarize: a document of any length, in parts, then the parts.
#include "split.h"
#include "terminal.h"
#include "tool.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct settings {
    const char *model, *instruction;
    int64_t n_predict, n_context, n_beams;
    double temperature, repeat_penalty;
    int64_t seed;
    bool parts;
    const char *device;
    bool json;
    struct context_settings context;
};

#define FIELD(name) .offset = offsetof(struct settings, name)

static const struct option options[] = {
    {.help = "Input"},
    OPTION_ROW_MODEL(struct settings),
    {"-i --instruction", "TEXT", NULL,
     "what the model is told before the text; without it, what suits the kind of model",
     OPTION_TEXT, FIELD(instruction)},
    {.help = "Generation"},
    {"-n --predict --n-predict", "N", "0",
     "a summary has at most N tokens; 0: as the model's files have it, else 200", OPTION_INTEGER,
     FIELD(n_predict), 0, 1000000},
    {"-c --ctx-size", "N", "0",
     "tokens the context holds, the text and its summary; 0: the model's, at most 4096",
     OPTION_INTEGER, FIELD(n_context), 0, 2147483647.0},
    {"--beams", "N", "-1",
     "search for the likeliest summary with N beams; 0: no search; -1: as the model's files have it",
     OPTION_INTEGER, FIELD(n_beams), -1, SMR_MAX_SEQUENCES},
    {"--temp", "T", "0", "temperature; 0: the most likely token, always", OPTION_NUMBER,
     FIELD(temperature), 0, 1e6},
    {"--repeat-penalty", "X", "1.1", "penalty of repeated tokens, which small models need; 1: none",
     OPTION_NUMBER, FIELD(repeat_penalty), 1e-3, 1e3},
    {"-s --seed", "N", "0", "same seed, same summary", OPTION_INTEGER, FIELD(seed), 0,
     9007199254740991.0},
    {.help = "Device"},
    OPTION_ROW_DEVICE(struct settings),
    OPTION_ROW_THREADS(struct settings),
    {.help = "Output"},
    {"--parts", NULL, NULL, "show the summaries of the parts as well", OPTION_FLAG, FIELD(parts)},
    {"--json", NULL, NULL, "print one object: the summary and those of the parts, by level",
     OPTION_FLAG, FIELD(json)},
    OPTION_ROW_VERBOSE(struct settings),
    OPTION_ROW_QUIET(struct settings),
};

static const struct example examples[] = {
    {"samara summarize model.gguf report.txt", "Summarise a text file"},
    {"pdftotext paper.pdf - | samara summarize model.gguf -", "Read the text from a pipe"},
    {"samara summarize model.gguf book.txt --parts -n 100", "See what each part became"},
    {NULL, NULL},
};

static int summarize_run(int argc, char **argv);

extern const struct command summarize_command;
const struct command summarize_command = {
    .name = "summarize",
    .usage = "MODEL FILE [OPTION]...",
    .summary = "summarise a text of any length",
    .description =
        "Writes a summary of FILE (- for standard input) to standard output. A text that is longer "
        "than the model's context is cut, between paragraphs or sentences, into parts of about the "
        "same length; each is summarised, then the summaries are, until one is left.\n"
        "Instruction models are asked in their chat format. Encoder-decoder models get the text "
        "behind what their files say, T5 otherwise behind \"summarize:\". Other models get "
        "the text followed by \"TL;DR:\".",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .examples = examples,
    .run = summarize_run,
};

// ---- state --------------------------------------------------------------------------------------

struct text {
    char *data; // owned, zero-terminated
    size_t size;
};

struct summarizer {
    struct tool tool;
    struct settings *settings;
    struct progress progress;
    smr_model *model;
    struct smr_model_info info;
    struct smr_task task;
    smr_engine *engine;
    json_t *levels;  // of --json: a list of lists of summaries
    struct text out; // of the call that runs
    uint32_t level, part, n_parts;
    int code;
};

static bool fail(struct summarizer *s)
{
    progress_clear(&s->progress);
    s->code = tool_fail(&s->tool);
    return false;
}

static bool fail_with(struct summarizer *s, int code)
{
    s->code = code;
    return false;
}

static bool out_of_memory(struct summarizer *s)
{
    complain(s->tool.command, "out of memory");
    return fail_with(s, EXIT_DEVICE);
}

static bool append(struct text *text, const char *data, size_t size)
{
    char *grown = realloc(text->data, text->size + size + 1);
    if (!grown)
        return false;
    text->data = grown;
    if (size)
        memcpy(grown + text->size, data, size);
    text->size += size;
    grown[text->size] = 0;
    return true;
}

static bool append_text(struct text *text, const char *string)
{
    return append(text, string, strlen(string));
}

static void text_free(struct text *text)
{
    free(text->data);
    *text = (struct text){0};
}

// ---- the prompt -----------------------------------------------------------------------------------

static const char *instruction(const struct summarizer *s)
{
    if (s->settings->instruction)
        return s->settings->instruction;
    if (s->info.n_encoder_layers && *s->task.prefix)
        return s->task.prefix;
    if (s->info.n_encoder_layers)
        return strcmp(s->info.architecture, "t5") == 0 ? "summarize:" : "";
    if (!s->info.chat_format)
        return "";
    return s->level ? "Here are summaries of the parts of one text, in order. Write one summary of "
                      "the whole text from them, in a few sentences."
                    : "Summarize the following text in a few sentences.";
}

// What the model is given to summarise `size` bytes of text.
static bool make_prompt(struct summarizer *s, const char *text, size_t size, struct text *prompt)
{
    const char *told = instruction(s);
    bool chat = !s->info.n_encoder_layers && s->info.chat_format;
    *prompt = (struct text){0};
    const char *between = s->info.n_encoder_layers ? " " : "\n\n";
    if (!*told || told[strlen(told) - 1] == ' ')
        between = "";
    bool done =
        append_text(prompt, told) && append_text(prompt, between) && append(prompt, text, size);
    if (done && !chat && !s->info.n_encoder_layers && !s->settings->instruction)
        done = append_text(prompt, "\n\nTL;DR:");
    if (!done)
        return out_of_memory(s);
    if (!chat)
        return true;
    char *formatted = smr_chat_prompt(s->model, &(struct smr_chat_params){.user = prompt->data});
    text_free(prompt);
    done = formatted && append_text(prompt, formatted);
    if (!done)
        formatted ? out_of_memory(s) : fail(s);
    smr_text_free(s->model, formatted);
    return done;
}

static bool tokenize(struct summarizer *s, const char *text, size_t size, int32_t **tokens,
                     size_t *n_tokens)
{
    struct text prompt;
    bool done =
        make_prompt(s, text, size, &prompt) &&
        (smr_tokenize(s->model, prompt.data, prompt.size, SMR_TOKENIZE_SPECIAL, tokens, n_tokens) ||
         fail(s));
    text_free(&prompt);
    return done;
}

// Tokens there is room for beside the summary.
static size_t room(const struct summarizer *s)
{
    if (s->info.n_encoder_layers)
        return smr_engine_source_size(s->engine);
    return smr_engine_context_size(s->engine) - (size_t)s->settings->n_predict;
}

// ---- one summary ----------------------------------------------------------------------------------

static void show(struct summarizer *s, float fraction)
{
    char what[64];
    if (s->n_parts > 1)
        snprintf(what, sizeof what, "part %u of %u", (unsigned)s->part + 1, (unsigned)s->n_parts);
    else
        snprintf(what, sizeof what, "summarising");
    progress_update(&s->progress, what, ((float)s->part + fraction) / (float)s->n_parts);
}

// Half of the bar is for reading, half for writing.
static bool on_prefill(void *user, size_t n_done, size_t n_total)
{
    show(user, 0.5f * (float)n_done / (float)n_total);
    return true;
}

static bool on_generated(void *user, const struct smr_generated *generated)
{
    struct summarizer *s = user;
    show(s, 0.75f);
    return append(&s->out, generated->text, generated->text_size);
}

static bool on_step(void *user, uint32_t n_generated)
{
    const struct summarizer *s = user;
    show(user, 0.5f + 0.5f * (float)n_generated / (float)s->settings->n_predict);
    return true;
}

static bool search(struct summarizer *s, smr_session *session)
{
    struct smr_generate_result result;
    struct smr_beam_params params = {.n_beams = (uint32_t)s->settings->n_beams,
                                     .length_penalty = s->task.length_penalty,
                                     .early_stopping = s->task.early_stopping,
                                     .n_predict = (uint32_t)s->settings->n_predict,
                                     .step = on_step,
                                     .prefill = on_prefill,
                                     .user = s};
    struct smr_beams *beams = smr_generate_beams(session, &params, &result);
    bool done =
        beams && beams->n && append(&s->out, beams->items[0].text, beams->items[0].text_size);
    smr_beams_free(beams);
    return done;
}

static bool generate(struct summarizer *s, smr_session *session)
{
    struct smr_generate_result result;
    struct smr_generate_params params = {.n_predict = (uint32_t)s->settings->n_predict,
                                         .sampling = smr_sampling_default(),
                                         .callback = on_generated,
                                         .prefill = on_prefill,
                                         .user = s};
    params.sampling.temperature = (float)s->settings->temperature;
    params.sampling.repeat_penalty = (float)s->settings->repeat_penalty;
    params.sampling.seed = (uint64_t)s->settings->seed;
    return smr_generate(session, &params, &result);
}

static void trim(struct text *text)
{
    size_t begin = 0;
    while (text->size && strchr(" \t\r\n", text->data[text->size - 1]))
        text->size--;
    while (begin < text->size && strchr(" \t\r\n", text->data[begin]))
        begin++;
    memmove(text->data, text->data + begin, text->size - begin);
    text->size -= begin;
    text->data[text->size] = 0;
}

// The summary of what `tokens` ask for, in s->out.
static bool summarize_tokens(struct summarizer *s, const int32_t *tokens, size_t n_tokens)
{
    text_free(&s->out);
    smr_session *session = smr_session_create(s->engine);
    bool done = append(&s->out, "", 0) && session &&
                (s->info.n_encoder_layers ? smr_session_encode(session, tokens, n_tokens)
                                          : smr_session_append(session, tokens, n_tokens)) &&
                (s->settings->n_beams ? search(s, session) : generate(s, session));
    smr_session_destroy(session);
    if (!done)
        return smr_context_status(s->tool.context) ? fail(s) : out_of_memory(s);
    trim(&s->out);
    return true;
}

// ---- parts ----------------------------------------------------------------------------------------

// Summarise the beginning of `text`, at most `most` bytes of it and no more than the context holds.
// *used receives how much that was.
static bool summarize_beginning(struct summarizer *s, const char *text, size_t size, size_t most,
                                size_t *used)
{
    for (;;) {
        int32_t *tokens = NULL;
        size_t n_tokens = 0;
        *used = split_at(text, size, most);
        if (!tokenize(s, text, *used, &tokens, &n_tokens))
            return false;
        bool fits = n_tokens <= room(s);
        bool done = fits && summarize_tokens(s, tokens, n_tokens);
        smr_tokens_free(s->model, tokens);
        if (fits)
            return done;
        if (*used <= 1) {
            progress_clear(&s->progress);
            complain(s->tool.command,
                     "the context has no room for a text: take a larger one (-c) or a smaller -n");
            return fail_with(s, EXIT_USAGE);
        }
        most = (size_t)((double)*used * 0.95 * (double)room(s) / (double)n_tokens);
    }
}

// Keep the summary in s->out: as text of the next level, and to show.
static bool keep(struct summarizer *s, struct text *summaries, json_t *list)
{
    if (s->settings->parts && !s->settings->json && s->n_parts > 1) {
        progress_clear(&s->progress);
        printf("[%u/%u] %s\n\n", (unsigned)s->part + 1, (unsigned)s->n_parts, s->out.data);
        fflush(stdout);
    }
    return ((!summaries->size || append_text(summaries, "\n\n")) &&
            append(summaries, s->out.data, s->out.size) &&
            (!list || !json_array_append_new(list, json_text(s->out.data)))) ||
           out_of_memory(s);
}

// Summaries of the parts of `text`, one behind the other, in `summaries`.
static bool summarize_parts(struct summarizer *s, const struct text *text, size_t n_tokens,
                            struct text *summaries)
{
    json_t *list = s->levels ? json_array() : NULL;
    size_t at = 0;
    // Parts of one length, and a little room for cutting between sentences.
    s->n_parts = (uint32_t)(n_tokens / (room(s) - room(s) / 16) + 1);
    if (n_tokens <= room(s))
        s->n_parts = 1;
    if (s->levels && (!list || json_array_append_new(s->levels, list)))
        return out_of_memory(s);
    for (s->part = 0; at < text->size; s->part++) {
        size_t used, left = text->size - at;
        if (s->part >= s->n_parts) // some part had to be shorter
            s->n_parts = s->part + 1;
        size_t share = left / (s->n_parts - s->part) + 1;
        size_t most = s->n_parts - s->part == 1 ? left : share + share / 32;
        show(s, 0);
        if (!summarize_beginning(s, text->data + at, left, most, &used) ||
            !keep(s, summaries, list))
            return false;
        at += used;
    }
    return true;
}

// Level by level, until one part is left. `text` is used up.
static bool summarize(struct summarizer *s, struct text *text, struct text *summary)
{
    enum { MAX_LEVELS = 16 };
    bool done = true;
    for (s->level = 0; done; s->level++) {
        int32_t *tokens = NULL;
        size_t n_tokens = 0;
        done = tokenize(s, text->data, text->size, &tokens, &n_tokens);
        smr_tokens_free(s->model, tokens);
        done = done && summarize_parts(s, text, n_tokens, summary);
        if (!done || s->part == 1)
            break;
        if (summary->size >= text->size || s->level + 1 == MAX_LEVELS) {
            progress_clear(&s->progress);
            complain(s->tool.command,
                     "the summaries of %u parts are no shorter than the text: take "
                     "a smaller -n, a larger context (-c) or another model",
                     (unsigned)s->part);
            done = fail_with(s, EXIT_RUNTIME);
            break;
        }
        text_free(text);
        *text = *summary;
        *summary = (struct text){0};
    }
    return done;
}

// ---- the command ----------------------------------------------------------------------------------

static bool open_model(struct summarizer *s, const struct operands *operands)
{
    s->code = EXIT_MODEL;
    s->model = tool_open_model(&s->tool, operands, s->settings->model, &s->code);
    if (!s->model)
        return false;
    smr_model_info(s->model, &s->info);
    smr_model_task(s->model, SMR_TASK_SUMMARIZE, &s->task);
    if (!s->settings->n_predict)
        s->settings->n_predict = s->task.max_length ? s->task.max_length : 200;
    if (s->settings->n_beams < 0)
        s->settings->n_beams = s->task.n_beams > 1 ? s->task.n_beams : 0;
    if (s->info.tokenizer && s->info.has_weights)
        return true;
    complain(s->tool.command, "%s has no %s", s->info.name,
             s->info.has_weights ? "tokenizer" : "weights");
    return fail_with(s, EXIT_MODEL);
}

static bool make_engine(struct summarizer *s)
{
    struct smr_engine_params params = {.device = s->settings->device,
                                       .n_context = (uint32_t)s->settings->n_context,
                                       .n_sequences = (uint32_t)s->settings->n_beams,
                                       .progress = progress_update,
                                       .user = &s->progress};
    if (s->info.n_encoder_layers) { // -c is for the source
        params.n_source = params.n_context;
        params.n_context = (uint32_t)s->settings->n_predict + 2;
    }
    s->engine = smr_engine_create(s->model, &params);
    progress_clear(&s->progress);
    if (!s->engine)
        return fail(s);
    if (!s->info.n_encoder_layers &&
        smr_engine_context_size(s->engine) <= (uint64_t)s->settings->n_predict) {
        complain(s->tool.command,
                 "a context of %u tokens has no room beside a summary of %d: take "
                 "a larger one (-c) or a smaller -n",
                 (unsigned)smr_engine_context_size(s->engine), (int)s->settings->n_predict);
        return fail_with(s, EXIT_USAGE);
    }
    return true;
}

static bool read_text(struct summarizer *s, const char *path, struct text *text)
{
    text->data = tool_read(s->tool.command, path, &text->size);
    if (!text->data)
        return fail_with(s, EXIT_RUNTIME);
    for (size_t i = 0; i < text->size; i++) // what chat formats cannot hold
        if (!text->data[i])
            text->data[i] = ' ';
    if (strspn(text->data, " \t\r\n") < text->size)
        return true;
    complain(s->tool.command, "%s: there is no text in it", path);
    return fail_with(s, EXIT_USAGE);
}

static int report(struct summarizer *s, const struct text *summary)
{
    if (s->settings->json)
        return json_print(
            s->tool.command,
            json_pack("{s:o, s:O}", "summary", json_text(summary->data), "levels", s->levels), 0);
    printf("%s\n", summary->data);
    return tool_flush(s->tool.command);
}

static int summarize_with(struct settings *settings, const struct operands *operands)
{
    struct summarizer s = {.settings = settings, .n_parts = 1, .code = EXIT_RUNTIME};
    struct text text = {0}, summary = {0};
    const char *path = operands->items[operands->n - 1];
    const struct operands model = {.items = {operands->items[0]}, .n = operands->n - 1};
    progress_init(&s.progress, !settings->context.quiet);
    if (tool_init(&s.tool, summarize_command.name, &settings->context) &&
        (!settings->json || (s.levels = json_array())) && open_model(&s, &model) &&
        read_text(&s, path, &text) && make_engine(&s) && summarize(&s, &text, &summary)) {
        progress_clear(&s.progress);
        s.code = report(&s, &summary);
    }
    text_free(&text);
    text_free(&summary);
    text_free(&s.out);
    json_decref(s.levels);
    smr_engine_destroy(s.engine);
    smr_model_close(s.model);
    tool_finish(&s.tool);
    return s.code;
}

static int summarize_run(int argc, char **argv)
{
    struct settings settings = {0};
    struct operands operands;
    enum parse_result parsed = options_parse(&summarize_command, argc, argv, &settings, &operands);
    int code = EXIT_USAGE;
    if (parsed == PARSE_HELP) {
        code = tool_flush(argv[0]);
    } else if (parsed == PARSE_OK) {
        if (operands.n != (settings.model ? 1 : 2))
            complain(summarize_command.name, "which text? samara summarize MODEL FILE");
        else
            code = summarize_with(&settings, &operands);
    }
    options_finish(&summarize_command, &settings);
    return code;
}
