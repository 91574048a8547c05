// test_synthetic.c - models of a published shape with random weights.
#include "generate/generate.h"
#include "model/synthetic.h"
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Parameters as the models' cards give them, in millions.
static void test_sizes(void **state)
{
    static const struct {
        const char *name;
        double millions;
    } sizes[] = {
        {"seed-oss-36b", 36150}, {"seed-coder-8b", 8250}, {"llama-8b", 8030},
        {"llama-7b", 6738},      {"llama-1b", 1236},      {"qwen3-0.6b", 596},
        {"qwen2.5-0.5b", 494},   {"gemma3-270m", 268},    {"smollm2-135m", 134.5},
    };
    smr_context *context = smr_context_create(&(struct smr_context_params){0});
    for (size_t i = 0; i < SMR_COUNT(sizes); i++) {
        struct smr_model_info info;
        smr_model *model = smr_model_open_synthetic(context, sizes[i].name);
        assert_non_null(model);
        smr_model_info(model, &info);
        assert_true(fabs((double)info.n_params * 1e-6 / sizes[i].millions - 1) < 0.002);
        assert_string_equal(info.name, sizes[i].name);
        assert_null(info.tokenizer);
        smr_model_close(model);
    }
    smr_context_destroy(context);
}

// Every shape is a graph that its family can be written as, in every type.
static void test_graphs(void **state)
{
    smr_context *context = smr_context_create(&(struct smr_context_params){0});
    const struct smr_synthetic_shape *shape;
    const char *type;
    for (size_t i = 0; (shape = smr_synthetic_shape(i)); i++)
        for (size_t t = 0; (type = smr_convert_type(t, NULL)); t++) {
            if (i && t) // one shape in all types, all in one
                continue;
            struct smr_graph graph;
            smr_model *model = smr_model_open_synthetic(context, shape->name);
            assert_non_null(model);
            assert_true(smr_model_set_type(model, type));
            assert_true(smr_graph_build(&graph, model, 256));
            smr_graph_finish(&graph);
            smr_model_close(model);
        }
    smr_context_destroy(context);
}

static void test_unknown(void **state)
{
    smr_context *context = smr_context_create(&(struct smr_context_params){0});
    assert_null(smr_model_open_synthetic(context, "llama-9b"));
    assert_int_equal(smr_context_status(context), SMR_ERROR_USAGE);
    assert_non_null(strstr(smr_context_error(context), "llama-9b"));
    assert_non_null(strstr(smr_context_error(context), "llama-7b"));
    smr_context_destroy(context);
}

// Rows are the same whether they are read together or one by one, and differ from each other.
static void test_rows(void **state)
{
    smr_context *context = smr_context_create(&(struct smr_context_params){0});
    smr_model *model = smr_model_open_synthetic(context, "tiny");
    assert_non_null(model);
    assert_true(smr_model_set_type(model, "q4_k"));
    const struct smr_tensor *tensor = smr_model_tensor(model, "blk.1.ffn_up.weight");
    assert_non_null(tensor);
    assert_int_equal(tensor->type, SMR_Q4_K);
    const uint64_t n_rows = smr_tensor_rows(tensor);
    const size_t row_size = tensor->size / n_rows;
    uint8_t *all = malloc(tensor->size), *row = malloc(row_size);
    assert_non_null(all);
    assert_non_null(row);
    assert_true(smr_tensor_read(model, tensor, 0, n_rows, all));
    for (uint64_t i = 0; i < n_rows; i++) {
        assert_true(smr_tensor_read(model, tensor, i, 1, row));
        assert_memory_equal(row, all + i * row_size, row_size);
        assert_true(!i || memcmp(row, all + (i - 1) * row_size, row_size) != 0);
    }
    free(all);
    free(row);
    smr_model_close(model);
    smr_context_destroy(context);
}

// The whole engine computes it, and nothing is infinite.
static void test_logits(void **state)
{
    static const int32_t tokens[] = {1, 999, 0, 77};
    static const char *const types[] = {"f32", "q4_0", "q4_k_m", "iq4_nl"};
    smr_context *context = smr_context_create(&(struct smr_context_params){0});
    for (size_t i = 0; i < SMR_COUNT(types); i++) {
        smr_model *model = smr_model_open_synthetic(context, "tiny");
        assert_true(model && smr_model_set_type(model, types[i]));
        smr_engine *engine =
            smr_engine_create(model, &(struct smr_engine_params){.device = "reference"});
        smr_session *session = engine ? smr_session_create(engine) : NULL;
        assert_true(session && smr_session_append(session, tokens, SMR_COUNT(tokens)));
        const float *logits = smr_session_logits(session);
        assert_non_null(logits);
        float least = logits[0], most = logits[0];
        for (uint32_t t = 0; t < model->hparams.n_vocab; t++) {
            assert_true(isfinite(logits[t]));
            least = fminf(least, logits[t]);
            most = fmaxf(most, logits[t]);
        }
        assert_true(most - least > 0.1f && most - least < 100);
        smr_session_destroy(session);
        smr_engine_destroy(engine);
        smr_model_close(model);
    }
    smr_context_destroy(context);
}

static void test_without_memory(void **state)
{
    for (size_t n = 0;; n++) {
        struct test_memory memory = {0};
        smr_context *context = test_context(&memory, NULL);
        memory.fail_at = memory.n_calls + 1 + n;
        smr_model *model = smr_model_open_synthetic(context, "tiny");
        const bool done = model && smr_model_set_type(model, "q4_k_m");
        smr_model_close(model);
        smr_context_destroy(context);
        assert_int_equal(memory.n_live, 0);
        if (done)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),   cmocka_unit_test(test_graphs),
        cmocka_unit_test(test_unknown), cmocka_unit_test(test_rows),
        cmocka_unit_test(test_logits),  cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
