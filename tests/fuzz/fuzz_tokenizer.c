// fuzz_tokenizer.c - any tokenizer.json, SentencePiece model, charsmap or list of merges, and any text:
// loading ends with a vocabulary or with an error, what a vocabulary encodes are its own tokens, which
// detokenise to UTF-8, and it can be said in GGUF's words or not.
//
// The input is one byte of flags, one of what the file is, two of the text's size, the text, the file.
#include "model/metadata.h"
#include "text_builder.h"
#include "text_input.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

enum { HEAD = 4 };
enum { FILE_JSON, FILE_MODEL, FILE_CHARSMAP, FILE_MARIAN, FILE_MERGES, N_FILES };

static void check_export(smr_context *context, const struct smr_vocab *vocab)
{
    struct smr_arena arena;
    struct smr_metadata metadata;
    bool exported;
    smr_arena_init(&arena, context);
    smr_metadata_init(&metadata, &arena);
    if (!smr_vocab_export(vocab, 0, &metadata, &exported))
        check(smr_context_status(context) == SMR_ERROR_MODEL);
    smr_arena_finish(&arena);
}

static void use(smr_context *context, smr_model *model, const char *text, size_t size,
                uint32_t flags)
{
    int32_t *tokens;
    size_t n;
    if (!smr_tokenize(model, text, size, flags, &tokens, &n)) {
        check(smr_context_status(context) == SMR_ERROR_MODEL);
        return;
    }
    check(smr_context_status(context) == SMR_OK);
    check_tokens(context, smr_vocab_get(model), tokens, n);
    smr_tokens_free(model, tokens);
    if (flags & 4)
        check_export(context, smr_vocab_get(model));
}

static void put_file(struct gguf_builder *builder, unsigned kind, const uint8_t *data, size_t size)
{
    static const char vocab[] = "{\"a\":0,\"b\":1,\"ab\":2,\"<s>\":3,\"</s>\":4}";
    static const char marian[] = "{\"</s>\":0,\"<unk>\":1,\"he\":2,\"llo\":3,\"h\":4,\"l\":5}";
    switch (kind % N_FILES) {
    case FILE_JSON:
        text_put_file(builder, "tokenizer.huggingface.json", data, size);
        break;
    case FILE_CHARSMAP:
        text_t5(builder, data, size);
        break;
    case FILE_MARIAN:
        text_put_file(builder, "tokenizer.marian.vocab", marian, sizeof(marian) - 1);
        text_put_file(builder, "tokenizer.sentencepiece.model", data, size);
        break;
    case FILE_MERGES:
        text_put_file(builder, "tokenizer.huggingface.vocab", vocab, sizeof(vocab) - 1);
        text_put_file(builder, "tokenizer.huggingface.merges", data, size);
        break;
    default:
        text_put_file(builder, "tokenizer.sentencepiece.model", data, size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t n_text = input_text_size(data, size, HEAD);
    if (n_text == SIZE_MAX)
        return 0;
    struct gguf_builder builder;
    gguf_begin(&builder, 3);
    gguf_key_string(&builder, "general.architecture", "llama");
    put_file(&builder, data[1], data + HEAD + n_text, size - HEAD - n_text);
    char *text = malloc(n_text + !n_text); // its end is watched
    check(text);
    memcpy(text, data + HEAD, n_text);

    smr_context *context = smr_context_create(NULL);
    smr_model *model = smr_model_open_memory(context, "m.gguf", builder.data, builder.size);
    if (model)
        use(context, model, text, n_text, data[0]);
    smr_model_close(model);
    smr_context_destroy(context);
    gguf_builder_finish(&builder);
    free(text);
    return 0;
}

// A file to begin with.
static size_t make_seed(uint8_t *data, size_t max_size, unsigned seed)
{
    static const char text[] = "hello A\xc3\xa9  ab<mask>\n \xff</s> aba 12'll [SEP]e\xcc\x81!";
    static const char merges[] = "#version: 0.2\na b\nb a\n";
    uint8_t file[8192];
    size_t n = sizeof(text) - 1, n_file = 0;
    unsigned kind = seed % N_FILES;
    if (kind == FILE_JSON) {
        const char *json = text_json(seed / N_FILES % TEXT_N_JSON);
        n_file = strlen(json);
        memcpy(file, json, n_file);
    } else if (kind == FILE_CHARSMAP) {
        n_file = TEXT_CHARSMAP_SIZE;
        text_charsmap(file);
    } else if (kind == FILE_MERGES) {
        n_file = sizeof(merges) - 1;
        memcpy(file, merges, n_file);
    } else {
        n_file = text_sentencepiece(1 + seed / N_FILES % 2, file, sizeof(file));
    }
    if (HEAD + n + n_file > max_size)
        return 1;
    data[0] = (uint8_t)(seed >> 8);
    data[1] = (uint8_t)kind;
    input_set_text_size(data, HEAD, n);
    memcpy(data + HEAD, text, n);
    memcpy(data + HEAD + n, file, n_file);
    return HEAD + n + n_file;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    if (size < HEAD + 16 || input_text_size(data, size, HEAD) == SIZE_MAX || seed % 256 == 0)
        return max_size < HEAD ? 0 : make_seed(data, max_size, seed / 256);
    if (seed % 8 == 0)
        data[0] = (uint8_t)(seed >> 8);
    return seed % 4 ? input_mutate_file(data, size, max_size, HEAD)
                    : input_mutate_text(data, size, max_size, HEAD);
}
