// spirv_read.c - reading a SPIR-V module: instructions, names, decorations, functions and blocks.
//
// The words come from our own compiler or from the disk cache, which may be damaged: nothing is
// believed that was not checked.
#include "device/opencl/spirv.h"

#include <stdio.h>
#include <string.h>

enum {
    HEADER_WORDS = 5,
    MOST_WORDS = 1 << 22,
    MOST_IDS = 1 << 20,
    MOST_NAME = 40, // characters of a name that are kept
};

struct reader {
    smr_context *context;
    struct smr_spv *module;
    const uint32_t *words;
    size_t n_words;
    struct smr_spv_function *function; // being read; NULL: outside
    struct smr_spv_block *block;       // being read; NULL: outside
};

static bool refuse(const struct reader *r, const char *format, ...) SMR_PRINTF(2, 3);
static bool refuse(const struct reader *r, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    smr_fail(r->context, SMR_ERROR, "kernel %s: its SPIR-V can't be translated to OpenCL C: %s",
             r->module->name, text);
    return false;
}

static bool refuse_inst(const struct reader *r, const struct smr_spv_inst *inst, const char *what)
{
    char name[64];
    smr_spv_opcode_name(inst->op, name, sizeof name);
    return refuse(r, "%s with id %u: %s", name, inst->id, what);
}

// ---- operands ---------------------------------------------------------------------------------

static bool is_type(const struct smr_spv *m, uint32_t id)
{
    return id < m->bound && m->ids[id].def && m->ids[id].def->op >= SMR_SPV_TypeVoid &&
           m->ids[id].def->op <= SMR_SPV_TypeFunction;
}

static bool is_value(const struct smr_spv *m, uint32_t id)
{
    return id < m->bound && m->ids[id].def && m->ids[id].def->type &&
           m->ids[id].def->op != SMR_SPV_Function;
}

static bool operand_fits(const struct smr_spv *m, char kind, uint32_t word)
{
    switch (kind) {
    case 'v':
        return is_value(m, word);
    case 't':
        return is_type(m, word);
    case 'n':
        return true;
    default: // 'x', 'f', 'l': may be defined later
        return word && word < m->bound;
    }
}

// Whether args[] are what `operands` (without T and R) says.
static bool operands_fit(const struct smr_spv *m, const char *operands, const uint32_t *args,
                         uint32_t n_args)
{
    uint32_t i = 0;
    for (; *operands; operands++) {
        if (operands[1] == '*') {
            for (; i < n_args; i++)
                if (!operand_fits(m, *operands, args[i]))
                    return false;
            operands++;
            continue;
        }
        if (i == n_args || !operand_fits(m, *operands, args[i++]))
            return false;
    }
    return i == n_args;
}

static const char *skip_result(const char *operands)
{
    operands += *operands == 'T';
    return operands + (*operands == 'R');
}

bool smr_spv_constant_op(const struct smr_spv *module, const struct smr_spv_inst *inst,
                         struct smr_spv_inst *inner)
{
    *inner = (struct smr_spv_inst){.op = inst->args[0],
                                   .n_args = inst->n_args - 1,
                                   .type = inst->type,
                                   .id = inst->id,
                                   .args = inst->args + 1};
    const char *operands = smr_spv_operands(inner->op);
    if (!operands || operands[0] != 'T' || inner->op < SMR_SPV_VectorShuffle ||
        inner->op >= SMR_SPV_ControlBarrier)
        return false;
    operands = skip_result(operands);
    if (!operands_fit(module, operands, inner->args, inner->n_args))
        return false;
    for (uint32_t i = 0; *operands == 'v' && i < inner->n_args; i++, operands++)
        if (!smr_spv_is_constant(module, inner->args[i]))
            return false;
    return true;
}

// ---- debug information and decorations --------------------------------------------------------

// The literal string in words[0 .. n), with what is not a letter, digit or _ made _, up to '('.
static char *read_name(struct reader *r, const uint32_t *words, uint32_t n)
{
    char text[MOST_NAME + 1];
    size_t size = 0;
    for (uint32_t i = 0; i < 4 * n && size < MOST_NAME; i++) {
        char c = (char)(words[i / 4] >> 8 * (i % 4) & 0xff);
        if (!c || c == '(')
            break;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        text[size++] = plain ? c : '_';
    }
    return smr_arena_strndup(&r->module->arena, text, size);
}

static bool is_text(const uint32_t *words, uint32_t n, const char *text)
{
    size_t size = strlen(text) + 1;
    for (size_t i = 0; i < size; i++)
        if (i / 4 >= n || (char)(words[i / 4] >> 8 * (i % 4) & 0xff) != text[i])
            return false;
    return true;
}

