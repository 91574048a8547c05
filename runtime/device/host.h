// host.h - the machine that we run on, for devices that are made of it.
#pragma once

#include <stddef.h>
#include <stdint.h>

// The processor's name and vendor, "AMD EPYC 7B13" and "AMD"; the architecture and an empty text
// where the system does not tell.
void smr_host_cpu(char *name, size_t name_size, char *vendor, size_t vendor_size);

// Bytes of memory, and how much of it can be taken without swapping. Where the system does not say
// how much that is, all of it.
void smr_host_memory(uint64_t *total, uint64_t *available);
