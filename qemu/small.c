#include "small.h"
#include "clock.h"
#include "command.h"
#include "disk.h"
#include "machine.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* As image/mkdisk.sh has them: a boot entry names the partition by these. */
#define ESP_AT 1048576u
#define ESP_MIB 64
#define LABEL_ID "0bac5709-0000-4000-8000-000000000000"
#define ESP_ID "0bac5709-0000-4000-8000-000000000001"
#define SLOTS_BYTES 8192u

/* ---- disk ------------------------------------------------------------------------------- */

static int shell(char *script, char **reason)
{
    const char *argv[] = {"sh", "-ec", script, NULL};
    int error = command_must(argv, reason);

    free(script);
    return error;
}

static int disk_lay_out(const char *disk, char **reason)
{
    return shell(
        text_format("rm -f '%s'; truncate -s %dM '%s'\n"
                    "printf 'label: gpt\\nlabel-id: %s\\n"
                    "start=1MiB, size=%dMiB, type=uefi, uuid=%s, name=esp\\n' | sfdisk -q '%s'\n"
                    "mkfs.vfat --offset 2048 -F 32 -n ESP '%s' %d >/dev/null\n"
                    "mmd -i '%s@@1M' ::/EFI ::/EFI/BOOT ::/EFI/test ::/EFI/backstop",
                    disk, ESP_MIB + 2, disk, LABEL_ID, ESP_MIB, ESP_ID, disk, disk, ESP_MIB * 1024,
                    disk),
        reason);
}

int small_put(const char *disk, const char *file, const char *path, char **reason)
{
    TEXT_AUTO image = text_format("%s@@1M", disk);
    TEXT_AUTO to = text_format("::%s", path);
    const char *argv[] = {"mcopy", "-D", "o", "-i", image, file, to, NULL};

    return command_must(argv, reason);
}

int small_put_bytes(const char *disk, const void *bytes, size_t size, const char *path,
                    char **reason)
{
    TEXT_AUTO file = text_format("%s.put", disk);
    int error = file_write(file, bytes, size);

    if (error == 0)
        error = small_put(disk, file, path, reason);
    else
        text_replace(reason, text_format("%s: %s", file, strerror(-error)));
    unlink(file);
    return error;
}

char *small_get(const char *disk, const char *path, size_t *size)
{
    const struct disk small = {.path = disk, .esp_offset = ESP_AT};

    return esp_read(&small, path, size);
}

void small_delete(const char *disk, const char *path)
{
    TEXT_AUTO image = text_format("%s@@1M", disk);
    TEXT_AUTO what = text_format("::%s", path);
    const char *argv[] = {"mdel", "-i", image, what, NULL};

    (void)command_must(argv, NULL);
}

int small_conf(const char *disk, const char *name, bool retire, char **reason)
{
    TEXT_AUTO conf =
        text_format("next=\\EFI\\test\\%s.efi\r\n%s", name, retire ? "retire=yes\r\n" : "");

    return small_put_bytes(disk, conf, strlen(conf), "/EFI/backstop/stage.conf", reason);
}

int small_slots(const char *disk, char **reason)
{
    static const uint8_t slots[SLOTS_BYTES];
    int error = small_put_bytes(disk, slots, sizeof slots, "/EFI/backstop/ledger.esp", reason);

    if (error == 0)
        error = small_put_bytes(disk, slots, sizeof slots, "/EFI/backstop/receipt.esp", reason);
    return error;
}

int small_disk_make(const char *disk, const char *stage, const char *next, char **reason)
{
    static const char *const names[] = {"next", "good", "install"};
    int error = disk_lay_out(disk, reason);

    for (size_t i = 0; error == 0 && i < sizeof names / sizeof names[0]; i++) {
        TEXT_AUTO path = text_format("/EFI/test/%s.efi", names[i]);

        error = small_put(disk, next, path, reason);
    }
    if (error == 0)
        error = small_put(disk, stage, SMALL_FALLBACK, reason);
    if (error == 0)
        error = small_put(disk, stage, SMALL_STAGE, reason);
    return error == 0 ? small_slots(disk, reason) : error;
}

/* ---- boot ------------------------------------------------------------------------------- */

static uint32_t field(const char *line, const char *name)
{
    TEXT_AUTO key = text_format(" %s=", name);
    const char *at = strstr(line, key);

    return at != NULL ? (uint32_t)strtoul(at + strlen(key), NULL, 10) : UINT32_MAX;
}

/*
 * Limits are of instructions, so that neither a busy host, nor one that takes long for a program of
 * the flash, makes a machine look dead. A boot takes 1.0e9 of them, one that collects all garbage
 * 1.04e9.
 */
#define SILENT_INSTRUCTIONS 2000000000
#define EXCEPTION_INSTRUCTIONS 50000000 /* behind a line that tells of an exception */
#define IDLE_SECONDS 60.0 /* in which a machine that waits for nothing would have had its turn */

