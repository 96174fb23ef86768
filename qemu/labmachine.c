/* labmachine.c - see labmachine.h */
#include "labmachine.h"
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SILENCE_MS 600000
#define ARGUMENTS_MAX 48u

struct arguments {
    char *items[ARGUMENTS_MAX + 1];
    size_t count;
};

static void add(struct arguments *arguments, const char *option, char *value)
{
    if (arguments->count + 2 > ARGUMENTS_MAX)
        abort();
    arguments->items[arguments->count++] = text_copy(option);
    arguments->items[arguments->count++] = value;
}

static void add_machine(struct arguments *arguments, const struct lab_setup *setup)
{
    arguments->items[arguments->count++] = text_copy("qemu-system-x86_64");
    arguments->items[arguments->count++] = text_copy("-nodefaults");
    arguments->items[arguments->count++] = text_copy("-no-reboot");
    add(arguments, "-machine", text_copy("q35,accel=tcg"));
    add(arguments, "-smp", text_copy("1"));
    add(arguments, "-m", text_copy("1024"));
    add(arguments, "-display", text_copy("none"));
    add(arguments, "-serial", text_copy("stdio"));
    add(arguments, "-kernel", text_format("%s/kernel/vmlinuz", setup->dir));
    add(arguments, "-initrd", text_format("%s/initrd", setup->dir));
    /* what emulation makes dear is off; on a busy host an emulated timer is late, not broken */
    add(arguments, "-append",
        text_format("console=ttyS0 quiet loglevel=1 panic=-1 panic_on_oops=1 mitigations=off "
                    "norandmaps no_timer_check lab.role=%s lab.fs=%s",
                    setup->role, setup->file_system));
}

/* The host does not crash here, so flushes to its disk would only cost time. */
static void add_disks(struct arguments *arguments, const struct lab_setup *setup)
{
    add(arguments, "-blockdev",
        text_format("driver=raw,node-name=disk,read-only=%s,file.driver=file,file.filename=%s,"
                    "cache.no-flush=on",
                    setup->read_only ? "on" : "off", setup->disk));
    if (setup->log != NULL) {
        add(arguments, "-blockdev",
            text_format("driver=file,node-name=log,cache.no-flush=on,filename=%s", setup->log));
        add(arguments, "-blockdev",
            text_copy("driver=blklogwrites,node-name=logged,file=disk,log=log"));
    }
    add(arguments, "-device",
        text_format("virtio-blk-pci,drive=%s", setup->log != NULL ? "logged" : "disk"));
    for (size_t i = 0; i < 2 && setup->others[i] != NULL; i++) {
        add(arguments, "-blockdev",
            text_format("driver=raw,node-name=other%zu,read-only=on,file.driver=file,"
                        "file.filename=%s",
                        i, setup->others[i]));
        add(arguments, "-device", text_format("virtio-blk-pci,drive=other%zu", i));
    }
}

/* Between fork and exec: only what is safe there. Does not return. */
static void child_exec(char *const argv[], int out)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
        _exit(127);
    execvp(argv[0], argv);
    _exit(127);
}

static pid_t start(const struct lab_setup *setup, int out)
{
    struct arguments arguments = {0};
    pid_t pid;

    add_machine(&arguments, setup);
    add_disks(&arguments, setup);
    pid = child_fork();
    if (pid == 0)
        child_exec(arguments.items, out);
    for (size_t i = 0; i < arguments.count; i++)
        free(arguments.items[i]);
    return pid;
}

struct listening {
    bool (*take)(void *context, const char *line);
    void *context;
    int console;
    bool enough;
};

static void line_taken(void *context, const char *line)
{
    struct listening *listening = context;

    if (dprintf(listening->console, "%s\n", line) < 0 || !text_starts(line, "LAB "))
        return;
    if (!listening->enough)
        listening->enough = !listening->take(listening->context, line + 4);
}

static int listen_to(struct listening *listening, int fd)
{
    static struct line_stream stream;
    char buffer[4096];

    stream = (struct line_stream){0};
    while (!listening->enough) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        int ready = poll(&wait, 1, SILENCE_MS);
        ssize_t got;

        if (ready == 0)
            return -ETIMEDOUT;
        got = ready < 0 ? -1 : read(fd, buffer, sizeof buffer);
        if (got == 0)
            return 0;
        if (got < 0 && errno != EINTR)
            return -errno;
        if (got > 0)
            line_stream_feed(&stream, buffer, (size_t)got, line_taken, listening);
    }
    return 0;
}

static int follow(const struct lab_setup *setup, struct listening *listening, int pipe_ends[2])
{
    pid_t pid = start(setup, pipe_ends[1]);
    int error = pid < 0 ? -errno : 0;

    close(pipe_ends[1]);
    if (error == 0) {
        error = listen_to(listening, pipe_ends[0]);
        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    close(pipe_ends[0]);
    return error;
}

int lab_machine_run(const struct lab_setup *setup, bool (*take)(void *context, const char *line),
                    void *context)
{
    struct listening listening = {.take = take, .context = context};
    int pipe_ends[2], error;

    if (setup->log != NULL && (error = file_write(setup->log, "", 0)) < 0)
        return error;
    listening.console = open(setup->console, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (listening.console < 0)
        return -errno;
    error = pipe2(pipe_ends, O_CLOEXEC) < 0 ? -errno : follow(setup, &listening, pipe_ends);
    close(listening.console);
    return error;
}
