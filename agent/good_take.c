/*
 * good_take(): probe what stands, decide the fate of each entry, read and keep, compose, write.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "awake.h"
#include "good.h"
#include "good_files.h"
#include "good_wounds.h"
#include "json.h"
#include "kernel.h"
#include "scope.h"
#include "soak.h"
#include "store.h"

#define THREADS_MAX 4

enum fate {
    FATE_SAME = 0, /* as the newest generation has it, kept already */
    FATE_KEEP,     /* proven: read, content into the store */
    FATE_LIST,     /* listed unread: never touched, no file, unreadable, or over its set's limit */
    FATE_CARRY,    /* not proven, of another kernel, or of a wounded set: the newest generation's
                      entry, if any */
};

struct taking {
    const struct place *place;
    const struct sets *sets;
    const struct inventory *started; /* or NULL */
    struct inventory newest;         /* without entries where there is none */
    struct inventory now;
    const struct entry **former; /* by entry of now: the newest generation's, or NULL */
    bool *proven;                /* by entry of now */
    enum fate *fates;            /* by entry of now */
    bool *over;                  /* by set: over its max-size */
    struct kernel kernel;        /* whose modules this boot can prove */
    struct reach away;           /* of newest: not mounted now, and nothing stands there */
    struct wounds wounds;        /* what recoveries took out of the sets of now */
    struct inventory made;       /* borrows all strings from newest and now */
    struct good_result result;
    struct diag *diag;
};

/* ---- probe ---- */

/* For each entry of `now`, the entry of `other` with its path. */
static void match(const struct inventory *now, const struct inventory *other,
                  const struct entry **matches)
{
    size_t o = 0;

    for (size_t i = 0; i < now->count; i++) {
        int order = 1;

        while (o < other->count &&
               (order = path_compare(other->entries[o].path, now->entries[i].path)) < 0)
            o++;
        matches[i] = o < other->count && order == 0 ? &other->entries[o] : NULL;
    }
}

static int prove_by_start(struct taking *taking)
{
    const struct entry **start = calloc(taking->now.count + 1, sizeof *start);

    if (!start)
        return -ENOMEM;
    if (taking->started)
        match(&taking->now, taking->started, start);
    for (size_t i = 0; i < taking->now.count; i++)
        taking->proven[i] = !taking->started ||
                            (start[i] && entry_same_identity(start[i], &taking->now.entries[i]));
    free(start);
    return 0;
}

/* Within the running system alone: elsewhere nothing is in use. */
static int prove_by_soak(struct taking *taking)
{
    uint64_t *wanted;
    int run, error;

    if (!taking->started || !taking->place->live)
        return 0;
    wanted = calloc(taking->now.count + 1, sizeof *wanted);
    if (!wanted)
        return -ENOMEM;
    for (size_t i = 0; i < taking->now.count; i++)
        if (!taking->proven[i])
            wanted[i] = taking->sets->items[taking->now.entries[i].set].soak;
    run = place_openat(taking->place, RUN_DIR, O_RDONLY | O_DIRECTORY, 0, true);
    error = run < 0 ? run
                    : soak_update(run, &taking->now, wanted, awake_us() / 1000000, taking->proven);
    if (error)
        diag_report(taking->diag, DIAG_WARNING,
                    RUN_DIR "/" SOAK_NAME ": %s; files that arrived in this boot wait for the next",
                    strerror(-error));
    if (run >= 0)
        close(run);
    free(wanted);
    return error == -ENOMEM ? error : 0;
}

static void find_sets_over(struct taking *taking, uint64_t *sums)
{
    for (size_t i = 0; i < taking->now.count; i++)
        if (!taking->now.entries[i].never)
            sums[taking->now.entries[i].set] += taking->now.entries[i].size;
    for (size_t i = 0; i < taking->sets->count; i++) {
        const struct set *set = &taking->sets->items[i];

        taking->over[i] = sums[i] > set->max_size;
        if (taking->over[i])
            diag_report(
                taking->diag, DIAG_WARNING,
                "set %s holds %llu MiB, over its max-size of %llu MiB: its new contents are "
                "not kept; raise max-size in %s",
                set->name, (unsigned long long)(sums[i] >> 20),
                (unsigned long long)(set->max_size >> 20), set->file);
    }
}

