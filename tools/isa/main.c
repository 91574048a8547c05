// main.c - samara-isa: compile the registry's kernels with Mesa's AMD and Intel compilers, on a machine
// that has neither, and show what became of them.
//
// Which GPU there is, is decided when the Vulkan loader and its drivers are loaded, so that each chip
// gets a process of its own: this program again, with another environment.
#include "isa.h"

#include "report.h"
#include "terminal.h"
#include "tool.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const chip_choices[] = {"all", "vega10", "navi21", "navi31", "gfx1201",
                                           "tgl", "dg2",    "bmg",    NULL};

#define FIELD(field) .offset = offsetof(struct settings, field)

static const struct option options[] = {
    {"--chip", "CHIP", "all", "compile for this one", OPTION_CHOICE, FIELD(chip),
     .choices = chip_choices},
    {"--kernel", "NAME", NULL, "this kernel alone: matvec, attention", OPTION_TEXT, FIELD(kernel)},
    {"--variant", "NAME", NULL, "this variant alone", OPTION_TEXT, FIELD(variant)},
    {"--type", "TYPE", NULL, "this type of weights or cache alone: q4_0, Q4_K", OPTION_TEXT,
     FIELD(type)},
    {"--shape", "TEXT", NULL, "shapes alone whose name has this text", OPTION_TEXT, FIELD(shape)},
    {"--default-only", NULL, NULL, "leave out variants that the engine would not choose",
     OPTION_FLAG, FIELD(default_only)},
    {"--check", NULL, NULL,
     "compile what the engine would choose, show what spills or is too narrow alone, and fail if "
     "anything does",
     OPTION_FLAG, FIELD(check)},
    {"--summary", NULL, NULL, "print a table in Markdown of matvec beside llama.cpp's", OPTION_FLAG,
     FIELD(summary)},
    {"--loop", NULL, NULL, "print the disassembly of the main loop", OPTION_FLAG, FIELD(loop)},
    {"--asm", NULL, NULL, "print the whole disassembly", OPTION_FLAG, FIELD(whole)},
    {"--json", NULL, NULL, "print an object for each kernel, one a line", OPTION_FLAG, FIELD(json)},
    {"--drivers", "DIR", NULL,
     "where Mesa's drivers lie, below usr/ (default: what tools/isa/get-drivers unpacked, else the "
     "system's)",
     OPTION_TEXT, FIELD(drivers)},
    {"--shader-dir", "DIR", NULL, "read the shaders from this folder", OPTION_TEXT,
     FIELD(context.shader_dir)},
    OPTION_ROW_THREADS(struct settings),
    OPTION_ROW_VERBOSE(struct settings),
};

static const struct example examples[] = {
    {"samara-isa --kernel matvec --type q4_0 --default-only", "What decoding runs, on all chips"},
    {"samara-isa --chip dg2 --kernel matmul --shape 512 --loop", "Read a main loop"},
    {"samara-isa --check", "What the tests run"},
    {NULL, NULL},
};

static int isa_run(int argc, char **argv);

static const struct command isa_command = {
    .name = "isa",
    .standalone = true,
    .usage = "[OPTION]...",
    .summary = "what kernels become under the compilers of GPUs that are not here",
    .description =
        "Compiles the kernels with Mesa's compilers for AMD's and Intel's GPUs, which need no GPU, "
        "for shapes that models have, and prints registers, spills, scratch memory, how many "
        "subgroups fit (AMD) or how wide they are (Intel), and of the main loop instructions and "
        "vector loads, for products with vectors also per weight and beside llama.cpp's. Nothing "
        "is executed.",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .examples = examples,
    .run = isa_run,
};

const struct command *const commands[] = {&isa_command};
const size_t n_commands = 1;

const struct command *command_find(const char *name)
{
    return strcmp(name, isa_command.name) != 0 ? NULL : &isa_command;
}

// ---- a process for each chip --------------------------------------------------------------------

// Tells the processes that this one starts for which chip they are.
static const char inside[] = "SAMARA_ISA_CHIP";

// What get-drivers unpacked, or the system's.
static void find_drivers(char path[PATH_MAX])
{
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (xdg && xdg[0] == '/')
        snprintf(path, PATH_MAX, "%s/samara/drivers", xdg);
    else
        snprintf(path, PATH_MAX, "%s/.cache/samara/drivers", home ? home : "");
    if (access(path, R_OK) != 0)
        snprintf(path, PATH_MAX, "/");
}

// This program again, with `chip`. Returns its exit code.
static int run_for(const struct chip *chip, const struct settings *settings, char **argv)
{
    char drivers[PATH_MAX];
    find_drivers(drivers);
    fflush(stdout);
    pid_t child = fork();
    if (!child) {
        setenv(inside, chip->name, 1);
        if (chip_pretend(chip, settings->drivers ? settings->drivers : drivers))
            execv("/proc/self/exe", argv);
        _exit(EXIT_DEVICE);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) < 0 || !WIFEXITED(status)) {
        complain("isa", "the process for %s ended badly", chip->name);
        return EXIT_DEVICE;
    }
    return WEXITSTATUS(status);
}

static int run_for_all(const struct settings *settings, char **argv)
{
    int code = EXIT_OK;
    if (settings->summary)
        report_summary_head();
    for (size_t i = 0; i < N_CHIPS; i++) {
        if (settings->chip && strcmp(chips[i].name, chip_choices[settings->chip]) != 0)
            continue;
        const int one = run_for(&chips[i], settings, argv);
        if (one > code)
            code = one;
    }
    return code;
}

// ---- inside one of them -------------------------------------------------------------------------

// Drivers and LLVM talk to stderr about chips that are not there. Returns what restores it.
static int silence(bool wanted)
{
    int kept = wanted ? dup(STDERR_FILENO) : -1;
    int nothing = kept < 0 ? -1 : open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (nothing >= 0) {
        dup2(nothing, STDERR_FILENO);
        close(nothing);
    }
    return kept;
}

static void restore(int kept)
{
    if (kept < 0)
        return;
    dup2(kept, STDERR_FILENO);
    close(kept);
}

static int run_here(const struct settings *settings, const struct chip *chip)
{
    struct tool tool;
    struct report report = {.settings = settings, .chip = chip};
    if (!tool_init(&tool, "isa", &settings->context))
        return EXIT_RUNTIME;
    int code;
    const int kept = silence(!settings->context.verbose);
    smr_device *device = smr_device_open(tool.context, "vulkan0");
    const bool done = device && report_make(&report, device);
    restore(kept);
    if (done)
        code = report_print(&report);
    else
        code = tool_fail(&tool);
    report_finish(&report);
    smr_device_close(device);
    tool_finish(&tool);
    return code;
}

static int isa_run(int argc, char **argv)
{
    struct settings settings = {.context.no_cache = true};
    struct operands operands;
    enum parse_result parsed = options_parse(&isa_command, argc, argv, &settings, &operands);
    const char *name = getenv(inside);
    int code = EXIT_USAGE;
    if (parsed == PARSE_HELP)
        code = tool_flush(argv[0]);
    else if (parsed == PARSE_OK && operands.n)
        complain("isa", "'%s': takes no arguments", operands.items[0]);
    else if (parsed == PARSE_OK && name && chip_find(name))
        code = run_here(&settings, chip_find(name));
    else if (parsed == PARSE_OK)
        code = run_for_all(&settings, argv);
    options_finish(&isa_command, &settings);
    return code;
}

int main(int argc, char **argv)
{
    return isa_run(argc, argv);
}
