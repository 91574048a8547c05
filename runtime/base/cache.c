// cache.c - compiled work kept on disk, one file per key.
//
// An entry is this header and then the data:
//
//     u32 magic "SMRC"   u32 version   u64 size   u64 key[2]   u64 checksum[2] of the data
//
// in the byte order of the machine that wrote it: on another the magic does not match.
#include "base/context.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum { MAGIC = 0x43524d53, VERSION = 1 };

// More than a driver's pipeline cache takes; a larger file is not ours.
static const uint64_t max_entry_size = (uint64_t)1 << 30;

struct header {
    uint32_t magic, version;
    uint64_t size; // bytes after the header
    struct smr_key key, checksum;
};

struct smr_key smr_hash(const void *data, size_t size, struct smr_key seed)
{
    XXH128_hash_t hash = XXH3_128bits(data, size);
    uint64_t parts[4] = {hash.low64, hash.high64, seed.low, seed.high};
    hash = XXH3_128bits(parts, sizeof parts);
    return (struct smr_key){hash.low64, hash.high64};
}

static bool keys_equal(struct smr_key a, struct smr_key b)
{
    return a.low == b.low && a.high == b.high;
}

// DIR/KEY.KIND and `suffix`. Memory from the context; NULL without an error recorded.
static char *entry_path(smr_context *context, const char *kind, struct smr_key key,
                        const char *suffix)
{
    const char *dir = context->params.cache_dir;
    size_t size = strlen(dir) + 1 + 32 + 1 + strlen(kind) + strlen(suffix) + 1;
    char *path = smr_context_reallocate(context, NULL, size);
    if (path)
        snprintf(path, size, "%s/%016" PRIx64 "%016" PRIx64 ".%s%s", dir, key.high, key.low, kind,
                 suffix);
    return path;
}

// ---- get --------------------------------------------------------------------------------------

static bool read_all(int file, void *data, size_t size)
{
    uint8_t *at = data;
    while (size) {
        ssize_t n = read(file, at, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

// Read and check the entry in `file`. The size must be that of the file before memory is taken.
static bool read_entry(smr_context *context, int file, struct smr_key key, struct smr_blob *blob)
{
    struct header header;
    struct stat status;
    if (fstat(file, &status) || !S_ISREG(status.st_mode) ||
        !read_all(file, &header, sizeof header) || header.magic != MAGIC ||
        header.version != VERSION || !keys_equal(header.key, key) || header.size > max_entry_size ||
        (uint64_t)status.st_size != sizeof header + header.size)
        return false;

    size_t size = (size_t)header.size;
    uint8_t *data = smr_context_reallocate(context, NULL, size ? size : 1);
    if (!data)
        return false;
    if (!read_all(file, data, size) || !keys_equal(smr_hash(data, size, key), header.checksum)) {
        smr_context_reallocate(context, data, 0);
        return false;
    }
    *blob = (struct smr_blob){.data = data, .size = size};
    return true;
}

bool smr_cache_get(smr_context *context, const char *kind, struct smr_key key,
                   struct smr_blob *blob)
{
    *blob = (struct smr_blob){0};
    if (!context->params.cache_dir)
        return false;
    char *path = entry_path(context, kind, key, "");
    if (!path)
        return false;
    bool found = false;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file >= 0) {
        found = read_entry(context, file, key, blob);
        close(file);
        if (!found)
            smr_log(context, SMR_LOG_DEBUG, "cache: %s is damaged or not ours: ignored", path);
    }
    smr_context_reallocate(context, path, 0);
    return found;
}

// ---- put --------------------------------------------------------------------------------------

static bool write_all(int file, const void *data, size_t size)
{
    const uint8_t *at = data;
    while (size) {
        ssize_t n = write(file, at, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

// mkdir -p. Modes are 0700: what lies here is loaded into the driver later.
static void make_directories(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(path, 0700);
        *slash = '/';
    }
}

// A new file of mode 0600 under a name that no other thread or process has.
static int create_temporary(char *path)
{
    // mkstemp() changes the name on failure too: start it afresh after making the directory.
    size_t length = strlen(path);
    int file = mkstemp(path);
    if (file < 0 && errno == ENOENT) {
        memcpy(path + length - 6, "XXXXXX", 6);
        make_directories(path);
        file = mkstemp(path);
    }
    if (file >= 0)
        fcntl(file, F_SETFD, FD_CLOEXEC);
    return file;
}

void smr_cache_put(smr_context *context, const char *kind, struct smr_key key, const void *data,
                   size_t size)
{
    if (!context->params.cache_dir || size > max_entry_size)
        return;
    struct header header = {
        .magic = MAGIC,
        .version = VERSION,
        .size = size,
        .key = key,
        .checksum = smr_hash(data, size, key),
    };
    char *path = entry_path(context, kind, key, "");
    char *temporary = entry_path(context, kind, key, ".XXXXXX");
    bool written = false;
    if (path && temporary) {
        int file = create_temporary(temporary);
        if (file >= 0) {
            written = write_all(file, &header, sizeof header) && write_all(file, data, size);
            written = !close(file) && written; // a full disk may speak up only here
            written = written && !rename(temporary, path);
            if (!written)
                unlink(temporary);
        }
        if (!written)
            smr_log(context, SMR_LOG_DEBUG, "cache: %s could not be written", path);
    }
    smr_context_reallocate(context, path, 0);
    smr_context_reallocate(context, temporary, 0);
}

void smr_blob_free(smr_context *context, struct smr_blob *blob)
{
    smr_free(context, blob->data);
    *blob = (struct smr_blob){0};
}