static int probe_wounds(struct taking *taking)
{
    const struct standing standing = {.now = &taking->now,
                                      .newest = &taking->newest,
                                      .former = taking->former,
                                      .proven = taking->proven,
                                      .by_hand = !taking->started};
    int error = wounds_find(&taking->wounds, taking->place, &standing, taking->diag);

    taking->result.lost = taking->wounds.lost.count;
    return error;
}

/* 1: what the newest generation has of it lies on a file system that is not mounted; 0, -ENOMEM. */
static int is_away(const struct taking *taking, const struct scope *scope)
{
    bool apart = scope->apart;
    char *prefix = NULL;
    int error;

    if (!scope->apart || !taking->started)
        return 0;
    error = scope_follow(taking->place, *scope->prefix ? scope->prefix : "/", &prefix, &apart);
    free(prefix);
    if (error == -ENOMEM)
        return error;
    return !apart && scope_lists_any(scope, &taking->newest) &&
           !scope_lists_any(scope, &taking->now);
}

static int find_away(struct taking *taking)
{
    for (size_t i = 0; i < taking->newest.scope_count; i++) {
        const struct scope *scope = &taking->newest.scopes[i];
        int away = is_away(taking, scope);

        if (away > 0)
            away = reach_add(&taking->away, scope->glob, scope->prefix);
        if (away < 0)
            return away;
    }
    if (taking->away.count)
        diag_report(taking->diag, DIAG_WARNING,
                    "%s: its file system is not mounted, and nothing is there: what was good of it "
                    "stays so. If it is to stay like this: backstop good take --now",
                    taking->away.items[0].prefix);
    return 0;
}

/* For all of them a person vouches; and the first generation takes what stands, since nobody knows
 * what other kernels ran with: it would be added in a boot of theirs. */
static int probe_kernel(struct taking *taking)
{
    int error;

    if (!taking->started || !taking->newest.generation)
        return 0;
    kernel_probe(taking->place, &taking->kernel);
    error = kernel_add_links(taking->place, &taking->kernel, &taking->now);
    return error ? error : kernel_add_links(taking->place, &taking->kernel, &taking->newest);
}

static int probe_now(struct taking *taking)
{
    struct sets looked;
    int error = sets_with_good(taking->sets, &taking->newest, &looked);

    if (error)
        return error;
    error = inventory_take(taking->place, &looked, &taking->now, taking->diag);
    free(looked.items);
    return error;
}

static int probe(struct taking *taking)
{
    uint64_t *sums = NULL;
    size_t count;
    int error = good_load_newest(taking->place, &taking->newest, taking->diag);

    if (error && error != -ENOENT)
        return error;
    error = probe_now(taking);
    if (error)
        return error;
    count = taking->now.count + 1;
    taking->former = calloc(count, sizeof *taking->former);
    taking->proven = calloc(count, sizeof *taking->proven);
    taking->fates = calloc(count, sizeof *taking->fates);
    taking->over = calloc(taking->sets->count + 1, sizeof *taking->over);
    sums = calloc(taking->sets->count + 1, sizeof *sums);
    if (!taking->former || !taking->proven || !taking->fates || !taking->over || !sums) {
        free(sums);
        return -ENOMEM;
    }
    match(&taking->now, &taking->newest, taking->former);
    error = probe_kernel(taking);
    if (!error)
        error = find_away(taking);
    if (error) {
        free(sums);
        return error;
    }
    find_sets_over(taking, sums);
    free(sums);
    error = prove_by_start(taking);
    if (!error)
        error = prove_by_soak(taking);
    return error ? error : probe_wounds(taking);
}

