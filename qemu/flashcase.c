/* The cases of `rig flash`: which updates there are, how each is logged, where it is cut. */
#include "command.h"
#include "directory.h"
#include "flash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Whose update is cut. */
#define LEDGER guid_backstop, "BackstopLedger"
#define RECEIPT guid_backstop, "BackstopReceipt"
#define BOOT_ORDER guid_global, "BootOrder"
#define BOOT_NEXT guid_global, "BootNext"
#define BOOT_ENTRY guid_global, "Boot0010"
#define LINUX_ENTRY guid_global, "Boot0004"
#define ANY_OF_OURS guid_backstop, NULL

const struct flash_case flash_cases[] = {
    {"ledger-create", "the stage's first ledger", FLASH_LEDGER, LEDGER, "next"},
    {"ledger-update", "the ledger of the boot after a failed one", FLASH_LEDGER, LEDGER,
     "good next next"},
    {"ledger-after-good", "the ledger of the boot after a good one", FLASH_LEDGER, LEDGER,
     "good next"},
    {"ledger-recovery", "the ledger that begins a recovery", FLASH_LEDGER, LEDGER,
     "good next next next next"},
    {"receipt-create", "the first receipt", FLASH_SYSTEM, RECEIPT, "good"},
    {"receipt-update", "the receipt that clears a count of two", FLASH_SYSTEM, RECEIPT,
     "good next next good"},
    {"entry-create", "the stage's boot entry", FLASH_SYSTEM, BOOT_ENTRY, "good install"},
    {"entry-order", "BootOrder, with that entry before all others", FLASH_SYSTEM, BOOT_ORDER,
     "good install"},
    {"retire-ledger", "the ledger deleted by a stage that retires", FLASH_RETIRE, LEDGER,
     "good install retire"},
    {"retire-receipt", "the receipt deleted by it", FLASH_RETIRE, RECEIPT, "good install retire"},
    {"retire-order", "its entry taken out of BootOrder", FLASH_RETIRE, BOOT_ORDER,
     "good install retire"},
    {"retire-entry", "its entry deleted", FLASH_RETIRE, BOOT_ENTRY, "good install retire"},
    {"collection-counted", "garbage collection, one failure counted", FLASH_COLLECTION, ANY_OF_OURS,
     "good next next age next"},
    {"collection-healthy", "garbage collection, last boot good", FLASH_COLLECTION, ANY_OF_OURS,
     "good good age next"},
    {"linux-receipt", "the first receipt, by the agent", FLASH_SYSTEM, RECEIPT, "linux receipt"},
    {"linux-entry", "the boot entry, by the package", FLASH_SYSTEM, LINUX_ENTRY, "linux install"},
    {"linux-order", "BootOrder, by the package", FLASH_SYSTEM, BOOT_ORDER, "linux install"},
    {"linux-receipt-update", "a later receipt, by the agent", FLASH_SYSTEM, RECEIPT,
     "linux receipt-update"},
    {"linux-leave-order", "the entry taken out of BootOrder, by the package that goes", FLASH_LEAVE,
     BOOT_ORDER, "linux leave"},
    {"linux-leave-next", "BootNext, for the stage's last start", FLASH_LEAVE, BOOT_NEXT,
     "linux leave"},
    {"linux-leave-receipt", "the receipt deleted, by the package that goes", FLASH_RETIRE, RECEIPT,
     "linux leave"},
    {NULL, NULL, FLASH_LEDGER, NULL, NULL, NULL},
};

/* Less than ReadyToBoot leaves to an operating system, so that it collects. */
#define AGED_ROOM 8000u

static int key_make(const struct flash_run *run, const struct flash_case *one,
                    char out[HASH_TEXT_SIZE], char **reason)
{
    struct hash *hash = hash_new();
    int error = flash_is_linux(one) ? flash_linux_hash(run, one, hash, reason) : 0;

    hash_add_text(hash, rig_judge);
    hash_add_text(hash, one->recipe);
    hash_add_file(hash, run->stage);
    hash_add_file(hash, run->next);
    hash_add_file(hash, OVMF_CODE);
    hash_add_file(hash, OVMF_VARS);
    hash_end(hash, out);
    return error;
}

/* ---- points ----------------------------------------------------------------------------- */

