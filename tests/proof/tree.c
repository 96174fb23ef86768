/* tree.c - see tree.h */
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define PATH_SIZE 1024
#define INODE_KEY "\"inode\":"

extern char **environ;

/* ---- files ---- */

char *file_text(const char *path, size_t *size)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text = fd >= 0 && fstat(fd, &st) == 0 ? malloc((size_t)st.st_size + 1) : NULL;
    ssize_t got = text ? read(fd, text, (size_t)st.st_size) : -1;
    if (fd >= 0)
        close(fd);
    if (got < 0) {
        free(text);
        return NULL;
    }
    text[got] = '\0';
    if (size)
        *size = (size_t)got;
    return text;
}

int file_put(const char *path, const void *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    int err = fd < 0 || write(fd, bytes, size) != (ssize_t)size ? -errno : 0;
    if (fd >= 0)
        close(fd);
    return err;
}

static void hash_file(const char *path, char hex[65])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char buffer[65536], digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t got;
    EVP_DigestInit_ex(context, EVP_sha256(), NULL);
    while (fd >= 0 && (got = read(fd, buffer, sizeof buffer)) > 0)
        EVP_DigestUpdate(context, buffer, (size_t)got);
    EVP_DigestFinal_ex(context, digest, NULL);
    EVP_MD_CTX_free(context);
    if (fd >= 0)
        close(fd);
    for (size_t i = 0; i < 32; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[64] = '\0';
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void print_xattr(FILE *out, const char *path, const char *name)
{
    unsigned char value[4096];
    ssize_t size = lgetxattr(path, name, value, sizeof value);
    fprintf(out, "%s=", name);
    for (ssize_t i = 0; i < size; i++)
        fprintf(out, "%02x", value[i]);
    fputc(' ', out);
}

static char *xattrs_text(const char *path)
{
    char names[4096], *sorted[64], *text = NULL;
    size_t size, count = 0;
    FILE *out = open_memstream(&text, &size);
    ssize_t length = llistxattr(path, names, sizeof names);
    for (ssize_t at = 0; at < length && count < 64; at += (ssize_t)strlen(names + at) + 1)
        sorted[count++] = names + at;
    qsort(sorted, count, sizeof *sorted, by_text);
    for (size_t i = 0; i < count; i++)
        print_xattr(out, path, sorted[i]);
    fclose(out);
    return text;
}

/* ---- flags ---- */

/* chattr's, of which no copy and no removal knows anything. */
static unsigned flags_of(const char *path)
{
    unsigned flags = 0;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
        flags = 0;
    if (fd >= 0)
        close(fd);
    return flags & TREE_FLAGS;
}

static int set_flags(const char *path, unsigned flags)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    int err = fd < 0 || ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0 ? -errno : 0;
    if (fd >= 0)
        close(fd);
    return err;
}

/* ---- what is in one ---- */

static int add_item(struct tree *tree, const char *full, size_t root_length, const struct stat *st)
{
    struct tree_item *items = realloc(tree->items, (tree->count + 1) * sizeof *items);
    if (!items)
        return -ENOMEM;
    tree->items = items;
    struct tree_item *item = &items[tree->count++];
    *item = (struct tree_item){.path = strdup(full + root_length), .st = *st};
    if (S_ISREG(st->st_mode) && strcmp(item->path, TREE_RESERVE) != 0)
        hash_file(full, item->sha256);
    if (S_ISLNK(st->st_mode)) {
        char target[PATH_SIZE];
        ssize_t length = readlink(full, target, sizeof target - 1);
        target[length < 0 ? 0 : length] = '\0';
        item->target = strdup(target);
    }
    if (S_ISREG(st->st_mode) || S_ISDIR(st->st_mode))
        item->flags = flags_of(full);
    item->xattrs = xattrs_text(full);
    return item->path && item->xattrs ? 0 : -ENOMEM;
}

