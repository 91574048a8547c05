// disassembly.c - loops in the text of a disassembly.
//
// Three forms are read:
//   RADV, printed by LLVM:  "BB26:", then "\tv_add_f32_e32 v1, v2, v3 ; 0602..." and, to go back,
//                           "s_branch BB26" or "s_cbranch_scc1 BB26"
//   RADV, printed by itself where LLVM does not know the chip: "BB26", then "\t v1: %5:v[1] =
//                           v_add_f32 ..." or "\ts_cbranch_scc1 block:BB26"
//   ANV:                    "LABEL20:", then "add(16)  g1<1>F ..." and "while(16)  JIP:  LABEL20";
//                           a message's meaning is on a line of its own, "    ugm MsgDesc: (load, ..."
#include "isa.h"

#include <stdlib.h>
#include <string.h>

struct instruction {
    const char *line; // the first of its lines
    uint32_t label;   // where it jumps to; NO_LABEL: it does not
    uint32_t n_multiplies;
    bool counted, load;
};
#define NO_LABEL UINT32_MAX

struct label {
    uint32_t number, at; // index of the instruction after it
    const char *line;
};

struct listing {
    struct instruction *instructions;
    struct label *labels;
    size_t n_instructions, n_labels, instruction_capacity, label_capacity;
    bool failed; // no memory
};

static bool has_prefix(const char *text, size_t size, const char *prefix)
{
    const size_t n = strlen(prefix);
    return size >= n && !memcmp(text, prefix, n);
}

static bool contains(const char *text, size_t size, const char *word)
{
    const size_t n = strlen(word);
    for (size_t i = 0; i + n <= size; i++)
        if (!memcmp(text + i, word, n))
            return true;
    return false;
}

// ---- lists --------------------------------------------------------------------------------------

static void *room_for_one(struct listing *listing, void **items, size_t *n, size_t *capacity,
                          size_t size)
{
    if (*n == *capacity) {
        const size_t wanted = *capacity ? 2 * *capacity : 256;
        void *grown = realloc(*items, wanted * size);
        if (!grown) {
            listing->failed = true;
            return NULL;
        }
        *items = grown;
        *capacity = wanted;
    }
    return (char *)*items + (*n)++ * size;
}

static struct instruction *add_instruction(struct listing *listing, const char *line)
{
    void *items = listing->instructions;
    struct instruction *instruction =
        room_for_one(listing, &items, &listing->n_instructions, &listing->instruction_capacity,
                     sizeof *instruction);
    listing->instructions = items;
    if (instruction)
        *instruction = (struct instruction){.line = line, .label = NO_LABEL};
    return instruction;
}

static void add_label(struct listing *listing, uint32_t number, const char *line)
{
    void *items = listing->labels;
    struct label *label =
        room_for_one(listing, &items, &listing->n_labels, &listing->label_capacity, sizeof *label);
    listing->labels = items;
    if (label)
        *label = (struct label){number, (uint32_t)listing->n_instructions, line};
}

static bool has_one_of(const char *name, size_t size, const char *const prefixes[])
{
    for (; *prefixes; prefixes++)
        if (has_prefix(name, size, *prefixes))
            return true;
    return false;
}

// ---- AMD ----------------------------------------------------------------------------------------

static const char *const amd_idle[] = {"s_wait", "s_nop", "s_delay_alu", NULL};
static const char *const amd_loads[] = {"buffer_load", "global_load", "flat_load", NULL};
static const char *const amd_jumps[] = {"s_branch", "s_cbranch", NULL};
static const char *const amd_multiplies[] = {"v_fma",    "v_mac_",     "v_mad_f", "v_mad_mix",
                                             "v_dot",    "v_pk_fma",   "v_wmma",  "v_swmmac",
                                             "v_dual_f", "v_dual_dot", NULL};

// Of one line: two where it has two instructions in one ("v_dual_fmac_f32 ... :: v_dual_...").
static uint32_t count_multiplies(const char *name, size_t size)
{
    uint32_t n = has_one_of(name, size, amd_multiplies);
    for (size_t i = 0; i + 3 < size; i++)
        if (!memcmp(name + i, ":: ", 3))
            n += has_one_of(name + i + 3, size - i - 3, amd_multiplies);
    return n;
}

static void read_amd(struct listing *listing, const char *line, size_t size)
{
    if (has_prefix(line, size, "BB")) {
        add_label(listing, (uint32_t)strtoul(line + 2, NULL, 10), line);
        return;
    }
    if (size < 2 || line[0] != '\t')
        return;
    // "\t v1: %5:v[1] = v_add_f32 ...": the name comes after the results.
    const char *name = line + 1, *end = line + size;
    if (*name == ' ') {
        while (name + 3 <= end && memcmp(name, " = ", 3) != 0)
            name++;
        if (name + 3 > end)
            return;
        name += 3;
    }
    size = (size_t)(end - name);
    if (has_prefix(name, size, "p_"))
        return; // a note of the compiler to itself
    struct instruction *instruction = add_instruction(listing, line);
    if (!instruction)
        return;
    instruction->counted = !has_one_of(name, size, amd_idle);
    instruction->load = has_one_of(name, size, amd_loads);
    instruction->n_multiplies = count_multiplies(name, size);
    if (has_one_of(name, size, amd_jumps)) {
        const char *target = name;
        while (target + 2 < end && memcmp(target, "BB", 2) != 0)
            target++;
        if (target + 2 < end)
            instruction->label = (uint32_t)strtoul(target + 2, NULL, 10);
    }
}