static void point_add(struct flash_log *log, size_t programs)
{
    for (size_t i = 0; i < log->count; i++)
        if (log->points[i] == programs)
            return;
    log->points = realloc(log->points, (log->count + 1) * sizeof *log->points);
    if (log->points == NULL)
        abort();
    log->points[log->count++] = programs;
}

static bool find_in(const struct flash_log *log, const uint8_t *flash, struct variable *variable)
{
    struct nvram nvram = {0};

    return nvram_take(&nvram, (uint8_t *)(uintptr_t)flash, log->log.size) == 0 &&
           nvram_find(&nvram, log->flash_case->guid, log->flash_case->variable, variable);
}

static void widen(const struct flashlog *log, const struct variable *variable, size_t *first,
                  size_t *last)
{
    size_t from, to;

    if (!flashlog_window(log, variable->offset, variable->next, &from, &to))
        return;
    *first = from < *first ? from : *first;
    *last = to > *last ? to : *last;
}

/* Every program from the first to the last that belongs to the update: marking the old one, the new
 * one's header, name and data, and their states. */
static int points_of_update(struct flash_log *log, const uint8_t *after, char **reason)
{
    struct variable old = {0}, new = {0};
    size_t first = SIZE_MAX, last = 0;

    if (find_in(log, log->log.start, &old))
        widen(&log->log, &old, &first, &last);
    if (find_in(log, after, &new))
        widen(&log->log, &new, &first, &last);
    if (first > last) {
        text_replace(reason, text_format("%s: no update in the log", log->flash_case->variable));
        return -ENOENT;
    }
    for (size_t i = first; i <= last + 1; i++)
        point_add(log, i);
    return 0;
}

/* `wanted` of those programs within first..last-1 that change one of the bytes from..to-1. */
static void points_spread(struct flash_log *log, size_t first, size_t last, size_t from, size_t to,
                          size_t wanted)
{
    size_t count = 0, seen = 0, taken = 0;

    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = first; i < last; i++) {
            const struct program *one = &log->log.programs[i];

            if (one->size == 0 || one->erased || one->at < from || one->at >= to)
                continue;
            if (pass == 0)
                count++;
            else if (seen++ * wanted / count >= taken && taken < wanted) {
                point_add(log, i + 1);
                taken++;
            }
        }
    }
}

/*
 * The collection writes all variables to a spare area, says so in the working block, erases the
 * store, writes it anew, says so, and puts back what was in the spare area. Points: each program
 * of the working block and each erasure, since these decide what the firmware makes of the rest;
 * the volume's and store's headers and our ledger more closely, all else evenly.
 */
static int points_of_collection(struct flash_log *log, const uint8_t *after, char **reason)
{
    struct nvram nvram = {0};
    struct variable ledger = {0};
    size_t first, last;

    if (nvram_take(&nvram, (uint8_t *)(uintptr_t)after, log->log.size) < 0 ||
        !nvram_find(&nvram, guid_backstop, "BackstopLedger", &ledger) ||
        !flashlog_window(&log->log, nvram.end, log->log.size, &first, &last)) {
        text_replace(reason, text_copy("no garbage collection in the log"));
        return -ENOENT;
    }
    point_add(log, first);
    for (size_t i = first; i <= last; i++)
        if (log->log.programs[i].size > 0 &&
            (log->log.programs[i].erased || (log->log.programs[i].at >= nvram.end &&
                                             log->log.programs[i].at < nvram.end + 0x2000)))
            point_add(log, i + 1);
    points_spread(log, first, last, 0, nvram.first, 25);
    points_spread(log, first, last, ledger.offset, ledger.next, 35);
    points_spread(log, first, last, 0, nvram.end, 60);
    points_spread(log, first, last, nvram.end + 0x2000, log->log.size, 40);
    return 0;
}

static int by_number(const void *a, const void *b)
{
    size_t left = *(const size_t *)a, right = *(const size_t *)b;

    return (left > right) - (left < right);
}

void flash_value_take(struct flash_value *value, const struct nvram *nvram,
                      const uint8_t guid[GUID_SIZE], const char *name)
{
    struct variable found;

    *value = (struct flash_value){0};
    if (name == NULL || !nvram_find(nvram, guid, name, &found))
        return;
    value->size = found.data_size;
    value->bytes = malloc(found.data_size + 1);
    if (value->bytes == NULL)
        abort();
    memcpy(value->bytes, found.data, found.data_size);
}

