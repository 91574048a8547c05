// clc.h - the parts of the translation from SPIR-V to OpenCL C 1.2. translate.h is the way in.
//
// How a module becomes text:
//   - Values are temporaries "t17", declared at the top of their function (a declaration inside a
//     block that is left by `break` costs PoCL the loop). A value that is used once is not stored:
//     it waits as text, "pending", and is printed inside the expression that uses it. Pending text
//     that reads memory is stored first when memory may change.
//   - Types: a vector is OpenCL's, a bool vector is intN of 0 and -1, a struct is "S12" with
//     members m0, m1..., an array is a struct "A13" with the member a[], so that it can be assigned.
//     Halves are floats as values, ushort in buffers.
//   - Memory with an explicit layout (buffers, push constants) is addressed by byte offsets, taken
//     from the decorations; only a buffer that is one array of scalars or vectors is a typed
//     pointer.
//   - Specialisation constants are macros SPEC0... of their bits, given when the text is compiled.
//   - A function of a chain (chain.h) gets the place of its workgroup as a parameter, `at`. Its one
//     invocation shares memory with nobody: that is a local variable, and barriers are nothing.
//
// The first error sticks: later calls do nothing harmful, and texts are then meaningless.
#pragma once

#include "device/opencl/spirv.h"

enum smr_clc_place {
    SMR_CLC_LVALUE,  // `text` is a C lvalue of the value's own type
    SMR_CLC_STORED,  // `text` is a C lvalue of the type as stored in a buffer
    SMR_CLC_BYTES,   // `text` is a pointer to bytes; the value lies `offset` + `dynamic` after it
    SMR_CLC_PUSH,    // the same in the words of the push constants
    SMR_CLC_BUILTIN, // an input: `offset` is its number, `dynamic` the component or NULL for all
};

// A pointer of SPIR-V: where a value of type `type` lies.
struct smr_clc_pointer {
    enum smr_clc_place place;
    uint32_t type; // of what it points to
    const char *text;
    const char *space;   // "__global const ", "__local ", ""
    const char *flat;    // BYTES, of a buffer that is one array: the typed pointer; else NULL
    uint64_t offset;     // bytes
    const char *dynamic; // an expression of type ulong; NULL: 0
    uint32_t alignment;  // of the place, bytes, a power of two
    bool lane;           // a bool that is an element of a bool vector: 0 or -1
    bool reads;          // the text reads memory
};

struct smr_clc_value {
    const char *pending; // its text, if it waits to be used; NULL: it has a temporary
    bool reads;          // the pending text reads memory
    bool declared;       // the temporary is declared
    const struct smr_clc_pointer *pointer; // of a pointer that is not a variable of the module
};

// A variable of the module that functions get as a parameter.
struct smr_clc_global {
    uint32_t id, type, storage; // type: of what it points to
    uint32_t binding;           // of a buffer
    bool read_only;
    const char *name;    // of the parameter
    const char *element; // C type of a buffer's elements: "uchar" unless it is one array
    const char *base;    // the buffer as a pointer to `element`
};

struct smr_clc {
    smr_context *context;
    const struct smr_spv *module;
    struct smr_arena arena;

    const char *prefix; // of the function of a chain, and of all that it names; "": a kernel
    struct smr_string head, functions; // macros and types; functions
    const char **type_names;           // [bound]
    uint32_t push_size;                // bytes of the push constants' struct

    struct smr_clc_global *globals;
    uint32_t n_globals;
    bool *uses;     // [n_functions, n_globals]: needs it as a parameter
    bool *barriers; // [n_functions]: has a barrier, or calls who has

    // The function that is being made.
    const struct smr_spv_function *function;
    struct smr_clc_value *values; // [bound]
    bool *visited;                // [n_blocks]
    struct smr_string locals;     // declarations
    struct smr_string *out;       // statements
    uint32_t indent, depth;
    uint32_t n_control;       // lines printed so far that are no expression statements
    uint32_t n_early_returns; // printed so far: before the last barrier
    uint32_t n_barriers;      // printed so far, in functions called too
    uint32_t last_barrier;    // block with the last one
    uint32_t n_pending;
    uint32_t *pending; // ids
    bool in_kernel;
    bool leaves_early; // some return comes before it
    bool reads;        // the expression being made reads memory
    bool failed;
};

// ---- clc.c: text, values ----------------------------------------------------------------------

static inline bool smr_clc_chained(const struct smr_clc *c)
{
    return c->prefix[0];
}

void smr_clc_refuse(struct smr_clc *c, const char *format, ...) SMR_PRINTF(2, 3);
const char *smr_clc_text(struct smr_clc *c, const char *format, ...)
    SMR_PRINTF(2, 3);                                                                // in c->arena
void smr_clc_statement(struct smr_clc *c, const char *format, ...) SMR_PRINTF(2, 3); // "x = y"
void smr_clc_control(struct smr_clc *c, const char *format, ...) SMR_PRINTF(2, 3);   // "if (x) {"

const char *smr_clc_bare(struct smr_clc *c, const char *text); // without parentheses around all

