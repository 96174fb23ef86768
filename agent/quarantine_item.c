/* quarantine_item.c - see quarantine_item.h */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include "json.h"
#include "quarantine_item.h"

#define BY_HAND "asked for by hand"

int case_open(const struct place *place, uint32_t case_number, struct quarantine_case *open)
{
    *open = (struct quarantine_case){.fd = held_open_case(place, case_number, false)};
    return open->fd < 0 ? open->fd : records_read(open->fd, case_number, &open->records);
}

void case_close(struct quarantine_case *open)
{
    records_free(&open->records);
    if (open->fd >= 0)
        close(open->fd);
}

void item_close(struct item *item)
{
    if (item->yard_fd >= 0)
        close(item->yard_fd);
}

int item_look(struct item *item, struct held *held)
{
    item->held = held;
    item->yard_fd = held_open_yard(item->place, held);
    if (item->yard_fd < 0)
        return item->yard_fd == -ENOENT ? 0 : item->yard_fd;
    item->lies = !held->in_place && held_find(item->place, item->yard_fd, held, item->name);
    return 0;
}

int item_open(const struct place *place, struct quarantine_case *open, uint32_t id,
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

enum held_state item_state(const struct item *item)
{
    return item->lies ? HELD_HELD : item->held->state;
}

bool item_is_void(const struct item *item)
{
    return !item->lies && !item->held->in_place && item->held->state == HELD_HELD;
}

void case_tell_damaged(const struct quarantine_case *open, struct diag *diag)
{
    const struct records *records = &open->records;
    for (size_t i = 0; i < records->damaged_count; i++)
        diag_report(diag, DIAG_WARNING,
                    STATE_DIR "/" QUARANTINE_NAME "/%u/" RECORDS_NAME ":%zu: no record; the "
                              "suspect that it told of is untouched, and the journal names it",
                    records->case_number, records->damaged[i].number);
}

int item_tell(const struct item *item, int err, const char *path, const char *what)
{
    diag_report(item->diag, DIAG_ERROR, "%s: %s: %s", path, what, strerror(-err));
    return err;
}

struct json_object *act_describe(const struct held *held, const char *event, const char *step)
{
    struct json_object *record = journal_record(event, held->boot, held->case_number, BY_HAND);
    return json_whole(json_add_text(record, "step", step) &&
                          json_add_number(record, "id", held->id) &&
                          json_add_text(record, "path", held->path),
                      record);
}

int item_note(const struct item *item, const char *event, const char *step, uint32_t displaced,
              const char *destination)
{
    struct json_object *record = act_describe(item->held, event, step);
    record = json_whole((!displaced || json_add_number(record, "displaced", displaced)) &&
                            (!destination || json_add_text(record, "destination", destination)),
                        record);
    int err = record ? journal_append(item->place, record) : -ENOMEM;
    return err < 0 ? item_tell(item, err, STATE_DIR "/" JOURNAL_NAME, "cannot be written") : 0;
}

int item_take(const struct place *place, uint32_t case_number, uint32_t id,
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

int item_name(struct item *item)
{
    char name[HELD_NAME_SIZE];
    held_name(name, item->held->id, "");
    if (!item->lies || strcmp(name, item->name) == 0)
        return 0;
    int err = rename_keeping(item->yard_fd, item->name, item->yard_fd, name);
    if (err == 0)
        memcpy(item->name, name, sizeof name);
    return err < 0 ? item_tell(item, err, item->held->held_at, "cannot be named") : 0;
}

int item_write_state(const struct item *item, enum held_state state)
{
    return records_write_state(item->case_fd, item->records, item->held, state);
}

const struct json_object *item_last_act(const struct item *item, const struct journal *journal,
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

bool act_is_begun(const struct json_object *record)
{
    return strcmp(journal_text(record, "step"), "intent") == 0;
}

static int lock_wait(const struct place *place)
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

int quarantine_lock(const struct place *place, struct diag *diag)
{
    int lock = lock_wait(place);
    if (lock < 0)
        diag_report(diag, DIAG_ERROR, STATE_DIR "/" QUARANTINE_NAME ": %s%s", strerror(-lock),
                    lock == -ENOENT ? "; nothing was ever put there" : "");
    return lock;
}

int item_sync(const struct item *item, int dir_fd)
{
    return fsync(dir_fd) < 0 || fsync(item->yard_fd) < 0 ? -errno : 0;
}
