// map.c - files mapped read-only.
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

// strerror() without its shared buffer.
static const char *reason(int error, char *buffer, size_t size)
{
    if (strerror_r(error, buffer, size))
        return "unknown reason";
    return buffer;
}

bool smr_map_open(smr_context *context, const char *path, struct smr_map *map)
{
    char text[128];
    struct stat status;
    bool done = false;
    *map = (struct smr_map){0};

    // Not to hang on a pipe that has no writer.
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0)
        return smr_fail(context, SMR_ERROR_MODEL, "%s: cannot be opened: %s", path,
                        reason(errno, text, sizeof text));
    if (fstat(file, &status)) {
        smr_fail(context, SMR_ERROR_MODEL, "%s: cannot be examined: %s", path,
                 reason(errno, text, sizeof text));
    } else if (!S_ISREG(status.st_mode)) {
        smr_fail(context, SMR_ERROR_MODEL, "%s: is %s, not a file", path,
                 S_ISDIR(status.st_mode) ? "a directory" : "a pipe or device");
    } else if (status.st_size <= 0) {
        smr_fail(context, SMR_ERROR_MODEL, "%s: is empty", path);
    } else if ((uintmax_t)status.st_size > SIZE_MAX) {
        smr_fail(context, SMR_ERROR_MODEL, "%s: %ju bytes do not fit this machine's addresses",
                 path, (uintmax_t)status.st_size);
    } else {
        size_t size = (size_t)status.st_size;
        void *data = mmap(NULL, size, PROT_READ, MAP_SHARED, file, 0);
        done = data != MAP_FAILED;
        if (done)
            *map = (struct smr_map){
                .data = data, .size = size, .device = status.st_dev, .inode = status.st_ino};
        else
            smr_fail(context, SMR_ERROR_MODEL, "%s: cannot be mapped: %s", path,
                     reason(errno, text, sizeof text));
    }
    close(file);
    return done;
}

void smr_map_close(struct smr_map *map)
{
    if (map->data)
        munmap((void *)map->data, map->size);
    *map = (struct smr_map){0};
}