// The text of a value, to be put in an expression once.
const char *smr_clc_use(struct smr_clc *c, uint32_t id);
// The same, to be repeated: the name of a temporary, or a constant.
const char *smr_clc_reuse(struct smr_clc *c, uint32_t id);
// The result of `inst` is `text`, an expression that can be put anywhere (parenthesised).
void smr_clc_define(struct smr_clc *c, const struct smr_spv_inst *inst, const char *text);
// The same, evaluated now whatever follows; returns the temporary.
const char *smr_clc_assign(struct smr_clc *c, uint32_t id, const char *text);
// The temporary of a value, declared.
const char *smr_clc_temporary(struct smr_clc *c, uint32_t id);
// Store pending values: all, or those that read memory; but not `except` (0: none).
void smr_clc_flush(struct smr_clc *c, bool only_reads, uint32_t except);

// ---- clc_type.c: types, constants --------------------------------------------------------------

const char *smr_clc_type(struct smr_clc *c, uint32_t type); // of a value
const char *smr_clc_number_type(struct smr_clc *c, bool is_signed, uint32_t width, uint32_t n);
const char *smr_clc_stored_type(struct smr_clc *c, uint32_t type, uint32_t n); // of n scalars
const char *smr_clc_constant(struct smr_clc *c, uint32_t id);
const char *smr_clc_length(struct smr_clc *c, uint32_t array); // elements of an array type
// A value of type `type` from the texts of its parts.
const char *smr_clc_compose(struct smr_clc *c, uint32_t type, const char *const *parts, uint32_t n);
uint64_t smr_clc_size(struct smr_clc *c, uint32_t type); // bytes in a buffer; 0 of a runtime array
// Define the macros of specialised constants.
void smr_clc_constant_macros(struct smr_clc *c);

// ---- clc_expression.c, clc_extended.c ----------------------------------------------------------

// The text of an operation on values; NULL when `inst` is none.
const char *smr_clc_expression(struct smr_clc *c, const struct smr_spv_inst *inst);
// Operations with two results, which are stored.
bool smr_clc_pair(struct smr_clc *c, const struct smr_spv_inst *inst);
const char *smr_clc_extended(struct smr_clc *c, const struct smr_spv_inst *inst); // OpExtInst
// Component `i` of a vector whose text is a name.
const char *smr_clc_component(struct smr_clc *c, const char *text, uint32_t i);

// ---- clc_subgroup.c -----------------------------------------------------------------------------

bool smr_clc_is_subgroup_op(uint32_t op);
void smr_clc_subgroup(struct smr_clc *c, const struct smr_spv_inst *inst);
// The text of an input by its number; NULL: it is none of subgroups.
const char *smr_clc_subgroup_input(struct smr_clc *c, uint64_t number);

// ---- clc_memory.c -----------------------------------------------------------------------------

const struct smr_clc_pointer *smr_clc_pointer_of(struct smr_clc *c, uint32_t id);
void smr_clc_chain(struct smr_clc *c, const struct smr_spv_inst *inst, bool used_next);
void smr_clc_load(struct smr_clc *c, const struct smr_spv_inst *inst);
void smr_clc_store(struct smr_clc *c, const struct smr_spv_inst *inst);
bool smr_clc_atomic(struct smr_clc *c, const struct smr_spv_inst *inst); // false: it is none
// OpCompositeExtract and OpCompositeInsert.
void smr_clc_extract(struct smr_clc *c, const struct smr_spv_inst *inst);
void smr_clc_insert(struct smr_clc *c, const struct smr_spv_inst *inst);

// ---- clc_flow.c -------------------------------------------------------------------------------
//
// PoCL 3.1 runs the invocations of a workgroup one after the other between two barriers, and there
// it gets two things wrong, which the text avoids where SMR_CPU is defined:
//   - Where flow that had a barrier, or an early return, joins flow that had none, it takes the
//     first invocation's way at some later branch for all of them. So a barrier of its own comes at
//     each such join: smr_join(). All invocations get there, or the barrier before would have been
//     wrong.
//   - A branch right after a barrier is decided by the last invocation alone, for all, when its
//     condition was computed before the barrier. smr_barrier() puts an assumption between them,
//     about a value in shared memory that nobody can know: it survives until then, and costs
//     nothing after.

void smr_clc_body(struct smr_clc *c); // all blocks of c->function

// ---- clc_function.c ---------------------------------------------------------------------------

void smr_clc_find_globals(struct smr_clc *c);
// Whether an instruction is a barrier, or calls a function that has one.
bool smr_clc_has_barrier(const struct smr_clc *c, const struct smr_spv_inst *inst);
// "__local " for what a workgroup shares, else "".
const char *smr_clc_shared_space(const struct smr_clc *c, const struct smr_clc_global *global);
void smr_clc_instruction(struct smr_clc *c, const struct smr_spv_inst *inst,
                         const struct smr_spv_inst *next);
void smr_clc_prototypes(struct smr_clc *c);
// The kernel gets `n_bindings` buffers, b0 and on, then the push constants.
void smr_clc_function(struct smr_clc *c, const struct smr_spv_function *function,
                      uint32_t n_bindings);
