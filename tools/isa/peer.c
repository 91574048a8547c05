// peer.c - what llama.cpp's mat-vec shaders become, in instructions and vector loads per weight of
// their main loop.
//
// Measured in November 2026 with Mesa 25.0's compilers: the first loop of the path for whole blocks,
// waits and delays left out, at the default number of rows of a workgroup.
#include "isa.h"

static const struct {
    enum smr_type type;
    bool narrow;
    struct peer_figure figures[N_CHIPS]; // in the order of `chips`
} peer[] = {
    {SMR_Q4_0,
     false,
     {{6.7, .44}, {7.0, .50}, {6.9, .50}, {6.9, .50}, {6.9, .44}, {6.9, .44}, {6.9, .44}}},
    {SMR_Q8_0,
     false,
     {{5.8, .75}, {6.1, .88}, {7.0, .88}, {7.0, .88}, {5.5, .50}, {6.4, .50}, {8.1, .50}}},
    {SMR_Q4_K,
     false,
     {{6.6, .44}, {6.8, .50}, {6.8, .50}, {6.8, .50}, {7.4, .50}, {8.9, .50}, {10.1, .50}}},
    {SMR_Q6_K,
     false,
     {{7.2, .56}, {7.2, .62}, {7.4, .62}, {7.4, .62}, {7.9, .44}, {8.7, .44}, {9.4, .44}}},
    {SMR_Q4_0,
     true,
     {{6.0, .47}, {4.9, .75}, {4.8, .75}, {4.9, .75}, {3.5, .44}, {3.5, .44}, {3.5, .44}}},
    {SMR_Q4_K,
     true,
     {{8.2, .25}, {4.5, .25}, {4.5, .25}, {4.5, .25}, {5.3, .25}, {5.4, .25}, {5.6, .25}}},
};

const struct peer_figure *peer_find(const struct chip *chip, enum smr_type type, bool narrow)
{
    for (size_t i = SMR_COUNT(peer); i-- > 0;)
        if (peer[i].type == type && (narrow || !peer[i].narrow))
            return &peer[i].figures[chip - chips];
    return NULL;
}
