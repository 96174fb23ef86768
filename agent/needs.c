/* needs.c - see needs.h */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "masks.h"
#include "needs.h"

#define DEPTH_MAX 16 /* of disks on disks */
#define LINE_PATH "%4095s"

struct search {
    const char *sys;
    struct strings *modules;
    bool blind;  /* disks of the root may have been missed */
    bool remote; /* a disk of it is reached over the network */
    int error;
};

/* ---- names ---- */

static bool is_there(const struct needs_source *source, const char *module)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/module/%s", source->sys, module);
    return access(path, F_OK) == 0;
}

int needs_usual(const struct needs_source *source, struct strings *modules)
{
    static const char *const usual[] = {
        "zfs",      "spl",  "icp",  "zavl", "znvpair", "zunicode", "zcommon", "zlua",    "zzstd",
        "bcachefs", "drbd", "kvdo", "uds",  "loop",    "overlay",  "aufs",    "openafs",
    };
    int err = 0;
    for (size_t i = 0; err == 0 && i < sizeof usual / sizeof *usual; i++)
        if (!source || is_there(source, usual[i]))
            err = masks_add(modules, usual[i]);
    return err;
}

const char *needs_release_of(const char *path, size_t *length)
{
    static const char modules[] = "/lib/modules/";
    if (strncmp(path, "/usr/", 5) == 0)
        path += 4;
    if (strncmp(path, modules, sizeof modules - 1) != 0)
        return NULL;
    path += sizeof modules - 1;
    *length = strcspn(path, "/");
    return *length ? path : NULL;
}

/* A module of this name lies in the directory or beneath. Closes dir_fd. */
static bool tree_has(int dir_fd, const struct strings *name, int depth)
{
    DIR *dir = fdopendir(dir_fd);
    bool found = false;
    if (!dir)
        close(dir_fd);
    for (struct dirent *entry; dir && !found && (entry = readdir(dir));) {
        struct strings there = {0};
        if (*entry->d_name == '.')
            continue;
        if (masks_add_file(&there, entry->d_name) == 0)
            found = strcmp(there.items[0], name->items[0]) == 0;
        masks_free(&there);
        int fd = found || depth > DEPTH_MAX
                     ? -1
                     : openat(dirfd(dir), entry->d_name,
                              O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        found = found || (fd >= 0 && tree_has(fd, name, depth + 1));
    }
    if (dir)
        closedir(dir);
    return found;
}

/* Among the kernel's own modules, which lie in "kernel". */
static bool kernel_has(const struct place *place, const char *path, const struct strings *name)
{
    size_t length = 0;
    char *tree = NULL;
    const char *release = needs_release_of(path, &length);
    if (!release ||
        asprintf(&tree, "%.*s/kernel", (int)(release - path + (ptrdiff_t)length), path) < 0)
        return false;
    int fd = place_openat(place, tree, O_RDONLY | O_DIRECTORY, 0, false);
    free(tree);
    return fd >= 0 && tree_has(fd, name, 0);
}

bool needs_file(const struct place *place, const struct strings *needed, const char *path)
{
    struct strings name = {0};
    bool is_needed = needed && masks_add_file(&name, path) == 0 &&
                     masks_hold(needed, name.items[0]) && !kernel_has(place, path, &name);
    masks_free(&name);
    return is_needed;
}

static void add(struct search *search, const char *name)
{
    if (masks_add(search->modules, name) == -ENOMEM)
        search->error = -ENOMEM;
}

/* ---- devices ---- */

/* The drivers of a device, a path of /sys without links, and of all that it hangs on. */
static void add_chain(struct search *search, const char *device)
{
    char path[PATH_MAX], link[PATH_MAX + 16], target[PATH_MAX];
    size_t least = strlen(search->sys) + sizeof "/devices";
    snprintf(path, sizeof path, "%s", device);
    for (char *slash; strlen(path) > least && (slash = strrchr(path, '/')); *slash = '\0') {
        snprintf(link, sizeof link, "%s/driver/module", path);
        ssize_t size = readlink(link, target, sizeof target - 1);
        if (size <= 0)
            continue;
        target[size] = '\0';
        const char *name = strrchr(target, '/');
        add(search, name ? name + 1 : target);
    }
}

/* iSCSI, NVMe over fabrics, and disks that a module makes of what a network brings. */
static bool is_remote(const char *device)
{
    const char *name = strrchr(device, '/') + 1;
    return strstr(device, "/session") || strstr(device, "/nvme-fabrics/") ||
           strncmp(name, "nbd", 3) == 0 || strncmp(name, "rbd", 3) == 0 ||
           strncmp(name, "drbd", 4) == 0;
}

static void add_device(struct search *search, const char *device)
{
    search->remote = search->remote || is_remote(device);
    add_chain(search, device);
}

static void add_class(struct search *search, const char *name)
{
    char path[PATH_MAX], entry_path[PATH_MAX + 260], real[PATH_MAX];
    snprintf(path, sizeof path, "%s/class/%s", search->sys, name);
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        snprintf(entry_path, sizeof entry_path, "%s/%s", path, entry->d_name);
        if (*entry->d_name != '.' && realpath(entry_path, real))
            add_device(search, real);
    }
    if (dir)
        closedir(dir);
}

