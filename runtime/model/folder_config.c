// folder_config.c - config.json: hyperparameters under GGUF's keys. hparams.c checks their ranges.
#include "model/folder.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

bool smr_folder_fail(const struct smr_folder *folder, const char *key, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    smr_model_fail(folder->context, folder->config_path, key, format, arguments);
    va_end(arguments);
    return false;
}

// ---- single values ----------------------------------------------------------------------------

bool smr_folder_u32(const struct smr_folder *folder, const json_t *object, const char *key,
                    uint32_t *value, bool *failed)
{
    const json_t *found = json_object_get(object, key);
    if (!found || json_is_null(found))
        return false;
    if (smr_json_u32(found, value))
        return true;
    *failed = true;
    return smr_folder_fail(folder, key, "is no whole number within 0 and %" PRIu32, UINT32_MAX);
}

bool smr_folder_f32(const struct smr_folder *folder, const json_t *object, const char *key,
                    double *value, bool *failed)
{
    const json_t *found = json_object_get(object, key);
    if (!found || json_is_null(found))
        return false;
    if (!json_is_number(found)) {
        *failed = true;
        return smr_folder_fail(folder, key, "is no number");
    }
    *value = json_number_value(found);
    return true;
}

const char *smr_folder_key(const struct smr_folder *folder, const char *suffix,
                           char key[SMR_FOLDER_KEY_SIZE])
{
    snprintf(key, SMR_FOLDER_KEY_SIZE, "%s.%s", folder->family->architecture, suffix);
    return key;
}

void smr_folder_set_u32(struct smr_folder *folder, const char *suffix, uint32_t value)
{
    char key[SMR_FOLDER_KEY_SIZE];
    smr_metadata_set_u32(&folder->part->metadata, smr_folder_key(folder, suffix, key), value);
}

void smr_folder_set_f32(struct smr_folder *folder, const char *suffix, double value)
{
    char key[SMR_FOLDER_KEY_SIZE];
    smr_metadata_set_f32(&folder->part->metadata, smr_folder_key(folder, suffix, key),
                         (float)value);
}

static bool is_true(const struct smr_folder *folder, const char *key)
{
    return json_is_true(json_object_get(folder->config, key));
}

static const char *text_of(const struct smr_folder *folder, const char *key)
{
    return json_string_value(json_object_get(folder->config, key));
}

// ---- what models have in common ---------------------------------------------------------------

static bool read_keys(struct smr_folder *folder)
{
    bool failed = false;
    for (const struct smr_folder_key *key = folder->family->keys; key->json && !failed; key++) {
        uint32_t integer = 0;
        double real = 0;
        if (key->kind == SMR_FOLDER_U32 &&
            smr_folder_u32(folder, folder->config, key->json, &integer, &failed))
            smr_folder_set_u32(folder, key->key, integer);
        if (key->kind == SMR_FOLDER_F32 &&
            smr_folder_f32(folder, folder->config, key->json, &real, &failed))
            smr_folder_set_f32(folder, key->key, real);
    }
    return !failed;
}

// Whether `word` is in a list like "silu|swish".
static bool is_listed(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = list; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL)
        if (!strncmp(at, word, length) && (at[length] == '|' || !at[length]))
            return true;
    return false;
}

static bool check_activation(const struct smr_folder *folder)
{
    static const char *const keys[] = {"hidden_activation", "hidden_act", "activation_function"};
    const char *list = folder->family->activations;
    for (size_t i = 0; list && i < SMR_COUNT(keys); i++) {
        const char *name = text_of(folder, keys[i]);
        if (!name)
            continue;
        // Gemma's first files say gelu where hidden_activation, which counts, has the right one.
        return is_listed(list, name) ||
               smr_folder_fail(folder, keys[i], "\"%.40s\" is not supported for %s, only %s", name,
                               folder->family->model_type, list);
    }
    return true;
}

// Switches that change what is computed, in ways that this version does not.
static bool check_switches(const struct smr_folder *folder)
{
    static const struct {
        const char *key;
        bool value; // the one that is computed
    } switches[] = {
        {"use_bidirectional_attention", false},
        {"scale_attn_by_inverse_layer_idx", false},
        {"scale_attn_weights", true},
        {"add_cross_attention", false},
        {"normalize_before", false},
        {"add_final_layer_norm", false},
        {"share_encoder_decoder_embeddings", true},
    };
    for (size_t i = 0; i < SMR_COUNT(switches); i++) {
        const json_t *value = json_object_get(folder->config, switches[i].key);
        if (json_is_boolean(value) && json_boolean_value(value) != switches[i].value)
            return smr_folder_fail(folder, switches[i].key, "%s is not supported",
                                   json_boolean_value(value) ? "true" : "false");
    }
    const json_t *quantized = json_object_get(folder->config, "quantization_config");
    const char *method = json_string_value(json_object_get(quantized, "quant_method"));
    if (json_is_object(quantized))
        return smr_folder_fail(folder, "quantization_config",
                               "weights quantized by %.40s are not supported: take the folder of "
                               "the original model, or a GGUF file",
                               method ? method : "another program");
    return true;
}