static bool add_note(struct reader *r, uint32_t id, uint32_t member, uint32_t kind, uint32_t value)
{
    struct smr_spv *m = r->module;
    struct smr_spv_note *note = smr_arena_alloc(&m->arena, 1, sizeof *note);
    if (!note)
        return false;
    *note = (struct smr_spv_note){
        .next = m->ids[id].notes, .member = member, .kind = kind, .value = value};
    m->ids[id].notes = note;
    m->no_contraction = m->no_contraction || kind == SMR_SPV_NO_CONTRACTION;
    if (kind == SMR_SPV_BUILTIN && value == SMR_SPV_WORKGROUP_SIZE && member == SMR_SPV_WHOLE)
        m->workgroup_size = id;
    return true;
}

static bool read_preamble(struct reader *r, const struct smr_spv_inst *inst)
{
    enum { GL_COMPUTE = 5, LOCAL_SIZE = 17 };
    struct smr_spv *m = r->module;
    const uint32_t *args = inst->args;
    switch (inst->op) {
    case SMR_SPV_Name:
        m->ids[args[0]].name = read_name(r, args + 1, inst->n_args - 1);
        return m->ids[args[0]].name;
    case SMR_SPV_Decorate:
        return add_note(r, args[0], SMR_SPV_WHOLE, args[1], inst->n_args > 2 ? args[2] : 0);
    case SMR_SPV_MemberDecorate:
        return add_note(r, args[0], args[1], args[2], inst->n_args > 3 ? args[3] : 0);
    case SMR_SPV_ExtInstImport:
        return is_text(args, inst->n_args, "GLSL.std.450") ||
               refuse_inst(r, inst, "a set of instructions that is not GLSL.std.450");
    case SMR_SPV_EntryPoint:
        if (m->entry || args[0] != GL_COMPUTE)
            return refuse_inst(r, inst, "not the one entry point of a compute shader");
        m->entry = args[1];
        return true;
    case SMR_SPV_ExecutionMode:
        if (args[1] == LOCAL_SIZE && inst->n_args == 5)
            memcpy(m->local_size, args + 2, sizeof m->local_size);
        return true;
    default:
        return true;
    }
}

// ---- types and constants ----------------------------------------------------------------------

static bool is_data(const struct smr_spv *m, uint32_t type)
{
    uint32_t op = smr_spv_op(m, type);
    return op >= SMR_SPV_TypeBool && op <= SMR_SPV_TypeStruct;
}

static bool good_type(const struct smr_spv *m, const struct smr_spv_inst *inst)
{
    const uint32_t *args = inst->args;
    uint64_t length;
    switch (inst->op) {
    case SMR_SPV_TypeInt:
        return (args[0] == 8 || args[0] == 16 || args[0] == 32 || args[0] == 64) && args[1] < 2;
    case SMR_SPV_TypeFloat:
        return args[0] == 16 || args[0] == 32 || args[0] == 64;
    case SMR_SPV_TypeVector:
        return smr_spv_is_scalar(m, args[0]) && args[1] >= 2 && args[1] <= 4;
    case SMR_SPV_TypeArray:
        return is_data(m, args[0]) && smr_spv_is_constant(m, args[1]) &&
               smr_spv_op(m, smr_spv_type_of(m, args[1])) == SMR_SPV_TypeInt &&
               (!smr_spv_integer(m, args[1], &length) || (length && length < 1 << 20));
    case SMR_SPV_TypeRuntimeArray:
        return is_data(m, args[0]);
    case SMR_SPV_TypeStruct:
        for (uint32_t i = 0; i < inst->n_args; i++)
            if (!is_data(m, args[i]))
                return false;
        return true;
    default:
        return true;
    }
}

static bool good_composite(const struct smr_spv *m, const struct smr_spv_inst *inst)
{
    uint32_t op = smr_spv_op(m, inst->type);
    uint64_t length;
    if (op != SMR_SPV_TypeVector && op != SMR_SPV_TypeArray && op != SMR_SPV_TypeStruct)
        return false;
    for (uint32_t i = 0; i < inst->n_args; i++)
        if (!smr_spv_part(m, inst->type, i) || !smr_spv_is_constant(m, inst->args[i]))
            return false;
    if (op == SMR_SPV_TypeArray &&
        !smr_spv_integer(m, smr_spv_def(m, inst->type)->args[1], &length))
        return inst->n_args;
    return inst->n_args && !smr_spv_part(m, inst->type, inst->n_args);
}

