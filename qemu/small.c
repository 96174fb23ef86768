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
#include <sys/stat.h>
#include <time.h>
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
        text_format("PATH=$PATH:/usr/sbin:/sbin; rm -f '%s'; truncate -s %dM '%s'\n"
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

/* A boot and what is known of its end. */
struct watch {
    struct small_boot *boot;
    struct machine *machine;
    const char *save; /* where the flash goes at the end; NULL: it is in its file */
    bool asked, saved;
};

static void console_taken(void *context, const char *line)
{
    struct small_boot *boot = ((struct watch *)context)->boot;

    boot->firmware = boot->firmware || strstr(line, "BdsDxe:") != NULL;
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

static void qmp_taken(void *context, const struct qmp_message *message)
{
    struct watch *watch = context;

    if (message->kind == QMP_RETURN && watch->asked)
        watch->saved = true;
    if (message->kind != QMP_SHUTDOWN)
        return;
    watch->boot->off = strcmp(message->reason, "guest-shutdown") == 0;
    watch->boot->end = watch->boot->off ? "switched itself off" : "was reset";
    if (watch->save != NULL)
        watch->asked = machine_flash_save(watch->machine, watch->save) == 0;
}

/* Processor time of a process in seconds; proc(5), stat. Files there have no size to go by. */
static double processor_time(pid_t pid)
{
    TEXT_AUTO path = text_format("/proc/%d/stat", (int)pid);
    unsigned long user = 0, system = 0;
    FILE *file = fopen(path, "re");

    if (file == NULL)
        return 0;
    if (fscanf(file, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
               &system) < 2)
        user = system = 0;
    fclose(file);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* The limits are of work that the machine does and nothing comes of, so that neither a busy host
 * nor a garbage collection that is logged makes a machine look dead. */
#define WORK_IN_VAIN 8.0  /* a boot takes 3, one that collects 4, and each says something */
#define IDLE_SECONDS 60.0 /* in which a machine that waits for nothing would have had its turn */

struct progress {
    const char *vars;
    double work_then, work, idle_since;
    struct timespec written; /* the last program of the flash */
};

static bool was_programmed(struct progress *progress)
{
    struct stat st;

    if (stat(progress->vars, &st) < 0 || (st.st_mtim.tv_sec == progress->written.tv_sec &&
                                          st.st_mtim.tv_nsec == progress->written.tv_nsec))
        return false;
    progress->written = st.st_mtim;
    return true;
}

static bool hangs(struct progress *progress, pid_t pid, bool said)
{
    double work = processor_time(pid);

    if (work > progress->work + 0.05 || progress->idle_since == 0) {
        progress->idle_since = clock_now();
        progress->work = work;
    }
    if (was_programmed(progress) || said)
        progress->work_then = work;
    return work - progress->work_then > WORK_IN_VAIN ||
           clock_now() - progress->idle_since > IDLE_SECONDS;
}

/* To the end of the machine, or until its flash is saved. */
static void follow(struct watch *watch, struct progress *progress)
{
    long said;

    watch->boot->end = "QEMU ended";
    while (!watch->saved && (said = machine_pump(watch->machine, 500)) >= 0) {
        if (!hangs(progress, watch->machine->pid, said > 0))
            continue;
        watch->boot->end = "hangs";
        return;
    }
}

int small_boot(const char *dir, const char *log, struct small_boot *boot)
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
    struct progress progress = {.vars = vars};
    int error = log != NULL ? file_write(log, "", 0) : 0;

    memset(boot, 0, sizeof *boot);
    unlink(debug);
    if (error == 0)
        error = machine_start(&machine, &setup, &taker);
    if (error < 0)
        return error;
    follow(&watch, &progress);
    machine_kill(&machine);
    ticket_take(debug, boot);
    if (log == NULL && watch.saved && rename(saved, vars) < 0)
        return -errno;
    /* A machine that hangs leaves its flash behind in memory alone; nothing is made of it. */
    return 0;
}
