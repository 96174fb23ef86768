#include "bench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "command.h"
#include "directory.h"
#include "steps.h"
#include "trace.h"

#define GUEST_SCRIPT "/var/tmp/bench.sh"
#define GUEST_MENU "/boot/grub/grub.cfg"
#define INIT_TOP "/scripts/init-top/backstop"
#define INIT_BOTTOM "/scripts/init-bottom/backstop"
#define EARLY_AGENT "/usr/lib/backstop/backstop-early"
#define AIM_US 20000

/* What the initramfs ends with. */
static const char system_init[] = "sched_process_exec: filename=/sbin/init pid=1 ";

static const char image_steps[] = "title  two images of one kernel\n"
                                  "proves how large they are\n"
                                  "start  ready\n"
                                  "boot   good\n"
                                  "run    \"sh " GUEST_SCRIPT "\"\n"
                                  "poweroff\n";

/* ---- images ---- */

static int put_script(struct session *session, const char *script)
{
    struct disk disk;
    size_t size = 0;
    TEXT_AUTO text = file_read(script, &size);
    TEXT_AUTO reason = NULL;
    int error;

    if (text == NULL)
        return session_fail(session, "%s: %s", script, strerror(errno));
    error = session_disk(session, &disk);
    if (error == 0 && disk_write(&disk, GUEST_SCRIPT, text, size, &reason) < 0)
        return session_fail(session, "%s", reason);
    return error;
}

/* Makes both images on the disk in dir and prints what the script says of them. */
static int make_images(const struct rig *rig, const char *script, const char *dir, char **reason)
{
    TEXT_AUTO payload = text_format("%s/payload.img", rig->dir);
    struct session session = {.accel = rig->accel, .payload = payload, .live = rig->live};
    struct scenario scenario;
    int error = scenario_parse(&scenario, "bench", "bench", image_steps, verbs, reason);

    if (error == 0)
        error = session_open(&session, &scenario, dir);
    if (error == 0)
        error = put_script(&session, script);
    if (error == 0)
        error = session_perform(&session);
    if (error == 0)
        fputs(session.run_output, stdout);
    fflush(stdout);
    if (error < 0 && *reason == NULL)
        *reason = text_format("bench: %s: %s; logs: %s",
                              session.reason != NULL ? session.reason : strerror(-error),
                              session.run_output != NULL ? session.run_output : "", dir);
    session_close(&session);
    scenario_free(&scenario);
    return error;
}

/* ---- boots ---- */

static int copy_machine(const char *from, const char *to, char **reason)
{
    TEXT_AUTO disk = text_format("%s/disk.raw", from);
    TEXT_AUTO vars = text_format("%s/vars.fd", from);
    const char *argv[] = {"cp", "--reflink=auto", "--sparse=always", disk, vars, to, NULL};
    int error;

    directory_remove(to);
    error = directory_make(to);
    return error == 0 ? command_must(argv, reason) : error;
}

static int put_menu(struct session *session, const char *which)
{
    struct disk disk;
    size_t size = 0;
    int error = session_disk(session, &disk);
    TEXT_AUTO from = text_format("/var/tmp/bench/%s/grub.cfg", which);
    TEXT_AUTO menu = error == 0 ? disk_read(&disk, from, &size) : NULL;
    TEXT_AUTO reason = NULL;

    if (error < 0)
        return error;
    if (menu == NULL)
        return session_fail(session, "%s is not on the disk", from);
    if (disk_write(&disk, GUEST_MENU, menu, size, &reason) < 0)
        return session_fail(session, "%s", reason);
    return 0;
}

static bool is_marked(const struct boot *boot)
{
    return boot->marked;
}

/* A boot after a failed one has more to do. */
static int expect_healthy(struct session *session)
{
    const struct boot *boot = session_boot(session);
    uint32_t failures = 0;

    if (!boot->counted || !record_field(&boot->ledger, "failures", &failures))
        return session_fail(session, "the boot was not counted");
    return failures == 0 ? 0 : session_fail(session, "the boot counts %u failures", failures);
}

static int perform_boot(struct session *session, const char *which, struct trace *trace)
{
    TEXT_AUTO log = NULL;
    TEXT_AUTO path = NULL;

    if (put_menu(session, which) < 0 || boot_start(session, system_init) < 0 ||
        boot_follow(session, is_marked, "the start of the system's init") < 0)
        return -EPROTO;
    boot_cut(session, "measured");
    if (expect_healthy(session) < 0)
        return -EPROTO;
    path = text_format("%s/%s", session->dir, session_boot(session)->console);
    log = file_read(path, NULL);
    if (log == NULL || trace_parse(trace, log) < 0)
        return session_fail(session, "%s: has no trace of the initramfs", path);
    return 0;
}

