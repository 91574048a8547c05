// support.c - helpers of the tests.
#include "support.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void *test_reallocate(void *user, void *pointer, size_t size)
{
    struct test_memory *memory = user;
    if (!size) {
        memory->n_live -= pointer != NULL;
        free(pointer);
        return NULL;
    }
    if (++memory->n_calls == memory->fail_at || size > SIZE_MAX / 4) // sanitizers end the program
        return NULL;
    void *moved = realloc(pointer, size);
    if (moved && !pointer) {
        memory->n_live++;
        memset(moved, 0xa5, size); // new memory is not zero
    }
    return moved;
}

smr_context *test_context(struct test_memory *memory, const char *cache_dir)
{
    struct smr_context_params params = {
        .cache_dir = cache_dir,
        .reallocate = memory ? test_reallocate : NULL,
        .user = memory,
    };
    return smr_context_create(&params);
}

void test_folder_make(struct test_folder *folder)
{
    const char *parent = getenv("TMPDIR");
    snprintf(folder->path, sizeof folder->path, "%s/smr-test-XXXXXX", parent ? parent : "/tmp");
    assert_non_null(mkdtemp(folder->path));
}

static void remove_entries(const char *path, int depth)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        char child[1024];
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        snprintf(child, sizeof child, "%.700s/%s", path, entry->d_name);
        if (unlink(child) && depth)
            remove_entries(child, depth - 1);
        rmdir(child);
    }
    if (dir)
        closedir(dir);
}

void test_folder_remove(struct test_folder *folder)
{
    remove_entries(folder->path, 2);
    rmdir(folder->path);
}

const char *test_path(const struct test_folder *folder, const char *name)
{
    static char paths[4][600];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder->path, name);
    return path;
}

void test_write_file(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}
