#include "inventory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "arena.h"
#include "io.h"
#include "scope.h"
#include "walk.h"

/* Two ticks of the slowest kernel clock (HZ=100), from which file systems take their times. */
#define TICK_NS INT64_C(20000000)
#define SETTLE_ROUNDS 3

int path_compare(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    if (*a == *b)
        return 0;
    if (!*a || !*b)
        return *a ? 1 : -1;
    if (*a == '/' || *b == '/')
        return *a == '/' ? -1 : 1;
    return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
}

int inventory_init(struct inventory *inventory)
{
    *inventory = (struct inventory){.arena = arena_new()};
    return inventory->arena ? 0 : -ENOMEM;
}

void inventory_free(struct inventory *inventory)
{
    arena_free(inventory->arena);
    *inventory = (struct inventory){0};
}

static int name_sets(const struct sets *sets, struct inventory *inventory)
{
    struct arena *arena = inventory->arena;

    inventory->set_names = arena_alloc(arena, (sets->count + 1) * sizeof *inventory->set_names);
    inventory->set_classes = arena_alloc(arena, sets->count + 1);
    if (!inventory->set_names || !inventory->set_classes)
        return -ENOMEM;
    for (size_t i = 0; i < sets->count; i++) {
        const struct set *set = &sets->items[i];

        inventory->set_names[i] = arena_strndup(arena, set->name, strlen(set->name));
        if (!inventory->set_names[i])
            return -ENOMEM;
        inventory->set_classes[i] = (uint8_t)set->set_class;
    }
    inventory->set_count = sets->count;
    return 0;
}

static int64_t ns_of(struct timespec t)
{
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static char type_of(mode_t mode)
{
    return S_ISREG(mode)   ? ENTRY_FILE
           : S_ISDIR(mode) ? ENTRY_DIR
           : S_ISLNK(mode) ? ENTRY_LINK
                           : ENTRY_OTHER;
}

static void identity_of(const struct stat *st, struct entry *entry)
{
    entry->type = type_of(st->st_mode);
    entry->size = entry->type == ENTRY_FILE ? (uint64_t)st->st_size : 0;
    entry->inode = st->st_ino;
    entry->mtime_ns = ns_of(st->st_mtim);
    entry->ctime_ns = ns_of(st->st_ctim);
}

/*
 * A file that changed within the present tick may change again without its times showing it. A
 * clock that is wrong does not matter: times of files written before it went wrong are far from it.
 */
static bool is_racy(const struct entry *entry, int64_t now)
{
    return entry->ctime_ns > now - TICK_NS && entry->ctime_ns < now + TICK_NS;
}

/* After the tick. A path that is something else by now keeps the former identity, and shows it. */
static void look_again(const struct place *place, struct entry *entry)
{
    int fd = place_openat(place, entry->path, O_PATH | O_NOFOLLOW, 0, false);
    struct entry seen = *entry;
    struct stat st;

    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && type_of(st.st_mode) == entry->type) {
        identity_of(&st, &seen);
        seen.mode = st.st_mode & 07777u;
        seen.uid = st.st_uid;
        seen.gid = st.st_gid;
        *entry = seen;
    }
    close(fd);
}

static void settle(const struct place *place, struct inventory *inventory)
{
    const struct timespec tick = {.tv_nsec = TICK_NS};

    for (int round = 0; round < SETTLE_ROUNDS; round++) {
        struct timespec clock;
        size_t racy = 0;
        int64_t now;

        clock_gettime(CLOCK_REALTIME, &clock);
        now = ns_of(clock);
        for (size_t i = 0; i < inventory->count; i++)
            racy += is_racy(&inventory->entries[i], now);
        if (!racy)
            return;
        nanosleep(&tick, NULL);
        for (size_t i = 0; i < inventory->count; i++)
            if (is_racy(&inventory->entries[i], now))
                look_again(place, &inventory->entries[i]);
    }
}

/* To change what is present. Caller frees items alone. */
static int copy_sets(const struct sets *sets, struct sets *made)
{
    *made = *sets;
    made->items = calloc(sets->count + 1, sizeof *made->items);
    if (!made->items)
        return -ENOMEM;
    if (sets->count)
        memcpy(made->items, sets->items, sets->count * sizeof *made->items);
    return 0;
}

int sets_with_good(const struct sets *sets, const struct inventory *good, struct sets *made)
{
    int error = copy_sets(sets, made);

    for (size_t i = 0; i < good->count && !error; i++) {
        int set = sets_find(sets, good->set_names[good->entries[i].set]);

        if (set >= 0)
            made->items[set].present = true;
    }
    return error;
}

/* Whether something of the sets that are not present stands all the same. */
static int take_silent(const struct place *place, const struct sets *sets,
                       struct inventory *inventory)
{
    struct sets silent;
    int error = copy_sets(sets, &silent);

    if (error)
        return error;
    for (size_t i = 0; i < sets->count; i++)
        silent.items[i].present = !sets->items[i].present;
    error = inventory_init(inventory);
    if (!error)
        error = name_sets(&silent, inventory);
    if (!error)
        error = walk_sets(place, &silent, inventory, NULL);
    free(silent.items);
    return error;
}

static bool is_blind_there(const struct inventory *inventory, const char *prefix)
{
    for (size_t i = 0; i < inventory->unread_count; i++)
        if (scope_is_beneath(inventory->unread[i], prefix))
            return true;
    return inventory_is_blind(inventory, prefix);
}

