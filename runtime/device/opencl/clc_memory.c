// clc_memory.c - pointers, and what goes through them: loads, stores, atomics, parts of aggregates.
#include "device/opencl/clc.h"

#include <string.h>

static const struct smr_clc_pointer nowhere = {.place = SMR_CLC_LVALUE, .text = "0", .space = ""};

static bool is_half(const struct smr_clc *c, uint32_t type)
{
    return smr_spv_is(c->module, type, SMR_SPV_TypeFloat) && smr_spv_width(c->module, type) == 16;
}

static struct smr_clc_pointer *new_pointer(struct smr_clc *c, const struct smr_clc_pointer *from)
{
    struct smr_clc_pointer *pointer = smr_arena_alloc(&c->arena, 1, sizeof *pointer);
    if (!pointer) {
        c->failed = true;
        return NULL;
    }
    *pointer = *from;
    return pointer;
}

// ---- variables of the module ------------------------------------------------------------------

static const struct smr_clc_pointer *buffer_pointer(struct smr_clc *c,
                                                    const struct smr_clc_global *global)
{
    struct smr_clc_pointer p = {.place = SMR_CLC_BYTES, .type = global->type, .alignment = 16};
    p.space = global->read_only ? "__global const " : "__global ";
    p.text = smr_clc_text(c, "(%suchar *)%s", p.space, global->name);
    if (smr_spv_op(c->module, global->type) == SMR_SPV_TypeStruct && global->base)
        p.flat = global->base;
    return new_pointer(c, &p);
}

static const struct smr_clc_pointer *input_pointer(struct smr_clc *c, uint32_t id, uint32_t type)
{
    uint32_t number = 0;
    bool known = smr_spv_decoration(c->module, id, SMR_SPV_WHOLE, SMR_SPV_BUILTIN, &number);
    bool workgroup = number >= SMR_SPV_NUM_WORKGROUPS && number <= SMR_SPV_LOCAL_INVOCATION_INDEX;
    if (!known || (!workgroup && !smr_clc_subgroup_input(c, number)))
        smr_clc_refuse(
            c, "an input that is no size, number or place of a workgroup or subgroup (builtin %u)",
            number);
    return new_pointer(
        c, &(struct smr_clc_pointer){.place = SMR_CLC_BUILTIN, .type = type, .offset = number});
}

static const struct smr_clc_pointer *global_pointer(struct smr_clc *c, uint32_t id)
{
    for (uint32_t i = 0; i < c->n_globals; i++) {
        const struct smr_clc_global *global = &c->globals[i];
        if (global->id != id)
            continue;
        if (global->storage == SMR_SPV_STORAGE_BUFFER)
            return buffer_pointer(c, global);
        if (global->storage == SMR_SPV_PUSH_CONSTANT)
            return new_pointer(
                c, &(struct smr_clc_pointer){
                       .place = SMR_CLC_PUSH, .type = global->type, .space = "", .alignment = 16});
        struct smr_clc_pointer p = {.place = SMR_CLC_LVALUE, .type = global->type};
        p.space = smr_clc_shared_space(c, global);
        p.text = smr_clc_text(c, c->in_kernel ? "%s" : "(*%s)", global->name);
        return new_pointer(c, &p);
    }
    return NULL;
}

const struct smr_clc_pointer *smr_clc_pointer_of(struct smr_clc *c, uint32_t id)
{
    const struct smr_spv_inst *def = smr_spv_def(c->module, id);
    const struct smr_clc_pointer *pointer = c->values[id].pointer;
    if (!pointer && def->op == SMR_SPV_Variable) {
        if (def->args[0] == SMR_SPV_INPUT)
            pointer = input_pointer(c, id, smr_spv_def(c->module, def->type)->args[1]);
        else
            pointer = global_pointer(c, id);
    }
    if (!pointer)
        smr_clc_refuse(c, "value %u is used as a pointer", id);
    return pointer ? pointer : &nowhere;
}

