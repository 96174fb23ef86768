/* Follows one boot: what the console, QMP, the guest's agent and the variable store tell of it. */
#include "breakoff.h"
#include "clock.h"
#include "command.h"
#include "session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MS 200
#define ESP_EVERY 10u /* ticks: reading the ESP takes a process */

const char *stage_string(enum stage stage)
{
    static const char *const names[STAGES] = {"firmware", "kernel", "initramfs", "early", "booted"};

    return names[stage];
}

static void stage_reach(struct session *session, enum stage stage)
{
    struct boot *boot = session_boot(session);

    if (stage <= boot->stage)
        return;
    view_stage(session->row, stage_string(stage));
    boot->stage = stage;
    boot->reached[stage] = clock_now() - boot->started;
}

static void phase_add(struct session *session, const char *who, const char *what)
{
    struct boot *boot = session_boot(session);

    boot->phases = realloc(boot->phases, (boot->phase_count + 1) * sizeof *boot->phases);
    if (boot->phases == NULL)
        abort();
    boot->phases[boot->phase_count++] =
        (struct phase){clock_now() - boot->started, who, text_copy(what)};
    session_say(session, who, "%s", what);
}

/* "[    5.123456] " of a kernel message. */
static const char *without_time(const char *line)
{
    const char *end;

    if (line[0] != '[')
        return line;
    end = strstr(line, "] ");
    return end != NULL ? end + 2 : line;
}

/* The first fault's place: "RIP: 0010:acme_judge+0x5d/0xd0 [acme_sentry]". */
static void note_fault(struct session *session, struct boot *boot, const char *line)
{
    const char *place = strstr(line, "RIP: ");

    if (place == NULL || boot->where != NULL)
        return;
    boot->where = text_copy(place);
    phase_add(session, "kernel", place);
}

/* What initramfs-tools and dracut, and then systemd, say first. */
static void note_stage(struct session *session, const char *line)
{
    if (!session_boot(session)->kernel)
        return;
    if (strstr(line, "Loading, please wait") != NULL || text_starts(line, "Begin: ") ||
        strstr(line, "Running in initrd") != NULL)
        stage_reach(session, STAGE_INITRAMFS);
    else if (text_starts(line, "Welcome to ") && strstr(line, "initramfs") == NULL)
        stage_reach(session, STAGE_EARLY);
}

static void note_time(struct boot *boot, const char *line)
{
    double stamp = 0;

    if (sscanf(line, "[%lf]", &stamp) == 1)
        boot->guest = stamp;
}

/* Source: the kernel's kernel_restart() and kernel_power_off(); said on every console, and by no
 * panic. */
static bool is_farewell(const char *text)
{
    return text_starts(text, "reboot: Restarting system") ||
           text_starts(text, "reboot: Power down");
}

/* How far it is, in what initramfs-tools, systemd and at last the kernel say. */
static void note_progress(struct session *session, struct boot *boot, const char *text)
{
    boot->initramfs =
        boot->initramfs || (boot->kernel && strstr(text, "Begin: Running /scripts/init-premount"));
    boot->early = boot->early || (boot->kernel && text_starts(text, "Welcome to "));
    boot->farewell = boot->farewell || is_farewell(text);
    note_stage(session, text);
    faults_console(session, text);
}

static void console_line(void *context, const char *line)
{
    struct session *session = context;
    struct boot *boot = session_boot(session);
    const char *text = without_time(line);

    note_time(boot, line);
    if (!boot->kernel && strstr(line, "Linux version") != NULL) {
        boot->kernel = true;
        stage_reach(session, STAGE_KERNEL);
        phase_add(session, "kernel", "starts");
    } else if (!boot->panic && strstr(line, "Kernel panic - not syncing") != NULL) {
        boot->panic = true;
        phase_add(session, "kernel", text);
    } else if (text_starts(text, "acme_") && strstr(text, "taint") == NULL) {
        phase_add(session, "driver", text);
    } else if (text_starts(text, "backstop") || text_starts(text, "Backstop")) {
        phase_add(session, "says", text);
    } else {
        note_fault(session, boot, text);
    }
    note_progress(session, boot, text);
    if (boot->marker != NULL && strstr(line, boot->marker) != NULL)
        boot->marked = true;
}

static void channel_line(void *context, const struct channel_message *message)
{
    struct session *session = context;
    struct boot *boot = session_boot(session);

    switch (message->kind) {
    case CHANNEL_HELLO:
        if (!boot->hello) {
            TEXT_AUTO what = text_format("default target: %s", message->target);

            boot->hello = true;
            boot->hello_at = clock_now();
            stage_reach(session, STAGE_BOOTED);
            boot_picture(session);
            memcpy(boot->target, message->target, sizeof boot->target);
            phase_add(session, "system", what);
        }
        break;
    case CHANNEL_OUT:
        if (message->id != session->run_id)
            break;
        text_append(&session->run_output, message->text);
        text_append(&session->run_output, "\n");
        if (session->run_shown)
            session_say(session, "", "%s", message->text);
        break;
    case CHANNEL_END:
        if (message->id == session->run_id) {
            session->run_ended = true;
            session->run_code = message->code;
        }
        break;
    }
}

