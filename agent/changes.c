#include "changes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena.h"
#include "kernel.h"
#include "scope.h"

/* What lies beneath `from` in the good generation is reached beneath `to` today. */
struct link {
    const char *from;
    char *to;
};

/* One comparison of what stands with what is good. */
struct comparing {
    const struct place *place;
    const struct sets *sets;
    const struct inventory *good;
    struct changes *changes;
    struct diag *diag;
    bool *known;                      /* by set of `good`: the set is defined today */
    const struct entry **partner;     /* by entry of now: the good one, or NULL */
    struct reach reached, seen, away; /* today; by the good generation; of it, not mounted now */
    struct link *links;
    size_t link_count, room;
    struct kernel kernel;
};

static enum change_doubt doubt_of(const struct comparing *comparing, const char *path,
                                  const struct entry *now, const struct entry *good)
{
    bool directory = (now ? now : good)->type == ENTRY_DIR;

    if (reach_lists(&comparing->away, good ? good->path : path, directory))
        return DOUBT_AWAY;
    if (kernel_is_other(&comparing->kernel, path))
        return DOUBT_KERNEL;
    /* carried over from where the generation's boot did not look, and nor can anybody now */
    if (!now && comparing->good->scoped && !reach_lists(&comparing->seen, good->path, directory))
        return DOUBT_AWAY;
    /* of a manifest that does not say where it looked nothing is seen */
    if (!good && (inventory_is_blind(comparing->good, path) ||
                  !reach_lists(&comparing->seen, path, directory)))
        return DOUBT_UNSEEN;
    return DOUBT_NONE;
}

static int add_change(struct comparing *comparing, const char *path, const struct entry *now,
                      const struct entry *good, enum change_doubt doubt)
{
    struct changes *changes = comparing->changes;
    const struct inventory *inventory = now ? &changes->now : comparing->good;
    const struct entry *entry = now ? now : good;

    if (changes->count == comparing->room) {
        size_t room = comparing->room ? 2 * comparing->room : 64;
        struct change *larger = realloc(changes->items, room * sizeof *larger);

        if (!larger)
            return -ENOMEM;
        changes->items = larger;
        comparing->room = room;
    }
    changes->items[changes->count++] = (struct change){
        .kind = !good ? CHANGE_ADDED
                : now ? CHANGE_ALTERED
                      : CHANGE_GONE,
        .doubt = doubt ? doubt : doubt_of(comparing, path, now, good),
        .path = path,
        .now = now,
        .good = good,
        .set_name = inventory->set_names[entry->set],
        .set_class = inventory->set_classes[entry->set],
        .never = entry->never || (good && good->never),
    };
    return 0;
}

/* What the stat says already decides, where nothing need be read. */
static bool differs_at_sight(const struct entry *now, const struct entry *good)
{
    if (now->type != good->type || now->mode != good->mode || now->uid != good->uid ||
        now->gid != good->gid || now->size != good->size)
        return true;
    return now->type == ENTRY_LINK && strcmp(now->target, good->target) != 0;
}

/*
 * 1: altered, 0: not, -errno. Of a file that was listed without its content the stat is all that is
 * known: an installation of the same again, or a label, moves inode and ctime; whoever writes into
 * it moves mtime.
 */
static int is_altered(struct comparing *comparing, struct entry *now, const struct entry *good,
                      enum change_doubt *doubt)
{
    int error;

    if (entry_same_identity(now, good))
        return 0;
    if (differs_at_sight(now, good))
        return 1;
    if (now->type == ENTRY_LINK || now->type == ENTRY_OTHER)
        return 0;
    if (!good->hashed) {
        *doubt = now->mtime_ns == good->mtime_ns ? DOUBT_UNKEPT : DOUBT_NONE;
        return now->type == ENTRY_FILE;
    }
    error = entry_hash(comparing->place, &comparing->changes->now, now);
    comparing->changes->hashed++;
    diag_progress(comparing->diag, "reading changed files", comparing->changes->hashed, 0);
    if (error == -ENOMEM)
        return error;
    if (error) {
        diag_report(comparing->diag, DIAG_WARNING,
                    "%s: cannot be read: %s; it is taken for altered", now->path, strerror(-error));
        return 1;
    }
    return !entry_same_content(now, good);
}

