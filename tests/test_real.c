// test_real.c - greedy decoding of a real model against a reference's path. Run by hand or by
// real_models.py, since the models are not in the tree.
//
//     test_real MODEL EXPECT... [--device ID] [--kernels tuned|f32|plain] [--cache-type f16|f32|q8_0]
//               [--cache-dir FOLDER] [--steps N] [--logits FOLDER] [--as gpu]
//
// At each step the reference's token is appended, whatever ours was. A step fails when ours differs
// although the reference's two best are further apart than 0.05 in log-probability, or 0.2 with --as gpu,
// whose kernels round activations to 16 or 8 bits. With --logits,
// FOLDER/NAME.f32 gets the logits of every step: raw float32, [n_steps, n_vocab]. With --as a software
// driver runs what the engine plans for a GPU without having tuned it.
// Exit codes: 0 agreement, 1 disagreement, 2 usage, others from enum smr_status.
#include "samara.h"

#include "as_gpu.h"
#include "golden/expect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct options {
    const char *model, *device, *cache_dir, *logits;
    enum smr_kernels kernels;
    bool as_gpu;
    enum smr_type cache_type;
    size_t n_steps;
    const char *expects[64];
    size_t n_expects;
};

struct outcome {
    size_t n_steps, n_close, n_same_close, n_wrong;
    double prompt_s, decode_s;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void log_line(void *user, enum smr_log_level level, const char *text)
{
    fprintf(stderr, "%s\n", text);
}

// True unless the tokenizer makes other tokens of the expectation's text.
static bool same_text(smr_model *model, const struct expectation *e)
{
    int32_t *tokens = NULL;
    size_t n = 0;

    if (!e->text)
        return true;
    if (!smr_tokenize(model, e->text, strlen(e->text), SMR_TOKENIZE_SPECIAL | SMR_TOKENIZE_NO_BOS,
                      &tokens, &n))
        return false;
    bool same = n == e->n_prompt && !memcmp(tokens, e->prompt, n * sizeof *tokens);
    if (!same)
        printf("  the text gives %zu tokens, the reference has %zu\n", n, e->n_prompt);
    smr_tokens_free(model, tokens);
    return same;
}

static bool follow(smr_session *session, const struct expectation *e, float gap, size_t n_vocab,
                   FILE *file, struct outcome *outcome)
{
    double start = now();

    if (!smr_session_append(session, e->prompt, e->n_prompt))
        return false;
    for (size_t i = 0; i < outcome->n_steps; i++) {
        const float *logits = smr_session_logits(session);
        if (!logits)
            return false;
        if (i == 0) {
            outcome->prompt_s = now() - start;
            start = now();
        }
        if (file && fwrite(logits, sizeof *logits, n_vocab, file) != n_vocab)
            return false;
        size_t best = largest(logits, n_vocab);
        bool same = best == (size_t)e->greedy[i], close = e->gap[i] <= gap;
        outcome->n_close += close;
        outcome->n_same_close += close && same;
        outcome->n_wrong += !close && !same;
        if (!same)
            printf("  step %zu: token %zu (%g), not %d (%g); the reference's gap is %g\n", i, best,
                   (double)logits[best], e->greedy[i], (double)logits[e->greedy[i]],
                   (double)e->gap[i]);
        if (!smr_session_append(session, &e->greedy[i], 1))
            return false;
    }
    outcome->decode_s = now() - start;
    return true;
}

static bool run_one(smr_engine *engine, smr_model *model, const struct options *options,
                    const char *path, bool *agrees)
{
    struct expectation expect;
    struct smr_model_info info;
    struct outcome outcome = {0};
    smr_session *session = NULL;
    FILE *file = NULL;
    char name[2048];
    bool ok = false;

    smr_model_info(model, &info);
    if (!expectation_read(&expect, path))
        goto done;
    outcome.n_steps = options->n_steps < expect.n_greedy ? options->n_steps : expect.n_greedy;
    if (options->logits) {
        snprintf(name, sizeof name, "%s/%s.f32", options->logits, expect.name);
        file = fopen(name, "wb");
        if (!file) {
            perror(name);
            goto done;
        }
    }
    session = smr_session_create(engine);
    if (!session)
        goto done;
    bool text = same_text(model, &expect);
    ok = follow(session, &expect, options->as_gpu ? NARROW_GAP : EXPECT_GAP, info.n_vocab, file,
                &outcome);
    if (!ok)
        goto done;
    *agrees = *agrees && text && outcome.n_wrong == 0;
    printf("%s: %zu steps, %zu wrong, %zu close calls of which %zu the same%s; prompt of %zu in "
           "%.2f s, %.2f tokens/s\n",
           expect.name, outcome.n_steps, outcome.n_wrong, outcome.n_close, outcome.n_same_close,
           text ? "" : ", TEXT DIFFERS", expect.n_prompt, outcome.prompt_s,
           (double)(outcome.n_steps - 1) / outcome.decode_s);
    fflush(stdout);
done:
    if (file && fclose(file) != 0)
        ok = false;
    smr_session_destroy(session);
    expectation_finish(&expect);
    return ok;
}

static bool parse_type(const char *text, enum smr_type *type)
{
    static const struct {
        const char *name;
        enum smr_type type;
    } types[] = {{"f16", SMR_F16}, {"f32", SMR_F32}, {"q8_0", SMR_Q8_0}};

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (!strcmp(text, types[i].name)) {
            *type = types[i].type;
            return true;
        }
    }
    return false;
}

