#include "machine.h"
#include "child.h"
#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGUMENTS_MAX 64
#define CHILD_FD 10 /* console, channel and QMP are CHILD_FD + their index in QEMU */

struct arguments {
    char *items[ARGUMENTS_MAX];
    size_t count;
};

/* Adds an option and its value, which it owns. */
static void add(struct arguments *arguments, const char *option, char *value)
{
    if (arguments->count + 3 > ARGUMENTS_MAX)
        abort();
    arguments->items[arguments->count++] = text_copy(option);
    if (value != NULL)
        arguments->items[arguments->count++] = value;
}

static void arguments_free(struct arguments *arguments)
{
    for (size_t i = 0; i < arguments->count; i++)
        free(arguments->items[i]);
}

/*
 * A boot of firmware alone, as short as it goes: no device whose driver takes its time, and a guest
 * that is done with a wait 128 times as fast as it would be by its instructions at one a ns.
 */
static void add_small_platform(struct arguments *arguments)
{
    add(arguments, "qemu-system-x86_64", NULL);
    add(arguments, "-nodefaults", NULL);
    add(arguments, "-no-user-config", NULL);
    add(arguments, "-no-reboot", NULL);
    add(arguments, "-display", text_copy("none"));
    add(arguments, "-machine", text_copy("q35,i8042=off,sata=off,usb=off,hpet=off,vmport=off"));
    add(arguments, "-accel", text_copy("tcg"));
    add(arguments, "-icount", text_copy("shift=7,sleep=off"));
    add(arguments, "-m", text_copy("128"));
}

static void add_platform(struct arguments *arguments, const struct machine_setup *setup)
{
    bool kvm = strcmp(setup->accel, "kvm") == 0;
    bool counted = strcmp(setup->accel, ACCEL_COUNTED) == 0;

    add(arguments, "qemu-system-x86_64", NULL);
    add(arguments, "-nodefaults", NULL);
    add(arguments, "-no-user-config", NULL);
    add(arguments, "-no-reboot", NULL);
    add(arguments, "-display", text_copy("none"));
    add(arguments, "-machine", text_copy("q35"));
    add(arguments, "-accel", text_copy(kvm ? "kvm" : counted ? "tcg" : "tcg,thread=multi"));
    if (kvm)
        add(arguments, "-cpu", text_copy("host"));
    if (counted)
        add(arguments, "-icount", text_copy("shift=0,sleep=off"));
    add(arguments, "-smp", text_copy(counted ? "1" : "2"));
    add(arguments, "-m", text_copy("1024"));
    add(arguments, "-device", text_copy("virtio-rng-pci"));
    if (setup->clock != NULL)
        add(arguments, "-rtc", text_format("base=%s", setup->clock));
    if (setup->network) {
        add(arguments, "-netdev", text_copy("hubport,id=network,hubid=0"));
        add(arguments, "-device", text_copy("virtio-net-pci,netdev=network,romfile="));
    }
    if (setup->screen != NULL) {
        add(arguments, "-device", text_copy("VGA,xres=800,yres=600"));
        add(arguments, "-action", text_copy("shutdown=pause"));
    }
}

/* A path as one of several values of an option: QEMU takes two commas for one. */
static char *path_value(const char *path)
{
    char *value = text_copy("");

    for (; *path != '\0'; path++) {
        char more[3] = {*path, *path == ',' ? ',' : '\0', '\0'};

        text_append(&value, more);
    }
    return value;
}

/* Behind blkdebug where a fault of the disk is wanted. */
static char *disk_drive(const struct machine_setup *setup)
{
    const char *more = setup->disk_read_only ? "readonly=on" : "cache=unsafe,discard=unmap";
    TEXT_AUTO disk = path_value(setup->disk);
    TEXT_AUTO rules = NULL;

    if (setup->disk_rules == NULL)
        return text_format("if=none,id=disk,format=raw,%s,file=%s", more, disk);
    rules = path_value(setup->disk_rules);
    return text_format("if=none,id=disk,%s,driver=raw,file.driver=blkdebug,file.config=%s,"
                       "file.image.driver=file,file.image.filename=%s,werror=%s",
                       more, rules, disk, setup->disk_stops ? "stop" : "report");
}

