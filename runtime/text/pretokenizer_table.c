// pretokenizer_table.c - how each family cuts a text into words.
//
// The expressions are those the families publish in their tokenizer.json files or code, the names
// are those GGUF files use (llama.cpp, src/llama-vocab.cpp and convert_hf_to_gguf_update.py). White
// space is spelled out (unicode.h tells why).
#include "text/pretokenizer_table.h"
#include "text/unicode.h"

#define WS           SMR_WHITE_CLASS
#define LAST_SPACES  "[" WS "]+(?![^" WS "])|[" WS "]+"
#define LINES        "[" WS "]*[\\r\\n]+|"
#define SUFFIX       "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define WORD         "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|"
#define SYMBOLS      " ?[^" WS "\\p{L}\\p{N}]+"
#define ASCII_SYMBOL "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~]"

#define GPT2   "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+|" SYMBOLS "|" LAST_SPACES
#define LLAMA3 SUFFIX "|" WORD "\\p{N}{1,3}|" SYMBOLS "[\\r\\n]*|" LINES LAST_SPACES
#define QWEN2  SUFFIX "|" WORD "\\p{N}|" SYMBOLS "[\\r\\n]*|" LINES LAST_SPACES

// Words by case, as GPT-4o and Mistral's tekken cut them: capitals, then small letters.
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define CASED(upper, lower, suffix)                                                                \
    "[^\\r\\n\\p{L}\\p{N}]?" upper "*" lower "+" suffix "|"                                        \
    "[^\\r\\n\\p{L}\\p{N}]?" upper "+" lower "*" suffix "|"
#define GPT4O  CASED(UPPER, LOWER, SUFFIX "?") "\\p{N}{1,3}|" SYMBOLS "[\\r\\n/]*|" LINES LAST_SPACES
#define TEKKEN CASED(UPPER, LOWER, "") "\\p{N}|" SYMBOLS "[\\r\\n/]*|" LINES LAST_SPACES
#define YOUTU  CASED(UPPER, LOWER, SUFFIX "?") "\\p{N}|" SYMBOLS "[\\r\\n/]*|" LINES LAST_SPACES
// The same without Han, which are words of their own: set differences written as complements.
#define UPPER_NOT_HAN "[^\\p{Ll}\\p{N}\\p{P}\\p{S}\\p{Z}\\p{C}\\p{sc:Han}]"
#define LOWER_NOT_HAN "[^\\p{Lu}\\p{Lt}\\p{N}\\p{P}\\p{S}\\p{Z}\\p{C}\\p{sc:Han}]"
#define KIMI                                                                                       \
    "\\p{sc:Han}+|" CASED(UPPER_NOT_HAN, LOWER_NOT_HAN, SUFFIX "?") "\\p{N}{1,3}|" SYMBOLS         \
                                                                    "[\\r\\n]*|" LINES LAST_SPACES

#define CASED_LETTERS                                                                              \
    "A-Za-z\\x{b5}\\x{c0}-\\x{d6}\\x{d8}-\\x{f6}\\x{f8}-\\x{1ba}\\x{1bc}-\\x{1bf}"                 \
    "\\x{1c4}-\\x{293}\\x{295}-\\x{2af}\\x{370}-\\x{373}\\x{376}-\\x{377}"                         \
    "\\x{37b}-\\x{37d}\\x{37f}\\x{386}\\x{388}-\\x{38a}\\x{38c}\\x{38e}-\\x{3a1}"                  \
    "\\x{3a3}-\\x{3f5}\\x{3f7}-\\x{481}\\x{48a}-\\x{52f}\\x{531}-\\x{556}"                         \
    "\\x{10a0}-\\x{10c5}\\x{13a0}-\\x{13f5}\\x{13f8}-\\x{13fd}\\x{1c90}-\\x{1cba}"                 \
    "\\x{1cbd}-\\x{1cbf}\\x{1d00}-\\x{1d2b}\\x{1d6b}-\\x{1d77}\\x{1d79}-\\x{1d9a}"                 \
    "\\x{1e00}-\\x{1f15}\\x{1f18}-\\x{1f1d}\\x{1f20}-\\x{1f45}\\x{1f48}-\\x{1f4d}"                 \
    "\\x{1f50}-\\x{1f57}\\x{1f59}\\x{1f5b}\\x{1f5d}\\x{1f5f}-\\x{1f7d}\\x{1f80}-\\x{1fb4}"         \
    "\\x{1fb6}-\\x{1fbc}\\x{1fbe}\\x{1fc2}-\\x{1fc4}\\x{1fc6}-\\x{1fcc}"                           \
    "\\x{1fd0}-\\x{1fd3}\\x{1fd6}-\\x{1fdb}\\x{1fe0}-\\x{1fec}\\x{1ff2}-\\x{1ff4}"                 \
    "\\x{1ff6}-\\x{1ffc}\\x{2102}\\x{2107}\\x{210a}-\\x{2113}\\x{2115}\\x{2119}-\\x{211d}"         \
    "\\x{2124}\\x{2126}\\x{2128}\\x{212a}-\\x{212d}\\x{212f}-\\x{2134}\\x{2139}"                   \
    "\\x{213c}-\\x{213f}\\x{2145}-\\x{2149}\\x{214e}\\x{2183}-\\x{2184}"                           \
    "\\x{2c00}-\\x{2c7b}\\x{2c7e}-\\x{2ce4}\\x{2ceb}-\\x{2cee}\\x{2cf2}-\\x{2cf3}"                 \
    "\\x{a640}-\\x{a66d}\\x{a680}-\\x{a69b}\\x{a722}-\\x{a76f}\\x{a771}-\\x{a787}"                 \
    "\\x{a78b}-\\x{a78e}\\x{ab70}-\\x{abbf}\\x{fb00}-\\x{fb06}\\x{fb13}-\\x{fb17}"                 \
    "\\x{ff21}-\\x{ff3a}\\x{ff41}-\\x{ff5a}\\x{10400}-\\x{1044f}\\x{104b0}-\\x{104d3}"             \
    "\\x{104d8}-\\x{104fb}\\x{10c80}-\\x{10cb2}\\x{10cc0}-\\x{10cf2}\\x{118a0}-\\x{118df}"         \
    "\\x{1e900}-\\x{1e943}"

