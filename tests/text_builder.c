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

// ---- files that GGUF has as strings -----------------------------------------------------------

void text_put_file(struct gguf_builder *builder, const char *key, const void *data, size_t size)
{
    gguf_key(builder, key, GGUF_STRING);
    gguf_put_u64(builder, size);
    gguf_put(builder, data, size);
}

static void put_unit(uint8_t *data, size_t i, uint32_t unit)
{
    for (size_t k = 0; k < 4; k++)
        data[4 + i * 4 + k] = (uint8_t)(unit >> 8 * k);
}

// Node 0 leads to node 'A' (offset 0), which has its value at 'A' ^ 1: place 0 among the strings.
void text_charsmap(uint8_t data[TEXT_CHARSMAP_SIZE])
{
    memset(data, 0, TEXT_CHARSMAP_SIZE);
    data[0] = 66 * 4 & 0xff;
    data[1] = 66 * 4 >> 8;
    put_unit(data, 'A', (uint32_t)'A' | 1U << 8 | 1U << 10);
    put_unit(data, 'A' ^ 1, 1U << 31);
    data[4 + 66 * 4] = 'a';
}

static void base64(const uint8_t *data, size_t size, char *text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0, n_bits = 0;
    for (size_t i = 0; i < size; i++) {
        bits = bits << 8 | data[i];
        for (n_bits += 8; n_bits >= 6; n_bits -= 6)
            *text++ = digits[bits >> (n_bits - 6) & 63];
    }
    if (n_bits)
        *text++ = digits[bits << (6 - n_bits) & 63];
    *text = 0;
}

#define ADDED(id, text, flags)                                                                     \
    "{\"id\":" id ",\"content\":\"" text "\",\"special\":true,\"normalized\":false" flags "}"

static const char *const JSON[TEXT_N_JSON] = {
    "{\"added_tokens\":[" ADDED("0", "</s>", "") "," ADDED(
        "1", "<unk>",
        "") "],"
            "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Precompiled\","
            "\"precompiled_charsmap\":\"%s\"},{\"type\":\"Replace\",\"pattern\":{\"Regex\":\" {2,}\"},"
            "\"content\":\" \"}]},"
            "\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"\\u2581\",\"prepend_scheme\":"
            "\"first\",\"split\":true},"
            "\"decoder\":{\"type\":\"Metaspace\",\"replacement\":\"\\u2581\",\"prepend_scheme\":\"first\"},"
            "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":\"A\"}},"
            "{\"SpecialToken\":{\"id\":\"</s>\"}}],\"special_tokens\":{\"</s>\":{\"ids\":[0]}}},"
            "\"model\":{\"type\":\"Unigram\",\"unk_id\":1,\"vocab\":[[\"</s>\",0],[\"<unk>\",0],"
            "[\"\\u2581\",-2],[\"a\",-3],[\"b\",-3.5],[\"ab\",-4],[\"\\u2581a\",-4.5],[\"aba\",-5]]}}",

    "{\"added_tokens\":[" ADDED("0", "<s>", "") "," ADDED(
        "1", "<mask>",
        ",\"lstrip\":true") ","
                            "{\"id\":9,\"content\":\"ab\",\"normalized\":true,\"single_word\":true,\"rstrip\":true}],"
                            "\"normalizer\":{\"type\":\"NFC\"},"
                            "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":"
                            "{\"Regex\":\"(?i:'s)|\\\\p{L}+|[^\\\\s[b-d]]+$|\\\\s+(?!\\\\S)\"},\"behavior\":\"Isolated\","
                            "\"invert\":false},{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"use_regex\":false}]},"
                            "\"decoder\":{\"type\":\"ByteLevel\"},"
                            "\"post_processor\":{\"type\":\"RobertaProcessing\",\"cls\":[\"<s>\",0],\"sep\":[\"<s>\",0]},"
                            "\"model\":{\"type\":\"BPE\",\"ignore_merges\":true,\"vocab\":{\"<s>\":0,\"<mask>\":1,"
                            "\"\\u0120\":2,\"a\":3,\"b\":4,\"\\u0120a\":5,\"\\u00c3\":6,\"\\u00a9\":7,\"ba\":8},"
                            "\"merges\":[\"\\u0120 a\",[\"b\",\"a\"]]}}",

    "{\"added_tokens\":[" ADDED(
        "0", "<unk>",
        "") "],"
            "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":"
            "\"\\u2581\"},{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\\u2581\"}]},"
            "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{\"String\":"
            "\"\\u2581\"},\"content\":\" \"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},"
            "{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}]},"
            "\"model\":{\"type\":\"BPE\",\"unk_token\":\"<unk>\",\"fuse_unk\":true,\"byte_fallback\":true,"
            "\"vocab\":{\"<unk>\":0,\"<0xC3>\":1,\"<0xA9>\":2,\"\\u2581\":3,\"a\":4,\"b\":5,"
            "\"\\u2581a\":6,\"<0x41>\":7},\"merges\":[\"\\u2581 a\"]}}",

    "{\"added_tokens\":[" ADDED("0", "[UNK]", "") "," ADDED(
        "1", "[SEP]",
        "") "],"
            "\"normalizer\":{\"type\":\"BertNormalizer\"},\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},"
            "\"decoder\":{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true},"
            "\"post_processor\":{\"type\":\"BertProcessing\",\"cls\":[\"[SEP]\",1],\"sep\":[\"[SEP]\",1]},"
            "\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"max_input_chars_per_word\":8,"
            "\"vocab\":{\"[UNK]\":0,\"[SEP]\":1,\"a\":2,\"##b\":3,\"##ba\":4,\"ab\":5,\"!\":6}}}",

    "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFKD\"},{\"type\":"
    "\"StripAccents\"},{\"type\":\"Lowercase\"},{\"type\":\"Nmt\"},{\"type\":\"Strip\"}]},"
    "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Whitespace\"},"
    "{\"type\":\"Punctuation\",\"behavior\":\"Contiguous\"},{\"type\":\"Digits\"},"
    "{\"type\":\"Split\",\"pattern\":{\"String\":\"b\"},\"behavior\":\"MergedWithPrevious\"},"
    "{\"type\":\"CharDelimiterSplit\",\"delimiter\":\"x\"}]},"
    "\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"?\",\"vocab\":{\"?\":0,\"a\":1,\"##b\":2}}}",
};

