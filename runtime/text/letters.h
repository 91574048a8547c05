// letters.h - the alphabet of byte-level BPE: each byte has a visible letter (encoder.py of GPT-2).
#pragma once

#include "base/base.h"

// The letter that stands for a byte: UTF-8, 1 or 2 bytes.
size_t smr_letter(uint8_t byte, char letter[2]);
// Append the letters of all bytes.
void smr_letters_add(const char *text, size_t size, struct smr_string *out);
// Append the bytes that letters stand for; false, and nothing appended, when some are none.
bool smr_letters_decode(const char *text, size_t size, struct smr_string *bytes);
