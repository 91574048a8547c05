// files.c - functions of libc that look at files: they find a render node and what sysfs says of it.
#include "shim.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

_Static_assert(sizeof(struct stat) == sizeof(struct stat64), "a 64-bit system");

// libc's function of this name, into a pointer to a function of its type.
#define LIBC(function, name)                                                                       \
    do {                                                                                           \
        void *symbol = dlsym(RTLD_NEXT, name);                                                     \
        memcpy(&(function), &symbol, sizeof(function));                                            \
    } while (0)

// ---- the few paths that there are ---------------------------------------------------------------

enum { DRM_MAJOR = 226, DRM_MINOR = 128 };
#define DRI "/dev/dri"
#define SYS "/sys/dev/char/226:128"
#define PCI SYS "/device"

enum kind { ELSEWHERE, ABSENT, DIRECTORY, TEXT, LINK, RENDER_NODE };

struct entry {
    enum kind kind;
    char data[256]; // of a TEXT or LINK
    size_t size;
};

static bool below(const char *path, const char *folder)
{
    const size_t n = strlen(folder);
    return !strncmp(path, folder, n) && (!path[n] || path[n] == '/');
}

static void set_text(struct entry *entry, enum kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void set_text(struct entry *entry, enum kind kind, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    entry->kind = kind;
    entry->size = (size_t)vsnprintf(entry->data, sizeof entry->data, format, arguments);
    va_end(arguments);
}

// The first 64 bytes of the PCI configuration space.
static void set_config(struct entry *entry, const struct gpu *gpu)
{
    entry->kind = TEXT;
    entry->size = 64;
    memset(entry->data, 0, entry->size);
    const unsigned char head[] = {0x86, 0x80, (unsigned char)gpu->pci_id,
                                  (unsigned char)(gpu->pci_id >> 8)};
    memcpy(entry->data, head, sizeof head);
    entry->data[8] = (char)gpu->revision;
    entry->data[11] = 3; // a display controller
    memcpy(entry->data + 0x2c, head, 2);
}

static void look_at_pci(const char *file, struct entry *entry)
{
    const struct gpu *gpu = shim_gpu();
    entry->kind = ABSENT;
    if (!strcmp(file, "subsystem"))
        set_text(entry, LINK, "../../../bus/pci");
    else if (!strcmp(file, "vendor") || !strcmp(file, "subsystem_vendor"))
        set_text(entry, TEXT, "0x8086\n");
    else if (!strcmp(file, "device"))
        set_text(entry, TEXT, "0x%04x\n", gpu->pci_id);
    else if (!strcmp(file, "revision"))
        set_text(entry, TEXT, "0x%02x\n", gpu->revision);
    else if (!strcmp(file, "subsystem_device"))
        set_text(entry, TEXT, "0x0000\n");
    else if (!strcmp(file, "uevent"))
        set_text(entry, TEXT,
                 "DRIVER=i915\nPCI_CLASS=30000\nPCI_ID=8086:%04X\nPCI_SUBSYS_ID=8086:0000\n"
                 "PCI_SLOT_NAME=0000:%s.0\n",
                 gpu->pci_id, gpu->vram_mib ? "03:00" : "00:02");
    else if (!strcmp(file, "config"))
        set_config(entry, gpu);
}

static void look(const char *path, struct entry *entry)
{
    static const char *const folders[] = {DRI, SYS, PCI, PCI "/drm", PCI "/drm/renderD128"};
    entry->kind = ELSEWHERE;
    entry->size = 0;
    if (!path || (!below(path, DRI) && !below(path, SYS)))
        return;
    entry->kind = ABSENT;
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        if (!strcmp(path, folders[i]))
            entry->kind = DIRECTORY;
    if (!strcmp(path, DRI "/renderD128"))
        entry->kind = RENDER_NODE;
    else if (entry->kind == ABSENT && !strncmp(path, PCI "/", sizeof PCI))
        look_at_pci(path + sizeof PCI, entry);
}

static enum kind kind_of(const char *path)
{
    struct entry entry;
    look(path, &entry);
    return entry.kind;
}

// ---- open render nodes --------------------------------------------------------------------------

// Known by inode, so that dup() and fcntl() need no help. The oldest are forgotten.
static struct {
    pthread_mutex_t lock;
    struct {
        dev_t device;
        ino_t inode;
    } known[64];
    unsigned n;
} nodes = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int libc_fstat(int fd, struct stat *info)
{
    int (*next)(int, struct stat *);
    LIBC(next, "fstat");
    return next(fd, info);
}

static void know_node(int fd)
{
    struct stat info;
    if (libc_fstat(fd, &info))
        return;
    pthread_mutex_lock(&nodes.lock);
    const unsigned at = nodes.n++ % (sizeof nodes.known / sizeof nodes.known[0]);
    nodes.known[at].device = info.st_dev;
    nodes.known[at].inode = info.st_ino;
    pthread_mutex_unlock(&nodes.lock);
}

static bool is_node(int fd)
{
    struct stat info;
    const int before = errno;
    bool found = false;
    if (fd < 0 || libc_fstat(fd, &info)) {
        errno = before;
        return false;
    }
    pthread_mutex_lock(&nodes.lock);
    for (size_t i = 0; i < sizeof nodes.known / sizeof nodes.known[0]; i++)
        found = found || (nodes.known[i].inode && nodes.known[i].inode == info.st_ino &&
                          nodes.known[i].device == info.st_dev);
    pthread_mutex_unlock(&nodes.lock);
    return found;
}

static int fail(int reason)
{
    errno = reason;
    return -1;
}

static int open_entry(const struct entry *entry, int flags)
{
    if (entry->kind == ABSENT || entry->kind == LINK)
        return fail(ENOENT);
    if (entry->kind == DIRECTORY)
        return fail(EACCES);
    int fd = memfd_create("shim_i915", flags & O_CLOEXEC ? MFD_CLOEXEC : 0);
    if (fd >= 0 && entry->kind == RENDER_NODE)
        know_node(fd);
    if (fd >= 0 && entry->kind == TEXT &&
        pwrite(fd, entry->data, entry->size, 0) != (ssize_t)entry->size) {
        close(fd);
        return fail(EIO);
    }
    return fd;
}

// Each of libc's four ways to open a file; `arguments` hold the mode, where `flags` ask for one.
static int open_any(const char *name, int folder, const char *path, int flags, va_list arguments)
{
    const mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
    struct entry entry;
    look(path, &entry);
    if (entry.kind != ELSEWHERE)
        return open_entry(&entry, flags);
    int (*next)(int, const char *, int, ...);
    LIBC(next, name);
    return next(folder, path, flags, mode);
}

SHIM_EXPORT int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    const int fd = open_any("openat", AT_FDCWD, path, flags, arguments);
    va_end(arguments);
    return fd;
}

