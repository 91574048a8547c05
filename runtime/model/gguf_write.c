#include "model/gguf_write.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { VERSION = 3, ALIGNMENT = 32 };

// ---- the header -------------------------------------------------------------------------------

static void put(struct smr_string *header, uint64_t value, int size)
{
    uint8_t bytes[8];
    for (int i = 0; i < size; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
    smr_string_add(header, bytes, (size_t)size);
}

static void put_text(struct smr_string *header, const char *text, size_t size)
{
    put(header, size, 8);
    smr_string_add(header, text, size);
}

static void put_value(struct smr_string *header, const struct smr_gguf_value *value)
{
    float f32 = (float)value->real;
    uint32_t bits32;
    uint64_t bits64;
    memcpy(&bits32, &f32, sizeof bits32);
    memcpy(&bits64, &value->real, sizeof bits64);

    put(header, value->type, 4);
    switch ((enum smr_gguf_type)value->type) {
    case SMR_GGUF_U8:
    case SMR_GGUF_I8:
    case SMR_GGUF_BOOL:
        put(header, (uint64_t)value->integer, 1);
        break;
    case SMR_GGUF_U16:
    case SMR_GGUF_I16:
        put(header, (uint64_t)value->integer, 2);
        break;
    case SMR_GGUF_U32:
    case SMR_GGUF_I32:
        put(header, (uint64_t)value->integer, 4);
        break;
    case SMR_GGUF_U64:
    case SMR_GGUF_I64:
        put(header, (uint64_t)value->integer, 8);
        break;
    case SMR_GGUF_F32:
        put(header, bits32, 4);
        break;
    case SMR_GGUF_F64:
        put(header, bits64, 8);
        break;
    case SMR_GGUF_STRING:
        put_text(header, value->text, value->text_size);
        break;
    case SMR_GGUF_ARRAY:
        put(header, value->array.type, 4);
        put(header, value->array.n, 8);
        smr_string_add(header, value->array.cursor.data, value->array.cursor.size);
        break;
    }
}

static uint64_t padding(uint64_t size)
{
    return (ALIGNMENT - size % ALIGNMENT) % ALIGNMENT;
}

static void put_padding(struct smr_string *header)
{
    static const uint8_t zeros[ALIGNMENT];
    smr_string_add(header, zeros, padding(header->size));
}

// `data_size` is set to the bytes of all tensors with the padding after each.
static void put_tensors(struct smr_string *header, const struct smr_tensor *tensors, uint32_t n,
                        uint64_t *data_size)
{
    uint64_t offset = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct smr_tensor *tensor = &tensors[i];
        put_text(header, tensor->name, strlen(tensor->name));
        put(header, tensor->n_dims, 4);
        for (uint32_t d = 0; d < tensor->n_dims; d++)
            put(header, tensor->dims[d], 8);
        put(header, tensor->type, 4);
        put(header, offset, 8);
        offset += tensor->size + padding(tensor->size);
    }
    *data_size = offset;
}

static bool make_header(struct smr_string *header, const struct smr_metadata *metadata,
                        const struct smr_tensor *tensors, uint32_t n_tensors, uint64_t *data_size)
{
    smr_string_add(header, "GGUF", 4);
    put(header, VERSION, 4);
    put(header, n_tensors, 8);
    put(header, metadata->keys.n, 8);
    for (uint32_t i = 0; i < metadata->keys.n; i++) {
        put_text(header, metadata->keys.names[i], strlen(metadata->keys.names[i]));
        put_value(header, &metadata->values[i]);
    }
    put_tensors(header, tensors, n_tensors, data_size);
    put_padding(header);
    return !header->failed;
}

// ---- the file ---------------------------------------------------------------------------------

static bool fail(const struct smr_gguf_writer *writer, const char *what)
{
    return smr_fail(writer->context, SMR_ERROR, "%s: %s: %s", writer->path, what, strerror(errno));
}

static bool write_all(struct smr_gguf_writer *writer, const void *data, uint64_t size)
{
    enum { MOST = 1 << 30 }; // systems take less than 2 GiB at a time
    const uint8_t *at = data;
    while (size) {
        const ssize_t n = write(writer->file, at, size < MOST ? (size_t)size : MOST);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return fail(writer, "cannot write");
        at += n;
        size -= (uint64_t)n;
        writer->size += (uint64_t)n;
    }
    return true;
}

