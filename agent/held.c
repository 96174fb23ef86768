/* held.c - see held.h */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "held.h"
#include "io.h"
#include "resolve.h"

void held_name(char name[HELD_NAME_SIZE], uint32_t id, const char *suffix)
{
    snprintf(name, HELD_NAME_SIZE, "%u%s", id, suffix);
}

uint64_t inode_at(int dir_fd, const char *name)
{
    struct stat st;
    return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_ino : 0;
}

/* ---- directories ---- */

static int open_in(int dir_fd, const char *name, bool create)
{
    if (create && mkdirat(dir_fd, name, 0700) < 0 && errno != EEXIST)
        return -errno;
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int open_case_in(int dir_fd, const char *name, uint32_t case_number, bool create)
{
    char number[HELD_NAME_SIZE];
    held_name(number, case_number, "");
    int outer = open_in(dir_fd, name, create);
    if (outer < 0)
        return outer;
    int fd = open_in(outer, number, create);
    close(outer);
    return fd;
}

int held_open_case(const struct place *place, uint32_t case_number, bool create)
{
    if (place->state_fd < 0)
        return -ENOENT;
    return open_case_in(place->state_fd, QUARANTINE_NAME, case_number, create);
}

/* The highest number that is a name in it, or `last`. Closes fd; -1: none. */
static uint32_t highest_name(int fd, unsigned long last)
{
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        unsigned long number = strtoul(entry->d_name, NULL, 10);
        last = number > last && number < UINT32_MAX ? number : last;
    }
    if (dir)
        closedir(dir);
    else if (fd >= 0)
        close(fd);
    return (uint32_t)last;
}

uint32_t held_last_id(const struct place *place, uint32_t case_number)
{
    unsigned long last = 0;
    struct records records = {0};
    int fd = held_open_case(place, case_number, false);
    if (fd >= 0 && records_read(fd, case_number, &records) == 0 && records.count > 0)
        last = records.items[records.count - 1]->id;
    records_free(&records);
    return highest_name(fd, last);
}

uint32_t held_last_case(const struct place *place)
{
    int fd = place->state_fd < 0 ? -1 : open_in(place->state_fd, QUARANTINE_NAME, false);
    return highest_name(fd, 0);
}

/* The part of `path` that is its directory; caller frees. */
static char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

int parent_open(const struct place *place, const char *path, const char **name)
{
    const char *slash = strrchr(path, '/');
    if (*path != '/' || !slash[1] || strcmp(slash, "/..") == 0 || strcmp(slash, "/.") == 0)
        return -EINVAL;
    char *directory = directory_of(path);
    if (!directory)
        return -ENOMEM;
    int fd = place_openat(place, directory, O_RDONLY | O_DIRECTORY, 0, false);
    free(directory);
    if (fd >= 0)
        *name = slash + 1;
    return fd;
}

int parent_make(const struct place *place, const char *path, const char **name)
{
    int fd = parent_open(place, path, name);
    if (fd != -ENOENT)
        return fd;
    const char *missing;
    char *directory = directory_of(path);
    if (!directory)
        return -ENOMEM;
    int above = parent_make(place, directory, &missing);
    int err = above < 0 ? above : mkdirat(above, missing, 0755) < 0 && errno != EEXIST ? -errno : 0;
    if (above >= 0)
        close(above);
    free(directory);
    return err < 0 ? err : parent_open(place, path, name);
}

/* ---- yards ---- */

static int identify(int fd, struct yard *yard)
{
    struct statx stx;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, &stx) < 0)
        return -errno;
    yard->mount = stx.stx_mask & STATX_MNT_ID ? stx.stx_mnt_id : 0;
    yard->device = (unsigned long long)stx.stx_dev_major << 32 | stx.stx_dev_minor;
    return 0;
}

static bool same_file_system(const struct yard *a, const struct yard *b)
{
    return a->mount == b->mount && a->device == b->device;
}

