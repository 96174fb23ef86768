#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "bytes.h"

static int write_all(int fd, const void *bytes, size_t size)
{
    const char *p = bytes;

    while (size) {
        ssize_t n = write(fd, p, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        p += n;
        size -= (size_t)n;
    }
    return 0;
}

/*
 * Opens the temporary and holds its lock. Its name is fixed, so that one left by a cut is used
 * again and not left for ever; another writer's rename may have taken it away while we waited
 * for the lock, and then this is no longer the file of that name.
 */
static int open_temporary(int dir_fd, const char *temporary)
{
    for (;;) {
        struct stat held, named;
        int fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        int error = 0;

        if (fd < 0)
            return -errno;
        if (flock(fd, LOCK_EX) < 0 || fstat(fd, &held) < 0)
            error = -errno;
        else if (fstatat(dir_fd, temporary, &named, AT_SYMLINK_NOFOLLOW) < 0)
            error = errno == ENOENT ? -EINTR : -errno;
        else if (held.st_ino != named.st_ino || held.st_dev != named.st_dev)
            error = -EINTR;
        if (!error)
            return fd;
        close(fd);
        if (error != -EINTR)
            return error;
    }
}

int io_write_atomic(int dir_fd, const char *name, const void *bytes, size_t size, mode_t mode)
{
    char temporary[300];
    int fd, error;

    if (!*name || strchr(name, '/'))
        return -EINVAL;
    if ((size_t)snprintf(temporary, sizeof temporary, ".%s.new", name) >= sizeof temporary)
        return -ENAMETOOLONG;
    fd = open_temporary(dir_fd, temporary);
    if (fd < 0)
        return fd;
    error = ftruncate(fd, 0) < 0 ? -errno : write_all(fd, bytes, size);
    if (!error && fchmod(fd, mode) < 0)
        error = -errno;
    if (!error && fsync(fd) < 0)
        error = -errno;
    if (!error && renameat(dir_fd, temporary, dir_fd, name) < 0)
        error = -errno;
    if (error)
        unlinkat(dir_fd, temporary, 0);
    else if (fsync(dir_fd) < 0)
        error = -errno;
    close(fd);
    return error;
}

static int read_growing(int fd, size_t limit, size_t guess, char **bytes, size_t *size)
{
    size_t room = guess + 1, used = 0;
    char *buffer = malloc(room + 1);

    while (buffer) {
        ssize_t n = read(fd, buffer + used, room - used);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || used + (size_t)n > limit) {
            int error = n < 0 ? -errno : n > 0 ? -EFBIG : 0;

            if (error) {
                free(buffer);
                return error;
            }
            buffer[used] = '\0';
            *bytes = buffer;
            *size = used;
            return 0;
        }
        used += (size_t)n;
        if (used == room) {
            char *larger = realloc(buffer, 2 * room + 1);

            if (!larger)
                break;
            buffer = larger;
            room *= 2;
        }
    }
    free(buffer);
    return -ENOMEM;
}

int io_read_all(int dir_fd, const char *name, size_t limit, char **bytes, size_t *size)
{
    struct stat st;
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    int error;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) < 0)
        error = -errno;
    else if (S_ISDIR(st.st_mode))
        error = -EISDIR;
    else if (st.st_size > 0 && (unsigned long long)st.st_size > limit)
        error = -EFBIG;
    else
        error = read_growing(fd, limit, st.st_size > 0 ? (size_t)st.st_size : 4096, bytes, size);
    close(fd);
    return error;
}

int xattrs_next(const uint8_t *packed, size_t size, size_t *at, const char **name,
                const uint8_t **value, size_t *value_size)
{
    size_t left = size - *at, name_size, length;
    const uint8_t *p = packed + *at, *nul;

    if (!left)
        return 0;
    nul = memchr(p, 0, left);
    if (!nul || nul == p)
        return -EBADMSG;
    name_size = (size_t)(nul - p) + 1;
    if (left - name_size < 4)
        return -EBADMSG;
    length = get_le32(p + name_size);
    if (left - name_size - 4 < length)
        return -EBADMSG;
    *name = (const char *)p;
    *value = p + name_size + 4;
    *value_size = length;
    *at += name_size + 4 + length;
    return 1;
}

