// vocab.c - what a vocabulary is made of, whatever file it came from: look-up by text, the bytes of
// its tokens, tokens that end a text.
#include "text/vocab.h"
#include "text/letters.h"

#include <stdio.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

// ---- tokens -----------------------------------------------------------------------------------

bool smr_vocab_reserve(struct smr_vocab *vocab, size_t n)
{
    smr_context *context = vocab->context;
    if (!n || n > SMR_VOCAB_MAX_TOKENS)
        return smr_fail(context, SMR_ERROR_MODEL, "%s: a vocabulary of %zu tokens, not 1 to %d",
                        vocab->path, n, (int)SMR_VOCAB_MAX_TOKENS);
    vocab->texts.at = smr_alloc(context, n + 1, sizeof(*vocab->texts.at), "token texts");
    vocab->bytes.at = smr_alloc(context, n + 1, sizeof(*vocab->bytes.at), "token texts");
    vocab->types = smr_alloc(context, n, 1, "token types");
    vocab->cuts = smr_alloc(context, n, 1, "token types");
    return vocab->texts.at && vocab->bytes.at && vocab->types && vocab->cuts;
}

bool smr_vocab_add(struct smr_vocab *vocab, const char *text, size_t size, enum smr_token_type type)
{
    if (size > INT32_MAX - vocab->texts.data.size)
        return smr_fail(vocab->context, SMR_ERROR_MODEL,
                        "%s: a vocabulary of more than 2 GiB of text", vocab->path);
    smr_string_add(&vocab->texts.data, text, size);
    vocab->types[vocab->n_tokens++] = (uint8_t)type;
    vocab->texts.at[vocab->n_tokens] = (uint32_t)vocab->texts.data.size;
    vocab->max_text = smr_max_u32(vocab->max_text, (uint32_t)size);
    return !vocab->texts.data.failed;
}

// ---- look-up by text --------------------------------------------------------------------------

static uint32_t hash_text(const char *text, size_t size)
{
    return (uint32_t)XXH3_64bits(text, size);
}

int32_t smr_vocab_find(const struct smr_vocab *vocab, const char *text, size_t size)
{
    if (!size || size > vocab->max_text)
        return -1;
    uint32_t hash = hash_text(text, size);
    for (uint32_t i = hash & vocab->slot_mask;; i = (i + 1) & vocab->slot_mask) {
        const struct smr_text_slot *slot = &vocab->slots[i];
        if (slot->token < 0)
            return -1;
        if (slot->hash != hash)
            continue;
        size_t n;
        const char *other = smr_string_table_get(&vocab->texts, (uint32_t)slot->token, &n);
        if (n == size && !memcmp(other, text, size))
            return slot->token;
    }
}

// The first of several tokens with the same text is the one that is found.
bool smr_vocab_index(struct smr_vocab *vocab)
{
    uint32_t capacity = 16;
    while (capacity < vocab->n_tokens + vocab->n_tokens / 2)
        capacity *= 2;
    vocab->slots = smr_alloc(vocab->context, capacity, sizeof(*vocab->slots), "token table");
    if (!vocab->slots)
        return false;
    vocab->slot_mask = capacity - 1;
    for (uint32_t i = 0; i < capacity; i++)
        vocab->slots[i].token = -1;
    for (uint32_t token = 0; token < vocab->n_tokens; token++) {
        size_t size;
        const char *text = smr_string_table_get(&vocab->texts, token, &size);
        if (!size || smr_vocab_find(vocab, text, size) >= 0)
            continue;
        uint32_t hash = hash_text(text, size), i = hash & vocab->slot_mask;
        while (vocab->slots[i].token >= 0)
            i = (i + 1) & vocab->slot_mask;
        vocab->slots[i] = (struct smr_text_slot){.hash = hash, .token = (int32_t)token};
    }
    return true;
}

// ---- bytes ------------------------------------------------------------------------------------

