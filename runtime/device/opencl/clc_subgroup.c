// clc_subgroup.c - operations of a subgroup, by cl_khr_subgroups and cl_khr_subgroup_shuffle.
//
// OpenCL wants all invocations of a subgroup to come to each of these; SPIR-V lets some stay away.
// The shaders keep to the first, so that the one that is elected is always invocation 0. On a
// processor such an operation may be a barrier of the workgroup, and counts as one.
#include "device/opencl/clc.h"

bool smr_clc_is_subgroup_op(uint32_t op)
{
    return op >= SMR_SPV_GroupNonUniformElect && op <= SMR_SPV_GroupNonUniformFMax;
}

const char *smr_clc_subgroup_input(struct smr_clc *c, uint64_t number)
{
    const char *name = NULL;
    switch (number) {
    case SMR_SPV_SUBGROUP_SIZE:
        name = "get_max_sub_group_size";
        break;
    case SMR_SPV_NUM_SUBGROUPS:
        name = "get_num_sub_groups";
        break;
    case SMR_SPV_SUBGROUP_ID:
        name = "get_sub_group_id";
        break;
    case SMR_SPV_SUBGROUP_INVOCATION_ID:
        name = "get_sub_group_local_id";
        break;
    default:
        return NULL;
    }
    return smr_clc_text(c, "((uint)%s())", name);
}

// "sub_group_reduce_add" and its kind.
static const char *arithmetic(struct smr_clc *c, const struct smr_spv_inst *inst)
{
    static const char *const kinds[] = {"reduce", "scan_inclusive", "scan_exclusive"};
    const char *operation = inst->op <= SMR_SPV_GroupNonUniformFAdd   ? "add"
                            : inst->op <= SMR_SPV_GroupNonUniformFMin ? "min"
                                                                      : "max";
    uint32_t kind = inst->args[1]; // specification, "Group Operation"
    if (kind >= SMR_COUNT(kinds)) {
        smr_clc_refuse(c, "a subgroup operation on clusters");
        return "0";
    }
    const char *value = smr_clc_use(c, inst->args[2]);
    bool is_signed = inst->op == SMR_SPV_GroupNonUniformSMin || //
                     inst->op == SMR_SPV_GroupNonUniformSMax;
    if (smr_spv_is(c->module, inst->type, SMR_SPV_TypeInt))
        value = smr_clc_text(c, is_signed ? "(int)%s" : "(uint)%s", value);
    return smr_clc_text(c, "(%s)sub_group_%s_%s(%s)", smr_clc_type(c, inst->type), kinds[kind],
                        operation, value);
}

static const char *other(struct smr_clc *c, const struct smr_spv_inst *inst)
{
    if (inst->op == SMR_SPV_GroupNonUniformElect)
        return "(get_sub_group_local_id() == 0)";
    const char *value = smr_clc_use(c, inst->args[1]);
    switch (inst->op) {
    case SMR_SPV_GroupNonUniformAll:
        return smr_clc_text(c, "(sub_group_all(%s) != 0)", value);
    case SMR_SPV_GroupNonUniformAny:
        return smr_clc_text(c, "(sub_group_any(%s) != 0)", value);
    case SMR_SPV_GroupNonUniformBroadcastFirst:
        return smr_clc_text(c, "sub_group_broadcast(%s, 0u)", value);
    case SMR_SPV_GroupNonUniformBallot:
        return smr_clc_text(c, "sub_group_ballot(%s)", value);
    default:
        break;
    }
    const char *index = smr_clc_use(c, inst->args[2]);
    const char *name = inst->op == SMR_SPV_GroupNonUniformBroadcast ? "sub_group_broadcast"
                       : inst->op == SMR_SPV_GroupNonUniformShuffle ? "smr_shuffle"
                                                                    : "smr_shuffle_xor";
    return smr_clc_text(c, "%s(%s, (uint)%s)", name, value, index);
}

void smr_clc_subgroup(struct smr_clc *c, const struct smr_spv_inst *inst)
{
    bool calculates = inst->op >= SMR_SPV_GroupNonUniformIAdd;
    bool ballot = inst->op == SMR_SPV_GroupNonUniformBallot;
    if (!smr_spv_is_leaf(c->module, inst->type) ||
        (smr_spv_is_vector(c->module, inst->type) && !ballot) ||
        smr_spv_width(c->module, inst->type) != 32) {
        smr_clc_refuse(c, "a subgroup operation on what is no number of 32 bits");
        return;
    }
    smr_clc_flush(c, false, 0); // all is computed before others see it
    smr_clc_assign(c, inst->id, calculates ? arithmetic(c, inst) : other(c, inst));
}