static const char *find_xattr(const struct entry *entry, const char *wanted)
{
    const uint8_t *value;
    const char *name;
    size_t at = 0, size;

    while (xattrs_next(entry->xattrs, entry->xattrs_size, &at, &name, &value, &size) > 0)
        if (strcmp(name, wanted) == 0)
            return name;
    return NULL;
}

static int list_xattrs(int fd, char **names, size_t *size)
{
    for (;;) {
        ssize_t room = flistxattr(fd, NULL, 0), n;
        char *buffer;

        if (room < 0)
            return -errno;
        buffer = malloc((size_t)room + 1);
        if (!buffer)
            return -ENOMEM;
        n = room ? flistxattr(fd, buffer, (size_t)room) : 0;
        if (n >= 0) {
            *names = buffer;
            *size = (size_t)n;
            return 0;
        }
        free(buffer);
        if (errno != ERANGE) /* ERANGE: one more came in between */
            return -errno;
    }
}

static int compare_names(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;

    return strcmp(*x, *y);
}

/* Pointers into names, sorted. */
static char **sort_names(char *names, size_t size, size_t *count)
{
    char **sorted;
    size_t n = 0;

    for (size_t at = 0; at < size; at += strlen(names + at) + 1)
        n++;
    sorted = calloc(n ? n : 1, sizeof *sorted);
    if (!sorted)
        return NULL;
    *count = 0;
    for (size_t at = 0; at < size; at += strlen(names + at) + 1)
        sorted[(*count)++] = names + at;
    qsort(sorted, n, sizeof *sorted, compare_names);
    return sorted;
}

struct packing {
    uint8_t *bytes;
    size_t size;
};

static int pack_one(struct packing *packing, int fd, const char *name)
{
    size_t name_size = strlen(name) + 1;
    ssize_t room = fgetxattr(fd, name, NULL, 0), n;
    uint8_t *larger;

    if (room < 0) /* removed meanwhile, or not for us to read */
        return errno == ENODATA || errno == EPERM || errno == EACCES ? 0 : -errno;
    larger = realloc(packing->bytes, packing->size + name_size + 4 + (size_t)room + 1);
    if (!larger)
        return -ENOMEM;
    packing->bytes = larger;
    larger += packing->size;
    n = fgetxattr(fd, name, larger + name_size + 4, (size_t)room);
    if (n < 0)
        return errno == ENODATA ? 0 : -errno;
    if (!room)
        n = 0;
    memcpy(larger, name, name_size);
    put_le32(larger + name_size, (uint32_t)n);
    packing->size += name_size + 4 + (size_t)n;
    return 0;
}

int io_read_xattrs(int fd, uint8_t **packed, size_t *size)
{
    struct packing packing = {0};
    size_t names_size, count = 0;
    char *names, **sorted;
    int error = list_xattrs(fd, &names, &names_size);

    if (error == -ENOTSUP) {
        *packed = NULL;
        *size = 0;
        return 0;
    }
    if (error)
        return error;
    sorted = sort_names(names, names_size, &count);
    if (!sorted)
        error = -ENOMEM;
    for (size_t i = 0; i < count && !error; i++)
        error = pack_one(&packing, fd, sorted[i]);
    free(sorted);
    free(names);
    if (error || !packing.size) {
        free(packing.bytes);
        packing = (struct packing){0};
    }
    if (!error) {
        *packed = packing.bytes;
        *size = packing.size;
    }
    return error;
}

static int remove_other_xattrs(int fd, const struct entry *entry)
{
    size_t size;
    char *names;
    int error = list_xattrs(fd, &names, &size);

    if (error)
        return error == -ENOTSUP ? 0 : error;
    for (size_t at = 0; at < size && !error; at += strlen(names + at) + 1) {
        const char *name = names + at;

        if (find_xattr(entry, name) || fremovexattr(fd, name) == 0 || errno == ENODATA)
            continue;
        if (strncmp(name, "security.", 9) != 0) /* an LSM keeps its label on every file */
            error = -errno;
    }
    free(names);
    return error;
}

static int set_xattrs(int fd, const struct entry *entry)
{
    const uint8_t *value;
    const char *name;
    size_t at = 0, size;
    int more;

    while ((more = xattrs_next(entry->xattrs, entry->xattrs_size, &at, &name, &value, &size)) > 0)
        if (fsetxattr(fd, name, value, size, 0) < 0)
            return -errno;
    return more;
}