/* Of OVMF's 4 MiB build: the variables' flash ends where the code's begins, which ends at 4 GiB. */
#define VARS_ADDRESS 0xffc00000u
#define VARS_SIZE 540672u

static char *vars_drive(const struct machine_setup *setup)
{
    TEXT_AUTO vars = path_value(setup->vars);
    TEXT_AUTO log = NULL;

    if (setup->vars_in_memory)
        return text_format("if=pflash,unit=1,driver=null-co,size=%u,read-zeroes=on", VARS_SIZE);
    if (setup->vars_log == NULL)
        return text_format("if=pflash,unit=1,format=raw,cache=unsafe,file=%s", vars);
    log = path_value(setup->vars_log);
    return text_format("if=pflash,unit=1,driver=blklogwrites,file.driver=file,file.filename=%s,"
                       "log.driver=file,log.filename=%s,log-sector-size=512",
                       vars, log);
}

/* Where QEMU puts the disk of a machine that has a screen as well: the firmware's own entry for the
 * disk, made in the one, then leads to that of the other. */
#define SMALL_DISK_AT ",addr=0x3"

/* The host does not crash in these tests, so flushes to its disk would only cost time. */
static void add_drives(struct arguments *arguments, const struct machine_setup *setup)
{
    TEXT_AUTO vars = path_value(setup->vars);

    add(arguments, "-drive", text_copy("if=pflash,unit=0,format=raw,readonly=on,file=" OVMF_CODE));
    add(arguments, "-drive", vars_drive(setup));
    if (setup->vars_in_memory) {
        add(arguments, "-device",
            text_format("loader,file=%s,addr=0x%x,force-raw=on", vars, VARS_ADDRESS));
        add(arguments, "-no-shutdown", NULL);
    }
    if (setup->disk != NULL) {
        add(arguments, "-drive", disk_drive(setup));
        add(arguments, "-device",
            text_format("virtio-blk-pci,drive=disk%s", setup->small ? SMALL_DISK_AT : ""));
    }
    if (setup->payload != NULL) {
        TEXT_AUTO payload = path_value(setup->payload);

        add(arguments, "-drive",
            text_format("if=none,id=payload,format=raw,readonly=on,file=%s", payload));
        add(arguments, "-device", text_copy("virtio-blk-pci,drive=payload"));
    }
}

/* A panic is told and changes nothing: the guest goes on to its own dump and reset. */
static void add_extras(struct arguments *arguments, const struct machine_setup *setup)
{
    if (setup->seed != NULL) {
        TEXT_AUTO seed = path_value(setup->seed);

        add(arguments, "-drive",
            text_format("if=none,id=seed,format=raw,readonly=on,file=%s", seed));
        add(arguments, "-device", text_copy("virtio-blk-pci,drive=seed"));
    }
    if (setup->pvpanic) {
        add(arguments, "-device", text_copy("pvpanic-pci"));
        add(arguments, "-action", text_copy("panic=none"));
    }
}

static void add_streams(struct arguments *arguments, const struct machine_setup *setup)
{
    TEXT_AUTO console = path_value(setup->console);

    add(arguments, "-chardev",
        text_format("socket,id=console,fd=%d,logfile=%s,logappend=off", CHILD_FD + MACHINE_CONSOLE,
                    console));
    add(arguments, "-serial", text_copy("chardev:console"));
    if (setup->debug != NULL)
        add(arguments, "-debugcon", text_format("file:%s", setup->debug));
    if (!setup->small) {
        add(arguments, "-chardev",
            text_format("socket,id=channel,fd=%d", CHILD_FD + MACHINE_CHANNEL));
        add(arguments, "-device", text_copy("virtio-serial-pci"));
        add(arguments, "-device", text_copy("virtserialport,chardev=channel,name=rig"));
    }
    add(arguments, "-chardev", text_format("socket,id=qmp,fd=%d", CHILD_FD + MACHINE_QMP));
    add(arguments, "-mon", text_copy("chardev=qmp,mode=control"));
}