static void qmp_line(void *context, const struct qmp_message *message)
{
    struct session *session = context;
    struct boot *boot = session_boot(session);

    if (message->kind == QMP_EVENT && strcmp(message->reason, "NIC_RX_FILTER_CHANGED") == 0)
        boot->network = true;
    if (message->kind == QMP_EVENT && strcmp(message->reason, "BLOCK_IO_ERROR") == 0)
        faults_disk_failed(session, message->read);
    if (message->kind == QMP_EVENT && strcmp(message->reason, "GUEST_PANICKED") == 0 &&
        !boot->panic) {
        boot->panic = true;
        phase_add(session, "qemu", "the kernel panicked");
    }
    if (message->kind != QMP_SHUTDOWN)
        return;
    if (strcmp(message->reason, "guest-reset") == 0 ||
        strcmp(message->reason, "host-qmp-system-reset") == 0)
        boot->reset = true;
    if (strcmp(message->reason, "guest-shutdown") == 0)
        boot->poweroff = true;
    phase_add(session, "qemu", message->reason);
}

static const char *const source_names[] = {"NVRAM", "the ESP"};

static void say_attempt(struct session *session, const struct boot *boot, const char *where)
{
    uint32_t number = 0, failures = 0;
    bool recovers = strcmp(record_word(&boot->ledger, "stance"), "recovery") == 0;
    TEXT_AUTO what = NULL;

    record_field(&boot->ledger, "number", &number);
    record_field(&boot->ledger, "failures", &failures);
    what = text_format("attempt %u stored in %s; failures in a row before it: %u; decision: %s%s",
                       number, where, failures, recovers ? "recover, " : "",
                       record_word(&boot->ledger, recovers ? "rung" : "stance"));
    phase_add(session, "stage", what);
}

static void say_receipt(struct session *session, const struct boot *boot, const char *where)
{
    const char *outcome = record_word(&boot->receipt, "outcome");
    const char *applied = record_word(&boot->receipt, "applied");
    bool recovered = strcmp(applied, "none") != 0, ended = strcmp(outcome, "none") != 0;
    uint32_t generation = 0;
    TEXT_AUTO what = NULL;
    TEXT_AUTO kept = NULL;

    record_field(&boot->receipt, "generation", &generation);
    kept = generation == 0 ? text_copy("") : text_format("; good generation %u", generation);
    what = text_format("receipt in %s: %s%s%s%s%s", where, ended ? "this boot is " : "reached ",
                       ended ? outcome : record_word(&boot->receipt, "phase"),
                       recovered ? "; recovery: " : "", recovered ? applied : "", kept);
    phase_add(session, "agent", what);
}

/* A mark is no attempt: it only says that there is a ledger, and how far its numbers may be. */
static bool is_mark(const struct record *record)
{
    uint32_t mark = 0;

    return record->kind == RECORD_LEDGER && record_field(record, "mark", &mark) && mark == 1;
}

/* What has changed at its place since power-on is news of this boot. */
static void take_record(struct session *session, struct boot *boot, const struct record *record,
                        enum source source)
{
    struct record *seen = &boot->seen[record->kind][source];

    if (!record->whole || is_mark(record) || record_is_same(record, seen))
        return;
    *seen = *record;
    if (record->kind == RECORD_LEDGER) {
        boot->ledger = *record;
        boot->counted = true;
        say_attempt(session, boot, source_names[source]);
    } else {
        boot->receipt = *record;
        boot->good = strcmp(record_word(record, "outcome"), "good") == 0;
        boot_picture(session);
        say_receipt(session, boot, source_names[source]);
    }
}

static void read_nvram(const struct nvram *nvram, struct record records[2])
{
    record_from_nvram(&records[RECORD_LEDGER], RECORD_LEDGER, nvram);
    record_from_nvram(&records[RECORD_RECEIPT], RECORD_RECEIPT, nvram);
}

static void read_slots(const struct disk *disk, const char *path, struct record *record,
                       enum record_kind kind)
{
    size_t size = 0;
    TEXT_AUTO file = esp_read(disk, path, &size);

    record_from_slots(record, kind, (const uint8_t *)file, file != NULL ? size : 0);
}

