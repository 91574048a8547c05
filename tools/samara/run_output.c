// run_output.c - the results of samara run: JSON, the line of timings, logits.
#include "run.h"
#include "terminal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// ---- record -----------------------------------------------------------------------------------

void run_record_finish(struct run_record *record)
{
    free(record->tokens);
    free(record->text);
    json_decref(record->logprobs);
    *record = (struct run_record){0};
}

// Make room for `n` more elements after `used`.
static void *grow(void *data, size_t used, size_t n, size_t element, size_t *capacity)
{
    if (used + n <= *capacity)
        return data;
    size_t wanted = (used + n) * 2 + 64;
    void *grown = realloc(data, wanted * element);
    if (grown)
        *capacity = wanted;
    return grown;
}

static bool add_logprobs(json_t *list, const struct smr_generated *generated)
{
    json_t *top = json_array();
    for (size_t i = 0; i < generated->n_top; i++)
        json_array_append_new(top, json_pack("[i, o]", (int)generated->top[i].token,
                                             json_number((double)generated->top[i].logprob)));
    json_t *row = json_pack("{s:i, s:o, s:o}", "token", (int)generated->token, "logprob",
                            json_number((double)generated->logprob), "top", top);
    return !json_array_append_new(list, row);
}

static bool add_token(struct run_record *record, const struct smr_generated *generated)
{
    int32_t *tokens =
        grow(record->tokens, record->n_tokens, 1, sizeof *tokens, &record->tokens_capacity);
    if (!tokens)
        return false;
    record->tokens = tokens;
    record->tokens[record->n_tokens++] = generated->token;
    return !record->logprobs || add_logprobs(record->logprobs, generated);
}

static bool add_text(struct run_record *record, const struct smr_generated *generated)
{
    char *text =
        grow(record->text, record->text_size, generated->text_size, 1, &record->text_capacity);
    if (!text)
        return false;
    record->text = text;
    memcpy(record->text + record->text_size, generated->text, generated->text_size);
    record->text_size += generated->text_size;
    return true;
}

bool run_record_add(struct run_record *record, const struct smr_generated *generated,
                    bool keep_text)
{
    bool done = generated->token < 0 || add_token(record, generated);
    if (done && keep_text && generated->text_size)
        done = add_text(record, generated);
    record->out_of_memory |= !done;
    return done;
}

bool run_record_set(struct run_record *record, const struct smr_beam *beam)
{
    struct smr_generated text = {.text = beam->text, .text_size = beam->text_size};
    bool done = !text.text_size || add_text(record, &text);
    for (size_t i = 0; done && i < beam->n_tokens; i++) {
        text.token = beam->tokens[i];
        done = add_token(record, &text);
    }
    record->score = (double)beam->score;
    record->stop_reason = beam->stop_reason;
    record->out_of_memory |= !done;
    return done;
}

// ---- timings ----------------------------------------------------------------------------------

static const struct {
    enum smr_stop_reason reason;
    const char *name;    // for programs
    const char *meaning; // for people
} stop_reasons[] = {
    {SMR_STOP_LENGTH, "length", "as many tokens as asked for"},
    {SMR_STOP_END, "end", "end of the text"},
    {SMR_STOP_STRING, "string", "a stop string"},
    {SMR_STOP_CONTEXT, "context", "the context is full (a larger one: -c N)"},
    {SMR_STOP_CANCEL, "cancel", "cancelled"},
};

static size_t find_reason(enum smr_stop_reason reason)
{
    size_t n = sizeof stop_reasons / sizeof stop_reasons[0];
    for (size_t i = 0; i < n; i++)
        if (stop_reasons[i].reason == reason)
            return i;
    return n - 1; // SMR_STOP_NONE: the callback ended it
}

// To three decimals, which is what clocks are worth.
static double rounded(double value)
{
    return (double)(int64_t)(value * 1000 + 0.5) / 1000;
}

static double ms(uint64_t ns)
{
    return rounded((double)ns / 1e6);
}

static double per_second(uint64_t n, uint64_t ns)
{
    return n && ns ? rounded((double)n * 1e9 / (double)ns) : 0;
}

// Tokens that a decode step made: the first one of a text comes from the prompt's logits.
static uint64_t n_decoded(const struct run_summary *summary)
{
    uint64_t n_first = summary->n_texts ? summary->n_texts : 1;
    return summary->result.n_generated > n_first ? summary->result.n_generated - n_first : 0;
}

static double per_token(double value, const struct run_summary *summary)
{
    return n_decoded(summary) ? rounded(value / (double)n_decoded(summary)) : 0;
}

