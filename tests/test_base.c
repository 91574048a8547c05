// test_base.c - context, memory, types, files and the disk cache.
#include "support.h"

#include "base/base.h"
#include "base/file.h"

#include <dirent.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

// ---- context ----------------------------------------------------------------------------------

static void test_error_first_sticks(void **state)
{
    smr_context *context = smr_context_create(NULL);
    assert_string_equal(smr_context_error(context), "");
    assert_int_equal(smr_context_status(context), SMR_OK);
    assert_false(smr_fail(context, SMR_ERROR_MODEL, "%s: %d", "first", 1));
    assert_false(smr_fail(context, SMR_ERROR_DEVICE, "second"));
    assert_string_equal(smr_context_error(context), "first: 1");
    assert_int_equal(smr_context_status(context), SMR_ERROR_MODEL);
    smr_context_clear_error(context);
    assert_string_equal(smr_context_error(context), "");
    smr_fail(context, SMR_ERROR_DEVICE, "third");
    assert_string_equal(smr_context_error(context), "third");
    smr_context_destroy(context);
}

static void test_error_is_printable(void **state)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"a\nb\x1b[31m\x7f", "a?b?[31m?"},
        {"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8c\xb1", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8c\xb1"},
        {"\xff\xc3", "??"},
        {"\xc2\x9b"
         "31m",
         "??31m"}, // a terminal's control sequence in UTF-8
        {"\xe2\x82x", "??x"},
    };
    smr_context *context = smr_context_create(NULL);
    for (size_t i = 0; i < SMR_COUNT(cases); i++) {
        smr_fail(context, SMR_ERROR, "%s", cases[i].text);
        assert_string_equal(smr_context_error(context), cases[i].expected);
        smr_context_clear_error(context);
    }
    char *longest = malloc(10001);
    memset(longest, 'x', 10000);
    longest[10000] = 0;
    smr_fail(context, SMR_ERROR, "%s", longest);
    assert_in_range(strlen(smr_context_error(context)), 1000, 9999);
    free(longest);
    smr_context_destroy(context);
}

static void *fail_in_thread(void *context)
{
    for (int i = 0; i < 200; i++)
        smr_fail(context, SMR_ERROR_DEVICE, "thread %p says %p", (void *)&context,
                 (void *)&context);
    return NULL;
}

static void test_error_from_threads(void **state)
{
    smr_context *context = smr_context_create(NULL);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, fail_in_thread, context), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    void *first, *second; // one thread's message, whole
    assert_int_equal(sscanf(smr_context_error(context), "thread %p says %p", &first, &second), 2);
    assert_ptr_equal(first, second);
    smr_context_destroy(context);
}

struct lines {
    size_t n, last_length;
    enum smr_log_level level;
};

static void count_line(void *user, enum smr_log_level level, const char *text)
{
    struct lines *lines = user;
    lines->n++;
    lines->level = level;
    lines->last_length = strlen(text);
}

static void test_log(void **state)
{
    struct lines lines = {0};
    struct smr_context_params params = {
        .log = count_line, .user = &lines, .log_level = SMR_LOG_INFO};
    smr_context *context = smr_context_create(&params);
    smr_log(context, SMR_LOG_DEBUG, "not wanted");
    assert_int_equal(lines.n, 0);
    smr_log(context, SMR_LOG_WARNING, "%d", 12345);
    assert_int_equal(lines.n, 1);
    assert_int_equal(lines.level, SMR_LOG_WARNING);
    assert_int_equal(lines.last_length, 5);
    smr_log(context, SMR_LOG_INFO, "%5000d", 1); // longer than any buffer on the stack
    assert_int_equal(lines.last_length, 5000);
    smr_context_destroy(context);
}

static void test_create_without_memory(void **state)
{
    struct test_memory memory = {0};
    smr_context *context = NULL;
    while (!context) {
        memory = (struct test_memory){.fail_at = memory.fail_at + 1};
        context = test_context(&memory, "/some/where");
        if (!context)
            assert_int_equal(memory.n_live, 0);
        assert_in_range(memory.fail_at, 1, 10);
    }
    assert_int_equal(memory.fail_at, 3); // the context and a string failed
    smr_context_destroy(context);
    assert_int_equal(memory.n_live, 0);
}

// ---- memory -----------------------------------------------------------------------------------