/* ---- decide ---- */

static bool is_kept(const struct taking *taking, const struct entry *entry)
{
    return entry->hashed &&
           (entry->type != ENTRY_FILE || store_has(taking->place, entry->sha256, entry->size));
}

/*
 * A module of another kernel that came since, to be kept so that a fall back to that kernel does
 * not lose it: of a kernel whose modules are good already, and the same that the running kernel has
 * proved. Of a kernel that is new all wait for a good boot of its own.
 */
static bool is_vouched_for(const struct taking *taking, const struct entry *entry)
{
    const struct inventory *now = &taking->now;

    if (!kernel_is_known(&taking->newest, entry->path))
        return false;
    for (size_t i = 0; i < now->count; i++)
        if (taking->proven[i] && !kernel_is_other(&taking->kernel, now->entries[i].path) &&
            kernel_same_module(now->entries[i].path, entry->path))
            return true;
    return false;
}

static bool waits_for_its_kernel(const struct taking *taking, size_t i)
{
    const struct entry *former = taking->former[i], *entry = &taking->now.entries[i];

    return kernel_is_other(&taking->kernel, entry->path) &&
           (former ? !entry_same_identity(former, entry) : !is_vouched_for(taking, entry));
}

static enum fate decide_fate(const struct taking *taking, size_t i)
{
    const struct entry *entry = &taking->now.entries[i], *former = taking->former[i];

    if (entry->type == ENTRY_OTHER || entry->never)
        return FATE_LIST;
    if (former && entry_same_identity(former, entry) && is_kept(taking, former))
        return FATE_SAME;
    if (!taking->proven[i] || taking->wounds.sets[entry->set] || waits_for_its_kernel(taking, i))
        return FATE_CARRY;
    /* over the limit its former version is not good any more: this one has proved so since */
    return entry->type == ENTRY_FILE && taking->over[entry->set] ? FATE_LIST : FATE_KEEP;
}

/* ---- read and keep ---- */

struct reading {
    struct taking *taking;
    uint64_t total; /* bytes to read */
    atomic_size_t next;
    atomic_ullong done;
    atomic_int error;     /* the first that ends it all */
    pthread_mutex_t lock; /* of diag */
};

/* Of the store or of memory, so no other file would fare better. */
static bool ends_it_all(int error)
{
    return error == -ENOSPC || error == -EDQUOT || error == -ENOMEM || error == -EROFS ||
           error == -EMFILE || error == -ENFILE || error == -EOPNOTSUPP;
}

static void read_one(struct reading *reading, size_t i)
{
    struct taking *taking = reading->taking;
    struct entry *entry = &taking->now.entries[i];
    int error = entry_keep(taking->place, &taking->now, entry, store_put);

    if (!error) {
        atomic_fetch_add(&reading->done, entry->size);
    } else if (ends_it_all(error)) {
        int none = 0;

        atomic_compare_exchange_strong(&reading->error, &none, error);
    } else if (error == -ESTALE || error == -ENOENT) { /* it changed this moment */
        taking->fates[i] = FATE_CARRY;
    } else {
        /* without a former version it is listed, or it would pass for added later */
        taking->fates[i] = taking->former[i] ? FATE_CARRY : FATE_LIST;
        pthread_mutex_lock(&reading->lock);
        diag_report(taking->diag, DIAG_WARNING, "%s: cannot be read: %s; %s", entry->path,
                    strerror(-error),
                    taking->former[i] ? "its former version stays" : "it is not kept");
        pthread_mutex_unlock(&reading->lock);
    }
}

static void *read_some(void *argument)
{
    struct reading *reading = argument;
    struct taking *taking = reading->taking;
    size_t i;

    while (!atomic_load(&reading->error) &&
           (i = atomic_fetch_add(&reading->next, 1)) < taking->now.count)
        if (taking->fates[i] == FATE_KEEP) {
            read_one(reading, i);
            pthread_mutex_lock(&reading->lock);
            diag_progress(taking->diag, "keeping the good files", atomic_load(&reading->done),
                          reading->total);
            pthread_mutex_unlock(&reading->lock);
        }
    return NULL;
}

