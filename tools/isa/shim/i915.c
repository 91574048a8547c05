// i915.c - what the kernel's i915 driver answers.
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <drm.h>
#include <i915_drm.h>

// Addresses in the kernel's structures are 64-bit numbers.
static void *pointer(uint64_t address)
{
    return (void *)(uintptr_t)address;
}

// ---- buffers ------------------------------------------------------------------------------------

// Handle h is objects[h - 1], a range of the file.
struct object {
    uint64_t offset, size; // size 0: closed, or memory of the program itself
};
static struct {
    pthread_mutex_t lock;
    struct object *objects;
    uint32_t n, capacity;
    uint64_t end; // of the file
} buffers = {.lock = PTHREAD_MUTEX_INITIALIZER, .end = 1 << 20};

// Returns the handle, 0 without memory. `backed`: a range of the file goes with it.
static uint32_t new_object(int fd, uint64_t size, bool backed)
{
    const uint64_t page = 0x10000, begin = buffers.end;
    const uint64_t end = (begin + size + page - 1) / page * page;
    struct stat info;
    if (buffers.n == buffers.capacity) {
        const uint32_t wanted = buffers.capacity ? 2 * buffers.capacity : 256;
        struct object *grown = realloc(buffers.objects, wanted * sizeof *grown);
        if (!grown)
            return 0;
        buffers.objects = grown;
        buffers.capacity = wanted;
    }
    if (backed) {
        if (!fstat(fd, &info) && (uint64_t)info.st_size < end && ftruncate(fd, (off_t)end))
            return 0;
        buffers.end = end;
    }
    buffers.objects[buffers.n++] = (struct object){begin, backed ? size : 0};
    return buffers.n;
}

static uint32_t create_object(int fd, uint64_t size, bool backed)
{
    pthread_mutex_lock(&buffers.lock);
    const uint32_t handle = new_object(fd, size, backed);
    pthread_mutex_unlock(&buffers.lock);
    return handle;
}

// A copy of the object that is there and backed.
static bool find_object(uint32_t handle, struct object *object)
{
    pthread_mutex_lock(&buffers.lock);
    const bool found = handle && handle <= buffers.n && buffers.objects[handle - 1].size;
    if (found)
        *object = buffers.objects[handle - 1];
    pthread_mutex_unlock(&buffers.lock);
    return found;
}

static int close_object(int fd, uint32_t handle)
{
    int result = EINVAL;
    pthread_mutex_lock(&buffers.lock);
    if (handle && handle <= buffers.n) {
        struct object *object = &buffers.objects[handle - 1];
        if (object->size)
            (void)fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)object->offset,
                            (off_t)object->size);
        object->size = 0;
        result = 0;
    }
    pthread_mutex_unlock(&buffers.lock);
    return result;
}

static int map_object(int fd, struct drm_i915_gem_mmap *map)
{
    struct object object;
    if (!find_object(map->handle, &object))
        return EINVAL;
    void *data = mmap(NULL, map->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                      (off_t)(object.offset + map->offset));
    if (data == MAP_FAILED)
        return errno;
    map->addr_ptr = (uintptr_t)data;
    return 0;
}

// What mmap() of the file takes as its offset.
static int offset_of_object(struct drm_i915_gem_mmap_offset *map)
{
    struct object object;
    if (!find_object(map->handle, &object))
        return EINVAL;
    map->offset = object.offset;
    return 0;
}

static int create_buffer(int fd, uint64_t *size, uint32_t *handle)
{
    *size = (*size + 4095) & ~UINT64_C(4095);
    *handle = *size ? create_object(fd, *size, true) : 0;
    return *handle ? 0 : *size ? ENOMEM : EINVAL;
}

// ---- what the GPU is ----------------------------------------------------------------------------