// ---- access chains ----------------------------------------------------------------------------

// An index: its number if it is a constant, else an expression.
struct index {
    bool constant, is_signed;
    uint64_t number;
    const char *text;
};

static void add_dynamic(struct smr_clc *c, struct smr_clc_pointer *p, const struct index *index,
                        uint64_t stride)
{
    const char *wide = index->is_signed ? "(ulong)(long)" : "(ulong)";
    p->dynamic =
        smr_clc_text(c, "%s%s%llu * %s%s", p->dynamic ? p->dynamic : "", p->dynamic ? " + " : "",
                     (unsigned long long)stride, wide, index->text);
}

// Into a struct, array or vector with an explicit layout.
static void step_bytes(struct smr_clc *c, struct smr_clc_pointer *p, const struct index *index,
                       uint32_t part)
{
    uint32_t op = smr_spv_op(c->module, p->type), offset = 0, stride = 0;
    if (op == SMR_SPV_TypeStruct) {
        if (!smr_spv_decoration(c->module, p->type, (uint32_t)index->number, SMR_SPV_OFFSET,
                                &offset))
            smr_clc_refuse(c, "a member of a struct in a buffer without an offset");
        p->offset += offset;
        stride = offset;
    } else {
        if (op == SMR_SPV_TypeVector)
            stride = smr_spv_width(c->module, p->type) / 8;
        else if (!smr_spv_decoration(c->module, p->type, SMR_SPV_WHOLE, SMR_SPV_ARRAY_STRIDE,
                                     &stride) ||
                 !stride)
            smr_clc_refuse(c, "an array in a buffer without a stride");
        if (index->constant)
            p->offset += index->number * stride;
        else
            add_dynamic(c, p, index, stride);
    }
    while (stride & (p->alignment - 1))
        p->alignment /= 2;
    if (op != SMR_SPV_TypeStruct || p->offset ||
        smr_spv_op(c->module, part) != SMR_SPV_TypeRuntimeArray)
        p->flat = NULL;
}

// Into memory laid out by the compiler.
static void step_lvalue(struct smr_clc *c, struct smr_clc_pointer *p, const struct index *index)
{
    switch (smr_spv_op(c->module, p->type)) {
    case SMR_SPV_TypeStruct:
        p->text = smr_clc_text(c, "%s.m%u", p->text, (unsigned)index->number);
        return;
    case SMR_SPV_TypeArray:
        p->text = smr_clc_text(c, "%s.a[%s]", p->text, index->text);
        return;
    default:
        break;
    }
    p->lane = smr_spv_is(c->module, p->type, SMR_SPV_TypeBool);
    if (index->constant) {
        p->text = smr_clc_component(c, p->text, (uint32_t)index->number);
        return;
    }
    uint32_t scalar = smr_spv_scalar(c->module, p->type);
    const char *type = p->lane                      ? "int"
                       : p->place == SMR_CLC_STORED ? smr_clc_stored_type(c, scalar, 1)
                                                    : smr_clc_type(c, scalar);
    p->text = smr_clc_text(c, "((%s%s *)&%s)[%s]", p->space, type, p->text, index->text);
}

static void step(struct smr_clc *c, struct smr_clc_pointer *p, const struct index *index)
{
    uint32_t part = smr_spv_part(c->module, p->type, index->constant ? index->number : 0);
    bool is_struct = smr_spv_op(c->module, p->type) == SMR_SPV_TypeStruct;
    if (!part || (is_struct && !index->constant)) {
        smr_clc_refuse(c, "an access chain takes part %llu of type %u",
                       (unsigned long long)index->number, p->type);
        return;
    }
    switch (p->place) {
    case SMR_CLC_BUILTIN:
        p->dynamic = index->text;
        break;
    case SMR_CLC_LVALUE:
    case SMR_CLC_STORED:
        step_lvalue(c, p, index);
        break;
    default:
        if (p->flat && smr_spv_op(c->module, p->type) == SMR_SPV_TypeRuntimeArray) {
            p->place = SMR_CLC_STORED;
            p->text = smr_clc_text(c, "%s[%s]", p->flat, index->text);
            p->flat = NULL;
        } else {
            step_bytes(c, p, index, part);
        }
        break;
    }
    p->type = part;
}

