// pretokenizer_table.h - the data of pretokenizer.c: expressions and the names of their users.
#pragma once

#include "text/pretokenizer.h"

enum smr_pretokenizer_id {
    SMR_PRE_DEFAULT, // what files from before the key existed mean
    SMR_PRE_GPT2,
    SMR_PRE_DIGITS_GPT2, // digits one by one
    SMR_PRE_FALCON,
    SMR_PRE_LLAMA3,
    SMR_PRE_QWEN2,
    SMR_PRE_QWEN35,
    SMR_PRE_DEEPSEEK_LLM,
    SMR_PRE_DEEPSEEK_CODER,
    SMR_PRE_DEEPSEEK_V3,
    SMR_PRE_YOUTU,
    SMR_PRE_BLOOM,
    SMR_PRE_VIKING,
    SMR_PRE_TEKKEN,
    SMR_PRE_GPT4O,
    SMR_PRE_KIMI_K2,
    SMR_PRE_CHAMELEON,
    SMR_PRE_BAILING,
    SMR_PRE_SEED_CODER,
    SMR_PRE_EXAONE_MOE,
    SMR_PRE_MINICPM5,
};

enum { SMR_PRE_MAX_PATTERNS = 6 };

// Expressions (PCRE2 syntax, UTF and UCP) in the order of their use; NULL after the last.
struct smr_pretokenizer_set {
    const char *patterns[SMR_PRE_MAX_PATTERNS];
};
extern const struct smr_pretokenizer_set smr_pretokenizer_sets[]; // by smr_pretokenizer_id

struct smr_pretokenizer_row {
    const char *name; // tokenizer.ggml.pre
    enum smr_pretokenizer_id id;
    uint32_t flags; // enum smr_pretokenizer_flags
};
extern const struct smr_pretokenizer_row smr_pretokenizer_rows[];
extern const size_t smr_pretokenizer_n_rows;

// A text with something for each expression in it, which tells all the sets apart.
extern const char smr_pretokenizer_probe[];
