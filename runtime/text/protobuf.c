// protobuf.c - reading the fields of a message.
#include "text/protobuf.h"

static bool read_varint(struct smr_protobuf *message, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && message->at < message->size; shift += 7) {
        uint8_t byte = message->data[message->at++];
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

static bool read_fixed(struct smr_protobuf *message, size_t size)
{
    if (message->size - message->at < size)
        return false;
    message->value = 0;
    for (size_t i = 0; i < size; i++)
        message->value |= (uint64_t)message->data[message->at++] << 8 * i;
    return true;
}

static bool read_bytes(struct smr_protobuf *message)
{
    uint64_t size;
    if (!read_varint(message, &size) || size > message->size - message->at)
        return false;
    message->bytes = message->data + message->at;
    message->n_bytes = (size_t)size;
    message->at += (size_t)size;
    return true;
}

static bool read_field(struct smr_protobuf *message)
{
    uint64_t key;
    if (!read_varint(message, &key) || key >> 3 > UINT32_MAX || !(key >> 3))
        return false;
    message->number = (uint32_t)(key >> 3);
    message->type = (enum smr_protobuf_type)(key & 7);
    message->bytes = NULL;
    message->n_bytes = 0;
    switch (key & 7) {
    case SMR_PROTOBUF_VARINT:
        return read_varint(message, &message->value);
    case SMR_PROTOBUF_64_BITS:
        return read_fixed(message, 8);
    case SMR_PROTOBUF_BYTES:
        return read_bytes(message);
    case SMR_PROTOBUF_32_BITS:
        return read_fixed(message, 4);
    default: // groups, which are of the past
        return false;
    }
}

bool smr_protobuf_next(struct smr_protobuf *message)
{
    if (message->damaged || message->at == message->size)
        return false;
    message->damaged = !read_field(message);
    return !message->damaged;
}
