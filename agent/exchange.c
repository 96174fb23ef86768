/* exchange.c - see exchange.h */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "exchange.h"
#include "io.h"
#include "json.h"
#include "reserve.h"
#include "store.h"

static const struct place *place_of(const struct exchange *exchange)
{
    return exchange->yards.place;
}

bool move_is_in_place(const struct move *move)
{
    return move->action == PLAN_PUT_BACK && move->now && move->good &&
           move->now->type == ENTRY_DIR && move->good->type == ENTRY_DIR;
}

static bool moves_suspect(const struct move *move)
{
    return move->now && move->action != PLAN_LEAVE;
}

static bool is_no_room(int err)
{
    return err == -ENOSPC || err == -EDQUOT;
}

static void move_fails(struct exchange *exchange, struct move *move, int err, const char *what)
{
    move->error = err;
    diag_report(exchange->diag, DIAG_ERROR, "%s: %s: %s; it stays as it is", move->path, what,
                strerror(-err));
}

/* Once more after a first failure, with the reserve given up if room is lacking: a passing fault
 * must not cost a machine its protection. */
static int try_twice(struct exchange *exchange, struct move *move,
                     int (*step)(struct exchange *, struct move *))
{
    int err = step(exchange, move);
    if (err == 0)
        return 0;
    if (is_no_room(err) && reserve_give_up(place_of(exchange)))
        exchange->reserve_used = true;
    return step(exchange, move);
}

/* ---- written down ---- */

static char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

static int yard_of(struct exchange *exchange, struct move *move)
{
    char *directory = directory_of(move->path);
    if (!directory)
        return -ENOMEM;
    if (exchange->last_yard && exchange->last_yard->case_number == move->case_number &&
        strcmp(exchange->last_yard_of, directory) == 0) {
        move->yard = exchange->last_yard;
        free(directory);
        return 0;
    }
    int err = yards_for(&exchange->yards, directory, move->case_number, &move->yard);
    if (err < 0) {
        free(directory);
        return err;
    }
    free(exchange->last_yard_of);
    exchange->last_yard_of = directory;
    exchange->last_yard = move->yard;
    return 0;
}

static struct json_object *move_describe(const struct exchange *exchange, const struct move *move,
                                         const char *held_at)
{
    char hash[2 * SHA256_SIZE + 1];
    bool has_hash = move->action == PLAN_PUT_BACK && move->good->type == ENTRY_FILE;
    if (has_hash)
        hex_of(move->good->sha256, SHA256_SIZE, hash);
    struct held held = {
        .case_number = move->case_number,
        .id = move->id,
        .boot = exchange->boot,
        .generation = move->action == PLAN_PUT_BACK ? move->generation : 0,
        .path = move->path,
        .held_at = held_at,
        .set_name = move->set_name,
        .state = HELD_HELD,
        .in_place = move_is_in_place(move),
        .from = exchange->from,
        .replaced_by = has_hash ? hash : NULL,
    };
    struct entry whole = *move->now;
    whole.flags = (uint8_t)move->flags;
    struct json_object *json = held_describe(&held, &whole);
    return json_whole(!move->holds || json_add(json, "holds", json_object_get(move->holds)), json);
}

static int put_record(const struct exchange *exchange, struct move *move, struct records *records)
{
    char *held_at = NULL;
    struct held *written = NULL;
    bool again = records_find(records, move->id, &written) == 0 && written &&
                 strcmp(written->path, move->path) == 0;
    move->flags |= move->now->flags;
    if (again && written->inode == move->now->inode) /* a cut may have come when they were off */
        move->flags |= written->flags;
    /* of a directory that stays the record alone has its former metadata: some of that may have
     * been put back before a cut, and is not read anew */
    if (move_is_in_place(move) && again && written->in_place)
        return 0;
    if (asprintf(&held_at, "%s/%u", move->yard->path, move->id) < 0)
        return -ENOMEM;
    struct json_object *json = move_describe(exchange, move, held_at);
    free(held_at);
    return json ? records_put(records, json) : -ENOMEM;
}

static bool is_recorded_in(const struct move *move, uint32_t case_number)
{
    return !move->error && moves_suspect(move) && move->case_number == case_number;
}

