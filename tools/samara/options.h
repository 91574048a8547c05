// options.h - commands and their options as tables. One table of a command parses its arguments
// (options.c) and makes its help, man page and completion (docs.c), so that they cannot disagree.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_kind {
    OPTION_FLAG,    // bool: set to true
    OPTION_TEXT,    // const char *: as given
    OPTION_LIST,    // struct option_list: may be given several times
    OPTION_INTEGER, // int64_t from min to max
    OPTION_NUMBER,  // double from min to max
    OPTION_CHOICE,  // int: index of one of `choices`
};

struct option_list {
    const char **items; // owned, the texts are not
    size_t n;
};

// A row without names is a heading: the options below it belong to the group that `help` names.
struct option {
    const char *names;    // separated by spaces, the one shown in errors last: "-n --n-predict"
    const char *argument; // what stands for the value in help; FILE and DIR complete as such
    const char *value;    // default, as a user would write it; NULL: zero, shown as no default
    const char *help;     // a sentence without full stop
    enum option_kind kind;
    size_t offset;              // of the field in the command's settings
    double min, max;            // of numbers; both 0: no limit
    const char *const *choices; // NULL at the end
};

struct example {
    const char *command;
    const char *what; // a sentence without full stop
};

struct command {
    const char *name;
    const char *usage;       // after the name: "MODEL [OPTION]..."
    const char *summary;     // one line without full stop
    const char *description; // paragraphs, separated by newlines
    const struct option *options;
    size_t n_options;
    const struct example *examples;    // ends with a row of NULL
    int (*run)(int argc, char **argv); // argv[0] is the command's name. Returns the exit code
    bool standalone;                   // a program of its own: samara-NAME
};

enum { MAX_OPERANDS = 2 };

struct operands { // arguments that are no options
    const char *items[MAX_OPERANDS];
    size_t n;
};

enum parse_result {
    PARSE_OK,
    PARSE_HELP,  // --help was given and has been printed: exit 0
    PARSE_ERROR, // a message has been printed: exit 2
};

// Fill `settings` with the defaults of the table and then with the arguments. Accepts `--name
// value` and `--name=value`, and `--` before operands that start with a dash. `settings` must be
// zeroed; release it with options_finish() whatever the result.
enum parse_result options_parse(const struct command *command, int argc, char **argv,
                                void *settings, struct operands *operands);
void options_finish(const struct command *command, void *settings);

// Parse a whole text as a number. False when it is none, or something follows.
bool parse_integer(const char *text, int64_t *value);
bool parse_number(const char *text, double *value);

// The candidate nearest to a mistyped `word`, or NULL when none is near. `candidates` are words
// separated by spaces; `size` receives the length of the word that is returned.
const char *suggest(const char *word, const char *candidates, size_t *size);
// Edits between two words: insertions, deletions, changes, swaps of neighbours.
size_t edit_distance(const char *a, size_t a_size, const char *b, size_t b_size);

// The next word of a list separated by spaces, or NULL; *list moves on.
const char *next_word(const char **list, size_t *size);

// All commands, in the order of help. NULL when there is none of that name.
extern const struct command *const commands[];
extern const size_t n_commands;
const struct command *command_find(const char *name);