static int compare_pair(struct comparing *comparing, struct entry *now, const struct entry *good)
{
    enum change_doubt doubt = DOUBT_NONE;
    int altered = is_altered(comparing, now, good, &doubt);

    return altered > 0 ? add_change(comparing, now->path, now, good, doubt) : altered;
}

/* It is there, and the paths of its set do not lead to it any more. A directory where there was
 * none is another matter: '*' lists no directory. */
static bool stands(const struct place *place, const char *path, const struct entry *good)
{
    int fd = place_openat(place, path, O_PATH | O_NOFOLLOW, 0, false);
    struct stat st;
    bool there = fd >= 0 && fstat(fd, &st) == 0;

    if (fd >= 0)
        close(fd);
    return there && (!S_ISDIR(st.st_mode) || good->type == ENTRY_DIR);
}

static int compare_gone(struct comparing *comparing, const char *path, const struct entry *good)
{
    if (!comparing->known[good->set] || inventory_is_blind(&comparing->changes->now, path) ||
        stands(comparing->place, path, good))
        return 0;
    return add_change(comparing, path, NULL, good, DOUBT_NONE);
}

/* ---- where links lead ---- */

/* By which `good` is reached today, or NULL where its own name is, or nothing else is known. */
static const struct link *link_today(const struct comparing *comparing, const struct entry *good)
{
    const struct link *best = NULL;

    if (reach_lists(&comparing->reached, good->path, good->type == ENTRY_DIR))
        return NULL;
    for (size_t i = 0; i < comparing->link_count; i++) {
        const struct link *link = &comparing->links[i];

        if (scope_is_beneath(good->path, link->from) &&
            (!best || strlen(link->from) > strlen(best->from)))
            best = link;
    }
    return best;
}

/* NULL: no memory. */
static char *path_through(struct comparing *comparing, const struct link *link, const char *path)
{
    size_t to = strlen(link->to), from = strlen(link->from), rest = strlen(path + from) + 1;
    char *through = arena_alloc(comparing->changes->now.arena, to + rest);

    if (!through)
        return NULL;
    memcpy(through, link->to, to);
    memcpy(through + to, path + from, rest);
    return through;
}

