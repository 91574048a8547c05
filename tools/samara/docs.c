// docs.c - help, man pages and completion from the tables.
#include "docs.h"

#include "samara.h"
#include "terminal.h"

#include <string.h>

static const struct option help_option = {
    .names = "-h --help", .help = "print this help", .kind = OPTION_FLAG};

// What holds for every command.
static const struct {
    int code;
    const char *meaning;
} exit_codes[] = {
    {0, "success"},
    {1, "a failure at run time"},
    {2, "arguments that make no sense"},
    {3, "a model file that is missing, damaged or of an unknown kind"},
    {4, "no device, a driver's failure, or not enough memory"},
    {130, "interrupted"},
};

static const char summary[] = "run language models on any GPU";
static const char description[] =
    "samara generates text with transformer models on whatever GPU there is, through Vulkan, and "
    "on the processor where there is none. Text goes to standard output, everything else to "
    "standard error.";
static const char cache_text[] =
    "Compiled shaders are kept in $XDG_CACHE_HOME/samara, or ~/.cache/samara. The folder may be "
    "deleted at any time.";

enum { WIDTH = 80, NAMES_WIDTH = 30 };

// ---- help -------------------------------------------------------------------------------------

// Print `text` wrapped to WIDTH columns. The first line starts at `column`, later ones at `indent`.
static void print_wrapped(const char *text, int column, int indent)
{
    while (*text) {
        size_t size = strcspn(text, " \n");
        if (column > indent && column + 1 + (int)size > WIDTH) {
            printf("\n%*s", indent, "");
            column = indent;
        } else if (column > indent) {
            putchar(' ');
            column++;
        }
        fwrite(text, 1, size, stdout);
        column += (int)size;
        text += size;
        if (*text == '\n') {
            printf("\n%*s", indent, "");
            column = indent;
        }
        text += *text != 0;
    }
    putchar('\n');
}

// "-n, --n-predict N" into `text`.
static void join_names(const struct option *option, char *text, size_t capacity)
{
    const char *names = option->names;
    size_t size, used = 0;
    for (const char *word; (word = next_word(&names, &size)) && used < capacity;)
        used += (size_t)snprintf(text + used, capacity - used, "%s%.*s", used ? ", " : "",
                                 (int)size, word);
    if (option->argument && used < capacity)
        snprintf(text + used, capacity - used, " %s", option->argument);
}

// The sentence of an option, its choices, and its default.
static void full_help(const struct option *option, char *text, size_t capacity)
{
    size_t used = (size_t)snprintf(text, capacity, "%s", option->help);
    for (int i = 0; option->choices && option->choices[i] && used < capacity; i++)
        used += (size_t)snprintf(text + used, capacity - used, "%s%s", i ? ", " : ": ",
                                 option->choices[i]);
    if (option->value && used < capacity)
        snprintf(text + used, capacity - used, " (default: %s)", option->value);
}

static void help_row(const struct option *option)
{
    char names[160], text[640];
    join_names(option, names, sizeof names);
    full_help(option, text, sizeof text);
    int used = printf("  %s", names);
    if (used + 2 > NAMES_WIDTH) {
        putchar('\n');
        used = 0;
    }
    printf("%*s", NAMES_WIDTH - used, "");
    print_wrapped(text, NAMES_WIDTH, NAMES_WIDTH);
}

static void heading(const char *text)
{
    printf("\n%s%s%s\n", bold(stdout), text, plain(stdout));
}

static void help_exit_codes(void)
{
    heading("Exit codes");
    for (size_t i = 0; i < sizeof exit_codes / sizeof exit_codes[0]; i++)
        printf("  %-4d%s\n", exit_codes[i].code, exit_codes[i].meaning);
}

static void help_command(const struct command *command)
{
    const char *joint = command->standalone ? "-" : " ";
    printf("%ssamara%s%s%s - %s\n", bold(stdout), joint, command->name, plain(stdout),
           command->summary);
    heading("Usage");
    printf("  samara%s%s ", joint, command->name);
    print_wrapped(command->usage, 10 + (int)strlen(command->name), 10 + (int)strlen(command->name));
    heading("Description");
    printf("  ");
    print_wrapped(command->description, 2, 2);
    if (!command->n_options || command->options[0].names)
        heading("Options");
    for (size_t i = 0; i < command->n_options; i++) {
        if (command->options[i].names)
            help_row(&command->options[i]);
        else
            heading(command->options[i].help);
    }
    help_row(&help_option);
    heading("Examples");
    for (const struct example *e = command->examples; e->command; e++)
        printf("  %s\n      %s\n", e->command, e->what);
    help_exit_codes();
}

