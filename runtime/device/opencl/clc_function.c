// clc_function.c - functions: parameters, calls, the instructions of a block.
#include "device/opencl/clc.h"

#include <string.h>

enum { MOST_GLOBALS = 64, MOST_FUNCTIONS = 1024 };

// ---- variables of the module ------------------------------------------------------------------

static const char *variable_name(struct smr_clc *c, uint32_t id)
{
    const char *name = c->module->ids[id].name;
    return smr_clc_text(c, "%s%s_%u", c->prefix, *name ? name : "v", id);
}

// Whether nothing writes a buffer, as its declaration says.
static bool is_read_only(const struct smr_clc *c, uint32_t id, uint32_t type)
{
    const struct smr_spv_inst *def = smr_spv_def(c->module, type);
    if (smr_spv_decoration(c->module, id, SMR_SPV_WHOLE, SMR_SPV_NON_WRITABLE, NULL))
        return true;
    if (def->op != SMR_SPV_TypeStruct)
        return false;
    for (uint32_t i = 0; i < def->n_args; i++)
        if (!smr_spv_decoration(c->module, type, i, SMR_SPV_NON_WRITABLE, NULL))
            return false;
    return true;
}

// The element's C type of a buffer that is nothing but an array of scalars or vectors; else NULL.
static const char *flat_element(struct smr_clc *c, uint32_t type)
{
    const struct smr_spv *m = c->module;
    const struct smr_spv_inst *def = smr_spv_def(m, type);
    uint32_t offset = 0, stride = 0;
    if (def->op != SMR_SPV_TypeStruct || def->n_args != 1 ||
        smr_spv_op(m, def->args[0]) != SMR_SPV_TypeRuntimeArray ||
        !smr_spv_decoration(m, type, 0, SMR_SPV_OFFSET, &offset) || offset ||
        !smr_spv_decoration(m, def->args[0], SMR_SPV_WHOLE, SMR_SPV_ARRAY_STRIDE, &stride))
        return NULL;
    uint32_t element = smr_spv_def(m, def->args[0])->args[0];
    if (!smr_spv_is_leaf(m, element))
        return NULL;
    uint32_t n = smr_spv_n_components(m, element);
    if (n == 3 || stride != n * smr_spv_width(m, element) / 8)
        return NULL;
    return smr_clc_stored_type(c, element, n);
}

static void add_buffer(struct smr_clc *c, struct smr_clc_global *global)
{
    uint32_t set = 0;
    if (!smr_spv_decoration(c->module, global->id, SMR_SPV_WHOLE, SMR_SPV_BINDING,
                            &global->binding) ||
        !smr_spv_decoration(c->module, global->id, SMR_SPV_WHOLE, SMR_SPV_DESCRIPTOR_SET, &set) ||
        set || global->binding >= 64 || smr_spv_op(c->module, global->type) != SMR_SPV_TypeStruct) {
        smr_clc_refuse(c, "buffer %s is not one of set 0 with a binding below 64",
                       c->module->ids[global->id].name);
        return;
    }
    global->name = smr_clc_text(c, "b%u", global->binding);
    global->read_only = is_read_only(c, global->id, global->type);
    const char *flat = flat_element(c, global->type);
    global->element = flat ? flat : "uchar";
    global->base = flat ? global->name : NULL;
    for (const struct smr_clc_global *other = c->globals; other < global; other++) {
        if (other->storage != SMR_SPV_STORAGE_BUFFER || other->binding != global->binding)
            continue;
        if (!other->read_only || !global->read_only)
            smr_clc_refuse(c, "binding %u is declared twice, and not read-only", global->binding);
        if (flat && strcmp(other->element, flat) != 0)
            global->base = smr_clc_text(c, "((__global const %s *)%s)", flat, global->name);
        global->element = other->element; // of the parameter
    }
}

