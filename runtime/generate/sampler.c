// sampler.c - from logits to a token.
//
// The chain, in llama.cpp's order: bias, penalties, top-k, top-p (arXiv:1904.09751), min-p
// (arXiv:2407.01082), temperature, draw. The device has reduced the logits to a maximum and a sum
// per chunk; chunks whose maximum cannot reach the k best so far are not read at all.
#include "generate/generate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct smr_sampling smr_sampling_default(void)
{
    return (struct smr_sampling){.temperature = 0.8f,
                                 .top_k = 40,
                                 .top_p = 0.95f,
                                 .min_p = 0.05f,
                                 .repeat_penalty = 1,
                                 .repeat_last_n = 64};
}

static bool has_penalties(const struct smr_sampling *params)
{
    return params->repeat_last_n && (params->repeat_penalty != 1 || params->presence_penalty != 0 ||
                                     params->frequency_penalty != 0);
}

static bool is_greedy(const struct smr_sampling *params)
{
    return params->temperature <= 0 || params->top_k == 1;
}

bool smr_sampler_needs_logits(const struct smr_sampling *params, uint32_t n_logprobs)
{
    return !is_greedy(params) || has_penalties(params) || params->n_bias || n_logprobs > 1;
}

// As the device wants them: each token once.
static bool merge_biases(struct smr_sampler *sampler)
{
    const struct smr_sampling *params = &sampler->params;
    const size_t n = params->n_bias <= SMR_MAX_DRAW_BIAS ? params->n_bias : 0;
    sampler->bias = smr_alloc(sampler->context, n, sizeof(*sampler->bias), "logit biases");
    for (size_t i = 0; sampler->bias && i < n; i++) {
        uint32_t token = (uint32_t)params->bias[i].token, at = 0;
        while (at < sampler->n_bias && sampler->bias[at].token != token)
            at++;
        if (at == sampler->n_bias)
            sampler->bias[sampler->n_bias++].token = token;
        sampler->bias[at].bias += params->bias[i].bias;
    }
    return sampler->bias != NULL;
}

bool smr_sampler_init(struct smr_sampler *sampler, smr_context *context,
                      const struct smr_sampling *params, uint32_t n_vocab, uint32_t n_top)
{
    *sampler = (struct smr_sampler){
        .context = context, .params = *params, .n_vocab = n_vocab, .random = params->seed};
    for (size_t i = 0; i < params->n_bias; i++)
        if (params->bias[i].token < 0 || (uint32_t)params->bias[i].token >= n_vocab)
            return smr_fail(context, SMR_ERROR_USAGE, "logit bias: the model has no token %d",
                            params->bias[i].token);
    uint32_t n_chunks = smr_div_up(n_vocab, SMR_REDUCE_CHUNK);
    sampler->candidates =
        smr_alloc(context, n_vocab, sizeof(*sampler->candidates), "sampling candidates");
    sampler->chunk_order =
        smr_alloc(context, n_chunks, sizeof(*sampler->chunk_order), "sampling chunks");
    sampler->delta = smr_alloc(context, n_vocab, sizeof(*sampler->delta), "logit changes");
    sampler->counts = smr_alloc(context, n_vocab, sizeof(*sampler->counts), "token counts");
    sampler->top = smr_alloc(context, n_top, sizeof(*sampler->top), "log-probabilities");
    return sampler->candidates && sampler->chunk_order && sampler->delta && sampler->counts &&
           sampler->top && merge_biases(sampler);
}

void smr_sampler_finish(struct smr_sampler *sampler)
{
    if (!sampler->context)
        return;
    smr_free(sampler->context, sampler->candidates);
    smr_free(sampler->context, sampler->chunk_order);
    smr_free(sampler->context, sampler->delta);
    smr_free(sampler->context, sampler->counts);
    smr_free(sampler->context, sampler->touched);
    smr_free(sampler->context, sampler->top);
    smr_free(sampler->context, sampler->bias);
    *sampler = (struct smr_sampler){0};
}

// ---- selection --------------------------------------------------------------------------------------

// Better first; equal logits by token, so that results do not depend on the order of reading.
static bool better(const struct smr_candidate *a, const struct smr_candidate *b)
{
    return a->logit != b->logit ? a->logit > b->logit : a->token < b->token;
}

