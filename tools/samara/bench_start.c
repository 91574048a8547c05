// bench_start.c - time to the first token, as a user waits for it: from starting a process that has
// no compiled work of a run before, and of one that has.
#include "bench.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

// Where samara and drivers keep compiled work: Mesa (MESA_SHADER_CACHE_DIR), PoCL, NVIDIA's driver.
static const char *const cache_variables[] = {
    "XDG_CACHE_HOME",
    "MESA_SHADER_CACHE_DIR",
    "POCL_CACHE_DIR",
    "__GL_SHADER_DISK_CACHE_PATH",
};
enum { N_CACHE_VARIABLES = SMR_COUNT(cache_variables) };

static bool is_cache_variable(const char *assignment)
{
    for (size_t i = 0; i < N_CACHE_VARIABLES; i++) {
        const size_t size = strlen(cache_variables[i]);
        if (!strncmp(assignment, cache_variables[i], size) && assignment[size] == '=')
            return true;
    }
    return false;
}

// This process's environment with all caches in one folder.
struct environment {
    char **items;
    char texts[N_CACHE_VARIABLES][256];
};

static bool make_environment(struct environment *environment, const char *folder)
{
    size_t n = 0, used = 0;
    while (environ[n])
        n++;
    environment->items = calloc(n + N_CACHE_VARIABLES + 1, sizeof *environment->items);
    if (!environment->items)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!is_cache_variable(environ[i]))
            environment->items[used++] = environ[i];
    for (size_t i = 0; i < N_CACHE_VARIABLES; i++) {
        snprintf(environment->texts[i], sizeof environment->texts[i], "%s=%s", cache_variables[i],
                 folder);
        environment->items[used++] = environment->texts[i];
    }
    return true;
}

// ---- the process ------------------------------------------------------------------------------

// Start it with its output on a pipe. Returns an error number, as posix_spawn() does.
static int start_process(char **arguments, char **variables, const int ends[2], pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    int error = posix_spawn_file_actions_init(&actions);
    if (error)
        return error;
    error = posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    if (!error)
        error = posix_spawn_file_actions_addclose(&actions, ends[1]);
    if (!error)
        error = posix_spawn(pid, "/proc/self/exe", &actions, NULL, arguments, variables);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

// Time a process until it has written a byte. Returns its exit code.
static int run_process(const char *command, char **arguments, char **variables, double *seconds)
{
    int ends[2], status = 0;
    char byte;
    pid_t pid;
    if (pipe(ends)) {
        complain(command, "cannot make a pipe: %s", strerror(errno));
        return EXIT_RUNTIME;
    }
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    const uint64_t start = smr_time_ns();
    const int error = start_process(arguments, variables, ends, &pid);
    close(ends[1]);
    const bool written = !error && read(ends[0], &byte, 1) == 1;
    *seconds = (double)(smr_time_ns() - start) * 1e-9;
    close(ends[0]);
    if (error) {
        complain(command, "cannot start itself anew, see --no-starts: %s", strerror(error));
        return EXIT_RUNTIME;
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_RUNTIME;
    return written || code ? code : EXIT_RUNTIME;
}

// The arguments of this process, with those that make it a start: "samara bench MODEL ...". The folder
// for the cache takes the place of another that was named.
static char **start_arguments(int argc, char **argv, char *folder)
{
    static char tool[] = "samara", first_token[] = "--first-token", quiet[] = "--quiet";
    static char cache_dir[] = "--cache-dir";
    char **arguments = calloc((size_t)argc + 6, sizeof *arguments);
    int n = 0;
    if (!arguments)
        return NULL;
    arguments[n++] = tool;
    arguments[n++] = argv[0];
    arguments[n++] = first_token;
    arguments[n++] = quiet; // what there is to say, this process says
    arguments[n++] = cache_dir;
    arguments[n++] = folder;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], cache_dir))
            i++; // its value, too
        else if (strncmp(argv[i], "--cache-dir=", 12) != 0)
            arguments[n++] = argv[i];
    }
    return arguments;
}

// ---- both -------------------------------------------------------------------------------------

// Remove a folder with all that is in it, as far as that goes.
static void remove_folder(const char *path)
{
    DIR *folder = opendir(path);
    const struct dirent *entry;
    char inner[PATH_MAX];
    while (folder && (entry = readdir(folder))) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        const int size = snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        if (size < (int)sizeof inner && unlink(inner))
            remove_folder(inner);
    }
    if (folder)
        closedir(folder);
    (void)rmdir(path);
}

bool bench_measure_starts(struct bench *bench, int argc, char **argv)
{
    const char *above = getenv("TMPDIR"), *command = bench->tool.command;
    char folder[192];
    struct environment environment = {0};
    snprintf(folder, sizeof folder, "%.160s/samara-bench-XXXXXX", above && *above ? above : "/tmp");
    if (!mkdtemp(folder)) {
        complain(command, "%s: cannot make a folder: %s", folder, strerror(errno));
        bench->code = EXIT_RUNTIME;
        return false;
    }
    char **arguments = start_arguments(argc, argv, folder);
    bench->code = EXIT_RUNTIME;
    if (arguments && make_environment(&environment, folder)) {
        bench_progress(bench, "first token, cold");
        bench->code = run_process(command, arguments, environment.items, &bench->starts.cold);
        bench_progress(bench, "first token, warm");
        if (!bench->code)
            bench->code = run_process(command, arguments, environment.items, &bench->starts.warm);
    } else {
        complain(command, "out of memory");
    }
    free(arguments);
    free(environment.items);
    remove_folder(folder);
    return !bench->code; // else the process said why
}
