/* record.c - see record.h */
#include "record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tree.h"

#define PATH_SIZE 2048
#define NUMBER_BITS 44             /* of an inode's number; above them its device */
#define BYTES_MAX ((off_t)4 << 20) /* of what is larger the size alone is kept: the reserve */

/* ---- versions ---- */

struct node *record_node(const struct recording *recording, uint64_t inode)
{
    for (size_t i = 0; i < recording->node_count; i++)
        if (recording->nodes[i].inode == inode)
            return &recording->nodes[i];
    return NULL;
}

uint64_t inode_id(const struct stat *st)
{
    return (uint64_t)st->st_ino | (uint64_t)minor(st->st_dev) << NUMBER_BITS;
}

uint64_t inode_number(uint64_t id)
{
    return id & ((UINT64_C(1) << NUMBER_BITS) - 1);
}

/* Of the file system on which `directory` is; in the root, names tell. */
static enum file_system fs_of(const struct recording *recording, uint64_t directory,
                              const char *name, const struct stat *st)
{
    const struct node *above = record_node(recording, directory);
    if (!above)
        return FS_ROOT;
    if (above->versions[0].st.st_dev != st->st_dev)
        return FS_ELSEWHERE;
    if (directory != recording->root_inode)
        return above->fs;
    return strcmp(name, "esp") == 0                ? FS_ESP
           : strcmp(name, &JAIL_VARIABLES[1]) == 0 ? FS_VARIABLES
                                                   : FS_ROOT;
}

static struct node *node_for(struct recording *recording, uint64_t inode)
{
    struct node *node = record_node(recording, inode);
    if (node)
        return node;
    recording->nodes =
        realloc(recording->nodes, (recording->node_count + 1) * sizeof *recording->nodes);
    if (!recording->nodes)
        abort();
    node = &recording->nodes[recording->node_count++];
    *node = (struct node){.inode = inode};
    return node;
}

/* `path` may be /proc/PID/fd/N, which is followed where it is one. */
static void read_xattrs(const char *path, bool follow, struct version *version)
{
    char names[4096], value[4096];
    ssize_t length =
        follow ? listxattr(path, names, sizeof names) : llistxattr(path, names, sizeof names);
    for (ssize_t at = 0; at < length; at += (ssize_t)strlen(names + at) + 1) {
        ssize_t size = follow ? getxattr(path, names + at, value, sizeof value)
                              : lgetxattr(path, names + at, value, sizeof value);
        version->xattr_list =
            realloc(version->xattr_list, (version->xattr_count + 1) * sizeof *version->xattr_list);
        if (!version->xattr_list || size < 0)
            abort();
        struct xattr *xattr = &version->xattr_list[version->xattr_count++];
        *xattr = (struct xattr){strdup(names + at), malloc((size_t)size + 1), (size_t)size};
        memcpy(xattr->value, value, (size_t)size);
    }
}

static void read_bytes(const char *path, struct version *version)
{
    if (S_ISREG(version->st.st_mode) && version->st.st_size <= BYTES_MAX) {
        version->bytes = file_text(path, &version->size);
    } else if (S_ISLNK(version->st.st_mode)) {
        version->bytes = calloc(1, PATH_SIZE);
        ssize_t length = version->bytes ? readlink(path, version->bytes, PATH_SIZE - 1) : -1;
        version->size = length > 0 ? (size_t)length : 0;
    }
}

/* A node that is new is one named `name` in `directory`. */
static bool add_version(struct recording *recording, const char *path, bool follow, unsigned call,
                        uint64_t directory, const char *name)
{
    struct version version = {.call = call};
    if ((follow ? stat(path, &version.st) : lstat(path, &version.st)) < 0)
        return false;
    read_bytes(path, &version);
    read_xattrs(path, follow, &version);
    struct node *node = node_for(recording, inode_id(&version.st));
    if (node->count == 0)
        node->fs = fs_of(recording, directory, name, &version.st);
    node->versions = realloc(node->versions, (node->count + 1) * sizeof *node->versions);
    if (!node->versions)
        abort();
    node->versions[node->count++] = version;
    return true;
}