static int compare(const void *a, const void *b)
{
    if (better(a, b))
        return -1;
    return better(b, a);
}

// A heap of the k best so far with the worst of them at its root.
static void sift_down(struct smr_candidate *heap, uint32_t n, uint32_t at)
{
    for (;;) {
        uint32_t worst = at, left = 2 * at + 1;
        for (uint32_t child = left; child < n && child <= left + 1; child++)
            if (better(&heap[worst], &heap[child]))
                worst = child;
        if (worst == at)
            return;
        struct smr_candidate swap = heap[at];
        heap[at] = heap[worst];
        heap[worst] = swap;
        at = worst;
    }
}

static void offer(struct smr_candidate *heap, uint32_t *n, uint32_t k, struct smr_candidate item)
{
    if (*n < k) {
        heap[(*n)++] = item;
        if (*n == k)
            for (uint32_t i = k / 2; i-- > 0;)
                sift_down(heap, k, i);
    } else if (better(&item, &heap[0])) {
        heap[0] = item;
        sift_down(heap, k, 0);
    }
}

static void sort_chunks(uint32_t *order, const struct smr_reduced *chunks, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) { // insertion: a few hundred at most, and often sorted enough
        uint32_t j = i;
        for (; j && chunks[order[j - 1]].maximum < chunks[i].maximum; j--)
            order[j] = order[j - 1];
        order[j] = i;
    }
}

uint32_t smr_select_top(struct smr_sampler *sampler, const struct smr_step_result *result,
                        uint32_t k)
{
    uint32_t n = 0, n_chunks = smr_div_up(sampler->n_vocab, SMR_REDUCE_CHUNK);
    struct smr_candidate *heap = sampler->candidates;
    k = smr_min_u32(k, sampler->n_vocab);
    sort_chunks(sampler->chunk_order, result->chunks, n_chunks);
    for (uint32_t i = 0; i < n_chunks && k; i++) {
        uint32_t chunk = sampler->chunk_order[i];
        if (n == k && result->chunks[chunk].maximum < heap[0].logit)
            break; // this chunk and all after it are too small
        uint32_t begin = chunk * SMR_REDUCE_CHUNK;
        uint32_t end = smr_min_u32(begin + SMR_REDUCE_CHUNK, sampler->n_vocab);
        for (uint32_t token = begin; token < end; token++)
            if (result->logits[token] > -INFINITY) // leaves out NaN too
                offer(heap, &n, k,
                      (struct smr_candidate){(int32_t)token, result->logits[token], 0});
    }
    qsort(heap, n, sizeof(*heap), compare);
    return n;
}

double smr_log_sum(const struct smr_step_result *result, uint32_t n_vocab)
{
    double maximum = -INFINITY, sum = 0;
    uint32_t n_chunks = smr_div_up(n_vocab, SMR_REDUCE_CHUNK);
    for (uint32_t i = 0; i < n_chunks; i++)
        maximum = fmax(maximum, (double)result->chunks[i].maximum);
    if (!isfinite(maximum))
        return -INFINITY;
    for (uint32_t i = 0; i < n_chunks; i++)
        if (isfinite(result->chunks[i].maximum))
            sum += result->chunks[i].sum * exp(result->chunks[i].maximum - maximum);
    return maximum + log(sum);
}

static int32_t best_of_chunks(const struct smr_step_result *result, uint32_t n_vocab)
{
    const struct smr_reduced *best = &result->chunks[0];
    for (uint32_t i = 1; i < smr_div_up(n_vocab, SMR_REDUCE_CHUNK); i++)
        if (result->chunks[i].maximum > best->maximum)
            best = &result->chunks[i];
    return (int32_t)best->index;
}

// ---- bias and penalties -----------------------------------------------------------------------------

static bool touch(struct smr_sampler *sampler, int32_t token)
{
    if (!smr_grow(sampler->context, &sampler->touched, &sampler->touched_capacity,
                  sampler->n_touched + 1, sizeof(*sampler->touched), "penalised tokens"))
        return false;
    sampler->touched[sampler->n_touched++] = token;
    return true;
}

