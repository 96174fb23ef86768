/* early.c - see early.h */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "drivers.h"
#include "early.h"
#include "masks.h"
#include "vars.h"

#define DRIVERS_FILE "/etc/backstop/drivers"
#define MODULES_FILE "/etc/backstop/modules"
#define NEVER_MASK_FILE "/etc/backstop/never-mask"

/* ---- the ticket ---- */

/* False where there is none to go by; only what should not be so is reported. */
static bool read_ticket(const struct early *early, struct ticket *ticket)
{
    enum record_state state = RECORD_ABSENT;
    int err = vars_read_ticket(ticket, &state);
    if (err < 0 && err != -ENOTSUP)
        diag_report(early->diag, DIAG_WARNING, "the ticket cannot be read: %s", strerror(-err));
    if (err < 0 || state == RECORD_ABSENT)
        return false;
    if (state != RECORD_VALID)
        diag_report(early->diag, DIAG_WARNING, "the ticket of this boot is %s: it is passed over",
                    record_state_string(state));
    return state == RECORD_VALID;
}

/* ---- masks ---- */

static int read_names(const struct early *early, const char *file, struct strings *names)
{
    char *path = NULL;
    if (asprintf(&path, "%s%s", early->image, file) < 0)
        return -ENOMEM;
    int err = masks_read(path, names);
    if (err < 0)
        diag_report(early->diag, DIAG_WARNING, "%s: %s", path, strerror(-err));
    free(path);
    return err;
}

/* Drivers of all sets found on the root, also of those whose files are not there. */
static void add_root_drivers(const struct early *early, const struct place *place,
                             struct strings *names)
{
    struct sets sets = {0};
    if (sets_load(place, &sets, early->diag) < 0)
        return;
    if (drivers_of(place, &sets, names, early->diag) < 0)
        diag_report(early->diag, DIAG_WARNING, "not all drivers of the sets are known to mask");
    sets_free(&sets);
}

/* What the root and what is mounted below it stand on; where it is not there yet, may stand on. */
static void list_needed(const struct early *early, const char *root, struct strings *modules)
{
    int err = needs_usual(root ? &early->kernel : NULL, modules);
    read_names(early, NEVER_MASK_FILE, modules);
    if (root && needs_of_root(&early->kernel, root, modules) < 0)
        err = -ENOMEM;
    if (err < 0)
        diag_report(early->diag, DIAG_WARNING, "what the root stands on is not wholly known: %s",
                    strerror(-err));
}

/*
 * `place` NULL: the root is not there yet. `every`: also what no set names, which is much: it may
 * hold the network card that unlocks a disk, so the milder rungs do without.
 */
static void mask(const struct early *early, const struct place *place, bool every)
{
    struct strings names = {0}, except = {0};
    read_names(early, DRIVERS_FILE, &names);
    if (every)
        read_names(early, MODULES_FILE, &names);
    list_needed(early, place ? place->root : NULL, &except);
    if (place)
        add_root_drivers(early, place, &names);
    int err = names.count ? masks_write(early->run, &names, &except) : 0;
    if (err < 0)
        diag_report(early->diag, DIAG_ERROR, "drivers cannot be masked: %s", strerror(-err));
    masks_free(&names);
    masks_free(&except);
}

/* ---- top ---- */

/* Before udev there is no disk that the ESP could be on. */
static int no_slot(const struct receipt *receipt, void *user)
{
    (void)receipt;
    (void)user;
    return -ENODEV;
}

static void report_phase(const struct early *early, const struct ticket *ticket)
{
    struct receipt receipt = {0};
    enum record_state state = RECORD_ABSENT;
    int err = vars_read_receipt(&receipt, &state);
    if (err == 0 && state == RECORD_VALID && receipt.number == ticket->number &&
        (receipt.phase >= PHASE_INITRAMFS || receipt.outcome != OUTCOME_NONE))
        return;
    receipt = (struct receipt){.number = ticket->number, .phase = PHASE_INITRAMFS};
    err = vars_write_receipt_or(&receipt, no_slot, NULL, NULL);
    if (err < 0)
        diag_report(early->diag, DIAG_WARNING,
                    "the receipt cannot be written: %s; if this boot fails it counts as one that "
                    "did not reach the initramfs",
                    strerror(-err));
}

static void slow_down_panics(const struct early *early)
{
    char *path = NULL;
    if (asprintf(&path, "%s/kernel/panic", early->sysctl) < 0)
        return;
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, HOLD_PANIC_SECONDS "\n", sizeof HOLD_PANIC_SECONDS) < 0)
        diag_report(early->diag, DIAG_WARNING, "%s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    free(path);
}

void early_top_with(const struct early *early, const struct ticket *ticket)
{
    bool recovery = ticket_wants_recovery(ticket) && !ticket_clears_sets(ticket);
    if (!ticket_asks_for_report(ticket))
        return;
    if (recovery)
        mask(early, NULL, ticket_masks_drivers(ticket));
    if (recovery && ticket_mode(ticket) == MODE_HOLD)
        slow_down_panics(early);
    report_phase(early, ticket);
}

void early_top(const struct early *early)
{
    struct ticket ticket;
    if (read_ticket(early, &ticket))
        early_top_with(early, &ticket);
}

