// protobuf.h - walking over a message in Protocol Buffers' encoding, field by field
// (https://protobuf.dev/programming-guides/encoding/). Whatever the bytes are, nothing outside of them
// is read.
#pragma once

#include "base/base.h"

enum smr_protobuf_type { // as they are encoded
    SMR_PROTOBUF_VARINT = 0,
    SMR_PROTOBUF_64_BITS = 1,
    SMR_PROTOBUF_BYTES = 2, // strings, bytes, messages, packed lists
    SMR_PROTOBUF_32_BITS = 5,
};

struct smr_protobuf {
    const uint8_t *data; // of the message
    size_t size, at;
    bool damaged; // the message ended inside of a field, or is none
    // The field that was read last.
    uint32_t number;
    enum smr_protobuf_type type;
    uint64_t value;       // of numbers
    const uint8_t *bytes; // of SMR_PROTOBUF_BYTES
    size_t n_bytes;
};

// Read the next field; false at the end, and on damage.
bool smr_protobuf_next(struct smr_protobuf *message);

// The last field as what its message says it is.
static inline float smr_protobuf_f32(const struct smr_protobuf *message)
{
    union {
        uint32_t bits;
        float value;
    } u = {.bits = (uint32_t)message->value};
    return u.value;
}
