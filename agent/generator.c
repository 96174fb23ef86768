#include "generator.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "banner.h"
#include "io.h"

#define UNIT_DIR "/usr/lib/systemd/system/"

static const char *const network_units[] = {
    "NetworkManager.service",   "systemd-networkd.service", "systemd-networkd.socket",
    "systemd-resolved.service", "networking.service",       "connman.service",
};
static const char *const ssh_units[] = {"ssh.service", "sshd.service", "ssh.socket", "sshd.socket",
                                        "dropbear.service"};

static void keep_first(int *first, int error)
{
    if (error && !*first)
        *first = error;
}

/* DIR/NAME -> target, DIR made if it lacks; "already so" is success. */
static int put_link(const char *dir, const char *name, const char *target)
{
    char path[PATH_MAX];

    if (mkdir(dir, 0755) < 0 && errno != EEXIST)
        return -errno;
    if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, name) >= sizeof path)
        return -ENAMETOOLONG;
    if (symlink(target, path) == 0 || errno == EEXIST)
        return 0;
    return -errno;
}

static int put_text(const char *dir, const char *name, const char *text)
{
    int fd, error;

    if (mkdir(dir, 0755) < 0 && errno != EEXIST)
        return -errno;
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    error = io_write_atomic(fd, name, text, strlen(text), 0644);
    close(fd);
    return error;
}

/* The unit file behind an enabled unit, as the link of its target's .wants names it. */
static bool find_enabled(const struct place *place, const char *unit, char target[PATH_MAX])
{
    static const char *const wants[] = {"multi-user.target.wants", "sysinit.target.wants",
                                        "sockets.target.wants",    "network-online.target.wants",
                                        "graphical.target.wants",  "network.target.wants"};

    for (size_t i = 0; i < sizeof wants / sizeof *wants; i++) {
        char path[PATH_MAX];
        ssize_t length;
        int dir;

        snprintf(path, sizeof path, "/etc/systemd/system/%s", wants[i]);
        dir = place_openat(place, path, O_PATH | O_DIRECTORY, 0, true);
        if (dir < 0)
            continue;
        length = readlinkat(dir, unit, target, PATH_MAX - 1);
        close(dir);
        if (length <= 0)
            continue;
        target[length] = '\0';
        return true;
    }
    return false;
}

static int want(const struct generator *generator, const char *const *units, size_t count)
{
    char dir[PATH_MAX], target[PATH_MAX];
    int first = 0;

    snprintf(dir, sizeof dir, "%s/" SAFE_TARGET ".wants", generator->early_dir);
    for (size_t i = 0; i < count; i++)
        if (find_enabled(generator->place, units[i], target))
            keep_first(&first, put_link(dir, units[i], target));
    return first;
}

/* Minimal safe mode brings nothing that a driver of a set could be in the way of. */
static bool wants_network(enum mode mode)
{
    switch (mode) {
    case MODE_NORMAL:
    case MODE_MINIMAL:
        return false;
    case MODE_SAFE:
    case MODE_HOLD:
        return true;
    }
    return false;
}

static int select_safe_mode(const struct generator *generator)
{
    int first = put_link(generator->early_dir, "default.target", UNIT_DIR SAFE_TARGET);

    if (!wants_network(generator->boot->mode))
        return first;
    if (generator->policy->safe_network)
        keep_first(&first,
                   want(generator, network_units, sizeof network_units / sizeof *network_units));
    if (generator->policy->safe_ssh)
        keep_first(&first, want(generator, ssh_units, sizeof ssh_units / sizeof *ssh_units));
    return first;
}

static int put_banners(const struct generator *generator)
{
    char text[BANNER_SIZE], dir[PATH_MAX];
    int first;

    banner_text(generator->boot, generator->policy, text);
    snprintf(dir, sizeof dir, "%s/motd.d", generator->run);
    first = put_text(dir, "backstop", text);
    snprintf(dir, sizeof dir, "%s/issue.d", generator->run);
    keep_first(&first, put_text(dir, "backstop.issue", text));
    return first;
}

static int set_deadline(const struct generator *generator)
{
    char dir[PATH_MAX], text[64];

    if (generator->policy->deadline == 0)
        return put_link(generator->normal_dir, "backstop-deadline.timer", "/dev/null");
    snprintf(dir, sizeof dir, "%s/backstop-deadline.timer.d", generator->normal_dir);
    snprintf(text, sizeof text, "[Timer]\nOnActiveSec=\nOnActiveSec=%us\n",
             generator->policy->deadline);
    return put_text(dir, "50-policy.conf", text);
}

int generator_run(const struct generator *generator)
{
    int first = set_deadline(generator);

    if (generator->boot->mode == MODE_NORMAL)
        return first;
    keep_first(&first, select_safe_mode(generator));
    keep_first(&first, put_banners(generator));
    return first;
}
