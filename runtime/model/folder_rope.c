// folder_rope.c - rotary embeddings in config.json, which has described them in three ways: rope_theta
// and rope_scaling, rope_parameters, and rope_parameters by kind of layer.
//
// What the kinds compute: transformers' modeling_rope_utils.py.
#include "model/folder.h"

#include <math.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

struct rope {
    struct smr_folder *folder;
    const json_t *parameters; // rope_parameters or rope_scaling; NULL without one
    uint32_t n_context, original_context;
    uint32_t head_dim, dims; // dims: of a head that are rotated
    double theta;
    bool failed;
};

// A number that must be there and be above zero.
static double need(struct rope *rope, const char *key)
{
    double value = 0;
    bool found = smr_folder_f32(rope->folder, rope->parameters, key, &value, &rope->failed);
    if (!rope->failed && (!found || !(value > 0))) {
        smr_folder_fail(rope->folder, key, "%s, which the rotation's scaling needs",
                        found ? "is not above 0" : "is missing");
        rope->failed = true;
    }
    return value;
}

// ---- kinds ------------------------------------------------------------------------------------

static bool scale_linear(struct rope *rope)
{
    smr_metadata_set_string(
        &rope->folder->part->metadata,
        smr_folder_key(rope->folder, "rope.scaling.type", (char[SMR_FOLDER_KEY_SIZE]){0}),
        "linear");
    smr_folder_set_f32(rope->folder, "rope.scaling.factor", need(rope, "factor"));
    return !rope->failed;
}

static bool scale_yarn(struct rope *rope)
{
    static const char *const optional[][2] = {{"beta_fast", "rope.scaling.yarn_beta_fast"},
                                              {"beta_slow", "rope.scaling.yarn_beta_slow"}};
    double factor = need(rope, "factor"), value;
    if (rope->failed)
        return false;
    if (json_is_false(json_object_get(rope->parameters, "truncate")))
        return smr_folder_fail(rope->folder, "truncate", "false is not supported");
    smr_metadata_set_string(
        &rope->folder->part->metadata,
        smr_folder_key(rope->folder, "rope.scaling.type", (char[SMR_FOLDER_KEY_SIZE]){0}), "yarn");
    smr_folder_set_f32(rope->folder, "rope.scaling.factor", factor);
    smr_folder_set_u32(rope->folder, "rope.scaling.original_context_length",
                       rope->original_context ? rope->original_context : rope->n_context);
    for (size_t i = 0; i < SMR_COUNT(optional); i++)
        if (smr_folder_f32(rope->folder, rope->parameters, optional[i][0], &value, &rope->failed))
            smr_folder_set_f32(rope->folder, optional[i][1], value);
    // GGUF's factor comes on top of the one that follows from `factor`.
    if (smr_folder_f32(rope->folder, rope->parameters, "attention_factor", &value, &rope->failed))
        smr_folder_set_f32(rope->folder, "rope.scaling.attn_factor",
                           value / (1 + 0.1 * log(factor)));
    return !rope->failed;
}

// Llama 3: one divisor for each frequency, as GGUF has it. Long waves are stretched by `factor`, short
// ones are not, and those between are in part.
static bool scale_llama3(struct rope *rope)
{
    double factor = need(rope, "factor"), low = need(rope, "low_freq_factor"),
           high = need(rope, "high_freq_factor"), context = rope->original_context;
    float divisors[2048];
    if (rope->failed)
        return false;
    if (!rope->original_context || high <= low || rope->dims / 2 > SMR_COUNT(divisors))
        return smr_folder_fail(rope->folder, "rope_scaling",
                               "its factors do not make sense for llama3");
    for (uint32_t i = 0; i < rope->dims / 2; i++) {
        double wave = 2 * pi * pow(rope->theta, 2.0 * i / rope->dims);
        double smooth = (context / wave - low) / (high - low);
        double divisor = smooth <= 0   ? factor
                         : smooth >= 1 ? 1
                                       : 1 / ((1 - smooth) / factor + smooth);
        divisors[i] = (float)divisor;
    }
    return smr_folder_add_vector(rope->folder, "rope_freqs.weight", divisors, rope->dims / 2);
}

static bool add_factors(struct rope *rope, const char *key, const char *tensor)
{
    const json_t *list = json_object_get(rope->parameters, key);
    float factors[2048];
    if (json_array_size(list) != rope->dims / 2 || rope->dims / 2 > SMR_COUNT(factors))
        return smr_folder_fail(rope->folder, key, "has %zu numbers, should have %u",
                               json_array_size(list), rope->dims / 2);
    for (uint32_t i = 0; i < rope->dims / 2; i++) {
        const json_t *value = json_array_get(list, i);
        if (!json_is_number(value))
            return smr_folder_fail(rope->folder, key, "element %u is no number", i);
        factors[i] = (float)json_number_value(value);
    }
    return smr_folder_add_vector(rope->folder, tensor, factors, rope->dims / 2);
}

