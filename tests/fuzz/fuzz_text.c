// fuzz_text.c - any vocabulary and any text: loading ends with a vocabulary or with an error, and
// what a vocabulary encodes are its own tokens, which detokenise to UTF-8.
//
// The input is one byte of flags, two of the text's size, the text, and a GGUF file.
#include "text_builder.h"
#include "text_input.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

enum { HEAD = 3 };

static void use(smr_context *context, smr_model *model, const char *text, size_t size,
                uint32_t flags)
{
    struct smr_model_info info;
    int32_t *tokens;
    size_t n;
    struct smr_chat_params chat = {.system = flags & 8 ? "system" : NULL, .user = "user"};
    char *prompt = smr_chat_prompt(model, &chat);
    smr_model_info(model, &info);
    check(!info.chat_format == !prompt);
    smr_text_free(model, prompt);
    chat.limit_thinking = true;
    chat.thinking_budget = flags & 8 ? 700 : 0;
    prompt = smr_chat_prompt(model, &chat);
    check(prompt || !info.chat_format || smr_context_status(context) != SMR_OK);
    smr_context_clear_error(context);
    smr_text_free(model, prompt);
    if (smr_tokenize(model, text, size, flags, &tokens, &n)) {
        check(smr_context_status(context) == SMR_OK);
        check_tokens(context, smr_vocab_get(model), tokens, n);
        smr_tokens_free(model, tokens);
    } else {
        check(smr_context_status(context) == SMR_ERROR_MODEL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t n_text = input_text_size(data, size, HEAD);
    if (n_text == SIZE_MAX)
        return 0;
    size_t n_file = size - HEAD - n_text;
    uint8_t *file = aligned_alloc(16, (n_file + 16) & ~(size_t)15); // models are aligned to 16
    char *text = malloc(n_text + !n_text);                          // its end is watched
    check(file && text);
    memcpy(file, data + HEAD + n_text, n_file);
    memcpy(text, data + HEAD, n_text);

    smr_context *context = smr_context_create(NULL);
    smr_model *model = smr_model_open_memory(context, "m.gguf", file, n_file);
    if (model)
        use(context, model, text, n_text, data[0]);
    smr_model_close(model);
    smr_context_destroy(context);
    free(text);
    free(file);
    return 0;
}

// A vocabulary to begin with.
static size_t make_seed(uint8_t *data, size_t max_size, unsigned seed)
{
    static const char *const pres[] = {"gpt-2",   "llama-bpe",    "qwen2",       "smollm",
                                       "tekken",  "deepseek-llm", "deepseek-v3", "gpt-4o",
                                       "kimi-k2", "falcon",       "exaone-moe",  "chameleon"};
    static const char text[] = "hello wor<tool>  hi\n\n \xc3\xa9\xff<|im_end|> aaaa 123'll";
    struct gguf_builder builder;
    size_t n = sizeof(text) - 1;
    gguf_begin(&builder, 3);
    gguf_key_string(&builder, "general.architecture", "llama");
    if (seed & 1)
        text_spm(&builder);
    else
        text_bpe(&builder, pres[seed / 2 % SMR_COUNT(pres)]);
    if (seed & 32)
        gguf_key_string(&builder, "tokenizer.chat_template",
                        "<|im_start|>system\nYou are it<|im_end|>");
    data[0] = (uint8_t)(seed >> 6);
    input_set_text_size(data, HEAD, n);
    size_t size = HEAD + n + builder.size;
    if (size <= max_size) {
        memcpy(data + HEAD, text, n);
        memcpy(data + HEAD + n, builder.data, builder.size);
    }
    gguf_builder_finish(&builder);
    return size <= max_size ? size : 1;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    if (size < HEAD + 64 || input_text_size(data, size, HEAD) == SIZE_MAX)
        return max_size < HEAD ? 0 : make_seed(data, max_size, seed);
    if (seed % 8 == 0)
        data[0] = (uint8_t)(seed >> 8);
    return seed % 2 ? input_mutate_file(data, size, max_size, HEAD)
                    : input_mutate_text(data, size, max_size, HEAD);
}
