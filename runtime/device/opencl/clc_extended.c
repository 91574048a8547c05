// clc_extended.c - the extended instructions of GLSL.std.450 ("SPIR-V Extended Instructions for
// GLSL", Khronos) as OpenCL C.
#include "device/opencl/clc.h"

enum sign { AS_IS, SIGNED, UNSIGNED };

// Functions of OpenCL C, or of our prelude when the name ends in '#', which becomes the number of
// components. Sign: how integer operands are taken.
static const struct {
    uint32_t number;
    const char *name;
    uint32_t n_args;
    enum sign sign;
} functions[] = {
    {1, "rint", 1, AS_IS},                  // Round: halves may go either way
    {2, "rint", 1, AS_IS},                  // RoundEven
    {3, "trunc", 1, AS_IS},                 // Trunc
    {4, "fabs", 1, AS_IS},                  // FAbs
    {5, "abs", 1, SIGNED},                  // SAbs
    {6, "sign", 1, AS_IS},                  // FSign
    {7, "smr_ssign#", 1, SIGNED},           // SSign
    {8, "floor", 1, AS_IS},                 // Floor
    {9, "ceil", 1, AS_IS},                  // Ceil
    {10, "smr_fract#", 1, AS_IS},           // Fract
    {11, "radians", 1, AS_IS},              // Radians
    {12, "degrees", 1, AS_IS},              // Degrees
    {13, "sin", 1, AS_IS},                  // Sin
    {14, "cos", 1, AS_IS},                  // Cos
    {15, "tan", 1, AS_IS},                  // Tan
    {16, "asin", 1, AS_IS},                 // Asin
    {17, "acos", 1, AS_IS},                 // Acos
    {18, "atan", 1, AS_IS},                 // Atan
    {19, "sinh", 1, AS_IS},                 // Sinh
    {20, "cosh", 1, AS_IS},                 // Cosh
    {21, "tanh", 1, AS_IS},                 // Tanh
    {22, "asinh", 1, AS_IS},                // Asinh
    {23, "acosh", 1, AS_IS},                // Acosh
    {24, "atanh", 1, AS_IS},                // Atanh
    {25, "atan2", 2, AS_IS},                // Atan2
    {26, "pow", 2, AS_IS},                  // Pow
    {27, "exp", 1, AS_IS},                  // Exp
    {28, "log", 1, AS_IS},                  // Log
    {29, "exp2", 1, AS_IS},                 // Exp2
    {30, "log2", 1, AS_IS},                 // Log2
    {31, "sqrt", 1, AS_IS},                 // Sqrt
    {32, "rsqrt", 1, AS_IS},                // InverseSqrt
    {37, "fmin", 2, AS_IS},                 // FMin
    {38, "smr_umin#", 2, UNSIGNED},         // UMin
    {39, "min", 2, SIGNED},                 // SMin
    {40, "fmax", 2, AS_IS},                 // FMax
    {41, "max", 2, UNSIGNED},               // UMax
    {42, "max", 2, SIGNED},                 // SMax
    {43, "clamp", 3, AS_IS},                // FClamp
    {44, "clamp", 3, UNSIGNED},             // UClamp
    {45, "clamp", 3, SIGNED},               // SClamp
    {46, "mix", 3, AS_IS},                  // FMix
    {48, "step", 2, AS_IS},                 // Step
    {49, "smoothstep", 3, AS_IS},           // SmoothStep
    {50, "fma", 3, AS_IS},                  // Fma
    {53, "ldexp", 2, SIGNED},               // Ldexp
    {54, "smr_pack_snorm4", 1, AS_IS},      // PackSnorm4x8
    {55, "smr_pack_unorm4", 1, AS_IS},      // PackUnorm4x8
    {56, "smr_pack_snorm2", 1, AS_IS},      // PackSnorm2x16
    {57, "smr_pack_unorm2", 1, AS_IS},      // PackUnorm2x16
    {58, "smr_pack_half2", 1, AS_IS},       // PackHalf2x16
    {60, "smr_unpack_snorm2", 1, UNSIGNED}, // UnpackSnorm2x16
    {61, "smr_unpack_unorm2", 1, UNSIGNED}, // UnpackUnorm2x16
    {62, "smr_unpack_half2", 1, UNSIGNED},  // UnpackHalf2x16
    {63, "smr_unpack_snorm4", 1, UNSIGNED}, // UnpackSnorm4x8
    {64, "smr_unpack_unorm4", 1, UNSIGNED}, // UnpackUnorm4x8
    {66, "length", 1, AS_IS},               // Length
    {67, "distance", 2, AS_IS},             // Distance
    {68, "cross", 2, AS_IS},                // Cross
    {69, "normalize", 1, AS_IS},            // Normalize
    {73, "smr_find_lsb#", 1, UNSIGNED},     // FindILsb
    {74, "smr_find_smsb#", 1, SIGNED},      // FindSMsb
    {75, "smr_find_umsb#", 1, UNSIGNED},    // FindUMsb
    {79, "fmin", 2, AS_IS},                 // NMin
    {80, "fmax", 2, AS_IS},                 // NMax
    {81, "clamp", 3, AS_IS},                // NClamp
};