// ---- decoders ---------------------------------------------------------------------------------

// Whether each layer attends as the family's layers do.
static bool check_layer_types(const struct smr_folder *folder, bool windowed)
{
    const json_t *types = json_object_get(folder->config, "layer_types");
    uint32_t period = folder->family->window_period;
    for (size_t i = 0; i < json_array_size(types); i++) {
        const char *type = json_string_value(json_array_get(types, i));
        bool local = windowed && (!period || (i + 1) % period != 0);
        if (!type || strcmp(type, local ? "sliding_attention" : "full_attention") != 0)
            return smr_folder_fail(folder, "layer_types", "layer %zu is \"%.40s\": not supported",
                                   i, type ? type : "(not a string)");
    }
    return true;
}

static bool read_window(struct smr_folder *folder)
{
    bool failed = false;
    uint32_t window = 0, first = 0, n_layers = 0, period;
    // Qwen's switch; without it there is a window where there is a number.
    const json_t *use = json_object_get(folder->config, "use_sliding_window");
    bool windowed = smr_folder_u32(folder, folder->config, "sliding_window", &window, &failed) &&
                    window && !json_is_false(use);
    if (failed || !check_layer_types(folder, windowed))
        return false;
    if (!windowed)
        return true;
    if (json_is_true(use) &&
        smr_folder_u32(folder, folder->config, "max_window_layers", &first, &failed) && first) {
        smr_folder_u32(folder, folder->config, "num_hidden_layers", &n_layers, &failed);
        if (first >= n_layers)
            return !failed;
        return smr_folder_fail(folder, "max_window_layers",
                               "windows from layer %" PRIu32 " on are not supported", first);
    }
    if (smr_folder_u32(folder, folder->config, "sliding_window_pattern", &period, &failed) &&
        period != folder->family->window_period)
        return smr_folder_fail(folder, "sliding_window_pattern",
                               "%" PRIu32 " is not supported, only %" PRIu32, period,
                               folder->family->window_period);
    smr_folder_set_u32(folder, "attention.sliding_window", window);
    return !failed;
}

// Which layers have experts is told by the tensors (mlp_only_layers, decoder_sparse_step).
static void read_experts(struct smr_folder *folder)
{
    const json_t *norm = json_object_get(folder->config, "norm_topk_prob");
    char key[SMR_FOLDER_KEY_SIZE];
    if (json_is_boolean(norm))
        smr_metadata_set_bool(&folder->part->metadata,
                              smr_folder_key(folder, "expert_weights_norm", key),
                              json_boolean_value(norm));
}

static bool read_decoder(struct smr_folder *folder)
{
    bool failed = false;
    double scalar = 0;
    uint32_t n_embd, n_ff;
    if (smr_folder_f32(folder, folder->config, "query_pre_attn_scalar", &scalar, &failed) &&
        scalar > 0)
        smr_folder_set_f32(folder, "attention.scale", 1 / sqrt(scalar));
    // GPT-2's hidden layers are four times as wide where no width is given.
    if (smr_folder_u32(folder, folder->config, "n_embd", &n_embd, &failed) &&
        !smr_folder_u32(folder, folder->config, "n_inner", &n_ff, &failed) && !failed)
        smr_folder_set_u32(folder, "feed_forward_length",
                           n_embd <= UINT32_MAX / 4 ? n_embd * 4 : 0);
    read_experts(folder);
    return !failed && read_window(folder) && smr_folder_read_rope(folder);
}

// ---- encoder-decoders -------------------------------------------------------------------------

static void set_activation(struct smr_folder *folder, const char *name)
{
    static const char *const names[][2] = {{"swish", "silu"},
                                           {"gelu_new", "gelu_tanh"},
                                           {"gelu_fast", "gelu_tanh"},
                                           {"gelu_pytorch_tanh", "gelu_tanh"}};
    char key[SMR_FOLDER_KEY_SIZE];
    for (size_t i = 0; i < SMR_COUNT(names); i++)
        if (!strcmp(name, names[i][0]))
            name = names[i][1];
    smr_metadata_set_string(&folder->part->metadata,
                            smr_folder_key(folder, "hidden_activation", key), name);
}

