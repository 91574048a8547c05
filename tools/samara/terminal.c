// terminal.c - messages, progress, and texts made harmless for a terminal.
#include "terminal.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// ---- colours ----------------------------------------------------------------------------------

static bool is_smart_terminal(FILE *stream)
{
    const char *term = getenv("TERM");
    return isatty(fileno(stream)) && term && strcmp(term, "dumb") != 0;
}

// no-color.org: any value but the empty one counts.
static bool wants_colour(FILE *stream)
{
    const char *no_color = getenv("NO_COLOR");
    return !(no_color && *no_color) && is_smart_terminal(stream);
}

const char *bold(FILE *stream)
{
    return wants_colour(stream) ? "\033[1m" : "";
}

const char *plain(FILE *stream)
{
    return wants_colour(stream) ? "\033[0m" : "";
}

// ---- messages ---------------------------------------------------------------------------------

static void message(const char *command, const char *look, const char *format, va_list arguments)
{
    char text[4096];
    if (vsnprintf(text, sizeof text, format, arguments) < 0)
        return;
    bool colour = wants_colour(stderr);
    fputs(colour ? look : "", stderr);
    fprintf(stderr, "samara%s%s:", command ? " " : "", command ? command : "");
    fprintf(stderr, "%s ", colour ? "\033[0m" : "");
    print_escaped(stderr, text, strlen(text), 0);
    fputc('\n', stderr);
}

void complain(const char *command, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    message(command, "\033[1;31m", format, arguments);
    va_end(arguments);
}

void note(const char *command, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    message(command, "\033[2m", format, arguments);
    va_end(arguments);
}

// ---- progress ---------------------------------------------------------------------------------

void progress_init(struct progress *progress, bool wanted)
{
    *progress = (struct progress){.enabled = wanted && is_smart_terminal(stderr), .percent = -1};
}

void progress_update(void *user, const char *what, float fraction)
{
    struct progress *progress = user;
    int percent = fraction > 1 ? 100 : fraction > 0 ? (int)(fraction * 100) : 0;
    bool same = percent == progress->percent && !strcmp(what, progress->what);
    if (!progress->enabled || same)
        return;
    progress->percent = percent;
    snprintf(progress->what, sizeof progress->what, "%s", what);
    progress->shown = true;

    enum { WIDTH = 24 };
    char bar[WIDTH + 1];
    memset(bar, ' ', WIDTH);
    memset(bar, '#', (size_t)(percent * WIDTH / 100));
    bar[WIDTH] = 0;
    if (fraction < 0)
        fprintf(stderr, "\r\033[K%s", progress->what);
    else
        fprintf(stderr, "\r\033[K[%s] %3d %%  %s", bar, percent, progress->what);
    fflush(stderr);
}

void progress_clear(struct progress *progress)
{
    if (progress->shown) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
    progress->shown = false;
    progress->percent = -1;
}

// ---- texts of unknown origin ------------------------------------------------------------------

// The Unicode Standard, table 3-7: no surrogates, no overlong forms, nothing above U+10FFFF.
size_t utf8_sequence(const char *text, size_t size, uint32_t *code)
{
    const unsigned char *s = (const unsigned char *)text;
    if (!size)
        return 0;
    size_t length = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (!length || length > size || s[0] > 0xf4)
        return 0;
    uint32_t value = length == 1 ? s[0] : s[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (s[i] & 0x3fu);
    }
    if ((length == 3 && value < 0x800) || (length == 4 && value < 0x10000) || value > 0x10ffff ||
        (value >= 0xd800 && value < 0xe000))
        return 0;
    if (code)
        *code = value;
    return length;
}

void print_escaped(FILE *stream, const char *text, size_t size, char quote)
{
    for (size_t i = 0; i < size;) {
        uint32_t code = 0;
        size_t length = utf8_sequence(text + i, size - i, &code);
        bool is_control = code < 0x20 || (code >= 0x7f && code < 0xa0);
        if (length && !is_control && text[i] != '\\' && !(quote && text[i] == quote)) {
            fwrite(text + i, 1, length, stream);
            i += length;
            continue;
        }
        const char *names = "\\\\\nn\tt\rr\"\"''";
        const char *name = NULL;
        for (const char *n = names; *n && !name; n += 2)
            if (*n == text[i])
                name = n + 1;
        // Without a quote the text is a message, where a backslash means itself.
        if (text[i] == '\\' && !quote)
            fputc('\\', stream);
        else if (name)
            fprintf(stream, "\\%c", *name);
        else
            fprintf(stream, "\\x%02x", (unsigned char)text[i]);
        i++;
    }
}

const char *size_text(uint64_t size, char buffer[SIZE_TEXT])
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
    double value = (double)size;
    size_t unit = 0;
    while (value >= 999.5 && unit + 1 < sizeof units / sizeof units[0]) {
        value /= 1000;
        unit++;
    }
    snprintf(buffer, SIZE_TEXT, unit && value < 9.95 ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return buffer;
}