static bool good_constant(const struct smr_spv *m, const struct smr_spv_inst *inst)
{
    struct smr_spv_inst inner;
    switch (inst->op) {
    case SMR_SPV_ConstantTrue:
    case SMR_SPV_ConstantFalse:
    case SMR_SPV_SpecConstantTrue:
    case SMR_SPV_SpecConstantFalse:
        return smr_spv_op(m, inst->type) == SMR_SPV_TypeBool;
    case SMR_SPV_Constant:
    case SMR_SPV_SpecConstant:
        return smr_spv_is_scalar(m, inst->type) && smr_spv_op(m, inst->type) != SMR_SPV_TypeBool &&
               inst->n_args == (smr_spv_width(m, inst->type) == 64 ? 2u : 1u);
    case SMR_SPV_ConstantComposite:
    case SMR_SPV_SpecConstantComposite:
        return good_composite(m, inst);
    case SMR_SPV_ConstantNull:
        return is_data(m, inst->type);
    default:
        return smr_spv_constant_op(m, inst, &inner);
    }
}

// ---- functions --------------------------------------------------------------------------------

static bool is_terminator(uint32_t op)
{
    return (op >= SMR_SPV_Branch && op <= SMR_SPV_Switch) ||
           (op >= SMR_SPV_Return && op <= SMR_SPV_Unreachable);
}

static bool read_function(struct reader *r, const struct smr_spv_inst *inst, uint32_t index)
{
    struct smr_spv *m = r->module;
    if (r->function || smr_spv_op(m, inst->args[1]) != SMR_SPV_TypeFunction)
        return refuse_inst(r, inst, "in a wrong place, or of a wrong type");
    m->ids[inst->id].block = m->n_functions;
    r->function = &m->functions[m->n_functions++];
    *r->function =
        (struct smr_spv_function){.def = inst, .params = index + 1, .blocks = m->n_blocks};
    return true;
}

static bool read_label(struct reader *r, const struct smr_spv_inst *inst, uint32_t index)
{
    struct smr_spv *m = r->module;
    if (!r->function || r->block)
        return refuse_inst(r, inst, "in a wrong place");
    m->ids[inst->id].block = m->n_blocks;
    r->block = &m->blocks[m->n_blocks++];
    *r->block = (struct smr_spv_block){
        .label = inst->id, .function = m->n_functions - 1, .begin = index + 1};
    r->function->n_blocks++;
    return true;
}

// An instruction of a function's body.
static bool read_body(struct reader *r, const struct smr_spv_inst *inst, uint32_t index)
{
    struct smr_spv *m = r->module;
    switch (inst->op) {
    case SMR_SPV_Function:
        return read_function(r, inst, index);
    case SMR_SPV_FunctionParameter:
        if (!r->function || r->block || r->function->n_blocks ||
            r->function->params + r->function->n_params != index)
            return refuse_inst(r, inst, "in a wrong place");
        r->function->n_params++;
        return true;
    case SMR_SPV_Label:
        return read_label(r, inst, index);
    case SMR_SPV_FunctionEnd:
        if (!r->function || r->block || !r->function->n_blocks ||
            r->function->n_params + 1 != smr_spv_def(m, r->function->def->args[1])->n_args)
            return refuse_inst(r, inst, "of a function that is not complete");
        r->function = NULL;
        return true;
    default:
        break;
    }
    if (!r->block)
        return refuse_inst(r, inst, "in a wrong place");
    if (r->block->merge && !is_terminator(inst->op))
        return refuse_inst(r, inst, "between a merge and its branch");
    if (inst->op == SMR_SPV_LoopMerge || inst->op == SMR_SPV_SelectionMerge)
        r->block->merge = inst;
    if (is_terminator(inst->op)) {
        r->block->end = index + 1;
        r->block = NULL;
    }
    return true;
}

// ---- instructions -----------------------------------------------------------------------------

static bool is_anywhere(uint32_t op)
{
    return op == SMR_SPV_Nop || op == SMR_SPV_Line || op == SMR_SPV_NoLine;
}