static void test_alloc(void **state)
{
    struct test_memory memory = {0};
    for (int own = 0; own < 2; own++) {
        smr_context *context = test_context(own ? &memory : NULL, NULL);
        uint8_t *bytes = smr_alloc(context, 10, 100, "bytes");
        assert_non_null(bytes);
        for (int i = 0; i < 1000; i++)
            assert_int_equal(bytes[i], 0);
        bytes[999] = 7;
        bytes = smr_realloc(context, bytes, 50, 100, "bytes");
        assert_int_equal(bytes[999], 7);
        smr_free(context, bytes);
        void *nothing = smr_alloc(context, 0, 8, "nothing");
        assert_non_null(nothing);
        smr_free(context, nothing);
        smr_free(context, NULL);

        assert_null(smr_alloc(context, SIZE_MAX / 2, 3, "page table"));
        assert_int_equal(smr_context_status(context), SMR_ERROR_MEMORY);
        assert_non_null(strstr(smr_context_error(context), "page table"));
        smr_context_destroy(context);
    }
    assert_int_equal(memory.n_live, 0);
}

static void test_grow(void **state)
{
    struct test_memory memory = {0};
    smr_context *context = test_context(&memory, NULL);
    uint32_t *numbers = NULL;
    size_t capacity = 0, n_moves = 0;
    for (uint32_t n = 0; n < 1000; n++) {
        const size_t before = capacity;
        assert_true(smr_grow(context, &numbers, &capacity, n + 1, sizeof *numbers, "numbers"));
        n_moves += capacity != before;
        numbers[n] = n;
    }
    assert_in_range(n_moves, 2, 10);
    for (uint32_t n = 0; n < 1000; n++)
        assert_int_equal(numbers[n], n);
    assert_true(smr_grow(context, &numbers, &capacity, 100000, sizeof *numbers, "numbers"));
    assert_in_range(capacity, 100000, 200000);

    const uint32_t *const kept = numbers; // what does not grow stays
    const size_t had = capacity;
    assert_false(smr_grow(context, &numbers, &capacity, SIZE_MAX / 2, sizeof *numbers, "numbers"));
    assert_int_equal(smr_context_status(context), SMR_ERROR_MEMORY);
    memory.fail_at = memory.n_calls + 1;
    assert_false(smr_grow(context, &numbers, &capacity, had + 1, sizeof *numbers, "numbers"));
    assert_ptr_equal(numbers, kept);
    assert_int_equal(capacity, had);
    smr_free(context, numbers);
    smr_context_destroy(context);
    assert_int_equal(memory.n_live, 0);
}

static void test_arena(void **state)
{
    struct test_memory memory = {0};
    smr_context *context = test_context(&memory, NULL);
    struct smr_arena arena;
    smr_arena_init(&arena, context);
    uint8_t *pointers[500];
    size_t sizes[500];
    for (size_t i = 0; i < SMR_COUNT(pointers); i++) {
        sizes[i] = i % 50 == 49 ? 100000 + i : i * 7 % 1000;
        pointers[i] = smr_arena_alloc(&arena, 1, sizes[i]);
        assert_non_null(pointers[i]);
        assert_int_equal((uintptr_t)pointers[i] % 16, 0);
        for (size_t k = 0; k < sizes[i]; k++)
            assert_int_equal(pointers[i][k], 0);
        memset(pointers[i], (int)(i & 0xff), sizes[i]);
    }
    for (size_t i = 0; i < SMR_COUNT(pointers); i++) // nobody's bytes are another's
        for (size_t k = 0; k < sizes[i]; k++)
            assert_int_equal(pointers[i][k], i & 0xff);
    assert_string_equal(smr_arena_strndup(&arena, "samara", 3), "sam");
    assert_string_equal(smr_arena_strndup(&arena, NULL, 0), "");

    assert_null(smr_arena_alloc(&arena, SIZE_MAX, 2));
    assert_null(smr_arena_alloc(&arena, SIZE_MAX, 1));
    assert_null(smr_arena_alloc(&arena, SIZE_MAX - 100, 1));
    assert_int_equal(smr_context_status(context), SMR_ERROR_MEMORY);
    smr_context_clear_error(context);
    memory.fail_at = memory.n_calls + 1;
    assert_null(smr_arena_alloc(&arena, 1, 1000000));
    assert_int_equal(smr_context_status(context), SMR_ERROR_MEMORY);
    assert_non_null(smr_arena_alloc(&arena, 1, 1000000));
    smr_arena_finish(&arena);
    smr_arena_finish(&arena);
    assert_int_equal(memory.n_live, 1);
    smr_context_destroy(context);
}

