// text_builder.c - tiny vocabularies.
#include "text_builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NORMAL = 1, UNKNOWN, CONTROL, USER, UNUSED, BYTE }; // tokenizer.ggml.token_type

static void put_f32(struct gguf_builder *builder, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    gguf_put_u32(builder, bits);
}

void text_put_tokens(struct gguf_builder *builder, const struct text_token *tokens, size_t n,
                     size_t n_numbers)
{
    gguf_key_array(builder, "tokenizer.ggml.tokens", GGUF_STRING, n);
    for (size_t i = 0; i < n; i++)
        gguf_put_string(builder, tokens[i].text);
    gguf_key_array(builder, "tokenizer.ggml.scores", GGUF_F32, n_numbers);
    for (size_t i = 0; i < n_numbers; i++)
        put_f32(builder, tokens[i < n ? i : 0].score);
    gguf_key_array(builder, "tokenizer.ggml.token_type", GGUF_I32, n_numbers);
    for (size_t i = 0; i < n_numbers; i++)
        gguf_put_u32(builder, (uint32_t)tokens[i < n ? i : 0].type);
}

// ---- SentencePiece-style ----------------------------------------------------------------------

#define SP "\xe2\x96\x81"

const struct text_token TEXT_SPM_PIECES[] = {
    {SP, -10, NORMAL},          {"a", -11, NORMAL},
    {"b", -12, NORMAL},         {"c", -13, NORMAL},
    {"h", -14, NORMAL},         {"i", -15, NORMAL},
    {"\xc3\xa9", -16, NORMAL}, // é
    {"ab", -1, NORMAL},         {"bc", -2, NORMAL},
    {"hi", -3, NORMAL},         {SP "hi", -4, NORMAL},
    {SP "a", -5, NORMAL},       {"aa", -6, NORMAL},
    {"aaaa", -7, NORMAL},       {"abc", -8, NORMAL},
    {"\n\n", 0, USER},          {"  ", 0, USER},
    {"<tag>", 0, USER},         {"<tag>x", 0, CONTROL},
    {"<|im_end|>", 0, CONTROL}, {"hib", 0, CONTROL}, // a text that pieces could spell
};
const size_t TEXT_SPM_N_PIECES = sizeof(TEXT_SPM_PIECES) / sizeof(TEXT_SPM_PIECES[0]);

int32_t text_spm_id(const char *text)
{
    for (size_t i = 0; i < TEXT_SPM_N_PIECES; i++)
        if (!strcmp(TEXT_SPM_PIECES[i].text, text))
            return TEXT_SPM_FIRST + (int32_t)i;
    abort();
}

void text_spm(struct gguf_builder *builder)
{
    struct text_token tokens[TEXT_SPM_FIRST + 32] = {
        {"<unk>", 0, UNKNOWN}, {"<s>", 0, CONTROL}, {"</s>", 0, CONTROL}};
    char names[256][8];
    for (int i = 0; i < 256; i++) {
        snprintf(names[i], sizeof(names[i]), "<0x%02X>", i);
        tokens[3 + i] = (struct text_token){names[i], 0, BYTE};
    }
    memcpy(tokens + TEXT_SPM_FIRST, TEXT_SPM_PIECES, sizeof(TEXT_SPM_PIECES));
    size_t n = TEXT_SPM_FIRST + TEXT_SPM_N_PIECES;
    gguf_key_string(builder, "tokenizer.ggml.model", "llama");
    text_put_tokens(builder, tokens, n, n);
    gguf_key_u32(builder, "tokenizer.ggml.bos_token_id", 1);
    gguf_key_u32(builder, "tokenizer.ggml.eos_token_id", 2);
    gguf_key_u32(builder, "tokenizer.ggml.unknown_token_id", 0);
}

// ---- byte-level -------------------------------------------------------------------------------

#define G "\xc4\xa0" // Ġ, the letter of a space

const struct text_token TEXT_BPE_TOKENS[] = {
    {"he", 0, NORMAL},
    {"ll", 0, NORMAL},
    {"hell", 0, NORMAL},
    {"hello", 0, NORMAL},
    {G "w", 0, NORMAL},
    {"or", 0, NORMAL},
    {G "wor", 0, NORMAL},
    {"\xc3\x83\xc2\xa9", 0, NORMAL}, // Ã©, the letters of é
    {"aa", 0, NORMAL},
    {"aaaa", 0, NORMAL},
    {"whole", 0, NORMAL}, // no merge makes it
    {"<|im_start|>", 0, CONTROL},
    {"<|im_end|>", 0, CONTROL},
    {"<tool>", 0, USER},
    {"<tool>s", 0, USER},
};
const size_t TEXT_BPE_N_TOKENS = sizeof(TEXT_BPE_TOKENS) / sizeof(TEXT_BPE_TOKENS[0]);

static const char *const MERGES[] = {
    "h e", "l l",   "he ll", "hell o", "\xc4\xa0 w", "o r", "\xc4\xa0w or", "\xc3\x83 \xc2\xa9",
    "a a", "aa aa",
};

int32_t text_bpe_id(const char *text)
{
    for (size_t i = 0; i < TEXT_BPE_N_TOKENS; i++)
        if (!strcmp(TEXT_BPE_TOKENS[i].text, text))
            return TEXT_BPE_FIRST + (int32_t)i;
    abort();
}

// The byte-level alphabet in its original words: visible bytes stand for themselves, the others are
// numbered from U+0100.
static void make_letters(char letters[256][3])
{
    unsigned next = 0x100;
    for (unsigned i = 0; i < 256; i++) {
        unsigned code = i;
        if (!((i >= '!' && i <= '~') || (i >= 0xa1 && i <= 0xac) || i >= 0xae))
            code = next++;
        snprintf(letters[i], 3, "%c%c", code < 0x80 ? (int)code : (int)(0xc0 | code >> 6),
                 code < 0x80 ? 0 : (int)(0x80 | (code & 0x3f)));
    }
}

void text_bpe(struct gguf_builder *builder, const char *pre)
{
    struct text_token tokens[TEXT_BPE_FIRST + 32];
    char letters[256][3];
    make_letters(letters);
    for (int i = 0; i < 256; i++)
        tokens[i] = (struct text_token){letters[i], 0, NORMAL};
    memcpy(tokens + TEXT_BPE_FIRST, TEXT_BPE_TOKENS, sizeof(TEXT_BPE_TOKENS));
    size_t n = TEXT_BPE_FIRST + TEXT_BPE_N_TOKENS, n_merges = sizeof(MERGES) / sizeof(MERGES[0]);
    gguf_key_string(builder, "tokenizer.ggml.model", "gpt2");
    if (pre)
        gguf_key_string(builder, "tokenizer.ggml.pre", pre);
    text_put_tokens(builder, tokens, n, n);
    gguf_key_array(builder, "tokenizer.ggml.merges", GGUF_STRING, n_merges);
    for (size_t i = 0; i < n_merges; i++)
        gguf_put_string(builder, MERGES[i]);
    gguf_key_u32(builder, "tokenizer.ggml.bos_token_id", (uint32_t)text_bpe_id("<|im_start|>"));
    gguf_key_u32(builder, "tokenizer.ggml.eos_token_id", (uint32_t)text_bpe_id("<|im_end|>"));
}