/* What a silent set holds was not looked at: a scope of it would tell that nothing was there. */
static int drop_silent_scopes(const struct place *place, const struct sets *sets,
                              struct inventory *inventory)
{
    struct inventory there = {0};
    int error = take_silent(place, sets, &there);
    size_t kept = 0;

    for (size_t i = 0; i < inventory->scope_count && !error; i++) {
        const struct scope *scope = &inventory->scopes[i];

        if (sets->items[scope->set].present ||
            (!scope_lists_any(scope, &there) && !is_blind_there(&there, scope->prefix)))
            inventory->scopes[kept++] = *scope;
    }
    if (!error)
        inventory->scope_count = kept;
    inventory_free(&there);
    return error;
}

int inventory_take(const struct place *place, const struct sets *sets, struct inventory *inventory,
                   struct diag *diag)
{
    struct inventory taken;
    int error = inventory_init(&taken);

    if (!error)
        error = name_sets(sets, &taken);
    if (!error)
        error = scopes_take(place, sets, &taken);
    if (!error)
        error = drop_silent_scopes(place, sets, &taken);
    if (!error)
        error = walk_sets(place, sets, &taken, diag);
    if (error) {
        inventory_free(&taken);
        return error;
    }
    settle(place, &taken);
    *inventory = taken;
    return 0;
}

const struct entry *inventory_find(const struct inventory *inventory, const char *path)
{
    size_t low = 0, high = inventory->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = path_compare(path, inventory->entries[middle].path);

        if (order == 0)
            return &inventory->entries[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

uint32_t inventory_set(const struct inventory *inventory, const char *name)
{
    uint32_t i = 0;

    while (i < inventory->set_count && strcmp(inventory->set_names[i], name) != 0)
        i++;
    return i;
}

bool inventory_is_blind(const struct inventory *inventory, const char *path)
{
    for (size_t i = 0; i < inventory->unread_count; i++) {
        size_t size = strlen(inventory->unread[i]);

        if (strncmp(path, inventory->unread[i], size) == 0 && (path[size] == '/' || !path[size]))
            return true;
    }
    return false;
}

bool entry_same_identity(const struct entry *a, const struct entry *b)
{
    return a->type == b->type && a->size == b->size && a->inode == b->inode &&
           a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns;
}

static bool same_xattrs(const struct entry *a, const struct entry *b)
{
    return a->xattrs_size == b->xattrs_size &&
           (!a->xattrs_size || memcmp(a->xattrs, b->xattrs, a->xattrs_size) == 0);
}

bool entry_same_content(const struct entry *a, const struct entry *b)
{
    if (a->type != b->type || a->mode != b->mode || a->uid != b->uid || a->gid != b->gid ||
        a->size != b->size || !a->hashed || !b->hashed || !same_xattrs(a, b))
        return false;
    if (a->type == ENTRY_LINK)
        return strcmp(a->target, b->target) == 0;
    return a->type != ENTRY_FILE || memcmp(a->sha256, b->sha256, SHA256_SIZE) == 0;
}

static int open_entry(const struct place *place, const struct entry *entry)
{
    int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    int fd = place_openat(place, entry->path, flags | O_NOATIME, 0, false);

    if (fd == -EPERM) /* neither root nor the owner */
        fd = place_openat(place, entry->path, flags, 0, false);
    return fd == -ELOOP || fd == -ENOTDIR || fd == -ENXIO ? -ESTALE : fd;
}

static int check_identity(int fd, const struct entry *entry)
{
    struct entry seen = {0};
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    identity_of(&st, &seen);
    return entry_same_identity(&seen, entry) ? 0 : -ESTALE;
}

static int hash_alone(const struct place *place, int in_fd, uint8_t sha256[SHA256_SIZE])
{
    (void)place;
    return io_copy_hash(in_fd, -1, sha256);
}

static int keep_open(const struct place *place, struct inventory *owner, struct entry *entry,
                     int fd, entry_keeper *keep)
{
    uint8_t *xattrs = NULL, *owned = NULL, sha256[SHA256_SIZE] = {0};
    size_t xattrs_size = 0;
    int error = check_identity(fd, entry);

    if (!error)
        error = io_read_xattrs(fd, &xattrs, &xattrs_size);
    if (!error && entry->type == ENTRY_FILE)
        error = keep(place, fd, sha256);
    if (!error)
        error = check_identity(fd, entry);
    if (!error && xattrs_size && !(owned = arena_memdup(owner->arena, xattrs, xattrs_size)))
        error = -ENOMEM;
    free(xattrs);
    if (error)
        return error;
    entry->xattrs = owned;
    entry->xattrs_size = xattrs_size;
    memcpy(entry->sha256, sha256, SHA256_SIZE);
    entry->hashed = true;
    return 0;
}

int entry_keep(const struct place *place, struct inventory *owner, struct entry *entry,
               entry_keeper *keep)
{
    int fd, error;

    if (entry->type != ENTRY_FILE && entry->type != ENTRY_DIR) {
        entry->hashed = true;
        return 0;
    }
    fd = open_entry(place, entry);
    if (fd < 0)
        return fd;
    error = keep_open(place, owner, entry, fd, keep ? keep : hash_alone);
    close(fd);
    return error;
}

int entry_hash(const struct place *place, struct inventory *owner, struct entry *entry)
{
    return entry_keep(place, owner, entry, NULL);
}
