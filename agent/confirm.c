#include "confirm.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "good.h"
#include "intents.h"
#include "journal.h"
#include "json.h"
#include "leftout.h"
#include "manifest.h"
#include "reserve.h"
#include "unmounted.h"
#include "vars.h"

void confirm_open(struct confirm *confirm, const struct place *place, const char *run_dir,
                  struct diag *diag)
{
    *confirm = (struct confirm){
        .place = place, .run_dir = run_dir, .diag = diag, .write_receipt = vars_write_receipt};
    config_load(place, &confirm->policy, diag);
    this_boot_probe(run_dir, &confirm->boot);
}

bool confirm_needs_checks(const struct this_boot *boot)
{
    return boot->mode == MODE_NORMAL;
}

/* Safe mode proves less, and masks drivers. */
static bool may_promote(const struct confirm *confirm)
{
    switch (confirm->boot.mode) {
    case MODE_NORMAL:
        return !cmdline_leaves_out(confirm->place, confirm->diag);
    case MODE_SAFE:
    case MODE_MINIMAL:
    case MODE_HOLD:
        return false;
    }
    return false;
}

bool confirm_returns(const struct confirm *confirm)
{
    switch (confirm->boot.mode) {
    case MODE_NORMAL:
    case MODE_HOLD:
        return false;
    case MODE_SAFE:
    case MODE_MINIMAL:
        /* a ledger that was not stored decides the same again, for ever */
        return confirm->boot.ticket.stored != STORED_NOWHERE &&
               (confirm->policy.return_how == RETURN_AUTO || confirm->boot.receipt.go_normal);
    }
    return false;
}

/* A boot that the stage did not start has no number to be receipted under. */
static bool is_receiptable(const struct confirm *confirm)
{
    return confirm->boot.ticket_state == RECORD_VALID && !confirm->boot.retired;
}

static uint8_t further(uint8_t a, uint8_t b)
{
    return a > b ? a : b;
}

static void note_receipt(const struct confirm *confirm, const struct receipt *receipt)
{
    if (this_boot_note_receipt(confirm->run_dir, receipt) < 0)
        diag_report(confirm->diag, DIAG_WARNING, "%s/" RECEIPTED_NAME " could not be written",
                    confirm->run_dir);
}

static int write_receipt(struct confirm *confirm, enum outcome outcome, enum phase phase,
                         uint32_t generation)
{
    struct this_boot *boot = &confirm->boot;
    struct receipt receipt = boot->has_receipt ? boot->receipt : (struct receipt){0};
    enum stored where;
    int error;

    receipt.number = boot->ticket.number;
    receipt.outcome = (uint8_t)outcome;
    receipt.phase = further(receipt.phase, (uint8_t)phase);
    if (generation)
        receipt.generation = generation;
    /* the stage's own settings may be older than ours: it must not go back to safe mode for ever */
    if (outcome == OUTCOME_GOOD && confirm_returns(confirm))
        receipt.go_normal = 1;
    if (boot->early.present && boot->early.number == boot->ticket.number)
        receipt.applied = (uint8_t)boot->early.applied;
    error = confirm->write_receipt(&receipt, &where);
    if (error) {
        /* the deadline must know a good boot, stored or not */
        if (outcome == OUTCOME_GOOD)
            note_receipt(confirm, &receipt);
        diag_report(confirm->diag, DIAG_ERROR,
                    "the receipt of boot %u could be stored neither in NVRAM nor on the ESP: %s; "
                    "this boot will count as failed. `backstop doctor` says what to do",
                    receipt.number, strerror(-error));
        return error;
    }
    if (where == STORED_ESP)
        diag_report(confirm->diag, DIAG_WARNING,
                    "NVRAM refused the receipt of boot %u; it is on the ESP instead",
                    receipt.number);
    boot->receipt = receipt;
    boot->has_receipt = true;
    note_receipt(confirm, &receipt);
    return 0;
}

