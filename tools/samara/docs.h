// docs.h - help, man pages and shell completion, made from the option tables. All print to stdout.
#pragma once

#include "options.h"

void docs_help(const struct command *command); // NULL: samara itself
void docs_man(const struct command *command);  // NULL: samara(1)
bool docs_completion(const char *shell);       // bash, zsh or fish; false for another one
