// test_generate.c - sampler, stop strings, pages: what has no device.
#include "generate/generate.h"
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N_VOCAB = 2500 }; // three chunks, the last one short

static float logits[N_VOCAB];
static struct smr_reduced chunks[3];

static void reduce_logits(void)
{
    for (uint32_t c = 0; c < SMR_COUNT(chunks); c++) {
        struct smr_reduced reduced = {.maximum = -INFINITY};
        uint32_t begin = c * SMR_REDUCE_CHUNK;
        uint32_t end = smr_min_u32(begin + SMR_REDUCE_CHUNK, N_VOCAB);
        for (uint32_t i = begin; i < end; i++)
            if (logits[i] > reduced.maximum)
                reduced = (struct smr_reduced){.maximum = logits[i], .index = i};
        for (uint32_t i = begin; i < end; i++)
            reduced.sum += expf(logits[i] - reduced.maximum);
        chunks[c] = reduced;
    }
}

static void random_logits(unsigned seed, float spread)
{
    srand(seed);
    for (uint32_t i = 0; i < N_VOCAB; i++)
        logits[i] = spread * ((float)rand() / (float)RAND_MAX - 0.5f);
    reduce_logits();
}

static int32_t sample_one(const struct smr_sampling *params, const int32_t *history, uint32_t n)
{
    smr_context *context = smr_context_create(NULL);
    struct smr_sampler sampler;
    struct smr_step_result step = {logits, chunks};
    int32_t token = -1;
    assert_true(smr_sampler_init(&sampler, context, params, N_VOCAB, 0));
    assert_true(smr_sampler_sample(&sampler, &step, history, n, &token));
    smr_sampler_finish(&sampler);
    smr_context_destroy(context);
    return token;
}

static void greedy_takes_the_lowest_of_equals(void **state)
{
    struct smr_sampling greedy = {.repeat_penalty = 1, .top_p = 1};
    random_logits(1, 4);
    logits[77] = logits[1500] = logits[2499] = 9;
    reduce_logits();
    assert_int_equal(sample_one(&greedy, NULL, 0), 77);
    greedy.temperature = 1;
    greedy.top_k = 1; // takes the other way, through the logits
    assert_int_equal(sample_one(&greedy, NULL, 0), 77);
}

static int by_logit(const void *a, const void *b)
{
    float x = logits[*(const int32_t *)a], y = logits[*(const int32_t *)b];
    return x != y ? (x < y) - (x > y) : *(const int32_t *)a - *(const int32_t *)b;
}

static void selection_equals_sorting(void **state)
{
    static const uint32_t sizes[] = {0, 1, 2, 40, 1023, 1024, 1025, N_VOCAB, N_VOCAB + 7};
    smr_context *context = smr_context_create(NULL);
    struct smr_sampling params = smr_sampling_default();
    struct smr_sampler sampler;
    struct smr_step_result step = {logits, chunks};
    int32_t order[N_VOCAB];
    assert_true(smr_sampler_init(&sampler, context, &params, N_VOCAB, 0));
    for (unsigned seed = 0; seed < 8; seed++) {
        random_logits(seed, 10);
        for (uint32_t i = 0; i < N_VOCAB; i += 3) // many equal ones
            logits[i] = roundf(logits[i]);
        reduce_logits();
        for (int32_t i = 0; i < N_VOCAB; i++)
            order[i] = i;
        qsort(order, N_VOCAB, sizeof(*order), by_logit);
        for (size_t s = 0; s < SMR_COUNT(sizes); s++) {
            uint32_t n = smr_select_top(&sampler, &step, sizes[s]);
            assert_int_equal(n, smr_min_u32(sizes[s], N_VOCAB));
            for (uint32_t i = 0; i < n; i++)
                assert_int_equal(sampler.candidates[i].token, order[i]);
        }
    }
    smr_sampler_finish(&sampler);
    smr_context_destroy(context);
}

static void log_sum_is_that_of_all_logits(void **state)
{
    struct smr_step_result step = {logits, chunks};
    random_logits(3, 30);
    double sum = 0;
    for (uint32_t i = 0; i < N_VOCAB; i++)
        sum += exp(logits[i]);
    assert_float_equal(smr_log_sum(&step, N_VOCAB), log(sum), 1e-4);
}

