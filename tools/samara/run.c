// run.c - samara run: from a model and a prompt to text.
#include "run.h"
#include "terminal.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// ---- stopping by Ctrl-C -----------------------------------------------------------------------

// A signal handler reaches nothing but globals.
static volatile sig_atomic_t interrupted;
static volatile sig_atomic_t stoppable; // generating: somebody looks at `interrupted`

static void on_interrupt(int signal)
{
    if (interrupted || !stoppable) {
        if (isatty(STDERR_FILENO))
            (void)!write(STDERR_FILENO, "\n", 1);
        _exit(EXIT_INTERRUPTED);
    }
    interrupted = 1;
}

bool run_interrupted(void)
{
    return interrupted;
}

static void catch_interrupts(void)
{
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
}

// ---- one run ----------------------------------------------------------------------------------

uint64_t run_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

// 32 bits, so that the seed is easy to type again.
static uint64_t random_seed(void)
{
    uint32_t seed = 0;
    int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    bool done = fd >= 0 && read(fd, &seed, sizeof seed) == (ssize_t)sizeof seed;
    if (fd >= 0)
        close(fd);
    return done ? seed : (uint32_t)(run_now_ns() ^ (uint64_t)getpid() << 16);
}

bool run_fail(struct run *run)
{
    progress_clear(&run->progress);
    run->code = tool_fail(&run->tool);
    return false;
}

bool run_fail_with(struct run *run, int code)
{
    run->code = code;
    return false;
}

// ---- the prompt -------------------------------------------------------------------------------

// As C and llama.cpp: an unknown escape stays as it is. In place.
static void unescape(char *text)
{
    static const char names[] = "n\nt\tr\r\"\"''\\\\";
    char *out = text;
    for (; *text; text++) {
        char found = 0;
        for (const char *n = names; *text == '\\' && *n && !found; n += 2)
            if (n[0] == text[1])
                found = n[1];
        *out++ = found ? found : *text;
        text += found != 0;
    }
    *out = 0;
}

// "1,2,3" or "1 2 3".
static bool parse_tokens(struct run *run, const char *text)
{
    size_t capacity = strlen(text) / 2 + 1, n = 0;
    run->tokens = run->parsed_tokens = calloc(capacity, sizeof *run->tokens);
    if (!run->tokens) {
        complain(run->tool.command, "--tokens: out of memory");
        return run_fail_with(run, EXIT_DEVICE);
    }
    while (*(text += strspn(text, ", \n\t"))) {
        char *end;
        long long id = strtoll(text, &end, 10);
        if (end == text || (*end && !strchr(", \n\t", *end))) {
            complain(run->tool.command, "--tokens: '%.20s' is not a token number", text);
            return run_fail_with(run, EXIT_USAGE);
        }
        if (id < 0 || id >= run->info.n_vocab) {
            complain(run->tool.command, "--tokens: %lld is outside the vocabulary of %u tokens", id,
                     (unsigned)run->info.n_vocab);
            return run_fail_with(run, EXIT_USAGE);
        }
        run->tokens[n++] = (int32_t)id;
        text = end;
    }
    run->summary.n_prompt_tokens = n;
    return true;
}

static bool read_prompt(struct run *run)
{
    const struct run_settings *settings = run->settings;
    const char *path = settings->prompt_file;
    if (!path && (!settings->prompt || !strcmp(settings->prompt, "-")))
        path = "-";
    if (path) {
        run->prompt = tool_read(run->tool.command, path, &run->prompt_size);
        if (!run->prompt)
            return run_fail_with(run, EXIT_RUNTIME);
        if (run->prompt_size && run->prompt[run->prompt_size - 1] == '\n')
            run->prompt[--run->prompt_size] = 0;
        return true;
    }
    run->prompt = strdup(settings->prompt);
    if (!run->prompt) {
        complain(run->tool.command, "out of memory");
        return run_fail_with(run, EXIT_DEVICE);
    }
    if (settings->escape)
        unescape(run->prompt);
    run->prompt_size = strlen(run->prompt);
    return true;
}

