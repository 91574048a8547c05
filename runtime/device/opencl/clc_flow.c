// clc_flow.c - structured control flow: if, loops and switch from blocks with their merge labels.
//
// A construct's blocks end at its merge block (specification, "Structured Control Flow"). A region
// is printed from a label until control gets to the label that follows it; any other way out is a
// break, a continue or a return. Each block is printed once.
#include "device/opencl/clc.h"

#include <string.h>

enum { MOST_NESTED = 200, CONTINUE_MARK = 1 /* stands for a continue until the loop is known */ };

// What break and continue mean.
struct scope {
    const struct scope *outer;
    bool loop;            // else a switch
    uint32_t merge, next; // labels; next: of a loop's continue target
    bool *continued_in_switch;
};

static void region(struct smr_clc *c, uint32_t label, uint32_t follow, const struct scope *scope);

// ---- edges ------------------------------------------------------------------------------------

static const struct smr_spv_block *block_of(const struct smr_clc *c, uint32_t label)
{
    return &c->module->blocks[c->module->ids[label].block];
}

// The value that the phi `inst` takes when control comes from block `from`; 0: none.
static uint32_t phi_value(const struct smr_spv_inst *inst, uint32_t from)
{
    for (uint32_t i = 0; i + 1 < inst->n_args; i += 2)
        if (inst->args[i + 1] == from)
            return inst->args[i];
    return 0;
}

static bool has_phi(const struct smr_clc *c, uint32_t label)
{
    const struct smr_spv_block *block = block_of(c, label);
    return c->module->insts[block->begin].op == SMR_SPV_Phi;
}

// Set the phis of block `to` for the way from block `from`.
static void set_phis(struct smr_clc *c, uint32_t from, uint32_t to)
{
    const struct smr_spv_block *block = block_of(c, to);
    for (uint32_t i = block->begin; i < block->end; i++) {
        const struct smr_spv_inst *inst = &c->module->insts[i];
        if (inst->op != SMR_SPV_Phi)
            break;
        uint32_t value = phi_value(inst, from);
        if (!value)
            smr_clc_refuse(c, "a phi without one of its predecessors");
        else
            smr_clc_assign(c, inst->id, smr_clc_use(c, value));
    }
}

static const struct scope *innermost_loop(const struct scope *scope)
{
    while (scope && !scope->loop)
        scope = scope->outer;
    return scope;
}

static bool leaves(const struct scope *scope, uint32_t label)
{
    const struct scope *loop = innermost_loop(scope);
    return (scope && label == scope->merge) || (loop && label == loop->next);
}

static void print_leave(struct smr_clc *c, const struct scope *scope, uint32_t label)
{
    if (label == scope->merge) {
        smr_clc_control(c, "break;");
        return;
    }
    if (!scope->loop)
        *innermost_loop(scope)->continued_in_switch = true;
    smr_clc_control(c, "%c", CONTINUE_MARK);
}

// ---- blocks -----------------------------------------------------------------------------------

static const struct smr_spv_inst *terminator(const struct smr_clc *c,
                                             const struct smr_spv_block *block)
{
    return &c->module->insts[block->end - 1];
}

// All of a block but its end; the value that the terminator wants may stay pending.
static void print_block(struct smr_clc *c, const struct smr_spv_block *block)
{
    uint32_t index = (uint32_t)(block - c->module->blocks);
    if (c->visited[index])
        smr_clc_refuse(c, "control flow that is not structured: block %u is reached in two ways",
                       block->label);
    c->visited[index] = true;
    for (uint32_t i = block->begin; i + 1 < block->end && !c->failed; i++)
        smr_clc_instruction(c, &c->module->insts[i], &c->module->insts[i + 1]);
    const struct smr_spv_inst *end = terminator(c, block);
    bool takes = end->op == SMR_SPV_BranchConditional || end->op == SMR_SPV_Switch ||
                 end->op == SMR_SPV_ReturnValue;
    smr_clc_flush(c, false, takes ? end->args[0] : 0);
}