static bool parse(struct options *options, int argc, char **argv)
{
    *options = (struct options){.cache_type = SMR_F16, .n_steps = SIZE_MAX};
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (argv[i][0] != '-') {
            if (!options->model)
                options->model = argv[i];
            else if (options->n_expects < 64)
                options->expects[options->n_expects++] = argv[i];
            continue;
        }
        i++;
        if (!value)
            return false;
        if (!strcmp(argv[i - 1], "--device"))
            options->device = value;
        else if (!strcmp(argv[i - 1], "--cache-dir"))
            options->cache_dir = value;
        else if (!strcmp(argv[i - 1], "--steps"))
            options->n_steps = strtoul(value, NULL, 10);
        else if (!strcmp(argv[i - 1], "--logits"))
            options->logits = value;
        else if (!strcmp(argv[i - 1], "--as")) {
            options->as_gpu = !strcmp(value, "gpu");
            if (!options->as_gpu)
                return false;
        } else if (!strcmp(argv[i - 1], "--kernels")) {
            if (!kernels_parse(value, &options->kernels))
                return false;
        } else if (strcmp(argv[i - 1], "--cache-type") || !parse_type(value, &options->cache_type))
            return false;
    }
    return options->model && options->n_expects && options->n_steps;
}

int main(int argc, char **argv)
{
    struct options options;
    bool agrees = true, ok = false;
    smr_model *model = NULL;
    smr_engine *engine = NULL;

    if (!parse(&options, argc, argv)) {
        fprintf(stderr,
                "usage: test_real MODEL EXPECT... [--device ID] [--kernels tuned|f32|plain]\n"
                "  [--cache-type f16|f32|q8_0] [--cache-dir FOLDER] [--steps N] "
                "[--logits FOLDER] [--as gpu]\n");
        return 2;
    }
    smr_context *context = smr_context_create(&(struct smr_context_params){
        .log = log_line, .log_level = SMR_LOG_WARNING, .cache_dir = options.cache_dir});
    if (!context)
        return SMR_ERROR_MEMORY;
    double start = now();
    model = smr_model_open(context, options.model);
    if (model)
        engine =
            smr_engine_create(model, &(struct smr_engine_params){
                                         .device = options.device,
                                         .kernels = options.kernels,
                                         .tuning = options.as_gpu ? SMR_TUNE_NEVER : SMR_TUNE_FIRST,
                                         .cache_type = options.cache_type,
                                         .cache_type_set = true,
                                     });
    if (engine) {
        ok = true;
        if (options.as_gpu)
            plan_as_gpu(engine);
        printf("%s on %s: ready after %.1f s\n", options.model, smr_engine_device(engine)->name,
               now() - start);
    }
    for (size_t i = 0; ok && i < options.n_expects; i++)
        ok = run_one(engine, model, &options, options.expects[i], &agrees);
    int code = ok ? !agrees : (int)smr_context_status(context);
    if (!ok)
        fprintf(stderr, "error: %s\n", smr_context_error(context));
    smr_engine_destroy(engine);
    smr_model_close(model);
    smr_context_destroy(context);
    return ok || code ? code : 1;
}
