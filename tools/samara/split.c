#include "split.h"

#include <stdbool.h>
#include <string.h>

static bool is_space(char c)
{
    return c && strchr(" \t\r\n", c);
}

static bool is_continuation(char c) // byte of a UTF-8 character that is not its first
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

// Whether a sentence ends before byte `at`: at a full stop of the writing systems that have one.
static bool ends_sentence(const char *text, size_t at)
{
    static const char *const stops[] = {
        ".", "!", "?", "\xe3\x80\x82", "\xef\xbc\x81", "\xef\xbc\x9f", "\xe0\xa5\xa4", "\xdb\x94"};
    for (size_t i = 0; i < sizeof stops / sizeof stops[0]; i++) {
        size_t size = strlen(stops[i]);
        bool needs_space = size == 1; // 3.5 and e.g.
        if (at >= size && !memcmp(text + at - size, stops[i], size) &&
            (!needs_space || is_space(text[at])))
            return true;
    }
    return false;
}

enum quality { NONE, CHARACTER, WORD, LINE, SENTENCE, PARAGRAPH };

// How good a cut before byte `at` is, 0 < at < size.
static enum quality quality(const char *text, size_t at)
{
    if (text[at - 1] == '\n')
        return at > 1 && text[at - 2] == '\n' ? PARAGRAPH : LINE;
    if (ends_sentence(text, at))
        return SENTENCE;
    if (is_space(text[at]))
        return WORD;
    return is_continuation(text[at]) ? NONE : CHARACTER;
}

size_t split_at(const char *text, size_t size, size_t most)
{
    size_t cut = most ? most : 1;
    if (size <= cut)
        return size;
    enum quality best = NONE;
    for (size_t at = cut; at > most / 2 && at > 0 && best < PARAGRAPH; at--) {
        enum quality found = quality(text, at);
        if (found > best) {
            best = found;
            cut = at;
        }
    }
    return cut;
}