// Print into another string, one level deeper; returns where to print before.
static struct smr_string *begin_part(struct smr_clc *c, struct smr_string *part)
{
    struct smr_string *before = c->out;
    smr_string_init(part, c->context);
    c->out = part;
    c->indent++;
    return before;
}

static void end_part(struct smr_clc *c, struct smr_string *before)
{
    c->failed = c->failed || c->out->failed;
    c->out = before;
    c->indent--;
}

static void add_part(struct smr_clc *c, const struct smr_string *part)
{
    if (part->size && !c->failed)
        smr_string_add(c->out, part->data, part->size);
    c->failed = c->failed || c->out->failed;
}

// ---- if ---------------------------------------------------------------------------------------

static void print_arm(struct smr_clc *c, uint32_t from, uint32_t to, uint32_t follow,
                      const struct scope *scope, struct smr_string *part)
{
    struct smr_string *before = begin_part(c, part);
    uint32_t n_barriers = c->n_barriers;
    set_phis(c, from, to);
    region(c, to, follow, scope);
    if (c->n_barriers != n_barriers)
        smr_clc_control(c, "smr_join();");
    end_part(c, before);
}

// Print a join when there were barriers or early returns since `before`, the sum of both counts.
static void join_since(struct smr_clc *c, uint32_t before)
{
    if (c->n_barriers + c->n_early_returns != before)
        smr_clc_control(c, "smr_join();");
}

// A branch on a condition, both ways of which end at `merge`.
static void selection(struct smr_clc *c, const struct smr_spv_block *block, uint32_t merge,
                      const struct scope *scope)
{
    const struct smr_spv_inst *end = terminator(c, block);
    struct smr_string yes, no;
    const char *condition = smr_clc_use(c, end->args[0]);
    uint32_t before = c->n_barriers + c->n_early_returns;
    print_arm(c, block->label, end->args[1], merge, scope, &yes);
    print_arm(c, block->label, end->args[2], merge, scope, &no);
    if (yes.size || !no.size) {
        smr_clc_control(c, "if (%s) {", smr_clc_bare(c, condition));
        add_part(c, &yes);
        if (no.size)
            smr_clc_control(c, "} else {");
    } else {
        smr_clc_control(c, "if (!%s) {", condition);
    }
    add_part(c, &no);
    smr_clc_control(c, "}");
    join_since(c, before);
    smr_string_finish(&yes);
    smr_string_finish(&no);
}

// A branch without a merge: one way leaves. Returns the other.
static uint32_t leave_if(struct smr_clc *c, const struct smr_spv_block *block, uint32_t follow,
                         const struct scope *scope)
{
    const struct smr_spv_inst *end = terminator(c, block);
    uint32_t yes = end->args[1], no = end->args[2];
    const char *condition = smr_clc_use(c, end->args[0]);
    if (yes == no) {
        set_phis(c, block->label, yes);
        return yes;
    }
    // Of two ways that leave, the one that follows anyway needs no words.
    bool first = leaves(scope, yes) && yes != follow;
    if (!first && (!leaves(scope, no) || no == follow)) {
        smr_clc_refuse(c, "a branch in block %u without a merge block", block->label);
        return 0;
    }
    struct smr_string part;
    print_arm(c, block->label, first ? yes : no, 0, scope, &part);
    if (first)
        smr_clc_control(c, "if (%s) {", smr_clc_bare(c, condition));
    else
        smr_clc_control(c, "if (!%s) {", condition);
    add_part(c, &part);
    smr_clc_control(c, "}");
    smr_string_finish(&part);
    set_phis(c, block->label, first ? no : yes);
    return first ? no : yes;
}

// ---- switch -----------------------------------------------------------------------------------

// The target that comes next in the order of the text after `after` (0: the first); 0: none.
static uint32_t next_target(const struct smr_clc *c, const struct smr_spv_inst *end, uint32_t after,
                            uint32_t merge)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < end->n_args; i += 2) {
        uint32_t label = end->args[i], place = c->module->ids[label].block;
        if (label == merge || (after && place <= c->module->ids[after].block))
            continue;
        if (!best || place < c->module->ids[best].block)
            best = label;
    }
    return best;
}

