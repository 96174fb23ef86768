/*
 * What a cut in the flash may do to the count, judged from outside: the oracle of `rig flash`.
 *
 * It is written from FORMAT.md and the rules of the counting, and shares nothing with the stage.
 */
#include "command.h"
#include "directory.h"
#include "due.h"
#include "flash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CONTROL_PATIENCE 2u /* times that of a boot which is judged */

const char *flash_result_string(enum flash_result result)
{
    switch (result) {
    case FLASH_WELL:
        return "well";
    case FLASH_FAILED:
        return "failed";
    case FLASH_FIRMWARE:
        return "firmware";
    }
    return "failed";
}

/* What is stored of boots, in the variable store and on the ESP. */
struct facts {
    bool store; /* there is a variable store that can be read */
    struct due_facts stored;
    bool updated_is_old,
        updated_is_new; /* the case's variable, as before the logged boot or after */
};

static bool value_is(const struct flash_value *a, const struct flash_value *b)
{
    return (a->bytes == NULL) == (b->bytes == NULL) && a->size == b->size &&
           (a->size == 0 || memcmp(a->bytes, b->bytes, a->size) == 0);
}

static void facts_read(struct facts *facts, const struct flash_log *log, const char *vars,
                       const char *disk)
{
    struct flash_value updated;
    struct nvram nvram = {0};
    size_t size = 0;
    TEXT_AUTO slots = small_get(disk, "/EFI/backstop/ledger.esp", &size);

    memset(facts, 0, sizeof *facts);
    record_take(&facts->stored.ledger, RECORD_LEDGER, NULL, 0, false);
    record_take(&facts->stored.receipt, RECORD_RECEIPT, NULL, 0, false);
    record_from_slots(&facts->stored.slot, RECORD_LEDGER, (const uint8_t *)slots,
                      slots != NULL ? size : 0);
    facts->store = nvram_load(&nvram, vars) == 0;
    if (!facts->store)
        return;
    record_from_nvram(&facts->stored.ledger, RECORD_LEDGER, &nvram);
    record_from_nvram(&facts->stored.receipt, RECORD_RECEIPT, &nvram);
    flash_value_take(&updated, &nvram, log->flash_case->guid, log->flash_case->variable);
    facts->updated_is_old = value_is(&updated, &log->value[0]);
    facts->updated_is_new = value_is(&updated, &log->value[1]);
    flash_value_free(&updated);
    nvram_free(&nvram);
}

static bool meets(const struct small_boot *boot, const struct due *expected)
{
    return boot->number == expected->number && boot->failures == expected->failures &&
           boot->found == expected->found;
}

/* ---- judgements ------------------------------------------------------------------------- */

static int fail(struct flash_verdict *verdict, char *detail)
{
    verdict->result = FLASH_FAILED;
    text_replace(&verdict->detail, detail);
    return 1;
}

static bool old_or_new(const struct record *now, const struct record both[2])
{
    return record_is_same(now, &both[0]) || record_is_same(now, &both[1]);
}

/*
 * A collection writes the store anew, each variable with the state that it has, and its data last:
 * a cut can hide it, or leave it torn and in force. Of that the record's CRC tells the stage.
 */
static int judge_store(const struct flash_log *log, const struct facts *facts,
                       struct flash_verdict *verdict)
{
    bool hides = log->flash_case->kind == FLASH_COLLECTION;

    if (!facts->store && !hides)
        return fail(verdict, text_copy("the variable store cannot be read"));
    if (!old_or_new(&facts->stored.ledger, log->ledger) && !(hides && !facts->stored.ledger.whole))
        return fail(verdict, text_format("the ledger is neither old nor new: %s",
                                         facts->stored.ledger.whole ? "another" : "torn or gone"));
    if (!old_or_new(&facts->stored.receipt, log->receipt) &&
        !(hides && !facts->stored.receipt.whole))
        return fail(verdict, text_format("the receipt is neither old nor new: %s",
                                         facts->stored.receipt.whole ? "another" : "torn or gone"));
    if (!hides && !facts->updated_is_old && !facts->updated_is_new)
        return fail(verdict, text_format("%s is neither old nor new", log->flash_case->variable));
    return 0;
}

static char *ticket_text(const struct small_boot *boot)
{
    return text_format("number=%u failures=%u found=%u stored=%u reason=%u", boot->number,
                       boot->failures, boot->found, boot->stored, boot->reason);
}

