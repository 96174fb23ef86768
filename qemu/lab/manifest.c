/* manifest.c - see manifest.h */
#include "manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define XATTR_MAX 4096u

static int compare_names(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;

    return strcmp(*x, *y);
}

/* Two multiplicative lanes: nobody here makes collisions on purpose, and without a processor's help
 * SHA-256 would take most of the time. */
struct digest {
    uint64_t lanes[2];
};

static void digest_add(struct digest *digest, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
        size_t length = size - i < sizeof(uint64_t) ? size - i : sizeof(uint64_t);
        uint64_t word = 0;

        memcpy(&word, bytes + i, length);
        digest->lanes[0] = (digest->lanes[0] ^ word) * 0x9e3779b97f4a7c15u;
        digest->lanes[0] ^= digest->lanes[0] >> 29;
        digest->lanes[1] = (digest->lanes[1] + word) * 0xc2b2ae3d27d4eb4fu;
        digest->lanes[1] ^= digest->lanes[1] >> 31;
    }
}

static char *digest_text(const struct digest *digest)
{
    return text_format("%016" PRIx64 "%016" PRIx64, digest->lanes[0], digest->lanes[1]);
}

/* " user.acme=value", in the order of the names. */
static void add_xattrs(char **what, const char *path)
{
    char names[XATTR_MAX], value[XATTR_MAX], *sorted[64];
    ssize_t size = llistxattr(path, names, sizeof names);
    size_t count = 0;

    for (ssize_t at = 0; at < size && count < 64; at += (ssize_t)strlen(names + at) + 1)
        sorted[count++] = names + at;
    qsort(sorted, count, sizeof *sorted, compare_names);
    for (size_t i = 0; i < count; i++) {
        ssize_t length = lgetxattr(path, sorted[i], value, sizeof value);
        struct digest digest = {{1, 2}};
        TEXT_AUTO hex = NULL;
        TEXT_AUTO text = NULL;

        digest_add(&digest, (const uint8_t *)value, length > 0 ? (size_t)length : 0);
        hex = digest_text(&digest);
        text = text_format(" %s=%s", sorted[i], hex);
        text_append(what, text);
    }
}

static char *file_digest(const char *path)
{
    static uint8_t buffer[65536]; /* a multiple of a word, so that only a file's end is cut */
    struct digest digest = {{1, 2}};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : 1;
    int error;

    while (got > 0 && (got = read(fd, buffer, sizeof buffer)) > 0)
        digest_add(&digest, buffer, (size_t)got);
    error = errno;
    if (fd >= 0)
        close(fd);
    return got < 0 ? text_format("unreadable: %s", strerror(error)) : digest_text(&digest);
}

static char *describe(const char *path, const struct stat *st, bool whole)
{
    TEXT_AUTO content = NULL;
    char target[1024], *what;
    ssize_t length;

    if (S_ISREG(st->st_mode)) {
        content = whole ? file_digest(path) : text_copy("-");
        what = text_format("file %04o %u:%u %lld %s", st->st_mode & 07777u, st->st_uid, st->st_gid,
                           (long long)st->st_size, content);
    } else if (S_ISLNK(st->st_mode)) {
        length = readlink(path, target, sizeof target);
        what = text_format("link %u:%u %.*s", st->st_uid, st->st_gid,
                           (int)(length > 0 ? length : 0), target);
    } else {
        what = text_format("%s %04o %u:%u", S_ISDIR(st->st_mode) ? "directory" : "other",
                           st->st_mode & 07777u, st->st_uid, st->st_gid);
    }
    add_xattrs(&what, path);
    return what;
}

static struct item *new_item(struct manifest *manifest)
{
    manifest->items = realloc(manifest->items, (manifest->count + 1) * sizeof *manifest->items);
    if (manifest->items == NULL)
        abort();
    return &manifest->items[manifest->count++];
}

static void add(struct manifest *manifest, const char *path, const char *full,
                const struct stat *st, bool whole)
{
    *new_item(manifest) = (struct item){
        .path = text_copy(path),
        .what = describe(full, st, whole),
        .is_dir = S_ISDIR(st->st_mode),
        .mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
        .inode = st->st_ino,
        .links = (unsigned)st->st_nlink,
    };
}