static int get_parameter(const struct drm_i915_getparam *parameter)
{
    const struct gpu *gpu = shim_gpu();
    int *value = parameter->value;
    switch (parameter->param) {
    case I915_PARAM_CHIPSET_ID:
        *value = gpu->pci_id;
        return 0;
    case I915_PARAM_REVISION:
        *value = gpu->revision;
        return 0;
    case I915_PARAM_NUM_FENCES_AVAIL:
        *value = gpu->xe_hp ? 0 : 32;
        return 0;
    case I915_PARAM_HAS_LLC:
        *value = !gpu->vram_mib && !gpu->xe_hp;
        return 0;
    case I915_PARAM_HAS_ALIASING_PPGTT:
        *value = 3; // 48 bits of address
        return 0;
    case I915_PARAM_SUBSLICE_TOTAL:
        *value = gpu->subslices;
        return 0;
    case I915_PARAM_EU_TOTAL:
        *value = gpu->subslices * gpu->eus;
        return 0;
    case I915_PARAM_MMAP_GTT_VERSION:
        *value = 4;
        return 0;
    case I915_PARAM_HAS_SCHEDULER:
        *value = 0x1f;
        return 0;
    case I915_PARAM_SUBSLICE_MASK:
        *value = (int)((UINT64_C(1) << gpu->subslices) - 1);
        return 0;
    case I915_PARAM_CS_TIMESTAMP_FREQUENCY:
        *value = 19200000;
        return 0;
    case I915_PARAM_HAS_GEM:
    case I915_PARAM_HAS_EXECBUF2:
    case I915_PARAM_HAS_RELAXED_DELTA:
    case I915_PARAM_HAS_WAIT_TIMEOUT:
    case I915_PARAM_HAS_EXEC_NO_RELOC:
    case I915_PARAM_HAS_EXEC_HANDLE_LUT:
    case I915_PARAM_HAS_EXEC_SOFTPIN:
    case I915_PARAM_HAS_EXEC_ASYNC:
    case I915_PARAM_HAS_EXEC_FENCE:
    case I915_PARAM_HAS_EXEC_CAPTURE:
    case I915_PARAM_HAS_EXEC_BATCH_FIRST:
    case I915_PARAM_HAS_EXEC_FENCE_ARRAY:
    case I915_PARAM_HAS_CONTEXT_ISOLATION:
    case I915_PARAM_HAS_EXEC_TIMELINE_FENCES:
    case I915_PARAM_HAS_USERPTR_PROBE:
    case I915_PARAM_MMAP_VERSION:
    case I915_PARAM_SLICE_MASK:
        *value = 1;
        return 0;
    default:
        return EINVAL;
    }
}

// Answers to DRM_IOCTL_I915_QUERY: fill in `data` unless it is NULL, return the size.

static int query_topology(void *data)
{
    const struct gpu *gpu = shim_gpu();
    struct drm_i915_query_topology_info *info = data;
    const int subslice_bytes = (gpu->subslices + 7) / 8, eu_bytes = (gpu->eus + 7) / 8;
    const int size = 1 + subslice_bytes + eu_bytes * gpu->subslices;
    if (info) {
        memset(info, 0, sizeof *info + (size_t)size);
        info->max_slices = 1;
        info->max_subslices = gpu->subslices;
        info->max_eus_per_subslice = gpu->eus;
        info->subslice_offset = 1;
        info->subslice_stride = (uint16_t)subslice_bytes;
        info->eu_offset = (uint16_t)(1 + subslice_bytes);
        info->eu_stride = (uint16_t)eu_bytes;
        info->data[0] = 1;
        for (int s = 0; s < gpu->subslices; s++) {
            info->data[1 + s / 8] |= (uint8_t)(1u << (s % 8));
            for (int e = 0; e < gpu->eus; e++)
                info->data[info->eu_offset + s * eu_bytes + e / 8] |= (uint8_t)(1u << (e % 8));
        }
    }
    return (int)sizeof *info + size;
}

static int query_engines(void *data)
{
    static const struct i915_engine_class_instance first[] = {
        {I915_ENGINE_CLASS_RENDER, 0},        {I915_ENGINE_CLASS_COPY, 0},
        {I915_ENGINE_CLASS_VIDEO, 0},         {I915_ENGINE_CLASS_VIDEO, 1},
        {I915_ENGINE_CLASS_VIDEO_ENHANCE, 0},
    };
    enum { N_FIRST = sizeof first / sizeof first[0], CLASS_COMPUTE = 4 };
    struct drm_i915_query_engine_info *info = data;
    const uint32_t n = N_FIRST + shim_gpu()->compute_engines;
    const size_t size = sizeof *info + n * sizeof info->engines[0];
    if (info) {
        memset(info, 0, size);
        info->num_engines = n;
        for (uint32_t i = 0; i < n; i++) {
            struct drm_i915_engine_info *engine = &info->engines[i];
            engine->engine =
                i < N_FIRST
                    ? first[i]
                    : (struct i915_engine_class_instance){CLASS_COMPUTE, (uint16_t)(i - N_FIRST)};
            engine->flags = I915_ENGINE_INFO_HAS_LOGICAL_INSTANCE;
            engine->logical_instance = engine->engine.engine_instance;
        }
    }
    return (int)size;
}