// The prompt in the model's chat format, in `chat`; NULL there when it goes in as it is.
static bool format_prompt(struct run *run, char **chat)
{
    const struct run_settings *settings = run->settings;
    const char *command = run->tool.command;
    *chat = NULL;
    if (settings->raw)
        return true;
    if (run->info.chat_format && strlen(run->prompt) == run->prompt_size) {
        *chat = smr_chat_prompt(
            run->model,
            &(struct smr_chat_params){.system = settings->system,
                                      .user = run->prompt,
                                      .limit_thinking = settings->thinking_budget >= 0,
                                      .thinking_budget = (uint32_t)settings->thinking_budget});
        return *chat || run_fail(run);
    }
    if (settings->thinking_budget >= 0) {
        complain(command, "--thinking-budget needs a model with a chat format that samara knows");
        return run_fail_with(run, EXIT_USAGE);
    }
    if (settings->system) {
        complain(command, "--system needs a model with a chat format that samara knows");
        return run_fail_with(run, EXIT_USAGE);
    }
    if (run->info.chat_format)
        note(command, "the prompt holds zero bytes: going on as with --raw");
    else if (run->info.chat_template)
        note(command, "the chat format of this model is not known: going on as with --raw");
    return true;
}

static bool tokenize_prompt(struct run *run)
{
    const struct run_settings *settings = run->settings;
    char *chat;
    if (!format_prompt(run, &chat))
        return false;
    const char *text = chat ? chat : run->prompt;
    size_t size = chat ? strlen(chat) : run->prompt_size, n_tokens = 0;
    int32_t *tokens = NULL;
    uint32_t flags = SMR_TOKENIZE_SPECIAL | (settings->no_bos ? SMR_TOKENIZE_NO_BOS : 0);
    bool done = smr_tokenize(run->model, text, size, flags, &tokens, &n_tokens);
    smr_text_free(run->model, chat);
    run->tokens = run->library_tokens = tokens;
    run->summary.n_prompt_tokens = n_tokens;
    return done || run_fail(run);
}

// What the model's files want before a source.
static bool add_prefix(struct run *run)
{
    size_t size = run->prefix && !run->settings->raw ? strlen(run->prefix) : 0;
    if (!size)
        return true;
    char *prompt = realloc(run->prompt, size + run->prompt_size + 1);
    if (!prompt) {
        complain(run->tool.command, "out of memory");
        return run_fail_with(run, EXIT_DEVICE);
    }
    memmove(prompt + size, prompt, run->prompt_size + 1);
    memcpy(prompt, run->prefix, size);
    run->prompt = prompt;
    run->prompt_size += size;
    return true;
}

static bool make_prompt(struct run *run)
{
    const char *command = run->tool.command;
    bool done = run->settings->tokens ? parse_tokens(run, run->settings->tokens)
                                      : read_prompt(run) && add_prefix(run) && tokenize_prompt(run);
    if (!done)
        return false;
    if (!run->summary.n_prompt_tokens) {
        complain(command, "the prompt is empty");
        return run_fail_with(run, EXIT_USAGE);
    }
    run->summary.prompt_tokens = run->tokens;
    return true;
}