static struct index constant_index(struct smr_clc *c, uint64_t number)
{
    return (struct index){.constant = true,
                          .number = number,
                          .text = smr_clc_text(c, "%llu", (unsigned long long)number)};
}

static struct smr_clc_pointer *part_of(struct smr_clc *c, const struct smr_clc_pointer *pointer,
                                       const struct index *index)
{
    struct smr_clc_pointer *part = new_pointer(c, pointer);
    if (part)
        step(c, part, index);
    return part;
}

void smr_clc_chain(struct smr_clc *c, const struct smr_spv_inst *inst, bool used_next)
{
    struct smr_clc_pointer *p = new_pointer(c, smr_clc_pointer_of(c, inst->args[0]));
    bool alone = used_next && c->module->ids[inst->id].n_uses == 1;
    for (uint32_t i = 1; i < inst->n_args && !c->failed; i++) {
        uint32_t id = inst->args[i];
        struct index index = {.is_signed =
                                  smr_spv_is_signed(c->module, smr_spv_type_of(c->module, id))};
        if (smr_spv_integer(c->module, id, &index.number))
            index = constant_index(c, index.number);
        else // the text is printed where the pointer is used; memory must not change until then
            index.text = alone ? smr_clc_use(c, id) : smr_clc_reuse(c, id);
        step(c, p, &index);
    }
    if (c->failed)
        return;
    p->reads = p->reads || c->reads;
    c->values[inst->id].pointer = p;
}

// ---- leaves with an explicit layout -----------------------------------------------------------

static const char *address(struct smr_clc *c, const struct smr_clc_pointer *p, const char *type)
{
    const char *plus = p->dynamic ? " + " : "", *dynamic = p->dynamic ? p->dynamic : "";
    return smr_clc_text(c, "(%s%s *)(%s + %llu%s%s)", p->space, type, p->text,
                        (unsigned long long)p->offset, plus, dynamic);
}

// Whether `n` scalars at `p` may be accessed as one vector.
static bool is_aligned(const struct smr_clc *c, const struct smr_clc_pointer *p, uint32_t n)
{
    return n != 3 && p->alignment >= n * smr_spv_width(c->module, p->type) / 8;
}

static bool check_aligned(struct smr_clc *c, const struct smr_clc_pointer *p)
{
    if (p->place == SMR_CLC_BYTES && p->alignment < smr_spv_width(c->module, p->type) / 8)
        smr_clc_refuse(c, "a number in a buffer that is not aligned to its size");
    return !c->failed;
}

static const char *load_bytes(struct smr_clc *c, const struct smr_clc_pointer *p)
{
    uint32_t n = smr_spv_n_components(c->module, p->type);
    if (is_aligned(c, p, n))
        return smr_clc_text(c, "(*%s)", address(c, p, smr_clc_stored_type(c, p->type, n)));
    return smr_clc_text(c, "vload%u(0, %s)", n, address(c, p, smr_clc_stored_type(c, p->type, 1)));
}

// Word `i` from where `p` points to in the push constants.
static const char *push_word(struct smr_clc *c, const struct smr_clc_pointer *p, uint32_t i)
{
    uint64_t offset = p->offset + 4 * (uint64_t)i;
    if (!p->dynamic) {
        if (offset % 4 || offset + 4 > c->push_size)
            smr_clc_refuse(c, "a push constant at byte %llu of %u", (unsigned long long)offset,
                           c->push_size);
        return smr_clc_text(c, "pc->w[%u]", (unsigned)(offset / 4));
    }
    return smr_clc_text(c, "pc->w[(%llu + %s) / 4]", (unsigned long long)offset, p->dynamic);
}