/* The machine starts the next loader. */
static int judge_start(const struct small_boot *boot, const char *which,
                       struct flash_verdict *verdict)
{
    if (!boot->started || !boot->off)
        return fail(verdict, text_format("%s %s%s", which, boot->end,
                                         boot->started ? "" : " before the next loader"));
    return 0;
}

/* And with a ticket that is stored. */
static int judge_boot(const struct small_boot *boot, const char *which,
                      struct flash_verdict *verdict)
{
    int settled = judge_start(boot, which, verdict);

    if (settled != 0)
        return settled;
    if (!boot->ticket)
        return fail(verdict, text_format("%s has no ticket", which));
    if (boot->stored == 0)
        return fail(verdict, text_format("%s is not counted", which));
    return 0;
}

static int judge_count(const struct small_boot *boot, const struct due *expected, const char *which,
                       struct flash_verdict *verdict)
{
    TEXT_AUTO said = NULL;

    if (meets(boot, expected))
        return 0;
    said = ticket_text(boot);
    return fail(verdict, text_format("%s: %s; due are number=%u failures=%u found=%u", which, said,
                                     expected->number, expected->failures, expected->found));
}

/*
 * Which of the variables the firmware shows after a cut collection, and in which version, is its
 * own affair: whatever it shows, the count must follow from it, and from the ESP what it hides.
 */
static int judge_collected(const struct flash_log *log, const struct facts *cut,
                           const struct small_boot *boot, struct flash_verdict *verdict)
{
    struct due expected = {0};
    struct due_facts shown = cut->stored;
    struct record none = {.kind = RECORD_RECEIPT};

    for (int receipt = 0; receipt < 2; receipt++) {
        for (int ledger = 0; ledger < 3; ledger++) {
            shown.receipt = receipt == 0 ? log->receipt[0] : none;
            shown.ledger = ledger < 2 ? log->ledger[ledger] : none;
            due_find(&shown, &expected);
            if (meets(boot, &expected))
                return 0;
        }
    }
    due_find(&cut->stored, &expected);
    if (expected.found == DUE_DAMAGED && meets(boot, &expected))
        return 0;
    return judge_count(boot, &expected, "the boot after the cut", verdict);
}

/*
 * The count follows from what is stored; and that is all of it from before the update, or all of it
 * from after: no two variables that only together make a history. By updates that a system makes
 * the stage has stored its ledger of that boot.
 */
static int judge_updated(const struct flash_log *log, const struct facts *cut,
                         const struct small_boot *boot, struct flash_verdict *verdict)
{
    struct due expected = {0}, whole[2] = {{0}, {0}};
    struct due_facts shown = cut->stored;
    TEXT_AUTO said = ticket_text(boot);

    due_find(&cut->stored, &expected);
    for (int i = 0; i < 2; i++) {
        shown.ledger = log->ledger[log->flash_case->kind == FLASH_LEDGER ? i : 1];
        shown.receipt = log->receipt[i];
        due_find(&shown, &whole[i]);
    }
    if (!meets(boot, &whole[0]) && !meets(boot, &whole[1]))
        return fail(verdict,
                    text_format("the boot after the cut: %s; due are number=%u failures=%u "
                                "or number=%u failures=%u",
                                said, whole[0].number, whole[0].failures, whole[1].number,
                                whole[1].failures));
    return judge_count(boot, &expected, "the boot after the cut", verdict);
}

/* What the ticket says is what is stored, and stored where it says. */
static int judge_stored(const struct facts *facts, const struct small_boot *boot,
                        struct flash_verdict *verdict)
{
    const struct record *record = boot->stored == 1 ? &facts->stored.ledger : &facts->stored.slot;
    TEXT_AUTO said = ticket_text(boot);
    TEXT_AUTO stored = record_text(record);

    if (record->whole && record_number(record, "mark") == 0 &&
        record_number(record, "number") == boot->number &&
        record_number(record, "failures") == boot->failures)
        return 0;
    return fail(verdict, text_format("the ticket says %s, the ledger %s", said, stored));
}

/* ---- one point -------------------------------------------------------------------------- */

/* The package that goes takes the entry out of BootOrder before it tells the stage to retire. */
static bool is_told_to_retire(const struct flash_case *one)
{
    return one->kind == FLASH_RETIRE ||
           (one->kind == FLASH_LEAVE && strcmp(one->variable, "BootOrder") != 0);
}

