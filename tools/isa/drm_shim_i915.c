/* drm_shim_i915.c - an LD_PRELOAD library that pretends one Intel GPU is present.
 *
 * Purpose: let Mesa's Intel Vulkan driver (ANV, libvulkan_intel.so) enumerate a
 * device on a machine without one, so that compute pipelines can be created and
 * their VK_KHR_pipeline_executable_properties statistics read (SIMD width,
 * spills, instruction count, cycle estimate ...).  The compiler, which is all
 * user space, runs for real; nothing is ever executed: submitted batches are
 * dropped and every wait succeeds at once.  Results of GPU work are garbage.
 *
 * Build: gcc -O2 -Wall -Wno-nonnull-compare -shared -fPIC -o drm_shim_i915.so drm_shim_i915.c -ldl
 * Use:   SHIM_I915=dg2 LD_PRELOAD=./drm_shim_i915.so \
 *        VK_ICD_FILENAMES=.../intel_icd.json  program
 *
 * SHIM_I915      a name from devices[] below (tgl adl dg2 mtl lnl bmg ...), or a
 *                raw PCI id such as 0x56a0 (then the topology is a guess, see pick()).
 *                Unset: tgl.
 * SHIM_I915_LOG  1: report ioctls and queries that the shim refuses; 2: all of them.
 *
 * How: (1) paths under /dev/dri and /sys/dev/char/226:128 are answered from a small
 * table instead of the file system; (2) opening the render node yields a memfd, which
 * is recognised afterwards by its inode (so dup() and fcntl() need no hooks) and
 * reported by fstat() as character device 226:128; (3) ioctls of type 'd' on it are
 * answered here.  Buffer objects are ranges of that memfd, and the "mmap offset" of
 * an object is its offset in it, so mmap() itself needs no hook.
 *
 * Limits: Linux x86-64 / LP64, glibc >= 2.33, one device, i915 kernel interface only
 * (no xe).  The hwconfig blob (Gfx12.5 on) has only EUs per subslice and threads per
 * EU; for the rest Mesa's built-in tables stand.  Topology, memory sizes and revisions
 * below are meant to be those of the full-size part of each kind.
 * Only what ANV asks for was tried; it is not for iris, media or display.
 *
 * The layouts below are the kernel's user-space ABI (drm.h, i915_drm.h), restated.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* ------------------------------------------------------------------ devices */

struct device {
    const char *name;
    uint16_t pci_id;
    uint8_t revision;
    uint8_t xehp;           /* 1: Gfx12.5 and later: no tiling ioctls, has hwconfig */
    uint8_t subslices, eus; /* (dual) subslices; EUs in each */
    uint8_t ccs;            /* compute engines */
    uint32_t vram_mib;      /* 0: integrated */
};
static const struct device devices[] = {
    {"skl", 0x1912, 0x06, 0, 3, 8, 0, 0},       /* HD Graphics 530, Gfx9 */
    {"icl", 0x8a52, 0x07, 0, 8, 8, 0, 0},       /* Iris Plus G7, Gfx11 */
    {"tgl", 0x9a49, 0x01, 0, 6, 16, 0, 0},      /* Iris Xe G7 96 EU, Gfx12 */
    {"adl", 0x46a6, 0x0c, 0, 6, 16, 0, 0},      /* Alder Lake-P Iris Xe */
    {"adls", 0x4680, 0x0c, 0, 2, 16, 0, 0},     /* UHD 770, 32 EU */
    {"adln", 0x46d1, 0x00, 0, 2, 16, 0, 0},     /* Alder Lake-N (N100) */
    {"rpl", 0xa7a0, 0x04, 0, 6, 16, 0, 0},      /* Raptor Lake-P Iris Xe */
    {"dg1", 0x4905, 0x01, 0, 6, 16, 0, 4096},   /* Iris Xe MAX */
    {"dg2", 0x56a0, 0x08, 1, 32, 16, 4, 16384}, /* Arc A770 */
    {"a380", 0x56a5, 0x05, 1, 8, 16, 4, 6144},  /* Arc A380 */
    {"mtl", 0x7d55, 0x08, 1, 8, 16, 1, 0},      /* Meteor Lake-H Arc Graphics */
    {"arl", 0x7d51, 0x03, 1, 8, 16, 1, 0},      /* Arrow Lake-H (has XMX) */
    {"arls", 0x7d67, 0x06, 1, 4, 16, 1, 0},     /* Arrow Lake-S */
    /* Xe2. Real ones use the xe kernel driver; Mesa 25.0 takes them through i915 too. */
    {"lnl", 0x64a0, 0x04, 1, 8, 8, 1, 0},      /* Lunar Lake Arc 140V */
    {"bmg", 0xe20b, 0x00, 1, 20, 8, 1, 12288}, /* Arc B580 */
};
static struct device dev;
static int log_level;

