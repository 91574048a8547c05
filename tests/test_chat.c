// test_chat.c - chat formats: what a template would say, without running it.
//
// The templates are cut down to what tells them apart; the expected texts are what Jinja makes of
// the whole templates.
#include "support.h"
#include "text/text.h"
#include "text_builder.h"

#include <string.h>

struct row {
    const char *template_text;
    const char *format;
    const char *with_system;    // system " Be brief. ", user " Hi "
    const char *without_system; // NULL system, user "Hi"
};

#define SMOLLM2                                                                                    \
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"         \
    "{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging "     \
    "Face<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + "                  \
    "message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}"         \
    "{{ '<|im_start|>assistant\n' }}{% endif %}"

#define QWEN25                                                                                     \
    "{%- if tools %}\n    {{- '<|im_start|>system\\n' }}\n    {%- if messages[0]['role'] == "      \
    "'system' %}\n        {{- messages[0]['content'] }}\n    {%- else %}\n        {{- 'You are "   \
    "Qwen, created by Alibaba Cloud. You are a helpful assistant.' }}\n    {%- endif %}\n"         \
    "{%- else %}\n    {%- if messages[0]['role'] == 'system' %}\n        {{- '<|im_start|>system"  \
    "\\n' + messages[0]['content'] + '<|im_end|>\\n' }}\n    {%- else %}\n        {{- '<|im_start" \
    "|>system\\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>"    \
    "\\n' }}\n    {%- endif %}\n{%- endif %}\n"