static int machine_cut(const struct flash_log *log, size_t programs, const char *dir)
{
    bool linux_updates = flash_is_linux(log->flash_case);
    bool before = log->flash_case->kind != FLASH_SYSTEM && !linux_updates;
    bool retires = is_told_to_retire(log->flash_case);
    TEXT_AUTO from = text_format("%s/%s.raw", log->dir, before ? "before" : "after");
    TEXT_AUTO disk = text_format("%s/disk.raw", dir);
    TEXT_AUTO vars = text_format("%s/vars.fd", dir);
    TEXT_AUTO cut = text_format("%s/cut.fd", dir);
    TEXT_AUTO reason = NULL;
    uint8_t *flash = malloc(log->log.size + 1);
    int error;

    if (flash == NULL)
        abort();
    memcpy(flash, log->log.start, log->log.size);
    flashlog_apply(&log->log, flash, 0, programs);
    error = file_write(vars, flash, log->log.size);
    if (error == 0)
        error = file_write(cut, flash, log->log.size);
    free(flash);
    if (error == 0)
        error = file_copy(from, disk, &reason);
    if (error == 0 && retires && !linux_updates && log->flash_case->guid == guid_global) {
        small_delete(disk, "/EFI/backstop/ledger.esp");
        small_delete(disk, "/EFI/backstop/receipt.esp");
    }
    return error == 0 ? small_conf(disk, "next", retires, &reason) : error;
}

static int boot_here(const char *dir, unsigned patience, struct small_boot *boot,
                     struct flash_verdict *verdict)
{
    int error = small_boot(dir, NULL, patience, boot);

    if (error < 0)
        text_replace(&verdict->detail, text_format("no boot: %s", strerror(-error)));
    return error;
}

/* The flash of the cut with a disk on which the next loader stands in the stage's place. */
static int control_make(const struct flash_log *log, const char *dir, const char *control,
                        char **reason)
{
    TEXT_AUTO from = text_format("%s/before.raw", log->dir);
    TEXT_AUTO cut = text_format("%s/cut.fd", dir);
    TEXT_AUTO disk = text_format("%s/disk.raw", control);
    TEXT_AUTO vars = text_format("%s/vars.fd", control);
    TEXT_AUTO next = NULL;
    size_t size = 0;
    int error = directory_make(control);

    if (error == 0)
        error = file_copy(cut, vars, reason);
    if (error == 0)
        error = file_copy(from, disk, reason);
    if (error == 0 && (next = small_get(disk, "/EFI/test/next.efi", &size)) == NULL)
        error = -ENOENT;
    if (error == 0)
        error = small_put_bytes(disk, next, size, SMALL_STAGE, reason);
    return error == 0 ? small_put_bytes(disk, next, size, SMALL_FALLBACK, reason) : error;
}

/*
 * The firmware was silent in `boot`, the first or second after a cut in its own collection. That is
 * its own affair where it is so in the same boot without the stage, however long it is waited for.
 * 1, or -errno.
 */
static int judge_firmware(const struct flash_log *log, const char *dir, unsigned boots,
                          const struct small_boot *boot, struct flash_verdict *verdict)
{
    const char *which = boots == 1 ? "the boot after the cut" : "the second boot";
    TEXT_AUTO control = text_format("%s/control", dir);
    TEXT_AUTO reason = NULL;
    struct small_boot alone = {0};
    int error = control_make(log, dir, control, &reason);

    if (error < 0)
        text_replace(&verdict->detail, text_format("%s: no machine: %s", control,
                                                   reason != NULL ? reason : strerror(-error)));
    for (unsigned i = 1; error == 0 && i < boots; i++) {
        error = boot_here(control, CONTROL_PATIENCE, &alone, verdict);
        if (error == 0 && (!alone.started || !alone.off))
            return fail(verdict, text_format("%s %s in the firmware, which without the stage %s "
                                             "before that one",
                                             which, boot->end, alone.end));
    }
    if (error == 0)
        error = boot_here(control, CONTROL_PATIENCE, &alone, verdict);
    if (error < 0)
        return error;
    if (!alone.hangs || alone.firmware || alone.started)
        return fail(verdict, text_format("%s %s in the firmware, which without the stage %s", which,
                                         boot->end, alone.end));
    verdict->result = FLASH_FIRMWARE;
    text_replace(&verdict->detail, text_format("%s: the firmware %s; without the stage it %s",
                                               which, boot->end, alone.end));
    return 1;
}