static struct timespec timespec_of(int64_t ns)
{
    int64_t seconds = ns / 1000000000, rest = ns % 1000000000;

    if (rest < 0) {
        rest += 1000000000;
        seconds--;
    }
    return (struct timespec){.tv_sec = seconds, .tv_nsec = rest};
}

/* A change of owner takes away set-id bits and file capabilities, so those come after it; one of
 * an ACL may change the mode. */
int io_apply_attributes(int fd, const struct entry *entry)
{
    struct stat st;
    bool same_owner, same_mode;
    int error;

    if (fstat(fd, &st) < 0)
        return -errno;
    same_owner = st.st_uid == entry->uid && st.st_gid == entry->gid;
    same_mode = same_owner && !entry->xattrs_size && ((st.st_mode ^ entry->mode) & 07777) == 0;
    if (!same_owner && fchown(fd, entry->uid, entry->gid) < 0)
        return -errno;
    error = remove_other_xattrs(fd, entry);
    if (!error)
        error = set_xattrs(fd, entry);
    if (error)
        return error;
    if (!same_mode && fchmod(fd, entry->mode & 07777) < 0)
        return -errno;
    return 0;
}

int io_apply_metadata(int fd, const struct entry *entry)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, timespec_of(entry->mtime_ns)};
    int error = io_apply_attributes(fd, entry);

    if (!error && futimens(fd, times) < 0)
        error = -errno;
    return error;
}

int io_mkdir_p(int dir_fd, const char *path, mode_t mode)
{
    char *copy = strdup(path);
    int error = copy ? 0 : -ENOMEM;

    for (char *p = copy; p && !error;) {
        char *slash = strchr(p, '/');

        if (slash)
            *slash = '\0';
        if (*copy && mkdirat(dir_fd, copy, mode) < 0 && errno != EEXIST)
            error = -errno;
        if (slash)
            *slash++ = '/';
        p = slash;
    }
    free(copy);
    return error;
}

void hex_of(const uint8_t *bytes, size_t size, char *out)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < size; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * size] = '\0';
}

/* Value + 1 of each lower-case digit, 0 of all else: a manifest holds millions of them. */
static const uint8_t hex_values[256] = {
    ['0'] = 1, ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9, ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
};

int hex_parse(const char *text, uint8_t *out, size_t size)
{
    const unsigned char *digits = (const unsigned char *)text;

    /* all of it before any of it is put out; a NUL, where the text is short, ends the look */
    for (size_t i = 0; i < 2 * size; i++)
        if (!hex_values[digits[i]])
            return -EINVAL;
    for (size_t i = 0; i < size; i++)
        out[i] =
            (uint8_t)((hex_values[digits[2 * i]] - 1) << 4 | (hex_values[digits[2 * i + 1]] - 1));
    return 0;
}

unsigned io_flags_of(int dir_fd, const char *name)
{
    struct statx st;

    if (statx(dir_fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (*name ? 0 : AT_EMPTY_PATH),
              STATX_TYPE, &st) < 0)
        return 0;
    return (st.stx_attributes & STATX_ATTR_IMMUTABLE ? ENTRY_IMMUTABLE : 0u) |
           (st.stx_attributes & STATX_ATTR_APPEND ? ENTRY_APPEND : 0u);
}

static int change_flags(int fd, unsigned flags)
{
    int now = 0, wanted;

    if (ioctl(fd, FS_IOC_GETFLAGS, &now) < 0)
        return -errno;
    wanted = now & ~(FS_IMMUTABLE_FL | FS_APPEND_FL);
    wanted |=
        (flags & ENTRY_IMMUTABLE ? FS_IMMUTABLE_FL : 0) | (flags & ENTRY_APPEND ? FS_APPEND_FL : 0);
    if (wanted == now)
        return 0;
    return ioctl(fd, FS_IOC_SETFLAGS, &wanted) < 0 || fsync(fd) < 0 ? -errno : 0;
}

int io_set_flags(int dir_fd, const char *name, unsigned flags)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), error;

    if (fd < 0)
        return -errno;
    error = change_flags(fd, flags);
    close(fd);
    return error;
}
