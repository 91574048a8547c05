// clc_expression.c - operations on numbers, bools and vectors as OpenCL C expressions.
//
// SPIR-V's integers have no sign: an instruction says how it takes its operands, which may be
// declared otherwise. Signed overflow wraps in SPIR-V and is undefined in C, hence the detour over
// unsigned types, which costs nothing. A division by zero gives any number in SPIR-V, but a
// processor traps.
#include "device/opencl/clc.h"

#include <string.h>

// ---- operands ---------------------------------------------------------------------------------

static uint32_t type_of(const struct smr_clc *c, uint32_t id)
{
    return smr_spv_type_of(c->module, id);
}

static uint32_t n_of(const struct smr_clc *c, uint32_t type)
{
    return smr_spv_n_components(c->module, type);
}

static bool is_half(const struct smr_clc *c, uint32_t type)
{
    return smr_spv_is(c->module, type, SMR_SPV_TypeFloat) && smr_spv_width(c->module, type) == 16;
}

// `text` of an integer type as one of the same width with the wanted sign.
static const char *with_sign(struct smr_clc *c, const char *text, uint32_t type, bool is_signed)
{
    if (!smr_spv_is(c->module, type, SMR_SPV_TypeInt) ||
        smr_spv_is_signed(c->module, type) == is_signed)
        return text;
    uint32_t n = n_of(c, type);
    const char *name = smr_clc_number_type(c, is_signed, smr_spv_width(c->module, type), n);
    return smr_clc_text(c, n == 1 ? "((%s)%s)" : "as_%s(%s)", name, text);
}

static const char *operand(struct smr_clc *c, uint32_t id, bool is_signed)
{
    return with_sign(c, smr_clc_use(c, id), type_of(c, id), is_signed);
}

// An expression of unsigned, or else signed, integers as the result's type, to whose width it is
// cut.
static const char *as_result(struct smr_clc *c, uint32_t type, bool is_signed, const char *text)
{
    uint32_t n = n_of(c, type);
    bool same = smr_spv_is_signed(c->module, type) == is_signed;
    if (same && (n > 1 || smr_spv_width(c->module, type) >= 32))
        return smr_clc_text(c, "(%s)", text);
    return smr_clc_text(c, n == 1 ? "((%s)(%s))" : "as_%s(%s)", smr_clc_type(c, type), text);
}

const char *smr_clc_component(struct smr_clc *c, const char *text, uint32_t i)
{
    return smr_clc_text(c, "%s.%c", text, "xyzw"[i & 3]);
}

// ---- integer arithmetic -----------------------------------------------------------------------

static const char *integer_binary(struct smr_clc *c, const struct smr_spv_inst *inst,
                                  const char *symbol)
{
    const char *a = operand(c, inst->args[0], false), *b = operand(c, inst->args[1], false);
    return as_result(c, inst->type, false, smr_clc_text(c, "%s %s %s", a, symbol, b));
}

static const char *shift(struct smr_clc *c, const struct smr_spv_inst *inst)
{
    bool is_signed = inst->op == SMR_SPV_ShiftRightArithmetic;
    const char *symbol = inst->op == SMR_SPV_ShiftLeftLogical ? "<<" : ">>";
    const char *a = operand(c, inst->args[0], is_signed), *b = smr_clc_use(c, inst->args[1]);
    if (n_of(c, inst->type) > 1) // the count must be of the same type
        b = smr_clc_text(c, "convert_%s(%s)",
                         smr_clc_number_type(c, is_signed, smr_spv_width(c->module, inst->type),
                                             n_of(c, inst->type)),
                         b);
    return as_result(c, inst->type, is_signed, smr_clc_text(c, "%s %s %s", a, symbol, b));
}

// A divisor that is known when the kernel is compiled needs no care.
static bool is_harmless(const struct smr_clc *c, uint32_t id)
{
    uint64_t value;
    return smr_spv_integer(c->module, id, &value) && value && value < 0x80000000u;
}

