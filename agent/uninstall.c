/*
 * uninstall.c - taking the stage away. What must be the stage's own last work is told to it in
 * stage.conf (retire=yes), and BootNext starts it once more.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "install_parts.h"
#include "io.h"
#include "journal.h"
#include "quarantine.h"
#include "thisboot.h"
#include "vars.h"

/* The first failure is what is returned; what follows it is done all the same. */
static void keep_first(int *first, int error)
{
    if (error && !*first)
        *first = error;
}

static int restore_removable(struct parts *parts)
{
    char *former = NULL;
    size_t size = 0;
    int error;

    if (!removable_is_ours(parts))
        return 0;
    error = esp_read(&parts->esp, FORMER_PATH, &former, &size);
    if (error == -ENOENT)
        error = esp_remove(&parts->esp, REMOVABLE_PATH);
    else if (!error)
        error = parts_write(parts, REMOVABLE_PATH, former, size);
    free(former);
    if (error)
        diag_report(parts->diag, DIAG_ERROR, "%s on the ESP (%s) is still the stage: %s",
                    REMOVABLE_PATH, parts->esp.path, strerror(-error));
    return error;
}

static int remove_file(struct parts *parts, const char *path)
{
    int error = esp_remove(&parts->esp, path);

    if (error)
        diag_report(parts->diag, DIAG_ERROR, "%s on the ESP (%s): %s; delete it by hand", path,
                    parts->esp.path, strerror(-error));
    return error;
}

static int remove_files(struct parts *parts, bool stage_too)
{
    static const char *const always[] = {ESP_DIR "\\" LEDGER_SLOTS_NAME,
                                         ESP_DIR "\\" RECEIPT_SLOTS_NAME, FORMER_PATH};
    static const char *const stage[] = {ESP_DIR "\\" STAGECONF_NAME, STAGE_PATH};
    int first = 0;

    for (size_t i = 0; i < sizeof always / sizeof *always; i++)
        keep_first(&first, remove_file(parts, always[i]));
    for (size_t i = 0; stage_too && i < sizeof stage / sizeof *stage; i++)
        keep_first(&first, remove_file(parts, stage[i]));
    if (stage_too && !first) {
        int error = esp_remove_dir(&parts->esp, ESP_DIR);

        /* somebody else's files may lie there */
        if (error && error != -ENOTEMPTY)
            first = error;
    }
    return first;
}

/*
 * The stage has left its mark in ledger.esp since its first boot: with neither mark nor ticket it
 * never ran, and there is no ledger to delete. That file may have gone already, in an uninstall
 * that was cut: where that left no entry for a last start, it had found that there was no need.
 */
static bool stage_ever_ran(const struct parts *parts, bool has_entry)
{
    enum record_state ticket_state = RECORD_ABSENT;
    struct ticket ticket;
    struct ledger ledger;
    unsigned slot;
    char *file = NULL;
    size_t size = 0;
    bool ran = true;

    if (vars_read_ticket(&ticket, &ticket_state) < 0 || ticket_state != RECORD_ABSENT)
        return true;
    if (esp_read(&parts->esp, ESP_DIR "\\" LEDGER_SLOTS_NAME, &file, &size) == 0)
        ran = slots_newest_ledger(&ledger, (const uint8_t *)file, size, &slot) != RECORD_ABSENT;
    else if (parts->state.retired && !has_entry)
        ran = false;
    free(file);
    return ran;
}

static int out_of_order(struct parts *parts, uint16_t ours)
{
    struct boot_order order = {0};
    int error = boot_order_read(&order);

    if (error == -ENOENT)
        return 0;
    if (!error && boot_order_remove(&order, ours))
        error = boot_order_write(&order);
    if (error)
        diag_report(parts->diag, DIAG_ERROR,
                    "BootOrder could not be restored: %s; do it with "
                    "efibootmgr",
                    strerror(-error));
    return error;
}