static enum outcome outcome_so_far(const struct confirm *confirm)
{
    return confirm->boot.has_receipt ? (enum outcome)confirm->boot.receipt.outcome : OUTCOME_NONE;
}

static int open_run_dir(const struct confirm *confirm)
{
    int fd;

    if (mkdir(confirm->run_dir, 0755) < 0 && errno != EEXIST)
        return -errno;
    fd = open(confirm->run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/*
 * 0 the first time in this boot. A unit that failed is started again by whatever pulls in
 * sysinit.target, and identities of then would promote what has come since.
 */
static int begin_identities(int run_fd)
{
    int fd = openat(run_fd, STARTED_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

    if (fd < 0)
        return errno == EEXIST ? -EALREADY : -errno;
    close(fd);
    return 0;
}

static int take_identities(struct confirm *confirm, int run_fd)
{
    struct inventory inventory = {0};
    struct sets sets = {0};
    int error;

    /* taken again later they would promote what has come since */
    if (faccessat(run_fd, IDENTITIES_NAME, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return 0;
    error = begin_identities(run_fd);
    if (!error)
        error = sets_load(confirm->place, &sets, confirm->diag);
    if (!error) {
        /* what a set detects may be mounted later; what it holds stands already */
        for (size_t i = 0; i < sets.count; i++)
            sets.items[i].present = true;
        error = inventory_take(confirm->place, &sets, &inventory, confirm->diag);
    }
    if (!error) {
        inventory.boot =
            confirm->boot.ticket_state == RECORD_VALID ? confirm->boot.ticket.number : 0;
        error = manifest_write(run_fd, IDENTITIES_NAME, &inventory);
        inventory_free(&inventory);
    }
    sets_free(&sets);
    return error;
}

static bool state_is_mounted(const struct place *place)
{
    struct strings points = {0};
    bool mounted;

    if (unmounted_list(place, &points) < 0)
        return true;
    mounted = !unmounted_holds(&points, STATE_DIR);
    unmounted_free(&points);
    return mounted;
}

/* The stage has no record of a case, and the journal has: what follows is of other incidents. */
static int note_recount(const struct confirm *confirm, const struct place *place)
{
    struct journal journal = {0};
    int error = journal_read(place, &journal, confirm->diag);

    if (!error && journal_has_cases(&journal)) {
        struct json_object *record =
            journal_record("recount", confirm->boot.ticket.number, 0,
                           reason_string((enum reason)confirm->boot.ticket.last_reason));

        error = record ? journal_append(place, record) : -ENOMEM;
    }
    journal_free(&journal);
    return error;
}

/* A place of its own, with the state directory open and on its own file system. */
static int open_state(const struct confirm *confirm, struct place *place)
{
    int error = place_open(place, confirm->place->root);

    if (!error && !state_is_mounted(place))
        error = -ENODEV;
    if (!error)
        error = place_open_state(place, true);
    return error;
}

/* In the first boot after the stage's records were lost; in no other is the journal read. */
static void look_for_recount(const struct confirm *confirm)
{
    const struct ticket *ticket = &confirm->boot.ticket;
    struct place place = {.root_fd = -1, .state_fd = -1};
    int error = 0;

    if (confirm->boot.ticket_state != RECORD_VALID || ticket->case_number != 0 ||
        (ticket->last_reason != REASON_FIRST_BOOT && ticket->last_reason != REASON_LEDGER_LOST))
        return;
    error = open_state(confirm, &place);
    if (!error)
        error = note_recount(confirm, &place);
    if (error)
        diag_report(confirm->diag, DIAG_WARNING,
                    STATE_DIR "/" JOURNAL_NAME
                              ": that the counting began anew could not be written: %s",
                    strerror(-error));
    place_close(&place);
}

int confirm_start(struct confirm *confirm)
{
    int run_fd = open_run_dir(confirm), error;

    error = run_fd < 0 ? run_fd : take_identities(confirm, run_fd);
    if (run_fd >= 0)
        close(run_fd);
    if (error)
        diag_report(confirm->diag, DIAG_ERROR,
                    "the identities of this boot's files could not be written to %s: %s; this boot "
                    "will make no good generation",
                    confirm->run_dir, strerror(-error));
    look_for_recount(confirm);
    if (is_receiptable(confirm) && ticket_asks_for_report(&confirm->boot.ticket) &&
        !confirm->boot.has_receipt) {
        int receipted = write_receipt(confirm, OUTCOME_NONE, PHASE_EARLY, 0);

        error = error ? error : receipted;
    }
    return error;
}

static int read_started(const struct confirm *confirm, struct inventory *started)
{
    int run_fd = open(confirm->run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), error;

    if (run_fd < 0)
        return -errno;
    error = manifest_read(run_fd, IDENTITIES_NAME, started, confirm->diag);
    close(run_fd);
    return error;
}

/* 0 or -errno. */
static int take_generation(struct confirm *confirm)
{
    uint32_t number = confirm->boot.ticket_state == RECORD_VALID ? confirm->boot.ticket.number : 0;
    struct inventory started = {0};
    struct place place = {.root_fd = -1, .state_fd = -1};
    struct sets sets = {0};
    int error = read_started(confirm, &started);

    if (error) {
        diag_report(confirm->diag, DIAG_WARNING,
                    "%s/" IDENTITIES_NAME
                    ": %s; without them nothing is known to have run well. Is "
                    "backstop-start.service enabled?",
                    confirm->run_dir, strerror(-error));
        return error;
    }
    error = open_state(confirm, &place);
    if (!error)
        error = sets_load(&place, &sets, confirm->diag);
    if (!error)
        error = good_take(&place, &sets, &started, number, &confirm->policy, &confirm->taken,
                          confirm->diag);
    if (!error)
        reserve_keep(&place); /* where there is room to spare; a recovery manages without */
    sets_free(&sets);
    place_close(&place);
    inventory_free(&started);
    if (error)
        diag_report(
            confirm->diag, DIAG_WARNING,
            "no good generation could be taken: %s; the boot is confirmed all the same, and "
            "the generations before stand%s",
            strerror(-error),
            error == -ENOSPC   ? ". Make room in " STATE_DIR
            : error == -ENODEV ? ". The file system of " STATE_DIR " is not mounted"
                               : "");
    return error;
}

/* What is stored already is not written; what could not be may be taken now. */
static int store_again(struct confirm *confirm)
{
    return is_receiptable(confirm) ? write_receipt(confirm, OUTCOME_GOOD, PHASE_BOOTED, 0) : 0;
}

static void note_good(const struct confirm *confirm)
{
    int run_fd = open_run_dir(confirm);
    int fd = run_fd < 0
                 ? -1
                 : openat(run_fd, GOOD_NAME, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);

    if (fd < 0)
        diag_report(confirm->diag, DIAG_WARNING, "%s/" GOOD_NAME " could not be written",
                    confirm->run_dir);
    else
        close(fd);
    if (run_fd >= 0)
        close(run_fd);
}

/* As the stage will see it, once it reads the receipt: core/decide.c, account_good(). */
static bool ends_case(const struct this_boot *boot)
{
    return boot->ticket.case_open && boot->mode == MODE_NORMAL &&
           boot->ticket.stored != STORED_NOWHERE;
}

static const char *how_it_ended(enum stance stance)
{
    switch (stance) {
    case STANCE_NORMAL:
        return "a normal boot proved good before a recovery was due";
    case STANCE_RECOVERY:
        return "there was nothing to put back, and a normal boot proved good";
    case STANCE_PROBATION:
        return "after the recovery a normal boot proved good";
    }
    return "";
}

static struct json_object *case_end_describe(const struct ticket *ticket, uint32_t incident,
                                             uint32_t generation)
{
    struct json_object *record = journal_record("case-end", ticket->number, incident,
                                                reason_string((enum reason)ticket->first_reason));

    return json_whole(
        json_add_text(record, "rung", rung_string((enum rung)ticket->rung)) &&
            json_add_text(record, "note", how_it_ended((enum stance)ticket->stance)) &&
            (incident == ticket->case_number ||
             json_add_number(record, "ticket-case", ticket->case_number)) &&
            json_add_number(record, "generation", generation),
        record);
}

static int write_case_end(struct confirm *confirm, const struct place *place)
{
    const struct ticket *ticket = &confirm->boot.ticket;
    struct json_object *record;
    struct journal journal = {0};
    int error = journal_read(place, &journal, confirm->diag);

    if (!error && !journal_case_ended(&journal, ticket)) {
        record = case_end_describe(ticket, incident_of(place, &journal, ticket),
                                   confirm->taken.generation);
        error = record ? journal_append(place, record) : -ENOMEM;
        confirm->case_ended = !error;
    }
    journal_free(&journal);
    return error;
}

static void end_case(struct confirm *confirm)
{
    struct place place = {.root_fd = -1, .state_fd = -1};
    int error = open_state(confirm, &place);

    if (!error)
        error = write_case_end(confirm, &place);
    if (error)
        diag_report(confirm->diag, DIAG_WARNING,
                    STATE_DIR "/" JOURNAL_NAME ": the end of case %u could not be written: %s",
                    confirm->boot.ticket.case_number, strerror(-error));
    place_close(&place);
}

static void report_left_out(const struct confirm *confirm)
{
    diag_report(confirm->diag, DIAG_WARNING,
                "the kernel command line keeps something from starting: this boot may be good, but "
                "does not prove the files that it did not use, and makes no good generation "
                "(man backstop, good)");
}

bool confirm_boot_proves(const struct place *place, const char *run_dir, struct diag *diag)
{
    struct confirm confirm = {.place = place, .run_dir = run_dir, .diag = diag};

    this_boot_probe(run_dir, &confirm.boot);
    if (may_promote(&confirm))
        return true;
    if (confirm.boot.mode == MODE_NORMAL)
        report_left_out(&confirm);
    else
        diag_report(diag, DIAG_WARNING,
                    "this boot is in safe mode: it does not prove the files that it did not use, "
                    "and makes no good generation");
    return false;
}

int confirm_good(struct confirm *confirm)
{
    int taken = 0, error = 0;

    if (outcome_so_far(confirm) == OUTCOME_GOOD)
        return store_again(confirm);
    if (may_promote(confirm))
        taken = take_generation(confirm);
    else if (confirm->boot.mode == MODE_NORMAL)
        report_left_out(confirm);
    note_good(confirm);
    if (is_receiptable(confirm))
        error = write_receipt(confirm, OUTCOME_GOOD, PHASE_BOOTED, confirm->taken.generation);
    else if (!confirm->boot.retired)
        diag_report(confirm->diag, DIAG_WARNING,
                    "the stage did not start this boot, so it is not receipted; `backstop doctor` "
                    "says why");
    if (is_receiptable(confirm) && !error && ends_case(&confirm->boot))
        end_case(confirm);
    return error ? error : taken;
}

int confirm_end(struct confirm *confirm)
{
    if (!is_receiptable(confirm))
        return 0;
    switch (outcome_so_far(confirm)) {
    case OUTCOME_GOOD:
        return store_again(confirm);
    case OUTCOME_FAILED:
    case OUTCOME_HANG:
    case OUTCOME_CRASH:
    case OUTCOME_UNKNOWN:
        return 0;
    case OUTCOME_NONE:
    case OUTCOME_CLEAN:
        break;
    }
    return write_receipt(confirm, OUTCOME_CLEAN, PHASE_EARLY, 0);
}

/*
 * Ending a boot is safe only where the count goes up and is at some time at its end: an uncounted
 * boot would be restarted for ever, and hold is that end.
 */
static bool may_restart(const struct this_boot *boot)
{
    return boot->ticket.stored != STORED_NOWHERE && boot->mode != MODE_HOLD;
}

/*
 * Also where the note in the run directory is lost (/run full), and after a kexec: the boot of this
 * number has been answered for.
 */
bool confirm_is_good(const struct confirm *confirm)
{
    struct receipt receipt;
    enum record_state state = RECORD_ABSENT;

    if (outcome_so_far(confirm) == OUTCOME_GOOD)
        return true;
    return confirm->boot.ticket_state == RECORD_VALID &&
           confirm->boot.ticket.stored != STORED_NOWHERE &&
           vars_read_receipt(&receipt, &state) == 0 && state == RECORD_VALID &&
           receipt.number == confirm->boot.ticket.number && receipt.outcome == OUTCOME_GOOD;
}

bool confirm_may_end(const struct confirm *confirm)
{
    return is_receiptable(confirm) && !confirm_is_good(confirm) && may_restart(&confirm->boot);
}

int confirm_deadline(struct confirm *confirm, bool *restart)
{
    int error;

    *restart = false;
    if (!is_receiptable(confirm) || confirm_is_good(confirm))
        return 0;
    if (!may_restart(&confirm->boot)) {
        diag_report(confirm->diag, DIAG_WARNING,
                    "this boot did not prove good by its deadline; it goes on, since %s",
                    confirm->boot.mode == MODE_HOLD ? "the ladder is at its end"
                                                    : "it is not counted");
        return 0;
    }
    error = write_receipt(confirm, OUTCOME_FAILED, PHASE_EARLY, 0);
    *restart = true; /* without a receipt it counts as failed all the same */
    return error;
}

int confirm_return(struct confirm *confirm)
{
    if (!is_receiptable(confirm) || confirm->boot.mode == MODE_NORMAL) {
        diag_report(confirm->diag, DIAG_ERROR, "this boot is not in safe mode: nothing to leave");
        return -EINVAL;
    }
    confirm->boot.receipt.go_normal = 1;
    confirm->boot.has_receipt = true;
    return write_receipt(confirm, (enum outcome)confirm->boot.receipt.outcome, PHASE_EARLY, 0);
}

int confirm_to_rebuild(struct confirm *confirm, const struct due_images *due)
{
    int run_fd = open_run_dir(confirm);
    int error = run_fd < 0 ? run_fd : rebuild_note(confirm->place, run_fd, due);

    if (run_fd >= 0)
        close(run_fd);
    if (error)
        diag_report(confirm->diag, DIAG_WARNING,
                    "%s/" REBUILD_NOTE_NAME
                    " could not be written: %s; that the images were made anew will not be known",
                    confirm->run_dir, strerror(-error));
    return error;
}

static int check_rebuilt(struct confirm *confirm, const struct due_images *due)
{
    int run_fd = open_run_dir(confirm), error;

    error = run_fd < 0 ? run_fd : rebuild_check(confirm->place, run_fd, due, confirm->diag);
    if (run_fd >= 0)
        close(run_fd);
    return error;
}

int confirm_rebuilt(struct confirm *confirm, const struct due_images *due)
{
    int error = check_rebuilt(confirm, due);
    const struct ticket *ticket = &confirm->boot.ticket;
    bool known = confirm->boot.ticket_state == RECORD_VALID;
    struct json_object *record;

    if (error)
        return error;
    record = journal_record("rebuild", known ? ticket->number : 0,
                            known ? this_boot_case(&confirm->boot) : 0,
                            known ? reason_string((enum reason)ticket->last_reason) : "");
    record = json_whole(rebuild_describe(record, due), record);
    return record ? journal_append(confirm->place, record) : -ENOMEM;
}
