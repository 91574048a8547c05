#include "model/quantize_search.h"

#include <math.h>
#include <string.h>

struct lanes {
    float at[SMR_LANES];
};

// Below this a group is all zeros.
static const float least_magnitude = 1e-15f;

// To the nearest whole number, halves to even. For magnitudes below 2^22.
static inline float nearest(float value)
{
    const float shift = 0x1.8p23f; // leaves no bits for a fraction
    return (value + shift) - shift;
}

// The nearest whole number from `min` to `max`; `min` for NaN.
static inline float nearest_in(float value, float min, float max)
{
    value = value > min ? value : min;
    value = value < max ? value : max;
    return nearest(value);
}

// Element i of each group becomes a row of lanes.
static void load_lanes(int n, const float *from, struct lanes *x)
{
    for (int i = 0; i < n; i++)
        for (int g = 0; g < SMR_LANES; g++)
            x[i].at[g] = from[g * n + i];
}

static void store_lanes(int n, const struct lanes *q, float offset, uint8_t *to)
{
    for (int i = 0; i < n; i++)
        for (int g = 0; g < SMR_LANES; g++)
            to[g * n + i] = (uint8_t)(q[i].at[g] + offset);
}

// The element of the largest magnitude, the first of those; 0 where all are nearly 0.
static void find_largest(int n, const struct lanes *x, struct lanes *largest)
{
    struct lanes magnitude = {0};
    *largest = (struct lanes){0};
    for (int i = 0; i < n; i++)
        for (int g = 0; g < SMR_LANES; g++) {
            const float m = fabsf(x[i].at[g]);
            largest->at[g] = m > magnitude.at[g] ? x[i].at[g] : largest->at[g];
            magnitude.at[g] = m > magnitude.at[g] ? m : magnitude.at[g];
        }
    for (int g = 0; g < SMR_LANES; g++)
        largest->at[g] = magnitude.at[g] < least_magnitude ? 0 : largest->at[g];
}

// Where `better` is not 0, take the row's lane from `from`.
static void take_better(int n, const struct lanes *better, const struct lanes *from,
                        struct lanes *to)
{
    float any = 0;
    for (int g = 0; g < SMR_LANES; g++)
        any += better->at[g];
    if (any == 0)
        return;
    for (int i = 0; i < n; i++)
        for (int g = 0; g < SMR_LANES; g++)
            to[i].at[g] = better->at[g] != 0 ? from[i].at[g] : to[i].at[g];
}

// ---- with an offset -----------------------------------------------------------------------------

// The best fit so far is w = scale q + min; the next is tried from it.
struct affine {
    int n;
    float max; // of q
    bool magnitudes;
    struct lanes x[SMR_GROUP_MAX], weight[SMR_GROUP_MAX], q[SMR_GROUP_MAX], trial[SMR_GROUP_MAX];
    struct lanes largest, flat; // flat: not 0 where the group has one value
    struct lanes sum_w, sum_x;  // of weights, of weighted elements
    struct lanes scale, min, error;
};

static void set_weights(struct affine *a)
{
    struct lanes squares = {0}, base = {0};
    if (!a->magnitudes) {
        for (int i = 0; i < a->n; i++)
            for (int g = 0; g < SMR_LANES; g++)
                squares.at[g] += a->x[i].at[g] * a->x[i].at[g];
        for (int g = 0; g < SMR_LANES; g++)
            base.at[g] = sqrtf(squares.at[g] / (float)a->n);
    }
    for (int i = 0; i < a->n; i++)
        for (int g = 0; g < SMR_LANES; g++)
            a->weight[i].at[g] = base.at[g] + fabsf(a->x[i].at[g]);
}

static void find_range(struct affine *a)
{
    a->min = a->x[0];
    a->largest = a->x[0];
    a->sum_w = (struct lanes){0};
    a->sum_x = (struct lanes){0};
    for (int i = 0; i < a->n; i++)
        for (int g = 0; g < SMR_LANES; g++) {
            const float x = a->x[i].at[g], w = a->weight[i].at[g];
            a->min.at[g] = x < a->min.at[g] ? x : a->min.at[g];
            a->largest.at[g] = x > a->largest.at[g] ? x : a->largest.at[g];
            a->sum_w.at[g] += w;
            a->sum_x.at[g] += w * x;
        }
    for (int g = 0; g < SMR_LANES; g++) {
        a->min.at[g] = a->min.at[g] > 0 ? 0 : a->min.at[g];
        a->flat.at[g] = a->largest.at[g] == a->min.at[g];
    }
}

