// folder_text.c - the tokenizer's files, which text/ parses, and what the others say of its tokens.
#include "model/folder.h"

#include <stdio.h>
#include <string.h>

static const char *path_of(const struct smr_folder *folder, const char *name)
{
    return smr_folder_has(folder, name) ? smr_folder_file(folder, name) : NULL;
}

// The whole file as a string; nothing where there is no such file.
static bool keep_file(struct smr_folder *folder, const char *name, const char *key)
{
    struct smr_map map;
    if (!smr_folder_has(folder, name))
        return true;
    const char *path = smr_folder_file(folder, name);
    if (!path || !smr_map_open(folder->context, path, &map))
        return false;
    if (map.size <= SMR_GGUF_MAX_STRING_SIZE)
        smr_metadata_set_string_n(&folder->part->metadata, key, (const char *)map.data, map.size);
    else
        smr_fail(folder->context, SMR_ERROR_MODEL, "%s: %zu bytes, the limit is %d", path, map.size,
                 SMR_GGUF_MAX_STRING_SIZE);
    bool kept = map.size <= SMR_GGUF_MAX_STRING_SIZE;
    smr_map_close(&map);
    return kept;
}

static bool keep_tokenizer(struct smr_folder *folder)
{
    static const char *const files[][2] = {
        {"tokenizer.json", "tokenizer.huggingface.json"},
        {"tokenizer_config.json", "tokenizer.huggingface.config"},
        {"added_tokens.json", "tokenizer.huggingface.added_tokens"},
        {"merges.txt", "tokenizer.huggingface.merges"},
        {"tokenizer.model", "tokenizer.sentencepiece.model"},
        {"spiece.model", "tokenizer.sentencepiece.model"},
        {"source.spm", "tokenizer.sentencepiece.model"},
        {"target.spm", "tokenizer.sentencepiece.target"},
        {"chat_template.jinja", "tokenizer.chat_template"},
    };
    bool marian = smr_folder_has(folder, "source.spm");
    for (size_t i = 0; i < SMR_COUNT(files); i++)
        if (!keep_file(folder, files[i][0], files[i][1]))
            return false;
    return keep_file(folder, "vocab.json",
                     marian ? "tokenizer.marian.vocab" : "tokenizer.huggingface.vocab");
}

// ---- tokenizer_config.json ----------------------------------------------------------------------

// The template of chats: a text, or a list of named ones.
static void set_template(struct smr_metadata *metadata, const json_t *value)
{
    size_t n = json_array_size(value);
    if (json_is_string(value))
        smr_metadata_set_string(metadata, "tokenizer.chat_template", json_string_value(value));
    for (size_t i = 0; i < n; i++) {
        const json_t *entry = json_array_get(value, i);
        const char *name = json_string_value(json_object_get(entry, "name"));
        const char *text = json_string_value(json_object_get(entry, "template"));
        if (name && text && !strcmp(name, "default"))
            smr_metadata_set_string(metadata, "tokenizer.chat_template", text);
    }
}

static bool read_tokenizer_config(struct smr_folder *folder)
{
    static const char *const flags[][2] = {
        {"add_bos_token", "tokenizer.ggml.add_bos_token"},
        {"add_eos_token", "tokenizer.ggml.add_eos_token"},
    };
    struct smr_metadata *metadata = &folder->part->metadata;
    const char *path = path_of(folder, "tokenizer_config.json");
    json_t *config = path ? smr_json_read(folder->context, path) : NULL;
    if (!config)
        return !path;
    for (size_t i = 0; i < SMR_COUNT(flags); i++) {
        const json_t *value = json_object_get(config, flags[i][0]);
        if (json_is_boolean(value))
            smr_metadata_set_bool(metadata, flags[i][1], json_boolean_value(value));
    }
    if (!smr_metadata_has(metadata, "tokenizer.chat_template"))
        set_template(metadata, json_object_get(config, "chat_template"));
    json_decref(config);
    return true;
}

// ---- generation_config.json ---------------------------------------------------------------------

// A value of `settings`, which count, else of `otherwise`.
static const json_t *value_of(const json_t *settings, const json_t *otherwise, const char *key)
{
    const json_t *value = json_object_get(settings, key);
    return value && !json_is_null(value) ? value : json_object_get(otherwise, key);
}

// A value of the settings for generating, or of config.json, where they used to be.
static const json_t *setting(const struct smr_folder *folder, const json_t *generation,
                             const char *key)
{
    return value_of(generation, folder->config, key);
}

static bool read_token(const json_t *value, uint32_t *token)
{
    return smr_json_u32(value, token) && *token <= INT32_MAX;
}

// A token or a list of them: `key` is the first, `all` the list where there are several.
static bool set_tokens(struct smr_folder *folder, const json_t *value, const char *name,
                       const char *key, const char *all)
{
    uint32_t tokens[64];
    size_t n = json_is_array(value) ? json_array_size(value) : 1;
    if (!value || json_is_null(value) || !n)
        return true;
    if (n > SMR_COUNT(tokens))
        return smr_folder_fail(folder, name, "%zu tokens, the limit is %zu", n, SMR_COUNT(tokens));
    for (size_t i = 0; i < n; i++) {
        const json_t *token = json_is_array(value) ? json_array_get(value, i) : value;
        if (!read_token(token, &tokens[i])) // some files have -1 for none
            return json_is_number(token) || smr_folder_fail(folder, name, "is no token");
    }
    smr_metadata_set_u32(&folder->part->metadata, key, tokens[0]);
    if (all && n > 1)
        smr_metadata_set_u32s(&folder->part->metadata, all, tokens, n);
    return true;
}

