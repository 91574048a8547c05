// context.c - errors, log, and the life of a context.
#include "base/context.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *smr_version(void)
{
    return SMR_VERSION;
}

// ---- errors and log ---------------------------------------------------------------------------

// Length of the UTF-8 character at `text`, 0 when it is none. The zero byte ends any sequence.
static size_t character_length(const unsigned char *text)
{
    if (text[0] < 0x80)
        return 1;
    size_t length = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
    if (text[0] < 0xc2 || text[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

// Names in messages come from files: keep them from breaking the line, driving a terminal, or being
// no text at all. A character that was cut at the end goes the same way.
static void make_printable(char *text)
{
    unsigned char *c = (unsigned char *)text;
    while (*c) {
        size_t length = character_length(c);
        if (!length || *c < 0x20 || *c == 0x7f || (*c == 0xc2 && c[1] < 0xa0))
            memset(c, '?', length ? length : 1);
        c += length ? length : 1;
    }
}

bool smr_fail(smr_context *context, enum smr_status status, const char *format, ...)
{
    char text[sizeof context->error];
    va_list arguments;
    va_start(arguments, format);
    if (vsnprintf(text, sizeof text, format, arguments) < 0)
        strcpy(text, "an error whose text could not be printed");
    va_end(arguments);
    make_printable(text);

    pthread_mutex_lock(&context->error_lock);
    bool first = context->status == SMR_OK;
    if (first) {
        memcpy(context->error, text, sizeof text);
        context->status = status == SMR_OK ? SMR_ERROR : status;
    }
    pthread_mutex_unlock(&context->error_lock);
    smr_log(context, SMR_LOG_DEBUG, "%s: %s", first ? "failed" : "failed then", text);
    return false;
}

void smr_log(smr_context *context, enum smr_log_level level, const char *format, ...)
{
    if (!context->params.log || level > context->params.log_level)
        return;
    char buffer[1024], *text = buffer;
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(buffer, sizeof buffer, format, arguments);
    if (length >= (int)sizeof buffer) { // a compiler's messages
        text = smr_context_reallocate(context, NULL, (size_t)length + 1);
        if (text)
            vsnprintf(text, (size_t)length + 1, format, again);
        else
            text = buffer; // cut
    }
    va_end(again);
    va_end(arguments);
    if (length >= 0) {
        pthread_mutex_lock(&context->log_lock);
        context->params.log(context->params.user, level, text);
        pthread_mutex_unlock(&context->log_lock);
    }
    if (text != buffer)
        smr_context_reallocate(context, text, 0);
}

const char *smr_context_error(const smr_context *context)
{
    // The text does not change once it is there; the lock orders this read after its writing.
    return smr_context_status(context) == SMR_OK ? "" : context->error;
}

enum smr_status smr_context_status(const smr_context *context)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&context->error_lock;
    pthread_mutex_lock(lock);
    enum smr_status status = context->status;
    pthread_mutex_unlock(lock);
    return status;
}

void smr_context_clear_error(smr_context *context)
{
    pthread_mutex_lock(&context->error_lock);
    context->status = SMR_OK;
    context->error[0] = 0;
    pthread_mutex_unlock(&context->error_lock);
}

// ---- create and destroy -----------------------------------------------------------------------

static bool init_locks(smr_context *context)
{
    if (pthread_mutex_init(&context->error_lock, NULL))
        return false;
    if (pthread_mutex_init(&context->log_lock, NULL))
        goto no_log_lock;
    if (pthread_mutex_init(&context->memory_lock, NULL))
        goto no_memory_lock;
    return true;

no_memory_lock:
    pthread_mutex_destroy(&context->log_lock);
no_log_lock:
    pthread_mutex_destroy(&context->error_lock);
    return false;
}

// Owned copy of an optional text.
static bool copy_text(smr_context *context, const char *text, const char **copy)
{
    *copy = text ? smr_strdup(context, text) : NULL;
    return *copy || !text;
}

// A context's own memory, whose lock is inside it.
static void release(smr_context *context)
{
    struct smr_context_params params = context->params;
    if (params.reallocate)
        params.reallocate(params.user, context, 0);
    else
        free(context);
}

smr_context *smr_context_create(const struct smr_context_params *params)
{
    const struct smr_context_params none = {0};
    if (!params)
        params = &none;
    smr_context *context = params->reallocate
                               ? params->reallocate(params->user, NULL, sizeof *context)
                               : malloc(sizeof *context);
    if (!context)
        return NULL;
    *context = (smr_context){.params = *params};
    context->params.cache_dir = context->params.shader_dir = NULL;
    if (!init_locks(context)) {
        release(context);
        return NULL;
    }
    if (!copy_text(context, params->cache_dir, &context->params.cache_dir) ||
        !copy_text(context, params->shader_dir, &context->params.shader_dir)) {
        smr_context_destroy(context);
        return NULL;
    }
    return context;
}

void smr_context_destroy(smr_context *context)
{
    if (!context)
        return;
    smr_free(context, (char *)context->params.cache_dir);
    smr_free(context, (char *)context->params.shader_dir);
    smr_free(context, context->absent_devices);
    pthread_mutex_destroy(&context->error_lock);
    pthread_mutex_destroy(&context->log_lock);
    pthread_mutex_destroy(&context->memory_lock);
    release(context);
}
