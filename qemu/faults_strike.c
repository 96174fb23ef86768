/* Faults at work: what is done to flash and disk before a boot, and to the machine in it. */
#include "clock.h"
#include "faults.h"
#include "steps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GRUB_CONFIG "/boot/grub/grub.cfg"
/* The kernel takes an NMI that nobody asked for as a reason to panic. */
#define NMI_OPTION "unknown_nmi_panic"
#define FILLER "/var/tmp/rig-filler"
/* The same in the machine, in pieces that halve (bytes), down to a block. */
#define FILL                                                                                       \
    "f=" FILLER "; o=0; s=1073741824; while [ $s -ge 4096 ]; do "                                  \
    "if fallocate -o $o -l $s $f 2>/dev/null; then o=$((o + s)); else s=$((s / 2)); fi; done"

int fault_arm(struct session *session, char *const words[], int count)
{
    session->faults =
        realloc(session->faults, (session->fault_count + 1) * sizeof *session->faults);
    if (session->faults == NULL)
        abort();
    fault_read(&session->faults[session->fault_count++], words, count);
    return 0;
}

void faults_disarm(struct session *session)
{
    for (size_t i = 0; i < session->fault_count; i++)
        fault_free(&session->faults[i]);
    free(session->faults);
    session->faults = NULL;
    session->fault_count = 0;
}

static void struck(struct session *session, struct fault *fault)
{
    fault->struck = true;
    if (fault->left != FAULT_ALWAYS)
        fault->left--;
    session_say(session, "FAULT", "%s%s%s", fault_what_string(fault->what),
                fault->subject != NULL ? " " : "", fault->subject != NULL ? fault->subject : "");
}

/* before power-on */

/* Debian ignores NMIs; the option does nothing until one comes. */
static int nmi_option_add(struct session *session)
{
    struct disk disk;
    TEXT_AUTO reason = NULL;
    TEXT_AUTO text = NULL;
    TEXT_AUTO with = NULL;
    char *end;
    int error = session_disk(session, &disk);

    if (error < 0)
        return error;
    text = disk_read(&disk, GRUB_CONFIG, NULL);
    if (text == NULL)
        return session_fail(session, "%s is not there: a panic cannot be brought about",
                            GRUB_CONFIG);
    if (strstr(text, NMI_OPTION) != NULL)
        return 0;
    end = strstr(text, "linux ");
    end = end != NULL ? strchr(end, '\n') : NULL;
    if (end == NULL)
        return session_fail(session, "%s starts no kernel: a panic cannot be brought about",
                            GRUB_CONFIG);
    with = text_format("%.*s " NMI_OPTION "%s", (int)(end - text), text, end);
    error = disk_write(&disk, GRUB_CONFIG, with, strlen(with), &reason);
    return error < 0 ? session_fail(session, "%s", reason) : 0;
}

static int edit_disk(struct session *session, const struct fault *fault)
{
    struct disk disk;
    TEXT_AUTO reason = NULL;
    TEXT_AUTO path = fault->subject != NULL ? session_path(session, fault->subject) : NULL;
    int error = session_disk(session, &disk);

    if (error < 0)
        return error;
    error = fault->what == WHAT_DISK_FULL ? disk_fill(&disk, FILLER, &reason)
                                          : disk_damage(&disk, path, &reason);
    return error < 0 ? session_fail(session, "%s", reason) : 0;
}

static const uint8_t *guid_of(const char *variable)
{
    return text_starts(variable, "Boot") && !text_starts(variable, "Backstop") &&
                   strlen(variable) <= strlen("BootOrder")
               ? guid_global
               : guid_backstop;
}

static bool edit_variables(struct nvram *nvram, const struct fault *fault)
{
    if (fault->what == WHAT_NVRAM_FULL)
        return nvram_fill(nvram, 0), true;
    if (fault->what == WHAT_BOOT_ORDER)
        return nvram_boot_entry_last(nvram, "Backstop");
    if (fault->what == WHAT_VARIABLE_LOST)
        return nvram_delete_one(nvram, guid_of(fault->subject), fault->subject);
    return nvram_damage(nvram, guid_of(fault->subject), fault->subject, 20, 0x10);
}

