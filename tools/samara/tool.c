// tool.c - what the commands share: the context, exit codes, files in and out, JSON.
#include "tool.h"

#include "terminal.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *const tool_kernel_choices[] = {"tuned", "f32", "plain", NULL};
const enum smr_kernels tool_kernels[] = {SMR_KERNELS_TUNED, SMR_KERNELS_F32, SMR_KERNELS_PLAIN};

// ---- the context ------------------------------------------------------------------------------

static void print_log(void *user, enum smr_log_level level, const char *text)
{
    struct tool *tool = user;
    if (level == SMR_LOG_ERROR)
        tool->validation_failed = true;
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr); // over a progress bar
    if (level <= SMR_LOG_WARNING)
        complain(tool->command, "%s%s", level == SMR_LOG_WARNING ? "warning: " : "", text);
    else
        note(tool->command, "%s", text);
}

// Make the folders above `path`. What cannot be made shows later, when it is used.
static void make_parents(const char *path)
{
    char part[PATH_MAX];
    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        if ((size_t)(slash - path) >= sizeof part)
            return;
        memcpy(part, path, (size_t)(slash - path));
        part[slash - path] = 0;
        (void)mkdir(part, 0700);
    }
}

// The XDG base directory specification; relative paths in it are to be ignored.
static const char *default_cache_dir(char buffer[PATH_MAX])
{
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int size = 0;
    if (xdg && xdg[0] == '/')
        size = snprintf(buffer, PATH_MAX, "%s/samara", xdg);
    else if (home && home[0] == '/')
        size = snprintf(buffer, PATH_MAX, "%s/.cache/samara", home);
    if (size <= 0 || size >= PATH_MAX)
        return NULL;
    make_parents(buffer);
    return buffer;
}

bool tool_init(struct tool *tool, const char *command, const struct context_settings *settings)
{
    *tool =
        (struct tool){.command = command, .verbose = settings->verbose, .quiet = settings->quiet};
    char buffer[PATH_MAX];
    const char *cache_dir = settings->cache_dir;
    if (settings->no_cache)
        cache_dir = NULL;
    else if (!cache_dir)
        cache_dir = default_cache_dir(buffer);
    tool->context = smr_context_create(&(struct smr_context_params){
        .log = print_log,
        .log_level = settings->verbose ? SMR_LOG_DEBUG
                     : settings->quiet ? SMR_LOG_ERROR
                                       : SMR_LOG_WARNING,
        .cache_dir = cache_dir,
        .shader_dir = settings->shader_dir,
        .validation = settings->validate,
        .n_threads = (uint32_t)settings->n_threads,
        .user = tool,
    });
    if (!tool->context)
        complain(command, "out of memory");
    return tool->context;
}

void tool_finish(struct tool *tool)
{
    smr_context_destroy(tool->context);
    tool->context = NULL;
}

int tool_fail(const struct tool *tool)
{
    enum smr_status status = smr_context_status(tool->context);
    const char *error = smr_context_error(tool->context);
    complain(tool->command, "%s", *error ? error : "failed without saying why");
    switch (status) {
    case SMR_ERROR_USAGE:
        return EXIT_USAGE;
    case SMR_ERROR_MODEL:
        return EXIT_MODEL;
    case SMR_ERROR_DEVICE:
    case SMR_ERROR_MEMORY:
        return EXIT_DEVICE;
    default:
        return EXIT_RUNTIME;
    }
}

const char *const weight_types[] = {
    "file", "f32",    "f16",    "bf16", "q8_0",   "q6_k",   "q5_k_m", "q5_k_s",
    "q5_k", "q4_k_m", "q4_k_s", "q4_k", "q3_k_l", "q3_k_m", "q3_k_s", "q3_k",
    "q2_k", "q5_1",   "q5_0",   "q4_1", "q4_0",   "iq4_nl", NULL,
};

smr_model *tool_open_model(struct tool *tool, const struct operands *operands, const char *option,
                           int *code)
{
    const char *path = option ? option : operands->n ? operands->items[0] : NULL;
    size_t n_given = operands->n + (option != NULL);
    if (n_given != 1) {
        if (n_given)
            complain(tool->command, "more than one model: '%s' and '%s'", path,
                     operands->items[option ? 0 : 1]);
        else
            complain(tool->command,
                     "which model? Give the path of a GGUF file or of a Hugging Face "
                     "folder; tools/fetch-model brings a small file");
        *code = EXIT_USAGE;
        return NULL;
    }
    struct stat info;
    if (stat(path, &info) && (errno == ENOENT || errno == ENOTDIR)) {
        complain(tool->command,
                 "%s: there is no such file. Give the path of a GGUF file or of a Hugging Face "
                 "folder; tools/fetch-model brings a small file and prints its path",
                 path);
        *code = EXIT_MODEL;
        return NULL;
    }
    smr_model *model = smr_model_open(tool->context, path);
    if (!model)
        *code = tool_fail(tool);
    return model;
}