/* Nothing of ours has run. */
static bool is_firmware(const struct flash_log *log, const struct small_boot *boot)
{
    return log->flash_case->kind == FLASH_COLLECTION && boot->hangs && !boot->firmware &&
           !boot->started;
}

/* 0 to go on, 1: settled, or -errno. */
static int judge_first(const struct flash_log *log, const char *dir, struct facts *facts,
                       struct flash_verdict *verdict)
{
    TEXT_AUTO disk = text_format("%s/disk.raw", dir);
    TEXT_AUTO vars = text_format("%s/vars.fd", dir);
    struct small_boot boot;
    struct facts cut;
    int settled;

    facts_read(&cut, log, vars, disk);
    settled = judge_store(log, &cut, verdict);
    if (settled == 0)
        settled = boot_here(dir, 1, &boot, verdict);
    if (settled == 0 && is_firmware(log, &boot))
        settled = judge_firmware(log, dir, 1, &boot, verdict);
    if (settled == 0)
        settled = judge_boot(&boot, "the boot after the cut", verdict);
    if (settled != 0)
        return settled;
    verdict->hidden = boot.found == DUE_ABSENT && log->ledger[0].there;
    verdict->detail = ticket_text(&boot);
    if (log->flash_case->kind == FLASH_COLLECTION)
        settled = judge_collected(log, &cut, &boot, verdict);
    else
        settled = judge_updated(log, &cut, &boot, verdict);
    facts_read(facts, log, vars, disk);
    return settled == 0 ? judge_stored(facts, &boot, verdict) : settled;
}

static int judge_second(const struct flash_log *log, const char *dir, struct facts *facts,
                        struct flash_verdict *verdict)
{
    TEXT_AUTO disk = text_format("%s/disk.raw", dir);
    TEXT_AUTO vars = text_format("%s/vars.fd", dir);
    struct due expected = {0};
    struct small_boot boot;
    int settled;

    due_find(&facts->stored, &expected);
    settled = boot_here(dir, 1, &boot, verdict);
    if (settled == 0 && is_firmware(log, &boot))
        settled = judge_firmware(log, dir, 2, &boot, verdict);
    if (settled == 0)
        settled = judge_boot(&boot, "the second boot", verdict);
    if (settled == 0 && verdict->hidden)
        expected.found = boot.found; /* what was out of sight may be back */
    if (settled == 0)
        settled = judge_count(&boot, &expected, "the second boot", verdict);
    if (settled != 0)
        return settled;
    facts_read(facts, log, vars, disk);
    return judge_stored(facts, &boot, verdict);
}

/* Of a stage that retires nothing is left, but for an entry that BootOrder names no more. */
static int judge_gone(const char *dir, bool order_was_new, struct flash_verdict *verdict)
{
    TEXT_AUTO disk = text_format("%s/disk.raw", dir);
    TEXT_AUTO vars = text_format("%s/vars.fd", dir);
    struct nvram nvram;
    size_t ours, entries, size = 0;
    TEXT_AUTO slots = small_get(disk, "/EFI/backstop/ledger.esp", &size);
    char first[64] = "";
    bool begins;

    if (nvram_load(&nvram, vars) < 0)
        return fail(verdict, text_copy("the variable store cannot be read"));
    ours = nvram_count(&nvram, guid_backstop, "");
    entries = nvram_boot_entries(&nvram, "Backstop");
    begins = nvram_first_boot_entry(&nvram, first, sizeof first) && strcmp(first, "Backstop") == 0;
    nvram_free(&nvram);
    if (ours == 0 && slots == NULL && !begins && (entries == 0 || order_was_new))
        return 0;
    return fail(verdict, text_format("the stage retired and left %zu variables, %zu entries%s%s",
                                     ours, entries, begins ? ", the first of all" : "",
                                     slots != NULL ? ", slot files" : ""));
}

/* A boot of the next loader that finds no ticket; `whose` says of which stage one would be. */
static int judge_without_ticket(const char *dir, const char *which, const char *whose,
                                struct flash_verdict *verdict)
{
    struct small_boot boot;
    int settled = boot_here(dir, 1, &boot, verdict);

    if (settled == 0)
        settled = judge_start(&boot, which, verdict);
    if (settled == 0 && boot.ticket)
        settled = fail(verdict, text_format("%s has a ticket of %s", which, whose));
    return settled;
}

