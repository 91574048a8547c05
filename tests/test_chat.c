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

#define QWEN3                                                                                      \
    "{%- if messages[0].role == 'system' %}{{- '<|im_start|>system\\n' + messages[0].content + "   \
    "'<|im_end|>\\n' }}{%- endif %}{%- if add_generation_prompt %}\n    {{- '<|im_start|>"         \
    "assistant\\n' }}\n    {%- if enable_thinking is defined and enable_thinking is false %}\n"    \
    "        {{- '<think>\\n\\n</think>\\n\\n' }}\n    {%- endif %}\n{%- endif %}"

// Seed-OSS's, shortened: other sentences, and fewer budgets.
#define SEED_HEAD                                                                                  \
    "{%- set bos_token              = '<seed:bos>'               -%}\n"                            \
    "{%- set eos_token              = '<seed:eos>'               -%}\n"                            \
    "{%- set think_begin_token      = '<seed:think>'             -%}\n"                            \
    "{%- set budget_begin_token     = '<seed:cot_budget_reflect>'-%}\n"                            \
    "{%- if not thinking_budget is defined %}\n{%- set thinking_budget = -1 -%}\n{%- endif -%}\n"
#define SEED_TABLE                                                                                 \
    "{%- set budget_reflections_v05 = {\n     0:      0,\n     512:    128,\n     4096:   640\n} -%}\n"
#define SEED_TAIL                                                                                  \
    "{%- if thinking_budget == 0 %}\n{{ bos_token+\"system\" }}\n"                                 \
    "{{ \"Answer at once, don't think.\" }}\n{{ eos_token }}\n"                                    \
    "{%- elif not thinking_budget == -1 %}\n{{ bos_token+\"system\" }}\n"                          \
    "{{ \"Think for \"}}{{thinking_budget}}{{\" tokens, look back after each \"}}{{ns.interval}}"  \
    "{{\".\"}}\n{{ eos_token }}\n{%- endif %}\n"                                                   \
    "{%- for message in messages %}\n"                                                             \
    "{{ bos_token + message.role + \"\\n\" + message.content + eos_token }}\n{%- endfor %}\n"      \
    "{%- if add_generation_prompt %}\n{{ bos_token+\"assistant\\n\" }}\n"                          \
    "{%- if thinking_budget == 0 %}\n{{ think_begin_token+budget_begin_token }}\n"                 \
    "{%- endif %}\n{%- endif %}"
#define SEED SEED_HEAD SEED_TABLE SEED_TAIL

static const struct row ROWS[] = {
    {SEED, "seed_oss",
     "<seed:bos>system\n Be brief. <seed:eos><seed:bos>user\n Hi <seed:eos><seed:bos>assistant\n",
     "<seed:bos>user\nHi<seed:eos><seed:bos>assistant\n"},
    {QWEN3, "qwen3",
     "<|im_start|>system\n Be brief. <|im_end|>\n<|im_start|>user\n Hi <|im_end|>\n"
     "<|im_start|>assistant\n",
     "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"},
    {"{{- '<|im_start|>' + role }}{{- '<|im_start|>assistant\\n<think>\\n' }}", "qwen3-thinking",
     "<|im_start|>system\n Be brief. <|im_end|>\n<|im_start|>user\n Hi <|im_end|>\n"
     "<|im_start|>assistant\n<think>\n",
     "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\n"},
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
    char *text = smr_chat_prompt(model, &(struct smr_chat_params){.system = system, .user = user});
    if (expected)
        assert_string_equal(text, expected);
    else
        assert_null(text);
    smr_text_free(model, text);
}

static smr_model *open_model(smr_context *context, struct gguf_builder *builder,
                             const char *template_text)
{
    gguf_begin(builder, 3);
    gguf_key_string(builder, "general.architecture", "llama");
    text_spm(builder);
    if (template_text)
        gguf_key_string(builder, "tokenizer.chat_template", template_text);
    smr_model *model = smr_model_open_memory(context, "m.gguf", builder->data, builder->size);
    assert_non_null(model);
    return model;
}

