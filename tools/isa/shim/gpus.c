// gpus.c - the GPUs that can be pretended: full-size parts of each kind.
#include "shim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct gpu gpus[] = {
    {"skl", 0x1912, 0x06, false, 3, 8, 0, 0},      // HD Graphics 530, Gfx9
    {"icl", 0x8a52, 0x07, false, 8, 8, 0, 0},      // Iris Plus G7, Gfx11
    {"tgl", 0x9a49, 0x01, false, 6, 16, 0, 0},     // Iris Xe of 96 units, Gfx12
    {"dg2", 0x56a0, 0x08, true, 32, 16, 4, 16384}, // Arc A770
    {"mtl", 0x7d55, 0x08, true, 8, 16, 1, 0},      // Meteor Lake-H
    {"arl", 0x7d51, 0x03, true, 8, 16, 1, 0},      // Arrow Lake-H
    {"lnl", 0x64a0, 0x04, true, 8, 8, 1, 0},       // Lunar Lake, Arc 140V
    {"bmg", 0xe20b, 0x00, true, 20, 8, 1, 12288},  // Arc B580
};

const struct gpu *shim_gpu(void)
{
    const char *name = getenv("SHIM_I915");
    const size_t n = sizeof gpus / sizeof gpus[0];
    for (size_t i = 0; name && i < n; i++)
        if (!strcmp(gpus[i].name, name))
            return &gpus[i];
    fprintf(stderr, "shim_i915: SHIM_I915 names none of:");
    for (size_t i = 0; i < n; i++)
        fprintf(stderr, " %s", gpus[i].name);
    fputc('\n', stderr);
    _Exit(2);
}