static int judge_retired(const struct flash_log *log, const char *dir,
                         struct flash_verdict *verdict)
{
    TEXT_AUTO disk = text_format("%s/disk.raw", dir);
    TEXT_AUTO vars = text_format("%s/vars.fd", dir);
    bool orders = strcmp(log->flash_case->variable, "BootOrder") == 0;
    bool entries = strcmp(log->flash_case->variable, "Boot0010") == 0;
    struct facts cut;
    int settled;

    facts_read(&cut, log, vars, disk);
    settled = judge_store(log, &cut, verdict);
    for (int i = 0; settled == 0 && i < 2; i++) {
        settled = judge_without_ticket(dir, i == 0 ? "the boot after the cut" : "the second boot",
                                       "a stage that retires", verdict);
        if (settled == 0)
            settled = judge_gone(dir, entries || (orders && cut.updated_is_new), verdict);
    }
    if (verdict->detail == NULL)
        verdict->detail = text_copy("nothing is left, no ticket");
    return settled;
}

static int judge_counted(const struct flash_log *log, const char *dir,
                         struct flash_verdict *verdict)
{
    struct facts facts;
    int settled = judge_first(log, dir, &facts, verdict);

    return settled == 0 ? judge_second(log, dir, &facts, verdict) : settled;
}

static bool esp_file_is_same(const char *disk, const char *other, const char *path)
{
    size_t size[2] = {0};
    TEXT_AUTO bytes = small_get(disk, path, &size[0]);
    TEXT_AUTO others = small_get(other, path, &size[1]);

    return (bytes == NULL) == (others == NULL) && size[0] == size[1] &&
           (bytes == NULL || memcmp(bytes, others, size[0]) == 0);
}

/* Without the stage: nothing names it, and what is stored stays. */
static int judge_passed_by(const struct flash_log *log, const char *dir, const struct facts *cut,
                           struct flash_verdict *verdict)
{
    TEXT_AUTO disk = text_format("%s/disk.raw", dir);
    TEXT_AUTO vars = text_format("%s/vars.fd", dir);
    TEXT_AUTO former = text_format("%s/after.raw", log->dir);
    struct facts after;
    int settled = judge_store(log, cut, verdict);

    for (int i = 0; settled == 0 && i < 2; i++)
        settled = judge_without_ticket(dir, i == 0 ? "the boot after the cut" : "the second boot",
                                       "a stage that nothing names", verdict);
    facts_read(&after, log, vars, disk);
    if (settled == 0 && (!record_is_same(&cut->stored.ledger, &after.stored.ledger) ||
                         !record_is_same(&cut->stored.receipt, &after.stored.receipt) ||
                         !esp_file_is_same(disk, former, "/EFI/backstop/ledger.esp") ||
                         !esp_file_is_same(disk, former, "/EFI/backstop/receipt.esp")))
        settled = fail(verdict, text_copy("what is stored is not as it was before boots without "
                                          "the stage"));
    if (settled == 0)
        verdict->detail = text_copy("the next loader, without the stage");
    return settled;
}

/*
 * The package that goes takes its entry out of BootOrder, and names it in BootNext for the last
 * start: as long as the first is as before, the stage counts; once the second is there, it retires;
 * between the two nothing starts it.
 */
static int judge_left(const struct flash_log *log, const char *dir, struct flash_verdict *verdict)
{
    bool order = strcmp(log->flash_case->variable, "BootOrder") == 0;
    TEXT_AUTO disk = text_format("%s/disk.raw", dir);
    TEXT_AUTO vars = text_format("%s/vars.fd", dir);
    struct facts cut;

    facts_read(&cut, log, vars, disk);
    if (order && cut.updated_is_old)
        return judge_counted(log, dir, verdict);
    if (!order && cut.updated_is_new)
        return judge_retired(log, dir, verdict);
    return judge_passed_by(log, dir, &cut, verdict);
}

int flash_judge(const struct flash_log *log, size_t programs, const char *dir,
                struct flash_verdict *verdict)
{
    int settled;

    memset(verdict, 0, sizeof *verdict);
    settled = machine_cut(log, programs, dir);
    if (settled < 0)
        text_replace(&verdict->detail, text_format("%s: no machine: %s", dir, strerror(-settled)));
    if (settled == 0 && log->flash_case->kind == FLASH_RETIRE)
        settled = judge_retired(log, dir, verdict);
    else if (settled == 0 && log->flash_case->kind == FLASH_LEAVE)
        settled = judge_left(log, dir, verdict);
    else if (settled == 0)
        settled = judge_counted(log, dir, verdict);
    return settled < 0 ? settled : 0;
}