// "15043=1.5", or llama.cpp's "15043+1.5" and "15043-1".
static bool parse_biases(struct run *run)
{
    const struct option_list *list = &run->settings->logit_bias;
    run->bias = calloc(list->n + 1, sizeof *run->bias);
    if (!run->bias) {
        complain(run->tool.command, "--logit-bias: out of memory");
        return run_fail_with(run, EXIT_DEVICE);
    }
    for (size_t i = 0; i < list->n; i++) {
        const char *text = list->items[i];
        char *end;
        double bias = 0;
        long long token = strtoll(text, &end, 10);
        bool valid = end != text && *end && strchr("=+-", *end);
        if (valid && !strcmp(end, "=-inf"))
            bias = -1e30; // never
        else
            valid = valid && parse_number(end + (*end == '='), &bias);
        if (!valid || token < 0 || token >= run->info.n_vocab) {
            complain(run->tool.command,
                     "--logit-bias: '%s' is not TOKEN=BIAS with a token below %u", text,
                     (unsigned)run->info.n_vocab);
            return run_fail_with(run, EXIT_USAGE);
        }
        run->bias[i] = (struct smr_logit_bias){(int32_t)token, (float)bias};
    }
    return true;
}

// ---- engine -----------------------------------------------------------------------------------

static bool open_model(struct run *run, const struct operands *operands)
{
    run->code = EXIT_MODEL;
    run->model = tool_open_model(&run->tool, operands, run->settings->model, &run->code);
    if (!run->model)
        return false;
    smr_model_info(run->model, &run->info);
    if (!run->info.has_weights) {
        complain(run->tool.command, "%s holds a vocabulary and no weights: nothing to run",
                 run->info.name);
        return run_fail_with(run, EXIT_MODEL);
    }
    run_follow_model(run);
    int type = run->settings->weight_type;
    return !type || smr_model_set_type(run->model, weight_types[type]) || run_fail(run);
}

// With an encoder the prompt is the source, else the text begins with it.
static bool begin_text(struct run *run)
{
    size_t n = run->summary.n_prompt_tokens;
    if (run->info.n_encoder_layers)
        return smr_session_encode(run->session, run->tokens, n);
    return smr_session_append(run->session, run->tokens, n);
}

// The greatest length that the model's files name counts the tokens that a text starts with.
static void bound_length(struct run *run)
{
    size_t begun = smr_session_length(run->session);
    if (run->max_length && run->settings->n_predict < 0)
        run->settings->n_predict = run->max_length > begun ? (int64_t)(run->max_length - begun) : 1;
}

static bool make_engine(struct run *run)
{
    const struct run_settings *settings = run->settings;
    struct smr_engine_params params = {
        .device = settings->device,
        .kernels = tool_kernels[settings->kernels],
        .cache_type = run_cache_types[settings->cache_type],
        .cache_type_set = true,
        .n_context = (uint32_t)settings->n_context,
        .n_source = (uint32_t)settings->n_source,
        .n_batch = (uint32_t)settings->n_batch,
        .n_sequences = run_n_sequences(settings),
        .n_cache = run_n_cache(run),
        .progress = progress_update,
        .user = &run->progress,
    };
    run->engine = smr_engine_create(run->model, &params);
    progress_clear(&run->progress);
    if (!run->engine)
        return run_fail(run);
    run->session = smr_session_create(run->engine);
    if (!run->session || !begin_text(run))
        return run_fail(run);
    bound_length(run);
    run->summary.device = smr_engine_device(run->engine);
    return true;
}

// ---- generation -------------------------------------------------------------------------------

// Returns false when the reader of stdout is gone, or the disk is full.
static bool write_text(struct run *run, const char *text, size_t size)
{
    if (!size || run->settings->json)
        return true;
    run->last_byte = text[size - 1];
    run->write_failed = fwrite(text, 1, size, stdout) != size || fflush(stdout);
    return !run->write_failed;
}

bool run_on_prefill(void *user, size_t n_done, size_t n_total)
{
    struct run *run = user;
    if (n_done < n_total)
        progress_update(&run->progress, "reading the prompt", (float)n_done / (float)n_total);
    else
        progress_clear(&run->progress);
    return !interrupted;
}

// A token of a model without a tokenizer: its number, as --tokens reads them.
static bool write_number(struct run *run, int32_t token)
{
    char text[16];
    int size = snprintf(text, sizeof text, "%s%d", run->last_byte ? "," : "", (int)token);
    return write_text(run, text, (size_t)size);
}

