/* quarantine.c - what lies there, and its release. See quarantine.h */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "io.h"
#include "quarantine.h"
#include "quarantine_item.h"

/* ---- list ---- */

static char *copy_of(const char *text, bool *failed)
{
    char *copy = text ? strdup(text) : NULL;
    *failed = *failed || (text && !copy);
    return copy;
}

static char *lies_at(const struct item *item, bool *failed)
{
    char *path = NULL;
    const char *slash = strrchr(item->held->held_at, '/');
    if (!item->lies)
        return copy_of(item->held->held_at, failed);
    if (asprintf(&path, "%.*s/%s", (int)(slash - item->held->held_at), item->held->held_at,
                 item->name) < 0) {
        *failed = true;
        return NULL;
    }
    return path;
}

static void quarantined_release(struct quarantined *one)
{
    free(one->path);
    free(one->held_at);
    free(one->set_name);
    free(one->sha256);
    free(one->replaced_by);
}

static int list_add(struct quarantine *list, const struct item *item)
{
    const struct held *held = item->held;
    bool failed = false;
    struct quarantined *items = realloc(list->items, (list->count + 1) * sizeof *items);
    if (!items)
        return -ENOMEM;
    list->items = items;
    items[list->count] = (struct quarantined){
        .case_number = held->case_number,
        .id = held->id,
        .path = copy_of(held->path, &failed),
        .held_at = lies_at(item, &failed),
        .set_name = copy_of(held->set_name, &failed),
        .state = held_state_string(item_state(item)),
        .sha256 = copy_of(held->sha256, &failed),
        .size = held->size,
        .replaced_by = copy_of(held->replaced_by, &failed),
        .generation = held->generation,
    };
    list->count++;
    return failed ? -ENOMEM : 0;
}

static int list_one(const struct place *place, struct quarantine *list,
                    struct quarantine_case *open, uint32_t id, struct diag *diag)
{
    struct item item;
    int err = item_open(place, open, id, &item, diag);
    if (err == 0 && !item_is_void(&item))
        err = list_add(list, &item);
    else if (err < 0 && err != -ENOMEM) {
        diag_report(diag, DIAG_WARNING,
                    STATE_DIR "/" QUARANTINE_NAME "/%u/%u: %s; the journal names it",
                    open->records.case_number, id, strerror(-err));
        err = 0;
    }
    item_close(&item);
    return err;
}

/* A number in decimal and no more; 0: it is not. */
static uint32_t number_in(const char *name)
{
    char *end;
    unsigned long number = *name >= '1' && *name <= '9' ? strtoul(name, &end, 10) : 0;
    return number > 0 && number <= UINT32_MAX && !*end ? (uint32_t)number : 0;
}

/* All names in dir_fd (closed) that are numbers; caller frees. Count, or -errno. */
static long numbers_of(int dir_fd, uint32_t **numbers)
{
    DIR *dir = dir_fd < 0 ? NULL : fdopendir(dir_fd);
    long count = 0;
    *numbers = NULL;
    if (!dir) {
        int err = dir_fd < 0 ? dir_fd : -errno;
        if (dir_fd >= 0)
            close(dir_fd);
        return err;
    }
    for (struct dirent *entry; count >= 0 && (entry = readdir(dir));) {
        uint32_t number = number_in(entry->d_name);
        uint32_t *more = number ? realloc(*numbers, ((size_t)count + 1) * sizeof *more) : NULL;
        if (number && !more)
            count = -ENOMEM;
        if (!more)
            continue;
        *numbers = more;
        more[count++] = number;
    }
    closedir(dir);
    return count;
}

/* A case that cannot be read hides no other. */
static int list_case(const struct place *place, struct quarantine *list, uint32_t case_number,
                     struct diag *diag)
{
    struct quarantine_case open;
    int err = case_open(place, case_number, &open);
    if (err < 0 && err != -ENOMEM) {
        diag_report(diag, DIAG_WARNING, STATE_DIR "/" QUARANTINE_NAME "/%u: %s", case_number,
                    strerror(-err));
        err = 0;
    }
    case_tell_damaged(&open, diag);
    for (size_t i = 0; err == 0 && i < open.records.count; i++)
        err = list_one(place, list, &open, open.records.items[i]->id, diag);
    case_close(&open);
    return err;
}