// Fill in delta[] for every token whose logit changes, and list those tokens once each.
static bool collect_changes(struct smr_sampler *sampler, const float *logits,
                            const int32_t *history, uint32_t n_history)
{
    const struct smr_sampling *params = &sampler->params;
    for (size_t i = 0; i < params->n_bias; i++) {
        if (!touch(sampler, params->bias[i].token))
            return false;
        sampler->delta[params->bias[i].token] += params->bias[i].bias;
    }
    uint32_t last_n = has_penalties(params) ? smr_min_u32(params->repeat_last_n, n_history) : 0;
    for (uint32_t i = n_history - last_n; i < n_history; i++)
        if (sampler->counts[history[i]]++ == 0 && !touch(sampler, history[i]))
            return false;
    for (uint32_t i = 0; i < sampler->n_touched; i++) {
        int32_t token = sampler->touched[i];
        uint32_t count = sampler->counts[token];
        if (!count)
            continue;
        float logit = logits[token] + sampler->delta[token];
        float penalised =
            logit > 0 ? logit / params->repeat_penalty : logit * params->repeat_penalty;
        penalised -= (float)count * params->frequency_penalty + params->presence_penalty;
        sampler->delta[token] = penalised - logits[token];
        sampler->counts[token] = 0; // done; a biased token may be listed twice
    }
    for (size_t i = 0; i < sampler->n_forbidden; i++) {
        if (!touch(sampler, sampler->forbidden[i]))
            return false;
        sampler->delta[sampler->forbidden[i]] = -INFINITY;
    }
    return true;
}

static void forget_changes(struct smr_sampler *sampler)
{
    for (uint32_t i = 0; i < sampler->n_touched; i++) {
        sampler->delta[sampler->touched[i]] = 0;
        sampler->counts[sampler->touched[i]] = 0;
    }
    sampler->n_touched = 0;
}

// The k best after changes. A change can only move the touched tokens, so the k + touched best
// before it, together with the touched ones, are enough.
static uint32_t select_changed(struct smr_sampler *sampler, const struct smr_step_result *result,
                               uint32_t k)
{
    struct smr_candidate *all = sampler->candidates;
    uint32_t wanted =
        k > sampler->n_vocab - sampler->n_touched ? sampler->n_vocab : k + sampler->n_touched;
    uint32_t n = smr_select_top(sampler, result, wanted), kept = 0;
    if (!sampler->n_touched)
        return n;
    for (uint32_t i = 0; i < n; i++) { // those that did not change
        sampler->counts[all[i].token] = 0;
        if (sampler->delta[all[i].token] == 0)
            all[kept++] = all[i];
    }
    for (uint32_t i = 0; i < sampler->n_touched; i++) {
        int32_t token = sampler->touched[i];
        float logit = result->logits[token] + sampler->delta[token];
        if (sampler->delta[token] == 0 || sampler->counts[token]++ || !(logit > -INFINITY))
            continue;
        if (kept < sampler->n_vocab)
            all[kept++] = (struct smr_candidate){token, logit, 0};
    }
    qsort(all, kept, sizeof(*all), compare);
    return smr_min_u32(kept, k);
}

// ---- cutting and drawing ----------------------------------------------------------------------------

static void softmax(struct smr_candidate *all, uint32_t n, float temperature)
{
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        all[i].p = expf((all[i].logit - all[0].logit) / temperature);
        sum += all[i].p;
    }
    for (uint32_t i = 0; i < n; i++)
        all[i].p = (float)(all[i].p / sum);
}

static uint32_t cut_top_p(const struct smr_candidate *all, uint32_t n, float top_p)
{
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        sum += all[i].p;
        if (sum >= top_p)
            return i + 1;
    }
    return n;
}

static uint32_t cut_min_p(const struct smr_candidate *all, uint32_t n, float min_p)
{
    uint32_t kept = 1;
    while (kept < n && all[kept].p >= min_p * all[0].p)
        kept++;
    return kept;
}

// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
static double next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (double)(z >> 11) * 0x1p-53;
}

void smr_sampler_skip(const struct smr_sampler *sampler, uint64_t *random)
{
    if (!is_greedy(&sampler->params))
        next_random(random);
}