static int edit_nvram(struct session *session, const struct fault *fault)
{
    struct nvram nvram;
    int error = nvram_load(&nvram, session->vars_path);

    if (error < 0)
        return session_fail(session, "%s: %s", session->vars_path, strerror(-error));
    if (!edit_variables(&nvram, fault))
        error = session_fail(session, "%s: not in NVRAM",
                             fault->subject != NULL ? fault->subject : "a boot entry of ours");
    else if (nvram_save(&nvram, session->vars_path) < 0)
        error = session_fail(session, "%s cannot be written", session->vars_path);
    nvram_free(&nvram);
    return error;
}

/* Behind the rules of the faults before this one, for the same boot. */
static int disk_rules_add(struct session *session, const char *rules, struct machine_setup *setup)
{
    TEXT_AUTO all = NULL;
    int error;

    if (setup->disk_rules == NULL) {
        text_replace(&session->disk_rules, text_format("%s/blkdebug.conf", session->dir));
        unlink(session->disk_rules);
        setup->disk_rules = session->disk_rules;
    }
    all = file_read(session->disk_rules, NULL);
    if (all == NULL)
        all = text_copy("");
    text_append(&all, rules);
    error = file_write(session->disk_rules, all, strlen(all));
    return error < 0 ? session_fail(session, "%s: %s", session->disk_rules, strerror(-error)) : 0;
}

static int fail_write(struct session *session, const struct fault *fault,
                      struct machine_setup *setup)
{
    TEXT_AUTO rules = fault_disk_rules(fault);

    setup->disk_stops = fault->what == WHAT_POWER_CUT;
    return disk_rules_add(session, rules, setup);
}

/* A sector stays bad, whatever becomes of the file. */
static int fail_read(struct session *session, struct fault *fault, struct machine_setup *setup)
{
    struct disk disk;
    TEXT_AUTO reason = NULL;
    TEXT_AUTO rule = NULL;
    TEXT_AUTO path = session_path(session, fault->subject);
    int error = fault->byte == 0 ? session_disk(session, &disk) : 0;

    if (error < 0)
        return error;
    if (fault->byte == 0 && disk_where(&disk, path, &fault->byte, &reason) < 0)
        return session_fail(session, "%s", reason);
    rule = fault_sector_rule(fault->byte);
    return disk_rules_add(session, rule, setup);
}

static int prepare_one(struct session *session, struct fault *fault, struct machine_setup *setup)
{
    int error = 0;

    if (fault->when == WHEN_NETWORK)
        setup->network = true;
    if (fault->when == WHEN_WRITE)
        return fail_write(session, fault, setup);
    if (fault->when != WHEN_FIRMWARE && fault->what != WHAT_PANIC)
        return 0;
    switch (fault->what) {
    case WHAT_PANIC:
        return nmi_option_add(session);
    case WHAT_OOPS:
    case WHAT_HANG:
    case WHAT_RESET:
    case WHAT_POWER_CUT:
    case WHAT_IO_ERROR:
    case WHAT_IO_ERROR_ONCE:
    case WHATS:
        return 0;
    case WHAT_BAD_SECTOR:
        return fail_read(session, fault, setup);
    case WHAT_READ_ONLY:
        setup->disk_read_only = true;
        break;
    case WHAT_CLOCK:
        setup->clock = fault->subject;
        break;
    case WHAT_DISK_FULL:
    case WHAT_CORRUPT:
        error = edit_disk(session, fault);
        break;
    case WHAT_NVRAM_FULL:
    case WHAT_VARIABLE_LOST:
    case WHAT_VARIABLE_DAMAGED:
    case WHAT_BOOT_ORDER:
        error = edit_nvram(session, fault);
        break;
    }
    if (error == 0)
        struck(session, fault);
    return error;
}

int faults_prepare(struct session *session, struct machine_setup *setup)
{
    int error = 0;

    for (size_t i = 0; i < session->fault_count && error == 0; i++) {
        session->faults[i].struck = session->faults[i].due = false;
        if (session->faults[i].left != 0)
            error = prepare_one(session, &session->faults[i], setup);
    }
    return error;
}

/* while it runs */

