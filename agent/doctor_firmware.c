/*
 * doctor_firmware.c - firmware, ESP, the stage and its boot entry.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "doctor.h"
#include "image.h"
#include "io.h"
#include "vars.h"

#define EFIVARS "/sys/firmware/efi/efivars"
#define NVRAM_LOW (16u << 10) /* Linux refuses to write below 5 kB */
#define DUMPS_MANY 100u       /* about 14 a panic; some firmware stops recording at 280 */

static void check_efi(const struct doctor *doctor, struct findings *findings)
{
    if (!doctor_has(doctor, "/sys/firmware/efi"))
        finding_add(findings, "efi", FINDING_FAULT, "start the machine in UEFI mode",
                    "not started by UEFI firmware: boots cannot be counted, nothing is recovered");
    else if (!doctor->variables)
        finding_add(findings, "efi", FINDING_FAULT, "cat /proc/cmdline; mount | grep efivarfs",
                    "EFI variables cannot be reached: %s", install_variables_obstacle());
    else
        finding_add(findings, "efi", FINDING_OK, NULL, "EFI variables can be reached");
}

static void check_nvram(const struct doctor *doctor, struct findings *findings)
{
    struct statfs st = {0};
    unsigned long long free_bytes;

    if (!doctor->variables)
        return;
    if (doctor->boot.ticket_state == RECORD_VALID && doctor->boot.ticket.dumps > DUMPS_MANY)
        finding_add(findings, "nvram", FINDING_WARNING, "systemctl restart systemd-pstore",
                    "%u crash records lie in NVRAM and take its room", doctor->boot.ticket.dumps);
    /* kernels before 6.4 give no figures here */
    if (statfs(EFIVARS, &st) < 0 || st.f_blocks == 0)
        return;
    free_bytes = (unsigned long long)st.f_bavail * (unsigned long long)st.f_bsize;
    if (free_bytes < NVRAM_LOW)
        finding_add(
            findings, "nvram", FINDING_FAULT,
            "systemctl restart systemd-pstore; efibootmgr, and -b XXXX -B for unused entries",
            "NVRAM is nearly full: %llu bytes are free, and Linux keeps 5 kB back", free_bytes);
    else
        finding_add(findings, "nvram", FINDING_OK, NULL, "%llu bytes of NVRAM are free",
                    free_bytes);
}

static bool package_stage(const struct doctor *doctor, char **bytes, size_t *size)
{
    int fd = place_openat(doctor->place, "/usr/lib/backstop", O_RDONLY | O_DIRECTORY, 0, true);
    bool got = fd >= 0 && io_read_all(fd, STAGE_NAME, ESP_FILE_MAX, bytes, size) == 0;

    if (fd >= 0)
        close(fd);
    return got;
}

static void check_signature(const struct doctor *doctor, const char *stage, size_t size,
                            struct findings *findings)
{
    if (!doctor->variables || !vars_secure_boot())
        return;
    if (image_is_signed((const uint8_t *)stage, size))
        finding_add(findings, "secure-boot", FINDING_OK, NULL,
                    "Secure Boot is on and the stage is signed");
    else
        finding_add(
            findings, "secure-boot", FINDING_FAULT,
            "sign " STAGE_SOURCE " with a key that this firmware trusts (sbsign), then "
            "backstop install",
            "Secure Boot is on and the stage is not signed: the firmware passes it over and "
            "boots are not counted");
}

static void check_stage(const struct doctor *doctor, struct findings *findings)
{
    char *ours = NULL, *there = NULL;
    size_t our_size = 0, size = 0;

    if (esp_read(&doctor->esp, STAGE_PATH, &there, &size) < 0 || size == 0) {
        finding_add(findings, "stage", FINDING_FAULT, "backstop install",
                    STAGE_PATH " is missing on the ESP");
    } else {
        if (!package_stage(doctor, &ours, &our_size))
            finding_add(findings, "stage", FINDING_WARNING, "apt install --reinstall backstop",
                        "the package's copy, " STAGE_SOURCE ", cannot be read");
        else if (our_size != size || memcmp(ours, there, size) != 0)
            finding_add(findings, "stage", FINDING_WARNING, "backstop install",
                        "the stage on the ESP is not the one of the installed package");
        else
            finding_add(findings, "stage", FINDING_OK, NULL, "the stage is on the ESP");
        check_signature(doctor, there, size, findings);
    }
    free(ours);
    free(there);
}

