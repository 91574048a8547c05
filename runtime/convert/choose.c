// choose.c - the mixtures of types that llama.cpp's files have, as a table.
//
// Source: src/llama-quant.cpp of https://github.com/ggml-org/llama.cpp, without importance matrix.
// Values, the way back into the residual stream and the output suffer most from few bits, so
// mixtures give those more: in some layers, counted here as that file does.
#include "convert/choose.h"

#include "model/quantize.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// Layers of a model in which a better type is used.
enum layers {
    IN_NONE,
    IN_ALL,
    IN_FIRST_2,
    IN_FIRST_4,
    IN_FIRST_EIGHTH,
    IN_FIRST_SIXTEENTH,
    IN_SOME,    // the first eighth, the last, and every third between
    IN_GROUPED, // all, where four or more query heads share a value head
};

struct better {
    enum layers layers;
    enum smr_type type;
};

// For tensors of each role, the first row whose layers apply; else the recipe's type.
struct smr_recipe {
    const char *name;
    enum smr_type type;
    uint32_t file_type;
    struct better values[2], down[2], output[1]; // attn_v, ffn_down, attn_output
    const char *what;
};

static const struct smr_recipe recipes[] = {
    {"f32", SMR_F32, 0, .what = "as large as it gets"},
    {"f16", SMR_F16, 1, .what = "half of f32, nothing to speak of is lost"},
    {"bf16", SMR_BF16, 32, .what = "what most models are published in"},
    {"q8_0", SMR_Q8_0, 7, .what = "8.5 bits a weight, as good as f16"},
    {"q6_k", SMR_Q6_K, 18, .what = "6.6 bits, hardly to be told from q8_0"},
    {"q5_k_m",
     SMR_Q5_K,
     17,
     {{IN_SOME, SMR_Q6_K}},
     {{IN_SOME, SMR_Q6_K}},
     .what = "5.7 bits, a little lost"},
    {"q5_k_s", SMR_Q5_K, 16, .what = "5.5 bits"},
    {"q4_k_m",
     SMR_Q4_K,
     15,
     {{IN_SOME, SMR_Q6_K}},
     {{IN_SOME, SMR_Q6_K}},
     .what = "4.8 bits, what most people take"},
    {"q4_k_s",
     SMR_Q4_K,
     14,
     {{IN_FIRST_4, SMR_Q5_K}},
     {{IN_FIRST_EIGHTH, SMR_Q5_K}},
     .what = "4.6 bits"},
    {"q3_k_l",
     SMR_Q3_K,
     13,
     {{IN_ALL, SMR_Q5_K}},
     {{IN_ALL, SMR_Q5_K}},
     {{IN_ALL, SMR_Q5_K}},
     .what = "4.3 bits"},
    {"q3_k_m",
     SMR_Q3_K,
     12,
     {{IN_FIRST_2, SMR_Q5_K}, {IN_ALL, SMR_Q4_K}},
     {{IN_FIRST_SIXTEENTH, SMR_Q5_K}, {IN_ALL, SMR_Q4_K}},
     {{IN_ALL, SMR_Q4_K}},
     .what = "3.9 bits, small models suffer"},
    {"q3_k_s", SMR_Q3_K, 11, .what = "3.5 bits"},
    {"q2_k",
     SMR_Q2_K,
     10,
     {{IN_GROUPED, SMR_Q4_K}, {IN_ALL, SMR_Q3_K}},
     {{IN_ALL, SMR_Q3_K}},
     {{IN_ALL, SMR_Q3_K}},
     .what = "3 bits, for models too big otherwise"},
    {"q5_1", SMR_Q5_1, 9, .what = "6 bits, in the older format"},
    {"q5_0", SMR_Q5_0, 8, .what = "5.5 bits, in the older format"},
    {"q4_1", SMR_Q4_1, 3, .what = "5 bits, in the older format"},
    {"q4_0", SMR_Q4_0, 2, .what = "4.5 bits, in the older format"},
    {"iq4_nl",
     SMR_IQ4_NL,
     25,
     {{IN_GROUPED, SMR_Q5_K}},
     {{IN_FIRST_EIGHTH, SMR_Q5_K}},
     .what = "4.5 bits at levels that suit weights"},
};

// What llama-quantize takes these for.
static const struct {
    const char *name, *meaning;
} aliases[] = {{"q3_k", "q3_k_m"}, {"q4_k", "q4_k_m"}, {"q5_k", "q5_k_m"}};

const struct smr_recipe *smr_recipe_find(const char *name)
{
    for (size_t i = 0; i < SMR_COUNT(aliases); i++)
        if (!strcasecmp(aliases[i].name, name))
            name = aliases[i].meaning;
    for (size_t i = 0; i < SMR_COUNT(recipes); i++)
        if (!strcasecmp(recipes[i].name, name))
            return &recipes[i];
    return NULL;
}

const char *smr_convert_type(size_t index, const char **what)
{
    const char *phrase = NULL, *name = NULL;
    if (index < SMR_COUNT(recipes)) {
        name = recipes[index].name;
        phrase = recipes[index].what;
    } else if (index - SMR_COUNT(recipes) < SMR_COUNT(aliases)) {
        name = aliases[index - SMR_COUNT(recipes)].name;
        phrase = aliases[index - SMR_COUNT(recipes)].meaning;
    }
    if (what)
        *what = phrase;
    return name;
}