json_t *run_json(const struct run_summary *summary, struct run_record *record)
{
    const struct smr_generate_result *result = &summary->result;
    json_t *timings = json_pack(
        "{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "load_ms", ms(summary->times.load_ns),
        "compile_ms", ms(summary->times.compile_ns), "prompt_ms", ms(summary->prompt_ns),
        "prompt_tokens_per_s", per_second(summary->n_prompt_tokens, summary->prompt_ns),
        "decode_ms", ms(result->decode_ns), "decode_tokens_per_s",
        per_second(n_decoded(summary), result->decode_ns), "first_token_ms",
        ms(summary->first_token_ns), "cpu_us_per_token",
        per_token((double)result->cpu_ns / 1000, summary), "submissions_per_token",
        per_token((double)result->n_submissions, summary));
    json_t *speculation = json_pack("{s:I, s:I}", "drafted", (json_int_t)result->n_drafted,
                                    "accepted", (json_int_t)result->n_accepted);
    const struct smr_memory_use *use = &summary->memory;
    json_t *memory = json_pack("{s:I, s:I, s:I, s:I}", "weights", (json_int_t)use->weights, "cache",
                               (json_int_t)use->cache, "activations", (json_int_t)use->activations,
                               "total", (json_int_t)use->total);
    const struct smr_device_info *device = summary->device;
    json_t *threads = device->n_threads ? json_integer(device->n_threads) : json_null();
    json_t *object =
        json_pack("{s:o, s:o, s:o, s:s, s:s, s:o, s:I, s:s, s:o, s:o, s:o}", "prompt_tokens",
                  json_ids(summary->prompt_tokens, summary->n_prompt_tokens), "tokens",
                  json_ids(record->tokens, record->n_tokens), "text",
                  json_text_n(record->text ? record->text : "", record->text_size), "stop_reason",
                  stop_reasons[find_reason(result->stop_reason)].name, "device", device->id,
                  "threads", threads, "seed", (json_int_t)summary->seed, "sampling",
                  result->n_device ? "device" : "host", "timings", timings, "speculation",
                  speculation, "memory", memory);
    if (object && record->logprobs) {
        json_object_set_new(object, "logprobs", record->logprobs);
        record->logprobs = NULL;
    }
    return object;
}

static json_t *text_json(struct run_record *record, bool beam)
{
    json_t *object =
        json_pack("{s:o, s:o, s:s}", "tokens", json_ids(record->tokens, record->n_tokens), "text",
                  json_text_n(record->text ? record->text : "", record->text_size), "stop_reason",
                  stop_reasons[find_reason(record->stop_reason)].name);
    if (object && beam)
        json_object_set_new(object, "score", json_number(record->score));
    else if (object)
        json_object_set_new(object, "seed", json_integer((json_int_t)record->seed));
    if (object && record->logprobs) {
        json_object_set_new(object, "logprobs", record->logprobs);
        record->logprobs = NULL;
    }
    return object;
}

json_t *run_json_many(const struct run_summary *summary, struct run_record *records, size_t n,
                      bool beams)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, text_json(&records[i], beams));
    json_t *object = run_json(summary, records); // there is one more than n
    if (object)
        json_object_set_new(object, beams ? "beams" : "samples", list);
    else
        json_decref(list);
    return object;
}

bool run_print_many(const struct run_record *records, size_t n, bool beams, bool numbers)
{
    for (size_t i = 0; i < n; i++) {
        const struct run_record *record = &records[i];
        bool whole = record->text_size && record->text[record->text_size - 1] == '\n';
        if (n > 1)
            printf("%s%s[%zu/%zu] ", i ? "\n" : "", bold(stdout), i + 1, n);
        if (n > 1 && beams)
            printf("score %.4f%s\n", record->score, plain(stdout));
        else if (n > 1)
            printf("seed %" PRIu64 "%s\n", record->seed, plain(stdout));
        for (size_t k = 0; numbers && k < record->n_tokens; k++)
            printf("%s%" PRId32, k ? "," : "", record->tokens[k]);
        if (!numbers && record->text_size)
            fwrite(record->text, 1, record->text_size, stdout);
        if (!whole && (n > 1 || isatty(STDOUT_FILENO)))
            putchar('\n');
    }
    return !fflush(stdout) && !ferror(stdout);
}

void run_print_timings(const char *command, const struct run_summary *summary)
{
    const struct smr_generate_result *result = &summary->result;
    char size[SIZE_TEXT], guesses[96] = "";
    if (result->n_drafted)
        snprintf(guesses, sizeof guesses, "; %" PRIu64 " of %" PRIu64 " guesses right",
                 result->n_accepted, result->n_drafted);
    note(command,
         "load %.2f s, compile %.2f s; prompt %zu tokens in %.2f s (%.1f/s); generated %" PRIu32
         " in %.2f s (%.1f/s)%s; first token after %.2f s; %s on %s; seed %" PRIu64 "; stopped: %s",
         ms(summary->times.load_ns) / 1000, ms(summary->times.compile_ns) / 1000,
         summary->n_prompt_tokens, ms(summary->prompt_ns) / 1000,
         per_second(summary->n_prompt_tokens, summary->prompt_ns), result->n_generated,
         ms(result->decode_ns) / 1000, per_second(n_decoded(summary), result->decode_ns), guesses,
         ms(summary->first_token_ns) / 1000, size_text(summary->memory.total, size),
         summary->device->id, summary->seed,
         stop_reasons[find_reason(result->stop_reason)].meaning);
}

// ---- logits -----------------------------------------------------------------------------------

// NEP 1: magic, version, length of what follows, a Python dictionary padded with spaces so that
// the data is aligned to 64 bytes. '<f4' states the byte order, which we take from the machine.
bool run_write_npy(const char *command, const char *path, const float *values, size_t n)
{
    const uint16_t one = 1;
    bool is_little = *(const char *)&one;
    char head[128];
    memset(head, ' ', sizeof head);
    memcpy(head, "\x93NUMPY\x01\x00", 8);
    head[8] = (char)(sizeof head - 10); // little-endian, whatever the machine
    head[9] = 0;
    int size = snprintf(head + 10, sizeof head - 10,
                        "{'descr': '%cf4', 'fortran_order': False, 'shape': (%zu,), }",
                        is_little ? '<' : '>', n);
    head[10 + size] = ' ';
    head[sizeof head - 1] = '\n';
    return tool_write_file(command, path, head, sizeof head, values, n * sizeof *values);
}