static int read_all(struct taking *taking)
{
    struct reading reading = {.taking = taking, .lock = PTHREAD_MUTEX_INITIALIZER};
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    pthread_t threads[THREADS_MAX - 1];
    size_t jobs = 0, started = 0;

    for (size_t i = 0; i < taking->now.count; i++) {
        taking->fates[i] = decide_fate(taking, i);
        if (taking->fates[i] != FATE_KEEP)
            continue;
        reading.total += taking->now.entries[i].size;
        jobs++;
    }
    while (started < THREADS_MAX - 1 && (long)started + 1 < processors && started + 1 < jobs &&
           pthread_create(&threads[started], NULL, read_some, &reading) == 0)
        started++;
    read_some(&reading);
    while (started)
        pthread_join(threads[--started], NULL);
    diag_progress(taking->diag, "keeping the good files", 1, 1);
    pthread_mutex_destroy(&reading.lock);
    taking->result.bytes_stored = atomic_load(&reading.done);
    return atomic_load(&reading.error);
}

/* ---- compose ---- */

/* The sets of today, and after them those of the newest generation that are not among them. */
static int compose_sets(struct taking *taking)
{
    struct inventory *made = &taking->made;
    size_t most = taking->now.set_count + taking->newest.set_count + 1;

    made->set_names = calloc(most, sizeof *made->set_names);
    made->set_classes = calloc(most, 1);
    if (!made->set_names || !made->set_classes)
        return -ENOMEM;
    for (size_t i = 0; i < taking->now.set_count; i++) {
        made->set_names[i] = taking->now.set_names[i];
        made->set_classes[i] = taking->now.set_classes[i];
    }
    made->set_count = taking->now.set_count;
    for (size_t i = 0; i < taking->newest.set_count; i++) {
        if (inventory_set(made, taking->newest.set_names[i]) < made->set_count)
            continue;
        made->set_names[made->set_count] = taking->newest.set_names[i];
        made->set_classes[made->set_count++] = taking->newest.set_classes[i];
    }
    return 0;
}

static void add_former(struct taking *taking, const struct entry *former)
{
    struct entry *entry = &taking->made.entries[taking->made.count++];

    *entry = *former;
    entry->set = inventory_set(&taking->made, taking->newest.set_names[former->set]);
}

static bool same_but_identity(const struct entry *a, const struct entry *b)
{
    if (a->never != b->never || a->hashed != b->hashed)
        return false;
    return a->hashed ? entry_same_content(a, b) : entry_same_identity(a, b);
}

static void add_now(struct taking *taking, size_t i)
{
    struct entry *made = &taking->made.entries[taking->made.count++];
    const struct entry *former = taking->former[i];

    *made = taking->now.entries[i];
    if (taking->fates[i] == FATE_SAME) {
        *made = *former;
        made->set = taking->now.entries[i].set;
        made->dev = taking->now.entries[i].dev;
        made->nlink = taking->now.entries[i].nlink;
    } else if (!made->never && (!former || !same_but_identity(former, made))) {
        taking->result.promoted++;
    }
}

static bool is_bad_set(const struct sets *sets, const char *name)
{
    for (size_t i = 0; i < sets->bad.count; i++)
        if (strcmp(sets->bad.items[i], name) == 0)
            return true;
    return false;
}

/* The boot looked there when it started, as this generation does. */
static bool scope_is_proven(const struct taking *taking, const struct scope *scope)
{
    const struct inventory *started = taking->started;

    for (size_t i = 0; started && i < started->scope_count; i++)
        if (scope_same(&taking->now, scope, started, &started->scopes[i]))
            return true;
    return !started;
}