static const char *load_push(struct smr_clc *c, const struct smr_clc_pointer *p)
{
    const struct smr_spv *m = c->module;
    uint32_t n = smr_spv_n_components(m, p->type), scalar = smr_spv_scalar(m, p->type);
    const char *parts[4] = {0};
    if (smr_spv_width(m, p->type) != 32 || smr_spv_op(m, scalar) == SMR_SPV_TypeBool)
        smr_clc_refuse(c, "a push constant that has not 32 bits");
    for (uint32_t i = 0; i < n; i++) {
        parts[i] = push_word(c, p, i);
        if (smr_spv_op(m, scalar) == SMR_SPV_TypeFloat)
            parts[i] = smr_clc_text(c, "as_float(%s)", parts[i]);
        else if (smr_spv_is_signed(m, scalar))
            parts[i] = smr_clc_text(c, "((int)%s)", parts[i]);
    }
    return n == 1 ? parts[0] : smr_clc_compose(c, p->type, parts, n);
}

static const char *load_builtin(struct smr_clc *c, const struct smr_clc_pointer *p)
{
    static const char *const names[][2] = {
        // of a kernel, of a function of a chain
        [SMR_SPV_NUM_WORKGROUPS - 24] = {"get_num_groups", "smr_num_groups"},
        [SMR_SPV_WORKGROUP_SIZE - 24] = {"get_local_size", "smr_one"},
        [SMR_SPV_WORKGROUP_ID - 24] = {"get_group_id", "smr_group_id"},
        [SMR_SPV_LOCAL_INVOCATION_ID - 24] = {"get_local_id", "smr_zero"},
        [SMR_SPV_GLOBAL_INVOCATION_ID - 24] = {"get_global_id", "smr_group_id"},
    };
    if (p->offset == SMR_SPV_LOCAL_INVOCATION_INDEX && smr_clc_chained(c))
        return "0u";
    if (p->offset == SMR_SPV_LOCAL_INVOCATION_INDEX)
        return "(uint)(get_local_id(0) + get_local_size(0) * (get_local_id(1) + get_local_size(1) "
               "* get_local_id(2)))";
    if (p->offset < 24 || p->offset - 24 >= SMR_COUNT(names)) {
        const char *input = smr_clc_subgroup_input(c, p->offset);
        return input ? input : "0";
    }
    const char *name = names[p->offset - 24][smr_clc_chained(c)];
    if (p->dynamic)
        return smr_clc_text(c, "((uint)%s(%s))", name, p->dynamic);
    return smr_clc_text(c, "((uint3)((uint)%s(0), (uint)%s(1), (uint)%s(2)))", name, name, name);
}

static const char *load_leaf(struct smr_clc *c, const struct smr_clc_pointer *p)
{
    const char *text;
    if (!check_aligned(c, p))
        return "0";
    switch (p->place) {
    case SMR_CLC_BUILTIN:
        return load_builtin(c, p);
    case SMR_CLC_PUSH:
        return load_push(c, p);
    case SMR_CLC_LVALUE:
        return p->lane ? smr_clc_text(c, "(%s != 0)", p->text) : p->text;
    case SMR_CLC_STORED:
        text = p->text;
        break;
    default:
        text = load_bytes(c, p);
        break;
    }
    if (is_half(c, p->type))
        return smr_clc_text(c, "smr_h2f%u(%s)", smr_spv_n_components(c->module, p->type), text);
    return text;
}

