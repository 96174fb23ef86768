/* jail.c - see jail.h */
#include "jail.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "plant.h"

#define PATH_SIZE 1200
#define LOADER_CACHE "/etc/ld.so.cache"

/* Of the machine itself, each in its own place. Not every one has /lib64. */
static const char *const seen[] = {"/lib", "/lib64", "/proc", LOADER_CACHE};

void jail_plant(const char *root)
{
    plant_dirs(root, JAIL_PROGRAMS);
    plant_dirs(root, JAIL_PROVER);
    plant_dirs(root, "/lib");
    plant_dirs(root, "/lib64");
    plant_dirs(root, "/proc");
    plant_dirs(root, "/etc");
    plant_file(root, LOADER_CACHE, "", 0644);
}

/* Read-only, but for /proc, which is mounted with all that is in it. */
static bool see(const char *root, const char *from, const char *as)
{
    char to[PATH_SIZE];
    snprintf(to, sizeof to, "%s%s", root, as);
    return mount(from, to, NULL, MS_BIND, NULL) == 0 &&
           mount(NULL, to, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0;
}

static bool is_private(void)
{
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

bool jail_enter(const struct jail *jail)
{
    if (!is_private() || !see(jail->root, jail->programs, JAIL_PROGRAMS) ||
        !see(jail->root, jail->prover, JAIL_PROVER))
        return false;
    for (size_t i = 0; i < sizeof seen / sizeof *seen; i++)
        if (access(seen[i], F_OK) == 0 && !see(jail->root, seen[i], seen[i]))
            return false;
    return chroot(jail->root) == 0 && chdir("/") == 0;
}

bool jail_own_mounts(void)
{
    static bool own;
    own = own || is_private();
    return own;
}

bool jail_can_be(void)
{
    int status;
    pid_t pid = geteuid() == 0 ? fork() : -1;
    if (pid == 0)
        _exit(is_private() && chroot("/") == 0 ? 0 : 1);
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}