static bool scope_is_away(const struct taking *taking, const char *glob, const char *prefix)
{
    for (size_t i = 0; i < taking->newest.scope_count; i++) {
        const struct scope *scope = &taking->newest.scopes[i];

        for (size_t k = 0; k < taking->away.count; k++)
            if (taking->away.items[k].prefix == scope->prefix && strcmp(scope->glob, glob) == 0 &&
                strcmp(scope->prefix, prefix) == 0)
                return true;
    }
    return false;
}

static bool takes_scope(const struct taking *taking, const struct scope *scope)
{
    return !taking->wounds.sets[scope->set] && scope_is_proven(taking, scope) &&
           !scope_is_away(taking, scope->glob, scope->prefix);
}

/* Its entries are carried over, so what it says is still what they are. */
static bool carries_scope(const struct taking *taking, const struct scope *former)
{
    const char *name = taking->newest.set_names[former->set];
    uint32_t set = inventory_set(&taking->now, name);

    if (is_bad_set(taking->sets, name) || taking->wounds.sets[set] ||
        scope_is_away(taking, former->glob, former->prefix))
        return true;
    for (size_t i = 0; i < taking->now.scope_count; i++)
        if (taking->now.scopes[i].set == set &&
            strcmp(taking->now.scopes[i].glob, former->glob) == 0)
            return !takes_scope(taking, &taking->now.scopes[i]);
    return false;
}

