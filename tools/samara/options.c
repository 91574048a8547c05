// options.c - parsing by table.
#include "options.h"

#include "docs.h"
#include "terminal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// ---- words and suggestions --------------------------------------------------------------------

const char *next_word(const char **list, size_t *size)
{
    const char *word = *list + strspn(*list, " ");
    *size = strcspn(word, " ");
    *list = word + *size;
    return *size ? word : NULL;
}

// Optimal string alignment, keeping three rows of the table.
size_t edit_distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    enum { MAX_WORD = 48 };
    if (a_size > MAX_WORD || b_size > MAX_WORD)
        return SIZE_MAX;
    size_t rows[3][MAX_WORD + 1];
    for (size_t j = 0; j <= b_size; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        size_t *row = rows[i % 3], *above = rows[(i - 1) % 3], *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);
            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && above2[j - 2] + 1 < best)
                best = above2[j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[a_size % 3][b_size];
}

const char *suggest(const char *word, const char *candidates, size_t *size)
{
    size_t word_size = strlen(word), best = SIZE_MAX, n;
    const char *found = NULL;
    for (const char *c; (c = next_word(&candidates, &n));) {
        size_t distance = edit_distance(word, word_size, c, n);
        // What was begun rightly is as good as a small mistake: --temperature, --predict.
        size_t common = word_size < n ? word_size : n;
        if (common > 4 && !strncmp(word, c, common) && distance > 1)
            distance = 1;
        if (distance < best && distance <= n / 3) {
            best = distance;
            found = c;
            *size = n;
        }
    }
    return found;
}

// ---- values -----------------------------------------------------------------------------------

bool parse_integer(const char *text, int64_t *value)
{
    char *end;
    errno = 0;
    long long parsed = strtoll(text, &end, 10);
    *value = parsed;
    return end != text && !*end && !errno && text[0] != ' ';
}

bool parse_number(const char *text, double *value)
{
    char *end;
    *value = strtod(text, &end);
    return end != text && !*end && isfinite(*value) && text[0] != ' ';
}

static bool in_range(const struct command *command, const struct option *option, const char *name,
                     double value)
{
    if ((option->min == 0 && option->max == 0) || (value >= option->min && value <= option->max))
        return true;
    complain(command->name, "%s: %.10g is outside %.10g to %.10g", name, value, option->min,
             option->max);
    return false;
}

static bool add_to_list(const struct command *command, struct option_list *list, const char *text)
{
    const char **items = realloc((void *)list->items, (list->n + 1) * sizeof *items);
    if (!items) {
        complain(command->name, "out of memory");
        return false;
    }
    list->items = items;
    list->items[list->n++] = text;
    return true;
}

static bool set_choice(const struct command *command, const struct option *option, const char *name,
                       const char *text, int *value)
{
    char known[256] = "";
    for (int i = 0; option->choices[i]; i++) {
        if (!strcmp(option->choices[i], text)) {
            *value = i;
            return true;
        }
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", option->choices[i]);
    }
    complain(command->name, "%s: '%s' is none of %s", name, text, known);
    return false;
}

// Store `text` in the option's field. `name` is the name as the user wrote it.
static bool set_value(const struct command *command, const struct option *option, const char *name,
                      const char *text, void *settings)
{
    void *field = (char *)settings + option->offset;
    switch (option->kind) {
    case OPTION_FLAG:
        *(bool *)field = true;
        return true;
    case OPTION_TEXT:
        *(const char **)field = text;
        return true;
    case OPTION_LIST:
        return add_to_list(command, field, text);
    case OPTION_CHOICE:
        return set_choice(command, option, name, text, field);
    case OPTION_INTEGER:
        if (parse_integer(text, field))
            return in_range(command, option, name, (double)*(int64_t *)field);
        complain(command->name, "%s: '%s' is not a whole number", name, text);
        return false;
    case OPTION_NUMBER:
        if (parse_number(text, field))
            return in_range(command, option, name, *(double *)field);
        complain(command->name, "%s: '%s' is not a number", name, text);
        return false;
    }
    return false;
}