static const char *argument(struct smr_clc *c, uint32_t id, enum sign sign)
{
    const struct smr_spv *m = c->module;
    uint32_t type = smr_spv_type_of(m, id);
    const char *text = smr_clc_use(c, id);
    if (sign == AS_IS || !smr_spv_is(m, type, SMR_SPV_TypeInt) ||
        smr_spv_is_signed(m, type) == (sign == SIGNED))
        return text;
    uint32_t n = smr_spv_n_components(m, type);
    return smr_clc_text(c, n == 1 ? "(%s)%s" : "as_%s(%s)",
                        smr_clc_number_type(c, sign == SIGNED, smr_spv_width(m, type), n), text);
}

// The call as the result's type, which for integers may have another sign.
static const char *result(struct smr_clc *c, const struct smr_spv_inst *inst, const char *text)
{
    const struct smr_spv *m = c->module;
    if (!smr_spv_is(m, inst->type, SMR_SPV_TypeInt))
        return text;
    return smr_clc_text(c, smr_spv_n_components(m, inst->type) == 1 ? "((%s)%s)" : "as_%s(%s)",
                        smr_clc_type(c, inst->type), text);
}

// Ldexp wants int exponents, which OpenCL calls by the same name.
const char *smr_clc_extended(struct smr_clc *c, const struct smr_spv_inst *inst)
{
    uint32_t number = inst->args[1], n_args = inst->n_args - 2;
    const uint32_t *args = inst->args + 2;
    for (size_t i = 0; i < SMR_COUNT(functions); i++) {
        if (functions[i].number != number)
            continue;
        if (n_args != functions[i].n_args || !smr_spv_is_leaf(c->module, inst->type)) {
            smr_clc_refuse(c, "GLSL.std.450 instruction %u with %u operands", number, n_args);
            return "0";
        }
        uint32_t type = smr_spv_type_of(c->module, args[0]);
        if (smr_spv_width(c->module, type) == 16 && smr_spv_is(c->module, type, SMR_SPV_TypeFloat))
            smr_clc_refuse(c, "arithmetic on 16-bit floats");
        if (number >= 73 && number <= 75 && smr_spv_width(c->module, type) != 32)
            smr_clc_refuse(c, "GLSL.std.450 instruction %u not on 32 bits", number);
        const char *name = functions[i].name;
        size_t length = 0;
        while (name[length] && name[length] != '#')
            length++;
        if (name[length])
            name = smr_clc_text(c, "%.*s%u", (int)length, name,
                                smr_spv_n_components(c->module, inst->type));
        const char *texts[3] = {"", "", ""};
        for (uint32_t k = 0; k < n_args; k++)
            texts[k] = argument(c, args[k], functions[i].sign);
        return result(c, inst,
                      smr_clc_text(c,
                                   n_args == 1   ? "%s(%s)"
                                   : n_args == 2 ? "%s(%s, %s)"
                                                 : "%s(%s, %s, %s)",
                                   name, texts[0], texts[1], texts[2]));
    }
    smr_clc_refuse(c, "GLSL.std.450 instruction %u is not supported", number);
    return "0";
}