static bool scale_longrope(struct rope *rope)
{
    double original = rope->original_context, value;
    if (!(original > 1))
        return smr_folder_fail(rope->folder, "original_max_position_embeddings",
                               "is missing, which longrope needs");
    double ratio = rope->n_context / original;
    double magnitude = ratio <= 1 ? 1 : sqrt(1 + log(ratio) / log(original));
    if (smr_folder_f32(rope->folder, rope->parameters, "attention_factor", &value, &rope->failed))
        magnitude = value;
    smr_folder_set_u32(rope->folder, "rope.scaling.original_context_length",
                       rope->original_context);
    smr_folder_set_f32(rope->folder, "rope.scaling.attn_factor", magnitude);
    return !rope->failed && add_factors(rope, "long_factor", "rope_factors_long.weight") &&
           add_factors(rope, "short_factor", "rope_factors_short.weight");
}

static bool scale(struct rope *rope)
{
    static const struct {
        const char *name;
        bool (*read)(struct rope *rope); // NULL: nothing is scaled
    } kinds[] = {
        {"default", NULL},
        {"linear", scale_linear},
        {"yarn", scale_yarn},
        {"llama3", scale_llama3},
        {"su", scale_longrope}, // longrope's first name
        {"longrope", scale_longrope},
    };
    const json_t *kind = json_object_get(rope->parameters, "rope_type");
    if (!kind)
        kind = json_object_get(rope->parameters, "type");
    const char *name = kind ? json_string_value(kind) : "default";
    for (size_t i = 0; name && i < SMR_COUNT(kinds); i++)
        if (!strcmp(name, kinds[i].name))
            return !kinds[i].read || kinds[i].read(rope);
    return smr_folder_fail(rope->folder, "rope_type", "\"%.40s\" is not supported",
                           name ? name : "(not a string)");
}

// ---- all of it --------------------------------------------------------------------------------

// Gemma 3 has parameters of its own for the layers with a window.
static bool read_local(struct rope *rope, const json_t *local)
{
    double theta;
    if (smr_folder_f32(rope->folder, local, "rope_theta", &theta, &rope->failed) ||
        smr_folder_f32(rope->folder, rope->folder->config, "rope_local_base_freq", &theta,
                       &rope->failed))
        smr_folder_set_f32(rope->folder, "rope.freq_base_swa", theta);
    const char *type = json_string_value(json_object_get(local, "rope_type"));
    if (type && strcmp(type, "default") != 0)
        return smr_folder_fail(rope->folder, "sliding_attention",
                               "rope_type \"%.40s\" is not supported", type);
    return !rope->failed;
}

static void read_numbers(struct rope *rope)
{
    static const char original[] = "original_max_position_embeddings";
    const struct smr_folder *folder = rope->folder;
    uint32_t n_embd = 0, n_heads = 0;
    double share = 1;
    smr_folder_u32(folder, folder->config, "max_position_embeddings", &rope->n_context,
                   &rope->failed);
    if (!smr_folder_u32(folder, rope->parameters, original, &rope->original_context, &rope->failed))
        smr_folder_u32(folder, folder->config, original, &rope->original_context, &rope->failed);
    if (!smr_folder_u32(folder, folder->config, "head_dim", &rope->head_dim, &rope->failed) &&
        smr_folder_u32(folder, folder->config, "hidden_size", &n_embd, &rope->failed) &&
        smr_folder_u32(folder, folder->config, "num_attention_heads", &n_heads, &rope->failed) &&
        n_heads)
        rope->head_dim = n_embd / n_heads;
    if (!smr_folder_f32(folder, rope->parameters, "rope_theta", &rope->theta, &rope->failed))
        smr_folder_f32(folder, folder->config, "rope_theta", &rope->theta, &rope->failed);
    if (!smr_folder_f32(folder, rope->parameters, "partial_rotary_factor", &share, &rope->failed))
        smr_folder_f32(folder, folder->config, "partial_rotary_factor", &share, &rope->failed);
    rope->dims = share > 0 && share <= 1 ? (uint32_t)(rope->head_dim * share) : rope->head_dim;
}

bool smr_folder_read_rope(struct smr_folder *folder)
{
    struct rope rope = {.folder = folder};
    const json_t *parameters = json_object_get(folder->config, "rope_parameters");
    const json_t *global = json_object_get(parameters, "full_attention");
    if (!json_is_object(parameters))
        parameters = json_object_get(folder->config, "rope_scaling");
    rope.parameters = global ? global : parameters;
    // All that rotate have at least the default; GPT-2 learns its positions.
    if (!json_object_get(folder->config, "rope_theta"))
        return true;
    read_numbers(&rope);
    if (rope.failed)
        return false;
    smr_folder_set_f32(folder, "rope.freq_base", rope.theta);
    if (rope.dims)
        smr_folder_set_u32(folder, "rope.dimension_count", rope.dims);
    return read_local(&rope, json_object_get(parameters, "sliding_attention")) && scale(&rope);
}