static void test_string(void **state)
{
    struct test_memory memory = {0};
    smr_context *context = test_context(&memory, NULL);
    struct smr_string string;
    smr_string_init(&string, context);
    assert_null(string.data);
    smr_string_add(&string, "", 0);
    assert_string_equal(string.data, "");
    smr_string_add(&string, "a\0b", 3);
    smr_string_printf(&string, "%d-%s", 42, "x");
    assert_int_equal(string.size, 7);
    assert_memory_equal(string.data, "a\0b42-x", 8);
    for (int i = 0; i < 1000; i++)
        smr_string_printf(&string, "%04d", i);
    assert_int_equal(string.size, 4007);
    assert_string_equal(string.data + 4003, "0999");

    memory.fail_at = memory.n_calls + 1;
    smr_string_printf(&string, "%10000d", 1);
    assert_true(string.failed);
    assert_int_equal(smr_context_status(context), SMR_ERROR_MEMORY);
    smr_string_add(&string, "more", 4);
    assert_int_equal(string.size, 4007);
    smr_string_finish(&string);
    assert_false(string.failed);
    assert_int_equal(memory.n_live, 1);
    smr_context_destroy(context);
}

// ---- types ------------------------------------------------------------------------------------

static void test_types(void **state)
{
    // GGML_QUANT_SIZES of gguf-py/gguf/constants.py.
    static const struct {
        enum smr_type type;
        const char *name;
        uint32_t elements, size;
    } expected[] = {
        {SMR_F32, "F32", 1, 4},       {SMR_F16, "F16", 1, 2},       {SMR_Q4_0, "Q4_0", 32, 18},
        {SMR_Q4_1, "Q4_1", 32, 20},   {SMR_Q5_0, "Q5_0", 32, 22},   {SMR_Q5_1, "Q5_1", 32, 24},
        {SMR_Q8_0, "Q8_0", 32, 34},   {SMR_Q2_K, "Q2_K", 256, 84},  {SMR_Q3_K, "Q3_K", 256, 110},
        {SMR_Q4_K, "Q4_K", 256, 144}, {SMR_Q5_K, "Q5_K", 256, 176}, {SMR_Q6_K, "Q6_K", 256, 210},
        {SMR_I32, "I32", 1, 4},       {SMR_BF16, "BF16", 1, 2},     {SMR_IQ4_NL, "IQ4_NL", 32, 18},
    };
    size_t n_known = 0;
    for (int type = -1; type < 300; type++)
        n_known += smr_type_info((enum smr_type)type) != NULL;
    assert_int_equal(n_known, SMR_COUNT(expected));
    for (size_t i = 0; i < SMR_COUNT(expected); i++) {
        const struct smr_type_info *info = smr_type_info(expected[i].type);
        assert_string_equal(info->name, expected[i].name);
        assert_int_equal(info->block_elements, expected[i].elements);
        assert_int_equal(info->block_size, expected[i].size);
        assert_int_equal(info->quantized, expected[i].elements > 1);
        assert_int_equal(smr_type_size(expected[i].type, 512),
                         512 / expected[i].elements * expected[i].size);
    }
}

static void test_f16_round_trip(void **state)
{
    for (uint32_t half = 0; half < 65536; half++) {
        float value = smr_f16_to_f32((uint16_t)half);
        uint16_t back = smr_f32_to_f16(value);
        if ((half & 0x7fff) > 0x7c00) {
            assert_true(isnan(value));
            assert_true((back & 0x7fff) > 0x7c00);
        } else {
            assert_int_equal(back, half);
            uint32_t exponent = half >> 10 & 31, fraction = half & 1023;
            double expected = exponent == 31 ? INFINITY
                              : exponent     ? ldexp(1024 + fraction, (int)exponent - 25)
                                             : ldexp(fraction, -24);
            assert_true((double)value == (half & 0x8000 ? -expected : expected));
        }
    }
}