static int32_t draw(const struct smr_candidate *all, uint32_t n, uint64_t *random)
{
    double at = next_random(random), sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        sum += all[i].p;
        if (at < sum)
            return all[i].token;
    }
    return all[n - 1].token; // rounding left a gap at the end
}

static int32_t choose(struct smr_sampler *sampler, uint32_t n)
{
    const struct smr_sampling *params = &sampler->params;
    struct smr_candidate *all = sampler->candidates;
    if (is_greedy(params))
        return all[0].token;
    softmax(all, n, 1);
    if (params->top_p < 1)
        n = cut_top_p(all, n, params->top_p);
    if (params->min_p > 0)
        n = cut_min_p(all, n, params->min_p);
    softmax(all, n, params->temperature);
    return draw(all, n, &sampler->random);
}

static bool fail_infinite(const struct smr_sampler *sampler)
{
    return smr_fail(sampler->context, SMR_ERROR,
                    "the model's logits are not finite: the weights are damaged, or the device "
                    "computes wrongly (try --device reference)");
}

static bool fail_forbidden(const struct smr_sampler *sampler)
{
    return smr_fail(sampler->context, SMR_ERROR_USAGE,
                    "the logit bias, or what is forbidden, leaves no token that could come next");
}

bool smr_fail_no_token(const struct smr_sampler *sampler)
{
    return sampler->n_bias ? fail_forbidden(sampler) : fail_infinite(sampler);
}

bool smr_sampler_sample(struct smr_sampler *sampler, const struct smr_step_result *result,
                        const int32_t *history, uint32_t n_history, int32_t *token)
{
    const struct smr_sampling *params = &sampler->params;
    if (!isfinite(smr_log_sum(result, sampler->n_vocab)))
        return fail_infinite(sampler);
    if (!smr_sampler_needs_logits(params, 0) && !sampler->n_forbidden) {
        *token = best_of_chunks(result, sampler->n_vocab);
        return true;
    }
    if (!collect_changes(sampler, result->logits, history, n_history)) {
        forget_changes(sampler);
        return false;
    }
    uint32_t k = is_greedy(params) ? 1 : params->top_k ? params->top_k : sampler->n_vocab;
    uint32_t n = select_changed(sampler, result, k);
    forget_changes(sampler);
    if (!n)
        return fail_forbidden(sampler);
    *token = choose(sampler, n);
    return true;
}

// ---- on the device ----------------------------------------------------------------------------------

bool smr_sampler_sorts_all(const struct smr_sampling *params)
{
    return !is_greedy(params) && !params->top_k;
}

enum smr_choice smr_sampler_choice(const struct smr_sampling *params)
{
    if (has_penalties(params) || params->n_bias)
        return SMR_CHOICE_PENALISED;
    return is_greedy(params) ? SMR_CHOICE_BEST : SMR_CHOICE_DRAWN;
}

bool smr_sampler_suits_device(const struct smr_sampling *params, uint32_t n_vocab)
{
    return smr_sampler_choice(params) == SMR_CHOICE_BEST ||
           (n_vocab <= SMR_SAMPLE_MAX_COLS && params->n_bias <= SMR_MAX_DRAW_BIAS);
}

// In [0, 1), of 2^32.
static uint32_t fraction(double value)
{
    return value >= 1 ? UINT32_MAX : (uint32_t)(fmax(value, 0) * 0x1p32);
}

void smr_sampler_draw(const struct smr_sampler *sampler, uint32_t n_tokens, uint64_t *random,
                      struct smr_draw *draw)
{
    const struct smr_sampling *params = &sampler->params;
    const uint32_t n_recent =
        has_penalties(params) ? smr_min_u32(params->repeat_last_n, n_tokens) : 0;
    *draw = (struct smr_draw){.top_k = params->top_k,
                              .top_p = fraction(params->top_p),
                              .min_p = params->min_p,
                              .temperature = params->temperature,
                              .n_bias = sampler->n_bias,
                              .n_recent = n_recent,
                              .first_recent = n_tokens - n_recent,
                              .repeat_penalty = params->repeat_penalty,
                              .presence_penalty = params->presence_penalty,
                              .frequency_penalty = params->frequency_penalty};
    if (is_greedy(params)) {
        draw->top_k = 1;
        draw->temperature = 1;
    } else {
        draw->point = fraction(next_random(random));
    }
}
