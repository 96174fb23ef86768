/*
 * lab.c - the first and only process of the lab: a kernel, a file system, and power cuts.
 *
 * The kernel's command line says lab.role= and lab.fs=. Disks are /dev/vda and so on; what the
 * runner reads are lines on the console that begin with "LAB ":
 *   prepare  vda: a new file system            "LAB done" or "LAB broken WHY"
 *   record   vda: the same, its writes logged; behind the file system a sector is written when the
 *            act has ended                     likewise
 *   replay   vda: the base, vdb: the log, vdc: names of crash states, one a line
 *            "LAB ready", for each state "LAB begin NAME" and "LAB good NAME",
 *            "LAB bad NAME WHY", or "LAB down NAME WHY" where the file system itself did not come
 *            up, repaired as a boot does it, before anything of Backstop ran; at the end "LAB done"
 */
#include "scratch.h"
#include "subject.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "command.h"
#include "recovery.h"

#define ROOT "/mnt"
#define DATA "/dev/vda"

static const char *const repair_ext4[] = {"/bin/e2fsck", "-p", SCRATCH_DEVICE, NULL};
static const char *const repair_vfat[] = {"/bin/fsck.fat", "-a", SCRATCH_DEVICE "p1", NULL};

struct format {
    const char *type, *options;
    const char *modules[4];
    const char *data, *scratch; /* where it is on the disk, and on the one in memory */
    const char *const *repair;  /* as a boot does it; NULL: mounting does it */
    unsigned long flags;        /* that a boot mounts it with */
};

/* a root is read-only until recovery opens it */
static const struct format ext4 = {
    .type = "ext4",
    .options = "",
    .modules = {"ext4"},
    .data = DATA,
    .scratch = SCRATCH_DEVICE,
    .repair = repair_ext4,
    .flags = MS_RDONLY,
};
static const struct format xfs = {
    .type = "xfs",
    .options = "",
    .modules = {"xfs"},
    .data = DATA,
    .scratch = SCRATCH_DEVICE,
    .flags = MS_RDONLY,
};
static const struct format btrfs = {
    .type = "btrfs",
    .options = "",
    .modules = {"btrfs"},
    .data = DATA,
    .scratch = SCRATCH_DEVICE,
    .flags = MS_RDONLY,
};
static const struct format vfat = {
    .type = "vfat",
    .options = "umask=0077",
    .modules = {"vfat", "nls_cp437", "nls_ascii"},
    .data = DATA "1",
    .scratch = SCRATCH_DEVICE "p1",
    .repair = repair_vfat,
};

/* What the lab is asked for: a format, and what is done on it. */
static const struct file_system {
    const char *name;
    const struct format *format;
    const struct subject *subject;
} file_systems[] = {
    {"ext4", &ext4, &subject_root},   {"xfs", &xfs, &subject_root},
    {"btrfs", &btrfs, &subject_root}, {"ext4-kept", &ext4, &subject_root_kept},
    {"vfat", &vfat, &subject_esp},    {"vfat-uninstall", &vfat, &subject_esp_uninstall},
};

/* ---- beginning and end ---- */

/* One line, whatever is in the text. */
static void say(const char *what, const char *name, const char *why)
{
    TEXT_AUTO line =
        text_format("LAB %s%s%s%s%s", what, name != NULL ? " " : "", name != NULL ? name : "",
                    why != NULL ? " " : "", why != NULL ? why : "");

    for (char *p = line; *p != '\0'; p++)
        if (*p == '\n' || *p == '\r')
            *p = ' ';
    puts(line);
    fflush(stdout);
}

static void end(void)
{
    sync();
    reboot(LINUX_REBOOT_CMD_POWER_OFF);
    exit(1);
}

static void load_module(const char *name)
{
    TEXT_AUTO path = text_format("/modules/%s", name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    /* no device: a faster one of several for processors of another kind */
    if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST && errno != ENODEV))
        say("note", name, strerror(errno));
    if (fd >= 0)
        close(fd);
}

static void load_modules(const char *list)
{
    TEXT_AUTO path = text_format("/modules/%s.list", list);
    TEXT_AUTO names = file_read(path, NULL);
    char *save = NULL;

    for (char *name = names != NULL ? strtok_r(names, "\n", &save) : NULL; name != NULL;
         name = strtok_r(NULL, "\n", &save))
        load_module(name);
}

