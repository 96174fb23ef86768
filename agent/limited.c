/* limited.c - see limited.h */
#include "limited.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/pidfd.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "awake.h"

/* Until something is to be read from fd, or it is at its end. 0 or -errno. */
static int wait_for(int fd, uint64_t end)
{
    for (;;) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        uint64_t now = awake_us();
        int ready = now < end ? poll(&wait, 1, (int)((end - now) / 1000u) + 1) : 0;

        if (ready > 0)
            return 0;
        if (ready == 0 && awake_us() >= end)
            return -ETIMEDOUT;
        if (ready < 0 && errno != EINTR)
            return -errno;
    }
}

/* Its status as waitpid() has it, or -errno. What it began goes with it. */
static int wait_limited(pid_t pid, uint64_t end)
{
    int fd = pidfd_open(pid, 0), status = 0;
    int error = fd < 0 ? -errno : wait_for(fd, end);

    if (fd >= 0)
        close(fd);
    kill(-pid, SIGKILL);
    if (error)
        return error;
    return waitpid(pid, &status, WNOHANG) == pid ? status : -ECHILD;
}

/* In a group of its own, with `output`, where it is one, for its standard output. */
static pid_t begin(int (*act)(void *argument), void *argument, int output)
{
    pid_t pid = fork();

    if (pid < 0)
        return -errno;
    if (pid == 0) {
        setpgid(0, 0);
        if (output >= 0)
            dup2(output, STDOUT_FILENO);
        _exit(act(argument));
    }
    setpgid(pid, pid); /* whoever comes first: a kill must find the group */
    return pid;
}

static uint64_t end_of(unsigned seconds)
{
    return awake_us() + seconds * UINT64_C(1000000);
}

int limited_call(int (*act)(void *argument), void *argument, unsigned seconds)
{
    uint64_t end = end_of(seconds);
    pid_t pid = begin(act, argument, -1);
    int status = pid < 0 ? pid : wait_limited(pid, end);

    if (status < 0)
        return status;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -ECANCELED;
}

static int run_shell(void *command)
{
    execl("/bin/sh", "sh", "-c", (const char *)command, (char *)NULL);
    return 127;
}

static int read_limited(int fd, uint64_t end, char *text, size_t size)
{
    ssize_t got = 1;
    size_t used = 0;
    int error = 0;

    while (!error && got > 0 && used + 1 < size) {
        error = wait_for(fd, end);
        got = error ? 0 : read(fd, text + used, size - 1 - used);
        if (got < 0 && errno == EINTR)
            got = 1;
        else if (got < 0)
            error = -errno;
        else
            used += (size_t)got;
    }
    text[used] = '\0';
    return error;
}

int limited_read(const char *command, unsigned seconds, char *text, size_t size)
{
    uint64_t end = end_of(seconds);
    int ends[2], error, status;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    pid = begin(run_shell, (void *)(uintptr_t)command, ends[1]);
    close(ends[1]);
    error = pid < 0 ? pid : read_limited(ends[0], end, text, size);
    close(ends[0]);
    if (pid < 0)
        return error;
    status = wait_limited(pid, error ? 0 : end);
    return error ? error : status < 0 ? status : 0;
}
