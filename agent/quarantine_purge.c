/* quarantine_purge.c - suspects are deleted for good. See quarantine.h */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "quarantine.h"
#include "quarantine_item.h"

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
        records[count] = act_describe(one->held, "purge", step);
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
            one->begun = act_is_begun(record);
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
            err = item_tell(&item, one, records->items[i]->held_at, "cannot be reached");
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
    case_tell_damaged(purge->open, purge->diag);
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
    int lock = quarantine_lock(place, diag);
    if (lock < 0)
        return lock;
    int err = id ? purge_one(&purge, case_number, id) : purge_case(&purge, case_number);
    case_close(&open);
    close(lock);
    return err;
}