static int query_regions(void *data)
{
    struct drm_i915_query_memory_regions *info = data;
    const uint64_t system = UINT64_C(16) << 30, vram = (uint64_t)shim_gpu()->vram_mib << 20;
    const uint32_t n = vram ? 2 : 1;
    const size_t size = sizeof *info + n * sizeof info->regions[0];
    if (info) {
        memset(info, 0, size);
        info->num_regions = n;
        info->regions[0].probed_size = info->regions[0].unallocated_size = system;
        if (vram) {
            struct drm_i915_memory_region_info *local = &info->regions[1];
            local->region.memory_class = I915_MEMORY_CLASS_DEVICE;
            local->probed_size = local->unallocated_size = vram;
            local->probed_cpu_visible_size = local->unallocated_cpu_visible_size = vram;
        }
    }
    return (int)size;
}

// Keys and values; for all that is not told, Mesa's own tables stand.
static int query_hardware(void *data)
{
    enum { MAX_EUS_PER_SUBSLICE = 3, THREADS_PER_EU = 15 };
    const uint32_t table[] = {MAX_EUS_PER_SUBSLICE, 1, shim_gpu()->eus, THREADS_PER_EU, 1, 8};
    if (!shim_gpu()->xe_hp)
        return -ENODEV;
    if (data)
        memcpy(data, table, sizeof table);
    return sizeof table;
}

static int query_one(uint64_t id, void *data)
{
    enum { HWCONFIG_BLOB = 5, GEOMETRY_SUBSLICES = 6 }; // newer than some headers
    switch (id) {
    case DRM_I915_QUERY_TOPOLOGY_INFO:
    case GEOMETRY_SUBSLICES:
        return query_topology(data);
    case DRM_I915_QUERY_ENGINE_INFO:
        return query_engines(data);
    case DRM_I915_QUERY_MEMORY_REGIONS:
        return query_regions(data);
    case HWCONFIG_BLOB:
        return query_hardware(data);
    default:
        return -ENODEV;
    }
}

static int query(const struct drm_i915_query *all)
{
    struct drm_i915_query_item *items = pointer(all->items_ptr);
    for (uint32_t i = 0; i < all->num_items; i++) {
        int size = query_one(items[i].query_id, NULL);
        if (size > 0 && items[i].length)
            size = items[i].length < size
                       ? -EINVAL
                       : query_one(items[i].query_id, pointer(items[i].data_ptr));
        items[i].length = size;
    }
    return 0;
}

static void put_text(char *to, __kernel_size_t *size, const char *text)
{
    const size_t n = strlen(text);
    if (to && *size)
        memcpy(to, text, *size < n ? *size : n);
    *size = n;
}

static int get_version(struct drm_version *version)
{
    version->version_major = 1;
    version->version_minor = 6;
    version->version_patchlevel = 0;
    put_text(version->name, &version->name_len, "i915");
    put_text(version->date, &version->date_len, "20230929");
    put_text(version->desc, &version->desc_len, "no Intel Graphics (shim)");
    return 0;
}

static int get_capability(struct drm_get_cap *capability)
{
    switch (capability->capability) {
    case DRM_CAP_PRIME:
        capability->value = DRM_PRIME_CAP_IMPORT | DRM_PRIME_CAP_EXPORT;
        return 0;
    case DRM_CAP_TIMESTAMP_MONOTONIC:
    case DRM_CAP_SYNCOBJ:
    case DRM_CAP_SYNCOBJ_TIMELINE:
        capability->value = 1;
        return 0;
    default:
        return EINVAL;
    }
}

static int get_context_parameter(struct drm_i915_gem_context_param *parameter)
{
    switch (parameter->param) {
    case I915_CONTEXT_PARAM_GTT_SIZE:
        parameter->value = UINT64_C(1) << 48;
        return 0;
    case I915_CONTEXT_PARAM_PRIORITY:
        parameter->value = 0;
        return 0;
    case I915_CONTEXT_PARAM_RECOVERABLE:
    case I915_CONTEXT_PARAM_VM:
        parameter->value = 1;
        return 0;
    default:
        return EINVAL;
    }
}