static void add_global(struct smr_clc *c, const struct smr_spv_inst *inst)
{
    uint32_t storage = inst->args[0];
    if (storage == SMR_SPV_FUNCTION || storage == SMR_SPV_INPUT)
        return;
    if (c->n_globals == MOST_GLOBALS) {
        smr_clc_refuse(c, "more than %d variables of the module", MOST_GLOBALS);
        return;
    }
    struct smr_clc_global *global = &c->globals[c->n_globals];
    *global = (struct smr_clc_global){
        .id = inst->id, .type = smr_spv_def(c->module, inst->type)->args[1], .storage = storage};
    switch (storage) {
    case SMR_SPV_STORAGE_BUFFER:
        add_buffer(c, global);
        break;
    case SMR_SPV_PUSH_CONSTANT:
        global->name = "pc";
        if (smr_clc_size(c, global->type) > c->push_size)
            smr_clc_refuse(c, "%llu bytes of push constants, the kernel has %u",
                           (unsigned long long)smr_clc_size(c, global->type), c->push_size);
        break;
    case SMR_SPV_WORKGROUP:
    case SMR_SPV_PRIVATE:
        global->name = variable_name(c, inst->id);
        if (storage == SMR_SPV_WORKGROUP && inst->n_args > 1)
            smr_clc_refuse(c, "shared memory with an initial value");
        break;
    default:
        smr_clc_refuse(c,
                       "variable %s of storage class %u: only storage buffers, push constants, "
                       "shared memory and plain variables are supported",
                       c->module->ids[inst->id].name, storage);
        break;
    }
    c->n_globals++;
}

const char *smr_clc_shared_space(const struct smr_clc *c, const struct smr_clc_global *global)
{
    return global->storage == SMR_SPV_WORKGROUP && !smr_clc_chained(c) ? "__local " : "";
}

bool smr_clc_has_barrier(const struct smr_clc *c, const struct smr_spv_inst *inst)
{
    if (inst->op == SMR_SPV_ControlBarrier || smr_clc_is_subgroup_op(inst->op))
        return !smr_clc_chained(c);
    return inst->op == SMR_SPV_FunctionCall && c->barriers[c->module->ids[inst->args[0]].block];
}

// What a function uses itself.
static void note_uses(struct smr_clc *c, const struct smr_spv_block *block)
{
    bool *uses = c->uses + (size_t)block->function * c->n_globals;
    for (uint32_t i = block->begin; i < block->end; i++) {
        const struct smr_spv_inst *inst = &c->module->insts[i];
        if (smr_clc_has_barrier(c, inst))
            c->barriers[block->function] = true;
        for (uint32_t k = 0; k < inst->n_args; k++)
            for (uint32_t g = 0; g < c->n_globals; g++)
                uses[g] = uses[g] || inst->args[k] == c->globals[g].id;
    }
}

// Add what the functions use that `block` calls. Whether that was news.
static bool note_calls(struct smr_clc *c, const struct smr_spv_block *block)
{
    bool news = false, *uses = c->uses + (size_t)block->function * c->n_globals;
    for (uint32_t i = block->begin; i < block->end; i++) {
        const struct smr_spv_inst *inst = &c->module->insts[i];
        if (inst->op != SMR_SPV_FunctionCall)
            continue;
        const bool *called = c->uses + (size_t)c->module->ids[inst->args[0]].block * c->n_globals;
        for (uint32_t g = 0; g < c->n_globals; g++) {
            news = news || (called[g] && !uses[g]);
            uses[g] = uses[g] || called[g];
        }
        bool barrier = smr_clc_has_barrier(c, inst);
        news = news || (barrier && !c->barriers[block->function]);
        c->barriers[block->function] = c->barriers[block->function] || barrier;
    }
    return news;
}

void smr_clc_find_globals(struct smr_clc *c)
{
    const struct smr_spv *m = c->module;
    c->globals = smr_arena_alloc(&c->arena, MOST_GLOBALS, sizeof *c->globals);
    c->failed = c->failed || !c->globals;
    for (uint32_t i = 0; i < m->n_insts && !c->failed; i++)
        if (m->insts[i].op == SMR_SPV_Variable)
            add_global(c, &m->insts[i]);
    if (m->n_functions > MOST_FUNCTIONS)
        smr_clc_refuse(c, "%u functions", m->n_functions);
    if (c->failed)
        return;
    c->uses = smr_arena_alloc(&c->arena, m->n_functions, c->n_globals + 1);
    c->barriers = smr_arena_alloc(&c->arena, m->n_functions, sizeof *c->barriers);
    c->failed = !c->uses || !c->barriers;
    for (uint32_t b = 0; b < m->n_blocks && !c->failed; b++)
        note_uses(c, &m->blocks[b]);
    for (bool news = true; news && !c->failed;) {
        news = false;
        for (uint32_t b = 0; b < m->n_blocks; b++)
            news = note_calls(c, &m->blocks[b]) || news;
    }
}

