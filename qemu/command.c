#include "command.h"
#include "text.h"

#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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

static int spawn_and_wait(const char *const argv[], int out, int err)
{
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int error, status = 0;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", 0, 0);
    posix_spawn_file_actions_adddup2(&actions, out, 1);
    posix_spawn_file_actions_adddup2(&actions, err, 2);
    error = posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0)
        return -error;
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

static char *complaint(const char *tool, int code, const struct output *output)
{
    if (code < 0)
        return text_format("%s: %s: `make deps` installs it", tool, strerror(-code));
    return text_format("%s: exit code %d: %s%s", tool, code, output->err, output->out);
}

int command_must(const char *const argv[], char **reason)
{
    struct output output;
    int code = command_run(argv, &output);

    if (code != 0 && reason != NULL)
        text_replace(reason, complaint(argv[0], code, &output));
    output_free(&output);
    return code == 0 ? 0 : -EIO;
}

int file_copy(const char *from, const char *to, char **reason)
{
    const char *argv[] = {"cp", "--reflink=auto", "--sparse=always", from, to, NULL};

    return command_must(argv, reason);
}