/* All suspects of one case, in one file. */
static int write_records(const struct exchange *exchange, uint32_t case_number)
{
    struct records records;
    int case_fd = held_open_case(place_of(exchange), case_number, true);
    if (case_fd < 0)
        return case_fd;
    int err = records_read(case_fd, case_number, &records);
    for (size_t i = 0; err == 0 && i < exchange->count; i++)
        if (is_recorded_in(&exchange->moves[i], case_number))
            err = put_record(exchange, &exchange->moves[i], &records);
    if (err == 0)
        err = records_write(case_fd, &records);
    records_free(&records);
    close(case_fd);
    return err;
}

/* Once more after a first failure, as try_twice(). */
static int write_case(struct exchange *exchange, uint32_t case_number)
{
    int err = write_records(exchange, case_number);
    if (err == 0)
        return 0;
    if (is_no_room(err) && reserve_give_up(place_of(exchange)))
        exchange->reserve_used = true;
    return write_records(exchange, case_number);
}

static void case_is_written(struct exchange *exchange, uint32_t case_number, int err)
{
    for (size_t i = 0; i < exchange->count; i++) {
        struct move *move = &exchange->moves[i];
        if (move->written_down || !is_recorded_in(move, case_number))
            continue;
        move->written_down = err == 0;
        if (err < 0)
            move_fails(exchange, move, err, "cannot be written down in the quarantine");
    }
}

/* What is not written down yet. Few cases are in a batch: this one, and those that were cut. */
static void write_cases(struct exchange *exchange)
{
    for (size_t i = 0; i < exchange->count; i++) {
        const struct move *move = &exchange->moves[i];
        if (!move->written_down && is_recorded_in(move, move->case_number))
            case_is_written(exchange, move->case_number, write_case(exchange, move->case_number));
    }
}

void exchange_write_down(struct exchange *exchange)
{
    for (size_t i = 0; i < exchange->count; i++) {
        struct move *move = &exchange->moves[i];
        int err = try_twice(exchange, move, yard_of);
        if (err < 0)
            move_fails(exchange, move, err, "the quarantine on its file system cannot be made");
    }
    write_cases(exchange);
}

/* ---- good versions made ready ---- */

/* What lies in the yard under this name; a suspect, or the good version made ready. */
static void ready_name(const struct move *move, char name[HELD_NAME_SIZE])
{
    held_name(name, move->id, move->now ? "" : READY_SUFFIX);
}

static int fill_file(const struct place *place, int fd, const struct entry *good)
{
    uint8_t digest[SHA256_SIZE];
    int object = store_open_unread(place, good->sha256);
    if (object < 0)
        return object;
    int err = io_copy_hash(object, fd, digest);
    close(object);
    if (err < 0)
        return err;
    if (memcmp(digest, good->sha256, SHA256_SIZE) != 0)
        return -EBADMSG;
    return io_apply_metadata(fd, good);
}

/* The four below take away again what they could not make whole; what was there before stays.
 * A file has its mode from the start, but for set-id bits: nobody else comes into a yard. */
static int stage_file(const struct place *place, int yard_fd, const char *ready,
                      const struct entry *good)
{
    int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(yard_fd, ready, flags, good->mode & 0777);
    if (fd < 0)
        return -errno;
    int err = fill_file(place, fd, good);
    if (close(fd) < 0 && err == 0)
        err = -errno;
    if (err < 0)
        unlinkat(yard_fd, ready, 0);
    return err;
}

/* Its time comes last of all, when nothing is put into it any more: times_again(). */
static int apply_in_place(int dir_fd, const char *name, const struct entry *good)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int err = io_apply_attributes(fd, good);
    close(fd);
    return err;
}

static int stage_directory(int yard_fd, const char *ready, const struct entry *good)
{
    if (mkdirat(yard_fd, ready, 0700) < 0)
        return -errno;
    int err = apply_in_place(yard_fd, ready, good);
    if (err < 0)
        unlinkat(yard_fd, ready, AT_REMOVEDIR);
    return err;
}

