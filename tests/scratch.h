/*
 * scratch.h - a directory of its own for one test, with files put into it, removed afterwards.
 */
#ifndef BACKSTOP_TESTS_SCRATCH_H
#define BACKSTOP_TESTS_SCRATCH_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

static char scratch[64];

__attribute__((unused)) static int scratch_make(void **state)
{
    (void)state;
    strcpy(scratch, "/tmp/backstop-test-XXXXXX");
    return mkdtemp(scratch) ? 0 : -1;
}

static int scratch_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

__attribute__((unused)) static int scratch_remove(void **state)
{
    (void)state;
    return nftw(scratch, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Path beneath the scratch directory; good until the fourth call after. */
__attribute__((unused)) static const char *at(const char *path)
{
    static char paths[4][512];
    static unsigned turn;
    char *out = paths[turn++ % 4];

    snprintf(out, sizeof paths[0], "%s/%s", scratch, path);
    return out;
}

__attribute__((unused)) static void make_dirs(const char *path)
{
    char whole[1024];

    snprintf(whole, sizeof whole, "%s/%s", scratch, path);
    for (char *p = whole + strlen(scratch) + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        mkdir(whole, 0755);
        *p = '/';
    }
    mkdir(whole, 0755);
}

__attribute__((unused)) static void put_bytes(const char *path, const void *bytes, size_t size,
                                              mode_t mode)
{
    char parent[512];
    FILE *file;

    snprintf(parent, sizeof parent, "%s", path);
    if (strrchr(parent, '/')) {
        *strrchr(parent, '/') = '\0';
        make_dirs(parent);
    }
    file = fopen(at(path), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(at(path), mode), 0);
}

__attribute__((unused)) static void put_file(const char *path, const char *text)
{
    put_bytes(path, text, strlen(text), 0644);
}

/* Whole file with a NUL behind it, or NULL; caller frees. */
__attribute__((unused)) static char *get_file(const char *path, size_t *size)
{
    FILE *file = fopen(at(path), "rb");
    char *bytes;

    if (!file)
        return NULL;
    bytes = malloc(1 << 20);
    *size = fread(bytes, 1, (1 << 20) - 1, file);
    bytes[*size] = '\0';
    fclose(file);
    return bytes;
}

__attribute__((unused)) static void assert_file(const char *path, const char *text)
{
    size_t size = 0;
    char *bytes = get_file(path, &size);

    if (!bytes)
        fail_msg("%s is not there", path);
    assert_string_equal(bytes, text);
    free(bytes);
}

__attribute__((unused)) static int is_at(const char *path)
{
    struct stat st;

    return lstat(at(path), &st) == 0;
}

#endif