static void set_up(void)
{
    static const char *const modules[] = {"virtio_pci", "virtio_blk", "loop"};

    mount("proc", "/proc", "proc", 0, NULL);
    mount("sys", "/sys", "sysfs", 0, NULL);
    mount("dev", "/dev", "devtmpfs", 0, NULL);
    mount("tmp", "/tmp", "tmpfs", 0, "size=90%");
    mount("run", "/run", "tmpfs", 0, NULL);
    mkdir(ROOT, 0755);
    mkdir(VARIABLES, 0755);
    mount("vars", VARIABLES, "tmpfs", 0, NULL);
    setenv("EFIVARFS_PATH", VARIABLES "/", 1);
    setenv("PATH", "/bin", 1);
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++)
        load_modules(modules[i]);
}

/* Value of a word of the kernel's command line; caller frees. */
static char *argument(const char *name)
{
    char buffer[1024] = "", *save = NULL;
    int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC); /* stat() says it has no bytes */
    ssize_t got = fd < 0 ? 0 : read(fd, buffer, sizeof buffer - 1);

    if (fd >= 0)
        close(fd);
    buffer[got > 0 ? got : 0] = '\0';
    for (char *word = strtok_r(buffer, " \n", &save); word != NULL;
         word = strtok_r(NULL, " \n", &save))
        if (text_starts(word, name) && word[strlen(name)] == '=')
            return text_copy(word + strlen(name) + 1);
    return text_copy("");
}

char *lab_run(const char *const argv[], int most, char **out)
{
    struct output output = {0};
    int code = command_run(argv, &output);
    char *complaint = NULL;

    if (code < 0 || code > most)
        complaint = text_format("%s ended with %d: %s %s", argv[0], code, output.err, output.out);
    else if (out != NULL)
        text_replace(out, text_copy(output.out));
    output_free(&output);
    return complaint;
}

/* ---- the file system ---- */

static char *mount_it(const struct file_system *fs, const char *device, unsigned long flags)
{
    if (mount(device, ROOT, fs->format->type, flags, fs->format->options) == 0)
        return NULL;
    return text_format("%s cannot be mounted: %s", fs->name, strerror(errno));
}

static char *unmount_it(void)
{
    return umount(ROOT) == 0 ? NULL : text_format(ROOT ": %s", strerror(errno));
}

static char *prepare(const struct file_system *fs)
{
    char *complaint = mount_it(fs, fs->format->data, 0);

    if (complaint == NULL)
        complaint = fs->subject->prepare(ROOT);
    return complaint != NULL ? complaint : unmount_it();
}

/* A write that all know by its place. */
static char *mark_end(void)
{
    static uint8_t sector[4096] __attribute__((aligned(4096))) =
        "Backstop's lab: the act has ended";
    int fd = open(DATA, O_WRONLY | O_DIRECT | O_CLOEXEC);
    off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    ssize_t put = size < 0 ? -1 : pwrite(fd, sector, DISK_SECTOR, size - DISK_MARGIN);
    char *complaint = put == DISK_SECTOR ? NULL : text_format(DATA ": %s", strerror(errno));

    if (fd >= 0)
        close(fd);
    return complaint;
}

static char *record(const struct file_system *fs)
{
    char *complaint = mount_it(fs, fs->format->data, fs->format->flags);

    if (complaint == NULL)
        complaint = fs->subject->act(ROOT, false);
    if (complaint == NULL)
        complaint = mark_end();
    return complaint != NULL ? complaint : unmount_it();
}

/* ---- replay ---- */

/* Mounts, has it judged or worked on, and unmounts. Where it cannot be mounted it is down. */
static char *while_mounted(const struct file_system *fs, unsigned long flags,
                           char *(*work)(const struct subject *subject, bool done), bool done,
                           bool *down)
{
    char *complaint = mount_it(fs, fs->format->scratch, flags);

    *down = complaint != NULL;
    if (*down)
        return complaint;
    complaint = work(fs->subject, done);
    if (complaint == NULL)
        return unmount_it();
    free(unmount_it());
    return complaint;
}

static char *judge_unrepaired(const struct subject *subject, bool done)
{
    return subject->check_unrepaired(ROOT, done);
}