// ---- names ------------------------------------------------------------------------------------

static bool has_name(const struct option *option, const char *name, size_t size)
{
    const char *names = option->names;
    size_t n;
    for (const char *word; (word = next_word(&names, &n));)
        if (n == size && !strncmp(word, name, n))
            return true;
    return false;
}

static const struct option *find_option(const struct command *command, const char *name,
                                        size_t size)
{
    for (size_t i = 0; i < command->n_options; i++)
        if (command->options[i].names && has_name(&command->options[i], name, size))
            return &command->options[i];
    return NULL;
}

static void complain_unknown(const struct command *command, const char *name)
{
    char all[4096] = "--help";
    for (size_t i = 0; i < command->n_options; i++) {
        size_t used = strlen(all);
        if (command->options[i].names)
            snprintf(all + used, sizeof all - used, " %s", command->options[i].names);
    }
    size_t size = 0;
    const char *near = suggest(name, all, &size);
    if (near)
        complain(command->name, "unknown option %s; did you mean %.*s?", name, (int)size, near);
    else
        complain(command->name, "unknown option %s; see samara %s --help", name, command->name);
}

// ---- arguments --------------------------------------------------------------------------------

// Parse the option at argv[*i], moving *i over its value.
static bool parse_option(const struct command *command, int argc, char **argv, int *i,
                         void *settings)
{
    char name[64];
    const char *word = argv[*i], *equals = strncmp(word, "--", 2) ? NULL : strchr(word, '=');
    size_t size = equals ? (size_t)(equals - word) : strlen(word);
    snprintf(name, sizeof name, "%.*s", (int)(size < 60 ? size : 60), word);

    const struct option *option = find_option(command, word, size);
    if (!option) {
        complain_unknown(command, name);
        return false;
    }
    const char *value = equals ? equals + 1 : NULL;
    if (option->kind == OPTION_FLAG) {
        if (!value)
            return set_value(command, option, name, NULL, settings);
        complain(command->name, "%s takes no value", name);
        return false;
    }
    if (!value && *i + 1 < argc)
        value = argv[++*i];
    if (!value) {
        complain(command->name, "%s needs a value: %s %s", name, name, option->argument);
        return false;
    }
    return set_value(command, option, name, value, settings);
}

static bool set_defaults(const struct command *command, void *settings)
{
    for (size_t i = 0; i < command->n_options; i++) {
        const struct option *option = &command->options[i];
        if (option->names && option->value &&
            !set_value(command, option, option->names, option->value, settings))
            return false;
    }
    return true;
}

enum parse_result options_parse(const struct command *command, int argc, char **argv,
                                void *settings, struct operands *operands)
{
    *operands = (struct operands){0};
    if (!set_defaults(command, settings))
        return PARSE_ERROR;
    bool only_operands = false;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (!only_operands && !strcmp(word, "--")) {
            only_operands = true;
        } else if (!only_operands && (!strcmp(word, "--help") || !strcmp(word, "-h"))) {
            docs_help(command);
            return PARSE_HELP;
        } else if (!only_operands && word[0] == '-' && word[1]) {
            if (!parse_option(command, argc, argv, &i, settings))
                return PARSE_ERROR;
        } else if (operands->n < MAX_OPERANDS) {
            operands->items[operands->n++] = word;
        } else {
            complain(command->name, "too many arguments: '%s'; see samara %s --help", word,
                     command->name);
            return PARSE_ERROR;
        }
    }
    return PARSE_OK;
}

void options_finish(const struct command *command, void *settings)
{
    for (size_t i = 0; i < command->n_options; i++) {
        const struct option *option = &command->options[i];
        if (!option->names || option->kind != OPTION_LIST)
            continue;
        struct option_list *list = (void *)((char *)settings + option->offset);
        free((void *)list->items);
        *list = (struct option_list){0};
    }
}
