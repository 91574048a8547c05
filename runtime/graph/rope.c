// rope.c - inverse frequencies of rotary position embeddings (RoFormer, arXiv:2104.09864) and the
// ways in which models stretch them to longer contexts.
#include "graph/graph.h"

#include <math.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

// YaRN (arXiv:2309.00071): the dimension whose wave length makes `turns` in the original context.
static double yarn_dimension(const struct smr_hparams *hparams, double theta, double turns)
{
    double context = hparams->rope_original_context;
    return hparams->rope_dim * log(context / (turns * 2 * pi)) / (2 * log(theta));
}

// Share of a dimension that is interpolated: 0 below `low`, 1 above `high`.
static double yarn_ramp(double low, double high, uint32_t i)
{
    double span = high - low > 0.001 ? high - low : 0.001;
    double share = (i - low) / span;
    return share < 0 ? 0 : share > 1 ? 1 : share;
}

static void scale_yarn(const struct smr_hparams *hparams, double theta, double *inv_freq,
                       float *magnitude)
{
    uint32_t n = hparams->rope_dim / 2;
    double low = floor(yarn_dimension(hparams, theta, hparams->yarn_beta_fast));
    double high = ceil(yarn_dimension(hparams, theta, hparams->yarn_beta_slow));
    low = fmax(low, 0);
    high = fmin(high, hparams->rope_dim - 1.0);
    for (uint32_t i = 0; i < n; i++) {
        double keep = (1 - yarn_ramp(low, high, i)) * hparams->yarn_ext_factor;
        double interpolated = inv_freq[i] / hparams->rope_scaling_factor;
        inv_freq[i] = interpolated * (1 - keep) + inv_freq[i] * keep;
    }
    *magnitude = (float)(hparams->rope_attention_factor *
                         (1 + 0.1 * log((double)hparams->rope_scaling_factor)));
}

static bool missing(const struct smr_graph *graph, const char *what, const char *scaling)
{
    return smr_fail(graph->model->context, SMR_ERROR_MODEL, "%s: %s is missing, which %s needs",
                    graph->model->path, what, scaling);
}

// Divide each frequency by what the file's tensor `name` has for it.
static bool divide(struct smr_graph *graph, const char *name, double *inv_freq)
{
    uint32_t n = graph->model->hparams.rope_dim / 2;
    smr_id id = smr_graph_vector(graph, n, true, "%s", name);
    if (!id)
        return false;
    const float *factors = graph->values[id].data;
    for (uint32_t i = 0; i < n; i++) {
        if (!(fabsf(factors[i]) > 0) || !isfinite(factors[i]))
            return smr_fail(graph->model->context, SMR_ERROR_MODEL,
                            "%s: tensor %s: element %u is %g", graph->model->path, name, i,
                            (double)factors[i]);
        inv_freq[i] /= factors[i];
    }
    return true;
}

// LongRoPE (arXiv:2402.13753) has factors for the context the model was first trained for, and
// others for a longer one. The magnitude belongs to the model: it is the same with both.
static bool scale_long(struct smr_graph *graph, double *inv_freq, float *magnitude)
{
    const struct smr_hparams *hparams = &graph->model->hparams;
    if (!hparams->rope_original_context)
        return missing(graph, "rope.scaling.original_context_length", "LongRoPE");
    *magnitude = hparams->rope_attention_factor;
    return divide(graph,
                  graph->n_context > hparams->rope_original_context ? "rope_factors_long.weight"
                                                                    : "rope_factors_short.weight",
                  inv_freq);
}

static bool scale(struct smr_graph *graph, double theta, double *inv_freq, float *magnitude)
{
    const struct smr_hparams *hparams = &graph->model->hparams;
    uint32_t n = hparams->rope_dim / 2;
    // Llama 3 ships its scaling as one divisor per frequency.
    if (smr_model_tensor(graph->model, "rope_freqs.weight") &&
        !divide(graph, "rope_freqs.weight", inv_freq))
        return false;
    // Phi-3 files name no type of scaling.
    if (smr_model_tensor(graph->model, "rope_factors_long.weight"))
        return scale_long(graph, inv_freq, magnitude);
    switch (hparams->rope_scaling) {
    case SMR_ROPE_NONE:
        break;
    case SMR_ROPE_LINEAR: // arXiv:2306.15595
        for (uint32_t i = 0; i < n; i++)
            inv_freq[i] /= hparams->rope_scaling_factor;
        break;
    case SMR_ROPE_YARN:
        if (!hparams->rope_original_context)
            return missing(graph, "rope.scaling.original_context_length", "YaRN");
        scale_yarn(hparams, theta, inv_freq, magnitude);
        break;
    case SMR_ROPE_LONGROPE:
        return missing(graph, "tensor rope_factors_long.weight", "LongRoPE");
    }
    return true;
}

smr_id smr_graph_rope(struct smr_graph *graph, float theta, bool scaled, float *magnitude)
{
    uint32_t n = graph->model->hparams.rope_dim / 2;
    double *exact = smr_arena_alloc(&graph->arena, n, sizeof(*exact));
    float *rounded = smr_arena_alloc(&graph->arena, n, sizeof(*rounded));
    if (!exact || !rounded) {
        graph->failed = true;
        return 0;
    }
    for (uint32_t i = 0; i < n; i++)
        exact[i] = pow(theta, -2.0 * i / graph->model->hparams.rope_dim);
    *magnitude = 1;
    if (scaled && !scale(graph, theta, exact, magnitude))
        return 0;
    for (uint32_t i = 0; i < n; i++)
        rounded[i] = (float)exact[i];
    return smr_graph_value(
        graph, &(struct smr_value){.kind = SMR_VALUE_CONSTANT, .data = rounded, .n_cols = n});
}
