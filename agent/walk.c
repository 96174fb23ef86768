#include "walk.h"
#include "resolve.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define THREADS_MAX 4
#define DIRENTS_SIZE (64u * 1024)

/* One glob, with its literal prefix opened. */
struct source {
    struct glob glob;
    uint32_t set;  /* of a path; not used of a never */
    char *prefix;  /* canonical; "" for the root */
    int prefix_fd; /* -1: a never */
};

struct node;

/* A name that a glob listed or that leads on. */
struct item {
    struct entry entry;
    bool listed;
    struct node *child;
};

/* A directory to read, and then what was found in it. */
struct node {
    struct node *waiting; /* below it on the stack */
    const struct source *source;
    char *path;     /* canonical; "" for the root */
    uint64_t state; /* of the source's glob */
    struct item *items;
    size_t count;
};

struct walk {
    const struct place *place;
    struct source *sources, *nevers;
    size_t source_count, never_count;
    struct inventory *inventory;
    dev_t state_dev; /* Backstop's own state is passed over wherever it comes up */
    ino_t state_ino;

    pthread_mutex_t lock; /* of all below */
    pthread_cond_t more;
    struct node *stack;
    unsigned busy; /* threads reading a directory */
    int error;     /* the first */
    struct diag *diag;
};

/* A name to look at. */
struct candidate {
    size_t name; /* offset in names until all are read */
    const char *text;
    uint64_t next;
    unsigned char type; /* DT_* */
    bool matched, deep;
};

/* Which nevers have a say in a directory, and their state there. */
struct never_here {
    const struct source *never;
    uint64_t state;
    bool all; /* it covers the directory itself */
};

/* What one thread works with, grown as needed. */
struct worker {
    struct walk *walk;
    struct never_here *nevers; /* room for all there are */
    char *dirents;
    char *names;
    size_t names_size, names_room;
    struct candidate *candidates;
    size_t count, room;
};

/* For one more that is unread: there is always room for a power of two. */
static bool make_room(struct inventory *inventory)
{
    size_t count = inventory->unread_count;
    char **larger;

    if (count & (count - 1))
        return true;
    larger = arena_alloc(inventory->arena, (count ? 2 * count : 1) * sizeof *larger);
    if (!larger)
        return false;
    if (count)
        memcpy(larger, inventory->unread, count * sizeof *larger);
    inventory->unread = larger;
    return true;
}

static void report_unread(struct walk *walk, const char *path, int error, const char *remedy)
{
    struct inventory *inventory = walk->inventory;
    char *copy;

    pthread_mutex_lock(&walk->lock);
    diag_report(walk->diag, DIAG_WARNING, "%s: cannot be read: %s; %s", *path ? path : "/",
                strerror(-error), remedy);
    copy = arena_strndup(inventory->arena, path, strlen(path));
    if (copy && make_room(inventory))
        inventory->unread[inventory->unread_count++] = copy;
    else if (!walk->error)
        walk->error = -ENOMEM;
    pthread_mutex_unlock(&walk->lock);
}

static int open_beneath(int fd, const char *path, int flags)
{
    struct open_how how = {
        .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
    };

    return resolve_open(fd, path, &how);
}

/* Reading leaves no trace where that is allowed (root, or the owner). */
static int open_directory(const struct source *source, const char *path)
{
    const char *relative = path + strlen(source->prefix);
    int fd;

    relative = *relative == '/' ? relative + 1 : ".";
    fd = open_beneath(source->prefix_fd, relative, O_RDONLY | O_DIRECTORY | O_NOATIME);
    if (fd == -EPERM)
        fd = open_beneath(source->prefix_fd, relative, O_RDONLY | O_DIRECTORY);
    return fd;
}

static int add_candidate(struct worker *worker, const char *name, unsigned char type,
                         struct candidate candidate)
{
    size_t size = strlen(name) + 1;

