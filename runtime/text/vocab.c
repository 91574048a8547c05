// vocab.c - the vocabulary of a model, made from the file's metadata (keys tokenizer.ggml.*, see
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md). The file is hostile until checked.
#include "text/vocab.h"
#include "text/utf8.h"

#include <stdio.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static bool fail(const struct smr_model *model, const char *key, const char *reason)
{
    return smr_fail(model->context, SMR_ERROR_MODEL, "%s: tokenizer.ggml.%s %s", model->path, key,
                    reason);
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
static bool index_texts(struct smr_vocab *vocab)
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

// ---- arrays of the file -----------------------------------------------------------------------

static bool load_texts(struct smr_vocab *vocab, const struct smr_model *model)
{
    struct smr_metadata_array array;
    if (!smr_metadata_array(model->metadata, "tokenizer.ggml.tokens", &array))
        return fail(model, "tokens", "is missing or no array");
    if (!array.n || array.n > SMR_VOCAB_MAX_TOKENS)
        return smr_fail(model->context, SMR_ERROR_MODEL,
                        "%s: tokenizer.ggml.tokens has %zu entries, not 1 to %d", model->path,
                        array.n, (int)SMR_VOCAB_MAX_TOKENS);
    vocab->n_tokens = (uint32_t)array.n;
    vocab->texts.at =
        smr_alloc(vocab->context, array.n + 1, sizeof(*vocab->texts.at), "token texts");
    if (!vocab->texts.at)
        return false;
    for (uint32_t i = 0; i < vocab->n_tokens; i++) {
        const char *text;
        size_t size;
        if (!smr_metadata_next_string(&array, &text, &size))
            return smr_fail(model->context, SMR_ERROR_MODEL,
                            "%s: tokenizer.ggml.tokens: entry %u of %u is no string", model->path,
                            i, vocab->n_tokens);
        if (size > INT32_MAX - vocab->texts.data.size)
            return fail(model, "tokens", "holds more than 2 GiB of text");
        smr_string_add(&vocab->texts.data, text, size);
        vocab->texts.at[i + 1] = (uint32_t)vocab->texts.data.size;
        vocab->max_text = smr_max_u32(vocab->max_text, (uint32_t)size);
    }
    return !vocab->texts.data.failed;
}

// An array that has one number for each token. False with an error when it is there and is not so.
static bool find_numbers(const struct smr_vocab *vocab, const struct smr_model *model,
                         const char *key, struct smr_metadata_array *array, bool *found)
{
    char name[64];
    snprintf(name, sizeof(name), "tokenizer.ggml.%s", key);
    *found = smr_metadata_has(model->metadata, name);
    if (!*found)
        return true;
    if (!smr_metadata_array(model->metadata, name, array))
        return fail(model, key, "is no array");
    if (array->n != vocab->n_tokens)
        return smr_fail(model->context, SMR_ERROR_MODEL, "%s: %s has %zu entries for %u tokens",
                        model->path, name, array->n, vocab->n_tokens);
    return true;
}

static bool load_types(struct smr_vocab *vocab, const struct smr_model *model)
{
    struct smr_metadata_array array;
    bool found;
    vocab->types = smr_alloc(vocab->context, vocab->n_tokens, 1, "token types");
    if (!vocab->types || !find_numbers(vocab, model, "token_type", &array, &found))
        return false;
    for (uint32_t i = 0; i < vocab->n_tokens; i++) {
        int32_t type = SMR_TOKEN_NORMAL;
        if (found && !smr_metadata_next_i32(&array, &type))
            return fail(model, "token_type", "holds something other than integers");
        if (type < 0 || type > SMR_TOKEN_BYTE)
            return smr_fail(model->context, SMR_ERROR_MODEL,
                            "%s: tokenizer.ggml.token_type: token %u has the unknown type %d",
                            model->path, i, (int)type);
        vocab->types[i] = (uint8_t)(type ? type : SMR_TOKEN_NORMAL);
    }
    return true;
}

static bool load_scores(struct smr_vocab *vocab, const struct smr_model *model)
{
    struct smr_metadata_array array;
    bool found;
    if (!find_numbers(vocab, model, "scores", &array, &found))
        return false;
    if (!found)
        return fail(model, "scores", "is missing, a llama vocabulary needs it");
    vocab->scores =
        smr_alloc(vocab->context, vocab->n_tokens, sizeof(*vocab->scores), "token scores");
    if (!vocab->scores)
        return false;
    for (uint32_t i = 0; i < vocab->n_tokens; i++)
        if (!smr_metadata_next_f32(&array, &vocab->scores[i]))
            return fail(model, "scores", "holds something other than numbers");
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
    else if (vocab->kind == SMR_VOCAB_SPM && !literal)
        unescape(text, size, bytes);
    else if (literal || type == SMR_TOKEN_USER_DEFINED || !smr_bpe_decode(text, size, bytes))
        smr_string_add(bytes, text, size);
}

static bool load_bytes(struct smr_vocab *vocab)
{
    vocab->bytes.at =
        smr_alloc(vocab->context, (size_t)vocab->n_tokens + 1, sizeof(*vocab->bytes.at), "tokens");
    if (!vocab->bytes.at)
        return false;
    for (uint32_t i = 0; i < vocab->n_tokens; i++) {
        add_bytes(vocab, i);
        vocab->bytes.at[i + 1] = (uint32_t)vocab->bytes.data.size;
    }
    return !vocab->bytes.data.failed;
}

static void index_bytes(struct smr_vocab *vocab)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        char text[8] = {(char)byte};
        size_t size = 1;
        int32_t token;
        if (vocab->kind == SMR_VOCAB_BPE) {
            size = smr_bpe_letter((uint8_t)byte, text);
            token = smr_vocab_find(vocab, text, size);
        } else {
            char name[8];
            snprintf(name, sizeof(name), "<0x%02X>", byte);
            token = smr_vocab_find(vocab, name, 6);
        }
        if (token >= 0 && vocab->types[token] == SMR_TOKEN_CONTROL)
            token = -1;
        vocab->byte_tokens[byte] = token;
    }
}