static void print_cases(struct smr_clc *c, const struct smr_spv_inst *end, uint32_t target)
{
    bool is_signed = smr_spv_is_signed(c->module, smr_spv_type_of(c->module, end->args[0]));
    for (uint32_t i = 2; i + 1 < end->n_args; i += 2)
        if (end->args[i + 1] == target)
            smr_clc_control(c, is_signed ? "case (int)0x%xu:" : "case 0x%xu:", end->args[i]);
    if (end->args[1] == target)
        smr_clc_control(c, "default:");
}

static void print_switch(struct smr_clc *c, const struct smr_spv_block *block, uint32_t merge,
                         const struct scope *scope)
{
    const struct smr_spv_inst *end = terminator(c, block);
    struct scope inner = {.outer = scope, .merge = merge};
    const char *selector = smr_clc_use(c, end->args[0]);
    if (has_phi(c, merge))
        smr_clc_refuse(c, "a phi after a switch");
    smr_clc_control(c, "switch (%s) {", selector);
    uint32_t target = next_target(c, end, 0, merge);
    uint32_t before = c->n_barriers + c->n_early_returns;
    while (target && !c->failed) {
        uint32_t next = next_target(c, end, target, merge);
        print_cases(c, end, target);
        smr_clc_control(c, "{");
        c->indent++;
        region(c, target, next, &inner);
        c->indent--;
        smr_clc_control(c, "}");
        target = next;
    }
    smr_clc_control(c, "}");
    join_since(c, before);
}

// ---- loops ------------------------------------------------------------------------------------

struct loop {
    uint32_t merge, next, control;
    struct smr_string head, body, step; // before the test, after it, before going round
    const char *test;                   // NULL: none
    bool plain_step;                    // only expression statements
    bool continued_in_switch;
};

// The block that decides whether the loop goes on, when it is the header or comes right after it.
static const struct smr_spv_block *test_block(const struct smr_clc *c,
                                              const struct smr_spv_block *header,
                                              const struct loop *loop)
{
    const struct smr_spv_block *block = header;
    const struct smr_spv_inst *end = terminator(c, header);
    if (end->op == SMR_SPV_Branch) {
        if (end->args[0] == loop->next || end->args[0] == loop->merge)
            return NULL;
        block = block_of(c, end->args[0]);
        if (block->merge || block == header)
            return NULL;
        end = terminator(c, block);
    }
    if (end->op != SMR_SPV_BranchConditional ||
        (end->args[1] == loop->merge) == (end->args[2] == loop->merge) || has_phi(c, loop->merge))
        return NULL;
    return block;
}

// What comes first: the header and the test. Returns where the body begins.
static uint32_t print_head(struct smr_clc *c, const struct smr_spv_block *header, struct loop *loop)
{
    struct smr_string *before = begin_part(c, &loop->head);
    const struct smr_spv_block *test = test_block(c, header, loop);
    const struct smr_spv_inst *end = terminator(c, header);
    uint32_t begin = 0;
    print_block(c, header);
    if (test) {
        if (test != header)
            print_block(c, test);
        end = terminator(c, test);
        bool stays_if = end->args[2] == loop->merge;
        const char *condition = smr_clc_use(c, end->args[0]);
        loop->test = stays_if ? condition : smr_clc_text(c, "(!%s)", condition);
        begin = end->args[stays_if ? 1 : 2];
        set_phis(c, test->label, begin);
    } else if (end->op == SMR_SPV_Branch) {
        begin = end->args[0];
        set_phis(c, header->label, begin);
    } else {
        smr_clc_refuse(c, "a loop whose header %u decides something else", header->label);
    }
    end_part(c, before);
    return begin;
}

