// report.h - what became of all kernels that were asked for, on one chip.
#pragma once

#include "isa.h"
#include "tool.h"

struct settings {
    int chip;
    const char *kernel, *variant, *type, *shape, *drivers;
    bool default_only, check, summary, loop, whole, json;
    struct context_settings context;
};

struct row; // one kernel, compiled

struct report {
    const struct settings *settings;
    const struct chip *chip;
    smr_device *device;
    struct row *rows;
    size_t n_rows, capacity;
};

// Compile what the settings ask for, on several threads. False, with an error.
bool report_make(struct report *report, smr_device *device);
// On stdout. Returns the exit code: EXIT_RUNTIME when something did not compile or, with --check, is
// not as it should be.
int report_print(const struct report *report);
void report_summary_head(void); // of the table that one line of each chip's --summary goes into
void report_finish(struct report *report);
