// stop.c - stop strings in a stream of text that arrives in pieces.
#include "generate/generate.h"

#include <string.h>

void smr_stopper_init(struct smr_stopper *stopper, smr_context *context, const char *const *stop,
                      size_t n_stop)
{
    *stopper = (struct smr_stopper){.stop = stop, .n_stop = n_stop};
    smr_string_init(&stopper->held, context);
}

bool smr_stopper_check(const struct smr_stopper *stopper, size_t *n_final)
{
    const char *text = stopper->held.data;
    size_t size = stopper->held.size, longest = 0;
    for (size_t at = 0; at < size; at++) {
        for (size_t i = 0; i < stopper->n_stop; i++) {
            size_t length = strlen(stopper->stop[i]), left = size - at;
            if (length && length <= left && !memcmp(text + at, stopper->stop[i], length)) {
                *n_final = at;
                return true;
            }
            if (left < length && left > longest && !memcmp(text + at, stopper->stop[i], left))
                longest = left;
        }
    }
    *n_final = size - longest;
    return false;
}

void smr_stopper_drop(struct smr_stopper *stopper, size_t n)
{
    struct smr_string *held = &stopper->held;
    if (!n)
        return;
    memmove(held->data, held->data + n, held->size - n + 1); // with the terminating zero
    held->size -= n;
}

void smr_stopper_finish(struct smr_stopper *stopper)
{
    smr_string_finish(&stopper->held);
}
