/* quarantine.c - see quarantine.h */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include "exchange.h"
#include "intents.h"
#include "io.h"
#include "quarantine.h"

#define BY_HAND "asked for by hand"

/* An item at hand: what is written down of it, and where it lies. */
struct item {
    const struct place *place;
    struct diag *diag;
    int case_fd, yard_fd;
    struct records *records; /* of its case */
    struct held *held;       /* one of them */
    bool lies;               /* in the quarantine, under `name` */
    char name[HELD_NAME_SIZE];
};

/* The records of one case, and the directory that they are in. */
struct quarantine_case {
    int fd;
    struct records records;
};

static int case_open(const struct place *place, uint32_t case_number, struct quarantine_case *open)
{
    *open = (struct quarantine_case){.fd = held_open_case(place, case_number, false)};
    return open->fd < 0 ? open->fd : records_read(open->fd, case_number, &open->records);
}

static void case_close(struct quarantine_case *open)
{
    records_free(&open->records);
    if (open->fd >= 0)
        close(open->fd);
}

static void item_close(struct item *item)
{
    if (item->yard_fd >= 0)
        close(item->yard_fd);
}

/* Looks for what `held` tells of. 0 or -errno; item_close() either way. */
static int item_look(struct item *item, struct held *held)
{
    item->held = held;
    item->yard_fd = held_open_yard(item->place, held);
    if (item->yard_fd < 0)
        return item->yard_fd == -ENOENT ? 0 : item->yard_fd;
    item->lies = !held->in_place && held_find(item->place, item->yard_fd, held, item->name);
    return 0;
}

/* 0 or -errno; item_close() either way. */
static int item_open(const struct place *place, struct quarantine_case *open, uint32_t id,
                     struct item *item, struct diag *diag)
{
    struct held *held;
    *item = (struct item){.place = place,
                          .diag = diag,
                          .case_fd = open->fd,
                          .yard_fd = -1,
                          .records = &open->records};
    int err = records_find(&open->records, id, &held);
    if (err < 0)
        return err;
    return held ? item_look(item, held) : -ENOENT;
}

static enum held_state item_state(const struct item *item)
{
    return item->lies ? HELD_HELD : item->held->state;
}

/* Was never moved: power was cut between writing down and moving. */
static bool item_is_void(const struct item *item)
{
    return !item->lies && !item->held->in_place && item->held->state == HELD_HELD;
}

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