// Tokens that are never generated: those, and bad words of one token.
static void set_suppressed(struct smr_folder *folder, const json_t *generation)
{
    const json_t *suppressed = setting(folder, generation, "suppress_tokens");
    const json_t *words = setting(folder, generation, "bad_words_ids");
    char key[SMR_FOLDER_KEY_SIZE];
    size_t n = 0, n_max = json_array_size(suppressed) + json_array_size(words);
    uint32_t token;
    int32_t *tokens = smr_arena_alloc(&folder->file->arena, n_max, sizeof *tokens);
    if (!tokens) {
        folder->part->metadata.failed = true;
        return;
    }
    for (size_t i = 0; i < json_array_size(suppressed); i++)
        if (read_token(json_array_get(suppressed, i), &token))
            tokens[n++] = (int32_t)token;
    for (size_t i = 0; i < json_array_size(words); i++) {
        const json_t *word = json_array_get(words, i);
        if (json_array_size(word) == 1 && read_token(json_array_get(word, 0), &token))
            tokens[n++] = (int32_t)token;
    }
    if (n)
        smr_metadata_set_i32s(&folder->part->metadata,
                              smr_folder_key(folder, "generation.suppress_tokens", key), tokens, n);
}

// How a text is searched for and what goes before the source: `values`, else those of `otherwise`,
// as ARCH.SCOPE.num_beams and so on.
static void set_task(struct smr_folder *folder, const char *scope, const json_t *values,
                     const json_t *otherwise)
{
    enum kind { COUNT, NUMBER, STOPPING, TEXT };
    static const struct {
        const char *key;
        enum kind kind;
    } rows[] = {
        {"num_beams", COUNT},
        {"max_length", COUNT},
        {"length_penalty", NUMBER},
        {"early_stopping", STOPPING}, // false, true, "never": enum smr_early_stopping
        {"prefix", TEXT},
    };
    struct smr_metadata *metadata = &folder->part->metadata;
    for (size_t i = 0; i < SMR_COUNT(rows); i++) {
        char suffix[64], key[SMR_FOLDER_KEY_SIZE];
        const json_t *value = value_of(values, otherwise, rows[i].key);
        const enum kind kind = rows[i].kind;
        uint32_t count;
        snprintf(suffix, sizeof suffix, "%s.%s", scope, rows[i].key);
        smr_folder_key(folder, suffix, key);
        if (kind == COUNT && smr_json_u32(value, &count) && count)
            smr_metadata_set_u32(metadata, key, count);
        else if (kind == NUMBER && json_is_number(value))
            smr_metadata_set_f32(metadata, key, (float)json_number_value(value));
        else if (kind == STOPPING && json_is_boolean(value))
            smr_metadata_set_u32(metadata, key,
                                 json_is_true(value) ? SMR_EARLY_STOPPING_AT_ONCE
                                                     : SMR_EARLY_STOPPING_HEURISTIC);
        else if (kind == STOPPING && json_is_string(value))
            smr_metadata_set_u32(metadata, key, SMR_EARLY_STOPPING_NEVER);
        else if (kind == TEXT && json_is_string(value))
            smr_metadata_set_string(metadata, key, json_string_value(value));
    }
}

// What the model is for: what it does when it is told nothing else, and how it summarises.
static void set_tasks(struct smr_folder *folder, const json_t *generation)
{
    const json_t *tasks = json_object_get(folder->config, "task_specific_params");
    set_task(folder, "generation", generation, folder->config);
    set_task(folder, "summarization", json_object_get(tasks, "summarization"), NULL);
}

// What generate() of transformers does where the model asks for it.
static bool set_generation(struct smr_folder *folder, const json_t *generation)
{
    static const struct {
        const char *key;
        bool token; // else a count, which is not set where it is 0
    } rows[] = {
        {"forced_bos_token_id", true},
        {"forced_eos_token_id", true},
        {"min_length", false},
        {"no_repeat_ngram_size", false},
    };
    for (size_t i = 0; i < SMR_COUNT(rows); i++) {
        char suffix[64], key[SMR_FOLDER_KEY_SIZE];
        const json_t *value = setting(folder, generation, rows[i].key);
        snprintf(suffix, sizeof suffix, "generation.%s", rows[i].key);
        if (!rows[i].token && json_is_number(value) && !(json_number_value(value) > 0))
            continue;
        if (!set_tokens(folder, value, rows[i].key, smr_folder_key(folder, suffix, key), NULL))
            return false;
    }
    set_suppressed(folder, generation);
    set_tasks(folder, generation);
    return true;
}

static bool read_generation(struct smr_folder *folder)
{
    const char *path = path_of(folder, "generation_config.json");
    json_t *generation = path ? smr_json_read(folder->context, path) : NULL;
    if (path && !generation)
        return false;
    bool done = set_tokens(folder, setting(folder, generation, "bos_token_id"), "bos_token_id",
                           "tokenizer.ggml.bos_token_id", NULL) &&
                set_tokens(folder, setting(folder, generation, "eos_token_id"), "eos_token_id",
                           "tokenizer.ggml.eos_token_id", "tokenizer.ggml.eos_token_ids") &&
                set_tokens(folder, setting(folder, generation, "pad_token_id"), "pad_token_id",
                           "tokenizer.ggml.padding_token_id", NULL) &&
                (!folder->family->encoder_decoder || set_generation(folder, generation));
    json_decref(generation);
    return done;
}

bool smr_folder_read_text(struct smr_folder *folder)
{
    return keep_tokenizer(folder) && read_tokenizer_config(folder) && read_generation(folder);
}