static int read_beneath(struct tree *tree, const char *path, size_t root_length)
{
    DIR *dir = opendir(path);
    int err = dir ? 0 : -errno;
    for (struct dirent *entry; err == 0 && (entry = readdir(dir));) {
        char full[PATH_SIZE];
        struct stat st;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if ((size_t)snprintf(full, sizeof full, "%s/%s", path, entry->d_name) >= sizeof full)
            err = -ENAMETOOLONG;
        else if (lstat(full, &st) < 0)
            err = -errno;
        else
            err = add_item(tree, full, root_length, &st);
        if (err == 0 && S_ISDIR(st.st_mode))
            err = read_beneath(tree, full, root_length);
    }
    if (dir)
        closedir(dir);
    return err;
}

static int by_path(const void *a, const void *b)
{
    const struct tree_item *x = a, *y = b;
    return strcmp(x->path, y->path);
}

int tree_read(const char *root, struct tree *tree)
{
    *tree = (struct tree){0};
    int err = read_beneath(tree, root, strlen(root));
    if (err < 0)
        tree_free(tree);
    else if (tree->count)
        qsort(tree->items, tree->count, sizeof *tree->items, by_path);
    return err;
}

void tree_free(struct tree *tree)
{
    for (size_t i = 0; i < tree->count; i++) {
        free(tree->items[i].path);
        free(tree->items[i].target);
        free(tree->items[i].xattrs);
    }
    free(tree->items);
    *tree = (struct tree){0};
}

const struct tree_item *tree_find(const struct tree *tree, const char *path)
{
    struct tree_item wanted = {.path = (char *)(uintptr_t)path};
    return tree->count ? bsearch(&wanted, tree->items, tree->count, sizeof wanted, by_path) : NULL;
}

/* ---- programs ---- */

static void become(char *const *argv, char *const *env, const char *output, const struct jail *jail)
{
    int out = open(output, O_WRONLY | O_CREAT | O_TRUNC, 0600), in = open("/dev/null", O_RDONLY);
    if (out < 0 || in < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 ||
        (jail && jail->root && !jail_enter(jail)))
        _exit(125);
    execvpe(argv[0], argv, env);
    _exit(125);
}

int run_plain(char *const *argv, char *const *env, const char *output, const struct jail *jail)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        become(argv, env, output, jail);
    while (pid > 0 && waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    if (pid < 0)
        return -errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

/* ---- copies ---- */

bool path_are_records(const char *path)
{
    static const char name[] = "/records.jsonl";
    const char *quarantine = strstr(path, "/quarantine/");
    size_t length = strlen(path), size = sizeof name - 1;
    return quarantine && length > size && strcmp(path + length - size, name) == 0;
}

char *records_rename_inodes(const char *text, uint64_t (*of)(uint64_t inode, void *user),
                            void *user)
{
    char *made = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&made, &size);
    if (!out)
        return NULL;
    for (const char *key; (key = strstr(text, INODE_KEY));) {
        char *end;
        key += strlen(INODE_KEY);
        uint64_t inode = strtoull(key, &end, 10);
        fprintf(out, "%.*s%llu", (int)(key - text), text, (unsigned long long)of(inode, user));
        text = end;
    }
    fputs(text, out);
    return fclose(out) == 0 ? made : NULL;
}

struct copies {
    const char *from, *to;
    struct tree tree; /* of from */
};

/* Records name suspects: of two files with one number, on two file systems, that elsewhere. */
static const struct tree_item *with_inode(const struct copies *copies, uint64_t inode)
{
    const struct tree_item *found = NULL;
    struct stat root = {0};
    stat(copies->from, &root);
    for (size_t i = 0; i < copies->tree.count; i++) {
        const struct tree_item *item = &copies->tree.items[i];
        if (item->st.st_ino == inode && (!found || item->st.st_dev != root.st_dev))
            found = item;
    }
    return found;
}

static uint64_t inode_in_copy(uint64_t inode, void *user)
{
    const struct copies *copies = user;
    const struct tree_item *item = with_inode(copies, inode);
    char full[PATH_SIZE];
    struct stat st;
    snprintf(full, sizeof full, "%s%s", copies->to, item ? item->path : "");
    return item && lstat(full, &st) == 0 ? st.st_ino : 1; /* of nothing that is there */
}

