// test_convert.c - samara convert's library: what is written, which types, and that a failure leaves
// nothing behind. The blocks themselves: test_quantize.c; whole models against llama.cpp:
// convert_llama_cpp.py.
#include "support.h"

#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/decode.h"
#include "gguf_builder.h"
#include "model/metadata.h"
#include "model/model.h"

struct fixture {
    smr_context *context;
    struct test_folder folder;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->context = test_context(NULL, NULL);
    test_folder_make(&f->folder);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    smr_context_destroy(f->context);
    test_folder_remove(&f->folder);
    free(f);
    return 0;
}

static smr_model *open_golden(smr_context *context, const char *name)
{
    char path[600];
    snprintf(path, sizeof path, "%s/golden/%s", getenv("SMR_TEST_DIR"), name);
    smr_model *model = smr_model_open(context, path);
    if (!model)
        fail_msg("%s", smr_context_error(context));
    return model;
}

static size_t count_files(const struct test_folder *folder)
{
    size_t n = 0;
    DIR *dir = opendir(folder->path);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        n += entry->d_name[0] != '.';
    closedir(dir);
    return n;
}

static void convert(struct fixture *f, smr_model *model, const char *path, const char *type)
{
    const struct smr_convert_params params = {.type = type};
    if (!smr_convert(model, path, &params, NULL))
        fail_msg("%s: %s", type, smr_context_error(f->context));
}

static void convert_fails(struct fixture *f, smr_model *model, const char *path,
                          const struct smr_convert_params *params, const char *why)
{
    const size_t n_before = count_files(&f->folder);
    smr_context_clear_error(f->context);
    assert_false(smr_convert(model, path, params, NULL));
    if (!strstr(smr_context_error(f->context), why))
        fail_msg("not about '%s': %s", why, smr_context_error(f->context));
    assert_int_equal(count_files(&f->folder), n_before);
}

// ---- what is written ----------------------------------------------------------------------------

static void assert_same_tensors(const smr_model *a, const smr_model *b)
{
    assert_int_equal(a->n_tensors, b->n_tensors);
    for (uint32_t i = 0; i < a->n_tensors; i++) {
        const struct smr_tensor *x = &a->tensors[i], *y = &b->tensors[i];
        assert_string_equal(x->name, y->name);
        assert_int_equal(x->type, y->type);
        assert_int_equal(x->n_dims, y->n_dims);
        assert_memory_equal(x->dims, y->dims, sizeof x->dims);
        assert_memory_equal(x->data, y->data, x->size);
    }
}

static bool same_value(const struct smr_gguf_value *a, const struct smr_gguf_value *b)
{
    if (a->type != b->type || a->integer != b->integer || a->real != b->real)
        return false;
    if (a->type == SMR_GGUF_STRING)
        return a->text_size == b->text_size && !memcmp(a->text, b->text, a->text_size);
    return a->type != SMR_GGUF_ARRAY ||
           (a->array.type == b->array.type && a->array.n == b->array.n &&
            a->array.cursor.size == b->array.cursor.size &&
            !memcmp(a->array.cursor.data, b->array.cursor.data, a->array.cursor.size));
}

static void assert_same_metadata(const smr_model *a, const smr_model *b)
{
    for (uint32_t i = 0; i < a->metadata->keys.n; i++) {
        const char *key = a->metadata->keys.names[i];
        if (!strncmp(key, "split.", 6) || !strcmp(key, "general.file_type"))
            continue;
        const struct smr_gguf_value *value = smr_metadata_find(b->metadata, key);
        if (!value || !same_value(&a->metadata->values[i], value))
            fail_msg("%s is missing or different", key);
    }
}

static void keeps_what_has_the_type(void **state)
{
    static const struct {
        const char *file, *type;
        uint32_t file_type;
    } rows[] = {
        {"llama-text-bpe.gguf", "f32", 0}, {"gemma3-text-spm.gguf", "f32", 0},
        {"quant-f16.gguf", "f16", 1},      {"quant-bf16.gguf", "bf16", 32},
        {"quant-q8_0.gguf", "q8_0", 7},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *path = test_path(&f->folder, rows[i].type);
        const struct smr_convert_params params = {
            .type = rows[i].type, .pure = true, .replace = true};
        smr_model *model = open_golden(f->context, rows[i].file);
        assert_true(smr_convert(model, path, &params, NULL));
        smr_model *copy = smr_model_open(f->context, path);
        assert_non_null(copy);
        assert_same_tensors(model, copy);
        assert_same_metadata(model, copy);
        uint32_t number;
        assert_true(smr_metadata_u32(copy->metadata, "general.file_type", &number));
        assert_int_equal(number, rows[i].file_type);
        assert_true(smr_metadata_u32(copy->metadata, "general.quantization_version", &number));
        assert_int_equal(number, 2);
        smr_model_close(copy);
        smr_model_close(model);
    }
}