static const char *unsigned_division(struct smr_clc *c, const struct smr_spv_inst *inst)
{
    const char *symbol = inst->op == SMR_SPV_UDiv ? "/" : "%";
    bool plain = is_harmless(c, inst->args[1]) || (smr_spv_is_constant(c->module, inst->args[0]) &&
                                                   smr_spv_is_constant(c->module, inst->args[1]));
    const char *a = operand(c, inst->args[0], false), *b = operand(c, inst->args[1], false);
    if (!plain)
        b = smr_clc_text(c, "max(%s, (%s)1)", b,
                         smr_clc_number_type(c, false, smr_spv_width(c->module, inst->type),
                                             n_of(c, inst->type)));
    return as_result(c, inst->type, false, smr_clc_text(c, "%s %s %s", a, symbol, b));
}

static const char *signed_division(struct smr_clc *c, const struct smr_spv_inst *inst)
{
    bool constants = smr_spv_is_constant(c->module, inst->args[0]) &&
                     smr_spv_is_constant(c->module, inst->args[1]);
    if (inst->op != SMR_SPV_SMod && (constants || is_harmless(c, inst->args[1]))) {
        const char *a = operand(c, inst->args[0], true), *b = operand(c, inst->args[1], true);
        const char *symbol = inst->op == SMR_SPV_SDiv ? "/" : "%";
        return as_result(c, inst->type, true, smr_clc_text(c, "%s %s %s", a, symbol, b));
    }
    const char *name = inst->op == SMR_SPV_SDiv   ? "smr_sdiv"
                       : inst->op == SMR_SPV_SRem ? "smr_srem"
                                                  : "smr_smod";
    uint32_t width = smr_spv_width(c->module, inst->type) == 64 ? 64 : 32;
    uint32_t n = n_of(c, inst->type);
    if (n == 1)
        return as_result(c, inst->type, true,
                         smr_clc_text(c, "%s_%u(%s, %s)", name, width,
                                      operand(c, inst->args[0], true),
                                      operand(c, inst->args[1], true)));
    const char *a = smr_clc_reuse(c, inst->args[0]), *b = smr_clc_reuse(c, inst->args[1]);
    const char *parts[4] = {0};
    for (uint32_t i = 0; i < n; i++)
        parts[i] = smr_clc_text(c, "%s_%u(%s, %s)", name, width, smr_clc_component(c, a, i),
                                smr_clc_component(c, b, i));
    return smr_clc_compose(c, inst->type, parts, n);
}

// ---- bit fields -------------------------------------------------------------------------------

static const char *insert_bits(struct smr_clc *c, const struct smr_spv_inst *inst)
{
    const char *base = operand(c, inst->args[0], false);
    const char *insert = operand(c, inst->args[1], false);
    return as_result(c, inst->type, false,
                     smr_clc_text(c, "smr_insert%u(%s, %s, (uint)%s, (uint)%s)",
                                  n_of(c, inst->type), base, insert, smr_clc_use(c, inst->args[2]),
                                  smr_clc_use(c, inst->args[3])));
}

static const char *extract_bits(struct smr_clc *c, const struct smr_spv_inst *inst)
{
    bool is_signed = inst->op == SMR_SPV_BitFieldSExtract;
    const char *base = operand(c, inst->args[0], is_signed);
    return as_result(c, inst->type, is_signed,
                     smr_clc_text(c, "smr_%cextract%u(%s, (uint)%s, (uint)%s)",
                                  is_signed ? 's' : 'u', n_of(c, inst->type), base,
                                  smr_clc_use(c, inst->args[1]), smr_clc_use(c, inst->args[2])));
}