static int adopt(const struct copies *copies, const char *path)
{
    char full[PATH_SIZE];
    struct stat st;
    snprintf(full, sizeof full, "%s%s", copies->to, path);
    char *text = file_text(full, NULL);
    char *renamed =
        text ? records_rename_inodes(text, inode_in_copy, (void *)(uintptr_t)copies) : NULL;
    int err = !renamed || stat(full, &st) < 0 ? -errno : file_put(full, renamed, strlen(renamed));
    struct timespec times[2] = {st.st_atim, st.st_mtim};
    if (err == 0 && utimensat(AT_FDCWD, full, times, 0) < 0)
        err = -errno;
    free(text);
    free(renamed);
    return err;
}

static int adopt_flags(const struct copies *copies, const struct tree_item *item)
{
    char full[PATH_SIZE];
    snprintf(full, sizeof full, "%s%s", copies->to, item->path);
    return item->flags ? set_flags(full, item->flags) : 0;
}

/* A new directory of the file system that trees beside `root` have in common. */
static int make_elsewhere(const char *root, char *made, size_t size)
{
    int length = (int)(strrchr(root, '/') - root);
    snprintf(made, size, "%.*s/elsewhere", length, root);
    if (mkdir(made, 0755) == 0 && mount("elsewhere", made, "tmpfs", 0, NULL) < 0)
        return -errno;
    snprintf(made, size, "%.*s/elsewhere/XXXXXX", length, root);
    return mkdtemp(made) && chmod(made, 0755) == 0 ? 0 : -errno;
}

int tree_mount(const char *root, const char *elsewhere)
{
    char path[PATH_SIZE], made[PATH_SIZE];
    if (!elsewhere)
        return 0;
    int err = make_elsewhere(root, made, sizeof made);
    snprintf(path, sizeof path, "%s%s", root, elsewhere);
    if (err == 0 && mkdir(path, 0755) < 0 && errno != EEXIST)
        err = -errno;
    if (err == 0 && mount(made, path, NULL, MS_BIND, NULL) < 0)
        err = -errno;
    return err;
}

int tree_copy(const char *from, const char *to, const char *elsewhere)
{
    char source[PATH_SIZE], target[PATH_SIZE];
    struct copies copies = {.from = from, .to = to};
    snprintf(source, sizeof source, "%s/.", from);
    snprintf(target, sizeof target, "%s", to);
    char *argv[] = {(char[]){"cp"}, (char[]){"-a"}, source, target, NULL};
    if (mkdir(to, 0755) < 0)
        return -errno;
    int err = tree_mount(to, elsewhere);
    if (err == 0)
        err = run_plain(argv, environ, "/dev/null", NULL);
    if (err != 0)
        return err < 0 ? err : -EIO;
    err = tree_read(from, &copies.tree);
    for (size_t i = 0; err == 0 && i < copies.tree.count; i++)
        if (path_are_records(copies.tree.items[i].path))
            err = adopt(&copies, copies.tree.items[i].path);
    for (size_t i = 0; err == 0 && i < copies.tree.count; i++)
        err = adopt_flags(&copies, &copies.tree.items[i]);
    tree_free(&copies.tree);
    return err;
}

int tree_remove(const char *path)
{
    DIR *dir;
    int err = 0;
    if (flags_of(path) != 0)
        set_flags(path, 0);
    if (unlink(path) == 0 || errno == ENOENT)
        return 0;
    dir = opendir(path);
    if (!dir)
        return -errno;
    for (struct dirent *entry; err == 0 && (entry = readdir(dir));) {
        char full[PATH_SIZE];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(full, sizeof full, "%s/%s", path, entry->d_name);
        err = tree_remove(full);
    }
    closedir(dir);
    if (err < 0 || rmdir(path) == 0)
        return err;
    return errno == EBUSY && umount(path) == 0 && rmdir(path) == 0 ? 0 : -errno;
}
