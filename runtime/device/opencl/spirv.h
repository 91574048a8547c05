// spirv.h - a SPIR-V module taken apart: what the translation to OpenCL C needs to know of it.
//
// Source: "SPIR-V Specification", Khronos, unified1. Only what glslang makes of compute shaders for
// Vulkan 1.1 (SPIR-V 1.3), not optimised, is understood; anything else is an error that names it. A
// module that comes out of smr_spv_read() is safe to walk: ids are within bounds and, where a value
// or a type is wanted, defined before their use; operands are as many as their opcode says.
#pragma once

#include "base/base.h"

// Opcodes we know: name, number, operands. T: the result's type, R: the result's id, then v: a
// value, t: a type, f: a function, l: a label, x: any id, n: a literal word; * repeats the letter
// before.
#define SMR_SPV_OPCODES(X)                                                                         \
    X(Nop, 0, "")                                                                                  \
    X(Undef, 1, "TR")                                                                              \
    X(SourceContinued, 2, "n*")                                                                    \
    X(Source, 3, "n*")                                                                             \
    X(SourceExtension, 4, "n*")                                                                    \
    X(Name, 5, "xnn*")                                                                             \
    X(MemberName, 6, "xnnn*")                                                                      \
    X(String, 7, "Rn*")                                                                            \
    X(Line, 8, "xnn")                                                                              \
    X(Extension, 10, "n*")                                                                         \
    X(ExtInstImport, 11, "Rnn*")                                                                   \
    X(ExtInst, 12, "TRxnv*")                                                                       \
    X(MemoryModel, 14, "nn")                                                                       \
    X(EntryPoint, 15, "nxnn*")                                                                     \
    X(ExecutionMode, 16, "xnn*")                                                                   \
    X(Capability, 17, "n")                                                                         \
    X(TypeVoid, 19, "R")                                                                           \
    X(TypeBool, 20, "R")                                                                           \
    X(TypeInt, 21, "Rnn")                                                                          \
    X(TypeFloat, 22, "Rn")                                                                         \
    X(TypeVector, 23, "Rtn")                                                                       \
    X(TypeArray, 28, "Rtv")                                                                        \
    X(TypeRuntimeArray, 29, "Rt")                                                                  \
    X(TypeStruct, 30, "Rt*")                                                                       \
    X(TypePointer, 32, "Rnt")                                                                      \
    X(TypeFunction, 33, "Rtt*")                                                                    \
    X(ConstantTrue, 41, "TR")                                                                      \
    X(ConstantFalse, 42, "TR")                                                                     \
    X(Constant, 43, "TRnn*")                                                                       \
    X(ConstantComposite, 44, "TRv*")                                                               \
    X(ConstantNull, 46, "TR")                                                                      \
    X(SpecConstantTrue, 48, "TR")                                                                  \
    X(SpecConstantFalse, 49, "TR")                                                                 \
    X(SpecConstant, 50, "TRnn*")                                                                   \
    X(SpecConstantComposite, 51, "TRv*")                                                           \
    X(SpecConstantOp, 52, "TRnn*")                                                                 \
    X(Function, 54, "TRnt")                                                                        \
    X(FunctionParameter, 55, "TR")                                                                 \
    X(FunctionEnd, 56, "")                                                                         \
    X(FunctionCall, 57, "TRfv*")                                                                   \
    X(Variable, 59, "TRnv*")                                                                       \
    X(Load, 61, "TRvn*")                                                                           \
    X(Store, 62, "vvn*")                                                                           \
    X(AccessChain, 65, "TRvv*")                                                                    \
    X(InBoundsAccessChain, 66, "TRvv*")                                                            \
    X(Decorate, 71, "xnn*")                                                                        \
    X(MemberDecorate, 72, "xnnn*")                                                                 \
    X(VectorExtractDynamic, 77, "TRvv")                                                            \
    X(VectorInsertDynamic, 78, "TRvvv")                                                            \
    X(VectorShuffle, 79, "TRvvnn*")                                                                \
    X(CompositeConstruct, 80, "TRvv*")                                                             \
    X(CompositeExtract, 81, "TRvnn*")                                                              \
    X(CompositeInsert, 82, "TRvvnn*")                                                              \
    X(CopyObject, 83, "TRv")                                                                       \
    X(ConvertFToU, 109, "TRv")                                                                     \
    X(ConvertFToS, 110, "TRv")                                                                     \
    X(ConvertSToF, 111, "TRv")                                                                     \
    X(ConvertUToF, 112, "TRv")                                                                     \
    X(UConvert, 113, "TRv")                                                                        \
    X(SConvert, 114, "TRv")                                                                        \
    X(FConvert, 115, "TRv")                                                                        \
    X(QuantizeToF16, 116, "TRv")                                                                   \
    X(Bitcast, 124, "TRv")                                                                         \
    X(SNegate, 126, "TRv")                                                                         \
    X(FNegate, 127, "TRv")                                                                         \
    X(IAdd, 128, "TRvv")                                                                           \
    X(FAdd, 129, "TRvv")                                                                           \
    X(ISub, 130, "TRvv")                                                                           \
    X(FSub, 131, "TRvv")                                                                           \
    X(IMul, 132, "TRvv")                                                                           \
    X(FMul, 133, "TRvv")                                                                           \
    X(UDiv, 134, "TRvv")                                                                           \
    X(SDiv, 135, "TRvv")                                                                           \
    X(FDiv, 136, "TRvv")                                                                           \
    X(UMod, 137, "TRvv")                                                                           \
    X(SRem, 138, "TRvv")                                                                           \
    X(SMod, 139, "TRvv")                                                                           \
    X(FRem, 140, "TRvv")                                                                           \
    X(FMod, 141, "TRvv")                                                                           \
    X(VectorTimesScalar, 142, "TRvv")                                                              \
    X(Dot, 148, "TRvv")                                                                            \
    X(IAddCarry, 149, "TRvv")                                                                      \
    X(ISubBorrow, 150, "TRvv")                                                                     \
    X(UMulExtended, 151, "TRvv")                                                                   \
    X(SMulExtended, 152, "TRvv")                                                                   \
    X(Any, 154, "TRv")                                                                             \
    X(All, 155, "TRv")                                                                             \
    X(IsNan, 156, "TRv")                                                                           \
    X(IsInf, 157, "TRv")                                                                           \
    X(LogicalEqual, 164, "TRvv")                                                                   \
    X(LogicalNotEqual, 165, "TRvv")                                                                \
    X(LogicalOr, 166, "TRvv")                                                                      \
    X(LogicalAnd, 167, "TRvv")                                                                     \
    X(LogicalNot, 168, "TRv")                                                                      \
    X(Select, 169, "TRvvv")                                                                        \
    X(IEqual, 170, "TRvv")                                                                         \
    X(INotEqual, 171, "TRvv")                                                                      \
    X(UGreaterThan, 172, "TRvv")                                                                   \
    X(SGreaterThan, 173, "TRvv")                                                                   \
    X(UGreaterThanEqual, 174, "TRvv")                                                              \
    X(SGreaterThanEqual, 175, "TRvv")                                                              \
    X(ULessThan, 176, "TRvv")                                                                      \
    X(SLessThan, 177, "TRvv")                                                                      \
    X(ULessThanEqual, 178, "TRvv")                                                                 \
    X(SLessThanEqual, 179, "TRvv")                                                                 \
    X(FOrdEqual, 180, "TRvv")                                                                      \
    X(FUnordEqual, 181, "TRvv")                                                                    \
    X(FOrdNotEqual, 182, "TRvv")                                                                   \
    X(FUnordNotEqual, 183, "TRvv")                                                                 \
    X(FOrdLessThan, 184, "TRvv")                                                                   \
    X(FUnordLessThan, 185, "TRvv")                                                                 \
    X(FOrdGreaterThan, 186, "TRvv")                                                                \
    X(FUnordGreaterThan, 187, "TRvv")                                                              \
    X(FOrdLessThanEqual, 188, "TRvv")                                                              \
    X(FUnordLessThanEqual, 189, "TRvv")                                                            \
    X(FOrdGreaterThanEqual, 190, "TRvv")                                                           \
    X(FUnordGreaterThanEqual, 191, "TRvv")                                                         \
    X(ShiftRightLogical, 194, "TRvv")                                                              \
    X(ShiftRightArithmetic, 195, "TRvv")                                                           \
    X(ShiftLeftLogical, 196, "TRvv")                                                               \
    X(BitwiseOr, 197, "TRvv")                                                                      \
    X(BitwiseXor, 198, "TRvv")                                                                     \
    X(BitwiseAnd, 199, "TRvv")                                                                     \
    X(Not, 200, "TRv")                                                                             \
    X(BitFieldInsert, 201, "TRvvvv")                                                               \
    X(BitFieldSExtract, 202, "TRvvv")                                                              \
    X(BitFieldUExtract, 203, "TRvvv")                                                              \
    X(BitReverse, 204, "TRv")                                                                      \
    X(BitCount, 205, "TRv")                                                                        \
    X(ControlBarrier, 224, "vvv")                                                                  \
    X(MemoryBarrier, 225, "vv")                                                                    \
    X(AtomicLoad, 227, "TRvvv")                                                                    \
    X(AtomicStore, 228, "vvvv")                                                                    \
    X(AtomicExchange, 229, "TRvvvv")                                                               \
    X(AtomicCompareExchange, 230, "TRvvvvvv")                                                      \
    X(AtomicIIncrement, 232, "TRvvv")                                                              \
    X(AtomicIDecrement, 233, "TRvvv")                                                              \
    X(AtomicIAdd, 234, "TRvvvv")                                                                   \
    X(AtomicISub, 235, "TRvvvv")                                                                   \
    X(AtomicSMin, 236, "TRvvvv")                                                                   \
    X(AtomicUMin, 237, "TRvvvv")                                                                   \
    X(AtomicSMax, 238, "TRvvvv")                                                                   \
    X(AtomicUMax, 239, "TRvvvv")                                                                   \
    X(AtomicAnd, 240, "TRvvvv")                                                                    \
    X(AtomicOr, 241, "TRvvvv")                                                                     \
    X(AtomicXor, 242, "TRvvvv")                                                                    \
    X(Phi, 245, "TRxx*")                                                                           \
    X(LoopMerge, 246, "llnn*")                                                                     \
    X(SelectionMerge, 247, "ln")                                                                   \
    X(Label, 248, "R")                                                                             \
    X(Branch, 249, "l")                                                                            \
    X(BranchConditional, 250, "vlln*")                                                             \
    X(Switch, 251, "vln*")                                                                         \
    X(Return, 253, "")                                                                             \
    X(ReturnValue, 254, "v")                                                                       \
    X(Unreachable, 255, "")                                                                        \
    X(NoLine, 317, "")                                                                             \
    X(ModuleProcessed, 330, "n*")                                                                  \
    X(GroupNonUniformElect, 333, "TRv")                                                            \
    X(GroupNonUniformAll, 334, "TRvv")                                                             \
    X(GroupNonUniformAny, 335, "TRvv")                                                             \
    X(GroupNonUniformBroadcast, 337, "TRvvv")                                                      \
    X(GroupNonUniformBroadcastFirst, 338, "TRvv")                                                  \
    X(GroupNonUniformBallot, 339, "TRvv")                                                          \
    X(GroupNonUniformShuffle, 345, "TRvvv")                                                        \
    X(GroupNonUniformShuffleXor, 346, "TRvvv")                                                     \
    X(GroupNonUniformIAdd, 349, "TRvnv")                                                           \
    X(GroupNonUniformFAdd, 350, "TRvnv")                                                           \
    X(GroupNonUniformSMin, 353, "TRvnv")                                                           \
    X(GroupNonUniformUMin, 354, "TRvnv")                                                           \
    X(GroupNonUniformFMin, 355, "TRvnv")                                                           \
    X(GroupNonUniformSMax, 356, "TRvnv")                                                           \
    X(GroupNonUniformUMax, 357, "TRvnv")                                                           \
    X(GroupNonUniformFMax, 358, "TRvnv")                                                           \
    X(SDot, 4450, "TRvvn*")                                                                        \
    X(UDot, 4451, "TRvvn*")                                                                        \
    X(SUDot, 4452, "TRvvn*")                                                                       \
    X(SDotAccSat, 4453, "TRvvvn*")                                                                 \
    X(UDotAccSat, 4454, "TRvvvn*")                                                                 \
    X(SUDotAccSat, 4455, "TRvvvn*")