static int compare_items(const void *a, const void *b)
{
    const struct quarantined *x = a, *y = b;
    if (x->case_number != y->case_number)
        return x->case_number < y->case_number ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

int quarantine_list(const struct place *place, struct quarantine *quarantine, struct diag *diag)
{
    struct quarantine list = {0};
    uint32_t *cases;
    int err = 0;
    int fd = place->state_fd < 0 ? -ENOENT
                                 : openat(place->state_fd, QUARANTINE_NAME,
                                          O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    long count = numbers_of(fd < 0 && fd != -ENOENT ? -errno : fd, &cases);
    if (count == -ENOENT)
        count = 0;
    for (long i = 0; err == 0 && i < count; i++)
        err = list_case(place, &list, cases[i], diag);
    free(cases);
    if (count < 0)
        err = (int)count;
    if (err < 0) {
        quarantine_free(&list);
        return err;
    }
    if (list.count)
        qsort(list.items, list.count, sizeof *list.items, compare_items);
    *quarantine = list;
    return 0;
}

void quarantine_free(struct quarantine *quarantine)
{
    for (size_t i = 0; i < quarantine->count; i++)
        quarantined_release(&quarantine->items[i]);
    free(quarantine->items);
    *quarantine = (struct quarantine){0};
}

/* ---- release ---- */

/* Opens the directory of destination; *name is its last part. fd or -errno. */
static int open_destination(const char *destination, const char **name)
{
    const char *slash = strrchr(destination, '/');
    char *directory = !slash                 ? strdup(".")
                      : slash == destination ? strdup("/")
                                             : strndup(destination, (size_t)(slash - destination));
    int fd = directory ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    int err = fd < 0 ? -errno : 0;
    free(directory);
    *name = slash ? slash + 1 : destination;
    return err < 0 ? err : fd;
}

static int check_destination(const struct item *item, int dir_fd, const char *name)
{
    struct stat there, here;
    if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return -EINVAL;
    if (fstatat(dir_fd, name, &there, AT_SYMLINK_NOFOLLOW) == 0)
        return -EEXIST;
    if (fstat(dir_fd, &there) < 0 || fstat(item->yard_fd, &here) < 0)
        return -errno;
    return there.st_dev == here.st_dev ? 0 : -EXDEV;
}

static int release_to(struct item *item, int dir_fd, const char *name, const char *destination)
{
    int err = item_note(item, "release", "intent", 0, destination);
    if (err == 0)
        err = item_write_state(item, HELD_RELEASED);
    if (err == 0 && item->held->flags)
        err = io_set_flags(item->yard_fd, item->name, 0);
    if (err == 0)
        err = rename_keeping(item->yard_fd, item->name, dir_fd, name);
    if (err < 0) {
        held_flags_again(item->place, item->yard_fd, item->held);
        item_write_state(item, HELD_HELD);
        return item_tell(item, err, destination, "the suspect cannot be moved there");
    }
    err = item->held->flags ? io_set_flags(dir_fd, name, item->held->flags) : 0;
    int synced = item_sync(item, dir_fd);
    err = err < 0 ? item_tell(item, err, destination, "its flags (chattr) cannot be set again")
                  : synced;
    return err < 0 ? err : item_note(item, "release", "done", 0, destination);
}

static const char *destination_remedy(int err)
{
    return err == -EEXIST ? "; name a path that does not exist"
           : err == -EXDEV
               ? "; name a path on the file system where it lies, and copy it from there"
               : "";
}

static int release_held(struct item *item, const char *destination)
{
    const char *name;
    int err = item_name(item);
    if (err < 0)
        return err;
    int dir_fd = open_destination(destination, &name);
    err = dir_fd < 0 ? dir_fd : check_destination(item, dir_fd, name);
    if (err < 0)
        diag_report(item->diag, DIAG_ERROR, "%s: %s%s", destination, strerror(-err),
                    destination_remedy(err));
    else
        err = release_to(item, dir_fd, name, destination);
    if (dir_fd >= 0)
        close(dir_fd);
    return err;
}

static int release_refused(const struct item *item)
{
    diag_report(item->diag, DIAG_ERROR, "%u/%u is not held: %s", item->held->case_number,
                item->held->id,
                item->held->in_place ? "it is a directory that stayed in its place"
                                     : held_state_string(item->held->state));
    return -ENOENT;
}

/* The rename was made, and nothing said yet that it is durable. */
static int release_finish(const struct item *item, const char *destination)
{
    const char *name;
    int dir_fd = open_destination(destination, &name);
    int err = dir_fd < 0 ? dir_fd : fsync(dir_fd) < 0 ? -errno : 0;
    if (err == 0 && item->held->flags && inode_at(dir_fd, name) == item->held->inode)
        err = io_set_flags(dir_fd, name, item->held->flags);
    if (dir_fd >= 0)
        close(dir_fd);
    if (err == 0 && item->yard_fd >= 0 && fsync(item->yard_fd) < 0)
        err = -errno;
    return err < 0 ? item_tell(item, err, destination, "not known to be durable")
                   : item_note(item, "release", "done", 0, destination);
}

/* Not in the quarantine: well so if it was released to the same place. */
static int release_again(const struct item *item, const char *destination)
{
    struct journal journal;
    if (item->held->state != HELD_RELEASED)
        return release_refused(item);
    int err = journal_read(item->place, &journal, item->diag);
    if (err < 0)
        return err;
    const struct json_object *last = item_last_act(item, &journal, "release");
    bool same = last && strcmp(journal_text(last, "destination"), destination) == 0;
    bool begun = last && act_is_begun(last);
    journal_free(&journal);
    return !same ? release_refused(item) : begun ? release_finish(item, destination) : 0;
}

int quarantine_release(const struct place *place, uint32_t case_number, uint32_t id,
                       const char *destination, struct diag *diag)
{
    struct quarantine_case open;
    struct item item;
    int lock = quarantine_lock(place, diag);
    if (lock < 0)
        return lock;
    int err = item_take(place, case_number, id, &open, &item, diag);
    if (err == 0)
        err = item.lies ? release_held(&item, destination) : release_again(&item, destination);
    item_close(&item);
    case_close(&open);
    close(lock);
    return err;
}