const char *text_json(unsigned index)
{
    static char text[1 << 13];
    static char map[TEXT_CHARSMAP_SIZE * 2];
    uint8_t data[TEXT_CHARSMAP_SIZE];
    text_charsmap(data);
    base64(data, sizeof(data), map);
    const char *at = strstr(JSON[index], "%s");
    size_t n = at ? (size_t)(at - JSON[index]) : strlen(JSON[index]);
    snprintf(text, sizeof(text), "%.*s%s%s", (int)n, JSON[index], at ? map : "", at ? at + 2 : "");
    return text;
}

// A field of bytes; all are shorter than 2^14.
static size_t put_field(uint8_t *to, unsigned number, const void *data, size_t size)
{
    size_t n = 0;
    to[n++] = (uint8_t)(number << 3 | 2);
    to[n++] = (uint8_t)(size & 0x7f) | 0x80;
    to[n++] = (uint8_t)(size >> 7);
    memcpy(to + n, data, size);
    return n + size;
}

static size_t put_piece(uint8_t *to, const struct text_token *piece)
{
    uint8_t fields[64];
    size_t n = put_field(fields, 1, piece->text, strlen(piece->text));
    fields[n++] = 2 << 3 | 5;
    memcpy(fields + n, &piece->score, 4); // on machines of the same byte order
    n += 4;
    fields[n++] = 3 << 3;
    fields[n++] = (uint8_t)piece->type;
    return put_field(to, 1, fields, n);
}

static const struct text_token PIECES[] = {
    {"<unk>", 0, UNKNOWN}, {"<s>", 0, CONTROL}, {"</s>", 0, CONTROL},   {SP, -2, NORMAL},
    {"h", -3, NORMAL},     {"e", -3, NORMAL},   {"l", -3, NORMAL},      {"o", -3, NORMAL},
    {"a", -3, NORMAL},     {"he", -4, NORMAL},  {SP "he", -5, NORMAL},  {"llo", -6, NORMAL},
    {"lo", -5, NORMAL},    {"<x>", 0, USER},    {"<0x41>", -9, UNUSED},
};

size_t text_sentencepiece(unsigned type, uint8_t *data, size_t capacity)
{
    uint8_t map[TEXT_CHARSMAP_SIZE], fields[TEXT_CHARSMAP_SIZE + 16];
    size_t n = 0;
    if (capacity < TEXT_CHARSMAP_SIZE + 1024)
        abort();
    for (size_t i = 0; i < sizeof(PIECES) / sizeof(PIECES[0]); i++)
        n += put_piece(data + n, &PIECES[i]);
    const uint8_t trainer[] = {3 << 3, (uint8_t)type};
    n += put_field(data + n, 2, trainer, sizeof(trainer));
    text_charsmap(map);
    size_t n_fields = put_field(fields, 2, map, sizeof(map));
    return n + put_field(data + n, 3, fields, n_fields);
}

void text_t5(struct gguf_builder *builder, const void *charsmap, size_t size)
{
    size_t n = sizeof(PIECES) / sizeof(PIECES[0]);
    gguf_key_string(builder, "tokenizer.ggml.model", "t5");
    text_put_tokens(builder, PIECES, n, n);
    gguf_key_u32(builder, "tokenizer.ggml.eos_token_id", 2);
    gguf_key_u32(builder, "tokenizer.ggml.unknown_token_id", 0);
    gguf_key_array(builder, "tokenizer.ggml.precompiled_charsmap", GGUF_U8, size);
    gguf_put(builder, charsmap, size);
}