    if (worker->count == worker->room) {
        size_t room = worker->room ? 2 * worker->room : 256;
        struct candidate *larger = realloc(worker->candidates, room * sizeof *larger);

        if (!larger)
            return -ENOMEM;
        worker->candidates = larger;
        worker->room = room;
    }
    if (worker->names_room - worker->names_size < size) {
        size_t room = 2 * worker->names_room + size + 4096;
        char *larger = realloc(worker->names, room);

        if (!larger)
            return -ENOMEM;
        worker->names = larger;
        worker->names_room = room;
    }
    candidate.name = worker->names_size;
    candidate.type = type;
    memcpy(worker->names + worker->names_size, name, size);
    worker->names_size += size;
    worker->candidates[worker->count++] = candidate;
    return 0;
}

static int consider(struct worker *worker, const struct node *node, const char *name,
                    unsigned char type)
{
    struct candidate candidate = {0};

    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
        strncmp(name, OWN_NAME_PREFIX, strlen(OWN_NAME_PREFIX)) == 0)
        return 0;
    candidate.next = glob_step(&node->source->glob, node->state, name, strlen(name),
                               &candidate.matched, &candidate.deep);
    if (type != DT_DIR && type != DT_UNKNOWN && !candidate.matched)
        return 0;
    if (!candidate.matched && !candidate.next)
        return 0;
    return add_candidate(worker, name, type, candidate);
}

/* The one name that can match, where there is only one: no need to read the directory. */
static const char *only_name(const struct node *node)
{
    const struct glob_part *part = &node->source->glob.parts[__builtin_ctzll(node->state)];

    return (node->state & (node->state - 1)) == 0 && part->literal ? part->text : NULL;
}

static int read_names(struct worker *worker, const struct node *node, int fd)
{
    const char *only = only_name(node);
    int error = 0;

    worker->count = worker->names_size = 0;
    if (only)
        return consider(worker, node, only, DT_UNKNOWN);
    while (!error) {
        ssize_t n = getdents64(fd, worker->dirents, DIRENTS_SIZE);

        if (n <= 0)
            return n < 0 ? -errno : 0;
        for (ssize_t at = 0; at < n && !error;) {
            const struct dirent64 *found = (const void *)(worker->dirents + at);

            error = consider(worker, node, found->d_name, found->d_type);
            at += found->d_reclen;
        }
    }
    return error;
}

static int compare_candidates(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;

    return strcmp(x->text, y->text);
}

static void sort_candidates(struct worker *worker)
{
    for (size_t i = 0; i < worker->count; i++)
        worker->candidates[i].text = worker->names + worker->candidates[i].name;
    if (worker->count > 1)
        qsort(worker->candidates, worker->count, sizeof *worker->candidates, compare_candidates);
}

static int64_t ns_of(struct statx_timestamp t)
{
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static char type_of(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return ENTRY_FILE;
    case S_IFDIR:
        return ENTRY_DIR;
    case S_IFLNK:
        return ENTRY_LINK;
    }
    return ENTRY_OTHER;
}

static void fill_entry(struct entry *entry, const struct statx *st)
{
    entry->type = type_of(st->stx_mode);
    entry->mode = st->stx_mode & 07777u;
    entry->uid = st->stx_uid;
    entry->gid = st->stx_gid;
    entry->nlink = entry->type == ENTRY_DIR ? 1 : st->stx_nlink;
    entry->size = entry->type == ENTRY_FILE ? st->stx_size : 0;
    entry->inode = st->stx_ino;
    entry->dev = makedev(st->stx_dev_major, st->stx_dev_minor);
    entry->mtime_ns = ns_of(st->stx_mtime);
    entry->ctime_ns = ns_of(st->stx_ctime);
    entry->flags = (uint8_t)((st->stx_attributes & STATX_ATTR_IMMUTABLE ? ENTRY_IMMUTABLE : 0u) |
                             (st->stx_attributes & STATX_ATTR_APPEND ? ENTRY_APPEND : 0u));
}

static int read_target(struct walk *walk, int fd, const char *name, struct entry *entry)
{
    char target[4096];
    ssize_t n = readlinkat(fd, name, target, sizeof target);

    if (n < 0)
        return -errno;
    entry->target = arena_strndup(walk->inventory->arena, target, (size_t)n);
    return entry->target ? 0 : -ENOMEM;
}

static bool is_beneath(const char *path, const char *directory, size_t size)
{
    return strncmp(path, directory, size) == 0 && (path[size] == '/' || !path[size]);
}