enum smr_spv_opcode {
#define X(name, number, operands) SMR_SPV_##name = (number),
    SMR_SPV_OPCODES(X)
#undef X
};

enum smr_spv_storage { // specification, "Storage Class"
    SMR_SPV_INPUT = 1,
    SMR_SPV_WORKGROUP = 4,
    SMR_SPV_PRIVATE = 6,
    SMR_SPV_FUNCTION = 7,
    SMR_SPV_PUSH_CONSTANT = 9,
    SMR_SPV_STORAGE_BUFFER = 12,
};

enum smr_spv_decoration { // "Decoration"
    SMR_SPV_SPEC_ID = 1,
    SMR_SPV_ARRAY_STRIDE = 6,
    SMR_SPV_BUILTIN = 11,
    SMR_SPV_NON_WRITABLE = 24,
    SMR_SPV_BINDING = 33,
    SMR_SPV_DESCRIPTOR_SET = 34,
    SMR_SPV_OFFSET = 35,
    SMR_SPV_NO_CONTRACTION = 42,
};

enum smr_spv_builtin { // "BuiltIn"
    SMR_SPV_NUM_WORKGROUPS = 24,
    SMR_SPV_WORKGROUP_SIZE = 25,
    SMR_SPV_WORKGROUP_ID = 26,
    SMR_SPV_LOCAL_INVOCATION_ID = 27,
    SMR_SPV_GLOBAL_INVOCATION_ID = 28,
    SMR_SPV_LOCAL_INVOCATION_INDEX = 29,
    SMR_SPV_SUBGROUP_SIZE = 36,
    SMR_SPV_NUM_SUBGROUPS = 38,
    SMR_SPV_SUBGROUP_ID = 40,
    SMR_SPV_SUBGROUP_INVOCATION_ID = 41,
};

