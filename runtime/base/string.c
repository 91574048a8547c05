// string.c - a growing byte string.
#include "base/base.h"

#include <stdio.h>
#include <string.h>

void smr_string_init(struct smr_string *string, smr_context *context)
{
    *string = (struct smr_string){.context = context};
}

// Make room for `size` more bytes and the zero.
static bool reserve(struct smr_string *string, size_t size)
{
    if (string->failed)
        return false;
    size_t need;
    if (!smr_add_size(string->size, size, &need) || !smr_add_size(need, 1, &need)) {
        string->failed = true;
        return smr_fail(string->context, SMR_ERROR_MEMORY, "a string of %zu and %zu bytes",
                        string->size, size);
    }
    string->failed =
        !smr_grow(string->context, &string->data, &string->capacity, need, 1, "a string");
    return !string->failed;
}

void smr_string_add(struct smr_string *string, const void *data, size_t size)
{
    if (!reserve(string, size))
        return;
    if (size)
        memcpy(string->data + string->size, data, size);
    string->size += size;
    string->data[string->size] = 0;
}

void smr_string_printf(struct smr_string *string, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    if (length < 0) {
        string->failed = true;
        smr_fail(string->context, SMR_ERROR, "a text could not be printed");
    } else if (reserve(string, (size_t)length)) {
        vsnprintf(string->data + string->size, (size_t)length + 1, format, again);
        string->size += (size_t)length;
    }
    va_end(again);
    va_end(arguments);
}

void smr_string_finish(struct smr_string *string)
{
    if (string->data)
        smr_free(string->context, string->data);
    *string = (struct smr_string){.context = string->context};
}