static bool on_generated(void *user, const struct smr_generated *generated)
{
    struct run *run = user;
    bool number = generated->token >= 0 && !run->info.tokenizer;
    if (generated->token >= 0 && !run->summary.first_token_ns)
        run->summary.first_token_ns = run_now_ns() - run->start_ns;
    return run_record_add(&run->record, generated, run->settings->json) &&
           write_text(run, generated->text, generated->text_size) &&
           (!number || write_number(run, generated->token)) && !interrupted;
}

static bool write_logits(struct run *run)
{
    uint64_t start = run_now_ns();
    const float *logits = smr_session_logits(run->session);
    if (!logits)
        return run_fail(run);
    run->summary.prompt_ns = run_now_ns() - start;
    if (!run->settings->logits)
        return true;
    return run_write_npy(run->tool.command, run->settings->logits, logits, run->info.n_vocab) ||
           run_fail_with(run, EXIT_RUNTIME);
}

static struct smr_sampling sampling_of(const struct run *run)
{
    const struct run_settings *settings = run->settings;
    return (struct smr_sampling){
        .temperature = (float)settings->temperature,
        .top_k = (uint32_t)settings->top_k,
        .top_p = (float)settings->top_p,
        .min_p = (float)settings->min_p,
        .repeat_penalty = (float)settings->repeat_penalty,
        .presence_penalty = (float)settings->presence_penalty,
        .frequency_penalty = (float)settings->frequency_penalty,
        .repeat_last_n =
            settings->repeat_last_n < 0 ? UINT32_MAX : (uint32_t)settings->repeat_last_n,
        .seed = run->summary.seed,
        .bias = run->bias,
        .n_bias = settings->logit_bias.n,
    };
}

uint32_t run_n_predict(const struct run *run)
{
    return run->settings->n_predict < 0 ? UINT32_MAX : (uint32_t)run->settings->n_predict;
}

struct smr_generate_params run_generate_params(struct run *run)
{
    const struct run_settings *settings = run->settings;
    return (struct smr_generate_params){
        .n_predict = run_n_predict(run),
        .sampling = sampling_of(run),
        .stop = settings->stop.items,
        .n_stop = settings->stop.n,
        .ignore_end = settings->ignore_end,
        .min_predict = (uint32_t)settings->min_tokens,
        .no_repeat_ngram = (uint32_t)settings->no_repeat_ngram,
        .n_logprobs = (uint32_t)settings->n_logprobs,
        .special = settings->special,
        .n_in_flight = (uint32_t)settings->sampling,
        .speculation = {.when = settings->no_speculation ? SMR_SPECULATE_NEVER
                                                         : run_speculate[settings->speculate],
                        .draft = run->draft,
                        .draft_max = (uint32_t)settings->draft_max},
        .prefill = run_on_prefill,
        .user = run,
    };
}

static bool generate(struct run *run)
{
    const struct run_settings *settings = run->settings;
    struct smr_generate_result *result = &run->summary.result;
    if (settings->n_predict == 0) { // only the prompt
        result->stop_reason = SMR_STOP_LENGTH;
        return true;
    }
    if (settings->n_beams || settings->n_samples > 1) {
        stoppable = 1;
        return run_many(run);
    }
    struct smr_generate_params params = run_generate_params(run);
    params.callback = on_generated;
    stoppable = 1;
    bool done = smr_generate(run->session, &params, result);
    progress_clear(&run->progress);
    run->summary.prompt_ns += result->prompt_ns;
    if (run->last_byte && run->last_byte != '\n' && isatty(STDOUT_FILENO)) {
        putchar('\n');
        fflush(stdout);
    }
    if (run->record.out_of_memory) {
        complain(run->tool.command, "out of memory");
        return run_fail_with(run, EXIT_DEVICE);
    }
    return done || run_fail(run);
}