static bool is_directory(const struct place *place, const char *path, bool follow)
{
    int fd = place_openat(place, *path ? path : "/", O_PATH | O_DIRECTORY, 0, follow);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* A link that is broken or gone takes nothing away from where it led. */
static bool is_broken(const struct comparing *comparing, const struct link *link)
{
    return !is_directory(comparing->place, link->to, true) &&
           is_directory(comparing->place, link->from, false);
}

/* No entry stands under its own name. */
static int compare_unmatched(struct comparing *comparing, const struct entry *good)
{
    const struct inventory *now = &comparing->changes->now;
    const struct link *link = link_today(comparing, good);
    const struct entry *found;
    const char *path;

    if (!link || is_broken(comparing, link))
        return compare_gone(comparing, good->path, good);
    path = path_through(comparing, link, good->path);
    if (!path)
        return -ENOMEM;
    if (inventory_find(comparing->good,
                       path)) /* both names were in use, and that one is compared */
        return 0;
    found = inventory_find(now, path);
    if (!found)
        return compare_gone(comparing, path, good);
    comparing->partner[found - now->entries] = good;
    return 0;
}

static int add_link(struct comparing *comparing, const char *from, const char *to)
{
    struct link *larger;

    if (strcmp(from, to) == 0)
        return 0;
    larger = realloc(comparing->links, (comparing->link_count + 1) * sizeof *larger);
    if (!larger)
        return -ENOMEM;
    comparing->links = larger;
    larger[comparing->link_count] = (struct link){.from = from, .to = strdup(to)};
    return larger[comparing->link_count++].to ? 0 : -ENOMEM;
}

/* Where the same glob of the same set leads today, it would have been seen. */
static int find_twins(struct comparing *comparing, const struct scope *scope)
{
    const struct inventory *now = &comparing->changes->now, *good = comparing->good;
    int error = 0;

    for (size_t i = 0; i < now->scope_count && !error; i++) {
        const struct scope *twin = &now->scopes[i];

        if (strcmp(twin->glob, scope->glob) != 0 || strcmp(twin->prefix, scope->prefix) == 0 ||
            strcmp(now->set_names[twin->set], good->set_names[scope->set]) != 0)
            continue;
        error = reach_add(&comparing->seen, twin->glob, twin->prefix);
        if (!error)
            error = add_link(comparing, scope->prefix, twin->prefix);
    }
    return error;
}

static int find_scope(struct comparing *comparing, const struct scope *scope)
{
    bool apart = scope->apart;
    char *prefix = NULL;
    int error =
        scope_follow(comparing->place, *scope->prefix ? scope->prefix : "/", &prefix, &apart);

    if (error == -ENOMEM)
        return error;
    /* what a mount brought was not there to be looked at */
    error = apart && !scope->apart ? 0 : reach_add(&comparing->seen, scope->glob, scope->prefix);
    if (!error && scope->apart && !apart)
        error = reach_add(&comparing->away, scope->glob, scope->prefix);
    if (!error)
        error = find_twins(comparing, scope);
    if (!error && prefix)
        error = add_link(comparing, scope->prefix, prefix);
    free(prefix);
    return error;
}

/* What a set names today through a link may have been listed before that was one. */
static int find_link(struct comparing *comparing, const struct scope *scope, char **literal)
{
    struct glob glob;
    const char *why;
    int error = glob_compile(scope->glob, &glob, &why);

    if (error)
        return error == -ENOMEM ? error : 0;
    *literal = glob_prefix(&glob);
    glob_free(&glob);
    if (!*literal)
        return -ENOMEM;
    return strcmp(*literal, "/") == 0 ? 0 : add_link(comparing, *literal, scope->prefix);
}

static int find_reaches(struct comparing *comparing, char **literals)
{
    const struct inventory *now = &comparing->changes->now, *good = comparing->good;
    int error = 0;

    for (size_t i = 0; i < good->scope_count && !error; i++)
        error = find_scope(comparing, &good->scopes[i]);
    for (size_t i = 0; i < now->scope_count && !error; i++) {
        error = reach_add(&comparing->reached, now->scopes[i].glob, now->scopes[i].prefix);
        if (!error)
            error = find_link(comparing, &now->scopes[i], &literals[i]);
    }
    return error;
}

/* ---- all of it ---- */

/* Nearly all are the same, and that is told fastest. */
static int order_of(const char *a, const char *b)
{
    return strcmp(a, b) == 0 ? 0 : path_compare(a, b);
}

/* Finds the partners, and what is gone. */
static int compare_good(struct comparing *comparing)
{
    const struct inventory *now = &comparing->changes->now, *good = comparing->good;
    size_t n = 0;
    int error = 0;

    for (size_t g = 0; g < good->count && !error; g++) {
        int order = 1;

        while (n < now->count &&
               (order = order_of(now->entries[n].path, good->entries[g].path)) < 0)
            n++;
        if (n < now->count && order == 0)
            comparing->partner[n++] = &good->entries[g];
        else
            error = compare_unmatched(comparing, &good->entries[g]);
    }
    return error;
}

static int compare_now(struct comparing *comparing)
{
    struct inventory *now = &comparing->changes->now;
    int error = 0;

    for (size_t n = 0; n < now->count && !error; n++) {
        struct entry *entry = &now->entries[n];
        const struct entry *good = comparing->partner[n];

        error = good ? compare_pair(comparing, entry, good)
                     : add_change(comparing, entry->path, entry, NULL, DOUBT_NONE);
    }
    return error;
}

static int compare_paths(const void *a, const void *b)
{
    return path_compare(((const struct change *)a)->path, ((const struct change *)b)->path);
}

static int compare_all(struct comparing *comparing)
{
    int error = compare_good(comparing);

    if (!error)
        error = compare_now(comparing);
    if (!error && comparing->changes->count > 1)
        qsort(comparing->changes->items, comparing->changes->count,
              sizeof *comparing->changes->items, compare_paths);
    return error;
}

static bool *known_sets(const struct sets *sets, const struct inventory *good)
{
    bool *known = calloc(good->set_count + 1, sizeof *known);

    for (size_t i = 0; known && i < good->set_count; i++)
        known[i] = sets_find(sets, good->set_names[i]) >= 0;
    return known;
}

static int compare(struct comparing *comparing)
{
    const struct inventory *now = &comparing->changes->now;
    char **literals = calloc(now->scope_count + 1, sizeof *literals);
    int error = -ENOMEM;

    comparing->known = known_sets(comparing->sets, comparing->good);
    comparing->partner = calloc(now->count + 1, sizeof *comparing->partner);
    if (literals && comparing->known && comparing->partner)
        error = find_reaches(comparing, literals);
    if (!error)
        error = compare_all(comparing);
    for (size_t i = 0; literals && i < now->scope_count; i++)
        free(literals[i]);
    free(literals);
    return error;
}

static void comparing_free(struct comparing *comparing)
{
    reach_free(&comparing->reached);
    reach_free(&comparing->seen);
    reach_free(&comparing->away);
    kernel_free(&comparing->kernel);
    for (size_t i = 0; i < comparing->link_count; i++)
        free(comparing->links[i].to);
    free(comparing->links);
    free(comparing->partner);
    free(comparing->known);
}

int changes_probe(const struct place *place, const struct sets *sets, const struct inventory *good,
                  struct changes *changes, struct diag *diag)
{
    struct changes found = {0};
    struct comparing comparing = {
        .place = place, .sets = sets, .good = good, .changes = &found, .diag = diag};
    struct sets looked;
    int error = sets_with_good(sets, good, &looked);

    if (!error) {
        error = inventory_take(place, &looked, &found.now, diag);
        free(looked.items);
    }
    if (error)
        return error;
    kernel_probe(place, &comparing.kernel);
    error = kernel_add_links(place, &comparing.kernel, &found.now);
    if (!error)
        error = kernel_add_links(place, &comparing.kernel, good);
    if (!error)
        error = compare(&comparing);
    diag_progress(diag, "reading changed files", 1, 1);
    comparing_free(&comparing);
    if (error) {
        changes_free(&found);
        return error;
    }
    *changes = found;
    return 0;
}

static struct doubtful *doubtful_of(struct doubtful *list, size_t *count,
                                    const struct change *change)
{
    struct doubtful *end = list + *count;

    for (; list < end; list++)
        if (list->doubt == change->doubt && strcmp(list->set_name, change->set_name) == 0)
            return list;
    *end = (struct doubtful){.set_name = change->set_name, .doubt = change->doubt};
    ++*count;
    return end;
}

int changes_doubtful(const struct changes *changes, struct doubtful **doubtful, size_t *count)
{
    struct doubtful *list = NULL;
    size_t made = 0, room = 0;

    for (size_t i = 0; i < changes->count; i++) {
        const struct change *change = &changes->items[i];

        if (!change->doubt || change->never)
            continue;
        if (made == room) {
            struct doubtful *larger = realloc(list, (2 * room + 8) * sizeof *larger);

            if (!larger) {
                free(list);
                return -ENOMEM;
            }
            list = larger;
            room = 2 * room + 8;
        }
        doubtful_of(list, &made, change)->count++;
    }
    *doubtful = list;
    *count = made;
    return 0;
}

const char *change_path(const struct change *change)
{
    return change->path;
}

void changes_free(struct changes *changes)
{
    free(changes->items);
    inventory_free(&changes->now);
    *changes = (struct changes){0};
}