static void test_formats(void **state)
{
    for (size_t i = 0; i < SMR_COUNT(ROWS); i++) {
        struct gguf_builder builder;
        struct smr_model_info info;
        smr_context *context = test_context(NULL, NULL);
        smr_model *model = open_model(context, &builder, ROWS[i].template_text);
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

struct budget_row {
    const char *template_text;
    const char *system;
    uint32_t budget;
    const char *expected; // NULL: an error that has...
    const char *error;    // ...this
};

#define SEED_USER "<seed:bos>user\nHi<seed:eos><seed:bos>assistant\n"

// Spaces and newlines are as Jinja makes them of the whole template, with the blocks trimmed as
// transformers has it.
static const struct budget_row BUDGETS[] = {
    {SEED, NULL, 0,
     "<seed:bos>system\nAnswer at once, don't think.\n<seed:eos>" SEED_USER
     "<seed:think><seed:cot_budget_reflect>",
     NULL},
    {SEED, "Be brief.", 512,
     "<seed:bos>system\nBe brief.<seed:eos><seed:bos>system\nThink for 512 tokens, look back after "
     "each 128.\n<seed:eos>" SEED_USER,
     NULL},
    {SEED, NULL, 513,
     "<seed:bos>system\nThink for 513 tokens, look back after each 640.\n<seed:eos>" SEED_USER,
     NULL},
    {SEED, NULL, 70000,
     "<seed:bos>system\nThink for 70000 tokens, look back after each 640.\n<seed:eos>" SEED_USER,
     NULL},
    {QWEN3, NULL, 0,
     "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n", NULL},
    {QWEN3, NULL, 100, NULL, "can only have 0"},
    {SMOLLM2, NULL, 0, NULL, "has none"},
    // Templates that say it otherwise, or break off.
    {SEED_HEAD SEED_TAIL, NULL, 100, NULL, "does not read"},
    {SEED_HEAD "{% set budget_reflections = {0 1} %}" SEED_TAIL, NULL, 100, NULL, "does not read"},
    {SEED_HEAD "{% set budget_reflections = {0:", NULL, 100, NULL, "does not read"},
    {SEED_HEAD "{%- elif not thinking_budget == -1 %}{{ other_name }}{%", NULL, 1, NULL,
     "does not read"},
    {SEED_HEAD "{%- elif not thinking_budget == -1 %}{{ 'open", NULL, 1, NULL, "does not read"},
    {SEED_HEAD "{%- elif not thinking_budget == -1 %}{{ 'x' ", NULL, 1, NULL, "does not read"},
    {SEED_HEAD "{%- elif not thinking_budget == -1 %}{# x #}{{ 'x' }}{%", NULL, 1, NULL,
     "does not read"},
    {SEED_HEAD "{%- elif not thinking_budget == -1 %}text", NULL, 1, NULL, "does not read"},
};

static void test_budgets(void **state)
{
    for (size_t i = 0; i < SMR_COUNT(BUDGETS); i++) {
        const struct budget_row *row = &BUDGETS[i];
        struct gguf_builder builder;
        smr_context *context = test_context(NULL, NULL);
        smr_model *model = open_model(context, &builder, row->template_text);
        char *text =
            smr_chat_prompt(model, &(struct smr_chat_params){.system = row->system,
                                                             .user = "Hi",
                                                             .limit_thinking = true,
                                                             .thinking_budget = row->budget});
        if (row->expected) {
            assert_non_null(text);
            assert_string_equal(text, row->expected);
        } else {
            assert_null(text);
            assert_non_null(strstr(smr_context_error(context), row->error));
        }
        smr_text_free(model, text);
        smr_model_close(model);
        smr_context_destroy(context);
        gguf_builder_finish(&builder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_budgets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