static void joins_parts(void **state)
{
    struct fixture *f = *state;
    const char *path = test_path(&f->folder, "whole.gguf");
    smr_model *model = open_golden(f->context, "llama-split-00001-of-00003.gguf");
    convert(f, model, path, "f32");
    smr_model *whole = smr_model_open(f->context, path);
    assert_non_null(whole);
    assert_same_tensors(model, whole);
    assert_same_metadata(model, whole);
    assert_false(smr_metadata_has(whole->metadata, "split.count"));
    smr_model_close(whole);
    smr_model_close(model);
}

static float *read_values(const smr_model *model, const struct smr_tensor *tensor, uint64_t *n)
{
    *n = smr_tensor_rows(tensor) * tensor->dims[0];
    uint8_t *rows = malloc(tensor->size);
    float *values = malloc(*n * sizeof *values);
    assert_true(smr_tensor_read(model, tensor, 0, smr_tensor_rows(tensor), rows));
    smr_decode_row(tensor->type, rows, *n, values);
    free(rows);
    return values;
}

// A folder's tensors are made while they are read: rows in another order, transposed, with 1 added.
static void writes_folders(void **state)
{
    static const char *const folders[] = {
        "llama", "llama-bias-f16", "qwen2-shards", "gemma3-bf16",   "gemma2", "gpt2",
        "phi3",  "qwen3",          "bart-f16",     "t5-gated-bf16", "marian", "mistral-window",
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        char name[64];
        snprintf(name, sizeof name, "folders/%s", folders[i]);
        const char *path = test_path(&f->folder, folders[i]);
        smr_model *model = open_golden(f->context, name);
        convert(f, model, path, "f32");
        smr_model *copy = smr_model_open(f->context, path);
        if (!copy) {
            fail_msg("%s: %s", name, smr_context_error(f->context));
            return; // for the analyser
        }
        assert_int_equal(model->n_tensors, copy->n_tensors);
        assert_memory_equal(&model->hparams, &copy->hparams, sizeof model->hparams);
        for (uint32_t k = 0; k < model->n_tensors; k++) {
            uint64_t n, n_copy;
            float *values = read_values(model, &model->tensors[k], &n);
            float *copies = read_values(copy, &copy->tensors[k], &n_copy);
            assert_string_equal(model->tensors[k].name, copy->tensors[k].name);
            assert_int_equal(n, n_copy);
            assert_memory_equal(values, copies, n * sizeof *values);
            free(values);
            free(copies);
        }
        smr_model_close(copy);
        smr_model_close(model);
    }
}

// A folder's tokenizer is said in GGUF's words.
static void writes_tokenizers(void **state)
{
    static const char text[] = "Hello w\xc3\xb6rld,  it's 42 \xf0\x9f\x98\x80 the end\n";
    struct fixture *f = *state;
    const char *path = test_path(&f->folder, "x.gguf");
    smr_model *model = open_golden(f->context, "folders/llama");
    convert(f, model, path, "f16");
    smr_model *copy = smr_model_open(f->context, path);
    assert_non_null(copy);
    assert_false(smr_metadata_has(copy->metadata, "tokenizer.huggingface.json"));
    assert_string_equal(smr_metadata_string(copy->metadata, "general.name"), "llama");
    int32_t *tokens, *copies;
    size_t n, n_copies;
    assert_true(smr_tokenize(model, text, sizeof text - 1, 0, &tokens, &n));
    assert_true(smr_tokenize(copy, text, sizeof text - 1, 0, &copies, &n_copies));
    assert_int_equal(n, n_copies);
    assert_memory_equal(tokens, copies, n * sizeof *tokens);
    smr_tokens_free(copy, copies);
    smr_tokens_free(model, tokens);
    smr_model_close(copy);
    smr_model_close(model);
}

// Every name works, and what it makes loads.
static void knows_every_type(void **state)
{
    struct fixture *f = *state;
    smr_model *model = open_golden(f->context, "quant-k.gguf");
    const char *name;
    size_t n = 0;
    for (; (name = smr_convert_type(n, NULL)); n++) {
        const char *path = test_path(&f->folder, name);
        struct smr_convert_result result;
        const struct smr_convert_params params = {.type = name};
        if (!smr_convert(model, path, &params, &result))
            fail_msg("%s: %s", name, smr_context_error(f->context));
        smr_model *copy = smr_model_open(f->context, path);
        if (!copy)
            fail_msg("%s: %s", name, smr_context_error(f->context));
        struct smr_model_info info;
        smr_model_info(copy, &info);
        assert_int_equal(info.size, result.to_size);
        assert_int_equal(result.n_tensors, model->n_tensors);
        smr_model_close(copy);
    }
    assert_true(n > 15);
    smr_model_close(model);
}