/* ---- bottom ---- */

/* A file system that was mounted read-only and is written to for the time of a recovery. */
struct opened {
    char *path;
    unsigned long flags;
    bool was_read_only;
};

static unsigned long mount_flags(unsigned long st)
{
    static const struct {
        unsigned long st, ms;
    } pairs[] = {
        {ST_NOSUID, MS_NOSUID},           {ST_NODEV, MS_NODEV},       {ST_NOEXEC, MS_NOEXEC},
        {ST_SYNCHRONOUS, MS_SYNCHRONOUS}, {ST_MANDLOCK, MS_MANDLOCK}, {ST_NOATIME, MS_NOATIME},
        {ST_NODIRATIME, MS_NODIRATIME},   {ST_RELATIME, MS_RELATIME},
    };
    unsigned long flags = MS_REMOUNT;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (st & pairs[i].st)
            flags |= pairs[i].ms;
    return flags;
}

static void open_for_writing(const struct early *early, const char *root, const char *beneath,
                             struct opened *opened)
{
    struct statvfs fs;
    *opened = (struct opened){0};
    if (asprintf(&opened->path, "%s%s", root, beneath) < 0) {
        opened->path = NULL;
        return;
    }
    if (statvfs(opened->path, &fs) < 0 || !(fs.f_flag & ST_RDONLY))
        return;
    opened->flags = mount_flags(fs.f_flag);
    opened->was_read_only = mount(NULL, opened->path, NULL, opened->flags, NULL) == 0;
    if (!opened->was_read_only)
        diag_report(early->diag, DIAG_ERROR, "%s: cannot be mounted for writing: %s", opened->path,
                    strerror(errno));
}

static void close_for_writing(const struct early *early, struct opened *opened)
{
    if (opened->was_read_only &&
        mount(NULL, opened->path, NULL, opened->flags | MS_RDONLY, NULL) < 0)
        diag_report(early->diag, DIAG_WARNING, "%s: stays mounted for writing: %s", opened->path,
                    strerror(errno));
    free(opened->path);
}

enum mode early_mode(const struct ticket *ticket, enum applied applied)
{
    if (ticket_clears_sets(ticket) || (applied == APPLIED_NOTHING && !ticket_masks_drivers(ticket)))
        return MODE_NORMAL;
    return ticket_mode(ticket);
}

static void write_report(const struct early *early, const struct ticket *ticket,
                         const struct recover_result *result, int error)
{
    char *run_dir = NULL;
    struct early_report report = {
        .mode = early_mode(ticket, result->applied),
        .number = ticket->number,
        .case_number = result->case_number ? result->case_number : ticket->case_number,
        .applied = result->applied,
        .summary = result->summary,
        .rebuild_initramfs = result->rebuild_initramfs,
        .error = error,
    };
    int err = asprintf(&run_dir, "%s/backstop", early->run) < 0 ? -ENOMEM : 0;
    if (err == 0) {
        err = early_report_write(run_dir, &report);
        free(run_dir);
    }
    if (err < 0)
        diag_report(early->diag, DIAG_ERROR, "the report of this recovery cannot be written: %s",
                    strerror(-err));
}

static int recover_root(const struct early *early, const struct ticket *ticket, struct place *place,
                        struct recover_result *result)
{
    struct strings modules = {0};
    list_needed(early, place->root, &modules);
    int err = recover(place, ticket, &modules, result, early->diag);
    masks_free(&modules);
    if (err < 0)
        diag_report(early->diag, DIAG_ERROR, "the recovery is not complete: %s", strerror(-err));
    diag_report(early->diag, DIAG_WARNING, "case %u, %s: %zu put back, %zu taken out",
                result->case_number, applied_string(result->applied), result->summary.put_back,
                result->summary.taken_out);
    if (ticket_masks_drivers(ticket) || result->applied == APPLIED_FAILED)
        mask(early, place, ticket_masks_drivers(ticket));
    else
        masks_remove(early->run);
    return err;
}

void early_bottom_with(const struct early *early, const char *root, const struct ticket *ticket)
{
    static const char *const parts[] = {"", "/usr"};
    struct opened opened[2];
    struct recover_result result = {.applied = APPLIED_FAILED};
    struct place place;
    if (!ticket_wants_recovery(ticket))
        return;
    if (ticket_clears_sets(ticket)) {
        diag_report(early->diag, DIAG_WARNING,
                    "the failed boots never reached the initramfs: nothing is put back");
        result.applied = APPLIED_NOTHING;
        write_report(early, ticket, &result, 0);
        return;
    }
    for (size_t i = 0; i < 2; i++)
        open_for_writing(early, root, parts[i], &opened[i]);
    int err = place_open(&place, root);
    if (err == 0) {
        err = recover_root(early, ticket, &place, &result);
        place_close(&place);
    } else {
        diag_report(early->diag, DIAG_ERROR, "%s: %s", root, strerror(-err));
    }
    write_report(early, ticket, &result, err);
    for (size_t i = 2; i-- > 0;)
        close_for_writing(early, &opened[i]);
}

void early_bottom(const struct early *early, const char *root)
{
    struct ticket ticket;
    if (read_ticket(early, &ticket))
        early_bottom_with(early, root, &ticket);
}