static bool enter_never(const struct source *never, const char *path, struct never_here *here)
{
    size_t size = strlen(never->prefix);
    bool matched = false, deep;

    if (!is_beneath(path, never->prefix, size))
        return false;
    *here = (struct never_here){never, glob_state(&never->glob, never->glob.prefix), false};
    for (path += size; *path && !here->all; path += size) {
        size = strcspn(++path, "/");
        here->state = glob_step(&never->glob, here->state, path, size, &matched, &deep);
        here->all = matched;
    }
    return here->all || here->state;
}

static size_t enter_nevers(const struct walk *walk, const char *path, struct never_here *here)
{
    size_t count = 0;

    for (size_t i = 0; i < walk->never_count; i++)
        if (enter_never(&walk->nevers[i], path, &here[count]))
            count++;
    return count;
}

static bool is_never(const struct never_here *here, size_t count, const char *name)
{
    bool matched, deep;

    for (size_t i = 0; i < count; i++) {
        if (here[i].all)
            return true;
        glob_step(&here[i].never->glob, here[i].state, name, strlen(name), &matched, &deep);
        if (matched)
            return true;
    }
    return false;
}

/* 1: the item stays, 0: it does not, -errno. */
static int look_at(struct walk *walk, int fd, const struct candidate *candidate, struct item *item)
{
    bool leads_on = candidate->next != 0;
    struct statx st;

    if (candidate->type == DT_DIR && !candidate->deep)
        return leads_on;
    if (statx(fd, candidate->text, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC,
              STATX_BASIC_STATS, &st) < 0) {
        if (errno == ENOENT)
            return 0;
        report_unread(walk, item->entry.path, -errno, "it is left out");
        return 0;
    }
    if (st.stx_attributes & STATX_ATTR_MOUNT_ROOT) {
        report_unread(walk, item->entry.path, -EXDEV, "name it in a path of its own");
        return 0;
    }
    fill_entry(&item->entry, &st);
    item->listed = candidate->matched && (item->entry.type != ENTRY_DIR || candidate->deep);
    if (item->listed && item->entry.type == ENTRY_LINK) {
        int error = read_target(walk, fd, candidate->text, &item->entry);

        return error == -ENOENT || error == -EINVAL ? 0 : error ? error : 1;
    }
    return item->listed || (item->entry.type == ENTRY_DIR && leads_on);
}

static struct node *new_node(const struct source *source, char *path, uint64_t state)
{
    struct node *node = malloc(sizeof *node);

    if (node)
        *node = (struct node){.source = source, .path = path, .state = state};
    return node;
}

static int add_child(const struct node *node, const struct candidate *candidate, struct item *item)
{
    bool is_directory = item->listed ? item->entry.type == ENTRY_DIR
                                     : candidate->type == DT_DIR || item->entry.type == ENTRY_DIR;

    if (!is_directory || !candidate->next)
        return 0;
    item->child = new_node(node->source, item->entry.path, candidate->next);
    return item->child ? 0 : -ENOMEM;
}

/* Paths of all candidates, in one piece of memory. */
static char *paths_of(struct walk *walk, const struct worker *worker, const char *directory)
{
    size_t size = strlen(directory) + 1;

    return arena_alloc(walk->inventory->arena, worker->count * size + worker->names_size);
}

static int look_at_all(struct worker *worker, struct node *node, int fd)
{
    struct walk *walk = worker->walk;
    size_t directory_size = strlen(node->path), never_count;
    char *path = paths_of(walk, worker, node->path);

    node->items = calloc(worker->count + 1, sizeof *node->items);
    if (!path || !node->items)
        return -ENOMEM;
    never_count = enter_nevers(walk, node->path, worker->nevers);
    for (size_t i = 0; i < worker->count; i++) {
        const struct candidate *candidate = &worker->candidates[i];
        struct item *item = &node->items[node->count];
        size_t name_size = strlen(candidate->text) + 1;
        int stays;

        item->entry = (struct entry){.path = path, .set = node->source->set};
        memcpy(path, node->path, directory_size);
        path[directory_size] = '/';
        memcpy(path + directory_size + 1, candidate->text, name_size);
        path += directory_size + 1 + name_size;
        if (directory_size + 1 + name_size > PATH_SIZE_MAX) {
            report_unread(walk, item->entry.path, -ENAMETOOLONG, "it is left out");
            continue;
        }
        stays = look_at(walk, fd, candidate, item);
        if (stays < 0)
            return stays;
        if (!stays)
            continue;
        item->entry.never = is_never(worker->nevers, never_count, candidate->text);
        if (add_child(node, candidate, item) < 0)
            return -ENOMEM;
        node->count++;
    }
    return 0;
}