static const char *bits(struct smr_clc *c, const struct smr_spv_inst *inst)
{
    if (smr_spv_width(c->module, inst->type) != 32)
        smr_clc_refuse(c, "an operation on bits of an integer that has not 32");
    switch (inst->op) {
    case SMR_SPV_BitFieldInsert:
        return insert_bits(c, inst);
    case SMR_SPV_BitFieldSExtract:
    case SMR_SPV_BitFieldUExtract:
        return extract_bits(c, inst);
    case SMR_SPV_BitReverse:
        return as_result(c, inst->type, false,
                         smr_clc_text(c, "smr_reverse%u(%s)", n_of(c, inst->type),
                                      operand(c, inst->args[0], false)));
    default:
        return as_result(c, inst->type, false,
                         smr_clc_text(c, "popcount(%s)", operand(c, inst->args[0], false)));
    }
}

// ---- comparisons and bools --------------------------------------------------------------------

enum taken { UNSIGNED, SIGNED, ORDERED, UNORDERED, BOOLS };

static const struct {
    uint32_t op;
    enum taken taken;
    const char *symbol; // for UNORDERED: of the opposite
} comparisons[] = {
    {SMR_SPV_LogicalEqual, BOOLS, "=="},
    {SMR_SPV_LogicalNotEqual, BOOLS, "!="},
    {SMR_SPV_IEqual, UNSIGNED, "=="},
    {SMR_SPV_INotEqual, UNSIGNED, "!="},
    {SMR_SPV_UGreaterThan, UNSIGNED, ">"},
    {SMR_SPV_SGreaterThan, SIGNED, ">"},
    {SMR_SPV_UGreaterThanEqual, UNSIGNED, ">="},
    {SMR_SPV_SGreaterThanEqual, SIGNED, ">="},
    {SMR_SPV_ULessThan, UNSIGNED, "<"},
    {SMR_SPV_SLessThan, SIGNED, "<"},
    {SMR_SPV_ULessThanEqual, UNSIGNED, "<="},
    {SMR_SPV_SLessThanEqual, SIGNED, "<="},
    {SMR_SPV_FOrdEqual, ORDERED, "=="},
    {SMR_SPV_FUnordNotEqual, ORDERED, "!="}, // true with NaN, as in C
    {SMR_SPV_FOrdLessThan, ORDERED, "<"},
    {SMR_SPV_FOrdGreaterThan, ORDERED, ">"},
    {SMR_SPV_FOrdLessThanEqual, ORDERED, "<="},
    {SMR_SPV_FOrdGreaterThanEqual, ORDERED, ">="},
    {SMR_SPV_FUnordLessThan, UNORDERED, ">="},
    {SMR_SPV_FUnordGreaterThan, UNORDERED, "<="},
    {SMR_SPV_FUnordLessThanEqual, UNORDERED, ">"},
    {SMR_SPV_FUnordGreaterThanEqual, UNORDERED, "<"},
};

// What comparing vectors of `type` gives, lanes of the same width, as a vector of int.
static const char *lanes(struct smr_clc *c, uint32_t type, const char *text)
{
    uint32_t n = n_of(c, type);
    if (n == 1 || smr_spv_width(c->module, type) == 32 || is_half(c, type))
        return smr_clc_text(c, "(%s)", text);
    return smr_clc_text(c, "convert_int%u(%s)", n, text);
}

static const char *compare(struct smr_clc *c, const struct smr_spv_inst *inst)
{
    uint32_t type = type_of(c, inst->args[0]);
    for (size_t i = 0; i < SMR_COUNT(comparisons); i++) {
        if (comparisons[i].op != inst->op)
            continue;
        enum taken taken = comparisons[i].taken;
        const char *a = operand(c, inst->args[0], taken == SIGNED);
        const char *b = operand(c, inst->args[1], taken == SIGNED);
        const char *text = smr_clc_text(c, "%s %s %s", a, comparisons[i].symbol, b);
        if (taken == UNORDERED)
            text = smr_clc_text(c, n_of(c, type) == 1 ? "!(%s)" : "~(%s)", text);
        return lanes(c, type, text);
    }
    // FOrdNotEqual and FUnordEqual, which differ from C in what they make of NaN
    const char *a = smr_clc_use(c, inst->args[0]), *b = smr_clc_use(c, inst->args[1]);
    const char *text = smr_clc_text(c, "islessgreater(%s, %s)", a, b);
    bool scalar = n_of(c, type) == 1;
    if (inst->op == SMR_SPV_FUnordEqual)
        return lanes(c, type, smr_clc_text(c, scalar ? "!%s" : "~%s", text));
    return lanes(c, type, smr_clc_text(c, scalar ? "%s != 0" : "%s", text));
}

