// gguf_write.h - writing a GGUF file (gguf.h has the format) from front to back: version 3,
// alignment 32.
//
// The file appears under its name whole or not at all: it is written beside it, under a name with a
// number and ".part" at the end, synchronised, and renamed.
#pragma once

#include "model/metadata.h"

struct smr_gguf_writer {
    smr_context *context;
    char *path, *temporary; // owned; NULL when nothing is being written
    bool replace;
    int file; // of the temporary; -1 before there is one
    const struct smr_tensor *tensors;
    uint32_t n_tensors, index; // the tensor whose data comes next
    uint64_t written;          // bytes of it
    uint64_t size;             // bytes of the file so far
};

// Write all that comes before the data: metadata, and the tensors' names, dims, types and sizes, which
// must stay until the end. Refuses a path that exists unless `replace`, one that is no plain file, and
// a disk with too little room. False with an error recorded; then nothing is left.
bool smr_gguf_write_begin(struct smr_gguf_writer *writer, smr_context *context, const char *path,
                          bool replace, const struct smr_metadata *metadata,
                          const struct smr_tensor *tensors, uint32_t n_tensors);

// The next `size` bytes of data: of the first tensor that is not complete, and of no other.
bool smr_gguf_write_data(struct smr_gguf_writer *writer, const void *data, uint64_t size);

// All data is written: give the file its name.
bool smr_gguf_write_end(struct smr_gguf_writer *writer);

// Delete what was written, unless it ended. Accepts a zeroed writer, and one that failed or ended.
void smr_gguf_write_abort(struct smr_gguf_writer *writer);