static void read_esp(const struct session *session, struct record records[2])
{
    struct disk disk;

    record_take(&records[RECORD_LEDGER], RECORD_LEDGER, NULL, 0, true);
    record_take(&records[RECORD_RECEIPT], RECORD_RECEIPT, NULL, 0, true);
    if (disk_open(&disk, session->disk_path) < 0)
        return;
    read_slots(&disk, "/EFI/backstop/ledger.esp", &records[RECORD_LEDGER], RECORD_LEDGER);
    read_slots(&disk, "/EFI/backstop/receipt.esp", &records[RECORD_RECEIPT], RECORD_RECEIPT);
}

void boot_read_records(struct session *session, struct boot *boot, bool esp)
{
    struct nvram nvram;
    struct record records[2];

    if (nvram_load(&nvram, session->vars_path) == 0) {
        read_nvram(&nvram, records);
        take_record(session, boot, &records[RECORD_LEDGER], SOURCE_NVRAM);
        take_record(session, boot, &records[RECORD_RECEIPT], SOURCE_NVRAM);
        nvram_free(&nvram);
    }
    if (!esp)
        return;
    read_esp(session, records);
    take_record(session, boot, &records[RECORD_LEDGER], SOURCE_ESP);
    take_record(session, boot, &records[RECORD_RECEIPT], SOURCE_ESP);
}

static struct record newest(const struct record seen[SOURCES])
{
    const struct record *nvram = &seen[SOURCE_NVRAM], *esp = &seen[SOURCE_ESP];

    return esp->whole && !is_mark(esp) && record_is_newer(esp, nvram) ? *esp : *nvram;
}

/* What lay there at power-on is no news of this boot. */
static void records_at_start(const struct session *session, struct boot *boot)
{
    struct record nvram[2], esp[2];

    read_nvram(&boot->before, nvram);
    read_esp(session, esp);
    for (enum record_kind kind = RECORD_LEDGER; kind <= RECORD_RECEIPT; kind++) {
        boot->found[kind][SOURCE_NVRAM] = boot->seen[kind][SOURCE_NVRAM] = nvram[kind];
        boot->found[kind][SOURCE_ESP] = boot->seen[kind][SOURCE_ESP] = esp[kind];
    }
    boot->ledger = newest(boot->seen[RECORD_LEDGER]);
    boot->receipt = newest(boot->seen[RECORD_RECEIPT]);
}

static struct boot *boot_add(struct session *session)
{
    struct boot *boot;

    session->boots = realloc(session->boots, (session->boot_count + 1) * sizeof *session->boots);
    if (session->boots == NULL)
        abort();
    boot = &session->boots[session->boot_count++];
    memset(boot, 0, sizeof *boot);
    boot->index = (unsigned)session->boot_count;
    boot->console = text_format("boot-%02u.log", boot->index);
    boot->started = clock_now();
    return boot;
}

static int log_begin(struct session *session)
{
    TEXT_AUTO before = text_format("%s.before", session->vars_log);
    TEXT_AUTO reason = NULL;

    if (file_copy(session->vars_path, before, &reason) < 0)
        return session_fail(session, "%s", reason);
    if (file_write(session->vars_log, "", 0) < 0)
        return session_fail(session, "%s cannot be written", session->vars_log);
    return 0;
}

int boot_start(struct session *session, const char *marker)
{
    struct machine_taker taker = {console_line, channel_line, qmp_line, session};
    struct boot *boot = boot_add(session);
    TEXT_AUTO console = text_format("%s/%s", session->dir, boot->console);
    TEXT_AUTO screen = screen_path(session, "");
    bool counted = strcmp(session->accel, ACCEL_COUNTED) == 0; /* its figures need no screen */
    TEXT_AUTO errors = text_format("%s/qemu.log", session->dir);
    struct machine_setup setup = {.accel = session->accel,
                                  .disk = session->disk_path,
                                  .vars = session->vars_path,
                                  .vars_log = session->vars_log,
                                  .payload = session->payload,
                                  .seed = session->seed,
                                  .pvpanic = session->pvpanic,
                                  .console = console,
                                  .screen = counted ? NULL : screen,
                                  .errors = errors};
    int error;

    session_say(session, NULL, "boot %u", boot->index);
    if (faults_prepare(session, &setup) < 0 ||
        (session->vars_log != NULL && log_begin(session) < 0))
        return -EPROTO;
    error = nvram_load(&boot->before, session->vars_path);
    if (error < 0)
        return session_fail(session, "%s: %s", session->vars_path, strerror(-error));
    records_at_start(session, boot);
    boot->marker = marker;
    view_boot(session->row, boot->index, HOW_RUNNING);
    error = machine_start(&session->machine, &setup, &taker);
    if (error < 0)
        return session_fail(session, "QEMU does not start: %s", strerror(-error));
    session->on = true;
    session->settled = false;
    session->heard = (time_t)clock_now();
    return 0;
}