static const char *test_floats(struct smr_clc *c, const struct smr_spv_inst *inst)
{
    uint32_t type = type_of(c, inst->args[0]);
    const char *name = inst->op == SMR_SPV_IsNan ? "isnan" : "isinf";
    const char *text = smr_clc_text(c, "%s(%s)", name, smr_clc_use(c, inst->args[0]));
    return lanes(c, type, n_of(c, type) == 1 ? smr_clc_text(c, "%s != 0", text) : text);
}

static const char *logical(struct smr_clc *c, const struct smr_spv_inst *inst)
{
    bool scalar = n_of(c, inst->type) == 1;
    if (inst->op == SMR_SPV_LogicalNot)
        return smr_clc_text(c, scalar ? "(!%s)" : "(~%s)", smr_clc_use(c, inst->args[0]));
    const char *a = smr_clc_use(c, inst->args[0]), *b = smr_clc_use(c, inst->args[1]);
    if (inst->op == SMR_SPV_LogicalAnd)
        return smr_clc_text(c, scalar ? "(%s && %s)" : "(%s & %s)", a, b);
    return smr_clc_text(c, scalar ? "(%s || %s)" : "(%s | %s)", a, b);
}

static const char *choose(struct smr_clc *c, const struct smr_spv_inst *inst)
{
    uint32_t width = smr_spv_width(c->module, inst->type), n = n_of(c, inst->type);
    const char *condition = smr_clc_use(c, inst->args[0]);
    const char *a = smr_clc_use(c, inst->args[1]), *b = smr_clc_use(c, inst->args[2]);
    if (n_of(c, type_of(c, inst->args[0])) == 1)
        return smr_clc_text(c, "(%s ? %s : %s)", condition, a, b);
    if (width != 32 && !is_half(c, inst->type))
        condition =
            smr_clc_text(c, "convert_%s(%s)", smr_clc_number_type(c, true, width, n), condition);
    return smr_clc_text(c, "select(%s, %s, %s)", b, a, condition);
}

// ---- conversions ------------------------------------------------------------------------------

static const char *convert(struct smr_clc *c, const struct smr_spv_inst *inst)
{
    uint32_t from = type_of(c, inst->args[0]), n = n_of(c, inst->type);
    bool is_signed = inst->op == SMR_SPV_ConvertSToF || inst->op == SMR_SPV_SConvert;
    const char *text = smr_clc_use(c, inst->args[0]);
    if (inst->op == SMR_SPV_ConvertSToF || inst->op == SMR_SPV_ConvertUToF ||
        inst->op == SMR_SPV_SConvert || inst->op == SMR_SPV_UConvert)
        text = with_sign(c, text, from, is_signed);
    const char *type = smr_clc_type(c, inst->type);
    if (inst->op == SMR_SPV_SConvert && !smr_spv_is_signed(c->module, inst->type)) {
        // widened with its sign first
        const char *name = smr_clc_number_type(c, true, smr_spv_width(c->module, inst->type), n);
        return smr_clc_text(c, n == 1 ? "((%s)(%s)%s)" : "as_%s(convert_%s(%s))", type, name, text);
    }
    if (is_half(c, inst->type) && inst->op != SMR_SPV_FConvert)
        smr_clc_refuse(c, "a 16-bit float from an integer (16-bit float arithmetic is not there)");
    return smr_clc_text(c, n == 1 ? "((%s)%s)" : "convert_%s(%s)", type, text);
}