static void store_leaf(struct smr_clc *c, const struct smr_clc_pointer *p, const char *text)
{
    uint32_t n = smr_spv_n_components(c->module, p->type);
    if (!check_aligned(c, p))
        return;
    if (p->place == SMR_CLC_LVALUE && p->lane)
        text = smr_clc_text(c, "-(int)%s", text);
    if (p->place != SMR_CLC_LVALUE && is_half(c, p->type))
        text = smr_clc_text(c, "smr_f2h%u(%s)", n, text);
    switch (p->place) {
    case SMR_CLC_LVALUE:
    case SMR_CLC_STORED:
        smr_clc_statement(c, "%s = %s", p->text, text);
        break;
    case SMR_CLC_BYTES:
        if (is_aligned(c, p, n))
            smr_clc_statement(c, "*%s = %s", address(c, p, smr_clc_stored_type(c, p->type, n)),
                              text);
        else
            smr_clc_statement(c, "vstore%u(%s, 0, %s)", n, text,
                              address(c, p, smr_clc_stored_type(c, p->type, 1)));
        break;
    default:
        smr_clc_refuse(c, "a store to a push constant or an input");
        break;
    }
}

// ---- aggregates with an explicit layout -------------------------------------------------------

// Copy between the C lvalue `text` of p's type and what `p` points to, leaf by leaf: what lies
// between members must stay as it is.
static void copy(struct smr_clc *c, const char *text, const struct smr_clc_pointer *p, bool load)
{
    const struct smr_spv_inst *def = smr_spv_def(c->module, p->type);
    if (c->failed)
        return;
    if (smr_spv_is_leaf(c->module, p->type)) {
        if (load)
            smr_clc_statement(c, "%s = %s", text, load_leaf(c, p));
        else
            store_leaf(c, p, text);
        return;
    }
    if (def->op == SMR_SPV_TypeStruct) {
        for (uint32_t i = 0; i < def->n_args && !c->failed; i++) {
            struct index index = constant_index(c, i);
            const struct smr_clc_pointer *part = part_of(c, p, &index);
            if (part)
                copy(c, smr_clc_text(c, "%s.m%u", text, i), part, load);
        }
        return;
    }
    if (def->op != SMR_SPV_TypeArray) {
        smr_clc_refuse(c, "a whole array of open length is copied");
        return;
    }
    struct index index = {.text = smr_clc_text(c, "c%u", c->indent)};
    const struct smr_clc_pointer *part = part_of(c, p, &index);
    smr_clc_control(c, "for (uint %s = 0; %s < %s; %s++) {", index.text, index.text,
                    smr_clc_length(c, p->type), index.text);
    c->indent++;
    if (part)
        copy(c, smr_clc_text(c, "%s.a[%s]", text, index.text), part, load);
    c->indent--;
    smr_clc_control(c, "}");
}

static bool is_explicit(const struct smr_clc_pointer *p)
{
    return p->place == SMR_CLC_BYTES || p->place == SMR_CLC_PUSH;
}

void smr_clc_load(struct smr_clc *c, const struct smr_spv_inst *inst)
{
    const struct smr_clc_pointer *p = smr_clc_pointer_of(c, inst->args[0]);
    if (c->failed)
        return;
    if (p->type != inst->type) {
        smr_clc_refuse(c, "OpLoad of type %u from a pointer to type %u", inst->type, p->type);
        return;
    }
    c->reads = p->place != SMR_CLC_BUILTIN && p->place != SMR_CLC_PUSH ? true : p->reads;
    if (is_explicit(p) && !smr_spv_is_leaf(c->module, p->type))
        copy(c, smr_clc_temporary(c, inst->id), p, true);
    else if (smr_spv_is_leaf(c->module, p->type))
        smr_clc_define(c, inst, load_leaf(c, p));
    else
        smr_clc_define(c, inst, p->text);
}

