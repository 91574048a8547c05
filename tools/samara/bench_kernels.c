// bench_kernels.c - where the time of a step goes: its dispatches by kernel, beside what the device
// can do at most.
#include "bench.h"

#include "kernel/work.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { N_RUNS = 7 };

// What tells rows of the table apart: the kernel's variant, and for weights the shape of the matrix.
static struct bench_kernel describe(const struct smr_profiled *dispatch)
{
    const struct smr_kernel_key *key = &dispatch->key;
    const struct smr_kernel_desc *desc = smr_kernel_desc(key->id);
    struct bench_kernel kernel = {.kernel = desc->name,
                                  .type = smr_type_info((enum smr_type)key->type)->name,
                                  .variant = desc->variants[key->variant].name};
    uint32_t n_out = 0, n_cols = 0;
    if (key->id == SMR_KERNEL_MATVEC || key->id == SMR_KERNEL_MATMUL) {
        const struct smr_matmul_push *push = (const void *)dispatch->push;
        n_out = push->n_out;
        n_cols = push->n_cols;
    } else if (key->id == SMR_KERNEL_EXPERTS) {
        const struct smr_experts_push *push = (const void *)dispatch->push;
        n_out = push->n_out;
        n_cols = push->n_cols;
    }
    if (n_out)
        snprintf(kernel.shape, sizeof kernel.shape, "%" PRIu32 "x%" PRIu32, n_out, n_cols);
    return kernel;
}

// The table's row for a dispatch, new or there before.
static struct bench_kernel *find(struct bench_table *table, const struct bench_kernel *wanted)
{
    for (size_t i = 0; i < table->n; i++) {
        struct bench_kernel *kernel = &table->kernels[i];
        if (!strcmp(kernel->kernel, wanted->kernel) && !strcmp(kernel->type, wanted->type) &&
            !strcmp(kernel->variant, wanted->variant) && !strcmp(kernel->shape, wanted->shape))
            return kernel;
    }
    table->kernels[table->n] = *wanted;
    return &table->kernels[table->n++];
}

static int compare(const void *a, const void *b)
{
    const struct bench_kernel *x = a, *y = b;
    return (x->seconds < y->seconds) - (x->seconds > y->seconds);
}

static void fill(struct bench_table *table, const struct smr_profile *profile,
                 const struct smr_work_rows *rows)
{
    for (uint32_t i = 0; i < profile->n; i++) {
        const struct smr_profiled *dispatch = &profile->dispatches[i];
        const struct smr_work work = smr_kernel_work(&dispatch->key, dispatch->push, rows);
        const struct bench_kernel described = describe(dispatch);
        struct bench_kernel *kernel = find(table, &described);
        kernel->n_calls++;
        kernel->seconds += dispatch->seconds;
        kernel->bytes += work.bytes;
        kernel->flops += work.flops;
        table->seconds += dispatch->seconds;
        table->bytes += work.bytes;
        table->flops += work.flops;
    }
    if (profile->timed) // else they stay in the order of the step
        qsort(table->kernels, table->n, sizeof *table->kernels, compare);
}

bool bench_profile(struct bench *bench, struct bench_table *table, const char *step)
{
    struct smr_profile profile;
    struct smr_schedule *schedule = bench->engine->schedule;
    const smr_session *session = bench->session;
    bench_progress(bench, "kernels of %s", step);
    if (!smr_schedule_profile(schedule, N_RUNS, &profile))
        return bench_fail(bench);
    const struct smr_work_rows rows = {
        .first_position = session->n_computed - profile.n_rows,
        .n_source = session->source ? session->source->n_tokens : 0,
    };
    *table = (struct bench_table){.step = step,
                                  .n_dispatches = profile.n,
                                  .n_rows = profile.n_rows,
                                  .first_position = rows.first_position,
                                  .timed = profile.timed,
                                  .kernels = calloc(profile.n, sizeof *table->kernels)};
    const bool done = table->kernels;
    if (done)
        fill(table, &profile, &rows);
    smr_profile_finish(schedule, &profile);
    if (done)
        return true;
    complain(bench->tool.command, "out of memory");
    bench->code = EXIT_DEVICE;
    return false;
}

// ---- as a table -------------------------------------------------------------------------------

