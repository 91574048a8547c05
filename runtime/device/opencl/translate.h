// translate.h - from a compute shader's SPIR-V to OpenCL C 1.2.
//
// The kernel is named "samara". Its arguments are the buffers of bindings 0 to n_bindings - 1, and
// after them, if push_size is not 0, a struct of that size by value. Specialisation constant N is
// the macro SPECN: the bits of its value as an unsigned number. The workgroup's size is required by
// an attribute. SMR_CPU must be defined where invocations run one after the other (clc.h says why).
// SMR_HALF_BITS may be defined where numbers too small to be normal are kept: halves are then
// converted by shifts, which processors do faster than vload_half().
#pragma once

#include "base/base.h"

// Append the text to `text`. *precise: the shader asks for exact evaluation somewhere, so the text
// must not be compiled with options that reorder arithmetic. An error names the kernel and what is
// not supported. May be called from several threads.
bool smr_cl_translate(smr_context *context, const char *name, const uint32_t *spirv, size_t size,
                      uint32_t n_bindings, uint32_t push_size, struct smr_string *text,
                      bool *precise);