// The value of "<0x0A>", or -1.
static int parse_byte(const char *text, size_t size)
{
    if (size != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>')
        return -1;
    int value = 0;
    for (int i = 3; i < 5; i++) {
        const char *digits = "0123456789abcdef0123456789ABCDEF";
        const char *digit = text[i] ? strchr(digits, text[i]) : NULL;
        if (!digit)
            return -1;
        value = value * 16 + (int)(digit - digits) % 16;
    }
    return value;
}

// U+2581 becomes a space.
static void unescape(const char *text, size_t size, struct smr_string *bytes)
{
    while (size) {
        bool space = size >= 3 && !memcmp(text, "\xe2\x96\x81", 3);
        const char *next = size > 1 ? memchr(text + 1, '\xe2', size - 1) : NULL;
        size_t n = space ? 3 : next ? (size_t)(next - text) : size;
        smr_string_add(bytes, space ? " " : text, space ? 1 : n);
        text += n;
        size -= n;
    }
}

static void add_bytes(struct smr_vocab *vocab, uint32_t token)
{
    struct smr_string *bytes = &vocab->bytes.data;
    size_t size;
    const char *text = smr_string_table_get(&vocab->texts, token, &size);
    uint8_t type = vocab->types[token];
    int byte = type == SMR_TOKEN_BYTE ? parse_byte(text, size) : -1;
    bool literal = type == SMR_TOKEN_CONTROL || type == SMR_TOKEN_UNKNOWN;
    if (byte >= 0)
        smr_string_add(bytes, &(char){(char)byte}, 1);
    else if (vocab->kind != SMR_VOCAB_BPE && !literal)
        unescape(text, size, bytes);
    else if (literal || type == SMR_TOKEN_USER_DEFINED || !smr_letters_decode(text, size, bytes))
        smr_string_add(bytes, text, size);
}

// A text without the space that stands before its first word.
static bool load_starts(struct smr_vocab *vocab)
{
    for (uint32_t i = 0; i < vocab->n_tokens; i++) {
        size_t size;
        const char *bytes = smr_string_table_get(&vocab->bytes, i, &size);
        uint8_t type = vocab->types[i];
        bool word = type == SMR_TOKEN_NORMAL || type == SMR_TOKEN_USER_DEFINED;
        size_t skip = word && size && bytes[0] == ' ';
        smr_string_add(&vocab->starts.data, bytes + skip, size - skip);
        vocab->starts.at[i + 1] = (uint32_t)vocab->starts.data.size;
    }
    return !vocab->starts.data.failed;
}

// What the decoder makes of all tokens, in the middle and at the beginning of a text.
static bool decode_all(struct smr_vocab *vocab)
{
    struct smr_string scratch[2];
    struct smr_regex_search *search = smr_regex_search_create(vocab->context);
    bool ok = search;
    smr_string_init(&scratch[0], vocab->context);
    smr_string_init(&scratch[1], vocab->context);
    for (uint32_t i = 0; ok && i < 2 * vocab->n_tokens; i++) {
        bool first = i >= vocab->n_tokens;
        uint32_t token = first ? i - vocab->n_tokens : i;
        struct smr_string_table *table = first ? &vocab->starts : &vocab->bytes;
        size_t size;
        bool normalized = vocab->cuts[token] & SMR_CUT_NORMALIZED; // tokenizers decodes this form
        const char *text =
            smr_string_table_get(normalized ? &vocab->normalized : &vocab->texts, token, &size);
        ok = smr_decoder_run(&vocab->decoder, search, text, size, first, scratch, &table->data);
        if (ok && table->data.size > INT32_MAX)
            ok = smr_fail(vocab->context, SMR_ERROR_MODEL, "%s: tokens of more than 2 GiB",
                          vocab->path);
        table->at[token + 1] = (uint32_t)table->data.size;
    }
    smr_string_finish(&scratch[0]);
    smr_string_finish(&scratch[1]);
    smr_regex_search_destroy(search);
    return ok;
}

static bool load_bytes(struct smr_vocab *vocab)
{
    if (vocab->decoder.n_steps || vocab->strip_start)
        vocab->starts.at = smr_alloc(vocab->context, (size_t)vocab->n_tokens + 1,
                                     sizeof(*vocab->starts.at), "token texts");
    if ((vocab->decoder.n_steps || vocab->strip_start) && !vocab->starts.at)
        return false;
    if (vocab->decoder.n_steps)
        return decode_all(vocab);
    for (uint32_t i = 0; i < vocab->n_tokens; i++) {
        add_bytes(vocab, i);
        vocab->bytes.at[i + 1] = (uint32_t)vocab->bytes.data.size;
    }
    return !vocab->bytes.data.failed && (!vocab->strip_start || load_starts(vocab));
}

void smr_vocab_index_bytes(struct smr_vocab *vocab)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        char text[8] = {0};
        int32_t token = -1;
        if (vocab->byte_level) {
            size_t size = smr_letter((uint8_t)byte, text);
            token = smr_vocab_find(vocab, text, size);
        } else if (vocab->byte_fallback) {
            snprintf(text, sizeof(text), "<0x%02X>", byte);
            token = smr_vocab_find(vocab, text, 6);
            if (token >= 0 && vocab->types[token] == SMR_TOKEN_NORMAL && vocab->specials_by_text)
                vocab->types[token] = SMR_TOKEN_BYTE; // tokenizer.json has no such type
        }
        if (token >= 0 && vocab->types[token] == SMR_TOKEN_CONTROL)
            token = -1;
        vocab->byte_tokens[byte] = token;
    }
}

