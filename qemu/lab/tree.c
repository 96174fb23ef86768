/* tree.c - see tree.h */
#include "tree.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define PRODUCT "/opt/acme"
#define DRIVERS "/usr/lib/modules/lab/updates"
#define CHANNELS 24u
#define EPOCH 1600000000

static const char content_set[] = "[set]\n"
                                  "description=ACME content\n"
                                  "class=content\n"
                                  "path=" PRODUCT "/**\n"
                                  "never=" PRODUCT "/identity\n"
                                  "driver=acme_sentry\n";
static const char driver_set[] = "[set]\n"
                                 "description=ACME driver\n"
                                 "class=driver\n"
                                 "path=" DRIVERS "/acme_*.ko\n"
                                 "driver=acme_sentry\n";

struct maker {
    const char *root;
    int64_t clock; /* s; each thing made gets a time of its own */
    bool keeps;    /* deletes nothing */
    char *complaint;
};

static void fail(struct maker *maker, const char *path)
{
    if (maker->complaint == NULL)
        maker->complaint = text_format("%s: %s", path, strerror(errno));
}

static void stamp(struct maker *maker, const char *full)
{
    const struct timespec times[2] = {{.tv_sec = EPOCH + maker->clock, .tv_nsec = 1000},
                                      {.tv_sec = EPOCH + maker->clock, .tv_nsec = 2000}};

    maker->clock++;
    if (utimensat(AT_FDCWD, full, times, AT_SYMLINK_NOFOLLOW) < 0)
        fail(maker, full);
}

static void directory(struct maker *maker, const char *path, mode_t mode, gid_t gid)
{
    TEXT_AUTO full = text_format("%s%s", maker->root, path);

    if ((mkdir(full, 0755) < 0 && errno != EEXIST) || chown(full, 0, gid) < 0 ||
        chmod(full, mode) < 0)
        fail(maker, full);
}

/* Bytes that no other seed has, and that no compression makes small. */
static void fill(uint8_t *bytes, size_t size, uint32_t seed)
{
    uint32_t state = seed * 2654435761u + 1u;

    for (size_t i = 0; i < size; i++) {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        bytes[i] = (uint8_t)state;
    }
}

static void write_bytes(struct maker *maker, const char *path, int flags, const void *bytes,
                        size_t size)
{
    TEXT_AUTO full = text_format("%s%s", maker->root, path);
    int fd = open(full, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);

    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size || close(fd) < 0)
        fail(maker, full);
    stamp(maker, full);
}

static void set_mode(struct maker *maker, const char *path, mode_t mode, uid_t uid, gid_t gid)
{
    TEXT_AUTO full = text_format("%s%s", maker->root, path);

    if (chown(full, uid, gid) < 0 || chmod(full, mode) < 0)
        fail(maker, full);
}

static void set_xattr(struct maker *maker, const char *path, const char *value)
{
    TEXT_AUTO full = text_format("%s%s", maker->root, path);

    if (setxattr(full, "user.acme", value, strlen(value), 0) < 0)
        fail(maker, full);
}

static void file(struct maker *maker, const char *path, size_t size, uint32_t seed)
{
    uint8_t *bytes = malloc(size + 1);

    if (bytes == NULL)
        abort();
    fill(bytes, size, seed);
    write_bytes(maker, path, O_TRUNC, bytes, size);
    free(bytes);
}

/* As a careful updater does it: a new file under the old name. */
static void replace(struct maker *maker, const char *path, size_t size, uint32_t seed)
{
    TEXT_AUTO made = text_format("%s.new", path);
    TEXT_AUTO from = text_format("%s%s.new", maker->root, path);
    TEXT_AUTO to = text_format("%s%s", maker->root, path);

    file(maker, made, size, seed);
    if (rename(from, to) < 0)
        fail(maker, to);
}

static void delete (struct maker *maker, const char *path)
{
    TEXT_AUTO full = text_format("%s%s", maker->root, path);

    if (!maker->keeps && remove(full) < 0)
        fail(maker, full);
}

static void link_to(struct maker *maker, const char *path, const char *target)
{
    TEXT_AUTO full = text_format("%s%s", maker->root, path);

    unlink(full);
    if (symlink(target, full) < 0)
        fail(maker, full);
    stamp(maker, full);
}

static void twin(struct maker *maker, const char *path, const char *of)
{
    TEXT_AUTO full = text_format("%s%s", maker->root, path);
    TEXT_AUTO other = text_format("%s%s", maker->root, of);

    if (link(other, full) < 0)
        fail(maker, full);
}

static char *channel(unsigned number)
{
    return text_format(PRODUCT "/content/channel-%02u", number);
}

static size_t channel_size(unsigned number)
{
    static const size_t sizes[] = {2000, 1, 4096, 5000, 511, 12000, 0, 700};

    return sizes[number % (sizeof sizes / sizeof *sizes)];
}

