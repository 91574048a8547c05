// isa.h - samara-isa: what the kernels become under the compilers of GPUs that are not here.
//
// main.c         options, one process for each chip, compiling, the table
// chips.c        the chips, and the environment in which Mesa takes one of them for present
// shapes.c       what a model asks of each kernel, by name
// facts.c        from what the driver tells of a kernel to numbers
// disassembly.c  the main loop of a kernel, counted
// peer.c         figures of another engine to compare with
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
    union {
        uint32_t words[SMR_MAX_PUSH_SIZE / 4];
        struct smr_embed_push embed;
        struct smr_norm_push norm;
        struct smr_matmul_push matmul;
        struct smr_rope_store_push rope_store;
        struct smr_attention_push attention;
        struct smr_attention_merge_push attention_merge;
        struct smr_activate_push activate;
        struct smr_reduce_push reduce;
        struct smr_copy_pages_push copy_pages;
        struct smr_route_push route;
        struct smr_experts_push experts;
        struct smr_combine_push combine;
    } push;
};
extern const struct shape shapes[];
extern const size_t n_shapes;

// ---- facts --------------------------------------------------------------------------------------

struct loop {
    uint32_t n_instructions; // without waits and delays; 0: there is no loop that loads
    uint32_t n_loads;        // from buffers, by each invocation for itself
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

// Read what smr_kernel_inspect() tells. False when that is not in the form of Mesa's drivers.
bool facts_read(enum isa isa, const char *text, struct facts *facts);

// The text of the disassembly within what smr_kernel_inspect() tells; NULL where there is none.
const char *disassembly_find(const char *text, size_t *size);

// The main loop: of those that have no other loop inside and load from buffers the one with the most
// instructions. `first` and `size`, when not NULL, receive where it is in the text. False without memory.
bool disassembly_loop(enum isa isa, const char *text, size_t size, struct loop *loop, size_t *first,
                      size_t *loop_size);

// ---- the peer -----------------------------------------------------------------------------------

// Instructions and vector loads per weight of llama.cpp's mat-vec with f32 activations.
struct peer_figure {
    double instructions, loads;
};
// NULL where nothing is known.
const struct peer_figure *peer_find(const struct chip *chip, enum smr_type type);
