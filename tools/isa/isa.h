// isa.h - samara-isa: what the kernels become under the compilers of GPUs that are not here.
//
// main.c         options, and a process for each chip
// chips.c        the chips, and the environment in which Mesa takes one of them for present
// shapes.c       what a model asks of each kernel, by name
// facts.c        from what the driver tells of a kernel to numbers
// disassembly.c  the main loop of a kernel, counted
// peer.c         figures of another engine to compare with
// report.c       compiles what is asked for, and prints it
#pragma once

#include "kernel/kernel.h"

// ---- chips --------------------------------------------------------------------------------------

enum isa { ISA_AMD, ISA_INTEL };

struct chip {
    const char *name; // as Mesa or the shim calls it
    const char *what; // a product
    enum isa isa;
};
extern const struct chip chips[];
enum { N_CHIPS = 7 };

const struct chip *chip_find(const char *name); // NULL when there is none of that name

// Set the environment of this process so that it has `chip` alone after exec: Mesa's drivers from
// the folder `drivers` (which has usr/share/vulkan/icd.d), the shim beside this program. Prints what
// is missing and returns false.
bool chip_pretend(const struct chip *chip, const char *drivers);

// ---- shapes -------------------------------------------------------------------------------------

struct shape {
    const char *name; // "1 row of 4096"
    enum smr_kernel_id id;
    union smr_push push;
};
extern const struct shape shapes[];
extern const size_t n_shapes;

// ---- facts --------------------------------------------------------------------------------------

struct loop {
    uint32_t n_instructions; // without waits and delays; 0: there is no loop that loads
    uint32_t n_loads;        // from buffers, by each invocation for itself
    uint32_t n_multiplies;   // of numbers to be added: multiply-adds, dot products, matrices
    const char *text;        // of the disassembly, while that lives
    size_t size;
};

struct facts {
    uint32_t subgroup_size;
    uint32_t registers;        // AMD: vector registers. Intel: most that live at once
    uint32_t scalar_registers; // AMD
    uint32_t spills;           // registers moved to memory or to lanes of others; Intel: and back
    uint32_t scratch_size;     // bytes of memory for an invocation's arrays and spills
    uint32_t n_subgroups;      // AMD: that fit a SIMD at a time
    uint32_t shared_size;      // bytes
    uint32_t n_instructions;
    struct loop loop; // the main one
};

// What smr_kernel_inspect() tells of a kernel.
struct account {
    enum isa isa;
    const char *text;
    bool innermost; // the main loop is one that has no loop inside
};
// Read it. False when it is not in the form of Mesa's drivers, or without memory.
bool facts_read(const struct account *account, struct facts *facts);

// The disassembly in it; NULL where there is none.
const char *disassembly_find(const char *text, size_t *size);

// The main loop of a disassembly: of those that load from buffers the one with the most
// multiplications, or of equal ones the most instructions. False without memory.
struct disassembly {
    enum isa isa;
    const char *text;
    size_t size;
    bool innermost;
};
bool disassembly_loop(const struct disassembly *code, struct loop *loop);

// ---- the peer -----------------------------------------------------------------------------------

// Instructions and vector loads per weight of llama.cpp's mat-vec.
struct peer_figure {
    double instructions, loads;
};
// With f32 activations, or `narrow` ones of 8 bits where it has that. NULL where nothing is known.
const struct peer_figure *peer_find(const struct chip *chip, enum smr_type type, bool narrow);