static void tell_damaged(const struct records *records, struct diag *diag)
{
    for (size_t i = 0; i < records->damaged_count; i++)
        diag_report(diag, DIAG_WARNING,
                    STATE_DIR "/" QUARANTINE_NAME "/%u/" RECORDS_NAME ":%zu: no record; the "
                              "suspect that it told of is untouched, and the journal names it",
                    records->case_number, records->damaged[i].number);
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
    tell_damaged(&open.records, diag);
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

/* ---- what the three have in common ---- */

static int tell(const struct item *item, int err, const char *path, const char *what)
{
    diag_report(item->diag, DIAG_ERROR, "%s: %s: %s", path, what, strerror(-err));
    return err;
}

static struct json_object *describe_step(const struct held *held, const char *event,
                                         const char *step)
{
    struct json_object *record = journal_record(event, held->boot, held->case_number, BY_HAND);
    if (!record)
        return NULL;
    json_object_object_add(record, "step", json_object_new_string(step));
    json_object_object_add(record, "id", json_object_new_int64(held->id));
    json_object_object_add(record, "path", json_object_new_string(held->path));
    return record;
}

static int note(const struct item *item, const char *event, const char *step, uint32_t displaced,
                const char *destination)
{
    struct json_object *record = describe_step(item->held, event, step);
    if (!record)
        return -ENOMEM;
    if (displaced)
        json_object_object_add(record, "displaced", json_object_new_int64(displaced));
    if (destination)
        json_object_object_add(record, "destination", json_object_new_string(destination));
    int err = journal_append(item->place, record);
    return err < 0 ? tell(item, err, STATE_DIR "/" JOURNAL_NAME, "cannot be written") : 0;
}

/* Opens an item that is to be acted on. 0 or -errno; item_close() and case_close() either way. */
static int item_take(const struct place *place, uint32_t case_number, uint32_t id,
                     struct quarantine_case *open, struct item *item, struct diag *diag)
{
    *item = (struct item){.yard_fd = -1};
    int err = case_open(place, case_number, open);
    if (err == 0)
        err = item_open(place, open, id, item, diag);
    if (err == 0 && item_is_void(item))
        err = -ENOENT;
    if (err == -ENOENT)
        diag_report(diag, DIAG_ERROR,
                    "%u/%u: there is no such item in the quarantine; `backstop quarantine list` "
                    "shows all",
                    case_number, id);
    else if (err < 0)
        diag_report(diag, DIAG_ERROR, STATE_DIR "/" QUARANTINE_NAME "/%u/" RECORDS_NAME ": %u: %s",
                    case_number, id, strerror(-err));
    return err;
}

/* Gives the suspect its own name where a cut left it another. */
static int item_name(struct item *item)
{
    char name[HELD_NAME_SIZE];
    held_name(name, item->held->id, "");
    if (!item->lies || strcmp(name, item->name) == 0)
        return 0;
    int err = rename_keeping(item->yard_fd, item->name, item->yard_fd, name);
    if (err == 0)
        memcpy(item->name, name, sizeof name);
    return err < 0 ? tell(item, err, item->held->held_at, "cannot be named") : 0;
}

static int item_write_state(const struct item *item, enum held_state state)
{
    return records_write_state(item->case_fd, item->records, item->held, state);
}

/* The last that the journal says of such an act on this item, or NULL. */
static const struct json_object *last_of(const struct item *item, const struct journal *journal,
                                         const char *event)
{
    for (size_t i = journal->count; i-- > 0;) {
        const struct json_object *record = journal->records[i];
        if (strcmp(journal_text(record, "event"), event) == 0 &&
            journal_number(record, "case") == item->held->case_number &&
            journal_number(record, "id") == item->held->id)
            return record;
    }
    return NULL;
}

static bool is_begun(const struct json_object *record)
{
    return strcmp(journal_text(record, "step"), "intent") == 0;
}

/* Ids are given out, and records written, by one at a time. An fd to close, or -errno. Waits. */
static int quarantine_lock(const struct place *place)
{
    if (place->state_fd < 0)
        return -ENOENT;
    int fd =
        openat(place->state_fd, QUARANTINE_NAME, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    while (flock(fd, LOCK_EX) < 0) {
        if (errno == EINTR)
            continue;
        int err = -errno;
        close(fd);
        return err;
    }
    return fd;
}

static int lock_or_tell(const struct place *place, struct diag *diag)
{
    int lock = quarantine_lock(place);
    if (lock < 0)
        diag_report(diag, DIAG_ERROR, STATE_DIR "/" QUARANTINE_NAME ": %s%s", strerror(-lock),
                    lock == -ENOENT ? "; nothing was ever put there" : "");
    return lock;
}

static int sync_two(int a_fd, int b_fd)
{
    return fsync(a_fd) < 0 || fsync(b_fd) < 0 ? -errno : 0;
}

/* ---- restore ---- */

static char *link_target(int dir_fd, const char *name, size_t size)
{
    char *target = malloc(size + 2);
    ssize_t length = target ? readlinkat(dir_fd, name, target, size + 1) : -1;
    if (length < 0) {
        free(target);
        return NULL;
    }
    target[length] = '\0';
    return target;
}

static int read_content(int dir_fd, const char *name, struct entry *entry)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int err = io_read_xattrs(fd, &entry->xattrs, &entry->xattrs_size);
    if (err == 0 && entry->type == ENTRY_FILE) {
        err = io_copy_hash(fd, -1, entry->sha256);
        entry->hashed = err == 0;
    }
    close(fd);
    return err;
}

static enum entry_type type_of(mode_t mode)
{
    return S_ISREG(mode)   ? ENTRY_FILE
           : S_ISDIR(mode) ? ENTRY_DIR
           : S_ISLNK(mode) ? ENTRY_LINK
                           : ENTRY_OTHER;
}

/* What stands at `name` now. entry_release() afterwards. -ENOENT: nothing. */
static int entry_at(int dir_fd, const char *name, const char *path, struct entry *entry)
{
    struct stat st;
    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    *entry = (struct entry){
        .path = strdup(path),
        .type = (char)type_of(st.st_mode),
        .mode = st.st_mode,
        .uid = st.st_uid,
        .gid = st.st_gid,
        .size = (uint64_t)st.st_size,
        .inode = st.st_ino,
        .mtime_ns = st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec,
    };
    int err = entry->path ? 0 : -ENOMEM;
    if (err == 0 && entry->type == ENTRY_LINK) {
        entry->target = link_target(dir_fd, name, entry->size);
        err = entry->target ? 0 : -errno;
    } else if (err == 0 && entry->type != ENTRY_OTHER) {
        err = read_content(dir_fd, name, entry);
    }
    if (err < 0)
        entry_release(entry);
    return err;
}

/* Writes down, synced, what a restore displaces: it will lie beside the suspect's place. */
static int write_displaced(const struct item *item, const struct entry *entry, uint32_t id,
                           bool in_place)
{
    char *held_at = NULL;
    const char *old = item->held->held_at;
    if (asprintf(&held_at, "%.*s/%u", (int)(strrchr(old, '/') - old), old, id) < 0)
        return -ENOMEM;
    struct held displaced = {
        .case_number = item->held->case_number,
        .id = id,
        .boot = item->held->boot,
        .path = item->held->path,
        .held_at = held_at,
        .set_name = item->held->set_name,
        .state = HELD_HELD,
        .in_place = in_place,
        .from = "restore",
        .instead_of = item->held->id,
        .replaced_by = item->held->sha256,
    };
    struct json_object *json = held_describe(&displaced, entry);
    free(held_at);
    int err = json ? records_put(item->records, json) : -ENOMEM;
    return err < 0 ? err : records_write(item->case_fd, item->records);
}

/* What the journal says of the last restore of this item. */
struct earlier {
    bool cut;           /* begun and not done */
    uint32_t displaced; /* id that it gave to what it displaced; 0: nothing stood there */
};

static struct earlier earlier_restore(const struct item *item, const struct journal *journal)
{
    const struct json_object *record = last_of(item, journal, "restore");
    if (!record)
        return (struct earlier){0};
    return (struct earlier){
        .cut = is_begun(record),
        .displaced = (uint32_t)journal_number(record, "displaced"),
    };
}

/* What a cut left half moved; nothing to be done where it was never begun. */
static void settle_displaced(const struct item *item, uint32_t id)
{
    struct held *displaced;
    if (id == 0 || item->yard_fd < 0 || records_find(item->records, id, &displaced) < 0 ||
        !displaced)
        return;
    struct remnant remnant = held_remnant(displaced);
    held_settle(item->place, item->yard_fd, &remnant);
}

/* The id for what is displaced: that of a restore which was cut, where nothing lies under it. */
static int displaced_id(const struct item *item, uint32_t *id, bool *cut)
{
    struct journal journal;
    char name[HELD_NAME_SIZE];
    int err = journal_read(item->place, &journal, item->diag);
    if (err < 0)
        return err;
    uint32_t named = journal_last_id(&journal, item->held->case_number);
    uint32_t there = held_last_id(item->place, item->held->case_number);
    struct earlier earlier = earlier_restore(item, &journal);
    held_name(name, earlier.displaced, "");
    settle_displaced(item, earlier.displaced);
    *cut = earlier.cut && earlier.displaced &&
           (item->yard_fd < 0 || inode_at(item->yard_fd, name) == 0);
    *id = *cut ? earlier.displaced : (named > there ? named : there) + 1;
    journal_free(&journal);
    return 0;
}

/* The suspect and what stands at `name` change places; that is then called `displaced`. */
static int swap(const struct item *item, int dir_fd, const char *name, const char *displaced)
{
    if (renameat2(item->yard_fd, item->name, dir_fd, name, RENAME_EXCHANGE) == 0) {
        /* once more where it is refused; held_find() knows it under either name */
        if (rename_keeping(item->yard_fd, item->name, item->yard_fd, displaced) < 0)
            rename_keeping(item->yard_fd, item->name, item->yard_fd, displaced);
        return 0;
    }
    if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
        return -errno;
    return exchange_by_link(item->yard_fd, item->name, displaced, dir_fd, name);
}

static int move_back(struct item *item, int dir_fd, const char *name, uint32_t displaced)
{
    char displaced_name[HELD_NAME_SIZE];
    held_name(displaced_name, displaced, "");
    int err = displaced ? swap(item, dir_fd, name, displaced_name)
                        : rename_keeping(item->yard_fd, item->name, dir_fd, name);
    if (err < 0) {
        item_write_state(item, HELD_HELD);
        return tell(item, err, item->held->path, "cannot be put back in its place");
    }
    return sync_two(dir_fd, item->yard_fd);
}

/* A directory that stayed where it is: owner, mode and attributes alone go back. */
static int metadata_back(struct item *item, int dir_fd, const char *name)
{
    struct entry was = {0};
    int err = held_entry(item->held, &was);
    int fd = err < 0 ? -1 : openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (err == 0)
        err = fd < 0 ? -errno : io_apply_metadata(fd, &was);
    if (err == 0 && fsync(fd) < 0)
        err = -errno;
    if (fd >= 0)
        close(fd);
    entry_release(&was);
    return err < 0 ? tell(item, err, item->held->path, "cannot get its former metadata") : 0;
}

/* Directories that stayed: once what is displaced is written down it is not read anew, since the
 * former metadata may be back already. */
static int restore_in_place(struct item *item, int dir_fd, const char *name,
                            const struct entry *there)
{
    struct held *written = NULL;
    uint32_t displaced = 0;
    bool cut = false;
    int err = displaced_id(item, &displaced, &cut);
    if (err == 0 && !cut)
        err = note(item, "restore", "intent", displaced, NULL);
    if (err == 0 && cut)
        records_find(item->records, displaced, &written);
    if (err == 0 && !written)
        err = write_displaced(item, there, displaced, true);
    if (err == 0)
        err = metadata_back(item, dir_fd, name);
    if (err == 0)
        err = item_write_state(item, HELD_RESTORED);
    return err < 0 ? err : note(item, "restore", "done", displaced, NULL);
}

/* `there` NULL: nothing stands in the suspect's place. */
static int restore_moving(struct item *item, int dir_fd, const char *name,
                          const struct entry *there)
{
    uint32_t displaced = 0;
    bool cut = false;
    int err = there ? displaced_id(item, &displaced, &cut) : 0;
    if (err == 0 && !cut)
        err = note(item, "restore", "intent", displaced, NULL);
    if (err == 0 && there)
        err = write_displaced(item, there, displaced, false);
    if (err == 0)
        err = item_write_state(item, HELD_RESTORED);
    if (err < 0)
        return tell(item, err, item->held->path, "the restore cannot be written down");
    err = move_back(item, dir_fd, name, displaced);
    return err < 0 ? err : note(item, "restore", "done", displaced, NULL);
}

static int restore_in(struct item *item, int dir_fd, const char *name)
{
    struct entry there = {0};
    int err = entry_at(dir_fd, name, item->held->path, &there);
    if (err < 0 && (err != -ENOENT || item->held->in_place))
        return tell(item, err, item->held->path, "cannot be looked at");
    err = item->held->in_place ? restore_in_place(item, dir_fd, name, &there)
                               : restore_moving(item, dir_fd, name, err == 0 ? &there : NULL);
    entry_release(&there);
    return err;
}

/* Gives what a cut restore left under the suspect's name the name of its own. */
static int name_displaced(struct item *item)
{
    int err = 0;
    char name[HELD_NAME_SIZE];
    held_name(name, item->held->id, "");
    for (size_t i = 0; err == 0 && i < item->records->count; i++) {
        struct item other = {.place = item->place,
                             .diag = item->diag,
                             .case_fd = item->case_fd,
                             .yard_fd = -1,
                             .records = item->records};
        if (item->records->items[i]->instead_of != item->held->id)
            continue;
        err = item_look(&other, item->records->items[i]);
        if (err == 0 && other.lies && strcmp(other.name, name) == 0)
            err = item_name(&other);
        item_close(&other);
    }
    return err;
}

/* The suspect is in its place already. */
static int restore_again(struct item *item)
{
    struct journal journal;
    int err = name_displaced(item);
    if (err == 0)
        err = journal_read(item->place, &journal, item->diag);
    if (err < 0)
        return err;
    struct earlier earlier = earlier_restore(item, &journal);
    journal_free(&journal);
    return earlier.cut ? note(item, "restore", "done", earlier.displaced, NULL) : 0;
}

static int restore_held(struct item *item)
{
    const char *name;
    int err = item_name(item);
    int dir_fd = err < 0 ? err : parent_make(item->place, item->held->path, &name);
    if (dir_fd < 0)
        return err < 0 ? err
                       : tell(item, dir_fd, item->held->path, "its directory cannot be opened");
    err = restore_in(item, dir_fd, name);
    close(dir_fd);
    return err;
}

static int restore_refused(const struct item *item, enum held_state state)
{
    diag_report(item->diag, DIAG_ERROR, "%u/%u was %s and cannot be restored",
                item->held->case_number, item->held->id, held_state_string(state));
    return -ENOENT;
}

/* A tree whose deletion was cut is no longer whole. A file is there as a whole or not at all. */
static bool is_half_deleted(const struct item *item)
{
    struct stat st;
    return item->lies && item->held->state == HELD_PURGED &&
           fstatat(item->yard_fd, item->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

int quarantine_restore(const struct place *place, uint32_t case_number, uint32_t id,
                       struct diag *diag)
{
    struct quarantine_case open;
    struct item item;
    int lock = lock_or_tell(place, diag);
    if (lock < 0)
        return lock;
    int err = item_take(place, case_number, id, &open, &item, diag);
    if (err == 0) {
        enum held_state state = is_half_deleted(&item) ? HELD_PURGED : item_state(&item);
        err = state == HELD_HELD       ? restore_held(&item)
              : state == HELD_RESTORED ? restore_again(&item)
                                       : restore_refused(&item, state);
    }
    item_close(&item);
    case_close(&open);
    close(lock);
    return err;
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
    int err = note(item, "release", "intent", 0, destination);
    if (err == 0)
        err = item_write_state(item, HELD_RELEASED);
    if (err == 0)
        err = rename_keeping(item->yard_fd, item->name, dir_fd, name);
    if (err < 0) {
        item_write_state(item, HELD_HELD);
        return tell(item, err, destination, "the suspect cannot be moved there");
    }
    err = sync_two(dir_fd, item->yard_fd);
    return err < 0 ? err : note(item, "release", "done", 0, destination);
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
    if (dir_fd >= 0)
        close(dir_fd);
    if (err == 0 && item->yard_fd >= 0 && fsync(item->yard_fd) < 0)
        err = -errno;
    return err < 0 ? tell(item, err, destination, "not known to be durable")
                   : note(item, "release", "done", 0, destination);
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
    const struct json_object *last = last_of(item, &journal, "release");
    bool same = last && strcmp(journal_text(last, "destination"), destination) == 0;
    bool begun = last && is_begun(last);
    journal_free(&journal);
    return !same ? release_refused(item) : begun ? release_finish(item, destination) : 0;
}

int quarantine_release(const struct place *place, uint32_t case_number, uint32_t id,
                       const char *destination, struct diag *diag)
{
    struct quarantine_case open;
    struct item item;
    int lock = lock_or_tell(place, diag);
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

/* ---- purge ---- */

/* One that is to be deleted, or was and the journal has not heard of it. */
struct doomed {
    struct held *held;
    bool held_now; /* until this purge */
    bool begun;    /* deleted, as far as a cut let it, by an earlier one */
    bool lies;     /* in the quarantine, under `name` */
    char name[HELD_NAME_SIZE];
    int error;
};

/* Each step for all items before the next one. */
struct purge {
    const struct place *place;
    struct diag *diag;
    struct quarantine_case *open;
    struct doomed *items; /* by id */
    size_t count;
    int yard_fd;         /* of the item at hand; those that lie together follow each other */
    const char *yard_of; /* an item's held_at */
};

static bool is_concerned(const struct doomed *one)
{
    return (one->held_now || one->begun) && !one->error;
}

static void purge_fails(struct purge *purge, struct doomed *one, int err, const char *what)
{
    one->error = err;
    diag_report(purge->diag, DIAG_ERROR, "%s: %s: %s", one->held->held_at, what, strerror(-err));
}

/* Of what is held (the intent), or of all that is at an end. */
static int purge_note(const struct purge *purge, const char *step, bool intent)
{
    struct json_object **records = calloc(purge->count + 1, sizeof *records);
    size_t count = 0;
    int err = records ? 0 : -ENOMEM;
    for (size_t i = 0; err == 0 && i < purge->count; i++) {
        const struct doomed *one = &purge->items[i];
        if (!is_concerned(one) || (intent && !one->held_now))
            continue;
        records[count] = describe_step(one->held, "purge", step);
        err = records[count] ? 0 : -ENOMEM;
        count += err == 0;
    }
    if (err == 0)
        err = journal_append_all(purge->place, records, count);
    else
        for (size_t i = 0; i < count; i++)
            json_object_put(records[i]);
    free(records);
    if (err < 0)
        diag_report(purge->diag, DIAG_ERROR, STATE_DIR "/" JOURNAL_NAME ": cannot be written: %s",
                    strerror(-err));
    return err;
}

static int purge_write_down(const struct purge *purge)
{
    size_t changed = 0;
    int err = 0;
    for (size_t i = 0; err == 0 && i < purge->count; i++) {
        if (!purge->items[i].held_now)
            continue;
        err = records_set_state(purge->items[i].held, HELD_PURGED);
        changed++;
    }
    if (err == 0 && changed > 0)
        err = records_write(purge->open->fd, &purge->open->records);
    if (err < 0)
        diag_report(purge->diag, DIAG_ERROR,
                    STATE_DIR "/" QUARANTINE_NAME "/%u/" RECORDS_NAME
                              ": cannot be written: %s; nothing was deleted",
                    purge->open->records.case_number, strerror(-err));
    return err;
}

static bool lie_together(const char *held_at, const char *other)
{
    size_t length = (size_t)(strrchr(held_at, '/') - held_at);
    return strncmp(held_at, other, length + 1) == 0 && !strchr(other + length + 1, '/');
}

/* Items from `first` on that lie in one yard, which is open: what is said of them is durable. */
static void sync_yard(struct purge *purge, size_t first, size_t end)
{
    int err = purge->yard_fd >= 0 && fsync(purge->yard_fd) < 0 ? -errno : 0;
    for (size_t i = first; err < 0 && i < end; i++)
        if (is_concerned(&purge->items[i]))
            purge_fails(purge, &purge->items[i], err, "not known to be durable");
    if (purge->yard_fd >= 0)
        close(purge->yard_fd);
    purge->yard_fd = -1;
}

/* An absent yard holds nothing. */
static void delete_one(struct purge *purge, struct doomed *one)
{
    int err = one->lies ? remove_tree(purge->yard_fd, one->name) : 0;
    if (err < 0)
        purge_fails(purge, one, err, "cannot be deleted");
}

static void purge_delete(struct purge *purge)
{
    size_t first = 0;
    purge->yard_of = NULL;
    for (size_t i = 0; i < purge->count; i++) {
        struct doomed *one = &purge->items[i];
        if (!is_concerned(one))
            continue;
        if (!purge->yard_of || !lie_together(one->held->held_at, purge->yard_of)) {
            sync_yard(purge, first, i);
            first = i;
            purge->yard_of = one->held->held_at;
            purge->yard_fd = held_open_yard(purge->place, one->held);
        }
        if (purge->yard_fd < 0 && purge->yard_fd != -ENOENT)
            purge_fails(purge, one, purge->yard_fd, "cannot be reached");
        else
            delete_one(purge, one);
    }
    sync_yard(purge, first, purge->count);
}

static struct doomed *doomed_find(const struct purge *purge, int64_t id)
{
    size_t low = 0, high = purge->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (purge->items[middle].held->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < purge->count && purge->items[low].held->id == id ? &purge->items[low] : NULL;
}

/* Gone already: what a cut kept from the journal is told now. */
static int purge_find_begun(const struct purge *purge)
{
    struct journal journal;
    int err = journal_read(purge->place, &journal, purge->diag);
    if (err < 0)
        return err;
    for (size_t i = 0; i < journal.count; i++) {
        const struct json_object *record = journal.records[i];
        if (strcmp(journal_text(record, "event"), "purge") != 0 ||
            journal_number(record, "case") != purge->open->records.case_number)
            continue;
        struct doomed *one = doomed_find(purge, journal_number(record, "id"));
        if (one)
            one->begun = is_begun(record);
    }
    journal_free(&journal);
    return 0;
}

static int purge_run(struct purge *purge)
{
    bool gone = false;
    for (size_t i = 0; i < purge->count; i++)
        gone = gone || !purge->items[i].held_now;
    int err = gone ? purge_find_begun(purge) : 0;
    if (err == 0)
        err = purge_note(purge, "intent", true);
    if (err == 0)
        err = purge_write_down(purge);
    if (err < 0)
        return err;
    purge_delete(purge);
    err = purge_note(purge, "done", false);
    for (size_t i = 0; i < purge->count; i++)
        err = purge->items[i].error ? purge->items[i].error : err;
    return err;
}

/* Restored and released ones are no longer ours to delete. */
static void doom(struct purge *purge, const struct item *item)
{
    enum held_state state = item_state(item);
    if (state != HELD_HELD && state != HELD_PURGED)
        return;
    struct doomed *one = &purge->items[purge->count++];
    *one = (struct doomed){.held = item->held, .held_now = state == HELD_HELD, .lies = item->lies};
    memcpy(one->name, item->name, sizeof one->name);
}

static int purge_one(struct purge *purge, uint32_t case_number, uint32_t id)
{
    struct doomed one;
    struct item item;
    purge->items = &one;
    int err = item_take(purge->place, case_number, id, purge->open, &item, purge->diag);
    if (err == 0)
        doom(purge, &item);
    item_close(&item);
    return err < 0 ? err : purge_run(purge);
}

/* All of the case that can be told. *found: how many it has, of whatever state. */
static int doom_all(struct purge *purge, size_t *found)
{
    const struct records *records = &purge->open->records;
    int err = 0;
    for (size_t i = 0; i < records->count; i++) {
        struct item item;
        int one = item_open(purge->place, purge->open, records->items[i]->id, &item, purge->diag);
        if (one < 0) {
            err = tell(&item, one, records->items[i]->held_at, "cannot be reached");
        } else if (!item_is_void(&item)) {
            doom(purge, &item);
            (*found)++;
        }
        item_close(&item);
    }
    return err;
}

static int purge_case(struct purge *purge, uint32_t case_number)
{
    size_t found = 0;
    int err = case_open(purge->place, case_number, purge->open);
    if (err < 0 && err != -ENOENT) {
        diag_report(purge->diag, DIAG_ERROR, STATE_DIR "/" QUARANTINE_NAME "/%u: %s", case_number,
                    strerror(-err));
        return err;
    }
    tell_damaged(&purge->open->records, purge->diag);
    struct doomed *items = calloc(purge->open->records.count + 1, sizeof *items);
    if (!items)
        return -ENOMEM;
    purge->items = items;
    err = doom_all(purge, &found);
    int ran = purge_run(purge);
    free(items);
    if (found > 0 || err < 0)
        return ran < 0 ? ran : err;
    diag_report(purge->diag, DIAG_ERROR,
                "case %u has nothing in the quarantine; `backstop quarantine list` shows all",
                case_number);
    return -ENOENT;
}

int quarantine_purge(const struct place *place, uint32_t case_number, uint32_t id,
                     struct diag *diag)
{
    struct quarantine_case open = {.fd = -1};
    struct purge purge = {.place = place, .diag = diag, .open = &open, .yard_fd = -1};
    int lock = lock_or_tell(place, diag);
    if (lock < 0)
        return lock;
    int err = id ? purge_one(&purge, case_number, id) : purge_case(&purge, case_number);
    case_close(&open);
    close(lock);
    return err;
}
