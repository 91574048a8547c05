// shim.h - a library that is loaded before Mesa's Intel Vulkan driver (LD_PRELOAD) and pretends that
// one Intel GPU is present, so that the driver's compiler can be asked what it makes of a kernel.
//
// Nothing is ever executed: what is submitted is dropped, every wait succeeds at once, and results
// are whatever lay in memory. Three things are pretended:
//   files.c  the few paths below /dev/dri and /sys/dev/char that a driver looks at; opening the
//            render node gives a file in memory, which is known again by its inode
//   i915.c   the kernel's answers to ioctl() on that file (Linux's drm.h and i915_drm.h). Buffers
//            are ranges of the file, and what the driver maps is a range of it, so that mmap()
//            needs no help
//   gpus.c   which GPU it is: the environment variable SHIM_I915 names it
// Limits: 64-bit Linux with glibc 2.33 or newer, the i915 interface (Mesa 25 takes Xe2 through it
// too), and what ANV asks for.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What the library exports are functions of libc, which the program shall not have.
#define SHIM_EXPORT __attribute__((visibility("default")))

struct gpu {
    const char *name;
    uint16_t pci_id;
    uint8_t revision;
    bool xe_hp;             // Gfx12.5 and later: no tiling by ioctl, and a table of the hardware
    uint8_t subslices, eus; // how many, and execution units of each
    uint8_t compute_engines;
    uint32_t vram_mib; // 0: shares the machine's memory
};
const struct gpu *shim_gpu(void); // ends the process, with a message, when SHIM_I915 names none

// Answer an ioctl on the render node, which is open as `fd`. Returns 0 or an errno value.
int shim_i915(int fd, unsigned number, void *argument);