void flash_value_free(struct flash_value *value)
{
    free(value->bytes);
    *value = (struct flash_value){0};
}

/* What is stored before (0) or after (1) the logged boot. */
static void state_take(struct flash_log *log, int which, const struct nvram *nvram)
{
    const struct flash_case *one = log->flash_case;

    record_from_nvram(&log->ledger[which], RECORD_LEDGER, nvram);
    record_from_nvram(&log->receipt[which], RECORD_RECEIPT, nvram);
    flash_value_take(&log->value[which], nvram, one->guid, one->variable);
}

static int points_find(struct flash_log *log, char **reason)
{
    uint8_t *after = malloc(log->log.size + 1);
    struct nvram nvram = {0};
    int error;

    if (after == NULL)
        abort();
    memcpy(after, log->log.start, log->log.size);
    error = nvram_take(&nvram, after, log->log.size);
    if (error == 0) {
        state_take(log, 0, &nvram);
        flashlog_apply(&log->log, after, 0, log->log.count);
        state_take(log, 1, &nvram);
        error = log->flash_case->kind == FLASH_COLLECTION ? points_of_collection(log, after, reason)
                                                          : points_of_update(log, after, reason);
    }
    free(after);
    if (log->count > 0)
        qsort(log->points, log->count, sizeof *log->points, by_number);
    return error;
}

/* ---- the log ---------------------------------------------------------------------------- */

static int age(const char *vars)
{
    struct nvram nvram;
    int error = nvram_load(&nvram, vars);

    if (error < 0)
        return error;
    nvram_age(&nvram, AGED_ROOM);
    error = nvram_save(&nvram, vars);
    nvram_free(&nvram);
    return error;
}

static int conf_named(const char *disk, const char *name, char **reason)
{
    bool retires = strcmp(name, "retire") == 0;

    return small_conf(disk, retires ? "next" : name, retires, reason);
}

/* A boot that must reach the next loader. */
static int boot_named(const char *dir, const char *name, const char *writes, char **reason)
{
    TEXT_AUTO disk = text_format("%s/disk.raw", dir);
    struct small_boot boot;
    int error = conf_named(disk, name, reason);

    if (error == 0)
        error = small_boot(dir, writes, 1, &boot);
    if (error == 0 && (!boot.started || !boot.off)) {
        text_replace(reason, text_format("a boot that is not cut %s before the next loader; see "
                                         "%s/console.log and qemu.log there",
                                         boot.end, dir));
        return -EIO;
    }
    return error;
}

/*
 * Firmware writes much of its own when it runs for the first time; that is not in the logs. The
 * stage leaves no trace in that boot, since it is told to retire, which takes the slot files away.
 */
static int machine_make(const struct flash_run *run, const char *dir, char **reason)
{
    TEXT_AUTO disk = text_format("%s/disk.raw", dir);
    TEXT_AUTO vars = text_format("%s/vars.fd", dir);
    int error = small_disk_make(disk, run->stage, run->next, reason);

    if (error == 0)
        error = file_copy(OVMF_VARS, vars, reason);
    if (error == 0)
        error = boot_named(dir, "retire", NULL, reason);
    return error == 0 ? small_slots(disk, reason) : error;
}

static int log_boot(const char *dir, const char *name, char **reason)
{
    TEXT_AUTO disk = text_format("%s/disk.raw", dir);
    TEXT_AUTO vars = text_format("%s/vars.fd", dir);
    TEXT_AUTO before = text_format("%s/before.raw", dir);
    TEXT_AUTO start = text_format("%s/before.fd", dir);
    TEXT_AUTO after = text_format("%s/after.raw", dir);
    TEXT_AUTO end = text_format("%s/after.fd", dir);
    TEXT_AUTO writes = text_format("%s/writes", dir);
    int error = conf_named(disk, name, reason);

    if (error == 0)
        error = file_copy(disk, before, reason);
    if (error == 0)
        error = file_copy(vars, start, reason);
    if (error == 0)
        error = boot_named(dir, name, writes, reason);
    if (error == 0 && (rename(disk, after) < 0 || rename(vars, end) < 0))
        error = -errno;
    return error;
}

