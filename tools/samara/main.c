// main.c - the samara command: the table of its subcommands.
#include "docs.h"
#include "options.h"
#include "terminal.h"
#include "tool.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

extern const struct command run_command, summarize_command, info_command, tokenize_command,
    convert_command, devices_command, check_command, bench_command, tune_command;

const struct command *const commands[] = {
    &run_command,     &summarize_command, &info_command,  &tokenize_command, &convert_command,
    &devices_command, &check_command,     &bench_command, &tune_command,
};
const size_t n_commands = sizeof commands / sizeof commands[0];

const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < n_commands; i++)
        if (!strcmp(commands[i]->name, name))
            return commands[i];
    return NULL;
}

// The command, or NULL after saying that there is none.
static const struct command *need_command(const char *name)
{
    const struct command *command = command_find(name);
    if (command)
        return command;
    char all[256] = "help";
    for (size_t i = 0; i < n_commands; i++) {
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, " %s", commands[i]->name);
    }
    size_t size = 0;
    const char *near = suggest(name, all, &size);
    if (near)
        complain(NULL, "unknown command '%s'; did you mean %.*s?", name, (int)size, near);
    else
        complain(NULL, "unknown command '%s'; see samara --help", name);
    return NULL;
}

// samara help [COMMAND], samara --man [COMMAND]
static int show(void (*docs)(const struct command *), const char *name)
{
    const struct command *command = name ? need_command(name) : NULL;
    if (name && !command)
        return EXIT_USAGE;
    docs(command);
    return tool_flush(NULL);
}

static int show_completion(const char *shell)
{
    if (shell && docs_completion(shell))
        return tool_flush(NULL);
    complain(NULL, "--completion needs a shell: bash, zsh or fish");
    return EXIT_USAGE;
}

// A file that is opened must not become standard output because the caller had closed that.
static void occupy_standard_streams(void)
{
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)open("/dev/null", fd ? O_WRONLY : O_RDONLY);
}

int main(int argc, char **argv)
{
    occupy_standard_streams();
    signal(SIGPIPE, SIG_IGN); // writing tells

    const char *first = argc > 1 ? argv[1] : NULL;
    if (!first) {
        complain(NULL, "which command? See samara --help");
        return EXIT_USAGE;
    }
    if (!strcmp(first, "--help") || !strcmp(first, "-h") || !strcmp(first, "help"))
        return show(docs_help, argc > 2 ? argv[2] : NULL);
    if (!strcmp(first, "--man")) // for the build
        return show(docs_man, argc > 2 ? argv[2] : NULL);
    if (!strcmp(first, "--completion"))
        return show_completion(argc > 2 ? argv[2] : NULL);
    if (!strcmp(first, "--version") || !strcmp(first, "version")) {
        printf("samara %s\n", smr_version());
        return tool_flush(NULL);
    }
    if (first[0] == '-') {
        complain(NULL, "unknown option %s; see samara --help", first);
        return EXIT_USAGE;
    }
    const struct command *command = need_command(first);
    return command ? command->run(argc - 1, argv + 1) : EXIT_USAGE;
}