// ---- parameters -------------------------------------------------------------------------------

static const char *global_parameter(struct smr_clc *c, const struct smr_clc_global *global,
                                    const char *restricted)
{
    switch (global->storage) {
    case SMR_SPV_STORAGE_BUFFER:
        return smr_clc_text(c, "__global %s%s *%s%s", global->read_only ? "const " : "",
                            global->element, restricted, global->name);
    case SMR_SPV_PUSH_CONSTANT:
        return smr_clc_text(c, "const %spush_constants *const pc", c->prefix);
    default:
        return smr_clc_text(c, "%s%s *const %s", smr_clc_shared_space(c, global),
                            smr_clc_type(c, global->type), global->name);
    }
}

// Whether another variable before this one is the same parameter.
static bool is_repeated(const struct smr_clc *c, uint32_t index)
{
    const struct smr_clc_global *global = &c->globals[index];
    for (uint32_t i = 0; i < index; i++)
        if (global->storage == SMR_SPV_STORAGE_BUFFER &&
            c->globals[i].storage == SMR_SPV_STORAGE_BUFFER &&
            c->globals[i].binding == global->binding)
            return true;
    return false;
}

// Whether function `index` gets this variable, or another one that is the same parameter.
static bool gets(const struct smr_clc *c, uint32_t function, uint32_t index)
{
    const bool *uses = c->uses + (size_t)function * c->n_globals;
    if (is_repeated(c, index))
        return false;
    for (uint32_t i = index; i < c->n_globals; i++)
        if (uses[i] && (i == index || (c->globals[i].storage == SMR_SPV_STORAGE_BUFFER &&
                                       c->globals[index].storage == SMR_SPV_STORAGE_BUFFER &&
                                       c->globals[i].binding == c->globals[index].binding)))
            return true;
    return false;
}

static const char *own_parameter(struct smr_clc *c, const struct smr_spv_inst *param, bool named)
{
    const struct smr_spv_inst *type = smr_spv_def(c->module, param->type);
    if (type->op != SMR_SPV_TypePointer)
        return smr_clc_text(c, named ? "const %s t%u" : "const %s", smr_clc_type(c, param->type),
                            param->id);
    if (type->args[0] != SMR_SPV_FUNCTION ||
        smr_spv_op(c->module, type->args[1]) <= SMR_SPV_TypeVoid)
        smr_clc_refuse(c, "a parameter that is a pointer into a buffer or shared memory");
    const char *pointed = smr_clc_type(c, type->args[1]);
    return named ? smr_clc_text(c, "%s *%s", pointed, variable_name(c, param->id))
                 : smr_clc_text(c, "%s *", pointed);
}

static void add_text(struct smr_clc *c, struct smr_string *string, const char *text)
{
    smr_string_add(string, text, strlen(text));
    c->failed = c->failed || string->failed;
}

static const char chain_parameter[] = "const smr_place *const at";

// "smr_static float f_12(const float t3, __global const uint *b0)"
static void signature(struct smr_clc *c, const struct smr_spv_function *function, bool named)
{
    const struct smr_spv *m = c->module;
    uint32_t index = m->ids[function->def->id].block, n = 0;
    add_text(c, &c->functions,
             smr_clc_text(c, "smr_static %s %s(", smr_clc_type(c, function->def->type),
                          variable_name(c, function->def->id)));
    if (smr_clc_chained(c) && ++n)
        add_text(c, &c->functions, chain_parameter);
    for (uint32_t i = 0; i < function->n_params && !c->failed; i++) {
        add_text(c, &c->functions, n++ ? ", " : "");
        add_text(c, &c->functions, own_parameter(c, &m->insts[function->params + i], named));
    }
    for (uint32_t g = 0; g < c->n_globals && !c->failed; g++)
        if (gets(c, index, g)) {
            add_text(c, &c->functions, n++ ? ", " : "");
            add_text(c, &c->functions, global_parameter(c, &c->globals[g], ""));
        }
    if (c->barriers[index])
        add_text(c, &c->functions, n++ ? ", __local int *const guard" : "__local int *const guard");
    add_text(c, &c->functions, n ? ")" : "void)");
}