const struct smr_pretokenizer_set smr_pretokenizer_sets[] = {
    [SMR_PRE_DEFAULT] = {{"[\\p{P}$+<=>^~|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"}},
    [SMR_PRE_GPT2] = {{GPT2}},
    [SMR_PRE_DIGITS_GPT2] = {{"\\p{N}", GPT2}},
    [SMR_PRE_FALCON] = {{"[\\p{P}$+<=>^~|`]+", GPT2, "[0-9][0-9][0-9]"}},
    [SMR_PRE_LLAMA3] = {{LLAMA3}},
    [SMR_PRE_QWEN2] = {{QWEN2}},
    [SMR_PRE_QWEN35] = {{SUFFIX "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^" WS
                                "\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" LINES LAST_SPACES}},
    [SMR_PRE_DEEPSEEK_LLM] = {{"[\\r\\n]", "[" WS "]?[" CASED_LETTERS "]+",
                               "[" WS "]?[!-/:-~\\x{ff01}-\\x{ff0f}\\x{ff1a}-\\x{ff5e}"
                               "\\x{2018}-\\x{201f}\\x{3000}-\\x{3002}]+",
                               // "\s+$", with a lookbehind that keeps long runs linear
                               "(?<![" WS "])[" WS "]++\\z",
                               "[\\x{4e00}-\\x{9fa5}\\x{800}-\\x{4e00}\\x{ac00}-\\x{d7ff}]+",
                               "\\p{N}+"}},
    [SMR_PRE_DEEPSEEK_CODER] = {{"[\\r\\n]", "[" WS "]?\\p{L}+", "[" WS "]?\\p{P}+",
                                 "[\\x{4e00}-\\x{9fa5}\\x{800}-\\x{4e00}\\x{ac00}-\\x{d7ff}]+",
                                 "\\p{N}"}},
    [SMR_PRE_DEEPSEEK_V3] = {{"\\p{N}{1,3}", "[\\x{4e00}-\\x{9fa5}\\x{3040}-\\x{30ff}]+",
                              ASCII_SYMBOL "[A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|"
                                           " ?[\\p{P}\\p{S}]+[\\r\\n]*|" LINES LAST_SPACES}},
    [SMR_PRE_YOUTU] = {{"[\\x{ac00}-\\x{d7a3}\\x{3131}-\\x{318e}]+|"
                        "[\\x{ff01}\\x{2026}\\x{201c}\\x{201d}\\x{2018}\\x{2019}\\x{2014}\\x{ff1a}"
                        "\\x{ff1b}\\x{ff0c}\\x{3001}-\\x{303f}\\x{fe30}-\\x{fe4f}]+|"
                        "[\\x{3105}-\\x{312f}]+|[\\x{4e00}-\\x{9fa5}\\x{3040}-\\x{30ff}]+",
                        YOUTU}},
    [SMR_PRE_BLOOM] = {{" ?[^(" WS "|.,!?\\x{2026}\\x{3002}\\x{ff0c}\\x{3001}\\x{964}\\x{6d4}"
                        "\\x{60c})]+"}},
    [SMR_PRE_VIKING] = {{" ?[^(" WS "|.,!?\\x{2026}\\x{3002}\\x{ff0c}\\x{3001}\\x{964}\\x{6d4}"
                         "\\x{60c})]+",
                         "\\p{N}"}},
    [SMR_PRE_TEKKEN] = {{TEKKEN}},
    [SMR_PRE_GPT4O] = {{GPT4O}},
    [SMR_PRE_KIMI_K2] = {{KIMI}},
    [SMR_PRE_CHAMELEON] = {{"<sentinel:[0-9]+>", "IMGIMG[A-I]{1,4}Z", "[\\t\\n]|    |  ", "\\p{N}",
                            "[\\p{P}!-/:-@\\[-`{-~]", GPT2}},
    [SMR_PRE_BAILING] = {{"'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}| ?[^" WS
                          "\\p{L}\\p{N}]++[\\r\\n]*|[" WS "]*[\\r\\n]|" LAST_SPACES}},
    [SMR_PRE_SEED_CODER] = {{SUFFIX "|" WORD "\\p{N}|" SYMBOLS "|" LINES LAST_SPACES}},
    // Possessive: nothing follows the letters, so there is nothing to give back.
    [SMR_PRE_EXAONE_MOE] = {{SUFFIX
                             "|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*+(?: \\p{L}\\p{M}*+)*+)++|"
                             "\\p{N}|" SYMBOLS "[\\r\\n/]?|[" WS "]*[\\r\\n]|" LAST_SPACES}},
    [SMR_PRE_MINICPM5] = {{"\\p{N}{1,3}",
                           SUFFIX "|" WORD "\\p{N}+|" SYMBOLS "[\\r\\n]*|" LINES LAST_SPACES}},
};