static const char *convert_float(struct smr_clc *c, const struct smr_spv_inst *inst)
{
    uint32_t n = n_of(c, inst->type);
    bool to_half = is_half(c, inst->type) || inst->op == SMR_SPV_QuantizeToF16;
    if (to_half && smr_spv_width(c->module, type_of(c, inst->args[0])) == 64)
        smr_clc_refuse(c, "a 16-bit float from a 64-bit one");
    if (to_half)
        return smr_clc_text(c, "smr_h2f%u(smr_f2h%u(%s))", n, n, smr_clc_use(c, inst->args[0]));
    if (is_half(c, type_of(c, inst->args[0])) && smr_spv_width(c->module, inst->type) == 32)
        return smr_clc_use(c, inst->args[0]);
    return convert(c, inst);
}

static const char *bitcast(struct smr_clc *c, const struct smr_spv_inst *inst)
{
    uint32_t from = type_of(c, inst->args[0]), to = inst->type;
    const struct smr_spv *m = c->module;
    const char *text = smr_clc_use(c, inst->args[0]);
    if (!smr_spv_is_leaf(m, from) || !smr_spv_is_leaf(m, to) ||
        smr_spv_width(m, from) * n_of(c, from) != smr_spv_width(m, to) * n_of(c, to)) {
        smr_clc_refuse(c, "OpBitcast between types of different sizes");
        return "0";
    }
    bool from_half = is_half(c, from), to_half = is_half(c, to);
    if (from_half)
        text = smr_clc_text(c, "smr_f2h%u(%s)", n_of(c, from), text);
    if (from_half && to_half)
        return smr_clc_text(c, "smr_h2f%u(%s)", n_of(c, to), text);
    if (to_half)
        return smr_clc_text(c, "smr_h2f%u(as_%s(%s))", n_of(c, to),
                            smr_clc_number_type(c, false, 16, n_of(c, to)), text);
    bool integers = smr_spv_is(m, from, SMR_SPV_TypeInt) && smr_spv_is(m, to, SMR_SPV_TypeInt);
    if (integers && n_of(c, from) == 1 && n_of(c, to) == 1)
        return smr_clc_text(c, "((%s)%s)", smr_clc_type(c, to), text);
    return smr_clc_text(c, "as_%s(%s)", smr_clc_type(c, to), text);
}

// ---- floats -----------------------------------------------------------------------------------

static const char *float_binary(struct smr_clc *c, const struct smr_spv_inst *inst,
                                const char *symbol)
{
    const char *a = smr_clc_use(c, inst->args[0]), *b = smr_clc_use(c, inst->args[1]);
    return smr_clc_text(c, "(%s %s %s)", a, symbol, b);
}

static const char *float_modulus(struct smr_clc *c, const struct smr_spv_inst *inst)
{
    if (inst->op == SMR_SPV_FRem)
        return smr_clc_text(c, "fmod(%s, %s)", smr_clc_use(c, inst->args[0]),
                            smr_clc_use(c, inst->args[1]));
    const char *a = smr_clc_reuse(c, inst->args[0]), *b = smr_clc_reuse(c, inst->args[1]);
    return smr_clc_text(c, "(%s - %s * floor(%s / %s))", a, b, a, b);
}

static const char *floats(struct smr_clc *c, const struct smr_spv_inst *inst)
{
    if (is_half(c, inst->type))
        smr_clc_refuse(c, "arithmetic on 16-bit floats");
    switch (inst->op) {
    case SMR_SPV_FNegate:
        return smr_clc_text(c, "(-%s)", smr_clc_use(c, inst->args[0]));
    case SMR_SPV_FAdd:
        return float_binary(c, inst, "+");
    case SMR_SPV_FSub:
        return float_binary(c, inst, "-");
    case SMR_SPV_FMul:
    case SMR_SPV_VectorTimesScalar:
        return float_binary(c, inst, "*");
    case SMR_SPV_FDiv:
        return float_binary(c, inst, "/");
    case SMR_SPV_Dot:
        return smr_clc_text(c, "dot(%s, %s)", smr_clc_use(c, inst->args[0]),
                            smr_clc_use(c, inst->args[1]));
    default:
        return float_modulus(c, inst);
    }
}