// The statements of a step as the third part of for(): "i = i + 1, j = 0".
static const char *join_step(struct smr_clc *c, const struct smr_string *step)
{
    if (!step->size)
        return "";
    char *text = smr_arena_strndup(&c->arena, step->data, step->size);
    if (!text) {
        c->failed = true;
        return "";
    }
    size_t size = 0;
    for (char *line = text; *line;) {
        line += strspn(line, " ");
        size_t length = strcspn(line, "\n");
        if (size) {
            memcpy(text + size, ", ", 2); // in place of the indentation and the end of a line
            size += 2;
        }
        memmove(text + size, line, length - 1); // without the semicolon
        size += length - 1;
        line += length + 1;
    }
    text[size] = 0;
    return text;
}

// Add the body, with what `continue` means put in: a step that is more than for() can have is
// repeated there, unless it has a break, which a switch around it would take. Then `continue` goes
// to it.
static void add_body(struct smr_clc *c, const struct loop *loop)
{
    bool step_here = !loop->plain_step && loop->step.size;
    bool jumps = step_here && loop->continued_in_switch && strstr(loop->step.data, "break;");
    const char *at = loop->body.data;
    while (at && *at && !c->failed) {
        size_t length = strcspn(at, "\001");
        smr_string_add(c->out, at, length);
        at += length;
        if (*at != CONTINUE_MARK)
            break;
        at++;
        if (jumps)
            smr_string_printf(c->out, "goto next%u;", loop->next);
        else if (step_here)
            smr_string_printf(c->out, "{\n%s%*scontinue; }", loop->step.data,
                              (int)c->indent * 4 + 4, "");
        else
            smr_string_printf(c->out, "continue;");
        c->failed = c->failed || c->out->failed;
    }
    if (jumps)
        smr_clc_control(c, "next%u:;", loop->next);
}

static void print_loop_text(struct smr_clc *c, struct loop *loop)
{
    if (loop->control & SMR_SPV_LOOP_UNROLL)
        smr_clc_control(c, "#pragma unroll");
    else if (loop->control & SMR_SPV_LOOP_DEPENDENCY_INFINITE)
        smr_clc_control(c, "SMR_LANE_LOOP");
    else if (loop->control & SMR_SPV_LOOP_DONT_UNROLL)
        smr_clc_control(c, "#pragma nounroll");
    bool test_in_for = loop->test && !loop->head.size;
    const char *step = loop->plain_step ? join_step(c, &loop->step) : "";
    const char *test = test_in_for ? smr_clc_bare(c, loop->test) : "";
    if (test_in_for && !*step)
        smr_clc_control(c, "while (%s) {", test);
    else
        smr_clc_control(c, "for (; %s; %s) {", test, step);
    add_part(c, &loop->head);
    if (loop->test && !test_in_for) {
        c->indent++;
        smr_clc_control(c, "if (!%s)", loop->test);
        c->indent++;
        smr_clc_control(c, "break;");
        c->indent -= 2;
    }
    add_body(c, loop);
    if (!loop->plain_step)
        add_part(c, &loop->step);
    smr_clc_control(c, "}");
}

static void print_loop(struct smr_clc *c, const struct smr_spv_block *header,
                       const struct scope *scope)
{
    struct loop loop = {.merge = header->merge->args[0],
                        .next = header->merge->args[1],
                        .control = header->merge->args[2]};
    struct scope inner = {.outer = scope,
                          .loop = true,
                          .merge = loop.merge,
                          .next = loop.next,
                          .continued_in_switch = &loop.continued_in_switch};
    if (loop.next == header->label || has_phi(c, header->label)) {
        smr_clc_refuse(c, "a loop of one block, or with a phi (optimised SPIR-V)");
        return;
    }
    uint32_t before_all = c->n_barriers + c->n_early_returns;
    uint32_t begin = print_head(c, header, &loop);
    struct smr_string *before = begin_part(c, &loop.body);
    region(c, begin, loop.next, &inner);
    end_part(c, before);

    // In the step, the way to the merge block breaks, and there is nothing to continue.
    struct scope last = {.outer = NULL, .loop = true, .merge = loop.merge, .next = 0};
    uint32_t n_control = c->n_control;
    before = begin_part(c, &loop.step);
    region(c, loop.next, header->label, &last);
    end_part(c, before);
    loop.plain_step = n_control == c->n_control;
    print_loop_text(c, &loop);
    join_since(c, before_all);
    smr_string_finish(&loop.head);
    smr_string_finish(&loop.body);
    smr_string_finish(&loop.step);
}

