// activation.glsl - activation functions: enum smr_activation of kernel.h.
#include "lib/numerics.glsl"
#ifdef USE_RUNS
#include "lib/lane_exp.glsl"
#endif

const uint SILU = 0u, GELU_TANH = 1u, GELU = 2u, RELU = 3u, SOFTCAP = 4u;

// `param` is that of SOFTCAP.
float activate(uint activation, float param, float x)
{
    if (activation == SILU)
        return x / (1.0 + exp(-max(x, -80.0))); // e^80 fits; below, the quotient is 0 anyway
    if (activation == GELU_TANH)
        return 0.5 * x * (1.0 + safe_tanh(0.7978845608 * (x + 0.044715 * x * x * x)));
    if (activation == GELU)
        return 0.5 * x * (1.0 + erf(x * 0.7071067812));
    if (activation == RELU)
        return max(x, 0.0);
    return param * safe_tanh(x / param);
}

#ifdef USE_RUNS
// SILU and GELU_TANH are x / (1 + exp(-x f(x))), because (1 + tanh(u)) / 2 = 1 / (1 + exp(-2 u)).
float sigmoid_activate(uint activation, float x)
{
    float f0 = activation == SILU ? 1.0 : 1.5957691216;
    float f2 = activation == SILU ? 0.0 : 1.5957691216 * 0.044715;
    return x / (1.0 + lane_exp(-x * (f0 + f2 * x * x)));
}
#endif
