// utf8.h - walking over bytes that should be UTF-8.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum smr_utf8 {
    SMR_UTF8_VALID,
    SMR_UTF8_INVALID,    // these bytes can never be a character
    SMR_UTF8_INCOMPLETE, // a good beginning, cut off by the end
};

// What the `size` > 0 bytes at `text` begin with. `length` receives the bytes of the character, or
// of the longest beginning of one: what a single U+FFFD stands for (The Unicode Standard, table 3-7
// and section 3.9, "substitution of maximal subparts").
static inline enum smr_utf8 smr_utf8_next(const char *text, size_t size, size_t *length)
{
    const uint8_t *byte = (const uint8_t *)text;
    uint8_t low = 0x80, high = 0xbf;
    *length = 1;
    if (byte[0] < 0x80)
        return SMR_UTF8_VALID;
    if (byte[0] < 0xc2 || byte[0] > 0xf4)
        return SMR_UTF8_INVALID;
    size_t n = byte[0] < 0xe0 ? 2 : byte[0] < 0xf0 ? 3 : 4;
    if (byte[0] == 0xe0)
        low = 0xa0; // shorter forms exist
    else if (byte[0] == 0xed)
        high = 0x9f; // surrogates
    else if (byte[0] == 0xf0)
        low = 0x90; // shorter forms exist
    else if (byte[0] == 0xf4)
        high = 0x8f; // beyond U+10FFFF
    for (size_t i = 1; i < n; i++) {
        *length = i;
        if (i == size)
            return SMR_UTF8_INCOMPLETE;
        if (byte[i] < low || byte[i] > high)
            return SMR_UTF8_INVALID;
        low = 0x80;
        high = 0xbf;
    }
    *length = n;
    return SMR_UTF8_VALID;
}

// The code point of a valid character of `length` bytes.
static inline uint32_t smr_utf8_decode(const char *text, size_t length)
{
    const uint8_t *byte = (const uint8_t *)text;
    uint32_t value = length == 1 ? byte[0] : byte[0] & (0x7fU >> length);
    for (size_t i = 1; i < length; i++)
        value = value << 6 | (byte[i] & 0x3f);
    return value;
}

// Bytes at the start that are valid UTF-8.
static inline size_t smr_utf8_valid_prefix(const char *text, size_t size)
{
    size_t at = 0, n;
    while (at < size && smr_utf8_next(text + at, size - at, &n) == SMR_UTF8_VALID)
        at += n;
    return at;
}

// Write a code point below 0x110000; returns its bytes, 1 to 4.
static inline size_t smr_utf8_encode(uint32_t code, char text[4])
{
    if (code < 0x80) {
        text[0] = (char)code;
        return 1;
    }
    size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i; i--, code >>= 6)
        text[i] = (char)(0x80 | (code & 0x3f));
    text[0] = (char)((0xf00U >> n & 0xf0) | code);
    return n;
}
