/* recover.c - see recover.h */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "changes.h"
#include "intents.h"
#include "io.h"
#include "json.h"
#include "recover.h"
#include "reserve.h"
#include "suspects.h"

struct recovery {
    struct place place; /* the caller's, with the state directory open */
    bool opened_state;
    const struct ticket *ticket; /* the caller's, with the incident's number for its case */
    struct ticket renumbered;
    uint32_t ticket_case;
    const struct strings *needed;
    struct diag *diag;
    struct journal journal;
    struct intents intents;
    struct sets sets;
    struct good_history *history;
    struct changes changes;
    struct suspects suspects;
    struct exchange exchange;
    struct records records; /* of one case, while what a cut left is settled */
    bool has_records;
    size_t fresh;  /* moves that no pending intent names */
    size_t before; /* changes of pending intents that were made before the cut */
};

/* ---- what is there ---- */

static int open_state(struct recovery *recovery)
{
    if (recovery->place.state_fd >= 0)
        return 0;
    recovery->opened_state = true;
    int err = place_open_state(&recovery->place, false);
    if (err == -ENOENT)
        err = place_open_state(&recovery->place, true);
    if (err < 0)
        diag_report(recovery->diag, DIAG_ERROR,
                    STATE_DIR ": %s; without it nothing can be put back", strerror(-err));
    return err;
}

static int recovery_open(struct recovery *recovery)
{
    int err = open_state(recovery);
    if (err == 0)
        err = journal_read(&recovery->place, &recovery->journal, recovery->diag);
    if (err == 0)
        recovery->renumbered.case_number =
            incident_of(&recovery->place, &recovery->journal, recovery->ticket);
    if (err == 0)
        err = intents_load(&recovery->journal, &recovery->intents);
    if (err == 0)
        err = sets_load(&recovery->place, &recovery->sets, recovery->diag);
    if (err == 0)
        err = good_history_load(&recovery->place, &recovery->history, recovery->diag);
    return err == -ENOENT ? 0 : err; /* no generations: recover() says so */
}

static void recovery_close(struct recovery *recovery)
{
    exchange_close(&recovery->exchange);
    records_free(&recovery->records);
    suspects_free(&recovery->suspects);
    changes_free(&recovery->changes);
    good_history_free(recovery->history);
    sets_free(&recovery->sets);
    intents_free(&recovery->intents);
    journal_free(&recovery->journal);
    if (recovery->opened_state && recovery->place.state_fd >= 0)
        close(recovery->place.state_fd);
}

/* ---- after a cut ---- */