static void help_samara(void)
{
    printf("%ssamara%s %s - %s\n", bold(stdout), plain(stdout), smr_version(), summary);
    heading("Usage");
    printf("  samara COMMAND [ARGUMENT]...\n");
    heading("Description");
    printf("  ");
    print_wrapped(description, 2, 2);
    heading("Commands");
    for (size_t i = 0; i < n_commands; i++)
        printf("  %-12s%s\n", commands[i]->name, commands[i]->summary);
    printf("  %-12s%s\n", "help", "show the help of a command");
    heading("Options");
    printf("  %-28s%s\n", "-h, --help", "print this help");
    printf("  %-28s%s\n", "--version", "print the version");
    printf("  %-28s%s\n", "--completion SHELL", "print the completion of bash, zsh or fish");
    heading("Files");
    printf("  ");
    print_wrapped(cache_text, 2, 2);
    help_exit_codes();
    printf("\nsamara help COMMAND tells more about a command.\n");
}

void docs_help(const struct command *command)
{
    if (command)
        help_command(command);
    else
        help_samara();
}

// ---- man pages (man(7), groff_man(7)) ----------------------------------------------------------

// Text with what roff reads as markup taken away. Newlines become paragraphs.
static void roff(const char *text)
{
    for (bool first = true; *text; text++, first = false) {
        if (first && (*text == '.' || *text == '\''))
            fputs("\\&", stdout);
        if (*text == '\\')
            fputs("\\e", stdout);
        else if (*text == '-')
            fputs("\\-", stdout);
        else if (*text == '\'')
            fputs("\\(aq", stdout);
        else if (*text == '~')
            fputs("\\(ti", stdout);
        else if (*text == '\n')
            fputs("\n.PP\n", stdout);
        else
            putchar(*text);
    }
}

static void roff_line(const char *text)
{
    roff(text);
    putchar('\n');
}

static void man_option(const struct option *option)
{
    const char *names = option->names;
    char text[640];
    size_t size;
    bool first = true;
    printf(".TP\n");
    for (const char *word; (word = next_word(&names, &size)); first = false) {
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)size, word);
        printf("%s\\fB", first ? "" : ", ");
        roff(name);
        printf("\\fR");
    }
    if (option->argument) {
        printf(" \\fI");
        roff(option->argument);
        printf("\\fR");
    }
    putchar('\n');
    full_help(option, text, sizeof text);
    roff(text);
    printf(".\n"); // the table's rows leave it out
}

