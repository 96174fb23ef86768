#include "health.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHECKS_MAX 1024

static const struct check_dir {
    const char *path;
    bool required;
    int hidden_by; /* index of the directory whose names hide those here; -1 */
} check_dirs[] = {
    {"/etc/backstop/check/required.d", true, -1},
    {"/etc/backstop/check/wanted.d", false, -1},
    {"/usr/lib/backstop/check/required.d", true, 0},
    {"/usr/lib/backstop/check/wanted.d", false, 1},
    {"/etc/greenboot/check/required.d", true, -1},
    {"/etc/greenboot/check/wanted.d", false, -1},
    {"/usr/lib/greenboot/check/required.d", true, -1},
    {"/usr/lib/greenboot/check/wanted.d", false, -1},
};

const char *health_outcome_string(enum health_outcome outcome)
{
    switch (outcome) {
    case HEALTH_PASSED:
        return "passed";
    case HEALTH_FAILED:
        return "failed";
    case HEALTH_TIMED_OUT:
        return "timed out";
    case HEALTH_NOT_RUN:
        return "could not be run";
    }
    return "unknown";
}

static bool is_hidden(const struct place *place, const struct check_dir *dir, const char *name)
{
    char path[PATH_MAX];
    int fd;

    if (dir->hidden_by < 0)
        return false;
    snprintf(path, sizeof path, "%s/%s", check_dirs[dir->hidden_by].path, name);
    fd = place_openat(place, path, O_PATH | O_NOFOLLOW, 0, true);
    if (fd < 0)
        return false;
    close(fd);
    return true;
}

static bool is_executable(int dir_fd, const char *name)
{
    struct stat st;

    return name[0] != '.' && fstatat(dir_fd, name, &st, 0) == 0 && S_ISREG(st.st_mode) &&
           (st.st_mode & 0111);
}

static int add_check(struct health *health, const struct check_dir *dir, const char *name)
{
    struct health_check *check = &health->checks[health->count];

    if (health->count == CHECKS_MAX)
        return -E2BIG;
    if (asprintf(&check->path, "%s/%s", dir->path, name) < 0)
        return -ENOMEM;
    check->required = dir->required;
    check->outcome = HEALTH_NOT_RUN;
    health->count++;
    return 0;
}

static int list_dir(const struct place *place, const struct check_dir *dir, struct health *health)
{
    int fd = place_openat(place, dir->path, O_RDONLY | O_DIRECTORY, 0, true), error = 0;
    DIR *listing = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *item;

    if (!listing) {
        if (fd >= 0)
            close(fd);
        return fd == -ENOENT ? 0 : fd < 0 ? fd : -ENOMEM;
    }
    while (!error && (item = readdir(listing)))
        if (is_executable(dirfd(listing), item->d_name) && !is_hidden(place, dir, item->d_name))
            error = add_check(health, dir, item->d_name);
    closedir(listing);
    return error;
}

static const char *name_of(const struct health_check *check)
{
    return strrchr(check->path, '/') + 1;
}

static int by_name(const void *a, const void *b)
{
    const struct health_check *left = a, *right = b;
    int order = strcmp(name_of(left), name_of(right));

    return order ? order : strcmp(left->path, right->path);
}

/* SIGCHLD is blocked from before the check begins, so that its end is not missed. */
static void block_child_signal(sigset_t *children, sigset_t *former)
{
    sigemptyset(children);
    sigaddset(children, SIGCHLD);
    sigprocmask(SIG_BLOCK, children, former);
}

/* `signals`: what it is to have blocked. */
static pid_t start(const struct place *place, const struct health_check *check,
                   const sigset_t *signals)
{
    char path[PATH_MAX];
    pid_t pid;

    if ((size_t)snprintf(path, sizeof path, "%s%s",
                         strcmp(place->root, "/") == 0 ? "" : place->root,
                         check->path) >= sizeof path)
        return -ENAMETOOLONG;
    pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0) {
        int null = open("/dev/null", O_RDONLY);

        setpgid(0, 0);
        sigprocmask(SIG_SETMASK, signals, NULL);
        if (null >= 0)
            dup2(null, STDIN_FILENO);
        execl(path, path, (char *)NULL);
        _exit(127);
    }
    setpgid(pid, pid); /* whoever comes first: a kill must find the group */
    return pid;
}