const struct smr_pretokenizer_row smr_pretokenizer_rows[] = {
    {"default", SMR_PRE_DEFAULT},
    {"gpt-2", SMR_PRE_GPT2},
    {"phi-2", SMR_PRE_GPT2},
    {"mpt", SMR_PRE_GPT2},
    {"olmo", SMR_PRE_GPT2},
    {"jais", SMR_PRE_GPT2},
    {"gigachat", SMR_PRE_GPT2},
    {"trillion", SMR_PRE_GPT2},
    {"granite-docling", SMR_PRE_GPT2},
    {"exaone4", SMR_PRE_GPT2},
    {"a.x-4.0", SMR_PRE_GPT2},
    {"mellum", SMR_PRE_GPT2},
    {"laguna", SMR_PRE_GPT2},
    {"modern-bert", SMR_PRE_GPT2},
    {"smollm", SMR_PRE_DIGITS_GPT2},
    {"starcoder", SMR_PRE_DIGITS_GPT2},
    {"refact", SMR_PRE_DIGITS_GPT2},
    {"command-r", SMR_PRE_DIGITS_GPT2},
    {"codeshell", SMR_PRE_DIGITS_GPT2},
    {"exaone", SMR_PRE_DIGITS_GPT2},
    {"minerva-7b", SMR_PRE_DIGITS_GPT2},
    {"mellum2", SMR_PRE_DIGITS_GPT2},
    {"falcon", SMR_PRE_FALCON},
    {"llama-bpe", SMR_PRE_LLAMA3, SMR_PRE_IGNORE_MERGES | SMR_PRE_ADD_BOS},
    {"llama3", SMR_PRE_LLAMA3, SMR_PRE_IGNORE_MERGES | SMR_PRE_ADD_BOS},
    {"llama-v3", SMR_PRE_LLAMA3, SMR_PRE_IGNORE_MERGES | SMR_PRE_ADD_BOS},
    {"falcon3", SMR_PRE_LLAMA3, SMR_PRE_IGNORE_MERGES | SMR_PRE_ADD_BOS},
    {"falcon-h1", SMR_PRE_LLAMA3, SMR_PRE_IGNORE_MERGES | SMR_PRE_ADD_BOS},
    {"pixtral", SMR_PRE_LLAMA3, SMR_PRE_IGNORE_MERGES | SMR_PRE_ADD_BOS},
    {"midm-2.0", SMR_PRE_LLAMA3, SMR_PRE_IGNORE_MERGES | SMR_PRE_ADD_BOS},
    {"lfm2", SMR_PRE_LLAMA3, SMR_PRE_IGNORE_MERGES | SMR_PRE_ADD_BOS},
    {"dbrx", SMR_PRE_LLAMA3},
    {"smaug-bpe", SMR_PRE_LLAMA3},
    {"chatglm-bpe", SMR_PRE_LLAMA3},
    {"glm4", SMR_PRE_LLAMA3},
    {"qwen2", SMR_PRE_QWEN2},
    {"deepseek-r1-qwen", SMR_PRE_QWEN2},
    {"kormo", SMR_PRE_QWEN2},
    {"f2llmv2", SMR_PRE_QWEN2},
    {"stablelm2", SMR_PRE_QWEN2},
    {"hunyuan", SMR_PRE_QWEN2},
    {"solar-open", SMR_PRE_QWEN2},
    {"megrez", SMR_PRE_QWEN2},
    {"grok-2", SMR_PRE_QWEN2},
    {"qwen35", SMR_PRE_QWEN35},
    {"deepseek-llm", SMR_PRE_DEEPSEEK_LLM},
    {"deepseek-coder", SMR_PRE_DEEPSEEK_CODER},
    {"deepseek-v3", SMR_PRE_DEEPSEEK_V3},
    {"hunyuan-dense", SMR_PRE_DEEPSEEK_V3},
    {"joyai-llm", SMR_PRE_DEEPSEEK_V3},
    {"youtu", SMR_PRE_YOUTU, SMR_PRE_IGNORE_MERGES},
    {"poro-chat", SMR_PRE_BLOOM},
    {"bloom", SMR_PRE_BLOOM},
    {"gpt3-finnish", SMR_PRE_BLOOM},
    {"viking", SMR_PRE_VIKING},
    {"tekken", SMR_PRE_TEKKEN, SMR_PRE_IGNORE_MERGES | SMR_PRE_ADD_BOS},
    {"gpt-4o", SMR_PRE_GPT4O},
    {"llama4", SMR_PRE_GPT4O},
    {"kanana2", SMR_PRE_GPT4O},
    {"talkie", SMR_PRE_GPT4O},
    {"minimax-m2", SMR_PRE_GPT4O},
    {"granite-embed-multi-97m", SMR_PRE_GPT4O, SMR_PRE_IGNORE_MERGES},
    {"kimi-k2", SMR_PRE_KIMI_K2},
    {"chameleon", SMR_PRE_CHAMELEON, SMR_PRE_ADD_BOS},
    {"bailingmoe", SMR_PRE_BAILING},
    {"bailingmoe2", SMR_PRE_BAILING},
    {"llada-moe", SMR_PRE_BAILING},
    {"seed-coder", SMR_PRE_SEED_CODER},
    {"exaone-moe", SMR_PRE_EXAONE_MOE},
    {"minicpm5", SMR_PRE_MINICPM5, SMR_PRE_IGNORE_MERGES},
};
const size_t smr_pretokenizer_n_rows =
    sizeof(smr_pretokenizer_rows) / sizeof(smr_pretokenizer_rows[0]);