static bool name_exists(int dir_fd, uint32_t id)
{
    struct stat st;
    char name[HELD_NAME_SIZE];
    held_name(name, id, "");
    return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The yard that the item's good version was made ready in, where no record of a suspect names it.
 */
static int open_unrecorded_yard(struct recovery *recovery, const struct intended *item)
{
    const struct yard *yard;
    char *directory = strdup(item->path);
    char *slash = directory ? strrchr(directory, '/') : NULL;
    int err = directory ? -EINVAL : -ENOMEM;
    if (slash) {
        slash[slash == directory] = '\0';
        err = yards_for(&recovery->exchange.yards, directory, item->case_number, &yard);
    }
    free(directory);
    return err < 0 ? err : fcntl(yard->fd, F_DUPFD_CLOEXEC, 0);
}

/* The records of the case at hand, kept while items of it follow each other. */
static int records_of(struct recovery *recovery, uint32_t case_number)
{
    if (recovery->has_records && recovery->records.case_number == case_number)
        return 0;
    records_free(&recovery->records);
    recovery->has_records = false;
    int fd = held_open_case(&recovery->place, case_number, false);
    int err = fd == -ENOENT ? 0 : fd < 0 ? fd : records_read(fd, case_number, &recovery->records);
    if (fd >= 0)
        close(fd);
    recovery->records.case_number = case_number;
    recovery->has_records = err == 0;
    return err;
}

static const char *text_or_null(const char *text)
{
    return *text ? text : NULL;
}

/* The suspect, and what was put in its place. */
static int lock_again(const struct recovery *recovery, int yard_fd, const struct held *held)
{
    if (!held || held->state != HELD_HELD)
        return 0;
    int err = held_flags_again(&recovery->place, yard_fd, held);
    int place = held_place_flags_again(&recovery->place, yard_fd, held);
    return err < 0 ? err : place;
}

/* Of an item that was done, but for these flags. */
static int lock_owed(struct recovery *recovery, struct intended *item)
{
    struct held *held = NULL;
    int err = records_of(recovery, item->case_number);
    if (err == 0)
        records_find(&recovery->records, item->id, &held);
    int yard_fd = held ? held_open_yard(&recovery->place, held) : -ENOENT;
    if (yard_fd < 0)
        return err < 0 ? err : yard_fd == -ENOENT ? 0 : yard_fd;
    item->flags = held->flags;
    item->inode = held->inode;
    err = lock_again(recovery, yard_fd, held);
    close(yard_fd);
    return err;
}

static int settle_one(struct recovery *recovery, struct intended *item)
{
    struct held *held;
    int err = records_of(recovery, item->case_number);
    if (err < 0)
        return err;
    bool lost = records_find(&recovery->records, item->id, &held) < 0;
    struct remnant remnant = held ? held_remnant(held)
                                  : (struct remnant){.id = item->id,
                                                     .path = item->path,
                                                     .suspect = text_or_null(item->from),
                                                     .good = text_or_null(item->to)};
    int yard_fd =
        held ? held_open_yard(&recovery->place, held) : open_unrecorded_yard(recovery, item);
    if (yard_fd < 0)
        return yard_fd == -ENOENT ? 0 : yard_fd;
    if (!held || held->state == HELD_HELD)
        err = held_settle(&recovery->place, yard_fd, &remnant);
    item->inode = held ? held->inode : 0;
    item->lock_error = lock_again(recovery, yard_fd, held);
    item->taken = name_exists(yard_fd, item->id);
    close(yard_fd);
    if (err == 0 && lost && item->taken)
        diag_report(recovery->diag, DIAG_WARNING,
                    "%s: what lies in the quarantine as %u/%u has no record that can be read; it "
                    "stays there, whatever it is",
                    item->path, item->case_number, item->id);
    return err;
}

/* Those that the intent has, taken from the directory for the moves. */
static int lock_directory_again(const struct recovery *recovery, const struct intended *item)
{
    int err = item->directory_flags
                  ? held_directory_flags_again(&recovery->place, item->path, item->directory_flags)
                  : 0;
    if (err < 0)
        diag_report(recovery->diag, DIAG_WARNING,
                    "the directory of %s: its attributes i and a (chattr) cannot be set again: %s",
                    item->path, strerror(-err));
    return err;
}

/* What was done needs none, but for flags that the last recovery of this case owes. */
static void settle(struct recovery *recovery)
{
    bool same_case = recovery->intents.owed_case == recovery->ticket->case_number;
    for (size_t i = 0; i < recovery->intents.count; i++) {
        struct intended *item = &recovery->intents.items[i];
        int err = 0;
        if (item->pending)
            err = settle_one(recovery, item);
        else if (item->owed && same_case)
            item->lock_error = lock_owed(recovery, item);
        else
            continue;
        if (err < 0)
            diag_report(recovery->diag, DIAG_WARNING, "%s: what a cut left of %u/%u stays: %s",
                        item->path, item->case_number, item->id, strerror(-err));
        if (item->lock_error)
            diag_report(recovery->diag, DIAG_WARNING,
                        "%s: its attributes i and a (chattr) cannot be set again: %s", item->path,
                        strerror(-item->lock_error));
        item->directory_error = lock_directory_again(recovery, item);
    }
}

/* ---- cases and ids ---- */

static unsigned directory_flags_of(const struct place *place, const char *path)
{
    const char *name;
    int fd = parent_open(place, path, &name);
    unsigned flags = fd < 0 ? 0 : io_flags_of(fd, "");
    if (fd >= 0)
        close(fd);
    return flags;
}

/* Pending items keep case and id; the others follow after the highest id of this case. */
static void number_moves(struct recovery *recovery)
{
    struct suspects *suspects = &recovery->suspects;
    uint32_t case_number = recovery->ticket->case_number;
    uint32_t last = journal_last_id(&recovery->journal, case_number);
    uint32_t there = held_last_id(&recovery->place, case_number);
    last = there > last ? there : last;
    for (size_t i = 0; i < suspects->count; i++) {
        struct move *move = &suspects->moves[i];
        const struct intended *item = intents_find(&recovery->intents, move->path);
        move->case_number = item ? item->case_number : case_number;
        move->id = item ? item->id : ++last;
        move->directory_flags =
            item ? item->directory_flags : directory_flags_of(&recovery->place, move->path);
        intents_add_owed(&recovery->intents, move);
        recovery->fresh += !item;
    }
}

static int compare_keys(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static uint64_t key_of(uint32_t case_number, uint32_t id)
{
    return (uint64_t)case_number << 32 | id;
}

/* Pending changes that no move is for any more. */
static int made_before(struct recovery *recovery)
{
    const struct suspects *suspects = &recovery->suspects;
    uint64_t *open = calloc(suspects->count + 1, sizeof *open);
    if (!open)
        return -ENOMEM;
    for (size_t i = 0; i < suspects->count; i++)
        open[i] = key_of(suspects->moves[i].case_number, suspects->moves[i].id);
    qsort(open, suspects->count, sizeof *open, compare_keys);
    recovery->before = 0;
    for (size_t i = 0; i < recovery->intents.count; i++) {
        const struct intended *item = &recovery->intents.items[i];
        uint64_t key = key_of(item->case_number, item->id);
        recovery->before +=
            item->pending && !bsearch(&key, open, suspects->count, sizeof *open, compare_keys);
    }
    free(open);
    return 0;
}

/* ---- journal ---- */

/* Gives up the reserve where room is lacking. Takes ownership of record. */
static int append(struct recovery *recovery, struct json_object *record, int64_t *seq)
{
    if (recovery->ticket_case != recovery->ticket->case_number)
        record = json_whole(json_add_number(record, "ticket-case", recovery->ticket_case), record);
    if (!record)
        return -ENOMEM;
    json_object_get(record);
    int err = journal_append_seq(&recovery->place, record, seq);
    if ((err == -ENOSPC || err == -EDQUOT) && reserve_give_up(&recovery->place)) {
        recovery->exchange.reserve_used = true;
        json_object_get(record);
        err = journal_append_seq(&recovery->place, record, seq);
    }
    json_object_put(record);
    if (err < 0)
        diag_report(recovery->diag, DIAG_ERROR, STATE_DIR "/" JOURNAL_NAME ": %s%s", strerror(-err),
                    err == -ENOSPC ? "; make room on the disk" : "");
    return err;
}

/* Adds the seq of a new intent to those that "done" will name. */
static int intent(struct recovery *recovery)
{
    struct intents *intents = &recovery->intents;
    int64_t seq = 0;
    int64_t *pending = realloc(intents->pending, (intents->pending_count + 1) * sizeof *pending);
    if (!pending)
        return -ENOMEM;
    intents->pending = pending;
    int err = append(recovery,
                     intent_describe(recovery->ticket, recovery->suspects.moves,
                                     recovery->suspects.count, intents),
                     &seq);
    if (err == 0)
        pending[intents->pending_count++] = seq;
    return err;
}

static int done(struct recovery *recovery)
{
    return append(recovery,
                  done_describe(recovery->ticket, recovery->suspects.moves,
                                recovery->suspects.count, recovery->before,
                                &recovery->suspects.summary, recovery->suspects.lost,
                                recovery->suspects.left, &recovery->intents),
                  NULL);
}

/* ---- apply ---- */

/* What did not go as planned. */
static void summary_correct(struct suspects *suspects, const struct move *move,
                            enum plan_action planned)
{
    struct plan_summary *summary = &suspects->summary;
    if (planned == PLAN_PUT_BACK && (move->error || move->action == PLAN_TAKE_OUT)) {
        summary->put_back--;
        if (move->action == PLAN_TAKE_OUT && !move->error) {
            summary->taken_out++;
            summary->unprotected++;
        } else if (move->kind == CHANGE_GONE) {
            summary->beyond_help++;
        }
    } else if (planned == PLAN_TAKE_OUT && move->error) {
        size_t files = 1 + (move->holds ? json_object_array_length(move->holds) : 0);
        summary->taken_out -= files < summary->taken_out ? files : summary->taken_out;
    }
}

static int first_error(const struct suspects *suspects)
{
    for (size_t i = 0; i < suspects->count; i++)
        if (suspects->moves[i].error)
            return suspects->moves[i].error;
    return 0;
}

static int run_exchange(struct recovery *recovery)
{
    struct suspects *suspects = &recovery->suspects;
    enum plan_action *planned = calloc(suspects->count + 1, sizeof *planned);
    if (!planned)
        return -ENOMEM;
    for (size_t i = 0; i < suspects->count; i++)
        planned[i] = suspects->moves[i].action;
    recovery->exchange.moves = suspects->moves;
    recovery->exchange.count = suspects->count;
    exchange_write_down(&recovery->exchange);
    exchange_stage(&recovery->exchange);
    int err = exchange_barrier(&recovery->exchange);
    if (err == 0) {
        exchange_move(&recovery->exchange);
        err = exchange_finish(&recovery->exchange);
    }
    for (size_t i = 0; i < suspects->count; i++)
        summary_correct(suspects, &suspects->moves[i], planned[i]);
    free(planned);
    return err;
}

/* Directories that a cut kept from getting their times again: they differ in nothing else. */
static int times_after_cut(const struct recovery *recovery)
{
    const struct inventory *good = good_history_newest(recovery->history);
    int err = 0;
    for (size_t i = 0; i < recovery->intents.count; i++) {
        const struct intended *item = &recovery->intents.items[i];
        const struct entry *entry = item->pending ? inventory_find(good, item->path) : NULL;
        if (!entry || entry->never || entry->type != ENTRY_DIR)
            continue;
        int one = exchange_directory_time(&recovery->place, item->path, entry->mtime_ns);
        if (one < 0 && one != -ENOENT && one != -ENOTDIR && one != -ELOOP)
            err = one;
    }
    return err;
}

/* What an earlier run could not put into a directory that it brought back moves its time on. */
static int times_of_parents(const struct recovery *recovery)
{
    const struct inventory *good = good_history_newest(recovery->history);
    const struct entry *last = NULL;
    int err = 0;
    for (size_t i = 0; i < recovery->suspects.count; i++) {
        const struct move *move = &recovery->suspects.moves[i];
        const char *slash = strrchr(move->path, '/');
        char *directory = strndup(move->path, (size_t)(slash - move->path));
        if (!directory)
            return -ENOMEM;
        const struct entry *entry = move->moved ? inventory_find(good, directory) : NULL;
        free(directory);
        if (!entry || entry == last || entry->never || entry->type != ENTRY_DIR)
            continue;
        last = entry;
        int one = exchange_directory_time(&recovery->place, entry->path, entry->mtime_ns);
        if (one < 0 && one != -ENOENT && one != -ENOTDIR && one != -ELOOP)
            err = one;
    }
    return err;
}

static int apply(struct recovery *recovery)
{
    int err = recovery->fresh > 0 ? intent(recovery) : 0;
    if (err < 0)
        return err;
    err = run_exchange(recovery);
    if (err == 0)
        err = times_of_parents(recovery);
    if (err == 0)
        err = times_after_cut(recovery);
    if (err < 0) /* not durable for certain: the intent stays open and the next run finishes it */
        return err;
    exchange_clear_failed(&recovery->exchange);
    err = done(recovery);
    if (recovery->exchange.reserve_used)
        reserve_keep(&recovery->place);
    return err < 0 ? err : first_error(&recovery->suspects);
}

/* ---- the whole ---- */

static int probe_once(struct recovery *recovery)
{
    const struct inventory *good = good_history_newest(recovery->history);
    int err =
        changes_probe(&recovery->place, &recovery->sets, good, &recovery->changes, recovery->diag);
    if (err == 0)
        err = suspects_find(&recovery->place, &recovery->sets, recovery->history,
                            &recovery->changes, recovery->needed, (enum rung)recovery->ticket->rung,
                            &recovery->suspects, recovery->diag);
    if (err < 0)
        diag_report(recovery->diag, DIAG_ERROR, "what changed cannot be told: %s", strerror(-err));
    return err;
}

/* The newest generation has the file, and its own content of it is lost. */
static bool lost_its_content(const struct recovery *recovery, size_t i)
{
    const struct change *change = &recovery->changes.items[i];

    return change->good && !change->never && !change->doubt && change->good->type == ENTRY_FILE &&
           change->good->hashed && recovery->suspects.goods[i] != change->good;
}

/* Sets of which a content is lost are compared with an older generation; the others stay. */
static int probe(struct recovery *recovery)
{
    int err = probe_once(recovery);
    for (size_t tries = 0; err == 0 && tries < recovery->sets.count; tries++) {
        const char *asked = NULL;
        bool fell_back = false;
        for (size_t i = 0; i < recovery->changes.count && !fell_back; i++) {
            const char *set = recovery->changes.items[i].set_name;

            if (!lost_its_content(recovery, i) || (asked && strcmp(asked, set) == 0))
                continue;
            asked = set;
            fell_back = good_history_fall_back(recovery->history, set, recovery->diag);
        }
        if (!fell_back)
            break;
        suspects_free(&recovery->suspects);
        changes_free(&recovery->changes);
        err = probe_once(recovery);
    }
    return err;
}

static void report_left(const struct recovery *recovery)
{
    const struct json_object *left = recovery->suspects.left;
    for (size_t i = 0; left && i < json_object_array_length(left); i++) {
        const struct json_object *one = json_object_array_get_idx(left, i);
        diag_report(recovery->diag, DIAG_WARNING, "set %s: %lld files are left as they are: %s",
                    journal_text(one, "set"), (long long)journal_number(one, "files"),
                    journal_text(one, "why"));
    }
}

static size_t moved_count(const struct suspects *suspects)
{
    size_t moved = 0;
    for (size_t i = 0; i < suspects->count; i++)
        moved += suspects->moves[i].moved;
    return moved;
}

static enum applied what_stands(const struct recovery *recovery)
{
    const struct ticket *ticket = recovery->ticket;
    if (moved_count(&recovery->suspects) + recovery->before > 0)
        return APPLIED_PUT_BACK;
    if (journal_case_acted(&recovery->journal, ticket->case_number))
        return APPLIED_PUT_BACK;
    if (recovery->suspects.count > 0)
        return APPLIED_FAILED;
    return ticket_masks_drivers(ticket) ? APPLIED_MASKED : APPLIED_NOTHING;
}

static bool image_is_touched(const struct suspects *suspects)
{
    for (size_t i = 0; i < suspects->count; i++)
        if (suspects->moves[i].moved && class_is_in_image(suspects->moves[i].set_class))
            return true;
    return false;
}

/* A note is all that is written where there is nothing to do. */
static int finish_without_moves(struct recovery *recovery, const char *note)
{
    if (recovery->intents.pending_count > 0) {
        int err = times_after_cut(recovery);
        return err < 0 ? err : done(recovery);
    }
    return append(recovery,
                  nothing_describe(recovery->ticket, what_stands(recovery), recovery->suspects.lost,
                                   recovery->suspects.left, &recovery->intents, note),
                  NULL);
}

static int recover_with_history(struct recovery *recovery)
{
    int err = probe(recovery);
    if (err < 0)
        return err;
    report_left(recovery);
    number_moves(recovery);
    err = made_before(recovery);
    if (err < 0)
        return err;
    if (recovery->suspects.count > 0)
        return apply(recovery);
    const struct plan_summary *summary = &recovery->suspects.summary;
    return finish_without_moves(
        recovery, summary->beyond_help > 0
                      ? "what changed cannot be put back: no good version of it is left"
                  : summary->stays > 0 ? "what changed has to stay: the root stands on it"
                  : recovery->suspects.left
                      ? "nothing is known to have changed since the last good generation"
                      : "every file of the sets is as in the last good generation, or is never "
                        "touched");
}

static int recover_opened(struct recovery *recovery)
{
    settle(recovery);
    if (recovery->history && good_history_newest(recovery->history))
        return recover_with_history(recovery);
    diag_report(recovery->diag, DIAG_WARNING,
                "no good generation is there: nothing can be told to have changed, and nothing is "
                "put back");
    return append(recovery,
                  nothing_describe(recovery->ticket, what_stands(recovery), NULL, NULL,
                                   &recovery->intents,
                                   "no good generation is there, so nothing could be put back"),
                  NULL);
}

int recover(const struct place *place, const struct ticket *ticket, const struct strings *needed,
            struct recover_result *result, struct diag *diag)
{
    struct recovery recovery = {.place = *place, .needed = needed, .diag = diag};
    recovery.renumbered = *ticket;
    recovery.ticket = &recovery.renumbered;
    recovery.ticket_case = ticket->case_number;
    recovery.exchange = (struct exchange){
        .yards.place = &recovery.place, .diag = diag, .boot = ticket->number, .from = "recovery"};
    int err = recovery_open(&recovery);
    if (err == 0)
        err = recover_opened(&recovery);
    enum applied stands = what_stands(&recovery);
    bool failed = err < 0 && stands != APPLIED_PUT_BACK;
    *result = (struct recover_result){
        .case_number = recovery.ticket->case_number,
        .applied = failed ? APPLIED_FAILED : stands,
        .summary = recovery.suspects.summary,
        .suspects = recovery.suspects.files,
        .rebuild_initramfs = image_is_touched(&recovery.suspects) ||
                             journal_rebuild_due(&recovery.journal, recovery.ticket->case_number),
    };
    recovery_close(&recovery);
    return err;
}