/* Cuts the last part off; "/" stays. */
static void step_up(char *path)
{
    char *slash = strrchr(path, '/');
    slash[slash == path] = '\0';
}

/* Opens `path` or, where that is missing or no directory, what is above; cuts path to it. */
static int open_existing(const struct place *place, char *path)
{
    for (;;) {
        int fd = place_openat(place, path, O_RDONLY | O_DIRECTORY, 0, false);
        if (fd >= 0 || (fd != -ENOENT && fd != -ENOTDIR && fd != -ELOOP) || strcmp(path, "/") == 0)
            return fd;
        step_up(path);
    }
}

/* Goes up from `path` (open as fd) to the top of its file system. fd or -errno; closes fd. */
static int climb(const struct place *place, char *path, int fd, const struct yard *here)
{
    char *above = strdup(path);
    while (above && strcmp(path, "/") != 0) {
        struct yard there;
        step_up(above);
        int up = place_openat(place, above, O_RDONLY | O_DIRECTORY, 0, false);
        if (up < 0 || identify(up, &there) < 0 || !same_file_system(&there, here)) {
            if (up >= 0)
                close(up);
            break;
        }
        close(fd);
        fd = up;
        strcpy(path, above);
    }
    free(above);
    return fd;
}

static int yard_in_state(const struct place *place, struct yard *yard)
{
    yard->fd = held_open_case(place, yard->case_number, true);
    if (yard->fd < 0)
        return yard->fd;
    return asprintf(&yard->path, STATE_DIR "/" QUARANTINE_NAME "/%u", yard->case_number) < 0
               ? -ENOMEM
               : 0;
}

/* `path` is open as top, which is closed. */
static int yard_elsewhere(const struct place *place, struct yard *yard, char *path, int top)
{
    top = climb(place, path, top, yard);
    yard->fd = open_case_in(top, YARD_NAME, yard->case_number, true);
    close(top);
    if (yard->fd < 0)
        return yard->fd;
    return asprintf(&yard->path, "%s/" YARD_NAME "/%u", strcmp(path, "/") == 0 ? "" : path,
                    yard->case_number) < 0
               ? -ENOMEM
               : 0;
}

static void yard_free(struct yard *yard)
{
    if (yard && yard->fd >= 0)
        close(yard->fd);
    if (yard)
        free(yard->path);
    free(yard);
}

static struct yard *yards_find(const struct yards *yards, const struct yard *wanted)
{
    for (size_t i = 0; i < yards->count; i++)
        if (same_file_system(yards->items[i], wanted) &&
            yards->items[i]->case_number == wanted->case_number)
            return yards->items[i];
    return NULL;
}

/* Adds `wanted` with its directory; `path` is open as top, which is closed. */
static int yards_add(struct yards *yards, const struct yard *wanted, char *path, int top,
                     struct yard **yard)
{
    struct yard state;
    struct yard **items = realloc(yards->items, (yards->count + 1) * sizeof(struct yard *));
    if (items)
        yards->items = items;
    struct yard *made = items ? malloc(sizeof *made) : NULL;
    int err = made ? identify(yards->place->state_fd, &state) : -ENOMEM;
    if (err < 0) {
        close(top);
        free(made);
        return err;
    }
    *made = *wanted;
    if (same_file_system(&state, made)) {
        close(top);
        err = yard_in_state(yards->place, made);
    } else {
        err = yard_elsewhere(yards->place, made, path, top);
    }
    if (err < 0) {
        yard_free(made);
        return err;
    }
    *yard = items[yards->count++] = made;
    return 0;
}

int yards_for(struct yards *yards, const char *directory, uint32_t case_number,
              const struct yard **yard)
{
    struct yard wanted = {.case_number = case_number, .fd = -1}, *found = NULL;
    char *path = strdup(directory);
    if (!path)
        return -ENOMEM;
    int top = open_existing(yards->place, path);
    int err = top < 0 ? top : identify(top, &wanted);
    if (err == 0)
        found = yards_find(yards, &wanted);
    if (err == 0 && !found)
        err = yards_add(yards, &wanted, path, top, &found);
    else if (top >= 0)
        close(top);
    free(path);
    if (err == 0)
        *yard = found;
    return err;
}