static bool has_ended(pid_t pid)
{
    siginfo_t info = {0};

    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == pid;
}

/* True if it ended in time; it is not reaped yet. */
static bool wait_limited(pid_t pid, unsigned time_limit, const sigset_t *children)
{
    struct timespec now, end;

    clock_gettime(CLOCK_MONOTONIC, &now);
    end = (struct timespec){now.tv_sec + (time_t)time_limit, now.tv_nsec};
    while (!has_ended(pid)) {
        struct timespec left = {end.tv_sec - now.tv_sec, end.tv_nsec - now.tv_nsec};

        if (left.tv_nsec < 0)
            left = (struct timespec){left.tv_sec - 1, left.tv_nsec + 1000000000};
        if (left.tv_sec < 0)
            return false;
        sigtimedwait(children, NULL, &left);
        clock_gettime(CLOCK_MONOTONIC, &now);
    }
    return true;
}

static void run_check(const struct place *place, unsigned time_limit, struct health_check *check)
{
    sigset_t children, former;
    int status = 0;
    bool in_time;
    pid_t pid;

    block_child_signal(&children, &former);
    pid = start(place, check, &former);
    in_time = pid < 0 || wait_limited(pid, time_limit, &children);
    sigprocmask(SIG_SETMASK, &former, NULL);
    if (pid < 0)
        return;
    /* before it is reaped, so that the group is still its own; what it left behind goes as well */
    kill(-pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    check->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (!in_time)
        check->outcome = HEALTH_TIMED_OUT;
    else if (check->status == 127)
        check->outcome = HEALTH_NOT_RUN;
    else
        check->outcome = check->status == 0 ? HEALTH_PASSED : HEALTH_FAILED;
}

static void report(const struct health_check *check, unsigned time_limit, struct diag *diag)
{
    enum diag_level level = check->required ? DIAG_ERROR : DIAG_WARNING;

    switch (check->outcome) {
    case HEALTH_PASSED:
        diag_report(diag, DIAG_INFO, "check %s passed", check->path);
        break;
    case HEALTH_FAILED:
        diag_report(diag, level, "check %s failed with status %d", check->path, check->status);
        break;
    case HEALTH_TIMED_OUT:
        diag_report(diag, level, "check %s was ended after %u s", check->path, time_limit);
        break;
    case HEALTH_NOT_RUN:
        diag_report(diag, level, "check %s could not be run; is its first line right?",
                    check->path);
        break;
    }
}

int health_run(const struct place *place, unsigned time_limit, struct health *health,
               struct diag *diag)
{
    struct health found = {.checks = calloc(CHECKS_MAX, sizeof *found.checks)};
    int error = found.checks ? 0 : -ENOMEM;

    for (size_t i = 0; i < sizeof check_dirs / sizeof *check_dirs && !error; i++)
        error = list_dir(place, &check_dirs[i], &found);
    if (error) {
        health_free(&found);
        return error;
    }
    qsort(found.checks, found.count, sizeof *found.checks, by_name);
    for (size_t i = 0; i < found.count; i++) {
        struct health_check *check = &found.checks[i];

        run_check(place, time_limit, check);
        report(check, time_limit, diag);
        if (check->outcome != HEALTH_PASSED) {
            found.failed_required += check->required;
            found.failed_wanted += !check->required;
        }
    }
    *health = found;
    return 0;
}

void health_free(struct health *health)
{
    for (size_t i = 0; i < health->count; i++)
        free(health->checks[i].path);
    free(health->checks);
    *health = (struct health){0};
}
