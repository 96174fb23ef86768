/*
 * world.h - a machine's root in a directory of its own, for tests of the agent, and what is seen
 * of such a tree from outside.
 */
#ifndef BACKSTOP_TESTS_WORLD_H
#define BACKSTOP_TESTS_WORLD_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "good.h"
#include "io.h"
#include "plant.h"

#define WORLD_TIME PLANT_TIME /* of every file that world_file() makes */

struct world {
    char root[128];
};

/* Memory where there is some, for speed: nothing here depends on the disk. */
static inline void world_make(struct world *world)
{
    static const char *const places[] = {"/dev/shm", "/tmp"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(world->root, sizeof world->root, "%s/backstop-world-XXXXXX", places[i]);
        if (mkdtemp(world->root))
            return;
    }
    abort();
}

/* `words` is a command; path is quoted after it, then `more`. */
static inline void world_run(const char *words, const char *path, const char *more)
{
    char command[1024];
    int length = snprintf(command, sizeof command, "%s '%s'%s", words, path, more);
    if (length < 0 || (size_t)length >= sizeof command || system(command) != 0)
        abort();
}

static inline void world_remove(const struct world *world)
{
    world_run("rm -rf", world->root, "");
}

static inline void world_copy(const struct world *from, struct world *to)
{
    char target[160];
    world_make(to);
    snprintf(target, sizeof target, "/. '%s'", to->root);
    world_run("cp -a", from->root, target);
}

static inline char *world_path(const struct world *world, const char *path)
{
    return plant_path(world->root, path);
}

static inline void world_dirs(const struct world *world, const char *path)
{
    plant_dirs(world->root, path);
}

static inline void world_time(const struct world *world, const char *path, long second)
{
    plant_time(world->root, path, second);
}

static inline void world_file(const struct world *world, const char *path, const char *text,
                              mode_t mode)
{
    plant_file(world->root, path, text, mode);
}

static inline void world_link(const struct world *world, const char *path, const char *target)
{
    plant_link(world->root, path, target);
}

static inline bool world_has(const struct world *world, const char *path)
{
    struct stat st;
    return lstat(world_path(world, path), &st) == 0;
}

static inline ino_t world_inode(const struct world *world, const char *path)
{
    struct stat st;
    return lstat(world_path(world, path), &st) == 0 ? st.st_ino : 0;
}

static inline char *world_text(const struct world *world, const char *path)
{
    static char text[4096];
    FILE *file = fopen(world_path(world, path), "r");
    size_t size = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    text[size] = '\0';
    return text;
}

/* ---- what is seen ---- */

static inline void see_content(FILE *out, const char *path)
{
    uint8_t digest[SHA256_SIZE], *xattrs = NULL;
    size_t size = 0;
    char hex[2 * SHA256_SIZE + 1];
    struct stat st;
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &st) < 0)
        abort();
    if (S_ISREG(st.st_mode)) {
        if (io_copy_hash(fd, -1, digest) < 0)
            abort();
        hex_of(digest, sizeof digest, hex);
        fprintf(out, " sha256=%.16s mtime=%ld.%09ld", hex, (long)st.st_mtim.tv_sec,
                st.st_mtim.tv_nsec);
    }
    if (io_read_xattrs(fd, &xattrs, &size) < 0)
        abort();
    for (size_t i = 0; i < size; i++)
        fprintf(out, "%s%02x", i ? "" : " xattrs=", xattrs[i]);
    free(xattrs);
    close(fd);
}

static inline void see_link(FILE *out, const char *path, const struct stat *st)
{
    char target[256];
    ssize_t length = readlink(path, target, sizeof target - 1);
    if (length < 0)
        abort();
    target[length] = '\0';
    fprintf(out, " -> %s mtime=%ld.%09ld", target, (long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
}

static inline int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* Hard links are told by the name that came first. */
static inline void see(FILE *out, const char *root, const char *path, const char *skip)
{
    struct dirent **names;
    int count = scandir(path, &names, NULL, by_name);
    for (int i = 0; i < count; i++) {
        char full[1024];
        struct stat st;
        const char *name = names[i]->d_name;
        snprintf(full, sizeof full, "%s/%s", path, name);
        bool passed =
            strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || (skip && strstr(full, skip));
        free(names[i]);
        if (passed || lstat(full, &st) < 0)
            continue;
        fprintf(out, "%s %o %u:%u links=%u", full + strlen(root), st.st_mode, st.st_uid, st.st_gid,
                S_ISDIR(st.st_mode) ? 0 : (unsigned)st.st_nlink);
        if (S_ISLNK(st.st_mode))
            see_link(out, full, &st);
        else if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
            see_content(out, full);
        fputc('\n', out);
        if (S_ISDIR(st.st_mode))
            see(out, root, full, skip);
    }
    if (count >= 0)
        free(names);
}

/* Every name beneath `part` of the root with all its attributes but times of directories, one a
 * line; names with `skip` in them left out. Caller frees. */
static inline char *world_seen(const struct world *world, const char *part, const char *skip)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        abort();
    see(out, world->root, world_path(world, part), skip);
    fclose(out);
    return text;
}

/* ---- good generations ---- */

static inline void world_open(const struct world *world, struct place *place)
{
    if (place_open(place, world->root) < 0 || place_open_state(place, true) < 0)
        abort();
}

static inline uint32_t world_take_good(const struct world *world)
{
    struct place place;
    struct sets sets;
    struct policy policy;
    struct good_result result = {0};
    policy_defaults(&policy);
    world_open(world, &place);
    if (sets_load(&place, &sets, NULL) < 0 ||
        good_take(&place, &sets, NULL, 1, &policy, &result, NULL) < 0)
        abort();
    sets_free(&sets);
    place_close(&place);
    return result.generation;
}

#endif
