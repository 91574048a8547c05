// probe.c - kernels that do one thing only, to see how fast a device does it: reading, multiplying.
#include "kernel/twin/twin.h"

void smr_twin_probe_read(const struct smr_twin_args *args)
{
    const struct smr_probe_read_push *p = args->push;
    const uint32_t *words = args->bindings[0];
    uint32_t *sums = args->bindings[1];
    const uint64_t size = 4ull * smr_div_up(p->n_words / 4, p->n_slices);
    for (uint32_t s = 0; s < p->n_slices; s++) {
        sums[s] = 0;
        for (uint64_t i = s * size; i < (s + 1) * size && i < p->n_words; i++)
            sums[s] += words[i];
    }
}

void smr_twin_probe_math(const struct smr_twin_args *args)
{
    const struct smr_probe_math_push *p = args->push;
    const float *values = args->bindings[0];
    float *results = args->bindings[1];
    for (uint32_t i = 0; i < p->n_out; i++) {
        float chains[SMR_PROBE_CHAINS], sum = 0;
        for (uint32_t c = 0; c < SMR_PROBE_CHAINS; c++)
            chains[c] = values[i] + (float)c;
        for (uint32_t r = 0; r < p->n_rounds; r++)
            for (uint32_t c = 0; c < SMR_PROBE_CHAINS; c++)
                chains[c] = chains[c] * p->factor + p->addend;
        for (uint32_t c = 0; c < SMR_PROBE_CHAINS; c++)
            sum += chains[c];
        results[i] = sum;
    }
}
