// clc_type.c - types and constants as OpenCL C.
#include "device/opencl/clc.h"

#include <string.h>

// ---- types ------------------------------------------------------------------------------------

const char *smr_clc_number_type(struct smr_clc *c, bool is_signed, uint32_t width, uint32_t n)
{
    const char *name = width == 8 ? "char" : width == 16 ? "short" : width == 64 ? "long" : "int";
    if (n == 1)
        return smr_clc_text(c, "%s%s", is_signed ? "" : "u", name);
    return smr_clc_text(c, "%s%s%u", is_signed ? "" : "u", name, n);
}

static const char *leaf_type(struct smr_clc *c, uint32_t type)
{
    const struct smr_spv *m = c->module;
    uint32_t n = smr_spv_n_components(m, type), width = smr_spv_width(m, type);
    switch (smr_spv_op(m, smr_spv_scalar(m, type))) {
    case SMR_SPV_TypeBool:
        return n == 1 ? "bool" : smr_clc_number_type(c, true, 32, n);
    case SMR_SPV_TypeInt:
        return smr_clc_number_type(c, smr_spv_is_signed(m, type), width, n);
    default:
        break;
    }
    const char *name = width == 64 ? "double" : "float";
    return n == 1 ? name : smr_clc_text(c, "%s%u", name, n);
}

const char *smr_clc_stored_type(struct smr_clc *c, uint32_t type, uint32_t n)
{
    const struct smr_spv *m = c->module;
    uint32_t scalar = smr_spv_scalar(m, type), width = smr_spv_width(m, type);
    switch (smr_spv_op(m, scalar)) {
    case SMR_SPV_TypeInt:
        return smr_clc_number_type(c, smr_spv_is_signed(m, type), width, n);
    case SMR_SPV_TypeFloat:
        if (width == 16)
            return smr_clc_number_type(c, false, 16, n);
        return n == 1 ? leaf_type(c, scalar) : smr_clc_text(c, "%s%u", leaf_type(c, scalar), n);
    default:
        smr_clc_refuse(c, "a bool in a buffer");
        return "uint";
    }
}

const char *smr_clc_length(struct smr_clc *c, uint32_t array)
{
    return smr_clc_constant(c, smr_spv_def(c->module, array)->args[1]);
}

static const char *declare_struct(struct smr_clc *c, const struct smr_spv_inst *def)
{
    struct smr_string members; // the types of members are declared first
    smr_string_init(&members, c->context);
    for (uint32_t i = 0; i < def->n_args; i++)
        smr_string_printf(&members, "    %s m%u;\n", smr_clc_type(c, def->args[i]), i);
    const char *name = smr_clc_text(c, "%sS%u", c->prefix, def->id);
    if (!def->n_args)
        smr_string_printf(&members, "    int none;\n");
    if (members.failed)
        c->failed = true;
    else
        smr_string_printf(&c->head, "typedef struct { // %s\n%s} %s;\n",
                          c->module->ids[def->id].name, members.data, name);
    smr_string_finish(&members);
    return name;
}

static const char *declare_array(struct smr_clc *c, const struct smr_spv_inst *def)
{
    const char *element = smr_clc_type(c, def->args[0]);
    const char *name = smr_clc_text(c, "%sA%u", c->prefix, def->id);
    smr_string_printf(&c->head, "typedef struct {\n    %s a[%s];\n} %s;\n", element,
                      smr_clc_length(c, def->id), name);
    return name;
}

const char *smr_clc_type(struct smr_clc *c, uint32_t type)
{
    const struct smr_spv_inst *def = smr_spv_def(c->module, type);
    if (def->op == SMR_SPV_TypeVoid)
        return "void";
    if (smr_spv_is_leaf(c->module, type))
        return leaf_type(c, type);
    if (c->type_names[type])
        return c->type_names[type];
    const char *name = "int";
    if (def->op == SMR_SPV_TypeStruct)
        name = declare_struct(c, def);
    else if (def->op == SMR_SPV_TypeArray)
        name = declare_array(c, def);
    else
        smr_clc_refuse(c, "a value of the type %u, which is no scalar, vector, array or struct",
                       type);
    c->failed = c->failed || c->head.failed;
    c->type_names[type] = name;
    return name;
}

static uint64_t struct_size(struct smr_clc *c, uint32_t type)
{
    const struct smr_spv_inst *def = smr_spv_def(c->module, type);
    uint64_t size = 0;
    for (uint32_t i = 0; i < def->n_args && !c->failed; i++) {
        uint32_t offset = 0;
        if (!smr_spv_decoration(c->module, type, i, SMR_SPV_OFFSET, &offset))
            smr_clc_refuse(c, "a struct in a buffer without offsets");
        uint64_t end = offset + smr_clc_size(c, def->args[i]);
        size = end > size ? end : size;
    }
    return size;
}

