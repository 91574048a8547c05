// bench_output.c - what was measured, as a table, as JSON, as CSV.
#include "bench.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *kernels_name(const struct bench *bench)
{
    return tool_kernel_choices[bench->settings->kernels];
}

static const char *cache_name(const struct bench *bench)
{
    return bench_cache_types[bench->settings->cache_type];
}

// What a process needs beside weights and KV cache: 1 is nothing.
static double memory_ratio(const struct smr_memory_use *use, uint64_t peak)
{
    return (double)peak / (double)(use->weights + use->cache);
}

// ---- Markdown ---------------------------------------------------------------------------------

static void print_text(const char *text)
{
    print_escaped(stdout, text, strlen(text), 0);
}

static void print_head(const struct bench *bench)
{
    const struct smr_device_info *device = smr_engine_device(bench->engine);
    const struct smr_model_info *info = &bench->info;
    char size[SIZE_TEXT];
    printf("samara %s on %s: ", smr_version(), device->id);
    print_text(device->name);
    printf(", ");
    print_text(*device->driver ? device->driver : "no driver");
    if (device->n_threads)
        printf(", %" PRIu32 " thread%s", device->n_threads, device->n_threads == 1 ? "" : "s");
    printf("  \nmodel ");
    print_text(info->name);
    printf(": %.1f million parameters, %s, %s%s; KV cache %s, kernels %s\n\n",
           (double)info->n_params * 1e-6, info->type, size_text(info->size, size),
           bench->settings->synthetic ? ", random weights" : "", cache_name(bench),
           kernels_name(bench));
}

static void print_tests(const struct bench *bench)
{
    printf("| test | after tokens | tokens/s | CPU us/token | submissions/token |\n"
           "|---|---:|---:|---:|---:|\n");
    for (size_t i = 0; i < bench->n_tests; i++) {
        const struct bench_test *test = &bench->tests[i];
        printf("| %s | %" PRIu32 " | %.2f ± %.2f | %.1f | %.3g |\n", test->name, test->depth,
               test->mean, test->deviation, test->cpu_us, test->n_submissions);
    }
}

static void print_memory(const struct bench *bench)
{
    struct smr_memory_use use;
    char weights[SIZE_TEXT], cache[SIZE_TEXT], activations[SIZE_TEXT], peak_text[SIZE_TEXT];
    char own_text[SIZE_TEXT];
    const uint64_t peak = bench->peak_memory, own = peak - bench->library_memory;
    smr_engine_memory(bench->engine, &use);
    printf("\nmemory: weights %s, KV cache %s, activations %s", size_text(use.weights, weights),
           size_text(use.cache, cache), size_text(use.activations, activations));
    if (peak)
        printf(
            "; process at most %s, %.2f of weights and KV cache; without pages of shared libraries, "
            "such as the driver's compiler, %s, %.2f",
            size_text(peak, peak_text), memory_ratio(&use, peak), size_text(own, own_text),
            memory_ratio(&use, own));
    printf("\n");
}

static int show_md(const struct bench *bench)
{
    print_head(bench);
    print_tests(bench);
    if (bench->starts.warm >= 0)
        printf("\nfirst token: %.2f s cold, %.2f s warm\n", bench->starts.cold, bench->starts.warm);
    print_memory(bench);
    if (bench->peaks.bytes_per_s > 0)
        printf(
            "\nThe device reads %.3g GB/s and does %.3g GFLOP/s in f32, as kernels measured that do "
            "nothing else.\n",
            bench->peaks.bytes_per_s * 1e-9, bench->peaks.flops_per_s * 1e-9);
    if (bench->decode.step)
        bench_print_table(bench, &bench->decode);
    if (bench->prompt.step)
        bench_print_table(bench, &bench->prompt);
    return tool_flush(bench->tool.command);
}

// ---- JSON -------------------------------------------------------------------------------------

static json_t *tests_json(const struct bench *bench)
{
    json_t *list = json_array();
    for (size_t i = 0; i < bench->n_tests; i++) {
        const struct bench_test *test = &bench->tests[i];
        json_t *samples = json_array();
        for (uint32_t k = 0; k < test->n_samples; k++)
            json_array_append_new(samples, json_number(test->samples[k]));
        json_t *row =
            json_pack("{s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "test", test->name, "n_tokens",
                      (json_int_t)test->n, "depth", (json_int_t)test->depth, "tokens_per_s",
                      json_number(test->mean), "deviation", json_number(test->deviation), "samples",
                      samples, "cpu_us_per_token", json_number(test->cpu_us),
                      "submissions_per_token", json_number(test->n_submissions));
        if (row && test->decode)
            json_object_set_new(row, "sampling", json_string(test->on_device ? "device" : "host"));
        json_array_append_new(list, row);
    }
    return list;
}