// ---- Intel --------------------------------------------------------------------------------------

// What a message does, in three generations' words. Blocks that all invocations share are not
// counted, nor shared memory (slm, and surface 254).
static bool is_load(const char *line, size_t size)
{
    if (contains(line, size, "slm MsgDesc") || contains(line, size, "Surface = 254") ||
        contains(line, size, "transpose"))
        return false;
    return contains(line, size, "( load,") || contains(line, size, "surface read") ||
           contains(line, size, "scattered read") || contains(line, size, "gather");
}

static const char *const intel_idle[] = {"sync", "nop", NULL};
static const char *const intel_multiplies[] = {"mad", "mac", "dp4a", "dpas", NULL};

static void read_intel(struct listing *listing, const char *line, size_t size)
{
    if (has_prefix(line, size, "LABEL")) {
        add_label(listing, (uint32_t)strtoul(line + strlen("LABEL"), NULL, 10), line);
        return;
    }
    if (contains(line, size, "MsgDesc:")) {
        if (listing->n_instructions)
            listing->instructions[listing->n_instructions - 1].load = is_load(line, size);
        return;
    }
    const char *name = line, *end = line + size;
    if (*name == '(') { // "(+f0.0) while(16) ..."
        while (name < end && *name != ')')
            name++;
        name += strspn(name, ") ");
    }
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_.");
    if (name + length >= end || !length || (name[length] != '(' && name[length] != ' '))
        return;
    if (name[length] == ' ' && !has_prefix(name, length, "sync"))
        return; // a heading
    struct instruction *instruction = add_instruction(listing, line);
    if (!instruction)
        return;
    instruction->counted = !has_one_of(name, length, intel_idle);
    instruction->n_multiplies = has_one_of(name, length, intel_multiplies);
    if (has_prefix(name, length, "while")) {
        const char *target = name;
        while (target + 5 < end && memcmp(target, "LABEL", 5) != 0)
            target++;
        if (target + 5 < end)
            instruction->label = (uint32_t)strtoul(target + 5, NULL, 10);
    }
}

// ---- loops --------------------------------------------------------------------------------------

struct span {
    size_t begin, end; // of instructions, the last is the jump
    const char *line;  // of the label
};

// The loop that the jump at `at` closes; false when it does not go back.
static bool loop_of(const struct listing *listing, size_t at, struct span *span)
{
    const uint32_t number = listing->instructions[at].label;
    if (number == NO_LABEL)
        return false;
    for (size_t i = 0; i < listing->n_labels; i++) {
        const struct label *label = &listing->labels[i];
        if (label->number == number) {
            *span = (struct span){label->at, at + 1, label->line};
            return label->at <= at;
        }
    }
    return false;
}

// Whether it goes on to a later jump to the same label or, with `innermost`, has a loop inside.
static bool is_out(const struct listing *listing, const struct span *span, bool innermost)
{
    struct span other;
    for (size_t i = 0; i < listing->n_instructions; i++) {
        if (!loop_of(listing, i, &other) || other.end == span->end)
            continue;
        if (other.begin == span->begin
                ? other.end > span->end
                : innermost && other.begin > span->begin && other.end <= span->end)
            return true;
    }
    return false;
}

static struct loop count(const struct listing *listing, const struct span *span)
{
    struct loop loop = {.text = span->line};
    for (size_t i = span->begin; i < span->end; i++) {
        const struct instruction *instruction = &listing->instructions[i];
        loop.n_instructions += instruction->counted;
        loop.n_loads += instruction->load;
        loop.n_multiplies += instruction->n_multiplies;
        loop.size = (size_t)(instruction->line - span->line) + strcspn(instruction->line, "\n");
    }
    return loop;
}

bool disassembly_loop(const struct disassembly *code, struct loop *loop)
{
    struct listing listing = {0};
    const char *end = code->text + code->size;
    for (const char *line = code->text; line < end && !listing.failed;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        const size_t length = (size_t)((newline ? newline : end) - line);
        if (length && code->isa == ISA_AMD)
            read_amd(&listing, line, length);
        else if (length)
            read_intel(&listing, line, length);
        line += length + 1;
    }

    struct span span;
    *loop = (struct loop){0};
    for (size_t i = 0; i < listing.n_instructions && !listing.failed; i++) {
        if (!loop_of(&listing, i, &span) || is_out(&listing, &span, code->innermost))
            continue;
        const struct loop found = count(&listing, &span);
        if (found.n_loads &&
            (found.n_multiplies == loop->n_multiplies ? found.n_instructions > loop->n_instructions
                                                      : found.n_multiplies > loop->n_multiplies))
            *loop = found;
    }
    free(listing.instructions);
    free(listing.labels);
    return !listing.failed;
}