static bool any_next_exists(const struct doctor *doctor, const struct stageconf *conf)
{
    for (size_t i = 0; i < conf->next_count; i++)
        if (esp_has(&doctor->esp, conf->next[i]))
            return true;
    return false;
}

static bool conf_is_current(const struct doctor *doctor, const char *text, size_t size)
{
    char wanted[STAGECONF_MAX_SIZE + 1];
    size_t length =
        install_conf_text(&doctor->policy, &doctor->state.next, false, wanted, sizeof wanted);

    /* with install.json gone there is nothing to compare with */
    return !doctor->state.present || (length == size && memcmp(wanted, text, size) == 0);
}

static void check_conf(const struct doctor *doctor, struct findings *findings)
{
    struct stageconf *conf = calloc(1, sizeof *conf);
    char *text = NULL;
    size_t size = 0;

    if (!conf || esp_read(&doctor->esp, ESP_DIR "\\" STAGECONF_NAME, &text, &size) < 0) {
        finding_add(findings, "stage-conf", FINDING_FAULT, "backstop install",
                    "stage.conf is missing: the stage has to guess the next loader");
        free(conf);
        return;
    }
    stageconf_parse(conf, text, size);
    if (conf->retire)
        finding_add(findings, "stage-conf", FINDING_FAULT, "backstop install",
                    "Backstop was uninstalled: the next start of the machine takes the stage away");
    else if (conf->next_count == 0 || conf->bad_lines)
        finding_add(
            findings, "stage-conf", FINDING_FAULT, "backstop install",
            "stage.conf cannot be used as it is: %zu loaders, %u bad lines (first: line %u)",
            conf->next_count, conf->bad_lines, conf->first_bad_line);
    else if (!any_next_exists(doctor, conf))
        finding_add(findings, "next-loader", FINDING_FAULT, "backstop install",
                    "none of the loaders in stage.conf is on the ESP; the first is %s",
                    conf->next[0]);
    else if (!conf_is_current(doctor, text, size))
        finding_add(findings, "stage-conf", FINDING_WARNING, "backstop install",
                    "stage.conf does not have the present settings of " CONF_FILE);
    else
        finding_add(findings, "stage-conf", FINDING_OK, NULL, "stage.conf is usable; it starts %s",
                    conf->next[0]);
    free(text);
    free(conf);
}

static void check_esp(const struct doctor *doctor, struct findings *findings)
{
    if (doctor->esp.fd < 0) {
        if (doctor->running || doctor->esp_dir)
            finding_add(findings, "esp", FINDING_FAULT, "backstop install",
                        "no ESP with " ESP_DIR " was found: the stage is not installed");
        return;
    }
    check_stage(doctor, findings);
    check_conf(doctor, findings);
    if (esp_has_slots(&doctor->esp))
        finding_add(findings, "slots", FINDING_OK, NULL, "the slot files are on the ESP");
    else
        finding_add(findings, "slots", FINDING_WARNING, "backstop install",
                    "ledger.esp or receipt.esp is missing or has the wrong size: when NVRAM "
                    "refuses, boots are not counted");
}

static void check_order(const struct doctor *doctor, const struct boot_entry *ours,
                        struct findings *findings)
{
    struct boot_order order = {0};
    char name[16];