// ---- dot products of bytes ---------------------------------------------------------------------

// Of four bytes in a word each: SPV_KHR_integer_dot_product, and cl_khr_integer_dot_product where
// the device has that.
static const char *byte_dot(struct smr_clc *c, const struct smr_spv_inst *inst)
{
    enum { PACKED_4X8 = 0 }; // "Packed Vector Format"
    static const char *const names[] = {"ss", "uu", "su"};
    bool accumulates = inst->op >= SMR_SPV_SDotAccSat;
    uint32_t n_values = accumulates ? 3 : 2;
    bool is_signed = inst->op != SMR_SPV_UDot && inst->op != SMR_SPV_UDotAccSat;
    if (inst->n_args != n_values + 1 || inst->args[n_values] != PACKED_4X8 ||
        smr_spv_width(c->module, inst->type) != 32 || n_of(c, inst->type) != 1) {
        smr_clc_refuse(c, "an integer dot product of other than four bytes in a word");
        return "0";
    }
    const char *name = names[(inst->op - SMR_SPV_SDot) % 3];
    const char *a = operand(c, inst->args[0], false), *b = operand(c, inst->args[1], false);
    if (!accumulates)
        return as_result(c, inst->type, is_signed,
                         smr_clc_text(c, "smr_dot_%s(%s, %s)", name, a, b));
    return as_result(c, inst->type, is_signed,
                     smr_clc_text(c, "add_sat(smr_dot_%s(%s, %s), %s)", name, a, b,
                                  operand(c, inst->args[2], is_signed)));
}

// ---- vectors ----------------------------------------------------------------------------------

static const char *shuffle(struct smr_clc *c, const struct smr_spv_inst *inst)
{
    uint32_t n = inst->n_args - 2, n_first = n_of(c, type_of(c, inst->args[0]));
    uint32_t n_second = n_of(c, type_of(c, inst->args[1]));
    const char *parts[4] = {0}, *a = smr_clc_reuse(c, inst->args[0]);
    const char *b = smr_clc_reuse(c, inst->args[1]);
    if (n != n_of(c, inst->type) || n < 2) {
        smr_clc_refuse(c, "OpVectorShuffle of %u components", n);
        return "0";
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t index = inst->args[2 + i];
        if (index != UINT32_MAX && index >= n_first + n_second)
            smr_clc_refuse(c, "OpVectorShuffle takes component %u", index);
        if (index == UINT32_MAX) // any
            index = 0;
        parts[i] = index < n_first ? smr_clc_component(c, a, index)
                                   : smr_clc_component(c, b, index - n_first);
        if (smr_spv_is(c->module, inst->type, SMR_SPV_TypeBool))
            parts[i] = smr_clc_text(c, "%s != 0", parts[i]);
    }
    return smr_clc_compose(c, inst->type, parts, n);
}

// Vectors and scalars into a vector; parts into an array or a struct.
static const char *construct(struct smr_clc *c, const struct smr_spv_inst *inst)
{
    const char **parts = smr_arena_alloc(&c->arena, inst->n_args, sizeof *parts);
    if (!parts) {
        c->failed = true;
        return "0";
    }
    bool vector = smr_spv_is_vector(c->module, inst->type);
    for (uint32_t i = 0; i < inst->n_args; i++) {
        parts[i] = smr_clc_use(c, inst->args[i]);
        if (vector && n_of(c, type_of(c, inst->args[i])) > 1 &&
            smr_spv_is(c->module, inst->type, SMR_SPV_TypeBool))
            smr_clc_refuse(c, "a bool vector made of vectors");
    }
    return smr_clc_compose(c, inst->type, parts, inst->n_args);
}

