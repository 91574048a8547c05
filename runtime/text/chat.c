// chat.c - the chat formats that need no Jinja: a table of what stands around the messages.
//
// A format is recognised by texts in the model's template. Only what a template does with one
// system and one user message is described here. The begin-of-text token is the tokenizer's part.
#include "text/chat_thinking.h"
#include "text/vocab.h"

#include <inttypes.h>
#include <string.h>

// Stands for the text of the end-of-text token, as `eos_token` does in a template.
#define EOS "\x01"

enum trim { TRIM_SYSTEM = 1, TRIM_USER = 2 };

struct chat_format {
    const char *name;
    const char *has[3]; // all of these are in the template; a backslash and n count as a newline
    const char *has_not;
    const char *start; // first of all
    const char *before_system, *after_system;
    const char *before_user, *after_user; // with the opening of the answer
    const char *system;                   // where none is given; NULL for no system message
    const char *no_thinking; // after the opening of the answer, keeps the model from thinking
    uint32_t trim;
    bool system_in_template; // a system message stands literally in the template for that
    bool budget_in_template; // texts for any thinking budget do: chat_thinking.h
};

// The first row that fits is the one: special cases come before what they are cases of.
static const struct chat_format FORMATS[] = {
    {.name = "phi4",
     .has = {"<|im_start|>", "<|im_sep|>"},
     .before_system = "<|im_start|>system<|im_sep|>",
     .after_system = "<|im_end|>",
     .before_user = "<|im_start|>user<|im_sep|>",
     .after_user = "<|im_end|><|im_start|>assistant<|im_sep|>"},
    {.name = "seed_oss",
     .has = {"<seed:bos>", "thinking_budget"},
     .before_system = "<seed:bos>system\n",
     .after_system = "<seed:eos>",
     .before_user = "<seed:bos>user\n",
     .after_user = "<seed:eos><seed:bos>assistant\n",
     .budget_in_template = true},
    {.name = "qwen3",
     .has = {"<|im_start|>", "enable_thinking", "<think>\n\n</think>\n\n"},
     .before_system = "<|im_start|>system\n",
     .after_system = "<|im_end|>\n",
     .before_user = "<|im_start|>user\n",
     .after_user = "<|im_end|>\n<|im_start|>assistant\n",
     .no_thinking = "<think>\n\n</think>\n\n"},
    {.name = "qwen3-thinking", // always does
     .has = {"<|im_start|>assistant\n<think>\n"},
     .before_system = "<|im_start|>system\n",
     .after_system = "<|im_end|>\n",
     .before_user = "<|im_start|>user\n",
     .after_user = "<|im_end|>\n<|im_start|>assistant\n<think>\n"},
    {.name = "chatml",
     .has = {"<|im_start|>"},
     .has_not = "<end_of_utterance>",
     .before_system = "<|im_start|>system\n",
     .after_system = "<|im_end|>\n",
     .before_user = "<|im_start|>user\n",
     .after_user = "<|im_end|>\n<|im_start|>assistant\n",
     .system_in_template = true},
    {.name = "mistral-v7",
     .has = {"[INST]", "[SYSTEM_PROMPT] "},
     .before_system = "[SYSTEM_PROMPT] ",
     .after_system = "[/SYSTEM_PROMPT]",
     .before_user = "[INST] ",
     .after_user = "[/INST]"},
    {.name = "mistral-v7-tekken",
     .has = {"[INST]", "[SYSTEM_PROMPT]"},
     .before_system = "[SYSTEM_PROMPT]",
     .after_system = "[/SYSTEM_PROMPT]",
     .before_user = "[INST]",
     .after_user = "[/INST]"},
    {.name = "mistral-v1",
     .has = {"' [INST] ' + system_message"},
     .start = " [INST] ",
     .after_system = "\n\n",
     .after_user = " [/INST]"},
    {.name = "mistral-v3-tekken",
     .has = {"[AVAILABLE_TOOLS]", "\"[INST]\""},
     .start = "[INST]",
     .after_system = "\n\n",
     .after_user = "[/INST]"},
    {.name = "mistral-v3",
     .has = {"[AVAILABLE_TOOLS]", "[INST]"},
     .start = "[INST] ",
     .after_system = "\n\n",
     .after_user = "[/INST]"},
    {.name = "llama2",
     .has = {"[INST]", "<<SYS>>", "content.strip()"},
     .start = "[INST] ",
     .before_system = "<<SYS>>\n",
     .after_system = "\n<</SYS>>\n\n",
     .after_user = " [/INST]",
     .trim = TRIM_USER},
    {.name = "llama2",
     .has = {"[INST]", "<<SYS>>"},
     .start = "[INST] ",
     .before_system = "<<SYS>>\n",
     .after_system = "\n<</SYS>>\n\n",
     .after_user = " [/INST]"},
    {.name = "mistral",
     .has = {"[INST]"},
     .start = "[INST] ",
     .after_system = "\n\n",
     .after_user = " [/INST]"},
    {.name = "phi4-mini",
     .has = {"<|assistant|>", "'|>' + message['content'] + '<|end|>' }}"},
     .before_system = "<|system|>",
     .after_system = "<|end|>",
     .before_user = "<|user|>",
     .after_user = "<|end|><|assistant|>"},
    {.name = "phi3",
     .has = {"<|assistant|>", "<|end|>"},
     .before_system = "<|system|>\n",
     .after_system = "<|end|>\n",
     .before_user = "<|user|>\n",
     .after_user = "<|end|>\n<|assistant|>\n"},
    {.name = "chatglm4",
     .has = {"[gMASK]<sop>", "<|assistant|>\n"},
     .start = "[gMASK]<sop>",
     .before_system = "<|system|>\n",
     .before_user = "<|user|>\n",
     .after_user = "<|assistant|>\n"},
    {.name = "chatglm4",
     .has = {"[gMASK]<sop>"},
     .start = "[gMASK]<sop>",
     .before_system = "<|system|>\n",
     .before_user = "<|user|>\n",
     .after_user = "<|assistant|>"},
    {.name = "chatglm3",
     .has = {"[gMASK]sop"},
     .start = "[gMASK]sop",
     .before_system = "<|system|>\n ",
     .before_user = "<|user|>\n ",
     .after_user = "<|assistant|>"},
    {.name = "falcon3",
     .has = {"<|assistant|>", "'<|user|>\n' + message['content'] + '\n'"},
     .before_system = "<|system|>\n",
     .after_system = "\n",
     .before_user = "<|user|>\n",
     .after_user = "\n<|assistant|>\n"},
    {.name = "zephyr",
     .has = {"<|assistant|>", "'<|user|>\n' + message['content'] + eos_token"},
     .before_system = "<|system|>\n",
     .after_system = EOS "\n",
     .before_user = "<|user|>\n",
     .after_user = EOS "\n<|assistant|>\n"},
    {.name = "llama3.1",
     .has = {"<|start_header_id|>", "Cutting Knowledge Date: December 2023", "26 Jul 2024"},
     .before_system = "<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: "
                      "December 2023\nToday Date: 26 Jul 2024\n\n",
     .after_system = "<|eot_id|>",
     .before_user = "<|start_header_id|>user<|end_header_id|>\n\n",
     .after_user = "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
     .system = "",
     .trim = TRIM_SYSTEM | TRIM_USER},
    {.name = "llama3",
     .has = {"<|start_header_id|>", "<|end_header_id|>"},
     .before_system = "<|start_header_id|>system<|end_header_id|>\n\n",
     .after_system = "<|eot_id|>",
     .before_user = "<|start_header_id|>user<|end_header_id|>\n\n",
     .after_user = "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
     .trim = TRIM_SYSTEM | TRIM_USER},
    {.name = "llama4",
     .has = {"<|header_start|>", "<|header_end|>"},
     .before_system = "<|header_start|>system<|header_end|>\n\n",
     .after_system = "<|eot|>",
     .before_user = "<|header_start|>user<|header_end|>\n\n",
     .after_user = "<|eot|><|header_start|>assistant<|header_end|>\n\n",
     .trim = TRIM_SYSTEM | TRIM_USER},
    {.name = "gemma",
     .has = {"<start_of_turn>"},
     .start = "<start_of_turn>user\n",
     .after_system = "\n\n",
     .after_user = "<end_of_turn>\n<start_of_turn>model\n",
     .trim = TRIM_USER},
    {.name = "command-r",
     .has = {"<|START_OF_TURN_TOKEN|>", "<|USER_TOKEN|>"},
     .before_system = "<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>",
     .after_system = "<|END_OF_TURN_TOKEN|>",
     .before_user = "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>",
     .after_user = "<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>",
     .trim = TRIM_USER},
    {.name = "deepseek-r1",
     .has = {"<\357\275\234User\357\275\234>", "<\357\275\234Assistant\357\275\234><think>\n"},
     .before_user = "<\357\275\234User\357\275\234>",
     .after_user = "<\357\275\234Assistant\357\275\234><think>\n"},
    {.name = "deepseek-v3",
     .has = {"<\357\275\234User\357\275\234>", "<\357\275\234Assistant\357\275\234>"},
     .before_user = "<\357\275\234User\357\275\234>",
     .after_user = "<\357\275\234Assistant\357\275\234>"},
    {.name = "deepseek-v2",
     .has = {"'Assistant: ' + message['content'] + eos_token"},
     .after_system = "\n\n",
     .before_user = "User: ",
     .after_user = "\n\nAssistant:"},
    {.name = "openchat",
     .has = {"GPT4 Correct "},
     .before_system = "GPT4 Correct System: ",
     .after_system = "<|end_of_turn|>",
     .before_user = "GPT4 Correct User: ",
     .after_user = "<|end_of_turn|>GPT4 Correct Assistant:"},
    {.name = "granite",
     .has = {"<|start_of_role|>"},
     .before_system = "<|start_of_role|>system<|end_of_role|>",
     .after_system = "<|end_of_text|>\n",
     .before_user = "<|start_of_role|>user<|end_of_role|>",
     .after_user = "<|end_of_text|>\n<|start_of_role|>assistant<|end_of_role|>"},
    {.name = "exaone3",
     .has = {"[|system|]", "[|assistant|]", "[|endofturn|]"},
     .before_system = "[|system|]",
     .after_system = "[|endofturn|]\n",
     .before_user = "[|user|]",
     .after_user = "\n[|assistant|]"},
    {.name = "vicuna",
     .has = {"USER: ", "ASSISTANT:"},
     .has_not = "SYSTEM: ",
     .after_system = "\n\n",
     .before_user = "USER: ",
     .after_user = "\nASSISTANT:"},
};

