// file.h - reading what may be cut, corrupt or hostile, and keeping compiled work on disk.
#pragma once

#include "base/base.h"

// ---- a mapped file ----------------------------------------------------------------------------

// A whole file, mapped read-only. The contents can change under us if somebody writes the file;
// whoever parses must therefore copy what it checks before it relies on it.
struct smr_map {
    const uint8_t *data;
    size_t size;            // bytes
    uint64_t device, inode; // which file it is, whatever its name
};
// Fails with SMR_ERROR_MODEL naming the path and the system's reason; an empty file fails too.
bool smr_map_open(smr_context *context, const char *path, struct smr_map *map);
void smr_map_close(struct smr_map *map); // accepts a zeroed map

// ---- a checked cursor -------------------------------------------------------------------------

// Reads little-endian values from memory. The first failure sticks in `failed`; reads after it give
// zero, so a parser may read a whole record and check once.
struct smr_cursor {
    const uint8_t *data;
    size_t size;   // bytes
    size_t offset; // of the next read; <= size
    bool failed;   // a read went past the end
};
static inline struct smr_cursor smr_cursor_make(const void *data, size_t size)
{
    return (struct smr_cursor){.data = data, .size = size};
}
const uint8_t *smr_cursor_bytes(struct smr_cursor *cursor, size_t size); // NULL past the end
uint8_t smr_cursor_u8(struct smr_cursor *cursor);
uint16_t smr_cursor_u16(struct smr_cursor *cursor);
uint32_t smr_cursor_u32(struct smr_cursor *cursor);
uint64_t smr_cursor_u64(struct smr_cursor *cursor);
float smr_cursor_f32(struct smr_cursor *cursor);
double smr_cursor_f64(struct smr_cursor *cursor);

// ---- the disk cache ---------------------------------------------------------------------------

// Compiled work, one file per key below the context's cache directory. Entries are written to a
// temporary name and renamed, so that two processes never see half an entry, and carry a checksum:
// a damaged or foreign entry is a miss. A cache that cannot be written is no error.
struct smr_key {
    uint64_t low, high; // XXH3, 128 bits
};
struct smr_key smr_hash(const void *data, size_t size, struct smr_key seed);
struct smr_blob {
    uint8_t *data; // owned; free with smr_blob_free()
    size_t size;
};
// `kind` is a file name suffix: "spv", "pipelines", "tuning".
bool smr_cache_get(smr_context *context, const char *kind, struct smr_key key,
                   struct smr_blob *blob);
void smr_cache_put(smr_context *context, const char *kind, struct smr_key key, const void *data,
                   size_t size);
void smr_blob_free(smr_context *context, struct smr_blob *blob);
