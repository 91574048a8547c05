// chat_thinking.h - what a chat template says of a budget for thinking. Private to text/.
#pragma once

#include "model/model.h"

// Seed-OSS's template has, beside the messages, texts for `thinking_budget` tokens:
//
//     {%- set NAME = 'text' -%}                    marks of turns, of thinking, of reflection
//     {%- set budget_reflections... = {0: 0, 512: 128, ...} -%}    how often to reflect, by budget
//     {%- if thinking_budget == 0 %} ...           a system message that asks for a direct answer
//     {%- elif not thinking_budget == -1 %} ...    one that tells the budget and the interval
//     {%- if thinking_budget == 0 %} ...           after the opening of the answer: thinking is over
//
// The texts are read from the template, where they stand as literals. False, with nothing recorded,
// where they are written otherwise than by literals and the names above.

// Append the system message for `budget` tokens.
bool smr_thinking_system(const char *chat_template, uint32_t budget, struct smr_string *text);
// Append what follows the opening of the answer.
bool smr_thinking_opening(const char *chat_template, uint32_t budget, struct smr_string *text);
