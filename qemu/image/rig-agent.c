/*
 * rig-agent.c - runs in the rig's machines and does what the host says over a virtio-serial port.
 *
 * Text lines, UTF-8, ended by LF.
 *   host:  run ID COMMAND        COMMAND is given to sh -c; ID is any word
 *   guest: hello BOOT_ID TARGET  once a connection; TARGET is the default target's name without
 *                                ".target" and without "backstop-": multi-user, safe
 *          out ID TEXT           one line of the command's output, stdout and stderr together;
 *                                a line over 4096 bytes comes as several
 *          end ID RC             its exit code, 128 + N if signal N ended it, 127 if not started
 * One command at a time; lines that are no command are passed over. A process that a command
 * leaves behind keeps running, and what it prints after the command's end is lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PORT "/dev/virtio-ports/rig"
#define LINE_MAX_BYTES 65536
#define RECONNECT_US 50000

struct output {
    int port;
    const char *id;
    char line[4096];
    size_t length;
};

static int write_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

static void output_line(struct output *output)
{
    char line[sizeof(output->line) + 256];
    int n = snprintf(line, sizeof(line), "out %.200s %.*s\n", output->id, (int)output->length,
                     output->line);

    write_all(output->port, line, (size_t)n);
    output->length = 0;
}

static void output_add(struct output *output, const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (data[i] == '\n' || output->length == sizeof(output->line))
            output_line(output);
        if (data[i] != '\n' && data[i] != '\0')
            output->line[output->length++] = data[i];
    }
}

/* What the pipe holds now; false at its end. */
static bool output_drain(struct output *output, int pipe)
{
    char data[4096];
    ssize_t n;

    while ((n = read(pipe, data, sizeof(data))) > 0)
        output_add(output, data, (size_t)n);
    return n < 0 && (errno == EAGAIN || errno == EINTR);
}

static void child_run(const char *command, int out)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    dup2(null, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

/* Passes the output on until the child ends; its pidfd becomes readable then. */
static void child_follow(pid_t child, int pipe, struct output *output)
{
    int pidfd = (int)syscall(SYS_pidfd_open, child, 0);
    struct pollfd wait[2] = {{.fd = pidfd, .events = POLLIN}, {.fd = pipe, .events = POLLIN}};

    while (!(wait[0].revents & POLLIN)) {
        if (poll(wait, 2, -1) < 0 && errno != EINTR)
            break;
        if (wait[1].revents && !output_drain(output, pipe))
            wait[1].fd = -1;
    }
    output_drain(output, pipe);
    if (output->length > 0)
        output_line(output);
    close(pidfd);
}

static int exit_code(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int command_run(int port, const char *id, const char *command)
{
    struct output output = {.port = port, .id = id};
    int pipes[2];
    int status = 127 << 8;
    pid_t child;

    if (pipe2(pipes, O_CLOEXEC) < 0)
        return 127;
    child = fork();
    if (child == 0)
        child_run(command, pipes[1]);
    close(pipes[1]);
    fcntl(pipes[0], F_SETFL, O_NONBLOCK);
    if (child > 0) {
        child_follow(child, pipes[0], &output);
        waitpid(child, &status, 0);
    }
    close(pipes[0]);
    return exit_code(status);
}

static void line_handle(int port, char *line)
{
    char answer[256];
    char *rest = line;
    char *verb = strsep(&rest, " ");
    char *id = strsep(&rest, " ");
    int n;

    if (strcmp(verb, "run") != 0 || id == NULL || rest == NULL)
        return;
    n = snprintf(answer, sizeof(answer), "end %.200s %d\n", id, command_run(port, id, rest));
    write_all(port, answer, (size_t)n);
}

/* The first line that a command prints or a file holds; empty if none. */
static void first_line(FILE *file, int (*done)(FILE *), char *out, size_t size)
{
    out[0] = '\0';
    if (file == NULL)
        return;
    if (fgets(out, (int)size, file) == NULL)
        out[0] = '\0';
    out[strcspn(out, "\n")] = '\0';
    done(file);
}

static int hello(int port)
{
    char boot[64];
    char target[128];
    char line[256];
    char *name = target;
    int n;

    first_line(fopen("/proc/sys/kernel/random/boot_id", "re"), fclose, boot, sizeof(boot));
    first_line(popen("systemctl show --property=Id --value default.target", "re"), pclose, target,
               sizeof(target));
    target[strcspn(target, ".")] = '\0';
    if (strncmp(name, "backstop-", strlen("backstop-")) == 0)
        name += strlen("backstop-");
    n = snprintf(line, sizeof(line), "hello %s %s\n", boot, name);
    return write_all(port, line, (size_t)n);
}

/* Serves one connection: returns when the host has closed its end. */
static void serve(int port)
{
    static char line[LINE_MAX_BYTES];
    size_t length = 0;
    char c;

    if (hello(port) < 0)
        return;
    while (read(port, &c, 1) == 1) {
        if (c == '\n') {
            line[length] = '\0';
            line_handle(port, line);
            length = 0;
        } else if (length < sizeof(line) - 1) {
            line[length++] = c;
        }
    }
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    for (;;) {
        int port = open(PORT, O_RDWR | O_CLOEXEC);
        if (port < 0 && errno == ENOENT) {
            fprintf(stderr, "rig-agent: " PORT ": %s\n", strerror(errno));
            return EXIT_FAILURE;
        }
        if (port >= 0) {
            serve(port);
            close(port);
        }
        usleep(RECONNECT_US);
    }
}