// ---- special tokens -------------------------------------------------------------------

// Texts of tokens that end an answer, in the families that do not say so by a number.
static const char *const END_TEXTS[] = {
    "<|eot_id|>",            // llama 3
    "<|eom_id|>",            // llama 3.1, before a tool's turn
    "<|im_end|>",            // chatml: qwen, smollm2, yi
    "<|end|>",               // phi 3
    "<|return|>",            // gpt-oss
    "<|call|>",              // gpt-oss, before a tool's turn
    "<end_of_turn>",         // gemma
    "<|endoftext|>",         // gpt-2, qwen, phi
    "<|end_of_text|>",       // llama 3, granite
    "<|endofturn|>",         // hyperclova
    "<|end_of_turn|>",       // openchat
    "[|endofturn|]",         // exaone
    "<|END_OF_TURN_TOKEN|>", // command-r
    "<end_of_utterance>",    // smolvlm
    "<\357\275\234end\342\226\201of\342\226\201sentence\357\275\234>", // deepseek
    "<|eot|>",                                                         // llama 4
    "<EOT>",
    "<|EOT|>",
    "_<EOT>",
    "[EOT]",
    "<|eos|>",
};

static void add_end(struct smr_vocab *vocab, int32_t token)
{
    if (token >= 0 && vocab->n_ends < SMR_VOCAB_MAX_ENDS && !smr_vocab_is_end(vocab, token))
        vocab->ends[vocab->n_ends++] = token;
}

static void find_ends(struct smr_vocab *vocab)
{
    add_end(vocab, vocab->eos);
    add_end(vocab, vocab->eot);
    add_end(vocab, vocab->eom);
    bool harmony = smr_vocab_find(vocab, "<|return|>", 10) >= 0; // there <|end|> ends a part only
    for (size_t i = 0; i < SMR_COUNT(END_TEXTS); i++) {
        int32_t token = smr_vocab_find(vocab, END_TEXTS[i], strlen(END_TEXTS[i]));
        bool special = token >= 0 && (vocab->types[token] == SMR_TOKEN_CONTROL ||
                                      vocab->types[token] == SMR_TOKEN_USER_DEFINED);
        if (special && !(harmony && !strcmp(END_TEXTS[i], "<|end|>")))
            add_end(vocab, token);
    }
}