// ---- types ----------------------------------------------------------------------------------------

// A model of 16 layers whose matrices have one row of `n_cols` zeros, four query heads for each of
// keys and values. `value` is the last element of the last tensor.
static void build(struct gguf_builder *b, uint64_t n_cols, float value)
{
    static const char *const names[] = {"attn_norm",   "attn_q",   "attn_k",      "attn_v",
                                        "attn_output", "ffn_down", "ffn_gate_inp"};
    enum { N_NAMES = sizeof names / sizeof names[0] };
    const uint64_t size = (n_cols * 4 + 31) / 32 * 32;
    uint64_t offset = 0;
    gguf_begin(b, 3);
    gguf_key_string(b, "general.architecture", "llama");
    gguf_key_u32(b, "llama.block_count", 16);
    gguf_key_u32(b, "llama.context_length", 64);
    gguf_key_u32(b, "llama.embedding_length", 256);
    gguf_key_u32(b, "llama.feed_forward_length", 256);
    gguf_key_u32(b, "llama.attention.head_count", 8);
    gguf_key_u32(b, "llama.attention.head_count_kv", 2);
    gguf_key_f32(b, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
    gguf_tensor(b, "token_embd.weight", 2, (uint64_t[]){n_cols, 1}, 0, offset);
    gguf_tensor(b, "output_norm.weight", 1, (uint64_t[]){n_cols}, 0, offset += size);
    for (int layer = 0; layer < 16; layer++)
        for (int i = 0; i < N_NAMES; i++) {
            char name[64];
            snprintf(name, sizeof name, "blk.%d.%s.weight", layer, names[i]);
            gguf_tensor(b, name, i ? 2 : 1, (uint64_t[]){n_cols, 1}, 0, offset += size);
        }
    gguf_tensor(b, "output.weight", 2, (uint64_t[]){n_cols, 1}, 0, offset += size);
    gguf_data(b, 32, 0);
    for (uint64_t i = 0; i < offset + size; i += 4)
        gguf_put(b, &(float){i + 4 == offset + n_cols * 4 ? value : 0}, 4);
}

struct choices {
    struct {
        char name[64];
        enum smr_type type, wanted;
    } rows[256];
    size_t n;
};

static void remember(void *user, const struct smr_convert_tensor *tensor)
{
    struct choices *choices = user;
    snprintf(choices->rows[choices->n].name, 64, "%s", tensor->name);
    choices->rows[choices->n].type = tensor->to;
    choices->rows[choices->n++].wanted = tensor->wanted;
}

static const char *choice(const struct choices *choices, const char *name)
{
    for (size_t i = 0; i < choices->n; i++)
        if (!strcmp(choices->rows[i].name, name))
            return smr_type_info(choices->rows[i].type)->name;
    return "none";
}

static smr_model *open_built(struct fixture *f, struct gguf_builder *b, uint64_t n_cols,
                             float value)
{
    build(b, n_cols, value);
    smr_model *model = smr_model_open_memory(f->context, "built", b->data, b->size);
    if (!model)
        fail_msg("%s", smr_context_error(f->context));
    return model;
}

// A letter for each layer's type: the bits of a K-quant, "." for the type itself.
static void layers_of(const struct choices *choices, const char *tensor, const char *plain,
                      char letters[17])
{
    for (int layer = 0; layer < 16; layer++) {
        char name[64];
        snprintf(name, sizeof name, "blk.%d.%s.weight", layer, tensor);
        const char *type = choice(choices, name);
        letters[layer] = strcmp(type, plain) ? type[1] : '.';
    }
    letters[16] = 0;
}

// src/llama-quant.cpp of llama.cpp, worked out by hand for 16 layers.
static void mixes_as_llama_cpp(void **state)
{
    static const struct {
        const char *type, *plain, *values, *down, *output;
    } rows[] = {
        {"q6_k", "Q6_K", "................", "................", "................"},
        {"q5_k_m", "Q5_K", "66..6..6..6..666", "66..6..6..6..666", "................"},
        {"q4_k_m", "Q4_K", "66..6..6..6..666", "66..6..6..6..666", "................"},
        {"q4_k_s", "Q4_K", "5555............", "55..............", "................"},
        {"q3_k_s", "Q3_K", "................", "................", "................"},
        {"q3_k_m", "Q3_K", "5544444444444444", "5444444444444444", "4444444444444444"},
        {"q3_k_l", "Q3_K", "5555555555555555", "5555555555555555", "5555555555555555"},
        {"q2_k", "Q2_K", "4444444444444444", "3333333333333333", "3333333333333333"},
        {"iq4_nl", "IQ4_NL", "5555555555555555", "55..............", "................"},
        {"q8_0", "Q8_0", "................", "................", "................"},
    };
    struct fixture *f = *state;
    struct gguf_builder b = {0};
    smr_model *model = open_built(f, &b, 256, 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct choices choices = {0};
        char letters[17];
        const struct smr_convert_params params = {
            .type = rows[i].type, .replace = true, .tensor = remember, .user = &choices};
        assert_true(smr_convert(model, test_path(&f->folder, "x.gguf"), &params, NULL));
        layers_of(&choices, "attn_v", rows[i].plain, letters);
        assert_string_equal(letters, rows[i].values);
        layers_of(&choices, "ffn_down", rows[i].plain, letters);
        assert_string_equal(letters, rows[i].down);
        layers_of(&choices, "attn_output", rows[i].plain, letters);
        assert_string_equal(letters, rows[i].output);
        assert_string_equal(choice(&choices, "blk.3.attn_q.weight"), rows[i].plain);
        assert_string_equal(choice(&choices, "blk.3.attn_norm.weight"), "F32");
        assert_string_equal(choice(&choices, "blk.3.ffn_gate_inp.weight"), "F32");
        assert_string_equal(choice(&choices, "output_norm.weight"), "F32");
        assert_string_equal(choice(&choices, "output.weight"),
                            strcmp(rows[i].type, "q8_0") ? "Q6_K" : "Q8_0");
    }
    smr_model_close(model);
    gguf_builder_finish(&b);
}

static void falls_back_where_rows_are_short(void **state)
{
    static const struct {
        uint64_t n_cols;
        const char *type, *matrix, *output;
    } rows[] = {
        {96, "q4_k_m", "Q5_0", "Q8_0"}, {96, "q2_k", "Q4_0", "Q8_0"}, {33, "q4_k_m", "F16", "F16"},
        {96, "q4_0", "Q4_0", "Q8_0"},   {33, "q8_0", "F16", "F16"},   {33, "bf16", "BF16", "BF16"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct gguf_builder b = {0};
        struct choices choices = {0};
        struct smr_convert_result result;
        smr_model *model = open_built(f, &b, rows[i].n_cols, 0);
        const struct smr_convert_params params = {
            .type = rows[i].type, .replace = true, .tensor = remember, .user = &choices};
        assert_true(smr_convert(model, test_path(&f->folder, "x.gguf"), &params, &result));
        assert_string_equal(choice(&choices, "blk.5.attn_q.weight"), rows[i].matrix);
        assert_string_equal(choice(&choices, "output.weight"), rows[i].output);
        uint32_t n = 0;
        for (size_t k = 0; k < choices.n; k++)
            n += choices.rows[k].type != choices.rows[k].wanted;
        assert_int_equal(result.n_fallbacks, n);
        smr_model_close(model);
        gguf_builder_finish(&b);
    }
}

static void pure_mixes_nothing(void **state)
{
    struct fixture *f = *state;
    struct gguf_builder b = {0};
    struct choices choices = {0};
    smr_model *model = open_built(f, &b, 256, 0);
    const struct smr_convert_params params = {
        .type = "q4_k_m", .pure = true, .tensor = remember, .user = &choices};
    assert_true(smr_convert(model, test_path(&f->folder, "x.gguf"), &params, NULL));
    assert_string_equal(choice(&choices, "output.weight"), "Q4_K");
    assert_string_equal(choice(&choices, "blk.0.attn_v.weight"), "Q4_K");
    assert_string_equal(choice(&choices, "blk.0.attn_norm.weight"), "F32");
    smr_model_close(model);
    gguf_builder_finish(&b);
}

// ---- failures -------------------------------------------------------------------------------------

static void refuses_bad_targets(void **state)
{
    struct fixture *f = *state;
    const struct smr_convert_params params = {0}, replacing = {.replace = true};
    const char *source = test_path(&f->folder, "source.gguf");
    const char *other = test_path(&f->folder, "other.gguf");
    smr_model *golden = open_golden(f->context, "llama-d8-gqa3.gguf");
    convert(f, golden, source, "f32");
    smr_model_close(golden);
    assert_int_equal(link(source, other), 0); // the same file by another name
    smr_model *model = smr_model_open(f->context, source);
    assert_non_null(model);

    convert_fails(f, model, source, &replacing, "what would be converted");
    convert_fails(f, model, other, &replacing, "what would be converted");
    convert_fails(f, model, f->folder.path, &replacing, "not a file");
    convert_fails(f, model, "/dev/null", &replacing, "not a file");
    convert_fails(f, model, "/nowhere/at/all.gguf", &params, "/nowhere/at/all.gguf");
    convert_fails(f, model, source, &(struct smr_convert_params){.type = "q4_z"}, "q4_z");

    const char *target = test_path(&f->folder, "target.gguf");
    test_write_file(target, "precious", 8);
    convert_fails(f, model, target, &params, "exists");
    assert_true(smr_convert(model, target, &replacing, NULL));
    smr_model_close(smr_model_open(f->context, target));
    smr_model_close(model);
}

static bool cancel(void *user, uint64_t n_done, uint64_t n_total)
{
    return n_done < n_total / 2;
}

static void cancelling_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct smr_convert_result result;
    smr_model *model = open_golden(f->context, "llama-text-bpe.gguf");
    const char *path = test_path(&f->folder, "x.gguf");
    const struct smr_convert_params params = {.type = "q8_0", .progress = cancel};
    convert_fails(f, model, path, &params, "cancelled");
    assert_false(smr_convert(model, path, &params, &result));
    assert_true(result.cancelled);
    assert_int_equal(count_files(&f->folder), 0);
    smr_model_close(model);
}

// A write that fails half way, as on a full disk.
static void failing_writes_leave_nothing(void **state)
{
    struct fixture *f = *state;
    struct rlimit before;
    smr_model *model = open_golden(f->context, "llama-text-bpe.gguf");
    const char *path = test_path(&f->folder, "x.gguf");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    for (rlim_t size = 1000; size < 40000; size *= 3) { // in the header, in the data
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){size, before.rlim_max}), 0);
        convert_fails(f, model, path, &(struct smr_convert_params){.type = "f32"}, "cannot write");
    }
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    convert(f, model, path, "f32");
    smr_model_close(model);
}