enum { // "Loop Control"
    SMR_SPV_LOOP_UNROLL = 1,
    SMR_SPV_LOOP_DONT_UNROLL = 2,
    SMR_SPV_LOOP_DEPENDENCY_INFINITE = 4,
};

struct smr_spv_inst {
    uint32_t op;       // enum smr_spv_opcode
    uint32_t n_args;   // operands after the result's type and id
    uint32_t type, id; // of the result; 0: none
    const uint32_t *args;
};

// A decoration of an id, or of a member of a struct.
struct smr_spv_note {
    const struct smr_spv_note *next;
    uint32_t member; // SMR_SPV_WHOLE: of the id itself
    uint32_t kind;   // enum smr_spv_decoration
    uint32_t value;
};
#define SMR_SPV_WHOLE UINT32_MAX

struct smr_spv_id {
    const struct smr_spv_inst *def; // NULL: nothing has this id
    const struct smr_spv_note *notes;
    const char *name; // letters, digits and _; "" when it has none
    uint32_t block;   // of a label: index into blocks; of a function: into functions
    uint32_t n_uses;  // as a value, in functions
};

struct smr_spv_block {
    uint32_t label, function;         // function: index
    uint32_t begin, end;              // instructions after the label; the last is the terminator
    const struct smr_spv_inst *merge; // LoopMerge or SelectionMerge; NULL: none
};