static bool is_own_state(const struct walk *walk, int fd)
{
    struct stat st;

    return walk->state_ino && fstat(fd, &st) == 0 && st.st_ino == walk->state_ino &&
           st.st_dev == walk->state_dev;
}

static int read_directory(struct worker *worker, struct node *node)
{
    int fd = open_directory(node->source, node->path), error = 0;

    if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP) /* went or changed a moment ago */
        return 0;
    if (fd < 0) {
        report_unread(worker->walk, node->path, fd,
                      fd == -EXDEV ? "name the mount point in a path of its own"
                                   : "run as root, or check the file system");
        return 0;
    }
    if (!is_own_state(worker->walk, fd)) {
        error = read_names(worker, node, fd);
        if (error && error != -ENOMEM) {
            report_unread(worker->walk, node->path, error, "check the file system");
            error = 0;
        }
        sort_candidates(worker);
        if (!error)
            error = look_at_all(worker, node, fd);
    }
    close(fd);
    return error;
}

static struct node *next_node(struct walk *walk)
{
    struct node *node;

    while (!walk->stack && walk->busy)
        pthread_cond_wait(&walk->more, &walk->lock);
    node = walk->error ? NULL : walk->stack;
    if (!node)
        return NULL;
    walk->stack = node->waiting;
    walk->busy++;
    return node;
}

static void push_children(struct walk *walk, struct node *node)
{
    for (size_t i = node->count; i-- > 0;) {
        struct node *child = node->items[i].child;

        if (!child)
            continue;
        child->waiting = walk->stack;
        walk->stack = child;
    }
}

static void *work(void *argument)
{
    struct walk *walk = argument;
    struct worker worker = {.walk = walk, .dirents = malloc(DIRENTS_SIZE)};
    struct node *node;

    pthread_mutex_lock(&walk->lock);
    worker.nevers = calloc(walk->never_count + 1, sizeof *worker.nevers);
    if (!worker.dirents || !worker.nevers)
        walk->error = -ENOMEM;
    while ((node = next_node(walk))) {
        int error;

        pthread_mutex_unlock(&walk->lock);
        error = read_directory(&worker, node);
        pthread_mutex_lock(&walk->lock);
        if (error && !walk->error)
            walk->error = error;
        push_children(walk, node);
        walk->busy--;
        pthread_cond_broadcast(&walk->more);
    }
    pthread_cond_broadcast(&walk->more);
    pthread_mutex_unlock(&walk->lock);
    free(worker.dirents);
    free(worker.nevers);
    free(worker.names);
    free(worker.candidates);
    return NULL;
}

static void work_together(struct walk *walk)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    pthread_t threads[THREADS_MAX - 1];
    unsigned started = 0;

    while (started < THREADS_MAX - 1 && (long)started + 1 < processors &&
           pthread_create(&threads[started], NULL, work, walk) == 0)
        started++;
    work(walk);
    while (started)
        pthread_join(threads[--started], NULL);
}

/*
 * Opens the prefix twice: once through its links to learn its name, and again by that name with no
 * link allowed, so that the name is right even if something moved in between.
 */
static int open_prefix(const struct place *place, struct source *source)
{
    char *literal = glob_prefix(&source->glob);
    int fd = literal ? place_openat(place, literal, O_PATH | O_DIRECTORY, 0, true) : -ENOMEM;
    int error;

    free(literal);
    if (fd < 0)
        return fd;
    error = place_name(place, fd, &source->prefix);
    close(fd);
    if (error)
        return error;
    fd =
        place_openat(place, *source->prefix ? source->prefix : "/", O_PATH | O_DIRECTORY, 0, false);
    if (fd < 0)
        return fd;
    source->prefix_fd = fd;
    return 0;
}