static bool load_id(const struct smr_vocab *vocab, const struct smr_model *model, const char *key,
                    int32_t *id)
{
    char name[64];
    uint32_t value;
    snprintf(name, sizeof(name), "tokenizer.ggml.%s", key);
    if (!smr_metadata_has(model->metadata, name))
        return true;
    if (!smr_metadata_u32(model->metadata, name, &value))
        return smr_fail(model->context, SMR_ERROR_MODEL, "%s: %s is no token number", model->path,
                        name);
    if (value >= vocab->n_tokens && vocab->specials_by_text) { // of config.json, written by hand
        smr_log(model->context, SMR_LOG_WARNING, "%s: %s is %u, but there are %u tokens",
                model->path, name, value, vocab->n_tokens);
        return true;
    }
    if (value >= vocab->n_tokens)
        return smr_fail(model->context, SMR_ERROR_MODEL, "%s: %s is %u, but there are %u tokens",
                        model->path, name, value, vocab->n_tokens);
    *id = (int32_t)value;
    return true;
}

// All tokens that end an answer, where the files of a model name several.
static void load_ends(struct smr_vocab *vocab, const struct smr_model *model)
{
    struct smr_metadata_array array;
    uint32_t token;
    if (!smr_metadata_array(model->metadata, "tokenizer.ggml.eos_token_ids", &array))
        return;
    while (smr_metadata_next_u32(&array, &token))
        if (token < vocab->n_tokens)
            add_end(vocab, (int32_t)token);
}

bool smr_vocab_load_ids(struct smr_vocab *vocab, const struct smr_model *model)
{
    if (!load_id(vocab, model, "bos_token_id", &vocab->bos) ||
        !load_id(vocab, model, "eos_token_id", &vocab->eos) ||
        !load_id(vocab, model, "eot_token_id", &vocab->eot) ||
        !load_id(vocab, model, "eom_token_id", &vocab->eom) ||
        !load_id(vocab, model, "unknown_token_id", &vocab->unknown))
        return false;
    load_ends(vocab, model);
    return true;
}

bool smr_vocab_finish(struct smr_vocab *vocab)
{
    if (!smr_special_normalize(vocab) || !load_bytes(vocab))
        return false;
    find_ends(vocab);
    return smr_special_load(vocab);
}

// ---- loading ----------------------------------------------------------------------------------

static const struct {
    const char *key;
    bool (*load)(struct smr_vocab *vocab, const struct smr_model *model);
} SOURCES[] = {
    {"tokenizer.ggml.model", smr_vocab_load_gguf},
    {"tokenizer.huggingface.json", smr_vocab_load_huggingface},
    {"tokenizer.sentencepiece.model", smr_vocab_load_sentencepiece},
    {"tokenizer.huggingface.vocab", smr_vocab_load_merges},
};

struct smr_vocab *smr_vocab_load(struct smr_model *model)
{
    size_t source = 0;
    while (source < SMR_COUNT(SOURCES) && !smr_metadata_has(model->metadata, SOURCES[source].key))
        source++;
    if (source == SMR_COUNT(SOURCES)) {
        smr_fail(
            model->context, SMR_ERROR_MODEL,
            "%s: has no tokenizer (tokenizer.ggml.model of a GGUF file; tokenizer.json, a SentencePiece "
            "model or vocab.json of a folder): only numbers of tokens will do",
            model->path);
        return NULL;
    }
    struct smr_vocab *vocab = smr_alloc(model->context, 1, sizeof(*vocab), "a vocabulary");
    if (!vocab)
        return NULL;
    vocab->context = model->context;
    vocab->path = model->path;
    vocab->bos = vocab->eos = vocab->eot = vocab->eom = vocab->unknown = -1;
    smr_string_init(&vocab->texts.data, model->context);
    smr_string_init(&vocab->bytes.data, model->context);
    smr_string_init(&vocab->starts.data, model->context);
    smr_string_init(&vocab->normalized.data, model->context);
    if (!SOURCES[source].load(vocab, model)) {
        smr_vocab_destroy(vocab);
        return NULL;
    }
    return vocab;
}