#define LOG(level, ...)                                                                            \
    do {                                                                                           \
        if (log_level >= (level))                                                                  \
            fprintf(stderr, "shim_i915: " __VA_ARGS__);                                            \
    } while (0)

static void pick(void)
{
    const char *s = getenv("SHIM_I915"), *l = getenv("SHIM_I915_LOG");
    log_level = l ? atoi(l) : 0;
    if (!s || !*s)
        s = "tgl";
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
        if (!strcmp(s, devices[i].name) || strtol(s, NULL, 0) == devices[i].pci_id) {
            dev = devices[i];
            return;
        }
    }
    long id = strtol(s, NULL, 0);
    if (id <= 0 || id > 0xffff) {
        fprintf(stderr, "shim_i915: unknown SHIM_I915=%s; known:", s);
        for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
            fprintf(stderr, " %s", devices[i].name);
        fprintf(stderr, ", or 0xPCIID\n");
        _exit(2);
    }
    int hi = id >> 8, xe2 = hi == 0x64 || hi == 0xe2, discrete = hi == 0x56 || hi == 0xe2;
    dev = (struct device){s, id,           4, hi == 0x7d || xe2 || discrete,
                          4, xe2 ? 8 : 16, 1, discrete ? 8192 : 0};
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void init(void)
{
    pthread_once(&once, pick);
}

#define REAL(name)                                                                                 \
    static __typeof__(&name) real;                                                                 \
    if (!real)                                                                                     \
    real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

/* ------------------------------------------- the few paths that must exist */

#define DRM_MAJOR 226
#define DRM_MINOR 128
#define DRI       "/dev/dri"
#define NODE      DRI "/renderD128"
#define SYS       "/sys/dev/char/226:128"
#define PCI       SYS "/device"

enum kind { NONE, ABSENT, DIRECTORY, FILE_, LINK, RENDER };

static int under(const char *p, const char *dir)
{
    size_t n = strlen(dir);
    return !strncmp(p, dir, n) && (!p[n] || p[n] == '/');
}

/* What the path is; for FILE_ and LINK also its content (buf: >= 256 bytes). */
static enum kind look(const char *path, char *buf, size_t *len)
{
    char scratch[256];
    size_t dummy;
    if (!buf)
        buf = scratch;
    if (!len)
        len = &dummy;
    if (!path || (!under(path, DRI) && !under(path, SYS)))
        return NONE;
    init();
    if (!strcmp(path, DRI) || !strcmp(path, SYS) || !strcmp(path, PCI) ||
        !strcmp(path, PCI "/drm") || !strcmp(path, PCI "/drm/renderD128"))
        return DIRECTORY;
    if (!strcmp(path, NODE))
        return RENDER;
    if (!strncmp(path, PCI "/", sizeof PCI)) {
        const char *f = path + sizeof PCI;
        int n = -1;
        if (!strcmp(f, "subsystem")) {
            *len = sprintf(buf, "../../../bus/pci");
            return LINK;
        }
        if (!strcmp(f, "vendor"))
            n = sprintf(buf, "0x8086\n");
        else if (!strcmp(f, "device"))
            n = sprintf(buf, "0x%04x\n", dev.pci_id);
        else if (!strcmp(f, "revision"))
            n = sprintf(buf, "0x%02x\n", dev.revision);
        else if (!strcmp(f, "subsystem_vendor"))
            n = sprintf(buf, "0x8086\n");
        else if (!strcmp(f, "subsystem_device"))
            n = sprintf(buf, "0x0000\n");
        else if (!strcmp(f, "uevent"))
            n = sprintf(buf,
                        "DRIVER=i915\nPCI_CLASS=30000\nPCI_ID=8086:%04X\n"
                        "PCI_SUBSYS_ID=8086:0000\nPCI_SLOT_NAME=0000:%s.0\n",
                        dev.pci_id, dev.vram_mib ? "03:00" : "00:02");
        else if (!strcmp(f, "config")) {
            memset(buf, 0, n = 64);
            buf[0] = (char)0x86;
            buf[1] = (char)0x80;
            buf[2] = dev.pci_id & 0xff;
            buf[3] = dev.pci_id >> 8;
            buf[8] = dev.revision;
            buf[11] = 3;
            buf[0x2c] = (char)0x86;
            buf[0x2d] = (char)0x80;
        }
        if (n >= 0) {
            *len = n;
            return FILE_;
        }
    }
    return ABSENT;
}