uint32_t smr_recipe_file_type(const struct smr_recipe *recipe)
{
    return recipe->file_type;
}

// ---- one tensor -------------------------------------------------------------------------------

static bool contains(const struct smr_tensor *tensor, const char *part)
{
    return strstr(tensor->name, part) != NULL;
}

static bool ends_with(const char *text, const char *end)
{
    const size_t length = strlen(text), size = strlen(end);
    return length >= size && !strcmp(text + length - size, end);
}

// Vectors, and matrices so small that bits are saved in the wrong place.
static bool stays_f32(const struct smr_tensor *tensor)
{
    static const char *const parts[] = {
        "_norm.weight", "ffn_gate_inp.weight", "position_embd", "token_types", "attn_rel_b.weight",
    };
    if (tensor->n_dims < 2 || !ends_with(tensor->name, "weight"))
        return true;
    for (size_t i = 0; i < SMR_COUNT(parts); i++)
        if (contains(tensor, parts[i]))
            return true;
    return false;
}

// The number behind "blk."; 0 outside layers.
static uint32_t layer_of(const struct smr_tensor *tensor)
{
    const char *block = strstr(tensor->name, "blk.");
    return block ? (uint32_t)strtoul(block + 4, NULL, 10) : 0;
}

static bool applies(enum layers layers, const struct smr_hparams *hparams, uint32_t layer)
{
    const uint32_t n = hparams->n_layers, eighth = n / 8;
    switch (layers) {
    case IN_NONE:
        return false;
    case IN_ALL:
        return true;
    case IN_FIRST_2:
        return layer < 2;
    case IN_FIRST_4:
        return layer < 4;
    case IN_FIRST_EIGHTH:
        return layer < eighth;
    case IN_FIRST_SIXTEENTH:
        return layer < n / 16;
    case IN_SOME:
        return layer < eighth || layer >= 7 * n / 8 || (layer - eighth) % 3 == 2;
    case IN_GROUPED:
        return hparams->n_kv_heads && hparams->n_heads / hparams->n_kv_heads >= 4;
    }
    return false;
}

static enum smr_type choose_better(const struct better *rows, size_t n, enum smr_type otherwise,
                                   const struct smr_model *model, const struct smr_tensor *tensor)
{
    for (size_t i = 0; i < n; i++)
        if (applies(rows[i].layers, &model->hparams, layer_of(tensor)))
            return rows[i].type;
    return otherwise;
}

// The matrix that logits come from: also the token embeddings where both are one.
static bool makes_logits(const struct smr_model *model, const struct smr_tensor *tensor)
{
    return !strcmp(tensor->name, "output.weight") || (!strcmp(tensor->name, "token_embd.weight") &&
                                                      !smr_model_tensor(model, "output.weight"));
}

static enum smr_type choose_mixed(const struct smr_recipe *recipe, const struct smr_model *model,
                                  const struct smr_tensor *tensor)
{
    const enum smr_type type = recipe->type;
    const uint32_t n_experts = model->hparams.n_experts;
    const bool few = n_experts == 8; // Mixtral: what all experts share is small beside them
    // Encoder-decoders write short texts of which each token counts: with q8_0 here a T5 titler wrote 8
    // of 100 titles otherwise than in f32, with f16 3 (tests/real_titles.py).
    if (makes_logits(model, tensor) && type == SMR_Q8_0)
        return model->hparams.n_encoder_layers ? SMR_F16 : SMR_Q8_0;
    if (makes_logits(model, tensor))
        return SMR_Q6_K;
    if (contains(tensor, "attn_v.weight") || contains(tensor, "attn_qkv.weight"))
        return few ? SMR_Q8_0
                   : choose_better(recipe->values, SMR_COUNT(recipe->values), type, model, tensor);
    if (contains(tensor, "attn_k.weight"))
        return few ? SMR_Q8_0 : type;
    if (contains(tensor, "ffn_down"))
        return choose_better(recipe->down, SMR_COUNT(recipe->down), type, model, tensor);
    if (contains(tensor, "attn_output.weight") && few) {
        const bool small = type == SMR_Q2_K || type == SMR_Q3_K || type == SMR_Q4_K;
        return (small && recipe->file_type != 13) || type == SMR_IQ4_NL ? SMR_Q5_K : type;
    }
    if (contains(tensor, "attn_output.weight"))
        return choose_better(recipe->output, SMR_COUNT(recipe->output), type, model, tensor);
    return type;
}

enum smr_type smr_recipe_choose(const struct smr_recipe *recipe, bool pure,
                                const struct smr_model *model, const struct smr_tensor *tensor,
                                enum smr_type *wanted)
{
    *wanted = recipe->type;
    if (!smr_can_quantize(tensor->type)) // numbers that are no weights
        return *wanted = tensor->type;
    if (stays_f32(tensor))
        return *wanted = SMR_F32;
    if (smr_type_info(recipe->type)->quantized && !pure)
        *wanted = choose_mixed(recipe, model, tensor);
    return smr_fitting_type(*wanted, tensor->dims[0]);
}