// T5: "relu", "gated-gelu" (which is the approximation by tanh), "gated-silu".
static bool read_t5(struct smr_folder *folder)
{
    bool failed = false;
    double n_embd = 0;
    const char *kind = text_of(folder, "feed_forward_proj");
    if (!kind)
        return smr_folder_fail(folder, "feed_forward_proj", "is no string");
    if (!strcmp(kind, "gated-gelu"))
        kind = "gated-gelu_new";
    set_activation(folder, strncmp(kind, "gated-", 6) != 0 ? kind : kind + 6);
    // The first T5 models scale the decoder's output, those with an output matrix do not.
    const json_t *scaled = json_object_get(folder->config, "scale_decoder_outputs");
    bool scale = json_is_boolean(scaled) ? json_boolean_value(scaled)
                                         : is_true(folder, "tie_word_embeddings");
    smr_folder_f32(folder, folder->config, "d_model", &n_embd, &failed);
    if (n_embd > 0)
        smr_folder_set_f32(folder, "logit_scale", scale ? 1 / sqrt(n_embd) : 1);
    return !failed;
}

static bool read_bart(struct smr_folder *folder)
{
    static const char *const pairs[][2] = {
        {"encoder_ffn_dim", "decoder_ffn_dim"},
        {"encoder_attention_heads", "decoder_attention_heads"},
    };
    bool failed = false;
    double n_embd = 0;
    for (size_t i = 0; i < SMR_COUNT(pairs); i++) {
        uint32_t a = 0, b = 0;
        smr_folder_u32(folder, folder->config, pairs[i][0], &a, &failed);
        smr_folder_u32(folder, folder->config, pairs[i][1], &b, &failed);
        if (!failed && a != b)
            return smr_folder_fail(folder, pairs[i][1],
                                   "%" PRIu32 " is not the encoder's %" PRIu32 ": not supported", b,
                                   a);
    }
    const char *activation = text_of(folder, "activation_function");
    if (!activation)
        return smr_folder_fail(folder, "activation_function", "is no string");
    set_activation(folder, activation);
    smr_folder_f32(folder, folder->config, "d_model", &n_embd, &failed);
    if (n_embd > 0)
        smr_folder_set_f32(folder, "embedding_scale",
                           is_true(folder, "scale_embedding") ? sqrt(n_embd) : 1);
    smr_folder_set_f32(folder, "attention.layer_norm_epsilon", 1e-5); // of torch.nn.LayerNorm
    return !failed;
}

// ---- all of it --------------------------------------------------------------------------------

// The configuration of the text model: of all, or within that of a model that sees images too.
static bool choose_config(struct smr_folder *folder)
{
    static const char *const shared[] = {"tie_word_embeddings", "quantization_config",
                                         "bos_token_id", "eos_token_id", "pad_token_id"};
    json_t *text = json_object_get(folder->config, "text_config");
    for (size_t i = 0; json_is_object(text) && i < SMR_COUNT(shared); i++) {
        json_t *value = json_object_get(folder->config, shared[i]);
        if (value && !json_object_get(text, shared[i]) && json_object_set(text, shared[i], value))
            return smr_fail(folder->context, SMR_ERROR_MEMORY, "no memory for %s",
                            folder->config_path);
    }
    if (json_is_object(text)) {
        folder->has_other_parts = true;
        json_incref(text);
        json_decref(folder->config);
        folder->config = text;
    }
    const char *type = text_of(folder, "model_type");
    if (!type)
        return smr_folder_fail(folder, "model_type", "is missing: not a model of transformers");
    folder->family = smr_folder_find_family(folder->context, folder->config_path, type);
    return folder->family;
}

static bool add_defaults(struct smr_folder *folder)
{
    const char *text = folder->family->defaults;
    json_t *defaults = smr_json_parse(folder->context, "defaults", text, strlen(text));
    bool done = defaults && !json_object_update_missing(folder->config, defaults);
    json_decref(defaults);
    return done ||
           smr_fail(folder->context, SMR_ERROR_MEMORY, "no memory for %s", folder->config_path);
}

bool smr_folder_read_config(struct smr_folder *folder)
{
    folder->config = smr_json_read(folder->context, folder->config_path);
    if (!folder->config || !choose_config(folder) || !add_defaults(folder))
        return false;
    smr_metadata_set_string(&folder->part->metadata, "general.architecture",
                            folder->family->architecture);
    if (!check_switches(folder) || !check_activation(folder) || !read_keys(folder))
        return false;
    if (!folder->family->encoder_decoder)
        return read_decoder(folder);
    return strcmp(folder->family->model_type, "t5") ? read_bart(folder) : read_t5(folder);
}