static json_t *memory_json(const struct bench *bench)
{
    struct smr_memory_use use;
    const uint64_t peak = bench->peak_memory, own = peak - bench->library_memory;
    smr_engine_memory(bench->engine, &use);
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "weights", (json_int_t)use.weights, "cache",
        (json_int_t)use.cache, "activations", (json_int_t)use.activations, "total",
        (json_int_t)use.total, "process_peak", peak ? json_integer((json_int_t)peak) : json_null(),
        "process_peak_ratio", peak ? json_number(memory_ratio(&use, peak)) : json_null(),
        "without_libraries", peak ? json_integer((json_int_t)own) : json_null(),
        "without_libraries_ratio", peak ? json_number(memory_ratio(&use, own)) : json_null());
}

static int show_json(const struct bench *bench)
{
    const struct smr_device_info *device = smr_engine_device(bench->engine);
    const struct smr_model_info *info = &bench->info;
    struct smr_engine_times times;
    smr_engine_times(bench->engine, &times);
    json_t *device_json =
        json_pack("{s:s, s:o, s:o, s:o, s:o}", "id", device->id, "name", json_text(device->name),
                  "driver", json_text(device->driver), "fingerprint",
                  json_text(smr_device_fingerprint(bench->engine->device)), "threads",
                  device->n_threads ? json_integer(device->n_threads) : json_null());
    json_t *model_json =
        json_pack("{s:o, s:o, s:o, s:I, s:I, s:b}", "name", json_text(info->name), "architecture",
                  json_text(info->architecture), "type", json_text(info->type), "n_params",
                  (json_int_t)info->n_params, "size", (json_int_t)info->size, "synthetic",
                  bench->settings->synthetic != NULL);
    const struct bench_starts *starts = &bench->starts;
    json_t *starts_json = starts->warm < 0
                              ? json_null()
                              : json_pack("{s:o, s:o}", "cold_s", json_number(starts->cold),
                                          "warm_s", json_number(starts->warm));
    const struct smr_peaks *peaks = &bench->peaks;
    json_t *peaks_json =
        peaks->bytes_per_s > 0
            ? json_pack("{s:o, s:o}", "gb_per_s", json_number(peaks->bytes_per_s * 1e-9),
                        "gflop_per_s", json_number(peaks->flops_per_s * 1e-9))
            : json_null();
    json_t *object = json_pack(
        "{s:s, s:o, s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "version",
        smr_version(), "device", device_json, "model", model_json, "kernels", kernels_name(bench),
        "cache_type", cache_name(bench), "results", tests_json(bench), "first_token", starts_json,
        "memory", memory_json(bench), "load_s", json_number((double)times.load_ns * 1e-9),
        "compile_s", json_number((double)times.compile_ns * 1e-9), "peaks", peaks_json,
        "decode_step", bench_table_json(bench, &bench->decode), "prompt_step",
        bench_table_json(bench, &bench->prompt));
    return json_print(bench->tool.command, object, JSON_INDENT(2));
}

// ---- CSV --------------------------------------------------------------------------------------

// A field in quotes (RFC 4180).
static void print_field(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        if (*text == '"')
            putchar('"');
        if ((unsigned char)*text >= ' ' && *text != 127)
            putchar(*text);
    }
    printf("\",");
}

static int show_csv(const struct bench *bench)
{
    const struct smr_device_info *device = smr_engine_device(bench->engine);
    const struct smr_model_info *info = &bench->info;
    printf("device,driver,threads,model,type,size,n_params,kernels,cache_type,test,depth,"
           "tokens_per_s,deviation,cpu_us_per_token,submissions_per_token\n");
    for (size_t i = 0; i < bench->n_tests; i++) {
        const struct bench_test *test = &bench->tests[i];
        print_field(device->name);
        print_field(device->driver);
        printf("%" PRIu32 ",", device->n_threads);
        print_field(info->name);
        print_field(info->type);
        printf("%" PRIu64 ",%" PRIu64 ",%s,%s,%s,%" PRIu32 ",%.9g,%.9g,%.9g,%.9g\n", info->size,
               info->n_params, kernels_name(bench), cache_name(bench), test->name, test->depth,
               test->mean, test->deviation, test->cpu_us, test->n_submissions);
    }
    return tool_flush(bench->tool.command);
}

int bench_show(const struct bench *bench)
{
    switch (bench->settings->output) {
    case BENCH_JSON:
        return show_json(bench);
    case BENCH_CSV:
        return show_csv(bench);
    default:
        return show_md(bench);
    }
}