static void man_title(const char *dash, const char *name, const char *what)
{
    printf(".TH SAMARA");
    for (const char *c = dash; *c; c++)
        printf("\\-");
    for (const char *c = name; *c; c++)
        putchar(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
    printf(" 1 \"\" \"samara %s\" \"User Commands\"\n.SH NAME\nsamara", smr_version());
    roff(dash);
    printf("%s \\- ", name);
    roff_line(what);
}

static void man_exit_codes(void)
{
    printf(".SH EXIT STATUS\n");
    for (size_t i = 0; i < sizeof exit_codes / sizeof exit_codes[0]; i++) {
        printf(".TP\n.B %d\n", exit_codes[i].code);
        roff_line(exit_codes[i].meaning);
    }
}

static void man_see_also(const struct command *command)
{
    printf(".SH SEE ALSO\n");
    if (command)
        printf(".BR samara (1)%s\n", n_commands > 1 ? "," : "");
    for (size_t i = 0, left = n_commands - (command != NULL); i < n_commands; i++)
        if (commands[i] != command)
            printf(".BR samara\\-%s (1)%s\n", commands[i]->name, --left ? "," : "");
}

static void man_command(const struct command *command)
{
    man_title("-", command->name, command->summary);
    printf(".SH SYNOPSIS\n.B samara %s\n", command->name);
    roff_line(command->usage);
    printf(".SH DESCRIPTION\n");
    roff_line(command->description);
    printf(".SH OPTIONS\n");
    for (size_t i = 0; i < command->n_options; i++) {
        if (command->options[i].names)
            man_option(&command->options[i]);
        else
            printf(".SS %s\n", command->options[i].help);
    }
    man_option(&help_option);
    printf(".SH EXAMPLES\n");
    for (const struct example *e = command->examples; e->command; e++) {
        printf(".TP\n");
        roff_line(e->command);
        roff(e->what);
        printf(".\n");
    }
    man_exit_codes();
    man_see_also(command);
}

static void man_samara(void)
{
    man_title("", "", summary);
    printf(".SH SYNOPSIS\n.B samara\n.I COMMAND\n[\\fIARGUMENT\\fR]...\n.SH DESCRIPTION\n");
    roff_line(description);
    printf(".SH COMMANDS\n");
    for (size_t i = 0; i < n_commands; i++) {
        printf(".TP\n.BR samara\\-%s (1)\n", commands[i]->name);
        roff_line(commands[i]->summary);
    }
    printf(".SH OPTIONS\n.TP\n.B \\-\\-version\nPrint the version.\n"
           ".TP\n.BI \\-\\-completion \" SHELL\"\nPrint the completion of bash, zsh or fish.\n");
    printf(".SH ENVIRONMENT\n.TP\n.B NO_COLOR\nNo colours when set.\n"
           ".TP\n.B XDG_CACHE_HOME\nWhere compiled shaders are kept, in the folder samara.\n");
    printf(".SH FILES\n");
    roff_line(cache_text);
    man_exit_codes();
    man_see_also(NULL);
}

void docs_man(const struct command *command)
{
    if (command)
        man_command(command);
    else
        man_samara();
}

// ---- completion -------------------------------------------------------------------------------

static bool takes_file(const struct option *option)
{
    return option->argument && !strncmp(option->argument, "FILE", 4);
}

static bool takes_folder(const struct option *option)
{
    return option->argument && !strcmp(option->argument, "DIR");
}

// Names separated by `separator`, dashes included.
static void print_names(const struct option *option, const char *separator)
{
    const char *names = option->names;
    size_t size;
    bool first = true;
    for (const char *word; (word = next_word(&names, &size)); first = false)
        printf("%s%.*s", first ? "" : separator, (int)size, word);
}

static void print_choices(const struct option *option)
{
    for (int i = 0; option->choices[i]; i++)
        printf("%s%s", i ? " " : "", option->choices[i]);
}

static void bash_command(const struct command *command)
{
    printf("    %s)\n        case $previous in\n", command->name);
    for (size_t i = 0; i < command->n_options; i++) {
        const struct option *option = &command->options[i];
        if (!option->names || option->kind == OPTION_FLAG)
            continue;
        printf("        ");
        print_names(option, "|");
        if (option->choices) {
            printf(") words='");
            print_choices(option);
            printf("' ;;\n");
        } else {
            printf(") %s ;;\n", takes_file(option)     ? "files=-f"
                                : takes_folder(option) ? "files=-d"
                                                       : "return");
        }
    }
    printf("        *) files=-f words='-h --help");
    for (size_t i = 0; i < command->n_options; i++)
        if (command->options[i].names) {
            putchar(' ');
            print_names(&command->options[i], " ");
        }
    printf("' ;;\n        esac ;;\n");
}

// Without the bash-completion package's helpers, so that it works alone.
static void bash_completion(void)
{
    printf("# bash completion of samara, made by samara --completion bash\n"
           "_samara()\n{\n"
           "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
           "    local command=${COMP_WORDS[1]} files= words=\n"
           "    COMPREPLY=()\n"
           "    if ((COMP_CWORD == 1)); then\n        command=\n    fi\n"
           "    case $command in\n    ''|help) words='");
    for (size_t i = 0; i < n_commands; i++)
        printf("%s ", commands[i]->name);
    printf("help --help --version --completion' ;;\n");
    for (size_t i = 0; i < n_commands; i++)
        bash_command(commands[i]);
    printf("    esac\n"
           "    if [[ $files && ( $files = -d || $current != -* ) ]]; then\n"
           "        compopt -o filenames 2>/dev/null\n"
           "        mapfile -t COMPREPLY < <(compgen $files -- \"$current\")\n"
           "    else\n"
           "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
           "    fi\n}\n"
           "complete -F _samara samara\n");
}

// Inside single quotes and zsh's _arguments brackets.
static void print_quoted(const char *text, const char *escaped)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", stdout);
        else if (strchr(escaped, *text))
            printf("\\%c", *text);
        else
            putchar(*text);
    }
}