static bool read_inst(struct reader *r, const struct smr_spv_inst *inst, uint32_t index)
{
    struct smr_spv *m = r->module;
    uint32_t op = inst->op;
    if (is_anywhere(op))
        return true;
    if (op < SMR_SPV_TypeVoid && op != SMR_SPV_Undef && op != SMR_SPV_ExtInst)
        return read_preamble(r, inst);
    if (op == SMR_SPV_Decorate || op == SMR_SPV_MemberDecorate || op == SMR_SPV_ModuleProcessed)
        return read_preamble(r, inst);
    if (op <= SMR_SPV_TypeFunction && op >= SMR_SPV_TypeVoid)
        return !r->function && good_type(m, inst) ? true
                                                  : refuse_inst(r, inst, "of a form not known");
    if (op <= SMR_SPV_SpecConstantOp && op >= SMR_SPV_ConstantTrue)
        return !r->function && good_constant(m, inst)
                   ? true
                   : refuse_inst(r, inst, "a constant of a form not known");
    if (op == SMR_SPV_Variable) {
        const struct smr_spv_inst *type = smr_spv_def(m, inst->type);
        if (type->op != SMR_SPV_TypePointer || type->args[0] != inst->args[0] ||
            !is_data(m, type->args[1]) || inst->n_args > 2)
            return refuse_inst(r, inst, "of a wrong type");
        if (!r->function)
            return true;
    }
    if (op == SMR_SPV_Undef && !r->function)
        return refuse_inst(r, inst, "outside a function");
    return read_body(r, inst, index);
}

// Split words at `at` into an instruction, and check its operands. Its result is defined then.
static bool split(struct reader *r, size_t at, struct smr_spv_inst *inst)
{
    struct smr_spv *m = r->module;
    uint32_t n = r->words[at] >> 16, skip = 1;
    *inst = (struct smr_spv_inst){.op = r->words[at] & 0xffff, .args = r->words + at};
    const char *operands = smr_spv_operands(inst->op);
    char name[64];
    smr_spv_opcode_name(inst->op, name, sizeof name);
    if (!operands)
        return refuse(r, "%s is not supported", name);
    if (*operands == 'T' && n > skip)
        inst->type = r->words[at + skip++];
    bool has_result = operands[*operands == 'T'] == 'R';
    if (has_result && n > skip)
        inst->id = r->words[at + skip++];
    inst->args = r->words + at + skip;
    inst->n_args = n - skip;
    if (*operands == 'T' && !is_type(m, inst->type))
        return refuse(r, "%s without a type", name);
    if (has_result && (!inst->id || inst->id >= m->bound || m->ids[inst->id].def))
        return refuse(r, "%s with a bad id %u", name, inst->id);
    if (!operands_fit(m, skip_result(operands), inst->args, inst->n_args))
        return refuse_inst(r, inst, "wrong operands");
    if (inst->id)
        m->ids[inst->id].def = inst;
    return true;
}

// Count instructions, functions and blocks, which must fill the words exactly.
static bool count(struct reader *r, uint32_t *n_insts, uint32_t *n_functions, uint32_t *n_blocks)
{
    *n_insts = *n_functions = *n_blocks = 0;
    for (size_t at = HEADER_WORDS; at < r->n_words;) {
        uint32_t n = r->words[at] >> 16, op = r->words[at] & 0xffff;
        if (!n || n > r->n_words - at)
            return refuse(r, "instruction %u is cut off", *n_insts);
        at += n;
        ++*n_insts;
        *n_functions += op == SMR_SPV_Function;
        *n_blocks += op == SMR_SPV_Label;
    }
    return true;
}

// ---- what can only be checked at the end ------------------------------------------------------

static bool is_label_here(const struct smr_spv *m, uint32_t id, uint32_t function)
{
    return id < m->bound && m->ids[id].def && m->ids[id].def->op == SMR_SPV_Label &&
           m->blocks[m->ids[id].block].function == function;
}

static bool check_call(const struct smr_spv *m, const struct smr_spv_inst *inst)
{
    const struct smr_spv_inst *called = m->ids[inst->args[0]].def;
    return called && called->op == SMR_SPV_Function &&
           smr_spv_def(m, called->args[1])->n_args == inst->n_args;
}

static bool check_switch(const struct smr_spv *m, const struct smr_spv_inst *inst,
                         uint32_t function)
{
    if (smr_spv_width(m, smr_spv_type_of(m, inst->args[0])) > 32 || inst->n_args % 2)
        return false;
    for (uint32_t i = 1; i < inst->n_args; i += 2)
        if (!is_label_here(m, inst->args[i], function))
            return false;
    return true;
}

static bool check_phi(const struct smr_spv *m, const struct smr_spv_inst *inst, uint32_t function)
{
    if (inst->n_args % 2)
        return false;
    for (uint32_t i = 0; i < inst->n_args; i += 2)
        if (!is_value(m, inst->args[i]) || !is_label_here(m, inst->args[i + 1], function))
            return false;
    return true;
}