// Round to the levels that spread `steps` over the range.
static void propose(const struct affine *a, float steps, struct lanes *q, struct lanes *factor)
{
    for (int g = 0; g < SMR_LANES; g++)
        factor->at[g] = steps / (a->flat.at[g] != 0 ? 1 : a->largest.at[g] - a->min.at[g]);
    for (int i = 0; i < a->n; i++)
        for (int g = 0; g < SMR_LANES; g++)
            q[i].at[g] = nearest_in(factor->at[g] * (a->x[i].at[g] - a->min.at[g]), 0, a->max);
}

static void sum_errors(const struct affine *a, const struct lanes *q, const struct lanes *scale,
                       const struct lanes *min, struct lanes *error)
{
    *error = (struct lanes){0};
    if (a->magnitudes) {
        for (int i = 0; i < a->n; i++)
            for (int g = 0; g < SMR_LANES; g++)
                error->at[g] += a->weight[i].at[g] *
                                fabsf(scale->at[g] * q[i].at[g] + min->at[g] - a->x[i].at[g]);
        return;
    }
    for (int i = 0; i < a->n; i++)
        for (int g = 0; g < SMR_LANES; g++) {
            const float difference = scale->at[g] * q[i].at[g] + min->at[g] - a->x[i].at[g];
            error->at[g] += a->weight[i].at[g] * (difference * difference);
        }
}

// Least squares: the scale and minimum that fit the trial's q. `solved` is 0 where there are none.
static void fit(const struct affine *a, struct lanes *scale, struct lanes *min,
                struct lanes *solved)
{
    struct lanes sum_q = {0}, sum_qq = {0}, sum_qx = {0};
    for (int i = 0; i < a->n; i++)
        for (int g = 0; g < SMR_LANES; g++) {
            const float q = a->trial[i].at[g], wq = a->weight[i].at[g] * q;
            sum_q.at[g] += wq;
            sum_qq.at[g] += wq * q;
            sum_qx.at[g] += wq * a->x[i].at[g];
        }
    for (int g = 0; g < SMR_LANES; g++) {
        const float determinant = a->sum_w.at[g] * sum_qq.at[g] - sum_q.at[g] * sum_q.at[g];
        const bool solvable = determinant > 0;
        const float divisor = solvable ? determinant : 1;
        const float s = (a->sum_w.at[g] * sum_qx.at[g] - a->sum_x.at[g] * sum_q.at[g]) / divisor;
        const float m = (sum_qq.at[g] * a->sum_x.at[g] - sum_q.at[g] * sum_qx.at[g]) / divisor;
        const float without_min = sum_qx.at[g] / (solvable ? sum_qq.at[g] : 1);
        solved->at[g] = solvable;
        scale->at[g] = m > 0 ? without_min : s;
        min->at[g] = m > 0 ? 0 : m;
    }
}

static void try_steps(struct affine *a, float steps)
{
    struct lanes factor, scale, min, error, better;
    propose(a, steps, a->trial, &factor);
    fit(a, &scale, &min, &better);
    sum_errors(a, a->trial, &scale, &min, &error);
    for (int g = 0; g < SMR_LANES; g++) {
        better.at[g] = better.at[g] != 0 && error.at[g] < a->error.at[g];
        a->error.at[g] = better.at[g] != 0 ? error.at[g] : a->error.at[g];
        a->scale.at[g] = better.at[g] != 0 ? scale.at[g] : a->scale.at[g];
        a->min.at[g] = better.at[g] != 0 ? min.at[g] : a->min.at[g];
    }
    take_better(a->n, &better, a->trial, a->q);
}

void smr_search_affine(const struct smr_affine_search *search, const float *x, float *scales,
                       float *offsets, uint8_t *q)
{
    struct affine a = {.n = search->n, .max = (float)search->max, .magnitudes = search->magnitudes};
    struct lanes factor;
    load_lanes(a.n, x, a.x);
    set_weights(&a);
    find_range(&a);
    propose(&a, a.max, a.q, &factor);
    for (int g = 0; g < SMR_LANES; g++)
        a.scale.at[g] = 1 / factor.at[g];
    sum_errors(&a, a.q, &a.scale, &a.min, &a.error);
    for (int i = 0; i <= search->n_steps; i++)
        try_steps(&a, search->first + 0.1f * (float)i + a.max);
    for (int g = 0; g < SMR_LANES; g++) {
        scales[g] = a.flat.at[g] != 0 ? 0 : a.scale.at[g];
        offsets[g] = -a.min.at[g];
    }
    store_lanes(a.n, a.q, 0, q);
}