/* From then on firmware starts the stage by its entry, and the disk's own loader is another. */
static int entry_settled(const struct flash_run *run, const char *dir, char **reason)
{
    TEXT_AUTO disk = text_format("%s/disk.raw", dir);

    return small_put(disk, run->next, SMALL_FALLBACK, reason);
}

static int word_follow(const struct flash_run *run, const char *dir, const char *word,
                       char **reason)
{
    TEXT_AUTO vars = text_format("%s/vars.fd", dir);
    int error = strcmp(word, "age") == 0 ? age(vars) : boot_named(dir, word, NULL, reason);

    return error == 0 && strcmp(word, "install") == 0 ? entry_settled(run, dir, reason) : error;
}

static int recipe_follow(const struct flash_run *run, const struct flash_case *one, const char *dir,
                         char **reason)
{
    TEXT_AUTO line = text_copy(one->recipe);
    char *words[16];
    int count = text_words(line, words, 16), error = count > 0 ? 0 : -EINVAL;

    if (error == 0)
        error = machine_make(run, dir, reason);
    for (int i = 0; error == 0 && i < count - 1; i++)
        error = word_follow(run, dir, words[i], reason);
    return error == 0 ? log_boot(dir, words[count - 1], reason) : error;
}

/* The log in little room; that its end is what the boot left shows that nothing is missing in it.
 */
static int log_keep(const char *dir, char **reason)
{
    TEXT_AUTO start = text_format("%s/before.fd", dir);
    TEXT_AUTO end = text_format("%s/after.fd", dir);
    TEXT_AUTO writes = text_format("%s/writes", dir);
    TEXT_AUTO kept = text_format("%s/programs", dir);
    size_t size = 0;
    TEXT_AUTO after = file_read(end, &size);
    struct flashlog log;
    int error = flashlog_load(&log, start, writes, reason);

    if (error == 0)
        error = flashlog_save(&log, kept);
    if (error == 0)
        flashlog_apply(&log, log.start, 0, log.count);
    if (error == 0 && (after == NULL || size != log.size || memcmp(after, log.start, size) != 0)) {
        text_replace(reason, text_format("%s does not lead from %s to %s", writes, start, end));
        error = -EIO;
    }
    flashlog_free(&log);
    unlink(writes);
    return error;
}

static int log_record(const struct flash_run *run, const struct flash_case *one, const char *dir,
                      char **reason)
{
    TEXT_AUTO made = text_format("%s.new", dir);
    int error;

    directory_remove(made);
    error = directory_make(made);
    if (error == 0)
        error = flash_is_linux(one) ? flash_linux_log(run, one, made, reason)
                                    : recipe_follow(run, one, made, reason);
    if (error == 0)
        error = log_keep(made, reason);
    if (error == 0 && rename(made, dir) < 0)
        error = -errno;
    return error;
}

int flash_log_make(const struct flash_run *run, const struct flash_case *one, struct flash_log *log,
                   char **reason)
{
    TEXT_AUTO recipe = text_copy(one->recipe);
    TEXT_AUTO programs = NULL;
    int error;

    memset(log, 0, sizeof *log);
    error = key_make(run, one, log->key, reason);
    log->flash_case = one;
    for (char *c = recipe; *c != '\0'; c++)
        *c = *c == ' ' ? '-' : *c;
    log->dir = text_format("%s/log-%s-%.16s", run->dir, recipe, log->key);
    programs = text_format("%s/programs", log->dir);
    if (error == 0 && access(programs, R_OK) < 0)
        error = log_record(run, one, log->dir, reason);
    if (error == 0)
        error = flashlog_read(&log->log, programs);
    if (error == 0)
        error = points_find(log, reason);
    if (error < 0 && *reason == NULL)
        *reason = text_format("%s: %s", log->dir, strerror(-error));
    return error;
}

void flash_log_free(struct flash_log *log)
{
    flashlog_free(&log->log);
    for (int i = 0; i < 2; i++)
        flash_value_free(&log->value[i]);
    free(log->points);
    free(log->dir);
    memset(log, 0, sizeof *log);
}