static void zsh_option(const struct option *option)
{
    const char *names = option->names;
    size_t size;
    for (const char *word; (word = next_word(&names, &size));) {
        bool is_flag = option->kind == OPTION_FLAG;
        bool is_long = size > 2 && word[1] == '-';
        printf("        '%s%.*s%s[", option->kind == OPTION_LIST ? "*" : "", (int)size, word,
               is_flag   ? ""
               : is_long ? "="
                         : "");
        print_quoted(option->help, "[]:\\");
        putchar(']');
        if (!is_flag) {
            putchar(':');
            print_quoted(option->argument, ":\\[]");
            putchar(':');
        }
        if (option->choices) {
            putchar('(');
            print_choices(option);
            putchar(')');
        } else if (takes_file(option)) {
            fputs("_files", stdout);
        } else if (takes_folder(option)) {
            fputs("_files -/", stdout);
        }
        printf("' \\\n");
    }
}

static void zsh_completion(void)
{
    printf("#compdef samara\n# zsh completion of samara, made by samara --completion zsh\n"
           "_samara() {\n    local -a commands\n    commands=(\n");
    for (size_t i = 0; i < n_commands; i++) {
        printf("        '%s:", commands[i]->name);
        print_quoted(commands[i]->summary, ":\\");
        printf("'\n");
    }
    printf("        'help:show the help of a command'\n    )\n"
           "    if (( CURRENT == 2 )); then\n"
           "        _describe command commands\n"
           "        _arguments '--help[print help]' '--version[print the version]' "
           "'--completion[print completion]'\n"
           "        return\n    fi\n"
           "    local command=$words[2]\n    shift words\n    (( CURRENT-- ))\n"
           "    case $command in\n    help) _describe command commands ;;\n");
    for (size_t i = 0; i < n_commands; i++) {
        printf("    %s) _arguments -S \\\n", commands[i]->name);
        for (size_t k = 0; k < commands[i]->n_options; k++)
            if (commands[i]->options[k].names)
                zsh_option(&commands[i]->options[k]);
        zsh_option(&help_option);
        printf("        '*:file:_files' ;;\n");
    }
    printf("    esac\n}\n"
           "if [ \"$funcstack[1]\" = _samara ]; then\n    _samara \"$@\"\nelse\n"
           "    compdef _samara samara\nfi\n");
}

// Inside fish's single quotes.
static void print_fish(const char *text)
{
    for (; *text; text++)
        printf(strchr("'\\", *text) ? "\\%c" : "%c", *text);
}

static void fish_option(const struct command *command, const struct option *option)
{
    const char *names = option->names;
    size_t size;
    printf("complete -c samara -n '__fish_seen_subcommand_from %s'", command->name);
    for (const char *word; (word = next_word(&names, &size));) {
        if (word[1] == '-') // fish: -l long, -s one letter, -o one dash and several letters
            printf(" -l %.*s", (int)size - 2, word + 2);
        else
            printf(" -%c %.*s", size == 2 ? 's' : 'o', (int)size - 1, word + 1);
    }
    if (option->choices) {
        printf(" -x -a '");
        print_choices(option);
        putchar('\'');
    } else if (option->kind != OPTION_FLAG) {
        printf("%s", takes_file(option)     ? " -rF"
                     : takes_folder(option) ? " -x -a '(__fish_complete_directories)'"
                                            : " -x");
    }
    printf(" -d '");
    print_fish(option->help);
    printf("'\n");
}

static void fish_completion(void)
{
    printf("# fish completion of samara, made by samara --completion fish\n");
    for (size_t i = 0; i < n_commands; i++) {
        printf("complete -c samara -n __fish_use_subcommand -f -a %s -d '", commands[i]->name);
        print_fish(commands[i]->summary);
        printf("'\n");
    }
    printf("complete -c samara -n __fish_use_subcommand -f -a help -d 'show help'\n"
           "complete -c samara -n __fish_use_subcommand -l version -d 'print the version'\n"
           "complete -c samara -n __fish_use_subcommand -l completion -x -a 'bash zsh fish'\n"
           "complete -c samara -n '__fish_seen_subcommand_from help' -f -a '");
    for (size_t i = 0; i < n_commands; i++)
        printf("%s%s", i ? " " : "", commands[i]->name);
    printf("'\n");
    for (size_t i = 0; i < n_commands; i++) {
        for (size_t k = 0; k < commands[i]->n_options; k++)
            if (commands[i]->options[k].names)
                fish_option(commands[i], &commands[i]->options[k]);
        fish_option(commands[i], &help_option);
    }
}

bool docs_completion(const char *shell)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } shells[] = {{"bash", bash_completion}, {"zsh", zsh_completion}, {"fish", fish_completion}};
    for (size_t i = 0; i < sizeof shells / sizeof shells[0]; i++) {
        if (!strcmp(shells[i].name, shell)) {
            shells[i].print();
            return true;
        }
    }
    return false;
}