/* Render nodes are memfds; known by inode. */
static struct {
    dev_t d;
    ino_t i;
} nodes[64];
static int n_nodes;

static int raw_fstat(int fd, struct stat *st)
{
    REAL(fstat);
    return real(fd, st);
}

static int is_node(int fd)
{
    struct stat st;
    int n = __atomic_load_n(&n_nodes, __ATOMIC_ACQUIRE), e = errno;
    if (!n || fd < 0)
        return 0;
    if (raw_fstat(fd, &st)) {
        errno = e;
        return 0;
    }
    for (int k = 0; k < n; k++)
        if (nodes[k].d == st.st_dev && nodes[k].i == st.st_ino)
            return 1;
    return 0;
}

static int fake_open(enum kind k, const char *content, size_t len, int flags)
{
    if (k == ABSENT || k == LINK)
        return errno = ENOENT, -1;
    if (k == DIRECTORY)
        return errno = EACCES, -1;
    int fd = memfd_create("shim_i915", flags & O_CLOEXEC ? MFD_CLOEXEC : 0);
    if (fd < 0)
        return -1;
    if (k == FILE_) {
        if (pwrite(fd, content, len, 0) != (ssize_t)len) {
            close(fd);
            return errno = EIO, -1;
        }
        return fd;
    }
    struct stat st;
    raw_fstat(fd, &st);
    pthread_mutex_lock(&lock);
    int n = n_nodes;
    if (n < (int)(sizeof nodes / sizeof *nodes)) {
        nodes[n].d = st.st_dev;
        nodes[n].i = st.st_ino;
        __atomic_store_n(&n_nodes, n + 1, __ATOMIC_RELEASE);
    } else { /* memfd inodes are not reused quickly: recycle oldest */
        static int next;
        nodes[next].d = st.st_dev;
        nodes[next].i = st.st_ino;
        next = (next + 1) % (sizeof nodes / sizeof *nodes);
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

static void fake_stat(enum kind k, size_t len, struct stat *st)
{
    memset(st, 0, sizeof *st);
    st->st_nlink = 1;
    st->st_blksize = 4096;
    switch (k) {
    case RENDER:
        st->st_mode = S_IFCHR | 0666;
        st->st_rdev = makedev(DRM_MAJOR, DRM_MINOR);
        break;
    case DIRECTORY:
        st->st_mode = S_IFDIR | 0755;
        break;
    case LINK:
        st->st_mode = S_IFLNK | 0777;
        break;
    default:
        st->st_mode = S_IFREG | 0444;
        st->st_size = len;
        break;
    }
}

#define OPEN_BODY(name, call, path, flags)                                                         \
    REAL(name);                                                                                    \
    mode_t mode = 0;                                                                               \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                                         \
        va_list ap;                                                                                \
        va_start(ap, flags);                                                                       \
        mode = va_arg(ap, mode_t);                                                                 \
        va_end(ap);                                                                                \
    }                                                                                              \
    char buf[256];                                                                                 \
    size_t len = 0;                                                                                \
    enum kind k = look(path, buf, &len);                                                           \
    if (k != NONE)                                                                                 \
        return fake_open(k, buf, len, flags);                                                      \
    return call

int open(const char *path, int flags, ...)
{
    OPEN_BODY(open, real(path, flags, mode), path, flags);
}
int open64(const char *path, int flags, ...)
{
    OPEN_BODY(open64, real(path, flags, mode), path, flags);
}
int openat(int at, const char *path, int flags, ...)
{
    OPEN_BODY(openat, real(at, path, flags, mode), path, flags);
}
int openat64(int at, const char *path, int flags, ...)
{
    OPEN_BODY(openat64, real(at, path, flags, mode), path, flags);
}

static FILE *fake_fopen(enum kind k, const char *content, size_t len, const char *m)
{
    int fd = fake_open(k, content, len, O_CLOEXEC);
    return fd < 0 ? NULL : fdopen(fd, m);
}
#define FOPEN_BODY(name)                                                                           \
    REAL(name);                                                                                    \
    char buf[256];                                                                                 \
    size_t len = 0;                                                                                \
    enum kind k = look(path, buf, &len);                                                           \
    return k == NONE ? real(path, m) : fake_fopen(k, buf, len, m)
FILE *fopen(const char *path, const char *m)
{
    FOPEN_BODY(fopen);
}
FILE *fopen64(const char *path, const char *m)
{
    FOPEN_BODY(fopen64);
}

/* LP64: struct stat and struct stat64 are the same thing. */
#define STAT_BODY(name, type, call, follow)                                                        \
    REAL(name);                                                                                    \
    size_t len = 0;                                                                                \
    enum kind k = look(path, NULL, &len);                                                          \
    if (k == NONE)                                                                                 \
        return call;                                                                               \
    if (k == ABSENT)                                                                               \
        return errno = ENOENT, -1;                                                                 \
    if (k == LINK && (follow))                                                                     \
        k = DIRECTORY;                                                                             \
    fake_stat(k, len, (struct stat *)st);                                                          \
    return 0
int stat(const char *path, struct stat *st)
{
    STAT_BODY(stat, struct stat, real(path, st), 1);
}
int stat64(const char *path, struct stat64 *st)
{
    STAT_BODY(stat64, struct stat64, real(path, st), 1);
}
int lstat(const char *path, struct stat *st)
{
    STAT_BODY(lstat, struct stat, real(path, st), 0);
}
int lstat64(const char *path, struct stat64 *st)
{
    STAT_BODY(lstat64, struct stat64, real(path, st), 0);
}

#define FSTATAT_BODY(name, call)                                                                   \
    if (path && !*path && (flags & AT_EMPTY_PATH) && is_node(at)) {                                \
        fake_stat(RENDER, 0, (struct stat *)st);                                                   \
        return 0;                                                                                  \
    }                                                                                              \
    STAT_BODY(name, x, call, !(flags & AT_SYMLINK_NOFOLLOW))
int fstatat(int at, const char *path, struct stat *st, int flags)
{
    FSTATAT_BODY(fstatat, real(at, path, st, flags));
}
int fstatat64(int at, const char *path, struct stat64 *st, int flags)
{
    FSTATAT_BODY(fstatat64, real(at, path, st, flags));
}

int fstat(int fd, struct stat *st)
{
    if (is_node(fd)) {
        fake_stat(RENDER, 0, st);
        return 0;
    }
    return raw_fstat(fd, st);
}
int fstat64(int fd, struct stat64 *st)
{
    return fstat(fd, (struct stat *)st);
}

int access(const char *path, int mode)
{
    REAL(access);
    enum kind k = look(path, NULL, NULL);
    if (k == NONE)
        return real(path, mode);
    return k == ABSENT ? (errno = ENOENT, -1) : 0;
}

ssize_t readlink(const char *path, char *out, size_t size)
{
    REAL(readlink);
    char buf[256];
    size_t len = 0;
    enum kind k = look(path, buf, &len);
    if (k == NONE)
        return real(path, out, size);
    if (k != LINK)
        return errno = k == ABSENT ? ENOENT : EINVAL, -1;
    if (len > size)
        len = size;
    memcpy(out, buf, len);
    return len;
}

char *realpath(const char *path, char *out)
{
    REAL(realpath);
    enum kind k = look(path, NULL, NULL);
    if (k == NONE)
        return real(path, out);
    if (k == ABSENT)
        return errno = ENOENT, NULL;
    return out ? strcpy(out, path) : strdup(path);
}
char *__realpath_chk(const char *path, char *out, size_t size)
{
    (void)size;
    return realpath(path, out);
}

/* One open listing of /dev/dri at a time is enough. */
static DIR *dri_dir;
static int dri_at;

DIR *opendir(const char *path)
{
    REAL(opendir);
    enum kind k = look(path, NULL, NULL);
    if (k == NONE)
        return real(path);
    if (k != DIRECTORY)
        return errno = k == ABSENT ? ENOENT : ENOTDIR, NULL;
    DIR *d = real("/"); /* only a place holder */
    if (d && !strcmp(path, DRI)) {
        dri_dir = d;
        dri_at = 0;
    }
    return d;
}
static struct dirent *dri_next(void)
{
    static struct dirent e;
    static const char *const names[] = {".", "..", "renderD128"};
    if (dri_at == 3)
        return NULL;
    e.d_ino = dri_at + 1;
    e.d_type = dri_at == 2 ? DT_CHR : DT_DIR;
    strcpy(e.d_name, names[dri_at++]);
    return &e;
}
struct dirent *readdir(DIR *d)
{
    REAL(readdir);
    return d && d == dri_dir ? dri_next() : real(d);
}
struct dirent64 *readdir64(DIR *d)
{
    REAL(readdir64);
    return d && d == dri_dir ? (struct dirent64 *)dri_next() : real(d);
}
int closedir(DIR *d)
{
    REAL(closedir);
    if (d && d == dri_dir)
        dri_dir = NULL;
    return real(d);
}

/* ------------------------------------------------------------------- ioctls */

enum { /* drm.h */
       VERSION = 0x00,
       GEM_CLOSE = 0x09,
       GET_CAP = 0x0c,
       SET_CLIENT_CAP = 0x0d,
       SYNCOBJ_CREATE = 0xbf,
       SYNCOBJ_DESTROY = 0xc0,
       SYNCOBJ_HANDLE_TO_FD = 0xc1,
       SYNCOBJ_FD_TO_HANDLE = 0xc2,
       SYNCOBJ_WAIT = 0xc3,
       SYNCOBJ_RESET = 0xc4,
       SYNCOBJ_SIGNAL = 0xc5,
       SYNCOBJ_TIMELINE_WAIT = 0xca,
       SYNCOBJ_QUERY = 0xcb,
       SYNCOBJ_TRANSFER = 0xcc,
       SYNCOBJ_TIMELINE_SIGNAL = 0xcd,
};
enum { /* i915_drm.h, after DRM_COMMAND_BASE */
       GETPARAM = 0x46,
       GEM_BUSY = 0x57,
       GEM_CREATE = 0x5b,
       GEM_MMAP = 0x5e,
       GEM_SET_DOMAIN = 0x5f,
       GEM_SET_TILING = 0x61,
       GEM_GET_TILING = 0x62,
       GEM_GET_APERTURE = 0x63,
       GEM_MMAP_OFFSET = 0x64,
       GEM_MADVISE = 0x66,
       GEM_EXECBUFFER2 = 0x69,
       GEM_WAIT = 0x6c,
       CONTEXT_CREATE = 0x6d,
       CONTEXT_DESTROY = 0x6e,
       GEM_SET_CACHING = 0x6f,
       GEM_GET_CACHING = 0x70,
       REG_READ = 0x71,
       GET_RESET_STATS = 0x72,
       GEM_USERPTR = 0x73,
       CONTEXT_GETPARAM = 0x74,
       CONTEXT_SETPARAM = 0x75,
       QUERY = 0x79,
       VM_CREATE = 0x7a,
       VM_DESTROY = 0x7b,
       GEM_CREATE_EXT = 0x7c,
};

/* Buffer objects: handle h is objects[h-1], a range of the memfd it was made on. */
static struct object {
    uint64_t offset, size;
} * objects;
static uint32_t n_objects, room;
static uint64_t top = 1 << 20;
static uint64_t points[4096]; /* timeline syncobjs: last point signalled */
static uint32_t n_sync, n_ctx, n_vm;

static uint32_t new_object(int fd, uint64_t size, int backed)
{
    uint32_t h = 0;
    pthread_mutex_lock(&lock);
    if (n_objects == room) {
        uint32_t r = room ? room * 2 : 256;
        struct object *o = realloc(objects, r * sizeof *o);
        if (!o)
            goto out;
        objects = o;
        room = r;
    }
    uint64_t at = top, end = (at + size + 0xffff) & ~0xffffull;
    if (backed) {
        struct stat st;
        raw_fstat(fd, &st);
        if ((uint64_t)st.st_size < end && ftruncate(fd, end))
            goto out;
        top = end;
    }
    objects[n_objects] = (struct object){at, backed ? size : 0};
    h = ++n_objects;
out:
    pthread_mutex_unlock(&lock);
    return h;
}

static int getparam(int32_t param, int *value)
{
    switch (param) {
    case 4:
        *value = dev.pci_id;
        return 0; /* CHIPSET_ID */
    case 6:
        *value = dev.xehp ? 0 : 32;
        return 0; /* NUM_FENCES_AVAIL */
    case 17:
        *value = !dev.vram_mib && !dev.xehp;
        return 0; /* HAS_LLC */
    case 18:
        *value = 3;
        return 0; /* HAS_ALIASING_PPGTT: full 48 bit */
    case 30:
        *value = 1;
        return 0; /* MMAP_VERSION */
    case 32:
        *value = dev.revision;
        return 0; /* REVISION */
    case 33:
        *value = dev.subslices;
        return 0; /* SUBSLICE_TOTAL */
    case 34:
        *value = dev.subslices * dev.eus;
        return 0; /* EU_TOTAL */
    case 40:
        *value = 4;
        return 0; /* MMAP_GTT_VERSION */
    case 41:
        *value = 0x1f;
        return 0; /* HAS_SCHEDULER */
    case 46:
        *value = 1;
        return 0; /* SLICE_MASK */
    case 47:
        *value = (int)((1ull << dev.subslices) - 1);
        return 0; /* SUBSLICE_MASK */
    case 51:
        *value = 19200000;
        return 0; /* CS_TIMESTAMP_FREQUENCY */
    /* plain capabilities: gem, execbuf2, relaxed delta, wait timeout, no reloc, handle
    * lut, softpin, async, fence, capture, batch first, fence array, context isolation,
    * coherent GTT mmap, submit fence, timeline fences, userptr probe */
    case 5:
    case 9:
    case 10:
    case 11:
    case 12:
    case 13:
    case 14:
    case 15:
    case 19:
    case 20:
    case 25:
    case 26:
    case 35:
    case 37:
    case 43:
    case 44:
    case 45:
    case 48:
    case 49:
    case 50:
    case 52:
    case 53:
    case 55:
    case 56:
        *value = 1;
        return 0;
    case 58:
        return ENODEV; /* PXP_STATUS: no protected content */
    default:
        LOG(1, "GETPARAM %d refused\n", param);
        return EINVAL;
    }
}

/* One item of DRM_IOCTL_I915_QUERY: fills data, returns its length or -errno. */
static int query(uint64_t id, void *data)
{
    switch (id) {
    case 1:
    case 6: { /* topology, geometry subslices */
        struct {
            uint16_t flags, slices, subslices, eus, ss_offset, ss_stride, eu_offset, eu_stride;
            uint8_t d[];
        } *t = data;
        int ss_stride = (dev.subslices + 7) / 8, eu_stride = (dev.eus + 7) / 8;
        int n = 1 + ss_stride + eu_stride * dev.subslices;
        if (t) {
            memset(t->d, 0, n);
            t->flags = 0;
            t->slices = 1;
            t->subslices = dev.subslices;
            t->eus = dev.eus;
            t->ss_offset = 1;
            t->ss_stride = ss_stride;
            t->eu_offset = 1 + ss_stride;
            t->eu_stride = eu_stride;
            t->d[0] = 1;
            for (int s = 0; s < dev.subslices; s++) {
                t->d[1 + s / 8] |= 1 << (s % 8);
                for (int e = 0; e < dev.eus; e++)
                    t->d[1 + ss_stride + s * eu_stride + e / 8] |= 1 << (e % 8);
            }
        }
        return sizeof *t + n;
    }
    case 2: { /* engines */
        struct engine {
            uint16_t class, instance;
            uint32_t rsvd;
            uint64_t flags, caps;
            uint16_t logical, rsvd1[3];
            uint64_t rsvd2[3];
        };
        struct {
            uint32_t n, rsvd[3];
            struct engine e[];
        } *q = data;
        static const uint16_t base[][2] = {{0, 0}, {1, 0}, {2, 0}, {2, 1}, {3, 0}};
        int n = 5 + dev.ccs;
        if (q) {
            memset(q, 0, sizeof *q + n * sizeof(struct engine));
            q->n = n;
            for (int i = 0; i < n; i++) {
                q->e[i].class = i < 5 ? base[i][0] : 4;
                q->e[i].instance = q->e[i].logical = i < 5 ? base[i][1] : i - 5;
                q->e[i].flags = 1; /* logical instance is valid */
            }
        }
        return sizeof *q + n * sizeof(struct engine);
    }
    case 4: { /* memory regions */
        struct region {
            uint16_t class, instance;
            uint32_t rsvd;
            uint64_t size, free, visible, visible_free, rsvd1[6];
        };
        struct {
            uint32_t n, rsvd[3];
            struct region r[];
        } *q = data;
        int n = dev.vram_mib ? 2 : 1;
        if (q) {
            memset(q, 0, sizeof *q + n * sizeof(struct region));
            q->n = n;
            q->r[0].size = q->r[0].free = 16ull << 30;
            if (n == 2) {
                q->r[1].class = 1;
                q->r[1].size = q->r[1].free = q->r[1].visible = q->r[1].visible_free =
                    (uint64_t)dev.vram_mib << 20;
            }
        }
        return sizeof *q + n * sizeof(struct region);
    }
    case 5: { /* hwconfig: key, number of words, words; ... */
        const uint32_t blob[] = {3, 1, dev.eus, 15, 1, 8};
        if (!dev.xehp)
            return -ENODEV;
        if (data)
            memcpy(data, blob, sizeof blob);
        return sizeof blob;
    }
    default: /* 3 perf config, 7 GuC version: none */
        LOG(1, "QUERY %llu refused\n", (unsigned long long)id);
        return -ENODEV;
    }
}

static void put_string(char *dst, size_t *len, const char *s)
{
    size_t n = strlen(s);
    if (dst && *len)
        memcpy(dst, s, *len < n ? *len : n);
    *len = n;
}

/* Answers one ioctl: 0 or an errno value. */
static int answer(int fd, unsigned nr, unsigned size, void *arg)
{
    uint32_t *u = arg;
    uint64_t *q = arg;

    switch (nr) {
    case VERSION: {
        struct {
            int v[3];
            size_t nl;
            char *name;
            size_t dl;
            char *date;
            size_t el;
            char *desc;
        } *v = arg;
        v->v[0] = 1;
        v->v[1] = 6;
        v->v[2] = 0;
        put_string(v->name, &v->nl, "i915");
        put_string(v->date, &v->dl, "20230929");
        put_string(v->desc, &v->el, "Intel Graphics (drm_shim_i915)");
        return 0;
    }
    case GET_CAP:
        switch (q[0]) {
        case 0x5: /* PRIME import, export */
        case 0x6: /* monotonic timestamps */
        case 0x13:
        case 0x14: /* syncobj, timeline syncobj */
            q[1] = q[0] == 5 ? 3 : 1;
            return 0;
        }
        return EINVAL;
    case SET_CLIENT_CAP:
        return 0;

    case GETPARAM: {
        struct {
            int32_t param;
            int *value;
        } *g = arg;
        return getparam(g->param, g->value);
    }
    case QUERY: {
        struct {
            uint32_t n, flags;
            uint64_t items;
        } *r = arg;
        struct {
            uint64_t id;
            int32_t len;
            uint32_t flags;
            uint64_t data;
        } *it = (void *)(uintptr_t)r->items;
        for (uint32_t i = 0; i < r->n; i++) {
            int need = query(it[i].id, NULL);
            if (need > 0 && it[i].len)
                need = it[i].len < need ? -EINVAL : query(it[i].id, (void *)(uintptr_t)it[i].data);
            it[i].len = need;
        }
        return 0;
    }

    case GEM_CREATE: /* u64 size; u32 handle */
    case GEM_CREATE_EXT:
        q[0] = (q[0] + 4095) & ~4095ull;
        if (!q[0])
            return EINVAL;
        u[2] = new_object(fd, q[0], 1);
        return u[2] ? 0 : ENOMEM;
    case GEM_USERPTR: /* u64 ptr, size; u32 flags, handle */
        u[5] = new_object(fd, q[1], 0);
        return u[5] ? 0 : ENOMEM;
    case GEM_CLOSE: {
        int r = EINVAL;
        pthread_mutex_lock(&lock);
        if (u[0] && u[0] <= n_objects) {
            struct object *o = &objects[u[0] - 1];
            if (o->size)
                fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, o->offset, o->size);
            o->size = 0;
            r = 0;
        }
        pthread_mutex_unlock(&lock);
        return r;
    }
    case GEM_MMAP_OFFSET: { /* u32 handle, pad; u64 offset ... (also MMAP_GTT) */
        int r = EINVAL;
        pthread_mutex_lock(&lock);
        if (u[0] && u[0] <= n_objects && objects[u[0] - 1].size) {
            q[1] = objects[u[0] - 1].offset;
            r = 0;
        }
        pthread_mutex_unlock(&lock);
        return r;
    }
    case GEM_MMAP: { /* u32 handle, pad; u64 offset, size, addr, flags */
        void *p = MAP_FAILED;
        uint64_t at = 0;
        pthread_mutex_lock(&lock);
        if (u[0] && u[0] <= n_objects && objects[u[0] - 1].size)
            at = objects[u[0] - 1].offset;
        pthread_mutex_unlock(&lock);
        if (!at)
            return EINVAL;
        p = mmap(NULL, q[2], PROT_READ | PROT_WRITE, MAP_SHARED, fd, at + q[1]);
        if (p == MAP_FAILED)
            return errno;
        q[3] = (uintptr_t)p;
        return 0;
    }
    case GEM_SET_TILING:
    case GEM_GET_TILING:
        if (dev.xehp || dev.vram_mib)
            return EOPNOTSUPP;
        if (nr == GEM_GET_TILING)
            u[1] = u[2] = u[3] = 0;
        return 0;
    case GEM_GET_APERTURE:
        q[0] = q[1] = 1ull << 48;
        return 0;
    case GEM_BUSY:
        u[1] = 0;
        return 0;
    case GEM_MADVISE:
        u[2] = 1;
        return 0;
    case GEM_GET_CACHING:
        u[1] = 0;
        return 0;
    case GEM_WAIT:
    case GEM_SET_DOMAIN:
    case GEM_SET_CACHING:
        return 0;
    case GEM_EXECBUFFER2: { /* dropped; timeline points it would signal are noted */
        struct fences {
            uint64_t next;
            uint32_t name, flags, rsvd[4];
            uint64_t n, handles, points;
        };
        const struct fences *x = (void *)(uintptr_t)(q[5] & 1 << 21 ? q[4] : 0);
        for (; x; x = (void *)(uintptr_t)x->next) {
            const struct {
                uint32_t handle, flags;
            } *f = (void *)(uintptr_t)x->handles;
            const uint64_t *p = (void *)(uintptr_t)x->points;
            for (uint64_t i = 0; x->name == 0 && p && i < x->n; i++)
                if (f[i].flags & 2)
                    points[f[i].handle % 4096] = p[i];
        }
        return 0;
    }

    case CONTEXT_CREATE:
        u[0] = __sync_add_and_fetch(&n_ctx, 1);
        return 0;
    case VM_CREATE:
        u[4] = __sync_add_and_fetch(&n_vm, 1);
        return 0; /* u64 ext; u32 flags, id */
    case CONTEXT_DESTROY:
    case VM_DESTROY:
    case CONTEXT_SETPARAM:
        return 0;
    case CONTEXT_GETPARAM: /* u32 ctx, size; u64 param, value */
        switch (q[1]) {
        case 3:
            q[2] = 1ull << 48;
            return 0; /* GTT_SIZE */
        case 6:
            q[2] = 0;
            return 0; /* PRIORITY */
        case 8:
            q[2] = 1;
            return 0; /* RECOVERABLE */
        case 9:
            q[2] = 1;
            return 0; /* VM */
        }
        LOG(1, "CONTEXT_GETPARAM %llu refused\n", (unsigned long long)q[1]);
        return EINVAL;
    case GET_RESET_STATS:
        u[2] = u[3] = u[4] = 0;
        return 0;
    case REG_READ: {
        static uint64_t ticks;
        q[1] = __sync_add_and_fetch(&ticks, 1);
        return 0;
    }

    case SYNCOBJ_CREATE:
        u[0] = __sync_add_and_fetch(&n_sync, 1);
        return 0;
    case SYNCOBJ_FD_TO_HANDLE:
        u[0] = __sync_add_and_fetch(&n_sync, 1);
        return 0;
    case SYNCOBJ_HANDLE_TO_FD: { /* u32 handle, flags; s32 fd */
        int f = memfd_create("shim_i915_sync", MFD_CLOEXEC);
        u[2] = f;
        return f < 0 ? errno : 0;
    }
    case SYNCOBJ_WAIT: /* u64 handles; s64 timeout; u32 n, flags, first */
        u[6] = 0;
        return 0;
    case SYNCOBJ_TIMELINE_WAIT: /* u64 handles, points; s64 timeout; u32 n, flags, first */
        u[8] = 0;
        return 0;
    case SYNCOBJ_QUERY:
    case SYNCOBJ_TIMELINE_SIGNAL: { /* u64 handles, points; u32 n */
        const uint32_t *h = (void *)(uintptr_t)q[0];
        uint64_t *p = (void *)(uintptr_t)q[1];
        for (uint32_t i = 0; i < u[4]; i++) {
            uint64_t *slot = &points[h[i] % 4096];
            if (nr == SYNCOBJ_QUERY)
                p[i] = *slot;
            else
                *slot = p[i];
        }
        return 0;
    }
    case SYNCOBJ_TRANSFER: /* u32 from, to; u64 from point, to point; u32 flags */
        points[u[1] % 4096] = q[2];
        return 0;
    case SYNCOBJ_DESTROY:
        points[u[0] % 4096] = 0;
        return 0;
    case SYNCOBJ_RESET:
    case SYNCOBJ_SIGNAL:
        return 0;
    }
    LOG(1, "ioctl 0x%02x (size %u) refused\n", nr, size);
    return ENOSYS;
}

int ioctl(int fd, unsigned long request, ...)
{
    REAL(ioctl);
    va_list ap;
    va_start(ap, request);
    void *arg = va_arg(ap, void *);
    va_end(ap);
    if (((request >> 8) & 0xff) != 'd' || !is_node(fd))
        return real(fd, request, arg);
    init();
    int e = answer(fd, request & 0xff, (request >> 16) & 0x3fff, arg);
    LOG(2, "ioctl 0x%02lx -> %d\n", request & 0xff, e);
    if (!e)
        return 0;
    errno = e;
    return -1;
}