void yards_close(struct yards *yards)
{
    for (size_t i = 0; i < yards->count; i++)
        yard_free(yards->items[i]);
    free(yards->items);
    yards->items = NULL;
    yards->count = 0;
}

/* ---- names ---- */

int rename_keeping(int from_fd, const char *from, int to_fd, const char *to)
{
    struct stat st;
    if (renameat2(from_fd, from, to_fd, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -errno;
    if (fstatat(to_fd, to, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return -EEXIST;
    return renameat(from_fd, from, to_fd, to) < 0 ? -errno : 0;
}

static int remove_within(int dir_fd, const char *name)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int err = -errno;
        if (fd >= 0)
            close(fd);
        return err;
    }
    int err = 0;
    for (struct dirent *entry; err == 0 && (entry = readdir(dir));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            err = remove_tree(dirfd(dir), entry->d_name);
    closedir(dir);
    return err;
}

int remove_tree(int dir_fd, const char *name)
{
    if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -errno;
    if (io_flags_of(dir_fd, name) && io_set_flags(dir_fd, name, 0) == 0 &&
        unlinkat(dir_fd, name, 0) == 0)
        return 0;
    int err = remove_within(dir_fd, name);
    if (err < 0)
        return err == -ENOTDIR ? -EPERM : err;
    return unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int held_open_yard(const struct place *place, const struct held *held)
{
    static const char state_prefix[] = STATE_DIR "/";
    struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    char *directory = directory_of(held->held_at);
    if (!directory)
        return -ENOMEM;
    int fd;
    if (strncmp(directory, state_prefix, sizeof state_prefix - 1) == 0) {
        fd = resolve_open(place->state_fd, directory + sizeof state_prefix - 1, &how);
    } else {
        fd = place_openat(place, directory, O_RDONLY | O_DIRECTORY, 0, false);
    }
    free(directory);
    return fd;
}

/* ---- after a cut ---- */

static uint64_t inode_of_path(const struct place *place, const char *path)
{
    const char *name;
    int fd = parent_open(place, path, &name);
    uint64_t inode = fd < 0 ? 0 : inode_at(fd, name);
    if (fd >= 0)
        close(fd);
    return inode;
}

static bool holds_bytes(int dir_fd, const char *name, const char *sha256)
{
    uint8_t digest[SHA256_SIZE];
    char text[2 * SHA256_SIZE + 1];
    int fd = sha256 ? openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : -1;
    if (fd < 0)
        return false;
    int err = io_copy_hash(fd, -1, digest);
    close(fd);
    if (err < 0)
        return false;
    hex_of(digest, sizeof digest, text);
    return strcmp(text, sha256) == 0;
}

static bool place_holds_bytes(const struct place *place, const char *path, const char *sha256)
{
    const char *name;
    int fd = parent_open(place, path, &name);
    bool holds = fd >= 0 && holds_bytes(fd, name, sha256);
    if (fd >= 0)
        close(fd);
    return holds;
}

/*
 * What lies at `name` is a good version made ready, for certain. Inodes tell on every file system
 * that keeps their numbers over a mount; bytes tell on the others, and where the record is lost.
 */
static bool is_good_version(const struct place *place, int yard_fd, const char *name,
                            const struct remnant *remnant)
{
    bool differ = !remnant->suspect || !remnant->good || strcmp(remnant->suspect, remnant->good);
    if (remnant->inode && inode_at(yard_fd, name) == remnant->inode)
        return false;
    if (differ && holds_bytes(yard_fd, name, remnant->suspect))
        return false;
    if (remnant->inode && inode_of_path(place, remnant->path) == remnant->inode)
        return true;
    if (!remnant->suspect || !differ)
        return false;
    return holds_bytes(yard_fd, name, remnant->good) ||
           place_holds_bytes(place, remnant->path, remnant->suspect);
}

/* Without RENAME_EXCHANGE a suspect has two names for a moment: its place still holds it. */
static bool is_second_name(const struct place *place, int yard_fd, const char *kept,
                           const char *path)
{
    struct stat st, there;
    const char *name;
    if (fstatat(yard_fd, kept, &st, AT_SYMLINK_NOFOLLOW) < 0 || S_ISDIR(st.st_mode))
        return false;
    int fd = parent_open(place, path, &name);
    bool same = fd >= 0 && fstatat(fd, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
                there.st_ino == st.st_ino && there.st_dev == st.st_dev;
    if (fd >= 0)
        close(fd);
    return same;
}

int held_settle(const struct place *place, int yard_fd, const struct remnant *remnant)
{
    char ready[HELD_NAME_SIZE], kept[HELD_NAME_SIZE];
    held_name(ready, remnant->id, READY_SUFFIX);
    held_name(kept, remnant->id, "");
    int err = remove_tree(yard_fd, ready);
    if (err < 0 || inode_at(yard_fd, kept) == 0)
        return err;
    if (is_second_name(place, yard_fd, kept, remnant->path))
        return unlinkat(yard_fd, kept, 0) < 0 ? -errno : 0;
    return is_good_version(place, yard_fd, kept, remnant) ? remove_tree(yard_fd, kept) : 0;
}

/* Where there is no such directory any more, nothing is owed to what was in it. 0 or err. */
static int unless_gone(int err)
{
    return err == -ENOENT || err == -ENOTDIR || err == -ELOOP ? 0 : err;
}

int held_flags_again(const struct place *place, int yard_fd, const struct held *held)
{
    char kept[HELD_NAME_SIZE];
    const char *name;
    if (!held->flags || !held->inode)
        return 0;
    held_name(kept, held->id, "");
    if (inode_at(yard_fd, kept) == held->inode)
        return io_set_flags(yard_fd, kept, held->flags);
    int fd = parent_open(place, held->path, &name);
    if (fd < 0)
        return unless_gone(fd);
    int err = inode_at(fd, name) == held->inode ? io_set_flags(fd, name, held->flags) : 0;
    close(fd);
    return err;
}

int held_directory_flags_again(const struct place *place, const char *path, unsigned flags)
{
    const char *name;
    int fd = parent_open(place, path, &name);
    if (fd < 0)
        return unless_gone(fd);
    int err = io_set_flags(fd, ".", flags);
    close(fd);
    return err;
}

int held_place_flags_again(const struct place *place, int yard_fd, const struct held *held)
{
    char kept[HELD_NAME_SIZE];
    const char *name;
    held_name(kept, held->id, "");
    if (!held->flags || !held->inode || inode_at(yard_fd, kept) != held->inode ||
        !place_holds_bytes(place, held->path, held->replaced_by))
        return 0;
    int fd = parent_open(place, held->path, &name);
    int err = fd < 0 ? fd : io_set_flags(fd, name, held->flags);
    if (fd >= 0)
        close(fd);
    return err;
}

struct remnant held_remnant(const struct held *held)
{
    return (struct remnant){.id = held->id,
                            .path = held->path,
                            .inode = held->inode,
                            .suspect = held->sha256,
                            .good = held->replaced_by};
}

bool held_find(const struct place *place, int yard_fd, const struct held *held,
               char name[HELD_NAME_SIZE])
{
    struct remnant remnant = held_remnant(held);
    if (held->instead_of) {
        held_name(name, held->instead_of, "");
        if (inode_at(yard_fd, name) == held->inode)
            return true;
    }
    held_name(name, held->id, "");
    uint64_t inode = inode_at(yard_fd, name);
    if (inode == 0 || inode == held->inode)
        return inode != 0;
    /* a file system that numbers inodes anew at each mount: what was to be held is what lies there,
     * unless a cut left the good version there */
    return held->state == HELD_HELD && !is_good_version(place, yard_fd, name, &remnant);
}