static void boot_ended(struct session *session)
{
    struct boot *boot = session_boot(session);

    boot->ended = clock_now();
    boot->cpu = session->machine.cpu;
    boot->gone = true;
    screen_keep(session);
    boot_read_records(session, boot, true);
    session->on = false;
    if (boot->end == NULL && boot->panic)
        boot->end = boot->reset ? "panic, reset" : "panic";
    else if (boot->end == NULL)
        boot->end = boot->reset ? "reset" : boot->poweroff ? "power-off" : "QEMU ended by itself";
    view_boot(session->row, boot->index, boot_how(boot));
}

static long limit_of(long own, long usual)
{
    return own > 0 ? own : usual;
}

#define IO_EVENT 4096u /* bytes; an idle machine's are far fewer within its whole silence */

/* A machine of somebody's may have no console: that it uses its disk is a sign of life as well. */
static void note_io(struct session *session)
{
    uint64_t io = session->limits.silence > 0 ? machine_io(&session->machine) : 0;

    if (io < session->io + IO_EVENT && io >= session->io)
        return;
    session->io = io;
    session->heard = (time_t)clock_now();
}

/* One round of taking what came. 0, or -EPROTO when a limit is passed. */
static int follow_once(struct session *session)
{
    struct boot *boot = session_boot(session);
    long silence = limit_of(session->limits.silence, SILENCE_LIMIT);
    long panic = limit_of(session->limits.panic, PANIC_LIMIT);
    long limit = limit_of(session->limits.boot, BOOT_LIMIT);
    long taken = machine_pump(&session->machine, TICK_MS);

    if (breakoff_signal() != 0) {
        boot_cut(session, "broken off");
        return session_fail(session, "broken off");
    }
    if (taken == -ESHUTDOWN) {
        boot_ended(session);
        return 0;
    }
    if (taken > 0)
        session->heard = (time_t)clock_now();
    note_io(session);
    boot_read_records(session, boot,
                      boot->hello && !(boot->counted && boot->good) &&
                          ++session->ticks % ESP_EVERY == 0);
    faults_watch(session);
    if (!session->on)
        return 0;
    if (clock_now() - (double)session->heard > (double)silence) {
        boot_look(session);
        boot_cut(session, "stuck");
        return session_fail(session, "boot %u: no event for %ld s of host time", boot->index,
                            silence);
    }
    if (boot->panic && clock_now() - (double)session->heard > (double)panic) {
        boot_look(session);
        boot_cut(session, "panic, no reset");
        if (session->helped && faults_struck(session))
            return 0;
        return session_fail(session, "boot %u: the kernel panicked and did not reset in %ld s",
                            boot->index, panic);
    }
    if (clock_now() - boot->started > (double)limit) {
        boot_look(session);
        boot_cut(session, "too long");
        return session_fail(session, "boot %u: not over after %ld s of host time", boot->index,
                            limit);
    }
    return 0;
}

int boot_follow(struct session *session, boot_predicate *done, const char *awaited)
{
    while (!done(session_boot(session))) {
        const struct boot *boot = session_boot(session);

        if (!session->on)
            return session_fail(session, "boot %u: awaited: %s; it ended by: %s%s%s", boot->index,
                                awaited, boot->end, boot->where != NULL ? ", " : "",
                                boot->where != NULL ? boot->where : "");
        if (follow_once(session) < 0)
            return -EPROTO;
    }
    return 0;
}

int boot_follow_end(struct session *session)
{
    while (session->on)
        if (follow_once(session) < 0)
            return -EPROTO;
    return 0;
}

int boot_watch(struct session *session, boot_predicate *done, int seconds)
{
    double end = clock_now() + seconds;

    while (session->on && clock_now() < end && !done(session_boot(session)))
        if (follow_once(session) < 0)
            return -EPROTO;
    return 0;
}

void boot_follow_for(struct session *session, int seconds)
{
    double end = clock_now() + seconds;

    while (session->on && clock_now() < end)
        if (follow_once(session) < 0)
            return;
}

void boot_cut(struct session *session, const char *end)
{
    struct boot *boot = session_boot(session);

    if (!session->on)
        return;
    machine_kill(&session->machine);
    boot->end = end;
    boot_ended(session);
    session_say(session, "rig", "switched off: %s", end);
}

int boot_run(struct session *session, const char *command)
{
    TEXT_AUTO line = text_format("run %ld %s", ++session->run_id, command);

    text_replace(&session->run_output, text_copy(""));
    session->run_ended = false;
    if (machine_send(&session->machine, line) < 0)
        return session_fail(session, "the guest's agent takes no command: %s", command);
    while (!session->run_ended && session->on)
        if (follow_once(session) < 0)
            return -EPROTO;
    return 0;
}