static bool is_time(const struct fault *fault, const struct boot *boot)
{
    switch (fault->when) {
    case WHEN_FIRMWARE:
        return boot->counted;
    case WHEN_KERNEL:
        return boot->kernel;
    case WHEN_INITRAMFS:
        return boot->initramfs;
    case WHEN_EARLY:
        return boot->early;
    case WHEN_BOOTED:
        return boot->hello;
    case WHEN_NETWORK:
        return boot->kernel && boot->network;
    case WHEN_AFTER:
        return boot->hello && clock_now() - boot->hello_at >= (double)fault->number;
    case WHEN_CONSOLE:
    case WHEN_WRITE:
        return fault->due;
    case WHENS:
        break;
    }
    return false;
}

static void act(struct session *session, struct fault *fault)
{
    struct machine *machine = &session->machine;

    struck(session, fault);
    switch (fault->what) {
    case WHAT_PANIC:
        machine_qmp(machine, "inject-nmi");
        break;
    case WHAT_OOPS:
        machine_send(machine, "run fault modprobe acme_probe");
        break;
    case WHAT_READ_ONLY: /* all file systems on disks, as errors=remount-ro would its own */
        machine_send(machine, "run fault echo u >/proc/sysrq-trigger");
        break;
    case WHAT_DISK_FULL:
        machine_send(machine, "run fault " FILL);
        break;
    case WHAT_HANG:
        machine_qmp(machine, "stop");
        boot_look(session);
        boot_cut(session, "hung, switched off");
        break;
    case WHAT_RESET:
        machine_qmp(machine, "system_reset");
        break;
    case WHAT_POWER_CUT:
        boot_cut(session, "power cut");
        break;
    case WHAT_IO_ERROR:
    case WHAT_IO_ERROR_ONCE:
    case WHAT_BAD_SECTOR:
    case WHAT_CORRUPT:
    case WHAT_CLOCK:
    case WHAT_NVRAM_FULL:
    case WHAT_VARIABLE_LOST:
    case WHAT_VARIABLE_DAMAGED:
    case WHAT_BOOT_ORDER:
    case WHATS:
        break;
    }
}

/* Done to the machine while it runs. */
static bool is_act(const struct fault *fault)
{
    return fault->what <= WHAT_POWER_CUT ||
           ((fault->what == WHAT_READ_ONLY || fault->what == WHAT_DISK_FULL) &&
            fault->when != WHEN_FIRMWARE);
}

void faults_watch(struct session *session)
{
    for (size_t i = 0; i < session->fault_count && session->on; i++) {
        struct fault *fault = &session->faults[i];

        if (fault->left != 0 && !fault->struck && is_act(fault) &&
            is_time(fault, session_boot(session)))
            act(session, fault);
    }
}

void faults_console(struct session *session, const char *line)
{
    for (size_t i = 0; i < session->fault_count; i++) {
        struct fault *fault = &session->faults[i];

        if (fault->when == WHEN_CONSOLE && strstr(line, fault->text) != NULL)
            fault->due = true;
    }
}

/* A power cut is an act still to come; an error has been seen by the guest. */
void faults_disk_failed(struct session *session, bool read)
{
    for (size_t i = 0; i < session->fault_count; i++) {
        struct fault *fault = &session->faults[i];

        if (!(read ? fault->what == WHAT_BAD_SECTOR : fault->when == WHEN_WRITE) ||
            fault->left == 0)
            continue;
        fault->due = true;
        if (!is_act(fault) && !fault->struck)
            struck(session, fault);
    }
}

bool faults_struck(const struct session *session)
{
    for (size_t i = 0; i < session->fault_count; i++)
        if (session->faults[i].struck)
            return true;
    return false;
}

bool faults_to_come(const struct session *session)
{
    for (size_t i = 0; i < session->fault_count; i++)
        if (session->faults[i].left != 0)
            return true;
    return false;
}

int faults_make_room(struct session *session)
{
    struct disk disk;
    TEXT_AUTO reason = NULL;
    int error = session_disk(session, &disk);

    if (error == 0 && disk_delete(&disk, FILLER, &reason) < 0)
        error = session_fail(session, "%s", reason);
    return error;
}