static struct timespec time_of(int64_t ns)
{
    int64_t part = ns % 1000000000;
    return (struct timespec){.tv_sec = ns / 1000000000 - (part < 0),
                             .tv_nsec = part + (part < 0 ? 1000000000 : 0)};
}

static int stage_link(int yard_fd, const char *ready, const struct entry *good)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, time_of(good->mtime_ns)};
    if (symlinkat(good->target, yard_fd, ready) < 0)
        return -errno;
    if (fchownat(yard_fd, ready, good->uid, good->gid, AT_SYMLINK_NOFOLLOW) == 0 &&
        utimensat(yard_fd, ready, times, AT_SYMLINK_NOFOLLOW) == 0)
        return 0;
    int err = -errno;
    unlinkat(yard_fd, ready, 0);
    return err;
}

/* Another name of the inode that good shares with a file that stands or was made ready. */
static int stage_twin(const struct exchange *exchange, const struct move *move, const char *ready)
{
    char other[HELD_NAME_SIZE];
    const char *name;
    if (move->staged_twin && move->staged_twin->staged) {
        const struct move *twin = move->staged_twin;
        ready_name(twin, other);
        return linkat(twin->yard->fd, other, move->yard->fd, ready, 0) < 0 ? -errno : 0;
    }
    if (!move->twin)
        return -ENOENT;
    int fd = parent_open(place_of(exchange), move->twin->path, &name);
    if (fd < 0)
        return fd;
    int err = linkat(fd, name, move->yard->fd, ready, 0) < 0 ? -errno : 0;
    close(fd);
    return err;
}

/* -EEXIST: a suspect lies there, or what a cut left and held_settle() could not tell from one. */
static int stage(struct exchange *exchange, struct move *move)
{
    char ready[HELD_NAME_SIZE];
    ready_name(move, ready);
    switch ((enum entry_type)move->good->type) {
    case ENTRY_FILE: {
        int err = stage_twin(exchange, move, ready);
        if (err == 0 || (err != -ENOENT && !move->twin_refused)) {
            move->twin_refused = err < 0;
            return err;
        }
        return stage_file(place_of(exchange), move->yard->fd, ready, move->good);
    }
    case ENTRY_DIR:
        return stage_directory(move->yard->fd, ready, move->good);
    case ENTRY_LINK:
        return stage_link(move->yard->fd, ready, move->good);
    case ENTRY_OTHER:
        break;
    }
    return -EOPNOTSUPP;
}

/* A suspect that brings the machine down goes, even where nothing can be put in its place. */
static void give_up_good(struct exchange *exchange, struct move *move, int err)
{
    if (!move->now || move->must_stay) {
        move_fails(exchange, move, err, "the good version cannot be made");
        return;
    }
    diag_report(exchange->diag, DIAG_ERROR,
                "%s: the good version cannot be made: %s; the suspect is taken out all the same, "
                "and this part is now without protection: install it again%s",
                move->path, strerror(-err), is_no_room(err) ? " after making room" : "");
    move->action = PLAN_TAKE_OUT;
    move->good = NULL;
    move->written_down = false;
}

void exchange_stage(struct exchange *exchange)
{
    for (size_t i = 0; i < exchange->count; i++) {
        struct move *move = &exchange->moves[i];
        if (move->error || move->action != PLAN_PUT_BACK || move_is_in_place(move))
            continue;
        int err = try_twice(exchange, move, stage);
        move->staged = err == 0;
        if (err < 0)
            give_up_good(exchange, move, err);
        diag_progress(exchange->diag, "good versions", i + 1, exchange->count);
    }
    write_cases(exchange); /* of those given up */
}

/* Case directories of this batch on every file system. */
static int sync_yards(const struct exchange *exchange)
{
    int err = syncfs(place_of(exchange)->state_fd) < 0 ? -errno : 0;
    for (size_t i = 0; i < exchange->yards.count; i++) {
        const struct yard *yard = exchange->yards.items[i];
        if (strncmp(yard->path, STATE_DIR "/", sizeof STATE_DIR) != 0 && syncfs(yard->fd) < 0)
            err = -errno;
    }
    return err;
}