static void close_source(struct source *source)
{
    if (source->prefix_fd >= 0)
        close(source->prefix_fd);
    free(source->prefix);
    glob_free(&source->glob);
}

/* A prefix may be a link to where no set may reach. */
static bool is_forbidden(const char *prefix)
{
    for (const char *const *place = set_forbidden_places; *place; place++)
        if (is_beneath(prefix, *place, strlen(*place)))
            return true;
    return false;
}

/* 1: there is something to walk, 0: there is not, -errno. */
static int open_source(struct walk *walk, uint32_t set, const char *text, struct source *source)
{
    char *literal = NULL;
    const char *why;
    int error;

    *source = (struct source){.set = set, .prefix_fd = -1};
    error = glob_compile(text, &source->glob, &why);
    if (!error)
        error = open_prefix(walk->place, source);
    if (!error && is_forbidden(source->prefix))
        error = -EPERM;
    if (!error)
        return 1;
    if (error != -ENOENT && error != -ENOTDIR && error != -ENOMEM) {
        literal = glob_prefix(&source->glob);
        report_unread(walk, literal ? literal : text, error, "no set can have files there");
        free(literal);
    }
    close_source(source);
    return error == -ENOMEM ? error : 0;
}

static int open_list(struct walk *walk, uint32_t set, const struct strings *texts,
                     struct source **sources, size_t *count)
{
    struct source *larger = realloc(*sources, (*count + texts->count + 1) * sizeof *larger);
    int some = 0;

    if (!larger)
        return -ENOMEM;
    *sources = larger;
    for (size_t i = 0; i < texts->count; i++) {
        some = open_source(walk, set, texts->items[i], &larger[*count]);
        if (some < 0)
            return some;
        *count += (size_t)some;
    }
    return 0;
}

/* Of a never the name of its prefix is all that is needed. */
static void close_never_prefixes(struct walk *walk)
{
    for (size_t i = 0; i < walk->never_count; i++) {
        close(walk->nevers[i].prefix_fd);
        walk->nevers[i].prefix_fd = -1;
    }
}

static int open_sources(struct walk *walk, const struct sets *sets)
{
    int error = 0;

    for (size_t i = 0; i < sets->count && !error; i++) {
        const struct set *set = &sets->items[i];

        error = open_list(walk, (uint32_t)i, &set->never, &walk->nevers, &walk->never_count);
        if (!error && set->present)
            error = open_list(walk, (uint32_t)i, &set->paths, &walk->sources, &walk->source_count);
    }
    close_never_prefixes(walk);
    return error;
}

static int compare_sources(const void *a, const void *b)
{
    const struct source *x = a, *y = b;
    int order = path_compare(x->prefix, y->prefix);

    return order ? order : (x->set > y->set) - (x->set < y->set);
}

/* One node a source, in the order of the sources. */
static struct node **push_roots(struct walk *walk)
{
    struct node **roots = calloc(walk->source_count + 1, sizeof *roots);

    for (size_t i = walk->source_count; roots && i-- > 0;) {
        const struct source *source = &walk->sources[i];
        struct node *node =
            new_node(source, source->prefix, glob_state(&source->glob, source->glob.prefix));

        if (!node) {
            walk->error = -ENOMEM;
            break;
        }
        node->waiting = walk->stack;
        walk->stack = roots[i] = node;
    }
    if (!roots)
        walk->error = -ENOMEM;
    return roots;
}

static size_t count_listed(const struct node *node)
{
    size_t count = 0;

    for (size_t i = 0; node && i < node->count; i++)
        count += node->items[i].listed + count_listed(node->items[i].child);
    return count;
}

static struct entry **list_node(const struct node *node, struct entry **out)
{
    for (size_t i = 0; node && i < node->count; i++) {
        if (node->items[i].listed)
            *out++ = &node->items[i].entry;
        out = list_node(node->items[i].child, out);
    }
    return out;
}

