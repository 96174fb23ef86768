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
#include "journal.h"
#include "resolve.h"

#define HELD_LIMIT ((size_t)16 << 20) /* a tree of 100,000 names fits */

static const char *const state_names[] = {"held", "restored", "released", "purged"};

const char *held_state_string(enum held_state state)
{
    return state_names[state];
}

int held_state_from_string(const char *text)
{
    for (int i = 0; i <= HELD_PURGED; i++)
        if (strcmp(text, state_names[i]) == 0)
            return i;
    return -1;
}

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

uint32_t held_last_id(const struct place *place, uint32_t case_number)
{
    unsigned long last = 0;
    int fd = held_open_case(place, case_number, false);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        unsigned long id = strtoul(entry->d_name, NULL, 10);
        last = id > last && id < UINT32_MAX ? id : last;
    }
    if (dir)
        closedir(dir);
    else if (fd >= 0)
        close(fd);
    return (uint32_t)last;
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
    int err = remove_within(dir_fd, name);
    if (err < 0)
        return err == -ENOTDIR ? -EPERM : err;
    return unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

/* ---- what is written down ---- */

static void add_text(struct json_object *json, const char *key, const char *text)
{
    json_object_object_add(json, key, text ? json_object_new_string(text) : NULL);
}

static void add_number(struct json_object *json, const char *key, uint64_t number)
{
    json_object_object_add(json, key, json_object_new_int64((int64_t)number));
}

static void add_hex(struct json_object *json, const char *key, const uint8_t *bytes, size_t size)
{
    char *text = bytes ? malloc(2 * size + 1) : NULL;
    if (text)
        hex_of(bytes, size, text);
    add_text(json, key, text);
    free(text);
}

static struct json_object *entry_to_json(const struct entry *entry)
{
    char type[2] = {entry->type, '\0'};
    struct json_object *json = json_object_new_object();
    if (!json)
        return NULL;
    add_text(json, "type", type);
    add_number(json, "mode", entry->mode & 07777);
    add_number(json, "uid", entry->uid);
    add_number(json, "gid", entry->gid);
    add_number(json, "size", entry->size);
    add_number(json, "inode", entry->inode);
    add_number(json, "mtime-ns", (uint64_t)entry->mtime_ns);
    add_text(json, "target", entry->target);
    bool has_hash = entry->type == ENTRY_FILE && entry->hashed;
    add_hex(json, "sha256", has_hash ? entry->sha256 : NULL, SHA256_SIZE);
    add_hex(json, "xattrs", entry->xattrs, entry->xattrs_size);
    return json;
}

struct json_object *held_describe(const struct held *held, const struct entry *entry)
{
    struct json_object *json = json_object_new_object();
    struct json_object *suspect = entry_to_json(entry);
    if (!json || !suspect) {
        json_object_put(json);
        json_object_put(suspect);
        return NULL;
    }
    add_number(json, "case", held->case_number);
    add_number(json, "id", held->id);
    add_number(json, "boot", held->boot);
    add_text(json, "path", held->path);
    add_text(json, "held-at", held->held_at);
    add_text(json, "set", held->set_name);
    add_text(json, "state", held_state_string(held->state));
    json_object_object_add(json, "in-place", json_object_new_boolean(held->in_place));
    add_text(json, "from", held->from);
    if (held->instead_of)
        add_number(json, "instead-of", held->instead_of);
    add_text(json, "replaced-by", held->replaced_by);
    add_number(json, "generation", held->generation);
    json_object_object_add(json, "suspect", suspect);
    return json;
}