static void add_unread(struct inventory *made, const struct inventory *from, const char *beneath)
{
    for (size_t i = 0; i < from->unread_count; i++)
        if (scope_is_beneath(from->unread[i], beneath))
            made->unread[made->unread_count++] = from->unread[i];
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_unread(struct inventory *made)
{
    size_t kept = 0;

    if (made->unread_count)
        qsort(made->unread, made->unread_count, sizeof *made->unread, compare_texts);
    for (size_t i = 0; i < made->unread_count; i++)
        if (!kept || strcmp(made->unread[kept - 1], made->unread[i]) != 0)
            made->unread[kept++] = made->unread[i];
    made->unread_count = kept;
}

/* Mounted after this boot began, or turned elsewhere: it has proved nothing of what is there. */
static void report_moved(const struct taking *taking, const struct scope *scope)
{
    const struct inventory *now = &taking->now, *started = taking->started;

    for (size_t i = 0; started && i < started->scope_count; i++) {
        const struct scope *then = &started->scopes[i];

        if (strcmp(then->glob, scope->glob) != 0 ||
            strcmp(started->set_names[then->set], now->set_names[scope->set]) != 0)
            continue;
        diag_report(taking->diag, DIAG_WARNING,
                    "set %s: %s was not there as it is now when this boot began (mounted later?): "
                    "what came with it is not kept",
                    now->set_names[scope->set], scope->prefix);
        return;
    }
}

/* Where this generation looked; compose_sets() came before. */
static int compose_scopes(struct taking *taking)
{
    const struct inventory *now = &taking->now, *newest = &taking->newest,
                           *started = taking->started;
    struct inventory *made = &taking->made;
    size_t unread = now->unread_count + (started ? started->unread_count : 0);

    made->scopes = calloc(now->scope_count + newest->scope_count + 1, sizeof *made->scopes);
    made->unread =
        calloc(unread + newest->scope_count * newest->unread_count + 1, sizeof *made->unread);
    if (!made->scopes || !made->unread)
        return -ENOMEM;
    for (size_t i = 0; i < now->scope_count; i++)
        if (takes_scope(taking, &now->scopes[i]))
            made->scopes[made->scope_count++] = now->scopes[i];
        else if (!scope_is_proven(taking, &now->scopes[i]))
            report_moved(taking, &now->scopes[i]);
    add_unread(made, now, "");
    if (started)
        add_unread(made, started, "");
    for (size_t i = 0; i < newest->scope_count; i++) {
        const struct scope *former = &newest->scopes[i];

        if (!carries_scope(taking, former))
            continue;
        made->scopes[made->scope_count] = *former;
        made->scopes[made->scope_count++].set = inventory_set(made, newest->set_names[former->set]);
        add_unread(made, newest, former->prefix);
    }
    sort_unread(made);
    made->scoped = true;
    return 0;
}

static void compose_standing(struct taking *taking, size_t i)
{
    switch (taking->fates[i]) {
    case FATE_SAME:
    case FATE_KEEP:
    case FATE_LIST:
        add_now(taking, i);
        return;
    case FATE_CARRY:
        if (kernel_is_other(&taking->kernel, taking->now.entries[i].path))
            taking->result.other_kernels +=
                !(taking->former[i] &&
                  entry_same_identity(taking->former[i], &taking->now.entries[i]));
        else
            taking->result.held_back += !taking->wounds.sets[taking->now.entries[i].set];
        if (taking->former[i])
            add_former(taking, taking->former[i]);
        return;
    }
}

/* Good until now, and not there: whether a boot has proven that the machine runs well without it.
 */
static void compose_gone(struct taking *taking, const struct entry *former)
{
    const char *set = taking->newest.set_names[former->set];
    bool unseen = is_bad_set(taking->sets, set) || inventory_is_blind(&taking->now, former->path) ||
                  reach_lists(&taking->away, former->path, former->type == ENTRY_DIR) ||
                  (kernel_is_other(&taking->kernel, former->path) &&
                   kernel_is_installed(taking->place, former->path));

    if (unseen || taking->wounds.sets[inventory_set(&taking->now, set)]) {
        add_former(taking, former);
    } else if (!former->never && taking->started &&
               (inventory_find(taking->started, former->path) ||
                inventory_is_blind(taking->started, former->path))) {
        taking->result.held_back++;
        add_former(taking, former);
    } else if (!former->never) {
        taking->result.promoted++;
    }
}

static int compose(struct taking *taking)
{
    const struct inventory *now = &taking->now, *newest = &taking->newest;
    size_t n = 0, g = 0;
    int error = compose_sets(taking);

    if (!error)
        error = compose_scopes(taking);
    if (error)
        return error;
    taking->made.entries = calloc(now->count + newest->count + 1, sizeof *taking->made.entries);
    if (!taking->made.entries)
        return -ENOMEM;
    while (n < now->count || g < newest->count) {
        int order = n == now->count ? 1
                    : g == newest->count
                        ? -1
                        : path_compare(now->entries[n].path, newest->entries[g].path);

        if (order > 0)
            compose_gone(taking, &newest->entries[g++]);
        if (order <= 0)
            compose_standing(taking, n++);
        if (order == 0)
            g++;
    }
    return 0;
}

/* ---- write ---- */

/* The next entry that is not one of those never touched, which come and go as they like. */
static const struct entry *next_touched(const struct inventory *inventory, size_t *at)
{
    while (*at < inventory->count && inventory->entries[*at].never)
        ++*at;
    return *at < inventory->count ? &inventory->entries[(*at)++] : NULL;
}

static bool same_lists(const struct taking *taking,
                       bool (*same)(const struct entry *a, const struct entry *b))
{
    const struct inventory *made = &taking->made, *newest = &taking->newest;
    size_t m = 0, n = 0;

    if (!newest->generation)
        return false;
    for (;;) {
        const struct entry *a = next_touched(made, &m), *b = next_touched(newest, &n);

        if (!a || !b)
            return a == b;
        if (strcmp(a->path, b->path) != 0 || !same(a, b) ||
            strcmp(made->set_names[a->set], newest->set_names[b->set]) != 0 ||
            made->set_classes[a->set] != newest->set_classes[b->set])
            return false;
    }
}

static bool same_scopes(const struct inventory *made, const struct inventory *newest)
{
    bool same = made->scoped == newest->scoped && made->scope_count == newest->scope_count &&
                made->unread_count == newest->unread_count;

    for (size_t i = 0; same && i < made->scope_count; i++)
        same = scope_same(made, &made->scopes[i], newest, &newest->scopes[i]);
    for (size_t i = 0; same && i < made->unread_count; i++)
        same = strcmp(made->unread[i], newest->unread[i]) == 0;
    return same;
}

/* Fail open: the generation stands without its record. */
static void note_good(const struct taking *taking)
{
    const struct good_result *result = &taking->result;
    struct json_object *record = journal_record("good", taking->made.boot, 0,
                                                taking->started ? "a boot proved it" : "by hand");
    bool whole = json_add_number(record, "generation", result->generation) &&
                 json_add_number(record, "promoted", result->promoted) &&
                 json_add_number(record, "held-back", result->held_back) &&
                 lost_describe(&taking->wounds.lost, record);
    int error = -ENOMEM;

    record = json_whole(whole, record);
    if (record)
        error = journal_append(taking->place, record);
    if (error)
        diag_report(taking->diag, DIAG_WARNING, STATE_DIR "/" JOURNAL_NAME ": %s",
                    strerror(-error));
}

static int write_generation(struct taking *taking, const struct policy *policy)
{
    struct inventory *made = &taking->made;
    int error = 0;

    taking->result.unchanged = same_lists(taking, same_but_identity);
    made->generation = taking->newest.generation;
    if (!taking->result.unchanged)
        error = good_next_number(taking->place, &made->generation);
    if (error)
        return error;
    if (!taking->result.unchanged || !same_lists(taking, entry_same_identity) ||
        !same_scopes(made, &taking->newest))
        error = good_write(taking->place, made, taking->diag);
    if (error)
        return error;
    taking->result.generation = made->generation;
    if (!taking->result.unchanged || taking->wounds.fewer)
        note_good(taking);
    if (taking->result.unchanged)
        return 0;
    error = good_prune(taking->place, policy->generations);
    if (!error) {
        long deleted = store_collect_locked(taking->place, taking->diag);

        error = deleted < 0 ? (int)deleted : 0;
    }
    if (error) /* the generation stands; what is left over goes with the next one */
        diag_report(taking->diag, DIAG_WARNING, "old generations could not be deleted: %s",
                    strerror(-error));
    return 0;
}

static int take(struct taking *taking, uint32_t boot, const struct policy *policy)
{
    int error = probe(taking);

    if (!error)
        error = read_all(taking);
    if (!error)
        error = compose(taking);
    if (!error)
        error = store_sync(taking->place);
    if (error)
        return error;
    taking->made.boot = boot;
    return write_generation(taking, policy);
}

static void taking_free(struct taking *taking)
{
    inventory_free(&taking->newest);
    inventory_free(&taking->now);
    free(taking->former);
    free(taking->proven);
    free(taking->fates);
    free(taking->over);
    wounds_free(&taking->wounds);
    reach_free(&taking->away);
    kernel_free(&taking->kernel);
    free(taking->made.entries);
    free(taking->made.set_names);
    free(taking->made.set_classes);
    free(taking->made.scopes);
    free(taking->made.unread);
}

int good_take(const struct place *place, const struct sets *sets, const struct inventory *started,
              uint32_t boot, const struct policy *policy, struct good_result *result,
              struct diag *diag)
{
    struct taking taking = {.place = place, .sets = sets, .started = started, .diag = diag};
    int lock = store_lock(place), error;

    if (lock < 0)
        return lock;
    store_discard(place);
    error = take(&taking, boot, policy);
    if (error) {
        diag_report(diag, DIAG_ERROR, "no good generation was taken: %s; the former ones stand%s",
                    strerror(-error),
                    error == -ENOSPC ? "; make room in " STATE_DIR " or lower max-size of sets"
                                     : "");
        store_discard(place);
        store_collect_locked(place, NULL);
    } else {
        *result = taking.result;
    }
    taking_free(&taking);
    close(lock);
    return error;
}
