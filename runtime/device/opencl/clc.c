// clc.c - the translation's text and values.
#include "device/opencl/clc.h"

#include <stdio.h>
#include <string.h>

enum {
    MOST_PENDING = 400,   // characters of an expression; longer ones are stored
    MOST_TEXT = 16 << 20, // bytes of the whole translation
};

void smr_clc_refuse(struct smr_clc *c, const char *format, ...)
{
    if (c->failed)
        return;
    c->failed = true;
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    smr_fail(c->context, SMR_ERROR, "kernel %s: its SPIR-V can't be translated to OpenCL C: %s",
             c->module->name, text);
}

const char *smr_clc_text(struct smr_clc *c, const char *format, ...)
{
    char few[256];
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int n = vsnprintf(few, sizeof few, format, arguments);
    va_end(arguments);
    char *text = NULL;
    if (n >= 0 && n < MOST_TEXT && !c->failed)
        text = smr_arena_alloc(&c->arena, (size_t)n + 1, 1);
    if (text)
        vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    c->failed = c->failed || !text;
    return text ? text : "0";
}

static void print_line(struct smr_clc *c, const char *text, const char *end)
{
    if (c->failed)
        return;
    smr_string_printf(c->out, "%*s%s%s\n", (int)c->indent * 4, "", text, end);
    c->failed = c->failed || c->out->failed;
    if (c->out->size > MOST_TEXT)
        smr_clc_refuse(c, "more than %d MiB of text", MOST_TEXT >> 20);
}

static const char *format_line(struct smr_clc *c, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    int n = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *text = n >= 0 && !c->failed ? smr_arena_alloc(&c->arena, (size_t)n + 1, 1) : NULL;
    if (text)
        vsnprintf(text, (size_t)n + 1, format, arguments);
    c->failed = c->failed || !text;
    return text ? text : "";
}

void smr_clc_statement(struct smr_clc *c, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_line(c, format_line(c, format, arguments), ";");
    va_end(arguments);
}

void smr_clc_control(struct smr_clc *c, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_line(c, format_line(c, format, arguments), "");
    va_end(arguments);
    c->n_control++;
}

// ---- values -----------------------------------------------------------------------------------

const char *smr_clc_temporary(struct smr_clc *c, uint32_t id)
{
    if (!c->values[id].declared) {
        c->values[id].declared = true;
        smr_string_printf(&c->locals, "    %s t%u;\n",
                          smr_clc_type(c, smr_spv_type_of(c->module, id)), id);
        c->failed = c->failed || c->locals.failed;
    }
    return smr_clc_text(c, "t%u", id);
}

// Take a pending value's text away.
static const char *take(struct smr_clc *c, uint32_t id)
{
    const char *text = c->values[id].pending;
    c->values[id].pending = NULL;
    for (uint32_t i = 0; i < c->n_pending; i++)
        if (c->pending[i] == id) {
            memmove(&c->pending[i], &c->pending[i + 1],
                    (c->n_pending - i - 1) * sizeof *c->pending);
            c->n_pending--;
            break;
        }
    return text;
}

const char *smr_clc_use(struct smr_clc *c, uint32_t id)
{
    if (smr_spv_is_constant(c->module, id))
        return smr_clc_constant(c, id);
    if (c->values[id].pending) {
        c->reads = c->reads || c->values[id].reads;
        return take(c, id);
    }
    return smr_clc_text(c, "t%u", id);
}

const char *smr_clc_bare(struct smr_clc *c, const char *text)
{
    size_t size = strlen(text);
    int depth = 0;
    if (size < 2 || text[0] != '(' || text[size - 1] != ')')
        return text;
    for (size_t i = 0; i < size; i++) {
        depth += (text[i] == '(') - (text[i] == ')');
        if (!depth && i + 1 < size)
            return text;
    }
    const char *inner = smr_arena_strndup(&c->arena, text + 1, size - 2);
    return inner ? inner : text;
}

const char *smr_clc_assign(struct smr_clc *c, uint32_t id, const char *text)
{
    const char *name = smr_clc_temporary(c, id);
    smr_clc_statement(c, "%s = %s", name, smr_clc_bare(c, text));
    return name;
}

const char *smr_clc_reuse(struct smr_clc *c, uint32_t id)
{
    if (c->values[id].pending)
        return smr_clc_assign(c, id, take(c, id));
    return smr_clc_use(c, id);
}

void smr_clc_define(struct smr_clc *c, const struct smr_spv_inst *inst, const char *text)
{
    uint32_t n_uses = c->module->ids[inst->id].n_uses;
    if (!n_uses || c->failed)
        return;
    if (n_uses > 1 || !smr_spv_is_leaf(c->module, inst->type) || strlen(text) > MOST_PENDING) {
        smr_clc_assign(c, inst->id, text);
        return;
    }
    c->values[inst->id].pending = text;
    c->values[inst->id].reads = c->reads;
    c->pending[c->n_pending++] = inst->id;
}

void smr_clc_flush(struct smr_clc *c, bool only_reads, uint32_t except)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < c->n_pending; i++) {
        uint32_t id = c->pending[i];
        if (id == except || (only_reads && !c->values[id].reads)) {
            c->pending[kept++] = id;
            continue;
        }
        const char *text = c->values[id].pending;
        c->values[id].pending = NULL;
        smr_clc_assign(c, id, text);
    }
    c->n_pending = kept;
}