struct smr_spv_function {
    const struct smr_spv_inst *def;
    uint32_t params, n_params; // first one's index in insts
    uint32_t blocks, n_blocks;
};

struct smr_spv {
    const char *name;       // of the kernel, for errors
    struct smr_arena arena; // owns all below
    uint32_t bound;         // ids are below
    struct smr_spv_id *ids;
    struct smr_spv_inst *insts;
    uint32_t n_insts;
    struct smr_spv_block *blocks;
    uint32_t n_blocks;
    struct smr_spv_function *functions;
    uint32_t n_functions;
    uint32_t entry;          // id of the function
    uint32_t local_size[3];  // unless an id has the builtin WorkgroupSize
    uint32_t workgroup_size; // that id, or 0
    bool no_contraction;     // something is `precise`
};

// Read a module; `words` must live as long as `module`, which smr_spv_finish() releases (also after
// a failure). Fails with an error that names the kernel and what is not understood.
bool smr_spv_read(smr_context *context, const char *name, const uint32_t *words, size_t n_words,
                  struct smr_spv *module);
void smr_spv_finish(struct smr_spv *module);

// "OpIAdd"; for opcodes that were left out on purpose, with the reason; "opcode 123".
void smr_spv_opcode_name(uint32_t op, char *text, size_t size);
// The operands of an opcode, in the letters above; NULL: unknown.
const char *smr_spv_operands(uint32_t op);

