// expect.h - reads the .expect files of this folder, which README.md describes.
#pragma once

#include "samara.h"

struct expectation {
    char name[128];   // of the file, without folder and ending
    char model[1024]; // path of the model: the file's `model:` in the file's folder
    char *text;       // what the prompt was tokenized from; NULL where it is only tokens
    int32_t *source;  // of an encoder-decoder model; NULL without
    size_t n_source;
    int32_t *prompt;
    size_t n_prompt;
    int32_t *greedy; // [n_greedy] the most likely token at each step of the reference
    float *gap;      // [n_greedy] its log-probability minus that of the second best
    size_t n_greedy, n_gaps;
    uint32_t n_context; // what the engine has to be made for; 0: its default
    float *logits;      // [n_vocab] after the prompt; NULL without
    float *decoded;     // [n_vocab] after the first n_decoded tokens of `greedy`; NULL without
    size_t n_decoded;
    size_t n_vocab;
    float **positions; // [n_prompt][n_vocab] after each token of the prompt; NULL without
    char *buffer;      // the file
};

// Two answers of a reference that are closer than this, in log-probability, may be swapped by rounding;
// and where kernels round activations to 16 or 8 bits.
#define EXPECT_GAP 0.05f
#define NARROW_GAP 0.2f

// Returns false with a line on stderr. `*expect` needs expectation_finish() either way.
bool expectation_read(struct expectation *expect, const char *path);
void expectation_finish(struct expectation *expect);

// Largest |a - b| over the largest |b|; infinite when an `a` is not a number.
float relative_error(const float *a, const float *b, size_t n);
// Sum of (a - b)^2 over that of b^2; not a number when an `a` is not.
double squared_error(const float *a, const float *b, size_t n);
// Kullback-Leibler divergence of softmax(a) from softmax(b), in nats.
double divergence(const float *a, const float *b, size_t n);
size_t largest(const float *values, size_t n);

// An argument of --kernels: tuned, f32, plain.
bool kernels_parse(const char *name, enum smr_kernels *kernels);