// Draw often and compare frequencies with the distribution that the definition gives.
static void check_frequencies(const struct smr_sampling *params, const double *expected, uint32_t n)
{
    enum { DRAWS = 6000 };
    smr_context *context = smr_context_create(NULL);
    struct smr_sampler sampler;
    struct smr_step_result step = {logits, chunks};
    uint32_t counts[8] = {0}, others = 0;
    assert_true(smr_sampler_init(&sampler, context, params, N_VOCAB, 0));
    for (int i = 0; i < DRAWS; i++) {
        int32_t token;
        assert_true(smr_sampler_sample(&sampler, &step, NULL, 0, &token));
        if ((uint32_t)token < n)
            counts[token]++;
        else
            others++;
    }
    assert_int_equal(others, 0);
    for (uint32_t i = 0; i < n; i++) // five standard deviations
        assert_float_equal((double)counts[i] / DRAWS, expected[i],
                           5 * sqrt(expected[i] * (1 - expected[i]) / DRAWS) + 1e-9);
    smr_sampler_finish(&sampler);
    smr_context_destroy(context);
}

static void draws_follow_the_distribution(void **state)
{
    static const double p[] = {0.5, 0.25, 0.15, 0.1};
    for (uint32_t i = 0; i < N_VOCAB; i++)
        logits[i] = i < 4 ? (float)log(p[i]) : -200;
    reduce_logits();
    struct smr_sampling all = {.temperature = 1, .top_p = 1, .repeat_penalty = 1, .seed = 42};
    check_frequencies(&all, p, 4);
    struct smr_sampling top_k = all;
    top_k.top_k = 2;
    check_frequencies(&top_k, (double[]){2.0 / 3, 1.0 / 3, 0, 0}, 4);
    struct smr_sampling top_p = all;
    top_p.top_p = 0.7f; // 0.5 is too little, 0.75 is enough
    check_frequencies(&top_p, (double[]){2.0 / 3, 1.0 / 3, 0, 0}, 4);
    struct smr_sampling min_p = all;
    min_p.min_p = 0.25f; // at least 0.125
    check_frequencies(&min_p, (double[]){0.5 / 0.9, 0.25 / 0.9, 0.15 / 0.9, 0}, 4);
    struct smr_sampling cold = all;
    cold.temperature = 0.5f; // squares the probabilities
    double sum = 0.25 + 0.0625 + 0.0225 + 0.01;
    check_frequencies(&cold, (double[]){0.25 / sum, 0.0625 / sum, 0.0225 / sum, 0.01 / sum}, 4);
}

static void same_seed_same_tokens(void **state)
{
    struct smr_sampling params = smr_sampling_default();
    uint32_t different = 0;
    random_logits(5, 3);
    for (uint64_t seed = 0; seed < 20; seed++) {
        params.seed = seed;
        int32_t token = sample_one(&params, NULL, 0);
        assert_int_equal(sample_one(&params, NULL, 0), token);
        params.seed = seed + 100;
        different += sample_one(&params, NULL, 0) != token;
    }
    assert_true(different > 5);
}

static void penalties_and_bias_change_the_best(void **state)
{
    static const int32_t history[] = {10, 11, 10, 12};
    for (uint32_t i = 0; i < N_VOCAB; i++)
        logits[i] = -5;
    logits[10] = 4;
    logits[11] = 3.5f;
    logits[12] = 3;
    logits[2000] = 2;
    reduce_logits();
    struct smr_sampling params = {.repeat_penalty = 1, .top_p = 1, .repeat_last_n = 64};
    assert_int_equal(sample_one(&params, history, 4), 10);
    params.frequency_penalty = 0.6f; // 4 - 1.2, 3.5 - 0.6, 3 - 0.6
    assert_int_equal(sample_one(&params, history, 4), 11);
    params.presence_penalty = 2; // every seen token loses two more
    assert_int_equal(sample_one(&params, history, 4), 2000);
    params.repeat_last_n = 1; // only 12 is looked at
    assert_int_equal(sample_one(&params, history, 4), 10);
    params = (struct smr_sampling){.repeat_penalty = 3, .top_p = 1, .repeat_last_n = UINT32_MAX};
    assert_int_equal(sample_one(&params, history, 4), 2000); // 4/3, 3.5/3, 3/3 and 2
    struct smr_logit_bias bias[] = {{10, -INFINITY}, {2400, 20}};
    params = (struct smr_sampling){.repeat_penalty = 1, .top_p = 1, .bias = bias, .n_bias = 1};
    assert_int_equal(sample_one(&params, history, 4), 11);
    params.n_bias = 2;
    assert_int_equal(sample_one(&params, history, 4), 2400);
    struct smr_sampling drawn = smr_sampling_default(); // with a penalty, through the whole chain
    drawn.presence_penalty = 30;
    drawn.top_k = 1;
    assert_int_equal(sample_one(&drawn, history, 4), 2000);
}