/* ---- before the run ---- */

static void add_name(struct recording *recording, uint64_t directory, const char *name,
                     uint64_t inode)
{
    recording->names =
        realloc(recording->names, (recording->name_count + 1) * sizeof *recording->names);
    if (!recording->names)
        abort();
    recording->names[recording->name_count++] = (struct change){directory, strdup(name), inode};
}

static uint64_t inode_at(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 ? inode_id(&st) : 0;
}

static int read_tree(struct recording *recording, const char *path);

static int read_name(struct recording *recording, const char *path, const char *name)
{
    char full[PATH_SIZE];
    struct stat st;
    snprintf(full, sizeof full, "%s/%s", path, name);
    if (lstat(full, &st) < 0)
        return -errno;
    add_name(recording, inode_at(path), name, inode_id(&st));
    if (!record_node(recording, inode_id(&st)) &&
        !add_version(recording, full, false, 0, inode_at(path), name))
        return -EIO;
    return S_ISDIR(st.st_mode) ? read_tree(recording, full) : 0;
}

static int is_no_dots(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* By name: the order of nodes is that of ids. */
static int read_tree(struct recording *recording, const char *path)
{
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, is_no_dots, by_bytes), err = count < 0 ? -errno : 0;
    for (int i = 0; i < count; i++) {
        if (err == 0)
            err = read_name(recording, path, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return err;
}

int record_begin(struct recording *recording, const char *root)
{
    *recording = (struct recording){.root = root, .root_inode = inode_at(root)};
    return add_version(recording, root, false, 0, 0, "") ? read_tree(recording, root) : -EIO;
}

/* ---- paths of a call ---- */

static void fd_path(pid_t pid, uint64_t fd, char path[64])
{
    if ((int)fd == AT_FDCWD)
        snprintf(path, 64, "/proc/%d/cwd", (int)pid);
    else
        snprintf(path, 64, "/proc/%d/fd/%d", (int)pid, (int)fd);
}

/* The path that a call names, as the prover can use it. False: not to be known. */
static bool call_path(const struct call *call, uint64_t fd, uint64_t address, char path[PATH_SIZE])
{
    char text[PATH_SIZE / 2], link[64], base[PATH_SIZE / 2 - 2];
    int number;
    if (!trace_read_text(call->pid, address, text, sizeof text))
        return false;
    if (sscanf(text, "/proc/self/fd/%d", &number) == 1) {
        fd_path(call->pid, (uint64_t)number, path);
        return true;
    }
    if (*text == '/' && call->rule->nr != __NR_openat2) {
        snprintf(path, PATH_SIZE, "/proc/%d/root%s", (int)call->pid, text);
        return true;
    }
    fd_path(call->pid, fd, link);
    ssize_t length = readlink(link, base, sizeof base - 1);
    if (length < 0)
        return false;
    base[length] = '\0';
    snprintf(path, PATH_SIZE, "%s%s%s", base, *text == '/' ? "" : "/", text);
    return true;
}

static uint64_t inode_behind(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? inode_id(&st) : 0;
}

static uint64_t inode_of_fd(const struct call *call, uint64_t fd)
{
    char path[64];
    fd_path(call->pid, fd, path);
    return inode_behind(path);
}

/* Adds that the name at `path` is to be `inode`. */
static void change_name(struct op *op, const char *path, uint64_t inode)
{
    char parent[PATH_SIZE];
    snprintf(parent, sizeof parent, "%s", path);
    char *slash = strrchr(parent, '/');
    if (!slash || op->change_count == sizeof op->changes / sizeof *op->changes)
        abort();
    *slash = '\0';
    op->changes[op->change_count++] =
        (struct change){inode_behind(parent), strdup(slash + 1), inode};
}

/* ---- each kind of call, before it is made ---- */

static bool is_nr(const struct call *call, int nr)
{
    return call->rule->nr == nr;
}

static void before_rename(const struct call *call, struct op *op)
{
    char from[PATH_SIZE], to[PATH_SIZE];
    bool at = true;
    uint64_t flags = is_nr(call, __NR_renameat2) ? call->args[4] : 0;
#ifdef __NR_rename
    at = !is_nr(call, __NR_rename);
#endif
    if (!call_path(call, at ? call->args[0] : (uint64_t)AT_FDCWD, call->args[at ? 1 : 0], from) ||
        !call_path(call, at ? call->args[2] : (uint64_t)AT_FDCWD, call->args[at ? 3 : 1], to))
        return;
    op->kind = OP_NAMES;
    change_name(op, from, flags & RENAME_EXCHANGE ? inode_at(to) : 0);
    change_name(op, to, inode_at(from));
}

static void before_remove(const struct call *call, struct op *op)
{
    char path[PATH_SIZE];
    bool at = is_nr(call, __NR_unlinkat);
    if (!call_path(call, at ? call->args[0] : (uint64_t)AT_FDCWD, call->args[at ? 1 : 0], path))
        return;
    op->kind = OP_NAMES;
    change_name(op, path, 0);
}

static void before_link(const struct call *call, struct op *op)
{
    char from[PATH_SIZE], to[PATH_SIZE];
    if (!call_path(call, call->args[0], call->args[1], from) ||
        !call_path(call, call->args[2], call->args[3], to))
        return;
    op->kind = OP_NAMES;
    change_name(op, to, call->args[4] & AT_SYMLINK_FOLLOW ? inode_behind(from) : inode_at(from));
}

void record_before(const struct call *call, void *user)
{
    struct recording *recording = user;
    recording->open = (struct op){.call = call->number, .kind = OP_FILE};
    recording->is_open = true;
    if (call->rule->kind == CALL_RENAME)
        before_rename(call, &recording->open);
    else if (call->rule->kind == CALL_REMOVE)
        before_remove(call, &recording->open);
    else if (is_nr(call, __NR_linkat))
        before_link(call, &recording->open);
}

/* ---- and after it ---- */

static void add_op(struct recording *recording, const struct op *op)
{
    recording->ops = realloc(recording->ops, (recording->op_count + 1) * sizeof *recording->ops);
    if (!recording->ops)
        abort();
    recording->ops[recording->op_count++] = *op;
}

static void is_lost(struct recording *recording, unsigned call)
{
    if (!recording->lost)
        recording->lost = call;
}

/* What was found out of it before the call was made; names that could not be told are lost. */
static void add_open(struct recording *recording)
{
    const struct op *op = &recording->open;
    bool known = op->kind == OP_NAMES;
    for (size_t i = 0; i < op->change_count; i++)
        known = known && op->changes[i].directory;
    if (known)
        add_op(recording, op);
    else
        is_lost(recording, op->call);
}

/* A new name at `path`, where there was none before. */
static void made_name(struct recording *recording, const char *path, unsigned call)
{
    uint64_t inode = inode_at(path);
    struct op op = {.call = call, .kind = OP_NAMES};
    if (record_node(recording, inode)) /* opened, and there already */
        return;
    change_name(&op, path, inode);
    if (!op.changes[0].directory ||
        !add_version(recording, path, false, call, op.changes[0].directory, op.changes[0].name))
        is_lost(recording, call);
    add_op(recording, &op);
}

/* Which argument is the directory's descriptor, and which the path: of calls that make a name. */
static bool made_at(const struct call *call, char path[PATH_SIZE])
{
    switch (call->rule->nr) {
    case __NR_openat:
    case __NR_openat2:
    case __NR_mkdirat:
    case __NR_mknodat:
        return call_path(call, call->args[0], call->args[1], path);
    case __NR_symlinkat:
        return call_path(call, call->args[1], call->args[2], path);
#ifdef __NR_open
    case __NR_open:
    case __NR_creat:
    case __NR_mkdir:
        return call_path(call, (uint64_t)AT_FDCWD, call->args[0], path);
    case __NR_symlink:
        return call_path(call, (uint64_t)AT_FDCWD, call->args[1], path);
#endif
    default:
        return false;
    }
}

/* Of a file without a name, which an open makes, `directory` is where it would have one; else 0. */
static void file_changed(struct recording *recording, const char *path, bool follow, unsigned call,
                         uint64_t directory)
{
    struct op op = {
        .call = call, .kind = OP_FILE, .inode = follow ? inode_behind(path) : inode_at(path)};
    if ((!directory && !record_node(recording, op.inode)) ||
        !add_version(recording, path, follow, call, directory, ""))
        is_lost(recording, call);
    add_op(recording, &op);
}

static void after_create(struct recording *recording, const struct call *call)
{
    char path[PATH_SIZE], fd[64];
    if (is_nr(call, __NR_linkat)) {
        add_open(recording);
        return;
    }
    if (is_nr(call, __NR_openat) && (call->args[2] & O_TMPFILE) == O_TMPFILE) {
        fd_path(call->pid, (uint64_t)call->result, fd);
        uint64_t above =
            call_path(call, call->args[0], call->args[1], path) ? inode_behind(path) : 0;
        file_changed(recording, fd, true, call->number, above);
    } else if (made_at(call, path)) {
        bool there = record_node(recording, inode_at(path)) != NULL;
        made_name(recording, path, call->number);
        if (there && is_nr(call, __NR_openat) && (call->args[2] & O_TRUNC))
            file_changed(recording, path, false, call->number, 0);
    } else {
        is_lost(recording, call->number);
    }
}

/* Calls on a descriptor have it first; those on a path are the few named here. */
static void after_meta(struct recording *recording, const struct call *call)
{
    char path[PATH_SIZE];
    int nr = call->rule->nr;
    bool by_path =
        nr == __NR_fchownat || nr == __NR_fchmodat || (nr == __NR_utimensat && call->args[1]);
    if (by_path) {
        if (call_path(call, call->args[0], call->args[1], path))
            file_changed(recording, path, false, call->number, 0);
        else
            is_lost(recording, call->number);
        return;
    }
    fd_path(call->pid, call->args[nr == __NR_copy_file_range || nr == __NR_splice ? 2 : 0], path);
    file_changed(recording, path, true, call->number, 0);
}

static void after_sync(struct recording *recording, const struct call *call)
{
    bool each = is_nr(call, __NR_sync), all = each || is_nr(call, __NR_syncfs);
    const struct node *node =
        each ? NULL : record_node(recording, inode_of_fd(call, call->args[0]));
    struct op op = {.call = call->number,
                    .kind = all ? OP_SYNC_ALL : OP_SYNC,
                    .inode = all || !node ? 0 : node->inode,
                    .fs = node ? node->fs : FS_ALL};
    if (!each && !node)
        is_lost(recording, call->number);
    add_op(recording, &op);
}

void record_after(const struct call *call, void *user)
{
    struct recording *recording = user;
    if (!recording->is_open || call->result < 0)
        return;
    recording->is_open = false;
    switch (call->rule->kind) {
    case CALL_CREATE:
        after_create(recording, call);
        return;
    case CALL_RENAME:
    case CALL_REMOVE:
        add_open(recording);
        return;
    case CALL_WRITE:
    case CALL_SIZE:
    case CALL_META:
        after_meta(recording, call);
        return;
    case CALL_SYNC:
        after_sync(recording, call);
        return;
    case CALL_MEMORY:
        return;
    }
}

static void version_free(struct version *version)
{
    for (size_t i = 0; i < version->xattr_count; i++) {
        free(version->xattr_list[i].name);
        free(version->xattr_list[i].value);
    }
    free(version->xattr_list);
    free(version->bytes);
}

void record_free(struct recording *recording)
{
    for (size_t i = 0; i < recording->node_count; i++) {
        for (size_t k = 0; k < recording->nodes[i].count; k++)
            version_free(&recording->nodes[i].versions[k]);
        free(recording->nodes[i].versions);
    }
    for (size_t i = 0; i < recording->name_count; i++)
        free(recording->names[i].name);
    for (size_t i = 0; i < recording->op_count; i++)
        for (size_t k = 0; k < recording->ops[i].change_count; k++)
            free(recording->ops[i].changes[k].name);
    free(recording->nodes);
    free(recording->names);
    free(recording->ops);
    *recording = (struct recording){0};
}