static char *go_on(const struct subject *subject, bool done)
{
    char *complaint = subject->check_cut(ROOT, done);

    if (complaint == NULL)
        complaint = subject->act(ROOT, true);
    return complaint != NULL ? complaint : subject->check_end(ROOT);
}

/* The act had ended when power went: its mark had been written. */
static bool had_ended(const struct scratch *scratch, const struct crash *crash)
{
    return crash_issued(crash) >= writes_mark(&scratch->log, scratch->size);
}

static char *perform(const struct file_system *fs, const struct scratch *scratch,
                     const struct crash *crash, bool *down)
{
    bool done = had_ended(scratch, crash);
    char *complaint = NULL;

    if (fs->subject->check_unrepaired != NULL)
        complaint = while_mounted(fs, MS_RDONLY, judge_unrepaired, done, down);
    if (complaint == NULL && fs->format->repair != NULL) {
        complaint = lab_run(fs->format->repair, 1, NULL);
        *down = complaint != NULL;
    }
    return complaint != NULL ? complaint : while_mounted(fs, fs->format->flags, go_on, done, down);
}

static char *learn(const struct file_system *fs, struct scratch *scratch)
{
    char *complaint = scratch_set(scratch, &(struct crash){0});

    if (complaint == NULL)
        complaint = mount_it(fs, fs->format->scratch, fs->format->flags);
    if (complaint == NULL)
        complaint = fs->subject->learn_start(ROOT);
    if (complaint == NULL)
        complaint = fs->subject->act(ROOT, true);
    if (complaint == NULL)
        complaint = fs->subject->learn_end(ROOT);
    if (complaint == NULL)
        complaint = unmount_it();
    return complaint != NULL ? complaint : scratch_release(scratch);
}

/* False where the lab cannot go on. */
static bool replay_one(const struct file_system *fs, struct scratch *scratch, const char *name)
{
    struct crash crash;
    char *complaint = NULL;
    bool released, down = false;

    say("begin", name, NULL);
    if (crash_parse(name, &scratch->log, &crash) < 0)
        complaint = text_copy("no state of this log has that name");
    else
        complaint = scratch_set(scratch, &crash);
    if (complaint == NULL)
        complaint = perform(fs, scratch, &crash, &down);
    say(complaint == NULL ? "good" : down ? "down" : "bad", name, complaint);
    free(complaint);
    complaint = scratch->loop >= 0 ? scratch_release(scratch) : NULL;
    released = complaint == NULL;
    if (!released)
        say("broken", NULL, complaint);
    free(complaint);
    return released;
}

static char *replay(const struct file_system *fs)
{
    struct scratch scratch;
    char *complaint = scratch_open(&scratch, DATA, "/dev/vdb"), *save = NULL;
    size_t size = 0;
    char *names = (char *)device_read("/dev/vdc", &size);

    if (complaint == NULL && writes_mark(&scratch.log, scratch.size) == 0)
        complaint = text_copy("the log does not say where the act had ended");
    if (complaint == NULL)
        complaint =
            names == NULL ? text_format("/dev/vdc: %s", strerror(errno)) : learn(fs, &scratch);
    if (complaint != NULL)
        return complaint;
    say("ready", NULL, NULL);
    for (char *name = strtok_r(names, "\n", &save); name != NULL;
         name = strtok_r(NULL, "\n", &save))
        if (!replay_one(fs, &scratch, name))
            break;
    return NULL;
}

static const struct file_system *find_file_system(const char *name)
{
    for (size_t i = 0; i < sizeof file_systems / sizeof *file_systems; i++)
        if (strcmp(file_systems[i].name, name) == 0)
            return &file_systems[i];
    say("broken", name, "is no file system of the lab");
    end();
    return NULL;
}

int main(void)
{
    const struct file_system *fs;
    TEXT_AUTO role = NULL;
    TEXT_AUTO name = NULL;
    TEXT_AUTO complaint = NULL;

    set_up();
    role = argument("lab.role");
    name = argument("lab.fs");
    fs = find_file_system(name);
    for (size_t i = 0; fs->format->modules[i] != NULL; i++)
        load_modules(fs->format->modules[i]);
    if (strcmp(role, "prepare") == 0)
        complaint = prepare(fs);
    else if (strcmp(role, "record") == 0)
        complaint = record(fs);
    else
        complaint = replay(fs);
    say(complaint == NULL ? "done" : "broken", NULL, complaint);
    end();
}