SHIM_EXPORT int open64(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    const int fd = open_any("openat64", AT_FDCWD, path, flags, arguments);
    va_end(arguments);
    return fd;
}

SHIM_EXPORT int openat(int folder, const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    const int fd = open_any("openat", folder, path, flags, arguments);
    va_end(arguments);
    return fd;
}

SHIM_EXPORT int openat64(int folder, const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    const int fd = open_any("openat64", folder, path, flags, arguments);
    va_end(arguments);
    return fd;
}

static FILE *fopen_any(const char *name, const char *path, const char *mode)
{
    struct entry entry;
    look(path, &entry);
    if (entry.kind != ELSEWHERE) {
        const int fd = open_entry(&entry, O_CLOEXEC);
        return fd < 0 ? NULL : fdopen(fd, mode);
    }
    FILE *(*next)(const char *, const char *);
    LIBC(next, name);
    return next(path, mode);
}

SHIM_EXPORT FILE *fopen(const char *path, const char *mode)
{
    return fopen_any("fopen", path, mode);
}

SHIM_EXPORT FILE *fopen64(const char *path, const char *mode)
{
    return fopen_any("fopen64", path, mode);
}

// ---- what a file is -----------------------------------------------------------------------------

static void describe(enum kind kind, size_t size, struct stat *info)
{
    static const mode_t modes[] = {
        [DIRECTORY] = S_IFDIR | 0755,
        [TEXT] = S_IFREG | 0444,
        [LINK] = S_IFLNK | 0777,
        [RENDER_NODE] = S_IFCHR | 0666,
    };
    memset(info, 0, sizeof *info);
    info->st_nlink = 1;
    info->st_blksize = 4096;
    info->st_mode = modes[kind];
    info->st_size = (off_t)size;
    if (kind == RENDER_NODE)
        info->st_rdev = makedev(DRM_MAJOR, DRM_MINOR);
}

static int stat_any(int folder, const char *path, void *info, int flags)
{
    struct entry entry;
    if (path && !*path && flags & AT_EMPTY_PATH && is_node(folder)) {
        describe(RENDER_NODE, 0, info);
        return 0;
    }
    look(path, &entry);
    if (entry.kind == ABSENT)
        return fail(ENOENT);
    if (entry.kind == LINK && !(flags & AT_SYMLINK_NOFOLLOW))
        entry.kind = DIRECTORY;
    if (entry.kind != ELSEWHERE) {
        describe(entry.kind, entry.size, info);
        return 0;
    }
    int (*next)(int, const char *, struct stat *, int);
    LIBC(next, "fstatat");
    return next(folder, path, info, flags);
}

SHIM_EXPORT int stat(const char *path, struct stat *info)
{
    return stat_any(AT_FDCWD, path, info, 0);
}

SHIM_EXPORT int stat64(const char *path, struct stat64 *info)
{
    return stat_any(AT_FDCWD, path, info, 0);
}