static const struct row ROWS[] = {
    {SMOLLM2, "chatml",
     "<|im_start|>system\n Be brief. <|im_end|>\n<|im_start|>user\n Hi <|im_end|>\n"
     "<|im_start|>assistant\n",
     "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face"
     "<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"},
    {QWEN25, "chatml",
     "<|im_start|>system\n Be brief. <|im_end|>\n<|im_start|>user\n Hi <|im_end|>\n"
     "<|im_start|>assistant\n",
     "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant."
     "<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"},
    {"{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>'}}", "chatml",
     "<|im_start|>system\n Be brief. <|im_end|>\n<|im_start|>user\n Hi <|im_end|>\n"
     "<|im_start|>assistant\n",
     "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"},
    {"{{ '<|im_start|>' + message['role'] + '<|im_sep|>' + message['content'] + '<|im_end|>' }}",
     "phi4",
     "<|im_start|>system<|im_sep|> Be brief. <|im_end|><|im_start|>user<|im_sep|> Hi <|im_end|>"
     "<|im_start|>assistant<|im_sep|>",
     "<|im_start|>user<|im_sep|>Hi<|im_end|><|im_start|>assistant<|im_sep|>"},
    {"{{ '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}",
     "gemma", "<start_of_turn>user\n Be brief. \n\nHi<end_of_turn>\n<start_of_turn>model\n",
     "<start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n"},
    {"'<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'", "llama3",
     "<|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|><|start_header_id|>user"
     "<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
     "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant"
     "<|end_header_id|>\n\n"},
    {"{%- set date_string = \"26 Jul 2024\" %}{{- \"<|start_header_id|>system<|end_header_id|>\\n\\n"
     "\" }}{{- \"Cutting Knowledge Date: December 2023\\n\" }}",
     "llama3.1",
     "<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n"
     "Today Date: 26 Jul 2024\n\nBe brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n"
     "Hi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
     "<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n"
     "Today Date: 26 Jul 2024\n\n<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n"
     "Hi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"},
    {"{{'[INST] ' + content.strip() + ' [/INST]'}} '<<SYS>>\\n'", "llama2",
     "[INST] <<SYS>>\n Be brief. \n<</SYS>>\n\nHi [/INST]", "[INST] Hi [/INST]"},
    {"{{ '[INST] ' + message['content'] + ' [/INST]' }}", "mistral",
     "[INST]  Be brief. \n\n Hi  [/INST]", "[INST] Hi [/INST]"},
    {"{{- ' [INST] ' + system_message + '\\n\\n' + message['content'] + ' [/INST]' }}",
     "mistral-v1", " [INST]  Be brief. \n\n Hi  [/INST]", " [INST] Hi [/INST]"},
    {"\"[AVAILABLE_TOOLS] [\" \"[INST] \" + message[\"content\"]", "mistral-v3",
     "[INST]  Be brief. \n\n Hi [/INST]", "[INST] Hi[/INST]"},
    {"\"[AVAILABLE_TOOLS][\" \"[INST]\" + message[\"content\"]", "mistral-v3-tekken",
     "[INST] Be brief. \n\n Hi [/INST]", "[INST]Hi[/INST]"},
    {"'[SYSTEM_PROMPT]' + system '[INST]' + message['content']", "mistral-v7-tekken",
     "[SYSTEM_PROMPT] Be brief. [/SYSTEM_PROMPT][INST] Hi [/INST]", "[INST]Hi[/INST]"},
    {"{{'<|user|>' + '\n' + message['content'] + '<|end|>' + '\n' + '<|assistant|>' + '\n'}}",
     "phi3", "<|system|>\n Be brief. <|end|>\n<|user|>\n Hi <|end|>\n<|assistant|>\n",
     "<|user|>\nHi<|end|>\n<|assistant|>\n"},
    {"{{ '<|user|>\n' + message['content'] + eos_token }}{{ '<|assistant|>' }}", "zephyr",
     "<|system|>\n Be brief. </s>\n<|user|>\n Hi </s>\n<|assistant|>\n",
     "<|user|>\nHi</s>\n<|assistant|>\n"},
    {"{{'<\357\275\234User\357\275\234>' + content}}{{'<\357\275\234Assistant\357\275\234>'}}",
     "deepseek-v3",
     " Be brief. <\357\275\234User\357\275\234> Hi <\357\275\234Assistant\357\275\234>",
     "<\357\275\234User\357\275\234>Hi<\357\275\234Assistant\357\275\234>"},
    {"<|start_of_role|>user<|end_of_role|>", "granite",
     "<|start_of_role|>system<|end_of_role|> Be brief. <|end_of_text|>\n<|start_of_role|>user"
     "<|end_of_role|> Hi <|end_of_text|>\n<|start_of_role|>assistant<|end_of_role|>",
     "<|start_of_role|>user<|end_of_role|>Hi<|end_of_text|>\n<|start_of_role|>assistant"
     "<|end_of_role|>"},
    {"something nobody knows", NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL},
};

static void check_prompt(smr_model *model, const char *system, const char *user,
                         const char *expected)
{
    char *text = smr_chat_prompt(model, system, user);
    if (expected)
        assert_string_equal(text, expected);
    else
        assert_null(text);
    smr_text_free(model, text);
}

static void test_formats(void **state)
{
    for (size_t i = 0; i < SMR_COUNT(ROWS); i++) {
        struct gguf_builder builder;
        struct smr_model_info info;
        smr_context *context = test_context(NULL, NULL);
        gguf_begin(&builder, 3);
        gguf_key_string(&builder, "general.architecture", "llama");
        text_spm(&builder);
        if (ROWS[i].template_text)
            gguf_key_string(&builder, "tokenizer.chat_template", ROWS[i].template_text);
        smr_model *model = smr_model_open_memory(context, "m.gguf", builder.data, builder.size);
        assert_non_null(model);
        smr_model_info(model, &info);
        if (ROWS[i].format)
            assert_string_equal(info.chat_format, ROWS[i].format);
        else
            assert_null(info.chat_format);
        check_prompt(model, " Be brief. ", " Hi ", ROWS[i].with_system);
        check_prompt(model, NULL, "Hi", ROWS[i].without_system);
        assert_int_equal(smr_context_status(context), SMR_OK);
        smr_model_close(model);
        smr_context_destroy(context);
        gguf_builder_finish(&builder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_formats)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
