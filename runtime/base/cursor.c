// cursor.c - reading little-endian values that may not be there.
#include "base/file.h"

#include <string.h>

const uint8_t *smr_cursor_bytes(struct smr_cursor *cursor, size_t size)
{
    if (cursor->failed || size > cursor->size - cursor->offset) {
        cursor->failed = true;
        return NULL;
    }
    const uint8_t *bytes = cursor->data + cursor->offset;
    cursor->offset += size;
    return bytes;
}

static uint64_t read_le(struct smr_cursor *cursor, size_t size)
{
    const uint8_t *bytes = smr_cursor_bytes(cursor, size);
    uint64_t value = 0;
    for (size_t i = 0; bytes && i < size; i++)
        value |= (uint64_t)bytes[i] << 8 * i;
    return value;
}

uint8_t smr_cursor_u8(struct smr_cursor *cursor)
{
    return (uint8_t)read_le(cursor, 1);
}

uint16_t smr_cursor_u16(struct smr_cursor *cursor)
{
    return (uint16_t)read_le(cursor, 2);
}

uint32_t smr_cursor_u32(struct smr_cursor *cursor)
{
    return (uint32_t)read_le(cursor, 4);
}

uint64_t smr_cursor_u64(struct smr_cursor *cursor)
{
    return read_le(cursor, 8);
}

float smr_cursor_f32(struct smr_cursor *cursor)
{
    uint32_t bits = smr_cursor_u32(cursor);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

double smr_cursor_f64(struct smr_cursor *cursor)
{
    uint64_t bits = smr_cursor_u64(cursor);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