/* One more start of the stage, in which it deletes what only it can. */
static int arrange_last_start(struct parts *parts)
{
    uint16_t number = 0;
    int error = 0;

    if (!esp_has(&parts->esp, STAGE_PATH))
        return -ENOENT;
    parts->next = parts->state.next;
    parts->removable = false;
    error = parts_choose_next(parts);
    if (!error)
        error = parts_put_conf(parts, true);
    if (!error)
        error = parts_put_entry(parts, &number);
    if (!error)
        error = boot_next_write(number);
    return error;
}

static int leave_firmware(struct parts *parts, bool *retiring)
{
    struct boot_entry ours = {0};
    int first = 0, error = boot_entry_find_ours(parts->esp.partition.partuuid, &ours);

    if (error == 0)
        keep_first(&first, out_of_order(parts, ours.number));
    if (stage_ever_ran(parts, error == 0)) {
        int last = arrange_last_start(parts);

        *retiring = last == 0;
        if (last)
            diag_report(parts->diag, DIAG_WARNING,
                        "the variable %s (48 bytes) stays in NVRAM: %s; only the stage can delete "
                        "it, and its last start could not be arranged",
                        LEDGER_VARIABLE, strerror(-last));
    }
    /* by the entry the next uninstall knows what to take out of BootOrder */
    if (error == 0 && !first && !*retiring)
        keep_first(&first, boot_entry_delete(ours.number));
    keep_first(&first, vars_delete_all());
    boot_entry_free(&ours);
    return first;
}

/* Without the ESP: at least the firmware does not start what nothing answers for any more. */
static int leave_order(struct parts *parts)
{
    struct boot_entry ours = {0};
    int first = 0, error = boot_entry_find_ours("", &ours);

    if (error && error != -ENOENT)
        return error;
    if (!error)
        keep_first(&first, out_of_order(parts, ours.number));
    if (!error && !first)
        keep_first(&first, boot_entry_delete(ours.number));
    keep_first(&first, vars_delete_all());
    boot_entry_free(&ours);
    return first;
}

/* No receipt may follow from this boot: its units still run. */
static int raise_retired_flag(const char *run_dir, struct diag *diag)
{
    char path[PATH_MAX];
    int fd = -1, error = 0;

    snprintf(path, sizeof path, "%s/" RETIRED_NAME, run_dir);
    if (mkdir(run_dir, 0755) == 0 || errno == EEXIST)
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd >= 0) {
        close(fd);
    } else {
        error = -errno;
        diag_report(diag, DIAG_ERROR,
                    "%s: %s; the variable %s may come back in this boot: uninstall again", path,
                    strerror(-error), RECEIPT_VARIABLE);
    }
    return error;
}

/* The one file that a purge leaves, or NULL; nftw() hands on no context. */
static const char *kept_file;

static int remove_item(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    if (kept_file && strcmp(path, kept_file) == 0)
        return 0;
    if (remove(path) == 0 || errno == ENOENT || (kept_file && errno == ENOTEMPTY))
        return 0;
    return -1;
}

/* Suspects on other file systems lie outside STATE_DIR. */
static void purge_quarantine(const struct place *place, struct diag *diag)
{
    struct quarantine quarantine = {0};

    if (quarantine_list(place, &quarantine, diag) < 0)
        return;
    for (size_t i = 0; i < quarantine.count; i++)
        if (strcmp(quarantine.items[i].state, "held") == 0)
            quarantine_purge(place, quarantine.items[i].case_number, quarantine.items[i].id, diag);
    quarantine_free(&quarantine);
}

