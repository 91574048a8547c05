// quantize_search.h - the search for the scales of groups of elements. Private to model/.
//
// A group of n elements x shares a scale s. Rounding x / s to the levels a format has leaves an
// error that depends on s in jumps, so the searches try several: each proposes a rounding, fits the
// best scale to it by weighted least squares, and keeps the proposal that fits best. Which scales
// are tried, with which weights and in which order sums are taken follows ggml's reference
// (ggml/src/ggml-quants.c), so that the same bits come out.
//
// Sums may not be reordered for that, which rules out vectors along a group: four groups are
// searched side by side, one in each lane of a vector.
#pragma once

#include "base/base.h"

enum { SMR_LANES = 4, SMR_GROUP_MAX = 32 };

// `x` holds SMR_LANES groups of n elements, one after the other; so does `q` for the results, and
// `scales` has one number for each group. n is 16 or 32.

// w = scale q - offset with 0 <= q <= max and offset >= 0. Proposes scales that spread the range of x
// over (max + first + 0.1 i) steps, for i up to n_steps.
struct smr_affine_search {
    int n, max;
    float first;
    int n_steps;
    bool magnitudes; // weights |x| and errors |x - w|; else sqrt(mean x^2) + |x|, and squares
};
void smr_search_affine(const struct smr_affine_search *search, const float *x, float *scales,
                       float *offsets, uint8_t *q);

// w = scale (q - max) with 0 <= q < 2 max, weights x^2. Proposes scales that bring the largest x to
// (max + 0.1 i) steps, for i from -9 to 9.
void smr_search_symmetric(int n, int max, const float *x, float *scales, uint8_t *q);

// The same form: begins with the largest x at max steps, then moves one q at a time to where the fit
// is better, up to five times over the group.
void smr_refine_symmetric(int n, int max, const float *x, float *scales, uint8_t *q);

// w = scale levels[q] with the levels of IQ4_NL, weights x^2, n = 32. Proposes scales that bring the
// largest x to -127 - i, for i from -7 to 7.
void smr_search_levels(const float *x, float *scales, uint8_t *q);
