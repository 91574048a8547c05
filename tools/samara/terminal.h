// terminal.h - what the user sees beside the result: messages and progress on stderr, colours where
// they are wanted, and texts of unknown origin made harmless.
#pragma once

#include "samara.h"

#include <stdio.h>

#if defined(__GNUC__)
#define TOOL_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define TOOL_PRINTF(text, first)
#endif

// "samara run: ..." on stderr, as one line.
void complain(const char *command, const char *format, ...) TOOL_PRINTF(2, 3);
// Like complain(), without the look of an error.
void note(const char *command, const char *format, ...) TOOL_PRINTF(2, 3);

// Start and end of bold text on `stream`: empty strings where colours are not wanted (not a
// terminal, NO_COLOR set, TERM=dumb).
const char *bold(FILE *stream);
const char *plain(FILE *stream);

// A progress bar on stderr when that is a terminal; otherwise nothing. Starts its line anew on
// every call; a negative fraction draws no bar. Has the signature of smr_engine_params.progress,
// whose `user` is a struct progress.
struct progress {
    bool enabled;
    bool shown;
    int percent; // last drawn
    char what[80];
};
void progress_init(struct progress *progress, bool wanted);
void progress_update(void *user, const char *what, float fraction);
void progress_clear(struct progress *progress);

// Bytes of the valid UTF-8 sequence at `text`, 0 when there is none. `code`, when not NULL,
// receives the character.
size_t utf8_sequence(const char *text, size_t size, uint32_t *code);

// Print with control characters and bad UTF-8 as escapes ("\n", "\x9c"); `quote` is escaped too.
void print_escaped(FILE *stream, const char *text, size_t size, char quote);

// 1234567 bytes as "1.2 MB", in `buffer`.
enum { SIZE_TEXT = 32 };
const char *size_text(uint64_t size, char buffer[SIZE_TEXT]);