/* keep_install: what is still to be taken away is only known from that file. */
static int purge_state(const struct place *place, bool keep_install, struct diag *diag)
{
    const char *root = strcmp(place->root, "/") == 0 ? "" : place->root;
    char path[4096], install[sizeof path + sizeof INSTALL_NAME];
    int error = 0;

    purge_quarantine(place, diag);
    if ((size_t)snprintf(path, sizeof path, "%s%s", root, STATE_DIR) >= sizeof path)
        return -ENAMETOOLONG;
    snprintf(install, sizeof install, "%s/" INSTALL_NAME, path);
    kept_file = keep_install ? install : NULL;
    if (nftw(path, remove_item, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) < 0 && errno != ENOENT)
        error = -errno;
    kept_file = NULL;
    if (error)
        diag_report(diag, DIAG_ERROR, "%s: %s; delete it by hand", path, strerror(-error));
    return error;
}

/* Written before the last files go: an uninstall that is cut does not look for them again, and no
 * unit installs anew. */
static int remember_leaving(struct parts *parts)
{
    int error;

    if (!parts->state.present)
        return 0;
    parts->state.retired = true;
    parts->state.complete = false;
    error = install_state_write(parts->place, &parts->state);
    if (error)
        diag_report(parts->diag, DIAG_ERROR,
                    STATE_DIR "/" INSTALL_NAME " cannot be written: %s; mend that, and uninstall "
                              "again",
                    strerror(-error));
    return error;
}

/* unfinished: the next uninstall must go on, and knows from install.json with what. */
static int forget(struct parts *parts, bool purge, bool unfinished)
{
    struct json_object *record;
    int error = 0;

    if (purge)
        error = purge_state(parts->place, unfinished && parts->state.present, parts->diag);
    if (!parts->state.present || (purge && !unfinished))
        return error;
    parts->state.retired = true;
    parts->state.complete = false;
    parts->state.removable = false;
    record = purge ? NULL : journal_record("uninstall", 0, 0, "");
    if (record && journal_append(parts->place, record) < 0)
        diag_report(parts->diag, DIAG_WARNING, STATE_DIR "/" JOURNAL_NAME " could not be written");
    keep_first(&error, install_state_write(parts->place, &parts->state));
    return error;
}

int uninstall_run(const struct place *place, const struct uninstall_options *options,
                  struct uninstall_result *result, struct diag *diag)
{
    bool variables = place->live && !install_variables_obstacle();
    struct uninstall_result done = {0};
    struct parts parts;
    /* that there is none is no failure here, and not worth a message */
    int first = 0, left = 0, remembered,
        error = parts_open(&parts, place, options->esp_dir, true, NULL);

    parts.diag = diag;
    parts.use_variables = variables;
    if (options->partition)
        parts.esp.partition = *options->partition;
    if (place->live && (error == 0 || parts.state.retired))
        keep_first(&first, raise_retired_flag(options->run_dir, diag));
    if (error == 0) {
        done.was_there = true;
        error = restore_removable(&parts);
        keep_first(&first, error);
        if (variables)
            left = leave_firmware(&parts, &done.retiring);
        keep_first(&first, left);
        remembered = remember_leaving(&parts);
        keep_first(&first, remembered);
        /* while the stage stands in its place, the former loader lies among these files; and what
         * is gone without install.json saying so would next time be an ESP that is not reached */
        if (!error && !remembered)
            keep_first(&first, remove_files(&parts, !done.retiring));
    } else if (error != -ENOENT || parts.state.complete) {
        diag_report(diag, DIAG_ERROR,
                    "the ESP that the stage is on cannot be reached: %s; mount it, give it with "
                    "--esp DIR, and uninstall again",
                    strerror(-error));
        first = error;
        if (variables)
            left = leave_order(&parts);
        keep_first(&first, left);
    } else if (variables && parts.state.retired && parts.state.has_entry) {
        /* the files went, and the firmware did not let go of all that is its */
        left = leave_order(&parts);
        keep_first(&first, left);
    }
    parts.state.has_entry = parts.state.has_entry && left;
    keep_first(&first, forget(&parts, options->purge, first != 0));
    parts_close(&parts);
    *result = done;
    return first;
}