static int by_path(const void *a, const void *b)
{
    const struct item *x = a, *y = b;

    return strcmp(x->path, y->path);
}

char *manifest_take(struct manifest *manifest, const char *root, bool (*is_read)(const char *path))
{
    TEXT_AUTO copy = text_copy(root);
    char *const roots[] = {copy, NULL}, *complaint = NULL;
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    FTSENT *entry;

    *manifest = (struct manifest){0};
    if (walk == NULL)
        return text_format("%s: %s", root, strerror(errno));
    while (complaint == NULL && (entry = fts_read(walk)) != NULL) {
        if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR || entry->fts_info == FTS_NS)
            complaint = text_format("%s: %s", entry->fts_path, strerror(entry->fts_errno));
        else if (entry->fts_info != FTS_DP && entry->fts_level > 0)
            add(manifest, entry->fts_path + strlen(root), entry->fts_path, entry->fts_statp,
                is_read(entry->fts_path + strlen(root)));
    }
    fts_close(walk);
    qsort(manifest->items, manifest->count, sizeof *manifest->items, by_path);
    return complaint;
}

void manifest_free(struct manifest *manifest)
{
    for (size_t i = 0; i < manifest->count; i++) {
        free(manifest->items[i].path);
        free(manifest->items[i].what);
    }
    free(manifest->items);
    *manifest = (struct manifest){0};
}

const struct item *manifest_find(const struct manifest *manifest, const char *path)
{
    const struct item key = {.path = (char *)(uintptr_t)path};

    if (manifest->count == 0)
        return NULL;
    return bsearch(&key, manifest->items, manifest->count, sizeof key, by_path);
}

bool manifest_holds(const struct manifest *manifest, const char *directory, const struct item *item)
{
    for (size_t i = 0; i < manifest->count; i++) {
        const struct item *other = &manifest->items[i];

        if (other->inode == item->inode && text_starts(other->path, directory) &&
            item_is(other, item))
            return true;
    }
    return false;
}

char *manifest_save(const struct manifest *manifest, const char *file)
{
    FILE *out = fopen(file, "we");

    if (out == NULL)
        return text_format("%s: %s", file, strerror(errno));
    for (size_t i = 0; i < manifest->count; i++) {
        const struct item *item = &manifest->items[i];

        fprintf(out, "%d %" PRId64 " %" PRIu64 " %u %s\t%s\n", item->is_dir, item->mtime_ns,
                item->inode, item->links, item->path, item->what);
    }
    return fclose(out) == 0 ? NULL : text_format("%s: %s", file, strerror(errno));
}

char *manifest_load(struct manifest *manifest, const char *file)
{
    TEXT_AUTO text = file_read(file, NULL);
    char *save = NULL;

    *manifest = (struct manifest){0};
    if (text == NULL)
        return text_format("%s: %s", file, strerror(errno));
    for (char *line = strtok_r(text, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        char *tab = strchr(line, '\t');
        struct item item = {0};
        int is_dir, used = 0;

        if (tab == NULL || sscanf(line, "%d %" SCNd64 " %" SCNu64 " %u %n", &is_dir, &item.mtime_ns,
                                  &item.inode, &item.links, &used) != 4)
            return text_format("%s: not a manifest", file);
        *tab = '\0';
        item.is_dir = is_dir != 0;
        item.path = text_copy(line + used);
        item.what = text_copy(tab + 1);
        *new_item(manifest) = item;
    }
    return NULL;
}

bool item_is(const struct item *a, const struct item *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return strcmp(a->what, b->what) == 0 && (a->is_dir || a->mtime_ns == b->mtime_ns);
}

bool item_is_exactly(const struct item *a, const struct item *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return item_is(a, b) && a->mtime_ns == b->mtime_ns && (a->is_dir || a->links == b->links);
}

char *item_tell(const struct item *item)
{
    return item == NULL ? text_copy("not there")
                        : text_format("%s, %u links, mtime %" PRId64, item->what, item->links,
                                      item->mtime_ns);
}
