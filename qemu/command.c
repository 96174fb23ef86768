#include "command.h"
#include "breakoff.h"
#include "text.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Reads the whole of a memfd that the child has written; closes it. */
static char *memfd_take(int fd, size_t *size)
{
    TEXT_AUTO path = text_format("/proc/self/fd/%d", fd);
    char *text = file_read(path, size);

    close(fd);
    return text != NULL ? text : text_copy("");
}

/* Until it has ended, or the rig is to: then it is asked to end as well. */
static void await(pid_t pid, int broken)
{
    struct pollfd polls[] = {{.fd = pidfd_open(pid, 0), .events = POLLIN},
                             {.fd = broken, .events = POLLIN}};

    if (polls[0].fd < 0)
        return;
    while (poll(polls, 2, -1) < 0 && errno == EINTR)
        ;
    if (polls[1].revents != 0)
        kill(pid, SIGTERM);
    close(polls[0].fd);
}

static int spawn_and_wait(const char *const argv[], int out, int err)
{
    posix_spawn_file_actions_t actions;
    pid_t pid;
    /* Taken before the start: a signal that comes right after it is not missed. */
    int broken = breakoff_fd(), error, status = 0;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", 0, 0);
    posix_spawn_file_actions_adddup2(&actions, out, 1);
    posix_spawn_file_actions_adddup2(&actions, err, 2);
    error = posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0)
        return -error;
    await(pid, broken);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int command_run(const char *const argv[], struct output *output)
{
    int out = memfd_create("out", MFD_CLOEXEC), err = memfd_create("err", MFD_CLOEXEC);
    size_t err_size = 0;
    int code = spawn_and_wait(argv, out, err);

    output->out = memfd_take(out, &output->out_size);
    output->err = memfd_take(err, &err_size);
    return code;
}

void output_free(struct output *output)
{
    free(output->out);
    free(output->err);
    memset(output, 0, sizeof *output);
}

char *command_complaint(const char *tool, int code, const struct output *output)
{
    if (code == -ENOENT)
        return text_format("%s is not installed: `make deps` brings it", tool);
    if (code < 0)
        return text_format("%s: %s", tool, strerror(-code));
    return text_format("%s: exit code %d: %s%s", tool, code, output->err, output->out);
}

int command_there(const char *tool, char **reason)
{
    const char *path = getenv("PATH");
    TEXT_AUTO words = text_copy(path != NULL ? path : "");
    char *rest = words, *dir;

    while ((dir = strsep(&rest, ":")) != NULL) {
        TEXT_AUTO file = text_format("%s/%s", dir, tool);

        if (access(file, X_OK) == 0)
            return 0;
    }
    text_replace(reason, command_complaint(tool, -ENOENT, NULL));
    return -ENOENT;
}

int command_must(const char *const argv[], char **reason)
{
    struct output output;
    int code = command_run(argv, &output);

    if (code != 0 && reason != NULL)
        text_replace(reason, command_complaint(argv[0], code, &output));
    output_free(&output);
    return code == 0 ? 0 : -EIO;
}

int command_show(const char *const argv[], char **reason)
{
    char none[] = "", words[] = "see above";
    const struct output shown = {.out = none, .err = words};
    int code = spawn_and_wait(argv, STDERR_FILENO, STDERR_FILENO);

    if (code != 0)
        text_replace(reason, command_complaint(argv[0], code, &shown));
    return code == 0 ? 0 : -EIO;
}

int file_copy(const char *from, const char *to, char **reason)
{
    const char *argv[] = {"cp", "--reflink=auto", "--sparse=always", from, to, NULL};

    return command_must(argv, reason);
}