static void logits_that_are_not_numbers_are_an_error(void **state)
{
    smr_context *context = smr_context_create(NULL);
    struct smr_sampling params = smr_sampling_default();
    struct smr_sampler sampler;
    struct smr_step_result step = {logits, chunks};
    int32_t token;
    for (uint32_t i = 0; i < N_VOCAB; i++)
        logits[i] = NAN;
    reduce_logits();
    assert_true(smr_sampler_init(&sampler, context, &params, N_VOCAB, 0));
    assert_false(smr_sampler_sample(&sampler, &step, NULL, 0, &token));
    assert_non_null(strstr(smr_context_error(context), "not finite"));
    smr_sampler_finish(&sampler);
    smr_context_destroy(context);
}

// ---- stop strings -----------------------------------------------------------------------------------

// Feed `text` byte by byte; returns what was shown, with a '|' when a stop string was found.
static void stream(const char *text, const char *const *stop, size_t n_stop, char *shown)
{
    smr_context *context = smr_context_create(NULL);
    struct smr_stopper stopper;
    size_t used = 0, n_final = 0;
    bool stopped = false;
    smr_stopper_init(&stopper, context, stop, n_stop);
    for (const char *c = text; *c && !stopped; c++) {
        smr_string_add(&stopper.held, c, 1);
        stopped = smr_stopper_check(&stopper, &n_final);
        memcpy(shown + used, stopper.held.data, n_final);
        used += n_final;
        smr_stopper_drop(&stopper, n_final);
    }
    if (stopped)
        shown[used++] = '|';
    else if (stopper.held.size) {
        memcpy(shown + used, stopper.held.data, stopper.held.size);
        used += stopper.held.size;
    }
    shown[used] = 0;
    smr_stopper_finish(&stopper);
    smr_context_destroy(context);
}

static void stop_strings_are_found_across_pieces(void **state)
{
    static const char *const stop[] = {"END", "\n\n", "aab", ""};
    char shown[64];
    stream("hello EN world", stop, 4, shown);
    assert_string_equal(shown, "hello EN world");
    stream("hello END world", stop, 4, shown);
    assert_string_equal(shown, "hello |");
    stream("aaab", stop, 4, shown); // overlaps with its own beginning
    assert_string_equal(shown, "a|");
    stream("one\ntwo\n\nthree", stop, 4, shown);
    assert_string_equal(shown, "one\ntwo|");
    stream("ends in E", stop, 4, shown);
    assert_string_equal(shown, "ends in E");
    stream("nothing to stop", NULL, 0, shown);
    assert_string_equal(shown, "nothing to stop");
}

// ---- pages --------------------------------------------------------------------------------------------

static void pages_are_shared_and_come_back(void **state)
{
    smr_context *context = smr_context_create(NULL);
    struct smr_page_pool pool;
    uint32_t pages[3], extra;
    assert_true(smr_page_pool_init(&pool, context, 3));
    for (int i = 0; i < 3; i++)
        assert_true(smr_page_take(&pool, &pages[i]));
    assert_true(pages[0] != pages[1] && pages[1] != pages[2] && pages[0] != pages[2]);
    assert_false(smr_page_take(&pool, &extra));
    assert_int_equal(smr_context_status(context), SMR_ERROR_MEMORY);
    smr_context_clear_error(context);
    smr_page_share(&pool, pages[1]);
    smr_page_release(&pool, pages[1]);
    assert_false(smr_page_take(&pool, &extra)); // still held once
    smr_page_release(&pool, pages[1]);
    assert_true(smr_page_take(&pool, &extra));
    assert_int_equal(extra, pages[1]);
    smr_page_pool_finish(&pool);
    smr_context_destroy(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greedy_takes_the_lowest_of_equals),
        cmocka_unit_test(selection_equals_sorting),
        cmocka_unit_test(log_sum_is_that_of_all_logits),
        cmocka_unit_test(draws_follow_the_distribution),
        cmocka_unit_test(same_seed_same_tokens),
        cmocka_unit_test(penalties_and_bias_change_the_best),
        cmocka_unit_test(logits_that_are_not_numbers_are_an_error),
        cmocka_unit_test(stop_strings_are_found_across_pieces),
        cmocka_unit_test(pages_are_shared_and_come_back),
    };
    return cmocka_run_group_tests_name("generate", tests, NULL, NULL);
}