SHIM_EXPORT int lstat(const char *path, struct stat *info)
{
    return stat_any(AT_FDCWD, path, info, AT_SYMLINK_NOFOLLOW);
}

SHIM_EXPORT int lstat64(const char *path, struct stat64 *info)
{
    return stat_any(AT_FDCWD, path, info, AT_SYMLINK_NOFOLLOW);
}

SHIM_EXPORT int fstatat(int folder, const char *path, struct stat *info, int flags)
{
    return stat_any(folder, path, info, flags);
}

SHIM_EXPORT int fstatat64(int folder, const char *path, struct stat64 *info, int flags)
{
    return stat_any(folder, path, info, flags);
}

SHIM_EXPORT int fstat(int fd, struct stat *info)
{
    if (!is_node(fd))
        return libc_fstat(fd, info);
    describe(RENDER_NODE, 0, info);
    return 0;
}

SHIM_EXPORT int fstat64(int fd, struct stat64 *info)
{
    return fstat(fd, (struct stat *)info);
}

SHIM_EXPORT int access(const char *path, int mode)
{
    const enum kind kind = kind_of(path);
    if (kind != ELSEWHERE)
        return kind == ABSENT ? fail(ENOENT) : 0;
    int (*next)(const char *, int);
    LIBC(next, "access");
    return next(path, mode);
}

// ---- links and folders --------------------------------------------------------------------------

SHIM_EXPORT ssize_t readlink(const char *path, char *out, size_t size)
{
    struct entry entry;
    look(path, &entry);
    if (entry.kind == LINK) {
        if (size > entry.size)
            size = entry.size;
        memcpy(out, entry.data, size);
        return (ssize_t)size;
    }
    if (entry.kind != ELSEWHERE)
        return fail(entry.kind == ABSENT ? ENOENT : EINVAL);
    ssize_t (*next)(const char *, char *, size_t);
    LIBC(next, "readlink");
    return next(path, out, size);
}

SHIM_EXPORT char *realpath(const char *path, char *out)
{
    const enum kind kind = kind_of(path);
    if (kind == ABSENT)
        errno = ENOENT;
    if (kind != ELSEWHERE)
        return kind == ABSENT ? NULL : out ? memcpy(out, path, strlen(path) + 1) : strdup(path);
    char *(*next)(const char *, char *);
    LIBC(next, "realpath");
    return next(path, out);
}

// What realpath() is where a program was compiled with _FORTIFY_SOURCE.
SHIM_EXPORT char *__realpath_chk(const char *path, char *out, size_t size); // NOLINT
SHIM_EXPORT char *__realpath_chk(const char *path, char *out, size_t size)  // NOLINT
{
    (void)size;
    return realpath(path, out);
}

// One listing of /dev/dri at a time is enough.
static struct {
    DIR *folder; // another one, which stands for it
    size_t at;
} listing;

SHIM_EXPORT DIR *opendir(const char *path)
{
    const enum kind kind = kind_of(path);
    DIR *(*next)(const char *);
    LIBC(next, "opendir");
    if (kind == ELSEWHERE)
        return next(path);
    if (kind != DIRECTORY) {
        errno = kind == ABSENT ? ENOENT : ENOTDIR;
        return NULL;
    }
    DIR *folder = next("/");
    if (folder && !strcmp(path, DRI)) {
        listing.folder = folder;
        listing.at = 0;
    }
    return folder;
}

SHIM_EXPORT struct dirent *readdir(DIR *folder)
{
    static const char *const names[] = {".", "..", "renderD128"};
    static struct dirent entry;
    if (folder != listing.folder) {
        struct dirent *(*next)(DIR *);
        LIBC(next, "readdir");
        return next(folder);
    }
    if (listing.at == sizeof names / sizeof names[0])
        return NULL;
    entry.d_ino = listing.at + 1;
    entry.d_type = listing.at == 2 ? DT_CHR : DT_DIR;
    snprintf(entry.d_name, sizeof entry.d_name, "%s", names[listing.at++]);
    return &entry;
}

SHIM_EXPORT struct dirent64 *readdir64(DIR *folder)
{
    return (struct dirent64 *)readdir(folder);
}

SHIM_EXPORT int closedir(DIR *folder)
{
    int (*next)(DIR *);
    LIBC(next, "closedir");
    if (folder == listing.folder)
        listing.folder = NULL;
    return next(folder);
}

// ---- ioctl --------------------------------------------------------------------------------------

SHIM_EXPORT int ioctl(int fd, unsigned long request, ...)
{
    va_list arguments;
    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    if (_IOC_TYPE(request) == 'd' && is_node(fd)) {
        const int reason = shim_i915(fd, (unsigned)_IOC_NR(request), argument);
        return reason ? fail(reason) : 0;
    }
    int (*next)(int, unsigned long, ...);
    LIBC(next, "ioctl");
    return next(fd, request, argument);
}