// ---- work that is never done --------------------------------------------------------------------

enum { N_POINTS = 4096 };
static uint64_t points[N_POINTS]; // of timelines, by handle: what was signalled last
static atomic_uint n_handles;     // of synchronisation objects, contexts and address spaces
static atomic_ullong ticks;

// Note the points of timelines that the work would signal.
static int execute(const struct drm_i915_gem_execbuffer2 *work)
{
    const bool has_extensions = work->flags & I915_EXEC_USE_EXTENSIONS;
    const struct i915_user_extension *extension =
        has_extensions ? pointer(work->cliprects_ptr) : NULL;
    for (; extension; extension = pointer(extension->next_extension)) {
        const struct drm_i915_gem_execbuffer_ext_timeline_fences *timeline =
            (const void *)extension;
        if (extension->name != DRM_I915_GEM_EXECBUFFER_EXT_TIMELINE_FENCES)
            continue;
        const struct drm_i915_gem_exec_fence *fences = pointer(timeline->handles_ptr);
        const uint64_t *values = pointer(timeline->values_ptr);
        for (uint64_t i = 0; values && i < timeline->fence_count; i++)
            if (fences[i].flags & I915_EXEC_FENCE_SIGNAL)
                points[fences[i].handle % N_POINTS] = values[i];
    }
    return 0;
}

static int move_points(const struct drm_syncobj_timeline_array *array, bool query_them)
{
    const uint32_t *handles = pointer(array->handles);
    uint64_t *values = pointer(array->points);
    for (uint32_t i = 0; i < array->count_handles; i++) {
        uint64_t *point = &points[handles[i] % N_POINTS];
        if (query_them)
            values[i] = *point;
        else
            *point = values[i];
    }
    return 0;
}

static int export_syncobj(struct drm_syncobj_handle *handle)
{
    handle->fd = memfd_create("shim_i915_sync", MFD_CLOEXEC);
    return handle->fd < 0 ? errno : 0;
}

static int answer_syncobj(unsigned number, void *argument)
{
    switch (number) {
    case _IOC_NR(DRM_IOCTL_SYNCOBJ_CREATE):
        ((struct drm_syncobj_create *)argument)->handle = atomic_fetch_add(&n_handles, 1) + 1;
        return 0;
    case _IOC_NR(DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE):
        ((struct drm_syncobj_handle *)argument)->handle = atomic_fetch_add(&n_handles, 1) + 1;
        return 0;
    case _IOC_NR(DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD):
        return export_syncobj(argument);
    case _IOC_NR(DRM_IOCTL_SYNCOBJ_WAIT):
        ((struct drm_syncobj_wait *)argument)->first_signaled = 0;
        return 0;
    case _IOC_NR(DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT):
        ((struct drm_syncobj_timeline_wait *)argument)->first_signaled = 0;
        return 0;
    case _IOC_NR(DRM_IOCTL_SYNCOBJ_QUERY):
        return move_points(argument, true);
    case _IOC_NR(DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL):
        return move_points(argument, false);
    case _IOC_NR(DRM_IOCTL_SYNCOBJ_TRANSFER): {
        const struct drm_syncobj_transfer *transfer = argument;
        points[transfer->dst_handle % N_POINTS] = transfer->dst_point;
        return 0;
    }
    case _IOC_NR(DRM_IOCTL_SYNCOBJ_DESTROY):
        points[((const struct drm_syncobj_destroy *)argument)->handle % N_POINTS] = 0;
        return 0;
    case _IOC_NR(DRM_IOCTL_SYNCOBJ_RESET):
    case _IOC_NR(DRM_IOCTL_SYNCOBJ_SIGNAL):
        return 0;
    default:
        return ENOSYS;
    }
}

// ---- all of it ----------------------------------------------------------------------------------