static void make_content(struct maker *maker)
{
    directory(maker, PRODUCT "/content", 0750, 42);
    for (unsigned i = 0; i < CHANNELS; i++) {
        TEXT_AUTO path = channel(i);

        file(maker, path, channel_size(i), 100 + i);
        set_mode(maker, path, i % 5 == 0 ? 0600 : 0644, i % 3, i % 4);
    }
    twin(maker, PRODUCT "/content/twin", PRODUCT "/content/channel-03");
    set_xattr(maker, PRODUCT "/content/channel-04", "good");
    link_to(maker, PRODUCT "/content/current", "channel-03");
}

static void make_product(struct maker *maker)
{
    static const char *const directories[] = {"/opt", PRODUCT};

    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++)
        directory(maker, directories[i], 0755, 0);
    make_content(maker);
    directory(maker, PRODUCT "/rules", 0755, 0);
    for (unsigned i = 0; i < 6; i++) {
        TEXT_AUTO path = text_format(PRODUCT "/rules/rule-%u", i);

        file(maker, path, 300 * (size_t)i, 200 + i);
    }
    file(maker, PRODUCT "/helper", 9000, 300);
    set_mode(maker, PRODUCT "/helper", 04755, 0, 0);
    file(maker, PRODUCT "/identity", 64, 301);
    file(maker, PRODUCT "/settings", 800, 302);
}

static void make_system(struct maker *maker)
{
    static const char *const directories[] = {
        "/etc",     "/etc/backstop",    "/etc/backstop/sets.d", "/home", "/var", "/var/lib", "/usr",
        "/usr/lib", "/usr/lib/modules", "/usr/lib/modules/lab", DRIVERS};

    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++)
        directory(maker, directories[i], 0755, 0);
    file(maker, "/etc/hostname", 9, 1);
    file(maker, "/home/letter", 6000, 2);
    write_bytes(maker, "/etc/backstop/sets.d/acme-content.conf", O_TRUNC, content_set,
                sizeof content_set - 1);
    write_bytes(maker, "/etc/backstop/sets.d/acme-driver.conf", O_TRUNC, driver_set,
                sizeof driver_set - 1);
    file(maker, DRIVERS "/acme_sentry.ko", 13000, 400);
    file(maker, DRIVERS "/acme_probe.ko", 9000, 401);
}

char *tree_make(const char *root)
{
    struct maker maker = {.root = root};

    make_system(&maker);
    make_product(&maker);
    return maker.complaint;
}

static void update_channel(struct maker *maker, unsigned number)
{
    TEXT_AUTO path = channel(number);

    switch (number % 4) {
    case 0:
        replace(maker, path, channel_size(number) + 7, 500 + number);
        break;
    case 1: /* in place, as careless ones do */
        file(maker, path, channel_size(number) + 1, 500 + number);
        break;
    case 2:
        if (number % 8 == 2)
            delete (maker, path);
        break;
    default:
        break;
    }
}

static void update_rules(struct maker *maker)
{
    for (unsigned i = 0; i < 6; i++) {
        TEXT_AUTO path = text_format(PRODUCT "/rules/rule-%u", i);

        delete (maker, path);
    }
    delete (maker, PRODUCT "/rules");
}

static void add_engine(struct maker *maker)
{
    directory(maker, PRODUCT "/engine", 0700, 7);
    for (unsigned i = 0; i < 3; i++) {
        TEXT_AUTO path = text_format(PRODUCT "/engine/part-%u", i);

        file(maker, path, 3000, 600 + i);
    }
}

static char *update(const char *root, bool keeps)
{
    struct maker maker = {.root = root, .clock = 1000000, .keeps = keeps};

    for (unsigned i = 0; i < CHANNELS; i++)
        update_channel(&maker, i);
    for (unsigned i = 90; i < 94; i++) {
        TEXT_AUTO path = channel(i);

        file(&maker, path, channel_size(i), 500 + i);
    }
    set_xattr(&maker, PRODUCT "/content/channel-04", "bad");
    replace(&maker, PRODUCT "/content/twin", 5000, 700);
    link_to(&maker, PRODUCT "/content/current", "channel-90");
    set_mode(&maker, PRODUCT "/content", 0755, 0, 0);
    update_rules(&maker);
    add_engine(&maker);
    replace(&maker, PRODUCT "/helper", 9100, 701);
    set_mode(&maker, PRODUCT "/helper", 0755, 0, 0);
    file(&maker, PRODUCT "/identity", 64, 702);
    set_mode(&maker, PRODUCT "/settings", 0666, 0, 0);
    replace(&maker, DRIVERS "/acme_sentry.ko", 13100, 703);
    return maker.complaint;
}

char *tree_update(const char *root)
{
    return update(root, false);
}

char *tree_update_kept(const char *root)
{
    return update(root, true);
}

bool tree_is_in_set(const char *path)
{
    return text_starts(path, PRODUCT "/") || text_starts(path, DRIVERS "/acme_");
}

bool tree_is_never(const char *path)
{
    return strcmp(path, PRODUCT "/identity") == 0;
}