// ---- files ------------------------------------------------------------------------------------

char *tool_read(const char *command, const char *path, size_t *size)
{
    bool is_stdin = !strcmp(path, "-");
    const char *name = is_stdin ? "standard input" : path;
    FILE *file = is_stdin ? stdin : fopen(path, "rb");
    char *data = NULL;
    size_t capacity = 0;
    *size = 0;
    if (!file) {
        complain(command, "%s: %s", name, strerror(errno));
        return NULL;
    }
    do {
        if (capacity - *size < 2) {
            capacity = capacity ? capacity * 2 : 65536;
            char *grown = realloc(data, capacity);
            if (!grown) {
                complain(command, "%s: not enough memory for %zu bytes", name, capacity);
                goto fail;
            }
            data = grown;
        }
        *size += fread(data + *size, 1, capacity - *size - 1, file);
    } while (!feof(file) && !ferror(file));
    if (ferror(file)) {
        complain(command, "%s: %s", name, strerror(errno));
        goto fail;
    }
    if (!is_stdin)
        fclose(file);
    data[*size] = 0;
    return data;

fail:
    if (!is_stdin)
        fclose(file);
    free(data);
    return NULL;
}

// mkstemp() makes files for the owner only; a result has the permissions of any new file.
static void open_permissions(int fd)
{
    mode_t mask = umask(0);
    umask(mask);
    (void)fchmod(fd, 0666 & ~mask);
}

// Devices and pipes (/dev/stdout) have no name to take: write to them in place.
static bool is_special(const char *path)
{
    struct stat info;
    return !stat(path, &info) && !S_ISREG(info.st_mode);
}

bool tool_write_file(const char *command, const char *path, const void *head, size_t head_size,
                     const void *data, size_t size)
{
    char temporary[PATH_MAX];
    bool in_place = is_special(path), done = false;
    FILE *file = NULL;
    int fd = -1;
    int length = snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
    if (length >= (int)sizeof temporary) {
        errno = ENAMETOOLONG;
        goto done;
    }
    if (in_place) {
        file = fopen(path, "wb");
    } else {
        fd = mkstemp(temporary);
        if (fd < 0)
            goto done;
        open_permissions(fd);
        file = fdopen(fd, "wb");
    }
    if (!file)
        goto done;
    done = fwrite(head, 1, head_size, file) == head_size && fwrite(data, 1, size, file) == size;
    done = !fflush(file) && done;
    done = (in_place || !fsync(fd)) && done;
    done = done && (in_place || !rename(temporary, path));
done:
    if (!done)
        complain(command, "%s: cannot write: %s", path, strerror(errno));
    if (file)
        fclose(file);
    else if (fd >= 0)
        close(fd);
    if (!done && fd >= 0)
        unlink(temporary);
    return done;
}

// The failed write may be long past, and its errno with it.
static bool is_reader_gone(void)
{
    struct pollfd poll_stdout = {.fd = STDOUT_FILENO, .events = POLLOUT};
    return poll(&poll_stdout, 1, 0) == 1 && (poll_stdout.revents & POLLERR);
}

int tool_flush(const char *command)
{
    errno = 0;
    if (!fflush(stdout) && !ferror(stdout))
        return EXIT_OK;
    if (errno == EPIPE || is_reader_gone())
        return EXIT_OK;
    complain(command, "cannot write to standard output: %s",
             errno ? strerror(errno) : "an earlier write failed");
    return EXIT_RUNTIME;
}

// ---- JSON -------------------------------------------------------------------------------------

json_t *json_text_n(const char *text, size_t size)
{
    static const char replacement[] = "\xef\xbf\xbd"; // U+FFFD
    if (!text)
        return json_null();
    char *clean = malloc(size * 3 + 1);
    if (!clean)
        return NULL;
    size_t used = 0;
    for (size_t i = 0; i < size;) {
        size_t length = utf8_sequence(text + i, size - i, NULL);
        memcpy(clean + used, length ? text + i : replacement, length ? length : 3);
        used += length ? length : 3;
        i += length ? length : 1;
    }
    json_t *value = json_stringn(clean, used);
    free(clean);
    return value;
}

json_t *json_text(const char *text)
{
    return json_text_n(text, text ? strlen(text) : 0);
}

json_t *json_number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *json_ids(const int32_t *tokens, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_integer(tokens[i]));
    return list;
}

int json_print(const char *command, json_t *value, size_t flags)
{
    if (!value) {
        complain(command, "out of memory");
        return EXIT_DEVICE;
    }
    bool done = !json_dumpf(value, stdout, flags | JSON_REAL_PRECISION(9)) && fputc('\n', stdout);
    json_decref(value);
    if (!done && !ferror(stdout)) {
        complain(command, "out of memory");
        return EXIT_DEVICE;
    }
    return tool_flush(command);
}