// ---- all --------------------------------------------------------------------------------------

static const char *integers(struct smr_clc *c, const struct smr_spv_inst *inst)
{
    switch (inst->op) {
    case SMR_SPV_IAdd:
        return integer_binary(c, inst, "+");
    case SMR_SPV_ISub:
        return integer_binary(c, inst, "-");
    case SMR_SPV_IMul:
        return integer_binary(c, inst, "*");
    case SMR_SPV_BitwiseAnd:
        return integer_binary(c, inst, "&");
    case SMR_SPV_BitwiseOr:
        return integer_binary(c, inst, "|");
    case SMR_SPV_BitwiseXor:
        return integer_binary(c, inst, "^");
    case SMR_SPV_Not:
        return as_result(c, inst->type, false,
                         smr_clc_text(c, "~%s", operand(c, inst->args[0], false)));
    case SMR_SPV_SNegate:
        return as_result(c, inst->type, false,
                         smr_clc_text(c, "-%s", operand(c, inst->args[0], false)));
    case SMR_SPV_UDiv:
    case SMR_SPV_UMod:
        return unsigned_division(c, inst);
    case SMR_SPV_SDiv:
    case SMR_SPV_SRem:
    case SMR_SPV_SMod:
        return signed_division(c, inst);
    default:
        return shift(c, inst);
    }
}

static bool is_integer_op(uint32_t op)
{
    return op == SMR_SPV_IAdd || op == SMR_SPV_ISub || op == SMR_SPV_IMul ||
           op == SMR_SPV_SNegate || op == SMR_SPV_UDiv || op == SMR_SPV_SDiv ||
           (op >= SMR_SPV_UMod && op <= SMR_SPV_SMod) ||
           (op >= SMR_SPV_ShiftRightLogical && op <= SMR_SPV_Not);
}

static bool is_float_op(uint32_t op)
{
    return op == SMR_SPV_FNegate || op == SMR_SPV_FAdd || op == SMR_SPV_FSub ||
           op == SMR_SPV_FMul || op == SMR_SPV_FDiv || op == SMR_SPV_FRem || op == SMR_SPV_FMod ||
           op == SMR_SPV_VectorTimesScalar || op == SMR_SPV_Dot;
}

static const char *others(struct smr_clc *c, const struct smr_spv_inst *inst)
{
    switch (inst->op) {
    case SMR_SPV_Undef:
        return smr_clc_text(c, smr_spv_is_leaf(c->module, inst->type) ? "((%s)0)" : "((%s){0})",
                            smr_clc_type(c, inst->type));
    case SMR_SPV_CopyObject:
        return smr_clc_use(c, inst->args[0]);
    case SMR_SPV_Select:
        return choose(c, inst);
    case SMR_SPV_LogicalAnd:
    case SMR_SPV_LogicalOr:
    case SMR_SPV_LogicalNot:
        return logical(c, inst);
    case SMR_SPV_Any:
    case SMR_SPV_All:
        return smr_clc_text(c, "(%s(%s) != 0)", inst->op == SMR_SPV_Any ? "any" : "all",
                            smr_clc_use(c, inst->args[0]));
    case SMR_SPV_IsNan:
    case SMR_SPV_IsInf:
        return test_floats(c, inst);
    case SMR_SPV_FConvert:
    case SMR_SPV_QuantizeToF16:
        return convert_float(c, inst);
    case SMR_SPV_Bitcast:
        return bitcast(c, inst);
    case SMR_SPV_VectorShuffle:
        return shuffle(c, inst);
    case SMR_SPV_CompositeConstruct:
        return construct(c, inst);
    case SMR_SPV_ExtInst:
        return smr_clc_extended(c, inst);
    case SMR_SPV_SDot:
    case SMR_SPV_UDot:
    case SMR_SPV_SUDot:
    case SMR_SPV_SDotAccSat:
    case SMR_SPV_UDotAccSat:
    case SMR_SPV_SUDotAccSat:
        return byte_dot(c, inst);
    default:
        return NULL;
    }
}