int held_write(int case_fd, uint32_t id, struct json_object *json)
{
    char name[HELD_NAME_SIZE];
    size_t length = 0;
    const char *text = json_object_to_json_string_length(
        json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &length);
    held_name(name, id, ".json");
    int fd =
        !text ? -1
              : openat(case_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return text ? -errno : -ENOMEM;
    ssize_t wrote = write(fd, text, length);
    int err = wrote < 0 ? -errno : (size_t)wrote != length ? -ENOSPC : 0;
    if (close(fd) < 0 && err == 0)
        err = -errno;
    return err;
}

int held_set_state(int case_fd, struct held *held, enum held_state state)
{
    char name[HELD_NAME_SIZE];
    held_name(name, held->id, ".json");
    add_text(held->json, "state", held_state_string(state));
    const char *text = json_object_to_json_string_ext(
        held->json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    int err = text ? io_write_atomic(case_fd, name, text, strlen(text), 0600) : -ENOMEM;
    if (err == 0)
        held->state = state;
    return err;
}

static bool flag_of(const struct json_object *json, const char *key)
{
    struct json_object *value = NULL;
    return json_object_object_get_ex(json, key, &value) && json_object_get_boolean(value);
}

static const char *text_or_null(const struct json_object *json, const char *key)
{
    const char *text = journal_text(json, key);
    return *text ? text : NULL;
}

/* "/a/b": absolute, no empty part, no "." or "..". */
static bool path_is_plain(const char *path)
{
    if (*path != '/')
        return false;
    for (const char *part = path + 1;; part++) {
        size_t length = strcspn(part, "/");
        if (length == 0 || (length == 1 && part[0] == '.') ||
            (length == 2 && part[0] == '.' && part[1] == '.'))
            return false;
        part += length;
        if (!*part)
            return true;
    }
}

static struct json_object *suspect_of(const struct json_object *json)
{
    struct json_object *suspect = NULL;
    json_object_object_get_ex(json, "suspect", &suspect);
    return json_object_is_type(suspect, json_type_object) ? suspect : NULL;
}

/* Where a yard may be, and nowhere else: in the quarantine of the state, or in YARD_NAME. */
static bool held_at_is_ours(const struct held *held)
{
    char end[sizeof STATE_DIR "/" QUARANTINE_NAME + 2 * HELD_NAME_SIZE];
    size_t length = strlen(held->held_at), size;
    snprintf(end, sizeof end, STATE_DIR "/" QUARANTINE_NAME "/%u/%u", held->case_number, held->id);
    if (strcmp(held->held_at, end) == 0)
        return true;
    snprintf(end, sizeof end, "/" YARD_NAME "/%u/%u", held->case_number, held->id);
    size = strlen(end);
    return length >= size && strcmp(held->held_at + length - size, end) == 0;
}

static bool held_fill(struct held *held, struct json_object *json)
{
    const struct json_object *suspect = suspect_of(json);
    int state = held_state_from_string(journal_text(json, "state"));
    *held = (struct held){
        .json = json,
        .case_number = (uint32_t)journal_number(json, "case"),
        .id = (uint32_t)journal_number(json, "id"),
        .boot = (uint32_t)journal_number(json, "boot"),
        .generation = (uint32_t)journal_number(json, "generation"),
        .path = journal_text(json, "path"),
        .held_at = journal_text(json, "held-at"),
        .set_name = journal_text(json, "set"),
        .state = (enum held_state)(state < 0 ? 0 : state),
        .in_place = flag_of(json, "in-place"),
        .from = journal_text(json, "from"),
        .instead_of = (uint32_t)journal_number(json, "instead-of"),
        .replaced_by = text_or_null(json, "replaced-by"),
    };
    if (!suspect || state < 0)
        return false;
    held->inode = (uint64_t)journal_number(suspect, "inode");
    held->size = (uint64_t)journal_number(suspect, "size");
    held->sha256 = text_or_null(suspect, "sha256");
    return path_is_plain(held->path) && path_is_plain(held->held_at) && held_at_is_ours(held);
}

int held_read(int case_fd, uint32_t id, struct held *held)
{
    char name[HELD_NAME_SIZE], *text = NULL;
    size_t size = 0;
    held_name(name, id, ".json");
    int err = io_read_all(case_fd, name, HELD_LIMIT, &text, &size);
    if (err < 0)
        return err;
    struct json_object *json = json_tokener_parse(text);
    free(text);
    if (!json_object_is_type(json, json_type_object) || !held_fill(held, json) || held->id != id) {
        json_object_put(json);
        *held = (struct held){0};
        return -EBADMSG;
    }
    return 0;
}

void held_free(struct held *held)
{
    json_object_put(held->json);
    *held = (struct held){0};
}

static int parse_xattrs(const char *hex, struct entry *entry)
{
    size_t size = strlen(hex) / 2;
    if (size == 0)
        return 0;
    entry->xattrs = malloc(size);
    if (!entry->xattrs)
        return -ENOMEM;
    entry->xattrs_size = size;
    return strlen(hex) == 2 * size ? hex_parse(hex, entry->xattrs, size) : -EINVAL;
}

int held_entry(const struct held *held, struct entry *entry)
{
    const struct json_object *json = suspect_of(held->json);
    const char *target = text_or_null(json, "target");
    struct entry made = {
        .path = strdup(held->path),
        .type = *journal_text(json, "type"),
        .mode = (uint32_t)journal_number(json, "mode"),
        .uid = (uint32_t)journal_number(json, "uid"),
        .gid = (uint32_t)journal_number(json, "gid"),
        .size = held->size,
        .inode = held->inode,
        .mtime_ns = journal_number(json, "mtime-ns"),
        .target = target ? strdup(target) : NULL,
    };
    int err = !made.path || (target && !made.target) ? -ENOMEM : 0;
    if (err == 0)
        err = parse_xattrs(journal_text(json, "xattrs"), &made);
    if (err == 0 && held->sha256) {
        err = strlen(held->sha256) == 2 * SHA256_SIZE
                  ? hex_parse(held->sha256, made.sha256, SHA256_SIZE)
                  : -EINVAL;
        made.hashed = true;
    }
    if (err < 0)
        entry_release(&made);
    else
        *entry = made;
    return err;
}

void entry_release(struct entry *entry)
{
    free(entry->path);
    free(entry->target);
    free(entry->xattrs);
    *entry = (struct entry){0};
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

/* Inodes tell on every file system that keeps their numbers over a mount; bytes tell on the others.
 */
static bool is_good_version(const struct place *place, int yard_fd, const char *name,
                            const struct held *held)
{
    if (!held)
        return true;
    if (inode_at(yard_fd, name) == held->inode)
        return false;
    return inode_of_path(place, held->path) == held->inode ||
           holds_bytes(yard_fd, name, held->replaced_by);
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

int held_settle(const struct place *place, int yard_fd, uint32_t id, const struct held *held)
{
    char ready[HELD_NAME_SIZE], kept[HELD_NAME_SIZE];
    held_name(ready, id, ".good");
    held_name(kept, id, "");
    if (held && is_second_name(place, yard_fd, kept, held->path) && unlinkat(yard_fd, kept, 0) < 0)
        return -errno;
    if (inode_at(yard_fd, ready) == 0)
        return 0;
    if (inode_at(yard_fd, kept) == 0 && !is_good_version(place, yard_fd, ready, held))
        return rename_keeping(yard_fd, ready, yard_fd, kept);
    return remove_tree(yard_fd, ready);
}

bool held_find(int yard_fd, const struct held *held, char name[HELD_NAME_SIZE])
{
    held_name(name, held->id, ".good");
    if (inode_at(yard_fd, name) == held->inode)
        return true;
    if (held->instead_of) {
        held_name(name, held->instead_of, "");
        if (inode_at(yard_fd, name) == held->inode)
            return true;
    }
    held_name(name, held->id, "");
    uint64_t inode = inode_at(yard_fd, name);
    /* a file system that numbers inodes anew at each mount: what was to be held is what lies there
     */
    return inode == held->inode || (inode != 0 && held->state == HELD_HELD);
}