void smr_clc_prototypes(struct smr_clc *c)
{
    for (uint32_t i = 0; i < c->module->n_functions && !c->failed; i++) {
        const struct smr_spv_function *function = &c->module->functions[i];
        if (function->def->id == c->module->entry)
            continue;
        signature(c, function, false);
        add_text(c, &c->functions, ";\n");
    }
}

// ---- calls ------------------------------------------------------------------------------------

static const char *call_argument(struct smr_clc *c, uint32_t id)
{
    const struct smr_spv_inst *type = smr_spv_def(c->module, smr_spv_type_of(c->module, id));
    if (type->op != SMR_SPV_TypePointer)
        return smr_clc_use(c, id);
    const struct smr_clc_pointer *p = smr_clc_pointer_of(c, id);
    if (p->place != SMR_CLC_LVALUE || p->space[0] || p->lane)
        smr_clc_refuse(c, "a pointer into a buffer or shared memory is handed to a function");
    return smr_clc_text(c, "&%s", p->text);
}

static void call(struct smr_clc *c, const struct smr_spv_inst *inst)
{
    struct smr_string text;
    smr_string_init(&text, c->context);
    uint32_t index = c->module->ids[inst->args[0]].block, n = 0;
    smr_string_printf(&text, "%s(", variable_name(c, inst->args[0]));
    if (smr_clc_chained(c) && ++n)
        smr_string_printf(&text, "at");
    for (uint32_t i = 1; i < inst->n_args && !c->failed; i++)
        smr_string_printf(&text, "%s%s", n++ ? ", " : "", call_argument(c, inst->args[i]));
    for (uint32_t g = 0; g < c->n_globals && !c->failed; g++) {
        bool variable =
            c->globals[g].storage == SMR_SPV_WORKGROUP || c->globals[g].storage == SMR_SPV_PRIVATE;
        if (gets(c, index, g))
            smr_string_printf(&text, "%s%s%s", n++ ? ", " : "", variable && c->in_kernel ? "&" : "",
                              c->globals[g].name);
    }
    if (c->barriers[index])
        smr_string_printf(&text, n++ ? ", guard" : "guard");
    smr_string_printf(&text, ")");
    c->failed = c->failed || text.failed;
    smr_clc_flush(c, true, 0); // it may write memory
    if (!c->failed && c->module->ids[inst->id].n_uses)
        smr_clc_assign(c, inst->id, text.data);
    else if (!c->failed)
        smr_clc_statement(c, "%s", text.data);
    smr_string_finish(&text);
}

// ---- instructions -----------------------------------------------------------------------------

static void declare_variable(struct smr_clc *c, const struct smr_spv_inst *inst)
{
    uint32_t type = smr_spv_def(c->module, inst->type)->args[1];
    struct smr_clc_pointer *p = smr_arena_alloc(&c->arena, 1, sizeof *p);
    const char *name = variable_name(c, inst->id);
    c->failed = c->failed || !p;
    if (c->failed || inst->args[0] != SMR_SPV_FUNCTION)
        return;
    *p = (struct smr_clc_pointer){.place = SMR_CLC_LVALUE, .type = type, .text = name, .space = ""};
    c->values[inst->id].pointer = p;
    smr_string_printf(&c->locals, "    %s %s;\n", smr_clc_type(c, type), name);
    c->failed = c->failed || c->locals.failed;
    if (inst->n_args > 1)
        smr_clc_statement(c, "%s = %s", name, smr_clc_use(c, inst->args[1]));
}

static void print_barrier(struct smr_clc *c, const struct smr_spv_inst *inst)
{
    enum { UNIFORM_MEMORY = 0x40 }; // specification, "Memory Semantics": buffers too
    enum { SUBGROUP = 3 };          // "Scope"
    uint64_t semantics = UNIFORM_MEMORY, scope = 0;
    bool barrier = inst->op == SMR_SPV_ControlBarrier;
    bool subgroup =
        barrier && smr_spv_integer(c->module, inst->args[0], &scope) && scope == SUBGROUP;
    smr_spv_integer(c->module, inst->args[inst->n_args - 1], &semantics);
    smr_clc_flush(c, true, 0);
    if (smr_clc_chained(c))
        return;
    smr_clc_control(c, "%s(CLK_LOCAL_MEM_FENCE%s);",
                    subgroup  ? "sub_group_barrier"
                    : barrier ? "smr_barrier"
                              : "mem_fence",
                    semantics & UNIFORM_MEMORY ? " | CLK_GLOBAL_MEM_FENCE" : "");
}

