// regex.h - regular expressions over UTF-8 (PCRE2 with UTF and Unicode properties), with limits on
// what one search may cost.
#pragma once

#include "base/base.h"

struct smr_regex;        // compiled; not changed by use
struct smr_regex_search; // scratch of one thread

// NULL with an error that begins with `name`.
struct smr_regex *smr_regex_create(smr_context *context, const char *name, const char *pattern,
                                   size_t size);
// One that finds `text` itself, which is not empty. NULL: no memory.
struct smr_regex *smr_regex_create_literal(smr_context *context, const char *text, size_t size);
void smr_regex_destroy(struct smr_regex *regex); // accepts NULL

struct smr_regex_search *smr_regex_search_create(smr_context *context);
void smr_regex_search_destroy(struct smr_regex_search *search); // accepts NULL

// Find the first match in `text`, which must be valid UTF-8, from `from` on. An empty match counts,
// but not at `last_end`, where the last match ended (SIZE_MAX: there was none). No match is one
// of size 0 at SIZE_MAX. False with an error when the search takes more than its limits.
bool smr_regex_find(const struct smr_regex *regex, struct smr_regex_search *search,
                    const char *text, size_t size, size_t from, size_t last_end, size_t *start,
                    size_t *end);

// Append `text` with each match replaced by `with`. False as for smr_regex_find().
bool smr_regex_replace(const struct smr_regex *regex, struct smr_regex_search *search,
                       const char *text, size_t size, const char *with, size_t with_size,
                       struct smr_string *out);

// Rewrite an expression of Oniguruma's Ruby syntax, which tokenizer.json files are in, to PCRE2's.
// False with an error that begins with `name` where that can't be done.
bool smr_regex_translate(const char *name, const char *pattern, size_t size,
                         struct smr_string *out);