static void add_disk(struct search *search, const char *path, int depth);

/* The disks that a mapped one lies on. False: none, it is a disk of its own. */
static bool add_beneath(struct search *search, const char *disk, int depth)
{
    char path[PATH_MAX + 16], entry_path[PATH_MAX + 280];
    bool any = false;
    snprintf(path, sizeof path, "%s/slaves", disk);
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        if (*entry->d_name == '.')
            continue;
        any = true;
        snprintf(entry_path, sizeof entry_path, "%s/%s", path, entry->d_name);
        add_disk(search, entry_path, depth + 1);
    }
    if (dir)
        closedir(dir);
    return any;
}

static void add_disk(struct search *search, const char *path, int depth)
{
    char real[PATH_MAX], probe[PATH_MAX + 16];
    if (depth > DEPTH_MAX || !realpath(path, real)) {
        search->blind = true;
        return;
    }
    add_device(search, real);
    snprintf(probe, sizeof probe, "%s/partition", real);
    if (access(probe, F_OK) == 0)
        *strrchr(real, '/') = '\0';
    if (!add_beneath(search, real, depth) && strstr(real, "/devices/virtual/"))
        search->blind = true;
}

/* What the modules found use: in /sys/module each names those that hold it. */
static void add_used(struct search *search)
{
    char path[PATH_MAX], holder[PATH_MAX + 600];
    snprintf(path, sizeof path, "%s/module", search->sys);
    for (size_t i = 0; i < search->modules->count; i++) {
        DIR *dir = opendir(path);
        for (struct dirent *entry; dir && (entry = readdir(dir));) {
            snprintf(holder, sizeof holder, "%s/%s/holders/%s", path, entry->d_name,
                     search->modules->items[i]);
            if (*entry->d_name != '.' && access(holder, F_OK) == 0)
                add(search, entry->d_name);
        }
        if (dir)
            closedir(dir);
    }
}

/* ---- mounts ---- */

struct mounted {
    unsigned major, minor;
    char type[64], source[4096];
};

/* A line of mountinfo, proc(5), if it is about `root`. */
static bool parse_mount(const char *line, const char *root, struct mounted *mounted)
{
    char point[4096];
    struct mounted found;
    const char *rest = strstr(line, " - ");
    if (!rest ||
        sscanf(line, "%*u %*u %u:%u %*s " LINE_PATH, &found.major, &found.minor, point) != 3 ||
        strcmp(point, root) != 0 ||
        sscanf(rest, " - %63s " LINE_PATH, found.type, found.source) != 2)
        return false;
    *mounted = found;
    return true;
}

/* The last one on that point is the one in sight. */
static bool find_mount(const char *mounts, const char *root, struct mounted *mounted)
{
    char *line = NULL;
    size_t size = 0;
    bool any = false;
    FILE *file = fopen(mounts, "re");
    while (file && getline(&line, &size, file) > 0)
        any = parse_mount(line, root, mounted) || any;
    free(line);
    if (file)
        fclose(file);
    return any;
}

static void add_number(struct search *search, unsigned major, unsigned minor)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/dev/block/%u:%u", search->sys, major, minor);
    add_disk(search, path, 0);
}

/* They make one file system of several disks, which the mount does not name. */
static bool is_pool(const char *type)
{
    return strcmp(type, "zfs") == 0 || strcmp(type, "btrfs") == 0 || strcmp(type, "bcachefs") == 0;
}

static void add_mount(struct search *search, const struct mounted *mounted)
{
    struct stat st;
    add(search, mounted->type);
    if (mounted->major != 0) {
        add_number(search, mounted->major, mounted->minor);
    } else {
        search->blind = true;
        search->remote = !is_pool(mounted->type);
        if (stat(mounted->source, &st) == 0 && S_ISBLK(st.st_mode))
            add_number(search, major(st.st_rdev), minor(st.st_rdev));
    }
    static const char *const disks[] = {"block", "nvme", "scsi_host"};
    for (size_t i = 0; search->blind && i < sizeof disks / sizeof *disks; i++)
        add_class(search, disks[i]);
    if (search->remote)
        add_class(search, "net");
}

int needs_probe(const struct needs_source *source, const char *root, struct strings *modules)
{
    struct search search = {.modules = modules};
    struct mounted mounted;
    char sys[PATH_MAX];
    if (!find_mount(source->mounts, root, &mounted))
        return 0;
    search.sys = realpath(source->sys, sys) ? sys : source->sys;
    add_mount(&search, &mounted);
    add_used(&search);
    return search.error;
}

int needs_of_root(const struct needs_source *source, const char *root, struct strings *modules)
{
    char *usr = NULL;
    int err = needs_probe(source, root, modules);
    if (asprintf(&usr, "%s/usr", strcmp(root, "/") == 0 ? "" : root) < 0)
        return -ENOMEM;
    if (needs_probe(source, usr, modules) < 0)
        err = -ENOMEM;
    free(usr);
    return err;
}
