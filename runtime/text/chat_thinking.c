// chat_thinking.c - the few expressions of Jinja that texts about a thinking budget are made of.
#include "text/chat_thinking.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char LETTERS[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.";
static const char WHITE[] = " \t\r\n";

struct template
{
    const char *text; // the whole of it
    uint32_t budget;
};

static const char *skip(const char *at, const char *set)
{
    return at + strspn(at, set);
}

// What stands after `text`, or NULL.
static const char *after(const char *at, const char *text)
{
    const char *found = at ? strstr(at, text) : NULL;
    return found ? found + strlen(text) : NULL;
}

// A literal in single or double quotes, appended; *at moves behind it.
static bool add_literal(const char **at, struct smr_string *out)
{
    const char quote = **at;
    const char *p = *at + 1;
    for (; *p && *p != quote; p++) {
        char letter = *p;
        if (letter == '\\') {
            p++;
            if (*p != 'n' && *p != '\\' && *p != '\'' && *p != '"')
                return false;
            letter = *p == 'n' ? '\n' : *p;
        }
        smr_string_add(out, &letter, 1);
    }
    *at = p + 1;
    return *p != 0;
}

// The value of a variable that is set to a literal.
static bool add_variable(const struct template *t, const char *name, size_t size,
                         struct smr_string *out)
{
    for (const char *at = after(t->text, "set "); at; at = after(at, "set ")) {
        at = skip(at, WHITE);
        if (strncmp(at, name, size) != 0 || strchr(LETTERS, at[size]))
            continue;
        const char *value = skip(at + size, WHITE);
        if (*value++ != '=')
            continue;
        value = skip(value, WHITE);
        if (*value == '\'' || *value == '"')
            return add_literal(&value, out);
    }
    return false;
}

// Tokens between two reflections: that of the first budget in the template's table that is not less,
// else of the last.
static bool add_interval(const struct template *t, struct smr_string *out)
{
    const char *at = after(after(t->text, "budget_reflections"), "{");
    unsigned long long interval = 0;
    bool any = false;
    while (at && *(at = skip(at, " \t\r\n,")) != '}') {
        char *end;
        unsigned long long budget = strtoull(at, &end, 10);
        const char *colon = skip(end, WHITE);
        if (end == at || *colon != ':')
            return false;
        at = skip(colon + 1, WHITE);
        interval = strtoull(at, &end, 10);
        if (end == at)
            return false;
        at = end;
        any = true;
        if (t->budget <= budget)
            break;
    }
    if (any)
        smr_string_printf(out, "%llu", interval);
    return any;
}

static bool is(const char *name, size_t size, const char *other)
{
    return size == strlen(other) && !memcmp(name, other, size);
}

static bool add_name(const struct template *t, const char *name, size_t size,
                     struct smr_string *out)
{
    if (is(name, size, "ns.interval"))
        return add_interval(t, out);
    if (!is(name, size, "thinking_budget"))
        return add_variable(t, name, size, out);
    smr_string_printf(out, "%" PRIu32, t->budget);
    return true;
}

// What stands between {{ and }}: literals and names, added up. *at moves behind the end.
static bool add_expression(const struct template *t, const char **at, struct smr_string *out)
{
    const char *p = skip(*at, " \t\r\n-");
    while (strncmp(p, "}}", 2) != 0 && strncmp(p, "-}}", 3) != 0) {
        const size_t size = strspn(p, LETTERS);
        bool known = false;
        if (*p == '\'' || *p == '"') {
            known = add_literal(&p, out);
        } else if (size) {
            known = add_name(t, p, size, out);
            p += size;
        }
        if (!known)
            return false;
        p = skip(p, " \t\r\n+~");
    }
    *at = after(p, "}}");
    return true;
}

// A stretch of the template up to its next statement, as Jinja with trim_blocks makes it: the newline
// after the statement before is left out, and white space before one that begins with {%- too.
static bool add_stretch(const struct template *t, const char *at, struct smr_string *out)
{
    at += *at == '\n';
    while (strncmp(at, "{%", 2) != 0) {
        if (!strncmp(at, "{{", 2)) {
            at += 2;
            if (!add_expression(t, &at, out))
                return false;
            continue;
        }
        const char *end = at + strcspn(at, "{");
        if (!*end || (end == at && !strncmp(at, "{#", 2)))
            return false;
        const char *next = end == at ? at + 1 : end;
        size_t size = (size_t)(next - at);
        while (!strncmp(next, "{%-", 3) && size && strchr(WHITE, at[size - 1]))
            size--;
        smr_string_add(out, at, size);
        at = next;
    }
    return !out->failed;
}

bool smr_thinking_system(const char *chat_template, uint32_t budget, struct smr_string *text)
{
    const struct template t = {chat_template, budget};
    const char *at = after(chat_template,
                           budget ? "not thinking_budget == -1 %}" : "if thinking_budget == 0 %}");
    return at && add_stretch(&t, at, text);
}

bool smr_thinking_opening(const char *chat_template, uint32_t budget, struct smr_string *text)
{
    const struct template t = {chat_template, budget};
    const char *at =
        after(after(chat_template, "add_generation_prompt"), "thinking_budget == 0 %}");
    return budget || (at && add_stretch(&t, at, text));
}