void smr_vocab_destroy(struct smr_vocab *vocab)
{
    if (!vocab)
        return;
    smr_context *context = vocab->context;
    smr_string_finish(&vocab->texts.data);
    smr_string_finish(&vocab->bytes.data);
    smr_string_finish(&vocab->starts.data);
    smr_string_finish(&vocab->normalized.data);
    smr_free(context, vocab->texts.at);
    smr_free(context, vocab->bytes.at);
    smr_free(context, vocab->starts.at);
    smr_free(context, vocab->normalized.at);
    smr_free(context, vocab->types);
    smr_free(context, vocab->cuts);
    smr_free(context, vocab->scores);
    smr_free(context, vocab->slots);
    smr_free(context, vocab->merges);
    smr_trie_finish(&vocab->specials, context);
    smr_trie_finish(&vocab->normalized_specials, context);
    smr_trie_finish(&vocab->pieces, context);
    smr_decoder_finish(&vocab->decoder);
    smr_normalizer_destroy(vocab->normalizer);
    smr_pretokenizer_destroy(vocab->pretokenizer);
    smr_free(context, vocab);
}

struct smr_vocab *smr_vocab_get(struct smr_model *model)
{
    if (!model->vocab) {
        struct smr_vocab *vocab = smr_vocab_load(model);
        if (!vocab)
            return NULL;
        smr_model_set_vocab(model, vocab, smr_vocab_destroy);
    }
    return model->vocab;
}

// ---- questions --------------------------------------------------------------------------------

uint32_t smr_vocab_size(const struct smr_vocab *vocab)
{
    return vocab->n_tokens;
}

int32_t smr_vocab_compare(const struct smr_vocab *vocab, const struct smr_vocab *other)
{
    for (uint32_t i = 0; i < smr_min_u32(vocab->n_tokens, other->n_tokens); i++) {
        size_t size, other_size;
        const char *text = smr_string_table_get(&vocab->bytes, i, &size);
        const char *other_text = smr_string_table_get(&other->bytes, i, &other_size);
        if (size != other_size || memcmp(text, other_text, size) != 0)
            return (int32_t)i;
    }
    return -1;
}

enum smr_token_type smr_vocab_token_type(const struct smr_vocab *vocab, int32_t token)
{
    if (token < 0 || (uint32_t)token >= vocab->n_tokens)
        return SMR_TOKEN_UNKNOWN;
    return (enum smr_token_type)vocab->types[token];
}

int32_t smr_vocab_bos(const struct smr_vocab *vocab)
{
    return vocab->bos;
}

bool smr_vocab_is_end(const struct smr_vocab *vocab, int32_t token)
{
    for (uint32_t i = 0; i < vocab->n_ends; i++)
        if (vocab->ends[i] == token)
            return true;
    return false;
}

bool smr_vocab_is_hidden(const struct smr_vocab *vocab, int32_t token, bool special)
{
    if (token < 0 || (uint32_t)token >= vocab->n_tokens)
        return true;
    uint8_t type = vocab->types[token];
    return !special && (type == SMR_TOKEN_CONTROL || type == SMR_TOKEN_UNKNOWN);
}

const char *smr_vocab_bytes(const struct smr_vocab *vocab, int32_t token, bool special,
                            size_t *size)
{
    *size = 0;
    if (token < 0 || (uint32_t)token >= vocab->n_tokens)
        return NULL;
    if (smr_vocab_is_hidden(vocab, token, special))
        return "";
    return smr_string_table_get(&vocab->bytes, (uint32_t)token, size);
}
