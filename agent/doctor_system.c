/*
 * doctor_system.c - kernel, initramfs and units.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "doctor.h"
#include "image.h"

#define EARLY_IN_IMAGE "usr/lib/backstop/backstop-early"
#define IMAGE_PREFIX "initrd.img-"

/* First number in a file of /proc or /sys; false if it cannot be read. */
static bool read_figure(const struct doctor *doctor, const char *path, long *figure)
{
    char text[32] = "";
    int fd = place_openat(doctor->place, path, O_RDONLY, 0, true);
    ssize_t got;

    if (fd < 0)
        return false;
    got = read(fd, text, sizeof text - 1);
    close(fd);
    if (got <= 0)
        return false;
    *figure = strtol(text, NULL, 10);
    return true;
}

static void check_panic(const struct doctor *doctor, struct findings *findings)
{
    long figure;

    if (read_figure(doctor, "/proc/sys/kernel/panic", &figure)) {
        if (figure == 0)
            finding_add(findings, "panic", FINDING_FAULT,
                        "sysctl kernel.panic=10; update-initramfs -u, and look for a sysctl.d file "
                        "that sets it to 0",
                        "kernel.panic is 0: a panic hangs for ever and no failed boot is ever "
                        "followed by another");
        else
            finding_add(findings, "panic", FINDING_OK, NULL, "a panic restarts the machine (%ld)",
                        figure);
    }
    if (read_figure(doctor, "/proc/sys/kernel/panic_on_oops", &figure) && figure == 0 &&
        doctor->policy.panic_on_oops)
        finding_add(findings, "panic-on-oops", FINDING_WARNING,
                    "sysctl kernel.panic_on_oops=1, and look for a sysctl.d file that sets it to 0",
                    "kernel.panic_on_oops is 0: a kernel fault leaves the machine limping on");
}

static bool is_directory_empty(const struct doctor *doctor, const char *path)
{
    int fd = place_openat(doctor->place, path, O_RDONLY | O_DIRECTORY, 0, true);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *item;
    bool empty = true;

    if (!dir) {
        if (fd >= 0)
            close(fd);
        return true;
    }
    while (empty && (item = readdir(dir)))
        empty = item->d_name[0] == '.';
    closedir(dir);
    return empty;
}

static void check_kernel(const struct doctor *doctor, struct findings *findings)
{
    check_panic(doctor, findings);
    if (is_directory_empty(doctor, "/sys/class/watchdog"))
        finding_add(findings, "watchdog", FINDING_INFO, NULL,
                    "no hardware watchdog: a machine that freezes waits for somebody to switch it "
                    "off and on");
    else
        finding_add(findings, "watchdog", FINDING_OK, NULL, "there is a hardware watchdog");
    if (!doctor_has(doctor, "/sys/module/efi_pstore"))
        finding_add(
            findings, "pstore", FINDING_WARNING, "modprobe efi_pstore; update-initramfs -u",
            "efi_pstore is not loaded: a panic leaves no record to tell it from a power cut");
}

static void check_image(const struct doctor *doctor, int boot_fd, const char *name, bool current,
                        struct findings *findings)
{
    int fd = openat(boot_fd, name, O_RDONLY | O_CLOEXEC), holds;

    (void)doctor;
    holds = fd < 0 ? -errno : image_file_holds(fd, EARLY_IN_IMAGE);
    if (fd >= 0)
        close(fd);
    if (holds == 1)
        finding_add(findings, "initramfs", FINDING_OK, NULL, "/boot/%s holds backstop-early", name);
    else if (holds == 0)
        finding_add(findings, "initramfs", current ? FINDING_FAULT : FINDING_WARNING,
                    "update-initramfs -u -k all",
                    "/boot/%s does not hold backstop-early: nothing is put back in boots from it",
                    name);
    else
        finding_add(findings, "initramfs", FINDING_WARNING, "update-initramfs -u -k all",
                    "/boot/%s cannot be looked into: %s", name, strerror(-holds));
}