static void free_node(struct node *node)
{
    if (!node)
        return;
    for (size_t i = 0; i < node->count; i++)
        free_node(node->items[i].child);
    free(node->items);
    free(node);
}

static bool comes_before(const struct entry *a, const struct entry *b)
{
    int order = path_compare(a->path, b->path);

    return order < 0 || (order == 0 && a->set <= b->set);
}

static size_t run_end(struct entry **entries, size_t from, size_t count)
{
    size_t end = from + 1;

    while (end < count && comes_before(entries[end - 1], entries[end]))
        end++;
    return end;
}

static void merge_runs(struct entry **from, size_t middle, size_t end, struct entry **to)
{
    size_t a = 0, b = middle;

    for (size_t i = 0; i < end; i++)
        to[i] = b == end || (a < middle && comes_before(from[a], from[b])) ? from[a++] : from[b++];
}

/* A natural merge sort: what is in order already, as all of one glob is, costs one comparison. */
static struct entry **sort_entries(struct entry **entries, struct entry **spare, size_t count)
{
    for (;;) {
        size_t at = 0, runs = 0;
        struct entry **swap;

        while (at < count) {
            size_t middle = run_end(entries, at, count);
            size_t end = middle < count ? run_end(entries, middle, count) : middle;

            if (at == 0 && middle == count)
                return entries;
            merge_runs(entries + at, middle - at, end - at, spare + at);
            at = end;
            runs++;
        }
        swap = entries;
        entries = spare;
        spare = swap;
        if (runs <= 1)
            return entries;
    }
}

/* Copies what was found, in order, each path once, into the inventory. */
static int gather(struct walk *walk, struct node **roots)
{
    struct entry **list, **out, **sorted;
    size_t count = 0, kept = 0;

    for (size_t i = 0; i < walk->source_count; i++)
        count += count_listed(roots[i]);
    list = out = malloc((2 * count + 1) * sizeof *list);
    walk->inventory->entries = arena_alloc(walk->inventory->arena, (count + 1) * sizeof **list);
    if (!list || !walk->inventory->entries) {
        free(list);
        return -ENOMEM;
    }
    for (size_t i = 0; i < walk->source_count; i++)
        out = list_node(roots[i], out);
    sorted = sort_entries(list, list + count, count);
    for (size_t i = 0; i < count; i++)
        if (!i || strcmp(sorted[i - 1]->path, sorted[i]->path) != 0)
            walk->inventory->entries[kept++] = *sorted[i];
    walk->inventory->count = kept;
    free(list);
    return 0;
}

static void find_own_state(struct walk *walk)
{
    int fd = place_openat(walk->place, STATE_DIR, O_PATH | O_DIRECTORY, 0, true);
    struct stat st;

    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0) {
        walk->state_dev = st.st_dev;
        walk->state_ino = st.st_ino;
    }
    close(fd);
}

static void walk_free(struct walk *walk, struct node **roots)
{
    for (size_t i = 0; roots && i < walk->source_count; i++)
        free_node(roots[i]);
    free(roots);
    for (size_t i = 0; i < walk->source_count; i++)
        close_source(&walk->sources[i]);
    for (size_t i = 0; i < walk->never_count; i++)
        close_source(&walk->nevers[i]);
    free(walk->sources);
    free(walk->nevers);
    pthread_mutex_destroy(&walk->lock);
    pthread_cond_destroy(&walk->more);
}

int walk_sets(const struct place *place, const struct sets *sets, struct inventory *inventory,
              struct diag *diag)
{
    struct walk walk = {.place = place,
                        .inventory = inventory,
                        .diag = diag,
                        .lock = PTHREAD_MUTEX_INITIALIZER,
                        .more = PTHREAD_COND_INITIALIZER};
    struct node **roots = NULL;

    find_own_state(&walk);
    walk.error = open_sources(&walk, sets);
    if (!walk.error) {
        if (walk.source_count)
            qsort(walk.sources, walk.source_count, sizeof *walk.sources, compare_sources);
        roots = push_roots(&walk);
    }
    if (!walk.error)
        work_together(&walk);
    if (!walk.error)
        walk.error = gather(&walk, roots);
    walk_free(&walk, roots);
    return walk.error;
}