uint64_t smr_clc_size(struct smr_clc *c, uint32_t type)
{
    const struct smr_spv *m = c->module;
    uint64_t length = 0;
    uint32_t stride = 0;
    switch (smr_spv_op(m, type)) {
    case SMR_SPV_TypeStruct:
        return struct_size(c, type);
    case SMR_SPV_TypeArray:
        if (!smr_spv_decoration(m, type, SMR_SPV_WHOLE, SMR_SPV_ARRAY_STRIDE, &stride) ||
            !smr_spv_integer(m, smr_spv_def(m, type)->args[1], &length))
            smr_clc_refuse(c, "an array in a buffer without a stride or a fixed length");
        return length * stride;
    case SMR_SPV_TypeRuntimeArray:
        return 0;
    default:
        return (uint64_t)smr_spv_width(m, type) / 8 * smr_spv_n_components(m, type);
    }
}

// ---- constants --------------------------------------------------------------------------------

// 24 or 53 bits of a float as a hexadecimal integer with an exponent, which has no decimal point
// for a locale to change.
static const char *float_literal(struct smr_clc *c, uint64_t bits, uint32_t width)
{
    const int fraction_bits = width == 64 ? 52 : 23, bias = width == 64 ? 1023 : 127;
    const int all_ones = width == 64 ? 0x7ff : 0xff;
    const char *sign = bits >> (width - 1) & 1 ? "-" : "", *suffix = width == 64 ? "" : "f";
    uint64_t fraction = bits & (((uint64_t)1 << fraction_bits) - 1);
    int exponent = (int)(bits >> fraction_bits) & all_ones;
    if (exponent == all_ones && width == 64)
        return smr_clc_text(c, "as_double(0x%llxul)", (unsigned long long)bits);
    if (exponent == all_ones)
        return smr_clc_text(c, "as_float(0x%llxu)", (unsigned long long)bits);
    if (exponent)
        fraction |= (uint64_t)1 << fraction_bits;
    else
        exponent = 1;
    exponent -= bias + fraction_bits;
    while (fraction && !(fraction & 1)) {
        fraction >>= 1;
        exponent++;
    }
    if (!fraction)
        exponent = 0;
    if (exponent >= 0 && exponent < 20 && fraction < 1 << 20)
        return smr_clc_text(c, "%s%s%llu.0%s%s", *sign ? "(" : "", sign,
                            (unsigned long long)fraction << exponent, suffix, *sign ? ")" : "");
    return smr_clc_text(c, "%s%s0x%llxp%d%s%s", *sign ? "(" : "", sign,
                        (unsigned long long)fraction, exponent, suffix, *sign ? ")" : "");
}

static const char *integer_literal(struct smr_clc *c, uint32_t type, uint64_t bits)
{
    uint32_t width = smr_spv_width(c->module, type);
    const char *name = leaf_type(c, type);
    unsigned long long value = bits;
    if (!smr_spv_is_signed(c->module, type)) {
        if (width < 32)
            return smr_clc_text(c, "(%s)%lluu", name, value & (width == 8 ? 0xff : 0xffff));
        return smr_clc_text(c, width == 64 ? "%lluul" : "%lluu", value);
    }
    if (width == 64) // the least value has no literal
        return smr_clc_text(c, bits >> 63 ? "((long)0x%llxul)" : "%llul", value);
    uint32_t word = (uint32_t)bits;
    if (width < 32)
        return smr_clc_text(c, "((%s)0x%xu)", name, word & (width == 8 ? 0xffu : 0xffffu));
    if (word >> 31)
        return word == 0x80000000u ? "(-2147483647 - 1)" : smr_clc_text(c, "(-%u)", 0u - word);
    return smr_clc_text(c, "%u", word);
}

static const char *number(struct smr_clc *c, const struct smr_spv_inst *def)
{
    uint64_t bits = def->args[0];
    if (def->n_args > 1)
        bits |= (uint64_t)def->args[1] << 32;
    if (smr_spv_op(c->module, def->type) == SMR_SPV_TypeInt)
        return integer_literal(c, def->type, bits);
    uint32_t width = smr_spv_width(c->module, def->type);
    if (width == 16) {
        union {
            float value;
            uint32_t bits;
        } u = {.value = smr_f16_to_f32((uint16_t)bits)};
        return float_literal(c, u.bits, 32);
    }
    return float_literal(c, bits, width);
}

// A specialisation constant: the macro has its bits.
static const char *specialised(struct smr_clc *c, const struct smr_spv_inst *def)
{
    uint32_t id = 0, width = smr_spv_width(c->module, def->type);
    if (!smr_spv_decoration(c->module, def->id, SMR_SPV_WHOLE, SMR_SPV_SPEC_ID, &id)) {
        if (def->op == SMR_SPV_SpecConstant)
            return number(c, def);
        return def->op == SMR_SPV_SpecConstantTrue ? "true" : "false";
    }
    if (def->op != SMR_SPV_SpecConstant)
        return smr_clc_text(c, "(SPEC%u != 0)", id);
    if (width == 64 || (width == 16 && smr_spv_op(c->module, def->type) == SMR_SPV_TypeFloat))
        smr_clc_refuse(c, "specialisation constant %u is not of 32 bits", id);
    if (smr_spv_op(c->module, def->type) == SMR_SPV_TypeFloat)
        return smr_clc_text(c, "as_float(SPEC%u)", id);
    if (width == 32 && !smr_spv_is_signed(c->module, def->type))
        return smr_clc_text(c, "SPEC%u", id);
    return smr_clc_text(c, "((%s)SPEC%u)", leaf_type(c, def->type), id);
}