void smr_clc_store(struct smr_clc *c, const struct smr_spv_inst *inst)
{
    const struct smr_clc_pointer *p = smr_clc_pointer_of(c, inst->args[0]);
    if (c->failed)
        return;
    if (p->type != smr_spv_type_of(c->module, inst->args[1]) || p->place == SMR_CLC_BUILTIN) {
        smr_clc_refuse(c, "OpStore of a wrong type");
        return;
    }
    if (smr_spv_is_leaf(c->module, p->type))
        store_leaf(c, p, smr_clc_use(c, inst->args[1]));
    else if (!is_explicit(p))
        smr_clc_statement(c, "%s = %s", p->text, smr_clc_use(c, inst->args[1]));
    else if (smr_spv_is_constant(c->module, inst->args[1]))
        smr_clc_refuse(c, "a constant struct or array is stored to a buffer");
    else
        copy(c, smr_clc_use(c, inst->args[1]), p, false);
}

// ---- atomics ----------------------------------------------------------------------------------

static const struct {
    uint32_t op;
    const char *name;
    uint32_t value; // index of the operand; 0: none
    uint32_t sign;  // the pointer is cast: 1 to uint, 2 to int
} atomics[] = {
    {SMR_SPV_AtomicExchange, "atomic_xchg", 3, 1},  {SMR_SPV_AtomicIIncrement, "atomic_inc", 0, 1},
    {SMR_SPV_AtomicIDecrement, "atomic_dec", 0, 1}, {SMR_SPV_AtomicIAdd, "atomic_add", 3, 1},
    {SMR_SPV_AtomicISub, "atomic_sub", 3, 1},       {SMR_SPV_AtomicSMin, "atomic_min", 3, 2},
    {SMR_SPV_AtomicUMin, "atomic_min", 3, 1},       {SMR_SPV_AtomicSMax, "atomic_max", 3, 2},
    {SMR_SPV_AtomicUMax, "atomic_max", 3, 1},       {SMR_SPV_AtomicAnd, "atomic_and", 3, 1},
    {SMR_SPV_AtomicOr, "atomic_or", 3, 1},          {SMR_SPV_AtomicXor, "atomic_xor", 3, 1},
};

static const char *atomic_place(struct smr_clc *c, const struct smr_clc_pointer *p, uint32_t sign)
{
    const char *type = sign == 2 ? "int" : "uint";
    if (!smr_spv_is_scalar(c->module, p->type) ||
        !smr_spv_is(c->module, p->type, SMR_SPV_TypeInt) ||
        smr_spv_width(c->module, p->type) != 32 || !p->space || !p->space[0])
        smr_clc_refuse(c, "an atomic operation that is not on a 32-bit integer in a buffer or in "
                          "shared memory");
    if (p->place == SMR_CLC_BYTES)
        return smr_clc_text(c, "(volatile %s", address(c, p, type) + 1);
    return smr_clc_text(c, "(volatile %s%s *)&%s", p->space, type, p->text);
}

bool smr_clc_atomic(struct smr_clc *c, const struct smr_spv_inst *inst)
{
    if (inst->op < SMR_SPV_AtomicLoad || inst->op > SMR_SPV_AtomicXor)
        return false;
    const struct smr_clc_pointer *p = smr_clc_pointer_of(c, inst->args[0]);
    if (c->failed)
        return true;
    const char *text = "0";
    if (inst->op == SMR_SPV_AtomicLoad) {
        text = smr_clc_text(c, "*%s", atomic_place(c, p, 1));
    } else if (inst->op == SMR_SPV_AtomicStore) {
        text = smr_clc_text(c, "atomic_xchg(%s, (uint)%s)", atomic_place(c, p, 1),
                            smr_clc_use(c, inst->args[3]));
    } else if (inst->op == SMR_SPV_AtomicCompareExchange) {
        text = smr_clc_text(c, "atomic_cmpxchg(%s, (uint)%s, (uint)%s)", atomic_place(c, p, 1),
                            smr_clc_use(c, inst->args[5]), smr_clc_use(c, inst->args[4]));
    }
    for (size_t i = 0; i < SMR_COUNT(atomics); i++) {
        if (atomics[i].op != inst->op)
            continue;
        const char *place = atomic_place(c, p, atomics[i].sign);
        if (atomics[i].value)
            text = smr_clc_text(c, "%s(%s, (%s)%s)", atomics[i].name, place,
                                atomics[i].sign == 2 ? "int" : "uint",
                                smr_clc_use(c, inst->args[atomics[i].value]));
        else
            text = smr_clc_text(c, "%s(%s)", atomics[i].name, place);
    }
    if (inst->id && c->module->ids[inst->id].n_uses)
        smr_clc_assign(c, inst->id, text);
    else
        smr_clc_statement(c, "%s", text);
    return true;
}