// Whether `next` uses the pointer `id` as the place of a load, store or atomic, or of a further
// chain.
static bool is_used_by(const struct smr_spv_inst *next, uint32_t id)
{
    bool uses = next->op == SMR_SPV_Load || next->op == SMR_SPV_Store ||
                (next->op >= SMR_SPV_AtomicLoad && next->op <= SMR_SPV_AtomicXor);
    return uses && next->args[0] == id;
}

static bool is_nothing(uint32_t op)
{
    return op == SMR_SPV_Nop || op == SMR_SPV_Line || op == SMR_SPV_NoLine || op == SMR_SPV_Phi ||
           op == SMR_SPV_LoopMerge || op == SMR_SPV_SelectionMerge;
}

static bool is_atomic(uint32_t op)
{
    return op >= SMR_SPV_AtomicLoad && op <= SMR_SPV_AtomicXor;
}

void smr_clc_instruction(struct smr_clc *c, const struct smr_spv_inst *inst,
                         const struct smr_spv_inst *next)
{
    c->reads = false;
    if (is_nothing(inst->op))
        return;
    c->n_barriers += smr_clc_has_barrier(c, inst);
    if (inst->op == SMR_SPV_Store)
        smr_clc_flush(c, true, inst->args[1]);
    else if (is_atomic(inst->op))
        smr_clc_flush(c, true, 0);
    switch (inst->op) {
    case SMR_SPV_Variable:
        declare_variable(c, inst);
        return;
    case SMR_SPV_AccessChain:
    case SMR_SPV_InBoundsAccessChain:
        smr_clc_chain(c, inst, is_used_by(next, inst->id));
        return;
    case SMR_SPV_Load:
        smr_clc_load(c, inst);
        return;
    case SMR_SPV_Store:
        smr_clc_store(c, inst);
        return;
    case SMR_SPV_FunctionCall:
        call(c, inst);
        return;
    case SMR_SPV_CompositeExtract:
    case SMR_SPV_VectorExtractDynamic:
        smr_clc_extract(c, inst);
        return;
    case SMR_SPV_CompositeInsert:
    case SMR_SPV_VectorInsertDynamic:
        smr_clc_insert(c, inst);
        return;
    case SMR_SPV_ControlBarrier:
    case SMR_SPV_MemoryBarrier:
        print_barrier(c, inst);
        return;
    default:
        break;
    }
    if (smr_clc_is_subgroup_op(inst->op)) {
        smr_clc_subgroup(c, inst);
        return;
    }
    if (smr_clc_atomic(c, inst) || smr_clc_pair(c, inst))
        return;
    const char *text = smr_clc_expression(c, inst);
    if (text) {
        smr_clc_define(c, inst, text);
    } else {
        char name[64];
        smr_spv_opcode_name(inst->op, name, sizeof name);
        smr_clc_refuse(c, "%s in a function", name);
    }
}

// ---- a function -------------------------------------------------------------------------------

// "SPEC0, 1u, 1u"
static const char *workgroup_size(struct smr_clc *c)
{
    const struct smr_spv *m = c->module;
    const struct smr_spv_inst *def = m->workgroup_size ? smr_spv_def(m, m->workgroup_size) : NULL;
    if (def && def->n_args == 3 && def->op != SMR_SPV_SpecConstantOp)
        return smr_clc_text(c, "%s, %s, %s", smr_clc_constant(c, def->args[0]),
                            smr_clc_constant(c, def->args[1]), smr_clc_constant(c, def->args[2]));
    return smr_clc_text(c, "%uu, %uu, %uu", m->local_size[0], m->local_size[1], m->local_size[2]);
}

