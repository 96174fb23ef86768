/* quarantine_restore.c - a suspect goes back to its place. See quarantine.h */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "exchange.h"
#include "intents.h"
#include "io.h"
#include "quarantine.h"
#include "quarantine_item.h"

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
        .flags = (uint8_t)io_flags_of(dir_fd, name),
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
    /* a cut may have come when they were taken from it already */
    struct entry whole = *entry;
    struct held *former = NULL;
    if (records_find(item->records, id, &former) == 0 && former && former->inode == entry->inode)
        whole.flags |= (uint8_t)former->flags;
    struct json_object *json = held_describe(&displaced, &whole);
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
    const struct json_object *record = item_last_act(item, journal, "restore");
    if (!record)
        return (struct earlier){0};
    return (struct earlier){
        .cut = act_is_begun(record),
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

/* The suspect and what stands at `name` change places. 0: that is called `displaced` then; 1: it
 * bears the suspect's name yet; or -errno. */
static int swap(const struct item *item, int dir_fd, const char *name, const char *displaced)
{
    if (renameat2(item->yard_fd, item->name, dir_fd, name, RENAME_EXCHANGE) == 0)
        return 1;
    if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
        return -errno;
    return exchange_by_link(item->yard_fd, item->name, displaced, dir_fd, name);
}

/* Gives what was exchanged for the suspect its own name; synced before, so that no cut keeps this
 * rename alone, which would call the suspect what it is not. */
static int name_apart(const struct item *item, int dir_fd, const char *displaced)
{
    int err = item_sync(item, dir_fd);
    if (err < 0)
        return err; /* restore_again() gives it its name */
    /* once more where it is refused; held_find() knows it under either name */
    if (rename_keeping(item->yard_fd, item->name, item->yard_fd, displaced) < 0)
        rename_keeping(item->yard_fd, item->name, item->yard_fd, displaced);
    return 0;
}

/* Flags that forbid a move are on neither of the two while they change places. */
static int flags_off(const struct item *item, int dir_fd, const char *name)
{
    int err = item->held->flags ? io_set_flags(item->yard_fd, item->name, 0) : 0;
    return err == 0 && io_flags_of(dir_fd, name) ? io_set_flags(dir_fd, name, 0) : err;
}

/* On the suspect, and on what it displaced, wherever a cut or a failure left them. */
static int flags_on(const struct item *item)
{
    int err = held_flags_again(item->place, item->yard_fd, item->held);
    for (size_t i = 0; i < item->records->count; i++) {
        const struct held *other = item->records->items[i];
        int one = other->instead_of == item->held->id
                      ? held_flags_again(item->place, item->yard_fd, other)
                      : 0;
        err = one < 0 ? one : err;
    }
    return err < 0
               ? item_tell(item, err, item->held->path, "its flags (chattr) cannot be set again")
               : 0;
}

static int move_back(struct item *item, int dir_fd, const char *name, uint32_t displaced)
{
    char displaced_name[HELD_NAME_SIZE];
    held_name(displaced_name, displaced, "");
    int moved = flags_off(item, dir_fd, name);
    if (moved == 0)
        moved = displaced ? swap(item, dir_fd, name, displaced_name)
                          : rename_keeping(item->yard_fd, item->name, dir_fd, name);
    if (moved < 0) {
        flags_on(item);
        item_write_state(item, HELD_HELD);
        return item_tell(item, moved, item->held->path, "cannot be put back in its place");
    }
    int err = moved ? name_apart(item, dir_fd, displaced_name) : 0;
    int flags = flags_on(item);
    err = err < 0 ? err : flags;
    int synced = item_sync(item, dir_fd);
    return err < 0 ? err : synced;
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
    return err < 0 ? item_tell(item, err, item->held->path, "cannot get its former metadata") : 0;
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
        err = item_note(item, "restore", "intent", displaced, NULL);
    if (err == 0 && cut)
        records_find(item->records, displaced, &written);
    if (err == 0 && !written)
        err = write_displaced(item, there, displaced, true);
    if (err == 0)
        err = metadata_back(item, dir_fd, name);
    if (err == 0)
        err = item_write_state(item, HELD_RESTORED);
    return err < 0 ? err : item_note(item, "restore", "done", displaced, NULL);
}

/* `there` NULL: nothing stands in the suspect's place. */
static int restore_moving(struct item *item, int dir_fd, const char *name,
                          const struct entry *there)
{
    uint32_t displaced = 0;
    bool cut = false;
    int err = there ? displaced_id(item, &displaced, &cut) : 0;
    if (err == 0 && !cut)
        err = item_note(item, "restore", "intent", displaced, NULL);
    if (err == 0 && there)
        err = write_displaced(item, there, displaced, false);
    if (err == 0)
        err = item_write_state(item, HELD_RESTORED);
    if (err < 0)
        return item_tell(item, err, item->held->path, "the restore cannot be written down");
    err = move_back(item, dir_fd, name, displaced);
    return err < 0 ? err : item_note(item, "restore", "done", displaced, NULL);
}

static int restore_in(struct item *item, int dir_fd, const char *name)
{
    struct entry there = {0};
    int err = entry_at(dir_fd, name, item->held->path, &there);
    if (err < 0 && (err != -ENOENT || item->held->in_place))
        return item_tell(item, err, item->held->path, "cannot be looked at");
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
    if (!earlier.cut)
        return 0;
    err = flags_on(item);
    return err < 0 ? err : item_note(item, "restore", "done", earlier.displaced, NULL);
}

static int restore_held(struct item *item)
{
    const char *name;
    int err = item_name(item);
    int dir_fd = err < 0 ? err : parent_make(item->place, item->held->path, &name);
    if (dir_fd < 0)
        return err < 0
                   ? err
                   : item_tell(item, dir_fd, item->held->path, "its directory cannot be opened");
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
    int lock = quarantine_lock(place, diag);
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