// Halfway between two neighbours goes to the even one, a little off goes to the nearer one.
static void test_f16_rounding(void **state)
{
    for (uint16_t half = 0; half < 0x7bff; half++) {
        uint16_t next = (uint16_t)(half + 1), even = half & 1 ? next : half;
        float low = smr_f16_to_f32(half), high = smr_f16_to_f32(next);
        float middle = (low + high) / 2; // exact: binary32 has the bits
        assert_int_equal(smr_f32_to_f16(middle), even);
        assert_int_equal(smr_f32_to_f16(nextafterf(middle, 0)), half);
        assert_int_equal(smr_f32_to_f16(nextafterf(middle, INFINITY)), next);
        assert_int_equal(smr_f32_to_f16(-middle), even | 0x8000);
    }
    assert_int_equal(smr_f32_to_f16(nextafterf(65520.0f, 0)), 0x7bff);
    assert_int_equal(smr_f32_to_f16(65520.0f), 0x7c00);
    assert_int_equal(smr_f32_to_f16(1e30f), 0x7c00);
    assert_int_equal(smr_f32_to_f16(-INFINITY), 0xfc00);
    assert_int_equal(smr_f32_to_f16(1e-30f), 0);
    assert_int_equal(smr_f32_to_f16(-1e-45f), 0x8000);
    assert_true(smr_bf16_to_f32(0x3f80) == 1.0f);
}

// ---- files ------------------------------------------------------------------------------------

static void test_cursor(void **state)
{
    static const uint8_t bytes[] = {1,    2,    3, 4, 5, 6, 7, 8, 9, 0,   0,
                                    0x80, 0x3f, 0, 0, 0, 0, 0, 0, 4, 0xc0};
    struct smr_cursor cursor = smr_cursor_make(bytes, sizeof bytes);
    assert_int_equal(smr_cursor_u64(&cursor), 0x0807060504030201);
    assert_int_equal(smr_cursor_u8(&cursor), 9);
    assert_true(smr_cursor_f32(&cursor) == 1.0f);
    assert_true(smr_cursor_f64(&cursor) == -2.5);
    assert_false(cursor.failed);
    assert_ptr_equal(smr_cursor_bytes(&cursor, 0), bytes + sizeof bytes);
    assert_int_equal(smr_cursor_u8(&cursor), 0);
    assert_true(cursor.failed);

    cursor = smr_cursor_make(bytes, 3);
    assert_int_equal(smr_cursor_u16(&cursor), 0x0201);
    assert_int_equal(smr_cursor_u16(&cursor), 0);
    assert_true(cursor.failed);
    assert_int_equal(smr_cursor_u8(&cursor), 0); // the failure sticks
    assert_int_equal(cursor.offset, 2);

    cursor = smr_cursor_make(bytes, sizeof bytes);
    cursor.offset = 5;
    assert_null(smr_cursor_bytes(&cursor, SIZE_MAX));
    assert_true(cursor.failed);
    cursor = smr_cursor_make(bytes, 3);
    assert_int_equal(smr_cursor_u32(&cursor), 0);
    assert_int_equal(cursor.offset, 0);
}

static void test_map(void **state)
{
    struct test_folder folder;
    test_folder_make(&folder);
    smr_context *context = smr_context_create(NULL);
    struct smr_map map;
    static const char *const bad[] = {"missing", ".", "empty", "pipe"};
    test_write_file(test_path(&folder, "empty"), "", 0);
    assert_int_equal(mkfifo(test_path(&folder, "pipe"), 0600), 0);
    for (size_t i = 0; i < SMR_COUNT(bad); i++) {
        const char *path = test_path(&folder, bad[i]);
        assert_false(smr_map_open(context, path, &map));
        assert_null(map.data);
        assert_int_equal(smr_context_status(context), SMR_ERROR_MODEL);
        assert_ptr_equal(strstr(smr_context_error(context), path), smr_context_error(context));
        smr_context_clear_error(context);
    }
    test_write_file(test_path(&folder, "file"), "samara", 6);
    assert_true(smr_map_open(context, test_path(&folder, "file"), &map));
    assert_int_equal(map.size, 6);
    assert_memory_equal(map.data, "samara", 6);
    smr_map_close(&map);
    smr_map_close(&map);
    smr_context_destroy(context);
    test_folder_remove(&folder);
}

// ---- the disk cache ---------------------------------------------------------------------------

static void test_hash(void **state)
{
    struct smr_key none = {0}, a = smr_hash("samara", 6, none), b = smr_hash("samara", 6, none);
    assert_true(a.low == b.low && a.high == b.high);
    struct smr_key others[] = {smr_hash("samarb", 6, none), smr_hash("samara", 5, none),
                               smr_hash("samara", 6, a), smr_hash("", 0, none)};
    for (size_t i = 0; i < SMR_COUNT(others); i++)
        assert_true(a.low != others[i].low && a.high != others[i].high);
}