static bool check_target(const struct smr_gguf_writer *writer)
{
    struct stat info;
    if (stat(writer->path, &info))
        return errno == ENOENT || fail(writer, "cannot write");
    if (!S_ISREG(info.st_mode))
        return smr_fail(writer->context, SMR_ERROR, "%s: exists and is not a file", writer->path);
    return writer->replace ||
           smr_fail(writer->context, SMR_ERROR,
                    "%s: exists already: remove it, or replace it with --force", writer->path);
}

// A file beside the target with the permissions of any new file.
static bool create_temporary(struct smr_gguf_writer *writer)
{
    enum { ROOM = 32, TRIES = 100 };
    const size_t size = strlen(writer->path) + ROOM;
    writer->temporary = smr_alloc(writer->context, 1, size, "a file's name");
    if (!writer->temporary)
        return false;
    for (uint64_t i = 0; i < TRIES; i++) {
        const unsigned number = (unsigned)((smr_time_ns() / 1000 + i) % 1000000);
        snprintf(writer->temporary, size, "%s.%06u.part", writer->path, number);
        writer->file = open(writer->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (writer->file >= 0 || errno != EEXIST)
            break;
    }
    if (writer->file >= 0)
        return true;
    smr_free(writer->context, writer->temporary); // not ours to delete
    writer->temporary = NULL;
    return fail(writer, "cannot write beside it");
}

static bool check_room(const struct smr_gguf_writer *writer, uint64_t size)
{
    struct statvfs disk;
    if (fstatvfs(writer->file, &disk) || !disk.f_blocks)
        return true; // not known: writing will tell
    const uint64_t room = (uint64_t)disk.f_bavail * disk.f_frsize;
    return size <= room || smr_fail(writer->context, SMR_ERROR,
                                    "%s: needs %" PRIu64 " MB, and the disk has only %" PRIu64
                                    " MB free: make room or choose another place",
                                    writer->path, size / 1000000 + 1, room / 1000000);
}

bool smr_gguf_write_begin(struct smr_gguf_writer *writer, smr_context *context, const char *path,
                          bool replace, const struct smr_metadata *metadata,
                          const struct smr_tensor *tensors, uint32_t n_tensors)
{
    *writer = (struct smr_gguf_writer){.context = context,
                                       .file = -1,
                                       .replace = replace,
                                       .tensors = tensors,
                                       .n_tensors = n_tensors};
    struct smr_string header;
    uint64_t data_size = 0;
    smr_string_init(&header, context);
    writer->path = smr_strdup(context, path);
    bool done = writer->path && check_target(writer) &&
                make_header(&header, metadata, tensors, n_tensors, &data_size) &&
                create_temporary(writer) && check_room(writer, header.size + data_size) &&
                write_all(writer, header.data, header.size);
    smr_string_finish(&header);
    if (!done)
        smr_gguf_write_abort(writer);
    return done;
}

bool smr_gguf_write_data(struct smr_gguf_writer *writer, const void *data, uint64_t size)
{
    static const uint8_t zeros[ALIGNMENT];
    assert(writer->index < writer->n_tensors);
    const uint64_t whole = writer->tensors[writer->index].size;
    assert(size <= whole - writer->written);
    if (!write_all(writer, data, size))
        return false;
    writer->written += size;
    if (writer->written < whole)
        return true;
    writer->written = 0;
    writer->index++;
    return write_all(writer, zeros, padding(whole));
}

bool smr_gguf_write_end(struct smr_gguf_writer *writer)
{
    assert(writer->index == writer->n_tensors);
    const bool synchronised = !fsync(writer->file), closed = !close(writer->file);
    writer->file = -1;
    bool done = (synchronised && closed) || fail(writer, "cannot write");
    done = done && check_target(writer); // somebody may have made it meanwhile
    done = done && (!rename(writer->temporary, writer->path) || fail(writer, "cannot be named so"));
    if (done) {
        smr_free(writer->context, writer->temporary);
        writer->temporary = NULL;
    }
    smr_gguf_write_abort(writer);
    return done;
}

void smr_gguf_write_abort(struct smr_gguf_writer *writer)
{
    if (!writer->context)
        return;
    if (writer->file >= 0)
        close(writer->file);
    if (writer->temporary)
        unlink(writer->temporary);
    smr_free(writer->context, writer->temporary);
    smr_free(writer->context, writer->path);
    *writer = (struct smr_gguf_writer){0};
}
