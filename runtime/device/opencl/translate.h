// translate.h - from a compute shader's SPIR-V to OpenCL C 1.2, with extensions where it needs some:
// smr_spv_read() (spirv.h), smr_cl_find_traits(), then smr_cl_translate() as what they suggest. All
// may be called from several threads.
//
// The kernel is named "samara". Its arguments are the buffers of bindings 0 to n_bindings - 1, and
// after them, if push_size is not 0, a struct of that size by value. Specialisation constant N is
// the macro SPECN: the bits of its value as an unsigned number. The workgroup's size is required by
// an attribute. SMR_CPU must be defined where invocations run one after the other (clc.h says why).
// SMR_HALF_BITS may be defined where numbers too small to be normal are kept: halves are then
// converted by shifts, which processors do faster than vload_half().
//
// A shader can also become a function, for a program that has several of them (cl.h, link.c).
#pragma once

#include "device/opencl/spirv.h"

struct smr_cl_traits { // of a shader, and of its text
    // The shader asks for exact evaluation somewhere: the text must not be compiled with options that
    // reorder arithmetic.
    bool precise;
    // It needs cl_khr_subgroups and cl_khr_subgroup_shuffle (or cl_intel_subgroups), and a language
    // that has them: OpenCL C 2.0 or later.
    bool subgroups;
    // It has dot products of bytes, which cl_khr_integer_dot_product makes fast where the language is
    // OpenCL C 3.0.
    bool byte_dots;
    bool shared_atomics; // there are atomic operations on shared memory: it can be no function
    // Invocations of a workgroup, unless a specialisation constant says it: its number, or UINT32_MAX.
    uint32_t local[3], local_constant[3];
};

void smr_cl_find_traits(const struct smr_spv *module, struct smr_cl_traits *traits);

// Append the text to `text`: of a kernel, or, where `function` is not NULL, of a function with that
// name which does what one workgroup of the kernel does, where that has one invocation:
//   void FUNCTION(const smr_place *at, buffers..., const FUNCTIONpush_constants push)
// `at` says which workgroup. What else the text defines begins with FUNCTION too, but for the macros
// SPECN. Before it must come what smr_cl_chain_prelude() appends.
// An error names the kernel and what is not supported.
bool smr_cl_translate(smr_context *context, const struct smr_spv *module, const char *function,
                      uint32_t n_bindings, uint32_t push_size, struct smr_string *text);
void smr_cl_chain_prelude(struct smr_string *text);
