// run_options.c - the options of samara run.
#include "run.h"

#include <stddef.h>

static const char *const cache_types[] = {"f16", "f32", "q8_0", NULL};
const enum smr_type run_cache_types[] = {SMR_F16, SMR_F32, SMR_Q8_0};

static const char *const early_stopping[] = {"false", "true", "never", NULL};
const enum smr_early_stopping run_early_stopping[] = {
    SMR_EARLY_STOPPING_HEURISTIC, SMR_EARLY_STOPPING_AT_ONCE, SMR_EARLY_STOPPING_NEVER};

static const char *const speculate[] = {"auto", "always", "never", NULL};
const enum smr_speculate run_speculate[] = {SMR_SPECULATE_AUTO, SMR_SPECULATE_ALWAYS,
                                            SMR_SPECULATE_NEVER};

// As smr_generate_params.n_in_flight counts.
static const char *const sampling[] = {"auto", "host", "device", NULL};

#define FIELD(name) .offset = offsetof(struct run_settings, name)
#define COUNT_MAX   2147483647.0

// Names and defaults are llama.cpp's where it has the option.
static const struct option options[] = {
    {.help = "Input"},
    OPTION_ROW_MODEL(struct run_settings),
    {"-p --prompt", "TEXT", NULL, "the prompt; - for standard input", OPTION_TEXT, FIELD(prompt)},
    {"-f --file --prompt-file", "FILE", NULL,
     "read the prompt from a file; - for standard input. One newline at the end is left out",
     OPTION_TEXT, FIELD(prompt_file)},
    {"--tokens", "IDS", NULL, "the prompt as token numbers: 1,2,3. Nothing is added to them",
     OPTION_TEXT, FIELD(tokens)},
    {"-sys --system-prompt --system", "TEXT", NULL,
     "what an instruction model is told before the prompt", OPTION_TEXT, FIELD(system)},
    {"--thinking-budget", "N", "-1",
     "let a model that thinks before it answers do so for about N tokens, by what its chat format "
     "says; 0: it answers at once; -1: no limit",
     OPTION_INTEGER, FIELD(thinking_budget), -1, COUNT_MAX},
    {"--raw", NULL, NULL,
     "give the prompt to the model as it is, without its chat format. Special tokens in it are "
     "what they say",
     OPTION_FLAG, FIELD(raw)},
    {"--no-bos", NULL, NULL, "leave out the begin-of-text token that the model asks for",
     OPTION_FLAG, FIELD(no_bos)},
    {"-e --escape", NULL, NULL, "replace \\n, \\t, \\r, \\\", \\' and \\\\ in -p and --stop",
     OPTION_FLAG, FIELD(escape)},

    {.help = "Generation"},
    {"-n --predict --n-predict", "N", "-1",
     "generate at most N tokens; -1: until the model ends its text or the context is full",
     OPTION_INTEGER, FIELD(n_predict), -1, COUNT_MAX},
    {"-c --ctx-size", "N", "0", "tokens the context holds; 0: the model's, at most 4096",
     OPTION_INTEGER, FIELD(n_context), 0, COUNT_MAX},
    {"--source", "N", "0",
     "tokens of a prompt that a model with an encoder takes; 0: as many as it was trained for",
     OPTION_INTEGER, FIELD(n_source), 0, COUNT_MAX},
    {"-b --batch-size", "N", "0",
     "prompt tokens that are computed at once; 0: 512, or 128 without a GPU", OPTION_INTEGER,
     FIELD(n_batch), 0, COUNT_MAX},
    {"-r --reverse-prompt --stop", "TEXT", NULL,
     "stop before this text; may be given several times", OPTION_LIST, FIELD(stop)},
    {"--min-tokens", "N", "0", "generate at least N tokens: the model cannot end its text before",
     OPTION_INTEGER, FIELD(min_tokens), 0, COUNT_MAX},
    {"--no-repeat-ngram", "N", "0",
     "no N tokens in a row come twice; 0: as the model's files have it, which is mostly that they may",
     OPTION_INTEGER, FIELD(no_repeat_ngram), 0, COUNT_MAX},
    {"--ignore-eos", NULL, NULL, "go on when the model ends its text", OPTION_FLAG,
     FIELD(ignore_end)},

    {.help = "Sampling"},
    {"-s --seed", "N", "-1", "same seed, same text; -1: a random one", OPTION_INTEGER, FIELD(seed),
     -1, 9007199254740991.0},
    {"--temp", "T", "-1",
     "temperature; 0: the most likely token, always; -1: 0.8, but for models with an encoder 0",
     OPTION_NUMBER, FIELD(temperature), -1, 1e6},
    {"--top-k", "N", "40", "choose among the N most likely tokens; 0: all", OPTION_INTEGER,
     FIELD(top_k), 0, COUNT_MAX},
    {"--top-p", "P", "0.95",
     "choose among the most likely tokens that together have this probability; 1: all",
     OPTION_NUMBER, FIELD(top_p), 0, 1},
    {"--min-p", "P", "0.05",
     "choose among tokens with this share of the most likely one's probability; 0: all",
     OPTION_NUMBER, FIELD(min_p), 0, 1},
    {"--repeat-last-n", "N", "64",
     "tokens that the penalties look back on; 0: none; -1: all of the context", OPTION_INTEGER,
     FIELD(repeat_last_n), -1, COUNT_MAX},
    {"--repeat-penalty", "X", "1", "penalty of repeated tokens; 1: none", OPTION_NUMBER,
     FIELD(repeat_penalty), 1e-3, 1e3},
    {"--presence-penalty", "X", "0", "penalty of tokens that were there before; 0: none",
     OPTION_NUMBER, FIELD(presence_penalty), -1e3, 1e3},
    {"--frequency-penalty", "X", "0", "penalty for each time a token was there; 0: none",
     OPTION_NUMBER, FIELD(frequency_penalty), -1e3, 1e3},
    {"-l --logit-bias", "TOKEN=BIAS", NULL,
     "make a token more or less likely, as 15043=1.5 or 15043=-1; may be given several times",
     OPTION_LIST, FIELD(logit_bias)},
    {"--sampling", "WHERE", "auto",
     "choose tokens on the device, which then computes the next step meanwhile, or on the host; auto: on "
     "a GPU, and for --top-k 0, which takes the host long. The text is the same, but for rounding. It is the host that does it for --samples, "
     "--logprobs, --min-tokens, --no-repeat-ngram, --draft, and models that forbid tokens",
     OPTION_CHOICE, FIELD(sampling), .choices = sampling},

    {.help = "Speculation"},
    {"--speculation", "WHEN", "auto",
     "guess what comes next from what followed the same words before, and compute several guesses in "
     "one step: auto, where that pays; always; or never. The text is the same, but for rounding",
     OPTION_CHOICE, FIELD(speculate), .choices = speculate},
    {"--no-speculation", NULL, NULL, "the same as --speculation never", OPTION_FLAG,
     FIELD(no_speculation)},
    {"-md --model-draft --draft", "MODEL", NULL,
     "let a smaller model with the same vocabulary guess; acceptance is shown at the end",
     OPTION_TEXT, FIELD(draft)},
    {"--draft-max", "N", "7", "tokens that are guessed at once, at most", OPTION_INTEGER,
     FIELD(draft_max), 1, 7},

    {.help = "Several texts"},
    {"--samples", "N", "1",
     "generate N texts from one prompt: the seed of the i-th, counted from 0, is the first one's plus "
     "i. With --beams, show the N best",
     OPTION_INTEGER, FIELD(n_samples), 1, SMR_MAX_SEQUENCES},
    {"--beams", "N", "0",
     "search for the likeliest text with N beams, as transformers does, and draw nothing; 0: no "
     "search, unless the files of a model with an encoder ask for one and no other option does",
     OPTION_INTEGER, FIELD(n_beams), 0, SMR_MAX_SEQUENCES},
    {"--length-penalty", "X", "1",
     "beams are compared by the sum of their log-probabilities over their length to this power: more "
     "than 0 favours long texts",
     OPTION_NUMBER, FIELD(length_penalty), -1e3, 1e3},
    {"--early-stopping", "WHEN", "false",
     "true: stop the search when N texts are finished; false: when none that goes on seems to become "
     "better; never: when none can",
     OPTION_CHOICE, FIELD(early_stopping), .choices = early_stopping},
    {"--beam-groups", "N", "1", "share the beams out among N groups that find different texts",
     OPTION_INTEGER, FIELD(n_groups), 1, SMR_MAX_SEQUENCES},
    {"--diversity-penalty", "X", "0",
     "what a group pays for a token each time a group before it chose it, in log-probability",
     OPTION_NUMBER, FIELD(diversity_penalty), 0, 1e6},

    {.help = "Device"},
    OPTION_ROW_DEVICE(struct run_settings),
    OPTION_ROW_THREADS(struct run_settings),
    {"--type", "TYPE", "file",
     "turn the weights into this type while they are loaded, for a model that is too big as it is; "
     "samara convert --help tells of types",
     OPTION_CHOICE, FIELD(weight_type), .choices = weight_types},
    {"--cache-type", "TYPE", "f16", "type of the KV cache", OPTION_CHOICE, FIELD(cache_type),
     .choices = cache_types},
    {"--kernels", "KIND", "tuned",
     "which variants of the kernels: the fastest, the fastest that do not round activations to fewer "
     "than 32 bits, or the simplest",
     OPTION_CHOICE, FIELD(kernels), .choices = tool_kernel_choices},
    OPTION_ROWS_SHADERS(struct run_settings),

    {.help = "Output"},
    {"--json", NULL, NULL, "print one object at the end: tokens, text, timings", OPTION_FLAG,
     FIELD(json)},
    {"--logprobs", "N", "0",
     "with --json: log-probability of each token and the N most likely ones", OPTION_INTEGER,
     FIELD(n_logprobs), 0, COUNT_MAX},
    {"--logits", "FILE.npy", NULL, "write the logits after the prompt as a NumPy array of float32",
     OPTION_TEXT, FIELD(logits)},
    {"-sp --special", NULL, NULL, "write special tokens out", OPTION_FLAG, FIELD(special)},
    OPTION_ROW_VERBOSE(struct run_settings),
    OPTION_ROW_QUIET(struct run_settings),
};