static void check_images(const struct doctor *doctor, struct findings *findings)
{
    int fd = place_openat(doctor->place, "/boot", O_RDONLY | O_DIRECTORY, 0, true);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct utsname kernel = {0};
    struct dirent *item;
    bool current_seen = false, any = false;

    uname(&kernel);
    while (dir && (item = readdir(dir))) {
        const char *release = item->d_name + sizeof IMAGE_PREFIX - 1;
        size_t length = strlen(item->d_name);
        bool current;

        if (strncmp(item->d_name, IMAGE_PREFIX, sizeof IMAGE_PREFIX - 1) != 0 ||
            (length > 4 && strcmp(item->d_name + length - 4, ".bak") == 0) ||
            strstr(item->d_name, ".dpkg-"))
            continue;
        current = doctor->running && strcmp(release, kernel.release) == 0;
        check_image(doctor, dirfd(dir), item->d_name, current, findings);
        current_seen |= current;
        any = true;
    }
    if (dir)
        closedir(dir);
    else if (fd >= 0)
        close(fd);
    if (!any || (doctor->running && !current_seen))
        finding_add(findings, "initramfs", FINDING_FAULT, "update-initramfs -c -k $(uname -r)",
                    "no initramfs image for %s was found in /boot: recovery has nowhere to run",
                    doctor->running ? kernel.release : "any kernel");
}

/* Enabled: a link in some .wants or .requires directory of the administrator or the vendor. */
static bool is_enabled_in(const struct doctor *doctor, const char *base, const char *unit)
{
    int fd = place_openat(doctor->place, base, O_RDONLY | O_DIRECTORY, 0, true);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *item;
    bool found = false;

    while (dir && !found && (item = readdir(dir))) {
        char path[600];

        if (!strstr(item->d_name, ".wants") && !strstr(item->d_name, ".requires"))
            continue;
        snprintf(path, sizeof path, "%s/%s", item->d_name, unit);
        found = faccessat(dirfd(dir), path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    }
    if (dir)
        closedir(dir);
    else if (fd >= 0)
        close(fd);
    return found;
}

/* Masked by the administrator: a link to /dev/null. */
static bool is_masked(const struct doctor *doctor, const char *unit)
{
    char target[16] = "";
    int fd = place_openat(doctor->place, "/etc/systemd/system", O_PATH | O_DIRECTORY, 0, true);
    ssize_t length;

    if (fd < 0)
        return false;
    length = readlinkat(fd, unit, target, sizeof target - 1);
    close(fd);
    return length == 9 && strcmp(target, "/dev/null") == 0;
}

struct vital_unit {
    const char *name, *loss;
    bool vital;
    const char *if_masked; /* where that is worse than disabled; always a fault */
};

/* True if there is nothing to find fault with. */
static bool check_unit(const struct doctor *doctor, const struct vital_unit *unit,
                       struct findings *findings)
{
    bool masked = is_masked(doctor, unit->name), worse = masked && unit->if_masked;
    char mend[160];

    if (!masked && (is_enabled_in(doctor, "/etc/systemd/system", unit->name) ||
                    is_enabled_in(doctor, "/usr/lib/systemd/system", unit->name)))
        return true;
    snprintf(mend, sizeof mend, "systemctl unmask %s; systemctl enable %s", unit->name, unit->name);
    finding_add(findings, "units", unit->vital || worse ? FINDING_FAULT : FINDING_WARNING, mend,
                "%s is %s: %s", unit->name, masked ? "masked" : "not enabled",
                worse ? unit->if_masked : unit->loss);
    return false;
}

static void check_units(const struct doctor *doctor, struct findings *findings)
{
    static const struct vital_unit units[] = {
        {"backstop-start.service", "no good generation is ever taken", true, NULL},
        {"backstop-session.service", "an orderly shutdown before confirmation counts as a failure",
         true, NULL},
        {"backstop-confirm.service", "no boot is ever confirmed, and good ones count as failed",
         true, NULL},
        {"backstop-health.service", "health checks are not run", false,
         "boot-complete.target requires it, so no boot is ever confirmed, and good ones count as "
         "failed; to do without the checks disable it"},
        {"backstop-deadline.timer", "a boot that hangs half-way stays so", false, NULL},
    };
    bool whole = true;

    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        whole &= check_unit(doctor, &units[i], findings);
    if (whole)
        finding_add(findings, "units", FINDING_OK, NULL, "the units are enabled");
}

void doctor_check_system(const struct doctor *doctor, struct findings *findings)
{
    if (doctor->running)
        check_kernel(doctor, findings);
    check_images(doctor, findings);
    check_units(doctor, findings);
}