// ---- parts of values --------------------------------------------------------------------------

// The lvalue of a part of the value `text`, along literal indexes; its type goes to *type.
static struct smr_clc_pointer part_of_value(struct smr_clc *c, const char *text, uint32_t type,
                                            const uint32_t *indexes, uint32_t n)
{
    struct smr_clc_pointer p = {.place = SMR_CLC_LVALUE, .type = type, .text = text, .space = ""};
    for (uint32_t i = 0; i < n && !c->failed; i++) {
        struct index index = constant_index(c, indexes[i]);
        step(c, &p, &index);
    }
    return p;
}

void smr_clc_extract(struct smr_clc *c, const struct smr_spv_inst *inst)
{
    uint32_t from = inst->args[0], type = smr_spv_type_of(c->module, from);
    if (inst->op == SMR_SPV_CompositeExtract) {
        const struct smr_spv_inst *def = smr_spv_def(c->module, from);
        if ((def->op == SMR_SPV_SpecConstantComposite || def->op == SMR_SPV_ConstantComposite) &&
            inst->n_args == 2 && inst->args[1] < def->n_args) {
            smr_clc_define(c, inst, smr_clc_constant(c, def->args[inst->args[1]]));
            return;
        }
        struct smr_clc_pointer p =
            part_of_value(c, smr_clc_use(c, from), type, inst->args + 1, inst->n_args - 1);
        smr_clc_define(c, inst, load_leaf(c, &p));
        return;
    }
    // VectorExtractDynamic takes the address of a temporary.
    if (smr_spv_is_constant(c->module, from))
        smr_clc_refuse(c, "a component of a constant vector by a computed index");
    struct smr_clc_pointer p = {.place = SMR_CLC_LVALUE, .type = type, .space = ""};
    p.text = smr_clc_reuse(c, from);
    struct index index = {.text = smr_clc_use(c, inst->args[1])};
    if (!smr_spv_is_vector(c->module, type))
        smr_clc_refuse(c, "OpVectorExtractDynamic of what is no vector");
    else
        step(c, &p, &index);
    smr_clc_define(c, inst, load_leaf(c, &p));
}

void smr_clc_insert(struct smr_clc *c, const struct smr_spv_inst *inst)
{
    bool dynamic = inst->op == SMR_SPV_VectorInsertDynamic;
    uint32_t whole = inst->args[dynamic ? 0 : 1], object = inst->args[dynamic ? 1 : 0];
    const char *value = smr_clc_use(c, object);
    const char *name = smr_clc_assign(c, inst->id, smr_clc_use(c, whole));
    struct smr_clc_pointer p;
    if (dynamic) {
        p = (struct smr_clc_pointer){
            .place = SMR_CLC_LVALUE, .type = inst->type, .text = name, .space = ""};
        struct index index = {.text = smr_clc_use(c, inst->args[2])};
        if (!smr_spv_is_vector(c->module, inst->type))
            smr_clc_refuse(c, "OpVectorInsertDynamic into what is no vector");
        else
            step(c, &p, &index);
    } else {
        p = part_of_value(c, name, inst->type, inst->args + 2, inst->n_args - 2);
    }
    if (smr_spv_is_leaf(c->module, p.type))
        store_leaf(c, &p, value);
    else
        smr_clc_statement(c, "%s = %s", p.text, value);
}