static void kernel_signature(struct smr_clc *c, uint32_t n_bindings)
{
    uint32_t n_before = smr_clc_chained(c);
    if (smr_clc_chained(c))
        add_text(c, &c->functions,
                 smr_clc_text(c, "smr_static SMR_WIDE void %s(%s", c->prefix, chain_parameter));
    else
        add_text(c, &c->functions,
                 smr_clc_text(c,
                              "__kernel SMR_WIDE __attribute__((reqd_work_group_size(%s)))\n"
                              "void samara(",
                              workgroup_size(c)));
    for (uint32_t b = 0; b < n_bindings; b++) {
        const char *text = NULL;
        for (uint32_t g = 0; g < c->n_globals && !text; g++)
            if (c->globals[g].storage == SMR_SPV_STORAGE_BUFFER && c->globals[g].binding == b)
                text = global_parameter(c, &c->globals[g], "restrict ");
        if (!text)
            text = smr_clc_text(c, "__global const uchar *b%u", b);
        add_text(c, &c->functions, n_before++ ? ",\n    " : "");
        add_text(c, &c->functions, text);
    }
    if (c->push_size)
        add_text(
            c, &c->functions,
            smr_clc_text(c, "%sconst %spush_constants push", n_before ? ",\n    " : "", c->prefix));
    add_text(c, &c->functions, ")");
}

// Variables of the module live in the kernel. Arrays begin at a line of the cache: a processor takes twice
// as long to load a vector from two of them.
static void kernel_variables(struct smr_clc *c)
{
    static const char aligned[] = " __attribute__((aligned(64)))";
    if (c->push_size)
        smr_string_printf(&c->locals, "    const %spush_constants *const pc = &push;\n", c->prefix);
    if (c->barriers[c->module->ids[c->module->entry].block])
        smr_string_printf(&c->locals, "    smr_declare_guard();\n");
    for (uint32_t g = 0; g < c->n_globals; g++) {
        const struct smr_clc_global *global = &c->globals[g];
        if (global->storage != SMR_SPV_WORKGROUP && global->storage != SMR_SPV_PRIVATE)
            continue;
        const bool is_array = smr_spv_op(c->module, global->type) == SMR_SPV_TypeArray;
        smr_string_printf(&c->locals, "    %s%s %s%s;\n", smr_clc_shared_space(c, global),
                          smr_clc_type(c, global->type), global->name, is_array ? aligned : "");
        const struct smr_spv_inst *def = smr_spv_def(c->module, global->id);
        if (global->storage == SMR_SPV_PRIVATE && def->n_args > 1)
            smr_clc_statement(c, "%s = %s", global->name, smr_clc_use(c, def->args[1]));
    }
}

static void add_pointer_parameters(struct smr_clc *c)
{
    for (uint32_t i = 0; i < c->function->n_params && !c->failed; i++) {
        const struct smr_spv_inst *param = &c->module->insts[c->function->params + i];
        const struct smr_spv_inst *type = smr_spv_def(c->module, param->type);
        struct smr_clc_pointer *p = smr_arena_alloc(&c->arena, 1, sizeof *p);
        c->failed = c->failed || !p;
        if (c->failed || type->op != SMR_SPV_TypePointer)
            continue;
        *p = (struct smr_clc_pointer){.place = SMR_CLC_LVALUE,
                                      .type = type->args[1],
                                      .text = smr_clc_text(c, "(*%s)", variable_name(c, param->id)),
                                      .space = ""};
        c->values[param->id].pointer = p;
    }
}

void smr_clc_function(struct smr_clc *c, const struct smr_spv_function *function,
                      uint32_t n_bindings)
{
    struct smr_string body;
    smr_string_init(&body, c->context);
    smr_string_init(&c->locals, c->context);
    c->function = function;
    c->in_kernel = function->def->id == c->module->entry;
    c->out = &body;
    c->indent = 1;
    c->n_pending = 0;
    add_pointer_parameters(c);
    if (c->in_kernel)
        kernel_variables(c);
    smr_clc_body(c);
    if (c->in_kernel)
        kernel_signature(c, n_bindings);
    else
        signature(c, function, true);
    add_text(c, &c->functions, "\n{\n");
    if (c->locals.size)
        add_text(c, &c->functions, c->locals.data);
    if (body.size)
        add_text(c, &c->functions, body.data);
    add_text(c, &c->functions, "}\n");
    c->failed = c->failed || c->locals.failed || body.failed;
    smr_string_finish(&c->locals);
    smr_string_finish(&body);
}