static const struct example examples[] = {
    {"samara run model.gguf -p 'Write a haiku about the sea'", "Ask an instruction model"},
    {"samara run model.gguf --raw -p 'Once upon a time' -n 100 --temp 0",
     "Go on with a text, always with the most likely token"},
    {"git diff | samara run model.gguf -sys 'Describe this change.'",
     "Read the prompt from a pipe"},
    {"samara run model.gguf -p 'A name for a cat:' --raw -n 8 --samples 5", "Five answers at once"},
    {"samara run model.gguf -p 'Translate to French: cheese' --beams 4",
     "The likeliest answer that four beams find"},
    {"samara run model.gguf -p Hello --json --logprobs 5 | jq .timings", "Results for programs"},
    {NULL, NULL},
};

const struct command run_command = {
    .name = "run",
    .usage = "MODEL [-p TEXT | --prompt-file FILE | --tokens IDS] [OPTION]...",
    .summary = "generate text",
    .description =
        "Reads a model and a prompt and writes what the model makes of it to standard output, as "
        "it comes. MODEL is a GGUF file, or a Hugging Face folder with config.json and "
        "safetensors files. Instruction models get the prompt in their chat format unless --raw is "
        "given. Without a prompt, standard input is read. A model without a tokenizer needs "
        "--tokens, and answers with numbers.\n"
        "Ctrl-C stops the text; a second one ends the program at once.",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .examples = examples,
    .run = run_run,
};
