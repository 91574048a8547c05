// tool.h - what the commands share: the context, exit codes, input, and output of results.
#pragma once

#include "options.h"
#include "samara.h"

#include <jansson.h>

enum exit_code { // those of enum smr_status up to 4
    EXIT_OK = 0,
    EXIT_RUNTIME = 1,
    EXIT_USAGE = 2,
    EXIT_MODEL = 3,
    EXIT_DEVICE = 4,
    EXIT_INTERRUPTED = 130,
};

// Options that shape the context; a command's settings embed it and list the rows it offers.
struct context_settings {
    const char *cache_dir;
    const char *shader_dir;
    int64_t n_threads;
    bool no_cache;
    bool validate;
    bool verbose;
    bool quiet;
};

// Rows that several commands have, for a settings structure `type` with fields of these names.
#define OPTION_ROW_MODEL(type)                                                                     \
    {                                                                                              \
        "-m --model", "FILE", NULL, "the model, when it is not an argument", OPTION_TEXT,          \
            .offset = offsetof(type, model)                                                        \
    }
#define OPTION_ROW_DEVICE(type)                                                                    \
    {                                                                                              \
        "-dev --device", "NAME", NULL,                                                             \
            "an id from samara devices, a backend, or part of a device's name", OPTION_TEXT,       \
            .offset = offsetof(type, device)                                                       \
    }
#define OPTION_ROW_THREADS(type)                                                                       \
    {                                                                                                  \
        "-t --threads", "N", "0",                                                                      \
            "threads of the processor, for devices that are made of it and for compiling; 0: one for " \
            "each core that may be used",                                                              \
            OPTION_INTEGER, .offset = offsetof(type, context.n_threads), .max = 4096                   \
    }
#define OPTION_ROWS_SHADERS(type)                                                                  \
    {"--cache-dir", "DIR",                                                                         \
     NULL,          "where compiled shaders are kept",                                             \
     OPTION_TEXT,   .offset = offsetof(type, context.cache_dir)},                                  \
        {"--no-cache", NULL,                                                                       \
         NULL,         "keep no compiled shaders and use none",                                    \
         OPTION_FLAG,  .offset = offsetof(type, context.no_cache)},                                \
        {"--shader-dir", "DIR",                                                                    \
         NULL,           "read the shaders from this folder",                                      \
         OPTION_TEXT,    .offset = offsetof(type, context.shader_dir)},                            \
    {                                                                                              \
        "--validate", NULL, NULL,                                                                  \
            "check the use of Vulkan with the validation layers; what they find is a failure",     \
            OPTION_FLAG, .offset = offsetof(type, context.validate)                                \
    }
#define OPTION_ROW_VERBOSE(type)                                                                   \
    {                                                                                              \
        "-v --verbose", NULL, NULL, "say more on standard error", OPTION_FLAG,                     \
            .offset = offsetof(type, context.verbose)                                              \
    }
#define OPTION_ROW_QUIET(type)                                                                     \
    {                                                                                              \
        "-q --quiet", NULL, NULL, "say nothing on standard error but errors", OPTION_FLAG,         \
            .offset = offsetof(type, context.quiet)                                                \
    }

// Of --kernels: choices, and what they stand for.
extern const char *const tool_kernel_choices[];
extern const enum smr_kernels tool_kernels[];

// A context that logs to stderr. `command` must live as long. The cache goes to `cache_dir`, or
// to samara/ in the user's cache folder. Prints the reason and returns NULL on failure.
struct tool {
    const char *command; // for messages
    smr_context *context;
    bool verbose, quiet;
    bool validation_failed; // a log line of level error came
};
bool tool_init(struct tool *tool, const char *command, const struct context_settings *settings);
void tool_finish(struct tool *tool);

// Print the context's error and return the exit code for it.
int tool_fail(const struct tool *tool);

// Open the model, whose path came as the operand or as `option` (NULL when not given). Prints the
// reason on failure and returns NULL with `code` set.
smr_model *tool_open_model(struct tool *tool, const struct operands *operands, const char *option,
                           int *code);

// Choices of --type, NULL at the end: "file", which leaves weights as they are in it, then the names
// that smr_convert_type() gives.
extern const char *const weight_types[];

// Read all of a file, or of stdin for "-". Zero-terminated, to be freed. Prints the reason on
// failure.
char *tool_read(const char *command, const char *path, size_t *size);

// Write a file whole or not at all: into a temporary file beside it that then takes its name.
bool tool_write_file(const char *command, const char *path, const void *head, size_t head_size,
                     const void *data, size_t size);

// Flush stdout. Returns the exit code: 0 also when the reader is gone, who has had enough.
int tool_flush(const char *command);

// JSON texts: bad UTF-8 becomes U+FFFD; NULL becomes null.
json_t *json_text(const char *text);
json_t *json_text_n(const char *text, size_t size);
json_t *json_number(double value); // null for what JSON cannot say
json_t *json_ids(const int32_t *tokens, size_t n);
// Print an object on stdout with a newline, and release it. Returns the exit code.
int json_print(const char *command, json_t *value, size_t flags);