// ---- symmetric ----------------------------------------------------------------------------------

// w = scale q. The sums are those of least squares with weights x^2: scale is sum_qx / sum_qq, and
// the fit is better the larger sum_qx^2 / sum_qq.
struct symmetric {
    int n;
    struct lanes x[SMR_GROUP_MAX], q[SMR_GROUP_MAX], trial[SMR_GROUP_MAX];
    struct lanes largest; // 1 in a group of zeros, whose scale will be 0
    struct lanes zero;    // not 0 where the group is that
    struct lanes sum_qx, sum_qq;
    struct lanes scale, best;
};

static void begin_symmetric(struct symmetric *s, int n, const float *x)
{
    s->n = n;
    load_lanes(n, x, s->x);
    find_largest(n, s->x, &s->largest);
    for (int g = 0; g < SMR_LANES; g++) {
        s->zero.at[g] = s->largest.at[g] == 0;
        s->largest.at[g] = s->zero.at[g] != 0 ? 1 : s->largest.at[g];
    }
}

// Round to the levels that bring the largest to `steps`.
static void propose_symmetric(struct symmetric *s, float steps, float max, struct lanes *q)
{
    struct lanes factor;
    for (int g = 0; g < SMR_LANES; g++)
        factor.at[g] = steps / s->largest.at[g];
    for (int i = 0; i < s->n; i++)
        for (int g = 0; g < SMR_LANES; g++)
            q[i].at[g] = nearest_in(factor.at[g] * s->x[i].at[g], -max, max - 1);
}

static void sum_symmetric(struct symmetric *s, const struct lanes *q)
{
    s->sum_qx = (struct lanes){0};
    s->sum_qq = (struct lanes){0};
    for (int i = 0; i < s->n; i++)
        for (int g = 0; g < SMR_LANES; g++) {
            const float x = s->x[i].at[g], w = x * x;
            s->sum_qx.at[g] += w * x * q[i].at[g];
            s->sum_qq.at[g] += w * q[i].at[g] * q[i].at[g];
        }
}

// Set scale and best where `better` is not 0.
static void take_fit(struct symmetric *s, const struct lanes *better)
{
    for (int g = 0; g < SMR_LANES; g++) {
        const float scale = s->sum_qx.at[g] / (s->sum_qq.at[g] > 0 ? s->sum_qq.at[g] : 1);
        s->best.at[g] = better->at[g] != 0 ? scale * s->sum_qx.at[g] : s->best.at[g];
        s->scale.at[g] = better->at[g] != 0 ? scale : s->scale.at[g];
    }
}

static void find_better(const struct symmetric *s, struct lanes *better)
{
    for (int g = 0; g < SMR_LANES; g++)
        better->at[g] = s->sum_qq.at[g] > 0 &&
                        s->sum_qx.at[g] * s->sum_qx.at[g] > s->best.at[g] * s->sum_qq.at[g];
}

// Groups of zeros have q = 0, which is not the middle: ggml's reference has it so.
static void end_symmetric(const struct symmetric *s, float middle, float *scales, uint8_t *q)
{
    store_lanes(s->n, s->q, middle, q);
    for (int g = 0; g < SMR_LANES; g++) {
        scales[g] = s->zero.at[g] != 0 ? 0 : s->scale.at[g];
        if (s->zero.at[g] != 0)
            memset(q + g * s->n, 0, (size_t)s->n);
    }
}

void smr_search_symmetric(int n, int max, const float *x, float *scales, uint8_t *q)
{
    struct symmetric s;
    const float top = (float)max;
    struct lanes better;
    begin_symmetric(&s, n, x);
    propose_symmetric(&s, -top, top, s.q);
    sum_symmetric(&s, s.q);
    for (int g = 0; g < SMR_LANES; g++)
        s.best.at[g] = s.scale.at[g] = 0, better.at[g] = s.sum_qq.at[g] > 0;
    take_fit(&s, &better);
    for (int i = -9; i <= 9; i++) {
        if (i == 0)
            continue;
        propose_symmetric(&s, -(top + 0.1f * (float)i), top, s.trial);
        sum_symmetric(&s, s.trial);
        find_better(&s, &better);
        take_fit(&s, &better);
        take_better(n, &better, s.trial, s.q);
    }
    end_symmetric(&s, top, scales, q);
}

