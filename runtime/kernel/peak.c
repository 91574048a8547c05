// peak.c - measuring what a device can do at most.
#include "kernel/peak.h"

#include "kernel/measure.h"

enum {
    READ_SIZE = 512 << 20, // bytes
    FIRST_SIZE = 1 << 20,  // that the host writes
    GPU_SLICES = 8192,
    CPU_SLICES = 64,
    GPU_ELEMENTS = 1 << 19,
    CPU_ELEMENTS = 1 << 12,
    FIRST_ROUNDS = 16,
    MOST_ROUNDS = 1024,
};

// Choose the kernel of a push, compile it and time a dispatch.
static bool time_kernel(struct smr_kernel_set *set, enum smr_kernel_id id, const void *push,
                        const struct smr_binding *bindings, double *seconds)
{
    const struct smr_dispatch_args args = {bindings, push};
    const struct smr_measure_params params = {.args = &args, .n_args = 1, .budget_ns = 100000000};
    struct smr_kernel_key key;
    uint32_t n_rejected;
    do { // another one where the first does not compute rightly
        n_rejected = smr_kernel_set_n_rejected(set);
        if (!smr_kernel_choose(set, id, SMR_F32, push, &key) ||
            !smr_kernel_set_request(set, &key, push) || !smr_kernel_set_build(set, NULL, NULL))
            return false;
    } while (smr_kernel_set_n_rejected(set) > n_rejected);
    return smr_kernel_measure(set, &key, &params, seconds);
}

// Write the whole buffer: memory that nobody wrote may be all the same page. The host writes the
// beginning, and the device copies that, twice as much each time.
static bool fill(smr_device *device, smr_buffer *buffer)
{
    smr_context *context = smr_device_context(device);
    const uint64_t size = smr_buffer_size(buffer);
    const uint64_t first = size < FIRST_SIZE ? size : FIRST_SIZE;
    uint8_t *data = smr_alloc(context, first, 1, "what to read");
    smr_list *list = data ? smr_list_create(device, "probe") : NULL;
    for (uint64_t i = 0; data && i < first; i++)
        data[i] = (uint8_t)(i * 37 ^ i >> 9);
    bool done = list && smr_buffer_write(buffer, 0, data, first);
    for (uint64_t n = first; done && n < size; n *= 2) {
        const uint64_t more = n < size - n ? n : size - n;
        smr_list_copy(list, &(struct smr_binding){buffer, 0, more},
                      &(struct smr_binding){buffer, n, more});
    }
    done = done && smr_list_end(list) && smr_device_submit(device, list) && smr_device_wait(device);
    smr_list_destroy(list);
    smr_free(context, data);
    return done;
}

// Bytes that can be read by one dispatch, and are no great part of the device's memory.
static uint64_t read_size(smr_device *device)
{
    const struct smr_limits *limits = smr_device_limits(device);
    const uint64_t memory = smr_device_get_info(device)->memory_free;
    const bool plain_c = smr_device_get_info(device)->type == SMR_DEVICE_REFERENCE; // slow
    uint64_t size = plain_c ? READ_SIZE / 16 : READ_SIZE;
    const uint64_t limit = limits->max_binding_size < limits->max_buffer_size
                               ? limits->max_binding_size
                               : limits->max_buffer_size;
    while (size > FIRST_SIZE && (size > limit || (memory && size > memory / 4)))
        size /= 2;
    return size;
}

static bool measure_read(struct smr_kernel_set *set, struct smr_peaks *peaks)
{
    smr_device *device = smr_kernel_set_device(set);
    const bool cpu = smr_device_limits(device)->cpu;
    const uint64_t size = read_size(device);
    const struct smr_probe_read_push push = {.n_words = (uint32_t)(size / 4),
                                             .n_slices = cpu ? CPU_SLICES : GPU_SLICES};
    const struct smr_buffer_params params = {.size = size, .name = "probe"};
    const struct smr_buffer_params sums_params = {.size = push.n_slices * 4, .name = "probe sums"};
    smr_buffer *buffer = smr_buffer_create(device, &params);
    smr_buffer *sums = buffer ? smr_buffer_create(device, &sums_params) : NULL;
    double seconds = 0;
    bool done = sums && fill(device, buffer);
    if (done) {
        const struct smr_binding bindings[] = {{buffer, 0, size}, {sums, 0, push.n_slices * 4}};
        done = time_kernel(set, SMR_KERNEL_PROBE_READ, &push, bindings, &seconds);
        peaks->bytes_per_s = done ? (double)size / seconds : 0;
    }
    smr_buffer_destroy(sums);
    smr_buffer_destroy(buffer);
    return done;
}

static bool measure_math(struct smr_kernel_set *set, struct smr_peaks *peaks)
{
    smr_device *device = smr_kernel_set_device(set);
    const bool cpu = smr_device_limits(device)->cpu;
    struct smr_probe_math_push push = {.n_out = cpu ? CPU_ELEMENTS : GPU_ELEMENTS,
                                       .n_rounds = FIRST_ROUNDS,
                                       .factor = 0.99f,
                                       .addend = 0.01f};
    const uint64_t size = push.n_out * sizeof(float);
    const struct smr_buffer_params params = {.size = size, .name = "probe"};
    smr_buffer *in = smr_buffer_create(device, &params);
    smr_buffer *out = in ? smr_buffer_create(device, &params) : NULL;
    double seconds = 0;
    bool done = out && fill(device, in); // any bits: what is not finite is no slower
    if (done) {
        const struct smr_binding bindings[] = {{in, 0, size}, {out, 0, size}};
        done = time_kernel(set, SMR_KERNEL_PROBE_MATH, &push, bindings, &seconds);
        while (done && seconds < 1e-3 && push.n_rounds < MOST_ROUNDS) { // the faster, the longer
            push.n_rounds *= 8;
            done = time_kernel(set, SMR_KERNEL_PROBE_MATH, &push, bindings, &seconds);
        }
        peaks->flops_per_s =
            done ? 2.0 * push.n_out * SMR_PROBE_CHAINS * push.n_rounds / seconds : 0;
    }
    smr_buffer_destroy(out);
    smr_buffer_destroy(in);
    return done;
}

bool smr_peaks_measure(struct smr_kernel_set *set, struct smr_peaks *peaks)
{
    *peaks = (struct smr_peaks){0};
    return measure_read(set, peaks) && measure_math(set, peaks);
}