// ---- recognising ------------------------------------------------------------------------------

// Whether `pattern` begins at `text`, a backslash and n in the text counting as a newline. `size`
// receives the bytes it covers.
static bool begins(const char *text, const char *pattern, size_t *size)
{
    const char *at = text;
    for (; *pattern; pattern++) {
        if (*at == *pattern)
            at++;
        else if (*pattern == '\n' && at[0] == '\\' && at[1] == 'n')
            at += 2;
        else
            return false;
    }
    *size = (size_t)(at - text);
    return true;
}

static const char *find(const char *text, const char *pattern, size_t *size)
{
    for (; *text; text++)
        if (begins(text, pattern, size))
            return text;
    return NULL;
}

static const struct chat_format *find_format(const char *text)
{
    size_t size;
    for (size_t i = 0; text && i < SMR_COUNT(FORMATS); i++) {
        const struct chat_format *format = &FORMATS[i];
        bool fits = !format->has_not || !find(text, format->has_not, &size);
        for (size_t j = 0; fits && j < SMR_COUNT(format->has) && format->has[j]; j++)
            fits = find(text, format->has[j], &size);
        if (fits)
            return format;
    }
    return NULL;
}

const char *smr_chat_format(const struct smr_model *model)
{
    const struct chat_format *format = find_format(model->chat_template);
    return format ? format->name : NULL;
}