// ---- special tokens ---------------------------------------------------------------------------

static bool load_id(const struct smr_vocab *vocab, const struct smr_model *model, const char *key,
                    int32_t *id)
{
    char name[64];
    uint32_t value;
    snprintf(name, sizeof(name), "tokenizer.ggml.%s", key);
    if (!smr_metadata_has(model->metadata, name))
        return true;
    if (!smr_metadata_u32(model->metadata, name, &value))
        return fail(model, key, "is no token number");
    if (value >= vocab->n_tokens)
        return smr_fail(model->context, SMR_ERROR_MODEL, "%s: %s is %u, but there are %u tokens",
                        model->path, name, value, vocab->n_tokens);
    *id = (int32_t)value;
    return true;
}

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

// Phi 3 was trained with tokens that swallow the white space behind them. GGUF files do not tell;
// llama.cpp goes by the model's name as well.
static bool is_phi3(const char *name)
{
    for (; *name; name++) {
        bool phi = (name[0] | 0x20) == 'p' && (name[1] | 0x20) == 'h' && (name[2] | 0x20) == 'i';
        if (phi && (name[3] == '3' || (name[3] == '-' && name[4] == '3')))
            return true;
    }
    return false;
}

static bool load_special(struct smr_vocab *vocab, const struct smr_model *model)
{
    vocab->bos = vocab->eos = vocab->eot = vocab->eom = vocab->unknown = -1;
    if (vocab->kind == SMR_VOCAB_SPM && vocab->n_tokens > 2) { // as SentencePiece numbers them
        vocab->unknown = vocab->types[0] == SMR_TOKEN_UNKNOWN ? 0 : -1;
        vocab->bos = vocab->types[1] == SMR_TOKEN_CONTROL ? 1 : -1;
        vocab->eos = vocab->types[2] == SMR_TOKEN_CONTROL ? 2 : -1;
    }
    if (!load_id(vocab, model, "bos_token_id", &vocab->bos) ||
        !load_id(vocab, model, "eos_token_id", &vocab->eos) ||
        !load_id(vocab, model, "eot_token_id", &vocab->eot) ||
        !load_id(vocab, model, "eom_token_id", &vocab->eom) ||
        !load_id(vocab, model, "unknown_token_id", &vocab->unknown))
        return false;
    const struct smr_metadata *metadata = model->metadata;
    smr_metadata_bool(metadata, "tokenizer.ggml.add_bos_token", &vocab->add_bos);
    smr_metadata_bool(metadata, "tokenizer.ggml.add_eos_token", &vocab->add_eos);
    smr_metadata_bool(metadata, "tokenizer.ggml.add_space_prefix", &vocab->add_space_prefix);
    smr_metadata_bool(metadata, "tokenizer.ggml.remove_extra_whitespaces",
                      &vocab->remove_extra_whitespaces);
    const char *name = smr_metadata_string(metadata, "general.name");
    vocab->strip_after_special = name && is_phi3(name);
    find_ends(vocab);
    return smr_special_load(vocab);
}