// Check the operands of a SpecConstantOp against the opcode in its first word, and make an
// instruction of that opcode.
bool smr_spv_constant_op(const struct smr_spv *module, const struct smr_spv_inst *inst,
                         struct smr_spv_inst *inner);

// ---- asking -----------------------------------------------------------------------------------

static inline const struct smr_spv_inst *smr_spv_def(const struct smr_spv *m, uint32_t id)
{
    return m->ids[id].def;
}

static inline uint32_t smr_spv_op(const struct smr_spv *m, uint32_t id)
{
    return m->ids[id].def->op;
}

// The value of a decoration; false when there is none.
bool smr_spv_decoration(const struct smr_spv *module, uint32_t id, uint32_t member, uint32_t kind,
                        uint32_t *value);

// Types. `type` is always the id of an instruction Type*.
static inline bool smr_spv_is_scalar(const struct smr_spv *m, uint32_t type)
{
    uint32_t op = smr_spv_op(m, type);
    return op == SMR_SPV_TypeBool || op == SMR_SPV_TypeInt || op == SMR_SPV_TypeFloat;
}
static inline bool smr_spv_is_vector(const struct smr_spv *m, uint32_t type)
{
    return smr_spv_op(m, type) == SMR_SPV_TypeVector;
}
static inline bool smr_spv_is_leaf(const struct smr_spv *m, uint32_t type) // scalar or vector
{
    return smr_spv_is_scalar(m, type) || smr_spv_is_vector(m, type);
}
// The scalar a scalar or vector is made of; the type itself for any other.
static inline uint32_t smr_spv_scalar(const struct smr_spv *m, uint32_t type)
{
    return smr_spv_is_vector(m, type) ? smr_spv_def(m, type)->args[0] : type;
}
static inline uint32_t smr_spv_n_components(const struct smr_spv *m, uint32_t type)
{
    return smr_spv_is_vector(m, type) ? smr_spv_def(m, type)->args[1] : 1;
}
static inline bool smr_spv_is(const struct smr_spv *m, uint32_t type, uint32_t op)
{
    return smr_spv_op(m, smr_spv_scalar(m, type)) == op;
}
static inline bool smr_spv_is_signed(const struct smr_spv *m, uint32_t type)
{
    const struct smr_spv_inst *def = smr_spv_def(m, smr_spv_scalar(m, type));
    return def->op == SMR_SPV_TypeInt && def->args[1];
}
// Bits of the scalar; 32 for bool, 0 for what has none.
uint32_t smr_spv_width(const struct smr_spv *module, uint32_t type);

// Of a vector, array or struct: the type of part `index`; 0: there is no such part. Any index of a
// runtime array and of an array with a specialised length is taken to exist.
uint32_t smr_spv_part(const struct smr_spv *module, uint32_t type, uint64_t index);

static inline uint32_t smr_spv_type_of(const struct smr_spv *m, uint32_t value)
{
    return m->ids[value].def->type;
}
static inline bool smr_spv_is_constant(const struct smr_spv *m, uint32_t id)
{
    return smr_spv_op(m, id) >= SMR_SPV_ConstantTrue && smr_spv_op(m, id) <= SMR_SPV_SpecConstantOp;
}
// The value of an integer constant that is not specialised; false for anything else.
bool smr_spv_integer(const struct smr_spv *module, uint32_t id, uint64_t *value);
