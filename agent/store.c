#include "store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io.h"
#include "resolve.h"

#define HEX_SIZE (2 * SHA256_SIZE)
#define OBJECT_NAME_SIZE (HEX_SIZE + 2) /* with the slash and NUL */
#define BATCH_NAME_SIZE 48

/* "ab/cdef..." */
static void object_name(const uint8_t sha256[SHA256_SIZE], char name[OBJECT_NAME_SIZE])
{
    char hex[HEX_SIZE + 1];

    hex_of(sha256, SHA256_SIZE, hex);
    snprintf(name, OBJECT_NAME_SIZE, "%.2s/%s", hex, hex + 2);
}

static int open_store(const struct place *place)
{
    int fd = openat(place->state_fd, "store", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

/*
 * A batch left by this boot, by a killed process say, is whole in the page cache. One of another
 * boot was cut by whatever ended that boot.
 */
static int batch_name(char name[BATCH_NAME_SIZE])
{
    char *boot;
    size_t size;
    int error = io_read_all(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &boot, &size);

    if (error)
        return error;
    snprintf(name, BATCH_NAME_SIZE, "new-%.*s", (int)strcspn(boot, "\n"), boot);
    free(boot);
    return 0;
}

static int open_batch(int store, bool create)
{
    char name[BATCH_NAME_SIZE];
    int error = batch_name(name), fd;

    if (error)
        return error;
    if (create && mkdirat(store, name, 0700) < 0 && errno != EEXIST)
        return -errno;
    fd = openat(store, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

bool store_has(const struct place *place, const uint8_t sha256[SHA256_SIZE], uint64_t size)
{
    char name[OBJECT_NAME_SIZE], path[sizeof "store/" + OBJECT_NAME_SIZE];
    struct stat st;

    object_name(sha256, name);
    snprintf(path, sizeof path, "store/%s", name);
    return fstatat(place->state_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
           (uint64_t)st.st_size == size;
}

static int open_object(int store, const uint8_t sha256[SHA256_SIZE])
{
    uint8_t found[SHA256_SIZE];
    char name[OBJECT_NAME_SIZE];
    int fd, error;

    object_name(sha256, name);
    fd = openat(store, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    error = io_copy_hash(fd, -1, found);
    if (!error && memcmp(found, sha256, SHA256_SIZE) != 0)
        error = -EBADMSG;
    if (!error && lseek(fd, 0, SEEK_SET) < 0)
        error = -errno;
    if (!error)
        return fd;
    close(fd);
    return error;
}

int store_open_verified(const struct place *place, const uint8_t sha256[SHA256_SIZE])
{
    int store = open_store(place), fd;

    if (store < 0)
        return store;
    fd = open_object(store, sha256);
    close(store);
    return fd;
}

int store_open_unread(const struct place *place, const uint8_t sha256[SHA256_SIZE])
{
    char name[OBJECT_NAME_SIZE], path[sizeof "store/" + OBJECT_NAME_SIZE];
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};

    object_name(sha256, name);
    snprintf(path, sizeof path, "store/%s", name);
    return resolve_open(place->state_fd, path, &how);
}

static int link_temporary(int fd, int batch, const char *name)
{
    char self[64];

    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    if (linkat(AT_FDCWD, self, batch, name, AT_SYMLINK_FOLLOW) < 0 && errno != EEXIST)
        return -errno;
    return 0;
}

static bool is_stored(int store, const uint8_t sha256[SHA256_SIZE])
{
    int fd = open_object(store, sha256);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static int put(int store, int batch, int in_fd, uint8_t sha256[SHA256_SIZE])
{
    char hex[HEX_SIZE + 1];
    uint8_t made[SHA256_SIZE];
    int fd = openat(batch, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0400), error;

    if (fd < 0)
        return -errno;
    error = io_copy_hash(in_fd, fd, made);
    if (!error && !is_stored(store, made)) {
        hex_of(made, SHA256_SIZE, hex);
        error = link_temporary(fd, batch, hex);
        /* the disk may begin now; what it says of it comes with syncfs in store_sync */
        sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    }
    close(fd);
    if (!error)
        memcpy(sha256, made, SHA256_SIZE);
    return error;
}

int store_put(const struct place *place, int in_fd, uint8_t sha256[SHA256_SIZE])
{
    int store = open_store(place), batch, error;

    if (store < 0)
        return store;
    batch = open_batch(store, true);
    error = batch < 0 ? batch : put(store, batch, in_fd, sha256);
    if (batch >= 0)
        close(batch);
    close(store);
    return error;
}

static bool is_hex_name(const char *name)
{
    uint8_t bytes[SHA256_SIZE];

    return strlen(name) == HEX_SIZE && hex_parse(name, bytes, SHA256_SIZE) == 0;
}

/* Takes over dir_fd. Calls `each` for every name in it that is a hash. 0 or the first error. */
static int for_each_name(int dir_fd, int (*each)(int dir_fd, const char *name, int other),
                         int other)
{
    struct dirent *found;
    DIR *dir = fdopendir(dir_fd);
    int error = 0;

    if (!dir) {
        close(dir_fd);
        return -ENOMEM;
    }
    while (!error && (errno = 0, found = readdir(dir)))
        if (is_hex_name(found->d_name))
            error = each(dirfd(dir), found->d_name, other);
    if (!error && errno)
        error = -errno;
    closedir(dir);
    return error;
}

static int name_object(int batch, const char *hex, int store)
{
    char name[OBJECT_NAME_SIZE], directory[3] = {hex[0], hex[1], '\0'};

    snprintf(name, sizeof name, "%.2s/%s", hex, hex + 2);
    if (mkdirat(store, directory, 0700) < 0 && errno != EEXIST)
        return -errno;
    return renameat(batch, hex, store, name) < 0 ? -errno : 0;
}

static void remove_batch(int store)
{
    char name[BATCH_NAME_SIZE];

    if (batch_name(name) == 0)
        unlinkat(store, name, AT_REMOVEDIR);
}

/* One syncfs for the contents and one for the names: an fsync each would commit the journal each
 * time. */
int store_sync(const struct place *place)
{
    int store = open_store(place), batch, error = 0;

    if (store < 0)
        return store;
    batch = open_batch(store, false);
    if (batch >= 0) {
        error = syncfs(batch) < 0 ? -errno : 0;
        if (error)
            close(batch);
        else
            error = for_each_name(batch, name_object, store);
        if (!error)
            remove_batch(store);
        if (!error && syncfs(store) < 0)
            error = -errno;
    } else if (batch != -ENOENT) {
        error = batch;
    }
    close(store);
    return error;
}

static int delete_name(int batch, const char *name, int unused)
{
    (void)unused;
    return unlinkat(batch, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

void store_discard(const struct place *place)
{
    int store = open_store(place);
    struct dirent *found;
    DIR *dir = store < 0 ? NULL : fdopendir(store);

    if (!dir) {
        if (store >= 0)
            close(store);
        return;
    }
    while ((found = readdir(dir))) {
        int batch;

        if (strncmp(found->d_name, "new-", 4) != 0)
            continue;
        batch = openat(store, found->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (batch < 0)
            continue;
        for_each_name(batch, delete_name, -1);
        unlinkat(store, found->d_name, AT_REMOVEDIR);
    }
    closedir(dir);
}

int store_lock(const struct place *place)
{
    int store = open_store(place);

    if (store >= 0 && flock(store, LOCK_EX) < 0) {
        int error = -errno;

        close(store);
        return error;
    }
    return store;
}