/* Boots a copy of the machine in dir with one of the images: `which` is "with" or "without". */
static int measure_boot(const char *dir, const char *which, struct trace *trace, char **reason)
{
    TEXT_AUTO copy = text_format("%s/%s", dir, which);
    struct session session = {.accel = ACCEL_COUNTED};
    int error = copy_machine(dir, copy, reason);

    if (error == 0)
        error = session_open(&session, NULL, copy);
    if (error == 0)
        error = perform_boot(&session, which, trace);
    if (error < 0 && *reason == NULL)
        *reason = text_format("bench: boot %s: %s; logs: %s", which,
                              session.reason != NULL ? session.reason : strerror(-error), copy);
    if (session.disk_path != NULL)
        unlink(session.disk_path);
    session_close(&session);
    return error;
}

/* ---- what they say ---- */

static void print_row(const char *indent, const char *what, long us)
{
    int width = 40 - (int)strlen(indent);

    printf("%s%-*s ", indent, width, what);
    if (us < 0)
        puts("        ?");
    else
        printf("%9.3f\n", (double)us / 1000);
}

/* Rows of what the script runs, and of what is left for itself. Gives the time of EARLY_AGENT. */
static long print_script(const struct trace *with, const struct trace *without, const char *script)
{
    long start = trace_find(with, 0, script);
    long end = start < 0 ? start : trace_exit(with, (size_t)start);
    long left = trace_added(with, without, script), early = 0;

    print_row("    ", script, left);
    for (long i = start + 1; i < end; i++) {
        const struct trace_event *event = &with->items[i];
        long us = trace_process(with, (size_t)i);

        if (event->kind != TRACE_EXEC || us < 0)
            continue;
        print_row("      ", event->name, us);
        left -= us;
        if (strcmp(event->name, EARLY_AGENT) == 0)
            early += us;
    }
    print_row("      ", "the script itself", left);
    return early;
}

static void print_boots(const struct trace *with, const struct trace *without)
{
    long floor = trace_total(without), early;

    puts("healthy boot, ms of guest time from /init to the system's init, 1 ns an instruction");
    print_row("  ", "without the hook (floor)", floor);
    print_row("  ", "with it", trace_total(with));
    print_row("  ", "more", trace_total(with) - floor);
    print_row("  ", "more before /init", with->items[0].at - without->items[0].at);
    puts("  which is, with their forks, beside the same place in the floor:");
    early = print_script(with, without, INIT_TOP);
    early += print_script(with, without, INIT_BOTTOM);
    printf("  backstop-early in all                  %9.3f  %.2f%% (aim: under %d ms or 1%%)\n",
           (double)early / 1000, 100.0 * (double)early / (double)floor, AIM_US / 1000);
    puts("  modprobe and mount: systemd would do the same, later");
}

/* Else the figures would be those of something else. */
static int expect_hook(const struct trace *with, const struct trace *without, char **reason)
{
    long top = trace_find(with, 0, EARLY_AGENT);
    long bottom = top < 0 ? top : trace_find(with, (size_t)top + 1, EARLY_AGENT);

    if (bottom >= 0 && trace_find(without, 0, EARLY_AGENT) < 0)
        return 0;
    text_replace(reason, text_format("bench: " EARLY_AGENT " does not run twice with the hook and "
                                     "not at all without it"));
    return -EPROTO;
}

int bench_run(const struct rig *rig, const char *script, char **reason)
{
    TEXT_AUTO dir = text_format("%s/bench", rig->out);
    struct trace with = {0}, without = {0};
    int error = state_prepare(rig, "ready", reason);

    directory_remove(dir);
    if (error == 0)
        error = directory_make(dir);
    if (error == 0)
        error = state_copy(rig, "ready", dir, reason);
    if (error == 0)
        error = make_images(rig, script, dir, reason);
    if (error == 0)
        error = measure_boot(dir, "without", &without, reason);
    if (error == 0)
        error = measure_boot(dir, "with", &with, reason);
    if (error == 0)
        error = expect_hook(&with, &without, reason);
    if (error == 0)
        print_boots(&with, &without);
    else if (*reason == NULL)
        *reason = text_format("%s: %s", dir, strerror(-error));
    trace_free(&with);
    trace_free(&without);
    if (error == 0 && !rig->keep)
        directory_remove(dir);
    return error;
}