// ---- loading ----------------------------------------------------------------------------------

static bool load_kind(struct smr_vocab *vocab, const struct smr_model *model)
{
    const char *kind = smr_metadata_string(model->metadata, "tokenizer.ggml.model");
    const char *pre = smr_metadata_string(model->metadata, "tokenizer.ggml.pre");
    if (!kind)
        return fail(model, "model", "is missing: the file has no tokenizer");
    if (!strcmp(kind, "llama")) {
        vocab->kind = SMR_VOCAB_SPM;
        vocab->add_bos = vocab->add_space_prefix = true;
        return true;
    }
    if (strcmp(kind, "gpt2") != 0)
        return smr_fail(model->context, SMR_ERROR_MODEL,
                        "%s: tokenizer.ggml.model is \"%.64s\"; known are llama and gpt2",
                        model->path, kind);
    if (!pre)
        smr_log(model->context, SMR_LOG_WARNING,
                "%s: tokenizer.ggml.pre is missing, words are cut in the default way", model->path);
    uint32_t flags = 0;
    vocab->kind = SMR_VOCAB_BPE;
    vocab->pretokenizer = smr_pretokenizer_create(model->context, pre, &flags);
    if (!vocab->pretokenizer) // a lack of memory has been recorded already
        return smr_fail(model->context, SMR_ERROR_MODEL,
                        "%s: tokenizer.ggml.pre is \"%.64s\", which is not known", model->path,
                        pre ? pre : "");
    vocab->add_bos = flags & SMR_PRE_ADD_BOS;
    vocab->ignore_merges = flags & SMR_PRE_IGNORE_MERGES;
    return true;
}

struct smr_vocab *smr_vocab_load(struct smr_model *model)
{
    struct smr_vocab *vocab = smr_alloc(model->context, 1, sizeof(*vocab), "a vocabulary");
    if (!vocab)
        return NULL;
    vocab->context = model->context;
    smr_string_init(&vocab->texts.data, model->context);
    smr_string_init(&vocab->bytes.data, model->context);
    bool ok = load_kind(vocab, model) && load_texts(vocab, model) && load_types(vocab, model) &&
              index_texts(vocab) && load_bytes(vocab);
    if (ok) {
        index_bytes(vocab);
        ok = load_special(vocab, model);
    }
    if (ok)
        ok = vocab->kind == SMR_VOCAB_SPM ? load_scores(vocab, model)
                                          : smr_bpe_load_merges(vocab, model);
    if (!ok) {
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
    smr_free(context, vocab->texts.at);
    smr_free(context, vocab->bytes.at);
    smr_free(context, vocab->types);
    smr_free(context, vocab->scores);
    smr_free(context, vocab->slots);
    smr_free(context, vocab->merges);
    smr_free(context, vocab->specials);
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

const char *smr_vocab_bytes(const struct smr_vocab *vocab, int32_t token, bool special,
                            size_t *size)
{
    *size = 0;
    if (token < 0 || (uint32_t)token >= vocab->n_tokens)
        return NULL;
    uint8_t type = vocab->types[token];
    if (!special && (type == SMR_TOKEN_CONTROL || type == SMR_TOKEN_UNKNOWN))
        return "";
    return smr_string_table_get(&vocab->bytes, (uint32_t)token, size);
}