// ---- composing --------------------------------------------------------------------------------

// The template's own system message: what stands between the marks of a system message with no
// expression in between. Empty when there is none.
static void add_template_system(const struct chat_format *format, const char *text,
                                struct smr_string *out)
{
    size_t size;
    while ((text = find(text, format->before_system, &size))) {
        text += size;
        // A quote, brace or backslash ends the literal text.
        size_t n = strcspn(text, "'\"{}\\\n<");
        size_t closing;
        if (n && begins(text + n, format->after_system, &closing)) {
            smr_string_add(out, format->before_system, strlen(format->before_system));
            smr_string_add(out, text, n);
            smr_string_add(out, format->after_system, strlen(format->after_system));
            return;
        }
    }
}

// The text of the end-of-text token.
static void add_eos(const struct smr_model *model, struct smr_string *out)
{
    uint32_t eos;
    struct smr_metadata_array array;
    const char *text = NULL;
    size_t size = 0;
    if (!smr_metadata_u32(model->metadata, "tokenizer.ggml.eos_token_id", &eos) ||
        !smr_metadata_array(model->metadata, "tokenizer.ggml.tokens", &array) || eos >= array.n)
        return;
    for (uint32_t i = 0; i <= eos; i++)
        if (!smr_metadata_next_string(&array, &text, &size))
            return;
    smr_string_add(out, text, size);
}