static void refuses_values_that_do_not_fit(void **state)
{
    struct fixture *f = *state;
    const float values[] = {NAN, INFINITY, 1e6f};
    const char *path = test_path(&f->folder, "x.gguf");
    for (size_t i = 0; i < 3; i++) {
        struct gguf_builder b = {0};
        smr_model *model = open_built(f, &b, 256, values[i]);
        convert_fails(f, model, path, &(struct smr_convert_params){.type = "q4_k"},
                      "output.weight: a value in rows 0 to 0");
        convert_fails(f, model, path, &(struct smr_convert_params){.type = "f16"}, "F16");
        assert_true(smr_convert(model, path, &(struct smr_convert_params){.type = "bf16"}, NULL));
        assert_int_equal(unlink(path), 0);
        smr_model_close(model);
        gguf_builder_finish(&b);
    }
}

// Memory that runs out at any point is an error, and leaves neither file nor memory.
static void survives_lack_of_memory(void **state)
{
    struct fixture *f = *state;
    const char *path = test_path(&f->folder, "x.gguf");
    bool done = false;
    for (size_t fail_at = 1; !done; fail_at++) {
        struct test_memory memory = {0};
        smr_context *context = test_context(&memory, NULL);
        assert_non_null(context);
        smr_model *model = open_golden(context, "quant-q4_0.gguf");
        const size_t n_live = memory.n_live;
        memory.n_calls = 0;
        memory.fail_at = fail_at;
        done = smr_convert(model, path, &(struct smr_convert_params){.type = "q8_0"}, NULL);
        memory.fail_at = 0;
        if (!done)
            assert_int_equal(smr_context_status(context), SMR_ERROR_MEMORY);
        assert_int_equal(count_files(&f->folder), done);
        assert_int_equal(memory.n_live, n_live);
        smr_model_close(model);
        smr_context_destroy(context);
        assert_int_equal(memory.n_live, 0);
        assert_true(fail_at < 1000);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(keeps_what_has_the_type),
        TEST(joins_parts),
        TEST(writes_folders),
        TEST(writes_tokenizers),
        TEST(knows_every_type),
        TEST(mixes_as_llama_cpp),
        TEST(falls_back_where_rows_are_short),
        TEST(pure_mixes_nothing),
        TEST(refuses_bad_targets),
        TEST(cancelling_leaves_nothing),
        TEST(failing_writes_leave_nothing),
        TEST(refuses_values_that_do_not_fit),
        TEST(survives_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