/* Between fork and exec: only what is safe there. Does not return. */
static void child_exec(const struct machine_setup *setup, char *const argv[],
                       const int ends[MACHINE_STREAMS])
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int errors = open(setup->errors, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

    if (null < 0 || errors < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(errors, 2) < 0)
        _exit(127);
    for (int i = 0; i < MACHINE_STREAMS; i++)
        if (dup2(ends[i], CHILD_FD + i) < 0)
            _exit(127);
    execvp(argv[0], argv);
    if (errno == ENOENT)
        dprintf(2, "%s is not installed: `make deps` brings it\n", argv[0]);
    else
        dprintf(2, "rig: %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

/* The pairs' numbers must not be those that the child gives out with dup2(). */
static int pair_make(int *ours, int *theirs)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    *ours = fcntl(pair[0], F_DUPFD_CLOEXEC, CHILD_FD + MACHINE_STREAMS);
    *theirs = fcntl(pair[1], F_DUPFD_CLOEXEC, CHILD_FD + MACHINE_STREAMS);
    close(pair[0]);
    close(pair[1]);
    return *ours < 0 || *theirs < 0 ? -errno : 0;
}

static void close_all(int fds[MACHINE_STREAMS])
{
    for (int i = 0; i < MACHINE_STREAMS; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
        fds[i] = -1;
    }
}

static int spawn(struct machine *machine, const struct machine_setup *setup,
                 int ends[MACHINE_STREAMS])
{
    struct arguments arguments = {0};
    pid_t pid;

    if (setup->small)
        add_small_platform(&arguments);
    else
        add_platform(&arguments, setup);
    add_drives(&arguments, setup);
    add_extras(&arguments, setup);
    add_streams(&arguments, setup);
    arguments.items[arguments.count] = NULL;
    pid = child_fork();
    if (pid == 0)
        child_exec(setup, arguments.items, ends);
    arguments_free(&arguments);
    if (pid < 0)
        return -errno;
    machine->pid = pid;
    machine->screen = setup->screen != NULL ? text_copy(setup->screen) : NULL;
    return 0;
}

int machine_start(struct machine *machine, const struct machine_setup *setup,
                  const struct machine_taker *taker)
{
    int ends[MACHINE_STREAMS], error = 0;

    memset(machine, 0, sizeof *machine);
    machine->taker = *taker;
    for (int i = 0; i < MACHINE_STREAMS; i++)
        machine->fds[i] = ends[i] = -1;
    for (int i = 0; i < MACHINE_STREAMS && error == 0; i++)
        error = pair_make(&machine->fds[i], &ends[i]);
    if (error == 0)
        error = spawn(machine, setup, ends);
    close_all(ends);
    if (error < 0)
        close_all(machine->fds);
    return error;
}

static void console_taken(void *context, const char *line)
{
    struct machine *machine = context;

    machine->taker.console(machine->taker.context, line);
}

static void channel_taken(void *context, const char *line)
{
    struct machine *machine = context;
    struct channel_message message;

    if (channel_parse(line, &message) == 0)
        machine->taker.channel(machine->taker.context, &message);
}

static void qmp_send(struct machine *machine, const char *command)
{
    (void)send(machine->fds[MACHINE_QMP], command, strlen(command), MSG_NOSIGNAL);
}

void machine_picture(struct machine *machine, const char *path)
{
    struct json_object *name = json_object_new_string(path);
    TEXT_AUTO command = text_format("{\"execute\":\"screendump\",\"arguments\":"
                                    "{\"filename\":%s,\"format\":\"png\"}}\n",
                                    json_object_to_json_string(name));

    json_object_put(name);
    if (machine->screen != NULL && !machine->over)
        qmp_send(machine, command);
}

static void take_last_picture(struct machine *machine)
{
    machine_picture(machine, machine->screen);
    qmp_send(machine, "{\"execute\":\"quit\"}\n");
    machine->over = true;
}

/* QEMU takes no command and sends no event until capabilities are negotiated. */
static void qmp_taken(void *context, const char *line)
{
    struct machine *machine = context;
    struct qmp_message message;

    if (qmp_parse(line, &message) < 0 || (machine->over && message.kind == QMP_SHUTDOWN))
        return;
    if (message.kind == QMP_GREETING)
        qmp_send(machine, "{\"execute\":\"qmp_capabilities\"}\n");
    machine->taker.qmp(machine->taker.context, &message);
    if (message.kind == QMP_SHUTDOWN && machine->screen != NULL)
        take_last_picture(machine);
}

/* Bytes taken; 0 at the stream's end, which is then closed. */
static long stream_take(struct machine *machine, int which)
{
    static line_taker *const takers[MACHINE_STREAMS] = {console_taken, channel_taken, qmp_taken};
    char buffer[4096];
    ssize_t got = read(machine->fds[which], buffer, sizeof buffer);

    if (got <= 0) {
        close(machine->fds[which]);
        machine->fds[which] = -1;
        return 0;
    }
    line_stream_feed(&machine->streams[which], buffer, (size_t)got, takers[which], machine);
    return got;
}

long machine_pump(struct machine *machine, int timeout_ms)
{
    struct pollfd polls[MACHINE_STREAMS];
    long taken = 0;
    bool open_left = false;

    for (int i = 0; i < MACHINE_STREAMS; i++) {
        polls[i] = (struct pollfd){.fd = machine->fds[i], .events = POLLIN};
        open_left = open_left || machine->fds[i] >= 0;
    }
    if (!open_left) {
        machine_kill(machine);
        return -ESHUTDOWN;
    }
    if (poll(polls, MACHINE_STREAMS, timeout_ms) <= 0)
        return 0;
    for (int i = 0; i < MACHINE_STREAMS; i++)
        if (machine->fds[i] >= 0 && polls[i].revents != 0)
            taken += stream_take(machine, i);
    return taken;
}

int machine_send(struct machine *machine, const char *line)
{
    TEXT_AUTO message = text_format("%s\n", line);
    size_t length = strlen(message), done = 0;

    if (strchr(line, '\n') != NULL)
        return -EINVAL;
    while (done < length) {
        ssize_t put =
            send(machine->fds[MACHINE_CHANNEL], message + done, length - done, MSG_NOSIGNAL);

        if (put < 0)
            return -errno;
        done += (size_t)put;
    }
    return 0;
}

void machine_qmp(struct machine *machine, const char *command)
{
    TEXT_AUTO line = text_format("{\"execute\":\"%s\"}\n", command);

    qmp_send(machine, line);
}

void machine_look(struct machine *machine)
{
    double end = clock_now() + MACHINE_SCREEN_MS / 1e3;

    if (machine->pid == 0 || machine->screen == NULL || machine->over)
        return;
    machine_qmp(machine, "stop");
    take_last_picture(machine);
    while (machine->pid != 0 && clock_now() < end)
        (void)machine_pump(machine, 100);
}

static double seconds(const struct timeval *time)
{
    return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

int machine_flash_save(struct machine *machine, const char *path)
{
    TEXT_AUTO command = text_format("{\"execute\":\"pmemsave\",\"arguments\":{\"val\":%u,"
                                    "\"size\":%u,\"filename\":\"%s\"}}\n",
                                    VARS_ADDRESS, VARS_SIZE, path);

    if (send(machine->fds[MACHINE_QMP], command, strlen(command), MSG_NOSIGNAL) !=
        (ssize_t)strlen(command))
        return -errno;
    return 0;
}

static uint64_t field_of(const char *text, const char *name)
{
    const char *at = strstr(text, name);

    return at != NULL ? strtoull(at + strlen(name), NULL, 10) : 0;
}

uint64_t machine_io(const struct machine *machine)
{
    TEXT_AUTO path = text_format("/proc/%ld/io", (long)machine->pid);
    TEXT_AUTO text = machine->pid != 0 ? file_read(path, NULL) : NULL;

    return text != NULL ? field_of(text, "rchar: ") + field_of(text, "wchar: ") : 0;
}

void machine_kill(struct machine *machine)
{
    struct rusage usage = {0};

    text_replace(&machine->screen, NULL);
    close_all(machine->fds);
    if (machine->pid == 0)
        return;
    kill(machine->pid, SIGKILL);
    while (wait4(machine->pid, NULL, 0, &usage) < 0 && errno == EINTR)
        ;
    machine->pid = 0;
    machine->cpu = seconds(&usage.ru_utime) + seconds(&usage.ru_stime);
}