const char *smr_clc_compose(struct smr_clc *c, uint32_t type, const char *const *parts, uint32_t n)
{
    const struct smr_spv *m = c->module;
    bool vector = smr_spv_is_vector(m, type),
         lanes = vector && smr_spv_is(m, type, SMR_SPV_TypeBool);
    const char *open = vector ? "(" : smr_spv_op(m, type) == SMR_SPV_TypeArray ? "{{" : "{";
    const char *close = vector ? ")" : smr_spv_op(m, type) == SMR_SPV_TypeArray ? "}}" : "}";
    struct smr_string text;
    smr_string_init(&text, c->context);
    smr_string_printf(&text, "((%s)%s", smr_clc_type(c, type), open);
    for (uint32_t i = 0; i < n && !c->failed; i++)
        smr_string_printf(&text, lanes ? "%s-(int)(%s)" : "%s%s", i ? ", " : "", parts[i]);
    smr_string_printf(&text, "%s)", close);
    const char *kept = text.failed ? NULL : smr_arena_strndup(&c->arena, text.data, text.size);
    smr_string_finish(&text);
    c->failed = c->failed || !kept;
    return kept ? kept : "0";
}

static const char *composite(struct smr_clc *c, const struct smr_spv_inst *def)
{
    const char **parts = smr_arena_alloc(&c->arena, def->n_args, sizeof *parts);
    if (!parts) {
        c->failed = true;
        return "0";
    }
    for (uint32_t i = 0; i < def->n_args; i++)
        parts[i] = smr_clc_constant(c, def->args[i]);
    return smr_clc_compose(c, def->type, parts, def->n_args);
}

const char *smr_clc_constant(struct smr_clc *c, uint32_t id)
{
    const struct smr_spv_inst *def = smr_spv_def(c->module, id);
    if (c->failed)
        return "0";
    switch (def->op) {
    case SMR_SPV_ConstantTrue:
        return "true";
    case SMR_SPV_ConstantFalse:
        return "false";
    case SMR_SPV_Constant:
        return number(c, def);
    case SMR_SPV_ConstantComposite:
    case SMR_SPV_SpecConstantComposite:
        return composite(c, def);
    case SMR_SPV_ConstantNull:
        return smr_clc_text(c, smr_spv_is_leaf(c->module, def->type) ? "((%s)0)" : "((%s){0})",
                            smr_clc_type(c, def->type));
    case SMR_SPV_SpecConstantOp:
        return smr_clc_text(c, "%sK%u", c->prefix, id);
    default:
        return specialised(c, def);
    }
}

// ---- specialised constants --------------------------------------------------------------------

// Part of a constant, without the whole: sizes of arrays must be constants for C too.
static const char *constant_part(struct smr_clc *c, const struct smr_spv_inst *inst)
{
    uint32_t id = inst->args[0];
    for (uint32_t i = 1; i < inst->n_args; i++) {
        const struct smr_spv_inst *def = smr_spv_def(c->module, id);
        if ((def->op != SMR_SPV_ConstantComposite && def->op != SMR_SPV_SpecConstantComposite) ||
            inst->args[i] >= def->n_args)
            return NULL;
        id = def->args[inst->args[i]];
    }
    return smr_clc_constant(c, id);
}

void smr_clc_constant_macros(struct smr_clc *c)
{
    const struct smr_spv *m = c->module;
    for (uint32_t i = 0; i < m->n_insts && !c->failed; i++) {
        const struct smr_spv_inst *inst = &m->insts[i];
        uint32_t id;
        if ((inst->op == SMR_SPV_SpecConstant || inst->op == SMR_SPV_SpecConstantTrue ||
             inst->op == SMR_SPV_SpecConstantFalse) &&
            smr_spv_decoration(m, inst->id, SMR_SPV_WHOLE, SMR_SPV_SPEC_ID, &id)) {
            uint32_t bits = inst->op == SMR_SPV_SpecConstant ? inst->args[0]
                                                             : inst->op == SMR_SPV_SpecConstantTrue;
            smr_string_printf(&c->head, "#ifndef SPEC%u\n#define SPEC%u 0x%xu // %s\n#endif\n", id,
                              id, bits, m->ids[inst->id].name);
        }
        struct smr_spv_inst inner;
        if (inst->op != SMR_SPV_SpecConstantOp || !smr_spv_constant_op(m, inst, &inner))
            continue;
        const char *text = inner.op == SMR_SPV_CompositeExtract ? constant_part(c, &inner)
                                                                : smr_clc_expression(c, &inner);
        char name[64];
        smr_spv_opcode_name(inner.op, name, sizeof name);
        if (!text)
            smr_clc_refuse(c, "%s on specialised constants", name);
        smr_string_printf(&c->head, "#define %sK%u %s // %s\n", c->prefix, inst->id, text,
                          m->ids[inst->id].name);
        c->failed = c->failed || c->head.failed;
    }
}
