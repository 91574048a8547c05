// unicode.h - what Unicode says of characters: classes, normal forms, grapheme clusters. The data are
// libutf8proc's; all texts are valid UTF-8.
#pragma once

#include "base/base.h"

// Bytes of the first extended grapheme cluster of `text` (UAX #29).
size_t smr_grapheme_size(const char *text, size_t size);

bool smr_is_white(uint32_t code); // property White_Space
// The same as the inside of a regular expression's brackets: PCRE2's \s counts U+180E in.
#define SMR_WHITE_CLASS                                                                            \
    "\\t-\\r \\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
bool smr_is_word(uint32_t code); // letters, marks, digits, connectors: a regular expression's \w

// General categories, as bits: Mn, Mc and Me; Cc, Cf, Cs and Co.
enum smr_category { SMR_MARK_NONSPACING = 1, SMR_MARK = 2, SMR_OTHER = 4 };
uint32_t smr_categories(uint32_t code);

// Small letters, each character by itself (İ becomes two, Σ always σ).
void smr_lowercase(const char *text, size_t size, struct smr_string *out);

// UAX #15. O(n log n), long runs of combining marks included.
enum smr_normal_form { SMR_NFD, SMR_NFC, SMR_NFKD, SMR_NFKC };
bool smr_normal_form(enum smr_normal_form form, const char *text, size_t size,
                     struct smr_string *out);
