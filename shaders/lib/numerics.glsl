// numerics.glsl - functions whose accuracy Vulkan leaves open, and half precision.

// sin and cos of any finite angle, to about 1e-7. The angle in turns is a product of its 24-bit
// significand with 1 / (2 pi) as a binary fraction, of which only the 32 bits below the point
// matter (the idea is that of Payne and Hanek, "Radian reduction for trigonometric functions",
// 1983). Angles from 2^32 on give garbage.
vec2 cos_sin(float angle)
{
    // 1 / (2 pi) = 0.28BE60DB 9391054A 7F09D5F4 ... in hexadecimal
    const uint w0 = 0x28be60dbu, w1 = 0x9391054au, w2 = 0x7f09d5f4u;

    uint bits = floatBitsToUint(angle) & 0x7fffffffu;
    float r = uintBitsToFloat(bits);
    uint quadrant = 0u;
    if (r > 0.78539816) {
        // angle = significand * 2^(exponent - 150); turns * 2^32 = significand * w, where w is
        // 1 / (2 pi) moved left by exponent - 118, from 8 to 40 bits here.
        uint significand = bits & 0x7fffffu | 0x800000u;
        uint shift = (bits >> 23) - 118u;
        bool far = shift >= 32u;
        uint a = far ? w0 : 0u, b = far ? w1 : w0, c = far ? w2 : w1;
        shift &= 31u;
        uint whole = shift == 0u ? a : a << shift | b >> 32u - shift;
        uint fraction = shift == 0u ? b : b << shift | c >> 32u - shift;
        uint high, low;
        umulExtended(significand, fraction, high, low);
        uint turns = significand * whole + high; // of 2^32
        quadrant = turns + 0x20000000u >> 30;
        r = float(int(turns - (quadrant << 30))) * 1.4629180792671596e-9; // 2 pi / 2^32
    }
    // Taylor series, |r| <= pi / 4
    float s = r * r;
    float sine =
        r + r * s * (-1.6666667e-1 + s * (8.3333333e-3 + s * (-1.9841270e-4 + s * 2.7557319e-6)));
    float cosine = 1.0 + s * (-0.5 + s * (4.1666667e-2 + s * (-1.3888889e-3 + s * 2.4801587e-5)));
    if ((quadrant & 1u) != 0u) {
        float swap = sine;
        sine = cosine;
        cosine = -swap;
    }
    if ((quadrant & 2u) != 0u) {
        sine = -sine;
        cosine = -cosine;
    }
    return vec2(cosine, angle < 0.0 ? -sine : sine);
}

// tanh without the overflow of (e^2x - 1) / (e^2x + 1), to a few units in the last place.
float safe_tanh(float x)
{
    float s = x * x;
    if (s < 0.0625) // Taylor series: the quotient would cancel
        return x + x * s * (-3.3333333e-1 +
                            s * (1.3333333e-1 + s * (-5.3968254e-2 + s * 2.1869489e-2)));
    float e = exp(2.0 * min(abs(x), 10.0)); // tanh(10) is 1 in f32
    float t = 1.0 - 2.0 / (e + 1.0);
    return x < 0.0 ? -t : t;
}

// erf to 1.5e-7, by Abramowitz and Stegun, "Handbook of Mathematical Functions", 7.1.26.
float erf(float x)
{
    float t = 1.0 / (1.0 + 0.3275911 * abs(x));
    float p =
        t * (0.254829592 +
             t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
    float y = 1.0 - p * exp(-x * x);
    return x < 0.0 ? -y : y;
}

// NaN counts as minus infinity, told by its bits because drivers may assume that there is none; and
// infinities as finite numbers, so that their differences are.
float finite(float value)
{
    uint magnitude = floatBitsToUint(value) & 0x7fffffffu;
    return magnitude > 0x7f800000u ? -3.0e38 : clamp(value, -3.0e38, 3.0e38);
}

// binary16 of a float in the low 16 bits, rounded to nearest even (packHalf2x16 may round either
// way). Too large becomes infinite; NaN stays one.
uint f32_to_f16(float value)
{
    uint bits = floatBitsToUint(value);
    uint sign = bits >> 16 & 0x8000u;
    uint magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u)
        return sign | 0x7e00u;
    if (magnitude >= 0x477ff000u) // 65520: halfway to what does not fit
        return sign | 0x7c00u;
    if (magnitude < 0x38800000u) // below 2^-14: a multiple of 2^-24, which adding 0.5 rounds to
        return sign | floatBitsToUint(uintBitsToFloat(magnitude) + 0.5) - 0x3f000000u;
    return sign | magnitude - 0x38000000u + 0xfffu + (magnitude >> 13 & 1u) >> 13;
}

// The same without branches, for loops over the lanes of a vector.
uint lane_f16(float value)
{
    uint bits = floatBitsToUint(value), magnitude = bits & 0x7fffffffu;
    uint small = floatBitsToUint(uintBitsToFloat(magnitude) + 0.5) - 0x3f000000u;
    uint half_bits = magnitude - 0x38000000u + 0xfffu + (magnitude >> 13 & 1u) >> 13;
    half_bits = mix(half_bits, small, magnitude < 0x38800000u);
    half_bits = mix(half_bits, 0x7c00u, magnitude >= 0x477ff000u);
    half_bits = mix(half_bits, 0x7e00u, magnitude > 0x7f800000u);
    return bits >> 16 & 0x8000u | half_bits;
}