/* A boot and what is known of its end. */
struct watch {
    struct small_boot *boot;
    struct machine *machine;
    const char *save; /* where the flash goes at the end; NULL: it is in its file */
    bool asked, saved;
    bool said, excepted;               /* since it was last asked for its instructions; ever */
    int64_t instructions, silent_from; /* as it told last; and when it had said its last */
    double moved;                      /* when the first of them was another than before */
};

static void console_taken(void *context, const char *line)
{
    struct watch *watch = context;

    watch->said = true;
    watch->excepted = watch->excepted || strstr(line, "!!!! X64 Exception") != NULL;
    watch->boot->firmware = watch->boot->firmware || strstr(line, "BdsDxe:") != NULL;
}

/* The next loader's words come by the debug console: the serial one may lose some. */
static void ticket_take(const char *path, struct small_boot *boot)
{
    TEXT_AUTO text = file_read(path, NULL);
    const char *line = text != NULL ? strstr(text, "TICKET ") : NULL;

    if (line == NULL)
        return;
    boot->started = true;
    boot->ticket = field(line, "state") == 1;
    boot->number = field(line, "number");
    boot->failures = field(line, "failures");
    boot->rung = field(line, "rung");
    boot->stance = field(line, "stance");
    boot->reason = field(line, "reason");
    boot->found = field(line, "found");
    boot->stored = field(line, "stored");
}

static void channel_taken(void *context, const struct channel_message *message)
{
    (void)context;
    (void)message;
}

static void instructions_taken(struct watch *watch, int64_t count)
{
    if (count > watch->instructions)
        watch->moved = clock_now();
    watch->instructions = count;
    if (watch->said)
        watch->silent_from = count;
    watch->said = false;
}

static void qmp_taken(void *context, const struct qmp_message *message)
{
    struct watch *watch = context;

    if (message->icount >= 0)
        instructions_taken(watch, message->icount);
    else if (message->kind == QMP_RETURN && watch->asked)
        watch->saved = true;
    if (message->kind != QMP_SHUTDOWN)
        return;
    watch->boot->off = strcmp(message->reason, "guest-shutdown") == 0;
    watch->boot->end = watch->boot->off ? "switched itself off" : "was reset";
    if (watch->save != NULL)
        watch->asked = machine_flash_save(watch->machine, watch->save) == 0;
}

static bool hangs(const struct watch *watch, unsigned patience)
{
    int64_t limit = watch->excepted ? EXCEPTION_INSTRUCTIONS : SILENT_INSTRUCTIONS;

    return watch->instructions - watch->silent_from > limit * patience ||
           clock_now() - watch->moved > IDLE_SECONDS * patience;
}

/* To the end of the machine, or until its flash is saved. */
static void follow(struct watch *watch, unsigned patience)
{
    long said;

    watch->boot->end = "QEMU ended";
    watch->moved = clock_now();
    while (!watch->saved && (said = machine_pump(watch->machine, 500)) >= 0) {
        if (said == 0)
            machine_qmp(watch->machine, "query-replay");
        if (!hangs(watch, patience))
            continue;
        watch->boot->hangs = true;
        watch->boot->end = watch->excepted ? "ends in an exception" : "hangs";
        return;
    }
}

int small_boot(const char *dir, const char *log, unsigned patience, struct small_boot *boot)
{
    TEXT_AUTO disk = text_format("%s/disk.raw", dir);
    TEXT_AUTO vars = text_format("%s/vars.fd", dir);
    TEXT_AUTO saved = text_format("%s/vars.saved", dir);
    TEXT_AUTO console = text_format("%s/console.log", dir);
    TEXT_AUTO errors = text_format("%s/qemu.log", dir);
    TEXT_AUTO debug = text_format("%s/next.log", dir);
    struct machine_setup setup = {.accel = "tcg",
                                  .disk = disk,
                                  .vars = vars,
                                  .console = console,
                                  .errors = errors,
                                  .debug = debug,
                                  .vars_log = log,
                                  .vars_in_memory = log == NULL,
                                  .small = true};
    struct machine machine;
    struct watch watch = {.boot = boot, .machine = &machine, .save = log == NULL ? saved : NULL};
    struct machine_taker taker = {console_taken, channel_taken, qmp_taken, &watch};
    int error = log != NULL ? file_write(log, "", 0) : 0;

    memset(boot, 0, sizeof *boot);
    unlink(debug);
    if (error == 0)
        error = machine_start(&machine, &setup, &taker);
    if (error < 0)
        return error;
    follow(&watch, patience);
    machine_kill(&machine);
    ticket_take(debug, boot);
    if (log == NULL && watch.saved && rename(saved, vars) < 0)
        return -errno;
    /* A machine that hangs leaves its flash behind in memory alone; nothing is made of it. */
    return 0;
}
