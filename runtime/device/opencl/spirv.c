// spirv.c - names and operands of opcodes, and questions about a module that was read.
#include "device/opencl/spirv.h"

#include <stdio.h>

static const struct {
    uint32_t op;
    const char *name, *operands;
} opcodes[] = {
#define X(name, number, operands) {number, "Op" #name, operands},
    SMR_SPV_OPCODES(X)
#undef X
};

// What we know and leave out, so that an error can say why.
static const struct {
    uint32_t first, last;
    const char *name;
} refused[] = {
    {24, 24, "OpTypeMatrix (no matrices)"},
    {25, 27, "OpTypeImage and samplers (no images)"},
    {39, 39, "OpTypeForwardPointer (no buffer references)"},
    {60, 60, "OpImageTexelPointer (no images)"},
    {63, 63, "OpCopyMemory"},
    {67, 67, "OpPtrAccessChain (no buffer references)"},
    {68, 68, "OpArrayLength (no .length() of a buffer)"},
    {84, 84, "OpTranspose (no matrices)"},
    {86, 107, "an image instruction (no images)"},
    {143, 147, "a matrix product (no matrices)"},
    {207, 215, "a derivative (only compute shaders)"},
    {252, 252, "OpKill (only compute shaders)"},
    {331, 331, "OpExecutionModeId"},
    {336, 366, "a subgroup operation (OpGroupNonUniform...)"},
    {400, 400, "OpCopyLogical (SPIR-V 1.4)"},
    {4421, 4432, "a subgroup operation"},
};

const char *smr_spv_operands(uint32_t op)
{
    for (size_t i = 0; i < SMR_COUNT(opcodes); i++)
        if (opcodes[i].op == op)
            return opcodes[i].operands;
    return NULL;
}

void smr_spv_opcode_name(uint32_t op, char *text, size_t size)
{
    for (size_t i = 0; i < SMR_COUNT(opcodes); i++)
        if (opcodes[i].op == op) {
            snprintf(text, size, "%s", opcodes[i].name);
            return;
        }
    for (size_t i = 0; i < SMR_COUNT(refused); i++)
        if (op >= refused[i].first && op <= refused[i].last) {
            snprintf(text, size, "%s, opcode %u,", refused[i].name, op);
            return;
        }
    snprintf(text, size, "opcode %u", op);
}

bool smr_spv_decoration(const struct smr_spv *module, uint32_t id, uint32_t member, uint32_t kind,
                        uint32_t *value)
{
    for (const struct smr_spv_note *note = module->ids[id].notes; note; note = note->next)
        if (note->member == member && note->kind == kind) {
            if (value)
                *value = note->value;
            return true;
        }
    return false;
}

uint32_t smr_spv_width(const struct smr_spv *module, uint32_t type)
{
    const struct smr_spv_inst *def = smr_spv_def(module, smr_spv_scalar(module, type));
    switch (def->op) {
    case SMR_SPV_TypeBool:
        return 32;
    case SMR_SPV_TypeInt:
    case SMR_SPV_TypeFloat:
        return def->args[0];
    default:
        return 0;
    }
}

uint32_t smr_spv_part(const struct smr_spv *module, uint32_t type, uint64_t index)
{
    const struct smr_spv_inst *def = smr_spv_def(module, type);
    uint64_t length;
    switch (def->op) {
    case SMR_SPV_TypeVector:
        return index < def->args[1] ? def->args[0] : 0;
    case SMR_SPV_TypeArray:
        return !smr_spv_integer(module, def->args[1], &length) || index < length ? def->args[0] : 0;
    case SMR_SPV_TypeRuntimeArray:
        return def->args[0];
    case SMR_SPV_TypeStruct:
        return index < def->n_args ? def->args[index] : 0;
    default:
        return 0;
    }
}

bool smr_spv_integer(const struct smr_spv *module, uint32_t id, uint64_t *value)
{
    const struct smr_spv_inst *def = smr_spv_def(module, id);
    if (def->op != SMR_SPV_Constant || smr_spv_op(module, def->type) != SMR_SPV_TypeInt)
        return false;
    *value = def->args[0];
    if (def->n_args > 1)
        *value |= (uint64_t)def->args[1] << 32;
    return true;
}