const char smr_pretokenizer_probe[] =
    "Hello world, it's we'LL I'M they're DON'T x'd 'sa  two   three    four \n \n\n\n a\n  b \r\n\r\n"
    "\tTabs\t\tand \t mix \n1 12 123 1234 12345 1234567 3.14 1,000 a1b2 \xc2\xbd \xe2\x85\xa7 "
    "\xd9\xa3\xd9\xa4 camelCase HTTPServer snake_case XMLHttpRequest iOS \xc3\x84\xc3\xb6 "
    "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82 \xe4\xbd\xa0\xe5\xa5\xbd\xe4\xb8\x96\xe7\x95\x8c "
    "a\xe4\xb8\xad b \xe3\x81\x82\xe3\x82\xa2 \xed\x95\x9c\xea\xb5\xad\xec\x96\xb4 "
    "\xe0\xa4\x95\xe0\xa5\x8d\xe0\xa4\xb7\xe0\xa4\xbf \xe0\xb8\xa0\xe0\xb8\xb2\xe0\xb8\xa9 "
    "e\xcc\x81t\xc3\xa9 \xf0\x9f\x98\x80\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9 !!! ?! ... -- "
    "(x) [y] {z} <b></b> a+b=c $5 50% #tag @me a/b //c \\d \"q\" `code` ~ ^ & * |or| "
    "\xe2\x80\x9cq\xe2\x80\x9d \xe2\x80\xa6 \xe3\x80\x82\xef\xbc\x8c\xef\xbc\x81 "
    ".a ,b !c\n/d =\n\n+e \xc2\xa0 \xe3\x80\x80 \xe2\x82\xac \xc2\xb2 words,with;marks: end.\n   ";