// ---- returns ----------------------------------------------------------------------------------

// Whether a return comes after the last barrier, while another one came before.
static bool is_late(const struct smr_clc *c, const struct smr_spv_block *block)
{
    return c->leaves_early && block >= &c->module->blocks[c->last_barrier];
}

static void print_return(struct smr_clc *c, const struct smr_spv_block *block)
{
    if (!is_late(c, block) || (c->indent > 1 && !c->in_kernel)) {
        c->n_early_returns += c->leaves_early;
        smr_clc_control(c, "return;");
        return;
    }
    if (c->indent > 1) // not all invocations may come here, but all to the end
        smr_clc_control(c, "goto done;");
}

// Find the last barrier of c->function, and whether some return comes before it.
static void find_barriers(struct smr_clc *c)
{
    const struct smr_spv_function *f = c->function;
    bool returns = false;
    c->leaves_early = false;
    c->last_barrier = f->blocks;
    for (uint32_t b = f->blocks; b < f->blocks + f->n_blocks; b++) {
        const struct smr_spv_block *block = &c->module->blocks[b];
        for (uint32_t i = block->begin; i < block->end; i++)
            if (smr_clc_has_barrier(c, &c->module->insts[i])) {
                c->last_barrier = b;
                c->leaves_early = returns;
            }
        uint32_t op = terminator(c, block)->op;
        returns = returns || op == SMR_SPV_Return || op == SMR_SPV_ReturnValue;
    }
}

// ---- regions ----------------------------------------------------------------------------------

// Print the block of `label` with what it opens. Returns the label where control goes on; 0:
// nowhere.
static uint32_t construct(struct smr_clc *c, uint32_t label, uint32_t follow,
                          const struct scope *scope)
{
    const struct smr_spv_block *block = block_of(c, label);
    const struct smr_spv_inst *end = terminator(c, block);
    if (block->merge && block->merge->op == SMR_SPV_LoopMerge) {
        print_loop(c, block, scope);
        return block->merge->args[0];
    }
    print_block(c, block);
    switch (end->op) {
    case SMR_SPV_Branch:
        set_phis(c, label, end->args[0]);
        return end->args[0];
    case SMR_SPV_BranchConditional:
        if (!block->merge)
            return leave_if(c, block, follow, scope);
        selection(c, block, block->merge->args[0], scope);
        return block->merge->args[0];
    case SMR_SPV_Switch:
        if (!block->merge) {
            smr_clc_refuse(c, "a switch without a merge block");
            return 0;
        }
        print_switch(c, block, block->merge->args[0], scope);
        return block->merge->args[0];
    case SMR_SPV_Return:
        print_return(c, block);
        return 0;
    case SMR_SPV_ReturnValue:
        c->n_early_returns += c->leaves_early && !is_late(c, block);
        if (is_late(c, block) && c->indent == 1)
            smr_clc_control(c, "smr_join();");
        smr_clc_control(c, "return %s;", smr_clc_bare(c, smr_clc_use(c, end->args[0])));
        return 0;
    default: // Unreachable
        return 0;
    }
}

static void region(struct smr_clc *c, uint32_t label, uint32_t follow, const struct scope *scope)
{
    if (++c->depth > MOST_NESTED)
        smr_clc_refuse(c, "control flow nested deeper than %d", MOST_NESTED);
    while (!c->failed && label && label != follow) {
        if (leaves(scope, label)) {
            print_leave(c, scope, label);
            break;
        }
        label = construct(c, label, follow, scope);
    }
    c->depth--;
}

void smr_clc_body(struct smr_clc *c)
{
    const struct smr_spv_block *first = &c->module->blocks[c->function->blocks];
    find_barriers(c);
    region(c, first->label, 0, NULL);
    if (c->leaves_early && smr_spv_op(c->module, c->function->def->type) == SMR_SPV_TypeVoid)
        smr_clc_control(c, c->in_kernel ? "done: smr_join();" : "smr_join();");
}
