// expect.c - a parser for lines of the form "key: values".
#include "expect.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *read_text(const char *path)
{
    char *text = NULL;
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    if (fseek(file, 0, SEEK_END) == 0) {
        long size = ftell(file);
        rewind(file);
        text = size < 0 ? NULL : malloc((size_t)size + 1);
        if (text)
            text[fread(text, 1, (size_t)size, file)] = 0;
    }
    fclose(file);
    return text;
}

// In place: backslash and n stand for a newline, two backslashes for one.
static char *unescape(char *text)
{
    char *to = text;
    for (const char *at = text; *at; at++) {
        if (*at == '\\' && (at[1] == 'n' || at[1] == '\\'))
            *to++ = *++at == 'n' ? '\n' : '\\';
        else
            *to++ = *at;
    }
    *to = 0;
    return text;
}

static size_t count_words(const char *line)
{
    size_t n = 0;
    for (const char *at = line; *at;) {
        at += strspn(at, " ");
        n += *at != 0;
        at += strcspn(at, " ");
    }
    return n;
}

static float *read_floats(const char *line, size_t *n)
{
    *n = count_words(line);
    float *values = calloc(*n + 1, sizeof *values);
    char *at = (char *)line;
    for (size_t i = 0; values && i < *n; i++)
        values[i] = strtof(at, &at);
    return values;
}

static int32_t *read_tokens(const char *line, size_t *n)
{
    *n = count_words(line);
    int32_t *values = calloc(*n + 1, sizeof *values);
    char *at = (char *)line;
    for (size_t i = 0; values && i < *n; i++)
        values[i] = (int32_t)strtol(at, &at, 10);
    return values;
}

static bool read_position(struct expectation *expect, const char *key, const char *value)
{
    size_t index = strtoul(key + strlen("position "), NULL, 10);
    size_t n = 0;

    if (index >= expect->n_prompt)
        return false;
    if (!expect->positions)
        expect->positions = calloc(expect->n_prompt, sizeof *expect->positions);
    if (!expect->positions)
        return false;
    free(expect->positions[index]);
    expect->positions[index] = read_floats(value, &n);
    return n == expect->n_vocab;
}

static bool read_decoded(struct expectation *expect, const char *key, const char *value)
{
    size_t n = 0;

    free(expect->decoded);
    expect->n_decoded = strtoul(key + strlen("decoded "), NULL, 10);
    expect->decoded = read_floats(value, &n);
    return expect->n_decoded <= expect->n_greedy && n == expect->n_vocab;
}

static bool read_line(struct expectation *expect, const char *folder, const char *key, char *value)
{
    if (!strcmp(key, "model"))
        return snprintf(expect->model, sizeof expect->model, "%s%s", folder, value) <
               (int)sizeof expect->model;
    if (!strcmp(key, "text"))
        expect->text = unescape(value);
    else if (!strcmp(key, "source"))
        expect->source = read_tokens(value, &expect->n_source);
    else if (!strcmp(key, "prompt"))
        expect->prompt = read_tokens(value, &expect->n_prompt);
    else if (!strcmp(key, "greedy"))
        expect->greedy = read_tokens(value, &expect->n_greedy);
    else if (!strcmp(key, "gap"))
        expect->gap = read_floats(value, &expect->n_gaps);
    else if (!strcmp(key, "logits"))
        expect->logits = read_floats(value, &expect->n_vocab);
    else if (!strcmp(key, "context"))
        expect->n_context = (uint32_t)strtoul(value, NULL, 10);
    else if (!strncmp(key, "decoded ", 8))
        return read_decoded(expect, key, value);
    else if (!strncmp(key, "position ", 9))
        return read_position(expect, key, value);
    return true;
}

bool expectation_read(struct expectation *expect, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    char folder[1024];

    memset(expect, 0, sizeof *expect);
    snprintf(folder, sizeof folder, "%.*s", (int)(base - path), path);
    snprintf(expect->name, sizeof expect->name, "%.*s", (int)strcspn(base, "."), base);
    expect->buffer = read_text(path);
    if (!expect->buffer) {
        fprintf(stderr, "%s: cannot be read\n", path);
        return false;
    }
    for (char *line = expect->buffer, *next; line && *line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        char *colon = strstr(line, ": ");
        if (line[0] == '#' || !colon)
            continue;
        *colon = 0;
        if (!read_line(expect, folder, line, colon + 2)) {
            fprintf(stderr, "%s: bad line \"%s\"\n", path, line);
            return false;
        }
    }
    if (!expect->model[0] || !expect->n_prompt || !expect->n_greedy ||
        expect->n_gaps != expect->n_greedy) {
        fprintf(stderr, "%s: lacks model, prompt, greedy or gap\n", path);
        return false;
    }
    return true;
}

void expectation_finish(struct expectation *expect)
{
    for (size_t i = 0; expect->positions && i < expect->n_prompt; i++)
        free(expect->positions[i]);
    free(expect->positions);
    free(expect->source);
    free(expect->prompt);
    free(expect->greedy);
    free(expect->gap);
    free(expect->logits);
    free(expect->decoded);
    free(expect->buffer);
    memset(expect, 0, sizeof *expect);
}

float relative_error(const float *a, const float *b, size_t n)
{
    float largest_difference = 0, largest_value = 0;

    for (size_t i = 0; i < n; i++) {
        float difference = fabsf(a[i] - b[i]);
        if (!isfinite(a[i]))
            return INFINITY;
        largest_difference = fmaxf(largest_difference, difference);
        largest_value = fmaxf(largest_value, fabsf(b[i]));
    }
    return largest_difference / largest_value;
}

double squared_error(const float *a, const float *b, size_t n)
{
    double squares = 0, all = 0;

    for (size_t i = 0; i < n; i++) {
        double difference = (double)a[i] - b[i];
        squares += difference * difference;
        all += (double)b[i] * b[i];
    }
    return squares / all;
}

static double log_sum_exp(const float *values, size_t n)
{
    double most = values[largest(values, n)], sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += exp(values[i] - most);
    return most + log(sum);
}

double divergence(const float *a, const float *b, size_t n)
{
    double sum_a = log_sum_exp(a, n), sum_b = log_sum_exp(b, n), sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += exp(b[i] - sum_b) * (b[i] - sum_b - (a[i] - sum_a));
    return sum;
}

size_t largest(const float *values, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (values[i] > values[best])
            best = i;
    return best;
}

bool kernels_parse(const char *name, enum smr_kernels *kernels)
{
    static const char *const names[] = {"tuned", "f32", "plain"};
    static const enum smr_kernels numbers[] = {SMR_KERNELS_TUNED, SMR_KERNELS_F32,
                                               SMR_KERNELS_PLAIN};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!strcmp(name, names[i])) {
            *kernels = numbers[i];
            return true;
        }
    }
    return false;
}