int exchange_barrier(struct exchange *exchange)
{
    return sync_yards(exchange);
}

/* ---- moved ---- */

static bool same_inode(int a_fd, const char *a, int b_fd, const char *b)
{
    struct stat x, y;
    return fstatat(a_fd, a, &x, AT_SYMLINK_NOFOLLOW) == 0 &&
           fstatat(b_fd, b, &y, AT_SYMLINK_NOFOLLOW) == 0 && x.st_ino == y.st_ino &&
           x.st_dev == y.st_dev;
}

static bool is_directory(int dir_fd, const char *name)
{
    struct stat st;
    return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

int exchange_by_link(int yard_fd, const char *ready, const char *kept, int dir_fd, const char *name)
{
    int err = 0;
    if (is_directory(dir_fd, name) || is_directory(yard_fd, ready))
        err = rename_keeping(dir_fd, name, yard_fd, kept);
    else if (linkat(dir_fd, name, yard_fd, kept, 0) < 0 && !same_inode(dir_fd, name, yard_fd, kept))
        err = -errno;
    if (err == 0 && renameat(yard_fd, ready, dir_fd, name) < 0)
        err = -errno;
    return err;
}

int exchange_names(int yard_fd, const char *held, const char *ready, int dir_fd, const char *name)
{
    if (renameat2(yard_fd, held, dir_fd, name, RENAME_EXCHANGE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
        return -errno;
    int err = rename_keeping(yard_fd, held, yard_fd, ready);
    return err < 0 ? err : exchange_by_link(yard_fd, ready, held, dir_fd, name);
}

/* In a directory that is open. */
static int move_in(const struct move *move, int dir_fd, const char *name)
{
    char ready[HELD_NAME_SIZE], held[HELD_NAME_SIZE];
    held_name(ready, move->id, READY_SUFFIX);
    held_name(held, move->id, "");
    if (move_is_in_place(move))
        return apply_in_place(dir_fd, name, move->good);
    if (move->action == PLAN_TAKE_OUT)
        return rename_keeping(dir_fd, name, move->yard->fd, held);
    if (!move->now)
        return rename_keeping(move->yard->fd, ready, dir_fd, name);
    return exchange_names(move->yard->fd, held, ready, dir_fd, name);
}

/* The directory that a move is in: stays open while moves in it follow each other. fd or -errno. */
static int parent_of(struct exchange *exchange, const struct move *move, const char **name)
{
    struct open_directory *parent = &exchange->parent;
    size_t length = (size_t)(strrchr(move->path, '/') - move->path);
    if (parent->path && strlen(parent->path) == length &&
        strncmp(parent->path, move->path, length) == 0) {
        *name = move->path + length + 1;
        return parent->fd;
    }
    int fd = move->now ? parent_open(place_of(exchange), move->path, name)
                       : parent_make(place_of(exchange), move->path, name);
    if (fd < 0)
        return fd;
    if (parent->path)
        close(parent->fd);
    free(parent->path);
    *parent = (struct open_directory){.path = strndup(move->path, length), .fd = fd};
    if (parent->path)
        return fd;
    close(fd);
    return -ENOMEM;
}

static int move_one(struct exchange *exchange, struct move *move)
{
    const char *name;
    exchange->made_directories = exchange->made_directories || !move->now;
    int fd = parent_of(exchange, move, &name);
    return fd < 0 ? fd : move_in(move, fd, name);
}

/* ---- flags that keep a file where it is ---- */

static int unlock_directory(struct move *move, int fd)
{
    unsigned flags = io_flags_of(fd, "");
    if (flags & ~move->directory_flags)
        return -EPERM;
    /* whatever comes of it: an error may come after the change, and a cut have left them off */
    move->unlocked_directory = move->directory_flags;
    return flags ? io_set_flags(fd, ".", 0) : 0;
}

/* Until the suspect lies in the quarantine, or its attributes are put back. */
static int unlock(const struct exchange *exchange, struct move *move)
{
    const char *name;
    int fd = parent_open(place_of(exchange), move->path, &name);
    if (fd < 0) /* an earlier move of the batch makes it; else the move says so */
        return 0;
    int err = unlock_directory(move, fd);
    if (err == 0 && move->now && move->flags) {
        move->unlocked = true;
        err = io_set_flags(fd, name, 0);
    }
    close(fd);
    return err;
}

/* In its place, the suspect or the good version: what was locked there is locked again. */
static int lock_place(const struct exchange *exchange, const struct move *move)
{
    const char *name;
    if (move->moved && !move_is_in_place(move) && (!move->good || move->good->type != ENTRY_FILE))
        return 0;
    int fd = parent_open(place_of(exchange), move->path, &name);
    int err = fd < 0 ? fd : io_set_flags(fd, name, move->flags);
    if (fd >= 0)
        close(fd);
    return err;
}

static void lock_again(const struct exchange *exchange, struct move *move)
{
    char held[HELD_NAME_SIZE];
    held_name(held, move->id, "");
    int err = lock_place(exchange, move);
    bool is_held = move->moved && !move_is_in_place(move);
    int kept = is_held ? io_set_flags(move->yard->fd, held, move->flags) : 0;
    err = err < 0 ? err : kept;
    move->unlocked = false;
    if (err == 0)
        return;
    move->lock_error = err;
    diag_report(exchange->diag, DIAG_ERROR,
                "%s: its attributes i and a (chattr) cannot be set again: %s", move->path,
                strerror(-err));
}

static void lock_directory_again(const struct exchange *exchange, struct move *move)
{
    int err = held_directory_flags_again(place_of(exchange), move->path, move->unlocked_directory);
    move->unlocked_directory = 0;
    if (err == 0)
        return;
    move->lock_error = err;
    diag_report(exchange->diag, DIAG_ERROR,
                "the directory of %s: its attributes i and a (chattr) cannot be set again: %s",
                move->path, strerror(-err));
}

/* A set is one thing. */
static void leave_set(struct exchange *exchange, const char *set_name)
{
    for (size_t i = 0; i < exchange->count; i++) {
        struct move *move = &exchange->moves[i];
        if (strcmp(move->set_name, set_name) == 0 && !move->error && move->action != PLAN_LEAVE)
            move_fails(exchange, move, -ECANCELED, "another file of its set cannot be moved");
    }
}

static void unlock_all(struct exchange *exchange)
{
    for (size_t i = 0; i < exchange->count; i++) {
        struct move *move = &exchange->moves[i];
        int err = move->error || move->action == PLAN_LEAVE ? 0 : unlock(exchange, move);
        if (err == 0)
            continue;
        move_fails(exchange, move, err, "it, or its directory, cannot be changed (lsattr)");
        leave_set(exchange, move->set_name);
    }
}

/* After all moves, since one inode may have several of the names. */
static void lock_all(struct exchange *exchange)
{
    for (size_t i = 0; i < exchange->count; i++)
        if (exchange->moves[i].unlocked)
            lock_again(exchange, &exchange->moves[i]);
    for (size_t i = 0; i < exchange->count; i++)
        if (exchange->moves[i].unlocked_directory)
            lock_directory_again(exchange, &exchange->moves[i]);
}

void exchange_move(struct exchange *exchange)
{
    unlock_all(exchange);
    for (size_t i = 0; i < exchange->count; i++) {
        struct move *move = &exchange->moves[i];
        if (move->error || move->action == PLAN_LEAVE)
            continue;
        int err = move_one(exchange, move);
        move->moved = err == 0;
        if (err < 0)
            move_fails(exchange, move, err,
                       move->action == PLAN_TAKE_OUT ? "cannot be taken out"
                                                     : "the good version cannot be put back");
    }
    lock_all(exchange);
}

static const char *hex_or_null(const struct entry *entry, char hex[2 * SHA256_SIZE + 1])
{
    if (!entry || entry->type != ENTRY_FILE || !entry->hashed)
        return NULL;
    hex_of(entry->sha256, SHA256_SIZE, hex);
    return hex;
}

void exchange_clear_failed(struct exchange *exchange)
{
    char suspect[2 * SHA256_SIZE + 1], good[2 * SHA256_SIZE + 1];
    for (size_t i = 0; i < exchange->count; i++) {
        const struct move *move = &exchange->moves[i];
        struct remnant remnant = {
            .id = move->id,
            .path = move->path,
            .inode = move->now ? move->now->inode : 0,
            .suspect = hex_or_null(move->now, suspect),
            .good = hex_or_null(move->good, good),
        };
        if (move->error && move->yard)
            held_settle(place_of(exchange), move->yard->fd, &remnant);
    }
}

/* ---- durable ---- */

/* One that is locked lets nobody set its time; what takes its flags has them written down. */
static int set_time(int fd, const struct timespec times[2])
{
    unsigned flags = io_flags_of(fd, "");
    int err = flags ? io_set_flags(fd, ".", 0) : 0;
    if (err == 0 && futimens(fd, times) < 0)
        err = -errno;
    int locked = flags ? io_set_flags(fd, ".", flags) : 0;
    return err < 0 ? err : locked;
}

int exchange_directory_time(const struct place *place, const char *path, int64_t mtime_ns)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, time_of(mtime_ns)};
    const char *name;
    int dir_fd = parent_open(place, path, &name);
    if (dir_fd < 0)
        return dir_fd;
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int err = fd < 0 ? -errno : set_time(fd, times);
    if (err == 0 && fsync(fd) < 0)
        err = -errno;
    if (fd >= 0)
        close(fd);
    close(dir_fd);
    return err;
}

/* What is put into a directory moves its times on: those that came back get theirs again. */
static int times_again(const struct exchange *exchange)
{
    int err = 0;
    for (size_t i = exchange->count; i-- > 0;) {
        const struct move *move = &exchange->moves[i];
        if (!move->moved || !move->good || move->good->type != ENTRY_DIR)
            continue;
        int one = exchange_directory_time(place_of(exchange), move->path, move->good->mtime_ns);
        if (one < 0)
            diag_report(exchange->diag, DIAG_ERROR,
                        "%s: it is put back, but its time is not: %s; the next recovery sets it",
                        move->path, strerror(-one));
        err = one < 0 ? one : err;
    }
    return err;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorted directories of all moves; each is to be freed, and the array. NULL: no memory. */
static char **directories_of(const struct exchange *exchange, size_t *count)
{
    char **paths = calloc(exchange->count + 1, sizeof *paths);
    *count = 0;
    for (size_t i = 0; paths && i < exchange->count; i++) {
        if (!exchange->moves[i].moved)
            continue;
        paths[*count] = directory_of(exchange->moves[i].path);
        if (paths[*count])
            (*count)++;
    }
    if (paths)
        qsort(paths, *count, sizeof *paths, compare_texts);
    return paths;
}

static int sync_directory(const struct place *place, const char *path)
{
    int fd = place_openat(place, path, O_RDONLY | O_DIRECTORY, 0, false);
    if (fd < 0)
        return fd == -ENOENT ? 0 : fd; /* went to the quarantine with the tree above it */
    int err = fsync(fd) < 0 ? -errno : 0;
    close(fd);
    return err;
}

static int sync_directories(const struct exchange *exchange)
{
    size_t count;
    int err = 0;
    char **paths = directories_of(exchange, &count);
    if (!paths)
        return sync_yards(exchange);
    for (size_t i = 0; i < count; i++) {
        int one = i > 0 && strcmp(paths[i], paths[i - 1]) == 0
                      ? 0
                      : sync_directory(place_of(exchange), paths[i]);
        err = one < 0 ? one : err;
    }
    for (size_t i = 0; i < count; i++)
        free(paths[i]);
    free(paths);
    for (size_t i = 0; i < exchange->yards.count; i++)
        if (fsync(exchange->yards.items[i]->fd) < 0)
            err = -errno;
    return err;
}

int exchange_finish(struct exchange *exchange)
{
    int times = times_again(exchange);
    int err = exchange->made_directories ? sync_yards(exchange) : sync_directories(exchange);
    return err < 0 ? err : times;
}

void exchange_close(struct exchange *exchange)
{
    if (exchange->parent.path)
        close(exchange->parent.fd);
    free(exchange->parent.path);
    free(exchange->last_yard_of);
    yards_close(&exchange->yards);
}