// The only entry below `dir`, or the empty string.
static void find_entry(const char *dir, char *path, size_t size)
{
    DIR *handle = opendir(dir);
    assert_non_null(handle);
    struct dirent *entry;
    *path = 0;
    while ((entry = readdir(handle))) {
        if (entry->d_name[0] == '.')
            continue;
        assert_int_equal(*path, 0);
        snprintf(path, size, "%s/%s", dir, entry->d_name);
    }
    closedir(handle);
}

static void test_cache(void **state)
{
    struct test_folder folder;
    struct test_memory memory = {0};
    struct smr_key key = {0x0123456789abcdef, 42}, other = {0x0123456789abcdef, 43};
    struct smr_blob blob;
    struct stat status;
    char entry[700];
    test_folder_make(&folder);
    char dir[300];
    snprintf(dir, sizeof dir, "%s/a/b", folder.path);
    smr_context *context = test_context(&memory, dir);

    assert_false(smr_cache_get(context, "spv", key, &blob));
    smr_cache_put(context, "spv", key, "payload", 7);
    assert_true(smr_cache_get(context, "spv", key, &blob));
    assert_int_equal(blob.size, 7);
    assert_memory_equal(blob.data, "payload", 7);
    smr_blob_free(context, &blob);
    smr_blob_free(context, &blob);
    assert_false(smr_cache_get(context, "spv", other, &blob));
    assert_false(smr_cache_get(context, "tuning", key, &blob));

    find_entry(dir, entry, sizeof entry);
    assert_int_equal(stat(entry, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(stat(dir, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);

    smr_cache_put(context, "spv", key, "another", 7); // replaces
    assert_true(smr_cache_get(context, "spv", key, &blob));
    assert_memory_equal(blob.data, "another", 7);
    smr_blob_free(context, &blob);
    smr_cache_put(context, "spv", key, "", 0);
    assert_true(smr_cache_get(context, "spv", key, &blob));
    assert_int_equal(blob.size, 0);
    smr_blob_free(context, &blob);

    // An entry under another's name is not its own.
    char renamed[700];
    snprintf(renamed, sizeof renamed, "%s/%016llx%016llx.spv", dir, (unsigned long long)other.high,
             (unsigned long long)other.low);
    assert_int_equal(rename(entry, renamed), 0);
    assert_false(smr_cache_get(context, "spv", other, &blob));

    assert_int_equal(smr_context_status(context), SMR_OK);
    smr_context_destroy(context);
    assert_int_equal(memory.n_live, 0);
    test_folder_remove(&folder);
}

static void test_cache_damage(void **state)
{
    struct test_folder folder;
    struct smr_key key = {1, 2};
    struct smr_blob blob;
    char entry[700];
    uint8_t bytes[256];
    test_folder_make(&folder);
    smr_context *context = test_context(NULL, folder.path);
    smr_cache_put(context, "spv", key, "some compiled work", 18);
    find_entry(folder.path, entry, sizeof entry);
    FILE *file = fopen(entry, "rb");
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    assert_in_range(size, 40, 200);

    for (size_t i = 0; i < size; i++) {
        bytes[i] ^= 0x10;
        test_write_file(entry, bytes, size);
        assert_false(smr_cache_get(context, "spv", key, &blob));
        assert_null(blob.data);
        bytes[i] ^= 0x10;
    }
    for (size_t length = 0; length < size; length++) {
        test_write_file(entry, bytes, length);
        assert_false(smr_cache_get(context, "spv", key, &blob));
    }
    bytes[size] = 0;
    test_write_file(entry, bytes, size + 1);
    assert_false(smr_cache_get(context, "spv", key, &blob));
    test_write_file(entry, bytes, size); // whole again
    assert_true(smr_cache_get(context, "spv", key, &blob));
    smr_blob_free(context, &blob);
    assert_int_equal(smr_context_status(context), SMR_OK);
    smr_context_destroy(context);
    test_folder_remove(&folder);
}

static void test_cache_cannot_be_written(void **state)
{
    struct test_folder folder;
    struct smr_blob blob;
    test_folder_make(&folder);
    test_write_file(test_path(&folder, "file"), "x", 1);
    const char *dirs[] = {NULL, test_path(&folder, "file/cache"), "", "/proc/none/of/these"};
    for (size_t i = 0; i < SMR_COUNT(dirs); i++) {
        smr_context *context = test_context(NULL, dirs[i]);
        smr_cache_put(context, "smr-test", (struct smr_key){3, 4}, "x", 1);
        if (i != 2) // the root of the file system may be writable
            assert_false(smr_cache_get(context, "smr-test", (struct smr_key){3, 4}, &blob));
        assert_int_equal(smr_context_status(context), SMR_OK);
        smr_context_destroy(context);
    }
    test_folder_remove(&folder);
}

static void test_cache_without_memory(void **state)
{
    struct test_folder folder;
    test_folder_make(&folder);
    bool found = false;
    for (size_t fail_at = 2; !found; fail_at++) {
        struct test_memory memory = {.fail_at = fail_at + 1};
        struct smr_blob blob;
        assert_in_range(fail_at, 2, 20);
        smr_context *context = test_context(&memory, folder.path);
        smr_cache_put(context, "spv", (struct smr_key){5, 6}, "work", 4);
        found = smr_cache_get(context, "spv", (struct smr_key){5, 6}, &blob) &&
                memory.n_calls < memory.fail_at;
        smr_blob_free(context, &blob);
        assert_int_equal(smr_context_status(context), SMR_OK);
        smr_context_destroy(context);
        assert_int_equal(memory.n_live, 0);
    }
    test_folder_remove(&folder);
}

enum { ENTRY_SIZE = 20000 };

static void write_entries(const char *dir, char letter)
{
    static char data[ENTRY_SIZE];
    memset(data, letter, sizeof data);
    smr_context *context = test_context(NULL, dir);
    for (int i = 0; i < 300; i++)
        smr_cache_put(context, "spv", (struct smr_key){7, 8}, data, sizeof data);
    smr_context_destroy(context);
    _exit(0);
}

// While two processes write the same entry, a third sees one's or the other's, never a mixture.
static void test_cache_processes(void **state)
{
    struct test_folder folder;
    struct smr_blob blob;
    char entry[700];
    test_folder_make(&folder);
    smr_context *context = test_context(NULL, folder.path);
    pid_t children[2];
    for (int i = 0; i < 2; i++) {
        children[i] = fork();
        if (!children[i])
            write_entries(folder.path, (char)('a' + i));
    }
    int running = 2, n_hits = 0;
    while (running) {
        if (smr_cache_get(context, "spv", (struct smr_key){7, 8}, &blob)) {
            assert_int_equal(blob.size, ENTRY_SIZE);
            assert_true(blob.data[0] == 'a' || blob.data[0] == 'b');
            assert_memory_equal(blob.data, blob.data + 1, ENTRY_SIZE - 1);
            smr_blob_free(context, &blob);
            n_hits++;
        } else {
            assert_int_equal(n_hits, 0); // once there, always there
        }
        running -= waitpid(-1, NULL, WNOHANG) > 0;
    }
    assert_true(n_hits > 0);
    find_entry(folder.path, entry, sizeof entry); // fails when temporary files are left
    assert_true(*entry);
    smr_context_destroy(context);
    test_folder_remove(&folder);
}

static void test_time(void **state)
{
    uint64_t start = smr_time_ns(), cpu = smr_thread_time_ns();
    while (smr_thread_time_ns() - cpu < 2000000)
        ;
    assert_in_range(smr_time_ns() - start, 1000000, 60000000000);
    assert_string_equal(smr_version(), SMR_VERSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_first_sticks),
        cmocka_unit_test(test_error_is_printable),
        cmocka_unit_test(test_error_from_threads),
        cmocka_unit_test(test_log),
        cmocka_unit_test(test_create_without_memory),
        cmocka_unit_test(test_alloc),
        cmocka_unit_test(test_grow),
        cmocka_unit_test(test_arena),
        cmocka_unit_test(test_string),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_f16_round_trip),
        cmocka_unit_test(test_f16_rounding),
        cmocka_unit_test(test_cursor),
        cmocka_unit_test(test_map),
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_cache),
        cmocka_unit_test(test_cache_damage),
        cmocka_unit_test(test_cache_cannot_be_written),
        cmocka_unit_test(test_cache_without_memory),
        cmocka_unit_test(test_cache_processes),
        cmocka_unit_test(test_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