static bool report(struct run *run)
{
    smr_engine_times(run->engine, &run->summary.times);
    smr_engine_memory(run->engine, &run->summary.memory);
    bool beams = run->settings->n_beams > 0;
    if (run->settings->json)
        run->code = json_print(
            run->tool.command,
            run->records ? run_json_many(&run->summary, run->records, run->n_records, beams)
                         : run_json(&run->summary, &run->record),
            0);
    else
        run->code = tool_flush(run->tool.command);
    if (!run->tool.quiet && !run->write_failed)
        run_print_timings(run->tool.command, &run->summary);
    if (run->settings->context.validate && run->tool.validation_failed && !run->code)
        run->code = EXIT_RUNTIME;
    return !run->code;
}

static bool begin_record(struct run *run)
{
    if (run->settings->n_logprobs && !(run->record.logprobs = json_array())) {
        complain(run->tool.command, "out of memory");
        return run_fail_with(run, EXIT_DEVICE);
    }
    run->summary.seed = run->settings->seed < 0 ? random_seed() : (uint64_t)run->settings->seed;
    return true;
}

static int run_with(struct run_settings *settings, const struct operands *operands)
{
    struct run run = {.settings = settings, .start_ns = run_now_ns(), .code = EXIT_RUNTIME};
    bool wants_logits = settings->logits || settings->n_predict == 0;
    progress_init(&run.progress, !settings->context.quiet);
    if (tool_init(&run.tool, run_command.name, &settings->context) && begin_record(&run) &&
        open_model(&run, operands) && parse_biases(&run) && make_prompt(&run) &&
        make_engine(&run) && run_open_draft(&run) && (!wants_logits || write_logits(&run)) &&
        generate(&run))
        report(&run);
    run_close_draft(&run);
    smr_session_destroy(run.session);
    smr_engine_destroy(run.engine);
    if (run.model)
        smr_tokens_free(run.model, run.library_tokens);
    smr_model_close(run.model);
    tool_finish(&run.tool);
    run_record_finish(&run.record);
    for (size_t i = 0; i < run.n_records; i++)
        run_record_finish(&run.records[i]);
    free(run.records);
    free(run.parsed_tokens);
    free(run.prompt);
    free(run.bias);
    return run.code;
}

// What the table cannot say.
static bool check(const struct run_settings *settings)
{
    const char *name = run_command.name;
    int n_prompts = !!settings->prompt + !!settings->prompt_file + !!settings->tokens;
    if (n_prompts > 1)
        complain(name, "give one of -p, --prompt-file and --tokens");
    else if (!n_prompts && isatty(STDIN_FILENO))
        complain(name, "which prompt? Give it with -p TEXT, --prompt-file FILE or --tokens IDS");
    else if (settings->n_logprobs && !settings->json)
        complain(name, "--logprobs needs --json");
    else if (settings->system && (settings->raw || settings->tokens))
        complain(name, "--system has no place in a prompt given with --raw or --tokens");
    else if (settings->thinking_budget >= 0 && (settings->raw || settings->tokens))
        complain(name, "--thinking-budget has no place in a prompt given with --raw or --tokens");
    else
        return run_check_draft(settings) && run_check_many(settings);
    return false;
}

int run_run(int argc, char **argv)
{
    struct run_settings settings = {0};
    struct operands operands;
    enum parse_result parsed = options_parse(&run_command, argc, argv, &settings, &operands);
    int code = EXIT_USAGE;
    if (parsed == PARSE_HELP) {
        code = tool_flush(argv[0]);
    } else if (parsed == PARSE_OK && check(&settings)) {
        if (settings.escape) // argv is ours to change
            for (size_t i = 0; i < settings.stop.n; i++)
                unescape((char *)settings.stop.items[i]);
        catch_interrupts();
        code = run_with(&settings, &operands);
    }
    options_finish(&run_command, &settings);
    return code;
}