static bool check_targets(const struct smr_spv *m, const struct smr_spv_inst *inst,
                          uint32_t function)
{
    const char *operands = skip_result(smr_spv_operands(inst->op));
    for (uint32_t i = 0; i < inst->n_args && operands[i] && operands[i] != '*'; i++)
        if (operands[i] == 'l' && !is_label_here(m, inst->args[i], function))
            return false;
    switch (inst->op) {
    case SMR_SPV_FunctionCall:
        return check_call(m, inst);
    case SMR_SPV_Switch:
        return check_switch(m, inst, function);
    case SMR_SPV_Phi:
        return check_phi(m, inst, function);
    default:
        return true;
    }
}

static void count_uses(struct smr_spv *m, const struct smr_spv_inst *inst)
{
    const char *operands = skip_result(smr_spv_operands(inst->op));
    for (uint32_t i = 0; i < inst->n_args; i++) {
        if (*operands == 'v' || (inst->op == SMR_SPV_Phi && i % 2 == 0))
            m->ids[inst->args[i]].n_uses++;
        if (operands[0] && operands[1] != '*')
            operands++;
    }
}

static bool check_functions(struct reader *r)
{
    struct smr_spv *m = r->module;
    for (uint32_t b = 0; b < m->n_blocks; b++) {
        const struct smr_spv_block *block = &m->blocks[b];
        for (uint32_t i = block->begin; i < block->end; i++) {
            if (!check_targets(m, &m->insts[i], block->function))
                return refuse_inst(r, &m->insts[i], "a wrong label, function or value");
            count_uses(m, &m->insts[i]);
        }
    }
    const struct smr_spv_inst *entry = m->entry < m->bound ? m->ids[m->entry].def : NULL;
    if (!entry || entry->op != SMR_SPV_Function || smr_spv_def(m, entry->args[1])->n_args != 1)
        return refuse(r, "no entry point");
    if (m->workgroup_size &&
        (!m->ids[m->workgroup_size].def || !smr_spv_is_constant(m, m->workgroup_size) ||
         !is_data(m, smr_spv_type_of(m, m->workgroup_size)) ||
         smr_spv_n_components(m, smr_spv_type_of(m, m->workgroup_size)) != 3))
        return refuse(r, "a workgroup size that is not a constant");
    return true;
}

// ---- the whole --------------------------------------------------------------------------------

static bool read_all(struct reader *r)
{
    struct smr_spv *m = r->module;
    uint32_t n_insts, n_functions, n_blocks;
    if (!count(r, &n_insts, &n_functions, &n_blocks))
        return false;
    m->ids = smr_arena_alloc(&m->arena, m->bound, sizeof *m->ids);
    m->insts = smr_arena_alloc(&m->arena, n_insts, sizeof *m->insts);
    m->functions = smr_arena_alloc(&m->arena, n_functions + 1, sizeof *m->functions);
    m->blocks = smr_arena_alloc(&m->arena, n_blocks + 1, sizeof *m->blocks);
    if (!m->ids || !m->insts || !m->functions || !m->blocks)
        return false;
    for (uint32_t i = 0; i < m->bound; i++)
        m->ids[i].name = "";
    for (size_t at = HEADER_WORDS; at < r->n_words; at += r->words[at] >> 16) {
        struct smr_spv_inst *inst = &m->insts[m->n_insts];
        if (!split(r, at, inst) || !read_inst(r, inst, m->n_insts))
            return false;
        m->n_insts++;
    }
    if (r->function || r->block)
        return refuse(r, "the last function has no end");
    return check_functions(r);
}

bool smr_spv_read(smr_context *context, const char *name, const uint32_t *words, size_t n_words,
                  struct smr_spv *module)
{
    enum { MAGIC = 0x07230203, VERSION_1_3 = 0x10300 };
    struct reader r = {.context = context, .module = module, .words = words, .n_words = n_words};
    *module = (struct smr_spv){.name = name, .local_size = {1, 1, 1}};
    smr_arena_init(&module->arena, context);
    if (n_words < HEADER_WORDS || n_words > MOST_WORDS || words[0] != MAGIC)
        return refuse(&r, "%zu words that are not a module", n_words);
    if (words[1] > VERSION_1_3)
        return refuse(&r, "version %u.%u; at most 1.3 is supported", words[1] >> 16,
                      words[1] >> 8 & 0xff);
    module->bound = words[3];
    if (!module->bound || module->bound > MOST_IDS)
        return refuse(&r, "%u ids", module->bound);
    return read_all(&r);
}

void smr_spv_finish(struct smr_spv *module)
{
    smr_arena_finish(&module->arena);
    *module = (struct smr_spv){0};
}