// A text of the table.
static void add(const struct smr_model *model, const char *text, struct smr_string *out)
{
    if (!text)
        return;
    size_t n = strcspn(text, EOS);
    smr_string_add(out, text, n);
    if (text[n]) {
        add_eos(model, out);
        add(model, text + n + 1, out);
    }
}

static void add_message(const char *text, bool trim, struct smr_string *out)
{
    static const char WHITE[] = " \t\n\v\f\r";
    size_t size = strlen(text);
    if (trim) {
        size_t skip = strspn(text, WHITE);
        text += skip;
        size -= skip;
        while (size && strchr(WHITE, text[size - 1]))
            size--;
    }
    smr_string_add(out, text, size);
}

// Whether the format can limit thinking to this many tokens; an error where it cannot.
static bool check_budget(const struct smr_model *model, const struct chat_format *format,
                         uint32_t budget)
{
    if (format->budget_in_template || (format->no_thinking && !budget))
        return true;
    if (format->no_thinking)
        return smr_fail(model->context, SMR_ERROR_USAGE,
                        "a thinking budget of %" PRIu32 " tokens: the chat format %s can only have "
                        "0, or no limit",
                        budget, format->name);
    return smr_fail(model->context, SMR_ERROR_USAGE,
                    "a thinking budget of %" PRIu32 " tokens: the chat format %s has none", budget,
                    format->name);
}

static bool fail_template(const struct smr_model *model)
{
    return smr_fail(model->context, SMR_ERROR_MODEL,
                    "%s: tokenizer.chat_template: what it has for thinking budgets is written in a "
                    "way this version does not read",
                    model->path);
}

// With a budget: the system message that tells it.
static bool add_budget(const struct smr_model *model, const struct chat_format *format,
                       const struct smr_chat_params *params, struct smr_string *text)
{
    if (!params->limit_thinking || !format->budget_in_template)
        return true;
    return smr_thinking_system(model->chat_template, params->thinking_budget, text) ||
           fail_template(model);
}

// And what then follows the opening of the answer.
static bool add_opening(const struct smr_model *model, const struct chat_format *format,
                        const struct smr_chat_params *params, struct smr_string *text)
{
    if (!params->limit_thinking)
        return true;
    if (!format->budget_in_template) {
        add(model, format->no_thinking, text);
        return true;
    }
    return smr_thinking_opening(model->chat_template, params->thinking_budget, text) ||
           fail_template(model);
}

bool smr_chat_prompt_text(const struct smr_model *model, const struct smr_chat_params *params,
                          struct smr_string *text)
{
    const struct chat_format *format = find_format(model->chat_template);
    const char *system = params->system;
    if (!format ||
        (params->limit_thinking && !check_budget(model, format, params->thinking_budget)))
        return false;
    add(model, format->start, text);
    if (!system && format->system_in_template)
        add_template_system(format, model->chat_template, text);
    if (!system)
        system = format->system;
    if (system) {
        add(model, format->before_system, text);
        add_message(system, format->trim & TRIM_SYSTEM, text);
        add(model, format->after_system, text);
    }
    if (!add_budget(model, format, params, text))
        return false;
    add(model, format->before_user, text);
    add_message(params->user, format->trim & TRIM_USER, text);
    add(model, format->after_user, text);
    return add_opening(model, format, params, text) && !text->failed;
}