// Move element i to where it fits best with all others as they are. Returns how many lanes moved.
static float move_element(struct symmetric *s, int i, float max)
{
    float n_moved = 0;
    for (int g = 0; g < SMR_LANES; g++) {
        const float x = s->x[i].at[g], w = x * x, wx = w * x, old = s->q[i].at[g];
        const float qx = s->sum_qx.at[g] - wx * old, qq = s->sum_qq.at[g] - w * old * old;
        const float q = nearest_in(x * qq / (qx > 0 ? qx : 1), -max, max - 1);
        const float new_qx = qx + wx * q, new_qq = qq + w * q * q;
        const bool moves =
            (qx > 0) & (q != old) & (new_qq > 0) &
            (new_qx * new_qx * s->sum_qq.at[g] > s->sum_qx.at[g] * s->sum_qx.at[g] * new_qq);
        s->q[i].at[g] = moves ? q : old;
        s->sum_qx.at[g] = moves ? new_qx : s->sum_qx.at[g];
        s->sum_qq.at[g] = moves ? new_qq : s->sum_qq.at[g];
        n_moved += moves ? 1 : 0;
    }
    return n_moved;
}

void smr_refine_symmetric(int n, int max, const float *x, float *scales, uint8_t *q)
{
    struct symmetric s;
    const float top = (float)max;
    begin_symmetric(&s, n, x);
    propose_symmetric(&s, -top, top, s.q);
    sum_symmetric(&s, s.q);
    for (int pass = 0; pass < 5; pass++) {
        float n_moved = 0;
        for (int i = 0; i < n; i++)
            n_moved += move_element(&s, i, top);
        if (n_moved == 0)
            break;
    }
    for (int g = 0; g < SMR_LANES; g++)
        s.scale.at[g] = s.sum_qq.at[g] > 0 ? s.sum_qx.at[g] / s.sum_qq.at[g] : 0;
    end_symmetric(&s, top, scales, q);
}

// ---- IQ4_NL's levels ----------------------------------------------------------------------------

static const float levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                 1,    13,   25,  38,  53,  69,  89,  113};

// Halfway between levels k and k + 1: from there on the upper one is taken.
static inline float halfway(int k)
{
    return (levels[k] + levels[k + 1]) / 2;
}

// The level nearest to each element times `factor`.
static void propose_levels(struct symmetric *s, const struct lanes *factor)
{
    for (int i = 0; i < s->n; i++) {
        struct lanes x;
        for (int g = 0; g < SMR_LANES; g++) {
            x.at[g] = factor->at[g] * s->x[i].at[g];
            s->q[i].at[g] = levels[0];
        }
        for (int k = 0; k < 15; k++)
            for (int g = 0; g < SMR_LANES; g++)
                s->q[i].at[g] = x.at[g] >= halfway(k) ? levels[k + 1] : s->q[i].at[g];
    }
}

// As sum_symmetric(), with products taken in another order.
static void sum_levels(struct symmetric *s)
{
    s->sum_qx = (struct lanes){0};
    s->sum_qq = (struct lanes){0};
    for (int i = 0; i < s->n; i++)
        for (int g = 0; g < SMR_LANES; g++) {
            const float x = s->x[i].at[g], wq = x * x * s->q[i].at[g];
            s->sum_qx.at[g] += wq * x;
            s->sum_qq.at[g] += wq * s->q[i].at[g];
        }
}

static uint8_t nearest_level(float x)
{
    int n = 0;
    for (int k = 0; k < 15; k++)
        n += x >= halfway(k);
    return (uint8_t)n;
}

void smr_search_levels(const float *x, float *scales, uint8_t *q)
{
    struct symmetric s;
    struct lanes factor, better;
    begin_symmetric(&s, 32, x);
    for (int g = 0; g < SMR_LANES; g++)
        factor.at[g] = 1 / (-s.largest.at[g] / levels[0]);
    propose_levels(&s, &factor);
    sum_levels(&s);
    for (int g = 0; g < SMR_LANES; g++)
        s.best.at[g] = s.scale.at[g] = 0, better.at[g] = s.sum_qq.at[g] > 0;
    take_fit(&s, &better);
    for (int i = -7; i <= 7; i++) {
        for (int g = 0; g < SMR_LANES; g++)
            factor.at[g] = ((float)i + levels[0]) / s.largest.at[g];
        propose_levels(&s, &factor);
        sum_levels(&s);
        find_better(&s, &better);
        take_fit(&s, &better);
    }
    for (int g = 0; g < SMR_LANES; g++) {
        scales[g] = s.zero.at[g] != 0 ? 0 : s.scale.at[g];
        const float inverse = scales[g] != 0 ? 1 / scales[g] : 0;
        for (int i = 0; i < 32; i++)
            q[g * 32 + i] = nearest_level(inverse * x[g * 32 + i]);
    }
}
