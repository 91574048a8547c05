// regex_translate.c - from Oniguruma's Ruby syntax (its doc/RE), which the expressions of
// tokenizer.json files are in, to PCRE2's. What both mean alike is copied.
#include "text/regex.h"
#include "text/unicode.h"

#include <string.h>

// Classes as the inside of brackets.
#define WHITE SMR_WHITE_CLASS
#define WORD  "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"
#define HEX   "0-9A-Fa-f"

struct translation {
    smr_context *context;
    const char *name, *pattern;
    size_t size, at;
    struct smr_string *out;
    bool failed;
};

static void fail(struct translation *t, const char *what)
{
    t->failed = true;
    smr_fail(t->context, SMR_ERROR_MODEL, "%s: %s in an expression, at byte %zu of %.200s", t->name,
             what, t->at, t->pattern);
}

static void put(struct translation *t, const char *text)
{
    smr_string_add(t->out, text, strlen(text));
}

static char peek(const struct translation *t, size_t ahead)
{
    return t->at + ahead < t->size ? t->pattern[t->at + ahead] : 0;
}

static void copy(struct translation *t, size_t n)
{
    n = n < t->size - t->at ? n : t->size - t->at;
    smr_string_add(t->out, t->pattern + t->at, n);
    t->at += n;
}

// A class by its inside; negated it is a class of its own, which brackets can't hold.
static void put_class(struct translation *t, const char *inside, bool negated, bool in_brackets)
{
    t->at += 2;
    if (in_brackets && negated) {
        t->at -= 2;
        copy(t, 2); // PCRE2's own, which differ in a handful of characters
        return;
    }
    if (!in_brackets)
        put(t, negated ? "[^" : "[");
    put(t, inside);
    if (!in_brackets)
        put(t, "]");
}

// \p{...}: names that PCRE2 lacks, and scripts, which are script extensions there.
static void property(struct translation *t)
{
    static const char *const names[][2] = {
        {"Letter", "L"},
        {"Mark", "M"},
        {"Number", "N"},
        {"Punct", "P"},
        {"Punctuation", "P"},
        {"Symbol", "S"},
        {"Separator", "Z"},
        {"Digit", "Nd"},
        {"Alpha", "Alphabetic"},
        {"Alnum", "Xan"},
        {"Upper", "Uppercase"},
        {"Lower", "Lowercase"},
        {"Alphabetic", "Alphabetic"},
        {"Uppercase", "Uppercase"},
        {"Lowercase", "Lowercase"},
        {"Space", "White_Space"},
        {"White_Space", "White_Space"},
        {"Emoji", "Emoji"},
        {"Extended_Pictographic", "Extended_Pictographic"},
        {"Any", "Any"},
    };
    const char *close = memchr(t->pattern + t->at, '}', t->size - t->at);
    size_t start = t->at + 3 + (peek(t, 3) == '^'), end = close ? (size_t)(close - t->pattern) : 0;
    if (peek(t, 2) != '{' || end <= start || end - start > 40) {
        fail(t, "a property that does not end");
        return;
    }
    smr_string_add(t->out, t->pattern + t->at, start - t->at);
    const char *name = t->pattern + start;
    size_t n = end - start, i = 0;
    while (i < SMR_COUNT(names) && (strlen(names[i][0]) != n || memcmp(names[i][0], name, n) != 0))
        i++;
    if (i < SMR_COUNT(names)) {
        put(t, names[i][1]);
    } else {
        if (n > 2 && name[n - 1] != '&')
            put(t, "sc:");
        smr_string_add(t->out, name, n);
    }
    put(t, "}");
    t->at = end + 1;
}

static void escape(struct translation *t, bool in_brackets)
{
    switch (peek(t, 1)) {
    case 's':
    case 'S':
        put_class(t, WHITE, peek(t, 1) == 'S', in_brackets);
        break;
    case 'w':
    case 'W':
        put_class(t, WORD, peek(t, 1) == 'W', in_brackets);
        break;
    case 'h':
    case 'H':
        if (in_brackets && peek(t, 1) == 'H')
            fail(t, "\\H in brackets");
        else
            put_class(t, HEX, peek(t, 1) == 'H', in_brackets);
        break;
    case 'p':
    case 'P':
        property(t);
        break;
    case 'u':
        if (t->size - t->at < 6) {
            fail(t, "\\u without four digits");
            break;
        }
        put(t, "\\x{");
        smr_string_add(t->out, t->pattern + t->at + 2, 4);
        put(t, "}");
        t->at += 6;
        break;
    case 0:
        fail(t, "a backslash at the end");
        break;
    default:
        copy(t, 2);
    }
}

// From '[' to its ']'. Brackets inside of brackets are their union there; PCRE2 has none.
static void brackets(struct translation *t)
{
    int depth = 0;
    bool begins = false; // a ']' here would stand for itself
    do {
        char c = peek(t, 0);
        bool first = begins;
        begins = false;
        if (!c && t->at >= t->size) {
            fail(t, "brackets that are not closed");
        } else if (c == '[' && peek(t, 1) == ':' && depth) {
            const char *end = memchr(t->pattern + t->at, ']', t->size - t->at);
            copy(t, end ? (size_t)(end - t->pattern) - t->at + 1 : 2);
        } else if (c == '[') {
            if (depth && peek(t, 1) == '^')
                fail(t, "negated brackets in brackets");
            if (!depth++)
                copy(t, peek(t, 1) == '^' ? 2 : 1);
            else
                t->at++;
            begins = true;
        } else if (c == ']' && first) {
            put(t, "\\]");
            t->at++;
        } else if (c == ']') {
            if (!--depth)
                put(t, "]");
            t->at++;
        } else if (c == '&' && peek(t, 1) == '&') {
            fail(t, "an intersection of brackets");
        } else if (c == '\\') {
            escape(t, true);
        } else {
            copy(t, 1);
        }
    } while (depth && !t->failed);
}

// "(?" and flags: 'm' lets a dot be a newline, which is 's' in PCRE2.
static void group(struct translation *t)
{
    copy(t, 2);
    while (strchr("imx-", peek(t, 0)) && peek(t, 0)) {
        if (peek(t, 0) == 'm') {
            put(t, "s");
            t->at++;
        } else {
            copy(t, 1);
        }
    }
}

bool smr_regex_translate(const char *name, const char *pattern, size_t size, struct smr_string *out)
{
    enum { MAX_SIZE = 1 << 16 };
    struct translation t = {out->context, name, pattern, size, .out = out};
    if (size > MAX_SIZE)
        return smr_fail(out->context, SMR_ERROR_MODEL, "%s: an expression of %zu bytes, at most %d",
                        name, size, (int)MAX_SIZE);
    put(&t, ""); // an empty one is a text, too
    while (t.at < size && !t.failed) {
        char c = peek(&t, 0);
        if (c == '\\')
            escape(&t, false);
        else if (c == '[')
            brackets(&t);
        else if (c == '(' && peek(&t, 1) == '?')
            group(&t);
        else if (c == '^' || c == '$') { // at each line's ends
            put(&t, c == '^' ? "(?m:^)" : "(?m:$)");
            t.at++;
        } else {
            copy(&t, 1);
        }
    }
    return !t.failed && !out->failed;
}