// "12.3 | 45 % " of a rate and the most there can be.
static void print_rate(double amount, double seconds, double peak)
{
    const double rate = seconds > 0 ? amount / seconds : 0;
    if (seconds <= 0)
        printf(" - | - |");
    else if (peak > 0)
        printf(" %.3g | %.0f %% |", rate * 1e-9, 100 * rate / peak);
    else
        printf(" %.3g | - |", rate * 1e-9);
}

static void print_row(const struct bench *bench, const struct bench_table *table,
                      const struct bench_kernel *kernel)
{
    printf("| %s | %s | %s | %s | %" PRIu32 " |", kernel->kernel, kernel->type, kernel->variant,
           kernel->shape, kernel->n_calls);
    if (table->timed)
        printf(" %.3f | %.1f |", kernel->seconds * 1e3, 100 * kernel->seconds / table->seconds);
    else
        printf(" - | - |");
    print_rate(kernel->bytes, kernel->seconds, bench->peaks.bytes_per_s);
    print_rate(kernel->flops, kernel->seconds, bench->peaks.flops_per_s);
    printf("\n");
}

void bench_print_table(const struct bench *bench, const struct bench_table *table)
{
    const struct smr_peaks *peaks = &bench->peaks;
    printf("\n%s: %" PRIu32 " token%s after %" PRIu32 ", %" PRIu32 " dispatches, %.3g MB to move, "
           "%.3g million operations; ",
           table->step, table->n_rows, table->n_rows == 1 ? "" : "s", table->first_position,
           table->n_dispatches, table->bytes * 1e-6, table->flops * 1e-6);
    if (table->timed)
        printf("%.3f ms by the device's clock\n\n", table->seconds * 1e3);
    else
        printf("the device has no clock that tells how long they take\n\n");
    printf(
        "| kernel | type | variant | matrix | calls | ms | %% | GB/s | of %.3g | GFLOP/s | of %.3g "
        "|\n|---|---|---|---|---:|---:|---:|---:|---:|---:|---:|\n",
        peaks->bytes_per_s * 1e-9, peaks->flops_per_s * 1e-9);
    for (size_t i = 0; i < table->n; i++)
        print_row(bench, table, &table->kernels[i]);
    const struct bench_kernel all = {.kernel = "all",
                                     .type = "",
                                     .variant = "",
                                     .n_calls = table->n_dispatches,
                                     .seconds = table->seconds,
                                     .bytes = table->bytes,
                                     .flops = table->flops};
    print_row(bench, table, &all);
}

// ---- as JSON ----------------------------------------------------------------------------------

static json_t *rate_json(double amount, double seconds)
{
    return seconds > 0 ? json_number(amount / seconds * 1e-9) : json_null();
}

static json_t *share_json(double amount, double seconds, double peak)
{
    return seconds > 0 && peak > 0 ? json_number(amount / seconds / peak) : json_null();
}

static json_t *kernel_json(const struct bench *bench, const struct bench_kernel *kernel)
{
    const struct smr_peaks *peaks = &bench->peaks;
    const double seconds = kernel->seconds;
    return json_pack("{s:s, s:s, s:s, s:o, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "kernel",
                     kernel->kernel, "type", kernel->type, "variant", kernel->variant, "matrix",
                     *kernel->shape ? json_text(kernel->shape) : json_null(), "calls",
                     (json_int_t)kernel->n_calls, "time_s",
                     seconds > 0 ? json_number(seconds) : json_null(), "bytes",
                     json_number(kernel->bytes), "flops", json_number(kernel->flops), "gb_per_s",
                     rate_json(kernel->bytes, seconds), "of_peak_bandwidth",
                     share_json(kernel->bytes, seconds, peaks->bytes_per_s), "gflop_per_s",
                     rate_json(kernel->flops, seconds), "of_peak_arithmetic",
                     share_json(kernel->flops, seconds, peaks->flops_per_s));
}

json_t *bench_table_json(const struct bench *bench, const struct bench_table *table)
{
    if (!table->kernels)
        return json_null();
    json_t *kernels = json_array();
    for (size_t i = 0; i < table->n; i++)
        json_array_append_new(kernels, kernel_json(bench, &table->kernels[i]));
    return json_pack(
        "{s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "n_tokens", (json_int_t)table->n_rows, "depth",
        (json_int_t)table->first_position, "dispatches", (json_int_t)table->n_dispatches, "time_s",
        table->timed ? json_number(table->seconds) : json_null(), "bytes",
        json_number(table->bytes), "flops", json_number(table->flops), "kernels", kernels);
}