const char *smr_clc_expression(struct smr_clc *c, const struct smr_spv_inst *inst)
{
    uint32_t op = inst->op;
    bool arithmetic = is_integer_op(op) || is_float_op(op);
    if ((arithmetic || (op >= SMR_SPV_ConvertFToU && op <= SMR_SPV_SConvert) ||
         (op >= SMR_SPV_LogicalEqual && op <= SMR_SPV_FUnordGreaterThanEqual) ||
         (op >= SMR_SPV_BitFieldInsert && op <= SMR_SPV_BitCount)) &&
        (!smr_spv_is_leaf(c->module, inst->type) ||
         !smr_spv_is_leaf(c->module, type_of(c, inst->args[0])))) {
        smr_clc_refuse(c, "opcode %u on what is no number", op);
        return "0";
    }
    if (is_integer_op(op))
        return integers(c, inst);
    if (is_float_op(op))
        return floats(c, inst);
    if (op >= SMR_SPV_BitFieldInsert && op <= SMR_SPV_BitCount)
        return bits(c, inst);
    if (op >= SMR_SPV_ConvertFToU && op <= SMR_SPV_SConvert)
        return convert(c, inst);
    if (op == SMR_SPV_LogicalEqual || op == SMR_SPV_LogicalNotEqual ||
        (op >= SMR_SPV_IEqual && op <= SMR_SPV_FUnordGreaterThanEqual))
        return compare(c, inst);
    return others(c, inst);
}

bool smr_clc_pair(struct smr_clc *c, const struct smr_spv_inst *inst)
{
    if (inst->op < SMR_SPV_IAddCarry || inst->op > SMR_SPV_SMulExtended)
        return false;
    uint32_t type = type_of(c, inst->args[0]);
    if (smr_spv_part(c->module, inst->type, 0) != type || !smr_spv_part(c->module, inst->type, 1) ||
        !smr_spv_is(c->module, type, SMR_SPV_TypeInt)) {
        smr_clc_refuse(c, "opcode %u of a wrong type", inst->op);
        return true;
    }
    const char *a = with_sign(c, smr_clc_reuse(c, inst->args[0]), type, false);
    const char *b = with_sign(c, smr_clc_reuse(c, inst->args[1]), type, false);
    const char *name = smr_clc_temporary(c, inst->id), *low, *high;
    switch (inst->op) {
    case SMR_SPV_IAddCarry: // a lane of a comparison is 0 or -1
        low = smr_clc_text(c, "%s + %s", a, b);
        high = smr_clc_text(c, "smr_one%u(%s + %s < %s)", n_of(c, type), a, b, a);
        break;
    case SMR_SPV_ISubBorrow:
        low = smr_clc_text(c, "%s - %s", a, b);
        high = smr_clc_text(c, "smr_one%u(%s < %s)", n_of(c, type), a, b);
        break;
    case SMR_SPV_UMulExtended:
        low = smr_clc_text(c, "%s * %s", a, b);
        high = smr_clc_text(c, "mul_hi(%s, %s)", a, b);
        break;
    default:
        low = smr_clc_text(c, "%s * %s", a, b);
        high = smr_clc_text(c, "mul_hi(%s, %s)",
                            with_sign(c, smr_clc_reuse(c, inst->args[0]), type, true),
                            with_sign(c, smr_clc_reuse(c, inst->args[1]), type, true));
        break;
    }
    smr_clc_statement(c, "%s.m0 = %s", name, as_result(c, type, false, low));
    smr_clc_statement(c, "%s.m1 = %s", name,
                      as_result(c, type, inst->op == SMR_SPV_SMulExtended, high));
    return true;
}
