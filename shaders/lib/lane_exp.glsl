// lane_exp.glsl - exp() for loops over the lanes of a vector (lib/runs.glsl).

// exp() to about 1e-6 of it, from e^-87 to e^88 and no further, in operations that a compiler has
// for vectors: 2^k times a polynomial for what is left of the exponent, |r| <= ln(2) / 2.
float lane_exp(float x)
{
    x = min(max(x, -87.0), 88.0);
    float k = floor(x * 1.44269504 + 0.5);
    float r = x - k * 0.693147181;
    float p = 1.0 + r * (1.0 + r * (0.5 + r * (0.16666667 + r * (4.1666667e-2 +
              r * (8.3333333e-3 + r * 1.3888889e-3)))));
    return p * uintBitsToFloat(uint(int(k) + 127) << 23);
}

// tanh() of any x, to about 1e-6 of it.
float lane_tanh(float x)
{
    float s = min(x * x, 0.0625);
    float small = x + x * s * (-3.3333333e-1 +
                  s * (1.3333333e-1 + s * (-5.3968254e-2 + s * 2.1869489e-2)));
    float large = 1.0 - 2.0 / (lane_exp(2.0 * min(abs(x), 10.0)) + 1.0);
    return mix(x < 0.0 ? -large : large, small, x * x < 0.0625);
}
