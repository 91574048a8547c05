// lane_exp.glsl - exp() for loops over the lanes of a vector (lib/runs.glsl).

// exp() to about 1e-6 of it, from e^-87 to e^88 and no further, in operations that a compiler has for vectors: 2^k times a polynomial for
// what is left of the exponent, |r| <= ln(2) / 2.
float lane_exp(float x)
{
    x = min(max(x, -87.0), 88.0);
    float k = floor(x * 1.44269504 + 0.5);
    float r = x - k * 0.693147181;
    float p = 1.0 + r * (1.0 + r * (0.5 + r * (0.16666667 + r * (4.1666667e-2 +
              r * (8.3333333e-3 + r * 1.3888889e-3)))));
    return p * uintBitsToFloat(uint(int(k) + 127) << 23);
}