    snprintf(name, sizeof name, "Boot%04X", ours->number);
    if (*doctor->esp.partition.partuuid &&
        strcasecmp(ours->partuuid, doctor->esp.partition.partuuid) != 0)
        finding_add(findings, "boot-entry", FINDING_FAULT, "backstop install",
                    "%s names another partition (%s) than the ESP", name, ours->partuuid);
    else if (!(ours->attributes & LOAD_OPTION_ACTIVE))
        finding_add(findings, "boot-entry", FINDING_FAULT, "backstop install",
                    "%s \"" BACKSTOP_ENTRY_NAME "\" is switched off", name);
    else if (boot_order_read(&order) < 0 || order.count == 0 || order.items[0] != ours->number)
        finding_add(findings, "boot-entry", FINDING_FAULT, "backstop install",
                    "%s \"" BACKSTOP_ENTRY_NAME
                    "\" is not first in BootOrder: something else is started, and boots are not "
                    "counted",
                    name);
    else
        finding_add(findings, "boot-entry", FINDING_OK, NULL,
                    "%s \"" BACKSTOP_ENTRY_NAME "\" is first in BootOrder", name);
}

static void check_entry(const struct doctor *doctor, struct findings *findings)
{
    struct boot_entry ours = {0};

    if (!doctor->variables)
        return;
    if (boot_entry_find_ours(doctor->esp.partition.partuuid, &ours) == 0)
        check_order(doctor, &ours, findings);
    else if (doctor->state.removable)
        finding_add(findings, "boot-entry", FINDING_INFO, NULL,
                    "no boot entry; the stage stands at " REMOVABLE_PATH);
    else
        finding_add(findings, "boot-entry", FINDING_FAULT, "backstop install",
                    "no boot entry starts the stage");
    boot_entry_free(&ours);
}

static void check_stored(const struct ticket *ticket, struct findings *findings)
{
    switch ((enum stored)ticket->stored) {
    case STORED_NOWHERE:
        finding_add(findings, "counted", FINDING_FAULT,
                    "systemctl restart systemd-pstore; backstop install",
                    "this boot (%u) is not counted: NVRAM refused (status %#x), and the ESP too",
                    ticket->number, ticket->store_error);
        break;
    case STORED_NVRAM:
        finding_add(findings, "counted", FINDING_OK, NULL, "this is boot %u, counted in NVRAM",
                    ticket->number);
        break;
    case STORED_ESP:
        finding_add(findings, "counted", FINDING_WARNING, "systemctl restart systemd-pstore",
                    "this is boot %u, counted on the ESP: NVRAM did not take it (status %#x)",
                    ticket->number, ticket->store_error);
        break;
    }
}

static void check_ticket(const struct doctor *doctor, struct findings *findings)
{
    const struct ticket *ticket = &doctor->boot.ticket;

    if (!doctor->variables)
        return;
    if (doctor->boot.ticket_state == RECORD_VALID) {
        check_stored(ticket, findings);
        if (ticket->ledger_found == RECORD_DAMAGED || ticket->ledger_found == RECORD_NEWER)
            finding_add(findings, "ledger", FINDING_WARNING, NULL,
                        "the record of boots in NVRAM was found %s at the start of this boot",
                        record_state_string((enum record_state)ticket->ledger_found));
    } else if (doctor->boot.ticket_state == RECORD_ABSENT) {
        finding_add(
            findings, "ticket", FINDING_WARNING, "systemctl reboot",
            "the stage did not start this boot. Just installed: it will start the next one. "
            "Else the firmware passes it over: see boot-entry and secure-boot");
    } else {
        finding_add(findings, "ticket", FINDING_WARNING, "backstop install",
                    "the stage's ticket is %s: stage and agent may be of different versions",
                    record_state_string(doctor->boot.ticket_state));
    }
}

void doctor_check_firmware(const struct doctor *doctor, struct findings *findings)
{
    if (doctor->running)
        check_efi(doctor, findings);
    check_esp(doctor, findings);
    if (!doctor->running)
        return;
    check_entry(doctor, findings);
    check_ticket(doctor, findings);
    check_nvram(doctor, findings);
}
