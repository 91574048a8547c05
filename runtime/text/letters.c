// letters.c - bytes to letters and back.
#include "text/letters.h"
#include "text/utf8.h"

// Bytes that are visible in Latin-1 stand for themselves; 0x00 to 0x20, 0x7f to 0xa0 and 0xad, 68 in
// all, are U+0100 and on.
size_t smr_letter(uint8_t byte, char letter[2])
{
    uint32_t code = byte;
    if (byte <= 0x20)
        code = 0x100U + byte;
    else if (byte >= 0x7f && byte <= 0xa0)
        code = 0x121U + byte - 0x7f;
    else if (byte == 0xad)
        code = 0x143;
    if (code < 0x80) {
        letter[0] = (char)code;
        return 1;
    }
    letter[0] = (char)(0xc0 | code >> 6);
    letter[1] = (char)(0x80 | (code & 0x3f));
    return 2;
}

// The byte a letter stands for, or -1.
static int letter_byte(uint32_t code)
{
    if (code >= 0x100 && code <= 0x120)
        return (int)(code - 0x100);
    if (code >= 0x121 && code <= 0x142)
        return (int)(code - 0x121 + 0x7f);
    if (code == 0x143)
        return 0xad;
    bool itself = code > 0x20 && code <= 0xff && !(code >= 0x7f && code <= 0xa0) && code != 0xad;
    return itself ? (int)code : -1;
}

bool smr_letters_decode(const char *text, size_t size, struct smr_string *bytes)
{
    size_t start = bytes->size;
    for (size_t at = 0, n; at < size; at += n) {
        int byte = -1;
        if (smr_utf8_next(text + at, size - at, &n) == SMR_UTF8_VALID)
            byte = letter_byte(smr_utf8_decode(text + at, n));
        if (byte < 0) {
            bytes->size = start;
            return false;
        }
        smr_string_add(bytes, &(char){(char)byte}, 1);
    }
    return true;
}

void smr_letters_add(const char *text, size_t size, struct smr_string *out)
{
    for (size_t i = 0; i < size; i++) {
        char letter[2];
        smr_string_add(out, letter, smr_letter((uint8_t)text[i], letter));
    }
}