static int answer_buffers(int fd, unsigned number, void *argument)
{
    switch (number) {
    case _IOC_NR(DRM_IOCTL_GEM_CLOSE):
        return close_object(fd, ((const struct drm_gem_close *)argument)->handle);
    case _IOC_NR(DRM_IOCTL_I915_GEM_CREATE): {
        struct drm_i915_gem_create *create = argument;
        uint64_t size = create->size;
        const int result = create_buffer(fd, &size, &create->handle);
        create->size = size;
        return result;
    }
    case _IOC_NR(DRM_IOCTL_I915_GEM_CREATE_EXT): {
        struct drm_i915_gem_create_ext *create = argument;
        uint64_t size = create->size;
        const int result = create_buffer(fd, &size, &create->handle);
        create->size = size;
        return result;
    }
    case _IOC_NR(DRM_IOCTL_I915_GEM_USERPTR): {
        struct drm_i915_gem_userptr *user = argument;
        user->handle = create_object(fd, user->user_size, false);
        return user->handle ? 0 : ENOMEM;
    }
    case _IOC_NR(DRM_IOCTL_I915_GEM_MMAP):
        return map_object(fd, argument);
    case _IOC_NR(DRM_IOCTL_I915_GEM_MMAP_OFFSET):
        return offset_of_object(argument);
    case _IOC_NR(DRM_IOCTL_I915_GEM_SET_TILING):
    case _IOC_NR(DRM_IOCTL_I915_GEM_GET_TILING):
        return shim_gpu()->xe_hp ? EOPNOTSUPP : 0;
    case _IOC_NR(DRM_IOCTL_I915_GEM_GET_APERTURE): {
        struct drm_i915_gem_get_aperture *aperture = argument;
        aperture->aper_size = aperture->aper_available_size = UINT64_C(1) << 48;
        return 0;
    }
    case _IOC_NR(DRM_IOCTL_I915_GEM_BUSY):
        ((struct drm_i915_gem_busy *)argument)->busy = 0;
        return 0;
    case _IOC_NR(DRM_IOCTL_I915_GEM_MADVISE):
        ((struct drm_i915_gem_madvise *)argument)->retained = 1;
        return 0;
    case _IOC_NR(DRM_IOCTL_I915_GEM_GET_CACHING):
        ((struct drm_i915_gem_caching *)argument)->caching = 0;
        return 0;
    case _IOC_NR(DRM_IOCTL_I915_GEM_SET_CACHING):
    case _IOC_NR(DRM_IOCTL_I915_GEM_SET_DOMAIN):
    case _IOC_NR(DRM_IOCTL_I915_GEM_WAIT):
        return 0;
    default:
        return answer_syncobj(number, argument);
    }
}

int shim_i915(int fd, unsigned number, void *argument)
{
    switch (number) {
    case _IOC_NR(DRM_IOCTL_VERSION):
        return get_version(argument);
    case _IOC_NR(DRM_IOCTL_GET_CAP):
        return get_capability(argument);
    case _IOC_NR(DRM_IOCTL_I915_GETPARAM):
        return get_parameter(argument);
    case _IOC_NR(DRM_IOCTL_I915_QUERY):
        return query(argument);
    case _IOC_NR(DRM_IOCTL_I915_GEM_EXECBUFFER2):
        return execute(argument);
    case _IOC_NR(DRM_IOCTL_I915_GEM_CONTEXT_CREATE):
        ((struct drm_i915_gem_context_create *)argument)->ctx_id =
            atomic_fetch_add(&n_handles, 1) + 1;
        return 0;
    case _IOC_NR(DRM_IOCTL_I915_GEM_VM_CREATE):
        ((struct drm_i915_gem_vm_control *)argument)->vm_id = atomic_fetch_add(&n_handles, 1) + 1;
        return 0;
    case _IOC_NR(DRM_IOCTL_I915_GEM_CONTEXT_GETPARAM):
        return get_context_parameter(argument);
    case _IOC_NR(DRM_IOCTL_I915_GET_RESET_STATS): {
        struct drm_i915_reset_stats *stats = argument;
        stats->reset_count = stats->batch_active = stats->batch_pending = 0;
        return 0;
    }
    case _IOC_NR(DRM_IOCTL_I915_REG_READ):
        ((struct drm_i915_reg_read *)argument)->val = atomic_fetch_add(&ticks, 1) + 1;
        return 0;
    case _IOC_NR(DRM_IOCTL_SET_CLIENT_CAP):
    case _IOC_NR(DRM_IOCTL_I915_GEM_CONTEXT_DESTROY):
    case _IOC_NR(DRM_IOCTL_I915_GEM_VM_DESTROY):
    case _IOC_NR(DRM_IOCTL_I915_GEM_CONTEXT_SETPARAM):
        return 0;
    default:
        return answer_buffers(fd, number, argument);
    }
}
